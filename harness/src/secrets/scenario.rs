//! Secrets that stand in a scenario file.

use toml::{Table, Value};

use super::{learn, learn_certain, learn_header, learn_if_named, learn_query, learn_urls};

/// Tables of a file in which people get into a target. Cases are not among them: what they show are test data.
const TABLES: [&str; 5] = ["target", "users", "vars", "feeds", "actions"];

/// Learns what stands in a file as it is. What is filled in is learned when it is rendered.
pub fn learn_scenario(text: &str) {
    // A file that cannot be read is refused elsewhere.
    let Ok(file) = text.parse::<Table>() else { return };
    let tables = TABLES.iter().filter_map(|name| Some((name, file.get(*name)?)));
    // The tables of feeds and the like have names of their own, which say nothing.
    tables.for_each(|(name, table)| walk(name, table, Within::Anything));
}

/// What a value is part of.
#[derive(Clone, Copy)]
enum Within {
    Anything,
    Headers,
    /// `auth`, `query`: whatever is said there gets somebody in.
    Showing,
}

fn walk(name: &str, value: &Value, within: Within) {
    match value {
        Value::String(text) => literals(text).for_each(|piece| text_of(name, piece, within)),
        Value::Array(items) => items.iter().for_each(|item| walk(name, item, within)),
        Value::Table(table) => {
            for (key, value) in table {
                let within = match key.as_str() {
                    "headers" => Within::Headers,
                    "auth" | "query" => Within::Showing,
                    // Where in an answer a secret will be, which is none itself.
                    "save" => continue,
                    _ => within,
                };
                walk(key, value, within);
            }
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

fn text_of(name: &str, text: &str, within: Within) {
    match within {
        Within::Headers => learn_header(name, text),
        // The query of `[target]` is one text; that of users is a table.
        Within::Showing if name == "query" && text.contains('=') => learn_query(text),
        Within::Showing => learn(name, text),
        Within::Anything if text.contains("://") => learn_urls(text),
        Within::Anything if name == "cookie" => learn_certain(text),
        Within::Anything => learn_if_named(name, text),
    }
}

/// What stands between `${…}`.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (piece, behind) = text.split_once("${").map_or((text, None), |(piece, behind)| (piece, Some(behind)));
        rest = behind.and_then(|behind| behind.split_once('}')).map(|(_, behind)| behind);
        Some(piece)
    })
}

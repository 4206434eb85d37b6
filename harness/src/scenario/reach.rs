//! What a scenario reads besides itself, and where it may send things to: what somebody wants to know who got it from a stranger.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::Loaded;

/// As it stands in the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Environment variables.
    pub variables: BTreeSet<String>,
    pub files: BTreeSet<String>,
    /// Besides the target that the command line may name.
    pub hosts: BTreeSet<String>,
}

/// Of the whole file, with whatever stands in a string.
pub fn reach(loaded: &Loaded) -> Reach {
    let mut reach = Reach::default();
    let file: Table = loaded.source.text.parse().unwrap_or_default();
    let feeds = file.get("feeds").and_then(Value::as_table);
    let files = feeds.into_iter().flat_map(Table::values).filter_map(|feed| feed.get("file"));
    let ca = file.get("target").and_then(|target| target.get("tls")?.get("ca"));
    reach.files.extend(files.chain(ca).filter_map(Value::as_str).map(str::to_owned));
    for (name, value) in &file {
        walk(name, value, &mut reach);
    }
    reach
}

fn walk(key: &str, value: &Value, reach: &mut Reach) {
    match value {
        // Prose may name any address.
        Value::String(text) if key != "about" => of_text(text, reach),
        Value::Array(items) => items.iter().for_each(|item| walk(key, item, reach)),
        Value::Table(table) => table.iter().for_each(|(key, value)| walk(key, value, reach)),
        _ => {}
    }
}

fn of_text(text: &str, reach: &mut Reach) {
    let inner = text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(inner, _)| inner.trim());
    reach.variables.extend(inner.filter_map(|inner| inner.strip_prefix("env.")).map(str::to_owned));
    let is_url = ["http://", "https://", "ws://", "wss://", "redis://"].iter().any(|scheme| text.starts_with(scheme));
    if is_url && let Some((scheme, rest)) = text.split_once("://") {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        reach.hosts.insert(format!("{scheme}://{host}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, source::Source};

    #[test]
    fn everything_that_is_read_and_asked_is_listed() {
        let text = r#"name = "x"
about = "like http://example.org/"
[target]
url = "http://me:pw@127.0.0.1:3000/x"
headers = { A = "${env.TOKEN_A} ${env.TOKEN_B}" }
[[case]]
name = "c"
clients = { a = { auth = { t = "${env.TOKEN_C}" } } }
steps = [{ http = { get = "https://elsewhere.example:8443/y" }, at = "a", status = 200 }]
"#;
        let loaded = scenario::load(Source { name: "t.toml".to_owned(), text: text.to_owned() }, &[], None).unwrap();
        let set = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<BTreeSet<_>>();
        let found = reach(&loaded);
        assert_eq!(found.variables, set(&["TOKEN_A", "TOKEN_B", "TOKEN_C"]));
        assert_eq!(found.hosts, set(&["http://127.0.0.1:3000", "https://elsewhere.example:8443"]));
        assert_eq!(found.files, set(&[]));
    }
}

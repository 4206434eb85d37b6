//! `[feeds]`: data for flows.

use sio_protocol::Value;

use super::actions;
use crate::scenario::model::{Feed, HandOut};
use crate::scenario::node::Node;
use crate::scenario::table::{self, Context, Table};
use crate::scenario::template::Scope;

pub(super) fn lower(node: &Node, cx: &mut Context<'_>) -> Option<Feed> {
    let mut table = Table::new(node, "a feed", cx)?;
    let (file, values) = (table.get("file"), table.get("values"));
    let rows = match (file, values) {
        (Some(node), None) => from_file(node, cx),
        (None, Some(node)) => self::values(node, cx),
        _ => {
            cx.diagnostics.error(table.span(), "a feed has one of `file` and `values`");
            None
        }
    };
    let hand_out = match table.get("hand_out") {
        Some(node) => hand_out(node, cx),
        None => Some(HandOut::AtRandom),
    };
    let span = table.span();
    table.finish(cx);
    Some(Feed { rows: rows?, hand_out: hand_out?, span })
}

/// The rows of a CSV file with a line of headers, beside the scenario.
fn from_file(node: &Node, cx: &mut Context<'_>) -> Option<Vec<Value>> {
    let name = table::string(node, cx)?;
    let text = match cx.brought {
        None => cx.source.beside(&name),
        Some(brought) => brought.text(&name),
    };
    let read = text.and_then(|text| rows(&text).map_err(|problem| format!("{name}: {problem}")));
    read.map_err(|problem| cx.diagnostics.error(node.span.clone(), problem)).ok()
}

fn rows(text: &str) -> Result<Vec<Value>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|error| error.to_string())?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let fields = headers.iter().zip(&record);
        rows.push(Value::Object(fields.map(|(name, value)| (name.to_owned(), Value::from(value))).collect()));
    }
    if rows.is_empty() {
        return Err("expected a line of headers and at least one row".to_owned());
    }
    Ok(rows)
}

fn values(node: &Node, cx: &mut Context<'_>) -> Option<Vec<Value>> {
    let templates = actions::list(node, cx);
    if templates.is_empty() {
        cx.diagnostics.error(node.span.clone(), "a feed needs at least one value");
        return None;
    }
    let mut scope = Scope::default();
    let values: Result<Vec<_>, String> = templates.iter().map(|template| scope.render(template)).collect();
    values.map_err(|problem| cx.diagnostics.error(node.span.clone(), problem)).ok()
}

fn hand_out(node: &Node, cx: &mut Context<'_>) -> Option<HandOut> {
    let name = table::string(node, cx)?;
    let found = HandOut::from_name(&name);
    if found.is_none() {
        cx.diagnostics.unknown(node.span.clone(), "way to hand out", &name, &HandOut::NAMES);
    }
    found
}

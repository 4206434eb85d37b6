//! `[target]`: where to, unless the command line says otherwise.

use crate::scenario::model::{Reconnect, Target};
use crate::scenario::node::{Kind, Node};
use crate::scenario::table::{self, Context, Table};

/// Servers of one run.
const MOST_NODES: u64 = 64;

pub(super) fn lower(node: &Node, cx: &mut Context<'_>) -> Target {
    let Some(mut table) = Table::new(node, "[target]", cx) else { return Target::default() };
    let mut target = Target::default();
    match (table.get("url"), table.get("urls")) {
        (Some(node), None) => target.urls.extend(url(node, cx)),
        (None, Some(node)) => {
            let urls = table::array(node, "an array of URLs", cx).unwrap_or_default();
            target.urls.extend(urls.iter().filter_map(|node| url(node, cx)));
        }
        (Some(_), Some(node)) => {
            cx.diagnostics.error(node.span.clone(), "`url` and `urls` exclude each other");
        }
        (None, None) => {}
    }
    if let Some(node) = table.get("nodes") {
        match table::count(node, 1, cx) {
            Some(count) if count > MOST_NODES => {
                cx.diagnostics.error(node.span.clone(), format_args!("at most {MOST_NODES} nodes, found {count}"));
            }
            Some(_) if !target.urls.is_empty() => {
                cx.diagnostics.error(node.span.clone(), "`nodes` are started; with `url` or `urls` they run already");
            }
            Some(count) => target.nodes = Some(count as u32),
            None => {}
        }
    }
    if let Some(node) = table.get("options") {
        target.options = super::cases::options_of(&[node], &[], cx);
    }
    target.path = table.get("path").and_then(|node| table::string(node, cx));
    target.reconnect = table.get("reconnect").and_then(|node| reconnect(node, cx));
    for unused in ["parser", "headers", "tls", "compress", "source_ips"] {
        table.not_yet(unused, cx);
    }
    table.finish(cx);
    target
}

/// `true`, `false`, or `{ delay = "1s..5s", factor = 2, jitter = 0.5 }`.
fn reconnect(node: &Node, cx: &mut Context<'_>) -> Option<Reconnect> {
    if let Kind::Bool(wanted) = node.kind {
        return wanted.then(Reconnect::default);
    }
    let usual = Reconnect::default();
    let mut table = Table::new(node, "`reconnect`", cx)?;
    let delay = table.get("delay").map_or(Some(usual.delay), |node| table::durations(node, cx));
    let factor = table.get("factor").map_or(Some(usual.factor), |node| within(node, 1.0, 100.0, cx));
    let jitter = table.get("jitter").map_or(Some(usual.jitter), |node| within(node, 0.0, 1.0, cx));
    table.finish(cx);
    Some(Reconnect { delay: delay?, factor: factor?, jitter: jitter? })
}

fn within(node: &Node, least: f64, most: f64, cx: &mut Context<'_>) -> Option<f64> {
    let number = table::number(node, cx)?;
    if (least..=most).contains(&number) {
        return Some(number);
    }
    cx.diagnostics.error(node.span.clone(), format_args!("expected {least} to {most}, found {number}"));
    None
}

/// A URL may come from the environment; a missing variable is an error when it is needed, not before.
fn url(node: &Node, cx: &mut Context<'_>) -> Option<String> {
    let text = node.as_str()?;
    match text.strip_prefix("${env.").and_then(|rest| rest.strip_suffix('}')) {
        Some(variable) => match std::env::var(variable) {
            Ok(url) => Some(url),
            Err(_) => {
                cx.not_yet.push((format!("`url`: the environment variable {variable} is not set"), node.span.clone()));
                None
            }
        },
        None => table::string(node, cx),
    }
}

//! `[observe]`: where a target that runs already says what it costs.

use crate::scenario::model::{Observe, ProcessId};
use crate::scenario::node::{Kind, Node};
use crate::scenario::table::{self, Context, Table};

pub(super) fn lower(node: &Node, cx: &mut Context<'_>) -> Option<Observe> {
    let mut table = Table::new(node, "[observe]", cx)?;
    let prometheus = match table.get("prometheus") {
        Some(node) => Some(url(node, cx)?),
        None => None,
    };
    let process = match table.get("process") {
        Some(node) => Some(process(node, cx)?),
        None => None,
    };
    let metrics = table.get("metrics").map_or(Some(Vec::new()), |node| table::strings(node, cx))?;
    if prometheus.is_none() && process.is_none() {
        cx.diagnostics.error(table.span(), "[observe] has `prometheus`, `process` or both");
    }
    if prometheus.is_none() && !metrics.is_empty() {
        cx.diagnostics.error(table.span(), "`metrics` are those of `prometheus`, and there is none");
    }
    table.finish(cx);
    Some(Observe { prometheus, process, metrics })
}

fn url(node: &Node, cx: &mut Context<'_>) -> Option<String> {
    let text = table::string(node, cx)?;
    if text.starts_with("http://") {
        return Some(text);
    }
    cx.diagnostics.error(node.span.clone(), format_args!("expected http://HOST:PORT/metrics, found `{text}`"));
    None
}

/// `4711`, or `"${env.SHOP_PID}"`; who is not known yet is asked for when it matters.
fn process(node: &Node, cx: &mut Context<'_>) -> Option<ProcessId> {
    let variable = node.as_str().and_then(|text| text.strip_prefix("${env.")?.strip_suffix('}'));
    let number = match variable {
        Some(variable) => match std::env::var(variable) {
            Ok(text) => text.trim().parse().ok(),
            Err(_) => return Some(ProcessId::Unset(variable.to_owned())),
        },
        None => match table::scalar(node, cx)?.kind {
            Kind::Int(number) => u32::try_from(number).ok(),
            Kind::Str(text) => text.parse().ok(),
            _ => None,
        },
    };
    if number.is_none() {
        cx.diagnostics.error(node.span.clone(), "expected the number of a process, or \"${env.NAME}\" that has it");
    }
    number.map(ProcessId::Known)
}

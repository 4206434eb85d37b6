//! `[rooms]`, `[users]`, `[traffic]`, `[[phase]]` and `[[chaos]]`.

mod chaos;
mod traffic;
mod users;

pub(super) use chaos::lower as chaos;
pub(super) use traffic::{World, lower as traffic};
pub(super) use users::{Around, Users, lower as users};

use indexmap::IndexMap;

use super::actions;
use crate::scenario::model::{Action, Chaos, Phase, Population, RoomGroup};
use crate::scenario::node::Node;
use crate::scenario::table::{self, Context, Table};

/// Users of one population, and rooms of one group.
const MOST: u64 = 10_000_000;

fn bounded(node: &Node, cx: &mut Context<'_>) -> Option<u32> {
    let count = table::count(node, 1, cx)?;
    if count > MOST {
        cx.diagnostics.error(node.span.clone(), format_args!("at most {MOST}, found {count}"));
        return None;
    }
    Some(count as u32)
}

/// The name of a population that there is.
fn population_name(node: &Node, populations: &IndexMap<String, Population>, cx: &mut Context<'_>) -> Option<String> {
    let name = table::string(node, cx)?;
    if populations.contains_key(&name) {
        return Some(name);
    }
    if cx.travellers.contains(&name) {
        cx.diagnostics.error(node.span.clone(), format_args!("`{name}` follow a flow, and do only what that says"));
        cx.diagnostics.note("name users without a flow; there may be both in a scenario");
        return None;
    }
    let known: Vec<_> = populations.keys().map(String::as_str).collect();
    cx.unknown_name("users", node.span.clone(), "population", &name, &known);
    None
}

fn namespace(node: &Node, cx: &mut Context<'_>) -> Option<String> {
    let name = table::string(node, cx)?;
    if name.starts_with('/') {
        return Some(name);
    }
    cx.diagnostics.error(node.span.clone(), format_args!("a namespace starts with `/`, found `{name}`"));
    None
}

pub(super) fn rooms(node: &Node, declared: &IndexMap<String, Action>, cx: &mut Context<'_>) -> Option<RoomGroup> {
    let mut table = Table::new(node, "a room group", cx)?;
    let count = table.require("count", cx).and_then(|node| bounded(node, cx));
    let join = table.require("join", cx).and_then(|node| actions::invocation(node, declared, cx));
    let namespace = table.get("namespace").map_or_else(|| Some("/".to_owned()), |node| namespace(node, cx));
    table.not_yet("leave", cx);
    table.finish(cx);
    Some(RoomGroup { count: count?, namespace: namespace?, join: join? })
}

/// A phase, and what happens at its start.
pub(super) fn phase(
    node: &Node,
    index: usize,
    populations: &IndexMap<String, Population>,
    cx: &mut Context<'_>,
) -> Option<(Phase, Option<Chaos>)> {
    let mut table = Table::new(node, "a phase", cx)?;
    let name = table.require("name", cx).and_then(|node| table::string(node, cx));
    let length = table.require("for", cx).and_then(|node| table::duration(node, cx));
    let load = table.get("load").map_or(Some((1.0, 1.0)), |node| table::load(node, cx));
    let measured = table.get("measured").map_or(Some(true), |node| table::boolean(node, cx));
    let at_start = table.get("at_start").map(|node| chaos::at_start(node, index, populations, cx));
    table.finish(cx);
    let at_start = match at_start {
        Some(chaos) => Some(chaos?),
        None => None,
    };
    Some((Phase { name: name?, length: length?, load: load?, measured: measured? }, at_start))
}

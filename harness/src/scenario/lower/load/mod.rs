//! `[rooms]`, `[users]`, `[traffic]`, `[[phase]]` and `[[chaos]]`.

mod chaos;
mod cluster;
mod traffic;
mod users;

pub(super) use chaos::lower as chaos;
pub(super) use traffic::{World, lower as traffic};
pub(super) use users::{Around, Users, lower as users};

use indexmap::IndexMap;

use super::actions;
use crate::scenario::diagnostic::Diagnostics;
use crate::scenario::model::{Action, Chaos, Phase, Population, RoomGroup};
use crate::scenario::node::{Kind, Node};
use crate::scenario::table::{self, Context, Table};
use crate::scenario::vars::Vars;

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

/// `members` are the places that users take in these rooms: each as many as it is in.
pub(super) fn rooms(
    node: &Node,
    declared: &IndexMap<String, Action>,
    members: u64,
    cx: &mut Context<'_>,
) -> Option<RoomGroup> {
    let mut table = Table::new(node, "a room group", cx)?;
    let (count, dealt) = room_count(&mut table, members, cx);
    let join = table.get("join").map(|node| actions::invocation(node, declared, cx));
    let namespace = table.get("namespace").map_or_else(|| Some("/".to_owned()), |node| namespace(node, cx));
    table.not_yet("leave", cx);
    table.finish(cx);
    Some(RoomGroup {
        count: count?,
        dealt,
        namespace: namespace?,
        join: join.map_or(Some(None), |join| join.map(Some))?,
    })
}

/// `count`, `size`, or both if they are true of each other; and whether the rooms are to be of one size.
fn room_count(table: &mut Table<'_>, members: u64, cx: &mut Context<'_>) -> (Option<u32>, bool) {
    let count = table.get("count").map(|node| (node, bounded(node, cx)));
    let size = table.get("size").map(|node| (node, bounded(node, cx)));
    match (count, size) {
        (Some((_, count)), None) => (count, false),
        (Some((_, Some(count))), Some((node, Some(size)))) => {
            if u64::from(count) * u64::from(size) != members {
                let message = format!(
                    "{count} rooms of {size} are {} places, and users take {members}",
                    u64::from(count) * u64::from(size)
                );
                cx.diagnostics.error(node.span.clone(), message);
                cx.diagnostics.note(
                    "leave `count` out, and there are as many rooms as it takes; or `size`, and members are drawn",
                );
            }
            (Some(count), true)
        }
        (None, Some((node, Some(size)))) => {
            if members == 0 {
                cx.diagnostics.error(
                    node.span.clone(),
                    "nobody is in these rooms, so their size does not say how many there are",
                );
                cx.diagnostics.note("put users into them with `in = { NAME = 1 }`, or say `count`");
                return (None, true);
            }
            // Not more than there can be users.
            (u32::try_from(members.div_ceil(size.into())).ok(), true)
        }
        (None, None) => {
            cx.diagnostics
                .error(table.span(), "a room group needs `count`, how many there are, or `size`, their members");
            (None, false)
        }
        _ => (None, true),
    }
}

/// The places that users take in the rooms of a group, as far as that can be read; what cannot is reported elsewhere.
pub(super) fn members(users: Option<&Node>, group: &str, vars: &Vars) -> u64 {
    let Some(Node { kind: Kind::Table(populations), .. }) = users else { return 0 };
    let number = |node: Option<&Node>| match vars.fill(node?, &mut Diagnostics::default())?.kind {
        Kind::Int(number) => u64::try_from(number).ok(),
        _ => None,
    };
    let places = populations.iter().map(|(_, population)| {
        let each = population.field("in").and_then(|rooms| number(rooms.field(group)));
        each.unwrap_or(0).saturating_mul(number(population.field("count")).unwrap_or(0))
    });
    places.fold(0, u64::saturating_add)
}

/// A phase, and what happens at its start.
pub(super) fn phase(
    node: &Node,
    index: usize,
    populations: &IndexMap<String, Population>,
    cx: &mut Context<'_>,
) -> Option<(Phase, Option<Chaos>)> {
    let mut table = Table::new(node, "a phase", cx)?;
    let name = table.require("name", cx).and_then(|node| table::name(node, cx));
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

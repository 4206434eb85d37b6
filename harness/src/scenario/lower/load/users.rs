//! `[users]`: who connects, from where, for how long.

use std::time::Duration;

use indexmap::IndexMap;

use super::bounded;
use crate::scenario::model::{Churn, Leaving, Population, RoomGroup, Transport};
use crate::scenario::node::{Kind, Node};
use crate::scenario::table::{self, Context, Table};
use crate::scenario::template;
use crate::wire::Path;

pub(in crate::scenario::lower) fn lower(
    node: &Node,
    rooms: &IndexMap<String, RoomGroup>,
    cx: &mut Context<'_>,
) -> Option<Population> {
    let mut table = Table::new(node, "a population", cx)?;
    let count_node = table.get("count");
    let arrive = table.entry("arrive");
    match (count_node, arrive) {
        (Some(count), Some((key, _))) => {
            cx.diagnostics.error(key.span.clone(), "`count` and `arrive` exclude each other");
            cx.diagnostics.see(count.span.clone(), "a fixed number of users");
            cx.diagnostics
                .note("`count` keeps that many users; `arrive` lets new ones come, however slow the target is");
        }
        (None, Some((key, _))) => cx.not_yet.push(("`arrive`".to_owned(), key.span.clone())),
        (None, None) => cx.diagnostics.error(table.span(), "a population needs `count` or `arrive`"),
        (Some(_), None) => {}
    }
    let count = count_node.and_then(|node| bounded(node, cx));
    let connect = table.get("connect").and_then(|node| table::rate(node, cx));
    let transport = table.get("transport").map_or_else(|| Some(vec![(Transport::WebSocket, 1)]), |n| weights(n, cx));
    let memberships = table.get("in").map_or_else(Vec::new, |node| memberships(node, rooms, cx));
    let namespaces = match table.get("namespace") {
        Some(node) => namespaces(node, cx)?,
        None => Vec::new(),
    };
    let auth = table.get("auth").map(|node| template::parse(node, cx.diagnostics));
    let recovery = table.get("recovery").map_or(Some(false), |node| table::boolean(node, cx));
    let churn = match table.get("churn") {
        Some(node) => Some(churn(node, cx)?),
        None => None,
    };
    let reads = match table.get("reads") {
        Some(node) => Some(table::throughput(node, cx)?),
        None => None,
    };
    let link = match table.get("link") {
        Some(node) => Some(link(node, cx)?),
        None => None,
    };
    for unused in ["flow", "driver"] {
        table.not_yet(unused, cx);
    }
    table.finish(cx);
    let connect = connect.unwrap_or(crate::scenario::quantity::Rate { per_second: 500.0 });
    let namespaces = all_namespaces(namespaces, &memberships, rooms);
    Some(Population {
        count: count?,
        connect,
        transport: transport?,
        rooms: memberships,
        namespaces,
        auth,
        recovery: recovery?,
        churn,
        reads,
        link,
    })
}

/// `namespace = "/chat"` or `["/", "/chat"]`.
fn namespaces(node: &Node, cx: &mut Context<'_>) -> Option<Vec<String>> {
    match &node.kind {
        Kind::Array(items) => items.iter().map(|item| super::namespace(item, cx)).collect(),
        _ => super::namespace(node, cx).map(|name| vec![name]),
    }
}

/// Those that are named, and those of the rooms; the main one, if there are none.
fn all_namespaces(
    mut named: Vec<String>,
    memberships: &[(String, u32)],
    rooms: &IndexMap<String, RoomGroup>,
) -> Vec<String> {
    named.extend(memberships.iter().map(|(group, _)| rooms[group].namespace.clone()));
    if named.is_empty() {
        named.push("/".to_owned());
    }
    let mut unique: Vec<String> = Vec::new();
    for name in named {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}

/// `link = { delay = "20ms", pieces = "7B" }`
fn link(node: &Node, cx: &mut Context<'_>) -> Option<Path> {
    let mut table = Table::new(node, "`link`", cx)?;
    let delay = table.get("delay").map_or(Some(Duration::ZERO), |node| table::duration(node, cx));
    let pieces = match table.get("pieces") {
        Some(node) => match table::size(node, cx)? {
            0 => {
                cx.diagnostics.error(node.span.clone(), "pieces have at least one byte");
                return None;
            }
            bytes => Some(bytes),
        },
        None => None,
    };
    table.finish(cx);
    Some(Path { delay: delay?, pieces })
}

/// `churn = { stay = "10m", leave = "close", away = "1s..5s" }`
fn churn(node: &Node, cx: &mut Context<'_>) -> Option<Churn> {
    let mut table = Table::new(node, "`churn`", cx)?;
    let stay = table.require("stay", cx).and_then(|node| table::duration(node, cx));
    let leave = table.get("leave").map_or(Some(Leaving::Politely), |node| super::chaos::leaving(node, cx));
    let away = table.get("away").map_or(Some((Duration::ZERO, Duration::ZERO)), |node| table::durations(node, cx));
    table.finish(cx);
    let stay = stay?;
    if stay < Duration::from_millis(10) {
        cx.diagnostics.error(node.span.clone(), "nobody can come and go within 10 ms");
        return None;
    }
    Some(Churn { stay, leave: leave?, away: away? })
}

/// `transport = "polling"` or `{ websocket = 95, polling = 5 }`.
fn weights(node: &Node, cx: &mut Context<'_>) -> Option<Vec<(Transport, u32)>> {
    if let Some(name) = node.as_str() {
        return match Transport::from_name(name) {
            Some(transport) => Some(vec![(transport, 1)]),
            None => {
                cx.diagnostics.unknown(node.span.clone(), "transport", name, &Transport::NAMES);
                None
            }
        };
    }
    let Kind::Table(entries) = &node.kind else {
        cx.diagnostics.error(node.span.clone(), "`transport` is a name, or a table of weights");
        return None;
    };
    let mut weights = Vec::new();
    for (key, value) in entries {
        match Transport::from_name(&key.name) {
            Some(transport) => weights.push((transport, table::count(value, 0, cx)?.min(1_000_000) as u32)),
            None => cx.diagnostics.unknown(key.span.clone(), "transport", &key.name, &Transport::NAMES),
        }
    }
    if weights.iter().all(|(_, weight)| *weight == 0) {
        cx.diagnostics.error(node.span.clone(), "the weights add up to nothing");
        return None;
    }
    Some(weights)
}

fn memberships(node: &Node, rooms: &IndexMap<String, RoomGroup>, cx: &mut Context<'_>) -> Vec<(String, u32)> {
    let Kind::Table(entries) = &node.kind else {
        cx.diagnostics.error(node.span.clone(), "`in` is a table: room group and how many of its rooms");
        return Vec::new();
    };
    let mut list = Vec::new();
    for (key, value) in entries {
        let Some(group) = rooms.get(&key.name) else {
            let known: Vec<_> = rooms.keys().map(String::as_str).collect();
            cx.unknown_name("rooms", key.span.clone(), "room group", &key.name, &known);
            continue;
        };
        let Some(count) = table::count(value, 1, cx) else { continue };
        if count > u64::from(group.count) {
            let message = format!("a user cannot be in {count} of {} rooms", group.count);
            cx.diagnostics.error(value.span.clone(), message);
            continue;
        }
        list.push((key.name.clone(), count as u32));
    }
    list
}

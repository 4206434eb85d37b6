//! `[users]`: who connects, from where, for how long.

use std::time::Duration;

use indexmap::IndexMap;

use super::super::steps::Names;
use super::super::{cases, flow};
use super::bounded;
use crate::scenario::diagnostic::Diagnostics;
use crate::scenario::model::{
    ArrivalModel, Arrivals, Churn, Driver, Flow, FlowStep, Leaving, OF_USER, Population, RoomGroup, Transport,
};
use crate::scenario::node::{Kind, Node};
use crate::scenario::table::{self, Context, Table};
use crate::scenario::template::{self, Template};
use crate::vocab::quantity::Rate;
use crate::wire::Path;

/// One `[users.X]`.
pub(in crate::scenario::lower) enum Users {
    /// They stay in their rooms.
    Staying(Box<Population>),
    /// They follow a flow.
    Travelling(Flow),
}

/// What users may refer to.
pub(in crate::scenario::lower) struct Around<'a> {
    pub(in crate::scenario::lower) rooms: &'a IndexMap<String, RoomGroup>,
    pub(in crate::scenario::lower) flow: flow::World<'a>,
}

pub(in crate::scenario::lower) fn lower(node: &Node, around: &Around<'_>, cx: &mut Context<'_>) -> Option<Users> {
    let mut table = Table::new(node, "a population", cx)?;
    match table.get("flow") {
        Some(flow) => travelling(flow, table, around, cx).map(Users::Travelling),
        None => staying(table, around, cx).map(Box::new).map(Users::Staying),
    }
}

/// Those whose users follow a flow have these keys.
fn travelling(node: &Node, mut table: Table<'_>, around: &Around<'_>, cx: &mut Context<'_>) -> Option<Flow> {
    let coming = coming(&mut table, cx);
    let transport = table.get("transport").map_or_else(|| Some(vec![(Transport::WebSocket, 1)]), |n| weights(n, cx));
    let steps = flow::lower(node, &around.flow, cx);
    for (key, instead) in [
        ("in", "a step such as { do = [\"join\", \"lobby-1\"] }"),
        ("namespace", "a step such as { connect = \"/chat\" }"),
        ("auth", "`auth` of the step that connects"),
        ("query", "`query` of the step that connects"),
        ("headers", "`headers` of the step that connects"),
        ("enter", "first steps of the flow"),
        ("enter_again", "first steps of the flow"),
        ("churn", "a last step such as { disconnect = true }"),
        ("recovery", "users without a flow"),
        ("read_rate", "users without a flow"),
        ("link", "users without a flow"),
        ("driver", "users without a flow"),
    ] {
        if let Some((key, _)) = table.entry(key) {
            cx.diagnostics.error(key.span.clone(), format_args!("users with a flow have no `{}`", key.name));
            cx.diagnostics.note(format_args!("use {instead}"));
        }
    }
    table.finish(cx);
    let (steps, feeds) = steps?;
    Some(Flow { coming: coming?, transport: transport?, steps, feeds })
}

/// `count` and `connect`, or `arrive` and `arrivals`.
fn coming(table: &mut Table<'_>, cx: &mut Context<'_>) -> Option<ArrivalModel> {
    let (count, arrive) = (table.entry("count"), table.entry("arrive"));
    let (connect, arrivals) = (table.entry("connect"), table.entry("arrivals"));
    match (count, arrive) {
        (Some((_, count)), None) => {
            if let Some((key, _)) = arrivals {
                cx.diagnostics.error(key.span.clone(), "`arrivals` goes with `arrive`; `count` goes with `connect`");
            }
            let count = bounded(count, cx);
            Some(ArrivalModel::Closed { count: count?, connect: connect_rate(connect.map(|(_, node)| node), cx)? })
        }
        (None, Some((_, rate))) => {
            if let Some((key, _)) = connect {
                cx.diagnostics.error(key.span.clone(), "`connect` goes with `count`; `arrive` is a rate itself");
            }
            let arrivals = arrivals.map_or(Some(Arrivals::Poisson), |(_, node)| super::traffic::arrivals(node, cx));
            Some(ArrivalModel::Open { rate: table::rate(rate, cx)?, arrivals: arrivals? })
        }
        (Some((_, count)), Some((key, _))) => {
            cx.diagnostics.error(key.span.clone(), "`count` and `arrive` exclude each other");
            cx.diagnostics.see(count.span.clone(), "a fixed number of users");
            cx.diagnostics
                .note("`count` keeps that many users; `arrive` lets new ones come, however slow the target is");
            None
        }
        (None, None) => {
            cx.diagnostics.error(table.span(), "a population needs `count` or `arrive`");
            None
        }
    }
}

fn connect_rate(node: Option<&Node>, cx: &mut Context<'_>) -> Option<Rate> {
    node.map_or(Some(Rate { per_second: 500.0 }), |node| table::rate(node, cx))
}

fn staying(mut table: Table<'_>, around: &Around<'_>, cx: &mut Context<'_>) -> Option<Population> {
    let rooms = around.rooms;
    let coming = match table.entry("arrive") {
        Some((key, _)) if table.get("count").is_none() => {
            cx.diagnostics.error(key.span.clone(), "those who arrive follow a flow, and there is none");
            cx.diagnostics
                .note("say what they do with flow = [ … ]; users that stay and come and go have `count` and `churn`");
            None
        }
        _ => coming(&mut table, cx),
    };
    let transport = table.get("transport").map_or_else(|| Some(vec![(Transport::WebSocket, 1)]), |n| weights(n, cx));
    let memberships = table.get("in").map_or_else(Vec::new, |node| memberships(node, rooms, cx));
    let namespaces = match table.get("namespace") {
        Some(node) => namespaces(node, cx)?,
        None => Vec::new(),
    };
    let shown = shown(&mut table, around, cx);
    let recovery = table.get("recovery").map_or(Some(false), |node| table::boolean(node, cx));
    let churn = match table.get("churn") {
        Some(node) => Some(churn(node, cx)?),
        None => None,
    };
    let read_rate = match table.get("read_rate") {
        Some(node) => Some(table::throughput(node, cx)?),
        None => None,
    };
    let link = match table.get("link") {
        Some(node) => Some(link(node, cx)?),
        None => None,
    };
    let driver = table.get("driver").map_or(Some(Driver::Native), |node| driver(node, cx));
    if let (Some(Driver::Goose), Some((key, _)), Some(transport)) = (driver, table.entry("driver"), &transport)
        && transport.iter().any(|(transport, weight)| *transport != Transport::Polling && *weight > 0)
    {
        cx.diagnostics.error(key.span.clone(), "goose carries long-polling alone");
        cx.diagnostics.note("add `transport = \"polling\"`");
    }
    table.finish(cx);
    let ArrivalModel::Closed { count, connect } = coming? else { return None };
    let namespaces = all_namespaces(namespaces, &memberships, rooms);
    Some(Population {
        count,
        connect,
        transport: transport?,
        rooms: memberships,
        namespaces,
        auth: shown.auth,
        query: shown.query,
        headers: shown.headers,
        enter: shown.enter,
        enter_again: shown.enter_again,
        feeds: shown.feeds,
        recovery: recovery?,
        churn,
        read_rate,
        link,
        driver: driver?,
    })
}

/// What users show, and what they do for it.
struct Shown {
    auth: Option<Template>,
    query: Vec<(String, Template)>,
    headers: Vec<(String, Template)>,
    enter: Vec<FlowStep>,
    enter_again: bool,
    /// Those that are named here.
    feeds: Vec<String>,
}

fn shown(table: &mut Table<'_>, around: &Around<'_>, cx: &mut Context<'_>) -> Shown {
    let mut names = Names::of_user(around.flow.actions, around.flow.feeds);
    if table.get("in").is_some() {
        names.know(OF_USER);
    }
    let enter = table.get("enter").map_or_else(Vec::new, |node| flow::enter(node, &mut names, cx));
    for key in ["auth", "query", "headers"] {
        if let Some(node) = table.get(key) {
            names.check(node, &template::parse(node, &mut Diagnostics::default()), cx);
        }
    }
    let enter_again = table.entry("enter_again").is_some_and(|(key, node)| {
        if enter.is_empty() {
            cx.diagnostics.error(key.span.clone(), "`enter_again` without `enter`: there is nothing to be done again");
        }
        table::boolean(node, cx).unwrap_or(false)
    });
    Shown {
        auth: table.get("auth").map(|node| template::parse(node, cx.diagnostics)),
        query: table.get("query").map_or_else(Vec::new, |node| cases::texts(node, "query", cx)),
        headers: table.get("headers").map_or_else(Vec::new, |node| cases::headers(node, cx)),
        enter,
        enter_again,
        feeds: names.used,
    }
}

/// `"native"` or `"goose"`
fn driver(node: &Node, cx: &mut Context<'_>) -> Option<Driver> {
    let name = table::string(node, cx)?;
    match name.as_str() {
        "native" => Some(Driver::Native),
        "goose" => Some(Driver::Goose),
        other => {
            cx.diagnostics.unknown(node.span.clone(), "driver", other, &["native", "goose"]);
            None
        }
    }
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

//! `[rooms]`, `[users]`, `[traffic]` and `[[phase]]`.

use indexmap::IndexMap;

use super::actions;
use crate::load::stamp;
use crate::scenario::model::{Action, Arrivals, Phase, Population, RoomGroup, Traffic, Transport};
use crate::scenario::node::{Kind, Node};
use crate::scenario::table::{self, Context, Table};
use crate::scenario::template::{Expr, Piece, Template};

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

pub(super) fn rooms(node: &Node, declared: &IndexMap<String, Action>, cx: &mut Context<'_>) -> Option<RoomGroup> {
    let mut table = Table::new(node, "a room group", cx)?;
    let count = table.require("count", cx).and_then(|node| bounded(node, cx));
    let join = table.require("join", cx).and_then(|node| actions::invocation(node, declared, cx));
    table.not_yet("leave", cx);
    table.finish(cx);
    Some(RoomGroup { count: count?, join: join? })
}

pub(super) fn population(node: &Node, rooms: &IndexMap<String, RoomGroup>, cx: &mut Context<'_>) -> Option<Population> {
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
    for unused in ["churn", "recovery", "reads", "flow", "driver"] {
        table.not_yet(unused, cx);
    }
    table.finish(cx);
    let connect = connect.unwrap_or(crate::scenario::quantity::Rate { per_second: 500.0 });
    Some(Population { count: count?, connect, transport: transport?, rooms: memberships })
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

pub(super) fn traffic(
    node: &Node,
    declared: &IndexMap<String, Action>,
    populations: &IndexMap<String, Population>,
    rooms: &IndexMap<String, RoomGroup>,
    cx: &mut Context<'_>,
) -> Option<Traffic> {
    let mut table = Table::new(node, "a traffic", cx)?;
    let by = table.require("by", cx).and_then(|node| sender(node, populations, cx));
    let rate = table.require("rate", cx).and_then(|node| table::rate(node, cx));
    let arrivals = table.get("arrivals").map_or(Some(Arrivals::Poisson), |node| arrivals(node, cx));
    let invocation = table.get("do").map(|node| actions::invocation(node, declared, cx).map(|i| (i, node)));
    let emit = table.get("emit").map(|node| actions::arguments(node, cx));
    let own_ack = actions::ack(&mut table, cx);
    let (emit, ack) = match (invocation, emit) {
        (Some(invocation), None) => {
            let (invocation, _) = invocation?;
            let action = &declared[&invocation.action];
            (substitute(action, &invocation.args), own_ack.is_some() || action.ack.is_some())
        }
        (None, Some(emit)) => (emit?, own_ack.is_some()),
        _ => {
            cx.diagnostics.error(table.span(), "a traffic needs one of `do` and `emit`");
            return None;
        }
    };
    let (payload_size, binary) = table.get("payload").map_or(Some((128, false)), |node| payload(node, cx))?;
    let reaches = table.require("reaches", cx).and_then(|node| reaches(node, cx));
    table.finish(cx);
    let by = by?;
    let sender = populations.get(&by);
    let room_group = sender.and_then(|population| population.rooms.first()).map(|(group, _)| group.clone());
    let Some(room_group) = room_group.filter(|group| rooms.contains_key(group)) else {
        let in_a_room_that_is_wrong = cx.declared.iter().any(|(table, _)| *table == "rooms") && rooms.is_empty();
        if in_a_room_that_is_wrong {
            return None;
        }
        cx.diagnostics.error(node.span.clone(), format_args!("`{by}` are in no room, so `${{room}}` is nothing"));
        cx.diagnostics.note(format_args!("add `in = {{ GROUP = 1 }}` to [users.{by}]"));
        return None;
    };
    check_payload(node, &emit, cx);
    Some(Traffic {
        by,
        rate: rate?,
        arrivals: arrivals?,
        emit,
        ack,
        payload_size,
        binary,
        room_group,
        except_sender: reaches?,
    })
}

fn sender(node: &Node, populations: &IndexMap<String, Population>, cx: &mut Context<'_>) -> Option<String> {
    let name = table::string(node, cx)?;
    if populations.contains_key(&name) {
        return Some(name);
    }
    let known: Vec<_> = populations.keys().map(String::as_str).collect();
    cx.unknown_name("users", node.span.clone(), "population", &name, &known);
    None
}

fn arrivals(node: &Node, cx: &mut Context<'_>) -> Option<Arrivals> {
    let name = table::string(node, cx)?;
    match name.as_str() {
        "poisson" => Some(Arrivals::Poisson),
        "even" => Some(Arrivals::Even),
        other => {
            cx.diagnostics.unknown(node.span.clone(), "arrivals", other, &["poisson", "even"]);
            None
        }
    }
}

fn payload(node: &Node, cx: &mut Context<'_>) -> Option<(usize, bool)> {
    let mut table = Table::new(node, "a payload", cx)?;
    let size_node = table.require("size", cx)?;
    let size = table::size(size_node, cx);
    let binary = table.get("binary").map_or(Some(false), |node| table::boolean(node, cx));
    table.finish(cx);
    let size = size?;
    if size < stamp::LENGTH {
        let message = format!("a payload carries a stamp of {} bytes, so it cannot be {size}", stamp::LENGTH);
        cx.diagnostics.error(size_node.span.clone(), message);
        return None;
    }
    Some((size, binary?))
}

/// `{ event = "msg", rooms = ["${room}"], except = "sender" }`; true when the sender is left out.
fn reaches(node: &Node, cx: &mut Context<'_>) -> Option<bool> {
    let mut table = Table::new(node, "`reaches`", cx)?;
    table.require("event", cx).and_then(|node| table::string(node, cx));
    let rooms = table.require("rooms", cx)?;
    let except = table.get("except");
    table.finish(cx);
    let one_room = Kind::Str("${room}".to_owned());
    let drawn_room = matches!(&rooms.kind, Kind::Array(items) if items.len() == 1 && items[0].kind == one_room);
    if !drawn_room {
        cx.not_yet.push(("`rooms` other than [\"${room}\"]".to_owned(), rooms.span.clone()));
        return None;
    }
    match except.map(|node| (node, node.as_str())) {
        None => Some(false),
        Some((_, Some("sender"))) => Some(true),
        Some((node, _)) => {
            cx.not_yet.push(("`except` other than \"sender\"".to_owned(), node.span.clone()));
            None
        }
    }
}

/// The parameters of an action, replaced by what the traffic passes.
pub(crate) fn substitute(action: &Action, args: &[Template]) -> Vec<Template> {
    let lookup = |name: &str| action.params.iter().position(|param| param == name).map(|index| &args[index]);
    action.emit.iter().map(|template| replace(template, &lookup)).collect()
}

fn replace<'a>(template: &Template, lookup: &impl Fn(&str) -> Option<&'a Template>) -> Template {
    match template {
        Template::Text(pieces) => match pieces.as_slice() {
            [Piece::Expr(Expr::Var(name))] => lookup(name).cloned().unwrap_or_else(|| template.clone()),
            pieces => Template::Text(pieces.iter().flat_map(|piece| replace_piece(piece, lookup)).collect()),
        },
        Template::Array(items) => Template::Array(items.iter().map(|item| replace(item, lookup)).collect()),
        Template::Table(fields, open) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), replace(value, lookup)));
            Template::Table(fields.collect(), *open)
        }
        // The last two match and are never sent.
        Template::Bool(_) | Template::Int(_) | Template::Float(_) | Template::AnyOrder(_) | Template::Contains(_) => {
            template.clone()
        }
    }
}

fn replace_piece<'a>(piece: &Piece, lookup: &impl Fn(&str) -> Option<&'a Template>) -> Vec<Piece> {
    if let Piece::Expr(Expr::Var(name)) = piece
        && let Some(Template::Text(pieces)) = lookup(name)
    {
        return pieces.clone();
    }
    vec![piece.clone()]
}

/// A message without its stamp could not be recognised.
fn check_payload(node: &Node, emit: &[Template], cx: &mut Context<'_>) {
    let mut found = false;
    for template in emit {
        template.visit(&mut |expr| found |= *expr == Expr::Payload);
    }
    if !found {
        cx.diagnostics
            .error(node.span.clone(), "this traffic sends no `${payload}`, so its messages cannot be told apart");
    }
}

pub(super) fn phase(node: &Node, cx: &mut Context<'_>) -> Option<Phase> {
    let mut table = Table::new(node, "a phase", cx)?;
    let name = table.require("name", cx).and_then(|node| table::string(node, cx));
    let length = table.require("for", cx).and_then(|node| table::duration(node, cx));
    let load = table.get("load").map_or(Some((1.0, 1.0)), |node| table::load(node, cx));
    let measured = table.get("measured").map_or(Some(true), |node| table::boolean(node, cx));
    table.not_yet("at_start", cx);
    table.finish(cx);
    Some(Phase { name: name?, length: length?, load: load?, measured: measured? })
}

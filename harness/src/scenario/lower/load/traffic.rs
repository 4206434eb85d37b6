//! `[traffic]`: what is sent, how often, and who must get it.

use indexmap::IndexMap;
use serde_json_path::JsonPath;

use super::super::actions;
use super::population_name;
use crate::scenario::model::{
    Action, Arrivals, EventName, NamePart, OF_ROOM, Population, Reach, RoomGroup, RoomRef, Traffic,
};
use crate::scenario::node::{Kind, Node, Span};
use crate::scenario::table::{self, Context, Table};
use crate::scenario::template::{self, Expr, Piece, TOKEN, Template};
use crate::vocab::quantity::Rate;
use crate::vocab::stamp;

/// What a traffic may refer to.
pub(in crate::scenario::lower) struct World<'a> {
    pub(in crate::scenario::lower) actions: &'a IndexMap<String, Action>,
    pub(in crate::scenario::lower) populations: &'a IndexMap<String, Population>,
    pub(in crate::scenario::lower) rooms: &'a IndexMap<String, RoomGroup>,
}

pub(in crate::scenario::lower) fn lower(node: &Node, world: &World<'_>, cx: &mut Context<'_>) -> Option<Traffic> {
    let mut table = Table::new(node, "a traffic", cx)?;
    let from = table.require("from", cx).and_then(|node| population_name(node, world.populations, cx));
    let rate = rate(&mut table, from.as_ref().and_then(|from| world.populations.get(from)), cx);
    let arrivals = table.get("arrivals").map_or(Some(Arrivals::Poisson), |node| arrivals(node, cx));
    let invocation = table.get("do").map(|node| actions::invocation(node, world.actions, cx));
    let emit = table.get("emit").map(|node| actions::arguments(node, cx));
    let own_ack = actions::ack(&mut table, cx);
    let (emit, ack) = match (invocation, emit) {
        (Some(invocation), None) => {
            let invocation = invocation?;
            let action = &world.actions[&invocation.action];
            let (emit, ack) = actions::substitute(action, &invocation.args);
            (emit, own_ack.or(ack))
        }
        (None, Some(emit)) => (emit?, own_ack),
        _ => {
            cx.diagnostics.error(table.span(), "a traffic needs one of `do` and `emit`");
            return None;
        }
    };
    emit.iter().for_each(|value| check_keys(value, node, cx));
    let (payload_size, binary) = table.get("payload").map_or(Some((128, false)), |node| payload(node, cx))?;
    let identify = match table.get("identify") {
        Some(node) => Some(identity(node, cx)?),
        None => None,
    };
    let own_namespace = match table.get("namespace") {
        Some(node) => Some(super::namespace(node, cx)?),
        None => None,
    };
    let delivers_to_node = table.get("delivers_to");
    let delivers_to = match delivers_to_node {
        Some(node) => Some(delivers_to(node, world.rooms, cx)?),
        None if ack.is_some() => None,
        None => {
            cx.diagnostics.error(table.span(), "a traffic needs `delivers_to`, or `ack = true` if nobody else gets it");
            return None;
        }
    };
    table.finish(cx);
    let from = from?;
    let population = world.populations.get(&from);
    let addressed = || delivers_to.iter().flat_map(|delivers_to| delivers_to.rooms.iter().chain(&delivers_to.except));
    let needs_room = addressed().any(|room| !matches!(room, RoomRef::Named { .. }))
        || says_room(&emit)
        || delivers_to.as_ref().is_some_and(|delivers_to| delivers_to.event.says_room());
    let room_group = match (needs_room, drawn_group(population, own_namespace.as_deref(), world.rooms)) {
        (false, _) => None,
        (true, Some(group)) => Some(group),
        (true, None) => {
            // What is wrong with its rooms has been said.
            if cx.diagnostics.is_empty() {
                let message = format!("`{from}` are in no room, so `${{room}}` is nothing");
                cx.diagnostics.error(node.span.clone(), message);
                cx.diagnostics.note(format_args!("add `in = {{ GROUP = 1 }}` to [users.{from}]"));
            }
            return None;
        }
    };
    let namespace = own_namespace
        .or_else(|| room_group.as_ref().map(|group| world.rooms[group].namespace.clone()))
        .or_else(|| population.and_then(|population| population.namespaces.first().cloned()))?;
    if population.is_some_and(|population| !population.namespaces.contains(&namespace)) {
        cx.diagnostics.error(node.span.clone(), format_args!("`{from}` are not in the namespace {namespace}"));
        cx.diagnostics.note(format_args!("add `namespace = \"{namespace}\"` to [users.{from}]"));
        return None;
    }
    for room in addressed() {
        if let RoomRef::Named { group, .. } = room
            && world.rooms[group].namespace != namespace
        {
            let message = format!(
                "the rooms of `{group}` are in {}, and this is sent in {namespace}",
                world.rooms[group].namespace
            );
            cx.diagnostics.error(delivers_to_node.map_or(node.span.clone(), |node| node.span.clone()), message);
            return None;
        }
    }
    let payload_size = if check_identity(node, &emit, identify.is_some(), cx) { payload_size } else { 0 };
    Some(Traffic {
        from,
        rate: rate?,
        arrivals: arrivals?,
        emit,
        ack,
        payload_size,
        binary,
        identify,
        namespace,
        room_group,
        delivers_to,
    })
}

/// The name of a field is rendered once for all messages, so nothing in it may differ from one to the other.
fn check_keys(value: &Template, node: &Node, cx: &mut Context<'_>) {
    match value {
        Template::Array(items) => items.iter().for_each(|item| check_keys(item, node, cx)),
        Template::Table(fields, _) => {
            for (key, value) in fields {
                if template::expressions_of_key(key).iter().any(|expr| differs(expr, cx)) {
                    let span = key_span(key, node).unwrap_or_else(|| node.span.clone());
                    let message = format_args!("the name of a field is the same in all messages; `{key}` is not");
                    cx.diagnostics.error(span, message);
                    cx.diagnostics.note("a name may hold `${…}` of [vars]; values may hold anything");
                }
                check_keys(value, node, cx);
            }
        }
        Template::Text(_)
        | Template::Bool(_)
        | Template::Int(_)
        | Template::Float(_)
        | Template::AnyOrder(_)
        | Template::Contains(_) => {}
    }
}

/// Whether an expression may have another value in another message.
fn differs(expr: &Expr, cx: &Context<'_>) -> bool {
    let mut differs = expr.is_drawn();
    expr.visit(&mut |expr| {
        differs |= match expr {
            Expr::Var(name) => cx.vars.get(name).is_none(),
            Expr::Payload | Expr::TokenInt | Expr::Seq => true,
            _ => false,
        };
    });
    differs
}

/// Where a key stands in the file.
fn key_span(name: &str, node: &Node) -> Option<Span> {
    match &node.kind {
        Kind::Array(items) => items.iter().find_map(|item| key_span(name, item)),
        Kind::Table(entries) => entries
            .iter()
            .find_map(|(key, value)| if key.name == name { Some(key.span.clone()) } else { key_span(name, value) }),
        Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) | Kind::Str(_) => None,
    }
}

/// `rate`, in total, or `rate_each`, of every user.
fn rate(table: &mut Table<'_>, from: Option<&Population>, cx: &mut Context<'_>) -> Option<Rate> {
    match (table.get("rate"), table.entry("rate_each")) {
        (Some(node), None) => table::rate(node, cx),
        (None, Some((_, node))) => {
            let each = table::rate(node, cx)?;
            // Who sends has been reported, if it is nobody.
            Some(Rate { per_second: each.per_second * f64::from(from?.count) })
        }
        (Some(total), Some((key, _))) => {
            cx.diagnostics.error(key.span.clone(), "`rate` and `rate_each` exclude each other");
            cx.diagnostics.see(total.span.clone(), "of all users together");
            None
        }
        (None, None) => {
            cx.diagnostics.error(table.span(), "a traffic needs `rate`, in total, or `rate_each`, of every user");
            None
        }
    }
}

/// `"msg"`, or with the message's room in it: `"chat-${room}"`.
fn event_name(node: &Node, cx: &mut Context<'_>) -> Option<EventName> {
    // A name that is nothing but `${room}` is no variable of the file.
    let Some(text) = node.as_str() else { return table::string(node, cx).map(|_| EventName::default()) };
    let Template::Text(pieces) = template::parse(node, cx.diagnostics) else { return None };
    let mut parts = Vec::new();
    for piece in pieces {
        let name = match piece {
            Piece::Literal(text) => {
                parts.push(NamePart::Text(text));
                continue;
            }
            Piece::Expr(Expr::Var(name)) => name,
            Piece::Expr(_) => String::new(),
        };
        parts.push(match &*name {
            "room" => NamePart::Room,
            "room.number" => NamePart::RoomNumber,
            "room.next" => NamePart::NextRoom,
            "room.next.number" => NamePart::NextRoomNumber,
            other => match cx.vars.get(other) {
                Some(Kind::Str(text)) => NamePart::Text(text.clone()),
                Some(Kind::Int(number)) => NamePart::Text(number.to_string()),
                _ => {
                    let message = format!(
                        "the name of an event may say {}, or `[vars]`; found `{text}`",
                        OF_ROOM.map(|name| format!("${{{name}}}")).join(", ")
                    );
                    cx.diagnostics.error(node.span.clone(), message);
                    return None;
                }
            },
        });
    }
    Some(EventName::new(parts))
}

/// The first of the sender's room groups, of the namespace if one is named.
fn drawn_group(
    population: Option<&Population>,
    namespace: Option<&str>,
    rooms: &IndexMap<String, RoomGroup>,
) -> Option<String> {
    let groups = population?.rooms.iter().map(|(group, _)| group);
    let mut fitting = groups
        .filter(|group| rooms.get(*group).is_some_and(|room| namespace.is_none_or(|name| room.namespace == name)));
    fitting.next().cloned()
}

fn says_room(emit: &[Template]) -> bool {
    let mut found = false;
    for template in emit {
        template.visit(&mut |expr| found |= matches!(expr, Expr::Var(name) if OF_ROOM.contains(&&**name)));
    }
    found
}

pub(super) fn arrivals(node: &Node, cx: &mut Context<'_>) -> Option<Arrivals> {
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

/// `{ event = "msg", args = ["${room}"], rooms = ["${room}", "all-0"], except = ["sender", "muted-0"] }`
fn delivers_to(node: &Node, groups: &IndexMap<String, RoomGroup>, cx: &mut Context<'_>) -> Option<Reach> {
    let mut table = Table::new(node, "`delivers_to`", cx)?;
    let event = table.require("event", cx).and_then(|node| event_name(node, cx));
    let args = table.get("args").map(|node| actions::list(node, cx));
    let rooms_node = table.require("rooms", cx)?;
    let except_node = table.get("except");
    let volatile = table.get("volatile").map_or(Some(false), |node| table::boolean(node, cx));
    let history = table.get("history").map_or(Some(true), |node| table::boolean(node, cx));
    table.finish(cx);
    let rooms = table::array(rooms_node, "an array of rooms", cx)?;
    let rooms = rooms.iter().map(|node| room_ref(node, groups, cx)).collect::<Option<_>>()?;
    let mut reach = Reach { event: event?, args, rooms, volatile: volatile?, history: history?, ..Reach::default() };
    let except = match except_node.map(|node| (&node.kind, node)) {
        None => Vec::new(),
        Some((Kind::Array(items), _)) => items.iter().collect(),
        Some((_, node)) => vec![node],
    };
    for node in except {
        if node.as_str() == Some("sender") {
            reach.except_sender = true;
        } else {
            reach.except.push(room_ref(node, groups, cx)?);
        }
    }
    Some(reach)
}

/// `${room}`, `${room.next}`, or the name of a room such as `lobby-7`.
fn room_ref(node: &Node, groups: &IndexMap<String, RoomGroup>, cx: &mut Context<'_>) -> Option<RoomRef> {
    let Some(text) = node.as_str() else {
        cx.diagnostics.error(node.span.clone(), format_args!("a room is a string, not {}", node.describe()));
        return None;
    };
    match text {
        "${room}" => return Some(RoomRef::Drawn),
        "${room.next}" => return Some(RoomRef::Next),
        _ => {}
    }
    let named = text.rsplit_once('-').and_then(|(group, index)| Some((group, index.parse::<u32>().ok()?)));
    if let Some((group, index)) = named
        && groups.get(group).is_some_and(|rooms| index < rooms.count)
    {
        return Some(RoomRef::Named { group: group.to_owned(), index });
    }
    if groups.is_empty() && cx.declared.iter().any(|(table, _)| *table == "rooms") {
        return None; // its own mistake has been reported
    }
    cx.diagnostics.error(node.span.clone(), format_args!("there is no room `{text}`"));
    let known: Vec<_> = groups.iter().map(|(name, rooms)| format!("{name}-0 to {name}-{}", rooms.count - 1)).collect();
    cx.diagnostics.note(format_args!("there are ${{room}}, ${{room.next}}, {}", known.join(", ")));
    None
}

/// `identify = "$.id"`: where in an argument of what arrives the token is.
fn identity(node: &Node, cx: &mut Context<'_>) -> Option<JsonPath> {
    let text = table::string(node, cx)?;
    match JsonPath::parse(&text) {
        Ok(path) => Some(path),
        Err(error) => {
            let message = format!("expected a JSONPath such as $.id (RFC 9535), found `{text}`: {error}");
            cx.diagnostics.error(node.span.clone(), message);
            cx.diagnostics
                .note("it is applied to each argument of the event; `$` is an argument that is the token itself");
            None
        }
    }
}

/// A message without stamp and token could not be recognised. Returns whether it has a payload.
fn check_identity(node: &Node, emit: &[Template], identify: bool, cx: &mut Context<'_>) -> bool {
    let (mut payload, mut token, mut number) = (false, false, false);
    for template in emit {
        template.visit(&mut |expr| match expr {
            Expr::Payload => payload = true,
            Expr::TokenInt => number = true,
            Expr::Var(name) => token |= name == TOKEN,
            _ => {}
        });
    }
    let own_variable = !identify && cx.vars.get(TOKEN).is_some();
    if identify && !token && !number {
        let message = "this traffic has `identify`, and sends neither `${token}` nor `${token int}` to be found there";
        cx.diagnostics.error(node.span.clone(), message);
    } else if !identify && (number || token && !own_variable) {
        let message = "this traffic sends a token, and does not say where it comes back";
        cx.diagnostics.error(node.span.clone(), message);
        cx.diagnostics
            .note("add such as identify = \"$.id\": a JSONPath, applied to each argument of the event that arrives");
    } else if !payload && !identify && cx.diagnostics.is_empty() {
        // What is wrong with the arguments may be just that.
        let message = "this traffic sends no `${payload}`, so its messages cannot be told apart";
        cx.diagnostics.error(node.span.clone(), message);
        cx.diagnostics.note("one of the arguments must be, or hold, `${payload}`: sio-bench stamps it to know its messages again; or `${token}`, with `identify` to say where it comes back");
    }
    payload
}

//! Steps below the protocol: packets, frames and HTTP as they are.

use super::steps::Names;
use super::{cases, flow};
use crate::scenario::model::{AnswerPattern, HttpRequest, Opening, RawPacket, RawPattern, Verb};
use crate::scenario::node::{Kind, Node};
use crate::scenario::table::{self, Context, Table};
use crate::scenario::template::{self, Piece, Template};

const METHODS: [&str; 7] = ["get", "post", "put", "delete", "patch", "head", "options"];

/// A string with `${…}` in it.
fn text(node: &Node, cx: &mut Context<'_>) -> Option<Vec<Piece>> {
    match template::parse(node, cx.diagnostics) {
        Template::Text(pieces) => Some(pieces),
        _ => {
            cx.diagnostics.error(node.span.clone(), format_args!("expected a string, found {}", node.describe()));
            None
        }
    }
}

/// One, or an array of them.
fn one_or_many(node: &Node) -> &[Node] {
    match &node.kind {
        Kind::Array(items) => items,
        _ => std::slice::from_ref(node),
    }
}

fn numbers(node: &Node, cx: &mut Context<'_>) -> Vec<u16> {
    let numbers = one_or_many(node).iter().filter_map(|node| table::count(node, 0, cx));
    numbers.map(|number| u16::try_from(number).unwrap_or(u16::MAX)).collect()
}

/// Opening may fail as well as succeed.
const ALLOWED: &str = "allowed";

/// `open = true`, or the query; `refused = true`, or `status`, when it must fail, `refused = "allowed"` when it may.
pub(super) fn open(node: &Node, table: &mut Table<'_>, cx: &mut Context<'_>) -> Option<Verb> {
    let query = match &node.kind {
        Kind::Bool(true) => None,
        _ => Some(Template::Text(text(node, cx)?)),
    };
    let refused = table.get("refused");
    let allowed = refused.is_some_and(|node| matches!(&node.kind, Kind::Str(word) if word == ALLOWED));
    let refused = !allowed && refused.and_then(|node| table::boolean(node, cx)).unwrap_or(false);
    let status = table.get("status").map(|node| numbers(node, cx));
    let outcome = match (refused, status) {
        (_, Some(status)) => Opening::Status(status),
        (true, None) => Opening::Refused,
        (false, None) if allowed => Opening::Either,
        (false, None) => Opening::Accepted,
    };
    let behind = table.get("behind").map_or(Some(Vec::new()), |node| packets(node, cx))?;
    Some(Verb::Open { query, outcome, behind })
}

/// What `send` and `behind` say.
pub(super) fn packets(node: &Node, cx: &mut Context<'_>) -> Option<Vec<RawPacket>> {
    one_or_many(node).iter().map(|node| packet(node, cx)).collect()
}

fn packet(node: &Node, cx: &mut Context<'_>) -> Option<RawPacket> {
    if !matches!(node.kind, Kind::Table(_)) {
        return Some(RawPacket::Text(text(node, cx)?));
    }
    let mut table = Table::new(node, "a packet", cx)?;
    let mut template = |name, cx: &mut Context<'_>| table.get(name).map(|node| template::parse(node, cx.diagnostics));
    let (binary, bytes, frame) = (template("binary", cx), template("bytes", cx), template("frame", cx));
    let packet = match (binary, bytes, frame) {
        (Some(binary), None, None) => Some(RawPacket::Binary(binary)),
        (None, Some(bytes), None) => Some(RawPacket::Bytes(bytes)),
        (None, None, Some(payload)) => {
            let mut with = |name, usual, cx: &mut Context<'_>| {
                table.get(name).map_or(usual, |node| template::parse(node, cx.diagnostics))
            };
            let (opcode, rsv) = (with("opcode", Template::Int(1), cx), with("rsv", Template::Int(0), cx));
            let (fin, masked) = (with("fin", Template::Bool(true), cx), with("mask", Template::Bool(true), cx));
            let claims = table.get("length").map(|node| template::parse(node, cx.diagnostics));
            Some(RawPacket::Frame { payload, opcode, fin, rsv, masked, claims })
        }
        _ => {
            cx.diagnostics
                .error(node.span.clone(), "a packet is a string, or a table with one of binary, frame, bytes");
            None
        }
    };
    table.finish(cx);
    packet
}

/// `receive = "…"`, a table, or an array of alternatives; `json` is what follows the text.
pub(super) fn receive(node: &Node, table: &mut Table<'_>, cx: &mut Context<'_>) -> Option<Verb> {
    let packets = one_or_many(node).iter().map(|node| pattern(node, cx)).collect::<Option<_>>()?;
    let json = table.get("json").map(|node| template::parse(node, cx.diagnostics));
    Some(Verb::Receive { packets, json })
}

fn pattern(node: &Node, cx: &mut Context<'_>) -> Option<RawPattern> {
    if !matches!(node.kind, Kind::Table(_)) {
        return Some(RawPattern::Text(text(node, cx)?));
    }
    let mut table = Table::new(node, "a packet", cx)?;
    let binary = table.get("binary").map(|node| template::parse(node, cx.diagnostics));
    let pong = table.get("pong").map(|node| text(node, cx));
    table.finish(cx);
    match (binary, pong) {
        (Some(binary), None) => Some(RawPattern::Binary(binary)),
        (None, Some(pong)) => Some(RawPattern::Pong(pong?)),
        _ => {
            cx.diagnostics.error(node.span.clone(), "a packet is a string, or a table with one of binary, pong");
            None
        }
    }
}

/// `closed = true`; with `code`, one of these statuses; with `drain`, whatever comes first.
pub(super) fn closed(node: &Node, table: &mut Table<'_>, cx: &mut Context<'_>) -> Option<Verb> {
    table::boolean(node, cx)?;
    let codes = table.get("code").map(|node| numbers(node, cx)).unwrap_or_default();
    let drain = table.get("drain").and_then(|node| table::boolean(node, cx)).unwrap_or(false);
    Some(Verb::Closed { codes, drain })
}

/// `http = { get = "?…" }` and what its answer must be.
pub(super) fn http(node: &Node, step: &mut Table<'_>, names: &mut Names<'_>, cx: &mut Context<'_>) -> Option<Verb> {
    let request = Box::new(request(node, cx)?);
    let later = step.get("later").and_then(|node| table::string(node, cx));
    let save = step.get("save").map_or_else(Vec::new, |node| flow::saves(node, cx));
    if later.is_some() && !save.is_empty() {
        cx.diagnostics.error(node.span.clone(), "`save` goes with an answer, and this step does not wait for its own");
    }
    names.vars.extend(save.iter().map(|(name, _)| name.clone()));
    Some(Verb::Http { request, later, answer: answer(step, cx), until: until(step, cx), save })
}

/// `{ get = "?…" }`
pub(super) fn request(node: &Node, cx: &mut Context<'_>) -> Option<HttpRequest> {
    let mut table = Table::new(node, "a request", cx)?;
    let mut found = None;
    for method in METHODS {
        if let Some(path) = table.get(method) {
            if found.is_some() {
                cx.diagnostics.error(node.span.clone(), "a request has one method");
            }
            found = Some((method, path));
        }
    }
    let Some((method, path)) = found else {
        cx.diagnostics.error(node.span.clone(), "this request has no method");
        cx.diagnostics.note(format_args!("a request has one of {}, with \"?QUERY\" or a path", METHODS.join(" ")));
        return None;
    };
    let path = text(path, cx)?;
    let headers = table.get("headers").map(|node| cases::headers(node, cx)).unwrap_or_default();
    let body = table.get("body").map_or(Some(Vec::new()), |node| packets(node, cx))?;
    let chunked = table.get("chunked").map(|node| template::parse(node, cx.diagnostics));
    let stop_after = table.get("stop_after").and_then(|node| table::count(node, 0, cx)).map(|bytes| bytes as usize);
    let names_host = table.get("host").and_then(|node| table::boolean(node, cx)).unwrap_or(true);
    let claims = table.get("length").and_then(|node| table::count(node, 0, cx));
    let json = table.get("json").map(|node| template::parse(node, cx.diagnostics));
    let form = table.get("form").map(|node| cases::texts(node, "form", cx)).unwrap_or_default();
    if [!body.is_empty(), json.is_some(), !form.is_empty()].iter().filter(|there| **there).count() > 1 {
        cx.diagnostics.error(node.span.clone(), "`body`, `json` and `form` exclude each other");
    }
    table.finish(cx);
    let method = method.to_uppercase();
    Some(HttpRequest { method, path, headers, names_host, body, json, form, chunked, stop_after, claims })
}

/// `until = true`: again and again, until it is as asked for.
pub(super) fn until(table: &mut Table<'_>, cx: &mut Context<'_>) -> bool {
    table.get("until").and_then(|node| table::boolean(node, cx)).unwrap_or(false)
}

/// `status`, `body`, `json` and `header` of a step.
pub(super) fn answer(table: &mut Table<'_>, cx: &mut Context<'_>) -> AnswerPattern {
    AnswerPattern {
        status: table.get("status").map(|node| numbers(node, cx)).unwrap_or_default(),
        body: table.get("body").and_then(|node| text(node, cx)),
        json: table.get("json").map(|node| template::parse(node, cx.diagnostics)),
        headers: table.get("header").map(|node| header_patterns(node, cx)).unwrap_or_default(),
    }
}

fn header_patterns(node: &Node, cx: &mut Context<'_>) -> Vec<(String, Option<Vec<Piece>>)> {
    let Kind::Table(entries) = &node.kind else {
        cx.diagnostics.error(node.span.clone(), format_args!("`header` is a table, not {}", node.describe()));
        return Vec::new();
    };
    entries
        .iter()
        .map(|(key, value)| match &value.kind {
            Kind::Bool(false) => (key.name.clone(), None),
            _ => (key.name.clone(), text(value, cx)),
        })
        .collect()
}

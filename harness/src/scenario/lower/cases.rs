//! `[clients]`, `[[case]]` and its steps.

use std::time::Duration;

use indexmap::IndexMap;

use super::actions;
use crate::scenario::model::{Action, Case, Client, Drop, Step, Transport, Verb};
use crate::scenario::node::{Kind, Node};
use crate::scenario::quantity;
use crate::scenario::table::{self, Context, Table};
use crate::scenario::template::{self, Expr, Piece, Template};

const VERBS: [&str; 15] = [
    "connect",
    "disconnect",
    "drop",
    "emit",
    "do",
    "expect",
    "silent",
    "send",
    "receive",
    "http",
    "think",
    "wait",
    "repeat",
    "together",
    "link",
];

/// Keys of a step that are no verbs.
const MODIFIERS: [&str; 13] =
    ["at", "nsp", "within", "name", "ack", "one_of", "auth", "refused", "times", "in_order", "reply", "steps", "as"];

/// Combinations of one `each`; more is a mistake.
const MAX_VARIANTS: usize = 1_000;

pub(super) fn clients(node: &Node, cx: &mut Context<'_>) -> IndexMap<String, Client> {
    super::named(Some(node), "[clients]", cx, |node, _, cx| client(node, cx))
}

fn client(node: &Node, cx: &mut Context<'_>) -> Option<Client> {
    let mut table = Table::new(node, "a client", cx)?;
    let mut template = |name, cx: &mut Context<'_>| table.get(name).map(|node| template::parse(node, cx.diagnostics));
    let (namespace, transport, auth) = (template("namespace", cx), template("transport", cx), template("auth", cx));
    if let Some(Template::Text(pieces)) = &transport
        && let [Piece::Literal(name)] = pieces.as_slice()
    {
        known_transport(name, node, cx);
    }
    let raw = table.get("raw").and_then(|node| {
        let kind = table::string(node, cx)?;
        if kind != "websocket" {
            cx.diagnostics.unknown(node.span.clone(), "kind of raw client", &kind, &["websocket"]);
        }
        Some(())
    });
    table.finish(cx);
    let namespace = Some(namespace.unwrap_or_else(|| Template::literal("/"))).filter(|_| raw.is_none());
    Some(Client { namespace, transport, auth, raw: raw.is_some() })
}

fn known_transport(name: &str, node: &Node, cx: &mut Context<'_>) {
    if Transport::from_name(name).is_none() {
        cx.diagnostics.unknown(node.span.clone(), "transport", name, &Transport::NAMES);
    }
}

/// A case for each combination of its matrix.
pub(super) fn lower(
    node: &Node,
    shared: &IndexMap<String, Client>,
    declared: &IndexMap<String, Action>,
    cx: &mut Context<'_>,
) -> Vec<Case> {
    let Some(mut table) = Table::new(node, "a case", cx) else { return Vec::new() };
    let name = table.require("name", cx).and_then(|node| table::string(node, cx)).unwrap_or_default();
    let rule = table.get("rule").and_then(|node| table::string(node, cx));
    let own = table.get("clients").map(|node| clients(node, cx));
    let settle = table.get("settle").and_then(|node| table::boolean(node, cx)).unwrap_or(true);
    table.not_yet("every", cx);
    let skip = table.get("skip").and_then(|node| table::string(node, cx));
    let variants = table.get("each").map_or_else(|| vec![Vec::new()], |node| variants(node, cx));
    let clients = own.unwrap_or_else(|| shared.clone());
    let nodes = table.require("steps", cx).and_then(|node| table::array(node, "an array of steps", cx));
    let mut names = Names::new(&clients, declared, variants.first());
    let steps = steps(nodes.unwrap_or_default(), &mut names, cx);
    let span = table.span();
    table.finish(cx);
    if skip.is_some() {
        return Vec::new();
    }
    let case = Case { name, rule, variant: vec![], clients, steps, settle, span };
    variants.into_iter().map(|variant| Case { variant, ..case.clone() }).collect()
}

/// Every combination of the lists in `each`.
fn variants(node: &Node, cx: &mut Context<'_>) -> Vec<Vec<(String, Template)>> {
    let mut all = vec![Vec::new()];
    let Kind::Table(entries) = &node.kind else {
        cx.diagnostics.error(node.span.clone(), "`each` is a table of lists");
        return all;
    };
    for (key, list) in entries {
        let values = actions::list(list, cx);
        if values.is_empty() {
            cx.diagnostics.error(list.span.clone(), format_args!("`each.{}` has no values", key.name));
            return all;
        }
        if all.len() * values.len() > MAX_VARIANTS {
            cx.diagnostics.error(node.span.clone(), format_args!("more than {MAX_VARIANTS} combinations"));
            return all;
        }
        all = all
            .iter()
            .flat_map(|row| {
                values.iter().map(move |value| [row.as_slice(), &[(key.name.clone(), value.clone())]].concat())
            })
            .collect();
    }
    all
}

/// The names a case may use.
struct Names<'a> {
    clients: &'a IndexMap<String, Client>,
    actions: &'a IndexMap<String, Action>,
    vars: Vec<String>,
}

impl<'a> Names<'a> {
    fn new(
        clients: &'a IndexMap<String, Client>,
        actions: &'a IndexMap<String, Action>,
        variant: Option<&Vec<(String, Template)>>,
    ) -> Self {
        let vars = variant.into_iter().flatten().map(|(name, _)| name.clone()).collect();
        Self { clients, actions, vars }
    }

    /// Names that must be known; `save` makes one known from here on.
    fn check(&mut self, node: &Node, template: &Template, cx: &mut Context<'_>) {
        let mut used = Vec::new();
        template.visit(&mut |expr| match expr {
            Expr::Save(name) => self.vars.push(name.clone()),
            Expr::Var(name) | Expr::Pick(name) => used.push(name.clone()),
            Expr::Null
            | Expr::Any(_)
            | Expr::Sent(_)
            | Expr::Bytes(_)
            | Expr::Filler(_)
            | Expr::Int(..)
            | Expr::Uuid
            | Expr::Payload
            | Expr::Seq
            | Expr::Env(_) => {}
        });
        for name in used {
            if !self.vars.contains(&name) && cx.vars.get(&name).is_none() {
                let known: Vec<_> = self.vars.iter().map(String::as_str).chain(cx.vars.names()).collect();
                cx.diagnostics.unknown(node.span.clone(), "variable", &name, &known);
            }
        }
    }
}

fn steps(nodes: &[Node], names: &mut Names<'_>, cx: &mut Context<'_>) -> Vec<Step> {
    nodes.iter().filter_map(|node| step(node, names, cx)).collect()
}

fn step(node: &Node, names: &mut Names<'_>, cx: &mut Context<'_>) -> Option<Step> {
    let verb_name = the_verb(node, cx)?;
    let mut table = Table::new(node, "a step", cx)?;
    let whole = template::parse(node, &mut crate::scenario::diagnostic::Diagnostics::default());
    if !matches!(verb_name, "repeat" | "together") {
        names.check(node, &whole, cx);
    }
    let at = table.get("at").map(|node| at(node, names, cx)).unwrap_or_default();
    let needs_client = !matches!(verb_name, "repeat" | "together" | "wait" | "think");
    if at.is_empty() && needs_client && table.get("at").is_none() {
        cx.diagnostics.error(node.span.clone(), "this step does not say which client does it");
        cx.diagnostics.note("add `at = \"NAME\"`, a client of [clients] or of the case");
    }
    let nsp = table.get("nsp").and_then(|node| table::string(node, cx));
    let within = table.get("within").and_then(|node| table::duration(node, cx));
    table.get("name").and_then(|node| table::string(node, cx));
    let verb = verb(verb_name, &mut table, names, cx);
    let span = table.span();
    table.finish(cx);
    Some(Step { at, nsp, within, verb: verb?, span })
}

/// The one verb of a step. Two are an error, and a key that is nearly a verb is taken for a misspelt one.
fn the_verb(node: &Node, cx: &mut Context<'_>) -> Option<&'static str> {
    let Kind::Table(entries) = &node.kind else {
        cx.diagnostics.error(node.span.clone(), format_args!("a step is a table, not {}", node.describe()));
        return None;
    };
    let mut found =
        entries.iter().filter_map(|(key, _)| VERBS.iter().find(|verb| **verb == key.name).map(|v| (v, key)));
    let first = found.next();
    if let Some((second, key)) = found.next() {
        let first = first.map_or("", |(verb, _)| verb);
        cx.diagnostics.error(key.span.clone(), format_args!("this step has two verbs, `{first}` and `{second}`"));
        cx.diagnostics.note("a step has one verb; write two steps");
        return None;
    }
    if let Some((verb, _)) = first {
        return Some(verb);
    }
    match entries.iter().find(|(key, _)| !MODIFIERS.contains(&key.name.as_str())) {
        Some((key, _)) => cx.diagnostics.unknown(key.span.clone(), "verb", &key.name, &VERBS),
        None => {
            cx.diagnostics.error(node.span.clone(), "this step has no verb");
            cx.diagnostics.note(format_args!("a step has one verb: {}", VERBS.join(" ")));
        }
    }
    None
}

fn at(node: &Node, names: &Names<'_>, cx: &mut Context<'_>) -> Vec<String> {
    let nodes = match &node.kind {
        Kind::Array(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut clients = Vec::new();
    for node in nodes {
        let Some(name) = table::string(node, cx) else { continue };
        if names.clients.contains_key(&name) {
            clients.push(name);
        } else {
            let known: Vec<_> = names.clients.keys().collect();
            cx.diagnostics.unknown(node.span.clone(), "client", &name, &known);
        }
    }
    clients
}

fn verb(name: &'static str, table: &mut Table<'_>, names: &mut Names<'_>, cx: &mut Context<'_>) -> Option<Verb> {
    let node = table.get(name)?;
    Some(match name {
        "connect" => Verb::Connect {
            nsp: template::parse(node, cx.diagnostics),
            auth: table.get("auth").map(|node| template::parse(node, cx.diagnostics)),
            refused: table.get("refused").map(|node| template::parse(node, cx.diagnostics)),
        },
        "emit" => {
            let ack = actions::ack(table, cx);
            Verb::Emit { args: actions::arguments(node, cx)?, ack }
        }
        "do" => {
            let invocation = actions::invocation(node, names.actions, cx)?;
            Verb::Do { action: invocation.action, args: invocation.args }
        }
        "expect" => expect(node, table, cx)?,
        "silent" => match &node.kind {
            Kind::Bool(true) => Verb::Silent { quiet: None },
            _ => Verb::Silent { quiet: Some(table::duration(node, cx)?) },
        },
        "disconnect" => {
            table::boolean(node, cx)?;
            Verb::Disconnect
        }
        "drop" => Verb::Drop(how(node, cx)?),
        "send" => Verb::Send(text(node, cx)?),
        "receive" => Verb::Receive(text(node, cx)?),
        "think" | "wait" => Verb::Wait(wait(node, cx)?),
        "repeat" => {
            let times = table::count(node, 0, cx)?;
            let name = table.get("as").and_then(|node| table::string(node, cx));
            names.vars.extend(name.clone());
            let nodes = table.require("steps", cx).and_then(|node| table::array(node, "an array of steps", cx))?;
            Verb::Repeat { times, name, steps: steps(nodes, names, cx) }
        }
        "together" => Verb::Together(steps(table::array(node, "an array of steps", cx)?, names, cx)),
        _ => {
            cx.not_yet.push((format!("the verb `{name}`"), node.span.clone()));
            return None;
        }
    })
}

fn expect(node: &Node, table: &mut Table<'_>, cx: &mut Context<'_>) -> Option<Verb> {
    let times = table.get("times").map_or(Some(1), |node| table::count(node, 1, cx))?;
    let per_sender = table.get("in_order").and_then(|node| {
        let order = table::string(node, cx)?;
        if order != "per sender" {
            cx.diagnostics.unknown(node.span.clone(), "order", &order, &["per sender"]);
        }
        Some(())
    });
    let reply = table.get("reply").map(|node| actions::list(node, cx));
    let mut events = vec![actions::arguments(node, cx)?];
    if let Some(node) = table.get("one_of") {
        let others = table::array(node, "an array of events", cx)?;
        events.extend(others.iter().filter_map(|node| actions::arguments(node, cx)));
    }
    Some(Verb::Expect { events, times, per_sender: per_sender.is_some(), reply })
}

fn how(node: &Node, cx: &mut Context<'_>) -> Option<Drop> {
    let name = table::string(node, cx)?;
    Some(match name.as_str() {
        "close" => Drop::Close,
        "reset" => Drop::Reset,
        "silence" => Drop::Silence,
        other => {
            cx.diagnostics.unknown(node.span.clone(), "way to drop", other, &["close", "reset", "silence"]);
            return None;
        }
    })
}

fn text(node: &Node, cx: &mut Context<'_>) -> Option<Vec<Piece>> {
    match template::parse(node, cx.diagnostics) {
        Template::Text(pieces) => Some(pieces),
        _ => {
            cx.diagnostics.error(node.span.clone(), format_args!("a packet is a string, not {}", node.describe()));
            None
        }
    }
}

/// A fixed time. Ranges and distributions belong to user flows.
fn wait(node: &Node, cx: &mut Context<'_>) -> Option<Duration> {
    let text = table::string(node, cx)?;
    if text.contains("..") || text.starts_with("exp ") {
        cx.not_yet.push(("a random think time".to_owned(), node.span.clone()));
        return None;
    }
    match quantity::duration(&text) {
        Ok(time) => Some(time),
        Err(problem) => {
            cx.diagnostics.error(node.span.clone(), format_args!("expected a time such as \"200ms\": {problem}"));
            None
        }
    }
}

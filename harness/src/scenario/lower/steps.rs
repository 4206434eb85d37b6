//! The steps of a case: one verb each.

use indexmap::IndexMap;
use sio_protocol::Value;

use super::{actions, cases, raw};
use crate::scenario::model::{Action, Choice, Client, Drop, Feed, Order, ServerAction, Step, Verb};
use crate::scenario::node::{Kind, Node};
use crate::scenario::table::{self, Context, Table};
use crate::scenario::template::{self, Expr, Template};
use crate::wire::LinkAction;

/// Every verb, in the order in which messages list them.
pub(in crate::scenario) const VERBS: [&str; 27] = [
    "connect",
    "disconnect",
    "disconnected",
    "drop",
    "emit",
    "do",
    "expect",
    "silent",
    "open",
    "send",
    "receive",
    "closed",
    "closed_or_ignored",
    "http",
    "answer",
    "pending",
    "abort",
    "finish",
    "journal",
    "link",
    "read",
    "server",
    "alive",
    "think",
    "wait",
    "repeat",
    "together",
];

/// Keys of a step that are no verbs.
pub(in crate::scenario) const MODIFIERS: [&str; 30] = [
    "at", "nsp", "within", "after", "name", "ack", "one_of", "auth", "query", "headers", "refused", "times",
    "in_order", "reply", "steps", "as", "json", "status", "body", "header", "later", "behind", "drain", "of", "kinds",
    "code", "bytes", "until", "save", "share",
];

/// The names a case may use.
pub(super) struct Names<'a> {
    /// There are none in a flow.
    clients: Option<&'a IndexMap<String, Client>>,
    pub(super) actions: &'a IndexMap<String, Action>,
    pub(super) vars: Vec<String>,
    /// Those of the variables whose fields are known.
    feeds: Vec<String>,
    /// Feeds of which a row is named by its number, and how many rows they have.
    numbered: Vec<(String, usize)>,
    /// Those of the feeds whose rows are used.
    pub(super) used: Vec<String>,
    /// They are steps of `enter`.
    pub(super) entering: bool,
}

impl<'a> Names<'a> {
    pub(super) fn new(
        clients: &'a IndexMap<String, Client>,
        actions: &'a IndexMap<String, Action>,
        variant: Option<&Vec<Choice>>,
        feeds: &IndexMap<String, Feed>,
    ) -> Self {
        let mut vars: Vec<String> = variant.into_iter().flatten().map(|choice| choice.name.clone()).collect();
        vars.extend(["nsp", "id", "host"].map(ToOwned::to_owned));
        vars.extend(clients.keys().flat_map(|name| ["id", "sid", "pid"].map(|key| format!("{name}.{key}"))));
        let numbered = feeds.iter().map(|(name, feed)| (name.clone(), feed.rows.len())).collect();
        let (feeds, used) = (Vec::new(), Vec::new());
        Self { clients: Some(clients), actions, vars, feeds, numbered, used, entering: false }
    }

    /// Whether it is a row of a feed by its number, or a part of one: `accounts.3`, `accounts.3.email`.
    fn is_row(&self, name: &str) -> bool {
        let mut parts = name.split('.');
        let (feed, index) = (parts.next(), parts.next().and_then(|index| index.parse::<usize>().ok()));
        self.numbered.iter().any(|(name, rows)| Some(name.as_str()) == feed && index.is_some_and(|index| index < *rows))
    }

    /// What the steps of a flow may name.
    pub(super) fn of_iteration(actions: &'a IndexMap<String, Action>, feeds: &IndexMap<String, Feed>) -> Self {
        Self::of("iteration", false, actions, feeds)
    }

    /// What `enter`, `auth`, `query` and `headers` of users may name who stay.
    pub(super) fn of_user(actions: &'a IndexMap<String, Action>, feeds: &IndexMap<String, Feed>) -> Self {
        Self::of("user", true, actions, feeds)
    }

    fn of(who: &str, entering: bool, actions: &'a IndexMap<String, Action>, feeds: &IndexMap<String, Feed>) -> Self {
        let mut vars = vec![who.to_owned()];
        for (name, feed) in feeds {
            vars.push(name.clone());
            if let Some(Value::Object(columns)) = feed.rows.first() {
                vars.extend(columns.iter().map(|(column, _)| format!("{name}.{column}")));
            }
        }
        let (numbered, used) = (Vec::new(), Vec::new());
        Self { clients: None, actions, vars, feeds: feeds.keys().cloned().collect(), numbered, used, entering }
    }

    /// More names are known.
    pub(super) fn know<const N: usize>(&mut self, names: [&str; N]) {
        self.vars.extend(names.map(str::to_owned));
    }

    /// Names that must be known; `save` makes one known from here on.
    pub(super) fn check(&mut self, node: &Node, template: &Template, cx: &mut Context<'_>) {
        let mut used = Vec::new();
        template.visit(&mut |expr| match expr {
            Expr::Save(name) => self.vars.push(name.clone()),
            Expr::Var(name) | Expr::Pick(name) | Expr::Not(name) => used.push(name.clone()),
            Expr::Null
            | Expr::Any(_)
            | Expr::Sent(_)
            | Expr::Bytes(_)
            | Expr::Filler(_)
            | Expr::Times(..)
            | Expr::List(..)
            | Expr::Int(..)
            | Expr::Uuid
            | Expr::Payload
            | Expr::TokenInt
            | Expr::Seq
            | Expr::Number(_)
            | Expr::Calc(..)
            | Expr::Env(_) => {}
        });
        template.visit(&mut |expr| {
            if let Expr::Var(name) = expr {
                let feed = name.split('.').next().unwrap_or(name);
                if self.feeds.iter().any(|known| known == feed) && !self.used.iter().any(|known| known == feed) {
                    self.used.push(feed.to_owned());
                }
            }
        });
        for name in used {
            let list = name.rsplit_once('.').map_or(name.as_str(), |(list, _)| list);
            let open = |var: &String| *var == list && !self.feeds.iter().any(|feed| feed == list);
            let known = self.is_row(&name) || self.vars.iter().any(|var| *var == name || open(var));
            if !known && cx.vars.get(&name).is_none() {
                let known: Vec<_> = self.vars.iter().map(String::as_str).chain(cx.vars.names()).collect();
                cx.diagnostics.unknown(node.span.clone(), "variable", &name, &known);
            }
        }
    }
}

pub(super) fn lower(nodes: &[Node], names: &mut Names<'_>, cx: &mut Context<'_>) -> Vec<Step> {
    nodes.iter().filter_map(|node| step(node, names, cx)).collect()
}

fn step(node: &Node, names: &mut Names<'_>, cx: &mut Context<'_>) -> Option<Step> {
    let verb_name = the_verb(node, &VERBS, cx)?;
    let mut table = Table::new(node, "a step", cx)?;
    let whole = template::parse(node, &mut crate::scenario::diagnostic::Diagnostics::default());
    if !matches!(verb_name, "repeat" | "together") {
        names.check(node, &whole, cx);
    }
    let at = table.get("at").map(|node| at(node, names, cx)).unwrap_or_default();
    let needs_client = !matches!(verb_name, "repeat" | "together" | "wait" | "think" | "alive" | "server");
    if at.is_empty() && needs_client && table.get("at").is_none() {
        cx.diagnostics.error(node.span.clone(), "this step does not say which client does it");
        cx.diagnostics.note("add `at = \"NAME\"`, a client of [clients] or of the case");
    }
    let nsp = table.get("nsp").map(|node| template::parse(node, cx.diagnostics));
    let within = table.get("within").and_then(|node| table::duration(node, cx));
    let after = table.get("after").and_then(|node| table::duration(node, cx));
    table.get("name").and_then(|node| table::string(node, cx));
    let verb = verb(verb_name, &mut table, names, cx);
    let span = table.span();
    table.finish(cx);
    Some(Step { at, nsp, within, after, verb: verb?, span })
}

/// The one verb of a step. Two are an error, and a key that is nearly a verb is taken for a misspelt one.
/// `listed` are those that a message offers.
pub(super) fn the_verb(node: &Node, listed: &[&str], cx: &mut Context<'_>) -> Option<&'static str> {
    let Kind::Table(entries) = &node.kind else {
        cx.diagnostics.error(node.span.clone(), format_args!("a step is a table, not {}", node.describe()));
        return None;
    };
    let known = |name: &str| VERBS.iter().find(|verb| **verb == name).copied();
    let mut found = entries.iter().filter_map(|(key, _)| known(&key.name).map(|verb| (verb, key)));
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
        Some((key, _)) => cx.diagnostics.unknown(key.span.clone(), "verb", &key.name, listed),
        None => {
            cx.diagnostics.error(node.span.clone(), "this step has no verb");
            cx.diagnostics.note(format_args!("a step has one verb: {}", listed.join(" ")));
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
        if names.clients.is_some_and(|clients| clients.contains_key(&name)) {
            clients.push(name);
        } else {
            let known: Vec<_> = names.clients.into_iter().flat_map(IndexMap::keys).collect();
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
            query: table.get("query").map_or_else(Vec::new, |node| cases::texts(node, "query", cx)),
            headers: table.get("headers").map_or_else(Vec::new, |node| cases::headers(node, cx)),
            refused: table.get("refused").map(|node| template::parse(node, cx.diagnostics)),
        },
        "emit" => {
            let ack = actions::ack(table, cx);
            Verb::Emit { args: actions::arguments(node, cx)?, ack, until: raw::until(table, cx) }
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
        "disconnect" => yes(node, Verb::Disconnect, cx)?,
        "disconnected" => yes(node, Verb::Disconnected, cx)?,
        "closed_or_ignored" => yes(node, Verb::ClosedOrIgnored, cx)?,
        "server" => {
            let action = template::parse(node, cx.diagnostics);
            cases::one_of(Some(&action), "thing to do to a server", &ServerAction::NAMES, node, cx);
            Verb::Server(action)
        }
        "alive" => yes(node, Verb::Alive, cx)?,
        "drop" => {
            let how = template::parse(node, cx.diagnostics);
            cases::one_of(Some(&how), "way to drop", &Drop::NAMES, node, cx);
            Verb::Drop(how)
        }
        "read" => Verb::Read(table::boolean(node, cx)?),
        "link" => link(node, table, cx)?,
        "open" => raw::open(node, table, cx)?,
        "send" => Verb::Send(raw::packets(node, cx)?),
        "receive" => raw::receive(node, table, cx)?,
        "closed" => raw::closed(node, table, cx)?,
        "http" => raw::http(node, table, names, cx)?,
        "answer" => Verb::Answer { name: table::string(node, cx)?, answer: raw::answer(table, cx) },
        "pending" => Verb::Pending(table::string(node, cx)?),
        "abort" => Verb::Abort(table::string(node, cx)?),
        "finish" => Verb::Finish(table::string(node, cx)?),
        "journal" => Verb::Journal {
            entries: actions::list(node, cx),
            of: table.get("of").map(|node| template::parse(node, cx.diagnostics)),
            kinds: table.get("kinds").and_then(|node| table::strings(node, cx)).unwrap_or_default(),
        },
        "think" | "wait" => Verb::Wait(super::flow::fixed(node, cx)?),
        "repeat" => {
            let times = table::count(node, 0, cx)?;
            let name = table.get("as").and_then(|node| table::string(node, cx));
            names.vars.extend(name.clone());
            let nodes = table.require("steps", cx).and_then(|node| table::array(node, "an array of steps", cx))?;
            Verb::Repeat { times, name, steps: lower(nodes, names, cx) }
        }
        "together" => {
            let nodes = table::array(node, "an array of steps", cx)?;
            let steps = lower(nodes, names, cx);
            for step in steps.iter().filter(|step| step.at.is_empty()) {
                let what = "what no client does (wait, alive, server, repeat, together) cannot be a part of `together`";
                cx.diagnostics.error(step.span.clone(), what);
                cx.diagnostics.note("write it ahead of it or behind it; `server = \"stopping\"` goes ahead of it");
            }
            Verb::Together(steps)
        }
        // `the_verb` returns nothing that is not above.
        _ => return None,
    })
}

/// A verb that has nothing to say but itself.
fn yes(node: &Node, verb: Verb, cx: &mut Context<'_>) -> Option<Verb> {
    if table::boolean(node, cx)? {
        return Some(verb);
    }
    cx.diagnostics.error(node.span.clone(), "this verb is `true`, or it is not there");
    None
}

fn expect(node: &Node, table: &mut Table<'_>, cx: &mut Context<'_>) -> Option<Verb> {
    let times = table.get("times").map_or(Some(1), |node| table::count(node, 0, cx))?;
    let order = table.get("in_order").and_then(|node| {
        let name = table::string(node, cx)?;
        let order = Order::from_name(&name);
        if order.is_none() {
            cx.diagnostics.unknown(node.span.clone(), "order", &name, &Order::NAMES);
        }
        order
    });
    let reply = table.get("reply").map(|node| actions::list(node, cx));
    let mut events = vec![actions::arguments(node, cx)?];
    if let Some(node) = table.get("one_of") {
        let others = table::array(node, "an array of events", cx)?;
        events.extend(others.iter().filter_map(|node| actions::arguments(node, cx)));
    }
    Some(Verb::Expect { events, times, order, reply })
}

/// `"hold"`, `"hold up"`, `"hold down"`, `"release"`, `"cut"`, or `"split"` with `bytes`.
fn link(node: &Node, table: &mut Table<'_>, cx: &mut Context<'_>) -> Option<Verb> {
    let name = table::string(node, cx)?;
    let action = match name.as_str() {
        "hold" => LinkAction::Hold { up: true, down: true },
        "hold up" => LinkAction::Hold { up: true, down: false },
        "hold down" => LinkAction::Hold { up: false, down: true },
        "release" => LinkAction::Release,
        "cut" => LinkAction::Cut,
        "split" => {
            let bytes = table.require("bytes", cx)?;
            return Some(Verb::SplitLink(template::parse(bytes, cx.diagnostics)));
        }
        other => {
            let known = ["hold", "hold up", "hold down", "release", "cut", "split"];
            cx.diagnostics.unknown(node.span.clone(), "thing to do to a link", other, &known);
            return None;
        }
    };
    Some(Verb::Link(action))
}

//! `flow` of `[users.X]`: the steps of an iteration.

use std::time::Duration;

use indexmap::IndexMap;
use serde_json_path::JsonPath;

use super::steps::{Names, the_verb};
use super::{actions, cases, raw};
use crate::scenario::diagnostic::Diagnostics;
use crate::scenario::model::{Action, Drop, Feed, FlowAction, FlowStep, HttpRequest, Scenario, Think};
use crate::scenario::node::{Kind, Node};
use crate::scenario::table::{self, Context, Table};
use crate::scenario::template::{self, Piece, Template};
use crate::vocab::patience::{ANSWER, EVENT};
use crate::vocab::quantity;

/// The verbs of a flow; the others are for cases.
const VERBS: [&str; 10] = ["connect", "disconnect", "drop", "emit", "do", "expect", "http", "think", "wait", "repeat"];
/// Those that need no connection.
const ENTER: [&str; 4] = ["http", "think", "wait", "repeat"];
/// Repetitions of a loop.
const MOST_ROUNDS: u64 = 1_000_000;

/// What the steps of a flow may name.
pub(super) struct World<'a> {
    pub(super) actions: &'a IndexMap<String, Action>,
    pub(super) feeds: &'a IndexMap<String, Feed>,
}

/// The steps of one flow, and the feeds they use.
pub(super) fn lower(node: &Node, world: &World<'_>, cx: &mut Context<'_>) -> Option<(Vec<FlowStep>, Vec<String>)> {
    let nodes = table::array(node, "an array of steps", cx)?;
    let mut names = Names::of_iteration(world.actions, world.feeds);
    let before = cx.diagnostics.len();
    let steps = steps(nodes, &mut names, cx);
    if steps.is_empty() && cx.diagnostics.len() == before {
        cx.diagnostics.error(node.span.clone(), "a flow needs at least one step");
    }
    Some((steps, names.used))
}

/// What users do before they connect: requests, and what they wait for.
pub(super) fn enter(node: &Node, names: &mut Names<'_>, cx: &mut Context<'_>) -> Vec<FlowStep> {
    let before = cx.diagnostics.len();
    let nodes = table::array(node, "an array of steps", cx).unwrap_or_default();
    let steps = steps(nodes, names, cx);
    if steps.is_empty() && cx.diagnostics.len() == before {
        cx.diagnostics.error(node.span.clone(), "`enter` needs at least one step");
    }
    steps
}

fn steps(nodes: &[Node], names: &mut Names<'_>, cx: &mut Context<'_>) -> Vec<FlowStep> {
    nodes.iter().filter_map(|node| step(node, names, cx)).collect()
}

fn step(node: &Node, names: &mut Names<'_>, cx: &mut Context<'_>) -> Option<FlowStep> {
    let verb = the_verb(node, &VERBS, cx)?;
    let mut table = Table::new(node, "a step", cx)?;
    if !VERBS.contains(&verb) {
        cx.diagnostics.error(node.span.clone(), format_args!("`{verb}` is for cases, not for flows"));
        cx.diagnostics.note(format_args!("a step of a flow has one verb: {}", VERBS.join(" ")));
        return None;
    }
    if names.entering && !ENTER.contains(&verb) {
        cx.diagnostics.error(node.span.clone(), format_args!("`{verb}` is not for `enter`: nobody is connected yet"));
        cx.diagnostics.note(format_args!("a step of `enter` has one of these verbs: {}", ENTER.join(" ")));
        return None;
    }
    if let Some((key, _)) = table.entry("at") {
        cx.diagnostics.error(key.span.clone(), "a flow has one user, so its steps have no `at`");
    }
    if verb != "repeat" {
        let whole = template::parse(node, &mut Diagnostics::default());
        names.check(node, &whole, cx);
    }
    let own_name = table.get("name").and_then(|node| table::string(node, cx));
    let share = table.get("share").map_or(Some(1.0), |node| share(node, cx));
    let nsp = table.get("nsp").map(|node| template::parse(node, cx.diagnostics));
    let within = table.get("within").and_then(|node| table::duration(node, cx));
    let deed = deed(verb, &mut table, names, cx);
    let span = table.span();
    table.finish(cx);
    let deed = deed?;
    if let (Some(name), false) = (&own_name, deed.is_measured()) {
        cx.diagnostics.error(node.span.clone(), format_args!("`{name}` has no time of its own to be named"));
        cx.diagnostics.note("connect, expect, http, and emit or do with `ack` are measured");
    }
    let usual = if matches!(deed, FlowAction::Expect { .. }) { EVENT } else { ANSWER };
    Some(FlowStep {
        name: own_name.unwrap_or_else(|| usual_name(&deed)),
        share: share?,
        nsp,
        within: within.unwrap_or(usual),
        deed,
        span,
    })
}

fn deed(verb: &str, table: &mut Table<'_>, names: &mut Names<'_>, cx: &mut Context<'_>) -> Option<FlowAction> {
    // `the_verb` has found it.
    let node = VERBS.iter().find(|known| **known == verb).and_then(|verb| table.get(verb))?;
    Some(match verb {
        "connect" => FlowAction::Connect {
            nsp: template::parse(node, cx.diagnostics),
            auth: table.get("auth").map(|node| template::parse(node, cx.diagnostics)),
            query: table.get("query").map_or_else(Vec::new, |node| cases::texts(node, "query", cx)),
            headers: table.get("headers").map_or_else(Vec::new, |node| cases::headers(node, cx)),
        },
        "emit" => FlowAction::Emit { ack: actions::ack(table, cx), args: actions::arguments(node, cx)? },
        "do" => {
            let own = actions::ack(table, cx);
            let invocation = actions::invocation(node, names.actions, cx)?;
            let action = &names.actions[&invocation.action];
            let (args, ack) = actions::substitute(action, &invocation.args);
            FlowAction::Emit { args, ack: own.or(ack) }
        }
        "expect" => expect(node, table, cx)?,
        "http" => http(node, table, names, cx)?,
        "think" | "wait" => FlowAction::Think(think(node, cx)?),
        "drop" => {
            let name = table::string(node, cx)?;
            let Some(how) = Drop::from_name(&name) else {
                cx.diagnostics.unknown(node.span.clone(), "way to drop", &name, &Drop::NAMES);
                return None;
            };
            FlowAction::Drop(how)
        }
        "repeat" => {
            let times = rounds(node, cx);
            let name = table.get("as").and_then(|node| table::string(node, cx));
            names.vars.extend(name.clone());
            let nodes = table.require("steps", cx).and_then(|node| table::array(node, "an array of steps", cx))?;
            FlowAction::Repeat { steps: steps(nodes, names, cx), times: times?, name }
        }
        _ => {
            if !table::boolean(node, cx)? {
                cx.diagnostics.error(node.span.clone(), "this verb is `true`, or it is not there");
                return None;
            }
            FlowAction::Disconnect
        }
    })
}

fn expect(node: &Node, table: &mut Table<'_>, cx: &mut Context<'_>) -> Option<FlowAction> {
    let times = table.get("times").map_or(Some(1), |node| table::count(node, 1, cx))?;
    let reply = table.get("reply").map(|node| actions::list(node, cx));
    let mut events = vec![actions::arguments(node, cx)?];
    if let Some(node) = table.get("one_of") {
        let others = table::array(node, "an array of events", cx)?;
        events.extend(others.iter().filter_map(|node| actions::arguments(node, cx)));
    }
    Some(FlowAction::Expect { events, times, reply })
}

/// A request as in cases; the parts of it that attack a server are not for visitors.
fn http(node: &Node, table: &mut Table<'_>, names: &mut Names<'_>, cx: &mut Context<'_>) -> Option<FlowAction> {
    let request = raw::request(node, cx)?;
    if request.chunked.is_some() || request.stop_after.is_some() || request.claims.is_some() {
        cx.diagnostics.error(node.span.clone(), "`chunked`, `stop_after` and `length` are for cases, not for flows");
        return None;
    }
    let answer = raw::answer(table, cx);
    let save = table.get("save").map_or_else(Vec::new, |node| saves(node, cx));
    names.vars.extend(save.iter().map(|(name, _)| name.clone()));
    Some(FlowAction::Http { request: Box::new(request), answer, save })
}

/// `{ token = "$.token" }`
pub(super) fn saves(node: &Node, cx: &mut Context<'_>) -> Vec<(String, JsonPath)> {
    let Kind::Table(entries) = &node.kind else {
        cx.diagnostics.error(node.span.clone(), format_args!("`save` is a table, not {}", node.describe()));
        cx.diagnostics.note("write it as save = { NAME = \"$.path.in.the.body\" }");
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, value) in entries {
        let Some(text) = table::string(value, cx) else { continue };
        match JsonPath::parse(&text) {
            Ok(path) => found.push((key.name.clone(), path)),
            Err(error) => cx.diagnostics.error(
                value.span.clone(),
                format_args!("expected a JSONPath such as $.token (RFC 9535), found `{text}`: {error}"),
            ),
        }
    }
    found
}

/// `"2s"`, `"1s..4s"` or `"exp 5s"`.
fn think(node: &Node, cx: &mut Context<'_>) -> Option<Think> {
    let text = table::string(node, cx)?;
    let parsed = match text.strip_prefix("exp ") {
        Some(mean) => quantity::duration(mean.trim()).map(Think::Exponential),
        None => quantity::durations(&text).map(|(from, to)| Think::Between(from, to)),
    };
    let problem = |problem| {
        let wanted = "expected a time such as \"2s\", \"1s..4s\" or \"exp 5s\"";
        cx.diagnostics.error(node.span.clone(), format_args!("{wanted}: {problem}"));
    };
    parsed.map_err(problem).ok()
}

/// `3`, or `"2..5"`.
fn rounds(node: &Node, cx: &mut Context<'_>) -> Option<(u64, u64)> {
    let resolved = table::scalar(node, cx)?;
    let range = match &resolved.kind {
        Kind::Int(times) => u64::try_from(*times).ok().map(|times| (times, times)),
        Kind::Str(text) => text.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?))),
        _ => None,
    };
    match range {
        Some((from, to)) if from <= to && to <= MOST_ROUNDS => Some((from, to)),
        _ => {
            let wanted = "expected a number of rounds such as 3, or two as in \"2..5\", up to a million";
            cx.diagnostics.error(node.span.clone(), wanted);
            None
        }
    }
}

fn share(node: &Node, cx: &mut Context<'_>) -> Option<f64> {
    let text = table::string(node, cx)?;
    match quantity::percent(&text) {
        Ok(share) if (0.0..=1.0).contains(&share) => Some(share),
        _ => {
            cx.diagnostics.error(node.span.clone(), format_args!("expected a share from 0% to 100%, found `{text}`"));
            None
        }
    }
}

/// What a step is called that the file does not name.
fn usual_name(deed: &FlowAction) -> String {
    let event = |args: &[Template]| match args.first() {
        Some(Template::Text(pieces)) => text_of(pieces),
        _ => String::new(),
    };
    match deed {
        FlowAction::Connect { nsp: Template::Text(pieces), .. } => format!("connect {}", text_of(pieces)),
        FlowAction::Connect { .. } => "connect".to_owned(),
        FlowAction::Emit { args, .. } => format!("emit {}", event(args)),
        FlowAction::Expect { events, .. } => format!("expect {}", event(&events[0])),
        FlowAction::Http { request, .. } => http_name(request),
        FlowAction::Disconnect => "disconnect".to_owned(),
        FlowAction::Drop(_) => "drop".to_owned(),
        FlowAction::Think(_) => "think".to_owned(),
        FlowAction::Repeat { .. } => "repeat".to_owned(),
    }
}

fn http_name(request: &HttpRequest) -> String {
    format!("{} {}", request.method, text_of(&request.path))
}

/// The text, with `*` for what differs from visitor to visitor.
fn text_of(pieces: &[Piece]) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Literal(text) => text.clone(),
        Piece::Expr(_) => "*".to_owned(),
    };
    pieces.iter().map(text).collect()
}

/// The names of everything that is measured in steps, each once.
pub(super) fn measured(scenario: &Scenario) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    scenario.populations.values().for_each(|users| users.visit_enter(&mut |step| note_step(step, &mut names)));
    scenario.journeys.values().for_each(|journey| journey.visit(&mut |step| note_step(step, &mut names)));
    names
}

fn note_step<'a>(step: &'a FlowStep, names: &mut Vec<&'a str>) {
    if step.deed.is_measured() && !names.contains(&&*step.name) {
        names.push(&step.name);
    }
}

/// Waits in cases have a fixed length.
pub(super) fn fixed(node: &Node, cx: &mut Context<'_>) -> Option<Duration> {
    match think(node, cx)? {
        Think::Between(from, to) if from == to => Some(from),
        _ => {
            cx.diagnostics
                .error(node.span.clone(), "in a case everything is fixed, so a time is one, such as \"200ms\"");
            None
        }
    }
}

//! Findings as people read them.

use std::fmt::Write as _;

use super::findings::{Audience, Call, Engine, Event, Findings, Identity, Return, Trace};
use crate::vocab::text::{bytes, count, plural};

/// The findings, and the scenario behind them.
pub fn render(found: &Findings) -> String {
    let mut text = String::new();
    top(found, &mut text);
    between(found, &mut text);
    namespaces(found, &mut text);
    calls(&found.joins, &mut text);
    events(found, &mut text);
    if let Some(trace) = &found.trace {
        returns(trace, &mut text);
    }
    for remark in &found.remarks {
        row(&mut text, "remark", remark);
    }
    text = found.secrets.hide(&text);
    if let Some(scenario) = &found.scenario {
        let _ = write!(text, "\n{scenario}");
    }
    text
}

/// A line with a name in front, if it is a new one.
fn row(text: &mut String, name: &str, what: &str) {
    let _ = writeln!(text, "  {name:<12} {what}");
}

fn top(found: &Findings, text: &mut String) {
    let _ = writeln!(text, "{}{}", found.url, found.path);
    let Engine { revision, older, ping_interval, ping_timeout, max_payload } = &found.engine;
    let Some(revision) = revision else { return };
    let clients = match (revision, older) {
        (3, _) => "Engine.IO 3 (Socket.IO 1 and 2), which sio-bench does not speak in loads",
        (_, true) => "Engine.IO 4 (Socket.IO 3 and 4), and clients of revision 3 are let in",
        (_, false) => "Engine.IO 4 (Socket.IO 3 and 4)",
    };
    row(text, "engine", clients);
    row(text, "heartbeat", &format!("every {ping_interval} ms, {ping_timeout} ms to answer"));
    row(text, "maxPayload", &max_payload.map_or("not announced".to_owned(), |most| format!("{} bytes", count(most))));
    for transport in &found.transports {
        let why = transport.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
        row(text, transport.name, &format!("{}{why}", if transport.works { "works" } else { "does not work" }));
    }
}

/// What stands between the server and its clients.
fn between(found: &Findings, text: &mut String) {
    if found.addresses.len() > 1 {
        row(text, "addresses", &found.addresses.join(", "));
    }
    for cookie in &found.cookies {
        row(text, "cookie", &format!("{} ({})", cookie.name, cookie.attributes.join("; ")));
    }
    for header in &found.headers {
        row(text, "header", &format!("{}: {}", header.name, header.value));
    }
    let sessions = found.sessions;
    if sessions.opened > 0 && sessions.known == sessions.opened {
        row(text, "sessions", &format!("{} of {} known on another connection", sessions.known, sessions.opened));
    }
    for sign in &found.balancer {
        row(text, "balancer", sign);
    }
}

fn namespaces(found: &Findings, text: &mut String) {
    for namespace in &found.namespaces {
        let what = match (&namespace.refusal, namespace.recovery) {
            (Some(refusal), _) => format!("does not let one in: {refusal}"),
            (None, true) => "lets one in; recovery is on".to_owned(),
            (None, false) => "lets one in; recovery is off".to_owned(),
        };
        row(text, &namespace.name, &what);
    }
}

fn calls(joins: &[Call], text: &mut String) {
    for call in joins {
        let what = match (&call.answer, call.milliseconds) {
            (Some(answer), Some(time)) => format!("acknowledged after {time:.1} ms: {}", listed(answer)),
            _ => "not acknowledged".to_owned(),
        };
        row(text, "join", &format!("{}: {what}", call.event));
    }
}

fn events(found: &Findings, text: &mut String) {
    if !found.is_in() {
        return;
    }
    if found.events.is_empty() {
        row(text, "events", "none came");
    }
    for event in &found.events {
        let Event { namespace, name, count, arguments, bytes: (least, most), asks } = event;
        let place = if namespace == "/" { String::new() } else { format!(" in {namespace}") };
        let size = if least == most {
            bytes(*least as f64)
        } else {
            format!("{} to {}", bytes(*least as f64), bytes(*most as f64))
        };
        let asks = if *asks { ", wants to be acknowledged" } else { "" };
        row(text, "event", &format!("{name:?}{place}, {}, {size}{asks}: {}", times(*count), listed(arguments)));
    }
    if found.more_events > 0 {
        row(text, "event", &format!("and {} of other names", plural(found.more_events, "event")));
    }
}

fn returns(trace: &Trace, text: &mut String) {
    let Trace { event, sent, acknowledged, payload, .. } = trace;
    row(
        text,
        "sent",
        &format!(
            "{event:?} {}{}; acknowledged {}",
            times(u64::from(*sent)),
            payload.map_or(String::new(), |bytes| format!(", with {bytes} bytes")),
            times(u64::from(*acknowledged))
        ),
    );
    if trace.returns.is_empty() {
        row(text, "back", "nothing by which it could be recognised came back to anybody");
    }
    for back in &trace.returns {
        row(text, "back", &returned(back));
    }
    for other in &trace.others {
        row(text, "meanwhile", &format!("{:?} without it, to {}", other.event, audience(&other.to)));
    }
}

fn returned(back: &Return) -> String {
    let Return { event, argument, place, identity, to, repeated, altered, milliseconds: (quickest, slowest), .. } =
        back;
    let what = if *identity == Identity::Token { "the token in" } else { "in" };
    let place = if place == "$" { String::new() } else { format!(" at {place}") };
    let state = altered.as_ref().map_or("unaltered".to_owned(), |why| format!("altered: {why}"));
    let repeated =
        if *repeated > 0 { format!(", {} too many", plural(u64::from(*repeated), "copy")) } else { String::new() };
    format!(
        "{what} {event:?}, argument {argument}{place}, to {}{repeated}; {quickest:.1} to {slowest:.1} ms later; {state}",
        audience(to)
    )
}

/// `the sender (3 of 3); not others who joined`
fn audience(to: &Audience) -> String {
    let all = [(to.sender, "the sender"), (to.others, "others who joined"), (to.outside, "somebody outside")];
    let (got, missed): (Vec<_>, Vec<_>) =
        all.into_iter().filter(|(share, _)| share.of > 0).partition(|(share, _)| share.got > 0);
    let got: Vec<String> = got.iter().map(|(share, who)| format!("{who} ({} of {})", share.got, share.of)).collect();
    let missed: Vec<&str> = missed.iter().map(|(_, who)| *who).collect();
    let but = if missed.is_empty() { String::new() } else { format!(", and not to {}", missed.join(" or ")) };
    format!("{}{but}", if got.is_empty() { "nobody".to_owned() } else { got.join(" and ") })
}

fn times(n: u64) -> String {
    match n {
        1 => "once".to_owned(),
        n => format!("{} times", count(n)),
    }
}

fn listed(arguments: &[String]) -> String {
    if arguments.is_empty() { "no arguments".to_owned() } else { arguments.join(", ") }
}

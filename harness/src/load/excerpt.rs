//! A case for each delivery that was wrong: the users it is about, their rooms, and the messages around it, as a
//! scenario that plays without a load. It shows what should have happened; whether it fails by itself depends on
//! whether the fault needs the load.

mod setting;

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::credentials::scope_of;
use super::join::{Call, Join};
use super::log::{Entry, Window};
use super::message::Message;
use super::plan::Plan;
use super::schedule::Emission;
use super::stamp::Stamp;
use crate::record::LoadViolation;
use crate::scenario::{self, Loaded};

/// Messages on either side of the one that is meant.
const AROUND: u32 = 200;
/// So many of them are taken.
const MOST: usize = 8;

/// What is around a delivery.
#[derive(Clone, Debug, Default)]
pub(super) struct Excerpt {
    receiver: u32,
    /// In their order.
    messages: Vec<Emission>,
}

impl Excerpt {
    /// The message, and those nearest to it that reach the same receiver or come from the same sender to the same
    /// rooms.
    pub(super) fn around(plan: &Plan, window: &Window, entry: &Entry, receiver: u32) -> Self {
        let meant = entry.emission;
        let index = window.index(meant.stream, meant.seq).unwrap_or_default();
        let user = &plan.users[receiver as usize];
        let near = (index.saturating_sub(AROUND)..index.saturating_add(AROUND)).filter_map(|near| {
            let other = window.entry(near).filter(|other| other.sent().is_some())?.emission;
            let same = other.traffic == meant.traffic && plan.is_addressed(user, other.stream);
            (other == meant || same).then_some((near.abs_diff(index), other))
        });
        let mut near: Vec<_> = near.collect();
        near.sort_by_key(|(distance, _)| *distance);
        let mut messages: Vec<_> = near.into_iter().take(MOST).map(|(_, emission)| emission).collect();
        messages.sort_by_key(|emission| (emission.at, emission.stream, emission.seq));
        Self { receiver, messages }
    }

    /// The messages around it, in their order.
    pub(super) fn messages(&self) -> &[Emission] {
        &self.messages
    }

    /// As a scenario file; `None` for what a case cannot say. `sample` is what a delivery of the traffic
    /// looked like; `stage` is where it was.
    pub(super) fn render(
        &self,
        loaded: &Loaded,
        plan: &Plan,
        name: &str,
        violation: &LoadViolation,
        sample: Option<&str>,
        stage: &Where,
    ) -> Option<String> {
        let traffic = &plan.traffic[usize::from(self.messages.first()?.traffic)];
        let spec = &loaded.scenario.traffic[&traffic.name];
        let event = &spec.reaches.as_ref()?.event;
        let message = Message::new(loaded, spec).ok()?;
        let mut users: Vec<u32> = self.messages.iter().map(|emission| emission.sender).collect();
        users.push(self.receiver);
        users.sort_unstable();
        users.dedup();
        let mut out = String::new();
        let about = format!(
            "Cut out of {} (seed {}): {}. {}.",
            loaded.scenario.name,
            loaded.scenario.seed,
            violation.summary,
            violation.because.join("; ")
        );
        let node = plan.users[self.receiver as usize].node as usize;
        let server = stage.servers.get(node).map(|(url, path)| (url.as_str(), path.as_str()));
        let population = &plan.populations[plan.users[self.receiver as usize].population].name;
        let setting = setting::of(loaded, population, server);
        for what in &setting.left_out {
            let _ = writeln!(out, "# Add {what}: it is not written into files.");
        }
        let _ = writeln!(out, "name  = {}\nabout = {}\ntags  = [\"excerpt\"]\n", quoted(name), quoted(&about));
        out.push_str(&setting.tables);
        let auth = setting.auth.map_or_else(String::new, |auth| format!(", auth = {auth}"));
        let client = |user: &u32| format!("user-{user} = {{ namespace = {}{auth} }}", quoted(&traffic.namespace));
        let clients: Vec<_> = users.iter().map(client).collect();
        let _ = writeln!(out, "[[case]]\nname    = {}", quoted(&violation.summary));
        let _ = writeln!(out, "clients = {{ {} }}", clients.join(", "));
        let options = scenario::options_text(&loaded.scenario.target.options);
        if server.is_none() && !options.is_empty() {
            let _ = writeln!(out, "options = {{ {options} }}");
        }
        if !stage.has_fixture {
            // An application says what it likes besides; what is about these messages is asked for at the end.
            out.push_str("needs   = [\"wire\"]\nsettle  = false\n");
        }
        out.push_str("steps   = [\n");
        for user in &users {
            for room in &plan.users[*user as usize].rooms {
                let (index, room) = (*room, &plan.rooms[*room as usize]);
                if room.namespace == traffic.namespace {
                    let group = room.name.rsplit_once('-').map_or("", |(group, _)| group);
                    let call = Call::new(loaded, &loaded.scenario.rooms[group].join);
                    let Join { args, ack, .. } = call.render(scope_of(loaded, plan, *user, index)?, &room.name).ok()?;
                    emit(&mut out, *user, args.json(), ack)?;
                }
            }
        }
        let mut patterns: Vec<String> = Vec::new();
        for (number, emission) in self.messages.iter().enumerate() {
            let stamp = Stamp { run: 0, emission: number as u32 };
            let args = message.render(plan, emission, stamp, &scope_of(loaded, plan, emission.sender, 0)?.vars);
            if !args.attachments().is_empty() {
                return None;
            }
            let payload = text_of(number);
            emit(
                &mut out,
                emission.sender,
                &args.json().replace(&stamp.payload(message.payload_size()), &payload),
                message.ack,
            )?;
            let pattern = pattern(sample?, event, &Expected { payload: &payload, token: &stamp.token() })?;
            if !patterns.contains(&pattern) {
                patterns.push(pattern.clone());
            }
            for user in &users {
                let is_spared = traffic.spares_sender && *user == emission.sender;
                if !is_spared && plan.is_addressed(&plan.users[*user as usize], emission.stream) {
                    let _ = writeln!(out, "  {{ at = \"user-{user}\", expect = {pattern}, times = 1 }},");
                }
            }
        }
        // Nobody gets any of them again, or without being meant.
        let at: Vec<_> = users.iter().map(|user| format!("\"user-{user}\"")).collect();
        let first = patterns.first()?;
        let others =
            if patterns.len() > 1 { format!(", one_of = [{}]", patterns[1..].join(", ")) } else { String::new() };
        let _ = writeln!(out, "  {{ at = [{}], expect = {first}{others}, times = 0 }},", at.join(", "));
        out.push_str("]\n");
        Some(out)
    }
}

/// Where a run was.
pub(super) struct Where {
    /// URL and path of each server that runs already; none if sio-bench has started them.
    pub(super) servers: Vec<(String, String)>,
    /// Whether it runs the fixture, which says nothing of its own accord.
    pub(super) has_fixture: bool,
}

fn text_of(number: usize) -> String {
    format!("message {}", number + 1)
}

fn quoted(text: &str) -> String {
    toml::Value::from(text.replace("${", "$${")).to_string()
}

fn emit(out: &mut String, user: u32, json: &str, ack: bool) -> Option<()> {
    let args = to_toml(&serde_json::from_str(json).ok()?)?;
    let ack = if ack { ", ack = true" } else { "" };
    let _ = writeln!(out, "  {{ at = \"user-{user}\", emit = {args}{ack} }},");
    Some(())
}

fn to_toml(json: &Json) -> Option<String> {
    Some(match json {
        Json::Null => "\"${null}\"".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => quoted(text),
        Json::Array(items) => {
            format!("[{}]", items.iter().map(to_toml).collect::<Option<Vec<_>>>()?.join(", "))
        }
        Json::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| Some(format!("{} = {}", quoted(key), to_toml(value)?)));
            format!("{{ {} }}", fields.collect::<Option<Vec<_>>>()?.join(", "))
        }
    })
}

/// What a message of a case says of itself.
struct Expected<'a> {
    payload: &'a str,
    token: &'a str,
}

/// What a delivery must look like: the event that is owed, payload and token in their places, and anything elsewhere.
fn pattern(sample: &str, event: &str, expected: &Expected<'_>) -> Option<String> {
    let Json::Array(items) = serde_json::from_str(sample).ok()? else { return None };
    let any = || "\"${any}\"".to_owned();
    let args = items.iter().skip(1).map(|item| part(item, expected).unwrap_or_else(any));
    Some(format!("[{}]", std::iter::once(quoted(event)).chain(args).collect::<Vec<_>>().join(", ")))
}

/// The pattern of a value in which payload or token are.
fn part(value: &Json, expected: &Expected<'_>) -> Option<String> {
    match value {
        // Within a longer text nobody knows what belongs to it.
        Json::String(text) if Stamp::of_token(text).is_some() => Some(quoted(expected.token)),
        Json::String(text) if Stamp::find(text.as_bytes()).is_some_and(|found| found.at == 0) => {
            Some(quoted(expected.payload))
        }
        Json::Array(items) => {
            let parts: Vec<_> = items.iter().map(|item| part(item, expected)).collect();
            let has = parts.iter().any(Option::is_some);
            let parts = parts.into_iter().map(|part| part.unwrap_or_else(|| "\"${any}\"".to_owned()));
            has.then(|| format!("[{}]", parts.collect::<Vec<_>>().join(", ")))
        }
        Json::Object(fields) => {
            let found =
                fields.iter().filter_map(|(key, value)| Some(format!("{} = {}", quoted(key), part(value, expected)?)));
            let found: Vec<_> = found.collect();
            (!found.is_empty()).then(|| format!("{{ {}, \"..\" = \"${{any}}\" }}", found.join(", ")))
        }
        Json::String(_) | Json::Null | Json::Bool(_) | Json::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_keep_the_payload_and_nothing_else() {
        let stamp = Stamp { run: 7, emission: 9 }.payload(40);
        let expected = Expected { payload: "message 1", token: "0123456789abcdef" };
        let sample = format!("[\"msg\",{{\"a\":1}},\"{stamp}\",\"offset\"]");
        assert_eq!(pattern(&sample, "msg", &expected).unwrap(), r#"["msg", "${any}", "message 1", "${any}"]"#);
        let nested = format!("[\"mesage\",{{\"a\":1,\"text\":\"{stamp}\"}},[1,\"{stamp}\"]]");
        assert_eq!(
            pattern(&nested, "message", &expected).unwrap(),
            r#"["message", { "text" = "message 1", ".." = "${any}" }, ["${any}", "message 1"]]"#
        );
        assert_eq!(pattern("7", "x", &expected), None);
    }

    #[test]
    fn values_survive_the_change_of_languages() {
        let json = serde_json::json!(["emit", {"to": ["a-1"], "x": null, "n": 1.5}, "a ${b} \"c\"", true]);
        let text = format!("x = {}", to_toml(&json).unwrap());
        let table: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(table["x"][1]["to"][0].as_str(), Some("a-1"));
        assert_eq!(table["x"][2].as_str(), Some("a $${b} \"c\""));
    }
}

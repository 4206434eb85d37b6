//! A case for each delivery that was wrong: the users it is about, their rooms, and the messages around it, as a
//! scenario that plays without a load. It shows what should have happened; whether it fails by itself depends on
//! whether the fault needs the load.

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
    /// looked like; `managed` says whether sio-bench started the target, with the options of the scenario.
    pub(super) fn render(
        &self,
        loaded: &Loaded,
        plan: &Plan,
        name: &str,
        violation: &LoadViolation,
        sample: Option<&str>,
        managed: bool,
    ) -> Option<String> {
        let traffic = &plan.traffic[usize::from(self.messages.first()?.traffic)];
        let message = Message::new(loaded, &loaded.scenario.traffic[&traffic.name]).ok()?;
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
        let _ = writeln!(out, "name  = {}\nabout = {}\ntags  = [\"excerpt\"]\n", quoted(name), quoted(&about));
        let client = |user: &u32| format!("user-{user} = {{ namespace = {} }}", quoted(&traffic.namespace));
        let clients: Vec<_> = users.iter().map(client).collect();
        let _ = writeln!(out, "[[case]]\nname    = {}", quoted(&violation.summary));
        let _ = writeln!(out, "clients = {{ {} }}", clients.join(", "));
        let options = scenario::options_text(&loaded.scenario.target.options);
        if managed && !options.is_empty() {
            let _ = writeln!(out, "options = {{ {options} }}");
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
            let pattern = pattern(sample?, &payload)?;
            for user in &users {
                let is_spared = traffic.spares_sender && *user == emission.sender;
                if !is_spared && plan.is_addressed(&plan.users[*user as usize], emission.stream) {
                    let _ = writeln!(out, "  {{ at = \"user-{user}\", expect = {pattern}, times = 1 }},");
                }
            }
        }
        out.push_str("]\n");
        Some(out)
    }
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

/// What a delivery must look like: the event, the payload in its place, and anything elsewhere.
fn pattern(sample: &str, payload: &str) -> Option<String> {
    let Json::Array(items) = serde_json::from_str(sample).ok()? else { return None };
    let mut items = items.iter();
    let event = to_toml(items.next()?)?;
    let args = items.map(|item| match item {
        Json::String(text) if Stamp::find(text.as_bytes()).is_some() => quoted(payload),
        _ => "\"${any}\"".to_owned(),
    });
    Some(format!("[{}]", std::iter::once(event).chain(args).collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_keep_the_payload_and_nothing_else() {
        let stamp = Stamp { run: 7, emission: 9 }.payload(40);
        let sample = format!("[\"msg\",{{\"a\":1}},\"{stamp}\",\"offset\"]");
        assert_eq!(pattern(&sample, "message 1").unwrap(), r#"["msg", "${any}", "message 1", "${any}"]"#);
        assert_eq!(pattern("7", "x"), None);
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

//! A scenario to start from: one's own events, commented, with what most people want to know of them.

use std::fmt::Write as _;

use serde_json::Value;
use thiserror::Error;

use super::{Source, load};

/// Whom a message reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Everybody in the room, but for whoever sent it.
    #[default]
    Others,
    /// Everybody in the room.
    Everybody,
    /// Nobody: the server acknowledges it.
    Answered,
}

/// What is known of an application.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Where it listens.
    pub url: String,
    pub namespace: String,
    /// The event by which a user enters a room, with `${room}`; nothing where all are in one.
    pub join: Option<Value>,
    /// The event that is sent, with `${payload}`, and `${room}` where there are rooms.
    pub event: Value,
    /// The name under which it arrives, if it has another.
    pub arrives_as: Option<String>,
    pub reach: Reach,
    /// Whether the server acknowledges what is sent, and who joins.
    pub ack: bool,
    pub users: u32,
    /// Such as `20/s`.
    pub rate: String,
    /// Such as `30s`.
    pub length: String,
}

/// Why no scenario comes of it.
#[derive(Debug, Error)]
pub enum Unusable {
    #[error(
        "{what} is {found}; expected a JSON array that begins with the event's name, such as [\"say\",\"${{room}}\",\"${{payload}}\"]"
    )]
    NoEvent { what: &'static str, found: String },
    #[error("{what} holds null, which TOML cannot say; leave it out, or write \"${{null}}\"")]
    Null { what: &'static str },
    #[error(
        "the event has no \"${{payload}}\"; put it where the text stands: sio-bench stamps it to know each message again"
    )]
    NoPayload,
    #[error("the event says \"${{room}}\", but no event by which one joins a room is named; add --join")]
    NoJoin,
    #[error("what was asked for makes no valid scenario:\n{0}")]
    Invalid(String),
}

/// The text of the scenario; it has been read as `plan` would, so it is valid.
pub fn starter(answers: &Answers) -> Result<String, Unusable> {
    let text = write(answers)?;
    match load(Source { name: "scenario.toml".to_owned(), text: text.clone() }, &[], None) {
        Ok(_) => Ok(text),
        Err(problems) => Err(Unusable::Invalid(problems)),
    }
}

fn write(answers: &Answers) -> Result<String, Unusable> {
    let (name, event) = event("the event", &answers.event)?;
    let join = answers.join.as_ref().map(|join| self::event("the event by which one joins", join)).transpose()?;
    if !event.contains("${payload}") {
        return Err(Unusable::NoPayload);
    }
    if event.contains("${room}") && join.is_none() {
        return Err(Unusable::NoJoin);
    }
    let mut out = String::from(
        "# A load for your own application. `sio-bench plan` shows what it comes to, `sio-bench run` runs it.\n",
    );
    let _ = writeln!(
        out,
        "name = \"mine\"\nseed = 1            # the same seed sends the same messages at the same times\n"
    );
    head(answers, &mut out);
    let namespace = text(&answers.namespace);
    if let Some((joining, emit)) = &join {
        let ack = if answers.ack { ", ack = true" } else { "" };
        let joining = word(joining);
        let _ = writeln!(out, "# What your client emits to enter a room. `${{room}}` is the room's name.");
        let _ = writeln!(out, "[actions]\n\"{joining}(room)\" = {{ emit = {emit}{ack} }}\n");
        let _ = writeln!(
            out,
            "[rooms.room]\ncount     = \"${{rooms}}\"\nnamespace = {namespace}\njoin      = [\"{joining}\", \"${{room}}\"]\n"
        );
    }
    let _ = writeln!(
        out,
        "[users.people]\ncount     = \"${{people}}\"\nconnect   = \"50/s\"       # how fast they come\nnamespace = [{namespace}]"
    );
    if join.is_some() {
        let _ = writeln!(out, "in        = {{ room = 1 }}  # each is in so many of the rooms");
    }
    let _ = writeln!(out, "# auth    = {{ token = \"${{env.TOKEN}}\" }}   # what your server wants to see\n");
    traffic(answers, &word(&name), &event, join.is_some(), &mut out);
    Ok(out)
}

fn head(answers: &Answers, out: &mut String) {
    let Answers { users, rate, length, .. } = answers;
    let _ = writeln!(out, "# `--set people=500` changes one of these for a run.\n[vars]\npeople = {users}");
    if answers.join.is_some() {
        let _ = writeln!(out, "rooms  = {}", (users / 10).max(1));
    }
    let (rate, length) = (text(rate), text(length));
    let _ =
        writeln!(out, "rate   = {rate}       # messages sent in each second, all users together\nlength = {length}\n");
    let _ = writeln!(out, "[target]\nurl  = {}\n# path = \"/socket.io/\"\n", text(&answers.url));
}

/// What is sent, who gets it, for how long, and what has to hold.
fn traffic(answers: &Answers, sent: &str, emit: &str, rooms: bool, out: &mut String) {
    let name = format!("send_{sent}");
    let namespace = text(&answers.namespace);
    let _ = writeln!(out, "# What your client emits. The server is never waited for: who is late is seen.");
    let _ = writeln!(
        out,
        "[traffic.{name}]\nfrom        = \"people\"\nrate        = \"${{rate}}\"\narrivals    = \"poisson\""
    );
    let _ = writeln!(out, "namespace   = {namespace}\nemit        = {emit}\npayload     = {{ size = \"100B\" }}");
    let reached = answers.reach != Reach::Answered;
    if answers.ack || !reached {
        let _ = writeln!(out, "ack         = true");
    }
    if reached {
        let event = answers.event[0].as_str().unwrap_or_default();
        let event = text(answers.arrives_as.as_deref().unwrap_or(event));
        let rooms = if rooms { "\"${room}\"" } else { "" };
        let except = if answers.reach == Reach::Others { ", except = \"sender\"" } else { "" };
        let _ = writeln!(
            out,
            "# Who gets it, and as which event.\ndelivers_to = {{ event = {event}, rooms = [{rooms}]{except} }}"
        );
    }
    let _ = writeln!(
        out,
        "\n[[phase]]\nname     = \"warm up\"\nfor      = \"3s\"\nmeasured = false\n\n[[phase]]\nname = \"steady\"\nfor  = \"${{length}}\"\n"
    );
    let _ = writeln!(out, "# What has to hold; the run fails (exit 1) if one does not.\n[slo]\nthresholds = [");
    let counts: &[&str] = if reached { &["missing", "duplicate", "misdelivered", "out_of_order"] } else { &[] };
    counts.iter().for_each(|count| _ = writeln!(out, "  \"{name}.{count} = 0\","));
    if answers.ack || !reached {
        let _ = writeln!(out, "  \"{name}.unanswered = 0\",");
    }
    let measure = if reached { "delivery" } else { "ack" };
    let _ = writeln!(
        out,
        "  \"{name}.{measure} p99 < 200ms in steady\",\n  \"errors <= 0%\",\n  \"generator.late p99 < 20ms\",     # else the numbers are not valid (exit 4)\n]"
    );
}

/// The name of an event, and the event in TOML.
fn event(what: &'static str, value: &Value) -> Result<(String, String), Unusable> {
    let name = value.as_array().and_then(|values| values.first()).and_then(Value::as_str);
    let Some(name) = name else { return Err(Unusable::NoEvent { what, found: value.to_string() }) };
    let toml = toml::Value::try_from(value).map_err(|_| Unusable::Null { what })?;
    Ok((name.to_owned(), toml.to_string()))
}

/// The name of an event as that of an action or a group of rooms: letters, digits and underscores.
pub fn word(name: &str) -> String {
    let word: String = name.chars().take(40).map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if word.chars().all(|c| c == '_') { "event".to_owned() } else { word }
}

/// A text in TOML.
fn text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answers() -> Answers {
        Answers {
            url: "http://127.0.0.1:3000".to_owned(),
            namespace: "/".to_owned(),
            join: Some(json!(["join", "${room}"])),
            event: json!(["say", "${room}", { "text": "${payload}", "n": 1.5, "last one": [true] }]),
            arrives_as: Some("message".to_owned()),
            reach: Reach::Others,
            ack: true,
            users: 20,
            rate: "20/s".to_owned(),
            length: "10s".to_owned(),
        }
    }

    /// Each combination is read as a run would read it.
    #[test]
    fn what_is_written_is_valid() {
        for reach in [Reach::Others, Reach::Everybody, Reach::Answered] {
            for ack in [true, false] {
                for join in [None, answers().join] {
                    let event = if join.is_some() { answers().event } else { json!(["new message", "${payload}"]) };
                    let text = starter(&Answers { join, event, reach, ack, ..answers() }).unwrap();
                    assert!(text.contains("# What has to hold"), "{text}");
                    assert_eq!(text.contains("delivers_to"), reach != Reach::Answered);
                    assert_eq!(text.contains("except"), reach == Reach::Others);
                }
            }
        }
        let text = starter(&Answers { arrives_as: None, url: "https://a.example/\"x".to_owned(), ..answers() });
        assert!(text.is_err() || text.unwrap().contains("event = \"say\""));
    }

    #[test]
    fn what_makes_no_scenario_is_said() {
        let of =
            |event: Value, join: Option<Value>| starter(&Answers { join, event, ..answers() }).unwrap_err().to_string();
        let join = || answers().join;
        assert!(of(json!("say"), join()).contains("the event is \"say\"; expected a JSON array"));
        assert!(of(json!(["say", "hi"]), join()).contains("has no \"${payload}\""));
        assert!(of(json!(["say", "${room}", "${payload}"]), None).contains("add --join"));
        assert!(of(json!(["say", null, "${payload}"]), join()).contains("null"));
        assert!(of(json!(["say", "${payload}"]), Some(json!([7]))).contains("by which one joins is [7]"));
        let wrong = starter(&Answers { rate: "fast".to_owned(), ..answers() }).unwrap_err().to_string();
        assert!(wrong.contains("no valid scenario") && wrong.contains("fast"), "{wrong}");
    }
}

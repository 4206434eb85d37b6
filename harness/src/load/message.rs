//! A traffic's message, prepared so that sending one is copying bytes.

use bytes::Bytes;
use sio_protocol::{Args, Value};

use super::plan::Plan;
use super::schedule::Emission;
use super::stamp::Stamp;
use crate::scenario::Loaded;
use crate::scenario::model::{Invocation, Population, Traffic};
use crate::scenario::template::{Expr, Piece, Scope, Template};

/// Stand-ins for what changes from message to message; no scenario says these by accident.
const ROOM: &str = "@@sio-bench-room@@";
const NEXT_ROOM: &str = "@@sio-bench-next@@";
const PAYLOAD: &str = "@@sio-bench-payload@@";
const SEQ: &str = "@@sio-bench-seq@@";

/// Whether every message and every join of a scenario can be rendered; the error says which cannot, and why.
pub fn check(loaded: &Loaded) -> Result<(), String> {
    for (name, traffic) in &loaded.scenario.traffic {
        Message::new(loaded, traffic).map_err(|problem| format!("[traffic.{name}]: {problem}"))?;
    }
    for (name, users) in &loaded.scenario.populations {
        auth(loaded, users).map_err(|problem| format!("[users.{name}] auth: {problem}"))?;
    }
    super::journey::check(loaded)?;
    for (name, group) in &loaded.scenario.rooms {
        join(loaded, &group.join, name).map_err(|problem| format!("[rooms.{name}] join: {problem}"))?;
    }
    Ok(())
}

/// JSON text with holes.
#[derive(Clone, Debug)]
pub(super) struct Message {
    parts: Vec<Part>,
    payload_size: usize,
    binary: bool,
    pub(super) ack: bool,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Room,
    /// The one after it in its group.
    NextRoom,
    Payload,
    /// The number of the message among those of its traffic to its room.
    Seq,
}

impl Message {
    /// Prepares the message of a traffic.
    pub(super) fn new(loaded: &Loaded, traffic: &Traffic) -> Result<Self, String> {
        let mut scope = scope_of(loaded);
        let values: Vec<Value> =
            traffic.emit.iter().map(|template| scope.render(&with_holes(template))).collect::<Result<_, _>>()?;
        let args = Args::from_values(&values);
        let payload = if traffic.binary { format!("\"{PAYLOAD}\"") } else { PAYLOAD.to_owned() };
        let parts = cut(
            args.json(),
            &[(&payload, Part::Payload), (ROOM, Part::Room), (NEXT_ROOM, Part::NextRoom), (SEQ, Part::Seq)],
        );
        Ok(Self { parts, payload_size: traffic.payload_size, binary: traffic.binary, ack: traffic.ack })
    }

    /// The arguments of a message.
    pub(super) fn render(&self, plan: &Plan, emission: &Emission, stamp: Stamp) -> Args {
        let room = emission.room().map(|room| &plan.rooms[room as usize]);
        let name = room.map_or("", |room| &room.name);
        let next = room.map_or("", |room| &plan.rooms[room.next as usize].name);
        self.fill(name, next, emission.seq, stamp)
    }

    /// Bytes of the payload.
    pub(super) fn payload_size(&self) -> usize {
        self.payload_size
    }

    fn fill(&self, room: &str, next: &str, seq: u32, stamp: Stamp) -> Args {
        let payload = stamp.payload(self.payload_size);
        let length = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Room => room.len(),
            Part::NextRoom => next.len(),
            Part::Payload => payload.len(),
            Part::Seq => 10,
        };
        let mut json = String::with_capacity(self.parts.iter().map(length).sum());
        for part in &self.parts {
            match part {
                Part::Text(text) => json.push_str(text),
                Part::Room => json.push_str(room),
                Part::NextRoom => json.push_str(next),
                Part::Seq => json.push_str(&seq.to_string()),
                Part::Payload if self.binary => json.push_str(r#"{"_placeholder":true,"num":0}"#),
                Part::Payload => json.push_str(&payload),
            }
        }
        let attachments = if self.binary { vec![Bytes::from(payload)] } else { Vec::new() };
        Args::from_json(json, attachments)
    }
}

/// Cuts a text at every stand-in.
fn cut(text: &str, holes: &[(&str, Part)]) -> Vec<Part> {
    let found = holes.iter().filter_map(|(mark, part)| text.find(mark).map(|at| (at, *mark, part)));
    let Some((at, mark, part)) = found.min_by_key(|hole| hole.0) else { return vec![Part::Text(text.to_owned())] };
    let mut parts = vec![Part::Text(text[..at].to_owned()), part.clone()];
    parts.extend(cut(&text[at + mark.len()..], holes));
    parts
}

/// The arguments of the call by which a user joins `room`, and whether it is acknowledged.
pub(super) fn join(loaded: &Loaded, invocation: &Invocation, room: &str) -> Result<(Args, bool), String> {
    let action = &loaded.scenario.actions[&invocation.action];
    let mut scope = scope_of(loaded);
    scope.vars.insert("room".to_owned(), Value::from(room));
    let args: Vec<Value> = invocation.args.iter().map(|arg| scope.render(arg)).collect::<Result<_, _>>()?;
    for (param, value) in action.params.iter().zip(args) {
        scope.vars.insert(param.clone(), value);
    }
    let values: Vec<Value> = action.emit.iter().map(|value| scope.render(value)).collect::<Result<_, _>>()?;
    Ok((Args::from_values(&values), action.ack.is_some()))
}

/// What a population shows at each CONNECT, as JSON text; empty if it shows nothing.
pub(super) fn auth(loaded: &Loaded, users: &Population) -> Result<String, String> {
    let Some(auth) = &users.auth else { return Ok(String::new()) };
    let args = Args::from_values(&[scope_of(loaded).render(auth)?]);
    let json = args.json();
    let object = json.strip_prefix('[').and_then(|json| json.strip_suffix(']')).filter(|json| json.starts_with('{'));
    match object {
        Some(object) if args.attachments().is_empty() => Ok(object.to_owned()),
        _ => Err(format!("expected a table of texts and numbers, found {json}")),
    }
}

fn scope_of(loaded: &Loaded) -> Scope {
    let mut scope = Scope { random: loaded.scenario.seed, ..Scope::default() };
    for (name, value) in &loaded.vars {
        scope.vars.insert(name.clone(), Value::from(value.as_str()));
    }
    scope
}

fn with_holes(template: &Template) -> Template {
    match template {
        Template::Text(pieces) => Template::Text(pieces.iter().map(hole).collect()),
        Template::Array(items) => Template::Array(items.iter().map(with_holes).collect()),
        Template::Table(fields, open) => {
            Template::Table(fields.iter().map(|(key, value)| (key.clone(), with_holes(value))).collect(), *open)
        }
        // The last two match and are never sent.
        Template::Bool(_) | Template::Int(_) | Template::Float(_) | Template::AnyOrder(_) | Template::Contains(_) => {
            template.clone()
        }
    }
}

fn hole(piece: &Piece) -> Piece {
    match piece {
        Piece::Expr(Expr::Payload) => Piece::Literal(PAYLOAD.to_owned()),
        Piece::Expr(Expr::Seq) => Piece::Literal(SEQ.to_owned()),
        Piece::Expr(Expr::Var(name)) if name == "room" => Piece::Literal(ROOM.to_owned()),
        Piece::Expr(Expr::Var(name)) if name == "room.next" => Piece::Literal(NEXT_ROOM.to_owned()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, source::Source};

    fn rendered(payload: &str) -> Args {
        let text = format!(
            "name = \"x\"\n[actions]\n\"join(r)\" = {{ emit = [\"join\", \"${{r}}\"] }}\n\
             [rooms.a]\ncount = 1\njoin = [\"join\", \"${{room}}\"]\n[users.u]\ncount = 1\nin = {{ a = 1 }}\n\
             [traffic.t]\nby = \"u\"\nrate = \"1/s\"\n\
             emit = [\"say\", {{ to = \"${{room}}\", n = \"no. ${{seq}}\" }}, \"${{payload}}\"]\n\
             payload = {payload}\nreaches = {{ event = \"say\", rooms = [\"${{room}}\"] }}\n\
             [[phase]]\nname = \"p\"\nfor = \"1s\"\n"
        );
        let loaded = scenario::load(Source { name: "t".to_owned(), text }, &[], None).unwrap();
        check(&loaded).unwrap();
        let message = Message::new(&loaded, &loaded.scenario.traffic["t"]).unwrap();
        message.fill("a-0", "a-1", 7, Stamp { run: 1, emission: 2 })
    }

    #[test]
    fn holes_are_filled() {
        let args = rendered("{ size = \"24B\" }");
        assert_eq!(args.json(), r#"["say",{"to":"a-0","n":"no. 7"},"~sb:0000000100000002xxxx"]"#);
    }

    #[test]
    fn a_binary_payload_is_an_attachment() {
        let args = rendered("{ size = \"24B\", binary = true }");
        assert_eq!(args.json(), r#"["say",{"to":"a-0","n":"no. 7"},{"_placeholder":true,"num":0}]"#);
        assert_eq!(args.attachments(), [b"~sb:0000000100000002xxxx".as_slice()]);
    }
}

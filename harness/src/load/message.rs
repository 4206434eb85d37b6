//! A traffic's message, prepared so that sending one is copying bytes.

use bytes::Bytes;
use sio_protocol::{Args, Value};

use super::stamp::Stamp;
use crate::scenario::Loaded;
use crate::scenario::model::{Invocation, Traffic};
use crate::scenario::template::{Expr, Piece, Scope, Template};

/// Stand-ins for what changes from message to message; no scenario says these by accident.
const ROOM: &str = "@@sio-bench-room@@";
const PAYLOAD: &str = "@@sio-bench-payload@@";

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
    Payload,
}

impl Message {
    /// Prepares the message of a traffic.
    pub(super) fn new(loaded: &Loaded, traffic: &Traffic) -> Result<Self, String> {
        let mut scope = scope_of(loaded);
        let values: Vec<Value> =
            traffic.emit.iter().map(|template| scope.render(&with_holes(template))).collect::<Result<_, _>>()?;
        let args = Args::from_values(&values);
        let payload = if traffic.binary { format!("\"{PAYLOAD}\"") } else { PAYLOAD.to_owned() };
        let mut parts = Vec::new();
        for (index, text) in args.json().split(payload.as_str()).enumerate() {
            if index > 0 {
                parts.push(Part::Payload);
            }
            for (index, text) in text.split(ROOM).enumerate() {
                if index > 0 {
                    parts.push(Part::Room);
                }
                parts.push(Part::Text(text.to_owned()));
            }
        }
        Ok(Self { parts, payload_size: traffic.payload_size, binary: traffic.binary, ack: traffic.ack })
    }

    /// The arguments of one message.
    pub(super) fn render(&self, room: &str, stamp: Stamp) -> Args {
        let payload = stamp.payload(self.payload_size);
        let length: usize = self.parts.iter().map(|part| part.len(room, &payload)).sum();
        let mut json = String::with_capacity(length);
        for part in &self.parts {
            match part {
                Part::Text(text) => json.push_str(text),
                Part::Room => json.push_str(room),
                Part::Payload if self.binary => json.push_str(r#"{"_placeholder":true,"num":0}"#),
                Part::Payload => json.push_str(&payload),
            }
        }
        let attachments = if self.binary { vec![Bytes::from(payload)] } else { Vec::new() };
        Args::from_json(json, attachments)
    }
}

impl Part {
    fn len(&self, room: &str, payload: &str) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Room => room.len(),
            Self::Payload => payload.len(),
        }
    }
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
        Template::Bool(_) | Template::Int(_) | Template::Float(_) => template.clone(),
    }
}

fn hole(piece: &Piece) -> Piece {
    match piece {
        Piece::Expr(Expr::Payload) => Piece::Literal(PAYLOAD.to_owned()),
        Piece::Expr(Expr::Var(name)) if name == "room" => Piece::Literal(ROOM.to_owned()),
        other => other.clone(),
    }
}

//! A traffic's message, prepared so that sending one is copying bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use sio_protocol::{Args, Value};

use super::plan::Plan;
use super::random::{Purpose, Stream};
use super::schedule::Emission;
use crate::scenario::Loaded;
use crate::scenario::model::{Traffic, room_number};
use crate::scenario::template::{Expr, Piece, Scope, TOKEN, Template};
use crate::vocab::stamp::Stamp;

/// Stand-ins for what changes from message to message; no scenario says these by accident.
const ROOM: &str = "@@sio-bench-room@@";
const NEXT_ROOM: &str = "@@sio-bench-next@@";
const ROOM_NUMBER: &str = "@@sio-bench-room-number@@";
const NEXT_ROOM_NUMBER: &str = "@@sio-bench-next-number@@";
const PAYLOAD: &str = "@@sio-bench-payload@@";
const SEQ: &str = "@@sio-bench-seq@@";
const TOKEN_TEXT: &str = "@@sio-bench-token@@";
const TOKEN_INT: &str = "@@sio-bench-number@@";

/// The stand-in for the n-th expression that is drawn anew for each message.
fn drawn_mark(index: usize) -> String {
    format!("@@sio-bench-drawn-{index}@@")
}

/// Whether every message and every join of a scenario can be rendered; the error says which cannot, and why.
pub fn check(loaded: &Loaded) -> Result<(), String> {
    for (name, traffic) in &loaded.scenario.traffic {
        Message::new(loaded, traffic).map_err(|problem| format!("[traffic.{name}]: {problem}"))?;
    }
    super::flow::check(loaded)?;
    super::credentials::check(loaded)
}

/// JSON text with holes.
#[derive(Clone, Debug)]
pub(super) struct Message {
    parts: Vec<Part>,
    payload_size: usize,
    binary: bool,
    pub(super) ack: bool,
    /// What the expressions of `Part::Drawn` may name; `None` if there are none, and sending is copying bytes.
    known: Option<Scope>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Room,
    /// The one after it in its group.
    NextRoom,
    /// Their numbers in it.
    RoomNumber,
    NextRoomNumber,
    Payload,
    /// The number of the message among those of its traffic to its room.
    Seq,
    /// Drawn anew for each message, or the sender's own; as JSON of its own type, or inside a text.
    Drawn {
        expr: Expr,
        alone: bool,
    },
    /// What identifies the message by itself, as a text and as a number.
    Token,
    Number,
}

impl Message {
    /// Prepares the message of a traffic.
    pub(super) fn new(loaded: &Loaded, traffic: &Traffic) -> Result<Self, String> {
        let mut scope = loaded.scope();
        let mut varying = Varying { has_token: traffic.identify.is_some(), known: &scope, drawn: Vec::new() };
        let holed: Vec<_> = traffic.emit.iter().map(|template| with_holes(template, &mut varying)).collect();
        let drawn = varying.drawn;
        let values: Vec<Value> = holed.iter().map(|template| scope.render(template)).collect::<Result<_, _>>()?;
        let args = Args::from_values(&values);
        let payload = if traffic.binary { quoted(PAYLOAD) } else { PAYLOAD.to_owned() };
        let mut holes = vec![
            (payload, Part::Payload),
            (ROOM.to_owned(), Part::Room),
            (NEXT_ROOM.to_owned(), Part::NextRoom),
            (quoted(ROOM_NUMBER), Part::RoomNumber),
            (ROOM_NUMBER.to_owned(), Part::RoomNumber),
            (quoted(NEXT_ROOM_NUMBER), Part::NextRoomNumber),
            (NEXT_ROOM_NUMBER.to_owned(), Part::NextRoomNumber),
            // Alone it is a number.
            (quoted(SEQ), Part::Seq),
            (SEQ.to_owned(), Part::Seq),
            (TOKEN_TEXT.to_owned(), Part::Token),
            (quoted(TOKEN_INT), Part::Number),
            (TOKEN_INT.to_owned(), Part::Number),
        ];
        for (index, expr) in drawn.iter().enumerate() {
            // What is the sender's own is seen to where its credentials are.
            if !names_own(expr, &scope) {
                json_of(&scope.eval(expr)?)?;
            }
            holes.push((quoted(&drawn_mark(index)), Part::Drawn { expr: expr.clone(), alone: true }));
            holes.push((drawn_mark(index), Part::Drawn { expr: expr.clone(), alone: false }));
        }
        let known = (!drawn.is_empty()).then_some(scope);
        let parts = cut(args.json(), &holes);
        let binary = traffic.binary && parts.iter().any(|part| matches!(part, Part::Payload));
        Ok(Self { parts, payload_size: traffic.payload_size, binary, ack: traffic.ack.is_some(), known })
    }

    /// The arguments of a message; `sender` is what it may name of who sends it. The error says what cannot be rendered.
    pub(super) fn render(
        &self,
        plan: &Plan,
        emission: &Emission,
        stamp: Stamp,
        sender: &BTreeMap<String, Value>,
    ) -> Result<Args, String> {
        let room = emission.room().map(|room| &plan.rooms[room as usize]);
        let name = room.map_or("", |room| &room.name);
        let next = room.map_or("", |room| &plan.rooms[room.next as usize].name);
        // The same in every run with this seed, on any number of workers: the number of a message is.
        let scope = self.known.as_ref().map(|known| {
            let mut stream = Stream::new(plan.seed, Purpose::Message, emission.traffic.into(), stamp.emission);
            let mut scope = Scope { random: stream.number(), ..known.clone() };
            scope.vars.extend(sender.iter().map(|(name, value)| (name.clone(), value.clone())));
            scope
        });
        self.fill(name, next, emission.seq, stamp, scope)
    }

    /// Whether its payload leaves as bytes.
    pub(super) fn is_binary(&self) -> bool {
        self.binary
    }

    /// Bytes of the payload.
    pub(super) fn payload_size(&self) -> usize {
        self.payload_size
    }

    fn fill(&self, room: &str, next: &str, seq: u32, stamp: Stamp, mut scope: Option<Scope>) -> Result<Args, String> {
        let payload = stamp.payload(self.payload_size);
        let length = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Room => room.len(),
            Part::NextRoom => next.len(),
            Part::Payload => payload.len(),
            Part::Seq | Part::RoomNumber | Part::NextRoomNumber => 10,
            Part::Drawn { .. } => 38,
            Part::Token | Part::Number => 16,
        };
        let mut json = String::with_capacity(self.parts.iter().map(length).sum());
        for part in &self.parts {
            match part {
                Part::Text(text) => json.push_str(text),
                Part::Room => json.push_str(room),
                Part::NextRoom => json.push_str(next),
                Part::RoomNumber => json.push_str(room_number(room)),
                Part::NextRoomNumber => json.push_str(room_number(next)),
                Part::Seq => json.push_str(&seq.to_string()),
                Part::Drawn { expr, alone } => {
                    let value = scope.as_mut().ok_or("nothing is drawn here")?.eval(expr)?;
                    json.push_str(&if *alone { json_of(&value)? } else { inside_a_text(&value) });
                }
                Part::Token => json.push_str(&stamp.token()),
                Part::Number => json.push_str(&stamp.number().to_string()),
                Part::Payload if self.binary => json.push_str(r#"{"_placeholder":true,"num":0}"#),
                Part::Payload => json.push_str(&payload),
            }
        }
        let attachments = if self.binary { vec![Bytes::from(payload)] } else { Vec::new() };
        Ok(Args::from_json(json, attachments))
    }
}

/// Cuts a text at every stand-in.
fn cut(text: &str, holes: &[(String, Part)]) -> Vec<Part> {
    let found = holes.iter().filter_map(|(mark, part)| text.find(mark).map(|at| (at, mark, part)));
    let Some((at, mark, part)) = found.min_by_key(|hole| hole.0) else { return vec![Part::Text(text.to_owned())] };
    let mut parts = vec![Part::Text(text[..at].to_owned()), part.clone()];
    parts.extend(cut(&text[at + mark.len()..], holes));
    parts
}

fn quoted(mark: &str) -> String {
    format!("\"{mark}\"")
}

/// A value as JSON text.
pub(super) fn json_of(value: &Value) -> Result<String, String> {
    let args = Args::from_values(std::slice::from_ref(value));
    if !args.attachments().is_empty() {
        return Err("bytes cannot stand here, only what is text in JSON".to_owned());
    }
    let json = args.json();
    Ok(json.strip_prefix('[').and_then(|json| json.strip_suffix(']')).unwrap_or(json).to_owned())
}

/// What stands between the quotes of a JSON text for a value that is part of a longer one.
fn inside_a_text(value: &Value) -> String {
    let text = match value {
        Value::String(text) => json_of(&Value::from(text.as_str())),
        other => json_of(&Value::String(other.to_string())),
    };
    let text = text.unwrap_or_default();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned()
}

/// Whether an expression names what is not one of `[vars]`, and therefore is its sender's.
fn names_own(expr: &Expr, known: &Scope) -> bool {
    let mut own = false;
    expr.visit(&mut |expr| own |= matches!(expr, Expr::Var(name) if !known.vars.contains_key(name)));
    own
}

/// What changes from message to message.
struct Varying<'a> {
    /// `${token}` is what identifies the message, and no variable.
    has_token: bool,
    /// `[vars]`; other names are the sender's own.
    known: &'a Scope,
    /// Expressions that are drawn anew for each, or the sender's own.
    drawn: Vec<Expr>,
}

/// With stand-ins for what changes from message to message.
fn with_holes(template: &Template, varying: &mut Varying<'_>) -> Template {
    match template {
        Template::Text(pieces) => Template::Text(pieces.iter().map(|piece| hole(piece, varying)).collect()),
        Template::Array(items) => Template::Array(items.iter().map(|item| with_holes(item, varying)).collect()),
        Template::Table(fields, open) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), with_holes(value, varying)));
            Template::Table(fields.collect(), *open)
        }
        // The last two match and are never sent.
        Template::Bool(_) | Template::Int(_) | Template::Float(_) | Template::AnyOrder(_) | Template::Contains(_) => {
            template.clone()
        }
    }
}

fn hole(piece: &Piece, varying: &mut Varying<'_>) -> Piece {
    match piece {
        Piece::Expr(Expr::Payload) => Piece::Literal(PAYLOAD.to_owned()),
        Piece::Expr(Expr::Seq) => Piece::Literal(SEQ.to_owned()),
        Piece::Expr(Expr::TokenInt) => Piece::Literal(TOKEN_INT.to_owned()),
        Piece::Expr(Expr::Var(name)) if varying.has_token && name == TOKEN => Piece::Literal(TOKEN_TEXT.to_owned()),
        Piece::Expr(Expr::Var(name)) if name == "room" => Piece::Literal(ROOM.to_owned()),
        Piece::Expr(Expr::Var(name)) if name == "room.next" => Piece::Literal(NEXT_ROOM.to_owned()),
        Piece::Expr(Expr::Var(name)) if name == "room.number" => Piece::Literal(ROOM_NUMBER.to_owned()),
        Piece::Expr(Expr::Var(name)) if name == "room.next.number" => Piece::Literal(NEXT_ROOM_NUMBER.to_owned()),
        Piece::Expr(expr) if expr.is_drawn() || names_own(expr, varying.known) => {
            varying.drawn.push(expr.clone());
            Piece::Literal(drawn_mark(varying.drawn.len() - 1))
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, source::Source};

    fn message(emit: &str, payload: &str) -> Message {
        prepared(&format!("emit = {emit}\npayload = {payload}"))
    }

    fn prepared(what: &str) -> Message {
        let text = format!(
            "name = \"x\"\n[actions]\n\"join(r)\" = {{ emit = [\"join\", \"${{r}}\"] }}\n\
             [rooms.a]\ncount = 1\njoin = [\"join\", \"${{room}}\"]\n[users.u]\ncount = 1\nin = {{ a = 1 }}\n\
             [traffic.t]\nfrom = \"u\"\nrate = \"1/s\"\n\
             {what}\ndelivers_to = {{ event = \"say\", rooms = [\"${{room}}\"] }}\n\
             [[phase]]\nname = \"p\"\nfor = \"1s\"\n\
             [vars]\nfloor = 7\nvip = true\nratio = 0.5\n[feeds.who]\nvalues = [\"a\\\"b\", 3]\n"
        );
        let loaded = scenario::load(Source { name: "t".to_owned(), text }, &[], None).unwrap();
        check(&loaded).unwrap();
        Message::new(&loaded, &loaded.scenario.traffic["t"]).unwrap()
    }

    fn filled(message: &Message, random: u64) -> Args {
        let scope = message.known.as_ref().map(|known| Scope { random, ..known.clone() });
        message.fill("a-0", "a-1", 7, Stamp { run: 1, emission: 2 }, scope).unwrap()
    }

    fn rendered(payload: &str) -> Args {
        filled(&message(r#"["say", { to = "${room}", n = "no. ${seq}" }, "${payload}"]"#, payload), 0)
    }

    #[test]
    fn a_lone_expression_has_its_own_type() {
        let emit = r#"["say", "${floor}", "${vip}", "${ratio}", "${seq}", "f${floor}", "${payload}"]"#;
        let message = message(emit, "{ size = \"24B\" }");
        assert!(message.known.is_none(), "nothing is drawn, so nothing is evaluated");
        let payload = Stamp { run: 1, emission: 2 }.payload(24);
        assert_eq!(filled(&message, 0).json(), format!(r#"["say",7,true,0.5,7,"f7","{payload}"]"#));
    }

    #[test]
    fn what_is_drawn_is_drawn_for_each_message() {
        let emit =
            r#"["say", "${int 1..1000}", { id = "${uuid}", who = "${pick who}" }, "x${int 1..1000}", "${payload}"]"#;
        let message = message(emit, "{ size = \"24B\" }");
        let values = |random| filled(&message, random).to_values().unwrap();
        assert_eq!(values(1), values(1), "the seed decides");
        let (one, other) = (values(1), values(2));
        for index in [1, 2, 3] {
            assert_ne!(one[index], other[index]);
        }
        assert!(matches!(one[1], Value::Number(_)) && one[3].as_str().is_some_and(|text| text.starts_with('x')));
        assert!((0..20).all(|random| values(random)[2].get("who").is_some()), "quotes are escaped");
    }

    /// What a login has saved may be anything.
    #[test]
    fn what_cannot_be_rendered_is_not_sent_as_nothing() {
        let text = "name = \"x\"\n[users.u]\ncount = 1\nenter = [{ http = { get = \"/\" }, save = { level = \"$.l\" } }]\n\
                    [traffic.t]\nfrom = \"u\"\nrate = \"1/s\"\nemit = [\"say\", \"${level + 1}\", \"${payload}\"]\n\
                    ack = true\n[[phase]]\nname = \"p\"\nfor = \"1s\"\n";
        let loaded = scenario::load(Source { name: "t".to_owned(), text: text.to_owned() }, &[], None).unwrap();
        let message = Message::new(&loaded, &loaded.scenario.traffic["t"]).unwrap();
        let filled = |level: Value| {
            let mut scope = message.known.clone().unwrap();
            scope.vars.insert("level".to_owned(), level);
            message.fill("", "", 0, Stamp { run: 1, emission: 2 }, Some(scope)).map(|args| args.json().to_owned())
        };
        assert!(filled(Value::Number(6.into())).unwrap().starts_with(r#"["say",7,"#));
        assert!(filled(Value::from("six")).unwrap_err().contains("no number to calculate with"));
    }

    #[test]
    fn holes_are_filled() {
        let args = rendered("{ size = \"24B\" }");
        let payload = Stamp { run: 1, emission: 2 }.payload(24);
        assert_eq!(args.json(), format!(r#"["say",{{"to":"a-0","n":"no. 7"}},"{payload}"]"#));
    }

    #[test]
    fn a_binary_payload_is_an_attachment() {
        let args = rendered("{ size = \"24B\", binary = true }");
        assert_eq!(args.json(), r#"["say",{"to":"a-0","n":"no. 7"},{"_placeholder":true,"num":0}]"#);
        assert_eq!(args.attachments(), [Stamp { run: 1, emission: 2 }.payload(24).as_bytes()]);
    }

    #[test]
    fn tokens_are_texts_and_numbers() {
        let emit = r#"["say", { id = "${token int}", key = "${token}", both = "${token}/${token int}" }]"#;
        let args = filled(&prepared(&format!("emit = {emit}\nidentify = \"$.id\"")), 0);
        let stamp = Stamp { run: 1, emission: 2 };
        let (text, number) = (stamp.token(), stamp.number());
        assert_eq!(args.json(), format!(r#"["say",{{"id":{number},"key":"{text}","both":"{text}/{number}"}}]"#));
        assert!(args.attachments().is_empty());
    }
}

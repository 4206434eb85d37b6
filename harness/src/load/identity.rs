//! What identifies a message where it arrives: the event's name, its namespace, its arguments if the scenario says them, and
//! a stamp in its payload or a token in a field of its own.
//!
//! For each delivery that is a comparison of bytes: the array's beginning with `["name"`, and the payload with what was
//! sent. Only what differs is looked at more closely, and only traffics with `identify` or `args` have their JSON parsed.

use std::collections::HashSet;

use serde_json::Value as Json;
use serde_json_path::JsonPath;
use sio_protocol::{Incoming, Value};

use super::join::number_of;
use super::json_text::{first_item, strings, without_halves};
use super::plan::Plan;
use super::schedule::Emission;
use crate::scenario::Loaded;
use crate::scenario::model::{EventName, OF_ROOM, Traffic};
use crate::scenario::template::{AnyOf, Expr, Piece, Scope, TOKEN, Template};
use crate::vocab::stamp::{Found, Stamp, Trace, trace};

/// How the messages of a run are recognised.
pub(super) struct Identities {
    run: u32,
    /// By traffic.
    owed: Vec<Owed>,
    /// Whether any of them is recognised by a token.
    has_tokens: bool,
}

/// What copies of one traffic's messages look like.
struct Owed {
    namespace: String,
    /// Nothing is owed under any name if there is none.
    event: Option<Event>,
    /// Where its token is; otherwise its payload has a stamp.
    token: Option<JsonPath>,
    payload_size: usize,
}

struct Event {
    name: EventName,
    /// `["name"`: how almost every writer of JSON begins, if the name is the same for all.
    beginning: Option<String>,
    args: Option<Arguments>,
}

/// What its first arguments must be.
struct Arguments {
    patterns: Vec<Template>,
    known: Known,
}

/// What a pattern may name.
pub(super) struct Known(Scope);

impl Known {
    pub(super) fn new(loaded: &Loaded) -> Self {
        Self(loaded.scope())
    }

    /// With what a message says of itself.
    pub(super) fn of_message(&self, plan: &Plan, emission: &Emission) -> Scope {
        let mut scope = self.0.clone();
        let mut known = |name: &str, value: Value| _ = scope.vars.insert(name.to_owned(), value);
        known("seq", Value::Number(emission.seq.into()));
        if let Some(room) = emission.room().map(|room| &plan.rooms[room as usize]) {
            known("room", Value::from(room.name.as_str()));
            known("room.number", number_of(&room.name));
            let next = plan.rooms[room.next as usize].name.as_str();
            known("room.next", Value::from(next));
            known("room.next.number", number_of(next));
        }
        scope
    }
}

/// What an event is of which no stamp or token can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// Nothing that anybody is owed.
    Other,
    /// It has the name of this traffic's messages, and it is none of them as far as can be known.
    Unidentified(usize),
    /// What it carries is left of a payload of this traffic.
    Spoilt(usize),
}

/// Which message an event carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) run: u32,
    pub(super) emission: u32,
    /// Where its stamp is, if it has one that can be read.
    stamp: Option<At>,
    /// Its stamp could be read only because that was done leniently.
    spoilt: bool,
    /// The event carries others, too: [`Identities::all`].
    pub(super) among_others: bool,
}

impl Reading {
    fn of(message: Stamp, stamp: Option<At>) -> Self {
        Self { run: message.run, emission: message.emission, stamp, spoilt: false, among_others: false }
    }

    /// The attachment that has its stamp, if one has.
    pub(super) fn attachment(&self) -> Option<usize> {
        self.stamp.and_then(|at| at.attachment)
    }
}

/// Where a stamp is: in the JSON text, or in an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At {
    attachment: Option<usize>,
    found: Found,
}

/// How a copy fares against what is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is what was sent.
    Owed,
    /// It is, but for so many bytes from the start its payload is not.
    Altered { intact: usize },
    /// It has another name, or other arguments, or came in another namespace.
    Other,
}

impl Identities {
    pub(super) fn new(loaded: &Loaded, run: u32) -> Self {
        let owed: Vec<_> = loaded.scenario.traffic.values().map(|traffic| Owed::new(traffic, loaded)).collect();
        let has_tokens = owed.iter().any(|owed| owed.token.is_some());
        Self { run, owed, has_tokens }
    }

    /// Which message an event carries, of whatever run; `None` if that cannot be read.
    pub(super) fn read(&self, incoming: &Incoming) -> Option<Reading> {
        if self.has_tokens
            && let Some(copy) = self.token(incoming)
        {
            return Some(copy);
        }
        stamp(incoming)
    }

    /// As [`read`](Self::read), by the tokens of those traffics that have some.
    fn token(&self, incoming: &Incoming) -> Option<Reading> {
        let args: Vec<Json> = serde_json::from_str(&without_halves(incoming.args.json())).ok()?;
        self.owed.iter().find_map(|owed| {
            let path = owed.token.as_ref()?;
            let mut stamps =
                args.iter().skip(1).flat_map(|arg| path.query(arg)).filter_map(|value| self.message_of(value));
            let stamp = stamps.next()?;
            Some(Reading { among_others: stamps.any(|other| other != stamp), ..Reading::of(stamp, None) })
        })
    }

    /// Each message of which an event carries a stamp or a token, once; for one that carries several.
    pub(super) fn all(&self, incoming: &Incoming) -> Vec<Reading> {
        let args = self.has_tokens.then(|| serde_json::from_str(&without_halves(incoming.args.json())));
        let args: Vec<Json> = args.and_then(Result::ok).unwrap_or_default();
        let paths = self.owed.iter().filter_map(|owed| owed.token.as_ref());
        let tokens = paths.flat_map(|path| args.iter().skip(1).flat_map(|arg| path.query(arg)));
        let tokens = tokens.filter_map(|value| self.message_of(value)).map(|stamp| Reading::of(stamp, None));
        let mut seen = HashSet::new();
        let all = tokens.chain(stamps(incoming).into_iter().map(|at| Reading::of(at.found.stamp, Some(at))));
        all.filter(|copy| seen.insert((copy.run, copy.emission))).collect()
    }

    /// The message that a token names: a text, a number, or a number that has become a text.
    fn message_of(&self, value: &Json) -> Option<Stamp> {
        match value {
            Json::String(text) => Stamp::of_token(text).or_else(|| Stamp::of_number(text.parse().ok()?, self.run)),
            Json::Number(number) => {
                let whole = number.as_u64().or_else(|| {
                    let float = number.as_f64().filter(|float| float.fract() == 0.0 && (0.0..9e15).contains(float));
                    float.map(|float| float as u64)
                });
                Stamp::of_number(whole?, self.run)
            }
            _ => None,
        }
    }

    /// How a copy of a message fares; `traffic` is that of the message.
    pub(super) fn fit(&self, plan: &Plan, emission: &Emission, copy: &Reading, incoming: &Incoming) -> Fit {
        let owed = &self.owed[usize::from(emission.traffic)];
        let by_token = owed.token.is_some();
        if ((by_token == copy.stamp.is_some()) && !copy.spoilt) || !owed.fits(incoming, Some((plan, emission))) {
            return Fit::Other;
        }
        if by_token {
            return Fit::Owed;
        }
        let intact = if copy.spoilt { 0 } else { owed.intact(copy, incoming) };
        let whole = intact == owed.payload_size && !owed.goes_on(copy, incoming);
        if whole { Fit::Owed } else { Fit::Altered { intact } }
    }

    /// What an event is that carries neither stamp nor token.
    pub(super) fn unread(&self, incoming: &Incoming) -> Result<Reading, Unread> {
        let wanted = self.owed.iter().position(|owed| owed.fits(incoming, None));
        let Some(traffic) = wanted else { return Err(Unread::Other) };
        if self.owed[traffic].token.is_some() {
            return Err(Unread::Unidentified(traffic));
        }
        let texts = std::iter::once(incoming.args.json().as_bytes())
            .chain(incoming.args.attachments().iter().map(|bytes| &bytes[..]));
        let traces: Vec<Trace> = texts.filter_map(|text| trace(text, self.run)).collect();
        let message = traces.iter().find_map(|trace| match trace {
            Trace::Stamp(stamp) => Some(*stamp),
            Trace::Part => None,
        });
        match message {
            Some(stamp) => Ok(Reading { spoilt: true, ..Reading::of(stamp, None) }),
            None if traces.is_empty() => Err(Unread::Unidentified(traffic)),
            None => Err(Unread::Spoilt(traffic)),
        }
    }

    /// Under which name a copy came that is not owed, as it is counted.
    pub(super) fn name(&self, traffic: u16, incoming: &Incoming) -> String {
        let owed = &self.owed[usize::from(traffic)];
        let name = first_item(incoming.args.json());
        if *owed.namespace != *incoming.nsp {
            return format!("{name} in {}", &*incoming.nsp);
        }
        let is_its_name = owed.event.as_ref().is_some_and(|event| event.name.may_be(&name));
        if is_its_name { format!("{name} with other arguments") } else { name.into_owned() }
    }
}

impl Event {
    /// Whether an event has its name; of an unknown message, whether it could.
    fn has_name(&self, json: &str, message: Option<(&Plan, &Emission)>) -> bool {
        if let Some(beginning) = &self.beginning
            && json.starts_with(beginning)
        {
            return true;
        }
        let name = first_item(json);
        match message {
            Some((plan, emission)) => self.name.is(&name, plan.room_names(emission)),
            None => self.name.may_be(&name),
        }
    }
}

/// The first stamp in an event: in its JSON, or in what is attached.
fn stamp(incoming: &Incoming) -> Option<Reading> {
    let json = incoming.args.json();
    let in_json = Stamp::find(json.as_bytes()).map(|found| At { attachment: None, found });
    let at = in_json.or_else(|| {
        let mut attachments = incoming.args.attachments().iter().enumerate();
        attachments.find_map(|(index, bytes)| Some(At { attachment: Some(index), found: Stamp::find(bytes)? }))
    });
    // A writer may escape whatever it likes.
    let at = at.or_else(|| stamps(incoming).into_iter().next())?;
    Some(Reading { among_others: has_others(incoming, at), ..Reading::of(at.found.stamp, Some(at)) })
}

/// Whether an event carries stamps of other messages, too.
fn has_others(incoming: &Incoming, first: At) -> bool {
    let json = incoming.args.json().as_bytes();
    let is_other = |found: Found| found.stamp != first.found.stamp;
    let behind = if first.attachment.is_none() { json.get(first.found.at..).unwrap_or_default() } else { &[] };
    Stamp::find_all(behind).any(is_other)
        || incoming.args.attachments().iter().any(|bytes| Stamp::find_all(bytes).any(is_other))
        // Hardly any text has a backslash, and looking for one is nearly free.
        || memchr::memchr(b'\\', json).is_some()
            && incoming.args.json().contains("\\u")
            && stamps(incoming).into_iter().any(|at| is_other(at.found))
}

/// All stamps in an event: in its JSON, also where that is escaped, and in what is attached.
fn stamps(incoming: &Incoming) -> Vec<At> {
    let json = incoming.args.json();
    let in_json = |found| At { attachment: None, found };
    let mut all: Vec<At> = Stamp::find_all(json.as_bytes()).map(in_json).collect();
    if json.contains("\\u") {
        let escaped = strings(json).flat_map(|text| Stamp::find_all(text.as_bytes()).collect::<Vec<_>>());
        all.extend(escaped.map(in_json));
    }
    for (index, bytes) in incoming.args.attachments().iter().enumerate() {
        all.extend(Stamp::find_all(bytes).map(|found| At { attachment: Some(index), found }));
    }
    all
}

impl Owed {
    fn new(traffic: &Traffic, loaded: &Loaded) -> Self {
        let is_token = traffic.identify.is_some();
        let event = traffic.delivers_to.as_ref().map(|delivers_to| Event {
            beginning: (!delivers_to.event.says_room())
                .then(|| format!("[{}", Json::from(delivers_to.event.to_string().as_str()))),
            name: delivers_to.event.clone(),
            args: delivers_to.args.as_ref().map(|args| {
                let patterns = args.iter().map(|arg| without_identity(arg, is_token)).collect();
                Arguments { patterns, known: Known::new(loaded) }
            }),
        });
        Self {
            namespace: traffic.namespace.clone(),
            event,
            token: traffic.identify.clone(),
            payload_size: traffic.payload_size,
        }
    }

    /// Whether an event has the name, the namespace and the arguments; of an unknown message only those that all have.
    fn fits(&self, incoming: &Incoming, message: Option<(&Plan, &Emission)>) -> bool {
        let Some(event) = &self.event else { return false };
        let json = incoming.args.json();
        *self.namespace == *incoming.nsp
            && event.has_name(json, message)
            && event.args.as_ref().is_none_or(|args| args_fit(args, incoming, message))
    }

    /// Whether an attachment that begins with the payload has more than that.
    fn goes_on(&self, copy: &Reading, incoming: &Incoming) -> bool {
        let Some(At { attachment: Some(index), found }) = copy.stamp else { return false };
        let length = incoming.args.attachments().get(index).map_or(0, |bytes| bytes.len());
        found.at == 0 && length > self.payload_size
    }

    /// How many bytes of the payload are as they were sent, from the first on.
    fn intact(&self, copy: &Reading, incoming: &Incoming) -> usize {
        let Some(at) = copy.stamp else { return 0 };
        let json = incoming.args.json();
        let bytes = match at.attachment {
            Some(index) => incoming.args.attachments().get(index).map_or(&[][..], |bytes| &bytes[..]),
            None => json.as_bytes(),
        };
        let intact = at.found.intact(bytes, self.payload_size);
        if intact == self.payload_size || at.attachment.is_some() || !json.contains('\\') {
            return intact;
        }
        let decoded = strings(json).filter_map(|text| {
            let found = Stamp::find(text.as_bytes())?;
            Some(found.intact(text.as_bytes(), self.payload_size))
        });
        decoded.max().unwrap_or_default().max(intact)
    }
}

/// Whether the arguments match, whatever follows them.
fn args_fit(args: &Arguments, incoming: &Incoming, message: Option<(&Plan, &Emission)>) -> bool {
    let Ok(values) = incoming.args.to_values() else { return false };
    let Some(values) = values.get(1..=args.patterns.len()) else { return false };
    let mut scope = match message {
        Some((plan, emission)) => args.known.of_message(plan, emission),
        None => args.known.0.clone(),
    };
    args.patterns.iter().zip(values).all(|(pattern, value)| {
        let unknown = message.is_none() && says_message(pattern);
        unknown || scope.matches(pattern, value).is_ok()
    })
}

/// Whether a pattern is different from message to message.
fn says_message(pattern: &Template) -> bool {
    let mut says = false;
    pattern.visit(&mut |expr| says |= matches!(expr, Expr::Var(name) if OF_ROOM.contains(&&**name) || name == "seq"));
    says
}

/// The payload and the token have been found when a pattern is matched, and may be anything.
pub(super) fn without_identity(pattern: &Template, is_token: bool) -> Template {
    let each = |items: &[Template]| items.iter().map(|item| without_identity(item, is_token)).collect();
    match pattern {
        Template::Text(pieces) => Template::Text(pieces.iter().map(|piece| anything(piece, is_token)).collect()),
        Template::Array(items) => Template::Array(each(items)),
        Template::AnyOrder(items) => Template::AnyOrder(each(items)),
        Template::Contains(items) => Template::Contains(each(items)),
        Template::Table(fields, open) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), without_identity(value, is_token)));
            Template::Table(fields.collect(), *open)
        }
        Template::Bool(_) | Template::Int(_) | Template::Float(_) => pattern.clone(),
    }
}

fn anything(piece: &Piece, is_token: bool) -> Piece {
    match piece {
        Piece::Expr(Expr::Payload | Expr::TokenInt) => Piece::Expr(Expr::Any(AnyOf::Anything)),
        Piece::Expr(Expr::Var(name)) if is_token && name == TOKEN => Piece::Expr(Expr::Any(AnyOf::Anything)),
        Piece::Expr(Expr::Seq) => Piece::Expr(Expr::Var("seq".to_owned())),
        other => other.clone(),
    }
}

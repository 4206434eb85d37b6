//! The formats of `createShardedAdapter` and of `@socket.io/redis-streams-adapter`: objects `{type, data, uid, nsp}`.
//!
//! The first writes one as JSON, or as MessagePack if there are bytes in it. The second publishes what is fleeting as
//! MessagePack, and adds what is to stay to a stream, field by field.

use serde::Deserialize;
use serde_json::value::RawValue;
use sio_protocol::{Args, Value, readable_json};

use super::fields::{self, argument, first, integer, names, number, object, text};
use super::{Aim, Answer, Envelope, Incoming, Message, Reply, Telling};

pub(super) const BROADCAST: u64 = 3;
const JOIN: u64 = 4;
const LEAVE: u64 = 5;
const DISCONNECT: u64 = 6;
const FETCH: u64 = 7;
const SOCKETS: u64 = 8;
const SIDE: u64 = 9;
const SIDE_ANSWER: u64 = 10;
const COUNT: u64 = 11;
const ACK: u64 = 12;

/// A message or an answer as Node has it in memory, but for the event of a broadcast, which stays text where it can.
pub(super) struct Parts {
    pub(super) kind: u64,
    pub(super) data: Data,
}

pub(super) enum Data {
    Value(Value),
    /// Of a broadcast without bytes.
    Json(String),
}

// ---- writing

/// As the sharded adapter publishes it.
pub(crate) fn sharded(uid: &str, nsp: &str, message: &Incoming) -> Option<Vec<u8>> {
    let Parts { kind, data } = parts(message)?;
    Some(match data {
        Data::Json(data) => whole_json(uid, nsp, kind, &data).into_bytes(),
        Data::Value(data) if fields::has_binary(&data) => fields::packed(&whole(uid, nsp, kind, data)),
        Data::Value(data) => fields::json(whole(uid, nsp, kind, data)),
    })
}

/// As the streams adapter publishes what is fleeting.
pub(crate) fn fleeting(uid: &str, nsp: &str, message: &Incoming) -> Option<Vec<u8>> {
    let Parts { kind, data } = parts(message)?;
    let data = match data {
        Data::Value(data) => data,
        Data::Json(json) => serde_json::from_str(&readable_json(&json)).ok()?,
    };
    Some(fields::packed(&whole(uid, nsp, kind, data)))
}

fn whole(uid: &str, nsp: &str, kind: u64, data: Value) -> Value {
    object([("type", number(kind)), ("data", data), ("uid", Value::from(uid)), ("nsp", Value::from(nsp))])
}

fn whole_json(uid: &str, nsp: &str, kind: u64, data: &str) -> String {
    let (uid, nsp) = (quoted(uid), quoted(nsp));
    format!(r#"{{"type":{kind},"data":{data},"uid":{uid},"nsp":{nsp}}}"#)
}

fn quoted(text: &str) -> String {
    Value::from(text).to_json().0
}

pub(super) fn parts(message: &Incoming) -> Option<Parts> {
    match message {
        Incoming::Message(envelope) => message_parts(&envelope.message),
        Incoming::Answer(answer) => Some(answer_parts(answer)),
    }
}

fn message_parts(message: &Message) -> Option<Parts> {
    let id = |id: &str| ("requestId", Value::from(id));
    let opts = |aim: &Aim| ("opts", fields::opts_with_flags(aim, Value::Object(Vec::new())));
    let (kind, data) = match message {
        Message::Tell(telling) if telling.args.attachments().is_empty() => {
            return Some(Parts { kind: BROADCAST, data: Data::Json(telling_json(telling)) });
        }
        Message::Tell(telling) => (BROADCAST, object([packet_of(telling), opts_of(telling)])),
        Message::Ask(request, telling) => (BROADCAST, object([packet_of(telling), id(request), opts_of(telling)])),
        Message::Join(aim, rooms) => (JOIN, object([opts(aim), ("rooms", fields::rooms(rooms))])),
        Message::Leave(aim, rooms) => (LEAVE, object([opts(aim), ("rooms", fields::rooms(rooms))])),
        Message::Disconnect(aim, close) => (DISCONNECT, object([opts(aim), ("close", Value::Bool(*close))])),
        Message::Fetch(request, aim) => (FETCH, object([opts(aim), id(request)])),
        Message::Side(None, args) => (SIDE, object([("packet", fields::array(args))])),
        Message::Side(Some(request), args) => (SIDE, object([id(request), ("packet", fields::array(args))])),
        // Nobody asks for these here.
        Message::Rooms(_) | Message::Sockets(..) | Message::One(..) => return None,
    };
    Some(Parts { kind, data: Data::Value(data) })
}

fn packet_of(telling: &Telling) -> (&'static str, Value) {
    ("packet", object([("type", number(2)), ("data", fields::array(&telling.args))]))
}

fn opts_of(telling: &Telling) -> (&'static str, Value) {
    ("opts", fields::opts_with_flags(&telling.aim, fields::flags_of(telling)))
}

/// The event is copied as it is.
fn telling_json(telling: &Telling) -> String {
    let opts = opts_of(telling).1.to_json().0;
    format!(r#"{{"packet":{{"type":2,"data":{}}},"opts":{opts}}}"#, telling.args.json())
}

fn answer_parts(answer: &Answer) -> Parts {
    let id = ("requestId", Value::from(&*answer.id));
    let with = |kind: u64, name: &str, value: Option<Value>| {
        let Value::Object(mut fields) = object([id.clone()]) else { return (kind, Value::Null) };
        fields.extend(value.map(|value| (name.to_owned(), value)));
        (kind, Value::Object(fields))
    };
    let (kind, data) = match &answer.reply {
        Reply::Sockets(sockets) => with(SOCKETS, "sockets", Some(Value::Array(sockets.clone()))),
        Reply::Side(args) => with(SIDE_ANSWER, "packet", first(args)),
        Reply::Count(count) => with(COUNT, "clientCount", Some(number(*count as u64))),
        Reply::Ack(args) => with(ACK, "packet", first(args)),
        // Of requests that nobody makes here.
        Reply::Rooms(_) | Reply::Done => with(0, "", None),
    };
    Parts { kind, data: Data::Value(data) }
}

// ---- reading

/// Reads what was published: JSON, or MessagePack.
pub(crate) fn read(bytes: &[u8]) -> Option<Incoming> {
    if bytes.first() == Some(&b'{') {
        let text = std::str::from_utf8(bytes).ok()?;
        if let Some(told) = serde_json::from_str::<WholeJson<'_>>(text).ok().and_then(WholeJson::telling) {
            return Some(told);
        }
    }
    let value = fields::read(bytes)?;
    let data = value.get("data")?;
    read_data(integer(&value, "type")?, text(&value, "uid"), text(&value, "nsp"), data)
}

pub(super) fn read_data(kind: u64, uid: Option<String>, nsp: Option<String>, data: &Value) -> Option<Incoming> {
    let id = text(data, "requestId");
    if let Some(reply) = read_reply(kind, data) {
        return Some(Incoming::Answer(Answer { id: id?, reply }));
    }
    let opts = || data.get("opts").filter(|opts| matches!(opts, Value::Object(_)));
    let message = match kind {
        BROADCAST => {
            let telling = fields::telling(data.get("packet")?, opts()?)?;
            match id {
                Some(id) => Message::Ask(id, telling),
                None => Message::Tell(telling),
            }
        }
        JOIN => Message::Join(fields::aim(opts()?)?, names(data, "rooms")?),
        LEAVE => Message::Leave(fields::aim(opts()?)?, names(data, "rooms")?),
        DISCONNECT => Message::Disconnect(fields::aim(opts()?)?, fields::is_true(data, "close")),
        FETCH => Message::Fetch(id?, fields::aim(opts()?)?),
        SIDE => {
            let args = Args::from_values(fields::list(data, "packet")?);
            args.event_name()?;
            Message::Side(id, args)
        }
        // Heartbeats and farewells of adapters that count the nodes by them.
        _ => return None,
    };
    Some(Incoming::Message(Envelope { uid, nsp, message }))
}

fn read_reply(kind: u64, data: &Value) -> Option<Reply> {
    Some(match kind {
        SOCKETS => Reply::Sockets(fields::list(data, "sockets")?.to_vec()),
        SIDE_ANSWER => Reply::Side(argument(data, "packet")),
        COUNT => Reply::Count(usize::try_from(integer(data, "clientCount")?).ok()?),
        ACK => Reply::Ack(argument(data, "packet")),
        _ => return None,
    })
}

/// A broadcast in JSON, whose event is not looked at.
#[derive(Deserialize)]
struct WholeJson<'a> {
    r#type: u64,
    uid: Option<String>,
    nsp: Option<String>,
    #[serde(borrow)]
    data: DataJson<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DataJson<'a> {
    #[serde(borrow)]
    packet: PacketJson<'a>,
    opts: OptsJson,
    request_id: Option<String>,
}

#[derive(Deserialize)]
struct PacketJson<'a> {
    r#type: u64,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct OptsJson {
    rooms: Vec<String>,
    except: Vec<String>,
    #[serde(default)]
    flags: FlagsJson,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FlagsJson {
    volatile: Option<bool>,
    compress: Option<bool>,
}

impl WholeJson<'_> {
    /// `None` if it is anything else; then it is read the long way.
    fn telling(self) -> Option<Incoming> {
        let message = Message::Tell((self.r#type == BROADCAST).then(|| self.data.telling())??);
        Some(Incoming::Message(Envelope { uid: self.uid, nsp: self.nsp, message }))
    }
}

impl DataJson<'_> {
    pub(super) fn telling(self) -> Option<Telling> {
        let data = self.packet.data.get();
        if self.packet.r#type != 2 || self.request_id.is_some() || !data.starts_with('[') {
            return None;
        }
        let args = Args::from_json(data.to_owned(), Vec::new());
        args.event_name()?;
        let aim = Aim {
            rooms: self.opts.rooms.into_iter().map(Into::into).collect(),
            except: self.opts.except.into_iter().map(Into::into).collect(),
        };
        let flags = crate::Flags {
            volatile: self.opts.flags.volatile == Some(true),
            compress: self.opts.flags.compress != Some(false),
            local: false,
        };
        Some(Telling { aim, flags, timeout: None, args })
    }
}

//! The formats of `@socket.io/redis-adapter` 8 and `@socket.io/redis-emitter` 5.
//!
//! Broadcasts are a MessagePack array `[uid, packet, options]`; requests and responses are objects, in JSON or MessagePack.

use sio_protocol::packed::{self, Reader};
use sio_protocol::{Args, PacketError, Value};

use super::fields::{self, argument, first, integer, names, number, object, text};
use super::{Act, Aim, Answer, Envelope, Message, Reply, Telling};
use crate::Flags;
use crate::adapter::Room;

const SOCKETS: u64 = 0;
const ALL_ROOMS: u64 = 1;
const JOIN: u64 = 2;
const LEAVE: u64 = 3;
const DISCONNECT: u64 = 4;
const FETCH: u64 = 5;
const SIDE: u64 = 6;
const ASK: u64 = 7;
const COUNT: u64 = 8;
const ACK: u64 = 9;

/// A broadcast.
pub(crate) fn tell(uid: &str, nsp: &str, telling: &Telling) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + nsp.len() + telling.args.json().len());
    packed::write_array(&mut out, 3);
    packed::write_text(&mut out, uid);
    packed::write_map(&mut out, 3);
    packed::write_text(&mut out, "type");
    packed::write(&mut out, &number(2));
    packed::write_text(&mut out, "data");
    packed::write_args(&mut out, &telling.args);
    packed::write_text(&mut out, "nsp");
    packed::write_text(&mut out, nsp);
    packed::write_map(&mut out, 3);
    for (name, rooms) in [("rooms", &telling.aim.rooms), ("except", &telling.aim.except)] {
        packed::write_text(&mut out, name);
        packed::write_array(&mut out, rooms.len());
        rooms.iter().for_each(|room| packed::write_text(&mut out, room));
    }
    packed::write_text(&mut out, "flags");
    packed::write(&mut out, &fields::flags_of(telling));
    out
}

/// Reads a broadcast: who has sent it, and what it says, unless it is of another namespace. It is read in one pass, without a tree.
pub(crate) fn read_tell(bytes: &[u8], nsp: &str) -> Option<(String, Telling)> {
    let mut reader = Reader::new(bytes);
    if reader.array().ok()? < 3 {
        return None;
    }
    let uid = reader.text().ok()?.to_owned();
    let args = read_packet(&mut reader, nsp).ok()??;
    let (aim, flags) = read_opts(&mut reader).ok()?;
    args.event_name()?;
    Some((uid, Telling { aim, flags, timeout: None, args }))
}

/// The data of an event of this namespace. A packet without a namespace is of the main one.
fn read_packet(reader: &mut Reader<'_>, wanted: &str) -> Result<Option<Args>, PacketError> {
    let (mut args, mut kind, mut nsp) = (None, None, "/");
    for _ in 0..reader.map()? {
        match reader.text()? {
            "data" => args = Some(reader.args()?),
            "type" => kind = Some(reader.integer()?),
            "nsp" => nsp = reader.text()?,
            _ => reader.skip()?,
        }
    }
    Ok(args.filter(|args| kind == Some(2) && nsp == wanted && args.json().starts_with('[')))
}

fn read_opts(reader: &mut Reader<'_>) -> Result<(Aim, Flags), PacketError> {
    let (mut aim, mut flags) = (Aim::default(), Flags::default());
    for _ in 0..reader.map()? {
        match reader.text()? {
            "rooms" => aim.rooms = read_rooms(reader)?,
            "except" => aim.except = read_rooms(reader)?,
            "flags" => flags = fields::flags(&object([("flags", reader.value()?)])).0,
            _ => reader.skip()?,
        }
    }
    Ok((aim, flags))
}

fn read_rooms(reader: &mut Reader<'_>) -> Result<Vec<Room>, PacketError> {
    let mut rooms = Vec::new();
    for _ in 0..reader.array()? {
        match reader.value()? {
            Value::String(text) => rooms.push(text.into()),
            Value::Number(number) => rooms.push(number.to_string().into()),
            other => return Err(PacketError::MessagePack(format!("{other} instead of a room"))),
        }
    }
    Ok(rooms)
}

// ---- requests

type Field = (String, Value);

fn field(name: &str, value: Value) -> Field {
    (name.to_owned(), value)
}

fn kind(kind: u64) -> Field {
    field("type", number(kind))
}

fn id(id: &str) -> Field {
    field("requestId", Value::from(id))
}

/// A request; an emitter has no uid in those that want no answer.
pub(crate) fn request(uid: Option<&str>, nsp: &str, message: &Message) -> Vec<u8> {
    let mut all: Vec<_> = uid.map(|uid| field("uid", Value::from(uid))).into_iter().collect();
    match message {
        Message::Tell(telling) | Message::Ask(_, telling) => {
            if let Message::Ask(request, _) = message {
                all.push(id(request));
            }
            all.extend(question(nsp, telling));
            return fields::packed(&Value::Object(all));
        }
        Message::Join(aim, rooms) => {
            all.extend([kind(JOIN), field("opts", fields::opts(aim)), field("rooms", fields::rooms(rooms))]);
        }
        Message::Leave(aim, rooms) => {
            all.extend([kind(LEAVE), field("opts", fields::opts(aim)), field("rooms", fields::rooms(rooms))]);
        }
        Message::Disconnect(aim, close) => {
            all.extend([kind(DISCONNECT), field("opts", fields::opts(aim)), field("close", Value::Bool(*close))]);
        }
        Message::Fetch(request, aim) => all.extend([id(request), kind(FETCH), field("opts", fields::opts(aim))]),
        Message::Side(request, args) => {
            all.extend(request.as_deref().map(id));
            all.extend([kind(SIDE), field("data", fields::array(args))]);
        }
        Message::Rooms(request) => all.extend([id(request), kind(ALL_ROOMS)]),
        Message::Sockets(request, rooms) => {
            all.extend([id(request), kind(SOCKETS), field("rooms", fields::rooms(rooms))]);
        }
        Message::One(request, sid, act) => {
            all.extend(request.as_deref().map(id));
            all.push(field("sid", Value::from(&**sid)));
            all.extend(what_to_do(act));
        }
    }
    fields::json(Value::Object(all))
}

fn question(nsp: &str, telling: &Telling) -> [Field; 3] {
    let packet = object([("type", number(2)), ("data", fields::array(&telling.args)), ("nsp", Value::from(nsp))]);
    let opts = fields::opts_with_flags(&telling.aim, fields::flags_of(telling));
    [kind(ASK), field("packet", packet), field("opts", opts)]
}

fn what_to_do(act: &Act) -> [Field; 2] {
    match act {
        Act::Join(room) => [kind(JOIN), field("room", Value::from(&**room))],
        Act::Leave(room) => [kind(LEAVE), field("room", Value::from(&**room))],
        Act::Disconnect(close) => [kind(DISCONNECT), field("close", Value::Bool(*close))],
    }
}

/// Reads a request.
pub(crate) fn read_request(bytes: &[u8]) -> Option<Envelope> {
    let value = fields::read(bytes)?;
    let id = text(&value, "requestId");
    let opts = value.get("opts").filter(|opts| matches!(opts, Value::Object(_)));
    let message = match (integer(&value, "type")?, opts) {
        (SOCKETS, _) => Message::Sockets(id?, names(&value, "rooms")?),
        (ALL_ROOMS, _) => Message::Rooms(id?),
        (JOIN, Some(opts)) => Message::Join(fields::aim(opts)?, names(&value, "rooms")?),
        (LEAVE, Some(opts)) => Message::Leave(fields::aim(opts)?, names(&value, "rooms")?),
        (DISCONNECT, Some(opts)) => Message::Disconnect(fields::aim(opts)?, fields::is_true(&value, "close")),
        (FETCH, Some(opts)) => Message::Fetch(id?, fields::aim(opts)?),
        (SIDE, _) => {
            let args = Args::from_values(fields::list(&value, "data")?);
            args.event_name()?;
            Message::Side(id, args)
        }
        (ASK, Some(opts)) => Message::Ask(id?, fields::telling(value.get("packet")?, opts)?),
        (kind @ (JOIN | LEAVE | DISCONNECT), None) => {
            Message::One(id, fields::room(&value, "sid")?, act(kind, &value)?)
        }
        _ => return None,
    };
    let nsp = value.get("packet").and_then(|packet| text(packet, "nsp"));
    Some(Envelope { uid: text(&value, "uid"), nsp, message })
}

fn act(kind: u64, value: &Value) -> Option<Act> {
    Some(match kind {
        JOIN => Act::Join(fields::room(value, "room")?),
        LEAVE => Act::Leave(fields::room(value, "room")?),
        _ => Act::Disconnect(fields::is_true(value, "close")),
    })
}

// ---- responses

/// A response. Only that of a client is MessagePack, as Node has it.
pub(crate) fn response(answer: &Answer) -> Vec<u8> {
    let id = id(&answer.id);
    let mut all = Vec::new();
    match &answer.reply {
        Reply::Count(count) => all.extend([kind(COUNT), id, field("clientCount", number(*count as u64))]),
        Reply::Ack(args) => {
            all.extend([kind(ACK), id]);
            // `undefined` is left out of a map.
            all.extend(first(args).map(|value| field("packet", value)));
            return fields::packed(&Value::Object(all));
        }
        Reply::Sockets(sockets) => all.extend([id, field("sockets", Value::Array(sockets.clone()))]),
        Reply::Side(args) => {
            all.extend([kind(SIDE), id]);
            all.extend(first(args).map(|value| field("data", value)));
        }
        Reply::Rooms(rooms) => {
            all.extend([id, field("rooms", Value::Array(rooms.iter().map(|room| Value::from(&**room)).collect()))]);
        }
        Reply::Done => all.push(id),
    }
    fields::json(Value::Object(all))
}

/// Reads a response.
pub(crate) fn read_response(bytes: &[u8]) -> Option<Answer> {
    let value = fields::read(bytes)?;
    let id = text(&value, "requestId")?;
    let reply = match integer(&value, "type") {
        Some(COUNT) => Reply::Count(usize::try_from(integer(&value, "clientCount")?).ok()?),
        Some(ACK) => Reply::Ack(argument(&value, "packet")),
        Some(SIDE) => Reply::Side(argument(&value, "data")),
        _ => match (fields::list(&value, "sockets"), fields::list(&value, "rooms")) {
            (Some(sockets), _) => Reply::Sockets(sockets.to_vec()),
            (None, Some(_)) => Reply::Rooms(names(&value, "rooms")?.iter().map(ToString::to_string).collect()),
            (None, None) => Reply::Done,
        },
    };
    Some(Answer { id, reply })
}

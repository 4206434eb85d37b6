//! Values of JavaScript taken apart, and put together.

use std::time::Duration;

use sio_protocol::{Args, Bytes, Value, packed, readable_json};

use super::{Aim, Telling};
use crate::Flags;
use crate::adapter::Room;

pub(super) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

pub(super) fn number(number: u64) -> Value {
    Value::Number(number.into())
}

/// JSON if the first byte says so, else MessagePack.
pub(super) fn read(bytes: &[u8]) -> Option<Value> {
    if bytes.first() == Some(&b'{') {
        let text = std::str::from_utf8(bytes).ok()?;
        return serde_json::from_str(&readable_json(text)).ok();
    }
    packed::read(&Bytes::copy_from_slice(bytes)).ok()
}

/// As `JSON.stringify` writes it: bytes are what Node's `Buffer` says of itself.
pub(super) fn json(value: Value) -> Vec<u8> {
    plain(value).to_json().0.into_bytes()
}

pub(super) fn packed(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    packed::write(&mut out, value);
    out
}

fn plain(value: Value) -> Value {
    match value {
        Value::Binary(bytes) => object([
            ("type", Value::from("Buffer")),
            ("data", Value::Array(bytes.iter().map(|byte| number(u64::from(*byte))).collect())),
        ]),
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(key, value)| (key, plain(value))).collect()),
        other => other,
    }
}

pub(super) fn has_binary(value: &Value) -> bool {
    match value {
        Value::Binary(_) => true,
        Value::Array(items) => items.iter().any(has_binary),
        Value::Object(fields) => fields.iter().any(|(_, value)| has_binary(value)),
        _ => false,
    }
}

/// A string, or a number as one: Node has rooms of either kind.
fn name(value: &Value) -> Option<Room> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
}

pub(super) fn text(value: &Value, field: &str) -> Option<String> {
    value.get(field)?.as_str().map(str::to_owned)
}

pub(super) fn room(value: &Value, field: &str) -> Option<Room> {
    name(value.get(field)?)
}

pub(super) fn integer(value: &Value, field: &str) -> Option<u64> {
    match value.get(field)? {
        Value::Number(number) => number.as_u64(),
        _ => None,
    }
}

pub(super) fn is_true(value: &Value, field: &str) -> bool {
    matches!(value.get(field), Some(Value::Bool(true)))
}

/// A list of names; `None` if something else is there, and nothing if nothing is.
pub(super) fn names(value: &Value, field: &str) -> Option<Vec<Room>> {
    match value.get(field) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(name).collect(),
        Some(_) => None,
    }
}

pub(super) fn list<'a>(value: &'a Value, field: &str) -> Option<&'a [Value]> {
    match value.get(field)? {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

/// One argument, or none if it is missing.
pub(super) fn argument(value: &Value, field: &str) -> Args {
    Args::from_values(value.get(field).map(std::slice::from_ref).unwrap_or_default())
}

/// The first argument, and no other; `None` if there is none.
pub(super) fn first(args: &Args) -> Option<Value> {
    args.to_values().ok()?.into_iter().next()
}

pub(super) fn rooms(rooms: &[Room]) -> Value {
    Value::Array(rooms.iter().map(|room| Value::from(&**room)).collect())
}

pub(super) fn aim(opts: &Value) -> Option<Aim> {
    Some(Aim { rooms: names(opts, "rooms")?, except: names(opts, "except")? })
}

pub(super) fn opts(aim: &Aim) -> Value {
    object([("rooms", rooms(&aim.rooms)), ("except", rooms(&aim.except))])
}

pub(super) fn opts_with_flags(aim: &Aim, flags: Value) -> Value {
    object([("rooms", rooms(&aim.rooms)), ("except", rooms(&aim.except)), ("flags", flags)])
}

pub(super) fn flags_of(telling: &Telling) -> Value {
    let mut fields = Vec::new();
    let mut set = |name: &str, value| fields.push((name.to_owned(), value));
    if telling.flags.volatile {
        set("volatile", Value::Bool(true));
    }
    if !telling.flags.compress {
        set("compress", Value::Bool(false));
    }
    if let Some(timeout) = telling.timeout {
        set("timeout", number(timeout.as_millis() as u64));
    }
    Value::Object(fields)
}

pub(super) fn flags(opts: &Value) -> (Flags, Option<Duration>) {
    let Some(flags) = opts.get("flags") else { return (Flags::default(), None) };
    let compress = !matches!(flags.get("compress"), Some(Value::Bool(false)));
    let timeout = integer(flags, "timeout").map(Duration::from_millis);
    (Flags { volatile: is_true(flags, "volatile"), compress, local: false }, timeout)
}

/// What is asked of clients, out of its packet and options.
pub(super) fn telling(packet: &Value, opts: &Value) -> Option<Telling> {
    let args = Args::from_values(list(packet, "data")?);
    let (flags, timeout) = flags(opts);
    (is_event(packet) && args.event_name().is_some()).then_some(Telling { aim: aim(opts)?, flags, timeout, args })
}

/// Whether a packet is an event: the type that Node's nodes write, or that of one with attachments.
fn is_event(packet: &Value) -> bool {
    matches!(integer(packet, "type"), Some(2 | 5))
}

pub(super) fn array(args: &Args) -> Value {
    Value::Array(args.to_values().unwrap_or_default())
}

//! Entries of the stream of `@socket.io/redis-streams-adapter`, and the sessions that it keeps beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use sio_protocol::{Bytes, Value, packed, readable_json};

use super::message::{BROADCAST, Data, DataJson, Parts, parts, read_data};
use super::{Envelope, Incoming, Message, fields};
use crate::adapter::Room;

/// An entry: `data` is JSON, or base64 of MessagePack.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entry {
    pub(crate) uid: String,
    pub(crate) nsp: String,
    pub(crate) kind: String,
    pub(crate) data: String,
    /// Which one of this node's own it is. Others do not look at it.
    pub(crate) number: Option<u64>,
}

/// As the streams adapter adds what is to stay.
pub(crate) fn entry(uid: &str, nsp: &str, message: &Incoming) -> Option<Entry> {
    let Parts { kind, data } = parts(message)?;
    let data = match data {
        Data::Json(json) => json,
        Data::Value(data) if fields::has_binary(&data) => STANDARD.encode(fields::packed(&data)),
        Data::Value(data) => String::from_utf8(fields::json(data)).ok()?,
    };
    Some(Entry { uid: uid.to_owned(), nsp: nsp.to_owned(), kind: kind.to_string(), data, number: None })
}

/// Reads an entry.
pub(crate) fn read_entry(entry: &Entry) -> Option<Incoming> {
    let kind = entry.kind.parse().ok()?;
    let (uid, nsp) = (Some(entry.uid.clone()), Some(entry.nsp.clone()));
    if !entry.data.starts_with('{') {
        let bytes = Bytes::from(STANDARD.decode(&entry.data).ok()?);
        return read_data(kind, uid, nsp, &packed::read(&bytes).ok()?);
    }
    if kind == BROADCAST
        && let Some(telling) = serde_json::from_str::<DataJson<'_>>(&entry.data).ok().and_then(DataJson::telling)
    {
        return Some(Incoming::Message(Envelope { uid, nsp, message: Message::Tell(telling) }));
    }
    let data: Value = serde_json::from_str(&readable_json(&entry.data)).ok()?;
    read_data(kind, uid, nsp, &data)
}

/// A session whose client may come back, on whichever node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Session {
    /// The namespace that it is of. Nodes of Node keep sessions without it.
    pub(crate) nsp: Option<String>,
    pub(crate) sid: Room,
    pub(crate) pid: String,
    pub(crate) rooms: Vec<Room>,
    pub(crate) data: Json,
}

impl Session {
    pub(crate) fn write(&self) -> String {
        // A value of JSON is one of this kind as well.
        let data = serde_json::from_str(&self.data.to_string()).unwrap_or(Value::Null);
        // A further field is nothing to nodes of Node.
        let nsp = self.nsp.as_deref().map_or(Value::Null, Value::from);
        STANDARD.encode(fields::packed(&fields::object([
            ("nsp", nsp),
            ("sid", Value::from(&*self.sid)),
            ("pid", Value::from(&*self.pid)),
            ("rooms", fields::rooms(&self.rooms)),
            ("data", data),
        ])))
    }

    /// Whether it may be one of this namespace.
    pub(crate) fn is_of(&self, nsp: &str) -> bool {
        self.nsp.as_deref().is_none_or(|own| own == nsp)
    }

    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let value = packed::read(&Bytes::from(STANDARD.decode(text).ok()?)).ok()?;
        let data = value.get("data").map(|data| data.to_json().0);
        Some(Self {
            nsp: fields::text(&value, "nsp"),
            sid: fields::room(&value, "sid")?,
            pid: fields::text(&value, "pid")?,
            rooms: fields::names(&value, "rooms")?,
            data: data.and_then(|data| serde_json::from_str(&data).ok()).unwrap_or_default(),
        })
    }
}

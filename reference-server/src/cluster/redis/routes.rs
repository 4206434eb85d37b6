//! What Redis is to bring, and for whom.

use std::collections::HashMap;

use sio_protocol::Bytes;
#[cfg(feature = "faults")]
use sio_protocol::Value;

use crate::adapter::Adapter as _;
use crate::cluster::requests::WeakMember;
use crate::cluster::wire::{Incoming, Message, classic, message};
use crate::cluster::{Member, wire::Envelope};

/// How something is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Way {
    Channel,
    Pattern,
    Shard,
}

impl Way {
    pub(super) fn command(self, wanted: bool) -> &'static str {
        match (self, wanted) {
            (Self::Channel, true) => "SUBSCRIBE",
            (Self::Channel, false) => "UNSUBSCRIBE",
            (Self::Pattern, true) => "PSUBSCRIBE",
            (Self::Pattern, false) => "PUNSUBSCRIBE",
            (Self::Shard, true) => "SSUBSCRIBE",
            (Self::Shard, false) => "SUNSUBSCRIBE",
        }
    }
}

/// A channel, or a pattern of channels.
pub(super) type Key = (Way, String);

/// What comes on a channel.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Broadcasts of the classic adapter; behind this prefix stands the room, if there is one.
    Tells(String),
    /// Requests of the classic adapter.
    Requests,
    /// Responses of the classic adapter.
    Responses,
    /// Messages of the other adapters.
    Messages,
}

/// Who is told.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) member: WeakMember,
    pub(super) content: Content,
}

#[derive(Default)]
pub(super) struct Routes {
    /// A channel may be that of two namespaces: room `b#c` of `/a`, and room `c` of `/a#b`.
    all: HashMap<Key, Vec<Route>>,
    /// Counted up with each change.
    version: u64,
}

impl Routes {
    /// Tells a member what comes there, once.
    pub(super) fn add(&mut self, key: Key, route: Route) {
        let routes = self.all.entry(key).or_default();
        if !routes.iter().any(|known| known.is_to(route.member.as_ptr())) {
            routes.push(route);
        }
        self.version += 1;
    }

    /// Tells a member no longer, of one channel or of all.
    pub(super) fn remove(&mut self, member: *const Member, channel: Option<&str>) {
        self.all.retain(|key, routes| {
            if channel.is_none_or(|channel| key.1 == channel) {
                routes.retain(|route| !route.is_to(member));
            }
            !routes.is_empty()
        });
        self.version += 1;
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.all.keys()
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.all.contains_key(key)
    }

    /// Who is told what comes there.
    pub(super) fn of(&self, key: &Key) -> Vec<Route> {
        self.all.get(key).cloned().unwrap_or_default()
    }
}

/// What became of something that came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Taken,
    /// It is for others, or what it was for is gone.
    Ignored,
    /// It cannot be read.
    Garbage,
}

impl Route {
    fn is_to(&self, member: *const Member) -> bool {
        std::ptr::eq(self.member.as_ptr(), member)
    }

    /// Hands over what came.
    pub(super) fn take(&self, channel: &[u8], payload: &[u8]) -> Outcome {
        let Some(member) = self.member.upgrade() else { return Outcome::Ignored };
        let incoming = match &self.content {
            Content::Tells(prefix) => match tell(&member, prefix, channel, payload) {
                Ok(told) => Some(told),
                Err(outcome) => return outcome,
            },
            Content::Requests => classic::read_request(payload).map(Incoming::Message),
            Content::Responses => classic::read_response(payload).map(Incoming::Answer),
            Content::Messages => message::read(payload),
        };
        let Some(incoming) = incoming else { return Outcome::Garbage };
        member.receive(incoming);
        Outcome::Taken
    }
}

/// A broadcast for everybody, or for a room that is here; any other room is not looked into (RW-02).
fn tell(member: &Member, prefix: &str, channel: &[u8], payload: &[u8]) -> Result<Incoming, Outcome> {
    #[cfg(feature = "faults")]
    let prefix = if member.takes_namesakes() { prefix.trim_end_matches('#') } else { prefix };
    let room = channel.strip_prefix(prefix.as_bytes()).ok_or(Outcome::Ignored)?;
    #[cfg(feature = "faults")]
    let room = if member.takes_namesakes() {
        &room[room.iter().position(|sign| *sign == b'#').map_or(0, |at| at + 1)..]
    } else {
        room
    };
    let room = room.strip_suffix(b"#").unwrap_or_default();
    let room = std::str::from_utf8(room).map_err(|_| Outcome::Garbage)?;
    if !room.is_empty() && !member.has_room(room) {
        return Err(Outcome::Ignored);
    }
    #[cfg(feature = "faults")]
    if let Some(incoming) = namesake(member, payload) {
        return Ok(incoming);
    }
    match classic::read_tell(payload, member.nsp()) {
        Some((uid, telling)) => {
            Ok(Incoming::Message(Envelope { uid: Some(uid), nsp: None, message: Message::Tell(telling) }))
        }
        // What is of another namespace is no garbage, but is read no further either.
        None => Err(if sio_protocol::packed::read(&Bytes::copy_from_slice(payload)).is_ok() {
            Outcome::Ignored
        } else {
            Outcome::Garbage
        }),
    }
}

/// A broadcast of whichever namespace.
#[cfg(feature = "faults")]
fn namesake(member: &Member, payload: &[u8]) -> Option<Incoming> {
    let Value::Array(parts) = sio_protocol::packed::read(&Bytes::copy_from_slice(payload)).ok()? else { return None };
    let nsp = parts.get(1)?.get("nsp")?.as_str()?;
    let (uid, telling) = member.takes_namesakes().then(|| classic::read_tell(payload, nsp))??;
    Some(Incoming::Message(Envelope { uid: Some(uid), nsp: None, message: Message::Tell(telling) }))
}

/// A pattern that matches this text and whatever follows it.
pub(super) fn pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 1);
    for sign in text.chars() {
        if matches!(sign, '*' | '?' | '[' | ']' | '^' | '\\') {
            pattern.push('\\');
        }
        pattern.push(sign);
    }
    pattern.push('*');
    pattern
}

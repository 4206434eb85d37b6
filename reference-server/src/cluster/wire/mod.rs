//! What the nodes of a cluster tell each other, apart from how it is written: `classic` is what `@socket.io/redis-adapter`
//! writes, `message` what its sharded variant and `@socket.io/redis-streams-adapter` do.
//!
//! Nothing of it is signed, and anybody who reaches the broker can write: what cannot be read is `None`, and ignored.

pub(crate) mod classic;
pub(crate) mod entry;
mod fields;
pub(crate) mod message;
#[cfg(test)]
mod tests;

use std::time::Duration;

use sio_protocol::{Args, Value};

use crate::Flags;
use crate::adapter::{Room, Selection};

/// Whom something addresses: everybody without rooms, else the members of one of them; but nobody of the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Aim {
    pub(crate) rooms: Vec<Room>,
    pub(crate) except: Vec<Room>,
}

impl Aim {
    /// What the selection means on other nodes: a socket is the room of its name there.
    pub(crate) fn of(selection: &Selection) -> Self {
        let mut rooms = selection.rooms.clone();
        rooms.extend(selection.only.clone());
        let mut except = selection.except.clone();
        except.extend(selection.except_sid.clone());
        dedup(&mut rooms);
        dedup(&mut except);
        Self { rooms, except }
    }

    pub(crate) fn selection(self) -> Selection {
        Selection { rooms: self.rooms, except: self.except, ..Selection::default() }
    }
}

/// Takes out what was there before: the lists are sets in Node.
fn dedup(rooms: &mut Vec<Room>) {
    if rooms.len() > 1 {
        let mut seen = std::collections::HashSet::new();
        rooms.retain(|room| seen.insert(room.clone()));
    }
}

/// An event for clients.
#[derive(Clone, Debug)]
pub(crate) struct Telling {
    pub(crate) aim: Aim,
    pub(crate) flags: Flags,
    /// How long answers are waited for, if there are to be some.
    pub(crate) timeout: Option<Duration>,
    pub(crate) args: Args,
}

/// What one node tells, or asks, the others.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// An event for their clients.
    Tell(Telling),
    /// An event for their clients, whose answers are wanted.
    Ask(String, Telling),
    /// Their sockets of this aim join rooms.
    Join(Aim, Vec<Room>),
    /// Their sockets of this aim leave rooms.
    Leave(Aim, Vec<Room>),
    /// Their sockets of this aim are disconnected; `true` with their connections.
    Disconnect(Aim, bool),
    /// Which sockets they have.
    Fetch(String, Aim),
    /// An event for the nodes themselves, with an id if their answers are wanted.
    Side(Option<String>, Args),
    /// Which rooms they have.
    Rooms(String),
    /// The ids of the sockets in rooms.
    Sockets(String, Vec<Room>),
    /// Something for one socket, as older versions asked for it.
    One(Option<String>, Room, Act),
}

/// What is to be done with one socket.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    Join(Room),
    Leave(Room),
    Disconnect(bool),
}

/// A message and the node it is from; an emitter's may have none.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) uid: Option<String>,
    /// The namespace, where it is written.
    pub(crate) nsp: Option<String>,
    pub(crate) message: Message,
}

/// What one node answers another.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// So many of its clients were asked.
    Count(usize),
    /// One of its clients has answered: the first argument, or none.
    Ack(Args),
    /// Its sockets.
    Sockets(Vec<Value>),
    /// The node's own answer: one argument, or none.
    Side(Args),
    /// Its rooms.
    Rooms(Vec<String>),
    /// It is done.
    Done,
}

/// A reply to the request of that id.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) id: String,
    pub(crate) reply: Reply,
}

/// What comes from a broker.
#[derive(Clone, Debug)]
pub(crate) enum Incoming {
    Message(Envelope),
    Answer(Answer),
}

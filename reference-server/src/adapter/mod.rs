//! The seam for rooms, and for clusters: who is in which room, and who is selected by a broadcast.

mod budget;
mod memory;
mod recovery;
mod room_history;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use sio_protocol::{Args, ByteString, Frame, Frames, Packet, Parser};

pub(crate) use budget::{Budget, weight};
pub use memory::MemoryAdapter;
pub(crate) use memory::Shared;
#[cfg(feature = "faults")]
pub(crate) use room_history::RoomHistory;
#[cfg(not(feature = "faults"))]
use room_history::RoomHistory;

use crate::Socket;
use crate::broadcast::Flags;
use crate::cluster::Member;

/// A room's name. Each socket is in the room that is named like its id.
pub type Room = Arc<str>;

/// What a broadcast or utility method addresses.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The union of these rooms; none means every socket of the namespace.
    pub rooms: Vec<Room>,
    /// Without the members of these.
    pub except: Vec<Room>,
    /// Without this socket: the sender of `socket.to(…)`.
    pub except_sid: Option<Room>,
    /// This socket and no other, whatever its rooms: `socket.emit(…)`.
    pub only: Option<Room>,
}

impl Selection {
    /// Whether a socket with this id and these rooms is addressed.
    pub fn includes(&self, sid: &str, rooms: &[Room]) -> bool {
        if let Some(only) = &self.only {
            return **only == *sid;
        }
        let in_one_of = |list: &[Room]| list.iter().any(|room| rooms.contains(room));
        (self.rooms.is_empty() || in_one_of(&self.rooms))
            && !in_one_of(&self.except)
            && self.except_sid.as_deref() != Some(sid)
    }
}

/// An event on its way to the selected sockets.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The namespace.
    pub nsp: ByteString,
    /// The event's name and arguments.
    pub args: Args,
    /// How it is to be sent.
    pub flags: Flags,
    /// How it is to be written.
    pub parser: Parser,
}

impl Outgoing {
    /// The frames of the event, encoded once for all recipients.
    pub fn frames(&self) -> Frames {
        self.parser.encode(&Packet::event(self.nsp.clone(), self.args.clone()))
    }

    /// The frames with an offset behind the arguments, from which a client knows what it has seen last (CSR-02).
    pub fn frames_with_offset(&self, offset: &str) -> Frames {
        self.parser.encode(&Packet::event(self.nsp.clone(), self.args.with_last(offset)))
    }
}

/// What is restored when a client comes back.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The public id.
    pub sid: Room,
    /// The rooms, the own one among them.
    pub rooms: Vec<Room>,
    /// The application's own data.
    pub data: Json,
    pub(crate) stays: RoomHistory,
}

impl Kept {
    /// Of a socket that was in these rooms all the time.
    pub(crate) fn of(sid: Room, rooms: Vec<Room>, data: Json) -> Self {
        let mut stays = RoomHistory::default();
        rooms.iter().for_each(|room| stays.enter(room, 0));
        Self { sid, rooms, data, stays }
    }
}

/// A session that one connection has taken out of the adapter, to restore it or to give it back.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The private id.
    pub pid: String,
    /// What will be restored.
    pub kept: Kept,
    /// The first packet that was not looked at.
    position: u64,
    /// What concerned the client among those ahead of it.
    missed: Vec<Frames>,
    /// Bytes of that.
    cost: usize,
}

impl Claim {
    /// Bytes of what is known to be missed so far.
    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    /// What it has missed as well, ahead of what is here.
    pub(crate) fn add(&mut self, missed: Vec<Frames>) {
        self.cost += missed.iter().flatten().map(Frame::cost).sum::<usize>();
        self.missed.extend(missed);
    }

    /// The packets from its position on are looked at.
    fn look_at(&mut self, packets: &[Arc<recovery::Sent>]) {
        let missed = recovery::concerning(self, packets.iter());
        self.cost += missed.iter().flatten().map(Frame::cost).sum::<usize>();
        self.missed.extend(missed);
        self.position += packets.len() as u64;
    }
}

/// A change of the rooms (AE-01 to AE-06).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// The room has its first member.
    Create(Room),
    /// A socket joined a room: room, socket id.
    Join(Room, Room),
    /// A socket left a room: room, socket id.
    Leave(Room, Room),
    /// The room has lost its last member.
    Delete(Room),
}

/// Receives [`RoomEvent`]s in the order of the changes. It must not call the adapter.
pub type RoomObserver = Box<dyn Fn(&RoomEvent) + Send + Sync>;

/// Names and their members, sorted.
pub type Listing = BTreeMap<String, Vec<String>>;

/// The two maps of a namespace, rooms to sockets and sockets to rooms, and selection over them.
///
/// Every method takes effect before it returns. `broadcast` and `for_each` see one instant of the membership and
/// visit nobody twice.
pub trait Adapter: Send + Sync {
    /// Puts a socket into rooms; a socket that was removed by [`del_all`](Self::del_all) stays out (RM-15), and one whose
    /// connection holds too much is closed.
    fn add_all(&self, socket: &Socket, rooms: &[Room]);

    /// Takes a socket out of a room.
    fn del(&self, sid: &str, room: &str);

    /// Takes a socket out of everything, for good.
    fn del_all(&self, sid: &str);

    /// Queues an event on every selected socket.
    fn broadcast(&self, selection: &Selection, event: &Outgoing);

    /// As [`broadcast`](Self::broadcast), of an event that has its place in the order of a cluster, which its receivers may name
    /// when they come back; or of one that should have one, and does not.
    fn broadcast_at(&self, selection: &Selection, event: &Outgoing, _offset: Option<&str>) {
        self.broadcast(selection, event);
    }

    /// Visits the selected local sockets.
    fn for_each(&self, selection: &Selection, visit: &mut dyn FnMut(&Socket));

    /// The rooms of one socket.
    fn socket_rooms(&self, sid: &str) -> Vec<Room>;

    /// Whether somebody is in a room.
    fn has_room(&self, room: &str) -> bool {
        self.rooms().contains_key(room)
    }

    /// Every room with its members.
    fn rooms(&self) -> Listing;

    /// Every socket with its rooms.
    fn sids(&self) -> Listing;

    /// Watches the four room events.
    fn on_room_event(&self, observer: RoomObserver);

    /// The other nodes; `None` for an adapter that knows of none.
    fn cluster(&self) -> Option<&Member> {
        None
    }

    // ---- connection state recovery; an adapter without it keeps these

    /// [`del_all`](Self::del_all) for a socket that may come back.
    fn persist(&self, socket: &Socket) {
        self.del_all(socket.id());
    }

    /// Takes a kept session out, if it is there and everything behind `offset` still is; nobody else gets it
    /// meanwhile (CSR-09).
    fn claim(&self, _pid: &str, _offset: &str) -> Option<Claim> {
        None
    }

    /// Claims a session that another node has kept: from what is behind an offset that is known here, or else from now on.
    fn claim_from(&self, _pid: &str, _kept: Kept, _offset: Option<&str>) -> Option<Claim> {
        None
    }

    /// Looks at some of what a claimed session missed, so that [`restore`](Self::restore) has little left to do. False
    /// when there is nothing more to do ahead of that.
    fn catch_up(&self, _claim: &mut Claim) -> bool {
        false
    }

    /// Puts a socket back into its rooms and hands `accept` what it missed, in one instant: every packet is either
    /// among the missed ones or reaches the socket like any other. False when `accept` says so.
    fn restore(&self, _socket: &Socket, _claim: &Claim, _accept: &mut dyn FnMut(&[Frames]) -> bool) -> bool {
        false
    }

    /// Keeps a claimed session on, because its new connection was not let in.
    fn give_back(&self, _claim: &Claim) {}

    /// Lets go of a claimed session that will never be restored.
    fn let_go(&self, _claim: &Claim) {}
}

//! What a tester saw: the input of the [exact engine](crate::exact).
//!
//! A history is a list of [`Event`]s on one monotonic clock, in the order of their times. An operation is two
//! events: [`Event::Invoke`], stamped before the first byte is written, and [`Event::Complete`], stamped after
//! its answer was read. Somewhere between the two lies the instant at which it took effect on the server; an
//! operation without an answer may have taken effect, may yet, or never will.
//!
//! Names live in tables beside the events, so that an event is small and a history can be written to a file
//! and read back as it was.

use serde::{Deserialize, Serialize};

/// Nanoseconds on the tester's clock.
pub type Time = u64;

/// The time of what has not happened.
pub const NEVER: Time = Time::MAX;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The place in a table.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids! {
    /// A socket: one client's connection to one namespace, for as long as its id lives.
    SocketId(u32);
    /// A client; it may have several sockets, one after the other and one per namespace.
    ClientId(u32);
    /// A room, in whichever namespace.
    RoomId(u32);
    /// A namespace.
    NamespaceId(u32);
    /// An operation; an emission is named by the operation that made it.
    OperationId(u32);
    /// A server process.
    NodeId(u16);
    /// What registered a namespace: its name, a pattern, a function.
    HandlerId(u32);
}

/// A room as a target names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// A room with a name.
    Named(RoomId),
    /// The room that a socket is in from its CONNECT on, named like its id.
    Own(SocketId),
}

/// One message to a set of sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emission {
    /// Where it is sent; the default is the first namespace of the table.
    pub namespace: NamespaceId,
    /// Their union receives it; empty means everybody in the namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<Room>,
    /// Nobody in one of these receives it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Room>,
    /// Sent with `socket.to` or `socket.broadcast`: the sender does not receive it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub excludes_sender: bool,
    /// May be lost, and is not kept for recovery.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub volatile: bool,
    /// Asks every recipient for an acknowledgement; not kept for recovery either. Whoever asks waits, so it is done
    /// in a task of its own and A4 says nothing about what its connection does later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks: bool,
    /// For so long, at least, the server waits for the acknowledgements, counted from the moment at which it is asked;
    /// 0 if nobody knows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub patience: Time,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(time: &Time) -> bool {
    *time == 0
}

/// What a client asked the server to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "fields are named for what they hold")]
pub enum Action {
    /// Put a socket into rooms.
    Join { socket: SocketId, rooms: Vec<RoomId> },
    /// Take a socket out of a room.
    Leave { socket: SocketId, room: RoomId },
    /// Send a message.
    Emit(Emission),
    /// Close a socket on purpose, from either side.
    Disconnect { socket: SocketId },
    /// Anything that is answered on the asking socket's own connection.
    Fence,
    /// Ask which sockets are in a set of rooms; empty means in the namespace.
    Presence { namespace: NamespaceId, rooms: Vec<Room> },
}

/// What an answer said beyond that it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "fields are named for what they hold")]
pub enum Answer {
    /// Nothing more.
    Done,
    /// That it was not done, or failed on the way: nothing is owed for it, and what came of it may have.
    Refused,
    /// How many recipients of an [asking](Emission::asks) emission answered in time.
    Acknowledgements(u32),
    /// The time for acknowledgements was over; so many had come.
    TimedOut(u32),
    /// The sockets found, and how many ids belong to none that the tester knows.
    Present { sockets: Vec<SocketId>, strangers: u32 },
}

/// What happened to a room, as the server's adapter tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomChange {
    /// It has its first member.
    Created,
    /// A member more.
    Joined(SocketId),
    /// A member less.
    Left(SocketId),
    /// Its last member is gone.
    Deleted,
}

/// One thing seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "fields are named for what they hold")]
pub enum Event {
    /// A CONNECT is about to be written.
    Connect { socket: SocketId, client: ClientId, namespace: NamespaceId, node: NodeId },
    /// The CONNECT that answers it was read.
    Connected {
        socket: SocketId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sid: Option<String>,
        /// The id of the Engine.IO session below.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        /// What registered the namespace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        served_by: Option<HandlerId>,
    },
    /// An operation is about to be written; `by` is the socket it is written on, none for the server's own.
    Invoke {
        operation: OperationId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<SocketId>,
        action: Action,
    },
    /// Its answer was read.
    Complete { operation: OperationId, answer: Answer },
    /// A message was read; `intact` when its arguments are those that were sent.
    Receive { socket: SocketId, message: OperationId, intact: bool },
    /// The acknowledgement of a question is about to be written.
    Acknowledged { socket: SocketId, message: OperationId },
    /// The connection broke, or the tester broke it.
    Cut { socket: SocketId },
    /// The socket is back with its id: the server says that it recovered the session.
    Resumed { socket: SocketId },
    /// The socket's end was read or is otherwise certain.
    Gone { socket: SocketId },
    /// The server's adapter told of a room.
    Room { namespace: NamespaceId, room: RoomId, change: RoomChange },
}

/// An event and its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamped {
    /// When.
    pub at: Time,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// What the verdicts rest on, beyond one clock and an answer that follows the effect (A1 to A3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assumptions {
    /// A4: the events of one connection are handled one after another, in order.
    #[serde(default)]
    pub in_order_handlers: bool,
    /// The nodes' broker loses nothing; when false, what crosses nodes may be lost.
    #[serde(default = "yes")]
    pub reliable_broker: bool,
}

fn yes() -> bool {
    true
}

impl Default for Assumptions {
    fn default() -> Self {
        Self { in_order_handlers: false, reliable_broker: true }
    }
}

/// What registered namespaces, in the order of registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handler {
    /// What it is called: a path, a pattern.
    pub name: String,
    /// The namespaces of the history that it accepts.
    pub accepts: Vec<NamespaceId>,
}

/// Everything that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// What the verdicts rest on.
    #[serde(default)]
    pub assumptions: Assumptions,
    /// What things are called.
    #[serde(default)]
    pub names: Names,
    /// Static namespaces first, then patterns and functions as they were registered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handlers: Vec<Handler>,
    /// In the order of their times.
    pub events: Vec<Stamped>,
}

/// What things are called; an id without a name is called by its number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// By socket id.
    #[serde(default)]
    pub sockets: Vec<String>,
    /// By room id.
    #[serde(default)]
    pub rooms: Vec<String>,
    /// By namespace id: paths.
    #[serde(default)]
    pub namespaces: Vec<String>,
}

impl Names {
    /// The name of a socket.
    pub fn socket(&self, id: SocketId) -> String {
        self.sockets.get(id.index()).cloned().unwrap_or_else(|| format!("socket {}", id.0))
    }

    /// The name of a room as a target names it.
    pub fn room(&self, room: Room) -> String {
        match room {
            Room::Named(id) => self.rooms.get(id.index()).cloned().unwrap_or_else(|| format!("room {}", id.0)),
            Room::Own(socket) => format!("{}'s own room", self.socket(socket)),
        }
    }

    /// The path of a namespace.
    pub fn namespace(&self, id: NamespaceId) -> String {
        self.namespaces.get(id.index()).cloned().unwrap_or_else(|| format!("namespace {}", id.0))
    }
}

impl History {
    /// Adds what was seen at `at`; events come in the order of their times.
    pub fn push(&mut self, at: Time, event: Event) {
        debug_assert!(self.events.last().is_none_or(|last| last.at <= at), "events come in the order of time");
        self.events.push(Stamped { at, event });
    }
}

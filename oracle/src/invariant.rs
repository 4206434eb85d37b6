//! What must hold of every history.

use serde::{Deserialize, Serialize};

/// Where a requirement comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The Engine.IO or Socket.IO protocol.
    Protocol,
    /// The documentation of Socket.IO.
    Docs,
    /// What the reference implementation does; another answer may be as good.
    Reference,
}

macro_rules! invariants {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $word:literal, $origin:ident, $accuses:literal;)*) => {
        /// An invariant of Socket.IO's broadcast.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Invariant {
            $($(#[$doc])* #[serde(rename = $id)] $name,)*
        }

        impl Invariant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its short name, such as `I6`.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// Its name in words, such as `NO-LOSS`.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Where the requirement comes from.
            pub fn origin(self) -> Origin {
                match self { $(Self::$name => Origin::$origin,)* }
            }

            /// Whether breaking it fails a run; otherwise it is only reported.
            pub fn accuses(self) -> bool {
                match self { $(Self::$name => $accuses,)* }
            }
        }
    };
}

invariants! {
    /// No socket receives a message twice, however many of the targeted rooms it is in.
    UnionOnce = "I1", "UNION-ONCE", Docs, true;
    /// `socket.to` and `socket.broadcast` never reach their sender.
    SenderExcluded = "I2", "SENDER-EXCLUDED", Docs, true;
    /// Nobody outside the target receives a message: not before a join, not after a leave, not when excepted.
    NoPhantom = "I3", "NO-PHANTOM", Docs, true;
    /// A message stays in its namespace.
    Namespace = "I4", "NAMESPACE", Protocol, true;
    /// Who receives two messages, one of which was answered before the other was sent, receives them in that order.
    FifoRealTime = "I5", "FIFO-RT", Docs, true;
    /// Messages of one sender arrive in the order in which it sent them (needs A4).
    FifoSender = "I5b", "FIFO-SENDER", Docs, true;
    /// All receivers agree on the order of any two messages.
    TotalOrder = "I5c", "TOTAL", Reference, false;
    /// Whoever is in the target throughout an emission has it by the next fence; a broken connection loses only a tail.
    NoLoss = "I6", "NO-LOSS", Docs, true;
    /// One answer for each question, and for none that was not asked; a broadcast's count is that of its recipients.
    AckOnce = "I7", "ACK-ONCE", Protocol, true;
    /// The room named like a socket's id reaches that socket, from its CONNECT on.
    OwnRoom = "I8", "OWN-ROOM", Docs, true;
    /// A disconnected socket is in no room, and the next one of its client inherits none.
    LeaveOnDisconnect = "I9", "LEAVE-ON-DISCONNECT", Docs, true;
    /// A registered namespace comes before patterns, and patterns come in the order of their registration.
    DynamicPriority = "I10", "DYNAMIC-PRIORITY", Docs, true;
    /// A recovered socket has missed nothing and has nothing twice.
    Recovery = "I11", "RECOVERY", Docs, true;
    /// The first packet of a namespace is its CONNECT.
    ConnectFirst = "I12", "CONNECT-FIRST", Protocol, true;
    /// A volatile message arrives whole or not at all.
    Volatile = "I13", "VOLATILE", Docs, true;
    /// A room is created for its first member and deleted behind its last, once each.
    RoomLifecycle = "I14", "ROOM-LIFECYCLE", Docs, true;
    /// Arguments arrive as they were sent.
    Payload = "I15", "PAYLOAD", Protocol, true;
    /// One instant explains all recipients of a message.
    Snapshot = "I16", "SNAPSHOT", Reference, false;
    /// Whoever asks for the members of a room is told those that are in it, and no others.
    Presence = "I17", "PRESENCE", Docs, true;
    /// A socket's id is its own, and is not the id of the Engine.IO session.
    SocketIds = "I18", "SID", Reference, true;
}

impl std::fmt::Display for Invariant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.id(), self.word())
    }
}

//! What a program is.

use crate::scenario::model::Transport;

/// Clients, and what they do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Each client's transport.
    pub clients: Vec<Transport>,
    /// How many namespaces every client is in, 1 or 2.
    pub namespaces: u8,
    pub phases: Vec<Phase>,
}

/// Branches that run at the same time; every socket is fenced behind them.
pub type Phase = Vec<Branch>;

/// Steps one after the other: each waits for its answer.
pub type Branch = Vec<Step>;

/// A room, by number.
pub type Room = u8;

/// Something that a client does in one of its namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub client: u8,
    /// 0 or 1.
    pub namespace: u8,
    pub verb: Verb,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The client's own socket joins rooms.
    Join(Vec<Room>),
    /// It leaves one.
    Leave(Room),
    /// It has another client's socket put into a room, or taken out.
    Move { whom: u8, room: Room, into: bool },
    /// It sends a message.
    Emit(Emit),
    /// It asks who is in a room.
    Members(Room),
    /// It has another client's socket disconnected.
    Kick(u8),
    /// It leaves the namespace and joins it again; `refused`: it asks first in a way that the middleware refuses.
    Rejoin { refused: bool },
    /// Its connection is reset; so many milliseconds later it comes back and asks for its session, where there is
    /// recovery. A short outage ends while others go on.
    Cut { away: u8 },
    /// Nothing passes between it and the server for a while; what was held comes afterwards.
    Stall,
    /// The server's process is stopped for a while and goes on.
    Freeze,
    /// It closes its connection and opens another, over whichever transport.
    Reconnect(Transport),
}

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own, as in Socket.IO")]
pub struct Emit {
    /// With `socket.to`, so without the sender; otherwise with `io.to`.
    pub from_socket: bool,
    pub to: Vec<Target>,
    pub except: Vec<Target>,
    pub volatile: bool,
    /// Every recipient is asked for an answer.
    pub asks: bool,
    /// This client gives none, so that the time runs out.
    pub silent: Option<u8>,
    /// With two attachments.
    pub binary: bool,
}

/// A room, or the room of a client's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Room(Room),
    Own(u8),
}

impl Program {
    /// Every step, in the order of the text.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.phases.iter().flatten().flatten()
    }

    /// How long it is; what shrinking makes less.
    pub fn size(&self) -> usize {
        let steps: usize = self.steps().map(|step| 4 + step.verb.weight()).sum();
        let branches: usize = self.phases.iter().map(Vec::len).sum();
        let transports = self.clients.iter().filter(|transport| **transport != Transport::WebSocket).count();
        steps * 10 + branches + self.clients.len() + transports + usize::from(self.namespaces)
    }
}

impl Verb {
    fn weight(&self) -> usize {
        match self {
            Self::Join(rooms) => rooms.len(),
            Self::Emit(emit) => {
                let flags = [emit.volatile, emit.asks, emit.silent.is_some(), emit.binary]
                    .into_iter()
                    .filter(|flag| *flag)
                    .count();
                let targets = emit.to.iter().chain(&emit.except);
                let own = targets.clone().filter(|target| matches!(target, Target::Own(_))).count();
                targets.count() + own + flags
            }
            Self::Rejoin { refused: true } => 2,
            _ => 1,
        }
    }

    /// Its name, for statistics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Join(_) => "join",
            Self::Leave(_) => "leave",
            Self::Move { .. } => "move",
            Self::Emit(emit) if emit.asks => "ask",
            Self::Emit(emit) if emit.volatile => "volatile",
            Self::Emit(_) => "emit",
            Self::Members(_) => "members",
            Self::Kick(_) => "kick",
            Self::Rejoin { refused: false } => "rejoin",
            Self::Rejoin { refused: true } => "refused",
            Self::Cut { .. } => "cut",
            Self::Stall => "stall",
            Self::Freeze => "freeze",
            Self::Reconnect(_) => "reconnect",
        }
    }
}

//! `socket.volatile().emit(…)`, `socket.timeout(…).emit_with_ack(…)`: flags for one emit of a socket.

use std::time::Duration;

use sio_protocol::{Args, ArgsError, IntoArgs};

use crate::broadcast::{BroadcastOperator, Flags, IntoRooms};
use crate::event::AckError;
use crate::socket::Socket;

/// A socket and the flags of what it emits next. The flags go on to a broadcast that is made from it.
#[derive(Clone, Debug)]
#[must_use = "flags do nothing until something is emitted"]
pub struct Emitter {
    socket: Socket,
    flags: Flags,
    timeout: Option<Duration>,
}

impl Emitter {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket, flags: Flags::default(), timeout: None }
    }

    /// Packets that do not leave at once are dropped.
    pub fn volatile(mut self) -> Self {
        self.flags.volatile = true;
        self
    }

    /// Whether the answer of a polling client may be compressed when this event is in it (yes).
    pub fn compress(mut self, compress: bool) -> Self {
        self.flags.compress = compress;
        self
    }

    /// Addresses the clients of this node only.
    pub fn local(mut self) -> Self {
        self.flags.local = true;
        self
    }

    /// How long [`emit_with_ack`](Self::emit_with_ack) waits.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Emits to this client.
    pub fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), ArgsError> {
        self.socket.emit_flagged(self.flags, event, args)
    }

    /// Emits and waits for the client's answer: until the time is over, or for as long as it is connected.
    pub async fn emit_with_ack(&self, event: &str, args: impl IntoArgs) -> Result<Args, AckError> {
        self.socket.ask(self.flags, self.timeout, event, args).await
    }

    /// Selects everybody in the namespace but this socket.
    pub fn broadcast(&self) -> BroadcastOperator {
        self.socket.broadcast().with_flags(self.flags, self.timeout)
    }

    /// Selects rooms, without this socket.
    pub fn to(&self, rooms: impl IntoRooms) -> BroadcastOperator {
        self.broadcast().to(rooms)
    }

    /// Selects everybody but this socket and the members of rooms.
    pub fn except(&self, rooms: impl IntoRooms) -> BroadcastOperator {
        self.broadcast().except(rooms)
    }
}

//! `io.to("a").except("b").emit(…)`: a selection, flags, and what is done with it.

use std::time::Duration;

use sio_protocol::{Args, ArgsError, IntoArgs, Packet};
use tokio::sync::mpsc;

use crate::Socket;
use crate::adapter::{Room, Selection};
use crate::namespace::Namespace;

/// Selects sockets and addresses them. Immutable: each call returns a new operator, so one that is kept does
/// not collect rooms or flags (RM-20).
#[derive(Clone)]
#[must_use = "an operator does nothing until it emits"]
pub struct BroadcastOperator {
    namespaces: Vec<Namespace>,
    selection: Selection,
    volatile: bool,
    timeout: Option<Duration>,
}

/// The answers that came in time, when some did not.
#[derive(Clone, Debug, thiserror::Error)]
#[error("operation has timed out after {timeout:?}: {} of {expected} clients answered", .acks.len())]
pub struct PartialAcks {
    /// What came.
    pub acks: Vec<Args>,
    /// How many clients were asked.
    pub expected: usize,
    /// How long was waited.
    pub timeout: Duration,
}

/// What [`BroadcastOperator::timeout`] is when it is not called: broadcasts always need one.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

impl BroadcastOperator {
    pub(crate) fn new(namespaces: Vec<Namespace>, except_sid: Option<Room>) -> Self {
        let selection = Selection { except_sid, ..Selection::default() };
        Self { namespaces, selection, volatile: false, timeout: None }
    }

    /// Adds a room to the union.
    pub fn to(mut self, room: impl AsRef<str>) -> Self {
        self.selection.rooms.push(room.as_ref().into());
        self
    }

    /// The same as [`to`](Self::to) (RM-04).
    pub fn in_room(self, room: impl AsRef<str>) -> Self {
        self.to(room)
    }

    /// Excludes the members of a room, or one socket by its id.
    pub fn except(mut self, room: impl AsRef<str>) -> Self {
        self.selection.except.push(room.as_ref().into());
        self
    }

    /// Packets that do not leave at once are dropped.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Addresses this node only. There is only one so far.
    pub fn local(self) -> Self {
        self
    }

    /// Asks for compression. Nothing is compressed so far; permessage-deflate is off, as in Node.
    pub fn compress(self, _compress: bool) -> Self {
        self
    }

    /// How long [`emit_with_ack`](Self::emit_with_ack) waits (5 s).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Emits to every selected socket. When it returns, the packet is queued on each of their connections.
    ///
    /// Fails, with nothing sent, when the arguments cannot be serialized.
    pub fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), ArgsError> {
        let args = Args::event(event, args)?;
        for nsp in &self.namespaces {
            let frames = Packet::event(nsp.path(), args.clone()).encode();
            nsp.adapter().for_each(&self.selection, &mut |socket| {
                if self.volatile {
                    socket.send_volatile(&frames);
                } else {
                    socket.send(&frames);
                }
            });
        }
        Ok(())
    }

    /// Emits and collects one answer of each selected client.
    pub async fn emit_with_ack(&self, event: &str, args: impl IntoArgs) -> Result<Vec<Args>, PartialAcks> {
        let timeout = self.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut expected = 0;
        let mut asked = Vec::new();
        if let Ok(args) = Args::event(event, args) {
            for nsp in &self.namespaces {
                let id = nsp.next_ack_id();
                let frames = Packet { id: Some(id), ..Packet::event(nsp.path(), args.clone()) }.encode();
                nsp.adapter().for_each(&self.selection, &mut |socket| {
                    if socket.send_expecting(id, &frames, sender.clone()) {
                        expected += 1;
                        asked.push((socket.clone(), id));
                    }
                });
            }
        }
        drop(sender);
        let mut acks = Vec::with_capacity(expected);
        let all = async {
            while acks.len() < expected {
                let Some(ack) = receiver.recv().await else { std::future::pending().await };
                acks.push(ack);
            }
        };
        let in_time = tokio::time::timeout(timeout, all).await.is_ok();
        if in_time {
            return Ok(acks);
        }
        for (socket, id) in asked {
            socket.forget_ack(id);
        }
        Err(PartialAcks { acks, expected, timeout })
    }

    /// The selected sockets.
    pub fn fetch_sockets(&self) -> Vec<Socket> {
        let mut sockets = Vec::new();
        for nsp in &self.namespaces {
            nsp.adapter().for_each(&self.selection, &mut |socket| {
                if socket.connected() {
                    sockets.push(socket.clone());
                }
            });
        }
        sockets
    }

    /// Puts the selected sockets into a room.
    pub fn sockets_join(&self, room: impl AsRef<str>) {
        for socket in self.fetch_sockets() {
            socket.join(room.as_ref());
        }
    }

    /// Takes the selected sockets out of a room.
    pub fn sockets_leave(&self, room: impl AsRef<str>) {
        for socket in self.fetch_sockets() {
            socket.leave(room.as_ref());
        }
    }

    /// Disconnects the selected sockets; with `close`, their connections too.
    pub fn disconnect_sockets(&self, close: bool) {
        for socket in self.fetch_sockets() {
            socket.disconnect(close);
        }
    }
}

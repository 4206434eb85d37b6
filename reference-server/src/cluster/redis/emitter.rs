//! Emitting from a process that has no sockets of its own.

use std::sync::Arc;

use sio_protocol::{Args, ArgsError, IntoArgs};

use super::link::Tasks;
use super::{PREFIX, RedisError, RedisStats, client};
use crate::Flags;
use crate::adapter::Selection;
use crate::broadcast::IntoRooms;
use crate::cluster::wire::{Aim, Message, Telling, classic};
use crate::event::arguments;

/// What a message of an emitter is from: no node, so it is not counted as one (RW-08).
const UID: &str = "emitter";

/// Emits to the clients of a cluster whose nodes use [`Redis::connect`](super::Redis::connect) or `createAdapter` of
/// `@socket.io/redis-adapter`, from a process without sockets: `@socket.io/redis-emitter` in this language. Immutable, like
/// [`BroadcastOperator`](crate::BroadcastOperator): each call returns a new one.
///
/// ```no_run
/// use sio_reference_server::RedisEmitter;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let io = RedisEmitter::connect("redis://127.0.0.1:6379")?;
/// io.of("/orders").to("room1").emit("paid", (42,))?;
/// io.flush().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "an emitter does nothing until it emits"]
pub struct RedisEmitter {
    tasks: Arc<Tasks>,
    prefix: String,
    nsp: String,
    selection: Selection,
    flags: Flags,
}

impl RedisEmitter {
    /// Connects in the background, on the runtime that this is called on.
    pub fn connect(url: &str) -> Result<Self, RedisError> {
        let (client, runtime) = client(url)?;
        Ok(Self {
            tasks: Arc::new(Tasks::start(client, &runtime, false)),
            prefix: PREFIX.to_owned(),
            nsp: "/".to_owned(),
            selection: Selection::default(),
            flags: Flags::default(),
        })
    }

    /// What the names of all channels begin with (`socket.io`).
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Of another namespace, with nobody selected.
    pub fn of(&self, nsp: &str) -> Self {
        let nsp = if nsp.starts_with('/') { nsp.to_owned() } else { format!("/{nsp}") };
        Self { nsp, selection: Selection::default(), flags: Flags::default(), ..self.clone() }
    }

    /// Adds rooms to the union.
    pub fn to(&self, rooms: impl IntoRooms) -> Self {
        let mut emitter = self.clone();
        emitter.selection.rooms.extend(rooms.into_rooms());
        emitter
    }

    /// Excludes the members of rooms.
    pub fn except(&self, rooms: impl IntoRooms) -> Self {
        let mut emitter = self.clone();
        emitter.selection.except.extend(rooms.into_rooms());
        emitter
    }

    /// Packets that do not leave at once are dropped.
    pub fn volatile(&self) -> Self {
        Self { flags: Flags { volatile: true, ..self.flags }, ..self.clone() }
    }

    /// Whether the answer of a polling client may be compressed when this event is in it.
    pub fn compress(&self, compress: bool) -> Self {
        Self { flags: Flags { compress, ..self.flags }, ..self.clone() }
    }

    fn aim(&self) -> Aim {
        Aim::of(&self.selection)
    }

    fn publish(&self, channel: &str, body: &[u8]) {
        let mut command = redis::cmd("PUBLISH");
        command.arg(channel).arg(body);
        self.tasks.link.send(command, channel.len() + body.len());
    }

    fn request(&self, uid: Option<&str>, message: &Message) {
        let channel = format!("{}-request#{}#", self.prefix, self.nsp);
        self.publish(&channel, &classic::request(uid, &self.nsp, message));
    }

    /// Emits to the selected clients of all nodes. It is queued when this returns.
    pub fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), ArgsError> {
        let args = arguments(event, args)?;
        let telling = Telling { aim: self.aim(), flags: self.flags, timeout: None, args };
        let channel = match telling.aim.rooms.as_slice() {
            [room] => format!("{}#{}#{room}#", self.prefix, self.nsp),
            _ => format!("{}#{}#", self.prefix, self.nsp),
        };
        self.publish(&channel, &classic::tell(UID, &self.nsp, &telling));
        Ok(())
    }

    /// Puts the selected sockets into rooms.
    pub fn sockets_join(&self, rooms: impl IntoRooms) {
        self.request(None, &Message::Join(self.aim(), rooms.into_rooms()));
    }

    /// Takes the selected sockets out of rooms.
    pub fn sockets_leave(&self, rooms: impl IntoRooms) {
        self.request(None, &Message::Leave(self.aim(), rooms.into_rooms()));
    }

    /// Disconnects the selected sockets; with `close`, their connections too.
    pub fn disconnect_sockets(&self, close: bool) {
        self.request(None, &Message::Disconnect(self.aim(), close));
    }

    /// Sends an event to all nodes. There are no answers: an emitter hears nothing.
    pub fn server_side_emit(&self, event: &str, args: impl IntoArgs) -> Result<(), ArgsError> {
        let args: Args = arguments(event, args)?;
        self.request(Some(UID), &Message::Side(None, args));
        Ok(())
    }

    /// Ends when Redis has everything.
    pub async fn flush(&self) {
        self.tasks.link.written().await;
    }

    /// What did not reach the nodes.
    pub fn stats(&self) -> RedisStats {
        self.tasks.link.stats()
    }
}

impl std::fmt::Debug for RedisEmitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisEmitter").field("nsp", &self.nsp).finish_non_exhaustive()
    }
}

//! A Socket.IO server: small enough to read, strict where the specification is, and fast enough to be the
//! yardstick that others are held against. Names are those of Socket.IO's own server API.
//!
//! ```no_run
//! use sio_reference_server::{Options, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let io = Server::new(Options::default());
//! io.of("/orders").on_connection(|socket| {
//!     socket.on("join", |socket, event| {
//!         let room: String = event.args.get(0).unwrap_or_default();
//!         socket.join(&room);
//!         socket.to(&room).emit("joined", (socket.id(),)).ok();
//!         event.ack(());
//!     });
//! });
//! let listener = io.listen("127.0.0.1:3000").await?;
//! println!("LISTENING {}", listener.local_addr().port());
//! listener.run().await
//! # }
//! ```
//!
//! [`cheatsheet`] has every row of Socket.IO's emit cheatsheet, and its examples of rooms and namespaces, in this
//! library's words; `examples/chat` is an application. Which behaviours hold, and in what they differ from Node's, is
//! in `CATALOGUE.md`. [`Server::engine`] is Engine.IO without Socket.IO on top. An HTTP stack of one's own takes [`Server::service`] or [`Server::layer`].
//!
//! **Observably linearisable.** When `emit` returns, its packet is queued on every recipient's connection;
//! when `join` returns, it holds. Acknowledgements are written after the effect. Whoever has seen one can
//! rely on it.
//!
//! **Encode once.** A broadcast is encoded once and its bytes are shared by all recipients; what is queued
//! on one connection leaves in as few writes as the socket takes.
//!
//! **Bounded.** [`limits`] lists what a peer can make the server hold. A reader that cannot keep up is
//! disconnected with the reason `slow reader`; it is never silently thinned and never slows the others.

/// A named point: whether this server is to do something wrong here. Never, in a build without `faults`.
#[cfg(feature = "faults")]
macro_rules! fault {
    ($server:expr, $fault:ident) => {
        $server.options().faults.as_ref().is_some_and(|faults| faults.hits($crate::faults::Fault::$fault))
    };
}
#[cfg(not(feature = "faults"))]
macro_rules! fault {
    ($server:expr, $fault:ident) => {
        false
    };
}

pub mod adapter;
mod broadcast;
mod broadcast_methods;
pub mod cheatsheet;
pub mod cli;
mod cluster;
mod emitter;
mod engine;
mod event;
#[cfg(feature = "faults")]
pub mod faults;
pub mod fixture;
#[doc(hidden)]
pub mod fuzz;
pub mod limits;
mod listener;
mod lock;
mod namespace;
mod options;
mod patience;
mod request;
mod server;
mod service;
mod session;
mod socket;
pub mod tls;
mod transport;

pub use adapter::{Adapter, MemoryAdapter, Room, RoomEvent, Selection};
pub use broadcast::{BroadcastError, BroadcastOperator, Flags, IntoRooms, PartialAcks};
#[cfg(feature = "redis")]
pub use cluster::redis::{Redis, RedisEmitter, RedisError, RedisStats};
pub use cluster::{ClusterError, Member, RemoteSocket};
pub use emitter::Emitter;
pub use engine::{EngineApp, EngineSocket};
pub use event::{Ack, AckError, Event, ServerSideEvent};
pub use listener::Listener;
pub use namespace::{ConnectError, Namespace, ParentNamespace};
pub use options::{AdapterFactory, AllowRequest, Builder, Cookie, Cors, Options, Origin, Recovery, SameSite};
pub use regex_lite::Regex;
pub use server::Server;
pub use service::{RequestBody, SocketIoLayer, SocketIoService, WithSocketIo};
pub use sio_protocol::engine::Message;
pub use sio_protocol::server::{Reason, Transport};
pub use sio_protocol::{Args, ArgsError, Binary, IntoArgs, Parser, Value};
pub use socket::{Handshake, Socket};

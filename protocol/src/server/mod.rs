//! The server's end of one connection, without sockets.
//!
//! [`Connection`] is fed with what arrives (a payload, a WebSocket frame, a lost link, the passing of time)
//! and asked for what is to be sent and what happened. The adapter around it owns the sockets:
//!
//! - long-polling: [`Connection::poll_begin`] and [`Connection::poll_take`] for a GET,
//!   [`Connection::post_begin`] and [`Connection::post`] for a POST;
//! - WebSocket: [`Connection::ws_frame`] and [`Connection::ws_take`];
//! - the upgrade: [`Connection::probe_begin`], [`Connection::probe_frame`].
//!
//! Without Socket.IO on top, [`Connection::bare`] is the server's end of an Engine.IO session.
//!
//! One outbox serves whichever transport is active, so a packet queued while a WebSocket takes over is
//! neither lost nor doubled nor overtaken (EIO-UP-14).

mod connection;
mod session;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use connection::{Connection, Event};
pub use session::{Poll, PollError, Probe, ProbeError, Take};

use crate::Parser;
use crate::engine::Revision;

/// Options of the server that a connection obeys; the defaults are Socket.IO's.
#[derive(Clone, Debug)]
pub struct Config {
    /// Time between a pong and the next ping.
    pub ping_interval: Duration,
    /// Time for a pong.
    pub ping_timeout: Duration,
    /// Time from the opening of a probing WebSocket to its `5`.
    pub upgrade_timeout: Duration,
    /// Time to join a first namespace.
    pub connect_timeout: Duration,
    /// Bytes taken in one payload or message.
    pub max_payload: usize,
    /// Whether polling sessions are told that they may move to WebSocket.
    pub allow_upgrades: bool,
    /// Attachments of one packet.
    pub max_attachments: usize,
    /// Bytes queued for a peer that does not read; one more closes the connection, unless it belongs to a packet that is
    /// alone. A frame counts with what it takes in
    /// memory ([`Frame::cost`](crate::Frame::cost)), the answer of a GET until the next one.
    pub max_buffered: usize,
    /// Bytes that one connection may hold in all beside the message that is being read: the queue, a packet whose attachments are still coming, the names
    /// and auths of its namespaces, and what the application keeps for it. Beyond it the connection is closed. One attachment of `max_payload` is always taken.
    pub max_held: usize,
    /// Bytes of the name of a namespace or an event. A longer namespace is refused as an unknown one is, and a longer event
    /// closes the connection.
    pub max_name: usize,
    /// Namespaces one connection may be in at the same time.
    pub max_namespaces: usize,
    /// How Socket.IO packets are written.
    pub parser: Parser,
}

/// How a session begins.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// The id of the Engine.IO session.
    pub sid: &'a str,
    /// What carries the first request.
    pub transport: Transport,
    /// The revision the client speaks.
    pub revision: Revision,
    /// Whether a client of revision 3 takes bytes only as base64 (`b64` in its query).
    pub base64: bool,
}

impl<'a> Opening<'a> {
    /// A session of revision 4.
    pub fn new(sid: &'a str, transport: Transport) -> Self {
        Self { sid, transport, revision: Revision::V4, base64: false }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(45),
            max_payload: 1_000_000,
            allow_upgrades: true,
            max_attachments: 10,
            // With what a WebSocket has taken to write, 8 MiB.
            max_buffered: (8 * 1024 - 256) * 1024,
            max_held: 8 * 1024 * 1024,
            max_name: 1024,
            max_namespaces: 1_000,
            parser: Parser::Json,
        }
    }
}

/// What carries the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP long-polling.
    Polling,
    /// A WebSocket.
    WebSocket,
}

impl Transport {
    /// The name in the query string.
    pub fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

/// Why a connection or socket ended; the texts are Socket.IO's (SIO-DC-08).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The client closed the connection, or it was cut.
    TransportClose,
    /// The transport broke its own rules (two GETs at once, an oversized frame).
    TransportError,
    /// No pong in time.
    PingTimeout,
    /// Something that is no packet.
    ParseError,
    /// The peer broke the Socket.IO protocol, or the application closed the connection.
    ForcedServerClose,
    /// A Socket.IO packet that cannot be decoded.
    ForcedClose,
    /// The client left the namespace.
    ClientNamespaceDisconnect,
    /// The application disconnected the socket.
    ServerNamespaceDisconnect,
    /// The server stops.
    ServerShuttingDown,
    /// More was queued than `max_buffered`, or held than `max_held`. Not a reason of Node's, whose queue has no bound.
    SlowReader,
}

impl Reason {
    /// The text an application sees.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::ForcedServerClose => "forced server close",
            Self::ForcedClose => "forced close",
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::ServerNamespaceDisconnect => "server namespace disconnect",
            Self::ServerShuttingDown => "server shutting down",
            Self::SlowReader => "slow reader",
        }
    }

    /// Whether the session may be taken up again by connection state recovery: it ended by accident, not because
    /// one of the two ends wanted it to (CSR-07).
    pub fn is_recoverable(self) -> bool {
        match self {
            Self::TransportClose
            | Self::TransportError
            | Self::PingTimeout
            | Self::ForcedServerClose
            | Self::ForcedClose
            | Self::ServerShuttingDown
            | Self::SlowReader => true,
            Self::ParseError | Self::ClientNamespaceDisconnect | Self::ServerNamespaceDisconnect => false,
        }
    }
}

//! Below the protocol: HTTP and WebSocket frames as the bytes they are, for cases that look at what a client library
//! hides, or send what none would send.
//!
//! Each connection is a task that owns its socket; it takes commands and reports what arrived, with the time of
//! arrival. Nothing here retries, reorders or repairs.

pub(crate) mod close_code;
pub mod frame;
pub mod http1;
pub mod link;
pub mod polling;
pub mod websocket;

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

pub use http1::{Request, Response};
pub use link::{Link, LinkAction, Path};

/// What a raw connection reports.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrival {
    /// The WebSocket is open, or the polling session.
    Opened,
    /// The HTTP request for it was answered with something else.
    Refused {
        /// HTTP status.
        status: u16,
        /// What was said.
        body: String,
    },
    /// A text packet.
    Text(String),
    /// A binary packet; over polling, what stood behind `b` in base64.
    Binary(Bytes),
    /// The answer to a WebSocket ping.
    Pong(Bytes),
    /// Something that was dealt with here, for the transcript alone.
    Noted(String),
    /// There will be nothing more.
    Closed(Closed),
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Status of the WebSocket close frame, if there was one with a status.
    pub code: Option<u16>,
    /// What a person reads.
    pub why: String,
}

impl Closed {
    fn because(why: impl Into<String>) -> Self {
        Self { code: None, why: why.into() }
    }
}

/// Something to send.
#[derive(Clone, Debug, PartialEq)]
pub enum Outgoing {
    /// A text packet.
    Text(String),
    /// A binary packet.
    Binary(Bytes),
    /// A WebSocket frame with every bit under control.
    Frame(frame::Frame),
    /// Bytes of the TCP stream.
    Bytes(Bytes),
}

/// What a raw connection is told.
#[derive(Debug)]
pub enum Command {
    /// Packets that leave together: one segment on a WebSocket, one payload over polling.
    Send(Vec<Outgoing>),
    /// Stop reading, so that the peer meets a full socket; or go on.
    Read(bool),
    /// Go without a word: FIN, or RST.
    Drop {
        /// RST instead of FIN.
        reset: bool,
    },
}

/// The far end of a raw connection's task. Dropping it ends the task.
#[derive(Debug)]
pub struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    arrivals: mpsc::UnboundedReceiver<(Instant, Arrival)>,
}

impl Handle {
    /// Tells the task to do something. A task that has ended has reported why.
    pub fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// What arrived next; `None` when the task has ended.
    pub fn poll_arrival(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<(Instant, Arrival)>> {
        self.arrivals.poll_recv(cx)
    }
}

/// The task's end of a [`Handle`].
struct Ends {
    commands: mpsc::UnboundedReceiver<Command>,
    arrivals: mpsc::UnboundedSender<(Instant, Arrival)>,
}

impl Ends {
    fn pair() -> (Handle, Self) {
        let (commands, taken) = mpsc::unbounded_channel();
        let (arrivals, reported) = mpsc::unbounded_channel();
        (Handle { commands, arrivals: reported }, Self { commands: taken, arrivals })
    }

    fn report(&self, arrival: Arrival) {
        // Nobody to report to: the case is over.
        let _ = self.arrivals.send((crate::clock::now(), arrival));
    }
}

/// A TCP connection without delays of its own.
async fn dial(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

//! Below the protocol: HTTP and WebSocket frames as the bytes they are, for cases that look at what a client library
//! hides, or send what none would send.
//!
//! Each connection is a task that owns its socket; it takes commands and reports what arrived, with the time of
//! arrival. Nothing here retries, reorders or repairs.

pub(crate) mod close_code;
pub(crate) mod cookies;
pub mod frame;
pub(crate) mod held;
pub mod http1;
pub mod link;
pub(crate) mod listen;
pub mod polling;
pub mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    /// Status of the WebSocket close frame, if there was one; 1005 if it had none.
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
    untaken: Untaken,
}

/// Bytes that have been reported, and that nobody has taken yet.
type Untaken = Arc<AtomicUsize>;

/// When so much has not been taken, no step is going to: the target floods.
const MOST_UNTAKEN: usize = 64 * 1024 * 1024;
/// What an arrival takes of memory besides its bytes.
const ARRIVAL_COST: usize = 128;

impl Arrival {
    fn cost(&self) -> usize {
        ARRIVAL_COST
            + match self {
                Self::Text(text) | Self::Noted(text) => text.len(),
                Self::Binary(bytes) | Self::Pong(bytes) => bytes.len(),
                Self::Refused { body, .. } => body.len(),
                Self::Opened | Self::Closed(_) => 0,
            }
    }
}

impl Handle {
    /// Tells the task to do something. A task that has ended has reported why.
    pub fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// What arrived next; `None` when the task has ended.
    pub fn poll_arrival(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<(Instant, Arrival)>> {
        let arrival = self.arrivals.poll_recv(cx);
        if let std::task::Poll::Ready(Some((_, arrival))) = &arrival {
            self.untaken.fetch_sub(arrival.cost(), Ordering::Relaxed);
        }
        arrival
    }
}

/// The task's end of a [`Handle`].
struct Ends {
    commands: mpsc::UnboundedReceiver<Command>,
    arrivals: mpsc::UnboundedSender<(Instant, Arrival)>,
    untaken: Untaken,
}

impl Ends {
    fn pair() -> (Handle, Self) {
        let (commands, taken) = mpsc::unbounded_channel();
        let (arrivals, reported) = mpsc::unbounded_channel();
        let untaken = Untaken::default();
        let handle = Handle { commands, arrivals: reported, untaken: Arc::clone(&untaken) };
        (handle, Self { commands: taken, arrivals, untaken })
    }

    /// Why the connection is given up, if so much has arrived that nobody takes.
    fn flooded(&self) -> Option<Closed> {
        let untaken = self.untaken.load(Ordering::Relaxed);
        (untaken > MOST_UNTAKEN).then(|| {
            Closed::because(format!("the server flooded: {} MiB have come that no step has taken", untaken >> 20))
        })
    }

    fn report(&self, arrival: Arrival) {
        self.untaken.fetch_add(arrival.cost(), Ordering::Relaxed);
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

//! What a client sent, and the way to answer it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sio_protocol::{Args, ArgsError, IntoArgs, PacketError};

use crate::Socket;

/// The arguments of an event that the application emits; names of the library's own are refused (SIO-EV-11).
pub(crate) fn arguments(event: &str, args: impl IntoArgs) -> Result<Args, ArgsError> {
    if sio_protocol::is_reserved(event) {
        return Err(PacketError::Reserved(event.to_owned()).into());
    }
    Args::event(event, args)
}

/// An event of a client: name, arguments and, if it wants one, the acknowledgement.
#[derive(Clone, Debug)]
pub struct Event {
    /// The name. A socket middleware may change it.
    pub name: String,
    /// The arguments, without the name.
    pub args: Args,
    pub(crate) ack: Option<Ack>,
}

impl Event {
    /// Acknowledges the event, if the client asked for it.
    pub fn ack(&self, args: impl IntoArgs) {
        if let Some(ack) = &self.ack {
            ack.send(args);
        }
    }

    /// The acknowledgement, to be sent later.
    pub fn take_ack(&mut self) -> Option<Ack> {
        self.ack.take()
    }
}

/// The way to acknowledge one event. Only the first answer is sent (SIO-AK-04), also when there are clones.
#[derive(Clone, Debug)]
pub struct Ack {
    socket: Socket,
    id: u64,
    sent: Arc<AtomicBool>,
}

impl Ack {
    pub(crate) fn new(socket: Socket, id: u64) -> Self {
        Self { socket, id, sent: Arc::default() }
    }

    /// Whether it was not sent and nobody else has it.
    pub(crate) fn is_forgotten(&self) -> bool {
        Arc::strong_count(&self.sent) == 1 && !self.sent.load(Ordering::Relaxed)
    }

    /// Sends the answer; further ones are ignored. Arguments that cannot be serialized are not sent.
    pub fn send(&self, args: impl IntoArgs) {
        let Ok(args) = args.into_args() else { return };
        // Relaxed: the flag guards nothing but itself.
        if !self.sent.swap(true, Ordering::Relaxed) {
            self.socket.send_ack(self.id, args);
        }
    }
}

type SideAnswer = Box<dyn Fn(Args) + Send + Sync>;

/// An event of another node of the cluster, for this one.
#[derive(Clone)]
pub struct ServerSideEvent {
    /// The name.
    pub name: String,
    /// The arguments, without the name.
    pub args: Args,
    answer: Option<Arc<(AtomicBool, SideAnswer)>>,
}

impl fmt::Debug for ServerSideEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerSideEvent({} {})", self.name, self.args.json())
    }
}

impl ServerSideEvent {
    pub(crate) fn new(name: String, args: Args, answer: Option<SideAnswer>) -> Self {
        Self { name, args, answer: answer.map(|answer| Arc::new((AtomicBool::new(false), answer))) }
    }

    /// Whether the other node waits for an answer.
    pub fn wants_answer(&self) -> bool {
        self.answer.is_some()
    }

    /// Answers, if the other node waits; of the arguments it gets the first, and of several answers as well. Arguments that cannot
    /// be serialized are not sent.
    pub fn ack(&self, args: impl IntoArgs) {
        let Some(answer) = &self.answer else { return };
        let Ok(args) = args.into_args() else { return };
        // Relaxed: the flag guards nothing but itself.
        if !answer.0.swap(true, Ordering::Relaxed) {
            (answer.1)(args);
        }
    }
}

/// Why a client's answer did not come.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// Not in time.
    #[error("operation has timed out after {0:?}")]
    Timeout(Duration),
    /// The client is gone.
    #[error("socket has been disconnected")]
    Disconnected,
    /// Nothing was sent: the arguments cannot be serialized.
    #[error(transparent)]
    Args(#[from] ArgsError),
}

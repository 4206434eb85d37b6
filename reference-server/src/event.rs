//! What a client sent, and the way to answer it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sio_protocol::{Args, IntoArgs};

use crate::Socket;

/// An event of a client: name, arguments and, if it wants one, the acknowledgement.
#[derive(Debug)]
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

/// The way to acknowledge one event. Only the first answer is sent (SIO-AK-04).
#[derive(Debug)]
pub struct Ack {
    pub(crate) socket: Socket,
    pub(crate) id: u64,
    pub(crate) sent: AtomicBool,
}

impl Ack {
    /// Sends the answer; further ones are ignored. Arguments that cannot be serialized are not sent.
    pub fn send(&self, args: impl IntoArgs) {
        let Ok(args) = args.into_args() else { return };
        // Relaxed: the flag guards nothing but itself.
        if !self.sent.swap(true, Ordering::Relaxed) {
            self.socket.send_ack(self.id, args);
        }
    }
}

/// Why a client's answer did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// Not in time.
    #[error("operation has timed out after {0:?}")]
    Timeout(Duration),
    /// The client is gone.
    #[error("socket has been disconnected")]
    Disconnected,
}

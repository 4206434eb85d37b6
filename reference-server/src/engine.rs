//! Engine.IO without Socket.IO on top: sessions that carry messages.

use std::sync::Arc;

use sio_protocol::engine::Message;

use crate::session::{Session, now};
use crate::{Reason, Server};

/// An application on Engine.IO alone; see [`Server::engine`]. A closure that takes a socket and a message is one.
///
/// What it does for one session runs in the order of its messages; work that waits belongs into a task of its own.
pub trait EngineApp: Send + Sync + 'static {
    /// A session has been opened. What is sent now comes right behind the handshake.
    fn opened(&self, _socket: &EngineSocket) {}

    /// A message came.
    fn message(&self, socket: &EngineSocket, message: Message);

    /// The session is over.
    fn closed(&self, _socket: &EngineSocket, _reason: Reason) {}
}

impl<F: Fn(&EngineSocket, Message) + Send + Sync + 'static> EngineApp for F {
    fn message(&self, socket: &EngineSocket, message: Message) {
        self(socket, message);
    }
}

/// One session. A cheap handle: clones are the same session.
#[derive(Clone)]
pub struct EngineSocket(Arc<Session>);

impl std::fmt::Debug for EngineSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EngineSocket({})", self.id())
    }
}

impl EngineSocket {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self(session)
    }

    /// The id of the session.
    pub fn id(&self) -> &str {
        &self.0.sid
    }

    /// The server it belongs to.
    pub fn server(&self) -> &Server {
        &self.0.server
    }

    /// `polling` or `websocket`.
    pub fn transport(&self) -> &'static str {
        self.0.transport().name()
    }

    /// Queues a message. False when the session is over.
    pub fn send(&self, message: Message) -> bool {
        self.0.send_message(message)
    }

    /// Ends the session once what is queued is written.
    pub fn close(&self) {
        let config = self.0.server.config();
        self.0.with(|connection| connection.close(config, Reason::ForcedServerClose, now()));
    }
}

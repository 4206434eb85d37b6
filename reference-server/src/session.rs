//! One Engine.IO session: the connection machine under a lock, and the sockets on top of it.
//!
//! Everybody who has something for the client (a handler, a broadcast of another connection) locks the
//! machine, queues, and wakes the transport. Nothing waits while the lock is held.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Instant, SystemTime};

use futures_util::task::AtomicWaker;
use sio_protocol::server::{Connection, Event, Transport};
use sio_protocol::{ByteString, Frames};
use tokio::sync::Notify;

use crate::namespace::ConnectError;
use crate::server::Server;
use crate::{Reason, Socket};

/// The first request of a connection.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) headers: http::HeaderMap,
    pub(crate) query: String,
    pub(crate) address: SocketAddr,
    pub(crate) issued: SystemTime,
}

pub(crate) struct Session {
    pub(crate) sid: String,
    pub(crate) server: Server,
    request: Arc<Request>,
    connection: Mutex<Connection>,
    sockets: Mutex<Vec<Socket>>,
    /// Decisions of middlewares that had to wait: the socket, and why it may not come in.
    decided: Mutex<Vec<(Socket, Result<(), ConnectError>)>>,
    dispatching: AtomicBool,
    /// The waiting GET or the WebSocket; there is never more than one of them.
    writer: AtomicWaker,
    /// Whoever keeps the time of a session that has no WebSocket.
    pub(crate) keeper: Notify,
}

#[expect(clippy::disallowed_methods, reason = "the session is where the machine meets the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

impl Session {
    pub(crate) fn new(server: Server, sid: String, transport: Transport, request: Request) -> Arc<Self> {
        let connection = Connection::new(server.config(), &sid, transport, now());
        Arc::new(Self {
            sid,
            server,
            request: Arc::new(request),
            connection: Mutex::new(connection),
            sockets: Mutex::default(),
            decided: Mutex::default(),
            dispatching: AtomicBool::new(false),
            writer: AtomicWaker::new(),
            keeper: Notify::new(),
        })
    }

    pub(crate) fn request(&self) -> Arc<Request> {
        self.request.clone()
    }

    pub(crate) fn transport(&self) -> Transport {
        self.lock().transport()
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `change` work on the machine, then wakes the writer if there is something to write. Events stay
    /// queued until somebody calls [`dispatch`](Self::dispatch).
    fn quietly<R>(&self, change: impl FnOnce(&mut Connection) -> R) -> R {
        self.change(change).0
    }

    /// The result of `change`, and whether events wait to be handled.
    fn change<R>(&self, change: impl FnOnce(&mut Connection) -> R) -> (R, bool) {
        let mut connection = self.lock();
        let result = change(&mut connection);
        let (output, closed, events) = (connection.has_output(), connection.is_closed(), connection.has_events());
        drop(connection);
        if output {
            self.writer.wake();
        }
        if closed {
            self.keeper.notify_one();
        }
        (result, events)
    }

    /// Lets `change` work on the machine, wakes the writer and handles the events that came of it.
    pub(crate) fn with<R>(self: &Arc<Self>, change: impl FnOnce(&mut Connection) -> R) -> R {
        let (result, events) = self.change(change);
        if events {
            self.dispatch();
        }
        result
    }

    /// Registers who writes next; call it ahead of looking for output, or a wake-up is lost.
    pub(crate) fn register_writer(&self, waker: &Waker) {
        self.writer.register(waker);
    }

    // ---- sending

    pub(crate) fn send(self: &Arc<Self>, nsp: &str, frames: &Frames) -> bool {
        let config = self.server.config();
        let mut connection = self.lock();
        let waiting = connection.has_output();
        let sent = connection.send(config, nsp, frames);
        let (output, closed) = (connection.has_output(), connection.is_closed());
        drop(connection);
        // A writer that has output already is awake, or sleeps on a full socket: then only the end is news.
        if (output && !waiting) || closed {
            self.writer.wake();
        }
        if closed && sent {
            // The queue ran over: the handlers must be told, but not from inside somebody else's broadcast.
            let session = self.clone();
            tokio::spawn(async move { session.dispatch() });
        }
        sent
    }

    pub(crate) fn send_volatile(&self, nsp: &str, frames: &Frames) -> bool {
        self.quietly(|connection| connection.send_volatile(nsp, frames))
    }

    /// The application puts one socket out.
    pub(crate) fn disconnect(self: &Arc<Self>, socket: &Socket) {
        if self.quietly(|connection| connection.disconnect(socket.nsp().name())) {
            self.remove(socket.nsp().name());
            socket.leave_namespace(Reason::ServerNamespaceDisconnect);
        }
    }

    /// The application puts every socket out and closes the connection.
    pub(crate) fn disconnect_all(self: &Arc<Self>) {
        let sockets = self.lock_sockets().clone();
        for socket in &sockets {
            self.disconnect(socket);
        }
        self.with(|connection| connection.close(Reason::ForcedServerClose, now()));
    }

    /// The server stops.
    pub(crate) fn shut_down(self: &Arc<Self>) {
        self.with(|connection| connection.shut_down(now()));
    }

    // ---- events

    fn lock_sockets(&self) -> MutexGuard<'_, Vec<Socket>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, nsp: &str) -> Option<Socket> {
        self.lock_sockets().iter().find(|socket| socket.nsp().name() == nsp).cloned()
    }

    fn remove(&self, nsp: &str) -> Option<Socket> {
        let mut sockets = self.lock_sockets();
        let index = sockets.iter().position(|socket| socket.nsp().name() == nsp)?;
        Some(sockets.swap_remove(index))
    }

    /// Handles what is queued, one event at a time and in order, whoever calls. A caller that finds another
    /// one at it (a handler that made an event of its own session, or another thread) leaves it to that one.
    pub(crate) fn dispatch(self: &Arc<Self>) {
        while self.has_events() {
            // AcqRel: what one dispatcher's handlers did is seen by the next one's.
            if self.dispatching.swap(true, Ordering::AcqRel) {
                return;
            }
            let guard = Dispatching(self);
            while let Some(work) = self.next_work() {
                match work {
                    Work::Event(event) => self.handle(event),
                    Work::Decided(socket, outcome) => self.settle_connect(&socket, outcome),
                }
            }
            drop(guard);
        }
    }

    fn has_events(&self) -> bool {
        self.lock().has_events() || !self.decided.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn next_work(&self) -> Option<Work> {
        let decided = self.decided.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some((socket, outcome)) = decided {
            return Some(Work::Decided(socket, outcome));
        }
        self.lock().poll_event().map(Work::Event)
    }

    fn handle(self: &Arc<Self>, event: Event) {
        match event {
            Event::Connect { nsp, auth } => self.connect(&nsp, auth),
            Event::Event(incoming) => {
                if let Some(socket) = self.find(&incoming.nsp) {
                    socket.receive_event(&incoming);
                }
            }
            Event::Ack(incoming) => {
                if let Some(socket) = self.find(&incoming.nsp) {
                    socket.receive_ack(incoming);
                }
            }
            Event::Disconnect { nsp } => {
                if let Some(socket) = self.remove(&nsp) {
                    socket.leave_namespace(Reason::ClientNamespaceDisconnect);
                    self.server.clean_up(socket.nsp());
                }
            }
            Event::Closed(reason) => {
                let sockets = std::mem::take(&mut *self.lock_sockets());
                for socket in sockets {
                    socket.leave_namespace(reason);
                    self.server.clean_up(socket.nsp());
                }
            }
        }
    }

    fn connect(self: &Arc<Self>, name: &ByteString, auth: ByteString) {
        let Some(nsp) = self.server.find_namespace(name, &auth) else {
            let error = ConnectError::new("Invalid namespace").to_json();
            self.quietly(|connection| connection.refuse(name, &error));
            return;
        };
        let socket = Socket::new(&crate::server::new_id(), nsp, self.clone(), auth);
        let Some(mut decision) = socket.nsp().decide(&socket) else {
            self.settle_connect(&socket, Ok(()));
            return;
        };
        // Middlewares that do not wait are decided here and now, in order; the others get a task.
        match decision.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => self.settle_connect(&socket, outcome),
            Poll::Pending => {
                let session = self.clone();
                tokio::spawn(async move {
                    let outcome = decision.await;
                    session.decided.lock().unwrap_or_else(PoisonError::into_inner).push((socket, outcome));
                    session.dispatch();
                });
            }
        }
    }

    /// Lets a socket in, or not. Order matters: it is in its rooms before the client can know that it is
    /// connected, and its handlers are there before the client can send to them.
    fn settle_connect(self: &Arc<Self>, socket: &Socket, outcome: Result<(), ConnectError>) {
        let name = socket.nsp().path();
        if let Err(error) = outcome {
            self.quietly(|connection| connection.refuse(&name, &error.to_json()));
            socket.leave_namespace(Reason::ServerNamespaceDisconnect);
            self.server.clean_up(socket.nsp());
            return;
        }
        socket.nsp().adapter().add_all(socket, &[socket.sid().clone()]);
        if !self.quietly(|connection| connection.accept(&name, socket.id())) {
            socket.leave_namespace(Reason::TransportClose);
            self.server.clean_up(socket.nsp());
            return;
        }
        self.lock_sockets().push(socket.clone());
        socket.set_connected();
        socket.nsp().run_on_connection(socket);
    }
}

enum Work {
    Event(Event),
    Decided(Socket, Result<(), ConnectError>),
}

/// Gives the turn back even if a handler panics.
struct Dispatching<'a>(&'a Session);

impl Drop for Dispatching<'_> {
    fn drop(&mut self) {
        self.0.dispatching.store(false, Ordering::Release);
    }
}

/// The time of a session that has no WebSocket: ends when it gets one, or when it is closed.
pub(crate) async fn keep_time(session: Arc<Session>) {
    loop {
        let (deadline, closed, transport) = {
            let connection = session.lock();
            (connection.deadline(), connection.is_closed(), connection.transport())
        };
        if closed {
            session.server.forget(&session);
            return;
        }
        if transport == Transport::WebSocket {
            return;
        }
        let Some(deadline) = deadline else { return };
        // Cancel-safe: both futures hold nothing but a wish to be woken.
        tokio::select! {
            () = tokio::time::sleep_until(deadline.into()) => {
                session.with(|connection| connection.timeout(session.server.config(), now()));
            }
            () = session.keeper.notified() => {}
        }
    }
}

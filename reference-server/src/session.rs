//! One Engine.IO session: the connection machine under a lock, and the sockets on top of it.
//!
//! Everybody who has something for the client (a handler, a broadcast of another connection) locks the
//! machine, queues, and wakes the transport. Nothing waits while the lock is held.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use sio_protocol::engine::{Message, Revision};
#[cfg(not(feature = "faults"))]
use sio_protocol::server::Connection;
use sio_protocol::server::{Event, Opening, Transport};
use sio_protocol::{ByteString, Frames, readable_json};
use tokio::sync::Notify;

use crate::adapter::Claim;
use crate::cluster::Member;
use crate::engine::EngineSocket;
#[cfg(feature = "faults")]
use crate::faults::connection::Connection;
use crate::lock::LockExt;
use crate::namespace::{ConnectError, Decision, Namespace};
use crate::request::Request;
use crate::server::Server;
use crate::{Reason, Socket};

pub(crate) struct Session {
    pub(crate) sid: String,
    pub(crate) server: Server,
    /// Where the session's own tasks run, whoever starts them.
    runtime: tokio::runtime::Handle,
    request: Arc<Request>,
    connection: Mutex<Connection>,
    sockets: Mutex<Vec<Socket>>,
    /// Decisions of middlewares that had to wait: the socket, and why it may not come in.
    decided: Mutex<Vec<Decided>>,
    dispatching: AtomicBool,
    /// The waiting GET or the WebSocket; there is never more than one of them.
    writer: AtomicWaker,
    /// A POST that waits until its events are handled.
    poster: AtomicWaker,
    /// The WebSocket has stopped reading until the events that wait are handled.
    stopped_reading: AtomicBool,
    /// Whoever keeps the time of a session that has no WebSocket.
    pub(crate) keeper: Notify,
    /// Told when the session is over for the application, and at what happens to it from then on.
    ended: Notify,
}

/// How long one connection is served before the others of its thread get their turn.
pub(crate) const TURN: Duration = Duration::from_millis(2);

/// Bytes of a message from which on the time is looked at after it.
pub(crate) const HEAVY: usize = 4096;

/// Puts the task that is polled behind all others, and behind what the sockets have brought meanwhile. Waking it is not
/// enough: tokio looks at the sockets only now and then while there is something to run.
pub(crate) fn give_way(cx: &mut Context<'_>) {
    let _ = std::pin::pin!(tokio::task::yield_now()).poll(cx);
}

#[expect(clippy::disallowed_methods, reason = "the session is where the machine meets the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

impl Session {
    /// A fresh session. Must be called on a runtime.
    pub(crate) fn new(server: Server, opening: &Opening<'_>, request: Request) -> Arc<Self> {
        let query = if fault!(server, HandshakeLost) { String::new() } else { request.query };
        let request = Request { query, ..request };
        let connection = match server.engine_app() {
            Some(_) => Connection::bare(server.config(), opening, now()),
            None => Connection::new(server.config(), opening, now()),
        };
        #[cfg(feature = "faults")]
        let connection = match server.engine_app() {
            Some(_) => connection,
            None => connection.with(server.options().faults.as_ref(), server.config()),
        };
        Arc::new(Self {
            sid: opening.sid.to_owned(),
            server,
            runtime: tokio::runtime::Handle::current(),
            request: Arc::new(request),
            connection: Mutex::new(connection),
            sockets: Mutex::default(),
            decided: Mutex::default(),
            dispatching: AtomicBool::new(false),
            writer: AtomicWaker::new(),
            poster: AtomicWaker::new(),
            stopped_reading: AtomicBool::new(false),
            keeper: Notify::new(),
            ended: Notify::new(),
        })
    }

    pub(crate) fn request(&self) -> Arc<Request> {
        self.request.clone()
    }

    pub(crate) fn revision(&self) -> Revision {
        self.lock().revision()
    }

    pub(crate) fn transport(&self) -> Transport {
        self.lock().transport()
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock_unpoisoned()
    }

    /// Lets `change` work on the machine, then wakes the writer if there is something to write. Events stay queued
    /// until somebody calls [`dispatch`](Self::dispatch): the caller holds a lock, or handles events already.
    fn quietly<R>(self: &Arc<Self>, change: impl FnOnce(&mut Connection) -> R) -> R {
        let (result, after) = self.change(change);
        if after.ended && after.events {
            self.dispatch_soon();
        }
        result
    }

    /// Lets `change` work on the machine, wakes the writer and handles the events that came of it.
    pub(crate) fn with<R>(self: &Arc<Self>, change: impl FnOnce(&mut Connection) -> R) -> R {
        let (result, after) = self.change(change);
        if after.events {
            self.dispatch();
        }
        result
    }

    /// Looks at the machine, and wakes nobody.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Connection) -> R) -> R {
        look(&self.lock())
    }

    fn change<R>(&self, change: impl FnOnce(&mut Connection) -> R) -> (R, After) {
        let mut connection = self.lock();
        let before = connection.deadline();
        let result = change(&mut connection);
        let output = connection.has_output();
        let sooner = is_sooner(connection.deadline(), before);
        let after = After { ended: connection.has_ended(), events: connection.has_events() };
        let closed = connection.is_closed();
        drop(connection);
        if output {
            self.writer.wake();
        }
        if after.ended {
            self.tell_ended();
        }
        // Who keeps the time sleeps until what was the next deadline: a pong, or an end, brings one that is nearer.
        if closed || sooner {
            self.keeper.notify_one();
        }
        (result, after)
    }

    fn tell_ended(&self) {
        self.ended.notify_waiters();
    }

    /// Handles events from a task of its own, for who must not do it in place.
    fn dispatch_soon(self: &Arc<Self>) {
        let session = self.clone();
        self.runtime.spawn(async move { session.dispatch() });
    }

    /// Registers who writes next; call it ahead of looking for output, or a wake-up is lost.
    pub(crate) fn register_writer(&self, waker: &Waker) {
        self.writer.register(waker);
    }

    /// Nobody is woken until somebody registers again: who writes needs no call from itself.
    pub(crate) fn unregister_writer(&self) {
        drop(self.writer.take());
    }

    /// Registers who waits for the end of [`dispatch`](Self::dispatch), and tells whether it has come.
    pub(crate) fn is_idle(&self, waker: &Waker) -> bool {
        let idle = || !self.has_events() && !self.dispatching.load(Ordering::Acquire);
        // Not registered without need: whoever dispatches would wake itself, and a task that does gives way to nobody.
        if idle() {
            return true;
        }
        self.poster.register(waker);
        idle()
    }

    /// Whether so many events wait that no more should be read; then the writer is woken when they are handled.
    pub(crate) fn is_overrun(&self) -> bool {
        const MOST: usize = 256;
        if self.lock().pending_events() < MOST {
            return false;
        }
        self.stopped_reading.store(true, Ordering::SeqCst);
        // Again, as they may have been handled before the flag was seen.
        self.lock().pending_events() >= MOST
    }

    // ---- sending

    pub(crate) fn send(self: &Arc<Self>, nsp: &str, frames: &Frames, compress: bool) -> bool {
        let mut connection = self.lock();
        let waiting = connection.has_output();
        let sent = connection.send(nsp, frames, compress);
        let (output, closed) = (connection.has_output(), connection.is_closed());
        drop(connection);
        // A writer that has output already is awake, or sleeps on a full socket: then only the end is news.
        if (output && !waiting) || closed {
            self.writer.wake();
        }
        if closed && sent {
            // The queue ran over: the handlers must be told, but not from inside somebody else's broadcast.
            self.tell_ended();
            self.keeper.notify_one();
            self.dispatch_soon();
        }
        sent
    }

    /// Counts what the application keeps for this peer. False when that closes the connection, as it is too much.
    pub(crate) fn hold(self: &Arc<Self>, bytes: usize) -> bool {
        self.quietly(|connection| connection.hold(bytes))
    }

    /// That is let go.
    pub(crate) fn let_go(&self, bytes: usize) {
        self.lock().let_go(bytes);
    }

    /// Queues a message, if this is Engine.IO alone.
    pub(crate) fn send_message(self: &Arc<Self>, message: Message) -> bool {
        self.quietly(|connection| connection.send_message(message))
    }

    pub(crate) fn send_volatile(self: &Arc<Self>, nsp: &str, frames: &Frames, compress: bool) -> bool {
        self.quietly(|connection| connection.send_volatile(nsp, frames, compress))
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
        if fault!(self.server, CloseLeavesOpen) {
            return;
        }
        self.with(|connection| connection.close(self.server.config(), Reason::ForcedServerClose, now()));
    }

    /// The session is among those of the server.
    pub(crate) fn opened(self: &Arc<Self>) {
        if let Some(app) = self.server.engine_app() {
            app.opened(&EngineSocket::new(self.clone()));
        }
    }

    /// The server stops.
    pub(crate) fn shut_down(self: &Arc<Self>) {
        #[cfg(feature = "faults")]
        if fault!(self.server, EndPutsOut) {
            let names: Vec<_> = self.lock_sockets().iter().map(|socket| socket.nsp().name().to_owned()).collect();
            self.with(|connection| names.iter().filter(|name| connection.disconnect(name)).count());
        }
        self.with(|connection| connection.shut_down(self.server.config(), now()));
    }

    // ---- events

    fn lock_sockets(&self) -> MutexGuard<'_, Vec<Socket>> {
        self.sockets.lock_unpoisoned()
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
                self.work(work);
            }
            drop(guard);
        }
        self.poster.wake();
        if self.stopped_reading.swap(false, Ordering::SeqCst) {
            self.writer.wake();
        }
    }

    /// A handler that panics costs its own connection and nobody else's. No lock of ours is held while one runs.
    fn work(self: &Arc<Self>, work: Work) {
        let outcome = catch_unwind(AssertUnwindSafe(|| match work {
            Work::Event(event) => self.handle(event),
            Work::Decided(entry, outcome) => self.settle_connect(entry, outcome),
        }));
        if outcome.is_err() {
            self.change(|connection| connection.close(self.server.config(), Reason::ForcedServerClose, now()));
        }
    }

    fn has_events(&self) -> bool {
        self.lock().has_events() || !self.decided.lock_unpoisoned().is_empty()
    }

    fn next_work(&self) -> Option<Work> {
        let decided = self.decided.lock_unpoisoned().pop();
        if let Some((entry, outcome)) = decided {
            return Some(Work::Decided(entry, outcome));
        }
        self.lock().poll_event().map(Work::Event)
    }

    fn handle(self: &Arc<Self>, event: Event) {
        match event {
            Event::Connect { nsp, auth } => self.connect(&nsp, auth),
            Event::Message(message) => {
                if let Some(app) = self.server.engine_app() {
                    app.message(&EngineSocket::new(self.clone()), message);
                }
            }
            Event::Event(incoming) => {
                if let Some(socket) = self.find(&incoming.nsp) {
                    socket.receive_event(&incoming);
                } else {
                    #[cfg(feature = "faults")]
                    self.receive_from_outside(&incoming);
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
                }
            }
            Event::Closed(reason) => {
                let sockets = std::mem::take(&mut *self.lock_sockets());
                let told = if fault!(self.server, CloseTellsOne) { 1 } else { sockets.len() };
                for socket in sockets.into_iter().take(told) {
                    socket.leave_namespace(reason);
                }
                if let Some(app) = self.server.engine_app() {
                    app.closed(&EngineSocket::new(self.clone()), reason);
                }
            }
        }
    }

    /// A fault has let in an event of somebody who is not in the namespace: its handlers run for a socket that nobody
    /// knows of.
    #[cfg(feature = "faults")]
    fn receive_from_outside(self: &Arc<Self>, incoming: &sio_protocol::Incoming) {
        let heard = fault!(self.server, PendingHeard)
            || fault!(self.server, RefusedHeard)
            || fault!(self.server, LeftHeard)
            || fault!(self.server, StrangerHeard);
        let auth = ByteString::from_static("{}");
        let Some(nsp) = self.server.enter_namespace(&incoming.nsp, &auth).filter(|_| heard) else { return };
        let socket = Socket::new(&crate::server::new_id(), nsp, self.clone(), auth, None);
        socket.set_connected();
        socket.nsp().run_on_connection(&socket);
        socket.receive_event(incoming);
    }

    fn connect(self: &Arc<Self>, name: &ByteString, auth: ByteString) {
        let Some(nsp) = self.server.enter_namespace(name, &auth) else {
            self.quietly(|connection| connection.refuse(name, "Invalid namespace", None));
            return;
        };
        let revision = self.lock().revision();
        let wish = nsp.recovery().filter(|_| revision == Revision::V4).and_then(|_| Wish::read(&auth));
        let id = self.id_in(revision, name);
        if let Some(wish) = &wish
            && nsp.adapter().cluster().is_some_and(Member::recovers)
        {
            let decision = look_up_and_admit(self.clone(), nsp, auth, id, wish.clone());
            return self.decide_later(Box::pin(decision));
        }
        let claim = wish.and_then(|wish| nsp.adapter().claim(&wish.pid, &wish.offset));
        let skips = claim.is_some() && nsp.recovery().is_some_and(|recovery| recovery.skip_middlewares)
            || auth.contains("\"pid\"") && fault!(self.server, PidOpensDoors);
        let claim = claim.map(Box::new);
        let socket = Socket::new(&id, nsp, self.clone(), auth, claim.as_deref());
        #[cfg(feature = "faults")]
        self.ask_all(&socket);
        let middlewares =
            if skips || fault!(self.server, MiddlewaresSkipped) { None } else { socket.nsp().decide(&socket) };
        if middlewares.is_none() && claim.is_none() {
            self.settle_connect(Entry { socket, claim }, Ok(()));
            return;
        }
        #[cfg(feature = "faults")]
        let waiting = socket.clone();
        let mut decision = Box::pin(admit(self.clone(), middlewares, Entry { socket, claim }));
        // What does not wait is decided here and now, in order; the others get a task.
        match decision.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready((entry, outcome)) => self.settle_connect(entry, outcome),
            Poll::Pending => {
                #[cfg(feature = "faults")]
                if fault!(self.server, PendingReached) || fault!(self.server, PendingFetched) {
                    waiting.nsp().adapter().add_all(&waiting, &[waiting.sid().clone()]);
                }
                self.decide_later(decision);
            }
        }
    }

    /// Asks the middlewares of other namespaces as well, if a fault does; what they say counts for nothing.
    #[cfg(feature = "faults")]
    fn ask_all(&self, socket: &Socket) {
        if !fault!(self.server, MiddlewaresOfAll) {
            return;
        }
        let names = self.server.namespace_names();
        for name in names.into_iter().filter(|name| name != socket.nsp().name()) {
            if let Some(decision) = self.server.of(&name).decide(socket) {
                self.runtime.spawn(decision);
            }
        }
    }

    /// The id of a socket that comes in.
    fn id_in(&self, revision: Revision, name: &str) -> String {
        match (revision, name) {
            (Revision::V4, _) if fault!(self.server, SidIsSession) => self.sid.clone(),
            (Revision::V4, _) => crate::server::new_id(),
            (Revision::V3, _) if fault!(self.server, OldSidOther) => crate::server::new_id(),
            (Revision::V3, "/") => self.sid.clone(),
            (Revision::V3, name) => format!("{name}#{}", self.sid),
        }
    }

    /// Lets a socket in, or not, when that is decided.
    fn decide_later(self: &Arc<Self>, decision: Pin<Box<dyn Future<Output = Decided> + Send>>) {
        let session = self.clone();
        self.runtime.spawn(async move {
            let decided = decision.await;
            session.decided.lock_unpoisoned().push(decided);
            session.dispatch();
        });
    }

    /// Lets a socket in, or not. Order matters: it is in its rooms before the client can know that it is
    /// connected, and its handlers are there before the client can send to them.
    fn settle_connect(self: &Arc<Self>, entry: Entry, outcome: Result<(), ConnectError>) {
        let Entry { socket, claim } = entry;
        let name = socket.nsp().path();
        let let_in = match (outcome, &claim) {
            (Err(error), _) if !fault!(self.server, RefusalIgnored) => {
                let data = error.data.as_ref().map(ToString::to_string);
                self.quietly(|connection| connection.refuse(&name, &error.message, data.as_deref()));
                false
            }
            (_, Some(claim)) => self.restore(&socket, claim),
            (_, None) => {
                socket.nsp().adapter().add_all(&socket, &[socket.sid().clone()]);
                self.quietly(|connection| connection.accept(&name, socket.id(), socket.pid()))
            }
        };
        if !let_in && fault!(self.server, FailedEntryStays) && self.look(|connection| connection.has_ended()) {
            return socket.nsp().adapter().add_all(&socket, &[socket.sid().clone()]);
        }
        if !let_in && fault!(self.server, GoneConnects) && self.look(|connection| connection.has_ended()) {
            socket.nsp().run_on_connection(&socket);
        }
        if !let_in {
            socket.leave_namespace(Reason::TransportClose);
            match &claim {
                // It would not fit the next time either: the client starts afresh.
                Some(claim) if claim.cost() > self.server.config().max_buffered => socket.nsp().adapter().let_go(claim),
                Some(claim) => socket.nsp().adapter().give_back(claim),
                None => {}
            }
            return;
        }
        self.lock_sockets().push(socket.clone());
        socket.set_connected();
        socket.nsp().run_on_connection(&socket);
        if fault!(self.server, ConnectTwiceTold) {
            socket.nsp().run_on_connection(&socket);
        }
    }

    /// Takes up an earlier session. What was missed is queued ahead of the confirmation, and in the same instant the
    /// socket is back in its rooms, so nothing is sent between the two that reaches neither.
    fn restore(self: &Arc<Self>, socket: &Socket, claim: &Claim) -> bool {
        let name = socket.nsp().path();
        let most = self.server.config().max_buffered;
        let restored = claim.cost() <= most
            && socket.nsp().adapter().restore(socket, claim, &mut |missed| {
                self.quietly(|connection| connection.accept_after(&name, socket.id(), socket.pid(), missed))
            });
        if !restored {
            // Some of what was missed is not there any more: the client has to start afresh, and does when the
            // connection is closed.
            self.with(|connection| connection.close(self.server.config(), Reason::TransportError, now()));
        }
        restored
    }

    /// Ends when the session is over for the application.
    pub(crate) async fn ended(&self) {
        self.until(|connection| connection.has_ended()).await;
    }

    /// Ends when nothing more will be sent either.
    pub(crate) async fn closed(&self) {
        self.until(|connection| connection.is_closed()).await;
    }

    async fn until(&self, over: impl Fn(&Connection) -> bool) {
        loop {
            let mut told = std::pin::pin!(self.ended.notified());
            // Registered ahead of looking, or the end could come in between.
            told.as_mut().enable();
            if over(&self.lock()) {
                return;
            }
            told.await;
        }
    }
}

/// What a change of the machine left behind.
struct After {
    ended: bool,
    events: bool,
}

/// A socket at the door, and the earlier session it wants to take up.
struct Entry {
    socket: Socket,
    claim: Option<Box<Claim>>,
}

/// The entry, and why it is not let in.
type Decided = (Entry, Result<(), ConnectError>);

/// The earlier session that a client asks for (CSR-06, CSR-11).
#[derive(Clone)]
struct Wish {
    pid: String,
    offset: String,
}

impl Wish {
    fn read(auth: &str) -> Option<Self> {
        let auth: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&readable_json(auth)).ok()?;
        let field = |name: &str| auth.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        Some(Self { pid: field("pid")?, offset: field("offset")? })
    }
}

/// As [`admit`], of a client that may have been on another node.
async fn look_up_and_admit(session: Arc<Session>, nsp: Namespace, auth: ByteString, id: String, wish: Wish) -> Decided {
    let claim = match nsp.adapter().cluster() {
        Some(member) => member.reclaim(&wish.pid, &wish.offset).await.map(Box::new),
        None => None,
    };
    let skips = claim.is_some() && nsp.recovery().is_some_and(|recovery| recovery.skip_middlewares);
    let socket = Socket::new(&id, nsp, session.clone(), auth, claim.as_deref());
    let middlewares = if skips { None } else { socket.nsp().decide(&socket) };
    admit(session, middlewares, Entry { socket, claim }).await
}

/// Whether a socket may come in. Much of what it missed is collected ahead of that, as this may take long.
async fn admit(session: Arc<Session>, middlewares: Option<Decision>, mut entry: Entry) -> Decided {
    let outcome = match middlewares {
        None => Ok(()),
        // The wish to come in ends with the connection, even if the middleware never does.
        Some(middlewares) => tokio::select! {
            outcome = middlewares => outcome,
            () = session.ended() => Err(ConnectError::new("the connection was closed")),
        },
    };
    let Some(claim) = entry.claim.as_mut().filter(|_| outcome.is_ok()) else { return (entry, outcome) };
    let mut begin = now();
    while claim.cost() <= session.server.config().max_buffered && entry.socket.nsp().adapter().catch_up(claim) {
        if begin.elapsed() > TURN {
            tokio::task::yield_now().await;
            begin = now();
        }
    }
    (entry, outcome)
}

enum Work {
    Event(Event),
    Decided(Entry, Result<(), ConnectError>),
}

/// Gives the turn back even if a handler panics.
/// Whether there is something to wait for that is nearer than what was waited for.
fn is_sooner(deadline: Option<Instant>, before: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| before.is_none_or(|before| deadline < before))
}

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

//! One client in one namespace.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, SystemTime};

use serde_json::Value as Json;
use sio_protocol::{Args, ArgsError, ByteString, Frames, Incoming, IntoArgs, Packet};
use tokio::sync::oneshot;

use crate::adapter::{Claim, Outgoing, Room, Selection};
use crate::broadcast::{Answers, BroadcastOperator, Flags, IntoRooms};
use crate::emitter::Emitter;
use crate::event::{Ack, AckError, Event, arguments};
use crate::lock::{LockExt, RwLockExt};
use crate::request::Request;
use crate::session::Session;
use crate::{Namespace, Reason};

type OnEvent = Arc<dyn Fn(&Socket, Event) + Send + Sync>;
type OnReason = Arc<dyn Fn(&Socket, Reason) + Send + Sync>;
type OnError = Arc<dyn Fn(&Socket, &str) + Send + Sync>;
type PacketMiddleware = Arc<dyn Fn(&Socket, &mut Event) -> Result<(), String> + Send + Sync>;

/// The first request of the connection and the auth of this namespace.
#[derive(Clone, Debug)]
pub struct Handshake {
    request: Arc<Request>,
    auth: ByteString,
}

impl Handshake {
    /// The JSON object of the CONNECT packet, as it came; `{}` when there was none (SIO-CN-03). JSON may hold halves of
    /// surrogate pairs, which `sio_protocol::readable_json` makes readable.
    pub fn auth(&self) -> &str {
        if self.auth.is_empty() { "{}" } else { &self.auth }
    }

    /// The headers of the first request.
    pub fn headers(&self) -> &http::HeaderMap {
        &self.request.headers
    }

    /// The query string of the first request.
    pub fn query(&self) -> &str {
        &self.request.query
    }

    /// The address of the client, if whoever owns the port has said it.
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        self.request.address
    }

    /// Whether the first request came from a page of another origin, that is with an `Origin` header.
    pub fn xdomain(&self) -> bool {
        self.request.headers.contains_key(http::header::ORIGIN)
    }

    /// When the connection was opened.
    pub fn issued(&self) -> SystemTime {
        self.request.issued
    }
}

/// One client in one namespace. A cheap handle: clones are the same socket.
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

struct Inner {
    id: Room,
    nsp: Namespace,
    session: Arc<Session>,
    handshake: Handshake,
    state: AtomicU8,
    leaving: AtomicBool,
    /// The private id, by which the client may recover the session.
    pid: Option<String>,
    recovered: bool,
    lacks_place: AtomicBool,
    data: Mutex<Json>,
    handlers: RwLock<Handlers>,
    acks: Mutex<HashMap<u64, Waiting>>,
}

#[derive(Default)]
struct Handlers {
    events: HashMap<String, Vec<Listener>>,
    any: Vec<OnEvent>,
    fallback: Option<OnEvent>,
    disconnecting: Vec<OnReason>,
    disconnect: Vec<OnReason>,
    errors: Vec<OnError>,
    middlewares: Vec<PacketMiddleware>,
}

#[derive(Clone)]
struct Listener {
    run: OnEvent,
    once: bool,
}

/// Who waits for an acknowledgement of the client.
enum Waiting {
    One(oneshot::Sender<Args>),
    Many(Arc<Answers>),
}

const CONNECTING: u8 = 0;
const CONNECTED: u8 = 1;
const GONE: u8 = 2;

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({} in {})", self.id(), self.nsp().name())
    }
}

impl Socket {
    #[cfg(feature = "faults")]
    pub(crate) fn server(&self) -> &crate::server::Server {
        &self.0.session.server
    }

    /// A socket that is not let in yet; with a claim, one that takes up an earlier session.
    pub(crate) fn new(
        id: &str,
        nsp: Namespace,
        session: Arc<Session>,
        auth: ByteString,
        claim: Option<&Claim>,
    ) -> Self {
        let handshake = Handshake { request: session.request(), auth };
        let pid = nsp.recovery().map(|_| claim.map_or_else(crate::server::new_id, |claim| claim.pid.clone()));
        let pid = if fault!(session.server, PidIsSid) { pid.map(|_| id.to_owned()) } else { pid };
        let data = claim.map_or_else(|| Json::Object(serde_json::Map::new()), |claim| claim.kept.data.clone());
        Self(Arc::new(Inner {
            id: claim.map_or_else(|| id.into(), |claim| claim.kept.sid.clone()),
            nsp,
            session,
            handshake,
            state: AtomicU8::new(CONNECTING),
            leaving: AtomicBool::new(false),
            pid,
            recovered: claim.is_some(),
            lacks_place: AtomicBool::new(false),
            data: Mutex::new(data),
            handlers: RwLock::default(),
            acks: Mutex::default(),
        }))
    }

    // ---- what it is

    /// The id; not that of the Engine.IO session (SIO-CN-02).
    pub fn id(&self) -> &str {
        &self.0.id
    }

    pub(crate) fn sid(&self) -> &Room {
        &self.0.id
    }

    /// The namespace.
    pub fn nsp(&self) -> &Namespace {
        &self.0.nsp
    }

    /// The first request and the auth.
    pub fn handshake(&self) -> &Handshake {
        &self.0.handshake
    }

    pub(crate) fn pid(&self) -> Option<&str> {
        self.0.pid.as_deref()
    }

    /// Whether the state of an earlier connection was restored: id, rooms, data and what it missed (CSR-04).
    pub fn recovered(&self) -> bool {
        self.0.recovered
    }

    /// Whether it has been let in and has not left.
    pub fn connected(&self) -> bool {
        // Acquire: pairs with the release in `set_state`, so that who sees it connected sees its rooms.
        self.0.state.load(Ordering::Acquire) == CONNECTED
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == GONE
    }

    /// `polling` or `websocket`.
    pub fn transport(&self) -> &'static str {
        self.0.session.transport().name()
    }

    /// The application's own data.
    pub fn data(&self) -> Json {
        self.0.data.lock_unpoisoned().clone()
    }

    /// Replaces the application's own data.
    pub fn set_data(&self, data: Json) {
        *self.0.data.lock_unpoisoned() = data;
    }

    // ---- rooms

    /// Joins one room or several. When it returns, broadcasts to them reach this socket. A room takes its name and about
    /// 512 bytes of what a connection may hold ([`Options::max_held`](crate::Options::max_held)); one too many closes it,
    /// and so does a name that is longer than [`Options::max_name`](crate::Options::max_name).
    pub fn join(&self, rooms: impl IntoRooms) {
        let rooms = rooms.into_rooms();
        if rooms.iter().any(|room| room.len() > self.0.session.server.options().max_name) {
            self.hold_too_much();
            return;
        }
        self.nsp().adapter().add_all(self, &rooms);
    }

    /// Leaves a room.
    pub fn leave(&self, room: impl AsRef<str>) {
        self.nsp().adapter().del(self.id(), room.as_ref());
    }

    /// The rooms it is in, its own id among them.
    pub fn rooms(&self) -> Vec<Room> {
        self.nsp().adapter().socket_rooms(self.id())
    }

    // ---- handlers

    fn handlers(&self, change: impl FnOnce(&mut Handlers)) -> &Self {
        change(&mut self.0.handlers.write_unpoisoned());
        self
    }

    /// Handles an event. Several handlers of one event run in the order of their registration. Handlers of one
    /// connection run one after another, in the order of the events; work that waits belongs into a task of its own.
    pub fn on(&self, event: &str, handler: impl Fn(&Self, Event) + Send + Sync + 'static) -> &Self {
        self.listen(event, Listener { run: Arc::new(handler), once: false })
    }

    /// Handles the next event of that name, and no further one.
    pub fn once(&self, event: &str, handler: impl Fn(&Self, Event) + Send + Sync + 'static) -> &Self {
        self.listen(event, Listener { run: Arc::new(handler), once: true })
    }

    fn listen(&self, event: &str, listener: Listener) -> &Self {
        self.handlers(|handlers| handlers.events.entry(event.to_owned()).or_default().push(listener))
    }

    /// Removes the handlers of an event.
    pub fn off(&self, event: &str) -> &Self {
        self.handlers(|handlers| drop(handlers.events.remove(event)))
    }

    /// Called for every event, ahead of its handlers.
    pub fn on_any(&self, handler: impl Fn(&Self, Event) + Send + Sync + 'static) -> &Self {
        self.handlers(|handlers| handlers.any.push(Arc::new(handler)))
    }

    /// Handles the events that no [`on`](Self::on) handles.
    pub fn on_fallback(&self, handler: impl Fn(&Self, Event) + Send + Sync + 'static) -> &Self {
        self.handlers(|handlers| handlers.fallback = Some(Arc::new(handler)))
    }

    /// Called when it is about to leave; its rooms are still there.
    pub fn on_disconnecting(&self, handler: impl Fn(&Self, Reason) + Send + Sync + 'static) -> &Self {
        self.handlers(|handlers| handlers.disconnecting.push(Arc::new(handler)))
    }

    /// Called when it has left; its rooms are gone.
    pub fn on_disconnect(&self, handler: impl Fn(&Self, Reason) + Send + Sync + 'static) -> &Self {
        self.handlers(|handlers| handlers.disconnect.push(Arc::new(handler)))
    }

    /// Called when a socket middleware refuses an event.
    pub fn on_error(&self, handler: impl Fn(&Self, &str) + Send + Sync + 'static) -> &Self {
        self.handlers(|handlers| handlers.errors.push(Arc::new(handler)))
    }

    /// Looks at every event ahead of its handler; may change or refuse it.
    pub fn with_middleware(
        &self,
        middleware: impl Fn(&Self, &mut Event) -> Result<(), String> + Send + Sync + 'static,
    ) -> &Self {
        self.handlers(|handlers| handlers.middlewares.push(Arc::new(middleware)))
    }

    // ---- sending

    /// Emits to this client. When it returns, the packet is queued on its connection.
    pub fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), ArgsError> {
        self.emit_flagged(Flags::default(), event, args)
    }

    /// Emits the event `message`.
    pub fn send(&self, args: impl IntoArgs) -> Result<(), ArgsError> {
        self.emit("message", args)
    }

    /// Emits and waits for the client's answer, for as long as it is connected;
    /// [`timeout`](Self::timeout) sets an end to that.
    pub async fn emit_with_ack(&self, event: &str, args: impl IntoArgs) -> Result<Args, AckError> {
        self.ask(Flags::default(), None, event, args).await
    }

    /// Packets of the next emit that do not leave at once are dropped.
    pub fn volatile(&self) -> Emitter {
        self.emitter().volatile()
    }

    /// Whether the polling answer of the next emit may be compressed.
    pub fn compress(&self, compress: bool) -> Emitter {
        self.emitter().compress(compress)
    }

    /// How long the next emit waits for an acknowledgement.
    pub fn timeout(&self, timeout: Duration) -> Emitter {
        self.emitter().timeout(timeout)
    }

    /// Broadcasts of the next emit address this node only.
    pub fn local(&self) -> Emitter {
        self.emitter().local()
    }

    fn emitter(&self) -> Emitter {
        Emitter::new(self.clone())
    }

    pub(crate) fn emit_flagged(&self, flags: Flags, event: &str, args: impl IntoArgs) -> Result<(), ArgsError> {
        let args = arguments(event, args)?;
        let outgoing = Outgoing { nsp: self.nsp().path(), args, flags, parser: self.nsp().parser() };
        match (self.nsp().recovery(), flags.volatile) {
            // What may have to be sent once more goes through the adapter, which remembers it.
            (Some(_), false) => {
                let only = Selection { only: Some(self.sid().clone()), ..Selection::default() };
                self.nsp().adapter().broadcast(&only, &outgoing);
            }
            (_, true) => {
                self.send_volatile(&outgoing.frames(), flags.compress);
            }
            (None, false) => {
                self.send_frames(&outgoing.frames(), flags.compress);
            }
        }
        Ok(())
    }

    pub(crate) async fn ask(
        &self,
        flags: Flags,
        timeout: Option<Duration>,
        event: &str,
        args: impl IntoArgs,
    ) -> Result<Args, AckError> {
        let args = arguments(event, args)?;
        let id = self.nsp().next_ack_id();
        let (sender, receiver) = oneshot::channel();
        self.expect_ack(id, Waiting::One(sender));
        // Dropped with this future, too: nobody keeps waiting for an answer that nobody wants.
        let _forget = Forget(self, id);
        let packet = Packet { id: Some(id), ..Packet::event(self.nsp().path(), args) };
        if !self.send_frames(&self.nsp().parser().encode(&packet), flags.compress) {
            return Err(AckError::Disconnected);
        }
        let Some(timeout) = timeout else { return receiver.await.map_err(|_| AckError::Disconnected) };
        match tokio::time::timeout(timeout, receiver).await {
            Ok(answer) => answer.map_err(|_| AckError::Disconnected),
            Err(_) => Err(AckError::Timeout(timeout)),
        }
    }

    /// Selects everybody in the namespace but this socket.
    pub fn broadcast(&self) -> BroadcastOperator {
        BroadcastOperator::new(vec![self.nsp().clone()], Some(self.0.id.clone()))
    }

    /// Selects rooms, without this socket.
    pub fn to(&self, rooms: impl IntoRooms) -> BroadcastOperator {
        self.broadcast().to(rooms)
    }

    /// The same as [`to`](Self::to).
    pub fn in_room(&self, rooms: impl IntoRooms) -> BroadcastOperator {
        self.to(rooms)
    }

    /// Selects everybody but this socket and the members of rooms.
    pub fn except(&self, rooms: impl IntoRooms) -> BroadcastOperator {
        self.broadcast().except(rooms)
    }

    /// Leaves the namespace; with `close`, every namespace and then the connection.
    pub fn disconnect(&self, close: bool) {
        if close {
            self.0.session.disconnect_all();
        } else {
            self.0.session.disconnect(self);
        }
    }

    pub(crate) fn send_frames(&self, frames: &Frames, compress: bool) -> bool {
        self.0.session.send(self.nsp().name(), frames, compress)
    }

    pub(crate) fn send_volatile(&self, frames: &Frames, compress: bool) -> bool {
        self.0.session.send_volatile(self.nsp().name(), frames, compress)
    }

    /// It was sent something that has a place in the order of its cluster, or that should have one.
    pub(crate) fn note_place(&self, has_place: bool) {
        self.0.lacks_place.store(!has_place, Ordering::Relaxed);
    }

    /// Whether what it was sent last has no place: if it came back by the place that it knows, it would get that twice.
    pub(crate) fn lacks_place(&self) -> bool {
        self.0.lacks_place.load(Ordering::Relaxed)
    }

    /// As [`Session::hold`].
    pub(crate) fn hold(&self, bytes: usize) -> bool {
        self.0.session.hold(bytes)
    }

    /// Ends with its connection.
    pub(crate) async fn until_gone(&self) {
        self.0.session.ended().await;
    }

    /// All that there is for everybody is held.
    pub(crate) fn hold_too_much(&self) -> bool {
        self.hold(usize::MAX)
    }

    pub(crate) fn let_go(&self, bytes: usize) {
        self.0.session.let_go(bytes);
    }

    pub(crate) fn send_ack(&self, id: u64, args: Args) {
        let frames = self.nsp().parser().encode(&Packet::ack(self.nsp().path(), id, args));
        self.send_frames(&frames, true);
    }

    pub(crate) fn send_expecting(&self, id: u64, frames: &Frames, compress: bool, answers: &Arc<Answers>) -> bool {
        self.expect_ack(id, Waiting::Many(answers.clone()));
        let sent = self.send_frames(frames, compress);
        if !sent {
            self.forget_ack(id);
        }
        sent
    }

    fn expect_ack(&self, id: u64, waiting: Waiting) {
        self.0.acks.lock_unpoisoned().insert(id, waiting);
    }

    pub(crate) fn forget_ack(&self, id: u64) {
        if fault!(self.0.session.server, QuestionsEndTogether) {
            self.0.acks.lock_unpoisoned().clear();
        }
        drop(self.take_ack(id));
    }

    fn take_ack(&self, id: u64) -> Option<Waiting> {
        self.0.acks.lock_unpoisoned().remove(&id)
    }

    // ---- what the session tells

    /// Whether a fault lists it although it is gone.
    pub(crate) fn is_fetched_anyhow(&self) -> bool {
        fault!(self.0.session.server, AwayFetched) || fault!(self.0.session.server, PendingFetched)
    }

    pub(crate) fn set_connected(&self) {
        let connected = (CONNECTING, CONNECTED, Ordering::AcqRel, Ordering::Acquire);
        let _ = self.0.state.compare_exchange(connected.0, connected.1, connected.2, connected.3);
    }

    #[cfg(feature = "faults")]
    fn take_anybodys_ack(&self, id: u64) -> Option<Waiting> {
        let mut found = None;
        if fault!(self.0.session.server, AckFromAnybody) {
            let everybody = Selection::default();
            self.nsp().adapter().for_each(&everybody, &mut |other| found = found.take().or_else(|| other.take_ack(id)));
        }
        found
    }

    pub(crate) fn receive_ack(&self, incoming: Incoming) {
        // Late, doubled and unknown ids are ignored (SIO-AK-05).
        let mine = incoming.id.and_then(|id| self.take_ack(id));
        #[cfg(feature = "faults")]
        let mine = mine.or_else(|| incoming.id.and_then(|id| self.take_anybodys_ack(id)));
        match mine {
            Some(Waiting::One(sender)) => drop(sender.send(incoming.args)),
            Some(Waiting::Many(answers)) => answers.push(incoming.args),
            None if fault!(self.0.session.server, LateAckCloses) => self.disconnect(true),
            None => {}
        }
    }

    pub(crate) fn receive_event(&self, incoming: &Incoming) {
        let Some(name) = incoming.args.event_name() else { return };
        let name = name.into_owned();
        let Ok(args) = incoming.args.tail(1) else { return };
        let ack = incoming.id.map(|id| Ack::new(self.clone(), id));
        self.dispatch(Event { name, args, ack });
    }

    /// Runs the middlewares and the handler of an event, as if the client had sent it.
    fn dispatch(&self, mut event: Event) {
        let handlers = self.0.handlers.read_unpoisoned();
        let middlewares = handlers.middlewares.clone();
        drop(handlers);
        for middleware in middlewares {
            #[cfg(feature = "faults")]
            let before = event.clone();
            let passed = middleware(self, &mut event);
            #[cfg(feature = "faults")]
            if fault!(self.0.session.server, RewriteLost) {
                event = before;
            }
            if let Err(message) = passed {
                #[cfg(feature = "faults")]
                if let Some(ack) = event.ack.as_ref().filter(|_| fault!(self.0.session.server, RefusedEventAcked)) {
                    ack.send(());
                }
                let errors = self.0.handlers.read_unpoisoned().errors.clone();
                errors.iter().for_each(|handler| handler(self, &message));
                return;
            }
        }
        for run in self.listeners(&event.name) {
            run(self, event.clone());
        }
        if fault!(self.0.session.server, ForgottenAcked)
            && let Some(ack) = event.ack.filter(Ack::is_forgotten)
        {
            ack.send(());
        }
    }

    /// Who is to be told of an event, in order. Taken out of the lock, as a handler may register others.
    fn listeners(&self, event: &str) -> Vec<OnEvent> {
        let handlers = self.0.handlers.read_unpoisoned();
        let mut found = handlers.any.clone();
        let own = handlers.events.get(event);
        match own {
            Some(own) => found.extend(own.iter().map(|listener| listener.run.clone())),
            None => found.extend(handlers.fallback.clone()),
        }
        let fleeting = own.is_some_and(|own| own.iter().any(|listener| listener.once));
        drop(handlers);
        if fleeting {
            self.handlers(|handlers| {
                if let Some(own) = handlers.events.get_mut(event) {
                    own.retain(|listener| !listener.once);
                    if own.is_empty() {
                        handlers.events.remove(event);
                    }
                }
            });
        }
        found
    }

    /// Tells the handlers and leaves the rooms, once. A socket that never came in leaves silently (SIO-DC-07).
    pub(crate) fn leave_namespace(&self, reason: Reason) {
        if self.0.leaving.swap(true, Ordering::AcqRel) {
            return;
        }
        let before = self.0.state.load(Ordering::Acquire);
        let server = &self.0.session.server;
        let reason = if fault!(server, ReasonWrong) { Reason::TransportError } else { reason };
        if fault!(server, DisconnectingLate) {
            self.nsp().adapter().del_all(self.id());
        }
        let handlers = self.0.handlers.read_unpoisoned();
        let (disconnecting, disconnect) = (handlers.disconnecting.clone(), handlers.disconnect.clone());
        drop(handlers);
        if before == CONNECTED {
            disconnecting.iter().for_each(|handler| handler(self, reason));
        }
        // Release: who sees it gone must not put it back into a room (`Adapter::add_all` asks under its lock).
        self.0.state.store(GONE, Ordering::Release);
        let may_return = reason.is_recoverable() || fault!(server, RecoverLeft);
        if before == CONNECTED && self.pid().is_some() && may_return {
            self.nsp().adapter().persist(self);
        } else if before == CONNECTED || !fault!(server, RefusedStays) {
            self.nsp().adapter().del_all(self.id());
        }
        if before == CONNECTED {
            disconnect.iter().for_each(|handler| handler(self, reason));
        }
        self.0.acks.lock_unpoisoned().clear();
        // Handlers may hold the socket itself; letting them go breaks the cycle.
        *self.0.handlers.write_unpoisoned() = Handlers::default();
        server.left(self.nsp());
    }
}

/// Ends the wait for an acknowledgement.
struct Forget<'a>(&'a Socket, u64);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.forget_ack(self.1);
    }
}

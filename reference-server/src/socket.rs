//! One client in one namespace.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use serde_json::Value as Json;
use sio_protocol::{Args, ArgsError, ByteString, Frames, Incoming, IntoArgs, Packet};
use tokio::sync::{mpsc, oneshot};

use crate::adapter::Room;
use crate::broadcast::BroadcastOperator;
use crate::event::{Ack, AckError, Event};
use crate::session::{Request, Session};
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
    /// The JSON object of the CONNECT packet, as text; `{}` when there was none (SIO-CN-03).
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

    /// The address of the client.
    pub fn address(&self) -> std::net::SocketAddr {
        self.request.address
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
    recovered: bool,
    data: Mutex<Json>,
    handlers: RwLock<Handlers>,
    acks: Mutex<HashMap<u64, Waiting>>,
}

#[derive(Default)]
struct Handlers {
    events: HashMap<String, OnEvent>,
    any: Vec<OnEvent>,
    disconnecting: Vec<OnReason>,
    disconnect: Vec<OnReason>,
    errors: Vec<OnError>,
    middlewares: Vec<PacketMiddleware>,
}

/// Who waits for an acknowledgement of the client.
enum Waiting {
    One(oneshot::Sender<Args>),
    Many(mpsc::UnboundedSender<Args>),
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
    pub(crate) fn new(id: &str, nsp: Namespace, session: Arc<Session>, auth: ByteString) -> Self {
        let handshake = Handshake { request: session.request(), auth };
        Self(Arc::new(Inner {
            id: id.into(),
            nsp,
            session,
            handshake,
            state: AtomicU8::new(CONNECTING),
            recovered: false,
            data: Mutex::new(Json::Object(serde_json::Map::new())),
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

    /// Whether the state of an earlier connection was restored. Recovery is not there yet: always false.
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
        self.0.data.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the application's own data.
    pub fn set_data(&self, data: Json) {
        *self.0.data.lock().unwrap_or_else(PoisonError::into_inner) = data;
    }

    // ---- rooms

    /// Joins a room. When it returns, broadcasts to the room reach this socket.
    pub fn join(&self, room: impl AsRef<str>) {
        self.join_all([room]);
    }

    /// Joins several rooms at once.
    pub fn join_all(&self, rooms: impl IntoIterator<Item = impl AsRef<str>>) {
        let rooms: Vec<Room> = rooms.into_iter().map(|room| room.as_ref().into()).collect();
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
        change(&mut self.0.handlers.write().unwrap_or_else(PoisonError::into_inner));
        self
    }

    /// Handles an event. Handlers of one connection run one after another, in the order of the events; work
    /// that waits belongs into a task of its own.
    pub fn on(&self, event: &str, handler: impl Fn(&Self, Event) + Send + Sync + 'static) -> &Self {
        self.handlers(|handlers| {
            handlers.events.insert(event.to_owned(), Arc::new(handler));
        })
    }

    /// Handles every event that no [`on`](Self::on) handles.
    pub fn on_any(&self, handler: impl Fn(&Self, Event) + Send + Sync + 'static) -> &Self {
        self.handlers(|handlers| handlers.any.push(Arc::new(handler)))
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
        self.send(&Packet::event(self.nsp().path(), Args::event(event, args)?).encode());
        Ok(())
    }

    /// Emits only if the packet leaves at once.
    pub fn emit_volatile(&self, event: &str, args: impl IntoArgs) -> Result<(), ArgsError> {
        self.send_volatile(&Packet::event(self.nsp().path(), Args::event(event, args)?).encode());
        Ok(())
    }

    /// Emits and waits for the client's answer.
    ///
    /// Arguments that cannot be serialized are answered like a client that is gone.
    pub async fn emit_with_ack(&self, timeout: Duration, event: &str, args: impl IntoArgs) -> Result<Args, AckError> {
        let Ok(args) = Args::event(event, args) else { return Err(AckError::Disconnected) };
        let id = self.nsp().next_ack_id();
        let (sender, receiver) = oneshot::channel();
        self.expect_ack(id, Waiting::One(sender));
        let packet = Packet { id: Some(id), ..Packet::event(self.nsp().path(), args) };
        if !self.send(&packet.encode()) {
            self.forget_ack(id);
        }
        match tokio::time::timeout(timeout, receiver).await {
            Ok(Ok(args)) => Ok(args),
            Ok(Err(_)) => Err(AckError::Disconnected),
            Err(_) => {
                self.forget_ack(id);
                Err(AckError::Timeout(timeout))
            }
        }
    }

    /// Selects everybody in the namespace but this socket.
    pub fn broadcast(&self) -> BroadcastOperator {
        BroadcastOperator::new(vec![self.nsp().clone()], Some(self.0.id.clone()))
    }

    /// Selects a room, without this socket.
    pub fn to(&self, room: impl AsRef<str>) -> BroadcastOperator {
        self.broadcast().to(room)
    }

    /// Selects everybody but this socket and the members of a room.
    pub fn except(&self, room: impl AsRef<str>) -> BroadcastOperator {
        self.broadcast().except(room)
    }

    /// Leaves the namespace; with `close`, every namespace and then the connection.
    pub fn disconnect(&self, close: bool) {
        if close {
            self.0.session.disconnect_all();
        } else {
            self.0.session.disconnect(self);
        }
    }

    pub(crate) fn send(&self, frames: &Frames) -> bool {
        self.0.session.send(self.nsp().name(), frames)
    }

    pub(crate) fn send_volatile(&self, frames: &Frames) -> bool {
        self.0.session.send_volatile(self.nsp().name(), frames)
    }

    pub(crate) fn send_ack(&self, id: u64, args: Args) {
        self.send(&Packet::ack(self.nsp().path(), id, args).encode());
    }

    pub(crate) fn send_expecting(&self, id: u64, frames: &Frames, answers: mpsc::UnboundedSender<Args>) -> bool {
        self.expect_ack(id, Waiting::Many(answers));
        let sent = self.send(frames);
        if !sent {
            self.forget_ack(id);
        }
        sent
    }

    fn expect_ack(&self, id: u64, waiting: Waiting) {
        self.0.acks.lock().unwrap_or_else(PoisonError::into_inner).insert(id, waiting);
    }

    pub(crate) fn forget_ack(&self, id: u64) -> Option<()> {
        self.take_ack(id).map(drop)
    }

    fn take_ack(&self, id: u64) -> Option<Waiting> {
        self.0.acks.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }

    // ---- what the session tells

    pub(crate) fn set_connected(&self) {
        let connected = (CONNECTING, CONNECTED, Ordering::AcqRel, Ordering::Acquire);
        let _ = self.0.state.compare_exchange(connected.0, connected.1, connected.2, connected.3);
    }

    pub(crate) fn receive_ack(&self, incoming: Incoming) {
        // Late, doubled and unknown ids are ignored (SIO-AK-05).
        match incoming.id.and_then(|id| self.take_ack(id)) {
            Some(Waiting::One(sender)) => drop(sender.send(incoming.args)),
            Some(Waiting::Many(sender)) => drop(sender.send(incoming.args)),
            None => {}
        }
    }

    pub(crate) fn receive_event(&self, incoming: &Incoming) {
        let Some(name) = incoming.args.event_name() else { return };
        let name = name.into_owned();
        let Ok(args) = incoming.args.tail(1) else { return };
        let ack = incoming.id.map(|id| Ack { socket: self.clone(), id, sent: AtomicBool::new(false) });
        self.dispatch(Event { name, args, ack });
    }

    /// Runs the middlewares and the handler of an event, as if the client had sent it.
    fn dispatch(&self, mut event: Event) {
        let handlers = self.0.handlers.read().unwrap_or_else(PoisonError::into_inner);
        let middlewares = handlers.middlewares.clone();
        drop(handlers);
        for middleware in middlewares {
            if let Err(message) = middleware(self, &mut event) {
                let errors = self.0.handlers.read().unwrap_or_else(PoisonError::into_inner).errors.clone();
                errors.iter().for_each(|handler| handler(self, &message));
                return;
            }
        }
        let handlers = self.0.handlers.read().unwrap_or_else(PoisonError::into_inner);
        // Cloned out of the lock: a handler may register others.
        let handler = handlers.events.get(&event.name).or(handlers.any.first()).cloned();
        drop(handlers);
        if let Some(handler) = handler {
            handler(self, event);
        }
    }

    /// Tells the handlers and leaves the rooms, once. A socket that never came in leaves silently (SIO-DC-07).
    pub(crate) fn leave_namespace(&self, reason: Reason) {
        let before = self.0.state.load(Ordering::Acquire);
        if before == GONE {
            return;
        }
        let handlers = self.0.handlers.read().unwrap_or_else(PoisonError::into_inner);
        let (disconnecting, disconnect) = (handlers.disconnecting.clone(), handlers.disconnect.clone());
        drop(handlers);
        if before == CONNECTED {
            disconnecting.iter().for_each(|handler| handler(self, reason));
        }
        // Release: who sees it gone must not put it back into a room (`Adapter::add_all` asks under its lock).
        self.0.state.store(GONE, Ordering::Release);
        self.nsp().adapter().del_all(self.id());
        if before == CONNECTED {
            disconnect.iter().for_each(|handler| handler(self, reason));
        }
        self.0.acks.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // Handlers may hold the socket itself; letting them go breaks the cycle.
        *self.0.handlers.write().unwrap_or_else(PoisonError::into_inner) = Handlers::default();
    }
}

//! Namespaces: who may come in, and what happens then.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde_json::Value as Json;
use sio_protocol::{ArgsError, ByteString, IntoArgs};

use crate::adapter::{Adapter, MemoryAdapter};
use crate::broadcast::BroadcastOperator;
use crate::{Args, Socket};

/// A refusal by a middleware: what the client finds in its CONNECT_ERROR.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConnectError {
    /// The message.
    pub message: String,
    /// More about it.
    pub data: Option<Json>,
}

impl ConnectError {
    /// A refusal with a message alone.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }

    /// The payload of the packet.
    pub(crate) fn to_json(&self) -> String {
        let mut body = serde_json::Map::new();
        body.insert("message".to_owned(), Json::from(self.message.as_str()));
        body.extend(self.data.clone().map(|data| ("data".to_owned(), data)));
        Json::Object(body).to_string()
    }
}

pub(crate) type Decision = Pin<Box<dyn Future<Output = Result<(), ConnectError>> + Send>>;
type Middleware = Arc<dyn Fn(Socket) -> Decision + Send + Sync>;
type OnConnection = Arc<dyn Fn(&Socket) + Send + Sync>;
type OnServerSide = Arc<dyn Fn(Args) + Send + Sync>;

/// Middlewares and handlers; a dynamic namespace shares those of its parent.
#[derive(Default)]
pub(crate) struct Setup {
    middlewares: RwLock<Vec<Middleware>>,
    on_connection: RwLock<Vec<OnConnection>>,
}

impl Setup {
    fn add_middleware<F>(&self, middleware: impl Fn(Socket) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), ConnectError>> + Send + 'static,
    {
        let middleware: Middleware = Arc::new(move |socket| Box::pin(middleware(socket)));
        self.middlewares.write().unwrap_or_else(PoisonError::into_inner).push(middleware);
    }

    fn add_on_connection(&self, handler: impl Fn(&Socket) + Send + Sync + 'static) {
        self.on_connection.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(handler));
    }

    fn middlewares(&self) -> Vec<Middleware> {
        self.middlewares.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn on_connection(&self) -> Vec<OnConnection> {
        self.on_connection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A namespace. A cheap handle: clones are the same namespace.
#[derive(Clone)]
pub struct Namespace(Arc<Inner>);

struct Inner {
    path: ByteString,
    parent: Option<Arc<Setup>>,
    own: Setup,
    adapter: Arc<dyn Adapter>,
    next_ack_id: AtomicU64,
    server_side: Mutex<HashMap<String, OnServerSide>>,
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Namespace({})", self.name())
    }
}

impl Namespace {
    pub(crate) fn new(path: ByteString, parent: Option<Arc<Setup>>) -> Self {
        Self(Arc::new(Inner {
            path,
            parent,
            own: Setup::default(),
            adapter: Arc::new(MemoryAdapter::default()),
            next_ack_id: AtomicU64::new(0),
            server_side: Mutex::default(),
        }))
    }

    /// The name, with its leading slash.
    pub fn name(&self) -> &str {
        &self.0.path
    }

    pub(crate) fn path(&self) -> ByteString {
        self.0.path.clone()
    }

    /// The rooms.
    pub fn adapter(&self) -> &dyn Adapter {
        &*self.0.adapter
    }

    /// Whether a pattern or function brought it into being.
    pub fn is_dynamic(&self) -> bool {
        self.0.parent.is_some()
    }

    /// Called for every socket that comes in, before it can send anything.
    pub fn on_connection(&self, handler: impl Fn(&Socket) + Send + Sync + 'static) -> &Self {
        self.0.own.add_on_connection(handler);
        self
    }

    /// Decides whether a socket may come in; they run in the order of registration until one refuses.
    pub fn with_middleware<F>(&self, middleware: impl Fn(Socket) -> F + Send + Sync + 'static) -> &Self
    where
        F: Future<Output = Result<(), ConnectError>> + Send + 'static,
    {
        self.0.own.add_middleware(middleware);
        self
    }

    fn operator(&self) -> BroadcastOperator {
        BroadcastOperator::new(vec![self.clone()], None)
    }

    /// Selects a room.
    pub fn to(&self, room: impl AsRef<str>) -> BroadcastOperator {
        self.operator().to(room)
    }

    /// Selects everybody but the members of a room.
    pub fn except(&self, room: impl AsRef<str>) -> BroadcastOperator {
        self.operator().except(room)
    }

    /// Selects everybody.
    pub fn broadcast(&self) -> BroadcastOperator {
        self.operator()
    }

    /// Emits to everybody.
    pub fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), ArgsError> {
        self.operator().emit(event, args)
    }

    /// Everybody who is here.
    pub fn fetch_sockets(&self) -> Vec<Socket> {
        self.operator().fetch_sockets()
    }

    /// Answers [`server_side_emit`](Self::server_side_emit) of other nodes.
    pub fn on_server_side(&self, event: &str, handler: impl Fn(Args) + Send + Sync + 'static) {
        let mut handlers = self.0.server_side.lock().unwrap_or_else(PoisonError::into_inner);
        handlers.insert(event.to_owned(), Arc::new(handler));
    }

    /// Sends an event to the other nodes and collects their answers: none, as there is one node (UT-06).
    pub fn server_side_emit(&self, _event: &str, _args: impl IntoArgs) -> Vec<Args> {
        Vec::new()
    }

    pub(crate) fn next_ack_id(&self) -> u64 {
        // Relaxed: only uniqueness matters.
        self.0.next_ack_id.fetch_add(1, Ordering::Relaxed)
    }

    /// The parent's middlewares, then its own; `None` when there are none.
    pub(crate) fn decide(&self, socket: &Socket) -> Option<Decision> {
        let mut middlewares = self.0.parent.as_ref().map(|parent| parent.middlewares()).unwrap_or_default();
        middlewares.extend(self.0.own.middlewares());
        if middlewares.is_empty() {
            return None;
        }
        let socket = socket.clone();
        Some(Box::pin(async move {
            for middleware in middlewares {
                middleware(socket.clone()).await?;
            }
            Ok(())
        }))
    }

    pub(crate) fn run_on_connection(&self, socket: &Socket) {
        let parent = self.0.parent.as_ref().map(|parent| parent.on_connection()).unwrap_or_default();
        for handler in parent.into_iter().chain(self.0.own.on_connection()) {
            handler(socket);
        }
    }
}

pub(crate) type Matcher = Box<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// A dynamic namespace: its children come into being when a client asks for a name that matches.
#[derive(Clone)]
pub struct ParentNamespace(Arc<ParentInner>);

struct ParentInner {
    matcher: Matcher,
    setup: Arc<Setup>,
    children: Mutex<Vec<Namespace>>,
}

impl ParentNamespace {
    pub(crate) fn new(matcher: Matcher) -> Self {
        Self(Arc::new(ParentInner { matcher, setup: Arc::default(), children: Mutex::default() }))
    }

    /// As [`Namespace::on_connection`], for every child.
    pub fn on_connection(&self, handler: impl Fn(&Socket) + Send + Sync + 'static) -> &Self {
        self.0.setup.add_on_connection(handler);
        self
    }

    /// As [`Namespace::with_middleware`], for every child.
    pub fn with_middleware<F>(&self, middleware: impl Fn(Socket) -> F + Send + Sync + 'static) -> &Self
    where
        F: Future<Output = Result<(), ConnectError>> + Send + 'static,
    {
        self.0.setup.add_middleware(middleware);
        self
    }

    /// Selects everybody in every child (NS-09).
    pub fn broadcast(&self) -> BroadcastOperator {
        BroadcastOperator::new(self.children().clone(), None)
    }

    /// Selects a room of every child.
    pub fn to(&self, room: impl AsRef<str>) -> BroadcastOperator {
        self.broadcast().to(room)
    }

    /// Emits to everybody in every child.
    pub fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), ArgsError> {
        self.broadcast().emit(event, args)
    }

    pub(crate) fn matches(&self, name: &str, auth: &str) -> bool {
        (self.0.matcher)(name, auth)
    }

    pub(crate) fn create_child(&self, name: ByteString) -> Namespace {
        let child = Namespace::new(name, Some(self.0.setup.clone()));
        self.children().push(child.clone());
        child
    }

    pub(crate) fn forget_child(&self, name: &str) {
        self.children().retain(|child| child.name() != name);
    }

    fn children(&self) -> std::sync::MutexGuard<'_, Vec<Namespace>> {
        self.0.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Namespaces: who may come in, and what happens then.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, Weak};

use indexmap::IndexMap;
use serde_json::Value as Json;
use sio_protocol::{ArgsError, ByteString, IntoArgs, Packet, Parser};

use crate::adapter::{Adapter, Selection, Shared};
use crate::broadcast::{Answers, Asked, BroadcastOperator};
use crate::cluster::ClusterError;
use crate::cluster::wire::Message;
use crate::event::ServerSideEvent;
use crate::lock::{LockExt, RwLockExt};
use crate::{Args, Flags, Options, Recovery, Socket};

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

    /// A refusal with more about it.
    pub fn with_data(message: impl Into<String>, data: Json) -> Self {
        Self { message: message.into(), data: Some(data) }
    }
}

pub(crate) type Decision = Pin<Box<dyn Future<Output = Result<(), ConnectError>> + Send>>;
type Middleware = Arc<dyn Fn(Socket) -> Decision + Send + Sync>;
type OnConnection = Arc<dyn Fn(&Socket) + Send + Sync>;
type OnServerSide = Arc<dyn Fn(ServerSideEvent) + Send + Sync>;

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
        self.middlewares.write_unpoisoned().push(middleware);
    }

    fn add_on_connection(&self, handler: impl Fn(&Socket) + Send + Sync + 'static) {
        self.on_connection.write_unpoisoned().push(Arc::new(handler));
    }

    fn middlewares(&self) -> Vec<Middleware> {
        self.middlewares.read_unpoisoned().clone()
    }

    fn on_connection(&self) -> Vec<OnConnection> {
        self.on_connection.read_unpoisoned().clone()
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
    parser: Parser,
    recovery: Option<Recovery>,
    /// Sockets that are in, or on their way in. Changed under the server's lock of its namespaces where that matters.
    users: AtomicUsize,
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Namespace({})", self.name())
    }
}

impl Namespace {
    pub(crate) fn new(path: ByteString, parent: Option<Arc<Setup>>, options: &Options, shared: &Shared) -> Self {
        let adapter = options.adapter_of(&path, shared);
        let nsp = Self(Arc::new(Inner {
            path,
            parent,
            own: Setup::default(),
            adapter,
            next_ack_id: AtomicU64::new(0),
            server_side: Mutex::default(),
            parser: options.parser,
            recovery: options.connection_state_recovery.clone(),
            users: AtomicUsize::new(0),
        }));
        if let Some(member) = nsp.adapter().cluster() {
            member.belongs_to(&nsp);
        }
        nsp
    }

    /// A handle that does not keep it.
    pub(crate) fn downgrade(&self) -> WeakNamespace {
        WeakNamespace(Arc::downgrade(&self.0))
    }

    /// The name, with its leading slash.
    pub fn name(&self) -> &str {
        &self.0.path
    }

    pub(crate) fn path(&self) -> ByteString {
        self.0.path.clone()
    }

    /// One more socket asks to come in.
    pub(crate) fn enter(&self) {
        self.0.users.fetch_add(1, Ordering::AcqRel);
    }

    /// A socket has left, or was not let in; true when it was the last.
    pub(crate) fn leave(&self) -> bool {
        self.0.users.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Whether this is the same namespace, not another one of its name.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn is_deserted(&self) -> bool {
        self.0.users.load(Ordering::Acquire) == 0
    }

    pub(crate) fn parser(&self) -> Parser {
        self.0.parser
    }

    pub(crate) fn recovery(&self) -> Option<&Recovery> {
        self.0.recovery.as_ref()
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

    /// Selects everybody; the methods below are shorter ways to it.
    pub fn broadcast(&self) -> BroadcastOperator {
        BroadcastOperator::new(vec![self.clone()], None)
    }

    /// Takes [`server_side_emit`](Self::server_side_emit) of other nodes. It runs where what they send arrives, so work that waits
    /// belongs into a task of its own.
    pub fn on_server_side(&self, event: &str, handler: impl Fn(ServerSideEvent) + Send + Sync + 'static) {
        let mut handlers = self.0.server_side.lock_unpoisoned();
        handlers.insert(event.to_owned(), Arc::new(handler));
    }

    pub(crate) fn run_server_side(&self, event: ServerSideEvent) {
        let handlers = self.0.server_side.lock_unpoisoned();
        let handler = handlers.get(&event.name).cloned();
        drop(handlers);
        if let Some(handler) = handler {
            handler(event);
        }
    }

    /// Sends an event to the other nodes of the cluster, never to this one (UT-06).
    pub fn server_side_emit(&self, event: &str, args: impl IntoArgs) -> Result<(), ArgsError> {
        let args = crate::event::arguments(event, args)?;
        if let Some(member) = self.adapter().cluster() {
            member.tell(Message::Side(None, args));
        }
        Ok(())
    }

    /// Sends an event to the other nodes and collects one answer of each (UT-06); without other nodes there is none. Node's limit of
    /// five seconds is this one's, too.
    pub async fn server_side_emit_with_ack(&self, event: &str, args: impl IntoArgs) -> Result<Vec<Args>, ClusterError> {
        let args = crate::event::arguments(event, args)?;
        match self.adapter().cluster() {
            Some(member) => member.ask_nodes(args).await,
            None => Ok(Vec::new()),
        }
    }

    /// Asks the selected sockets of this node.
    pub(crate) fn put_question(
        &self,
        selection: &Selection,
        flags: Flags,
        args: &Args,
        answers: &Arc<Answers>,
    ) -> Asked {
        let mut asked = Asked::default();
        self.ask_local(selection, flags, args, answers, &mut asked, |_| true);
        asked
    }

    /// Sends a question to the selected sockets of this node that are wanted.
    pub(crate) fn ask_local(
        &self,
        selection: &Selection,
        flags: Flags,
        args: &Args,
        answers: &Arc<Answers>,
        asked: &mut Asked,
        wanted: impl Fn(&Socket) -> bool,
    ) {
        let id = self.next_ack_id();
        let packet = Packet { id: Some(id), ..Packet::event(self.path(), args.clone()) };
        let frames = self.parser().encode(&packet);
        self.adapter().for_each(selection, &mut |socket| {
            if wanted(socket) && socket.send_expecting(id, &frames, flags.compress, answers) {
                asked.push(socket.clone(), id);
            }
        });
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

/// A handle of a namespace that does not keep it.
pub(crate) struct WeakNamespace(Weak<Inner>);

impl WeakNamespace {
    pub(crate) fn upgrade(&self) -> Option<Namespace> {
        self.0.upgrade().map(Namespace)
    }
}

/// Whether a client may have a namespace: by its name and the JSON text of its auth.
pub(crate) type Accepts = Box<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// Which names a dynamic namespace takes.
pub(crate) enum Matcher {
    /// Those that match.
    Pattern(regex_lite::Regex),
    /// Those that a function accepts.
    Function(Accepts),
}

/// A dynamic namespace: its children come into being when a client asks for a name that matches.
#[derive(Clone)]
pub struct ParentNamespace(Arc<ParentInner>);

struct ParentInner {
    matcher: Matcher,
    setup: Arc<Setup>,
    children: Mutex<IndexMap<ByteString, Namespace>>,
}

impl fmt::Debug for ParentNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParentNamespace({} children)", self.children().len())
    }
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
        BroadcastOperator::new(self.children().values().cloned().collect(), None)
    }

    pub(crate) fn matches(&self, name: &str, auth: &str) -> bool {
        match &self.0.matcher {
            Matcher::Pattern(pattern) => pattern.is_match(name),
            Matcher::Function(accepts) => accepts(name, auth),
        }
    }

    /// Whether the name alone decides, and this one is taken.
    pub(crate) fn matches_name(&self, name: &str) -> bool {
        matches!(&self.0.matcher, Matcher::Pattern(pattern) if pattern.is_match(name))
    }

    pub(crate) fn create_child(&self, name: ByteString, options: &Options, shared: &Shared) -> Namespace {
        let child = Namespace::new(name.clone(), Some(self.0.setup.clone()), options, shared);
        self.children().insert(name, child.clone());
        child
    }

    pub(crate) fn forget_child(&self, name: &str) {
        self.children().swap_remove(name);
    }

    fn children(&self) -> MutexGuard<'_, IndexMap<ByteString, Namespace>> {
        self.0.children.lock_unpoisoned()
    }
}

//! The server: its namespaces and its sessions.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use indexmap::IndexMap;
use sio_protocol::server::Config;
use sio_protocol::{ArgsError, ByteString, IntoArgs, readable_json};
use tokio::net::ToSocketAddrs;
use tokio::sync::watch;

use crate::adapter::Shared;
use crate::cluster::ClusterError;
use crate::engine::EngineApp;
use crate::listener::Listener;
use crate::lock::LockExt;
use crate::namespace::{Matcher, Namespace, ParentNamespace};
use crate::options::Builder;
use crate::session::Session;
use crate::{Args, BroadcastOperator, ConnectError, Options, Socket};

type OnNamespace = Arc<dyn Fn(&Namespace) + Send + Sync>;

/// A Socket.IO server. A cheap handle: clones are the same server.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    options: Options,
    config: Config,
    /// What takes the messages of a server without Socket.IO.
    engine: Option<Arc<dyn EngineApp>>,
    /// What the adapters of all namespaces share.
    shared: Shared,
    namespaces: Mutex<Namespaces>,
    sessions: Mutex<Sessions>,
    stage: watch::Sender<Stage>,
    /// Told whenever a session is gone.
    gone: tokio::sync::Notify,
}

/// How long a server that stops waits for its broker.
const GOODBYE: Duration = Duration::from_secs(1);

/// How far the server has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Stage {
    Open,
    /// No new sessions; those that there are may fetch what is queued for them.
    Closing,
    /// The port is given up.
    Closed,
}

#[derive(Default)]
struct Sessions {
    by_sid: HashMap<String, Arc<Session>>,
    /// How many there are of each address, if that is bounded.
    by_address: HashMap<IpAddr, usize>,
}

impl Sessions {
    /// Counts a session of this address, unless there are enough of them.
    fn admits(&mut self, address: Option<IpAddr>, most: Option<usize>) -> bool {
        let (Some(address), Some(most)) = (address, most) else { return true };
        let count = self.by_address.entry(address).or_default();
        let admits = *count < most;
        *count += usize::from(admits);
        if *count == 0 {
            self.by_address.remove(&address);
        }
        admits
    }

    fn leaves(&mut self, address: IpAddr) {
        let Some(count) = self.by_address.get_mut(&address) else { return };
        *count -= 1;
        if *count == 0 {
            self.by_address.remove(&address);
        }
    }
}

#[derive(Default)]
struct Namespaces {
    by_name: IndexMap<ByteString, Namespace>,
    parents: Vec<ParentNamespace>,
    on_new: Vec<OnNamespace>,
    /// How many of them clients have brought into being.
    children: usize,
}

/// A fresh id: 15 random bytes in 20 URL-safe characters, as engine.io makes them (EIO-HS-15).
pub(crate) fn new_id() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 15]>())
}

impl Server {
    /// A server with the main namespace and no port yet.
    pub fn new(options: Options) -> Self {
        let server = Self::with(options, None);
        server.of("/");
        server
    }

    /// A server of Engine.IO alone: the messages of its clients go to the application, a closure such as
    /// `|socket: &EngineSocket, message| …` or an [`EngineApp`]. The path is that of the options, as for Socket.IO; namespaces,
    /// rooms and parsers have no meaning.
    ///
    /// ```
    /// use sio_reference_server::{EngineSocket, Message, Options, Server};
    ///
    /// let options = Options { path: "/engine.io".to_owned(), ..Options::default() };
    /// let echo = Server::engine(options, |socket: &EngineSocket, message: Message| drop(socket.send(message)));
    /// assert_eq!(echo.clients_count(), 0);
    /// ```
    pub fn engine(options: Options, app: impl EngineApp) -> Self {
        Self::with(options, Some(Arc::new(app)))
    }

    fn with(options: Options, engine: Option<Arc<dyn EngineApp>>) -> Self {
        let config = options.connection();
        Self(Arc::new(Inner {
            shared: options.shared(),
            options,
            config,
            engine,
            namespaces: Mutex::default(),
            sessions: Mutex::default(),
            stage: watch::Sender::new(Stage::Open),
            gone: tokio::sync::Notify::new(),
        }))
    }

    pub(crate) fn engine_app(&self) -> Option<&dyn EngineApp> {
        self.0.engine.as_deref()
    }

    /// Sets options one by one.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The options it was made with.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    // ---- namespaces

    fn namespaces(&self) -> MutexGuard<'_, Namespaces> {
        self.0.namespaces.lock_unpoisoned()
    }

    /// The namespace of that name, created when it is new. A new one that the pattern of a dynamic namespace matches
    /// becomes its child, with the parent's middlewares and handlers ahead of its own (NS-06); one that was there
    /// before the pattern was registered stays on its own (NS-05).
    pub fn of(&self, name: &str) -> Namespace {
        let name = if name.starts_with('/') { Cow::Borrowed(name) } else { Cow::Owned(format!("/{name}")) };
        let mut namespaces = self.namespaces();
        if let Some(existing) = namespaces.by_name.get(&*name) {
            return existing.clone();
        }
        let parent = namespaces.parents.iter().find(|parent| parent.matches_name(&name)).cloned();
        let namespace = self.create(&mut namespaces, &ByteString::from(&*name), parent.as_ref());
        let on_new = namespaces.on_new.clone();
        drop(namespaces);
        on_new.iter().for_each(|handler| handler(&namespace));
        namespace
    }

    /// [`of`](Self::of), unless that would be a new one beyond so many, or of a name that no client may have.
    pub(crate) fn of_within(&self, name: &str, most: usize) -> Option<Namespace> {
        let namespaces = self.namespaces();
        let known = namespaces.by_name.contains_key(name);
        let fits = namespaces.by_name.len() < most && name.len() <= self.0.options.max_name;
        drop(namespaces);
        (known || fits).then(|| self.of(name))
    }

    fn create(&self, namespaces: &mut Namespaces, name: &ByteString, parent: Option<&ParentNamespace>) -> Namespace {
        let options = &self.0.options;
        let namespace = match parent {
            Some(parent) => parent.create_child(name.clone(), options, &self.0.shared),
            None => Namespace::new(name.clone(), None, options, &self.0.shared),
        };
        namespaces.by_name.insert(name.clone(), namespace.clone());
        namespaces.children += usize::from(parent.is_some());
        namespace
    }

    /// Selects everybody in `/`.
    pub fn broadcast(&self) -> BroadcastOperator {
        self.of("/").broadcast()
    }

    /// [`Namespace::on_connection`] of `/`.
    pub fn on_connection(&self, handler: impl Fn(&Socket) + Send + Sync + 'static) -> &Self {
        self.of("/").on_connection(handler);
        self
    }

    /// [`Namespace::with_middleware`] of `/`.
    pub fn with_middleware<F>(&self, middleware: impl Fn(Socket) -> F + Send + Sync + 'static) -> &Self
    where
        F: Future<Output = Result<(), ConnectError>> + Send + 'static,
    {
        self.of("/").with_middleware(middleware);
        self
    }

    /// [`Namespace::server_side_emit`] of `/`.
    pub fn server_side_emit(&self, event: &str, args: impl IntoArgs) -> Result<(), ArgsError> {
        self.of("/").server_side_emit(event, args)
    }

    /// [`Namespace::server_side_emit_with_ack`] of `/`.
    pub async fn server_side_emit_with_ack(&self, event: &str, args: impl IntoArgs) -> Result<Vec<Args>, ClusterError> {
        self.of("/").server_side_emit_with_ack(event, args).await
    }

    /// A dynamic namespace for the names that match a pattern (NS-01).
    pub fn of_pattern(&self, pattern: regex_lite::Regex) -> ParentNamespace {
        self.add_parent(Matcher::Pattern(pattern))
    }

    /// A dynamic namespace for the names a function accepts; it is given the name and the JSON text of the
    /// client's auth (NS-03).
    pub fn of_fn(&self, accepts: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> ParentNamespace {
        self.add_parent(Matcher::Function(Box::new(accepts)))
    }

    fn add_parent(&self, matcher: Matcher) -> ParentNamespace {
        let parent = ParentNamespace::new(matcher);
        self.namespaces().parents.push(parent.clone());
        parent
    }

    /// Called for each namespace that comes into being from now on.
    pub fn on_new_namespace(&self, handler: impl Fn(&Namespace) + Send + Sync + 'static) {
        self.namespaces().on_new.push(Arc::new(handler));
    }

    /// The names of the namespaces there are, in the order in which they came into being.
    pub fn namespace_names(&self) -> Vec<String> {
        self.namespaces().by_name.keys().map(ToString::to_string).collect()
    }

    fn find<'n>(&self, namespaces: &'n Namespaces, name: &str) -> Option<&'n Namespace> {
        let known = namespaces.by_name.get(name)?;
        let has_pattern = || namespaces.parents.iter().any(|parent| parent.matches_name(name));
        let overlooked = fault!(self, DynamicRace) && known.is_dynamic()
            || fault!(self, DynamicWins) && !known.is_dynamic() && has_pattern();
        (!overlooked).then_some(known)
    }

    /// The namespace a CONNECT reaches: an existing one, else the child of the first parent that accepts. The caller
    /// is counted in until [`left`](Self::left).
    pub(crate) fn enter_namespace(&self, name: &ByteString, auth: &str) -> Option<Namespace> {
        let hidden = auth.is_empty() || fault!(self, FunctionWithoutAuth);
        let auth = if hidden { Cow::Borrowed("{}") } else { readable_json(auth) };
        let parents = {
            let namespaces = self.namespaces();
            if let Some(existing) = self.find(&namespaces, name) {
                existing.enter();
                return Some(existing.clone());
            }
            namespaces.parents.clone()
        };
        // The application's functions run without the lock; two clients that race for one name meet below (NS-08).
        let mut matching = parents.into_iter().filter(|parent| parent.matches(name, &auth));
        let parent = if fault!(self, PatternsReversed) { matching.last() } else { matching.next() };
        if parent.is_none() && fault!(self, UnknownAccepted) {
            let unknown = self.of(name);
            unknown.enter();
            return Some(unknown);
        }
        let parent = parent?;
        let mut namespaces = self.namespaces();
        if let Some(existing) = self.find(&namespaces, name) {
            existing.enter();
            return Some(existing.clone());
        }
        if namespaces.children >= self.0.options.max_child_namespaces {
            return None;
        }
        let child = self.create(&mut namespaces, name, Some(&parent));
        child.enter();
        let on_new = namespaces.on_new.clone();
        drop(namespaces);
        on_new.iter().for_each(|handler| handler(&child));
        Some(child)
    }

    /// A socket has left, or was not let in. A dynamic namespace goes with its last one, if the options say so
    /// (NS-11); somebody who is on the way in keeps it.
    pub(crate) fn left(&self, nsp: &Namespace) {
        if !nsp.leave() && !fault!(self, ChildOfOthersCleaned)
            || !self.0.options.cleanup_empty_child_namespaces
            || !nsp.is_dynamic()
        {
            return;
        }
        let mut namespaces = self.namespaces();
        let empty = nsp.is_deserted() || fault!(self, ChildOfOthersCleaned);
        if empty && namespaces.by_name.get(nsp.name()).is_some_and(|known| known.is(nsp)) {
            namespaces.by_name.shift_remove(nsp.name());
            namespaces.children -= 1;
            namespaces.parents.iter().for_each(|parent| parent.forget_child(nsp.name()));
        }
    }

    // ---- sessions

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.0.sessions.lock_unpoisoned()
    }

    pub(crate) fn session(&self, sid: &str) -> Option<Arc<Session>> {
        self.sessions().by_sid.get(sid).cloned()
    }

    /// Adds a session. False when the server is full, has enough of this address, or stops.
    pub(crate) fn remember(&self, session: &Arc<Session>) -> bool {
        let mut sessions = self.sessions();
        let open =
            sessions.by_sid.len() < self.0.options.max_sessions && (!self.is_closing() || fault!(self, EndWelcomes));
        let address = self.counted_address(session);
        let welcome = open && sessions.admits(address, self.0.options.max_sessions_per_address);
        if welcome {
            sessions.by_sid.insert(session.sid.clone(), session.clone());
        }
        welcome
    }

    pub(crate) fn forget(&self, session: &Session) {
        let mut sessions = self.sessions();
        if sessions.by_sid.remove(&session.sid).is_some()
            && let Some(address) = self.counted_address(session)
        {
            sessions.leaves(address);
        }
        if sessions.by_sid.is_empty() {
            sessions.by_sid.shrink_to_fit();
        }
        drop(sessions);
        self.0.gone.notify_waiters();
    }

    /// Where the session comes from, if that matters.
    fn counted_address(&self, session: &Session) -> Option<IpAddr> {
        self.0.options.max_sessions_per_address?;
        session.request().address.map(|address| address.ip())
    }

    /// How many connections are open (`io.engine.clientsCount`).
    pub fn clients_count(&self) -> usize {
        self.sessions().by_sid.len()
    }

    // ---- the port

    /// Binds a port.
    pub async fn listen(&self, address: impl ToSocketAddrs) -> io::Result<Listener> {
        Listener::bind(self.clone(), address).await
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.0.stage.borrow() != Stage::Open
    }

    /// Ends when the server has stopped.
    pub(crate) async fn closed(&self) {
        let mut stage = self.0.stage.subscribe();
        // The sender lives in this server, so it cannot be gone.
        let _ = stage.wait_for(|stage| *stage == Stage::Closed).await;
    }

    /// Stops: no new sessions, every connection is closed, and what is queued is written, for `patience` at most. Until then
    /// the port stays open, as a client that polls has to come once more; then [`Listener::run`] ends as well.
    pub async fn close(&self, patience: Duration) {
        self.0.stage.send_replace(Stage::Closing);
        let sessions: Vec<_> = self.sessions().by_sid.values().cloned().collect();
        if fault!(self, EndWaits) {
            // Nobody is told, so nobody leaves.
            self.drained(Duration::from_hours(1)).await;
        }
        if !fault!(self, EndUntold) {
            sessions.iter().for_each(Session::shut_down);
            drop(sessions);
            self.drained(if fault!(self, EndForgets) { Duration::ZERO } else { patience }).await;
        }
        self.leave_cluster(patience).await;
        #[cfg(feature = "faults")]
        if let Some(faults) = &self.options().faults {
            faults.end_life();
        }
        self.0.stage.send_replace(Stage::Closed);
    }

    /// Takes the namespaces out of the cluster, if they are in one. What clients have said last is still carried.
    async fn leave_cluster(&self, patience: Duration) {
        // A broker that is away is not waited for until clients lose their patience.
        let patience = patience.min(GOODBYE);
        let namespaces: Vec<_> = self.namespaces().by_name.values().cloned().collect();
        let leave = async {
            for nsp in &namespaces {
                if let Some(member) = nsp.adapter().cluster() {
                    member.leave().await;
                }
            }
        };
        let _ = tokio::time::timeout(patience, leave).await;
    }

    /// Waits until the last session is gone, for `patience` at most.
    async fn drained(&self, patience: Duration) {
        let all_gone = async {
            loop {
                // Registered ahead of looking, or the last one could go in between.
                let gone = self.0.gone.notified();
                if self.clients_count() == 0 {
                    return;
                }
                gone.await;
            }
        };
        let _ = tokio::time::timeout(patience, all_gone).await;
    }
}

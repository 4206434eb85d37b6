//! The server: its namespaces, its sessions and its port.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use indexmap::IndexMap;
use sio_protocol::server::Config;
use sio_protocol::{ArgsError, ByteString, IntoArgs};
use tokio::net::{TcpListener, ToSocketAddrs};

use crate::namespace::{Matcher, Namespace, ParentNamespace};
use crate::session::Session;
use crate::{BroadcastOperator, Options, transport};

/// Time a client has for the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

type OnNamespace = Arc<dyn Fn(&Namespace) + Send + Sync>;

/// A Socket.IO server. A cheap handle: clones are the same server.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    options: Options,
    config: Config,
    namespaces: Mutex<Namespaces>,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
}

#[derive(Default)]
struct Namespaces {
    by_name: IndexMap<ByteString, Namespace>,
    parents: Vec<ParentNamespace>,
    on_new: Vec<OnNamespace>,
}

/// A fresh id: 15 random bytes in 20 URL-safe characters, as engine.io makes them (EIO-HS-15).
pub(crate) fn new_id() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 15]>())
}

impl Server {
    /// A server with the main namespace and no port yet.
    pub fn new(options: Options) -> Self {
        let config = options.connection();
        let server =
            Self(Arc::new(Inner { options, config, namespaces: Mutex::default(), sessions: Mutex::default() }));
        server.of("/");
        server
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
        self.0.namespaces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The static namespace of that name, created when it is new. Static names win over dynamic ones that
    /// match, whatever the order of registration; a child that a client has already brought into being is
    /// returned as it is.
    pub fn of(&self, name: &str) -> Namespace {
        let name = if name.starts_with('/') { name.to_owned() } else { format!("/{name}") };
        self.get_or_create(&ByteString::from(name), |name| Namespace::new(name, None))
    }

    /// Emits to everybody in `/`.
    pub fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), ArgsError> {
        self.of("/").emit(event, args)
    }

    /// Selects a room of `/`.
    pub fn to(&self, room: impl AsRef<str>) -> BroadcastOperator {
        self.of("/").to(room)
    }

    /// Selects everybody in `/` but the members of a room.
    pub fn except(&self, room: impl AsRef<str>) -> BroadcastOperator {
        self.of("/").except(room)
    }

    /// A dynamic namespace for the names that match a pattern (NS-01).
    pub fn of_pattern(&self, pattern: regex_lite::Regex) -> ParentNamespace {
        self.add_parent(Box::new(move |name, _| pattern.is_match(name)))
    }

    /// A dynamic namespace for the names a function accepts; it is given the name and the JSON text of the
    /// client's auth (NS-03).
    pub fn of_fn(&self, accepts: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> ParentNamespace {
        self.add_parent(Box::new(accepts))
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

    /// The namespace a CONNECT reaches: an existing one, else the child of the first parent that accepts.
    pub(crate) fn find_namespace(&self, name: &ByteString, auth: &str) -> Option<Namespace> {
        let auth = if auth.is_empty() { "{}" } else { auth };
        let parents = {
            let namespaces = self.namespaces();
            if let Some(existing) = namespaces.by_name.get(name) {
                return Some(existing.clone());
            }
            namespaces.parents.clone()
        };
        // The application's functions run without the lock; two clients that race for one name meet below.
        let parent = parents.into_iter().find(|parent| parent.matches(name, auth))?;
        Some(self.get_or_create(name, |name| parent.create_child(name)))
    }

    fn get_or_create(&self, name: &ByteString, create: impl FnOnce(ByteString) -> Namespace) -> Namespace {
        let mut namespaces = self.namespaces();
        if let Some(existing) = namespaces.by_name.get(name) {
            return existing.clone();
        }
        let namespace = create(name.clone());
        namespaces.by_name.insert(name.clone(), namespace.clone());
        let on_new = namespaces.on_new.clone();
        drop(namespaces);
        on_new.iter().for_each(|handler| handler(&namespace));
        namespace
    }

    /// Lets go of a dynamic namespace that has lost its last socket, if the options say so (NS-11).
    pub(crate) fn clean_up(&self, nsp: &Namespace) {
        if !self.0.options.cleanup_empty_child_namespaces || !nsp.is_dynamic() || !nsp.adapter().sids().is_empty() {
            return;
        }
        let mut namespaces = self.namespaces();
        namespaces.by_name.shift_remove(nsp.name());
        namespaces.parents.iter().for_each(|parent| parent.forget_child(nsp.name()));
    }

    // ---- sessions

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn session(&self, sid: &str) -> Option<Arc<Session>> {
        self.sessions().get(sid).cloned()
    }

    pub(crate) fn remember(&self, session: &Arc<Session>) {
        self.sessions().insert(session.sid.clone(), session.clone());
    }

    pub(crate) fn forget(&self, session: &Session) {
        self.sessions().remove(&session.sid);
    }

    /// How many connections are open (`io.engine.clientsCount`).
    pub fn clients_count(&self) -> usize {
        self.sessions().len()
    }

    // ---- the port

    /// Binds a port.
    pub async fn listen(&self, address: impl ToSocketAddrs) -> io::Result<Listener> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Listener { server: self.clone(), socket, address })
    }

    /// Closes every connection and waits, at most `patience`, until what was queued is written.
    pub async fn close(&self, patience: Duration) {
        let sessions: Vec<_> = self.sessions().values().cloned().collect();
        for session in &sessions {
            session.shut_down();
        }
        drop(sessions);
        let all_gone = async {
            while self.clients_count() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(patience, all_gone).await;
    }
}

/// A bound port.
pub struct Listener {
    server: Server,
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the future is dropped. Fails only when the port itself does.
    pub async fn run(self) -> io::Result<()> {
        loop {
            let (stream, address) = match self.socket.accept().await {
                Ok(accepted) => accepted,
                // Out of descriptors, or a peer that was gone before we looked: wait for better times.
                Err(error) if is_passing(&error) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            // Fails only on a socket that is already dead.
            let _ = stream.set_nodelay(true);
            let server = self.server.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| transport::http::serve(server.clone(), address, request));
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                // A peer that breaks HTTP or goes away is its own problem; the session notices by itself.
                let _ = connection.await;
            });
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
        || matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}

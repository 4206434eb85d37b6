//! What can be set; names and defaults are those of Socket.IO's server options.
//!
//! Not here, and why: `perMessageDeflate` (off by default in Socket.IO as well; this server never negotiates it),
//! `serveClient` (a Rust crate carries no JavaScript bundle), `wsEngine` and `destroyUpgrade` (of Node's own).

mod cookie;
mod cors;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use cookie::{Cookie, SameSite};
pub use cors::{Cors, Origin};
use sio_protocol::Parser;
use sio_protocol::server::{Config, Transport};

use crate::adapter::{Adapter, Budget, MemoryAdapter, Shared};

/// Options of a [`crate::Server`]. [`crate::Server::builder`] sets them one by one.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own, as in Socket.IO")]
pub struct Options {
    /// Path the server answers under, with or without slashes around it (`/socket.io`).
    pub path: String,
    /// Whether the path ends with a slash on the wire (yes).
    pub add_trailing_slash: bool,
    /// Transports that are served (both).
    pub transports: Vec<Transport>,
    /// Whether polling sessions may move to WebSocket (yes).
    pub allow_upgrades: bool,
    /// Time between a pong and the next ping (25 s).
    pub ping_interval: Duration,
    /// Time for a pong (20 s).
    pub ping_timeout: Duration,
    /// Time for a probing WebSocket to complete (10 s).
    pub upgrade_timeout: Duration,
    /// Time to join a first namespace (45 s).
    pub connect_timeout: Duration,
    /// Bytes taken in one request or message (1,000,000).
    pub max_http_buffer_size: usize,
    /// Asks the application about every handshake and upgrade (none: all are let in).
    pub allow_request: Option<AllowRequest>,
    /// Clients of Engine.IO 3, that is Socket.IO 2 (no).
    pub allow_eio3: bool,
    /// Browsers of other origins (none).
    pub cors: Option<Cors>,
    /// A cookie with the session's id, for load balancers (none).
    pub cookie: Option<Cookie>,
    /// Bytes from which on the answer to a GET is compressed, if the client takes it; `None` never (1,024).
    pub http_compression: Option<usize>,
    /// How packets are written; every client must use the same (JSON).
    pub parser: Parser,
    /// What keeps the rooms of each namespace, or what makes this server one of several (memory, and it is alone).
    pub adapter: Option<AdapterFactory>,
    /// Attachments of one packet (10).
    pub max_attachments: usize,
    /// Whether clients may take up where an earlier connection broke (no).
    pub connection_state_recovery: Option<Recovery>,
    /// Whether children of dynamic namespaces go with their last socket (no).
    pub cleanup_empty_child_namespaces: bool,
    /// Bytes queued for a reader that does not keep up, each packet with the memory it takes; one more closes it (7.75 MiB).
    /// A packet that is alone may be larger. Node has no such bound.
    pub max_buffered: usize,
    /// Bytes that a connection may hold in all beside the message that is being read: what is queued, a packet whose
    /// attachments are still coming, the names and auths of its namespaces, its rooms (8 MiB). Node has no such bound.
    pub max_held: usize,
    /// Bytes that the rooms of all sockets may take, 512 and the name for each socket in a room (1 GiB). Whose room is one
    /// too many is closed; the room of a socket's own name always fits. Node has no such bound.
    pub max_room_bytes: usize,
    /// Bytes of the name of a namespace that a client asks for, and of an event that it sends (1,024). Node has no such bound.
    pub max_name: usize,
    /// Namespaces one connection may be in (1,000). Node has no such bound.
    pub max_namespaces: usize,
    /// Children that clients may bring into being, over all dynamic namespaces (100,000). Node has no such bound.
    pub max_child_namespaces: usize,
    /// Sessions that may be open at the same time (1,000,000); further handshakes get 503. Node has no such bound.
    pub max_sessions: usize,
    /// Sessions of one address that may be open at the same time; further handshakes get 503. Not bounded by default, as
    /// behind a proxy all clients have its address. Node has no such bound.
    pub max_sessions_per_address: Option<usize>,
    /// What it does wrong, on purpose.
    #[cfg(feature = "faults")]
    pub faults: Option<crate::faults::Faults>,
}

impl Default for Options {
    fn default() -> Self {
        let config = Config::default();
        Self {
            path: "/socket.io".to_owned(),
            add_trailing_slash: true,
            transports: vec![Transport::Polling, Transport::WebSocket],
            allow_upgrades: true,
            ping_interval: config.ping_interval,
            ping_timeout: config.ping_timeout,
            upgrade_timeout: config.upgrade_timeout,
            connect_timeout: config.connect_timeout,
            max_http_buffer_size: config.max_payload,
            allow_request: None,
            allow_eio3: false,
            cors: None,
            cookie: None,
            http_compression: Some(1024),
            parser: Parser::Json,
            adapter: None,
            max_attachments: config.max_attachments,
            connection_state_recovery: None,
            cleanup_empty_child_namespaces: false,
            max_buffered: config.max_buffered,
            max_held: config.max_held,
            max_room_bytes: 1024 * 1024 * 1024,
            max_name: config.max_name,
            max_namespaces: config.max_namespaces,
            max_child_namespaces: 100_000,
            max_sessions: 1_000_000,
            max_sessions_per_address: None,
            #[cfg(feature = "faults")]
            faults: None,
        }
    }
}

impl Options {
    /// The part a connection obeys.
    pub(crate) fn connection(&self) -> Config {
        Config {
            ping_interval: self.ping_interval,
            ping_timeout: self.ping_timeout,
            upgrade_timeout: self.upgrade_timeout,
            connect_timeout: self.connect_timeout,
            max_payload: self.max_http_buffer_size,
            allow_upgrades: self.allow_upgrades && self.transports.contains(&Transport::WebSocket),
            max_attachments: self.max_attachments,
            max_buffered: self.max_buffered,
            max_held: self.max_held,
            max_name: self.max_name,
            max_namespaces: self.max_namespaces,
            parser: self.parser,
        }
    }

    /// The adapter of a namespace.
    pub(crate) fn adapter_of(&self, nsp: &str, shared: &Shared) -> Arc<dyn Adapter> {
        let factory = self.adapter.as_ref();
        let local = match factory.and_then(|factory| factory.local.as_ref()) {
            Some(make) => make(nsp),
            None => Arc::new(MemoryAdapter::with(self.connection_state_recovery.clone(), shared)),
        };
        match factory.and_then(|factory| factory.cluster.as_ref()) {
            Some(cluster) => cluster.member(nsp, local, self),
            None => local,
        }
    }

    /// What the adapters of all namespaces share.
    pub(crate) fn shared(&self) -> Shared {
        let recovery = self.connection_state_recovery.as_ref().map_or(0, |recovery| recovery.max_total_bytes);
        Shared { rooms: Arc::new(Budget::new(self.max_room_bytes)), recovery: Arc::new(Budget::new(recovery)) }
    }

    /// Whether a request's path is the server's; a longer one is, as on Node (EIO-HS-17).
    pub(crate) fn serves(&self, path: &str) -> bool {
        let bare = self.path.trim_matches('/');
        match path.strip_prefix('/').and_then(|path| path.strip_prefix(bare)) {
            Some(rest) if self.add_trailing_slash => rest.starts_with('/'),
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }
}

/// Connection state recovery: what a client missed while it was away is sent to it when it comes back, and its id,
/// rooms and data are restored.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// How long a client may be away (2 minutes).
    pub max_disconnection_duration: Duration,
    /// Whether a recovered client skips the middlewares (yes).
    pub skip_middlewares: bool,
    /// Bytes of packets kept per namespace, each with the memory it takes (64 MiB); the oldest go first, and who missed
    /// them starts afresh. Node has no such bound.
    pub max_packet_bytes: usize,
    /// Sessions kept per namespace (100,000); the oldest go first. Node has no such bound.
    pub max_sessions: usize,
    /// Bytes of sessions kept per namespace, with their rooms and data (64 MiB); the oldest go first, and one that takes
    /// more than a 64th of that is not kept. Node has no such bound.
    pub max_session_bytes: usize,
    /// Bytes of all that is kept, over all namespaces (256 MiB); the namespace that keeps more lets go of its own oldest.
    /// Node has no such bound.
    pub max_total_bytes: usize,
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            max_disconnection_duration: Duration::from_mins(2),
            skip_middlewares: true,
            max_packet_bytes: 64 * 1024 * 1024,
            max_sessions: 100_000,
            max_session_bytes: 64 * 1024 * 1024,
            max_total_bytes: 256 * 1024 * 1024,
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Decides, ahead of everything else, whether a handshake or upgrade is served. The reason of a refusal goes to the
/// client: `403 {"code":4,"message":…}` (EIO-HS-19).
#[derive(Clone)]
pub struct AllowRequest(Arc<dyn Fn(&http::request::Parts) -> Answer + Send + Sync>);

impl AllowRequest {
    /// Asks a function, which may wait.
    pub fn new<F>(decide: impl Fn(&http::request::Parts) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self(Arc::new(move |parts| Box::pin(decide(parts))))
    }

    pub(crate) fn decide(&self, parts: &http::request::Parts) -> Answer {
        (self.0)(parts)
    }
}

impl fmt::Debug for AllowRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AllowRequest")
    }
}

type MakeAdapter = dyn Fn(&str) -> Arc<dyn Adapter> + Send + Sync;

/// Puts a namespace into a cluster: it is given the name and what keeps the rooms of this node.
pub(crate) trait JoinCluster: Send + Sync {
    fn member(&self, nsp: &str, local: Arc<dyn Adapter>, options: &Options) -> Arc<dyn Adapter>;
}

/// Makes the adapter of each namespace; it is given the namespace's name. An adapter of one's own usually wraps a
/// [`MemoryAdapter`] and adds to what that does.
#[derive(Clone)]
pub struct AdapterFactory {
    /// What keeps the rooms of this node, if not memory.
    local: Option<Arc<MakeAdapter>>,
    cluster: Option<Arc<dyn JoinCluster>>,
}

impl AdapterFactory {
    /// Calls a function for each namespace that comes into being. It must not call the server.
    pub fn new(make: impl Fn(&str) -> Arc<dyn Adapter> + Send + Sync + 'static) -> Self {
        Self { local: Some(Arc::new(make)), cluster: None }
    }

    /// Rooms in memory, of a server that is one node of several.
    #[cfg(feature = "redis")]
    pub(crate) fn in_cluster(cluster: Arc<dyn JoinCluster>) -> Self {
        Self { local: None, cluster: Some(cluster) }
    }

    /// The same nodes, with other rooms.
    #[cfg(feature = "faults")]
    #[must_use]
    pub(crate) fn with_local(mut self, local: Self) -> Self {
        self.local = local.local;
        self
    }
}

impl fmt::Debug for AdapterFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdapterFactory")
    }
}

/// Sets the options of a server, each under the name it has in Socket.IO.
///
/// ```
/// use std::time::Duration;
/// use sio_reference_server::{Cors, Recovery, Server};
///
/// let io = Server::builder()
///     .ping_interval(Duration::from_secs(10))
///     .cors(Cors::origin("https://example.com").credentials(true))
///     .connection_state_recovery(Recovery::default())
///     .build();
/// assert_eq!(io.options().ping_interval, Duration::from_secs(10));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder(Options);

macro_rules! setters {
    ($($name:ident: $type:ty, $doc:literal;)*) => {
        impl Builder {
            $(
                #[doc = $doc]
                pub fn $name(mut self, value: impl Into<$type>) -> Self {
                    self.0.$name = value.into();
                    self
                }
            )*
        }
    };
}

setters! {
    path: String, "Path the server answers under.";
    add_trailing_slash: bool, "Whether the path ends with a slash on the wire.";
    transports: Vec<Transport>, "Transports that are served.";
    allow_upgrades: bool, "Whether polling sessions may move to WebSocket.";
    ping_interval: Duration, "Time between a pong and the next ping.";
    ping_timeout: Duration, "Time for a pong.";
    upgrade_timeout: Duration, "Time for a probing WebSocket to complete.";
    connect_timeout: Duration, "Time to join a first namespace.";
    max_http_buffer_size: usize, "Bytes taken in one request or message.";
    allow_request: Option<AllowRequest>, "Asks the application about every handshake and upgrade.";
    allow_eio3: bool, "Whether Socket.IO 2 clients are served.";
    cors: Option<Cors>, "Browsers of other origins.";
    cookie: Option<Cookie>, "A cookie with the session's id.";
    http_compression: Option<usize>, "Bytes from which on the answer to a GET is compressed.";
    parser: Parser, "How packets are written.";
    adapter: Option<AdapterFactory>, "What keeps the rooms of each namespace.";
    max_attachments: usize, "Attachments of one packet.";
    connection_state_recovery: Option<Recovery>, "Whether clients may take up where an earlier connection broke.";
    cleanup_empty_child_namespaces: bool, "Whether children of dynamic namespaces go with their last socket.";
    max_buffered: usize, "Bytes queued for a reader that does not keep up.";
    max_held: usize, "Bytes that a connection may hold in all.";
    max_room_bytes: usize, "Bytes that the rooms of all sockets may take.";
    max_name: usize, "Bytes of the name of a namespace or event.";
    max_namespaces: usize, "Namespaces one connection may be in.";
    max_child_namespaces: usize, "Children that clients may bring into being.";
    max_sessions: usize, "Sessions that may be open at the same time.";
    max_sessions_per_address: Option<usize>, "Sessions of one address that may be open at the same time.";
}

impl Builder {
    /// The server.
    pub fn build(self) -> crate::Server {
        crate::Server::new(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_server_and_of_others() {
        let slash = Options::default();
        for (path, served) in
            [("/socket.io/", true), ("/socket.io/foo/", true), ("/socket.io", false), ("/socket.io-admin/", false)]
        {
            assert_eq!(slash.serves(path), served, "{path}");
        }
        let bare = Options { add_trailing_slash: false, path: "/io/".to_owned(), ..Options::default() };
        for (path, served) in [("/io", true), ("/io/", true), ("/iot", false)] {
            assert_eq!(bare.serves(path), served, "{path}");
        }
        assert!(Options { path: "io".to_owned(), ..Options::default() }.serves("/io/"), "with or without slashes");
    }
}

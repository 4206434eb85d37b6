//! The command line of the server: `sio-reference-server` and `sio-bench serve` are the same.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

#[cfg(feature = "redis")]
use crate::Redis;
use crate::tls::{self, TlsError};
use crate::{AllowRequest, Cookie, Cors, Listener, Options, Parser, Recovery, Server, Transport, fixture, limits};

/// How long a stopping server waits until what was queued is written.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Options of the reference server with the fixture app. Each can also be given by the environment variable
/// of the fixture contract.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct ServeArgs {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,

    /// Port to listen on; 0 takes a free one and prints it
    #[arg(long, short, default_value_t = 3000, env = "PORT")]
    port: u16,

    /// Milliseconds between a pong and the next ping
    #[arg(long, value_name = "MS", default_value_t = 25_000, env = "SIO_PING_INTERVAL")]
    ping_interval: u64,

    /// Milliseconds a client has for its pong
    #[arg(long, value_name = "MS", default_value_t = 20_000, env = "SIO_PING_TIMEOUT")]
    ping_timeout: u64,

    /// Milliseconds a client has to join a namespace
    #[arg(long, value_name = "MS", default_value_t = 45_000, env = "SIO_CONNECT_TIMEOUT")]
    connect_timeout: u64,

    /// Milliseconds a probing WebSocket has
    #[arg(long, value_name = "MS", default_value_t = 10_000, env = "SIO_UPGRADE_TIMEOUT")]
    upgrade_timeout: u64,

    /// Bytes taken in one request or message
    #[arg(long, value_name = "BYTES", default_value_t = 1_000_000, env = "SIO_MAX_PAYLOAD")]
    max_payload: usize,

    /// Bytes queued for a reader that does not keep up, before it is disconnected; each packet counts with the memory it takes
    #[arg(long, value_name = "BYTES", default_value_t = sio_protocol::server::Config::default().max_buffered, env = "SIO_MAX_BUFFERED")]
    max_buffered: usize,

    /// Let go of dynamic namespaces with their last socket
    #[arg(long, env = "SIO_CLEANUP", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, default_value = "false", default_missing_value = "true")]
    cleanup: bool,

    /// Origin that browsers may call from, `*` for any
    #[arg(long, value_name = "ORIGIN", env = "SIO_CORS")]
    cors: Option<String>,

    /// Serve Socket.IO 2 clients (Engine.IO 3) as well
    #[arg(long, env = "SIO_EIO3", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, default_value = "false", default_missing_value = "true")]
    eio3: bool,

    /// Connection state recovery: milliseconds a client may be away; 0 switches it off
    #[arg(long, value_name = "MS", env = "SIO_RECOVERY", default_value_t = 0)]
    recovery: u64,

    /// Bytes of packets, and of sessions, that each namespace keeps for clients that are away
    #[arg(long, value_name = "BYTES", env = "SIO_RECOVERY_BYTES", default_value_t = Recovery::default().max_packet_bytes)]
    recovery_bytes: usize,

    /// Sessions of one address at the same time; all of them by default
    #[arg(long, value_name = "N", env = "SIO_MAX_SESSIONS_PER_ADDRESS")]
    max_sessions_per_address: Option<usize>,

    /// How packets are written; every client must use the same
    #[arg(long, env = "SIO_PARSER", default_value = "json")]
    parser: ParserName,

    /// Path to answer under
    #[arg(long, default_value = "/socket.io")]
    path: String,

    /// Transports that are served, such as `websocket` or `polling,websocket`
    #[arg(
        long,
        value_name = "NAMES",
        env = "SIO_TRANSPORTS",
        value_delimiter = ',',
        default_value = "polling,websocket"
    )]
    transports: Vec<TransportName>,

    /// Let polling sessions move to a WebSocket
    #[arg(long, env = "SIO_ALLOW_UPGRADES", value_parser = clap::builder::BoolishValueParser::new(), action = clap::ArgAction::Set, default_value = "true")]
    allow_upgrades: bool,

    /// Answer under a path that ends with a slash
    #[arg(long, env = "SIO_TRAILING_SLASH", value_parser = clap::builder::BoolishValueParser::new(), action = clap::ArgAction::Set, default_value = "true")]
    trailing_slash: bool,

    /// Ask no middleware about a session that is recovered
    #[arg(long, env = "SIO_SKIP_MIDDLEWARES", value_parser = clap::builder::BoolishValueParser::new(), action = clap::ArgAction::Set, default_value = "true")]
    skip_middlewares: bool,

    /// Set a cookie of this name with the session's id, for load balancers
    #[arg(long, value_name = "NAME", env = "SIO_COOKIE")]
    cookie: Option<String>,

    /// Let the allowed origin send cookies
    #[arg(long, env = "SIO_CORS_CREDENTIALS", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, default_value = "false", default_missing_value = "true")]
    cors_credentials: bool,

    /// Methods that a preflight allows, with commas between
    #[arg(long, value_name = "METHODS", env = "SIO_CORS_METHODS", value_delimiter = ',')]
    cors_methods: Vec<String>,

    /// Headers that a preflight allows; without them, those it asks for
    #[arg(long, value_name = "HEADERS", env = "SIO_CORS_ALLOWED_HEADERS", value_delimiter = ',')]
    cors_allowed_headers: Vec<String>,

    /// Headers that pages of the allowed origin may read
    #[arg(long, value_name = "HEADERS", env = "SIO_CORS_EXPOSED_HEADERS", value_delimiter = ',')]
    cors_exposed_headers: Vec<String>,

    /// Seconds that a browser may remember a preflight
    #[arg(long, value_name = "SECONDS", env = "SIO_CORS_MAX_AGE")]
    cors_max_age: Option<u64>,

    /// Refuse WebSockets of pages from other origins than the allowed one, which Node does not
    #[arg(long, env = "SIO_CORS_WEBSOCKETS", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, default_value = "false", default_missing_value = "true")]
    cors_websockets: bool,

    /// Refuse requests whose query holds this text
    #[arg(long, value_name = "TEXT", env = "SIO_DENY")]
    deny: Option<String>,

    /// Threads that serve connections
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,

    /// Certificate chain (PEM, the server's first) to speak TLS with
    #[arg(long, value_name = "FILE", requires = "tls_key", env = "SIO_TLS_CERT")]
    tls_cert: Option<PathBuf>,

    /// Private key (PEM) of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert", env = "SIO_TLS_KEY")]
    tls_key: Option<PathBuf>,

    /// Label of this node in answers to `whoami`
    #[arg(long, default_value = "A", env = "SIO_NODE")]
    node: String,

    /// Broker that makes this server one node of several, as Socket.IO's adapters for Redis do: `redis://host:port`,
    /// `redis-sharded://host:port` or `redis-streams://host:port`
    #[cfg(feature = "redis")]
    #[arg(long, value_name = "URL", env = "SIO_ADAPTER")]
    adapter: Option<String>,

    /// Keep the journal of what happened inside; `0` for load runs
    #[arg(long, env = "SIO_JOURNAL", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, default_value = "true", default_missing_value = "true")]
    journal: bool,

    #[cfg(feature = "faults")]
    #[command(flatten)]
    faults: crate::faults::cli::FaultArgs,

    /// Stop when standard input ends, so that a parent that dies takes the server with it
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ParserName {
    /// Text, with binary attachments behind it
    Json,
    /// One MessagePack map in one binary frame
    Msgpack,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum TransportName {
    /// HTTP long-polling
    Polling,
    /// WebSocket
    Websocket,
}

impl From<TransportName> for Transport {
    fn from(name: TransportName) -> Self {
        match name {
            TransportName::Polling => Self::Polling,
            TransportName::Websocket => Self::WebSocket,
        }
    }
}

/// Why the server did not start or went down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The environment asks for something this server does not do.
    #[error("{variable} is set, but this server cannot do that yet: {what}\n  unset {variable}, or use `targets/node`")]
    Unsupported {
        /// The variable.
        variable: &'static str,
        /// What it would switch on.
        what: &'static str,
    },
    /// The port cannot be had.
    #[error("cannot listen on {address}: {error}\n  choose another with --port, or --port 0 for any free one")]
    Bind {
        /// Host and port.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// The broker cannot be used.
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Adapter(#[from] crate::RedisError),
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Something broke while serving.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Features of other fixtures that are not there, or go by another name. Silence would make their rows fail for no reason.
const UNSUPPORTED: [(&str, &str); 1] = [("SIO_REDIS", "a Redis of that name; SIO_ADAPTER=redis://host:port is")];

/// How long a starting server waits for its broker.
#[cfg(feature = "redis")]
const BROKER: Duration = Duration::from_secs(5);

/// Serves the fixture until SIGTERM, SIGINT or, if asked for, the end of standard input. Prints
/// `LISTENING <port>` when it is ready.
pub async fn serve(args: ServeArgs) -> Result<(), ServeError> {
    for (variable, what) in UNSUPPORTED {
        if std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0") {
            return Err(ServeError::Unsupported { variable, what });
        }
    }
    limits::raise_open_files();
    #[cfg_attr(not(feature = "redis"), expect(unused_mut, reason = "there is nothing to add"))]
    let mut options = args.options();
    #[cfg(feature = "redis")]
    let redis = args.adapter.as_deref().filter(|url| !url.is_empty()).map(Redis::by_scheme).transpose()?;
    #[cfg(feature = "redis")]
    if let Some(redis) = &redis {
        options.adapter = redis.clone().into();
    }
    #[cfg(feature = "faults")]
    let faults = args.faults.faults();
    #[cfg(feature = "faults")]
    let options = match &faults {
        Some(faults) => faults.arrange(options),
        None => options,
    };
    let io = Server::new(options);
    fixture::install(&io, &fixture::Config { node: args.node.clone(), journal: args.journal });
    #[cfg(feature = "redis")]
    if let Some(redis) = &redis
        && !redis.ready(BROKER).await
    {
        // Its own clients are served all the same.
        let why = redis.trouble().unwrap_or_else(|| "it does not answer".to_owned());
        let _ = writeln!(io::stderr(), "the broker cannot be used yet: {why}\n  until it can, this node is alone");
    }
    let address = (args.host, args.port);
    let listener = io
        .listen(address)
        .await
        .map_err(|error| ServeError::Bind { address: format!("{}:{}", address.0, address.1), error })?;
    let listener = match (&args.tls_cert, &args.tls_key) {
        (Some(certificates), Some(key)) => listener.with_tls(tls::load(certificates, key)?),
        _ => listener,
    };
    let helpers: Vec<_> = (1..args.threads.get()).map(|_| on_another_thread(&listener)).collect::<io::Result<_>>()?;
    match writeln!(io::stdout(), "LISTENING {}", listener.local_addr().port()) {
        // Nobody will ever know the port.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        told => told?,
    }

    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // On a task of its own, as clients come once more while the server stops.
    let mut running = tokio::spawn(listener.run());
    // Cancel-safe: whichever ends the wait ends the server.
    tokio::select! {
        outcome = &mut running => outcome.map_err(io::Error::other)??,
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = stdin_closes(), if args.until_stdin_closes => {}
    }
    io.close(SHUTDOWN).await;
    helpers.into_iter().for_each(|helper| drop(helper.join()));
    #[cfg(feature = "redis")]
    if let Some(stats) = redis.map(|redis| redis.stats()).filter(|stats| stats.has_lost()) {
        let _ = writeln!(io::stderr(), "{stats}");
    }
    #[cfg(feature = "faults")]
    if let Some(faults) = faults {
        // So that a tester's counts can be held against it.
        let _ = writeln!(io::stderr(), "faults dropped or doubled {} deliveries", faults.struck());
    }
    Ok(())
}

/// Serves the same port on a thread and runtime of its own, until the server is closed. Its sessions go with the
/// runtime: [`Server::close`] has waited for them by then.
fn on_another_thread(listener: &Listener) -> io::Result<JoinHandle<()>> {
    let listener = listener.try_clone()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("serve".to_owned()).spawn(move || {
        runtime.block_on(async move {
            // The port is the first thread's as well, which tells what is wrong with it.
            let _ = listener.run().await;
        });
    })
}

impl ServeArgs {
    fn cors_of(&self, origin: String) -> Cors {
        fn names(list: &[String]) -> Vec<&str> {
            list.iter().map(String::as_str).collect()
        }
        let mut cors = Cors::origin(origin).credentials(self.cors_credentials).check_websockets(self.cors_websockets);
        if !self.cors_methods.is_empty() {
            cors = cors.methods(&names(&self.cors_methods));
        }
        if !self.cors_allowed_headers.is_empty() {
            cors = cors.allowed_headers(&names(&self.cors_allowed_headers));
        }
        if !self.cors_exposed_headers.is_empty() {
            cors = cors.exposed_headers(&names(&self.cors_exposed_headers));
        }
        match self.cors_max_age {
            Some(seconds) => cors.max_age(Duration::from_secs(seconds)),
            None => cors,
        }
    }

    fn options(&self) -> Options {
        Options {
            ping_interval: Duration::from_millis(self.ping_interval),
            ping_timeout: Duration::from_millis(self.ping_timeout),
            connect_timeout: Duration::from_millis(self.connect_timeout),
            upgrade_timeout: Duration::from_millis(self.upgrade_timeout),
            max_http_buffer_size: self.max_payload,
            max_buffered: self.max_buffered,
            max_sessions_per_address: self.max_sessions_per_address,
            cleanup_empty_child_namespaces: self.cleanup,
            path: self.path.clone(),
            cors: self.cors.clone().map(|origin| self.cors_of(origin)),
            add_trailing_slash: self.trailing_slash,
            transports: self.transports.iter().map(|&name| name.into()).collect(),
            allow_upgrades: self.allow_upgrades,
            allow_request: self.deny.clone().map(refuse),
            cookie: self.cookie.clone().map(|name| Cookie { name, ..Cookie::default() }),
            allow_eio3: self.eio3,
            parser: match self.parser {
                ParserName::Json => Parser::Json,
                ParserName::Msgpack => Parser::MessagePack,
            },
            connection_state_recovery: (self.recovery > 0).then(|| Recovery {
                max_disconnection_duration: Duration::from_millis(self.recovery),
                max_packet_bytes: self.recovery_bytes,
                max_session_bytes: self.recovery_bytes,
                skip_middlewares: self.skip_middlewares,
                ..Recovery::default()
            }),
            ..Options::default()
        }
    }
}

/// An application that refuses whoever says so in the query.
fn refuse(text: String) -> AllowRequest {
    AllowRequest::new(move |parts| {
        let refused = parts.uri.query().is_some_and(|query| query.contains(&text));
        std::future::ready(if refused { Err("the application said no".to_owned()) } else { Ok(()) })
    })
}

/// Reads standard input on a thread of its own: tokio's would keep the process alive until the input ends.
async fn stdin_closes() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = sender.send(());
    });
    let _ = receiver.await;
}

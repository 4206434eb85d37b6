//! The command line of the server: `sio-reference-server` and `sio-bench serve` are the same.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::{Options, Server, fixture, limits};

/// How long a stopping server waits until what was queued is written.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Options of the reference server with the fixture app. Each can also be given by the environment variable
/// of the fixture contract.
#[derive(Args, Clone, Debug)]
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

    /// Bytes queued for a reader that does not keep up, before it is disconnected
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024 * 1024, env = "SIO_MAX_BUFFERED")]
    max_buffered: usize,

    /// Let go of dynamic namespaces with their last socket
    #[arg(long, env = "SIO_CLEANUP", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, default_value = "false", default_missing_value = "true")]
    cleanup: bool,

    /// Origin that browsers may call from, `*` for any
    #[arg(long, value_name = "ORIGIN", env = "SIO_CORS")]
    cors: Option<String>,

    /// Label of this node in answers to `whoami`
    #[arg(long, default_value = "A", env = "SIO_NODE")]
    node: String,

    /// Keep the journal of what happened inside; `0` for load runs
    #[arg(long, env = "SIO_JOURNAL", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, default_value = "true", default_missing_value = "true")]
    journal: bool,

    /// Stop when standard input ends, so that a parent that dies takes the server with it
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
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
    /// Something broke while serving.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Features of the fixture contract that are not there yet. Silence would make their rows fail for no reason.
const UNSUPPORTED: [(&str, &str); 4] = [
    ("SIO_EIO3", "Engine.IO 3 clients"),
    ("SIO_RECOVERY", "connection state recovery"),
    ("SIO_PARSER", "the msgpack parser"),
    ("SIO_REDIS", "the Redis adapter"),
];

/// Serves the fixture until SIGTERM, SIGINT or, if asked for, the end of standard input. Prints
/// `LISTENING <port>` when it is ready.
pub async fn serve(args: ServeArgs) -> Result<(), ServeError> {
    for (variable, what) in UNSUPPORTED {
        if std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0") {
            return Err(ServeError::Unsupported { variable, what });
        }
    }
    limits::raise_open_files();
    let io = Server::new(args.options());
    fixture::install(&io, &fixture::Config { node: args.node.clone(), journal: args.journal });
    let address = (args.host, args.port);
    let listener = io
        .listen(address)
        .await
        .map_err(|error| ServeError::Bind { address: format!("{}:{}", address.0, address.1), error })?;
    writeln!(io::stdout(), "LISTENING {}", listener.local_addr().port())?;

    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // Cancel-safe: whichever ends the wait ends the server.
    tokio::select! {
        outcome = listener.run() => outcome?,
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = stdin_closes(), if args.until_stdin_closes => {}
    }
    io.close(SHUTDOWN).await;
    Ok(())
}

impl ServeArgs {
    fn options(&self) -> Options {
        Options {
            ping_interval: Duration::from_millis(self.ping_interval),
            ping_timeout: Duration::from_millis(self.ping_timeout),
            connect_timeout: Duration::from_millis(self.connect_timeout),
            upgrade_timeout: Duration::from_millis(self.upgrade_timeout),
            max_http_buffer_size: self.max_payload,
            max_buffered: self.max_buffered,
            cleanup_empty_child_namespaces: self.cleanup,
            cors_origin: self.cors.clone(),
            ..Options::default()
        }
    }
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

//! What can be set; names and defaults are those of Socket.IO's server options.

use std::time::Duration;

use sio_protocol::server::Config;

/// Options of a [`crate::Server`].
#[derive(Clone, Debug)]
pub struct Options {
    /// Path the server answers under, with slashes on both ends (`/socket.io/`).
    pub path: String,
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
    /// Bytes queued for a reader that does not keep up; one more closes it (16 MiB). Node has no such bound.
    pub max_buffered: usize,
    /// Whether children of dynamic namespaces go with their last socket (no).
    pub cleanup_empty_child_namespaces: bool,
    /// Origin that browsers may call from; `*` for any (none).
    pub cors_origin: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        let config = Config::default();
        Self {
            path: "/socket.io/".to_owned(),
            ping_interval: config.ping_interval,
            ping_timeout: config.ping_timeout,
            upgrade_timeout: config.upgrade_timeout,
            connect_timeout: config.connect_timeout,
            max_http_buffer_size: config.max_payload,
            max_buffered: config.max_buffered,
            cleanup_empty_child_namespaces: false,
            cors_origin: None,
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
            max_buffered: self.max_buffered,
            ..Config::default()
        }
    }
}

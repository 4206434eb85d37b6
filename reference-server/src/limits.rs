//! What one peer, and all of them together, can make the server hold. Each limit has a test.
//!
//! | What | Limit | Beyond it |
//! |---|---|---|
//! | head of a request | [`MAX_HEAD`], [`MAX_HEADERS`], [`HEADER_TIMEOUT`] | 431, or the connection is closed |
//! | TLS handshake | [`TLS_TIMEOUT`] | the connection is closed |
//! | body of a POST, message on a WebSocket | `max_http_buffer_size` | 413; close frame 1009 |
//! | body that trickles in | the session's heartbeat | 400, and the session is closed |
//! | packets of a body that wait for their handlers | 4 | the next ones wait in the body |
//! | attachments of a packet | `max_attachments`, each a message | closed |
//! | packets queued for a client, the answer it reads | `max_buffered` bytes, 96 more for each packet | closed, reason `slow reader` |
//! | all of that, a packet that is not complete, names and auths of namespaces | `max_held` bytes | closed, reason `slow reader` |
//! | name of a namespace | `max_name` bytes | `Invalid namespace` |
//! | name of an event, name of a room | `max_name` bytes | closed |
//! | rooms of a connection | part of `max_held`, 512 bytes and the name for each | closed, reason `slow reader` |
//! | rooms of all sockets | `max_room_bytes`; the room of a socket's own id always fits | closed, reason `slow reader` |
//! | pings into a WebSocket that is not read | 1,024, then nothing is read either | the heartbeat closes it |
//! | answer that is not read | [`WRITE_TIMEOUT`] without a byte | the connection is closed |
//! | 101, answer to a probe, last packets that are not read | the heartbeat, `upgrade_timeout` | the connection is closed |
//! | WebSocket that was closed by this side | two seconds | the connection is closed |
//! | what is done for one connection in a row | two milliseconds, 64 messages, 64 KiB, or one message that is larger | the others get their turn |
//! | namespaces of a connection | `max_namespaces` | closed |
//! | time without a namespace | `connect_timeout` | closed |
//! | time of a probe | `upgrade_timeout` | the probing WebSocket is closed |
//! | children of dynamic namespaces | `max_child_namespaces` | `Invalid namespace` |
//! | sessions | `max_sessions` | 503 |
//! | sessions of an address | `max_sessions_per_address`, not bounded by default | 503 |
//! | packets kept for recovery | `Recovery::max_packet_bytes` in a namespace, and their age | the oldest go; who missed them starts afresh |
//! | sessions kept for recovery | `Recovery::max_sessions`, `Recovery::max_session_bytes` in a namespace, and their age | the oldest go |
//! | one session kept for recovery | a 64th of `Recovery::max_session_bytes` | it is not kept |
//! | all that is kept for recovery | `Recovery::max_total_bytes` over all namespaces | who keeps more lets go of its own oldest |
//! | rooms that a client has left, for recovery | 1,000 | it starts afresh if it missed older packets |
//! | packets missed | `max_buffered` bytes | the client starts afresh |
//! | acknowledgements that are waited for | those the application asked for; they end with their timeout, their caller or the socket | – |
//! | files | the system's limit, raised to its maximum | accepting waits |

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Time a client has for the head of a request, and an idle connection for its next one.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Time a client has for its TLS handshake.
pub const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for which a peer may take nothing of an answer that is written to it. On a WebSocket the heartbeat ends it.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of the head of a request, and of what is read ahead of being asked for; Node's limit is the same.
pub const MAX_HEAD: usize = 16 * 1024;
/// Headers of a request.
pub const MAX_HEADERS: usize = 100;

/// Raises the limit of open files to the hard limit, as each connection is one and the usual limit is 1,024; returns
/// what holds now.
pub fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return hard;
    }
    soft
}

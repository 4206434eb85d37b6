//! Between sockets and sessions: HTTP long-polling, WebSocket, and the upgrade from one to the other.

mod compression;
mod farewell;
pub(crate) mod http;
mod jsonp;
mod polling;
mod scratch;
mod stream;
mod upgrade;
mod websocket;

//! Between sockets and sessions: HTTP long-polling, WebSocket, and the upgrade from one to the other.

pub(crate) mod http;
mod polling;
mod websocket;

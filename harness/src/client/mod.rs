//! The one Socket.IO client: the sans-I/O machine of `sio-protocol` on tokio sockets.

mod connection;
mod endpoint;
mod socket;
mod websocket;

pub use connection::{Connection, Error, Http, http_client};
pub use endpoint::Endpoint;
pub use socket::Arrival;

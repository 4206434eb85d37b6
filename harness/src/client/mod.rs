//! The one Socket.IO client: the sans-I/O machine of `sio-protocol` on tokio sockets.

mod carrier;
mod connection;
mod dial;
mod endpoint;
mod socket;
mod tls;
mod websocket;
mod wire_bytes;

pub use carrier::Carrier;
pub use connection::{Connection, Error, Http, http_client};
pub use dial::Manner;
pub use endpoint::Endpoint;
pub use socket::{Arrival, stamp_lag};
pub use tls::{Tls, Trust};
pub use wire_bytes::WireBytes;

//! The one Socket.IO client: the sans-I/O machine of `sio-protocol` on tokio sockets.

mod addresses;
pub(crate) mod body;
mod carrier;
mod connection;
mod dial;
mod endpoint;
mod label;
pub(crate) mod offset;
mod refusal;
mod signs;
mod socket;
mod tls;
mod url;
mod websocket;
mod wire_bytes;

pub(crate) use crate::wire::cookies::{Cookies, add, set_cookies};
pub use crate::wire::cookies::{Jar, Jars};
pub use carrier::Carrier;
pub(crate) use carrier::set_cookie_headers;
pub use connection::{Connection, Error, Http, http_client};
pub use dial::{ConnectOptions, Door};
pub(crate) use dial::{dress, speaks_tls};
pub use endpoint::Endpoint;
pub use label::Label;
pub use signs::Signs;
pub(crate) use signs::usual_for;
pub use socket::{Arrival, stamp_lag};
pub use tls::{Tls, client_config};
pub use url::without_password;
pub use wire_bytes::WireBytes;

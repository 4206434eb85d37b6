//! The one Socket.IO client: the sans-I/O machine of `sio-protocol` on tokio sockets.

mod addresses;
mod carrier;
mod connection;
mod cookies;
mod dial;
mod endpoint;
pub(crate) mod held;
mod refusal;
mod signs;
mod socket;
mod tls;
mod url;
mod websocket;
mod wire_bytes;

pub use carrier::Carrier;
pub(crate) use carrier::set_cookie_headers;
pub use connection::{Connection, Error, Http, http_client};
pub(crate) use cookies::{Cookies, add, set_cookies};
pub use cookies::{Jar, Jars};
pub use dial::{Door, Manner};
pub(crate) use dial::{dress, speaks_tls};
pub use endpoint::Endpoint;
pub use signs::Signs;
pub(crate) use signs::usual_for;
pub use socket::{Arrival, stamp_lag};
pub use tls::{Tls, Trust};
pub use url::without_password;
pub use wire_bytes::WireBytes;

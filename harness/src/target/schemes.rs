//! Whether a port speaks TLS, when it does not answer as its URL promises.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{Endpoint, speaks_tls};

/// A courtesy must not take long.
const LIMIT: Duration = Duration::from_secs(2);

/// What to write instead, if the other scheme is the right one.
pub(super) async fn hint(endpoint: &Endpoint) -> Option<String> {
    let (is_other, scheme) = if endpoint.secure {
        (speaks_plainly(endpoint).await, "http")
    } else {
        (tokio::time::timeout(LIMIT, speaks_tls(endpoint)).await.unwrap_or(false), "https")
    };
    let what = if endpoint.secure { "does not speak TLS" } else { "speaks TLS" };
    is_other.then(|| format!("the port {what}: try {scheme}://{}", endpoint.authority))
}

/// Whether a request without TLS is answered in the same way.
async fn speaks_plainly(endpoint: &Endpoint) -> bool {
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(endpoint.address()).await.ok()?;
        let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", endpoint.authority);
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.ok()?;
        // A server of TLS that is asked like this may say so in plain HTTP, with status 400.
        Some(start.starts_with(b"HTTP/1.") && !start.ends_with(b"400"))
    };
    tokio::time::timeout(LIMIT, ask).await.ok().flatten().unwrap_or(false)
}

//! Where a server listens, and how it is to be talked to.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Uri;

use super::dial::Manner;

/// A parsed and resolved URL.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// As given, without a path.
    pub url: String,
    /// Host and port, for the `Host` header.
    pub authority: String,
    /// The name that a certificate has to be for.
    pub host: String,
    /// Path of the engine, with slashes on both ends.
    pub path: String,
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub secure: bool,
    pub manner: Arc<Manner>,
}

impl Endpoint {
    /// Parses and resolves `http://host:port[/path]`, or the same with `https`. A path in the URL wins over `path`.
    ///
    /// The error says what is wrong with the URL and what would be right.
    pub async fn resolve(url: &str, path: Option<&str>, manner: Arc<Manner>) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("`{url}` is not a URL: {error}"))?;
        let secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(format!("`{url}` is not a URL of a server; expected http://HOST:PORT")),
        };
        let host = uri.host().ok_or_else(|| format!("`{url}` names no host; expected http://HOST:PORT"))?;
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let path = Some(uri.path()).filter(|path| *path != "/").or(path).unwrap_or("/socket.io/");
        let bare_host = host.trim_matches(['[', ']']);
        let mut found = tokio::net::lookup_host((bare_host, port))
            .await
            .map_err(|error| format!("cannot resolve `{host}`: {error}"))?;
        let address = found.next().ok_or_else(|| format!("`{host}` has no address"))?;
        let authority = format!("{host}:{port}");
        Ok(Self {
            url: format!("{}://{authority}", if secure { "https" } else { "http" }),
            authority,
            host: host.to_owned(),
            path: format!("/{}/", path.trim_matches('/')),
            address,
            secure,
            manner,
        })
    }

    /// The same server, by way of a relay.
    pub fn through(&mut self, relay: SocketAddr) {
        self.address = relay;
        self.authority = relay.to_string();
    }

    /// The engine's path with a query string.
    pub fn engine_path(&self, query: &str) -> String {
        let more = &self.manner.query;
        let and = if more.is_empty() { "" } else { "&" };
        format!("{}?{query}{and}{more}", self.path)
    }

    /// The engine's URL with a query string.
    pub fn engine_url(&self, query: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.engine_path(query))
    }

    /// The name to ask for in TLS; `None` without it.
    pub(super) fn tls_name(&self) -> Option<&str> {
        self.secure.then_some(&*self.host)
    }
}

//! Where a server listens.

use std::net::SocketAddr;

use http::Uri;

/// A parsed and resolved URL.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// As given, without a path.
    pub url: String,
    /// Host and port, for the `Host` header.
    pub authority: String,
    /// Path of the engine, with slashes on both ends.
    pub path: String,
    pub address: SocketAddr,
}

impl Endpoint {
    /// Parses and resolves `http://host:port[/path]`. A path in the URL wins over `path`.
    ///
    /// The error says what is wrong with the URL and what would be right.
    pub async fn resolve(url: &str, path: Option<&str>) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("`{url}` is not a URL: {error}"))?;
        match uri.scheme_str() {
            Some("http" | "ws") => {}
            Some("https" | "wss") => return Err(format!("`{url}`: TLS is not supported yet; use http://")),
            _ => return Err(format!("`{url}` is not a URL of a server; expected http://HOST:PORT")),
        }
        let host = uri.host().ok_or_else(|| format!("`{url}` names no host; expected http://HOST:PORT"))?;
        let port = uri.port_u16().unwrap_or(80);
        let path = Some(uri.path()).filter(|path| *path != "/").or(path).unwrap_or("/socket.io/");
        let bare_host = host.trim_matches(['[', ']']);
        let mut found = tokio::net::lookup_host((bare_host, port))
            .await
            .map_err(|error| format!("cannot resolve `{host}`: {error}"))?;
        let address = found.next().ok_or_else(|| format!("`{host}` has no address"))?;
        let authority = format!("{host}:{port}");
        Ok(Self {
            url: format!("http://{authority}"),
            authority,
            path: format!("/{}/", path.trim_matches('/')),
            address,
        })
    }

    /// The engine's URL with a query string, for one scheme.
    pub fn engine_url(&self, scheme: &str, query: &str) -> String {
        format!("{scheme}://{}{}?{query}", self.authority, self.path)
    }
}

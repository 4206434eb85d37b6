//! Where a server listens, and how it is to be talked to.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use http::Uri;

use super::cookies::{self, Cookies, Jar};
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
    /// The cookies of who asks, if it keeps any.
    pub jar: Option<Jar>,
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
            jar: None,
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

    /// The same server for somebody who keeps cookies.
    #[must_use]
    pub fn with_jar(mut self, jar: Jar) -> Self {
        self.jar = Some(jar);
        self
    }

    /// What a request for `path`, and a query, says: the headers of every request, and the cookies that belong there.
    pub(crate) fn headers(&self, path: &str) -> Cow<'_, [(String, String)]> {
        let headers = &self.manner.headers;
        match &self.jar {
            None => Cow::Borrowed(headers),
            Some(jar) => {
                let mut headers = headers.clone();
                cookies::add(jar, &format!("{}{path}", self.origin()), &mut headers);
                Cow::Owned(headers)
            }
        }
    }

    /// The cookies of who asks, at this server.
    pub(crate) fn cookies(&self) -> Option<Cookies> {
        self.jar.as_ref().map(|jar| jar.at(self.origin()))
    }

    /// Scheme and host, whatever relay is in between; cookies make no difference between ports.
    fn origin(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.host)
    }

    /// The name to ask for in TLS; `None` without it.
    pub(super) fn tls_name(&self) -> Option<&str> {
        self.secure.then_some(&*self.host)
    }
}

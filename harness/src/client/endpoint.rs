//! Where a server listens, and how it is to be talked to.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use super::addresses::{self, Way};
use super::dial::ConnectOptions;
use super::label::Label;
use super::url::{Parts, parse};
use crate::wire::cookies::{self, Cookies, Jar};

/// A parsed and resolved URL.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// As given, without a path.
    pub url: String,
    /// Host and port, for the `Host` header.
    pub authority: String,
    /// The name that a certificate has to be for.
    pub host: String,
    /// Path of the engine, with or without a slash at its end, as it is asked for.
    pub path: String,
    /// Whether it speaks TLS.
    pub secure: bool,
    pub manner: Arc<ConnectOptions>,
    /// The cookies of who asks, if it keeps any.
    pub jar: Option<Jar>,
    /// What watches for the name of the server that answers, if somebody wants to know.
    pub label: Option<Label>,
    /// The query of the URL, sent with every request to the engine.
    query: String,
    way: Way,
}

impl Endpoint {
    /// Parses and resolves `http://[USER:PASSWORD@]HOST[:PORT][/PATH][?QUERY]`, or the same with `https`. The path of the
    /// command line wins over that of the URL, and that over `path`.
    ///
    /// The error says what is wrong with the URL and what would be right.
    pub async fn resolve(url: &str, path: Option<&str>, manner: Arc<ConnectOptions>) -> Result<Self, String> {
        let Parts { secure, host, port, path: own, query, authorization } = parse(url)?;
        let path = manner.path.as_deref().or(own.as_deref()).or(path).unwrap_or("/socket.io/");
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        format!("{path}?x").parse::<http::Uri>().map_err(|error| format!("`{path}` is not a path: {error}"))?;
        if path.contains(['?', '#']) {
            return Err(format!("the path `{path}` has a query or a fragment; a query goes into `query` or --query"));
        }
        let found = addresses::resolve(&host, port, &manner.sources).await?;
        let authority = format!("{host}:{port}");
        let manner = match authorization {
            Some(basic) => manner.with_header("Authorization", &basic),
            None => manner,
        };
        Ok(Self {
            url: format!("{}://{authority}", if secure { "https" } else { "http" }),
            authority,
            host,
            path,
            secure,
            manner,
            jar: None,
            label: None,
            query,
            way: Way::direct(found),
        })
    }

    /// The same server, by way of a relay.
    pub fn through(&mut self, relay: SocketAddr) {
        self.way = Way::relay(relay);
    }

    /// Lets go of addresses at which nobody listens, if there is one at which somebody does.
    pub async fn settle(&mut self) {
        self.way.settle(&self.manner).await;
    }

    /// The same server for one of many users, who are spread over its addresses.
    #[must_use]
    pub fn for_user(mut self, number: u64) -> Self {
        self.way.choose(number);
        self
    }

    /// The same server for somebody who keeps cookies.
    #[must_use]
    pub fn with_jar(mut self, jar: Jar) -> Self {
        self.jar = Some(jar);
        self
    }

    /// The same server at another path.
    #[must_use]
    pub(crate) fn with_path(mut self, path: String) -> Self {
        self.path = path;
        self
    }

    /// The address that is tried first.
    pub fn address(&self) -> SocketAddr {
        self.way.first()
    }

    /// All addresses of the server that are known.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.way.all()
    }

    /// All addresses, in the order in which they are tried.
    pub(super) fn in_turn(&self) -> Vec<SocketAddr> {
        self.way.in_turn()
    }

    /// The engine's path with a query string.
    pub fn engine_path(&self, query: &str) -> String {
        let mut path = format!("{}?{query}", self.path);
        for more in [&self.query, &self.manner.query] {
            if !more.is_empty() {
                path.push('&');
                path.push_str(more);
            }
        }
        path
    }

    /// The engine's URL with a query string.
    pub fn engine_url(&self, query: &str) -> String {
        format!("{}{}", self.base(), self.engine_path(query))
    }

    /// The URL of the server for our own HTTP client: where the user's address stands in it, the [`Dialer`] goes there.
    ///
    /// [`Dialer`]: super::dial::Dialer
    pub(crate) fn base(&self) -> String {
        format!("{}://{}{}", self.scheme(), self.way.mark(), self.authority)
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

    /// Adds the headers of every request to those of one, unless it has some of the same name.
    pub(crate) fn lend_headers(&self, headers: &mut Vec<(String, String)>) {
        for (name, value) in &self.manner.headers {
            if !headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                headers.push((name.clone(), value.clone()));
            }
        }
    }

    /// The cookies of who asks, at this server.
    pub(crate) fn cookies(&self) -> Option<Cookies> {
        self.jar.as_ref().map(|jar| jar.at(self.origin()))
    }

    /// Whether a URL is one of this server's: the same scheme, host and port.
    pub(crate) fn is_at(&self, url: &str) -> bool {
        let Ok(uri) = url.parse::<http::Uri>() else { return false };
        let port = uri.port_u16().unwrap_or(if self.secure { 443 } else { 80 });
        let host = uri.host().unwrap_or_default();
        uri.scheme_str() == Some(self.scheme()) && format!("{host}:{port}").eq_ignore_ascii_case(&self.authority)
    }

    /// Scheme and host, whatever relay is in between; cookies make no difference between ports.
    fn origin(&self) -> String {
        format!("{}://{}", self.scheme(), self.host)
    }

    fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// The name to ask for in TLS; `None` without it.
    pub(super) fn tls_name(&self) -> Option<&str> {
        self.secure.then_some(&*self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn endpoint(url: &str, path: Option<&str>) -> Endpoint {
        Endpoint::resolve(url, path, Arc::default()).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_written_is_what_is_asked_for() {
        for (url, path, asked) in [
            ("http://127.0.0.1:1", None, "/socket.io/?EIO=4"),
            ("http://127.0.0.1:1/", Some("/api/socket"), "/api/socket?EIO=4"),
            ("http://127.0.0.1:1", Some("api/socket/"), "/api/socket/?EIO=4"),
            ("http://127.0.0.1:1/live", Some("/api/socket"), "/live?EIO=4"),
            ("http://127.0.0.1:1/live/?token=a%20b&x=1", None, "/live/?EIO=4&token=a%20b&x=1"),
            ("http://127.0.0.1:1/?token=abc", None, "/socket.io/?EIO=4&token=abc"),
        ] {
            assert_eq!(endpoint(url, path).await.engine_path("EIO=4"), asked, "{url} {path:?}");
        }
        assert!(Endpoint::resolve("http://127.0.0.1:1", Some("/a?b=c"), Arc::default()).await.is_err());
        let manner = Arc::new(ConnectOptions {
            path: Some("/said".to_owned()),
            query: "q=1".to_owned(),
            ..ConnectOptions::default()
        });
        let said = Endpoint::resolve("http://127.0.0.1:1/live?t=2", None, manner).await.unwrap();
        assert_eq!(said.engine_path("EIO=4"), "/said?EIO=4&t=2&q=1");
    }

    #[tokio::test]
    async fn what_gets_one_in_is_for_this_server_alone() {
        let endpoint = endpoint("http://127.0.0.1:3000/live", None).await;
        for (url, own) in [
            ("http://127.0.0.1:3000/login", true),
            ("http://127.0.0.1:3000", true),
            ("http://me@127.0.0.1:3000/?a=b", true),
            ("https://127.0.0.1:3000/login", false),
            ("http://127.0.0.1:30000/login", false),
            ("http://127.0.0.1:3000.example.org/login", false),
            ("http://127.0.0.1/login", false),
            ("no URL", false),
        ] {
            assert_eq!(endpoint.is_at(url), own, "{url}");
        }
    }

    #[tokio::test]
    async fn a_user_in_the_url_is_basic_authorization() {
        let endpoint = endpoint("http://me:a%3Ab@127.0.0.1:1", None).await;
        assert_eq!(endpoint.url, "http://127.0.0.1:1");
        assert_eq!(endpoint.headers("/")[0], ("Authorization".to_owned(), "Basic bWU6YTpi".to_owned()));
    }
}

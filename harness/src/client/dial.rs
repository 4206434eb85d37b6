//! How connections are opened: from which address, with what on top of TCP, and what every request says.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http::{Uri, request};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use sio_protocol::Parser;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use super::addresses::{self, Mark};
use super::endpoint::Endpoint;
use super::signs::Signs;
use super::tls::{Tls, server_name};
use super::wire_bytes::Counted;
use crate::vocab::Trust;

/// What all connections to a target have in common.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// Sent with every HTTP request, the WebSocket's included.
    pub headers: Vec<(String, String)>,
    /// Behind the query of every such request; empty, or `a=1&b=2`.
    pub query: String,
    /// For `https` and `wss`.
    pub tls: Tls,
    /// Local addresses, taken in turn; the kernel's choice if there are none.
    pub sources: Vec<IpAddr>,
    /// What the server's packets are written by.
    pub parser: Parser,
    /// What is shown at a namespace by whoever has nothing of its own to show: JSON text, or empty.
    pub auth: String,
    /// Path of the engine, ahead of what the URL and the scenario say.
    pub path: Option<String>,
    /// What users are going to ask for; the probe asks for it, too.
    pub doors: Vec<Door>,
    /// What answers have told of several servers.
    pub signs: Arc<Signs>,
    /// Whether users log in before they connect, or show something of their own: what is refused to the probe may be
    /// granted to them.
    pub logs_in: bool,
    pub(crate) turn: Arc<AtomicUsize>,
}

/// A namespace that somebody will want to join, and what is shown there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Door {
    pub namespace: String,
    /// JSON text; empty if there is none, or if it is not known ahead of the run.
    pub auth: String,
}

impl ConnectOptions {
    /// All settings; whose turn it is begins with the first address.
    pub fn new(
        headers: Vec<(String, String)>,
        query: String,
        tls: Tls,
        sources: Vec<IpAddr>,
        parser: Parser,
    ) -> Arc<Self> {
        Arc::new(Self { headers, query, tls, sources, parser, ..Self::default() })
    }

    /// The same, and one header, unless there is one of that name.
    pub(crate) fn with_header(self: Arc<Self>, name: &str, value: &str) -> Arc<Self> {
        if self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return self;
        }
        let mut more = Self::clone(&self);
        more.headers.push((name.to_owned(), value.to_owned()));
        Arc::new(more)
    }

    /// The same, with other headers and another query.
    pub(crate) fn showing(&self, headers: Vec<(String, String)>, query: String) -> Arc<Self> {
        // Who asks ahead of the users knows what they will ask for; they need not.
        Arc::new(Self { headers, query, doors: Vec::new(), ..self.clone() })
    }

    /// A TCP connection, from the address whose turn it is.
    pub(super) async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let alike: Vec<_> = self.sources.iter().filter(|source| source.is_ipv4() == to.is_ipv4()).collect();
        let Some(turn) = self.turn.fetch_add(1, Ordering::Relaxed).checked_rem(alike.len()) else {
            return TcpStream::connect(to).await;
        };
        let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind(SocketAddr::new(*alike[turn], 0))?;
        socket.connect(to).await
    }

    /// A connection to one of these addresses, which speaks TLS if it has to.
    pub(super) async fn open(&self, to: &[SocketAddr], host: Option<&str>) -> io::Result<Stream> {
        let tcp = addresses::race(to, |address| self.connect(address)).await?;
        tcp.set_nodelay(true)?;
        let tcp = Counted(tcp);
        match host {
            None => Ok(Stream::Tcp(tcp)),
            Some(host) => {
                let tls = self.tls.connector().map_err(io::Error::other)?.connect(server_name(host)?, tcp).await?;
                Ok(Stream::Tls(Box::new(tls)))
            }
        }
    }
}

/// Puts headers into the head of a request.
pub(crate) fn dress(mut request: request::Builder, headers: &[(String, String)]) -> request::Builder {
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request
}

/// Whether the port of an endpoint takes a TLS handshake, whoever its certificate is for.
pub(crate) async fn speaks_tls(endpoint: &Endpoint) -> bool {
    let manner = ConnectOptions { tls: Tls::new(Trust::Anybody), ..ConnectOptions::default() };
    manner.open(&endpoint.in_turn(), Some(&endpoint.host)).await.is_ok()
}

/// What carries the bytes.
#[derive(Debug)]
pub enum Stream {
    Tcp(Counted),
    Tls(Box<TlsStream<Counted>>),
}

impl Stream {
    /// The bare connection.
    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Tcp(stream) => &stream.0,
            Self::Tls(stream) => &stream.get_ref().0.0,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().extra(Proven::default())
    }
}

/// Whether a connection that is kept open has carried an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Proven(Arc<AtomicBool>);

impl Proven {
    pub(super) fn prove(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_proven(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

async fn resolve(host: &str, port: u16, manner: &ConnectOptions) -> io::Result<Vec<SocketAddr>> {
    addresses::resolve(host, port, &manner.sources).await.map_err(io::Error::other)
}

/// Opens connections for the HTTP client.
#[derive(Clone, Debug)]
pub struct Dialer(pub(super) Arc<ConnectOptions>);

type Dialing = Pin<Box<dyn Future<Output = io::Result<TokioIo<Stream>>> + Send>>;

impl Service<Uri> for Dialer {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Dialing;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Dialing {
        let manner = self.0.clone();
        Box::pin(async move {
            let secure = uri.scheme_str() == Some("https");
            let host = uri.host().unwrap_or_default();
            let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
            let addresses = match uri.authority().and_then(|authority| addresses::marked(authority.as_str())) {
                Some(Mark::Only(address)) => vec![address],
                Some(Mark::First(ip)) => {
                    let mut found = resolve(host, port, &manner).await?;
                    found.sort_by_key(|address| address.ip() != ip);
                    found
                }
                None => resolve(host, port, &manner).await?,
            };
            Ok(TokioIo::new(manner.open(&addresses, secure.then_some(host)).await?))
        })
    }
}

//! A port of the server's own: accepting connections, TLS if asked for, and HTTP on top.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

#[cfg(feature = "faults")]
use crate::faults::http::serve as answer;
use crate::limits::{HEADER_TIMEOUT, MAX_HEAD, MAX_HEADERS, TLS_TIMEOUT};
use crate::patience::Patient;
use crate::server::Server;
#[cfg(not(feature = "faults"))]
use crate::transport::http::serve as answer;

/// A bound port.
pub struct Listener {
    server: Server,
    socket: std::net::TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    pub(crate) async fn bind(server: Server, address: impl ToSocketAddrs) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?.into_std()?;
        let address = socket.local_addr()?;
        Ok(Self { server, socket, address, tls: None })
    }

    /// Speaks TLS; [`crate::tls::load`] reads a certificate and its key.
    #[must_use]
    pub fn with_tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.tls = Some(config.into());
        self
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Another handle of the same port, to be run on another thread's runtime: connections go to whichever thread
    /// takes them first.
    pub fn try_clone(&self) -> io::Result<Self> {
        let socket = self.socket.try_clone()?;
        Ok(Self { server: self.server.clone(), socket, address: self.address, tls: self.tls.clone() })
    }

    /// Serves until the server is closed or the future is dropped. Fails only when the port itself does.
    pub async fn run(self) -> io::Result<()> {
        let socket = TcpListener::from_std(self.socket)?;
        loop {
            // Cancel-safe: a connection that is accepted is handed over at once.
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                () = self.server.closed() => return Ok(()),
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                // Out of descriptors, or a peer that was gone before we looked: wait for better times.
                Err(error) if is_passing(&error) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            // Fails only on a socket that is already dead.
            let _ = stream.set_nodelay(true);
            tokio::spawn(serve(self.server.clone(), self.tls.clone(), stream, address));
        }
    }
}

async fn serve(server: Server, tls: Option<TlsAcceptor>, stream: TcpStream, address: SocketAddr) {
    let stream = Patient::new(stream);
    match tls {
        None => serve_http(server, stream, address).await,
        Some(tls) => {
            let Ok(Ok(stream)) = tokio::time::timeout(TLS_TIMEOUT, tls.accept(stream)).await else { return };
            serve_http(server, stream, address).await;
        }
    }
}

async fn serve_http(server: Server, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, address: SocketAddr) {
    let answering = server.clone();
    let service = service_fn(move |request| {
        let server = answering.clone();
        async move { Ok::<_, std::convert::Infallible>(answer(&server, Some(address), request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    // A peer that breaks HTTP or goes away is its own problem; the session notices by itself.
    // Cancel-safe: the connection is pinned and goes on.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = server.closed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
        || matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}

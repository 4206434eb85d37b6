//! A port of the server's own: accepting connections, TLS if asked for, and HTTP on top.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::errno::Errno;
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
        #[cfg(feature = "faults")]
        if let Some(faults) = &server.options().faults {
            faults.begin_life(address.port());
        }
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

    /// Serves until the server is closed or the future is dropped. Fails only when the socket is none that listens:
    /// whatever else goes wrong with a connection, the next one may be better.
    pub async fn run(self) -> io::Result<()> {
        let socket = TcpListener::from_std(self.socket)?;
        let mut pause = Duration::ZERO;
        loop {
            // Cancel-safe: a connection that is accepted is handed over at once.
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                () = self.server.closed() => return Ok(()),
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_final(&error) => return Err(error),
                // Out of descriptors or memory, a filter, a peer that was gone before we looked: wait for better times.
                Err(_) => {
                    pause = next_pause(pause);
                    tokio::time::sleep(pause).await;
                    continue;
                }
            };
            pause = Duration::ZERO;
            // Fails only on a socket that is already dead.
            let _ = stream.set_nodelay(true);
            tokio::spawn(serve(self.server.clone(), self.tls.clone(), stream, address));
        }
    }
}

async fn serve(server: Server, tls: Option<TlsAcceptor>, stream: TcpStream, address: SocketAddr) {
    #[cfg(feature = "faults")]
    if tls.is_some() && fault!(server, TlsPlainHangs) {
        // Every record of a handshake begins so.
        const HANDSHAKE: u8 = 22;
        let mut first = [HANDSHAKE];
        let _ = stream.peek(&mut first).await;
        if first != [HANDSHAKE] {
            return server.closed().await;
        }
    }
    #[cfg(feature = "faults")]
    if server.options().faults.as_ref().is_some_and(crate::faults::Faults::is_deaf) {
        return;
    }
    let stream = Patient::new(stream);
    match tls {
        None => serve_http(server, stream, address).await,
        Some(tls) => {
            // Boxed, like all that only some connections need: each has a task with room for the largest of it.
            let accepted = Box::pin(tokio::time::timeout(TLS_TIMEOUT, tls.accept(stream))).await;
            let Ok(Ok(stream)) = accepted else { return };
            // Nothing of this is known to what serves the request.
            #[cfg(feature = "faults")]
            if fault!(server, TlsWithoutWebSocket) {
                return Box::pin(without_upgrades(server, stream, address)).await;
            }
            Box::pin(serve_http(server, stream, address)).await;
        }
    }
}

async fn serve_http(server: Server, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, address: SocketAddr) {
    let answering = server.clone();
    // A request's future is made when one comes: a connection that waits for the next one has none.
    let service = service_fn(move |request| {
        let server = answering.clone();
        Box::pin(async move { Ok::<_, std::convert::Infallible>(answer(&server, Some(address), request).await) })
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
        end = connection.as_mut() => {
            #[cfg(feature = "faults")]
            if let (Err(_), Some(faults)) = (&end, &server.options().faults) {
                faults.broke_off();
            }
            drop(end);
            return;
        }
        () = server.closed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Serves as if nobody asked for an upgrade.
#[cfg(feature = "faults")]
async fn without_upgrades(
    server: Server,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    address: SocketAddr,
) {
    let service = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        request.headers_mut().remove(http::header::UPGRADE);
        let server = server.clone();
        async move { Ok::<_, std::convert::Infallible>(answer(&server, Some(address), request).await) }
    });
    // A peer that goes away is its own problem.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Whether no connection will ever be accepted: what was bound is no socket (any more), or none that listens.
fn is_final(error: &io::Error) -> bool {
    let finals = [Errno::EBADF, Errno::ENOTSOCK, Errno::EINVAL, Errno::EOPNOTSUPP, Errno::EFAULT];
    error.raw_os_error().is_some_and(|code| finals.contains(&Errno::from_raw(code)))
}

/// How long to wait after a failure, given the wait before: from a hundredth of a second to one.
fn next_pause(pause: Duration) -> Duration {
    (pause * 2).clamp(Duration::from_millis(10), Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// accept(2) lists most of them; firewalls and sandboxes bring others.
    #[test]
    fn a_connection_that_cannot_be_accepted_does_not_end_the_server() {
        for code in [
            Errno::ECONNABORTED,
            Errno::EMFILE,
            Errno::ENFILE,
            Errno::ENOBUFS,
            Errno::ENOMEM,
            Errno::EPROTO,
            Errno::EPERM,
            Errno::EACCES,
            Errno::ENETDOWN,
            Errno::EHOSTUNREACH,
            Errno::EHOSTDOWN,
            Errno::ENETUNREACH,
            Errno::ENONET,
            Errno::ENOPROTOOPT,
            Errno::ENOSR,
            Errno::ETIMEDOUT,
            Errno::EIO,
        ] {
            assert!(!is_final(&io::Error::from_raw_os_error(code as i32)), "{code}");
        }
        assert!(is_final(&io::Error::from_raw_os_error(Errno::EBADF as i32)));
    }

    #[test]
    fn failures_in_a_row_are_waited_for_longer_and_longer() {
        let mut pause = Duration::ZERO;
        let pauses: Vec<_> = std::iter::repeat_with(|| {
            pause = next_pause(pause);
            pause.as_millis()
        })
        .take(10)
        .collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000]);
    }
}

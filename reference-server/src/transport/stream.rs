//! What a WebSocket runs on: a bare TCP stream where there is one, else whatever the HTTP connection ran on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::scratch::Ahead;
use crate::patience::Patient;
use crate::session::give_way;

/// The stream below a WebSocket.
pub(super) struct Stream {
    below: Below,
    ahead: Ahead,
    /// Bytes that may still be read in this turn.
    budget: usize,
}

enum Below {
    /// A plain connection, without hyper's layers.
    Tcp(TcpStream),
    /// TLS, or the stream of somebody else's HTTP stack.
    Other(TokioIo<Upgraded>),
}

impl Stream {
    /// The stream, and what the client sent right behind its request (EIO-WS-07).
    pub(super) fn of(upgraded: Upgraded) -> (Self, Bytes) {
        let (below, behind) = match upgraded.downcast::<TokioIo<Patient<TcpStream>>>() {
            Ok(parts) => (Below::Tcp(parts.io.into_inner().into_inner()), parts.read_buf),
            Err(upgraded) => match upgraded.downcast::<TokioIo<TcpStream>>() {
                Ok(parts) => (Below::Tcp(parts.io.into_inner()), parts.read_buf),
                Err(upgraded) => (Below::Other(TokioIo::new(upgraded)), Bytes::new()),
            },
        };
        (Self { below, ahead: Ahead::default(), budget: usize::MAX }, behind)
    }

    /// Begins a turn in which so many bytes are read at most; then the others get theirs.
    pub(super) fn limit(&mut self, bytes: usize) {
        self.budget = bytes;
    }

    /// Ends the limit.
    pub(super) fn unlimited(&mut self) {
        self.budget = usize::MAX;
    }

    /// Whether reading is worth a try. Of a stream that is not the kernel's own nobody knows.
    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.below {
            _ if !self.ahead.is_empty() => Poll::Ready(()),
            Below::Tcp(stream) => stream.poll_read_ready(cx).map(drop),
            Below::Other(_) => Poll::Ready(()),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.budget == 0 {
            give_way(cx);
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let Self { below, ahead, .. } = &mut *self;
        let outcome = ahead.read(buffer, |buffer| match below {
            Below::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Below::Other(stream) => Pin::new(stream).poll_read(cx, buffer),
        });
        self.budget = self.budget.saturating_sub(buffer.filled().len() - before);
        outcome
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.below {
            Below::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Below::Other(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.below {
            Below::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Below::Other(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.below {
            Below::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Below::Other(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

//! Frames over a WebSocket.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Sink, Stream};
use sio_protocol::{ByteString, Frame};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};

use super::connection::Error;
use super::endpoint::Endpoint;

/// Read buffer of one connection; tungstenite's default of 128 KiB is zeroed on each read.
const READ_BUFFER: usize = 4096;
/// The largest message taken from a target.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// A WebSocket that feeds what is queued and flushes it once.
pub(super) struct WebSocket {
    stream: WebSocketStream<TcpStream>,
    /// Something was fed and not yet flushed.
    dirty: bool,
}

impl WebSocket {
    /// Opens a WebSocket to the engine; with `sid`, one that wants to take over that session.
    pub(super) async fn open(endpoint: &Endpoint, sid: Option<&str>) -> Result<Self, Error> {
        let stream = TcpStream::connect(endpoint.address).await.map_err(Error::Connect)?;
        stream.set_nodelay(true).map_err(Error::Connect)?;
        let mut query = "EIO=4&transport=websocket".to_owned();
        if let Some(sid) = sid {
            query.push_str("&sid=");
            query.push_str(sid);
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let url = endpoint.engine_url("ws", &query);
        let opened = tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await;
        match opened {
            Ok((stream, _)) => Ok(Self { stream, dirty: false }),
            Err(WsError::Http(response)) => {
                let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
                Err(Error::Status { status: response.status().as_u16(), body })
            }
            Err(error) => Err(Error::WebSocket(error.to_string())),
        }
    }

    /// Whether a frame can be fed now.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        Pin::new(&mut self.stream).poll_ready(cx)
    }

    /// Feeds a frame; it leaves with the next flush.
    pub(super) fn feed(&mut self, frame: Frame) -> Result<(), WsError> {
        self.dirty = true;
        Pin::new(&mut self.stream).start_send(to_message(frame))
    }

    /// Writes what was fed. `Pending` while the socket takes no more.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        if !self.dirty {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.dirty = flushed.is_pending();
        flushed
    }

    /// The next frame, or why there will be none.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, String>> {
        loop {
            let message = match Pin::new(&mut self.stream).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(message))) => message,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.to_string())),
                Poll::Ready(None) => return Poll::Ready(Err("the WebSocket was closed".to_owned())),
            };
            match message {
                Message::Text(text) => {
                    let bytes: bytes::Bytes = text.into();
                    return Poll::Ready(ByteString::try_from(bytes).map(Frame::Text).map_err(|e| e.to_string()));
                }
                Message::Binary(bytes) => return Poll::Ready(Ok(Frame::Binary(bytes))),
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Says goodbye as far as the socket takes it at once.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }

    /// The bare connection.
    pub(super) fn tcp(&self) -> &TcpStream {
        self.stream.get_ref()
    }
}

fn to_message(frame: Frame) -> Message {
    match frame {
        Frame::Text(text) => match Utf8Bytes::try_from(text.into_bytes()) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Text(Utf8Bytes::default()), // unreachable: a ByteString is UTF-8
        },
        Frame::Binary(bytes) => Message::Binary(bytes),
    }
}

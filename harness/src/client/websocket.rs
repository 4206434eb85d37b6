//! Frames over a WebSocket: nothing is allocated for a connection that is idle, and what a read took is handed out
//! without another.

use std::io;
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use sio_protocol::{ByteString, Frame};
use tokio::net::TcpStream;

use super::connection::Error;
use super::endpoint::Endpoint;
use super::refusal::refused;
use super::socket::{Arrival, Socket};
use crate::wire::close_code;
use crate::wire::frame::{self, Frame as WsFrame, Messages};
use crate::wire::held::Held;
use crate::wire::websocket::{Answer, Shaken, shake_hands};

/// While more than this waits to be written, nothing more is taken, and pings are not answered: who does not read misses
/// nothing by that (RFC 6455, section 5.5.3, wants an answer to the last one only).
const BACKLOG: usize = 256 * 1024;
/// Reads that end no message, before others have their turn.
const READS_AT_A_TIME: usize = 16;
/// Frames that end no message, before the same.
const FRAMES_AT_A_TIME: usize = 2_000;

/// A WebSocket that feeds what is queued and flushes it once.
pub(super) struct WebSocket {
    socket: Socket,
    /// What has been read and not handed out.
    incoming: BytesMut,
    /// When the last of that arrived.
    arrival: Option<Arrival>,
    /// What waits to be written.
    outgoing: BytesMut,
    messages: Messages,
    /// Bytes of the largest frame that was fed.
    largest: usize,
    /// Frames have been read that nobody has looked at yet.
    has_more: bool,
    /// What has come of messages that have not ended.
    held: Held,
    /// Packets whose attachments have not all come.
    waiting: Held,
}

impl WebSocket {
    /// Opens a WebSocket to the engine; with `sid`, one that wants to take over that session.
    pub(super) async fn open(endpoint: &Endpoint, sid: Option<&str>) -> Result<Self, Error> {
        let mut stream =
            endpoint.manner.open(&endpoint.in_turn(), endpoint.tls_name()).await.map_err(Error::connecting)?;
        let mut query = "EIO=4&transport=websocket".to_owned();
        if let Some(sid) = sid {
            query.push_str("&sid=");
            query.push_str(sid);
        }
        let path = endpoint.engine_path(&query);
        let shaken = shake_hands(&mut stream, &path, &endpoint.authority, &endpoint.headers(&path), &[]).await;
        let Shaken { answer, headers } = shaken.map_err(Error::WebSocket)?;
        if let Some(cookies) = endpoint.cookies() {
            cookies.learn(&path, &headers);
        }
        endpoint.manner.signs.look_at(&headers);
        endpoint.label.iter().for_each(|label| label.look_at(&headers));
        match answer {
            Answer::Open(incoming) => Ok(Self {
                socket: Socket::new(stream),
                incoming,
                arrival: None,
                outgoing: BytesMut::new(),
                messages: Messages::default(),
                largest: 0,
                has_more: false,
                held: Held::default(),
                waiting: Held::default(),
            }),
            Answer::Refused { status, body } => Err(refused(endpoint.addresses().len(), status, &headers, body)),
        }
    }

    /// Whether a frame can be fed now.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.outgoing.len() > BACKLOG { self.poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }

    /// Feeds a frame; it leaves with the next flush.
    pub(super) fn feed(&mut self, frame: &Frame) {
        let length = match frame {
            Frame::Text(text) => text.len(),
            Frame::Binary(bytes) => bytes.len(),
        };
        self.largest = self.largest.max(length);
        match frame {
            Frame::Text(text) => frame::put_message(frame::TEXT, text.as_bytes(), &mut self.outgoing),
            Frame::Binary(bytes) => frame::put_message(frame::BINARY, bytes, &mut self.outgoing),
        }
    }

    /// Writes what was fed. `Pending` while the socket takes no more.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.outgoing.is_empty() {
            ready!(self.socket.poll_write(cx, &mut self.outgoing))?;
            // An idle connection holds no buffer.
            self.outgoing = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// The next frame, or why there will be none.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, String>> {
        for _ in 0..READS_AT_A_TIME {
            if let Some(frame) = self.next_read() {
                return Poll::Ready(frame);
            }
            if std::mem::take(&mut self.has_more) {
                break;
            }
            // The answer to a ping.
            if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                return Poll::Ready(Err(error.to_string()));
            }
            let read = ready!(self.socket.poll_read(cx, &mut self.incoming));
            self.arrival = Some(read.map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => "the connection was closed without a close frame".to_owned(),
                _ => error.to_string(),
            })?);
            self.held.set(self.incoming.len() + self.messages.held())?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The next frame of what has been read already, or why there will be none.
    pub(super) fn next_read(&mut self) -> Option<Result<Frame, String>> {
        for _ in 0..FRAMES_AT_A_TIME {
            let message = match WsFrame::decode(&mut self.incoming) {
                Ok(Some(frame)) => self.take(frame),
                Ok(None) => {
                    if self.incoming.is_empty() {
                        // An idle connection holds no buffer.
                        self.incoming = BytesMut::new();
                        // Less than before is never too much.
                        let _ = self.held.set(self.messages.held());
                    }
                    return None;
                }
                Err(why) => Err(why),
            };
            if let Some(message) = message.transpose() {
                return Some(message);
            }
        }
        self.has_more = true;
        None
    }

    /// Takes a frame; returns the message that it completes.
    fn take(&mut self, frame: WsFrame) -> Result<Option<Frame>, String> {
        match frame.opcode {
            frame::PING if self.outgoing.len() > BACKLOG => {}
            frame::PING => frame::put_message(frame::PONG, &frame.payload, &mut self.outgoing),
            frame::PONG => {}
            frame::CLOSE => {
                frame::put_message(frame::CLOSE, &frame.payload, &mut self.outgoing);
                // The answer is a courtesy, as far as the socket takes it at once; the peer may be gone already.
                let _ = self.poll_flush(&mut Context::from_waker(Waker::noop()));
                let (code, reason) = close_code::read(&frame.payload);
                return Err(format!("closed with {}", close_code::shown(code, &reason)));
            }
            _ => {
                let Some((opcode, payload)) = self.messages.take(frame)? else { return Ok(None) };
                if opcode == frame::BINARY {
                    return Ok(Some(Frame::Binary(payload)));
                }
                let text = ByteString::try_from(payload);
                return text.map(|text| Some(Frame::Text(text))).map_err(|_| "a text frame is not UTF-8".to_owned());
            }
        }
        Ok(None)
    }

    /// So many bytes that it has brought wait for what belongs to them.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), String> {
        self.waiting.set(bytes)
    }

    /// Bytes of the largest message that was sent.
    pub(super) fn largest(&self) -> usize {
        self.largest
    }

    /// When the bytes arrived that were read last; what was in the segments of the handshake has no time.
    pub(super) fn arrival(&self) -> Option<Arrival> {
        self.arrival
    }

    /// Says goodbye as far as the socket takes it at once.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.outgoing.is_empty() {
            frame::put_message(frame::CLOSE, &1000_u16.to_be_bytes(), &mut self.outgoing);
        }
        ready!(self.poll_flush(cx))?;
        self.socket.poll_shutdown(cx)
    }

    /// The bare connection.
    pub(super) fn tcp(&self) -> &TcpStream {
        self.socket.tcp()
    }
}

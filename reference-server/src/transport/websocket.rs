//! WebSockets: the upgrade of the request, and the task that reads and writes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::{Sink, SinkExt as _, Stream as _, StreamExt as _};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;
use sio_protocol::server::{Probe, Reason, Take};
use sio_protocol::{ByteString, Frame};
use tokio::time::Sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame as WsFrame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::http::{Answer, Refusal};
use super::stream::Stream;
use crate::session::{Session, now};

type WebSocket = WebSocketStream<Stream>;

/// Read buffer of one connection. tungstenite's default of 128 KiB is zeroed on each read and costs half of
/// the receiver's CPU.
const READ_BUFFER: usize = 4096;

/// Whether a request asks for a WebSocket.
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Opens a new session on a WebSocket.
pub(super) fn open<B>(session: Arc<Session>, request: Request<B>) -> Result<Answer, Refusal> {
    let (answer, upgrade) = accept(request)?;
    if !session.server.remember(&session) {
        return Err(Refusal::Unavailable);
    }
    tokio::spawn(async move {
        match upgraded(upgrade, session.server.config().max_payload).await {
            Some(socket) => run(session, socket).await,
            None => lost(&session, Reason::TransportError),
        }
    });
    Ok(answer)
}

/// A WebSocket wants to take over a polling session.
pub(super) fn probe<B>(session: Arc<Session>, request: Request<B>) -> Result<Answer, Refusal> {
    let config = session.server.config();
    session.with(|connection| connection.probe_begin(config, now())).map_err(|_| Refusal::BadRequest)?;
    let accepted = accept(request);
    let Ok((answer, upgrade)) = accepted else {
        session.with(|connection| connection.probe_lost());
        return Err(Refusal::BadRequest);
    };
    // The upgrade has a deadline of its own.
    session.keeper.notify_one();
    tokio::spawn(async move {
        let Some(mut socket) = upgraded(upgrade, session.server.config().max_payload).await else {
            session.with(|connection| connection.probe_lost());
            return;
        };
        if take_over(&session, &mut socket).await {
            session.keeper.notify_one();
            run(session, socket).await;
        } else {
            let _ = socket.close(None).await;
        }
    });
    Ok(answer)
}

fn accept<B>(mut request: Request<B>) -> Result<(Answer, OnUpgrade), Refusal> {
    let headers = request.headers();
    let version = headers.get(header::SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes);
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(Refusal::BadRequest)?;
    if version != Some(b"13") {
        return Err(Refusal::BadRequest);
    }
    let accepted = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| Refusal::BadRequest)?;
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accepted);
    Ok((answer, hyper::upgrade::on(&mut request)))
}

async fn upgraded(upgrade: OnUpgrade, max_payload: usize) -> Option<WebSocket> {
    let (stream, behind) = Stream::of(upgrade.await.ok()?);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(max_payload))
        .max_frame_size(Some(max_payload));
    Some(WebSocketStream::from_partially_read(stream, behind.to_vec(), Role::Server, Some(config)).await)
}

/// Serves the probe; true when the WebSocket carries the session from now on.
async fn take_over(session: &Arc<Session>, socket: &mut WebSocket) -> bool {
    loop {
        let until = session.with(|connection| connection.probe_alive().then(|| connection.deadline()).flatten());
        let Some(until) = until else { return false };
        // Cancel-safe: reading keeps a half-read frame in the socket.
        let message = tokio::select! {
            message = socket.next() => message,
            () = session.ended() => return false,
            () = tokio::time::sleep_until(until.into()) => {
                session.with(|connection| connection.timeout(session.server.config(), now()));
                continue;
            }
        };
        let Some(Ok(message)) = message else {
            session.with(|connection| connection.probe_lost());
            return false;
        };
        let Some(frame) = to_frame(message) else { continue };
        match session.with(|connection| connection.probe_frame(&frame)) {
            Probe::Complete => return true,
            Probe::Reject => return false,
            Probe::Reply(frame) => {
                if socket.send(to_message(frame)).await.is_err() {
                    session.with(|connection| connection.probe_lost());
                    return false;
                }
            }
        }
    }
}

/// The life of a session on its WebSocket.
async fn run(session: Arc<Session>, socket: WebSocket) {
    let mut pump = Pump {
        session: session.clone(),
        socket,
        batch: VecDeque::new(),
        taken: Vec::new(),
        dirty: false,
        buffered: true,
        last: false,
        deadline: None,
    };
    let timer = tokio::time::sleep_until(now().into());
    tokio::pin!(timer);
    let mut armed = None;
    let reason = poll_fn(|cx| pump.poll(cx, timer.as_mut(), &mut armed)).await;
    lost(&session, reason);
}

fn lost(session: &Arc<Session>, reason: Reason) {
    session.with(|connection| connection.ws_lost(reason));
    session.server.forget(session);
}

/// Messages read in a row before what they caused is written.
const READ_BATCH: usize = 64;

/// Moves frames both ways. Everything queued is fed and flushed once, so that what a burst of broadcasts left
/// behind costs one write.
struct Pump {
    session: Arc<Session>,
    socket: WebSocket,
    /// Taken from the session, not yet fed to the socket: never more than the session's own bound.
    batch: VecDeque<Frame>,
    taken: Vec<Frame>,
    /// Something was fed and not yet flushed.
    dirty: bool,
    /// The WebSocket may hold frames that it has read from the socket and not handed out.
    buffered: bool,
    /// The session is over: close once everything is written.
    last: bool,
    deadline: Option<Instant>,
}

/// How reading ended.
enum Read {
    /// There is nothing more for now.
    Drained,
    /// There may be more, but what was read should be answered first.
    More,
    /// The WebSocket is done.
    End(Reason),
}

impl Pump {
    /// Ready when the WebSocket is done, with the reason.
    fn poll(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>, armed: &mut Option<Instant>) -> Poll<Reason> {
        // Ahead of taking what is queued: who queues more from here on wakes us again.
        self.session.register_writer(cx.waker());
        loop {
            let read = match self.read(cx) {
                Read::End(reason) => return Poll::Ready(reason),
                read => read,
            };
            if let Err(error) = self.write(cx) {
                return Poll::Ready(reason_of(&error));
            }
            if self.last && self.batch.is_empty() && !self.dirty {
                return self.close(cx);
            }
            if !self.batch.is_empty() && self.is_given_up() {
                return Poll::Ready(Reason::TransportClose);
            }
            if matches!(read, Read::More) {
                continue;
            }
            let Some(deadline) = self.deadline else { return Poll::Pending };
            if *armed != Some(deadline) {
                *armed = Some(deadline);
                timer.as_mut().reset(deadline.into());
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let config = self.session.server.config();
            self.session.with(|connection| connection.timeout(config, now()));
        }
    }

    /// The peer takes nothing more: keeps the time meanwhile, and tells whether the session has ended.
    fn is_given_up(&mut self) -> bool {
        let (closed, deadline) = self.session.with(|connection| (connection.is_closed(), connection.deadline()));
        self.deadline = deadline;
        closed
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Read {
        // tungstenite clears its read buffer ahead of each attempt, so it is asked only when there is something
        // to read; most wake-ups of a member of a busy room are for writing.
        if !self.buffered {
            match self.socket.get_ref().poll_read_ready(cx) {
                Poll::Pending => return Read::Drained,
                Poll::Ready(()) => self.buffered = true,
            }
        }
        if self.session.is_overrun() {
            // Another thread is at the events; it wakes us when it is through.
            return Read::Drained;
        }
        for _ in 0..READ_BATCH {
            match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Ready(Some(Ok(message))) => {
                    if let Some(frame) = to_frame(message) {
                        let config = self.session.server.config();
                        self.session.with(|connection| connection.ws_frame(config, &frame, now()));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Read::End(self.refuse(&error)),
                Poll::Ready(None) => return Read::End(Reason::TransportClose),
                Poll::Pending => {
                    self.buffered = false;
                    return Read::Drained;
                }
            }
        }
        Read::More
    }

    /// Feeds what is queued and flushes it. Returns with something left when the socket takes no more.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if self.batch.is_empty() && !self.last {
            let taken = &mut self.taken;
            let (take, deadline) = self.session.with(|connection| (connection.ws_take(taken), connection.deadline()));
            self.last = take == Take::Close;
            self.deadline = deadline;
            self.batch.extend(taken.drain(..));
        }
        let mut socket = Pin::new(&mut self.socket);
        while !self.batch.is_empty() {
            match socket.as_mut().poll_ready(cx)? {
                Poll::Pending => return Ok(()),
                Poll::Ready(()) => {
                    let Some(frame) = self.batch.pop_front() else { break };
                    self.dirty = true;
                    socket.as_mut().start_send(to_message(frame))?;
                }
            }
        }
        if self.dirty && socket.poll_flush(cx)?.is_ready() {
            self.dirty = false;
        }
        Ok(())
    }

    fn close(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        // The close frame is a courtesy; the peer has the Socket.IO packets already.
        let _ = Pin::new(&mut self.socket).poll_close(cx);
        Poll::Ready(Reason::ForcedServerClose)
    }

    /// Tells the peer why its bytes are refused: 1009 for what is too large, as ws does.
    fn refuse(&mut self, error: &Error) -> Reason {
        if let Error::Capacity(_) = error {
            use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
            let frame = CloseFrame { code: CloseCode::Size, reason: "".into() };
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let _ = Pin::new(&mut self.socket).start_send(Message::Close(Some(frame)));
            let _ = Pin::new(&mut self.socket).poll_flush(&mut cx);
        }
        reason_of(error)
    }
}

fn reason_of(error: &Error) -> Reason {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_) => Reason::TransportClose,
        Error::Protocol(tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            Reason::TransportClose
        }
        _ => Reason::TransportError,
    }
}

fn to_message(frame: Frame) -> Message {
    // A raw frame: its text was checked when it was made, not once more for each recipient.
    let (bytes, kind) = match frame {
        Frame::Text(text) => (text.into_bytes(), Data::Text),
        Frame::Binary(bytes) => (bytes, Data::Binary),
    };
    Message::Frame(WsFrame::message(bytes, OpCode::Data(kind), true))
}

fn to_frame(message: Message) -> Option<Frame> {
    match message {
        Message::Text(text) => {
            let bytes: bytes::Bytes = text.into();
            ByteString::try_from(bytes).ok().map(Frame::Text)
        }
        Message::Binary(bytes) => Some(Frame::Binary(bytes)),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => None,
    }
}

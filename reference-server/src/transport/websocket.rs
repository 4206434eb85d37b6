//! WebSockets: a session's own, one that probes, and the task that reads and writes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::{Sink, SinkExt as _, Stream as _, StreamExt as _};
use http::Request;
use hyper::upgrade::OnUpgrade;
use sio_protocol::server::{Probe, Reason, Take};
use sio_protocol::{ByteString, Frame};
use tokio::time::Sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame as WsFrame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::http::{Answer, Refusal};
use super::stream::Stream;
use super::{farewell, upgrade};
use crate::server::Server;
use crate::session::{HEAVY, Session, TURN, give_way, now};

pub(super) type WebSocket = WebSocketStream<Stream>;

/// What tungstenite asks for at a time, and keeps for a connection that says nothing; what comes in one read is in
/// [`scratch`](super::scratch). Its default of 128 KiB is zeroed on each read and costs half of the receiver's CPU.
const READ_BUFFER: usize = 256;
/// What may be written beyond the packets of the session: pongs, which nobody else bounds, and frame headers.
const WRITE_EXTRA: usize = 512 * 1024;

/// Opens a new session on a WebSocket.
pub(super) fn open<B>(session: Arc<Session>, request: Request<B>) -> Result<Answer, Refusal> {
    let (answer, upgrading) = upgrade::check(&request)?.accept(request);
    if !session.server.remember(&session) {
        return Err(Refusal::Unavailable);
    }
    session.opened();
    tokio::spawn(async move {
        let config = session.server.config();
        let patience = config.ping_interval + config.ping_timeout;
        match Box::pin(upgraded(&session.server, upgrading, patience)).await {
            // A task of its own: this one's memory has room for the handshake.
            Some(socket) => drop(tokio::spawn(run(session, socket))),
            None => {
                session.with(|connection| connection.ws_lost(Reason::TransportError));
                session.server.forget(&session);
            }
        }
    });
    Ok(answer)
}

/// A WebSocket wants to take over a polling session. One that cannot is closed rather than refused, as Node does it:
/// its client may have no ear for an error (EIO-UP-07, EIO-UP-08).
pub(super) fn probe<B>(session: Arc<Session>, request: Request<B>) -> Result<Answer, Refusal> {
    let handshake = upgrade::check(&request)?;
    let begun = session.with(|connection| connection.probe_begin(session.server.config(), now())).is_ok();
    let (answer, upgrading) = handshake.accept(request);
    // The upgrade has a deadline of its own.
    session.keeper.notify_one();
    tokio::spawn(async move {
        let config = session.server.config();
        let socket = Box::pin(upgraded(&session.server, upgrading, config.upgrade_timeout)).await;
        match socket {
            Some(mut socket) if begun => match Box::pin(take_over(&session, &mut socket)).await {
                Ok(()) => {
                    session.keeper.notify_one();
                    tokio::spawn(run(session, socket));
                }
                Err(why) => {
                    #[cfg(feature = "faults")]
                    if fault!(session.server, ProbeOutlives) && session.with(|connection| connection.has_ended()) {
                        tokio::time::sleep(crate::faults::NEVER).await;
                    }
                    Box::pin(farewell::say(socket, why)).await;
                }
            },
            Some(socket) => Box::pin(farewell::say(socket, None)).await,
            None if begun => session.with(|connection| connection.probe_lost()),
            None => {}
        }
    });
    Ok(answer)
}

/// The WebSocket, once the 101 is written; the peer must take that in time.
async fn upgraded(server: &Server, upgrade: OnUpgrade, patience: Duration) -> Option<WebSocket> {
    let config = server.config();
    let upgraded = tokio::time::timeout(patience, upgrade).await.ok()?.ok()?;
    let (stream, behind) = Stream::of(upgraded);
    #[cfg(feature = "faults")]
    if !behind.is_empty() && fault!(server, BehindHangs) {
        tokio::time::sleep(crate::faults::NEVER).await;
    }
    let limits = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_write_buffer_size(config.max_buffered.saturating_add(WRITE_EXTRA))
        .max_message_size(Some(config.max_payload))
        .max_frame_size(Some(config.max_payload))
        .accept_unmasked_frames(fault!(server, UnmaskedTaken));
    Some(WebSocketStream::from_partially_read(stream, behind.to_vec(), Role::Server, Some(limits)).await)
}

/// Serves the probe until the WebSocket carries the session. Fails with what the peer is told.
async fn take_over(session: &Arc<Session>, socket: &mut WebSocket) -> Result<(), Option<CloseFrame>> {
    loop {
        let until = session.with(|connection| connection.probe_alive().then(|| connection.deadline()).flatten());
        let Some(until) = until else { return Err(None) };
        // Cancel-safe: reading keeps a half-read frame in the socket.
        let message = tokio::select! {
            message = socket.next() => message,
            () = session.closed() => return Err(None),
            () = tokio::time::sleep_until(until.into()) => {
                session.with(|connection| connection.timeout(session.server.config(), now()));
                continue;
            }
        };
        let message = match message {
            Some(Ok(message)) => message,
            broken => {
                session.with(|connection| connection.probe_lost());
                return Err(broken.and_then(Result::err).as_ref().and_then(farewell::why));
            }
        };
        let Some(frame) = to_frame(message) else { continue };
        match session.with(|connection| connection.probe_frame(&frame)) {
            Probe::Complete => return Ok(()),
            Probe::Reject => return Err(None),
            Probe::Reply(frame) => {
                let sent = tokio::time::timeout_at(until.into(), socket.send(to_message(frame))).await;
                if !matches!(sent, Ok(Ok(()))) {
                    session.with(|connection| connection.probe_lost());
                    return Err(None);
                }
            }
        }
    }
}

/// The life of a session on its WebSocket. Thousands of these wait at a time, so what is needed only at the end has no room in it.
fn run(session: Arc<Session>, socket: WebSocket) -> impl Future<Output = ()> + Send {
    let mut pump = WebSocketTask {
        session,
        socket,
        batch: VecDeque::new(),
        taken: Vec::new(),
        dirty: false,
        pings: 0,
        buffered: true,
        last: false,
        deadline: None,
    };
    async move {
        let timer = tokio::time::sleep_until(now().into());
        tokio::pin!(timer);
        let mut armed = None;
        let end = poll_fn(|cx| pump.poll(cx, timer.as_mut(), &mut armed)).await;
        Box::pin(pump.end(end)).await;
    }
}

/// How a WebSocket ends.
enum End {
    /// The peer is gone, or takes nothing more.
    Lost(Reason),
    /// From this side, with a close frame.
    Parts(Reason, Option<CloseFrame>),
}

/// Messages read in a row before what they caused is written.
const READ_BATCH: usize = 64;
/// Bytes read in a row before the other connections of the thread get their turn.
const READ_TURN: usize = 64 * 1024;
/// Pings that are answered into a socket that takes nothing; then nothing more is read until it does.
const MOST_PINGS: usize = 1024;

/// Moves frames both ways. Everything queued is fed and flushed once, so that what a burst of broadcasts left
/// behind costs one write.
struct WebSocketTask {
    session: Arc<Session>,
    socket: WebSocket,
    /// Taken from the session, not yet fed to the socket: never more than the session's own bound.
    batch: VecDeque<Frame>,
    taken: Vec<Frame>,
    /// Something was fed and not yet flushed.
    dirty: bool,
    /// Pings that came since everything was flushed.
    pings: usize,
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
    /// Another thread is at the events; it wakes us when it is through.
    Overrun,
    /// The WebSocket is done.
    End(End),
}

impl WebSocketTask {
    /// Ready when the WebSocket is done.
    fn poll(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>, armed: &mut Option<Instant>) -> Poll<End> {
        // What this task does itself must not wake it: it would give way to nobody.
        self.session.unregister_writer();
        self.socket.get_mut().limit(READ_TURN);
        loop {
            let read = match self.read(cx) {
                Read::End(end) => return Poll::Ready(end),
                read => read,
            };
            let stuck = self.is_full();
            if let Err(error) = self.write(cx) {
                return Poll::Ready(End::Lost(reason_of(&error)));
            }
            if self.last && self.batch.is_empty() && !self.dirty {
                return Poll::Ready(End::Parts(Reason::ForcedServerClose, None));
            }
            if (self.dirty || !self.batch.is_empty()) && self.is_given_up() {
                return Poll::Ready(End::Lost(Reason::TransportClose));
            }
            if stuck && !self.is_full() {
                continue; // reading goes on
            }
            if matches!(read, Read::More) {
                if self.deadline.is_some_and(|deadline| deadline <= now()) {
                    self.tell_the_time();
                    continue;
                }
                // The others get their turn.
                give_way(cx);
                return Poll::Pending;
            }
            // Whoever queues something from here on wakes us; what came before is seen here.
            self.session.register_writer(cx.waker());
            if self.has_news(&read) {
                self.session.unregister_writer();
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
            self.tell_the_time();
        }
    }

    async fn end(self, end: End) {
        let Self { session, socket, .. } = self;
        match end {
            End::Lost(reason) => session.with(|connection| connection.ws_lost(reason)),
            End::Parts(reason, frame) => {
                session.with(|connection| connection.ws_lost(reason));
                if !session.server.is_closing() {
                    session.server.forget(&session);
                }
                // A server that stops waits for this, too.
                farewell::say(socket, frame).await;
            }
        }
        session.server.forget(&session);
    }

    /// Whether there is more to do than what the sockets will tell of.
    fn has_news(&self, read: &Read) -> bool {
        if matches!(read, Read::Overrun) && !self.session.is_overrun() {
            return true;
        }
        let waits = self.last || !self.batch.is_empty();
        self.session.look(|connection| if waits { connection.is_closed() } else { connection.has_output() })
    }

    fn tell_the_time(&self) {
        self.session.with(|connection| connection.timeout(self.session.server.config(), now()));
    }

    /// The peer does not take all of what is there: keeps the time meanwhile, and tells whether the session has ended.
    fn is_given_up(&mut self) -> bool {
        let (closed, deadline) = self.session.with(|connection| (connection.is_closed(), connection.deadline()));
        self.deadline = deadline;
        closed
    }

    /// Whether the peer pings and does not read the pongs.
    fn is_full(&self) -> bool {
        self.dirty && self.pings >= MOST_PINGS
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
        if self.is_full() {
            return Read::Drained;
        }
        if self.session.is_overrun() {
            return Read::Overrun;
        }
        let begin = now();
        let mut heavy = false;
        for read in 0..READ_BATCH {
            if (heavy || read % 4 == 3) && begin.elapsed() > TURN {
                break;
            }
            match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Ready(Some(Ok(Message::Ping(_)))) if fault!(self.session.server, WebSocketPingCloses) => {
                    return Read::End(End::Parts(Reason::TransportError, None));
                }
                Poll::Ready(Some(Ok(Message::Ping(_)))) => {
                    // The pong is tungstenite's; flushing it is ours.
                    self.dirty = true;
                    self.pings += 1;
                    if self.is_full() {
                        return Read::More;
                    }
                }
                Poll::Ready(Some(Ok(message))) => {
                    if let Some(frame) = to_frame(message) {
                        heavy = frame.len() >= HEAVY;
                        let config = self.session.server.config();
                        self.session.with(|connection| connection.ws_frame(config, &frame, now()));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Read::End(refused(&error)),
                Poll::Ready(None) => return Read::End(End::Lost(Reason::TransportClose)),
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
        let mut more = true;
        while more {
            more = self.batch.is_empty() && !self.last && self.take();
            if !self.feed(cx)? {
                return Ok(());
            }
        }
        let socket = Pin::new(&mut self.socket);
        if self.dirty && socket.poll_flush(cx)?.is_ready() {
            self.dirty = false;
            self.pings = 0;
        }
        Ok(())
    }

    /// Takes some of what is queued; whether there is more.
    fn take(&mut self) -> bool {
        let taken = &mut self.taken;
        let (take, deadline, more) = self.session.with(|connection| {
            let take = connection.ws_take(taken);
            (take, connection.deadline(), connection.buffered() > 0)
        });
        self.last = take == Take::Close;
        self.deadline = deadline;
        self.batch.extend(taken.drain(..));
        more
    }

    /// Feeds what was taken. False when the socket takes no more.
    fn feed(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        let mut socket = Pin::new(&mut self.socket);
        while !self.batch.is_empty() {
            match socket.as_mut().poll_ready(cx)? {
                Poll::Pending => return Ok(false),
                Poll::Ready(()) => {
                    let Some(frame) = self.batch.pop_front() else { break };
                    self.dirty = true;
                    socket.as_mut().start_send(to_message(frame))?;
                }
            }
        }
        Ok(true)
    }
}

/// Tells the peer why its bytes are refused, if it is still there.
fn refused(error: &Error) -> End {
    let reason = reason_of(error);
    match farewell::why(error) {
        Some(frame) if reason == Reason::TransportError => End::Parts(reason, Some(frame)),
        _ => End::Lost(reason),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_says_nothing_keeps_a_small_task() {
        fn future<F>(_: fn(Arc<Session>, WebSocket) -> F) -> usize {
            size_of::<F>()
        }
        assert!(future(run) <= 768, "{} bytes", future(run));
    }
}

//! One connection over any transport.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustix::io::Errno;
use sio_protocol::client::{self, Closed, Event};
use sio_protocol::{Args, ByteString, Frame, Parser};
use tokio::time::Sleep;

use super::carrier::{Answer, Carrier, Message};
use super::dial::{ConnectOptions, Dialer};
use super::endpoint::Endpoint;
use super::refusal::{STICKY, is_unknown_session};
use super::socket::Arrival;
use super::websocket::WebSocket;
use crate::clock;
use crate::vocab::Transport;
use crate::vocab::text::count;

/// Events, or steps that are none, before others have their turn.
const AT_A_TIME: u32 = 1_000;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// The HTTP client that polling connections share: it keeps connections open and replaces those that a server
/// closed in between.
pub type Http = Client<Dialer, Full<Bytes>>;

/// A fresh HTTP client, whose connections are opened as the target wants it.
pub fn http_client(manner: &Arc<ConnectOptions>) -> Http {
    Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(Dialer(manner.clone()))
}

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The port does not answer.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// This machine has no descriptor or port left for a connection.
    #[error("this machine cannot open another connection: {0}")]
    Starved(String),
    /// An HTTP request failed.
    #[error("HTTP: {0}")]
    Http(String),
    /// The server answered with an error.
    #[error("the server answered {status}: {body}")]
    Status {
        /// HTTP status.
        status: u16,
        /// What it said.
        body: String,
    },
    /// The WebSocket handshake failed.
    #[error("WebSocket: {0}")]
    WebSocket(String),
    /// The session ended.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// Something did not happen in time.
    #[error("no {what} within {within:?}")]
    Timeout {
        /// What was awaited.
        what: &'static str,
        /// How long.
        within: Duration,
    },
    /// The namespace refused.
    #[error("refused: {0}")]
    Refused(String),
}

impl Error {
    /// Why a socket could not be opened.
    pub(super) fn connecting(error: io::Error) -> Self {
        if is_starvation(&error) { Self::Starved(error.to_string()) } else { Self::Connect(error) }
    }

    /// Why an HTTP request had no answer.
    pub(crate) fn requesting(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.downcast_ref().is_some_and(is_starvation) {
                return Self::Starved(error.to_string());
            }
            cause = error.source();
        }
        Self::Http(causes(error))
    }
}

/// Whether it is this machine's fault.
pub(super) fn is_starvation(error: &io::Error) -> bool {
    let numbers = [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|number| numbers.contains(&number))
}

type Opening = Pin<Box<dyn Future<Output = Result<WebSocket, Error>>>>;

enum Link {
    WebSocket(Box<WebSocket>),
    Polling(Box<Polling>),
    Gone,
}

struct Polling {
    carrier: Carrier,
    /// When what was received last had come, if that is known.
    arrival: Option<Arrival>,
    endpoint: Endpoint,
    sid: Option<String>,
    get: Option<Answer>,
    /// When the GET that waits was made, and the one that was answered last.
    asks_at: Option<Instant>,
    asked_at: Option<Instant>,
    /// When that answer was read.
    answered_at: Option<Instant>,
    post: Option<Answer>,
    /// Bytes of the last POST.
    posted: usize,
    /// A request behind the handshake has been answered.
    is_known: bool,
    /// Whether to move to a WebSocket once the session is open.
    upgrade: bool,
    probe: Probe,
}

enum Probe {
    None,
    Opening(Opening),
    Open(Box<WebSocket>),
}

/// One connection. Dropping it closes the sockets without a word.
pub struct Connection {
    machine: client::Connection,
    link: Link,
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
    manner: Arc<ConnectOptions>,
    /// Events that were there at once, one after the other.
    streak: u32,
}

impl Connection {
    /// Opens a connection with the parser of the endpoint. Over polling nothing is sent before it is polled.
    pub async fn open(endpoint: &Endpoint, http: &Http, transport: Transport) -> Result<Self, Error> {
        Self::open_with(endpoint, http, transport, endpoint.manner.parser).await
    }

    /// As [`open`](Self::open), with the server's parser.
    pub async fn open_with(
        endpoint: &Endpoint,
        http: &Http,
        transport: Transport,
        parser: Parser,
    ) -> Result<Self, Error> {
        Self::open_by(endpoint, Carrier::Own(http.clone()), transport, parser).await
    }

    /// As [`open_with`](Self::open_with), over an HTTP client of any kind.
    pub async fn open_by(
        endpoint: &Endpoint,
        carrier: Carrier,
        transport: Transport,
        parser: Parser,
    ) -> Result<Self, Error> {
        use sio_protocol::server::Transport as Wire;
        let (wire, link) = match transport {
            Transport::WebSocket => {
                (Wire::WebSocket, Link::WebSocket(Box::new(WebSocket::open(endpoint, None).await?)))
            }
            Transport::Polling | Transport::Upgrade => {
                let polling = Polling {
                    carrier,
                    arrival: None,
                    endpoint: endpoint.clone(),
                    sid: None,
                    get: None,
                    asks_at: None,
                    asked_at: None,
                    answered_at: None,
                    post: None,
                    posted: 0,
                    is_known: false,
                    upgrade: transport == Transport::Upgrade,
                    probe: Probe::None,
                };
                (Wire::Polling, Link::Polling(Box::new(polling)))
            }
        };
        Ok(Self {
            machine: client::Connection::with_parser(wire, parser),
            link,
            timer: None,
            manner: endpoint.manner.clone(),
            streak: 0,
        })
    }

    // ---- sending: queued, and written when the connection is polled

    /// Asks to join a namespace; without `auth`, with what the command line says.
    pub fn connect(&mut self, nsp: &str, auth: &str) {
        let auth = if auth.is_empty() { &self.manner.auth } else { auth };
        self.machine.connect(nsp, auth);
    }

    /// Sends an event; `args` start with its name.
    pub fn emit(&mut self, nsp: &str, args: Args, ack: bool) -> Option<u64> {
        self.machine.emit(nsp, args, ack)
    }

    /// Acknowledges an event.
    pub fn ack(&mut self, nsp: &str, id: u64, args: Args) {
        self.machine.ack(nsp, id, args);
    }

    /// Leaves a namespace.
    pub fn disconnect(&mut self, nsp: &str) {
        self.machine.disconnect(nsp);
    }

    // ---- receiving

    /// From now on there is an event for each packet of the engine, too.
    pub fn show_engine(&mut self) {
        self.machine.show_engine();
    }

    /// The next event. Cancel-safe: what was read or half-written stays with the connection.
    pub async fn next(&mut self) -> Event {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// The next event of what has been read already, if there is one.
    pub fn next_read(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.machine.poll_event() {
                return Some(self.noted(event));
            }
            let Link::WebSocket(socket) = &mut self.link else { return None };
            match socket.next_read()? {
                Ok(frame) => take(&mut self.machine, socket, &frame),
                Err(why) => lost(&mut self.machine, why, socket.largest()),
            }
        }
    }

    /// Writes and reads until there is an event. However much arrives, it is not ready for ever: deadlines and others have
    /// their turn in between.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.streak < AT_A_TIME {
            for _ in 0..AT_A_TIME {
                match self.poll_once(cx) {
                    Some(Poll::Ready(event)) => {
                        self.streak += 1;
                        return Poll::Ready(event);
                    }
                    Some(Poll::Pending) => {
                        self.streak = 0;
                        return Poll::Pending;
                    }
                    None => {}
                }
            }
        }
        self.streak = 0;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// One step; `None` if there may be more at once.
    fn poll_once(&mut self, cx: &mut Context<'_>) -> Option<Poll<Event>> {
        let progress = match &mut self.link {
            Link::WebSocket(socket) => drive_websocket(&mut self.machine, socket, cx),
            Link::Polling(polling) => drive_polling(&mut self.machine, polling, cx),
            Link::Gone => Progress::Idle,
        };
        let had_input = self.machine.has_input();
        if let Some(event) = self.machine.poll_event() {
            return Some(Poll::Ready(self.noted(event)));
        }
        if progress == Progress::Made || had_input || self.timer_fired(cx) {
            return None;
        }
        Some(Poll::Pending)
    }

    /// What an event means for the link.
    fn noted(&mut self, event: Event) -> Event {
        match &event {
            Event::Closed(_) => self.link = Link::Gone,
            Event::Upgraded => self.take_over(),
            _ => {}
        }
        event
    }

    /// The probing WebSocket carries the session from now on.
    fn take_over(&mut self) {
        if let Link::Polling(polling) = &mut self.link
            && let Probe::Open(socket) = std::mem::replace(&mut polling.probe, Probe::None)
        {
            self.link = Link::WebSocket(socket);
        }
    }

    fn timer_fired(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.machine.deadline() else { return false };
        let (armed, sleep) =
            self.timer.get_or_insert_with(|| (deadline, Box::pin(tokio::time::sleep_until(deadline.into()))));
        if *armed != deadline {
            *armed = deadline;
            sleep.as_mut().reset(deadline.into());
        }
        if sleep.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.machine.timeout(clock::now());
        true
    }

    /// Waits for an event that `pick` takes; others are dropped.
    pub async fn wait_for<T>(
        &mut self,
        what: &'static str,
        within: Duration,
        mut pick: impl FnMut(Event) -> Option<Result<T, Error>>,
    ) -> Result<T, Error> {
        let wait = async {
            loop {
                let event = self.next().await;
                if let Event::Closed(why) = event {
                    return Err(why.into());
                }
                if let Some(result) = pick(event) {
                    return result;
                }
            }
        };
        tokio::time::timeout(within, wait).await.unwrap_or(Err(Error::Timeout { what, within }))
    }

    /// Joins a namespace and waits for the answer; returns the body of the CONNECT packet.
    pub async fn join(&mut self, nsp: &str, auth: &str, within: Duration) -> Result<ByteString, Error> {
        self.connect(nsp, auth);
        let nsp = nsp.to_owned();
        let joining = self
            .wait_for("answer to CONNECT", within, |event| match event {
                Event::Connect { nsp: name, body } if *name == *nsp => Some(Ok(body)),
                Event::ConnectError { nsp: name, body } if *name == *nsp => Some(Err(Error::Refused(body.to_string()))),
                _ => None,
            })
            .await;
        match joining {
            // A CONNECT leaves behind the open packet, so nobody has been asked yet.
            Err(Error::Timeout { within, .. }) if self.handshake().is_none() => {
                Err(Error::Timeout { what: "open packet", within })
            }
            other => other,
        }
    }

    /// Emits and waits for the acknowledgement; other events are dropped.
    pub async fn call(&mut self, nsp: &str, args: Args, within: Duration) -> Result<Args, Error> {
        let id = self.emit(nsp, args, true);
        self.wait_for("acknowledgement", within, |event| match event {
            Event::Ack(incoming) if incoming.id == id => Some(Ok(incoming.args)),
            _ => None,
        })
        .await
    }

    /// What the server announced when the session was opened.
    pub fn handshake(&self) -> Option<&sio_protocol::engine::Handshake> {
        self.machine.handshake()
    }

    /// Whether it is about to move to a WebSocket, and has not got there.
    pub fn is_upgrading(&self) -> bool {
        match &self.link {
            Link::Polling(polling) if polling.upgrade => polling.sid.is_none() || !matches!(polling.probe, Probe::None),
            _ => false,
        }
    }

    /// When the bytes arrived that the last event came from, as far as that is known.
    pub fn arrival(&self) -> Option<Arrival> {
        match &self.link {
            Link::WebSocket(socket) => socket.arrival(),
            Link::Polling(polling) => polling.arrival,
            Link::Gone => None,
        }
    }

    /// When the GET was made that brought the last event; `None` over a WebSocket.
    pub fn asked_at(&self) -> Option<Instant> {
        match &self.link {
            Link::Polling(polling) => polling.asked_at,
            Link::WebSocket(_) | Link::Gone => None,
        }
    }

    /// Whether a ping has come in what was read last.
    pub fn was_read_with_ping(&self) -> bool {
        let read_at = match &self.link {
            Link::WebSocket(socket) => socket.arrival().map(|arrival| arrival.at),
            Link::Polling(polling) => polling.answered_at,
            Link::Gone => None,
        };
        self.machine.last_heartbeat().zip(read_at).is_some_and(|(heartbeat, read_at)| heartbeat >= read_at)
    }

    // ---- leaving

    /// Leaves politely: what is queued is written, then the session is closed.
    pub async fn close(mut self) {
        let _ = tokio::time::timeout(GOODBYE, self.say_goodbye()).await;
    }

    async fn say_goodbye(&mut self) {
        self.machine.close();
        match &mut self.link {
            Link::WebSocket(socket) => {
                let _ = poll_fn(|cx| {
                    while let Poll::Ready(Ok(())) = socket.poll_ready(cx)
                        && let Some(frame) = self.machine.take_frame()
                    {
                        socket.feed(&frame);
                    }
                    socket.poll_flush(cx)
                })
                .await;
                let _ = poll_fn(|cx| socket.poll_close(cx)).await;
            }
            Link::Polling(polling) => {
                if let Some(post) = polling.post.take() {
                    let _ = post.await;
                }
                while let Some(body) = self.machine.take_payload() {
                    if polling.request(Some(body)).await.is_err() {
                        return;
                    }
                }
            }
            Link::Gone => {}
        }
    }

    /// Resets the TCP connection (RST). Over polling the requests are dropped.
    pub fn reset(self) {
        if let Link::WebSocket(socket) = &self.link {
            // Fails only on a socket that is dead already.
            let _ = socket.tcp().set_zero_linger();
        }
    }
}

#[derive(PartialEq, Eq)]
enum Progress {
    Made,
    Idle,
}

fn drive_websocket(machine: &mut client::Connection, socket: &mut WebSocket, cx: &mut Context<'_>) -> Progress {
    if machine.has_output() {
        while let Poll::Ready(ready) = socket.poll_ready(cx) {
            if let Err(error) = ready {
                lost(machine, error.to_string(), socket.largest());
                return Progress::Made;
            }
            let Some(frame) = machine.take_frame() else { break };
            socket.feed(&frame);
        }
    }
    if let Poll::Ready(Err(error)) = socket.poll_flush(cx) {
        // What the server said before it closed explains more than that nothing can be written any more.
        let why = match socket.poll_frame(cx) {
            Poll::Ready(Err(why)) => why,
            _ => error.to_string(),
        };
        lost(machine, why, socket.largest());
        return Progress::Made;
    }
    match socket.poll_frame(cx) {
        Poll::Ready(Ok(frame)) => take(machine, socket, &frame),
        Poll::Ready(Err(why)) => lost(machine, why, socket.largest()),
        Poll::Pending => return Progress::Idle,
    }
    Progress::Made
}

/// Hands a frame on, unless there is no room for what it is a part of.
fn take(machine: &mut client::Connection, socket: &mut WebSocket, frame: &Frame) {
    machine.frame(frame, clock::now());
    if let Err(why) = socket.hold(machine.held()) {
        machine.lost(why);
    }
}

/// The connection is gone; if more was sent than the server had said that it takes, that is why.
fn lost(machine: &mut client::Connection, mut why: String, sent: usize) {
    let most = machine.handshake().and_then(|handshake| handshake.max_payload);
    if let Some(most) = most.filter(|most| sent as u64 > *most) {
        let (sent, most) = (count(sent as u64), count(most));
        why.push_str(&format!("; a message of {sent} bytes is larger than the announced maxPayload of {most}"));
    }
    machine.lost(why);
}

fn drive_polling(machine: &mut client::Connection, polling: &mut Polling, cx: &mut Context<'_>) -> Progress {
    if polling.probe(machine, cx) == Progress::Made {
        return Progress::Made;
    }
    if let Some(answer) = poll_slot(&mut polling.get, cx) {
        match answer {
            Ok((body, arrival)) => {
                polling.arrival = arrival;
                polling.asked_at = polling.asks_at.take();
                polling.is_known = polling.sid.is_some();
                let now = clock::now();
                polling.answered_at = Some(now);
                machine.payload(&body, now);
            }
            Err(error) => machine.lost(polling.explained(&error)),
        }
        polling.learn_sid(machine);
        return Progress::Made;
    }
    if let Some(answer) = poll_slot(&mut polling.post, cx) {
        match answer {
            Ok(_) => polling.is_known = true,
            Err(error) => lost(machine, polling.explained(&error), polling.posted),
        }
        return Progress::Made;
    }
    if machine.is_closed() {
        return Progress::Idle;
    }
    if polling.sid.is_some()
        && polling.post.is_none()
        && let Some(body) = machine.take_payload()
    {
        polling.posted = body.len();
        polling.post = Some(polling.request(Some(body)));
        return Progress::Made;
    }
    if polling.get.is_none() && !machine.is_pausing() && !machine.is_behind() {
        polling.get = Some(polling.request(None));
        polling.asks_at = Some(clock::now());
        return Progress::Made;
    }
    if machine.is_pausing() && polling.get.is_none() && polling.post.is_none() && !machine.has_input() {
        machine.polling_paused();
        return Progress::Made;
    }
    Progress::Idle
}

fn poll_slot(slot: &mut Option<Answer>, cx: &mut Context<'_>) -> Option<Result<(ByteString, Option<Arrival>), Error>> {
    match slot.as_mut()?.as_mut().poll(cx) {
        Poll::Ready(answer) => {
            *slot = None;
            Some(answer)
        }
        Poll::Pending => None,
    }
}

impl Polling {
    /// A GET, or a POST of `body`.
    fn request(&self, body: Option<ByteString>) -> Answer {
        let mut query = "EIO=4&transport=polling".to_owned();
        if let Some(sid) = &self.sid {
            query.push_str("&sid=");
            query.push_str(sid);
        }
        let opens = self.sid.is_none();
        self.carrier.send(&self.endpoint, Message { query, body, opens })
    }

    /// An error in words; that a session is unknown at once, where it was never anything else, is a sign.
    fn explained(&self, error: &Error) -> String {
        match error {
            Error::Status { status, body }
                if self.sid.is_some() && !self.is_known && is_unknown_session(*status, body) =>
            {
                self.endpoint.manner.signs.unknown_session();
                format!("{error}; {STICKY}")
            }
            error => error.to_string(),
        }
    }

    /// The session's id stands in the handshake, which the machine has just read.
    fn learn_sid(&mut self, machine: &client::Connection) {
        if self.sid.is_some() {
            return;
        }
        let Some(handshake) = machine.handshake() else { return };
        self.sid = Some(handshake.sid.clone());
        if self.upgrade && handshake.upgrades.iter().any(|name| name == "websocket") {
            let (endpoint, sid) = (self.endpoint.clone(), handshake.sid.clone());
            self.probe = Probe::Opening(Box::pin(async move { WebSocket::open(&endpoint, Some(&sid)).await }));
        }
    }

    /// Moves the upgrade forward. A probe that fails leaves polling alone.
    fn probe(&mut self, machine: &mut client::Connection, cx: &mut Context<'_>) -> Progress {
        match &mut self.probe {
            Probe::None => Progress::Idle,
            Probe::Opening(opening) => match opening.as_mut().poll(cx) {
                Poll::Pending => Progress::Idle,
                Poll::Ready(Ok(mut socket)) => {
                    socket.feed(&machine.begin_upgrade());
                    self.probe = Probe::Open(Box::new(socket));
                    Progress::Made
                }
                Poll::Ready(Err(_)) => {
                    self.give_up(machine);
                    Progress::Made
                }
            },
            Probe::Open(_) if machine.is_pausing() => Progress::Idle,
            Probe::Open(socket) => {
                let flushed = socket.poll_flush(cx);
                let lost = match (flushed, socket.poll_frame(cx)) {
                    (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => true,
                    (_, Poll::Ready(Ok(frame))) => !machine.probe_frame(&frame),
                    (_, Poll::Pending) => return Progress::Idle,
                };
                if lost {
                    self.give_up(machine);
                }
                Progress::Made
            }
        }
    }

    fn give_up(&mut self, machine: &mut client::Connection) {
        self.probe = Probe::None;
        machine.probe_lost();
    }
}

/// An error with what is behind it; hyper's own text stops at "client error (Connect)".
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

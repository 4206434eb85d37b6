//! The client's end of one connection, without sockets.
//!
//! [`Connection`] is fed with frames or payloads and asked for frames to send, events and the next deadline.
//! It answers pings by itself, notices a server that falls silent, and takes part in the move from
//! long-polling to a WebSocket; opening sockets and requests is the adapter's part.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytestring::ByteString;

use crate::engine::{self, DecodeError, Handshake, Message, Packet as EnginePacket};
use crate::packet::PacketError;
use crate::server::Transport;
use crate::{Args, Decoder, DecoderLimits, Frame, Incoming, Kind, Packet, Parser};

/// What a client takes from a server: more than a server takes from a client, as its peer is the one under test.
const LIMITS: DecoderLimits = DecoderLimits { attachments: 10_000, name: usize::MAX, strict: false };

/// Pongs that wait to be sent. A server that pings on without reading the answers misses no more of them than it has
/// already.
const MOST_PONGS: usize = 64;
/// Bytes of acknowledgements that wait to be sent. Who asks so much and reads no answer is not waited for.
const MOST_ANSWERS: usize = 1024 * 1024;
/// What a frame costs besides its bytes.
const FRAME_COST: usize = 64;

/// Why the connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Closed {
    /// The server sent the Engine.IO packet `1`.
    #[error("the server closed the session")]
    ByServer,
    /// The link is gone.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// No ping within `pingInterval + pingTimeout`.
    #[error("the server fell silent: no ping for {0:?}")]
    Silent(Duration),
    /// The server sent something that is no Engine.IO packet.
    #[error("the server broke the Engine.IO protocol: {0}")]
    Engine(#[from] DecodeError),
    /// The server sent something that is no Socket.IO packet.
    #[error("the server broke the Socket.IO protocol: {0}")]
    Packet(#[from] PacketError),
    /// The first packet was not a handshake, or not one that makes sense.
    #[error("the server sent no usable handshake: {0}")]
    Handshake(String),
    /// The server asks and asks, and reads none of the answers.
    #[error("the server does not read: {0} bytes of answers to its questions wait to be sent")]
    Unread(usize),
    /// This end closed.
    #[error("closed by the client")]
    ByClient,
}

/// What happened, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The session is open.
    Open(Handshake),
    /// A namespace confirmed: the JSON object of its CONNECT packet.
    Connect {
        /// Namespace.
        nsp: ByteString,
        /// `{"sid":…}`
        body: ByteString,
    },
    /// A namespace refused: the JSON of its CONNECT_ERROR packet.
    ConnectError {
        /// Namespace.
        nsp: ByteString,
        /// `{"message":…}`
        body: ByteString,
    },
    /// An event.
    Event(Incoming),
    /// An acknowledgement.
    Ack(Incoming),
    /// The server put this client out of a namespace.
    Disconnect {
        /// Namespace.
        nsp: ByteString,
    },
    /// The WebSocket has taken over from long-polling.
    Upgraded,
    /// A packet that the machine has dealt with by itself: a ping, a pong, a noop. Only for those who
    /// [asked](Connection::show_engine).
    Engine(EnginePacket),
    /// The connection ended; nothing follows.
    Closed(Closed),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upgrade {
    None,
    /// `2probe` is on its way.
    Probing,
    /// `3probe` is here; open requests must end before `5` is sent.
    Pausing,
}

/// A frame that waits to be sent.
#[derive(Debug)]
struct Outgoing {
    frame: Frame,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// The user wants it.
    Said,
    Pong,
    Ack,
}

/// What waits to be sent because the server wants it.
#[derive(Debug, Default)]
struct Answers {
    pongs: usize,
    /// Bytes of acknowledgements.
    acks: usize,
}

/// The body of a GET, from its first packet that has not been read.
#[derive(Debug)]
struct Inbox {
    rest: ByteString,
    arrived: Instant,
}

/// The client's end of one connection. See [the module](self).
#[derive(Debug)]
pub struct Connection {
    transport: Transport,
    parser: Parser,
    upgrade: Upgrade,
    decoder: Decoder,
    outbox: VecDeque<Outgoing>,
    /// What the pongs and the acknowledgements in the outbox come to.
    answers: Answers,
    events: VecDeque<Event>,
    /// Bodies of which nothing or not all has been read: their packets are read one by one, as the events are taken.
    inbox: VecDeque<Inbox>,
    /// Why the connection ends when those are read.
    ending: Option<Closed>,
    /// Set by the handshake: how long the server may be silent, and until when it may be now.
    patience: Option<(Duration, Instant)>,
    handshake: Option<Handshake>,
    next_id: u64,
    closed: bool,
    shows_engine: bool,
}

impl Connection {
    /// A connection that waits for the handshake; packets are written as JSON.
    pub fn new(transport: Transport) -> Self {
        Self::with_parser(transport, Parser::Json)
    }

    /// A connection whose packets are written by `parser`, which must be the server's.
    pub fn with_parser(transport: Transport, parser: Parser) -> Self {
        Self {
            transport,
            parser,
            upgrade: Upgrade::None,
            decoder: Decoder::new(parser, LIMITS),
            outbox: VecDeque::new(),
            answers: Answers::default(),
            events: VecDeque::new(),
            inbox: VecDeque::new(),
            ending: None,
            patience: None,
            handshake: None,
            next_id: 0,
            closed: false,
            shows_engine: false,
        }
    }

    /// From now on there is an event for each packet of the engine, too.
    pub fn show_engine(&mut self) {
        self.shows_engine = true;
    }

    // ---- what the user does

    /// Asks to join `nsp`; `auth` is a JSON object, or empty.
    pub fn connect(&mut self, nsp: &str, auth: &str) {
        self.send(&Packet::control(Kind::Connect, nsp, auth));
    }

    /// Sends an event; `args` start with its name. With `ack`, returns the id its acknowledgement will carry.
    pub fn emit(&mut self, nsp: &str, args: Args, ack: bool) -> Option<u64> {
        let id = ack.then_some(self.next_id);
        self.next_id += u64::from(ack);
        self.send(&Packet { id, ..Packet::event(nsp, args) });
        id
    }

    /// Acknowledges an event of the server.
    pub fn ack(&mut self, nsp: &str, id: u64, args: Args) {
        if self.closed {
            return;
        }
        for frame in self.parser.encode(&Packet::ack(nsp, id, args)) {
            self.push(frame, Why::Ack);
        }
        if self.answers.acks > MOST_ANSWERS {
            let waiting = self.answers.acks;
            self.outbox.clear();
            self.end(Closed::Unread(waiting));
        }
    }

    /// Leaves `nsp`.
    pub fn disconnect(&mut self, nsp: &str) {
        self.send(&Packet::control(Kind::Disconnect, nsp, ""));
    }

    /// Queues a Socket.IO packet.
    pub fn send(&mut self, packet: &Packet) {
        if !self.closed {
            for frame in self.parser.encode(packet) {
                self.push(frame, Why::Said);
            }
        }
    }

    fn push(&mut self, frame: Frame, why: Why) {
        match why {
            Why::Said => {}
            Why::Pong => self.answers.pongs += 1,
            Why::Ack => self.answers.acks += cost(&frame),
        }
        self.outbox.push_back(Outgoing { frame, why });
    }

    fn pop(&mut self) -> Option<Frame> {
        let Outgoing { frame, why } = self.outbox.pop_front()?;
        match why {
            Why::Said => {}
            Why::Pong => self.answers.pongs -= 1,
            Why::Ack => self.answers.acks -= cost(&frame),
        }
        Some(frame)
    }

    /// Ends the connection from this side. Over polling, the `1` still has to be sent.
    pub fn close(&mut self) {
        if self.transport == Transport::Polling && !self.closed {
            self.push(EnginePacket::Close.encode(), Why::Said);
        }
        self.inbox.clear();
        self.end(Closed::ByClient);
    }

    // ---- what the adapter does

    /// The next frame for the WebSocket. `None` while the transports change places, and ahead of the open packet: a
    /// session begins with it, and until then a server need not listen.
    pub fn take_frame(&mut self) -> Option<Frame> {
        if self.transport == Transport::Polling || self.handshake.is_none() { None } else { self.pop() }
    }

    /// The body of the next POST, bounded by the server's `maxPayload` at packet borders.
    pub fn take_payload(&mut self) -> Option<ByteString> {
        if self.transport != Transport::Polling || self.upgrade == Upgrade::Pausing || self.outbox.is_empty() {
            return None;
        }
        let announced = self.handshake.as_ref().and_then(|handshake| handshake.max_payload);
        let max_payload = announced.map_or(usize::MAX, |bytes| bytes as usize);
        let mut size = 0;
        let mut count = 0;
        for outgoing in &self.outbox {
            size += engine::payload_len(&outgoing.frame);
            if size > max_payload && count > 0 {
                break;
            }
            count += 1;
        }
        let frames: Vec<_> = (0..count).filter_map(|_| self.pop()).collect();
        Some(engine::encode_payload(&frames))
    }

    /// Whether anything waits to be sent.
    pub fn has_output(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// A frame arrived on the WebSocket that carries the session.
    pub fn frame(&mut self, frame: &Frame, now: Instant) {
        if self.closed {
            return;
        }
        if let Err(error) = self.receive(frame, now) {
            self.end(error);
        }
    }

    /// The body of a GET arrived. Its packets are read as their events are taken: a body may have millions.
    pub fn payload(&mut self, body: &ByteString, now: Instant) {
        if !self.closed {
            self.inbox.push_back(Inbox { rest: body.clone(), arrived: now });
            self.read_on();
        }
    }

    /// Whether bodies have arrived that are not read to their ends.
    pub fn has_input(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Whether a whole body waits behind the one that is read.
    pub fn is_behind(&self) -> bool {
        self.inbox.len() > 1
    }

    /// Bytes of a packet whose attachments have not all come.
    pub fn held(&self) -> usize {
        self.decoder.held()
    }

    /// Reads packets until one of them is an event.
    fn read_on(&mut self) {
        while self.events.is_empty()
            && let Some(Inbox { rest, arrived }) = self.inbox.front_mut()
        {
            let arrived = *arrived;
            let (frame, more) = engine::split_first(rest);
            match more {
                Some(more) => *rest = more,
                None => _ = self.inbox.pop_front(),
            }
            match frame {
                Ok(frame) => self.frame(&frame, arrived),
                Err(error) => self.end(error.into()),
            }
        }
        if self.inbox.is_empty()
            && let Some(why) = self.ending.take()
        {
            self.end(why);
        }
    }

    /// The link is gone. What has arrived on it is read first.
    pub fn lost(&mut self, why: impl Into<String>) {
        self.end_after_input(Closed::Lost(why.into()));
    }

    fn end_after_input(&mut self, why: Closed) {
        if self.inbox.is_empty() { self.end(why) } else { _ = self.ending.get_or_insert(why) }
    }

    /// A WebSocket with this session's id is open: the frame to send on it.
    pub fn begin_upgrade(&mut self) -> Frame {
        self.upgrade = Upgrade::Probing;
        EnginePacket::Ping(ByteString::from_static("probe")).encode()
    }

    /// A frame on the probing WebSocket. False: close it and stay with polling.
    pub fn probe_frame(&mut self, frame: &Frame) -> bool {
        let answered = matches!(EnginePacket::decode(frame), Ok(EnginePacket::Pong(data)) if data == "probe");
        self.upgrade = if answered { Upgrade::Pausing } else { Upgrade::None };
        answered
    }

    /// The probing WebSocket failed; polling goes on.
    pub fn probe_lost(&mut self) {
        self.upgrade = Upgrade::None;
    }

    /// Whether no new GET or POST may be opened, because the WebSocket is about to take over.
    pub fn is_pausing(&self) -> bool {
        self.upgrade == Upgrade::Pausing
    }

    /// No request is open any more: the WebSocket takes over, and the first frame on it is `5`.
    pub fn polling_paused(&mut self) {
        self.upgrade = Upgrade::None;
        self.transport = Transport::WebSocket;
        self.outbox.push_front(Outgoing { frame: EnginePacket::Upgrade.encode(), why: Why::Said });
        self.events.push_back(Event::Upgraded);
    }

    /// When the last ping came, or the handshake if none has.
    pub fn last_heartbeat(&self) -> Option<Instant> {
        self.patience.and_then(|(patience, until)| until.checked_sub(patience))
    }

    /// When [`timeout`](Self::timeout) wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.patience.filter(|_| !self.closed).map(|(_, until)| until)
    }

    /// Tells the time.
    pub fn timeout(&mut self, now: Instant) {
        if let Some((patience, until)) = self.patience
            && until <= now
        {
            self.end_after_input(Closed::Silent(patience));
        }
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.read_on();
        self.events.pop_front()
    }

    /// What the server announced when the session was opened.
    pub fn handshake(&self) -> Option<&Handshake> {
        self.handshake.as_ref()
    }

    /// What carries the session.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.closed || self.ending.is_some()
    }

    fn receive(&mut self, frame: &Frame, now: Instant) -> Result<(), Closed> {
        let packet = EnginePacket::decode(frame)?;
        if self.shows_engine && matches!(packet, EnginePacket::Ping(_) | EnginePacket::Pong(_) | EnginePacket::Noop) {
            self.events.push_back(Event::Engine(packet.clone()));
        }
        match packet {
            EnginePacket::Message(_) if self.patience.is_none() => {
                Err(Closed::Handshake("a message came ahead of it".to_owned()))
            }
            EnginePacket::Message(message) => Ok(self.message(message)?),
            EnginePacket::Open(json) => self.open(&json, now),
            EnginePacket::Ping(data) => {
                if self.answers.pongs < MOST_PONGS {
                    self.push(EnginePacket::Pong(data).encode(), Why::Pong);
                }
                if let Some((patience, until)) = &mut self.patience {
                    *until = now + *patience;
                }
                Ok(())
            }
            EnginePacket::Close => Err(Closed::ByServer),
            EnginePacket::Pong(_) | EnginePacket::Upgrade | EnginePacket::Noop => Ok(()),
        }
    }

    fn open(&mut self, json: &str, now: Instant) -> Result<(), Closed> {
        let handshake: Handshake = serde_json::from_str(json).map_err(|error| Closed::Handshake(error.to_string()))?;
        let patience = handshake.patience();
        self.patience = Some((patience, now + patience));
        self.handshake = Some(handshake.clone());
        self.events.push_back(Event::Open(handshake));
        Ok(())
    }

    fn message(&mut self, message: Message) -> Result<(), PacketError> {
        let Some(Packet { kind, nsp, id, body }) = self.decoder.feed(message)? else { return Ok(()) };
        self.events.push_back(match kind {
            Kind::Connect => Event::Connect { nsp, body: body.json().into() },
            Kind::ConnectError => Event::ConnectError { nsp, body: body.json().into() },
            Kind::Disconnect => Event::Disconnect { nsp },
            Kind::Event => Event::Event(Incoming { nsp, id, args: body }),
            Kind::Ack => Event::Ack(Incoming { nsp, id, args: body }),
        });
        Ok(())
    }

    fn end(&mut self, why: Closed) {
        if !self.closed {
            self.closed = true;
            // Nothing is read behind what ended it.
            self.inbox.clear();
            self.events.push_back(Event::Closed(why));
        }
    }
}

/// What a frame that waits takes of memory.
fn cost(frame: &Frame) -> usize {
    FRAME_COST
        + match frame {
            Frame::Text(text) => text.len(),
            Frame::Binary(bytes) => bytes.len(),
        }
}

#[cfg(test)]
mod edges;

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;

    pub(super) fn text(frame: &str) -> Frame {
        Frame::Text(frame.to_owned().into())
    }

    #[expect(clippy::disallowed_methods, reason = "an origin for a clock that stands still")]
    pub(super) fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn nothing_leaves_ahead_of_the_open_packet() {
        let now = now();
        let mut client = Connection::new(Transport::WebSocket);
        client.connect("/", "");
        client.emit("/", Args::none(), false);
        assert!(client.has_output());
        assert_eq!(client.take_frame(), None);
        client.frame(&text(OPEN), now);
        assert_eq!(client.take_frame(), Some(text("40")));
        assert!(client.take_frame().is_some() && client.take_frame().is_none());
    }

    #[test]
    fn packets_of_the_engine_are_told_to_those_who_ask() {
        let now = now();
        for asked in [false, true] {
            let mut client = Connection::new(Transport::WebSocket);
            if asked {
                client.show_engine();
            }
            [OPEN, "2", "6"].into_iter().for_each(|frame| client.frame(&text(frame), now));
            let told = std::iter::from_fn(|| client.poll_event()).filter(|event| matches!(event, Event::Engine(_)));
            assert_eq!(told.count(), if asked { 2 } else { 0 });
            assert_eq!(client.take_frame(), Some(text("3")));
        }
    }

    pub(super) fn open(transport: Transport) -> Connection {
        let mut connection = Connection::new(transport);
        let handshake = r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
        connection.payload(&handshake.into(), now());
        assert!(matches!(connection.poll_event(), Some(Event::Open(_))));
        connection
    }

    /// As much goes into one body as the server takes, to the byte.
    #[test]
    fn a_body_is_filled_to_what_the_server_takes() {
        let frame = text("43/1,1[]");
        for (room, bodies) in [(2 * engine::payload_len(&frame), 1), (2 * engine::payload_len(&frame) - 1, 2)] {
            let mut client = Connection::new(Transport::Polling);
            let open =
                format!(r#"0{{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":{room}}}"#);
            client.payload(&open.into(), now());
            (0..2).for_each(|_| client.ack("/1", 1, Args::none()));
            assert_eq!(std::iter::from_fn(|| client.take_payload()).count(), bodies, "{room}");
        }
    }

    #[test]
    fn pings_that_are_not_read_do_not_pile_up() {
        let mut connection = open(Transport::WebSocket);
        (0..100_000).for_each(|_| connection.frame(&text("2"), now()));
        let mut waiting = 0;
        while let Some(frame) = connection.take_frame() {
            assert_eq!(frame, text("3"));
            waiting += 1;
        }
        assert_eq!(waiting, MOST_PONGS);
        connection.frame(&text("2"), now());
        assert_eq!(connection.take_frame(), Some(text("3")), "and they go on when they are read");
    }

    #[test]
    fn who_asks_and_reads_no_answer_is_left() {
        let mut connection = open(Transport::WebSocket);
        for id in 0..100_000 {
            connection.ack("/", id, Args::none());
        }
        assert!(matches!(connection.poll_event(), Some(Event::Closed(Closed::Unread(_)))));
        assert_eq!(connection.take_frame(), None);
        let mut reads = open(Transport::WebSocket);
        for id in 0..100_000 {
            reads.ack("/", id, Args::none());
            assert!(reads.take_frame().is_some());
        }
        assert_eq!(reads.poll_event(), None);
    }

    /// The packets of a body become events one by one, and what comes after the body comes after them.
    #[test]
    fn a_body_is_read_as_its_events_are_taken() {
        let mut connection = open(Transport::Polling);
        let body = vec![r#"42["x"]"#; 10_000].join("\u{1e}6\u{1e}");
        connection.payload(&body.into(), now());
        assert_eq!(connection.events.len(), 1);
        connection.lost("gone");
        assert!(connection.is_closed());
        for _ in 0..10_000 {
            assert!(matches!(connection.poll_event(), Some(Event::Event(_))));
        }
        assert_eq!(connection.poll_event(), Some(Event::Closed(Closed::Lost("gone".to_owned()))));
        assert!(connection.poll_event().is_none() && !connection.has_input());
    }

    #[test]
    fn nothing_is_read_behind_a_broken_packet() {
        let mut connection = open(Transport::Polling);
        connection.payload(&"42[\"x\"]\u{1e}\u{1e}42[\"y\"]".into(), now());
        assert!(matches!(connection.poll_event(), Some(Event::Event(_))));
        assert!(matches!(connection.poll_event(), Some(Event::Closed(Closed::Engine(_)))));
        assert_eq!(connection.poll_event(), None);
    }
}

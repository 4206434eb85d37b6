//! The Socket.IO half: namespaces of one connection on top of its Engine.IO session.

use std::collections::VecDeque;
use std::time::Instant;

use bytestring::ByteString;

use super::session::{Poll, PollError, Probe, ProbeError, Session, Take};
use super::{Config, Opening, Reason, Transport};
use crate::engine::{self, DecodeError, Message, Payload, Revision};
use crate::{Decoder, DecoderLimits, Frame, Frames, Incoming, Kind, Packet, Parser};

/// What happened, in the order in which it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The client asks to join a namespace: answer with [`Connection::accept`] or [`Connection::refuse`].
    Connect {
        /// Namespace.
        nsp: ByteString,
        /// JSON object from the CONNECT packet; empty when it had none.
        auth: ByteString,
    },
    /// A message of a [bare](Connection::bare) connection.
    Message(Message),
    /// An event for a joined namespace.
    Event(Incoming),
    /// An acknowledgement from a joined namespace.
    Ack(Incoming),
    /// The client left a namespace.
    Disconnect {
        /// Namespace.
        nsp: ByteString,
    },
    /// The connection ended, and with it every namespace; nothing follows.
    Closed(Reason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Membership {
    Connecting,
    Joined,
}

/// What may be held beside a packet with one attachment of the largest size.
const OVERHEAD: usize = 1024 * 1024;

/// A namespace that the client is in, or on its way into.
#[derive(Debug)]
struct Place {
    name: ByteString,
    state: Membership,
    /// Bytes of the name and of the auth that came with it.
    held: usize,
}

impl Place {
    fn is(&self, name: &str, state: Membership) -> bool {
        self.name == name && self.state == state
    }
}

/// The server's end of one connection. See [the module](super).
#[derive(Debug)]
pub struct Connection {
    session: Session,
    /// Engine.IO alone: messages are the application's business.
    bare: bool,
    parser: Parser,
    decoder: Decoder,
    namespaces: Vec<Place>,
    /// The sum of what they hold.
    names: usize,
    /// What the application keeps for this peer.
    kept: usize,
    max_held: usize,
    /// Until when the first namespace must have been joined.
    connect_by: Option<Instant>,
    events: VecDeque<Event>,
    told_closed: bool,
}

impl Connection {
    /// A fresh session; the open packet is queued. A client of revision 3 asks to join `/` without saying so.
    pub fn new(config: &Config, opening: &Opening<'_>, now: Instant) -> Self {
        let limits = DecoderLimits { attachments: config.max_attachments, name: config.max_name, strict: true };
        let mut connection = Self {
            session: Session::new(config, opening, now),
            bare: false,
            parser: config.parser,
            decoder: Decoder::new(config.parser, limits),
            namespaces: Vec::new(),
            names: 0,
            kept: 0,
            max_held: config.max_held.max(config.max_payload.saturating_add(OVERHEAD)),
            connect_by: Some(now + config.connect_timeout),
            events: VecDeque::new(),
            told_closed: false,
        };
        if opening.revision == Revision::V3 {
            let nsp = ByteString::from_static("/");
            connection.namespaces.push(Place { name: nsp.clone(), state: Membership::Connecting, held: 0 });
            connection.events.push_back(Event::Connect { nsp, auth: ByteString::new() });
        }
        connection
    }

    /// A fresh session of Engine.IO alone: no namespaces, no packets, but [`Event::Message`] and
    /// [`send_message`](Self::send_message).
    pub fn bare(config: &Config, opening: &Opening<'_>, now: Instant) -> Self {
        let mut connection = Self::new(config, opening, now);
        connection.bare = true;
        connection.connect_by = None;
        connection.namespaces.clear();
        connection.events.clear();
        connection
    }

    // ---- what the application does

    /// Queues a message of a [bare](Self::bare) connection. False, and nothing is queued, when it has ended.
    pub fn send_message(&mut self, message: Message) -> bool {
        let open = self.bare && self.session.is_open();
        if open {
            self.session.push([engine::Packet::Message(message).encode()], true);
            self.note_end();
        }
        open
    }

    /// Confirms a pending CONNECT. `pid` is the private id that a client may recover the session with. False when
    /// it is no longer pending.
    pub fn accept(&mut self, nsp: &str, sid: &str, pid: Option<&str>) -> bool {
        self.accept_after(nsp, sid, pid, &[])
    }

    /// Confirms a pending CONNECT of a client that takes up an earlier session: `missed` goes out ahead of the
    /// confirmation (CSR-03).
    pub fn accept_after(&mut self, nsp: &str, sid: &str, pid: Option<&str>, missed: &[Frames]) -> bool {
        let Some(place) = self.namespaces.iter_mut().find(|place| place.is(nsp, Membership::Connecting)) else {
            return false;
        };
        place.state = Membership::Joined;
        self.connect_by = None;
        for frames in missed {
            self.push(frames.clone(), true);
        }
        let json = match (self.revision(), pid) {
            (Revision::V3, _) => String::new(),
            (Revision::V4, None) => format!(r#"{{"sid":{}}}"#, quoted(sid)),
            (Revision::V4, Some(pid)) => format!(r#"{{"sid":{},"pid":{}}}"#, quoted(sid), quoted(pid)),
        };
        self.control(Kind::Connect, nsp, json);
        true
    }

    /// Refuses a pending CONNECT; `data` is JSON. Clients of revision 3 get the data, or else the message, alone
    /// (EIO-V3-03). False when it is no longer pending.
    pub fn refuse(&mut self, nsp: &str, message: &str, data: Option<&str>) -> bool {
        if !self.forget(nsp, Membership::Connecting) {
            return false;
        }
        let json = match (self.revision(), data) {
            (Revision::V3, Some(data)) => data.to_owned(),
            (Revision::V3, None) => quoted(message),
            (Revision::V4, Some(data)) => format!(r#"{{"message":{},"data":{data}}}"#, quoted(message)),
            (Revision::V4, None) => format!(r#"{{"message":{}}}"#, quoted(message)),
        };
        self.control(Kind::ConnectError, nsp, json);
        true
    }

    /// Queues an encoded packet of `nsp`; `compress` allows to compress the answer it leaves with. False, and
    /// nothing is queued, unless the client is in it.
    pub fn send(&mut self, nsp: &str, frames: &Frames, compress: bool) -> bool {
        if !self.session.is_open() || !self.is_joined(nsp) {
            return false;
        }
        self.push(frames.clone(), compress);
        true
    }

    /// Queues an encoded packet only when it leaves at once; otherwise it is dropped (`volatile`).
    pub fn send_volatile(&mut self, nsp: &str, frames: &Frames, compress: bool) -> bool {
        let ready = self.session.is_writable() && self.is_joined(nsp);
        if ready {
            self.push(frames.clone(), compress);
        }
        ready
    }

    /// Puts the client out of `nsp` and tells it so.
    pub fn disconnect(&mut self, nsp: &str) -> bool {
        let left = self.leave(nsp);
        if left {
            self.control(Kind::Disconnect, nsp, String::new());
        }
        left
    }

    /// Counts bytes that the application keeps for this peer, such as its rooms. False when that closes the connection, as
    /// it holds more than `max_held`.
    pub fn hold(&mut self, bytes: usize) -> bool {
        let open = self.session.is_open();
        self.kept = self.kept.saturating_add(bytes);
        self.check_held();
        self.note_end();
        open == self.session.is_open()
    }

    /// Those bytes are let go.
    pub fn let_go(&mut self, bytes: usize) {
        self.kept = self.kept.saturating_sub(bytes);
    }

    /// Closes the connection once what is queued is written.
    pub fn close(&mut self, config: &Config, reason: Reason, now: Instant) {
        self.session.close_after_queue(config, reason, now);
        self.note_end();
    }

    /// The server stops: what is queued goes to a reader that is there or comes soon, and the connection is closed. No
    /// namespace puts anybody out, since a client that is put out does not come back by itself.
    pub fn shut_down(&mut self, config: &Config, now: Instant) {
        self.session.shut_down(config, now);
        self.note_end();
    }

    fn control(&mut self, kind: Kind, nsp: &str, json: String) {
        self.push(self.parser.encode(&Packet::control(kind, nsp, json)), true);
    }

    fn push(&mut self, frames: Frames, compress: bool) {
        self.session.push(frames, compress);
        self.check_held();
        self.note_end();
    }

    fn check_held(&mut self) {
        let held = (self.session.buffered_within_limit() + self.decoder.held() + self.names).saturating_add(self.kept);
        if held > self.max_held && self.session.is_open() {
            self.session.close_now(Reason::SlowReader);
        }
    }

    fn is_joined(&self, nsp: &str) -> bool {
        self.namespaces.iter().any(|place| place.is(nsp, Membership::Joined))
    }

    fn leave(&mut self, nsp: &str) -> bool {
        self.forget(nsp, Membership::Joined)
    }

    fn forget(&mut self, nsp: &str, state: Membership) -> bool {
        let Some(index) = self.namespaces.iter().position(|place| place.is(nsp, state)) else { return false };
        self.names -= self.namespaces.swap_remove(index).held;
        true
    }

    // ---- long-polling

    /// A GET begins to wait.
    pub fn poll_begin(&mut self) -> Result<(), PollError> {
        let outcome = self.session.poll_begin();
        self.note_end();
        outcome
    }

    /// The answer of the waiting GET, once there is one.
    pub fn poll_take(&mut self) -> Option<Poll> {
        let answer = self.session.poll_take();
        self.note_end();
        answer
    }

    /// The client gave up the waiting GET.
    pub fn poll_abort(&mut self) {
        self.session.poll_abort();
        self.note_end();
    }

    /// The head of a POST has arrived.
    pub fn post_begin(&mut self) -> Result<(), PollError> {
        let outcome = self.session.post_begin();
        self.note_end();
        outcome
    }

    /// The whole body of a POST. False when it holds something that is no packet (then the session is closed).
    pub fn post(&mut self, config: &Config, body: &Payload, now: Instant) -> bool {
        let good = self.post_frames(config, engine::split_payload(self.revision(), body), now);
        self.post_end();
        good
    }

    /// A part of the body of a POST, for who wants to handle the events of one part ahead of the next.
    pub fn post_frames(
        &mut self,
        config: &Config,
        frames: impl Iterator<Item = Result<Frame, DecodeError>>,
        now: Instant,
    ) -> bool {
        for frame in frames {
            if self.session.is_closed() {
                break; // what follows a `1` is not for us (EIO-CL-02)
            }
            match frame {
                Ok(frame) if self.session.is_open() => self.receive(config, &frame, now),
                Ok(frame) => self.session.receive_late(&frame),
                Err(_) => self.session.close_now(Reason::ParseError),
            }
        }
        let good = self.session.ended != Some(Reason::ParseError);
        self.note_end();
        good
    }

    /// The POST is over; another one may come.
    pub fn post_end(&mut self) {
        self.session.post_end();
    }

    /// A POST that breaks the transport's rules or was given up by the client.
    pub fn post_abort(&mut self) {
        self.session.post_abort();
        self.note_end();
    }

    // ---- WebSocket

    /// A frame on the session's own WebSocket.
    pub fn ws_frame(&mut self, config: &Config, frame: &Frame, now: Instant) {
        match self.session.unwrap(frame) {
            Ok(frame) if self.session.is_open() => self.receive(config, &frame, now),
            Ok(frame) => self.session.receive_late(&frame),
            Err(_) => self.session.close_now(Reason::ParseError),
        }
        self.note_end();
    }

    /// Moves what is to be written into `out`; there may be more when that is written.
    pub fn ws_take(&mut self, out: &mut Vec<Frame>) -> Take {
        self.session.ws_take(out)
    }

    /// The session's WebSocket is gone.
    pub fn ws_lost(&mut self, reason: Reason) {
        self.session.close_now(reason);
        self.note_end();
    }

    // ---- upgrade

    /// A WebSocket with this session's id was opened.
    pub fn probe_begin(&mut self, config: &Config, now: Instant) -> Result<(), ProbeError> {
        self.session.probe_begin(config, now)
    }

    /// A frame on the probing WebSocket.
    pub fn probe_frame(&mut self, frame: &Frame) -> Probe {
        self.session.probe_frame(frame)
    }

    /// The probing WebSocket is gone.
    pub fn probe_lost(&mut self) {
        self.session.probe_lost();
    }

    /// Whether the probing WebSocket may stay open.
    pub fn probe_alive(&self) -> bool {
        self.session.probe_alive()
    }

    // ---- time, events, state

    /// When [`timeout`](Self::timeout) wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        let session = self.session.deadline()?;
        Some(self.connect_by.map_or(session, |connect_by| session.min(connect_by)))
    }

    /// Tells the time.
    pub fn timeout(&mut self, config: &Config, now: Instant) {
        if self.connect_by.is_some_and(|by| by <= now) && self.session.is_open() {
            self.connect_by = None;
            self.session.close_after_queue(config, Reason::ForcedServerClose, now);
        }
        self.session.timeout(config, now);
        self.note_end();
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether [`poll_event`](Self::poll_event) would return something.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Whether a waiting GET or WebSocket has something to do.
    pub fn has_output(&self) -> bool {
        self.session.has_output()
    }

    /// How many events wait.
    pub fn pending_events(&self) -> usize {
        self.events.len()
    }

    /// The revision of Engine.IO the client speaks.
    pub fn revision(&self) -> Revision {
        self.session.revision()
    }

    /// What carries the session now.
    pub fn transport(&self) -> Transport {
        self.session.transport()
    }

    /// Bytes queued for the client.
    pub fn buffered(&self) -> usize {
        self.session.buffered()
    }

    /// Bytes that the peer, or what is sent to it, makes this end hold: the queue, a packet that is not complete, the
    /// names and auths of its namespaces, and what the application [keeps](Self::hold) for it. Events that wait are the adapter's own business.
    pub fn held(&self) -> usize {
        (self.session.buffered() + self.decoder.held() + self.names).saturating_add(self.kept)
    }

    /// Whether the session is over for the application, even if its last packets are still on their way.
    pub fn has_ended(&self) -> bool {
        !self.session.is_open()
    }

    /// Whether nothing more will ever be sent: the session can be forgotten.
    pub fn is_closed(&self) -> bool {
        self.session.is_closed()
    }

    fn receive(&mut self, config: &Config, frame: &Frame, now: Instant) {
        match self.session.receive(config, frame, now) {
            Ok(Some(message)) => self.message(config, message, now),
            Ok(None) => {}
            Err(_) => self.session.close_now(Reason::ParseError),
        }
    }

    fn message(&mut self, config: &Config, message: Message, now: Instant) {
        if self.bare {
            return self.events.push_back(Event::Message(message));
        }
        let reason = match self.decoder.feed(message).map(|packet| packet.map(|packet| self.packet(config, packet))) {
            Ok(None | Some(Ok(()))) => return self.check_held(),
            Ok(Some(Err(Broken))) => Reason::ForcedServerClose,
            Err(_) => Reason::ForcedClose,
        };
        self.session.close_after_queue(config, reason, now);
    }

    fn packet(&mut self, config: &Config, packet: Packet) -> Result<(), Broken> {
        let Packet { kind, mut nsp, id, body } = packet;
        let mut auth = ByteString::from(body.json());
        if self.revision() == Revision::V3
            && let Some((path, query)) = nsp.split_once('?')
        {
            (nsp, auth) = (ByteString::from(path), query_as_json(query));
        }
        if kind == Kind::Connect {
            return self.connect(config, &nsp, auth);
        }
        if !self.is_joined(&nsp) {
            return Err(Broken);
        }
        let event = match kind {
            Kind::Event => Event::Event(Incoming { nsp, id, args: body }),
            Kind::Ack => Event::Ack(Incoming { nsp, id, args: body }),
            Kind::Disconnect => {
                self.leave(&nsp);
                Event::Disconnect { nsp }
            }
            Kind::ConnectError | Kind::Connect => return Err(Broken),
        };
        self.events.push_back(event);
        Ok(())
    }

    fn connect(&mut self, config: &Config, nsp: &str, auth: ByteString) -> Result<(), Broken> {
        let known = self.namespaces.iter().any(|place| place.name == nsp);
        if known || self.namespaces.len() >= config.max_namespaces {
            return Err(Broken);
        }
        let held = nsp.len() + auth.len();
        self.names += held;
        // A copy, as this one is a slice that would keep the whole message.
        let nsp = ByteString::from(nsp);
        self.namespaces.push(Place { name: nsp.clone(), state: Membership::Connecting, held });
        if nsp.len() > config.max_name {
            self.refuse(&nsp, "Invalid namespace", None);
            return Ok(());
        }
        self.events.push_back(Event::Connect { nsp, auth });
        Ok(())
    }

    fn note_end(&mut self) {
        if let (Some(reason), false) = (self.session.ended, self.told_closed) {
            self.told_closed = true;
            self.namespaces.clear();
            self.names = 0;
            self.events.push_back(Event::Closed(reason));
        }
    }
}

/// The peer broke the Socket.IO protocol.
struct Broken;

fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    crate::value::push_string(&mut json, text);
    json
}

/// The auth of a Socket.IO 2 client: the query behind its namespace (EIO-V3-03).
fn query_as_json(query: &str) -> ByteString {
    let fields = form_urlencoded::parse(query.as_bytes());
    let object: serde_json::Map<_, _> = fields.map(|(key, value)| (key.into_owned(), value.into())).collect();
    serde_json::Value::Object(object).to_string().into()
}

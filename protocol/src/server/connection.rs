//! The Socket.IO half: namespaces of one connection on top of its Engine.IO session.

use std::collections::VecDeque;
use std::time::Instant;

use bytestring::ByteString;

use super::session::{PollError, Probe, ProbeError, Session, Take};
use super::{Config, Reason, Transport};
use crate::engine::{self, Message};
use crate::{Args, Decoder, DecoderLimits, Frame, Frames, Incoming, Kind, Packet};

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

/// The server's end of one connection. See [the module](super).
#[derive(Debug)]
pub struct Connection {
    session: Session,
    decoder: Decoder,
    namespaces: Vec<(ByteString, Membership)>,
    /// Until when the first namespace must be asked for.
    connect_by: Option<Instant>,
    events: VecDeque<Event>,
    told_closed: bool,
}

impl Connection {
    /// A fresh session; the open packet is queued.
    pub fn new(config: &Config, sid: &str, transport: Transport, now: Instant) -> Self {
        let limits = DecoderLimits { attachments: config.max_attachments, strict: true };
        Self {
            session: Session::new(config, sid, transport, now),
            decoder: Decoder::new(limits),
            namespaces: Vec::new(),
            connect_by: Some(now + config.connect_timeout),
            events: VecDeque::new(),
            told_closed: false,
        }
    }

    // ---- what the application does

    /// Confirms a pending CONNECT. False when it is no longer pending.
    pub fn accept(&mut self, nsp: &str, sid: &str) -> bool {
        let Some(slot) =
            self.namespaces.iter_mut().find(|(name, state)| name == nsp && *state == Membership::Connecting)
        else {
            return false;
        };
        slot.1 = Membership::Joined;
        let json = format!(r#"{{"sid":{}}}"#, serde_json::Value::from(sid));
        self.push(Packet::control(Kind::Connect, nsp, json).encode());
        true
    }

    /// Refuses a pending CONNECT with the JSON object `error`, which has a string `message`. False when it is no
    /// longer pending.
    pub fn refuse(&mut self, nsp: &str, error: &str) -> bool {
        let pending = |(name, state): &(ByteString, Membership)| name == nsp && *state == Membership::Connecting;
        let Some(index) = self.namespaces.iter().position(pending) else { return false };
        self.namespaces.swap_remove(index);
        self.push(Packet::control(Kind::ConnectError, nsp, error).encode());
        true
    }

    /// Queues an encoded packet of `nsp`. False, and nothing is queued, unless the client is in it.
    pub fn send(&mut self, config: &Config, nsp: &str, frames: &Frames) -> bool {
        if !self.session.is_open() || !self.is_joined(nsp) {
            return false;
        }
        self.push(frames.clone());
        if self.session.buffered() > config.max_buffered {
            self.session.close_now(Reason::SlowReader);
            self.note_end();
        }
        true
    }

    /// Queues an encoded packet only when it leaves at once; otherwise it is dropped (`volatile`).
    pub fn send_volatile(&mut self, nsp: &str, frames: &Frames) -> bool {
        let ready = self.session.is_writable() && self.is_joined(nsp);
        if ready {
            self.push(frames.clone());
        }
        ready
    }

    /// Puts the client out of `nsp` and tells it so.
    pub fn disconnect(&mut self, nsp: &str) -> bool {
        let left = self.leave(nsp);
        if left {
            self.push(Packet::control(Kind::Disconnect, nsp, "").encode());
        }
        left
    }

    /// Closes the connection once what is queued is written.
    pub fn close(&mut self, reason: Reason, now: Instant) {
        self.session.close_after_queue(reason, now);
        self.note_end();
    }

    /// The server stops: what is queued goes to a reader that is there.
    pub fn shut_down(&mut self, now: Instant) {
        self.session.shut_down(now);
        self.note_end();
    }

    fn push(&mut self, frames: Frames) {
        if self.session.is_open() {
            for frame in frames {
                self.session.push(frame);
            }
        }
    }

    fn is_joined(&self, nsp: &str) -> bool {
        self.namespaces.iter().any(|(name, state)| name == nsp && *state == Membership::Joined)
    }

    fn leave(&mut self, nsp: &str) -> bool {
        let index = self.namespaces.iter().position(|(name, state)| name == nsp && *state == Membership::Joined);
        index.map(|index| self.namespaces.swap_remove(index)).is_some()
    }

    // ---- long-polling

    /// A GET begins to wait.
    pub fn poll_begin(&mut self) -> Result<(), PollError> {
        let outcome = self.session.poll_begin();
        self.note_end();
        outcome
    }

    /// The frames that answer the waiting GET, once there are some.
    pub fn poll_take(&mut self, max_payload: usize) -> Option<Vec<Frame>> {
        let frames = self.session.poll_take(max_payload);
        self.note_end();
        frames
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
    pub fn post(&mut self, config: &Config, body: &ByteString, now: Instant) -> bool {
        self.session.post_end();
        for frame in engine::decode_payload(body) {
            if !self.session.is_open() {
                break; // what follows a `1` is not for us (EIO-CL-02)
            }
            match frame {
                Ok(frame) => self.receive(config, &frame, now),
                Err(_) => self.session.close_now(Reason::ParseError),
            }
        }
        let good = self.session.ended != Some(Reason::ParseError);
        self.note_end();
        good
    }

    /// A POST that was refused before its body was read; the session goes on.
    pub fn post_refused(&mut self) {
        self.session.post_end();
    }

    /// A POST that breaks the transport's rules or was given up by the client.
    pub fn post_abort(&mut self) {
        self.session.close_now(Reason::TransportError);
        self.note_end();
    }

    // ---- WebSocket

    /// A frame on the session's own WebSocket.
    pub fn ws_frame(&mut self, config: &Config, frame: &Frame, now: Instant) {
        if self.session.is_open() {
            self.receive(config, frame, now);
        }
        self.note_end();
    }

    /// Moves what is to be written into `out`.
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
            self.session.close_after_queue(Reason::ForcedServerClose, now);
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

    /// What carries the session now.
    pub fn transport(&self) -> Transport {
        self.session.transport()
    }

    /// Bytes queued for the client.
    pub fn buffered(&self) -> usize {
        self.session.buffered()
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
        let reason = match self.decoder.feed(message).map(|packet| packet.map(|packet| self.packet(config, packet))) {
            Ok(None | Some(Ok(()))) => return,
            Ok(Some(Err(Broken))) => Reason::ForcedServerClose,
            Err(_) => Reason::ForcedClose,
        };
        self.session.close_after_queue(reason, now);
    }

    fn packet(&mut self, config: &Config, packet: Packet) -> Result<(), Broken> {
        let Packet { kind, nsp, id, body } = packet;
        if kind == Kind::Connect {
            return self.connect(config, nsp, &body);
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

    fn connect(&mut self, config: &Config, nsp: ByteString, body: &Args) -> Result<(), Broken> {
        let known = self.namespaces.iter().any(|(name, _)| *name == nsp);
        if known || self.namespaces.len() >= config.max_namespaces {
            return Err(Broken);
        }
        self.connect_by = None;
        self.namespaces.push((nsp.clone(), Membership::Connecting));
        self.events.push_back(Event::Connect { nsp, auth: body.json().into() });
        Ok(())
    }

    fn note_end(&mut self) {
        if let (Some(reason), false) = (self.session.ended, self.told_closed) {
            self.told_closed = true;
            self.namespaces.clear();
            self.events.push_back(Event::Closed(reason));
        }
    }
}

/// The peer broke the Socket.IO protocol.
struct Broken;

//! The Engine.IO half: transports, upgrade, heartbeat, closing, and the outbox they share.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytestring::ByteString;

use super::Opening;
use super::{Config, Reason, Transport};
use crate::Frame;
use crate::engine::{self, DecodeError, Handshake, Message, Packet, Payload, Revision, v3};

/// How long the last packets of a session closed by the server wait for the client's next GET, at most (engine.io's
/// own constant). A client that has not come within a heartbeat does not come any more.
const LAST_POLL: Duration = Duration::from_secs(30);
/// How long a server that stops waits for a client that is between two GETs, or about to complete an upgrade.
const LAST_POLL_OF_ALL: Duration = Duration::from_secs(1);
/// Bytes that a WebSocket takes at a time: what waits stays in the outbox, where it is counted.
const WRITE_TURN: usize = 64 * 1024;
/// Frames for which an empty outbox keeps its room.
const OUTBOX_KEPT: usize = 256;

/// Why a GET or POST is answered with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PollError {
    /// The session does not poll, or no more.
    #[error("the session does not use long-polling")]
    NotPolling,
    /// Another request of that kind is still open (EIO-PL-08, EIO-PL-09).
    #[error("another request of this kind is still open")]
    Duplicate,
}

/// Why a WebSocket may not probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The session is on a WebSocket already (EIO-UP-07), or closed.
    #[error("the session cannot be upgraded")]
    NotPolling,
    /// Another WebSocket probes (EIO-UP-08).
    #[error("another upgrade is under way")]
    Busy,
}

/// What to do after a frame on a probing WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Send this on the probing WebSocket.
    Reply(Frame),
    /// The WebSocket carries the session from now on.
    Complete,
    /// Close the WebSocket; the session goes on over polling.
    Reject,
}

/// What a WebSocket has to do after taking its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Write what was taken.
    Open,
    /// Write what was taken, then close the WebSocket.
    Close,
}

/// The answer to a GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// The packets.
    pub payload: Payload,
    /// Whether the application allows to compress it: one of its packets does.
    pub compress: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Link {
    Polling { get: bool, post: bool },
    WebSocket,
}

#[derive(Debug, PartialEq, Eq)]
enum Upgrade {
    None,
    /// A WebSocket is open and has until then; `probed` after its `2probe`.
    Probing {
        until: Instant,
        probed: bool,
    },
}

#[derive(Debug)]
enum Heartbeat {
    /// The next ping goes out then.
    Idle(Instant),
    /// The pong must be there by then.
    Waiting(Instant),
    /// Revision 3: the client pings, at the latest then.
    Listening(Instant),
}

impl Heartbeat {
    fn at(&self) -> Instant {
        match self {
            Self::Idle(at) | Self::Waiting(at) | Self::Listening(at) => *at,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Closed for the application; what is queued still goes out, until then at the latest.
    Draining(Instant),
    Closed,
}

/// How a polling session that the server closes says its last word.
#[derive(Debug, PartialEq, Eq)]
enum LastAnswer {
    /// To a GET that comes later, as Node does.
    NoopAndClose,
    /// To a GET that was waiting, with nothing queued, when the server began to close.
    Close,
}

/// One Engine.IO session.
#[derive(Debug)]
pub(super) struct Session {
    revision: Revision,
    /// Whether the client takes bytes as they are (revision 3, without `b64`).
    takes_binary: bool,
    link: Link,
    upgrade: Upgrade,
    heartbeat: Heartbeat,
    state: State,
    outbox: VecDeque<Frame>,
    buffered: usize,
    /// Bytes of the last answer to a GET, as nobody knows whether they were read until the next one comes.
    unread: usize,
    max_buffered: usize,
    /// Whether the open packet is out.
    opened: bool,
    /// Whether a packet that is queued may be compressed.
    compress: bool,
    /// What a GET gets that still waits when the session is closed: a client that closed itself is released, the
    /// others are told.
    farewell: Packet,
    last_answer: LastAnswer,
    /// Set once, when the session ends for the application.
    pub(super) ended: Option<Reason>,
}

impl Session {
    pub(super) fn new(config: &Config, opening: &Opening<'_>, now: Instant) -> Self {
        let polling = opening.transport == Transport::Polling;
        let handshake = Handshake {
            sid: opening.sid.to_owned(),
            upgrades: if polling && config.allow_upgrades { vec!["websocket".to_owned()] } else { Vec::new() },
            ping_interval: config.ping_interval.as_millis() as u64,
            ping_timeout: config.ping_timeout.as_millis() as u64,
            max_payload: Some(config.max_payload as u64),
        };
        let json = serde_json::to_string(&handshake).unwrap_or_default();
        let open = Packet::Open(json.into()).encode();
        Self {
            revision: opening.revision,
            takes_binary: !opening.base64,
            link: if polling { Link::Polling { get: false, post: false } } else { Link::WebSocket },
            upgrade: Upgrade::None,
            heartbeat: match opening.revision {
                Revision::V3 => Heartbeat::Listening(now + config.ping_interval + config.ping_timeout),
                Revision::V4 => Heartbeat::Idle(now + config.ping_interval),
            },
            state: State::Open,
            buffered: open.cost(),
            unread: 0,
            opened: false,
            max_buffered: config.max_buffered,
            compress: true,
            farewell: Packet::Close,
            last_answer: LastAnswer::NoopAndClose,
            outbox: VecDeque::from([open]),
            ended: None,
        }
    }

    // ---- sending

    /// Queues a packet for whichever transport is active. One byte over the limit, and the session is closed; but a packet
    /// may be as large as it likes when nothing is ahead of it.
    pub(super) fn push(&mut self, frames: impl IntoIterator<Item = Frame>, compress: bool) {
        if !self.is_open() {
            return;
        }
        let alone = self.outbox.is_empty();
        for frame in frames {
            self.buffered += frame.cost();
            self.outbox.push_back(frame);
        }
        self.compress |= compress;
        if self.buffered() > self.max_buffered && !alone {
            self.close_now(Reason::SlowReader);
        }
    }

    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    pub(super) fn buffered(&self) -> usize {
        self.buffered + self.unread
    }

    /// What a limit counts: a packet that was alone may be larger.
    pub(super) fn buffered_within_limit(&self) -> usize {
        self.buffered().min(self.max_buffered)
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether a packet pushed now would leave at once (MD-01): nothing queued, and a reader waiting.
    pub(super) fn is_writable(&self) -> bool {
        self.is_open() && self.outbox.is_empty() && !matches!(self.link, Link::Polling { get: false, .. })
    }

    pub(super) fn transport(&self) -> Transport {
        match self.link {
            Link::Polling { .. } => Transport::Polling,
            Link::WebSocket => Transport::WebSocket,
        }
    }

    /// Whether a waiting writer has something to do.
    pub(super) fn has_output(&self) -> bool {
        match self.link {
            Link::Polling { get: true, .. } => !self.outbox.is_empty() || self.releases_polls() || !self.is_open(),
            Link::Polling { get: false, .. } => self.is_closed(),
            Link::WebSocket => !self.outbox.is_empty() || !self.is_open(),
        }
    }

    // ---- long-polling

    pub(super) fn poll_begin(&mut self) -> Result<(), PollError> {
        match (&mut self.link, &self.state) {
            (Link::WebSocket, _) | (_, State::Closed) => Err(PollError::NotPolling),
            (Link::Polling { get: true, .. }, _) => {
                self.close_now(Reason::TransportError);
                Err(PollError::Duplicate)
            }
            (Link::Polling { get, .. }, _) => {
                *get = true;
                self.unread = 0;
                Ok(())
            }
        }
    }

    /// The answer of the waiting GET, once there is one: everything that is queued, as a packet and its attachments
    /// belong into one payload (SIO-BN-07).
    pub(super) fn poll_take(&mut self) -> Option<Poll> {
        let Link::Polling { get, .. } = &mut self.link else { return Some(self.last_poll(&Packet::Noop)) };
        if self.state == State::Closed {
            *get = false;
            return Some(self.last_poll(&self.farewell));
        }
        let draining = self.state != State::Open;
        let probed = matches!(self.upgrade, Upgrade::Probing { probed: true, .. });
        if self.outbox.is_empty() && !draining && !probed {
            return None;
        }
        *get = false;
        let mut frames = self.take_for_get();
        let compress = std::mem::replace(&mut self.compress, !self.outbox.is_empty());
        if frames.is_empty() {
            if self.last_answer != LastAnswer::Close {
                frames.push(Packet::Noop.encode());
            }
            if draining {
                // Never behind events: the official client drops those that share a payload with a close.
                frames.push(Packet::Close.encode());
                self.close_now(Reason::ForcedServerClose);
            }
        }
        let payload = self.payload(&frames);
        if self.state != State::Closed {
            self.unread = payload.len();
        }
        Some(Poll { payload, compress })
    }

    /// Everything; but the open packet goes alone, as clients of revision 3 expect it.
    fn take_for_get(&mut self) -> Vec<Frame> {
        if std::mem::replace(&mut self.opened, true) {
            self.buffered = 0;
            return Vec::from(std::mem::take(&mut self.outbox));
        }
        let open = self.outbox.pop_front();
        self.buffered -= open.as_ref().map_or(0, Frame::cost);
        Vec::from_iter(open)
    }

    fn last_poll(&self, packet: &Packet) -> Poll {
        Poll { payload: self.payload(&[packet.encode()]), compress: false }
    }

    fn payload(&self, frames: &[Frame]) -> Payload {
        match self.revision {
            Revision::V3 => v3::encode_payload(frames, self.takes_binary),
            Revision::V4 => Payload::Text(engine::encode_payload(frames)),
        }
    }

    fn releases_polls(&self) -> bool {
        matches!(self.upgrade, Upgrade::Probing { probed: true, .. })
    }

    /// The client gave up its waiting GET (EIO-PL-10).
    pub(super) fn poll_abort(&mut self) {
        if let Link::Polling { get: get @ true, .. } = &mut self.link {
            *get = false;
            self.close_now(Reason::TransportError);
        }
    }

    pub(super) fn post_begin(&mut self) -> Result<(), PollError> {
        // While the last packets go out, a POST is taken and ignored: a client that is refused would drop the answer
        // that they are in.
        match (&mut self.link, &self.state) {
            (Link::WebSocket, _) | (_, State::Closed) => Err(PollError::NotPolling),
            (Link::Polling { post: true, .. }, _) => {
                self.close_now(Reason::TransportError);
                Err(PollError::Duplicate)
            }
            (Link::Polling { post, .. }, _) => {
                *post = true;
                Ok(())
            }
        }
    }

    /// A POST broke the rules or was given up. What is queued behind an end does not suffer from it.
    pub(super) fn post_abort(&mut self) {
        self.post_end();
        if self.is_open() {
            self.close_now(Reason::TransportError);
        }
    }

    pub(super) fn post_end(&mut self) {
        if let Link::Polling { post, .. } = &mut self.link {
            *post = false;
        }
    }

    // ---- WebSocket

    /// Moves what is queued into `out`, so much that one write is worth it.
    pub(super) fn ws_take(&mut self, out: &mut Vec<Frame>) -> Take {
        if self.state == State::Closed {
            return Take::Close;
        }
        let mut taken = 0;
        while taken < WRITE_TURN
            && let Some(frame) = self.outbox.pop_front()
        {
            taken += frame.len();
            self.buffered -= frame.cost();
            out.push(match (self.revision, frame) {
                (Revision::V3, Frame::Binary(bytes)) if self.takes_binary => Frame::Binary(v3::wrap_binary(&bytes)),
                (Revision::V3, Frame::Binary(bytes)) => Frame::text(v3::base64_packet(&bytes)),
                (_, frame) => frame,
            });
        }
        if self.outbox.is_empty() && self.outbox.capacity() > OUTBOX_KEPT {
            self.outbox = VecDeque::new();
        }
        // The deadline of the end stays until the WebSocket is gone, for a peer that takes nothing more.
        if self.state == State::Open || !self.outbox.is_empty() { Take::Open } else { Take::Close }
    }

    // ---- upgrade

    pub(super) fn probe_begin(&mut self, config: &Config, now: Instant) -> Result<(), ProbeError> {
        match (&self.link, &self.upgrade, &self.state) {
            (Link::Polling { .. }, Upgrade::None, State::Open) if config.allow_upgrades => {
                self.upgrade = Upgrade::Probing { until: now + config.upgrade_timeout, probed: false };
                Ok(())
            }
            (Link::Polling { .. }, Upgrade::Probing { .. }, State::Open) => Err(ProbeError::Busy),
            _ => Err(ProbeError::NotPolling),
        }
    }

    pub(super) fn probe_frame(&mut self, frame: &Frame) -> Probe {
        let Upgrade::Probing { probed, .. } = &mut self.upgrade else { return Probe::Reject };
        match Packet::decode(frame) {
            Ok(Packet::Ping(data)) if data == "probe" => {
                *probed = true;
                Probe::Reply(Frame::Text(ByteString::from_static("3probe")))
            }
            Ok(Packet::Upgrade) if *probed => {
                self.upgrade = Upgrade::None;
                self.link = Link::WebSocket;
                self.unread = 0;
                Probe::Complete
            }
            _ => {
                self.upgrade = Upgrade::None;
                Probe::Reject
            }
        }
    }

    /// The probing WebSocket is gone; the session goes on over polling (EIO-UP-12).
    pub(super) fn probe_lost(&mut self) {
        self.upgrade = Upgrade::None;
    }

    /// An end does not cut an upgrade off: its client may have stopped polling, and then the new WebSocket is the only
    /// way to it.
    pub(super) fn probe_alive(&self) -> bool {
        self.upgrade != Upgrade::None && !self.is_closed()
    }

    // ---- receiving

    /// A frame of the session's own WebSocket, as the layers above know it.
    pub(super) fn unwrap<'a>(&self, frame: &'a Frame) -> Result<Cow<'a, Frame>, DecodeError> {
        let unwrapped = match (self.revision, frame) {
            (Revision::V4, _) => return Ok(Cow::Borrowed(frame)),
            (Revision::V3, Frame::Binary(bytes)) => Frame::Binary(v3::unwrap_binary(bytes)?),
            (Revision::V3, Frame::Text(text)) => match text.strip_prefix("b4") {
                Some(encoded) => Packet::decode(&Frame::text(format!("b{encoded}")))?.encode(),
                None => return Ok(Cow::Borrowed(frame)),
            },
        };
        Ok(Cow::Owned(unwrapped))
    }

    /// Takes one frame of the active transport; returns a message for the layer above.
    pub(super) fn receive(
        &mut self,
        config: &Config,
        frame: &Frame,
        now: Instant,
    ) -> Result<Option<Message>, DecodeError> {
        match Packet::decode(frame)? {
            Packet::Message(message) => Ok(Some(message)),
            Packet::Pong(_) if self.revision == Revision::V4 => {
                // An unsolicited pong must not move the next ping (EIO-HB-09).
                if let Heartbeat::Waiting(_) = self.heartbeat {
                    self.heartbeat = Heartbeat::Idle(now + config.ping_interval);
                }
                Ok(None)
            }
            Packet::Ping(_) if self.revision == Revision::V3 => {
                self.heartbeat = Heartbeat::Listening(now + config.ping_interval + config.ping_timeout);
                self.push([Packet::Pong(ByteString::new()).encode()], false);
                Ok(None)
            }
            Packet::Close => {
                self.farewell = Packet::Noop;
                self.close_now(Reason::TransportClose);
                Ok(None)
            }
            Packet::Ping(_) | Packet::Pong(_) => {
                // Only one end sends pings: the server in revision 4 (EIO-HB-08), the client in revision 3.
                self.close_now(Reason::TransportError);
                Ok(None)
            }
            Packet::Open(_) | Packet::Upgrade | Packet::Noop => Ok(None),
        }
    }

    /// A frame of a client that has not heard of the end yet: ignored, unless it says goodbye itself.
    pub(super) fn receive_late(&mut self, frame: &Frame) {
        if let Ok(Packet::Close) = Packet::decode(frame) {
            self.farewell = Packet::Noop;
            self.close_now(Reason::TransportClose);
        }
    }

    // ---- time and closing

    pub(super) fn deadline(&self) -> Option<Instant> {
        let heartbeat = self.heartbeat.at();
        match (&self.state, &self.upgrade) {
            (State::Closed, _) => None,
            (State::Draining(end), Upgrade::Probing { until, .. }) => Some(*end.min(until)),
            (State::Draining(end), Upgrade::None) => Some(*end),
            (State::Open, Upgrade::Probing { until, .. }) => Some(heartbeat.min(*until)),
            (State::Open, Upgrade::None) => Some(heartbeat),
        }
    }

    pub(super) fn timeout(&mut self, config: &Config, now: Instant) {
        if let Upgrade::Probing { until, .. } = self.upgrade
            && until <= now
        {
            self.upgrade = Upgrade::None;
        }
        if let State::Draining(until) = self.state {
            if until <= now {
                self.close_now(Reason::ForcedServerClose);
            }
            return;
        }
        match self.heartbeat {
            Heartbeat::Idle(at) if at <= now && self.is_open() => {
                self.push([Packet::Ping(ByteString::new()).encode()], false);
                // A ping that is a little late does not give more time; one that is very late (the server stood still) does.
                let late = now.saturating_duration_since(at) > config.ping_timeout / 4;
                self.heartbeat = Heartbeat::Waiting(if late { now } else { at } + config.ping_timeout);
            }
            Heartbeat::Waiting(at) | Heartbeat::Listening(at) if at <= now => self.close_now(Reason::PingTimeout),
            Heartbeat::Idle(_) | Heartbeat::Waiting(_) | Heartbeat::Listening(_) => {}
        }
    }

    /// Ends the session; what is queued still goes out (EIO-CL-04), over an upgrade that is under way if it completes.
    pub(super) fn close_after_queue(&mut self, config: &Config, reason: Reason, now: Instant) {
        if self.is_open() {
            let patience = LAST_POLL.min(config.ping_interval + config.ping_timeout);
            self.state = State::Draining(now + patience);
            if self.outbox.is_empty() && matches!(self.link, Link::Polling { get: true, .. }) {
                self.last_answer = LastAnswer::Close;
            }
            self.ended.get_or_insert(reason);
        }
    }

    /// Ends the session because the server stops: what is queued goes to the next reader, who must come soon.
    pub(super) fn shut_down(&mut self, config: &Config, now: Instant) {
        self.close_after_queue(config, Reason::ServerShuttingDown, now);
        if let (State::Draining(until), Link::Polling { .. }) = (&mut self.state, &self.link) {
            *until = (*until).min(now + LAST_POLL_OF_ALL);
        }
    }

    /// Ends the session; what is queued is dropped.
    pub(super) fn close_now(&mut self, reason: Reason) {
        self.state = State::Closed;
        self.upgrade = Upgrade::None;
        self.outbox = VecDeque::new();
        (self.buffered, self.unread) = (0, 0);
        self.ended.get_or_insert(reason);
    }
}

//! The connection machine, with mistakes: what goes in and out of the real one is spoiled on the way.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::time::Instant;

use sio_protocol::engine::{self, DecodeError, Payload, Revision};
use sio_protocol::server::{
    Config, Connection as Machine, Event, Opening, Poll, PollError, Probe, ProbeError, Reason, Take, Transport,
};
use sio_protocol::{ByteString, Decoder, DecoderLimits, Frame, Frames, Incoming, is_reserved};

use super::dialect::Dialect;
use super::packet::Parts;
use super::{Fault, Faults, NEVER, frames, narrow, reported};

/// What stands for the first attachment of a packet.
const PLACEHOLDER: &str = r#"{"_placeholder":true,"num":0}"#;
/// Frames that leave together only if somebody has not kept up, or very much is said at once.
const BACKLOG: usize = 20;

/// A [`Machine`] that may be told to err.
pub(crate) struct Connection {
    inner: Machine,
    faults: Option<Faulty>,
    dialect: Option<Dialect>,
}

/// What the mistakes of one connection remember.
#[expect(clippy::struct_excessive_bools, reason = "each is remembered for another mistake")]
struct Faulty {
    faults: Faults,
    config: Config,
    /// Sent on top of what the machine sends.
    extra: VecDeque<Frame>,
    /// Namespaces that were asked for, and that were joined.
    asked: Vec<String>,
    joined: Vec<String>,
    /// Namespaces that did not let the client in, and that it has left.
    refused: Vec<String>,
    left: Vec<String>,
    /// What came for a namespace ahead of its answer.
    early: Vec<(String, Frame)>,
    /// Events that the machine would have closed the connection for.
    stowaways: VecDeque<Event>,
    get_waits: bool,
    get_given_up: bool,
    post_runs: bool,
    probing: bool,
    probed: bool,
    /// What waits for the next ping.
    held: Vec<Frame>,
    /// Whether there ever was a probe, and until when an upgrade that was completed is left alone.
    was_probed: bool,
    undone_at: Option<Instant>,
    /// A WebSocket that the machine knows nothing of.
    false_probe: bool,
    /// What mistakes that were reported elsewhere remember.
    reported: reported::Memory,
    /// And those that one row alone shows.
    narrow: narrow::Memory,
}

impl Deref for Connection {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.inner
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Machine {
        &mut self.inner
    }
}

impl Connection {
    pub(crate) fn new(config: &Config, opening: &Opening<'_>, now: Instant) -> Self {
        Self { inner: Machine::new(config, opening, now), faults: None, dialect: None }
    }

    /// Engine.IO alone, which makes no mistakes.
    pub(crate) fn bare(config: &Config, opening: &Opening<'_>, now: Instant) -> Self {
        Self { inner: Machine::bare(config, opening, now), faults: None, dialect: None }
    }

    /// With the mistakes that are switched on. A client of revision 3 and packets in MessagePack have their own.
    pub(crate) fn with(mut self, faults: Option<&Faults>, config: &Config) -> Self {
        if let Some(faults) = faults {
            faults.connected();
            self.dialect = Dialect::of(faults, self.inner.revision(), config.parser);
            if self.inner.revision() == Revision::V4 {
                self.faults = Some(Faulty::new(faults.clone(), config.clone()));
            }
        }
        self
    }

    fn hits(&self, fault: Fault) -> bool {
        self.faults.as_ref().is_some_and(|faulty| faulty.faults.hits(fault))
    }

    // ---- what the application does

    pub(crate) fn accept(&mut self, nsp: &str, sid: &str, pid: Option<&str>) -> bool {
        self.accept_after(nsp, sid, pid, &[])
    }

    pub(crate) fn accept_after(&mut self, nsp: &str, sid: &str, pid: Option<&str>, missed: &[Frames]) -> bool {
        if self.faults.as_mut().is_some_and(|faulty| faulty.reported.is_stopped(nsp)) {
            return true;
        }
        let accepted = self.inner.accept_after(nsp, sid, pid, missed);
        if let Some(faulty) = self.faults.as_mut().filter(|_| accepted) {
            faulty.joined.push(nsp.to_owned());
            faulty.left.retain(|name| name != nsp);
            faulty.refused.retain(|name| name != nsp);
            let early = std::mem::take(&mut faulty.early);
            let (kept, others): (Vec<_>, Vec<_>) = early.into_iter().partition(|(name, _)| name == nsp);
            faulty.early = others;
            for (_, frame) in kept {
                self.inner.ws_frame(&faulty.config, &frame, crate::session::now());
            }
        }
        accepted
    }

    pub(crate) fn refuse(&mut self, nsp: &str, message: &str, data: Option<&str>) -> bool {
        if let Some(faulty) = &mut self.faults {
            faulty.forget(nsp);
            faulty.refused.push(nsp.to_owned());
            if faulty.faults.hits(Fault::RefusedThenClosed) {
                faulty.undone_at = Some(crate::session::now() + faulty.config.connect_timeout);
            }
        }
        self.inner.refuse(nsp, message, data)
    }

    pub(crate) fn disconnect(&mut self, nsp: &str) -> bool {
        if let Some(faulty) = &mut self.faults {
            faulty.forget(nsp);
            faulty.left.push(nsp.to_owned());
        }
        if self.hits(Fault::CloseDropsQueue) {
            self.inner.ws_take(&mut Vec::new());
        }
        self.inner.disconnect(nsp)
    }

    // ---- events

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        let stowaway = self.faults.as_mut().and_then(|faulty| faulty.stowaways.pop_front());
        let stowaway = stowaway.or_else(|| self.dialect.as_mut().and_then(|dialect| dialect.stowaways.pop_front()));
        stowaway.or_else(|| self.inner.poll_event())
    }

    pub(crate) fn has_events(&self) -> bool {
        self.inner.has_events()
            || self.faults.as_ref().is_some_and(|faulty| !faulty.stowaways.is_empty())
            || self.dialect.as_ref().is_some_and(|dialect| !dialect.stowaways.is_empty())
    }

    // ---- writing

    pub(crate) fn send(&mut self, nsp: &str, frames: &Frames, compress: bool) -> bool {
        if let Some(faulty) = &mut self.faults
            && faulty.is_pending(nsp)
            && faulty.faults.hits(Fault::PendingReached)
        {
            faulty.extra.extend(frames.iter().cloned());
            return true;
        }
        if self.hits(Fault::SendingIsPong)
            && let Some(faulty) = &self.faults
        {
            self.inner.ws_frame(&faulty.config, &Frame::text("3"), crate::session::now());
        }
        self.inner.send(nsp, frames, compress)
    }

    pub(crate) fn send_volatile(&mut self, nsp: &str, frames: &Frames, compress: bool) -> bool {
        if self.hits(Fault::VolatileHeaderOnly) {
            let header: Frames = frames.iter().take(1).cloned().collect();
            return self.inner.send_volatile(nsp, &header, compress);
        }
        self.inner.send_volatile(nsp, frames, compress)
    }

    pub(crate) fn has_output(&self) -> bool {
        let more = self.faults.as_ref().is_some_and(|faulty| !faulty.extra.is_empty());
        self.inner.has_output() || more && (self.inner.transport() == Transport::WebSocket || self.get_waits())
    }

    fn get_waits(&self) -> bool {
        self.faults.as_ref().is_some_and(|faulty| faulty.get_waits)
    }

    pub(crate) fn ws_take(&mut self, out: &mut Vec<Frame>) -> Take {
        if self.faults.is_none() && self.dialect.is_none() {
            return self.inner.ws_take(out);
        }
        let mut frames = Vec::new();
        if let Some(faulty) = &mut self.faults {
            frames.extend(faulty.extra.drain(..));
        }
        let take = self.inner.ws_take(&mut frames);
        if let Some(faulty) = &mut self.faults {
            frames = faulty.held_back(frames, take == Take::Close);
            frames = faulty.websocket(frames, &mut self.inner);
        }
        out.extend(match &self.dialect {
            Some(dialect) => dialect.websocket(frames),
            None => frames,
        });
        take
    }

    pub(crate) fn poll_begin(&mut self) -> Result<(), PollError> {
        if let Some(faulty) = &mut self.faults {
            if faulty.get_waits && faulty.faults.hits(Fault::TwoGets) {
                return Err(PollError::Duplicate);
            }
            if std::mem::take(&mut faulty.get_given_up) {
                // The machine still believes in the one that was given up.
                faulty.get_waits = true;
                return Ok(());
            }
        }
        let begun = self.inner.poll_begin();
        if let (Ok(()), Some(faulty)) = (&begun, &mut self.faults) {
            faulty.get_waits = true;
            faulty.reported.parked = !self.inner.has_output();
        }
        begun
    }

    pub(crate) fn poll_take(&mut self) -> Option<Poll> {
        let answer = self.spoiled_poll()?;
        let payload = match &self.dialect {
            Some(dialect) => dialect.polling(answer.payload),
            None => answer.payload,
        };
        Some(Poll { payload, ..answer })
    }

    fn spoiled_poll(&mut self) -> Option<Poll> {
        let answer = self.inner.poll_take();
        let Some(faulty) = &mut self.faults else { return answer };
        let answer = match answer {
            None if faulty.extra.is_empty() => return None,
            None => Poll { payload: Payload::Text(ByteString::new()), compress: true },
            Some(answer) => answer,
        };
        let Payload::Text(text) = &answer.payload else { return Some(answer) };
        if **text == *"6" && faulty.probing && faulty.faults.hits(Fault::UpgradeNoNoop) {
            return None;
        }
        if **text == *"6" && faulty.probing && faulty.reported.is_second_noop(&faulty.faults) {
            return None;
        }
        let mut frames: Vec<Frame> = faulty.extra.drain(..).collect();
        if !text.is_empty() {
            frames.extend(engine::decode_payload(text).filter_map(Result::ok));
        }
        let is_last = self.inner.is_closed();
        frames = faulty.held_back(frames, is_last);
        let bytes = frames.iter().position(|frame| matches!(frame, Frame::Binary(_)));
        if let Some(at) = bytes.filter(|at| *at > 0 && faulty.faults.hits(Fault::BinaryApart)) {
            faulty.extra.extend(frames.drain(at..));
        }
        let payload = faulty.polling(frames, &mut self.inner);
        if payload.is_empty() {
            // Nothing is left of it: the GET goes on waiting.
            let _ = self.inner.poll_begin();
            return None;
        }
        faulty.get_waits = false;
        Some(Poll { payload: Payload::Text(payload.into()), ..answer })
    }

    pub(crate) fn poll_abort(&mut self) {
        if let Some(faulty) = self.faults.as_mut() {
            faulty.get_waits = false;
            if faulty.faults.hits(Fault::GetAbortKept) {
                faulty.get_given_up = true;
                return;
            }
        }
        self.inner.poll_abort();
    }

    // ---- reading

    pub(crate) fn post_begin(&mut self) -> Result<(), PollError> {
        if let Some(faulty) = &self.faults
            && faulty.post_runs
            && faulty.faults.hits(Fault::TwoPosts)
        {
            return Err(PollError::Duplicate);
        }
        if self.inner.transport() == Transport::WebSocket && self.hits(Fault::PostsAfterUpgrade) {
            return Ok(());
        }
        let begun = self.inner.post_begin();
        if let (Ok(()), Some(faulty)) = (&begun, &mut self.faults) {
            faulty.post_runs = true;
        }
        begun
    }

    pub(crate) fn post_end(&mut self) {
        if let Some(faulty) = &mut self.faults {
            faulty.post_runs = false;
        }
        self.inner.post_end();
    }

    pub(crate) fn post_abort(&mut self) {
        if self.hits(Fault::PostAbortKept) {
            return self.post_end();
        }
        self.inner.post_abort();
    }

    pub(crate) fn post_frames(
        &mut self,
        config: &Config,
        frames: impl Iterator<Item = Result<Frame, DecodeError>>,
        now: Instant,
    ) -> bool {
        let mut dialect = self.dialect.as_mut();
        let frames = frames.filter(|frame| match (&mut dialect, frame) {
            (Some(dialect), Ok(frame)) => dialect.passes(frame),
            _ => true,
        });
        let Some(faulty) = &mut self.faults else { return self.inner.post_frames(config, frames, now) };
        if faulty.undone_at.is_some_and(|at| at < now) {
            self.inner.close(config, Reason::ForcedServerClose, now);
        }
        let frames: Vec<_> = frames.collect();
        if faulty.narrow.is_wedged_by(&faulty.faults, &frames) {
            return true;
        }
        if faulty.get_waits && faulty.faults.hits(Fault::PostReleasesGet) {
            faulty.extra.push_back(Frame::text("6"));
        }
        let mut spoiled = Vec::new();
        for frame in narrow::posted(&faulty.faults, frames, faulty.probing) {
            match frame {
                Ok(Frame::Binary(bytes)) if faulty.faults.hits(Fault::Base64Four) => {
                    let frame = Frame::Binary(reported::without_four(bytes));
                    spoiled.extend(faulty.incoming(frame, &mut self.inner, now).into_iter().map(Ok));
                }
                Ok(frame) => spoiled.extend(faulty.incoming(frame, &mut self.inner, now).into_iter().map(Ok)),
                Err(error) => spoiled.push(Err(error)),
            }
        }
        if faulty.faults.hits(Fault::EventsSwapped) && spoiled.iter().all(|frame| matches!(frame, Ok(Frame::Text(_)))) {
            spoiled.reverse();
        }
        self.inner.post_frames(config, spoiled.into_iter(), now)
    }

    pub(crate) fn ws_frame(&mut self, config: &Config, frame: &Frame, now: Instant) {
        if self.dialect.as_mut().is_some_and(|dialect| !dialect.passes(frame)) {
            return;
        }
        let Some(faulty) = &mut self.faults else { return self.inner.ws_frame(config, frame, now) };
        if faulty.undone_at.is_some_and(|at| at < now) {
            return self.inner.close(config, Reason::ForcedServerClose, now);
        }
        if matches!(frame, Frame::Text(text) if text.starts_with('b')) && faulty.faults.hits(Fault::TextNotBase64) {
            return self.inner.ws_frame(config, &Frame::text("9"), now);
        }
        if narrow::is_unknown(frame) && faulty.faults.hits(Fault::FrameUnknownIgnored) {
            return;
        }
        for frame in faulty.incoming(frame.clone(), &mut self.inner, now) {
            self.inner.ws_frame(config, &frame, now);
        }
    }

    pub(crate) fn timeout(&mut self, config: &Config, now: Instant) {
        if self.hits(Fault::PingTimeoutNever) {
            return self.inner.timeout(&Config { ping_timeout: NEVER, ..config.clone() }, now);
        }
        self.inner.timeout(config, now);
    }

    // ---- upgrade

    pub(crate) fn probe_begin(&mut self, config: &Config, now: Instant) -> Result<(), ProbeError> {
        let begun = self.inner.probe_begin(config, now);
        let Some(faulty) = &mut self.faults else { return begun };
        if begun.is_err() && faulty.faults.hits(Fault::UpgradeTwice) {
            faulty.false_probe = true;
            return Ok(());
        }
        faulty.probing = begun.is_ok();
        faulty.was_probed |= begun.is_ok();
        faulty.probed = false;
        begun
    }

    pub(crate) fn probe_alive(&self) -> bool {
        self.inner.probe_alive() || self.faults.as_ref().is_some_and(|faulty| faulty.false_probe)
    }

    pub(crate) fn probe_frame(&mut self, frame: &Frame) -> Probe {
        if let Some(mistake) = self.dialect.as_ref().and_then(Dialect::probe) {
            return mistake;
        }
        let Some(faulty) = &mut self.faults else { return self.inner.probe_frame(frame) };
        let Frame::Text(text) = frame else { return self.inner.probe_frame(frame) };
        if faulty.false_probe {
            return Probe::Reply(Frame::text("3probe"));
        }
        if **text == *"5" && self.inner.buffered() > 0 && faulty.faults.hits(Fault::BusyUpgradeRefused) {
            faulty.probing = false;
            return self.inner.probe_frame(&Frame::text("9"));
        }
        let probe = Frame::text("2probe");
        let known = text.starts_with('2') && faulty.faults.hits(Fault::ProbeAny);
        if **text == *"5" && !faulty.probed && faulty.faults.hits(Fault::UpgradeUnprobed) {
            self.inner.probe_frame(&probe);
        }
        match self.inner.probe_frame(if known { &probe } else { frame }) {
            Probe::Reply(reply) => {
                faulty.probed = true;
                Probe::Reply(match faulty.faults.striking().next() {
                    Some(Fault::ProbeUnanswered) => Frame::text("6"),
                    Some(Fault::ProbeAnswerWrong) => Frame::text("3"),
                    _ => reply,
                })
            }
            Probe::Complete => {
                faulty.probing = false;
                faulty.upgraded(&mut self.inner);
                Probe::Complete
            }
            Probe::Reject => {
                faulty.probing = false;
                Probe::Reject
            }
        }
    }

    pub(crate) fn probe_lost(&mut self) {
        if let Some(faulty) = &mut self.faults {
            faulty.probing = false;
            faulty.false_probe = false;
        }
        self.inner.probe_lost();
        if self.hits(Fault::ProbeLossCloses) {
            self.inner.ws_lost(Reason::TransportError);
        }
    }
}

impl Faulty {
    fn new(faults: Faults, config: Config) -> Self {
        Self {
            faults,
            config,
            extra: VecDeque::new(),
            asked: Vec::new(),
            joined: Vec::new(),
            refused: Vec::new(),
            left: Vec::new(),
            early: Vec::new(),
            stowaways: VecDeque::new(),
            get_waits: false,
            get_given_up: false,
            post_runs: false,
            probing: false,
            probed: false,
            held: Vec::new(),
            was_probed: false,
            undone_at: None,
            false_probe: false,
            reported: reported::Memory::default(),
            narrow: narrow::Memory::default(),
        }
    }

    fn forget(&mut self, nsp: &str) {
        self.asked.retain(|name| name != nsp);
        self.joined.retain(|name| name != nsp);
    }

    /// What was queued while the transport changed.
    fn upgraded(&mut self, inner: &mut Machine) {
        for fault in self.faults.striking() {
            match fault {
                Fault::UpgradeLoss => drop(inner.ws_take(&mut Vec::new())),
                Fault::UpgradeOrder => {
                    let mut queued = Vec::new();
                    inner.ws_take(&mut queued);
                    self.extra.extend(queued.into_iter().rev());
                }
                Fault::UpgradeUndone => self.undone_at = Some(crate::session::now() + self.config.upgrade_timeout),
                Fault::NoopAfterUpgrade => self.extra.push_back(Frame::text("6")),
                _ => {}
            }
        }
    }

    /// Pings that are swallowed are answered here, or the machine would close.
    fn without_pings(&self, frames: &mut Vec<Frame>, inner: &mut Machine) {
        let unheard = self.was_probed && self.faults.hits(Fault::PingsEndWithUpgrade);
        if unheard || self.faults.hits(Fault::PingNever) {
            let before = frames.len();
            frames.retain(|frame| !matches!(frame, Frame::Text(text) if **text == *"2"));
            if frames.len() < before {
                inner.ws_frame(&self.config, &Frame::text("3"), crate::session::now());
            }
        }
    }

    /// Holds an event that is struck, and all that comes behind it, back for the next ping. The greeting and the echo of
    /// the fixture are spared: without them nobody would know that it runs.
    fn held_back(&mut self, frames: Vec<Frame>, is_last: bool) -> Vec<Frame> {
        let begins = |frame: &Frame| {
            let event = Parts::of(frame).filter(Parts::is_event);
            let spared = ["[\"auth\"", "[\"message-back\""];
            event.is_some_and(|event| !spared.iter().any(|name| event.json.starts_with(name)))
        };
        let mut out = Vec::new();
        for frame in frames {
            let is_ping = matches!(&frame, Frame::Text(text) if **text == *"2");
            if is_ping {
                out.append(&mut self.held);
            } else if !self.held.is_empty() || begins(&frame) && self.faults.hits(Fault::HeldUntilPing) {
                self.held.push(frame);
                continue;
            }
            out.push(frame);
        }
        if is_last {
            out.append(&mut self.held);
        }
        out
    }

    fn websocket(&mut self, mut frames: Vec<Frame>, inner: &mut Machine) -> Vec<Frame> {
        self.without_pings(&mut frames, inner);
        self.reported.double_first_ping(&self.faults, &mut frames);
        let mut frames = frames::outgoing(&self.faults, frames);
        if frames.len() > BACKLOG && self.faults.hits(Fault::BacklogThinned) {
            frames.remove(BACKLOG / 2);
        }
        if self.faults.hits(Fault::LengthEdgeLost) {
            frames.retain(|frame| !narrow::is_at_edge(frame));
        }
        if self.faults.hits(Fault::BinaryPrefixed) {
            for frame in &mut frames {
                if let Frame::Binary(bytes) = frame {
                    *frame = Frame::binary([&[4][..], bytes].concat());
                }
            }
        }
        if self.faults.hits(Fault::FramesJoined) {
            frames.dedup_by(|next, before| match (&*before, &*next) {
                (Frame::Text(a), Frame::Text(b)) => {
                    *before = Frame::text(format!("{a}\x1e{b}"));
                    true
                }
                _ => false,
            });
        }
        frames
    }

    fn polling(&mut self, mut frames: Vec<Frame>, inner: &mut Machine) -> String {
        self.without_pings(&mut frames, inner);
        self.reported.double_first_ping(&self.faults, &mut frames);
        let mut frames = frames::outgoing(&self.faults, frames);
        if self.faults.hits(Fault::PollingReversed) && frames.iter().all(|frame| matches!(frame, Frame::Text(_))) {
            frames.reverse();
        }
        let mut text = engine::encode_payload(&frames).to_string();
        if self.reported.parked && self.faults.hits(Fault::SeparatorMissing) {
            text = text.replacen('\x1e', "", 1);
        }
        let unpadded = self.faults.hits(Fault::Base64Unpadded);
        let prefixed = self.faults.hits(Fault::Base64Prefix);
        let parts = text.split('\x1e').map(|part| match part.strip_prefix('b') {
            Some(base64) if prefixed => format!("B{base64}"),
            Some(base64) if unpadded => format!("b{}", base64.trim_end_matches('=')),
            _ => part.to_owned(),
        });
        parts.collect::<Vec<_>>().join("\x1e")
    }

    /// What becomes of a frame of the client: nothing, itself, or others.
    fn incoming(&mut self, frame: Frame, inner: &mut Machine, now: Instant) -> Vec<Frame> {
        if let Some(instead) = self.narrow.attached(&self.faults, &frame) {
            return instead;
        }
        if let Frame::Binary(bytes) = frame {
            let bytes = self.reported.attachment(&self.faults, bytes);
            let frame = Frame::Binary(bytes.clone());
            let cut = self.faults.hits(Fault::ClientBinaryLost) && !bytes.is_empty();
            return vec![if cut { Frame::Binary(bytes.slice(1..)) } else { frame }];
        }
        let Some(parts) = Parts::of(&frame) else { return self.engine(frame) };
        self.note(&parts);
        let pong = if self.faults.hits(Fault::PongAnything) { Some(Frame::text("3")) } else { None };
        let mut frames: Vec<Frame> = self.packet(parts, &frame, inner, now);
        frames.extend(pong);
        frames
    }

    /// Packets of the engine.
    fn engine(&mut self, frame: Frame) -> Vec<Frame> {
        let Frame::Text(text) = &frame else { return vec![frame] };
        for fault in self.faults.striking() {
            match (fault, &**text) {
                (Fault::PongIgnored, "3") | (Fault::CloseIgnored, "1") => return Vec::new(),
                (Fault::PongPings, "3") => self.extra.push_back(Frame::text("2")),
                (Fault::PingAnswered, ping) if ping.starts_with('2') => {
                    self.extra.push_back(Frame::text(format!("3{}", &ping[1..])));
                    return Vec::new();
                }
                (Fault::NoopFatal, "6") => return vec![Frame::text("9")],
                (Fault::MalformedIgnored, text) if !text.starts_with(['1', '2', '3', '6']) => return Vec::new(),
                _ => {}
            }
        }
        vec![frame]
    }

    fn note(&mut self, parts: &Parts) {
        let nsp = parts.namespace();
        if parts.kind == '1' {
            let nsp = nsp.to_owned();
            self.forget(&nsp);
            self.left.push(nsp);
            if self.faults.hits(Fault::LeavingStopsComing) {
                let coming = self.asked.iter().filter(|name| self.is_pending(name) && !self.refused.contains(name));
                self.reported.stopped = coming.cloned().collect();
            }
        }
    }

    fn is_pending(&self, nsp: &str) -> bool {
        let is = |names: &[String]| names.iter().any(|name| name == nsp);
        is(&self.asked) && !is(&self.joined)
    }

    /// Takes an event of somebody who was not let in, if a fault does.
    fn let_in(&mut self, parts: &Parts, frame: &Frame) -> bool {
        let nsp = parts.namespace();
        let is = |names: &[String]| names.iter().any(|name| name == nsp);
        if parts.kind != '2' || is(&self.joined) {
            return false;
        }
        if is(&self.asked) && self.faults.hits(Fault::EarlyEventsKept) {
            self.early.push((nsp.to_owned(), frame.clone()));
            return true;
        }
        let hole = match nsp {
            _ if is(&self.asked) => Fault::PendingHeard,
            _ if is(&self.refused) => Fault::RefusedHeard,
            _ if is(&self.left) => Fault::LeftHeard,
            _ => Fault::StrangerHeard,
        };
        let event = if self.faults.hits(hole) { event(frame) } else { None };
        let let_in = event.is_some();
        self.stowaways.extend(event);
        let_in
    }

    fn packet(&mut self, mut parts: Parts, frame: &Frame, inner: &mut Machine, now: Instant) -> Vec<Frame> {
        let known = self.asked.iter().any(|name| name == parts.namespace());
        let joined = self.joined.iter().any(|name| name == parts.namespace());
        if parts.kind == '0' && !known {
            self.asked.push(parts.namespace().to_owned());
        }
        if self.let_in(&parts, frame) {
            return Vec::new();
        }
        let seen = narrow::Seen {
            parts: &parts,
            frame,
            joined: &self.joined,
            asked: &self.asked,
            refused: &self.refused,
            left: &self.left,
        };
        if let Some(instead) = self.narrow.packet(&self.faults, &seen) {
            self.extra.extend(instead.answer);
            return instead.taken;
        }
        self.reported.header(&self.faults, &parts);
        let mut changed = false;
        for fault in self.faults.clone().striking() {
            match fault {
                Fault::EventTwice if parts.kind == '2' => return vec![frame.clone(), frame.clone()],
                Fault::EventLost if parts.kind == '2' => return Vec::new(),
                Fault::ClientAckIgnored if parts.is_ack() && parts.attachments.is_none() => return Vec::new(),
                Fault::ClientAckAnyId if parts.kind == '3' => {
                    let id = parts.id.as_deref().and_then(|id| id.parse::<u64>().ok());
                    let other = id.map(|id| Parts { id: Some((id + 1).to_string()), ..parts.clone() }.frame());
                    return std::iter::once(frame.clone()).chain(other).collect();
                }
                Fault::DashInJson if parts.kind == '2' && has_dash(&parts.json) => return vec![Frame::text("42")],
                Fault::SlashInJson if parts.kind == '2' && parts.json.contains("\"/") => {
                    return vec![Frame::text("42")];
                }
                Fault::ReservedEvent if parts.is_event() => {
                    let name = serde_json::from_str::<Vec<serde_json::Value>>(&parts.json).ok();
                    let name = name.as_ref().and_then(|args| args.first()).and_then(|name| name.as_str());
                    if name.is_some_and(is_reserved) {
                        return Vec::new();
                    }
                }
                Fault::MalformedIgnored if !is_packet(frame) => return Vec::new(),
                Fault::SpellingExact if is_spelled_otherwise(&parts.json) => return Vec::new(),
                Fault::SecondConnectIgnored if parts.kind == '0' && known => return Vec::new(),
                Fault::SecondConnectAgain if parts.kind == '0' && joined => {
                    parts.json = r#"{"sid":"again"}"#.to_owned();
                    self.extra.push_back(parts.frame());
                    return Vec::new();
                }
                Fault::AuthLost if parts.kind == '0' => {
                    parts.json = String::new();
                    changed = true;
                }
                Fault::ConnectPayloadAny if parts.kind == '0' && !parts.json.starts_with('{') => {
                    parts.json = String::new();
                    changed = true;
                }
                Fault::PlaceholdersInOrder => changed |= frames::renumber_in_order(&mut parts),
                Fault::PlaceholderInText if parts.kind == '2' && parts.json.contains(PLACEHOLDER) => {
                    parts.json = parts.json.replace(PLACEHOLDER, "null");
                    changed = true;
                }
                Fault::PlaceholderAny => changed |= reported::point_to_first(&mut parts),
                Fault::NamesFolded => {
                    parts.nsp = parts.nsp.map(|nsp| nsp.to_lowercase());
                    changed = true;
                }
                Fault::StrayEventIgnored if parts.is_event() && !joined => return Vec::new(),
                Fault::DisconnectIgnored if parts.kind == '1' => return Vec::new(),
                Fault::DisconnectAnswered if parts.kind == '1' => self.extra.push_back(frame.clone()),
                Fault::DisconnectCloses if parts.kind == '1' => {
                    inner.close(&self.config, Reason::ForcedServerClose, now);
                }
                _ => {}
            }
        }
        vec![if changed { parts.frame() } else { frame.clone() }]
    }
}

/// Whether there is a dash in an argument; the names of the fixture's events have theirs.
fn has_dash(json: &str) -> bool {
    json.split_once("\",").is_some_and(|(_, args)| args.contains('-'))
}

/// White space between values, escapes of what needs none, or a placeholder with its number first.
fn is_spelled_otherwise(json: &str) -> bool {
    let odd = ["[ ", " [", "{ ", " {", "[\n", "{\n", r"\u00", r#"{"num""#];
    odd.iter().any(|odd| json.contains(odd))
}

/// What the application would be told of this packet.
fn event(frame: &Frame) -> Option<Event> {
    let Ok(engine::Packet::Message(message)) = engine::Packet::decode(frame) else { return None };
    let limits = DecoderLimits { strict: true, ..DecoderLimits::default() };
    let packet = Decoder::new(sio_protocol::Parser::Json, limits).feed(message).ok()??;
    Some(Event::Event(Incoming { nsp: packet.nsp, id: packet.id, args: packet.body }))
}

/// Whether a text stands for a packet by itself; headers of binary ones are taken on trust.
fn is_packet(frame: &Frame) -> bool {
    let Ok(engine::Packet::Message(message)) = engine::Packet::decode(frame) else { return false };
    let header = matches!(frame, Frame::Text(text) if text.starts_with("45") || text.starts_with("46"));
    let limits = DecoderLimits { strict: true, ..DecoderLimits::default() };
    header || Decoder::new(sio_protocol::Parser::Json, limits).feed(message).is_ok()
}

//! What connection state recovery remembers of a namespace: the packets of the last minutes, and the sessions of
//! clients that are away.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use sio_protocol::Frames;

use super::{Claim, Kept, Outgoing, Room, Selection};
use crate::Recovery;

/// Packets and sessions, each bounded by age, number and bytes.
pub(super) struct Log {
    options: Recovery,
    /// Tells the offsets of this log from those of another one, or of an earlier life of the server.
    tag: String,
    /// The number of the first packet that is still there.
    first: u64,
    packets: VecDeque<Sent>,
    bytes: usize,
    /// By private id, the oldest first.
    sessions: IndexMap<String, Away>,
    /// Packets from these positions on are needed by connections that are about to be restored.
    claims: HashMap<String, (u64, Instant)>,
    /// Somebody lets go of what has expired.
    pub(super) swept: bool,
}

/// The rooms of one socket over time, counted in packets. What a client missed is decided by where it was when the
/// packet was sent: Node decides by where it was when its connection broke, and so restores what was sent to a room
/// ahead of the join, and loses what was sent to a room that was left since.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stays(Vec<Stay>);

#[derive(Clone, Debug)]
struct Stay {
    room: Room,
    from: u64,
    /// The first packet that no longer found it there; `MAX` while it does.
    until: u64,
}

impl Stays {
    /// A room is joined, ahead of packet `next`.
    pub(super) fn enter(&mut self, room: &Room, next: u64) {
        self.0.push(Stay { room: room.clone(), from: next, until: u64::MAX });
    }

    /// A room is left, ahead of packet `next`.
    pub(super) fn leave(&mut self, room: &Room, next: u64) {
        for stay in self.0.iter_mut().filter(|stay| stay.room == *room && stay.until == u64::MAX) {
            stay.until = next;
        }
        self.0.retain(|stay| stay.from < stay.until);
    }

    /// Lets go of what no packet that is still there found.
    pub(super) fn forget(&mut self, first: u64) {
        self.0.retain(|stay| stay.until > first);
    }

    fn at(&self, number: u64) -> Vec<Room> {
        let there = self.0.iter().filter(|stay| (stay.from..stay.until).contains(&number));
        there.map(|stay| stay.room.clone()).collect()
    }
}

/// A packet that was sent, and to whom.
struct Sent {
    selection: Selection,
    frames: Frames,
    at: Instant,
}

struct Away {
    kept: Kept,
    until: Instant,
}

impl Log {
    pub(super) fn new(options: Recovery) -> Self {
        Self {
            options,
            tag: crate::server::new_id()[..4].replace('-', "_"),
            first: 0,
            packets: VecDeque::new(),
            bytes: 0,
            sessions: IndexMap::new(),
            claims: HashMap::new(),
            swept: false,
        }
    }

    /// Encodes a packet with its offset and remembers it.
    pub(super) fn append(&mut self, selection: &Selection, event: &Outgoing, now: Instant) -> Frames {
        let number = self.first + self.packets.len() as u64;
        let frames = event.frames_with_offset(&self.offset(number));
        self.bytes += size(&frames);
        self.packets.push_back(Sent { selection: selection.clone(), frames: frames.clone(), at: now });
        self.prune_packets(now);
        frames
    }

    /// The number that the next packet will have.
    pub(super) fn next_number(&self) -> u64 {
        self.first + self.packets.len() as u64
    }

    /// The number of the first packet that is still there.
    pub(super) fn first_number(&self) -> u64 {
        self.first
    }

    fn offset(&self, number: u64) -> String {
        format!("{}-{number:x}", self.tag)
    }

    /// The number of the packet with that offset, if it is still there.
    fn number(&self, offset: &str) -> Option<u64> {
        let number = u64::from_str_radix(offset.rsplit('-').next()?, 16).ok()?;
        let there = (self.first..self.first + self.packets.len() as u64).contains(&number);
        (there && self.offset(number) == offset).then_some(number)
    }

    pub(super) fn persist(&mut self, pid: &str, kept: Kept, now: Instant) {
        let until = now + self.options.max_disconnection_duration;
        self.sessions.insert(pid.to_owned(), Away { kept, until });
        if self.sessions.len() > self.options.max_sessions {
            self.sessions.shift_remove_index(0);
        }
    }

    pub(super) fn claim(&mut self, pid: &str, offset: &str, now: Instant) -> Option<Claim> {
        self.prune_packets(now);
        let position = self.number(offset)? + 1;
        let Away { kept, until } = self.sessions.shift_remove(pid).filter(|away| away.until > now)?;
        self.claims.insert(pid.to_owned(), (position, until));
        Some(Claim { pid: pid.to_owned(), kept, position })
    }

    pub(super) fn give_back(&mut self, claim: &Claim) {
        if let Some((_, until)) = self.claims.remove(&claim.pid) {
            self.sessions.insert(claim.pid.clone(), Away { kept: claim.kept.clone(), until });
        }
    }

    /// What the session missed; `None` when some of it had to be let go.
    pub(super) fn missed(&self, claim: &Claim) -> Option<Vec<Frames>> {
        let skip = claim.position.checked_sub(self.first)? as usize;
        let numbered = (claim.position..).zip(self.packets.iter().skip(skip));
        let concerns =
            |(number, packet): &(u64, &Sent)| packet.selection.includes(&claim.kept.sid, &claim.kept.stays.at(*number));
        Some(numbered.filter(concerns).map(|(_, packet)| packet.frames.clone()).collect())
    }

    /// The session was restored; what is sent from now on reaches its socket.
    pub(super) fn restored(&mut self, claim: &Claim) {
        self.claims.remove(&claim.pid);
    }

    /// Lets go of what has expired, and of the oldest packets while there are too many bytes of them.
    pub(super) fn prune(&mut self, now: Instant) {
        self.sessions.retain(|_, away| away.until > now);
        self.prune_packets(now);
        // The room they have grown to goes as well, once it is not needed.
        if self.sessions.is_empty() {
            self.sessions = IndexMap::new();
        }
        if self.packets.is_empty() {
            self.packets = VecDeque::new();
        }
    }

    fn prune_packets(&mut self, now: Instant) {
        let needed = self.claims.values().map(|(position, _)| *position).min().unwrap_or(u64::MAX);
        while let Some(packet) = self.packets.front() {
            let expired = packet.at + self.options.max_disconnection_duration <= now && self.first < needed;
            if !expired && self.bytes <= self.options.max_packet_bytes {
                break;
            }
            self.bytes -= size(&packet.frames);
            self.packets.pop_front();
            self.first += 1;
        }
    }

    /// When [`prune`](Self::prune) will find something, if there is anything at all.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        let something = !self.packets.is_empty() || !self.sessions.is_empty();
        something.then_some(self.options.max_disconnection_duration)
    }

    /// Packets, their bytes, and sessions that are kept.
    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize, usize) {
        (self.packets.len(), self.bytes, self.sessions.len())
    }
}

fn size(frames: &Frames) -> usize {
    frames.iter().map(sio_protocol::Frame::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::Flags;
    use sio_protocol::{Args, ByteString, Parser};

    fn log(options: Recovery) -> (Log, Instant) {
        (Log::new(options), crate::session::now())
    }

    fn event(n: u32) -> Outgoing {
        let args = Args::event("n", (n,)).unwrap_or_default();
        Outgoing { nsp: ByteString::from_static("/"), args, flags: Flags::default(), parser: Parser::Json }
    }

    fn offset(frames: &Frames) -> String {
        let sio_protocol::Frame::Text(text) = &frames[0] else { panic!("text") };
        let args: Vec<serde_json::Value> = serde_json::from_str(&text[2..]).unwrap_or_default();
        args.last().and_then(|last| last.as_str()).unwrap_or_default().to_owned()
    }

    fn kept() -> Kept {
        let mut stays = Stays::default();
        ["me", "red"].into_iter().for_each(|room| stays.enter(&room.into(), 0));
        Kept { sid: "me".into(), rooms: vec!["me".into(), "red".into()], data: serde_json::Value::Null, stays }
    }

    fn to(room: &str) -> Selection {
        Selection { rooms: vec![room.into()], ..Selection::default() }
    }

    #[test]
    fn what_concerns_the_session_is_missed_and_nothing_else() {
        let (mut log, now) = log(Recovery::default());
        let seen = log.append(&Selection::default(), &event(0), now);
        log.persist("pid", kept(), now);
        let own = Selection { only: Some("me".into()), ..Selection::default() };
        let other = Selection { only: Some("you".into()), ..Selection::default() };
        let spared = Selection { except: vec!["red".into()], ..Selection::default() };
        let from_me = Selection { except_sid: Some("me".into()), ..Selection::default() };
        let wanted: Vec<_> = [to("red"), to("blue"), own, other, spared, from_me, Selection::default()]
            .iter()
            .enumerate()
            .map(|(n, selection)| log.append(selection, &event(n as u32 + 1), now))
            .collect();
        let claim = log.claim("pid", &offset(&seen), now).unwrap_or_else(|| panic!("claimed"));
        assert!(log.claim("pid", &offset(&seen), now).is_none(), "CSR-09: only once");
        let missed = log.missed(&claim).unwrap_or_default();
        assert_eq!(missed, [wanted[0].clone(), wanted[2].clone(), wanted[6].clone()]);
    }

    /// What was sent ahead of a join is not restored, what was sent ahead of a leave is.
    #[test]
    fn where_the_client_was_when_a_packet_was_sent_decides() {
        let (mut log, now) = log(Recovery::default());
        let seen = log.append(&Selection::default(), &event(0), now);
        let mut kept = kept();
        log.append(&to("blue"), &event(1), now);
        kept.stays.enter(&"blue".into(), log.next_number());
        let joined = log.append(&to("blue"), &event(2), now);
        let ahead = log.append(&to("red"), &event(3), now);
        kept.stays.leave(&"red".into(), log.next_number());
        log.append(&to("red"), &event(4), now);
        log.persist("pid", kept, now);
        let claim = log.claim("pid", &offset(&seen), now).unwrap_or_else(|| panic!("claimed"));
        assert_eq!(log.missed(&claim), Some(vec![joined, ahead]));
    }

    #[test]
    fn strangers_and_the_expired_are_not_recovered() {
        let (mut log, now) = log(Recovery::default());
        let seen = offset(&log.append(&Selection::default(), &event(0), now));
        log.persist("pid", kept(), now);
        for wrong in ["", "-0", "0", "zzzz-0", &format!("{seen}0"), &seen.to_uppercase().replace('-', "")] {
            assert!(log.claim("pid", wrong, now).is_none(), "{wrong:?}");
        }
        assert!(log.claim("other", &seen, now).is_none());
        let late = now + Duration::from_mins(2);
        assert!(log.claim("pid", &seen, late).is_none());
        log.prune(late);
        assert_eq!(log.held(), (0, 0, 0), "nothing is left of it");
    }

    #[test]
    fn bytes_and_sessions_are_bounded() {
        let options = Recovery { max_packet_bytes: 100, max_sessions: 3, ..Recovery::default() };
        let (mut log, now) = log(options);
        let seen = offset(&log.append(&Selection::default(), &event(0), now));
        for n in 0..50 {
            log.persist(&format!("pid{n}"), kept(), now);
            log.append(&Selection::default(), &event(n), now);
            assert!(log.held().1 <= 100 && log.held().2 <= 3, "{:?}", log.held());
        }
        assert!(log.claim("pid49", &seen, now).is_none(), "too old an offset");
        let last = offset(&log.append(&Selection::default(), &event(0), now));
        let claim = log.claim("pid49", &last, now).unwrap_or_else(|| panic!("claimed"));
        for n in 0..50 {
            log.append(&Selection::default(), &event(n), now);
        }
        assert_eq!(log.missed(&claim), None, "a gap is never passed off as complete");
    }

    #[test]
    fn a_claim_holds_the_packets_it_needs() {
        let (mut log, now) = log(Recovery::default());
        let seen = offset(&log.append(&Selection::default(), &event(0), now));
        log.persist("pid", kept(), now);
        let later = now + Duration::from_secs(119);
        let missed = log.append(&to("red"), &event(1), now);
        let claim = log.claim("pid", &seen, later).unwrap_or_else(|| panic!("claimed"));
        log.prune(now + Duration::from_secs(200));
        assert_eq!(log.missed(&claim), Some(vec![missed]));
        log.restored(&claim);
        log.prune(now + Duration::from_secs(200));
        assert_eq!(log.held(), (0, 0, 0));
    }
}

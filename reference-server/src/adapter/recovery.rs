//! What connection state recovery remembers of a namespace: the packets of the last minutes, and the sessions of
//! clients that are away.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sio_protocol::{Frame, Frames};

use super::budget::{Budget, cost, weight};
use super::{Claim, Kept, Outgoing, Selection};
use crate::Recovery;
use crate::cluster::Id;

/// Packets that are looked at in one go.
pub(super) const CHUNK: usize = 1_024;
/// A session that takes more than this part of what there is for all of them is not kept.
const LARGEST_PART: usize = 64;

/// Packets and sessions, each bounded by age, number and bytes.
pub(super) struct Log {
    options: Recovery,
    /// Tells the offsets of this log from those of another one, or of an earlier life of the server.
    tag: String,
    /// The number of the first packet that is still there.
    first: u64,
    packets: VecDeque<Arc<Sent>>,
    packet_bytes: usize,
    /// The places of packets in a stream, and their numbers, if they have some.
    places: VecDeque<(Id, u64)>,
    /// By private id.
    sessions: HashMap<String, Away>,
    /// Their private ids, the oldest first.
    order: BTreeMap<u64, String>,
    next_session: u64,
    session_bytes: usize,
    /// Connections that are about to be restored, by private id.
    claims: HashMap<String, Claimed>,
    /// The first packet that each of them needs.
    needed: BTreeSet<(u64, String)>,
    /// What the logs of all namespaces may hold.
    total: Arc<Budget>,
    /// Somebody lets go of what has expired.
    pub(super) swept: bool,
}

/// A packet that was sent, and to whom.
pub(super) struct Sent {
    selection: Selection,
    frames: Frames,
    at: Instant,
    bytes: usize,
}

struct Away {
    kept: Kept,
    /// Its place in the order.
    age: u64,
    until: Instant,
    bytes: usize,
}

/// What a session was that somebody has taken out.
struct Claimed {
    position: u64,
    age: u64,
    until: Instant,
}

impl Sent {
    fn new(selection: &Selection, frames: Frames, at: Instant) -> Self {
        let names = selection.rooms.iter().chain(&selection.except);
        let names: usize = names.map(|room| size_of_val(room) + room.len()).sum();
        let bytes = size_of::<Self>() + names + frames.iter().map(Frame::cost).sum::<usize>();
        Self { selection: selection.clone(), frames, at, bytes }
    }
}

impl Log {
    pub(super) fn new(options: Recovery, total: Arc<Budget>) -> Self {
        Self {
            options,
            tag: crate::server::new_id()[..4].replace('-', "_"),
            first: 0,
            packets: VecDeque::new(),
            packet_bytes: 0,
            places: VecDeque::new(),
            sessions: HashMap::new(),
            order: BTreeMap::new(),
            next_session: 0,
            session_bytes: 0,
            claims: HashMap::new(),
            needed: BTreeSet::new(),
            total,
            swept: false,
        }
    }

    /// Encodes a packet with its offset and remembers it.
    pub(super) fn append(&mut self, selection: &Selection, event: &Outgoing, now: Instant) -> Frames {
        let frames = event.frames_with_offset(&self.offset(self.next_number()));
        self.remember(selection, frames.clone(), now);
        frames
    }

    /// As [`append`](Self::append), of a packet that has its place in a stream, or none. Places are in order.
    pub(super) fn append_at(
        &mut self,
        selection: &Selection,
        event: &Outgoing,
        place: Option<Id>,
        now: Instant,
    ) -> Frames {
        let frames = match place {
            Some(place) => event.frames_with_offset(&place.to_string()),
            None => event.frames(),
        };
        self.places.extend(place.map(|place| (place, self.next_number())));
        self.remember(selection, frames.clone(), now);
        frames
    }

    fn remember(&mut self, selection: &Selection, frames: Frames, now: Instant) {
        let sent = Sent::new(selection, frames, now);
        self.packet_bytes += sent.bytes;
        self.total.take(sent.bytes);
        self.packets.push_back(Arc::new(sent));
        self.prune_packets(now, usize::MAX);
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
        let there = (self.first..self.next_number()).contains(&number);
        (there && self.offset(number) == offset).then_some(number)
    }

    // ---- sessions

    pub(super) fn persist(&mut self, pid: &str, kept: Kept, now: Instant) {
        let age = self.next_session;
        self.next_session += 1;
        self.keep(pid, kept, age, now + self.options.max_disconnection_duration);
    }

    fn keep(&mut self, pid: &str, kept: Kept, age: u64, until: Instant) {
        let bytes = size_of_session(pid, &kept);
        if bytes > self.options.max_session_bytes / LARGEST_PART {
            return;
        }
        self.session_bytes += bytes;
        self.total.take(bytes);
        self.order.insert(age, pid.to_owned());
        self.sessions.insert(pid.to_owned(), Away { kept, age, until, bytes });
        while self.sessions.len() > self.options.max_sessions
            || self.session_bytes > self.options.max_session_bytes
            || self.total.is_exceeded()
        {
            if self.drop_oldest_session().is_none() {
                break;
            }
        }
    }

    fn drop_oldest_session(&mut self) -> Option<Away> {
        let (_, pid) = self.order.pop_first()?;
        self.take_session(&pid)
    }

    fn take_session(&mut self, pid: &str) -> Option<Away> {
        let away = self.sessions.remove(pid)?;
        self.order.remove(&away.age);
        self.session_bytes -= away.bytes;
        self.total.give_back(away.bytes);
        Some(away)
    }

    pub(super) fn claim(&mut self, pid: &str, offset: &str, now: Instant) -> Option<Claim> {
        self.prune_packets(now, usize::MAX);
        let position = self.number(offset)? + 1;
        let known = |away: &Away| away.until > now && away.kept.stays.known_from() <= position;
        let Away { kept, age, until, .. } = self.take_session(pid).filter(known)?;
        self.claims.insert(pid.to_owned(), Claimed { position, age, until });
        self.needed.insert((position, pid.to_owned()));
        Some(Claim { pid: pid.to_owned(), kept, position, missed: Vec::new(), cost: 0 })
    }

    /// Claims a session that is not kept here: from the packet behind one that is still here, or from the next one on.
    pub(super) fn claim_from(&mut self, pid: &str, kept: Kept, place: Option<Id>, now: Instant) -> Option<Claim> {
        self.prune_packets(now, usize::MAX);
        let position = match place {
            Some(place) => {
                let index = self.places.binary_search_by_key(&place, |(place, _)| *place).ok()?;
                self.places[index].1 + 1
            }
            None => self.next_number(),
        };
        let age = self.next_session;
        self.next_session += 1;
        let claimed = Claimed { position, age, until: now + self.options.max_disconnection_duration };
        if self.claims.contains_key(pid) {
            return None;
        }
        self.claims.insert(pid.to_owned(), claimed);
        self.needed.insert((position, pid.to_owned()));
        Some(Claim { pid: pid.to_owned(), kept, position, missed: Vec::new(), cost: 0 })
    }

    pub(super) fn give_back(&mut self, claim: &Claim) {
        if let Some(Claimed { age, until, .. }) = self.end_claim(claim) {
            self.keep(&claim.pid, claim.kept.clone(), age, until);
        }
    }

    /// The claim is over: what is sent from now on reaches its socket, or nobody comes back.
    pub(super) fn let_go(&mut self, claim: &Claim) {
        self.end_claim(claim);
    }

    fn end_claim(&mut self, claim: &Claim) -> Option<Claimed> {
        let claimed = self.claims.remove(&claim.pid)?;
        self.needed.remove(&(claimed.position, claim.pid.clone()));
        Some(claimed)
    }

    // ---- what was missed

    /// The next packets that the claim has not looked at, unless these are so few that [`rest`](Self::rest) is as well.
    pub(super) fn some(&mut self, claim: &Claim) -> Option<Vec<Arc<Sent>>> {
        let skip = claim.position.checked_sub(self.first)? as usize;
        if self.packets.len().saturating_sub(skip) <= CHUNK {
            return None;
        }
        if let Some(claimed) = self.claims.get_mut(&claim.pid) {
            // What was looked at before may go.
            self.needed.remove(&(claimed.position, claim.pid.clone()));
            claimed.position = claim.position;
            self.needed.insert((claim.position, claim.pid.clone()));
        }
        Some(self.packets.range(skip..skip + CHUNK).cloned().collect())
    }

    /// All that the claim has missed; `None` when some of it had to be let go.
    pub(super) fn missed(&self, claim: &Claim) -> Option<Vec<Frames>> {
        let skip = claim.position.checked_sub(self.first)? as usize;
        let mut missed = claim.missed.clone();
        missed.extend(concerning(claim, self.packets.iter().skip(skip)));
        Some(missed)
    }

    // ---- time

    /// Lets go of what has expired, and of the oldest packets while there are too many bytes of them, but of no more than
    /// so many. True when there is more to do.
    pub(super) fn prune(&mut self, now: Instant, most: usize) -> bool {
        let mut left = most;
        while left > 0 && self.oldest_session_expired(now) && self.drop_oldest_session().is_some() {
            left -= 1;
        }
        let more = self.prune_packets(now, left);
        // The room they have grown to goes as well, once it is not needed.
        if self.sessions.is_empty() {
            self.sessions = HashMap::new();
        }
        if self.packets.is_empty() {
            self.packets = VecDeque::new();
            self.places = VecDeque::new();
        }
        more || left == 0
    }

    fn oldest_session_expired(&self, now: Instant) -> bool {
        let oldest = self.order.first_key_value().and_then(|(_, pid)| self.sessions.get(pid));
        oldest.is_some_and(|away| away.until <= now)
    }

    fn prune_packets(&mut self, now: Instant, most: usize) -> bool {
        for _ in 0..most {
            let Some(packet) = self.packets.front() else { return false };
            let needed = self.needed.first().is_some_and(|(position, _)| *position <= self.first);
            let expired = packet.at + self.options.max_disconnection_duration <= now && !needed;
            if !expired && self.packet_bytes <= self.options.max_packet_bytes && !self.total.is_exceeded() {
                return false;
            }
            self.packet_bytes -= packet.bytes;
            self.total.give_back(packet.bytes);
            self.packets.pop_front();
            self.first += 1;
            self.places.pop_front_if(|(_, number)| *number < self.first);
        }
        true
    }

    /// When [`prune`](Self::prune) will find something, if there is anything at all.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        let something = !self.packets.is_empty() || !self.sessions.is_empty();
        something.then_some(self.options.max_disconnection_duration)
    }

    /// Packets, their bytes, and sessions that are kept.
    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize, usize) {
        (self.packets.len(), self.packet_bytes, self.sessions.len())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.total.give_back(self.packet_bytes + self.session_bytes);
    }
}

/// Which of the packets from the claim's position on concern it; in one pass over them.
pub(super) fn concerning<'a>(claim: &Claim, packets: impl Iterator<Item = &'a Arc<Sent>>) -> Vec<Frames> {
    let history = claim.kept.stays.history();
    let numbered = (claim.position..).zip(packets);
    let concerns = |(number, packet): &(u64, &Arc<Sent>)| history.concerns(&claim.kept.sid, *number, &packet.selection);
    numbered.filter(concerns).map(|(_, packet)| packet.frames.clone()).collect()
}

fn size_of_session(pid: &str, kept: &Kept) -> usize {
    let rooms: usize = kept.stays.rooms().map(|room| cost(room)).sum();
    size_of::<Away>() + 2 * pid.len() + kept.sid.len() + rooms + weight(&kept.data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::room_history::RoomHistory;
    use crate::broadcast::Flags;
    use sio_protocol::{Args, ByteString, Parser};

    fn log(options: Recovery) -> (Log, Instant) {
        (Log::new(options, Arc::new(Budget::new(usize::MAX))), crate::session::now())
    }

    fn event(n: u32) -> Outgoing {
        let args = Args::event("n", (n,)).unwrap_or_default();
        Outgoing { nsp: ByteString::from_static("/"), args, flags: Flags::default(), parser: Parser::Json }
    }

    fn offset(frames: &Frames) -> String {
        let Frame::Text(text) = &frames[0] else { panic!("text") };
        let args: Vec<serde_json::Value> = serde_json::from_str(&text[2..]).unwrap_or_default();
        args.last().and_then(|last| last.as_str()).unwrap_or_default().to_owned()
    }

    fn kept() -> Kept {
        let mut stays = RoomHistory::default();
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
        kept.stays.leave(&"red".into(), log.next_number(), 0);
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
        assert!(!log.prune(late, 100), "all of it in one go");
        assert_eq!(log.held(), (0, 0, 0), "nothing is left of it");
    }

    #[test]
    fn bytes_and_sessions_are_bounded() {
        let options = Recovery { max_packet_bytes: 1_000, max_sessions: 3, ..Recovery::default() };
        let (mut log, now) = log(options);
        let seen = offset(&log.append(&Selection::default(), &event(0), now));
        for n in 0..50 {
            log.persist(&format!("pid{n}"), kept(), now);
            log.append(&Selection::default(), &event(n), now);
            assert!(log.held().1 <= 1_000 && log.held().2 <= 3, "{:?}", log.held());
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
        log.prune(now + Duration::from_secs(200), 100);
        assert_eq!(log.missed(&claim), Some(vec![missed]));
        log.let_go(&claim);
        log.prune(now + Duration::from_secs(200), 100);
        assert_eq!(log.held(), (0, 0, 0));
    }

    #[test]
    fn sessions_are_bounded_by_their_bytes() {
        let options = Recovery { max_session_bytes: 200_000, ..Recovery::default() };
        let (mut log, now) = log(options);
        let offset = offset(&log.append(&Selection::default(), &event(0), now));
        let heavy = Kept { data: serde_json::json!("x".repeat(4_000)), ..kept() };
        log.persist("heavy", heavy, now);
        assert!(log.claim("heavy", &offset, now).is_none(), "one that is larger than a 64th is not kept");
        for n in 0..500 {
            log.persist(&format!("pid{n}"), kept(), now);
        }
        assert!((50..200).contains(&log.held().2), "{:?}", log.held());
        assert!(log.claim("pid499", &offset, now).is_some() && log.claim("pid0", &offset, now).is_none());
    }

    #[test]
    fn all_namespaces_together_have_a_bound() {
        let total = Arc::new(Budget::new(10_000));
        let now = crate::session::now();
        let mut logs: Vec<_> = (0..4).map(|_| Log::new(Recovery::default(), total.clone())).collect();
        for log in &mut logs {
            for n in 0..100 {
                log.append(&Selection::default(), &event(n), now);
                log.persist(&format!("pid{n}"), kept(), now);
            }
        }
        assert!(!total.is_exceeded());
        let all: usize = logs.iter().map(|log| log.packet_bytes + log.session_bytes).sum();
        assert!(all <= 10_000, "{all}");
        drop(logs);
        assert!(total.take(10_000), "nothing is left of them");
    }

    #[test]
    fn what_was_missed_is_looked_at_in_parts() {
        let (mut log, now) = log(Recovery::default());
        let seen = offset(&log.append(&Selection::default(), &event(0), now));
        log.persist("pid", kept(), now);
        let wanted: Vec<_> = (0..3 * CHUNK as u32).map(|n| log.append(&to("red"), &event(n), now)).collect();
        let mut claim = log.claim("pid", &seen, now).unwrap_or_else(|| panic!("claimed"));
        let mut parts = 0;
        while let Some(some) = log.some(&claim) {
            claim.look_at(&some);
            parts += 1;
        }
        assert_eq!(parts, 2);
        assert_eq!(log.missed(&claim), Some(wanted));
    }

    #[test]
    fn a_client_that_left_too_many_rooms_starts_afresh() {
        let (mut log, now) = log(Recovery::default());
        let seen = offset(&log.append(&Selection::default(), &event(0), now));
        let mut kept = kept();
        for n in 0..1_200 {
            let room = n.to_string().into();
            kept.stays.enter(&room, log.next_number());
            log.append(&Selection::default(), &event(n), now);
            kept.stays.leave(&room, log.next_number(), log.first_number());
        }
        log.persist("pid", kept, now);
        assert!(log.claim("pid", &seen, now).is_none(), "a gap is never passed off as complete");
    }
}

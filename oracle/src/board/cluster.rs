//! Servers that pass messages on: what still holds when a message crosses from one to another.
//!
//! A fence is answered by the receiver's own server and says nothing of what others have published. What crosses keeps the
//! order of its origin (A5), so the evidence comes from there: a later message of the same connection to the same target, or
//! a *cluster fence*, which is such a message that only this is sent for. The server of the receiver chooses the recipients
//! when a message gets there; so the window of an emission ends not with its answer but with its arrival, or with that of
//! what was sent behind it.

use super::receiver::{Receiver, fate, note, own};
use super::track::{By, Track};
use super::{Absence, Answer, DeliveryOutcome, Emission, Facts, Nanos, Observation, Time, Verdict};
use crate::tri::Tri;

/// Nobody knows to which server somebody is connected.
pub const UNKNOWN_NODE: u32 = u32::MAX;

/// For so long something is waited for that nothing shows to be lost; it is undecided then.
pub const PATIENCE: Nanos = 60_000_000_000;

/// So many messages of a target are looked at for those that want a fence: whoever lacks more has others do the asking, or asks again.
const LOOKED_AT: u32 = 256;

/// What a receiver knows of the servers.
#[derive(Debug)]
pub(super) struct Cluster {
    node: u32,
    /// So long after a join all servers have been told of it, if nobody knows which server a message came from.
    told_after: Nanos,
    /// So long a message is waited for once a later one has come from its server, where that is to decide.
    within: Option<Nanos>,
    /// Of each other server, what has come from there. A server or a broker may stand still while others go on.
    heard: Vec<Heard>,
}

/// What has come from one server.
#[derive(Debug)]
struct Heard {
    node: u32,
    /// The latest `inv` of all that came, and when that came.
    newest: (Nanos, Nanos),
    /// Whatever was answered before the first of these is lost some time after the second.
    candidate: Option<(Nanos, Nanos)>,
    decided: Nanos,
}

/// A message that its sender sent behind others, to the same target, only to show that they have come across.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterFence {
    /// Who sent it.
    pub sender: u32,
    /// On which of its connections.
    pub session: u32,
    /// The server it was sent to.
    pub node: u32,
    /// The target.
    pub stream: u32,
    /// The sender's last message to it that is ahead of the fence.
    pub last: Option<u32>,
    /// Right before it was written.
    pub sent: Nanos,
}

impl Receiver {
    /// Messages cross from server to server. `told_after` says how long after a join, at the latest, every server knows of
    /// it; `within`, if waiting is to decide, for how long a message is waited for once a later one has come from its server.
    /// Where nobody knows the server, waiting decides nothing: what goes on may be the receiver's own server alone.
    #[must_use]
    pub fn in_cluster(mut self, node: u32, told_after: Nanos, within: Option<Nanos>) -> Self {
        self.cluster = Some(Box::new(Cluster { node, told_after, within, heard: Vec::new() }));
        self
    }

    /// The server that it is connected to is known now, or another one.
    pub fn at_node(&mut self, node: u32) {
        if let Some(cluster) = &mut self.cluster {
            cluster.node = node;
        }
    }

    /// Its own server has it in the target of a stream from `at` on (`T`), or in a room that is left out (`F`). Others may
    /// have to be told; that they are is shown by the first message from there.
    pub fn joined(&mut self, stream: u32, at: Nanos, value: Tri) {
        if value != Tri::T {
            return self.change(stream, at, value);
        }
        if let Ok(place) = self.tracks.binary_search_by_key(&stream, |track| track.stream) {
            self.tracks[place].joined = at;
        }
    }

    /// Whether all servers are known to have been told of its joins.
    pub fn is_known_everywhere(&self, at: Nanos) -> bool {
        self.tracks.iter().all(|track| track.joined == Nanos::MAX || track.spans.over(at, at) != Tri::U)
    }

    /// As [`deliver`](Self::deliver), in a cluster.
    #[inline]
    pub fn deliver_across(
        &mut self,
        stream: u32,
        seq: u32,
        fact: &Observation,
        now: Nanos,
        facts: &impl Facts,
    ) -> Verdict {
        let Time::Sent { inv, .. } = fact.time else { return Verdict::Phantom };
        let Ok(place) = self.tracks.binary_search_by_key(&stream, |track| track.stream) else {
            return Verdict::Phantom;
        };
        let inside = self.inside(&self.tracks[place], fact.node, inv, now);
        let class = own(inside, fact, inv, self.user, self.since);
        let track = &mut self.tracks[place];
        let said_again = fact.history && inside != Tri::T && inside == class && track.spans.over(now, now) != Tri::F;
        let verdict = match track.deliver_across(seq, fact, class, facts) {
            // It was on its way when this connection came to be, which it had no place for.
            Verdict::Duplicate if inv < self.since && seq < track.base() => Verdict::Fine,
            verdict => verdict,
        };
        if verdict == Verdict::Fine {
            // Its own server has chosen it, whoever sent it.
            self.tracks[place].shown(now);
        }
        if fact.sender != self.user {
            self.came_across(place, fact.node, inv, now);
        }
        let is_wrong = !matches!(verdict, Verdict::Fine | Verdict::Late);
        if is_wrong && said_again { Verdict::History } else { verdict }
    }

    /// A cluster fence arrived at `now`. Returns whether it shows something to be lost.
    pub fn fence_across(&mut self, fence: &ClusterFence, now: Nanos, facts: &impl Facts) -> bool {
        let Ok(place) = self.tracks.binary_search_by_key(&fence.stream, |track| track.stream) else { return false };
        let last = fence.last;
        let shows =
            last.is_some_and(|last| self.tracks[place].note_gaps(last, By::Fence(fence.sent), fence.session, facts));
        if fence.sender != self.user {
            self.came_across(place, fence.node, fence.sent, now);
        }
        shows
    }

    /// Calls `wants` for messages that are owed, were answered before `before`, and are not here, where nothing shows whether
    /// they are lost: with the stream, the number and the sender, whose cluster fence would decide.
    pub fn wanting(&self, before: Nanos, facts: &impl Facts, mut wants: impl FnMut(u32, u32, u32)) {
        for track in &self.tracks {
            for seq in (track.base()..).take(LOOKED_AT as usize) {
                let Some(fact) = facts.fact(track.stream, seq) else { break };
                match fact.time {
                    Time::Due => break,
                    Time::Sent { inv, ok: Answer::At(ok) }
                        if ok < before
                            && !track.has(seq)
                            && self.is_owed(track, &fact, inv, before)
                            && track.shown_by(seq).is_none() =>
                    {
                        wants(track.stream, seq, fact.sender);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Whether its loss would be one.
    fn is_owed(&self, track: &Track, fact: &Observation, inv: Nanos, now: Nanos) -> bool {
        let inside = self.inside(track, fact.node, inv, now.max(inv));
        !fact.volatile && own(inside, fact, inv, self.user, self.since) == Tri::T
    }

    /// Something that was sent at `inv` came from another user.
    fn came_across(&mut self, place: usize, node: u32, inv: Nanos, now: Nanos) {
        let Some(cluster) = &mut self.cluster else { return };
        let is_known = node != UNKNOWN_NODE && cluster.node != UNKNOWN_NODE;
        if is_known && node == cluster.node {
            return;
        }
        if is_known && cluster.within.is_some() {
            cluster.hear(node, inv, now);
        }
        let track = &mut self.tracks[place];
        let told = if is_known { track.joined } else { track.joined.saturating_add(cluster.told_after) };
        if inv >= told && track.spans.over(now, now) == Tri::U {
            track.spans.change(now, Tri::T);
        }
    }

    /// Where the receiver was in the eyes of the server that chose it, which it did at some moment of this window.
    #[inline]
    pub(super) fn inside(&self, track: &Track, node: u32, from: Nanos, to: Nanos) -> Tri {
        let inside = track.spans.over(from, to);
        let is_own = self.cluster.as_ref().is_some_and(|cluster| cluster.node == node && node != UNKNOWN_NODE);
        if inside == Tri::U && is_own && from >= track.joined { Tri::T } else { inside }
    }

    /// Settles what is decided at `now`. Calls `account` for each pair that is. At the end of a run (`ending`) nobody waits
    /// for what was not certain to come.
    pub fn settle_across(
        &mut self,
        now: Nanos,
        ending: bool,
        facts: &impl Facts,
        mut account: impl FnMut(u32, u32, DeliveryOutcome),
    ) {
        if let Some(cluster) = &mut self.cluster {
            cluster.decide(now);
        }
        for place in 0..self.tracks.len() {
            while let Some(fact) = facts.fact(self.tracks[place].stream, self.tracks[place].base()) {
                let (inv, ok) = match fact.time {
                    Time::Due => break,
                    Time::Skipped => {
                        self.tracks[place].advance();
                        continue;
                    }
                    Time::Sent { inv, ok } => (inv, ok),
                };
                let track = &self.tracks[place];
                let here = track.has(track.base());
                let mut class =
                    own(self.inside(track, fact.node, inv, now.max(inv)), &fact, inv, self.user, self.since);
                let is_open = !here && class != Tri::F;
                let decided = self.cluster.as_ref().map_or(Nanos::MIN, |cluster| cluster.decided(fact.node));
                let is_waited_for =
                    is_open && !(ending && matches!(ok, Answer::At(_)) && (class == Tri::U || fact.volatile));
                let Some(lost) =
                    (if is_waited_for { without(track, ok, now, decided) } else { Some(DeliveryOutcome::Undecided) })
                else {
                    break;
                };
                if is_open && ok == Answer::Never {
                    class = class.min(Tri::U);
                }
                let for_good = own(Tri::T, &fact, inv, self.user, self.since) == Tri::F;
                let track = &mut self.tracks[place];
                if class == Tri::F && !for_good {
                    // Its own server may choose it yet, if it joins before this gets there.
                    track.keep_open(track.base());
                }
                note(track, fate(class, &fact, here, || lost), &mut account);
            }
            self.tracks[place].forget_before(now, facts);
        }
    }

    /// The connection is over since `at`. What was sent behind it on its way and has come shows what is lost; the rest was the
    /// tail of a connection that broke, or, at the end of a run (`quit`), is undecided.
    pub fn end_across(
        &mut self,
        at: Nanos,
        quit: bool,
        facts: &impl Facts,
        mut account: impl FnMut(u32, u32, DeliveryOutcome),
    ) {
        for place in 0..self.tracks.len() {
            while let Some(fact) = facts.fact(self.tracks[place].stream, self.tracks[place].base()) {
                let track = &self.tracks[place];
                let here = track.has(track.base());
                let (inv, ok) = match fact.time {
                    Time::Sent { inv, ok } if inv < at || here => (inv, ok),
                    _ => {
                        self.tracks[place].advance();
                        continue;
                    }
                };
                let mut class = self.inside(track, fact.node, inv, inv.max(at.saturating_sub(1)));
                if !here && !matches!(ok, Answer::At(_)) {
                    class = class.min(Tri::U);
                }
                let class = own(class, &fact, inv, self.user, self.since);
                let rest = if quit { DeliveryOutcome::Undecided } else { DeliveryOutcome::Excused };
                let lost = absence(track).map_or(rest, DeliveryOutcome::Missing);
                let fate = fate(class, &fact, here, || lost);
                note(&mut self.tracks[place], fate, &mut account);
            }
        }
    }
}

impl Cluster {
    /// What was sent at `inv` came from a server.
    fn hear(&mut self, node: u32, inv: Nanos, now: Nanos) {
        match self.heard.iter_mut().find(|heard| heard.node == node) {
            Some(heard) if inv > heard.newest.0 => heard.newest = (inv, now),
            Some(_) => {}
            None => self.heard.push(Heard { node, newest: (inv, now), candidate: None, decided: Nanos::MIN }),
        }
    }

    /// Looks what has been waited for long enough.
    fn decide(&mut self, now: Nanos) {
        let Some(within) = self.within else { return };
        for heard in &mut self.heard {
            if let Some((inv, _)) = heard.candidate.filter(|(_, at)| at.saturating_add(within) <= now) {
                heard.decided = heard.decided.max(inv);
                heard.candidate = None;
            }
            if heard.candidate.is_none() && heard.newest.0 > heard.decided {
                heard.candidate = Some(heard.newest);
            }
        }
    }

    /// Until when everything that a server has answered has been waited for long enough.
    fn decided(&self, node: u32) -> Nanos {
        self.heard.iter().find(|heard| heard.node == node).map_or(Nanos::MIN, |heard| heard.decided)
    }
}

/// What is to be said of the message at the base, which is not here, if something can be said of it at `now`.
fn without(track: &Track, ok: Answer, now: Nanos, decided: Nanos) -> Option<DeliveryOutcome> {
    let ok = match ok {
        Answer::At(ok) => ok,
        Answer::Never => return Some(DeliveryOutcome::Undecided),
        Answer::Open => return None,
    };
    let waited = || (ok < decided).then_some(Absence::Waited(decided));
    let lost = absence(track).or_else(waited).map(DeliveryOutcome::Missing);
    lost.or_else(|| (ok.saturating_add(PATIENCE) <= now).then_some(DeliveryOutcome::Undecided))
}

/// What shows that the message at the base will not come.
fn absence(track: &Track) -> Option<Absence> {
    Some(match track.shown_by(track.base())? {
        By::Message(seq) => Absence::Behind(Emission { stream: track.stream, seq }),
        By::Fence(at) => Absence::ClusterFence(at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of one stream, each sent at its number times ten and answered five later, by a user of a server.
    struct Stream(Vec<Observation>);

    impl Stream {
        fn new(senders: &[(u32, u32)]) -> Self {
            let fact = |(seq, &(sender, node)): (usize, &(u32, u32))| {
                let inv = seq as Nanos * 10;
                let previous = senders[..seq].iter().rposition(|other| other.0 == sender).map(|seq| seq as u32);
                let time = Time::Sent { inv, ok: Answer::At(inv + 5) };
                let (spares_sender, volatile, history) = (false, false, false);
                Observation { sender, previous, spares_sender, volatile, history, session: 0, node, time }
            };
            Self(senders.iter().enumerate().map(fact).collect())
        }
    }

    impl Facts for Stream {
        fn fact(&self, _: u32, seq: u32) -> Option<Observation> {
            self.0.get(seq as usize).copied()
        }

        fn settled_below(&self, _: u32) -> u32 {
            0
        }
    }

    /// User 9 of server 0, in the target all the time.
    fn receiver(stream: &Stream, within: Option<Nanos>) -> Receiver {
        Receiver::new(9, -1, [(7, Tri::T)], stream).in_cluster(0, 50, within)
    }

    fn deliver(receiver: &mut Receiver, stream: &Stream, seq: u32, now: Nanos) -> Verdict {
        receiver.deliver_across(7, seq, &stream.0[seq as usize], now, stream)
    }

    fn settled(receiver: &mut Receiver, stream: &Stream, now: Nanos) -> Vec<DeliveryOutcome> {
        let mut found = Vec::new();
        receiver.settle_across(now, false, stream, |_, _, fate| found.push(fate));
        found
    }

    fn fence(sender: u32, last: u32, sent: Nanos) -> ClusterFence {
        ClusterFence { sender, session: 0, node: 1, stream: 7, last: Some(last), sent }
    }

    #[test]
    fn messages_of_different_senders_have_no_order() {
        let stream = Stream::new(&[(1, 0), (2, 1), (1, 0)]);
        let mut receiver = receiver(&stream, None);
        for seq in [2, 1] {
            assert_eq!(deliver(&mut receiver, &stream, seq, 100), Verdict::Fine, "{seq}");
        }
        let behind = Verdict::Overtaken(Emission { stream: 7, seq: 2 });
        assert_eq!(deliver(&mut receiver, &stream, 0, 101), behind, "the same sender sent it first");
    }

    #[test]
    fn only_what_its_own_sender_shows_to_be_lost_is_lost() {
        let stream = Stream::new(&[(1, 1), (2, 1), (1, 1), (2, 1)]);
        let mut receiver = receiver(&stream, None);
        deliver(&mut receiver, &stream, 2, 100);
        let behind = DeliveryOutcome::Missing(Absence::Behind(Emission { stream: 7, seq: 2 }));
        assert_eq!(settled(&mut receiver, &stream, 200), [behind], "of user 2 nothing is known");
        receiver.fence_across(&fence(2, 3, 60), 210, &stream);
        let fenced = DeliveryOutcome::Missing(Absence::ClusterFence(60));
        assert_eq!(settled(&mut receiver, &stream, 220), [fenced, DeliveryOutcome::Delivered, fenced]);
        assert_eq!(deliver(&mut receiver, &stream, 3, 230), Verdict::Late);
    }

    #[test]
    fn what_comes_behind_a_cluster_fence_is_out_of_order() {
        let stream = Stream::new(&[(1, 1)]);
        let mut receiver = receiver(&stream, None);
        receiver.fence_across(&fence(1, 0, 20), 100, &stream);
        assert_eq!(deliver(&mut receiver, &stream, 0, 101), Verdict::BehindFence(20));
    }

    fn wanted(receiver: &Receiver, stream: &Stream, before: Nanos) -> Vec<(u32, u32)> {
        let mut found = Vec::new();
        receiver.wanting(before, stream, |_, seq, sender| found.push((seq, sender)));
        found
    }

    #[test]
    fn only_what_is_owed_and_open_wants_a_fence() {
        let mut stream = Stream::new(&[(1, 1), (2, 1), (3, 1), (4, 1), (9, 0), (5, 1), (2, 1)]);
        stream.0[3].volatile = true;
        stream.0[4].spares_sender = true;
        stream.0[5].time = Time::Sent { inv: 50, ok: Answer::Open };
        let mut receiver = receiver(&stream, None);
        deliver(&mut receiver, &stream, 0, 30);
        deliver(&mut receiver, &stream, 6, 80);
        assert_eq!(
            wanted(&receiver, &stream, 200),
            [(2, 3)],
            "1 is lost, 3 may be dropped, 4 is its own, 5 has no answer"
        );
        assert_eq!(wanted(&receiver, &stream, 25), [], "it was answered just now");
        assert!(receiver.fence_across(&fence(3, 2, 90), 100, &stream));
        assert!(!receiver.fence_across(&fence(3, 2, 95), 101, &stream), "that is known");
        assert_eq!(wanted(&receiver, &stream, 200), [], "it is lost");
    }

    #[test]
    fn at_the_end_nobody_waits_for_what_may_come() {
        let mut stream = Stream::new(&[(1, 1), (2, 1), (3, 1)]);
        stream.0[1].volatile = true;
        let mut receiver = Receiver::new(9, -1, [(7, Tri::U)], &stream).in_cluster(0, 50, None);
        receiver.change(7, 8, Tri::T);
        assert_eq!(settled(&mut receiver, &stream, 100), []);
        let mut found = Vec::new();
        receiver.settle_across(100, true, &stream, |_, _, fate| found.push(fate));
        assert_eq!(found, [DeliveryOutcome::May(false), DeliveryOutcome::Volatile(false)], "the third is owed");
        assert_eq!(deliver(&mut receiver, &stream, 0, 110), Verdict::Fine, "it could come yet");
    }

    #[test]
    fn another_connection_of_the_sender_shows_nothing() {
        let mut stream = Stream::new(&[(1, 1), (1, 1)]);
        stream.0[1].session = 1;
        let mut receiver = receiver(&stream, None);
        deliver(&mut receiver, &stream, 1, 100);
        assert_eq!(settled(&mut receiver, &stream, 200), []);
        assert_eq!(
            settled(&mut receiver, &stream, 5 + PATIENCE),
            [DeliveryOutcome::Undecided, DeliveryOutcome::Delivered]
        );
        assert_eq!(deliver(&mut receiver, &stream, 0, 6 + PATIENCE), Verdict::Fine, "it was never lost");
    }

    #[test]
    fn waiting_decides_once_something_has_come_across() {
        let stream = Stream::new(&[(1, 1), (2, 1), (2, 1)]);
        let mut receiver = receiver(&stream, Some(1_000));
        assert_eq!(settled(&mut receiver, &stream, 900), [], "nothing has come: the broker may stand still");
        deliver(&mut receiver, &stream, 1, 950);
        assert_eq!(settled(&mut receiver, &stream, 1_000), []);
        assert_eq!(settled(&mut receiver, &stream, 1_900), [], "it is not long ago that something came");
        let waited = DeliveryOutcome::Missing(Absence::Waited(10));
        assert_eq!(settled(&mut receiver, &stream, 1_950), [waited, DeliveryOutcome::Delivered]);
    }

    #[test]
    fn waiting_decides_nothing_of_a_server_from_which_nothing_has_come() {
        // Server 1 stands still, and server 2, or one that nobody knows, goes on.
        for node in [2, UNKNOWN_NODE] {
            let stream = Stream::new(&[(1, if node == 2 { 1 } else { UNKNOWN_NODE }), (2, node), (2, node)]);
            let mut receiver = receiver(&stream, Some(1_000));
            deliver(&mut receiver, &stream, 1, 950);
            deliver(&mut receiver, &stream, 2, 960);
            for now in [1_000, 2_100, 9_000] {
                assert_eq!(settled(&mut receiver, &stream, now), [], "{node}");
            }
        }
    }

    #[test]
    fn a_join_is_certain_for_other_servers_once_something_has_come_from_there() {
        let stream = Stream::new(&[(1, 1), (1, 1), (1, 1), (2, 0), (2, 0), (1, 1)]);
        let mut receiver = Receiver::new(9, -1, [(7, Tri::U)], &stream).in_cluster(0, 50, None);
        receiver.joined(7, 5, Tri::T);
        deliver(&mut receiver, &stream, 1, 12);
        // Not message 0 and 2's fellows: 0 was sent ahead of the join, and 3 comes from its own server.
        deliver(&mut receiver, &stream, 4, 45);
        deliver(&mut receiver, &stream, 5, 55);
        let missing = |seq| DeliveryOutcome::Missing(Absence::Behind(Emission { stream: 7, seq }));
        let expected = [
            DeliveryOutcome::May(false),
            DeliveryOutcome::May(true),
            missing(5),
            missing(4),
            DeliveryOutcome::Delivered,
            DeliveryOutcome::Delivered,
        ];
        assert_eq!(settled(&mut receiver, &stream, 60), expected);
    }

    #[test]
    fn where_no_server_is_known_a_join_takes_its_time() {
        let stream = Stream::new(&[(1, UNKNOWN_NODE); 9]);
        let mut receiver = Receiver::new(9, -1, [(7, Tri::U)], &stream).in_cluster(UNKNOWN_NODE, 50, None);
        receiver.joined(7, 5, Tri::T);
        deliver(&mut receiver, &stream, 1, 12);
        assert!(!receiver.is_known_everywhere(13));
        deliver(&mut receiver, &stream, 6, 62);
        assert!(receiver.is_known_everywhere(62));
        deliver(&mut receiver, &stream, 8, 82);
        let fates = settled(&mut receiver, &stream, 90);
        assert_eq!(
            fates[..7],
            [
                DeliveryOutcome::May(false),
                DeliveryOutcome::May(true),
                DeliveryOutcome::May(false),
                DeliveryOutcome::May(false),
                DeliveryOutcome::May(false),
                DeliveryOutcome::May(false),
                DeliveryOutcome::May(true)
            ]
        );
        assert_eq!(fates[7], DeliveryOutcome::Missing(Absence::Behind(Emission { stream: 7, seq: 8 })));
    }

    #[test]
    fn the_end_of_a_run_excuses_nothing() {
        let stream = Stream::new(&[(1, 1), (1, 1)]);
        for (quit, expected) in [(true, DeliveryOutcome::Undecided), (false, DeliveryOutcome::Excused)] {
            let mut receiver = receiver(&stream, None);
            let mut found = Vec::new();
            receiver.end_across(100, quit, &stream, |_, _, fate| found.push(fate));
            assert_eq!(found, [expected; 2]);
        }
    }
}

//! One connection and all that could reach it.

use super::cluster::Cluster;
use super::track::Track;
use super::{Absence, Answer, DeliveryOutcome, Emission, Facts, Nanos, Observation, Time, Verdict};
use crate::tri::Tri;

/// A connection, from its opening to its end; or several in a row, when the server recovered it.
#[derive(Debug)]
pub struct Receiver {
    pub(super) user: u32,
    pub(super) since: Nanos,
    /// The latest `inv` among all that has arrived: whatever was answered before cannot come any more.
    newest: Nanos,
    /// The one it is of; nothing has arrived yet if that is an impossible one.
    newest_is: Emission,
    /// By stream.
    pub(super) tracks: Box<[Track]>,
    /// What it knows of the servers that pass messages on to its own, if there are any.
    pub(super) cluster: Option<Box<Cluster>>,
}

impl Receiver {
    /// User `user` asks for a connection at `since`. `streams` are those that could reach it, each with whether the
    /// user is in its target: unknown from the first request on for those it will join.
    pub fn new(user: u32, since: Nanos, streams: impl IntoIterator<Item = (u32, Tri)>, facts: &impl Facts) -> Self {
        let streams = streams.into_iter();
        let mut tracks: Vec<_> =
            streams.map(|(stream, value)| Track::new(stream, facts.settled_below(stream), since, value)).collect();
        tracks.sort_unstable_by_key(|track| track.stream);
        Self { user, since, newest: Nanos::MIN, newest_is: NOTHING, tracks: tracks.into_boxed_slice(), cluster: None }
    }

    /// Whether nothing is addressed to it.
    pub fn is_idle(&self) -> bool {
        self.tracks.is_empty()
    }

    /// From `at` on it is `value` that the receiver is in the target of a stream. Call it *before* a request that
    /// may change it (with `U`), and *after* its answer. Streams without a track are left alone.
    ///
    /// A request that nobody answers has taken effect after some time, if at all: `at` may lie ahead, and the first message of the
    /// stream that comes shows that it has.
    pub fn change(&mut self, stream: u32, at: Nanos, value: Tri) {
        if let Ok(place) = self.tracks.binary_search_by_key(&stream, |track| track.stream) {
            self.tracks[place].change(at, value);
        }
    }

    /// As [`change`](Self::change), for all streams.
    pub fn change_all(&mut self, at: Nanos, mut value: impl FnMut(u32) -> Tri) {
        self.tracks.iter_mut().for_each(|track| track.change(at, value(track.stream)));
    }

    /// From when on the receiver was in the target of a stream, was not, or perhaps, as far back as it still matters.
    pub fn membership(&self, stream: u32) -> Vec<(Nanos, Tri)> {
        let track = self.tracks.binary_search_by_key(&stream, |track| track.stream);
        track.map_or_else(|_| Vec::new(), |place| self.tracks[place].spans.changes())
    }

    /// The streams that could reach it.
    pub fn streams(&self) -> impl Iterator<Item = u32> + '_ {
        self.tracks.iter().map(|track| track.stream)
    }

    /// The first emission of each stream that is not settled.
    pub fn unsettled(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.tracks.iter().map(|track| (track.stream, track.base()))
    }

    /// Whether emission `seq` of a stream has arrived and is not settled yet.
    pub fn has(&self, stream: u32, seq: u32) -> bool {
        let track = self.tracks.binary_search_by_key(&stream, |track| track.stream);
        track.is_ok_and(|place| seq >= self.tracks[place].base() && self.tracks[place].has(seq))
    }

    /// Emission `seq` of a stream arrived at `now`.
    #[inline]
    pub fn deliver(&mut self, stream: u32, seq: u32, fact: &Observation, now: Nanos) -> Verdict {
        let Time::Sent { inv, ok } = fact.time else { return Verdict::Phantom };
        let Ok(place) = self.tracks.binary_search_by_key(&stream, |track| track.stream) else {
            return Verdict::Phantom;
        };
        let track = &mut self.tracks[place];
        // It has arrived, so it has taken effect by now.
        let end = match ok {
            Answer::At(ok) => ok.min(now),
            Answer::Open | Answer::Never => now,
        };
        let inside = track.spans.over(inv, end);
        let class = own(inside, fact, inv, self.user, self.since);
        let said_again = fact.history && inside != Tri::T && inside == class && track.spans.over(now, now) != Tri::F;
        let verdict = track.deliver(seq, fact, class);
        // What nobody was answered for may take effect when somebody has come since, who begins behind it.
        let may_be_first = ok == Answer::Never && inv < self.since && inside == Tri::U && seq < track.base();
        if verdict == Verdict::Duplicate && may_be_first {
            return Verdict::History;
        }
        if verdict != Verdict::Fine {
            return if said_again && verdict != Verdict::Late { Verdict::History } else { verdict };
        }
        if end < self.newest {
            return if said_again { Verdict::History } else { Verdict::Overtaken(self.newest_is) };
        }
        if inv > self.newest {
            (self.newest, self.newest_is) = (inv, Emission { stream, seq });
        }
        self.tracks[place].shown(now);
        Verdict::Fine
    }

    /// Emission `seq` of a stream arrived at `now` in one event with others: `Fine` if it is the first copy, `Late` if it had been given
    /// up, `History` for everything else.
    ///
    /// Applications batch, and applications quote. A message that is here is not missing; but that it is here again, comes to somebody
    /// whom it is not for, or behind a later one, says nothing where each event may hold old ones. So nothing is held against anybody,
    /// and what comes later is not held against this.
    pub fn deliver_among(&mut self, stream: u32, seq: u32, fact: &Observation, now: Nanos) -> Verdict {
        let Time::Sent { inv, ok } = fact.time else { return Verdict::History };
        let Ok(place) = self.tracks.binary_search_by_key(&stream, |track| track.stream) else {
            return Verdict::History;
        };
        let end = match ok {
            // Between servers the window ends with the arrival.
            Answer::At(ok) if self.cluster.is_none() => ok.min(now),
            Answer::At(_) | Answer::Open | Answer::Never => now,
        };
        let inside = self.inside(&self.tracks[place], fact.node, inv, end);
        let class = own(inside, fact, inv, self.user, self.since);
        let verdict = self.tracks[place].deliver_among(seq, class);
        if verdict == Verdict::Fine {
            self.tracks[place].shown(now);
        }
        verdict
    }

    /// A fence that was sent at `fence` has been answered: everything that was answered before that has arrived, or
    /// never will. Calls `account` for each pair that is settled by it.
    pub fn settle(&mut self, fence: Nanos, facts: &impl Facts, mut account: impl FnMut(u32, u32, DeliveryOutcome)) {
        let lost = || DeliveryOutcome::Missing(Absence::Fence(fence));
        for track in &mut self.tracks {
            while let Some(fact) = facts.fact(track.stream, track.base()) {
                let (inv, ok) = match fact.time {
                    Time::Due => break,
                    Time::Skipped => {
                        track.advance();
                        continue;
                    }
                    Time::Sent { inv, ok } => (inv, ok),
                };
                let fate = match ok {
                    Answer::At(ok) if ok <= fence => {
                        let class = own(track.spans.over(inv, ok), &fact, inv, self.user, self.since);
                        fate(class, &fact, track.has(track.base()), lost)
                    }
                    Answer::Never => {
                        // Without an end it lies within no time in which anything is certain, except outside.
                        let class = own(track.spans.over(inv, Nanos::MAX), &fact, inv, self.user, self.since);
                        fate(class.min(Tri::U), &fact, track.has(track.base()), lost)
                    }
                    Answer::At(_) | Answer::Open => break,
                };
                note(track, fate, &mut account);
            }
            // Whatever is settled later was sent after the fence, or is the one at the base.
            let oldest = facts.fact(track.stream, track.base()).map(|fact| fact.time);
            track.spans.forget(match oldest {
                Some(Time::Sent { inv, .. }) => inv.min(fence),
                _ => fence,
            });
        }
    }

    /// The connection is over, and what it was in has been unknown since `at`. Of what had been sent to it before,
    /// a connection delivers a prefix: a hole is lost, the tail is excused.
    pub fn end(&mut self, at: Nanos, facts: &impl Facts, mut account: impl FnMut(u32, u32, DeliveryOutcome)) {
        for track in &mut self.tracks {
            track.spans.change(at, Tri::U);
            while let Some(fact) = facts.fact(track.stream, track.base()) {
                let (inv, ok) = match fact.time {
                    Time::Sent { inv, ok } if inv <= at || track.has(track.base()) => (inv, ok),
                    // What is not sent while the connection lasts; those behind it may have been.
                    _ => {
                        track.advance();
                        continue;
                    }
                };
                let (class, end) = match ok {
                    Answer::At(ok) => (track.spans.over(inv, ok), ok),
                    Answer::Open | Answer::Never => (track.spans.over(inv, Nanos::MAX).min(Tri::U), Nanos::MAX),
                };
                let class = own(class, &fact, inv, self.user, self.since);
                let hole = end < self.newest;
                let lost = || {
                    if hole {
                        DeliveryOutcome::Missing(Absence::Later(self.newest_is))
                    } else {
                        DeliveryOutcome::Excused
                    }
                };
                note(track, fate(class, &fact, track.has(track.base()), lost), &mut account);
            }
        }
    }
}

/// Stands for the newest emission where nothing has arrived.
const NOTHING: Emission = Emission { stream: u32::MAX, seq: u32::MAX };

/// A sender that is left out: not of this connection if it sent on it, perhaps if that was on an earlier one.
#[inline]
pub(super) fn own(class: Tri, fact: &Observation, inv: Nanos, user: u32, since: Nanos) -> Tri {
    if !fact.spares_sender || fact.sender != user {
        class
    } else if inv >= since {
        Tri::F
    } else {
        class.min(Tri::U)
    }
}

pub(super) fn fate(
    class: Tri,
    fact: &Observation,
    here: bool,
    lost: impl FnOnce() -> DeliveryOutcome,
) -> Option<DeliveryOutcome> {
    match class {
        Tri::F => None,
        Tri::U => Some(DeliveryOutcome::May(here)),
        Tri::T if fact.volatile => Some(DeliveryOutcome::Volatile(here)),
        Tri::T if here => Some(DeliveryOutcome::Delivered),
        Tri::T => Some(lost()),
    }
}

pub(super) fn note(
    track: &mut Track,
    fate: Option<DeliveryOutcome>,
    account: &mut impl FnMut(u32, u32, DeliveryOutcome),
) {
    let seq = track.base();
    match fate {
        Some(DeliveryOutcome::Missing(_)) => track.give_up(seq),
        // Nobody owed it, so nobody is to blame when it comes yet.
        Some(DeliveryOutcome::May(false) | DeliveryOutcome::Volatile(false) | DeliveryOutcome::Undecided) => {
            track.keep_open(seq);
        }
        _ => {}
    }
    track.advance();
    if let Some(fate) = fate {
        account(track.stream, seq, fate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One stream of messages, each sent at its number times ten and answered five later.
    struct Stream(Vec<Observation>);

    impl Stream {
        fn new(senders: &[u32]) -> Self {
            let fact = |(seq, sender): (usize, &u32)| {
                let inv = seq as Nanos * 10;
                let previous = senders[..seq].iter().rposition(|other| other == sender).map(|seq| seq as u32);
                let time = Time::Sent { inv, ok: Answer::At(inv + 5) };
                let node = super::super::UNKNOWN_NODE;
                Observation {
                    sender: *sender,
                    previous,
                    spares_sender: false,
                    volatile: false,
                    history: false,
                    session: 0,
                    node,
                    time,
                }
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

    fn fates(settle: impl FnOnce(&mut dyn FnMut(u32, u32, DeliveryOutcome))) -> Vec<DeliveryOutcome> {
        let mut fates = Vec::new();
        settle(&mut |_, _, fate| fates.push(fate));
        fates
    }

    #[test]
    fn whatever_overtook_is_named() {
        let stream = Stream::new(&[1, 2, 1]);
        let mut receiver = Receiver::new(9, -1, [(7, Tri::T)], &stream);
        let mut deliver = |seq: u32| receiver.deliver(7, seq, &stream.0[seq as usize], 100);
        assert_eq!(deliver(2), Verdict::Fine);
        assert_eq!(deliver(0), Verdict::Overtaken(Emission { stream: 7, seq: 2 }), "of the same sender");
        assert_eq!(deliver(1), Verdict::Overtaken(Emission { stream: 7, seq: 2 }), "of another");
    }

    /// Its sender's connection broke, and it takes effect when somebody has come since: a first copy, though its number is behind.
    #[test]
    fn what_takes_effect_late_is_no_second_copy() {
        struct Begun(Stream);
        impl Facts for Begun {
            fn fact(&self, stream: u32, seq: u32) -> Option<Observation> {
                self.0.fact(stream, seq)
            }

            fn settled_below(&self, _: u32) -> u32 {
                2
            }
        }
        let mut begun = Begun(Stream::new(&[1, 2, 1]));
        begun.0.0[0].time = Time::Sent { inv: 0, ok: Answer::Never };
        let mut newcomer = Receiver::new(9, 50, [(7, Tri::U)], &begun);
        newcomer.change(7, 60, Tri::T);
        assert_eq!(newcomer.deliver(7, 0, &begun.0.0[0], 70), Verdict::History);
        assert_eq!(
            newcomer.deliver(7, 1, &begun.0.0[1], 71),
            Verdict::Phantom,
            "what was answered ahead of it was not for it"
        );
        begun.0.0[2].time = Time::Sent { inv: 65, ok: Answer::Never };
        assert_eq!(newcomer.deliver(7, 2, &begun.0.0[2], 72), Verdict::Fine);
        assert_eq!(newcomer.deliver(7, 2, &begun.0.0[2], 73), Verdict::Duplicate, "a second copy is one");
    }

    #[test]
    fn what_stands_among_others_is_there_and_proves_nothing() {
        let stream = Stream::new(&[1, 2, 1, 2]);
        let mut receiver = Receiver::new(9, -1, [(7, Tri::T), (8, Tri::F)], &stream);
        let fact = |seq: u32| stream.0[seq as usize];
        assert_eq!(receiver.deliver_among(7, 3, &fact(3), 100), Verdict::Fine);
        assert_eq!(receiver.deliver_among(7, 3, &fact(3), 101), Verdict::History, "a second copy may be a quotation");
        assert_eq!(receiver.deliver_among(8, 0, &fact(0), 102), Verdict::History, "so may one that is for others");
        assert_eq!(receiver.deliver(7, 1, &fact(1), 103), Verdict::Fine, "ahead of one that stood among others");
        assert_eq!(receiver.deliver(7, 2, &fact(2), 104), Verdict::Fine);
        assert_eq!(receiver.deliver_among(7, 0, &fact(0), 105), Verdict::Fine, "behind one that stood alone");
        let fates = fates(|account| receiver.settle(200, &stream, account));
        assert_eq!(fates, [DeliveryOutcome::Delivered; 4]);
    }

    #[test]
    fn what_was_given_up_may_come_among_others() {
        let stream = Stream::new(&[1]);
        let mut receiver = Receiver::new(9, -1, [(7, Tri::T)], &stream);
        let lost = fates(|account| receiver.settle(200, &stream, account));
        assert_eq!(lost, [DeliveryOutcome::Missing(Absence::Fence(200))]);
        assert_eq!(receiver.deliver_among(7, 0, &stream.0[0], 201), Verdict::Late);
        assert_eq!(receiver.deliver_among(7, 0, &stream.0[0], 202), Verdict::History);
    }

    #[test]
    fn what_shows_an_absence_is_told() {
        let stream = Stream::new(&[1, 2]);
        let mut receiver = Receiver::new(9, -1, [(7, Tri::T)], &stream);
        let _ = receiver.deliver(7, 1, &stream.0[1], 100);
        let fenced = fates(|account| receiver.settle(8, &stream, account));
        assert_eq!(fenced, [DeliveryOutcome::Missing(Absence::Fence(8))]);
        let mut receiver = Receiver::new(9, -1, [(7, Tri::T)], &stream);
        let _ = receiver.deliver(7, 1, &stream.0[1], 100);
        let broken = fates(|account| receiver.end(200, &stream, account));
        assert_eq!(
            broken,
            [DeliveryOutcome::Missing(Absence::Later(Emission { stream: 7, seq: 1 })), DeliveryOutcome::Delivered]
        );
    }

    /// Nobody answers for the join: until it is certain, or a message has come, nothing is owed; then everything is.
    #[test]
    fn the_first_message_shows_that_a_join_has_taken_effect() {
        let stream = Stream::new(&[1; 12]);
        let ahead = |last: Nanos| {
            let mut receiver = Receiver::new(9, 5, [(7, Tri::U)], &stream);
            receiver.change(7, last, Tri::T);
            receiver
        };
        let mut silent = ahead(65);
        let missing = |fate: &&DeliveryOutcome| matches!(fate, DeliveryOutcome::Missing(_));
        let fates_of_silent = fates(|account| silent.settle(110, &stream, account));
        assert_eq!(fates_of_silent.iter().filter(missing).count(), 4, "70 to 100: it counts as in from 65 on");
        let mut told = ahead(1_000);
        assert_eq!(told.deliver(7, 3, &stream.0[3], 37), Verdict::Fine);
        let fates_of_told = fates(|account| told.settle(70, &stream, account));
        let may = DeliveryOutcome::May;
        assert_eq!(fates_of_told[..4], [may(false), may(false), may(false), may(true)]);
        assert_eq!(fates_of_told[4..].iter().filter(missing).count(), 3, "{fates_of_told:?}");
    }

    /// It was not owed, so it was not given up either: a copy that comes behind the fence is the first one.
    #[test]
    fn what_may_come_may_come_late() {
        let stream = Stream::new(&[1]);
        let mut receiver = Receiver::new(9, -1, [(7, Tri::U)], &stream);
        assert_eq!(fates(|account| receiver.settle(8, &stream, account)), [DeliveryOutcome::May(false)]);
        assert_eq!(receiver.deliver(7, 0, &stream.0[0], 100), Verdict::Fine);
        assert_eq!(receiver.deliver(7, 0, &stream.0[0], 101), Verdict::Duplicate);
    }

    /// Messages of user 1, and those again that the application keeps.
    fn with_history(history: bool) -> Stream {
        let mut stream = Stream::new(&[1; 12]);
        stream.0.iter_mut().for_each(|fact| fact.history = history);
        stream
    }

    #[test]
    fn what_was_said_ahead_of_the_join_may_be_history() {
        for (history, expected) in [(true, Verdict::History), (false, Verdict::Phantom)] {
            let stream = with_history(history);
            let mut receiver = Receiver::new(9, 50, [(7, Tri::U)], &stream);
            receiver.change(7, 75, Tri::T);
            assert_eq!(receiver.deliver(7, 2, &stream.0[2], 80), expected, "sent and answered ahead of the join");
            assert_eq!(receiver.deliver(7, 2, &stream.0[2], 81), expected, "as often as it likes");
            assert_eq!(receiver.deliver(7, 8, &stream.0[8], 86), Verdict::Fine);
            assert_eq!(receiver.deliver(7, 8, &stream.0[8], 87), Verdict::Duplicate, "it was inside all the time");
        }
    }

    #[test]
    fn a_second_copy_proves_nothing_of_who_was_just_coming() {
        let stream = with_history(true);
        let mut receiver = Receiver::new(9, 50, [(7, Tri::U)], &stream);
        receiver.change(7, 75, Tri::T);
        assert_eq!(receiver.deliver(7, 7, &stream.0[7], 80), Verdict::Fine);
        assert_eq!(receiver.deliver(7, 6, &stream.0[6], 81), Verdict::History, "behind a later one, and again perhaps");
        assert_eq!(receiver.deliver(7, 6, &stream.0[6], 82), Verdict::History);
        let strict = with_history(false);
        let mut receiver = Receiver::new(9, 50, [(7, Tri::U)], &strict);
        receiver.change(7, 75, Tri::T);
        assert_eq!(receiver.deliver(7, 7, &strict.0[7], 80), Verdict::Fine);
        assert!(matches!(receiver.deliver(7, 6, &strict.0[6], 81), Verdict::Overtaken(_)));
        assert_eq!(receiver.deliver(7, 6, &strict.0[6], 82), Verdict::Duplicate);
    }

    #[test]
    fn who_is_not_in_the_target_gets_no_history_of_it() {
        let stream = with_history(true);
        let mut receiver = Receiver::new(9, 50, [(7, Tri::U)], &stream);
        assert_eq!(receiver.deliver(8, 2, &stream.0[2], 60), Verdict::Phantom, "it cannot be in that target");
        receiver.change(7, 75, Tri::F);
        assert_eq!(receiver.deliver(7, 2, &stream.0[2], 80), Verdict::Phantom, "it is in a room that is left out");
        let mut own = with_history(true);
        own.0.iter_mut().for_each(|fact| fact.spares_sender = true);
        let mut sender = Receiver::new(1, 50, [(7, Tri::U)], &own);
        sender.change(7, 55, Tri::T);
        assert_eq!(sender.deliver(7, 8, &own.0[8], 90), Verdict::Phantom, "an echo on the connection it was sent on");
        assert_eq!(sender.deliver(7, 2, &own.0[2], 91), Verdict::History, "of its own earlier connection");
    }
}

//! The streaming scoreboard: deliveries judged while they arrive, with changing memberships, in memory that does
//! not grow with their number.
//!
//! The emissions of one publisher to one target are a [`Stream`], numbered 0, 1, 2, … in their payload. A stream
//! knows how many were issued and how many of those, counted without a gap, were answered. A receiver keeps a
//! [`Track`] for each stream that could reach it, and says of itself whether it is in the target: certainly,
//! certainly not, or unknown while something is under way. Then the *four-watermark rule* decides:
//!
//! > While a receiver was in the target for certain, from `p` to `q`, exactly the emissions
//! > `issued(p) .. acked(q)` lay wholly in that time: they must arrive, once each. Of a time in which it was
//! > certainly not in the target, they must not. All others may.
//!
//! A membership change costs two reads of two counters, whatever the number of messages; a delivery in its order
//! costs one comparison.
//!
//! **Memory order.** `issued` is read *after* the completing event and `acked` *before* the invoking one, both with
//! acquire against the publisher's release. Any delay turns a *must* into a *may*: power is lost, never truth.
//!
//! **Preconditions.** One writer of each membership, and publishers whose emissions to one target take effect in
//! the order of their numbers. With several writers the board is unsound; use the [exact engine](crate::exact).

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::tri::Tri;

/// Emissions of one publisher to one target, as everybody sees them.
#[derive(Debug, Default)]
pub struct Stream {
    issued: AtomicU64,
    acked: AtomicU64,
}

/// The publisher's end of a stream. There is one.
#[derive(Debug, Default)]
pub struct Publisher {
    /// Answered out of order: what lies above the first gap.
    ahead: Vec<u64>,
}

impl Stream {
    /// How many were issued.
    pub fn issued(&self) -> u64 {
        self.issued.load(Ordering::Acquire)
    }

    /// How many were answered, without a gap.
    pub fn acked(&self) -> u64 {
        self.acked.load(Ordering::Acquire)
    }
}

impl Publisher {
    /// The number of the next emission; call it before the first byte is written.
    pub fn issue(&mut self, stream: &Stream) -> u64 {
        stream.issued.fetch_add(1, Ordering::Release)
    }

    /// An emission was answered; call it after the answer was read.
    pub fn acknowledge(&mut self, stream: &Stream, seq: u64) {
        // Relaxed: only this end writes it.
        let mut acked = stream.acked.load(Ordering::Relaxed);
        if seq != acked {
            self.ahead.push(seq);
            return;
        }
        acked += 1;
        while let Some(place) = self.ahead.iter().position(|&ahead| ahead == acked) {
            self.ahead.swap_remove(place);
            acked += 1;
        }
        stream.acked.store(acked, Ordering::Release);
    }
}

/// What one delivery was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// A copy was here already (I1).
    Duplicate,
    /// The receiver was not in the target (I3), or there is no such emission.
    Phantom,
    /// A later one of the same publisher came first (I5b).
    Overtaken,
    /// It had been given up as lost.
    Late,
}

/// One stream as one receiver sees it. Belongs to the receiver's worker: nothing is shared, nothing locked.
#[derive(Debug)]
pub struct Track {
    value: Tri,
    /// The current run began at this number.
    from: u64,
    /// The next number expected.
    next: u64,
    /// What was not plain, if anything was.
    odd: Option<Box<Odd>>,
}

/// The exceptions of a track, each a range of numbers.
#[derive(Debug, Default)]
struct Odd {
    /// Skipped, and owed or not.
    skipped: Vec<(Range<u64>, bool)>,
    /// Of earlier runs outside of the target.
    forbidden: Vec<Range<u64>>,
    /// Owed to earlier runs within the target, and not here yet.
    owed: Vec<Range<u64>>,
    /// Reported as lost.
    lost: Vec<Range<u64>>,
}

impl Track {
    /// A track of a receiver that is, from now on, as `value` says. Call it after whatever made it so.
    pub fn new(stream: &Stream, value: Tri) -> Self {
        // What was issued before and is not answered yet may still take effect, and reach this receiver.
        Self { value, from: stream.issued(), next: stream.acked(), odd: None }
    }

    /// Whether the receiver is in the target.
    pub fn value(&self) -> Tri {
        self.value
    }

    /// Judges one delivery.
    #[inline]
    pub fn deliver(&mut self, stream: &Stream, seq: u64) -> Verdict {
        // Whatever is odd lies below the run.
        if seq == self.next && seq >= self.from && self.value == Tri::T {
            self.next += 1;
            return Verdict::Fine;
        }
        self.slow(stream, seq)
    }

    #[cold]
    #[inline(never)]
    fn slow(&mut self, stream: &Stream, seq: u64) -> Verdict {
        if seq >= stream.issued() || self.value == Tri::F && seq >= self.from {
            // Outside of the target since before it was issued: no need to wait for the answer.
            return Verdict::Phantom;
        }
        let odd = self.odd.get_or_insert_default();
        if odd.forbidden.iter().any(|range| range.contains(&seq)) {
            return Verdict::Phantom;
        }
        if take(&mut odd.lost, seq) {
            return Verdict::Late;
        }
        if seq < self.next {
            let owed = take(&mut odd.owed, seq);
            let skipped = take_skipped(&mut odd.skipped, seq);
            return if owed || skipped { Verdict::Overtaken } else { Verdict::Duplicate };
        }
        // What is owed to an earlier run and lies below has been overtaken; it is missing until it comes.
        take(&mut odd.owed, seq);
        if seq > self.next {
            let owed_from = if self.value == Tri::T { self.from.max(self.next) } else { seq };
            if self.next < owed_from.min(seq) {
                odd.skipped.push((self.next..owed_from.min(seq), false));
            }
            if owed_from < seq {
                odd.skipped.push((owed_from..seq, true));
            }
        }
        self.next = seq + 1;
        self.tidy();
        Verdict::Fine
    }

    /// Something that may change the membership is about to be asked for: it is unknown from here on. Call it before
    /// the request is written.
    pub fn before_change(&mut self, stream: &Stream) {
        let acked = stream.acked();
        match self.value {
            Tri::T if acked > self.next.max(self.from) => {
                let owed = self.next.max(self.from)..acked;
                self.odd.get_or_insert_default().owed.push(owed);
            }
            Tri::F if acked > self.from => {
                let forbidden = self.from..acked;
                self.odd.get_or_insert_default().forbidden.push(forbidden);
            }
            _ => {}
        }
        self.value = Tri::U;
    }

    /// It is known again. Call it after the answer was read.
    pub fn after_change(&mut self, stream: &Stream, value: Tri) {
        if value != self.value {
            self.value = value;
            self.from = stream.issued();
        }
    }

    /// What a fence will have brought: read it before the fence is sent.
    pub fn watermark(stream: &Stream) -> u64 {
        stream.acked()
    }

    /// The fence has come: whatever was owed below the watermark and is not here is lost. Calls `lost` for each
    /// range; it is not reported again.
    pub fn settle(&mut self, watermark: u64, mut lost: impl FnMut(Range<u64>)) {
        let expected = self.next.max(self.from);
        let behind = (self.value == Tri::T && watermark > expected).then_some(expected..watermark);
        if self.odd.is_none() && behind.is_none() {
            return;
        }
        let odd = self.odd.get_or_insert_default();
        let mut missing: Vec<Range<u64>> = Vec::new();
        odd.skipped.retain(|(range, owed)| {
            // Below the watermark in whole: a range is skipped at once, by one delivery.
            let due = *owed && range.end <= watermark;
            if due {
                missing.push(range.clone());
            }
            !due && (*owed || range.end > watermark)
        });
        odd.owed.retain(|range| {
            let due = range.end <= watermark;
            if due {
                missing.push(range.clone());
            }
            !due
        });
        if let Some(behind) = behind {
            self.next = behind.end;
            missing.push(behind);
        }
        missing.iter().cloned().for_each(&mut lost);
        odd.lost.extend(missing);
        odd.forbidden.retain(|range| range.end > watermark.saturating_sub(KEPT));
        odd.lost.retain(|range| range.end > watermark.saturating_sub(KEPT));
        self.tidy();
    }

    /// Back to the plain case when nothing is odd any more.
    fn tidy(&mut self) {
        if self.odd.as_ref().is_some_and(|odd| odd.is_empty()) {
            self.odd = None;
        }
    }
}

/// How far below a watermark a number can still be told apart; a copy that is older counts as a second one.
const KEPT: u64 = 100_000;

impl Odd {
    fn is_empty(&self) -> bool {
        self.skipped.is_empty() && self.forbidden.is_empty() && self.owed.is_empty() && self.lost.is_empty()
    }
}

/// Takes a number out of ranges; true if it was in one.
fn take(ranges: &mut Vec<Range<u64>>, seq: u64) -> bool {
    let Some(place) = ranges.iter().position(|range| range.contains(&seq)) else { return false };
    let range = ranges.swap_remove(place);
    ranges.extend([range.start..seq, seq + 1..range.end].into_iter().filter(|part| !part.is_empty()));
    true
}

fn take_skipped(ranges: &mut Vec<(Range<u64>, bool)>, seq: u64) -> bool {
    let Some(place) = ranges.iter().position(|(range, _)| range.contains(&seq)) else { return false };
    let (range, owed) = ranges.swap_remove(place);
    let parts = [range.start..seq, seq + 1..range.end].into_iter().filter(|part| !part.is_empty());
    ranges.extend(parts.map(|part| (part, owed)));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream with a member, and numbers that were issued and answered.
    fn member(emissions: u64) -> (Stream, Publisher, Track) {
        let stream = Stream::default();
        let mut publisher = Publisher::default();
        let track = Track::new(&stream, Tri::T);
        for _ in 0..emissions {
            let seq = publisher.issue(&stream);
            publisher.acknowledge(&stream, seq);
        }
        (stream, publisher, track)
    }

    fn lost(track: &mut Track, stream: &Stream) -> Vec<Range<u64>> {
        let mut all = Vec::new();
        track.settle(Track::watermark(stream), |range| all.push(range));
        all
    }

    /// One number, as ranges are reported.
    fn only(seq: u64) -> Vec<Range<u64>> {
        std::iter::once(seq..seq + 1).collect()
    }

    #[test]
    fn a_track_is_small() {
        assert!(size_of::<Track>() <= 64, "{}", size_of::<Track>());
    }

    #[test]
    fn in_order_all_is_fine() {
        let (stream, _, mut track) = member(3);
        assert!((0..3).all(|seq| track.deliver(&stream, seq) == Verdict::Fine));
        assert!(lost(&mut track, &stream).is_empty());
    }

    #[test]
    fn a_hole_is_lost_at_the_next_fence_and_once() {
        let (stream, _, mut track) = member(5);
        for seq in [0, 3] {
            assert_eq!(track.deliver(&stream, seq), Verdict::Fine);
        }
        assert_eq!(lost(&mut track, &stream), [1..3, 4..5]);
        assert!(lost(&mut track, &stream).is_empty());
        assert_eq!(track.deliver(&stream, 2), Verdict::Late);
    }

    #[test]
    fn what_comes_twice_or_behind_is_told_apart() {
        let (stream, _, mut track) = member(3);
        assert_eq!(track.deliver(&stream, 0), Verdict::Fine);
        assert_eq!(track.deliver(&stream, 0), Verdict::Duplicate);
        assert_eq!(track.deliver(&stream, 2), Verdict::Fine);
        assert_eq!(track.deliver(&stream, 1), Verdict::Overtaken);
        assert_eq!(track.deliver(&stream, 1), Verdict::Duplicate);
        assert_eq!(track.deliver(&stream, 7), Verdict::Phantom);
    }

    /// Issued 0 and 1, answered 0; then a leave. 0 is owed, 1 may come, and what is issued after the leave must not.
    #[test]
    fn a_leave_closes_what_was_owed() {
        let (stream, mut publisher, mut track) = member(1);
        publisher.issue(&stream);
        track.before_change(&stream);
        track.after_change(&stream, Tri::F);
        let after = publisher.issue(&stream);
        assert_eq!(track.deliver(&stream, after), Verdict::Phantom);
        assert_eq!(track.deliver(&stream, 1), Verdict::Fine);
        assert_eq!(lost(&mut track, &stream), only(0));
    }

    #[test]
    fn during_a_join_anything_may_come_and_afterwards_it_must() {
        let (stream, mut publisher, _) = member(0);
        let mut track = Track::new(&stream, Tri::F);
        let before = publisher.issue(&stream);
        publisher.acknowledge(&stream, before);
        track.before_change(&stream);
        let during = publisher.issue(&stream);
        publisher.acknowledge(&stream, during);
        track.after_change(&stream, Tri::T);
        let after = publisher.issue(&stream);
        publisher.acknowledge(&stream, after);
        assert_eq!(track.deliver(&stream, before), Verdict::Phantom);
        assert_eq!(lost(&mut track, &stream), only(after));
    }

    #[test]
    fn answers_out_of_order_count_without_a_gap() {
        let stream = Stream::default();
        let mut publisher = Publisher::default();
        (0..4).for_each(|_| _ = publisher.issue(&stream));
        for (seq, acked) in [(2, 0), (0, 1), (1, 3), (3, 4)] {
            publisher.acknowledge(&stream, seq);
            assert_eq!(stream.acked(), acked);
        }
    }
}

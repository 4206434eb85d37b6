//! One stream as one receiver sees it.

use super::intervals::Intervals;
use super::{Emission, Facts, Nanos, Observation, Time, Verdict};
use crate::tri::Tri;

/// Belongs to the receiver's worker: nothing is shared, nothing locked. At most 64 bytes.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) stream: u32,
    /// Everything below is settled.
    base: u32,
    /// What has arrived, from the multiple of 64 at or below `base`.
    bits: u64,
    /// The words after that one; empty unless more than 64 are under way.
    #[expect(clippy::box_collection, reason = "eight bytes, where a vector takes twenty-four")]
    more: Option<Box<Vec<u64>>>,
    pub(super) spans: Intervals,
    /// Between servers: since when the receiver's own server has had it in the target; [`Nanos::MAX`] if it has not.
    pub(super) joined: Nanos,
    odd: Option<Box<Anomaly>>,
}

/// What came although it was sent behind something that is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// This number of the same stream.
    Message(u32),
    /// A cluster fence that was sent at this instant.
    Fence(Nanos),
}

/// What was not plain.
#[derive(Debug, Default)]
struct Anomaly {
    /// Not here, although a later one of the same sender is: that one.
    overtaken: Vec<(u32, By)>,
    /// Given up.
    lost: Vec<u32>,
    /// Settled without an answer, so they may still come.
    open: Vec<u32>,
}

/// So many numbers that were given up are remembered; a copy of an older one counts as a second one.
const REMEMBERED: usize = 4096;

const _: () = assert!(size_of::<Track>() <= 64, "a load has millions of tracks");

impl Track {
    pub(super) fn new(stream: u32, base: u32, since: Nanos, value: Tri) -> Self {
        Self { stream, base, bits: 0, more: None, spans: Intervals::new(since, value), joined: Nanos::MAX, odd: None }
    }

    /// The first number that is not settled.
    pub(super) fn base(&self) -> u32 {
        self.base
    }

    /// From `at` on it is `value` that the receiver is in the target.
    pub(super) fn change(&mut self, at: Nanos, value: Tri) {
        self.spans.change(at, value);
        if value != Tri::T {
            self.joined = Nanos::MAX;
        }
    }

    /// Something came at `now`: whoever was to be in the target from a later instant on, at the latest, is in it.
    #[inline]
    pub(super) fn shown(&mut self, now: Nanos) {
        self.spans.bring_forward(now);
        if self.joined != Nanos::MAX && self.joined > now {
            self.joined = now;
        }
    }

    pub(super) fn has(&self, seq: u32) -> bool {
        let (word, bit) = self.place(seq);
        let word = if word == 0 { Some(&self.bits) } else { self.more.as_ref().and_then(|more| more.get(word - 1)) };
        word.is_some_and(|word| word & bit != 0)
    }

    fn place(&self, seq: u32) -> (usize, u64) {
        let offset = seq.wrapping_sub(self.base & !63);
        ((offset / 64) as usize, 1 << (offset % 64))
    }

    /// Sets the bit of a number; true if it was set.
    #[inline]
    fn mark(&mut self, seq: u32) -> bool {
        let (word, bit) = self.place(seq);
        let word = if word == 0 { &mut self.bits } else { self.word(word - 1) };
        let was = *word & bit != 0;
        *word |= bit;
        was
    }

    #[cold]
    fn word(&mut self, word: usize) -> &mut u64 {
        let more = self.more.get_or_insert_default();
        if more.len() <= word {
            more.resize(word + 1, 0);
        }
        &mut more[word]
    }

    /// Judges one delivery; `class` says where the receiver was while the emission took place.
    #[inline]
    pub(super) fn deliver(&mut self, seq: u32, fact: &Observation, class: Tri) -> Verdict {
        if seq < self.base {
            return self.settled_before(seq, class);
        }
        if class == Tri::F {
            return Verdict::Phantom;
        }
        if self.mark(seq) {
            return Verdict::Duplicate;
        }
        match fact.previous {
            Some(previous) if previous >= self.base && !self.has(previous) => _ = self.gap(previous, By::Message(seq)),
            _ => {}
        }
        if self.odd.is_some() { self.overtaken(seq) } else { Verdict::Fine }
    }

    /// As [`deliver`](Self::deliver), for a message that stood in one event with others: whether it is the first copy of something that
    /// may have been owed.
    pub(super) fn deliver_among(&mut self, seq: u32, class: Tri) -> Verdict {
        if seq < self.base {
            return match self.settled_before(seq, class) {
                verdict @ (Verdict::Fine | Verdict::Late) => verdict,
                _ => Verdict::History,
            };
        }
        if class == Tri::F || self.mark(seq) {
            return Verdict::History;
        }
        // What came behind it is no proof any more.
        self.overtaken(seq);
        Verdict::Fine
    }

    #[cold]
    fn settled_before(&mut self, seq: u32, class: Tri) -> Verdict {
        if class == Tri::F {
            return Verdict::Phantom;
        }
        let odd = self.odd.as_mut();
        if let Some(odd) = odd {
            if take(&mut odd.lost, seq) {
                return Verdict::Late;
            }
            if take(&mut odd.open, seq) {
                return Verdict::Fine;
            }
        }
        Verdict::Duplicate
    }

    /// As [`deliver`](Self::deliver), where messages cross between servers: order is that of the sender's connection, and
    /// every message of it that should have come before is noted.
    #[inline]
    pub(super) fn deliver_across(&mut self, seq: u32, fact: &Observation, class: Tri, facts: &impl Facts) -> Verdict {
        if seq < self.base {
            return self.settled_before(seq, class);
        }
        if class == Tri::F {
            return Verdict::Phantom;
        }
        if self.mark(seq) {
            return Verdict::Duplicate;
        }
        match fact.previous {
            Some(previous) if previous >= self.base && !self.has(previous) => {
                self.note_gaps(previous, By::Message(seq), fact.session, facts);
            }
            _ => {}
        }
        if self.odd.is_some() { self.overtaken(seq) } else { Verdict::Fine }
    }

    /// Of the messages of one connection up to number `last`, those that are not here should have come before `by`. Returns
    /// whether there are any that were not known.
    #[cold]
    pub(super) fn note_gaps(&mut self, last: u32, by: By, session: u32, facts: &impl Facts) -> bool {
        let (mut next, mut found) = (Some(last), false);
        while let Some(seq) = next.filter(|seq| *seq >= self.base) {
            let Some(fact) = facts.fact(self.stream, seq) else { break };
            match fact.time {
                Time::Due => break,
                // What is behind one that is here, or that is noted, was noted with it.
                Time::Sent { .. } if fact.session != session || self.has(seq) || !self.gap(seq, by) => break,
                Time::Sent { .. } => found = true,
                Time::Skipped => {}
            }
            next = fact.previous;
        }
        found
    }

    /// The sender's emission ahead of one that has come is not here; false if that is noted already.
    #[cold]
    fn gap(&mut self, previous: u32, by: By) -> bool {
        let odd = self.odd.get_or_insert_default();
        let is_new = !odd.overtaken.iter().any(|(number, _)| *number == previous);
        if is_new {
            odd.overtaken.push((previous, by));
        }
        is_new
    }

    /// What came although it was sent behind this number, which is not here.
    pub(super) fn shown_by(&self, seq: u32) -> Option<By> {
        let odd = self.odd.as_ref()?;
        odd.overtaken.iter().find(|(number, _)| *number == seq).map(|(_, by)| *by)
    }

    #[cold]
    fn overtaken(&mut self, seq: u32) -> Verdict {
        match self.odd.as_mut().and_then(|odd| take_overtaken(&mut odd.overtaken, seq)) {
            None => Verdict::Fine,
            Some(By::Message(seq)) => Verdict::Overtaken(Emission { stream: self.stream, seq }),
            Some(By::Fence(at)) => Verdict::BehindFence(at),
        }
    }

    /// The number at the base is settled; returns whether it has come.
    pub(super) fn advance(&mut self) -> bool {
        let here = self.has(self.base);
        self.base += 1;
        if self.base.is_multiple_of(64) {
            let next = self.more.as_mut().and_then(|more| (!more.is_empty()).then(|| more.remove(0)));
            self.bits = next.unwrap_or(0);
            if self.more.as_ref().is_some_and(|more| more.is_empty()) {
                self.more = None;
            }
        }
        if let Some(odd) = &mut self.odd {
            take_overtaken(&mut odd.overtaken, self.base - 1);
            if odd.overtaken.is_empty() && odd.lost.is_empty() && odd.open.is_empty() {
                self.odd = None;
            }
        }
        here
    }

    /// Nothing ahead of the message at the base, or of `now`, will be asked for again.
    pub(super) fn forget_before(&mut self, now: Nanos, facts: &impl Facts) {
        let oldest = facts.fact(self.stream, self.base).map(|fact| fact.time);
        self.spans.forget(match oldest {
            Some(Time::Sent { inv, .. }) => inv.min(now),
            _ => now,
        });
    }

    /// The number was owed and is given up.
    pub(super) fn give_up(&mut self, seq: u32) {
        remember(&mut self.odd.get_or_insert_default().lost, seq);
    }

    /// The number may still come, at any time.
    pub(super) fn keep_open(&mut self, seq: u32) {
        remember(&mut self.odd.get_or_insert_default().open, seq);
    }
}

fn remember(numbers: &mut Vec<u32>, seq: u32) {
    if numbers.len() == REMEMBERED {
        numbers.remove(0);
    }
    numbers.push(seq);
}

fn take(numbers: &mut Vec<u32>, seq: u32) -> bool {
    let place = numbers.iter().position(|&number| number == seq);
    place.map(|place| numbers.swap_remove(place)).is_some()
}

/// Forgets that a number was overtaken; returns by which.
fn take_overtaken(numbers: &mut Vec<(u32, By)>, seq: u32) -> Option<By> {
    let place = numbers.iter().position(|(number, _)| *number == seq)?;
    Some(numbers.swap_remove(place).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Answer;

    /// A load has millions of tracks: what comes in order takes no memory beside its bit.
    #[test]
    fn what_is_plain_leaves_nothing_behind() {
        let mut track = Track::new(7, 0, -1, Tri::T);
        for seq in 0..6u32 {
            let fact = Observation {
                sender: 1,
                previous: seq.checked_sub(1),
                spares_sender: false,
                volatile: false,
                history: false,
                session: 0,
                node: 0,
                time: Time::Sent { inv: i64::from(seq), ok: Answer::Open },
            };
            assert_eq!(track.deliver(seq, &fact, Tri::T), Verdict::Fine);
            assert!(track.odd.is_none(), "{seq}");
            // The one ahead is settled by then, or not.
            if seq % 2 == 0 {
                track.advance();
            }
        }
    }
}

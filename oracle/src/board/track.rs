//! One stream as one receiver sees it.

use super::spans::Spans;
use super::{Emission, Fact, Nanos, Verdict};
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
    pub(super) spans: Spans,
    odd: Option<Box<Odd>>,
}

/// What was not plain.
#[derive(Debug, Default)]
struct Odd {
    /// Not here, although a later one of the same sender is: that one.
    overtaken: Vec<(u32, u32)>,
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
        Self { stream, base, bits: 0, more: None, spans: Spans::new(since, value), odd: None }
    }

    /// The first number that is not settled.
    pub(super) fn base(&self) -> u32 {
        self.base
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
    pub(super) fn deliver(&mut self, seq: u32, fact: &Fact, class: Tri) -> Verdict {
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
            Some(previous) if previous >= self.base && !self.has(previous) => self.gap(previous, seq),
            _ => {}
        }
        if self.odd.is_some() { self.overtaken(seq) } else { Verdict::Fine }
    }

    #[cold]
    fn settled_before(&mut self, seq: u32, class: Tri) -> Verdict {
        let odd = self.odd.as_mut();
        if let Some(odd) = odd {
            if take(&mut odd.lost, seq) {
                return Verdict::Late;
            }
            if take(&mut odd.open, seq) {
                return Verdict::Fine;
            }
        }
        if class == Tri::F { Verdict::Phantom } else { Verdict::Duplicate }
    }

    /// The sender's emission ahead of one that has come is not here.
    #[cold]
    fn gap(&mut self, previous: u32, by: u32) {
        let odd = self.odd.get_or_insert_default();
        if !odd.overtaken.iter().any(|(number, _)| *number == previous) {
            odd.overtaken.push((previous, by));
        }
    }

    #[cold]
    fn overtaken(&mut self, seq: u32) -> Verdict {
        let by = self.odd.as_mut().and_then(|odd| take_overtaken(&mut odd.overtaken, seq));
        by.map_or(Verdict::Fine, |seq| Verdict::Overtaken(Emission { stream: self.stream, seq }))
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
fn take_overtaken(numbers: &mut Vec<(u32, u32)>, seq: u32) -> Option<u32> {
    let place = numbers.iter().position(|(number, _)| *number == seq)?;
    Some(numbers.swap_remove(place).1)
}

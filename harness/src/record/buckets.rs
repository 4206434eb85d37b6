//! A distribution as counts between fixed bounds: those of several processes, and of several moments, can be added.

use serde::{Deserialize, Serialize};

/// Upper bounds in nanoseconds: six for each power of ten, from a tenth of a millisecond to a minute and a half.
pub const BOUNDS: [u64; 36] = bounds();

const fn bounds() -> [u64; 36] {
    let steps = [100_000, 150_000, 200_000, 300_000, 500_000, 700_000];
    let mut all = [0; 36];
    let (mut place, mut power) = (0, 1);
    while place < all.len() {
        all[place] = steps[place % steps.len()] * power;
        place += 1;
        if place.is_multiple_of(steps.len()) {
            power *= 10;
        }
    }
    all
}

/// Latencies that were counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buckets {
    /// Up to each bound, and above the one before; the last one is of what is above all of them. Those behind it are empty.
    counts: Vec<u64>,
    /// Nanoseconds of all together.
    sum: u64,
}

impl Buckets {
    /// Counts a value so many times.
    pub fn add(&mut self, nanos: u64, times: u64) {
        let place = BOUNDS.partition_point(|bound| *bound < nanos);
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] = self.counts[place].saturating_add(times);
        self.sum = self.sum.saturating_add(nanos.saturating_mul(times));
    }

    /// Adds what another process has counted. It may be a stranger, who has more than there is room for.
    pub fn add_all(&mut self, other: &Self) {
        let known = other.counts.len().min(BOUNDS.len() + 1);
        if self.counts.len() < known {
            self.counts.resize(known, 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// Each bound, and how many values are not above it.
    pub fn cumulated(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut below = 0_u64;
        BOUNDS.iter().enumerate().map(move |(place, bound)| {
            below = below.saturating_add(self.counts.get(place).copied().unwrap_or(0));
            (*bound, below)
        })
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().take(BOUNDS.len() + 1).fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Nanoseconds of all values together.
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_grow_and_end() {
        assert!(BOUNDS.is_sorted() && BOUNDS[0] == 100_000 && BOUNDS[6] == 1_000_000 && BOUNDS[35] == 70_000_000_000);
    }

    /// In whichever process a value was counted, the sum is the same.
    #[test]
    fn what_was_counted_apart_is_counted_together() {
        let values = [1, 100_000, 100_001, 1_500_000, 2_000_000_000, u64::MAX / 4];
        let (mut one, mut other, mut whole) = (Buckets::default(), Buckets::default(), Buckets::default());
        for (number, value) in values.into_iter().enumerate() {
            if number % 2 == 0 { &mut one } else { &mut other }.add(value, 3);
            whole.add(value, 3);
        }
        let mut sum = one.clone();
        sum.add_all(&other);
        other.add_all(&one);
        assert!(sum == whole && other == whole);
        assert_eq!(
            (whole.count(), whole.cumulated().next(), whole.cumulated().last()),
            (18, Some((100_000, 6)), Some((BOUNDS[35], 15)))
        );
        let stranger: Buckets =
            serde_json::from_str(&format!("{{\"counts\":{:?},\"sum\":1}}", vec![1_u64; 1_000])).unwrap();
        let mut sum = Buckets::default();
        sum.add_all(&stranger);
        assert_eq!((sum.count(), sum.counts.len(), stranger.count()), (37, 37, 37));
    }
}

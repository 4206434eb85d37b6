//! What was owed and what of it never came, by the time at which its messages were due.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stretches that are kept; of a longer run each is twice as long, again and again.
const MOST: usize = 4_096;

const SECOND: u64 = 1_000_000_000;

/// Deliveries owed and missing, by the intended time of their messages. Other than what has arrived by some second, this
/// says when what is missing should have come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Due {
    /// Each stretch is two to the power of this, in seconds; the first begins with the first phase.
    pub power: u8,
    /// By stretch.
    pub owed: Vec<u64>,
    /// By stretch; as long as `owed`.
    pub missing: Vec<u64>,
}

impl Due {
    pub fn is_empty(&self) -> bool {
        self.owed.is_empty()
    }

    /// Seconds of each stretch.
    pub fn each(&self) -> f64 {
        f64::from(self.power).exp2()
    }

    /// A delivery was owed of a message that was due so many nanoseconds after the first phase began.
    pub fn owed(&mut self, at: u64) {
        let place = self.place(at);
        self.owed[place] += 1;
    }

    /// And it never came.
    pub fn missing(&mut self, at: u64) {
        let place = self.place(at);
        self.missing[place] += 1;
    }

    /// What was counted as missing has come after all.
    pub fn found(&mut self, at: u64) {
        let place = self.place(at);
        self.missing[place] = self.missing[place].saturating_sub(1);
    }

    /// Adds what another has counted.
    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        while self.power < other.power {
            self.halve();
        }
        while other.power < self.power {
            other.halve();
        }
        self.reach(other.owed.len());
        self.owed.iter_mut().zip(&other.owed).for_each(|(mine, theirs)| *mine += theirs);
        self.missing.iter_mut().zip(&other.missing).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// How many were owed of the messages that were due until so many seconds after the first phase began; within a
    /// stretch as if they had been spread evenly.
    pub fn owed_until(&self, second: f64) -> f64 {
        self.until(&self.owed, second)
    }

    /// As [`owed_until`](Self::owed_until), of what never came.
    pub fn missing_until(&self, second: f64) -> f64 {
        self.until(&self.missing, second)
    }

    fn until(&self, counts: &[u64], second: f64) -> f64 {
        let stretches = (second / self.each()).max(0.0);
        let whole = (stretches as usize).min(counts.len());
        let part = counts.get(whole).map_or(0.0, |count| *count as f64 * (stretches - whole as f64));
        counts[..whole].iter().sum::<u64>() as f64 + part
    }

    fn place(&mut self, at: u64) -> usize {
        let second = (at / SECOND) as usize;
        while second >> self.power >= MOST {
            self.halve();
        }
        let place = second >> self.power;
        self.reach(place + 1);
        place
    }

    fn reach(&mut self, length: usize) {
        if self.owed.len() < length {
            self.owed.resize(length, 0);
            self.missing.resize(length, 0);
        }
    }

    /// Puts neighbours together.
    fn halve(&mut self) {
        let halved = |all: &[u64]| all.chunks(2).map(|pair| pair.iter().sum()).collect();
        (self.owed, self.missing, self.power) = (halved(&self.owed), halved(&self.missing), self.power + 1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(seconds: &[u64]) -> Due {
        let mut due = Due::default();
        for second in seconds {
            due.owed(second * SECOND + 1);
            if second % 3 == 0 {
                due.missing(second * SECOND + 1);
            }
        }
        due
    }

    #[test]
    fn what_comes_late_was_not_missing() {
        let mut due = of(&[0, 1, 1, 3]);
        assert_eq!((due.owed.clone(), due.missing.clone()), (vec![1, 2, 0, 1], vec![1, 0, 0, 1]));
        due.found(3 * SECOND + 7);
        assert_eq!(due.missing, [1, 0, 0, 0]);
        let until = [0.0, 1.0, 1.5, 2.0, 99.0].map(|second| due.owed_until(second) as u64);
        assert_eq!(until, [0, 1, 2, 3, 4]);
    }

    proptest! {
        /// However long a run, what is kept is bounded and nothing is lost; and it does not matter who counted what.
        #[test]
        fn counts_are_kept_and_order_does_not_matter(seconds in prop::collection::vec(0u64..100_000, 1..60), cut in 0usize..60) {
            let all = of(&seconds);
            prop_assert!(all.owed.len() <= MOST && all.owed.len() == all.missing.len());
            prop_assert_eq!(all.owed.iter().sum::<u64>(), seconds.len() as u64);
            prop_assert_eq!(all.missing.iter().sum::<u64>(), seconds.iter().filter(|second| **second % 3 == 0).count() as u64);
            let (a, b) = seconds.split_at(cut.min(seconds.len()));
            let (mut forth, mut back) = (of(a), of(b));
            let first = forth.clone();
            forth.add(&back);
            back.add(&first);
            prop_assert_eq!(&forth, &back);
            prop_assert_eq!(forth, all);
        }
    }
}

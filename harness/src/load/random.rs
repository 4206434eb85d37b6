//! Random numbers that depend on the seed and on what they are for, and on nothing else.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// What a random stream is for; each user has one of each.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Rooms = 1,
    Transport = 2,
    Sending = 3,
    Order = 4,
    /// How long users stay and how long they wait.
    Life = 5,
    /// Whom chaos meets.
    Chaos = 6,
    /// When visitors come.
    Arrivals = 7,
    /// What a visitor draws.
    Visit = 8,
    /// What is drawn for a message.
    Message = 9,
    /// What a user shows.
    Credentials = 10,
    /// In which order users are dealt to rooms of one size.
    Deal = 11,
}

/// Uniform numbers from `(seed, purpose, group, index)`.
#[derive(Clone)]
pub(super) struct Stream(ChaCha8Rng);

impl Stream {
    pub(super) fn new(seed: u64, purpose: Purpose, group: usize, index: u32) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream((purpose as u64) << 56 | (group as u64) << 40 | u64::from(index));
        Self(rng)
    }

    /// In (0, 1].
    pub(super) fn unit(&mut self) -> f64 {
        unit(self.0.next_u64())
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub(super) fn below(&mut self, bound: u32) -> u32 {
        // Multiply-shift: a bias of 2^-32 is nothing here.
        ((u64::from(self.0.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// `count` different numbers below `bound`, sorted (Floyd).
    pub(super) fn distinct(&mut self, count: u32, bound: u32) -> Vec<u32> {
        let mut chosen = std::collections::BTreeSet::new();
        for top in bound - count..bound {
            let pick = self.below(top + 1);
            if !chosen.insert(pick) {
                chosen.insert(top);
            }
        }
        chosen.into_iter().collect()
    }
}

fn unit(bits: u64) -> f64 {
    ((bits >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// Eight bytes of randomness for one user (SplitMix64): a [`Stream`] has three hundred.
pub(super) struct UserRng(u64);

impl UserRng {
    pub(super) fn new(seed: u64, group: usize, index: u32) -> Self {
        Self(Stream::new(seed, Purpose::Life, group, index).number())
    }

    /// From a number that was drawn.
    pub(super) fn of(number: u64) -> Self {
        Self(number)
    }

    /// For one visit.
    pub(super) fn of_visit(seed: u64, journey: usize, visitor: u64) -> Self {
        Self(Stream::new(seed, Purpose::Visit, journey, visitor as u32).number())
    }

    /// In (0, 1].
    pub(super) fn unit(&mut self) -> f64 {
        unit(self.number())
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rooms_are_distinct(count in 1u32..20, more in 0u32..50, seed: u64) {
            let rooms = Stream::new(seed, Purpose::Rooms, 0, 0).distinct(count, count + more);
            prop_assert_eq!(rooms.len() as u32, count);
            prop_assert!(rooms.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(rooms.iter().all(|room| *room < count + more));
        }
    }

    #[test]
    fn dice_are_fair_enough() {
        let mut dice = UserRng::new(7, 0, 0);
        let mean = (0..10_000).map(|_| dice.unit()).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
    }
}

//! The shape of a fan-out: how latency grows from the first receiver of a message to its last.

use hdrhistogram::Histogram;

use crate::record::PlaceResult;
use crate::record::histogram::{coarse, record, summary};
use crate::record::intervals::tag;

/// Latencies by traffic and by the place of the receiver among those of the same message, in powers of two: first, second
/// and third, fourth to seventh, and so on.
#[derive(Default)]
pub(super) struct Places(Vec<Vec<Histogram<u64>>>);

impl Places {
    pub(super) fn new(traffics: usize) -> Self {
        Self((0..traffics).map(|_| Vec::new()).collect())
    }

    /// The receiver at `place`, counted from 1, got its message after so long.
    pub(super) fn record(&mut self, traffic: usize, place: u32, nanos: u64) {
        let power = place.max(1).ilog2() as usize;
        let powers = &mut self.0[traffic];
        while powers.len() <= power {
            powers.push(coarse());
        }
        record(&mut powers[power], nanos);
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (traffic, powers) in other.0.iter().enumerate() {
            for (power, histogram) in powers.iter().enumerate() {
                self.add_to(traffic, power, histogram);
            }
        }
    }

    /// Adds latencies at the places from two to the power of `power` on.
    pub(super) fn add_to(&mut self, traffic: usize, power: usize, histogram: &Histogram<u64>) {
        let powers = &mut self.0[traffic];
        while powers.len() <= power {
            powers.push(coarse());
        }
        // All hold whatever a run can record.
        let _ = powers[power].add(histogram);
    }

    /// What is known of the receivers of a traffic, with its power and its name in a log: `tell.place.4` is of the fourth
    /// to the seventh.
    pub(super) fn tagged(&self, traffic: usize, name: &str) -> impl Iterator<Item = (String, &Histogram<u64>)> {
        let filled = self.0[traffic].iter().enumerate().filter(|(_, histogram)| !histogram.is_empty());
        filled.map(move |(power, histogram)| (place_tag(name, power), histogram))
    }

    /// How many receivers are known.
    pub(super) fn count(&self, traffic: usize) -> u64 {
        self.0[traffic].iter().map(Histogram::len).sum()
    }

    /// As it is recorded; nothing where no message had a second receiver.
    pub(super) fn results(&self, traffic: usize) -> Vec<PlaceResult> {
        let powers = &self.0[traffic];
        if powers.len() < 2 {
            return Vec::new();
        }
        let filled = powers.iter().enumerate().filter(|(_, histogram)| !histogram.is_empty());
        filled.map(|(power, histogram)| PlaceResult { from: 1 << power, latency: summary(histogram) }).collect()
    }
}

/// Powers of places that can be told apart: users are counted with 32 bits.
pub(super) const POWERS: usize = 32;

/// The name in a log of the latencies at the places from two to the power of `power` on.
pub(super) fn place_tag(traffic: &str, power: usize) -> String {
    tag(&format!("{traffic}.place.{}", 1u64 << power), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart_by_powers_of_two() {
        let (mut places, mut others) = (Places::new(2), Places::new(2));
        for place in 1..=9 {
            let half = if place % 2 == 0 { &mut places } else { &mut others };
            half.record(1, place, u64::from(place) * 1_000_000);
        }
        places.add(&others);
        let found: Vec<_> = places.results(1).iter().map(|place| (place.from, place.latency.count)).collect();
        assert_eq!(found, [(1, 1), (2, 2), (4, 4), (8, 2)]);
        assert!(places.results(0).is_empty());
        others.record(0, 1, 5);
        assert!(others.results(0).is_empty(), "whoever is alone has no place");
    }
}

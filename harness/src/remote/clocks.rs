//! How far two clocks are apart, and by how much that may be wrong: the shortest of many round trips says it best.

/// Two clocks may run apart by one part in so many, while nobody looks: quartz is right to some 50 millionths, and a clock that is being
/// put right runs off by up to 500.
const DRIFT: i64 = 1_000;

/// A question for the time, and its answer. Nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    pub(super) asked: i64,
    /// On the other clock.
    pub(super) there: i64,
    pub(super) answered: i64,
}

/// What is added to this clock to have the other one, at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) offset: i64,
    /// It is no further off than this: the answer was written between the two instants.
    pub(super) within: i64,
    /// When, on this clock.
    pub(super) at: i64,
}

/// What many exchanges come to. One that waited in a queue says little, so only the shortest counts.
pub(super) fn best(exchanges: &[Exchange]) -> Option<Reading> {
    let round_trip = |exchange: &Exchange| exchange.answered.checked_sub(exchange.asked).filter(|took| *took >= 0);
    let shortest = exchanges.iter().filter_map(|exchange| Some((round_trip(exchange)?, exchange)));
    let (took, exchange) = shortest.min_by_key(|(took, _)| *took)?;
    let middle = exchange.asked + took / 2;
    Some(Reading { offset: exchange.there.checked_sub(middle)?, within: took - took / 2, at: exchange.answered })
}

/// All offsets that the two clocks may have had since they were first compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offsets {
    low: i64,
    high: i64,
    /// When they were last compared.
    last: i64,
}

impl Offsets {
    pub(super) fn new(reading: Reading) -> Self {
        let (low, high) = range(reading);
        Self { low, high, last: reading.at }
    }

    /// Takes a thorough reading: whatever it leaves open may be.
    pub(super) fn add(&mut self, reading: Reading) {
        let (low, high) = range(reading);
        (self.low, self.high) = (self.low.min(low), self.high.max(high));
        self.last = self.last.max(reading.at);
    }

    /// Takes one of a few exchanges: only what it proves counts.
    pub(super) fn check(&mut self, reading: Reading) {
        let (low, high) = range(reading);
        (self.low, self.high) = (self.low.min(high), self.high.max(low));
        self.last = self.last.max(reading.at);
    }

    /// Nobody has looked since the last reading.
    pub(super) fn unseen(&mut self, now: i64) {
        let since = now.saturating_sub(self.last).max(0);
        let apart = since / DRIFT;
        (self.low, self.high) = (self.low.saturating_sub(apart), self.high.saturating_add(apart));
        self.last = now;
    }

    /// The middle of them.
    pub(super) fn offset(&self) -> i64 {
        self.low + (self.high - self.low) / 2
    }

    /// How far any of them is from the middle, at most.
    pub(super) fn within(&self) -> i64 {
        let middle = self.offset();
        (self.high - middle).max(middle - self.low)
    }
}

fn range(reading: Reading) -> (i64, i64) {
    (reading.offset.saturating_sub(reading.within), reading.offset.saturating_add(reading.within))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the other clock shows: ahead by an offset, and faster by so many millionths.
    fn there(here: i64, offset: i64, drift: i64) -> i64 {
        here + offset + (i128::from(here) * i128::from(drift) / 1_000_000) as i64
    }

    prop_compose! {
        /// Exchanges of a second, each with delays of its own in both directions.
        fn exchanges(offset: i64, drift: i64, from: i64)
            (delays in prop::collection::vec((1_000..20_000_000_i64, 1_000..20_000_000_i64), 1..20)) -> Vec<Exchange> {
            let mut here = from;
            delays.into_iter().map(|(to, back)| {
                let exchange = Exchange { asked: here, there: there(here + to, offset, drift), answered: here + to + back };
                here = exchange.answered + 1_000;
                exchange
            }).collect()
        }
    }

    proptest! {
        /// However long messages are on their way, the bound holds.
        #[test]
        fn the_true_offset_is_within_the_bound(
            (offset, exchanges) in (-1_000_000_000_000..1_000_000_000_000_i64).prop_flat_map(|offset| (Just(offset), exchanges(offset, 0, 0)))
        ) {
            let reading = best(&exchanges).unwrap();
            prop_assert!((reading.offset - offset).abs() <= reading.within, "{:?}", reading);
        }

        /// Clocks that run apart steadily are known at any time between two readings.
        #[test]
        fn drift_is_allowed_for(
            ((offset, drift), at, (start, middle, end)) in ((-1_000_000_000..1_000_000_000_i64, -200..200_i64), 0.0..1.0_f64)
                .prop_flat_map(|((offset, drift), at)| (Just((offset, drift)), Just(at), (
                    exchanges(offset, drift, 0), exchanges(offset, drift, 30_000_000_000), exchanges(offset, drift, 60_000_000_000))))
        ) {
            let mut offsets = Offsets::new(best(&start).unwrap());
            offsets.check(best(&middle).unwrap());
            offsets.add(best(&end).unwrap());
            let here = (at * 60e9) as i64;
            let truth = there(here, offset, drift) - here;
            // While an exchange lasts, a clock runs off by less than this.
            prop_assert!((offsets.offset() - truth).abs() <= offsets.within() + 200 * 40, "{:?} {}", offsets, truth);
        }
    }

    #[test]
    fn an_answer_ahead_of_its_question_says_nothing() {
        assert_eq!(best(&[Exchange { asked: 5, there: 0, answered: 4 }]), None);
        assert_eq!(best(&[]), None);
    }

    #[test]
    fn what_nobody_has_looked_at_is_known_less_well() {
        let mut offsets = Offsets::new(Reading { offset: 100, within: 10, at: 0 });
        offsets.unseen(1_000_000_000);
        assert_eq!((offsets.offset(), offsets.within()), (100, 10 + 1_000_000));
    }
}

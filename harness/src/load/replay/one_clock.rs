//! Deliveries whose sender and receiver have one clock, beside all deliveries.
//!
//! A part has every N-th user, whatever its rooms are, so what its users send one another is a sample of all deliveries that does not
//! depend on how late they are; and it is exact, since one clock has stamped both ends. All deliveries are more, and those between
//! parts are wrong by up to the clocks' bound. Where the two figures differ by more than the bound and chance explain, that is said.
//!
//! What chance explains is found out with the same deliveries: users are dealt to as many parts at random, again and again, and what is
//! sent within these is a sample of the same kind, whatever rooms, receivers and moments have in common.

use hdrhistogram::Histogram;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use sio_oracle::board::Nanos;

use crate::load::part_clocks::Clocks;
use crate::record::histogram::{empty, record};
use crate::record::{ByClock, ClocksDisagree, SignedSummary};

/// So often users are dealt to parts at random.
const DRAWS: usize = 20;
/// So much farther than the farthest of these samples the real one has to be from all deliveries.
const FARTHER: Nanos = 3;
/// So many values beyond a figure make it one: the p99 of three hundred is the third of them, which a single late broadcast decides.
const BEYOND: f64 = 30.0;
/// What is compared.
const FIGURES: [(&str, f64); 2] = [("p50", 0.5), ("p99", 0.99)];

/// The deliveries of the measured phases of a run in several parts; of any other run it keeps nothing.
pub(super) struct OneClock {
    clocks: Clocks,
    /// By draw, then by user: the part that it has.
    draws: Vec<Vec<u16>>,
    traffics: Vec<Samples>,
}

/// The deliveries of one traffic.
#[derive(Default)]
struct Samples {
    same_part: Signed,
    all: Signed,
    drawn: [Signed; DRAWS],
}

/// Latencies of either sign: a delivery between clocks that differ may seem to come ahead of its time.
#[derive(Default)]
struct Signed {
    /// How far below zero.
    below: Option<Histogram<u64>>,
    others: Option<Histogram<u64>>,
}

impl OneClock {
    pub(super) fn new(clocks: &Clocks, users: usize, traffics: usize) -> Self {
        let parts = clocks.shifts.len();
        let (users, traffics) = if parts > 1 { (users, traffics) } else { (0, 0) };
        Self {
            clocks: clocks.clone(),
            draws: deal(users, parts),
            traffics: (0..traffics).map(|_| Samples::default()).collect(),
        }
    }

    /// A message of a user has come to another so long after it was due.
    pub(super) fn note(&mut self, traffic: u16, (sender, receiver): (u32, u32), latency: Nanos) {
        let Some(samples) = self.traffics.get_mut(usize::from(traffic)) else { return };
        samples.all.record(latency);
        if self.clocks.is_one(sender, receiver) {
            samples.same_part.record(latency);
        }
        for (sample, parts) in samples.drawn.iter_mut().zip(&self.draws) {
            if parts[sender as usize] == parts[receiver as usize] {
                sample.record(latency);
            }
        }
    }

    /// What it comes to, of the traffics that have deliveries; `names` are those of all.
    pub(super) fn results<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<ByClock> {
        let of = |(samples, name): (&Samples, &str)| {
            (samples.all.len() > 0).then(|| ByClock {
                traffic: name.to_owned(),
                same_part: samples.same_part.summary(),
                all: samples.all.summary(),
                disagree: FIGURES.iter().filter_map(|figure| samples.disagree(*figure, self.clocks.within)).collect(),
            })
        };
        self.traffics.iter().zip(names).filter_map(of).collect()
    }
}

/// Deals users to parts of the same size, so many times.
fn deal(users: usize, parts: usize) -> Vec<Vec<u16>> {
    let mut order: Vec<usize> = (0..users).collect();
    // The same answer for the same parts.
    let mut random = StdRng::seed_from_u64(parts as u64);
    let mut draw = || {
        order.shuffle(&mut random);
        let mut part_of = vec![0; users];
        for (place, user) in order.iter().enumerate() {
            part_of[*user] = (place % parts) as u16;
        }
        part_of
    };
    (0..DRAWS).map(|_| draw()).collect()
}

impl Samples {
    /// Whether a figure of the sample is farther from that of all than the clocks and chance explain.
    fn disagree(&self, (figure, quantile): (&str, f64), within: Nanos) -> Option<ClocksDisagree> {
        let fewest = BEYOND / (1.0 - quantile);
        let has_enough = |sample: &&Signed| sample.len() as f64 >= fewest;
        if !has_enough(&&self.same_part) || self.drawn.iter().filter(has_enough).count() < DRAWS {
            return None;
        }
        let (same_part, all) = (self.same_part.quantile(quantile), self.all.quantile(quantile));
        let apart = self.drawn.iter().map(|sample| (sample.quantile(quantile) - all).abs());
        let by_chance = apart.max().unwrap_or(0).saturating_mul(FARTHER);
        // Histograms have three digits.
        let read = (same_part.abs() + all.abs()) / 500;
        let explained = within.saturating_add(by_chance).saturating_add(read);
        ((same_part - all).abs() > explained).then(|| ClocksDisagree {
            figure: figure.to_owned(),
            same_part,
            all,
            by_chance,
        })
    }
}

impl Signed {
    fn record(&mut self, value: Nanos) {
        let side = if value < 0 { &mut self.below } else { &mut self.others };
        record(side.get_or_insert_with(empty), value.unsigned_abs());
    }

    fn len(&self) -> u64 {
        [&self.below, &self.others].into_iter().flatten().map(Histogram::len).sum()
    }

    fn quantile(&self, quantile: f64) -> Nanos {
        let below = self.below.as_ref().map_or(0, Histogram::len);
        let rank = ((quantile * self.len() as f64).ceil() as u64).clamp(1, self.len().max(1));
        let at = |side: &Option<Histogram<u64>>, rank: u64| {
            // Half a step less, so that no rounding leads to the next one.
            side.as_ref().map_or(0, |side| side.value_at_quantile((rank as f64 - 0.5) / side.len() as f64) as Nanos)
        };
        if rank <= below { -at(&self.below, below - rank + 1) } else { at(&self.others, rank - below) }
    }

    fn summary(&self) -> SignedSummary {
        if self.len() == 0 {
            return SignedSummary::default();
        }
        let sum = |side: &Option<Histogram<u64>>| side.as_ref().map_or(0.0, |side| side.mean() * side.len() as f64);
        let last = |of: Option<u64>| of.map(|value| value as Nanos);
        let lowest = last(self.below.as_ref().map(Histogram::max)).map(|value| -value);
        let highest = last(self.others.as_ref().map(Histogram::max));
        SignedSummary {
            count: self.len(),
            min: lowest.or(last(self.others.as_ref().map(Histogram::min))).unwrap_or(0),
            mean: (sum(&self.others) - sum(&self.below)) / self.len() as f64,
            p50: self.quantile(0.5),
            p90: self.quantile(0.9),
            p99: self.quantile(0.99),
            p999: self.quantile(0.999),
            max: highest.or(last(self.below.as_ref().map(Histogram::min)).map(|value| -value)).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::random::{Purpose, Stream};

    const MILLI: Nanos = 1_000_000;
    const USERS: u32 = 40;

    /// Everybody sends everybody else a hundred messages, over clocks that are off by so much and said to be within a millisecond.
    fn told(parts: u32, off: impl Fn(u32) -> Nanos, least: Nanos) -> ByClock {
        let clocks = Clocks { shifts: vec![0; parts as usize], within: MILLI };
        let mut one = OneClock::new(&clocks, USERS as usize, 1);
        let mut dice = Stream::new(7, Purpose::Life, 0, 0);
        for sender in 0..USERS {
            // What the messages of a sender, and what their receivers have in common.
            let of_sender = Nanos::from(sender / 2 % 5) * 800_000;
            for receiver in (0..USERS).filter(|receiver| *receiver != sender) {
                for _ in 0..100 {
                    let latency = least + of_sender + Nanos::from(receiver) * 50_000 + (dice.unit() * 2e6) as Nanos;
                    one.note(0, (sender, receiver), latency + off(receiver % parts) - off(sender % parts));
                }
            }
        }
        one.results(["tell"].into_iter()).remove(0)
    }

    #[test]
    fn on_one_clock_a_part_is_a_sample_of_all() {
        for parts in [2, 4, 5] {
            let told = told(parts, |_| 0, MILLI);
            assert_eq!(told.all.count, u64::from(USERS * (USERS - 1) * 100));
            let share = told.same_part.count as f64 / told.all.count as f64;
            assert!((share - 1.0 / f64::from(parts)).abs() < 0.03, "{parts} parts: {share}");
            assert!(told.same_part.min >= told.all.min && told.same_part.max <= told.all.max);
            assert!(told.disagree.is_empty(), "{told:?}");
        }
    }

    /// A clock within its bound shows in the latencies between parts, below zero as well, and is what the bound is there for.
    #[test]
    fn a_clock_within_its_bound_is_shown() {
        let right = told(2, |_| 0, MILLI / 10);
        let off = told(2, |part| Nanos::from(part) * 900_000, MILLI / 10);
        assert_eq!(off.same_part, right.same_part, "one clock is never wrong");
        assert!(off.all.min < 0 && right.all.min > 0, "{off:?}");
        assert!((700_000..=910_000).contains(&(right.all.min - off.all.min)), "{right:?} {off:?}");
        assert!(off.disagree.is_empty(), "{off:?}");
    }

    #[test]
    fn a_clock_beyond_its_bound_is_said() {
        let off = told(2, |part| Nanos::from(part) * 12 * MILLI, 20 * MILLI);
        let p99 = off.disagree.iter().find(|found| found.figure == "p99").unwrap();
        assert!(p99.all > p99.same_part + 8 * MILLI && p99.by_chance < MILLI, "{off:?}");
    }

    /// Few values say nothing, however far apart the figures are.
    #[test]
    fn a_figure_of_few_values_accuses_no_clock() {
        let figures = |messages: u32| {
            let mut one = OneClock::new(&Clocks { shifts: vec![0; 4], within: MILLI }, USERS as usize, 1);
            for message in 0..messages {
                let (sender, receiver) = (message % USERS, (message * 7 + message / USERS) % USERS);
                // What crosses is late, and nothing else is.
                let late = if sender % 4 == receiver % 4 { MILLI } else { 50 * MILLI };
                one.note(0, (sender, receiver), late);
            }
            let told = one.results(["tell"].into_iter()).remove(0);
            told.disagree.into_iter().map(|found| found.figure).collect::<Vec<_>>()
        };
        assert_eq!(figures(100), [""; 0]);
        assert_eq!(figures(1_000), ["p50"]);
        assert_eq!(figures(20_000), ["p50", "p99"]);
    }

    #[test]
    fn quantiles_go_through_zero() {
        let mut signed = Signed::default();
        (-50..50).for_each(|value| signed.record(value * 1_000));
        let near = |value: Nanos, wanted: Nanos| (value - wanted).abs() <= wanted.abs() / 500 + 1;
        for (quantile, wanted) in
            [(0.0, -50_000), (0.01, -50_000), (0.5, -1_000), (0.51, 1), (0.9, 39_000), (1.0, 49_000)]
        {
            assert!(near(signed.quantile(quantile), wanted), "{quantile}: {}", signed.quantile(quantile));
        }
        let summary = signed.summary();
        assert!(near(summary.min, -50_000) && near(summary.max, 49_000) && (summary.mean + 500.0).abs() < 20.0);
        let mut below = Signed::default();
        below.record(-7);
        assert_eq!((below.summary().min, below.summary().p50, below.summary().max), (-7, -7, -7));
        assert_eq!(Signed::default().summary(), SignedSummary::default());
    }
}

//! Who comes when: a pure function of scenario and seed, the same for any number of workers.

use crate::load::random::{Purpose, Stream};
use crate::load::schedule::LoadCurve;
use crate::scenario::Scenario;
use crate::scenario::model::{ArrivalModel, Arrivals, Flow, Phase};

/// Somebody who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::load) struct Iteration {
    /// Nanoseconds on the run's clock.
    pub(in crate::load) at: u64,
    pub(in crate::load) journey: usize,
    /// Counted for each journey, from 0.
    pub(in crate::load) number: u64,
}

/// Everybody who comes, in the order of their times.
#[derive(Clone)]
pub(in crate::load) struct Iterations {
    curve: LoadCurve,
    length: f64,
    sources: Vec<Source>,
}

/// Those of one journey.
#[derive(Clone)]
struct Source {
    clock: Clock,
    number: u64,
    /// Seconds.
    next: Option<f64>,
}

/// Says when the next one comes.
#[derive(Clone)]
enum Clock {
    /// So many in all, at equal gaps, whatever the load is.
    Closed {
        left: u32,
        at: f64,
        gap: f64,
    },
    Poisson {
        random: Box<Stream>,
        load: f64,
        rate: f64,
    },
    Even {
        slot: u64,
        rate: f64,
    },
}

impl Clock {
    fn new(journey: &Flow, seed: u64, group: usize) -> Self {
        match journey.coming {
            ArrivalModel::Closed { count, connect } => {
                Self::Closed { left: count, at: 0.0, gap: 1.0 / connect.per_second }
            }
            ArrivalModel::Open { rate, arrivals: Arrivals::Poisson } => {
                let random = Box::new(Stream::new(seed, Purpose::Arrivals, group, 0));
                Self::Poisson { random, load: 0.0, rate: rate.per_second }
            }
            ArrivalModel::Open { rate, arrivals: Arrivals::Even } => Self::Even { slot: 0, rate: rate.per_second },
        }
    }

    fn next(&mut self, curve: &LoadCurve) -> Option<f64> {
        match self {
            Self::Closed { left, at, gap } => {
                *left = left.checked_sub(1)?;
                let now = *at;
                *at += *gap;
                Some(now)
            }
            Self::Poisson { random, load, rate } => {
                *load -= random.unit().ln() / *rate;
                curve.inverse(*load)
            }
            Self::Even { slot, rate } => {
                let load = (*slot as f64 + 0.5) / *rate;
                *slot += 1;
                curve.inverse(load)
            }
        }
    }
}

impl Iterations {
    pub(in crate::load) fn new(scenario: &Scenario) -> Self {
        let curve = LoadCurve::new(&scenario.phases);
        let length = scenario.phases.iter().map(|phase| phase.length.as_secs_f64()).sum();
        let sources = scenario.journeys.values().enumerate().map(|(group, journey)| {
            let mut clock = Clock::new(journey, scenario.seed, group);
            Source { next: clock.next(&curve), clock, number: 0 }
        });
        Self { sources: sources.collect(), curve, length }
    }
}

impl Iterator for Iterations {
    type Item = Iteration;

    fn next(&mut self) -> Option<Iteration> {
        let due = self.sources.iter().enumerate().filter_map(|(journey, source)| Some((journey, source.next?)));
        let (journey, at) = due.min_by(|(_, a), (_, b)| a.total_cmp(b)).filter(|(_, at)| *at < self.length)?;
        let source = &mut self.sources[journey];
        let number = source.number;
        source.number += 1;
        source.next = source.clock.next(&self.curve);
        Some(Iteration { at: (at * 1e9) as u64, journey, number })
    }
}

/// How many visitors come, on average; of those that come again and again, each counts once.
pub(in crate::load) fn expected(journey: &Flow, phases: &[Phase]) -> f64 {
    match journey.coming {
        ArrivalModel::Closed { count, .. } => f64::from(count),
        ArrivalModel::Open { rate, .. } => {
            let load = |phase: &Phase| f64::midpoint(phase.load.0, phase.load.1) * phase.length.as_secs_f64();
            rate.per_second * phases.iter().map(load).sum::<f64>()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::{self, source::Source as File};

    fn visitors(users: &str, seed: u64) -> Vec<Iteration> {
        let text = format!(
            "name = \"x\"\nseed = {seed}\n{users}\n[[phase]]\nname = \"a\"\nfor = \"2s\"\nload = \"0%..100%\"\n\
             [[phase]]\nname = \"b\"\nfor = \"3s\"\n"
        );
        let loaded = scenario::load(File { name: "t".to_owned(), text }, &[], None).unwrap();
        Iterations::new(&loaded.scenario).collect()
    }

    const STEP: &str = "flow = [{ connect = \"/\" }]";

    #[test]
    fn open_arrivals_follow_the_load() {
        let even = visitors(&format!("[users.v]\narrive = \"10/s\"\narrivals = \"even\"\n{STEP}"), 1);
        assert_eq!(even.len(), 40, "10/s over a ramp of 2 s and 3 s at full load");
        let in_ramp = even.iter().filter(|visitor| visitor.at < 2_000_000_000).count();
        assert_eq!(in_ramp, 10);
        let poisson = visitors(&format!("[users.v]\narrive = \"1_000/s\"\n{STEP}"), 1).len() as f64;
        assert!((3_700.0..4_300.0).contains(&poisson), "4000, give or take five standard deviations: {poisson}");
    }

    #[test]
    fn a_closed_crowd_comes_at_its_rate_whatever_the_load_is() {
        let crowd = visitors(&format!("[users.v]\ncount = 3\nconnect = \"2/s\"\n{STEP}"), 1);
        let times: Vec<_> = crowd.iter().map(|visitor| (visitor.at / 1_000_000, visitor.number)).collect();
        assert_eq!(times, [(0, 0), (500, 1), (1_000, 2)]);
    }

    proptest! {
        #[test]
        fn everybody_comes_in_order_and_within_the_run(seed: u64, rate in 1u32..500, count in 1u32..50) {
            let users = format!(
                "[users.a]\narrive = \"{rate}/s\"\n{STEP}\n[users.b]\ncount = {count}\nconnect = \"7/s\"\n{STEP}"
            );
            let seed = seed >> 1;
            let all = visitors(&users, seed);
            prop_assert!(all.windows(2).all(|pair| pair[0].at <= pair[1].at));
            prop_assert!(all.iter().all(|visitor| visitor.at < 5_000_000_000));
            for journey in 0..2 {
                let numbers: Vec<_> = all.iter().filter(|v| v.journey == journey).map(|v| v.number).collect();
                prop_assert_eq!(&numbers, &(0..numbers.len() as u64).collect::<Vec<_>>());
            }
            prop_assert_eq!(all, visitors(&users, seed));
        }
    }
}

//! Every message of a run, in the order of its intended times: a pure function of scenario and seed, made while it is
//! needed, so that a long run takes no more memory than a short one.

use std::collections::HashMap;
use std::sync::Arc;

use super::plan::Plan;
use super::random::{Purpose, Stream};
use crate::scenario::Scenario;
use crate::scenario::model::{Arrivals, Phase};
use crate::vocab::id::{Id, PhaseId};

/// One message to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Emission {
    /// Intended time: nanoseconds on the run's clock.
    pub(super) at: u64,
    pub(super) sender: u32,
    /// Its target: see [`Plan::stream`].
    pub(super) stream: u32,
    /// Number within its stream.
    pub(super) seq: u32,
    /// Number of the same sender's message ahead of this one in the stream, plus one; zero if there is none.
    previous: u32,
    /// Of the drawn room, plus one; zero if none is drawn.
    room: u32,
    pub(super) traffic: u16,
    pub(super) phase: PhaseId,
}

impl Emission {
    pub(super) fn previous(&self) -> Option<u32> {
        self.previous.checked_sub(1)
    }

    /// A message that stands in no schedule, to one of a sender's targets.
    pub(super) fn beside(plan: &Plan, sender: u32, traffic: usize, room: Option<u32>) -> Self {
        let stream = plan.stream(traffic, room, plan.users[sender as usize].node);
        let room = room.map_or(0, |room| room + 1);
        Self { at: 0, sender, stream, seq: 0, previous: 0, room, traffic: traffic as u16, phase: PhaseId::FIRST }
    }

    /// The room that was drawn for it.
    pub(super) fn room(&self) -> Option<u32> {
        self.room.checked_sub(1)
    }
}

/// The messages that have not been taken yet.
pub(super) struct Schedule {
    plan: Arc<Plan>,
    curve: LoadCurve,
    sources: Vec<Source>,
    /// How many messages each stream has had.
    numbers: Vec<u32>,
    /// The last number of a sender in a stream, plus one.
    last: HashMap<(u32, u32), u32>,
    phase: PhaseId,
}

/// The messages of one traffic.
struct Source {
    arrivals: Box<dyn Clock>,
    next: Option<Draft>,
}

/// A message before it is numbered.
#[derive(Clone, Copy)]
struct Draft {
    at: f64,
    sender: u32,
    room: Option<u32>,
}

/// Says when messages are due, and whose they are.
trait Clock: Send {
    fn next(&mut self, curve: &LoadCurve) -> Option<(f64, u32)>;
    fn random(&mut self) -> &mut Stream;
}

/// Independent Poisson senders of rate λ/N each are, together, a Poisson process of rate λ whose events belong to
/// each of them with equal chance.
struct Poisson {
    random: Stream,
    load: f64,
    rate: f64,
    first: u32,
    count: u32,
}

impl Clock for Poisson {
    fn next(&mut self, curve: &LoadCurve) -> Option<(f64, u32)> {
        self.load -= self.random.unit().ln() / self.rate;
        let at = curve.inverse(self.load)?;
        Some((at, self.first + self.random.below(self.count)))
    }

    fn random(&mut self) -> &mut Stream {
        &mut self.random
    }
}

/// Equal slots, dealt to the senders in a shuffled order.
struct Even {
    random: Stream,
    slot: u64,
    rate: f64,
    order: Vec<u32>,
}

impl Clock for Even {
    fn next(&mut self, curve: &LoadCurve) -> Option<(f64, u32)> {
        let at = curve.inverse((self.slot as f64 + 0.5) / self.rate)?;
        let sender = self.order[(self.slot % self.order.len() as u64) as usize];
        self.slot += 1;
        Some((at, sender))
    }

    fn random(&mut self) -> &mut Stream {
        &mut self.random
    }
}

impl Schedule {
    pub(super) fn new(scenario: &Scenario, plan: Arc<Plan>) -> Self {
        let curve = LoadCurve::new(&scenario.phases);
        let mut schedule = Self {
            numbers: vec![0; plan.streams() as usize],
            plan,
            curve,
            sources: Vec::new(),
            last: HashMap::new(),
            phase: PhaseId::FIRST,
        };
        for (index, traffic) in scenario.traffic.values().enumerate() {
            let by = schedule.plan.traffic[index].from;
            let crowd = &schedule.plan.populations[by];
            let (first, count) = (crowd.first, crowd.count);
            // The streams of different traffics must differ: the group of a stream is traffic and population.
            let group = index << 8 | by;
            let rate = traffic.rate.per_second;
            let arrivals: Box<dyn Clock> = match traffic.arrivals {
                Arrivals::Poisson => {
                    let random = Stream::new(scenario.seed, Purpose::Sending, group, 0);
                    Box::new(Poisson { random, load: 0.0, rate, first, count })
                }
                Arrivals::Even => {
                    let mut random = Stream::new(scenario.seed, Purpose::Order, group, 0);
                    let mut order: Vec<u32> = (first..first + count).collect();
                    for top in (1..order.len()).rev() {
                        order.swap(top, random.below(top as u32 + 1) as usize);
                    }
                    Box::new(Even { random, slot: 0, rate, order })
                }
            };
            schedule.sources.push(Source { arrivals, next: None });
            schedule.draw(index);
        }
        schedule
    }

    /// Draws the next message of a traffic.
    fn draw(&mut self, index: usize) {
        let source = &mut self.sources[index];
        source.next = source.arrivals.next(&self.curve).map(|(at, sender)| {
            let room = self.plan.traffic[index].drawn.map(|(first, count)| {
                let rooms = &self.plan.users[sender as usize].rooms;
                let from = rooms.partition_point(|room| *room < first);
                let to = rooms.partition_point(|room| *room < first + count);
                rooms[from + source.arrivals.random().below((to - from) as u32) as usize]
            });
            Draft { at, sender, room }
        });
    }
}

impl Iterator for Schedule {
    type Item = Emission;

    fn next(&mut self) -> Option<Emission> {
        let drafts = self.sources.iter().enumerate().filter_map(|(index, source)| Some((index, source.next?)));
        let (traffic, draft) = drafts.min_by(|(_, a), (_, b)| a.at.total_cmp(&b.at))?;
        self.draw(traffic);
        let at = (draft.at * 1e9) as u64;
        while self.phase.index() + 1 < self.plan.phases.len() && at >= self.plan.phases[self.phase].end {
            self.phase = self.phase.next();
        }
        let node = self.plan.users[draft.sender as usize].node;
        let stream = self.plan.stream(traffic, draft.room, node);
        let seq = self.numbers[stream as usize];
        self.numbers[stream as usize] += 1;
        let previous = self.last.insert((stream, draft.sender), seq + 1).unwrap_or(0);
        let room = draft.room.map_or(0, |room| room + 1);
        let (traffic, phase) = (traffic as u16, self.phase);
        Some(Emission { at, sender: draft.sender, stream, seq, previous, room, traffic, phase })
    }
}

/// The factor on every rate over time, as its integral: a phase of 10 s at 200 % is 20 load-seconds.
#[derive(Clone)]
pub(super) struct LoadCurve {
    segments: Vec<Segment>,
}

#[derive(Clone)]
struct Segment {
    start: f64,
    length: f64,
    from: f64,
    to: f64,
    before: f64,
}

impl LoadCurve {
    pub(super) fn new(phases: &[Phase]) -> Self {
        let (mut start, mut before) = (0.0, 0.0);
        let segments = phases
            .iter()
            .map(|phase| {
                let (from, to) = phase.load;
                let segment = Segment { start, length: phase.length.as_secs_f64(), from, to, before };
                start += segment.length;
                before += segment.area(segment.length);
                segment
            })
            .collect();
        Self { segments }
    }

    #[cfg(test)]
    fn total(&self) -> f64 {
        self.segments.last().map_or(0.0, |segment| segment.before + segment.area(segment.length))
    }

    /// The second at which the integral reaches `load`; `None` beyond the end.
    pub(super) fn inverse(&self, load: f64) -> Option<f64> {
        let segment = self.segments.iter().find(|segment| load < segment.before + segment.area(segment.length))?;
        let wanted = load - segment.before;
        let slope = (segment.to - segment.from) / segment.length;
        // from·x + slope·x²/2 = wanted, in the form that does not divide by a slope of zero.
        let root = (segment.from * segment.from + 2.0 * slope * wanted).max(0.0).sqrt();
        let x = 2.0 * wanted / (segment.from + root);
        Some(segment.start + x.clamp(0.0, segment.length))
    }
}

impl Segment {
    fn area(&self, x: f64) -> f64 {
        self.from * x + (self.to - self.from) * x * x / (2.0 * self.length.max(f64::MIN_POSITIVE))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::{self, source::Source};

    fn schedule(extra: &[(&str, &str)], arrivals: &str) -> (Arc<Plan>, Vec<Emission>) {
        let text = include_str!("../../../scenarios/fanout.toml").replace("\"poisson\"", &format!("\"{arrivals}\""));
        let overrides: Vec<_> = extra.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let source = Source { name: "fanout.toml".to_owned(), text };
        let loaded = scenario::load(source, &overrides, None).unwrap();
        let plan = Arc::new(Plan::new(&loaded.scenario, 1).unwrap());
        let emissions = Schedule::new(&loaded.scenario, plan.clone()).collect();
        (plan, emissions)
    }

    #[test]
    fn the_same_seed_gives_the_same_messages() {
        let (a, b) = (schedule(&[], "poisson"), schedule(&[], "poisson"));
        assert_eq!((&a.0.users, &a.1), (&b.0.users, &b.1));
    }

    #[test]
    fn rates_are_those_of_the_file() {
        for arrivals in ["poisson", "even"] {
            let (_, emissions) = schedule(&[("rate", "1_000/s")], arrivals);
            let in_phase = |phase| emissions.iter().filter(|e| e.phase == PhaseId::new(phase)).count() as f64;
            // 5 s ramp from 20 % to 100 %, 30 s at 100 %, 8 s at 300 %.
            for (phase, expected) in [(0, 3_000.0f64), (1, 30_000.0), (2, 24_000.0)] {
                let tolerance: f64 = if arrivals == "even" { 2.0 } else { 5.0 * f64::sqrt(expected) };
                assert!((in_phase(phase) - expected).abs() < tolerance, "{arrivals} {phase}: {}", in_phase(phase));
            }
        }
    }

    /// Gaps of an exponential distribution have a standard deviation that equals their mean, and every sender has
    /// its share.
    #[test]
    fn poisson_is_poisson() {
        let (plan, emissions) = schedule(&[("rate", "1_000/s"), ("people", "50")], "poisson");
        let steady: Vec<f64> = emissions.iter().filter(|e| e.phase == PhaseId::new(1)).map(|e| e.at as f64).collect();
        let gaps: Vec<f64> = steady.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05, "{mean} {}", variance.sqrt());
        let mut shares = vec![0f64; plan.users.len()];
        emissions.iter().for_each(|e| shares[e.sender as usize] += 1.0);
        let fair = emissions.len() as f64 / shares.len() as f64;
        assert!(shares.iter().all(|share| (share - fair).abs() < 6.0 * fair.sqrt()));
    }

    #[test]
    fn senders_send_to_rooms_they_are_in_and_numbers_are_dense() {
        let (plan, emissions) = schedule(&[("people", "100")], "poisson");
        let mut next = vec![0; plan.streams() as usize];
        let mut last = 0;
        let mut before = HashMap::new();
        for emission in &emissions {
            assert!(plan.users[emission.sender as usize].rooms.contains(&emission.room().unwrap()));
            let stream = emission.stream as usize;
            assert_eq!(emission.seq, next[stream]);
            next[stream] += 1;
            assert_eq!(emission.previous(), before.insert((emission.stream, emission.sender), emission.seq));
            assert!(emission.at >= last);
            last = emission.at;
            let phase = &plan.phases[emission.phase];
            assert!((phase.start..phase.end).contains(&emission.at));
        }
        assert!(plan.users.iter().all(|user| user.rooms.len() == 4));
    }

    proptest! {
        #[test]
        fn the_inverse_of_the_load_is_its_inverse(
            phases in prop::collection::vec((1u64..20, 0.0f64..3.0, 0.1f64..3.0), 1..5),
            share in 0.0f64..0.999,
        ) {
            let phases: Vec<_> = phases
                .into_iter()
                .map(|(seconds, from, to)| Phase {
                    name: String::new(),
                    length: std::time::Duration::from_secs(seconds),
                    load: (from, to),
                    measured: true,
                })
                .collect();
            let curve = LoadCurve::new(&phases);
            let load = share * curve.total();
            let at = curve.inverse(load).unwrap();
            let segment = curve.segments.iter().rev().find(|segment| segment.start <= at).unwrap();
            let back = segment.before + segment.area(at - segment.start);
            prop_assert!((back - load).abs() < 1e-6 * (1.0 + load), "{load} -> {at} -> {back}");
            prop_assert!(curve.inverse(curve.total() + 0.001).is_none());
        }
    }
}

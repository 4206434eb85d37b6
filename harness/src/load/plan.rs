//! Everything about a load that follows from scenario and seed: the same on one worker or sixteen.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use sio_oracle::{Audience, Ledger};

use crate::scenario::Scenario;
use crate::scenario::model::{Arrivals, Phase, Population, Traffic, Transport};

/// Emissions of one run; more do not fit the memory of the machines this is meant for.
const MAX_EMISSIONS: f64 = 20e6;

/// A load before it is sent.
#[derive(Debug)]
pub struct Plan {
    pub users: Vec<User>,
    /// Names of all rooms.
    pub rooms: Vec<String>,
    pub phases: Vec<PhasePlan>,
    /// By intended time.
    pub emissions: Vec<Emission>,
    pub traffic: Vec<String>,
    pub ledger: Arc<Ledger>,
    /// Emission of each audience's sequence number.
    pub audience_emissions: Vec<Vec<u32>>,
    /// First audience of each traffic; the others follow in the order of its rooms.
    audiences: Vec<AudienceRange>,
}

#[derive(Debug)]
struct AudienceRange {
    first_audience: u32,
    first_room: u32,
    rooms: u32,
}

/// One user.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    pub population: usize,
    pub transport: Transport,
    /// Nanoseconds after the first user's.
    pub connect_at: u64,
    /// Sorted.
    pub rooms: Vec<u32>,
}

/// One phase on the run's clock.
#[derive(Clone, Debug)]
pub struct PhasePlan {
    pub name: String,
    /// Nanoseconds.
    pub start: u64,
    pub end: u64,
    pub measured: bool,
}

/// One message to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emission {
    /// Intended time: nanoseconds on the run's clock.
    pub at: u64,
    pub sender: u32,
    pub traffic: u16,
    pub phase: u16,
    pub room: u32,
    /// Number within its audience.
    pub seq: u32,
}

/// What a random stream is for; each user has one of each.
#[derive(Clone, Copy)]
enum Purpose {
    Rooms = 1,
    Transport = 2,
    Sending = 3,
    Order = 4,
}

/// Uniform numbers from `(seed, purpose, group, index)`.
struct Stream(ChaCha8Rng);

impl Stream {
    fn new(seed: u64, purpose: Purpose, group: usize, index: u32) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream((purpose as u64) << 56 | (group as u64) << 40 | u64::from(index));
        Self(rng)
    }

    /// In (0, 1].
    fn unit(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, bound: u32) -> u32 {
        // Multiply-shift: a bias of 2^-32 is nothing here.
        ((u64::from(self.0.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// `count` different numbers below `bound`, sorted (Floyd).
    fn distinct(&mut self, count: u32, bound: u32) -> Vec<u32> {
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

impl Plan {
    /// Computes the plan. The error says why it cannot be run.
    pub fn new(scenario: &Scenario) -> Result<Self, String> {
        let (rooms, room_groups) = rooms(scenario);
        let users = users(scenario, &room_groups);
        let phases = phases(&scenario.phases);
        let curve = LoadCurve::new(&scenario.phases);
        let mut draft = Vec::new();
        for (index, traffic) in scenario.traffic.values().enumerate() {
            let expected = traffic.rate.per_second * curve.total();
            if draft.len() as f64 + expected > MAX_EMISSIONS {
                return Err(format!(
                    "the phases add up to {expected:.0} messages; at most {MAX_EMISSIONS:.0} can be run"
                ));
            }
            let first_room = room_groups[&traffic.room_group];
            schedule(scenario, index, traffic, &users, first_room, &curve, &mut draft);
        }
        draft.sort_unstable_by_key(|emission: &Emission| (emission.at, emission.sender, emission.traffic));
        let audiences = audience_ranges(scenario, &room_groups);
        let mut plan = Self {
            users,
            rooms,
            phases,
            emissions: draft,
            traffic: scenario.traffic.keys().cloned().collect(),
            ledger: Arc::default(),
            audience_emissions: Vec::new(),
            audiences,
        };
        plan.number(scenario);
        Ok(plan)
    }

    /// Gives each emission its phase and its number within its audience.
    fn number(&mut self, scenario: &Scenario) {
        let mut ledger = Ledger::default();
        for (range, traffic) in self.audiences.iter().zip(scenario.traffic.values()) {
            let audience = Audience::new(traffic.except_sender);
            ledger.audiences.extend(std::iter::repeat_n(audience, range.rooms as usize));
        }
        self.audience_emissions = vec![Vec::new(); ledger.audiences.len()];
        let mut previous = HashMap::new();
        let mut phase = 0;
        for index in 0..self.emissions.len() {
            let emission = self.emissions[index];
            while phase + 1 < self.phases.len() && emission.at >= self.phases[phase].end {
                phase += 1;
            }
            let audience = self.audience(&emission);
            let before = previous.get(&(audience, emission.sender)).copied();
            let seq = ledger.audiences[audience as usize].push(emission.sender, before);
            previous.insert((audience, emission.sender), seq);
            self.audience_emissions[audience as usize].push(index as u32);
            self.emissions[index] = Emission { seq, phase: phase as u16, ..emission };
        }
        self.ledger = Arc::new(ledger);
    }

    /// The audience of an emission: its traffic and its room.
    pub fn audience(&self, emission: &Emission) -> u32 {
        let range = &self.audiences[usize::from(emission.traffic)];
        range.first_audience + (emission.room - range.first_room)
    }

    /// The audiences a user belongs to.
    pub fn audiences_of(&self, user: &User) -> Vec<u32> {
        let ranges = self.audiences.iter();
        ranges
            .flat_map(|range| {
                let rooms = range.first_room..range.first_room + range.rooms;
                let here = user.rooms.iter().filter(move |room| rooms.contains(room));
                here.map(|room| range.first_audience + (room - range.first_room))
            })
            .collect()
    }

    /// Nanoseconds from the start of the first phase to the end of the last.
    pub fn length(&self) -> u64 {
        self.phases.last().map_or(0, |phase| phase.end)
    }

    /// Sockets that may be open at the same time: polling needs one for the GET and one for the POST, and the
    /// upgrade one more.
    pub fn sockets(&self) -> u64 {
        let each = |user: &User| match user.transport {
            Transport::WebSocket => 1,
            Transport::Polling => 2,
            Transport::Upgrade => 3,
        };
        self.users.iter().map(each).sum()
    }
}

fn rooms(scenario: &Scenario) -> (Vec<String>, IndexMap<String, u32>) {
    let mut names = Vec::new();
    let mut groups = IndexMap::new();
    for (group, spec) in &scenario.rooms {
        groups.insert(group.clone(), names.len() as u32);
        names.extend((0..spec.count).map(|index| format!("{group}-{index}")));
    }
    (names, groups)
}

fn users(scenario: &Scenario, room_groups: &IndexMap<String, u32>) -> Vec<User> {
    let mut users = Vec::new();
    for (population, spec) in scenario.populations.values().enumerate() {
        let gap = 1e9 / spec.connect.per_second;
        for index in 0..spec.count {
            let mut rooms = Vec::new();
            let mut stream = Stream::new(scenario.seed, Purpose::Rooms, population, index);
            for (group, count) in &spec.rooms {
                let first = room_groups[group];
                let drawn = stream.distinct(*count, scenario.rooms[group].count);
                rooms.extend(drawn.into_iter().map(|room| first + room));
            }
            rooms.sort_unstable();
            let transport = transport(spec, &mut Stream::new(scenario.seed, Purpose::Transport, population, index));
            let connect_at = (f64::from(index) * gap) as u64;
            users.push(User { population, transport, connect_at, rooms });
        }
    }
    users
}

fn transport(spec: &Population, stream: &mut Stream) -> Transport {
    let total: u32 = spec.transport.iter().map(|(_, weight)| weight).sum();
    let mut pick = stream.below(total);
    for (transport, weight) in &spec.transport {
        if pick < *weight {
            return *transport;
        }
        pick -= weight;
    }
    Transport::WebSocket
}

fn phases(phases: &[Phase]) -> Vec<PhasePlan> {
    let mut start = 0;
    phases
        .iter()
        .map(|phase| {
            let end = start + phase.length.as_nanos() as u64;
            let plan = PhasePlan { name: phase.name.clone(), start, end, measured: phase.measured };
            start = end;
            plan
        })
        .collect()
}

fn audience_ranges(scenario: &Scenario, room_groups: &IndexMap<String, u32>) -> Vec<AudienceRange> {
    let mut first_audience = 0;
    let ranges = scenario.traffic.values().map(|traffic| {
        let (first_room, rooms) = (room_groups[&traffic.room_group], scenario.rooms[&traffic.room_group].count);
        let range = AudienceRange { first_audience, first_room, rooms };
        first_audience += rooms;
        range
    });
    ranges.collect()
}

/// Adds the emissions of one traffic. By superposition, independent Poisson senders of rate λ/N are a Poisson
/// process of rate λ; `even` deals equal slots to the senders in a shuffled order.
fn schedule(
    scenario: &Scenario,
    index: usize,
    traffic: &Traffic,
    users: &[User],
    first_room: u32,
    curve: &LoadCurve,
    draft: &mut Vec<Emission>,
) {
    let population = scenario.populations.get_index_of(&traffic.by).unwrap_or(0);
    let senders: Vec<u32> =
        (0..users.len() as u32).filter(|&user| users[user as usize].population == population).collect();
    let group = first_room..first_room + scenario.rooms[&traffic.room_group].count;
    // The streams of different traffics must differ: the group of a stream is population and traffic.
    let stream_group = index << 8 | population;
    let mut add = |sender: u32, at: f64, stream: &mut Stream| {
        let rooms = &users[sender as usize].rooms;
        let mine: Vec<u32> = rooms.iter().copied().filter(|room| group.contains(room)).collect();
        let room = mine[stream.below(mine.len() as u32) as usize];
        draft.push(Emission { at: (at * 1e9) as u64, sender, traffic: index as u16, phase: 0, room, seq: 0 });
    };
    match traffic.arrivals {
        Arrivals::Poisson => {
            let rate = traffic.rate.per_second / senders.len() as f64;
            for &sender in &senders {
                let mut stream = Stream::new(scenario.seed, Purpose::Sending, stream_group, sender);
                let mut load = 0.0;
                loop {
                    load -= stream.unit().ln() / rate;
                    let Some(at) = curve.inverse(load) else { break };
                    add(sender, at, &mut stream);
                }
            }
        }
        Arrivals::Even => {
            let mut stream = Stream::new(scenario.seed, Purpose::Order, stream_group, 0);
            let mut order = senders.clone();
            for top in (1..order.len()).rev() {
                order.swap(top, stream.below(top as u32 + 1) as usize);
            }
            for slot in 0.. {
                let Some(at) = curve.inverse((f64::from(slot) + 0.5) / traffic.rate.per_second) else { break };
                add(order[slot as usize % order.len()], at, &mut stream);
            }
        }
    }
}

/// The factor on every rate over time, as its integral: a phase of 10 s at 200 % is 20 load-seconds.
struct LoadCurve {
    segments: Vec<Segment>,
}

struct Segment {
    start: f64,
    length: f64,
    from: f64,
    to: f64,
    before: f64,
}

impl LoadCurve {
    fn new(phases: &[Phase]) -> Self {
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

    fn total(&self) -> f64 {
        self.segments.last().map_or(0.0, |segment| segment.before + segment.area(segment.length))
    }

    /// The second at which the integral reaches `load`; `None` beyond the end.
    fn inverse(&self, load: f64) -> Option<f64> {
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

    fn plan(extra: &[(&str, &str)], arrivals: &str) -> Plan {
        let text = include_str!("../../../scenarios/fanout.toml").replace("\"poisson\"", &format!("\"{arrivals}\""));
        let overrides: Vec<_> = extra.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let source = Source { name: "fanout.toml".to_owned(), text };
        let loaded = scenario::load(source, &overrides, None).unwrap();
        Plan::new(&loaded.scenario).unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_plan() {
        let (a, b) = (plan(&[], "poisson"), plan(&[], "poisson"));
        assert_eq!((&a.users, &a.emissions, &a.ledger), (&b.users, &b.emissions, &b.ledger));
    }

    #[test]
    fn rates_are_those_of_the_file() {
        for arrivals in ["poisson", "even"] {
            let plan = plan(&[("rate", "1_000/s")], arrivals);
            let in_phase = |phase: u16| plan.emissions.iter().filter(|e| e.phase == phase).count() as f64;
            // 5 s ramp from 20 % to 100 %, 30 s at 100 %, 8 s at 300 %.
            for (phase, expected) in [(0u16, 3_000.0f64), (1, 30_000.0), (2, 24_000.0)] {
                let tolerance: f64 = if arrivals == "even" { 2.0 } else { 5.0 * f64::sqrt(expected) };
                assert!((in_phase(phase) - expected).abs() < tolerance, "{arrivals} {phase}: {}", in_phase(phase));
            }
        }
    }

    #[test]
    fn senders_send_to_rooms_they_are_in_and_numbers_are_dense() {
        let plan = plan(&[("people", "100")], "poisson");
        let mut next = vec![0; plan.ledger.audiences.len()];
        let mut last = 0;
        for emission in &plan.emissions {
            assert!(plan.users[emission.sender as usize].rooms.contains(&emission.room));
            let audience = plan.audience(emission) as usize;
            assert_eq!(emission.seq, next[audience]);
            next[audience] += 1;
            assert!(emission.at >= last);
            last = emission.at;
            let phase = &plan.phases[usize::from(emission.phase)];
            assert!((phase.start..phase.end).contains(&emission.at));
        }
        for user in &plan.users {
            assert_eq!(user.rooms.len(), 4);
            assert_eq!(plan.audiences_of(user), user.rooms);
        }
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

        #[test]
        fn rooms_are_distinct(count in 1u32..20, more in 0u32..50, seed: u64) {
            let rooms = Stream::new(seed, Purpose::Rooms, 0, 0).distinct(count, count + more);
            prop_assert_eq!(rooms.len() as u32, count);
            prop_assert!(rooms.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(rooms.iter().all(|room| *room < count + more));
        }
    }
}

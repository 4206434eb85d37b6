//! Everything about a load that follows from scenario and seed, except the messages (`schedule`): the same on one
//! worker or sixteen.

use std::collections::HashMap;

use indexmap::{IndexMap, IndexSet};
use sio_oracle::Tri;

use super::random::{Purpose, Stream};
use super::schedule::Emission;
use super::size;
use crate::scenario::Scenario;
use crate::scenario::model::{
    ArrivalModel, Flow, FlowStep, Phase, Population, Reach, RoomNames, RoomRef, Topology, Transport,
};
use crate::vocab::id::{Id, IdVec, PhaseId};

/// Messages of one run: their numbers have four bytes.
const MAX_EMISSIONS: f64 = 4e9;

/// A load before it is sent.
#[derive(Debug)]
pub struct Plan {
    pub seed: u64,
    pub users: Vec<User>,
    pub populations: Vec<PopulationPlan>,
    pub rooms: Vec<Room>,
    pub phases: IdVec<PhaseId, PhasePlan>,
    pub traffic: Vec<TrafficPlan>,
    /// Names of the populations that follow a flow.
    pub journeys: Vec<String>,
    /// Connections of those of them that are always so many.
    visitors: u64,
    /// Names of what is measured in flows, and ahead of connections.
    pub steps: IndexSet<String>,
    /// So many of them, the first, are of `enter`: users come ahead of the phases, too, so each counts whenever it was.
    pub entering: usize,
    /// How many servers there are.
    pub nodes: u32,
    /// How they stand to one another: in a cluster a stream is one for all of them, otherwise each has its own.
    pub topology: Topology,
    /// For each room, the streams of node 0 that it is among the rooms of.
    reached_by: Vec<Vec<u32>>,
    /// For each room, the streams of node 0 that leave it out.
    spared_by: Vec<Vec<u32>>,
    /// Streams of one node.
    streams_per_node: u32,
}

/// One population.
#[derive(Clone, Debug)]
pub struct PopulationPlan {
    pub name: String,
    /// Its users have successive numbers.
    pub first: u32,
    pub count: u32,
    pub namespaces: Vec<String>,
    /// Its users have links of their own, which are sockets as well.
    pub linked: bool,
}

/// One room.
#[derive(Clone, Debug)]
pub struct Room {
    pub name: String,
    pub namespace: String,
    /// The one after it in its group; itself if it is alone.
    pub next: u32,
}

/// One user.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    pub population: usize,
    pub node: u32,
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
    /// Factor on every rate at the start and at the end.
    pub load: (f64, f64),
}

/// One traffic.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own")]
pub struct TrafficPlan {
    pub name: String,
    pub from: usize,
    pub namespace: String,
    /// The group its rooms are drawn from: the first, and how many there are.
    pub drawn: Option<(u32, u32)>,
    /// The first of its streams at node 0; one for each room that can be drawn, or one alone.
    pub first_stream: u32,
    pub spares_sender: bool,
    pub volatile: bool,
    /// Whether the application may say its messages again to who joins later.
    pub history: bool,
    /// Whether everybody in the namespace gets it.
    pub everybody: bool,
    /// Whether anybody gets it: otherwise nothing shows that it crossed, and it is sent no more often than the schedule says.
    pub delivers: bool,
    /// Whether its messages are acknowledged.
    pub ack: bool,
}

impl Plan {
    /// Computes the plan. The error says why it cannot be run.
    pub fn new(scenario: &Scenario, nodes: u32) -> Result<Self, String> {
        size::check(scenario)?;
        let (rooms, groups) = rooms(scenario);
        let (users, populations) = users(scenario, &groups, nodes);
        let phases = phases(&scenario.phases);
        let mut plan = Self {
            seed: scenario.seed,
            users,
            populations,
            reached_by: vec![Vec::new(); rooms.len()],
            spared_by: vec![Vec::new(); rooms.len()],
            rooms,
            phases,
            traffic: Vec::new(),
            journeys: scenario.journeys.keys().cloned().collect(),
            entering: 0,
            steps: IndexSet::new(),
            visitors: scenario.journeys.values().map(connections).sum(),
            nodes,
            topology: scenario.target.topology(nodes),
            streams_per_node: 0,
        };
        plan.note_steps(scenario);
        for (name, traffic) in &scenario.traffic {
            let drawn = traffic.room_group.as_ref().map(|group| (groups[group], scenario.rooms[group].count));
            let from = scenario.populations.get_index_of(&traffic.from).unwrap_or(0);
            let first_stream = plan.streams_per_node;
            let nobody = Reach::default();
            let delivers_to = traffic.delivers_to.as_ref().unwrap_or(&nobody);
            plan.address(delivers_to, drawn, &groups);
            plan.traffic.push(TrafficPlan {
                name: name.clone(),
                from,
                namespace: traffic.namespace.clone(),
                drawn,
                first_stream,
                spares_sender: delivers_to.except_sender,
                volatile: delivers_to.volatile,
                history: delivers_to.history,
                delivers: traffic.delivers_to.is_some(),
                everybody: traffic.delivers_to.as_ref().is_some_and(|delivers_to| delivers_to.rooms.is_empty()),
                ack: traffic.ack.is_some(),
            });
        }
        let load: f64 = scenario
            .phases
            .iter()
            .map(|phase| f64::midpoint(phase.load.0, phase.load.1) * phase.length.as_secs_f64())
            .sum();
        let expected: f64 = scenario.traffic.values().map(|traffic| traffic.rate.per_second * load).sum();
        if expected > MAX_EMISSIONS {
            return Err(format!("the phases add up to {expected:.0} messages; at most {MAX_EMISSIONS:.0} can be run"));
        }
        Ok(plan)
    }

    /// Notes the names of everything that is measured in steps.
    fn note_steps(&mut self, scenario: &Scenario) {
        let mut note = |step: &FlowStep| {
            if step.deed.is_measured() {
                self.steps.insert(step.name.clone());
            }
        };
        scenario.populations.values().for_each(|users| users.visit_enter(&mut note));
        self.entering = self.steps.len();
        let mut note = |step: &FlowStep| {
            if step.deed.is_measured() {
                self.steps.insert(step.name.clone());
            }
        };
        scenario.journeys.values().for_each(|journey| journey.visit(&mut note));
    }

    /// Whether what a step took in a phase counts where no phase is named.
    pub fn counts(&self, step: usize, phase: PhaseId) -> bool {
        step < self.entering || self.phases[phase].measured
    }

    /// Notes which rooms the streams of one traffic reach and spare.
    fn address(&mut self, reach: &Reach, drawn: Option<(u32, u32)>, groups: &IndexMap<String, u32>) {
        let (first, count) = drawn.unwrap_or((0, 1));
        for index in 0..count {
            let stream = self.streams_per_node + index;
            let room = |room: &RoomRef| match room {
                RoomRef::Drawn => first + index,
                RoomRef::Next => first + (index + 1) % count,
                RoomRef::Named { group, index } => groups[group] + index,
            };
            for room in reach.rooms.iter().map(room) {
                let streams = &mut self.reached_by[room as usize];
                if streams.last() != Some(&stream) {
                    streams.push(stream);
                }
            }
            reach.except.iter().map(room).for_each(|room| self.spared_by[room as usize].push(stream));
        }
        self.streams_per_node += count;
    }

    /// Whether messages cross from server to server.
    pub fn is_cluster(&self) -> bool {
        self.topology == Topology::Cluster
    }

    /// The first stream of a node.
    fn first_stream(&self, node: u32) -> u32 {
        if self.is_cluster() { 0 } else { node * self.streams_per_node }
    }

    /// All streams of all nodes.
    pub fn streams(&self) -> u32 {
        if self.is_cluster() { self.streams_per_node } else { self.streams_per_node * self.nodes }
    }

    /// The stream of a message: its traffic, its room and the node of its sender.
    pub fn stream(&self, traffic: usize, room: Option<u32>, node: u32) -> u32 {
        let traffic = &self.traffic[traffic];
        let index = match (traffic.drawn, room) {
            (Some((first, _)), Some(room)) => room - first,
            _ => 0,
        };
        self.first_stream(node) + traffic.first_stream + index
    }

    /// The streams that could reach a user in a namespace, and whether it is in their target once it is in all its
    /// rooms.
    pub fn streams_of(&self, user: &User, namespace: &str) -> Vec<(u32, Tri)> {
        let base = self.first_stream(user.node);
        let here = || user.rooms.iter().filter(|room| self.rooms[**room as usize].namespace == namespace);
        let mut streams: Vec<u32> = here().flat_map(|room| self.reached_by[*room as usize].iter().copied()).collect();
        for traffic in self.traffic.iter().filter(|traffic| traffic.everybody && traffic.namespace == namespace) {
            let count = traffic.drawn.map_or(1, |(_, count)| count);
            streams.extend(traffic.first_stream..traffic.first_stream + count);
        }
        streams.sort_unstable();
        streams.dedup();
        let spared: Vec<u32> = here().flat_map(|room| self.spared_by[*room as usize].iter().copied()).collect();
        let value = |stream: &u32| if spared.contains(stream) { Tri::F } else { Tri::T };
        streams.iter().map(|stream| (base + stream, value(stream))).collect()
    }

    /// The rooms that a message may name.
    pub(super) fn room_names(&self, emission: &Emission) -> RoomNames<'_> {
        let room = emission.room().map(|room| &self.rooms[room as usize]);
        room.map_or_else(RoomNames::default, |room| RoomNames {
            room: &room.name,
            next: &self.rooms[room.next as usize].name,
        })
    }

    /// Whether a user is among those whom a message is for, sender or not, when it is in all its rooms.
    pub fn is_addressed(&self, user: &User, stream: u32) -> bool {
        let namespaces = &self.populations[user.population].namespaces;
        namespaces.iter().any(|namespace| self.streams_of(user, namespace).contains(&(stream, Tri::T)))
    }

    /// Nanoseconds from the start of the first phase to the end of the last.
    pub fn length(&self) -> u64 {
        self.phases.last().map_or(0, |phase| phase.end)
    }

    /// The phase at a time of the run's clock; the last one behind its end.
    pub fn phase_at(&self, at: i64) -> PhaseId {
        let found = self.phases.find(|phase| at < phase.end as i64);
        found.unwrap_or_else(|| PhaseId::new(self.phases.len().saturating_sub(1)))
    }

    /// When the first measured phase begins, in nanoseconds; never, if there is none.
    pub fn judged_from(&self) -> u64 {
        self.phases.iter().find(|phase| phase.measured).map_or(u64::MAX, |phase| phase.start)
    }

    /// Whether the load is the same at each moment of the measured phases.
    pub fn is_level(&self) -> bool {
        let mut loads =
            self.phases.iter().filter(|phase| phase.measured).flat_map(|phase| [phase.load.0, phase.load.1]);
        let first = loads.next();
        loads.all(|load| Some(load) == first)
    }

    /// Sockets that may be open at the same time.
    pub fn sockets(&self) -> u64 {
        // A link listens, and has two ends for each connection.
        let with_link = |user: &User| {
            let each = user.transport.connections();
            if self.populations[user.population].linked { 1 + 3 * each } else { each }
        };
        self.visitors + self.users.iter().map(with_link).sum::<u64>()
    }

    /// Connections to the target that may be open at the same time.
    pub fn connections(&self) -> u64 {
        self.visitors + self.users.iter().map(|user| user.transport.connections()).sum::<u64>()
    }
}

/// What the visitors of a journey may need at the same time, as far as that can be known.
fn connections(journey: &Flow) -> u64 {
    let ArrivalModel::Closed { count, .. } = journey.coming else { return 0 };
    let each = journey.transport.iter().map(|(transport, _)| transport.connections()).max().unwrap_or(1);
    u64::from(count) * each
}

fn rooms(scenario: &Scenario) -> (Vec<Room>, IndexMap<String, u32>) {
    let mut rooms = Vec::new();
    let mut groups = IndexMap::new();
    for (group, spec) in &scenario.rooms {
        let first = rooms.len() as u32;
        groups.insert(group.clone(), first);
        rooms.extend((0..spec.count).map(|index| Room {
            name: format!("{group}-{index}"),
            namespace: spec.namespace.clone(),
            next: first + (index + 1) % spec.count,
        }));
    }
    (rooms, groups)
}

fn users(scenario: &Scenario, groups: &IndexMap<String, u32>, nodes: u32) -> (Vec<User>, Vec<PopulationPlan>) {
    let dealt: Vec<Deal> = scenario.rooms.keys().enumerate().map(|(index, name)| deal(scenario, index, name)).collect();
    let mut users = Vec::new();
    let mut crowds = Vec::new();
    for (population, (name, spec)) in scenario.populations.iter().enumerate() {
        let gap = 1e9 / spec.connect.per_second;
        crowds.push(PopulationPlan {
            name: name.clone(),
            first: users.len() as u32,
            count: spec.count,
            namespaces: spec.namespaces.clone(),
            linked: spec.link.is_some(),
        });
        for index in 0..spec.count {
            let mut rooms = Vec::new();
            let mut stream = Stream::new(scenario.seed, Purpose::Rooms, population, index);
            for (group, count) in &spec.rooms {
                let first = groups[group];
                let all = scenario.rooms[group].count;
                let dealt = scenario.rooms.get_index_of(group).and_then(|group| dealt[group].get(&(population, index)));
                match dealt {
                    Some(from) => rooms.extend((0..*count).map(|next| first + (from + next) % all)),
                    None => rooms.extend(stream.distinct(*count, all).into_iter().map(|room| first + room)),
                }
            }
            rooms.sort_unstable();
            let transport = transport(spec, &mut Stream::new(scenario.seed, Purpose::Transport, population, index));
            let connect_at = (f64::from(index) * gap) as u64;
            users.push(User { population, node: index % nodes, transport, connect_at, rooms });
        }
    }
    (users, crowds)
}

/// The first room of each user, by population and number in it.
type Deal = HashMap<(usize, u32), u32>;

/// Deals users to the rooms of a group that are to be of one size: in an order that is drawn, each to the next rooms. So
/// their members differ by one at most.
fn deal(scenario: &Scenario, index: usize, group: &str) -> Deal {
    let spec = &scenario.rooms[group];
    let mut deal = Deal::new();
    if !spec.dealt {
        return deal;
    }
    let mut order = Vec::new();
    for (population, users) in scenario.populations.values().enumerate() {
        if let Some((_, count)) = users.rooms.iter().find(|(name, _)| name == group) {
            order.extend((0..users.count).map(|user| (population, user, *count)));
        }
    }
    let mut random = Stream::new(scenario.seed, Purpose::Deal, index, 0);
    for top in (1..order.len()).rev() {
        order.swap(top, random.below(top as u32 + 1) as usize);
    }
    let mut next = 0_u64;
    for (population, user, count) in order {
        deal.insert((population, user), (next % u64::from(spec.count)) as u32);
        next += u64::from(count);
    }
    deal
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

fn phases(phases: &[Phase]) -> IdVec<PhaseId, PhasePlan> {
    let mut start = 0;
    phases
        .iter()
        .map(|phase| {
            let end = start + phase.length.as_nanos() as u64;
            let plan = PhasePlan { name: phase.name.clone(), start, end, measured: phase.measured, load: phase.load };
            start = end;
            plan
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, source::Source};

    fn plan(reaches: &str) -> Plan {
        let text = format!(
            "name = \"x\"\n[actions]\n\"join(r)\" = {{ emit = [\"join\", \"${{r}}\"], ack = true }}\n\
             [rooms.a]\ncount = 3\njoin = [\"join\", \"${{room}}\"]\n\
             [rooms.quiet]\ncount = 1\njoin = [\"join\", \"${{room}}\"]\n\
             [users.u]\ncount = 3\nin = {{ a = 3 }}\n[users.v]\ncount = 1\nin = {{ a = 1, quiet = 1 }}\n\
             [traffic.t]\nfrom = \"u\"\nrate = \"1/s\"\nemit = [\"say\", \"${{payload}}\"]\n\
             delivers_to = {{ event = \"say\", {reaches} }}\n[[phase]]\nname = \"p\"\nfor = \"1s\"\n"
        );
        let loaded = scenario::load(Source { name: "t".to_owned(), text }, &[], None).unwrap();
        Plan::new(&loaded.scenario, 2).unwrap()
    }

    #[test]
    fn a_union_reaches_both_rooms_and_an_exception_wins() {
        let plan = plan("rooms = [\"${room}\", \"${room.next}\"], except = [\"sender\", \"quiet-0\"]");
        assert_eq!(plan.streams(), 6, "a room and a node each");
        let of = |user: usize| plan.streams_of(&plan.users[user], "/");
        assert_eq!(of(0), [(0, Tri::T), (1, Tri::T), (2, Tri::T)]);
        assert_eq!(of(1), [(3, Tri::T), (4, Tri::T), (5, Tri::T)], "the other node");
        let quiet = of(3);
        assert_eq!(quiet.len(), 2, "its room, and the one ahead of it");
        assert!(quiet.iter().all(|(_, value)| *value == Tri::F));
        assert!(!plan.is_addressed(&plan.users[3], quiet[0].0));
    }

    #[test]
    fn rooms_of_one_size_have_as_many_members() {
        let text = |rooms: &str| {
            format!(
                "name = \"x\"\n[vars]\npeople = 40\n[actions]\n\"join(r)\" = {{ emit = [\"join\", \"${{r}}\"], ack = true }}\n\
                 [rooms.a]\n{rooms}\njoin = [\"join\", \"${{room}}\"]\n[users.u]\ncount = \"${{people}}\"\nin = {{ a = 2 }}\n\
                 [users.v]\ncount = 23\nin = {{ a = 1 }}\n[users.w]\ncount = 9\n\
                 [traffic.t]\nfrom = \"u\"\nrate_each = \"0.5/s\"\nemit = [\"say\", \"${{payload}}\"]\nack = true\n\
                 [[phase]]\nname = \"p\"\nfor = \"1s\"\n"
            )
        };
        let load = |rooms: &str| scenario::load(Source { name: "t".to_owned(), text: text(rooms) }, &[], None);
        let loaded = load("size = 10").unwrap();
        assert!(
            (loaded.scenario.traffic["t"].rate.per_second - 20.0).abs() < 1e-9,
            "forty users, each every two seconds"
        );
        let plan = Plan::new(&loaded.scenario, 1).unwrap();
        assert_eq!(plan.rooms.len(), 11, "103 places in rooms of ten");
        let members = |room: u32| plan.users.iter().filter(|user| user.rooms.contains(&room)).count();
        let sizes: Vec<_> = (0..11).map(members).collect();
        assert!(sizes.iter().all(|size| (9..=10).contains(size)), "{sizes:?}");
        assert_eq!(sizes.iter().sum::<usize>(), 103, "nobody is twice in a room");
        assert_ne!(plan.users[0].rooms, [0, 1], "in an order that is drawn");
        for (rooms, expected) in [
            ("size = 10\ncount = 11", "11 rooms of 10 are 110 places, and users take 103"),
            ("namespace = \"/\"", "needs `count`"),
            ("size = 103", "a user cannot be in 2 of 1 rooms"),
            ("size = 0", "at least 1"),
        ] {
            let wrong = load(rooms).unwrap_err();
            assert!(wrong.contains(expected), "{rooms}: {wrong}");
        }
        assert_eq!(Plan::new(&load("size = 1\ncount = 103").unwrap().scenario, 1).unwrap().rooms.len(), 103);
    }

    #[test]
    fn without_rooms_everybody_is_meant() {
        let plan = plan("rooms = []");
        assert_eq!(plan.streams(), 2);
        assert_eq!(plan.streams_of(&plan.users[3], "/"), [(0, Tri::T)]);
        assert_eq!(plan.streams_of(&plan.users[3], "/other"), []);
    }

    #[test]
    fn a_named_room_is_the_same_for_all_messages() {
        let plan = plan("rooms = [\"quiet-0\"]");
        assert_eq!(plan.streams(), 2);
        assert_eq!(plan.streams_of(&plan.users[0], "/"), []);
        assert_eq!(plan.streams_of(&plan.users[3], "/"), [(0, Tri::T)]);
    }
}

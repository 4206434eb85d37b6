//! Puts together what the workers found.

use std::collections::{BTreeMap, HashMap};

use hdrhistogram::Histogram;
use indexmap::IndexMap;

use super::chaos::FaultEvent;
use super::fanout::Places;
use super::losses::Losses;
use super::measurements::{Across, Key, Measure, PhaseCounts, SoFar, UserCounters};
use super::other_runs::Strangers;
use super::outliers;
use super::plan::Plan;
use super::shared::Shared;
use super::worker::WorkerResult;
use crate::record::histogram::{empty, summary};
use crate::record::{
    Among, ClusterResult, Counts, Due, FlowPhase, FlowResult, Iterations, LoadResult, NodePair, PhaseResult,
    PlaceResult, Recovery, StepPhase, StepResult, Summary, TrafficResult, Transports, Users, Wire,
};
use crate::scenario::Scenario;

/// All distributions of a run, merged over workers and seconds.
#[derive(Default)]
pub(super) struct Histograms(HashMap<Key, Histogram<u64>>);

impl Histograms {
    /// Adds one; merging is exact.
    pub(super) fn add(&mut self, key: Key, histogram: &Histogram<u64>) {
        let sum = self.0.entry(key).or_insert_with(empty);
        // Both have the same bounds.
        let _ = sum.add(histogram);
    }

    /// Lets go of what was measured of a kind.
    pub(super) fn forget(&mut self, wanted: impl Fn(Measure) -> bool) {
        self.0.retain(|key, _| !wanted(key.measure));
    }

    /// As [`sum`](Self::sum), for the receivers of one population.
    pub(super) fn sum_for(
        &self,
        measure: Measure,
        of: usize,
        users: usize,
        wanted: impl Fn(usize) -> bool,
    ) -> Option<Histogram<u64>> {
        self.sum_of(|key| key.measure == measure && key.of == of && key.users == users && wanted(key.phase))
    }

    /// The sum over the phases that `wanted` takes; `None` when nothing was recorded.
    pub(super) fn sum(&self, measure: Measure, of: usize, wanted: impl Fn(usize) -> bool) -> Option<Histogram<u64>> {
        self.sum_of(|key| key.measure == measure && key.of == of && wanted(key.phase))
    }

    fn sum_of(&self, wanted: impl Fn(&Key) -> bool) -> Option<Histogram<u64>> {
        let mut total: Option<Histogram<u64>> = None;
        for (_, histogram) in self.0.iter().filter(|(key, _)| wanted(key)) {
            // All have the same bounds.
            let _ = total.get_or_insert_with(empty).add(histogram);
        }
        total
    }

    pub(super) fn summary(&self, measure: Measure, of: usize, wanted: impl Fn(usize) -> bool) -> Option<Summary> {
        self.sum(measure, of, wanted).map(|histogram| summary(&histogram))
    }
}

/// What a worker has counted.
#[derive(Clone, Copy)]
struct Part<'a> {
    counts: &'a [Vec<PhaseCounts>],
    tally: &'a UserCounters,
}

/// What the workers have counted so far: users, flows and messages, without any distribution.
pub(super) fn so_far(plan: &Plan, workers: &[SoFar]) -> LoadResult {
    let parts: Vec<_> = workers.iter().map(|worker| Part { counts: &worker.counts, tally: &worker.tally }).collect();
    let nothing = Histograms::default();
    let mut load = LoadResult {
        users: users(plan, &parts),
        recovery: recovery(plan, &parts),
        iterations: journeys(plan, &parts),
        transports: transports(&parts),
        traffic: (0..plan.traffic.len()).map(|index| traffic(index, plan, &parts, &nothing, Vec::new())).collect(),
        ..LoadResult::default()
    };
    // What could not be recognised may be of any traffic of which nothing was.
    let unread: u64 = load.traffic.iter().map(|traffic| traffic.counts.unidentified + traffic.counts.altered).sum();
    for (index, traffic) in load.traffic.iter_mut().enumerate() {
        traffic.undecided = unread > 0 && workers.iter().all(|worker| worker.copies[index] == 0);
    }
    load
}

fn users(plan: &Plan, parts: &[Part<'_>]) -> Users {
    let sum = |field: fn(&UserCounters) -> u64| parts.iter().map(|part| field(part.tally)).sum::<u64>();
    Users {
        requested: plan.users.len() as u64,
        connected: sum(|tally| tally.open),
        failed: sum(|tally| tally.failed),
        disconnected: sum(|tally| tally.lost),
        sessions: sum(|tally| tally.sessions),
        churned: sum(|tally| tally.churned),
        dropped: sum(|tally| tally.dropped),
        broken: sum(|tally| tally.broken),
        interrupted: sum(|tally| tally.interrupted),
        stalled: sum(|tally| tally.stalls),
    }
}

fn transports(parts: &[Part<'_>]) -> Transports {
    let mut sum = Transports::default();
    parts.iter().for_each(|part| sum += part.tally.transports);
    sum
}

fn recovery(plan: &Plan, parts: &[Part<'_>]) -> IndexMap<String, Recovery> {
    let recovery = plan.phases.iter().enumerate().map(|(index, phase)| {
        let of = |field: fn(&(u64, u64)) -> u64| parts.iter().map(|part| field(&part.tally.asked_back[index])).sum();
        (phase.name.clone(), Recovery { asked: of(|asked| asked.0), recovered: of(|asked| asked.1) })
    });
    recovery.filter(|(_, recovery)| recovery.asked > 0).collect()
}

/// The result as it is recorded.
pub(super) fn summarize(
    scenario: &Scenario,
    plan: &Plan,
    workers: &[WorkerResult],
    histograms: &Histograms,
    places: &Places,
) -> LoadResult {
    let sum = |field: fn(&WorkerResult) -> u64| workers.iter().map(field).sum::<u64>();
    let mut problems: IndexMap<String, u64> = IndexMap::new();
    for (problem, times) in workers.iter().flat_map(|worker| &worker.found.tally.problems) {
        *problems.entry(problem.clone()).or_default() += times;
    }
    let measured = |phase: usize| plan.phases[phase].measured;
    let late_by_phase = plan.phases.iter().enumerate().map(|(index, phase)| {
        (phase.name.clone(), histograms.summary(Measure::Late, 0, |phase| phase == index).unwrap_or_default())
    });
    let by_phase = |measure| {
        plan.phases.iter().enumerate().filter_map(move |(index, phase)| {
            Some((phase.name.clone(), histograms.summary(measure, 0, |phase| phase == index)?))
        })
    };
    let found = workers.iter().map(|worker| &worker.found);
    let parts: Vec<_> = found.map(|found| Part { counts: &found.counts, tally: &found.tally }).collect();
    let mut result = LoadResult {
        scenario: scenario.name.clone(),
        nodes: u64::from(plan.nodes),
        workers: workers.len(),
        users: users(plan, &parts),
        reconnect: by_phase(Measure::Reconnect).collect(),
        recovery: recovery(plan, &parts),
        fence: histograms.summary(Measure::Fence, 0, |_| true).unwrap_or_default(),
        stale: sum(|worker| worker.found.tally.stale),
        resent: sum(|worker| worker.found.tally.resent),
        traffic: traffics(scenario, plan, workers, histograms, places),
        connect: histograms.summary(Measure::Connect, 0, |_| true).unwrap_or_default(),
        late: histograms.summary(Measure::Late, 0, measured).unwrap_or_default(),
        read: histograms.summary(Measure::Read, 0, measured).unwrap_or_default(),
        queue: histograms.summary(Measure::Queue, 0, measured).unwrap_or_default(),
        late_by_phase: late_by_phase.collect(),
        wire: Wire { received: sum(|worker| worker.wire.received), sent: sum(|worker| worker.wire.sent), payload: 0 },
        worker_time: workers.iter().filter_map(|worker| worker.time).collect(),
        foreign: sum(|worker| worker.found.tally.foreign),
        among: workers.iter().fold(Among::default(), |mut sum, worker| {
            sum += worker.found.tally.among;
            sum
        }),
        other_runs: Strangers::sum(workers.iter().map(|worker| &worker.found.tally.strangers)),
        negative: sum(|worker| worker.found.tally.negative),
        unsettled: sum(|worker| worker.found.tally.unsettled),
        transports: transports(&parts),
        upgrade: histograms.summary(Measure::Upgrade, 0, |_| true).unwrap_or_default(),
        iterations: journeys(plan, &parts),
        flows: flows(plan, &parts),
        steps: (0..plan.steps.len()).map(|index| step(index, plan, workers, histograms)).collect(),
        problems,
        due: due(workers),
        ..LoadResult::default()
    };
    if result.traffic.iter().any(|traffic| traffic.undecided) {
        // Nobody knows any more of which traffic it was.
        result.due = Due::default();
    }
    result
}

/// What is known of the servers of a cluster.
pub(super) fn cluster(shared: &Shared, workers: &[WorkerResult], histograms: &Histograms) -> ClusterResult {
    let mut pairs: BTreeMap<(u32, u32), Across> = BTreeMap::new();
    for (nodes, across) in workers.iter().flat_map(|worker| &worker.found.tally.pairs) {
        let sum = pairs.entry(*nodes).or_default();
        sum.owed += across.owed;
        sum.missing += across.missing;
        sum.undecided += across.undecided;
        sum.may += across.may;
        sum.may_delivered += across.may_delivered;
    }
    let (nodes, losses) = (&shared.cluster, losses(workers));
    let pair = |((from, to), across): ((u32, u32), Across)| NodePair {
        from: nodes.name(from),
        to: nodes.name(to),
        owed: across.owed,
        missing: across.missing,
        undecided: across.undecided,
        may: across.may,
        may_delivered: across.may_delivered,
        missing_by_second: losses.by_second((from, to)).into_iter().collect(),
    };
    ClusterResult {
        nodes_known_by: nodes.known_by(),
        decided_by: nodes.decided_by(shared.stage.fence),
        fences: workers.iter().map(|worker| worker.found.tally.cluster_fences).sum(),
        crossing: histograms.summary(Measure::Crossing, 0, |_| true).unwrap_or_default(),
        pairs: pairs.into_iter().map(pair).collect(),
    }
}

fn losses(workers: &[WorkerResult]) -> Losses {
    let mut sum = Losses::default();
    workers.iter().for_each(|worker| sum.add(&worker.found.losses));
    sum
}

/// What is due so shortly before the end may have to wait for what goes on, and not happen.
const MAY_WAIT: u64 = 5_000_000_000;

/// What the scenario made go wrong, when that really was, and what is missing of messages that were sent meanwhile.
pub(super) fn outages(result: &mut LoadResult, shared: &Shared, workers: &[WorkerResult]) {
    let losses = losses(workers);
    let span = |event: &FaultEvent| shared.happened.span(event.number);
    result.upsets = shared.chaos.iter().map(|event| event.mark(&shared.plan, span(event))).collect();
    for (mark, event) in result.upsets.iter_mut().zip(&shared.chaos) {
        let was_due = result.aborted.is_none() && event.at + MAY_WAIT < shared.plan.length();
        let began_in_time = span(event).began.is_some_and(|began| began < shared.plan.length() as i64);
        mark.did_not_happen = was_due && !began_in_time;
    }
    let outages: Vec<_> = (0..shared.chaos.len()).filter(|place| !shared.chaos[*place].is_about_users()).collect();
    if outages.is_empty() {
        return;
    }
    let spans: Vec<_> = outages.iter().map(|place| span(&shared.chaos[*place])).collect();
    let took = result.traffic.iter().filter_map(|traffic| traffic.latency.get("service")).map(|service| service.p99);
    let under_way = took.max().unwrap_or(0).min(i64::MAX as u64) as i64;
    let (of, elsewhere) = losses.told_apart(&spans, under_way, |node| shared.cluster.name(node));
    outages.into_iter().zip(of).for_each(|(place, of)| result.upsets[place].losses = Some(of));
    result.missing_elsewhere = Some(elsewhere);
}

/// Each traffic, with what is known of how its messages were recognised.
fn traffics(
    scenario: &Scenario,
    plan: &Plan,
    workers: &[WorkerResult],
    histograms: &Histograms,
    places: &Places,
) -> Vec<TrafficResult> {
    let found = workers.iter().map(|worker| &worker.found);
    let parts: Vec<_> = found.map(|found| Part { counts: &found.counts, tally: &found.tally }).collect();
    let mut results: Vec<_> =
        (0..plan.traffic.len()).map(|index| traffic(index, plan, &parts, histograms, places.results(index))).collect();
    for (index, (result, spec)) in results.iter_mut().zip(scenario.traffic.values()).enumerate() {
        result.event = spec.delivers_to.as_ref().map(|delivers_to| delivers_to.event.to_string());
        let outliers = workers.iter().flat_map(|worker| worker.found.outliers.results(index, plan));
        result.add_outliers(outliers, outliers::KEPT);
        result.identify = spec.identify.as_ref().map(ToString::to_string);
        for (name, copies) in workers.iter().flat_map(|worker| &worker.found.others[index]) {
            *result.others.entry(name.clone()).or_default() += copies;
        }
        result.others.sort_by(|a, m, b, n| n.cmp(m).then_with(|| a.cmp(b)));
    }
    let specs: Vec<_> = scenario.traffic.values().collect();
    let alike = |a: usize, b: usize| {
        let event = |index: usize| results[index].event.as_ref().map(|event| (event, &specs[index].namespace));
        event(a).is_some() && event(a) == event(b)
    };
    let undecided: Vec<bool> = (0..results.len())
        .map(|index| {
            // Of several with the same name an event without a stamp may be any.
            let same = || (0..results.len()).filter(|other| alike(index, *other));
            let copies: u64 = same().flat_map(|other| workers.iter().map(move |w| w.found.copies[other])).sum();
            let unread: u64 =
                same().map(|other| results[other].counts.unidentified + results[other].counts.altered).sum();
            copies == 0 && unread > 0
        })
        .collect();
    results.iter_mut().zip(undecided).filter(|(_, undecided)| *undecided).for_each(|(result, _)| undecide(result));
    results
}

/// No copy of a traffic's messages could be recognised, so nothing is known of what was owed.
fn undecide(traffic: &mut TrafficResult) {
    traffic.undecided = true;
    let phases =
        traffic.phases.iter_mut().flat_map(|phase| std::iter::once(&mut phase.counts).chain(phase.users.values_mut()));
    let all = std::iter::once(&mut traffic.counts).chain(traffic.users.values_mut()).chain(phases);
    for counts in all {
        counts.may += counts.owed;
        counts.unidentified += counts.altered;
        (counts.owed, counts.delivered, counts.missing, counts.altered) = (0, 0, 0, 0);
    }
}

/// Phases of a run that ended early are as long as it took part in them, so that rates are over the time that was measured.
pub(super) fn cut_phases(result: &mut LoadResult, end: f64) {
    let traffic =
        result.traffic.iter_mut().map(|traffic| traffic.phases.iter_mut().map(|phase| &mut phase.seconds).collect());
    let steps = result.steps.iter_mut().map(|step| step.phases.iter_mut().map(|phase| &mut phase.seconds).collect());
    let flows = result.flows.values_mut().map(|flow| flow.phases.iter_mut().map(|phase| &mut phase.seconds).collect());
    let all: Vec<Vec<&mut f64>> = traffic.chain(steps).chain(flows).collect();
    for phases in all {
        let mut begin = 0.0;
        for seconds in phases {
            let whole = *seconds;
            // What never began has counted nothing, and no rate is of no time.
            if begin < end {
                *seconds = whole.min(end - begin);
            }
            begin += whole;
        }
    }
}

fn due(workers: &[WorkerResult]) -> Due {
    let mut sum = Due::default();
    workers.iter().for_each(|worker| sum.add(&worker.found.due));
    sum
}

/// Iterations by phase; how many users a flow always has, only who has the scenario knows.
fn flows(plan: &Plan, parts: &[Part<'_>]) -> IndexMap<String, FlowResult> {
    let flow = |(journey, name): (usize, &String)| {
        let tallies = || parts.iter().map(|part| &part.tally.flows[journey]);
        let phases = plan.phases.iter().enumerate().map(|(index, phase)| FlowPhase {
            name: phase.name.clone(),
            measured: phase.measured,
            seconds: (phase.end - phase.start) as f64 / 1e9,
            begun: tallies().map(|tally| tally.phases[index].0).sum(),
            ended: tallies().map(|tally| tally.phases[index].1).sum(),
        });
        let in_time = tallies().map(|tally| tally.arrived.len() as u64).sum();
        (name.clone(), FlowResult { users: 0, in_time, level: plan.is_level(), phases: phases.collect() })
    };
    plan.journeys.iter().enumerate().map(flow).collect()
}

fn journeys(plan: &Plan, parts: &[Part<'_>]) -> IndexMap<String, Iterations> {
    let sum = |journey: usize| parts.iter().fold(Iterations::default(), |sum, part| sum + part.tally.visits[journey]);
    plan.journeys.iter().enumerate().map(|(journey, name)| (name.clone(), sum(journey))).collect()
}

fn step(index: usize, plan: &Plan, workers: &[WorkerResult], histograms: &Histograms) -> StepResult {
    let phases = plan.phases.iter().enumerate().map(|(number, phase)| {
        let done = workers.iter().map(|worker| worker.found.tally.steps[index][number]);
        let (well, failed) = done.fold((0, 0), |sum, done| (sum.0 + done.well, sum.1 + done.failed));
        StepPhase {
            name: phase.name.clone(),
            measured: phase.measured,
            seconds: (phase.end - phase.start) as f64 / 1e9,
            done: well,
            failed,
            latency: histograms.summary(Measure::Step, index, |phase| phase == number).unwrap_or_default(),
        }
    });
    let latency = histograms.summary(Measure::Step, index, |phase| plan.counts(index, phase)).unwrap_or_default();
    StepResult { name: plan.steps[index].clone(), latency, phases: phases.collect() }
}

/// The latencies of a message, in the order of the report.
const LATENCIES: [Measure; 5] = [Measure::Delivery, Measure::First, Measure::Complete, Measure::Service, Measure::Ack];

pub(super) fn latencies(
    traffic: usize,
    histograms: &Histograms,
    wanted: impl Fn(usize) -> bool,
) -> IndexMap<String, Summary> {
    LATENCIES
        .into_iter()
        .filter_map(|measure| {
            histograms.summary(measure, traffic, &wanted).map(|summary| (measure.name().to_owned(), summary))
        })
        .collect()
}

/// Latencies by the places of receivers, over all workers.
pub(super) fn places(plan: &Plan, workers: &[WorkerResult]) -> Places {
    let mut places = Places::new(plan.traffic.len());
    workers.iter().for_each(|worker| places.add(&worker.found.places));
    places
}

fn traffic(
    index: usize,
    plan: &Plan,
    parts: &[Part<'_>],
    histograms: &Histograms,
    places: Vec<PlaceResult>,
) -> TrafficResult {
    let mut total = Counts::default();
    let mut phases = Vec::new();
    let mut by_users: IndexMap<String, Counts> = IndexMap::new();
    for (number, phase) in plan.phases.iter().enumerate() {
        let mut counts = Counts::default();
        let mut by_population = IndexMap::new();
        for (population, crowd) in plan.populations.iter().enumerate() {
            let mut sum = Counts::default();
            parts.iter().for_each(|part| sum += part.counts[index][number][population]);
            counts += sum;
            if sum != Counts::default() {
                *by_users.entry(crowd.name.clone()).or_default() += sum;
                by_population.insert(crowd.name.clone(), sum);
            }
        }
        total += counts;
        phases.push(PhaseResult {
            name: phase.name.clone(),
            measured: phase.measured,
            seconds: (phase.end - phase.start) as f64 / 1e9,
            counts,
            users: by_population,
            latency: latencies(index, histograms, |phase| phase == number),
        });
    }
    let latency = latencies(index, histograms, |phase| plan.phases[phase].measured);
    let name = plan.traffic[index].name.clone();
    TrafficResult { name, counts: total, users: by_users, latency, places, phases, ..TrafficResult::default() }
}

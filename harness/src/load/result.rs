//! Puts together what the workers found.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::chaos::FaultEvent;
use super::fanout::Places;
use super::losses::Losses;
use super::metrics::{Across, FlowTally, Histograms, PhaseCounts, SoFar, UserCounters};
use super::outliers;
use super::plan::Plan;
use super::shared::Shared;
use super::worker::WorkerResult;
use crate::record::{
    ClusterResult, Counts, Due, FlowPhase, FlowResult, Iterations, LoadResult, NodePair, PhaseResult, PlaceResult,
    Recovery, StepPhase, StepResult, TrafficResult, Users, Wire,
};
use crate::scenario::Scenario;
use crate::vocab::Measure;
use crate::vocab::id::{IdVec, PhaseId};

/// What a worker has counted of messages: by traffic and phase.
type WorkerCounts<'a> = &'a [IdVec<PhaseId, PhaseCounts>];

/// What the workers have counted so far: users, flows and messages, without any distribution.
pub(super) fn so_far(plan: &Plan, workers: &[SoFar]) -> LoadResult {
    let counts: Vec<WorkerCounts<'_>> = workers.iter().map(|worker| &*worker.counts).collect();
    let tally = UserCounters::sum(plan, workers.iter().map(|worker| &worker.tally));
    let nothing = Histograms::default();
    let mut load = LoadResult {
        users: users(plan, &tally),
        recovery: recovery(plan, &tally),
        iterations: journeys(plan, &tally),
        transports: tally.transports,
        traffic: (0..plan.traffic.len()).map(|index| traffic(index, plan, &counts, &nothing, Vec::new())).collect(),
        ..LoadResult::default()
    };
    // What could not be recognised may be of any traffic of which nothing was.
    let unread: u64 = load.traffic.iter().map(|traffic| traffic.counts.unidentified + traffic.counts.altered).sum();
    for (index, traffic) in load.traffic.iter_mut().enumerate() {
        traffic.undecided = unread > 0 && workers.iter().all(|worker| worker.copies[index] == 0);
    }
    load
}

fn users(plan: &Plan, tally: &UserCounters) -> Users {
    Users {
        requested: plan.users.len() as u64,
        connected: tally.open,
        failed: tally.failed,
        disconnected: tally.lost,
        sessions: tally.sessions,
        churned: tally.churned,
        dropped: tally.dropped,
        broken: tally.broken,
        interrupted: tally.interrupted,
        stalled: tally.stalls,
    }
}

fn recovery(plan: &Plan, tally: &UserCounters) -> IndexMap<String, Recovery> {
    let phases = plan.phases.iter().zip(&tally.asked_back);
    let recovery = phases
        .map(|(phase, (asked, recovered))| (phase.name.clone(), Recovery { asked: *asked, recovered: *recovered }));
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
    let tally = UserCounters::sum(plan, workers.iter().map(|worker| &worker.found.tally));
    let mut result = LoadResult {
        scenario: scenario.name.clone(),
        nodes: u64::from(plan.nodes),
        workers: workers.len(),
        users: users(plan, &tally),
        recovery: recovery(plan, &tally),
        iterations: journeys(plan, &tally),
        flows: flows(plan, &tally),
        steps: (0..plan.steps.len()).map(|index| step(index, plan, &tally, histograms)).collect(),
        stale: tally.stale,
        resent: tally.resent,
        foreign: tally.foreign,
        among: tally.among,
        other_runs: tally.strangers.sum(),
        negative: tally.negative,
        unsettled: tally.unsettled,
        transports: tally.transports,
        problems: tally.problems,
        traffic: traffics(scenario, plan, workers, histograms, places),
        wire: Wire { received: sum(|worker| worker.wire.received), sent: sum(|worker| worker.wire.sent), payload: 0 },
        worker_time: workers.iter().filter_map(|worker| worker.time).collect(),
        due: due(workers),
        ..LoadResult::default()
    };
    histograms.fill(plan, &mut result);
    if result.traffic.iter().any(|traffic| traffic.undecided) {
        // Nobody knows any more of which traffic it was.
        result.due = Due::default();
    }
    result
}

/// What is known of the servers of a cluster.
pub(super) fn cluster(shared: &Shared, workers: &[WorkerResult], histograms: &Histograms) -> ClusterResult {
    let tally = UserCounters::sum(&shared.plan, workers.iter().map(|worker| &worker.found.tally));
    let pairs: BTreeMap<(u32, u32), Across> = tally.pairs.into_iter().collect();
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
        fences: tally.cluster_fences,
        crossing: histograms.summary(&shared.plan, Measure::Crossing, 0),
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
    let took = result
        .traffic
        .iter()
        .filter_map(|traffic| traffic.latency.get(Measure::Service.name()))
        .map(|service| service.p99);
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
    let counts: Vec<WorkerCounts<'_>> = workers.iter().map(|worker| &*worker.found.counts).collect();
    let mut results: Vec<_> =
        (0..plan.traffic.len()).map(|index| traffic(index, plan, &counts, histograms, places.results(index))).collect();
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
fn flows(plan: &Plan, tally: &UserCounters) -> IndexMap<String, FlowResult> {
    let flow = |(name, tally): (&String, &FlowTally)| {
        let phases = plan.phases.iter().zip(&tally.phases).map(|(phase, (begun, ended))| FlowPhase {
            name: phase.name.clone(),
            measured: phase.measured,
            seconds: (phase.end - phase.start) as f64 / 1e9,
            begun: *begun,
            ended: *ended,
        });
        let in_time = tally.arrived.len() as u64;
        (name.clone(), FlowResult { users: 0, in_time, level: plan.is_level(), phases: phases.collect() })
    };
    plan.journeys.iter().zip(&tally.flows).map(flow).collect()
}

fn journeys(plan: &Plan, tally: &UserCounters) -> IndexMap<String, Iterations> {
    plan.journeys.iter().cloned().zip(tally.visits.iter().copied()).collect()
}

fn step(index: usize, plan: &Plan, tally: &UserCounters, histograms: &Histograms) -> StepResult {
    let phases = plan.phases.entries().zip(&tally.steps[index]).map(|((id, phase), done)| StepPhase {
        name: phase.name.clone(),
        measured: phase.measured,
        seconds: (phase.end - phase.start) as f64 / 1e9,
        done: done.well,
        failed: done.failed,
        latency: histograms.in_phase(Measure::Step, index, id).unwrap_or_default(),
    });
    let latency = histograms.summary(plan, Measure::Step, index);
    StepResult { name: plan.steps[index].clone(), latency, phases: phases.collect() }
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
    workers: &[WorkerCounts<'_>],
    histograms: &Histograms,
    places: Vec<PlaceResult>,
) -> TrafficResult {
    let mut total = Counts::default();
    let mut phases = Vec::new();
    let mut by_users: IndexMap<String, Counts> = IndexMap::new();
    for (id, phase) in plan.phases.entries() {
        let mut counts = Counts::default();
        let mut by_population = IndexMap::new();
        for (population, crowd) in plan.populations.iter().enumerate() {
            let mut sum = Counts::default();
            workers.iter().for_each(|counts| sum += counts[index][id][population]);
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
            latency: histograms.latencies(index, |phase| phase == id),
        });
    }
    let latency = histograms.latencies(index, |phase| plan.phases[phase].measured);
    let name = plan.traffic[index].name.clone();
    TrafficResult { name, counts: total, users: by_users, latency, places, phases, ..TrafficResult::default() }
}

//! Puts together what the workers found.

use std::collections::{HashMap, HashSet};

use hdrhistogram::Histogram;
use indexmap::IndexMap;

use super::measure::{Key, Measure, Seen, SentTimes};
use super::plan::Plan;
use super::worker::WorkerResult;
use crate::record::histogram::{empty, record, summary};
use crate::record::{Counts, LoadResult, PhaseResult, Summary, TrafficResult, Users};

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

    /// The sum over the phases that `wanted` takes; `None` when nothing was recorded.
    pub(super) fn sum(
        &self,
        measure: Measure,
        traffic: usize,
        wanted: impl Fn(usize) -> bool,
    ) -> Option<Histogram<u64>> {
        let mut total: Option<Histogram<u64>> = None;
        for (key, histogram) in &self.0 {
            if key.measure == measure && key.traffic == traffic && wanted(key.phase) {
                let _ = total.get_or_insert_with(empty).add(histogram);
            }
        }
        total
    }

    fn summary(&self, measure: Measure, traffic: usize, wanted: impl Fn(usize) -> bool) -> Option<Summary> {
        self.sum(measure, traffic, wanted).map(|histogram| summary(&histogram))
    }
}

/// The latencies of a message to its first and to its last recipient. A message is complete when everybody
/// who was owed it has it.
pub(super) fn fan_out(plan: &Plan, sent: &SentTimes, workers: &[WorkerResult], histograms: &mut Histograms) {
    let receivers: HashSet<u32> = workers.iter().flat_map(|worker| worker.receivers.iter().copied()).collect();
    let mut members = vec![0u32; plan.rooms.len()];
    for user in &receivers {
        for &room in &plan.users[*user as usize].rooms {
            members[room as usize] += 1;
        }
    }
    for (index, emission) in plan.emissions.iter().enumerate() {
        if sent.get(index as u32).is_none() {
            continue;
        }
        let mut seen = Seen::NOTHING;
        workers.iter().for_each(|worker| seen.add(worker.seen[index]));
        let audience = &plan.ledger.audiences[plan.audience(emission) as usize];
        let is_member = plan.users[emission.sender as usize].rooms.contains(&emission.room);
        let left_out = u32::from(audience.except_sender && is_member);
        let owed = members[emission.room as usize].saturating_sub(left_out);
        let key = |measure| Key { measure, traffic: emission.traffic.into(), phase: emission.phase.into() };
        let mut note = |measure, nanos| record(histograms.0.entry(key(measure)).or_insert_with(empty), nanos);
        if seen.count > 0 {
            note(Measure::First, seen.first);
        }
        if seen.count >= owed && owed > 0 {
            note(Measure::Complete, seen.last);
        }
    }
}

/// The result as it is recorded.
pub(super) fn summarize(scenario: &str, plan: &Plan, workers: &[WorkerResult], histograms: &Histograms) -> LoadResult {
    let sum = |field: fn(&WorkerResult) -> u64| workers.iter().map(field).sum::<u64>();
    let mut problems: IndexMap<String, u64> = IndexMap::new();
    for (problem, times) in workers.iter().flat_map(|worker| &worker.tally.problems) {
        *problems.entry(problem.clone()).or_default() += times;
    }
    let measured = |phase: usize| plan.phases[phase].measured;
    let late_by_phase = plan.phases.iter().enumerate().map(|(index, phase)| {
        (phase.name.clone(), histograms.summary(Measure::Late, 0, |phase| phase == index).unwrap_or_default())
    });
    LoadResult {
        scenario: scenario.to_owned(),
        workers: workers.len(),
        users: Users {
            asked: plan.users.len() as u64,
            open: sum(|worker| worker.tally.open),
            failed: sum(|worker| worker.tally.failed),
            lost: sum(|worker| worker.tally.lost),
        },
        traffic: (0..plan.traffic.len()).map(|index| traffic(index, plan, workers, histograms)).collect(),
        connect: histograms.summary(Measure::Connect, 0, |_| true).unwrap_or_default(),
        late: histograms.summary(Measure::Late, 0, measured).unwrap_or_default(),
        late_by_phase: late_by_phase.collect(),
        foreign: sum(|worker| worker.tally.foreign),
        negative: sum(|worker| worker.tally.negative),
        unsettled: sum(|worker| worker.tally.unsettled),
        problems,
        ..LoadResult::default()
    }
}

/// The latencies of a message, in the order of the report.
const LATENCIES: [Measure; 5] = [Measure::Delivery, Measure::First, Measure::Complete, Measure::Service, Measure::Ack];

fn latencies(traffic: usize, histograms: &Histograms, wanted: impl Fn(usize) -> bool) -> IndexMap<String, Summary> {
    LATENCIES
        .into_iter()
        .filter_map(|measure| {
            histograms.summary(measure, traffic, &wanted).map(|summary| (measure.name().to_owned(), summary))
        })
        .collect()
}

fn traffic(index: usize, plan: &Plan, workers: &[WorkerResult], histograms: &Histograms) -> TrafficResult {
    let mut total = Counts::default();
    let mut phases = Vec::new();
    for (number, phase) in plan.phases.iter().enumerate() {
        let scheduled = |emission: &&super::plan::Emission| {
            usize::from(emission.traffic) == index && usize::from(emission.phase) == number
        };
        let mut counts =
            Counts { scheduled: plan.emissions.iter().filter(scheduled).count() as u64, ..Counts::default() };
        for worker in workers {
            counts += worker.counts[index][number];
        }
        total += counts;
        phases.push(PhaseResult {
            name: phase.name.clone(),
            measured: phase.measured,
            seconds: (phase.end - phase.start) as f64 / 1e9,
            counts,
            latency: latencies(index, histograms, |phase| phase == number),
        });
    }
    let latency = latencies(index, histograms, |phase| plan.phases[phase].measured);
    TrafficResult { name: plan.traffic[index].clone(), counts: total, latency, phases }
}

//! All distributions of a run, merged over workers and seconds.

use std::collections::HashMap;

use hdrhistogram::Histogram;
use indexmap::IndexMap;

use super::Key;
use crate::load::plan::Plan;
use crate::record::histogram::{empty, summary};
use crate::record::{LoadResult, Summary};
use crate::vocab::Measure;
use crate::vocab::id::PhaseId;
use crate::vocab::measure::Scope;

/// All distributions of a run, merged over workers and seconds.
#[derive(Default)]
pub(in crate::load) struct Histograms(HashMap<Key, Histogram<u64>>);

impl Histograms {
    /// Adds one; merging is exact.
    pub(in crate::load) fn add(&mut self, key: Key, histogram: &Histogram<u64>) {
        let sum = self.0.entry(key).or_insert_with(empty);
        // Both have the same bounds.
        let _ = sum.add(histogram);
    }

    /// Lets go of what was measured of a kind.
    pub(in crate::load) fn forget(&mut self, wanted: impl Fn(Measure) -> bool) {
        self.0.retain(|key, _| !wanted(key.measure));
    }

    /// As [`sum`](Self::sum), for the receivers of one population.
    pub(in crate::load) fn sum_for(
        &self,
        measure: Measure,
        of: usize,
        users: usize,
        wanted: impl Fn(PhaseId) -> bool,
    ) -> Option<Histogram<u64>> {
        self.sum_of(|key| key.measure == measure && key.of == of && key.users == users && wanted(key.phase))
    }

    /// The sum over the phases that `wanted` takes; `None` when nothing was recorded.
    pub(in crate::load) fn sum(
        &self,
        measure: Measure,
        of: usize,
        wanted: impl Fn(PhaseId) -> bool,
    ) -> Option<Histogram<u64>> {
        self.sum_of(|key| key.measure == measure && key.of == of && wanted(key.phase))
    }

    /// The sum over the phases that the measure is taken over when nobody names one.
    pub(in crate::load) fn whole(&self, plan: &Plan, measure: Measure, of: usize) -> Option<Histogram<u64>> {
        self.sum(measure, of, |phase| plan.covers(measure, of, phase))
    }

    fn sum_of(&self, wanted: impl Fn(&Key) -> bool) -> Option<Histogram<u64>> {
        let mut total: Option<Histogram<u64>> = None;
        for (_, histogram) in self.0.iter().filter(|(key, _)| wanted(key)) {
            // All have the same bounds.
            let _ = total.get_or_insert_with(empty).add(histogram);
        }
        total
    }

    /// [`whole`](Self::whole) in short; nothing but zeros when nothing was recorded.
    pub(in crate::load) fn summary(&self, plan: &Plan, measure: Measure, of: usize) -> Summary {
        self.whole(plan, measure, of).map(|histogram| summary(&histogram)).unwrap_or_default()
    }

    /// One phase in short.
    pub(in crate::load) fn in_phase(&self, measure: Measure, of: usize, phase: PhaseId) -> Option<Summary> {
        self.sum(measure, of, |one| one == phase).map(|histogram| summary(&histogram))
    }

    /// What was measured of the messages of a traffic, over the phases that `wanted` takes.
    pub(in crate::load) fn latencies(
        &self,
        traffic: usize,
        wanted: impl Fn(PhaseId) -> bool,
    ) -> IndexMap<String, Summary> {
        let summary_of = |measure| self.sum(measure, traffic, &wanted).map(|histogram| summary(&histogram));
        let found = Measure::of(Scope::Traffic).filter_map(|measure| Some((measure, summary_of(measure)?)));
        found.map(|(measure, summary)| (measure.name().to_owned(), summary)).collect()
    }

    /// Puts into a result what belongs to neither a traffic nor a step.
    pub(in crate::load) fn fill(&self, plan: &Plan, load: &mut LoadResult) {
        for measure in Measure::of(Scope::Run) {
            if let Some(slot) = load.of_run_mut(measure) {
                *slot = self.summary(plan, measure, 0);
            }
        }
        let phases = || plan.phases.entries().map(|(id, phase)| (id, phase.name.clone()));
        let late = |id| self.in_phase(Measure::Late, 0, id).unwrap_or_default();
        load.late_by_phase = phases().map(|(id, name)| (name, late(id))).collect();
        let reconnect = |id| self.in_phase(Measure::Reconnect, 0, id);
        load.reconnect = phases().filter_map(|(id, name)| Some((name, reconnect(id)?))).collect();
    }
}

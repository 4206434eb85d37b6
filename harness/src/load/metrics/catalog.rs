//! Which distributions the runs of a plan have, what they are called, and which phases their figures are taken over.

use std::collections::HashMap;

use super::Key;
use crate::load::plan::Plan;
use crate::record::intervals::tag;
use crate::vocab::Measure;
use crate::vocab::id::Id;
use crate::vocab::id::PhaseId;
use crate::vocab::measure::{Over, Scope};

impl Plan {
    /// How many distributions there are of a measure: one for each traffic, for each step, or one.
    pub(in crate::load) fn number_of(&self, measure: Measure) -> usize {
        match measure.scope() {
            Scope::Traffic => self.traffic.len(),
            Scope::Step => self.steps.len(),
            Scope::Run => 1,
        }
    }

    /// Every distribution: first those of each traffic, then the steps, then those of the run.
    pub(in crate::load) fn distributions(&self) -> impl Iterator<Item = (Measure, usize)> {
        let of_traffic = (0..self.traffic.len()).flat_map(|of| Measure::of(Scope::Traffic).map(move |one| (one, of)));
        let of_steps = (0..self.steps.len()).flat_map(|of| Measure::of(Scope::Step).map(move |one| (one, of)));
        of_traffic.chain(of_steps).chain(Measure::of(Scope::Run).map(|one| (one, 0)))
    }

    /// What a distribution is called: `tell.delivery`, `generator.late`, or as its step.
    pub(in crate::load) fn name_of(&self, measure: Measure, of: usize) -> String {
        measure.full_name(match measure.scope() {
            Scope::Traffic => &self.traffic[of].name,
            Scope::Step => &self.steps[of],
            Scope::Run => "",
        })
    }

    /// Whether the figure of a whole run is taken over a phase.
    pub(in crate::load) fn covers(&self, measure: Measure, of: usize, phase: PhaseId) -> bool {
        match measure.row().over {
            Over::Measured if measure.scope() == Scope::Step => self.counts(of, phase),
            Over::Measured => self.phases[phase].measured,
            Over::All | Over::NoPhase => true,
        }
    }

    /// A distribution in the log: `tell.delivery@steady`, `generator.late@steady`, `connect`.
    pub(in crate::load) fn tag_of(&self, key: &Key) -> String {
        let phase = self.phases.get(key.phase.index()).map_or("", |phase| &phase.name);
        let phase = (key.measure.row().over != Over::NoPhase).then_some(phase);
        tag(&self.name_of(key.measure, key.of), phase)
    }

    /// What each tag of a log stands for. Populations are not told apart there.
    pub(in crate::load) fn keys_by_tag(&self) -> HashMap<String, Key> {
        let keys = |(measure, of)| self.phases.ids().map(move |phase| Key { measure, of, phase, users: 0 });
        // Of what belongs to no phase, the first one stands for all.
        let keys: Vec<Key> = self.distributions().flat_map(keys).collect();
        keys.into_iter().rev().map(|key| (self.tag_of(&key), key)).collect()
    }
}

//! The distributions of one worker: filled as things happen, handed out each second.

use hdrhistogram::Histogram;

use crate::load::plan::Plan;
use crate::record::histogram::{empty, record};
use crate::vocab::Measure;
use crate::vocab::id::{Id, PhaseId};

/// Which distribution a histogram belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::load) struct Key {
    pub(in crate::load) measure: Measure,
    /// Index of the traffic or of the step; 0 for measures that have none.
    pub(in crate::load) of: usize,
    pub(in crate::load) phase: PhaseId,
    /// Population of the receivers; 0 for measures that do not tell them apart.
    pub(in crate::load) users: usize,
}

/// Histograms that fill up between two snapshots, one per phase; made when the first value comes.
#[derive(Default)]
struct PhaseHistograms(Vec<Option<Histogram<u64>>>);

impl PhaseHistograms {
    fn record(&mut self, phase: PhaseId, value: u64) {
        let index = phase.index();
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || None);
        }
        record(self.0[index].get_or_insert_with(empty), value);
    }

    fn take(&mut self) -> impl Iterator<Item = (PhaseId, Histogram<u64>)> {
        let taken = self.0.iter_mut().enumerate();
        taken.filter_map(|(index, slot)| slot.take().map(|histogram| (PhaseId::new(index), histogram)))
    }
}

/// Every distribution, since the last snapshot.
pub(super) struct Distributions {
    populations: usize,
    /// By measure; then by traffic or step, and within these by population where the measure tells populations apart.
    slots: [Vec<PhaseHistograms>; Measure::ALL.len()],
}

impl Distributions {
    pub(super) fn new(plan: &Plan) -> Self {
        let populations = plan.populations.len();
        let slots = Measure::ALL.map(|measure| {
            let each = if measure.row().by_population { populations } else { 1 };
            std::iter::repeat_with(PhaseHistograms::default).take(plan.number_of(measure) * each).collect()
        });
        Self { populations, slots }
    }

    /// A value of the whole run.
    pub(super) fn record(&mut self, measure: Measure, phase: PhaseId, value: u64) {
        self.record_of(measure, 0, phase, value);
    }

    /// A value of a traffic or a step.
    pub(super) fn record_of(&mut self, measure: Measure, of: usize, phase: PhaseId, value: u64) {
        debug_assert!(!measure.row().by_population, "{measure:?} needs a population");
        self.slots[measure as usize][of].record(phase, value);
    }

    /// A value of a traffic, for a receiver of a population.
    pub(super) fn record_for(&mut self, measure: Measure, (of, users): (usize, usize), phase: PhaseId, value: u64) {
        debug_assert!(measure.row().by_population, "{measure:?} has no populations");
        self.slots[measure as usize][of * self.populations + users].record(phase, value);
    }

    /// Hands out what was recorded since the last time.
    pub(super) fn take(&mut self) -> Vec<(Key, Histogram<u64>)> {
        let mut taken = Vec::new();
        for (measure, slots) in Measure::ALL.into_iter().zip(&mut self.slots) {
            for (slot, histograms) in slots.iter_mut().enumerate() {
                let populations = if measure.row().by_population { self.populations } else { 1 };
                let (of, users) = (slot / populations, slot % populations);
                let key = |phase| Key { measure, of, phase, users };
                taken.extend(histograms.take().map(|(phase, histogram)| (key(phase), histogram)));
            }
        }
        taken
    }
}

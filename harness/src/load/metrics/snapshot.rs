//! What a worker hands out: each second what was measured since the last one, and all that it has found when it ends.

use hdrhistogram::Histogram;
use indexmap::IndexMap;

use super::{Key, PhaseCounts, Sample, UserCounters};
use crate::load::admission::Entering;
use crate::load::evidence::Witnesses;
use crate::load::fanout::Places;
use crate::load::losses::Losses;
use crate::load::outliers::Outliers;
use crate::record::Due;
use crate::vocab::id::{IdVec, PhaseId};

/// What was measured since the last snapshot, and how things stand.
pub(in crate::load) struct Snapshot {
    pub(in crate::load) worker: usize,
    /// Users that are connected and in their rooms.
    pub(in crate::load) present: u64,
    /// Iterations under way.
    pub(in crate::load) iterating: u64,
    pub(in crate::load) failed: u64,
    pub(in crate::load) lost: u64,
    pub(in crate::load) sent: u64,
    pub(in crate::load) delivered: u64,
    /// Deliveries that were wrong, and those that did not come.
    pub(in crate::load) wrong: u64,
    /// How those fare who ask to be let in; by population, then by journey.
    pub(in crate::load) entering: Vec<Entering>,
    /// What went wrong, as long as nobody is in.
    pub(in crate::load) problems: IndexMap<String, u64>,
    /// Where a threshold may end the run.
    pub(in crate::load) so_far: Option<Box<SoFar>>,
    pub(in crate::load) histograms: Vec<(Key, Histogram<u64>)>,
}

/// What a worker has counted until now.
#[derive(Clone)]
pub(in crate::load) struct SoFar {
    /// By traffic and phase.
    pub(in crate::load) counts: Vec<IdVec<PhaseId, PhaseCounts>>,
    pub(in crate::load) tally: UserCounters,
    /// By traffic: copies that were recognised.
    pub(in crate::load) copies: Vec<u64>,
}

/// What a worker has found when it ends.
pub(in crate::load) struct Findings {
    /// By traffic and phase.
    pub(in crate::load) counts: Vec<IdVec<PhaseId, PhaseCounts>>,
    pub(in crate::load) tally: UserCounters,
    pub(in crate::load) witnesses: Witnesses,
    /// What the first delivery of each traffic looked like.
    pub(in crate::load) samples: Vec<Option<Sample>>,
    pub(in crate::load) places: Places,
    pub(in crate::load) outliers: Outliers,
    pub(in crate::load) due: Due,
    pub(in crate::load) losses: Losses,
    /// By traffic: copies under other names than the one that is owed.
    pub(in crate::load) others: Vec<IndexMap<String, u64>>,
    /// By traffic: copies that were recognised under its name.
    pub(in crate::load) copies: Vec<u64>,
}

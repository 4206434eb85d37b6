//! What one worker measures. Owned by its thread: no lock, no allocation per delivery.

mod catalog;
mod copies;
mod counters;
mod distributions;
mod histograms;
mod judged;
mod snapshot;

use std::sync::Arc;

use indexmap::IndexMap;
use sio_oracle::board::Nanos;

use self::copies::Copies;
use self::distributions::Distributions;
use super::evidence::Witnesses;
use super::fanout::Places;
use super::losses::Losses;
use super::outages::Outages;
use super::outliers::Outliers;
use super::part_clocks::Clocks;
use super::plan::Plan;
use super::schedule::Emission;
use crate::record::{Counts, Due, Iterations};
use crate::vocab::Measure;
use crate::vocab::id::{IdVec, PhaseId};

pub(super) use self::copies::Sample;
pub(super) use self::counters::{Across, FlowTally, PhaseCounts, UserCounters, VisitEnd};
pub(super) use self::distributions::Key;
pub(super) use self::histograms::Histograms;
pub(super) use self::snapshot::{Findings, Snapshot, SoFar};

/// A message counts as sent late beyond this: a millisecond.
const LATE: i64 = 1_000_000;

/// The state of a worker.
pub(super) struct Measurements {
    /// By traffic and phase.
    counts: Vec<IdVec<PhaseId, PhaseCounts>>,
    distributions: Distributions,
    pub(super) tally: UserCounters,
    witnesses: Witnesses,
    copies: Copies,
    /// Whether losses are decided by fences; otherwise by waiting.
    fenced: bool,
    places: Places,
    outliers: Outliers,
    due: Due,
    losses: Losses,
    /// By which clocks messages are sent and received.
    clocks: Clocks,
    sent: u64,
    delivered: u64,
    wrong: u64,
}

impl Measurements {
    /// `fenced` says whether losses are decided by fences, and not by waiting.
    pub(super) fn new(plan: &Plan, fenced: bool) -> Self {
        let traffics = plan.traffic.len();
        let of_phase = vec![Counts::default(); plan.populations.len()];
        Self {
            counts: vec![IdVec::from(vec![of_phase; plan.phases.len()]); traffics],
            distributions: Distributions::new(plan),
            tally: UserCounters::new(plan),
            witnesses: Witnesses::default(),
            copies: Copies::new(traffics),
            fenced,
            places: Places::new(traffics),
            outliers: Outliers::new(traffics),
            due: Due::default(),
            losses: Losses::default(),
            clocks: Clocks::default(),
            sent: 0,
            delivered: 0,
            wrong: 0,
        }
    }

    /// Where it is looked up who lost its connection.
    pub(super) fn knows(&mut self, outages: Arc<Outages>) {
        self.witnesses = Witnesses::new(outages);
    }

    /// Measures by several clocks.
    pub(super) fn follow(&mut self, clocks: Clocks) {
        self.clocks = clocks;
    }

    fn counts(&mut self, plan: &Plan, emission: &Emission, user: u32) -> &mut Counts {
        let population = plan.users[user as usize].population;
        &mut self.counts[usize::from(emission.traffic)][emission.phase][population]
    }

    /// A user is in its rooms for the first time; it was connected `nanos` after its intended time.
    pub(super) fn opened(&mut self, nanos: u64) {
        self.tally.open += 1;
        self.distributions.record(Measure::Connect, PhaseId::FIRST, nanos);
    }

    /// A user that had lost its connection in `phase` is in its rooms again.
    pub(super) fn reconnected(&mut self, phase: PhaseId, nanos: u64) {
        self.distributions.record(Measure::Reconnect, phase, nanos);
    }

    /// A fence was answered.
    pub(super) fn fenced(&mut self, phase: PhaseId, nanos: u64) {
        self.distributions.record(Measure::Fence, phase, nanos);
    }

    /// A cluster fence that was sent in `phase` has come to a user of another server.
    pub(super) fn crossed(&mut self, phase: PhaseId, nanos: u64) {
        self.distributions.record(Measure::Crossing, phase, nanos);
    }

    /// So many bytes that arrived in `phase` had been with the kernel for so long.
    pub(super) fn read(&mut self, phase: PhaseId, nanos: u64, bytes: u64) {
        self.distributions.record(Measure::ReadDelay, phase, nanos);
        self.distributions.record(Measure::RecvQueue, phase, bytes);
    }

    /// A visitor that was to come in `phase` came so much later.
    pub(super) fn came(&mut self, phase: PhaseId, late: u64) {
        self.distributions.record(Measure::Late, phase, late);
    }

    /// `group` is the journey's among those that ask to be let in.
    pub(super) fn visit_begins(&mut self, journey: usize, group: usize, phase: PhaseId) {
        self.tally.visit_begins(journey, group, phase);
    }

    pub(super) fn visit_ends(&mut self, journey: usize, group: usize, phase: PhaseId, end: VisitEnd) {
        self.tally.visit_ends(journey, group, phase, end);
    }

    /// A visitor was let in so long after it asked.
    pub(super) fn visitor_connected(&mut self, group: usize, nanos: u64) {
        self.tally.entering[group].inside += 1;
        self.distributions.record(Measure::Connect, PhaseId::FIRST, nanos);
    }

    /// A step that began in `phase` was done.
    pub(super) fn stepped(&mut self, step: usize, phase: PhaseId, nanos: u64) {
        self.tally.steps[step][phase].well += 1;
        self.distributions.record_of(Measure::Step, step, phase, nanos);
    }

    /// A step that began in `phase` failed.
    pub(super) fn stumbled(&mut self, step: usize, phase: PhaseId) {
        self.tally.steps[step][phase].failed += 1;
    }

    /// A session that was opened in `phase` has moved to a WebSocket.
    pub(super) fn upgraded(&mut self, phase: PhaseId, nanos: u64) {
        self.tally.transports.upgraded += 1;
        self.distributions.record(Measure::Upgrade, phase, nanos);
    }

    /// A message leaves now.
    pub(super) fn sending(&mut self, plan: &Plan, emission: &Emission, now: Nanos) {
        let late = now - self.clocks.intended(emission);
        self.sent += 1;
        let counts = self.counts(plan, emission, emission.sender);
        counts.sent += 1;
        counts.sent_late += u64::from(late > LATE);
        self.distributions.record(Measure::Late, emission.phase, late.max(0) as u64);
    }

    /// A copy of a message came under a name that is not owed: nobody's fault.
    pub(super) fn other_name(&mut self, traffic: u16, name: &str) {
        self.copies.under(traffic, name);
    }

    /// The receiver of a message at `place`, counted from 1, got it after so long.
    pub(super) fn placed(&mut self, plan: &Plan, emission: &Emission, place: u32, latency: u64) {
        if plan.phases[emission.phase].measured {
            self.places.record(usize::from(emission.traffic), place, latency);
        }
    }

    /// A copy of a message was recognised: counts it, and remembers what deliveries of a traffic look like.
    pub(super) fn recognised(&mut self, traffic: u16, json: &str, attachment: Option<usize>) {
        self.copies.recognised(traffic, json, attachment);
    }

    /// Hands out what was measured since the last time.
    pub(super) fn snapshot(&mut self, worker: usize, counts: bool) -> Snapshot {
        let tally = &self.tally;
        let so_far =
            || SoFar { counts: self.counts.clone(), tally: tally.clone(), copies: self.copies.recognised.clone() };
        Snapshot {
            worker,
            present: tally.present,
            iterating: tally.visits.iter().map(Iterations::under_way).sum(),
            failed: tally.failed,
            lost: tally.lost,
            sent: self.sent,
            delivered: self.delivered,
            wrong: self.wrong,
            problems: if tally.is_refused() { tally.problems.clone() } else { IndexMap::new() },
            entering: tally.entering.clone(),
            so_far: counts.then(|| Box::new(so_far())),
            histograms: self.distributions.take(),
        }
    }

    /// What is left when the worker ends.
    pub(super) fn into_findings(self) -> Findings {
        let Copies { samples, others, recognised, .. } = self.copies;
        Findings {
            counts: self.counts,
            tally: self.tally,
            witnesses: self.witnesses,
            samples,
            places: self.places,
            outliers: self.outliers,
            due: self.due,
            losses: self.losses,
            others,
            copies: recognised,
        }
    }
}

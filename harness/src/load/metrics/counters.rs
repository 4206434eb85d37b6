//! What a worker counts that belongs to no message: users, iterations, steps, and what passed between servers.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;

use crate::load::admission::{Entering, NotIn};
use crate::load::other_runs::Strangers;
use crate::load::plan::Plan;
use crate::record::{Among, Counts, Iterations, Transports};
use crate::vocab::id::{IdVec, PhaseId};

/// Problems that are told apart; what a server says may be different each time.
const KINDS: usize = 50;
const OTHERS: &str = "other problems";

/// How a visit ended.
pub(in crate::load) enum VisitEnd {
    Finished,
    /// The target did not do what the flow says.
    Failed(NotIn),
    /// This machine or its data ran out.
    Starved(String),
    /// The run was over first.
    Cut,
}

/// Messages of users of one server for those of another.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::load) struct Across {
    pub(in crate::load) owed: u64,
    pub(in crate::load) missing: u64,
    pub(in crate::load) undecided: u64,
    pub(in crate::load) may: u64,
    pub(in crate::load) may_delivered: u64,
}

impl Across {
    fn add(&mut self, other: Self) {
        let Self { owed, missing, undecided, may, may_delivered } = other;
        self.owed += owed;
        self.missing += missing;
        self.undecided += undecided;
        self.may += may;
        self.may_delivered += may_delivered;
    }
}

/// Users whose steps were done and those whose were not, of one step in one phase.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::load) struct Done {
    pub(in crate::load) well: u64,
    pub(in crate::load) failed: u64,
}

impl Done {
    fn add(&mut self, other: Self) {
        let Self { well, failed } = other;
        self.well += well;
        self.failed += failed;
    }
}

/// What a worker counts that belongs to no message.
#[derive(Clone, Debug, Default)]
pub(in crate::load) struct UserCounters {
    /// Users that opened at least once.
    pub(in crate::load) open: u64,
    /// Users that never opened.
    pub(in crate::load) failed: u64,
    /// Users whose connection broke for good.
    pub(in crate::load) lost: u64,
    /// Users that are in their rooms now.
    pub(in crate::load) present: u64,
    /// Connections that got as far as being in all rooms.
    pub(in crate::load) sessions: u64,
    /// Sessions that ended because the user had stayed long enough.
    pub(in crate::load) churned: u64,
    /// Connections that chaos ended.
    pub(in crate::load) dropped: u64,
    /// Connections that the target ended, or its network.
    pub(in crate::load) broken: u64,
    /// Users that come back, and of whose connections the target or its network ended one.
    pub(in crate::load) interrupted: u64,
    pub(in crate::load) stalls: u64,
    pub(in crate::load) foreign: u64,
    pub(in crate::load) strangers: Strangers,
    pub(in crate::load) among: Among,
    /// Deliveries of messages whose account was closed.
    pub(in crate::load) stale: u64,
    /// Copies of messages of other parts.
    pub(in crate::load) elsewhere: u64,
    /// Requests that were sent again, since the server had closed a connection that was to be kept open.
    pub(in crate::load) resent: u64,
    pub(in crate::load) negative: u64,
    pub(in crate::load) unsettled: u64,
    /// Cluster fences that were sent.
    pub(in crate::load) cluster_fences: u64,
    /// What was owed from one server of a cluster to users of another, by the two.
    pub(in crate::load) pairs: HashMap<(u32, u32), Across>,
    /// Sessions that were opened, by the transport they were to have, and those that moved to a WebSocket.
    pub(in crate::load) transports: Transports,
    /// By phase of the loss: reconnections that asked for what they missed, and those that got it.
    pub(in crate::load) asked_back: IdVec<PhaseId, (u64, u64)>,
    pub(in crate::load) problems: IndexMap<String, u64>,
    /// By journey.
    pub(in crate::load) visits: Vec<Iterations>,
    /// By step and phase.
    pub(in crate::load) steps: Vec<IdVec<PhaseId, Done>>,
    /// By population, then by journey.
    pub(in crate::load) entering: Vec<Entering>,
    /// By journey.
    pub(in crate::load) flows: Vec<FlowTally>,
}

/// Iterations of a flow.
#[derive(Clone, Debug, Default)]
pub(in crate::load) struct FlowTally {
    /// Virtual users, of those that are always so many, that got in before anything was measured.
    pub(in crate::load) arrived: HashSet<u64>,
    /// By phase: those that began, and those that ended.
    pub(in crate::load) phases: IdVec<PhaseId, (u64, u64)>,
}

impl FlowTally {
    fn add(&mut self, other: &Self) {
        let Self { arrived, phases } = other;
        self.arrived.extend(arrived);
        for (mine, (begun, ended)) in self.phases.iter_mut().zip(phases) {
            *mine = (mine.0 + begun, mine.1 + ended);
        }
    }
}

impl UserCounters {
    pub(super) fn new(plan: &Plan) -> Self {
        let phases = plan.phases.len();
        Self {
            asked_back: vec![(0, 0); phases].into(),
            visits: vec![Iterations::default(); plan.journeys.len()],
            steps: vec![IdVec::from(vec![Done::default(); phases]); plan.steps.len()],
            entering: vec![Entering::default(); plan.populations.len() + plan.journeys.len()],
            flows: vec![FlowTally { phases: vec![(0, 0); phases].into(), ..FlowTally::default() }; plan.journeys.len()],
            ..Self::default()
        }
    }

    /// What the workers have counted, added up. Each field by name, so that one that is forgotten does not compile.
    pub(in crate::load) fn sum<'a>(plan: &Plan, workers: impl Iterator<Item = &'a Self>) -> Self {
        workers.fold(Self::new(plan), |mut sum, worker| {
            sum.add(worker);
            sum
        })
    }

    fn add(&mut self, other: &Self) {
        let Self {
            open,
            failed,
            lost,
            present,
            sessions,
            churned,
            dropped,
            broken,
            interrupted,
            stalls,
            foreign,
            strangers,
            among,
            stale,
            elsewhere,
            resent,
            negative,
            unsettled,
            cluster_fences,
            pairs,
            transports,
            asked_back,
            problems,
            visits,
            steps,
            entering,
            flows,
        } = other;
        self.open += open;
        self.failed += failed;
        self.lost += lost;
        self.present += present;
        self.sessions += sessions;
        self.churned += churned;
        self.dropped += dropped;
        self.broken += broken;
        self.interrupted += interrupted;
        self.stalls += stalls;
        self.foreign += foreign;
        self.strangers.add(strangers);
        self.among += *among;
        self.stale += stale;
        self.elsewhere += elsewhere;
        self.resent += resent;
        self.negative += negative;
        self.unsettled += unsettled;
        self.cluster_fences += cluster_fences;
        pairs.iter().for_each(|(nodes, across)| self.pairs.entry(*nodes).or_default().add(*across));
        self.transports += *transports;
        for (mine, (asked, recovered)) in self.asked_back.iter_mut().zip(asked_back) {
            *mine = (mine.0 + asked, mine.1 + recovered);
        }
        problems.iter().for_each(|(problem, times)| *self.problems.entry(problem.clone()).or_default() += times);
        self.visits.iter_mut().zip(visits).for_each(|(mine, theirs)| *mine = *mine + *theirs);
        let steps = self.steps.iter_mut().flatten().zip(steps.iter().flatten());
        steps.for_each(|(mine, theirs)| mine.add(*theirs));
        self.entering.iter_mut().zip(entering).for_each(|(mine, theirs)| *mine += *theirs);
        self.flows.iter_mut().zip(flows).for_each(|(mine, theirs)| mine.add(theirs));
    }

    /// One of a group will not get in any more.
    pub(in crate::load) fn turned_away(&mut self, group: usize, unreachable: bool) {
        self.entering[group].failed += 1;
        self.entering[group].unreachable += u64::from(unreachable);
    }

    /// Notes what went wrong with a user; one line for each kind, of which there are few.
    pub(in crate::load) fn problem(&mut self, what: String) {
        let what =
            if self.problems.len() < KINDS || self.problems.contains_key(&what) { what } else { OTHERS.to_owned() };
        *self.problems.entry(what).or_default() += 1;
    }

    /// Somebody was turned away, and nobody got in.
    pub(super) fn is_refused(&self) -> bool {
        let entering = &self.entering;
        entering.iter().all(|group| group.inside == 0) && entering.iter().any(|group| group.failed > 0)
    }

    pub(super) fn visit_begins(&mut self, journey: usize, group: usize, phase: PhaseId) {
        self.flows[journey].phases[phase].0 += 1;
        self.visits[journey].begun += 1;
        self.entering[group].begun += 1;
    }

    pub(super) fn visit_ends(&mut self, journey: usize, group: usize, phase: PhaseId, end: VisitEnd) {
        self.flows[journey].phases[phase].1 += u64::from(!matches!(end, VisitEnd::Cut));
        match &end {
            // A flow may have no connect in it.
            VisitEnd::Finished => self.entering[group].inside += 1,
            VisitEnd::Failed(refusal) => self.turned_away(group, refusal.unreachable),
            VisitEnd::Starved(_) | VisitEnd::Cut => {}
        }
        let visits = &mut self.visits[journey];
        match &end {
            VisitEnd::Finished => visits.finished += 1,
            VisitEnd::Failed(_) => visits.failed += 1,
            VisitEnd::Starved(_) => visits.starved += 1,
            VisitEnd::Cut => visits.cut += 1,
        }
        if let VisitEnd::Failed(NotIn { why, .. }) | VisitEnd::Starved(why) = end {
            self.problem(format!("an iteration failed: {why}"));
        }
    }
}

/// Counts of one traffic in one phase, by the population of the receiver; what is not about receivers belongs to
/// the sender's.
pub(in crate::load) type PhaseCounts = Vec<Counts>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_beyond_a_number_are_counted_together() {
        let mut counters = UserCounters::default();
        (0..KINDS + 7).for_each(|number| counters.problem(format!("problem {number}")));
        counters.problem("problem 3".to_owned());
        assert_eq!(counters.problems.len(), KINDS + 1);
        assert_eq!((counters.problems["problem 3"], counters.problems[OTHERS]), (2, 7));
    }

    #[test]
    fn an_iteration_ends_in_one_way_and_its_user_is_in_or_not() {
        let entering = || vec![Entering::default()];
        let flows = || vec![FlowTally { phases: vec![(0, 0)].into(), ..FlowTally::default() }];
        let failed = || VisitEnd::Failed(NotIn { why: "no".to_owned(), unreachable: true });
        for (end, inside, turned_away, ended) in [
            (VisitEnd::Finished, 1, 0, 1),
            (failed(), 0, 1, 1),
            (VisitEnd::Starved("no port".to_owned()), 0, 0, 1),
            (VisitEnd::Cut, 0, 0, 0),
        ] {
            let visits = vec![Iterations::default()];
            let mut counters = UserCounters { entering: entering(), flows: flows(), visits, ..UserCounters::default() };
            counters.visit_begins(0, 0, PhaseId::FIRST);
            counters.visit_ends(0, 0, PhaseId::FIRST, end);
            let (group, visits) = (&counters.entering[0], &counters.visits[0]);
            assert_eq!(
                (group.begun, group.inside, group.failed, group.unreachable),
                (1, inside, turned_away, turned_away)
            );
            assert_eq!(
                (visits.begun, visits.under_way(), counters.flows[0].phases[PhaseId::FIRST]),
                (1, 0, (1, ended))
            );
            assert_eq!(counters.is_refused(), turned_away == 1);
        }
    }
}

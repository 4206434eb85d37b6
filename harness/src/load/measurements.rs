//! What one worker measures. Owned by its thread: no lock, no allocation per delivery.

use std::collections::HashSet;

use hdrhistogram::Histogram;
use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use sio_oracle::Tri;
use sio_oracle::board::{Answer, DeliveryOutcome, Nanos, Receiver, Time, Verdict};

use super::admission::{Entering, NotIn};
use super::emission_log::{Entry, FanoutProgress, Window};
use super::evidence::{Kind, Observed, ViolationEvidence, Witnesses};
use super::fanout::Places;
use super::losses::{Losses, Nodes};
use super::other_runs::Strangers;
use super::outages::Outages;
use super::outliers::Outliers;
use super::plan::Plan;
use super::schedule::Emission;
use crate::record::histogram::{empty, record};
use crate::record::{Among, Counts, Due, Iterations, Transports};

/// A message counts as sent late beyond this: a millisecond.
const LATE: i64 = 1_000_000;

/// Problems that are told apart; what a server says may be different each time.
const KINDS: usize = 50;
const OTHERS: &str = "other problems";

/// Names under which copies came, of one traffic, that are told apart, and how much of a name is kept.
const NAMES: usize = 20;
const NAME_LENGTH: usize = 80;
const OTHER_NAMES: &str = "other names";

/// Histograms that fill up between two snapshots, one per phase; made when the first value comes.
#[derive(Default)]
struct PhaseHistograms(Vec<Option<Histogram<u64>>>);

impl PhaseHistograms {
    fn record(&mut self, index: usize, value: u64) {
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || None);
        }
        record(self.0[index].get_or_insert_with(empty), value);
    }

    fn take(&mut self) -> Vec<(usize, Histogram<u64>)> {
        let taken = self.0.iter_mut().enumerate();
        taken.filter_map(|(index, slot)| slot.take().map(|histogram| (index, histogram))).collect()
    }
}

/// Which distribution a histogram belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) measure: Measure,
    /// Index of the traffic or of the step; 0 for measures that have none.
    pub(super) of: usize,
    pub(super) phase: usize,
    /// Population of the receivers; 0 for measures that do not tell them apart.
    pub(super) users: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Measure {
    /// Intended time to receipt.
    Delivery,
    /// Sending to receipt.
    Service,
    /// Intended time to sending.
    Late,
    /// Intended time to the CONNECT reply; before any phase.
    Connect,
    /// Intended time to the first recipient.
    First,
    /// Intended time to the last recipient.
    Complete,
    /// Intended time to the sender's acknowledgement.
    Ack,
    /// From the loss of a connection to being in all rooms again; by the phase of the loss.
    Reconnect,
    /// Round trip of a fence.
    Fence,
    /// A cluster fence, from one server to a user of another.
    Crossing,
    /// From the kernel's receipt of bytes to their being read.
    Read,
    /// Bytes that one read took.
    Queue,
    /// From a polling session to the WebSocket that carries it on.
    Upgrade,
    /// What a step of a flow took.
    Step,
}

impl Measure {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Service => "service",
            Self::Late => "late",
            Self::Connect => "connect",
            Self::First => "first",
            Self::Complete => "complete",
            Self::Ack => "ack",
            Self::Reconnect => "reconnect",
            Self::Fence => "fence",
            Self::Crossing => "crossing",
            Self::Read => "read_delay",
            Self::Queue => "recv_queue",
            Self::Upgrade => "upgrade",
            Self::Step => "step",
        }
    }
}

/// What was measured since the last snapshot, and how things stand.
pub(super) struct Snapshot {
    pub(super) worker: usize,
    /// Users that are connected and in their rooms.
    pub(super) present: u64,
    /// Iterations under way.
    pub(super) iterating: u64,
    pub(super) failed: u64,
    pub(super) lost: u64,
    pub(super) sent: u64,
    pub(super) delivered: u64,
    /// Deliveries that were wrong, and those that did not come.
    pub(super) wrong: u64,
    /// How those fare who ask to be let in; by population, then by journey.
    pub(super) entering: Vec<Entering>,
    /// What went wrong, as long as nobody is in.
    pub(super) problems: IndexMap<String, u64>,
    /// Where a threshold may end the run.
    pub(super) so_far: Option<Box<SoFar>>,
    pub(super) histograms: Vec<(Key, Histogram<u64>)>,
}

/// What a worker has counted until now.
#[derive(Clone)]
pub(super) struct SoFar {
    /// By traffic and phase.
    pub(super) counts: Vec<Vec<PhaseCounts>>,
    pub(super) tally: UserCounters,
    /// By traffic: copies that were recognised.
    pub(super) copies: Vec<u64>,
}

/// How a visit ended.
pub(super) enum VisitEnd {
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
pub(super) struct Across {
    pub(super) owed: u64,
    pub(super) missing: u64,
    pub(super) undecided: u64,
    pub(super) may: u64,
    pub(super) may_delivered: u64,
}

/// Users whose steps were done and those whose were not, of one step in one phase.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    pub(super) well: u64,
    pub(super) failed: u64,
}

/// What a worker counts that belongs to no message.
#[derive(Clone, Debug, Default)]
pub(super) struct UserCounters {
    /// Users that opened at least once.
    pub(super) open: u64,
    /// Users that never opened.
    pub(super) failed: u64,
    /// Users whose connection broke for good.
    pub(super) lost: u64,
    /// Users that are in their rooms now.
    pub(super) present: u64,
    /// Connections that got as far as being in all rooms.
    pub(super) sessions: u64,
    /// Sessions that ended because the user had stayed long enough.
    pub(super) churned: u64,
    /// Connections that chaos ended.
    pub(super) dropped: u64,
    /// Connections that the target ended, or its network.
    pub(super) broken: u64,
    /// Users that come back, and of whose connections the target or its network ended one.
    pub(super) interrupted: u64,
    pub(super) stalls: u64,
    pub(super) foreign: u64,
    pub(super) strangers: Strangers,
    pub(super) among: Among,
    /// Deliveries of messages whose account was closed.
    pub(super) stale: u64,
    /// Copies of messages of other parts.
    pub(super) elsewhere: u64,
    /// Requests that were sent again, since the server had closed a connection that was to be kept open.
    pub(super) resent: u64,
    pub(super) negative: u64,
    pub(super) unsettled: u64,
    /// Cluster fences that were sent.
    pub(super) cluster_fences: u64,
    /// What was owed from one server of a cluster to users of another, by the two.
    pub(super) pairs: HashMap<(u32, u32), Across>,
    /// Sessions that were opened, by the transport they were to have, and those that moved to a WebSocket.
    pub(super) transports: Transports,
    /// By phase of the loss: reconnections that asked for what they missed, and those that got it.
    pub(super) asked_back: Vec<(u64, u64)>,
    pub(super) problems: IndexMap<String, u64>,
    /// By journey.
    pub(super) visits: Vec<Iterations>,
    /// By step and phase.
    pub(super) steps: Vec<Vec<Done>>,
    /// By population, then by journey.
    pub(super) entering: Vec<Entering>,
    /// By journey.
    pub(super) flows: Vec<FlowTally>,
}

/// Iterations of a flow.
#[derive(Clone, Debug, Default)]
pub(super) struct FlowTally {
    /// Virtual users, of those that are always so many, that got in before anything was measured.
    pub(super) arrived: HashSet<u64>,
    /// By phase: those that began, and those that ended.
    pub(super) phases: Vec<(u64, u64)>,
}

impl UserCounters {
    /// One of a group will not get in any more.
    pub(super) fn turned_away(&mut self, group: usize, unreachable: bool) {
        self.entering[group].failed += 1;
        self.entering[group].unreachable += u64::from(unreachable);
    }

    /// Notes what went wrong with a user; one line for each kind, of which there are few.
    pub(super) fn problem(&mut self, what: String) {
        let what =
            if self.problems.len() < KINDS || self.problems.contains_key(&what) { what } else { OTHERS.to_owned() };
        *self.problems.entry(what).or_default() += 1;
    }
}

/// Counts of one traffic in one phase, by the population of the receiver; what is not about receivers belongs to
/// the sender's.
pub(super) type PhaseCounts = Vec<Counts>;

/// The servers of sender and receiver: a user and the server it is with.
fn nodes(plan: &Plan, entry: &Entry, (user, node): (u32, u32)) -> Nodes {
    let planned = |user: u32| plan.users[user as usize].node;
    if plan.is_cluster() { (entry.origin().node, node) } else { (planned(entry.emission.sender), planned(user)) }
}

/// So many messages are looked through for the sender's next one.
const LOOKED_THROUGH: usize = 1_000;

/// Whether the next message of the same sender to the same target came ahead of this one: that is wrong however many
/// servers there are, while the order among senders holds on one server only.
fn is_overtaken_by_own(window: &Window, account: &Receiver, emission: &Emission) -> bool {
    let later = (emission.seq + 1..).take(LOOKED_THROUGH).map_while(|seq| window.index(emission.stream, seq));
    let next = later.filter_map(|index| window.entry(index)).find(|entry| entry.emission.sender == emission.sender);
    next.is_some_and(|entry| account.has(emission.stream, entry.emission.seq))
}

/// What a delivery looked like.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) json: String,
    /// The attachment that its payload was, if it was one.
    pub(super) attachment: Option<usize>,
}

/// What a worker has found when it ends.
pub(super) struct Findings {
    /// By traffic and phase.
    pub(super) counts: Vec<Vec<PhaseCounts>>,
    pub(super) tally: UserCounters,
    pub(super) witnesses: Witnesses,
    /// What the first delivery of each traffic looked like.
    pub(super) samples: Vec<Option<Sample>>,
    pub(super) places: Places,
    pub(super) outliers: Outliers,
    pub(super) due: Due,
    pub(super) losses: Losses,
    /// By traffic: copies under other names than the one that is owed.
    pub(super) others: Vec<IndexMap<String, u64>>,
    /// By traffic: copies that were recognised under its name.
    pub(super) copies: Vec<u64>,
}

/// The state of a worker.
pub(super) struct Measurements {
    /// By traffic and phase.
    counts: Vec<Vec<PhaseCounts>>,
    /// By traffic, then by population.
    delivery: Vec<Vec<PhaseHistograms>>,
    service: Vec<PhaseHistograms>,
    first: Vec<PhaseHistograms>,
    complete: Vec<PhaseHistograms>,
    ack: Vec<PhaseHistograms>,
    late: PhaseHistograms,
    connect: PhaseHistograms,
    reconnect: PhaseHistograms,
    fence: PhaseHistograms,
    crossing: PhaseHistograms,
    read: PhaseHistograms,
    queue: PhaseHistograms,
    upgrade: PhaseHistograms,
    /// By step.
    steps: Vec<PhaseHistograms>,
    pub(super) tally: UserCounters,
    witnesses: Witnesses,
    /// What the first delivery of each traffic looked like.
    samples: Vec<Option<Sample>>,
    /// Whether losses are decided by fences; otherwise by waiting.
    fenced: bool,
    places: Places,
    outliers: Outliers,
    due: Due,
    losses: Losses,
    others: Vec<IndexMap<String, u64>>,
    /// By traffic: copies that were recognised under its name.
    copies: Vec<u64>,
    /// Copies by user and traffic that are spoilt so that nobody knows which message they are of; one of them stands for
    /// a message of which no other came.
    spoilt: HashMap<(u32, u16), u32>,
    sent: u64,
    delivered: u64,
    wrong: u64,
}

impl Measurements {
    /// `fenced` says whether losses are decided by fences, and not by waiting.
    pub(super) fn new(plan: &Plan, fenced: bool) -> Self {
        let traffics = plan.traffic.len();
        let spreads = || (0..traffics).map(|_| PhaseHistograms::default()).collect();
        let tally = UserCounters {
            asked_back: vec![(0, 0); plan.phases.len()],
            visits: vec![Iterations::default(); plan.journeys.len()],
            steps: vec![vec![Done::default(); plan.phases.len()]; plan.steps.len()],
            entering: vec![Entering::default(); plan.populations.len() + plan.journeys.len()],
            flows: vec![
                FlowTally { phases: vec![(0, 0); plan.phases.len()], ..FlowTally::default() };
                plan.journeys.len()
            ],
            ..UserCounters::default()
        };
        Self {
            counts: vec![vec![vec![Counts::default(); plan.populations.len()]; plan.phases.len()]; traffics],
            delivery: (0..traffics)
                .map(|_| plan.populations.iter().map(|_| PhaseHistograms::default()).collect())
                .collect(),
            service: spreads(),
            first: spreads(),
            complete: spreads(),
            ack: spreads(),
            late: PhaseHistograms::default(),
            connect: PhaseHistograms::default(),
            reconnect: PhaseHistograms::default(),
            fence: PhaseHistograms::default(),
            crossing: PhaseHistograms::default(),
            read: PhaseHistograms::default(),
            queue: PhaseHistograms::default(),
            upgrade: PhaseHistograms::default(),
            steps: plan.steps.iter().map(|_| PhaseHistograms::default()).collect(),
            tally,
            witnesses: Witnesses::default(),
            samples: vec![None; traffics],
            fenced,
            places: Places::new(traffics),
            outliers: Outliers::new(traffics),
            due: Due::default(),
            losses: Losses::default(),
            others: vec![IndexMap::new(); traffics],
            copies: vec![0; traffics],
            spoilt: HashMap::new(),
            sent: 0,
            delivered: 0,
            wrong: 0,
        }
    }

    /// Where it is looked up who lost its connection.
    pub(super) fn knows(&mut self, outages: Arc<Outages>) {
        self.witnesses = Witnesses::new(outages);
    }

    fn counts(&mut self, plan: &Plan, emission: &Emission, user: u32) -> &mut Counts {
        let population = plan.users[user as usize].population;
        &mut self.counts[usize::from(emission.traffic)][usize::from(emission.phase)][population]
    }

    /// A user is in its rooms for the first time; it was connected `nanos` after its intended time.
    pub(super) fn opened(&mut self, nanos: u64) {
        self.tally.open += 1;
        self.connect.record(0, nanos);
    }

    /// A user that had lost its connection in `phase` is in its rooms again.
    pub(super) fn reconnected(&mut self, phase: usize, nanos: u64) {
        self.reconnect.record(phase, nanos);
    }

    /// A fence was answered.
    pub(super) fn fenced(&mut self, phase: usize, nanos: u64) {
        self.fence.record(phase, nanos);
    }

    /// A cluster fence that was sent in `phase` has come to a user of another server.
    pub(super) fn crossed(&mut self, phase: usize, nanos: u64) {
        self.crossing.record(phase, nanos);
    }

    /// So many bytes that arrived in `phase` had been with the kernel for so long.
    pub(super) fn read(&mut self, phase: usize, nanos: u64, bytes: u64) {
        self.read.record(phase, nanos);
        self.queue.record(phase, bytes);
    }

    /// A visitor that was to come in `phase` came so much later.
    pub(super) fn came(&mut self, phase: usize, late: u64) {
        self.late.record(phase, late);
    }

    /// `group` is the journey's among those that ask to be let in.
    pub(super) fn visit_begins(&mut self, journey: usize, group: usize, phase: usize) {
        self.tally.flows[journey].phases[phase].0 += 1;
        self.tally.visits[journey].begun += 1;
        self.tally.entering[group].begun += 1;
    }

    pub(super) fn visit_ends(&mut self, journey: usize, group: usize, phase: usize, end: VisitEnd) {
        self.tally.flows[journey].phases[phase].1 += u64::from(!matches!(end, VisitEnd::Cut));
        match &end {
            // A flow may have no connect in it.
            VisitEnd::Finished => self.tally.entering[group].inside += 1,
            VisitEnd::Failed(refusal) => self.tally.turned_away(group, refusal.unreachable),
            VisitEnd::Starved(_) | VisitEnd::Cut => {}
        }
        let visits = &mut self.tally.visits[journey];
        match &end {
            VisitEnd::Finished => visits.finished += 1,
            VisitEnd::Failed(_) => visits.failed += 1,
            VisitEnd::Starved(_) => visits.starved += 1,
            VisitEnd::Cut => visits.cut += 1,
        }
        if let VisitEnd::Failed(NotIn { why, .. }) | VisitEnd::Starved(why) = end {
            self.tally.problem(format!("an iteration failed: {why}"));
        }
    }

    /// A visitor was let in so long after it asked.
    pub(super) fn visitor_connected(&mut self, group: usize, nanos: u64) {
        self.tally.entering[group].inside += 1;
        self.connect.record(0, nanos);
    }

    /// A step that began in `phase` was done.
    pub(super) fn stepped(&mut self, step: usize, phase: usize, nanos: u64) {
        self.tally.steps[step][phase].well += 1;
        self.steps[step].record(phase, nanos);
    }

    /// A step that began in `phase` failed.
    pub(super) fn stumbled(&mut self, step: usize, phase: usize) {
        self.tally.steps[step][phase].failed += 1;
    }

    /// A session that was opened in `phase` has moved to a WebSocket.
    pub(super) fn upgraded(&mut self, phase: usize, nanos: u64) {
        self.tally.transports.upgraded += 1;
        self.upgrade.record(phase, nanos);
    }

    /// A message leaves now.
    pub(super) fn sending(&mut self, plan: &Plan, emission: &Emission, now: Nanos) {
        let late = now - emission.at as i64;
        self.sent += 1;
        let counts = self.counts(plan, emission, emission.sender);
        counts.sent += 1;
        counts.sent_late += u64::from(late > LATE);
        self.late.record(usize::from(emission.phase), late.max(0) as u64);
    }

    /// `user` got a message that arrived at `at`. Returns its latency if it counts.
    pub(super) fn delivered(
        &mut self,
        plan: &Plan,
        window: &Window,
        (user, node): (u32, u32),
        entry: &Entry,
        (verdict, account): (Verdict, &Receiver),
        at: Nanos,
    ) -> Option<u64> {
        let emission = &entry.emission;
        let out_of_order = matches!(verdict, Verdict::Overtaken(_) | Verdict::Late);
        let across = out_of_order && !is_overtaken_by_own(window, account, emission);
        let elsewhere = plan.users[emission.sender as usize].node != plan.users[user as usize].node;
        let counts = self.counts(plan, emission, user);
        counts.out_of_order_across += u64::from(across);
        let wrong = match verdict {
            Verdict::Fine => None,
            Verdict::History => {
                counts.history += 1;
                None
            }
            Verdict::Overtaken(by) => {
                counts.out_of_order += 1;
                Some((Kind::OutOfOrder, Observed::Behind(by)))
            }
            Verdict::Late => {
                counts.out_of_order += 1;
                self.found(plan, entry, (user, node));
                Some((Kind::OutOfOrder, Observed::Late { fenced: self.fenced }))
            }
            Verdict::BehindFence(at) => {
                counts.out_of_order += 1;
                Some((Kind::OutOfOrder, Observed::BehindFence(at)))
            }
            Verdict::Duplicate => {
                counts.duplicate += 1;
                Some((Kind::Duplicate, Observed::Nothing))
            }
            Verdict::Phantom => {
                counts.misdelivered += 1;
                counts.misdelivered_across += u64::from(elsewhere);
                Some((Kind::Misdelivered, Observed::Nothing))
            }
        };
        if let Some((kind, seen)) = wrong {
            self.wrong += 1;
            let stays = account.membership(emission.stream);
            self.witnesses.note(
                plan,
                window,
                &ViolationEvidence { kind, receiver: user, entry, at: Some(at), stays, seen },
            );
        }
        if matches!(verdict, Verdict::Duplicate | Verdict::Phantom | Verdict::History) {
            return None;
        }
        Some(self.arrived(plan, user, entry, at))
    }

    /// A message that had been counted as missing was not lost, only behind what should have come behind it.
    fn found(&mut self, plan: &Plan, entry: &Entry, (user, node): (u32, u32)) {
        let counts = self.counts(plan, &entry.emission, user);
        counts.missing = counts.missing.saturating_sub(1);
        counts.delivered += 1;
        self.due.found(entry.emission.at);
        self.found_between(plan, entry, (user, node));
        self.witnesses.came_late(user, entry);
    }

    /// A message came in one event with others. Returns its latency if it is a delivery.
    pub(super) fn delivered_among(
        &mut self,
        plan: &Plan,
        (user, node): (u32, u32),
        entry: &Entry,
        verdict: Verdict,
        at: Nanos,
    ) -> Option<u64> {
        match verdict {
            Verdict::Fine => {}
            Verdict::Late => self.found(plan, entry, (user, node)),
            _ => {
                self.tally.among.again += 1;
                return None;
            }
        }
        self.tally.among.deliveries += 1;
        Some(self.arrived(plan, user, entry, at))
    }

    /// The first copy of a message has come; returns its latency.
    fn arrived(&mut self, plan: &Plan, user: u32, entry: &Entry, at: Nanos) -> u64 {
        let emission = &entry.emission;
        self.delivered += 1;
        let (traffic, phase) = (usize::from(emission.traffic), usize::from(emission.phase));
        let latency = at - emission.at as i64;
        self.tally.negative += u64::from(latency < 0);
        let latency = latency.max(0) as u64;
        self.delivery[traffic][plan.users[user as usize].population].record(phase, latency);
        if let Some(sent) = entry.sent() {
            self.service[traffic].record(phase, (at - sent).max(0) as u64);
        }
        latency
    }

    /// A copy came of a message that another part has sent. It is judged where the parts are put together; how late it came is
    /// known here already.
    pub(super) fn of_another_part(&mut self, plan: &Plan, user: u32, emission: &Emission, at: Nanos) {
        self.delivered += 1;
        self.tally.elsewhere += 1;
        let latency = at - emission.at as i64;
        self.tally.negative += u64::from(latency < 0);
        let spreads = &mut self.delivery[usize::from(emission.traffic)][plan.users[user as usize].population];
        spreads.record(usize::from(emission.phase), latency.max(0) as u64);
    }

    /// A copy of a message came under a name that is not owed: nobody's fault.
    pub(super) fn other_name(&mut self, traffic: u16, name: &str) {
        let names = &mut self.others[usize::from(traffic)];
        let name = name.char_indices().nth(NAME_LENGTH).map_or(name, |(end, _)| &name[..end]);
        if let Some(copies) = names.get_mut(name) {
            *copies += 1;
        } else {
            let name = if names.len() < NAMES { name } else { OTHER_NAMES };
            *names.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// An event came that has the name of a traffic's messages and cannot be recognised; whether it is certain that it is
    /// one of them.
    pub(super) fn unread(
        &mut self,
        plan: &Plan,
        user: u32,
        (traffic, is_spoilt): (usize, bool),
        json: &str,
        at: Nanos,
    ) {
        let population = plan.users[user as usize].population;
        let counts = &mut self.counts[traffic][plan.phase_at(at)][population];
        if is_spoilt {
            counts.altered += 1;
            self.wrong += 1;
            *self.spoilt.entry((user, traffic as u16)).or_default() += 1;
            self.witnesses.note_spoilt(plan, user, traffic, json, at);
        } else {
            counts.unidentified += 1;
        }
    }

    /// A copy of a message came whose payload is as it was sent for so many bytes only.
    pub(super) fn altered(&mut self, plan: &Plan, window: &Window, user: u32, entry: &Entry, intact: usize, at: Nanos) {
        self.counts(plan, &entry.emission, user).altered += 1;
        self.wrong += 1;
        let seen = Observed::Intact(intact);
        let witness =
            ViolationEvidence { kind: Kind::Altered, receiver: user, entry, at: Some(at), stays: Vec::new(), seen };
        self.witnesses.note(plan, window, &witness);
    }

    /// Whether a spoilt copy stands for a message of which no other came.
    fn was_spoilt(&mut self, user: u32, traffic: u16) -> bool {
        let Some(copies) = self.spoilt.get_mut(&(user, traffic)).filter(|copies| **copies > 0) else { return false };
        *copies -= 1;
        true
    }

    /// The receiver of a message at `place`, counted from 1, got it after so long.
    pub(super) fn placed(&mut self, plan: &Plan, emission: &Emission, place: u32, latency: u64) {
        if plan.phases[usize::from(emission.phase)].measured {
            self.places.record(usize::from(emission.traffic), place, latency);
        }
    }

    /// A copy of a message was recognised: counts it, and remembers what deliveries of a traffic look like.
    pub(super) fn recognised(&mut self, traffic: u16, json: &str, attachment: Option<usize>) {
        self.copies[usize::from(traffic)] += 1;
        let sample = &mut self.samples[usize::from(traffic)];
        if sample.is_none() {
            *sample = Some(Sample { json: json.to_owned(), attachment });
        }
    }

    /// The sender's acknowledgement of a message arrived.
    pub(super) fn acknowledged(&mut self, emission: &Emission, now: Nanos) {
        let latency = (now - emission.at as i64).max(0) as u64;
        self.ack[usize::from(emission.traffic)].record(usize::from(emission.phase), latency);
    }

    /// The application has refused a message, and said why.
    pub(super) fn refused(&mut self, plan: &Plan, emission: &Emission, why: &str) {
        self.counts(plan, emission, emission.sender).refused += 1;
        self.tally.problem(format!("a message of {} {why}", plan.traffic[usize::from(emission.traffic)].name));
    }

    /// The account of a message and a receiver is closed.
    pub(super) fn settled(
        &mut self,
        plan: &Plan,
        window: &Window,
        (user, node): (u32, u32),
        entry: &Entry,
        fate: DeliveryOutcome,
    ) {
        // It was for nobody, and who got it all the same was not wronged.
        if entry.is_refused() {
            return;
        }
        let is_spoilt = matches!(fate, DeliveryOutcome::Missing(_)) && self.was_spoilt(user, entry.emission.traffic);
        if plan.is_cluster() && !is_spoilt {
            self.note_pair((entry.origin().node, node), fate);
        }
        let counts = self.counts(plan, &entry.emission, user);
        match fate {
            _ if is_spoilt => {
                counts.owed += 1;
                counts.delivered += 1;
                self.due.owed(entry.emission.at);
            }
            DeliveryOutcome::Delivered => {
                counts.owed += 1;
                counts.delivered += 1;
                self.due.owed(entry.emission.at);
            }
            DeliveryOutcome::Missing(by) => {
                counts.owed += 1;
                counts.missing += 1;
                self.wrong += 1;
                self.due.owed(entry.emission.at);
                self.due.missing(entry.emission.at);
                self.losses.lost(entry.sent().unwrap_or_default(), nodes(plan, entry, (user, node)));
                // It was inside throughout, or nothing would be missing.
                let stays = entry.sent().map(|sent| (sent, Tri::T)).into_iter().collect();
                let seen = Observed::Absent { by, fenced: self.fenced };
                let witness = ViolationEvidence { kind: Kind::Missing, receiver: user, entry, at: None, stays, seen };
                self.witnesses.note(plan, window, &witness);
            }
            DeliveryOutcome::Excused => counts.excused += 1,
            DeliveryOutcome::Undecided => counts.undecided += 1,
            DeliveryOutcome::May(here) => {
                counts.may += 1;
                counts.may_delivered += u64::from(here);
            }
            DeliveryOutcome::Volatile(here) => {
                counts.volatile += 1;
                counts.volatile_delivered += u64::from(here);
            }
        }
    }

    /// What was counted as missing between two servers has come after all.
    fn found_between(&mut self, plan: &Plan, entry: &Entry, receiver: (u32, u32)) {
        let nodes = nodes(plan, entry, receiver);
        self.losses.found(entry.sent().unwrap_or_default(), nodes);
        if let Some(across) = self.tally.pairs.get_mut(&nodes) {
            across.missing = across.missing.saturating_sub(1);
        }
    }

    /// Counts what was owed by the servers of sender and receiver.
    fn note_pair(&mut self, nodes: (u32, u32), fate: DeliveryOutcome) {
        let across = self.tally.pairs.entry(nodes).or_default();
        match fate {
            DeliveryOutcome::Delivered => across.owed += 1,
            DeliveryOutcome::Missing(_) => {
                across.owed += 1;
                across.missing += 1;
            }
            DeliveryOutcome::Undecided => across.undecided += 1,
            DeliveryOutcome::May(here) => {
                across.may += 1;
                across.may_delivered += u64::from(here);
            }
            DeliveryOutcome::Excused | DeliveryOutcome::Volatile(_) => {}
        }
    }

    /// A message was sent while `user` was away, and did not reach the session it has now.
    pub(super) fn missed(&mut self, plan: &Plan, user: u32, entry: &Entry) {
        self.counts(plan, &entry.emission, user).missed_offline += 1;
    }

    /// Nobody will say any more about a message.
    pub(super) fn closed(&mut self, plan: &Plan, entry: &Entry, seen: FanoutProgress) {
        let emission = &entry.emission;
        let counts = self.counts(plan, emission, emission.sender);
        counts.scheduled += 1;
        let Some(sent) = entry.sent() else {
            counts.skipped += 1;
            return;
        };
        let is_answered = matches!(entry.time(), Time::Sent { ok: Answer::At(_), .. });
        counts.unanswered +=
            u64::from(plan.traffic[usize::from(emission.traffic)].ack && !is_answered && !entry.is_refused());
        let (traffic, phase) = (usize::from(emission.traffic), usize::from(emission.phase));
        if seen.count > 0 {
            self.first[traffic].record(phase, seen.first);
        }
        if seen.owed > 0 && seen.missing == 0 {
            self.complete[traffic].record(phase, seen.last);
            if plan.phases[phase].measured {
                self.outliers.note(entry, sent, seen);
            }
        }
    }

    /// Hands out what was measured since the last time.
    pub(super) fn snapshot(&mut self, worker: usize, counts: bool) -> Snapshot {
        let mut histograms = Vec::new();
        let mut collect_of = |measure, of, users, spread: &mut PhaseHistograms| {
            let taken = spread.take().into_iter();
            histograms.extend(taken.map(|(phase, histogram)| (Key { measure, of, phase, users }, histogram)));
        };
        for (traffic, spreads) in self.delivery.iter_mut().enumerate() {
            for (users, spread) in spreads.iter_mut().enumerate() {
                collect_of(Measure::Delivery, traffic, users, spread);
            }
        }
        let mut collect = |measure, traffic, spread: &mut PhaseHistograms| collect_of(measure, traffic, 0, spread);
        let by_traffic = [
            (Measure::Service, &mut self.service),
            (Measure::First, &mut self.first),
            (Measure::Complete, &mut self.complete),
            (Measure::Ack, &mut self.ack),
        ];
        for (measure, spreads) in by_traffic {
            spreads.iter_mut().enumerate().for_each(|(traffic, spread)| collect(measure, traffic, spread));
        }
        collect(Measure::Late, 0, &mut self.late);
        collect(Measure::Connect, 0, &mut self.connect);
        collect(Measure::Reconnect, 0, &mut self.reconnect);
        collect(Measure::Fence, 0, &mut self.fence);
        collect(Measure::Crossing, 0, &mut self.crossing);
        collect(Measure::Read, 0, &mut self.read);
        collect(Measure::Queue, 0, &mut self.queue);
        collect(Measure::Upgrade, 0, &mut self.upgrade);
        self.steps.iter_mut().enumerate().for_each(|(step, spread)| collect(Measure::Step, step, spread));
        let iterating = self.tally.visits.iter().map(Iterations::under_way).sum();
        Snapshot {
            worker,
            present: self.tally.present,
            iterating,
            failed: self.tally.failed,
            lost: self.tally.lost,
            sent: self.sent,
            delivered: self.delivered,
            wrong: self.wrong,
            problems: if self.is_refused() { self.tally.problems.clone() } else { IndexMap::new() },
            entering: self.tally.entering.clone(),
            so_far: counts.then(|| {
                Box::new(SoFar { counts: self.counts.clone(), tally: self.tally.clone(), copies: self.copies.clone() })
            }),
            histograms,
        }
    }

    /// Somebody was turned away, and nobody got in.
    fn is_refused(&self) -> bool {
        let entering = &self.tally.entering;
        entering.iter().all(|group| group.inside == 0) && entering.iter().any(|group| group.failed > 0)
    }

    /// What is left when the worker ends.
    pub(super) fn into_findings(self) -> Findings {
        Findings {
            counts: self.counts,
            tally: self.tally,
            witnesses: self.witnesses,
            samples: self.samples,
            places: self.places,
            outliers: self.outliers,
            due: self.due,
            losses: self.losses,
            others: self.others,
            copies: self.copies,
        }
    }
}

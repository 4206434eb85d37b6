//! What came of a load. Times are nanoseconds unless a name says otherwise.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster::ClusterResult;
use super::due::Due;
use super::outlier::Outlier;
use super::part::{LoadPart, Together};
use super::progress::Summary;
use super::violation::LoadViolation;
use crate::vocab::Measure;
use crate::vocab::measure::Scope;

/// What came of a load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadResult {
    pub scenario: String,
    pub workers: usize,
    /// Servers over which the users were spread.
    #[serde(default)]
    pub nodes: u64,
    pub users: Users,
    pub traffic: Vec<TrafficResult>,
    /// Iterations of the populations that follow a flow.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub iterations: IndexMap<String, Iterations>,
    /// The same, phase by phase.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub flows: IndexMap<String, FlowResult>,
    /// What was measured in flows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepResult>,
    pub connect: Summary,
    /// From a polling session to the WebSocket that carries it on.
    #[serde(default)]
    pub upgrade: Summary,
    /// Signs of a cluster or a balancer, in a run that says nothing of one: order and loss across users are not decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signs: Vec<String>,
    /// The transports that sessions were to have, and had.
    #[serde(default)]
    pub transports: Transports,
    /// From the loss of a connection to being in all rooms again; by the phase of the loss.
    #[serde(default)]
    pub reconnect: IndexMap<String, Summary>,
    /// Sessions that were asked back, by the phase of the loss.
    #[serde(default)]
    pub recovery: IndexMap<String, Recovery>,
    /// Round trips of the fences by which losses are decided: sio-bench's own traffic.
    #[serde(default)]
    pub fence: Summary,
    /// How late sio-bench sent, against its schedule.
    pub late: Summary,
    /// From the kernel's receipt of bytes to their being read by sio-bench; as far as the kernel tells. Latencies are
    /// counted to the kernel's receipt, so this is in none of them.
    #[serde(default)]
    pub read: Summary,
    /// Bytes that one read took: what had gathered with the kernel meanwhile, at most 64 KiB.
    #[serde(default)]
    pub queue: Summary,
    pub late_by_phase: IndexMap<String, Summary>,
    /// What went over the connections during the phases.
    #[serde(default)]
    pub wire: Wire,
    /// What each worker did with its time during the phases, as far as the kernel tells.
    #[serde(default)]
    pub worker_time: Vec<WorkerTime>,
    pub cpu: Cpu,
    #[serde(default)]
    pub memory: Memory,
    /// Messages of other people: deliveries without a stamp, or with that of another run.
    pub foreign: u64,
    /// Those of them that are of runs which went on at the same time.
    #[serde(default, skip_serializing_if = "OtherRuns::is_none")]
    pub other_runs: OtherRuns,
    /// Messages that came in one event with others.
    #[serde(default, skip_serializing_if = "Among::is_none")]
    pub among: Among,
    /// Deliveries that came when their account had long been closed.
    #[serde(default)]
    pub stale: u64,
    /// HTTP requests that were sent again, as browsers do: the target closed a connection that it had promised to keep
    /// open, and that had carried an answer before.
    #[serde(default)]
    pub resent: u64,
    /// Deliveries stamped ahead of their intended time: a clock that cannot be trusted.
    pub negative: u64,
    /// Users whose last fence was not answered, so that what they miss may still be on its way.
    pub unsettled: u64,
    /// Whether losses were decided by fences; otherwise by waiting.
    pub fenced: bool,
    /// Whether nothing answers for joins: users count as inside once something has come, or after some time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joins_unanswered: bool,
    /// What is known of the servers, where they pass messages on to one another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterResult>,
    /// What went wrong with users, and how often.
    pub problems: IndexMap<String, u64>,
    /// What another program has counted that carried requests for us (`driver`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub driver: Vec<DriverRequests>,
    /// Of all traffic; empty where nothing was owed to anybody.
    #[serde(default, skip_serializing_if = "Due::is_empty")]
    pub due: Due,
    /// Why the run ended early.
    pub aborted: Option<String>,
    /// What ended it, if it ended early.
    #[serde(default)]
    pub ended_by: EndedBy,
    /// What the scenario made go wrong, and when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upsets: Vec<DisruptionMark>,
    /// What is missing of messages that were sent neither in an outage of servers, or of what joins them, nor right behind one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_elsewhere: Option<u64>,
    /// The first deliveries that were wrong, with their proof.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<LoadViolation>,
    /// Which part of a run it is, if other processes ran the rest of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<LoadPart>,
    /// How it was put together, if several processes ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
}

/// What ends a run before its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The target was lost.
    #[default]
    Target,
    /// Somebody interrupted the run.
    Interrupt,
    /// The target is there, and let nobody in.
    Refusal,
    /// A threshold that ends the run when it is crossed.
    Threshold,
    /// Whoever leads the run, or another part of it.
    Elsewhere,
}

impl EndedBy {
    /// What the end of one part is to the whole run: whoever interrupts a worker has not interrupted the run.
    #[must_use]
    pub fn of_a_part(self) -> Self {
        match self {
            Self::Interrupt => Self::Elsewhere,
            Self::Target | Self::Refusal | Self::Threshold | Self::Elsewhere => self,
        }
    }
}

/// Something that the scenario made go wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DisruptionMark {
    /// When it was to begin: seconds since the first phase began.
    pub second: f64,
    /// Such as `drop 10% of people`.
    pub says: String,
    /// When it really began, in the same seconds; not if it has not come to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<f64>,
    /// When it was over; not if it lasted to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<f64>,
    /// It did not begin as long as the phases lasted, although its time came: something else that is about the same thing was not over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub did_not_happen: bool,
    /// What is missing of messages that were sent meanwhile, where it is about servers or what joins them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub losses: Option<LossesOf>,
}

/// What is missing that an outage may have to do with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LossesOf {
    /// Of messages that were sent while it lasted, or a quarter of a second ahead of it.
    pub during: u64,
    /// Of messages that were sent within five seconds behind it.
    pub behind: u64,
    /// Both together, by the servers of senders and receivers.
    pub between: Vec<MissingBetween>,
}

/// Messages of users of one server that users of another never got.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissingBetween {
    pub from: String,
    pub to: String,
    pub missing: u64,
}

impl LossesOf {
    /// Adds what another machine has found.
    pub fn add(&mut self, other: &Self) {
        let Self { during, behind, between } = other;
        self.during += during;
        self.behind += behind;
        for pair in between {
            match self.between.iter_mut().find(|known| (&known.from, &known.to) == (&pair.from, &pair.to)) {
                Some(known) => known.missing += pair.missing,
                None => self.between.push(pair.clone()),
            }
        }
    }
}

/// Requests of one kind, as the driver has counted them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriverRequests {
    pub name: String,
    pub count: u64,
    pub failed: u64,
    pub p50: u64,
    pub p99: u64,
    pub max: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Users {
    pub requested: u64,
    pub connected: u64,
    pub failed: u64,
    /// Open at first, gone before the end, and not to come back.
    pub disconnected: u64,
    /// Connections that got as far as being in all rooms.
    #[serde(default)]
    pub sessions: u64,
    /// Sessions that ended because the user had stayed as long as it wanted.
    #[serde(default)]
    pub churned: u64,
    /// Connections that the scenario's chaos ended.
    #[serde(default)]
    pub dropped: u64,
    /// Connections and attempts to connect that the target or its network ended.
    #[serde(default)]
    pub broken: u64,
    /// Users that come back, and of whose connections the target or its network ended one, or refused one, although the
    /// scenario had made nothing happen to them.
    #[serde(default)]
    pub interrupted: u64,
    /// Times that the scenario's chaos held a connection.
    #[serde(default)]
    pub stalled: u64,
}

impl std::ops::AddAssign for Users {
    fn add_assign(&mut self, other: Self) {
        // Each by name: a field that is forgotten does not compile.
        let Self {
            requested,
            connected,
            failed,
            disconnected,
            sessions,
            churned,
            dropped,
            broken,
            interrupted,
            stalled,
        } = other;
        self.requested += requested;
        self.connected += connected;
        self.failed += failed;
        self.disconnected += disconnected;
        self.sessions += sessions;
        self.churned += churned;
        self.dropped += dropped;
        self.broken += broken;
        self.interrupted += interrupted;
        self.stalled += stalled;
    }
}

/// Iterations of one population that follows a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Iterations {
    pub begun: u64,
    /// Through the whole flow.
    pub finished: u64,
    /// The target did not do what the flow says.
    pub failed: u64,
    /// This machine had no descriptor or port left, or a feed no row.
    pub starved: u64,
    /// Under way when the run was over.
    pub cut: u64,
}

impl Iterations {
    /// Those that have begun and not ended.
    pub fn under_way(&self) -> u64 {
        self.begun.saturating_sub(self.finished + self.failed + self.starved + self.cut)
    }
}

impl std::ops::Add for Iterations {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let Self { begun, finished, failed, starved, cut } = other;
        Self {
            begun: self.begun + begun,
            finished: self.finished + finished,
            failed: self.failed + failed,
            starved: self.starved + starved,
            cut: self.cut + cut,
        }
    }
}

/// Iterations of one flow, phase by phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlowResult {
    /// Virtual users that it always has; 0 where they arrive at a rate.
    pub users: u64,
    /// Those of them that got in before the first measured phase.
    pub in_time: u64,
    /// Whether as many arrive at each moment of the measured phases.
    pub level: bool,
    pub phases: Vec<FlowPhase>,
}

/// Iterations of a flow in one phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlowPhase {
    pub name: String,
    pub measured: bool,
    pub seconds: f64,
    pub begun: u64,
    /// Finished or failed in this phase, whenever they began.
    pub ended: u64,
}

impl FlowResult {
    /// Adds what another machine has counted.
    pub fn add(&mut self, other: &Self) {
        let Self { users, in_time, level, phases } = other;
        self.users += users;
        self.in_time += in_time;
        self.level &= level;
        for (mine, theirs) in self.phases.iter_mut().zip(phases) {
            mine.begun += theirs.begun;
            mine.ended += theirs.ended;
        }
    }
}

/// One step of a flow, or all steps of the same name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepResult {
    pub name: String,
    /// Over the measured phases.
    pub latency: Summary,
    pub phases: Vec<StepPhase>,
}

/// A step, as far as it began in one phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepPhase {
    pub name: String,
    pub measured: bool,
    pub seconds: f64,
    pub done: u64,
    pub failed: u64,
    pub latency: Summary,
}

/// Bytes of TCP streams, with everything that is in them: frames, heads of requests, TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wire {
    pub received: u64,
    pub sent: u64,
    /// Bytes of payload in what was sent and delivered, as the scenario has them.
    #[serde(default)]
    pub payload: u64,
}

impl std::ops::AddAssign for Wire {
    fn add_assign(&mut self, other: Self) {
        let Self { received, sent, payload } = other;
        self.received += received;
        self.sent += sent;
        self.payload += payload;
    }
}

/// Shares of the time of the phases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerTime {
    /// The worker's thread ran.
    pub busy: f64,
    /// It could have run, and waited for a core.
    pub waited: f64,
}

/// Sessions that were opened, by the transport they were to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transports {
    pub websocket: u64,
    pub polling: u64,
    /// Those that began with polling and were to move to a WebSocket.
    pub upgrade: u64,
    /// Those of them that did.
    pub upgraded: u64,
    /// Those of them that were given up on this side while they were about to.
    pub under_way: u64,
}

impl Transports {
    /// Of those that were to move to a WebSocket, those that did; `None` if there were none.
    pub fn share(&self) -> Option<f64> {
        let decided = self.upgrade.saturating_sub(self.under_way);
        (decided > 0).then(|| self.upgraded as f64 / decided as f64)
    }
}

impl std::ops::AddAssign for Transports {
    fn add_assign(&mut self, other: Self) {
        // Each by name: a field that is forgotten does not compile.
        let Self { websocket, polling, upgrade, upgraded, under_way } = other;
        self.websocket += websocket;
        self.polling += polling;
        self.upgrade += upgrade;
        self.upgraded += upgraded;
        self.under_way += under_way;
    }
}

/// Messages of other runs of sio-bench that were sent while this one went on, to users of this one: nobody has judged these
/// copies here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OtherRuns {
    pub runs: u64,
    /// Deliveries of their messages.
    pub copies: u64,
}

impl OtherRuns {
    /// Whether there were none.
    pub fn is_none(&self) -> bool {
        self.runs == 0
    }
}

/// Messages of this run that came in one event with others, as in a batch or a quotation: one that was not there yet is a delivery, and
/// nothing is held against any of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Among {
    pub deliveries: u64,
    /// Copies that are none: of messages that had come, were not for the user, or are long closed.
    pub again: u64,
}

impl Among {
    /// Whether there were none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl std::ops::AddAssign for Among {
    fn add_assign(&mut self, other: Self) {
        // Each by name: a field that is forgotten does not compile.
        let Self { deliveries, again } = other;
        self.deliveries += deliveries;
        self.again += again;
    }
}

/// Sessions that were asked back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recovery {
    pub asked: u64,
    /// Those whose server said that it was the same session.
    pub recovered: u64,
}

impl LoadResult {
    /// What was measured of the run as a whole; `None` for what belongs to a traffic or a step, is kept by phase, or was not measured.
    pub fn of_run(&self, measure: Measure) -> Option<&Summary> {
        match measure {
            Measure::Connect => Some(&self.connect),
            Measure::Upgrade => Some(&self.upgrade),
            Measure::Fence => Some(&self.fence),
            Measure::Crossing => self.cluster.as_ref().map(|cluster| &cluster.crossing),
            Measure::Late => Some(&self.late),
            Measure::ReadDelay => Some(&self.read),
            Measure::RecvQueue => Some(&self.queue),
            Measure::Reconnect
            | Measure::Delivery
            | Measure::First
            | Measure::Complete
            | Measure::Service
            | Measure::Ack
            | Measure::Step => None,
        }
    }

    /// Everything that was measured of the run as a whole, in the order of a report.
    pub fn of_whole_run(&self) -> impl Iterator<Item = (Measure, &Summary)> {
        Measure::of(Scope::Run).filter_map(|measure| Some((measure, self.of_run(measure)?)))
    }

    /// What was measured of each traffic and in each step, by its full name: over the measured phases.
    pub fn of_flows_and_traffic(&self) -> impl Iterator<Item = (String, &Summary)> {
        let of_traffic = self.traffic.iter().flat_map(|traffic| {
            traffic.latency.iter().map(|(name, summary)| (format!("{}.{name}", traffic.name), summary))
        });
        of_traffic.chain(self.steps.iter().map(|step| (step.name.clone(), &step.latency)))
    }

    /// As [`of_run`](Self::of_run), to be filled in.
    pub fn of_run_mut(&mut self, measure: Measure) -> Option<&mut Summary> {
        match measure {
            Measure::Connect => Some(&mut self.connect),
            Measure::Upgrade => Some(&mut self.upgrade),
            Measure::Fence => Some(&mut self.fence),
            Measure::Crossing => self.cluster.as_mut().map(|cluster| &mut cluster.crossing),
            Measure::Late => Some(&mut self.late),
            Measure::ReadDelay => Some(&mut self.read),
            Measure::RecvQueue => Some(&mut self.queue),
            Measure::Reconnect
            | Measure::Delivery
            | Measure::First
            | Measure::Complete
            | Measure::Service
            | Measure::Ack
            | Measure::Step => None,
        }
    }

    /// CPU seconds of the target for each delivery, or for each message where nothing is delivered.
    pub fn target_cpu_each(&self) -> Option<f64> {
        let handled: u64 = self.traffic.iter().map(|traffic| traffic.counts.handled()).sum();
        self.cpu.target.filter(|_| handled > 0).map(|seconds| seconds / handled as f64)
    }

    /// Of the pairs of message and user that could have been owed, those of which it is certain whether they were,
    /// as a share; `None` when there were none. What came of another run at the same time is a pair that nobody judges.
    pub fn certainty(&self) -> Option<f64> {
        let mut counts = Counts::default();
        let decided = self.traffic.iter().filter(|traffic| !traffic.undecided);
        decided.for_each(|traffic| counts += traffic.counts);
        let certain = counts.owed + counts.excused;
        let all = certain + counts.may + counts.undecided + self.other_runs.copies;
        (all > 0).then(|| certain as f64 / all as f64)
    }
}

/// One `[traffic.X]`: the whole run and each phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrafficResult {
    pub name: String,
    /// The event by which it arrives; none where nothing is owed to anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Where the token is by which its messages were recognised (RFC 9535); without one, that was the stamp in the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identify: Option<String>,
    /// Whether no copy of its event could be recognised, so that nothing is known of what was owed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undecided: bool,
    /// Copies of its messages that came under other names, with other arguments or in other namespaces: they are nobody's
    /// fault.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub others: IndexMap<String, u64>,
    /// Over all phases.
    pub counts: Counts,
    /// The same by the population of the receiver; what is not about receivers is with the senders'.
    #[serde(default)]
    pub users: IndexMap<String, Counts>,
    /// Over the measured phases; by the name of the measure.
    pub latency: IndexMap<String, Summary>,
    /// Over the measured phases; by the place of the receiver among those of the same message, as each worker read them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<PlaceResult>,
    /// Those that took longest to reach everybody, of the measured phases; the worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outliers: Vec<Outlier>,
    pub phases: Vec<PhaseResult>,
}

impl TrafficResult {
    /// What says the most of it: its deliveries, or its acknowledgements where nothing is delivered.
    pub fn main_measure(&self) -> Option<(Measure, &Summary)> {
        Measure::main_of_traffic().find_map(|measure| Some((measure, self.latency.get(measure.name())?)))
    }
}

/// Receivers at the same places of their messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceResult {
    /// The first of these places, counted from 1; there are as many of them.
    pub from: u32,
    pub latency: Summary,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseResult {
    pub name: String,
    pub measured: bool,
    pub seconds: f64,
    pub counts: Counts,
    #[serde(default)]
    pub users: IndexMap<String, Counts>,
    pub latency: IndexMap<String, Summary>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    pub scheduled: u64,
    pub sent: u64,
    /// Sent more than a millisecond after their intended time.
    pub sent_late: u64,
    pub owed: u64,
    pub delivered: u64,
    pub missing: u64,
    pub duplicate: u64,
    pub misdelivered: u64,
    pub out_of_order: u64,
    /// Those of them whose order among messages of one sender is as it should be.
    #[serde(default)]
    pub out_of_order_across: u64,
    /// Those of `misdelivered` that came from a user of another server than the receiver's.
    #[serde(default)]
    pub misdelivered_across: u64,
    /// Copies that are not as they were sent: cut, or changed.
    #[serde(default)]
    pub altered: u64,
    /// Events of the right name by which no message can be recognised.
    #[serde(default)]
    pub unidentified: u64,
    /// Copies for those who have joined since they were sent, and are there: the application may have said them again.
    #[serde(default)]
    pub history: u64,
    /// The tail of a broken connection.
    pub excused: u64,
    /// Owed and not here, and nothing shows whether it is lost or still on its way between servers.
    #[serde(default)]
    pub undecided: u64,
    /// Sent while the receiver was between two sessions, and in no later one: nobody owed it, and it is lost to them.
    #[serde(default)]
    pub missed_offline: u64,
    /// Not sent, since the sender was not there.
    #[serde(default)]
    pub skipped: u64,
    /// Sent with a wish for an acknowledgement, and never acknowledged.
    #[serde(default)]
    pub unanswered: u64,
    /// Acknowledged, and not with what the scenario says it must be: nobody is owed them.
    #[serde(default)]
    pub refused: u64,
    /// Volatile, for receivers that were in the target.
    #[serde(default)]
    pub volatile: u64,
    /// Those of them that were delivered.
    #[serde(default)]
    pub volatile_delivered: u64,
    /// Neither owed nor forbidden: sent while the receiver came or went.
    #[serde(default)]
    pub may: u64,
    /// Those of them that were delivered.
    #[serde(default)]
    pub may_delivered: u64,
}

impl Counts {
    /// Whether nobody is owed anything but an answer.
    pub fn is_only_acknowledged(&self) -> bool {
        self.owed + self.may + self.misdelivered == 0
    }

    /// Deliveries of any kind, or messages where nothing is delivered.
    pub fn handled(&self) -> u64 {
        let delivered = self.delivered + self.may_delivered + self.volatile_delivered;
        if delivered > 0 { delivered } else { self.sent }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        // Each by name: a field that is forgotten does not compile.
        let Self {
            scheduled,
            sent,
            sent_late,
            owed,
            delivered,
            missing,
            duplicate,
            misdelivered,
            out_of_order,
            out_of_order_across,
            misdelivered_across,
            altered,
            unidentified,
            history,
            excused,
            undecided,
            missed_offline,
            skipped,
            unanswered,
            refused,
            volatile,
            volatile_delivered,
            may,
            may_delivered,
        } = other;
        self.scheduled += scheduled;
        self.sent += sent;
        self.sent_late += sent_late;
        self.owed += owed;
        self.delivered += delivered;
        self.missing += missing;
        self.duplicate += duplicate;
        self.misdelivered += misdelivered;
        self.out_of_order += out_of_order;
        self.out_of_order_across += out_of_order_across;
        self.misdelivered_across += misdelivered_across;
        self.altered += altered;
        self.unidentified += unidentified;
        self.history += history;
        self.excused += excused;
        self.undecided += undecided;
        self.missed_offline += missed_offline;
        self.skipped += skipped;
        self.unanswered += unanswered;
        self.refused += refused;
        self.volatile += volatile;
        self.volatile_delivered += volatile_delivered;
        self.may += may;
        self.may_delivered += may_delivered;
    }
}

/// Bytes in memory, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    pub own: Growth,
    /// Of the servers that sio-bench started.
    pub target: Growth,
}

/// Bytes in memory at three times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Growth {
    /// Before the first user connects.
    pub before: Option<u64>,
    /// When every user is open and nothing has been sent.
    pub open: Option<u64>,
    /// At the end of the last phase.
    pub end: Option<u64>,
}

impl Growth {
    /// Bytes that each of so many users has added by being open.
    pub fn per_user(&self, users: u64) -> Option<f64> {
        Some(self.open?.saturating_sub(self.before?) as f64 / users as f64).filter(|_| users > 0)
    }
}

/// CPU seconds over the phases, and their length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cpu {
    pub seconds: f64,
    pub own: Option<f64>,
    pub target: Option<f64>,
    /// Taken by the host from this virtual machine.
    #[serde(default)]
    pub stolen: Option<f64>,
}

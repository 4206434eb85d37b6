//! The lines of a record. Times are nanoseconds unless a name says otherwise.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::capacity::{Capacity, Trial};
use crate::scenario::model::{Class, Origin};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Entry {
    Header(Header),
    Scenario(ScenarioStart),
    Case(CaseResult),
    /// Which cases of which suite.
    Suite(SuiteInfo),
    /// What was found out about the target before its cases.
    Capability(CapabilityResult),
    /// One second of a load, summed over workers.
    Progress(Progress),
    Load(Box<LoadResult>),
    Rule(RuleResult),
    /// An earlier run that this one is held against.
    Baseline(Baseline),
    /// How a measure differs from that of the earlier runs.
    Change(Change),
    /// One load of a search for the largest.
    Trial(Trial),
    /// What the search has found.
    Capacity(Box<Capacity>),
    Footer(Footer),
}

/// What ran, where, against what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    pub schema: u32,
    pub version: String,
    pub command: Vec<String>,
    /// RFC 3339.
    pub started: String,
    pub host: Host,
    pub target: TargetInfo,
    /// Records that this one was put together from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// A part of a run, recorded on a machine of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its folder, as it was named.
    pub record: String,
    /// RFC 3339.
    pub started: String,
    pub host: Host,
}

/// The machine sio-bench runs on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    pub os: String,
    pub arch: String,
    pub cores: usize,
    pub open_files: u64,
}

/// What was tested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetInfo {
    /// `reference`, a name from `targets/`, or the URL.
    pub name: String,
    pub url: String,
    /// As far as it is known.
    pub version: Option<String>,
    pub pid: Option<u32>,
    /// Whether it acknowledges the fixture's fence.
    pub fence: bool,
    /// What was set that figures depend on, as the target says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
}

/// A scenario begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenarioStart {
    pub name: String,
    pub about: String,
    pub file: String,
    pub seed: u64,
    pub vars: IndexMap<String, String>,
    /// The file itself, so that the run can be repeated from its record.
    pub source: String,
}

/// A conformance suite, as far as it is played.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuiteInfo {
    /// Of the text of its files: runs of the same suite can be compared.
    pub hash: String,
    /// Cases picked.
    pub cases: usize,
    /// Cases there are.
    pub of: usize,
    /// Whether everything was asked for.
    pub whole: bool,
    /// The rows the cases cite.
    pub rules: IndexMap<String, RuleInfo>,
}

/// One row of the register.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleInfo {
    pub area: String,
    pub says: String,
    pub class: Class,
    pub origin: Origin,
    /// Text and place in it.
    pub cites: String,
    pub link: String,
    /// Why no case checks it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub uncovered: Option<String>,
}

/// Whether a target can do something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CapabilityResult {
    pub name: String,
    /// What the probe found.
    pub has: bool,
    /// Why the target says it has not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// In what probe and declaration differ.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remark: Option<String>,
}

/// What came of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseVerdict {
    Pass,
    /// The target does not do what the row says.
    Fail,
    /// It does not, and the row is recorded without a judgement.
    Info,
    /// Not played: the target cannot do it, or it cannot be observed there.
    Skip,
    /// It failed as the deviations file says.
    Xfail,
    /// It passed although the deviations file says that it fails.
    Xpass,
    /// It failed for want of time while sio-bench itself was late.
    Inconclusive,
    /// The target died of it.
    Crash,
    /// It could not be played.
    Error,
}

impl CaseVerdict {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 9] = [
        Self::Pass,
        Self::Fail,
        Self::Crash,
        Self::Error,
        Self::Xpass,
        Self::Inconclusive,
        Self::Xfail,
        Self::Info,
        Self::Skip,
    ];

    /// As reports write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Info => "INFO",
            Self::Skip => "SKIP",
            Self::Xfail => "XFAIL",
            Self::Xpass => "XPASS",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Crash => "CRASH",
            Self::Error => "ERROR",
        }
    }

    /// Whether a run with such a case is red.
    pub fn is_red(self) -> bool {
        matches!(self, Self::Fail | Self::Xpass | Self::Crash | Self::Error)
    }
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseResult {
    /// Area, name and combination: what `--id` and deviations files name.
    pub id: String,
    /// The area.
    pub scenario: String,
    pub title: String,
    /// File and line of the case.
    pub place: String,
    pub rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub class: Option<Class>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<Origin>,
    pub verdict: CaseVerdict,
    pub millis: f64,
    /// Options the target was started with for it.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub options: String,
    /// Why it was skipped, or why its failure was expected.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<Failure>,
    /// Packets and requests, with milliseconds since the case began.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub transcript: Vec<String>,
    /// What the target wrote to its standard error meanwhile.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stderr: Option<String>,
}

/// What went wrong and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub message: String,
    /// File and line of the step.
    pub place: String,
    pub step: String,
    /// Whether it is about time: then sio-bench must have been on time itself.
    #[serde(default)]
    pub late: bool,
}

/// One second of a load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Seconds since the first phase began; negative while users connect.
    pub second: f64,
    pub phase: String,
    pub open: u64,
    /// Visits under way.
    #[serde(default)]
    pub visiting: u64,
    pub failed: u64,
    pub sent: u64,
    pub delivered: u64,
    /// Deliveries that were wrong so far, and those known to be missing.
    #[serde(default)]
    pub wrong: u64,
    /// What was measured within this second, by the name of the measure.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub latency: IndexMap<String, Summary>,
    /// How late sio-bench sent within this second, and how long it took to read.
    #[serde(default)]
    pub late: Summary,
    #[serde(default)]
    pub read: Summary,
    /// What both sides cost by now, as far as it is known.
    #[serde(default)]
    pub own: Cost,
    #[serde(default)]
    pub target: Cost,
    /// The metrics of `[observe]`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub metrics: IndexMap<String, f64>,
}

/// What a side has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// CPU seconds since its start.
    pub cpu: Option<f64>,
    /// Bytes in memory.
    pub memory: Option<u64>,
}

/// What came of a load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadResult {
    pub scenario: String,
    pub workers: usize,
    /// Servers over which the users were spread.
    #[serde(default)]
    pub nodes: u64,
    pub users: Users,
    pub traffic: Vec<TrafficResult>,
    /// Visits of the populations that follow a flow.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub journeys: IndexMap<String, Visits>,
    /// What was measured in flows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepResult>,
    pub connect: Summary,
    /// From a polling session to the WebSocket that carries it on.
    #[serde(default)]
    pub upgrade: Summary,
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
    /// Deliveries that came when their account had long been closed.
    #[serde(default)]
    pub stale: u64,
    /// Deliveries stamped ahead of their intended time: a clock that cannot be trusted.
    pub negative: u64,
    /// Users whose last fence was not answered, so that what they miss may still be on its way.
    pub unsettled: u64,
    /// Whether losses were decided by fences; otherwise by waiting.
    pub fenced: bool,
    /// What went wrong with users, and how often.
    pub problems: IndexMap<String, u64>,
    /// What another program has counted that carried requests for us (`driver`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub driver: Vec<DriverRequests>,
    /// Why the run ended early.
    pub aborted: Option<String>,
    /// What the scenario made go wrong, and when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upsets: Vec<UpsetMark>,
    /// The first deliveries that were wrong, with their proof.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<LoadViolation>,
}

/// Something that the scenario made go wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UpsetMark {
    /// Seconds since the first phase began.
    pub second: f64,
    /// Such as `drop 10% of people`.
    pub says: String,
}

/// Requests of one kind, as the driver has counted them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverRequests {
    pub name: String,
    pub count: u64,
    pub failed: u64,
    pub p50: u64,
    pub p99: u64,
    pub max: u64,
}

/// A delivery that was wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadViolation {
    /// The measure that counts it, such as `missing`.
    pub measure: String,
    /// The invariant it breaks, such as `I6`.
    pub invariant: String,
    pub summary: String,
    /// Why it had to be otherwise, and what was seen.
    pub because: Vec<String>,
    /// A scenario that plays what was around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// What was around it, client by client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lanes: Vec<Lane>,
}

/// A client over time; times are seconds since the run began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    pub name: String,
    /// In the order of time: whether it was in the target of the message that is meant.
    pub stays: Vec<LaneStay>,
    pub acts: Vec<LaneAct>,
}

/// From then on, until the next one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneStay {
    pub from: f64,
    /// Inside (it must get what is sent), outside (it must not), or not certain (it may).
    pub inside: Option<bool>,
}

/// Something that a client did, or that reached it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LaneAct {
    pub from: f64,
    /// When it was answered; the same as `from` for what arrives, nothing where no answer came.
    pub to: Option<f64>,
    pub says: String,
    /// Whether it arrived, instead of being done.
    #[serde(default)]
    pub arrived: bool,
    /// Whether it is what is wrong.
    #[serde(default)]
    pub wrong: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Users {
    pub asked: u64,
    pub open: u64,
    pub failed: u64,
    /// Open at first, gone before the end, and not to come back.
    pub lost: u64,
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
    /// Times that the scenario's chaos held a connection.
    #[serde(default)]
    pub stalled: u64,
}

impl std::ops::AddAssign for Users {
    fn add_assign(&mut self, other: Self) {
        self.asked += other.asked;
        self.open += other.open;
        self.failed += other.failed;
        self.lost += other.lost;
        self.sessions += other.sessions;
        self.churned += other.churned;
        self.dropped += other.dropped;
        self.broken += other.broken;
        self.stalled += other.stalled;
    }
}

/// Visits of one population that follows a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visits {
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

impl Visits {
    /// Those that have begun and not ended.
    pub fn under_way(&self) -> u64 {
        self.begun.saturating_sub(self.finished + self.failed + self.starved + self.cut)
    }
}

impl std::ops::Add for Visits {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            begun: self.begun + other.begun,
            finished: self.finished + other.finished,
            failed: self.failed + other.failed,
            starved: self.starved + other.starved,
            cut: self.cut + other.cut,
        }
    }
}

/// One step of a flow, or all steps of the same name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    pub name: String,
    /// Over the measured phases.
    pub latency: Summary,
    pub phases: Vec<StepPhase>,
}

/// A step, as far as it began in one phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepPhase {
    pub name: String,
    pub measured: bool,
    pub seconds: f64,
    pub done: u64,
    pub failed: u64,
    pub latency: Summary,
}

/// Bytes of TCP streams, with everything that is in them: frames, heads of requests, TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    pub received: u64,
    pub sent: u64,
    /// Bytes of payload in what was sent and delivered, as the scenario has them.
    #[serde(default)]
    pub payload: u64,
}

/// Shares of the time of the phases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerTime {
    /// The worker's thread ran.
    pub busy: f64,
    /// It could have run, and waited for a core.
    pub waited: f64,
}

/// Sessions that were asked back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    pub asked: u64,
    /// Those whose server said that it was the same session.
    pub recovered: u64,
}

impl LoadResult {
    /// CPU seconds of the target for each delivery, or for each message where nothing is delivered.
    pub fn target_cpu_each(&self) -> Option<f64> {
        let handled: u64 = self.traffic.iter().map(|traffic| traffic.counts.handled()).sum();
        self.cpu.target.filter(|_| handled > 0).map(|seconds| seconds / handled as f64)
    }

    /// Of the pairs of message and user that could have been owed, those of which it is certain whether they were,
    /// as a share; `None` when there were none.
    pub fn strength(&self) -> Option<f64> {
        let mut counts = Counts::default();
        self.traffic.iter().for_each(|traffic| counts += traffic.counts);
        let certain = counts.owed + counts.excused;
        let all = certain + counts.may;
        (all > 0).then(|| certain as f64 / all as f64)
    }
}

/// One `[traffic.X]`: the whole run and each phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrafficResult {
    pub name: String,
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
    pub phases: Vec<PhaseResult>,
}

/// Receivers at the same places of their messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlaceResult {
    /// The first of these places, counted from 1; there are as many of them.
    pub from: u32,
    pub latency: Summary,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseResult {
    pub name: String,
    pub measured: bool,
    pub seconds: f64,
    pub counts: Counts,
    #[serde(default)]
    pub users: IndexMap<String, Counts>,
    pub latency: IndexMap<String, Summary>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub scheduled: u64,
    pub sent: u64,
    /// Sent more than a millisecond after their intended time.
    pub sent_late: u64,
    pub owed: u64,
    pub delivered: u64,
    pub missing: u64,
    pub duplicate: u64,
    pub stray: u64,
    pub disorder: u64,
    /// The tail of a broken connection.
    pub excused: u64,
    /// Sent while the receiver was between two sessions, and in no later one: nobody owed it, and it is lost to them.
    #[serde(default)]
    pub missed: u64,
    /// Not sent, since the sender was not there.
    #[serde(default)]
    pub skipped: u64,
    /// Sent with a wish for an acknowledgement, and never acknowledged.
    #[serde(default)]
    pub unanswered: u64,
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
    /// Deliveries of any kind, or messages where nothing is delivered.
    pub fn handled(&self) -> u64 {
        let delivered = self.delivered + self.may_delivered + self.volatile_delivered;
        if delivered > 0 { delivered } else { self.sent }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.scheduled += other.scheduled;
        self.sent += other.sent;
        self.sent_late += other.sent_late;
        self.owed += other.owed;
        self.delivered += other.delivered;
        self.missing += other.missing;
        self.duplicate += other.duplicate;
        self.stray += other.stray;
        self.disorder += other.disorder;
        self.excused += other.excused;
        self.missed += other.missed;
        self.skipped += other.skipped;
        self.unanswered += other.unanswered;
        self.volatile += other.volatile;
        self.volatile_delivered += other.volatile_delivered;
        self.may += other.may;
        self.may_delivered += other.may_delivered;
    }
}

/// A distribution in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub count: u64,
    pub min: u64,
    pub mean: f64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

impl Summary {
    /// Of both, as far as it can be told from summaries: counts are added, and each percentile is the larger one.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        if self.count == 0 || other.count == 0 {
            return if self.count == 0 { other } else { self };
        }
        let count = self.count + other.count;
        Self {
            count,
            min: self.min.min(other.min),
            mean: (self.mean * self.count as f64 + other.mean * other.count as f64) / count as f64,
            p50: self.p50.max(other.p50),
            p90: self.p90.max(other.p90),
            p99: self.p99.max(other.p99),
            p999: self.p999.max(other.p999),
            max: self.max.max(other.max),
        }
    }
}

/// Bytes in memory, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub own: Growth,
    /// Of the servers that sio-bench started.
    pub target: Growth,
}

/// Bytes in memory at three times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    pub seconds: f64,
    pub own: Option<f64>,
    pub target: Option<f64>,
    /// Taken by the host from this virtual machine.
    #[serde(default)]
    pub stolen: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleVerdict {
    Holds,
    Broken,
    /// There was nothing to decide it by.
    Unknown,
}

/// One line of `[slo]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleResult {
    pub scenario: String,
    pub rule: String,
    /// File, line and column.
    pub place: String,
    pub observed: String,
    pub verdict: RuleVerdict,
    pub about: RuleAbout,
}

/// What a rule is about, which says what it means that it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleAbout {
    /// sio-bench itself: the measurement is not valid.
    Ruler,
    /// Times and shares: what they are worth depends on whether sio-bench was up to its task.
    Figures,
    /// Deliveries that were wrong and cases that failed: proven, however late sio-bench was.
    Facts,
}

/// An earlier run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Its folder, as it was named.
    pub record: String,
    /// RFC 3339.
    pub started: String,
    /// Name and version.
    pub target: String,
    /// In what it was not like this run, apart from the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// How one figure of a measure differs from that of earlier runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub scenario: String,
    /// Such as `tell.delivery`.
    pub measure: String,
    /// Such as `p99`.
    pub figure: String,
    /// Nanoseconds; of several earlier runs, their geometric mean.
    pub before: f64,
    pub now: f64,
    /// So much more than before, as a share; at least and at most, with 95 % confidence. Without them, a run was too short.
    pub range: Option<(f64, f64)>,
    /// In words.
    pub says: String,
}

/// The end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Footer {
    pub complete: bool,
    /// RFC 3339.
    pub ended: String,
    pub exit: u8,
    /// The last line of the report.
    pub verdict: String,
}

//! The lines of a record. Times are nanoseconds unless a name says otherwise.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Entry {
    Header(Header),
    Scenario(ScenarioStart),
    Case(CaseResult),
    /// One second of a load, summed over workers.
    Progress(Progress),
    Load(Box<LoadResult>),
    Rule(RuleResult),
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseVerdict {
    Pass,
    Fail,
    /// It could not be played.
    Error,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseResult {
    pub scenario: String,
    pub title: String,
    pub rule: Option<String>,
    pub verdict: CaseVerdict,
    pub millis: f64,
    pub failure: Option<Failure>,
}

/// What went wrong, where, and the packets up to then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub message: String,
    /// File and line.
    pub place: String,
    pub step: String,
    pub transcript: Vec<String>,
}

/// One second of a load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Seconds since the first phase began; negative while users connect.
    pub second: f64,
    pub phase: String,
    pub open: u64,
    pub failed: u64,
    pub sent: u64,
    pub delivered: u64,
}

/// What came of a load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadResult {
    pub scenario: String,
    pub workers: usize,
    pub users: Users,
    pub traffic: Vec<TrafficResult>,
    pub connect: Summary,
    /// How late sio-bench sent, against its schedule.
    pub late: Summary,
    pub late_by_phase: IndexMap<String, Summary>,
    pub cpu: Cpu,
    /// Messages of other people: deliveries without a stamp, or with that of another run.
    pub foreign: u64,
    /// Deliveries stamped ahead of their intended time: a clock that cannot be trusted.
    pub negative: u64,
    /// Users whose last fence was not answered, so that what they miss may still be on its way.
    pub unsettled: u64,
    /// Whether losses were decided by fences; otherwise by waiting.
    pub fenced: bool,
    /// What went wrong with users, and how often.
    pub problems: IndexMap<String, u64>,
    /// Why the run ended early.
    pub aborted: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Users {
    pub asked: u64,
    pub open: u64,
    pub failed: u64,
    /// Open at first, gone before the end.
    pub lost: u64,
}

/// One `[traffic.X]`: the whole run and each phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrafficResult {
    pub name: String,
    /// Over all phases.
    pub counts: Counts,
    /// Over the measured phases; by the name of the measure.
    pub latency: IndexMap<String, Summary>,
    pub phases: Vec<PhaseResult>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseResult {
    pub name: String,
    pub measured: bool,
    pub seconds: f64,
    pub counts: Counts,
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
    /// Whether it is about sio-bench itself: broken, the measurement is not valid.
    pub ruler: bool,
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

//! The record of a run: an append-only JSON-lines file from which every report is made.
//!
//! The first line is the header, the last one the footer; a record without a footer was cut short and is
//! reported as incomplete. Beside it lie `<scenario>.hlog` with one tagged histogram per measure, phase and
//! second, and a `.hgrm` file per measure.

mod capacity;
mod entry;
pub mod histogram;
pub mod intervals;
mod pick;
mod reader;
mod writer;

pub use capacity::{Capacity, Trial, TrialVerdict};
pub use entry::{
    Baseline, CapabilityResult, CaseResult, CaseVerdict, Change, Cost, Counts, Cpu, DriverRequests, Entry, Failure,
    Footer, Growth, Header, Host, Lane, LaneAct, LaneStay, LoadResult, LoadViolation, Memory, Part, PhaseResult,
    PlaceResult, Progress, Recovery, RuleAbout, RuleInfo, RuleResult, RuleVerdict, ScenarioStart, StepPhase,
    StepResult, SuiteInfo, Summary, TargetInfo, TrafficResult, UpsetMark, Users, Visits, Wire, WorkerTime,
};
pub use pick::{header, loads, seconds};
pub use reader::{read, read_for_report};
pub use writer::Recorder;

/// Version of the record's shape; raised when a reader of older ones would go wrong. Older ones are read: what they do not
/// have is as if it had not been measured.
///
/// 2: `baseline` and `change`.
pub const SCHEMA: u32 = 2;

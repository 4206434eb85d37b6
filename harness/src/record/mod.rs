//! The record of a run: an append-only JSON-lines file from which every report is made.
//!
//! The first line is the header, the last one the footer; a record without a footer was cut short and is
//! reported as incomplete. Beside it lie `<scenario>.hlog` with one tagged histogram per measure, phase and
//! second, and a `.hgrm` file per measure.

mod buckets;
mod capacity;
mod case;
mod cluster;
mod copies;
mod due;
mod entry;
pub mod histogram;
mod huge;
pub mod intervals;
mod legacy;
mod load;
mod outlier;
mod part;
mod pick;
mod progress;
mod reader;
pub mod schema;
mod threshold;
mod violation;
mod writer;

pub use buckets::{BOUNDS, Buckets};
pub use capacity::{Capacity, Judged, Trial, TrialVerdict, Usl};
pub use case::{CapabilityResult, CaseResult, CaseVerdict, Failure, RequirementInfo, SuiteInfo};
pub use cluster::{ClusterResult, NodePair};
pub use copies::copies;
pub use due::Due;
pub use entry::{Entry, Footer, Header, Host, Part, ScenarioStart, TargetInfo};
pub use intervals::fuzz as fuzz_hlog;
pub use load::{
    Among, Counts, Cpu, DisruptionMark, DriverRequests, EndedBy, FlowPhase, FlowResult, Growth, Iterations, LoadResult,
    LossesOf, Memory, MissingBetween, OtherRuns, PhaseResult, PlaceResult, Recovery, StepPhase, StepResult,
    TrafficResult, Transports, Users, Wire, WorkerTime,
};
pub use outlier::Outlier;
pub use part::{ByClock, ClocksDisagree, LedClock, LoadPart, PartClock, SignedSummary, Together};
pub use pick::{header, loads, seconds, seconds_by_load};
pub use progress::{Cost, Progress, Summary};
pub use reader::{Tail, read, read_bytes, read_for_report};
pub use threshold::{Baseline, Change, ThresholdResult, ThresholdVerdict};

pub use crate::vocab::ThresholdKind;
pub use violation::{Lane, LaneAct, LaneStay, LoadViolation};
pub use writer::Recorder;

/// Version of the record's shape; raised when a reader of older ones would go wrong. Older ones are read: what they do not
/// have is as if it had not been measured.
///
/// 2: `baseline` and `change`. 3: other names, such as `threshold` for `rule`; those of before are understood.
pub const SCHEMA: u32 = 3;

//! What the thresholds of a scenario came to, and how a run differs from earlier ones.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::vocab::ThresholdKind;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdVerdict {
    Holds,
    Broken,
    /// There was nothing to decide it by.
    Unknown,
}

/// One line of `[slo]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdResult {
    pub scenario: String,
    pub threshold: String,
    /// File, line and column.
    pub place: String,
    pub observed: String,
    pub verdict: ThresholdVerdict,
    pub about: ThresholdKind,
}

/// An earlier run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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

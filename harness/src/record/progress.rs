//! A second of a load, and distributions in short. Times are nanoseconds unless a name says otherwise.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::buckets::Buckets;

/// One second of a load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// Seconds since the first phase began; negative while users connect.
    pub second: f64,
    pub phase: String,
    pub connected: u64,
    /// Iterations of flows under way.
    #[serde(default)]
    pub iterating: u64,
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
    /// What was measured since the run began, for those who watch; a record has its histograms beside it.
    #[serde(skip)]
    pub so_far: IndexMap<String, Buckets>,
}

/// What a side has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// CPU seconds since its start.
    pub cpu: Option<f64>,
    /// Bytes in memory.
    pub memory: Option<u64>,
}

/// A distribution in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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

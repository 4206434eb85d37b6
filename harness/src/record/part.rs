//! A load that is one part of several, and a load that was put together from all of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which part of a run a load is, and what those need who put the parts together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoadPart {
    /// Counted from 1.
    pub number: u32,
    pub of: u32,
    /// Names the run: the same in all of its parts, and in no other run.
    pub run: u32,
    /// When the phases were to begin (RFC 3339).
    pub start: String,
    /// When they did.
    pub clock: PartClock,
    /// Copies of messages of other parts' users; who was owed them is not known here.
    pub elsewhere: u64,
    /// The file beside this record with what the oracle has to be told.
    pub journal: String,
    pub journal_bytes: u64,
    /// Why the journal is not whole, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
}

/// The beginning of the first phase on the clocks of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartClock {
    /// Names the monotonic clock; parts with the same name have one clock. None where that cannot be learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// Nanoseconds on it.
    pub monotonic: i64,
    /// Nanoseconds since 1970.
    pub wall: i64,
    /// Nanoseconds by which these two may be wrong.
    pub within: i64,
    /// On the clock of whoever led the run, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub led: Option<LedClock>,
}

/// Where the beginning of the first phase lies on the clock of whoever led the run. The same clock for all of its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedClock {
    /// Nanoseconds by which this part began behind the time that was agreed on; negative if ahead of it.
    pub origin: i64,
    /// Nanoseconds by which that may be wrong, at any time of the run.
    pub within: i64,
}

/// How a load was put together from parts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Together {
    pub parts: u32,
    /// Nanoseconds by which the clocks of two parts may differ at most; both instants of what was sent in one and received in another
    /// were widened by it.
    pub clocks_within: i64,
    /// Latencies of deliveries whose sender and receiver have one clock, beside those of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_clock: Vec<ByClock>,
}

/// Deliveries of one traffic in the measured phases, from the intended time to the receipt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ByClock {
    pub traffic: String,
    /// Those whose sender and receiver are of one part: exact, and a sample that does not depend on latency.
    pub same_part: SignedSummary,
    /// All; those between parts may be wrong by `clocks_within`.
    pub all: SignedSummary,
    /// The figures in which the two differ by more than that and chance explain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disagree: Vec<ClocksDisagree>,
}

/// A figure that is not the same on one clock and on several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClocksDisagree {
    /// `p50` or `p99`.
    pub figure: String,
    pub same_part: i64,
    pub all: i64,
    /// By so much a sample of its size may differ from all by chance.
    pub by_chance: i64,
}

/// A distribution in short whose values may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SignedSummary {
    pub count: u64,
    pub min: i64,
    pub mean: f64,
    pub p50: i64,
    pub p90: i64,
    pub p99: i64,
    pub p999: i64,
    pub max: i64,
}

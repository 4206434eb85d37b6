//! The lines of a record: what ran where, against what, and how it ended. Times are nanoseconds unless a name says otherwise.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::capacity::{Capacity, Trial};
use super::case::{CapabilityResult, CaseResult, SuiteInfo};
use super::load::LoadResult;
use super::progress::Progress;
use super::threshold::{Baseline, Change, ThresholdResult};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    Threshold(ThresholdResult),
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// Its folder, as it was named.
    pub record: String,
    /// RFC 3339.
    pub started: String,
    pub host: Host,
}

/// The machine sio-bench runs on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    pub os: String,
    pub arch: String,
    pub cores: usize,
    pub open_files: u64,
}

/// What was tested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetInfo {
    /// `reference`, a name from `targets/`, or the URL.
    pub name: String,
    pub url: String,
    /// As far as it is known.
    pub version: Option<String>,
    pub pid: Option<u32>,
    /// Whether it acknowledges the fixture's fence.
    pub fence: bool,
    /// Whether it runs the fixture, where that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixture: Option<bool>,
    /// What was set that figures depend on, as the target says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
    /// Where it listens, if its name has several addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// What the probe at the start was told: who was refused, and which spelling of the path works.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// A scenario begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioStart {
    pub name: String,
    pub about: String,
    pub file: String,
    /// Of the load that it describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    pub seed: u64,
    pub vars: IndexMap<String, String>,
    /// The file itself, so that the run can be repeated from its record.
    pub source: String,
}

/// The end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Footer {
    pub complete: bool,
    /// RFC 3339.
    pub ended: String,
    pub exit: u8,
    /// The last line of the report.
    pub verdict: String,
}

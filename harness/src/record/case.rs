//! What came of a conformance suite, case by case.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::vocab::{Class, Origin};

/// A conformance suite, as far as it is played.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    pub requirements: IndexMap<String, RequirementInfo>,
}

/// One row of the register.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequirementInfo {
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseResult {
    /// Area, name and combination: what `--id` and deviations files name.
    pub id: String,
    /// The area.
    pub scenario: String,
    pub title: String,
    /// File and line of the case.
    pub place: String,
    pub requirement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub class: Option<Class>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<Origin>,
    pub verdict: CaseVerdict,
    /// How often it came to this: a reader puts together what was played again and again beside a long load.
    #[serde(skip_serializing_if = "is_once", default = "once")]
    pub times: u64,
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

fn once() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_once(times: &u64) -> bool {
    *times == 1
}

/// What went wrong and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    pub message: String,
    /// File and line of the step.
    pub place: String,
    pub step: String,
    /// Whether it is about time: then sio-bench must have been on time itself.
    #[serde(default)]
    pub late: bool,
}

//! Deliveries that were wrong, with their proof and with what was around them.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A delivery that was wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The target it is to be played on, if the scenario does not say so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How to get in, as options: what the command line said; values that may be secret are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
    /// Why there is no such scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_case: Option<String>,
    /// What was around it, client by client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lanes: Vec<Lane>,
}

impl LoadViolation {
    /// The command that plays what was around it.
    pub fn replay(&self) -> Option<String> {
        let scenario = word(self.scenario.as_ref()?);
        let target = self.target.as_ref().map_or_else(String::new, |name| format!(" --target {}", word(name)));
        let options = self.options.as_ref().map_or_else(String::new, |options| format!(" {}", quoted_options(options)));
        Some(format!("sio-bench run {scenario}{target}{options}"))
    }
}

/// Options as they stand in a record, already quoted where they must be; one word, and so no options at all, if a shell would
/// make more of them.
fn quoted_options(options: &str) -> Cow<'_, str> {
    let outside = options.split('\'').step_by(2).all(|part| part.chars().all(|c| c == ' ' || is_plain(c)));
    let is_closed = options.matches('\'').count().is_multiple_of(2);
    if outside && is_closed { Cow::Borrowed(options) } else { word(options) }
}

/// Whether a character means nothing but itself to a shell.
fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "_-./:@%+=,…".contains(c)
}

/// A text as one word of a shell: a record may be a stranger's, and commands are copied.
fn word(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) && !text.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

/// A client over time; times are seconds since the run began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lane {
    pub name: String,
    /// In the order of time: whether it was in the target of the message that is meant.
    pub stays: Vec<LaneStay>,
    pub acts: Vec<LaneAct>,
}

/// From then on, until the next one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LaneStay {
    pub from: f64,
    /// Inside (it must get what is sent), outside (it must not), or not certain (it may).
    pub inside: Option<bool>,
}

/// Something that a client did, or that reached it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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

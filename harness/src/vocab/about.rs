//! What a threshold speaks of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a threshold is about, which says what it means that it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdKind {
    /// sio-bench itself: the measurement is not valid.
    Generator,
    /// Times and shares: what they are worth depends on whether sio-bench was up to its task.
    Figures,
    /// Deliveries that were wrong and cases that failed: proven, however late sio-bench was.
    Facts,
}

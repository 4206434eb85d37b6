//! How serious a requirement is, and where it comes from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How serious it is when a row does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// The text of the protocol, its official suite, or the life of the server demand it.
    Must,
    /// The reference implementation does it and documents or tests it.
    Should,
    /// Recorded, not judged.
    Info,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Must, Self::Should, Self::Info];

    /// As files and reports write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::Info => "info",
        }
    }
}

/// Where a requirement comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The specification and its suite.
    Protocol,
    /// The life and safety of the server: who does it otherwise can be ended, filled or entered by anybody.
    Safety,
    /// The documentation of Socket.IO.
    Docs,
    /// What the reference implementation does.
    Reference,
}

impl Origin {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Protocol, Self::Safety, Self::Docs, Self::Reference];

    /// Whether what comes from there can be mandatory.
    pub fn may_demand(self) -> bool {
        matches!(self, Self::Protocol | Self::Safety)
    }

    /// As files and reports write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Protocol => "protocol",
            Self::Safety => "safety",
            Self::Docs => "docs",
            Self::Reference => "reference",
        }
    }
}

//! What was broken, and why that is certain.

use serde::{Deserialize, Serialize};

use crate::history::{OperationId, SocketId};
use crate::invariant::Invariant;

/// How an invariant was broken; what [`verify`](crate::verify) checks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breach {
    /// A second copy.
    Duplicate,
    /// A copy for a socket that was not in the target.
    Phantom,
    /// A copy before the namespace's CONNECT.
    TooEarly,
    /// A copy of another namespace's message.
    WrongNamespace,
    /// Nothing for a socket that was in the target.
    Missing,
    /// Behind a message that was sent later.
    Overtaken,
    /// A message that nobody sent, or on a socket that nobody opened.
    Unsent,
    /// Other arguments.
    Altered,
    /// A second answer, or one to no question.
    SurplusAnswer,
    /// A number of acknowledgements that the recipients cannot have given.
    Acknowledgements,
    /// A list of members that cannot have been right.
    Members,
    /// A namespace served by what comes later in its order.
    Priority,
    /// An id that was another's.
    ReusedId,
    /// A room's event that cannot follow the one before.
    Lifecycle,
    /// No order of the operations leaves what one socket received.
    NoOrder,
    /// No instant explains who received a message.
    NoInstant,
    /// Two receivers had two messages in different orders.
    Disagreement,
}

/// One broken invariant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// What does not hold.
    pub invariant: Invariant,
    /// How it was broken.
    pub breach: Breach,
    /// Whose receptions show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<SocketId>,
    /// The message in question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<OperationId>,
    /// What happened, in one sentence.
    pub summary: String,
    /// Both sides of the proof: why it had to be otherwise, and what was seen.
    pub because: Vec<String>,
    /// The places of the events on which it rests.
    pub events: Vec<u32>,
}

//! What came of a load on servers that pass messages on to one another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::progress::Summary;

/// The servers of a cluster, and what passed between them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterResult {
    /// By what it was known to which server a user was connected.
    pub nodes_known_by: String,
    /// What decided that a message was lost.
    pub decided_by: String,
    /// Cluster fences that were sent: sio-bench's own traffic.
    pub fences: u64,
    /// From the sending of a cluster fence to its arrival at a user of another server.
    pub crossing: Summary,
    /// Where the servers of senders and receivers are known or not, what was owed between each two.
    pub pairs: Vec<NodePair>,
}

/// Messages of users of one server for users of another, or of the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodePair {
    pub from: String,
    pub to: String,
    pub owed: u64,
    pub missing: u64,
    /// Not here, and nothing shows whether they are lost.
    pub undecided: u64,
}

impl ClusterResult {
    /// Adds what another machine has found.
    pub fn add(&mut self, other: &Self) {
        self.fences += other.fences;
        for pair in &other.pairs {
            match self.pairs.iter_mut().find(|known| (&known.from, &known.to) == (&pair.from, &pair.to)) {
                Some(known) => {
                    known.owed += pair.owed;
                    known.missing += pair.missing;
                    known.undecided += pair.undecided;
                }
                None => self.pairs.push(pair.clone()),
            }
        }
    }
}

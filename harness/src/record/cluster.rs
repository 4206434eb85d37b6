//! What came of a load on servers that pass messages on to one another.

use std::collections::BTreeMap;

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
    /// Not certain to be owed.
    #[serde(default)]
    pub may: u64,
    /// Those of them that came.
    #[serde(default)]
    pub may_delivered: u64,
    /// Of what is missing, how much was sent in which second of the phases: pairs of both, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_by_second: Vec<(u64, u64)>,
}

/// Fewer messages than these between two servers say nothing.
const FEW: u64 = 20;

impl NodePair {
    /// How many messages did not come of which nothing shows whether they are lost, where those are so many that nobody can say
    /// whether the one server's messages reach the other: what would show a loss has to cross itself.
    pub fn silent(&self) -> Option<u64> {
        let nothing_came = self.owed == 0 && self.may_delivered == 0 && self.may + self.undecided >= FEW;
        let much_is_open = self.undecided >= FEW && self.undecided * 20 > self.owed + self.undecided;
        (nothing_came || much_is_open).then(|| self.undecided + self.may - self.may_delivered)
    }
}

impl ClusterResult {
    /// Adds what another machine has found.
    pub fn add(&mut self, other: &Self) {
        // The first two are the same in all parts of a run; crossing times are merged as the distribution they are of.
        let Self { nodes_known_by: _, decided_by: _, fences, crossing: _, pairs } = other;
        self.fences += fences;
        for pair in pairs {
            match self.pairs.iter_mut().find(|known| (&known.from, &known.to) == (&pair.from, &pair.to)) {
                Some(known) => {
                    known.owed += pair.owed;
                    known.missing += pair.missing;
                    known.undecided += pair.undecided;
                    known.may += pair.may;
                    known.may_delivered += pair.may_delivered;
                    let mut sum: BTreeMap<u64, u64> = known.missing_by_second.iter().copied().collect();
                    pair.missing_by_second.iter().for_each(|(second, some)| *sum.entry(*second).or_default() += some);
                    known.missing_by_second = sum.into_iter().collect();
                }
                None => self.pairs.push(pair.clone()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_in_which_nothing_crosses_is_silent() {
        let pair = |owed, undecided, may, may_delivered| NodePair {
            owed,
            undecided,
            may,
            may_delivered,
            ..NodePair::default()
        };
        for (what, pair, silent) in [
            ("dead from the start: no join was ever certain", pair(0, 0, 500, 0), Some(500)),
            ("dead from some moment on", pair(400, 600, 0, 0), Some(600)),
            ("the tail of senders that were cut off", pair(1_000, 12, 40, 30), None),
            ("too little to say", pair(0, 3, 4, 0), None),
            ("all well", pair(1_000, 0, 10, 9), None),
        ] {
            assert_eq!(pair.silent(), silent, "{what}");
        }
    }
}

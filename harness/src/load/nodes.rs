//! The servers of a cluster as users see them: which one each is connected to, as far as it can be known.

use std::sync::Mutex;
use std::time::Duration;

use sio_oracle::board::{Nanos, Receiver, UNKNOWN_NODE};

use crate::client::Label;
use crate::scenario::model::{NodeLabel, Target};
use crate::vocab::lock::LockExt;

/// So long after a join every server has been told of it, unless the scenario says more.
const TOLD_AFTER: Duration = Duration::from_secs(2);

/// What a run knows of the servers of a cluster.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    /// Users are spread over so many addresses by sio-bench, which knows where each is.
    spread: u32,
    label: Option<NodeLabel>,
    settle_within: Option<Duration>,
    /// What servers call themselves, in the order in which they were seen.
    names: Mutex<Vec<String>>,
}

impl Nodes {
    pub(super) fn new(target: &Target, addresses: u32) -> Self {
        let (label, settle_within) = (target.node_label.clone(), target.settle_within);
        Self { spread: addresses, label, settle_within, names: Mutex::default() }
    }

    /// What watches the answers to somebody who connects, if they tell of the server.
    pub(super) fn label(&self) -> Option<Label> {
        self.label.as_ref().map(|label| match label {
            NodeLabel::Header(name) => Label::header(name),
            NodeLabel::Cookie(name) => Label::cookie(name),
        })
    }

    /// The server at an address of the run, where what was said at it is `label`.
    pub(super) fn node(&self, address: u32, label: Option<&str>) -> u32 {
        match label {
            Some(label) => self.number(label),
            None if self.label.is_none() && self.spread > 1 => address,
            None => UNKNOWN_NODE,
        }
    }

    /// Whether somebody has to be asked to know where it is.
    pub(super) fn must_be_asked(&self) -> bool {
        self.label.is_none() && self.spread == 1
    }

    /// The number of a server that calls itself so.
    pub(super) fn number(&self, name: &str) -> u32 {
        let mut names = self.names.lock_unpoisoned();
        let known = names.iter().position(|known| known == name);
        known.unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        }) as u32
    }

    /// What a server is called.
    pub(super) fn name(&self, node: u32) -> String {
        if node == UNKNOWN_NODE {
            return "unknown".to_owned();
        }
        let names = self.names.lock_unpoisoned();
        names.get(node as usize).cloned().unwrap_or_else(|| node.to_string())
    }

    /// By what the server of a user was known, in words.
    pub(super) fn known_by(&self) -> String {
        match &self.label {
            Some(NodeLabel::Header(name)) => format!("the header {name}"),
            // Not "the cookie NAME": what stands behind that word is hidden as a secret.
            Some(NodeLabel::Cookie(name)) => format!("{name}, which answers set"),
            None if self.spread > 1 => "the address that sio-bench gave them".to_owned(),
            None if self.names.lock_unpoisoned().is_empty() => "nothing".to_owned(),
            None => "the answer to whoami".to_owned(),
        }
    }

    /// How long after a join all servers are taken to know of it, where nothing shows it.
    pub(super) fn told_after(&self) -> Duration {
        self.settle_within.unwrap_or(TOLD_AFTER)
    }

    /// An account of a user at one of the servers. Where there are fences, they decide; else waiting does, if that is said and
    /// the servers are known.
    pub(super) fn account(&self, account: Receiver, node: u32, fenced: bool) -> Receiver {
        let nanos = |time: Duration| time.as_nanos() as Nanos;
        account.in_cluster(node, nanos(self.told_after()), self.settle_within.filter(|_| !fenced).map(nanos))
    }

    /// How long it is worth while to wait for decisions when nothing is sent any more; `usual` is for what is on its way.
    pub(super) fn patience(&self, fenced: bool, usual: Duration) -> Duration {
        match self.settle_within {
            Some(time) => usual + time,
            None if fenced => usual,
            // Only what senders send shows anything.
            None => Duration::ZERO,
        }
    }

    /// What decides losses, in words.
    pub(super) fn decided_by(&self, fenced: bool) -> String {
        match self.settle_within {
            _ if fenced => "cluster fences and later messages of the same sender".to_owned(),
            Some(time) => format!(
                "later messages of the same sender, or, where both servers are known, {time:?} of waiting once something had \
                 come from there"
            ),
            None => "later messages of the same sender alone".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_its_address_or_by_what_it_says() {
        let spread = Nodes::new(&Target::default(), 2);
        assert_eq!((spread.node(1, None), spread.name(1).as_str(), spread.must_be_asked()), (1, "1", false));
        let one = Nodes::new(&Target::default(), 1);
        assert_eq!((one.node(0, None), one.must_be_asked()), (UNKNOWN_NODE, true));
        let label = Some(NodeLabel::Header("x-node".to_owned()));
        let labelled = Nodes::new(&Target { node_label: label, ..Target::default() }, 2);
        assert_eq!(labelled.node(1, None), UNKNOWN_NODE, "an address may be a balancer's");
        assert_eq!((labelled.node(0, Some("b")), labelled.node(0, Some("a")), labelled.node(1, Some("b"))), (0, 1, 0));
        assert_eq!((labelled.name(1).as_str(), labelled.name(UNKNOWN_NODE).as_str()), ("a", "unknown"));
    }
}

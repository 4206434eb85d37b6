//! A violation as a file: the claim, and the part of the history on which it rests.

use serde::{Deserialize, Serialize};

use crate::history::History;
use crate::violation::Violation;

/// A claim and what is needed to judge it.
///
/// The events are a cut of a longer history: those of the socket's connection, of its memberships of the rooms
/// in question, of the messages in question, and of the fence or the message that shows that more would have
/// come. Nothing that could excuse the server is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// What is said to have happened.
    pub claim: Violation,
    /// The events it rests on.
    pub history: History,
}

impl Proof {
    /// Cuts out of a history what a violation rests on.
    pub fn new(history: &History, violation: &Violation) -> Self {
        let events = violation.events.iter().map(|&place| history.events[place as usize].clone()).collect();
        let cut = History {
            assumptions: history.assumptions,
            names: history.names.clone(),
            handlers: history.handlers.clone(),
            events,
        };
        let claim = Violation { events: Vec::new(), ..violation.clone() };
        Self { claim, history: cut }
    }
}

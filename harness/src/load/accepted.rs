//! What the acknowledgement of a message must be. An application may refuse one: it is too large, it comes too soon, its sender
//! may not speak. Then nobody is owed it.

use sio_protocol::Args;

use super::identity::{Known, without_identity};
use super::plan::Plan;
use super::schedule::Emission;
use crate::scenario::Loaded;
use crate::scenario::model::{Ack, Traffic};
use crate::scenario::template::Template;

/// By traffic, the acknowledgements by which a message is taken; any, if there are none.
pub(super) struct Accepted {
    known: Known,
    lists: Vec<Vec<Vec<Template>>>,
}

impl Accepted {
    pub(super) fn new(loaded: &Loaded) -> Self {
        let lists = loaded.scenario.traffic.values().map(lists).collect();
        Self { known: Known::new(loaded), lists }
    }

    /// Whether an acknowledgement takes a message; the error says what it was.
    pub(super) fn check(&self, plan: &Plan, emission: &Emission, answer: &Args) -> Result<(), String> {
        let lists = &self.lists[usize::from(emission.traffic)];
        if lists.is_empty() {
            return Ok(());
        }
        let refused = |why: String| format!("was answered with {}: {why}", answer.json());
        let values = answer.to_values().map_err(|error| refused(error.to_string()))?;
        let scope = self.known.of_message(plan, emission);
        let mut why = String::new();
        for list in lists {
            match scope.clone().match_all(list, &values) {
                Ok(()) => return Ok(()),
                Err(differs) => why = differs,
            }
        }
        Err(refused(why))
    }
}

/// What may be in place of a payload or a token is not looked at.
fn lists(traffic: &Traffic) -> Vec<Vec<Template>> {
    let Some(Ack::OneOf(lists)) = &traffic.ack else { return Vec::new() };
    let is_token = traffic.identify.is_some();
    lists.iter().map(|list| list.iter().map(|arg| without_identity(arg, is_token)).collect()).collect()
}

//! The call by which a user joins a room, and what must come back.

use sio_protocol::Args;

use crate::scenario::template::{Scope, Template};

/// The call by which a user joins a room.
#[derive(Clone, Debug)]
pub(super) struct Join {
    pub(super) args: Args,
    pub(super) ack: bool,
    /// What the acknowledgement must be, if the action says so.
    wanted: Option<Box<(Scope, Vec<Vec<Template>>)>>,
}

impl Join {
    /// `wanted` are the acknowledgements that let the user in, any if there are none.
    pub(super) fn new(args: Args, ack: bool, wanted: Option<(Scope, Vec<Vec<Template>>)>) -> Self {
        Self { args, ack, wanted: wanted.map(Box::new) }
    }

    /// As one would write it: `join("lobby-3")`.
    pub(super) fn call(&self) -> String {
        let Ok(values) = self.args.to_values() else { return self.args.json().to_owned() };
        let Some((name, args)) = values.split_first() else { return String::new() };
        let args: Vec<_> = args.iter().map(ToString::to_string).collect();
        let name = name.as_str().map_or_else(|| name.to_string(), ToOwned::to_owned);
        format!("{name}({})", args.join(", "))
    }

    /// Whether an acknowledgement lets the user in; the error says what it was.
    pub(super) fn check(&self, answer: &Args) -> Result<(), String> {
        let Some(wanted) = &self.wanted else { return Ok(()) };
        let (scope, lists) = &**wanted;
        let refused = |why: String| format!("{} was answered with {}: {why}", self.call(), answer.json());
        let values = answer.to_values().map_err(|error| refused(error.to_string()))?;
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

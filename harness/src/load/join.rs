//! The call by which a user joins a room, and what must come back.

use std::sync::Arc;

use sio_protocol::{Args, Value};

use super::connect_options::varies;
use crate::scenario::Loaded;
use crate::scenario::model::{Ack, Invocation, Population};
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
        scope.match_any(lists, &values).map_err(refused)
    }
}

/// How one room is joined.
#[derive(Debug)]
pub(super) enum Joining {
    /// By all in the same way.
    Same(Join),
    /// By each in its own.
    Own(Arc<Call>),
}

/// The call by which users join the rooms of a group, before it is rendered.
#[derive(Debug)]
pub(super) struct Call {
    params: Vec<String>,
    args: Vec<Template>,
    emit: Vec<Template>,
    ack: Option<Ack>,
}

impl Call {
    pub(super) fn new(loaded: &Loaded, invocation: &Invocation) -> Self {
        let action = &loaded.scenario.actions[&invocation.action];
        Self {
            params: action.params.clone(),
            args: invocation.args.clone(),
            emit: action.emit.clone(),
            ack: action.ack.clone(),
        }
    }

    /// Whether it may be another one for another user.
    pub(super) fn varies(&self, loaded: &Loaded) -> bool {
        let mut known = loaded.scope();
        let names = self.params.iter().map(String::as_str).chain(["room"]);
        known.vars.extend(names.map(|name| (name.to_owned(), Value::Null)));
        self.args.iter().chain(&self.emit).any(|template| varies(template, &known))
    }

    /// The call for one room.
    pub(super) fn render(&self, mut scope: Scope, room: &str) -> Result<Join, String> {
        scope.vars.insert("room".to_owned(), Value::from(room));
        let args: Vec<Value> = self.args.iter().map(|arg| scope.render(arg)).collect::<Result<_, _>>()?;
        scope.vars.extend(self.params.iter().cloned().zip(args));
        let values: Vec<Value> = self.emit.iter().map(|value| scope.render(value)).collect::<Result<_, _>>()?;
        let wanted = match &self.ack {
            Some(Ack::OneOf(lists)) => Some((scope, lists.clone())),
            Some(Ack::Any) | None => None,
        };
        Ok(Join::new(Args::from_values(&values), self.ack.is_some(), wanted))
    }
}

/// Whether the joins of a population's users can be rendered.
pub(super) fn check(loaded: &Loaded, users: &Population, scope: &Scope) -> Result<(), String> {
    for (name, _) in &users.rooms {
        let call = Call::new(loaded, &loaded.scenario.rooms[name].join);
        call.render(scope.clone(), name).map_err(|problem| format!("[rooms.{name}] join: {problem}"))?;
    }
    Ok(())
}

//! The call by which a user joins a room, and what must come back.

use std::sync::Arc;

use sio_protocol::{Args, Value};

use super::connect_options::varies;
use crate::scenario::Loaded;
use crate::scenario::model::{Ack, Invocation, OF_ROOM, Population, room_number};
use crate::scenario::template::{Scope, Template};

/// The call by which a user joins a room.
#[derive(Clone, Debug)]
pub(super) struct Join {
    pub(super) args: Args,
    pub(super) ack: bool,
    /// What the acknowledgement must be, if the action says so.
    wanted: Option<Box<(Scope, Vec<Vec<Template>>)>>,
    /// The event that says that it has happened.
    confirmed_by: Option<Box<(Scope, Vec<Template>)>>,
}

impl Join {
    /// `wanted` are the acknowledgements that let the user in, any if there are none.
    pub(super) fn new(args: Args, ack: bool, wanted: Option<(Scope, Vec<Vec<Template>>)>) -> Self {
        Self { args, ack, wanted: wanted.map(Box::new), confirmed_by: None }
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

    /// Whether an event says whether it has happened.
    pub(super) fn has_event(&self) -> bool {
        self.confirmed_by.is_some()
    }

    /// Whether an event says that it has happened; what its arguments have behind those that are said is not looked at.
    pub(super) fn is_confirmed_by(&self, event: &Args) -> bool {
        let Some((scope, patterns)) = self.confirmed_by.as_deref() else { return false };
        let values = event.to_values().unwrap_or_default();
        values.get(..patterns.len()).is_some_and(|values| scope.clone().match_all(patterns, values).is_ok())
    }
}

/// How one room is joined.
#[derive(Debug)]
pub(super) enum Joining {
    /// By none: the application puts users in as they connect.
    Unasked,
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
    confirmed_by: Option<Vec<Template>>,
}

impl Call {
    pub(super) fn new(loaded: &Loaded, invocation: &Invocation) -> Self {
        let action = &loaded.scenario.actions[&invocation.action];
        Self {
            params: action.params.clone(),
            args: invocation.args.clone(),
            emit: action.emit.clone(),
            ack: action.ack.clone(),
            confirmed_by: action.confirmed_by.clone(),
        }
    }

    /// Whether it may be another one for another user.
    pub(super) fn varies(&self, loaded: &Loaded) -> bool {
        let mut known = loaded.scope();
        let names = self.params.iter().map(String::as_str).chain(OF_ROOM);
        known.vars.extend(names.map(|name| (name.to_owned(), Value::Null)));
        self.args
            .iter()
            .chain(&self.emit)
            .chain(self.confirmed_by.iter().flatten())
            .any(|template| varies(template, &known))
    }

    /// The call for one room.
    pub(super) fn render(&self, mut scope: Scope, room: &str) -> Result<Join, String> {
        scope.vars.insert("room".to_owned(), Value::from(room));
        scope.vars.insert("room.number".to_owned(), number_of(room));
        let args: Vec<Value> = self.args.iter().map(|arg| scope.render(arg)).collect::<Result<_, _>>()?;
        scope.vars.extend(self.params.iter().cloned().zip(args));
        let values: Vec<Value> = self.emit.iter().map(|value| scope.render(value)).collect::<Result<_, _>>()?;
        let confirmed_by = self.confirmed_by.as_ref().map(|event| Box::new((scope.clone(), event.clone())));
        let wanted = match &self.ack {
            Some(Ack::OneOf(lists)) => Some((scope, lists.clone())),
            Some(Ack::Any) | None => None,
        };
        Ok(Join { confirmed_by, ..Join::new(Args::from_values(&values), self.ack.is_some(), wanted) })
    }
}

/// The number of a room in its group, as a value.
pub(super) fn number_of(room: &str) -> Value {
    room_number(room).parse::<u32>().map_or(Value::Null, |number| Value::Number(number.into()))
}

/// Whether the joins of a population's users can be rendered.
pub(super) fn check(loaded: &Loaded, users: &Population, scope: &Scope) -> Result<(), String> {
    for (name, _) in &users.rooms {
        let Some(join) = &loaded.scenario.rooms[name].join else { continue };
        let call = Call::new(loaded, join);
        call.render(scope.clone(), name).map_err(|problem| format!("[rooms.{name}] join: {problem}"))?;
    }
    Ok(())
}

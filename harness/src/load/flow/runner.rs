//! One iteration: the steps of a flow, one after another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sio_oracle::board::Nanos;
use sio_protocol::engine::Handshake;
use sio_protocol::{Args, Value};

use super::connection::{FlowConnection, KEPT, Received};
use crate::client::{ConnectOptions, Connection, Endpoint, Error, Jar};
use crate::clock;
use crate::load::local::Local;
use crate::load::message::json_of;
use crate::load::random::UserRng;
use crate::play::shown::adding;
use crate::scenario::model::{Ack, Drop as Dropping, FlowAction, FlowStep, Think, Transport};
use crate::scenario::template::{Expr, Scope, Template};
use crate::secrets;

/// Why a visit is over before its end.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The target did not do what the flow says.
    Target(String),
    /// Nobody answers where the target should be.
    Unreachable(String),
    /// This machine could not go on; the target has nothing to do with it.
    Own(String),
}

impl Trouble {
    pub(super) fn of(error: Error) -> Self {
        match error {
            Error::Starved(_) => Self::Own(error.to_string()),
            Error::Connect(_) => Self::Unreachable(error.to_string()),
            error => Self::Target(error.to_string()),
        }
    }

    /// What went wrong, whoever's fault it is.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Target(why) | Self::Unreachable(why) | Self::Own(why) => why,
        }
    }

    fn at(self, step: &FlowStep) -> Self {
        match self {
            Self::Target(why) => Self::Target(format!("{}: {why}", step.name)),
            Self::Unreachable(why) => Self::Unreachable(format!("{}: {why}", step.name)),
            Self::Own(why) => Self::Own(why),
        }
    }
}

type Outcome<T = ()> = Result<T, Trouble>;

fn failed<T>(why: impl Into<String>) -> Outcome<T> {
    Err(Trouble::Target(why.into()))
}

pub(super) struct FlowRunner<'a> {
    pub(super) local: &'a Local,
    /// Which flow is followed; none, by those who stay.
    journey: Option<usize>,
    number: u64,
    /// How it talks to the target, if not as everybody does.
    manner: Option<Arc<ConnectOptions>>,
    pub(super) scope: Scope,
    dice: UserRng,
    pub(super) jar: Jar,
    guest: Option<FlowConnection<'a>>,
    /// Joined last.
    nsp: String,
    /// What is expected is counted from here: the last request, or the last event that was expected.
    since: Nanos,
    /// When the visitor was to come, until it has begun.
    intended: Option<Nanos>,
}

impl<'a> FlowRunner<'a> {
    pub(super) fn new(
        local: &'a Local,
        journey: Option<usize>,
        number: u64,
        scope: Scope,
        dice: UserRng,
        intended: Option<Nanos>,
    ) -> Self {
        let since = local.now();
        let (jar, nsp) = (Jar::default(), "/".to_owned());
        Self { local, journey, number, manner: None, scope, dice, jar, guest: None, nsp, since, intended }
    }

    /// Does all steps, from the first.
    pub(super) async fn steps_of(&mut self, steps: &[FlowStep]) -> Outcome {
        let usual = self.local.endpoint(self.node()).manner;
        self.manner = self.local.guide().manner(&usual, &mut self.scope).map_err(Trouble::Target)?;
        self.steps(steps).await
    }

    /// Does the steps, and notes what they took.
    async fn steps(&mut self, steps: &[FlowStep]) -> Outcome {
        for step in steps {
            if step.share < 1.0 && self.dice.unit() > step.share {
                continue;
            }
            // Who comes late because sio-bench is late has waited since it was to come.
            let began = self.intended.take().unwrap_or_else(|| self.local.now());
            match self.step(step, began).await {
                Ok(Some(took)) => self.local.stepped(&step.name, began, took),
                Ok(None) => {}
                Err(trouble) => {
                    if step.deed.is_measured() {
                        self.local.stumbled(&step.name, began);
                    }
                    // The step inside a loop has said which one it is.
                    let is_loop = matches!(step.deed, FlowAction::Repeat { .. });
                    return Err(if is_loop { trouble } else { trouble.at(step) });
                }
            }
        }
        Ok(())
    }

    /// Does one step; returns what it took, if that says something about the target.
    async fn step(&mut self, step: &FlowStep, began: Nanos) -> Outcome<Option<Nanos>> {
        let deadline = clock::now() + step.within;
        match &step.deed {
            FlowAction::Connect { nsp, auth, query, headers } => {
                if self.guest.is_none() {
                    self.open(query, headers, deadline, step.within).await?;
                }
                let connected = self.connect(nsp, auth.as_ref(), deadline, step.within).await?;
                self.since = connected;
                if let Some(journey) = self.journey {
                    self.local.visitor_connected(journey, self.number, connected - began);
                }
                Ok(Some(connected - began))
            }
            FlowAction::Emit { args, ack } => {
                let nsp = self.namespace(step)?;
                let answered = self.emit(&nsp, args, ack.as_ref(), deadline, step.within).await?;
                Ok(answered.map(|at| at - self.since))
            }
            FlowAction::Expect { events, times, reply } => {
                let nsp = self.namespace(step)?;
                let (mut took, mut looked) = (0, 0);
                let learns = learns(events);
                for _ in 0..*times {
                    // What did not fit does not fit later either, unless it is compared with what was saved meanwhile.
                    looked = if learns { 0 } else { looked };
                    let at = self.expect(&nsp, events, reply.as_deref(), &mut looked, (deadline, step.within)).await?;
                    took += at - self.since;
                    self.since = at;
                }
                Ok(Some(took))
            }
            FlowAction::Http { request, answer, save } => {
                self.request(request, answer, save, step.within).await?;
                self.since = self.local.now();
                Ok(Some(self.since - began))
            }
            FlowAction::Disconnect => {
                if let Some(guest) = self.guest.take() {
                    self.local.gives_up(&guest.connection);
                    guest.connection.close().await;
                }
                Ok(None)
            }
            FlowAction::Drop(how) => {
                if let Some(guest) = self.guest.take() {
                    self.local.gives_up(&guest.connection);
                    vanish(guest.connection, *how);
                }
                Ok(None)
            }
            FlowAction::Think(think) => {
                let length = self.length(*think);
                match &mut self.guest {
                    Some(guest) => guest.drain_for(length).await.map_err(Trouble::of)?,
                    None => tokio::time::sleep(length).await,
                }
                Ok(None)
            }
            FlowAction::Repeat { times: (from, to), name, steps } => {
                let times = from + (self.dice.unit() * (to - from + 1) as f64) as u64;
                for round in 1..=times.min(*to) {
                    if let Some(name) = name {
                        self.scope.vars.insert(name.clone(), Value::Number(round.into()));
                    }
                    Box::pin(self.steps(steps)).await?;
                }
                Ok(None)
            }
        }
    }

    // ---- what the steps need

    pub(super) fn endpoint(&self) -> Endpoint {
        let mut endpoint = self.local.endpoint(self.node()).with_jar(self.jar.clone()).for_user(self.number);
        if let Some(manner) = &self.manner {
            endpoint.manner = manner.clone();
        }
        endpoint
    }

    fn node(&self) -> u32 {
        (self.number % u64::from(self.local.plan.nodes)) as u32
    }

    fn text(&mut self, template: &Template) -> Outcome<String> {
        match self.scope.render(template).map_err(Trouble::Target)? {
            Value::String(text) => Ok(text),
            other => Ok(other.to_string()),
        }
    }

    fn namespace(&mut self, step: &FlowStep) -> Outcome<String> {
        match &step.nsp {
            Some(nsp) => self.text(nsp),
            None => Ok(self.nsp.clone()),
        }
    }

    fn guest(&mut self) -> Outcome<&mut FlowConnection<'a>> {
        self.guest.as_mut().ok_or_else(|| Trouble::Target("the user is not connected".to_owned()))
    }

    fn transport(&mut self) -> Transport {
        let weights = self.journey.map_or(&[][..], |journey| self.local.guide().transports(journey));
        let total: u32 = weights.iter().map(|(_, weight)| weight).sum();
        let mut pick = (self.dice.unit() * f64::from(total)) as u32;
        for (transport, weight) in weights {
            if pick < *weight {
                return *transport;
            }
            pick -= weight;
        }
        weights.last().map_or(Transport::WebSocket, |(transport, _)| *transport)
    }

    fn length(&mut self, think: Think) -> Duration {
        match think {
            Think::Between(from, to) => from + to.saturating_sub(from).mul_f64(self.dice.unit()),
            Think::Exponential(mean) => mean.mul_f64(-self.dice.unit().ln()),
        }
    }

    /// Opens a connection.
    async fn open(
        &mut self,
        query: &[(String, Template)],
        headers: &[(String, Template)],
        deadline: Instant,
        within: Duration,
    ) -> Outcome {
        let (mut endpoint, transport) = (self.endpoint(), self.transport());
        if !query.is_empty() || !headers.is_empty() {
            let own = adding(&endpoint.manner, headers, query, &mut self.scope);
            endpoint.manner = own.map_err(Trouble::Target)?;
        }
        let parser = endpoint.manner.parser;
        let opening = Connection::open_by(&endpoint, self.local.own_carrier(), transport, parser);
        let opened = tokio::time::timeout_at(deadline.into(), opening).await;
        let opened = opened.map_err(|_| Trouble::Target(format!("no connection within {within:?}")))?;
        let connection = opened.map_err(Trouble::of)?;
        let keeps = self.journey.is_some_and(|journey| self.local.guide().keeps_questions(journey));
        self.guest = Some(FlowConnection::new(self.local, connection, transport, keeps));
        Ok(())
    }

    /// Joins a namespace; returns when it has let the visitor in.
    async fn connect(
        &mut self,
        nsp: &Template,
        auth: Option<&Template>,
        deadline: Instant,
        within: Duration,
    ) -> Outcome<Nanos> {
        let nsp = self.text(nsp)?;
        let auth = match auth {
            Some(auth) => self.scope.render(auth).and_then(|auth| json_of(&auth)).map_err(Trouble::Target)?,
            None => String::new(),
        };
        secrets::learn_auth(&auth);
        let guest = self.guest()?;
        guest.connection.connect(&nsp, &auth);
        loop {
            match guest.hear(deadline).await.map_err(Trouble::of)? {
                Some(Received::Joined(name)) if name == nsp => {
                    let at = guest.heard_at;
                    self.nsp = nsp;
                    return Ok(at);
                }
                Some(Received::Refused(name, body)) if name == nsp => return failed(format!("{nsp} refused: {body}")),
                Some(_) => {}
                None => return failed(format!("no answer to the CONNECT of {nsp} within {within:?}")),
            }
        }
    }

    /// Sends an event; returns when its acknowledgement arrived, if it asks for one.
    async fn emit(
        &mut self,
        nsp: &str,
        args: &[Template],
        ack: Option<&Ack>,
        deadline: Instant,
        within: Duration,
    ) -> Outcome<Option<Nanos>> {
        let values: Result<Vec<_>, String> = args.iter().map(|arg| self.scope.render(arg)).collect();
        let values = values.map_err(Trouble::Target)?;
        self.scope.sent = values[1..].to_vec();
        let now = self.local.now();
        let guest = self.guest()?;
        if !guest.joined.iter().any(|name| name == nsp) {
            return failed(format!("the user is not in {nsp}"));
        }
        guest.forget();
        let id = guest.connection.emit(nsp, Args::from_values(&values), ack.is_some());
        let Some(ack) = ack else {
            // The write leaves with the next poll.
            guest.drain_for(Duration::ZERO).await.map_err(Trouble::of)?;
            self.since = now;
            return Ok(None);
        };
        let (answer, at) = loop {
            match guest.hear(deadline).await.map_err(Trouble::of)? {
                Some(Received::Ack(incoming)) if incoming.id == id && *incoming.nsp == *nsp => {
                    break (incoming.args, guest.heard_at);
                }
                Some(_) => {}
                None => return failed(format!("not acknowledged within {within:?}")),
            }
        };
        self.since = now;
        self.compare_ack(ack, &answer)?;
        Ok(Some(at))
    }

    fn compare_ack(&mut self, ack: &Ack, answer: &Args) -> Outcome {
        let Ack::OneOf(lists) = ack else { return Ok(()) };
        let values = answer.to_values().map_err(|error| Trouble::Target(format!("the acknowledgement: {error}")))?;
        let mut why = String::new();
        for list in lists {
            match self.scope.match_all(list, &values) {
                Ok(()) => return Ok(()),
                Err(differs) => why = differs,
            }
        }
        failed(format!("the acknowledgement differs: {why}"))
    }

    /// Waits for an event that is as one of these; returns when it arrived. What came since the last request counts.
    async fn expect(
        &mut self,
        nsp: &str,
        events: &[Vec<Template>],
        reply: Option<&[Template]>,
        looked: &mut u64,
        (deadline, within): (Instant, Duration),
    ) -> Outcome<Nanos> {
        loop {
            if let Some(at) = self.take_expected(nsp, events, reply, looked)? {
                return Ok(at);
            }
            let guest = self.guest()?;
            if guest.hear(deadline).await.map_err(Trouble::of)?.is_none() {
                if guest.spilled {
                    return Err(Trouble::Own(format!(
                        "an event that was expected may be among those that were let go: more than {} MiB of them waited, \
                         which is a limit of sio-bench's own",
                        KEPT / 1024 / 1024
                    )));
                }
                return failed(format!("did not come within {within:?}"));
            }
        }
    }

    fn take_expected(
        &mut self,
        nsp: &str,
        events: &[Vec<Template>],
        reply: Option<&[Template]>,
        looked: &mut u64,
    ) -> Outcome<Option<Nanos>> {
        let Some(guest) = &mut self.guest else { return failed("the user is not connected") };
        let scope = &mut self.scope;
        let from = looked.saturating_sub(guest.gone) as usize;
        let mut is_one = |values: &[Value]| events.iter().any(|event| scope.match_all(event, values).is_ok());
        let place = guest.inbox.iter().skip(from).position(|letter| {
            let Ok(values) = letter.incoming.args.to_values() else { return false };
            let here = *letter.incoming.nsp == *nsp;
            here && (is_one(&values) || guest.without_offset(&letter.incoming, &values).is_some_and(&mut is_one))
        });
        // By numbers that stay when those ahead are let go: where to look next.
        *looked = guest.gone + place.map_or(guest.inbox.len(), |place| from + place) as u64;
        let Some(letter) = place.and_then(|place| guest.take_letter(from + place)) else { return Ok(None) };
        if letter.incoming.id.is_some()
            && let Some(reply) = reply
        {
            let values: Result<Vec<_>, String> = reply.iter().map(|value| scope.render(value)).collect();
            guest.answer(&letter.incoming, Args::from_values(&values.map_err(Trouble::Target)?));
        }
        Ok(Some(letter.at))
    }

    /// The visit is over.
    pub(super) async fn leave(self, politely: bool) {
        let Some(guest) = self.guest else { return };
        self.local.gives_up(&guest.connection);
        if politely {
            guest.connection.close().await;
        }
    }
}

/// Whether what fits depends on what was saved by an event before.
fn learns(events: &[Vec<Template>]) -> bool {
    let mut learns = false;
    let mut look = |expr: &Expr| learns |= matches!(expr, Expr::Save(_) | Expr::Not(_));
    events.iter().flatten().for_each(|template| template.visit(&mut look));
    learns
}

/// Goes as networks do.
fn vanish(connection: Connection, how: Dropping) {
    match how {
        Dropping::Close => drop(connection),
        Dropping::Reset => connection.reset(),
        Dropping::Silence => {
            let silence = connection.handshake().map_or(Duration::ZERO, Handshake::patience);
            // Open, and never looked at again, until the server must have noticed.
            tokio::task::spawn_local(async move {
                tokio::time::sleep(silence + Duration::from_secs(1)).await;
                drop(connection);
            });
        }
    }
}

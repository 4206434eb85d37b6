//! Plays the steps of one case.
//!
//! One future drives every client: whatever a step waits for, all connections are read and their pings
//! answered meanwhile. Nothing sleeps; every wait has a deadline with a name.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use indexmap::IndexMap;
use sio_protocol::{Parser, Value};

use super::chatter::Chatter;
use super::client::{Client, Wire};
use super::http::Pending;
use super::order_tracker::OrderTracker;
use super::packets::Expected;
use super::shown::adding;
use super::transcript::Transcript;
use super::{ANSWER, EVENT, SERVER, Stage, Stop, rows};
use crate::client::offset;
use crate::client::{Connection, Endpoint};
use crate::clock;
use crate::scenario::Loaded;
use crate::scenario::model::{self, Ack, Action, Case, Drop, Step, Transport, Verb};
use crate::scenario::node::Span;
use crate::scenario::template::{Scope, Template};
use crate::vocab::text::plural;
use crate::wire::{Link, LinkAction};

/// Between two tries of a step that says `until`.
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

pub(super) type Outcome<T = ()> = Result<T, Stop>;

pub(crate) struct Player<'a> {
    pub(super) case: &'a Case,
    pub(super) actions: &'a IndexMap<String, Action>,
    pub(super) stage: &'a Stage,
    pub(super) clients: Vec<Client>,
    /// Requests that a later step looks at, by client and name.
    pub(super) exchanges: HashMap<(usize, String), Pending>,
    pub(super) scope: Scope,
    pub(super) senders: OrderTracker,
    /// Entries of the target's journal up to here are not this case's.
    pub(super) journal_from: u64,
    pub(super) log: Transcript,
    /// What is violated if what is done now fails; nothing, if that is what the case is about.
    pub(super) row: Option<&'static str>,
    /// The server would recover sessions, as a client was told.
    pub(super) recovers: bool,
    /// How long was waited last.
    waited: Duration,
    /// What came in between that the case cannot know of.
    pub(super) disturbed: Option<String>,
}

/// A step whose request is on its way.
pub(super) enum Begun {
    Done,
    Answers { client: usize, nsp: String, id: u64, ack: Ack },
    Connecting { client: usize, nsp: String },
}

fn reads_journal(steps: &[Step]) -> bool {
    steps.iter().any(|step| match &step.verb {
        Verb::Journal { .. } => true,
        Verb::Repeat { steps, .. } | Verb::Together(steps) => reads_journal(steps),
        _ => false,
    })
}

/// Why a case cannot be played on a target of so many servers.
pub(crate) fn too_few_nodes(wanted: usize, there: usize) -> String {
    let fleet = "a fleet such as --target node-redis has them";
    format!("it takes {} that know of one another, and the target is {there}; {fleet}", plural(wanted as u64, "server"))
}

/// Makes rooms and namespaces of a case its own, among cases played beside it and runs before it.
pub(crate) fn unique() -> u64 {
    static PLAYED: AtomicU64 = AtomicU64::new(0);
    let millis = clock::wall().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
    (millis % 1_000_000_000) * 100_000 + PLAYED.fetch_add(1, Ordering::Relaxed) % 100_000
}

impl<'a> Player<'a> {
    pub(crate) fn new(loaded: &'a Loaded, case: &'a Case, stage: &'a Stage) -> Self {
        let mut scope = loaded.scope();
        let id = unique().to_string();
        scope.vars.insert("nsp".to_owned(), Value::String(format!("/dynamic-{id}")));
        scope.vars.insert("id".to_owned(), Value::String(id));
        scope.vars.insert("host".to_owned(), Value::from(stage.endpoint.authority.as_str()));
        Self {
            case,
            actions: &loaded.scenario.actions,
            stage,
            clients: Vec::new(),
            exchanges: HashMap::new(),
            scope,
            senders: OrderTracker::default(),
            journal_from: stage.journal.load(Ordering::Relaxed),
            log: Transcript::new(clock::now()),
            row: None,
            recovers: false,
            waited: Duration::ZERO,
            disturbed: None,
        }
    }

    /// The server that a client connects to.
    fn endpoint(&mut self, spec: &model::Client) -> Result<Endpoint, Stop> {
        let number = match &spec.node {
            Some(node) => self.scope.render(node).map_err(Stop::Error)?,
            None => Value::Number(0.into()),
        };
        let number = match &number {
            Value::Number(number) => number.as_u64(),
            _ => None,
        };
        let Some(number) = number else {
            return Err(Stop::Error("`node` is no number; it is that of a server, from 0".to_owned()));
        };
        let takes = self.case.nodes().max(number as usize + 1);
        let there = self.stage.node(number as usize).cloned();
        there.ok_or_else(|| Stop::Unsupported(too_few_nodes(takes, self.stage.nodes())))
    }

    /// Connects, plays, settles. The error carries the place of the step it happened in.
    pub(crate) async fn run(&mut self) -> Result<(), (Stop, Span)> {
        let whole = self.case.span.clone();
        for choice in &self.case.variant {
            let value = self.scope.render(&choice.value).map_err(|problem| (Stop::Error(problem), whole.clone()))?;
            self.scope.vars.insert(choice.name.clone(), value);
        }
        if self.case.exclusive && reads_journal(&self.case.steps) {
            self.skip_journal().await;
        }
        for (name, client) in &self.case.clients {
            self.add(name, client).await.map_err(|stop| (stop, whole.clone()))?;
        }
        for index in 0..self.clients.len() {
            let spec = &self.case.clients[index];
            if !spec.closed {
                self.enter(index, spec).await.map_err(|stop| (stop, whole.clone()))?;
            }
        }
        self.row = None;
        self.steps(&self.case.steps).await?;
        self.row = None;
        if !self.case.allow_unexpected {
            self.settle().await.map_err(|stop| (stop, whole.clone()))?;
        }
        if self.case.hostile {
            self.alive().await.map_err(|stop| (stop, whole))?;
        }
        Ok(())
    }

    /// What the failure violates, if that is not what the case is about.
    pub(crate) fn other_row(&self) -> Option<&'static str> {
        let rule = self.case.rule.as_deref()?;
        self.row.filter(|row| !rows::are_kin(row, rule))
    }

    /// The deadline of the wait that was the last.
    pub(crate) fn deadline(&self) -> Duration {
        self.waited
    }

    /// As if [`wait`](Self::wait) had been called.
    pub(super) fn waiting(&mut self, within: Duration) {
        self.waited = within;
    }

    /// Why the case may have gone another way than its steps know.
    pub(crate) fn take_disturbance(&mut self) -> Option<String> {
        self.disturbed.take()
    }

    /// Every packet so far, oldest first.
    pub(crate) fn take_transcript(&mut self) -> Vec<String> {
        std::mem::replace(&mut self.log, Transcript::new(clock::now())).into_lines()
    }

    /// Closes what is still open, all at once.
    pub(crate) async fn leave(self) {
        let connections = self.clients.into_iter().filter_map(|client| match client.wire {
            Wire::Packets(connection) => Some(connection.close()),
            Wire::Raw(_) | Wire::None | Wire::Silent(_) => None,
        });
        futures_util::future::join_all(connections).await;
    }

    // ---- waiting

    /// Reads all connections until `done` finds what it looks for.
    pub(super) async fn wait<T>(
        &mut self,
        within: Duration,
        mut done: impl FnMut(&mut Self) -> Option<Outcome<T>>,
    ) -> Option<Outcome<T>> {
        self.waited = within;
        let wait = poll_fn(|cx| {
            self.absorb(cx);
            self.learn();
            done(self).map_or(Poll::Pending, Poll::Ready)
        });
        tokio::time::timeout(within, wait).await.ok()
    }

    /// As [`wait`](Self::wait), for something that is not a client's.
    pub(super) async fn wait_with<T>(
        &mut self,
        within: Duration,
        mut done: impl FnMut(&mut std::task::Context<'_>) -> Option<T>,
    ) -> Option<T> {
        self.waited = within;
        let wait = poll_fn(|cx| {
            self.absorb(cx);
            done(cx).map_or(Poll::Pending, Poll::Ready)
        });
        tokio::time::timeout(within, wait).await.ok()
    }

    /// Reads all connections, and goes on with the requests that wait for a later step.
    fn absorb(&mut self, cx: &mut std::task::Context<'_>) {
        let log = &mut self.log;
        for client in &mut self.clients {
            client.absorb(cx, &mut |at, line| log.add(at, line));
        }
        let mut exchanges = std::mem::take(&mut self.exchanges);
        for ((client, _), exchange) in &mut exchanges {
            let _ = exchange.drive(cx);
            self.tell_swallowed(*client, exchange);
        }
        self.exchanges = exchanges;
    }

    /// Tries again and again until it succeeds or the time is over.
    pub(super) async fn until(
        &mut self,
        within: Duration,
        mut attempt: impl AsyncFnMut(&mut Self) -> Outcome,
    ) -> Outcome {
        let deadline = clock::now() + within;
        loop {
            match attempt(self).await {
                Err(Stop::Fail(why)) if clock::now() >= deadline => {
                    self.waited = within;
                    return Err(Stop::Late(format!("{why}, still after {within:?}")));
                }
                Err(Stop::Fail(_)) => {}
                done => return done,
            }
            self.wait::<()>(BETWEEN_TRIES, |_| None).await;
        }
    }

    /// What the connections have told about themselves becomes variables: `${NAME.sid}`, `${NAME.id}`,
    /// `${NAME.pid}`.
    fn learn(&mut self) {
        for client in &self.clients {
            if let Some(sid) = client.session() {
                self.scope.vars.insert(format!("{}.sid", client.name), Value::String(sid));
            }
            let Some((_, Ok(body))) = client.answers.last() else { continue };
            let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(body) else { continue };
            self.recovers |= offset::is_recoverable(body);
            for (field, var) in [("sid", "id"), ("pid", "pid")] {
                if let Some((_, value)) = fields.iter().find(|(key, _)| key == field) {
                    self.scope.vars.insert(format!("{}.{var}", client.name), value.clone());
                }
            }
        }
    }

    /// Whether events may have offsets behind their arguments, of which no step speaks: a case about recovery says itself where they are.
    pub(super) fn may_have_offsets(&self) -> bool {
        self.recovers && !self.case.options.0.contains_key("SIO_RECOVERY")
    }

    /// The readings of text packets that somebody compares with what was sent; learns from them whether the server recovers sessions.
    pub(super) fn readings(&mut self, packets: &str) -> Vec<String> {
        self.recovers |= offset::tells_of_recovery(packets);
        if self.may_have_offsets() { offset::readings(packets) } else { vec![packets.to_owned()] }
    }

    pub(super) fn note(&mut self, line: String) {
        self.log.add(clock::now(), line);
    }

    // ---- clients

    /// Makes a client known; it is not connected yet.
    async fn add(&mut self, name: &str, spec: &model::Client) -> Outcome {
        let mut endpoint = self.endpoint(spec)?;
        if endpoint.secure && (spec.raw.is_some() && !spec.plain || spec.link) {
            let what = if spec.link { "a link" } else { "a raw client" };
            return Err(Stop::Unsupported(format!("{what} does not speak TLS; give the server's http:// URL")));
        }
        let mut link = None;
        if spec.link || !self.stage.delay.is_zero() {
            let opened = Link::open(endpoint.address(), self.stage.delay).await;
            let opened = opened.map_err(|error| Stop::Error(format!("no link for {name}: {error}")))?;
            endpoint.through(opened.address());
            link = Some(opened);
        }
        // A raw client has them in its first request alone.
        if spec.raw.is_none() && !spec.headers.is_empty() {
            let own = adding(&endpoint.manner, &spec.headers, &[], &mut self.scope);
            endpoint.manner = own.map_err(Stop::Error)?;
        }
        let nsp = match &spec.namespace {
            Some(nsp) => self.text(nsp)?,
            None => "/".to_owned(),
        };
        let chatter = Chatter::of(self.case, self.stage.fixture);
        let mut client = Client::new(name, endpoint, nsp, chatter);
        (client.link, client.pings_shown, client.noops_shown) = (link, spec.pings_shown, spec.noops_shown);
        self.clients.push(client);
        Ok(())
    }

    /// Connects a client, joins its namespace, and upgrades if that is what it does.
    async fn enter(&mut self, index: usize, spec: &model::Client) -> Outcome {
        if let Some(raw) = &spec.raw {
            let kind = self.text(raw)?;
            return self.enter_raw(index, spec, &kind).await;
        }
        let transport = self.transport(spec.transport.as_ref())?;
        self.blame(spec, rows::OPEN);
        self.connect_client(index, transport).await?;
        if spec.namespace.is_some() {
            let nsp = self.clients[index].nsp.clone();
            self.blame(spec, rows::connect(&nsp));
            let begun = self.begin_connect(index, &nsp, spec.auth.as_ref())?;
            self.finish(begun, ANSWER, None).await?;
        }
        if transport == Transport::Upgrade {
            self.blame(spec, rows::UPGRADE);
            let upgraded = self.wait(ANSWER, |player| player.clients[index].upgraded.then_some(Ok(()))).await;
            let name = &self.clients[index].name;
            upgraded.unwrap_or_else(|| Err(Stop::Late(format!("{name} was not upgraded within {ANSWER:?}"))))?;
        }
        Ok(())
    }

    /// What is violated if a client does not get in; nothing else than the case's own row, if there is something about this
    /// client, or about the target, that the case may be about.
    pub(super) fn blame(&mut self, spec: &model::Client, row: &'static str) {
        let plain = spec.headers.is_empty() && spec.query.is_none() && spec.auth.is_none() && spec.parser.is_none();
        self.row = (plain && !spec.link && self.case.options.0.is_empty()).then_some(row);
    }

    async fn connect_client(&mut self, index: usize, transport: Transport) -> Outcome {
        let parser = match &self.case.clients[index].parser {
            Some(parser) if self.text(parser)? == "msgpack" => Parser::MessagePack,
            Some(_) => Parser::Json,
            None => self.stage.endpoint.manner.parser,
        };
        let client = &self.clients[index];
        let opened = Connection::open_with(&client.endpoint, &self.stage.http, transport, parser);
        let opened = tokio::time::timeout(ANSWER, opened).await;
        let name = client.name.clone();
        let mut connection = match opened {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(Stop::Fail(format!("{name} could not connect: {error}"))),
            Err(_) => return Err(Stop::Late(format!("{name} could not connect within {ANSWER:?}"))),
        };
        // A transcript holds what a client deals with unseen, too.
        connection.show_engine();
        let client = &mut self.clients[index];
        (client.wire, client.left, client.closed) = (Wire::Packets(connection), false, None);
        Ok(())
    }

    fn transport(&mut self, template: Option<&Template>) -> Outcome<Transport> {
        let Some(template) = template else { return Ok(Transport::WebSocket) };
        let name = self.text(template)?;
        Transport::from_name(&name).ok_or_else(|| Stop::Error(format!("`{name}` is no transport")))
    }

    pub(super) fn text(&mut self, template: &Template) -> Outcome<String> {
        match self.scope.render(template).map_err(Stop::Error)? {
            Value::String(text) => Ok(text),
            other => Err(Stop::Error(format!("expected a text, found {other}"))),
        }
    }

    pub(super) fn index(&self, name: &str) -> Outcome<usize> {
        let index = self.clients.iter().position(|client| client.name == name);
        index.ok_or_else(|| Stop::Error(format!("there is no client {name}")))
    }

    // ---- steps

    async fn steps(&mut self, steps: &[Step]) -> Result<(), (Stop, Span)> {
        for step in steps {
            match &step.verb {
                Verb::Repeat { times, name, steps } => {
                    for round in 1..=*times {
                        if let Some(name) = name {
                            self.scope.vars.insert(name.clone(), Value::Number(round.into()));
                        }
                        Box::pin(self.steps(steps)).await?;
                    }
                }
                Verb::Together(steps) => self.together(steps).await?,
                _ => self.step(step).await.map_err(|stop| (stop, step.span.clone()))?,
            }
        }
        Ok(())
    }

    /// Sends everything first, then waits: for events ahead of answers, since an answer may need the reply that
    /// an `expect` beside it gives.
    async fn together(&mut self, steps: &[Step]) -> Result<(), (Stop, Span)> {
        let mut begun = Vec::new();
        for step in steps {
            for name in &step.at {
                let one = self.begin(step, name).map_err(|stop| (stop, step.span.clone()))?;
                begun.push((step, name, one));
            }
        }
        begun.sort_by_key(|(_, _, one)| matches!(one, Begun::Answers { .. }));
        for (step, name, one) in begun {
            self.row = None;
            self.end(step, name, one).await.map_err(|stop| (stop, step.span.clone()))?;
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Outcome {
        match &step.verb {
            Verb::Wait(time) => {
                self.wait::<()>(*time, |_| None).await;
                return Ok(());
            }
            Verb::Alive => return self.alive().await,
            Verb::Server(action) => return self.server(action, step.within.unwrap_or(SERVER)).await,
            _ => {}
        }
        for name in &step.at {
            if let Verb::Connect { query, headers, .. } = &step.verb {
                self.reopen(name, query, headers).await?;
            }
            let begun = self.begin(step, name)?;
            self.row = None;
            self.end(step, name, begun).await?;
        }
        Ok(())
    }

    /// A client that has left its last namespace has closed its connection, as the official client does; it
    /// comes back on a new one. So does one that was not connected at first.
    async fn reopen(&mut self, name: &str, query: &[(String, Template)], headers: &[(String, Template)]) -> Outcome {
        let client = self.index(name)?;
        let spec = &self.case.clients[name];
        let fresh =
            spec.closed && matches!(self.clients[client].wire, Wire::None) && self.clients[client].closed.is_none();
        if !self.clients[client].left && !fresh {
            if query.is_empty() && headers.is_empty() {
                return Ok(());
            }
            let what = "`query` and `headers` belong to a connection, and this one is open already; say `open = false`";
            return Err(Stop::Error(format!("{name}: {what} in [clients], or `headers` there")));
        }
        if !query.is_empty() || !headers.is_empty() {
            let own = adding(&self.clients[client].endpoint.manner, headers, query, &mut self.scope);
            self.clients[client].endpoint.manner = own.map_err(Stop::Error)?;
        }
        let transport = self.transport(spec.transport.as_ref())?;
        if query.is_empty() && headers.is_empty() {
            self.blame(spec, rows::OPEN);
        }
        self.connect_client(client, transport).await
    }

    /// The namespace a step acts in.
    pub(super) fn nsp(&mut self, step: &Step, client: usize) -> Outcome<String> {
        match &step.nsp {
            Some(nsp) => self.text(nsp),
            None => Ok(self.clients[client].nsp.clone()),
        }
    }

    /// Queues what a step sends.
    fn begin(&mut self, step: &Step, name: &str) -> Outcome<Begun> {
        let client = self.index(name)?;
        let nsp = self.nsp(step, client)?;
        match &step.verb {
            Verb::Connect { nsp, auth, .. } => {
                let nsp = self.text(nsp)?;
                self.begin_connect(client, &nsp, auth.as_ref())
            }
            Verb::Emit { args, ack, until: false } => self.begin_emit(client, &nsp, args, ack.as_ref()),
            Verb::Drop(how) => {
                let how = self.text(how)?;
                let how = Drop::from_name(&how).ok_or_else(|| Stop::Error(format!("`{how}` is no way to drop")))?;
                self.drop_client(client, how).map(|()| Begun::Done)
            }
            Verb::Link(action) => self.act_on_link(client, *action).map(|()| Begun::Done),
            Verb::SplitLink(bytes) => {
                let bytes = self.number(bytes)? as usize;
                self.act_on_link(client, LinkAction::Split(bytes)).map(|()| Begun::Done)
            }
            Verb::Open { .. } | Verb::Send(_) | Verb::Read(_) => {
                self.begin_raw(client, &step.verb).map(|()| Begun::Done)
            }
            Verb::Do { action, args } => {
                let action = &self.actions[action];
                let outer = self.scope.vars.clone();
                for (param, arg) in action.params.iter().zip(args) {
                    let value = self.scope.render(arg).map_err(Stop::Error)?;
                    self.scope.vars.insert(param.clone(), value);
                }
                let begun = self.begin_emit(client, &nsp, &action.emit, action.ack.as_ref());
                self.scope.vars = outer;
                begun
            }
            _ => Ok(Begun::Done),
        }
    }

    /// Does the rest of a step.
    async fn end(&mut self, step: &Step, name: &str, begun: Begun) -> Outcome {
        let client = self.index(name)?;
        let nsp = self.nsp(step, client)?;
        let within = |usual: Duration| step.within.unwrap_or(usual);
        match &step.verb {
            Verb::Connect { refused, .. } => self.finish(begun, within(ANSWER), refused.as_ref()).await,
            Verb::Emit { args, ack, until: true } => {
                self.until(within(EVENT), async |player: &mut Self| {
                    let begun = player.begin_emit(client, &nsp, args, ack.as_ref())?;
                    player.finish(begun, ANSWER, None).await
                })
                .await
            }
            Verb::Emit { .. } | Verb::Do { .. } => self.finish(begun, within(ANSWER), None).await,
            Verb::Expect { events, times, order, reply } => {
                let expected = Expected {
                    nsp: &nsp,
                    events,
                    times: *times,
                    order: *order,
                    reply: reply.as_deref(),
                    after: step.after,
                };
                self.expect(client, &expected, within(EVENT)).await
            }
            Verb::Silent { quiet } => self.silent(client, *quiet).await,
            Verb::Disconnect => self.disconnect(client, &nsp).await,
            Verb::Disconnected => self.disconnected(client, &nsp, within(EVENT)).await,
            Verb::Journal { entries, of, kinds } => {
                self.journal(client, entries, of.as_ref(), kinds, within(EVENT)).await
            }
            Verb::Http { .. } | Verb::Answer { .. } | Verb::Pending(_) | Verb::Abort(_) | Verb::Finish(_) => {
                self.http_step(client, step).await
            }
            Verb::Open { .. } | Verb::Receive { .. } | Verb::Closed { .. } | Verb::ClosedOrIgnored => {
                self.raw_step(client, step).await
            }
            Verb::Drop(_)
            | Verb::Link(_)
            | Verb::SplitLink(_)
            | Verb::Send(_)
            | Verb::Read(_)
            | Verb::Alive
            | Verb::Server(_)
            | Verb::Wait(_)
            | Verb::Repeat { .. }
            | Verb::Together(_) => Ok(()),
        }
    }
}

//! Plays the steps of one case.
//!
//! One future drives every client: whatever a step waits for, all connections are read and their pings
//! answered meanwhile. Nothing sleeps; every wait has a deadline with a name.

use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use sio_protocol::{Args, Frame, Value};

use super::client::{Client, Wire, clip, show_frame};
use super::senders::Senders;
use super::{ANSWER, EVENT, QUIET, Stage, Stop};
use crate::client::{Connection, RawConnection};
use crate::clock;
use crate::scenario::Loaded;
use crate::scenario::model::{Ack, Action, Case, Drop, Step, Transport, Verb};
use crate::scenario::node::Span;
use crate::scenario::template::{Piece, Scope, Template};

/// Lines of the transcript that a failure shows.
const SHOWN: usize = 40;
/// The event every target with the fixture acknowledges.
const FENCE: &str = "message-with-ack";
/// A namespace nobody has: its refusal is a fence that needs no fixture.
const RAW_FENCE: &str = "/sio-bench-fence";

type Outcome<T = ()> = Result<T, Stop>;

pub(crate) struct Player<'a> {
    case: &'a Case,
    actions: &'a IndexMap<String, Action>,
    stage: &'a Stage,
    clients: Vec<Client>,
    scope: Scope,
    senders: Senders,
    started: Instant,
    log: Vec<String>,
}

/// A step whose request is on its way.
enum Begun {
    Done,
    Answers { client: usize, nsp: String, id: u64, ack: Ack },
    Connecting { client: usize, nsp: String },
}

impl<'a> Player<'a> {
    pub(crate) fn new(loaded: &'a Loaded, case: &'a Case, stage: &'a Stage) -> Self {
        let mut scope = Scope { random: loaded.scenario.seed, ..Scope::default() };
        for (name, value) in &loaded.vars {
            scope.vars.insert(name.clone(), Value::from(value.as_str()));
        }
        Self {
            case,
            actions: &loaded.scenario.actions,
            stage,
            clients: Vec::new(),
            scope,
            senders: Senders::default(),
            started: clock::now(),
            log: Vec::new(),
        }
    }

    /// Connects, plays, settles. The error carries the place of the step it happened in.
    pub(crate) async fn run(&mut self) -> Result<(), (Stop, Span)> {
        let whole = self.case.span.clone();
        for (name, value) in &self.case.variant {
            let value = self.scope.render(value).map_err(|problem| (Stop::Error(problem), whole.clone()))?;
            self.scope.vars.insert(name.clone(), value);
        }
        for (name, client) in &self.case.clients {
            self.open(name, client).await.map_err(|stop| (stop, whole.clone()))?;
        }
        self.steps(&self.case.steps).await?;
        if self.case.settle {
            self.settle().await.map_err(|stop| (stop, whole))?;
        }
        Ok(())
    }

    /// The last packets, oldest first.
    pub(crate) fn transcript(&self) -> Vec<String> {
        self.log[self.log.len().saturating_sub(SHOWN)..].to_vec()
    }

    /// Closes what is still open, all at once.
    pub(crate) async fn leave(self) {
        let connections = self.clients.into_iter().filter_map(|client| match client.wire {
            Wire::Packets(connection) => Some(connection.close()),
            Wire::Raw(_) | Wire::Gone(_) => None,
        });
        futures_util::future::join_all(connections).await;
    }

    // ---- waiting

    /// Reads all connections until `done` finds what it looks for.
    async fn wait<T>(
        &mut self,
        within: Duration,
        mut done: impl FnMut(&mut Self) -> Option<Outcome<T>>,
    ) -> Option<Outcome<T>> {
        let wait = poll_fn(|cx| {
            let started = self.started;
            for client in &mut self.clients {
                let log = &mut self.log;
                client.absorb(cx, &mut |line| log.push(stamped(started, &line)));
            }
            done(self).map_or(Poll::Pending, Poll::Ready)
        });
        tokio::time::timeout(within, wait).await.ok()
    }

    fn note(&mut self, line: &str) {
        self.log.push(stamped(self.started, line));
    }

    // ---- clients

    async fn open(&mut self, name: &str, spec: &crate::scenario::model::Client) -> Outcome {
        let endpoint = &self.stage.endpoint;
        if spec.raw {
            let raw = RawConnection::open(endpoint).await;
            let raw = raw.map_err(|error| Stop::Error(format!("{name} could not connect: {error}")))?;
            self.clients.push(Client::new(name, Wire::Raw(raw)));
            return Ok(());
        }
        let transport = self.transport(spec.transport.as_ref())?;
        let opened = Connection::open(endpoint, &self.stage.http, transport).await;
        let connection = opened.map_err(|error| Stop::Error(format!("{name} could not connect: {error}")))?;
        self.clients.push(Client::new(name, Wire::Packets(connection)));
        let index = self.clients.len() - 1;
        if let Some(nsp) = &spec.namespace {
            let nsp = self.text(nsp)?;
            let begun = self.begin_connect(index, &nsp, spec.auth.as_ref())?;
            self.finish(begun, ANSWER, None).await?;
        }
        if transport == Transport::Upgrade {
            let upgraded = self.wait(ANSWER, |player| player.clients[index].upgraded.then_some(Ok(()))).await;
            upgraded.unwrap_or_else(|| Err(Stop::Fail(format!("{name} was not upgraded within {ANSWER:?}"))))?;
        }
        Ok(())
    }

    fn transport(&mut self, template: Option<&Template>) -> Outcome<Transport> {
        let Some(template) = template else { return Ok(Transport::WebSocket) };
        let name = self.text(template)?;
        Transport::from_name(&name).ok_or_else(|| Stop::Error(format!("`{name}` is no transport")))
    }

    fn text(&mut self, template: &Template) -> Outcome<String> {
        match self.scope.render(template).map_err(Stop::Error)? {
            Value::String(text) => Ok(text),
            other => Err(Stop::Error(format!("expected a text, found {other}"))),
        }
    }

    fn index(&self, name: &str) -> Outcome<usize> {
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
            self.end(step, name, one).await.map_err(|stop| (stop, step.span.clone()))?;
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Outcome {
        if let Verb::Wait(time) = step.verb {
            self.wait::<()>(time, |_| None).await;
            return Ok(());
        }
        for name in &step.at {
            if let Verb::Connect { .. } = step.verb {
                self.reopen(name).await?;
            }
            let begun = self.begin(step, name)?;
            self.end(step, name, begun).await?;
        }
        Ok(())
    }

    /// A client that has left its last namespace has closed its connection, as the official client does; it
    /// comes back on a new one.
    async fn reopen(&mut self, name: &str) -> Outcome {
        let client = self.index(name)?;
        if !self.clients[client].left {
            return Ok(());
        }
        let transport = self.transport(self.case.clients[name].transport.as_ref())?;
        let opened = Connection::open(&self.stage.endpoint, &self.stage.http, transport).await;
        let connection = opened.map_err(|error| Stop::Error(format!("{name} could not connect again: {error}")))?;
        let this = &mut self.clients[client];
        (this.wire, this.left) = (Wire::Packets(connection), false);
        Ok(())
    }

    /// Queues what a step sends.
    fn begin(&mut self, step: &Step, name: &str) -> Outcome<Begun> {
        let client = self.index(name)?;
        let nsp = step.nsp.as_deref().unwrap_or("/");
        match &step.verb {
            Verb::Connect { nsp, auth, .. } => {
                let nsp = self.text(nsp)?;
                self.begin_connect(client, &nsp, auth.as_ref())
            }
            Verb::Emit { args, ack } => self.begin_emit(client, nsp, args, ack.as_ref()),
            Verb::Do { action, args } => {
                let action = &self.actions[action];
                let outer = self.scope.vars.clone();
                for (param, arg) in action.params.iter().zip(args) {
                    let value = self.scope.render(arg).map_err(Stop::Error)?;
                    self.scope.vars.insert(param.clone(), value);
                }
                let begun = self.begin_emit(client, nsp, &action.emit, action.ack.as_ref());
                self.scope.vars = outer;
                begun
            }
            _ => Ok(Begun::Done),
        }
    }

    /// Does the rest of a step.
    async fn end(&mut self, step: &Step, name: &str, begun: Begun) -> Outcome {
        let client = self.index(name)?;
        let nsp = step.nsp.as_deref().unwrap_or("/");
        match &step.verb {
            Verb::Connect { refused, .. } => self.finish(begun, step.within.unwrap_or(ANSWER), refused.as_ref()).await,
            Verb::Emit { .. } | Verb::Do { .. } => self.finish(begun, step.within.unwrap_or(ANSWER), None).await,
            Verb::Expect { events, times, per_sender, reply } => {
                let expected =
                    Expected { nsp, events, times: *times, per_sender: *per_sender, reply: reply.as_deref() };
                self.expect(client, &expected, step.within.unwrap_or(EVENT)).await
            }
            Verb::Silent { quiet } => self.silent(client, *quiet).await,
            Verb::Disconnect => self.disconnect(client, nsp).await,
            Verb::Drop(how) => self.drop_client(client, *how),
            Verb::Send(pieces) => self.send_raw(client, pieces),
            Verb::Receive(pieces) => self.receive_raw(client, pieces, step.within.unwrap_or(EVENT)).await,
            Verb::Wait(_) | Verb::Repeat { .. } | Verb::Together(_) => Ok(()),
        }
    }

    fn begin_connect(&mut self, client: usize, nsp: &str, auth: Option<&Template>) -> Outcome<Begun> {
        let auth = match auth {
            Some(auth) => self.scope.render(auth).map_err(Stop::Error)?.to_string(),
            None => String::new(),
        };
        let name = self.clients[client].name.clone();
        self.note(&format!("{name} ▶ CONNECT {nsp} {auth}"));
        self.clients[client].connection().map_err(Stop::Fail)?.connect(nsp, &auth);
        Ok(Begun::Connecting { client, nsp: nsp.to_owned() })
    }

    fn begin_emit(&mut self, client: usize, nsp: &str, args: &[Template], ack: Option<&Ack>) -> Outcome<Begun> {
        let values: Vec<Value> =
            args.iter().map(|arg| self.scope.render(arg)).collect::<Result<_, _>>().map_err(Stop::Error)?;
        self.scope.sent = values[1..].to_vec();
        let name = self.clients[client].name.clone();
        self.senders.note(&name, &values);
        let packet = Args::from_values(&values);
        self.note(&format!("{name} ▶ {nsp} {}", clip(packet.json())));
        let id = self.clients[client].connection().map_err(Stop::Fail)?.emit(nsp, packet, ack.is_some());
        Ok(match (id, ack) {
            (Some(id), Some(ack)) => Begun::Answers { client, nsp: nsp.to_owned(), id, ack: ack.clone() },
            _ => Begun::Done,
        })
    }

    /// Waits for the answer to what was begun and compares it.
    async fn finish(&mut self, begun: Begun, within: Duration, refused: Option<&Template>) -> Outcome {
        match begun {
            Begun::Done => Ok(()),
            Begun::Answers { client, nsp, id, ack } => {
                let answer = self.ack(client, &nsp, id, within).await?;
                self.compare_ack(&ack, &answer)
            }
            Begun::Connecting { client, nsp } => self.connected(client, &nsp, within, refused).await,
        }
    }

    async fn ack(&mut self, client: usize, nsp: &str, id: u64, within: Duration) -> Outcome<Args> {
        let answer = self
            .wait(within, |player| {
                let client = &mut player.clients[client];
                let index = client.acks.iter().position(|(ns, number, _)| ns == nsp && *number == id);
                if let Some(index) = index {
                    return Some(Ok(client.acks.swap_remove(index).2));
                }
                let closed = client.closed.as_ref();
                closed.map(|why| Err(Stop::Fail(format!("the connection of {} closed: {why}", client.name))))
            })
            .await;
        let name = &self.clients[client].name;
        answer.unwrap_or_else(|| Err(Stop::Fail(format!("{name} got no acknowledgement within {within:?}"))))
    }

    fn compare_ack(&mut self, ack: &Ack, answer: &Args) -> Outcome {
        let Ack::OneOf(lists) = ack else { return Ok(()) };
        let values = answer.to_values().map_err(|error| Stop::Fail(format!("the acknowledgement: {error}")))?;
        let mut problem = String::new();
        for list in lists {
            match self.scope.match_all(list, &values) {
                Ok(()) => return Ok(()),
                Err(why) => problem = why,
            }
        }
        Err(Stop::Fail(format!("the acknowledgement differs: {problem}")))
    }

    async fn connected(&mut self, client: usize, nsp: &str, within: Duration, refused: Option<&Template>) -> Outcome {
        let answer = self
            .wait(within, |player| {
                let client = &mut player.clients[client];
                if let Some(index) = client.answers.iter().position(|(name, _)| name == nsp) {
                    return Some(Ok(client.answers.swap_remove(index).1));
                }
                let closed = client.closed.as_ref();
                closed.map(|why| Err(Stop::Fail(format!("the connection of {} closed: {why}", client.name))))
            })
            .await;
        let answer =
            answer.unwrap_or_else(|| Err(Stop::Fail(format!("no answer to CONNECT {nsp} within {within:?}"))))?;
        match (answer, refused) {
            (Ok(_), None) => Ok(()),
            (Ok(_), Some(_)) => Err(Stop::Fail(format!("{nsp} let the client in; it had to refuse"))),
            (Err(body), None) => Err(Stop::Fail(format!("{nsp} refused: {body}"))),
            (Err(body), Some(pattern)) => {
                let body: Value = serde_json::from_str(&body)
                    .map_err(|error| Stop::Fail(format!("the refusal is not JSON ({error}): {body}")))?;
                self.scope.matches(pattern, &body).map_err(|why| Stop::Fail(format!("the refusal differs: {why}")))
            }
        }
    }

    // ---- receiving

    async fn expect(&mut self, client: usize, expected: &Expected<'_>, within: Duration) -> Outcome {
        let mut taken: Vec<Vec<Value>> = Vec::new();
        let outcome = self
            .wait(within, |player| {
                while let Some((values, id)) = player.take_matching(client, expected) {
                    taken.push(values);
                    if let (Some(id), Some(reply)) = (id, expected.reply)
                        && let Err(stop) = player.reply(client, expected.nsp, id, reply)
                    {
                        return Some(Err(stop));
                    }
                    if taken.len() as u64 == expected.times {
                        return Some(Ok(()));
                    }
                }
                None
            })
            .await;
        match outcome {
            None => {
                let client = &self.clients[client];
                let others: Vec<_> = client.arrivals.iter().map(|arrival| list(&arrival.values)).take(5).collect();
                let others = if others.is_empty() { "nothing else".to_owned() } else { others.join(" ") };
                return Err(Stop::Fail(format!(
                    "{} got this event {} of {} times within {within:?}; it has {others}",
                    client.name,
                    taken.len(),
                    expected.times
                )));
            }
            Some(outcome) => outcome?,
        }
        if expected.per_sender {
            self.senders.check(taken.iter().map(|values| &values[1..])).map_err(Stop::Fail)?;
        }
        Ok(())
    }

    fn take_matching(&mut self, client: usize, expected: &Expected<'_>) -> Option<(Vec<Value>, Option<u64>)> {
        let (clients, scope) = (&mut self.clients, &mut self.scope);
        let arrivals = &mut clients[client].arrivals;
        let index = arrivals.iter().position(|arrival| {
            arrival.nsp == expected.nsp
                && expected.events.iter().any(|event| scope.match_all(event, &arrival.values).is_ok())
        })?;
        let arrival = arrivals.remove(index);
        Some((arrival.values, arrival.id))
    }

    fn reply(&mut self, client: usize, nsp: &str, id: u64, reply: &[Template]) -> Outcome {
        let values: Vec<_> =
            reply.iter().map(|value| self.scope.render(value)).collect::<Result<_, _>>().map_err(Stop::Error)?;
        self.clients[client].connection().map_err(Stop::Fail)?.ack(nsp, id, Args::from_values(&values));
        Ok(())
    }

    async fn silent(&mut self, client: usize, quiet: Option<Duration>) -> Outcome {
        match quiet {
            Some(time) => {
                self.wait::<()>(time, |_| None).await;
            }
            None => self.fence(client).await?,
        }
        self.nothing_left(client)
    }

    /// An acknowledged round trip on the client's own connection: whatever was queued ahead of it is here.
    async fn fence(&mut self, client: usize) -> Outcome {
        let this = &self.clients[client];
        if matches!(this.wire, Wire::Raw(_)) {
            return self.raw_fence(client).await;
        }
        if matches!(this.wire, Wire::Gone(_)) || this.closed.is_some() {
            return Ok(());
        }
        let Some(nsp) = this.joined.first().cloned() else { return Ok(()) };
        if !self.stage.fence {
            self.wait::<()>(QUIET, |_| None).await;
            return Ok(());
        }
        let args = Args::from_values(&[Value::from(FENCE)]);
        let id = self.clients[client].connection().map_err(Stop::Fail)?.emit(&nsp, args, true);
        self.ack(client, &nsp, id.unwrap_or_default(), ANSWER).await.map(drop)
    }

    async fn raw_fence(&mut self, client: usize) -> Outcome {
        if self.clients[client].closed.is_some() {
            return Ok(());
        }
        if let Wire::Raw(raw) = &mut self.clients[client].wire {
            raw.send(Frame::text(format!("40{RAW_FENCE},")));
        }
        let answer = format!("44{RAW_FENCE},");
        let fenced = self
            .wait(ANSWER, |player| {
                let client = &mut player.clients[client];
                let is_answer = |frame: &Frame| matches!(frame, Frame::Text(text) if text.starts_with(&answer));
                if let Some(index) = client.frames.iter().position(is_answer) {
                    client.frames.remove(index);
                    return Some(Ok(()));
                }
                client.closed.is_some().then_some(Ok(()))
            })
            .await;
        fenced.unwrap_or_else(|| Err(Stop::Fail(format!("no answer to a fence within {ANSWER:?}"))))
    }

    /// Whether everything that arrived was asked for.
    fn nothing_left(&self, client: usize) -> Outcome {
        let client = &self.clients[client];
        let name = &client.name;
        if let Some(arrival) = client.arrivals.first() {
            let what = list(&arrival.values);
            return Err(Stop::Fail(format!("{name} got an event in {} that no step asked for: {what}", arrival.nsp)));
        }
        if let Some(frame) = client.frames.front() {
            return Err(Stop::Fail(format!("{name} got a packet that no step asked for: {}", show_frame(frame))));
        }
        if let Some(nsp) = client.put_out.first() {
            return Err(Stop::Fail(format!("the server put {name} out of {nsp}")));
        }
        match &client.closed {
            Some(why) => Err(Stop::Fail(format!("the connection of {name} closed: {why}"))),
            None => Ok(()),
        }
    }

    async fn settle(&mut self) -> Outcome {
        for client in 0..self.clients.len() {
            self.fence(client).await?;
        }
        (0..self.clients.len()).try_for_each(|client| self.nothing_left(client))
    }

    // ---- leaving

    async fn disconnect(&mut self, client: usize, nsp: &str) -> Outcome {
        let this = &mut self.clients[client];
        this.connection().map_err(Stop::Fail)?.disconnect(nsp);
        this.joined.retain(|joined| joined != nsp);
        let name = this.name.clone();
        let last = this.joined.is_empty();
        self.note(&format!("{name} ▶ DISCONNECT {nsp}{}", if last { ", and closes" } else { "" }));
        let this = &mut self.clients[client];
        if last && let Wire::Packets(connection) = std::mem::replace(&mut this.wire, Wire::Gone(None)) {
            this.left = true;
            connection.close().await;
        }
        Ok(())
    }

    fn drop_client(&mut self, client: usize, how: Drop) -> Outcome {
        let this = &mut self.clients[client];
        let Wire::Packets(connection) = std::mem::replace(&mut this.wire, Wire::Gone(None)) else {
            return Err(Stop::Error(format!("{} has no connection to drop", this.name)));
        };
        this.joined.clear();
        match how {
            Drop::Close => drop(connection),
            Drop::Reset => connection.reset(),
            Drop::Silence => this.wire = Wire::Gone(Some(connection)),
        }
        let line = format!("{} ▶ drop {how:?}", this.name);
        self.note(&line);
        Ok(())
    }

    // ---- raw packets

    fn send_raw(&mut self, client: usize, pieces: &[Piece]) -> Outcome {
        let text = self.scope.render_string(pieces).map_err(Stop::Error)?;
        let name = self.clients[client].name.clone();
        self.note(&format!("{name} ▶ {}", clip(&text)));
        match &mut self.clients[client].wire {
            Wire::Raw(raw) => {
                raw.send(Frame::text(text));
                Ok(())
            }
            _ => Err(Stop::Error(format!("{name} is not a raw client; give it `raw = \"websocket\"`"))),
        }
    }

    async fn receive_raw(&mut self, client: usize, pieces: &[Piece], within: Duration) -> Outcome {
        let frame = self
            .wait(within, |player| {
                let client = &mut player.clients[client];
                if let Some(frame) = client.frames.pop_front() {
                    return Some(Ok(frame));
                }
                let closed = client.closed.as_ref();
                closed.map(|why| Err(Stop::Fail(format!("the connection of {} closed: {why}", client.name))))
            })
            .await;
        let name = self.clients[client].name.clone();
        let frame = frame.unwrap_or_else(|| Err(Stop::Fail(format!("{name} got no packet within {within:?}"))))?;
        let Frame::Text(text) = &frame else {
            return Err(Stop::Fail(format!("expected a text packet, found {}", show_frame(&frame))));
        };
        self.scope.matches_raw(pieces, text).map_err(|why| Stop::Fail(format!("the packet differs: {why}")))
    }
}

/// What an `expect` step looks for.
struct Expected<'a> {
    nsp: &'a str,
    events: &'a [Vec<Template>],
    times: u64,
    per_sender: bool,
    reply: Option<&'a [Template]>,
}

fn list(values: &[Value]) -> String {
    clip(&Value::Array(values.to_vec()).to_string())
}

/// A transcript line with the milliseconds since the case began.
fn stamped(started: Instant, line: &str) -> String {
    format!("{:9.3} {line}", clock::now().duration_since(started).as_secs_f64() * 1e3)
}

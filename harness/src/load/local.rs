//! What the users of one worker share: where they are told what to do, and where what happens to them is counted.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use sio_oracle::board::{DeliveryOutcome, Nanos, Receiver};
use sio_protocol::ByteString;
use tokio::sync::Notify;

use super::admission::NotIn;
use super::chaos::FaultEvent;
use super::credentials::Credentials;
use super::emission_log::Window;
use super::executor::UserExecutor;
use super::flow::FlowConfig;
use super::goose;
use super::handle::UserHandle;
use super::join::{Join, Joining};
use super::journal::Notebook;
use super::message::Message;
use super::metrics::Measurements;
use super::plan::Plan;
use super::shared::{PopulationConfig, Shared};
use crate::client::{Carrier, Connection, Endpoint, Jars, WireBytes, http_client};
use crate::clock::RunClock;
use crate::play::Stage;
use crate::record::WorkerTime;
use crate::scenario::model::{Leaving, Reconnect, Transport};
use crate::vocab::stamp::Stamp;

/// Ahead of the run's clock there is a time for connecting, so long before zero that it never reaches it.
const BEFORE: Nanos = 1_000_000_000_000_000;

/// What the users of one worker share.
pub(super) struct Local {
    pub(super) shared: Arc<Shared>,
    pub(super) plan: Arc<Plan>,
    pub(super) stage: Stage,
    pub(super) messages: Vec<Message>,
    pub(super) reconnect: Option<Reconnect>,
    /// What servers want its users to show again.
    pub(super) jars: Jars,
    /// Requests that were sent again, since the server had closed a connection that was to be kept open.
    pub(super) resent: Arc<AtomicU64>,
    pub(super) measurements: RefCell<Measurements>,
    pub(super) window: RefCell<Window>,
    pub(super) connect_clock: RunClock,
    pub(super) clock: Cell<Option<RunClock>>,
    pub(super) mailboxes: HashMap<u32, Rc<UserHandle>>,
    pub(super) crew: UserExecutor,
    /// A user has opened, failed, been fenced or left.
    pub(super) ready: Notify,
    pub(super) gone: Cell<u64>,
    /// Iterations that have come and not gone.
    pub(super) iterating: Cell<u64>,
    /// The phases are over, for those who follow a flow.
    pub(super) over: Cell<bool>,
    pub(super) ends: Notify,
    /// Messages below this have been handed to their senders.
    pub(super) cursor: Cell<u32>,
    pub(super) time: Cell<Option<WorkerTime>>,
    /// What went over its connections during the phases.
    pub(super) wire: Cell<WireBytes>,
    /// The last messages have been sent, and what is left is settled as soon as it can be.
    pub(super) closing: Cell<bool>,
    /// How long a fence took lately, there and back or across.
    pub(super) took: Cell<Nanos>,
    /// What may come and need not is waited for no longer.
    pub(super) impatient: Cell<bool>,
    /// What is judged where the parts of a run are put together.
    pub(super) journal: Notebook,
    pub(super) number: usize,
}

impl Local {
    /// For worker `number`, whose users are `mine`.
    pub(super) fn new(shared: Arc<Shared>, number: usize, mine: &[u32]) -> Self {
        let mut measurements = Measurements::new(&shared.plan, shared.stage.fence);
        measurements.knows(shared.outages.clone());
        Self {
            plan: shared.plan.clone(),
            // Connections are pooled per worker: nothing of the load crosses threads.
            stage: Stage { http: http_client(&shared.stage.endpoint.manner), ..shared.stage.clone() },
            messages: shared.messages.clone(),
            reconnect: shared.reconnect,
            jars: Jars::default(),
            resent: Arc::default(),
            measurements: RefCell::new(measurements),
            window: RefCell::new(Window::new(shared.log.clone(), shared.plan.clone())),
            connect_clock: RunClock::starting_at(shared.connect_from),
            clock: Cell::new(None),
            mailboxes: mine.iter().map(|user| (*user, Rc::default())).collect(),
            crew: UserExecutor::default(),
            ready: Notify::new(),
            gone: Cell::new(0),
            iterating: Cell::new(0),
            over: Cell::new(false),
            ends: Notify::new(),
            cursor: Cell::new(0),
            time: Cell::new(None),
            wire: Cell::default(),
            closing: Cell::new(false),
            impatient: Cell::new(false),
            took: Cell::new(0),
            journal: shared.part.notebook(),
            number,
            shared,
        }
    }

    pub(super) fn mailbox(&self, user: u32) -> Rc<UserHandle> {
        self.mailboxes[&user].clone()
    }

    /// Nanoseconds on the run's clock; far below zero ahead of its start.
    pub(super) fn now(&self) -> Nanos {
        self.clock.get().map_or_else(|| self.connect_clock.now() - BEFORE, |clock| clock.now())
    }

    /// An instant on the clock of [`now`](Self::now).
    pub(super) fn time_of(&self, instant: Instant) -> Nanos {
        match self.clock.get() {
            Some(clock) => clock.time_of(instant),
            None => self.connect_clock.time_of(instant) - BEFORE,
        }
    }

    /// As [`time_of`](Self::time_of), for what is still to come when the run may just have begun.
    pub(super) fn time_to_come(&self, instant: Instant) -> Nanos {
        let begun = self.shared.control.origin().map(RunClock::starting_at);
        begun.map_or_else(|| self.time_of(instant), |clock| clock.time_of(instant))
    }

    pub(super) fn stamp(&self, emission: u32) -> Stamp {
        Stamp { run: self.shared.run, emission }
    }

    /// The call by which a user joins a room, if it has to.
    pub(super) fn join(
        &self,
        user: u32,
        room: u32,
        credentials: &Credentials,
    ) -> Result<Option<Cow<'_, Join>>, String> {
        match &self.shared.joins[room as usize] {
            Joining::Unasked => Ok(None),
            Joining::Same(join) => Ok(Some(Cow::Borrowed(join))),
            Joining::Own(call) => {
                let scope = self.crowd(user).issuer.scope_in(self.number_of(user), room, credentials);
                call.render(scope, &self.plan.rooms[room as usize].name).map(|join| Some(Cow::Owned(join)))
            }
        }
    }

    /// The number of a user in its population.
    pub(super) fn number_of(&self, user: u32) -> u32 {
        user - self.plan.populations[self.plan.users[user as usize].population].first
    }

    /// Who sends a user's HTTP requests.
    pub(super) fn carrier(&self, user: u32) -> Carrier {
        let crowd = &self.plan.populations[self.plan.users[user as usize].population];
        let goose =
            self.crowd(user).goose.and_then(|first| goose::carrier(&self.shared.flock, first + user - crowd.first));
        goose.unwrap_or_else(|| self.own_carrier())
    }

    /// sio-bench's own HTTP client, as people have it.
    pub(super) fn own_carrier(&self) -> Carrier {
        Carrier::Resending(self.stage.http.clone(), self.resent.clone())
    }

    pub(super) fn crowd(&self, user: u32) -> &PopulationConfig {
        &self.shared.crowds[self.plan.users[user as usize].population]
    }

    /// How a user leaves that has stayed long enough.
    pub(super) fn leaving(&self, user: u32) -> Leaving {
        self.crowd(user).churn.map_or(Leaving::Politely, |churn| churn.leave)
    }

    pub(super) fn sends_plain(&self, population: usize) -> bool {
        self.shared.crowds[population].sends_plain
    }

    pub(super) fn endpoint(&self, node: u32) -> Endpoint {
        self.shared.endpoint(node)
    }

    /// The id by which a session can be asked back, if the user wants to do that.
    pub(super) fn pid_of(&self, user: u32, body: &ByteString) -> Option<String> {
        if !self.crowd(user).recovery {
            return None;
        }
        let body: serde_json::Value = serde_json::from_str(body).ok()?;
        body["pid"].as_str().map(ToOwned::to_owned)
    }

    // ---- what happens to users

    /// A user asks to be let in for the first time.
    pub(super) fn asks(&self, user: u32) {
        let population = self.plan.users[user as usize].population;
        self.measurements.borrow_mut().tally.entering[population].begun += 1;
    }

    /// A user is in its rooms for the first time; `entered` is when it had done what comes ahead of its connection, if
    /// there is something.
    pub(super) fn opened(&self, user: u32, entered: Option<Nanos>, connected: Nanos) {
        self.shared.answers.somebody_is_in();
        let due = entered.unwrap_or_else(|| self.plan.users[user as usize].connect_at as Nanos - BEFORE);
        let mut measurements = self.measurements.borrow_mut();
        measurements.opened((connected - due).max(0) as u64);
        measurements.tally.entering[self.plan.users[user as usize].population].inside += 1;
        measurements.tally.present += 1;
        measurements.tally.sessions += 1;
        self.ready.notify_one();
    }

    /// A user that was away since `lost_at` is in its rooms again.
    pub(super) fn back(&self, lost_at: Option<Nanos>) {
        let now = self.now();
        let mut measurements = self.measurements.borrow_mut();
        if let Some(lost_at) = lost_at {
            measurements.reconnected(self.plan.phase_at(lost_at), (now - lost_at).max(0) as u64);
        }
        measurements.tally.present += 1;
        measurements.tally.sessions += 1;
    }

    /// A user is not in its rooms any more.
    pub(super) fn left(&self) {
        self.measurements.borrow_mut().tally.present -= 1;
    }

    /// A user could not be opened.
    pub(super) fn failed(&self, user: u32, refusal: &NotIn) {
        let tally = &mut self.measurements.borrow_mut().tally;
        tally.failed += 1;
        tally.turned_away(self.plan.users[user as usize].population, refusal.unreachable);
        tally.problem(format!("a user failed to open: {}", refusal.why));
        self.ready.notify_one();
    }

    /// Whether something was made to happen that may break a user's connections now.
    pub(super) fn is_upset(&self, user: u32) -> bool {
        let now = self.now();
        let explains =
            |event: &FaultEvent| event.explains(&self.plan, user, now, self.shared.happened.span(event.number));
        self.shared.chaos.iter().any(explains)
    }

    /// A connection broke, or an attempt to come back failed; `interrupted` if it is the first of a user that comes back,
    /// and nothing was made to happen to it.
    pub(super) fn broken(&self, why: &str, comes_back: bool, interrupted: bool) {
        let tally = &mut self.measurements.borrow_mut().tally;
        tally.broken += 1;
        tally.interrupted += u64::from(interrupted);
        tally.lost += u64::from(!comes_back);
        let what = if comes_back { "a connection broke" } else { "a user was lost" };
        tally.problem(format!("{what}: {why}"));
        self.ready.notify_one();
    }

    pub(super) fn dropped(&self) {
        self.measurements.borrow_mut().tally.dropped += 1;
    }

    pub(super) fn churned(&self) {
        self.measurements.borrow_mut().tally.churned += 1;
    }

    pub(super) fn stalled(&self) {
        self.measurements.borrow_mut().tally.stalls += 1;
    }

    /// A session that broke at `lost_at` was asked for.
    pub(super) fn asked_back(&self, lost_at: Nanos, recovered: bool) {
        let phase = self.plan.phase_at(lost_at);
        let asked = &mut self.measurements.borrow_mut().tally.asked_back[phase];
        asked.0 += 1;
        asked.1 += u64::from(recovered);
    }

    /// A fence that was sent at `sent` has been answered.
    pub(super) fn round_trip(&self, sent: Nanos, now: Nanos) {
        self.note_way(sent, now);
        if self.clock.get().is_some() {
            let phase = self.plan.phase_at(sent);
            self.measurements.borrow_mut().fenced(phase, (now - sent).max(0) as u64);
        }
    }

    /// A fence was under way for so long. The longest of late counts, and is forgotten bit by bit.
    pub(super) fn note_way(&self, sent: Nanos, now: Nanos) {
        // The clock of what was sent ahead of the phases is another one.
        let took = if sent >= 0 { now - sent } else { 0 };
        self.took.set(took.max(self.took.get() - self.took.get() / 16));
    }

    /// So many bytes, the last of which arrived at `at`, were read so much later.
    pub(super) fn read(&self, at: Nanos, lag: Duration, bytes: usize) {
        if self.clock.get().is_some() {
            let phase = self.plan.phase_at(at);
            self.measurements.borrow_mut().read(phase, lag.as_nanos() as u64, bytes as u64);
        }
    }

    /// The account of a user that asks for a connection.
    pub(super) fn account(&self, account: Receiver, user: u32) -> Receiver {
        if !self.plan.is_cluster() {
            return account;
        }
        self.shared.cluster.account(account, self.mailboxes[&user].node.get(), self.stage.fence)
    }

    // ---- what happens to those who follow a flow

    pub(super) fn guide(&self) -> &FlowConfig {
        &self.shared.guide
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Returns when the phases are over.
    pub(super) async fn over(&self) {
        while !self.over.get() {
            self.ends.notified().await;
        }
    }

    /// A visitor is through.
    pub(super) fn visitor_gone(&self) {
        self.iterating.set(self.iterating.get() - 1);
        self.ready.notify_one();
    }

    /// A visitor was let in so long after it asked.
    pub(super) fn visitor_connected(&self, journey: usize, number: u64, took: Nanos) {
        self.shared.answers.somebody_is_in();
        self.arrived(journey, number);
        self.measurements.borrow_mut().visitor_connected(self.plan.populations.len() + journey, took.max(0) as u64);
    }

    /// A visitor is where it wanted to be. Of those that are always so many, each counts once.
    pub(super) fn arrived(&self, journey: usize, number: u64) {
        let in_time = self.now() < self.plan.judged_from().min(i64::MAX as u64) as Nanos;
        if let Some(users) = self.guide().sizes().nth(journey).flatten().filter(|_| in_time) {
            self.measurements.borrow_mut().tally.flows[journey].arrived.insert(number % users.max(1));
        }
    }

    /// A step that was begun at `began` was done.
    pub(super) fn stepped(&self, step: &str, began: Nanos, took: Nanos) {
        let Some(step) = self.plan.steps.get_index_of(step) else { return };
        self.measurements.borrow_mut().stepped(step, self.plan.phase_at(began), took.max(0) as u64);
    }

    /// A step that was begun at `began` failed.
    pub(super) fn stumbled(&self, step: &str, began: Nanos) {
        let Some(step) = self.plan.steps.get_index_of(step) else { return };
        self.measurements.borrow_mut().stumbled(step, self.plan.phase_at(began));
    }

    /// A session has been opened over its first transport.
    pub(super) fn session_opened(&self, transport: Transport) {
        let asked = &mut self.measurements.borrow_mut().tally.transports;
        match transport {
            Transport::WebSocket => asked.websocket += 1,
            Transport::Polling => asked.polling += 1,
            Transport::Upgrade => asked.upgrade += 1,
        }
    }

    /// A connection is given up on this side.
    pub(super) fn gives_up(&self, connection: &Connection) {
        self.measurements.borrow_mut().tally.transports.under_way += u64::from(connection.is_upgrading());
    }

    /// A session that was opened at `since` has moved to a WebSocket.
    pub(super) fn upgraded(&self, since: Nanos, now: Nanos) {
        self.measurements.borrow_mut().upgraded(self.plan.phase_at(since), (now - since).max(0) as u64);
    }

    /// The message that is due now.
    pub(super) fn due_now(&self) -> u32 {
        self.cursor.get()
    }

    /// A message is not sent: its sender is not there.
    pub(super) fn skip(&self, index: u32) {
        self.window.borrow().entry(index).inspect(|entry| entry.skip());
    }

    /// A message cannot be made, so it is not sent.
    pub(super) fn unsendable(&self, index: u32, traffic: &str, why: &str) {
        self.skip(index);
        self.measurements
            .borrow_mut()
            .tally
            .problem(format!("a message of {traffic} could not be made, and was not sent: {why}"));
    }

    /// Returns when something has become so, by what happens to users.
    pub(super) async fn wait_until(&self, mut done: impl FnMut(&Self) -> bool) {
        while !done(self) {
            self.ready.notified().await;
        }
    }

    /// Where fates of a user's messages are counted.
    pub(super) fn fates(&self, user: u32) -> impl FnMut(u32, u32, DeliveryOutcome) + '_ {
        let node = self.mailboxes[&user].node.get();
        move |stream, seq, fate| {
            let window = self.window.borrow();
            let Some(index) = window.index(stream, seq) else { return };
            let Some(entry) = window.entry(index) else { return };
            self.measurements.borrow_mut().settled(&self.plan, &window, (user, node), entry, fate);
            window.saw(index, |seen| {
                seen.owed += u32::from(matches!(fate, DeliveryOutcome::Delivered | DeliveryOutcome::Missing(_)));
                seen.missing += u32::from(matches!(fate, DeliveryOutcome::Missing(_)));
            });
        }
    }
}

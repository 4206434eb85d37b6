//! One worker: a thread with a runtime of its own, and its share of the users.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sio_oracle::board::Nanos;
use sio_protocol::{Args, ByteString};
use tokio::sync::Notify;
use tokio::task::LocalSet;

use super::chaos::Happening;
use super::control::{Aborted, Control};
use super::crew::Crew;
use super::goose;
use super::journey::{self, Guide, Visitor, Visitors};
use super::log::{Log, Window};
use super::mailbox::{Mailbox, Order};
use super::measure::{Findings, Measurements, Snapshot};
use super::message::Message;
use super::plan::Plan;
use super::ruler::ThreadTimes;
use super::stamp::Stamp;
use super::user;
use crate::client::{Carrier, Endpoint, WireBytes, http_client};
use crate::clock::{PreciseSleep, RunClock};
use crate::play::Stage;
use crate::record::WorkerTime;
use crate::scenario::model::{Churn, Leaving, Reconnect, Upset};
use crate::wire::Path;

/// Time between two snapshots.
const TICK: Duration = Duration::from_secs(1);
/// Time for the answer to a fence.
const FENCE_LIMIT: Duration = Duration::from_secs(10);
/// How long losses are waited for where there is no fence.
const QUIET: Duration = Duration::from_secs(2);
/// Time for all goodbyes together.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);
/// Each user makes a fence this often, unless that would be too many.
const FENCE_EVERY: Duration = Duration::from_secs(5);
/// Fences in a second, of all users together: they are a load of their own.
const MOST_FENCES: f64 = 200.0;
/// How often users are picked for their fences.
const FENCE_TICK: Duration = Duration::from_millis(50);
/// Messages are kept for so long after they were due: a copy that comes later can still be told from a foreign one.
const KEPT: Nanos = 5_000_000_000;
/// Ahead of the run's clock there is a time for connecting, so long before zero that it never reaches it.
const BEFORE: Nanos = 1_000_000_000_000_000;

/// What all workers share; what is locked is locked once per session or rarer.
pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    pub(super) log: Arc<Log>,
    pub(super) chaos: Vec<Happening>,
    /// Tells this run's messages from those of others.
    pub(super) run: u32,
    pub(super) messages: Vec<Message>,
    /// For each room, the arguments of the join and whether it is acknowledged.
    pub(super) joins: Vec<(Args, bool)>,
    pub(super) crowds: Vec<Behaviour>,
    pub(super) reconnect: Option<Reconnect>,
    /// Time for a connection, its CONNECTs and all its joins.
    pub(super) connect_timeout: Duration,
    /// What those who follow a flow share.
    pub(super) guide: Guide,
    /// When they come.
    pub(super) visitors: Visitors,
    pub(super) stage: Stage,
    /// Where each node listens; one that is started again may listen elsewhere.
    pub(super) nodes: Vec<RwLock<Endpoint>>,
    pub(super) control: Control,
    /// The users that are goose's.
    pub(super) flock: goose::Started,
    /// When the first user is meant to connect.
    pub(super) connect_from: Instant,
    pub(super) workers: usize,
}

impl Shared {
    /// Where a node listens now.
    pub(super) fn endpoint(&self, node: u32) -> Endpoint {
        self.nodes[node as usize].read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the users of a population do besides sending.
#[derive(Clone, Debug)]
pub(super) struct Behaviour {
    pub(super) churn: Option<Churn>,
    pub(super) recovery: bool,
    pub(super) reads: Option<usize>,
    pub(super) link: Option<Path>,
    /// The first of its users among those of goose, if they are.
    pub(super) goose: Option<u32>,
    /// JSON text; empty if there is none.
    pub(super) auth: String,
    /// It sends messages that are not acknowledged.
    pub(super) sends_plain: bool,
}

/// What a worker found.
pub(super) struct WorkerResult {
    pub(super) found: Findings,
    /// What the thread did with its time during the phases.
    pub(super) time: Option<WorkerTime>,
    /// What went over its connections during the phases.
    pub(super) wire: WireBytes,
    /// The last one.
    pub(super) snapshot: Snapshot,
}

/// What the users of one worker share.
pub(super) struct Local {
    pub(super) shared: Arc<Shared>,
    pub(super) plan: Arc<Plan>,
    pub(super) stage: Stage,
    pub(super) messages: Vec<Message>,
    pub(super) reconnect: Option<Reconnect>,
    /// Requests that were sent again, since the server had closed a connection that was to be kept open.
    resent: Arc<AtomicU64>,
    pub(super) measurements: RefCell<Measurements>,
    pub(super) window: RefCell<Window>,
    connect_clock: RunClock,
    clock: Cell<Option<RunClock>>,
    mailboxes: HashMap<u32, Rc<Mailbox>>,
    crew: Crew,
    /// A user has opened, failed, been fenced or left.
    pub(super) ready: Notify,
    gone: Cell<u64>,
    /// Visitors that have come and not gone.
    visiting: Cell<u64>,
    /// The phases are over, for those who follow a flow.
    over: Cell<bool>,
    ends: Notify,
    /// Messages below this have been handed to their senders.
    cursor: Cell<u32>,
    time: Cell<Option<WorkerTime>>,
    /// What went over its connections during the phases.
    wire: Cell<WireBytes>,
    number: usize,
}

impl Local {
    pub(super) fn mailbox(&self, user: u32) -> Rc<Mailbox> {
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

    pub(super) fn stamp(&self, emission: u32) -> Stamp {
        Stamp { run: self.shared.run, emission }
    }

    pub(super) fn join(&self, room: u32) -> (Args, bool) {
        self.shared.joins[room as usize].clone()
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

    pub(super) fn crowd(&self, user: u32) -> &Behaviour {
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

    /// What a user shows at a namespace: what the scenario says, and the session it had.
    pub(super) fn auth(&self, population: usize, session: Option<(&str, &str)>) -> String {
        let auth = &self.shared.crowds[population].auth;
        let Some((pid, offset)) = session else { return auth.clone() };
        let mut auth: serde_json::Map<String, serde_json::Value> = serde_json::from_str(auth).unwrap_or_default();
        auth.insert("pid".to_owned(), pid.into());
        auth.insert("offset".to_owned(), offset.into());
        serde_json::Value::Object(auth).to_string()
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

    /// A user is in its rooms for the first time.
    pub(super) fn opened(&self, user: u32, connected: Nanos) {
        let due = self.plan.users[user as usize].connect_at as Nanos - BEFORE;
        let mut measurements = self.measurements.borrow_mut();
        measurements.opened((connected - due).max(0) as u64);
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
    pub(super) fn failed(&self, why: &str) {
        let tally = &mut self.measurements.borrow_mut().tally;
        tally.failed += 1;
        tally.problem(format!("a user failed to open: {why}"));
        self.ready.notify_one();
    }

    /// A connection broke, or an attempt to come back failed.
    pub(super) fn broken(&self, why: &str, comes_back: bool) {
        let tally = &mut self.measurements.borrow_mut().tally;
        tally.broken += 1;
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
        if self.clock.get().is_some() {
            let phase = self.plan.phase_at(sent);
            self.measurements.borrow_mut().fenced(phase, (now - sent).max(0) as u64);
        }
    }

    /// So many bytes, the last of which arrived at `at`, were read so much later.
    pub(super) fn read(&self, at: Nanos, lag: Duration, bytes: usize) {
        if self.clock.get().is_some() {
            let phase = self.plan.phase_at(at);
            self.measurements.borrow_mut().read(phase, lag.as_nanos() as u64, bytes as u64);
        }
    }

    // ---- what happens to those who follow a flow

    pub(super) fn guide(&self) -> &Guide {
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
        self.visiting.set(self.visiting.get() - 1);
        self.ready.notify_one();
    }

    /// A visitor was let in so long after it asked.
    pub(super) fn visitor_connected(&self, took: Nanos) {
        self.measurements.borrow_mut().visitor_connected(took.max(0) as u64);
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

    async fn wait_until(&self, mut done: impl FnMut(&Self) -> bool) {
        while !done(self) {
            self.ready.notified().await;
        }
    }
}

/// Runs worker `number` to its end, on this thread.
pub(super) fn run(shared: &Arc<Shared>, number: usize) -> std::io::Result<WorkerResult> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(work(shared.clone(), number)))
}

async fn work(shared: Arc<Shared>, number: usize) -> std::io::Result<WorkerResult> {
    let mine: Vec<u32> =
        (0..shared.plan.users.len() as u32).filter(|user| *user as usize % shared.workers == number).collect();
    let local = Rc::new(Local {
        plan: shared.plan.clone(),
        // Connections are pooled per worker: nothing of the load crosses threads.
        stage: Stage { http: http_client(&shared.stage.endpoint.manner), ..shared.stage.clone() },
        messages: shared.messages.clone(),
        reconnect: shared.reconnect,
        resent: Arc::default(),
        measurements: RefCell::new(Measurements::new(&shared.plan)),
        window: RefCell::new(Window::new(shared.log.clone(), shared.plan.clone())),
        connect_clock: RunClock::starting_at(shared.connect_from),
        clock: Cell::new(None),
        mailboxes: mine.iter().map(|user| (*user, Rc::default())).collect(),
        crew: Crew::default(),
        ready: Notify::new(),
        gone: Cell::new(0),
        visiting: Cell::new(0),
        over: Cell::new(false),
        ends: Notify::new(),
        cursor: Cell::new(0),
        time: Cell::new(None),
        wire: Cell::default(),
        number,
        shared,
    });
    let mut sleep = PreciseSleep::new()?;
    let ticker = tokio::task::spawn_local(tick(local.clone()));
    let outcome = local.crew.run(conduct(&local, &mine, &mut sleep)).await;
    ticker.abort();
    // They hold what they share with the crew.
    local.crew.disband();
    outcome
}

/// Tells the users what to do, from the first connection to the last goodbye.
async fn conduct(local: &Rc<Local>, mine: &[u32], sleep: &mut PreciseSleep) -> std::io::Result<WorkerResult> {
    let outcome = phases(local, mine, sleep).await;
    if outcome.is_ok() && local.stage.fence {
        count_unsettled(local, mine);
    }
    leave(local, mine).await;
    Ok(collect(local))
}

/// Connect, run the schedule, settle. Ends early when the run is aborted.
async fn phases(local: &Rc<Local>, mine: &[u32], sleep: &mut PreciseSleep) -> Result<(), Aborted> {
    let control = &local.shared.control;
    tokio::select! {
        () = connect(local, mine, sleep) => {}
        () = control.aborted() => return Err(Aborted),
    }
    control.barrier().await?;
    let origin = control.started().await?;
    local.clock.set(Some(RunClock::starting_at(origin)));
    let (before, bytes_before) = (ThreadTimes::now(), WireBytes::now());
    tokio::select! {
        () = emit(local, mine, RunClock::starting_at(origin), sleep) => {}
        () = roll(local, mine) => {}
        () = control.aborted() => return Err(Aborted),
    }
    send_visitors_away(local);
    local.wire.set(WireBytes::now().since(bytes_before));
    let seconds = local.now() as f64 / 1e9;
    local.time.set(before.zip(ThreadTimes::now()).map(|(before, now)| now.since(before, seconds)));
    // First the senders: when their fences are answered, the target has handled all they sent. Then the
    // receivers: what is queued on their connections has arrived when theirs are.
    for _ in 0..2 {
        control.barrier().await?;
        tokio::select! {
            () = fence(local, mine) => {}
            () = control.aborted() => return Err(Aborted),
        }
    }
    control.barrier().await
}

/// Opens each user at its time; returns when every one of them is open or has failed.
async fn connect(local: &Rc<Local>, mine: &[u32], sleep: &mut PreciseSleep) {
    let mut order = mine.to_vec();
    order.sort_by_key(|user| local.plan.users[*user as usize].connect_at);
    for user in order {
        let at = local.connect_clock.at(local.plan.users[user as usize].connect_at);
        // A timer that fails would make the user early, not wrong.
        let _ = sleep.until(at).await;
        let local = local.clone();
        let mailbox = local.mailbox(user);
        let crew = local.clone();
        mailbox.member.set(crew.crew.spawn(async move {
            user::live(local.clone(), user).await;
            local.gone.set(local.gone.get() + 1);
            local.ready.notify_one();
        }));
    }
    let all = mine.len() as u64;
    local
        .wait_until(|local| {
            let tally = &local.measurements.borrow().tally;
            tally.open + tally.failed >= all
        })
        .await;
}

/// Senders of messages that are given out at once when the schedule lags behind, and such messages: however few send them,
/// those who read get their turn.
const BATCH: usize = 256;
const MOST_AT_ONCE: u32 = 4_096;

/// What the schedule has next.
enum Due {
    /// Message and sender.
    Message(u32, u32),
    Visitor(Visitor),
    Happening(Happening),
}

/// Does what the schedule says at its intended times: hands messages to their senders, lets visitors in, lets happen
/// what happens; then waits for the end of the last phase.
async fn emit(local: &Rc<Local>, mine: &[u32], clock: RunClock, sleep: &mut PreciseSleep) {
    let workers = local.shared.workers;
    let own = |visitor: &Visitor| visitor.number as usize % workers == local.number;
    let mut visitors = local.shared.visitors.clone().filter(own).peekable();
    let mut happenings = local.shared.chaos.iter().filter(|happening| happening.is_about_users()).peekable();
    let mut index = 0;
    let mut called = Vec::with_capacity(BATCH);
    loop {
        let message = message_at(local, index);
        let visitor = visitors.peek().map(|visitor| visitor.at);
        let happening = happenings.peek().map(|happening| happening.at);
        let next = [happening, visitor, message.map(|(at, _)| at)].into_iter().flatten().min();
        let Some(at) = next else { break };
        let due = match message {
            _ if happening == next => happenings.next().cloned().map(Due::Happening),
            _ if visitor == next => visitors.next().map(Due::Visitor),
            message => message.map(|(_, sender)| Due::Message(index, sender)),
        };
        match due {
            None => break,
            Some(Due::Message(message, sender)) => {
                local.cursor.set(message);
                index += 1;
                if sender as usize % workers != local.number {
                    continue;
                }
                // A timer that fails would make the message early, and the run would say so.
                local.crew.until(clock.at(at), async { _ = sleep.until(clock.at(at)).await }).await;
                called.clear();
                hand(local, message, sender, &mut called);
                // What is due by now as well goes along: whoever sends several writes them at once.
                let now = local.now();
                let others = [happening, visitors.peek().map(|visitor| visitor.at)].into_iter().flatten().min();
                let end = index.saturating_add(MOST_AT_ONCE);
                while called.len() < BATCH
                    && index < end
                    && let Some((at, sender)) = message_at(local, index)
                    && at as Nanos <= now
                    && others.is_none_or(|other| at < other)
                {
                    local.cursor.set(index);
                    if sender as usize % workers == local.number {
                        hand(local, index, sender, &mut called);
                    }
                    index += 1;
                }
                // Let them write before looking at the clock again: a burst must not pile up.
                local.crew.give_way().await;
            }
            Some(Due::Visitor(visitor)) => {
                local.crew.until(clock.at(at), async { _ = sleep.until(clock.at(at)).await }).await;
                welcome(local, visitor).await;
            }
            Some(Due::Happening(happening)) => {
                let _ = sleep.until(clock.at(at)).await;
                upset(local, mine, &happening);
            }
        }
    }
    local.cursor.set(u32::MAX);
    let _ = sleep.until(clock.at(local.plan.length())).await;
}

/// When message `index` is due, and who sends it.
fn message_at(local: &Local, index: u32) -> Option<(u64, u32)> {
    local.window.borrow_mut().reach(index).map(|entry| (entry.emission.at, entry.emission.sender))
}

/// Gives a message to its sender, who goes first; `called` are those who do already.
fn hand(local: &Local, message: u32, sender: u32, called: &mut Vec<u32>) {
    let mailbox = &local.mailboxes[&sender];
    if !mailbox.alive.get() {
        return local.skip(message);
    }
    if !called.contains(&sender) {
        called.push(sender);
        local.crew.first(mailbox.member.get());
    }
    mailbox.post(Order::Send(message));
}

/// Lets somebody in who follows a flow.
async fn welcome(local: &Rc<Local>, visitor: Visitor) {
    let late = (local.now() - visitor.at as Nanos).max(0) as u64;
    local.measurements.borrow_mut().came(local.plan.phase_at(visitor.at as Nanos), late);
    local.visiting.set(local.visiting.get() + 1);
    let member = local.crew.spawn(journey::follow(local.clone(), visitor));
    local.crew.first(member);
    local.crew.give_way().await;
}

fn upset(local: &Local, mine: &[u32], happening: &Happening) {
    for user in mine {
        let mailbox = &local.mailboxes[user];
        if mailbox.alive.get() && happening.meets(&local.plan, *user) {
            match happening.upset {
                Upset::Drop { how, .. } => mailbox.post(Order::Drop(how)),
                Upset::Stall { length, .. } => mailbox.post(Order::Stall(length)),
                Upset::Freeze { .. } | Upset::Restart { .. } => {}
            }
        }
    }
}

/// Rolling fences: one user after the other makes one, so that a loss is seen while the run goes on. Never returns.
async fn roll(local: &Local, mine: &[u32]) {
    let users = local.plan.users.len() as f64;
    let every = FENCE_EVERY.as_secs_f64().max(users / MOST_FENCES);
    let each_tick = mine.len() as f64 * FENCE_TICK.as_secs_f64() / every;
    let mut interval = tokio::time::interval(FENCE_TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let (mut place, mut due) = (0, 0.0);
    loop {
        interval.tick().await;
        due += each_tick;
        while due >= 1.0 {
            due -= 1.0;
            let mailbox = &local.mailboxes[&mine[place % mine.len()]];
            place += 1;
            if mailbox.alive.get() && mailbox.wants_fence.get() && mailbox.fences.get() == 0 {
                mailbox.fences.set(1);
                mailbox.post(Order::Fence { last: false });
            }
        }
    }
}

/// A fence on every connection. Who does not answer stays unfenced.
async fn fence(local: &Rc<Local>, mine: &[u32]) {
    if !local.stage.fence {
        tokio::time::sleep(QUIET).await;
    }
    let open: Vec<_> = mine.iter().map(|user| local.mailbox(*user)).filter(|mailbox| mailbox.alive.get()).collect();
    for mailbox in &open {
        mailbox.fenced.set(false);
        mailbox.fences.set(mailbox.fences.get() + 1);
        mailbox.post(Order::Fence { last: true });
    }
    let all = local.wait_until(|_| open.iter().all(|mailbox| mailbox.fenced.get() || mailbox.slow.get()));
    let _ = tokio::time::timeout(FENCE_LIMIT, all).await;
}

async fn leave(local: &Rc<Local>, mine: &[u32]) {
    send_visitors_away(local);
    mine.iter().for_each(|user| local.mailboxes[user].post(Order::Quit));
    let all = local.wait_until(|local| local.gone.get() >= mine.len() as u64 && local.visiting.get() == 0);
    let _ = tokio::time::timeout(LEAVE_LIMIT, all).await;
}

/// Ends the visits that are under way.
fn send_visitors_away(local: &Local) {
    local.over.set(true);
    local.ends.notify_waiters();
}

async fn tick(local: Rc<Local>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        retire(&local);
        let snapshot = local.measurements.borrow_mut().snapshot(local.number);
        local.shared.control.publish(snapshot);
    }
}

/// Lets go of the messages that nobody needs any more.
fn retire(local: &Local) {
    let needed = local.mailboxes.values().map(|mailbox| mailbox.oldest.get().min(mailbox.away_from.get())).min();
    let needed = needed.unwrap_or(u32::MAX);
    let keep = needed.min(local.cursor.get());
    let recent = local.now() - KEPT;
    let mut window = local.window.borrow_mut();
    let old = window.due_before(keep, recent);
    let mut measurements = local.measurements.borrow_mut();
    window.retire(old, |entry, seen| measurements.closed(&local.plan, entry, seen));
}

/// Users whose last fence has not been answered.
fn count_unsettled(local: &Local, mine: &[u32]) {
    let waits = |mailbox: &Mailbox| mailbox.alive.get() && !mailbox.fenced.get() && !mailbox.slow.get();
    let unsettled = mine.iter().filter(|user| waits(&local.mailboxes[user])).count();
    local.measurements.borrow_mut().tally.unsettled = unsettled as u64;
}

fn collect(local: &Local) -> WorkerResult {
    let mut measurements = local.measurements.borrow_mut();
    local.window.borrow_mut().close(|entry, seen| measurements.closed(&local.plan, entry, seen));
    let snapshot = measurements.snapshot(local.number);
    measurements.tally.resent = local.resent.load(Ordering::Relaxed);
    // Users that did not say goodbye in time still hold the worker; what they add from here on is nobody's.
    let fresh = Measurements::new(&local.plan);
    let found = std::mem::replace(&mut *measurements, fresh).into_findings();
    WorkerResult { found, time: local.time.get(), wire: local.wire.get(), snapshot }
}

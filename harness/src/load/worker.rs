//! One worker: a thread with a runtime of its own, and its share of the users.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sio_protocol::Args;
use tokio::sync::Notify;
use tokio::task::LocalSet;

use super::control::{Aborted, Control};
use super::measure::{Measurements, Seen, SentTimes, Snapshot, Tally};
use super::message::Message;
use super::plan::Plan;
use super::stamp::Stamp;
use super::user::{self, Mailbox, Order};
use super::witness::Witnesses;
use crate::client::http_client;
use crate::clock::{PreciseSleep, RunClock};
use crate::play::Stage;
use crate::record::Counts;

/// Time between two snapshots.
const TICK: Duration = Duration::from_secs(1);
/// Time for the answer to a fence.
const FENCE_LIMIT: Duration = Duration::from_secs(10);
/// How long losses are waited for where there is no fence.
const QUIET: Duration = Duration::from_secs(2);
/// Time for all goodbyes together.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);

/// What all workers share; nothing in it is locked.
pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    pub(super) sent: SentTimes,
    /// Tells this run's messages from those of others.
    pub(super) run: u32,
    pub(super) messages: Vec<Message>,
    /// For each room, the arguments of the join and whether it is acknowledged.
    pub(super) joins: Vec<(Args, bool)>,
    pub(super) stage: Stage,
    pub(super) control: Control,
    /// When the first user is meant to connect.
    pub(super) connect_from: Instant,
    pub(super) workers: usize,
}

/// What a worker found.
pub(super) struct WorkerResult {
    pub(super) seen: Vec<Seen>,
    /// By traffic and phase.
    pub(super) counts: Vec<Vec<Counts>>,
    pub(super) tally: Tally,
    pub(super) witnesses: Witnesses,
    /// The last one.
    pub(super) snapshot: Snapshot,
    /// Users that are open or were: they are owed what their rooms get.
    pub(super) receivers: Vec<u32>,
}

/// What the users of one worker share.
pub(super) struct Local {
    pub(super) shared: Arc<Shared>,
    pub(super) plan: Arc<Plan>,
    pub(super) stage: Stage,
    pub(super) messages: Vec<Message>,
    pub(super) measurements: RefCell<Measurements>,
    pub(super) connect_clock: RunClock,
    clock: Cell<RunClock>,
    mailboxes: HashMap<u32, Rc<Mailbox>>,
    /// A user has opened, failed, been fenced or left.
    pub(super) ready: Notify,
    left: Cell<u64>,
    number: usize,
}

impl Local {
    pub(super) fn mailbox(&self, user: u32) -> Rc<Mailbox> {
        self.mailboxes[&user].clone()
    }

    /// Nanoseconds on the run's clock.
    pub(super) fn now(&self) -> i64 {
        self.clock.get().now()
    }

    pub(super) fn stamp(&self, emission: u32) -> Stamp {
        Stamp { run: self.shared.run, emission }
    }

    pub(super) fn join(&self, room: u32) -> (Args, bool) {
        self.shared.joins[room as usize].clone()
    }

    /// A user could not be opened.
    pub(super) fn failed(&self, why: &str) {
        let tally = &mut self.measurements.borrow_mut().tally;
        tally.failed += 1;
        tally.problem(format!("a user failed to open: {why}"));
        self.ready.notify_one();
    }

    /// A user lost its connection.
    pub(super) fn lost(&self, why: &str) {
        let tally = &mut self.measurements.borrow_mut().tally;
        tally.lost += 1;
        tally.problem(format!("a user was lost: {why}"));
        self.ready.notify_one();
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
        stage: Stage { http: http_client(), ..shared.stage.clone() },
        messages: shared.messages.clone(),
        measurements: RefCell::new(Measurements::new(&shared.plan)),
        connect_clock: RunClock::starting_at(shared.connect_from),
        clock: Cell::new(RunClock::starting_at(shared.connect_from)),
        mailboxes: mine.iter().map(|user| (*user, Rc::default())).collect(),
        ready: Notify::new(),
        left: Cell::new(0),
        number,
        shared,
    });
    let mut sleep = PreciseSleep::new()?;
    let ticker = tokio::task::spawn_local(tick(local.clone()));
    let outcome = phases(&local, &mine, &mut sleep).await;
    ticker.abort();
    leave(&local, &mine).await;
    Ok(collect(&local, &mine, outcome.is_err()))
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
    local.clock.set(RunClock::starting_at(origin));
    tokio::select! {
        () = emit(local, sleep) => {}
        () = control.aborted() => return Err(Aborted),
    }
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
        tokio::task::spawn_local(async move {
            user::live(local.clone(), user).await;
            local.left.set(local.left.get() + 1);
            local.ready.notify_one();
        });
    }
    let all = mine.len() as u64;
    local
        .wait_until(|local| {
            let tally = &local.measurements.borrow().tally;
            tally.open + tally.failed >= all
        })
        .await;
}

/// Hands each emission to its sender at its intended time, then waits for the end of the last phase.
async fn emit(local: &Rc<Local>, sleep: &mut PreciseSleep) {
    let clock = local.clock.get();
    let workers = local.shared.workers;
    for (index, emission) in local.plan.emissions.iter().enumerate() {
        if emission.sender as usize % workers != local.number {
            continue;
        }
        let _ = sleep.until(clock.at(emission.at)).await;
        let mailbox = &local.mailboxes[&emission.sender];
        if mailbox.alive.get() {
            mailbox.post(Order::Send(index as u32));
            // Let the sender write before looking at the clock again: a burst must not pile up.
            tokio::task::yield_now().await;
        }
    }
    let _ = sleep.until(clock.at(local.plan.length())).await;
}

/// A fence on every connection. Who does not answer stays unfenced.
async fn fence(local: &Rc<Local>, mine: &[u32]) {
    if !local.stage.fence {
        tokio::time::sleep(QUIET).await;
        return;
    }
    let open: Vec<_> = mine.iter().map(|user| local.mailbox(*user)).filter(|mailbox| mailbox.alive.get()).collect();
    for mailbox in &open {
        mailbox.fenced.set(false);
        mailbox.post(Order::Fence);
    }
    let all = local.wait_until(|_| open.iter().all(|mailbox| mailbox.fenced.get()));
    let _ = tokio::time::timeout(FENCE_LIMIT, all).await;
}

async fn leave(local: &Rc<Local>, mine: &[u32]) {
    let mut open = 0;
    for user in mine {
        let mailbox = local.mailbox(*user);
        if mailbox.alive.get() {
            open += 1;
            mailbox.post(Order::Quit);
        }
    }
    let before = local.left.get();
    let all = local.wait_until(|local| local.left.get() >= before + open);
    let _ = tokio::time::timeout(LEAVE_LIMIT, all).await;
}

async fn tick(local: Rc<Local>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        let snapshot = local.measurements.borrow_mut().snapshot(local.number);
        local.shared.control.publish(snapshot);
    }
}

fn collect(local: &Rc<Local>, mine: &[u32], aborted: bool) -> WorkerResult {
    let mut measurements = local.measurements.borrow_mut();
    let mut receivers = Vec::new();
    for user in mine {
        let mailbox = local.mailbox(*user);
        let Some(receiver) = mailbox.receiver.get() else { continue };
        receivers.push(*user);
        if local.stage.fence && !aborted && !mailbox.fenced.get() {
            measurements.tally.unsettled += 1;
        }
        // Of a run that was cut short nobody can say what was still on its way.
        let cut = aborted || mailbox.cut.get();
        measurements.settle(&local.plan, receiver, cut, &local.shared.sent);
    }
    let snapshot = measurements.snapshot(local.number);
    // Users that did not say goodbye in time still hold the worker; what they add from here on is nobody's.
    let fresh = Measurements::new(&local.plan);
    let (seen, counts, tally, witnesses) = std::mem::replace(&mut *measurements, fresh).into_parts();
    WorkerResult { seen, counts, tally, witnesses, snapshot, receivers }
}

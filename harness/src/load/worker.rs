//! One worker: a thread with a runtime of its own, and its share of the users.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sio_oracle::board::Nanos;
use tokio::task::LocalSet;
use tracing::Instrument as _;

use super::across;
use super::control::Aborted;
use super::emission_log::{Entry, FanoutProgress};
use super::emit::emit;
use super::handle::{UserCommand, UserHandle};
use super::local::Local;
use super::metrics::{Findings, Measurements, Snapshot};
use super::needs;
use super::shared::Shared;
use super::thread_times::ThreadTimes;
use super::user;
use super::worker_log::WorkerLog;
use crate::client::WireBytes;
use crate::clock::{PreciseSleep, RunClock};
use crate::record::WorkerTime;
use crate::vocab::text::count;

/// Time between two snapshots.
const TICK: Duration = Duration::from_secs(1);
/// Time for the answer to a fence.
const FENCE_LIMIT: Duration = Duration::from_secs(10);
/// More events than this, while a fence is waited for, are worth a word.
const FLOOD: u64 = 1_000;
/// How long losses are waited for where there is no fence.
const QUIET: Duration = Duration::from_secs(2);
/// Time for all goodbyes together.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);
/// The same, when somebody waits for the end of a run that is cut short.
const CUT_LIMIT: Duration = Duration::from_secs(1);
/// Each user makes a fence this often, unless that would be too many.
const FENCE_EVERY: Duration = Duration::from_secs(5);
/// Fences in a second, of all users together: they are a load of their own.
const MOST_FENCES: f64 = 200.0;
/// How often users are picked for their fences.
const FENCE_TICK: Duration = Duration::from_millis(50);
/// Messages are kept for so long after they were due: a copy that comes later can still be told from a foreign one.
const KEPT: Nanos = 5_000_000_000;
/// The same for the messages of other parts, of which nobody here knows who needs them still.
const KEPT_FOR_OTHERS: Nanos = 30_000_000_000;
/// Time for the fences behind the last phase of all parts.
const OTHERS: u64 = 3_000_000_000;

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

/// Runs worker `number` to its end, on this thread.
pub(super) fn run(shared: &Arc<Shared>, number: usize) -> std::io::Result<WorkerResult> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(work(shared.clone(), number)))
}

async fn work(shared: Arc<Shared>, number: usize) -> std::io::Result<WorkerResult> {
    let mine: Vec<u32> =
        (0..shared.plan.users.len() as u32).filter(|user| shared.is_of((*user).into(), number)).collect();
    let local = Rc::new(Local::new(shared, number, &mine));
    let mut sleep = PreciseSleep::new()?;
    let ticker = tokio::task::spawn_local(tick(local.clone()));
    let outcome = local.crew.run(conduct(&local, &mine, &mut sleep)).await;
    ticker.abort();
    // They hold what they share with the executor.
    local.crew.clear();
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
    tokio::select! {
        () = across::link(local, mine) => {}
        () = control.aborted() => return Err(Aborted),
    }
    control.barrier().await?;
    let origin = control.started().await?;
    local.clock.set(Some(RunClock::starting_at(origin)));
    tracing::info!(users = mine.len(), "the schedule begins");
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
    tracing::info!("the schedule is over; what is still owed is settled");
    // First the senders: when their fences are answered, the target has handled all they sent. Then the
    // receivers: what is queued on their connections has arrived when theirs are.
    for round in 0..2 {
        control.barrier().await?;
        if round == 1 {
            tokio::select! {
                () = others_have_sent(local) => {}
                () = control.aborted() => return Err(Aborted),
            }
        }
        tokio::select! {
            () = fence(local, mine) => {}
            () = control.aborted() => return Err(Aborted),
        }
    }
    tokio::select! {
        () = across::settle(local, mine) => {}
        () = control.aborted() => return Err(Aborted),
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
        let life = async move {
            user::live(local.clone(), user).await;
            local.gone.set(local.gone.get() + 1);
            local.ready.notify_one();
        };
        // A span is entered at each step of its user: only where somebody listens.
        let member = if tracing::enabled!(tracing::Level::DEBUG) {
            crew.crew.spawn(life.instrument(tracing::debug_span!("user", number = user)))
        } else {
            crew.crew.spawn(life)
        };
        mailbox.member.set(member);
    }
    let all = mine.len() as u64;
    local
        .wait_until(|local| {
            let tally = &local.measurements.borrow().tally;
            tally.open + tally.failed >= all
        })
        .await;
}

/// Rolling fences: one user after the other makes one, so that a loss is seen while the run goes on. Never returns.
async fn roll(local: &Local, mine: &[u32]) {
    let users = local.plan.users.len();
    let mut fences = Turns::new(mine, FENCE_EVERY.max(Duration::from_secs_f64(users as f64 / MOST_FENCES)));
    let mut looks = Turns::new(mine, needs::look_every(users));
    let crosses = local.plan.is_cluster() && local.stage.fence;
    let mut interval = tokio::time::interval(FENCE_TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        fences.tick(|user| {
            let mailbox = &local.mailboxes[&user];
            if mailbox.alive.get() && mailbox.wants_fence.get() && mailbox.fences.get() == 0 {
                mailbox.fences.set(1);
                mailbox.post(UserCommand::Fence { last: false });
            }
        });
        if crosses {
            looks.tick(|user| {
                let mailbox = &local.mailboxes[&user];
                if mailbox.alive.get() {
                    mailbox.post(UserCommand::Look);
                }
            });
            across::send_what_is_needed(local, false);
        }
    }
}

/// Whose turn it is, of users who have theirs one after the other.
struct Turns<'a> {
    users: &'a [u32],
    next: usize,
    each_tick: f64,
    due: f64,
}

impl<'a> Turns<'a> {
    /// Each has its turn once in so long.
    fn new(users: &'a [u32], every: Duration) -> Self {
        let each_tick = users.len() as f64 * FENCE_TICK.as_secs_f64() / every.as_secs_f64();
        Self { users, next: 0, each_tick, due: 0.0 }
    }

    fn tick(&mut self, mut turn: impl FnMut(u32)) {
        self.due += self.each_tick;
        while self.due >= 1.0 {
            self.due -= 1.0;
            turn(self.users[self.next % self.users.len()]);
            self.next += 1;
        }
    }
}

/// In a part of a run, waits until the senders of the other parts will have been answered: nobody says when they are.
async fn others_have_sent(local: &Local) {
    if let (false, Some(clock)) = (local.shared.part.share.is_whole(), local.clock.get()) {
        tokio::time::sleep_until(clock.at(local.plan.length() + OTHERS).into()).await;
    }
}

/// A fence on every connection. Who does not answer stays unfenced.
async fn fence(local: &Rc<Local>, mine: &[u32]) {
    if !local.stage.fence {
        tokio::time::sleep(QUIET).await;
    }
    let asked = |mailbox: &Rc<UserHandle>| mailbox.alive.get() && !mailbox.given_up.get();
    let open: Vec<_> = mine.iter().map(|user| local.mailbox(*user)).filter(asked).collect();
    open.iter().for_each(|mailbox| mailbox.ask());
    let all = local.wait_until(|_| open.iter().all(|mailbox| mailbox.fenced.get() || mailbox.slow.get()));
    if tokio::time::timeout(FENCE_LIMIT, all).await.is_err() {
        give_up(local, &open);
    }
}

/// Whose target has said nothing of this run while its fence was waited for is not asked again. Where answers or messages still
/// come, a backlog shrinks, and the next fence may get through.
fn give_up(local: &Local, open: &[Rc<UserHandle>]) {
    let (within, many) = (FENCE_LIMIT.as_secs(), count(FLOOD));
    for mailbox in open.iter().filter(|mailbox| mailbox.waits() && !mailbox.heard.get()) {
        mailbox.given_up.set(true);
        tracing::warn!("a user's fence was given up");
        let instead =
            if mailbox.came.get() > FLOOD { format!(", and more than {many} other events") } else { String::new() };
        local.measurements.borrow_mut().tally.problem(format!(
            "a fence was given up: neither an answer nor a message of this run came within {within} s{instead}"
        ));
    }
}

async fn leave(local: &Rc<Local>, mine: &[u32]) {
    send_visitors_away(local);
    mine.iter().for_each(|user| local.mailboxes[user].post(UserCommand::Quit));
    let all = local.wait_until(|local| local.gone.get() >= mine.len() as u64 && local.iterating.get() == 0);
    let limit = if local.shared.control.ending().is_some() { CUT_LIMIT } else { LEAVE_LIMIT };
    let _ = tokio::time::timeout(limit, all).await;
}

/// Ends the visits that are under way.
fn send_visitors_away(local: &Local) {
    local.over.set(true);
    local.ends.notify_waiters();
}

async fn tick(local: Rc<Local>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut log = WorkerLog::default();
    loop {
        interval.tick().await;
        retire(&local);
        local.journal.flush();
        let snapshot = local.measurements.borrow_mut().snapshot(local.number, local.shared.may_end_early);
        log.second(&snapshot);
        local.shared.control.publish(snapshot);
    }
}

/// Lets go of the messages that nobody needs any more.
fn retire(local: &Local) {
    let needed = local.mailboxes.values().map(|mailbox| mailbox.oldest.get().min(mailbox.away_from.get())).min();
    let needed = needed.unwrap_or(u32::MAX);
    let keep = needed.min(local.cursor.get());
    let kept = if local.shared.part.share.is_whole() { KEPT } else { KEPT_FOR_OTHERS };
    let recent = local.now() - kept;
    let mut window = local.window.borrow_mut();
    let old = window.due_before(keep, recent);
    let mut measurements = local.measurements.borrow_mut();
    window.retire(old, |entry, seen| close(local, &mut measurements, entry, seen));
}

/// Closes the account of a message. Who got it first and last only those know who put the parts together, and what becomes of
/// the messages of other parts.
fn close(local: &Local, measurements: &mut Measurements, entry: &Entry, seen: FanoutProgress) {
    let share = local.shared.part.share;
    if share.owns(entry.emission.sender) {
        let seen = if share.is_whole() { seen } else { FanoutProgress::NOTHING };
        measurements.closed(&local.plan, entry, seen);
    }
}

/// Users whose last fence has not been answered.
fn count_unsettled(local: &Local, mine: &[u32]) {
    let unsettled = mine.iter().filter(|user| local.mailboxes[user].waits()).count();
    local.measurements.borrow_mut().tally.unsettled = unsettled as u64;
}

fn collect(local: &Local) -> WorkerResult {
    let mut measurements = local.measurements.borrow_mut();
    local.window.borrow_mut().close(|entry, seen| close(local, &mut measurements, entry, seen));
    local.journal.close();
    let snapshot = measurements.snapshot(local.number, false);
    measurements.tally.resent = local.resent.load(Ordering::Relaxed);
    // Users that did not say goodbye in time still hold the worker; what they add from here on is nobody's.
    let fresh = Measurements::new(&local.plan, local.stage.fence);
    let found = std::mem::replace(&mut *measurements, fresh).into_findings();
    WorkerResult { found, time: local.time.get(), wire: local.wire.get(), snapshot }
}

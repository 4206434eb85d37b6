//! Runs a worker's users so that the schedule goes first.
//!
//! A general executor takes what is ready in turn: when a broadcast has reached a thousand users at once, a message
//! that is due then leaves behind a thousand reads. Here the schedule is looked at between any two users, and whoever
//! has to send is next.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

use crate::clock;
use crate::vocab::lock::LockExt;

/// After so long the runtime is asked what else has arrived; the kernel's stamps keep the time meanwhile.
const SLICE: Duration = Duration::from_micros(500);
/// While the schedule is late, poll this many receiving users after each sending one, so receives never starve.
const BETWEEN: usize = 2;

type Life = Pin<Box<dyn Future<Output = ()>>>;

/// The users of a worker, as futures.
#[derive(Default)]
pub(super) struct UserExecutor {
    members: RefCell<Vec<Task>>,
    /// Places of those that have ended.
    free: RefCell<Vec<u32>>,
    bells: Arc<ReadyQueue>,
    /// Users that were prioritised since the root future was polled.
    called: Cell<usize>,
    /// When the root future wants to be polled, whatever the runtime's timers say.
    due: Cell<Option<Instant>>,
}

struct Task {
    /// Gone when it has ended, and while it is polled.
    life: Option<Life>,
    bell: Arc<TaskWaker>,
    waker: Waker,
}

/// Who wants to be polled.
#[derive(Default)]
struct ReadyQueue {
    queues: Mutex<Queues>,
    conductor: AtomicBool,
    worker: AtomicWaker,
}

#[derive(Default)]
struct Queues {
    first: VecDeque<u32>,
    ready: VecDeque<u32>,
}

impl ReadyQueue {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock_unpoisoned()
    }
}

struct TaskWaker {
    member: u32,
    /// It stands in a queue.
    queued: AtomicBool,
    bells: Arc<ReadyQueue>,
}

impl TaskWaker {
    fn ring(&self, queue: impl FnOnce(&mut Queues) -> &mut VecDeque<u32>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            queue(&mut self.bells.queues()).push_back(self.member);
            self.bells.worker.wake();
        }
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring(|queues| &mut queues.ready);
    }
}

struct ConductorBell(Arc<ReadyQueue>);

impl Wake for ConductorBell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.conductor.store(true, Ordering::Release);
        self.0.worker.wake();
    }
}

struct Forget<'a>(&'a Cell<Option<Instant>>);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

impl UserExecutor {
    /// Adds a user; returns its number.
    pub(super) fn spawn(&self, life: impl Future<Output = ()> + 'static) -> u32 {
        let mut members = self.members.borrow_mut();
        let place = self.free.borrow_mut().pop();
        let member = place.unwrap_or(members.len() as u32);
        let bell = Arc::new(TaskWaker { member, queued: AtomicBool::new(false), bells: self.bells.clone() });
        let newcomer = Task { life: Some(Box::pin(life)), waker: bell.clone().into(), bell: bell.clone() };
        match place {
            // Whoever still rings for the one who was there before wakes the newcomer in vain.
            Some(place) => members[place as usize] = newcomer,
            None => members.push(newcomer),
        }
        bell.ring(|queues| &mut queues.ready);
        member
    }

    /// A user has something to do that cannot wait. To be called ahead of waking it.
    pub(super) fn first(&self, member: u32) {
        if let Some(member) = self.members.borrow().get(member as usize) {
            // Who stands in the other queue already is found there with nothing left to do.
            self.called.set(self.called.get() + 1);
            member.bell.queued.store(true, Ordering::Release);
            self.bells.queues().first.push_back(member.bell.member);
            self.bells.worker.wake();
        }
    }

    /// Lets go of those that have not ended.
    pub(super) fn clear(&self) {
        let members = std::mem::take(&mut *self.members.borrow_mut());
        drop(members);
    }

    /// Lets the users go on, and returns when `instant` has come. For the root future.
    pub(super) async fn until(&self, instant: Instant, wakes: impl Future<Output = ()>) {
        self.due.set(Some(instant));
        // Also when this is dropped: who waits no more must not be polled for ever.
        let _forget = Forget(&self.due);
        tokio::pin!(wakes);
        poll_fn(|cx| if clock::now() >= instant { Poll::Ready(()) } else { wakes.as_mut().poll(cx) }).await;
    }

    /// Lets others go on.
    pub(super) async fn give_way(&self) {
        let mut gave = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut gave, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Runs the users until `conductor`, the root future, is through.
    pub(super) async fn run<T>(&self, conductor: impl Future<Output = T>) -> T {
        tokio::pin!(conductor);
        let waker = Waker::from(Arc::new(ConductorBell(self.bells.clone())));
        self.bells.conductor.store(true, Ordering::Release);
        // Turns are given here; the runtime's own budget would end them at random.
        let work = tokio::task::unconstrained(poll_fn(|cx| {
            self.bells.worker.register(cx.waker());
            let slice = clock::now() + SLICE;
            let mut turns = 0;
            loop {
                let now = clock::now();
                if now >= slice {
                    // Also when the schedule lags behind: what arrives is found only by asking.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                if let Some(member) = self.pop(|queues| &mut queues.first) {
                    self.poll_member(member);
                    continue;
                }
                let called = turns == 0 && self.bells.conductor.swap(false, Ordering::AcqRel);
                if called || (turns == 0 && self.due.get().is_some_and(|due| due <= now)) {
                    self.called.set(0);
                    if let Poll::Ready(end) = conductor.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return Poll::Ready(end);
                    }
                    turns = BETWEEN * self.called.get().max(1);
                    continue;
                }
                turns = turns.saturating_sub(1);
                let Some(member) = self.pop(|queues| &mut queues.ready) else {
                    turns = 0;
                    if self.has_more(now) {
                        continue;
                    }
                    return Poll::Pending;
                };
                self.poll_member(member);
            }
        }));
        work.await
    }

    /// Somebody has queued since the queues were found empty.
    fn has_more(&self, now: Instant) -> bool {
        let queues = self.bells.queues();
        !queues.first.is_empty()
            || !queues.ready.is_empty()
            || self.bells.conductor.load(Ordering::Acquire)
            || self.due.get().is_some_and(|due| due <= now)
    }

    fn pop(&self, queue: impl FnOnce(&mut Queues) -> &mut VecDeque<u32>) -> Option<u32> {
        queue(&mut self.bells.queues()).pop_front()
    }

    fn poll_member(&self, number: u32) {
        let (mut life, waker) = {
            let mut members = self.members.borrow_mut();
            let Some(member) = members.get_mut(number as usize) else { return };
            member.bell.queued.store(false, Ordering::Release);
            let Some(life) = member.life.take() else { return };
            (life, member.waker.clone())
        };
        if life.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            self.members.borrow_mut()[number as usize].life = Some(life);
        } else {
            self.free.borrow_mut().push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use tokio::sync::Notify;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    /// Who is to go first goes ahead of a thousand that were ready before.
    #[test]
    fn who_cannot_wait_does_not() {
        let crew = UserExecutor::default();
        let order = Rc::new(RefCell::new(Vec::new()));
        let at_the_gate = Rc::new(Cell::new(0));
        let gates: Vec<_> = (0..1000).map(|_| Rc::new(Notify::new())).collect();
        for (number, gate) in gates.iter().enumerate() {
            let (gate, order, at_the_gate) = (gate.clone(), order.clone(), at_the_gate.clone());
            crew.spawn(async move {
                at_the_gate.set(at_the_gate.get() + 1);
                gate.notified().await;
                order.borrow_mut().push(number);
            });
        }
        block_on(crew.run(async {
            while at_the_gate.get() < 1000 {
                crew.give_way().await;
            }
            gates.iter().take(999).for_each(|gate| gate.notify_one());
            crew.first(999);
            gates[999].notify_one();
            crew.give_way().await;
            assert_eq!(order.borrow()[0], 999);
            assert!(order.borrow().len() < 10, "and the conductor is not kept waiting");
            while order.borrow().len() < 1000 {
                crew.give_way().await;
            }
        }));
        assert_eq!(order.borrow()[1..], (0..999).collect::<Vec<_>>());
    }

    /// The root future is polled when it wants to, though users are always ready and no timer has fired.
    #[test]
    fn the_schedule_is_kept_while_everybody_is_busy() {
        let crew = UserExecutor::default();
        let turns = Rc::new(Cell::new(0_u64));
        for _ in 0..10 {
            let turns = turns.clone();
            crew.spawn(poll_fn(move |cx| {
                turns.set(turns.get() + 1);
                cx.waker().wake_by_ref();
                Poll::Pending
            }));
        }
        block_on(crew.run(async {
            let due = clock::now() + Duration::from_millis(5);
            crew.until(due, std::future::pending()).await;
            assert!(turns.get() > 10, "the others went on: {}", turns.get());
        }));
    }

    /// Who gave up waiting for an instant does not keep the runtime from its turn when that has come.
    #[test]
    fn an_instant_that_nobody_waits_for_is_forgotten() {
        let crew = UserExecutor::default();
        block_on(crew.run(async {
            // Far enough for a machine that others use as well: it must not have come when it is given up.
            let due = clock::now() + Duration::from_millis(300);
            let given_up = tokio::time::timeout(Duration::ZERO, crew.until(due, std::future::pending())).await;
            assert!(given_up.is_err());
            // A timer of the runtime fires only if the runtime is asked.
            tokio::time::sleep_until((due + Duration::from_millis(10)).into()).await;
        }));
    }

    /// However far the schedule lags behind, the runtime is asked what has arrived.
    #[test]
    fn a_schedule_that_never_catches_up_starves_nobody() {
        let crew = UserExecutor::default();
        let heard = Rc::new(Cell::new(false));
        let hears = heard.clone();
        crew.spawn(async move {
            tokio::time::sleep(Duration::from_millis(3)).await;
            hears.set(true);
        });
        let sender = crew.spawn(std::future::pending());
        block_on(crew.run(async {
            let limit = clock::now() + Duration::from_secs(5);
            while !heard.get() && clock::now() < limit {
                crew.first(sender);
                crew.give_way().await;
            }
        }));
        assert!(heard.get());
    }

    #[test]
    fn wakes_from_other_threads_and_of_the_dead() {
        let crew = UserExecutor::default();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let done = Rc::new(Cell::new(false));
        let finished = done.clone();
        let member = crew.spawn(async move { finished.set(receiver.await.is_ok()) });
        std::thread::spawn(move || sender.send(()).unwrap());
        block_on(crew.run(async {
            while !done.get() {
                crew.give_way().await;
            }
            crew.first(member);
            crew.give_way().await;
        }));
    }
}

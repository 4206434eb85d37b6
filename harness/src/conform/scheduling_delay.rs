//! Whether sio-bench itself was on time while a case was played.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::clock;

/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(5);
/// By so much every tick is late: timers are rounded up.
const USUAL: Duration = Duration::from_millis(3);
/// A tick later than this may have decided a case.
pub(super) const TOO_LATE: Duration = Duration::from_millis(40);
/// Late ticks remembered.
const KEPT: usize = 10_000;

/// Remembers when sio-bench was late. Clones look at the same memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Lag {
    /// When a late tick was noticed, and by how much.
    late: Rc<RefCell<VecDeque<(Instant, Duration)>>>,
    /// By how much all ticks were late together.
    whole: Rc<Cell<Duration>>,
}

impl Lag {
    /// Watches for ever; to be run beside the cases, on their thread.
    pub(super) async fn watch(&self) {
        loop {
            let due = clock::now() + TICK;
            tokio::time::sleep_until(due.into()).await;
            let now = clock::now();
            let by = now.saturating_duration_since(due);
            self.whole.set(self.whole.get() + by.saturating_sub(USUAL));
            if by > TOO_LATE {
                let mut late = self.late.borrow_mut();
                if late.len() == KEPT {
                    late.pop_front();
                }
                late.push_back((now, by));
            }
        }
    }

    /// By how much ticks were late together since the watch began: many small delays make a long one for whoever has to wait
    /// for each of them.
    pub(super) fn whole(&self) -> Duration {
        self.whole.get()
    }

    /// The worst lateness since `start`.
    pub(super) fn worst_since(&self, start: Instant) -> Duration {
        let late = self.late.borrow();
        late.iter().rev().take_while(|(at, _)| *at >= start).map(|(_, by)| *by).max().unwrap_or_default()
    }
}

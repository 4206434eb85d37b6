//! Whether the tester itself was the bottleneck: what the kernel says of a worker's thread.

use std::fs;

use crate::record::WorkerTime;

/// What the kernel has counted for a thread, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ThreadTimes {
    /// On a core.
    ran: u64,
    /// Able to run, and waiting for a core.
    waited: u64,
}

impl ThreadTimes {
    /// Of the calling thread; unknown where the kernel does not tell (`/proc/thread-self/schedstat`).
    pub(super) fn now() -> Option<Self> {
        parse(&fs::read_to_string("/proc/thread-self/schedstat").ok()?)
    }

    /// The shares of `seconds` in which the thread ran and waited since `before`.
    pub(super) fn since(self, before: Self, seconds: f64) -> WorkerTime {
        let share = |now: u64, before: u64| now.saturating_sub(before) as f64 / 1e9 / seconds.max(f64::MIN_POSITIVE);
        WorkerTime { busy: share(self.ran, before.ran), waited: share(self.waited, before.waited) }
    }
}

fn parse(text: &str) -> Option<ThreadTimes> {
    let mut fields = text.split_whitespace();
    Some(ThreadTimes { ran: fields.next()?.parse().ok()?, waited: fields.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_time_in_between() {
        let (before, after) = (parse("100 50 7\n").unwrap(), parse("500000100 250000050 9\n").unwrap());
        assert_eq!(after.since(before, 1.0), WorkerTime { busy: 0.5, waited: 0.25 });
        assert_eq!(parse("x"), None);
    }

    /// A thread that works is busy, and the kernel says so.
    #[test]
    #[cfg(target_os = "linux")]
    fn work_is_seen() {
        let Some(before) = ThreadTimes::now() else { return };
        let mut sum = 0u64;
        while ThreadTimes::now().is_some_and(|now| now.ran < before.ran + 2_000_000) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(ThreadTimes::now().unwrap().since(before, 0.002).busy >= 1.0);
    }
}

//! The only place where the harness reads a clock.

use std::future::Future;
use std::io;
use std::time::{Duration, Instant, SystemTime};

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// The time of day, for names and headers.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the time of day")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// Nanoseconds of a monotonic clock that began at a run's start.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    origin: Instant,
}

impl RunClock {
    /// A clock that shows zero at `origin`.
    pub fn starting_at(origin: Instant) -> Self {
        Self { origin }
    }

    /// Nanoseconds since the origin; negative ahead of it.
    pub fn now(&self) -> i64 {
        self.time_of(now())
    }

    /// What the clock shows at an instant.
    pub fn time_of(&self, instant: Instant) -> i64 {
        match instant.checked_duration_since(self.origin) {
            Some(since) => since.as_nanos() as i64,
            None => -(self.origin.duration_since(instant).as_nanos() as i64),
        }
    }

    /// The instant at which the clock shows `nanos`.
    pub fn at(&self, nanos: u64) -> Instant {
        self.origin + Duration::from_nanos(nanos)
    }
}

/// Sleeps with the precision of the kernel's timers; tokio's own are rounded up to milliseconds, which would
/// be most of the lateness of a schedule.
pub struct PreciseSleep {
    #[cfg(target_os = "linux")]
    timer: tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>,
}

#[cfg(target_os = "linux")]
impl PreciseSleep {
    /// A timer of its own; one for each worker.
    pub fn new() -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "an OwnedFd keeps its descriptor open, which is all the unsafe successor asks for"
        )]
        let timer = tokio::io::unix::AsyncFd::new(timer)?;
        Ok(Self { timer })
    }

    /// Returns at `deadline`, or at once when it has passed.
    pub fn until(&mut self, deadline: Instant) -> impl Future<Output = io::Result<()>> + '_ {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        async move {
            let wait = deadline.saturating_duration_since(now());
            if wait.is_zero() {
                return Ok(());
            }
            let once = Timespec { tv_sec: 0, tv_nsec: 0 };
            let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
            let timer = Itimerspec { it_interval: once, it_value: wait };
            timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &timer)?;
            // Setting the timer anew has made it unreadable again; a readiness of before may still be noted.
            loop {
                let mut ready = self.timer.readable().await?;
                if now() >= deadline {
                    ready.clear_ready();
                    return Ok(());
                }
                ready.clear_ready();
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl PreciseSleep {
    /// A timer of its own; one for each worker.
    pub fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Returns at `deadline`, or at once when it has passed.
    pub fn until(&mut self, deadline: Instant) -> impl Future<Output = io::Result<()>> + '_ {
        async move {
            tokio::time::sleep_until(deadline.into()).await;
            Ok(())
        }
    }
}

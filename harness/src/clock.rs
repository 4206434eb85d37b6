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

/// An instant on the clocks that processes share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    pub instant: Instant,
    /// What names the machine's monotonic clock, since it was started; none where that cannot be learned.
    pub machine: Option<String>,
    /// The same instant on that clock, in nanoseconds.
    pub monotonic: i64,
    /// And by the time of day, in nanoseconds since 1970.
    pub wall: i64,
    /// By so many nanoseconds the two may be wrong, as this process has read them.
    pub within: i64,
}

/// Processes on one machine that mean the same time of day come to the same instant, unless they read their clocks at either end
/// of so many nanoseconds.
const GRID: i64 = 10_000_000;
/// Times that two clocks are read at once; the closest pair counts.
const READINGS: usize = 32;

impl Shared {
    /// The first instant of the machine's clock, of those that are a hundredth of a second apart, at or behind a time of day; so
    /// that all processes of a machine begin at the same one, to the nanosecond.
    pub fn at(time: SystemTime) -> Self {
        let wanted = nanos_since_1970(time);
        let readings = (0..READINGS).map(|_| {
            let before = now();
            let (monotonic, wall) = (monotonic(), nanos_since_1970(wall()));
            (now().duration_since(before).as_nanos() as i64, before, monotonic, wall)
        });
        let (took, before, monotonic, wall) =
            readings.min_by_key(|(took, ..)| *took).unwrap_or((0, now(), None, nanos_since_1970(wall())));
        // Where there is no common clock, the time of day is the one that there is.
        let (base, machine) = (monotonic.unwrap_or(wall), monotonic.and_then(|_| machine()));
        let exact = base + (wanted - wall);
        let on_grid = if machine.is_some() { exact.div_euclid(GRID) * GRID + GRID } else { exact };
        let ahead = on_grid - base;
        let instant = match u64::try_from(ahead) {
            Ok(ahead) => before + Duration::from_nanos(ahead),
            Err(_) => before.checked_sub(Duration::from_nanos(ahead.unsigned_abs())).unwrap_or(before),
        };
        Self { instant, machine, monotonic: on_grid, wall: wall + ahead, within: took }
    }

    /// An instant that is known, on the other clocks.
    pub fn of(instant: Instant) -> Self {
        let reading = Self::at(wall());
        let apart = RunClock::starting_at(reading.instant).time_of(instant);
        Self { instant, monotonic: reading.monotonic + apart, wall: reading.wall + apart, ..reading }
    }

    /// The instant at which the monotonic clock of a machine shows so many nanoseconds, if it is this machine.
    pub fn known(name: &str, nanos: i64) -> Option<Instant> {
        if machine().as_deref() != Some(name) {
            return None;
        }
        monotonic()?;
        let here = Self::at(wall());
        let apart = nanos.checked_sub(here.monotonic)?;
        match u64::try_from(apart) {
            Ok(ahead) => here.instant.checked_add(Duration::from_nanos(ahead)),
            Err(_) => here.instant.checked_sub(Duration::from_nanos(apart.unsigned_abs())),
        }
    }
}

fn nanos_since_1970(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64)
}

/// What the machine's monotonic clock shows: the clock that instants are of.
#[cfg(target_os = "linux")]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there is none that can be read")]
fn monotonic() -> Option<i64> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Some(now.tv_sec * 1_000_000_000 + now.tv_nsec)
}

#[cfg(not(target_os = "linux"))]
fn monotonic() -> Option<i64> {
    None
}

/// Names a machine from its start to its end; a container with a clock of its own is another one.
fn machine() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let clock = std::fs::read_link("/proc/self/ns/time").ok();
    let clock = clock.map_or_else(String::new, |clock| format!(" {}", clock.display()));
    Some(format!("{}{clock}", boot.trim()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn an_instant_is_found_again_by_those_of_the_same_machine() {
        let at = Shared::at(wall() + Duration::from_secs(3));
        let machine = at.machine.clone().unwrap();
        let found = Shared::known(&machine, at.monotonic).unwrap();
        let apart = RunClock::starting_at(at.instant).time_of(found).abs();
        assert!(apart < 1_000_000, "{apart}");
        assert_eq!(Shared::known("another", at.monotonic), None);
        let again = Shared::of(at.instant);
        assert!((again.monotonic - at.monotonic).abs() < 1_000_000 && again.instant == at.instant, "{again:?} {at:?}");
        assert!((again.wall - at.wall).abs() < 10_000_000, "{again:?} {at:?}");
    }

    /// Processes that mean the same time of day begin at the same instant, and none begins ahead of it.
    #[test]
    fn all_processes_of_a_machine_begin_at_one_instant() {
        let time = wall() + Duration::from_secs(5);
        let readings: Vec<_> = (0..20).map(|_| Shared::at(time)).collect();
        let first = &readings[0];
        for reading in &readings {
            assert!(reading.within < 1_000_000, "{reading:?}");
            assert!(reading.instant > now() + Duration::from_secs(4), "{reading:?}");
            assert_eq!(reading.machine, first.machine);
            let apart = (reading.monotonic - first.monotonic).abs();
            // Only a time that lies at a border of the grid comes to two instants.
            assert!(apart == 0 || (cfg!(target_os = "linux") && apart == GRID), "{reading:?} {first:?}");
            assert!((reading.wall - nanos_since_1970(time)) >= -1_000_000, "{reading:?}");
        }
    }
}

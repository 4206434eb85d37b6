//! What a worker says of each second, so that a log tells why a run was late: whether it had the core, and whether it had too much
//! to do.

use std::time::{Duration, Instant};

use tracing::Level;

use super::metrics::Snapshot;
use super::thread_times::ThreadTimes;
use crate::clock;
use crate::vocab::Measure;

/// A second in which something was this late is told where only warnings are.
const LATE: Duration = Duration::from_millis(10);

/// The state from one second to the next.
#[derive(Default)]
pub(super) struct WorkerLog {
    before: Option<(Instant, ThreadTimes)>,
}

impl WorkerLog {
    /// A second is over; called on the worker's own thread.
    pub(super) fn second(&mut self, snapshot: &Snapshot) {
        if !tracing::enabled!(Level::WARN) {
            return;
        }
        let longest = |measure| {
            let of_measure = snapshot.histograms.iter().filter(|(key, _)| key.measure == measure);
            Duration::from_micros(of_measure.map(|(_, histogram)| histogram.max()).max().unwrap_or(0) / 1_000)
        };
        let (late, read_delay) = (longest(Measure::Late), longest(Measure::ReadDelay));
        let now = ThreadTimes::now().map(|times| (clock::now(), times));
        let before = std::mem::replace(&mut self.before, now);
        let time = now.zip(before).map(|((at, times), (then, before))| {
            let time = times.since(before, at.duration_since(then).as_secs_f64());
            (percent(time.busy), percent(time.waited))
        });
        let (ran, waited) = time.unzip();
        let Snapshot { present, sent, delivered, wrong, .. } = *snapshot;
        if late > LATE || read_delay > LATE {
            tracing::warn!(?late, ?read_delay, ran, waited, present, sent, delivered, wrong, "a late second");
        } else {
            tracing::debug!(?late, ?read_delay, ran, waited, present, sent, delivered, wrong, "a second");
        }
    }
}

/// A share of a core, in whole percent.
fn percent(share: f64) -> u64 {
    (share * 100.0).round() as u64
}

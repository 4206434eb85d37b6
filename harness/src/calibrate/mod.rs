//! What this machine's load generator is worth: loads against a server whose delays are known, and what was measured of them.
//!
//! The server ([`delay_server`]) answers after a delay that is its own to the microsecond, and says how long it really took. What is
//! measured beyond that is the floor: sio-bench, the kernel and the server's own writing. Nothing that is smaller can
//! be told apart on this machine.

pub mod delay_server;
pub mod store;

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What was found, and where and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Of sio-bench.
    pub version: String,
    /// RFC 3339.
    pub measured: String,
    pub kernel: String,
    pub cores: usize,
    /// By injected delay.
    pub floors: Vec<Floor>,
    pub stall: Stall,
    /// The largest rates at which the schedule was kept.
    pub echoes_per_second: u64,
    pub deliveries_per_second: u64,
}

/// One injected delay, and how much more was measured; nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    pub injected: u64,
    /// How long the server really took, at its median and its 99th percentile.
    pub taken: (u64, u64),
    /// What was measured, likewise.
    pub measured: (u64, u64),
}

impl Floor {
    /// What was measured beyond what the server took: at the median, and at the 99th percentile.
    pub fn beyond(&self) -> (f64, f64) {
        let beyond = |measured: u64, taken: u64| measured as f64 - taken as f64;
        (beyond(self.measured.0, self.taken.0), beyond(self.measured.1, self.taken.1))
    }
}

/// A server that stood still once; nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// How long it did.
    pub taken: u64,
    /// The largest latency must be that.
    pub max: u64,
    /// The 99th percentile, and what it must be: of the messages that were due meanwhile, the later ones waited less.
    pub p99: u64,
    pub expected_p99: u64,
}

impl Stall {
    /// The 99th percentile of a steady schedule of `length` in which all that were due within `stall` waited for its end.
    pub fn expected_p99(stall: Duration, length: Duration) -> Duration {
        // The slowest hundredth of all messages were due within the first hundredth of the length behind the stall's start.
        stall.saturating_sub(length / 100)
    }

    /// How wrong the worse of the two is, as a share.
    pub fn error(&self) -> f64 {
        let share = |measured: u64, wanted: u64| (measured as f64 / wanted as f64 - 1.0).abs();
        share(self.max, self.taken).max(share(self.p99, self.expected_p99))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stall_must_look_like() {
        let p99 = Stall::expected_p99(Duration::from_secs(1), Duration::from_secs(5));
        assert_eq!(p99, Duration::from_millis(950));
        // By counting: 5,000 messages, one each millisecond; those of the second second wait for its end.
        let mut latencies: Vec<u64> =
            (0..5_000).map(|n| if (1_000..2_000).contains(&n) { 2_000 - n } else { 0 }).collect();
        latencies.sort_unstable();
        assert_eq!(latencies[4_950], 951);
    }
}

//! How the clocks of a run's parts stand to one another.

use sio_oracle::board::Nanos;

use super::schedule::Emission;

/// The clocks of all parts, in their order; none where a process has all of the run.
#[derive(Clone, Debug, Default)]
pub(super) struct Clocks {
    /// What is added to the instants of each part, to be on the clock of the first.
    pub(super) shifts: Vec<Nanos>,
    /// Those of two parts may still differ by so much.
    pub(super) within: Nanos,
}

impl Clocks {
    /// The part of a user, counted from 0.
    fn part_of(&self, user: u32) -> usize {
        user as usize % self.shifts.len().max(1)
    }

    /// When a message was due: its sender's part follows the schedule by its own clock.
    pub(super) fn intended(&self, emission: &Emission) -> Nanos {
        emission.at as Nanos + self.shifts.get(self.part_of(emission.sender)).copied().unwrap_or(0)
    }

    /// Whether two users are of one part, and so of one clock.
    pub(super) fn is_one(&self, a: u32, b: u32) -> bool {
        self.part_of(a) == self.part_of(b)
    }

    /// By how much a latency between two users may be wrong.
    pub(super) fn between(&self, a: u32, b: u32) -> Nanos {
        if self.is_one(a, b) { 0 } else { self.within }
    }
}

//! Messages of other runs that came to users of this one. Two runs that share rooms each judge their own messages only, so that
//! nobody judges all of what a user gets; what another run has left behind, and an application says again, is harmless.

use std::collections::HashMap;

use sio_oracle::board::Nanos;

use crate::record::OtherRuns;

/// Who comes gets what an application has kept within this time.
const HISTORY: Nanos = 2_000_000_000;
/// So many runs are told apart; a target may make stamps up.
const MOST: usize = 64;

/// What came of the messages of other runs, by run.
#[derive(Clone, Debug, Default)]
pub(super) struct Strangers {
    runs: HashMap<u32, Stranger>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Stranger {
    /// The highest number of a message that has come.
    highest: u32,
    /// Copies that came to users who had been there for a while.
    copies: u64,
    /// Messages are sent while this run goes on.
    goes_on: bool,
}

impl Strangers {
    /// A copy of message `emission` of another run has come to a user that has been in its rooms for `since`.
    pub(super) fn came(&mut self, run: u32, emission: u32, since: Nanos) {
        if self.runs.len() >= MOST && !self.runs.contains_key(&run) {
            return;
        }
        let is_known = self.runs.contains_key(&run);
        let stranger = self.runs.entry(run).or_default();
        if since > HISTORY {
            stranger.copies += 1;
            // What was kept has been seen up to its last message; a later one has just been sent.
            stranger.goes_on |= is_known && emission > stranger.highest;
        }
        stranger.highest = stranger.highest.max(emission);
    }

    /// What another worker has seen.
    pub(super) fn add(&mut self, other: &Self) {
        let Self { runs } = other;
        for (run, Stranger { highest, copies, goes_on }) in runs {
            let mine = self.runs.entry(*run).or_default();
            mine.highest = mine.highest.max(*highest);
            mine.copies += copies;
            mine.goes_on |= goes_on;
        }
    }

    /// The runs that go on at the same time, and their copies.
    pub(super) fn sum(&self) -> OtherRuns {
        let at_once = || self.runs.values().filter(|stranger| stranger.goes_on);
        OtherRuns { runs: at_once().count() as u64, copies: at_once().map(|stranger| stranger.copies).sum() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn sum(copies: &[(u32, u32, Nanos)]) -> OtherRuns {
        let mut strangers = Strangers::default();
        copies.iter().for_each(|(run, emission, since)| strangers.came(*run, *emission, *since));
        strangers.sum()
    }

    #[test]
    fn what_an_application_kept_of_an_earlier_run_is_none_that_goes_on() {
        // Each newcomer gets the same again, or a room whose last message was a later one.
        let kept = [(7, 1, 0), (7, 2, 0), (7, 1, SECOND), (7, 9, SECOND)];
        assert_eq!(sum(&kept), OtherRuns::default());
        // Some applications say it again whenever they are asked.
        let again: Vec<_> = kept.into_iter().chain([(7, 9, 60 * SECOND), (7, 3, 61 * SECOND)]).collect();
        assert_eq!(sum(&again), OtherRuns::default());
    }

    #[test]
    fn a_run_that_sends_on_goes_on_and_all_its_copies_count() {
        let copies =
            [(7, 1, 5 * SECOND), (7, 1, 5 * SECOND), (7, 2, 6 * SECOND), (7, 2, 6 * SECOND), (9, 4, 3 * SECOND)];
        assert_eq!(sum(&copies), OtherRuns { runs: 1, copies: 4 });
    }

    #[test]
    fn stamps_that_are_made_up_take_no_room() {
        let mut strangers = Strangers::default();
        (0..10_000).for_each(|run| strangers.came(run, 1, 5 * SECOND));
        assert_eq!(strangers.runs.len(), MOST);
    }

    #[test]
    fn what_two_workers_saw_is_of_one_run() {
        let mut workers = [Strangers::default(), Strangers::default()];
        workers[0].came(7, 1, 5 * SECOND);
        workers[0].came(7, 2, 5 * SECOND);
        workers[1].came(7, 2, 5 * SECOND);
        let mut sum = Strangers::default();
        workers.iter().for_each(|worker| sum.add(worker));
        assert_eq!(sum.sum(), OtherRuns { runs: 1, copies: 3 });
    }
}

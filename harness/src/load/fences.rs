//! Cluster fences: messages that stand in no schedule, sent behind others to the same target. Whoever receives one has
//! received, or never will, what the same connection sent there before.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use sio_oracle::board::{ClusterFence, Nanos};

use super::schedule::Emission;

use crate::vocab::lock::LockExt;

/// The number of the first; the numbers below belong to messages of a schedule.
pub(super) const FIRST: u32 = 4_000_000_000;
/// So long it is known what a fence stands behind; one that comes later shows nothing.
const KEPT: Nanos = 120_000_000_000;

/// The fences of a run that may still be under way.
#[derive(Default)]
pub(super) struct Fences(Mutex<Held>);

#[derive(Default)]
struct Held {
    /// How many have been let go.
    gone: u32,
    fences: VecDeque<(ClusterFence, Emission)>,
}

impl Fences {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock_unpoisoned()
    }

    /// Notes one that is about to be sent, like that message; returns its number, if there are any left.
    pub(super) fn add(&self, fence: ClusterFence, like: Emission) -> Option<u32> {
        let mut held = self.held();
        while held.fences.front().is_some_and(|(oldest, _)| oldest.sent + KEPT < fence.sent) {
            held.fences.pop_front();
            held.gone += 1;
        }
        let number = FIRST.checked_add(held.gone)?.checked_add(held.fences.len() as u32)?;
        held.fences.push_back((fence, like));
        Some(number)
    }

    /// The fence of a number, if it is still known, and the message that it is like.
    pub(super) fn get(&self, number: u32) -> Option<(ClusterFence, Emission)> {
        let held = self.held();
        held.fences.get(number.checked_sub(FIRST)?.checked_sub(held.gone)? as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(fences: &Fences, sent: Nanos) -> Option<u32> {
        let fence = ClusterFence { sender: 1, session: 2, node: 0, stream: 3, last: Some(4), sent };
        fences.add(fence, Emission::default())
    }

    fn sent(fences: &Fences, number: u32) -> Option<Nanos> {
        fences.get(number).map(|(fence, _)| fence.sent)
    }

    #[test]
    fn a_fence_is_known_by_its_number_for_a_while() {
        let fences = Fences::default();
        assert_eq!((add(&fences, 1), add(&fences, 2)), (Some(FIRST), Some(FIRST + 1)));
        assert_eq!(sent(&fences, FIRST + 1), Some(2));
        assert_eq!((sent(&fences, FIRST + 2), sent(&fences, 7)), (None, None));
        assert_eq!(add(&fences, KEPT + 2), Some(FIRST + 2));
        assert_eq!((sent(&fences, FIRST), sent(&fences, FIRST + 1)), (None, Some(2)));
    }
}

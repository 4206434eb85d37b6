//! Who is to send cluster fences, and how many. A fence goes to everybody in its target, so a room of two thousand who speak
//! there would get four million of them if each sent one: they are sent where somebody lacks something, and cost no more
//! copies in a second than a run can bear.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use indexmap::IndexMap;
use sio_oracle::board::Nanos;

use super::plan::Plan;

use crate::vocab::lock::LockExt;

/// Copies in a second of fences that somebody needs: while messages are sent, and behind the last of them.
const NEEDED: f64 = 10_000.0;
const NEEDED_AT_THE_END: f64 = 50_000.0;
/// Copies in a second of fences that are sent on the off-chance, by who has become quiet.
const UNASKED: f64 = 2_000.0;
/// A fence that has been sent for somebody is given so long ahead of another one.
const AGAIN: Nanos = 1_500_000_000;
/// Each user looks this often whether it lacks something, unless that would be too many looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Looks in a second, of all users together. They cost no traffic.
const MOST_LOOKS: f64 = 5_000.0;
/// What was answered so long ago and is not here is worth a fence, unless the way takes half as long or more just now: who is
/// slow needs no more to do. Behind the last message nothing is in the way.
const LACKED: Nanos = 2_000_000_000;
const MOST_LACKED: Nanos = 20_000_000_000;
const LACKED_AT_THE_END: Nanos = 200_000_000;

/// How often each of so many users looks whether it lacks something.
pub(super) fn look_every(users: usize) -> Duration {
    LOOK_EVERY.max(Duration::from_secs_f64(users as f64 / MOST_LOOKS))
}

/// How long ago a message was answered that is worth a fence if it is not here, where the way took so long the last time.
pub(super) fn lacked_for(ending: bool, took: Nanos) -> Nanos {
    if ending { LACKED_AT_THE_END } else { LACKED.max(took.saturating_mul(2)).min(MOST_LACKED) }
}

/// Copies of fences that may be sent.
#[derive(Debug)]
struct Budget {
    credit: f64,
    at: Nanos,
}

impl Budget {
    /// Takes as many copies as a fence has, if there is credit for one; what it takes too much has to be waited for.
    fn take(&mut self, rate: f64, copies: u32, now: Nanos) -> bool {
        let since = (now - self.at).max(0) as f64 / 1e9;
        self.at = self.at.max(now);
        self.credit = (self.credit + rate * since).min(rate);
        let may = self.credit > 0.0;
        if may {
            self.credit -= f64::from(copies);
        }
        may
    }
}

/// A sender and a target.
type Way = (u32, u32);

/// What receivers lack, for the workers of those who have sent it.
pub(super) struct Needs {
    /// By target: how many get a message.
    audiences: Vec<u32>,
    held: Mutex<Held>,
}

struct Held {
    /// The latest message that somebody lacks, by way, in the order in which it was asked for.
    wanted: IndexMap<Way, u32>,
    /// When a fence was sent for somebody.
    sent: HashMap<Way, Nanos>,
    needed: Budget,
    unasked: Budget,
}

impl Needs {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut audiences = Vec::new();
        if plan.is_cluster() {
            audiences.resize(plan.streams() as usize, 0);
            for user in &plan.users {
                let namespaces = &plan.populations[user.population].namespaces;
                let streams = namespaces.iter().flat_map(|namespace| plan.streams_of(user, namespace));
                streams.for_each(|(stream, _)| audiences[stream as usize] += 1);
            }
        }
        Self::with(audiences)
    }

    fn with(audiences: Vec<u32>) -> Self {
        // Far in the past, so that there is credit from the start.
        let budget = || Budget { credit: 0.0, at: Nanos::MIN / 2 };
        let (needed, unasked) = (budget(), budget());
        let held = Held { wanted: IndexMap::new(), sent: HashMap::new(), needed, unasked };
        Self { audiences, held: Mutex::new(held) }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock_unpoisoned()
    }

    fn copies(&self, stream: u32) -> u32 {
        self.audiences.get(stream as usize).copied().unwrap_or(0).max(1)
    }

    /// Somebody lacks messages: each is a target, a number there and a sender.
    pub(super) fn want(&self, lacked: &[(u32, u32, u32)]) {
        if lacked.is_empty() {
            return;
        }
        let mut held = self.held();
        for (stream, seq, sender) in lacked {
            let latest = held.wanted.entry((*sender, *stream)).or_insert(*seq);
            *latest = (*latest).max(*seq);
        }
    }

    /// The fences that are to be sent now by those senders for whom `is_mine`: sender, target and the message that somebody
    /// lacks.
    pub(super) fn due(&self, now: Nanos, ending: bool, is_mine: impl Fn(u32) -> bool) -> Vec<(u32, u32, u32)> {
        let mut held = self.held();
        let Held { wanted, sent, needed, .. } = &mut *held;
        let mut due = Vec::new();
        if wanted.is_empty() {
            return due;
        }
        let rate = if ending { NEEDED_AT_THE_END } else { NEEDED };
        sent.retain(|_, at| *at + AGAIN > now);
        wanted.retain(|&(sender, stream), seq| {
            if !is_mine(sender) {
                return true;
            }
            // It is under way.
            if sent.contains_key(&(sender, stream)) {
                return false;
            }
            let may = needed.take(rate, self.copies(stream), now);
            if may {
                sent.insert((sender, stream), now);
                due.push((sender, stream, *seq));
            }
            !may
        });
        due
    }

    /// Whether all that was asked for has been sent.
    pub(super) fn are_met(&self) -> bool {
        self.held().wanted.is_empty()
    }

    /// Whether a fence may be sent that nobody has asked for.
    pub(super) fn may_be_sent_unasked(&self, stream: u32, now: Nanos) -> bool {
        self.held().unasked.take(UNASKED, self.copies(stream), now)
    }
}

#[cfg(test)]
mod tests {
    use sio_oracle::board::PATIENCE;

    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    /// Fences of ten seconds, asked about as often as workers do.
    fn in_ten_seconds(mut fences: impl FnMut(Nanos) -> usize) -> usize {
        (0..200).map(|tick| fences(tick * SECOND / 20)).sum()
    }

    #[test]
    fn a_room_of_two_thousand_who_speak_is_not_flooded() {
        let needs = Needs::with(vec![2_000]);
        let unasked = in_ten_seconds(|now| (0..2_000).filter(|_| needs.may_be_sent_unasked(0, now)).count());
        assert!((10..=12).contains(&unasked), "{unasked} fences of 2,000 copies");
        let lacked: Vec<_> = (0..2_000).map(|sender| (0, sender, sender)).collect();
        for (ending, most) in [(false, NEEDED), (true, NEEDED_AT_THE_END)] {
            let needs = Needs::with(vec![2_000]);
            needs.want(&lacked);
            let fences = in_ten_seconds(|now| needs.due(now, ending, |_| true).len());
            let copies = fences as f64 * 2_000.0;
            assert!(copies > 9.0 * most && copies <= 11.0 * most + 2_000.0, "{copies} copies");
            assert!(!needs.are_met(), "the others wait for their turn");
        }
    }

    #[test]
    fn small_rooms_get_what_they_ask_for_at_once() {
        let needs = Needs::with(vec![20; 80]);
        needs.want(&(0..80).map(|stream| (stream, 3, stream % 40)).collect::<Vec<_>>());
        assert_eq!(needs.due(0, false, |sender| sender < 20).len(), 40);
        assert_eq!(needs.due(0, false, |sender| sender >= 20).len(), 40);
        assert!(needs.are_met());
    }

    #[test]
    fn a_room_too_large_for_the_budget_gets_one_at_a_time() {
        let needs = Needs::with(vec![100_000]);
        needs.want(&[(0, 1, 1), (0, 2, 2)]);
        let times: Vec<_> =
            (0..200).filter(|tick| !needs.due(tick * SECOND / 10, false, |_| true).is_empty()).collect();
        assert_eq!(times.len(), 2, "{times:?}");
        assert_eq!(times[0], 0);
        assert!((90..=100).contains(&times[1]), "100,000 copies at 10,000 a second: {times:?}");
    }

    #[test]
    fn whoever_asks_while_a_fence_is_under_way_causes_no_other() {
        let needs = Needs::with(vec![10]);
        needs.want(&[(0, 1, 7)]);
        assert_eq!(needs.due(0, false, |_| true), [(7, 0, 1)]);
        needs.want(&[(0, 1, 7), (0, 4, 7), (0, 2, 7)]);
        assert_eq!(needs.due(SECOND, false, |_| true), []);
        needs.want(&[(0, 1, 7), (0, 4, 7), (0, 2, 7)]);
        assert_eq!(needs.due(2 * SECOND, false, |_| true), [(7, 0, 4)], "it may have been lost");
    }

    #[test]
    fn a_loss_is_decided_long_before_patience_ends_however_many_users_there_are() {
        for users in [1, 2_000, 12_000, 50_000, 100_000] {
            let looked = look_every(users).as_nanos() as Nanos + lacked_for(false, 0);
            // Twice, as a fence may be lost as well.
            assert!(2 * looked < PATIENCE, "{users} users: a look every {:?}", look_every(users));
            let slow = look_every(users).as_nanos() as Nanos + lacked_for(false, 90 * SECOND);
            assert!(slow < PATIENCE, "{users} users of a slow cluster");
        }
    }
}

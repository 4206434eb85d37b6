//! When users lost their connections or went, how, and how they came back: what a case needs that is cut out of a load.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use sio_oracle::board::Nanos;

use crate::scenario::model::Leaving;
use crate::vocab::lock::LockExt;

/// Outages of each user that are kept: the last ones.
const KEPT: usize = 2;
/// What is sent so shortly ahead of a cut may be lost by it.
const AHEAD: Nanos = 1_000_000_000;

/// A connection that ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outage {
    pub(super) cut_at: Nanos,
    pub(super) how: Cut,
    /// Not if it has not come back.
    pub(super) back: Option<Back>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cut {
    /// As this end wanted it, and how long it kept silent then.
    Wanted(Leaving, Duration),
    /// The server ended it, or its network.
    Broken,
}

/// How somebody came back.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Back {
    /// When it asked to be let in.
    pub(super) at: Nanos,
    /// From when on it was in its rooms.
    pub(super) joined_at: Option<Nanos>,
    /// Namespaces in which it asked for the session that it had, and was not given another.
    pub(super) sessions: Vec<String>,
}

impl Outage {
    /// Whether it has the session of a namespace again.
    pub(super) fn keeps(&self, namespace: &str) -> bool {
        self.back.as_ref().is_some_and(|back| back.sessions.iter().any(|name| name == namespace))
    }
}

/// The last outages of everybody; shared by the workers, and locked once for each.
#[derive(Debug, Default)]
pub(super) struct Outages(Mutex<HashMap<u32, Vec<Outage>>>);

impl Outages {
    /// The connection of `user` has ended.
    pub(super) fn cut(&self, user: u32, cut_at: Nanos, how: Cut) {
        let mut all = self.lock();
        let own = all.entry(user).or_default();
        if own.len() == KEPT {
            own.remove(0);
        }
        own.push(Outage { cut_at, how, back: None });
    }

    /// `user` asks to be let in again, and for its sessions in these namespaces.
    pub(super) fn asks(&self, user: u32, at: Nanos, sessions: impl Iterator<Item = String>) {
        if let Some(last) = self.lock().get_mut(&user).and_then(|own| own.last_mut()) {
            last.back = Some(Back { at, joined_at: None, sessions: sessions.collect() });
        }
    }

    /// `user` is in its rooms again; `recovered` says in which namespaces it has its session.
    pub(super) fn is_back(&self, user: u32, at: Nanos, recovered: impl Fn(&str) -> bool) {
        let mut all = self.lock();
        if let Some(back) = all.get_mut(&user).and_then(|own| own.last_mut()).and_then(|last| last.back.as_mut()) {
            back.joined_at = Some(at);
            back.sessions.retain(|name| recovered(name));
        }
    }

    /// The outage of `user` that matters to what was sent and came at these times: the last one ahead of its coming; if it
    /// did not come, that in which it was sent.
    pub(super) fn around(&self, user: u32, sent: Nanos, came: Option<Nanos>) -> Option<Outage> {
        let all = self.lock();
        let own = all.get(&user)?;
        let until = came.unwrap_or(sent.saturating_add(AHEAD));
        own.iter().rfind(|outage| outage.cut_at <= until).cloned()
    }

    /// Of those that `wanted` takes, who had gone last before `at` and was not there again: somebody new may have got its
    /// place.
    pub(super) fn gone_before(&self, at: Nanos, wanted: impl Fn(u32) -> bool) -> Option<(u32, Outage)> {
        let all = self.lock();
        let last = all.iter().flat_map(|(user, own)| own.iter().map(move |outage| (*user, outage)));
        let gone = last.filter(|(user, outage)| {
            let there = outage.back.as_ref().is_some_and(|back| back.at <= at);
            outage.cut_at <= at && !there && wanted(*user)
        });
        gone.max_by_key(|(user, outage)| (outage.cut_at, *user)).map(|(user, outage)| (user, outage.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Vec<Outage>>> {
        self.0.lock_unpoisoned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outage_is_that_around_the_message() {
        let outages = Outages::default();
        for (cut, back) in [(10, 20), (50, 60)] {
            outages.cut(7, cut * AHEAD, Cut::Broken);
            outages.asks(7, back * AHEAD, ["/".to_owned(), "/x".to_owned()].into_iter());
            outages.is_back(7, back * AHEAD + 1, |name| name == "/");
        }
        let cut = |sent: i64, came: Option<i64>| {
            outages.around(7, sent * AHEAD, came.map(|at| at * AHEAD)).map(|outage| outage.cut_at / AHEAD)
        };
        assert_eq!(cut(15, Some(21)), Some(10), "missed, and came twice");
        assert_eq!(cut(15, None), Some(10));
        assert_eq!(cut(49, None), Some(50), "on its way when the connection broke");
        assert_eq!(cut(5, Some(9)), None);
        let last = outages.around(7, 100 * AHEAD, None).unwrap();
        assert!(last.keeps("/") && !last.keeps("/x"));
    }

    #[test]
    fn who_has_come_back_has_left_no_place() {
        let outages = Outages::default();
        outages.cut(1, 10, Cut::Broken);
        outages.cut(2, 20, Cut::Broken);
        outages.asks(2, 25, std::iter::empty());
        outages.cut(3, 40, Cut::Broken);
        let before = |at| outages.gone_before(at, |user| user != 9).map(|(user, _)| user);
        assert_eq!(
            [before(9), before(15), before(22), before(30), before(50)],
            [None, Some(1), Some(2), Some(1), Some(3)]
        );
    }

    /// The last two are kept of each, so that nothing grows; each says how it ended and how it came back.
    #[test]
    fn the_last_two_outages_are_kept_as_they_were() {
        let outages = Outages::default();
        assert_eq!(outages.around(7, 5, None), None, "nothing is made up");
        outages.asks(7, 1, std::iter::empty());
        outages.is_back(7, 2, |_| true);
        assert_eq!(outages.around(7, 5, None), None, "who was never away has not come back");
        let wanted = Cut::Wanted(Leaving::Politely, Duration::from_secs(3));
        outages.cut(7, 10, Cut::Broken);
        outages.cut(7, 30, wanted);
        let first = outages.around(7, 20, Some(20)).unwrap();
        assert_eq!(first, Outage { cut_at: 10, how: Cut::Broken, back: None });
        outages.asks(7, 35, ["/".to_owned()].into_iter());
        outages.is_back(7, 37, |_| true);
        let back = Back { at: 35, joined_at: Some(37), sessions: vec!["/".to_owned()] };
        assert_eq!(outages.around(7, 40, Some(40)), Some(Outage { cut_at: 30, how: wanted, back: Some(back) }));
        outages.cut(7, 50, Cut::Broken);
        assert_eq!(outages.around(7, 20, Some(20)), None, "the first of three is forgotten");
        assert_eq!(outages.around(7, 30, Some(30)).map(|outage| outage.cut_at), Some(30), "at that very instant");
        assert_eq!(outages.around(8, 40, Some(40)), None, "of somebody else nothing is known");
    }

    /// What is sent up to a second ahead of a cut may be lost by it, and no earlier.
    #[test]
    fn what_is_sent_a_second_ahead_of_a_cut_may_be_lost_by_it() {
        let outages = Outages::default();
        outages.cut(7, 5 * AHEAD, Cut::Broken);
        let is_lost = |sent| outages.around(7, sent, None).is_some();
        assert_eq!([4 * AHEAD - 1, 4 * AHEAD, 6 * AHEAD].map(is_lost), [false, true, true]);
        assert!(!outages.around(7, 5 * AHEAD, None).unwrap().keeps("/"), "who is not back has no session");
    }

    /// A place is free from the instant of the cut to that of the return, for those that are asked about.
    #[test]
    fn a_place_is_free_from_the_cut_to_the_return() {
        let outages = Outages::default();
        outages.cut(1, 10, Cut::Broken);
        outages.asks(1, 20, std::iter::empty());
        let at = |at, who: u32| outages.gone_before(at, |user| user == who).map(|(user, outage)| (user, outage.cut_at));
        assert_eq!([9, 10, 19, 20, 21].map(|now| at(now, 1)), [None, Some((1, 10)), Some((1, 10)), None, None]);
        assert_eq!(at(15, 2), None, "nobody else has gone");
        outages.cut(2, 10, Cut::Broken);
        let either = outages.gone_before(15, |_| true).map(|(user, _)| user);
        assert_eq!(either, Some(2), "of two at one instant, the same one each time");
    }
}

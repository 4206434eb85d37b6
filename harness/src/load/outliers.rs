//! Why a message took long to reach everybody: the worst few of each traffic, with how their last copies came.

use sio_oracle::board::Nanos;

use super::emission_log::{Entry, FanoutProgress};
use super::plan::Plan;
use crate::record::Outlier;

/// So many are kept of each traffic.
pub(super) const KEPT: usize = 3;

/// How the copy of a message came that came last. What is noted of each delivery, so it holds no more than it must.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LastCopy {
    pub(super) user: u32,
    /// When the GET was made that brought it; `None` over a WebSocket.
    pub(super) asked_at: Option<Nanos>,
    /// Whether it was read together with a ping.
    pub(super) with_ping: bool,
}

/// One that took long.
#[derive(Clone, Copy, Debug)]
struct Late {
    at: u64,
    sent: Nanos,
    seen: FanoutProgress,
}

/// The worst of each traffic.
#[derive(Default)]
pub(super) struct Outliers(Vec<Vec<Late>>);

impl Outliers {
    pub(super) fn new(traffics: usize) -> Self {
        Self((0..traffics).map(|_| Vec::with_capacity(KEPT + 1)).collect())
    }

    /// A message has reached all who were owed it.
    pub(super) fn note(&mut self, entry: &Entry, sent: Nanos, seen: FanoutProgress) {
        let worst = &mut self.0[usize::from(entry.emission.traffic)];
        if worst.len() == KEPT && worst.last().is_some_and(|least| least.seen.last >= seen.last) {
            return;
        }
        let place = worst.partition_point(|other| other.seen.last >= seen.last);
        worst.insert(place, Late { at: entry.emission.at, sent, seen });
        worst.truncate(KEPT);
    }

    /// As they are recorded.
    pub(super) fn results(&self, traffic: usize, plan: &Plan) -> impl Iterator<Item = Outlier> {
        self.0[traffic].iter().map(move |late| late.result(plan))
    }
}

impl Late {
    fn result(&self, plan: &Plan) -> Outlier {
        let copy = self.seen.late;
        let user = &plan.users[copy.user as usize];
        let asked = copy.asked_at.map(|at| u64::try_from(at - self.sent).unwrap_or(0));
        Outlier {
            second: self.at as f64 / 1e9,
            complete: self.seen.last,
            recipients: self.seen.count,
            gap: (self.seen.count > 1).then(|| self.seen.last - self.seen.before),
            user: copy.user,
            population: plan.populations[user.population].name.clone(),
            polling: asked.is_some(),
            asked_after: asked.filter(|after| *after > 0),
            with_ping: copy.with_ping,
        }
    }
}

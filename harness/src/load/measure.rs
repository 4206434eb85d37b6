//! What one worker measures. Owned by its thread: no lock, no allocation per delivery.

use std::sync::atomic::{AtomicU64, Ordering};

use hdrhistogram::Histogram;
use indexmap::IndexMap;
use sio_oracle::{Fate, Outcome, Receiver, Scoreboard};

use super::plan::{Emission, Plan};
use super::witness::{Kind, Witnesses};
use crate::record::Counts;
use crate::record::histogram::{empty, record};

/// A message counts as sent late beyond this: a millisecond.
const LATE: i64 = 1_000_000;

/// When each emission was sent, in nanoseconds of the run's clock plus one; zero while it was not. Written by
/// its sender's worker, read by its receivers'.
pub(super) struct SentTimes(Vec<AtomicU64>);

impl SentTimes {
    pub(super) fn new(emissions: usize) -> Self {
        Self((0..emissions).map(|_| AtomicU64::new(0)).collect())
    }

    fn set(&self, emission: u32, at: u64) {
        // Relaxed: a receiver sees the message through the target, long after; a late sight costs one sample
        // of service time and nothing else. At the end, threads are joined before this is read.
        self.0[emission as usize].store(at + 1, Ordering::Relaxed);
    }

    pub(super) fn get(&self, emission: u32) -> Option<u64> {
        self.0[emission as usize].load(Ordering::Relaxed).checked_sub(1)
    }
}

/// What one worker's receivers saw of one emission.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Latency to the first and the last of them; `first` is the maximum while there is none.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) count: u32,
}

impl Seen {
    pub(super) const NOTHING: Self = Self { first: u64::MAX, last: 0, count: 0 };

    pub(super) fn add(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count += other.count;
    }
}

/// Histograms that fill up between two snapshots, one per phase; made when the first value comes.
#[derive(Default)]
struct Spread(Vec<Option<Histogram<u64>>>);

impl Spread {
    fn record(&mut self, index: usize, value: u64) {
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || None);
        }
        record(self.0[index].get_or_insert_with(empty), value);
    }

    fn take(&mut self) -> Vec<(usize, Histogram<u64>)> {
        let taken = self.0.iter_mut().enumerate();
        taken.filter_map(|(index, slot)| slot.take().map(|histogram| (index, histogram))).collect()
    }
}

/// Which distribution a histogram belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) measure: Measure,
    /// Index of the traffic; 0 for measures that have none.
    pub(super) traffic: usize,
    pub(super) phase: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Measure {
    /// Intended time to receipt.
    Delivery,
    /// Sending to receipt.
    Service,
    /// Intended time to sending.
    Late,
    /// Intended time to the CONNECT reply; before any phase.
    Connect,
    /// Intended time to the first recipient.
    First,
    /// Intended time to the last recipient.
    Complete,
    /// Intended time to the sender's acknowledgement.
    Ack,
}

impl Measure {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Service => "service",
            Self::Late => "late",
            Self::Connect => "connect",
            Self::First => "first",
            Self::Complete => "complete",
            Self::Ack => "ack",
        }
    }
}

/// What was measured since the last snapshot, and how things stand.
pub(super) struct Snapshot {
    pub(super) worker: usize,
    pub(super) open: u64,
    pub(super) failed: u64,
    pub(super) lost: u64,
    pub(super) sent: u64,
    pub(super) delivered: u64,
    pub(super) histograms: Vec<(Key, Histogram<u64>)>,
}

/// What a worker counts that belongs to no message.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) open: u64,
    pub(super) failed: u64,
    pub(super) lost: u64,
    pub(super) foreign: u64,
    pub(super) negative: u64,
    pub(super) unsettled: u64,
    pub(super) problems: IndexMap<String, u64>,
}

impl Tally {
    /// Notes what went wrong with a user; one line for each kind, of which there are few.
    pub(super) fn problem(&mut self, what: String) {
        *self.problems.entry(what).or_default() += 1;
    }
}

/// The state of a worker.
pub(super) struct Measurements {
    board: Scoreboard,
    seen: Vec<Seen>,
    counts: Vec<Vec<Counts>>,
    delivery: Vec<Spread>,
    service: Vec<Spread>,
    ack: Vec<Spread>,
    late: Spread,
    connect: Spread,
    pub(super) tally: Tally,
    witnesses: Witnesses,
    sent: u64,
    delivered: u64,
}

impl Measurements {
    pub(super) fn new(plan: &Plan) -> Self {
        let traffics = plan.traffic.len();
        let spreads = || (0..traffics).map(|_| Spread::default()).collect();
        Self {
            board: Scoreboard::new(plan.ledger.clone()),
            seen: vec![Seen::NOTHING; plan.emissions.len()],
            counts: vec![vec![Counts::default(); plan.phases.len()]; traffics],
            delivery: spreads(),
            service: spreads(),
            ack: spreads(),
            late: Spread::default(),
            connect: Spread::default(),
            tally: Tally::default(),
            witnesses: Witnesses::default(),
            sent: 0,
            delivered: 0,
        }
    }

    /// A user is in its rooms; it was connected `nanos` after its intended time.
    pub(super) fn opened(&mut self, plan: &Plan, user: u32, nanos: u64) -> Receiver {
        self.tally.open += 1;
        self.connect.record(0, nanos);
        self.board.add(user, plan.audiences_of(&plan.users[user as usize]))
    }

    /// Emission `index` leaves now.
    pub(super) fn sending(&mut self, emission: &Emission, index: u32, now: i64, sent: &SentTimes) {
        let late = now - emission.at as i64;
        sent.set(index, now.max(0) as u64);
        self.sent += 1;
        let counts = &mut self.counts[usize::from(emission.traffic)][usize::from(emission.phase)];
        counts.sent += 1;
        counts.sent_late += u64::from(late > LATE);
        self.late.record(usize::from(emission.phase), late.max(0) as u64);
    }

    /// A message arrived at `now`.
    pub(super) fn delivered(&mut self, plan: &Plan, receiver: Receiver, index: u32, now: i64, sent: &SentTimes) {
        let Some(emission) = plan.emissions.get(index as usize) else {
            self.tally.foreign += 1;
            return;
        };
        let (traffic, phase) = (usize::from(emission.traffic), usize::from(emission.phase));
        let outcome = self.board.deliver(receiver, plan.audience(emission), emission.seq);
        let counts = &mut self.counts[traffic][phase];
        let kind = match outcome {
            Outcome::Owed => None,
            Outcome::OutOfOrder => Some(Kind::Disorder),
            Outcome::Duplicate => Some(Kind::Duplicate),
            Outcome::Stray => Some(Kind::Stray),
        };
        if let Some(kind) = kind {
            self.witnesses.note(kind, self.board.user(receiver), index, Some(now));
        }
        match outcome {
            Outcome::Owed => {}
            Outcome::OutOfOrder => counts.disorder += 1,
            Outcome::Duplicate => {
                counts.duplicate += 1;
                return;
            }
            Outcome::Stray => {
                counts.stray += 1;
                return;
            }
        }
        self.delivered += 1;
        let latency = now - emission.at as i64;
        self.tally.negative += u64::from(latency < 0);
        let latency = latency.max(0) as u64;
        self.delivery[traffic].record(phase, latency);
        if let Some(sent) = sent.get(index) {
            self.service[traffic].record(phase, (now - sent as i64).max(0) as u64);
        }
        self.seen[index as usize].add(Seen { first: latency, last: latency, count: 1 });
    }

    /// The sender's acknowledgement of an emission arrived.
    pub(super) fn acknowledged(&mut self, emission: &Emission, now: i64) {
        let latency = (now - emission.at as i64).max(0) as u64;
        self.ack[usize::from(emission.traffic)].record(usize::from(emission.phase), latency);
    }

    /// Closes the account of a receiver.
    pub(super) fn settle(&mut self, plan: &Plan, receiver: Receiver, cut: bool, sent: &SentTimes) {
        let (board, counts, witnesses) = (&self.board, &mut self.counts, &mut self.witnesses);
        let user = board.user(receiver);
        let emission = |audience: u32, seq: u32| plan.audience_emissions[audience as usize][seq as usize];
        let was_sent = |audience, seq| sent.get(emission(audience, seq)).is_some();
        board.settle(receiver, cut, was_sent, |audience, seq, fate| {
            let index = emission(audience, seq);
            let emission = &plan.emissions[index as usize];
            let counts = &mut counts[usize::from(emission.traffic)][usize::from(emission.phase)];
            match fate {
                Fate::Delivered => {
                    counts.owed += 1;
                    counts.delivered += 1;
                }
                Fate::Missing => {
                    counts.owed += 1;
                    counts.missing += 1;
                    witnesses.note(Kind::Missing, user, index, None);
                }
                Fate::Excused => counts.excused += 1,
            }
        });
    }

    /// Hands out what was measured since the last time.
    pub(super) fn snapshot(&mut self, worker: usize) -> Snapshot {
        let mut histograms = Vec::new();
        let mut collect = |measure, traffic, spread: &mut Spread| {
            let taken = spread.take().into_iter();
            histograms.extend(taken.map(|(phase, histogram)| (Key { measure, traffic, phase }, histogram)));
        };
        for (traffic, spread) in self.delivery.iter_mut().enumerate() {
            collect(Measure::Delivery, traffic, spread);
        }
        for (traffic, spread) in self.service.iter_mut().enumerate() {
            collect(Measure::Service, traffic, spread);
        }
        for (traffic, spread) in self.ack.iter_mut().enumerate() {
            collect(Measure::Ack, traffic, spread);
        }
        collect(Measure::Late, 0, &mut self.late);
        collect(Measure::Connect, 0, &mut self.connect);
        Snapshot {
            worker,
            open: self.tally.open,
            failed: self.tally.failed,
            lost: self.tally.lost,
            sent: self.sent,
            delivered: self.delivered,
            histograms,
        }
    }

    /// What is left when the worker ends: the per-emission view, the counts by traffic and phase, and the rest.
    pub(super) fn into_parts(self) -> (Vec<Seen>, Vec<Vec<Counts>>, Tally, Witnesses) {
        (self.seen, self.counts, self.tally, self.witnesses)
    }
}

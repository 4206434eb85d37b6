//! The first deliveries that were wrong, with what proves it: a count alone helps nobody to find the bug.

use super::measure::SentTimes;
use super::plan::Plan;
use super::worker::WorkerResult;
use crate::record::LoadViolation;

/// Of each kind, so many are kept by a worker and shown of a run.
const SHOWN: usize = 3;

/// What was wrong with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Missing,
    Duplicate,
    Stray,
    Disorder,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Missing, Self::Duplicate, Self::Stray, Self::Disorder];

    /// The measure it is counted by.
    fn measure(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Duplicate => "duplicate",
            Self::Stray => "stray",
            Self::Disorder => "disorder",
        }
    }

    fn invariant(self) -> sio_oracle::Invariant {
        match self {
            Self::Missing => sio_oracle::Invariant::NoLoss,
            Self::Duplicate => sio_oracle::Invariant::UnionOnce,
            Self::Stray => sio_oracle::Invariant::NoPhantom,
            Self::Disorder => sio_oracle::Invariant::FifoSender,
        }
    }
}

/// One delivery.
#[derive(Clone, Copy, Debug)]
struct Witness {
    kind: Kind,
    receiver: u32,
    emission: u32,
    /// When it came, if it did: nanoseconds on the run's clock.
    at: Option<i64>,
}

/// The first of each kind; at most a dozen, so nothing grows with the run.
#[derive(Clone, Debug, Default)]
pub(super) struct Witnesses(Vec<Witness>);

impl Witnesses {
    pub(super) fn note(&mut self, kind: Kind, receiver: u32, emission: u32, at: Option<i64>) {
        if self.0.iter().filter(|witness| witness.kind == kind).count() < SHOWN {
            self.0.push(Witness { kind, receiver, emission, at });
        }
    }
}

/// The first of each kind over all workers, in words.
pub(super) fn describe(plan: &Plan, sent: &SentTimes, workers: &[WorkerResult]) -> Vec<LoadViolation> {
    let mut all: Vec<&Witness> = workers.iter().flat_map(|worker| &worker.witnesses.0).collect();
    all.sort_by_key(|witness| (witness.kind, plan.emissions[witness.emission as usize].at, witness.receiver));
    let first = |kind: Kind| all.iter().copied().filter(move |witness| witness.kind == kind).take(SHOWN);
    Kind::ALL.into_iter().flat_map(first).map(|witness| in_words(witness, plan, sent)).collect()
}

fn in_words(witness: &Witness, plan: &Plan, sent: &SentTimes) -> LoadViolation {
    let emission = &plan.emissions[witness.emission as usize];
    let (receiver, sender) = (witness.receiver, emission.sender);
    let traffic = &plan.traffic[usize::from(emission.traffic)];
    let room = &plan.rooms[emission.room as usize];
    let message = format!("message {} of {traffic}", witness.emission);
    let is_member = plan.users[receiver as usize].rooms.contains(&emission.room);
    let summary = match witness.kind {
        Kind::Missing => format!("user {receiver} did not get {message}"),
        Kind::Duplicate => format!("user {receiver} got {message} again"),
        Kind::Stray if receiver == sender => format!("user {receiver} got {message}, which it had sent itself"),
        Kind::Stray => format!("user {receiver} got {message}, which was not for it"),
        Kind::Disorder => format!("user {receiver} got {message} behind a later one of the same sender"),
    };
    let left = sent.get(witness.emission).map_or_else(|| "never".to_owned(), |at| seconds(at as i64));
    let mut because = vec![format!(
        "user {sender} sent it to {room}; it was due at {} and left at {left}",
        seconds(emission.at as i64)
    )];
    because.push(if is_member {
        format!("user {receiver} was in {room} from its opening to the end of the run")
    } else {
        format!("user {receiver} was never in {room}")
    });
    because.push(match witness.at {
        Some(at) => format!("a copy came at {}", seconds(at)),
        None => "its last fence was answered, ahead of which everything for it must come; no copy had".to_owned(),
    });
    LoadViolation {
        measure: witness.kind.measure().to_owned(),
        invariant: witness.kind.invariant().id().to_owned(),
        summary,
        because,
    }
}

fn seconds(nanos: i64) -> String {
    format!("{:.3} s", nanos as f64 / 1e9)
}

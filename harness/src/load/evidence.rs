//! The first deliveries that were wrong, with what proves it: a count alone helps nobody to find the bug.

mod lanes;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use sio_oracle::Tri;
use sio_oracle::board::{Absence, Emission as Number, Nanos};

use super::emission_log::{Entry, Window};
use super::outages::Outages;
use super::plan::Plan;
use super::repro::Repro;
use crate::record::LoadViolation;

/// Of each kind, so many are shown of a run.
const SHOWN: usize = 3;
/// So many that did not come are kept by a worker: those that come late after all are taken out again.
const ABSENT: usize = 24;

/// What was wrong with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Missing,
    Altered,
    Duplicate,
    Misdelivered,
    OutOfOrder,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Missing, Self::Altered, Self::Duplicate, Self::Misdelivered, Self::OutOfOrder];

    /// The measure it is counted by.
    fn measure(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Altered => "altered",
            Self::Duplicate => "duplicate",
            Self::Misdelivered => "misdelivered",
            Self::OutOfOrder => "out_of_order",
        }
    }

    fn invariant(self) -> sio_oracle::Invariant {
        match self {
            Self::Missing => sio_oracle::Invariant::NoLoss,
            Self::Altered => sio_oracle::Invariant::Payload,
            Self::Duplicate => sio_oracle::Invariant::UnionOnce,
            Self::Misdelivered => sio_oracle::Invariant::NoPhantom,
            Self::OutOfOrder => sio_oracle::Invariant::FifoSender,
        }
    }

    /// How many of it a worker keeps.
    fn kept(self) -> usize {
        if self == Self::Missing { ABSENT } else { SHOWN }
    }
}

/// What was seen of it besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Observed {
    Nothing,
    /// What shows that it will not come, and whether the target has fences; without them they were waited for.
    Absent {
        by: Absence,
        fenced: bool,
    },
    /// It came behind this one.
    Behind(Number),
    /// It came behind a cluster fence that had been sent behind it, at this instant.
    BehindFence(Nanos),
    /// It came when it had been given up.
    Late {
        fenced: bool,
    },
    /// So many bytes of its payload, from the first on, are as they were sent.
    Intact(usize),
}

/// One delivery.
pub(super) struct ViolationEvidence<'a> {
    pub(super) kind: Kind,
    pub(super) receiver: u32,
    pub(super) entry: &'a Entry,
    /// When it came, if it did: nanoseconds on the run's clock.
    pub(super) at: Option<i64>,
    /// From when on the receiver was in the target of the message, or was not, or perhaps.
    pub(super) stays: Vec<(Nanos, Tri)>,
    pub(super) seen: Observed,
}

/// Kept of it, since the message itself will be let go.
#[derive(Clone, Debug)]
struct Kept {
    kind: Kind,
    /// Intended time of the message.
    due: u64,
    receiver: u32,
    traffic: usize,
    /// Stream and number of the message, if they are known.
    message: Option<(u32, u32)>,
    violation: LoadViolation,
    excerpt: Repro,
}

/// The first of each kind; a few dozen at most, so nothing grows with the run.
#[derive(Debug, Default)]
pub(super) struct Witnesses {
    kept: Vec<Kept>,
    outages: Arc<Outages>,
}

impl Witnesses {
    pub(super) fn new(outages: Arc<Outages>) -> Self {
        Self { kept: Vec::new(), outages }
    }

    pub(super) fn note(&mut self, plan: &Plan, window: &Window, witness: &ViolationEvidence<'_>) {
        if !self.has_room(witness.kind) {
            return;
        }
        let excerpt = Repro::around(plan, window, witness, &self.outages);
        let mut violation = words::of(witness, plan, window);
        violation.lanes = lanes::of(witness, plan, &excerpt, window);
        let emission = &witness.entry.emission;
        self.kept.push(Kept {
            kind: witness.kind,
            due: emission.at,
            receiver: witness.receiver,
            traffic: usize::from(emission.traffic),
            message: Some((emission.stream, emission.seq)),
            violation,
            excerpt,
        });
    }

    /// A copy came at `at` of which nobody knows which message it is of; `json` is all of it.
    pub(super) fn note_spoilt(&mut self, plan: &Plan, receiver: u32, traffic: usize, json: &str, at: Nanos) {
        if self.has_room(Kind::Altered) {
            let violation = words::of_spoilt(plan, receiver, traffic, json, at);
            let (due, excerpt) = (at.max(0) as u64, Repro::default());
            self.kept.push(Kept { kind: Kind::Altered, due, receiver, traffic, message: None, violation, excerpt });
        }
    }

    /// What had been given up as lost has come: it is late, not lost.
    pub(super) fn came_late(&mut self, receiver: u32, entry: &Entry) {
        let message = Some((entry.emission.stream, entry.emission.seq));
        self.kept.retain(|kept| kept.kind != Kind::Missing || kept.receiver != receiver || kept.message != message);
    }

    fn has_room(&self, kind: Kind) -> bool {
        self.kept.iter().filter(|kept| kept.kind == kind).count() < kind.kept()
    }
}

/// The first of each kind over all workers: in words, of which traffic, and what was around. Only of traffics that
/// `decided` takes.
pub(super) fn first<'a>(
    workers: impl Iterator<Item = &'a Witnesses>,
    decided: impl Fn(usize) -> bool,
) -> Vec<(LoadViolation, usize, Repro)> {
    let known = |kept: &&Kept| decided(kept.traffic);
    let mut all: Vec<&Kept> = workers.flat_map(|worker| &worker.kept).filter(known).collect();
    all.sort_by_key(|kept| (kept.kind, kept.due, kept.receiver));
    let first = |kind: Kind| all.iter().filter(move |kept| kept.kind == kind).take(SHOWN);
    Kind::ALL
        .into_iter()
        .flat_map(first)
        .map(|kept| (kept.violation.clone(), kept.traffic, kept.excerpt.clone()))
        .collect()
}

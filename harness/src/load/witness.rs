//! The first deliveries that were wrong, with what proves it: a count alone helps nobody to find the bug.

use sio_oracle::Tri;
use sio_oracle::board::{Answer, Nanos, Time};

use super::excerpt::Excerpt;
use super::log::{Entry, Window};
use super::plan::Plan;
use crate::record::{Lane, LaneAct, LaneStay, LoadViolation};

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
pub(super) struct Witness<'a> {
    pub(super) kind: Kind,
    pub(super) receiver: u32,
    pub(super) entry: &'a Entry,
    /// When it came, if it did: nanoseconds on the run's clock.
    pub(super) at: Option<i64>,
    /// From when on the receiver was in the target of the message, or was not, or perhaps.
    pub(super) stays: Vec<(Nanos, Tri)>,
}

/// Kept of it, since the message itself will be let go.
#[derive(Clone, Debug)]
struct Kept {
    kind: Kind,
    /// Intended time of the message.
    due: u64,
    receiver: u32,
    violation: LoadViolation,
    excerpt: Excerpt,
}

/// The first of each kind; at most a dozen, so nothing grows with the run.
#[derive(Clone, Debug, Default)]
pub(super) struct Witnesses(Vec<Kept>);

impl Witnesses {
    pub(super) fn note(&mut self, plan: &Plan, window: &Window, witness: &Witness<'_>) {
        if self.0.iter().filter(|kept| kept.kind == witness.kind).count() < SHOWN {
            let excerpt = Excerpt::around(plan, window, witness.entry, witness.receiver);
            let mut violation = in_words(witness, plan);
            violation.lanes = lanes(witness, &excerpt, window);
            let (kind, due, receiver) = (witness.kind, witness.entry.emission.at, witness.receiver);
            self.0.push(Kept { kind, due, receiver, violation, excerpt });
        }
    }
}

/// The first of each kind over all workers: in words, and what was around.
pub(super) fn first<'a>(workers: impl Iterator<Item = &'a Witnesses>) -> Vec<(LoadViolation, Excerpt)> {
    let mut all: Vec<&Kept> = workers.flat_map(|worker| &worker.0).collect();
    all.sort_by_key(|kept| (kept.kind, kept.due, kept.receiver));
    let first = |kind: Kind| all.iter().filter(move |kept| kept.kind == kind).take(SHOWN);
    Kind::ALL.into_iter().flat_map(first).map(|kept| (kept.violation.clone(), kept.excerpt.clone())).collect()
}

fn in_words(witness: &Witness<'_>, plan: &Plan) -> LoadViolation {
    let emission = &witness.entry.emission;
    let (receiver, sender) = (witness.receiver, emission.sender);
    let traffic = &plan.traffic[usize::from(emission.traffic)];
    let target = emission
        .room()
        .map_or_else(|| format!("its target in {}", traffic.namespace), |room| plan.rooms[room as usize].name.clone());
    let message = format!("message {} of {} to {target}", emission.seq, traffic.name);
    let user = &plan.users[receiver as usize];
    let is_addressed = plan.is_addressed(user, emission.stream);
    let summary = match witness.kind {
        Kind::Missing => format!("user {receiver} did not get {message}"),
        Kind::Duplicate => format!("user {receiver} got {message} again"),
        Kind::Stray if receiver == sender => format!("user {receiver} got {message}, which it had sent itself"),
        Kind::Stray => format!("user {receiver} got {message}, which was not for it"),
        Kind::Disorder => {
            format!("user {receiver} got {message} behind one that should have come after it")
        }
    };
    let left = witness.entry.sent().map_or_else(|| "never".to_owned(), seconds);
    let mut because =
        vec![format!("user {sender} sent it; it was due at {} and left at {left}", seconds(emission.at as i64))];
    because.push(match (witness.kind, is_addressed) {
        (Kind::Stray, true) => format!("user {receiver} was not in its target while it took effect"),
        (_, true) => format!("user {receiver} was in its target while it took effect"),
        (_, false) => format!("user {receiver} is in no room that it goes to, or in one that it leaves out"),
    });
    because.push(match witness.at {
        Some(at) => format!("a copy came at {}", seconds(at)),
        None => "a fence was answered, ahead of which everything for it must come; no copy had".to_owned(),
    });
    LoadViolation {
        measure: witness.kind.measure().to_owned(),
        invariant: witness.kind.invariant().id().to_owned(),
        summary,
        because,
        ..LoadViolation::default()
    }
}

/// The receiver and whoever sent something around it, over time.
fn lanes(witness: &Witness<'_>, excerpt: &Excerpt, window: &Window) -> Vec<Lane> {
    let seconds = |nanos: Nanos| nanos as f64 / 1e9;
    let user = |number: u32| format!("user {number}");
    let stay = |(from, value): &(Nanos, Tri)| LaneStay { from: seconds(*from), inside: value.known() };
    let arrival = witness.at.map(|at| LaneAct {
        from: seconds(at),
        to: Some(seconds(at)),
        says: format!("message {}", witness.entry.emission.seq),
        arrived: true,
        wrong: true,
    });
    let mut lanes = vec![Lane {
        name: user(witness.receiver),
        stays: witness.stays.iter().map(stay).collect(),
        acts: arrival.into_iter().collect(),
    }];
    for emission in excerpt.messages() {
        let entry = window.index(emission.stream, emission.seq).and_then(|index| window.entry(index));
        let Some(Time::Sent { inv, ok }) = entry.map(Entry::time) else { continue };
        let answered = match ok {
            Answer::At(at) => Some(seconds(at)),
            Answer::Open | Answer::Never => None,
        };
        let wrong = *emission == witness.entry.emission;
        let says = format!("message {}", emission.seq);
        let act = LaneAct { from: seconds(inv), to: answered, says, arrived: false, wrong };
        let name = user(emission.sender);
        match lanes.iter_mut().find(|lane| lane.name == name) {
            Some(lane) => lane.acts.push(act),
            None => lanes.push(Lane { name, stays: Vec::new(), acts: vec![act] }),
        }
    }
    lanes
}

fn seconds(nanos: i64) -> String {
    format!("{:.3} s", nanos as f64 / 1e9)
}

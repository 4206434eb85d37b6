//! A violation in words: nothing but what was observed.

use sio_oracle::Tri;
use sio_oracle::board::{Absence, Answer, Emission as Number, Nanos, Time};

use super::{Kind, Observed, ViolationEvidence};
use crate::load::emission_log::{Entry, Window};
use crate::load::plan::{Plan, User};
use crate::load::schedule::Emission;
use crate::record::LoadViolation;

/// So much of what came is quoted.
const QUOTED: usize = 120;

pub(super) fn of(witness: &ViolationEvidence<'_>, plan: &Plan, window: &Window) -> LoadViolation {
    let emission = &witness.entry.emission;
    let receiver = witness.receiver;
    let message = message(plan, emission);
    let summary = match witness.kind {
        Kind::Missing => format!("user {receiver} did not get {message}"),
        Kind::Altered => format!("user {receiver} got {message}, and not as it was sent"),
        Kind::Duplicate => format!("user {receiver} got {message} again"),
        Kind::Misdelivered if receiver == emission.sender => {
            format!("user {receiver} got {message}, which it had sent itself")
        }
        Kind::Misdelivered => format!("user {receiver} got {message}, which was not for it"),
        Kind::OutOfOrder if matches!(witness.seen, Observed::BehindFence(_)) => {
            format!("user {receiver} got {message} behind a cluster fence that was sent after it")
        }
        Kind::OutOfOrder => match overtaker(witness, window) {
            Some(first) => format!("user {receiver} got {message} behind {}", name(plan, &first.emission, emission)),
            None => format!("user {receiver} got {message} later than it can have been on its way"),
        },
    };
    let mut because = vec![sending(witness.entry)];
    because.push(membership(witness, plan));
    because.extend(order(witness, plan, window));
    because.extend(outcome(witness, plan, window));
    violation(witness.kind, summary, because)
}

/// Of a copy of which nobody knows which message it is of.
pub(super) fn of_spoilt(plan: &Plan, receiver: u32, traffic: usize, json: &str, at: Nanos) -> LoadViolation {
    let name = &plan.traffic[traffic].name;
    let quoted: String = json.chars().take(QUOTED).collect();
    let more = if quoted.len() < json.len() { "…" } else { "" };
    let because = vec![
        format!("at {} this came: {quoted}{more}", seconds(at)),
        "it has a part of a payload of this run, and no whole stamp that says which message it is".to_owned(),
    ];
    violation(Kind::Altered, format!("user {receiver} got a message of {name}, and not as it was sent"), because)
}

fn violation(kind: Kind, summary: String, because: Vec<String>) -> LoadViolation {
    let (measure, invariant) = (kind.measure().to_owned(), kind.invariant().id().to_owned());
    LoadViolation { measure, invariant, summary, because, ..LoadViolation::default() }
}

/// `message 4 of say to room-2`
fn message(plan: &Plan, emission: &Emission) -> String {
    let traffic = &plan.traffic[usize::from(emission.traffic)];
    let target = emission
        .room()
        .map_or_else(|| format!("its target in {}", traffic.namespace), |room| plan.rooms[room as usize].name.clone());
    format!("message {} of {} to {target}", emission.seq, traffic.name)
}

/// As [`message`], as briefly as it can be said beside another one.
fn name(plan: &Plan, emission: &Emission, beside: &Emission) -> String {
    if emission.stream == beside.stream { format!("message {}", emission.seq) } else { message(plan, emission) }
}

fn sending(entry: &Entry) -> String {
    let emission = &entry.emission;
    let (sender, due) = (emission.sender, seconds(emission.at as i64));
    match entry.time() {
        Time::Due | Time::Skipped => format!("user {sender} had not sent it yet; it was due at {due}"),
        Time::Sent { inv, ok } => {
            let left = seconds(inv);
            let answered = match ok {
                Answer::At(at) => format!(", and it had taken effect by {}", seconds(at)),
                Answer::Open | Answer::Never => String::new(),
            };
            format!("user {sender} sent it: it was due at {due} and left at {left}{answered}")
        }
    }
}

/// Why the receiver was to get it, or was not.
fn membership(witness: &ViolationEvidence<'_>, plan: &Plan) -> String {
    let emission = &witness.entry.emission;
    let receiver = witness.receiver;
    let user = &plan.users[receiver as usize];
    let traffic = &plan.traffic[usize::from(emission.traffic)];
    let is_addressed = plan.is_addressed(user, emission.stream);
    if witness.kind != Kind::Misdelivered {
        return match (is_addressed, emission.room()) {
            (true, Some(_)) => {
                format!("user {receiver} is in its target: it is in {}", rooms(plan, user, &traffic.namespace))
            }
            _ => format!("user {receiver} is in its target, {}", traffic.namespace),
        };
    }
    if witness.entry.sent().is_none() {
        return "what was not sent is for nobody".to_owned();
    }
    if traffic.spares_sender && receiver == emission.sender {
        return "the scenario leaves the sender out: `except` has \"sender\"".to_owned();
    }
    if !is_addressed {
        let rooms = rooms(plan, user, &traffic.namespace);
        return format!("user {receiver} is in {rooms}: in no room that it goes to, or in one that it leaves out");
    }
    let stays: Vec<_> = witness.stays.iter().map(stay).collect();
    format!("user {receiver} is of its target, but was not in it while the message took effect: {}", stays.join(", "))
}

fn stay((from, value): &(Nanos, Tri)) -> String {
    let word = match value {
        Tri::T => "inside",
        Tri::F => "outside",
        Tri::U => "perhaps inside",
    };
    // Ahead of the run's clock there is a time for connecting.
    if *from < 0 { format!("{word} from the beginning") } else { format!("{word} from {}", seconds(*from)) }
}

fn rooms(plan: &Plan, user: &User, namespace: &str) -> String {
    let rooms = user.rooms.iter().map(|room| &plan.rooms[*room as usize]).filter(|room| room.namespace == namespace);
    let names: Vec<_> = rooms.map(|room| room.name.as_str()).collect();
    if names.is_empty() { "no room".to_owned() } else { names.join(", ") }
}

fn overtaker<'w>(witness: &ViolationEvidence<'_>, window: &'w Window) -> Option<&'w Entry> {
    let Observed::Behind(Number { stream, seq }) = witness.seen else { return None };
    window.entry(window.index(stream, seq)?)
}

/// What had to come behind it.
fn order(witness: &ViolationEvidence<'_>, plan: &Plan, window: &Window) -> Option<String> {
    let first = overtaker(witness, window)?;
    let (meant, other) = (&witness.entry.emission, &first.emission);
    let name = name(plan, other, meant);
    Some(if meant.sender == other.sender && meant.stream == other.stream {
        format!("user {} sent {name} after it, on the same connection", other.sender)
    } else {
        let left = first.sent().map_or_else(|| "later".to_owned(), |at| format!("at {}", seconds(at)));
        format!("user {} sent {name} {left}, when this one had taken effect", other.sender)
    })
}

/// What was seen of it, or shows that it will not come.
fn outcome(witness: &ViolationEvidence<'_>, plan: &Plan, window: &Window) -> Option<String> {
    let receiver = witness.receiver;
    Some(match (witness.at.map(seconds), witness.seen) {
        (Some(at), Observed::Intact(bytes)) => {
            format!("a copy came at {at}, of which the first {bytes} bytes of the payload are as they were sent")
        }
        (Some(at), Observed::BehindFence(sent)) => format!(
            "its sender sent a cluster fence at {}, on the same connection and to the same target; that came first, and a copy of \
             this one at {at}",
            seconds(sent)
        ),
        (Some(at), Observed::Late { .. }) if plan.is_cluster() => {
            format!(
                "a copy came at {at}, when what was sent after it on the same connection had come and it had been given up"
            )
        }
        (Some(at), Observed::Late { fenced: true }) => format!(
            "a copy came at {at}, behind the answer to a fence of user {receiver} that was sent when it had taken effect"
        ),
        (Some(at), Observed::Late { fenced: false }) => {
            format!("a copy came at {at}, when it had been waited for; the target has no fence")
        }
        (Some(at), _) => format!("a copy came at {at}"),
        (None, Observed::Absent { by: Absence::Fence(at), fenced: true }) => {
            format!("user {receiver} sent a fence at {}, and its answer came ahead of any copy", seconds(at))
        }
        (None, Observed::Absent { by: Absence::Fence(at), fenced: false }) => format!(
            "the target has no fence, so it was waited for: of what had taken effect by {} no copy of it came",
            seconds(at)
        ),
        (None, Observed::Absent { by: Absence::ClusterFence(at), .. }) => format!(
            "its sender sent a cluster fence at {}, behind it, on the same connection and to the same target; that came to user \
             {receiver}, and no copy of this one",
            seconds(at)
        ),
        (None, Observed::Absent { by: Absence::Waited(at), .. }) => format!(
            "something that was sent at {}, from a user of the same server, came to user {receiver}, and then this one was waited \
             for as long as `settle_within` says; no copy had come",
            seconds(at)
        ),
        (None, Observed::Absent { by: Absence::Behind(Number { stream, seq }), .. }) => {
            let later = window.index(stream, seq).and_then(|index| window.entry(index));
            let later = later.map_or_else(
                || "a later message".to_owned(),
                |later| name(plan, &later.emission, &witness.entry.emission),
            );
            format!(
                "{later}, which its sender sent after it on the same connection, came to user {receiver}; no copy of this one had"
            )
        }
        (None, Observed::Absent { by: Absence::Later(Number { stream, seq }), .. }) => {
            let later = window.index(stream, seq).and_then(|index| window.entry(index));
            let later = later.map_or_else(
                || "a message that was sent later".to_owned(),
                |later| name(plan, &later.emission, &witness.entry.emission) + ", which was sent later,",
            );
            format!("{later} came to user {receiver}, whose connection then broke; no copy had come")
        }
        (None, _) => return None,
    })
}

fn seconds(nanos: i64) -> String {
    format!("{:.3} s", nanos as f64 / 1e9)
}

//! What was around a violation, client by client, for drawing.

use sio_oracle::Tri;
use sio_oracle::board::{Answer, Emission as Number, Nanos, Time};

use super::{Kind, Observed, ViolationEvidence};
use crate::load::emission_log::{Entry, Window};
use crate::load::plan::Plan;
use crate::load::repro::Repro;
use crate::record::{Lane, LaneAct, LaneStay};

/// The receiver and whoever sent something around it, over time.
pub(super) fn of(witness: &ViolationEvidence<'_>, plan: &Plan, excerpt: &Repro, window: &Window) -> Vec<Lane> {
    let user = |number: u32| format!("user {number}");
    let arrival = witness.at.map(|at| LaneAct {
        from: seconds(at),
        to: Some(seconds(at)),
        says: format!("message {}", witness.entry.emission.seq),
        arrived: true,
        wrong: true,
    });
    let mut lanes =
        vec![Lane { name: user(witness.receiver), stays: stays(witness, plan), acts: arrival.into_iter().collect() }];
    for emission in excerpt.messages() {
        let entry = window.index(emission.stream, emission.seq).and_then(|index| window.entry(index));
        let Some(Time::Sent { inv, ok }) = entry.map(Entry::time) else { continue };
        let answered = match ok {
            Answer::At(at) => Some(seconds(at)),
            Answer::Open | Answer::Never => None,
        };
        let wrong = *emission == witness.entry.emission || is_overtaker(witness, emission.stream, emission.seq);
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

fn is_overtaker(witness: &ViolationEvidence<'_>, stream: u32, seq: u32) -> bool {
    witness.seen == Observed::Behind(Number { stream, seq })
}

/// Whether the receiver was to get the message, over time. A sender that is left out was not, wherever it is.
fn stays(witness: &ViolationEvidence<'_>, plan: &Plan) -> Vec<LaneStay> {
    let emission = &witness.entry.emission;
    let is_spared = plan.traffic[usize::from(emission.traffic)].spares_sender && witness.receiver == emission.sender;
    let stay = |(from, value): &(Nanos, Tri)| {
        let value = if is_spared && witness.kind == Kind::Misdelivered { Tri::F } else { *value };
        LaneStay { from: seconds(*from), inside: value.known() }
    };
    witness.stays.iter().map(stay).collect()
}

fn seconds(nanos: Nanos) -> f64 {
    nanos as f64 / 1e9
}

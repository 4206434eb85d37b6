//! What the engine claims, the second opinion confirms; what it does not claim, it refutes.

use sio_oracle::exact::check;
use sio_oracle::history::{Action, Event, History, NamespaceId, OperationId, RoomId, SocketId};
use sio_oracle::verify::verify;
use sio_oracle::{Breach, Invariant, Proof, Violation};

use crate::sim::{Mode, Mutant, Sim};
use crate::soundness::modes;

/// Histories of broken servers with the violations found in them.
fn claims() -> impl Iterator<Item = (Mutant, Proof)> {
    let modes: Vec<Mode> = modes().collect();
    let runs = (0..600u64).map(move |seed| (seed, modes[(seed as usize * 7) % modes.len()]));
    runs.flat_map(|(seed, mode)| {
        let mutant = Mutant::ALL[seed as usize % Mutant::ALL.len()];
        let mut history = Sim::history(seed, 14, mode, Some(mutant));
        history.assumptions.in_order_handlers = seed % 2 == 0;
        let findings = check(&history);
        findings.violations.iter().map(|violation| (mutant, Proof::new(&history, violation))).collect::<Vec<_>>()
    })
}

#[test]
fn every_claim_is_confirmed() {
    let mut confirmed = std::collections::BTreeMap::new();
    for (mutant, proof) in claims() {
        if let Err(why) = verify(&proof) {
            panic!("{mutant:?}: {why}\n{:#?}\n{}", proof.claim, serde_json::to_string_pretty(&proof.history).unwrap());
        }
        *confirmed.entry(proof.claim.breach).or_insert(0) += 1;
    }
    println!("{confirmed:?}");
    for breach in [Breach::Missing, Breach::Phantom, Breach::Duplicate, Breach::Overtaken, Breach::Members] {
        assert!(confirmed.contains_key(&breach), "{breach:?} of {confirmed:?}");
    }
}

/// Each pair of a correct server, claimed to be wrong in the way that would fit what was received.
#[test]
fn a_false_claim_is_refuted() {
    let mut claims = 0;
    for (seed, mode) in modes().enumerate() {
        let history = Sim::history(1_000 + seed as u64, 10, mode, None);
        let messages = history.events.iter().filter_map(|stamped| match stamped.event {
            Event::Invoke { operation, action: Action::Emit(_), .. } => Some(operation),
            _ => None,
        });
        for message in messages {
            for socket in (0..5).map(SocketId) {
                let received = history.events.iter().any(|stamped| {
                    matches!(stamped.event, Event::Receive { socket: s, message: m, .. } if (s, m) == (socket, message))
                });
                let breach = if received { Breach::Phantom } else { Breach::Missing };
                let proof = Proof { claim: claim(breach, socket, message), history: pair(&history, socket, message) };
                assert!(
                    verify(&proof).is_err(),
                    "{mode:?} {breach:?} {}",
                    serde_json::to_string(&proof.history).unwrap()
                );
                claims += 1;
            }
        }
    }
    assert!(claims > 1_000, "{claims}");
}

/// Whatever is claimed of a correct server, of whichever socket and message.
#[test]
fn no_claim_about_a_correct_server_is_confirmed() {
    use Breach::{
        Acknowledgements, Altered, Duplicate, Lifecycle, Members, NoOrder, Overtaken, Priority, ReusedId,
        SurplusAnswer, TooEarly, Unsent, WrongNamespace,
    };
    let mut claims = 0;
    for (seed, mode) in modes().enumerate() {
        let mut history = Sim::history(2_000 + seed as u64, 12, mode, None);
        history.assumptions.in_order_handlers = seed % 2 == 0;
        let messages: Vec<_> = messages(&history).collect();
        let mut refuted = |history: &History, breach, socket, message| {
            let claim = Violation { socket, message, ..claim(breach, SocketId(0), OperationId(0)) };
            let proof = Proof { claim, history: history.clone() };
            assert!(verify(&proof).is_err(), "{mode:?} {:?}", proof.claim);
            claims += 1;
        };
        for socket in (0..5).map(SocketId) {
            for &message in &messages {
                for breach in [Overtaken, Duplicate, Altered, TooEarly, WrongNamespace, Acknowledgements] {
                    refuted(&history, breach, Some(socket), Some(message));
                }
            }
            for breach in [NoOrder, Members, Priority, ReusedId] {
                refuted(&history, breach, Some(socket), None);
            }
        }
        for breach in [SurplusAnswer, Unsent, Members] {
            refuted(&history, breach, None, None);
        }
        for room in rooms(&history) {
            refuted(&of_room(&history, room), Lifecycle, None, None);
        }
    }
    println!("{claims}");
    assert!(claims > 5_000, "{claims}");
}

fn messages(history: &History) -> impl Iterator<Item = OperationId> {
    history.events.iter().filter_map(|stamped| match stamped.event {
        Event::Invoke { operation, action: Action::Emit(_), .. } => Some(operation),
        _ => None,
    })
}

/// Rooms that the server told of.
fn rooms(history: &History) -> std::collections::BTreeSet<(NamespaceId, RoomId)> {
    let told = history.events.iter().filter_map(|stamped| match stamped.event {
        Event::Room { namespace, room, .. } => Some((namespace, room)),
        _ => None,
    });
    told.collect()
}

/// What was told of one room.
fn of_room(history: &History, wanted: (NamespaceId, RoomId)) -> History {
    let mut cut = history.clone();
    cut.events
        .retain(|stamped| matches!(stamped.event, Event::Room { namespace, room, .. } if (namespace, room) == wanted));
    cut
}

/// The part of a history that concerns one socket, and everything on the nodes' wires.
fn pair(history: &History, socket: SocketId, message: OperationId) -> History {
    let mut cut = history.clone();
    let mut kept = std::collections::HashSet::new();
    cut.events.retain(|stamped| match &stamped.event {
        Event::Invoke { operation, by, action } => {
            let about = match action {
                Action::Join { socket: s, .. } | Action::Leave { socket: s, .. } | Action::Disconnect { socket: s } => {
                    *s == socket
                }
                _ => false,
            };
            let keep = about || *operation == message || *by == Some(socket);
            if keep {
                kept.insert(*operation);
            }
            keep
        }
        Event::Complete { operation, .. } => kept.contains(operation),
        _ => true,
    });
    // What was sent by others and received is needed for the order; a message nobody sent is no message here.
    let sent: std::collections::HashSet<_> = cut
        .events
        .iter()
        .filter_map(|stamped| match stamped.event {
            Event::Invoke { operation, .. } => Some(operation),
            _ => None,
        })
        .collect();
    cut.events.retain(|stamped| !matches!(stamped.event, Event::Receive { message, .. } if !sent.contains(&message)));
    cut
}

fn claim(breach: Breach, socket: SocketId, message: OperationId) -> Violation {
    Violation {
        invariant: Invariant::NoLoss,
        breach,
        socket: Some(socket),
        message: Some(message),
        summary: String::new(),
        because: Vec::new(),
        events: Vec::new(),
    }
}

/// Taking away the fence, the copy or the join takes away the proof.
#[test]
fn a_proof_needs_all_its_parts() {
    let mut weakened = 0;
    for (_, proof) in claims().filter(|(_, proof)| proof.claim.breach == Breach::Missing).take(50) {
        for place in 0..proof.history.events.len() {
            let mut less = proof.clone();
            let event = less.history.events.remove(place);
            // An answer or a fence that is not there proves nothing.
            if matches!(event.event, Event::Invoke { operation, .. } if Some(operation) == proof.claim.message) {
                assert!(verify(&less).is_err());
                weakened += 1;
            }
        }
    }
    assert!(weakened > 20, "{weakened}");
}

#[test]
fn a_proof_survives_its_file() {
    let (_, proof) = claims().next().expect("broken servers are found out");
    let text = serde_json::to_string(&proof).unwrap();
    assert_eq!(serde_json::from_str::<Proof>(&text).unwrap(), proof);
}

//! Smaller programs that may fail in the same way, the most promising first.

use super::program::{Branch, Program, Step, Target, Verb};
use crate::scenario::model::Transport;

/// Every program that is one step smaller: without a phase, a branch, a step; with fewer rooms and clients; with
/// branches one behind the other; with text for binary, and over WebSocket alone.
pub(super) fn candidates(program: &Program) -> Vec<Program> {
    let mut found = Vec::new();
    without_phases(program, &mut found);
    without_branches(program, &mut found);
    without_steps(program, &mut found);
    with_merged_rooms(program, &mut found);
    without_clients(program, &mut found);
    in_sequence(program, &mut found);
    plainer(program, &mut found);
    found.retain(|candidate| candidate != program && candidate.steps().next().is_some());
    found
}

fn without_phases(program: &Program, found: &mut Vec<Program>) {
    // Halves first: they save the most.
    let count = program.phases.len();
    if count > 2 {
        for range in [0..count / 2, count / 2..count] {
            found.push(Program { phases: program.phases[range].to_vec(), ..program.clone() });
        }
    }
    for phase in 0..count {
        let mut smaller = program.clone();
        smaller.phases.remove(phase);
        found.push(smaller);
    }
}

fn without_branches(program: &Program, found: &mut Vec<Program>) {
    for phase in 0..program.phases.len() {
        for branch in 0..program.phases[phase].len() {
            let mut smaller = program.clone();
            smaller.phases[phase].remove(branch);
            tidy(&mut smaller);
            found.push(smaller);
        }
    }
}

fn without_steps(program: &Program, found: &mut Vec<Program>) {
    for phase in 0..program.phases.len() {
        for branch in 0..program.phases[phase].len() {
            for step in 0..program.phases[phase][branch].len() {
                let mut smaller = program.clone();
                smaller.phases[phase][branch].remove(step);
                tidy(&mut smaller);
                found.push(smaller);
            }
        }
    }
}

/// Without empty branches and phases.
fn tidy(program: &mut Program) {
    for phase in &mut program.phases {
        phase.retain(|branch: &Branch| !branch.is_empty());
    }
    program.phases.retain(|phase| !phase.is_empty());
}

fn steps_mut(program: &mut Program) -> impl Iterator<Item = &mut Step> {
    program.phases.iter_mut().flatten().flatten()
}

fn with_merged_rooms(program: &Program, found: &mut Vec<Program>) {
    for (from, to) in [(2, 1), (1, 0), (2, 0)] {
        let mut smaller = program.clone();
        let swap = |room: &mut u8| {
            if *room == from {
                *room = to;
            }
        };
        for step in steps_mut(&mut smaller) {
            match &mut step.verb {
                Verb::Join(rooms) => {
                    rooms.iter_mut().for_each(swap);
                    rooms.dedup();
                }
                Verb::Leave(room) | Verb::Members(room) | Verb::Move { room, .. } => swap(room),
                Verb::Emit(emit) => {
                    for list in [&mut emit.to, &mut emit.except] {
                        for target in list.iter_mut() {
                            if let Target::Room(room) = target {
                                swap(room);
                            }
                        }
                        list.sort_unstable();
                        list.dedup();
                    }
                }
                _ => {}
            }
        }
        found.push(smaller);
    }
    // A room for a socket's own.
    for number in 0..program.steps().count() {
        let mut smaller = program.clone();
        if let Some(Step { verb: Verb::Emit(emit), .. }) = steps_mut(&mut smaller).nth(number) {
            for list in [&mut emit.to, &mut emit.except] {
                list.iter_mut()
                    .filter(|target| matches!(target, Target::Own(_)))
                    .for_each(|target| *target = Target::Room(0));
                list.sort_unstable();
                list.dedup();
            }
        }
        found.push(smaller);
    }
    // One target less.
    for (number, step) in program.steps().enumerate() {
        let Verb::Emit(emit) = &step.verb else { continue };
        for part in 0..emit.to.len() + emit.except.len() {
            let mut smaller = program.clone();
            if let Some(Step { verb: Verb::Emit(emit), .. }) = steps_mut(&mut smaller).nth(number) {
                if part < emit.to.len() {
                    // The last one stays: without it the message is for everybody.
                    if emit.to.len() > 1 {
                        emit.to.remove(part);
                    }
                } else {
                    emit.except.remove(part - emit.to.len());
                }
            }
            found.push(smaller);
        }
    }
}

fn without_clients(program: &Program, found: &mut Vec<Program>) {
    for client in (0..program.clients.len() as u8).rev() {
        let concerned = |step: &Step| names(step).contains(&client);
        let mut smaller = program.clone();
        for phase in &mut smaller.phases {
            for branch in phase {
                branch.retain(|step| !concerned(step));
            }
        }
        tidy(&mut smaller);
        smaller.clients.remove(usize::from(client));
        for step in steps_mut(&mut smaller) {
            renumber(step, client);
        }
        if !smaller.clients.is_empty() {
            found.push(smaller);
        }
    }
}

/// The clients that a step names.
fn names(step: &Step) -> Vec<u8> {
    let mut names = vec![step.client];
    match &step.verb {
        Verb::Move { whom, .. } | Verb::Kick(whom) => names.push(*whom),
        Verb::Emit(emit) => {
            names.extend(emit.silent);
            names.extend(emit.to.iter().chain(&emit.except).filter_map(|target| match target {
                Target::Own(client) => Some(*client),
                Target::Room(_) => None,
            }));
        }
        _ => {}
    }
    names
}

/// One client is gone; those behind it move up.
fn renumber(step: &mut Step, gone: u8) {
    let up = |client: &mut u8| *client -= u8::from(*client > gone);
    up(&mut step.client);
    match &mut step.verb {
        Verb::Move { whom, .. } | Verb::Kick(whom) => up(whom),
        Verb::Emit(emit) => {
            emit.silent.iter_mut().for_each(up);
            for target in emit.to.iter_mut().chain(&mut emit.except) {
                if let Target::Own(client) = target {
                    up(client);
                }
            }
        }
        _ => {}
    }
}

/// Branches one behind the other: if that still fails, it is no race.
fn in_sequence(program: &Program, found: &mut Vec<Program>) {
    for phase in (0..program.phases.len()).filter(|phase| program.phases[*phase].len() > 1) {
        let mut smaller = program.clone();
        let all: Branch = smaller.phases[phase].concat();
        smaller.phases[phase] = vec![all];
        found.push(smaller);
    }
    for phase in 1..program.phases.len() {
        if program.phases[phase - 1..=phase].iter().all(|phase| phase.len() == 1) {
            let mut smaller = program.clone();
            let behind = smaller.phases.remove(phase);
            smaller.phases[phase - 1][0].extend(behind.into_iter().flatten());
            found.push(smaller);
        }
    }
}

fn plainer(program: &Program, found: &mut Vec<Program>) {
    for number in 0..program.steps().count() {
        for plain in 0..4 {
            let mut smaller = program.clone();
            if let Some(Step { verb: Verb::Emit(emit), .. }) = steps_mut(&mut smaller).nth(number) {
                match plain {
                    0 => emit.binary = false,
                    1 => (emit.asks, emit.silent) = (false, None),
                    2 => emit.silent = None,
                    _ => emit.volatile = false,
                }
            }
            found.push(smaller);
        }
    }
    for client in 0..program.clients.len() {
        let mut smaller = program.clone();
        smaller.clients[client] = Transport::WebSocket;
        found.push(smaller);
    }
    if program.namespaces > 1 {
        let mut smaller = Program { namespaces: 1, ..program.clone() };
        steps_mut(&mut smaller).for_each(|step| step.namespace = 0);
        found.push(smaller);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::explore::generate::{Shape, program};

    proptest! {
        #[test]
        fn every_candidate_makes_sense_and_none_grows(program in program(Shape { recovery: true, process: true })) {
            for candidate in candidates(&program) {
                prop_assert!(candidate.size() <= program.size());
                prop_assert!(candidate.steps().all(|step| names(step).iter().all(|name| usize::from(*name) < candidate.clients.len())));
                prop_assert!(candidate.phases.iter().flatten().all(|branch| !branch.is_empty()));
            }
        }
    }

    /// A failure that needs one emit of one client is found whatever surrounds it.
    #[test]
    fn greed_leads_to_the_smallest() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let fails =
            |program: &Program| program.steps().any(|step| matches!(&step.verb, Verb::Emit(emit) if emit.binary));
        let mut tried = 0;
        while tried < 20 {
            use proptest::strategy::ValueTree as _;
            let mut current = program(Shape { recovery: true, process: true }).new_tree(&mut runner).unwrap().current();
            if !fails(&current) {
                continue;
            }
            tried += 1;
            while let Some(smaller) = candidates(&current).into_iter().find(|c| fails(c) && c.size() < current.size()) {
                current = smaller;
            }
            assert_eq!((current.steps().count(), current.clients.len(), current.namespaces), (1, 1, 1), "{current:?}");
        }
    }
}

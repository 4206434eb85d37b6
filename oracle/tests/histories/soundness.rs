//! A correct server is never accused, whatever runs at the same time; a broken one is.

use sio_oracle::exact::check;
use sio_oracle::{Goal, Strength};

use crate::sim::{Mode, Mutant, Sim};

/// Every combination of modes.
pub fn modes() -> impl Iterator<Item = Mode> {
    (0..32u8).map(|bits| Mode {
        pipelined: bits & 1 != 0,
        several_writers: bits & 2 != 0,
        recovery: bits & 4 != 0,
        cluster: bits & 8 != 0,
        namespaces: bits & 16 != 0,
    })
}

/// More with `SIO_HISTORIES`.
fn histories() -> u64 {
    std::env::var("SIO_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(100_000)
}

#[test]
fn a_correct_server_is_never_accused() {
    let threads = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    let strength = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..threads).map(|thread| scope.spawn(move || accuse_nobody(thread, threads))).collect();
        let mut all = Strength::default();
        for run in runs {
            all.add(&run.join().expect("no history is accused"));
        }
        all
    });
    // A silence that means something: most pairs are decided, and everything worth seeing was seen.
    let missed: Vec<Goal> = strength.missed().collect();
    assert!(strength.ratio() > 0.7, "{strength:?}");
    assert!(missed.is_empty(), "{missed:?}, {strength:?}");
}

fn accuse_nobody(thread: u64, threads: u64) -> Strength {
    let mut strength = Strength::default();
    let modes: Vec<Mode> = modes().collect();
    for seed in (thread..histories()).step_by(threads as usize) {
        let mode = modes[(seed % modes.len() as u64) as usize];
        let mut history = Sim::history(seed, 12, mode, None);
        history.assumptions.in_order_handlers = seed % 64 >= 32;
        let findings = check(&history);
        assert!(findings.violations.is_empty(), "seed {seed}, {mode:?}: {:#?}", findings.violations);
        strength.add(&findings.strength);
    }
    strength
}

/// How many of 60 histories of a broken server are flagged.
fn flagged(mutant: Mutant) -> usize {
    let flagged = |seed: &u64| {
        let recovery = format!("{mutant:?}").starts_with("Recover");
        let mode =
            Mode { pipelined: seed % 2 == 1, recovery, namespaces: mutant == Mutant::NamespaceLeak, ..Mode::default() };
        !check(&Sim::history(*seed, 30, mode, Some(mutant))).violations.is_empty()
    };
    (0..60).filter(flagged).count()
}

#[test]
fn a_broken_server_is_found_out() {
    let mut survivors = Vec::new();
    for &mutant in Mutant::ALL {
        let count = flagged(mutant);
        println!("{mutant:?}: {count} of 60");
        // Rooms of dead sockets: nothing that is delivered or listed shows them.
        if count == 0 && mutant != Mutant::StaleRooms {
            survivors.push(mutant);
        }
    }
    assert!(survivors.is_empty(), "{survivors:?}");
}

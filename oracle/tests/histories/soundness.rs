//! A correct server is never accused, whatever runs at the same time; a broken one is.

use sio_oracle::exact::{Findings, check};
use sio_oracle::{Certainty, Goal, Invariant};

use crate::sim::{Mode, Mutant, Sim};

/// Every combination of modes.
pub fn modes() -> impl Iterator<Item = Mode> {
    (0..64u8).map(|bits| Mode {
        pipelined: bits & 1 != 0,
        several_writers: bits & 2 != 0,
        recovery: bits & 4 != 0,
        cluster: bits & 8 != 0,
        namespaces: bits & 16 != 0,
        lossy: bits & 32 != 0,
        ..Mode::default()
    })
}

/// More with `SIO_HISTORIES`.
fn histories() -> u64 {
    std::env::var("SIO_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(100_000)
}

/// So many of `of` as `SIO_HISTORIES` is of what is usual, and a tenth at least.
pub fn share(of: u64) -> u64 {
    of * histories().clamp(10_000, 100_000) / 100_000
}

#[test]
fn a_correct_server_is_never_accused() {
    let threads = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    let certainty = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..threads).map(|thread| scope.spawn(move || accuse_nobody(thread, threads))).collect();
        let mut all = Certainty::default();
        for run in runs {
            all.add(&run.join().expect("no history is accused"));
        }
        all
    });
    // A silence that means something: most pairs are decided, and everything worth seeing was seen.
    let missed: Vec<Goal> = certainty.missed().collect();
    assert!(certainty.ratio() > 0.7, "{certainty:?}");
    assert!(missed.is_empty(), "{missed:?}, {certainty:?}");
}

fn accuse_nobody(thread: u64, threads: u64) -> Certainty {
    let mut certainty = Certainty::default();
    let modes: Vec<Mode> = modes().collect();
    for seed in (thread..histories()).step_by(threads as usize) {
        let mode = modes[(seed % modes.len() as u64) as usize];
        let mut history = Sim::history(seed, 12, mode, None);
        history.assumptions.in_order_handlers = seed / 64 % 2 == 1;
        let findings = check(&history);
        assert!(findings.violations.is_empty(), "seed {seed}, {mode:?}: {:#?}", findings.violations);
        certainty.add(&findings.certainty);
    }
    certainty
}

/// Histories of clusters alone; as many as `SIO_HISTORIES` says, or `PROPTEST_CASES`.
fn of_clusters() -> u64 {
    let wanted = |name| std::env::var(name).ok()?.parse().ok();
    wanted("SIO_HISTORIES").or_else(|| wanted("PROPTEST_CASES")).unwrap_or(5_000)
}

#[test]
fn a_correct_cluster_is_never_accused() {
    let modes: Vec<Mode> = modes().filter(|mode| mode.cluster).collect();
    let (mut reliable, mut lossy) = (Certainty::default(), Certainty::default());
    for seed in 0..of_clusters() {
        let mode = modes[(seed % modes.len() as u64) as usize];
        // Enough operations that every broker stands still at times.
        let mut history = Sim::history(seed, 24, mode, None);
        history.assumptions.in_order_handlers = seed / 64 % 2 == 1;
        let findings = check(&history);
        assert!(findings.violations.is_empty(), "seed {seed}, {mode:?}: {:#?}", findings.violations);
        (if mode.lossy { &mut lossy } else { &mut reliable }).add(&findings.certainty);
    }
    println!("reliable broker: {reliable:?}, {:.3}", reliable.ratio());
    println!("lossy broker: {lossy:?}, {:.3}", lossy.ratio());
    assert!(reliable.ratio() > 0.6 && reliable.must > 0, "{reliable:?}");
}

/// How a broken server is driven, so that what it does wrong can show.
fn driven(mutant: Mutant, seed: u64) -> Mode {
    let recovery = format!("{mutant:?}").starts_with("Rec") || mutant == Mutant::ReplayGapAcross;
    let namespaces = [Mutant::NamespaceLeak, Mutant::NamesakeRoomAcross].contains(&mutant);
    let cluster = Mutant::CLUSTER.contains(&mutant);
    Mode { pipelined: seed % 2 == 1, recovery, namespaces, cluster, ..Mode::default() }
}

fn played(mutant: Mutant, seed: u64) -> Findings {
    let mut history = Sim::history(seed, 30, driven(mutant, seed), Some(mutant));
    history.assumptions.in_order_handlers = mutant == Mutant::PartialLost;
    check(&history)
}

/// How many of 60 histories of a broken server are flagged.
fn flagged(mutant: Mutant) -> usize {
    (0..60).filter(|seed| !played(mutant, *seed).violations.is_empty()).count()
}

#[test]
fn a_broken_server_is_found_out() {
    let mut survivors = Vec::new();
    for &mutant in Mutant::ALL {
        let count = flagged(mutant);
        println!("{mutant:?}: {count} of 60");
        // Rooms of dead sockets: nothing that is delivered or listed shows them. Recipients who were not chosen at one
        // instant: nobody promises that they are.
        if count == 0 && ![Mutant::StaleRooms, Mutant::FanOutTornApart].contains(&mutant) {
            survivors.push(mutant);
        }
    }
    assert!(survivors.is_empty(), "{survivors:?}");
}

/// Mistakes that one check alone can see: without it, these servers would be called correct.
#[test]
fn each_of_these_is_found_by_one_check_alone() {
    for (mutant, invariant) in [
        (Mutant::AckForgotten, Invariant::AckOnce),
        (Mutant::PartialLost, Invariant::AckOnce),
        (Mutant::DeleteUntold, Invariant::RoomLifecycle),
    ] {
        let found: Vec<_> = (0..60).flat_map(|seed| played(mutant, seed).violations).collect();
        assert!(!found.is_empty(), "{mutant:?}");
        assert!(found.iter().all(|violation| violation.invariant == invariant), "{mutant:?}: {found:#?}");
    }
}

/// What nobody promises accuses nobody, and is remarked: no one instant explains the recipients, and they disagree
/// about the order.
#[test]
fn a_fan_out_that_is_torn_apart_is_remarked() {
    let found: Vec<_> = (0..60).map(|seed| played(Mutant::FanOutTornApart, seed)).collect();
    assert!(found.iter().all(|found| found.violations.is_empty()), "{found:#?}");
    for invariant in [Invariant::Snapshot, Invariant::TotalOrder] {
        let remarked = |found: &&Findings| found.remarks.iter().any(|remark| remark.invariant == invariant);
        let count = found.iter().filter(remarked).count();
        println!("{invariant}: {count} of 60");
        assert!(count > 0, "{invariant}: {count}");
    }
}

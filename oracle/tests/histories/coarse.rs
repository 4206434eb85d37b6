//! Clocks tick: what was seen at one instant has no order, and nothing is concluded from one.

use sio_oracle::exact::check;
use sio_oracle::history::History;

use crate::sim::Sim;
use crate::soundness::{modes, share};

/// The history as a clock saw it that ticks once in so many of its moments.
fn coarse(mut history: History, tick: u64) -> History {
    history.events.iter_mut().for_each(|stamped| stamped.at = stamped.at / tick * tick);
    history
}

#[test]
fn a_clock_that_ticks_seldom_accuses_nobody() {
    let modes: Vec<_> = modes().collect();
    let mut decided = 0;
    for seed in 0..share(5_000) {
        let mode = modes[(seed % modes.len() as u64) as usize];
        let history = Sim::history(seed, 12, mode, None);
        let moment = history.events.last().map_or(1, |last| last.at / history.events.len() as u64).max(1);
        for ticks in [2, 8] {
            let mut history = coarse(history.clone(), moment * ticks);
            history.assumptions.in_order_handlers = seed / 64 % 2 == 1;
            let findings = check(&history);
            assert!(findings.violations.is_empty(), "seed {seed}, {mode:?}: {:#?}", findings.violations);
            decided += findings.certainty.must + findings.certainty.must_not;
        }
    }
    assert!(decided > share(5_000), "{decided}");
}

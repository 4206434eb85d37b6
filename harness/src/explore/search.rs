//! The hunt: programs until the time is over, and what becomes of those that fail.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sio_oracle::Certainty;

use super::generate::{self, Shape};
use super::perform::{Outcome, Stage, perform};
use super::program::Program;
use super::shrink::candidates;
use crate::clock;

/// How often a program that failed is run again to learn how often it does.
const REHEARSALS: u32 = 8;
/// A candidate that fails at all is to be seen failing with this probability.
const SURE: f64 = 0.99;
/// More runs than these are not spent on one candidate.
const MOST_RUNS: u32 = 12;

/// What to hunt for, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Hunt {
    pub seed: u64,
    pub time: Duration,
    /// Programs at most.
    pub budget: u64,
    pub shape: Shape,
    /// How long one failure is shrunk.
    pub shrinking: Duration,
    /// Failures after which the hunt ends.
    pub failures: usize,
}

/// A program that fails, shrunk.
pub struct Failure {
    pub program: Program,
    /// As it was found.
    pub original: Program,
    pub outcome: Outcome,
    /// The share of runs in which the original failed.
    pub rate: f64,
    /// The failing run needs no two branches at once.
    pub is_sequential: bool,
    pub tried: u32,
}

/// What was played, so that a weak generator is seen.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    pub programs: u64,
    pub verbs: BTreeMap<&'static str, u64>,
    pub messages: u64,
    pub deliveries: u64,
    /// Steps that the target's fixture cannot do.
    pub unsupported: u64,
    /// Operations that the server did not do, and what it said of the first.
    pub refused: u64,
    pub refusal: Option<String>,
    /// What is wrong and known, by entry: how often.
    pub excused: BTreeMap<usize, u64>,
    /// What nobody promises and is worth knowing: how many programs showed it, and how it showed first.
    pub remarks: BTreeMap<String, (u64, String)>,
    pub certainty: Certainty,
    pub took: Duration,
    /// The time was over in the middle of a program.
    pub unfinished: bool,
    /// Nobody answered any more, and this is what was played last.
    pub lost: Option<Box<Program>>,
}

/// What is heard during a hunt.
pub trait Progress {
    /// A program was played.
    fn played(&mut self, outcome: &Outcome, statistics: &Statistics);
    /// A failure was found and is being shrunk.
    fn found(&mut self, outcome: &Outcome);
    /// It is as small as it gets.
    fn failure(&mut self, failure: Failure);
}

/// Plays random programs until the time, the budget or the patience for failures is over.
pub async fn hunt(hunt: &Hunt, stage: &Stage, progress: &mut dyn Progress) -> Statistics {
    let started = clock::now();
    let mut seed = [0u8; 32];
    seed[..8].copy_from_slice(&hunt.seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
    let strategy = generate::program(hunt.shape);
    let mut statistics = Statistics::default();
    let mut kinds = Vec::new();
    while started.elapsed() < hunt.time && statistics.programs < hunt.budget && kinds.len() < hunt.failures {
        let Ok(tree) = strategy.new_tree(&mut runner) else { break };
        let program = tree.current();
        let left = hunt.time.saturating_sub(started.elapsed());
        let Ok(outcome) = tokio::time::timeout(left, perform(&program, stage)).await else {
            statistics.unfinished = true;
            // A server that says nothing any more is not one on which nothing was found.
            if !stage.is_alive().await {
                statistics.lost = Some(Box::new(program));
            }
            break;
        };
        statistics.add(&program, &outcome);
        statistics.took = started.elapsed();
        progress.played(&outcome, &statistics);
        if !outcome.surprises.is_empty() && !stage.is_alive().await {
            statistics.lost = Some(Box::new(program));
            break;
        }
        if outcome.is_failure() && !kinds.contains(&outcome.kind()) {
            progress.found(&outcome);
            kinds.push(outcome.kind());
            progress.failure(shrink(program, outcome, stage, clock::now() + hunt.shrinking).await);
        }
    }
    statistics.took = started.elapsed();
    statistics
}

/// Plays a program that once failed; the first failing run, if there is one.
pub async fn replay(program: &Program, stage: &Stage, runs: u32) -> (Outcome, u32) {
    let mut outcome = perform(program, stage).await;
    for run in 1..runs {
        if outcome.is_failure() {
            return (outcome, run);
        }
        outcome = perform(program, stage).await;
    }
    (outcome, runs)
}

async fn shrink(original: Program, outcome: Outcome, stage: &Stage, until: Instant) -> Failure {
    let kind = outcome.kind();
    let mut failed = 1;
    let mut rehearsed = 1;
    while rehearsed <= REHEARSALS && clock::now() < until {
        failed += u32::from(perform(&original, stage).await.kind() == kind);
        rehearsed += 1;
    }
    let rate = f64::from(failed) / f64::from(rehearsed);
    let runs =
        if rate >= 1.0 { 1 } else { ((1.0 - SURE).ln() / (1.0 - rate).ln()).ceil().min(f64::from(MOST_RUNS)) as u32 };
    let mut best = Failure { program: original.clone(), original, outcome, rate, is_sequential: false, tried: 0 };
    'smaller: loop {
        for candidate in candidates(&best.program) {
            if clock::now() >= until {
                break 'smaller;
            }
            if candidate.size() > best.program.size() {
                continue;
            }
            best.tried += 1;
            let left = until.saturating_duration_since(clock::now());
            let Ok((outcome, _)) = tokio::time::timeout(left, replay(&candidate, stage, runs)).await else {
                break 'smaller;
            };
            if outcome.kind() == kind && (candidate.size() < best.program.size()) {
                (best.program, best.outcome) = (candidate, outcome);
                continue 'smaller;
            }
        }
        break;
    }
    best.is_sequential = best.program.phases.iter().all(|phase| phase.len() <= 1);
    best
}

impl Statistics {
    fn add(&mut self, program: &Program, outcome: &Outcome) {
        use sio_oracle::history::{Action, Event};
        self.programs += 1;
        for step in program.steps() {
            *self.verbs.entry(step.verb.name()).or_default() += 1;
        }
        for stamped in &outcome.history.events {
            match &stamped.event {
                Event::Invoke { action: Action::Emit(_), .. } => self.messages += 1,
                Event::Receive { .. } => self.deliveries += 1,
                _ => {}
            }
        }
        self.unsupported += outcome.unsupported;
        self.refused += outcome.refusals.len() as u64;
        self.refusal = self.refusal.take().or_else(|| outcome.refusals.first().cloned());
        for excused in &outcome.excused {
            *self.excused.entry(excused.entry).or_default() += 1;
        }
        for remark in &outcome.findings.remarks {
            let first = || (0, remark.summary.clone());
            self.remarks.entry(remark.invariant.to_string()).or_insert_with(first).0 += 1;
        }
        self.certainty.add(&outcome.findings.certainty);
    }
}

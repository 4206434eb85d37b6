//! Runs of a simulated server, cut into parts: however many there are, they come to the same.

mod simulated;

use std::path::PathBuf;

use proptest::prelude::*;
use sio_oracle::board::Nanos;
use tempfile::TempDir;

use self::simulated::{Noted, Run};
use super::*;
use crate::load::journal::Journalist;
use crate::load::metrics::{Findings, Key, Snapshot};
use crate::record::Counts;
use crate::vocab::Measure;

const MILLI: Nanos = 1_000_000;

/// The journals of a run in so many parts. The clock of each is off by what `skew` says, and its run begins by `shift` later.
fn journals(
    run: &Run,
    parts: u32,
    skew: impl Fn(u32) -> Nanos,
    shift: impl Fn(u32) -> Nanos,
) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..parts).map(|part| folder.path().join(format!("{part}.journal"))).collect();
    for (part, path) in (0..parts).zip(&paths) {
        let share = Share::new(part + 1, parts).unwrap();
        let journalist = Journalist::start(path).unwrap();
        // Two workers, each with half of the users; their blocks lie between one another.
        let books = [journalist.notebook(), journalist.notebook()];
        for (number, Noted { user, event }) in run.noted.iter().filter(|noted| share.owns(noted.user)).enumerate() {
            let worker = share.worker_of((*user).into(), 2).unwrap();
            let event = simulated::moved(*event, skew(part) - shift(part));
            books[worker].note(|| event);
            if number % 97 == 0 {
                books[worker].flush();
            }
        }
        books.iter().for_each(|book| book.close());
        assert_eq!(journalist.end().lacks, None);
    }
    (folder, paths)
}

/// As [`journals`], told again; each part begins by `later` behind the one before.
fn told(run: &Run, parts: u32, within: Nanos, skew: impl Fn(u32) -> Nanos, later: Nanos) -> (Replayed, TempDir) {
    let shift = |part: u32| Nanos::from(part) * later;
    let (folder, paths) = journals(run, parts, skew, shift);
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let clocks = Clocks { shifts: (0..parts).map(shift).collect(), within };
    (replay(&run.loaded.scenario, &run.plan, &paths, &clocks, true).unwrap(), folder)
}

/// What it comes to.
struct Outcome {
    found: Findings,
    snapshot: Snapshot,
    by_clock: Vec<ByClock>,
}

impl Outcome {
    fn of(run: &Run, parts: u32) -> Self {
        Self::within(run, parts, 0, |_| 0)
    }

    /// Parts that begin one behind the other.
    fn later(run: &Run, parts: u32) -> Self {
        Self::made(told(run, parts, 0, |_| 0, 7_000))
    }

    fn within(run: &Run, parts: u32, within: Nanos, skew: impl Fn(u32) -> Nanos) -> Self {
        Self::made(told(run, parts, within, skew, 0))
    }

    fn made((mut replayed, _folder): (Replayed, TempDir)) -> Self {
        assert_eq!((replayed.too_early, replayed.unsent), (0, 0));
        let snapshot = replayed.measurements.snapshot(0, false);
        Self { found: replayed.measurements.into_findings(), snapshot, by_clock: replayed.by_clock }
    }

    fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        self.found.counts.iter().flatten().flatten().for_each(|counts| sum += *counts);
        sum
    }

    fn certainty(&self) -> f64 {
        let counts = self.counts();
        let certain = counts.owed + counts.excused;
        certain as f64 / (certain + counts.may) as f64
    }

    /// Deliveries within a part are some of all, and all are those of the traffic.
    fn assert_sampled(&self, run: &Run) {
        for by_clock in &self.by_clock {
            let of = run.plan.traffic.iter().position(|traffic| traffic.name == by_clock.traffic).unwrap();
            let is_of =
                |key: &Key| key.measure == Measure::Delivery && key.of == of && run.plan.phases[key.phase].measured;
            let all = self.snapshot.histograms.iter().filter(|(key, _)| is_of(key));
            assert_eq!(by_clock.all.count, all.map(|(_, histogram)| histogram.len()).sum::<u64>());
            let (some, all) = (by_clock.same_part, by_clock.all);
            assert!(some.count > 0 && some.count < all.count, "{by_clock:?}");
            assert!(some.min >= all.min && some.max <= all.max && all.min >= 0, "{by_clock:?}");
            assert!(by_clock.disagree.is_empty(), "{by_clock:?}");
        }
        assert_eq!(self.by_clock.len(), run.plan.traffic.len());
    }

    fn assert_same(&self, other: &Self, parts: u32) {
        assert_eq!(self.found.counts, other.found.counts, "{parts} parts");
        assert_eq!(self.found.due, other.found.due, "{parts} parts");
        let sorted = |outcome: &Self| {
            let mut all: Vec<_> =
                outcome.snapshot.histograms.iter().map(|(key, all)| (format!("{key:?}"), all.clone())).collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            all
        };
        for (mine, theirs) in sorted(self).into_iter().zip(sorted(other)) {
            assert!(mine == theirs, "{parts} parts: {} or {} is not the same in every bucket", mine.0, theirs.0);
        }
        assert_eq!(self.snapshot.histograms.len(), other.snapshot.histograms.len(), "{parts} parts");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Churn, joins that are never answered, messages that are late or never sent, answers that never come: one, two and five parts
    /// come to the same messages at the same times, the same pairs and verdicts, and the same histograms, bucket by bucket.
    #[test]
    fn however_many_parts_come_to_the_same(seed in any::<u64>(), lost in 0..40_u32, twice in 0..40_u32) {
        let run = Run::new(seed, lost, twice);
        let whole = Outcome::of(&run, 1);
        for parts in [2, 5] {
            let cut = Outcome::of(&run, parts);
            whole.assert_same(&cut, parts);
            cut.assert_sampled(&run);
            // What a part notes by a clock of its own is put onto that of the first.
            let later = Outcome::later(&run, parts);
            prop_assert_eq!(later.counts(), Counts { sent_late: later.counts().sent_late, ..whole.counts() });
            prop_assert_eq!(&later.found.due, &whole.found.due);
        }
        prop_assert!(whole.by_clock.is_empty(), "of one process there is nothing to compare");
        let counts = whole.counts();
        prop_assert_eq!((counts.misdelivered, counts.out_of_order), (0, 0));
        prop_assert!(counts.missing <= run.lost, "{} of {}", counts.missing, run.lost);
        prop_assert!(counts.duplicate <= run.twice, "{} of {}", counts.duplicate, run.twice);
        prop_assert_eq!(counts.sent, run.sent);
        prop_assert!(counts.owed > 0);
    }

    /// Of a correct server nothing is said that is not so, whatever the clocks show within their bound; and little less is certain.
    #[test]
    fn clocks_within_their_bound_accuse_nobody(seed in any::<u64>(), skews in prop::collection::vec(0..1_000_i64, 5)) {
        let run = Run::new(seed, 0, 0);
        let whole = Outcome::of(&run, 1);
        for parts in [2, 5] {
            let outcome = Outcome::within(&run, parts, MILLI, |part| skews[part as usize] * 1_000);
            let counts = outcome.counts();
            let wrong = counts.missing + counts.duplicate + counts.misdelivered + counts.out_of_order;
            prop_assert_eq!(wrong, 0, "{:?}", counts);
            prop_assert!(outcome.certainty() > whole.certainty() - 0.01, "{} {}", outcome.certainty(), whole.certainty());
        }
    }
}

/// Clocks that differ by more than was said are found out: something comes ahead of its sending, and then nothing is judged.
#[test]
fn clocks_that_lie_are_found_out() {
    let run = Run::new(7, 0, 0);
    let (replayed, _folder) = told(&run, 2, MILLI, |part| if part == 1 { -2_000 * MILLI } else { 0 }, 0);
    assert!(replayed.too_early > 0);
    assert!(replayed.earliest > 1_000 * MILLI, "{}", replayed.earliest);
}

/// What was answered behind the last fence of its receiver may have been lost, and may have been under way: nobody is excused for it.
#[test]
fn what_no_fence_has_settled_is_undecided() {
    let mut undecided = 0;
    for seed in 0..5 {
        let mut run = Run::settled(seed, 25, 0);
        run.noted.retain(|noted| !matches!(noted.event, Event::Settled { fence, .. } if fence > 2_000 * MILLI));
        let counts = Outcome::of(&run, 2).counts();
        assert_eq!((counts.missing + counts.undecided, counts.excused), (run.lost, 0), "run {seed}: {counts:?}");
        undecided += counts.undecided;
    }
    assert!(undecided > 0);
}

/// A journal with messages of another part's users is not that part's.
#[test]
fn journals_in_the_wrong_order_are_refused() {
    let run = Run::new(7, 0, 0);
    let (_folder, paths) = journals(&run, 2, |_| 0, |_| 0);
    let clocks = Clocks { shifts: vec![0, 0], within: 0 };
    let wrong = [paths[1].as_path(), paths[0].as_path()];
    assert_eq!(replay(&run.loaded.scenario, &run.plan, &wrong, &clocks, true).err(), Some((0, Damage::Strange)));
}

/// The oracle is told nothing else than what it is told in a run of one process: what is lost is found, to the last one.
#[test]
fn what_the_server_loses_is_found_to_the_last_one() {
    let mut found = 0;
    for seed in 0..10 {
        let run = Run::settled(seed, 25, 31);
        for parts in [1, 2, 5] {
            let counts = Outcome::of(&run, parts).counts();
            assert_eq!((counts.missing, counts.duplicate), (run.lost, run.twice), "{parts} parts of run {seed}");
            assert_eq!(counts.may, 0);
        }
        found += run.lost;
    }
    assert!(found > 100, "{found}");
}

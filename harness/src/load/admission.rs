//! Whether anybody gets in. A run in which nobody can is over, and says why.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use crate::clock;
use crate::vocab::text::{count, plural};

/// So many of a group have to fail before the group is given up; all of it, if it has fewer.
const TRIED: u64 = 5;
/// A server that has answered nobody for so long answers nobody. It holds until the first user is in, and unless the
/// scenario says how long to wait.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// Reasons that are said.
const REASONS: usize = 3;

/// How those of one group fare who ask to be let in: the users of a population, or the iterations of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entering {
    pub(super) begun: u64,
    /// Users that were in their rooms, iterations that got through their connect, at least once.
    pub(super) inside: u64,
    /// Those that will not get in any more.
    pub(super) failed: u64,
    /// Those of them whom nobody answered at all.
    pub(super) unreachable: u64,
}

impl std::ops::AddAssign for Entering {
    fn add_assign(&mut self, other: Self) {
        let Self { begun, inside, failed, unreachable } = other;
        self.begun += begun;
        self.inside += inside;
        self.failed += failed;
        self.unreachable += unreachable;
    }
}

/// Why somebody did not get in.
#[derive(Debug)]
pub(super) struct NotIn {
    pub(super) why: String,
    /// Nobody has answered; otherwise the target has, and did not let them in.
    pub(super) unreachable: bool,
}

/// What an opening waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Handshake,
    Namespaces,
    Joins,
}

/// When somebody was answered last, of all users of all workers.
pub(super) struct Answers {
    from: Instant,
    /// Milliseconds, by stage.
    last: [AtomicU64; 3],
    anybody_in: AtomicBool,
}

impl Answers {
    pub(super) fn new() -> Self {
        Self { from: clock::now(), last: Default::default(), anybody_in: AtomicBool::new(false) }
    }

    /// Somebody got what this stage waits for. Once per session or rarer; relaxed, since nothing else hangs on it.
    pub(super) fn answered(&self, stage: Stage) {
        let now = clock::now().duration_since(self.from).as_millis() as u64;
        self.last[stage as usize].fetch_max(now, Ordering::Relaxed);
    }

    pub(super) fn somebody_is_in(&self) {
        self.anybody_in.store(true, Ordering::Relaxed);
    }

    /// Whether one that has been at a stage since then waits in vain: nobody is in, and nobody was answered there.
    pub(super) fn is_silent(&self, stage: Stage, since: Instant) -> bool {
        let last = self.from + Duration::from_millis(self.last[stage as usize].load(Ordering::Relaxed));
        let silence = clock::now().saturating_duration_since(last.max(since));
        !self.anybody_in.load(Ordering::Relaxed) && silence >= SILENCE
    }
}

/// Looks at all groups of a run, second by second.
pub(super) struct Admission {
    groups: Vec<Group>,
}

struct Group {
    /// So many have to fail.
    enough: u64,
    /// How many had begun when enough had failed: those may still get in.
    under_way: Option<u64>,
}

impl Admission {
    /// `sizes` are those of the groups; `None` where it is not known how many come.
    pub(super) fn new(sizes: impl IntoIterator<Item = Option<u64>>, nodes: u32) -> Self {
        // Users are spread over the nodes: one of them may let its users in.
        let tried = TRIED.max(2 * u64::from(nodes));
        let group = |size: Option<u64>| Group { enough: size.map_or(tried, |size| size.min(tried)), under_way: None };
        Self { groups: sizes.into_iter().map(group).collect() }
    }

    /// Whether nobody will get in: of each group enough have failed, and with them all that had begun until then.
    pub(super) fn is_hopeless(&mut self, all: &[Entering]) -> bool {
        let mut hopeless = all.iter().any(|entering| entering.failed > 0);
        for (group, entering) in self.groups.iter_mut().zip(all) {
            let enough = entering.failed >= group.enough;
            let begun = enough.then(|| *group.under_way.get_or_insert(entering.begun));
            hopeless &= entering.inside == 0 && begun.is_some_and(|begun| entering.failed >= begun);
        }
        hopeless
    }
}

/// Why nobody got in, and whether that is because nobody answered.
pub(super) fn nobody(all: &[Entering], asked: u64, reasons: &IndexMap<String, u64>) -> NotIn {
    let mut sum = Entering::default();
    all.iter().for_each(|entering| sum += *entering);
    let mut reasons: Vec<_> = reasons.iter().collect();
    reasons.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
    let said = reasons.iter().take(REASONS).map(|(why, times)| format!("{} x {why}", count(**times)));
    let said = said.collect::<Vec<_>>().join("; ");
    let of = if asked > 0 { format!(" of {}", plural(asked, "user")) } else { String::new() };
    NotIn {
        why: format!("nobody got in: {}{of} tried and failed: {said}", count(sum.failed)),
        unreachable: sum.failed > 0 && sum.unreachable == sum.failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entering(begun: u64, inside: u64, failed: u64) -> Entering {
        Entering { begun, inside, failed, unreachable: 0 }
    }

    #[test]
    fn a_run_is_given_up_only_when_all_that_were_under_way_have_failed() {
        let mut admission = Admission::new([Some(40)], 1);
        assert!(!admission.is_hopeless(&[entering(20, 0, 4)]), "too few have failed");
        assert!(!admission.is_hopeless(&[entering(20, 0, 5)]), "fifteen may still get in");
        assert!(!admission.is_hopeless(&[entering(40, 0, 19)]));
        assert!(admission.is_hopeless(&[entering(40, 0, 20)]));
        assert!(!admission.is_hopeless(&[entering(40, 1, 39)]), "somebody got in");
    }

    #[test]
    fn each_group_must_have_tried() {
        let mut admission = Admission::new([Some(40), Some(2), None], 1);
        let refused = entering(40, 0, 40);
        assert!(!admission.is_hopeless(&[refused, entering(2, 0, 1), entering(0, 0, 0)]), "one of two is under way");
        assert!(!admission.is_hopeless(&[refused, entering(2, 0, 2), entering(3, 0, 3)]), "more will come");
        assert!(!admission.is_hopeless(&[refused, entering(2, 0, 2), entering(9, 1, 8)]), "the flow gets in");
        assert!(admission.is_hopeless(&[refused, entering(2, 0, 2), entering(9, 0, 9)]));
        assert!(!Admission::new([Some(40)], 4).is_hopeless(&[entering(5, 0, 5)]), "four nodes are to be tried twice");
        assert!(!Admission::new([], 1).is_hopeless(&[]));
    }

    #[test]
    fn a_refusal_is_not_silence() {
        let reasons = IndexMap::from([("rare".to_owned(), 1), ("refused".to_owned(), 4)]);
        let one = Entering { unreachable: 4, ..entering(5, 0, 5) };
        let said = nobody(&[one], 40, &reasons);
        assert!(!said.unreachable);
        assert_eq!(said.why, "nobody got in: 5 of 40 users tried and failed: 4 x refused; 1 x rare");
        assert!(nobody(&[Entering { unreachable: 5, ..one }], 0, &reasons).unreachable);
    }

    /// A slow server answers somebody now and then; a dead one nobody.
    #[test]
    fn silence_is_of_a_stage_and_of_everybody() {
        let answers = Answers::new();
        let long_ago = clock::now().checked_sub(2 * SILENCE).unwrap();
        let answers = Answers { from: long_ago, ..answers };
        assert!(answers.is_silent(Stage::Joins, long_ago));
        assert!(!answers.is_silent(Stage::Joins, clock::now()), "it has only just asked");
        answers.answered(Stage::Namespaces);
        assert!(!answers.is_silent(Stage::Namespaces, long_ago) && answers.is_silent(Stage::Joins, long_ago));
        answers.somebody_is_in();
        assert!(!answers.is_silent(Stage::Joins, long_ago));
    }
}

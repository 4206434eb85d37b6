//! How a run ended, for those who look for red and green: what is not valid, was cut short or measured nothing is not green.

use super::problem;
use crate::exit::Exit;
use crate::record::{CaseResult, CaseVerdict, Entry, Failure, loads};
use crate::report::coverage;

/// The suite of the case that is the run itself.
const RUN: &str = "run";

/// How a run ended, as its record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End<'a> {
    /// Exit code and sentence.
    Judged(u8, &'a str),
    /// It was written until somebody or something ended it.
    Cut,
}

/// What an incomplete record is called everywhere.
pub(super) const CUT: &str = "the record has no footer: the run was cut short";

pub(super) fn end(entries: &[Entry]) -> End<'_> {
    match entries.last() {
        Some(Entry::Footer(footer)) => End::Judged(footer.exit, &footer.verdict),
        _ => End::Cut,
    }
}

impl End<'_> {
    /// As the verdict of a case, with what to say.
    fn verdict(&self) -> (CaseVerdict, &str) {
        match self {
            Self::Cut => (CaseVerdict::Error, CUT),
            Self::Judged(exit, says) => (of_exit(*exit), says),
        }
    }

    pub(super) fn says(&self) -> &str {
        self.verdict().1
    }
}

fn of_exit(exit: u8) -> CaseVerdict {
    const PASSED: u8 = Exit::Passed as u8;
    const FAILED: u8 = Exit::Failed as u8;
    const NOT_VALID: u8 = Exit::NotValid as u8;
    const PART: u8 = Exit::Part as u8;
    match exit {
        PASSED => CaseVerdict::Pass,
        FAILED => CaseVerdict::Fail,
        NOT_VALID | PART => CaseVerdict::Inconclusive,
        // The target is gone, nothing was played, somebody ended it.
        _ => CaseVerdict::Error,
    }
}

/// The cases of a record, and one more where they do not say how the run ended: that of a load, and that of a suite which is
/// not green although each of its cases is.
pub(super) fn with_verdict(entries: &[Entry]) -> Vec<Entry> {
    let end = end(entries);
    let (verdict, says) = end.verdict();
    let is_said = coverage::cases(entries).iter().any(|case| case.verdict.is_red() || is_undecided(case));
    let is_needed = match end {
        End::Cut => true,
        End::Judged(..) => loads(entries).next().is_some() || verdict != CaseVerdict::Pass && !is_said,
    };
    let mut all = entries.to_vec();
    if is_needed {
        all.insert(entries.len().saturating_sub(1), Entry::Case(case(RUN, format!("{RUN}/verdict"), verdict, says)));
    }
    all
}

fn is_undecided(case: &CaseResult) -> bool {
    case.verdict == CaseVerdict::Inconclusive
}

/// Whether it is the run itself.
pub(super) fn is_run(case: &CaseResult) -> bool {
    case.scenario == RUN && case.requirement.is_none() && case.place.is_empty()
}

/// Where a case failed, and what it did there; of the run itself nobody knows a place.
pub(super) fn at(case: &CaseResult) -> Option<String> {
    let failure = case.failure.as_ref().filter(|failure| !failure.place.is_empty())?;
    Some(format!("at {}: {}", failure.place, failure.step))
}

/// What is wrong with a case and where, in lines.
pub(super) fn account(case: &CaseResult) -> String {
    [Some(problem(case)), at(case)].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// Something that was judged as a whole and not by steps, as a case in an area.
pub(super) fn case(area: &str, id: String, verdict: CaseVerdict, says: &str) -> CaseResult {
    let failure = Failure { message: says.to_owned(), place: String::new(), step: String::new(), late: false };
    CaseResult {
        title: id.rsplit('/').next().unwrap_or_default().to_owned(),
        id,
        scenario: area.to_owned(),
        place: String::new(),
        requirement: None,
        class: None,
        origin: None,
        verdict,
        millis: 0.0,
        options: String::new(),
        reason: None,
        failure: (verdict != CaseVerdict::Pass).then_some(failure),
        transcript: Vec::new(),
        times: 1,
        stderr: None,
    }
}

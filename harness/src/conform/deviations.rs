//! Known deviations of a target: `targets/NAME/deviations.toml`.
//!
//! An entry names cases, says how they fail and why that is known. It never excuses anything else: a failure of
//! another kind, a case that passes, and a case that could not be played stay what they are.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::spelling;
use crate::explore::Known;
use crate::input;
use crate::record::{CaseResult, CaseVerdict};
use crate::vocab::pattern;

/// Cases that one entry may name: enough for a matrix, too few to hide an area.
pub(super) const MOST_CASES: usize = 40;

/// What is said of a failure that is known and excused by nothing.
const HOLE: &str = "a security hole that is known, which excuses nothing";

/// The entries of one file.
#[derive(Clone, Debug, Default)]
pub struct Deviations {
    pub path: PathBuf,
    /// The file as it is written, comments and all.
    pub text: String,
    pub entries: Vec<Deviation>,
    /// What random programs are known to find.
    pub explore: Vec<Known>,
}

/// One entry.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    /// Pattern of ids: `*` within a component, `**` across.
    pub case: String,
    /// What the failure says, somewhere.
    #[serde(rename = "match")]
    pub matches: String,
    pub reason: String,
    /// Where it is discussed.
    pub link: Option<String>,
    /// It fails only at times: then passing is no surprise.
    #[serde(default)]
    pub sometimes: bool,
    /// A security hole, such as handlers that run for somebody who was not admitted: known, and red all the same.
    #[serde(default)]
    pub hole: bool,
    /// A date after which it is no excuse: `2027-01-31`.
    pub until: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    deviation: Vec<Deviation>,
    #[serde(default)]
    explore: Vec<Known>,
}

impl Deviations {
    /// Reads a file; one that is not there has no entries.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = match input::text(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { path: path.to_owned(), ..Self::default() });
            }
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        let file: File = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let wrong = |entry: &Deviation, what: &str| Err(format!("{}: `{}`: {what}", path.display(), entry.case));
        for entry in &file.deviation {
            if entry.reason.trim().is_empty() {
                return wrong(entry, "a deviation needs a `reason`");
            }
            if entry.matches.trim().is_empty() {
                return wrong(entry, "`match` is empty; it is what the failure says, in part");
            }
            let date = |until: &String| until.parse::<jiff::civil::Date>().is_ok();
            if !entry.until.as_ref().is_none_or(date) {
                return wrong(entry, "`until` is a date such as \"2027-01-31\"");
            }
        }
        if let Some((entry, problem)) = file.explore.iter().find_map(|entry| Some((entry, entry.problem()?))) {
            return Err(format!("{}: [[explore]] `{}`: {problem}", path.display(), entry.kind));
        }
        Ok(Self { path: path.to_owned(), text, entries: file.deviation, explore: file.explore })
    }

    /// Whether every entry names cases that exist, and not too many. `ids` are those of the whole suite.
    pub fn check(&self, ids: &[String]) -> Result<(), String> {
        for entry in &self.entries {
            let named = ids.iter().filter(|id| pattern::matches(&entry.case, id)).count();
            let path = self.path.display();
            if named == 0 {
                return Err(format!("{path}: `{}` names no case; remove it or mend its name", entry.case));
            }
            // What happens only at times may happen anywhere; its message is narrow enough.
            if named > MOST_CASES && !entry.sometimes {
                return Err(format!("{path}: `{}` names {named} cases; an entry may name {MOST_CASES}", entry.case));
            }
        }
        Ok(())
    }

    /// Entries that are said to fail at times and did so in none of these runs, though each run played their cases.
    pub fn idle(&self, runs: &[Vec<&CaseResult>]) -> Vec<&Deviation> {
        let played = |entry: &Deviation, run: &[&CaseResult]| {
            let judged = |case: &&&CaseResult| !matches!(case.verdict, CaseVerdict::Skip | CaseVerdict::Inconclusive);
            run.iter().filter(judged).any(|case| pattern::matches(&entry.case, &case.id))
        };
        let idle = |entry: &&Deviation| {
            entry.sometimes
                && runs.iter().all(|run| played(entry, run))
                && !runs.iter().flatten().any(|case| entry.speaks_of(case))
        };
        self.entries.iter().filter(idle).collect()
    }

    /// Whether a failure is known: then it need not be seen again on a quieter machine.
    pub fn know(&self, result: &CaseResult, today: jiff::civil::Date) -> bool {
        self.entries.iter().any(|entry| entry.speaks_of(result) && !entry.is_over(today))
    }

    /// Turns failures that are known into expected ones, and passes that were not expected into failures.
    pub fn apply(&self, result: &mut CaseResult, today: jiff::civil::Date) {
        let entries: Vec<_> = self.entries.iter().filter(|entry| pattern::matches(&entry.case, &result.id)).collect();
        let Some(first) = entries.first() else { return };
        match result.verdict {
            CaseVerdict::Fail | CaseVerdict::Crash => {
                let said = result.failure.as_ref().map(|failure| failure.message.as_str()).unwrap_or_default();
                let fits = entries.iter().find(|entry| spelling::says(said, &entry.matches));
                match fits {
                    Some(entry) if entry.hole => {
                        result.reason = Some(format!("{HOLE}: {}", entry.reason));
                    }
                    Some(entry) if entry.is_over(today) => {
                        result.reason = Some(format!("the deviation was accepted until {}", entry.until_text()));
                    }
                    Some(entry) => {
                        result.verdict = CaseVerdict::Xfail;
                        result.reason = Some(entry.reason.clone());
                    }
                    None => {
                        result.reason =
                            Some(format!("it is a known deviation, but fails in another way than {:?}", first.matches));
                    }
                }
            }
            CaseVerdict::Pass if !entries.iter().all(|entry| entry.sometimes) => {
                result.verdict = CaseVerdict::Xpass;
                result.reason = Some(format!("{} says that it fails: {}", self.path.display(), first.reason));
            }
            _ => {}
        }
    }
}

impl Deviation {
    /// Whether this result is a failure that the entry speaks of.
    pub fn speaks_of(&self, result: &CaseResult) -> bool {
        let failed = matches!(result.verdict, CaseVerdict::Fail | CaseVerdict::Crash | CaseVerdict::Xfail);
        let said = result.failure.as_ref().map_or("", |failure| failure.message.as_str());
        failed && pattern::matches(&self.case, &result.id) && spelling::says(said, &self.matches)
    }

    fn is_over(&self, today: jiff::civil::Date) -> bool {
        self.until.as_ref().and_then(|until| until.parse().ok()).is_some_and(|until: jiff::civil::Date| until < today)
    }

    fn until_text(&self) -> &str {
        self.until.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use super::*;
    use crate::record::Failure;

    pub(crate) fn result(verdict: CaseVerdict, message: &str) -> CaseResult {
        let failure = Failure { message: message.to_owned(), place: String::new(), step: String::new(), late: false };
        CaseResult {
            id: "rooms/a[ws]".to_owned(),
            scenario: "rooms".to_owned(),
            title: "a [ws]".to_owned(),
            place: String::new(),
            requirement: None,
            class: None,
            origin: None,
            verdict,
            millis: 1.0,
            options: String::new(),
            reason: None,
            failure: (verdict != CaseVerdict::Pass).then_some(failure),
            transcript: vec![],
            times: 1,
            stderr: None,
        }
    }

    pub(crate) fn deviations(text: &str) -> Deviations {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deviations.toml");
        fs::write(&path, text).unwrap();
        Deviations::read(&path).unwrap()
    }

    pub(crate) const ENTRY: &str = "[[deviation]]\ncase = \"rooms/*\"\nmatch = \"got nothing\"\nreason = \"known\"\n";

    fn judged(text: &str, verdict: CaseVerdict, message: &str) -> CaseVerdict {
        let mut result = result(verdict, message);
        deviations(text).apply(&mut result, jiff::civil::date(2026, 11, 21));
        result.verdict
    }

    #[test]
    fn only_the_known_failure_is_excused() {
        assert_eq!(judged(ENTRY, CaseVerdict::Fail, "bob got nothing"), CaseVerdict::Xfail);
        assert_eq!(judged(ENTRY, CaseVerdict::Fail, "bob got it twice"), CaseVerdict::Fail);
        assert_eq!(judged(ENTRY, CaseVerdict::Pass, ""), CaseVerdict::Xpass);
        assert_eq!(judged(ENTRY, CaseVerdict::Error, "got nothing"), CaseVerdict::Error);
        let sometimes = format!("{ENTRY}sometimes = true\n");
        assert_eq!(judged(&sometimes, CaseVerdict::Pass, ""), CaseVerdict::Pass);
        let over = format!("{ENTRY}until = \"2026-11-20\"\n");
        assert_eq!(judged(&over, CaseVerdict::Fail, "bob got nothing"), CaseVerdict::Fail);
    }

    #[test]
    fn a_known_failure_is_known_before_it_is_excused() {
        let today = jiff::civil::date(2026, 11, 21);
        let know = |text: &str, message: &str| deviations(text).know(&result(CaseVerdict::Fail, message), today);
        assert!(know(ENTRY, "bob got nothing") && know(&format!("{ENTRY}hole = true\n"), "bob got nothing"));
        assert!(!know(ENTRY, "bob got it twice"));
        assert!(!know(&format!("{ENTRY}until = \"2026-11-20\"\n"), "bob got nothing"));
    }

    #[test]
    fn a_known_hole_stays_red_and_says_so() {
        let mut failed = result(CaseVerdict::Fail, "bob got nothing");
        let hole = deviations(&format!("{ENTRY}hole = true\n"));
        hole.apply(&mut failed, jiff::civil::date(2026, 11, 21));
        assert_eq!(failed.verdict, CaseVerdict::Fail);
        assert_eq!(failed.reason.unwrap(), "a security hole that is known, which excuses nothing: known");
    }

    #[test]
    fn times_and_spaces_in_a_failure_are_spelled_in_many_ways() {
        let entry = ENTRY.replace("got nothing", "got nothing within 2s,  it has");
        assert_eq!(judged(&entry, CaseVerdict::Fail, "bob got nothing within 0ns, it has [1]"), CaseVerdict::Xfail);
        assert_eq!(judged(&entry, CaseVerdict::Fail, "bob got nothing, it has [1]"), CaseVerdict::Fail);
    }

    #[test]
    fn what_fails_at_times_and_never_does_is_named() {
        let entry = deviations(&format!("{ENTRY}sometimes = true\n"));
        let (passed, failed) = (result(CaseVerdict::Pass, ""), result(CaseVerdict::Xfail, "bob got nothing"));
        let skipped = result(CaseVerdict::Skip, "");
        assert_eq!(entry.idle(&[vec![&passed], vec![&passed]]).len(), 1);
        assert!(entry.idle(&[vec![&passed], vec![&failed]]).is_empty(), "it happened");
        assert!(entry.idle(&[vec![&passed], vec![&skipped]]).is_empty(), "nobody can tell");
        assert!(deviations(ENTRY).idle(&[vec![&passed]]).is_empty(), "that is an unexpected pass");
    }

    #[test]
    fn every_entry_of_the_targets_names_cases_that_there_are() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let suite = crate::conform::Suite::load(&[root.join("scenarios/conformance")]).unwrap();
        let ids: Vec<_> = suite.cases().map(|(_, case)| case.full_id()).collect();
        let targets = fs::read_dir(root.join("targets")).unwrap();
        let files: Vec<_> = targets.map(|entry| entry.unwrap().path().join("deviations.toml")).collect();
        let files: Vec<_> = files.iter().filter(|file| file.exists()).collect();
        assert!(files.len() >= 11, "{files:?}");
        let problems: Vec<_> =
            files.iter().filter_map(|file| Deviations::read(file).and_then(|read| read.check(&ids)).err()).collect();
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn an_entry_that_names_nothing_is_refused() {
        assert!(deviations(ENTRY).check(&["rooms/a".to_owned()]).is_ok());
        let error = deviations(ENTRY).check(&["wire/a".to_owned()]).unwrap_err();
        assert!(error.contains("names no case"), "{error}");
        let many: Vec<_> = (0..50).map(|n| format!("rooms/{n}")).collect();
        assert!(deviations(ENTRY).check(&many).unwrap_err().contains("names 50 cases"));
    }
}

//! Taking what runs have shown into a file of known deviations.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::deviations::{Deviations, MOST_CASES};
use crate::record::{CaseResult, CaseVerdict};
use crate::vocab::pattern;

/// Runs after which what never happened is no longer believed to happen at times.
pub const ENOUGH: usize = 3;
/// Fewer characters than these tell nothing apart.
const SHORT: usize = 12;
/// Longer ones are quotations as a rule.
const CLAUSE: usize = 100;
/// Characters of a failure that make a reason.
const REASON: usize = 200;

/// What accepting comes to.
pub struct Accepted {
    pub text: String,
    pub added: usize,
    pub removed: usize,
}

/// An entry that is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fresh {
    case: String,
    part: String,
    reason: String,
    sometimes: bool,
}

/// What became of one case, run by run.
type Runs<'a> = IndexMap<&'a str, Vec<&'a CaseResult>>;

impl Deviations {
    /// The file's text with entries for the failures that are new, and without those that do not fail any more. The
    /// reason of an entry is what the failure says, unless one is given. Comments and what else stands there are kept.
    pub fn accept(&self, runs: &[Vec<&CaseResult>], reason: Option<&str>) -> Result<Accepted, String> {
        let mut cases: Runs<'_> = IndexMap::new();
        for result in runs.iter().flatten().filter(|result| result.verdict != CaseVerdict::Skip) {
            cases.entry(&result.id).or_default().push(result);
        }
        let mut document = self.document()?;
        let tables = document.entry("deviation").or_insert(Item::ArrayOfTables(ArrayOfTables::default()));
        let Some(tables) = tables.as_array_of_tables_mut() else {
            return Err(format!("{}: `deviation` is not an array of tables", self.path.display()));
        };
        let gone = self.gone(&cases, runs);
        let mut number = 0;
        tables.retain(|_| {
            number += 1;
            !gone.contains(&(number - 1))
        });
        let mut fresh = self.narrowed(&gone, &cases);
        fresh.extend(self.fresh(&cases, reason)?);
        fresh.iter().for_each(|entry| tables.push(entry.table()));
        Ok(Accepted { text: document.to_string(), added: fresh.len(), removed: gone.len() })
    }

    fn document(&self) -> Result<DocumentMut, String> {
        self.text.parse().map_err(|error: toml_edit::TomlError| format!("{}: {error}", self.path.display()))
    }

    /// Entries, by number, that some case contradicts by passing, or that never happened.
    fn gone(&self, cases: &Runs<'_>, runs: &[Vec<&CaseResult>]) -> BTreeSet<usize> {
        let idle: BTreeSet<_> = if runs.len() >= ENOUGH {
            self.idle(runs).into_iter().map(std::ptr::from_ref).collect()
        } else {
            BTreeSet::new()
        };
        let is_gone = |entry: &super::deviations::Deviation| {
            let mut named = cases.iter().filter(|(id, _)| pattern::matches(&entry.case, id));
            let unexpected = |results: &[&CaseResult]| results.iter().any(|one| one.verdict == CaseVerdict::Xpass);
            idle.contains(&std::ptr::from_ref(entry)) || named.any(|(_, results)| unexpected(results))
        };
        let numbered = self.entries.iter().enumerate();
        numbered.filter(|(_, entry)| is_gone(entry)).map(|(number, _)| number).collect()
    }

    /// What is left of those entries: the cases that go on failing, each with the reason that was known.
    fn narrowed(&self, gone: &BTreeSet<usize>, cases: &Runs<'_>) -> Vec<Fresh> {
        let mut left = Vec::new();
        for entry in gone.iter().filter_map(|number| self.entries.get(*number)) {
            for (id, results) in cases {
                if results.iter().any(|result| entry.speaks_of(result)) {
                    let sometimes = results.iter().any(|result| passes(result));
                    let (case, part) = ((*id).to_owned(), entry.matches.clone());
                    left.push(Fresh { case, part, reason: entry.reason.clone(), sometimes });
                }
            }
        }
        left
    }

    /// Entries for the failures that none speaks of: one for all combinations of a case, where they fail alike.
    fn fresh(&self, cases: &Runs<'_>, reason: Option<&str>) -> Result<Vec<Fresh>, String> {
        let base = |id: &str| id.split('[').next().unwrap_or(id).to_owned();
        let mut bases: IndexMap<String, Vec<Vec<Fresh>>> = IndexMap::new();
        for (id, results) in cases {
            bases.entry(base(id)).or_default().push(self.of_case(id, results));
        }
        let mut entries = Vec::new();
        for (case, variants) in bases {
            let same = |one: &Fresh| (one.part.clone(), one.sometimes);
            let alike = variants
                .iter()
                .all(|variant| variant.len() == 1 && variants[0].first().map(same) == variant.first().map(same));
            if alike && variants.len() > 1 && variants.len() <= MOST_CASES {
                let first = variants.into_iter().flatten().next();
                entries.extend(first.map(|one| Fresh { case: format!("{case}[**]"), ..one }));
            } else {
                entries.extend(variants.into_iter().flatten());
            }
        }
        let Some(reason) = reason else { return Ok(entries) };
        let kinds: BTreeSet<_> = entries.iter().map(|entry| entry.part.as_str()).collect();
        if kinds.len() > 1 {
            return Err(several_kinds(&entries, &kinds));
        }
        Ok(entries.into_iter().map(|entry| Fresh { reason: reason.to_owned(), ..entry }).collect())
    }

    /// The ways in which one case failed that no entry speaks of.
    fn of_case(&self, id: &str, results: &[&CaseResult]) -> Vec<Fresh> {
        let new = |result: &&&CaseResult| {
            matches!(result.verdict, CaseVerdict::Fail | CaseVerdict::Crash)
                && !self.entries.iter().any(|entry| entry.speaks_of(result))
        };
        let mut ways: IndexMap<&str, Vec<&str>> = IndexMap::new();
        for result in results.iter().filter(new) {
            let message = result.failure.as_ref().map_or("", |failure| failure.message.as_str());
            ways.entry(stable_part(message)).or_default().push(message);
        }
        let sometimes = ways.len() > 1 || results.iter().any(|result| passes(result));
        let entry = |(part, messages): (&str, Vec<&str>)| Fresh {
            case: id.to_owned(),
            part: said_each_time(&messages).unwrap_or(part).to_owned(),
            reason: reason_of(messages[0]),
            sometimes,
        };
        ways.into_iter().map(entry).collect()
    }
}

impl Fresh {
    fn table(&self) -> Table {
        let mut table = Table::new();
        table.insert("case", value(self.case.as_str()));
        table.insert("match", value(self.part.as_str()));
        table.insert("reason", value(self.reason.as_str()));
        if self.sometimes {
            table.insert("sometimes", value(true));
        }
        table
    }
}

/// Whether it was seen to go well: a case that was not decided says nothing of how often it fails.
fn passes(result: &CaseResult) -> bool {
    matches!(result.verdict, CaseVerdict::Pass | CaseVerdict::Xpass)
}

fn several_kinds(entries: &[Fresh], kinds: &BTreeSet<&str>) -> String {
    let shown: Vec<_> = kinds.iter().take(5).map(|kind| format!("  {kind}")).collect();
    format!(
        "{} entries are needed, for failures of {} kinds; one reason is not true of all:\n{}\n  \
         choose failures of one kind with --id, or leave --reason out: then each says what was seen",
        entries.len(),
        kinds.len(),
        shown.join("\n")
    )
}

/// A reason that claims no more than what was seen.
fn reason_of(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = line.chars().take(REASON).collect();
    let more = if short.len() < line.len() { " …" } else { "" };
    format!("seen, not yet explained: {short}{more}")
}

/// What several runs have said in the same words, up to the first semicolon: it says more than words without numbers.
fn said_each_time<'a>(messages: &[&'a str]) -> Option<&'a str> {
    let first = messages.first().filter(|_| messages.len() > 1)?;
    let clause = first.split(';').next().unwrap_or(first).trim();
    let same = messages.iter().all(|message| message.starts_with(clause));
    (same && (SHORT..=CLAUSE).contains(&clause.len())).then_some(clause)
}

/// The longest stretch of a message that does not differ from run to run: no numbers, nothing quoted from the wire.
fn stable_part(message: &str) -> &str {
    // Ahead of the first quotation are words of our own.
    let own = message.split(['"', '<', '\u{2026}']).next().unwrap_or(message);
    let message = if own.trim().len() < SHORT { message } else { own };
    let varies = |c: char| c.is_ascii_digit() || matches!(c, '"' | '{' | '[' | ']' | '}' | ';' | '/' | '\\');
    let longest = message.split(varies).max_by_key(|part| part.len()).unwrap_or(message).trim();
    if longest.is_empty() { message } else { longest }
}

#[cfg(test)]
mod tests {
    use super::super::deviations::tests::{ENTRY, deviations, result};
    use super::*;

    fn case(id: &str, verdict: CaseVerdict, message: &str) -> CaseResult {
        CaseResult { id: id.to_owned(), ..result(verdict, message) }
    }

    #[test]
    fn comments_are_kept_and_what_passes_goes() {
        let other = ENTRY.replace("rooms/*", "wire/*");
        let deviations = deviations(&format!("# what we know\n\n{ENTRY}\n# kept\n{other}"));
        let fresh = case("acks/b", CaseVerdict::Fail, "expected 3 items");
        let passing = result(CaseVerdict::Xpass, "");
        let text = deviations.accept(&[vec![&passing, &fresh]], Some("seen")).unwrap().text;
        assert!(text.contains("# kept") && text.contains("wire/*"), "{text}");
        assert!(!text.contains("rooms/*"), "{text}");
        assert!(text.contains("case = \"acks/b\"") && text.contains("match = \"expected\""), "{text}");
        assert!(text.contains("reason = \"seen\""), "{text}");
    }

    #[test]
    fn what_two_runs_say_alike_is_the_match_and_numbers_that_differ_are_not() {
        let part = |messages: &[&str]| {
            let cases: Vec<_> = messages.iter().map(|message| case("acks/b", CaseVerdict::Fail, message)).collect();
            let runs: Vec<_> = cases.iter().map(|one| vec![one]).collect();
            let text = deviations("").accept(&runs, Some("seen")).unwrap().text;
            text.lines().find_map(|line| Some(line.strip_prefix("match = ")?.to_owned())).unwrap()
        };
        let status = "expected status 200, found 429; the answer is 429 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
        assert_eq!(part(&[status, status]), "\"expected status 200, found 429\"");
        assert_eq!(part(&["expected 3 items, found 4", "expected 3 items, found 5"]), "\"items, found\"");
        assert_eq!(part(&["c got no packet within 420ms"]), "\"c got no packet within\"");
    }

    #[test]
    fn a_reason_is_what_the_failure_says_and_never_one_for_two_kinds() {
        let (one, two) =
            (case("acks/b", CaseVerdict::Fail, "expected 3"), case("acks/c", CaseVerdict::Fail, "no answer"));
        let run = [vec![&one, &two]];
        let text = deviations("").accept(&run, None).unwrap().text;
        assert!(text.contains("reason = \"seen, not yet explained: expected 3\""), "{text}");
        assert!(text.contains("reason = \"seen, not yet explained: no answer\""), "{text}");
        let refused = deviations("").accept(&run, Some("a refusal has data")).err().unwrap();
        assert!(refused.contains("failures of 2 kinds") && refused.contains("--id"), "{refused}");
    }

    #[test]
    fn what_fails_in_some_runs_fails_sometimes() {
        let (failed, passed) = (case("acks/b", CaseVerdict::Fail, "late"), case("acks/b", CaseVerdict::Pass, ""));
        let text = deviations("").accept(&[vec![&failed], vec![&passed]], None).unwrap().text;
        assert!(text.contains("sometimes = true"), "{text}");
        let text = deviations("").accept(&[vec![&failed], vec![&failed]], None).unwrap().text;
        assert!(!text.contains("sometimes"), "{text}");
    }

    #[test]
    fn what_was_said_to_fail_at_times_goes_when_it_never_did() {
        let known = deviations(&format!("{ENTRY}sometimes = true\n"));
        let passed = result(CaseVerdict::Pass, "");
        let accepted = |runs: usize| known.accept(&vec![vec![&passed]; runs], None).unwrap();
        assert_eq!(accepted(ENOUGH).removed, 1);
        assert_eq!(accepted(ENOUGH - 1).removed, 0, "too few runs to tell");
    }

    #[test]
    fn of_an_entry_that_is_true_in_part_the_part_is_left() {
        let known = deviations(ENTRY);
        let failing = case("rooms/a[polling]", CaseVerdict::Xfail, "bob got nothing");
        let passing = case("rooms/a[ws]", CaseVerdict::Xpass, "");
        let text = known.accept(&[vec![&failing, &passing]], None).unwrap().text;
        assert!(text.contains("case = \"rooms/a[polling]\"") && text.contains("reason = \"known\""), "{text}");
        assert!(!text.contains("rooms/*"), "{text}");
    }

    #[test]
    fn an_entry_holds_our_words_and_none_of_the_wires() {
        let filler = "x".repeat(500);
        let message = format!("the body differs: expected \u{2026} 42, found \"{filler}\"");
        assert_eq!(stable_part(&message), "the body differs: expected");
        assert_eq!(stable_part("c got 1 of 30 times within 2s; it has nothing else"), "it has nothing else");
    }

    #[test]
    fn a_hole_that_is_known_is_not_taken_for_a_new_failure() {
        let known = deviations(&format!("{ENTRY}hole = true\n"));
        let red = result(CaseVerdict::Fail, "bob got nothing");
        assert_eq!(known.accept(&[vec![&red]], None).unwrap().added, 0);
    }
}

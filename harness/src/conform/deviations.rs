//! Known deviations of a target: `targets/NAME/deviations.toml`.
//!
//! An entry names cases, says how they fail and why that is known. It never excuses anything else: a failure of
//! another kind, a case that passes, and a case that could not be played stay what they are.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::pattern;
use crate::record::{CaseResult, CaseVerdict};

/// Cases that one entry may name: enough for a matrix, too few to hide an area.
const MOST_CASES: usize = 40;

/// The entries of one file.
#[derive(Clone, Debug, Default)]
pub struct Deviations {
    pub path: PathBuf,
    pub entries: Vec<Deviation>,
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
    /// A date after which it is no excuse: `2027-01-31`.
    pub until: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    deviation: Vec<Deviation>,
}

impl Deviations {
    /// Reads a file; one that is not there has no entries.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { path: path.to_owned(), entries: Vec::new() });
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
        Ok(Self { path: path.to_owned(), entries: file.deviation })
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

    /// Turns failures that are known into expected ones, and passes that were not expected into failures.
    pub fn apply(&self, result: &mut CaseResult, today: jiff::civil::Date) {
        let entries: Vec<_> = self.entries.iter().filter(|entry| pattern::matches(&entry.case, &result.id)).collect();
        let Some(first) = entries.first() else { return };
        match result.verdict {
            CaseVerdict::Fail | CaseVerdict::Crash => {
                let said = result.failure.as_ref().map(|failure| failure.message.as_str()).unwrap_or_default();
                let fits = entries.iter().find(|entry| said.contains(&entry.matches));
                match fits {
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

    /// The file's text with entries for the failures that are new, for this reason, and without entries of which
    /// every case passes now. Comments and what else stands there are kept.
    pub fn accept(&self, results: &[&CaseResult], reason: &str) -> Result<Accepted, String> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let wrong = |error: toml_edit::TomlError| format!("{}: {error}", self.path.display());
        let mut document: toml_edit::DocumentMut = text.parse().map_err(wrong)?;
        let array =
            document.entry("deviation").or_insert(toml_edit::Item::ArrayOfTables(toml_edit::ArrayOfTables::default()));
        let Some(array) = array.as_array_of_tables_mut() else {
            return Err(format!("{}: `deviation` is not an array of tables", self.path.display()));
        };
        let before = array.len();
        array.retain(|table| {
            let case = table.get("case").and_then(|item| item.as_str()).unwrap_or_default();
            let named: Vec<_> = results.iter().filter(|result| pattern::matches(case, &result.id)).collect();
            named.is_empty() || named.iter().any(|result| result.verdict != CaseVerdict::Xpass)
        });
        let removed = before - array.len();
        let fresh = fresh(results);
        for (case, part) in &fresh {
            let mut table = toml_edit::Table::new();
            table.insert("case", toml_edit::value(case.as_str()));
            table.insert("match", toml_edit::value(part.as_str()));
            table.insert("reason", toml_edit::value(reason));
            array.push(table);
        }
        Ok(Accepted { text: document.to_string(), added: fresh.len(), removed })
    }
}

/// What accepting comes to.
pub struct Accepted {
    pub text: String,
    pub added: usize,
    pub removed: usize,
}

/// Pattern and message of each entry that is needed: one for all combinations of a case, where they fail alike.
fn fresh(results: &[&CaseResult]) -> Vec<(String, String)> {
    let base = |id: &str| id.split('[').next().unwrap_or(id).to_owned();
    let failed = |result: &CaseResult| matches!(result.verdict, CaseVerdict::Fail | CaseVerdict::Crash);
    let part = |result: &CaseResult| {
        stable_part(result.failure.as_ref().map_or("", |failure| failure.message.as_str())).to_owned()
    };
    let mut cases: indexmap::IndexMap<String, Vec<&CaseResult>> = indexmap::IndexMap::new();
    for result in results.iter().filter(|result| result.verdict != CaseVerdict::Skip) {
        cases.entry(base(&result.id)).or_default().push(result);
    }
    let mut entries = Vec::new();
    for (case, variants) in cases {
        let alike = variants.iter().all(|variant| failed(variant) && part(variant) == part(variants[0]));
        if alike && variants.len() > 1 && variants.len() <= MOST_CASES {
            entries.push((format!("{case}[**]"), part(variants[0])));
        } else {
            entries.extend(variants.iter().filter(|variant| failed(variant)).map(|one| (one.id.clone(), part(one))));
        }
    }
    entries
}

impl Deviation {
    fn is_over(&self, today: jiff::civil::Date) -> bool {
        self.until.as_ref().and_then(|until| until.parse().ok()).is_some_and(|until: jiff::civil::Date| until < today)
    }

    fn until_text(&self) -> &str {
        self.until.as_deref().unwrap_or_default()
    }
}

/// The longest stretch of a message that does not differ from run to run: no numbers, nothing quoted from the wire.
fn stable_part(message: &str) -> &str {
    let varies = |c: char| c.is_ascii_digit() || matches!(c, '"' | '{' | '[' | ']' | '}' | ';' | '/' | '\\');
    let longest = message.split(varies).max_by_key(|part| part.len()).unwrap_or(message).trim();
    if longest.is_empty() { message } else { longest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Failure;

    fn result(verdict: CaseVerdict, message: &str) -> CaseResult {
        let failure = Failure { message: message.to_owned(), place: String::new(), step: String::new(), late: false };
        CaseResult {
            id: "rooms/a[ws]".to_owned(),
            scenario: "rooms".to_owned(),
            title: "a [ws]".to_owned(),
            place: String::new(),
            rule: None,
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

    fn deviations(text: &str) -> Deviations {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deviations.toml");
        fs::write(&path, text).unwrap();
        Deviations::read(&path).unwrap()
    }

    const ENTRY: &str = "[[deviation]]\ncase = \"rooms/*\"\nmatch = \"got nothing\"\nreason = \"known\"\n";

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
    fn an_entry_that_names_nothing_is_refused() {
        assert!(deviations(ENTRY).check(&["rooms/a".to_owned()]).is_ok());
        let error = deviations(ENTRY).check(&["wire/a".to_owned()]).unwrap_err();
        assert!(error.contains("names no case"), "{error}");
        let many: Vec<_> = (0..50).map(|n| format!("rooms/{n}")).collect();
        assert!(deviations(ENTRY).check(&many).unwrap_err().contains("names 50 cases"));
    }

    #[test]
    fn accepting_keeps_comments_and_drops_what_passes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deviations.toml");
        let other = ENTRY.replace("rooms/*", "wire/*");
        fs::write(&path, format!("# what we know\n\n{ENTRY}\n# kept\n{other}")).unwrap();
        let deviations = Deviations::read(&path).unwrap();
        let mut fresh = result(CaseVerdict::Fail, "expected 3 items");
        fresh.id = "acks/b".to_owned();
        let passing = result(CaseVerdict::Xpass, "");
        let text = deviations.accept(&[&passing, &fresh], "seen").unwrap().text;
        assert!(text.contains("# kept") && text.contains("wire/*"), "{text}");
        assert!(!text.contains("rooms/*"), "{text}");
        assert!(text.contains("case = \"acks/b\"") && text.contains("match = \"expected\""), "{text}");
    }
}

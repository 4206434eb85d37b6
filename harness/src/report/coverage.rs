//! Which rows of the register a run has checked.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{CaseResult, CaseVerdict, Entry, SuiteInfo};

/// Rows by what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    pub rows: usize,
    /// At least one of their cases was judged.
    pub checked: usize,
    /// All of their cases were skipped on this target.
    pub not_observable: Vec<String>,
    /// No case checks them, and why.
    pub without: BTreeMap<String, String>,
    /// Their cases were filtered out.
    pub not_asked: usize,
}

/// What the cases of a record cover.
pub fn of(suite: &SuiteInfo, entries: &[Entry]) -> Coverage {
    let mut judged = BTreeSet::new();
    let mut skipped = BTreeSet::new();
    for case in cases(entries) {
        if let Some(rule) = &case.requirement {
            let list = if case.verdict == CaseVerdict::Skip { &mut skipped } else { &mut judged };
            list.insert(rule.as_str());
        }
    }
    let mut coverage = Coverage { rows: suite.requirements.len(), ..Coverage::default() };
    for (id, rule) in &suite.requirements {
        match &rule.uncovered {
            _ if judged.contains(id.as_str()) => coverage.checked += 1,
            _ if skipped.contains(id.as_str()) => coverage.not_observable.push(id.clone()),
            Some(reason) => {
                coverage.without.insert(id.clone(), reason.clone());
            }
            None => coverage.not_asked += 1,
        }
    }
    coverage
}

/// The cases of a record, in the order of the suite's files.
pub fn cases(entries: &[Entry]) -> Vec<&CaseResult> {
    let mut cases: Vec<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Case(case) => Some(case),
            _ => None,
        })
        .collect();
    cases.sort_by(|a, b| order(a).cmp(&order(b)));
    cases
}

/// File, line, id.
fn order(case: &CaseResult) -> (&str, u32, &str) {
    let (file, line) = place(&case.place);
    (file, line, &case.id)
}

/// `file:line` apart.
pub fn place(place: &str) -> (&str, u32) {
    match place.rsplit_once(':') {
        Some((file, line)) => (file, line.parse().unwrap_or(1).max(1)),
        None => (place, 1),
    }
}

/// The suite's line of a record.
pub fn suite(entries: &[Entry]) -> Option<&SuiteInfo> {
    entries.iter().find_map(|entry| match entry {
        Entry::Suite(suite) => Some(suite),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RequirementInfo;
    use crate::scenario::model::{Class, Origin};

    fn rule(uncovered: Option<&str>) -> RequirementInfo {
        RequirementInfo {
            area: String::new(),
            says: String::new(),
            class: Class::Must,
            origin: Origin::Docs,
            cites: String::new(),
            link: String::new(),
            uncovered: uncovered.map(ToOwned::to_owned),
        }
    }

    fn case(rule: &str, verdict: CaseVerdict, place: &str) -> Entry {
        Entry::Case(CaseResult {
            id: format!("a/{rule}-{verdict:?}"),
            scenario: "a".to_owned(),
            title: String::new(),
            place: place.to_owned(),
            requirement: Some(rule.to_owned()),
            class: None,
            origin: None,
            verdict,
            millis: 0.0,
            options: String::new(),
            reason: None,
            failure: None,
            transcript: vec![],
            times: 1,
            stderr: None,
        })
    }

    #[test]
    fn every_row_is_counted_once() {
        let rules = [("A-1", None), ("A-2", None), ("A-3", Some("no way to see it")), ("A-4", None)];
        let rules = rules.into_iter().map(|(id, reason)| (id.to_owned(), rule(reason))).collect();
        let suite = SuiteInfo { hash: String::new(), cases: 3, of: 3, whole: true, requirements: rules };
        let entries = [
            case("A-2", CaseVerdict::Skip, "f.toml:20"),
            case("A-1", CaseVerdict::Skip, "f.toml:10"),
            case("A-1", CaseVerdict::Fail, "f.toml:9"),
        ];
        let coverage = of(&suite, &entries);
        assert_eq!((coverage.rows, coverage.checked, coverage.not_asked), (4, 1, 1));
        assert_eq!(coverage.not_observable, ["A-2"]);
        assert_eq!(coverage.without.len(), 1);
        let order: Vec<_> = cases(&entries).iter().map(|case| case.place.as_str()).collect();
        assert_eq!(order, ["f.toml:9", "f.toml:10", "f.toml:20"]);
    }
}

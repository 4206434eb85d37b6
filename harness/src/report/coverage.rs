//! Which rows of the register a run has checked.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use crate::conform::Register;
use crate::record::{CaseResult, CaseVerdict, Entry, RuleInfo, SuiteInfo};

/// The register as it stands in a record.
pub fn rules(register: &Register) -> IndexMap<String, RuleInfo> {
    let info = |id: &String, rule: &crate::conform::register::Rule| RuleInfo {
        area: register.area_of(id).map_or(String::new(), |(_, name)| name.to_owned()),
        says: rule.says.clone(),
        class: rule.class,
        origin: rule.origin,
        cites: register.citation(rule),
        link: register.link(rule).to_owned(),
        uncovered: rule.uncovered.clone(),
    };
    register.rules.iter().map(|(id, rule)| (id.clone(), info(id, rule))).collect()
}

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
        if let Some(rule) = &case.rule {
            let list = if case.verdict == CaseVerdict::Skip { &mut skipped } else { &mut judged };
            list.insert(rule.as_str());
        }
    }
    let mut coverage = Coverage { rows: suite.rules.len(), ..Coverage::default() };
    for (id, rule) in &suite.rules {
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
        Some((file, line)) => (file, line.parse().unwrap_or(1)),
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

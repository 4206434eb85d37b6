//! A summary for a pull request. With a baseline, only what has changed since.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::{is_complete, problem, target};
use crate::record::{CaseResult, CaseVerdict, Entry};
use crate::report::conformance::tally;
use crate::report::coverage;

pub(super) fn render(entries: &[Entry], baseline: Option<&[Entry]>) -> String {
    let cases = coverage::cases(entries);
    let mut out = format!("### Conformance of {}\n\n", target(entries));
    if !is_complete(entries) {
        out.push_str("**INCOMPLETE**: the record has no footer, so the run was cut short.\n\n");
    }
    let tally = tally(cases.iter().copied());
    let counts: Vec<_> = tally
        .iter()
        .filter(|(_, number)| **number > 0)
        .map(|(verdict, number)| format!("{number} {}", verdict.word().to_lowercase()))
        .collect();
    let _ = writeln!(out, "{}\n", counts.join(", "));
    match baseline {
        Some(baseline) => changes(&mut out, &cases, baseline, entries),
        None => failures(&mut out, &cases),
    }
    out
}

fn failures(out: &mut String, cases: &[&CaseResult]) {
    let red: Vec<_> = cases.iter().filter(|case| case.verdict.is_red()).collect();
    if red.is_empty() {
        return;
    }
    out.push_str("| | case | row | what |\n|---|---|---|---|\n");
    for case in red {
        row(out, case.verdict.word(), case);
    }
}

fn changes(out: &mut String, cases: &[&CaseResult], baseline: &[Entry], entries: &[Entry]) {
    let suite = |entries| coverage::suite(entries).map(|suite| suite.hash.clone());
    if suite(baseline) != suite(entries) {
        out.push_str("The suite has changed since the baseline; cases that were not in it are left out.\n\n");
    }
    let before: HashMap<&str, CaseVerdict> =
        coverage::cases(baseline).into_iter().map(|case| (case.id.as_str(), case.verdict)).collect();
    let changed: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            let old = before.get(case.id.as_str())?;
            (*old != case.verdict).then(|| (format!("{} → {}", old.word(), case.verdict.word()), case))
        })
        .collect();
    if changed.is_empty() {
        out.push_str("Nothing has changed since the baseline.\n");
        return;
    }
    out.push_str("| | case | row | what |\n|---|---|---|---|\n");
    for (change, case) in changed {
        row(out, &change, case);
    }
}

fn row(out: &mut String, word: &str, case: &CaseResult) {
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let what = if case.verdict == CaseVerdict::Pass { String::new() } else { cell(&problem(case)) };
    let rule = case.rule.as_deref().unwrap_or("");
    let _ = writeln!(out, "| {word} | `{}` | {rule} | {what} |", cell(&case.id));
}

//! TAP version 14: a subtest per area, `TODO` for known deviations, YAML behind what failed.

use std::fmt::Write as _;

use indexmap::IndexMap;

use super::{is_complete, problem, target};
use crate::record::{CaseResult, CaseVerdict, Entry};
use crate::report::coverage;

pub(super) fn render(entries: &[Entry]) -> String {
    let mut areas: IndexMap<&str, Vec<&CaseResult>> = IndexMap::new();
    for case in coverage::cases(entries) {
        areas.entry(&case.scenario).or_default().push(case);
    }
    let mut out = format!("TAP version 14\n# target {}\n1..{}\n", escaped(&target(entries)), areas.len());
    for (number, (area, cases)) in areas.iter().enumerate() {
        let _ = writeln!(out, "# Subtest: {}\n    1..{}", escaped(area), cases.len());
        for (number, case) in cases.iter().enumerate() {
            render_case(&mut out, number + 1, case);
        }
        let word = if cases.iter().all(|case| is_ok(case)) { "ok" } else { "not ok" };
        let _ = writeln!(out, "{word} {} - {}", number + 1, escaped(area));
    }
    if !is_complete(entries) {
        out.push_str("Bail out! the record has no footer: the run was cut short\n");
    }
    out
}

/// A failure that is marked as TODO does not fail the area.
fn is_ok(case: &CaseResult) -> bool {
    !case.verdict.is_red() && case.verdict != CaseVerdict::Inconclusive
}

fn render_case(out: &mut String, number: usize, case: &CaseResult) {
    let passed = matches!(case.verdict, CaseVerdict::Pass | CaseVerdict::Skip);
    let word = if passed { "ok" } else { "not ok" };
    let reason = || escaped(&case.reason.clone().unwrap_or_else(|| problem(case)));
    let directive = match case.verdict {
        CaseVerdict::Skip => format!(" # SKIP {}", reason()),
        CaseVerdict::Xfail => format!(" # TODO {}", reason()),
        CaseVerdict::Info => format!(" # TODO recorded, not judged: {}", escaped(&problem(case))),
        _ => String::new(),
    };
    let _ = writeln!(out, "    {word} {number} - {}{directive}", escaped(&case.id));
    if is_ok(case) {
        return;
    }
    let _ = writeln!(out, "      ---\n      verdict: {}", case.verdict.word());
    let mut field = |name: &str, value: &str| {
        // JSON strings are YAML strings.
        let _ = writeln!(out, "      {name}: {}", serde_json::Value::from(value));
    };
    field("rule", case.rule.as_deref().unwrap_or("none"));
    field("message", &problem(case));
    field("at", case.failure.as_ref().map_or(case.place.as_str(), |failure| failure.place.as_str()));
    out.push_str("      ...\n");
}

/// `#` begins a directive, and a line is a line.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#").replace(['\n', '\r'], " ")
}

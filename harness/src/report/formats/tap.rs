//! TAP version 14: a subtest per area, `TODO` for known deviations, YAML behind what failed.

use std::fmt::Write as _;

use indexmap::IndexMap;

use super::end::{CUT, End, end};
use super::escape::{one_line, seen_json};
use super::{problem, target};
use crate::record::{CaseResult, CaseVerdict, Entry};
use crate::report::coverage;

pub(super) fn render(entries: &[Entry]) -> String {
    let mut areas: IndexMap<&str, Vec<&CaseResult>> = IndexMap::new();
    for case in coverage::cases(entries) {
        areas.entry(&case.scenario).or_default().push(case);
    }
    let mut out = format!("TAP version 14\n# target {}\n1..{}\n", one_line(&target(entries)), areas.len());
    for (number, (area, cases)) in areas.iter().enumerate() {
        let _ = writeln!(out, "# Subtest: {}\n    1..{}", escaped(area), cases.len());
        for (number, case) in cases.iter().enumerate() {
            render_case(&mut out, number + 1, case);
        }
        let word = if cases.iter().all(|case| is_ok(case)) { "ok" } else { "not ok" };
        let _ = writeln!(out, "{word} {} - {}", number + 1, escaped(area));
    }
    if end(entries) == End::Cut {
        out.push_str(&format!("Bail out! {CUT}\n"));
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
        let _ = writeln!(out, "      {name}: {}", seen_json(&serde_json::Value::from(value).to_string()));
    };
    field("rule", case.requirement.as_deref().unwrap_or("none"));
    field("message", &problem(case));
    let at = case.failure.as_ref().map_or(case.place.as_str(), |failure| failure.place.as_str());
    if !at.is_empty() {
        field("at", at);
    }
    out.push_str("      ...\n");
}

/// A line is a line, to those as well for whom U+2028 ends it; `#` begins a directive, and `\` takes that from it.
fn escaped(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('#', "\\#")
}

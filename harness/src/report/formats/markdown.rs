//! A summary for a pull request. With a baseline, only what has changed since.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::end::{CUT, End, end};
use super::escape::code;
use super::{problem, target};
use crate::record::{self, CaseResult, CaseVerdict, Change, Entry, Summary};
use crate::report::conformance::tally;
use crate::report::coverage;
use crate::report::samples::{FEW_SAYS, marked};
use crate::vocab::Measure;
use crate::vocab::samples::needed;
use crate::vocab::text::{count, time};

pub(super) fn render(entries: &[Entry], baseline: Option<&[Entry]>) -> String {
    let cases = coverage::cases(entries);
    let what = if coverage::suite(entries).is_some() { "Conformance" } else { "A run" };
    let mut out = format!("### {what} of {}\n\n", code(&target(entries)));
    out.push_str(&verdict(entries));
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
    loads(&mut out, entries, baseline);
    since_baseline(&mut out, entries);
    out
}

/// How it ended: the word, and what it means.
fn verdict(entries: &[Entry]) -> String {
    match end(entries) {
        End::Cut => format!("**INCOMPLETE**: {CUT}\n\n"),
        End::Judged(_, says) => match says.split_once(": ") {
            Some((word, rest)) => format!("**{}**: {}\n\n", plain(word), code(rest)),
            None => format!("{}\n\n", code(says)),
        },
    }
}

/// A word of ours as it is; what a stranger's record has in its place, as code.
fn plain(word: &str) -> String {
    let is_ours = word.chars().all(|c| c.is_ascii_uppercase() || c == ' ');
    if is_ours { word.to_owned() } else { code(word) }
}

/// What has changed since earlier runs, and how sure that is.
fn since_baseline(out: &mut String, entries: &[Entry]) {
    let changes: Vec<&Change> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Change(change) => Some(change),
            _ => None,
        })
        .collect();
    if changes.is_empty() {
        return;
    }
    out.push_str("\n| | before | now | change, with 95 % confidence |\n|---|---|---|---|\n");
    for change in changes {
        let name = code(&format!("{} {}", change.measure, change.figure));
        let _ = writeln!(out, "| {name} | {} | {} | {} |", time(change.before), time(change.now), code(&change.says));
    }
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
        out.push_str("No verdict has changed since the baseline.\n");
        return;
    }
    out.push_str("| | case | row | what |\n|---|---|---|---|\n");
    for (change, case) in changed {
        row(out, &change, case);
    }
}

/// What loads measured, beside the baseline if there is one.
fn loads(out: &mut String, entries: &[Entry], baseline: Option<&[Entry]>) {
    let rows = figures(entries);
    if rows.is_empty() {
        return;
    }
    let before: HashMap<String, Summary> = baseline.map(figures).unwrap_or_default().into_iter().collect();
    let more = if before.is_empty() { ("", "") } else { (" p50 before | p99 before |", "---|---|") };
    let _ = write!(out, "\n| measure | p50 | p99 | max | samples |{}\n|---|---|---|---|---|{}\n", more.0, more.1);
    let mut few = false;
    for (name, now) in rows {
        let [p50, _, p99, _, max] = marked(&now);
        let times = [p50, p99, max].join(" | ");
        few |= now.count < needed(0.99);
        let _ = write!(out, "| {} | {times} | {} |", code(&name), count(now.count));
        match before.get(&name) {
            Some(old) => {
                let _ = write!(out, " {} | {} |", change(old.p50, now.p50), change(old.p99, now.p99));
            }
            None if before.is_empty() => {}
            None => out.push_str(" | |"),
        }
        out.push('\n');
    }
    if few {
        let _ = write!(out, "\n{FEW_SAYS}\n");
    }
}

/// `1.20 ms (+12 %)`: what it was, and how much it has changed since.
fn change(before: u64, now: u64) -> String {
    let share = (now as f64 / before.max(1) as f64 - 1.0) * 100.0;
    format!("{} ({share:+.0} %)", time(before as f64))
}

/// Every distribution of every load.
fn figures(entries: &[Entry]) -> Vec<(String, Summary)> {
    let mut found = Vec::new();
    for load in record::loads(entries) {
        found.extend(load.of_flows_and_traffic().map(|(name, summary)| (name, *summary)));
        for measure in [Measure::Connect, Measure::Late] {
            found.extend(load.of_run(measure).map(|summary| (measure.label().to_owned(), *summary)));
        }
    }
    found.retain(|(_, summary)| summary.count > 0);
    found
}

fn row(out: &mut String, word: &str, case: &CaseResult) {
    let what = if case.verdict == CaseVerdict::Pass { String::new() } else { code(&problem(case)) };
    let rule = case.requirement.as_deref().map_or_else(String::new, code);
    let _ = writeln!(out, "| {word} | {} | {rule} | {what} |", code(&case.id));
}

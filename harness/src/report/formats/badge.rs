//! Endpoint JSON for badges: what was measured, and how it ended. Green is only what has passed; the colour is never that of
//! a percentage.

use serde_json::json;

use super::end::{End, end};
use super::escape::{one_line, seen_json};
use crate::exit::Exit;
use crate::record::{CaseVerdict, Entry, LoadResult, header, loads};
use crate::report::conformance::tally;
use crate::report::coverage;
use crate::vocab::text::{count, plural};

pub(super) fn render(entries: &[Entry]) -> String {
    let (colour, message) = judged(entries);
    let badge = json!({ "schemaVersion": 1, "label": one_line(&label(entries)), "message": message, "color": colour });
    format!("{}\n", seen_json(&badge.to_string()))
}

/// What was asked: loads by their names, a suite by its target.
fn label(entries: &[Entry]) -> String {
    let names: Vec<_> = loads(entries).map(|load| load.scenario.as_str()).collect();
    let target = header(entries).map_or("", |header| header.target.name.as_str());
    match (names.as_slice(), coverage::suite(entries)) {
        ([], Some(suite)) if !suite.whole => format!("conform {target}, in part"),
        ([], _) => format!("conform {target}"),
        ([one], _) => (*one).to_owned(),
        ([first, others @ ..], _) => format!("{first} and {} more", others.len()),
    }
}

fn judged(entries: &[Entry]) -> (&'static str, String) {
    const PASSED: u8 = Exit::Passed as u8;
    const FAILED: u8 = Exit::Failed as u8;
    const TARGET: u8 = Exit::Target as u8;
    const NOT_VALID: u8 = Exit::NotValid as u8;
    const NOTHING: u8 = Exit::NothingMatched as u8;
    const PART: u8 = Exit::Part as u8;
    let grey = |word: &str| ("lightgrey", word.to_owned());
    let Some(measured) = measured(entries) else { return grey("nothing was measured") };
    match end(entries) {
        End::Cut => grey("incomplete"),
        End::Judged(FAILED, _) => ("red", measured),
        End::Judged(TARGET, _) => ("red", "target lost".to_owned()),
        End::Judged(NOT_VALID, _) => grey("not valid"),
        End::Judged(NOTHING, _) => grey("nothing was measured"),
        End::Judged(PART, _) => grey("a part of a run"),
        End::Judged(PASSED, _) => passed(entries, measured),
        End::Judged(..) => grey("interrupted"),
    }
}

/// Of a record that says that it passed.
fn passed(entries: &[Entry], measured: String) -> (&'static str, String) {
    let tally = tally(coverage::cases(entries));
    let are_red = tally.iter().any(|(verdict, number)| verdict.is_red() && *number > 0);
    let colour = match (are_red, tally[&CaseVerdict::Inconclusive], tally[&CaseVerdict::Xfail]) {
        (true, ..) => "red",
        (false, 1.., _) => "lightgrey",
        (false, 0, 1..) => "yellowgreen",
        (false, 0, 0) => "brightgreen",
    };
    (colour, measured)
}

/// So much of so much; `None` where nothing was measured.
fn measured(entries: &[Entry]) -> Option<String> {
    let mut parts = Vec::new();
    let sum = |of: fn(&LoadResult) -> u64| loads(entries).map(of).sum::<u64>();
    let counts = |of: fn(&crate::record::Counts) -> u64| -> u64 {
        loads(entries).flat_map(|load| &load.traffic).map(|traffic| of(&traffic.counts)).sum()
    };
    let of = |some: u64, all: u64| format!("{} of {}", count(some), count(all));
    let (owed, sent) = (counts(|counts| counts.owed), counts(|counts| counts.sent));
    let visits = sum(|load| load.iterations.values().map(|visits| visits.finished + visits.failed).sum());
    if owed > 0 {
        parts.push(of(counts(|counts| counts.delivered), owed));
    } else if sent > 0 {
        parts.push(of(sent - counts(|counts| counts.unanswered).min(sent), sent));
    }
    if visits > 0 {
        let finished = sum(|load| load.iterations.values().map(|visits| visits.finished).sum());
        parts.push(format!("{} iterations", of(finished, visits)));
    }
    if parts.is_empty() && sum(|load| load.users.connected) > 0 {
        parts.push(format!("{} held", plural(sum(|load| load.users.connected), "user")));
    }
    parts.extend(cases(entries, !parts.is_empty()));
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Those that passed, of those that were judged.
fn cases(entries: &[Entry], beside_load: bool) -> Option<String> {
    let tally = tally(coverage::cases(entries));
    let red: usize = tally.iter().filter(|(verdict, _)| verdict.is_red()).map(|(_, number)| number).sum();
    let passed = tally[&CaseVerdict::Pass];
    let all = passed + red + tally[&CaseVerdict::Xfail] + tally[&CaseVerdict::Inconclusive];
    let noun = if beside_load { " thresholds and cases" } else { "" };
    (all > 0).then(|| format!("{} of {}{noun}", count(passed as u64), count(all as u64)))
}

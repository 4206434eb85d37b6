//! The report of a conformance run for people: a line per area, every failure explained, the rows covered.

use std::fmt::Write as _;

use indexmap::IndexMap;

use super::coverage;
use super::text::{count, plural};
use crate::record::{CaseResult, CaseVerdict, Entry, Header, SuiteInfo};

/// Lines of a transcript shown around the end of a failed case.
const SHOWN: usize = 24;

/// Renders the record of a conformance run.
pub fn render(entries: &[Entry]) -> String {
    let mut out = String::new();
    let Some(suite) = coverage::suite(entries) else { return out };
    if let Some(Entry::Header(header)) = entries.first() {
        render_header(&mut out, header, suite);
    }
    for entry in entries {
        if let Entry::Capability(capability) = entry
            && let Some(remark) = &capability.remark
        {
            let _ = writeln!(out, "  ! capability {}: {remark}", capability.name);
        }
    }
    let cases = coverage::cases(entries);
    render_areas(&mut out, &cases);
    let target = match entries.first() {
        Some(Entry::Header(header)) => header.target.name.clone() + &way_in(&header.command),
        _ => "…".to_owned(),
    };
    render_problems(&mut out, &cases, suite, &target);
    render_known(&mut out, &cases);
    render_coverage(&mut out, suite, entries);
    render_totals(&mut out, &cases);
    match entries.last() {
        Some(Entry::Footer(footer)) => {
            let _ = writeln!(out, "{} (exit {})", footer.verdict, footer.exit);
        }
        _ => out.push_str("INCOMPLETE: the record has no footer; the run was cut short\n"),
    }
    out
}

fn render_header(out: &mut String, header: &Header, suite: &SuiteInfo) {
    let version = header.target.version.as_deref().unwrap_or("version unknown");
    let _ = writeln!(out, "sio-bench {}   target {} ({version})", header.version, header.target.name);
    let some = if suite.whole { String::new() } else { format!(" of {}", count(suite.of as u64)) };
    let fixture = header.target.fixture.unwrap_or(header.target.fence);
    let fixture = if fixture { "" } else { "   without the fixture" };
    let _ = writeln!(
        out,
        "suite {}   {}{some} cases   {}{fixture}\n",
        &suite.hash[..suite.hash.len().min(8)],
        count(suite.cases as u64),
        header.started
    );
    for remark in &header.target.remarks {
        let _ = writeln!(out, "{remark}");
    }
}

/// Verdicts and how often.
pub fn tally<'a>(cases: impl IntoIterator<Item = &'a CaseResult>) -> IndexMap<CaseVerdict, usize> {
    let mut tally: IndexMap<_, _> = CaseVerdict::ALL.iter().map(|verdict| (*verdict, 0)).collect();
    for case in cases {
        *tally.entry(case.verdict).or_default() += case.times as usize;
    }
    tally
}

fn render_areas(out: &mut String, cases: &[&CaseResult]) {
    let mut areas: IndexMap<&str, Vec<&CaseResult>> = IndexMap::new();
    for case in cases {
        areas.entry(case.scenario.as_str()).or_default().push(case);
    }
    let widest = areas.keys().map(|area| area.len()).max().unwrap_or(0);
    for (area, cases) in areas {
        let tally = tally(cases.iter().copied());
        let red = cases.iter().any(|case| case.verdict.is_red());
        let judged = cases.len() - tally[&CaseVerdict::Skip];
        let mark = match (red, judged) {
            (true, _) => "✖",
            (false, 0) => "◌",
            (false, _) => "✔",
        };
        let others = tally.iter().filter(|(verdict, number)| **verdict != CaseVerdict::Pass && **number > 0);
        let others: Vec<_> =
            others.map(|(verdict, number)| format!("{number} {}", verdict.word().to_lowercase())).collect();
        let passed = tally[&CaseVerdict::Pass];
        let _ = writeln!(out, "  {mark} {area:<widest$}  {passed:>4} pass   {}", others.join("   "));
    }
    let trimmed: Vec<_> = out.lines().map(str::trim_end).collect();
    *out = trimmed.join("\n");
    out.push('\n');
}

fn render_problems(out: &mut String, cases: &[&CaseResult], suite: &SuiteInfo, target: &str) {
    let was_seen = |case: &CaseResult| case.verdict == CaseVerdict::Inconclusive && case.failure.is_some();
    let told = |case: &&&CaseResult| case.verdict.is_red() || was_seen(case);
    let mut problems: Vec<(&CaseResult, usize)> = Vec::new();
    for case in cases.iter().filter(told) {
        // What keeps several cases from being played at all is one problem.
        match problems.iter_mut().find(|(first, _)| are_one(first, case)) {
            Some((_, more)) => *more += 1,
            None => problems.push((case, 0)),
        }
    }
    for (case, more) in problems {
        out.push('\n');
        out.push_str(&explain(case, suite, target));
        if more > 0 {
            let _ = writeln!(out, "  besides  {} for the same reason", plural(more as u64, "other case"));
        }
    }
}

fn are_one(first: &CaseResult, other: &CaseResult) -> bool {
    let error = |case: &CaseResult| case.verdict == CaseVerdict::Error;
    let said = |case: &CaseResult| case.failure.as_ref().map(|failure| failure.message.clone());
    error(first) && error(other) && first.options == other.options && said(first) == said(other)
}

/// Options of a command by which it got in, for another command; what may be secret is only named.
fn way_in(command: &[String]) -> String {
    let mut out = String::new();
    for (index, word) in command.iter().enumerate() {
        let (option, value) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            None => (word.as_str(), command.get(index + 1).map(String::as_str)),
        };
        match (option, value) {
            ("--path", Some(path)) => {
                let _ = write!(out, " --path '{}'", path.replace('\'', r"'\''"));
            }
            ("--header" | "--auth" | "--query", Some(_)) => {
                let _ = write!(out, " {option} …");
            }
            _ => {}
        }
    }
    out
}

/// What was expected and by which row, what happened, and how to see it again.
pub fn explain(case: &CaseResult, suite: &SuiteInfo, target: &str) -> String {
    let mut out = String::new();
    let rule = case.requirement.as_deref().unwrap_or("-");
    let _ = writeln!(out, "{} {}   {rule}   {:.0} ms", case.verdict.word(), case.id, case.millis);
    if let Some(info) = suite.requirements.get(rule) {
        let _ = writeln!(out, "  row      {} ({:?}, {})", info.says, info.class, info.cites);
    }
    if let Some(failure) = &case.failure {
        let _ = writeln!(out, "  found    {}", failure.message);
        let _ = writeln!(out, "  at       {}: {}", failure.place, failure.step);
    }
    if let Some(reason) = &case.reason {
        let _ = writeln!(out, "  because  {reason}");
    }
    if !case.options.is_empty() {
        let _ = writeln!(out, "  options  {}", case.options);
    }
    let hidden = case.transcript.len().saturating_sub(SHOWN);
    if hidden > 0 {
        let _ = writeln!(out, "  packets  … {} before", plural(hidden as u64, "line"));
    }
    for (index, packet) in case.transcript[hidden..].iter().enumerate() {
        let head = if index == 0 && hidden == 0 { "packets" } else { "" };
        let _ = writeln!(out, "  {head:<8} {packet}");
    }
    if let Some(stderr) = &case.stderr {
        for (index, line) in stderr.lines().enumerate() {
            let head = if index == 0 { "stderr" } else { "" };
            let _ = writeln!(out, "  {head:<8} {line}");
        }
    }
    // A quote within quotes, as shells want it.
    let _ = writeln!(out, "  replay   sio-bench conform --id '{}' --target {target}", case.id.replace('\'', r"'\''"));
    out
}

fn render_known(out: &mut String, cases: &[&CaseResult]) {
    let with_reason = |verdict: CaseVerdict| {
        let mut reasons: IndexMap<String, Vec<&str>> = IndexMap::new();
        // A failure that is not decided has been told at length.
        let is_told = |case: &CaseResult| verdict == CaseVerdict::Inconclusive && case.failure.is_some();
        for case in cases.iter().filter(|case| case.verdict == verdict && !is_told(case)) {
            let found = || case.failure.as_ref().map(|failure| failure.message.clone());
            let reason = case.reason.clone().or_else(found).unwrap_or_default();
            reasons.entry(reason).or_default().push(&case.id);
        }
        reasons
    };
    for (verdict, title) in [
        (CaseVerdict::Xfail, "known deviations"),
        (CaseVerdict::Info, "recorded, not judged"),
        (CaseVerdict::Inconclusive, "not decided"),
        (CaseVerdict::Skip, "skipped"),
    ] {
        let reasons = with_reason(verdict);
        if reasons.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{title}:");
        for (reason, ids) in reasons {
            let more = if ids.len() > 1 { format!(" and {} more", ids.len() - 1) } else { String::new() };
            let _ = writeln!(out, "  {}{more}\n      {reason}", ids[0]);
        }
    }
}

fn render_coverage(out: &mut String, suite: &SuiteInfo, entries: &[Entry]) {
    let coverage = coverage::of(suite, entries);
    let _ = write!(out, "\nrows      {} of {} checked", coverage.checked, coverage.rows);
    if !coverage.not_observable.is_empty() {
        let _ = write!(out, "   {} not observable here", coverage.not_observable.len());
    }
    if !coverage.without.is_empty() {
        let _ = write!(out, "   {} without a case", coverage.without.len());
    }
    if coverage.not_asked > 0 {
        let _ = write!(out, "   {} not asked for", coverage.not_asked);
    }
    out.push('\n');
}

fn render_totals(out: &mut String, cases: &[&CaseResult]) {
    let tally = tally(cases.iter().copied());
    let parts: Vec<_> = tally
        .iter()
        .filter(|(verdict, number)| **number > 0 || **verdict == CaseVerdict::Pass)
        .map(|(verdict, number)| format!("{number} {}", verdict.word().to_lowercase()))
        .collect();
    let _ = writeln!(out, "verdicts  {}", parts.join("   "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_gets_in_as_the_run_did_and_tells_no_secret() {
        let command = ["sio-bench", "conform", "--path", "/rt", "--auth", "{\"token\":\"x\"}", "--query=key=7", "-q"];
        let command: Vec<_> = command.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(way_in(&command), " --path '/rt' --auth … --query …");
    }
}

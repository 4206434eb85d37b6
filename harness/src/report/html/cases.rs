//! Cases: a table by area, and for each case its rule, its outcome and its packets.

use indexmap::IndexMap;

use super::page::{element, escape, table};
use super::source::Run;
use crate::record::{CaseResult, CaseVerdict, Entry, RuleInfo};
use crate::report::text::count;

/// Passed cases are many and say little; with more than this, they are folded away by their area alone.
const SHOWN_PASSES: usize = 2_000;

pub(super) fn render(run: &Run) -> String {
    let cases: Vec<&CaseResult> = run
        .entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Case(case) => Some(case),
            _ => None,
        })
        .collect();
    if cases.is_empty() {
        return String::new();
    }
    let rules = run.entries.iter().find_map(|entry| match entry {
        Entry::Suite(suite) => Some(&suite.rules),
        _ => None,
    });
    let mut out = format!("<h2>{}</h2>\n", escape(&format!("Cases: {}", run.label)));
    out.push_str(&areas(&cases));
    out.push_str(&filters(&cases));
    let passes = cases.iter().filter(|case| case.verdict == CaseVerdict::Pass).count();
    for case in &cases {
        if case.verdict != CaseVerdict::Pass || passes <= SHOWN_PASSES {
            out.push_str(&one(case, rules));
        }
    }
    out
}

fn areas(cases: &[&CaseResult]) -> String {
    let mut areas: IndexMap<&str, IndexMap<CaseVerdict, u64>> = IndexMap::new();
    for case in cases {
        *areas.entry(&case.scenario).or_default().entry(case.verdict).or_default() += 1;
    }
    let present: Vec<CaseVerdict> =
        CaseVerdict::ALL.into_iter().filter(|verdict| cases.iter().any(|case| case.verdict == *verdict)).collect();
    let row = |(area, verdicts): (&&str, &IndexMap<CaseVerdict, u64>)| {
        let cells =
            present.iter().map(|verdict| verdicts.get(verdict).map_or_else(String::new, |number| count(*number)));
        std::iter::once(escape(area)).chain(cells).collect()
    };
    let rows: Vec<Vec<String>> = areas.iter().map(row).collect();
    let head: Vec<String> =
        std::iter::once("Area".to_owned()).chain(present.iter().map(|verdict| verdict.word().to_owned())).collect();
    table("Outcomes by area", &head, &rows)
}

/// Which outcomes are shown; a script makes it work, and without one everything is.
fn filters(cases: &[&CaseResult]) -> String {
    let present = CaseVerdict::ALL.into_iter().filter(|verdict| cases.iter().any(|case| case.verdict == *verdict));
    let boxes: Vec<_> = present
        .map(|verdict| {
            let word = verdict.word();
            format!("<label><input type=\"checkbox\" value=\"{word}\" checked> {word}</label>")
        })
        .collect();
    element("p", "filters", &boxes.concat())
}

fn one(case: &CaseResult, rules: Option<&IndexMap<String, RuleInfo>>) -> String {
    let word = case.verdict.word();
    let class = if case.verdict.is_red() { "mark-fail" } else { "mark-pass" };
    let rule = case.rule.as_deref().unwrap_or("-");
    let open = if case.verdict.is_red() { " open" } else { "" };
    let mut inside = String::new();
    if let Some(info) = rules.and_then(|rules| rules.get(rule)) {
        let says = format!("{rule}: {} ({})", info.says, info.cites);
        inside.push_str(&element("p", "soft", &escape(&says)));
    }
    if let Some(failure) = &case.failure {
        inside.push_str(&element("p", "", &escape(&failure.message)));
        inside.push_str(&element("p", "soft", &escape(&format!("at {}: {}", failure.place, failure.step))));
    }
    if let Some(reason) = &case.reason {
        inside.push_str(&element("p", "soft", &escape(reason)));
    }
    if !case.transcript.is_empty() {
        inside.push_str(&element("pre", "", &escape(&case.transcript.join("\n"))));
    }
    if let Some(stderr) = &case.stderr {
        inside.push_str(&element("pre", "", &escape(stderr)));
    }
    format!(
        "<details class=\"case\" data-verdict=\"{word}\"{open}><summary><span class=\"{class}\">{word}</span> {} \
         <span class=\"soft\">{} {:.0} ms</span></summary>{inside}</details>\n",
        escape(&case.title),
        escape(rule),
        case.millis
    )
}

//! Cases: a table by area, and for each case its requirement, its outcome and its packets.

use indexmap::IndexMap;

use super::page::{element, escape, pre, table};
use super::source::Run;
use crate::record::{CaseResult, CaseVerdict, Entry, RequirementInfo};
use crate::report::compare::Comparison;
use crate::report::coverage;
use crate::scenario::model::{Class, Origin};
use crate::vocab::text::count;

/// Passed cases are many and say little; with more than this, they are folded away by their area alone.
const SHOWN_PASSES: usize = 2_000;

/// Several runs of the same suite, for showing them side by side.
pub(super) fn side_by_side(runs: &[Run]) -> Option<Comparison<'_>> {
    let judged = judged(runs);
    let entries: Vec<&[Entry]> = judged.iter().map(|run| run.entries.as_slice()).collect();
    if entries.len() > 1 { Comparison::of(&entries).ok() } else { None }
}

fn judged(runs: &[Run]) -> Vec<&Run> {
    runs.iter().filter(|run| !coverage::cases(&run.entries).is_empty()).collect()
}

/// The cases of all runs, one run after another; what stands side by side is in the matrix instead.
pub(super) fn render(runs: &[Run]) -> String {
    let judged = judged(runs);
    let entries: Vec<&[Entry]> = judged.iter().map(|run| run.entries.as_slice()).collect();
    let why = if entries.len() > 1 { Comparison::of(&entries).err() } else { None };
    let why = why.map_or_else(String::new, |why| element("p", "soft", &escape(&format!("Not side by side: {why}"))));
    let lists: Vec<_> = judged.iter().map(|run| list(run)).collect();
    why + &lists.concat()
}

fn list(run: &Run) -> String {
    let cases = coverage::cases(&run.entries);
    let rules = coverage::suite(&run.entries).map(|suite| &suite.requirements);
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
        *areas.entry(&case.scenario).or_default().entry(case.verdict).or_default() += case.times;
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

/// Which cases are shown; a script makes it work, and without one all of them are.
pub(super) fn filters(cases: &[&CaseResult]) -> String {
    let present = CaseVerdict::ALL.into_iter().filter(|verdict| cases.iter().any(|case| case.verdict == *verdict));
    let verdicts: Vec<_> = present.map(|verdict| tick("verdict", verdict.word())).collect();
    let mut out = search();
    out.push_str(&element("p", "filters", &verdicts.concat()));
    let origins = Origin::ALL.into_iter().filter(|origin| cases.iter().any(|case| case.origin == Some(*origin)));
    let classes = Class::ALL.into_iter().filter(|class| cases.iter().any(|case| case.class == Some(*class)));
    let ticks: Vec<_> = origins
        .map(|origin| tick("origin", origin.word()))
        .chain(classes.map(|class| tick("class", class.word())))
        .collect();
    if ticks.len() > 1 {
        out.push_str(&element("p", "filters", &ticks.concat()));
    }
    out
}

/// Cases whose id, title or requirement has what is typed.
fn search() -> String {
    let label = "<label>Search <input type=\"search\" name=\"search\" placeholder=\"rooms, RM-03, polling …\"></label>";
    element("p", "filters", &format!("{label} <span class=\"soft found\" role=\"status\"></span>"))
}

fn tick(name: &str, word: &str) -> String {
    format!("<label><input type=\"checkbox\" name=\"{name}\" value=\"{word}\" checked> {word}</label>")
}

/// What the filters go by.
pub(super) fn data(verdicts: &str, case: &CaseResult) -> String {
    let origin = case.origin.map_or("", Origin::word);
    let class = case.class.map_or("", Class::word);
    format!("data-verdict=\"{verdicts}\" data-origin=\"{origin}\" data-class=\"{class}\"")
}

/// The row that a case checks, and where it is written.
pub(super) fn cited(rule: &str, info: &RequirementInfo) -> String {
    let said = escape(&format!("{rule}: {} ({})", info.says, info.cites));
    element("p", "soft", &format!("{said}{}", link(&info.link)))
}

/// A link to where a requirement is written. What is no address of the web is text: a record may come from anybody.
fn link(address: &str) -> String {
    let shown = escape(address);
    match address {
        "" => String::new(),
        _ if address.starts_with("https://") || address.starts_with("http://") => {
            format!(" <a href=\"{shown}\" rel=\"noopener noreferrer\">{shown}</a>")
        }
        _ => format!(" {shown}"),
    }
}

fn one(case: &CaseResult, rules: Option<&IndexMap<String, RequirementInfo>>) -> String {
    let word = case.verdict.word();
    let class = if case.verdict.is_red() { "mark-fail" } else { "mark-pass" };
    let rule = case.requirement.as_deref().unwrap_or("-");
    let open = if case.verdict.is_red() { " open" } else { "" };
    let text = format!("{} {}", case.id, case.title);
    let mut inside = String::new();
    if let Some(info) = rules.and_then(|rules| rules.get(rule)) {
        inside.push_str(&cited(rule, info));
    }
    if let Some(failure) = &case.failure {
        inside.push_str(&element("p", "", &escape(&failure.message)));
        inside.push_str(&element("p", "soft", &escape(&format!("at {}: {}", failure.place, failure.step))));
    }
    if let Some(reason) = &case.reason {
        inside.push_str(&element("p", "soft", &escape(reason)));
    }
    if !case.transcript.is_empty() {
        inside.push_str(&pre(&escape(&case.transcript.join("\n"))));
    }
    if let Some(stderr) = &case.stderr {
        inside.push_str(&pre(&escape(stderr)));
    }
    let times = if case.times > 1 { format!(", {} times", count(case.times)) } else { String::new() };
    format!(
        "<details class=\"case\" {} data-text=\"{}\"{open}><summary><span class=\"{class}\">{word}</span> {} \
         <span class=\"soft\">{} {:.0} ms{times}</span></summary>{inside}</details>\n",
        data(word, case),
        escape(&text.to_lowercase()),
        escape(&case.title),
        escape(rule),
        case.millis
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_is_linked_and_a_script_is_not() {
        let info = |link: &str| RequirementInfo {
            area: "rooms".to_owned(),
            says: "leaves the sender out".to_owned(),
            class: Class::Must,
            origin: Origin::Docs,
            cites: "Rooms".to_owned(),
            link: link.to_owned(),
            uncovered: None,
        };
        let html = cited("RM-03", &info("https://socket.io/docs/v4/rooms/#\"x"));
        assert!(html.contains("<a href=\"https://socket.io/docs/v4/rooms/#&quot;x\" rel"), "{html}");
        let html = cited("RM-03", &info("javascript:alert(1)"));
        assert!(!html.contains("href") && html.contains("javascript:alert(1)"), "{html}");
    }
}

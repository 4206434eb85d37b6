//! Several targets side by side: outcomes by area, then every case with its requirement, what each target did, and where their packets
//! part ways.

use super::cases::{cited, data, filters};
use super::page::{element, escape, pre, scrolled, table};
use crate::record::{CaseResult, CaseVerdict};
use crate::report::compare::{Column, Comparison, in_common, sign, without_ids};
use crate::vocab::text::plural;

/// Lines of a transcript, and letters of a line: what is beyond is in the record.
const LINES: usize = 40;
const LETTERS: usize = 220;
/// With more cases than these, the areas are folded.
const SHOWN: usize = 60;

/// What a reader wants to know first: who passes how much of what.
pub(super) fn head(comparison: &Comparison<'_>) -> String {
    let names: Vec<_> = comparison.columns.iter().map(|column| column.name).collect();
    let mut out = format!("<h1>{}</h1>\n", escape(&format!("Conformance: {}", names.join(", "))));
    out.push_str(&areas(comparison));
    out
}

/// Every case, by area.
pub(super) fn rows(comparison: &Comparison<'_>) -> String {
    let columns = &comparison.columns;
    let mut out = String::from("<h2>Cases, side by side</h2>\n");
    let differing = comparison.differing();
    let all: Vec<&CaseResult> = columns
        .iter()
        .flat_map(|column| comparison.ids.iter().filter_map(|id| column.cases.get(id).copied()))
        .collect();
    out.push_str(&element(
        "p",
        "filters",
        &format!(
            "<label><input type=\"checkbox\" name=\"differs\" value=\"yes\"> only the {} cases on which they differ</label>",
            differing.len()
        ),
    ));
    out.push_str(&filters(&all));
    out.push_str(&element(
        "p",
        "soft",
        "✔ passes, F fails (a known deviation as well), C the server dies, E cannot be played, ? undecided, i recorded without a \
         judgement, – skipped. Open a case for its requirement and its packets.",
    ));
    let width = 22 * columns.len() + 120;
    let grid =
        format!("style=\"grid-template-columns: minmax(120px, 1fr) repeat({}, minmax(22px, 44px))\"", columns.len());
    let heads: Vec<_> = columns.iter().map(|column| element("span", "", &escape(column.name))).collect();
    let head = format!("<div class=\"grid head\" {grid}><span>Case</span>{}</div>\n", heads.concat());
    let areas = comparison.areas();
    let mut listed = String::new();
    for (area, ids) in &areas {
        let rows: Vec<_> = ids.iter().map(|id| row(comparison, id, differing.contains(id), &grid)).collect();
        let said = escape(&format!("{area}: {}", plural(ids.len() as u64, "case")));
        // A few are shown as they are; of many, the areas.
        let open = if comparison.ids.len() <= SHOWN { " open" } else { "" };
        listed.push_str(&format!(
            "<details class=\"area\"{open}><summary>{said}</summary>{head}{}</details>\n",
            rows.concat()
        ));
    }
    let listed = format!("<div class=\"cases\" style=\"min-width: {width}px\">{listed}</div>");
    out.push_str(&scrolled("Cases, side by side", &listed));
    out
}

fn areas(comparison: &Comparison<'_>) -> String {
    let columns = &comparison.columns;
    let head: Vec<String> =
        std::iter::once("Area".to_owned()).chain(columns.iter().map(|column| escape(column.name))).collect();
    let scores = |name: &str, ids: &[&str]| -> Vec<String> {
        std::iter::once(escape(name)).chain(columns.iter().map(|column| Comparison::score(column, ids))).collect()
    };
    let mut rows: Vec<Vec<String>> = comparison.areas().iter().map(|(area, ids)| scores(area, ids)).collect();
    rows.push(scores("all", &comparison.ids));
    table("Outcomes by area: cases passed, of those that were judged", &head, &rows)
}

/// A case: a line of outcomes, which opens if there is more to see.
fn row(comparison: &Comparison<'_>, id: &str, differs: bool, grid: &str) -> String {
    let cases: Vec<(&Column<'_>, Option<&CaseResult>)> =
        comparison.columns.iter().map(|column| (column, column.cases.get(id).copied())).collect();
    let Some(first) = cases.iter().find_map(|(_, case)| *case) else { return String::new() };
    let mut verdicts: Vec<&str> = cases.iter().filter_map(|(_, case)| case.map(|case| case.verdict.word())).collect();
    let cells: Vec<_> = cases.iter().map(|(column, case)| cell(column.name, *case)).collect();
    verdicts.sort_unstable();
    verdicts.dedup();
    let line = format!("<span class=\"grid\" {grid}><span class=\"id\">{}</span>{}</span>", escape(id), cells.concat());
    let yes = if differs { " data-differs=\"yes\"" } else { "" };
    let data = data(&verdicts.join(" "), first);
    let mut inside = element("p", "", &escape(&format!("{} ({})", first.title, first.place)));
    if let Some((rule, info)) = first.requirement.as_ref().and_then(|rule| Some((rule, comparison.rules.get(rule)?))) {
        inside.push_str(&cited(rule, info));
    }
    let sides: Vec<_> = alike(&cases).iter().map(|(names, case)| side(names, case, first)).collect();
    inside.push_str(&element("div", "sides", &sides.concat()));
    let text = escape(&format!("{id} {} {}", first.title, first.requirement.as_deref().unwrap_or("")).to_lowercase());
    format!(
        "<details class=\"case row\" {data}{yes} data-text=\"{text}\"><summary>{line}</summary>{inside}</details>\n"
    )
}

fn cell(target: &str, case: Option<&CaseResult>) -> String {
    let Some(case) = case else { return element("span", "cell", "") };
    let class = match case.verdict {
        CaseVerdict::Pass | CaseVerdict::Xpass => "v-pass",
        CaseVerdict::Fail | CaseVerdict::Xfail | CaseVerdict::Crash | CaseVerdict::Error => "v-fail",
        CaseVerdict::Info | CaseVerdict::Inconclusive => "v-odd",
        CaseVerdict::Skip => "v-skip",
    };
    let sign = if class == "v-pass" { '✔' } else { sign(Some(case.verdict)) };
    let title = escape(&format!("{target}: {}", case.verdict.word()));
    format!("<span class=\"cell {class}\" title=\"{title}\">{sign}</span>")
}

/// What there is to see, and who did it: of those with the same outcome, the packets of the first are shown.
fn alike<'a>(cases: &[(&Column<'a>, Option<&'a CaseResult>)]) -> Vec<(Vec<&'a str>, &'a CaseResult)> {
    let mut groups: Vec<(Vec<&str>, &CaseResult)> = Vec::new();
    for (column, case) in cases.iter().filter_map(|(column, case)| Some((column, (*case)?))) {
        match groups.iter_mut().find(|(_, one)| is_same_outcome(one, case)) {
            Some((names, _)) => names.push(column.name),
            None => groups.push((vec![column.name], case)),
        }
    }
    groups
}

/// Whether two targets came to the same, but for ids. Packets are not compared: hardly two servers send the same headers.
fn is_same_outcome(a: &CaseResult, b: &CaseResult) -> bool {
    let message = |case: &CaseResult| case.failure.as_ref().map(|failure| without_ids(&failure.message));
    a.verdict == b.verdict && a.reason == b.reason && message(a) == message(b)
}

/// What some targets did, with the first packet that is not that of `other` marked.
fn side(names: &[&str], case: &CaseResult, other: &CaseResult) -> String {
    let whose = if names.len() > 1 { format!(", as {} did it", names[0]) } else { String::new() };
    let mut out = format!("<strong>{}</strong> {}{}", escape(&names.join(", ")), case.verdict.word(), escape(&whose));
    if let Some(failure) = &case.failure {
        out.push_str(&element("p", "", &escape(&cut(&failure.message))));
    }
    if let Some(reason) = &case.reason {
        out.push_str(&element("p", "soft", &escape(&cut(reason))));
    }
    if case.transcript.is_empty() {
        return element("div", "", &out);
    }
    let parts = (!std::ptr::eq(case, other)).then(|| in_common(&case.transcript, &other.transcript));
    let line = |(number, line): (usize, &String)| {
        let line = escape(&cut(line));
        if parts == Some(number) {
            element("b", "parts", &format!("{line}  ← from here on not as the first"))
        } else {
            line
        }
    };
    let mut lines: Vec<_> = case.transcript.iter().enumerate().take(LINES).map(line).collect();
    if case.transcript.len() > LINES {
        lines.push(format!("… {} more", case.transcript.len() - LINES));
    }
    out.push_str(&pre(&lines.join("\n")));
    element("div", "", &out)
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LETTERS { text.to_owned() } else { text.chars().take(LETTERS).chain(['…']).collect() }
}

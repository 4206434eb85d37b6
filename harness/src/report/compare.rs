//! Several records of one suite side by side: a matrix of areas and cases by server, and where two of them part ways.

use std::collections::HashMap;
use std::fmt::Write as _;

use indexmap::IndexMap;

use super::conformance::tally;
use super::coverage;
use crate::record::{CaseResult, CaseVerdict, Entry, RequirementInfo};
use crate::vocab::pattern;

/// What is compared.
pub struct Comparison<'a> {
    pub(super) columns: Vec<Column<'a>>,
    /// Ids in the order of the suite.
    pub(super) ids: Vec<&'a str>,
    /// The rows that the cases cite.
    pub(super) rules: &'a IndexMap<String, RequirementInfo>,
}

/// One server.
pub(super) struct Column<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    hash: &'a str,
    pub(super) started: &'a str,
    pub(super) cases: HashMap<&'a str, &'a CaseResult>,
}

impl<'a> Comparison<'a> {
    /// Puts records side by side. The error says why they cannot be compared.
    pub fn of(records: &[&'a [Entry]]) -> Result<Self, String> {
        let mut ids: Vec<&CaseResult> = Vec::new();
        let mut columns: Vec<Column<'_>> = Vec::new();
        let mut rules = None;
        for entries in records.iter().copied() {
            let Some(Entry::Header(header)) = entries.first() else { return Err("a record has no header".to_owned()) };
            let Some(suite) = coverage::suite(entries) else {
                return Err(format!("the record of {} is not one of a conformance run", header.target.name));
            };
            rules = rules.or(Some(&suite.requirements));
            let cases = coverage::cases(entries);
            if cases.len() > ids.len() {
                ids.clone_from(&cases);
            }
            columns.push(Column {
                name: &header.target.name,
                version: header.target.version.as_deref().unwrap_or("version unknown"),
                hash: &suite.hash,
                started: &header.started,
                cases: cases.into_iter().map(|case| (case.id.as_str(), case)).collect(),
            });
        }
        let Some(rules) = rules else { return Err("there is nothing to compare".to_owned()) };
        if let Some(other) = columns.iter().find(|column| column.hash != columns[0].hash) {
            let first = columns[0].name;
            return Err(format!("the runs of {first} and {} are not of the same suite; run them again", other.name));
        }
        Ok(Self { columns, ids: ids.into_iter().map(|case| case.id.as_str()).collect(), rules })
    }

    pub(super) fn areas(&self) -> IndexMap<&'a str, Vec<&'a str>> {
        let mut areas: IndexMap<&str, Vec<&str>> = IndexMap::new();
        for id in &self.ids {
            areas.entry(id.split('/').next().unwrap_or(id)).or_default().push(id);
        }
        areas
    }

    /// Those that are listed: all, or only those on which two servers differ.
    pub(super) fn listed(&self, only_differences: bool) -> Vec<&'a str> {
        if only_differences { self.differing() } else { self.ids.clone() }
    }

    /// Passed of judged, or nothing to judge.
    pub(super) fn score(column: &Column<'_>, ids: &[&str]) -> String {
        let (passed, judged) = Self::passed(column, ids);
        if judged == 0 { "–".to_owned() } else { format!("{passed}/{judged}") }
    }

    /// How many passed, and how many were judged.
    pub(super) fn passed(column: &Column<'_>, ids: &[&str]) -> (usize, usize) {
        let tally = tally(ids.iter().filter_map(|id| column.cases.get(id).copied()));
        let count = |verdict: CaseVerdict| tally[&verdict];
        let passed = count(CaseVerdict::Pass) + count(CaseVerdict::Xpass);
        let judged = passed
            + count(CaseVerdict::Fail)
            + count(CaseVerdict::Xfail)
            + count(CaseVerdict::Crash)
            + count(CaseVerdict::Error)
            + count(CaseVerdict::Inconclusive);
        (passed, judged)
    }

    /// Cases on which two servers that were judged differ.
    pub(super) fn differing(&self) -> Vec<&'a str> {
        let differs = |id: &&&str| {
            let letters: Vec<char> = self.columns.iter().map(|column| letter(column, id)).collect();
            let judged: Vec<char> = letters.into_iter().filter(|letter| !matches!(letter, '–' | ' ')).collect();
            judged.windows(2).any(|pair| pair[0] != pair[1])
        };
        self.ids.iter().filter(differs).copied().collect()
    }

    /// The matrix: areas, then the cases on which the servers differ, or all of them.
    pub fn terminal(&self, only_differences: bool) -> String {
        let mut out = String::new();
        for (number, column) in self.columns.iter().enumerate() {
            let _ = writeln!(out, "  [{}] {} ({})   {}", number + 1, column.name, column.version, column.started);
        }
        let width = self.columns.iter().map(|column| column.name.len()).max().unwrap_or(0).max(8);
        let row = |cell: &dyn Fn(&Column<'_>) -> String| {
            let cells: Vec<_> = self.columns.iter().map(|column| format!("{:>width$}", cell(column))).collect();
            cells.join("  ")
        };
        let head = row(&|column| column.name.to_owned());
        let _ = writeln!(out, "\n  {:<16}  {head}", "passed/judged");
        let areas = self.areas();
        for (area, ids) in &areas {
            let cells = row(&|column| Self::score(column, ids));
            let _ = writeln!(out, "  {area:<16}  {cells}");
        }
        let cells = row(&|column| Self::score(column, &self.ids));
        let _ = writeln!(out, "  {:<16}  {cells}\n", "all");
        let listed = self.listed(only_differences);
        let _ = writeln!(
            out,
            "  {} cases{}   . passes  F fails  C dies  E cannot be played  ? undecided  i recorded  – skipped\n",
            listed.len(),
            if only_differences { " on which they differ" } else { "" }
        );
        for id in listed {
            let cells: Vec<String> = self.columns.iter().map(|column| letter(column, id).to_string()).collect();
            let _ = writeln!(out, "  {}  {id}", cells.join(" "));
        }
        out
    }

    /// The same as Markdown.
    pub fn markdown(&self, only_differences: bool) -> String {
        let mut out = String::new();
        for column in &self.columns {
            let _ = writeln!(out, "- **{}**: {}, {}", column.name, column.version, column.started);
        }
        let names: Vec<_> = self.columns.iter().map(|column| column.name).collect();
        let rule = "|---".repeat(names.len() + 1);
        let _ = writeln!(out, "\nPassed of those judged:\n\n| area | {} |\n{rule}|", names.join(" | "));
        for (area, ids) in &self.areas() {
            let cells: Vec<_> = self.columns.iter().map(|column| Self::score(column, ids)).collect();
            let _ = writeln!(out, "| {area} | {} |", cells.join(" | "));
        }
        let cells: Vec<_> = self.columns.iter().map(|column| Self::score(column, &self.ids)).collect();
        let _ = writeln!(out, "| **all** | {} |", cells.join(" | "));
        let listed = self.listed(only_differences);
        let what = if only_differences { "Cases on which they differ" } else { "Every case" };
        let _ = writeln!(
            out,
            "\n{what}: `.` passes, `F` fails, `C` the server dies, `E` cannot be played, `?` undecided, `i` recorded without a judgement, `–` skipped.\n"
        );
        let _ = writeln!(out, "| case | row | {} |\n|---{rule}|", names.join(" | "));
        for id in listed {
            let cells: Vec<String> = self.columns.iter().map(|column| letter(column, id).to_string()).collect();
            let rule = self
                .columns
                .iter()
                .find_map(|column| column.cases.get(id))
                .and_then(|case| case.requirement.as_deref());
            let cell = id.replace('|', "\\|");
            let _ = writeln!(out, "| `{cell}` | {} | {} |", rule.unwrap_or(""), cells.join(" | "));
        }
        out
    }

    /// Where the packets of a case part ways: against the first server, for each other one.
    pub fn diverging(&self, wanted: &str) -> String {
        let mut out = String::new();
        for id in self.ids.iter().filter(|id| pattern::matches(wanted, id)) {
            let Some(first) = self.columns[0].cases.get(id) else { continue };
            for column in &self.columns[1..] {
                let Some(other) = column.cases.get(id) else { continue };
                diverge(&mut out, id, (self.columns[0].name, first), (column.name, other));
            }
        }
        if out.is_empty() {
            let _ = writeln!(out, "no case matches {wanted}, or it was played against one server only");
        }
        out
    }
}

fn letter(column: &Column<'_>, id: &str) -> char {
    sign(column.cases.get(id).map(|case| case.verdict))
}

/// What stands for an outcome in a matrix: known deviations are failures all the same.
pub(super) fn sign(verdict: Option<CaseVerdict>) -> char {
    match verdict {
        Some(CaseVerdict::Pass | CaseVerdict::Xpass) => '.',
        Some(CaseVerdict::Fail | CaseVerdict::Xfail) => 'F',
        Some(CaseVerdict::Crash) => 'C',
        Some(CaseVerdict::Error) => 'E',
        Some(CaseVerdict::Inconclusive) => '?',
        Some(CaseVerdict::Info) => 'i',
        Some(CaseVerdict::Skip) => '–',
        None => ' ',
    }
}

fn diverge(out: &mut String, id: &str, a: (&str, &CaseResult), b: (&str, &CaseResult)) {
    let _ = writeln!(out, "{id}: {} {}, {} {}", a.0, a.1.verdict.word(), b.0, b.1.verdict.word());
    let (left, right) = (normal(&a.1.transcript), normal(&b.1.transcript));
    let same = in_common(&a.1.transcript, &b.1.transcript);
    if same == left.len() && same == right.len() {
        let _ = writeln!(out, "  the same packets\n");
        return;
    }
    let _ = writeln!(out, "  the same up to line {same}; then:");
    let _ = writeln!(out, "    {:<12} {}", a.0, left.get(same).map_or("nothing", String::as_str));
    let _ = writeln!(out, "    {:<12} {}\n", b.0, right.get(same).map_or("nothing", String::as_str));
    for (name, case) in [a, b] {
        let _ = writeln!(out, "  {name}");
        for (index, line) in case.transcript.iter().enumerate() {
            let mark = if index == same { ">" } else { " " };
            let _ = writeln!(out, "  {mark} {line}");
        }
        out.push('\n');
    }
}

/// So many lines of two transcripts are the same, from their beginning on.
pub(super) fn in_common(a: &[String], b: &[String]) -> usize {
    normal(a).iter().zip(&normal(b)).take_while(|(a, b)| a == b).count()
}

/// Lines without what differs from run to run: times, ids, the numbers of private namespaces.
fn normal(transcript: &[String]) -> Vec<String> {
    transcript.iter().map(|line| without_ids(line.get(10..).unwrap_or(line))).collect()
}

/// A text without what differs from run to run: ids, and the numbers of private namespaces.
pub(super) fn without_ids(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for word in line.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))) {
        let bare = word.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')));
        let digits = bare.bytes().filter(u8::is_ascii_digit).count();
        // Session ids are long words of mixed characters, and private names hold long numbers.
        let is_id = (bare.len() >= 16 && !bare.contains("dynamic")) || digits >= 10;
        if is_id {
            out.push('*');
        } else {
            out.push_str(bare);
        }
        out.push_str(&word[bare.len()..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_private_names_do_not_count_as_differences() {
        let line = r#"w ◀ 40/dynamic-28465327300900,{"sid":"yjs6bDcYBhU8Q9ZNAAUL"}"#;
        assert_eq!(without_ids(line), r#"w ◀ 40/*,{"sid":"*"}"#);
        assert_eq!(without_ids(r#"42["message-back",1]"#), r#"42["message-back",1]"#);
    }
}

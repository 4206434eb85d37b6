//! The shapes a report can have; each is a function of the record alone.

mod badge;
mod github;
mod junit;
mod markdown;
mod sarif;
mod tap;

use std::str::FromStr;

use super::{conformance, coverage, terminal};
use crate::record::{CaseResult, Entry, Header};

/// A shape of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Terminal,
    /// The record itself.
    Jsonl,
    /// `JUnit` XML, for nearly every CI system.
    Junit,
    /// TAP version 14.
    Tap,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// A summary for a pull request: what has changed against a baseline.
    Markdown,
    /// Annotations of GitHub's workflows, on the lines of the cases.
    Github,
    /// Endpoint JSON for badges.
    Badge,
}

const ALL: [(&str, Format); 8] = [
    ("terminal", Format::Terminal),
    ("jsonl", Format::Jsonl),
    ("junit", Format::Junit),
    ("tap", Format::Tap),
    ("sarif", Format::Sarif),
    ("markdown", Format::Markdown),
    ("github", Format::Github),
    ("badge", Format::Badge),
];

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = ALL.iter().find(|(name, _)| *name == text).map(|(_, format)| *format);
        let names: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
        found.ok_or_else(|| format!("expected one of {}", names.join(", ")))
    }
}

/// The report of a record. A baseline matters to Markdown alone.
pub fn format(format: Format, entries: &[Entry], baseline: Option<&[Entry]>) -> String {
    match format {
        Format::Terminal if coverage::suite(entries).is_some() => conformance::render(entries),
        Format::Terminal => terminal::render(entries),
        Format::Jsonl => lines(entries.iter().filter_map(|entry| serde_json::to_string(entry).ok())),
        Format::Junit => junit::render(entries),
        Format::Tap => tap::render(entries),
        Format::Sarif => sarif::render(entries),
        Format::Markdown => markdown::render(entries, baseline),
        Format::Github => github::render(entries),
        Format::Badge => badge::render(entries),
    }
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
}

fn header(entries: &[Entry]) -> Option<&Header> {
    entries.iter().find_map(|entry| match entry {
        Entry::Header(header) => Some(header),
        _ => None,
    })
}

/// Name and version of the target.
fn target(entries: &[Entry]) -> String {
    header(entries).map_or_else(String::new, |header| match &header.target.version {
        Some(version) => format!("{} ({version})", header.target.name),
        None => header.target.name.clone(),
    })
}

/// Whether the record was written to its end.
fn is_complete(entries: &[Entry]) -> bool {
    matches!(entries.last(), Some(Entry::Footer(footer)) if footer.complete)
}

/// What is wrong with a case, in one line.
fn problem(case: &CaseResult) -> String {
    let message = case.failure.as_ref().map(|failure| failure.message.as_str());
    match (message, &case.reason) {
        (Some(message), _) => message.to_owned(),
        (None, Some(reason)) => reason.clone(),
        (None, None) => case.verdict.word().to_owned(),
    }
}

#[cfg(test)]
mod tests;

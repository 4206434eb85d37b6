//! The shapes a report can have.

use std::str::FromStr;

use super::{conformance, coverage, terminal};
use crate::record::Entry;

/// A shape of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Terminal,
    /// The record itself.
    Jsonl,
}

impl Format {
    const ALL: [(&str, Self); 2] = [("terminal", Self::Terminal), ("jsonl", Self::Jsonl)];
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, format)| *format);
        let names: Vec<_> = Self::ALL.iter().map(|(name, _)| *name).collect();
        found.ok_or_else(|| format!("expected one of {}", names.join(", ")))
    }
}

/// The report of a record.
pub fn format(format: Format, entries: &[Entry], _baseline: Option<&[Entry]>) -> String {
    match format {
        Format::Terminal if coverage::suite(entries).is_some() => conformance::render(entries),
        Format::Terminal => terminal::render(entries),
        Format::Jsonl => entries.iter().filter_map(|entry| serde_json::to_string(entry).ok()).map(|line| line + "\n").collect(),
    }
}

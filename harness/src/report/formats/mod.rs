//! The shapes a report can have; each is a function of the record alone.

mod badge;
pub mod comparison;
mod csv;
mod end;
mod escape;
mod github;
mod junit;
mod markdown;
mod sarif;
mod tap;

use std::str::FromStr;

use self::end::with_verdict;
use self::escape::seen_json;
use super::{conformance, coverage, terminal};
use crate::guess::did_you_mean;
use crate::record::{
    CaseResult, CaseVerdict, Entry, Failure, Progress, ThresholdKind, ThresholdResult, ThresholdVerdict, header, loads,
    seconds,
};

/// A shape of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Terminal,
    /// The record itself.
    Jsonl,
    /// The same as one JSON document: a list of its entries.
    Json,
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
    /// The seconds of a load.
    Csv,
    /// The end of a load in the text format that Prometheus reads.
    OpenMetrics,
}

const ALL: [(&str, Format); 11] = [
    ("terminal", Format::Terminal),
    ("jsonl", Format::Jsonl),
    ("json", Format::Json),
    ("junit", Format::Junit),
    ("tap", Format::Tap),
    ("sarif", Format::Sarif),
    ("markdown", Format::Markdown),
    ("github", Format::Github),
    ("badge", Format::Badge),
    ("csv", Format::Csv),
    ("openmetrics", Format::OpenMetrics),
];

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = ALL.iter().find(|(name, _)| *name == text).map(|(_, format)| *format);
        let names: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
        found.ok_or_else(|| {
            let guess = did_you_mean(text, names.iter().copied());
            format!("there is no format `{text}`{guess}; expected one of {}", names.join(", "))
        })
    }
}

/// The report of a record. A baseline matters to Markdown alone.
pub fn format(format: Format, entries: &[Entry], baseline: Option<&[Entry]>) -> String {
    match format {
        Format::Junit | Format::Tap | Format::Sarif | Format::Markdown | Format::Github | Format::Badge => {
            let (entries, baseline) = (with_rules(entries), baseline.map(with_rules));
            for_ci(format, &entries, baseline.as_deref())
        }
        Format::Terminal if coverage::suite(entries).is_some() => conformance::render(entries),
        Format::Terminal => terminal::render(entries),
        Format::Jsonl => lines(json(entries)),
        Format::Json => format!("[\n{}\n]\n", json(entries).collect::<Vec<_>>().join(",\n")),
        Format::Csv => csv::render(entries),
        Format::OpenMetrics => openmetrics(entries),
    }
}

/// The shapes that are made of cases.
fn for_ci(format: Format, entries: &[Entry], baseline: Option<&[Entry]>) -> String {
    match format {
        Format::Tap => tap::render(&with_verdict(entries)),
        Format::Sarif => sarif::render(entries),
        Format::Markdown => markdown::render(entries, baseline),
        Format::Github => github::render(&with_verdict(entries)),
        Format::Badge => badge::render(entries),
        _ => junit::render(&with_verdict(entries)),
    }
}

/// What `[slo]` asks for is red or green as a case is, so that whatever reads cases reads it.
fn with_rules(entries: &[Entry]) -> Vec<Entry> {
    let case = |rule: &ThresholdResult| {
        let verdict = match (rule.verdict, rule.about) {
            (ThresholdVerdict::Holds, _) => CaseVerdict::Pass,
            (ThresholdVerdict::Broken, ThresholdKind::Figures | ThresholdKind::Facts) => CaseVerdict::Fail,
            // Neither says anything about the target.
            (ThresholdVerdict::Broken, ThresholdKind::Generator) | (ThresholdVerdict::Unknown, _) => {
                CaseVerdict::Inconclusive
            }
        };
        let message = format!("observed {}", rule.observed);
        // Cases have a file and a line; rules a column as well.
        let place = rule.place.rsplit_once(':').map_or(rule.place.as_str(), |(place, _)| place).to_owned();
        let step = rule.threshold.clone();
        let failure =
            (verdict != CaseVerdict::Pass).then(|| Failure { message, place: place.clone(), step, late: false });
        CaseResult {
            id: format!("{}/{}", rule.scenario, rule.threshold),
            scenario: rule.scenario.clone(),
            title: rule.threshold.clone(),
            place,
            requirement: None,
            class: None,
            origin: None,
            verdict,
            millis: 0.0,
            options: String::new(),
            reason: None,
            failure,
            transcript: Vec::new(),
            times: 1,
            stderr: None,
        }
    };
    entries
        .iter()
        .map(|entry| match entry {
            Entry::Threshold(rule) => Entry::Case(case(rule)),
            other => other.clone(),
        })
        .collect()
}

/// The end of a load: what was counted until then, and the latencies of all measured phases. Of a run that was cut short, its
/// last second.
fn openmetrics(entries: &[Entry]) -> String {
    let last = seconds(entries).next_back().cloned().unwrap_or_default();
    let Some(load) = loads(entries).next() else { return super::figures::openmetrics("", 0, &last) };
    let of_run = load.of_whole_run().filter(|(measure, _)| measure.row().is_main);
    let of_run = of_run.map(|(measure, summary)| (measure.name().to_owned(), summary));
    let latency = load.of_flows_and_traffic().chain(of_run).map(|(name, summary)| (name, *summary)).collect();
    let end = Progress { latency, late: load.late, read: load.read, phase: "measured".to_owned(), ..last };
    super::figures::openmetrics(&load.scenario, load.users.requested, &end)
}

/// Each entry of a record.
fn json(entries: &[Entry]) -> impl Iterator<Item = String> {
    entries.iter().filter_map(|entry| serde_json::to_string(entry).ok()).map(|line| seen_json(&line))
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
}

/// Name and version of the target.
fn target(entries: &[Entry]) -> String {
    header(entries).map_or_else(String::new, |header| match &header.target.version {
        Some(version) => format!("{} ({version})", header.target.name),
        None => header.target.name.clone(),
    })
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
mod readers;
#[cfg(test)]
mod tests;

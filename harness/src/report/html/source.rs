//! What a report is made of: the record, and the distributions beside it.

use std::fs;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::input;
use crate::output;
use crate::record::intervals::{self, in_log};
use crate::record::{self, Entry, LoadResult, header, loads};

/// Rows of a heat map in one decade.
pub(super) const ROWS: f64 = 6.0;

/// One run.
#[derive(Debug)]
pub struct Run {
    /// Scenario and target.
    pub label: String,
    pub entries: Vec<Entry>,
    /// By the name of the measure: the share of values that are not larger, and the value in nanoseconds.
    pub(super) distributions: IndexMap<String, Vec<(f64, f64)>>,
    /// By the name of the scenario: one for each traffic and each step of a flow.
    pub(super) heat: IndexMap<String, Vec<Heat>>,
}

/// How the latencies of one measure were spread, second by second.
#[derive(Debug, Default)]
pub(super) struct Heat {
    pub(super) measure: String,
    /// Seconds since the first phase began; rows and how many values fell into them.
    pub(super) seconds: Vec<(f64, Vec<(i64, u64)>)>,
    /// Nanoseconds.
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Run {
    /// Of entries alone: cases need nothing else.
    pub fn of(entries: Vec<Entry>) -> Self {
        Self { label: label(&entries), entries, distributions: IndexMap::new(), heat: IndexMap::new() }
    }

    /// Reads a record and what lies beside it; without that, there is less to see.
    pub fn read(path: &Path) -> Result<Self, String> {
        let entries = record::read_for_report(path)?;
        let folder =
            if path.is_dir() { path.to_owned() } else { path.parent().map_or_else(PathBuf::new, PathBuf::from) };
        let mut run = Self::of(entries);
        let mut files: Vec<_> =
            fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort_unstable();
        for file in files.iter().filter(|file| file.is_file() && file.extension().is_some_and(|end| end == "hgrm")) {
            let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let text = input::text(file).unwrap_or_default();
            run.distributions.insert(name, distribution(&text));
        }
        for load in loads(&run.entries) {
            let log = folder.join(format!("{}.hlog", output::file_name(&load.scenario)));
            let heats = Heat::read(&log, main_measures(load));
            if !heats.is_empty() {
                run.heat.insert(load.scenario.clone(), heats);
            }
        }
        Ok(run)
    }
}

/// What a load is about, of all that it measures: deliveries of each traffic, or its acknowledgements, and each step of a flow.
fn main_measures(load: &LoadResult) -> Vec<String> {
    let of_traffic = load.traffic.iter().filter_map(|traffic| Some(traffic.main_measure()?.0.full_name(&traffic.name)));
    of_traffic.chain(load.steps.iter().map(|step| step.name.clone())).collect()
}

impl Heat {
    /// All of them, in one go over the log.
    fn read(log: &Path, measures: Vec<String>) -> Vec<Self> {
        let names: Vec<_> = measures.iter().map(|measure| in_log(measure)).collect();
        let mut heats: Vec<_> =
            measures.into_iter().map(|measure| Self { measure, least: f64::INFINITY, ..Self::default() }).collect();
        let take = |interval: &intervals::Interval<'_>, histogram: &hdrhistogram::Histogram<u64>| {
            if let Some(place) = names.iter().position(|name| interval.measure == *name) {
                heats[place].take(interval.start, histogram);
            }
        };
        if intervals::visit(log, |interval| names.iter().any(|name| interval.measure == *name), take).is_err() {
            return Vec::new();
        }
        heats.retain(|heat| heat.most > 0.0);
        heats
    }

    /// The values of one interval.
    fn take(&mut self, start: f64, histogram: &hdrhistogram::Histogram<u64>) {
        let mut rows: Vec<(i64, u64)> = Vec::new();
        for value in histogram.iter_recorded() {
            let nanos = value.value_iterated_to() as f64;
            (self.least, self.most) = (self.least.min(nanos), self.most.max(nanos));
            let row = (nanos.log10() * ROWS).floor() as i64;
            // Values come in their order, and so do rows.
            match rows.last_mut() {
                Some((last, sum)) if *last == row => *sum += value.count_since_last_iteration(),
                _ => rows.push((row, value.count_since_last_iteration())),
            }
        }
        self.seconds.push((start, rows));
    }
}

fn label(entries: &[Entry]) -> String {
    let scenarios: Vec<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Scenario(start) => Some(start.name.as_str()),
            _ => None,
        })
        .collect();
    let target = header(entries).map_or("an unknown target", |header| header.target.name.as_str());
    match scenarios.as_slice() {
        [] => format!("conformance of {target}"),
        names => format!("{} against {target}", names.join(", ")),
    }
}

/// The lines of a `.hgrm`: value in milliseconds, share.
fn distribution(text: &str) -> Vec<(f64, f64)> {
    let point = |line: &str| {
        let mut fields = line.split_whitespace().map(str::parse::<f64>);
        let (value, share) = (fields.next()?.ok()?, fields.next()?.ok()?);
        Some((share, value * 1e6))
    };
    text.lines().filter_map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_read_as_it_was_written() {
        let mut histogram = record::histogram::empty();
        (1..=1_000u64).for_each(|value| record::histogram::record(&mut histogram, value * 1_000_000));
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("x.hgrm");
        record::histogram::write_hgrm(&file, &histogram).unwrap();
        let points = distribution(&fs::read_to_string(&file).unwrap());
        let (share, value) = points.iter().find(|(share, _)| *share >= 0.5).unwrap();
        assert!((*share - 0.5).abs() < 0.01 && (value / 1e6 - 500.0).abs() < 2.0, "{share} {value}");
    }
}

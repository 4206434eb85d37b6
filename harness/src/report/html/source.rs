//! What a report is made of: the record, and the distributions beside it.

use std::fs;
use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use indexmap::IndexMap;

use crate::record::{self, Entry, header};

/// One run.
#[derive(Debug)]
pub struct Run {
    /// Scenario and target.
    pub label: String,
    pub entries: Vec<Entry>,
    /// By the name of the measure: the share of values that are not larger, and the value in nanoseconds.
    pub(super) distributions: IndexMap<String, Vec<(f64, f64)>>,
    /// By the name of the measure: seconds since the run began, and what was recorded then.
    pub(super) seconds: IndexMap<String, Vec<(f64, Histogram<u64>)>>,
}

impl Run {
    /// Reads a record and what lies beside it; without that, there is less to see.
    pub fn read(path: &Path) -> Result<Self, String> {
        let entries = record::read(path)?;
        let folder =
            if path.is_dir() { path.to_owned() } else { path.parent().map_or_else(PathBuf::new, PathBuf::from) };
        let mut run =
            Self { label: label(&entries), entries, distributions: IndexMap::new(), seconds: IndexMap::new() };
        let mut files: Vec<_> =
            fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort_unstable();
        for file in files {
            let extension = file.extension().and_then(|extension| extension.to_str());
            match extension {
                Some("hgrm") => {
                    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                    let text = fs::read_to_string(&file).unwrap_or_default();
                    run.distributions.insert(name, distribution(&text));
                }
                Some("hlog") => run.seconds.extend(intervals(&fs::read(&file).unwrap_or_default())),
                _ => {}
            }
        }
        Ok(run)
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

/// The lines of a `.hlog`, by the measure in front of `@`.
fn intervals(log: &[u8]) -> IndexMap<String, Vec<(f64, Histogram<u64>)>> {
    use base64::Engine as _;
    let mut found: IndexMap<String, Vec<(f64, Histogram<u64>)>> = IndexMap::new();
    let mut deserializer = Deserializer::new();
    for entry in IntervalLogIterator::new(log).map_while(Result::ok) {
        let LogEntry::Interval(interval) = entry else { continue };
        let Some(tag) = interval.tag() else { continue };
        let name = tag.as_str().split('@').next().unwrap_or_default().to_owned();
        let bytes = base64::engine::general_purpose::STANDARD.decode(interval.encoded_histogram()).unwrap_or_default();
        let Ok(histogram) = deserializer.deserialize(&mut bytes.as_slice()) else { continue };
        found.entry(name).or_default().push((interval.start_timestamp().as_secs_f64(), histogram));
    }
    found
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

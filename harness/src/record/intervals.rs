//! Reading a `.hlog` back, one histogram at a time: half an hour of seconds is never in memory at once.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

/// What a histogram of a log is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval<'a> {
    /// As it is written in the log: see [`in_log`].
    pub measure: &'a str,
    /// As it is written in the log; empty for what belongs to no phase.
    pub phase: &'a str,
    /// Seconds since the first phase began.
    pub start: f64,
}

/// A name as a log has it: tags end at a comma or a space, and `@` stands ahead of the phase.
pub fn in_log(name: &str) -> String {
    name.replace([' ', ',', '@'], "-")
}

/// The tag of a measure, in a phase if it belongs to one.
pub fn tag(measure: &str, phase: Option<&str>) -> String {
    let phase = phase.map_or_else(String::new, |phase| format!("@{}", in_log(phase)));
    format!("{}{phase}", in_log(measure))
}

/// Hands the histograms of a log to `take`, in the order of time; those that `wanted` does not want are not even unpacked.
pub fn visit(
    file: &Path,
    wanted: impl Fn(&Interval<'_>) -> bool,
    mut take: impl FnMut(&Interval<'_>, &Histogram<u64>),
) -> Result<(), String> {
    let log = fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let mut deserializer = Deserializer::new();
    // The last line of a log that was cut short is none.
    for entry in IntervalLogIterator::new(&log).map_while(Result::ok) {
        let LogEntry::Interval(line) = entry else { continue };
        let Some(tag) = line.tag() else { continue };
        let (measure, phase) = tag.as_str().rsplit_once('@').unwrap_or((tag.as_str(), ""));
        let interval = Interval { measure, phase, start: line.start_timestamp().as_secs_f64() };
        if !wanted(&interval) {
            continue;
        }
        let broken = |what: String| format!("{}: the histogram of {tag:?} is broken: {what}", file.display());
        let packed = BASE64.decode(line.encoded_histogram()).map_err(|error| broken(error.to_string()))?;
        let histogram =
            deserializer.deserialize(&mut packed.as_slice()).map_err(|error| broken(format!("{error:?}")))?;
        take(&interval, &histogram);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::histogram::{self, empty, record};
    use super::*;

    #[test]
    fn a_log_is_read_as_it_was_written() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("x.hlog");
        let interval = |name: &str, phase: Option<&str>, start: u64, value: u64| {
            let mut histogram = empty();
            record(&mut histogram, value);
            let tag = tag(name, phase);
            histogram::Interval { tag, start: Duration::from_secs(start), length: Duration::from_secs(1), histogram }
        };
        let written = [
            interval("emit a, b", Some("warm up"), 0, 5_000),
            interval("connect", None, 1, 6_000),
            interval("emit a, b", Some("steady"), 2, 7_000),
        ];
        histogram::write_hlog(&file, SystemTime::UNIX_EPOCH, written.into_iter()).unwrap();
        let mut found = Vec::new();
        visit(
            &file,
            |interval| interval.measure == in_log("emit a, b"),
            |interval, histogram| found.push((interval.phase.to_owned(), interval.start, histogram.max())),
        )
        .unwrap();
        let near = |value: u64, wanted: u64| value.abs_diff(wanted) <= wanted / 500;
        assert_eq!(found.len(), 2);
        assert!(found[0].0 == "warm-up" && near(found[0].2, 5_000), "{found:?}");
        assert!(found[1].0 == "steady" && (found[1].1 - 2.0).abs() < 1e-3 && near(found[1].2, 7_000), "{found:?}");
        assert!(visit(&place.path().join("none"), |_| true, |_, _| {}).unwrap_err().contains("cannot read"));
    }
}

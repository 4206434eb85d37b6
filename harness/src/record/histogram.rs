//! Latencies: nanoseconds, three significant digits, exact merging, and the files the usual tools read.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2DeflateSerializer, V2Serializer};

use super::progress::Summary;
use crate::output;

/// The largest value told apart: an hour. Beyond it values are counted as an hour.
const HIGHEST: u64 = 3_600_000_000_000;
/// Nanoseconds of a millisecond: the unit of `.hgrm` files and of the maxima in `.hlog` files.
const MILLI: f64 = 1e6;

/// An empty histogram of nanoseconds.
///
/// # Panics
///
/// Never: the bounds are valid.
pub fn empty() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the bounds are constants")]
    Histogram::new_with_bounds(1, HIGHEST, 3).expect("valid bounds")
}

/// As [`empty`], with two digits: a tenth of the memory, for what there are many of.
///
/// # Panics
///
/// Never: the bounds are valid.
pub fn coarse() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the bounds are constants")]
    Histogram::new_with_bounds(1, HIGHEST, 2).expect("valid bounds")
}

/// Records a time; 0 counts as 1 ns, the smallest value there is.
pub fn record(histogram: &mut Histogram<u64>, nanos: u64) {
    histogram.saturating_record(nanos.max(1));
}

/// A distribution in short; all zero when nothing was recorded.
pub fn summary(histogram: &Histogram<u64>) -> Summary {
    if histogram.is_empty() {
        return Summary::default();
    }
    Summary {
        count: histogram.len(),
        min: histogram.min(),
        mean: histogram.mean(),
        p50: histogram.value_at_quantile(0.5),
        p90: histogram.value_at_quantile(0.9),
        p99: histogram.value_at_quantile(0.99),
        p999: histogram.value_at_quantile(0.999),
        max: histogram.max(),
    }
}

/// One histogram of one second.
pub struct Interval {
    /// Measure and phase: `tell.delivery@steady`.
    pub tag: String,
    /// Since the run's start.
    pub start: Duration,
    pub length: Duration,
    pub histogram: Histogram<u64>,
}

/// An [`Interval`] of which there are many: it has some hundred bytes, where an open one has a quarter of a megabyte.
pub struct Packed {
    pub tag: String,
    pub start: Duration,
    length: Duration,
    bytes: Vec<u8>,
}

impl Packed {
    /// Packs one; what comes out again is the same.
    pub fn new(interval: Interval) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let packed = V2Serializer::new().serialize(&interval.histogram, &mut bytes);
        packed.map_err(|error| io::Error::other(format!("{error:?}")))?;
        bytes.shrink_to_fit();
        Ok(Self { tag: interval.tag, start: interval.start, length: interval.length, bytes })
    }

    /// The other way round.
    pub fn open(self) -> io::Result<Interval> {
        let histogram = Deserializer::new().deserialize(&mut self.bytes.as_slice());
        let histogram = histogram.map_err(|error| io::Error::other(format!("{error:?}")))?;
        Ok(Interval { tag: self.tag, start: self.start, length: self.length, histogram })
    }
}

/// Writes a `.hlog`. Times stand relative to `started`; both `StartTime` and `BaseTime` are given,
/// because readers guess when only one of them is there.
pub fn write_hlog(
    path: &Path,
    started: SystemTime,
    intervals: impl Iterator<Item = io::Result<Interval>>,
) -> io::Result<()> {
    let mut file = BufWriter::new(output::create(path)?);
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment("latencies of sio-bench in nanoseconds; maxima in milliseconds")
        .with_start_time(started)
        .with_base_time(started)
        .with_max_value_divisor(MILLI);
    let mut log = builder.begin_log_with(&mut file, &mut serializer)?;
    for interval in intervals {
        let interval = interval?;
        let tag = Tag::new(&interval.tag);
        log.write_histogram(&interval.histogram, interval.start, interval.length, tag)
            .map_err(|error| io::Error::other(format!("{error:?}")))?;
    }
    drop(log);
    file.flush()
}

/// Writes the percentile distribution that the HdrHistogram plotter reads; values in milliseconds.
pub fn write_hgrm(path: &Path, histogram: &Histogram<u64>) -> io::Result<()> {
    let mut file = BufWriter::new(output::create(path)?);
    writeln!(file, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    for step in histogram.iter_quantiles(5) {
        let value = step.value_iterated_to() as f64 / MILLI;
        let (quantile, count) = (step.quantile_iterated_to(), step.count_since_last_iteration());
        let total = histogram.count_between(0, step.value_iterated_to());
        debug_assert!(total >= count);
        if quantile < 1.0 {
            writeln!(file, "{value:12.6} {quantile:14.12} {total:10} {:14.2}", 1.0 / (1.0 - quantile))?;
        } else {
            writeln!(file, "{value:12.6} {quantile:14.12} {total:10}")?;
        }
    }
    let (mean, deviation) = (histogram.mean() / MILLI, histogram.stdev() / MILLI);
    writeln!(file, "#[Mean    = {mean:12.6}, StdDeviation   = {deviation:12.6}]")?;
    writeln!(file, "#[Max     = {:12.6}, Total count    = {:12}]", histogram.max() as f64 / MILLI, histogram.len())?;
    let buckets = histogram.buckets();
    let sub_buckets = (2 * 10u32.pow(histogram.sigfig().into())).next_power_of_two();
    writeln!(file, "#[Buckets = {buckets:12}, SubBuckets     = {sub_buckets:12}]")?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_from_a_nanosecond_to_an_hour() {
        let mut histogram = empty();
        for value in [1, 999, 1_234_567, 59_999_000_000, HIGHEST, u64::MAX] {
            record(&mut histogram, value);
        }
        assert_eq!((histogram.len(), histogram.min()), (6, 1));
        assert!(histogram.max() >= HIGHEST && histogram.max() - HIGHEST < HIGHEST / 500);
        assert!(histogram.equivalent(1_234_567, 1_234_000));
    }

    #[test]
    fn merging_is_exact() {
        let (mut a, mut b, mut both) = (empty(), empty(), empty());
        for value in 1..2_000u64 {
            let value = value * value * 977;
            record(if value % 2 == 0 { &mut a } else { &mut b }, value);
            record(&mut both, value);
        }
        a.add(&b).unwrap();
        assert_eq!(a, both);
    }

    /// There is one of these for each measure, second and part of a run.
    #[test]
    fn what_is_packed_is_small_and_comes_out_again() {
        let mut histogram = empty();
        for value in [1, 999, 1_234_567, HIGHEST] {
            record(&mut histogram, value);
        }
        let (start, length) = (Duration::from_secs(7), Duration::from_secs(1));
        let interval = Interval { tag: "connect".to_owned(), start, length, histogram: histogram.clone() };
        let packed = Packed::new(interval).unwrap();
        assert!(packed.bytes.capacity() < 1_000, "{}", packed.bytes.capacity());
        let open = packed.open().unwrap();
        assert_eq!((open.tag.as_str(), open.start, open.length), ("connect", start, length));
        assert_eq!(open.histogram, histogram);
        assert_eq!((open.histogram.low(), open.histogram.high()), (histogram.low(), histogram.high()));
        assert_eq!(open.histogram.sigfig(), histogram.sigfig());
    }
}

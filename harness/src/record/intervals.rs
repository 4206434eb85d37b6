//! Reading a `.hlog` back, one histogram at a time: half an hour of seconds is never in memory at once.

use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use crate::input;
use crate::vocab::legacy;

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

/// A log of some days has not as many bytes.
const MOST_LOG: u64 = 2 << 30;

/// Hands the histograms of a log to `take`, in the order of time; those that `wanted` does not want are not even unpacked.
pub fn visit(
    file: &Path,
    wanted: impl Fn(&Interval<'_>) -> bool,
    mut take: impl FnMut(&Interval<'_>, &Histogram<u64>),
) -> Result<(), String> {
    if file.exists() && !file.is_file() {
        return Err(format!("{} is no regular file", file.display()));
    }
    let log = input::bytes(file, MOST_LOG).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let mut deserializer = Deserializer::new();
    // The last line of a log that was cut short is none.
    for entry in IntervalLogIterator::new(&log).map_while(Result::ok) {
        let LogEntry::Interval(line) = entry else { continue };
        let Some(tag) = line.tag() else { continue };
        let (measure, phase) = tag.as_str().rsplit_once('@').unwrap_or((tag.as_str(), ""));
        let measure = legacy::logged(measure);
        let interval = Interval { measure, phase, start: line.start_timestamp().as_secs_f64() };
        if !wanted(&interval) {
            continue;
        }
        let broken = |what: String| format!("{}: the histogram of {tag:?} is broken: {what}", file.display());
        let packed = BASE64.decode(line.encoded_histogram()).map_err(|error| broken(error.to_string()))?;
        let plain = unpacked(&packed).map_err(broken)?;
        let histogram =
            deserializer.deserialize(&mut plain.as_slice()).map_err(|error| broken(format!("{error:?}")))?;
        if histogram.len() > MOST_VALUES {
            return Err(broken("it has more values than a run can have".to_owned()));
        }
        take(&interval, &histogram);
    }
    Ok(())
}

/// Bytes of a histogram that is not compressed, at most: ours have 33,000 counts of a few bytes each.
const MOST_BYTES: usize = 1 << 20;
/// More digits than these, and values beyond [`HIGHEST`], are not ours; each digit is ten times the memory.
const MOST_DIGITS: u32 = 3;
const HIGHEST: u64 = 1 << 43;
/// Values of a histogram, at most: sums of them fit.
const MOST_VALUES: u64 = 1 << 48;

/// What a histogram begins with, compressed and not (HdrHistogram's `V2`).
const COMPRESSED: u32 = 0x1c84_9314;
const PLAIN: u32 = 0x1c84_9313;
/// Bytes ahead of the counts.
const HEAD: usize = 40;

/// The bytes of a histogram that may be read: as long as they say, and of a size that we have written. Whoever has written
/// them may be a stranger; the library believes every length and makes room for it.
fn unpacked(packed: &[u8]) -> Result<Vec<u8>, String> {
    let (cookie, rest) = packed.split_first_chunk::<4>().ok_or("it is too short")?;
    let mut plain = Vec::new();
    match u32::from_be_bytes(*cookie) {
        PLAIN => plain.extend_from_slice(packed),
        COMPRESSED => {
            let deflated = rest.get(4..).ok_or("it is too short")?;
            let mut inflating = ZlibDecoder::new(deflated).take(MOST_BYTES as u64 + 1);
            inflating.read_to_end(&mut plain).map_err(|error| error.to_string())?;
        }
        _ => return Err("it is no histogram".to_owned()),
    }
    if plain.len() > MOST_BYTES {
        return Err(format!("it is longer than {MOST_BYTES} bytes"));
    }
    let head = plain.first_chunk::<HEAD>().ok_or("it is too short")?;
    let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let long = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 4));
    let (length, digits, low, high) = (word(4) as usize, word(12), long(16), long(24));
    if length > plain.len() - HEAD {
        return Err(format!("it says that it has {length} bytes, and has {}", plain.len() - HEAD));
    }
    if digits > MOST_DIGITS || low == 0 || high > HIGHEST {
        return Err(format!("{digits} digits from {low} to {high} are not what sio-bench writes"));
    }
    Ok(plain)
}

/// Reads the packed histogram of a stranger; for the fuzzers.
pub fn fuzz(packed: &[u8]) {
    if let Ok(plain) = unpacked(packed) {
        let _ = Deserializer::new().deserialize::<u64, _>(&mut plain.as_slice());
    }
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
        histogram::write_hlog(&file, SystemTime::UNIX_EPOCH, written.into_iter().map(Ok)).unwrap();
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

    fn head(length: u32, digits: u32, low: u64, high: u64) -> Vec<u8> {
        let mut bytes = [PLAIN, length, 0, digits].iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
        bytes.extend(low.to_be_bytes().into_iter().chain(high.to_be_bytes()).chain(1.0_f64.to_be_bytes()));
        bytes
    }

    fn compressed(plain: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let mut deflating = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        deflating.write_all(plain).unwrap();
        let deflated = deflating.finish().unwrap();
        [&COMPRESSED.to_be_bytes()[..], &(deflated.len() as u32).to_be_bytes(), &deflated].concat()
    }

    /// A few hundred bytes of a stranger make no room for gigabytes.
    #[test]
    fn what_claims_too_much_is_refused() {
        let hour = 3_600_000_000_000;
        let bomb = [head(200 << 20, 3, 1, hour), vec![2; 200 << 20]].concat();
        for (what, bytes) in [
            ("has no bytes", head(u32::MAX, 3, 1, hour)),
            ("has no bytes", compressed(&head(u32::MAX, 3, 1, hour))),
            ("is a bomb", compressed(&bomb)),
            ("has too many digits", head(0, 5, 1, hour)),
            ("has too many digits", head(0, 255, 1, hour)),
            ("has too large values", head(0, 3, 1, u64::MAX)),
            ("begins with nothing", head(0, 3, 0, hour)),
            ("is short", vec![0x1c]),
        ] {
            assert!(unpacked(&bytes).is_err(), "{what}");
        }
        assert!(unpacked(&head(0, 3, 1, hour)).is_ok());
    }

    proptest::proptest! {
        /// Whatever a line of a log says: an error or a histogram, never a panic.
        #[test]
        fn rubbish_is_no_histogram(counts in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), low in 0_u64..9, high in 0_u64..99) {
            crate::record::fuzz_hlog(&[head(counts.len() as u32, 3, low, high), counts].concat());
        }
    }
}

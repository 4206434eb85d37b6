//! Reading a record back: whole, or as much of it as a report can show.

use std::collections::{HashMap, hash_map};
use std::fs::File;
use std::io::{self, BufReader};
use std::mem;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use indexmap::map::Entry as Slot;

use super::case::CaseVerdict;
use super::entry::Entry;
use super::progress::{Progress, Summary};
use super::writer::LOG;
use super::{huge, legacy};
use crate::input;

/// More seconds than these are halved, again and again: no page shows more, and a week takes no more memory than an hour.
const SECONDS: usize = 8_192;
/// More cases than these are not kept one by one if they came to the same as an earlier one.
const CASES: usize = 4_096;

/// Reads the record at `path`, a run's folder or the file itself. A last line that was cut short is left out.
pub fn read(path: &Path) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    lines(path, |entry| entries.push(entry))?;
    Ok(entries)
}

/// As [`read`], but of a very long run two seconds are made one, or four, or more, each with the worst of those that it
/// stands for; and cases that were played again and again, and came to the same, are one. All else is as it was written.
pub fn read_for_report(path: &Path) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    let mut cases = Cases::default();
    let mut seconds = 0;
    // So many successive lines are one second in `entries`, and so many of them have been put together.
    let (mut each, mut together) = (1, 0);
    lines(path, |entry| {
        let Entry::Progress(progress) = entry else {
            together = 0;
            entries.extend(cases.take(entry));
            return;
        };
        match entries.last_mut() {
            Some(Entry::Progress(last)) if together > 0 && together < each => {
                let before = mem::take(last);
                *last = worst(before, progress);
                together += 1;
            }
            _ => {
                entries.push(Entry::Progress(progress));
                together = 1;
                seconds += 1;
            }
        }
        if seconds > SECONDS {
            halve(&mut entries);
            seconds = entries.iter().filter(|entry| matches!(entry, Entry::Progress(_))).count();
            (each, together) = (each * 2, 0);
        }
    })?;
    cases.put_back(&mut entries);
    Ok(entries)
}

/// Cases that are one in a report: the same case, and the same outcome.
#[derive(Default)]
struct Cases {
    kept: usize,
    /// What is known of an outcome besides the first case of it that was kept: how many more there were, and what the
    /// longest of them took.
    more: HashMap<(String, CaseVerdict), (u64, f64)>,
}

impl Cases {
    /// Takes what there are too many of.
    fn take(&mut self, entry: Entry) -> Option<Entry> {
        let Entry::Case(case) = entry else { return Some(entry) };
        match self.more.entry((case.id.clone(), case.verdict)) {
            hash_map::Entry::Occupied(mut slot) if self.kept >= CASES => {
                let (times, millis) = slot.get_mut();
                *times += case.times;
                *millis = millis.max(case.millis);
                None
            }
            slot => {
                self.kept += 1;
                slot.or_insert((0, 0.0));
                Some(Entry::Case(case))
            }
        }
    }

    /// Adds what was taken to the first of its kind.
    fn put_back(mut self, entries: &mut [Entry]) {
        for entry in entries {
            let Entry::Case(case) = entry else { continue };
            if let Some((times, millis)) = self.more.remove(&(case.id.clone(), case.verdict)) {
                case.times += times;
                case.millis = case.millis.max(millis);
            }
        }
    }
}

/// Puts neighbouring seconds together, two and two.
fn halve(entries: &mut Vec<Entry>) {
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len() / 2 + 1);
    let mut is_first = false;
    for entry in mem::take(entries) {
        match (entry, kept.last_mut()) {
            (Entry::Progress(now), Some(Entry::Progress(last))) if is_first => {
                let before = mem::take(last);
                *last = worst(before, now);
                is_first = false;
            }
            (entry, _) => {
                is_first = matches!(entry, Entry::Progress(_));
                kept.push(entry);
            }
        }
    }
    *entries = kept;
}

/// Two seconds as one: what has been counted since the start is that of the later one.
fn worst(before: Progress, now: Progress) -> Progress {
    let mut latency: IndexMap<String, Summary> = before.latency;
    for (name, summary) in now.latency {
        match latency.entry(name) {
            Slot::Occupied(mut slot) => *slot.get_mut() = slot.get().worst(summary),
            Slot::Vacant(slot) => _ = slot.insert(summary),
        }
    }
    Progress { latency, late: before.late.worst(now.late), read: before.read.worst(now.read), ..now }
}

/// A record that is being written, read as it grows.
pub struct Tail {
    file: PathBuf,
    reader: BufReader<File>,
    /// Whether its names are those of an earlier schema.
    old: bool,
    /// The beginning of a line whose end is not written yet.
    line: Vec<u8>,
    number: usize,
}

impl Tail {
    /// Opens the record at `path`, a run's folder or the file itself.
    pub fn open(path: &Path) -> Result<Self, String> {
        let file = file_of(path);
        let reader = BufReader::with_capacity(BUFFER, File::open(&file).map_err(|error| unreadable(&file, &error))?);
        Ok(Self { file, reader, old: false, line: Vec::new(), number: 0 })
    }

    /// What has been written since the last time.
    pub fn more(&mut self) -> Result<Vec<Entry>, String> {
        let mut entries = Vec::new();
        loop {
            let read = input::line(&mut self.reader, &mut self.line);
            read.map_err(|error| unreadable(&self.file, &error))?;
            if !self.line.ends_with(b"\n") {
                return Ok(entries);
            }
            self.number += 1;
            let entry = parse(&self.line, self.old).map_err(|error| no_line(&self.file, self.number, &error))?;
            if self.number == 1 {
                self.old = is_old(&entry, &self.file)?;
            }
            entries.push(entry);
            self.line.clear();
        }
    }
}

const BUFFER: usize = 1 << 16;

fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(LOG) } else { path.to_owned() }
}

fn unreadable(file: &Path, error: &io::Error) -> String {
    let remedy = if error.kind() == io::ErrorKind::NotFound {
        "\n  a run's folder holds run.jsonl; runs without --out are below runs/"
    } else {
        ""
    };
    format!("cannot read {}: {error}{remedy}", file.display())
}

fn no_line(file: &Path, number: usize, error: &serde_json::Error) -> String {
    if number == 1 {
        return format!("{} is no record: its first line is not the header of a run", file.display());
    }
    format!("{}:{number}: this is no line of a record: {error}", file.display())
}

/// Hands the lines of a record to `take`.
fn lines(path: &Path, take: impl FnMut(Entry)) -> Result<(), String> {
    let file = file_of(path);
    let opened = File::open(&file).map_err(|error| unreadable(&file, &error))?;
    lines_of(BufReader::with_capacity(BUFFER, opened), &file, take)
}

/// Reads a record that is in memory; for the fuzzers.
pub fn read_bytes(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    lines_of(bytes, Path::new("bytes"), |entry| entries.push(entry))?;
    Ok(entries)
}

fn lines_of(mut reader: impl io::BufRead, file: &Path, mut take: impl FnMut(Entry)) -> Result<(), String> {
    let cannot = |error| unreadable(file, &error);
    let mut line = Vec::new();
    let (mut number, mut old) = (0, false);
    while input::line(&mut reader, &mut line).map_err(cannot)? > 0 {
        number += 1;
        match parse(&line, old) {
            Ok(entry) => {
                if number == 1 {
                    old = is_old(&entry, file)?;
                }
                take(entry);
            }
            // What was being written when the run was killed.
            Err(_) if number > 1 && reader.fill_buf().map_err(cannot)?.is_empty() => break,
            Err(error) => return Err(no_line(file, number, &error)),
        }
        line.clear();
    }
    if number == 0 { Err(no_record(file)) } else { Ok(()) }
}

fn parse(line: &[u8], old: bool) -> serde_json::Result<Entry> {
    let mut entry = parse_as_written(line, old)?;
    legacy::ended(&mut entry);
    Ok(entry)
}

fn parse_as_written(line: &[u8], old: bool) -> serde_json::Result<Entry> {
    if old || huge::may_be_in(line) {
        let line = huge::bounded(serde_json::from_slice(line)?);
        return serde_json::from_value(if old { legacy::renamed(line) } else { line });
    }
    // Nearly all lines are seconds, and those need not be read twice to find out what they are.
    if line.starts_with(br#"{"type":"progress","#) {
        return serde_json::from_slice(line).map(Entry::Progress);
    }
    serde_json::from_slice(line)
}

/// Whether what follows the first line, a header that this version can read, has the names of an earlier schema.
fn is_old(entry: &Entry, file: &Path) -> Result<bool, String> {
    match entry {
        Entry::Header(header) if header.schema > super::SCHEMA => Err(format!(
            "{} was written by sio-bench {} with record schema {}; this one reads up to {}",
            file.display(),
            header.version,
            header.schema,
            super::SCHEMA
        )),
        Entry::Header(header) => Ok(header.schema < legacy::RENAMED_IN),
        _ => Err(no_record(file)),
    }
}

fn no_record(file: &Path) -> String {
    format!("{} does not begin with a header, so it is no record of a run", file.display())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::record::{Header, Host, SCHEMA, TargetInfo};

    fn header(schema: u32) -> Entry {
        let host = Host { os: "linux".to_owned(), arch: "x86_64".to_owned(), cores: 2, open_files: 1024 };
        let target = TargetInfo {
            name: "t".to_owned(),
            url: String::new(),
            version: None,
            pid: None,
            fence: true,
            fixture: None,
            settings: None,
            addresses: Vec::new(),
            remarks: Vec::new(),
        };
        let version = "9.9.9".to_owned();
        Entry::Header(Header {
            schema,
            version,
            command: Vec::new(),
            started: String::new(),
            host,
            target,
            parts: Vec::new(),
        })
    }

    fn written(entries: impl IntoIterator<Item = Entry>, tail: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for entry in entries {
            writeln!(file, "{}", serde_json::to_string(&entry).unwrap()).unwrap();
        }
        file.write_all(tail.as_bytes()).unwrap();
        file
    }

    fn second(number: u64, p99: u64) -> Entry {
        let summary = Summary { count: 1, p99, max: p99, ..Summary::default() };
        let latency = [("t.delivery".to_owned(), summary)].into_iter().collect();
        Entry::Progress(Progress { second: number as f64, sent: number, latency, ..Progress::default() })
    }

    /// However long a run was, what is kept of its seconds is bounded, its peaks are among them, and its end is its end.
    #[test]
    fn a_very_long_run_keeps_its_peaks() {
        let long = 40_000;
        let seconds = (1..=long).map(|number| second(number, if number == 31_234 { 900 } else { number % 7 }));
        let file = written(std::iter::once(header(SCHEMA)).chain(seconds).chain([second(long + 1, 3)]), "");
        let entries = read_for_report(file.path()).unwrap();
        assert!(entries.len() > SECONDS / 2 && entries.len() <= SECONDS + 2, "{}", entries.len());
        let seconds: Vec<&Progress> = crate::record::seconds(&entries).collect();
        let peak = seconds.iter().max_by_key(|second| second.latency["t.delivery"].p99).unwrap();
        assert!(peak.latency["t.delivery"].p99 == 900 && peak.second >= 31_234.0 && peak.second < 31_250.0);
        assert_eq!(seconds.last().unwrap().sent, long + 1);
        assert_eq!(seconds.iter().map(|second| second.latency["t.delivery"].count).sum::<u64>(), long + 1);
        assert!(seconds.windows(2).all(|pair| pair[0].second < pair[1].second));
        assert_eq!(read(file.path()).unwrap().len(), long as usize + 2);
    }

    /// A case that was played fifty thousand times is kept some thousand times, and counted as often as it was played.
    #[test]
    fn cases_that_come_to_the_same_are_counted() {
        let case = |number: u64| {
            let verdict = if number % 1_000 == 999 { "fail" } else { "pass" };
            let case = serde_json::json!({"type": "case", "id": "s/a", "scenario": "s", "title": "a", "place": "s.toml:1",
                "requirement": null, "verdict": verdict, "millis": number as f64});
            serde_json::from_value::<Entry>(case).unwrap()
        };
        let file = written(std::iter::once(header(SCHEMA)).chain((0..50_000).map(case)), "");
        let entries = read_for_report(file.path()).unwrap();
        assert_eq!(entries.len(), CASES + 1);
        let count = |verdict: CaseVerdict| {
            let times = entries.iter().map(|entry| match entry {
                Entry::Case(case) if case.verdict == verdict => case.times,
                _ => 0,
            });
            times.sum::<u64>()
        };
        assert_eq!((count(CaseVerdict::Pass), count(CaseVerdict::Fail)), (49_950, 50));
        let Entry::Case(first) = &entries[1] else { panic!("{:?}", entries[1]) };
        assert!((first.millis - 49_998.0).abs() < 1e-9, "the longest of them: {}", first.millis);
    }

    #[test]
    fn a_record_is_read_as_it_grows() {
        let mut file = written([header(SCHEMA)], "");
        let mut tail = Tail::open(file.path()).unwrap();
        assert_eq!(tail.more().unwrap().len(), 1);
        let line = serde_json::to_string(&second(1, 1)).unwrap();
        let (half, rest) = line.split_at(20);
        write!(file, "{half}").unwrap();
        assert!(tail.more().unwrap().is_empty(), "half a line is none");
        writeln!(file, "{rest}").unwrap();
        assert_eq!(tail.more().unwrap(), [second(1, 1)]);
        assert!(tail.more().unwrap().is_empty());
        writeln!(file, "nonsense").unwrap();
        assert!(tail.more().unwrap_err().contains(":3: this is no line of a record"));
    }

    #[test]
    fn what_was_cut_short_is_read_and_what_is_broken_is_not() {
        let cut = written([header(SCHEMA), second(1, 1)], "{\"type\":\"progress\",\"sec");
        assert_eq!(read(cut.path()).unwrap().len(), 2);
        let broken = written([header(SCHEMA)], "nonsense\n{}\n");
        assert!(read(broken.path()).unwrap_err().contains(":2: this is no line of a record"));
        let newer = written([header(SCHEMA + 1)], "");
        let refused = read(newer.path()).unwrap_err();
        assert!(refused.contains("by sio-bench 9.9.9 with record schema"), "{refused}");
        for text in ["", "{}\n", "{\"type\":\"progress\",\"second\":1.0}\n"] {
            assert!(read(written([], text).path()).is_err(), "{text}");
        }
    }
}

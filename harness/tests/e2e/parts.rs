//! One run in several processes: each has a part of its users, and what they come to together is judged where the parts are merged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hdrhistogram::Histogram;
use jiff::Timestamp;
use serde_json::Value;
use sio_bench::{clock, record};

use crate::common::{Place, code, entries, is_sound, scenario, shipped, stderr, stdout};

/// When parts begin that are started now: each has to connect its users first, on a machine that is busy with other tests.
fn soon() -> String {
    let start = Timestamp::try_from(clock::wall() + Duration::from_secs(8)).unwrap();
    start.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Runs the small load in so many parts, all of which come to an end of their own; their records are `1-of-N` and so on.
fn run_parts(place: &Place, url: &str, of: usize, more: &[&str]) -> Vec<String> {
    let (small, start) = (scenario("small.toml"), soon());
    let parts: Vec<_> = (1..=of)
        .map(|number| {
            let (part, out) = (format!("{number}/{of}"), format!("{number}-of-{of}"));
            let args = ["run", &small, "-q", "--target", url, "--part", &part, "--start-at", &start, "--out", &out];
            let mut command = place.command(&[&args, more].concat());
            (command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(), out)
        })
        .collect();
    let mut records = Vec::new();
    for (part, out) in parts {
        let output = part.wait_with_output().unwrap();
        let (ended, said) = (output.status.code(), stdout(&output));
        let is_known = matches!(ended, Some(1 | 6)) || is_sound(ended, &said);
        // Nobody says of a part that it has passed; of a whole run that is called a part of one, everything is known.
        assert!(is_known && (of == 1 || !said.contains("PASSED")), "{said}{}", stderr(&output));
        records.push(out);
    }
    records
}

fn merge(place: &Place, parts: &[String], out: &str) -> std::process::Output {
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    place.run(&[&["report"], &parts[..], &["--merge", out]].concat())
}

fn load(place: &Place, run: &str) -> Value {
    entries(place, run, "load").remove(0)
}

fn counts(place: &Place, run: &str) -> Value {
    let mut counts = load(place, run)["traffic"][0]["counts"].clone();
    // How late this machine is differs from run to run.
    counts.as_object_mut().unwrap().remove("sent_late");
    counts
}

/// The histograms of a run's log, summed over its seconds.
fn log(folder: &Path) -> BTreeMap<String, Histogram<u64>> {
    let mut sums: BTreeMap<String, Histogram<u64>> = BTreeMap::new();
    let add = |interval: &record::intervals::Interval<'_>, histogram: &Histogram<u64>| {
        let name = format!("{}@{}", interval.measure, interval.phase);
        sums.entry(name).or_insert_with(record::histogram::empty).add(histogram).unwrap();
    };
    record::intervals::visit(&folder.join("small.hlog"), |_| true, add).unwrap();
    sums
}

#[test]
fn parts_come_to_what_one_process_comes_to() {
    let place = Place::new();
    let server = place.serve(&[]);
    let output = place.run(&["run", &scenario("small.toml"), "-q", "--target", &server.url(), "--out", "alone"]);
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}", stdout(&output));
    for of in [2, 5] {
        let parts = run_parts(&place, &server.url(), of, &[]);
        let out = format!("all-{of}");
        let output = merge(&place, &parts, &out);
        assert!(is_sound(output.status.code(), &stdout(&output)), "{}{}", stdout(&output), stderr(&output));
        assert_eq!(counts(&place, &out), counts(&place, "alone"), "{of} parts");
        let all = load(&place, &out);
        assert_eq!(all["due"]["owed"], load(&place, "alone")["due"]["owed"], "{of} parts");
        assert_eq!((&all["users"]["requested"], &all["users"]["connected"]), (&40.into(), &40.into()));
        assert_eq!((&all["together"]["parts"], &all["part"]), (&of.into(), &Value::Null));
        assert_eq!(all["other_runs"], Value::Null, "sister parts are no other runs");
        // What each part has measured by itself is in the sum, bucket by bucket.
        let (whole, parts): (_, Vec<_>) =
            (log(&place.path().join(&out)), parts.iter().map(|part| log(&place.path().join(part))).collect());
        for name in ["tell.delivery@steady", "tell.delivery@warm-up", "generator.late@steady", "connect@"] {
            let mut sum = record::histogram::empty();
            parts.iter().filter_map(|part| part.get(name)).for_each(|part| sum.add(part).unwrap());
            assert!(!sum.is_empty() && whole.get(name) == Some(&sum), "{name} of {of} parts");
        }
        let judged = all["traffic"][0]["latency"]["delivery"]["count"].as_u64().unwrap();
        assert_eq!(whole["tell.delivery@steady"].len(), judged);
        let said = stdout(&output);
        assert!(said.contains(&format!("put together of {of} parts")), "{said}");
    }
}

/// A whole run that notes what a part notes is told again, and comes to the same.
#[test]
fn a_run_that_is_told_again_comes_to_the_same() {
    let place = Place::new();
    let server = place.serve(&["--fault", "drop", "--fault", "reorder"]);
    let parts = run_parts(&place, &server.url(), 1, &["--workers", "2"]);
    let output = merge(&place, &parts, "again");
    assert_eq!(code(&output), 1, "{}{}", stdout(&output), stderr(&output));
    let (live, again) = (load(&place, &parts[0]), load(&place, "again"));
    for path in ["/traffic/0/counts", "/traffic/0/phases", "/traffic/0/latency", "/traffic/0/users", "/due", "/users"] {
        assert_eq!(live.pointer(path), again.pointer(path), "{path}");
    }
    assert!(again.pointer("/traffic/0/counts/missing").and_then(Value::as_u64) > Some(0));
    assert_eq!(live["violations"].as_array().unwrap().len(), again["violations"].as_array().unwrap().len());
    assert_eq!(entries(&place, &parts[0], "threshold"), entries(&place, "again", "threshold"));
}

/// Those who follow a flow belong to parts by the number under which they come: all come, and none comes twice.
#[test]
fn flows_are_shared_among_parts() {
    let place = Place::new();
    let server = place.serve(&[]);
    let (url, file) = (server.url(), shipped("journey.toml"));
    let small = ["--set", "arrivals=10/s", "--set", "length=2s"];
    let output = place.run(&[&["run", &file, "-q", "--target", &url, "--out", "alone"], &small[..]].concat());
    assert!(output.status.code().is_some(), "{}", stdout(&output));
    let start = soon();
    let parts: Vec<_> = [("1/2", "a"), ("2/2", "b")]
        .into_iter()
        .map(|(part, out)| {
            let args = ["run", &file, "-q", "--target", &url, "--part", part, "--start-at", &start, "--out", out];
            place.command(&[&args, &small[..]].concat()).stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    parts.into_iter().for_each(|mut part| assert!(part.wait().unwrap().code().is_some()));
    let output = merge(&place, &["a".to_owned(), "b".to_owned()], "both");
    let begun = |run: &str| load(&place, run)["iterations"]["visitors"]["begun"].as_u64().unwrap();
    assert_eq!(begun("both"), begun("alone"), "{}{}", stdout(&output), stderr(&output));
    assert!(begun("a") > 0 && begun("b") > 0);
    let late = |run: &str| load(&place, run)["late"]["count"].as_u64().unwrap();
    assert!(late("both") > 0 && late("both") == late("a") + late("b"), "{} {}", late("a"), late("b"));
}

/// What a server loses of what crosses between parts is found where they are merged, to the last message.
#[test]
fn what_is_lost_between_parts_is_found() {
    let place = Place::new();
    let server = place.serve(&["--fault", "drop"]);
    let parts = run_parts(&place, &server.url(), 2, &[]);
    let output = merge(&place, &parts, "both");
    assert_eq!(code(&output), 1, "{}", stdout(&output));
    let missing = |run: &str| load(&place, run).pointer("/traffic/0/counts/missing").unwrap().as_u64().unwrap();
    let (alone, both) = (missing(&parts[0]) + missing(&parts[1]), missing("both"));
    let said = server.stop();
    assert!(said.contains(&format!("dropped or doubled {both} deliveries")), "{both}: {said}");
    assert!(
        alone > 0 && alone < both,
        "each part finds what its own users did not get of one another: {alone} of {both}"
    );
    assert!(stdout(&output).contains("`tell.missing = 0` is broken"), "{}", stdout(&output));
    assert!(!load(&place, "both")["violations"].as_array().unwrap().is_empty());
}

#[test]
fn what_is_no_part_of_a_run_is_refused() {
    let place = Place::new();
    let server = place.serve(&[]);
    let (url, small, start) = (server.url(), scenario("small.toml"), soon());
    let not_run = |args: &[&str], why: &str| {
        let output = place.run(&[&["run", &small, "-q"], args].concat());
        assert_eq!(code(&output), 2, "{}", stdout(&output));
        assert!(stderr(&output).contains(why), "{why}: {}", stderr(&output));
    };
    not_run(&["--target", &url, "--part", "1/2"], "--start-at");
    not_run(&["--target", &url, "--part", "3/2", "--start-at", &start], "expected K/N");
    not_run(&["--target", &url, "--part", "1/2", "--start-at", "noon"], "expected a time with its zone");
    not_run(&["--target", &url, "--part", "1/2", "--start-at", "2026-01-01T00:00:00Z"], "is over, or too near");
    not_run(&["--part", "1/2", "--start-at", &start], "none of them can start it");

    let quick = ["--set", "steady=500ms", "--set", "people=12"];
    let parts = run_parts(&place, &url, 2, &quick);
    let others = [&quick[..], &["--seed", "6"]].concat();
    let copy = |from: &str, to: &str| {
        fs::create_dir(place.path().join(to)).unwrap();
        for file in fs::read_dir(place.path().join(from)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), place.path().join(to).join(file.file_name())).unwrap();
        }
    };
    let refused = |parts: &[&str], why: &str| {
        let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        let output = merge(&place, &parts, "x");
        assert_eq!(code(&output), 2, "{}", stdout(&output));
        assert!(stderr(&output).contains(why), "{why}: {}", stderr(&output));
        assert!(!place.path().join("x").exists(), "nothing is left of it");
    };
    let (one, two) = (&*parts[0], &*parts[1]);
    copy(one, "again");
    refused(&[one, "again", two], "are both part 1 of 2");
    refused(&[one], "part 2 of 2 is not among the records");
    let output = place.run(&[&["run", &small, "-q", "--target", &url, "--out", "whole"], &quick[..]].concat());
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}", stdout(&output));
    refused(&[one, "whole"], "is a run of its own");
    // A journal that was cut, one that was changed, and one that is gone.
    let journal = place.path().join("again/small.journal");
    let bytes = fs::read(&journal).unwrap();
    fs::write(&journal, &bytes[..bytes.len() / 2]).unwrap();
    refused(&["again", two], "small.journal was cut short");
    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 1;
    fs::write(&journal, changed).unwrap();
    refused(&["again", two], "was changed since it was written");
    fs::remove_file(&journal).unwrap();
    refused(&["again", two], "cannot be read");
    // Records of which something does not fit.
    let text = fs::read_to_string(place.path().join("again/run.jsonl")).unwrap();
    let rewritten = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        fs::write(place.path().join("again/run.jsonl"), text.replace(from, to)).unwrap();
    };
    rewritten(&format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION")), "\"version\":\"0.0.1\"");
    refused(&["again", two], "was run by version");
    let machine = load(&place, one)["part"]["clock"]["machine"].as_str().unwrap().to_owned();
    rewritten(&machine, "another");
    refused(&["again", two], "say so with --clocks-within");
    rewritten("\"people\":\"12\"", "\"people\":\"13\"");
    refused(&["again", two], "people is not the same in both");
    fs::remove_dir_all(place.path().join("1-of-2")).unwrap();
    fs::remove_dir_all(place.path().join("2-of-2")).unwrap();
    fs::remove_dir_all(place.path().join("again")).unwrap();
    copy_of_another_seed(&place, &url, &others);
}

/// Parts of two runs that differ in their seed alone.
fn copy_of_another_seed(place: &Place, url: &str, others: &[&str]) {
    let first = run_parts(place, url, 2, &others[..4]);
    fs::rename(place.path().join(&first[0]), place.path().join("five")).unwrap();
    fs::remove_dir_all(place.path().join(&first[1])).unwrap();
    run_parts(place, url, 2, others);
    let output = merge(place, &["five".to_owned(), "2-of-2".to_owned()], "x");
    assert_eq!(code(&output), 2, "{}", stdout(&output));
    assert!(stderr(&output).contains("the seed of the one is"), "{}", stderr(&output));
}

/// A part whose users are not in when the phases begin says so, and judges nothing.
#[test]
fn a_part_that_is_not_ready_ends() {
    let place = Place::new();
    let server = place.serve(&[]);
    let start = Timestamp::try_from(clock::wall() + Duration::from_secs(3)).unwrap().to_string();
    let text = fs::read_to_string(scenario("small.toml")).unwrap().replace("400/s", "1/s");
    let url = server.url();
    let (ended, said) = place.attempt(&text, &["--target", &url, "--part", "1/2", "--start-at", &start]);
    assert_eq!(ended, 4, "{said}");
    assert!(said.contains("NOT VALID: part 1 of 2 had not let all of its users in at"), "{said}");
    let output = place.run(&["report", "out", "--merge", "x"]);
    assert!(stderr(&output).contains("was cut short"), "{}", stderr(&output));
}

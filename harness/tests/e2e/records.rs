//! Records: of earlier runs as baselines, of parts of one run, of older versions, of very long runs.

use std::fs;
use std::io::Write as _;

use serde_json::{Value, json};

use crate::common::{Place, code, entries, is_sound, scenario, stderr, stdout, with_thresholds};

#[test]
fn what_cannot_be_a_baseline() {
    let place = Place::new();
    let small = scenario("small.toml");
    let run = |more: &[&str]| place.run(&[&["run", &small, "-q"], more].concat());
    let output = run(&["--out", "a", "--set", "steady=500ms"]);
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}", stdout(&output));
    let refused = |output: &std::process::Output, why: &str| {
        assert_eq!(code(output), 2, "{}", stdout(output));
        let said = stderr(output);
        assert!(said.contains(why) && said.contains("nothing was sent"), "{said}");
    };
    refused(&run(&["--out", "b", "--baseline", "a"]), "is of another load: steady was 500ms and is 3s now");
    refused(&run(&["--out", "b", "--baseline", "nowhere"]), "cannot read nowhere");
    let other = place.run(&["run", &scenario("union.toml"), "-q", "--out", "b", "--baseline", "a"]);
    refused(&other, "is of small, not of union");
    let record = place.path().join("a/run.jsonl");
    let text = fs::read_to_string(&record).unwrap();
    let cut: Vec<_> = text.lines().take(4).collect();
    fs::write(&record, cut.join("\n")).unwrap();
    refused(&run(&["--out", "b", "--set", "steady=500ms", "--baseline", "a"]), "was cut short");
    let file = with_thresholds(
        &place,
        "\"tell.missing not worse than baseline by 10%\", \"tell.delivery max not worse than baseline by 10%\", \
         \"tell.delivery p99 not worse then baseline by 10%\",",
    );
    let output = place.run(&["run", &file, "-q", "--out", "c"]);
    assert_eq!(code(&output), 2);
    let said = stderr(&output);
    for why in ["only latencies can be held against a baseline", "a maximum is one value", "found `then`", "3 errors"] {
        assert!(said.contains(why), "{why}: {said}");
    }
}

/// Two programs load one server at the same time; together they are one run.
#[test]
fn parts_of_a_run_are_put_together() {
    let place = Place::new();
    let server = place.serve(&[]);
    let (url, small) = (server.url(), scenario("small.toml"));
    let start = |out: &str| {
        let args = ["run", &small, "-q", "--target", &url, "--out", out, "--set", "steady=2s"];
        place.command(&args).stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    // Both are in the same rooms, so that neither judges all that its users get: the parts say so, and so does the whole.
    let mut parts = [start("a"), start("b")];
    parts.iter_mut().for_each(|part| assert_eq!(part.wait().unwrap().code(), Some(4)));
    for part in ["a", "b"] {
        let output = place.run(&["report", part]);
        assert!(stdout(&output).contains("were of 1 other run of sio-bench at the same time"), "{}", stdout(&output));
    }
    let output = place.run(&["report", "a", "b", "--merge", "out", "--html", "both.html"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let load = |run: &str| entries(&place, run, "load").remove(0);
    let (a, b, both) = (load("a"), load("b"), load("out"));
    for path in [
        "/traffic/0/counts/sent",
        "/traffic/0/counts/delivered",
        "/users/connected",
        "/traffic/0/latency/delivery/count",
    ] {
        let of = |load: &Value| load.pointer(path).unwrap().as_u64().unwrap();
        assert_eq!(of(&a) + of(&b), of(&both), "{path}");
        assert!(of(&both) > 0);
    }
    // Latency by place, and what was owed when, are put together as well.
    let places = |load: &Value| -> u64 {
        let places = load.pointer("/traffic/0/places").unwrap().as_array().unwrap();
        places.iter().map(|place| place["latency"]["count"].as_u64().unwrap()).sum()
    };
    assert!(places(&a) > 0 && places(&a) + places(&b) == places(&both), "{both}");
    for of in ["owed", "missing"] {
        let sum = |load: &Value| -> u64 {
            load["due"][of].as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).sum()
        };
        assert_eq!(sum(&a) + sum(&b), sum(&both), "{of}");
        let counted = both.pointer(&format!("/traffic/0/counts/{of}")).unwrap().as_u64().unwrap();
        assert_eq!(sum(&both), counted, "{of}");
    }
    let copies = |load: &Value| load.pointer("/other_runs/copies").unwrap().as_u64().unwrap();
    assert_eq!(copies(&a) + copies(&b), copies(&both));
    let max = |load: &Value| load.pointer("/traffic/0/latency/delivery/max").unwrap().as_u64().unwrap();
    assert_eq!(max(&a).max(max(&b)), max(&both));
    assert_eq!(entries(&place, "out", "threshold").len(), entries(&place, "a", "threshold").len());
    assert_eq!(entries(&place, "out", "header")[0]["parts"].as_array().unwrap().len(), 2);
    assert!(entries(&place, "out", "footer")[0]["verdict"].is_string());
    let html = fs::read_to_string(place.path().join("both.html")).unwrap();
    assert!(html.contains("Parts") && html.contains("Latency over time"));

    let refused = |args: &[&str], why: &str| {
        let output = place.run(&[&["report"], args, &["--merge", "x"]].concat());
        assert_eq!(code(&output), 2, "{}", stdout(&output));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
        assert!(!place.path().join("x").exists(), "nothing is left of it");
    };
    for own in ["own", "other"] {
        let output = place.run(&["run", &small, "-q", "--out", own, "--set", "steady=500ms"]);
        assert!(is_sound(output.status.code(), &stdout(&output)), "{}", stdout(&output));
    }
    refused(&["own", "other"], "had servers of their own");
    refused(&["a"], "this is one");
    let output = place.run(&["report", "a", "b", "--merge", "out"]);
    assert_eq!(code(&output), 2, "{}", stdout(&output));
    assert!(stderr(&output).contains("cannot write a record into out"), "{}", stderr(&output));
}

/// Records that older versions have written are read, whatever has come since.
#[test]
fn old_records_are_read() {
    let place = Place::new();
    for (old, said) in [
        ("schema-1/load", "PASSED: 1,348 of 1,348 owed deliveries"),
        ("schema-1/cases", "PASSED: 3 cases"),
        ("schema-2/load", "PASSED: 1,348 of 1,348 owed deliveries"),
        ("schema-2/flow", "callers     78 iterations   75 finished   0 failed"),
    ] {
        let folder = format!("{}/tests/records/{old}", env!("CARGO_MANIFEST_DIR"));
        for format in
            ["terminal", "jsonl", "junit", "tap", "sarif", "markdown", "github", "badge", "csv", "openmetrics"]
        {
            let output = place.run(&["report", &folder, "--format", format]);
            assert_eq!(code(&output), 0, "{format}: {}", stderr(&output));
        }
        assert!(stdout(&place.run(&["report", &folder])).contains(said));
        let output = place.run(&["report", &folder, "--html", "old.html"]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert!(fs::read_to_string(place.path().join("old.html")).unwrap().contains("PASSED"));
    }
    let newer = place.path().join("newer.jsonl");
    let header = json!({"type": "header", "schema": 999, "version": "9.0.0", "command": [], "started": "",
        "host": {"os": "linux", "arch": "x", "cores": 1, "open_files": 1},
        "target": {"name": "t", "url": "", "version": null, "pid": null, "fence": true}});
    fs::write(&newer, format!("{header}\n")).unwrap();
    let output = place.run(&["report", "newer.jsonl"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("written by sio-bench 9.0.0 with record schema 999; this one reads up to"));
}

/// Runs the program under a limit of 200 MiB of memory of its own.
fn limited(place: &Place, args: &str) -> String {
    let script = format!("ulimit -d 204800 && exec \"$0\" {args}");
    let args = ["-c", script.as_str(), env!("CARGO_BIN_EXE_sio-bench")];
    let output = std::process::Command::new("sh").args(args).current_dir(place.path()).output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    stdout(&output)
}

/// One case that was played a million times beside a load; every ten thousandth time it failed.
fn a_million_cases(place: &Place) {
    let mut file = std::io::BufWriter::new(fs::File::create(place.path().join("cases.jsonl")).unwrap());
    let old = format!("{}/tests/records/schema-3/load/run.jsonl", env!("CARGO_MANIFEST_DIR"));
    let old = fs::read_to_string(old).unwrap();
    let (header, rest) = old.split_once('\n').unwrap();
    writeln!(file, "{header}").unwrap();
    let packets = ["0.000 a ▶ 40", "1.000 a ◀ 40{}"];
    let case = |verdict: &str| {
        json!({"type": "case", "id": "s/newcomer", "scenario": "s", "title": "newcomer", "place": "s.toml:1",
            "requirement": "RM-01", "verdict": verdict, "millis": 2.0, "transcript": packets})
        .to_string()
    };
    let (pass, fail) = (case("pass"), case("fail"));
    for number in 1..=1_000_000 {
        writeln!(file, "{}", if number % 10_000 == 0 { &fail } else { &pass }).unwrap();
    }
    file.write_all(rest.as_bytes()).unwrap();
    file.flush().unwrap();
    drop(file);
    assert!(limited(place, "report cases.jsonl --html cases.html").is_empty());
    let html = fs::read_to_string(place.path().join("cases.html")).unwrap();
    assert!(html.len() < 2_000_000 && html.contains("999,900"), "{}", html.len());
    let markdown = limited(place, "report cases.jsonl --format markdown");
    assert!(markdown.contains("pass, 100 fail"), "{markdown}");
}

/// A record of a million seconds is shown, and so is one of a million cases; they take no more memory than an hour.
#[test]
fn a_million_events() {
    let place = Place::new();
    a_million_cases(&place);
    let folder = place.path().join("long");
    fs::create_dir(&folder).unwrap();
    let mut file = std::io::BufWriter::new(fs::File::create(folder.join("run.jsonl")).unwrap());
    let old = format!("{}/tests/records/schema-3/load/run.jsonl", env!("CARGO_MANIFEST_DIR"));
    let old = fs::read_to_string(old).unwrap();
    let mut lines: Vec<&str> = old.lines().collect();
    let (place_of, second) =
        lines.iter().enumerate().find(|(_, line)| line.starts_with("{\"type\":\"progress\"")).unwrap();
    let second = (*second).to_owned();
    lines.retain(|line| !line.starts_with("{\"type\":\"progress\""));
    let mut second: Value = serde_json::from_str(&second).unwrap();
    for line in &lines[..place_of] {
        writeln!(file, "{line}").unwrap();
    }
    second["second"] = json!("NUMBER");
    let second = second.to_string();
    let (before, behind) = second.split_once("\"NUMBER\"").unwrap();
    for number in 1..=1_000_000 {
        writeln!(file, "{before}{number}.0{behind}").unwrap();
    }
    for line in &lines[place_of..] {
        writeln!(file, "{line}").unwrap();
    }
    file.flush().unwrap();
    drop(file);
    limited(&place, "report long --html long.html");
    let html = fs::read_to_string(place.path().join("long.html")).unwrap();
    assert!(html.len() < 500_000 && html.contains("1,000,000 s"), "{}", html.len());
}

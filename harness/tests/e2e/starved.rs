//! A target that stands still while it is tested: it is not accused of anything. How it is known is known of Linux.

#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use crate::common::Place;

const CASES: &str = r#"
name = "still"
[[case]]
name = "one round trip"
clients = { a = {} }
steps = [{ at = "a", emit = ["message-with-ack"], ack = [] }]
[[case]]
name = "round trips without end"
clients = { a = {} }
steps = [{ repeat = 10000000, steps = [{ at = "a", emit = ["message-with-ack", 1], ack = [1], within = "300ms" }] }]
"#;

/// Waits for a line of this kind in the record that is being written.
fn follow(place: &Place, kind: &str) -> bool {
    let mut tail = Command::new("timeout");
    tail.args(["60", "tail", "-n", "+1", "-F"]).arg(place.out().join("run.jsonl"));
    let mut tail = tail.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(tail.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut entries = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let found = entries.any(|entry| entry["type"] == kind);
    let _ = kill(nix::unistd::Pid::from_raw(tail.id() as i32), Signal::SIGTERM);
    tail.wait().unwrap();
    found
}

/// The process is stopped in the middle of a case and does not go on: every deadline of it passes, and every try fails.
#[test]
fn a_target_that_is_stopped_is_not_accused() {
    let place = Place::new();
    std::fs::write(place.path().join("still.toml"), CASES).unwrap();
    let running = place.start(&["conform", "still.toml", "-j", "1", "--out", "out"]);
    assert!(follow(&place, "case"), "it ended early: {}", running.finish().1);
    let target = place.target_pid();
    kill(target, Signal::SIGSTOP).unwrap();
    let (code, text) = running.finish();
    let cases: Vec<_> = place.record().into_iter().filter(|entry| entry["type"] == "case").collect();
    let verdicts: Vec<_> = cases.iter().map(|case| case["verdict"].as_str().unwrap().to_owned()).collect();
    assert_eq!(verdicts, ["pass", "inconclusive"], "{text}");
    assert!(cases[1]["reason"].as_str().unwrap().contains("stopped by a signal"), "{}", cases[1]);
    assert!(!matches!(code, Some(0 | 1)), "it neither passed nor failed: {code:?}\n{text}");
    assert!(kill(target, None).is_err(), "nothing of the target is left");
}

//! Verdicts on applications that are not our fixture: none of them is accused of what it does right.

use crate::apps::App;
use crate::common::{Place, code, stderr, stdout, targets};

const CHAT: &str = r#"
name = "chat"
seed = 2
[actions]
"join(room)" = { emit = ["join", "${room}"], ack = true }
[rooms.room]
count = 10
join  = ["join", "${room}"]
[users.people]
count = 40
in    = { room = 1 }
[traffic.say]
from        = "people"
rate        = "40/s"
emit        = ["say", "${room}", "${payload}"]
ack         = true
delivers_to = { event = "message", rooms = ["${room}"], except = "sender" }
[[phase]]
name = "steady"
for  = "2s"
[slo]
thresholds = ["say.missing = 0", "say.duplicate = 0", "say.misdelivered = 0", "say.out_of_order = 0", "generator.late p99 < 1m"]
"#;

#[test]
fn a_plain_chat_passes() {
    let Some(app) = App::start("chat", &[]) else { return };
    let place = Place::new();
    let (exit, said) = place.attempt(CHAT, &["--target", &app.url()]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(place.entry("load")["traffic"][0]["counts"]["missing"], 0);
    assert!(app.stats()["clients"].is_u64());
}

/// Plays cases of the suite against an application on Node's socket.io, whose own deviations are known; returns exit code and text.
fn conform(place: &Place, app: &App, more: &[&str]) -> (i32, String) {
    let known = targets().join("node/deviations.toml").display().to_string();
    let url = app.url();
    let args = ["conform", "--target", url.as_str(), "--deviations", known.as_str(), "--quiet", "--out", "out"];
    let output = place.run(&[&args, more].concat());
    (code(&output), stdout(&output) + &stderr(&output))
}

/// The rows of the cases with a verdict.
fn rows(place: &Place, verdict: &str) -> Vec<String> {
    let record = place.record();
    let cases = record.iter().filter(|entry| entry["type"] == "case" && entry["verdict"] == verdict);
    cases.map(|case| case["requirement"].as_str().unwrap_or_default().to_owned()).collect()
}

/// It speaks to each client first, and now and then to all: no case asked for that, and none fails of it.
#[test]
fn an_application_that_greets_is_not_accused() {
    let Some(app) = App::start("greeting", &[]) else { return };
    let place = Place::new();
    let (exit, said) = conform(&place, &app, &[]);
    for verdict in ["fail", "error", "xpass"] {
        assert_eq!(rows(&place, verdict), [""; 0], "{said}");
    }
    // What could not be decided on a busy machine is no accusation.
    assert!(matches!(exit, 0 | 4), "{exit}: {said}");
    assert!(rows(&place, "pass").len() > 300, "{said}");
    assert!(said.contains("the target does not run the fixture, by 0 of 4 signs"), "{said}");
    let transcripts = std::fs::read_to_string(place.out().join("run.jsonl")).unwrap();
    assert!(transcripts.contains("(the application's own)"));
}

/// The fixture all the same: the cases about acknowledgements say what is wrong, and no other is blamed for it.
#[test]
fn broken_acknowledgements_are_named_and_nothing_else_is_blamed() {
    let Some(app) = App::start("broken-acks", &[]) else { return };
    let place = Place::new();
    let areas = ["--area", "acks", "--area", "rooms", "--area", "events", "--area", "upgrade"];
    let (exit, said) = conform(&place, &app, &areas);
    assert_eq!(exit, 1, "{said}");
    let failed = rows(&place, "fail");
    assert!(failed.len() > 10 && failed.iter().all(|row| row.starts_with("SIO-AK-")), "{failed:?}: {said}");
    assert!(rows(&place, "pass").len() > 20, "{said}");
    assert!(said.contains("no:  it acknowledges message-with-ack"), "{said}");
    assert!(said.contains("cases of SIO-AK-* are about that"), "{said}");
}

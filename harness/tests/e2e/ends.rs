//! Runs that cannot succeed end at once, and say why.

use std::time::Duration;

use serde_json::Value;

use crate::apps::App;
use crate::common::{Place, code, stderr, stdout};

const JUDGED: &str = r#"
name = "door"
[actions]
"enter(room)" = { emit = ["join", "${room}"], ack = [{ ok = true }] }
[rooms.lobby]
count     = 4
namespace = "/app"
join      = ["enter", "${room}"]
[users.people]
count   = 40
in      = { lobby = 1 }
connect = "20/s"
[traffic.say]
from = "people"
rate = "10/s"
emit = ["say", "${room}", "${payload}"]
ack  = true
[[phase]]
name = "steady"
for  = "2s"
[slo]
thresholds = ["say.unanswered = 0", "generator.late p99 < 1m"]
"#;

/// What a run came to.
struct Ended {
    exit: i32,
    said: String,
    load: Value,
    verdict: String,
    took: Duration,
}

fn run(place: &Place, scenario: &str, url: &str, more: &[&str]) -> Ended {
    let began = sio_bench::clock::now();
    let (exit, said) = place.attempt(scenario, &[&["--target", url], more].concat());
    let footer = place.record().pop().unwrap_or_default();
    assert_eq!(footer["type"], "footer", "{said}");
    Ended {
        exit,
        load: place.entry("load"),
        verdict: footer["verdict"].as_str().unwrap().to_owned(),
        took: began.elapsed(),
        said,
    }
}

/// The server's own words, the namespace, the call and the room: of each way of not being let in.
#[test]
fn who_is_kept_out_is_told_why_and_at_once() {
    for (refuse, words) in [
        ("token", &["/app", r#""message":"jwt malformed","data":{"code":4401}"#][..]),
        ("mute", &["no answer to the CONNECT of /app"]),
        ("join", &["no answer to join(\"lobby-", "in /app"]),
        ("no", &["join(\"lobby-", r#"was answered with [{"error":"forbidden"}]"#]),
    ] {
        let Some(app) = App::start("door", &[("REFUSE", refuse)]) else { return };
        let place = Place::new();
        let ended = run(&place, JUDGED, &app.url(), &[]);
        assert_eq!(ended.exit, 4, "{refuse}: {}", ended.said);
        assert!(ended.verdict.starts_with("NOT VALID: nobody got in: "), "{refuse}: {}", ended.verdict);
        for word in words {
            assert!(ended.verdict.contains(word), "{refuse}: {word}: {}", ended.verdict);
        }
        assert_eq!(ended.load["ended_by"], "refusal", "{refuse}");
        assert_eq!(ended.load["users"]["connected"], 0, "{refuse}");
        assert!(ended.took < Duration::from_secs(28), "{refuse}: {:?}", ended.took);
    }
}

/// Nobody is given up when somebody gets in: one of four does.
#[test]
fn a_run_in_which_somebody_gets_in_goes_on() {
    let Some(app) = App::start("door", &[("REFUSE", "token"), ("EVERY", "4")]) else { return };
    let place = Place::new();
    let ended = run(&place, JUDGED, &app.url(), &[]);
    assert!(ended.load["aborted"].is_null(), "{}", ended.said);
    assert!(ended.load["users"]["failed"].as_u64().unwrap() >= 5, "{}", ended.said);
    assert!(ended.load["users"]["connected"].as_u64().unwrap() > 0, "{}", ended.said);
}

/// A server that is slow to begin with is waited for as long as the scenario says.
#[test]
fn patience_is_the_scenarios() {
    let Some(app) = App::start("door", &[("REFUSE", "mute")]) else { return };
    let place = Place::new();
    let ended = run(&place, &JUDGED.replace("\"20/s\"", "\"100/s\""), &app.url(), &["--connect-timeout", "13s"]);
    assert_eq!(ended.exit, 4, "{}", ended.said);
    assert!(ended.verdict.contains("no answer to the CONNECT of /app for 1"), "{}", ended.verdict);
    assert!(ended.took > Duration::from_secs(13), "{:?}", ended.took);
}

const FLOW: &str = r#"
name = "flow"
[users.visitors]
COMING
flow = [
  { think = "1ms" },
  { connect = "/app", within = "5s" },
  { think = "10ms" },
]
[[phase]]
name = "steady"
for  = "5m"
[slo]
thresholds = ["errors < 5%", "generator.late p99 < 1m"]
"#;

/// Visits that never get through their connect end a run as well, however they come.
#[test]
fn a_flow_that_nobody_gets_into_is_over() {
    for coming in ["count = 3", "arrive = \"20/s\""] {
        let Some(app) = App::start("door", &[("REFUSE", "token")]) else { return };
        let place = Place::new();
        let ended = run(&place, &FLOW.replace("COMING", coming), &app.url(), &[]);
        assert_eq!(ended.exit, 4, "{coming}: {}", ended.said);
        for word in ["nobody got in", "/app refused", "jwt malformed"] {
            assert!(ended.verdict.contains(word), "{coming}: {word}: {}", ended.verdict);
        }
        assert!(ended.took < Duration::from_mins(1), "{coming}: {:?}", ended.took);
    }
}

const CHAT: &str = r#"
name = "chat"
[actions]
"join(room)" = { emit = ["join", "${room}"], ack = true }
[rooms.room]
count = 1
join  = ["join", "${room}"]
[users.people]
count = 1
in    = { room = 1 }
[traffic.say]
from        = "people"
rate        = "20/s"
emit        = ["say", "${room}", "${payload}"]
ack         = true
delivers_to = { event = "message", rooms = ["${room}"], except = "sender" }
[[phase]]
name = "steady"
for  = "1s"
[slo]
thresholds = ["say.missing = 0", "say.ack p99 < 1m", "generator.late p99 < 1m"]
"#;

/// Somebody alone in a room is owed nothing, so that nothing is missing says nothing.
#[test]
fn none_of_nothing_is_not_ok() {
    let Some(app) = App::start("chat", &[]) else { return };
    let place = Place::new();
    let ended = run(&place, CHAT, &app.url(), &[]);
    assert_eq!(ended.exit, 4, "{}", ended.said);
    let rules: Vec<_> = place.record().into_iter().filter(|entry| entry["type"] == "threshold").collect();
    assert_eq!((&rules[0]["verdict"], &rules[0]["observed"]), (&"unknown".into(), &"nothing was owed".into()));
    // Twenty answers are no 99th percentile; the table and the rule say so.
    assert_eq!(rules[1]["verdict"], "holds");
    assert!(rules[1]["observed"].as_str().unwrap().ends_with("samples; p99 needs 100)"), "{}", rules[1]);
    assert!(ended.said.contains("? = too few samples"), "{}", ended.said);
    let markdown = stdout(&place.run(&["report", "out", "--format", "markdown"]));
    assert!(markdown.contains("? = too few samples"), "{markdown}");
}

/// A threshold that is crossed ends the run, and the verdict names it.
#[test]
fn a_threshold_ends_a_run_early() {
    let Some(app) = App::start("door", &[("REFUSE", "nobody")]) else { return };
    let place = Place::new();
    let flow = FLOW
        .replace("COMING", "count = 3")
        .replace("{ think = \"10ms\" }", "{ emit = [\"unknown\"], ack = true, within = \"50ms\" }");
    let early = flow.replace("\"errors < 5%\"", "{ threshold = \"errors < 5%\", abort = true, after = \"2s\" }");
    let ended = run(&place, &early, &app.url(), &[]);
    assert_eq!(ended.exit, 1, "{}", ended.said);
    assert_eq!(ended.load["ended_by"], "threshold");
    for word in ["FAILED: `errors < 5%` is broken: ", "`errors < 5%` ended the run after "] {
        assert!(ended.verdict.contains(word), "{word}: {}", ended.verdict);
    }
    assert!(ended.took < Duration::from_mins(2), "{:?}", ended.took);
}

/// What is a fact stays one when it ends the run.
#[test]
fn a_fact_that_ends_a_run_is_counted_and_proven() {
    let place = Place::new();
    let server = place.serve(&["--fault", "union-dup", "--fault-rate", "1"]);
    let union = std::fs::read_to_string(crate::common::scenario("union.toml")).unwrap();
    let early = union
        .replace("\"tell.duplicate = 0\"", "{ threshold = \"tell.duplicate = 0\", abort = true }")
        .replace("for  = \"2s\"", "for  = \"5m\"");
    let ended = run(&place, &early, &server.url(), &[]);
    assert_eq!(ended.exit, 1, "{}", ended.said);
    assert_eq!(ended.load["ended_by"], "threshold");
    let counts = &ended.load["traffic"][0]["counts"];
    assert!(counts["duplicate"].as_u64().unwrap() > 0, "{counts}");
    assert_eq!(counts["missing"], 0, "what was on its way is not lost: {counts}");
    assert_eq!(ended.load["violations"][0]["measure"], "duplicate");
    // A run that was cut short is no part of a larger one.
    assert_eq!(place.record().pop().unwrap()["complete"], false);
}

/// `abort` is refused where it could never do anything.
#[test]
fn what_is_known_only_at_the_end_ends_nothing() {
    let place = Place::new();
    for (rule, problem) in [
        ("{ threshold = \"generator.cpu < 90%\", abort = true }", "known only when the run is over"),
        ("{ threshold = \"errors < 5%\", after = \"10s\" }", "`after` goes with `abort = true`"),
        ("{ threshold = \"errors < 5%\", abrt = true }", "abort"),
        ("{ abort = true }", "needs `threshold`"),
    ] {
        std::fs::write(place.path().join("scenario.toml"), CHAT.replace("\"say.missing = 0\"", rule)).unwrap();
        let output = place.run(&["run", "scenario.toml", "--target", "http://127.0.0.1:9"]);
        assert_eq!(code(&output), 2, "{rule}");
        assert!(stderr(&output).contains(problem), "{rule}: {}", stderr(&output));
    }
}

/// Nobody answers at this address; that it cannot be written comes first.
#[test]
fn what_cannot_be_done_is_noticed_before_the_first_connection() {
    let place = Place::new();
    std::fs::write(place.path().join("scenario.toml"), CHAT).unwrap();
    std::fs::write(place.path().join("observed.toml"), format!("{CHAT}[observe]\nprocess = 4194304000\n")).unwrap();
    std::fs::write(place.path().join("file"), "").unwrap();
    let nobody = "http://127.0.0.1:9";
    for (args, problem) in [
        (&["run", "scenario.toml", "--target", nobody, "--html", "none/x.html"][..], "cannot write none/x.html"),
        (&["run", "scenario.toml", "--target", nobody, "--html", "."], "it is a folder"),
        (&["run", "scenario.toml", "--target", nobody, "--out", "file/out"], "cannot write a record into file/out"),
        (
            &["conform", "scenario.toml", "--target", nobody, "--report", "junit=scenario.toml/x.xml"],
            "cannot write scenario.toml/x.xml",
        ),
        (&["compare", nobody, nobody, "--html", "none/x.html"], "cannot write none/x.html"),
        (&["run", "observed.toml", "--target", nobody], "no process on this machine has that number"),
    ] {
        let output = place.run(args);
        assert_eq!(code(&output), 2, "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(problem), "{args:?}: {}", stderr(&output));
    }
}

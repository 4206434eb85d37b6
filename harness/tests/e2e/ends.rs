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
by    = "people"
rate  = "10/s"
emit  = ["say", "${room}", "${payload}"]
ack   = true
[[phase]]
name = "steady"
for  = "2s"
[slo]
rules = ["say.unanswered = 0", "ruler.late p99 < 1m"]
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
    std::fs::write(place.path().join("scenario.toml"), scenario).unwrap();
    let _ = std::fs::remove_dir_all(place.out());
    let began = sio_bench::clock::now();
    let args = ["run", "scenario.toml", "--target", url, "--out", "out", "-q"];
    let output = place.run(&[&args, more].concat());
    let said = stdout(&output) + &stderr(&output);
    let footer = place.record().pop().unwrap_or_default();
    assert_eq!(footer["type"], "footer", "{said}");
    Ended {
        exit: code(&output),
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
        assert_eq!(ended.load["users"]["open"], 0, "{refuse}");
        assert!(ended.took < Duration::from_secs(28), "{refuse}: {:?}", ended.took);
    }
}

/// Nobody is given up while somebody may still get in: the first ones are refused, and later ones are not.
#[test]
fn a_run_in_which_somebody_gets_in_goes_on() {
    let Some(app) = App::start("door", &[("REFUSE", "token"), ("LATE", "100")]) else { return };
    let place = Place::new();
    let ended = run(&place, JUDGED, &app.url(), &[]);
    assert!(ended.load["aborted"].is_null(), "{}", ended.said);
    assert!(ended.load["users"]["failed"].as_u64().unwrap() > 0, "{}", ended.said);
    assert!(ended.load["users"]["open"].as_u64().unwrap() > 0, "{}", ended.said);
}

/// A server that is slow to begin with is waited for as long as the scenario says.
#[test]
fn patience_is_the_scenarios() {
    let Some(app) = App::start("door", &[("REFUSE", "mute"), ("LATE", "1000000")]) else { return };
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
rules = ["errors < 5%", "ruler.late p99 < 1m"]
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

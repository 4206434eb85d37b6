//! Verdicts on an application with a login, namespaces, presence, history and confirmations (`tests/apps/office.js`): none
//! of what it does right is taken for a mistake, and each seeded mistake is counted to the unit.

use serde_json::Value;

use crate::apps::App;
use crate::common::Place;

/// Documents as rooms; who edits is told `saved`, and everybody else in the document `edited`.
const OFFICE: &str = r#"
name = "office"
seed = 3
[vars]
token = ""
[actions]
"open(doc)" = { emit = ["open", "${doc}"], ack = true }
[rooms.doc]
count     = 8
namespace = "/docs"
join      = ["open", "${room}"]
[users.editors]
count = 32
in    = { doc = 1 }
auth  = { token = "${token}" }
[traffic.edit]
from        = "editors"
rate        = "100/s"
payload     = { size = "100B" }
emit        = ["edit", "${room}", { text = "${payload}" }]
ack         = true
delivers_to = { event = "edited", rooms = ["${room}"], except = "sender" }
[[phase]]
name = "steady"
for  = "3s"
[slo]
thresholds = ["edit.missing = 0", "edit.duplicate = 0", "edit.misdelivered = 0", "edit.out_of_order = 0", "generator.late p99 < 1m"]
"#;

/// Exit code, what was said, what the scoreboard counted, and what the application did.
fn run(fault: &str) -> Option<(i32, String, Value, Value)> {
    run_of(OFFICE, &[("FAULT", fault), ("FAULT_EVERY", "100"), ("SAVED", "whole")])
}

/// As [`run`], with a scenario and an application of its own.
fn run_of(scenario: &str, env: &[(&str, &str)]) -> Option<(i32, String, Value, Value)> {
    let app = App::start("office", env)?;
    let place = Place::new();
    let token = format!("token={}", app.login("ada"));
    let (exit, said) = place.attempt(scenario, &["--target", &app.url(), "--set", &token]);
    Some((exit, said, place.entry("load")["traffic"][0]["counts"].clone(), app.stats()))
}

#[test]
fn an_office_that_does_everything_right_passes() {
    let Some((exit, said, counts, stats)) = run("") else { return };
    assert_eq!(exit, 0, "{said}");
    assert_eq!(counts["delivered"], stats["deliveries"]["edited"], "{said}");
    assert_eq!((&stats["faults"], &stats["refused"]), (&0.into(), &0.into()), "{stats}");
}

/// Runs with a fault, of which each is one violation of that kind and none of another.
fn is_counted_as(fault: &str, kind: &str) {
    let Some((exit, said, counts, stats)) = run(fault) else { return };
    assert_eq!(exit, 1, "{said}");
    assert!(stats["faults"].as_u64() > Some(0), "{stats}");
    for each in ["missing", "duplicate", "misdelivered", "out_of_order"] {
        let expected = if each == kind { stats["faults"].clone() } else { 0.into() };
        assert_eq!(counts[each], expected, "{each}: {said}");
    }
}

#[test]
fn an_edit_that_also_goes_to_its_sender_is_a_stray() {
    is_counted_as("echo", "misdelivered");
}

#[test]
fn an_edit_that_does_not_go_to_everybody_is_missing() {
    is_counted_as("lost", "missing");
}

#[test]
fn an_edit_that_comes_twice_is_a_duplicate() {
    is_counted_as("doubled", "duplicate");
}

#[test]
fn an_edit_that_goes_to_another_room_is_a_stray() {
    is_counted_as("wrong-room", "misdelivered");
}

/// People come late and are told what was edited before, under the name by which edits are owed.
fn late(reaches: &str, fault: &str) -> Option<(i32, String, Value, Value)> {
    let late = "[users.late]\ncount = 16\nin = { doc = 1 }\nauth = { token = \"${token}\" }\n\
                churn = { stay = \"700ms\", leave = \"disconnect\", away = \"50ms..200ms\" }\n[traffic.edit]";
    let scenario = OFFICE.replace("[traffic.edit]", late).replace("except = \"sender\"", reaches);
    run_of(&scenario, &[("HISTORY", "said"), ("FAULT", fault), ("FAULT_EVERY", "50")])
}

fn number(counts: &Value, name: &str) -> u64 {
    counts[name].as_u64().unwrap()
}

#[test]
fn history_under_the_owed_name_accuses_nobody() {
    let Some((exit, said, counts, _)) = late("except = \"sender\"", "") else { return };
    assert_eq!(exit, 0, "{said}");
    for wrong in ["missing", "duplicate", "misdelivered", "out_of_order"] {
        assert_eq!(number(&counts, wrong), 0, "{said}");
    }
    assert!(number(&counts, "history") > 50, "{said}");
    assert!(said.contains("history = false"), "{said}");
}

/// Whoever says that there is no history finds a server that sends what was before.
#[test]
fn without_history_what_was_before_is_a_stray() {
    let Some((exit, said, counts, _)) = late("except = \"sender\", history = false", "") else { return };
    assert_eq!(exit, 1, "{said}");
    assert!(number(&counts, "misdelivered") > 50 && number(&counts, "history") == 0, "{said}");
}

/// Beside history, what nobody can have meant is still found. Only who is just coming is in doubt.
#[test]
fn mistakes_are_found_beside_history() {
    for (fault, kind) in [("wrong-room", "misdelivered"), ("doubled", "duplicate")] {
        let Some((exit, said, counts, stats)) = late("except = \"sender\"", fault) else { return };
        assert_eq!(exit, 1, "{said}");
        let faults = number(&stats, "faults");
        let found = number(&counts, kind);
        assert!(found <= faults && found * 10 >= faults * 8, "{found} of {faults}: {said}");
        let others =
            ["missing", "duplicate", "misdelivered", "out_of_order"].into_iter().filter(|other| *other != kind);
        for other in others {
            assert_eq!(number(&counts, other), 0, "{other}: {said}");
        }
    }
}

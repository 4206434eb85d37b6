//! Loads in which users come and go and things break: nothing that is right is accused, and what is wrong is counted.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::common::{Place, code, is_sound, shipped, stderr, stdout};

/// The sum of a count over all traffics.
fn sum(load: &Value, name: &str) -> u64 {
    let traffics = load["traffic"].as_array().unwrap();
    traffics.iter().map(|traffic| traffic["counts"][name].as_u64().unwrap()).sum()
}

const WRONG: [&str; 4] = ["missing", "duplicate", "misdelivered", "out_of_order"];

fn churn(place: &Place, more: &[&str]) -> (Value, Option<i32>, String) {
    let args = ["run", &shipped("churn.toml"), "--set", "people=120", "--set", "long=8s", "--out", "out", "-q"];
    let output = place.run(&[&args, more].concat());
    let text = stdout(&output) + &stderr(&output);
    (place.entry("load"), output.status.code(), text)
}

#[test]
fn a_correct_server_is_not_accused_while_users_come_and_go() {
    for workers in ["1", "2"] {
        let place = Place::new();
        let (load, code, text) = churn(&place, &["--workers", workers]);
        assert!(is_sound(code, &text), "{text}");
        for wrong in WRONG {
            assert_eq!(sum(&load, wrong), 0, "{text}");
        }
        let users = &load["users"];
        for happened in ["churned", "dropped", "stalled"] {
            assert!(users[happened].as_u64().unwrap() > 5, "{happened}: {text}");
        }
        assert!(sum(&load, "owed") > 5_000 && sum(&load, "may") < 1_000, "{text}");
        assert!(load["reconnect"]["all the time"]["count"].as_u64().unwrap() > 20, "{text}");
    }
}

/// Each of these is seen by the counts of the right kind, by nothing else, and cut out as a case.
#[test]
fn faults_are_counted_by_their_kind() {
    for (fault, rate, kind) in [
        ("union-dup", "1", "duplicate"),
        ("except-ignored", "0.2", "misdelivered"),
        ("recover-gap", "1", "missing"),
        ("recover-dup", "1", "duplicate"),
    ] {
        let place = Place::new();
        let server = place.serve(&["--recovery", "60000", "--fault", fault, "--fault-rate", rate]);
        let (load, code, text) = churn(&place, &["--target", &server.url()]);
        assert_eq!(code, Some(1), "{fault}: {text}");
        for wrong in WRONG {
            assert_eq!(sum(&load, wrong) > 0, wrong == kind, "{fault}, {wrong}: {text}");
        }
        let violation = &load["violations"][0];
        assert_eq!(violation["measure"], kind, "{fault}");
        assert!(place.path().join(violation["scenario"].as_str().unwrap()).exists(), "{fault}");
    }
}

/// A fault that needs no load fails in the case that was cut out of one; without the fault the case passes.
#[test]
fn an_excerpt_is_a_case_that_can_be_played() {
    let place = Place::new();
    let server = place.serve(&["--recovery", "60000", "--fault", "union-dup"]);
    let (load, _, _) = churn(&place, &["--target", &server.url()]);
    let excerpt = load["violations"][0]["scenario"].as_str().unwrap();
    let faulty = place.run(&["run", excerpt, "--target", &server.url(), "--out", "again"]);
    assert_eq!(code(&faulty), 1, "{}", stdout(&faulty));
    let correct = place.serve(&["--recovery", "60000"]);
    let sound = place.run(&["run", excerpt, "--target", &correct.url(), "--out", "sound"]);
    assert_eq!(code(&sound), 0, "{}{}", stdout(&sound), stderr(&sound));
}

/// The deliveries that the server says it dropped are those that the run misses, to the last one.
#[test]
fn every_dropped_delivery_is_reported_and_no_other() {
    let place = Place::new();
    let server = place.serve(&["--fault", "drop", "--fault-rate", "0.002", "--fault-seed", "7"]);
    let args = ["--set", "people=300", "--set", "rate=100/s", "--workers", "2", "--out", "out", "-q"];
    let output = place.run(&[&["run", &shipped("fanout.toml"), "--target", &server.url()][..], &args].concat());
    let struck = server.stop();
    let struck: u64 = struck.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    let load = place.entry("load");
    assert!(struck > 20, "{struck}");
    assert_eq!(sum(&load, "missing"), struck, "{}", stdout(&output));
    assert_eq!(
        sum(&load, "duplicate") + sum(&load, "misdelivered") + sum(&load, "out_of_order"),
        0,
        "{}",
        stdout(&output)
    );
    assert_eq!(code(&output), 1);
}

const UPSET: &str = r#"
name = "upset"
[target]
nodes = 2
options = { recovery = "1m" }
reconnect = { delay = "50ms..200ms" }
[actions]
"join(room)" = { emit = ["join", "${room}"], ack = true }
"tell(room, what)" = { emit = ["emit", { to = ["${room}"], event = "msg", args = ["${what}"] }], ack = true }
[rooms.city]
count = 4
join = ["join", "${room}"]
[users.watchers]
count = 40
in = { city = 2 }
recovery = true
[users.reporters]
count = 8
in = { city = 2 }
[traffic.news]
from = "reporters"
rate = "50/s"
do = ["tell", "${room}", "${payload}"]
delivers_to = { event = "msg", rooms = ["${room}"] }
[[phase]]
name = "all"
for = "6s"
[[chaos]]
after = "1s"
CHAOS
LINK
[[case]]
name = "somebody else is served"
allow_unexpected = true
every = "500ms"
clients = { ann = {} }
steps = [{ at = "ann", emit = ["message-with-ack", 1], ack = [1], within = "3s" }]
[slo]
thresholds = ["news.missing = 0", "news.duplicate = 0", "news.misdelivered = 0", "news.out_of_order = 0", "generator.late p99 < 1m"]
"#;

fn upset(chaos: &str) -> (Value, Vec<Value>, Option<i32>, String) {
    upset_with(chaos, "")
}

/// With users behind links of their own, too.
fn upset_with(chaos: &str, far: &str) -> (Value, Vec<Value>, Option<i32>, String) {
    let place = Place::new();
    let file = place.path().join("upset.toml");
    std::fs::write(&file, UPSET.replace("CHAOS", chaos).replace("LINK", far)).unwrap();
    let output = place.run(&["run", "upset.toml", "--out", "out", "-q"]);
    let record = if place.out().exists() { place.record() } else { Vec::new() };
    let load = record.iter().find(|entry| entry["type"] == "load").cloned().unwrap_or_default();
    (load, record, output.status.code(), stdout(&output) + &stderr(&output))
}

#[test]
fn a_node_that_is_killed_takes_its_sessions_with_it() {
    // Those far away need seconds to be back in their rooms, and miss what the others send meanwhile, however busy this
    // machine is: all others may be back at the same moment.
    let far = "[users.far]\ncount = 20\nin = { city = 2 }\nrecovery = true\nlink = { delay = \"300ms\" }";
    let (load, record, code, text) = upset_with("restart = \"kill\"\nnode = 1\nfor = \"500ms\"", far);
    assert_eq!(code, Some(0), "{text}");
    let recovery = &load["recovery"]["all"];
    assert_eq!(recovery["recovered"], 0, "{text}");
    assert!(recovery["asked"].as_u64().unwrap() >= 15, "half of the watchers: {text}");
    assert_eq!((&load["users"]["disconnected"], &load["users"]["interrupted"]), (&0.into(), &0.into()), "{text}");
    assert!(sum(&load, "missed_offline") > 0 && sum(&load, "skipped") > 0, "{text}");
    let played = record.iter().filter(|entry| entry["type"] == "case" && entry["verdict"] == "pass").count();
    assert!(played >= 5, "cases beside the load: {played}\n{text}");
}

#[test]
fn a_node_that_stands_still_loses_nothing() {
    let (load, _, code, text) = upset("freeze = \"800ms\"\nnode = 0");
    assert_eq!(code, Some(0), "{text}");
    assert_eq!((sum(&load, "missed_offline"), sum(&load, "excused")), (0, 0), "{text}");
    assert!(load["traffic"][0]["latency"]["delivery"]["max"].as_u64().unwrap() > 500_000_000, "{text}");
}

#[test]
fn who_is_dropped_comes_back_to_its_session() {
    let chaos = "drop = \"50%\"\nof = \"watchers\"\nhow = \"close\"";
    let (load, _, code, text) = upset(chaos);
    assert_eq!(code, Some(0), "{text}");
    let recovery = &load["recovery"]["all"];
    assert_eq!(recovery["asked"], recovery["recovered"], "{text}");
    assert!(recovery["asked"].as_u64().unwrap() > 10, "{text}");
}

/// Far away, in pieces of seven bytes, over every transport, with links that are held and cut.
#[test]
fn a_bad_network_delays_and_loses_nothing() {
    let far = "[users.far]\ncount = 30\nin = { city = 2 }\nrecovery = true\n\
               transport = { websocket = 1, polling = 1, upgrade = 1 }\n\
               link = { delay = \"40ms\", pieces = \"7B\" }\n\
               [[chaos]]\nafter = \"2s\"\nstall = \"50%\"\nof = \"far\"\nfor = \"600ms\"";
    let (load, _, code, text) = upset_with("drop = \"30%\"\nof = \"far\"\nhow = \"reset\"", far);
    assert_eq!(code, Some(0), "{text}");
    assert!(sum(&load, "owed") > 3_000 && load["users"]["stalled"].as_u64().unwrap() > 5, "{text}");
    assert!(load["users"]["dropped"].as_u64().unwrap() > 3, "{text}");
    // There and back.
    assert!(load["fence"]["p90"].as_u64().unwrap() > 75_000_000, "{text}");
}

/// What may be dropped is owed to nobody, and judged all the same: at most once, in order, to nobody else. Without
/// rooms, everybody in the namespace is meant, and nobody in another.
#[test]
fn volatile_messages_and_those_for_everybody() {
    let more = "[users.others]\ncount = 10\nnamespace = \"/custom\"\n\
                [traffic.shaky]\nfrom = \"watchers\"\nrate = \"40/s\"\nack = true\n\
                emit = [\"emit\", { to = [\"${room}\"], volatile = true, event = \"v\", args = [\"${payload}\"] }]\n\
                delivers_to = { event = \"v\", rooms = [\"${room}\"], volatile = true }\n\
                [traffic.all]\nfrom = \"watchers\"\nrate = \"20/s\"\nack = true\n\
                emit = [\"emit\", { event = \"a\", args = [\"${payload}\"] }]\n\
                delivers_to = { event = \"a\", rooms = [] }";
    let (load, _, code, text) = upset_with("stall = \"10%\"\nfor = \"200ms\"", more);
    assert_eq!(code, Some(0), "{text}");
    let counts = |index: usize| load["traffic"][index]["counts"].clone();
    let number = |counts: &Value, name: &str| counts[name].as_u64().unwrap();
    let (shaky, all) = (counts(1), counts(2));
    assert!(number(&shaky, "volatile_delivered") > 1_000 && number(&shaky, "owed") == 0, "{text}");
    // Those of the sender's node, of which there are two: itself and 23 others.
    assert_eq!(number(&all, "owed"), 24 * number(&all, "sent"), "{text}");
    for wrong in WRONG {
        assert_eq!(sum(&load, wrong), 0, "{text}");
    }
}

#[test]
fn chaos_that_cannot_be_is_refused() {
    for (chaos, why) in [
        ("freeze = \"1s\"\nnode = 2", "there are 2 nodes, counted from 0"),
        ("drop = \"120%\"", "expected a share from"),
        ("drop = \"10%\"\nhow = \"rest\"", "did you mean `reset`?"),
        ("stall = \"10%\"", "`stall` needs `for`"),
        ("drop = \"10%\"\nof = \"watcher\"", "did you mean `watchers`?"),
        ("restart = \"kill\"\nof = \"watchers\"", "`of` goes with drop and stall"),
        ("", "expected one of: drop stall freeze restart"),
    ] {
        let (_, _, code, text) = upset(chaos);
        assert_eq!(code, Some(2), "{chaos}: {text}");
        assert!(text.contains(why), "{chaos}: {text}");
    }
}

/// A server that dies by itself ends the run, also when there are several.
#[test]
fn one_of_two_nodes_dies() {
    let place = Place::new();
    std::fs::write(
        place.path().join("upset.toml"),
        UPSET.replace("CHAOS", "stall = \"10%\"\nfor = \"100ms\"").replace("LINK", ""),
    )
    .unwrap();
    let mut running = place.start(&["run", "upset.toml", "--out", "out"]);
    running.wait_for("all");
    kill(Pid::from_raw(place.target_pid().as_raw()), Signal::SIGKILL).unwrap();
    let (code, text) = running.finish();
    assert_eq!(code, Some(3), "{text}");
}

/// Runs a small load in which users come back, against a server; returns what was recorded and said.
fn coming_back(url: &str, rule: &str) -> (Value, Option<i32>, String) {
    let place = Place::new();
    let text = format!(
        "name = \"back\"\n[target]\nreconnect = {{ delay = \"50ms..100ms\" }}\n\
         [actions]\n\"join(room)\" = {{ emit = [\"join\", \"${{room}}\"], ack = true }}\n\
         [rooms.a]\ncount = 2\njoin = [\"join\", \"${{room}}\"]\n[users.u]\ncount = 8\nin = {{ a = 1 }}\n\
         [traffic.t]\nfrom = \"u\"\nrate = \"20/s\"\nack = true\n\
         emit = [\"emit\", {{ to = [\"${{room}}\"], event = \"msg\", args = [\"${{payload}}\"] }}]\n\
         delivers_to = {{ event = \"msg\", rooms = [\"${{room}}\"] }}\n\
         [[phase]]\nname = \"all\"\nfor = \"3s\"\n[slo]\nthresholds = [\"{rule}\", \"generator.late p99 < 1m\"]\n"
    );
    std::fs::write(place.path().join("back.toml"), text).unwrap();
    let output = place.run(&["run", "back.toml", "--target", url, "--out", "out", "-q"]);
    (place.entry("load"), output.status.code(), stdout(&output) + &stderr(&output))
}

/// A server that breaks connections makes errors, though everybody comes back; each user counts once. That it pings nobody
/// is noticed.
#[test]
fn what_the_server_breaks_is_an_error_although_users_come_back() {
    let place = Place::new();
    let server = place.serve(&["--ping-interval", "300", "--ping-timeout", "300", "--fault", "ping-never"]);
    let (load, code, text) = coming_back(&server.url(), "errors = 0%");
    assert_eq!(code, Some(1), "{text}");
    assert_eq!((&load["users"]["interrupted"], &load["users"]["disconnected"]), (&8.into(), &0.into()), "{text}");
    assert!(load["users"]["broken"].as_u64().unwrap() > 8, "again and again: {text}");
    assert!(text.contains("a connection broke: the server fell silent: no ping for 600ms"), "{text}");
    let sound = place.serve(&["--ping-interval", "300", "--ping-timeout", "300"]);
    let (load, code, text) = coming_back(&sound.url(), "errors = 0%");
    assert_eq!((code, &load["users"]["interrupted"]), (Some(0), &0.into()), "{text}");
}

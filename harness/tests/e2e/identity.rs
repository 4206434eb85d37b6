//! What is taken for a message, who is judged, and what is said of it, on an ordinary application.

use serde_json::Value;

use crate::apps::App;
use crate::common::{Place, code, stderr, stdout};

/// What is sent, and who gets it.
const BY_STAMP: &str = r#"emit    = ["say", "${room}", "${payload}"]
delivers_to = { event = "message", rooms = ["${room}"], except = "sender" }"#;

fn scenario(traffic: &str) -> String {
    format!(
        r#"
name = "rooms"
seed = 5
[actions]
"join(room)" = {{ emit = ["join", "${{room}}"], ack = true }}
[rooms.room]
count = 6
join  = ["join", "${{room}}"]
[users.people]
count = 36
in    = {{ room = 1 }}
[traffic.say]
from = "people"
rate = "200/s"
ack  = true
{traffic}
[[phase]]
name = "steady"
for  = "2s"
[slo]
thresholds = [
  "say.missing = 0", "say.duplicate = 0", "say.misdelivered = 0", "say.out_of_order = 0", "say.altered = 0", "generator.late p99 < 1m",
]
"#
    )
}

/// A run against the application in one of its modes.
struct Run {
    exit: i32,
    said: String,
    load: Value,
    stats: Value,
    place: Place,
}

impl Run {
    fn count(&self, name: &str) -> u64 {
        self.load["traffic"][0]["counts"][name].as_u64().unwrap()
    }

    fn stat(&self, name: &str) -> u64 {
        self.stats[name].as_u64().unwrap()
    }

    fn violations(&self, measure: &str) -> Vec<&Value> {
        let all = self.load["violations"].as_array().map_or(&[][..], Vec::as_slice);
        all.iter().filter(|violation| violation["measure"] == measure).collect()
    }

    /// Counts of everything that is wrong, as (name, number), zeroes left out.
    fn wrong(&self) -> Vec<(&'static str, u64)> {
        let all = ["missing", "duplicate", "misdelivered", "out_of_order", "altered", "unidentified"];
        all.into_iter().map(|name| (name, self.count(name))).filter(|(_, number)| *number > 0).collect()
    }
}

fn run(env: &[(&str, &str)], traffic: &str) -> Option<Run> {
    let app = App::start("room", env)?;
    let place = Place::new();
    let (exit, said) = place.attempt(&scenario(traffic), &["--target", &app.url()]);
    let load = place.entry("load");
    Some(Run { exit, said, load, stats: app.stats(), place })
}

#[test]
fn what_comes_under_other_names_accuses_nobody_and_is_counted() {
    for (mode, event) in [("confirm", "sent"), ("history", "history"), ("notify", "notification")] {
        let Some(run) = run(&[("MODE", mode)], BY_STAMP) else { return };
        assert_eq!(run.exit, 0, "{mode}: {}", run.said);
        assert_eq!(run.wrong(), [], "{mode}");
        let others = &run.load["traffic"][0]["others"];
        if mode != "history" {
            assert_eq!(others[event], run.stat("others"), "{mode}: {others}");
            assert!(run.said.contains(&format!("came as {event:?}")), "{}", run.said);
        }
    }
}

/// An application that batches, and one that quotes: several messages in one event, each of which counts once.
#[test]
fn an_event_may_carry_several_messages() {
    let by_token = r#"emit     = ["say", "${room}", "text", "${token}"]
identify = "$.items[*].id"
delivers_to  = { event = "message", rooms = ["${room}"], except = "sender" }"#;
    for (mode, traffic) in [("batch", BY_STAMP), ("batch", by_token), ("quote", BY_STAMP)] {
        let Some(run) = run(&[("MODE", mode)], traffic) else { return };
        assert_eq!(run.exit, 0, "{mode}: {}", run.said);
        assert_eq!(run.wrong(), [], "{mode}: {}", run.said);
        assert_eq!(run.count("delivered"), run.count("owed"), "{mode}");
        let among = &run.load["among"];
        assert!(among["deliveries"].as_u64() > Some(0), "{mode}: {among}");
        // What is quoted had come before, if it was for the same users: all but the quoted message's own sender.
        assert!(mode == "batch" || among["again"].as_u64() > Some(0), "{mode}: {among}");
        assert!(run.said.contains("came in events that carried several messages"), "{}", run.said);
    }
}

/// An application that refuses some messages: nobody is owed those, and the refusals are counted.
#[test]
fn a_message_that_is_refused_is_owed_to_nobody() {
    let Some(app) = App::start("room", &[("MODE", "strict")]) else { return };
    let place = Place::new();
    let text = scenario(BY_STAMP).replace("ack  = true", "ack = [{ ok = true }]");
    let (exit, said) = place.attempt(&text, &["--target", &app.url()]);
    assert_eq!(exit, 1, "{said}");
    let counts = place.entry("load")["traffic"][0]["counts"].clone();
    let refused = app.stats()["refused"].as_u64().unwrap();
    assert!(refused > 0 && counts["refused"] == refused, "{counts}");
    assert_eq!(
        (&counts["missing"], &counts["unanswered"], &counts["may"]),
        (&0.into(), &0.into(), &0.into()),
        "{counts}"
    );
    assert_eq!(counts["delivered"], counts["owed"]);
    assert!(
        said.contains(&format!("FAILED: {refused} refused of say, and no threshold says how many may be")),
        "{said}"
    );
    assert!(
        said.contains("a message of say was answered with [{\"ok\":false,\"error\":\"slow down\"}]: argument 1"),
        "{said}"
    );

    let place = Place::new();
    let (exit, said) = place
        .attempt(&text.replace("thresholds = [", "thresholds = [\"say.refused <= 1000\","), &["--target", &app.url()]);
    assert_eq!(exit, 0, "{said}");
}

/// Two runs in the same rooms of an application that batches: its events carry messages of both.
#[test]
fn another_run_is_seen_in_batches_too() {
    let Some(app) = App::start("room", &[("MODE", "batch")]) else { return };
    let (url, text) = (app.url(), scenario(BY_STAMP));
    let attempt = || Place::new().attempt(&text, &["--target", &url]);
    let both = std::thread::scope(|scope| {
        let other = scope.spawn(attempt);
        [attempt(), other.join().unwrap()]
    });
    for (exit, said) in both {
        assert_eq!(exit, 4, "{said}");
        assert!(said.contains("were of 1 other run of sio-bench at the same time"), "{said}");
    }
}

#[test]
fn what_is_lost_from_a_batch_is_missing() {
    let Some(run) = run(&[("MODE", "batch"), ("FAULT", "lost"), ("EVERY", "50")], BY_STAMP) else { return };
    assert_eq!(run.exit, 1, "{}", run.said);
    assert!(run.stat("faults") > 0);
    assert_eq!(run.wrong(), [("missing", run.stat("faults"))], "{}", run.said);
}

#[test]
fn an_event_with_another_name_is_no_delivery() {
    let Some(run) = run(&[("MODE", "typo")], BY_STAMP) else { return };
    assert_eq!(run.exit, 1, "{}", run.said);
    assert!(run.count("owed") > 0);
    assert_eq!((run.count("missing"), run.count("delivered")), (run.count("owed"), 0));
    assert_eq!(run.load["traffic"][0]["others"]["mesage"], run.stat("delivered"));
    assert!(run.said.contains("copies came as \"mesage\"; nothing came as \"message\""), "{}", run.said);
    let missing = run.violations("missing");
    assert!(missing[0]["because"].to_string().contains("came as"), "{}", missing[0]);
}

#[test]
fn arguments_can_be_a_part_of_what_is_owed() {
    let by_args = r#"emit    = ["say", "${room}", "${payload}"]
delivers_to = { event = "message", args = [{ room = "${room}", ".." = "${any}" }], rooms = ["${room}"], except = "sender" }"#;
    let Some(good) = run(&[("MODE", "mirror")], by_args) else { return };
    assert_eq!(good.exit, 0, "{}", good.said);
    assert_eq!(good.load["traffic"][0]["others"]["message with other arguments"], good.stat("others"));
    let Some(bad) = run(&[("MODE", "mirror")], BY_STAMP) else { return };
    assert_eq!((bad.exit, bad.wrong()), (1, vec![("misdelivered", bad.stat("others"))]), "{}", bad.said);
    let proof = bad.violations("misdelivered")[0].to_string();
    assert!(proof.contains("which it had sent itself") && proof.contains("leaves the sender out"), "{proof}");
    let lanes = &bad.violations("misdelivered")[0]["lanes"][0]["stays"];
    assert!(
        lanes.as_array().unwrap().iter().all(|stay| stay["inside"] == false),
        "nobody says that it must get it: {lanes}"
    );
}

#[test]
fn seeded_faults_are_found_counted_and_proved() {
    let faults = [
        ("echo", "misdelivered", "100"),
        ("lost", "missing", "1000"),
        ("doubled", "duplicate", "1000"),
        ("wrong-room", "misdelivered", "1000"),
        ("swap", "out_of_order", "1000"),
        ("cut", "altered", "500"),
        ("cut-short", "altered", "500"),
        ("upper", "altered", "500"),
    ];
    for (fault, measure, every) in faults {
        let Some(run) = run(&[("FAULT", fault), ("EVERY", every)], BY_STAMP) else { return };
        assert_eq!(run.exit, 1, "{fault}: {}", run.said);
        assert!(run.stat("faults") > 0, "{fault}");
        assert_eq!(run.wrong(), [(measure, run.stat("faults"))], "{fault}: {}", run.said);
        let proof = run.violations(measure)[0]["because"].to_string();
        let says = match fault {
            "echo" => "leaves the sender out",
            "lost" => "and its answer came ahead of any copy",
            "doubled" => "a copy came at",
            "wrong-room" => "in no room that it goes to",
            "swap" => "sent message",
            "cut" => "of which the first 64 bytes",
            "cut-short" => "no whole stamp",
            _ => "of which the first 0 bytes",
        };
        let waited = fault == "lost" && proof.contains("it was waited for");
        assert!(proof.contains(says) || waited, "{fault}: {proof}");
        drop(run.place);
    }
}

#[test]
fn where_no_copy_can_be_identified_nothing_is_decided() {
    let Some(run) = run(&[("FAULT", "all-gone")], BY_STAMP) else { return };
    assert_eq!(run.exit, 4, "{}", run.said);
    assert_eq!(run.wrong(), [("unidentified", run.stat("delivered"))]);
    assert_eq!(run.load["traffic"][0]["undecided"], true);
    assert!(run.violations("missing").is_empty(), "nothing is proved");
    assert!(run.said.contains("NOT VALID: no copy of a message of say could be identified"), "{}", run.said);
    assert!(run.said.contains("20 bytes") && run.said.contains("identify ="), "{}", run.said);
}

#[test]
fn messages_of_the_application_itself_accuse_nobody() {
    let Some(run) = run(&[("MODE", "system")], BY_STAMP) else { return };
    assert_eq!((run.exit, run.wrong()), (0, vec![("unidentified", 36)]), "{}", run.said);
}

#[test]
fn a_token_identifies_what_the_application_changes() {
    for token in ["${token}", "${token int}"] {
        for (payload, fault) in [("hello", ""), ("${payload}", "all-upper"), ("${payload}", "all-gone")] {
            let traffic = format!(
                "emit = [\"say\", \"${{room}}\", \"{payload}\", \"{token}\"]\nidentify = \"$.id\"\n\
                 delivers_to = {{ event = \"message\", rooms = [\"${{room}}\"], except = \"sender\" }}"
            );
            let Some(good) = run(&[("FAULT", fault)], &traffic) else { return };
            assert_eq!((good.exit, good.wrong()), (0, vec![]), "{token} {fault}: {}", good.said);
            assert_eq!(good.count("delivered"), good.stat("delivered"));
            assert_eq!(good.load["traffic"][0]["identify"], "$.id");
        }
        let traffic = format!(
            "emit = [\"say\", \"${{room}}\", \"hello\", \"{token}\"]\nidentify = \"$.id\"\n\
             delivers_to = {{ event = \"message\", rooms = [\"${{room}}\"], except = \"sender\" }}"
        );
        let Some(bad) = run(&[("FAULT", "lost")], &traffic) else { return };
        assert_eq!((bad.exit, bad.wrong()), (1, vec![("missing", bad.stat("faults"))]), "{}", bad.said);
        let Some(confirmed) = run(&[("MODE", "confirm")], &traffic) else { return };
        assert_eq!((confirmed.exit, confirmed.wrong()), (0, vec![]), "{}", confirmed.said);
        assert_eq!(confirmed.load["traffic"][0]["others"]["sent"], confirmed.stat("others"));
    }
}

/// The case that a violation leaves is played where it was found, by the command that the report prints.
#[test]
fn a_violation_leaves_a_case_that_plays_on_the_application() {
    for (fault, every, exit) in [("doubled", "1", 1), ("lost", "1000", 0)] {
        let Some(app) = App::start("room", &[("FAULT", fault), ("EVERY", every), ("MODE", "confirm")]) else { return };
        let place = Place::new();
        std::fs::write(place.path().join("scenario.toml"), scenario(BY_STAMP)).unwrap();
        let output = place.run(&["run", "scenario.toml", "--target", &app.url(), "--out", "out", "-q"]);
        assert_eq!(code(&output), 1, "{}", stdout(&output));
        let load = place.entry("load");
        let case = load["violations"][0]["scenario"].as_str().unwrap();
        assert!(stdout(&output).contains(&format!("as a case: sio-bench run {case}")), "{}", stdout(&output));
        let text = std::fs::read_to_string(place.path().join(case)).unwrap();
        let played = place.run(&["run", case, "--out", "again", "-q"]);
        assert_eq!(code(&played), exit, "{fault}: {text}{}{}", stdout(&played), stderr(&played));
        assert!(!stdout(&played).contains("skipped"), "{}", stdout(&played));
    }
}

#[test]
fn where_everything_is_skipped_nothing_has_passed() {
    let Some(app) = App::start("room", &[]) else { return };
    let place = Place::new();
    let case =
        "name = \"fixture\"\n[[case]]\nname = \"c\"\nclients = { a = {} }\nsteps = [{ at = \"a\", silent = true }]\n";
    std::fs::write(place.path().join("case.toml"), case).unwrap();
    let url = app.url();
    for args in [["run", "case.toml"], ["conform", "case.toml"]] {
        let output = place.run(&[&args[..], &["--target", &url, "--out", args[0], "-q"]].concat());
        assert_eq!(code(&output), 5, "{}{}", stdout(&output), stderr(&output));
        assert!(stdout(&output).contains("NOTHING PLAYED: the only case was skipped"), "{}", stdout(&output));
    }
}

//! The conformance suite against real servers.
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::{Place, code, has_node, scenario, shipped, stderr, stdout, targets};

fn passes(args: &[&str]) -> String {
    let place = Place::new();
    let output = place.run(args);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    assert!(text.contains("PASSED"), "{text}");
    text
}

/// The cases of a record: id and verdict.
fn verdicts(place: &Place) -> Vec<(String, String)> {
    let text = fs::read_to_string(place.out().join("run.jsonl")).unwrap();
    let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let cases = entries.filter(|entry| entry["type"] == "case");
    cases.map(|case| (case["id"].as_str().unwrap().to_owned(), case["verdict"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn a_small_load_on_node_loses_nothing() {
    if has_node() {
        passes(&["run", &scenario("small.toml"), "--target", "node", "--quiet", "--set", "steady=1s"]);
    }
}

/// `run` does with cases what `conform` does.
#[test]
fn cases_can_be_run_like_any_scenario() {
    passes(&["run", &format!("{}/rooms.toml", shipped("conformance")), "--quiet"]);
}

#[test]
fn a_filter_that_matches_nothing_is_not_green() {
    let place = Place::new();
    let output = place.run(&["conform", "--area", "romms"]);
    assert_eq!(code(&output), 5, "{}", stdout(&output));
    assert!(stderr(&output).contains("there is no area `romms`; did you mean `rooms`?"), "{}", stderr(&output));
    assert!(!place.path().join("runs").exists());
}

/// The parts are apart, and together they are everything.
#[test]
fn shards_make_the_whole() {
    let mut ids = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let place = Place::new();
        let output = place.run(&["conform", "--area", "rooms", "--shard", shard, "--quiet", "--out", "out"]);
        assert_eq!(code(&output), 0, "{}", stdout(&output));
        ids.extend(verdicts(&place).into_iter().map(|(id, _)| id));
    }
    let place = Place::new();
    place.run(&["conform", "--area", "rooms", "--quiet", "--out", "out"]);
    let mut whole: Vec<_> = verdicts(&place).into_iter().map(|(id, _)| id).collect();
    ids.sort();
    whole.sort();
    assert_eq!(ids, whole);
}

/// A suite of one's own that fails: what is said, what is accepted, and what is noticed when it passes again.
#[test]
fn a_deviation_is_accepted_kept_and_noticed_when_it_is_gone() {
    let place = Place::new();
    let file = place.path().join("known.toml");
    let suite = |word: &str| {
        let text = format!(
            "name = 'own'\n[[case]]\nname = 'it answers'\nrequirement = 'SIO-AK-01'\nclients = {{ a = {{}} }}\n\
             steps = [{{ at = 'a', emit = ['message-with-ack', 'yes'], ack = ['{word}'] }}]\n"
        );
        fs::write(place.path().join("own.toml"), text).unwrap();
    };
    let conform =
        |out: &str| place.run(&["conform", "own.toml", "--deviations", "known.toml", "--quiet", "--out", out]);

    suite("no");
    fs::write(&file, "# nothing is known yet\n").unwrap();
    let failed = conform("one");
    let text = stdout(&failed);
    assert_eq!(code(&failed), 1, "{text}");
    for part in ["FAIL own/it-answers", "SIO-AK-01", "the acknowledgement differs", "own.toml:6", "replay"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }

    let accepted = place.run(&["accept", "one", "--reason", "it says yes", "--deviations", "known.toml"]);
    assert_eq!(code(&accepted), 0, "{}", stderr(&accepted));
    let known = fs::read_to_string(&file).unwrap();
    assert!(known.contains("# nothing is known yet") && known.contains("own/it-answers"), "{known}");
    let again = conform("two");
    assert_eq!(code(&again), 0, "{}", stdout(&again));
    assert!(stdout(&again).contains("it says yes"), "{}", stdout(&again));

    suite("yes");
    let passing = conform("three");
    assert_eq!(code(&passing), 1, "{}", stdout(&passing));
    assert!(stdout(&passing).contains("XPASS own/it-answers"), "{}", stdout(&passing));

    fs::write(&file, known.replace("reason = \"it says yes\"", "reason = \"\"")).unwrap();
    assert_eq!(code(&conform("four")), 2);
}

/// A deviation of the shipped suite that names nothing fails before anything is sent.
#[test]
fn a_stale_deviation_is_an_error() {
    let place = Place::new();
    fs::write(
        place.path().join("known.toml"),
        "[[deviation]]\ncase = 'rooms/no-such-case'\nmatch = 'x'\nreason = 'y'\n",
    )
    .unwrap();
    let output = place.run(&["conform", "--deviations", "known.toml"]);
    assert_eq!(code(&output), 2, "{}", stdout(&output));
    assert!(stderr(&output).contains("names no case"), "{}", stderr(&output));
}

#[test]
fn every_format_is_written() {
    let place = Place::new();
    let mut args = vec!["conform", "--area", "acks", "--quiet", "--out", "out", "--format", "tap"];
    let reports: Vec<String> = ["junit", "sarif", "markdown", "github", "badge", "jsonl", "terminal"]
        .map(|format| format!("{format}=reports/{format}"))
        .to_vec();
    for report in &reports {
        args.extend(["--report", report]);
    }
    let output = place.run(&args);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stdout(&output).starts_with("TAP version 14"), "{}", stdout(&output));
    let read = |name: &str| fs::read_to_string(place.path().join("reports").join(name)).unwrap();
    assert!(read("junit").contains("<testsuite name=\"acks\""));
    assert_eq!(serde_json::from_str::<Value>(&read("sarif")).unwrap()["version"], "2.1.0");
    assert!(read("markdown").contains("### Conformance of `reference"));
    assert!(read("badge").contains("brightgreen"));
    assert_eq!(read("jsonl"), fs::read_to_string(place.out().join("run.jsonl")).unwrap());
    // The same from the record alone.
    let again = place.run(&["report", "out", "--format", "junit"]);
    assert_eq!(stdout(&again), read("junit"));
}

#[test]
fn two_servers_side_by_side() {
    let place = Place::new();
    for out in ["a", "b"] {
        let output = place.run(&["conform", "--area", "close", "--quiet", "--out", out]);
        assert_eq!(code(&output), 0, "{}", stdout(&output));
    }
    let output = place.run(&["compare", "a", "b", "--diff", "close/a-close-packet-over-websocket*"]);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(text.contains("10/10") && text.contains("the same packets"), "{text}");
    let output = place.run(&["compare", "a", "b", "--format", "json"]);
    let told: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(told["targets"][1]["areas"]["close"], json!({ "passed": 10, "judged": 10 }));
    assert!(told["cases"].as_array().unwrap().iter().any(|case| case["verdicts"] == json!(["pass", "pass"])), "{told}");
    let xml = stdout(&place.run(&["compare", "a", "b", "--format", "junit"]));
    assert!(xml.matches("<testsuite name=\"reference [").count() == 2 && xml.contains("[2]: close\""), "{xml}");
    for (args, says) in [
        (["--format", "jsn"], "a similar value exists: 'json'"),
        (["--format=json", "--diff=close/*"], "--diff shows packets as text"),
    ] {
        let output = place.run(&[&["compare", "a", "b"][..], &args].concat());
        assert_eq!(code(&output), 2);
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
    let other = place.run(&["conform", &scenario("failing.toml"), "--quiet", "--out", "c"]);
    assert_eq!(code(&other), 1, "{}", stdout(&other));
    let output = place.run(&["compare", "a", "c"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("not of the same suite"), "{}", stderr(&output));
}

#[test]
fn the_committed_schema_is_what_is_printed() {
    let place = Place::new();
    let committed = Path::new(&shipped("sio-bench.schema.json")).to_owned();
    assert_eq!(stdout(&place.run(&["schema"])), fs::read_to_string(committed).unwrap());
}

/// A target that dies of one case: that case is told, and the others go on.
#[test]
fn a_target_that_dies_is_started_again() {
    if !has_node() {
        return;
    }
    // Installs what the target beside it needs, once for all tests.
    passes(&["conform", "--target", "node", "--id", "close/a-close-packet-over-polling*", "--quiet"]);
    let place = Place::new();
    let folder = place.path().join("targets/mortal");
    fs::create_dir_all(&folder).unwrap();
    let node = Path::new(&targets()).join("node");
    let server = format!(
        "process.chdir({node:?});\nconst fixture = require({:?});\nconst http = require('http').createServer();\n\
         const io = new (require({:?}).Server)(http);\nfixture(io);\nio.of('/').on('connection', (s) => s.on('acks', () => \
         {{ console.error('dying of acks'); process.exit(7); }}));\nhttp.listen(0, () => console.log(`LISTENING ${{http.address().port}}`));\n",
        node.join("fixture.js"),
        node.join("node_modules/socket.io"),
    );
    fs::write(folder.join("server.js"), server).unwrap();
    fs::write(folder.join("target.toml"), "about = 'dies'\nstart = ['node', 'server.js']\n").unwrap();
    let mut command = place.command(&["conform", "--target", "mortal", "--area", "acks", "--quiet", "--out", "out"]);
    let output = command.env("SIO_BENCH_TARGETS", place.path().join("targets")).output().unwrap();
    let text = stdout(&output);
    assert_eq!(code(&output), 1, "{text}{}", stderr(&output));
    let verdicts = verdicts(&place);
    let of = |verdict: &str| verdicts.iter().filter(|(_, found)| found == verdict).count();
    // Two cases raise that event.
    assert_eq!(of("crash"), 2, "{text}");
    assert!(text.contains("CRASH acks/an-application-that-acknowledges-three-times-sends-one-packet"), "{text}");
    assert!(text.contains("dying of acks"), "{text}");
    assert!(of("pass") > 20, "{text}");
}

/// A target that cannot do what it does not deny fails, and the rows that it breaks are named; one that says so is
/// left alone.
#[test]
fn what_a_target_cannot_do_and_does_not_deny() {
    let place = Place::new();
    let folder = place.path().join("targets/lame");
    fs::create_dir_all(&folder).unwrap();
    let conform = |fault: &str, lacks: &str, rules: &[&str]| {
        let program = env!("CARGO_BIN_EXE_sio-bench");
        let start = format!("[{program:?}, \"serve\", \"--fault\", {fault:?}]");
        fs::write(folder.join("target.toml"), format!("about = 'lame'\nstart = {start}\n[lacks]\n{lacks}\n")).unwrap();
        let _ = fs::remove_dir_all(place.out());
        let mut command = place.command(&[&["conform", "--target", "lame", "--quiet", "--out", "out"], rules].concat());
        command.env("SIO_BENCH_TARGETS", place.path().join("targets")).output().unwrap()
    };
    let rooms = ["--requirement", "RM-08", "--requirement", "RM-01"];
    let output = conform("own-room-missing", "", &rooms);
    let text = stdout(&output);
    assert_eq!(code(&output), 1, "{text}{}", stderr(&output));
    assert!(text.contains("capabilities/own_room") && text.contains("[lacks] own_room = "), "{text}");
    let failed = |id: &str| verdicts(&place).iter().any(|(found, verdict)| found.contains(id) && verdict == "fail");
    assert!(failed("rooms/") && failed("capabilities/own_room"), "{text}");
    let output = conform("own-room-missing", "own_room = 'there are none'", &rooms);
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));

    // A fixture that runs and acknowledges nothing is no other application.
    let output = conform("ack-missing", "", &["--requirement", "SIO-AK-01"]);
    let text = stdout(&output);
    assert_eq!(code(&output), 1, "{text}{}", stderr(&output));
    assert!(text.contains("capabilities/acknowledgements") && failed("acks/"), "{text}");
}

/// A server that runs already, and recovers sessions as many do: its private ids and offsets are no mistakes, and hide none.
#[test]
fn a_server_that_recovers_sessions_is_not_accused() {
    let place = Place::new();
    let conform = |args: &[&str], wanted: &[&str]| {
        let server = place.serve(&[&["--recovery", "60000"], args].concat());
        let _ = fs::remove_dir_all(place.out());
        let output = place.run(&[&["conform", "--target", &server.url(), "--quiet", "--out", "out"], wanted].concat());
        (code(&output), stdout(&output) + &stderr(&output))
    };
    let areas =
        ["--area", "rooms", "--area", "connect", "--area", "modifiers", "--area", "upgrade", "--area", "spelling"];
    let (exit, said) = conform(&[], &areas);
    assert_eq!(exit, 0, "{said}");
    assert!(verdicts(&place).iter().filter(|(_, verdict)| verdict == "pass").count() > 200, "{said}");
    // Something that does not come, and something that comes and must not.
    for (fault, requirement) in [("senders-room-excluded", "RM-06"), ("sender-included", "RM-06")] {
        let (exit, said) = conform(&["--fault", fault], &["--requirement", requirement]);
        assert_eq!(exit, 1, "{fault}: {said}");
    }
}

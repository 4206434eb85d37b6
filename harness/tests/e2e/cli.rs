//! The real program: what it prints and how it ends.
use std::process::{Command, Output};
use std::time::Duration;

use crate::common::{Place, code, has_node, is_sound, listen, redactions, scenario, shipped, stderr, stdout};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use nix::sys::signal::{Signal, kill};

#[test]
fn help() {
    let place = Place::new();
    let output = place.run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!("help", stdout(&output));
    insta::assert_snapshot!("help-run", stdout(&place.run(&["run", "--help"])));
}

/// The plan of a scenario is what its run comes to, when all users are there.
#[test]
fn a_plan_is_what_a_run_comes_to() {
    let place = Place::new();
    let output = place.run(&["plan", &scenario("small.toml")]);
    assert_eq!(code(&output), 0);
    let text = stdout(&output);
    let numbers = |line: &str| -> u64 {
        let words: Vec<_> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "deliveries").unwrap();
        words[at - 1].replace(',', "").parse().unwrap()
    };
    let planned: u64 = text.lines().filter(|line| line.contains(" deliveries ")).map(numbers).sum();
    place.run(&["run", &scenario("small.toml"), "-q", "--out", "out"]);
    let owed = place.entry("load")["traffic"][0]["counts"]["owed"].as_u64().unwrap();
    assert_eq!(planned, owed, "{text}");
}

/// A run in which sio-bench was on time; a machine that is never quiet for so long says nothing.
fn on_time(place: &Place, args: &[&str]) -> Option<Output> {
    for _ in 0..6 {
        let output = place.run(args);
        if code(&output) != 4 || !is_sound(output.status.code(), &stdout(&output)) {
            return Some(output);
        }
        std::fs::remove_dir_all(place.out()).unwrap();
    }
    eprintln!("skipped: this machine was never quiet for long enough");
    None
}

#[test]
fn a_good_run_and_its_report_again() {
    let place = Place::new();
    let args = ["run", &scenario("small.toml"), "--out", "out", "--quiet", "--workers", "1"];
    let Some(output) = on_time(&place, &args) else { return };
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    redactions().bind(|| insta::assert_snapshot!("good-run", text));

    let report = place.run(&["report", "out"]);
    assert_eq!(report.status.code(), Some(0));
    let without_path: Vec<_> = text.lines().filter(|line| !line.starts_with("record: ")).collect();
    assert_eq!(stdout(&report).lines().collect::<Vec<_>>(), without_path);
}

/// The histograms of every second add up to what the report says, exactly.
#[test]
fn the_interval_log_holds_every_delivery() {
    let place = Place::new();
    let output = place.run(&["run", &scenario("small.toml"), "--out", "out", "--quiet", "--set", "steady=2s"]);
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}{}", stdout(&output), stderr(&output));
    let load = place.entry("load");
    let log = std::fs::read(place.out().join("small.hlog")).unwrap();
    let mut sum = Histogram::<u64>::new(3).unwrap();
    let mut deserializer = Deserializer::new();
    for entry in IntervalLogIterator::new(&log) {
        if let LogEntry::Interval(interval) = entry.unwrap()
            && interval.tag().is_some_and(|tag| tag.as_str() == "tell.delivery@steady")
        {
            let bytes = base64(interval.encoded_histogram());
            sum.add(deserializer.deserialize::<u64, _>(&mut bytes.as_slice()).unwrap()).unwrap();
        }
    }
    let steady = &load["traffic"][0]["phases"][1];
    assert_eq!(steady["name"], "steady");
    assert_eq!(sum.len(), steady["counts"]["delivered"].as_u64().unwrap());
    assert_eq!(sum.max(), steady["latency"]["delivery"]["max"].as_u64().unwrap());
    let hgrm = std::fs::read_to_string(place.out().join("tell.delivery.hgrm")).unwrap();
    assert!(hgrm.contains(&format!("Total count    = {:12}]", sum.len())), "{hgrm}");
}

const SLOW_GOODBYE: &str = r#"
name = "slow"
[users.u]
count = 2
transport = "polling"
[traffic.t]
from = "u"
rate = "40/s"
arrivals = "even"
emit = ["message-with-ack", "${payload}"]
ack = true
[[phase]]
name = "steady"
for = "1500ms"
"#;

/// Goodbyes that take more than a second: what was measured in the last one is there all the same.
#[test]
#[expect(clippy::disallowed_methods, reason = "nothing is waited for: the server is slow")]
fn nothing_that_was_measured_is_lost_while_users_say_goodbye() {
    let url = listen(|server| {
        server.of("/").on_connection(|socket| {
            socket.on("message-with-ack", |_, event| event.ack(event.args.clone()));
            socket.on_disconnect(|_, _| std::thread::sleep(Duration::from_millis(1_200)));
        });
    });
    let place = Place::new();
    std::fs::write(place.path().join("slow.toml"), SLOW_GOODBYE).unwrap();
    let output = place.run(&["run", "slow.toml", "--target", &url, "--out", "out", "--quiet"]);
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}{}", stdout(&output), stderr(&output));
    let traffic = &place.entry("load")["traffic"][0];
    assert_eq!(traffic["latency"]["ack"]["count"], traffic["counts"]["sent"], "{traffic}");
}

/// Standard base64, as `.hlog` files use it.
fn base64(text: &str) -> Vec<u8> {
    let payload = sio_protocol::engine::decode_payload(&format!("b{text}").into()).next();
    match payload.unwrap().unwrap() {
        sio_protocol::Frame::Binary(bytes) => bytes.to_vec(),
        sio_protocol::Frame::Text(_) => unreachable!("a binary packet"),
    }
}

/// The schedule, and what it owes to whom, does not depend on how many threads send it.
#[test]
fn workers_do_not_change_what_is_sent() {
    let counts = |workers: &str| {
        let place = Place::new();
        let args =
            ["run", &scenario("small.toml"), "--out", "out", "--quiet", "--workers", workers, "--set", "steady=1s"];
        let output = place.run(&args);
        assert!(is_sound(output.status.code(), &stdout(&output)), "{}", stdout(&output));
        let counts = place.entry("load")["traffic"][0]["counts"].clone();
        ["scheduled", "sent", "owed", "delivered", "missing"].map(|name| counts[name].as_u64().unwrap())
    };
    assert_eq!(counts("1"), counts("3"));
}

#[test]
fn a_scenario_with_five_mistakes() {
    let place = Place::new();
    let output = place.run(&["run", &scenario("mistakes.toml")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout(&output).is_empty());
    assert!(!place.path().join("runs").exists(), "nothing was started");
    redactions().bind(|| insta::assert_snapshot!("mistakes", stderr(&output)));
}

#[test]
fn a_command_line_that_makes_no_sense() {
    let place = Place::new();
    for (args, expected) in [
        (vec!["run", "nothing-here"], "there is no file or folder nothing-here"),
        (
            vec!["run", "fanout", "--set", "poeple=1"],
            "--set names no variable of [vars]: poeple; did you mean `people`?\n  there are: people, rate",
        ),
        (vec!["run", "fanout", "--set", "people"], "expected KEY=VALUE"),
        (vec!["run", "fanout", "--set", "rate=7"], "expected a rate such as \"500/s\": `7` has no unit"),
        (
            vec!["run", "fanout", "--target", "nobody"],
            "there is no target `nobody`\n  known: reference, bun, chat, deno, flask-socketio, go, java, mixed, nestjs, node, node-cluster",
        ),
        (vec!["run", "fanout", "--target", "ftp://x"], "`ftp` is not a scheme of a server"),
        (vec!["run", "shop"], "the environment variable SHOP_URL is not set"),
        (vec!["run", "shop", "--target", "http://127.0.0.1:1"], "the environment variable SHOP_PID is not set"),
        (vec!["report", "nothing-here"], "cannot read nothing-here"),
    ] {
        let output = place.run(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn too_few_open_files() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_sio-bench");
    let limited = |limit: &str, args: &[&str]| {
        let script = format!("ulimit -Sn 100; ulimit -Hn {limit}; exec \"$0\" \"$@\"");
        Command::new("sh").args(["-c", &script, program]).args(args).current_dir(place.path()).output().unwrap()
    };
    let output = limited("200", &["run", "fanout"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!("too-few-files", stderr(&output));
    // A soft limit that is too low is raised.
    let small = ["run", &scenario("small.toml"), "--quiet", "--set", "people=120", "--set", "steady=500ms"];
    let output = limited("400", &small);
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}{}", stdout(&output), stderr(&output));
}

#[test]
fn cases_that_fail() {
    let place = Place::new();
    let output = place.run(&["run", &scenario("failing.toml")]);
    assert_eq!(output.status.code(), Some(1));
    redactions().bind(|| insta::assert_snapshot!("failing", stdout(&output)));
}

#[test]
fn nobody_listens() {
    // A port that was free a moment ago, and that nobody is given while we hold a listener elsewhere.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = Place::new();
    let output = place.run(&["run", &shipped("fanout.toml"), "--target", &format!("http://127.0.0.1:{port}")]);
    assert_eq!(output.status.code(), Some(3));
    redactions().bind(|| insta::assert_snapshot!("unreachable", stderr(&output)));
    assert_eq!(std::fs::read_dir(place.path().join("runs")).unwrap().count(), 0, "an empty record is no record");
}

#[test]
fn another_protocol_version() {
    if !has_node() {
        return;
    }
    let place = Place::new();
    let output = place.run(&["run", &shipped("fanout.toml"), "--target", "node-v2"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    redactions().bind(|| insta::assert_snapshot!("wrong-version", stderr(&output)));
}

#[test]
fn an_interrupted_run_keeps_what_it_has() {
    let place = Place::new();
    let mut run = place.start(&["run", &scenario("small.toml"), "--out", "out", "--set", "steady=60s"]);
    run.wait_for("steady");
    run.signal(Signal::SIGINT);
    let (code, text) = run.finish();
    assert_eq!(code, Some(130), "{text}");
    assert!(text.contains("INTERRUPTED: interrupted"), "{text}");
    let footer = place.entry("footer");
    assert_eq!((&footer["complete"], &footer["exit"]), (&false.into(), &130.into()));
    let load = place.entry("load");
    assert!(load["traffic"][0]["counts"]["delivered"].as_u64() > Some(0));
    assert_eq!(load["traffic"][0]["counts"]["missing"], 0, "what was on its way is nobody's fault");
    // Rates are over the time that was measured, and not over the minute that was planned.
    let phases = load["traffic"][0]["phases"].as_array().unwrap();
    let seconds = |phase: usize| phases[phase]["seconds"].as_f64().unwrap();
    assert!((seconds(0) - 0.5).abs() < 1e-9 && seconds(1) < 40.0, "{phases:?}");
    let report = stdout(&place.run(&["report", "out"]));
    assert!(report.contains("INTERRUPTED"), "{report}");
}

/// Whoever asks twice does not wait for a server that answers no goodbye; and the server does not stay behind.
#[test]
fn an_impatient_user_interrupts_twice() {
    let place = Place::new();
    let mut run = place.start(&["run", &scenario("small.toml"), "--out", "out", "--set", "steady=60s"]);
    run.wait_for("steady");
    let server = place.target_pid();
    kill(server, Signal::SIGSTOP).unwrap();
    run.signal(Signal::SIGINT);
    // The same signal twice at once would be one.
    run.signal(Signal::SIGTERM);
    let (code, text) = run.finish();
    assert_eq!(code, Some(130), "{text}");
    assert!(stdout(&place.run(&["report", "out"])).contains("INCOMPLETE"));
    // Killed and not yet collected by whoever collects orphans, or gone.
    let status = std::fs::read_to_string(format!("/proc/{server}/stat")).unwrap_or_default();
    assert!(status.is_empty() || status.contains(") Z "), "{status}");
}

/// What stands for a full disk is a limit on the size of files: writing fails in the middle of the run.
#[test]
fn a_record_that_cannot_be_written_takes_nothing_from_what_is_shown() {
    let place = Place::new();
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"";
    let args = ["run", &scenario("small.toml"), "--out", "out", "--quiet", "--set", "steady=2s"];
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_sio-bench")]).args(args).current_dir(place.path());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", stdout(&output));
    let verdict = "NOT VALID: the record is not complete (cannot write ";
    assert!(stdout(&output).contains("owed deliveries") && stdout(&output).contains(verdict), "{}", stdout(&output));
    assert!(stderr(&output).contains("the record is not complete: cannot write"), "{}", stderr(&output));
    assert!(stdout(&place.run(&["report", "out"])).contains("INCOMPLETE"));
}

#[test]
fn the_machine_is_looked_at() {
    let place = Place::new();
    let output = place.run(&["doctor"]);
    let text = stdout(&output);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{text}");
    for what in ["open files", "local ports", "wake-ups", "receive stamps"] {
        assert!(text.contains(what), "{what}: {text}");
    }
    assert_eq!(text.contains("NOT FIT"), output.status.code() == Some(1), "{text}");
}

#[test]
fn a_record_that_was_cut_short_says_so() {
    let place = Place::new();
    let mut run = place.start(&["run", &scenario("small.toml"), "--out", "out", "--set", "steady=60s"]);
    run.wait_for("steady");
    run.signal(Signal::SIGKILL);
    let (code, _) = run.finish();
    assert_eq!(code, None);
    let report = place.run(&["report", "out"]);
    assert_eq!(report.status.code(), Some(0));
    assert!(stdout(&report).contains("INCOMPLETE"), "{}", stdout(&report));
}

#[test]
fn a_target_that_dies_in_mid_run() {
    let place = Place::new();
    let mut run = place.start(&["run", &scenario("small.toml"), "--out", "out", "--set", "steady=60s"]);
    run.wait_for("steady");
    kill(place.target_pid(), Signal::SIGKILL).unwrap();
    let (code, text) = run.finish();
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("TARGET LOST: the target ended (signal: 9 (SIGKILL))"), "{text}");
    assert!(place.entry("load")["traffic"][0]["counts"]["delivered"].as_u64() > Some(0));
    assert_eq!(place.entry("footer")["exit"], 3);
}

#[test]
fn the_reference_server_as_a_program_of_its_own() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sio-bench"));
    command.args(["serve", "--port", "0"]).env("SIO_REDIS", "redis://127.0.0.1");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("SIO_REDIS is set, but this server cannot do that yet"), "{}", stderr(&output));
}

/// A log says what was done, by whom, and how each second went; without one nothing of it is written.
#[test]
fn a_log_is_written_where_it_is_asked_for() {
    let place = Place::new();
    let run = |more: &[&str]| {
        let small = scenario("small.toml");
        place.run(&[&["run", &small, "--set", "people=3", "--set", "steady=2s"], more].concat())
    };
    let output = run(&["--log", "debug"]);
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}", stdout(&output));
    let said = stderr(&output);
    for (level, span, what) in [
        (" INFO ", "target{name=\"reference\"}", "listens pid="),
        (" INFO ", "run{scenario=\"small\"}", "the load is planned users=3"),
        (" INFO ", "worker{number=0}", "the schedule begins users="),
        ("DEBUG ", ":user{number=2}", "is in its rooms again=false"),
        ("DEBUG ", ":user{number=2}", "the session is over end=Quit"),
        (" INFO ", "worker{number=0}", "the schedule is over"),
    ] {
        let is_it = |line: &&str| line.contains(level) && line.contains(span) && line.contains(what);
        assert!(said.lines().any(|line| is_it(&line)), "{level}{span}{what}\n{said}");
    }
    assert!(said.lines().any(|line| line.contains("second late=") && line.contains(" ran=")), "{said}");

    let output = place.run(&["run", &scenario("small.toml"), "-q", "--set", "steady=500ms"]);
    assert!(!stderr(&output).contains("INFO"), "{}", stderr(&output));

    let mut command = place.command(&["list", "scenarios"]);
    let output = command.env("SIO_LOG", "loud").output().unwrap();
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("found `loud`"), "{}", stderr(&output));
}

//! Random programs: what is found, proven, made smaller and replayed.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{Place, code, has, stderr, stdout};

#[test]
fn nothing_is_found_on_the_reference_server() {
    let place = Place::new();
    let output = place.run(&["explore", "--time", "5s", "--seed", "3", "--out", "out"]);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{text}\n{}", stderr(&output));
    for part in ["certainty 0.9", "must not", "join-overlapped-emit", "room-told", "PASSED: nothing was found"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

/// A server that serves a union twice: the program is cut down to a few steps, the proof is confirmed by other
/// means, the program fails again when it is replayed, and passes on a server that is right.
#[test]
fn a_failure_is_shrunk_proven_and_replayed() {
    let place = Place::new();
    let server = place.serve(&["--fault", "union-dup"]);
    let target = server.url();
    let args = ["explore", "--target", &target, "--time", "60s", "--seed", "1", "--failures", "1", "--out", "out"];
    let output = place.run(&args);
    let text = stdout(&output);
    assert_eq!(code(&output), 1, "{text}\n{}", stderr(&output));
    assert!(text.contains("FAIL I1 UNION-ONCE Duplicate") && text.contains("twice"), "{text}");

    let found = place.path().join("out/failure-1");
    let program = fs::read_to_string(found.join("program.toml")).unwrap();
    assert!(program.matches("\"c").count() <= 4, "{program}");
    let timeline = fs::read_to_string(found.join("timeline.html")).unwrap();
    assert!(timeline.contains("class=\"act wrong\"") && timeline.contains("UNION-ONCE"), "{timeline}");
    let output = place.run(&["verify", "out/failure-1/proof.json"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    assert!(stdout(&output).starts_with("CONFIRMED"), "{}", stdout(&output));

    let replay = |target: &[&str]| {
        let args = [&["explore", "--replay", "out/failure-1/program.toml", "--out", "again"], target].concat();
        place.run(&args)
    };
    let output = replay(&["--target", &target]);
    assert_eq!(code(&output), 1, "{}", stdout(&output));
    let output = replay(&[]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));

    // The store plays it first the next time.
    let output = place.run(&["explore", "--target", &target, "--budget", "0", "--out", "third"]);
    assert_eq!(code(&output), 1, "{}", stdout(&output));
    assert!(stdout(&output).contains("FAILED   explored/url/"), "{}", stdout(&output));
}

#[test]
fn a_proof_that_was_changed_is_refuted() {
    let place = Place::new();
    let server = place.serve(&["--fault", "sender-included"]);
    let target = server.url();
    let args = [
        "explore",
        "--target",
        &target,
        "--time",
        "60s",
        "--seed",
        "1",
        "--failures",
        "1",
        "--shrink",
        "1s",
        "--out",
        "out",
    ];
    assert_eq!(code(&place.run(&args)), 1);
    let file = place.path().join("out/failure-1/proof.json");
    let proof = fs::read_to_string(&file).unwrap();
    assert!(proof.contains("\"I2\""), "{proof}");
    fs::write(&file, proof.replace("\"excludes_sender\": true", "\"excludes_sender\": false")).unwrap();
    let output = place.run(&["verify", "out/failure-1/proof.json"]);
    assert_eq!(code(&output), 1, "{}", stdout(&output));
    assert!(stdout(&output).contains("REFUTED"), "{}", stdout(&output));
}

#[test]
fn files_that_are_no_programs_or_proofs() {
    let place = Place::new();
    fs::write(place.path().join("bad.toml"), "clients = ['websocket']\nnamespaces = 1\nphases = [[['c0 jion red']]]\n")
        .unwrap();
    let output = place.run(&["explore", "--replay", "bad.toml", "--out", "out"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("cannot read the step \"c0 jion red\""), "{}", stderr(&output));
    let output = place.run(&["verify", "bad.toml"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("is no proof"), "{}", stderr(&output));
}

/// A target that dies ends the hunt at once, and the program that was played is kept.
#[test]
fn a_target_that_dies() {
    let place = Place::new();
    let server = place.serve(&[]);
    let target = server.url();
    let args = ["explore", "--target", &target, "--time", "60s", "--seed", "1", "--out", "out"];
    let mut hunt = place.start(&args);
    hunt.wait_for("seed 1");
    drop(server);
    let (code, text) = hunt.finish();
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("TARGET LOST") && text.contains("last.toml") && !text.contains("PASSED"), "{text}");
    assert!(place.out().join("last.toml").is_file());
}

/// A target that opens sessions and then says nothing: the hunt ends in its time, and has not passed.
#[test]
fn a_target_that_falls_silent() {
    let place = Place::new();
    let server = place.serve(&[]);
    let target = server.url();
    let args = ["explore", "--target", &target, "--time", "6s", "--seed", "1", "--out", "out"];
    let mut hunt = place.start(&args);
    hunt.wait_for("seed 1");
    kill(Pid::from_raw(server.pid() as i32), Signal::SIGSTOP).unwrap();
    let begun = sio_bench::clock::now();
    let (code, text) = hunt.finish();
    // Six seconds, and four for the question whether anybody is there; with a margin for a busy machine.
    assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("TARGET LOST") && !text.contains("PASSED"), "{text}");
}

/// Whoever ends a hunt does not have it called clean.
#[test]
fn a_hunt_that_is_interrupted() {
    let place = Place::new();
    let mut hunt = place.start(&["explore", "--time", "60s", "--seed", "1", "--out", "out"]);
    hunt.wait_for("seed 1");
    hunt.signal(Signal::SIGINT);
    let (code, text) = hunt.finish();
    assert_eq!(code, Some(130), "{text}");
    assert!(text.contains("INTERRUPTED") && !text.contains("PASSED"), "{text}");
}

/// What is known to be wrong is told apart from what is found; what is known otherwise is not excused.
#[test]
fn a_known_deviation_is_no_failure() {
    let place = Place::new();
    let server = place.serve(&["--fault", "sender-included"]);
    let target = server.url();
    let known = |part: &str| {
        // The sender answers its own questions, too.
        let entries = [("I2 SENDER-EXCLUDED Phantom", part), ("I7 ACK-ONCE Acknowledgements", "its recipients are")];
        let entry = |(kind, part)| format!("[[explore]]\nkind = {kind:?}\nmatch = [{part:?}]\nreason = \"as ever\"\n");
        fs::write(place.path().join("known.toml"), entries.map(entry).concat()).unwrap();
        let args = ["--budget", "60", "--time", "60s", "--seed", "1", "--shrink", "1s", "--failures", "1"];
        let args =
            [&["explore", "--target", &target, "--deviations", "known.toml", "--out", "out"], &args[..]].concat();
        place.run(&args)
    };
    let output = known("which was not for it");
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{text}\n{}", stderr(&output));
    assert!(text.contains("times: I2 SENDER-EXCLUDED Phantom: as ever"), "{text}");
    assert!(text.contains("PASSED: nothing was found beyond what is known"), "{text}");
    let output = known("something else");
    assert_eq!(code(&output), 1, "{}", stdout(&output));
    assert!(stdout(&output).contains("FAIL I2 SENDER-EXCLUDED Phantom"), "{}", stdout(&output));
}

/// Programs whose clients are on two servers: nothing is found where both are right, and a server that passes everything on twice is.
#[test]
fn programs_are_played_on_a_cluster() {
    if !has("redis-server") {
        return;
    }
    let place = Place::new();
    let output =
        place.run(&["explore", "--target", "reference-redis", "--budget", "12", "--seed", "3", "--out", "out"]);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{text}\n{}", stderr(&output));
    assert!(text.contains(" 0 undecided ") && text.contains("PASSED: nothing was found"), "{text}");
    let program = env!("CARGO_BIN_EXE_sio-bench");
    let start = format!(
        "about = 'it errs'\nstart = ['{program}', 'serve', '--fault', 'cluster-doubled', '--fault-rate', '1']\nadapters = ['redis']\n"
    );
    let fleet = "about = 'two that err'\nnodes = ['errs', 'errs']\nadapter = 'redis'\n";
    for (name, text) in [("errs", start.as_str()), ("both", fleet)] {
        fs::create_dir_all(place.path().join("targets").join(name)).unwrap();
        fs::write(place.path().join("targets").join(name).join("target.toml"), text).unwrap();
    }
    let args = [
        "explore",
        "--target",
        "both",
        "--time",
        "60s",
        "--seed",
        "1",
        "--failures",
        "1",
        "--shrink",
        "2s",
        "--out",
        "wrong",
    ];
    let output = place.command(&args).env("SIO_BENCH_TARGETS", place.path().join("targets")).output().unwrap();
    let text = stdout(&output);
    assert_eq!(code(&output), 1, "{text}\n{}", stderr(&output));
    assert!(text.contains("FAIL I1 UNION-ONCE Duplicate"), "{text}");
    let output = place.run(&["verify", "wrong/failure-1/proof.json"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    let refused = place.run(&["explore", "--target", "reference-redis-streams", "--out", "third"]);
    assert_eq!(code(&refused), 2);
    assert!(stderr(&refused).contains("answers ahead of what it delivers"), "{}", stderr(&refused));
}

//! Random programs: what is found, proven, made smaller and replayed.

use std::fs;

use crate::common::{Place, code, stderr, stdout};

#[test]
fn nothing_is_found_on_the_reference_server() {
    let place = Place::new();
    let output = place.run(&["explore", "--time", "5s", "--seed", "3", "--out", "out"]);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{text}\n{}", stderr(&output));
    for part in ["strength 0.9", "must not", "join-overlapped-emit", "PASSED: nothing was found"] {
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

//! Small honest behaviours: who stops reading is no failure, and a folder is read for what is meant.

use std::process::Stdio;

use crate::common::{Place, code, shipped, stderr, stdout};

/// Starts the program with an end of a pipe that nobody reads; returns exit code, and what it said on the other one.
fn unread(place: &Place, args: &[&str], is_stderr: bool) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = place.command(args);
    command.stdin(Stdio::null());
    if is_stderr {
        let output = command.stderr(writer).output().unwrap();
        (output.status.code(), stdout(&output))
    } else {
        let output = command.stdout(writer).output().unwrap();
        (output.status.code(), stderr(&output))
    }
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    let place = Place::new();
    std::fs::write(place.path().join("one.toml"), ONE_CASE).unwrap();
    assert_eq!(code(&place.run(&["run", "one.toml", "-q", "--out", "out"])), 0);
    for args in [
        &["list"][..],
        &["list", "cases"],
        &["list", "requirements"],
        &["list", "targets"],
        &["schema"],
        &["schema", "record"],
        &["--help"],
        &["--version"],
        &["plan", "fanout"],
        &["report", "out"],
        &["report", "out", "--format", "jsonl"],
        &["report", "out", "--format", "junit"],
        &["report", "out", "--follow"],
        &["run", "one.toml", "-q"],
        &["conform", "one.toml", "-q"],
        &["explore", "--budget", "1", "-q"],
        &["serve", "--port", "0"],
        &["delay-server"],
    ] {
        assert_eq!(unread(&place, args, false), (Some(0), String::new()), "{args:?}");
    }
}

#[test]
fn who_closes_standard_error_gets_the_results() {
    let place = Place::new();
    std::fs::write(place.path().join("one.toml"), ONE_CASE).unwrap();
    for (args, exit) in [
        (&["run", "one.toml"][..], 0),
        (&["run", "nowhere.toml"], 2),
        (&["list", "everything"], 2),
        // Of one program too little may be decided; which ones are played is no matter of chance.
        (&["explore", "--budget", "4", "--seed", "1"], 0),
        (&["report", "nowhere"], 2),
    ] {
        let (ended, said) = unread(&place, args, true);
        assert_eq!(ended, Some(exit), "{args:?}");
        assert_eq!(said.is_empty(), exit != 0, "{args:?}: {said}");
    }
}

const ONE_CASE: &str =
    "name = \"one\"\n[clients]\na = {}\n[[case]]\nname = \"in\"\nsteps = [{ at = \"a\", silent = true }]\n";

#[test]
fn a_folder_is_read_for_its_scenarios() {
    let place = Place::new();
    let write = |name: &str, text: &str| {
        let path = place.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("app/Cargo.toml", "[package]\nname = \"x\"\nversion = \"0.1.0\"\n");
    write("app/target.toml", "about = \"x\"\nstart = [\"node\"]\n");
    write("app/deviations.toml", "[[deviation]]\ncase = \"a\"\nmatch = \"b\"\nreason = \"c\"\n");
    write("app/README.md", "# x");
    let none = place.run(&["run", "app"]);
    assert_eq!(code(&none), 2);
    assert!(stderr(&none).contains("no scenario below app: only app/Cargo.toml"), "{}", stderr(&none));
    let file = place.run(&["run", "app/Cargo.toml"]);
    assert!(code(&file) == 2 && stderr(&file).contains("app/Cargo.toml is no scenario"), "{}", stderr(&file));

    write("app/tests/one.toml", ONE_CASE);
    write("app/node_modules/x/two.toml", "name = \"two\"\n[[case]]\nbroken = true\n");
    std::os::unix::fs::symlink("..", place.path().join("app/tests/round")).unwrap();
    let one = place.run(&["run", "app", "-q", "--out", "out"]);
    assert_eq!(code(&one), 0, "{}{}", stdout(&one), stderr(&one));
    assert_eq!(place.record().iter().filter(|entry| entry["type"] == "case").count(), 1);

    write("app/tests/three.toml", "name = \"three\"\n[[cse]]\nname = \"c\"\n");
    let broken = place.run(&["run", "app"]);
    assert!(code(&broken) == 2 && stderr(&broken).contains("did you mean `case`?"), "{}", stderr(&broken));
    write("empty/notes.txt", "");
    let empty = place.run(&["run", "empty"]);
    assert!(code(&empty) == 2 && stderr(&empty).contains("no .toml file at all"), "{}", stderr(&empty));
    assert_eq!(code(&place.run(&["plan", &shipped(".")])), 0);
}

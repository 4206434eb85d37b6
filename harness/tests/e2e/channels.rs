//! What a stranger meets first: a scenario for an application of one's own, pages for `man`, completions, the program on its own in any
//! folder, and what the GitHub action runs.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::apps::App;
use crate::common::{Place, code, has_node, is_sound, scenario, stderr, stdout, targets};

const JOIN: &str = "[\"join\",\"${room}\"]";
const SAY: &str = "[\"say\",\"${room}\",\"${payload}\"]";

/// `init` knows the application's events, and the run that follows judges each message.
#[test]
fn a_scenario_for_ones_own_application_runs_as_it_was_written() {
    let Some(app) = App::start("chat", &[]) else { return };
    let place = Place::new();
    let url = app.url();
    let asked = ["--url", &url, "--join", JOIN, "--event", SAY, "--arrives-as", "message", "--ack", "--for", "2s"];
    let output = place.run(&[&["init", "mine.toml"], &asked[..]].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stdout(&output).contains("sio-bench run mine.toml"), "{}", stdout(&output));
    let output = place.run(&["plan", "mine.toml"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let output = place.run(&["run", "mine.toml", "-q", "--out", "out"]);
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("send_say.delivery"), "{}", stdout(&output));
    let counts = place.entry("load").pointer("/traffic/0/counts").cloned().unwrap();
    assert!(counts["owed"].as_u64().unwrap() > 50 && counts["missing"] == 0, "{counts}");
    // What is there is not written over, and what makes no scenario is said.
    let output = place.run(&[&["init", "mine.toml"], &asked[..]].concat());
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("mine.toml is there already; --force"), "{}", stderr(&output));
    for (event, said) in [("[\"say\",\"hi\"]", "has no \"${payload}\""), ("oops", "expected JSON")] {
        let output = place.run(&["init", "other.toml", "--event", event]);
        assert_eq!(code(&output), 2, "{}", stdout(&output));
        assert!(stderr(&output).contains(said) && !place.path().join("other.toml").exists(), "{}", stderr(&output));
    }
    let output = place.run(&["init", "other.toml"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("say what is sent, such as --event"), "{}", stderr(&output));
}

#[test]
fn each_command_has_a_manual_page_and_each_shell_its_completions() {
    let place = Place::new();
    let output = place.run(&["man", "man"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let page = |name: &str| std::fs::read_to_string(place.path().join("man").join(name)).unwrap();
    assert!(page("sio-bench.1").contains(".TH sio-bench 1") && page("sio-bench.1").contains("conform"));
    assert!(page("sio-bench-run.1").contains("\\-\\-baseline"), "{}", page("sio-bench-run.1"));
    assert!(!place.path().join("man/sio-bench-kill-targets.1").exists(), "what is hidden has none");
    for (shell, sign) in [("bash", "complete -F"), ("zsh", "#compdef sio-bench"), ("fish", "complete -c sio-bench")] {
        let output = place.run(&["completions", shell]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert!(stdout(&output).contains(sign) && stdout(&output).contains("conform"), "{shell}");
    }
}

/// The program in a folder with nothing beside it, and caches of its own.
fn alone(place: &Place, args: &[&str]) -> Output {
    let program = place.path().join("bin/sio-bench");
    if !program.exists() {
        std::fs::create_dir_all(program.parent().unwrap()).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_sio-bench"), &program).unwrap();
    }
    let mut command = Command::new(&program);
    command.args(args).current_dir(place.path()).stdin(Stdio::null());
    command.env_remove("SIO_BENCH_TARGETS").env("XDG_CACHE_HOME", place.path().join("caches"));
    command.output().unwrap()
}

#[test]
fn a_target_starts_from_any_folder() {
    let place = Place::new();
    let output = alone(&place, &["list", "targets"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    for name in std::fs::read_dir(targets()).unwrap().map(|entry| entry.unwrap()) {
        let manifest = name.path().join("target.toml").exists() || name.path().join("crew.toml").exists();
        let name = name.file_name().to_string_lossy().into_owned();
        assert!(!manifest || stdout(&output).contains(&name), "{name}: {}", stdout(&output));
    }
    let caches: Vec<_> = std::fs::read_dir(place.path().join("caches/sio-bench")).unwrap().collect();
    assert_eq!(caches.len(), 1, "{caches:?}");
    if !has_node() {
        return;
    }
    let output = alone(&place, &["conform", "--target", "node", "--area", "acks", "--quiet", "--out", "out"]);
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("PASSED"), "{}", stdout(&output));
}

/// A load can be had in the shapes that others read.
#[test]
fn a_run_is_told_in_the_shape_that_is_asked_for() {
    let place = Place::new();
    for (format, signs) in [
        ("junit", ["<testsuite", "tell.missing = 0"]),
        ("markdown", ["### A run of", "owed deliveries"]),
        ("jsonl", ["{\"type\":\"header\"", "\"type\":\"footer\""]),
        ("json", ["[\n{\"type\":\"header\"", "\"exit\":"]),
    ] {
        let file = scenario("small.toml");
        let args = ["run", &file, "-q", "--set", "steady=500ms", "--out", format, "--format", format];
        let output = place.run(&args);
        let said = stdout(&output);
        assert!(matches!(code(&output), 0 | 4), "{said}{}", stderr(&output));
        assert!(signs.iter().all(|sign| said.contains(sign)) && !said.contains("record: "), "{format}: {said}");
    }
}

fn action(place: &Place, variables: &[(&str, &str)]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/action.sh");
    let mut command = Command::new("bash");
    command.arg(script).current_dir(place.path()).env("SIO_PROGRAM", env!("CARGO_BIN_EXE_sio-bench"));
    command.env("SIO_BENCH_TARGETS", targets()).env("GITHUB_STEP_SUMMARY", place.path().join("summary.md"));
    command.envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap()
}

/// What the action runs: annotations and `JUnit`, a summary, and a load that is held against the one before.
#[test]
fn the_action_checks_and_loads() {
    let place = Place::new();
    let server = place.serve(&[]);
    let (url, load) = (server.url(), scenario("small.toml"));
    let usual =
        [("SIO_TARGET", url.as_str()), ("SIO_AREA", "acks"), ("SIO_SCENARIO", &load), ("SIO_BASELINE", "before")];
    let output = action(&place, &usual);
    assert!(matches!(code(&output), 0 | 4), "{}{}", stdout(&output), stderr(&output));
    let read = |name: &str| std::fs::read_to_string(place.path().join(name)).unwrap();
    assert!(read("sio-bench-junit.xml").contains("<testcase") && read("sio-bench.html").contains("<svg"));
    assert!(
        read("summary.md").contains("### Conformance of") && read("summary.md").contains("owed deliveries"),
        "{}",
        read("summary.md")
    );
    std::fs::rename(place.path().join("sio-bench-records/load"), place.path().join("before")).unwrap();
    let output = action(&place, &usual);
    assert!(stdout(&output).contains("baseline "), "{}{}", stdout(&output), stderr(&output));
    // A server that is wrong is an annotation and a red step; an input is never a command.
    let faulty = place.serve(&["--fault", "union-dup"]);
    let wrong = faulty.url();
    let output = action(&place, &[("SIO_TARGET", &wrong), ("SIO_AREA", "rooms")]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(stdout(&output).contains("title=FAIL RM-03::"), "{}", stdout(&output));
    let output =
        action(&place, &[("SIO_TARGET", "http://127.0.0.1:1; touch spoiled"), ("SIO_AREA", "$(touch spoiled)")]);
    assert!(code(&output) != 0 && !place.path().join("spoiled").exists());
    // Every input of the action is a variable that the script reads.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (says, script) = (root.join("action.yml"), root.join("scripts/action.sh"));
    let (says, script) = (std::fs::read_to_string(says).unwrap(), std::fs::read_to_string(script).unwrap());
    let variables: Vec<_> =
        says.lines().filter_map(|line| line.trim().strip_suffix(" }}")?.split_once(": ${{ inputs.")).collect();
    assert_eq!(variables.len(), 9, "{variables:?}");
    for (variable, input) in variables {
        assert!(script.contains(variable) && says.contains(&format!("\n  {input}:\n")), "{variable}: {input}");
    }
}

//! The suite against a server that errs on purpose.

use std::time::{Duration, Instant};

use crate::common::{Place, code, has, has_node, stderr, stdout};

#[test]
fn a_sample_of_the_faults_is_noticed() {
    let place = Place::alone();
    let output = place.run(&["self-test", "--sample", "16", "--seed", "5", "--out", "out", "--html", "kills.html"]);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{text}\n{}", stderr(&output));
    assert!(text.contains("KILLED") && text.contains("score 100.0 %"), "{text}");
    let matrix = std::fs::read_to_string(place.path().join("out/matrix.json")).unwrap();
    let matrix: serde_json::Value = serde_json::from_str(&matrix).unwrap();
    assert_eq!(matrix["faults"].as_array().unwrap().len(), 16);
    let page = std::fs::read_to_string(place.path().join("kills.html")).unwrap();
    assert!(page.contains("16 of 16 faults") && page.matches("<th scope=\"row\"").count() == 16, "{page}");
}

/// One fault of each kind in socket.io itself, the last of which only a load can see; the whole is for the night.
#[test]
fn faults_in_somebody_elses_server_are_noticed() {
    if !has_node() {
        return;
    }
    let place = Place::alone();
    let faults = ["B07", "R02", "A08", "P02", "N14", "E05", "H12", "L01"];
    let mut args = vec!["self-test", "--server", "node", "--explore", "2s", "--out", "out"];
    faults.iter().for_each(|fault| args.extend(["--only", fault]));
    let output = place.run(&args);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{text}\n{}", stderr(&output));
    assert!(text.contains("killed 8   missed 0"), "{text}");
    assert!(text.contains("of the killed, 8 fail a row that the table names itself"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("L01 ") && line.contains("load: ")), "{text}");
}

#[test]
fn faults_of_what_nodes_tell_each_other_are_noticed() {
    if !has("redis-server") {
        return;
    }
    let place = Place::alone();
    let output = place.run(&["self-test", "--only", "cluster-", "--out", "out"]);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{text}\n{}", stderr(&output));
    assert!(text.contains("killed 10   missed 0"), "{text}");
    assert!(text.contains("of the killed, 10 fail a row that the table names itself"), "{text}");
}

#[test]
fn faults_of_several_nodes_are_skipped_without_a_redis() {
    let place = Place::alone();
    let mut command = place.command(&["self-test", "--only", "cluster-lost", "--out", "out"]);
    let output = command.env("PATH", place.path()).output().unwrap();
    let text = stdout(&output);
    assert_eq!(code(&output), 5, "{text}\n{}", stderr(&output));
    assert!(text.contains("SKIPPED") && text.contains("apt-get install redis-server"), "{text}");
}

#[test]
fn a_server_without_a_list_of_faults() {
    let place = Place::new();
    let output = place.run(&["self-test", "--server", "http://127.0.0.1:1"]);
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("http://127.0.0.1:1 has no list of faults") && said.contains("targets/README.md"), "{said}");
}

#[test]
fn faults_that_do_not_exist() {
    let place = Place::new();
    let output = place.run(&["self-test", "--only", "no-such-fault"]);
    assert_eq!(code(&output), 5, "{}", stderr(&output));
    let output = place.run(&["serve", "--fault", "no-such-fault"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("there is no such fault"), "{}", stderr(&output));
    let output = place.run(&["serve", "--fault", "drop", "--fault-rate", "2"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("between 0 and 1"), "{}", stderr(&output));
}

#[test]
fn the_faults_are_listed() {
    let output = Place::new().run(&["list", "faults"]);
    let text = stdout(&output);
    assert!(text.lines().count() >= 120 && text.contains("union-dup"), "{text}");
}

/// The servers that err go with the program that is told to end, by either signal.
#[test]
#[cfg(target_os = "linux")]
#[expect(clippy::disallowed_methods, reason = "the time of a real end is what is measured")]
fn an_interrupted_self_test_leaves_no_server_behind() {
    for signal in [nix::sys::signal::Signal::SIGTERM, nix::sys::signal::Signal::SIGINT] {
        let place = Place::new();
        let run = place.start(&["self-test", "--only", "union-dup", "--matrix", "--out", "out"]);
        // The clean server, then the faulty one beside it.
        let servers = loop {
            let servers = children_that_serve(run.child.id());
            if !servers.is_empty() {
                break servers;
            }
            std::thread::yield_now();
        };
        run.signal(signal);
        let (code, text) = run.finish();
        assert_eq!(code, Some(130), "{text}");
        // They have been killed, and are gone when the kernel has done so.
        let deadline = Instant::now() + Duration::from_secs(9);
        while servers.iter().any(|pid| serves(*pid)) {
            assert!(Instant::now() < deadline, "a server of the self-test is left after {signal}");
            std::thread::yield_now();
        }
    }
}

/// Processes that this one has started and that serve.
#[cfg(target_os = "linux")]
fn children_that_serve(parent: u32) -> Vec<i32> {
    let read = |pid: &str, file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let names = all.filter_map(|entry| entry.file_name().into_string().ok());
    let own = names.filter(|pid| read(pid, "status").contains(&format!("\nPPid:\t{parent}\n")));
    own.filter_map(|pid| pid.parse().ok()).filter(|pid| serves(*pid)).collect()
}

/// Whether it is a server that runs; what is left of a process that has ended has no arguments.
#[cfg(target_os = "linux")]
fn serves(pid: i32) -> bool {
    let arguments = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    arguments.contains("serve\0--port")
}

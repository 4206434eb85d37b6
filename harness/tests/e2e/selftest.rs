//! The suite against a server that errs on purpose.

use std::time::{Duration, Instant};

use crate::common::{Place, code, stderr, stdout};

#[test]
fn faults_of_several_nodes_are_skipped_without_a_redis() {
    let place = Place::new();
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

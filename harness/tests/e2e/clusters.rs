//! Fleets: servers that sio-bench joins over a real Redis, a real `PostgreSQL`, or as workers of one program.

use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{Place, code, has, has_node, has_program, stderr, stdout};

/// A message from one node to the other, and who is where.
const CROSSING: &str = r#"
name = "crossing"
[target]
nodes  = 2
broker = "redis"
[[case]]
name    = "a message crosses"
clients = { a = { namespace = "${nsp}" }, b = { node = 1, namespace = "${nsp}" } }
steps = [
  { at = "a", emit = ["whoami"], ack = [{ node = "0", ".." = "${any}" }] },
  { at = "b", emit = ["whoami"], ack = [{ node = "1", ".." = "${any}" }] },
  { at = "a", emit = ["select", { op = "side", x = 1 }], ack = [{ acks = ["1"] }], until = true },
  { at = "a", emit = ["emit", { event = "x", args = [1] }], ack = true },
  { at = ["a", "b"], expect = ["x", 1] },
]
"#;

fn there_are_clusters() -> bool {
    has_node() && has("redis-server")
}

/// Debian has its programs where no shell looks.
fn has_postgres() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let there = versions.into_iter().any(|version| version.path().join("bin/postgres").exists());
    there || has_program("postgres", "postgresql")
}

#[test]
fn nodes_of_a_fleet_hear_one_another() {
    if !there_are_clusters() {
        return;
    }
    let place = Place::new();
    std::fs::write(place.path().join("crossing.toml"), CROSSING).unwrap();
    let mut fleets = vec!["node-redis", "node-redis-sharded", "node-redis-streams", "node-cluster"];
    fleets.extend(has_postgres().then_some("node-postgres"));
    for fleet in fleets {
        let output = place.run(&["conform", "crossing.toml", "--target", fleet, "--out", fleet]);
        assert_eq!(code(&output), 0, "{fleet}: {}{}", stdout(&output), stderr(&output));
        assert!(stdout(&output).contains(&format!("target {fleet} ")), "{}", stdout(&output));
    }
    let single = place.run(&["run", "crossing.toml", "--target", "node", "--out", "joined"]);
    assert_eq!(code(&single), 0, "`broker` joins what the command line names: {}", stdout(&single));
    let alone = place.run(&["conform", "crossing.toml", "--target", "node", "--out", "alone"]);
    assert_eq!(code(&alone), 5, "{}", stdout(&alone));
    assert!(stdout(&alone).contains("it takes 2 servers that know of one another"), "{}", stdout(&alone));
}

#[test]
fn what_cannot_be_joined_is_refused_with_the_reason() {
    let place = Place::new();
    let problem = |target: &str, more: &str| {
        let text =
            format!("name = \"x\"\n[target]\n{target}\n[[case]]\nname = \"y\"\nsteps = []\nclients = {{ a = {{}} }}\n");
        std::fs::write(place.path().join("x.toml"), text).unwrap();
        let args: Vec<_> = ["run", "x.toml"].into_iter().chain(more.split_whitespace()).collect();
        let output = place.run(&args);
        assert_eq!(code(&output), 2, "{target}: {}{}", stdout(&output), stderr(&output));
        stderr(&output)
    };
    assert!(
        problem("urls = [\"http://127.0.0.1:1\"]\nbroker = \"redis\"", "").contains("for servers that are started")
    );
    assert!(problem("nodes = 1\nbroker = \"redis\"", "").contains("two `nodes` at least"));
    assert!(problem("nodes = 2\nadapter = \"redis\"", "").contains("needs a `broker`"));
    assert!(problem("broker = \"redi\"", "").contains("did you mean `redis`"));
    assert!(problem("broker = \"postgres\"\nadapter = \"redis\"", "").contains("needs broker = \"redis\""));
    assert!(problem("broker = \"postgres\"", "--target reference").contains("`reference` has no adapter `postgres`"));
    assert!(
        problem("broker = \"redis://127.0.0.1:1\"", "--target node-postgres").contains("is a Redis at 127.0.0.1:1")
    );
    assert!(problem("broker = \"redis://somewhere\"", "").contains("redis://host:port"));
    assert!(problem("broker = \"redis\"\nadapter = \"redis-stream\"", "").contains("did you mean `redis-streams`"));
    assert!(problem("broker = \"redis\"", "--target python").contains("`python` has no adapter `redis`"));
}

#[test]
fn a_missing_broker_is_named_with_the_package() {
    if !has_node() {
        return;
    }
    let place = Place::new();
    std::fs::write(place.path().join("crossing.toml"), CROSSING).unwrap();
    let nodes = place.path().join("programs");
    std::fs::create_dir(&nodes).unwrap();
    let found = Command::new("sh").args(["-c", "command -v node; command -v npm"]).output().unwrap();
    for program in stdout(&found).lines() {
        let name = std::path::Path::new(program).file_name().unwrap();
        std::os::unix::fs::symlink(program, nodes.join(name)).unwrap();
    }
    let output = place.command(&["run", "crossing.toml", "--target", "node"]).env("PATH", &nodes).output().unwrap();
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(stderr(&output).contains("apt-get install redis-server"), "{}", stderr(&output));
}

/// What a process has started, with the command lines.
fn children_of(parent: u32) -> Vec<(Pid, String)> {
    let read = |pid: &str, file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let all = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let child = |pid: String| {
        // Behind the name, in which there may be anything, stand the state and the parent.
        let stat = read(&pid, "stat");
        let is_ours = stat.rsplit_once(") ")?.1.split(' ').nth(1)? == parent.to_string();
        Some((Pid::from_raw(pid.parse().ok()?), read(&pid, "cmdline"))).filter(|_| is_ours)
    };
    all.filter_map(child).collect()
}

/// A run with such a broker, nodes of both kinds and a balancer is killed while it goes on; returns the broker's command line,
/// when all that it has started is gone.
fn killed_amid(broker: &str, more: &str, program: &str) -> String {
    let place = Place::new();
    let text = std::fs::read_to_string(crate::common::scenario("small.toml")).unwrap();
    let text = format!("{text}\n[target]\nbroker = \"{broker}\"\nbalancer = \"cookie\"\n{more}\n");
    std::fs::write(place.path().join("joined.toml"), text).unwrap();
    let mut run = place.start(&["run", "joined.toml", "--out", "out", "--set", "steady=60s"]);
    run.wait_for("steady");
    let children = children_of(run.child.id());
    for part in [program, "server.js", "kill-targets-when-stdin-closes"] {
        assert!(children.iter().any(|(_, line)| line.contains(part)), "there is no {part}: {children:?}");
    }
    run.signal(Signal::SIGKILL);
    run.finish();
    for (child, _) in &children {
        // What nobody has buried yet has no command line any more.
        let lives = || std::fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|line| !line.is_empty());
        while kill(*child, None).is_ok() && lives() {
            std::thread::yield_now();
        }
    }
    children.into_iter().find(|(_, line)| line.contains(program)).unwrap().1
}

#[test]
fn a_broker_does_not_outlive_a_killed_program() {
    if there_are_clusters() {
        killed_amid("redis", "nodes = [\"node\", \"reference\"]", "redis-server");
    }
}

#[test]
fn a_database_does_not_outlive_a_killed_program() {
    if !has_node() || !has_postgres() {
        return;
    }
    let command = killed_amid("postgres", "nodes = [\"node\", \"node\"]", "postgres\0-D");
    let data = command.split('\0').skip_while(|word| *word != "-D").nth(1).unwrap();
    let folder = std::path::Path::new(data).parent().unwrap();
    assert!(folder.file_name().unwrap().to_string_lossy().starts_with("sio-bench-postgres-"), "{command}");
    while folder.exists() {
        std::thread::yield_now();
    }
}

#[test]
fn nodes_that_speak_tls_stand_behind_a_balancer_that_reads_nothing() {
    if !has("redis-server") {
        return;
    }
    let place = Place::new();
    let text = std::fs::read_to_string(crate::common::scenario("small.toml")).unwrap();
    let attempt = |balancer: &str| {
        let target = format!("nodes = 2\nbroker = \"redis\"\nbalancer = \"{balancer}\"\noptions = {{ tls = true }}");
        std::fs::write(place.path().join("secure.toml"), format!("{text}\n[target]\n{target}\n")).unwrap();
        place.run(&["run", "secure.toml", "--out", "out", "--set", "steady=1s"])
    };
    let output = attempt("source");
    let load = place.entry("load");
    let users = &load["users"];
    assert!(users["connected"].as_u64().unwrap() > 0 && users["failed"] == 0, "{}{}", stdout(&output), stderr(&output));
    std::fs::remove_dir_all(place.out()).unwrap();
    let refused = attempt("cookie");
    assert_eq!(code(&refused), 2, "{}", stdout(&refused));
    assert!(stderr(&refused).contains("take `source`"), "{}", stderr(&refused));
}

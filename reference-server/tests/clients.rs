//! Clients that we did not write, against the reference server: the matrix of `CATALOGUE.md`.
//!
//! Each is a small program in `tests/clients` that says `ok NAME` or `FAIL NAME: why` for each check. They are
//! installed on first use. Where the language is missing the test says so and passes, except in CI.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use sio_reference_server::{Options, Parser, Recovery, Server, fixture};

/// One installation at a time: three tests share a `package.json`.
static INSTALLING: Mutex<()> = Mutex::new(());

const EVERYTHING: [&str; 9] =
    ["connect", "auth", "acks", "binary", "rooms", "namespaces", "volatile", "reconnect", "bye"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Whether something is there: a command that shows it succeeds. CI installs everything, so there it is a failure
/// if not.
fn have(what: &str, shows: &[&str]) -> bool {
    let found = Command::new(shows[0]).args(&shows[1..]).output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{what} is missing; scripts/test-machine.sh installs it");
        println!("{what} is not installed: left out");
    }
    found
}

fn run(what: &str, command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what} failed:\n{}\n{text}", String::from_utf8_lossy(&output.stdout));
}

/// A server with the fixture, on a thread and runtime of its own; it ends with the test's process.
fn serve(options: Options) -> String {
    let (sender, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let io = Server::new(options);
            fixture::install(&io, &fixture::Config { node: "A".to_owned(), journal: true });
            let listener = io.listen("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr()).unwrap();
            listener.run().await.unwrap();
        });
    });
    format!("http://{}", address.recv().unwrap())
}

/// Runs a client's checks; they must be exactly the expected ones, and all good.
fn check(command: &mut Command, each: &[&str], once: &[&str]) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let mut expected: Vec<String> = Vec::new();
    for transport in ["websocket", "polling"] {
        expected.extend(each.iter().map(|name| format!("ok {name} {transport}")));
    }
    expected.extend(once.iter().map(|name| format!("ok {name}")));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines, expected, "standard error:\n{}", String::from_utf8_lossy(&output.stderr));
}

fn javascript(version: &str, options: Options, msgpack: bool, once: &[&str]) {
    if !have("Node.js", &["node", "--version"]) || !have("npm", &["npm", "--version"]) {
        return;
    }
    let js = folder("js");
    {
        let _one = INSTALLING.lock().unwrap();
        run("npm ci", Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&js));
    }
    let mut command = Command::new("node");
    command.arg(js.join("check.js")).args([version, &serve(options)]);
    if msgpack {
        command.arg("msgpack");
    }
    check(&mut command, &EVERYTHING, once);
}

#[test]
fn socket_io_client_4() {
    let options = Options { connection_state_recovery: Some(Recovery::default()), ..Options::default() };
    javascript("4", options, false, &["upgrade", "recovery"]);
}

#[test]
fn socket_io_client_4_with_msgpack() {
    javascript("4", Options { parser: Parser::MessagePack, ..Options::default() }, true, &["upgrade"]);
}

#[test]
fn socket_io_client_3() {
    javascript("3", Options::default(), false, &["upgrade"]);
}

#[test]
fn socket_io_client_2() {
    javascript("2", Options { allow_eio3: true, ..Options::default() }, false, &["upgrade"]);
}

#[test]
fn python_socketio() {
    if !have("Python", &["python3", "-c", "import venv, ensurepip"]) {
        return;
    }
    let python = folder("python");
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-client");
    run("python3 -m venv", Command::new("python3").args(["-m", "venv"]).arg(&environment));
    let program = environment.join("bin/python");
    let requirements = python.join("requirements.txt");
    run("pip install", Command::new(&program).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements));
    let mut command = Command::new(program);
    command.arg(python.join("check.py")).arg(serve(Options::default()));
    check(&mut command, &EVERYTHING, &["upgrade"]);
}

/// It has one namespace per connection, acknowledges nothing and knows no recovery. It reconnects after `bye`.
#[test]
fn rust_socketio() {
    if !have("OpenSSL", &["pkg-config", "--exists", "openssl"]) {
        return;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rust-client");
    let manifest = folder("rust").join("Cargo.toml");
    let mut build = Command::new(env!("CARGO"));
    run(
        "cargo build",
        build.args(["build", "--quiet", "--locked", "--manifest-path"]).arg(manifest).arg("--target-dir").arg(&target),
    );
    let mut command = Command::new(target.join("debug/clients"));
    command.arg(serve(Options::default()));
    let each = ["connect", "auth", "acks", "binary", "rooms", "namespaces", "volatile", "reconnect"];
    check(&mut command, &each, &["upgrade"]);
}

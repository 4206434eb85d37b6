//! What is left when sio-bench is killed (nothing that runs), and targets that say whatever they like.

use std::fs::File;
use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::common::{Place, code, is_sound, scenario, stderr, stdout};

/// Three times what a kill takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(9);

/// A folder of a target that runs a shell script, which may say `$SERVE` for the reference server; `--target` for it.
fn target(place: &Place, script: &str) -> String {
    let folder = place.path().join("own");
    std::fs::create_dir(&folder).unwrap();
    let serve = format!("exec {} serve --port 0", env!("CARGO_BIN_EXE_sio-bench"));
    let script = script.replace("$SERVE", &serve);
    let manifest = format!("about = \"x\"\nstart = [\"sh\", \"-c\", '''{script}''']\n");
    std::fs::write(folder.join("target.toml"), manifest).unwrap();
    "./own".to_owned()
}

/// The server ignores what it is told, and is the target of a program that is killed.
#[expect(clippy::disallowed_methods, reason = "the time of a real run is what is measured")]
fn killed_by(signal: Signal, program: &str) {
    let place = Place::new();
    let target = target(&place, "$SERVE");
    let program = place.path().join(program);
    std::fs::copy(env!("CARGO_BIN_EXE_sio-bench"), &program).unwrap();
    let mut run = place.start_of(
        &program,
        &["run", &scenario("small.toml"), "--target", &target, "--out", "out", "--set", "steady=60s"],
    );
    run.wait_for("steady");
    let url = place.entry("header")["target"]["url"].as_str().unwrap().replace("http://", "");
    let mut connection = TcpStream::connect(url).unwrap();
    connection.set_read_timeout(Some(LIMIT)).unwrap();
    let started = Instant::now();
    run.signal(signal);
    // The server says nothing to who says nothing; it ends when the server does.
    let read = connection.read(&mut [0; 16]);
    let timed_out = read.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(!timed_out && started.elapsed() < LIMIT, "the target runs on: {read:?}");
    run.finish();
}

#[test]
fn a_killed_program_leaves_no_target_behind() {
    killed_by(Signal::SIGKILL, "sio-bench");
    // Whatever its file is called.
    killed_by(Signal::SIGKILL, "sio-bench-0.1");
    // Under `nohup` it is ignored, as it should be.
    if !ignores_hangups() {
        killed_by(Signal::SIGHUP, "sio-bench");
    }
}

/// Whether SIGHUP is ignored here, and thereby in every program that is started.
fn ignores_hangups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0").trim();
    u64::from_str_radix(mask, 16).unwrap() & 1 != 0
}

/// Bytes that are no text, no end of a line for a long time, and more of it than any pipe takes, before and afterwards.
#[test]
fn a_target_may_say_anything() {
    let place = Place::new();
    let noise = "head -c 20000000 /dev/zero";
    let script = format!("printf '\\377\\376\\nLISTENING nowhere\\n'; {noise}; echo; (sleep 2; {noise}) & $SERVE");
    let target = target(&place, &script);
    let output = place.run(&["run", &scenario("small.toml"), "--target", &target, "-q", "--set", "steady=3s"]);
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}{}", stdout(&output), stderr(&output));
}

/// Commands are run of targets that somebody has named, not of a folder that happens to be here.
#[test]
fn a_folder_of_targets_that_lies_about_is_none() {
    let place = Place::new();
    let folder = place.path().join("targets/mine");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("target.toml"), "about = \"x\"\nstart = [\"touch\", \"../../run\"]\n").unwrap();
    let run = |target: &str| {
        let mut command = place.command(&["conform", "--target", target]);
        command.env_remove("SIO_BENCH_TARGETS").output().unwrap()
    };
    for target in ["mine", "../mine", "..", "./nothing"] {
        let output = run(target);
        assert_eq!(code(&output), 2, "{target}: {}", stderr(&output));
    }
    assert!(!place.path().join("run").exists());
    let output = run("./targets/mine");
    assert!(place.path().join("run").exists(), "{}", stderr(&output));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_standard_output_is_no_success() {
    let place = Place::new();
    let record = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records/schema-1/load");
    let mut command = place.command(&["report", &record.display().to_string()]);
    let output = command.stdout(File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
    assert_eq!(code(&output), 4);
    assert!(stderr(&output).contains("cannot write to standard output"), "{}", stderr(&output));
}

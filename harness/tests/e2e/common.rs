//! Runs the real program in a folder of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use sio_reference_server::{Options, Server as Io};
use tempfile::TempDir;

/// Held by a test that has the machine for itself.
static MACHINE: Mutex<()> = Mutex::new(());

/// A folder in which the program runs.
pub struct Place {
    folder: TempDir,
    _machine: Option<MutexGuard<'static, ()>>,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), _machine: None }
    }

    #[allow(dead_code, reason = "the tests that are alone have this file, too")]
    /// A place for a test that measures time: no other test of this binary runs beside it.
    pub fn alone() -> Self {
        // A test that failed has not harmed the machine.
        let machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        Self { folder: tempfile::tempdir().unwrap(), _machine: Some(machine) }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The record of a run with `--out out`.
    pub fn out(&self) -> PathBuf {
        self.path().join("out")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_sio-bench")), args)
    }

    fn command_of(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.path())
            .env("NO_COLOR", "1")
            .env("XDG_DATA_HOME", self.path())
            .env("SIO_BENCH_TARGETS", targets());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs this scenario with further arguments, its record below `out`: the exit code, and everything that was said.
    pub fn attempt(&self, scenario: &str, args: &[&str]) -> (i32, String) {
        std::fs::write(self.path().join("scenario.toml"), scenario).unwrap();
        // What an earlier attempt has recorded is not taken for this one's.
        let _ = std::fs::remove_dir_all(self.out());
        let output = self.run(&[&["run", "scenario.toml", "--out", "out", "-q"], args].concat());
        (code(&output), stdout(&output) + &stderr(&output))
    }

    /// Starts a run whose progress is read line by line.
    pub fn start(&self, args: &[&str]) -> Running {
        self.start_of(Path::new(env!("CARGO_BIN_EXE_sio-bench")), args)
    }

    /// The same with the program under another name.
    pub fn start_of(&self, program: &Path, args: &[&str]) -> Running {
        let mut child = self.command_of(program, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Running { child, stderr }
    }

    /// Starts the reference server on a free port.
    pub fn serve(&self, args: &[&str]) -> Server {
        let args = [&["serve", "--port", "0"], args].concat();
        let mut child = self.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("LISTENING ").unwrap().parse().unwrap();
        Server { child, port }
    }

    /// The lines of the record so far.
    pub fn record(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.out().join("run.jsonl")).unwrap();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub fn entry(&self, kind: &str) -> Value {
        self.record()
            .into_iter()
            .find(|entry| entry["type"] == kind)
            .unwrap_or_else(|| panic!("no {kind} in the record"))
    }

    /// Process id of the server that the run has started.
    pub fn target_pid(&self) -> Pid {
        Pid::from_raw(self.entry("header")["target"]["pid"].as_i64().unwrap() as i32)
    }
}

/// A reference server, for as long as this lives.
pub struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Stops it as an operator would; returns what it wrote to its standard error.
    pub fn stop(mut self) -> String {
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server with events of its own, until the tests are over; returns its URL.
pub fn listen(set_up: impl FnOnce(&Io) + Send + 'static) -> String {
    let (told, url) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Io::new(Options::default());
            set_up(&server);
            let listener = server.listen("127.0.0.1:0").await.unwrap();
            told.send(format!("http://{}", listener.local_addr())).unwrap();
            listener.run().await.unwrap();
        });
    });
    url.recv().unwrap()
}

/// A run in progress.
pub struct Running {
    pub child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Running {
    /// Waits for a progress line that contains `text`.
    pub fn wait_for(&mut self, text: &str) {
        self.line(text);
    }

    /// The same, and returns the line.
    pub fn line(&mut self, text: &str) -> String {
        self.line_or_end(text).unwrap_or_else(|seen| {
            let mut said = String::new();
            std::io::Read::read_to_string(self.child.stdout.as_mut().unwrap(), &mut said).unwrap();
            panic!("the run ended without {text:?}, {:?}:\n{seen}{said}", self.child.wait().unwrap());
        })
    }

    /// The same; if the run ends first, what it said until then.
    pub fn line_or_end(&mut self, text: &str) -> Result<String, String> {
        let mut line = String::new();
        let mut seen = String::new();
        while self.stderr.read_line(&mut line).unwrap() > 0 {
            if line.contains(text) {
                return Ok(line);
            }
            seen.push_str(&line);
            line.clear();
        }
        Err(seen)
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Exit code and standard output.
    pub fn finish(mut self) -> (Option<i32>, String) {
        // Keeps reading, so that the program never blocks on a full pipe.
        let reader = std::thread::spawn(move || self.stderr.lines().map_while(Result::ok).count());
        let mut stdout = String::new();
        std::io::Read::read_to_string(&mut self.child.stdout.take().unwrap(), &mut stdout).unwrap();
        let status = self.child.wait().unwrap();
        reader.join().unwrap();
        (status.code(), stdout)
    }
}

pub fn scenario(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(name).display().to_string()
}

pub fn shipped(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name).display().to_string()
}

pub fn targets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../targets")
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Whether Node is there; says in one line what is missing if it is not.
pub fn has_node() -> bool {
    let there = |program| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    let both = there("node") && there("npm");
    if !both {
        eprintln!(
            "skipped: this test needs Node.js 18 or later with npm (https://nodejs.org, or `apt install nodejs npm`)"
        );
    }
    both
}

/// Whether a program is there; says in one line what is missing if it is not.
pub fn has(program: &str) -> bool {
    has_program(program, program)
}

/// The same for a program whose package has another name.
pub fn has_program(program: &str, package: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        assert!(std::env::var_os("CI").is_none(), "{program} is missing");
        eprintln!("skipped: this test needs {program} (`apt-get install {package}`, or scripts/test-machine.sh)");
    }
    there
}

/// Times, ports and whatever else differs from run to run.
pub fn redactions() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    for (pattern, replacement) in [
        (r"\d{4}-\d\d-\d\dT[\d:.-]+Z?", "[date]"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
        (r" +\d+(\.\d+)? (ns|us|ms|s)\b\??", " [time]"),
        (r"(?m)^  sio-bench waited for a core in .*\n", ""),
        (r"\d+ % waiting for one", "[share] waiting for one"),
        (r"\d+ % of a core( \(\d+(\.\d+)? us per delivery\))?", "[share]"),
        (r"\d+ cores?, [\d,]+ open files", "[machine]"),
        (r"linux \w+,", "[system],"),
        (r"  stolen .*\n", ""),
        (r"[\d.]+ MiB( \([\d.]+ KiB per user\))?", "[size]"),
        (r"  generator recv queue .*\n", ""),
        (r"(?m)^  wire .*\n", ""),
        (r"(?m)^  outlier .*\n", ""),
        (r"[\d,]+ sent late", "[n] sent late"),
        (r"[\d,]+ deliveries/s", "[n] deliveries/s"),
        (r#""sid":"[^"]*""#, r#""sid":"[sid]""#),
        (r"( *)\d+\.\d{3} (\w+ [▶◀])", " [at] $2"),
        (r"(/\S*)?/tests/scenarios/", "scenarios/"),
        (r"on \d+ workers?", "on [n] workers"),
    ] {
        settings.add_filter(pattern, replacement);
    }
    settings
}

/// Whether a load found nothing wrong. That sio-bench was late is no news on a machine that it shares with other tests.
pub fn is_sound(code: Option<i32>, text: &str) -> bool {
    code == Some(0) || (code == Some(4) && text.contains("NOT VALID") && !text.contains("besides"))
}

/// The exit code.
pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

/// The entries of one kind in the record of a run in this folder.
pub fn entries(place: &Place, run: &str, kind: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path().join(run).join("run.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|entry| entry["type"] == kind).collect()
}

/// A scenario with thresholds about an earlier run, on top of the small one's; returns its path.
pub fn with_thresholds(place: &Place, thresholds: &str) -> String {
    let text = std::fs::read_to_string(scenario("small.toml")).unwrap();
    let file = place.path().join("small.toml");
    std::fs::write(&file, text.replace("thresholds = [", &format!("thresholds = [\n{thresholds}"))).unwrap();
    file.display().to_string()
}

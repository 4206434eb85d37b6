//! The tests with one mutant on.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What came of a mutant.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A test failed, which is named.
    Caught(String),
    /// The tests used more processor time than they were given. A busy machine changes nothing about that.
    Endless,
    /// All tests passed.
    Missed,
}

/// How the tests are run: how many cases they draw, and so on.
pub struct Stage {
    pub environment: Vec<(String, String)>,
    /// Which tests, if not all.
    pub tests: Vec<String>,
    /// Seconds of processor time for each program.
    pub limits: Vec<u64>,
}

impl Stage {
    /// `NAME=value NAME=value TEST TEST`.
    pub fn parse(text: &str) -> Self {
        let mut stage = Self { environment: Vec::new(), tests: Vec::new(), limits: Vec::new() };
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some((name, value)) => stage.environment.push((name.to_owned(), value.to_owned())),
                None => stage.tests.push(word.to_owned()),
            }
        }
        stage
    }

    /// Runs the tests as they are, which must pass, and gives each program six times the processor time that it took.
    pub fn measure(&mut self, programs: &[PathBuf], arguments: &[String], place: &Path) -> Result<(), String> {
        self.limits.clear();
        for program in programs {
            let script = "TIMEFORMAT='used %U %S'; time \"$@\"";
            let output = self.command(script, program, arguments, place, 0).output().map_err(|why| why.to_string())?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let used: f64 = said
                .lines()
                .rev()
                .find_map(|line| {
                    Some(line.strip_prefix("used ")?.split(' ').filter_map(|part| part.parse::<f64>().ok()).sum())
                })
                .ok_or_else(|| format!("{}: no time in {said}", program.display()))?;
            if !output.status.success() {
                return Err(format!(
                    "{} fails without a mutant:\n{}",
                    program.display(),
                    String::from_utf8_lossy(&output.stdout)
                ));
            }
            eprintln!("{:?} {}: {used:.1} s of processor time", self.environment, program.display());
            self.limits.push((used * 6.0) as u64 + 5);
        }
        Ok(())
    }

    /// Runs the programs with a mutant on, until one test fails.
    pub fn run(
        &self,
        programs: &[PathBuf],
        arguments: &[String],
        place: &Path,
        mutant: usize,
    ) -> Result<Outcome, String> {
        for (program, limit) in programs.iter().zip(&self.limits) {
            let script = format!("ulimit -t {limit} -v 6000000; exec \"$@\"");
            let outcome =
                one(self.command(&script, program, arguments, place, mutant)).map_err(|why| why.to_string())?;
            if outcome != Outcome::Missed {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Missed)
    }

    fn command(&self, script: &str, program: &Path, arguments: &[String], place: &Path, mutant: usize) -> Command {
        let mut command = Command::new("bash");
        command
            .args(["-c", script, "bash"])
            .arg(program)
            .args(arguments)
            .args(&self.tests)
            .current_dir(place)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("SIO_MUTANT", mutant.to_string())
            // Whether a property fails is asked, not its smallest input; and no run learns from another.
            .env("PROPTEST_MAX_SHRINK_ITERS", "0")
            .env("PROPTEST_RNG_SEED", "1")
            // They are looked for in all folders above, up to the repository's own.
            .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1")
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null());
        command
    }
}

fn one(mut command: Command) -> std::io::Result<Outcome> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or_else(|| std::io::Error::other("no output"))?);
    let mut line = String::new();
    let mut last = String::new();
    while lines.read_line(&mut line)? > 0 {
        if let Some(test) = line.trim_end().strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            let test = test.to_owned();
            child.kill()?;
            lines.read_to_string(&mut last)?;
            child.wait()?;
            return Ok(Outcome::Caught(test));
        }
        last = std::mem::take(&mut line);
    }
    let status = child.wait()?;
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    Ok(match signal {
        _ if status.success() => Outcome::Missed,
        // SIGXCPU, and SIGKILL a second later.
        Some(24 | 9) => Outcome::Endless,
        _ => Outcome::Caught(format!("{status}, behind: {}", last.trim_end())),
    })
}

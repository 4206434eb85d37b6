//! Servers as child processes: each in a process group of its own, on a port of its own.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child as TokioChild, ChildStdin, Command};
use tracing::Instrument as _;

use super::manifest::Manifest;
use super::output::{self, Stderr};
use super::{Error, Launch, watcher};
use crate::clock;
use crate::vocab::lock::LockExt;

/// Time from the start of a server to its `LISTENING` line.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Time a server has after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks at who is left.
const LOOK: Duration = Duration::from_millis(10);

/// The groups of all servers that run, for an end that leaves no time to drop them.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<u32>> {
    RUNNING.lock_unpoisoned()
}

/// SIGKILL for every server that was started: the program is about to end without another word.
pub fn kill_children() {
    running().iter().for_each(|pid| signal_group(*pid, Signal::SIGKILL));
}

/// A running server. Dropping it kills its process group.
pub struct Child {
    process: TokioChild,
    /// Kept open: the reference server ends when its standard input does, so it cannot outlive us.
    _stdin: Option<ChildStdin>,
    pid: u32,
    stderr: Stderr,
}

impl Child {
    /// The process id, which is also that of the group.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// Returns when it ends. Cancel-safe.
    pub async fn wait(&mut self) -> ExitStatus {
        match self.process.wait().await {
            Ok(status) => status,
            // The process cannot be waited for: then nobody knows that it ended.
            Err(_) => std::future::pending().await,
        }
    }

    /// The end of what it wrote to its standard error.
    pub fn last_words(&self) -> String {
        self.stderr.last_words()
    }

    /// SIGTERM for the whole group; it ends when it likes.
    pub fn terminate(&self) {
        signal_group(self.pid, Signal::SIGTERM);
    }

    /// SIGKILL for the whole group, at once.
    pub async fn kill(mut self) {
        signal_group(self.pid, Signal::SIGKILL);
        let _ = self.process.wait().await;
    }

    /// SIGTERM, some time, then SIGKILL; always the whole group.
    pub async fn stop(self) {
        self.stop_by(Signal::SIGTERM).await;
    }

    /// The same with another signal in the place of SIGTERM.
    pub(super) async fn stop_by(mut self, signal: Signal) {
        signal_group(self.pid, signal);
        if tokio::time::timeout(STOP_LIMIT, self.process.wait()).await.is_err() {
            self.sweep();
            let _ = self.process.wait().await;
        }
        self.sweep();
    }

    /// SIGKILL for what is left of the group, also when the one that was started has ended.
    pub fn sweep(&self) {
        signal_group(self.pid, Signal::SIGKILL);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        tracing::info!(pid = self.pid, runs = self.process.id().is_some(), "is let go");
        if self.process.id().is_some() {
            signal_group(self.pid, Signal::SIGKILL);
        }
        running().retain(|pid| *pid != self.pid);
        watcher::forget(self.pid);
    }
}

/// A server's process group that stands still; it goes on when this is dropped, however that comes about.
pub struct Frozen {
    group: u32,
    /// Its children, where each has a group of its own.
    children: Vec<u32>,
}

impl Frozen {
    pub fn new(pid: u32) -> Self {
        signal_group(pid, Signal::SIGSTOP);
        Self { group: pid, children: Vec::new() }
    }

    /// The same for a program whose children have left its group. None of them outlives this program, though it stands still.
    pub(super) fn with_children(pid: u32) -> Self {
        // In this order, so that no more are born.
        signal_group(pid, Signal::SIGSTOP);
        let children = children(pid);
        for child in &children {
            watcher::watch(*child);
            running().push(*child);
            signal_group(*child, Signal::SIGSTOP);
        }
        Self { group: pid, children }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for child in &self.children {
            signal_group(*child, Signal::SIGCONT);
            running().retain(|pid| pid != child);
            watcher::forget(*child);
        }
        signal_group(self.group, Signal::SIGCONT);
    }
}

/// The processes that a process has started and that live.
pub(super) fn children(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| life_of(*pid).is_some_and(|(state, of)| of == parent && state != ENDED)).collect()
}

/// The state of a process that has ended, and whose end nobody has asked for yet.
const ENDED: &str = "Z";

/// The state of a process, and its parent: what stands behind the command's name, which is in parentheses and may hold anything.
fn life_of(pid: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// Returns when none of them is left. Those that stay are killed.
pub(super) async fn gone(pids: &[u32]) {
    let is_there = |pid: &u32| life_of(*pid).is_some_and(|(state, _)| state != ENDED);
    let left = async {
        while pids.iter().any(is_there) {
            tokio::time::sleep(LOOK).await;
        }
    };
    if tokio::time::timeout(STOP_LIMIT, left).await.is_err() {
        pids.iter().filter(|pid| is_there(pid)).for_each(|pid| signal_group(*pid, Signal::SIGKILL));
    }
}

fn signal_group(pid: u32, signal: Signal) {
    // Fails only when the group is gone already.
    let _ = killpg(Pid::from_raw(pid as i32), signal);
}

/// The last lines of a text, whole ones, of about this many bytes; the last line is always among them.
pub fn last_lines(text: &str, bytes: usize) -> String {
    let text = text.trim();
    let lines: Vec<_> = text.lines().collect();
    let mut size = 0;
    let fits = |line: &&&str| {
        size += line.len() + 1;
        size <= bytes
    };
    let shown = lines.iter().rev().take_while(fits).count().max(1).min(lines.len());
    let hidden = lines.len() - shown;
    let kept = lines[hidden..].join("\n");
    // One line may be longer than all that is shown.
    let kept: String = kept.chars().take(bytes).collect();
    if hidden == 0 { kept } else { format!("… {hidden} lines before\n{kept}") }
}

/// Starts this very program as the reference server.
pub(super) async fn start_reference(launch: &Launch) -> Result<(Child, u16), Error> {
    let program = match &launch.program {
        Some(program) => program.clone(),
        None => std::env::current_exe()
            .map_err(|error| Error::Unreachable(format!("cannot find this program to start the server: {error}")))?,
    };
    let mut command = Command::new(program);
    let port = launch.env.get("PORT").map_or("0", String::as_str);
    command.args(["serve", "--port", port, "--until-stdin-closes"]).stdin(Stdio::piped());
    for (variable, _) in std::env::vars_os() {
        // The server is to run with its defaults, whatever the shell exports.
        if variable.to_string_lossy().starts_with("SIO_") || variable == "PORT" {
            command.env_remove(variable);
        }
    }
    spawn("the reference server", command, launch).instrument(tracing::info_span!("target", name = "reference")).await
}

/// Starts a server of `targets/`.
pub(super) async fn start_manifest(manifest: &Manifest, launch: &Launch) -> Result<(Child, u16), Error> {
    let (program, args) = manifest.start().split_first().unwrap_or((&manifest.name, &[]));
    let mut command = manifest.command(program);
    command.args(args).env("PORT", "0").stdin(Stdio::null());
    spawn(&manifest.name, command, launch).instrument(tracing::info_span!("target", name = manifest.name)).await
}

/// Starts what the servers of a target are workers of.
pub(super) async fn start_primary(
    manifest: &Manifest,
    command: &[String],
    stderr: &Path,
) -> Result<(Child, u16), Error> {
    let (program, args) = command.split_first().unwrap_or((&manifest.name, &[]));
    let mut command = manifest.command(program);
    command.args(args).env("PORT", "0").env_remove("WORKERS").stdin(Stdio::null());
    listening(&format!("the primary of {}", manifest.name), command, stderr).await
}

/// Starts a program in a process group of its own that ends with this one. Its standard error goes to a file; its standard output too,
/// unless somebody reads it.
pub(super) fn begin(name: &str, mut command: Command, stderr: &Path, reads: bool) -> Result<Child, Error> {
    let opened = Stderr::open(stderr).and_then(|(file, guard)| Ok((file.try_clone()?, file, guard)));
    let (copy, file, stderr) =
        opened.map_err(|error| Error::Usage(format!("cannot write {}: {error}", stderr.display())))?;
    let stdout = if reads { Stdio::piped() } else { Stdio::from(copy) };
    command.stdout(stdout).stderr(file).process_group(0).kill_on_drop(true);
    watcher::ready();
    let mut process = command.spawn().map_err(|error| {
        Error::Unreachable(format!("{name} did not start: {error}: {}", command.as_std().get_program().display()))
    })?;
    let pid = process.id().unwrap_or_default();
    watcher::watch(pid);
    running().push(pid);
    tracing::info!(pid, "has been started");
    let stdin = process.stdin.take();
    Ok(Child { process, _stdin: stdin, pid, stderr })
}

async fn spawn(name: &str, mut command: Command, launch: &Launch) -> Result<(Child, u16), Error> {
    command.envs(&launch.env);
    if !launch.journal {
        command.env("SIO_JOURNAL", "0");
    }
    listening(name, command, &launch.stderr).await
}

/// Starts a program and waits until it says where it listens.
async fn listening(name: &str, command: Command, stderr: &Path) -> Result<(Child, u16), Error> {
    let begun = clock::now();
    let mut child = begin(name, command, stderr, true)?;
    let stdout = child.process.stdout.take();
    let listening = stdout.ok_or_else(|| io::Error::other("there is none")).and_then(output::listen);
    let listening =
        listening.map_err(|error| Error::Unreachable(format!("{name}'s standard output cannot be read: {error}")))?;
    let port = match tokio::time::timeout(START_LIMIT, listening).await {
        Ok(Ok(port)) => port,
        Ok(Err(_)) => {
            let words = child.last_words();
            return Err(Error::Unreachable(format!("{name} ended before it was listening\n{words}")));
        }
        Err(_) => {
            return Err(Error::Unreachable(format!("{name} did not print `LISTENING <port>` within {START_LIMIT:?}")));
        }
    };
    tracing::info!(pid = child.pid, port, took = ?begun.elapsed(), "listens");
    Ok((child, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn children_are_found_and_awaited() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(children(std::process::id()).contains(&child.id()));
        let pid = child.id();
        let waits = tokio::spawn(async move { gone(&[pid]).await });
        child.kill().unwrap();
        child.wait().unwrap();
        waits.await.unwrap();
        assert!(!children(std::process::id()).contains(&child.id()));
    }

    #[test]
    fn words_are_shown_in_whole_lines() {
        assert_eq!(last_lines("one\ntwo\n", 100), "one\ntwo");
        assert_eq!(last_lines("first line\nsecond\nthird\n", 14), "… 1 lines before\nsecond\nthird");
        assert_eq!(last_lines("a long line", 4), "a lo");
        assert_eq!(last_lines("", 4), "");
    }
}

//! A command of a target's folder that ends by itself: installing, or saying a version. What it prints is bounded, and nothing of it
//! outlives this program.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::watcher;

use crate::vocab::lock::LockExt;

/// A longer answer is none.
const MOST_SAID: usize = 1 << 20;
/// Of what went wrong the end is kept.
const MOST_WORDS: usize = 64 << 10;

/// Groups of commands that run.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<u32>> {
    RUNNING.lock_unpoisoned()
}

/// SIGKILL for every command that runs: nobody waits for an installation whose run is to end.
pub fn kill_commands() {
    running().iter().for_each(|group| kill(*group));
}

fn kill(group: u32) {
    // Fails only when the group is gone already.
    let _ = killpg(Pid::from_raw(group as i32), Signal::SIGKILL);
}

/// What came of a command.
pub(super) struct Ran {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// The processes of a command. Dropped, they are killed.
struct Group(u32);

impl Drop for Group {
    fn drop(&mut self) {
        kill(self.0);
        running().retain(|group| *group != self.0);
        watcher::forget(self.0);
    }
}

/// Runs a command to its end, for so long at most; whatever it has started ends with it. What it answers is wanted, or thrown away.
pub(super) async fn run(mut command: Command, limit: Duration, answers: bool) -> io::Result<Ran> {
    let stdout = if answers { Stdio::piped() } else { Stdio::null() };
    command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    watcher::ready();
    let mut process = command.spawn()?;
    let group = Group(process.id().unwrap_or_default());
    running().push(group.0);
    watcher::watch(group.0);
    let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
    let end = async {
        let status = process.wait().await;
        // What it has left running holds its pipes open.
        kill(group.0);
        status
    };
    let all = async { tokio::join!(end, answer(stdout, group.0), words(stderr)) };
    let (status, stdout, stderr) =
        tokio::time::timeout(limit, all).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
    Ok(Ran { status: status?, stdout, stderr })
}

/// What a command says. One that says too much is ended, and has said nothing.
async fn answer(pipe: Option<impl AsyncRead + Unpin>, group: u32) -> Vec<u8> {
    let mut said = Vec::new();
    let Some(pipe) = pipe else { return said };
    // What was read until an error is what there is.
    let _ = pipe.take(MOST_SAID as u64 + 1).read_to_end(&mut said).await;
    if said.len() > MOST_SAID {
        kill(group);
        said.clear();
    }
    said
}

/// The end of what a command says to its standard error.
async fn words(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut words = Vec::new();
    let Some(mut pipe) = pipe else { return words };
    let mut buffer = vec![0; MOST_WORDS];
    while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
        words.extend_from_slice(&buffer[..length]);
        let extra = words.len().saturating_sub(MOST_WORDS);
        words.drain(..extra);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three times what it takes on a busy machine.
    const LIMIT: Duration = Duration::from_secs(15);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn what_a_command_says_is_bounded() {
        let ran = run(shell("echo 1.2.3; yes wrong | head -c 20000000 >&2; echo end >&2; exit 3"), LIMIT, true)
            .await
            .unwrap();
        assert_eq!((ran.status.code(), ran.stdout.as_slice()), (Some(3), &b"1.2.3\n"[..]));
        assert!(ran.stderr.len() == MOST_WORDS && ran.stderr.ends_with(b"end\n"));
        let ran = run(shell("yes"), LIMIT, true).await.unwrap();
        assert!(!ran.status.success() && ran.stdout.is_empty());
    }

    /// Waits until a process is gone, or is a zombie that nobody has buried yet.
    async fn gone(pid: &str) {
        let line = format!("/proc/{}/cmdline", pid.trim());
        while std::fs::read(&line).is_ok_and(|line| !line.is_empty()) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn nothing_that_a_command_has_started_outlives_it() {
        let ran = run(shell("sleep 1000 & echo $!"), LIMIT, true).await.unwrap();
        assert!(ran.status.success());
        gone(std::str::from_utf8(&ran.stdout).unwrap()).await;
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
        let late = run(shell(&script), Duration::from_millis(500), false).await;
        assert_eq!(late.err().map(|error| error.kind()), Some(io::ErrorKind::TimedOut));
        gone(&std::fs::read_to_string(file).unwrap()).await;
    }
}

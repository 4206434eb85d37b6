//! No target outlives this program, however the program ends: SIGKILL and SIGHUP leave it no time to stop what it has started.
//!
//! A second process of the program reads from a pipe which process groups and folders there are. When the pipe is closed, which
//! the kernel does for whoever dies, it kills the groups that are left, and removes the folders.

use std::collections::BTreeSet;
use std::io::{BufRead, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::folder;

use crate::vocab::lock::LockExt;

/// The command of the second process. Not for people.
pub const COMMAND: &str = "kill-targets-when-stdin-closes";

/// The way to the second process.
enum Watcher {
    NotYet,
    There(ChildStdin),
    /// It could not be started: the targets are stopped all the same, unless this program is killed.
    None,
}

static WATCHER: Mutex<Watcher> = Mutex::new(Watcher::NotYet);

/// Whether the file of this process knows [`COMMAND`]: that of a test does not.
static IS_PROGRAM: AtomicBool = AtomicBool::new(false);

/// This process is sio-bench, whatever its file is called.
pub fn this_is_the_program() {
    IS_PROGRAM.store(true, Ordering::Relaxed);
}

/// A process group is about to be started: who watches is there first.
pub(super) fn ready() {
    drop(watcher());
}

/// A process group has been started.
pub(super) fn watch(group: u32) {
    tell(&format!("+{group}"));
}

/// A process group is gone, or was stopped.
pub(super) fn forget(group: u32) {
    tell(&format!("-{group}"));
}

/// A folder has been made.
pub(super) fn watch_folder(path: &Path) {
    tell(&format!(">{}", path.display()));
}

/// A folder has been removed.
pub(super) fn forget_folder(path: &Path) {
    tell(&format!("<{}", path.display()));
}

fn watcher() -> MutexGuard<'static, Watcher> {
    let mut watcher = WATCHER.lock_unpoisoned();
    if matches!(*watcher, Watcher::NotYet) {
        *watcher = start().map_or(Watcher::None, Watcher::There);
    }
    watcher
}

fn tell(line: &str) {
    let mut watcher = watcher();
    if let Watcher::There(pipe) = &mut *watcher
        && writeln!(pipe, "{line}").is_err()
    {
        // Somebody has killed it: the next group gets another one.
        *watcher = Watcher::NotYet;
    }
}

fn start() -> Option<ChildStdin> {
    if !IS_PROGRAM.load(Ordering::Relaxed) {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    let mut command = Command::new(program);
    command.arg(COMMAND).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // A group of its own: what a terminal sends to this one's must not end it first.
    command.process_group(0).spawn().ok()?.stdin
}

/// What the second process does: reads what there is, and at the end kills and removes what is left of it.
pub fn kill_when_closed(input: impl BufRead) {
    let (groups, folders) = left(input);
    for group in groups {
        // Fails only when the group is gone already.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    folders.iter().for_each(|folder| folder::remove(folder));
}

/// The groups and folders that were named and not taken back. Never the group of everybody, nor that of the asking process.
fn left(input: impl BufRead) -> (BTreeSet<i32>, BTreeSet<PathBuf>) {
    let (mut groups, mut folders) = (BTreeSet::new(), BTreeSet::new());
    for line in input.lines().map_while(Result::ok) {
        let Some((sign, name)) = line.split_at_checked(1) else { continue };
        let group = name.parse().ok().filter(|group| *group > 1);
        match (sign, group) {
            ("+", Some(group)) => _ = groups.insert(group),
            ("-", Some(group)) => _ = groups.remove(&group),
            (">", _) => _ = folders.insert(PathBuf::from(name)),
            ("<", _) => _ = folders.remove(Path::new(name)),
            _ => {}
        }
    }
    (groups, folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_were_not_taken_back_are_left() {
        let said = "+12\n+34\n-12\n+0\n+1\n+-5\nnonsense\n\n>/a\n>/b c\n</a\n+56";
        let (groups, folders) = left(said.as_bytes());
        assert_eq!(groups.into_iter().collect::<Vec<_>>(), [34, 56]);
        assert_eq!(folders.into_iter().collect::<Vec<_>>(), [Path::new("/b c")]);
    }
}

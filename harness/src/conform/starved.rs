//! Whether the target could have been in time: a process that waits for a core, or stands still, answers nobody.
//!
//! The kernel counts for each thread how long it was able to run and had no core (`/proc/PID/task/TID/schedstat`). That is
//! known only of a process on this machine whose number is known.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The processes of a target: the one that was started, and those of its group that are behind it.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    proc: PathBuf,
    pids: Vec<u32>,
}

/// How long each thread has waited for a core since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Waits(HashMap<(u32, u32), Duration>);

/// Why the target could not be in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Starved {
    /// One of its threads waited so long for a core.
    Waited(Duration),
    /// It and sio-bench together were kept so long.
    Both(Duration),
    /// It was stopped by a signal.
    Stopped,
}

impl Watched {
    /// The group that `pid` leads; nothing is known of a target that sio-bench did not start.
    pub(super) fn groups(leaders: &[u32]) -> Self {
        Self::within(Path::new("/proc"), leaders)
    }

    fn within(proc: &Path, leaders: &[u32]) -> Self {
        let entries = fs::read_dir(proc).into_iter().flatten().flatten();
        let all = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let is_meant = |pid: &u32| group_of(proc, *pid).is_some_and(|group| leaders.contains(&group));
        let mut pids: Vec<u32> = all.filter(is_meant).collect();
        let unseen: Vec<u32> = leaders.iter().filter(|leader| !pids.contains(leader)).copied().collect();
        pids.extend(unseen);
        Self { proc: proc.to_owned(), pids }
    }

    /// What the kernel has counted by now.
    pub(super) fn waits(&self) -> Waits {
        let mut waits = HashMap::new();
        for pid in &self.pids {
            let tasks = fs::read_dir(self.proc.join(pid.to_string()).join("task"));
            for task in tasks.into_iter().flatten().flatten() {
                let tid = task.file_name().to_str().and_then(|tid| tid.parse().ok());
                let waited = fs::read_to_string(task.path().join("schedstat")).ok().and_then(|text| waited(&text));
                if let (Some(tid), Some(waited)) = (tid, waited) {
                    waits.insert((*pid, tid), waited);
                }
            }
        }
        Waits(waits)
    }

    /// Whether a deadline that was missed may have been missed for want of a core, and not by the target's own doing. `own` is
    /// how long sio-bench was kept from its work meanwhile: where one has to wait for the other again and again, it adds up.
    pub(super) fn excuse(&self, before: &Waits, own: Duration, deadline: Duration) -> Option<Starved> {
        if self.pids.iter().any(|pid| is_stopped(&self.proc, *pid)) {
            return Some(Starved::Stopped);
        }
        let waited = self.waits().worst_since(before);
        if waited >= margin(deadline) {
            return Some(Starved::Waited(waited));
        }
        (waited + own >= margin_of_both(deadline)).then_some(Starved::Both(waited + own))
    }
}

impl Waits {
    /// The longest that one thread has waited since then. Threads wait side by side, so it is not the sum.
    fn worst_since(&self, before: &Self) -> Duration {
        let since = |(thread, now): (&(u32, u32), &Duration)| {
            now.saturating_sub(before.0.get(thread).copied().unwrap_or_default())
        };
        self.0.iter().map(since).max().unwrap_or_default()
    }
}

/// What a deadline leaves to chance. The other half may be what the target takes of its own accord: its timers, its work.
fn margin(deadline: Duration) -> Duration {
    deadline / 2
}

/// What a deadline leaves to chance when sio-bench's own delays are counted too, of which some cost nobody anything.
fn margin_of_both(deadline: Duration) -> Duration {
    deadline * 3 / 4
}

/// The second number of `schedstat`.
fn waited(text: &str) -> Option<Duration> {
    text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

/// The fields of `stat` behind the name, which is in parentheses and may hold anything.
fn stat(proc: &Path, pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(proc.join(pid.to_string()).join("stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

fn group_of(proc: &Path, pid: u32) -> Option<u32> {
    stat(proc, pid)?.get(2)?.parse().ok()
}

fn is_stopped(proc: &Path, pid: u32) -> bool {
    stat(proc, pid).is_some_and(|fields| matches!(fields.first().map(String::as_str), Some("T" | "t")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NONE: Duration = Duration::ZERO;

    /// A process as the kernel shows it.
    fn process(proc: &Path, pid: u32, group: u32, state: &str, waits: &[(u32, u64)]) {
        let folder = proc.join(pid.to_string());
        for (tid, millis) in waits {
            let task = folder.join("task").join(tid.to_string());
            fs::create_dir_all(&task).unwrap();
            fs::write(task.join("schedstat"), format!("77 {} 5\n", millis * 1_000_000)).unwrap();
        }
        fs::write(folder.join("stat"), format!("{pid} (a (strange) name) {state} 1 {group} 0 0\n")).unwrap();
    }

    #[test]
    fn a_target_that_waited_for_a_core_longer_than_the_margin_is_excused() {
        let proc = tempfile::tempdir().unwrap();
        process(proc.path(), 10, 10, "S", &[(10, 1_000), (11, 2_000)]);
        process(proc.path(), 12, 10, "R", &[(12, 0)]);
        process(proc.path(), 99, 99, "R", &[(99, 0)]);
        let watched = Watched::within(proc.path(), &[10]);
        let before = watched.waits();
        // Each thread a little, which is not the target as a whole; and a neighbour, who is none of it.
        process(proc.path(), 10, 10, "S", &[(10, 1_300), (11, 2_300), (13, 300)]);
        process(proc.path(), 99, 99, "R", &[(99, 60_000)]);
        assert_eq!(watched.excuse(&before, NONE, SECOND), None);
        // A child of it that waits is the target that waits.
        process(proc.path(), 12, 10, "R", &[(12, 600)]);
        let excuse = watched.excuse(&before, NONE, SECOND);
        assert_eq!(excuse, Some(Starved::Waited(Duration::from_millis(600))));
        assert_eq!(watched.excuse(&before, NONE, SECOND * 2), None);
    }

    #[test]
    fn delays_of_both_sides_add_up() {
        let proc = tempfile::tempdir().unwrap();
        process(proc.path(), 10, 10, "S", &[(10, 0)]);
        let watched = Watched::within(proc.path(), &[10]);
        let before = watched.waits();
        process(proc.path(), 10, 10, "S", &[(10, 400)]);
        assert_eq!(watched.excuse(&before, Duration::from_millis(300), SECOND), None);
        let both = Some(Starved::Both(Duration::from_millis(800)));
        assert_eq!(watched.excuse(&before, Duration::from_millis(400), SECOND), both);
        assert_eq!(Watched::groups(&[]).excuse(&Waits::default(), SECOND, SECOND), Some(Starved::Both(SECOND)));
    }

    #[test]
    fn a_target_that_stands_still_is_excused() {
        let proc = tempfile::tempdir().unwrap();
        process(proc.path(), 10, 10, "T", &[(10, 0)]);
        let watched = Watched::within(proc.path(), &[10]);
        assert_eq!(watched.excuse(&watched.waits(), NONE, SECOND), Some(Starved::Stopped));
    }

    #[test]
    fn of_a_target_elsewhere_nothing_is_known() {
        let watched = Watched::groups(&[]);
        assert_eq!(watched.waits(), Waits::default());
        assert_eq!(watched.excuse(&watched.waits(), NONE, Duration::from_nanos(2)), None);
    }

    /// The real kernel counts for a real process, which is this one.
    #[test]
    #[cfg(target_os = "linux")]
    fn the_kernel_is_understood() {
        let watched = Watched::within(Path::new("/proc"), &[std::process::id()]);
        assert!(!watched.waits().0.is_empty());
        assert_eq!(watched.excuse(&watched.waits(), NONE, Duration::from_hours(1)), None);
    }
}

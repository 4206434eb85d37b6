//! CPU time and memory of processes, as Linux accounts for them.

use std::fs;

/// Clock ticks per second of `/proc`: 100 on every Linux that matters.
const TICKS: f64 = 100.0;

/// CPU seconds of this process so far.
pub fn own() -> Option<f64> {
    Some(parse(&fs::read_to_string("/proc/self/stat").ok()?)?.seconds)
}

/// Bytes that this process has in memory.
pub fn own_memory() -> Option<u64> {
    Some(parse(&fs::read_to_string("/proc/self/stat").ok()?)?.memory)
}

/// CPU seconds so far of a target that sio-bench started: its process group.
pub fn group(leader: u32) -> Option<f64> {
    members(leader).map(|all| all.iter().map(|stat| stat.seconds).sum())
}

/// Bytes that several targets have in memory; pages that their processes share count for each of them.
pub fn memory(leaders: &[u32]) -> Option<u64> {
    if leaders.is_empty() {
        return None;
    }
    leaders.iter().map(|leader| members(*leader).map(|all| all.iter().map(|stat| stat.memory).sum::<u64>())).sum()
}

/// The processes of a group; `None` if there are none.
fn members(leader: u32) -> Option<Vec<Stat>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let is_process = entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
        if !is_process {
            continue;
        }
        // A process may end between the listing and the reading.
        let Some(stat) = fs::read_to_string(entry.path().join("stat")).ok().and_then(|text| parse(&text)) else {
            continue;
        };
        if stat.group == leader {
            found.push(stat);
        }
    }
    (!found.is_empty()).then_some(found)
}

/// CPU seconds so far of several targets; unknown when it is of one of them.
pub fn groups(leaders: &[u32]) -> Option<f64> {
    if leaders.is_empty() {
        return None;
    }
    leaders.iter().map(|leader| group(*leader)).sum()
}

/// CPU seconds so far that the host of this virtual machine gave to others while we wanted them.
pub fn stolen() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let ticks: f64 = text.lines().next()?.strip_prefix("cpu ")?.split_whitespace().nth(7)?.parse().ok()?;
    Some(ticks / TICKS)
}

struct Stat {
    group: u32,
    seconds: f64,
    /// Bytes.
    memory: u64,
}

/// The fields behind the command's name, which stands in parentheses and may hold anything.
fn parse(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    let pages: u64 = fields.get(21)?.parse().ok()?;
    let memory = pages * rustix::param::page_size() as u64;
    Some(Stat { group: fields.get(2)?.parse().ok()?, seconds: (ticks(11)? + ticks(12)?) / TICKS, memory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_no_trouble() {
        let line =
            "7 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 100 9000000 300 18446744073709551615";
        let stat = parse(line).unwrap();
        assert_eq!((stat.group, stat.seconds), (42, 2.0));
        assert_eq!(stat.memory, 300 * rustix::param::page_size() as u64);
    }

    #[test]
    fn our_own_time_is_known() {
        assert!(own().is_some());
        assert!(own_memory().unwrap() > 1_000_000);
        assert_eq!(memory(&[]), None);
    }
}

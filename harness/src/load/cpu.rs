//! CPU time and memory of processes, as Linux accounts for them.

use std::collections::HashSet;
use std::fs;

use crate::record::Cost;

/// Clock ticks per second of `/proc`: 100 on every Linux that matters.
const TICKS: f64 = 100.0;

/// What this process has cost so far.
pub fn own() -> Cost {
    let stat = fs::read_to_string("/proc/self/stat").ok().and_then(|text| parse(&text));
    Cost { cpu: stat.as_ref().map(|stat| stat.seconds), memory: stat.map(|stat| stat.memory) }
}

/// What targets have cost so far: each with the processes of its group and what descends from it; nothing is known when
/// one of them is not there. Memory that processes share counts for each of them.
pub fn of(leaders: &[u32]) -> Cost {
    let all: Option<Vec<Stat>> = leaders
        .iter()
        .map(|leader| members(*leader))
        .collect::<Option<Vec<_>>>()
        .map(|all| all.into_iter().flatten().collect());
    match all {
        Some(all) if !all.is_empty() => Cost {
            cpu: Some(all.iter().map(|stat| stat.seconds).sum()),
            memory: Some(all.iter().map(|stat| stat.memory).sum()),
        },
        _ => Cost::default(),
    }
}

/// The processes of a group, those that descend from its leader, and that; `None` if there are none.
fn members(leader: u32) -> Option<Vec<Stat>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let is_process = entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
        if !is_process {
            continue;
        }
        // A process may end between the listing and the reading.
        let Some(stat) = fs::read_to_string(entry.path().join("stat")).ok().and_then(|text| parse(&text)) else {
            continue;
        };
        all.push(stat);
    }
    let mut mine: HashSet<u32> = all.iter().filter(|stat| stat.group == leader).map(|stat| stat.pid).collect();
    mine.insert(leader);
    loop {
        let children = all.iter().filter(|stat| mine.contains(&stat.parent) && !mine.contains(&stat.pid));
        let children: Vec<_> = children.map(|stat| stat.pid).collect();
        if children.is_empty() {
            break;
        }
        mine.extend(children);
    }
    all.retain(|stat| mine.contains(&stat.pid));
    (!all.is_empty()).then_some(all)
}

/// CPU seconds so far that the host of this virtual machine gave to others while we wanted them.
pub fn stolen() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let ticks: f64 = text.lines().next()?.strip_prefix("cpu ")?.split_whitespace().nth(7)?.parse().ok()?;
    Some(ticks / TICKS)
}

struct Stat {
    pid: u32,
    parent: u32,
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
    let number = |index: usize| fields.get(index)?.parse().ok();
    Some(Stat {
        pid: text.split_whitespace().next()?.parse().ok()?,
        parent: number(1)?,
        group: number(2)?,
        seconds: (ticks(11)? + ticks(12)?) / TICKS,
        memory,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_no_trouble() {
        let line =
            "7 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 100 9000000 300 18446744073709551615";
        let stat = parse(line).unwrap();
        assert_eq!((stat.pid, stat.parent, stat.group, stat.seconds), (7, 1, 42, 2.0));
        assert_eq!(stat.memory, 300 * rustix::param::page_size() as u64);
    }

    #[test]
    fn our_own_time_is_known() {
        assert!(own().cpu.is_some());
        assert!(own().memory.unwrap() > 1_000_000);
        assert_eq!(of(&[]), Cost::default());
        assert_eq!(of(&[std::process::id()]).memory.map(|bytes| bytes > 1_000_000), Some(true));
    }
}

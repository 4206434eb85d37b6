//! Stalls that come again and again: a pause of a garbage collector, a job that runs every minute, a tenant next door. They are seen
//! in the seconds of a run: every so often one of them has a latency far above all others.

use super::text::time;
use crate::record::{LoadResult, Progress, TrafficResult};

/// Fewer do not make a rhythm.
const FEWEST: usize = 4;
/// A stall is so many times as long as what is usual, and
const TIMES: u64 = 8;
/// at least as long as this (nanoseconds).
const LEAST: u64 = 100_000_000;
/// Seconds by which a stall may be off: seconds are whole, and a stall at the end of one is seen in the next.
const OFF: f64 = 1.01;
/// Nearer to one another they are not told apart from a slow server.
const NEAREST: f64 = 4.0;
/// What chance makes more often than this is not told.
const BY_CHANCE: f64 = 0.01;

/// A rhythm of stalls, and whose they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rhythm {
    /// Seconds from one to the next.
    every: f64,
    /// Nanoseconds, about.
    length: u64,
    times: usize,
    /// Whether sio-bench was as late itself at those times.
    is_ours: bool,
}

/// One line for each traffic whose latencies have one.
pub(super) fn remarks(load: &LoadResult, seconds: &[&Progress]) -> Vec<String> {
    load.traffic.iter().filter_map(|traffic| Some(sentence(traffic, of(traffic, seconds)?))).collect()
}

fn sentence(traffic: &TrafficResult, rhythm: Rhythm) -> String {
    let Rhythm { every, length, times, is_ours } = rhythm;
    let whose = if is_ours {
        "sio-bench was as late itself, so this says nothing of the target"
    } else {
        "look for what the target or its machine does at that interval"
    };
    let length = time(length as f64);
    format!("{}: stalls every {every:.0} s for about {length} ({times} of them); {whose}", traffic.name)
}

/// The rhythm of a traffic's stalls, if they have one.
fn of(traffic: &TrafficResult, seconds: &[&Progress]) -> Option<Rhythm> {
    let name = traffic.main_measure()?.0.full_name(&traffic.name);
    let of = |second: &&Progress| Some((second.second, second.latency.get(&name)?.max, second.late.max));
    // What is drawn while users connect is not of the load.
    let all: Vec<(f64, u64, u64)> = seconds.iter().filter(|second| second.second >= 0.0).filter_map(of).collect();
    find(&all)
}

/// `values` are seconds, the longest latency within each, and how late sio-bench was itself.
fn find(values: &[(f64, u64, u64)]) -> Option<Rhythm> {
    let mut usual: Vec<u64> = values.iter().map(|(_, longest, _)| *longest).collect();
    usual.sort_unstable();
    let limit = (usual.get(usual.len() / 2)? * TIMES).max(LEAST);
    let stalls = grouped(values.iter().copied().filter(|(_, longest, _)| *longest >= limit));
    let gaps: Vec<f64> = stalls.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    if stalls.len() < FEWEST {
        return None;
    }
    let every = (stalls.last()?.0 - stalls.first()?.0) / gaps.len() as f64;
    // Each is where the rhythm has it, not only about as far from the one before.
    let begin = stalls.first()?.0;
    let is_at = |(n, stall): (usize, &(f64, u64, u64))| (stall.0 - begin - every * n as f64).abs() <= OFF;
    if every < NEAREST || !stalls.iter().enumerate().all(is_at) {
        return None;
    }
    if by_chance(stalls.len(), every) > BY_CHANCE {
        return None;
    }
    let mut lengths: Vec<u64> = stalls.iter().map(|stall| stall.1).collect();
    lengths.sort_unstable();
    let (length, longest) = (*lengths.get(lengths.len() / 2)?, *lengths.last()?);
    // A pause has its length; what is now short and now long is something else.
    if longest > length * 4 {
        return None;
    }
    let late = stalls.iter().filter(|stall| stall.2 * 2 > stall.1).count();
    Some(Rhythm { every, length, times: stalls.len(), is_ours: late * 2 >= stalls.len() })
}

/// How likely it is that so many moments, wherever they are between the first and the last, all fit a rhythm.
fn by_chance(stalls: usize, every: f64) -> f64 {
    let share = (2.0 * OFF / (every * (stalls - 1) as f64)).min(1.0);
    (1..=stalls - 2).map(|n| n as f64 * share).product()
}

/// A stall over the end of a second is seen in both.
fn grouped(stalls: impl Iterator<Item = (f64, u64, u64)>) -> Vec<(f64, u64, u64)> {
    let mut all: Vec<(f64, u64, u64)> = Vec::new();
    let mut last = f64::NEG_INFINITY;
    for (second, longest, late) in stalls {
        match all.last_mut() {
            Some(before) if second - last <= OFF => {
                (before.1, before.2) = (before.1.max(longest), before.2.max(late));
            }
            _ => all.push((second, longest, late)),
        }
        last = second;
    }
    all
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;
    use crate::record::Summary;

    const MS: u64 = 1_000_000;

    /// Two minutes of a few milliseconds, with a stall wherever `stall` has one.
    fn minutes(random: &mut StdRng, stall: impl Fn(u64) -> Option<u64>) -> Vec<(f64, u64, u64)> {
        (0..120)
            .map(|second| {
                let usual = random.random_range(2 * MS..12 * MS);
                (
                    second as f64 + 1.0,
                    stall(second).map_or(usual, |stall| stall + usual),
                    random.random_range(0..3 * MS),
                )
            })
            .collect()
    }

    #[test]
    fn a_pause_every_twenty_seconds_is_told() {
        let mut random = StdRng::seed_from_u64(7);
        let values = minutes(&mut random, |second| (second % 20 == 13).then_some(300 * MS));
        let rhythm = find(&values).unwrap();
        assert!((rhythm.every - 20.0).abs() < 0.5 && rhythm.times == 6 && !rhythm.is_ours, "{rhythm:?}");
        let traffic = TrafficResult { name: "tell".to_owned(), ..TrafficResult::default() };
        let said = sentence(&traffic, Rhythm { length: 300 * MS, every: 20.0, ..rhythm });
        assert!(said.starts_with("tell: stalls every 20 s for about 300 ms (6 of them); look for"), "{said}");
        // One that is seen in two seconds is one, and one that is ours is not laid to the target.
        let values = minutes(&mut random, |second| matches!(second % 20, 12 | 13).then_some(280 * MS));
        assert_eq!(find(&values).map(|rhythm| rhythm.times), Some(6));
        let ours: Vec<_> = values.iter().map(|(at, longest, _)| (*at, *longest, *longest)).collect();
        assert!(sentence(&traffic, find(&ours).unwrap()).ends_with("says nothing of the target"));
    }

    #[test]
    fn it_is_found_in_a_record() {
        let summary = |max| Summary { count: 9, max, ..Summary::default() };
        let second = |n: u64| Progress {
            second: n as f64 + 1.0,
            latency: [("tell.delivery".to_owned(), summary(if n % 15 == 4 { 250 * MS } else { 3 * MS }))].into(),
            ..Progress::default()
        };
        let seconds: Vec<_> = (0..60).map(second).collect();
        let seconds: Vec<_> = seconds.iter().collect();
        let traffic = TrafficResult {
            name: "tell".to_owned(),
            latency: [("delivery".to_owned(), summary(250 * MS))].into(),
            ..TrafficResult::default()
        };
        let load = LoadResult { traffic: vec![traffic], ..LoadResult::default() };
        let said = remarks(&load, &seconds);
        assert!(said[0].starts_with("tell: stalls every 15 s for about 250 ms (4 of them)"), "{said:?}");
        assert!(remarks(&load, &[]).is_empty() && remarks(&LoadResult::default(), &seconds).is_empty());
    }

    /// Stalls at random times, of a machine that is shared: of a thousand runs hardly one may look like a rhythm.
    #[test]
    fn none_is_made_up() {
        let mut random = StdRng::seed_from_u64(42);
        let mut found = 0;
        for run in 0..1_000 {
            let stalls: Vec<u64> = (0..(4 + run % 8)).map(|_| random.random_range(0..120)).collect();
            let values = minutes(&mut random, |second| stalls.contains(&second).then_some(300 * MS));
            found += usize::from(find(&values).is_some());
        }
        assert!(found <= 3, "{found} of 1000");
        let quiet = minutes(&mut random, |_| None);
        assert_eq!(find(&quiet), None);
        assert_eq!(find(&minutes(&mut random, |_| Some(300 * MS))), None, "a slow server has no rhythm");
        assert_eq!(find(&[]), None);
    }
}

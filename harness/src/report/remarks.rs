//! What a reader of figures has to know besides.

use std::time::Duration;

use super::by_clock;
use super::identity;
use super::text::{count, plural, time};
use crate::record::{ClusterResult, DisruptionMark, LoadResult, NodePair, OtherRuns};

/// A worker that waits longer for a core is worth a remark.
const WAITED: f64 = 0.25;

/// One line for each thing that bears on how a load's figures are to be read.
pub(super) fn remarks(load: &LoadResult) -> Vec<String> {
    let mut lines = Vec::new();
    let waited = load.worker_time.iter().map(|time| time.waited).fold(0.0, f64::max);
    if waited > WAITED {
        lines.push(format!(
            "sio-bench waited for a core in {:.0} % of the time, and its latencies include that: leave it one, or have \
             `generator.cpu_wait` judged",
            waited * 100.0
        ));
    }
    lines.extend(parts(load));
    lines.extend(by_clock::remarks(load));
    lines.extend(load.traffic.iter().flat_map(identity::remarks));
    if load.resent > 0 {
        lines.push(format!(
            "{} sent again, as browsers do: the target closed connections that it had promised to keep open",
            plural(load.resent, "request")
        ));
    }
    if load.stale > 0 {
        lines.push(format!("{} came when the account was long closed", plural(load.stale, "delivery")));
    }
    if load.foreign > 0 {
        lines.push(format!("{} carried no stamp of this run", plural(load.foreign, "event")));
    }
    if !load.among.is_none() {
        let deliveries = plural(load.among.deliveries, "delivery");
        let again = plural(load.among.again, "other copy");
        lines.push(format!(
            "{deliveries} came in events that carried several messages, and {again}: whether these came twice, in their order, or to \
             others is not judged"
        ));
    }
    if !load.other_runs.is_none() {
        lines.push(other_runs(load.other_runs));
    }
    if !load.signs.is_empty() {
        lines.push(format!(
            "signs of a cluster or a balancer: {}; if its servers pass messages on to one another, say \
             `topology = \"cluster\"` in [target], and they are judged as a cluster",
            load.signs.join("; ")
        ));
    }
    lines.extend(load.cluster.iter().flat_map(cluster));
    lines.extend(outages(load));
    if load.joins_unanswered {
        lines.push(
            "joins are not acknowledged: a user counts as in a room from the first message that came to it there, or five seconds after \
             it asked; if the application says something when it has let somebody in, say `confirmed_by` in the action"
                .to_owned(),
        );
    }
    if !load.fenced && !load.traffic.is_empty() && load.cluster.is_none() {
        lines.push("the target has no fence: losses were decided by waiting".to_owned());
    }
    lines
}

/// Of how many parts a load is one, or was put together.
fn parts(load: &LoadResult) -> Option<String> {
    if let Some(together) = &load.together {
        let within = Duration::from_nanos(together.clocks_within.unsigned_abs());
        return Some(format!(
            "put together of {}, and judged over all of them; their clocks are taken to differ by {within:.1?} at most",
            plural(together.parts.into(), "part")
        ));
    }
    let part = load.part.as_ref().filter(|part| part.of > 1)?;
    Some(format!(
        "part {} of {}: what is counted here is of its own users; {} of messages of other parts, and who got a message first and last, \
         are judged where all parts are put together",
        part.number,
        part.of,
        plural(part.elsewhere, "copy")
    ))
}

/// Who else was there, and what that means.
pub(super) fn other_runs(others: OtherRuns) -> String {
    let (copies, runs) = (plural(others.copies, "delivery"), plural(others.runs, "other run"));
    format!(
        "{copies} were of {runs} of sio-bench at the same time, and nobody judged them: give each run rooms of its own, or make \
         them one run"
    )
}

/// What a verdict over servers that pass messages on rests on, and what was lost between which of them.
fn cluster(cluster: &ClusterResult) -> Vec<String> {
    let crossing = match cluster.crossing.count {
        0 => String::new(),
        _ => format!(
            ", which took {} to a user of another (p99 {})",
            time(cluster.crossing.p50 as f64),
            time(cluster.crossing.p99 as f64)
        ),
    };
    let fences = plural(cluster.fences, "cluster fence");
    let (known_by, decided_by) = (&cluster.nodes_known_by, &cluster.decided_by);
    let mut lines = vec![format!(
        "a cluster: the servers of users were known by {known_by}; losses were decided by {decided_by}; {fences} sent{crossing}"
    )];
    let wrong = |pair: &&NodePair| pair.missing + pair.undecided > 0;
    lines.extend(cluster.pairs.iter().filter(wrong).map(|pair| {
        let undecided = match pair.undecided {
            0 => String::new(),
            some => format!(", and {} undecided", count(some)),
        };
        let (missing, owed) = (count(pair.missing), count(pair.owed));
        format!("from server {} to {}: {missing} missing of {owed} owed{undecided}", pair.from, pair.to)
    }));
    lines
}

/// What is missing of messages that were sent in outages, and outside of all of them; nothing where nothing is missing.
fn outages(load: &LoadResult) -> Vec<String> {
    let Some(elsewhere) = load.missing_elsewhere else { return Vec::new() };
    let of = |upset: &DisruptionMark| upset.losses.as_ref().map_or(0, |losses| losses.during + losses.behind);
    if elsewhere == 0 && load.upsets.iter().all(|upset| of(upset) == 0) {
        return Vec::new();
    }
    let mut lines: Vec<_> = load.upsets.iter().filter(|upset| of(upset) > 0).map(outage).collect();
    lines.push(match elsewhere {
        0 => "outside of outages nothing is missing".to_owned(),
        some => format!("outside of outages {} missing", plural(some, "message")),
    });
    lines
}

/// `from 16.0 s to 19.1 s (the broker is killed and down for 3s): 312 missing (0 to 1: 150, 1 to 0: 162), and 14 of the 5 s behind it`
fn outage(upset: &DisruptionMark) -> String {
    let losses = upset.losses.clone().unwrap_or_default();
    let between: Vec<_> =
        losses.between.iter().map(|pair| format!("{} to {}: {}", pair.from, pair.to, count(pair.missing))).collect();
    let until = upset.ended.map_or_else(|| "to the end".to_owned(), |ended| format!("to {ended:.1} s"));
    format!(
        "in the outage from {:.1} s {until} ({}) {} missing, and {} of those sent within 5 s behind it ({})",
        upset.began.unwrap_or(upset.second),
        upset.says,
        plural(losses.during, "message"),
        count(losses.behind),
        between.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{LossesOf, MissingBetween, WorkerTime};

    #[test]
    fn what_is_missing_inside_and_outside_of_outages_is_told_apart() {
        let between = vec![MissingBetween { from: "0".to_owned(), to: "1".to_owned(), missing: 9 }];
        let losses = Some(LossesOf { during: 7, behind: 2, between });
        let says = "the broker is killed and down for 3s".to_owned();
        let upset =
            DisruptionMark { second: 16.0, says, began: Some(16.04), ended: Some(19.3), did_not_happen: false, losses };
        let quiet = DisruptionMark { losses: Some(LossesOf::default()), ..upset.clone() };
        let load = |upsets: Vec<DisruptionMark>, elsewhere| {
            remarks(&LoadResult { fenced: true, upsets, missing_elsewhere: elsewhere, ..LoadResult::default() })
        };
        let lines = load(vec![upset, quiet.clone()], Some(0));
        assert_eq!(
            lines,
            [
                "in the outage from 16.0 s to 19.3 s (the broker is killed and down for 3s) 7 messages missing, and 2 of \
                 those sent within 5 s behind it (0 to 1: 9)",
                "outside of outages nothing is missing"
            ]
        );
        assert_eq!(load(vec![quiet.clone()], Some(3)), ["outside of outages 3 messages missing"]);
        assert!(load(vec![quiet], Some(0)).is_empty() && load(Vec::new(), None).is_empty());
    }

    #[test]
    fn what_bears_on_the_figures_is_said() {
        let quiet = LoadResult { fenced: true, ..LoadResult::default() };
        assert!(remarks(&quiet).is_empty());
        let loud =
            LoadResult { worker_time: vec![WorkerTime { busy: 0.5, waited: 0.3 }], resent: 3, stale: 1, ..quiet };
        let lines = remarks(&loud);
        assert!(lines[0].starts_with("sio-bench waited for a core in 30 % of the time"), "{lines:?}");
        assert!(lines[1].starts_with("3 requests sent again"), "{lines:?}");
        assert_eq!(lines[2], "1 delivery came when the account was long closed");
    }
}

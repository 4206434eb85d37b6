//! What a reader of figures has to know besides.

use super::identity;
use super::text::{count, plural, time};
use crate::record::{ClusterResult, LoadResult, NodePair, OtherRuns};

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
    if !load.fenced && !load.traffic.is_empty() && load.cluster.is_none() {
        lines.push("the target has no fence: losses were decided by waiting".to_owned());
    }
    lines
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::WorkerTime;

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

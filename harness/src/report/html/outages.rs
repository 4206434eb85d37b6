//! What the scenario made go wrong on the axis of time, and what is missing of messages that were sent meanwhile.

use std::collections::BTreeMap;

use super::chart::{Moment, Series, Stretch, Unit};
use super::load::{Marks, plot_over_time};
use super::page::{escape, table};
use crate::record::{DisruptionMark, Due, LoadResult, NodePair, Progress};
use crate::vocab::text::count;

/// What went wrong, from when to when.
pub(super) fn moments(load: &LoadResult, stretches: &[Stretch]) -> Vec<Moment> {
    let end = stretches.last().map_or(0.0, |stretch| stretch.to);
    let moment = |upset: &DisruptionMark| {
        let at = upset.began.unwrap_or(upset.second);
        // What is not over lasts to the end; older records do not say what has begun.
        let to = upset.began.map(|_| upset.ended.unwrap_or(end)).filter(|to| *to > at);
        Moment { at, to, says: upset.says.clone() }
    };
    load.upsets.iter().map(moment).collect()
}

/// What is missing by the second: in all, when it was due, and between each two servers, when it was sent.
pub(super) fn missing(load: &LoadResult, seconds: &[&Progress], marks: Marks<'_>) -> String {
    if load.due.missing.iter().all(|missing| *missing == 0) {
        return String::new();
    }
    let mut series = vec![Series { name: "all, when due".to_owned(), points: when_due(&load.due) }];
    let pairs =
        load.cluster.iter().flat_map(|cluster| &cluster.pairs).filter(|pair| !pair.missing_by_second.is_empty());
    series.extend(pairs.map(between));
    plot_over_time("Missing, each second", series, Unit::Count, seconds, marks)
}

fn when_due(due: &Due) -> Vec<(f64, f64)> {
    let each = due.each();
    due.missing
        .iter()
        .enumerate()
        .map(|(place, missing)| ((place as f64 + 0.5) * each, *missing as f64 / each))
        .collect()
}

fn between(pair: &NodePair) -> Series {
    let by_second: BTreeMap<u64, u64> = pair.missing_by_second.iter().copied().collect();
    let last = by_second.keys().max().copied().unwrap_or(0);
    let of = |second: u64| by_second.get(&second).copied().unwrap_or(0) as f64;
    let points = (0..=last + 1).map(|second| (second as f64 + 0.5, of(second))).collect();
    Series { name: format!("{} to {}", pair.from, pair.to), points }
}

/// Each outage with what is missing of it; nothing where there was none.
pub(super) fn losses(load: &LoadResult) -> String {
    let Some(elsewhere) = load.missing_elsewhere else { return String::new() };
    let second = |at: Option<f64>| at.map_or_else(|| "-".to_owned(), |at| format!("{at:.2} s"));
    let row = |upset: &DisruptionMark| {
        let losses = upset.losses.as_ref()?;
        let mut between: BTreeMap<String, u64> = BTreeMap::new();
        losses
            .between
            .iter()
            .for_each(|pair| *between.entry(format!("{} to {}", pair.from, pair.to)).or_default() += pair.missing);
        let between: Vec<_> = between.iter().map(|(pair, missing)| format!("{pair}: {}", count(*missing))).collect();
        Some(vec![
            escape(&upset.says),
            second(upset.began),
            second(upset.ended),
            count(losses.during),
            count(losses.behind),
            escape(&between.join(", ")),
        ])
    };
    let mut rows: Vec<_> = load.upsets.iter().filter_map(row).collect();
    let rest = ["outside of all of them", "", "", &count(elsewhere), "", ""];
    rows.push(rest.map(ToOwned::to_owned).to_vec());
    let head =
        ["Outage", "began", "ended", "missing, sent meanwhile", "sent within 5 s behind it", "from server to server"];
    table("What is missing inside and outside of outages", &head.map(ToOwned::to_owned), &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{ClusterResult, LossesOf, MissingBetween};

    fn load() -> LoadResult {
        let between = vec![MissingBetween { from: "<a>".to_owned(), to: "b".to_owned(), missing: 5 }];
        let losses = Some(LossesOf { during: 4, behind: 1, between });
        let upset = |second, began, ended| DisruptionMark {
            second,
            says: "the broker".to_owned(),
            began,
            ended,
            ..DisruptionMark::default()
        };
        let pair = NodePair {
            from: "<a>".to_owned(),
            to: "b".to_owned(),
            missing_by_second: vec![(3, 5)],
            ..NodePair::default()
        };
        LoadResult {
            upsets: vec![
                DisruptionMark { losses, ..upset(3.0, Some(3.1), Some(4.25)) },
                upset(6.0, Some(6.0), None),
                upset(7.0, None, None),
                upset(8.0, Some(8.0), Some(8.0)),
            ],
            missing_elsewhere: Some(2),
            cluster: Some(ClusterResult { pairs: vec![pair], ..ClusterResult::default() }),
            due: Due { power: 0, owed: vec![9; 10], missing: vec![0, 0, 0, 7, 0, 0, 0, 0, 0, 0] },
            ..LoadResult::default()
        }
    }

    #[test]
    fn what_lasts_is_a_band_from_when_it_really_began() {
        let stretches = [Stretch { name: "all".to_owned(), from: 0.0, to: 10.0, measured: true }];
        let all: Vec<_> = moments(&load(), &stretches).iter().map(|moment| (moment.at, moment.to)).collect();
        assert_eq!(all, [(3.1, Some(4.25)), (6.0, Some(10.0)), (7.0, None), (8.0, None)]);
    }

    #[test]
    fn what_is_missing_is_drawn_and_told_apart() {
        let seconds: Vec<_> =
            (0..10).map(|second| Progress { second: f64::from(second), ..Progress::default() }).collect();
        let seconds: Vec<_> = seconds.iter().collect();
        let drawn = missing(&load(), &seconds, (&[], &[]));
        assert!(drawn.contains("all, when due at most 7") && drawn.contains("&lt;a&gt; to b at most 5"), "{drawn}");
        let table = losses(&load());
        for part in ["3.10 s", "4.25 s", "&lt;a&gt; to b: 5", "outside of all of them"] {
            assert!(table.contains(part), "{part}: {table}");
        }
        assert_eq!(losses(&LoadResult::default()), "");
        assert_eq!(missing(&LoadResult::default(), &seconds, (&[], &[])), "");
    }
}

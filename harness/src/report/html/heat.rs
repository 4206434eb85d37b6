//! How the latencies of each traffic were spread at each moment: a heat map for each.

use std::collections::BTreeMap;

use super::chart::{Axis, Plot, Unit, column_of};
use super::load::{Marks, time_axis};
use super::page::escape;
use super::percentiles::judged;
use super::source::{Heat, ROWS, Run};
use crate::record::{LoadResult, Progress};

/// So many are there at once; the others are folded away.
const SHOWN: usize = 4;

/// Those of what is judged first.
pub(super) fn render(run: &Run, load: &LoadResult, seconds: &[&Progress], marks: Marks<'_>) -> String {
    let Some(heats) = run.heat.get(&load.scenario) else { return String::new() };
    let is_judged = |heat: &&Heat| judged(&run.entries).any(|measure| measure == heat.measure);
    let (first, rest): (Vec<_>, Vec<_>) = heats.iter().partition(is_judged);
    let all: Vec<String> = first.into_iter().chain(rest).map(|heat| one(heat, seconds, marks)).collect();
    let (shown, folded) = all.split_at(all.len().min(SHOWN));
    let mut out = shown.concat();
    if !folded.is_empty() {
        let says = escape(&format!("Latency over time, {} more", folded.len()));
        out.push_str(&format!("<details><summary>{says}</summary>{}</details>\n", folded.concat()));
    }
    out
}

fn one(heat: &Heat, seconds: &[&Progress], (stretches, moments): Marks<'_>) -> String {
    let end = stretches.last().map_or(1.0, |stretch| stretch.to);
    let column = column_of(end);
    let mut columns: Vec<BTreeMap<i64, u64>> = vec![BTreeMap::new(); (end / column).ceil() as usize + 1];
    for (second, rows) in &heat.seconds {
        let place = ((second / column) as usize).min(columns.len() - 1);
        rows.iter().for_each(|(row, count)| *columns[place].entry(*row).or_default() += count);
    }
    let edge = |row: i64| 10f64.powf(row as f64 / ROWS);
    let cells: Vec<_> = columns
        .iter()
        .enumerate()
        .flat_map(|(index, rows)| {
            let top = rows.values().copied().max().unwrap_or(1) as f64;
            rows.iter().map(move |(row, sum)| (index as f64 * column, edge(*row), edge(row + 1), *sum as f64 / top))
        })
        .collect();
    let (least, most) = (Unit::Time.show(heat.least), Unit::Time.show(heat.most));
    let marked =
        if moments.is_empty() { "" } else { "; triangles and dashed bands mark what the scenario made go wrong" };
    let plot = Plot {
        title: &format!("Latency over time: {}", heat.measure),
        says: format!("each column is {column:.0} s, darker is more; from {least} to {most}{marked}"),
        x: time_axis(stretches, seconds),
        y: Axis::decades(heat.least, heat.most, Unit::Time),
        stretches,
        moments,
        height: 220.0,
    };
    plot.heat(&cells, column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Entry;

    #[test]
    fn each_traffic_has_one() {
        let names: Vec<String> = (0..6).map(|n| format!("t{n}.delivery")).collect();
        let heat = |name: &String| Heat {
            measure: name.clone(),
            seconds: vec![(0.0, vec![(36, 5)]), (1.0, vec![(37, 1), (38, 2)])],
            least: 1e6,
            most: 3e6,
        };
        let mut run = Run::of(Vec::<Entry>::new());
        run.heat.insert("chat".to_owned(), names.iter().map(heat).collect());
        let load = LoadResult { scenario: "chat".to_owned(), ..LoadResult::default() };
        let html = render(&run, &load, &[], (&[], &[]));
        assert_eq!(html.matches("<figure>").count(), 6);
        assert!(names.iter().all(|name| html.contains(&format!("Latency over time: {name}"))), "{html}");
        assert_eq!(html[html.find("<details>").unwrap()..].matches("<figure>").count(), 2);
        assert_eq!(render(&run, &LoadResult::default(), &[], (&[], &[])), "");
    }
}

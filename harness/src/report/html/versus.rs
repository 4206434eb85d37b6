//! Targets in interleaved blocks of the same load: what differs and how sure that is, and their latencies over each other.

use std::iter;

use hdrhistogram::Histogram;

use super::chart::{Axis, Plot, Series, Unit, height_for};
use super::intervals;
use super::load::curves;
use super::page::{element, escape, page, table};
use crate::output;
use crate::record::histogram::empty;
use crate::record::intervals::{in_log, visit};
use crate::report::versus::{Cell, Contender, grid, measures};

/// The page of a comparison; `about` says how it was made.
pub fn versus(scenario: &str, about: &str, contenders: &[Contender]) -> String {
    let names: Vec<_> = contenders.iter().map(|contender| contender.name.as_str()).collect();
    let title = format!("{scenario}: {}", names.join(", "));
    let faults: usize = contenders.iter().map(|contender| contender.faults.len()).sum();
    let all: usize = contenders.iter().map(|contender| contender.blocks.len()).sum();
    let (class, word) = match faults {
        0 => ("passed", "Every block was valid.".to_owned()),
        1 => ("invalid", format!("1 of {all} blocks is not valid.")),
        _ => ("invalid", format!("{faults} of {all} blocks are not valid.")),
    };
    let mut body = format!("<section class=\"verdict {class}\"><h1>{}</h1>", escape(&title));
    body.push_str(&format!(
        "<p class=\"word\"><strong>{word}</strong> {}. Intervals: 95 %, bootstrap over blocks.</p>",
        escape(about)
    ));
    let rows: Vec<_> = contenders
        .iter()
        .map(|one| {
            let settings = if one.settings.is_empty() { String::new() } else { format!("; {}", one.settings) };
            format!("<dt>{}</dt><dd>{}</dd>", escape(&one.name), escape(&format!("{}{settings}", one.version)))
        })
        .collect();
    body.push_str(&element("dl", "about", &rows.concat()));
    body.push_str("</section>\n");
    body.push_str(&accounts(contenders));
    body.push_str(&intervals::render(contenders));
    body.push_str(&differences(contenders));
    for measure in measures(contenders) {
        body.push_str(&element("h2", "", &escape(measure)));
        let distributions: Vec<(String, Vec<(f64, f64)>)> = contenders
            .iter()
            .filter_map(|one| Some((one.name.clone(), distribution(one, scenario, measure)?)))
            .collect();
        let named: Vec<_> = distributions.iter().map(|(name, points)| (name.clone(), points.as_slice())).collect();
        body.push_str(&curves("Latency by percentile", &named));
        body.push_str(&blocks(measure, contenders));
    }
    for contender in contenders.iter().filter(|contender| !contender.faults.is_empty()) {
        let faults: Vec<_> = contender.faults().iter().map(|fault| vec![escape(fault)]).collect();
        body.push_str(&table(&format!("What was wrong with {}", contender.name), &[String::new()], &faults));
    }
    page(&format!("sio-bench: {title}"), &body)
}

/// What each of them owed, and what came of it.
fn accounts(contenders: &[Contender]) -> String {
    let rows: Vec<_> =
        contenders.iter().filter_map(|one| Some(vec![escape(&one.name), escape(&one.account()?)])).collect();
    if rows.is_empty() {
        return String::new();
    }
    table("What was owed, and what came of it", &["", "all blocks together"].map(ToOwned::to_owned), &rows)
}

fn differences(contenders: &[Contender]) -> String {
    let Some(first) = contenders.first() else { return String::new() };
    let cell = |cell: &Cell| {
        let said = cell.says.as_ref().map(|said| format!("<br>{}", element("span", "soft", &escape(said))));
        format!("{}{}", escape(&cell.value), said.unwrap_or_default())
    };
    let grid = grid(contenders);
    let head: Vec<String> = iter::once(String::new()).chain(grid.head.iter().map(|name| escape(name))).collect();
    let row = |(name, cells): &(String, Vec<Cell>)| iter::once(escape(name)).chain(cells.iter().map(cell)).collect();
    let rows: Vec<Vec<String>> = grid.rows.iter().map(row).collect();
    table(&format!("Medians over blocks, and how they differ from {}", first.name), &head, &rows)
}

/// What all blocks of one target recorded.
fn distribution(contender: &Contender, scenario: &str, measure: &str) -> Option<Vec<(f64, f64)>> {
    let name = in_log(measure);
    let mut sum: Histogram<u64> = empty();
    for record in &contender.records {
        // What is not there is not shown; the table does not depend on it.
        let _ = visit(
            &record.join(format!("{}.hlog", output::file_name(scenario))),
            |interval| interval.measure == name,
            |_, histogram| _ = sum.add(histogram),
        );
    }
    (!sum.is_empty()).then(|| {
        sum.iter_quantiles(5).map(|step| (step.quantile_iterated_to(), step.value_iterated_to() as f64)).collect()
    })
}

/// The median of each block, in the order in which they were run.
fn blocks(measure: &str, contenders: &[Contender]) -> String {
    let line = |contender: &Contender| Series {
        name: contender.name.clone(),
        points: contender
            .blocks
            .iter()
            .enumerate()
            .filter_map(|(number, block)| Some((number as f64 + 1.0, block.latencies.get(measure)?.median()?)))
            .collect(),
    };
    let series: Vec<_> = contenders.iter().map(line).filter(|one| !one.points.is_empty()).collect();
    let values = || series.iter().flat_map(|one| &one.points).map(|(_, value)| *value);
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let last = series.iter().map(|one| one.points.len()).max().unwrap_or(0);
    if last < 2 {
        return String::new();
    }
    let plot = Plot {
        title: "Block by block",
        says: format!("the median of {measure} in each of {last} blocks; what moves all lines alike is the machine"),
        x: Axis { from: 1.0, to: last as f64, log: false, unit: Unit::Count },
        // What is ten times as slow as another must not hide how the others move.
        y: if most > least * 10.0 { Axis::decades(least, most, Unit::Time) } else { Axis::up_to(most, Unit::Time) },
        stretches: &[],
        moments: &[],
        height: height_for(series.len(), 200.0),
    };
    plot.lines(&series)
}

//! Targets under the same load, block by block: how much they differ, and how sure that is.

use std::fmt::Write as _;
use std::iter;
use std::path::{Path, PathBuf};

use indexmap::{IndexMap, IndexSet};

use super::text::{count, plural, time};
use crate::difference::Difference;
use crate::record::{CaseVerdict, Counts, LoadResult, Summary};
use crate::vocab::Measure;

/// What one block measured of one target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// By the name of the measure.
    pub latencies: IndexMap<String, Latency>,
    /// Microseconds of CPU for each delivery.
    pub cpu: Option<f64>,
    /// Bytes of memory for each user.
    pub memory: Option<f64>,
    pub counts: Counts,
}

/// Percentiles in nanoseconds, as far as there are enough samples for them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latency([Option<f64>; 3]);

/// What is compared of each measure, and samples of a block without which it says nothing: at least one of them must be
/// expected to be larger.
const FIGURES: [(&str, u64); 3] = [("p50", 10), ("p99", 100), ("p99.9", 1_000)];

impl From<&Summary> for Latency {
    fn from(summary: &Summary) -> Self {
        let values = [summary.p50, summary.p99, summary.p999];
        let known = |index: usize| (summary.count >= FIGURES[index].1).then_some(values[index] as f64);
        Self([known(0), known(1), known(2)])
    }
}

impl Latency {
    pub fn median(&self) -> Option<f64> {
        self.0[0]
    }
}

impl From<&LoadResult> for Block {
    /// Deliveries of each traffic, or its acknowledgements where nothing is delivered; each step of a flow; and where there
    /// is neither, how long connecting took.
    fn from(load: &LoadResult) -> Self {
        let of_traffic = load.traffic.iter().filter_map(|traffic| {
            let (measure, summary) = traffic.main_measure()?;
            Some((measure.full_name(&traffic.name), Latency::from(summary)))
        });
        let of_steps = load.steps.iter().map(|step| (step.name.clone(), Latency::from(&step.latency)));
        let mut latencies: IndexMap<_, _> = of_traffic.chain(of_steps).collect();
        if latencies.is_empty() {
            latencies.insert(Measure::Connect.name().to_owned(), Latency::from(&load.connect));
        }
        let mut counts = Counts::default();
        load.traffic.iter().for_each(|traffic| counts += traffic.counts);
        Self {
            latencies,
            cpu: load.target_cpu_each().map(|seconds| seconds * 1e6),
            memory: load.memory.target.per_user(load.users.connected).filter(|bytes| *bytes > 0.0),
            counts,
        }
    }
}

/// A target and its blocks.
#[derive(Clone, Debug, Default)]
pub struct Contender {
    pub name: String,
    pub version: String,
    /// What is set that its figures depend on.
    pub settings: String,
    pub blocks: Vec<Block>,
    /// Folders of the records of its blocks.
    pub records: Vec<PathBuf>,
    /// Blocks that were not valid, lost something or broke a rule.
    pub faults: Vec<Fault>,
}

/// What was wrong with a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1.
    pub block: usize,
    /// What it makes of the block: failed, or undecided.
    pub verdict: CaseVerdict,
    pub says: String,
}

impl Contender {
    /// All blocks together.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        self.blocks.iter().for_each(|block| sum += block.counts);
        sum
    }

    /// What it owed in all blocks and what came of that; nothing if nothing is owed in this load.
    pub fn account(&self) -> Option<String> {
        let sum = self.counts();
        if sum.is_only_acknowledged() {
            let answered = sum.sent.saturating_sub(sum.unanswered);
            let line = format!("{} sent, {} of them acknowledged", count(sum.sent), count(answered));
            return (sum.sent > 0).then_some(line);
        }
        let wrong = [
            (sum.missing, "lost"),
            (sum.duplicate, "duplicate"),
            (sum.misdelivered, "misdelivered"),
            (sum.out_of_order, "out of order"),
        ];
        let wrong: Vec<_> = wrong.iter().map(|(number, what)| format!("{} {what}", count(*number))).collect();
        let mut line = format!("{} deliveries owed: {}", count(sum.owed), wrong.join(", "));
        if sum.may > 0 {
            let _ = write!(line, "; {} more may have been owed", count(sum.may));
        }
        if sum.unanswered > 0 {
            let _ = write!(line, "; {} never acknowledged", plural(sum.unanswered, "message"));
        }
        Some(line)
    }

    /// What was wrong with its blocks; of what is said of several, one line.
    pub fn faults(&self) -> Vec<String> {
        let mut by_saying: IndexMap<&str, Vec<String>> = IndexMap::new();
        for fault in &self.faults {
            by_saying.entry(&fault.says).or_default().push(fault.block.to_string());
        }
        let line = |(says, blocks): (&str, Vec<String>)| {
            let word = if blocks.len() > 1 { "blocks" } else { "block" };
            format!("{word} {}: {says}", blocks.join(", "))
        };
        by_saying.into_iter().map(line).collect()
    }
}

/// The names of what was measured, in the order of the scenario.
pub fn measures(contenders: &[Contender]) -> IndexSet<&str> {
    let blocks = contenders.iter().flat_map(|contender| &contender.blocks);
    blocks.flat_map(|block| block.latencies.keys().map(String::as_str)).collect()
}

/// The median over the blocks of a contender, and how each one but the first compares with the first.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The median, in the figure's unit.
    pub median: Option<f64>,
    /// The median as text.
    pub value: String,
    /// How it compares, in words; nothing for the first.
    pub says: Option<String>,
    /// The ratio to the first and its interval, if there is one.
    pub difference: Option<Difference>,
}

/// A figure of all contenders.
pub struct Figure {
    pub name: String,
    pub unit: Unit,
    /// One for each contender.
    pub cells: Vec<Cell>,
}

/// What a figure is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Nanoseconds,
    Microseconds,
    Bytes,
}

impl Unit {
    /// As JSON has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "us",
            Self::Bytes => "bytes",
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Self::Nanoseconds => time(value),
            Self::Microseconds => format!("{value:.1} us"),
            Self::Bytes => format!("{:.1} KiB", value / 1024.0),
        }
    }
}

/// All figures of all contenders, as a table.
pub struct Grid {
    /// Above the columns.
    pub head: Vec<String>,
    /// What each row is of, and its cells.
    pub rows: Vec<(String, Vec<Cell>)>,
}

/// With more figures than these, targets are columns and not rows: a table that is too wide is not read.
const FEW: usize = 6;

/// Every figure, of every target against the first.
pub fn grid(contenders: &[Contender]) -> Grid {
    let figures = figures(contenders);
    let names = contenders.iter().map(|contender| contender.name.clone());
    if figures.len() > FEW {
        let rows = figures.into_iter().map(|figure| (figure.name, figure.cells)).collect();
        return Grid { head: names.collect(), rows };
    }
    let of =
        |(index, name): (usize, String)| (name, figures.iter().map(|figure| figure.cells[index].clone()).collect());
    Grid { rows: names.enumerate().map(of).collect(), head: figures.iter().map(|figure| figure.name.clone()).collect() }
}

/// Every figure that somebody has, of every target against the first.
pub fn figures(contenders: &[Contender]) -> Vec<Figure> {
    if contenders.is_empty() {
        return Vec::new();
    }
    let mut all = Vec::new();
    for measure in measures(contenders) {
        for (index, (percentile, _)) in FIGURES.iter().enumerate() {
            let value = |block: &Block| block.latencies.get(measure).and_then(|latency| latency.0[index]);
            all.push(figure(format!("{measure} {percentile}"), Unit::Nanoseconds, value, contenders));
        }
    }
    all.push(figure("CPU for each delivery".to_owned(), Unit::Microseconds, |block| block.cpu, contenders));
    all.push(figure("memory for each user".to_owned(), Unit::Bytes, |block| block.memory, contenders));
    all.retain(|figure| figure.cells.iter().any(|cell| cell.median.is_some()));
    all
}

const NOTHING: &str = "-";

fn figure(name: String, unit: Unit, value: impl Fn(&Block) -> Option<f64>, contenders: &[Contender]) -> Figure {
    let values = |contender: &Contender| contender.blocks.iter().filter_map(&value).collect::<Vec<f64>>();
    let against_first = |contender: &Contender| {
        let pairs = contenders[0].blocks.iter().zip(&contender.blocks);
        let pairs: Vec<_> = pairs.filter_map(|(a, b)| Some((value(a)?, value(b)?))).collect();
        Difference::of_pairs(&pairs)
    };
    let first = median(values(&contenders[0]));
    let cell = |(index, contender): (usize, &Contender)| {
        let median = median(values(contender));
        let value = median.map_or_else(|| NOTHING.to_owned(), |median| unit.show(median));
        if index == 0 {
            return Cell { median, value, says: None, difference: None };
        }
        let difference = against_first(contender);
        let says = difference.map_or_else(
            || NOTHING.to_owned(),
            |difference| {
                let of_medians = first.zip(median).map(|(first, median)| median / first);
                difference.sentence() + &of_medians.map_or_else(String::new, |ratio| apart(ratio, &difference))
            },
        );
        Cell { median, value, says: Some(says), difference }
    };
    Figure { name, unit, cells: contenders.iter().enumerate().map(cell).collect() }
}

/// Why two medians that stand beside a ratio are not that ratio, where they are not within its interval.
fn apart(of_medians: f64, difference: &Difference) -> String {
    let inside = (difference.low + 1.0) * 0.98..=(difference.high + 1.0) * 1.02;
    if inside.contains(&of_medians) {
        return String::new();
    }
    format!("; the medians alone: x{of_medians:.2} (the ratio compares each block with the one beside it)")
}

/// A comparison under a load.
pub struct Load<'a> {
    pub scenario: &'a str,
    pub seed: u64,
    /// Blocks of each target.
    pub blocks: usize,
    /// Where the records are.
    pub folder: &'a Path,
    pub contenders: &'a [Contender],
}

impl Load<'_> {
    pub fn markdown(&self) -> String {
        let names: Vec<_> = self.contenders.iter().map(|contender| contender.name.as_str()).collect();
        format!(
            "### {}: {}\n\n{} blocks, in turns; the same schedule (seed {}) and a fresh server in each. \
             Intervals: 95 %, bootstrap over blocks.\n\n{}\nrecords: {}\n",
            self.scenario,
            names.join(", "),
            self.blocks,
            self.seed,
            render(self.contenders),
            self.folder.display()
        )
    }
}

/// The comparison in Markdown: every target against the first.
fn render(contenders: &[Contender]) -> String {
    let Some(first) = contenders.first() else { return String::new() };
    let mut out = String::new();
    for contender in contenders {
        let blocks = contender.blocks.len();
        let _ =
            writeln!(out, "- **{}** ({}): {blocks} blocks. {}", contender.name, contender.version, contender.settings);
        if let Some(account) = contender.account() {
            let _ = writeln!(out, "  - {account}");
        }
        for fault in contender.faults() {
            let _ = writeln!(out, "  - {fault}");
        }
    }
    out.push('\n');
    let grid = grid(contenders);
    row(&mut out, iter::once(format!("against {}", first.name)).chain(grid.head.iter().cloned()));
    row(&mut out, iter::repeat_n("---".to_owned(), grid.head.len() + 1));
    let cell = |cell: &Cell| match &cell.says {
        Some(says) => format!("{}, {says}", cell.value),
        None => cell.value.clone(),
    };
    for (name, cells) in &grid.rows {
        row(&mut out, iter::once(name.clone()).chain(cells.iter().map(cell)));
    }
    out
}

fn row(out: &mut String, cells: impl Iterator<Item = String>) {
    cells.for_each(|cell| {
        let _ = write!(out, "| {cell} ");
    });
    out.push_str("|\n");
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (below, above) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*below, *above))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(millis: f64, count: u64) -> Latency {
        let nanos = (millis * 1e6) as u64;
        Latency::from(&Summary { count, p50: nanos, p99: nanos, p999: nanos, ..Summary::default() })
    }

    fn contender(name: &str, factor: f64, counts: Counts) -> Contender {
        let latencies = [
            ("tell.delivery".to_owned(), latency(factor, 500)),
            ("desk.delivery".to_owned(), latency(factor * 3.0, 50)),
        ];
        let block = Block { latencies: latencies.into_iter().collect(), cpu: Some(10.0), counts, memory: None };
        Contender { name: name.to_owned(), blocks: vec![block; 4], ..Contender::default() }
    }

    #[test]
    fn the_table_has_everybody_against_the_first_as_far_as_there_are_samples() {
        let counts = Counts { owed: 500, delivered: 499, missing: 1, may: 2, ..Counts::default() };
        let text = render(&[contender("a", 1.0, counts), contender("b", 2.0, Counts::default())]);
        let head =
            "| against a | tell.delivery p50 | tell.delivery p99 | desk.delivery p50 | CPU for each delivery |\n";
        assert!(text.contains(head), "500 samples have no p99.9, and 50 no p99: {text}");
        assert!(text.contains("| a | 1.00 ms | 1.00 ms | 3.00 ms | 10.0 us |\n"), "{text}");
        assert!(text.contains("| b | 2.00 ms, x2.0 (2.0–2.0) |"), "{text}");
        assert!(text.contains("| 10.0 us, x1.00 (1.00–1.00), no difference within 3 % |\n"), "{text}");
        assert!(!text.contains("memory"), "nobody knows it: {text}");
        assert!(
            text.contains("  - 2,000 deliveries owed: 4 lost, 0 duplicate, 0 misdelivered, 0 out of order; 8 more may"),
            "{text}"
        );
    }

    /// 1, 1, 1, 9 and 2, 2, 8, 2 have medians of x2; what the machine did in two of the blocks is no difference.
    #[test]
    fn medians_that_are_not_the_ratio_say_why() {
        let of = |values: [f64; 4]| Contender {
            blocks: values.map(|value| Block { cpu: Some(value), ..Block::default() }).to_vec(),
            ..Contender::default()
        };
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
        let text = render(&[of([1.0, 1.1, 30.0, 31.0]), of([2.0, 2.2, 60.5, 61.0])]);
        assert!(!text.contains("medians alone"), "{text}");
        let text = render(&[of([1.0, 1.1, 30.0, 31.0]), of([1.8, 2.0, 31.0, 31.5])]);
        let far = Difference { estimate: 1.0, low: 0.9, high: 1.1, blocks: 4 };
        assert!(apart(2.0, &far).is_empty());
        assert_eq!(
            apart(3.0, &far),
            "; the medians alone: x3.00 (the ratio compares each block with the one beside it)"
        );
        assert!(text.contains("x1."), "{text}");
    }

    #[test]
    fn what_is_wrong_with_several_blocks_is_said_once() {
        let fault = |block, says: &str| Fault { block, verdict: CaseVerdict::Fail, says: says.to_owned() };
        let faults = vec![fault(1, "FAILED: 3 lost"), fault(2, "NOT VALID: late"), fault(4, "FAILED: 3 lost")];
        let contender = Contender { faults, ..Contender::default() };
        assert_eq!(contender.faults(), ["blocks 1, 4: FAILED: 3 lost", "block 2: NOT VALID: late"]);
    }

    #[test]
    fn what_is_only_acknowledged_is_counted_so() {
        let counts = Counts { sent: 10, unanswered: 1, ..Counts::default() };
        let account = contender("a", 1.0, counts).account();
        assert_eq!(account.as_deref(), Some("40 sent, 36 of them acknowledged"));
        assert_eq!(contender("a", 1.0, Counts::default()).account(), None);
    }
}

//! Targets under the same load, block by block: how much they differ, and how sure that is.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::text::time;
use crate::difference::Difference;

/// What one block measured of one target; nanoseconds, microseconds of CPU and bytes, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Block {
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    pub p999: Option<f64>,
    pub cpu: Option<f64>,
    pub memory: Option<f64>,
}

/// A row of the table: its name, the value, and how it is written.
type Row = (&'static str, fn(&Block) -> Option<f64>, fn(f64) -> String);

const ROWS: [Row; 5] = [
    ("p50", |block| block.p50, time),
    ("p99", |block| block.p99, time),
    ("p99.9", |block| block.p999, time),
    ("CPU for each delivery", |block| block.cpu, |value| format!("{value:.1} us")),
    ("memory for each user", |block| block.memory, |value| format!("{:.1} KiB", value / 1024.0)),
];

/// A target and its blocks.
#[derive(Clone, Debug)]
pub struct Contender {
    pub name: String,
    pub version: String,
    /// What is set that its figures depend on.
    pub settings: String,
    pub blocks: Vec<Block>,
    /// Folders of the records of its blocks.
    pub records: Vec<PathBuf>,
    /// Blocks that were not valid, lost something or broke a rule; and what the first of them said.
    pub faults: Vec<String>,
}

/// A figure of all contenders.
pub struct Line {
    pub name: &'static str,
    /// The median over its blocks, and how each one but the first compares with the first.
    pub cells: Vec<(String, Option<String>)>,
}

/// Every figure, of every target against the first.
pub fn lines(contenders: &[Contender]) -> Vec<Line> {
    let line = |(name, value, show): &Row| {
        let cell = |contender: &Contender| {
            let values: Vec<f64> = contender.blocks.iter().filter_map(value).collect();
            median(values).map_or_else(|| "-".to_owned(), show)
        };
        let against_first = |contender: &Contender| {
            let pairs = contenders[0].blocks.iter().zip(&contender.blocks);
            let pairs: Vec<_> = pairs.filter_map(|(a, b)| Some((value(a)?, value(b)?))).collect();
            Difference::of_pairs(&pairs).map_or_else(|| "-".to_owned(), |difference| difference.sentence())
        };
        let cells = contenders.iter().enumerate();
        Line { name, cells: cells.map(|(index, one)| (cell(one), (index > 0).then(|| against_first(one)))).collect() }
    };
    if contenders.is_empty() { Vec::new() } else { ROWS.iter().map(line).collect() }
}

/// The comparison in Markdown: every target against the first.
pub fn render(measure: &str, contenders: &[Contender]) -> String {
    let Some((first, others)) = contenders.split_first() else { return String::new() };
    let mut out = String::new();
    for contender in contenders {
        let blocks = contender.blocks.len();
        let _ =
            writeln!(out, "- **{}** ({}): {blocks} blocks. {}", contender.name, contender.version, contender.settings);
        for fault in &contender.faults {
            let _ = writeln!(out, "  - {fault}");
        }
    }
    let _ = write!(out, "\n| {measure} | {} |", first.name);
    others.iter().for_each(|other| {
        let _ = write!(out, " {} | against {} |", other.name, first.name);
    });
    let _ = write!(out, "\n|---|---|{}\n", "---|---|".repeat(others.len()));
    for line in lines(contenders) {
        let _ = write!(out, "| {} |", line.name);
        for (value, said) in &line.cells {
            let _ = write!(out, " {value} |");
            if let Some(said) = said {
                let _ = write!(out, " {said} |");
            }
        }
        out.push('\n');
    }
    out
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_everybody_against_the_first() {
        let contender = |name: &str, factor: f64| Contender {
            name: name.to_owned(),
            version: "1".to_owned(),
            settings: "one thread".to_owned(),
            records: Vec::new(),
            blocks: vec![Block { p50: Some(1e6 * factor), cpu: Some(10.0), ..Block::default() }; 4],
            faults: Vec::new(),
        };
        let text = render("tell.delivery", &[contender("a", 1.0), contender("b", 2.0)]);
        assert!(text.contains("| p50 | 1.00 ms | 2.00 ms | 100 % more (100 to 100) |"), "{text}");
        assert!(text.contains("| CPU for each delivery | 10.0 us | 10.0 us | no difference within 3 % |"), "{text}");
        assert!(text.contains("| memory for each user | - | - | - |"), "{text}");
    }
}

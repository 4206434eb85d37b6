//! Two targets under the same load, block by block: how much they differ, and how sure that is.
//!
//! Each block gives one value for each target, under the same schedule and close together in time, so their ratio is free of
//! what drifts more slowly. What is said rests on the ratios alone: the interval is a bootstrap over blocks, studentized,
//! since with few blocks the plain one is too narrow (Efron and Tibshirani, An Introduction to the Bootstrap, 12.5).

use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::text::time;

/// Resamples of the blocks.
const RESAMPLES: usize = 2_000;
/// Differences below this do not matter to anybody.
pub const MARGIN: f64 = 0.03;
/// Fewer blocks say nothing.
pub const FEWEST: usize = 4;

/// How the second target compares with the first, as a share of the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The second needs so much more (0.1 is 10 % more).
    pub estimate: f64,
    /// With 95 % confidence.
    pub low: f64,
    pub high: f64,
    pub blocks: usize,
}

/// What can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    Less,
    More,
    /// Within [`MARGIN`].
    Same,
    /// So many more blocks would decide it, about.
    Inconclusive(usize),
}

impl Difference {
    /// Compares pairs of values, one pair for each block; `None` when there are too few, or values that are not positive.
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        if pairs.len() < FEWEST || pairs.iter().any(|(a, b)| *a <= 0.0 || *b <= 0.0) {
            return None;
        }
        let ratios: Vec<f64> = pairs.iter().map(|(a, b)| (b / a).ln()).collect();
        let (mean, error) = mean_and_error(&ratios);
        let (low, high) = interval(&ratios, mean, error);
        let share = |log: f64| log.exp() - 1.0;
        Some(Self { estimate: share(mean), low: share(low), high: share(high), blocks: pairs.len() })
    }

    pub fn finding(&self) -> Finding {
        if self.low > -MARGIN && self.high < MARGIN {
            Finding::Same
        } else if self.high < 0.0 {
            Finding::Less
        } else if self.low > 0.0 {
            Finding::More
        } else {
            // The interval shrinks with the root of the number of blocks.
            let half = (self.high - self.low) / 2.0;
            let wanted = (self.estimate.abs().max(MARGIN)).max(1e-6);
            let needed = self.blocks as f64 * (half / wanted).powi(2);
            Finding::Inconclusive((needed.ceil() as usize).saturating_sub(self.blocks).clamp(1, 999))
        }
    }

    /// `12 % less (9 to 15)`, `no difference within 3 %`, `inconclusive: 4 more blocks needed`.
    pub fn sentence(&self) -> String {
        let percent = |share: f64| format!("{:.0}", share.abs() * 100.0);
        match self.finding() {
            Finding::Same => format!("no difference within {:.0} %", MARGIN * 100.0),
            Finding::Less => {
                format!("{} % less ({} to {})", percent(self.estimate), percent(self.high), percent(self.low))
            }
            Finding::More => {
                format!("{} % more ({} to {})", percent(self.estimate), percent(self.low), percent(self.high))
            }
            Finding::Inconclusive(blocks) => {
                let (low, high) = (self.low * 100.0, self.high * 100.0);
                format!("inconclusive ({low:+.0} % to {high:+.0} %): about {blocks} more blocks needed")
            }
        }
    }
}

fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// Studentized: how far resampled means are from the mean, in units of their own errors.
fn interval(values: &[f64], mean: f64, error: f64) -> (f64, f64) {
    if error <= 0.0 {
        return (mean, mean);
    }
    // The same answer for the same values.
    let mut random = StdRng::seed_from_u64(values.len() as u64);
    let mut distances = Vec::with_capacity(RESAMPLES);
    let mut sample = vec![0.0; values.len()];
    while distances.len() < RESAMPLES {
        sample.iter_mut().for_each(|one| *one = values[random.random_range(0..values.len())]);
        let (resampled, own) = mean_and_error(&sample);
        // A resample of one block alone has no error to measure with.
        if own > error * 1e-6 {
            distances.push((resampled - mean) / own);
        }
    }
    distances.sort_by(f64::total_cmp);
    let at = |share: f64| distances[((distances.len() - 1) as f64 * share).round() as usize];
    (mean - at(0.975) * error, mean - at(0.025) * error)
}

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
    pub blocks: Vec<Block>,
    /// Blocks that were not valid, lost something or broke a rule; and what the first of them said.
    pub faults: Vec<String>,
}

/// The comparison in Markdown: every target against the first.
pub fn render(measure: &str, contenders: &[Contender]) -> String {
    let Some((first, others)) = contenders.split_first() else { return String::new() };
    let mut out = String::new();
    for contender in contenders {
        let _ = writeln!(out, "- **{}** ({}): {} blocks", contender.name, contender.version, contender.blocks.len());
        for fault in &contender.faults {
            let _ = writeln!(out, "  - {fault}");
        }
    }
    let _ = write!(out, "\n| {measure} | {} |", first.name);
    others.iter().for_each(|other| {
        let _ = write!(out, " {} | against {} |", other.name, first.name);
    });
    let _ = write!(out, "\n|---|---|{}\n", "---|---|".repeat(others.len()));
    for (name, value, show) in ROWS {
        let values = |contender: &Contender| -> Vec<f64> { contender.blocks.iter().filter_map(value).collect() };
        let cell = |contender: &Contender| median(values(contender)).map_or_else(|| "-".to_owned(), show);
        let _ = write!(out, "| {name} | {} |", cell(first));
        for other in others {
            let pairs: Vec<_> =
                first.blocks.iter().zip(&other.blocks).filter_map(|(a, b)| Some((value(a)?, value(b)?))).collect();
            let said = Difference::of(&pairs).map_or_else(|| "-".to_owned(), |difference| difference.sentence());
            let _ = write!(out, " {} | {said} |", cell(other));
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

    /// A pair of a block: what drifts hits both, and each has noise of its own.
    fn blocks(random: &mut StdRng, count: usize, slower: f64, noise: f64) -> Vec<(f64, f64)> {
        let mut normal = || {
            let (a, b): (f64, f64) = (random.random(), random.random());
            (-2.0 * (1.0 - a).ln()).sqrt() * (b * std::f64::consts::TAU).cos()
        };
        (0..count)
            .map(|_| {
                let drift = (normal() * 0.3).exp();
                (drift * (normal() * noise).exp(), drift * slower * (normal() * noise).exp())
            })
            .collect()
    }

    /// A target that is compared with itself is found to differ at most five times in a hundred, give or take chance.
    #[test]
    fn no_difference_is_made_up() {
        let mut random = StdRng::seed_from_u64(1);
        for count in [6, 10] {
            let made_up = (0..400)
                .filter(|_| {
                    let difference = Difference::of(&blocks(&mut random, count, 1.0, 0.05)).unwrap();
                    matches!(difference.finding(), Finding::Less | Finding::More)
                })
                .count();
            assert!(made_up <= 32, "{made_up} of 400 with {count} blocks: more than 8 %");
        }
    }

    #[test]
    fn a_tenth_is_found() {
        let mut random = StdRng::seed_from_u64(2);
        let found = (0..200)
            .filter(|_| Difference::of(&blocks(&mut random, 10, 1.1, 0.03)).unwrap().finding() == Finding::More)
            .count();
        assert!(found >= 190, "{found} of 200");
    }

    #[test]
    fn what_is_said() {
        let exact = |ratio: f64| {
            Difference::of(&[(100.0, 100.0 * ratio), (50.0, 50.0 * ratio), (70.0, 70.0 * ratio), (80.0, 80.0 * ratio)])
        };
        assert_eq!(exact(0.88).unwrap().sentence(), "12 % less (12 to 12)");
        assert_eq!(exact(1.25).unwrap().sentence(), "25 % more (25 to 25)");
        assert_eq!(exact(1.01).unwrap().sentence(), "no difference within 3 %");
        assert_eq!(Difference::of(&[(1.0, 1.0); 3]), None, "three blocks say nothing");
        let wide = Difference { estimate: 0.02, low: -0.04, high: 0.08, blocks: 8 };
        assert_eq!(wide.sentence(), "inconclusive (-4 % to +8 %): about 24 more blocks needed");
    }

    #[test]
    fn the_table_has_everybody_against_the_first() {
        let contender = |name: &str, factor: f64| Contender {
            name: name.to_owned(),
            version: "1".to_owned(),
            blocks: vec![Block { p50: Some(1e6 * factor), cpu: Some(10.0), ..Block::default() }; 4],
            faults: Vec::new(),
        };
        let text = render("tell.delivery", &[contender("a", 1.0), contender("b", 2.0)]);
        assert!(text.contains("| p50 | 1.00 ms | 2.00 ms | 100 % more (100 to 100) |"), "{text}");
        assert!(text.contains("| CPU for each delivery | 10.0 us | 10.0 us | no difference within 3 % |"), "{text}");
        assert!(text.contains("| memory for each user | - | - | - |"), "{text}");
    }
}

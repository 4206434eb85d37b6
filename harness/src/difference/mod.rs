//! How much two sets of measurements differ, and how sure that is. What is said rests on intervals of 95 %, made by
//! bootstrap: over pairs of blocks that took turns (`pairs`), or over the stretches of two runs (`runs`).

mod pairs;
mod runs;

pub use pairs::FEWEST;
pub use runs::{Figure, Stretches};

/// Differences below this do not matter to anybody.
pub const MARGIN: f64 = 0.03;

/// From three times as much on, a ratio is read more easily than percents.
const PERCENTS: f64 = 2.0;
/// With more blocks than these nobody will go on.
const WORTH_IT: usize = 100;

/// How the second compares with the first, as a share of the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The second needs so much more (0.1 is 10 % more).
    pub estimate: f64,
    /// With 95 % confidence.
    pub low: f64,
    pub high: f64,
    /// Blocks or stretches that it rests on.
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
    /// Of logarithms of ratios.
    fn of_logs(estimate: f64, low: f64, high: f64, blocks: usize) -> Self {
        let share = |log: f64| log.exp() - 1.0;
        Self { estimate: share(estimate), low: share(low), high: share(high), blocks }
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

    /// `x1.8 (1.5–2.1)`: so many times as much, with 95 % confidence.
    pub fn ratio(&self) -> String {
        let [estimate, low, high] = [self.estimate, self.low, self.high].map(|share| times(share + 1.0));
        format!("x{estimate} ({low}–{high})")
    }

    /// Of blocks that take turns: `x1.8 (1.5–2.1)`, `x1.02 (0.96–1.08), inconclusive: about 24 more blocks needed`.
    pub fn sentence(&self) -> String {
        let ratio = self.ratio();
        match self.finding() {
            Finding::Less | Finding::More => ratio,
            Finding::Same => format!("{ratio}, no difference within {:.0} %", MARGIN * 100.0),
            Finding::Inconclusive(1) => format!("{ratio}, inconclusive: about 1 more block needed"),
            Finding::Inconclusive(blocks) if blocks <= WORTH_IT => {
                format!("{ratio}, inconclusive: about {blocks} more blocks needed")
            }
            Finding::Inconclusive(_) => format!("{ratio}, inconclusive: the blocks vary too much"),
        }
    }

    /// Of two runs, where nobody can ask for more blocks: `12 % less (9 to 15)`, `x4.8 (3.1–7.2)`, `not decided (-4 % to +8 %)`.
    pub fn change(&self) -> String {
        let percent = |share: f64| format!("{:.0}", share.abs() * 100.0);
        let (estimate, low, high) = (percent(self.estimate), percent(self.low), percent(self.high));
        match self.finding() {
            Finding::Same => format!("no difference within {:.0} %", MARGIN * 100.0),
            Finding::Inconclusive(_) => format!("not decided ({})", self.range()),
            Finding::Less | Finding::More if self.high > PERCENTS => self.ratio(),
            Finding::Less => format!("{estimate} % less ({high} to {low})"),
            Finding::More => format!("{estimate} % more ({low} to {high})"),
        }
    }

    /// `-4 % to +8 %`, `x0.50 to x40`.
    pub fn range(&self) -> String {
        if self.high > PERCENTS {
            return format!("x{} to x{}", times(self.low + 1.0), times(self.high + 1.0));
        }
        format!("{:+.0} % to {:+.0} %", self.low * 100.0, self.high * 100.0)
    }
}

/// A ratio with two digits, and three around 1.
fn times(ratio: f64) -> String {
    match ratio {
        r if r < 0.005 => "0".to_owned(),
        r if r < 1.195 => format!("{r:.2}"),
        r if r < 9.95 => format!("{r:.1}"),
        r if r < 999.5 => format!("{r:.0}"),
        _ => "1000+".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said() {
        let exact = |share: f64| Difference { estimate: share, low: share, high: share, blocks: 4 };
        assert_eq!(exact(-0.12).sentence(), "x0.88 (0.88–0.88)");
        assert_eq!(exact(0.25).change(), "25 % more (25 to 25)");
        assert_eq!(exact(-0.12).change(), "12 % less (12 to 12)");
        assert_eq!(exact(0.01).sentence(), "x1.01 (1.01–1.01), no difference within 3 %");
        let far = Difference { estimate: 0.8, low: 0.5, high: 1.1, blocks: 8 };
        assert_eq!(far.sentence(), "x1.8 (1.5–2.1)");
        let wide = Difference { estimate: 0.02, low: -0.04, high: 0.08, blocks: 8 };
        assert_eq!(wide.sentence(), "x1.02 (0.96–1.08), inconclusive: about 24 more blocks needed");
        assert_eq!(wide.change(), "not decided (-4 % to +8 %)");
        let vast = Difference { estimate: 4.0, low: 0.5, high: 90_000.0, blocks: 4 };
        assert_eq!((vast.sentence(), vast.change()), ("x5.0 (1.5–1000+)".into(), "x5.0 (1.5–1000+)".into()));
        let unknown = Difference { low: -0.5, ..vast };
        assert_eq!(unknown.range(), "x0.50 to x1000+");
        assert_eq!(unknown.sentence(), "x5.0 (0.50–1000+), inconclusive: the blocks vary too much");
    }
}

//! How much two sets of measurements differ, and how sure that is. What is said rests on intervals of 95 %, made by
//! bootstrap: over pairs of blocks that took turns (`pairs`), or over the stretches of two runs (`runs`).

mod pairs;
mod runs;

pub use pairs::FEWEST;
pub use runs::{Figure, Stretches};

/// Differences below this do not matter to anybody.
pub const MARGIN: f64 = 0.03;

/// From tenfold on, an interval of few blocks says no more than that it is wide.
const MOST: f64 = 10.0;

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

    /// What is found, if anything is: `12 % less (9 to 15)`, `no difference within 3 %`.
    fn found(&self) -> Option<String> {
        let percent =
            |share: f64| if share > MOST { "over 1000".to_owned() } else { format!("{:.0}", share.abs() * 100.0) };
        match self.finding() {
            Finding::Same => Some(format!("no difference within {:.0} %", MARGIN * 100.0)),
            Finding::Less => {
                Some(format!("{} % less ({} to {})", percent(self.estimate), percent(self.high), percent(self.low)))
            }
            Finding::More => {
                Some(format!("{} % more ({} to {})", percent(self.estimate), percent(self.low), percent(self.high)))
            }
            Finding::Inconclusive(_) => None,
        }
    }

    /// Of blocks that take turns: `12 % less (9 to 15)`, `inconclusive (-4 % to +8 %): about 24 more blocks needed`.
    pub fn sentence(&self) -> String {
        self.found().unwrap_or_else(|| match self.finding() {
            Finding::Inconclusive(blocks) => {
                let word = if blocks == 1 { "block" } else { "blocks" };
                format!("inconclusive ({}): about {blocks} more {word} needed", self.range())
            }
            _ => String::new(),
        })
    }

    /// Of two runs, where nobody can ask for more blocks: `12 % less (9 to 15)`, `not decided (-4 % to +8 %)`.
    pub fn change(&self) -> String {
        self.found().unwrap_or_else(|| format!("not decided ({})", self.range()))
    }

    /// `-4 % to +8 %`.
    pub fn range(&self) -> String {
        let high = if self.high > MOST { "over +1000 %".to_owned() } else { format!("{:+.0} %", self.high * 100.0) };
        format!("{:+.0} % to {high}", self.low * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said() {
        let exact = |share: f64| Difference { estimate: share, low: share, high: share, blocks: 4 };
        assert_eq!(exact(-0.12).sentence(), "12 % less (12 to 12)");
        assert_eq!(exact(0.25).sentence(), "25 % more (25 to 25)");
        assert_eq!(exact(0.01).sentence(), "no difference within 3 %");
        let wide = Difference { estimate: 0.02, low: -0.04, high: 0.08, blocks: 8 };
        assert_eq!(wide.sentence(), "inconclusive (-4 % to +8 %): about 24 more blocks needed");
        assert_eq!(wide.change(), "not decided (-4 % to +8 %)");
        let vast = Difference { estimate: 4.0, low: 0.5, high: 90_000.0, blocks: 4 };
        assert_eq!(vast.sentence(), "400 % more (50 to over 1000)");
        assert_eq!(Difference { low: -0.5, ..vast }.range(), "-50 % to over +1000 %");
    }
}

//! Two runs, each cut into stretches that follow one another.
//!
//! A bootstrap over stretches and not over single values: the latencies of a moment are alike, and a thousand of them
//! say little more than one (Künsch 1989; the stretches do not overlap). What differs from run to run, such as where
//! memory came to lie, shows in none of the stretches of one run; several earlier runs show it, and are taken into account.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::Difference;

/// Resamples of the stretches.
const RESAMPLES: usize = 1_000;
/// Stretches into which a run is cut, if it is long enough.
const MOST: usize = 20;
/// A run with fewer says nothing.
const FEWEST: usize = 8;

/// What is compared of two distributions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// A share of the values is not larger.
    Quantile(f64),
    Mean,
}

/// A run as stretches of the same length: values, and how often each was recorded.
#[derive(Clone, Debug, Default)]
pub struct Stretches(Vec<Vec<(u64, u64)>>);

impl Stretches {
    /// Of what was recorded second by second. `seconds` are in the order of time.
    pub fn of(seconds: &[Vec<(u64, u64)>]) -> Self {
        let each = seconds.len().div_ceil(MOST).max(1);
        Self(seconds.chunks(each).map(<[_]>::concat).filter(|stretch| !stretch.is_empty()).collect())
    }

    /// How often each value of `values` was recorded, by stretch.
    fn counts(&self, values: &[u64]) -> Vec<Vec<u64>> {
        let of = |stretch: &Vec<(u64, u64)>| {
            let mut counts = vec![0; values.len()];
            for (value, count) in stretch {
                counts[values.partition_point(|known| known < value)] += count;
            }
            counts
        };
        self.0.iter().map(of).collect()
    }
}

impl Figure {
    /// The figure of a whole run; `None` when nothing was recorded.
    pub fn of(self, run: &Stretches) -> Option<f64> {
        let values = values([run]);
        let mut sum = vec![0; values.len()];
        run.counts(&values).iter().for_each(|counts| add(&mut sum, counts));
        self.value(&values, &sum)
    }

    fn value(self, values: &[u64], counts: &[u64]) -> Option<f64> {
        let all: u64 = counts.iter().sum();
        if all == 0 {
            return None;
        }
        match self {
            Self::Mean => Some(
                values.iter().zip(counts).map(|(value, count)| *value as f64 * *count as f64).sum::<f64>() / all as f64,
            ),
            Self::Quantile(quantile) => {
                let wanted = ((quantile * all as f64).ceil() as u64).max(1);
                let mut below = 0;
                values.iter().zip(counts).find_map(|(value, count)| {
                    below += count;
                    (below >= wanted).then_some(*value as f64)
                })
            }
        }
    }
}

fn values<'a>(runs: impl IntoIterator<Item = &'a Stretches>) -> Vec<u64> {
    let mut values: Vec<u64> =
        runs.into_iter().flat_map(|run| run.0.iter().flatten()).map(|(value, _)| *value).collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn add(sum: &mut [u64], counts: &[u64]) {
    sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
}

impl Difference {
    /// Compares a run with one or several earlier ones; `None` when one of them is too short or has no values.
    pub fn of_runs(before: &[Stretches], now: &Stretches, figure: Figure) -> Option<Self> {
        let fewest = before.iter().chain([now]).map(|run| run.0.len()).min()?;
        if before.is_empty() || fewest < FEWEST {
            return None;
        }
        let values = values(before.iter().chain([now]));
        let run = |stretches: &Stretches| Counted { values: &values, figure, stretches: stretches.counts(&values) };
        let (before, now): (Vec<_>, _) = (before.iter().map(run).collect(), run(now));
        let logs: Vec<f64> = before.iter().map(Counted::whole).collect::<Option<_>>()?;
        let middle = logs.iter().sum::<f64>() / logs.len() as f64;
        let estimate = now.whole()? - middle;
        // What one run differs by from others of its kind; with as many runs as there are, a little too small.
        let luck = (logs.len() as f64 / (logs.len() as f64 - 1.0).max(1.0)).sqrt();
        let own: Vec<f64> = logs.iter().map(|log| (log - middle) * luck).collect();
        // The same answer for the same runs.
        let mut random = StdRng::seed_from_u64(fewest as u64);
        let mut differences = Vec::with_capacity(RESAMPLES);
        for _ in 0..RESAMPLES {
            let mut earlier = 0.0;
            for _ in 0..before.len() {
                let drawn = random.random_range(0..before.len());
                earlier += before[drawn].resampled(&mut random)?;
            }
            let later = now.resampled(&mut random)? + own[random.random_range(0..own.len())];
            differences.push(later - earlier / before.len() as f64);
        }
        differences.sort_by(f64::total_cmp);
        let at = |share: f64| differences[((differences.len() - 1) as f64 * share).round() as usize];
        // Resamples of few stretches vary less than new runs would: by (n-1)/n in the variance, and by the tails of Student's
        // distribution against those of the normal one.
        let n = fewest as f64;
        let wider = (n / (n - 1.0)).sqrt() * (1.0 + 1.2 / (n - 1.0));
        let from = |end: f64| estimate + (end - estimate) * wider;
        Some(Self::of_logs(estimate, from(at(0.025)), from(at(0.975)), fewest))
    }
}

/// A run, counted over the values that all of them have.
struct Counted<'a> {
    values: &'a [u64],
    figure: Figure,
    stretches: Vec<Vec<u64>>,
}

impl Counted<'_> {
    /// The logarithm of the figure of the run.
    fn whole(&self) -> Option<f64> {
        self.log(vec![1; self.stretches.len()])
    }

    /// The same of as many of its stretches, drawn with replacement.
    fn resampled(&self, random: &mut StdRng) -> Option<f64> {
        let many = self.stretches.len();
        let mut drawn = vec![0; many];
        (0..many).for_each(|_| drawn[random.random_range(0..many)] += 1);
        self.log(drawn)
    }

    /// The logarithm of the figure of its stretches, each taken so many times.
    fn log(&self, times: Vec<u64>) -> Option<f64> {
        let mut sum = vec![0; self.values.len()];
        for (counts, times) in self.stretches.iter().zip(times).filter(|(_, times)| *times > 0) {
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count * times);
        }
        self.figure.value(self.values, &sum).map(|value| value.max(1.0).ln())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Finding;
    use super::*;

    /// A run of 40 seconds: values are alike within a second and differ from second to second, in steps of 2 %.
    fn run(random: &mut StdRng, slower: f64, luck: f64) -> Stretches {
        let mut normal = || {
            let (a, b): (f64, f64) = (random.random(), random.random());
            (-2.0 * (1.0 - a).ln()).sqrt() * (b * std::f64::consts::TAU).cos()
        };
        let whole = normal() * luck;
        let second = |_| {
            let moment = normal() * 0.1 + whole;
            (0..60)
                .map(|_| {
                    let value = 1e6 * slower * (moment + normal() * 0.3).exp();
                    (1.02_f64.powf((value.ln() / 1.02_f64.ln()).round()) as u64, 1)
                })
                .collect()
        };
        Stretches::of(&(0..40).map(second).collect::<Vec<_>>())
    }

    fn found(seed: u64, runs: usize, before: usize, slower: f64, luck: f64, figure: Figure) -> usize {
        let mut random = StdRng::seed_from_u64(seed);
        let differs = |_: &usize| {
            let earlier: Vec<_> = (0..before).map(|_| run(&mut random, 1.0, luck)).collect();
            let difference = Difference::of_runs(&earlier, &run(&mut random, slower, luck), figure).unwrap();
            matches!(difference.finding(), Finding::Less | Finding::More)
        };
        (0..runs).filter(differs).count()
    }

    #[test]
    fn a_run_does_not_differ_from_one_like_it() {
        for figure in [Figure::Quantile(0.5), Figure::Quantile(0.95), Figure::Mean] {
            let made_up = found(1, 60, 1, 1.0, 0.0, figure);
            assert!(made_up <= 6, "{made_up} of 60: {figure:?}");
        }
    }

    #[test]
    fn a_tenth_more_is_found() {
        let seen = found(2, 30, 1, 1.1, 0.0, Figure::Quantile(0.5));
        assert!(seen >= 24, "{seen} of 30");
    }

    /// Runs that differ among themselves excuse one more that does; a single one knows nothing of that.
    #[test]
    fn several_earlier_runs_show_what_differs_from_run_to_run() {
        let (one, five) =
            (found(3, 30, 1, 1.0, 0.08, Figure::Quantile(0.5)), found(3, 30, 5, 1.0, 0.08, Figure::Quantile(0.5)));
        assert!(one >= 10 && five <= 6, "{one} and {five} of 30");
    }

    #[test]
    fn figures_are_those_of_the_sorted_values() {
        let mut random = StdRng::seed_from_u64(4);
        let mut raw: Vec<u64> = (0..1_000).map(|_| random.random_range(1..500)).collect();
        let seconds: Vec<Vec<_>> = raw.chunks(50).map(|part| part.iter().map(|value| (*value, 1)).collect()).collect();
        let run = Stretches::of(&seconds);
        raw.sort_unstable();
        for quantile in [0.5_f64, 0.9, 0.99, 0.999, 1.0] {
            let wanted = raw[((quantile * 1_000.0).ceil() as usize).max(1) - 1];
            assert_eq!(Figure::Quantile(quantile).of(&run), Some(wanted as f64));
        }
    }

    #[test]
    fn a_short_run_says_nothing() {
        let short = Stretches::of(&vec![vec![(1, 1)]; 7]);
        assert_eq!(Difference::of_runs(std::slice::from_ref(&short), &short, Figure::Mean), None);
        assert_eq!(Difference::of_runs(&[], &short, Figure::Mean), None);
    }
}

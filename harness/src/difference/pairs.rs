//! Pairs of values, one pair for each block.
//!
//! Each block gives one value for each side, under the same schedule and close together in time, so their ratio is free of
//! what drifts more slowly. The interval is a bootstrap over blocks, studentized, since with few blocks the plain one is
//! too narrow (Efron and Tibshirani, An Introduction to the Bootstrap, 12.5).

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::Difference;

/// Resamples of the blocks.
const RESAMPLES: usize = 2_000;
/// Fewer blocks say nothing.
pub const FEWEST: usize = 4;

impl Difference {
    /// Compares pairs of values, one pair for each block; `None` when there are too few, or values that are not positive.
    pub fn of_pairs(pairs: &[(f64, f64)]) -> Option<Self> {
        if pairs.len() < FEWEST || pairs.iter().any(|(a, b)| *a <= 0.0 || *b <= 0.0) {
            return None;
        }
        let ratios: Vec<f64> = pairs.iter().map(|(a, b)| (b / a).ln()).collect();
        let (mean, error) = mean_and_error(&ratios);
        let (low, high) = interval(&ratios, mean, error);
        Some(Self::of_logs(mean, low, high, pairs.len()))
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

#[cfg(test)]
mod tests {
    use super::super::Finding;
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
                    let difference = Difference::of_pairs(&blocks(&mut random, count, 1.0, 0.05)).unwrap();
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
            .filter(|_| Difference::of_pairs(&blocks(&mut random, 10, 1.1, 0.03)).unwrap().finding() == Finding::More)
            .count();
        assert!(found >= 190, "{found} of 200");
    }

    #[test]
    fn ratios_that_are_all_the_same_have_no_error() {
        let pairs = [(100.0, 88.0), (50.0, 44.0), (75.0, 66.0), (25.0, 22.0)];
        let difference = Difference::of_pairs(&pairs).unwrap();
        assert!((difference.estimate + 0.12).abs() < 1e-9 && (difference.high - difference.low).abs() < 1e-9);
        assert_eq!(Difference::of_pairs(&[(1.0, 1.0); 3]), None, "three blocks say nothing");
    }
}

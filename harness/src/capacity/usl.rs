//! The Universal Scalability Law, fitted to what was measured.
//!
//! `X(N) = λN / (1 + σ(N − 1) + κN(N − 1))`: throughput with `N` messages in the system, where λ is what one of them would
//! get, σ what they wait for each other, κ what they cost each other (Gunther, *Guerrilla Capacity Planning*, 2007).
//! With open arrivals nobody sets `N`; it follows from Little's law as throughput times mean latency.

use crate::record::Usl;

/// A trial: messages in the system on average, and what came out of it each second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub concurrency: f64,
    pub throughput: f64,
}

/// Least squares over `N/X`, which is a polynomial of degree two in `N`. `None` when the points do not determine one, or
/// only one that makes no sense.
pub fn fit(points: &[Point]) -> Option<Usl> {
    let points: Vec<_> = points.iter().filter(|point| point.concurrency > 0.0 && point.throughput > 0.0).collect();
    if points.len() < 4 {
        return None;
    }
    // Scaled, so that the sums of fourth powers stay harmless.
    let scale = points.iter().map(|point| point.concurrency).fold(0.0, f64::max);
    let mut sums = [0.0; 5];
    let mut right = [0.0; 3];
    for point in &points {
        let (x, y) = (point.concurrency / scale, point.concurrency / point.throughput);
        // Relative errors count alike: each point has the weight of its own size.
        let weight = (1.0 / y).powi(2);
        for (power, sum) in sums.iter_mut().enumerate() {
            *sum += weight * x.powi(power as i32);
        }
        for (power, sum) in right.iter_mut().enumerate() {
            *sum += weight * y * x.powi(power as i32);
        }
    }
    let matrix = [[sums[0], sums[1], sums[2]], [sums[1], sums[2], sums[3]], [sums[2], sums[3], sums[4]]];
    let [a, b, c] = solve(matrix, right)?;
    let (b, c) = (b / scale, c / scale.powi(2));
    // N/X = (1 − σ)/λ + (σ − κ)/λ·N + κ/λ·N²
    let lambda = 1.0 / (a + b + c);
    let kappa = c * lambda;
    let sigma = b * lambda + kappa;
    if !(lambda.is_finite() && lambda > 0.0 && sigma < 1.0 && sigma > -0.05 && kappa > -1e-9) {
        return None;
    }
    let (sigma, kappa) = (sigma.max(0.0), kappa.max(0.0));
    let at = |n: f64| lambda * n / (1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0));
    let peak = if kappa > 0.0 {
        Some(at(((1.0 - sigma) / kappa).sqrt().max(1.0)))
    } else if sigma > 0.0 {
        Some(lambda / sigma)
    } else {
        None
    };
    let mean = points.iter().map(|point| point.throughput).sum::<f64>() / points.len() as f64;
    let total: f64 = points.iter().map(|point| (point.throughput - mean).powi(2)).sum();
    let left: f64 = points.iter().map(|point| (point.throughput - at(point.concurrency)).powi(2)).sum();
    let r_squared = if total > 0.0 { 1.0 - left / total } else { 0.0 };
    Some(Usl { lambda, sigma, kappa, peak, r_squared })
}

/// Gauss, with pivots.
fn solve(mut matrix: [[f64; 3]; 3], mut right: [f64; 3]) -> Option<[f64; 3]> {
    for column in 0..3 {
        let pivot = (column..3).max_by(|a, b| matrix[*a][column].abs().total_cmp(&matrix[*b][column].abs()))?;
        if matrix[pivot][column].abs() < 1e-12 * matrix[0][0].abs().max(1.0) {
            return None;
        }
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        for row in column + 1..3 {
            let factor = matrix[row][column] / matrix[column][column];
            let above = matrix[column];
            matrix[row].iter_mut().zip(above).skip(column).for_each(|(value, above)| *value -= factor * above);
            right[row] -= factor * right[column];
        }
    }
    let mut solution = [0.0; 3];
    for row in (0..3).rev() {
        let known: f64 = (row + 1..3).map(|place| matrix[row][place] * solution[place]).sum();
        solution[row] = (right[row] - known) / matrix[row][row];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(lambda: f64, sigma: f64, kappa: f64, noise: &[f64]) -> Vec<Point> {
        let each = noise.iter().enumerate().map(|(index, noise)| {
            let n = 1.5_f64.powi(index as i32 + 1);
            let x = lambda * n / (1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0));
            Point { concurrency: n, throughput: x * (1.0 + noise) }
        });
        each.collect()
    }

    proptest! {
        #[test]
        fn what_follows_the_law_is_recognised(lambda in 1.0..1e5_f64, sigma in 0.001..0.5_f64, kappa in 1e-6..1e-2_f64) {
            let usl = fit(&points(lambda, sigma, kappa, &[0.0; 14])).unwrap();
            prop_assert!((usl.lambda / lambda - 1.0).abs() < 1e-4, "{usl:?}");
            prop_assert!((usl.sigma - sigma).abs() < 1e-4, "{usl:?}");
            prop_assert!((usl.kappa - kappa).abs() < 1e-6, "{usl:?}");
            prop_assert!(usl.r_squared > 0.999_9);
        }

        /// With five per cent of noise, the largest throughput is found within a fifth.
        #[test]
        fn noise_is_borne(noise in prop::collection::vec(-0.05..0.05_f64, 16)) {
            let usl = fit(&points(1000.0, 0.05, 1e-4, &noise));
            let truth = fit(&points(1000.0, 0.05, 1e-4, &[0.0; 16])).unwrap().peak.unwrap();
            if let Some(Usl { peak: Some(peak), .. }) = usl {
                prop_assert!((peak / truth - 1.0).abs() < 0.2, "{peak} {truth}");
            }
        }

        #[test]
        fn nothing_panics(all in prop::collection::vec((-1e6..1e6_f64, -1e6..1e6_f64), 0..20)) {
            let points: Vec<_> = all.iter().map(|(n, x)| Point { concurrency: *n, throughput: *x }).collect();
            if let Some(usl) = fit(&points) {
                prop_assert!(usl.lambda > 0.0 && usl.sigma >= 0.0 && usl.kappa >= 0.0);
            }
        }
    }

    #[test]
    fn three_points_are_too_few() {
        assert_eq!(fit(&points(10.0, 0.1, 0.001, &[0.0; 3])), None);
    }
}

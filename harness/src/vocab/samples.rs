//! How many samples a percentile needs to be one.

use super::text::count;

/// So many samples a quantile needs, so that one of them is expected beyond it: 100 for 0.99. A maximum needs one.
pub fn needed(quantile: f64) -> u64 {
    if quantile < 1.0 { (1.0 / (1.0 - quantile)).round().max(1.0) as u64 } else { 1 }
}

/// What is to be said of a quantile over so many samples, if they are too few.
pub fn remark(quantile: f64, samples: u64) -> Option<String> {
    let needed = needed(quantile);
    let percentile = format!("p{}", (quantile * 1e5).round() / 1e3);
    (samples < needed).then(|| format!("of {} samples; {percentile} needs {}", count(samples), count(needed)))
}

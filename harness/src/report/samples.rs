//! Percentiles as texts, those with too few samples marked.

use super::text::time;
use crate::record::Summary;
use crate::vocab::samples::needed;

/// Behind a value that has too few samples to be the percentile it stands for.
const FEW: &str = "?";
/// What the mark means, in a line below a table.
pub const FEW_SAYS: &str = "? = too few samples: p90 needs 10, p99 100, p99.9 1,000";

/// p50, p90, p99, p99.9 and the maximum as texts; what has too few samples is marked.
pub fn marked(summary: &Summary) -> [String; 5] {
    let values =
        [(summary.p50, 0.5), (summary.p90, 0.9), (summary.p99, 0.99), (summary.p999, 0.999), (summary.max, 1.0)];
    values.map(|(value, quantile)| {
        let mark = if summary.count < needed(quantile) { FEW } else { "" };
        format!("{}{mark}", time(value as f64))
    })
}

/// Whether a table with these has a mark in it.
pub fn has_few<'a>(mut summaries: impl Iterator<Item = &'a Summary>) -> bool {
    summaries.any(|summary| summary.count > 0 && summary.count < needed(0.999))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::samples::remark;

    #[test]
    fn a_percentile_needs_samples_beyond_it() {
        assert_eq!([0.5, 0.9, 0.99, 0.999, 0.9999, 1.0].map(needed), [2, 10, 100, 1_000, 10_000, 1]);
        let few = Summary {
            count: 150,
            p50: 1_000_000,
            p90: 2_000_000,
            p99: 3_000_000,
            p999: 4_000_000,
            max: 5_000_000,
            ..Summary::default()
        };
        assert_eq!(marked(&few), ["1.00 ms", "2.00 ms", "3.00 ms", "4.00 ms?", "5.00 ms"]);
        assert!(has_few([few].iter()) && !has_few([Summary { count: 1_000, ..few }, Summary::default()].iter()));
        assert_eq!(remark(0.999, 150).unwrap(), "of 150 samples; p99.9 needs 1,000");
        assert_eq!(remark(0.99, 150), None);
    }
}

//! Deliveries that were wrong, and messages that were refused, although no threshold asks for them: whoever does not say how many may be is told of each.

use super::text::count;
use crate::record::{Counts, LoadResult};

/// Wrong deliveries of one kind and one traffic.
pub(super) struct Unruled<'a> {
    traffic: &'a str,
    kind: &'static str,
    /// All of them.
    all: u64,
    /// Those that are wrong whatever servers there are behind the address.
    pub(super) certain: u64,
}

impl Unruled<'_> {
    /// Whether it depends on what is behind the address.
    pub(super) fn is_undecided(&self) -> bool {
        self.certain < self.all
    }
}

impl std::fmt::Display for Unruled<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} of {}", count(self.certain), self.kind, self.traffic)
    }
}

/// The name of a measure in rules, what it is called, how many there were, and how many of them only across servers.
type Measure = (&'static str, &'static str, fn(&Counts) -> u64, fn(&Counts) -> u64);

const MEASURES: [Measure; 6] = [
    ("missing", "missing", |counts| counts.missing, |counts| counts.missing),
    ("duplicate", "duplicate", |counts| counts.duplicate, |_| 0),
    ("misdelivered", "misdelivered", |counts| counts.misdelivered, |counts| counts.misdelivered_across),
    ("out_of_order", "out of order", |counts| counts.out_of_order, |counts| counts.out_of_order_across),
    ("altered", "altered", |counts| counts.altered, |_| 0),
    ("refused", "refused", |counts| counts.refused, |_| 0),
];

/// What was wrong with a load; `has_rule` says whether a rule is about `TRAFFIC.MEASURE `.
pub(super) fn unruled(load: &LoadResult, has_rule: impl Fn(&str) -> bool) -> Vec<Unruled<'_>> {
    let mut found = Vec::new();
    for traffic in &load.traffic {
        for (measure, kind, all, across) in MEASURES {
            let all = all(&traffic.counts);
            if all == 0 || has_rule(&format!("{}.{measure} ", traffic.name)) {
                continue;
            }
            let undecided = if load.signs.is_empty() { 0 } else { across(&traffic.counts) };
            found.push(Unruled { traffic: &traffic.name, kind, all, certain: all.saturating_sub(undecided) });
        }
    }
    found
}

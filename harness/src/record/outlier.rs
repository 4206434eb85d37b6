//! Messages that took long to reach everybody.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TrafficResult;

/// How many times the median of `complete` is an outlier.
const FAR: u64 = 5;

impl TrafficResult {
    /// Adds messages that took long, and keeps the worst.
    pub fn add_outliers(&mut self, more: impl IntoIterator<Item = Outlier>, most: usize) {
        self.outliers.extend(more);
        self.outliers.sort_by_key(|outlier| std::cmp::Reverse(outlier.complete));
        self.outliers.truncate(most);
    }

    /// Those that are far from what is usual, so that a reader asks why, and of which the last copy says why.
    pub fn far_outliers(&self) -> impl Iterator<Item = &Outlier> {
        let usual = self.latency.get("complete").map_or(u64::MAX, |summary| summary.p50);
        self.outliers.iter().filter(move |outlier| outlier.complete / FAR > usual && outlier.is_of_the_last())
    }
}

/// A message that took long to reach everybody, and how its last copy came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outlier {
    /// When it was to be sent.
    pub second: f64,
    /// Nanoseconds from its intended time to the last recipient.
    pub complete: u64,
    /// How many got it.
    pub recipients: u32,
    /// Nanoseconds from the last recipient but one to the last; none where there was one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<u64>,
    /// The last recipient, and its population.
    pub user: u32,
    pub population: String,
    /// Whether its copy came over polling; otherwise over a WebSocket.
    pub polling: bool,
    /// Nanoseconds from sending to the GET that brought it, where that was made later: none was waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_after: Option<u64>,
    /// Whether its copy was read together with a ping.
    pub with_ping: bool,
}

impl Outlier {
    /// Whether the last recipient alone was late; where all were, its copy explains nothing.
    fn is_of_the_last(&self) -> bool {
        self.with_ping || self.asked_after.is_some() || self.gap.is_some_and(|gap| gap >= self.complete / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Summary;

    #[test]
    fn what_is_far_is_shown_if_the_last_copy_says_why() {
        let far = Outlier { complete: 10_000, recipients: 3, gap: Some(10), ..Outlier::default() };
        let explained = [
            Outlier { gap: Some(9_000), ..far.clone() },
            Outlier { with_ping: true, ..far.clone() },
            Outlier { asked_after: Some(8_000), gap: None, ..far.clone() },
        ];
        let near = Outlier { complete: 3_000, with_ping: true, ..far.clone() };
        let latency = [("complete".to_owned(), Summary { p50: 1_000, ..Summary::default() })].into_iter().collect();
        let mut traffic = TrafficResult { latency, ..TrafficResult::default() };
        traffic.add_outliers(explained.iter().cloned().chain([far, near]), 5);
        let shown: Vec<_> = traffic.far_outliers().collect();
        assert_eq!(shown, explained.iter().collect::<Vec<_>>());
    }
}

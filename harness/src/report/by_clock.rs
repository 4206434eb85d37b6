//! Latencies on one clock beside those over several, of a run that was put together of parts.

use super::text::time;
use crate::record::{ByClock, ClocksDisagree, LoadResult, SignedSummary};
use crate::vocab::samples::needed;

/// A distribution with its name, its percentiles and maximum, and what is to be known of it.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) values: [String; 5],
    pub(super) about: String,
}

/// Two rows for each traffic: deliveries within a part, and all of them.
pub(super) fn rows(load: &LoadResult) -> Vec<Row> {
    let Some(together) = &load.together else { return Vec::new() };
    let bound = signed(together.clocks_within);
    let of = |by_clock: &ByClock| {
        let row = |what: &str, summary: &SignedSummary, about: String| Row {
            name: format!("{}, {what}", by_clock.traffic),
            values: values(summary),
            about,
        };
        let (count, all) = (by_clock.same_part.count, by_clock.all.count);
        let share = 100.0 * count as f64 / all.max(1) as f64;
        [
            row("one clock", &by_clock.same_part, format!("{share:.0} % of all, within a part")),
            row("all", &by_clock.all, format!("± {bound} (clock)")),
        ]
    };
    together.by_clock.iter().flat_map(of).collect()
}

/// What is said where the two differ by more than can be.
pub(super) fn remarks(load: &LoadResult) -> Vec<String> {
    let Some(together) = &load.together else { return Vec::new() };
    let bound = signed(together.clocks_within);
    let says = |traffic: &str, found: &ClocksDisagree| {
        format!(
            "{traffic}.delivery {} is {} on one clock and {} over all parts: more than the clocks' bound ({bound}) and chance ({}) explain. The \
             machines of the parts are not alike (network, load), or the bound is wrong; of the target it says nothing",
            found.figure,
            signed(found.same_part),
            signed(found.all),
            signed(found.by_chance)
        )
    };
    let all = together.by_clock.iter();
    all.flat_map(|by_clock| by_clock.disagree.iter().map(|found| says(&by_clock.traffic, found))).collect()
}

fn values(summary: &SignedSummary) -> [String; 5] {
    let values =
        [(summary.p50, 0.5), (summary.p90, 0.9), (summary.p99, 0.99), (summary.p999, 0.999), (summary.max, 1.0)];
    values.map(|(value, quantile)| match summary.count {
        0 => "-".to_owned(),
        few if few < needed(quantile) => format!("{}?", signed(value)),
        _ => signed(value),
    })
}

/// A time of either sign.
fn signed(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    format!("{sign}{}", time(nanos.unsigned_abs() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Together;

    #[test]
    fn two_figures_and_what_they_differ_by() {
        let same_part = SignedSummary { count: 250, p50: 2_000_000, p99: 3_000_000, ..SignedSummary::default() };
        let all = SignedSummary { count: 1_000, p50: -20_000, p99: 9_000_000, ..SignedSummary::default() };
        let found =
            ClocksDisagree { figure: "p99".to_owned(), same_part: 3_000_000, all: 9_000_000, by_chance: 150_000 };
        let by_clock = vec![ByClock { traffic: "tell".to_owned(), same_part, all, disagree: vec![found] }];
        let together = Together { parts: 4, clocks_within: 200_000, by_clock };
        let load = LoadResult { together: Some(together), ..LoadResult::default() };
        let rows = rows(&load);
        assert_eq!(
            (&*rows[0].name, &*rows[0].values[0], &*rows[0].values[3]),
            ("tell, one clock", "2.00 ms", "0.00 ns?")
        );
        assert_eq!((&*rows[1].name, &*rows[1].values[0], &*rows[1].values[2]), ("tell, all", "-0.02 ms", "9.00 ms"));
        assert_eq!((&*rows[0].about, &*rows[1].about), ("25 % of all, within a part", "± 0.20 ms (clock)"));
        let said = remarks(&load);
        assert!(
            said.len() == 1 && said[0].contains("tell.delivery p99 is 3.00 ms on one clock and 9.00 ms"),
            "{said:?}"
        );
        assert!(super::rows(&LoadResult::default()).is_empty() && remarks(&LoadResult::default()).is_empty());
    }
}

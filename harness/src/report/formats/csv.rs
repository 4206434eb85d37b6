//! The seconds of a load as a table: one row for each, one column for each figure.

use indexmap::IndexSet;

use super::escape::one_line;
use crate::record::{Due, Entry, Summary, seconds, seconds_by_load};
use crate::vocab::Measure;

/// CSV with a line of headers; times in milliseconds, memory in bytes, CPU in seconds and counts since the start. `owed` is
/// what was owed of the messages that were due by then; it is known when a load has ended.
pub(super) fn render(entries: &[Entry]) -> String {
    let measures: IndexSet<&String> = seconds(entries).flat_map(|second| second.latency.keys()).collect();
    let metrics: IndexSet<&String> = seconds(entries).flat_map(|second| second.metrics.keys()).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut head: Vec<String> = HEAD.map(ToOwned::to_owned).to_vec();
    for measure in &measures {
        head.extend(["p50", "p99", "max"].map(|of| text(&format!("{measure} {of} ms"))));
    }
    head.extend([Measure::Late, Measure::ReadDelay].map(|measure| format!("{} p99 ms", measure.label())));
    head.extend(["target cpu s", "target memory", "sio-bench cpu s", "sio-bench memory"].map(ToOwned::to_owned));
    head.extend(metrics.iter().map(|metric| text(metric)));
    // Writing to memory does not fail.
    let _ = writer.write_record(&head);
    let loads = seconds_by_load(entries).into_iter();
    let rows = loads.flat_map(|(seconds, load)| seconds.into_iter().map(move |second| (second, load)));
    for (second, load) in rows {
        let scenario = load.map_or("", |load| &load.scenario);
        let mut row = vec![text(scenario), format!("{:.3}", second.second), text(&second.phase)];
        let counts = [second.connected, second.iterating, second.failed, second.sent, second.delivered, second.wrong];
        row.extend(counts.map(|value| value.to_string()));
        let due = load.map(|load| &load.due).filter(|due| !due.is_empty());
        row.push(due.map_or_else(String::new, |due: &Due| format!("{:.0}", due.owed_until(second.second))));
        for measure in &measures {
            let summary = second.latency.get(*measure);
            row.extend([|s: &Summary| s.p50, |s: &Summary| s.p99, |s: &Summary| s.max].map(|of| millis(summary, of)));
        }
        row.extend([&second.late, &second.read].map(|summary| millis(Some(summary), |summary| summary.p99)));
        for cost in [&second.target, &second.own] {
            row.push(cost.cpu.map_or_else(String::new, |cpu| format!("{cpu:.2}")));
            row.push(cost.memory.map_or_else(String::new, |memory| memory.to_string()));
        }
        row.extend(metrics.iter().map(|name| second.metrics.get(*name).map_or_else(String::new, ToString::to_string)));
        let _ = writer.write_record(&row);
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

const HEAD: [&str; 10] =
    ["scenario", "second", "phase", "connected", "iterating", "failed", "sent", "delivered", "wrong", "owed"];

fn millis(summary: Option<&Summary>, of: impl Fn(&Summary) -> u64) -> String {
    summary
        .filter(|summary| summary.count > 0)
        .map_or_else(String::new, |summary| format!("{:.6}", of(summary) as f64 / 1e6))
}

/// A text that no spreadsheet takes for a formula.
fn text(text: &str) -> String {
    let is_formula = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    let text = one_line(text);
    if is_formula { format!("'{text}") } else { text.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Progress;

    #[test]
    fn a_second_is_a_row_and_nothing_in_it_is_a_formula() {
        let summary = Summary { count: 2, p50: 1_500_000, p99: 2_000_000, max: 3_000_000, ..Summary::default() };
        let progress = Progress {
            second: 1.0,
            phase: "=cmd()".to_owned(),
            sent: 7,
            latency: [("+t.delivery".to_owned(), summary)].into_iter().collect(),
            ..Progress::default()
        };
        let text = render(&[
            Entry::Progress(progress.clone()),
            Entry::Progress(Progress { second: 2.0, ..Progress::default() }),
        ]);
        let mut lines = text.lines();
        assert!(lines.next().unwrap().contains(",'+t.delivery p50 ms,"), "{text}");
        assert!(lines.next().unwrap().starts_with(",1.000,'=cmd(),0,0,0,7,0,0,,1.500000,2.000000,3.000000,"), "{text}");
        assert!(lines.next().unwrap().starts_with(",2.000,,0,0,0,0,0,0,,,,,"), "{text}");
    }
}

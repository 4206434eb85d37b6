//! A second of a run as named figures, the same for everybody who asks.

use std::fmt::Write as _;

use crate::record::Progress;

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) metric: &'static Metric,
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: f64,
}

/// A kind of figure.
#[derive(Debug, PartialEq)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    /// Whether it only grows.
    pub(crate) counter: bool,
    /// As in the names of Prometheus: `seconds`, `bytes`, or nothing.
    pub(crate) unit: &'static str,
}

const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Metric {
    Metric { name, help, counter: false, unit }
}

const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Metric {
    Metric { name, help, counter: true, unit }
}

static ASKED: Metric = gauge("sio_bench_users_requested", "", "Users that the scenario asks for.");
static OPEN: Metric = gauge("sio_bench_users_connected", "", "Users that are in their rooms.");
static FAILED: Metric = gauge("sio_bench_users_failed", "", "Users that could not be opened.");
static VISITS: Metric = gauge("sio_bench_iterations", "", "Iterations of flows under way.");
static SENT: Metric = counter("sio_bench_sent", "", "Messages sent.");
static DELIVERED: Metric = counter("sio_bench_delivered", "", "Messages received by those whom they were for.");
static WRONG: Metric = counter("sio_bench_wrong", "", "Deliveries that were wrong, and those known to be missing.");
static LATENCY: Metric = gauge(
    "sio_bench_latency_seconds",
    "seconds",
    "Latency from the intended time: within the last second, or over the measured phases of a run that has ended.",
);
static LATE: Metric =
    gauge("sio_bench_generator_late_seconds", "seconds", "How late sio-bench sent within the last second.");
static READ: Metric = gauge(
    "sio_bench_generator_read_delay_seconds",
    "seconds",
    "How long what had arrived waited for sio-bench to read it.",
);
static CPU: Metric = counter("sio_bench_cpu_seconds", "seconds", "CPU time of a side since its start.");
static MEMORY: Metric = gauge("sio_bench_memory_bytes", "bytes", "Memory of a side.");

/// Every metric there is.
pub(crate) static METRICS: [&Metric; 12] =
    [&ASKED, &OPEN, &FAILED, &VISITS, &SENT, &DELIVERED, &WRONG, &LATENCY, &LATE, &READ, &CPU, &MEMORY];

/// The figures of one second.
pub(crate) fn figures(scenario: &str, asked: u64, progress: &Progress) -> Vec<Figure> {
    let run = || vec![("scenario", scenario.to_owned()), ("phase", progress.phase.clone())];
    let plain = |metric, value| Figure { metric, labels: run(), value };
    let mut all = vec![
        plain(&ASKED, asked as f64),
        plain(&OPEN, progress.connected as f64),
        plain(&FAILED, progress.failed as f64),
        plain(&VISITS, progress.iterating as f64),
    ];
    // What grows must not begin anew with each phase.
    let whole = || vec![("scenario", scenario.to_owned())];
    for (metric, value) in [(&SENT, progress.sent), (&DELIVERED, progress.delivered), (&WRONG, progress.wrong)] {
        all.push(Figure { metric, labels: whole(), value: value as f64 });
    }
    let mut quantiles = |metric: &'static Metric, measure: Option<&str>, summary: &crate::record::Summary| {
        if summary.count == 0 {
            return;
        }
        let values = [
            ("0.5", summary.p50),
            ("0.9", summary.p90),
            ("0.99", summary.p99),
            ("0.999", summary.p999),
            ("1", summary.max),
        ];
        for (quantile, nanos) in values {
            let mut labels = run();
            labels.extend(measure.map(|measure| ("measure", measure.to_owned())));
            labels.push(("quantile", quantile.to_owned()));
            all.push(Figure { metric, labels, value: nanos as f64 / 1e9 });
        }
    };
    for (measure, summary) in &progress.latency {
        quantiles(&LATENCY, Some(measure), summary);
    }
    quantiles(&LATE, None, &progress.late);
    quantiles(&READ, None, &progress.read);
    for (side, cost) in [("target", &progress.target), ("sio-bench", &progress.own)] {
        let labels = || vec![("scenario", scenario.to_owned()), ("side", side.to_owned())];
        all.extend(cost.cpu.map(|value| Figure { metric: &CPU, labels: labels(), value }));
        all.extend(cost.memory.map(|bytes| Figure { metric: &MEMORY, labels: labels(), value: bytes as f64 }));
    }
    all
}

/// Figures in the text format of OpenMetrics 1.0, which Prometheus reads.
pub(crate) fn render(figures: &[Figure]) -> String {
    let mut text = String::new();
    for metric in METRICS {
        let mut own = figures.iter().filter(|figure| figure.metric == metric).peekable();
        if own.peek().is_none() {
            continue;
        }
        let kind = if metric.counter { "counter" } else { "gauge" };
        let _ = writeln!(text, "# TYPE {} {kind}", metric.name);
        if !metric.unit.is_empty() {
            let _ = writeln!(text, "# UNIT {} {}", metric.name, metric.unit);
        }
        let _ = writeln!(text, "# HELP {} {}", metric.name, metric.help);
        for figure in own {
            let labels: Vec<_> =
                figure.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
            let total = if metric.counter { "_total" } else { "" };
            let _ = writeln!(text, "{}{total}{{{}}} {}", metric.name, labels.join(","), figure.value);
        }
    }
    text.push_str("# EOF\n");
    text
}

/// The last second of a run in the text format of OpenMetrics.
pub fn openmetrics(scenario: &str, asked: u64, progress: &Progress) -> String {
    render(&figures(scenario, asked, progress))
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Cost, Summary};

    #[test]
    fn a_second_as_prometheus_reads_it() {
        let latency =
            [("tell.delivery".to_owned(), Summary { count: 3, p50: 1_500_000, max: 2e9 as u64, ..Summary::default() })];
        let progress = Progress {
            phase: "a \"b\"".to_owned(),
            sent: 7,
            latency: latency.into_iter().collect(),
            target: Cost { cpu: Some(1.25), memory: None },
            ..Progress::default()
        };
        let text = openmetrics("x", 5, &progress);
        assert!(text.contains("# TYPE sio_bench_sent counter\n"), "{text}");
        assert!(text.contains("sio_bench_sent_total{scenario=\"x\"} 7\n"), "{text}");
        assert!(text.contains("sio_bench_users_requested{scenario=\"x\",phase=\"a \\\"b\\\"\"} 5\n"), "{text}");
        let wanted = "sio_bench_latency_seconds{scenario=\"x\",phase=\"a \\\"b\\\"\",measure=\"tell.delivery\",quantile=\"0.5\"} 0.0015\n";
        assert!(text.contains(wanted), "{text}");
        assert!(text.contains("sio_bench_cpu_seconds_total{scenario=\"x\",side=\"target\"} 1.25\n"), "{text}");
        assert!(
            !text.contains("generator_late") && text.ends_with("# EOF\n"),
            "what was not measured is not told: {text}"
        );
    }
}

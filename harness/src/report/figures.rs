//! A second of a run as named figures, the same for everybody who asks.

use std::fmt::Write as _;

use crate::record::{Buckets, Progress, Summary};
use crate::vocab::Measure;

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) metric: &'static Metric,
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: Value,
}

/// What a figure is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    /// A distribution since the run began.
    Distribution(Buckets),
}

/// A kind of figure.
#[derive(Debug, PartialEq)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    /// As in the names of Prometheus: `seconds`, `bytes`, or nothing.
    pub(crate) unit: &'static str,
}

/// How a figure moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Up and down.
    Gauge,
    /// It only grows.
    Counter,
    /// Counts between bounds, each of which only grows: those of several processes can be added.
    Histogram,
}

const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Metric {
    Metric { name, help, kind: Kind::Gauge, unit }
}

const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Metric {
    Metric { name, help, kind: Kind::Counter, unit }
}

const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric { name, help, kind: Kind::Histogram, unit: "seconds" }
}

static ASKED: Metric = gauge("sio_bench_users_requested", "", "Users that the scenario asks for.");
static OPEN: Metric = gauge("sio_bench_users_connected", "", "Users that are in their rooms.");
static FAILED: Metric = gauge("sio_bench_users_failed", "", "Users that could not be opened.");
static VISITS: Metric = gauge("sio_bench_iterations", "", "Iterations of flows under way.");
static SENT: Metric = counter("sio_bench_sent", "", "Messages sent.");
static DELIVERED: Metric = counter("sio_bench_delivered", "", "Messages received by those whom they were for.");
static WRONG: Metric = counter("sio_bench_wrong", "", "Deliveries that were wrong, and those known to be missing.");
static LATENCY: Metric = histogram("sio_bench_latency_seconds", "Latency from the intended time, since the run began.");
static LATE: Metric = histogram("sio_bench_generator_late_seconds", "How late sio-bench sent, since the run began.");
static READ: Metric = histogram(
    "sio_bench_generator_read_delay_seconds",
    "How long what had arrived waited for sio-bench to read it, since the run began.",
);
static QUANTILES: Metric = gauge(
    "sio_bench_latency_quantile_seconds",
    "seconds",
    "Latency from the intended time: within the last second, or over the measured phases of a run that has ended.",
);
static LATE_QUANTILES: Metric =
    gauge("sio_bench_generator_late_quantile_seconds", "seconds", "How late sio-bench sent within the last second.");
static READ_QUANTILES: Metric = gauge(
    "sio_bench_generator_read_delay_quantile_seconds",
    "seconds",
    "How long what had arrived within the last second waited for sio-bench to read it.",
);
static CPU: Metric = counter("sio_bench_cpu_seconds", "seconds", "CPU time of a side since its start.");
static MEMORY: Metric = gauge("sio_bench_memory_bytes", "bytes", "Memory of a side.");

/// Every metric there is.
pub(crate) static METRICS: [&Metric; 15] = [
    &ASKED,
    &OPEN,
    &FAILED,
    &VISITS,
    &SENT,
    &DELIVERED,
    &WRONG,
    &LATENCY,
    &LATE,
    &READ,
    &QUANTILES,
    &LATE_QUANTILES,
    &READ_QUANTILES,
    &CPU,
    &MEMORY,
];

/// Whose second it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of<'a> {
    pub(crate) scenario: &'a str,
    /// Which of several processes; none for all of the run.
    pub(crate) worker: Option<u32>,
    /// Users that are to be there, where that is known.
    pub(crate) asked: Option<u64>,
}

impl Of<'_> {
    fn labels(&self) -> Vec<(&'static str, String)> {
        let worker = self.worker.map(|number| ("worker", number.to_string()));
        std::iter::once(("scenario", self.scenario.to_owned())).chain(worker).collect()
    }
}

/// The figures of one second.
pub(crate) fn figures(of: Of<'_>, progress: &Progress) -> Vec<Figure> {
    let with = |more: &[(&'static str, &str)]| {
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        of.labels().into_iter().chain(more).collect::<Vec<_>>()
    };
    let number = |metric, labels, value| Figure { metric, labels, value: Value::Number(value) };
    let in_phase = || with(&[("phase", &progress.phase)]);
    let mut all: Vec<Figure> = of.asked.map(|asked| number(&ASKED, in_phase(), asked as f64)).into_iter().collect();
    for (metric, value) in [(&OPEN, progress.connected), (&FAILED, progress.failed), (&VISITS, progress.iterating)] {
        all.push(number(metric, in_phase(), value as f64));
    }
    // What grows must not begin anew with each phase.
    for (metric, value) in [(&SENT, progress.sent), (&DELIVERED, progress.delivered), (&WRONG, progress.wrong)] {
        all.push(number(metric, with(&[]), value as f64));
    }
    for (measure, buckets) in &progress.so_far {
        let (metric, labels) = match measure.as_str() {
            name if name == Measure::Late.name() => (&LATE, with(&[])),
            name if name == Measure::ReadDelay.name() => (&READ, with(&[])),
            measure => (&LATENCY, with(&[("measure", measure)])),
        };
        all.push(Figure { metric, labels, value: Value::Distribution(buckets.clone()) });
    }
    for (side, cost) in [("target", &progress.target), ("sio-bench", &progress.own)] {
        let labels = || with(&[("side", side)]);
        all.extend(cost.cpu.map(|value| number(&CPU, labels(), value)));
        all.extend(cost.memory.map(|bytes| number(&MEMORY, labels(), bytes as f64)));
    }
    all
}

/// Quantiles of a second, for those to whom no histogram can be told.
pub(crate) fn quantiles(of: Of<'_>, progress: &Progress) -> Vec<Figure> {
    let mut all = Vec::new();
    let mut add = |metric: &'static Metric, measure: Option<&str>, summary: &Summary| {
        let values = [
            ("0.5", summary.p50),
            ("0.9", summary.p90),
            ("0.99", summary.p99),
            ("0.999", summary.p999),
            ("1", summary.max),
        ];
        for (quantile, nanos) in values.into_iter().filter(|_| summary.count > 0) {
            let mut labels = of.labels();
            labels.push(("phase", progress.phase.clone()));
            labels.extend(measure.map(|measure| ("measure", measure.to_owned())));
            labels.push(("quantile", quantile.to_owned()));
            all.push(Figure { metric, labels, value: Value::Number(nanos as f64 / 1e9) });
        }
    };
    progress.latency.iter().for_each(|(measure, summary)| add(&QUANTILES, Some(measure), summary));
    add(&LATE_QUANTILES, None, &progress.late);
    add(&READ_QUANTILES, None, &progress.read);
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
        let kind = match metric.kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(text, "# TYPE {} {kind}", metric.name);
        if !metric.unit.is_empty() {
            let _ = writeln!(text, "# UNIT {} {}", metric.name, metric.unit);
        }
        let _ = writeln!(text, "# HELP {} {}", metric.name, metric.help);
        own.for_each(|figure| render_figure(&mut text, figure));
    }
    text.push_str("# EOF\n");
    text
}

fn render_figure(text: &mut String, figure: &Figure) {
    let name = figure.metric.name;
    let labels: Vec<_> = figure.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    let labels = labels.join(",");
    match &figure.value {
        Value::Number(value) => {
            let total = if figure.metric.kind == Kind::Counter { "_total" } else { "" };
            let _ = writeln!(text, "{name}{total}{{{labels}}} {value}");
        }
        Value::Distribution(buckets) => {
            for (bound, count) in buckets.cumulated() {
                let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{:?}\"}} {count}", bound as f64 / 1e9);
            }
            let count = buckets.count();
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
            let _ = writeln!(text, "{name}_count{{{labels}}} {count}");
            let _ = writeln!(text, "{name}_sum{{{labels}}} {}", buckets.sum() as f64 / 1e9);
        }
    }
}

/// The last second of a run in the text format of OpenMetrics: a record keeps quantiles.
pub fn openmetrics(scenario: &str, asked: u64, progress: &Progress) -> String {
    let of = Of { scenario, worker: None, asked: Some(asked) };
    let all = [figures(of, progress), quantiles(of, progress)].concat();
    render(&all)
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
        let wanted = "sio_bench_latency_quantile_seconds{scenario=\"x\",phase=\"a \\\"b\\\"\",measure=\"tell.delivery\",quantile=\"0.5\"} 0.0015\n";
        assert!(text.contains(wanted), "{text}");
        assert!(text.contains("sio_bench_cpu_seconds_total{scenario=\"x\",side=\"target\"} 1.25\n"), "{text}");
        assert!(
            !text.contains("generator_late") && text.ends_with("# EOF\n"),
            "what was not measured is not told: {text}"
        );
    }
    /// Those of two workers add up to that of both, bucket by bucket, and each has its own name.
    #[test]
    fn distributions_can_be_added() {
        let second = |values: &[u64]| {
            let mut buckets = Buckets::default();
            values.iter().for_each(|value| buckets.add(*value, 1));
            let so_far = [("tell.delivery".to_owned(), buckets.clone()), ("generator.late".to_owned(), buckets)];
            Progress { so_far: so_far.into_iter().collect(), ..Progress::default() }
        };
        let of = |worker| Of { scenario: "x", worker, asked: None };
        let all = figures(of(None), &second(&[200_000, 300_001, 90_000_000_000]));
        let text = render(&all);
        for line in [
            "# TYPE sio_bench_latency_seconds histogram",
            "sio_bench_latency_seconds_bucket{scenario=\"x\",measure=\"tell.delivery\",le=\"0.00015\"} 0",
            "sio_bench_latency_seconds_bucket{scenario=\"x\",measure=\"tell.delivery\",le=\"0.0002\"} 1",
            "sio_bench_latency_seconds_bucket{scenario=\"x\",measure=\"tell.delivery\",le=\"0.0005\"} 2",
            "sio_bench_latency_seconds_bucket{scenario=\"x\",measure=\"tell.delivery\",le=\"+Inf\"} 3",
            "sio_bench_latency_seconds_count{scenario=\"x\",measure=\"tell.delivery\"} 3",
            "sio_bench_generator_late_seconds_count{scenario=\"x\"} 3",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
        assert!(!text.contains("users_requested") && !text.contains("quantile"), "{text}");
        let of_worker = render(&figures(of(Some(2)), &second(&[1])));
        assert!(of_worker.contains("sio_bench_sent_total{scenario=\"x\",worker=\"2\"} 0\n"), "{of_worker}");
    }
}

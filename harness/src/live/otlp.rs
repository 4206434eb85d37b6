//! The figures for an OpenTelemetry collector, by OTLP over HTTP, every five seconds and at the end.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_otlp::{MetricExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};

use super::Latest;
use super::otlp_http::Direct;
use crate::report::figures::{Figure, Kind, METRICS, Metric, Value};
use crate::vocab::lock::LockExt;

const EVERY: Duration = Duration::from_secs(5);

/// Sends until it is ended; what cannot be sent is not the run's trouble.
pub(super) struct Collector(SdkMeterProvider);

impl Collector {
    pub(super) fn new(url: &str, scenario: &str, latest: &Latest) -> Result<Self, String> {
        let endpoint = format!("{}/v1/metrics", url.trim_end_matches('/'));
        let exporter =
            MetricExporter::builder().with_http().with_http_client(Direct::new()?).with_endpoint(endpoint).build();
        let exporter = exporter.map_err(|error| format!("cannot export to {url}: {error}"))?;
        let reader = PeriodicReader::builder(exporter).with_interval(EVERY).build();
        let resource = Resource::builder()
            .with_service_name("sio-bench")
            .with_attribute(KeyValue::new("sio_bench.scenario", scenario.to_owned()))
            .build();
        let provider = SdkMeterProvider::builder().with_reader(reader).with_resource(resource).build();
        let meter = provider.meter("sio-bench");
        // What is observed from outside can be no histogram; quantiles stand for them.
        for metric in METRICS.into_iter().filter(|metric| metric.kind != Kind::Histogram) {
            let latest = latest.clone();
            let observe = move |told: &dyn opentelemetry::metrics::AsyncInstrument<f64>| {
                let figures = latest.lock_unpoisoned();
                let all = figures.all.iter().chain(&figures.quantiles);
                for (figure, value) in all.filter_map(|figure| of(figure, metric)) {
                    told.observe(value, &attributes(figure));
                }
            };
            let unit = match metric.unit {
                "seconds" => "s",
                "bytes" => "By",
                _ => "1",
            };
            if metric.kind == Kind::Counter {
                let counter = meter.f64_observable_counter(metric.name).with_unit(unit).with_description(metric.help);
                counter.with_callback(observe).build();
            } else {
                let gauge = meter.f64_observable_gauge(metric.name).with_unit(unit).with_description(metric.help);
                gauge.with_callback(observe).build();
            }
        }
        Ok(Self(provider))
    }

    /// Sends the last figures.
    pub(super) fn end(self) {
        // On a thread of its own: the exporter waits for its answer, and must not do so on a runtime's.
        let last = std::thread::spawn(move || self.0.shutdown());
        let _ = last.join();
    }
}

fn of<'a>(figure: &'a Figure, metric: &'static Metric) -> Option<(&'a Figure, f64)> {
    match figure.value {
        Value::Number(value) if figure.metric == metric => Some((figure, value)),
        _ => None,
    }
}

fn attributes(figure: &Figure) -> Vec<KeyValue> {
    figure.labels.iter().map(|(name, value)| KeyValue::new(*name, value.clone())).collect()
}

//! What the target costs: its processes on this machine, or what it tells a Prometheus server.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use indexmap::IndexMap;

use super::cpu;
use crate::client::Http;
use crate::record::Cost;
use crate::scenario::model::{Observe, ProcessId};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);
/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(2);
/// The largest answer that is read.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// What client libraries of Prometheus call it.
const CPU: &str = "process_cpu_seconds_total";
const MEMORY: &str = "process_resident_memory_bytes";

/// Looks at one target, which may be several servers.
pub(super) struct Observer<'a> {
    pids: Vec<u32>,
    http: &'a Http,
    prometheus: Option<&'a str>,
    wanted: &'a [String],
    latest: RefCell<Option<Scrape>>,
    failed: Cell<u64>,
}

/// What one answer said; values of the same name are added up.
#[derive(Clone, Debug, Default, PartialEq)]
struct Scrape {
    cpu: Option<f64>,
    memory: Option<f64>,
    wanted: IndexMap<String, f64>,
}

impl<'a> Observer<'a> {
    /// `started` are the servers that sio-bench started; what the scenario says is for others.
    pub(super) fn new(observe: Option<&'a Observe>, started: Vec<u32>, http: &'a Http) -> Self {
        let named = observe.and_then(|observe| match observe.process {
            Some(ProcessId::Known(pid)) => Some(pid),
            _ => None,
        });
        let pids = if started.is_empty() { named.into_iter().collect() } else { started };
        Self {
            pids,
            http,
            prometheus: observe.and_then(|observe| observe.prometheus.as_deref()),
            wanted: observe.map_or(&[], |observe| &observe.metrics),
            latest: RefCell::default(),
            failed: Cell::new(0),
        }
    }

    /// What it has cost so far.
    pub(super) fn cost(&self) -> Cost {
        let seen = cpu::of(&self.pids);
        let told = self.latest.borrow();
        let told = told.as_ref();
        Cost { cpu: seen.cpu.or_else(|| told?.cpu), memory: seen.memory.or_else(|| Some(told?.memory? as u64)) }
    }

    /// The metrics that were asked for, as they were last.
    pub(super) fn metrics(&self) -> IndexMap<String, f64> {
        self.latest.borrow().as_ref().map(|scrape| scrape.wanted.clone()).unwrap_or_default()
    }

    /// What could not be learned, as a remark.
    pub(super) fn problem(&self) -> Option<String> {
        let url = self.prometheus?;
        match (&*self.latest.borrow(), self.failed.get()) {
            (None, _) => Some(format!("{url} did not tell anything about the target")),
            (Some(_), 0) => None,
            (Some(_), _) => Some(format!("{url} did not answer each time")),
        }
    }

    /// Asks again and again; never returns.
    pub(super) async fn follow(&self) {
        let Some(url) = self.prometheus else { return std::future::pending().await };
        let mut interval = tokio::time::interval(EVERY);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            interval.tick().await;
            self.ask(url).await;
        }
    }

    /// Asks once.
    pub(super) async fn look(&self) {
        if let Some(url) = self.prometheus {
            self.ask(url).await;
        }
    }

    async fn ask(&self, url: &str) {
        match tokio::time::timeout(LIMIT, self.fetch(url)).await {
            Ok(Some(text)) => *self.latest.borrow_mut() = Some(parse(&text, self.wanted)),
            Ok(None) | Err(_) => self.failed.set(self.failed.get() + 1),
        }
    }

    async fn fetch(&self, url: &str) -> Option<String> {
        let request = http::Request::get(url).body(Full::<Bytes>::default()).ok()?;
        let response = self.http.request(request).await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await.ok()?.to_bytes();
        Some(String::from_utf8_lossy(&body).into_owned())
    }
}

/// Reads the text format of Prometheus: `name{labels} value [time]`.
fn parse(text: &str, wanted: &[String]) -> Scrape {
    let mut scrape = Scrape::default();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = sample(line) else { continue };
        match name {
            CPU => *scrape.cpu.get_or_insert(0.0) += value,
            MEMORY => *scrape.memory.get_or_insert(0.0) += value,
            _ => {}
        }
        if wanted.iter().any(|wanted| wanted == name) {
            *scrape.wanted.entry(name.to_owned()).or_default() += value;
        }
    }
    scrape
}

fn sample(line: &str) -> Option<(&str, f64)> {
    let (name, rest) = match line.split_once('{') {
        // Values of labels may have braces and spaces in them; the last brace ends them.
        Some((name, rest)) => (name, rest.rsplit_once('}')?.1),
        None => line.split_once(' ')?,
    };
    let value: f64 = rest.split_whitespace().next()?.parse().ok()?;
    value.is_finite().then_some((name.trim(), value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_servers_tell_is_understood() {
        let text = "# HELP x y\n# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 12.5 1700000000000\n\
                    process_resident_memory_bytes{instance=\"a } b\"} 1e6\nprocess_resident_memory_bytes{instance=\"c\"} 2e6\n\
                    lag{quantile=\"0.9\"} 0.25\nlag{quantile=\"0.99\"} NaN\nbroken\n";
        let scrape = parse(text, &["lag".to_owned()]);
        assert_eq!((scrape.cpu, scrape.memory), (Some(12.5), Some(3e6)));
        assert_eq!(scrape.wanted.get("lag"), Some(&0.25));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}") {
            parse(&text, &[]);
        }
    }
}

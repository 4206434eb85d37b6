//! A run held against earlier ones: what has changed, how sure that is, and the thresholds about it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::difference::{Difference, Figure, Stretches};
use crate::exit::Exit;
use crate::record::intervals::{self, in_log};
use crate::record::{
    self, Baseline, Change, Entry, Header, LoadResult, ScenarioStart, ThresholdResult, ThresholdVerdict, loads,
};
use crate::scenario::Loaded;
use crate::scenario::model::{Limit, Metric, Stat, Threshold};
use crate::secrets::hide;
use crate::vocab::Measure;
use crate::vocab::measure::Over;
use crate::vocab::text::time;

/// What a table of changes shows of each measure.
const FIGURES: [(&str, Figure); 3] =
    [("p50", Figure::Quantile(0.5)), ("p99", Figure::Quantile(0.99)), ("mean", Figure::Mean)];

/// A record of an earlier run.
#[derive(Clone, Debug)]
pub struct Earlier {
    path: PathBuf,
    folder: PathBuf,
    header: Header,
    scenarios: Vec<ScenarioStart>,
}

impl Earlier {
    /// Reads a record whose figures can be trusted; the error says why they cannot.
    pub fn read(path: &Path) -> Result<Self, String> {
        let entries = record::read_for_report(path)?;
        let refuse = |why: &str| format!("the baseline {} {why}", path.display());
        match entries.last() {
            Some(Entry::Footer(footer)) if footer.exit == Exit::Passed as u8 || footer.exit == Exit::Failed as u8 => {}
            Some(Entry::Footer(footer)) => return Err(refuse(&format!("cannot be one: {}", footer.verdict))),
            _ => return Err(refuse("was cut short; its record has no end")),
        }
        if loads(&entries).next().is_none() {
            return Err(refuse("has no load"));
        }
        let scenarios = entries.iter().filter_map(|entry| match entry {
            Entry::Scenario(start) => Some(start.clone()),
            _ => None,
        });
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
        Ok(Self {
            scenarios: scenarios.collect(),
            header: record::header(&entries).cloned().ok_or_else(|| refuse("has no header"))?,
            folder: folder.to_owned(),
            path: path.to_owned(),
        })
    }

    /// Whether it is of the same load; the error says in what it differs.
    pub fn check(&self, loaded: &Loaded) -> Result<(), String> {
        let name = &loaded.scenario.name;
        let refuse = |why: String| Err(format!("the baseline {} {why}", self.path.display()));
        let Some(start) = self.scenarios.iter().find(|start| start.name == *name) else {
            let known: Vec<_> = self.scenarios.iter().map(|start| start.name.as_str()).collect();
            return refuse(format!("is of {}, not of {name}", known.join(", ")));
        };
        if let (Some(before), Some(now)) = (start.version, loaded.scenario.version)
            && before != now
        {
            return refuse(format!("is of version {before} of {name}, and this is version {now}"));
        }
        for (key, value) in &loaded.vars {
            let before = start.vars.get(key).map_or("not there", String::as_str);
            let value = hide(value);
            if before != value {
                return refuse(format!(
                    "is of another load: {key} was {before} and is {value} now\n  use --set, or another baseline"
                ));
            }
        }
        let log = self.log(name);
        if log.exists() { Ok(()) } else { refuse(format!("has no {}, which has its latencies", log.display())) }
    }

    fn log(&self, scenario: &str) -> PathBuf {
        log(&self.folder, scenario)
    }

    /// As it is recorded by a run that has this header and these scenarios.
    pub fn entry(&self, header: &Header, now: &[&Loaded]) -> Baseline {
        let mut remarks = Vec::new();
        let (before, host) = (&self.header.host, &header.host);
        if (&before.os, &before.arch, before.cores) != (&host.os, &host.arch, host.cores) {
            remarks.push(format!("it ran on another machine: {} {}, {} cores", before.os, before.arch, before.cores));
        }
        if self.header.version != header.version {
            remarks.push(format!("it was measured by sio-bench {}", self.header.version));
        }
        for start in &self.scenarios {
            let same = now.iter().find(|loaded| loaded.scenario.name == start.name);
            if let Some(loaded) = same.filter(|loaded| loaded.scenario.seed != start.seed) {
                remarks.push(format!("its seed was {}, not {}", start.seed, loaded.scenario.seed));
            }
        }
        let target = &self.header.target;
        Baseline {
            record: self.path.display().to_string(),
            started: self.header.started.clone(),
            target: match &target.version {
                Some(version) => format!("{} ({version})", target.name),
                None => target.name.clone(),
            },
            remarks,
        }
    }
}

fn log(folder: &Path, scenario: &str) -> PathBuf {
    folder.join(format!("{scenario}.hlog"))
}

/// What is read of a log: a measure, in some phases or in any.
struct Wanted<'a> {
    measure: &'a str,
    phases: Option<Vec<String>>,
}

impl Wanted<'_> {
    fn read(&self, log: &Path) -> Result<Stretches, String> {
        let measure = in_log(self.measure);
        let mut seconds: BTreeMap<i64, Vec<(u64, u64)>> = BTreeMap::new();
        let wanted = |interval: &intervals::Interval<'_>| {
            let phases = self.phases.as_ref();
            interval.measure == measure && phases.is_none_or(|phases| phases.iter().any(|name| name == interval.phase))
        };
        intervals::visit(log, wanted, |interval, histogram| {
            let values = histogram.iter_recorded();
            let second = seconds.entry(interval.start.floor() as i64).or_default();
            second.extend(values.map(|value| (value.value_iterated_to(), value.count_since_last_iteration())));
        })?;
        Ok(Stretches::of(&seconds.into_values().collect::<Vec<_>>()))
    }

    /// What it was in earlier runs and in that of `folder`; `None` when one of them has no log that can be read.
    fn read_all(&self, folder: &Path, scenario: &str, earlier: &[Earlier]) -> Option<Measured> {
        let before = earlier.iter().map(|run| self.read(&run.log(scenario))).collect::<Result<_, _>>().ok()?;
        Some(Measured { before, now: self.read(&log(folder, scenario)).ok()? })
    }
}

/// A measure in earlier runs and in this one.
struct Measured {
    before: Vec<Stretches>,
    now: Stretches,
}

impl Measured {
    /// What a figure was, what it is, and how they differ.
    fn compare(&self, figure: Figure) -> Option<Compared> {
        let logs: Vec<f64> = self.before.iter().map(|run| figure.of(run).map(f64::ln)).collect::<Option<_>>()?;
        let middle = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
        let difference = Difference::of_runs(&self.before, &self.now, figure);
        Some(Compared { before: middle, now: figure.of(&self.now)?, difference })
    }
}

struct Compared {
    before: f64,
    now: f64,
    /// `None` when a run was too short.
    difference: Option<Difference>,
}

const TOO_SHORT: &str = "too short: at least 8 measured seconds are needed";

/// The measured phases of a load.
fn measured(load: &LoadResult) -> Vec<String> {
    let of_traffic = load.traffic.iter().flat_map(|traffic| &traffic.phases);
    let of_traffic = of_traffic.filter(|phase| phase.measured).map(|phase| in_log(&phase.name));
    let of_steps = load.steps.iter().flat_map(|step| &step.phases);
    let of_steps = of_steps.filter(|phase| phase.measured).map(|phase| in_log(&phase.name));
    of_traffic.chain(of_steps).collect()
}

/// How the latencies of a load differ from those of earlier runs. `folder` is that of the run's record.
pub fn changes(folder: &Path, load: &LoadResult, earlier: &[Earlier]) -> Vec<Change> {
    let mut measures: Vec<String> = Vec::new();
    for traffic in &load.traffic {
        let found = Measure::main_of_traffic().filter(|measure| traffic.latency.contains_key(measure.name()));
        measures.extend(found.map(|measure| measure.full_name(&traffic.name)));
    }
    measures.extend(load.steps.iter().map(|step| step.name.clone()));
    let mut changes = Vec::new();
    for measure in &measures {
        let wanted = Wanted { measure, phases: Some(measured(load)) };
        let Some(measured) = wanted.read_all(folder, &load.scenario, earlier) else { continue };
        for (name, figure) in FIGURES {
            let Some(found) = measured.compare(figure) else { continue };
            changes.push(Change {
                scenario: load.scenario.clone(),
                measure: measure.clone(),
                figure: name.to_owned(),
                before: found.before,
                now: found.now,
                range: found.difference.map(|difference| (difference.low, difference.high)),
                says: found.difference.map_or_else(|| TOO_SHORT.to_owned(), |difference| difference.change()),
            });
        }
    }
    changes
}

/// Decides the rules of a scenario that are about earlier runs.
pub fn decide(folder: &Path, loaded: &Loaded, load: &LoadResult, earlier: &[Earlier]) -> Vec<ThresholdResult> {
    let decide = |(rule, by): (&Threshold, f64)| {
        let measure = in_hlog(&rule.metric)?;
        let phases = match (&rule.phase, &rule.metric) {
            (Some(phase), _) => Some(vec![in_log(phase)]),
            // These come when users do, which may be ahead of what is measured.
            (None, Metric::Times(measure)) if measure.row().over != Over::Measured => None,
            (None, _) => Some(measured(load)),
        };
        let figure = match rule.stat {
            Stat::Quantile(quantile) => Figure::Quantile(quantile),
            Stat::Mean | Stat::Max | Stat::Plain => Figure::Mean,
        };
        let wanted = Wanted { measure: &measure, phases };
        let measured = wanted.read_all(folder, &load.scenario, earlier);
        let (verdict, observed) = judge(measured.and_then(|measured| measured.compare(figure)), by);
        Some(loaded.threshold_result(rule, observed, verdict))
    };
    rules(loaded).filter_map(decide).collect()
}

/// The rules of a scenario that are about earlier runs, each with the share by which it may be worse.
pub fn rules(loaded: &Loaded) -> impl Iterator<Item = (&Threshold, f64)> {
    loaded.scenario.slo.iter().filter_map(|rule| match rule.limit {
        Limit::Baseline(by) => Some((rule, by)),
        Limit::Bound(..) => None,
    })
}

/// Broken is what is certainly worse by more, and what holds is certainly not.
fn judge(found: Option<Compared>, by: f64) -> (ThresholdVerdict, String) {
    let Some(found) = found else { return (ThresholdVerdict::Unknown, "no samples".to_owned()) };
    let (before, now) = (time(found.before), time(found.now));
    let Some(difference) = found.difference else {
        return (ThresholdVerdict::Unknown, format!("{now}, was {before}; {TOO_SHORT}"));
    };
    let verdict = if difference.low > by {
        ThresholdVerdict::Broken
    } else if difference.high <= by {
        ThresholdVerdict::Holds
    } else {
        ThresholdVerdict::Unknown
    };
    let hint = if verdict == ThresholdVerdict::Unknown { "; longer phases or more load would decide it" } else { "" };
    (verdict, format!("{now}, was {before}: {}{hint}", difference.range()))
}

/// The name of a measure in a `.hlog`, before it is made a tag.
fn in_hlog(metric: &Metric) -> Option<String> {
    Some(match metric {
        Metric::Latency { traffic, of } => of.full_name(traffic),
        Metric::Step(name) => Measure::Step.full_name(name),
        Metric::Times(measure) => measure.full_name(""),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(low: f64, high: f64) -> Compared {
        let difference = Difference { estimate: f64::midpoint(low, high), low, high, blocks: 30 };
        Compared { before: 1e6, now: 1.1e6, difference: Some(difference) }
    }

    #[test]
    fn a_rule_is_broken_when_that_is_certain_and_holds_when_that_is() {
        let verdict = |low, high| judge(Some(compared(low, high)), 0.10).0;
        assert_eq!(verdict(-0.05, 0.08), ThresholdVerdict::Holds);
        assert_eq!(verdict(0.04, 0.10), ThresholdVerdict::Holds);
        assert_eq!(verdict(0.12, 0.30), ThresholdVerdict::Broken);
        assert_eq!(verdict(0.02, 0.30), ThresholdVerdict::Unknown);
        let short = judge(Some(Compared { before: 1e6, now: 1e6, difference: None }), 0.10);
        assert!(short.0 == ThresholdVerdict::Unknown && short.1.contains("too short"), "{}", short.1);
        assert_eq!(judge(None, 0.10).0, ThresholdVerdict::Unknown);
    }
}

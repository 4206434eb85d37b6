//! Decides the thresholds of `[slo]`.

#[cfg(test)]
mod tests;

use std::time::Duration;

use hdrhistogram::Histogram;

use super::metrics::Histograms;
use super::plan::Plan;
use crate::record::{
    CaseResult, CaseVerdict, Counts, Iterations, LoadResult, ThresholdKind, ThresholdResult, ThresholdVerdict,
    WorkerTime,
};
use crate::scenario::Loaded;
use crate::scenario::model::{Count, Limit, Metric, Stat, Threshold};
use crate::vocab::id::PhaseId;
use crate::vocab::measure::Over;
use crate::vocab::{Measure, samples, text};

/// Decides every rule of a scenario.
pub(super) fn decide(
    loaded: &Loaded,
    plan: &Plan,
    load: &LoadResult,
    histograms: &Histograms,
    cases: &[CaseResult],
) -> Vec<ThresholdResult> {
    let judge = Judge { plan, load, histograms, cases };
    // What a run alone has no measure for is for those to decide that have.
    let alone = |rule: &&Threshold| rule.metric != Metric::Capacity && matches!(rule.limit, Limit::Bound(..));
    loaded.scenario.slo.iter().filter(alone).map(|rule| judge.decide(loaded, rule)).collect()
}

impl Loaded {
    /// What came of a rule, as it is recorded.
    pub fn threshold_result(&self, rule: &Threshold, observed: String, verdict: ThresholdVerdict) -> ThresholdResult {
        ThresholdResult {
            scenario: self.scenario.name.clone(),
            threshold: rule.text.clone(),
            place: format!("{}:{}:{}", self.source.name, rule.place.0, rule.place.1),
            observed,
            verdict,
            about: rule.metric.about(),
        }
    }
}

/// A threshold that ends the run before its time, and is crossed after so long; the ones that have no value yet are not.
pub(super) fn crossed(
    loaded: &Loaded,
    plan: &Plan,
    load: &LoadResult,
    histograms: &Histograms,
    after: Duration,
) -> Option<ThresholdResult> {
    let judge = Judge { plan, load, histograms, cases: &[] };
    let due = |rule: &&Threshold| rule.ends_run.is_some_and(|from| after >= from);
    loaded.scenario.slo.iter().filter(due).find_map(|rule| {
        let value = judge.value(rule).ok()?;
        let beyond = rule.limit.holds(value.number) == Some(false) && value.remark.is_none();
        // Looked at each second: the rest is worked out only where it matters.
        let result = beyond.then(|| judge.decide(loaded, rule))?;
        (result.verdict == ThresholdVerdict::Broken).then_some(result)
    })
}

/// Of one part of a run, or of what is left of one, what would be decided by figures of the whole is left open; `why` says so. What is
/// wrong already stays wrong.
pub(super) fn postpone(loaded: &Loaded, rules: &mut [ThresholdResult], why: &str) {
    for rule in rules {
        let place = |threshold: &&Threshold| {
            rule.place == format!("{}:{}:{}", loaded.source.name, threshold.place.0, threshold.place.1)
        };
        let threshold = loaded.scenario.slo.iter().find(place);
        let is_proven = threshold.is_some_and(|threshold| {
            let of = match &threshold.metric {
                Metric::Count { of, .. } => *of,
                _ => return false,
            };
            let is_wrong = matches!(
                of,
                Count::Missing | Count::Duplicate | Count::Misdelivered | Count::OutOfOrder | Count::Altered
            );
            // More of it can only come to more.
            is_wrong && threshold.limit.holds(0.0) == Some(true)
        });
        if rule.verdict != ThresholdVerdict::Broken || !is_proven {
            rule.verdict = ThresholdVerdict::Unknown;
            rule.observed = format!("{} {why}", rule.observed);
        }
    }
}

struct Judge<'a> {
    plan: &'a Plan,
    load: &'a LoadResult,
    histograms: &'a Histograms,
    cases: &'a [CaseResult],
}

/// What a rule is held against.
struct Value {
    number: f64,
    /// What it is worth, if not much.
    remark: Option<String>,
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self { number, remark: None }
    }
}

/// Why there is nothing to decide a rule by.
type Nothing = &'static str;

const NO_SAMPLES: Nothing = "no samples";
const NOT_KNOWN: Nothing = "not known";

impl Judge<'_> {
    fn decide(&self, loaded: &Loaded, rule: &Threshold) -> ThresholdResult {
        let (mut verdict, mut observed) = match self.value(rule) {
            Err(why) => (ThresholdVerdict::Unknown, why.to_owned()),
            Ok(Value { number, remark }) => {
                let holds = rule.limit.holds(number) == Some(true);
                let remark = remark.map_or_else(String::new, |remark| format!(" ({remark})"));
                let verdict = if holds { ThresholdVerdict::Holds } else { ThresholdVerdict::Broken };
                (verdict, show(&rule.metric, number) + &remark)
            }
        };
        if let Some(certain) = self.certain(rule).filter(|_| verdict == ThresholdVerdict::Broken) {
            if rule.limit.holds(certain) == Some(true) {
                verdict = ThresholdVerdict::Unknown;
            }
            observed = format!("{observed}, of which {} whatever servers there are", show(&rule.metric, certain));
        }
        if verdict == ThresholdVerdict::Broken
            && let Some((without, own)) = self.without_own_delay(rule)
            && rule.limit.holds(without) == Some(true)
        {
            verdict = ThresholdVerdict::Unknown;
            observed = format!(
                "{observed}, of which up to {} may be this machine's: sio-bench itself was so late",
                text::time(own)
            );
        }
        loaded.threshold_result(rule, observed, verdict)
    }

    /// What is certain of a count where there are signs of several servers: what one of them owes whatever the others do.
    /// That is the order of one sender's messages and that nothing comes twice; what other servers have to pass on may still
    /// be on its way.
    fn certain(&self, rule: &Threshold) -> Option<f64> {
        let Metric::Count { traffic, of } = &rule.metric else { return None };
        let counts = self.counts(traffic, rule.phase.as_deref(), rule.users.as_deref())?;
        if self.load.signs.is_empty() {
            return None;
        }
        match of {
            Count::Missing => Some(0.0),
            Count::OutOfOrder => Some(counts.out_of_order.saturating_sub(counts.out_of_order_across) as f64),
            Count::Misdelivered => Some(counts.misdelivered.saturating_sub(counts.misdelivered_across) as f64),
            _ => None,
        }
    }

    /// A latency without what sio-bench itself may have added to it, and how much that is: how late it sent, and how long what had come
    /// waited to be read, at the same percentile. The latter is in no latency. It shows how long whatever runs here waits for a core, and a
    /// target on the same machine does so, too.
    fn without_own_delay(&self, rule: &Threshold) -> Option<(f64, f64)> {
        if !rule.metric.is_latency() || rule.metric.about() == ThresholdKind::Generator {
            return None;
        }
        let of_own = |metric| {
            let own = Threshold { metric, users: None, ..rule.clone() };
            self.value(&own).map_or(0.0, |value| value.number)
        };
        let own = of_own(Metric::Times(Measure::Late)) + of_own(Metric::Times(Measure::ReadDelay));
        let value = self.value(rule).ok()?;
        Some((value.number - own, own))
    }

    fn value(&self, rule: &Threshold) -> Result<Value, Nothing> {
        let phase = rule.phase.as_deref();
        let alone = match &rule.metric {
            Metric::Count { traffic, of } => return self.count(traffic, *of, phase, rule.users.as_deref()),
            Metric::GeneratorCpu => self.worst(|time| time.busy).ok_or(NOT_KNOWN),
            Metric::GeneratorCpuWait => self.worst(|time| time.waited).ok_or(NOT_KNOWN),
            Metric::Errors => self.errors().ok_or("nobody came"),
            Metric::Upgraded => self.load.transports.share().ok_or("nobody was to upgrade"),
            Metric::Recovered => self.recovered(phase).ok_or("no session was asked back"),
            Metric::Certainty => self.load.certainty().ok_or("nothing was owed"),
            Metric::Case(rule) => self.passed(rule).ok_or("no such case was played"),
            Metric::TargetCpu => self.load.target_cpu_each().map(|seconds| seconds * 1e9).ok_or(NOT_KNOWN),
            Metric::TargetMemory => self.load.memory.target.per_user(self.load.users.connected).ok_or(NOT_KNOWN),
            Metric::Capacity => Err(NOT_KNOWN),
            _ => {
                let distribution = self.distribution(rule).filter(|found| !found.is_empty()).ok_or(NO_SAMPLES)?;
                return Ok(statistic(&distribution, rule.stat));
            }
        };
        alone.map(Value::from)
    }

    /// What a rule over times is about.
    fn distribution(&self, rule: &Threshold) -> Option<Histogram<u64>> {
        let named = rule.phase.as_ref().and_then(|name| self.plan.phases.find(|phase| phase.name == *name));
        // A rule that names no phase is about all that are measured.
        let wanted = |phase: PhaseId| named.map_or_else(|| self.plan.phases[phase].measured, |named| phase == named);
        match &rule.metric {
            Metric::Latency { traffic, of } => {
                let traffic = self.traffic(traffic)?;
                match rule.users.as_ref().and_then(|users| self.population(users)) {
                    Some(users) => self.histograms.sum_for(*of, traffic, users, wanted),
                    None => self.histograms.sum(*of, traffic, wanted),
                }
            }
            Metric::Step(name) => {
                let step = self.plan.steps.get_index_of(name.as_str())?;
                let wanted = |phase| named.map_or_else(|| self.plan.counts(step, phase), |named| phase == named);
                self.histograms.sum(Measure::Step, step, wanted)
            }
            Metric::Times(measure) => self.times(*measure, named),
            _ => None,
        }
    }

    /// Times of the run, in a phase if one is named.
    fn times(&self, measure: Measure, named: Option<PhaseId>) -> Option<Histogram<u64>> {
        let whole = || self.histograms.whole(self.plan, measure, 0);
        match named {
            Some(phase) if measure.row().over != Over::NoPhase => self.histograms.sum(measure, 0, |one| one == phase),
            // Users of a flow may all have come ahead of what is measured.
            None if measure == Measure::Late => whole().or_else(|| self.histograms.sum(measure, 0, |_| true)),
            _ => whole(),
        }
    }

    fn traffic(&self, name: &str) -> Option<usize> {
        self.plan.traffic.iter().position(|traffic| traffic.name == name)
    }

    fn population(&self, name: &str) -> Option<usize> {
        self.plan.populations.iter().position(|crowd| crowd.name == name)
    }

    fn counts(&self, traffic: &str, phase: Option<&str>, users: Option<&str>) -> Option<Counts> {
        let traffic = self.load.traffic.get(self.traffic(traffic)?)?;
        let (counts, by_users) = match phase {
            Some(name) => {
                let phase = traffic.phases.iter().find(|phase| phase.name == name);
                phase.map(|phase| (phase.counts, &phase.users))?
            }
            None => (traffic.counts, &traffic.users),
        };
        Some(users.map_or(counts, |users| by_users.get(users).copied().unwrap_or_default()))
    }

    /// Counts are about the whole run, the warm-up included: what is lost there is lost. Where nothing was there to be
    /// counted, none is no success.
    fn count(&self, traffic: &str, of: Count, phase: Option<&str>, users: Option<&str>) -> Result<Value, Nothing> {
        let index = self.traffic(traffic).ok_or(NOT_KNOWN)?;
        if of == Count::Missing && self.load.traffic.get(index).is_some_and(|traffic| traffic.undecided) {
            return Err("no copy could be identified");
        }
        let counts = self.counts(traffic, phase, users).ok_or(NOT_KNOWN)?;
        // What was sent is with the population of the senders.
        let sent = self.counts(traffic, phase, None).map_or(0, |counts| counts.sent);
        let came = counts.delivered + counts.may_delivered + counts.volatile_delivered;
        let (value, all, nothing) = match of {
            Count::Missing => (counts.missing, counts.owed, "nothing was owed"),
            Count::Duplicate => (counts.duplicate, came, "nothing was delivered"),
            Count::OutOfOrder => (counts.out_of_order, came, "nothing was delivered"),
            Count::Altered => (counts.altered, came, "nothing was delivered"),
            Count::Unidentified => (counts.unidentified, sent, "nothing was sent"),
            Count::Misdelivered => (counts.misdelivered, sent, "nothing was sent"),
            Count::MissedOffline => (counts.missed_offline, sent, "nothing was sent"),
            Count::Unanswered | Count::Refused if !self.plan.traffic[index].ack => {
                (0, 0, "no acknowledgement was asked for")
            }
            Count::Unanswered => (counts.unanswered, sent, "nothing was sent"),
            Count::Refused => (counts.refused, sent, "nothing was sent"),
        };
        if value + all == 0 { Err(nothing) } else { Ok(Value::from(value as f64)) }
    }

    fn worst(&self, share: impl Fn(&WorkerTime) -> f64) -> Option<f64> {
        self.load.worker_time.iter().map(share).reduce(f64::max)
    }

    /// Of the sessions that were asked back, the share that was the same again.
    fn recovered(&self, phase: Option<&str>) -> Option<f64> {
        let phases = self.load.recovery.iter().filter(|(name, _)| phase.is_none_or(|phase| phase == *name));
        let (asked, recovered) = phases.fold((0, 0), |sum, (_, r)| (sum.0 + r.asked, sum.1 + r.recovered));
        (asked > 0).then(|| recovered as f64 / asked as f64)
    }

    fn errors(&self) -> Option<f64> {
        let users = &self.load.users;
        let visits = self.load.iterations.values().fold(Iterations::default(), |sum, visits| sum + *visits);
        let all = users.requested + visits.begun;
        (all > 0).then(|| (users.failed + users.disconnected + users.interrupted + visits.failed) as f64 / all as f64)
    }

    fn passed(&self, rule: &str) -> Option<f64> {
        let cases: Vec<_> = self.cases.iter().filter(|case| case.requirement.as_deref() == Some(rule)).collect();
        let passed = cases.iter().filter(|case| case.verdict == CaseVerdict::Pass).count();
        (!cases.is_empty()).then(|| passed as f64 / cases.len() as f64)
    }
}

fn statistic(distribution: &Histogram<u64>, stat: Stat) -> Value {
    match stat {
        Stat::Quantile(quantile) => Value {
            number: distribution.value_at_quantile(quantile) as f64,
            remark: samples::remark(quantile, distribution.len()),
        },
        Stat::Max => Value::from(distribution.max() as f64),
        Stat::Mean | Stat::Plain => Value::from(distribution.mean()),
    }
}

fn show(metric: &Metric, value: f64) -> String {
    match metric {
        metric if metric.is_latency() || *metric == Metric::TargetCpu => text::time(value),
        Metric::TargetMemory => text::bytes(value),
        Metric::Count { .. } => text::count(value as u64),
        _ => format!("{:.2} %", value * 100.0),
    }
}

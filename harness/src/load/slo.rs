//! Decides the rules of `[slo]`.

use super::measure::Measure;
use super::plan::Plan;
use super::result::Histograms;
use crate::record::{CaseResult, CaseVerdict, Counts, LoadResult, RuleResult, RuleVerdict, Visits, WorkerTime};
use crate::report::text;
use crate::scenario::Loaded;
use crate::scenario::model::{Count, Latency, Limit, Metric, Rule, Stat};

/// Decides every rule of a scenario.
pub(super) fn decide(
    loaded: &Loaded,
    plan: &Plan,
    load: &LoadResult,
    histograms: &Histograms,
    cases: &[CaseResult],
) -> Vec<RuleResult> {
    let judge = Judge { plan, load, histograms, cases };
    // What a run alone has no measure for is for those to decide that have.
    let alone = |rule: &&Rule| rule.metric != Metric::Capacity && matches!(rule.limit, Limit::Bound(..));
    loaded.scenario.slo.iter().filter(alone).map(|rule| judge.decide(loaded, rule)).collect()
}

impl Loaded {
    /// What came of a rule, as it is recorded.
    pub fn rule_result(&self, rule: &Rule, observed: String, verdict: RuleVerdict) -> RuleResult {
        RuleResult {
            scenario: self.scenario.name.clone(),
            rule: rule.text.clone(),
            place: format!("{}:{}:{}", self.source.name, rule.place.0, rule.place.1),
            observed,
            verdict,
            about: rule.metric.about(),
        }
    }
}

struct Judge<'a> {
    plan: &'a Plan,
    load: &'a LoadResult,
    histograms: &'a Histograms,
    cases: &'a [CaseResult],
}

impl Judge<'_> {
    fn decide(&self, loaded: &Loaded, rule: &Rule) -> RuleResult {
        let value = self.value(rule);
        let mut verdict = match value {
            None => RuleVerdict::Unknown,
            Some(value) if rule.limit.holds(value) == Some(true) => RuleVerdict::Holds,
            Some(_) => RuleVerdict::Broken,
        };
        let observed = value.map_or_else(|| Self::unknown(rule).to_owned(), |value| show(&rule.metric, value));
        let Some(certain) = self.certain(rule).filter(|_| verdict == RuleVerdict::Broken) else {
            return loaded.rule_result(rule, observed, verdict);
        };
        if rule.limit.holds(certain) == Some(true) {
            verdict = RuleVerdict::Unknown;
        }
        let observed = format!("{observed}, of which {} whatever servers there are", show(&rule.metric, certain));
        loaded.rule_result(rule, observed, verdict)
    }

    /// What is certain of a count where there are signs of several servers: what one of them owes whatever the others do.
    /// That is the order of one sender's messages and that nothing comes twice; what other servers have to pass on may still
    /// be on its way.
    fn certain(&self, rule: &Rule) -> Option<f64> {
        let Metric::Count { traffic, of } = &rule.metric else { return None };
        let named = rule.phase.as_ref().and_then(|name| self.plan.phases.iter().position(|phase| phase.name == *name));
        let counts = self.counts(self.traffic(traffic)?, named, rule.users.as_deref())?;
        if self.load.signs.is_empty() {
            return None;
        }
        match of {
            Count::Missing => Some(0.0),
            Count::Disorder => Some(counts.disorder.saturating_sub(counts.disorder_across) as f64),
            Count::Stray => Some(counts.stray.saturating_sub(counts.stray_across) as f64),
            _ => None,
        }
    }

    /// Why there is no value.
    fn unknown(rule: &Rule) -> &'static str {
        match &rule.metric {
            Metric::Count { of: Count::Missing, .. } => "no copy could be identified",
            _ => "no samples",
        }
    }

    fn value(&self, rule: &Rule) -> Option<f64> {
        let named = rule.phase.as_ref().and_then(|name| self.plan.phases.iter().position(|phase| phase.name == *name));
        // A rule that names no phase is about all that are measured.
        let wanted = |phase: usize| named.map_or_else(|| self.plan.phases[phase].measured, |named| phase == named);
        let distribution = match &rule.metric {
            Metric::Latency { traffic, of } => {
                let measure = match of {
                    Latency::Delivery => Measure::Delivery,
                    Latency::Service => Measure::Service,
                    Latency::First => Measure::First,
                    Latency::Complete => Measure::Complete,
                    Latency::Ack => Measure::Ack,
                };
                let traffic = self.traffic(traffic)?;
                match rule.users.as_ref().and_then(|users| self.population(users)) {
                    Some(users) => self.histograms.sum_for(measure, traffic, users, wanted),
                    None => self.histograms.sum(measure, traffic, wanted),
                }
            }
            Metric::Step(name) => {
                let step = self.plan.steps.get_index_of(name.as_str())?;
                let wanted = |phase| named.map_or_else(|| self.plan.counts(step, phase), |named| phase == named);
                self.histograms.sum(Measure::Step, step, wanted)
            }
            // Upgrades come when users do, which may be ahead of what is measured.
            Metric::Upgrade => {
                self.histograms.sum(Measure::Upgrade, 0, |phase| named.is_none_or(|named| phase == named))
            }
            Metric::Reconnect => self.histograms.sum(Measure::Reconnect, 0, wanted),
            Metric::Connect => self.histograms.sum(Measure::Connect, 0, |_| true),
            Metric::RulerRead => self.histograms.sum(Measure::Read, 0, wanted),
            Metric::RulerLate => self.histograms.sum(Measure::Late, 0, wanted),
            Metric::Count { traffic, of } => {
                return self.count(self.traffic(traffic)?, *of, named, rule.users.as_deref());
            }
            Metric::RulerBusy => return self.worst(|time| time.busy),
            Metric::RulerWait => return self.worst(|time| time.waited),
            Metric::Errors => return Some(self.errors()),
            Metric::Upgraded => return self.load.transports.share(),
            Metric::Recovered => return self.recovered(rule.phase.as_deref()),
            Metric::Strength => return self.load.strength(),
            Metric::Case(rule) => return self.passed(rule),
            Metric::Capacity => return None,
            Metric::TargetCpu => return self.load.target_cpu_each().map(|seconds| seconds * 1e9),
            Metric::TargetMemory => return self.load.memory.target.per_user(self.load.users.open),
        }?;
        Some(match rule.stat {
            Stat::Quantile(quantile) => distribution.value_at_quantile(quantile) as f64,
            Stat::Max => distribution.max() as f64,
            Stat::Mean | Stat::Plain => distribution.mean(),
        })
    }

    fn traffic(&self, name: &str) -> Option<usize> {
        self.plan.traffic.iter().position(|traffic| traffic.name == name)
    }

    fn population(&self, name: &str) -> Option<usize> {
        self.plan.populations.iter().position(|crowd| crowd.name == name)
    }

    fn counts(&self, traffic: usize, phase: Option<usize>, users: Option<&str>) -> Option<Counts> {
        let traffic = self.load.traffic.get(traffic)?;
        let (counts, by_users) = match phase {
            Some(phase) => traffic.phases.get(phase).map(|phase| (phase.counts, &phase.users))?,
            None => (traffic.counts, &traffic.users),
        };
        Some(users.map_or(counts, |users| by_users.get(users).copied().unwrap_or_default()))
    }

    /// Counts are about the whole run, the warm-up included: what is lost there is lost.
    fn count(&self, traffic: usize, of: Count, phase: Option<usize>, users: Option<&str>) -> Option<f64> {
        if self.load.traffic.get(traffic)?.undecided && of == Count::Missing {
            return None;
        }
        let counts = self.counts(traffic, phase, users)?;
        Some(match of {
            Count::Missing => counts.missing,
            Count::Duplicate => counts.duplicate,
            Count::Stray => counts.stray,
            Count::Disorder => counts.disorder,
            Count::Altered => counts.altered,
            Count::Unidentified => counts.unidentified,
            Count::Missed => counts.missed,
            Count::Unanswered => counts.unanswered,
        } as f64)
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

    fn errors(&self) -> f64 {
        let users = &self.load.users;
        let visits = self.load.journeys.values().fold(Visits::default(), |sum, visits| sum + *visits);
        let all = users.asked + visits.begun;
        (users.failed + users.lost + visits.failed) as f64 / all.max(1) as f64
    }

    fn passed(&self, rule: &str) -> Option<f64> {
        let cases: Vec<_> = self.cases.iter().filter(|case| case.rule.as_deref() == Some(rule)).collect();
        let passed = cases.iter().filter(|case| case.verdict == CaseVerdict::Pass).count();
        (!cases.is_empty()).then(|| passed as f64 / cases.len() as f64)
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

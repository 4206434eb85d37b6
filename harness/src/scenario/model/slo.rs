//! `[slo]`: thresholds over what is measured.

use std::time::Duration;

use crate::scenario::node::Span;
use crate::vocab::measure::Subject;
use crate::vocab::{Measure, ThresholdKind};

/// One line of `[slo]`.
#[derive(Clone, Debug)]
pub struct Threshold {
    pub text: String,
    pub metric: Metric,
    pub stat: Stat,
    pub limit: Limit,
    pub phase: Option<String>,
    /// The population whose deliveries are meant.
    pub users: Option<String>,
    pub span: Span,
    /// Line and column in the file, from 1.
    pub place: (usize, usize),
    /// The run ends when the rule is broken, from so long after its first phase has begun.
    pub ends_run: Option<Duration>,
}

impl Threshold {
    /// The rule that holds when this one does not; one about a baseline has none.
    #[must_use]
    pub fn negated(mut self) -> Self {
        if let Limit::Bound(old, bound) = self.limit {
            let new = old.negated();
            self.text = self.text.replacen(&format!(" {} ", old.symbol()), &format!(" {} ", new.symbol()), 1);
            self.limit = Limit::Bound(new, bound);
        }
        self
    }
}

/// What the value of a rule is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Nanoseconds, bytes, a count, or a share of 1; which one follows from the metric.
    Bound(Op, f64),
    /// `not worse than baseline by 10%`: a share of what an earlier run had.
    Baseline(f64),
}

impl Limit {
    /// Whether a value is within it; `None` where that takes an earlier run.
    pub fn holds(self, value: f64) -> Option<bool> {
        match self {
            Self::Bound(op, bound) => Some(op.holds(value, bound)),
            Self::Baseline(_) => None,
        }
    }
}

/// What a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Times of the messages of a traffic.
    Latency {
        traffic: String,
        of: Measure,
    },
    Count {
        traffic: String,
        of: Count,
    },
    /// What a step of a flow took.
    Step(String),
    /// Times of the whole run.
    Times(Measure),
    /// Of the sessions that were to move to a WebSocket, those that did, as a share.
    Upgraded,
    /// Users that failed or were lost and visits that failed, as a share of all users and visits.
    Errors,
    /// The share of the time in which the busiest worker of sio-bench ran.
    GeneratorCpu,
    /// The share of the time in which a worker of sio-bench could have run and waited for a core; of the worst.
    GeneratorCpuWait,
    /// Of the reconnections that asked for it, those that got their session back, as a share.
    Recovered,
    /// Of the pairs of message and user, those of which it is certain whether they were owed, as a share.
    Certainty,
    Case(String),
    /// The largest load that a search has found; a run has none.
    Capacity,
    /// CPU time of the target for each delivery; for each message where nothing is delivered.
    TargetCpu,
    /// Memory of the target for each user, as long as nothing has been sent.
    TargetMemory,
}

impl Metric {
    /// What a rule over it is about.
    pub fn about(&self) -> ThresholdKind {
        match self {
            Self::Times(measure) if measure.row().subject == Subject::Generator => ThresholdKind::Generator,
            Self::GeneratorCpu | Self::GeneratorCpuWait => ThresholdKind::Generator,
            Self::Count {
                of: Count::Missing | Count::Duplicate | Count::Misdelivered | Count::OutOfOrder | Count::Altered,
                ..
            }
            | Self::Case(_) => ThresholdKind::Facts,
            _ => ThresholdKind::Figures,
        }
    }

    /// Whether it is known while a run goes on.
    pub fn is_known_early(&self) -> bool {
        !matches!(
            self,
            Self::GeneratorCpu
                | Self::GeneratorCpuWait
                | Self::Case(_)
                | Self::Capacity
                | Self::TargetCpu
                | Self::TargetMemory
        )
    }

    /// Whether it is a distribution of times.
    pub fn is_latency(&self) -> bool {
        matches!(self, Self::Latency { .. } | Self::Step(_) | Self::Times(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Missing,
    Duplicate,
    Misdelivered,
    OutOfOrder,
    /// Copies that are not as they were sent.
    Altered,
    /// Events of the right name by which no message can be recognised.
    Unidentified,
    /// Sent while the receiver was away, and lost to it.
    MissedOffline,
    /// Sent, and never acknowledged.
    Unanswered,
    /// Acknowledged with something else than it must be.
    Refused,
}

/// Which value of a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stat {
    /// The value itself: a count or a share.
    Plain,
    Quantile(f64),
    Max,
    Mean,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Less,
    AtMost,
    Equal,
    AtLeast,
    Greater,
}

impl Op {
    /// What holds when this does not.
    fn negated(self) -> Self {
        match self {
            Self::Less => Self::AtLeast,
            // What is not equal is more: such rules are about what should be zero.
            Self::AtMost | Self::Equal => Self::Greater,
            Self::AtLeast => Self::Less,
            Self::Greater => Self::AtMost,
        }
    }

    pub fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
            Self::AtLeast => ">=",
            Self::Greater => ">",
        }
    }

    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Less => value < bound,
            Self::AtMost => value <= bound,
            Self::Equal => (value - bound).abs() < f64::EPSILON,
            Self::AtLeast => value >= bound,
            Self::Greater => value > bound,
        }
    }
}

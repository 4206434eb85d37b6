//! What a search for the largest load has recorded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One load of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// Of which search, from 1.
    pub search: u32,
    /// `rate = 300/s`
    pub setting: String,
    pub value: f64,
    pub verdict: TrialVerdict,
    /// What was wrong.
    pub why: Vec<String>,
    /// Deliveries each second of the measured phases; acknowledgements, if there are none.
    pub throughput: f64,
    /// Messages on their way, on average: throughput times mean latency.
    pub concurrency: f64,
    /// Nanoseconds; of the worst traffic.
    pub p99: Option<u64>,
    /// Cores that the target used, on average.
    pub target_cpu: Option<f64>,
    /// Cores that sio-bench used, on average.
    pub own_cpu: Option<f64>,
    /// The record of the load, in the folder of this one.
    pub record: String,
    /// What it was judged by: first what ends the search, then the other thresholds.
    #[serde(default)]
    pub judged: Vec<Judged>,
}

/// A threshold, and what a trial had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    pub threshold: String,
    pub observed: String,
    pub holds: bool,
}

impl Trial {
    /// What decided: the first threshold that does not hold, or else the first one.
    pub fn decisive(&self) -> Option<&Judged> {
        self.judged.iter().find(|judged| !judged.holds).or(self.judged.first())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrialVerdict {
    Held,
    Broken,
    /// It never had its population, so that it was another load than it was to be.
    NotReached,
    /// sio-bench was not up to it.
    NotValid,
}

/// The answer of all searches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// The variable that was raised, and the unit of its values.
    pub vary: String,
    pub unit: String,
    pub range: (f64, f64),
    /// A share: how exactly each search knows its answer.
    pub resolution: f64,
    /// The largest value that met the thresholds, by search.
    pub found: Vec<f64>,
    /// Whether something larger did not, by search: otherwise the answer is a lower bound.
    pub bounded: Vec<bool>,
    pub trials: u64,
    /// What was used up where the thresholds broke.
    pub limit: Option<String>,
    pub usl: Option<Usl>,
}

impl Capacity {
    /// The middle one of what the searches found; `None` when the least load was too much.
    pub fn median(&self) -> Option<f64> {
        let mut found = self.found.clone();
        found.sort_by(f64::total_cmp);
        found.get(found.len().checked_sub(1)? / 2).copied()
    }

    /// The least and the most that a search found.
    pub fn spread(&self) -> (f64, f64) {
        (self.found.iter().copied().fold(f64::INFINITY, f64::min), self.found.iter().copied().fold(0.0, f64::max))
    }

    pub fn is_bounded(&self) -> bool {
        self.bounded.iter().all(|bounded| *bounded)
    }
}

/// The parameters of the Universal Scalability Law, and what they say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usl {
    /// Throughput of one alone, each second.
    pub lambda: f64,
    /// Contention.
    pub sigma: f64,
    /// Coherency.
    pub kappa: f64,
    /// The largest throughput that follows; `None` if more would always give more.
    pub peak: Option<f64>,
    /// Share of the variance of the throughput that the law explains.
    pub r_squared: f64,
}

impl Usl {
    /// The throughput that follows for so many in the system.
    pub fn at(&self, n: f64) -> f64 {
        self.lambda * n / (1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0))
    }
}

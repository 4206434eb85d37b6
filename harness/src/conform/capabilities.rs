//! What a target says it can do, and whether that is so.
//!
//! A target declares what it lacks, with the reason, in its `target.toml`; what it does not mention it has. Whatever
//! can be tried is tried before the cases are played: `scenarios/conformance/capabilities.toml` holds one probe per
//! capability. A target that claims what cannot exist is not believed in anything, and one that cannot do what it did
//! not deny fails: the cases that need it are played all the same, so that the rows it breaks are named. Only a URL has
//! nowhere to declare anything; what its probe fails is left out, and said.

use std::collections::BTreeMap;

use crate::play::{self, Stage};
use crate::record::{CapabilityResult, CaseVerdict};
use crate::scenario::model::{Case, Options};
use crate::scenario::source::{self, Source};
use crate::scenario::{self, Loaded};

/// Name of the probe that must fail: nobody can do what does not exist.
const IMPOSSIBLE: &str = "what cannot exist";
/// Tag of cases that are no probes, but signs of the fixture; tags of other signs begin with it.
pub(super) const SIGN: &str = "sign";

/// Why a target cannot do something; no entry: it can.
#[derive(Clone, Debug, Default)]
pub struct Capabilities {
    lacks: BTreeMap<String, String>,
    /// Whether the target runs the fixture.
    pub fixture: bool,
    /// Whether it can be started with options.
    pub options: bool,
    /// How many servers it is.
    nodes: usize,
    /// Whether it can be ended and started again by a case.
    pub can_end: bool,
    /// What it did not deny and cannot do, and why its probe fails.
    undeclared: BTreeMap<String, String>,
}

/// What a target is asked for with these options and does not have, and why.
pub fn lacking(options: &Options, lacks: &BTreeMap<String, String>) -> Option<String> {
    let mut wanted = options.0.keys().map(|variable| option_name(variable));
    wanted.find_map(|need| lacks.get(&need).map(|reason| format!("{need}: {reason}")))
}

impl Capabilities {
    /// What the target declares.
    pub fn declared(lacks: &BTreeMap<String, String>, fixture: bool, options: bool) -> Self {
        Self { lacks: lacks.clone(), fixture, options, nodes: 1, undeclared: BTreeMap::new(), can_end: options }
    }

    /// The same for a target of so many servers.
    #[must_use]
    pub fn of_nodes(self, nodes: usize) -> Self {
        Self { nodes, ..self }
    }

    /// What the target did not deny and cannot do.
    pub fn undeclared(&self) -> Vec<String> {
        self.undeclared.keys().cloned().collect()
    }

    /// How that shows, and what to do if it is no mistake.
    pub fn broken_promise(&self, name: &str) -> String {
        let problem = self.undeclared.get(name).map_or("it fails", String::as_str);
        let declare = format!("[lacks] {name} = \"why\"");
        format!(
            "the probe of {name} fails: {problem}; a target that cannot do this says so in its target.toml: {declare}"
        )
    }

    /// Why this case cannot be played here, if it cannot.
    pub fn refuse(&self, case: &Case) -> Option<String> {
        if let Some(reason) = &case.skip {
            return Some(reason.clone());
        }
        if case.ends_target() && !self.can_end {
            return Some("needs one server that sio-bench starts, since the case ends it".to_owned());
        }
        if !case.options.0.is_empty() && !self.options {
            return Some(format!("needs a target that sio-bench starts, with {}", case.options));
        }
        if case.nodes() > self.nodes {
            return Some(play::too_few_nodes(case.nodes(), self.nodes));
        }
        let wire_only = case.needs.iter().any(|need| need == "wire");
        if !wire_only && !self.fixture {
            return Some("the target does not run the fixture, so nobody could see it".to_owned());
        }
        let mut wanted = case.needs.iter();
        let need = wanted.find_map(|need| self.lacks.get(need).map(|reason| format!("{need}: {reason}")));
        need.or_else(|| lacking(&case.options, &self.lacks))
    }

    /// Tries every capability. What the target denies and can do is worth a remark; what it does not deny and cannot do
    /// is [`undeclared`](Self::undeclared), or, at a URL, not asked of it again. Both are in the result.
    pub async fn probe(&mut self, stage: &Stage) -> Result<Vec<CapabilityResult>, String> {
        let probes = probes()?;
        let mut results = Vec::new();
        // Side by side, so that a target that answers none of them costs the time of one.
        let cases = || probes.scenario.cases.iter().filter(|case| !case.tags.iter().any(|tag| tag.starts_with(SIGN)));
        let played = cases().map(|case| async {
            let once = play::play(&probes, case, stage).await;
            let surprises = once.verdict != CaseVerdict::Pass && !self.lacks.contains_key(&case.name);
            // One failure does not decide what the target is.
            if surprises && case.name != IMPOSSIBLE { play::play(&probes, case, stage).await } else { once }
        });
        let played = futures_util::future::join_all(played).await;
        for (case, result) in cases().zip(played) {
            let declared = self.lacks.get(&case.name).cloned();
            let can = result.verdict == CaseVerdict::Pass;
            let problem = result.failure.map(|failure| failure.message).or(result.reason).unwrap_or_default();
            if case.name == IMPOSSIBLE {
                if can {
                    return Err(
                        "the target claims to do what cannot exist, so nothing it claims is believed".to_owned()
                    );
                }
                continue;
            }
            let remark = match (&declared, can) {
                (None, false) => Some(format!("it is not declared to be missing, but the probe fails: {problem}")),
                (Some(reason), true) => {
                    Some(format!("it is declared to be missing ({reason}), but the probe succeeds"))
                }
                _ => None,
            };
            if declared.is_none() && !can && self.options {
                self.undeclared.insert(case.name.clone(), problem);
            } else if declared.is_none() && !can {
                self.lacks.insert(case.name.clone(), format!("the probe of this capability fails: {problem}"));
            }
            results.push(CapabilityResult { name: case.name.clone(), has: can, reason: declared, remark });
        }
        Ok(results)
    }
}

pub(super) fn probes() -> Result<Loaded, String> {
    let text =
        source::shipped("conformance/capabilities.toml").ok_or("the probes of capabilities are not in this program")?;
    scenario::load(Source { name: "scenarios/conformance/capabilities.toml".to_owned(), text }, &[], None)
}

/// `SIO_PING_INTERVAL` is the capability `ping_interval`.
pub(super) fn option_name(variable: &str) -> String {
    variable.trim_start_matches("SIO_").to_lowercase()
}

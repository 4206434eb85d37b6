//! Whether a target runs the fixture: each thing it must do is tried, and each option it can be started with.
//!
//! `scenarios/conformance/fixture.toml` holds what every fixture does; what a library may lack is probed as before a
//! conformance run, and held against `[lacks]`.

use std::path::Path;
use std::sync::Arc;

use super::capabilities::Capabilities;
use crate::client::ConnectOptions;
use crate::play::{self, Stage};
use crate::record::CaseVerdict;
use crate::scenario::source::{self, Source};
use crate::scenario::{self, Loaded};
use crate::target::{Error, Launch, Prepared};

/// Options of the contract and values that mean something.
const OPTIONS: [(&str, &str); 11] = [
    ("SIO_PING_INTERVAL", "20000"),
    ("SIO_PING_TIMEOUT", "10000"),
    ("SIO_MAX_PAYLOAD", "100000"),
    ("SIO_CONNECT_TIMEOUT", "20000"),
    ("SIO_UPGRADE_TIMEOUT", "5000"),
    ("SIO_EIO3", "1"),
    ("SIO_CLEANUP", "1"),
    ("SIO_CORS", "http://good.example"),
    ("SIO_COOKIE", "io"),
    ("SIO_DENY", "forbidden"),
    ("SIO_RECOVERY", "10000"),
];

/// One thing a fixture does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub name: String,
    pub state: State,
}

/// Whether it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Works,
    /// It says so itself, and why.
    Lacking(String),
    /// It must, and does not: what was seen.
    Missing(String),
    /// It need not, but does not say so in `[lacks]`: what was seen.
    Undeclared(String),
}

impl State {
    /// Whether something is to be done about it.
    pub fn is_wrong(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Undeclared(_))
    }
}

/// Tries everything. The error says why nothing could be tried.
pub async fn check(prepared: &Prepared, manner: Arc<ConnectOptions>, folder: &Path) -> Result<Vec<Finding>, Error> {
    let launch = Launch {
        journal: true,
        stderr: folder.join("target.stderr"),
        program: None,
        env: std::collections::BTreeMap::new(),
        trust: false,
        manner,
    };
    let target = prepared.start(None, &launch).await?;
    let stage = Stage::new(target.endpoint.clone(), target.http.clone(), target.info.fence);
    let mut findings = contract(prepared, &stage).await.map_err(Error::Unreachable)?;
    findings.extend(capabilities(prepared, &stage).await?);
    if let Some(child) = target.child {
        child.stop().await;
        findings.extend(options(prepared, &launch).await);
    }
    Ok(findings)
}

/// What every fixture does, unless its library cannot and it says so.
async fn contract(prepared: &Prepared, stage: &Stage) -> Result<Vec<Finding>, String> {
    let file = cases()?;
    let mut findings = Vec::new();
    for case in &file.scenario.cases {
        if let Some(reason) = case.needs.iter().find_map(|need| prepared.lacks().get(need)) {
            findings.push(Finding { name: case.name.clone(), state: State::Lacking(reason.clone()) });
            continue;
        }
        let result = play::play(&file, case, stage).await;
        let seen = result.failure.map(|failure| failure.message).or(result.reason).unwrap_or_default();
        let state = match result.verdict {
            CaseVerdict::Pass => State::Works,
            CaseVerdict::Skip => State::Lacking(seen),
            _ => State::Missing(seen),
        };
        findings.push(Finding { name: case.name.clone(), state });
    }
    Ok(findings)
}

fn cases() -> Result<Loaded, String> {
    let text = source::shipped("conformance/fixture.toml").ok_or("the fixture's contract is not in this program")?;
    scenario::load(Source { name: "scenarios/conformance/fixture.toml".to_owned(), text }, &[], None)
}

/// What a library may lack.
async fn capabilities(prepared: &Prepared, stage: &Stage) -> Result<Vec<Finding>, Error> {
    let mut capabilities = Capabilities::declared(prepared.lacks(), stage.fence, prepared.is_managed());
    let probed = capabilities.probe(stage).await.map_err(Error::Unreachable)?;
    let finding = |probe: crate::record::CapabilityResult| {
        let state = match (probe.has, probe.reason, probe.remark) {
            (true, None, _) => State::Works,
            (false, Some(reason), _) => State::Lacking(reason),
            (_, _, remark) => State::Undeclared(remark.unwrap_or_default()),
        };
        Finding { name: format!("capability {}", probe.name), state }
    };
    Ok(probed.into_iter().map(finding).collect())
}

/// Options that the target can be started with; those it refuses are to be declared.
async fn options(prepared: &Prepared, launch: &Launch) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (variable, value) in OPTIONS {
        let option = super::capabilities::option_name(variable);
        let mut launch = launch.clone();
        launch.env.insert(variable.to_owned(), value.to_owned());
        let state = match (prepared.start(None, &launch).await, prepared.lacks().get(&option)) {
            (_, Some(reason)) => State::Lacking(reason.clone()),
            (Ok(target), None) => {
                if let Some(child) = target.child {
                    child.kill().await;
                }
                State::Works
            }
            (Err(error), None) => State::Undeclared(format!("declare it in [lacks], or support it: {error}")),
        };
        findings.push(Finding { name: format!("option {option}"), state });
    }
    findings
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_contract_is_a_scenario_of_this_program() {
        let file = super::cases().unwrap();
        assert!(file.scenario.cases.len() > 20, "{}", file.scenario.cases.len());
    }
}

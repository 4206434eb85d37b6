//! One running target for one set of options.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::Duration;

use super::Settings;
use super::starved::Watched;
use crate::play::Stage;
use crate::record::{CaseResult, CaseVerdict, Failure};
use crate::scenario::model::Options;
use crate::target::{self, Joint, Launch, Prepared, Target};

/// Bytes of a standard error that a case shows.
pub(super) const SHOWN: usize = 4_000;

/// A target that can be started again when it dies.
pub(super) struct ManagedTarget<'a> {
    prepared: &'a Prepared,
    path: Option<&'a str>,
    launch: Launch,
    delay: Duration,
    target: Target,
    stage: Rc<Stage>,
    watched: Rc<Watched>,
}

impl<'a> ManagedTarget<'a> {
    pub(super) async fn start(
        prepared: &'a Prepared,
        path: Option<&'a str>,
        options: &Options,
        stderr: PathBuf,
        settings: &Settings,
    ) -> Result<Self, target::Error> {
        let env = options.0.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let launch =
            Launch { journal: true, stderr, program: None, env, trust: false, manner: settings.manner.clone() };
        let target = prepared.start(path, &launch).await?;
        let delay = settings.delay;
        let stage = Rc::new(stage_of(&target, delay));
        let watched = Rc::new(Watched::groups(&target.pids()));
        Ok(Self { prepared, path, launch, delay, target, stage, watched })
    }

    /// Starts the target again, after it has died or hangs.
    pub(super) async fn restart(&mut self) -> Result<(), target::Error> {
        // Dropping the child kills its group.
        self.target.child = None;
        self.target.peers.clear();
        // Ahead of the new one, which writes to the same file.
        self.target.joint = None;
        self.target = self.prepared.start(self.path, &self.launch).await?;
        let (fence, fixture) = (self.stage.fence, self.stage.fixture);
        self.stage = Rc::new(Stage { fence, fixture, ..stage_of(&self.target, self.delay) });
        self.watched = Rc::new(Watched::groups(&self.target.pids()));
        Ok(())
    }

    /// From now on cases know this of the application there.
    pub(super) fn knows(&mut self, fence: bool, fixture: bool) {
        self.stage = Rc::new(Stage { fence, fixture, ..Stage::clone(&self.stage) });
    }

    /// The processes of the target.
    pub(super) fn watched(&self) -> Rc<Watched> {
        Rc::clone(&self.watched)
    }

    pub(super) fn stage(&self) -> Rc<Stage> {
        Rc::clone(&self.stage)
    }

    pub(super) fn info(&self) -> &crate::record::TargetInfo {
        &self.target.info
    }

    /// Returns when the process ends; never, if sio-bench did not start it. Cancel-safe.
    pub(super) async fn died(&mut self) -> ExitStatus {
        self.target.died().await
    }

    /// A case that failed once the broker of the servers had ended says nothing of the servers.
    pub(super) fn without_broker(&mut self, result: CaseResult) -> CaseResult {
        let lost = self.target.joint.as_mut().and_then(Joint::lost);
        match (lost, result.failure) {
            (Some(words), Some(failure)) => {
                let message = format!("the broker had ended: {words}\nthe case said: {}", failure.message);
                let failure = Some(Failure { message, ..failure });
                CaseResult { verdict: CaseVerdict::Error, failure, ..result }
            }
            (_, failure) => CaseResult { failure, ..result },
        }
    }

    /// Bytes the target has written to its standard error so far.
    pub(super) fn stderr_len(&self) -> u64 {
        std::fs::metadata(&self.launch.stderr).map_or(0, |file| file.len())
    }

    /// What it has written since then, in whole lines.
    pub(super) fn stderr_since(&self, start: u64) -> Option<String> {
        let bytes = std::fs::read(&self.launch.stderr).ok()?;
        let text = String::from_utf8_lossy(bytes.get(start as usize..)?);
        let lines = target::last_lines(&text, SHOWN);
        (!lines.is_empty()).then_some(lines)
    }

    pub(super) async fn stop(self) {
        self.target.stop().await;
    }
}

fn stage_of(target: &Target, delay: Duration) -> Stage {
    let peers = target.peers.iter().map(|peer| peer.endpoint.clone()).collect();
    Stage { peers, delay, ..Stage::new(target.endpoint.clone(), target.http.clone(), target.info.fence) }
}

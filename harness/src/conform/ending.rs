//! Cases that end their target: each is played on one of its own, after all others.

use std::rc::Rc;
use std::sync::Arc;

use super::Settings;
use super::starved::Watched;
use crate::play::Stage;
use crate::scenario::model::Options;
use crate::target::{self, Helm, Launch, Prepared};

/// A target that its cases end.
pub(super) struct Ending {
    pub(super) helm: Arc<Helm>,
    pub(super) stage: Rc<Stage>,
    launch: Launch,
}

impl Ending {
    pub(super) async fn start(
        prepared: &Prepared,
        options: &Options,
        name: &str,
        application: Option<(bool, bool)>,
        settings: &Settings,
    ) -> Result<Self, target::Error> {
        let env = options.0.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let stderr = settings.folder.join(format!("{name}.stderr"));
        let manner = settings.manner.clone();
        let launch = Launch { journal: true, stderr, program: None, env, trust: false, manner };
        let (helm, target) = Helm::start(prepared, settings.path.as_deref(), &launch).await?;
        let helm = Arc::new(helm);
        let (fence, fixture) = application.unwrap_or((target.info.fence, target.info.fence));
        let stage = Stage::new(target.endpoint, target.http, fence);
        let stage = Stage { fixture, delay: settings.delay, helm: Some(Arc::clone(&helm)), ..stage };
        Ok(Self { helm, stage: Rc::new(stage), launch })
    }

    /// What the target wrote last to its standard error.
    pub(super) fn stderr(&self, bytes: usize) -> Option<String> {
        let text = std::fs::read(&self.launch.stderr).ok()?;
        let lines = target::last_lines(&String::from_utf8_lossy(&text), bytes);
        (!lines.is_empty()).then_some(lines)
    }
}

/// The processes of a target, as far as they are known by now.
pub(super) async fn processes(stage: &Stage, known: &Rc<Watched>) -> Rc<Watched> {
    match &stage.helm {
        Some(helm) => Rc::new(Watched::groups(&helm.pids().await)),
        None => Rc::clone(known),
    }
}

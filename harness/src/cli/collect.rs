//! `sio-bench report --run ID --via URL`: puts a run together whose coordinator is gone, and judges it as that would have.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::remote::{Failed, put_together, unwritten};
use super::{complain, run};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::remote::bus::Via;
use crate::remote::collector::Collector;
use crate::remote::desk::Layout;
use crate::remote::wire::Id;
use crate::vocab::quantity;

/// A run whose coordinator is gone
#[derive(Args)]
pub(super) struct CollectArgs {
    /// Put a run together whose coordinator is gone: take the parts from its workers, over --via, and judge them; --merge names the folder
    #[arg(
        long,
        value_name = "ID",
        value_parser = Id::parse,
        requires = "via",
        conflicts_with_all = ["runs", "follow", "clocks_within"],
        help_heading = "Several machines"
    )]
    run: Option<Id>,

    /// With --run: how long nothing may be heard of the parts that are missing
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = quantity::duration, help_heading = "Several machines")]
    wait: Duration,

    #[command(flatten)]
    via: Via,
}

impl CollectArgs {
    pub(super) fn is_wanted(&self) -> bool {
        self.run.is_some()
    }
}

/// Returns what the program is to end with, and where the record is; what is wrong has been said.
pub(super) fn collect(args: &CollectArgs, folder: Option<PathBuf>) -> Result<(Exit, PathBuf), Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(gather(args, folder)),
        Err(error) => Err((Exit::NotValid, error.to_string())),
    };
    done.map_err(|(exit, problem)| {
        if !problem.is_empty() {
            complain(&problem);
        }
        exit
    })
}

async fn gather(args: &CollectArgs, folder: Option<PathBuf>) -> Result<(Exit, PathBuf), Failed> {
    let not_valid = |problem: String| (Exit::NotValid, problem);
    let interrupted = || (Exit::Interrupted, String::new());
    let Some(id) = &args.run else { return Err((Exit::Usage, "there is no name of a run".to_owned())) };
    let mut interrupt = Interrupt::listen().map_err(|error| not_valid(error.to_string()))?;
    let bus = args.via.connect().await.map_err(|problem| (Exit::Usage, problem))?;
    let mut collector = Collector::new(&bus, id.clone(), args.wait).await.map_err(not_valid)?;
    let found = collector.find(&mut interrupt).await.map_err(not_valid)?;
    let found = found.ok_or_else(interrupted)?;
    let loaded = found.bundle.load().map_err(|error| not_valid(error.to_string()))?;
    let folder = folder.unwrap_or_else(|| run::fresh_folder(&loaded.scenario.name));
    let mut recorder = run::record_in(&folder).ok_or_else(|| (Exit::Usage, String::new()))?;
    let layout = Layout { folder: parts(&folder), scenario: loaded.scenario.name.clone() };
    let outcome = collector.collect(&found, layout.clone(), &mut interrupt).await;
    let Some(outcome) = outcome else {
        recorder.discard();
        return Err(interrupted());
    };
    let known = (run::start(&loaded), &loaded);
    if let Err(failed) = put_together(&outcome, &layout, &mut recorder, known) {
        recorder.discard();
        return Err(failed);
    }
    let exit = run::finish(&mut recorder, None).map_err(|error| unwritten(&error))?;
    Ok((exit, folder))
}

/// Where the copies of the parts are.
fn parts(folder: &Path) -> PathBuf {
    folder.join("parts")
}

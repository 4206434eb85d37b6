//! `sio-bench self-test`

#[cfg(feature = "faults")]
mod faults;
mod known_bugs;
#[cfg(feature = "faults")]
mod stages;

use std::path::PathBuf;

use super::complain;
use super::conform::{Trouble, block_on};
use crate::exit::Exit;
use crate::interrupt::Interrupt;

/// Options of `self-test`
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("population"))]
pub(super) struct SelfTestArgs {
    /// Install old releases with documented bugs and prove that the suite catches each of them
    #[arg(long, group = "population")]
    known_bugs: bool,

    /// The server that errs: a target that has a list of faults (`faults` in its target.toml), such as node
    #[arg(long, value_name = "NAME", default_value = "reference", conflicts_with = "known_bugs")]
    server: String,

    /// Only faults or releases whose id or name contains this; may be repeated
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,

    /// Only so many faults, chosen by the seed
    #[arg(long, value_name = "N", conflicts_with = "known_bugs")]
    sample: Option<usize>,

    /// Which faults the sample has
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,

    /// Play the whole suite against every fault, not only until one is noticed
    #[arg(long, conflicts_with = "known_bugs")]
    matrix: bool,

    /// How long random programs are tried on a fault that no case notices
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = crate::vocab::quantity::duration, conflicts_with = "known_bugs")]
    explore: std::time::Duration,

    /// Share of the faults that must be noticed, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 95.0, conflicts_with = "known_bugs")]
    threshold: f64,

    /// Shape: terminal or markdown
    #[arg(long, value_name = "FORMAT", default_value = "terminal", value_parser = ["terminal", "markdown"])]
    format: String,

    /// Write the kill matrix as one self-contained HTML file, too
    #[arg(long, value_name = "FILE", conflicts_with = "known_bugs")]
    html: Option<PathBuf>,

    /// Folder for the records (default: runs/<time>-self-test or runs/<time>-known-bugs)
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub(super) fn self_test(args: &SelfTestArgs) -> Exit {
    block_on(async {
        let mut interrupt = Interrupt::listen()?;
        tokio::select! {
            outcome = population(args) => outcome,
            // The servers are killed with the trials that are dropped here.
            () = interrupt.wait() => {
                complain("interrupted: what is above was decided, the rest was not");
                Ok(Exit::Interrupted)
            }
        }
    })
}

async fn population(args: &SelfTestArgs) -> Result<Exit, Trouble> {
    if args.known_bugs {
        return known_bugs::execute(args).await;
    }
    #[cfg(feature = "faults")]
    return faults::execute(args).await;
    #[cfg(not(feature = "faults"))]
    Err(Trouble::Usage(
        "this sio-bench was built without the feature `faults`; --known-bugs is all it can do".to_owned(),
    ))
}

//! `sio-bench plan`: the arithmetic of scenarios, before anything is sent.

use std::path::PathBuf;

use clap::Args;

use super::{parse_override, print, run};
use crate::calibrate::store;
use crate::exit::Exit;
use crate::load;
use crate::scenario::{self, LoadError, Loaded, Override};
use crate::vocab::text::{count, plural};

#[derive(Args)]
pub(super) struct PlanArgs {
    /// Scenario files or folders
    #[arg(value_name = "SCENARIO", required = true)]
    paths: Vec<PathBuf>,

    /// Override a variable of [vars]; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_override)]
    overrides: Vec<Override>,

    /// Seed of everything that is drawn, instead of the scenario's
    #[arg(long)]
    seed: Option<u64>,
}

pub(super) fn plan(args: &PlanArgs) -> Exit {
    match describe(args) {
        Ok(text) => {
            let _ = print(&text);
            Exit::Passed
        }
        Err(problem) => {
            run::complain_of(&problem);
            Exit::Usage
        }
    }
}

/// Servers of the scenario; where they are does not matter yet.
fn nodes(loaded: &Loaded) -> Result<u32, String> {
    let target = &loaded.scenario.target;
    match target.unset {
        Some(_) => Ok(target.urls.len() as u32 + 1),
        None => Ok(run::formation(None, std::slice::from_ref(loaded))?.doors() as u32),
    }
}

/// What the file reads besides itself, what it has started, and where it sends to besides the target; nothing, as a rule.
fn reaches(loaded: &Loaded) -> String {
    let reach = scenario::reach(loaded);
    let reads: Vec<_> = reach.variables.iter().map(|name| format!("${name}")).chain(reach.files).collect();
    let hosts: Vec<_> = reach.hosts.into_iter().collect();
    let row = |what: &str, all: &[String]| match all {
        [] => String::new(),
        all => format!("  {what:<12}{}\n", all.join(", ")),
    };
    let starts: Vec<_> = reach.starts.into_iter().collect();
    row("reads", &reads) + &row("starts", &starts) + &row("sends to", &hosts)
}

fn describe(args: &PlanArgs) -> Result<String, LoadError> {
    let mut text = String::new();
    for loaded in run::load_all(&args.paths, &args.overrides, args.seed)? {
        let nodes = nodes(&loaded)?;
        text.push_str(&format!("{}   {}   seed {}\n", loaded.scenario.name, loaded.source.name, loaded.scenario.seed));
        match run::plan(&loaded, nodes)? {
            Some(plan) => {
                text.push_str(&load::describe(&loaded, plan));
                text.push_str(&calibrated());
            }
            None => {
                let cases = plural(loaded.scenario.cases.len() as u64, "case");
                text.push_str(&format!("  {cases} and no load\n"));
            }
        }
        text.push_str(&reaches(&loaded));
    }
    Ok(text)
}

/// What this machine was measured to be worth; nothing if it was not.
fn calibrated() -> String {
    let Some(calibration) = store::read() else { return String::new() };
    let (echoes, deliveries) = (count(calibration.echoes_per_second), count(calibration.deliveries_per_second));
    format!("  generator   calibrated {}: {echoes} echoes/s, {deliveries} deliveries/s\n", calibration.measured)
}

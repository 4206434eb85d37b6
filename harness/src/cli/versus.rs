//! `sio-bench compare --load`: the same load against several targets, in short blocks that take turns.

use std::io;
use std::path::PathBuf;

use super::compare::CompareArgs;
use super::{RunArgs, print, run};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::record::{Entry, Footer, LoadResult, header, loads};
use crate::report::versus::{Block, Contender, FEWEST, render};

/// Why there is no comparison.
pub(super) enum Trouble {
    Usage(String),
    Ended(Exit),
    Io(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Runs all blocks and prints the comparison.
pub(super) async fn execute(args: &CompareArgs, scenario: &str) -> Result<Exit, Trouble> {
    if args.blocks < FEWEST {
        return Err(Trouble::Usage(format!(
            "at least {FEWEST} blocks say something about a difference, not {}",
            args.blocks
        )));
    }
    let folder = args.out.clone().unwrap_or_else(|| run::fresh_folder("compare-load"));
    let mut contenders: Vec<Contender> = args
        .targets
        .iter()
        .map(|name| Contender { name: name.clone(), version: String::new(), blocks: Vec::new(), faults: Vec::new() })
        .collect();
    // What is wrong with the last target is said before the first is loaded.
    for (index, target) in args.targets.iter().enumerate() {
        run::prepare(&unseen(args, scenario, target, folder.join(index.to_string())), |_| {})
            .map_err(Trouble::Usage)?;
    }
    let mut interrupt = Interrupt::listen()?;
    let mut worst = Exit::Passed;
    let mut measure = String::new();
    for block in 0..args.blocks {
        // A B B A …: what drifts in time hits everybody alike.
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        if block % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let contender = &mut contenders[index];
            say(args.quiet, &format!("block {} of {}: {}", block + 1, args.blocks, contender.name));
            // Two of the same name are two all the same: a target against itself.
            let out = folder.join(format!("{:02}-{index}-{}", block + 1, safe(&contender.name)));
            let job = run::prepare(&unseen(args, scenario, &contender.name, out), |_| {}).map_err(Trouble::Usage)?;
            let (exit, entries) = run::execute(job, &mut interrupt).await?;
            let Some(load) = loads(&entries).next() else { return Err(Trouble::Ended(exit)) };
            if matches!(exit, Exit::Interrupted | Exit::Target | Exit::Usage) {
                return Err(Trouble::Ended(exit));
            }
            contender.version = version(&entries);
            if let (Some(Entry::Footer(Footer { verdict, .. })), true) = (entries.last(), exit != Exit::Passed) {
                contender.faults.push(format!("block {}: {verdict}", block + 1));
                // What is proven outweighs what is not valid.
                worst = if worst == Exit::Failed { worst } else { exit };
            }
            let (name, value) = of(load);
            measure = name;
            contender.blocks.push(value);
        }
    }
    let loaded = &run::load_all(&[PathBuf::from(scenario)], &args.overrides, None).map_err(Trouble::Usage)?[0];
    let mut text = format!("### {}: {}\n\n", loaded.scenario.name, args.targets.join(", "));
    text.push_str(&format!(
        "{} blocks, in turns; the same schedule (seed {}) and a fresh server in each. Intervals: 95 %, bootstrap over blocks.\n\n",
        args.blocks, loaded.scenario.seed
    ));
    text.push_str(&render(&measure, &contenders));
    text.push_str(&format!("\nrecords: {}\n", folder.display()));
    let _ = print(&text);
    Ok(worst)
}

/// One block.
fn unseen(args: &CompareArgs, scenario: &str, target: &str, out: PathBuf) -> RunArgs {
    RunArgs::unseen(PathBuf::from(scenario), target, args.overrides.clone(), out)
}

#[expect(clippy::print_stderr, reason = "progress goes to standard error")]
fn say(quiet: bool, what: &str) {
    if !quiet {
        eprintln!("{what}");
    }
}

fn safe(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect()
}

fn version(entries: &[Entry]) -> String {
    let version = header(entries).and_then(|header| header.target.version.clone());
    version.unwrap_or_else(|| "version unknown".to_owned())
}

/// The first measure of a load: deliveries, or acknowledgements, or a flow's first step; and what else is compared.
fn of(load: &LoadResult) -> (String, Block) {
    let traffic = load.traffic.first().and_then(|traffic| {
        let (name, summary) = ["delivery", "ack"].iter().find_map(|name| traffic.latency.get_key_value(*name))?;
        Some((format!("{}.{name}", traffic.name), *summary))
    });
    let step = || load.steps.first().map(|step| (step.name.clone(), step.latency));
    let (name, latency) = traffic.or_else(step).unwrap_or_else(|| ("connect".to_owned(), load.connect));
    let handled: u64 = load
        .traffic
        .iter()
        .map(|traffic| {
            let counts = traffic.counts;
            let delivered = counts.delivered + counts.may_delivered + counts.volatile_delivered;
            if delivered > 0 { delivered } else { counts.sent }
        })
        .sum();
    let known = |value: u64| (latency.count > 0).then_some(value as f64);
    let block = Block {
        p50: known(latency.p50),
        p99: known(latency.p99),
        p999: known(latency.p999),
        cpu: load.cpu.target.filter(|_| handled > 0).map(|seconds| seconds * 1e6 / handled as f64),
        memory: load.memory.target.per_user(load.users.open).filter(|bytes| *bytes > 0.0),
    };
    (name, block)
}

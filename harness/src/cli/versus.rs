//! `sio-bench compare --load`: the same load against several targets, in short blocks that take turns.

use std::io;
use std::path::{Path, PathBuf};

use super::compare::CompareArgs;
use super::{RunArgs, complain, print, run};
use crate::conform::capabilities::lacking;
use crate::difference::FEWEST;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::record::{self, Entry, Footer, header, loads};
use crate::report::html;
use crate::report::versus::{Block, Contender, render};
use crate::scenario::Loaded;
use crate::target::{self, Choice};

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
    let mut contenders: Vec<Contender> =
        args.targets.iter().map(|name| Contender { name: name.clone(), ..Contender::default() }).collect();
    // What is wrong with the last target is said before the first is loaded.
    for (index, target) in args.targets.iter().enumerate() {
        let job = run::prepare(&unseen(args, scenario, target, folder.join(index.to_string())), |_| {});
        able(target, &job.map_err(Trouble::Usage)?.loaded[0]).await?;
    }
    let mut interrupt = Interrupt::listen()?;
    let mut worst = Exit::Passed;
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
            let job =
                run::prepare(&unseen(args, scenario, &contender.name, out.clone()), |_| {}).map_err(Trouble::Usage)?;
            let (exit, entries) = match recorded(&out, &job.loaded[0])? {
                Some(block) => block,
                None => run::execute(job, &mut interrupt).await?,
            };
            let Some(load) = loads(&entries).next() else { return Err(Trouble::Ended(exit)) };
            if matches!(exit, Exit::Interrupted | Exit::Target | Exit::Usage) {
                return Err(Trouble::Ended(exit));
            }
            (contender.version, contender.settings) = known(&entries);
            contender.records.push(out);
            if let (Some(Entry::Footer(Footer { verdict, .. })), true) = (entries.last(), exit != Exit::Passed) {
                contender.faults.push(format!("block {}: {verdict}", block + 1));
                // What is proven outweighs what is not valid.
                worst = if worst == Exit::Failed { worst } else { exit };
            }
            contender.blocks.push(Block::from(load));
        }
    }
    let loaded = &run::load_all(&[PathBuf::from(scenario)], &args.overrides, None).map_err(Trouble::Usage)?[0];
    let mut text = format!("### {}: {}\n\n", loaded.scenario.name, args.targets.join(", "));
    text.push_str(&format!(
        "{} blocks, in turns; the same schedule (seed {}) and a fresh server in each. Intervals: 95 %, bootstrap over blocks.\n\n",
        args.blocks, loaded.scenario.seed
    ));
    text.push_str(&render(&contenders));
    text.push_str(&format!("\nrecords: {}\n", folder.display()));
    if let Some(file) = &args.html {
        let about = format!(
            "{} blocks of each, in turns, with the same schedule (seed {}) and a fresh server in each",
            args.blocks, loaded.scenario.seed
        );
        let page = html::versus(&loaded.scenario.name, &about, &contenders);
        std::fs::write(file, page)
            .map_err(|error| Trouble::Usage(format!("cannot write {}: {error}", file.display())))?;
    }
    let _ = print(&text);
    Ok(worst)
}

/// Whether a target has what the load needs of it.
async fn able(target: &str, loaded: &Loaded) -> Result<(), Trouble> {
    let prepared = target::prepare(&Choice::from(Some(target), None)).await.map_err(|error| match error {
        target::Error::Usage(problem) => Trouble::Usage(problem),
        target::Error::Unreachable(problem) => {
            complain(&problem);
            Trouble::Ended(Exit::Target)
        }
    })?;
    match lacking(&loaded.scenario.target.started_with(), prepared.lacks()) {
        Some(why) => Err(Trouble::Usage(format!(
            "{target} cannot be loaded with {}, which asks for {why}\n  leave it out, or compare under another load; nothing was sent",
            loaded.source.name
        ))),
        None => Ok(()),
    }
}

/// A block that was run already: a comparison that was interrupted goes on where it stopped, if it gets the same folder.
fn recorded(out: &Path, loaded: &Loaded) -> Result<Option<(Exit, Vec<Entry>)>, Trouble> {
    if !out.join("run.jsonl").exists() {
        return Ok(None);
    }
    let refuse = |why: &str| Trouble::Usage(format!("{} {why}; choose another folder with --out", out.display()));
    let entries = record::read_for_report(out).map_err(Trouble::Usage)?;
    let is_same = entries.iter().any(|entry| match entry {
        Entry::Scenario(start) => {
            start.source == loaded.source.text && start.vars.iter().eq(loaded.vars.iter().map(|(k, v)| (k, v)))
        }
        _ => false,
    });
    if !is_same {
        return Err(refuse("has the record of another load"));
    }
    let exit = match entries.last() {
        Some(Entry::Footer(footer)) => {
            [Exit::Passed, Exit::Failed, Exit::NotValid].into_iter().find(|exit| *exit as u8 == footer.exit)
        }
        _ => None,
    };
    exit.map(|exit| Some((exit, entries))).ok_or_else(|| refuse("has the record of a block that was cut short"))
}

/// One block.
fn unseen(args: &CompareArgs, scenario: &str, target: &str, out: PathBuf) -> RunArgs {
    let run = RunArgs::unseen(PathBuf::from(scenario), target, args.overrides.clone(), out);
    RunArgs { connect_timeout: args.connect_timeout, ..run }
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

/// Version and settings of a target.
fn known(entries: &[Entry]) -> (String, String) {
    let target = header(entries).map(|header| &header.target);
    let version = target.and_then(|target| target.version.clone());
    let settings = target.and_then(|target| target.settings.clone()).unwrap_or_default();
    (version.unwrap_or_else(|| "version unknown".to_owned()), settings)
}

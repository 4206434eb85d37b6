//! `sio-bench compare --load`: the same load against several targets, in short interleaved blocks.

use std::io;
use std::path::{Path, PathBuf};

use super::compare::{CompareArgs, Shape};
use super::run::{self, Job};
use super::{RunArgs, complain, print};
use crate::aside::aside;
use crate::conform::capabilities::lacking;
use crate::difference::FEWEST;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output;
use crate::record::{self, CaseVerdict, Entry, Footer, header, loads};
use crate::report::comparison;
use crate::report::html;
use crate::report::versus::{Block, Contender, Fault, Load};
use crate::scenario::{LoadError, Loaded};
use crate::target::{self, Choice};

/// Why there is no comparison.
pub(super) enum Trouble {
    Usage(String),
    /// The scenario cannot be run.
    Scenario(LoadError),
    Ended(Exit),
    Io(io::Error),
}

impl From<LoadError> for Trouble {
    fn from(error: LoadError) -> Self {
        Self::Scenario(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Times that a block is tried when its server cannot be started or is lost.
const TRIES: usize = 3;

/// Runs all blocks and prints the comparison.
pub(super) async fn execute(args: &CompareArgs, scenario: &str) -> Result<Exit, Trouble> {
    if args.blocks < FEWEST {
        return Err(Trouble::Usage(format!(
            "at least {FEWEST} blocks say something about a difference, not {}",
            args.blocks
        )));
    }
    let folder = args.out.clone().unwrap_or_else(|| run::fresh_folder("compare-load"));
    let contenders: Vec<Contender> =
        args.targets.iter().map(|name| Contender { name: name.clone(), ..Contender::default() }).collect();
    let mut turns = Turns { args, scenario, folder, contenders, worst: Exit::Passed, interrupt: Interrupt::listen()? };
    // What is wrong with the last target is said before the first is loaded.
    for target in &args.targets {
        able(target, &turns.job(target, turns.folder.clone())?.loaded[0]).await?;
    }
    for block in 1..=args.blocks {
        // A B B A …: what drifts in time hits everybody alike.
        let mut order: Vec<usize> = (0..turns.contenders.len()).collect();
        if block % 2 == 0 {
            order.reverse();
        }
        for index in order {
            turns.take(block, index).await?;
        }
    }
    let loaded = &run::load_all(&[PathBuf::from(scenario)], &args.overrides, None)?[0];
    turns.report(&loaded.scenario.name, loaded.scenario.seed)?;
    Ok(turns.worst)
}

/// Blocks of all targets, one after the other.
struct Turns<'a> {
    args: &'a CompareArgs,
    scenario: &'a str,
    folder: PathBuf,
    contenders: Vec<Contender>,
    worst: Exit,
    interrupt: Interrupt,
}

impl Turns<'_> {
    /// One block of one target.
    async fn take(&mut self, block: usize, index: usize) -> Result<(), Trouble> {
        let name = self.contenders[index].name.clone();
        say(self.args.quiet, &format!("block {block} of {}: {name}", self.args.blocks));
        // Two of the same name are two all the same: a target against itself.
        let place = self.folder.join(format!("{block:02}-{index}-{}", safe(&name)));
        for tried in 1.. {
            let (out, exit, entries) = self.recorded_or_run(&name, &place).await?;
            if exit == Exit::Target && tried < TRIES {
                say(self.args.quiet, &format!("block {block} of {}: {name}, again", self.args.blocks));
                let says = "could not be reached or was lost, and the block was run again".to_owned();
                self.contenders[index].faults.push(Fault { block, verdict: CaseVerdict::Fail, says });
                self.worst = Exit::Failed;
                continue;
            }
            let Some(load) = loads(&entries).next() else { return Err(Trouble::Ended(exit)) };
            if matches!(exit, Exit::Interrupted | Exit::Target | Exit::Usage) {
                return Err(Trouble::Ended(exit));
            }
            let contender = &mut self.contenders[index];
            (contender.version, contender.settings) = known(&entries);
            contender.records.push(out);
            if let (Some(Entry::Footer(Footer { verdict, .. })), true) = (entries.last(), exit != Exit::Passed) {
                let says = verdict.clone();
                let verdict = if exit == Exit::Failed { CaseVerdict::Fail } else { CaseVerdict::Inconclusive };
                contender.faults.push(Fault { block, verdict, says });
                // What is proven outweighs what is not valid.
                self.worst = if self.worst == Exit::Failed { self.worst } else { exit };
            }
            contender.blocks.push(Block::from(load));
            break;
        }
        Ok(())
    }

    /// A block that is there, or else a fresh one; with the folder of its record.
    async fn recorded_or_run(&mut self, name: &str, place: &Path) -> Result<(PathBuf, Exit, Vec<Entry>), Trouble> {
        let loaded = self.job(name, place.to_owned())?.loaded.remove(0);
        // Beside a block that was cut short lies the one that was run instead of it.
        for out in run::folders(place).take_while(|out| out.exists()) {
            if let Some((exit, entries)) = recorded(&out, &loaded)? {
                return Ok((out, exit, entries));
            }
        }
        let out = run::unused(place.to_owned());
        let job = self.job(name, out.clone())?;
        let (exit, entries) = Box::pin(run::execute(job, &mut self.interrupt)).await?;
        Ok((out, exit, entries))
    }

    fn job(&self, target: &str, out: PathBuf) -> Result<Job, Trouble> {
        let run = RunArgs::unseen(PathBuf::from(self.scenario), target, self.args.overrides.clone(), out);
        let run = RunArgs { connect_timeout: self.args.connect_timeout, ..run };
        Ok(run::prepare(&run, |_| {})?)
    }

    /// Prints what was found, and writes the page if one is wanted.
    fn report(&self, scenario: &str, seed: u64) -> Result<(), Trouble> {
        let blocks = self.args.blocks;
        let load = Load { scenario, seed, blocks, folder: &self.folder, contenders: &self.contenders };
        let text = match self.args.format {
            Shape::Json => comparison::load_json(&load),
            Shape::Junit => comparison::load_junit(&load),
            Shape::Terminal | Shape::Markdown => load.markdown(),
        };
        let _ = print(&text);
        let Some(file) = &self.args.html else { return Ok(()) };
        let about = format!(
            "{blocks} blocks of each, in turns, with the same schedule (seed {seed}) and a fresh server in each"
        );
        let page = html::versus(scenario, &about, &self.contenders);
        output::write(file, &page).map_err(|error| Trouble::Usage(format!("cannot write {}: {error}", file.display())))
    }
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

/// A block that was run already, to its end: a comparison that was interrupted goes on where it stopped, if it gets the
/// same folder.
fn recorded(out: &Path, loaded: &Loaded) -> Result<Option<(Exit, Vec<Entry>)>, Trouble> {
    if !out.join("run.jsonl").exists() {
        return Ok(None);
    }
    let entries = record::read_for_report(out).map_err(Trouble::Usage)?;
    let is_same = entries.iter().any(|entry| match entry {
        Entry::Scenario(start) => {
            start.source == loaded.source.text && start.vars.iter().eq(loaded.vars.iter().map(|(k, v)| (k, v)))
        }
        _ => false,
    });
    if !is_same {
        return Err(Trouble::Usage(format!(
            "{} has the record of another load; choose another folder with --out",
            out.display()
        )));
    }
    let exit = match entries.last() {
        Some(Entry::Footer(footer)) => {
            [Exit::Passed, Exit::Failed, Exit::NotValid].into_iter().find(|exit| *exit as u8 == footer.exit)
        }
        _ => None,
    };
    Ok(exit.map(|exit| (exit, entries)))
}

fn say(quiet: bool, what: &str) {
    if !quiet {
        aside(what);
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

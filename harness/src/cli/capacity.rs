//! `sio-bench capacity`: the largest load that meets the thresholds.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::run::{self, Job};
use super::{RunArgs, complain, outputs, report};
use crate::aside::aside;
use crate::capacity::Bracket;
use crate::capacity::limit::{Machine, used_up};
use crate::capacity::population;
use crate::capacity::usl::{self, Point};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::record::{
    Capacity, Entry, Footer, Judged, LoadResult, Recorder, ThresholdKind, ThresholdResult, ThresholdVerdict, Trial,
    TrialVerdict, header,
};
use crate::report::capacity::{answer, setting, trial_line};
use crate::report::html::Run;
use crate::scenario::model::{Metric, Search, Threshold};
use crate::scenario::{LoadError, Loaded};
use crate::vocab::quantity;

/// What problems say that are of this machine.
const NO_MORE: &str = "this machine cannot open another connection";
/// So often in a row a load has to break the thresholds to be too much.
const ATTEMPTS: usize = 2;

#[derive(Args)]
pub(super) struct CapacityArgs {
    #[command(flatten)]
    run: RunArgs,

    /// The variable of [vars] that is raised, instead of that of [search]
    #[arg(long, value_name = "VARIABLE")]
    vary: Option<String>,

    /// From where to where, such as `100/s..10_000/s`
    #[arg(long, value_name = "FROM..TO")]
    range: Option<String>,

    /// How exactly the answer is wanted, such as 5%
    #[arg(long, value_name = "SHARE")]
    resolution: Option<String>,

    /// How often the search is made
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    repeat: Option<u32>,

    /// How long each measured phase of a trial is
    #[arg(long, value_name = "TIME")]
    hold_for: Option<String>,
}

pub(super) fn capacity(args: &CapacityArgs) -> Exit {
    let (search, loaded) = match prepare(args) {
        Ok(ready) => ready,
        Err(problem) => {
            run::complain_of(&problem);
            return Exit::Usage;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(Hunt::run(args, search, &loaded))) {
        Ok(exit) => exit,
        Err(error) => {
            complain(&format!("the search could not be recorded: {error}"));
            Exit::NotValid
        }
    }
}

/// Reads the scenario and checks both ends of the range, before anything is sent.
fn prepare(args: &CapacityArgs) -> Result<(Search, Loaded), LoadError> {
    args.run.html.as_deref().map_or(Ok(()), outputs::writable)?;
    let mut files = run::load_all(&args.run.paths, &args.run.overrides, args.run.seed)?;
    let loaded = files.pop().filter(|loaded| files.is_empty() && loaded.scenario.has_load());
    let loaded = loaded.ok_or("a search is made with one scenario that has a load".to_owned())?;
    let search = search_of(args, &loaded)?;
    if !loaded.vars.iter().any(|(name, _)| *name == search.vary) {
        let known: Vec<_> = loaded.vars.iter().map(|(name, _)| name.as_str()).collect();
        return Err(format!("[vars] has no `{}` to raise; there are: {}", search.vary, known.join(", ")).into());
    }
    if search.until.is_empty() && loaded.scenario.slo.iter().all(|rule| rule.metric == Metric::Capacity) {
        let why = "without thresholds every load is small enough; give some in [slo], or `until` in [search]";
        return Err(why.to_owned().into());
    }
    for value in [search.range.0, search.range.1] {
        job(args, &search, value, 1, Path::new("unused"))?;
    }
    Ok((search, loaded))
}

/// `[search]`, and what the command line says instead.
fn search_of(args: &CapacityArgs, loaded: &Loaded) -> Result<Search, String> {
    let file = loaded.scenario.search.clone();
    let missing = |what: &str| format!("what is to be raised, and how far? Give [search] in the scenario, or --{what}");
    let vary = args.vary.clone().or_else(|| file.as_ref().map(|file| file.vary.clone()));
    let range = match &args.range {
        Some(text) => Some(quantity::range(text).map_err(|problem| format!("--range: {problem}"))?),
        None => file.as_ref().map(|file| (file.range.0, file.range.1, file.unit.clone())),
    };
    let (low, high, unit) = range.ok_or_else(|| missing("range"))?;
    let resolution = match &args.resolution {
        Some(text) => quantity::resolution(text).map_err(|problem| format!("--resolution: {problem}"))?,
        None => file.as_ref().map_or(Search::RESOLUTION, |file| file.resolution),
    };
    let hold_for = match &args.hold_for {
        Some(text) => Some(quantity::duration(text).map_err(|problem| format!("--hold-for: {problem}"))?),
        None => file.as_ref().and_then(|file| file.hold_for),
    };
    let repeat = args.repeat.or(file.as_ref().map(|file| file.repeat)).unwrap_or(Search::REPEAT);
    let until = file.map(|file| file.until).unwrap_or_default();
    Ok(Search {
        vary: vary.ok_or_else(|| missing("vary"))?,
        range: (low, high),
        unit,
        until,
        hold_for,
        resolution,
        repeat,
    })
}

/// One trial, checked. Each search draws anew.
fn job(args: &CapacityArgs, search: &Search, value: f64, number: u32, folder: &Path) -> Result<Job, LoadError> {
    let mut run = args.run.clone();
    run.html = None;
    run.overrides.push((search.vary.clone(), plain(value, &search.unit)));
    (run.out, run.quiet) = (Some(folder.to_owned()), true);
    run::prepare(&run, |loaded| {
        let scenario = &mut loaded.scenario;
        if run.seed.is_none() {
            scenario.seed = scenario.seed.wrapping_add(u64::from(number) - 1);
        }
        if let Some(hold_for) = search.hold_for {
            scenario.phases.iter_mut().filter(|phase| phase.measured).for_each(|phase| phase.length = hold_for);
        }
        scenario.slo.extend(search.until.iter().cloned());
        population::make_room(scenario);
    })
}

/// A value as a scenario takes it.
fn plain(value: f64, unit: &str) -> String {
    if value >= 10.0 || unit.is_empty() { format!("{:.0}{unit}", value.max(1.0)) } else { format!("{value:.2}{unit}") }
}

struct Hunt<'a> {
    args: &'a CapacityArgs,
    search: Search,
    recorder: Recorder,
    interrupt: Interrupt,
    points: Vec<Point>,
    trials: u64,
    /// What was used up at the last load that broke the thresholds.
    limit: Option<String>,
}

/// Why a search ended without an answer.
struct Ended(Exit);

impl<'a> Hunt<'a> {
    async fn run(args: &'a CapacityArgs, search: Search, loaded: &Loaded) -> io::Result<Exit> {
        let name = format!("{}-capacity", loaded.scenario.name);
        let folder = args.run.out.clone().unwrap_or_else(|| run::fresh_folder(&name));
        let Some(recorder) = run::record_in(&folder) else { return Ok(Exit::Usage) };
        let interrupt = Interrupt::listen()?;
        let mut hunt = Self { args, search, recorder, interrupt, points: Vec::new(), trials: 0, limit: None };
        let (mut found, mut bounded) = (Vec::new(), Vec::new());
        let mut ruler_limit = false;
        for number in 1..=hunt.search.repeat {
            let (range, resolution) = (hunt.search.range, hunt.search.resolution);
            let mut bracket = match found.last() {
                Some(last) => Bracket::around(range, resolution, *last),
                None => Bracket::new(range, resolution),
            };
            while let Some(value) = bracket.next() {
                match hunt.decide(number, value).await? {
                    Ok(verdict) => {
                        ruler_limit |= verdict == TrialVerdict::NotValid;
                        bracket.tell(value, verdict == TrialVerdict::Held);
                    }
                    Err(Ended(exit)) => return hunt.abandon(exit),
                }
            }
            bounded.push(bracket.worst().is_some());
            match bracket.best() {
                Some(best) => found.push(best),
                None => break,
            }
        }
        hunt.conclude(loaded, found, bounded, ruler_limit)
    }

    /// Whether a load is too much: it is, when it breaks the thresholds every time. Once may be a neighbour on the machine.
    async fn decide(&mut self, number: u32, value: f64) -> io::Result<Result<TrialVerdict, Ended>> {
        for _ in 1..ATTEMPTS {
            match self.trial(number, value).await? {
                Ok(TrialVerdict::Held) => return Ok(Ok(TrialVerdict::Held)),
                Ok(_) => {}
                Err(ended) => return Ok(Err(ended)),
            }
        }
        self.trial(number, value).await
    }

    /// Runs one load.
    async fn trial(&mut self, number: u32, value: f64) -> io::Result<Result<TrialVerdict, Ended>> {
        self.trials += 1;
        let record = format!("trial-{:03}", self.trials);
        let folder: PathBuf = self.recorder.folder().join(&record);
        let job = match job(self.args, &self.search, value, number, &folder) {
            Ok(job) => job,
            Err(problem) => {
                run::complain_of(&problem);
                return Ok(Err(Ended(Exit::Usage)));
            }
        };
        let workers = job.workers;
        let (exit, entries) = run::execute(job, &mut self.interrupt).await?;
        if self.recorder.entries().is_empty() {
            let first = entries.iter().filter(|entry| matches!(entry, Entry::Header(_) | Entry::Scenario(_)));
            first.cloned().try_for_each(|entry| self.recorder.add(entry))?;
        }
        let load = entries.iter().find_map(|entry| if let Entry::Load(load) = entry { Some(load) } else { None });
        let (verdict, Some(load)) = (verdict_of(exit), load) else { return Ok(Err(Ended(exit))) };
        let Some(verdict) = verdict else { return Ok(Err(Ended(exit))) };
        let own_fault = load.problems.keys().any(|problem| problem.contains(NO_MORE));
        let short = population::shortfall(load).filter(|_| !own_fault);
        let verdict = if short.is_some() { TrialVerdict::NotReached } else { verdict };
        let trial = Trial {
            search: number,
            setting: format!("{} = {}", self.search.vary, setting(value, &self.search.unit)),
            value,
            verdict,
            why: short.map_or_else(|| why(&entries, verdict), |short| vec![short]),
            record,
            judged: judged(&entries, &self.search.until),
            ..measured(load)
        };
        if trial.throughput > 0.0 && matches!(verdict, TrialVerdict::Held | TrialVerdict::Broken) {
            self.points.push(Point { concurrency: trial.concurrency, throughput: trial.throughput });
        }
        if verdict != TrialVerdict::Held {
            let url = header(&entries).map_or("", |header| header.target.url.as_str());
            self.limit = Some(used_up(load, workers, url, &Machine::this()));
        }
        if !self.args.run.quiet {
            aside(&trial_line(&trial));
        }
        self.recorder.add(Entry::Trial(trial))?;
        Ok(Ok(verdict))
    }

    /// A trial could not be made.
    fn abandon(self, exit: Exit) -> io::Result<Exit> {
        if self.recorder.entries().is_empty() {
            self.recorder.discard();
            return Ok(exit);
        }
        let verdict = match exit {
            Exit::Interrupted => "INTERRUPTED: the trials until then are above".to_owned(),
            _ => format!("TARGET LOST: the record in trial-{:03} says why", self.trials),
        };
        self.finish(exit, verdict, false)
    }

    fn conclude(mut self, loaded: &Loaded, found: Vec<f64>, bounded: Vec<bool>, ruler_limit: bool) -> io::Result<Exit> {
        let search = &self.search;
        let capacity = Capacity {
            vary: search.vary.clone(),
            unit: search.unit.clone(),
            range: search.range,
            resolution: search.resolution,
            found,
            bounded,
            trials: self.trials,
            limit: self.limit.take(),
            usl: usl::fit(&self.points),
        };
        let rules: Vec<_> = rules(loaded, &capacity).collect();
        let is_broken = rules.iter().any(|rule| rule.verdict == ThresholdVerdict::Broken);
        let decided = !rules.is_empty() && !is_broken;
        let said = answer(&capacity);
        let (exit, sentence) = match capacity.median() {
            None => (Exit::Failed, format!("FAILED: {said}")),
            Some(_) if ruler_limit && !decided => {
                (Exit::NotValid, format!("NOT VALID: sio-bench was not up to larger loads; what is certain: {said}"))
            }
            Some(_) if is_broken => (Exit::Failed, format!("FAILED: {said}")),
            Some(_) => (Exit::Passed, format!("PASSED: {said}")),
        };
        self.recorder.add(Entry::Capacity(Box::new(capacity)))?;
        rules.into_iter().try_for_each(|rule| self.recorder.add(Entry::Threshold(rule)))?;
        self.finish(exit, sentence, true)
    }

    fn finish(mut self, exit: Exit, verdict: String, complete: bool) -> io::Result<Exit> {
        let footer = Footer { complete, ended: run::now().to_string(), exit: exit as u8, verdict };
        self.recorder.add(Entry::Footer(footer))?;
        run::show(self.args.run.format, self.recorder.entries(), self.recorder.folder());
        if let Some(file) = &self.args.run.html {
            let written = Run::read(self.recorder.folder()).and_then(|run| report::write_html(&[run], file));
            written.map_err(io::Error::other)?;
        }
        Ok(exit)
    }
}

/// Whether a load met the rules; `None` when it did not come to its end.
fn verdict_of(exit: Exit) -> Option<TrialVerdict> {
    match exit {
        Exit::Passed => Some(TrialVerdict::Held),
        Exit::Failed => Some(TrialVerdict::Broken),
        Exit::NotValid => Some(TrialVerdict::NotValid),
        Exit::Usage | Exit::Target | Exit::NothingMatched | Exit::Part | Exit::Interrupted => None,
    }
}

fn why(entries: &[Entry], verdict: TrialVerdict) -> Vec<String> {
    let broken = entries.iter().filter_map(|entry| match entry {
        Entry::Threshold(rule) if rule.verdict == ThresholdVerdict::Broken => {
            Some(format!("{}: {}", rule.threshold, rule.observed))
        }
        _ => None,
    });
    let mut why: Vec<_> = broken.collect();
    if why.is_empty() && verdict != TrialVerdict::Held {
        why.extend(entries.iter().filter_map(|entry| match entry {
            Entry::Footer(footer) => Some(footer.verdict.clone()),
            _ => None,
        }));
    }
    why
}

/// What a trial was judged by: what ends the search comes first.
fn judged(entries: &[Entry], until: &[Threshold]) -> Vec<Judged> {
    let rules = entries.iter().filter_map(|entry| match entry {
        Entry::Threshold(rule) if rule.about != ThresholdKind::Generator => Some(rule),
        _ => None,
    });
    let mut judged: Vec<_> = rules
        .map(|rule| Judged {
            threshold: rule.threshold.clone(),
            observed: rule.observed.clone(),
            holds: rule.verdict == ThresholdVerdict::Holds,
        })
        .collect();
    judged.sort_by_key(|judged| !until.iter().any(|rule| rule.text == judged.threshold));
    judged
}

/// What the measured phases of a load came to.
fn measured(load: &LoadResult) -> Trial {
    let (mut throughput, mut concurrency, mut p99) = (0.0, 0.0, None);
    for traffic in &load.traffic {
        let phases: Vec<_> = traffic.phases.iter().filter(|phase| phase.measured).collect();
        let seconds: f64 = phases.iter().map(|phase| phase.seconds).sum();
        let name = if traffic.latency.contains_key("delivery") { "delivery" } else { "ack" };
        let Some(summary) = traffic.latency.get(name) else { continue };
        let rate = summary.count as f64 / seconds.max(f64::MIN_POSITIVE);
        throughput += rate;
        concurrency += rate * summary.mean / 1e9;
        p99 = p99.max(Some(summary.p99));
    }
    // Iterations are what goes through, where no message is judged.
    for flow in load.flows.values().filter(|_| load.traffic.is_empty()) {
        let (before, ended, after) = population::under_way(flow);
        let seconds: f64 = flow.phases.iter().filter(|phase| phase.measured).map(|phase| phase.seconds).sum();
        throughput += ended as f64 / seconds.max(f64::MIN_POSITIVE);
        concurrency += f64::midpoint(before as f64, after as f64);
    }
    let steps = load.steps.iter().filter(|step| load.traffic.is_empty() && step.latency.count > 0);
    p99 = p99.max(steps.map(|step| step.latency.p99).max());
    let cores = |seconds: Option<f64>| seconds.map(|used| used / load.cpu.seconds.max(f64::MIN_POSITIVE));
    Trial {
        search: 0,
        setting: String::new(),
        value: 0.0,
        verdict: TrialVerdict::Held,
        why: Vec::new(),
        throughput,
        concurrency,
        p99,
        target_cpu: cores(load.cpu.target),
        own_cpu: cores(load.cpu.own),
        record: String::new(),
        judged: Vec::new(),
    }
}

/// The rules over the capacity itself.
fn rules(loaded: &Loaded, capacity: &Capacity) -> impl Iterator<Item = ThresholdResult> {
    let wanted = loaded.scenario.slo.iter().filter(|rule| rule.metric == Metric::Capacity);
    wanted.map(|rule| {
        let value = capacity.median().unwrap_or(0.0);
        let verdict =
            if rule.limit.holds(value) == Some(true) { ThresholdVerdict::Holds } else { ThresholdVerdict::Broken };
        loaded.threshold_result(rule, setting(value, &capacity.unit), verdict)
    })
}

//! `sio-bench explore`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use sio_oracle::{Proof, Violation};

use super::conform::{Trouble, block_on, today};
use super::getting_in::GettingIn;
use super::{print, run};
use crate::aside::aside;
use crate::client::ConnectOptions;
use crate::clock;
use crate::conform::deviations::Deviations;
use crate::exit::Exit;
use crate::explore::{self, Failure, Hunt, Known, Outcome, Program, Progress, Shape, Stage, Statistics};
use crate::input;
use crate::interrupt::Interrupt;
use crate::output;
use crate::report;
use crate::target::{self, Choice, Launch, Prepared};
use crate::vocab::fnv::fnv1a;
use crate::vocab::text::{count, plural};
use crate::vocab::{Adapter, quantity};

/// Runs of a program that once failed, before it counts as mended.
const REPLAYS: u32 = 5;
/// How long the server keeps sessions that may be recovered.
const RECOVERY_MS: &str = "10000";
/// Under this share of decided pairs, finding nothing means nothing.
const WEAK: f64 = 0.5;

/// Options of `explore`
#[derive(clap::Args)]
pub(super) struct ExploreArgs {
    /// URL of a running server, or a name from targets/; without it the reference server is started
    #[arg(long, short, value_name = "URL-or-NAME")]
    target: Option<String>,

    #[command(flatten)]
    getting_in: GettingIn,

    /// How long to hunt
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = quantity::duration)]
    time: Duration,

    /// Programs at most
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    budget: u64,

    /// Which programs; the same seed makes the same ones (default: from the clock)
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,

    /// Different failures after which the hunt ends
    #[arg(long, value_name = "N", default_value_t = 3)]
    failures: usize,

    /// How long one failure is made smaller
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = quantity::duration)]
    shrink: Duration,

    /// The target handles the events of one connection one after another, in order (assumed of reference, node and bun)
    #[arg(long)]
    in_order: bool,

    /// Known deviations (default: the target's deviations.toml, its [[explore]] entries)
    #[arg(long, value_name = "FILE")]
    deviations: Option<PathBuf>,

    /// Take no deviation for known
    #[arg(long, conflicts_with = "deviations")]
    strict: bool,

    /// Only play these programs again
    #[arg(long, value_name = "FILE")]
    replay: Vec<PathBuf>,

    /// Folder of programs that failed before, played first (default: explored/<target>)
    #[arg(long, value_name = "FOLDER")]
    store: Option<PathBuf>,

    /// Folder for what is found (default: runs/<time>-explore-<target>)
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,

    /// No progress on standard error
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn explore(args: &ExploreArgs) -> Exit {
    block_on(execute(args))
}

/// Programs are judged by what answers show. With the adapters below a message is delivered on its own server ahead of the
/// answer, and every server hears all of a namespace; with others neither is so, and nothing would be certain.
fn answers_show(choice: &Choice) -> Result<(), Trouble> {
    let Some(crew) = target::crew_of(choice)? else { return Ok(()) };
    if crew.cluster.adapter == Adapter::Redis {
        return Ok(());
    }
    Err(Trouble::Usage(format!(
        "`{}` is a fleet whose adapter answers ahead of what it delivers, or of what it subscribes to: explore can tell nothing \
         from answers there\n  give one server, such as --target node, or a fleet over publish and subscribe, such as node-redis; \
         for this one, run a load or conform",
        crew.name
    )))
}

async fn execute(args: &ExploreArgs) -> Result<Exit, Trouble> {
    let choice = Choice::from(args.target.as_deref(), None);
    answers_show(&choice)?;
    let prepared = target::prepare(&choice).await?;
    sio_reference_server::limits::raise_open_files();
    let folder = args.out.clone().unwrap_or_else(|| run::fresh_folder(&format!("explore-{}", prepared.name())));
    fs::create_dir_all(&folder).map_err(|error| {
        Trouble::Usage(format!("cannot write into {}: {error}\n  choose another with --out", folder.display()))
    })?;
    let can_recover = prepared.is_managed() && !prepared.lacks().contains_key("recovery");
    let known: Arc<[Known]> = known(args, &prepared)?.into();
    let target = prepared.start(None, &launch(&folder, can_recover, args.getting_in.alone())).await?;
    if !target.info.fence {
        let problem = "the target does not run the fixture, which programs need to act on the server";
        return Err(Trouble::Usage(format!("{problem}\n  targets/README.md says what it is")));
    }
    let stage = Stage {
        endpoint: target.endpoint.clone(),
        peers: target.peers.iter().map(|peer| peer.endpoint.clone()).collect(),
        http: target.http.clone(),
        in_order: args.in_order || prepared.is_in_order(),
        pid: target.info.pid,
        journal: Arc::default(),
        known,
        own_rooms: !prepared.lacks().contains_key("own_room"),
    };
    let name = if prepared.is_managed() { prepared.name().to_owned() } else { "url".to_owned() };
    let session =
        Session { args, stage, folder, store: args.store.clone().unwrap_or_else(|| Path::new("explored").join(name)) };
    let exit = session.run(&prepared, can_recover).await;
    target.stop().await;
    exit
}

fn launch(folder: &Path, recovery: bool, manner: Arc<ConnectOptions>) -> Launch {
    let mut env = BTreeMap::new();
    if recovery {
        env.insert("SIO_RECOVERY".to_owned(), RECOVERY_MS.to_owned());
    }
    Launch { journal: true, stderr: folder.join("target.stderr"), program: None, env, trust: false, manner }
}

/// What is known of the target, without what is over: that is said.
fn known(args: &ExploreArgs, prepared: &Prepared) -> Result<Vec<Known>, Trouble> {
    let own = prepared.folder().map(|folder| folder.join("deviations.toml"));
    let Some(path) = args.deviations.clone().or(own).filter(|_| !args.strict) else { return Ok(Vec::new()) };
    if args.deviations.is_some() && !path.exists() {
        return Err(Trouble::Usage(format!("there is no file {}", path.display())));
    }
    let known = Deviations::read(&path).map_err(Trouble::Usage)?.explore;
    let (over, known): (Vec<_>, Vec<_>) = known.into_iter().partition(|entry| entry.is_over(today()));
    for entry in over {
        aside(&format!("{}: `{}` was accepted until {}", path.display(), entry.kind, entry.until.unwrap_or_default()));
    }
    Ok(known)
}

/// How a hunt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// By itself.
    Finished,
    /// The user ended it.
    Interrupted,
}

struct Session<'a> {
    args: &'a ExploreArgs,
    stage: Stage,
    folder: PathBuf,
    store: PathBuf,
}

impl Session<'_> {
    async fn run(&self, prepared: &Prepared, recovery: bool) -> Result<Exit, Trouble> {
        // Whoever interrupts is heard from the first program on, so that the target is stopped.
        let mut interrupt = Interrupt::listen()?;
        let started = clock::now();
        let played = tokio::select! {
            played = self.replay_all() => played?,
            () = interrupt.wait() => {
                let _ = print("INTERRUPTED: among the programs that failed before (exit 130)\n");
                return Ok(Exit::Interrupted);
            }
        };
        if let Some(program) = &played.lost {
            return self.lost(program);
        }
        let still = played.failed;
        if !self.args.replay.is_empty() {
            return Ok(if still > 0 { Exit::Failed } else { Exit::Passed });
        }
        let seed = self.args.seed.unwrap_or_else(|| run::now().as_nanosecond() as u64 & 0xFFFF_FFFF);
        let hunt = Hunt {
            seed,
            time: self.args.time.saturating_sub(started.elapsed()),
            budget: self.args.budget,
            shape: Shape { recovery, process: self.stage.pid.is_some() },
            shrinking: self.args.shrink,
            failures: self.args.failures,
        };
        if !self.args.quiet {
            // Known even if the hunt does not come to its end.
            aside(&format!("exploring {} with seed {seed}", prepared.name()));
        }
        let mut teller = Reporter::new(self, prepared.name(), seed);
        let statistics = tokio::select! {
            statistics = explore::hunt(&hunt, &self.stage, &mut teller) => Some(statistics),
            () = interrupt.wait() => None,
        };
        let ending = if statistics.is_some() { Ending::Finished } else { Ending::Interrupted };
        let statistics = statistics.unwrap_or_else(|| teller.last.clone());
        teller.bar.finish_and_clear();
        let hunted =
            Hunted { statistics: &statistics, failures: teller.written + still, replayed: played.programs, ending };
        let _ = print(&summary(&statistics, seed, &self.stage.known));
        if let Some(program) = &statistics.lost {
            return self.lost(program);
        }
        let (exit, sentence) = hunted.verdict();
        let _ = print(&format!("{sentence} (exit {})\n", exit as u8));
        Ok(exit)
    }

    /// Plays those that failed before. Those of the store have the time of the hunt, and no more.
    async fn replay_all(&self) -> Result<Replayed, Trouble> {
        let started = clock::now();
        let mut played = Replayed::default();
        for file in self.files()? {
            if self.args.replay.is_empty() && started.elapsed() >= self.args.time {
                aside("the time is over; not every program that failed before has been played again");
                break;
            }
            let (fails, program) = self.replay(&file).await?;
            played.programs += 1;
            played.failed += usize::from(fails);
            if fails && !self.stage.is_alive().await {
                played.lost = Some(program);
                break;
            }
        }
        Ok(played)
    }

    /// The target is gone: what was played when it went may be why.
    fn lost(&self, program: &Program) -> Result<Exit, Trouble> {
        let file = self.folder.join("last.toml");
        output::write(&file, &explore::render(program, "played when the target stopped to answer"))?;
        let ended = fs::read_to_string(self.folder.join("target.stderr")).unwrap_or_default();
        let mut text = format!("TARGET LOST: nobody answers at {} any more (exit 3)\n", self.stage.endpoint.url);
        let _ = writeln!(text, "  the last program: {}", file.display());
        for line in ended.lines().rev().take(5).collect::<Vec<_>>().into_iter().rev() {
            let _ = writeln!(text, "  {line}");
        }
        let _ = print(&text);
        Ok(Exit::Target)
    }

    /// The programs to play again, those that were asked for or those of the store.
    fn files(&self) -> Result<Vec<PathBuf>, Trouble> {
        if !self.args.replay.is_empty() || !self.store.is_dir() {
            return Ok(self.args.replay.clone());
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.store)? {
            files.push(entry?.path());
        }
        files.retain(|file| file.extension().is_some_and(|kind| kind == "toml"));
        files.sort();
        Ok(files)
    }

    /// Whether it fails, and what it is.
    async fn replay(&self, file: &Path) -> Result<(bool, Program), Trouble> {
        let text =
            input::text(file).map_err(|error| Trouble::Usage(format!("cannot read {}: {error}", file.display())))?;
        let program = explore::parse(&text).map_err(|why| Trouble::Usage(format!("{}: {why}", file.display())))?;
        let (outcome, runs) = explore::replay(&program, &self.stage, REPLAYS).await;
        if !outcome.is_failure() {
            let known = outcome.excused.first().map(|excused| &self.stage.known[excused.entry]);
            let known = known.map(|entry| format!("; known: {}", entry.reason)).unwrap_or_default();
            let _ = print(&format!("passed   {} ({runs} runs{known})\n", file.display()));
            return Ok((false, program));
        }
        let _ = print(&format!("FAILED   {} (run {runs})\n{}", file.display(), describe(&outcome)));
        Ok((true, program))
    }

    fn write(&self, number: usize, failure: &Failure, about: &str) -> io::Result<PathBuf> {
        let folder = self.folder.join(format!("failure-{number}"));
        fs::create_dir_all(&folder)?;
        let program = explore::render(&failure.program, about);
        output::write(&folder.join("program.toml"), &program)?;
        output::write(&folder.join("original.toml"), &explore::render(&failure.original, about))?;
        output::write(&folder.join("history.json"), &json(&failure.outcome.history)?)?;
        output::write(&folder.join("transcript.txt"), &(failure.outcome.transcript.join("\n") + "\n"))?;
        if let Some(violation) = failure.outcome.findings.violations.first() {
            let proof = Proof::new(&failure.outcome.history, violation);
            let title = format!("{}: {}", violation.invariant, violation.summary);
            let page = report::html::violation(&title, &violation.because, &explore::lanes(&proof));
            output::write(&folder.join("timeline.html"), &page)?;
            output::write(&folder.join("proof.json"), &json(&proof)?)?;
        }
        fs::create_dir_all(&self.store)?;
        output::write(&self.store.join(store_name(&program)), &program)?;
        Ok(folder)
    }
}

/// What came of the programs that failed before.
#[derive(Default)]
struct Replayed {
    programs: usize,
    failed: usize,
    /// Nobody answered any more, and this was played last.
    lost: Option<Program>,
}

/// What a hunt comes to.
struct Hunted<'a> {
    statistics: &'a Statistics,
    failures: usize,
    /// Programs that failed before and were played again.
    replayed: usize,
    ending: Ending,
}

impl Hunted<'_> {
    /// Nothing found is worth something only if something was played, to its end, and decided.
    fn verdict(&self) -> (Exit, String) {
        let found = match self.failures {
            0 => "nothing was found",
            1 => "1 failure",
            _ => "failures",
        };
        let number = if self.failures > 1 { format!("{} ", self.failures) } else { String::new() };
        let programs = self.statistics.programs;
        match self.ending {
            Ending::Interrupted if programs == 0 && self.failures == 0 => {
                (Exit::Interrupted, "INTERRUPTED: no program was played to its end".to_owned())
            }
            Ending::Interrupted => (
                Exit::Interrupted,
                format!("INTERRUPTED: {number}{found} until then, in {}", plural(programs, "program")),
            ),
            Ending::Finished if self.failures > 0 => (Exit::Failed, format!("FAILED: {number}{found}")),
            Ending::Finished if programs == 0 && self.replayed == 0 => {
                (Exit::NotValid, "NOT VALID: no program was played to its end".to_owned())
            }
            Ending::Finished if programs == 0 => (
                Exit::Passed,
                format!("PASSED: {} of those that failed before", plural(self.replayed as u64, "program")),
            ),
            Ending::Finished if self.statistics.certainty.ratio() < WEAK => {
                (Exit::NotValid, "INCONCLUSIVE: too few pairs were decided for the silence to mean anything".to_owned())
            }
            Ending::Finished if !self.statistics.excused.is_empty() => {
                (Exit::Passed, "PASSED: nothing was found beyond what is known".to_owned())
            }
            Ending::Finished => (Exit::Passed, "PASSED: nothing was found".to_owned()),
        }
    }
}

fn json(value: &impl serde::Serialize) -> io::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// Named after what is in it, so that the same failure is kept once.
fn store_name(program: &str) -> String {
    let text = program.lines().filter(|line| !line.starts_with('#'));
    format!("{:016x}.toml", fnv1a(text.flat_map(str::bytes)))
}

/// Shows and writes what a hunt finds.
struct Reporter<'a> {
    session: &'a Session<'a>,
    target: String,
    seed: u64,
    bar: ProgressBar,
    last: Statistics,
    written: usize,
}

impl<'a> Reporter<'a> {
    fn new(session: &'a Session<'a>, target: &str, seed: u64) -> Self {
        let hidden = session.args.quiet || !io::stderr().is_terminal();
        let bar = if hidden { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        bar.set_style(
            ProgressStyle::with_template("{spinner} {msg} {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        Self { session, target: target.to_owned(), seed, bar, last: Statistics::default(), written: 0 }
    }
}

impl Progress for Reporter<'_> {
    fn played(&mut self, _outcome: &Outcome, statistics: &Statistics) {
        self.last = statistics.clone();
        self.bar.set_message(format!(
            "{} programs, {} deliveries",
            count(statistics.programs),
            count(statistics.deliveries)
        ));
        self.bar.tick();
    }

    fn found(&mut self, outcome: &Outcome) {
        self.bar.set_message(format!("found {}; making it smaller", outcome.kind()));
        self.bar.tick();
    }

    fn failure(&mut self, failure: Failure) {
        self.written += 1;
        let race = if failure.is_sequential { "needs no race" } else { "needs branches at the same time" };
        let about = format!(
            "{} of {}: {}\nfound with --seed {}; the original failed in {:.0} % of its runs; {race}\nreplay: sio-bench explore --target {} --replay FILE",
            failure.outcome.kind(),
            self.target,
            headline(&failure.outcome),
            self.seed,
            failure.rate * 100.0,
            self.target,
        );
        let mut text = format!("FAIL {}\n{}", failure.outcome.kind(), describe(&failure.outcome));
        let program = explore::render(&failure.program, "");
        program.lines().filter(|line| !line.starts_with('#')).for_each(|line| drop_result(writeln!(text, "  {line}")));
        let steps = |program: &Program| program.steps().count();
        let _ = writeln!(
            text,
            "  {} of {} steps left after {} tries; fails in {:.0} % of runs, {race}",
            steps(&failure.program),
            steps(&failure.original),
            failure.tried,
            failure.rate * 100.0
        );
        match self.session.write(self.written, &failure, &about) {
            Ok(folder) => drop_result(writeln!(text, "  written to {}", folder.display())),
            Err(error) => drop_result(writeln!(text, "  could not be written: {error}")),
        }
        let _ = self.bar.suspend(|| print(&text));
    }
}

/// Writing to a string does not fail.
fn drop_result(result: std::fmt::Result) {
    debug_assert!(result.is_ok());
}

fn headline(outcome: &Outcome) -> String {
    let violation = outcome.findings.violations.first().map(|violation| violation.summary.clone());
    violation.or_else(|| outcome.surprises.first().cloned()).unwrap_or_default()
}

fn describe(outcome: &Outcome) -> String {
    let mut text = String::new();
    for Violation { invariant, summary, because, .. } in outcome.findings.violations.iter().take(2) {
        let _ = writeln!(text, "  {invariant}: {summary}");
        because.iter().for_each(|line| drop_result(writeln!(text, "    {line}")));
    }
    let more = outcome.findings.violations.len().saturating_sub(2);
    if more > 0 {
        let _ = writeln!(text, "  and {more} more");
    }
    outcome.surprises.iter().take(3).for_each(|line| drop_result(writeln!(text, "  {line}")));
    text
}

fn summary(statistics: &Statistics, seed: u64, known: &[Known]) -> String {
    let certainty = &statistics.certainty;
    let mut text =
        format!("\nprograms   {} in {:.0} s, seed {seed}\n", count(statistics.programs), statistics.took.as_secs_f64());
    let steps: Vec<_> = statistics.verbs.iter().map(|(verb, times)| format!("{verb} {}", count(*times))).collect();
    let _ = writeln!(text, "steps      {}", steps.join("   "));
    if statistics.unsupported > 0 {
        let _ = writeln!(
            text,
            "skipped    {} steps that the target's fixture has no words for",
            count(statistics.unsupported)
        );
    }
    if let Some(first) = &statistics.refusal {
        let times = count(statistics.refused);
        let _ = writeln!(text, "refused    {times} steps, and nothing is owed for them; the first: {first}");
    }
    let _ =
        writeln!(text, "messages   {} sent, {} delivered", count(statistics.messages), count(statistics.deliveries));
    let _ = writeln!(
        text,
        "pairs      {} must   {} must not   {} may   {} undecided   certainty {:.2}",
        count(certainty.must),
        count(certainty.must_not),
        count(certainty.may),
        count(certainty.undecided),
        certainty.ratio()
    );
    let reached = sio_oracle::Goal::ALL.iter().zip(certainty.goals).filter(|(_, times)| *times > 0);
    let reached: Vec<_> = reached.map(|(goal, times)| format!("{} {}", goal.id(), count(times))).collect();
    let _ = writeln!(text, "reached    {}", reached.join("   "));
    let missed: Vec<_> = certainty.missed().map(sio_oracle::Goal::id).collect();
    if !missed.is_empty() {
        let _ = writeln!(text, "never      {}", missed.join("   "));
    }
    for (invariant, (programs, first)) in &statistics.remarks {
        let _ = writeln!(text, "remarked   {invariant} in {}: {first}", plural(*programs, "program"));
    }
    for (number, entry) in known.iter().enumerate() {
        let seen =
            statistics.excused.get(&number).map_or_else(|| "not seen".to_owned(), |times| format!("{times} times"));
        let _ = writeln!(text, "known      {seen}: {}: {}", entry.kind, entry.reason);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(programs: u64, failures: usize, replayed: usize, ending: Ending) -> (Exit, String) {
        let mut statistics = Statistics { programs, ..Statistics::default() };
        statistics.certainty.must = programs;
        Hunted { statistics: &statistics, failures, replayed, ending }.verdict()
    }

    /// A hunt that played nothing, or that somebody ended, has not passed.
    #[test]
    fn an_empty_or_interrupted_hunt_has_not_passed() {
        let (finished, interrupted) = (Ending::Finished, Ending::Interrupted);
        let exits = [
            (verdict(9, 0, 0, finished), Exit::Passed, "PASSED: nothing was found"),
            (verdict(0, 0, 0, finished), Exit::NotValid, "NOT VALID: no program was played to its end"),
            (verdict(0, 0, 2, finished), Exit::Passed, "PASSED: 2 programs of those that failed before"),
            (verdict(0, 1, 2, finished), Exit::Failed, "FAILED: 1 failure"),
            (verdict(9, 2, 0, finished), Exit::Failed, "FAILED: 2 failures"),
            (
                verdict(9, 0, 0, interrupted),
                Exit::Interrupted,
                "INTERRUPTED: nothing was found until then, in 9 programs",
            ),
            (verdict(0, 0, 0, interrupted), Exit::Interrupted, "INTERRUPTED: no program was played to its end"),
        ];
        for ((exit, sentence), wanted, words) in exits {
            assert_eq!((exit, sentence.as_str()), (wanted, words));
        }
    }
}

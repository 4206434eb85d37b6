//! The command line: what was typed, what it means, and how it ends.

mod accept;
mod calibrate;
mod capacity;
mod check_fixture;
mod collect;
mod compare;
mod conform;
mod delay_server;
mod deploy;
mod doctor;
mod explore;
mod getting_in;
mod init;
mod inspect;
mod list;
mod outputs;
mod papers;
mod part;
mod plan;
mod remote;
mod report;
mod rounds;
mod run;
mod selftest;
mod serve;
mod upsets;
mod verify;
mod versus;
mod worker;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Parser, Subcommand};
use sio_reference_server::cli::ServeArgs;

use crate::aside::aside;
use crate::exit::Exit;
use crate::live::Audience;
use crate::remote::bus::Via;
use crate::scenario::Override;
use crate::secrets::{hide, learn_arguments};
use crate::target::watcher;
use crate::vocab::quantity;
use crate::vocab::text::{printable, without_commands};

const EXAMPLES: &str = "\
Examples:
  sio-bench run scenarios/fanout.toml                              a load against the reference server
  sio-bench run scenarios/fanout.toml --set people=5_000           the same with more users
  sio-bench conform --target node                                  every conformance case against Node
  sio-bench conform --target http://127.0.0.1:3000 --area rooms    some of them against a running server
  sio-bench run scenarios/fanout.toml --target http://127.0.0.1:3000
  sio-bench report runs/2026-11-21T12-00-00-fanout                 the report of a run, again

Exit codes:
  0 passed   1 a case or a threshold failed   2 wrong scenario or command line (nothing was sent)
  3 target unreachable, lost, or of another protocol   4 the measurement is not valid
  5 nothing matched   6 a part of a run did its share, and the merge decides
  130 interrupted (the partial record is kept)";

/// Tells the truth about Socket.IO servers: load, latency and conformance
#[derive(Parser)]
#[command(name = "sio-bench", version, about, after_help = EXAMPLES, max_term_width = 110)]
struct Cli {
    /// Say on standard error what is done: off, error, warn, info, debug or trace; also by module, as in
    /// `info,sio_bench::load=debug`
    #[arg(long, global = true, value_name = "FILTER", env = "SIO_LOG", hide_env_values = true, value_parser = crate::log::Filter::parse)]
    log: Option<crate::log::Filter>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run scenarios: cases, load or both
    Run(RunArgs),
    /// Take a part of a run that is coordinated elsewhere (`run --workers N --via URL`), and run it here
    Worker(Box<worker::WorkerArgs>),
    /// Print what starts the workers of a run: a manifest for Kubernetes, Nomad or Compose, a script for Slurm or ssh
    Deploy(Box<deploy::DeployArgs>),
    /// Find the largest load that meets the thresholds of a scenario
    Capacity(Box<capacity::CapacityArgs>),
    /// Show what scenarios come to: people, messages, deliveries, what is needed; nothing is sent
    Plan(plan::PlanArgs),
    /// Write a commented scenario for an application of one's own, from options or from answers
    Init(Box<init::InitArgs>),
    /// Join a server of one's own, say what is there, and print a scenario to start from
    Inspect(Box<inspect::InspectArgs>),
    /// Check a server against every behaviour in the catalogue
    Conform(Box<conform::ConformArgs>),
    /// Say what is missing in the fixture of a server, by asking for each of its events, namespaces and options
    CheckFixture(check_fixture::CheckFixtureArgs),
    /// Run the conformance suite against several servers and put them side by side
    Compare(compare::CompareArgs),
    /// Prove that the suite catches what it is there to catch
    SelfTest(selftest::SelfTestArgs),
    /// Hunt for bugs with random concurrent programs
    Explore(Box<explore::ExploreArgs>),
    /// Check the proof of a violation again, by other means
    Verify {
        /// Files that explore has written as proof.json
        #[arg(value_name = "PROOF", required = true)]
        files: Vec<PathBuf>,
    },
    /// Take the failures of a conformance run into the target's file of known deviations
    Accept(accept::AcceptArgs),
    /// Run the reference server with the fixture app
    Serve(ServeArgs),
    /// Show the report of a recorded run
    Report {
        /// Folder of a run, or its run.jsonl
        #[arg(value_name = "RUN", required_unless_present = "run")]
        runs: Vec<PathBuf>,

        #[command(flatten)]
        collect: Box<collect::CollectArgs>,

        /// Shape: terminal, jsonl, json, junit, tap, sarif, markdown, github, badge, csv, openmetrics
        #[arg(long, value_name = "FORMAT", default_value = "terminal")]
        format: crate::report::Format,

        /// Show a run while it goes on, and its report when it has ended
        #[arg(long, conflicts_with = "html")]
        follow: bool,

        /// Write one self-contained HTML file instead, of all runs beside each other
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,

        /// Put the parts of one run together into a record of its own first, and judge what they could not judge alone
        #[arg(long, value_name = "FOLDER", conflicts_with = "follow")]
        merge: Option<PathBuf>,

        /// With --merge, of parts that ran on several machines: by how much their clocks differ at most
        #[arg(long, value_name = "TIME", value_parser = quantity::duration, requires = "merge")]
        clocks_within: Option<Duration>,

        /// A record of an earlier run: markdown and HTML show what has changed since
        #[arg(long, value_name = "RUN")]
        baseline: Option<PathBuf>,
    },
    /// Read the process groups of targets from standard input, and kill those that are left when it is closed
    #[command(name = watcher::COMMAND, hide = true)]
    KillTargets,
    /// Check whether this machine is fit for measuring, and say how to mend what is not
    Doctor,
    /// Measure what this machine's load generator is worth, against a server whose delays are known
    Calibrate,
    /// Run that server, to hold another load tester against it
    DelayServer(delay_server::DelayServerArgs),
    /// List what there is: scenarios and targets, or the cases or requirements of the conformance suite
    List {
        #[arg(value_enum, default_value = "all")]
        what: list::What,
    },
    /// Write manual pages into a folder, one for each command
    Man {
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Print what a shell needs to complete commands and options
    Completions {
        #[arg(value_enum, value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
    /// Print a JSON Schema: of scenario files, for editors, or of the lines of a record
    Schema {
        #[arg(value_enum, default_value = "scenario")]
        of: SchemaOf,
    },
}

/// What there is a schema of.
#[derive(Clone, Copy, clap::ValueEnum)]
enum SchemaOf {
    Scenario,
    Record,
}

/// Options of `run`
#[derive(clap::Args, Clone)]
struct RunArgs {
    /// Scenario files, folders of them, or names of scenarios that come with sio-bench
    #[arg(value_name = "FILE-or-FOLDER", required = true)]
    paths: Vec<PathBuf>,

    /// URL of a running server, or a name from targets/; without it the reference server is started
    #[arg(long, short, value_name = "URL-or-NAME")]
    target: Option<String>,

    #[command(flatten)]
    getting_in: getting_in::GettingIn,

    /// Override a variable of [vars]; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_override)]
    overrides: Vec<Override>,

    /// Seed of everything that is drawn, instead of the scenario's
    #[arg(long)]
    seed: Option<u64>,

    /// Folder for the record (default: runs/<time>-<name>)
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,

    /// How long a user waits for its connection, its CONNECTs and its joins (default: the scenario's, else 30s)
    #[arg(long, value_name = "TIME", value_parser = parse_patience)]
    connect_timeout: Option<Duration>,

    /// Run part K of N of one run, which other processes share, here or on other machines: only every N-th user lives in this one.
    /// Whether all is well is decided by `report --merge` over the records of all parts
    #[arg(long, value_name = "K/N", value_parser = crate::load::Share::parse, requires = "start_at", conflicts_with = "via")]
    part: Option<crate::load::Share>,

    /// When the phases of all parts begin, such as 2026-11-27T12:30:00Z; until then their users connect
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "part")]
    start_at: Option<jiff::Timestamp>,

    /// Threads that generate load (default: one less than there are cores); with --via the processes that share it, `sio-bench worker`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,

    #[command(flatten)]
    via: Via,

    /// With --via: how long workers are waited for (default: 5m)
    #[arg(long, value_name = "TIME", value_parser = quantity::duration, requires = "via", help_heading = "Several machines")]
    wait: Option<Duration>,

    /// No progress on standard error
    #[arg(long, short)]
    quiet: bool,

    /// Write the report as one self-contained HTML file, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// What goes to standard output: terminal, junit, markdown, jsonl, json, csv, openmetrics, tap, sarif, github, badge
    #[arg(long, value_name = "FORMAT", default_value = "terminal")]
    format: crate::report::Format,

    /// A record of an earlier run of the same load: what has changed since, and thresholds such as
    /// "tell.delivery p99 not worse than baseline by 10%"; may be repeated, since several runs tell more than one
    #[arg(long, value_name = "RUN")]
    baseline: Vec<PathBuf>,

    /// Serve the figures of the run to Prometheus, under /metrics
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_address)]
    metrics: Option<SocketAddr>,

    /// Send the figures of the run to an OpenTelemetry collector (OTLP over HTTP, port 4318 as a rule)
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,
}

impl RunArgs {
    /// One scenario against one target, shown to nobody.
    fn unseen(scenario: PathBuf, target: &str, overrides: Vec<Override>, out: PathBuf) -> Self {
        Self {
            paths: vec![scenario],
            target: Some(target.to_owned()),
            getting_in: getting_in::GettingIn::default(),
            overrides,
            seed: None,
            out: Some(out),
            connect_timeout: None,
            part: None,
            start_at: None,
            workers: None,
            via: Via::default(),
            wait: None,
            quiet: true,
            html: None,
            format: crate::report::Format::Terminal,
            baseline: Vec::new(),
            metrics: None,
            otlp: None,
        }
    }

    /// To whom the run is shown.
    fn audience(&self) -> Audience {
        Audience { quiet: self.quiet, metrics: self.metrics, otlp: self.otlp.clone() }
    }
}

fn parse_override(text: &str) -> Result<Override, String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("expected KEY=VALUE, such as people=5_000".to_owned()),
    }
}

/// A time of day, wherever one is.
fn parse_time(text: &str) -> Result<jiff::Timestamp, String> {
    text.parse().map_err(|_| {
        "expected a time with its zone, such as 2026-11-27T12:30:00Z; `date -u +%FT%TZ -d '+30 sec'` prints one that is to come"
            .to_owned()
    })
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected ADDRESS:PORT, such as 127.0.0.1:9090".to_owned())
}

/// How long somebody waits: for some time at least.
fn parse_patience(text: &str) -> Result<Duration, String> {
    match quantity::duration(text)? {
        Duration::ZERO => Err("nobody is in within no time; 30s is usual".to_owned()),
        time => Ok(time),
    }
}

/// Runs the program.
pub fn main() -> Exit {
    let args: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    learn_arguments(&args);
    watcher::this_is_the_program();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are successes; a closed pipe is none of our business.
            match hide(&error.to_string()) {
                Cow::Borrowed(_) => _ = error.print(),
                Cow::Owned(hidden) => aside(&hidden),
            }
            return if error.use_stderr() { Exit::Usage } else { Exit::Passed };
        }
    };
    if let Some(filter) = cli.log {
        crate::log::init(filter);
    }
    let exit = dispatch(cli.command);
    // What was to be shown and could not be is no success.
    if exit == Exit::Passed && UNPRINTED.load(Ordering::Relaxed) { Exit::NotValid } else { exit }
}

fn dispatch(command: Command) -> Exit {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Worker(args) => worker::worker(&args),
        Command::Deploy(args) => deploy::deploy(&args),
        Command::Capacity(args) => capacity::capacity(&args),
        Command::Plan(args) => plan::plan(&args),
        Command::Init(args) => init::init(*args),
        Command::Man { folder } => papers::man(&folder),
        Command::Completions { shell } => papers::completions(shell),
        Command::Inspect(args) => inspect::inspect(&args),
        Command::Conform(args) => conform::conform(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::SelfTest(args) => selftest::self_test(&args),
        Command::Explore(args) => explore::explore(&args),
        Command::Verify { files } => verify::verify(&files),
        Command::CheckFixture(args) => check_fixture::check_fixture(&args),
        Command::Accept(args) => accept::accept(&args),
        Command::Serve(args) => serve::serve(args),
        Command::Report { collect, merge, html, format, baseline, .. } if collect.is_wanted() => {
            let ended = collect::collect(&collect, merge);
            report::put_together(ended, html.as_deref(), format, baseline.as_deref())
        }
        Command::Report { runs, merge: Some(folder), clocks_within, html, format, baseline, .. } => {
            let ended = report::merge(&runs, &folder, clocks_within).map(|exit| (exit, folder));
            report::put_together(ended, html.as_deref(), format, baseline.as_deref())
        }
        Command::Report { runs, html: Some(file), baseline, .. } => report::html(&runs, &file, baseline.as_deref()),
        Command::Report { runs, follow: true, .. } => report::follow(&runs[0]),
        Command::Report { runs, format, baseline, .. } => report::report(&runs, format, baseline.as_deref()),
        Command::KillTargets => {
            watcher::kill_when_closed(std::io::stdin().lock());
            Exit::Passed
        }
        Command::Doctor => doctor::doctor(),
        Command::Calibrate => calibrate::calibrate(),
        Command::DelayServer(args) => delay_server::delay_server(&args),
        Command::List { what } => list::list(what),
        Command::Schema { of } => {
            let _ = match of {
                SchemaOf::Scenario => print(crate::scenario::schema::text()),
                SchemaOf::Record => print(&crate::record::schema::text()),
            };
            Exit::Passed
        }
    }
}

/// Something could not be printed, though somebody waits for it.
static UNPRINTED: AtomicBool = AtomicBool::new(false);

/// Prints a result; a reader that has gone away is success. What servers say never moves the cursor.
#[must_use]
fn print(text: &str) -> bool {
    print_commands(&without_commands(text))
}

/// As [`print`], for annotations: lines may be commands of GitHub's runner.
#[must_use]
fn print_commands(text: &str) -> bool {
    use std::io::Write as _;
    let text = hide(text);
    let text = printable(&text);
    let printed = std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush());
    if let Err(error) = &printed
        && error.kind() != std::io::ErrorKind::BrokenPipe
        && !UNPRINTED.swap(true, Ordering::Relaxed)
    {
        complain(&format!("cannot write to standard output: {error}"));
    }
    printed.is_ok()
}

/// Prints a report in one of its formats.
#[must_use]
fn print_as(format: crate::report::Format, text: &str) -> bool {
    if format == crate::report::Format::Github { print_commands(text) } else { print(text) }
}

/// Says why the program ends.
fn complain(text: &str) {
    aside(&format!("error: {text}"));
}

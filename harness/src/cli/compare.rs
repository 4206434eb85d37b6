//! `sio-bench compare`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::conform::{FilterArgs, Session, Trouble, block_on, today, wanted};
use super::{outputs, print, run, versus};
use crate::conform::Settings;
use crate::conform::deviations::Deviations;
use crate::exit::Exit;
use crate::record::{self, Entry};
use crate::report::compare::Comparison;
use crate::report::comparison;
use crate::report::html::Run;
use crate::scenario::Override;
use crate::target::{self, Choice};

/// Options of `compare`
#[derive(clap::Args)]
pub(super) struct CompareArgs {
    /// Targets to run the suite against, or records of earlier runs
    #[arg(value_name = "TARGET-or-RUN", required = true, num_args = 2..)]
    pub(super) targets: Vec<String>,

    /// Compare under this load instead of by the suite: in short interleaved blocks, each target against the first
    #[arg(long, value_name = "SCENARIO")]
    pub(super) load: Option<String>,

    /// Blocks for each target, with --load
    #[arg(long, value_name = "N", default_value = "8")]
    pub(super) blocks: usize,

    /// Override a variable of [vars] of the load; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = super::parse_override)]
    pub(super) overrides: Vec<Override>,

    /// How long a user of the load waits for its connection, its CONNECTs and its joins (default: the scenario's, else 30s)
    #[arg(long, value_name = "TIME", value_parser = super::parse_patience)]
    pub(super) connect_timeout: Option<Duration>,

    #[command(flatten)]
    filter: FilterArgs,

    /// List only the cases on which they differ
    #[arg(long)]
    only_differences: bool,

    /// Show where the packets of these cases part ways; `*` and `**` as in --id
    #[arg(long, value_name = "PATTERN")]
    diff: Option<String>,

    /// Shape
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Shape::Terminal)]
    pub(super) format: Shape,

    /// Write one self-contained HTML file, too
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,

    /// Folder for the records (default: runs/<time>-compare); with --load, blocks that are there already are not run again
    #[arg(long, value_name = "FOLDER")]
    pub(super) out: Option<PathBuf>,

    /// No progress on standard error
    #[arg(long, short)]
    pub(super) quiet: bool,
}

/// How a comparison is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Shape {
    /// For people
    Terminal,
    /// For a pull request
    Markdown,
    /// One document, for programs
    Json,
    /// XML as CI systems read it
    Junit,
}

pub(super) fn compare(args: &CompareArgs) -> Exit {
    block_on(execute(args))
}

async fn execute(args: &CompareArgs) -> Result<Exit, Trouble> {
    args.html.as_deref().map_or(Ok(()), outputs::writable).map_err(Trouble::Usage)?;
    if args.diff.is_some() && matches!(args.format, Shape::Json | Shape::Junit) {
        let problem = "--diff shows packets as text; leave --format out, or use --format markdown";
        return Err(Trouble::Usage(problem.to_owned()));
    }
    if let Some(scenario) = &args.load {
        return match versus::execute(args, scenario).await {
            Ok(exit) | Err(versus::Trouble::Ended(exit)) => Ok(exit),
            Err(versus::Trouble::Usage(problem)) => Err(Trouble::Usage(problem)),
            Err(versus::Trouble::Scenario(error)) => Err(error.into()),
            Err(versus::Trouble::Io(error)) => Err(Trouble::Io(error)),
        };
    }
    let folder = args.out.clone().unwrap_or_else(|| run::fresh_folder("compare"));
    let mut records: Vec<Vec<Entry>> = Vec::new();
    for target in &args.targets {
        let path = Path::new(target);
        if path.join("run.jsonl").exists() || path.is_file() {
            records.push(record::read(path).map_err(Trouble::Usage)?);
            continue;
        }
        records.push(play(args, target, &folder).await?);
    }
    let entries: Vec<&[Entry]> = records.iter().map(Vec::as_slice).collect();
    let comparison = Comparison::of(&entries).map_err(Trouble::Usage)?;
    let only_differences = args.only_differences;
    let mut text = match args.format {
        Shape::Terminal => comparison.terminal(only_differences),
        Shape::Markdown => comparison.markdown(only_differences),
        Shape::Json => comparison::suite_json(&comparison, only_differences),
        Shape::Junit => comparison::suite_junit(&comparison, only_differences),
    };
    if let Some(pattern) = &args.diff {
        text.push('\n');
        text.push_str(&comparison.diverging(pattern));
    }
    let _ = print(&text);
    if let Some(file) = &args.html {
        let runs: Vec<Run> = records.iter().map(|entries| Run::of(entries.clone())).collect();
        super::report::write_html(&runs, file).map_err(Trouble::Usage)?;
    }
    let cut = records.iter().any(|entries| !matches!(entries.last(), Some(Entry::Footer(footer)) if footer.complete));
    Ok(if cut { Exit::Interrupted } else { Exit::Passed })
}

/// Runs the suite against one target. Deviations are not looked at: a comparison shows what differs.
async fn play(args: &CompareArgs, target: &str, folder: &Path) -> Result<Vec<Entry>, Trouble> {
    let wanted = wanted(&[], &args.filter.filter())?;
    let prepared = target::prepare(&Choice::from(Some(target), None)).await?;
    // A target may be compared with itself.
    let safe: String = target.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    let settings = Settings {
        path: None,
        manner: Arc::default(),
        jobs: super::conform::JOBS,
        delay: Duration::ZERO,
        folder: run::unused(folder.join(safe)),
        deviations: Deviations::default(),
        today: today(),
    };
    let session = Session { wanted: &wanted, prepared: &prepared, settings: &settings, quiet: args.quiet };
    Ok(session.play().await?.0)
}

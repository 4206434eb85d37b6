//! `sio-bench conform`

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::getting_in::GettingIn;
use super::{complain, outputs, print, print_as, rounds, run};
use crate::aside::aside;
use crate::client::ConnectOptions;
use crate::conform::deviations::Deviations;
use crate::conform::run::Listener;
use crate::conform::{self, Filter, Register, Settings, Suite};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output;
use crate::record::{CapabilityResult, CaseResult, Entry, Footer, Recorder, SuiteInfo, TargetInfo};
use crate::report::{self, Format};
use crate::scenario::model::{Class, Origin};
use crate::scenario::{LoadError, Loaded};
use crate::target::{self, Choice, Prepared};
use crate::vocab::quantity;

/// Cases at a time.
pub(super) const JOBS: usize = 16;

/// Options of `conform`
#[derive(clap::Args)]
pub(super) struct ConformArgs {
    /// Suites: files or folders of cases (default: the conformance suite that comes with sio-bench)
    #[arg(value_name = "FILE-or-FOLDER")]
    paths: Vec<PathBuf>,

    /// URL of a running server, or a name from targets/; without it the reference server is started
    #[arg(long, short, value_name = "URL-or-NAME")]
    target: Option<String>,

    #[command(flatten)]
    getting_in: GettingIn,

    #[command(flatten)]
    filter: FilterArgs,

    /// Cases at a time
    #[arg(long, short, value_name = "N", default_value_t = JOBS as u16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    jobs: u16,

    /// Known deviations (default: deviations.toml of the target, if there is one)
    #[arg(long, value_name = "FILE")]
    deviations: Option<PathBuf>,

    /// Judge as if no deviation were known
    #[arg(long, conflicts_with = "deviations")]
    strict: bool,

    /// Delay of every client's path, in each direction
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    delay: Option<Duration>,

    /// Another report, to a file: terminal, junit, tap, sarif, markdown, github, badge; may be repeated
    #[arg(long, value_name = "FORMAT=FILE", value_parser = parse_report)]
    report: Vec<(Format, PathBuf)>,

    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", default_value = "terminal")]
    format: Format,

    /// A record of an earlier run: markdown shows only what has changed since
    #[arg(long, value_name = "RUN")]
    baseline: Option<PathBuf>,

    /// Folder for the record (default: runs/<time>-conform-<target>)
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,

    /// Play everything so often, each time on fresh servers; cases with more than one verdict are named, and deviations
    /// that are said to happen at times and never did
    #[arg(long, value_name = "ROUNDS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    repeat: u16,

    /// No progress on standard error
    #[arg(long, short)]
    quiet: bool,
}

/// Which cases
#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct FilterArgs {
    /// Cases with this id; `*` stands for anything within a component, `**` for anything; may be repeated
    #[arg(long = "id", value_name = "PATTERN", help_heading = "Which cases")]
    ids: Vec<String>,

    /// Cases of this area, such as rooms
    #[arg(long = "area", value_name = "AREA", help_heading = "Which cases")]
    areas: Vec<String>,

    /// Cases that check this requirement, such as RM-03
    #[arg(long = "requirement", value_name = "ID", help_heading = "Which cases")]
    rules: Vec<String>,

    /// Cases with this tag
    #[arg(long = "tag", value_name = "TAG", help_heading = "Which cases")]
    tags: Vec<String>,

    /// Cases of this class: must, should, info
    #[arg(long = "class", value_name = "CLASS", help_heading = "Which cases", value_parser = parse_class)]
    classes: Vec<Class>,

    /// Cases of this origin: protocol, safety, docs, reference
    #[arg(long = "origin", value_name = "ORIGIN", help_heading = "Which cases", value_parser = parse_origin)]
    origins: Vec<Origin>,

    /// One part of several, such as 2/4
    #[arg(long, value_name = "PART/PARTS", help_heading = "Which cases", value_parser = parse_shard)]
    shard: Option<(usize, usize)>,
}

impl FilterArgs {
    pub(super) fn filter(&self) -> Filter {
        Filter {
            ids: self.ids.clone(),
            areas: self.areas.clone(),
            rules: self.rules.clone(),
            tags: self.tags.clone(),
            classes: self.classes.clone(),
            origins: self.origins.clone(),
            shard: self.shard,
        }
    }
}

fn parse_class(text: &str) -> Result<Class, String> {
    let class = Class::ALL.into_iter().find(|class| class.word() == text);
    class.ok_or_else(|| "expected must, should or info".to_owned())
}

fn parse_origin(text: &str) -> Result<Origin, String> {
    let origin = Origin::ALL.into_iter().find(|origin| origin.word() == text);
    origin.ok_or_else(|| "expected protocol, safety, docs or reference".to_owned())
}

fn parse_shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(part, parts)| Some((part.parse().ok()?, parts.parse().ok()?)));
    match parts {
        Some((part, parts)) if (1..=parts).contains(&part) => Ok((part, parts)),
        _ => Err("expected PART/PARTS with the part from 1, such as 2/4".to_owned()),
    }
}

fn parse_report(text: &str) -> Result<(Format, PathBuf), String> {
    let (format, file) = text.split_once('=').ok_or("expected FORMAT=FILE, such as junit=report.xml")?;
    Ok((format.parse()?, PathBuf::from(file)))
}

/// Where the suite is, when nobody says.
pub(super) fn default_suite() -> Vec<PathBuf> {
    vec![PathBuf::from("scenarios/conformance")]
}

pub(super) fn conform(args: &ConformArgs) -> Exit {
    block_on(execute(args))
}

/// Plays every case of these files: what `run` does with files that hold no load.
pub(super) fn cases(
    files: Vec<Loaded>,
    choice: &Choice,
    (path, manner): (Option<String>, Arc<ConnectOptions>),
    out: Option<PathBuf>,
    (quiet, format): (bool, Format),
) -> Exit {
    block_on(async {
        let register = Register::load().map_err(Trouble::Usage)?;
        let name = if files.len() == 1 { files[0].scenario.name.clone() } else { "several".to_owned() };
        let suite = Suite::of(files).map_err(Trouble::Usage)?;
        let ids: Vec<_> = suite.cases().map(|(_, case)| case.full_id()).collect();
        let wanted = Wanted { suite, register, ids, is_whole: true };
        let prepared = target::prepare(choice).await?;
        let own = prepared.folder().map(|folder| folder.join("deviations.toml"));
        let deviations = own.map(|path| Deviations::read(&path)).transpose().map_err(Trouble::Usage)?;
        let settings = Settings {
            path,
            manner,
            jobs: JOBS,
            delay: Duration::ZERO,
            folder: out.unwrap_or_else(|| run::fresh_folder(&name)),
            deviations: deviations.unwrap_or_default(),
            today: today(),
        };
        let session = Session { wanted: &wanted, prepared: &prepared, settings: &settings, quiet };
        let (entries, exit) = session.play().await?;
        run::show(format, &entries, &settings.folder);
        Ok(exit)
    })
}

pub(super) fn today() -> jiff::civil::Date {
    run::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// Runs a command to its end and says what went wrong.
pub(super) fn block_on(command: impl Future<Output = Result<Exit, Trouble>>) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            return Exit::NotValid;
        }
    };
    match runtime.block_on(command) {
        Ok(exit) => exit,
        Err(Trouble::Usage(problem)) => {
            complain(&problem);
            Exit::Usage
        }
        Err(Trouble::Diagnostics(text)) => {
            aside(&text);
            Exit::Usage
        }
        Err(Trouble::Target(problem)) => {
            complain(&problem);
            Exit::Target
        }
        Err(Trouble::Nothing(problem)) => {
            complain(&problem);
            Exit::NothingMatched
        }
        Err(Trouble::Io(error)) => {
            complain(&format!("the run could not be recorded: {error}"));
            Exit::NotValid
        }
    }
}

/// Why nothing could be played.
pub(super) enum Trouble {
    Usage(String),
    /// What is wrong in files, as it is shown.
    Diagnostics(String),
    Target(String),
    Nothing(String),
    Io(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<LoadError> for Trouble {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Diagnostics(text) => Self::Diagnostics(text),
            LoadError::Other(problem) => Self::Usage(problem),
        }
    }
}

impl From<target::Error> for Trouble {
    fn from(error: target::Error) -> Self {
        match error {
            target::Error::Usage(problem) => Self::Usage(problem),
            target::Error::Unreachable(problem) => Self::Target(problem),
        }
    }
}

/// A suite with the filter applied, and its rows.
pub(super) struct Wanted {
    pub(super) suite: Suite,
    pub(super) register: Register,
    /// Ids of the whole suite.
    pub(super) ids: Vec<String>,
    pub(super) is_whole: bool,
}

const LIST_CASES: &str = "`sio-bench list cases` shows their ids, areas, requirements and tags";

/// Reads the suite and keeps what was asked for.
pub(super) fn wanted(paths: &[PathBuf], filter: &Filter) -> Result<Wanted, Trouble> {
    let usual = default_suite();
    let paths = if paths.is_empty() { &usual } else { paths };
    let register = Register::load().map_err(Trouble::Usage)?;
    let mut suite = Suite::load(paths)?;
    let ids: Vec<_> = suite.cases().map(|(_, case)| case.full_id()).collect();
    if ids.is_empty() {
        return Err(Trouble::Nothing("these files hold no [[case]]\n  `sio-bench run` plays their loads".to_owned()));
    }
    let unknown = filter.unknown(&suite, &register);
    if !unknown.is_empty() {
        return Err(Trouble::Nothing(format!("{}\n  {LIST_CASES}", unknown.join("\n  "))));
    }
    filter.apply(&mut suite, &register);
    if suite.picks.is_empty() {
        let found = format!("of {} cases none is", ids.len());
        return Err(Trouble::Nothing(format!("{found} all that was asked for at once\n  {LIST_CASES}")));
    }
    Ok(Wanted { suite, register, ids, is_whole: filter.is_whole() })
}

async fn execute(args: &ConformArgs) -> Result<Exit, Trouble> {
    args.report.iter().try_for_each(|(_, file)| outputs::writable_in_its_folder(file)).map_err(Trouble::Usage)?;
    let wanted = wanted(&args.paths, &args.filter.filter())?;
    let baseline = match &args.baseline {
        Some(path) => Some(crate::record::read(path).map_err(Trouble::Usage)?),
        None => None,
    };
    sio_reference_server::limits::raise_open_files();
    let choice = Choice::from(args.target.as_deref(), None);
    let prepared = target::prepare(&choice).await?;
    let deviations = deviations(args, &prepared, &wanted.ids)?;
    let folder = args.out.clone().unwrap_or_else(|| run::fresh_folder(&format!("conform-{}", prepared.name())));
    let settings = Settings {
        path: None,
        manner: args.getting_in.alone(),
        jobs: usize::from(args.jobs),
        delay: args.delay.unwrap_or_default(),
        folder,
        deviations,
        today: today(),
    };
    let session = Session { wanted: &wanted, prepared: &prepared, settings: &settings, quiet: args.quiet };
    let (entries, exit, summary) = match args.repeat {
        1 => session.play().await.map(|(entries, exit)| (entries, exit, String::new()))?,
        several => {
            let rounds = rounds::play(&session, usize::from(several)).await?;
            (rounds.shown, rounds.exit, rounds.summary)
        }
    };
    deliver(args, &entries, baseline.as_deref())?;
    if args.format == Format::Terminal {
        let _ = print(&summary);
        let _ = print(&format!("record: {}\n", settings.folder.display()));
    }
    Ok(exit)
}

fn deviations(args: &ConformArgs, prepared: &Prepared, ids: &[String]) -> Result<Deviations, Trouble> {
    let own = prepared.folder().map(|folder| folder.join("deviations.toml"));
    let path = if args.strict { None } else { args.deviations.clone().or(own) };
    let Some(path) = path else { return Ok(Deviations::default()) };
    if args.deviations.is_some() && !path.exists() {
        return Err(Trouble::Usage(format!("there is no file {}", path.display())));
    }
    let deviations = Deviations::read(&path).map_err(Trouble::Usage)?;
    // Against another suite, an entry may well name nothing.
    if args.paths.is_empty() {
        deviations.check(ids).map_err(Trouble::Usage)?;
    }
    Ok(deviations)
}

/// Writes every report that was asked for.
fn deliver(args: &ConformArgs, entries: &[Entry], baseline: Option<&[Entry]>) -> Result<(), Trouble> {
    for (format, file) in &args.report {
        write(file, &report::format(*format, entries, baseline))?;
    }
    let _ = print_as(args.format, &report::format(args.format, entries, baseline));
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<(), Trouble> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    output::write(file, text).map_err(|error| Trouble::Usage(format!("cannot write {}: {error}", file.display())))
}

/// One suite against one target, recorded.
#[derive(Clone, Copy)]
pub(super) struct Session<'a> {
    pub(super) wanted: &'a Wanted,
    pub(super) prepared: &'a Prepared,
    pub(super) settings: &'a Settings,
    pub(super) quiet: bool,
}

impl Session<'_> {
    /// Plays, and ends the record with a verdict.
    pub(super) async fn play(&self) -> Result<(Vec<Entry>, Exit), Trouble> {
        let folder = &self.settings.folder;
        let recorder = Recorder::create(folder).map_err(|error| {
            let problem = format!("cannot write a record into {}: {error}", folder.display());
            Trouble::Usage(format!("{problem}\n  choose another with --out"))
        })?;
        let suite = &self.wanted.suite;
        let mut teller = Reporter::new(recorder, self.wanted, self.quiet);
        let mut interrupt = Interrupt::listen()?;
        let played = tokio::select! {
            played = conform::run(suite, &self.wanted.register, self.prepared, self.settings, &mut teller) => Some(played),
            () = interrupt.wait() => None,
        };
        let mut recorder = teller.finish()?;
        let verdict = match played {
            Some(Ok(())) => report::judge(recorder.entries()),
            Some(Err(error)) => {
                recorder.discard();
                return Err(error.into());
            }
            None => report::interrupted(),
        };
        let complete = verdict.exit != Exit::Interrupted;
        let ended = run::now().to_string();
        let footer = Footer { complete, ended, exit: verdict.exit as u8, verdict: verdict.sentence };
        recorder.add(Entry::Footer(footer))?;
        let exit = run::unwritten(&recorder, verdict.exit);
        Ok((recorder.entries().to_vec(), exit))
    }
}

/// Records what is heard and shows how far it is.
struct Reporter<'a> {
    recorder: Recorder,
    wanted: &'a Wanted,
    bar: ProgressBar,
    /// The first line that could not be written.
    broken: Option<io::Error>,
}

impl<'a> Reporter<'a> {
    fn new(recorder: Recorder, wanted: &'a Wanted, quiet: bool) -> Self {
        let bar = if quiet || !io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            ProgressBar::new(wanted.suite.picks.len() as u64)
        };
        let style = ProgressStyle::with_template("{pos}/{len} cases {wide_bar} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { recorder, wanted, bar, broken: None }
    }

    fn add(&mut self, entry: Entry) {
        if let Err(error) = self.recorder.add(entry) {
            self.broken.get_or_insert(error);
        }
    }

    fn finish(self) -> io::Result<Recorder> {
        self.bar.finish_and_clear();
        match self.broken {
            Some(error) => Err(error),
            None => Ok(self.recorder),
        }
    }
}

impl Listener for Reporter<'_> {
    fn target(&mut self, info: &TargetInfo, capabilities: &[CapabilityResult]) {
        self.add(Entry::Header(run::header(info.clone())));
        let suite = &self.wanted.suite;
        let rules = conform::register::rules(&self.wanted.register);
        let info = SuiteInfo {
            hash: suite.hash(),
            cases: suite.picks.len(),
            of: self.wanted.ids.len(),
            whole: self.wanted.is_whole,
            requirements: rules,
        };
        self.add(Entry::Suite(info));
        for capability in capabilities {
            self.add(Entry::Capability(capability.clone()));
        }
    }

    fn case(&mut self, result: CaseResult) {
        self.bar.inc(1);
        self.add(Entry::Case(result));
    }
}

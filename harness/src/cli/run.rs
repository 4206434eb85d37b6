//! `sio-bench run`: reads everything, checks everything, and only then starts anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{io, thread};

use jiff::Timestamp;
use sio_reference_server::limits;
use tracing::Instrument as _;

use super::{RunArgs, complain, outputs, part, print_as, report as writer, upsets};
use crate::aside::aside;
use crate::baseline::{self, Earlier};
use crate::client::ConnectOptions;
use crate::clock;
use crate::exit::Exit;
use crate::guess::did_you_mean;
use crate::interrupt::Interrupt;
use crate::live::Audience;
use crate::load::{self, Order, Plan, Settings};
use crate::play::{self, Stage};
use crate::record::{EndedBy, Entry, Footer, Header, Host, Recorder, SCHEMA, ScenarioStart, TargetInfo, loads};
use crate::report::html::Run;
use crate::report::{self, Format, cut_off, judge};
use crate::scenario::model::{Driver, ProcessId, Topology};
use crate::scenario::{self, LoadError, Loaded};
use crate::target::{self, Choice, Crew, Fleet, Formation, Launch};
use crate::vocab::text::plural;
use crate::vocab::{Broker, Cluster, INTERRUPTED};
use crate::{output, secrets};

/// Descriptors that are not connections: the record, the runtime, the target's pipes.
const SPARE_FILES: u64 = 64;

/// What a run is made of, checked.
pub(super) struct Job {
    pub(super) loaded: Vec<Loaded>,
    pub(super) plans: Vec<Option<Plan>>,
    pub(super) formation: Formation,
    path: Option<String>,
    manner: Arc<ConnectOptions>,
    pub(super) workers: usize,
    pub(super) folder: PathBuf,
    /// What it is held against.
    pub(super) earlier: Vec<Earlier>,
    /// To whom it is shown.
    pub(super) audience: Audience,
    /// Which part of a run it is.
    pub(super) part: Option<Order>,
}

pub(super) fn run(args: &RunArgs) -> Exit {
    let job = match prepare(args, |_| {}) {
        Ok(job) => job,
        Err(problem) => {
            complain_of(&problem);
            return Exit::Usage;
        }
    };
    if job.plans.iter().all(Option::is_none) {
        // Cases alone need no load engine, but may need targets of their own.
        let out = args.out.clone();
        return super::conform::cases(
            job.loaded,
            &job.formation.alone(),
            (job.path, job.manner),
            out,
            (args.quiet, args.format),
        );
    }
    if args.via.is_given() {
        return super::remote::coordinate(args, job);
    }
    let folder = job.folder.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let (exit, entries) = execute(job, &mut Interrupt::listen()?).await?;
            if matches!(entries.last(), Some(Entry::Footer(_))) {
                show(args.format, &entries, &folder);
                if let Some(file) = &args.html
                    && let Err(problem) = Run::read(&folder).and_then(|run| writer::write_html(&[run], file))
                {
                    complain(&problem);
                    return Ok(if exit == Exit::Passed { Exit::NotValid } else { exit });
                }
            }
            Ok(exit)
        })
    });
    match done {
        Ok(exit) => exit,
        Err(error) => {
            complain(&format!("the run could not be recorded: {error}"));
            Exit::NotValid
        }
    }
}

/// Prints the report, and for people where the record is.
pub(super) fn show(format: Format, entries: &[Entry], folder: &Path) {
    let mut text = report::format(format, entries, None);
    if format == Format::Terminal {
        text.push_str(&format!("record: {}\n", folder.display()));
    }
    let _ = print_as(format, &text);
}

/// Says why files cannot be run.
pub(super) fn complain_of(problem: &LoadError) {
    match problem {
        LoadError::Diagnostics(text) => aside(text),
        LoadError::Other(text) => complain(text),
    }
}

/// Reads and checks everything; `adapt` changes what was read.
pub(super) fn prepare(args: &RunArgs, adapt: impl Fn(&mut Loaded)) -> Result<Job, LoadError> {
    args.html.as_deref().map_or(Ok(()), outputs::writable)?;
    Ok(prepare_loaded(args, load_all(&args.paths, &args.overrides, args.seed)?, adapt)?)
}

/// The same with the scenarios read already.
pub(super) fn prepare_loaded(
    args: &RunArgs,
    mut loaded: Vec<Loaded>,
    adapt: impl Fn(&mut Loaded),
) -> Result<Job, String> {
    if let Some(time) = args.connect_timeout {
        loaded.iter_mut().for_each(|file| file.scenario.target.connect_timeout = Some(time));
    }
    loaded.iter_mut().for_each(adapt);
    let open_files = limits::raise_open_files();
    // Ahead of the plan, which takes its time for millions of users.
    let users = |file: &Loaded| file.scenario.populations.values().map(|users| u64::from(users.count)).sum();
    // Each part has its share of them.
    let share = |all: u64| match args.part {
        // Whoever coordinates workers has none of them.
        None if args.via.is_given() => 0,
        part => all.div_ceil(part.map_or(1, |share| u64::from(share.of()))),
    };
    enough_files(open_files, share(loaded.iter().map(users).max().unwrap_or(0)))?;
    loaded.iter().try_for_each(plain_cases_beside_load)?;
    let formation = formation(args.target.as_deref(), &loaded)?;
    let choices = &formation.choices;
    let nodes = formation.doors() as u32;
    loaded.iter().try_for_each(|file| joined_as_it_says(file, &formation))?;
    // A fleet that the command line names is a cluster for every file.
    for target in loaded.iter_mut().map(|file| &mut file.scenario.target) {
        target.cluster.clone_from(&formation.cluster);
        target.nodes = target.cluster.as_ref().map_or(target.nodes, |_| Some(choices.len() as u32));
    }
    let plans = loaded.iter().map(|loaded| plan(loaded, nodes)).collect::<Result<Vec<_>, String>>()?;
    enough_files(open_files, share(plans.iter().flatten().map(Plan::sockets).max().unwrap_or(0)))?;
    let own = share(plans.iter().flatten().map(Plan::connections).max().unwrap_or(0));
    enough_ports(own, loaded[0].scenario.target.sources.len() as u64, u64::from(nodes))?;
    links_without_tls(&loaded, choices)?;
    goose_as_it_can(&loaded, choices)?;
    let first = &loaded[0].scenario;
    let path = first.target.path.clone();
    let manner = args.getting_in.over(&*manner(&loaded[0])?);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let workers = args.workers.map_or(cores.saturating_sub(1).max(1), usize::from);
    let folder = args.out.clone().unwrap_or_else(|| default_folder(&loaded));
    let audience = args.audience();
    audience.check()?;
    let earlier = earlier(&args.baseline, &loaded)?;
    let part = part::order(args, &loaded, &plans, &formation)?;
    Ok(Job { loaded, plans, formation, path, manner, workers, folder, earlier, audience, part })
}

/// Reads the baselines, and refuses what is not of the same loads.
fn earlier(paths: &[PathBuf], loaded: &[Loaded]) -> Result<Vec<Earlier>, String> {
    let refused = |problem: String| format!("{problem}\n  nothing was sent");
    let earlier: Vec<Earlier> =
        paths.iter().map(|path| Earlier::read(path)).collect::<Result<_, _>>().map_err(refused)?;
    for file in loaded.iter().filter(|file| file.scenario.has_load()) {
        earlier.iter().try_for_each(|run| run.check(file)).map_err(refused)?;
        let thresholds = baseline::rules(file).count() as u64;
        if thresholds > 0 && earlier.is_empty() {
            aside(&format!(
                "{}: {} left out: they are about an earlier run; give one with --baseline",
                file.source.name,
                plural(thresholds, "threshold")
            ));
        }
    }
    Ok(earlier)
}

/// Reads and checks all scenarios; the error has every problem of every file.
pub(super) fn load_all(
    paths: &[PathBuf],
    overrides: &[scenario::Override],
    seed: Option<u64>,
) -> Result<Vec<Loaded>, LoadError> {
    let mut loaded = Vec::new();
    let mut problems = String::new();
    for path in paths {
        for source in scenario::source::find(path)? {
            match scenario::load(source, overrides, seed) {
                Ok(file) => loaded.push(file),
                Err(problem) => problems.push_str(&problem),
            }
        }
    }
    if !problems.is_empty() {
        return Err(LoadError::Diagnostics(problems));
    }
    let unknown = scenario::unknown_overrides(&loaded, overrides);
    if !unknown.is_empty() {
        let known: Vec<_> = loaded.iter().flat_map(|file| &file.vars).map(|(name, _)| name.as_str()).collect();
        let known =
            if known.is_empty() { "there are none".to_owned() } else { format!("there are: {}", known.join(", ")) };
        let names = loaded.iter().flat_map(|file| &file.vars).map(|(name, _)| name.as_str());
        let guess = did_you_mean(unknown[0], names);
        let unknown = unknown.join(", ");
        return Err(format!("--set names no variable of [vars]: {unknown}{guess}\n  {known}").into());
    }
    Ok(loaded)
}

/// A load has one target, with the options it was started with.
fn plain_cases_beside_load(loaded: &Loaded) -> Result<(), String> {
    let special = loaded.scenario.cases.iter().find(|case| !case.options.0.is_empty() || case.exclusive);
    match special {
        Some(case) if loaded.scenario.has_load() => Err(format!(
            "{}: the case \"{}\" needs a target of its own, and plays beside a load\n  put it into a file without one",
            loaded.place(case.span.start),
            case.name
        )),
        _ => Ok(()),
    }
}

/// The servers of the run, and what joins them. What the command line says is started as often as the scenario has nodes.
pub(super) fn formation(option: Option<&str>, loaded: &[Loaded]) -> Result<Formation, String> {
    let target = &loaded[0].scenario.target;
    if let (None, Some(variable)) = (option, &target.unset) {
        return Err(format!(
            "{}: the environment variable {variable} is not set, and it says where the target is; nothing was sent\n  \
             set it, or give --target",
            loaded[0].source.name
        ));
    }
    let nodes = (target.nodes.unwrap_or(1) as usize).max(target.urls.len());
    let mut name = None;
    let (choices, cluster): (Vec<_>, _) = match (option, target.urls.as_slice()) {
        (None, urls) if !urls.is_empty() => (urls.iter().map(|url| Choice::from(None, Some(url))).collect(), None),
        (None, _) if !target.servers.is_empty() => {
            (target.servers.iter().map(|name| Choice::from(None, Some(name))).collect(), target.cluster.clone())
        }
        (option, _) => {
            let choice = Choice::from(option, None);
            match target::crew_of(&choice).map_err(|error| error.to_string())? {
                Some(crew) => {
                    name = Some(crew.name.clone());
                    (crew.of_size(target.nodes.map_or(crew.nodes.len(), |_| nodes)), Some(joined(&crew, target)?))
                }
                None => (vec![choice; nodes], target.cluster.clone()),
            }
        }
    };
    let is_running = matches!(choices[0], Choice::Url(_)) && option.is_some();
    if is_running && target.cluster.is_some() {
        // The cluster is there already, behind this address: nothing is started, and its rules hold.
        let choices = choices.into_iter().take(1).collect();
        let formation =
            Formation { choices, cluster: None, name: None, balancer: crate::vocab::Balancer::None, linked: false };
        loaded.iter().try_for_each(|file| upsets::check(file, &formation))?;
        return Ok(formation);
    }
    if is_running && choices.len() > 1 {
        return Err(format!(
            "the scenario has {} nodes, and --target is one server that runs already; nothing was sent\n  \
             give the URLs in `urls` of [target], or name a target that sio-bench can start",
            choices.len()
        ));
    }
    let linked = loaded.iter().any(|file| upsets::needs_links(&file.scenario));
    let formation = Formation { choices, cluster, name, balancer: target.balancer, linked };
    for file in loaded {
        upsets::check(file, &formation)?;
        observed(file, &formation.choices)?;
    }
    Ok(formation)
}

/// Servers that sio-bench starts pass nothing on unless something joins them.
fn joined_as_it_says(loaded: &Loaded, formation: &Formation) -> Result<(), String> {
    let says_cluster = loaded.scenario.target.topology == Some(Topology::Cluster);
    let starts = formation.choices.iter().any(|choice| !matches!(choice, Choice::Url(_)));
    if says_cluster && starts && formation.cluster.is_none() {
        return Err(format!(
            "{}: `topology` of [target] is \"cluster\", and nothing joins the servers that are started; nothing was sent\n  \
             say `broker = \"redis\"`, give a fleet such as --target node-redis, or the addresses of servers that run",
            loaded.source.name
        ));
    }
    Ok(())
}

/// The adapter is the fleet's; the broker may be one that the scenario names.
fn joined(crew: &Crew, target: &scenario::model::Target) -> Result<Cluster, String> {
    let medium = crew.cluster.adapter.medium();
    let broker = match &target.cluster {
        Some(Cluster { broker: Broker::At(address), adapter }) if adapter.medium() != medium => {
            let (name, needs) = (&crew.name, medium.name());
            return Err(format!(
                "the fleet {name} goes over {needs}, and `broker` of [target] is a Redis at {address}; nothing was sent\n  \
                 take another fleet, or say `broker = \"{needs}\"`"
            ));
        }
        // One is started, of the kind that the fleet needs.
        Some(cluster) => cluster.broker.clone(),
        None => crew.cluster.broker.clone(),
    };
    Ok(Cluster { broker, ..crew.cluster.clone() })
}

/// Whether there is certainly no such process.
fn is_gone(pid: u32) -> bool {
    let processes = Path::new("/proc");
    processes.join("self").exists() && !processes.join(pid.to_string()).exists()
}

/// What a server costs that sio-bench did not start must be said.
fn observed(loaded: &Loaded, choices: &[Choice]) -> Result<(), String> {
    let process = loaded.scenario.observe.as_ref().and_then(|observe| observe.process.as_ref());
    let others = choices.iter().any(|choice| matches!(choice, Choice::Url(_)));
    match process {
        Some(ProcessId::Known(pid)) if others && is_gone(*pid) => Err(format!(
            "{}: `process` of [observe] is {pid}, and no process on this machine has that number; nothing was sent\n  \
             give the number of the server's process, or leave `process` out",
            loaded.source.name
        )),
        Some(ProcessId::Unset(variable)) if others => Err(format!(
            "{}: the environment variable {variable} is not set, and it says which process to observe; nothing was sent\n  \
             set it, or leave `process` out of [observe]",
            loaded.source.name
        )),
        _ => Ok(()),
    }
}

/// How the target is talked to, or which setting of which file cannot be.
fn manner(loaded: &Loaded) -> Result<Arc<ConnectOptions>, String> {
    load::manner(loaded).map_err(|problem| format!("{}: {problem}", loaded.source.name))
}

pub(super) fn plan(loaded: &Loaded, nodes: u32) -> Result<Option<Plan>, String> {
    if !loaded.scenario.has_load() {
        return Ok(None);
    }
    let named = |problem| format!("{}: {problem}", loaded.source.name);
    load::check(loaded).map_err(named)?;
    Plan::new(&loaded.scenario, nodes).map(Some).map_err(named)
}

/// Whether that many sockets, and what else a run opens, fit under the limit; 0 means it is not known.
fn enough_files(limit: u64, sockets: u64) -> Result<(), String> {
    let needed = sockets + SPARE_FILES;
    if limit == 0 || needed <= limit {
        return Ok(());
    }
    Err(format!(
        "this load needs {needed} open files, and the hard limit is {limit}; nothing was sent\n  \
         raise it with `ulimit -Hn {needed}` as root (or in /etc/security/limits.conf), or run fewer users"
    ))
}

/// Whether so many connections can be told apart: each pair of addresses has a port for each of them.
fn enough_ports(connections: u64, sources: u64, nodes: u64) -> Result<(), String> {
    let Some(ports) = load::local_ports() else { return Ok(()) };
    let (from, to) = (sources.max(1), nodes.max(1));
    let room = ports * from * to;
    if connections <= room {
        return Ok(());
    }
    let needed = connections.div_ceil(ports * to);
    Err(format!(
        "this load needs {connections} connections, and {from} local address(es) have {ports} ports each; nothing was sent\n  \
         connect from at least {needed} of them: with a target on this machine `source_ips = [\"127.0.0.2..127.0.0.{}\"]` in \
         [target]; or widen net.ipv4.ip_local_port_range",
        needed + 1
    ))
}

/// A link is an address of its own, for which no certificate is.
fn links_without_tls(loaded: &[Loaded], choices: &[Choice]) -> Result<(), String> {
    let secure = choices.iter().any(|choice| matches!(choice, Choice::Url(url) if url.starts_with("https:")));
    let linked = loaded.iter().find(|file| file.scenario.populations.values().any(|users| users.link.is_some()));
    match linked {
        Some(file) if secure => Err(format!(
            "{}: `link` goes with http:// only: a certificate is not for the link's address; nothing was sent",
            file.source.name
        )),
        _ => Ok(()),
    }
}

/// goose brings its own HTTP client, which knows nothing of what sio-bench's is told.
fn goose_as_it_can(loaded: &[Loaded], choices: &[Choice]) -> Result<(), String> {
    let by_goose = |file: &&Loaded| file.scenario.populations.values().any(|users| users.driver == Driver::Goose);
    let Some(file) = loaded.iter().find(by_goose) else { return Ok(()) };
    let secure = choices.iter().any(|choice| matches!(choice, Choice::Url(url) if url.starts_with("https:")));
    let why = if !cfg!(feature = "goose") {
        "this build is without it; `cargo build --release --features goose` makes one that has it"
    } else if secure {
        "it is for http:// only"
    } else if !file.scenario.target.sources.is_empty() {
        "it does not connect from `source_ips`"
    } else {
        return Ok(());
    };
    Err(format!("{}: `driver = \"goose\"` cannot be: {why}; nothing was sent", file.source.name))
}

fn default_folder(loaded: &[Loaded]) -> PathBuf {
    fresh_folder(if loaded.len() == 1 { loaded[0].scenario.name.as_str() } else { "several" })
}

/// A folder for a record that nobody has used.
pub(super) fn fresh_folder(name: &str) -> PathBuf {
    let now = now().strftime("%Y-%m-%dT%H-%M-%S").to_string();
    let safe: String = name.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '-' }).collect();
    // Two runs within a second must not meet.
    // In a folder that cannot be written, such as a read-only checkout, records go where caches are.
    let here = rustix::fs::access(".", rustix::fs::Access::WRITE_OK).is_ok() || Path::new("runs").is_dir();
    let runs = if here { PathBuf::from("runs") } else { output::cache().join("runs") };
    unused(runs.join(format!("{now}-{safe}")))
}

/// The folder itself, or one beside it with a number, if it is there already.
pub(super) fn unused(folder: PathBuf) -> PathBuf {
    let free = folders(&folder).find(|free| !free.exists());
    free.unwrap_or(folder)
}

/// The folder itself, and those beside it with a number.
pub(super) fn folders(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let others = (2..1_000).map(move |n| format!("{name}-{n}"));
    std::iter::once(folder.to_owned()).chain(others.map(|name| folder.with_file_name(name)))
}

pub(super) fn now() -> Timestamp {
    Timestamp::try_from(clock::wall()).unwrap_or_default()
}

/// A record in a folder of its own; what is wrong with the folder has been said.
pub(super) fn record_in(folder: &Path) -> Option<Recorder> {
    let created = Recorder::create(folder).map_err(|error| {
        complain(&format!("cannot write a record into {}: {error}\n  choose another with --out", folder.display()));
    });
    created.ok()
}

/// Runs a job to its end and returns its record; without a footer when nothing came of it, and that was said.
pub(super) async fn execute(job: Job, interrupt: &mut Interrupt) -> io::Result<(Exit, Vec<Entry>)> {
    let Some(mut recorder) = record_in(&job.folder) else { return Ok((Exit::Usage, Vec::new())) };
    // The journal is for cases that read it; load runs measure the server, not its diary.
    let journal = job.plans.iter().all(Option::is_none);
    let options = job.loaded[0].scenario.target.started_with().0;
    let launch = Launch {
        journal,
        stderr: job.folder.join("target.stderr"),
        program: None,
        env: options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        trust: false,
        manner: job.manner.clone(),
    };
    let started = tokio::select! {
        started = Box::pin(Fleet::start(&job.formation, job.path.as_deref(), &launch)) => started,
        () = interrupt.wait() => {
            take_back(recorder, &launch);
            return Ok((Exit::Interrupted, Vec::new()));
        }
    };
    let mut fleet = match started {
        Ok(fleet) => fleet,
        Err(error) => {
            complain(&error.to_string());
            take_back(recorder, &launch);
            let exit = if matches!(error, target::Error::Usage(_)) { Exit::Usage } else { Exit::Target };
            return Ok((exit, Vec::new()));
        }
    };
    let header = header(fleet.first().info.clone());
    recorder.add(Entry::Header(header.clone()))?;
    let files: Vec<&Loaded> = job.loaded.iter().collect();
    for earlier in &job.earlier {
        recorder.add(Entry::Baseline(earlier.entry(&header, &files)))?;
    }
    let lost = perform(job, &mut fleet, &mut recorder, interrupt).await?;
    fleet.stop().await;
    let exit = finish(&mut recorder, lost)?;
    Ok((exit, recorder.entries().to_vec()))
}

/// Nothing was sent: leaves no folder behind, unless the target had something to say.
fn take_back(recorder: Recorder, launch: &Launch) {
    let silent = std::fs::metadata(&launch.stderr).is_ok_and(|file| file.len() == 0);
    if silent {
        // What cannot be removed does no harm.
        let _ = std::fs::remove_file(&launch.stderr);
    }
    recorder.discard();
}

/// What ended a run while cases were played.
pub(super) struct Ended {
    by: EndedBy,
    why: String,
}

/// Runs every scenario. Returns what ended the run, if something did while cases were played.
async fn perform(
    job: Job,
    fleet: &mut Fleet,
    recorder: &mut Recorder,
    interrupt: &mut Interrupt,
) -> io::Result<Option<Ended>> {
    let settings = Settings { workers: job.workers, audience: job.audience, part: job.part };
    for (loaded, plan) in job.loaded.iter().zip(job.plans) {
        recorder.add(Entry::Scenario(start(loaded)))?;
        let target = fleet.first();
        let peers = fleet.nodes()[1..].iter().map(|node| node.endpoint.clone()).collect();
        let stage = Stage { peers, ..Stage::new(fleet.doors()[0].clone(), target.http.clone(), target.info.fence) };
        let mut cases = Vec::new();
        // What is run once for all parts is the first one's.
        let plays = settings.part.as_ref().is_none_or(|order| order.share.is_first());
        for case in loaded.scenario.cases.iter().filter(|case| plays && case.every.is_none()) {
            let result = tokio::select! {
                result = play::play(loaded, case, &stage) => result,
                () = interrupt.wait() => return Ok(Some(Ended { by: EndedBy::Interrupt, why: INTERRUPTED.to_owned() })),
            };
            cases.push(result.clone());
            recorder.add(Entry::Case(result))?;
            if let Some(status) = fleet.ended() {
                let words = fleet.last_words();
                let why = format!("the target ended ({status}) during `{}` {words}", case.title());
                return Ok(Some(Ended { by: EndedBy::Target, why }));
            }
        }
        if let Some(plan) = plan {
            let span = tracing::info_span!("run", scenario = loaded.scenario.name);
            load::run(loaded, plan, fleet, recorder, &settings, &cases, interrupt).instrument(span).await?;
            hold_against(&job.earlier, loaded, recorder)?;
        }
        if stopped_early(recorder) {
            break;
        }
    }
    Ok(None)
}

/// Records what has changed since the baselines, and the rules about it.
pub(super) fn hold_against(earlier: &[Earlier], loaded: &Loaded, recorder: &mut Recorder) -> io::Result<()> {
    let name = &loaded.scenario.name;
    let Some(load) = loads(recorder.entries()).find(|load| load.scenario == *name).cloned() else { return Ok(()) };
    if earlier.is_empty() || load.aborted.is_some() {
        return Ok(());
    }
    for change in baseline::changes(recorder.folder(), &load, earlier) {
        recorder.add(Entry::Change(change))?;
    }
    for rule in baseline::decide(recorder.folder(), loaded, &load, earlier) {
        recorder.add(Entry::Threshold(rule))?;
    }
    Ok(())
}

fn stopped_early(recorder: &Recorder) -> bool {
    loads(recorder.entries()).any(|load| load.aborted.is_some() && cut_off(load.ended_by).is_some())
}

pub(super) fn finish(recorder: &mut Recorder, ended: Option<Ended>) -> io::Result<Exit> {
    let mut verdict = judge(recorder.entries());
    if let Some(Ended { by, why }) = ended
        && let Some((exit, word)) = cut_off(by)
    {
        (verdict.exit, verdict.sentence) = (exit, format!("{word}: {why}"));
    }
    if let (Some(what), Exit::Passed) = (recorder.unwritten(), verdict.exit) {
        verdict.exit = Exit::NotValid;
        verdict.sentence =
            format!("NOT VALID: the record is not complete (cannot write {what}); what was seen: {}", verdict.sentence);
    }
    let cut = loads(recorder.entries()).any(|load| load.aborted.is_some());
    let complete = !cut && !matches!(verdict.exit, Exit::Interrupted | Exit::Target);
    let footer = Footer { complete, ended: now().to_string(), exit: verdict.exit as u8, verdict: verdict.sentence };
    recorder.add(Entry::Footer(footer))?;
    Ok(unwritten(recorder, verdict.exit))
}

/// What the program ends with: a run that could not be recorded whole has not passed.
pub(super) fn unwritten(recorder: &Recorder, exit: Exit) -> Exit {
    match recorder.unwritten() {
        None => exit,
        Some(what) => {
            complain(&format!("the record is not complete: cannot write {what}"));
            if exit == Exit::Passed { Exit::NotValid } else { exit }
        }
    }
}

/// The first line of a record.
pub(super) fn header(target: TargetInfo) -> Header {
    Header {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: secrets::command(),
        started: now().to_string(),
        host: Host {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            cores: thread::available_parallelism().map_or(0, usize::from),
            open_files: limits::raise_open_files(),
        },
        target,
        parts: Vec::new(),
    }
}

pub(super) fn start(loaded: &Loaded) -> ScenarioStart {
    let scenario = &loaded.scenario;
    ScenarioStart {
        name: scenario.name.clone(),
        about: scenario.about.clone(),
        file: loaded.source.name.clone(),
        version: scenario.version,
        seed: scenario.seed,
        vars: loaded.vars.iter().cloned().collect(),
        source: loaded.source.text.clone(),
    }
}

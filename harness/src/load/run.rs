//! The coordinator of a load: starts the workers, keeps the clock, watches the target, collects the result.

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc as thread_mpsc;
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use super::accepted::Accepted;
use super::admission::Answers;
use super::chaos::timeline;
use super::control::Control;
use super::coordinator::Watch;
use super::credentials::{Issuer, UserRooms};
use super::emission_log::EmissionLog;
use super::evidence;
use super::fences::Fences;
use super::flow::{FlowConfig, Iterations};
use super::goose;
use super::happened::Happened;
use super::identity::Identities;
use super::join::{Call, Joining};
use super::message::Message;
use super::metrics::Histograms;
use super::needs::Needs;
use super::nodes::Nodes;
use super::observe::Observer;
use super::part::{Order, Part};
use super::plan::Plan;
use super::repro::Scene;
use super::result::{self, summarize};
use super::schedule::Schedule;
use super::shared::{PopulationConfig, Shared};
use super::signs;
use super::worker::{self, WorkerResult};
use super::{cases, slo};
use crate::clock;
use crate::interrupt::Interrupt;
use crate::live::{Audience, Frame, Live};
use crate::output;
use crate::play::Stage;
use crate::record::histogram::{Interval, write_hgrm, write_hlog};
use crate::record::{
    CaseResult, Entry, LoadResult, LoadViolation, Recorder, ThresholdResult, ThresholdVerdict, TrafficResult,
};
use crate::scenario::Loaded;
use crate::scenario::model::{CONNECT_TIMEOUT, Invocation, Scenario};
use crate::target::Fleet;
use crate::vocab::Measure;
use crate::vocab::measure::{Scope, Unit};
use crate::vocab::text::plural;
use crate::wire::held;

/// From "everybody is ready" to the first phase.
pub(super) const LEAD: Duration = Duration::from_millis(100);

/// How to run a load.
#[derive(Clone, Debug)]
pub struct Settings {
    pub workers: usize,
    pub audience: Audience,
    /// Which part of the run this is, if other processes have the rest.
    pub part: Option<Order>,
}

/// Runs the load of a scenario and records what comes of it.
///
/// Fails when the record cannot be written; what goes wrong with the target is part of the result.
pub async fn run(
    loaded: &Loaded,
    plan: Plan,
    fleet: &mut Fleet,
    recorder: &mut Recorder,
    settings: &Settings,
    cases: &[CaseResult],
    interrupt: &mut Interrupt,
) -> io::Result<()> {
    held::expect(under_way(loaded));
    tracing::info!(
        users = plan.users.len(),
        rooms = plan.rooms.len(),
        nodes = plan.nodes,
        seed = plan.seed,
        workers = settings.workers,
        "the load is planned"
    );
    let (control, snapshots) = Control::new(settings.workers);
    let goose = goose::start(loaded, fleet).await.map_err(io::Error::other)?;
    let part = settings.part.as_ref().map(|order| Part::begin(order, loaded, recorder.folder())).transpose()?;
    let part = part.unwrap_or_else(Part::whole);
    let shared =
        Arc::new(share(loaded, plan, fleet, control, (settings.workers, part), goose).map_err(io::Error::other)?);
    let threads = start_workers(&shared, settings.workers)?;
    let started = clock::wall();
    let (hlog, hlog_thread) = start_hlog(recorder, loaded, started)?;

    let observer = Observer::new(loaded.scenario.observe.as_ref(), fleet.pids(), &shared.stage.http);
    let live = Live::new(&settings.audience, frame(loaded, &shared)).await.map_err(io::Error::other)?;
    let mut watch = Watch::new(loaded, &shared, snapshots, hlog, live, observer);
    watch.observer.look().await;
    let played = RefCell::new(Vec::new());
    let (cpu, memory) = {
        let is_first = shared.part.share.is_first();
        let beside = async {
            if is_first {
                cases::play_again_and_again(loaded, &shared, &played).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        Box::pin(watch.follow(fleet, beside, recorder, interrupt)).await
    };
    let mut cases = cases.to_vec();
    for case in played.into_inner() {
        cases.push(case.clone());
        recorder.add(Entry::Case(case))?;
    }
    let ending = shared.control.ending();
    let workers = join_workers(threads).await?;
    tracing::info!("the workers have ended");
    watch.keep_rest(workers.iter().map(|worker| &worker.snapshot));
    let places = result::places(&shared.plan, &workers);
    watch.keep_places(&places);
    let crossed = watch.crossed.take();
    let (histograms, problem) = watch.end();
    let mut result = summarize(&loaded.scenario, &shared.plan, &workers, &histograms, &places);
    result.violations = cut_out(loaded, &shared.plan, &workers, &result.traffic, fleet, recorder);
    for (flow, users) in result.flows.values_mut().zip(shared.guide.sizes()) {
        flow.users = shared.part.share.count(0, users.unwrap_or(0));
    }
    result.users.requested = shared.users();
    let elsewhere = workers.iter().map(|worker| worker.found.tally.elsewhere).sum();
    result.part = Box::pin(shared.part.end(elsewhere, ending.is_none())).await;
    result.cpu = cpu;
    result.memory = memory;
    result.driver = goose::end(shared.flock.clone()).await;
    result.wire.payload = payload(loaded, &result);
    result.problems.extend(problem.map(|problem| (problem, 1)));
    result.fenced = shared.stage.fence;
    result.joins_unanswered = !result.fenced && has_unanswered_joins(&loaded.scenario);
    result.signs = signs::of(!fleet.pids().is_empty(), &fleet.doors()[0], &shared.plan, &result);
    result.cluster = shared.plan.is_cluster().then(|| result::cluster(&shared, &workers, &histograms));
    if ending.is_some() {
        let last = recorder.entries().iter().rev().find_map(|entry| match entry {
            Entry::Progress(progress) => Some(progress.second),
            _ => None,
        });
        result::cut_phases(&mut result, last.unwrap_or(0.0));
    }
    result.ended_by = ending.as_ref().map(|ending| ending.by).unwrap_or_default();
    result.aborted = ending.map(|ending| ending.why);
    result::outages(&mut result, &shared, &workers);
    signs::mark(&mut result);
    let mut rules = slo::decide(loaded, &shared.plan, &result, &histograms, &cases);
    if !shared.part.share.is_whole() {
        slo::postpone(loaded, &mut rules, "in this part; decided over all parts");
    }
    if let Some(crossed) = crossed {
        // What ended the run was so then, whatever came while it ended.
        let same =
            |rule: &&mut ThresholdResult| rule.place == crossed.place && rule.verdict != ThresholdVerdict::Unknown;
        rules.iter_mut().filter(same).for_each(|rule| rule.clone_from(&crossed));
    }
    let hlog = hlog_thread.join().map_err(|_| io::Error::other("the writer of the .hlog panicked"))?;
    // The result is shown all the same.
    let distributions = hlog.and_then(|()| write_distributions(recorder.folder(), &shared.plan, &histograms));
    distributions.unwrap_or_else(|error| recorder.lacks("*.hlog, *.hgrm", &error));
    finish(recorder, result, rules)
}

fn frame(loaded: &Loaded, shared: &Shared) -> Frame {
    let phases = shared.plan.phases.iter().map(|phase| (phase.name.clone(), phase.end as f64 / 1e9));
    Frame { scenario: loaded.scenario.name.clone(), asked: shared.users(), phases: phases.collect() }
}

/// What the messages of the load may come to while they are on their way to all users at once: a few of the largest for each.
fn under_way(loaded: &Loaded) -> usize {
    let users: usize = loaded.scenario.populations.values().map(|users| users.count as usize).sum();
    let largest = loaded.scenario.traffic.values().map(|traffic| traffic.payload_size).max().unwrap_or(0);
    users.saturating_mul(largest).saturating_mul(4)
}

/// Bytes of payload in all that was sent and delivered.
pub(super) fn payload(loaded: &Loaded, result: &LoadResult) -> u64 {
    let traffic = loaded.scenario.traffic.values().zip(&result.traffic);
    let bytes = traffic.map(|(spec, traffic)| {
        let counts = traffic.counts;
        let messages = counts.sent + counts.delivered + counts.may_delivered + counts.volatile_delivered;
        messages * spec.payload_size as u64
    });
    bytes.sum()
}

/// What the workers of a run share.
pub(super) fn share(
    loaded: &Loaded,
    plan: Plan,
    fleet: &Fleet,
    control: Control,
    (workers, part): (usize, Part),
    goose: goose::Started,
) -> Result<Shared, String> {
    let scenario = &loaded.scenario;
    let messages = scenario.traffic.values().map(|traffic| Message::new(loaded, traffic)).collect::<Result<_, _>>()?;
    let mut joins = Vec::with_capacity(plan.rooms.len());
    for (group, spec) in &scenario.rooms {
        let call = spec.join.as_ref().map(|join| Arc::new(Call::new(loaded, join)));
        let own = call.as_ref().is_some_and(|call| call.varies(loaded));
        for index in 0..spec.count {
            joins.push(match &call {
                None => Joining::Unasked,
                Some(call) if own => Joining::Own(call.clone()),
                Some(call) => Joining::Same(call.render(loaded.scope(), &format!("{group}-{index}"))?),
            });
        }
    }
    let sends_plain =
        |name: &str| scenario.traffic.values().any(|traffic| traffic.from == name && traffic.ack.is_none());
    let behaviour = |(name, users): (&String, &crate::scenario::model::Population)| {
        Ok(PopulationConfig {
            churn: users.churn,
            recovery: users.recovery,
            read_rate: users.read_rate,
            link: users.link,
            goose: goose::first(scenario, name),
            issuer: {
                let population = scenario.populations.get_index_of(name).unwrap_or(0);
                Issuer::new(loaded, population, &fleet.doors()[0].manner, UserRooms::of(loaded, &plan, population))?
            },
            sends_plain: sends_plain(name),
        })
    };
    let crowds = scenario.populations.iter().map(behaviour).collect::<Result<_, String>>()?;
    let plan = Arc::new(plan);
    let plan_nodes = plan.nodes;
    let (run, needs) = (part.run(), Needs::new(&plan));
    let first = fleet.first();
    Ok(Shared {
        log: Arc::new(EmissionLog::new(Schedule::new(scenario, plan.clone()), workers, part.share)),
        chaos: timeline(scenario, &plan),
        happened: Happened::default(),
        plan,
        run,
        identities: Identities::new(loaded, run),
        accepted: Accepted::new(loaded),
        messages,
        joins,
        crowds,
        reconnect: scenario.target.reconnect,
        connect_timeout: scenario.target.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
        gives_up: scenario.target.connect_timeout.is_none(),
        answers: Answers::new(),
        may_end_early: part.share.is_whole() && scenario.slo.iter().any(|rule| rule.ends_run.is_some()),
        stage: Stage::new(fleet.doors()[0].clone(), first.http.clone(), fleet.is_fenced()),
        guide: FlowConfig::new(loaded, part.share),
        visitors: Iterations::new(scenario),
        cluster: Nodes::new(&scenario.target, plan_nodes),
        fences: Fences::default(),
        needs,
        connected: AtomicUsize::new(0),
        settled: AtomicUsize::new(0),
        nodes: fleet.doors().iter().map(|door| RwLock::new(door.clone())).collect(),
        control,
        flock: goose,
        outages: Arc::default(),
        connect_from: clock::now() + LEAD,
        workers,
        part,
    })
}

type WorkerThread = (JoinHandle<()>, thread_mpsc::Receiver<io::Result<WorkerResult>>);

fn start_workers(shared: &Arc<Shared>, workers: usize) -> io::Result<Vec<WorkerThread>> {
    (0..workers)
        .map(|number| {
            let shared = shared.clone();
            let (sender, receiver) = thread_mpsc::channel();
            let span = tracing::warn_span!("worker", number);
            let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                let _worker = span.entered();
                // Nobody must wait at a barrier for a worker that is gone.
                let panicked = AbortOnDrop(&shared.control);
                let result = worker::run(&shared, number);
                std::mem::forget(panicked);
                if result.is_err() {
                    shared.control.abort("a worker could not start");
                }
                // The coordinator is gone only when the program is.
                let _ = sender.send(result);
            })?;
            Ok((thread, receiver))
        })
        .collect()
}

/// Ends the run when a worker unwinds.
struct AbortOnDrop<'a>(&'a Control);

impl Drop for AbortOnDrop<'_> {
    fn drop(&mut self) {
        self.0.abort("a worker panicked");
    }
}

/// Waits for the threads without holding up this one's runtime, which still reads the target's output.
async fn join_workers(threads: Vec<WorkerThread>) -> io::Result<Vec<WorkerResult>> {
    let joined = tokio::task::spawn_blocking(move || {
        threads
            .into_iter()
            .map(|(thread, receiver)| {
                let result = receiver.recv().map_err(|_| io::Error::other("a worker panicked"))?;
                thread.join().map_err(|_| io::Error::other("a worker panicked"))?;
                result
            })
            .collect()
    });
    joined.await.map_err(io::Error::other)?
}

type HlogThread = JoinHandle<io::Result<()>>;

/// The `.hlog` is written by a thread of its own: compressing histograms must not hold up the watch.
fn start_hlog(
    recorder: &Recorder,
    loaded: &Loaded,
    started: SystemTime,
) -> io::Result<(thread_mpsc::Sender<Interval>, HlogThread)> {
    let path = recorder.folder().join(format!("{}.hlog", loaded.scenario.name));
    let (sender, receiver) = thread_mpsc::channel::<Interval>();
    let thread = std::thread::Builder::new()
        .name("hlog".to_owned())
        .spawn(move || write_hlog(&path, started, receiver.into_iter().map(Ok)))?;
    Ok((sender, thread))
}

pub(super) fn write_distributions(folder: &Path, plan: &Plan, histograms: &Histograms) -> io::Result<()> {
    // A file has times.
    let of_times = |(measure, _): &(Measure, usize)| measure.row().unit == Unit::Nanoseconds;
    for (measure, of) in plan.distributions().filter(of_times) {
        let Some(histogram) = histograms.whole(plan, measure, of) else { continue };
        let name = match measure.scope() {
            Scope::Step => format!("step.{}", output::file_name(&plan.steps[of]).replace(' ', "-")),
            Scope::Traffic | Scope::Run => plan.name_of(measure, of),
        };
        write_hgrm(&folder.join(format!("{name}.hgrm")), &histogram)?;
    }
    Ok(())
}

/// What came instead of messages that did not come, if it did: it may be those.
fn instead(traffic: &TrafficResult, recognised: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if !recognised {
        lines.extend(traffic.under_other_names());
    }
    if traffic.counts.unidentified > 0 {
        lines.push(format!(
            "{} came without a stamp that could be read; if this message is among them, the application changed it",
            plural(traffic.counts.unidentified, "event")
        ));
    }
    lines
}

/// Whether the application says of no join that it has happened, or of some.
fn has_unanswered_joins(scenario: &Scenario) -> bool {
    let is_answered = |join: &Invocation| {
        let action = scenario.actions.get(&join.action);
        action.is_some_and(|action| action.ack.is_some() || action.confirmed_by.is_some())
    };
    scenario.rooms.values().any(|group| !group.join.as_ref().is_some_and(is_answered))
}

/// The first deliveries that were wrong; each as a case of its own beside the record, as far as one can say it.
fn cut_out(
    loaded: &Loaded,
    plan: &Plan,
    workers: &[WorkerResult],
    traffic: &[TrafficResult],
    fleet: &Fleet,
    recorder: &mut Recorder,
) -> Vec<LoadViolation> {
    let first = fleet.first();
    let managed = !fleet.pids().is_empty();
    let running = fleet.nodes().iter().filter(|_| !managed);
    let servers: Vec<_> = running.map(|node| (node.endpoint.url.clone(), node.endpoint.path.clone())).collect();
    let mut violations = Vec::new();
    let decided = |index: usize| !traffic[index].undecided;
    for (mut violation, index, excerpt) in
        evidence::first(workers.iter().map(|worker| &worker.found.witnesses), decided)
    {
        let name = format!("{}-violation-{}", loaded.scenario.name, violations.len() + 1);
        let sample = workers.iter().find_map(|worker| worker.found.samples[index].as_ref());
        if violation.measure == "missing" {
            violation.because.extend(instead(&traffic[index], sample.is_some()));
        }
        let (servers, has_fixture, manner) = (servers.as_slice(), fleet.is_fenced(), &*first.endpoint.manner);
        let scene = Scene { loaded, plan, sample, servers, has_fixture, manner };
        let rendered = if plan.is_cluster() {
            Err("the clients of a case are all at one server, and this happened between servers of a cluster"
                .to_owned())
        } else {
            excerpt.render(&scene, &name, &violation)
        };
        match rendered {
            Ok(text) => {
                let path = recorder.folder().join(format!("{name}.toml"));
                match output::write(&path, &text) {
                    Ok(()) => violation.scenario = Some(path.display().to_string()),
                    Err(error) => recorder.lacks(&format!("{name}.toml"), &error),
                }
                violation.target = (managed && first.info.name != "reference").then(|| first.info.name.clone());
                violation.options = Some(scene.options()).filter(|options| !options.is_empty());
            }
            Err(why) => violation.no_case = Some(why),
        }
        violations.push(violation);
    }
    violations
}

fn finish(recorder: &mut Recorder, result: LoadResult, rules: Vec<ThresholdResult>) -> io::Result<()> {
    recorder.add(Entry::Load(Box::new(result)))?;
    for rule in rules {
        recorder.add(Entry::Threshold(rule))?;
    }
    Ok(())
}

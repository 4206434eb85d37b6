//! The coordinator of a load: starts the workers, keeps the clock, watches the target, collects the result.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::mpsc as thread_mpsc;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

use super::chaos::{Happening, timeline};
use super::control::{Aborted, Control};
use super::journey::{Guide, Visitors};
use super::log::Log;
use super::measure::{Key, Measure, Snapshot};
use super::message::{self, Message};
use super::observe::Observer;
use super::plan::Plan;
use super::progress::Live;
use super::result::{Histograms, summarize};
use super::schedule::Schedule;
use super::witness;
use super::worker::{self, Behaviour, Shared, WorkerResult};
use super::{cases, cpu, slo};
use crate::clock;
use crate::interrupt::Interrupt;
use crate::play::Stage;
use crate::record::histogram::{Interval, write_hgrm, write_hlog};
use crate::record::{
    CaseResult, Cpu, Entry, Growth, LoadResult, LoadViolation, Memory, Progress, Recorder, RuleResult,
};
use crate::report::INTERRUPTED;
use crate::scenario::Loaded;
use crate::scenario::model::Upset;
use crate::target::{Fleet, Frozen};

/// From "everybody is ready" to the first phase.
const LEAD: Duration = Duration::from_millis(100);
/// How often the target's process is looked at.
const WATCH: Duration = Duration::from_millis(50);

/// How to run a load.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub workers: usize,
    pub quiet: bool,
}

/// Runs the load of a scenario and records what comes of it.
///
/// Fails when the record cannot be written; what goes wrong with the target is part of the result.
pub async fn run(
    loaded: &Loaded,
    plan: Plan,
    fleet: &mut Fleet,
    recorder: &mut Recorder,
    settings: Settings,
    cases: &[CaseResult],
    interrupt: &mut Interrupt,
) -> io::Result<()> {
    let (control, snapshots) = Control::new(settings.workers);
    let shared = Arc::new(share(loaded, plan, fleet, control, settings.workers).map_err(io::Error::other)?);
    let threads = start_workers(&shared, settings.workers)?;
    let started = clock::wall();
    let (hlog, hlog_thread) = start_hlog(recorder, loaded, started)?;

    let mut watch = Watch {
        shared: &shared,
        snapshots,
        latest: (0..settings.workers).map(|_| None).collect(),
        histograms: Histograms::default(),
        hlog,
        origin: None,
        live: Live::new(settings.quiet),
        before: (0, 0),
        observer: Rc::new(Observer::new(loaded.scenario.observe.as_ref(), fleet.pids(), &shared.stage.http)),
    };
    watch.observer.look().await;
    let played = RefCell::new(Vec::new());
    let (cpu, memory) = {
        let beside = cases::play_again_and_again(loaded, &shared, &played);
        watch.follow(fleet, beside, recorder, interrupt).await
    };
    let mut cases = cases.to_vec();
    for case in played.into_inner() {
        cases.push(case.clone());
        recorder.add(Entry::Case(case))?;
    }
    let aborted = shared.control.abort_reason();
    let workers = join_workers(threads).await?;
    for worker in &workers {
        watch.keep(&worker.snapshot);
    }
    let Watch { histograms, hlog, live, observer, .. } = watch;
    drop(live);
    let mut result = summarize(&loaded.scenario.name, &shared.plan, &workers, &histograms);
    result.violations = cut_out(loaded, &shared.plan, &workers, !fleet.pids().is_empty(), recorder)?;
    result.cpu = cpu;
    result.memory = memory;
    result.wire.payload = payload(loaded, &result);
    if let Some(problem) = observer.problem() {
        result.problems.insert(problem, 1);
    }
    result.fenced = shared.stage.fence;
    result.aborted = aborted;
    let rules = slo::decide(loaded, &shared.plan, &result, &histograms, &cases);
    drop(hlog);
    hlog_thread.join().map_err(|_| io::Error::other("the writer of the .hlog panicked"))??;
    write_distributions(recorder, &shared.plan, &histograms)?;
    finish(recorder, result, rules)
}

/// Bytes of payload in all that was sent and delivered.
fn payload(loaded: &Loaded, result: &LoadResult) -> u64 {
    let traffic = loaded.scenario.traffic.values().zip(&result.traffic);
    let bytes = traffic.map(|(spec, traffic)| {
        let counts = traffic.counts;
        let messages = counts.sent + counts.delivered + counts.may_delivered + counts.volatile_delivered;
        messages * spec.payload_size as u64
    });
    bytes.sum()
}

fn share(loaded: &Loaded, plan: Plan, fleet: &Fleet, control: Control, workers: usize) -> Result<Shared, String> {
    let scenario = &loaded.scenario;
    let messages = scenario.traffic.values().map(|traffic| Message::new(loaded, traffic)).collect::<Result<_, _>>()?;
    let mut joins = Vec::with_capacity(plan.rooms.len());
    for (group, spec) in &scenario.rooms {
        for index in 0..spec.count {
            joins.push(message::join(loaded, &spec.join, &format!("{group}-{index}"))?);
        }
    }
    let sends_plain = |name: &str| scenario.traffic.values().any(|traffic| traffic.by == name && !traffic.ack);
    let behaviour = |(name, users): (&String, &crate::scenario::model::Population)| {
        Ok(Behaviour {
            churn: users.churn,
            recovery: users.recovery,
            reads: users.reads,
            link: users.link,
            auth: message::auth(loaded, users)?,
            sends_plain: sends_plain(name),
        })
    };
    let crowds = scenario.populations.iter().map(behaviour).collect::<Result<_, String>>()?;
    let plan = Arc::new(plan);
    let first = fleet.first();
    Ok(Shared {
        log: Arc::new(Log::new(Schedule::new(scenario, plan.clone()), workers)),
        chaos: timeline(scenario, &plan),
        plan,
        run: rand::random(),
        messages,
        joins,
        crowds,
        reconnect: scenario.target.reconnect,
        stage: Stage::new(first.endpoint.clone(), first.http.clone(), fleet.is_fenced()),
        guide: Guide::new(loaded),
        visitors: Visitors::new(scenario),
        nodes: fleet.nodes().iter().map(|node| RwLock::new(node.endpoint.clone())).collect(),
        control,
        connect_from: clock::now() + LEAD,
        workers,
    })
}

type WorkerThread = (JoinHandle<()>, thread_mpsc::Receiver<io::Result<WorkerResult>>);

fn start_workers(shared: &Arc<Shared>, workers: usize) -> io::Result<Vec<WorkerThread>> {
    (0..workers)
        .map(|number| {
            let shared = shared.clone();
            let (sender, receiver) = thread_mpsc::channel();
            let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
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

/// Freezes and restarts what the scenario says, when it says so. Returns only when that cannot be done, with the
/// reason.
async fn upset_processes(shared: &Shared, fleet: &tokio::sync::Mutex<&mut Fleet>) -> String {
    let Ok(origin) = shared.control.started().await else { return std::future::pending().await };
    for Happening { at, upset, .. } in shared.chaos.iter().filter(|happening| !happening.is_about_users()) {
        tokio::time::sleep_until((origin + Duration::from_nanos(*at)).into()).await;
        match *upset {
            Upset::Freeze { length, node } => {
                let Some(pid) = fleet.lock().await.pid(node) else { continue };
                let frozen = Frozen::new(pid);
                tokio::time::sleep(length).await;
                drop(frozen);
            }
            Upset::Restart { kill, down, node } => {
                let mut fleet = fleet.lock().await;
                match fleet.restart(node, kill, down).await {
                    Ok(endpoint) => {
                        let place = &shared.nodes[node as usize];
                        *place.write().unwrap_or_else(PoisonError::into_inner) = endpoint;
                    }
                    Err(error) => return format!("node {node} could not be started again: {error}"),
                }
            }
            Upset::Drop { .. } | Upset::Stall { .. } => {}
        }
    }
    std::future::pending().await
}

/// Follows a run from outside.
struct Watch<'a> {
    shared: &'a Shared,
    snapshots: mpsc::UnboundedReceiver<Snapshot>,
    /// The last snapshot of each worker: present, failed, lost, sent, delivered, wrong, visiting.
    latest: Vec<Option<[u64; 7]>>,
    histograms: Histograms,
    hlog: thread_mpsc::Sender<Interval>,
    origin: Option<std::time::Instant>,
    live: Live,
    before: (u64, u64),
    observer: Rc<Observer<'a>>,
}

impl Watch<'_> {
    /// Until the run is over or aborted; returns what its phases took.
    async fn follow(
        &mut self,
        fleet: &mut Fleet,
        beside: impl Future<Output = ()>,
        recorder: &mut Recorder,
        interrupt: &mut Interrupt,
    ) -> (Cpu, Memory) {
        let shared = self.shared;
        let control = &shared.control;
        let cpu = Cell::new(Cpu::default());
        let observer = self.observer.clone();
        let memory = || (cpu::own().memory, observer.cost().memory);
        let grown = Cell::new([memory(), (None, None), (None, None)]);
        let timeline = async {
            control.barrier().await?;
            let [before_users, ..] = grown.get();
            let open = memory();
            grown.set([before_users, open, (None, None)]);
            let origin = clock::now() + LEAD;
            control.start(origin);
            let before = (origin, cpu::own().cpu, observer.cost().cpu, cpu::stolen());
            control.barrier().await?;
            let difference = |now: Option<f64>, before: Option<f64>| Some(now? - before?);
            cpu.set(Cpu {
                seconds: clock::now().duration_since(before.0).as_secs_f64(),
                own: difference(cpu::own().cpu, before.1),
                target: difference(observer.cost().cpu, before.2),
                stolen: difference(cpu::stolen(), before.3),
            });
            grown.set([before_users, open, memory()]);
            control.barrier().await?;
            control.barrier().await
        };
        let fleet = tokio::sync::Mutex::new(fleet);
        let chaos = upset_processes(shared, &fleet);
        let observing = observer.follow();
        tokio::pin!(timeline, chaos, beside, observing);
        let mut watch = tokio::time::interval(WATCH);
        loop {
            // Cancel-safe: timeline and chaos are pinned outside, the others hold nothing.
            tokio::select! {
                outcome = &mut timeline => {
                    let _: Result<(), Aborted> = outcome;
                    break;
                }
                why = &mut chaos => control.abort(&why),
                () = &mut beside => {}
                () = &mut observing => {}
                Some(snapshot) = self.snapshots.recv() => {
                    self.origin = self.origin.or(control.origin());
                    self.keep_and_show(&snapshot, recorder);
                    if self.all_lost() {
                        control.abort("every connection was lost");
                    }
                }
                _ = watch.tick() => {
                    // While a node is being started again, nobody looks whether it runs.
                    if let Ok(mut fleet) = fleet.try_lock()
                        && let Some(status) = fleet.ended()
                    {
                        control.abort(&format!("the target ended ({status})"));
                    }
                }
                () = interrupt.wait() => control.abort(INTERRUPTED),
            }
        }
        while let Ok(snapshot) = self.snapshots.try_recv() {
            self.keep(&snapshot);
        }
        let [before, open, end] = grown.get();
        let own = Growth { before: before.0, open: open.0, end: end.0 };
        let target = Growth { before: before.1, open: open.1, end: end.1 };
        (cpu.get(), Memory { own, target })
    }

    /// Adds the histograms of a snapshot to the sums and to the log.
    fn keep(&mut self, snapshot: &Snapshot) {
        let now = self.origin.map_or(Duration::ZERO, |origin| clock::now().saturating_duration_since(origin));
        for (key, histogram) in &snapshot.histograms {
            self.histograms.add(key.clone(), histogram);
            let length = Duration::from_secs(1).min(now);
            let interval = Interval {
                tag: tag(&self.shared.plan, key),
                start: now.saturating_sub(length),
                length,
                histogram: histogram.clone(),
            };
            // The writer ends early only when the disk is full; the join tells.
            let _ = self.hlog.send(interval);
        }
        self.latest[snapshot.worker] = Some([
            snapshot.present,
            snapshot.failed,
            snapshot.lost,
            snapshot.sent,
            snapshot.delivered,
            snapshot.wrong,
            snapshot.visiting,
        ]);
    }

    fn keep_and_show(&mut self, snapshot: &Snapshot, recorder: &mut Recorder) {
        self.keep(snapshot);
        if snapshot.worker != 0 {
            return;
        }
        let total = |index: usize| self.latest.iter().flatten().map(|numbers| numbers[index]).sum::<u64>();
        let second = self.origin.map_or(-1.0, |origin| match clock::now().checked_duration_since(origin) {
            Some(since) => since.as_secs_f64(),
            None => 0.0,
        });
        let nanos = (second.max(0.0) * 1e9) as u64;
        let plan = &self.shared.plan;
        let phase = plan.phases.iter().find(|phase| nanos < phase.end).map_or("settle", |phase| &phase.name);
        let phase = if self.origin.is_none() { "connect" } else { phase };
        let (sent, delivered) = (total(3), total(4));
        let progress = Progress {
            second: (second * 1e3).round() / 1e3,
            phase: phase.to_owned(),
            open: total(0),
            failed: total(1),
            sent,
            delivered,
            wrong: total(5),
            visiting: total(6),
            own: cpu::own(),
            target: self.observer.cost(),
            metrics: self.observer.metrics(),
        };
        let rates = (sent.saturating_sub(self.before.0), delivered.saturating_sub(self.before.1));
        self.before = (sent, delivered);
        self.live.show(&progress, plan.users.len() as u64, rates.0, rates.1);
        // A record that cannot be written is told at the end, when the result is.
        let _ = recorder.add(Entry::Progress(progress));
    }

    fn all_lost(&self) -> bool {
        let total = |index: usize| self.latest.iter().flatten().map(|numbers| numbers[index]).sum::<u64>();
        let lost = total(2) + total(1);
        self.origin.is_some() && total(2) > 0 && lost == self.shared.plan.users.len() as u64
    }
}

/// `tell.delivery@steady`, `ruler.late@steady`, `connect`.
fn tag(plan: &Plan, key: &Key) -> String {
    let phase = plan.phases.get(key.phase).map_or("", |phase| &phase.name).replace([' ', ','], "-");
    match key.measure {
        Measure::Connect => "connect".to_owned(),
        Measure::Reconnect | Measure::Fence | Measure::Upgrade => format!("{}@{phase}", key.measure.name()),
        Measure::Late | Measure::Read | Measure::Queue => format!("ruler.{}@{phase}", key.measure.name()),
        Measure::Step => format!("{}@{phase}", plan.steps[key.of]).replace([' ', ','], "-"),
        measure => format!("{}.{}@{phase}", plan.traffic[key.of].name, measure.name()).replace([' ', ','], "-"),
    }
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
        .spawn(move || write_hlog(&path, started, receiver.into_iter()))?;
    Ok((sender, thread))
}

fn write_distributions(recorder: &Recorder, plan: &Plan, histograms: &Histograms) -> io::Result<()> {
    let measured = |phase: usize| plan.phases[phase].measured;
    let write = |name: String, histogram: Option<hdrhistogram::Histogram<u64>>| match histogram {
        Some(histogram) => write_hgrm(&recorder.folder().join(format!("{name}.hgrm")), &histogram),
        None => Ok(()),
    };
    for (index, traffic) in plan.traffic.iter().enumerate() {
        for measure in [Measure::Delivery, Measure::First, Measure::Complete, Measure::Service, Measure::Ack] {
            write(format!("{}.{}", traffic.name, measure.name()), histograms.sum(measure, index, measured))?;
        }
    }
    write("ruler.late".to_owned(), histograms.sum(Measure::Late, 0, measured))?;
    write("ruler.read".to_owned(), histograms.sum(Measure::Read, 0, measured))?;
    for (index, step) in plan.steps.iter().enumerate() {
        let name = step.replace([' ', '/', '\\'], "-");
        write(format!("step.{name}"), histograms.sum(Measure::Step, index, measured))?;
    }
    write("upgrade".to_owned(), histograms.sum(Measure::Upgrade, 0, measured))?;
    write("reconnect".to_owned(), histograms.sum(Measure::Reconnect, 0, measured))?;
    write("fence".to_owned(), histograms.sum(Measure::Fence, 0, measured))?;
    write("connect".to_owned(), histograms.sum(Measure::Connect, 0, |_| true))
}

/// The first deliveries that were wrong; each as a case of its own beside the record, as far as one can say it.
fn cut_out(
    loaded: &Loaded,
    plan: &Plan,
    workers: &[WorkerResult],
    managed: bool,
    recorder: &Recorder,
) -> io::Result<Vec<LoadViolation>> {
    let mut violations = Vec::new();
    for (mut violation, excerpt) in witness::first(workers.iter().map(|worker| &worker.witnesses)) {
        let name = format!("{}-violation-{}", loaded.scenario.name, violations.len() + 1);
        let sample = workers.iter().find_map(|worker| worker.samples[excerpt.traffic()?].as_deref());
        if let Some(text) = excerpt.render(loaded, plan, &name, &violation, sample, managed) {
            let path = recorder.folder().join(format!("{name}.toml"));
            std::fs::write(&path, text)?;
            violation.scenario = Some(path.display().to_string());
        }
        violations.push(violation);
    }
    Ok(violations)
}

fn finish(recorder: &mut Recorder, result: LoadResult, rules: Vec<RuleResult>) -> io::Result<()> {
    recorder.add(Entry::Load(Box::new(result)))?;
    for rule in rules {
        recorder.add(Entry::Rule(rule))?;
    }
    Ok(())
}

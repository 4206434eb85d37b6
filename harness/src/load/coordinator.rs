//! Follows a run from outside: adds up what the workers measure, shows it, watches the target, and ends what is over.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc as thread_mpsc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use indexmap::IndexMap;
use tokio::sync::mpsc;

use super::admission::{Admission, Entering, NotIn, nobody};
use super::chaos::FaultEvent;
use super::control::Aborted;
use super::cpu;
use super::fanout::Places;
use super::metrics::{Histograms, Snapshot, SoFar};
use super::observe::Observer;
use super::part::Waits;
use super::plan::Plan;
use super::result::so_far;
use super::run::LEAD;
use super::shared::Shared;
use super::slo;
use super::upsets;
use crate::clock;
use crate::interrupt::Interrupt;
use crate::live::Live;
use crate::record::histogram::{Interval, summary};
use crate::record::{Buckets, Cpu, EndedBy, Entry, Growth, Memory, Progress, Recorder, ThresholdResult};
use crate::scenario::Loaded;
use crate::target::{Fleet, Joint};
use crate::vocab::{INTERRUPTED, Measure};

/// How often the target's process is looked at.
const WATCH: Duration = Duration::from_millis(50);

/// Follows a run from outside.
pub(super) struct Watch<'a> {
    loaded: &'a Loaded,
    shared: &'a Shared,
    snapshots: mpsc::UnboundedReceiver<Snapshot>,
    /// The last snapshot of each worker: present, failed, lost, sent, delivered, wrong, iterating.
    latest: Vec<Option<[u64; 7]>>,
    /// Of the whole run.
    pub(super) histograms: Histograms,
    /// Of the second that is going on.
    second: Histograms,
    /// Of all seconds, by the names under which they are shown.
    buckets: IndexMap<String, Buckets>,
    hlog: thread_mpsc::Sender<Interval>,
    origin: Option<Instant>,
    live: Live,
    pub(super) observer: Rc<Observer<'a>>,
    admission: Admission,
    /// How those fare who ask to be let in; the last word of each worker.
    entering: Vec<Vec<Entering>>,
    /// What went wrong as long as nobody is in; the same.
    refusals: Vec<IndexMap<String, u64>>,
    /// What each worker has counted, where a threshold may end the run.
    so_far: Vec<Option<Box<SoFar>>>,
    /// The threshold that ended the run.
    pub(super) crossed: Option<ThresholdResult>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        loaded: &'a Loaded,
        shared: &'a Shared,
        snapshots: mpsc::UnboundedReceiver<Snapshot>,
        hlog: thread_mpsc::Sender<Interval>,
        live: Live,
        observer: Observer<'a>,
    ) -> Self {
        Self {
            loaded,
            shared,
            snapshots,
            latest: (0..shared.workers).map(|_| None).collect(),
            histograms: Histograms::default(),
            second: Histograms::default(),
            buckets: IndexMap::new(),
            hlog,
            origin: None,
            live,
            observer: Rc::new(observer),
            admission: Admission::new(shared.groups(), shared.plan.nodes),
            entering: vec![Vec::new(); shared.workers],
            refusals: vec![IndexMap::new(); shared.workers],
            so_far: vec![None; shared.workers],
            crossed: None,
        }
    }

    /// Until the run is over or aborted; returns what its phases took.
    pub(super) async fn follow(
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
            let origin = Box::pin(everybody_is_in(shared)).await?;
            let [before_users, ..] = grown.get();
            let open = memory();
            grown.set([before_users, open, (None, None)]);
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
        let chaos = upsets::happen(shared, &fleet);
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
                Some(mut snapshot) = self.snapshots.recv() => {
                    self.origin = self.origin.or(control.origin());
                    self.keep_and_show(&snapshot, recorder);
                    self.so_far[snapshot.worker] = snapshot.so_far.take();
                    if let Some(why) = self.crosses(snapshot.worker) {
                        control.end(EndedBy::Threshold, &why);
                    }
                    if self.all_lost() {
                        control.abort("every connection was lost");
                    }
                    if let Some(NotIn { why, unreachable }) = self.nobody_gets_in() {
                        control.end(if unreachable { EndedBy::Target } else { EndedBy::Refusal }, &why);
                    }
                }
                _ = watch.tick() => {
                    // While a node is being started again, nobody looks whether it runs.
                    if let Ok(mut fleet) = fleet.try_lock() {
                        if let Some(status) = fleet.ended() {
                            control.abort(&format!("the target ended ({status})"));
                        }
                        if let Some(words) = fleet.joint().and_then(Joint::lost) {
                            control.abort(&words);
                        }
                    }
                }
                why = shared.part.stopped() => control.end(EndedBy::Elsewhere, &why),
                () = interrupt.wait() => control.end(EndedBy::Interrupt, INTERRUPTED),
            }
        }
        let [before, open, end] = grown.get();
        let own = Growth { before: before.0, open: open.0, end: end.0 };
        let target = Growth { before: before.1, open: open.1, end: end.1 };
        (cpu.get(), Memory { own, target })
    }

    /// Keeps the last words of all workers. They measure until their users are gone, and one snapshot more may fall into the goodbyes.
    pub(super) fn keep_rest<'b>(&mut self, last: impl Iterator<Item = &'b Snapshot>) {
        while let Ok(snapshot) = self.snapshots.try_recv() {
            self.keep(&snapshot);
        }
        last.for_each(|snapshot| self.keep(snapshot));
    }

    /// Adds the histograms of a snapshot to the sums and to the log.
    fn keep(&mut self, snapshot: &Snapshot) {
        let now = self.origin.map_or(Duration::ZERO, |origin| clock::now().saturating_duration_since(origin));
        for (key, histogram) in &snapshot.histograms {
            self.histograms.add(key.clone(), histogram);
            self.second.add(key.clone(), histogram);
            let length = Duration::from_secs(1).min(now);
            let interval = Interval {
                tag: self.shared.plan.tag_of(key),
                start: now.saturating_sub(length),
                length,
                histogram: histogram.clone(),
            };
            // The writer ends early only when the disk is full; the join tells.
            let _ = self.hlog.send(interval);
        }
        self.entering[snapshot.worker].clone_from(&snapshot.entering);
        self.refusals[snapshot.worker].clone_from(&snapshot.problems);
        self.latest[snapshot.worker] = Some([
            snapshot.present,
            snapshot.failed,
            snapshot.lost,
            snapshot.sent,
            snapshot.delivered,
            snapshot.wrong,
            snapshot.iterating,
        ]);
    }

    /// Adds latencies by place to the log, so that those of several machines can be put together.
    pub(super) fn keep_places(&self, places: &Places) {
        let length = self.origin.map_or(Duration::ZERO, |origin| clock::now().saturating_duration_since(origin));
        for (index, traffic) in self.shared.plan.traffic.iter().enumerate() {
            for (tag, histogram) in places.tagged(index, &traffic.name) {
                let interval = Interval { tag, start: Duration::ZERO, length, histogram: histogram.clone() };
                let _ = self.hlog.send(interval);
            }
        }
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
        let second_of = std::mem::take(&mut self.second);
        let named = named(plan, &second_of);
        named.iter().for_each(|(name, _, all)| count(self.buckets.entry(name.clone()).or_default(), all));
        let main = named.iter().filter(|(_, measure, _)| !OWN.contains(measure));
        let latency = main.map(|(name, _, all)| (name.clone(), summary(all))).collect();
        let of = |wanted| named.iter().find(|(_, measure, _)| *measure == wanted);
        let of = |wanted| of(wanted).map(|(_, _, all)| summary(all)).unwrap_or_default();
        let progress = Progress {
            second: (second * 1e3).round() / 1e3,
            phase: phase.to_owned(),
            connected: total(0),
            failed: total(1),
            sent: total(3),
            delivered: total(4),
            wrong: total(5),
            iterating: total(6),
            latency,
            late: of(Measure::Late),
            read: of(Measure::ReadDelay),
            own: cpu::own(),
            target: self.observer.cost(),
            metrics: self.observer.metrics(),
            so_far: self.buckets.clone(),
        };
        self.live.show(&progress);
        self.shared.part.tell(&progress);
        // A record has its histograms beside it.
        let progress = Progress { so_far: IndexMap::new(), ..progress };
        // A record that cannot be written is told at the end, when the result is.
        let _ = recorder.add(Entry::Progress(progress));
    }

    /// Ends the showing and the log; returns what was measured, and what could not be learned of the target.
    pub(super) fn end(self) -> (Histograms, Option<String>) {
        (self.histograms, self.observer.problem())
    }

    /// Why nobody will get in, if that is so.
    fn nobody_gets_in(&mut self) -> Option<NotIn> {
        let groups = self.shared.plan.populations.len() + self.shared.plan.journeys.len();
        let mut all = vec![Entering::default(); groups];
        self.entering.iter().flat_map(|worker| worker.iter().enumerate()).for_each(|(group, one)| all[group] += *one);
        // Where processes are to be stopped, a connection that fails is no surprise.
        let calm = self.shared.chaos.iter().all(FaultEvent::is_about_users);
        if !calm || !self.admission.is_hopeless(&all) {
            return None;
        }
        let mut reasons = IndexMap::new();
        self.refusals.iter().flatten().for_each(|(why, times)| *reasons.entry(why.clone()).or_default() += times);
        Some(nobody(&all, self.shared.users(), &reasons))
    }

    /// Why a threshold ends the run, if one does. Each second, when the first worker has said how things stand.
    fn crosses(&mut self, worker: usize) -> Option<String> {
        let since = clock::now().checked_duration_since(self.origin?)?;
        if worker != 0 || !self.shared.may_end_early || self.crossed.is_some() {
            return None;
        }
        let workers: Vec<SoFar> = self.so_far.iter().flatten().map(|so_far| (**so_far).clone()).collect();
        let load = so_far(&self.shared.plan, &workers);
        let crossed = slo::crossed(self.loaded, &self.shared.plan, &load, &self.histograms, since)?;
        let why =
            format!("`{}` ended the run after {:.0} s: {}", crossed.threshold, since.as_secs_f64(), crossed.observed);
        self.crossed = Some(crossed);
        Some(why)
    }

    fn all_lost(&self) -> bool {
        let total = |index: usize| self.latest.iter().flatten().map(|numbers| numbers[index]).sum::<u64>();
        let lost = total(2) + total(1);
        self.origin.is_some() && total(2) > 0 && lost == self.shared.users()
    }
}

/// Waits until every worker has opened its users, and returns when the phases begin. The parts of a run begin at one time: at one that
/// waits for nobody, or when somebody says that all of them are ready.
async fn everybody_is_in(shared: &Shared) -> Result<Instant, Aborted> {
    let (control, part) = (&shared.control, &shared.part);
    match part.waits() {
        Waits::Own => control.barrier().await.map(|()| clock::now() + LEAD),
        Waits::Until(start) => {
            let is_in = tokio::time::timeout_at(start.into(), control.barrier()).await;
            if let (Ok(outcome), true) = (is_in, clock::now() < start) {
                return outcome.map(|()| start);
            }
            control.end(EndedBy::Refusal, &part.not_ready());
            Err(Aborted)
        }
        Waits::For(lead) => {
            control.barrier().await?;
            let go = tokio::select! {
                go = lead.ready() => go,
                () = control.aborted() => return Err(Aborted),
            };
            let start = go.as_ref().map(|go| go.clock.instant);
            go.into_iter().for_each(|go| part.goes(go));
            match start {
                Some(start) if clock::now() < start => Ok(start),
                start => {
                    control.end(EndedBy::Elsewhere, if start.is_some() { HEARD_LATE } else { NOBODY_LEADS });
                    Err(Aborted)
                }
            }
        }
    }
}

const HEARD_LATE: &str =
    "this part heard too late when the phases begin: the broker, or the way to it, had stood still";
const NOBODY_LEADS: &str = "nobody said when the phases begin";

/// What was measured in a second of what is shown: each traffic's deliveries or answers, each step of a flow, connecting, and how late
/// sio-bench was.
fn named(plan: &Plan, second: &Histograms) -> Vec<(String, Measure, Histogram<u64>)> {
    let shown = plan.distributions().filter(|(measure, _)| measure.row().is_main || OWN.contains(measure));
    let found = shown
        .filter_map(|(measure, of)| Some((plan.name_of(measure, of), measure, second.sum(measure, of, |_| true)?)));
    found.collect()
}

/// What is shown of sio-bench itself.
const OWN: [Measure; 2] = [Measure::Late, Measure::ReadDelay];

fn count(buckets: &mut Buckets, histogram: &Histogram<u64>) {
    histogram.iter_recorded().for_each(|step| buckets.add(step.value_iterated_to(), step.count_at_value()));
}

//! Parts of one run as one: machines that load the same target at the same time each keep a record of their own.
//!
//! Counts are added, histograms are added bucket by bucket, and rules are decided anew over the sum, so a merged record is
//! as exact as its parts. What cannot be added (latency by place, in records that did not keep its distributions) is left out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;

use super::fanout::{POWERS, Places, place_tag};
use super::metrics::Histograms;
use super::outliers;
use super::plan::Plan;
use super::run::write_distributions;
use super::slo;
use super::together;
use crate::record::histogram::{Interval, Packed, write_hlog};
use crate::record::{
    self, CaseResult, Cost, Cpu, EndedBy, Entry, Growth, Header, LoadResult, Memory, Part, Progress, Recorder,
    ScenarioStart, StepPhase, StepResult, SuiteInfo, TrafficResult, header, loads, seconds,
};
use crate::scenario::source::Source;
use crate::scenario::{self, Loaded};
use crate::vocab::Measure;
use crate::vocab::id::{Id, PhaseId};

/// Violations that are kept of all parts.
const SHOWN: usize = 12;

/// One part.
pub(super) struct Piece {
    pub(super) path: PathBuf,
    pub(super) folder: PathBuf,
    entries: Vec<Entry>,
}

impl Piece {
    fn read(path: &Path) -> Result<Self, String> {
        let piece = Self::read_cut(path)?;
        if !matches!(piece.entries.last(), Some(Entry::Footer(footer)) if footer.complete) {
            return Err(format!("{} was cut short, so it is no part of a run", path.display()));
        }
        Ok(piece)
    }

    /// The same of one that may have been cut short.
    fn read_cut(path: &Path) -> Result<Self, String> {
        let entries = record::read(path)?;
        let refuse = |why: &str| Err(format!("{} {why}, so it is no part of a run", path.display()));
        if entries.iter().any(|entry| matches!(entry, Entry::Suite(SuiteInfo { .. }))) {
            return refuse("is of a conformance run");
        }
        if loads(&entries).count() != 1 {
            return refuse("does not have exactly one load");
        }
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
        Ok(Self { path: path.to_owned(), folder: folder.to_owned(), entries })
    }

    pub(super) fn header(&self) -> Result<&Header, String> {
        header(&self.entries).ok_or_else(|| format!("{} has no header", self.path.display()))
    }

    pub(super) fn start(&self) -> Result<&ScenarioStart, String> {
        let start = self.entries.iter().find_map(|entry| match entry {
            Entry::Scenario(start) => Some(start),
            _ => None,
        });
        start.ok_or_else(|| format!("{} does not say which scenario it is of", self.path.display()))
    }

    pub(super) fn load(&self) -> LoadResult {
        loads(&self.entries).next().cloned().unwrap_or_default()
    }

    /// Whether it can be of the same run as another part.
    fn matches(&self, first: &Self) -> Result<(), String> {
        let (mine, theirs) = (self.start()?, first.start()?);
        let (a, b) = (self.path.display(), first.path.display());
        if mine.source != theirs.source {
            return Err(format!("{a} and {b} are not of the same scenario file"));
        }
        let (mine, theirs) = (&self.header()?.target, &first.header()?.target);
        if (&mine.name, &mine.version) != (&theirs.name, &theirs.version) {
            return Err(format!(
                "{a} and {b} are of different targets ({} and {})\n  `sio-bench report {a} {b} --html FILE` shows them beside each other",
                mine.name, theirs.name
            ));
        }
        // One server may have a different address on each machine; two that were started are two.
        if mine.pid.is_some() && theirs.pid.is_some() && (mine.pid, &mine.url) != (theirs.pid, &theirs.url) {
            return Err(format!(
                "{a} and {b} had servers of their own ({} and {}), so they are two runs and not parts of one\n  \
                 `sio-bench report {a} {b} --html FILE` shows them beside each other",
                mine.url, theirs.url
            ));
        }
        Ok(())
    }
}

/// Writes the record of several parts into a folder of its own and returns its entries, all but the footer.
///
/// Parts of one schedule (`--part`) are judged here, by what they have noted; `clocks_within` bounds the clocks of several machines.
pub fn merge(
    paths: &[PathBuf],
    recorder: &mut Recorder,
    command: Vec<String>,
    clocks_within: Option<Duration>,
) -> Result<(), String> {
    let pieces: Vec<Piece> = paths.iter().map(|path| Piece::read(path)).collect::<Result<_, _>>()?;
    let parts = together::order(&pieces, clocks_within)?;
    if parts.is_none() && pieces.len() < 2 {
        return Err("--merge puts several records together, and this is one".to_owned());
    }
    let first = &pieces[0];
    pieces[1..].iter().try_for_each(|piece| piece.matches(first))?;
    let start = first.start()?.clone();
    let loaded = load_again(&start)?;
    put(&pieces, recorder, command, Whole { start, loaded: &loaded, parts, ended: None })
}

/// As [`merge`], of parts that others have sent: what was run is known, so their word for it is not taken, and no file that they name is
/// read.
pub fn merge_sent(
    paths: &[PathBuf],
    recorder: &mut Recorder,
    command: Vec<String>,
    (start, loaded): (ScenarioStart, &Loaded),
) -> Result<(), String> {
    let pieces: Vec<Piece> = paths.iter().map(|path| Piece::read(path)).collect::<Result<_, _>>()?;
    let parts = together::order(&pieces, None)?;
    if parts.is_none() {
        return Err("the workers' records are no parts of a run".to_owned());
    }
    put(&pieces, recorder, command, Whole { start, loaded, parts, ended: None })
}

/// Puts together what there is of a run that ended early: counts are added, and what would need all of the parts is left open.
pub fn merge_rest(
    paths: &[PathBuf],
    recorder: &mut Recorder,
    command: Vec<String>,
    (start, loaded): (ScenarioStart, &Loaded),
    (by, why): (EndedBy, &str),
) -> Result<(), String> {
    let pieces: Vec<Piece> = paths.iter().map(|path| Piece::read_cut(path)).collect::<Result<_, _>>()?;
    if pieces.is_empty() {
        return Err("no part of the run is here".to_owned());
    }
    put(&pieces, recorder, command, Whole { start, loaded, parts: None, ended: Some((by, why)) })
}

/// What is known of a run besides its pieces.
struct Whole<'a> {
    start: ScenarioStart,
    loaded: &'a Loaded,
    /// If they are to be judged together.
    parts: Option<together::Parts>,
    /// Why it ended early, if it did.
    ended: Option<(EndedBy, &'a str)>,
}

fn put(pieces: &[Piece], recorder: &mut Recorder, command: Vec<String>, whole: Whole<'_>) -> Result<(), String> {
    let Whole { start, loaded, parts, ended } = whole;
    let first = &pieces[0];
    let mut sums = Sums::read(pieces, loaded)?;
    let mut header = first.header()?.clone();
    header.schema = record::SCHEMA;
    header.command = command;
    header.parts = pieces
        .iter()
        .map(|piece| {
            let header = piece.header()?;
            Ok(Part {
                record: piece.path.display().to_string(),
                started: header.started.clone(),
                host: header.host.clone(),
            })
        })
        .collect::<Result<_, String>>()?;
    let mut load = match &parts {
        Some(parts) => together::judge(parts, loaded, &mut sums, pieces)?,
        None => sums.load(pieces),
    };
    let cases: Vec<CaseResult> = pieces.iter().flat_map(|piece| cases(&piece.entries)).collect();
    if let Some((by, why)) = ended {
        (load.aborted, load.ended_by, load.part) = (Some(why.to_owned()), by, None);
    }
    let mut rules = slo::decide(loaded, &sums.plan, &load, &sums.histograms, &cases);
    if ended.is_some() {
        slo::postpone(loaded, &mut rules, "until then; not decided");
    }
    let unwritten = |error: std::io::Error| format!("the record could not be written: {error}");
    let mut add = |entry: Entry| recorder.add(entry).map_err(unwritten);
    add(Entry::Header(header))?;
    add(Entry::Scenario(start))?;
    cases.into_iter().try_for_each(|case| add(Entry::Case(case)))?;
    progress(pieces).into_iter().try_for_each(|second| add(Entry::Progress(second)))?;
    add(Entry::Load(Box::new(load)))?;
    rules.into_iter().try_for_each(|rule| add(Entry::Threshold(rule)))?;
    write_distributions(recorder.folder(), &sums.plan, &sums.histograms).map_err(unwritten)?;
    let log = recorder.folder().join(format!("{}.hlog", loaded.scenario.name));
    write_hlog(&log, SystemTime::UNIX_EPOCH, sums.intervals.into_iter().map(Packed::open)).map_err(unwritten)
}

/// The scenario as it was run, from what the record keeps of it.
fn load_again(start: &ScenarioStart) -> Result<Loaded, String> {
    let source = Source { name: start.file.clone(), text: start.source.clone() };
    let overrides: Vec<_> = start.vars.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    scenario::load_recorded(source, &overrides, Some(start.seed))
        .map_err(|problem| format!("the scenario in the record cannot be read any more:\n{problem}"))
}

/// The distributions of all parts.
pub(super) struct Sums {
    pub(super) plan: Arc<Plan>,
    pub(super) histograms: Histograms,
    places: Places,
    pub(super) intervals: Vec<Packed>,
}

impl Sums {
    fn read(pieces: &[Piece], loaded: &Loaded) -> Result<Self, String> {
        let nodes = pieces[0].load().nodes.max(1) as u32;
        let plan = Plan::new(&loaded.scenario, nodes)?;
        let (keys, of_places) = (plan.keys_by_tag(), place_keys(&plan));
        let places = Places::new(plan.traffic.len());
        let plan = Arc::new(plan);
        let mut sums = Self { plan, histograms: Histograms::default(), places, intervals: Vec::new() };
        for piece in pieces {
            let log = piece.folder.join(format!("{}.hlog", loaded.scenario.name));
            let mut kept = Ok(());
            record::intervals::visit(
                &log,
                |_| true,
                |interval, histogram| {
                    let tag = match interval.phase {
                        "" => interval.measure.to_owned(),
                        phase => format!("{}@{phase}", interval.measure),
                    };
                    let histogram = widened(histogram);
                    if let Some(key) = keys.get(&tag) {
                        sums.histograms.add(key.clone(), &histogram);
                    }
                    if let Some((traffic, power)) = of_places.get(&tag) {
                        sums.places.add_to(*traffic, *power, &histogram);
                    }
                    let (start, length) = (Duration::from_secs_f64(interval.start), Duration::from_secs(1));
                    match Packed::new(Interval { tag, start, length, histogram }) {
                        Ok(packed) => sums.intervals.push(packed),
                        Err(error) => kept = Err(format!("{}: {error}", log.display())),
                    }
                },
            )?;
            kept?;
        }
        sums.intervals.sort_by_key(|interval| interval.start);
        Ok(sums)
    }

    /// What the parts have counted, added up.
    pub(super) fn load(&self, pieces: &[Piece]) -> LoadResult {
        let mut parts = pieces.iter().map(Piece::load);
        let mut sum = parts.next().unwrap_or_default();
        parts.for_each(|part| add(&mut sum, part));
        let plan = &self.plan;
        let measured = |phase: PhaseId| plan.phases[phase].measured;
        for (index, traffic) in sum.traffic.iter_mut().enumerate() {
            traffic.latency = self.histograms.latencies(index, measured);
            // Records of earlier versions have no distributions to put together.
            let known = pieces.iter().map(|piece| receivers(&piece.load(), index)).sum::<u64>();
            let is_whole = known > 0 && self.places.count(index) >= known;
            traffic.places = if is_whole { self.places.results(index) } else { Vec::new() };
            for (number, phase) in traffic.phases.iter_mut().enumerate() {
                phase.latency = self.histograms.latencies(index, |phase| phase == PhaseId::new(number));
            }
        }
        for (index, step) in sum.steps.iter_mut().enumerate() {
            step.latency = self.histograms.summary(plan, Measure::Step, index);
            for (number, phase) in step.phases.iter_mut().enumerate() {
                phase.latency =
                    self.histograms.in_phase(Measure::Step, index, PhaseId::new(number)).unwrap_or_default();
            }
        }
        self.histograms.fill(plan, &mut sum);
        sum
    }
}

/// Receivers whose place among those of their message is in a record.
fn receivers(load: &LoadResult, traffic: usize) -> u64 {
    load.traffic.get(traffic).map_or(0, |traffic| traffic.places.iter().map(|place| place.latency.count).sum())
}

/// A histogram with the bounds that all of a run have; a log keeps only as many buckets as were used.
fn widened(histogram: &Histogram<u64>) -> Histogram<u64> {
    let mut wide = record::histogram::empty();
    // It holds whatever a run can record.
    let _ = wide.add(histogram);
    wide
}

/// What each tag of latencies by place stands for: the traffic, and the power of two of the first place.
fn place_keys(plan: &Plan) -> HashMap<String, (usize, usize)> {
    let traffics = plan.traffic.iter().enumerate();
    let keys = traffics
        .flat_map(|(index, traffic)| (0..POWERS).map(move |power| (place_tag(&traffic.name, power), (index, power))));
    keys.collect()
}

fn cases(entries: &[Entry]) -> Vec<CaseResult> {
    let case = |entry: &Entry| match entry {
        Entry::Case(case) => Some(case.clone()),
        _ => None,
    };
    entries.iter().filter_map(case).collect()
}

/// Adds what can be added. Each field by name, so that one that is forgotten does not compile.
fn add(sum: &mut LoadResult, part: LoadResult) {
    let LoadResult {
        scenario: _,
        workers,
        nodes,
        users,
        traffic,
        iterations,
        flows,
        steps,
        signs,
        transports,
        recovery,
        wire,
        worker_time,
        cpu,
        memory,
        foreign,
        other_runs,
        among,
        stale,
        resent,
        negative,
        unsettled,
        fenced,
        joins_unanswered,
        cluster,
        problems,
        driver,
        due,
        aborted,
        upsets,
        missing_elsewhere,
        violations,
        // Distributions are made anew.
        connect: _,
        upgrade: _,
        reconnect: _,
        fence: _,
        late: _,
        read: _,
        queue: _,
        late_by_phase: _,
        // What was the reason of the first one is that of all.
        ended_by: _,
        // Said by whoever puts the parts together.
        part: _,
        together: _,
    } = part;
    sum.workers += workers;
    sum.nodes = sum.nodes.max(nodes);
    sum.users += users;
    sum.traffic.iter_mut().zip(traffic).for_each(|(mine, theirs)| add_traffic(mine, theirs));
    for (name, visits) in iterations {
        let mine = sum.iterations.entry(name).or_default();
        *mine = *mine + visits;
    }
    for (name, flow) in &flows {
        if let Some(mine) = sum.flows.get_mut(name) {
            mine.add(flow);
        }
    }
    sum.steps.iter_mut().zip(steps).for_each(|(mine, theirs)| add_step(mine, theirs));
    for (phase, recovery) in recovery {
        let mine = sum.recovery.entry(phase).or_default();
        mine.asked += recovery.asked;
        mine.recovered += recovery.recovered;
    }
    sum.due.add(&due);
    sum.wire += wire;
    sum.worker_time.extend(worker_time);
    add_costs(sum, cpu, memory);
    sum.foreign += foreign;
    sum.other_runs.runs = sum.other_runs.runs.max(other_runs.runs);
    sum.other_runs.copies += other_runs.copies;
    sum.among += among;
    sum.stale += stale;
    sum.resent += resent;
    sum.transports += transports;
    signs.into_iter().for_each(|sign| {
        if !sum.signs.contains(&sign) {
            sum.signs.push(sign);
        }
    });
    if let (Some(mine), Some(theirs)) = (&mut sum.cluster, &cluster) {
        mine.add(theirs);
    }
    for (mine, theirs) in sum.upsets.iter_mut().zip(&upsets) {
        if let (Some(mine), Some(theirs)) = (&mut mine.losses, &theirs.losses) {
            mine.add(theirs);
        }
    }
    sum.missing_elsewhere = both(sum.missing_elsewhere, missing_elsewhere);
    sum.negative += negative;
    sum.unsettled += unsettled;
    sum.fenced &= fenced;
    sum.joins_unanswered |= joins_unanswered;
    problems.into_iter().for_each(|(problem, times)| *sum.problems.entry(problem).or_default() += times);
    sum.driver.extend(driver);
    sum.aborted = sum.aborted.take().or(aborted);
    sum.violations.extend(violations);
    sum.violations.truncate(SHOWN);
}

/// Adds what another part has counted of a traffic.
fn add_traffic(sum: &mut TrafficResult, part: TrafficResult) {
    let TrafficResult {
        // The same in all parts.
        name: _,
        event: _,
        identify: _,
        undecided,
        others,
        counts,
        users,
        // Distributions are made anew.
        latency: _,
        places: _,
        outliers,
        phases,
    } = part;
    sum.counts += counts;
    sum.undecided &= undecided;
    sum.add_outliers(outliers, outliers::KEPT);
    others.into_iter().for_each(|(name, copies)| *sum.others.entry(name).or_default() += copies);
    users.into_iter().for_each(|(name, counts)| *sum.users.entry(name).or_default() += counts);
    for (mine, theirs) in sum.phases.iter_mut().zip(phases) {
        mine.counts += theirs.counts;
        mine.seconds = mine.seconds.max(theirs.seconds);
        theirs.users.into_iter().for_each(|(name, counts)| *mine.users.entry(name).or_default() += counts);
    }
}

/// Adds what another part has counted of a step.
fn add_step(sum: &mut StepResult, part: StepResult) {
    // Distributions are made anew.
    let StepResult { name: _, latency: _, phases } = part;
    for (mine, theirs) in sum.phases.iter_mut().zip(phases) {
        let StepPhase { name: _, measured: _, seconds: _, done, failed, latency: _ } = theirs;
        mine.done += done;
        mine.failed += failed;
    }
}

/// Adds what another part has cost.
fn add_costs(sum: &mut LoadResult, cpu: Cpu, memory: Memory) {
    sum.cpu = Cpu {
        seconds: sum.cpu.seconds.max(cpu.seconds),
        own: added(sum.cpu.own, cpu.own),
        // Whoever started the target knows; nobody is counted twice.
        target: sum.cpu.target.or(cpu.target),
        stolen: added(sum.cpu.stolen, cpu.stolen),
    };
    sum.memory = Memory {
        own: Growth {
            before: both(sum.memory.own.before, memory.own.before),
            open: both(sum.memory.own.open, memory.own.open),
            end: both(sum.memory.own.end, memory.own.end),
        },
        target: if sum.memory.target.end.is_some() { sum.memory.target } else { memory.target },
    };
}

fn added(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(a? + b?)
}

fn both(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    Some(a? + b?)
}

/// The seconds of all parts, each put with those that were nearest to it in the others.
fn progress(pieces: &[Piece]) -> Vec<Progress> {
    let mut parts: Vec<_> = pieces.iter().map(|piece| seconds(&piece.entries).cloned().peekable()).collect();
    let Some((first, others)) = parts.split_first_mut() else { return Vec::new() };
    let mut sums = Vec::new();
    let mut latest: Vec<Option<Progress>> = vec![None; others.len()];
    for mut second in first {
        for (other, latest) in others.iter_mut().zip(&mut latest) {
            let mut worst: Option<Progress> = None;
            while let Some(theirs) = other.next_if(|theirs| theirs.second < second.second + 0.5) {
                *latest = Some(theirs.clone());
                worst = Some(theirs);
            }
            if let Some(theirs) = latest.as_ref() {
                put_together(&mut second, theirs, worst.is_some());
            }
        }
        sums.push(second);
    }
    sums
}

/// The last seconds of several parts as one.
pub fn sum_of_seconds(parts: &[&Progress]) -> Progress {
    let Some((first, others)) = parts.split_first() else { return Progress::default() };
    let mut sum = (*first).clone();
    others.iter().for_each(|part| put_together(&mut sum, part, true));
    sum
}

/// Adds a part's second; `fresh` when it was not added to an earlier one already, so that its latencies count.
fn put_together(sum: &mut Progress, part: &Progress, fresh: bool) {
    let Progress {
        // The sum's own.
        second: _,
        phase: _,
        metrics: _,
        connected,
        iterating,
        failed,
        sent,
        delivered,
        wrong,
        latency,
        late,
        read,
        own,
        target,
        so_far,
    } = part;
    sum.connected += connected;
    sum.iterating += iterating;
    sum.failed += failed;
    sum.sent += sent;
    sum.delivered += delivered;
    sum.wrong += wrong;
    sum.own = Cost { cpu: added(sum.own.cpu, own.cpu), memory: both(sum.own.memory, own.memory) };
    for (name, buckets) in so_far {
        sum.so_far.entry(name.clone()).or_default().add_all(buckets);
    }
    sum.target = Cost { cpu: sum.target.cpu.or(target.cpu), memory: sum.target.memory.or(target.memory) };
    if !fresh {
        return;
    }
    for (name, summary) in latency {
        let mine = sum.latency.entry(name.clone()).or_default();
        *mine = mine.worst(*summary);
    }
    sum.late = sum.late.worst(*late);
    sum.read = sum.read.worst(*read);
}

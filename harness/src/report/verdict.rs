//! What a record comes to: one sentence and an exit code.

use std::time::Duration;

use super::identity;
use super::remarks;
use super::text::{count, plural};
use super::unruled::{Unruled, unruled};
use crate::exit::Exit;
use crate::record::{
    CaseVerdict, Counts, EndedBy, Entry, LoadPart, LoadResult, ThresholdKind, ThresholdResult, ThresholdVerdict,
    TrafficResult, WorkerTime, loads,
};

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub exit: Exit,
    /// The last line of the report.
    pub sentence: String,
}

/// Judges what has been recorded, and says so if a threshold ended it.
pub fn judge(entries: &[Entry]) -> Verdict {
    let mut verdict = judge_all(entries);
    for load in loads(entries).filter(|load| load.ended_by == EndedBy::Threshold) {
        load.aborted.iter().for_each(|why| verdict.sentence.push_str(&format!("; {why}")));
    }
    verdict
}

/// The exit code and the word of an end that leaves nothing to judge; none of one that leaves what was measured.
pub fn cut_off(by: EndedBy) -> Option<(Exit, &'static str)> {
    match by {
        EndedBy::Target => Some((Exit::Target, "TARGET LOST")),
        EndedBy::Interrupt => Some((Exit::Interrupted, "INTERRUPTED")),
        EndedBy::Refusal | EndedBy::Threshold | EndedBy::Elsewhere => None,
    }
}

/// Judges what has been recorded. In this order: the target is gone, something is proven to be wrong, the measurement
/// is not valid, a figure is not good enough, everything passed.
fn judge_all(entries: &[Entry]) -> Verdict {
    let end = |load: &LoadResult| Some((cut_off(load.ended_by)?, load.aborted.clone()?));
    if let Some(((exit, word), why)) = loads(entries).find_map(end) {
        return Verdict { exit, sentence: format!("{word}: {why}; what was measured until then is above") };
    }
    let invalid = validity_problems(entries);
    let (proven, weak) = (proven(entries), weak(entries));
    let tail = |problems: &[String]| problems.join("; ");
    if !proven.is_empty() || (invalid.is_empty() && !weak.is_empty()) {
        let mut sentence = format!("FAILED: {}", tail(&[proven, weak].concat()));
        if !invalid.is_empty() {
            sentence.push_str("; besides, the figures are NOT VALID: ");
            sentence.push_str(&tail(&invalid));
        }
        return Verdict { exit: Exit::Failed, sentence };
    }
    let part = loads(entries).find_map(|load| load.part.as_ref().filter(|part| part.of > 1));
    if let (true, Some(part)) = (invalid.is_empty(), part) {
        return Verdict { exit: Exit::Part, sentence: of_a_part(entries, part) };
    }
    if !invalid.is_empty() {
        let mut sentence = format!("NOT VALID: {}", tail(&invalid));
        if !weak.is_empty() {
            sentence.push_str("; besides, ");
            sentence.push_str(&tail(&weak));
        }
        return Verdict { exit: Exit::NotValid, sentence };
    }
    if let Some(why) = nothing(entries) {
        return Verdict { exit: Exit::NothingMatched, sentence: format!("NOTHING PLAYED: {why}") };
    }
    Verdict { exit: Exit::Passed, sentence: format!("PASSED: {}", tail(&successes(entries))) }
}

/// Why nothing can have passed: no case was played, and there was no load.
fn nothing(entries: &[Entry]) -> Option<String> {
    let asked = |entry: &Entry| match entry {
        Entry::Case(case) => case.verdict != CaseVerdict::Skip,
        Entry::Load(_) | Entry::Threshold(_) => true,
        _ => false,
    };
    if entries.iter().any(asked) {
        return None;
    }
    let skipped = cases(entries, CaseVerdict::Skip);
    let reason = entries.iter().find_map(|entry| match entry {
        Entry::Case(case) => case.reason.as_deref(),
        _ => None,
    });
    Some(match reason {
        Some(reason) => format!("{} skipped, the first since {reason}", were(skipped)),
        None => "there was no case and no load".to_owned(),
    })
}

/// `the only case was`, `all 3 cases were`.
fn were(cases: u64) -> String {
    if cases == 1 { "the only case was".to_owned() } else { format!("all {} were", plural(cases, "case")) }
}

/// A worker that uses more of a core has none to spare when something is due.
const BUSIEST: f64 = 0.97;
/// What such a worker must not exceed: one message in a hundred sent so late, and read so late.
const TIGHT: Duration = Duration::from_millis(1);
const SLUGGISH: Duration = Duration::from_millis(10);
/// From here on the share of time that a worker waited for a core, that the host took, and that a worker ran, explains
/// why it was late.
const WAITED: f64 = 0.10;
const STOLEN: f64 = 0.05;
const BUSY: f64 = 0.85;
/// A schedule that is kept worse than this is none, unless the scenario says what is fine.
const LATEST: Duration = Duration::from_millis(50);
/// A run to whose users more of the deliveries than this were of other runs is neither the load that was asked for nor judged as a whole.
const MOST_OF_OTHERS: f64 = 0.1;
/// Below this certainty, a clean run says too little.
const LEAST_CERTAIN: f64 = 0.5;

/// Whether sio-bench was so late, in sending or in reading, that it shows.
pub fn suffers(load: &LoadResult) -> bool {
    load.late.p99 > TIGHT.as_nanos() as u64 || load.read.p99 > SLUGGISH.as_nanos() as u64
}

/// The verdict of a run that the user ended.
pub fn interrupted() -> Verdict {
    let sentence = "INTERRUPTED: what was found until then is above".to_owned();
    Verdict { exit: Exit::Interrupted, sentence }
}

/// Why the figures must not be trusted.
fn validity_problems(entries: &[Entry]) -> Vec<String> {
    let mut problems = Vec::new();
    for load in loads(entries) {
        if let (Some(why), EndedBy::Refusal | EndedBy::Elsewhere) = (&load.aborted, load.ended_by) {
            // What else is not decided follows from it.
            problems.push(why.clone());
            continue;
        }
        if load.users.failed > 0 {
            let asked = plural(load.users.requested, "user");
            problems.push(format!("{} of {asked} could not be opened", count(load.users.failed)));
        }
        let starved: u64 = load.iterations.values().map(|visits| visits.starved).sum();
        if starved > 0 {
            problems.push(format!(
                "{} could not be made, for want of descriptors, ports or rows on this side",
                plural(starved, "iteration")
            ));
        }
        if load.unsettled > 0 {
            let users = plural(load.unsettled, "user");
            problems.push(format!("{users} did not answer the last fence, so losses are not decided"));
        }
        problems.extend(load.upsets.iter().filter(|upset| upset.did_not_happen).map(|upset| {
            format!(
                "`{}` did not happen at {} s: something else that is about the same thing was not over, so this is not the run that the \
                 scenario describes",
                upset.says, upset.second
            )
        }));
        problems.extend(load.traffic.iter().filter_map(|traffic| lacks_latencies(load, traffic)));
        problems.extend(unwritten(load));
        problems.extend(under_way_at_the_end(load));
        problems.extend(across_servers(entries, load));
        problems.extend(silent_directions(load));
        let sent: u64 = load.traffic.iter().map(|traffic| traffic.counts.sent).sum();
        let scheduled: u64 = load.traffic.iter().map(|traffic| traffic.counts.scheduled).sum();
        if sent == 0 && scheduled > 0 {
            problems.push("nothing was sent".to_owned());
        }
        problems.extend(load.traffic.iter().filter_map(identity::undecided));
        let delivered: u64 = load.traffic.iter().map(|traffic| traffic.counts.delivered).sum();
        let all = load.other_runs.copies + delivered;
        if load.other_runs.copies as f64 > all as f64 * MOST_OF_OTHERS {
            problems.push(remarks::other_runs(load.other_runs));
        } else if let Some(certainty) =
            load.certainty().filter(|certainty| *certainty < LEAST_CERTAIN && !is_part(load))
        {
            problems.push(weakness(load, certainty));
        }
        // A worker that is busy and on time has no time to spare, and spoils nothing.
        let suffers = suffers(load);
        let full = load.worker_time.iter().enumerate().filter(|(_, time)| suffers && time.busy > BUSIEST);
        for (number, time) in full {
            let share = time.busy * 100.0;
            problems.push(format!(
                "sio-bench was the bottleneck: worker {number} used {share:.0} % of a core; use more `--workers`, or less load"
            ));
        }
        let late = Duration::from_nanos(load.late.p99);
        if late > LATEST && !has_rule(entries, &load.scenario, "generator.late ") {
            problems.push(format!(
                "sio-bench was late: 1 % of the messages were sent {late:.1?} or more behind their time; use more `--workers`, \
                 or less load, or say with a threshold over `generator.late` how late is fine"
            ));
            problems.extend(cause(load));
        } else if broken(entries, ThresholdKind::Generator).next().is_some() || is_open_for_want_of_time(entries, load)
        {
            problems.extend(cause(load));
        }
        if load.negative > 0 {
            problems.push(format!("{} arrived before they were due", plural(load.negative, "delivery")));
        }
    }
    problems.extend(undecided(entries));
    problems.extend(broken(entries, ThresholdKind::Generator));
    let open = open_thresholds(entries);
    problems
        .extend(open.map(|rule| format!("`{}` is not decided: {} ({})", rule.threshold, rule.observed, rule.place)));
    problems
}

/// Thresholds that nobody can decide any more: a run that was cut short says so itself, and those of a part are decided over all parts.
fn open_thresholds(entries: &[Entry]) -> impl Iterator<Item = &ThresholdResult> {
    let is_open = |rule: &&ThresholdResult| {
        rule.verdict == ThresholdVerdict::Unknown
            && !was_cut(entries, &rule.scenario)
            && !loads(entries).any(|load| load.scenario == rule.scenario && is_part(load))
    };
    let thresholds = entries.iter().filter_map(|entry| match entry {
        Entry::Threshold(rule) => Some(rule),
        _ => None,
    });
    thresholds.filter(is_open)
}

/// Why the latencies of a traffic are not those of all its deliveries: sio-bench has lost some.
fn lacks_latencies(load: &LoadResult, traffic: &TrafficResult) -> Option<String> {
    let measured = traffic.phases.iter().filter(|phase| phase.measured).map(|phase| phase.counts);
    let came: u64 = measured.map(|counts| counts.delivered + counts.may_delivered + counts.volatile_delivered).sum();
    let known = traffic.latency.get("delivery").map_or(0, |summary| summary.count);
    // Of a copy that was spoilt nobody knows when its message was sent; and one among others that may be a quotation has no time.
    let timeless = traffic.counts.altered + traffic.counts.history + load.among.again;
    (known + timeless < came).then(|| {
        format!(
            "the latencies of {} are those of only {} of {}: sio-bench has lost some, which is an error of its own",
            traffic.name,
            count(known),
            plural(came, "delivery")
        )
    })
}

/// Whether a figure is not decided, and sio-bench was late: it may be the reason.
fn is_open_for_want_of_time(entries: &[Entry], load: &LoadResult) -> bool {
    let is_about = |rule: &ThresholdResult| rule.scenario == load.scenario && rule.about == ThresholdKind::Figures;
    suffers(load) && open_thresholds(entries).any(is_about)
}

/// Whether others have the rest of the run.
fn is_part(load: &LoadResult) -> bool {
    load.part.as_ref().is_some_and(|part| part.of > 1)
}

/// What one part of a run can say: it has not passed, since most of it is not judged.
fn of_a_part(entries: &[Entry], part: &LoadPart) -> String {
    let judged: u64 = loads(entries).flat_map(|load| &load.traffic).map(|traffic| traffic.counts.owed).sum();
    let among =
        if judged == 0 { "nothing was judged".to_owned() } else { format!("all {} came", plural(judged, "delivery")) };
    format!(
        "PART {} OF {}: it did its share. Of what its own users owed one another {among}; {} of messages of other parts, and all the rest, \
         are judged by `sio-bench report PART... --merge FOLDER`",
        part.number,
        part.of,
        plural(part.elsewhere, "copy")
    )
}

/// Pairs of different parts that nobody can decide: the target was behind by seconds when the parts ended.
fn under_way_at_the_end(load: &LoadResult) -> Option<String> {
    let undecided: u64 = load.traffic.iter().map(|traffic| traffic.counts.undecided).sum();
    (load.together.is_some() && undecided > 0).then(|| {
        format!(
            "{} had not come when the parts ended, and may be lost or only late: the target was seconds behind; load it less, or run it in \
             one process, which waits for it",
            plural(undecided, "delivery")
        )
    })
}

/// Why a part cannot be judged together with the others.
fn unwritten(load: &LoadResult) -> Option<String> {
    let why = load.part.as_ref()?.lacks.as_ref()?;
    Some(format!(
        "what is judged together with the other parts was not written whole ({why}), so this run cannot be judged"
    ))
}

/// How many cases are not decided, and why the first of them is not.
fn undecided(entries: &[Entry]) -> Option<String> {
    let undecided = cases(entries, CaseVerdict::Inconclusive);
    let why = entries.iter().find_map(|entry| match entry {
        Entry::Case(case) if case.verdict == CaseVerdict::Inconclusive => case.reason.as_deref(),
        _ => None,
    });
    let first = if undecided > 1 { "the first since" } else { "since" };
    let why = why.map_or_else(|| "since sio-bench was late".to_owned(), |why| format!("{first} {why}"));
    (undecided > 0).then(|| format!("{} could not be decided, {why}", plural(undecided, "case")))
}

/// Whether the load of a scenario ended before its time: what is not decided follows from it.
fn was_cut(entries: &[Entry], scenario: &str) -> bool {
    loads(entries).any(|load| load.scenario == scenario && load.aborted.is_some())
}

/// Why a fact is not decided where several servers may be behind the address, and what would decide it.
fn across_servers(entries: &[Entry], load: &LoadResult) -> Option<String> {
    let is_undecided = |rule: &ThresholdResult| {
        rule.scenario == load.scenario
            && rule.about == ThresholdKind::Facts
            && rule.verdict == ThresholdVerdict::Unknown
    };
    let any = entries.iter().any(|entry| matches!(entry, Entry::Threshold(rule) if is_undecided(rule)))
        || unruled_of(entries, load).iter().any(Unruled::is_undecided);
    (any && !load.signs.is_empty()).then(|| {
        format!(
            "there are signs of a cluster or a balancer ({}), and across servers neither order nor loss is decided; if they \
             pass messages on to one another, say `topology = \"cluster\"` in [target]; else give the address of one server \
             alone as --target",
            load.signs.join("; ")
        )
    })
}

/// Servers of a cluster of which nobody can say whether the one's messages reach the other.
fn silent_directions(load: &LoadResult) -> impl Iterator<Item = String> {
    let pairs = load.cluster.iter().flat_map(|cluster| &cluster.pairs);
    pairs.filter_map(|pair| {
        let silent = plural(pair.silent()?, "message");
        Some(format!(
            "from server {} to {}: {silent} did not come, and nothing sent behind them came either, so it is not decided whether \
             they are lost",
            pair.from, pair.to
        ))
    })
}

/// Why sio-bench was late, as far as the kernel tells: who had the cores that it needed.
fn cause(load: &LoadResult) -> Option<String> {
    let worst = |share: fn(&WorkerTime) -> f64| load.worker_time.iter().map(share).fold(0.0, f64::max);
    let stolen = load.cpu.stolen.map_or(0.0, |stolen| stolen / load.cpu.seconds.max(f64::MIN_POSITIVE));
    let (waited, busy) = (worst(|time| time.waited), worst(|time| time.busy));
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let mut causes = Vec::new();
    if waited > WAITED {
        let share = percent(waited);
        causes.push(format!(
            "others had its core: a worker could have run and waited in {share} of the time; end what runs beside it"
        ));
    }
    if stolen > STOLEN {
        let share = percent(stolen);
        causes.push(format!(
            "the host of this virtual machine took {share} of a core from it; measure where nobody does"
        ));
    }
    if busy > BUSY {
        causes.push(format!(
            "it had too much to do: a worker ran in {} of the time; use more `--workers`",
            percent(busy)
        ));
    }
    (!causes.is_empty()).then(|| causes.join("; "))
}

/// Whether a rule of the scenario is about that measure; `measure` ends in a space.
fn has_rule(entries: &[Entry], scenario: &str, measure: &str) -> bool {
    let is_about = |rule: &ThresholdResult| rule.scenario == scenario && rule.threshold.starts_with(measure);
    entries.iter().any(|entry| matches!(entry, Entry::Threshold(rule) if is_about(rule)))
}

fn unruled_of<'a>(entries: &[Entry], load: &'a LoadResult) -> Vec<Unruled<'a>> {
    unruled(load, |measure| has_rule(entries, &load.scenario, measure))
}

fn broken(entries: &[Entry], about: ThresholdKind) -> impl Iterator<Item = String> {
    entries.iter().filter_map(move |entry| match entry {
        Entry::Threshold(rule) if rule.verdict == ThresholdVerdict::Broken && rule.about == about => {
            Some(format!("`{}` is broken: {} ({})", rule.threshold, rule.observed, rule.place))
        }
        _ => None,
    })
}

fn cases(entries: &[Entry], verdict: CaseVerdict) -> u64 {
    let times = entries.iter().map(|entry| match entry {
        Entry::Case(case) if case.verdict == verdict => case.times,
        _ => 0,
    });
    times.sum()
}

/// Why so little is certain of a load.
fn weakness(load: &LoadResult, certainty: f64) -> String {
    let share = certainty * 100.0;
    let known = format!("of only {share:.0} % of the pairs it is certain whether they were owed");
    let sent: u64 = load.traffic.iter().map(|traffic| traffic.counts.sent).sum();
    let unanswered: u64 = load.traffic.iter().map(|traffic| traffic.counts.unanswered).sum();
    // The scenario asked for what the target did not give.
    if unanswered * 2 > sent {
        let messages = plural(sent, "message");
        return format!("the target never acknowledged {} of {messages}, so {known}", count(unanswered));
    }
    format!("the oracle is too weak: {known}; let joins and messages be acknowledged, or users stay longer")
}

/// What is wrong however well sio-bench did.
fn proven(entries: &[Entry]) -> Vec<String> {
    let mut failures: Vec<String> = broken(entries, ThresholdKind::Facts).collect();
    for load in loads(entries) {
        let certain = unruled_of(entries, load).into_iter().filter(|wrong| wrong.certain > 0);
        failures.extend(certain.map(|wrong| format!("{wrong}, and no threshold says how many may be")));
    }
    let (failed, errors) = (cases(entries, CaseVerdict::Fail), cases(entries, CaseVerdict::Error));
    if failed > 0 {
        failures.push(format!("{} failed", plural(failed, "case")));
    }
    let (crashed, unexpected) = (cases(entries, CaseVerdict::Crash), cases(entries, CaseVerdict::Xpass));
    if crashed > 0 {
        failures.push(format!("{} made the target die", plural(crashed, "case")));
    }
    if unexpected > 0 {
        failures.push(format!("{} passed that the deviations file says would fail", plural(unexpected, "case")));
    }
    if errors > 0 {
        failures.push(format!("{} could not be played", plural(errors, "case")));
    }
    failures
}

/// What is wrong if sio-bench was up to its task.
fn weak(entries: &[Entry]) -> Vec<String> {
    let mut failures: Vec<String> = broken(entries, ThresholdKind::Figures).collect();
    for load in loads(entries) {
        if load.users.disconnected > 0 {
            failures.push(format!("{} lost the connection", plural(load.users.disconnected, "user")));
        }
        let failed: u64 = load.iterations.values().map(|visits| visits.failed).sum();
        if failed > 0 && !has_rule(entries, &load.scenario, "errors ") {
            failures.push(format!("{} failed", plural(failed, "iteration")));
        }
    }
    failures
}

fn acknowledgements(counts: &Counts) -> String {
    format!("{} of {} acknowledged", count(counts.sent.saturating_sub(counts.unanswered)), count(counts.sent))
}

fn deliveries(counts: &Counts) -> String {
    format!(
        "{} of {} owed deliveries, {} duplicate, {} misdelivered, {} out of order",
        count(counts.delivered),
        count(counts.owed),
        count(counts.duplicate),
        count(counts.misdelivered),
        count(counts.out_of_order)
    )
}

fn successes(entries: &[Entry]) -> Vec<String> {
    let mut successes = Vec::new();
    let passed = cases(entries, CaseVerdict::Pass);
    if passed > 0 {
        successes.push(plural(passed, "case"));
    }
    let known = cases(entries, CaseVerdict::Xfail);
    if known > 0 {
        successes.push(plural(known, "known deviation"));
    }
    for load in loads(entries) {
        for (name, visits) in &load.iterations {
            let (finished, failed) = (count(visits.finished), count(visits.failed));
            successes.push(format!("{finished} iterations of {name} finished, {failed} failed"));
        }
        if load.traffic.is_empty() && load.users.requested > 0 {
            successes.push(format!("{} held", plural(load.users.connected, "user")));
        }
        // A sentence for all traffics of a kind: one for each is not read.
        let (mut acknowledged, mut delivered) = (None, None);
        for traffic in &load.traffic {
            let counts = traffic.counts;
            if counts.volatile > 0 {
                let (came, all) = (count(counts.volatile_delivered), count(counts.volatile));
                successes.push(format!("{came} of {all} volatile pairs delivered"));
                if counts.owed == 0 {
                    continue;
                }
            }
            if traffic.undecided {
                continue;
            }
            let sum = if counts.is_only_acknowledged() { &mut acknowledged } else { &mut delivered };
            *sum.get_or_insert_with(Counts::default) += counts;
        }
        successes.extend(acknowledged.as_ref().map(acknowledgements));
        successes.extend(delivered.as_ref().map(deliveries));
    }
    let thresholds = entries.iter().filter(|entry| matches!(entry, Entry::Threshold(_))).count() as u64;
    if thresholds > 0 {
        successes.push(format!(
            "{} {}",
            plural(thresholds, "threshold"),
            if thresholds == 1 { "holds" } else { "hold" }
        ));
    }
    let unjudged = cases(entries, CaseVerdict::Info);
    if successes.is_empty() && unjudged > 0 {
        successes.push(format!("{} recorded without a judgement", plural(unjudged, "case")));
    }
    successes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{PhaseResult, Summary, Users};

    fn load(counts: Counts, busy: f64) -> Vec<Entry> {
        let traffic = TrafficResult { name: "t".to_owned(), counts, ..TrafficResult::default() };
        let worker_time = vec![WorkerTime { busy: 0.2, waited: 0.0 }, WorkerTime { busy, waited: 0.1 }];
        let users = Users { requested: 5, connected: 5, ..Users::default() };
        let load = LoadResult { traffic: vec![traffic], worker_time, users, ..LoadResult::default() };
        vec![Entry::Load(Box::new(load))]
    }

    const GOOD: Counts = Counts {
        out_of_order_across: 0,
        misdelivered_across: 0,
        scheduled: 9,
        sent: 9,
        owed: 30,
        delivered: 30,
        may: 2,
        sent_late: 0,
        missing: 0,
        duplicate: 0,
        misdelivered: 0,
        out_of_order: 0,
        altered: 0,
        unidentified: 0,
        history: 0,
        excused: 0,
        undecided: 0,
        missed_offline: 0,
        skipped: 0,
        unanswered: 0,
        refused: 0,
        volatile: 0,
        volatile_delivered: 0,
        may_delivered: 1,
    };

    /// What a part leaves open for the others is no reason to look for one in its lateness; of a whole run it is.
    #[test]
    fn lateness_explains_only_what_is_decided_here() {
        let threshold = ThresholdResult {
            scenario: String::new(),
            threshold: "t.delivery p99 < 1s".to_owned(),
            place: "x.toml:1:1".to_owned(),
            observed: "no samples".to_owned(),
            verdict: ThresholdVerdict::Unknown,
            about: ThresholdKind::Figures,
        };
        let judged = |of| {
            let mut entries = load(GOOD, 0.5);
            let Entry::Load(load) = &mut entries[0] else { unreachable!("it is a load") };
            load.late = Summary { count: 9, p99: 2_000_000, ..Summary::default() };
            load.worker_time[0].waited = 0.4;
            load.part = Some(LoadPart { number: 1, of, ..LoadPart::default() });
            entries.push(Entry::Threshold(threshold.clone()));
            judge(&entries)
        };
        assert_eq!(judged(2).exit, Exit::Part, "{}", judged(2).sentence);
        let whole = judged(1);
        assert!(whole.exit == Exit::NotValid && whole.sentence.contains("others had its core"), "{}", whole.sentence);
    }

    /// An instrument that has lost part of what it read says so itself.
    #[test]
    fn latencies_that_are_not_all_there_are_not_valid() {
        let verdict = |known: Option<u64>, altered| {
            let mut entries = load(Counts { altered, ..GOOD }, 0.5);
            let Entry::Load(load) = &mut entries[0] else { unreachable!("it is a load") };
            let phase = PhaseResult { measured: true, counts: GOOD, ..PhaseResult::default() };
            load.traffic[0].phases = vec![PhaseResult { measured: false, ..phase.clone() }, phase];
            let summary = |count| ("delivery".to_owned(), Summary { count, ..Summary::default() });
            load.traffic[0].latency = known.map(summary).into_iter().collect();
            judge(&entries)
        };
        assert_eq!(verdict(Some(31), 0).exit, Exit::Passed, "30 that were owed, and one that may have been");
        let spoilt = verdict(Some(30), 1);
        assert!(!spoilt.sentence.contains("sio-bench has lost"), "{}", spoilt.sentence);
        let lacking = verdict(Some(30), 0);
        assert_eq!(lacking.exit, Exit::NotValid);
        assert!(lacking.sentence.contains("of t are those of only 30 of 31 deliveries"), "{}", lacking.sentence);
        assert_eq!(verdict(None, 0).exit, Exit::NotValid, "there are none at all");
    }

    /// What ended a run is in its record as such; its words are for people.
    #[test]
    fn who_ended_a_run_is_not_told_by_its_words() {
        let verdict = |by, why: &str| {
            let mut entries = load(Counts::default(), 0.5);
            if let Entry::Load(load) = &mut entries[0] {
                (load.ended_by, load.aborted) = (by, Some(why.to_owned()));
            }
            judge(&entries).exit
        };
        assert_eq!(verdict(EndedBy::Interrupt, "enough"), Exit::Interrupted);
        assert_eq!(verdict(EndedBy::Target, "interrupted"), Exit::Target);
    }

    /// Who refuses is there: it is not lost, and no figure was measured.
    #[test]
    fn a_target_that_lets_nobody_in_is_not_lost() {
        let mut entries = load(Counts::default(), 0.5);
        if let Entry::Load(load) = &mut entries[0] {
            (load.aborted, load.users.failed) = (Some("nobody got in: 5 x refused".to_owned()), 5);
        }
        assert_eq!(judge(&entries).exit, Exit::Target, "a record of an earlier version");
        if let Entry::Load(load) = &mut entries[0] {
            load.ended_by = EndedBy::Refusal;
        }
        let verdict = judge(&entries);
        assert_eq!((verdict.exit, &*verdict.sentence), (Exit::NotValid, "NOT VALID: nobody got in: 5 x refused"));
    }

    #[test]
    fn a_load_is_valid_when_the_tester_was_up_to_it_and_the_oracle_strong_enough() {
        assert_eq!(judge(&load(GOOD, 0.9)).exit, Exit::Passed);
        assert_eq!(judge(&load(GOOD, 0.99)).exit, Exit::Passed, "it was busy, and kept its schedule");
        let mut late = load(GOOD, 0.99);
        if let Entry::Load(load) = &mut late[0] {
            load.late = Summary { count: 9, p99: 2_000_000, ..Summary::default() };
        }
        let bottleneck = judge(&late);
        assert_eq!(bottleneck.exit, Exit::NotValid);
        assert!(bottleneck.sentence.contains("worker 1 used 99 % of a core"), "{}", bottleneck.sentence);
        let weak = judge(&load(Counts { may: 40, ..GOOD }, 0.5));
        assert_eq!(weak.exit, Exit::NotValid);
        assert!(weak.sentence.contains("of only 43 % of the pairs it is certain"), "{}", weak.sentence);
        let deaf = judge(&load(Counts { may: 40, unanswered: GOOD.sent, ..GOOD }, 0.5));
        assert!(deaf.sentence.contains("the target never acknowledged"), "{}", deaf.sentence);
        let shaky =
            judge(&load(Counts { owed: 0, delivered: 0, may: 0, volatile: 40, volatile_delivered: 31, ..GOOD }, 0.5));
        assert_eq!(shaky.sentence, "PASSED: 31 of 40 volatile pairs delivered", "what may be dropped is no weakness");
        let nothing = judge(&load(Counts { sent: 0, owed: 0, delivered: 0, may: 0, ..GOOD }, 0.5));
        assert!(nothing.sentence.contains("nothing was sent"), "{}", nothing.sentence);
    }

    /// A scenario without rules is no permission to lose messages.
    #[test]
    fn what_is_wrong_is_wrong_without_a_rule() {
        let wrong = Counts { missing: 4, duplicate: 1, misdelivered: 2, misdelivered_across: 2, ..GOOD };
        let mut entries = load(wrong, 0.5);
        let verdict = judge(&entries);
        assert_eq!(verdict.exit, Exit::Failed);
        assert!(verdict.sentence.contains("4 missing of t, and no threshold says"), "{}", verdict.sentence);
        let mut holds = rule("t.missing = 0", ThresholdKind::Facts, ThresholdVerdict::Holds);
        if let Entry::Threshold(rule) = &mut holds {
            rule.scenario.clear();
        }
        entries.push(holds);
        assert!(!judge(&entries).sentence.contains("missing"), "a threshold says how many may be");
        // What several servers owe each other is not decided; that something came twice is.
        let mut cluster = load(wrong, 0.5);
        let mut apart = load(Counts { duplicate: 0, ..wrong }, 0.5);
        for entries in [&mut cluster, &mut apart] {
            if let Entry::Load(load) = &mut entries[0] {
                load.signs = vec!["a cookie of a balancer".to_owned()];
            }
        }
        assert!(judge(&cluster).sentence.starts_with("FAILED: 1 duplicate of t"), "{}", judge(&cluster).sentence);
        assert_eq!(judge(&apart).exit, Exit::NotValid, "{}", judge(&apart).sentence);
    }

    /// What was not played has not passed.
    #[test]
    fn skipping_everything_is_no_success() {
        let case = |verdict, reason: &str| {
            Entry::Case(crate::record::CaseResult {
                id: "a/b".to_owned(),
                scenario: "a".to_owned(),
                title: "b".to_owned(),
                place: "a.toml:1".to_owned(),
                requirement: None,
                class: None,
                origin: None,
                verdict,
                times: 1,
                millis: 0.0,
                options: String::new(),
                reason: Some(reason.to_owned()),
                failure: None,
                transcript: Vec::new(),
                stderr: None,
            })
        };
        let skipped = case(CaseVerdict::Skip, "it has no fixture");
        let verdict = judge(&[skipped.clone(), skipped.clone()]);
        assert_eq!(verdict.exit, Exit::NothingMatched);
        assert_eq!(verdict.sentence, "NOTHING PLAYED: all 2 cases were skipped, the first since it has no fixture");
        assert_eq!(judge(&[]).exit, Exit::NothingMatched);
        assert_eq!(judge(&[skipped.clone(), case(CaseVerdict::Pass, "")]).exit, Exit::Passed);
        assert_eq!(judge(&[skipped, case(CaseVerdict::Info, "")]).exit, Exit::Passed);
    }

    fn broken_rule(text: &str, about: ThresholdKind) -> Entry {
        rule(text, about, ThresholdVerdict::Broken)
    }

    fn rule(text: &str, about: ThresholdKind, verdict: ThresholdVerdict) -> Entry {
        Entry::Threshold(ThresholdResult {
            scenario: "s".to_owned(),
            threshold: text.to_owned(),
            place: "s.toml:1:1".to_owned(),
            observed: "much".to_owned(),
            verdict,
            about,
        })
    }

    /// A tester that is late cannot make a server lose messages.
    #[test]
    fn what_is_proven_fails_however_late_the_tester_was() {
        let late = broken_rule("generator.late p99 < 1ms", ThresholdKind::Generator);
        let slow = broken_rule("t.delivery p99 < 1ms", ThresholdKind::Figures);
        let lost = broken_rule("t.missing = 0", ThresholdKind::Facts);
        let exit = |rules: &[&Entry]| {
            let mut entries = load(GOOD, 0.5);
            entries.extend(rules.iter().map(|rule| (*rule).clone()));
            judge(&entries).exit
        };
        assert_eq!(exit(&[&late]), Exit::NotValid);
        assert_eq!(exit(&[&late, &slow]), Exit::NotValid);
        assert_eq!(exit(&[&slow]), Exit::Failed);
        assert_eq!(exit(&[&late, &lost]), Exit::Failed);
    }

    /// Who had the core is said, so that one knows what to change.
    #[test]
    fn lateness_has_a_cause() {
        let mut entries = load(GOOD, 0.5);
        if let Entry::Load(load) = &mut entries[0] {
            load.late = Summary { count: 9, p99: 60_000_000, ..Summary::default() };
            load.worker_time = vec![WorkerTime { busy: 0.5, waited: 0.4 }];
        }
        let sentence = judge(&entries).sentence;
        assert!(
            sentence.contains("others had its core: a worker could have run and waited in 40 % of the time"),
            "{sentence}"
        );
        assert!(!sentence.contains("too much to do"), "{sentence}");
    }

    /// Without a rule of the scenario's own, sio-bench has one for itself.
    #[test]
    fn a_schedule_that_is_not_kept_is_none() {
        let mut entries = load(GOOD, 0.5);
        if let Entry::Load(load) = &mut entries[0] {
            load.late = Summary { count: 9, p99: 60_000_000, ..Summary::default() };
        }
        let verdict = judge(&entries);
        assert_eq!(verdict.exit, Exit::NotValid);
        assert!(verdict.sentence.contains("sent 60.0ms or more behind their time"), "{}", verdict.sentence);
        let mut fine = broken_rule("generator.late p99 < 1s", ThresholdKind::Generator);
        if let Entry::Threshold(rule) = &mut fine {
            (rule.verdict, rule.scenario) = (ThresholdVerdict::Holds, String::new());
        }
        entries.push(fine);
        assert_eq!(judge(&entries).exit, Exit::Passed);
    }
}

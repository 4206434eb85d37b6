//! Loads: what the thresholds say, how latencies are spread, how the run went second by second, and what the oracle found.

use super::chart::{Axis, Moment, Plot, Series, Stretch, Unit, height_for};
use super::heat;
use super::lanes;
use super::outages;
use super::page::{element, escape, pre, table};
use super::percentiles;
use super::source::Run;
use crate::record::{
    Counts, Due, Entry, LoadResult, LoadViolation, Progress, Summary, ThresholdResult, ThresholdVerdict, TrafficResult,
    loads, seconds_by_load,
};
use crate::report::by_clock;
use crate::report::remarks::remarks;
use crate::report::samples::{FEW_SAYS, marked};
use crate::report::stalls;
use crate::vocab::measure::{self, Row, Subject};
use crate::vocab::text::{bytes, count, time};

/// Points of a curve; of a longer run, each is the largest of several.
const POINTS: usize = 600;

/// All loads of all runs, the pictures that compare them first.
pub(super) fn render(runs: &[Run]) -> String {
    let loads: Vec<(&Run, &LoadResult)> =
        runs.iter().flat_map(|run| loads(&run.entries).map(move |load| (run, load))).collect();
    if loads.is_empty() {
        return String::new();
    }
    let mut out = String::from("<h2>Latency</h2>\n");
    out.push_str(&latency_table(&loads));
    out.push_str(&percentiles::render(runs));
    for (run, load) in &loads {
        out.push_str(&under(load, if loads.len() > 1 { &run.label } else { "" }));
    }
    for (run, load) in &loads {
        out.push_str(&one(run, load, loads.len() > 1));
    }
    out
}

fn cells(summary: &Summary) -> Vec<String> {
    marked(summary).iter().map(|value| escape(value)).chain([count(summary.count)]).collect()
}

/// Every distribution of every load, over the measured phases.
fn latency_table(loads: &[(&Run, &LoadResult)]) -> String {
    let mut rows = Vec::new();
    for (run, load) in loads {
        let prefix = if loads.len() > 1 { format!("{}: ", run.label) } else { String::new() };
        let mut row = |name: &str, summary: &Summary| {
            if summary.count > 0 {
                rows.push([vec![escape(&format!("{prefix}{name}"))], cells(summary)].concat());
            }
        };
        load.of_flows_and_traffic().for_each(|(name, summary)| row(&name, summary));
        // What sio-bench sends for itself is told in words.
        let is_shown = |measure: &Row| measure.subject != Subject::Probe && measure.unit == measure::Unit::Nanoseconds;
        let of_run = load.of_whole_run().map(|(measure, summary)| (measure.row(), summary));
        of_run.filter(|(measure, _)| is_shown(measure)).for_each(|(measure, summary)| row(measure.label, summary));
    }
    let head = ["", "p50", "p90", "p99", "p99.9", "max", "samples"].map(ToOwned::to_owned);
    let title = format!("From the intended time of each message; the measured phases together. {FEW_SAYS}");
    table(&title, &head, &rows)
}

/// Curves of latency by percentile. The values go with the share of all that are not larger.
pub(super) fn curves(title: &str, named: &[(String, &[(f64, f64)])]) -> String {
    let (mut least, mut most, mut farthest) = (f64::INFINITY, 0.0_f64, 10.0_f64);
    let mut series = Vec::new();
    for (name, points) in named {
        // 1/(1-p): ten times as far for each nine.
        let points: Vec<_> = points
            .iter()
            .filter(|(share, _)| *share < 1.0)
            .map(|(share, value)| (1.0 / (1.0 - share), *value))
            .collect();
        let Some((end, last)) = points.last() else { continue };
        least = points.iter().map(|(_, value)| *value).fold(least, f64::min);
        (most, farthest) = (most.max(*last), farthest.max(*end));
        series.push(Series { name: name.clone(), points });
    }
    if series.is_empty() {
        return String::new();
    }
    let says: Vec<_> = series
        .iter()
        .filter_map(|one| Some(format!("{} reaches {}", one.name, Unit::Time.show(one.points.last()?.1))))
        .collect();
    let plot = Plot {
        title,
        says: format!("{}; both axes are logarithmic", says.join("; ")),
        x: Axis { from: 1.0, to: 10f64.powf(farthest.log10().ceil()), log: true, unit: Unit::OneIn },
        y: Axis::decades(least, most, Unit::Time),
        stretches: &[],
        moments: &[],
        height: height_for(series.len(), 300.0),
    };
    plot.lines(&series)
}

/// One load on its own.
fn one(run: &Run, load: &LoadResult, several: bool) -> String {
    let name = if several { format!("{}: {}", run.label, load.scenario) } else { load.scenario.clone() };
    let mut out = format!("<h2>{}</h2>\n", escape(&name));
    out.push_str(&rules(run, load));
    out.push_str(&oracle(load));
    out.push_str(&clocks(load));
    out.push_str(&changes(run, load));
    out.push_str(&outliers(load));
    out.push_str(&places(load));
    let mut of_loads = seconds_by_load(&run.entries).into_iter();
    let of_this = of_loads.find(|(_, of)| of.is_some_and(|of| of.scenario == load.scenario));
    let seconds = of_this.map(|(seconds, _)| seconds).unwrap_or_default();
    if seconds.len() > 2 {
        let stretches = stretches(load, &seconds);
        let moments = outages::moments(load, &stretches);
        let stalls = stalls::remarks(load, &seconds);
        stalls.iter().for_each(|stall| out.push_str(&element("p", "oracle", &escape(stall))));
        out.push_str(&heat::render(run, load, &seconds, (&stretches, &moments)));
        out.push_str(&under(load, ""));
        out.push_str(&over_time(&seconds, (&stretches, &moments), &load.due));
        out.push_str(&outages::missing(load, &seconds, (&stretches, &moments)));
    }
    out.push_str(&outages::losses(load));
    out.push_str(&journeys(load));
    out.push_str(&generator(load));
    out.push_str(&violations(load));
    out
}

fn rules(run: &Run, load: &LoadResult) -> String {
    let rules = run.entries.iter().filter_map(|entry| match entry {
        Entry::Threshold(rule) if rule.scenario == load.scenario || rule.scenario.is_empty() => Some(rule),
        _ => None,
    });
    let row = |rule: &ThresholdResult| {
        let (class, word) = match rule.verdict {
            ThresholdVerdict::Holds => ("passed", "holds"),
            ThresholdVerdict::Broken => ("failed", "BROKEN"),
            ThresholdVerdict::Unknown => ("", "not decided"),
        };
        vec![escape(&rule.threshold), escape(&rule.observed), element("span", class, word), escape(&rule.place)]
    };
    let rows: Vec<_> = rules.map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = ["Threshold", "Observed", "", "Where"].map(ToOwned::to_owned);
    table("What the scenario asks for", &head, &rows)
}

/// Deliveries on one clock beside all of them.
fn clocks(load: &LoadResult) -> String {
    let row = |row: by_clock::Row| {
        let values = row.values.iter().map(|value| escape(value));
        std::iter::once(escape(&row.name)).chain(values).chain([escape(&row.about)]).collect()
    };
    let rows: Vec<Vec<String>> = by_clock::rows(load).into_iter().map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = ["", "p50", "p90", "p99", "p99.9", "max", "which"].map(ToOwned::to_owned);
    table("Deliveries by clock, in the measured phases", &head, &rows)
}

/// What was owed, what came, and how sure that is.
fn oracle(load: &LoadResult) -> String {
    let mut out = String::new();
    for traffic in &load.traffic {
        out.push_str(&element(
            "p",
            "oracle",
            &escape(&format!("{}: {}", traffic.name, oracle_line(&traffic.counts, load))),
        ));
    }
    out.push_str(&by_phase(load));
    out
}

/// What became of each phase: deliveries where something is owed, answers where a traffic is only acknowledged.
fn by_phase(load: &LoadResult) -> String {
    let (acknowledged, delivered): (Vec<_>, Vec<_>) =
        load.traffic.iter().partition(|traffic| traffic.counts.is_only_acknowledged());
    let deliveries = |counts: &Counts| {
        let Counts { sent, owed, delivered, missing, duplicate, misdelivered, out_of_order, .. } = *counts;
        [sent, owed, delivered, missing, duplicate, misdelivered, out_of_order].to_vec()
    };
    let answers = |counts: &Counts| vec![counts.sent, counts.sent.saturating_sub(counts.unanswered), counts.unanswered];
    let head =
        ["", "sent", "owed", "delivered", "missing", "duplicate", "misdelivered", "out of order", "deliveries/s"];
    let came = |counts: &Counts| counts.delivered.saturating_add(counts.may_delivered);
    let mut out = phases("Deliveries by phase", &head, &delivered, &deliveries, &came);
    let head = ["", "sent", "acknowledged", "not acknowledged", "acknowledged/s"];
    let came = |counts: &Counts| counts.sent.saturating_sub(counts.unanswered);
    out.push_str(&phases("Acknowledgements by phase", &head, &acknowledged, &answers, &came));
    out
}

/// A row for each phase of some traffics: numbers, and how many of something there were in each second.
fn phases(
    caption: &str,
    head: &[&str],
    traffics: &[&TrafficResult],
    numbers: &dyn Fn(&Counts) -> Vec<u64>,
    came: &dyn Fn(&Counts) -> u64,
) -> String {
    let all = traffics.iter().flat_map(|traffic| traffic.phases.iter().map(move |phase| (traffic, phase)));
    let rows: Vec<_> = all
        .map(|(traffic, phase)| {
            let name =
                format!("{}, {}{}", traffic.name, phase.name, if phase.measured { "" } else { " (not measured)" });
            let rate = came(&phase.counts) as f64 / phase.seconds;
            let numbers = numbers(&phase.counts).into_iter().map(count);
            [vec![escape(&name)], numbers.collect(), vec![count(rate as u64)]].concat()
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let head: Vec<_> = head.iter().map(|name| (*name).to_owned()).collect();
    table(caption, &head, &rows)
}

/// What the oracle says of a load, for below its pictures: figures of what came say nothing about what did not.
fn under(load: &LoadResult, label: &str) -> String {
    let label = if label.is_empty() { String::new() } else { format!("{label}, ") };
    let line = |traffic: &TrafficResult| {
        element("p", "soft", &escape(&format!("{label}{}: {}", traffic.name, oracle_line(&traffic.counts, load))))
    };
    load.traffic.iter().map(line).collect()
}

fn oracle_line(counts: &Counts, load: &LoadResult) -> String {
    if counts.is_only_acknowledged() {
        let answered = counts.sent.saturating_sub(counts.unanswered);
        return format!(
            "{} sent, {} acknowledged, {} not",
            count(counts.sent),
            count(answered),
            count(counts.unanswered)
        );
    }
    let altered = match counts.altered {
        0 => String::new(),
        altered => format!(", {} altered", count(altered)),
    };
    let certainty = load.certainty().map_or_else(String::new, |certainty| format!(", certainty {certainty:.2}"));
    format!(
        "{} delivered, {} lost, {} duplicate, {} misdelivered, {} out of order{altered}{certainty}",
        count(counts.delivered + counts.may_delivered),
        count(counts.missing),
        count(counts.duplicate),
        count(counts.misdelivered),
        count(counts.out_of_order)
    )
}

/// What has changed since earlier runs.
fn changes(run: &Run, load: &LoadResult) -> String {
    let mut out = String::new();
    let rows: Vec<_> = run
        .entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Change(change) if change.scenario == load.scenario => Some(change),
            _ => None,
        })
        .map(|change| {
            let name = format!("{} {}", change.measure, change.figure);
            vec![escape(&name), escape(&time(change.before)), escape(&time(change.now)), escape(&change.says)]
        })
        .collect();
    if rows.is_empty() {
        return out;
    }
    for entry in &run.entries {
        if let Entry::Baseline(baseline) = entry {
            let said = format!("Baseline: {}, {}, target {}", baseline.record, baseline.started, baseline.target);
            out.push_str(&element("p", "soft", &escape(&said)));
            baseline.remarks.iter().for_each(|remark| out.push_str(&element("p", "soft", &escape(remark))));
        }
    }
    let head = ["", "before", "now", "change, with 95 % confidence"].map(ToOwned::to_owned);
    out + &table("Against the baseline", &head, &rows)
}

/// Why the messages that took longest to reach everybody did.
fn outliers(load: &LoadResult) -> String {
    let far = load.traffic.iter().flat_map(|traffic| traffic.far_outliers().map(move |outlier| (traffic, outlier)));
    let says =
        far.map(|(traffic, outlier)| format!("{}: outlier {}", traffic.name, crate::report::outliers::says(outlier)));
    says.map(|text| element("p", "soft", &escape(&text))).collect()
}

/// How latency grows from the first receiver of a message to its last.
fn places(load: &LoadResult) -> String {
    let mut out = String::new();
    for traffic in load.traffic.iter().filter(|traffic| traffic.places.len() > 1) {
        let line = |name: &str, value: fn(&Summary) -> u64| Series {
            name: name.to_owned(),
            points: traffic.places.iter().map(|place| (f64::from(place.from), value(&place.latency) as f64)).collect(),
        };
        let lines = [line("p50", |s| s.p50), line("p99", |s| s.p99), line("max", |s| s.max)];
        let values = || lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value);
        let (Some(first), Some(last)) = (traffic.places.first(), traffic.places.last()) else { continue };
        let title = format!("The fan-out of {}, from the first receiver to the last", traffic.name);
        let plot = Plot {
            title: &title,
            says: format!(
                "the median of the first is {}, of those from place {} on {}; places are those in which sio-bench read them, in \
                 powers of two",
                time(first.latency.p50 as f64),
                count(u64::from(last.from)),
                time(last.latency.p50 as f64)
            ),
            x: Axis::decades(1.0, f64::from(last.from), Unit::Count),
            y: Axis::decades(values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max), Unit::Time),
            stretches: &[],
            moments: &[],
            height: 220.0,
        };
        out.push_str(&plot.lines(&lines));
    }
    out
}

/// Phases on the axis of time, the time of connecting included.
fn stretches(load: &LoadResult, seconds: &[&Progress]) -> Vec<Stretch> {
    let mut all = Vec::new();
    let begin = seconds.first().map_or(0.0, |second| second.second);
    if begin < 0.0 {
        all.push(Stretch { name: "connect".to_owned(), from: begin, to: 0.0, measured: false });
    }
    let phases: Vec<(String, f64, bool)> = match (load.traffic.first(), load.steps.first()) {
        (Some(traffic), _) => {
            traffic.phases.iter().map(|phase| (phase.name.clone(), phase.seconds, phase.measured)).collect()
        }
        (None, Some(step)) => {
            step.phases.iter().map(|phase| (phase.name.clone(), phase.seconds, phase.measured)).collect()
        }
        (None, None) => Vec::new(),
    };
    let mut from = 0.0;
    for (name, seconds, measured) in phases {
        all.push(Stretch { name, from, to: from + seconds, measured });
        from += seconds;
    }
    all
}

pub(super) fn time_axis(stretches: &[Stretch], seconds: &[&Progress]) -> Axis {
    let from = stretches.first().map_or(0.0, |stretch| stretch.from);
    let to = stretches.last().map_or(1.0, |stretch| stretch.to).max(seconds.last().map_or(1.0, |last| last.second));
    Axis { from, to, log: false, unit: Unit::Second }
}

/// A figure of a second; of the one before it, for rates.
type Value = fn(&Progress, &Progress) -> Option<f64>;
/// Title, lines, and what their values are.
type Picture = (&'static str, &'static [(&'static str, Value)], Unit);

/// What the axis of time has besides: the phases, and what the scenario made go wrong.
pub(super) type Marks<'a> = (&'a [Stretch], &'a [Moment]);

/// One axis of time for rates, users, lateness, CPU and memory.
fn over_time(seconds: &[&Progress], marks: Marks<'_>, due: &Due) -> String {
    let plots: [Picture; 5] = [
        (
            RATES,
            &[
                ("sent", |now, before| per_second(now.sent, before.sent, now, before)),
                ("delivered", |now, before| per_second(now.delivered, before.delivered, now, before)),
            ],
            Unit::Count,
        ),
        (
            "Users",
            &[
                ("in their rooms", |now, _| Some(now.connected as f64)),
                ("iterations", |now, _| Some(now.iterating as f64)),
                ("could not be opened", |now, _| Some(now.failed as f64)),
            ],
            Unit::Count,
        ),
        (
            "Lateness of sio-bench",
            &[
                ("sent late, p99", |now, _| Some(now.late.p99 as f64).filter(|_| now.late.count > 0)),
                ("read late, p99", |now, _| Some(now.read.p99 as f64).filter(|_| now.read.count > 0)),
            ],
            Unit::Time,
        ),
        (
            "CPU, in cores",
            &[
                ("target", |now, before| share(now.target.cpu, before.target.cpu, now, before)),
                ("sio-bench", |now, before| share(now.own.cpu, before.own.cpu, now, before)),
            ],
            Unit::Cores,
        ),
        (
            "Memory",
            &[
                ("target", |now, _| now.target.memory.map(|memory| memory as f64)),
                ("sio-bench", |now, _| now.own.memory.map(|memory| memory as f64)),
            ],
            Unit::Bytes,
        ),
    ];
    plots
        .iter()
        .map(|(title, lines, unit)| {
            let mut series: Vec<Series> = lines.iter().map(|(name, value)| line(name, *value, seconds)).collect();
            if *title == RATES {
                series.extend(due_lines(seconds, due));
            }
            plot_over_time(title, series, *unit, seconds, marks)
        })
        .collect::<Vec<_>>()
        .concat()
}

fn per_second(now: u64, before: u64, at: &Progress, since: &Progress) -> Option<f64> {
    let seconds = at.second - since.second;
    (seconds > 0.0).then(|| now.saturating_sub(before) as f64 / seconds)
}

fn share(now: Option<f64>, before: Option<f64>, at: &Progress, since: &Progress) -> Option<f64> {
    let seconds = at.second - since.second;
    Some((now? - before?) / seconds).filter(|_| seconds > 0.0)
}

/// The picture of rates.
const RATES: &str = "Messages a second";

fn line(name: &str, value: impl Fn(&Progress, &Progress) -> Option<f64>, seconds: &[&Progress]) -> Series {
    let pairs = seconds.windows(2);
    let points: Vec<_> = pairs.filter_map(|pair| Some((pair[1].second, value(pair[1], pair[0])?))).collect();
    Series { name: name.to_owned(), points: thinned(&points) }
}

/// What was owed and what never came, at the time at which it was due.
fn due_lines(seconds: &[&Progress], due: &Due) -> Vec<Series> {
    let line = |name, until: fn(&Due, f64) -> f64| {
        let value = |now: &Progress, before: &Progress| {
            let length = now.second - before.second;
            (length > 0.0).then(|| (until(due, now.second) - until(due, before.second)) / length)
        };
        line(name, value, seconds)
    };
    if due.is_empty() {
        return Vec::new();
    }
    vec![line("owed, when due", Due::owed_until), line("missing, when due", Due::missing_until)]
}

pub(super) fn plot_over_time(
    title: &str,
    mut series: Vec<Series>,
    unit: Unit,
    seconds: &[&Progress],
    (stretches, moments): Marks<'_>,
) -> String {
    series.retain(|one| one.points.iter().any(|(_, value)| *value > 0.0));
    if series.is_empty() {
        return String::new();
    }
    let most = series.iter().flat_map(|one| &one.points).map(|(_, value)| *value).fold(0.0, f64::max);
    let says: Vec<_> = series
        .iter()
        .map(|one| {
            let top = one.points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
            format!("{} at most {}", one.name, unit.show(top))
        })
        .collect();
    let plot = Plot {
        title,
        says: says.join("; "),
        x: time_axis(stretches, seconds),
        y: Axis::up_to(most, unit),
        stretches,
        moments,
        height: 170.0,
    };
    plot.lines(&series)
}

/// At most so many points; each stands for the largest of those that it replaces, so that no peak is lost.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let each = points.len().div_ceil(POINTS).max(1);
    let largest = |part: &[(f64, f64)]| part.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
    points.chunks(each).filter_map(largest).collect()
}

fn journeys(load: &LoadResult) -> String {
    if load.iterations.is_empty() {
        return String::new();
    }
    let row = |(name, visits): (&String, &crate::record::Iterations)| {
        let numbers = [visits.begun, visits.finished, visits.failed, visits.starved, visits.cut];
        [vec![escape(name)], numbers.iter().map(|n| count(*n)).collect()].concat()
    };
    let rows: Vec<_> = load.iterations.iter().map(row).collect();
    let head = ["Iterations", "begun", "finished", "failed", "not possible here", "under way at the end"];
    table("Those who follow a flow", &head.map(ToOwned::to_owned), &rows)
}

/// What sio-bench and the target cost, and what the measurement rests on.
fn generator(load: &LoadResult) -> String {
    let seconds = load.cpu.seconds;
    let cores = |used: Option<f64>| {
        used.map_or_else(|| "not known".to_owned(), |used| format!("{:.0} % of a core", used / seconds * 100.0))
    };
    let busy = load.worker_time.iter().map(|time| time.busy).fold(0.0, f64::max);
    let waited = load.worker_time.iter().map(|time| time.waited).fold(0.0, f64::max);
    let memory =
        |growth: &crate::record::Growth| growth.end.map_or_else(|| "not known".to_owned(), |end| bytes(end as f64));
    let delivered: u64 = load.traffic.iter().map(|traffic| traffic.counts.delivered).sum();
    let each = |used: Option<f64>| match used {
        Some(used) if delivered > 0 => format!("{:.1} us", used * 1e6 / delivered as f64),
        _ => "-".to_owned(),
    };
    let rows = vec![
        vec!["CPU".to_owned(), cores(load.cpu.target), cores(load.cpu.own)],
        vec!["CPU for each delivery".to_owned(), each(load.cpu.target), each(load.cpu.own)],
        vec!["Memory at the end".to_owned(), memory(&load.memory.target), memory(&load.memory.own)],
        vec!["Busiest worker".to_owned(), String::new(), format!("{:.0} %", busy * 100.0)],
        vec!["Longest wait for a core".to_owned(), String::new(), format!("{:.0} %", waited * 100.0)],
        vec!["Taken by the host".to_owned(), String::new(), cores(load.cpu.stolen)],
    ];
    table(
        "What it cost, and whether sio-bench had what it needed",
        &["", "target", "sio-bench"].map(ToOwned::to_owned),
        &rows,
    )
}

/// The command that plays it, or why there is none.
fn as_a_case(violation: &LoadViolation) -> String {
    match (violation.replay(), &violation.no_case) {
        (Some(command), _) => format!("<p>As a case: <code>{}</code></p>", escape(&command)),
        (None, Some(why)) => element("p", "soft", &format!("No case: {}", escape(why))),
        (None, None) => String::new(),
    }
}

fn violations(load: &LoadResult) -> String {
    let mut out = String::new();
    for violation in &load.violations {
        let because: Vec<_> = violation.because.iter().map(|line| escape(line)).collect();
        let said = escape(&format!("{} {}: {}", violation.invariant, violation.measure, violation.summary));
        let picture = lanes::render(&violation.summary, &violation.lanes);
        out.push_str(&format!(
            "<details open><summary>{said}</summary>{}{picture}{}</details>\n",
            pre(&because.join("\n")),
            as_a_case(violation)
        ));
    }
    let problems: Vec<_> = load.problems.iter().map(|(problem, times)| vec![escape(problem), count(*times)]).collect();
    if !problems.is_empty() {
        out.push_str(&table("What went wrong with users", &["", "times"].map(ToOwned::to_owned), &problems));
    }
    remarks(load).iter().for_each(|remark| out.push_str(&element("p", "soft", &escape(remark))));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page has the same command as the terminal, and neither HTML nor shell makes more of a stranger's names.
    #[test]
    fn a_violation_shows_how_it_is_played() {
        let mut violation = LoadViolation {
            scenario: Some("runs/1/echo-violation-1.toml".to_owned()),
            target: Some("node".to_owned()),
            options: Some("--path /rt --auth …".to_owned()),
            ..LoadViolation::default()
        };
        let shown = |violation: &LoadViolation| {
            violations(&LoadResult { violations: vec![violation.clone()], ..LoadResult::default() })
        };
        let command = "sio-bench run runs/1/echo-violation-1.toml --target node --path /rt --auth …";
        assert_eq!(violation.replay().as_deref(), Some(command));
        assert!(shown(&violation).contains(&format!("<code>{command}</code>")), "{}", shown(&violation));
        violation.scenario = Some("a'; <b>".to_owned());
        assert_eq!(
            violation.replay().as_deref(),
            Some(r"sio-bench run 'a'\''; <b>' --target node --path /rt --auth …")
        );
        assert!(!shown(&violation).contains("<b>"), "{}", shown(&violation));
        violation.scenario = Some("a.toml".to_owned());
        for (options, shown) in [
            ("--header 'X-Key: …' --query 'a[b]=…'", "--header 'X-Key: …' --query 'a[b]=…'"),
            ("--auth '…'; rm x", r"'--auth '\''…'\''; rm x'"),
            ("--auth '…", r"'--auth '\''…'"),
        ] {
            violation.options = Some(options.to_owned());
            assert_eq!(violation.replay(), Some(format!("sio-bench run a.toml --target node {shown}")));
        }
        (violation.scenario, violation.no_case) = (None, Some("its <i> room".to_owned()));
        assert!(shown(&violation).contains("No case: its &lt;i&gt; room"), "{}", shown(&violation));
    }

    #[test]
    fn no_peak_is_lost_by_thinning() {
        let mut points: Vec<_> = (0..5_000).map(|n| (f64::from(n), 1.0)).collect();
        points[4_321].1 = 99.0;
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS && thin.contains(&(4_321.0, 99.0)));
    }
}

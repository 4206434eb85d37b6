//! The report a person reads in a terminal.

use std::fmt::Write as _;

use super::by_clock;
use super::capacity::{capacity_text, trial_line};
use super::outliers;
use super::remarks::remarks;
use super::samples::{FEW_SAYS, has_few, marked};
use super::stalls;
use super::text::{bytes, count, plural, time};
use crate::record::{
    Baseline, CaseResult, Change, Counts, Cpu, Entry, Growth, Header, LoadResult, ScenarioStart, Summary,
    ThresholdResult, ThresholdVerdict, TrafficResult, Users, WorkerTime,
};
use crate::vocab::Measure;
use crate::vocab::measure::{Scope, Unit};

/// Renders a whole record. The same text comes out at the end of a run and of `sio-bench report`.
pub fn render(entries: &[Entry]) -> String {
    let mut out = String::new();
    let mut seconds = Vec::new();
    for entry in entries {
        match entry {
            Entry::Header(header) => render_header(&mut out, header),
            Entry::Scenario(start) => render_start(&mut out, start),
            Entry::Case(case) => render_case(&mut out, case),
            Entry::Load(load) => {
                out.push_str(&load_table(load));
                stalls::remarks(load, &seconds).iter().for_each(|stall| line(&mut out, &format!("  {stall}\n")));
                seconds.clear();
            }
            Entry::Threshold(rule) => render_rule(&mut out, rule),
            Entry::Baseline(baseline) => render_baseline(&mut out, baseline),
            Entry::Change(change) => render_change(&mut out, change),
            Entry::Trial(trial) => line(&mut out, &trial_line(trial)),
            Entry::Capacity(capacity) => out.push_str(&capacity_text(capacity)),
            Entry::Progress(second) => seconds.push(second),
            Entry::Suite(_) | Entry::Capability(_) | Entry::Footer(_) => {}
        }
    }
    out.push('\n');
    match entries.last() {
        Some(Entry::Footer(footer)) => line(&mut out, &format!("{} (exit {})", footer.verdict, footer.exit)),
        _ => line(&mut out, "INCOMPLETE: the record has no footer; the run was cut short"),
    }
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

fn render_header(out: &mut String, header: &Header) {
    let target = &header.target;
    let version = target.version.as_deref().unwrap_or("version unknown");
    line(out, &format!("sio-bench {}   target {} ({version}) at {}", header.version, target.name, target.url));
    let host = &header.host;
    let cores = plural(host.cores as u64, "core");
    line(
        out,
        &format!("{} {}, {cores}, {} open files   {}", host.os, host.arch, count(host.open_files), header.started),
    );
    if !target.fence {
        line(out, "the target does not acknowledge `message-with-ack`: negative checks wait instead of fencing");
    }
    target.remarks.iter().for_each(|remark| line(out, remark));
    if !target.addresses.is_empty() {
        line(out, &format!("the name has {} addresses: {}", target.addresses.len(), target.addresses.join(" ")));
    }
}

fn render_start(out: &mut String, start: &ScenarioStart) {
    let vars: Vec<_> = start.vars.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let vars = if vars.is_empty() { String::new() } else { format!("   {}", vars.join(", ")) };
    let version = start.version.map_or_else(String::new, |version| format!(" version {version}"));
    line(out, &format!("\n{}{version}   {}   seed {}{vars}", start.name, start.file, start.seed));
    if !start.about.is_empty() {
        line(out, &format!("  {}", start.about));
    }
}

fn render_baseline(out: &mut String, baseline: &Baseline) {
    line(out, &format!("baseline {}   {}   target {}", baseline.record, baseline.started, baseline.target));
    for remark in &baseline.remarks {
        line(out, &format!("  {remark}"));
    }
}

fn render_change(out: &mut String, change: &Change) {
    let name = format!("{} {}", change.measure, change.figure);
    let (before, now) = (time(change.before), time(change.now));
    line(out, &format!("  change {name:<28} {before:>9} before {now:>9} now   {}", change.says));
}

fn render_case(out: &mut String, case: &CaseResult) {
    let word = case.verdict.word();
    let rule = case.requirement.as_deref().unwrap_or("-");
    let times = if case.times > 1 { format!(", {} times", count(case.times)) } else { String::new() };
    line(out, &format!("  {word:<5} {rule:<9} {}   {:.0} ms{times}", case.title, case.millis));
    if let Some(failure) = &case.failure {
        line(out, &format!("        {}", failure.message));
        line(out, &format!("        at {}: {}", failure.place, failure.step));
        for packet in &case.transcript {
            line(out, &format!("        | {packet}"));
        }
    }
}

/// The result of one load.
pub fn load_table(load: &LoadResult) -> String {
    let mut out = String::new();
    let users = &load.users;
    out.push('\n');
    if users.requested > 0 {
        render_users(&mut out, users);
    }
    render_upgrades(&mut out, load);
    render_lives(&mut out, load);
    render_journeys(&mut out, load);
    for traffic in &load.traffic {
        render_traffic(&mut out, traffic);
    }
    render_by_clock(&mut out, load);
    render_strength(&mut out, load);
    let _ = writeln!(out, "\n  {:<22}{LATENCY_HEAD}", "");
    Measure::of(Scope::Run).for_each(|measure| render_measure(&mut out, load, measure));
    for requests in &load.driver {
        let _ = write!(
            out,
            "  goose {:<16}{:>10}{:>20}{:>20}",
            requests.name,
            time(requests.p50 as f64),
            time(requests.p99 as f64),
            time(requests.max as f64)
        );
        let _ = writeln!(out, "   {} requests, {} failed", count(requests.count), count(requests.failed));
    }
    if has_few(distributions(load)) {
        let _ = writeln!(out, "  {FEW_SAYS}");
    }
    render_cpu(&mut out, &load.cpu, load);
    render_remarks(&mut out, load);
    out
}

/// A measure of the run as a whole.
fn render_measure(out: &mut String, load: &LoadResult, measure: Measure) {
    let label = measure.label();
    if measure == Measure::Reconnect {
        load.reconnect.iter().for_each(|(phase, summary)| render_latency(out, &format!("{label}, {phase}"), summary));
    }
    // Every load has these two; of any other, none is no news. What crosses between servers is told in words.
    let is_expected = matches!(measure, Measure::Connect | Measure::Late);
    let summary = load.of_run(measure).filter(|summary| summary.count > 0 || is_expected);
    let Some(summary) = summary.filter(|_| measure != Measure::Crossing) else { return };
    match measure.row().unit {
        Unit::Nanoseconds => render_latency(out, label, summary),
        Unit::Bytes => {
            let _ = write!(out, "  {label:<22}");
            for value in [summary.p50, summary.p90, summary.p99, summary.p999, summary.max] {
                let _ = write!(out, "{:>10}", bytes(value as f64));
            }
            out.push('\n');
        }
    }
}

/// Everything that the tables of a load show percentiles of.
fn distributions(load: &LoadResult) -> impl Iterator<Item = &Summary> {
    let phases = load.traffic.iter().flat_map(|traffic| &traffic.phases).filter(|phase| phase.measured);
    let steps = load.steps.iter().flat_map(|step| &step.phases).filter(|phase| phase.measured);
    let alone = load
        .of_whole_run()
        .filter(|(measure, _)| measure.row().unit == Unit::Nanoseconds && *measure != Measure::Crossing);
    let others = alone.map(|(_, summary)| summary).chain(load.reconnect.values());
    phases.flat_map(|phase| phase.latency.values()).chain(steps.map(|phase| &phase.latency)).chain(others)
}

fn render_users(out: &mut String, users: &Users) {
    let _ = writeln!(
        out,
        "  users       {} requested   {} connected   {} failed   {} disconnected",
        count(users.requested),
        count(users.connected),
        count(users.failed),
        count(users.disconnected)
    );
}

/// Comings and goings, when there were any.
/// Who was to move to a WebSocket, and who did.
fn render_upgrades(out: &mut String, load: &LoadResult) {
    let transports = load.transports;
    if transports.upgrade > 0 {
        let (asked, reached) = (plural(transports.upgrade, "session"), count(transports.upgraded));
        let left = match transports.under_way {
            0 => String::new(),
            left => format!("; {} left before they could", count(left)),
        };
        let _ = writeln!(out, "  transports  upgraded {reached} of {asked} that began with polling{left}");
    }
}

fn render_lives(out: &mut String, load: &LoadResult) {
    let users = &load.users;
    if users.churned + users.dropped + users.broken + users.stalled == 0 {
        return;
    }
    let interrupted = match users.interrupted {
        0 => String::new(),
        users => format!(" ({} by the target)", plural(users, "user")),
    };
    let _ = writeln!(
        out,
        "  sessions    {}   {} ended by churn   {} dropped   {} broken{interrupted}   {} stalls",
        count(users.sessions),
        count(users.churned),
        count(users.dropped),
        count(users.broken),
        count(users.stalled)
    );
    for (phase, recovery) in &load.recovery {
        let share = recovery.recovered as f64 / recovery.asked.max(1) as f64;
        let _ = writeln!(
            out,
            "  recovered   {} of {} sessions lost in {phase} ({:.2} %)",
            count(recovery.recovered),
            count(recovery.asked),
            share * 100.0
        );
    }
}

/// Visits of those that follow a flow, and what its steps took.
fn render_journeys(out: &mut String, load: &LoadResult) {
    for (name, visits) in &load.iterations {
        let starved = match visits.starved {
            0 => String::new(),
            starved => format!("   {} not possible here", count(starved)),
        };
        let _ = writeln!(
            out,
            "  {name:<11} {} iterations   {} finished   {} failed   {} under way at the end{starved}",
            count(visits.begun),
            count(visits.finished),
            count(visits.failed),
            count(visits.cut)
        );
    }
    let Some(first) = load.steps.first() else { return };
    for (index, phase) in first.phases.iter().enumerate().filter(|(_, phase)| phase.measured) {
        let _ = writeln!(out, "\n  {:<22}{LATENCY_HEAD}      each second", phase.name);
        for step in &load.steps {
            let phase = &step.phases[index];
            let mut line = latency_line(&step.name, &phase.latency);
            let _ = write!(line, "{:>15.1}", phase.done as f64 / phase.seconds);
            if phase.failed > 0 {
                let _ = write!(line, "   {} failed", count(phase.failed));
            }
            let _ = writeln!(out, "{line}");
        }
    }
}

/// How much the counts are worth.
fn render_strength(out: &mut String, load: &LoadResult) {
    let Some(certainty) = load.certainty() else { return };
    let may: u64 = load.traffic.iter().map(|traffic| traffic.counts.may).sum();
    if may > 0 {
        let _ =
            writeln!(out, "  certainty   {:.1} %: {} may or may not have come", certainty * 100.0, plural(may, "pair"));
    }
}

const LATENCY_HEAD: &str = "     p50       p90       p99     p99.9       max";

fn render_traffic(out: &mut String, traffic: &TrafficResult) {
    let counts = traffic.counts;
    let _ = writeln!(
        out,
        "  {:<11} {} scheduled   {} sent   {} sent late (> 1 ms){}",
        traffic.name,
        count(counts.scheduled),
        count(counts.sent),
        count(counts.sent_late),
        if counts.skipped > 0 { format!("   {} skipped: sender away", count(counts.skipped)) } else { String::new() }
    );
    if counts.volatile > 0 {
        let (came, all) = (count(counts.volatile_delivered), count(counts.volatile));
        let _ = writeln!(out, "  volatile    {came} of {all} pairs delivered");
    }
    if traffic.undecided {
        let _ = writeln!(out, "  deliveries  not decided: none could be identified");
    } else if counts.owed + counts.may + counts.misdelivered > 0 {
        let _ = writeln!(out, "  deliveries  {}", deliveries(&counts));
    }
    if traffic.latency.contains_key("ack") {
        let answered = counts.sent.saturating_sub(counts.unanswered);
        let refused =
            if counts.refused > 0 { format!(", {} of them a refusal", count(counts.refused)) } else { String::new() };
        let not = count(counts.unanswered);
        let _ = writeln!(out, "  answers     {} acknowledged{refused}   {not} not", count(answered));
    }
    for phase in traffic.phases.iter().filter(|phase| phase.measured) {
        let deliveries = (phase.counts.delivered + phase.counts.may_delivered + phase.counts.volatile_delivered) as f64
            / phase.seconds;
        let rate = if deliveries > 0.0 {
            format!("{} deliveries/s", count(deliveries as u64))
        } else {
            format!("{} sent/s", count((phase.counts.sent as f64 / phase.seconds) as u64))
        };
        let _ = writeln!(out, "\n  {:<22}{LATENCY_HEAD}", format!("{}, {rate}", phase.name));
        for (name, summary) in &phase.latency {
            render_latency(out, &format!("{}.{name}", traffic.name), summary);
        }
    }
    for outlier in traffic.far_outliers() {
        let _ = writeln!(out, "  {:<11} {}", "outlier", outliers::says(outlier));
    }
}

/// Deliveries on one clock beside all of them, of the measured phases together.
fn render_by_clock(out: &mut String, load: &LoadResult) {
    let rows = by_clock::rows(load);
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n  {:<22}{LATENCY_HEAD}", "deliveries by clock");
    for row in rows {
        let _ = write!(out, "  {:<22}", row.name);
        row.values.iter().for_each(|value| {
            let _ = write!(out, "{value:>10}");
        });
        let _ = writeln!(out, "   {}", row.about);
    }
}

fn deliveries(counts: &Counts) -> String {
    let optional = |number: u64, what: &str| match number {
        0 => String::new(),
        number => format!("   {} {what}", count(number)),
    };
    let excused = [
        optional(counts.altered, "altered"),
        optional(counts.history, "history"),
        optional(counts.excused, "excused"),
        optional(counts.undecided, "undecided"),
        optional(counts.missed_offline, "missed while disconnected"),
    ]
    .concat();
    format!(
        "{} owed   {} delivered   {} missing   {} duplicate   {} misdelivered   {} out of order{excused}",
        count(counts.owed),
        count(counts.delivered),
        count(counts.missing),
        count(counts.duplicate),
        count(counts.misdelivered),
        count(counts.out_of_order)
    )
}

fn render_latency(out: &mut String, name: &str, summary: &Summary) {
    let _ = writeln!(out, "{}", latency_line(name, summary));
}

fn latency_line(name: &str, summary: &Summary) -> String {
    if summary.count == 0 {
        return format!("  {name:<22}{:>50}", "no samples");
    }
    let mut line = format!("  {name:<22}");
    for value in marked(summary) {
        let _ = write!(line, "{value:>10}");
    }
    line
}

fn render_cpu(out: &mut String, cpu: &Cpu, load: &LoadResult) {
    let share = |seconds: Option<f64>| match seconds {
        Some(seconds) if cpu.seconds > 0.0 => format!("{:.0} % of a core", 100.0 * seconds / cpu.seconds),
        _ => "not known".to_owned(),
    };
    let delivered: u64 = load.traffic.iter().map(|traffic| traffic.counts.delivered).sum();
    let each = |seconds: Option<f64>| match seconds {
        Some(seconds) if delivered > 0 => format!(" ({:.1} us per delivery)", seconds * 1e6 / delivered as f64),
        _ => String::new(),
    };
    let _ = writeln!(
        out,
        "  cpu         target {}{}   sio-bench {}{} on {}",
        share(cpu.target),
        each(cpu.target),
        share(cpu.own),
        each(cpu.own),
        plural(load.workers as u64, "worker")
    );
    render_memory(out, load);
    render_wire(out, load);
    let worst = |share: fn(&WorkerTime) -> f64| load.worker_time.iter().map(share).reduce(f64::max);
    if let (Some(busy), Some(waited)) = (worst(|time| time.busy), worst(|time| time.waited)) {
        let (busy, waited) = (busy * 100.0, waited * 100.0);
        let _ = writeln!(out, "  generator   busiest worker {busy:.0} % of a core   {waited:.0} % waiting for one");
    }
    // Less is the noise of every virtual machine.
    if cpu.stolen.is_some_and(|stolen| stolen > 0.01 * cpu.seconds) {
        let _ = writeln!(out, "  stolen      {} was taken from this machine by its host", share(cpu.stolen));
    }
}

/// With fewer users, what each of them takes drowns in what everything takes.
const ENOUGH_USERS: u64 = 100;

fn render_memory(out: &mut String, load: &LoadResult) {
    let side = |growth: &Growth| {
        let bytes = growth.end.or(growth.open)?;
        let each = growth.per_user(load.users.connected).filter(|_| load.users.connected >= ENOUGH_USERS);
        let each = each.map_or_else(String::new, |each| format!(" ({:.1} KiB per user)", each / 1024.0));
        Some(format!("{:.1} MiB{each}", bytes as f64 / f64::from(1 << 20)))
    };
    let unknown = || "not known".to_owned();
    let (target, own) = (side(&load.memory.target), side(&load.memory.own));
    if target.is_some() || own.is_some() {
        let (target, own) = (target.unwrap_or_else(unknown), own.unwrap_or_else(unknown));
        let _ = writeln!(out, "  memory      target {target}   sio-bench {own}");
    }
}

/// What went over the connections, and what of it was wanted.
fn render_wire(out: &mut String, load: &LoadResult) {
    let wire = &load.wire;
    if wire.received + wire.sent == 0 {
        return;
    }
    let each = match wire.payload {
        0 => String::new(),
        payload => format!("   {:.2} bytes per byte of payload", (wire.received + wire.sent) as f64 / payload as f64),
    };
    let (sent, received) = (bytes(wire.sent as f64), bytes(wire.received as f64));
    let _ = writeln!(out, "  wire        {sent} sent   {received} received{each}");
}

fn render_remarks(out: &mut String, load: &LoadResult) {
    for violation in &load.violations {
        let _ = writeln!(out, "  {} {}: {}", violation.invariant, violation.measure, violation.summary);
        for line in &violation.because {
            let _ = writeln!(out, "    {line}");
        }
        if let Some(command) = violation.replay() {
            let _ = writeln!(out, "    as a case: {command}");
        }
        if let Some(why) = &violation.no_case {
            let _ = writeln!(out, "    no case: {why}");
        }
    }
    for (problem, times) in &load.problems {
        let _ = writeln!(out, "  {} x   {problem}", count(*times));
    }
    for remark in remarks(load) {
        let _ = writeln!(out, "  {remark}");
    }
    out.push('\n');
}

fn render_rule(out: &mut String, rule: &ThresholdResult) {
    let word = match rule.verdict {
        ThresholdVerdict::Holds => "ok    ",
        ThresholdVerdict::Broken => "BROKEN",
        ThresholdVerdict::Unknown => "?     ",
    };
    line(out, &format!("  {word} {:<44} {}", rule.threshold, rule.observed));
}

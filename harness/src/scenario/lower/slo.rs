//! `[slo]`: `"tell.delivery p99 < 50ms in steady"`.

use std::time::Duration;

use super::flow;
use crate::scenario::model::{Count, Limit, Metric, Op, Scenario, Stat, Threshold};
use crate::scenario::node::{Kind, Node, Span, part_of_string};
use crate::scenario::table::{self, Context, Table};
use crate::vocab::{Measure, measure, quantity};

const COUNTS: [(&str, Count); 9] = [
    ("missing", Count::Missing),
    ("duplicate", Count::Duplicate),
    ("misdelivered", Count::Misdelivered),
    ("out_of_order", Count::OutOfOrder),
    ("altered", Count::Altered),
    ("unidentified", Count::Unidentified),
    ("missed_offline", Count::MissedOffline),
    ("unanswered", Count::Unanswered),
    ("refused", Count::Refused),
];
/// Numbers of the whole run; its times are in the table of measures.
const PLAIN: [(&str, Metric); 9] = [
    ("upgraded", Metric::Upgraded),
    ("recovered", Metric::Recovered),
    ("errors", Metric::Errors),
    ("oracle.certainty", Metric::Certainty),
    ("capacity", Metric::Capacity),
    ("generator.cpu", Metric::GeneratorCpu),
    ("generator.cpu_wait", Metric::GeneratorCpuWait),
    ("target.cpu", Metric::TargetCpu),
    ("target.memory", Metric::TargetMemory),
];
/// How a rule about an earlier run goes on behind its statistic.
const NOT_WORSE: [&str; 5] = ["not", "worse", "than", "baseline", "by"];

pub(super) fn lower(node: &Node, scenario: &Scenario, cx: &mut Context<'_>) -> Vec<Threshold> {
    let Some(mut table) = Table::new(node, "[slo]", cx) else { return Vec::new() };
    let rules = table.require("thresholds", cx).and_then(|node| table::array(node, "an array of thresholds", cx));
    let rules = rules.unwrap_or_default().iter().filter_map(|node| entry(node, scenario, cx)).collect();
    table.finish(cx);
    rules
}

/// A threshold, or one with what follows from it: `{ threshold = "errors < 5%", abort = true, after = "10s" }`.
fn entry(node: &Node, scenario: &Scenario, cx: &mut Context<'_>) -> Option<Threshold> {
    if !matches!(node.kind, Kind::Table(_)) {
        return rule(node, scenario, cx);
    }
    let mut table = Table::new(node, "a threshold", cx)?;
    let found = table.require("threshold", cx).and_then(|node| rule(node, scenario, cx));
    let abort = table.get("abort").map_or(Some(false), |node| table::boolean(node, cx));
    let after = table.get("after").map(|node| (node, table::duration(node, cx)));
    table.finish(cx);
    let (mut found, abort) = (found?, abort?);
    match after {
        Some((node, _)) if !abort => {
            cx.diagnostics
                .error(node.span.clone(), "`after` goes with `abort = true`: it says from when on the run may end");
            return None;
        }
        _ if !abort => {}
        _ if !found.metric.is_known_early() || matches!(found.limit, Limit::Baseline(_)) => {
            let why = "`abort` cannot be: what this threshold is about is known only when the run is over";
            cx.diagnostics.error(node.span.clone(), why);
            return None;
        }
        after => found.ends_run = Some(after.map_or(Some(Duration::ZERO), |(_, after)| after)?),
    }
    Some(found)
}

/// The words of a rule, each with its place.
struct Words<'a> {
    words: std::vec::IntoIter<(&'a str, Span)>,
    end: Span,
}

impl<'a> Words<'a> {
    /// Those behind the first `from` bytes of the rule, which is the string at `span`.
    fn behind(from: usize, text: &'a str, span: &Span) -> Self {
        let words: Vec<_> = text[from..]
            .split_whitespace()
            .map(|word| {
                let offset = word.as_ptr() as usize - text.as_ptr() as usize;
                (word, part_of_string(span, text, offset..offset + word.len()))
            })
            .collect();
        Self { words: words.into_iter(), end: span.end.saturating_sub(1)..span.end }
    }

    fn next(&mut self) -> (&'a str, Span) {
        self.words.next().unwrap_or(("", self.end.clone()))
    }

    fn rest(self) -> String {
        self.words.map(|(word, _)| word).collect::<Vec<_>>().join(" ")
    }
}

pub(super) fn rule(node: &Node, scenario: &Scenario, cx: &mut Context<'_>) -> Option<Threshold> {
    let Some(text) = node.as_str() else {
        cx.diagnostics.error(node.span.clone(), format_args!("a threshold is a string, not {}", node.describe()));
        return None;
    };
    if text.trim().is_empty() {
        cx.diagnostics.error(node.span.clone(), "this threshold is empty; one is such as \"tell.missing = 0\"");
        return None;
    }
    let (metric, mut words) = measured(text, &node.span, scenario, cx)?;
    let (mut word, mut span) = words.next();
    let stat = match stat(word) {
        Some(stat) => {
            (word, span) = words.next();
            stat
        }
        None => Stat::Plain,
    };
    if metric.is_latency() && stat == Stat::Plain {
        return no_stat(word, span, cx);
    }
    check_stat(&metric, stat, node, cx)?;
    let limit = limit(&metric, stat, (word, span), &mut words, cx)?;
    let (phase, users) = scope(words, &metric, node, scenario, cx).ok()?;
    if users.is_some() && matches!(limit, Limit::Baseline(_)) {
        cx.diagnostics.error(
            node.span.clone(),
            "`for USERS` does not go with a baseline: its log does not tell populations apart",
        );
        return None;
    }
    let place = line_and_column(&cx.source.text, node.span.start);
    let (text, span) = (text.to_owned(), node.span.clone());
    Some(Threshold { text, metric, stat, limit, phase, users, span, place, ends_run: None })
}

/// `< 50ms`, or `not worse than baseline by 10%`.
fn limit(
    metric: &Metric,
    stat: Stat,
    (word, span): (&str, Span),
    words: &mut Words<'_>,
    cx: &mut Context<'_>,
) -> Option<Limit> {
    let op = match word {
        "<" => Op::Less,
        "<=" => Op::AtMost,
        "=" => Op::Equal,
        ">=" => Op::AtLeast,
        ">" => Op::Greater,
        "not" => return against_baseline(metric, stat, span, words, cx).map(Limit::Baseline),
        other => {
            let wanted = "expected < <= = >= > or `not worse than baseline by`";
            match other {
                "" => cx.diagnostics.error(span, format_args!("{wanted}; the threshold ends here")),
                "==" => cx.diagnostics.error_at(span, format_args!("{wanted}, found `==`"), "did you mean `=`?"),
                _ => cx.diagnostics.error(span, format_args!("{wanted}, found `{other}`")),
            }
            return None;
        }
    };
    let (word, span) = words.next();
    let bound = bound(metric, word).map_err(|problem| cx.diagnostics.error(span, problem)).ok()?;
    Some(Limit::Bound(op, bound))
}

/// By how much a latency may be worse than in an earlier run; `not` has been read.
fn against_baseline(
    metric: &Metric,
    stat: Stat,
    mut span: Span,
    words: &mut Words<'_>,
    cx: &mut Context<'_>,
) -> Option<f64> {
    for wanted in &NOT_WORSE[1..] {
        let word;
        (word, span) = words.next();
        if word != *wanted {
            let phrase = NOT_WORSE.join(" ");
            cx.diagnostics.error(span, format_args!("expected `{phrase}` and a share such as 10%, found `{word}`"));
            return None;
        }
    }
    if !metric.is_latency() {
        cx.diagnostics.error(span, "only latencies can be held against a baseline: a count has no interval");
        return None;
    }
    if stat == Stat::Max {
        cx.diagnostics
            .error(span, "a maximum is one value and has no interval; hold p99.9 or the mean against a baseline");
        return None;
    }
    let (word, span) = words.next();
    quantity::percent(word).map_err(|problem| cx.diagnostics.error(span, problem)).ok()
}

/// What the rule begins with, and the words behind it.
fn measured<'a>(text: &'a str, span: &Span, scenario: &Scenario, cx: &mut Context<'_>) -> Option<(Metric, Words<'a>)> {
    // Steps have names of several words; the longest that fits is meant.
    let names = flow::measured(scenario);
    let fits = |name: &&&str| text.strip_prefix(**name).is_some_and(|rest| rest.starts_with(' '));
    if let Some(name) = names.iter().filter(fits).max_by_key(|name| name.len()) {
        return Some((Metric::Step((*name).to_owned()), Words::behind(name.len(), text, span)));
    }
    let mut words = Words::behind(0, text, span);
    let (word, span) = words.next();
    let metric = match word {
        "case" => Metric::Case(words.next().0.to_owned()),
        word => metric(word, span, scenario, cx)?,
    };
    Some((metric, words))
}

/// The times of a run that a threshold can be about.
fn times() -> impl Iterator<Item = Measure> {
    Measure::of(measure::Scope::Run).filter(|measure| measure.row().has_thresholds)
}

fn metric(word: &str, span: Span, scenario: &Scenario, cx: &mut Context<'_>) -> Option<Metric> {
    if let Some((_, metric)) = PLAIN.iter().find(|(name, _)| *name == word) {
        return Some(metric.clone());
    }
    if let Some(measure) = times().find(|measure| measure.name() == word) {
        return Some(Metric::Times(measure));
    }
    if let Some((traffic, what)) = word.rsplit_once('.')
        && scenario.traffic.contains_key(traffic)
    {
        let traffic = traffic.to_owned();
        if let Some(of) = Measure::named(measure::Scope::Traffic, what) {
            return Some(Metric::Latency { traffic, of });
        }
        if let Some((_, of)) = COUNTS.iter().find(|(name, _)| *name == what) {
            return Some(Metric::Count { traffic, of: *of });
        }
    }
    let traffic = word.rsplit_once('.').map_or(word, |(traffic, _)| traffic);
    if !scenario.traffic.contains_key(traffic)
        && cx.declared.iter().any(|(table, name)| *table == "traffic" && name == traffic)
    {
        return None; // its own mistake has been reported
    }
    let known: Vec<_> = scenario
        .traffic
        .keys()
        .flat_map(|name| {
            let latencies = Measure::of(measure::Scope::Traffic).map(Measure::name);
            latencies.chain(COUNTS.map(|(word, _)| word)).map(move |word| format!("{name}.{word}"))
        })
        .chain(times().map(|measure| measure.name().to_owned()))
        .chain(PLAIN.iter().map(|(name, _)| (*name).to_owned()))
        .chain(flow::measured(scenario).into_iter().map(ToOwned::to_owned))
        .collect();
    let of_traffic = known.iter().find(|name| name.rsplit_once('.').is_some_and(|(_, what)| what == word));
    match of_traffic {
        Some(name) => cx.diagnostics.error_at(
            span,
            format_args!("`{word}` is measured of each traffic"),
            format_args!("did you mean `{name}`?"),
        ),
        None => cx.diagnostics.unknown(span, "measure", word, &known),
    }
    None
}

fn stat(word: &str) -> Option<Stat> {
    match word {
        "max" => Some(Stat::Max),
        "mean" => Some(Stat::Mean),
        _ => {
            let percentile: f64 = word.strip_prefix('p')?.parse().ok()?;
            (0.0..=100.0).contains(&percentile).then_some(Stat::Quantile(percentile / 100.0))
        }
    }
}

/// A latency is many values; which of them is meant must be said.
fn no_stat<T>(word: &str, span: Span, cx: &mut Context<'_>) -> Option<T> {
    let wanted = "a latency needs a statistic: p99, p99.9, max or mean";
    match word {
        "" => cx.diagnostics.error(span, format_args!("{wanted}; the threshold ends here")),
        "<" | "<=" | "=" | ">=" | ">" | "not" => {
            cx.diagnostics.error(span, format_args!("{wanted}; it stands before `{word}`"));
        }
        "avg" | "average" => {
            cx.diagnostics.error_at(span, format_args!("{wanted}, found `{word}`"), "did you mean `mean`?");
        }
        _ => match word.strip_prefix("p99").filter(|rest| rest.starts_with('9')) {
            Some(rest) => cx.diagnostics.error_at(
                span,
                format_args!("{wanted}, found `{word}`"),
                format_args!("did you mean `p99.{rest}`?"),
            ),
            None => cx.diagnostics.error(span, format_args!("{wanted}, found `{word}`")),
        },
    }
    None
}

fn check_stat(metric: &Metric, stat: Stat, node: &Node, cx: &mut Context<'_>) -> Option<()> {
    let distribution = metric.is_latency();
    match (distribution, stat) {
        (true, Stat::Plain) => {
            cx.diagnostics.error(node.span.clone(), "a latency needs a statistic: p99, max or mean");
            None
        }
        (false, Stat::Quantile(_) | Stat::Max | Stat::Mean) => {
            cx.diagnostics.error(node.span.clone(), "this is one number; it has no percentiles");
            None
        }
        _ => Some(()),
    }
}

fn bound(metric: &Metric, word: &str) -> Result<f64, String> {
    match metric {
        metric if metric.is_latency() => quantity::duration(word).map(|time| time.as_nanos() as f64),
        Metric::Capacity => quantity::range(&format!("{word}..{word}")).map(|(number, ..)| number),
        Metric::TargetCpu => quantity::duration(word).map(|time| time.as_nanos() as f64),
        Metric::TargetMemory => quantity::size(word).map(|bytes| bytes as f64),
        Metric::Count { .. } => word.replace('_', "").parse().map_err(|_| format!("expected a number, found `{word}`")),
        _ => quantity::percent(word),
    }
}

/// Whether it is known for the receivers of each population.
fn tells_populations_apart(metric: &Metric) -> bool {
    match metric {
        Metric::Count { .. } => true,
        Metric::Latency { of, .. } => of.row().by_population,
        _ => false,
    }
}

/// A problem that has been reported.
struct Reported;

/// Phase and population.
type Scope = (Option<String>, Option<String>);

/// `in PHASE`, `for USERS`, both or nothing; phases may have spaces in their names.
fn scope(
    words: Words<'_>,
    metric: &Metric,
    node: &Node,
    scenario: &Scenario,
    cx: &mut Context<'_>,
) -> Result<Scope, Reported> {
    let rest = words.rest();
    let (rest, users) = match rest.rsplit_once("for ") {
        Some((before, users)) => (before.trim(), Some(users)),
        None => (rest.as_str(), None),
    };
    if let Some(users) = users {
        if !scenario.populations.contains_key(users) {
            let known: Vec<_> = scenario.populations.keys().map(String::as_str).collect();
            cx.unknown_name("users", node.span.clone(), "population", users, &known);
            return Err(Reported);
        }
        if !tells_populations_apart(metric) {
            cx.diagnostics.error(node.span.clone(), "`for USERS` goes with delivery, and with counts such as missing");
            return Err(Reported);
        }
    }
    let users = users.map(ToOwned::to_owned);
    if rest.is_empty() {
        return Ok((None, users));
    }
    let Some(name) = rest.strip_prefix("in ") else {
        cx.diagnostics.error(node.span.clone(), format_args!("expected `in PHASE` or nothing, found `{rest}`"));
        return Err(Reported);
    };
    if scenario.phases.iter().any(|phase| phase.name == name) {
        return Ok((Some(name.to_owned()), users));
    }
    let known: Vec<_> = scenario.phases.iter().map(|phase| phase.name.as_str()).collect();
    cx.unknown_name("phase", node.span.clone(), "phase", name, &known);
    Err(Reported)
}

fn line_and_column(source: &str, offset: usize) -> (usize, usize) {
    let before = &source[..source.floor_char_boundary(offset)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    (line, column)
}

//! A search for the largest load: its trials, the curve they make, and the law that was fitted to it.

use super::chart::{Axis, Dot, Plot, Series, Shape, Unit};
use super::page::{element, escape, table};
use super::source::Run;
use crate::record::Usl;
use crate::record::{Capacity, Entry, Trial, TrialVerdict};
use crate::report::capacity::answer;
use crate::vocab::text::{count, time};

/// Points of the fitted curve.
const STEPS: u32 = 80;

/// The searches of all runs.
pub(super) fn render(runs: &[Run]) -> String {
    runs.iter().map(|run| one(run, runs.len() > 1)).collect()
}

fn one(run: &Run, among_many: bool) -> String {
    let trials: Vec<&Trial> = run.entries.iter().filter_map(trial).collect();
    if trials.is_empty() {
        return String::new();
    }
    let capacity = run.entries.iter().find_map(|entry| match entry {
        Entry::Capacity(capacity) => Some(&**capacity),
        _ => None,
    });
    let name = if among_many { format!("Capacity: {}", run.label) } else { "Capacity".to_owned() };
    let mut out = format!("<h2>{}</h2>\n", escape(&name));
    out.push_str(&capacity.map_or_else(String::new, about));
    out.push_str(&in_turn(&trials));
    out.push_str(&curve(&trials, capacity.and_then(|capacity| capacity.usl)));
    out.push_str(&all(&trials));
    out
}

fn trial(entry: &Entry) -> Option<&Trial> {
    match entry {
        Entry::Trial(trial) => Some(trial),
        _ => None,
    }
}

/// The answer, what ran out, and how it scales.
fn about(capacity: &Capacity) -> String {
    let scaling = capacity.usl.map_or_else(String::new, |usl| {
        let peak =
            usl.peak.map_or_else(|| "without a peak".to_owned(), |peak| format!("peak {}/s", count(peak as u64)));
        let (sigma, kappa, r2) = (usl.sigma, usl.kappa, usl.r_squared);
        format!("{peak}: contention {sigma:.4}, coherency {kappa:.2e} (Universal Scalability Law, R2 {r2:.2})")
    });
    let rows =
        [("Answer", answer(capacity)), ("Limit", capacity.limit.clone().unwrap_or_default()), ("Scaling", scaling)];
    let rows = rows.iter().filter(|(_, value)| !value.is_empty());
    let rows: Vec<_> = rows.map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escape(value))).collect();
    element("dl", "about", &rows.concat())
}

fn word(verdict: TrialVerdict) -> (&'static str, &'static str, Shape) {
    match verdict {
        TrialVerdict::Held => ("passed", "ok", Shape::Disc),
        TrialVerdict::Broken => ("failed", "BROKEN", Shape::Cross),
        TrialVerdict::NotReached => ("failed", "SHORT", Shape::Cross),
        TrialVerdict::NotValid => ("", "not valid", Shape::Ring),
    }
}

fn dot(trial: &Trial, x: f64, y: f64) -> Dot {
    let (_, word, shape) = word(trial.verdict);
    Dot { x, y, shape, says: format!("{}: {word}", trial.setting) }
}

/// The loads that were tried, one after another.
fn in_turn(trials: &[&Trial]) -> String {
    let (least, most) = span(trials.iter().map(|trial| trial.value));
    let places = || (1..).zip(trials).map(|(number, trial)| (f64::from(number), *trial));
    let held = trials.iter().filter(|trial| trial.verdict == TrialVerdict::Held).count();
    let plot = Plot {
        title: "Trials",
        says: format!(
            "{} loads, one after another; {held} met the thresholds (discs), the others did not (crosses) or are not valid (rings)",
            trials.len()
        ),
        x: Axis { from: 0.0, to: trials.len() as f64 + 1.0, log: false, unit: Unit::Count },
        y: if most > least * 10.0 { Axis::decades(least, most, Unit::Count) } else { Axis::up_to(most, Unit::Count) },
        stretches: &[],
        moments: &[],
        height: 220.0,
    };
    let line = Series { name: "tried".to_owned(), points: places().map(|(x, trial)| (x, trial.value)).collect() };
    let dots: Vec<_> = places().map(|(x, trial)| dot(trial, x, trial.value)).collect();
    plot.lines_and_dots(&[line], &dots)
}

/// Throughput by what is under way, and the law that was fitted.
fn curve(trials: &[&Trial], usl: Option<Usl>) -> String {
    let measured: Vec<&Trial> =
        trials.iter().copied().filter(|trial| trial.concurrency > 0.0 && trial.throughput > 0.0).collect();
    if measured.is_empty() {
        return String::new();
    }
    let (least, most) = span(measured.iter().map(|trial| trial.concurrency));
    let (_, top) = span(measured.iter().map(|trial| trial.throughput));
    let unit = Unit::Average;
    let x = if most > least * 10.0 { Axis::decades(least, most, unit) } else { Axis::up_to(most, unit) };
    let fit = usl.map(|usl| Series {
        name: "fit".to_owned(),
        points: (0..=STEPS)
            .map(|step| {
                let share = f64::from(step) / f64::from(STEPS);
                let n = least * (most / least).powf(share);
                (n, usl.at(n))
            })
            .collect(),
    });
    let mut points: Vec<_> = measured.iter().map(|trial| (trial.concurrency, trial.throughput)).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let series: Vec<_> = fit.into_iter().chain([Series { name: "measured".to_owned(), points }]).collect();
    let top = series.iter().flat_map(|one| &one.points).map(|(_, y)| *y).fold(top, f64::max);
    let law =
        if usl.is_some() { "the line named fit is the Universal Scalability Law" } else { "no law fits these points" };
    let plot = Plot {
        title: "Throughput",
        says: format!("what went through each second, by what was under way on average; {law}"),
        x,
        y: Axis::up_to(top, Unit::Count),
        stretches: &[],
        moments: &[],
        height: 260.0,
    };
    let dots: Vec<_> = measured.iter().map(|trial| dot(trial, trial.concurrency, trial.throughput)).collect();
    plot.lines_and_dots(&series, &dots)
}

fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, 0.0), |(least, most), value| (value.min(least), value.max(most)))
}

fn all(trials: &[&Trial]) -> String {
    let cores = |cores: Option<f64>| cores.map_or_else(|| "-".to_owned(), |cores| format!("{:.0} %", cores * 100.0));
    let rows: Vec<Vec<String>> = trials
        .iter()
        .map(|trial| {
            let (class, word, _) = word(trial.verdict);
            let judged = trial.decisive().map(|judged| format!("{}: {}", judged.threshold, judged.observed));
            let judged = judged.unwrap_or_default();
            let why = trial.why.first().filter(|why| **why != judged).cloned().unwrap_or_default();
            vec![
                trial.search.to_string(),
                escape(&trial.setting),
                element("span", class, word),
                format!("{}/s", count(trial.throughput as u64)),
                trial.p99.map_or_else(|| "-".to_owned(), |nanos| escape(&time(nanos as f64))),
                cores(trial.target_cpu),
                escape(&judged),
                escape(&why),
                escape(&trial.record),
            ]
        })
        .collect();
    let head =
        ["search", "load", "", "throughput", "p99", "target", "judged by", "why", "record"].map(ToOwned::to_owned);
    table("Every trial", &head, &rows)
}

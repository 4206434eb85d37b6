//! What a search for the largest load has found, for a terminal.

use std::fmt::Write as _;

use super::text::{count, plural, time};
use crate::record::{Capacity, Trial, TrialVerdict};

/// One trial, in a line.
pub fn trial_line(trial: &Trial) -> String {
    let word = match trial.verdict {
        TrialVerdict::Held => "ok    ",
        TrialVerdict::Broken => "BROKEN",
        TrialVerdict::NotReached => "SHORT ",
        TrialVerdict::NotValid => "?     ",
    };
    let mut line = format!(
        "  {word} {:<14} {:>9}/s   p99 {:>9}   target {:>5} sio-bench {:>4}",
        trial.setting,
        count(trial.throughput as u64),
        trial.p99.map_or_else(|| "-".to_owned(), |nanos| time(nanos as f64)),
        share(trial.target_cpu),
        share(trial.own_cpu),
    );
    let judged = trial.decisive().map(|judged| format!("{}: {}", judged.threshold, judged.observed));
    match (&judged, trial.why.first()) {
        // What it did not reach outweighs what it had; what was broken says so itself.
        (Some(judged), None) => _ = write!(line, "   {judged}"),
        (Some(judged), Some(why)) if why == judged => _ = write!(line, "   {judged}"),
        (_, Some(why)) => _ = write!(line, "   {why}"),
        (None, None) => {}
    }
    line.trim_end().to_owned()
}

fn share(cores: Option<f64>) -> String {
    cores.map_or_else(|| "-".to_owned(), |cores| format!("{:.0} %", cores * 100.0))
}

/// The end of a search.
pub fn capacity_text(capacity: &Capacity) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "\n  capacity    {}", answer(capacity));
    if let Some(limit) = &capacity.limit {
        let _ = writeln!(out, "  limit       {limit}");
    }
    if let Some(usl) = &capacity.usl {
        let peak =
            usl.peak.map_or_else(|| "without a peak".to_owned(), |peak| format!("peak {}/s", count(peak as u64)));
        let _ = writeln!(
            out,
            "  scaling     {peak}: contention {:.4}, coherency {:.2e} (Universal Scalability Law, R2 {:.2} over {} trials)",
            usl.sigma, usl.kappa, usl.r_squared, capacity.trials
        );
    }
    out
}

/// `1,240/s (1,180/s to 1,260/s in 3 searches, to 5 %)`
pub fn answer(capacity: &Capacity) -> String {
    let show = |value: f64| setting(value, &capacity.unit);
    let Some(median) = capacity.median() else {
        return format!("none: {} = {} did not meet the thresholds", capacity.vary, show(capacity.range.0));
    };
    let (least, most) = capacity.spread();
    let more = if capacity.is_bounded() { "" } else { "at least " };
    format!(
        "{} = {more}{} ({} to {} in {}, to {:.0} %)",
        capacity.vary,
        show(median),
        show(least),
        show(most),
        plural(capacity.found.len() as u64, "search"),
        capacity.resolution * 100.0
    )
}

/// A value as one would write it.
pub fn setting(value: f64, unit: &str) -> String {
    if value >= 10.0 { format!("{}{unit}", count(value.round() as u64)) } else { format!("{value:.2}{unit}") }
}

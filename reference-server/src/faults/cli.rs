//! `--fault` and its like.

use clap::Args;

use super::{Fault, Faults, TABLE, find};

/// What the server does wrong
#[derive(Args, Clone, Debug)]
pub(crate) struct FaultArgs {
    /// Do this wrong, by id or name; may be repeated (`sio-bench list faults` has them all)
    #[arg(long = "fault", value_name = "FAULT", env = "SIO_FAULT", value_delimiter = ',', value_parser = parse_fault, help_heading = "Faults")]
    faults: Vec<Fault>,

    /// How often, between 0 and 1 (each time; drop, dup, reorder and event-lost: one time in ten)
    #[arg(long, value_name = "SHARE", env = "SIO_FAULT_RATE", value_parser = parse_rate, requires = "faults", help_heading = "Faults")]
    fault_rate: Option<f64>,

    /// Which times those are
    #[arg(long, value_name = "SEED", env = "SIO_FAULT_SEED", default_value_t = 0, help_heading = "Faults")]
    fault_seed: u64,

    /// Only once so many connections have been opened
    #[arg(long, value_name = "N", env = "SIO_FAULT_AFTER_CONNS", default_value_t = 0, help_heading = "Faults")]
    fault_after_conns: usize,
}

impl FaultArgs {
    /// What was asked for, if anything was.
    pub(crate) fn faults(&self) -> Option<Faults> {
        let active = self.faults.clone();
        let faults = || Faults::new(active, self.fault_rate, self.fault_seed, self.fault_after_conns);
        (!self.faults.is_empty()).then(faults)
    }
}

fn parse_fault(text: &str) -> Result<Fault, String> {
    match find(text) {
        Some(row) => Ok(row.fault),
        None => Err(format!("there is no such fault{}; `sio-bench list faults` has all {}", guess(text), TABLE.len())),
    }
}

/// What was probably meant.
fn guess(text: &str) -> String {
    let distance = |name: &str| strsim::damerau_levenshtein(text, name);
    let nearest = TABLE.iter().map(|row| row.name).min_by_key(|name| distance(name));
    // A third of the letters may differ; more is no misspelling.
    let near = nearest.filter(|name| distance(name) <= text.chars().count().max(3) / 3 + 1);
    near.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "expected a number between 0 and 1".to_owned())?;
    if (0.0..=1.0).contains(&rate) { Ok(rate) } else { Err("expected a number between 0 and 1".to_owned()) }
}

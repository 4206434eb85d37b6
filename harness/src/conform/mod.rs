//! Conformance: every case of a suite against one target, in parallel, with a verdict for each.
//!
//! A suite is a set of scenario files with cases. [`select`] takes the cases a person asked for, `managed_target` keeps one
//! running target for each set of options, `run` plays and replays, [`deviations`] says which failures are known
//! (in whatever `spelling`), [`accept`] takes new ones from what runs have shown, and [`register`] knows the rows that the cases cite.
//! `kill` plays the suite against servers that err on purpose.

pub mod accept;
mod answers;
pub mod capabilities;
pub mod contract;
pub mod deviations;
mod ending;
mod fixture;
#[cfg(feature = "faults")]
pub mod kill;
pub mod known_bugs;
mod managed_target;
pub mod register;
mod revision;
pub mod run;
mod scheduling_delay;
pub mod select;
mod spelling;
mod starved;
mod timers;
mod unknown;

pub use register::Register;
pub use run::{Settings, run};
pub use select::{Filter, Suite};

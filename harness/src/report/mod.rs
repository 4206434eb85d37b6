//! Reports: pure functions of a record.

mod by_clock;
pub mod capacity;
pub mod compare;
pub mod conformance;
pub mod coverage;
pub(crate) mod figures;
mod formats;
pub mod html;
pub(crate) mod identity;
mod outliers;
mod remarks;
pub mod samples;
mod stalls;
mod terminal;
mod unruled;
mod verdict;
pub mod versus;

pub use crate::vocab::text;
pub use formats::{Format, comparison, format};
pub use terminal::{load_table, render};
pub use verdict::{Verdict, cut_off, interrupted, judge, suffers};

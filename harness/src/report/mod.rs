//! Reports: pure functions of a record.

pub mod capacity;
pub mod compare;
pub mod conformance;
pub mod coverage;
mod formats;
pub mod html;
pub(crate) mod identity;
mod remarks;
pub mod samples;
mod terminal;
pub mod text;
mod unruled;
mod verdict;
pub mod versus;

pub use formats::{Format, format};
pub use terminal::{load_table, render};
pub use verdict::{INTERRUPTED, Verdict, interrupted, judge, suffers};

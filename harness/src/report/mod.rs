//! Reports: pure functions of a record.

mod terminal;
pub mod text;
mod verdict;

pub use terminal::{load_table, render};
pub use verdict::{INTERRUPTED, Verdict, judge};

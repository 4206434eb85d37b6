//! Random concurrent programs against a server, judged by the oracle.
//!
//! A [`Program`] is a few phases of branches that run at the same time; a fence of every socket
//! ends each phase. `generate` makes them, [`perform`] runs one against a target and records what every client
//! saw, the exact engine of `sio-oracle` judges the history, and `shrink` cuts a program that fails down to what
//! is needed. What is left is a short file that replays.

mod actor;
mod cluster;
mod generate;
mod journal;
pub mod known;
mod perform;
pub mod program;
mod search;
mod shrink;
mod text;
mod timeline;

pub use generate::Shape;
pub use known::Known;
pub use perform::{Excused, Outcome, Stage, perform};
pub use program::Program;
pub use search::{Failure, Hunt, Progress, Statistics, hunt, replay};
pub use text::{parse, render};
pub use timeline::lanes;

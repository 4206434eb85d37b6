//! The load engine: an open loop over a schedule that is a pure function of scenario and seed.
//!
//! [`plan`] says who is in which room and who can reach whom; `schedule` says who sends what when, and `emission_log` holds
//! the messages while they matter. One worker thread per core, each a current-thread runtime, owns its share of
//! the users (`worker`, `local`, and `emit` for what the schedule says): each lives through one session after another
//! (`user`, `session`) as who it is (`credentials`), and judges what arrives with the oracle's board. What goes wrong on purpose is worked out ahead
//! (`chaos`). What a worker measures stays with it (`metrics`) and is merged at the end (`result`).

mod accepted;
mod across;
mod admission;
mod away;
mod cases;
mod chaos;
mod connect_options;
mod control;
mod coordinator;
pub mod cpu;
mod credentials;
mod emission_log;
mod emit;
mod evidence;
mod executor;
mod fanout;
mod fences;
mod flow;
mod goose;
mod handle;
mod happened;
mod identity;
mod join;
mod journal;
mod json_text;
mod lead;
mod local;
mod losses;
mod membership;
mod merge;
mod message;
mod metrics;
mod needs;
mod nodes;
mod observe;
mod other_runs;
mod outages;
mod outliers;
mod part;
mod part_clocks;
pub mod plan;
mod plan_summary;
mod random;
mod replay;
mod repro;
mod result;
mod run;
mod schedule;
mod session;
mod share;
mod shared;
mod signs;
mod size;
mod slo;
mod thread_times;
mod together;
mod upsets;
mod user;
mod worker;
mod worker_log;

pub use connect_options::manner;
pub(crate) use flow::Asker;
pub use lead::{Go, Lead, LeadEnd};
pub use merge::{merge, merge_rest, merge_sent, sum_of_seconds};
pub use message::check;
pub use part::{Order, Start};
pub use plan::Plan;
pub use plan_summary::{describe, local_ports};
pub use run::{Settings, run};
pub use share::Share;

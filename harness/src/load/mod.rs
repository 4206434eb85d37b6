//! The load engine: an open loop over a schedule that is a pure function of scenario and seed.
//!
//! [`plan`] says who is in which room and who can reach whom; `schedule` says who sends what when, and `log` holds
//! the messages while they matter. One worker thread per core, each a current-thread runtime, owns its share of
//! the users (`worker`, `local`, and `emit` for what the schedule says): each lives through one session after another
//! (`user`, `talk`) as who it is (`credentials`), and judges what arrives with the oracle's board. What goes wrong on purpose is worked out ahead
//! (`chaos`). What a worker measures stays with it (`measure`) and is merged at the end (`result`).

mod across;
mod admission;
mod arithmetic;
mod away;
mod cases;
mod chaos;
mod control;
pub mod cpu;
mod credentials;
mod crew;
mod emit;
mod excerpt;
mod fanout;
mod fences;
mod goose;
mod identity;
mod join;
mod journey;
mod json_text;
mod local;
mod log;
mod mailbox;
mod manner;
mod measure;
mod merge;
mod message;
mod nodes;
mod observe;
mod outages;
mod outliers;
mod place;
pub mod plan;
mod random;
mod result;
mod ruler;
mod run;
mod schedule;
mod shared;
mod signs;
mod slo;
mod talk;
mod user;
mod watch;
mod witness;
mod worker;

pub use arithmetic::{describe, local_ports};
pub(crate) use journey::Asker;
pub use manner::manner;
pub use merge::merge;
pub use message::check;
pub use plan::Plan;
pub use run::{Settings, run};

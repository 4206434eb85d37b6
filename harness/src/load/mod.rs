//! The load engine: an open loop over a schedule that is a pure function of scenario and seed.
//!
//! [`plan`] computes everything ahead: who is in which room, who sends what to whom and when. One worker
//! thread per core, each a current-thread runtime, owns its share of the users (`worker`, `user`). What a
//! worker measures stays with it (`measure`) and is merged at the end (`result`).

mod control;
pub mod cpu;
mod measure;
mod message;
pub mod plan;
mod progress;
mod result;
mod run;
mod slo;
pub mod stamp;
mod user;
mod witness;
mod worker;

pub use message::check;
pub use plan::Plan;
pub use run::{Settings, run};

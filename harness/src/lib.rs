//! sio-bench: load tests and conformance cases for Socket.IO servers, from one kind of file.
//!
//! Modules point one way: `cli` -> `play`, `load` -> `scenario`, `client`, `target` -> `vocab`; everything reports by
//! entries -> [`record`] -> [`report`]. `tests/structure.rs` has the order and holds every import to it.
#![allow(unreachable_pub, reason = "modules of an application are no interface: `pub` says what other modules use")]
#![expect(
    missing_docs,
    reason = "an application: its interface is the command line; modules and what is not plain are described"
)]

pub mod aside;
pub mod baseline;
pub mod calibrate;
pub mod capacity;
pub mod cli;
pub mod client;
pub mod clock;
pub mod conform;
pub mod deploy;
pub mod difference;
pub mod exit;
pub mod explore;
pub mod fuzz;
pub mod guess;
pub mod hush;
pub mod input;
pub mod inspect;
pub mod interrupt;
pub mod live;
pub mod load;
pub mod log;
pub mod output;
pub mod play;
pub mod record;
pub mod remote;
pub mod report;
pub mod scenario;
pub mod secrets;
pub mod target;
pub mod vocab;
pub mod wire;

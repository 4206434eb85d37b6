//! Nodes that share a Redis: this server's among themselves and with Node's, in both directions. The rows are those of
//! `CATALOGUE.md` under CL and RW. Where Redis or Node.js is missing the tests say so and pass, except in CI.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod common;
mod emitter;
#[cfg(feature = "faults")]
mod faults;
mod outage;
mod pairs;
mod recovery;
mod wire;

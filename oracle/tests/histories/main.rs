//! The exact engine against a simulated server: never accused when correct, found out when not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, unreachable_pub, reason = "tests")]

mod board;
mod by_hand;
mod coarse;
mod edits;
mod goals;
mod instants;
mod nodes;
mod proofs;
mod sim;
mod soundness;
mod words;

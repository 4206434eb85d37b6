//! The exact engine against a simulated server: never accused when correct, found out when not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, unreachable_pub, reason = "tests")]

mod answers;
mod board;
mod by_hand;
mod coarse;
mod edits;
mod ends;
mod goals;
mod instants;
mod joint;
mod nodes;
mod proofs;
mod second_opinion;
mod sim;
mod soundness;
mod turns;
mod words;

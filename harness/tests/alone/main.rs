//! The real program in tests that hold what takes time, and so have the machine for themselves: one after the other, while nothing
//! else is tested.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    unreachable_pub,
    dead_code,
    reason = "tests; they share their tools with others"
)]

#[path = "../e2e/common.rs"]
mod common;
mod differences;
mod selftest;
mod stall;
mod suites;

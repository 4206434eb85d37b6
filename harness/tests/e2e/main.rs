//! The real program against real servers.
#![allow(clippy::unwrap_used, clippy::print_stderr, unreachable_pub, reason = "tests")]

mod apps;
mod balancer;
mod capacity;
mod cli;
mod common;
mod conformance;
mod credentials;
mod early;
mod ends;
mod evil;
mod excerpts;
mod explore;
mod faulty;
mod floods;
mod html;
mod identity;
mod inspect;
mod journeys;
mod left_behind;
mod live;
mod lives;
mod mistakes;
mod office;
mod outliers;
mod quiet;
mod reach;
mod records;
mod revision3;
mod secrets;
mod selftest;
mod spelled;
mod standard;
mod starved;
mod strangers;
mod target;

//! The real program against real servers.
#![allow(clippy::unwrap_used, clippy::print_stderr, unreachable_pub, reason = "tests")]

mod across;
mod apps;
mod balancer;
mod capacity;
mod chat;
mod cli;
mod clusters;
mod common;
mod conformance;
mod credentials;
mod early;
mod endings;
mod ends;
mod evil;
mod excerpts;
mod explore;
mod faulty;
mod floods;
mod html;
mod identity;
mod inspect;
mod joining;
mod journeys;
mod left_behind;
mod live;
mod lives;
mod mistakes;
mod office;
mod outages;
mod outliers;
mod pages;
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
mod surroundings;
mod target;
#[path = "../../../reference-server/tests/window/mod.rs"]
mod window;

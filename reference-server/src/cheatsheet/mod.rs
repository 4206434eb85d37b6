//! Socket.IO's own examples, in this library's words. Each stands beside the JavaScript it translates and is compiled
//! with the documentation.
//!
//! - [`emitting`]: every row of the emit cheatsheet
//! - [`rooms`]: the page on rooms
//! - [`namespaces`]: the page on namespaces

pub mod emitting;
pub mod namespaces;
pub mod rooms;

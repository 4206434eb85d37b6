//! A driver that measures what a server holds, with the window (messages in flight) as its only parameter.
//!
//! Closed loop: it finds how much a server can do, and says nothing about latency. Latency is the business of
//! `sio-bench run`, which keeps its schedule whatever the server does.

pub mod fanout;
pub mod machine;

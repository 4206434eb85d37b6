//! The behaviour catalogue, row by row, over real sockets. Each test names the rows it holds the server to;
//! `reference-server/CATALOGUE.md` is the table of them, and `table` keeps the two together.
#![allow(clippy::unwrap_used, reason = "tests")]

mod application;
mod close;
mod common;
mod eio3;
mod handshake;
mod headers;
mod heartbeat;
mod malformed;
mod msgpack;
mod polling;
mod recovery;
mod socketio;
mod table;
mod upgrade;
mod websocket;

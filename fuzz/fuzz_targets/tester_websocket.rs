//! What a target sends over a WebSocket: read without a panic. `sio_bench::fuzz` has the body, which `cargo test` runs as well.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sio_bench::fuzz::websocket(input));

//! A record of a stranger, in every format: read without a panic. `sio_bench::fuzz` has the body, which `cargo test` runs as well.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sio_bench::fuzz::record(input));

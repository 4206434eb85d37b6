//! A scenario file: read without a panic. `sio_bench::fuzz` has the body, which `cargo test` runs as well.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| sio_bench::fuzz::scenario(input));

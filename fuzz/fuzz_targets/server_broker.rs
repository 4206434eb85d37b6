//! What a broker brings to the reference server: read without a panic. `cargo test` runs the same body.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sio_bench::fuzz::broker(input));

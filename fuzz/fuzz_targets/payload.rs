//! A long-polling payload: what decodes, encodes to something that decodes to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sio_protocol::engine::{decode_payload, encode_payload};

fuzz_target!(|text: &str| {
    let frames: Vec<_> = decode_payload(&text.into()).map_while(Result::ok).collect();
    let again = encode_payload(&frames);
    if !frames.is_empty() {
        let back: Result<Vec<_>, _> = decode_payload(&again).collect();
        assert_eq!(back, Ok(frames));
    }
});

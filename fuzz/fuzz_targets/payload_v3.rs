//! A payload of revision 3: what decodes, encodes to something that decodes to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sio_protocol::engine::Payload;
use sio_protocol::engine::v3::{decode_payload, encode_payload};

fuzz_target!(|input: (bool, &[u8])| {
    let (binary, bytes) = input;
    let body = match std::str::from_utf8(bytes) {
        Ok(text) if !binary => Payload::Text(text.into()),
        _ => Payload::Binary(bytes.to_vec().into()),
    };
    let frames: Vec<_> = decode_payload(&body).into_iter().map_while(Result::ok).collect();
    // An empty text packet cannot be written: its length would be 0, which stands for nothing.
    if frames.is_empty() || frames.iter().any(|frame| frame.is_empty()) {
        return;
    }
    for takes_binary in [false, true] {
        let back: Result<Vec<_>, _> = decode_payload(&encode_payload(&frames, takes_binary)).into_iter().collect();
        assert_eq!(back.as_ref(), Ok(&frames));
    }
});

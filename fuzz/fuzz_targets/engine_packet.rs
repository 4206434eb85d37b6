//! One Engine.IO packet: what decodes, encodes to something that decodes to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sio_protocol::Frame;
use sio_protocol::engine::Packet;

fuzz_target!(|text: &str| {
    if let Ok(packet) = Packet::decode(&Frame::text(text.to_owned())) {
        assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }
});

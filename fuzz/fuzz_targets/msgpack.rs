//! A packet in MessagePack: what decodes and is valid, encodes to something that decodes to the same meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sio_protocol::engine::Message;
use sio_protocol::{Decoder, DecoderLimits, Frame, Parser};

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::new(Parser::MessagePack, DecoderLimits::default());
    let Ok(Some(packet)) = decoder.feed(Message::Binary(bytes.to_vec().into())) else { return };
    let frames = Parser::MessagePack.encode(&packet);
    let [Frame::Binary(again)] = frames.as_slice() else { unreachable!("one binary frame") };
    let back = decoder.feed(Message::Binary(again.clone())).expect("our own packets are good").expect("whole");
    assert_eq!((back.kind, &back.nsp, back.id), (packet.kind, &packet.nsp, packet.id));
    // Numbers may change their looks once (1.0 is 1 in JavaScript), and not again.
    let third = Parser::MessagePack.encode(&back);
    assert_eq!(Parser::MessagePack.encode(&packet), third);
});

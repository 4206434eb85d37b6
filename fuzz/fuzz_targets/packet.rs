//! One Socket.IO packet: what is accepted, encodes to something that decodes to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sio_protocol::engine::{Message, Packet as EnginePacket};
use sio_protocol::{Decoder, DecoderLimits, Parser};

fuzz_target!(|input: (&str, Vec<&[u8]>)| {
    let (text, attachments) = input;
    let mut decoder = Decoder::new(Parser::Json, DecoderLimits::default());
    let mut found = decoder.feed(Message::Text(text.into()));
    for bytes in attachments {
        if !matches!(found, Ok(None)) {
            break;
        }
        found = decoder.feed(Message::Binary(bytes.to_vec().into()));
    }
    let Ok(Some(packet)) = found else { return };
    let mut again = Decoder::new(Parser::Json, DecoderLimits::default());
    let mut back = None;
    for frame in packet.encode() {
        let Ok(EnginePacket::Message(message)) = EnginePacket::decode(&frame) else { unreachable!("a message") };
        back = again.feed(message).expect("what was accepted once is accepted again");
    }
    assert_eq!(back, Some(packet));
});

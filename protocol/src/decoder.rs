//! Puts a packet and its attachments back together.

use crate::engine::Message;
use crate::packet::PacketError;
use crate::{Kind, Packet, Parser, msgpack};

/// What one end takes from the other.
#[derive(Clone, Copy, Debug)]
pub struct DecoderLimits {
    /// Attachments of one packet; socket.io-parser takes 10 since 4.2.6 (SIO-BN-11).
    pub attachments: usize,
    /// Bytes of the name of an event, where payloads are checked; Node has no such limit.
    pub name: usize,
    /// Whether payloads are checked as a server must. A client that only counts what it gets leaves this out.
    pub strict: bool,
}

impl Default for DecoderLimits {
    fn default() -> Self {
        Self { attachments: 10, name: 1024, strict: true }
    }
}

/// The reading half of a parser: one per connection, as it holds a half-received binary packet.
#[derive(Debug)]
pub struct Decoder {
    parser: Parser,
    limits: DecoderLimits,
    /// A binary packet and how many attachments are still missing.
    pending: Option<(Box<Packet>, usize)>,
}

impl Decoder {
    /// A decoder with nothing pending.
    pub fn new(parser: Parser, limits: DecoderLimits) -> Self {
        Self { parser, limits, pending: None }
    }

    /// Bytes of a packet that is not complete: its header and the attachments that are there.
    pub fn held(&self) -> usize {
        let Some((packet, _)) = &self.pending else { return 0 };
        let attachments: usize = packet.body.attachments().iter().map(bytes::Bytes::len).sum();
        packet.body.json().len() + packet.nsp.len() + attachments
    }

    /// Takes one message; returns a packet once it is complete.
    pub fn feed(&mut self, message: Message) -> Result<Option<Packet>, PacketError> {
        match self.parser {
            Parser::Json => self.feed_json(message),
            Parser::MessagePack => match message {
                Message::Binary(bytes) => {
                    let packet = msgpack::decode(&bytes)?;
                    self.check_shape(&packet)?;
                    self.complete(packet).map(Some)
                }
                Message::Text(_) => Err(PacketError::UnexpectedText),
            },
        }
    }

    fn feed_json(&mut self, message: Message) -> Result<Option<Packet>, PacketError> {
        match (message, self.pending.take()) {
            (Message::Text(text), None) => {
                let (packet, attachments) = Packet::decode(&text)?;
                if attachments == 0 {
                    self.check_shape(&packet)?;
                    return self.complete(packet).map(Some);
                }
                if attachments > self.limits.attachments {
                    let limit = self.limits.attachments;
                    return Err(PacketError::TooManyAttachments { count: attachments, limit });
                }
                // Nonsense is refused before its attachments are waited for.
                self.check_shape(&packet)?;
                self.pending = Some((Box::new(packet), attachments));
                Ok(None)
            }
            (Message::Text(_), Some((_, missing))) => Err(PacketError::MissingAttachments(missing)),
            (Message::Binary(_), None) => Err(PacketError::UnexpectedAttachment),
            (Message::Binary(bytes), Some((mut packet, missing))) => {
                packet.body.push_attachment(bytes);
                if missing == 1 {
                    return self.complete(*packet).map(Some);
                }
                self.pending = Some((packet, missing - 1));
                Ok(None)
            }
        }
    }

    fn check_shape(&self, packet: &Packet) -> Result<(), PacketError> {
        if self.limits.strict {
            return packet.check_shape(self.limits.name);
        }
        if packet.kind == Kind::Event && packet.body.json().is_empty() {
            return Err(PacketError::Payload("an event without a name".to_owned()));
        }
        Ok(())
    }

    fn complete(&self, packet: Packet) -> Result<Packet, PacketError> {
        if self.limits.strict {
            packet.check_attachments()?;
        }
        Ok(packet)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::{self, Packet as EnginePacket};
    use crate::{Args, ByteString, Frame, Value};

    fn feed(decoder: &mut Decoder, frame: &Frame) -> Result<Option<Packet>, PacketError> {
        match EnginePacket::decode(frame) {
            Ok(EnginePacket::Message(message)) => decoder.feed(message),
            other => panic!("not a message: {other:?}"),
        }
    }

    fn packet() -> impl Strategy<Value = Packet> {
        let nsp = prop_oneof![Just("/".to_owned()), "/[a-z0-9?=-]{0,8}"].prop_map(ByteString::from);
        let value = prop_oneof![
            any::<u32>().prop_map(|n| Value::Number(n.into())),
            ".{0,8}".prop_map(Value::String),
            prop::collection::vec(any::<u8>(), 0..8).prop_map(|b| Value::Binary(b.into())),
        ];
        let values = prop::collection::vec(value, 0..6);
        (nsp, prop::option::of(any::<u64>()), any::<bool>(), "[a-c]{1,3}", values).prop_map(
            |(nsp, id, ack, name, mut values)| {
                if let (true, Some(id)) = (ack, id) {
                    return Packet::ack(nsp, id, Args::from_values(&values));
                }
                values.insert(0, Value::String(name));
                Packet { id, ..Packet::event(nsp, Args::from_values(&values)) }
            },
        )
    }

    proptest! {
        /// Through either transport, whole or cut into payloads of one packet each.
        #[test]
        fn packet_round_trip(packets in prop::collection::vec(packet(), 1..5), one_payload: bool) {
            let frames: Vec<Frame> = packets.iter().flat_map(Packet::encode).collect();
            let chunks = if one_payload { vec![&frames[..]] } else { frames.chunks(1).collect() };
            let mut decoder = Decoder::new(Parser::Json, DecoderLimits::default());
            let mut back = Vec::new();
            for chunk in chunks {
                for frame in engine::decode_payload(&engine::encode_payload(chunk)) {
                    back.extend(feed(&mut decoder, &frame.unwrap()).unwrap());
                }
            }
            prop_assert_eq!(back, packets);
        }

        #[test]
        fn no_input_panics(texts in prop::collection::vec("[0-9]{0,3}-?(/[a-z]*,)?[0-9]{0,3}.{0,30}", 1..6)) {
            let mut decoder = Decoder::new(Parser::Json, DecoderLimits::default());
            for text in texts {
                let _ = decoder.feed(Message::Text(text.into()));
                let _ = decoder.feed(Message::Binary(vec![1].into()));
            }
        }
    }

    #[test]
    fn attachments_are_bounded_and_adjacent() {
        let text = |decoder: &mut Decoder, text: &str| decoder.feed(Message::Text(text.into()));
        let mut decoder = Decoder::new(Parser::Json, DecoderLimits::default());
        assert!(matches!(text(&mut decoder, "511-[\"a\"]"), Err(PacketError::TooManyAttachments { count: 11, .. })));
        assert_eq!(text(&mut decoder, "52-[\"a\"]"), Ok(None));
        assert!(matches!(text(&mut decoder, "2[\"b\"]"), Err(PacketError::MissingAttachments(2))));
        assert_eq!(decoder.feed(Message::Binary(vec![].into())), Err(PacketError::UnexpectedAttachment));
    }

    /// As socket.io-parser does it: who sends nonsense is not waited for.
    #[test]
    fn a_binary_header_with_nonsense_is_refused_at_once() {
        for text in ["51-[", "51-{}", "51-[\"disconnect\"]", "51-", "61-[1", "51-[null]"] {
            let mut decoder = Decoder::new(Parser::Json, DecoderLimits::default());
            assert!(decoder.feed(Message::Text(text.into())).is_err(), "{text} is waited for");
        }
    }

    #[test]
    fn names_of_events_are_bounded() {
        let limits = DecoderLimits { name: 3, ..DecoderLimits::default() };
        let feed = |text: &str| Decoder::new(Parser::Json, limits).feed(Message::Text(text.into()));
        for good in ["2[\"abc\",\"abcdef\"]", "2[\"\\u0061bc\"]", "2[123,4567]", "3\u{31}[\"abcdef\"]"] {
            assert!(feed(good).is_ok(), "{good}");
        }
        for long in ["2[\"abcd\"]", "2[1234]", "51-[\"abcd\"]"] {
            assert!(matches!(feed(long), Err(PacketError::LongName { length: 4, longest: 3 })), "{long}");
        }
    }

    /// The bound itself is still taken.
    #[test]
    fn a_packet_may_have_as_many_attachments_as_the_limit_says() {
        let mut decoder = Decoder::new(Parser::Json, DecoderLimits { attachments: 3, ..DecoderLimits::default() });
        assert_eq!(decoder.feed(Message::Text("53-[\"a\"]".into())), Ok(None));
    }

    /// SIO-BN-10: what is known only when the attachments are there is looked at then.
    #[test]
    fn a_placeholder_without_its_attachment_is_refused() {
        let mut decoder = Decoder::new(Parser::Json, DecoderLimits::default());
        let header = r#"51-["a",{"_placeholder":true,"num":1}]"#;
        assert_eq!(decoder.feed(Message::Text(header.into())), Ok(None));
        assert!(matches!(decoder.feed(Message::Binary(vec![1].into())), Err(PacketError::Placeholder(_))));
    }
}

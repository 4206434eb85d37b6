//! Engine.IO packets, long-polling payloads and the handshake.
//!
//! The packets are those of both revisions; payloads and binary frames here are those of revision 4, and those of
//! revision 3 are in [`v3`].

pub mod v3;

use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use crate::Frame;

/// Separates packets in a long-polling payload.
pub const SEPARATOR: char = '\x1e';

/// Padded output, padding optional on input (EIO-PL-05).
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Revision of the Engine.IO protocol: `EIO` in the query string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Revision {
    /// `EIO=3`: the client pings, and is in `/` without asking (Socket.IO 2 clients).
    V3,
    /// `EIO=4`: the server pings (Socket.IO 3 and 4 clients).
    #[default]
    V4,
}

/// The body of a long-polling request or response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Text; binary packets in it are base64.
    Text(ByteString),
    /// `application/octet-stream`, in revision 3 only.
    Binary(Bytes),
}

impl Payload {
    /// Size in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, whatever they mean.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// An Engine.IO packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// `0`: the handshake, as JSON text.
    Open(ByteString),
    /// `1`: the sender closes the session.
    Close,
    /// `2`: heartbeat, or `2probe` on a WebSocket that wants to take over.
    Ping(ByteString),
    /// `3`: answer to a heartbeat or probe.
    Pong(ByteString),
    /// `4` with text, or a binary frame.
    Message(Message),
    /// `5`: the WebSocket takes over.
    Upgrade,
    /// `6`: releases a waiting GET.
    Noop,
}

/// What the layer above sends and receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text behind the `4`.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
}

/// Why a frame or payload is not an Engine.IO packet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A packet without a type.
    #[error("an Engine.IO packet is empty; expected a type digit 0 to 6")]
    Empty,
    /// The first character is no packet type.
    #[error("unknown Engine.IO packet type {0:?}; expected a digit 0 to 6")]
    UnknownType(char),
    /// `b` was not followed by base64.
    #[error("a binary packet in a payload is not base64: {0}")]
    Base64(String),
    /// The body of a request is not UTF-8.
    #[error("a payload is not UTF-8")]
    Utf8,
    /// A length of revision 3 that is none, or that reaches beyond the payload.
    #[error("the length of a packet in a payload is {0:?}; expected digits, a colon and that many characters")]
    Length(String),
    /// A binary frame of revision 3 whose first byte is not the type of a message.
    #[error("a binary frame is of type {0:?}; expected 4 and the message behind it")]
    BinaryType(Option<u8>),
}

impl Packet {
    /// Reads the packet in a WebSocket frame, or one that [`decode_payload`] split off.
    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let text = match frame {
            Frame::Binary(bytes) => return Ok(Self::Message(Message::Binary(bytes.clone()))),
            Frame::Text(text) => text,
        };
        let Some(kind) = text.chars().next() else { return Err(DecodeError::Empty) };
        let rest = || text.slice_ref(&text[1..]);
        match kind {
            '0' => Ok(Self::Open(rest())),
            '1' => Ok(Self::Close),
            '2' => Ok(Self::Ping(rest())),
            '3' => Ok(Self::Pong(rest())),
            '4' => Ok(Self::Message(Message::Text(rest()))),
            '5' => Ok(Self::Upgrade),
            '6' => Ok(Self::Noop),
            // Made for long-polling; Node takes it on a WebSocket as well (EIO-WS-09).
            'b' => Ok(Self::Message(Message::Binary(decode_base64(&text[1..])?))),
            other => Err(DecodeError::UnknownType(other)),
        }
    }

    /// The packet as one frame.
    pub fn encode(&self) -> Frame {
        match self {
            Self::Open(json) => prefixed('0', json),
            Self::Close => Frame::Text(ByteString::from_static("1")),
            Self::Ping(data) => prefixed('2', data),
            Self::Pong(data) => prefixed('3', data),
            Self::Message(Message::Text(text)) => prefixed('4', text),
            Self::Message(Message::Binary(bytes)) => Frame::Binary(bytes.clone()),
            Self::Upgrade => Frame::Text(ByteString::from_static("5")),
            Self::Noop => Frame::Text(ByteString::from_static("6")),
        }
    }
}

fn prefixed(kind: char, data: &str) -> Frame {
    if data.is_empty() {
        let digits = ["0", "1", "2", "3", "4", "5", "6"];
        return Frame::Text(ByteString::from_static(digits[kind as usize - '0' as usize]));
    }
    let mut text = String::with_capacity(1 + data.len());
    text.push(kind);
    text.push_str(data);
    Frame::Text(text.into())
}

/// Joins frames into the body of a long-polling request or response (EIO-PL-03, EIO-PL-04).
pub fn encode_payload(frames: &[Frame]) -> ByteString {
    let mut body = String::with_capacity(frames.iter().map(payload_len).sum());
    for (index, frame) in frames.iter().enumerate() {
        if index > 0 {
            body.push(SEPARATOR);
        }
        match frame {
            Frame::Text(text) => body.push_str(text),
            Frame::Binary(bytes) => {
                body.push('b');
                BASE64.encode_string(bytes, &mut body);
            }
        }
    }
    body.into()
}

/// What a frame costs in a payload, its separator counted in.
pub fn payload_len(frame: &Frame) -> usize {
    match frame {
        Frame::Text(text) => text.len() + 1,
        Frame::Binary(bytes) => bytes.len().div_ceil(3) * 4 + 2,
    }
}

/// Splits the body of a long-polling request or response into frames, which share its bytes.
///
/// The iterator yields what stands ahead of a bad packet and then the error (EIO-PL-18).
pub fn decode_payload(body: &ByteString) -> impl Iterator<Item = Result<Frame, DecodeError>> + Send + '_ {
    let mut failed = false;
    body.split(SEPARATOR).map_while(move |part| {
        if failed {
            return None;
        }
        let frame = decode_part(body, part);
        failed = frame.is_err();
        Some(frame)
    })
}

/// Takes the first packet off a body, as [`decode_payload`] reads it; with what stands behind it, if something does.
pub fn split_first(body: &ByteString) -> (Result<Frame, DecodeError>, Option<ByteString>) {
    match body.split_once(SEPARATOR) {
        Some((first, rest)) => (decode_part(body, first), Some(body.slice_ref(rest))),
        None => (decode_part(body, body), None),
    }
}

/// Splits the body of a POST, whatever the revision. Revision 4 has no binary bodies (EIO-PL-14).
pub fn split_payload<'a>(
    revision: Revision,
    body: &'a Payload,
) -> Box<dyn Iterator<Item = Result<Frame, DecodeError>> + Send + 'a> {
    match (revision, body) {
        (Revision::V3, _) => Box::new(v3::decode_payload(body)),
        (Revision::V4, Payload::Text(text)) => Box::new(decode_payload(text)),
        (Revision::V4, Payload::Binary(_)) => Box::new(std::iter::once(Err(DecodeError::Utf8))),
    }
}

fn decode_part(body: &ByteString, part: &str) -> Result<Frame, DecodeError> {
    match part.strip_prefix('b') {
        Some(encoded) => Ok(Frame::Binary(decode_base64(encoded)?)),
        None if part.is_empty() => Err(DecodeError::Empty),
        None => Ok(Frame::Text(body.slice_ref(part))),
    }
}

fn decode_base64(encoded: &str) -> Result<Bytes, DecodeError> {
    BASE64.decode(encoded).map(Bytes::from).map_err(|error| DecodeError::Base64(error.to_string()))
}

/// The JSON of the open packet (EIO-HS-02).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handshake {
    /// Session id of the Engine.IO session; not the id of any Socket.IO socket.
    pub sid: String,
    /// Transports the client may move to.
    pub upgrades: Vec<String>,
    /// Milliseconds between two heartbeats of the server.
    pub ping_interval: u64,
    /// Milliseconds the client has for its answer.
    pub ping_timeout: u64,
    /// Bytes the server takes in one payload or message. Servers before engine.io 6.2 do not send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_payload: Option<u64>,
}

impl Handshake {
    /// How long the server may be silent. More than a day is not believed, so that an instant can be that far ahead.
    pub fn patience(&self) -> Duration {
        const DAY: u64 = 86_400_000;
        Duration::from_millis(self.ping_interval.saturating_add(self.ping_timeout).min(DAY))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn splits_the_example_of_the_specification() {
        let body = ByteString::from("4hello\x1e2\x1e4world\x1ebAQIDBA==");
        let frames: Result<Vec<_>, _> = decode_payload(&body).collect();
        let expected =
            vec![Frame::text("4hello"), Frame::text("2"), Frame::text("4world"), Frame::binary(vec![1, 2, 3, 4])];
        assert_eq!(frames.as_ref(), Ok(&expected));
        assert_eq!(encode_payload(&expected), body);
    }

    #[test]
    fn unpadded_base64_is_accepted_and_garbage_is_not() {
        let decode = |body: &str| decode_payload(&body.into()).collect::<Result<Vec<_>, _>>();
        assert_eq!(decode("bAQIDBA"), Ok(vec![Frame::binary(vec![1, 2, 3, 4])]));
        assert_eq!(decode("b"), Ok(vec![Frame::binary(vec![])]));
        assert!(matches!(decode("b?"), Err(DecodeError::Base64(_))));
    }

    #[test]
    fn packets_ahead_of_a_bad_one_are_yielded() {
        let body = ByteString::from("4x\x1e\x1e4y");
        let parts: Vec<_> = decode_payload(&body).collect();
        assert_eq!(parts, [Ok(Frame::text("4x")), Err(DecodeError::Empty)]);
    }

    fn packet() -> impl Strategy<Value = Packet> {
        let text = || "[^\u{1e}]{0,20}".prop_map(ByteString::from);
        prop_oneof![
            text().prop_map(Packet::Open),
            Just(Packet::Close),
            text().prop_map(Packet::Ping),
            text().prop_map(Packet::Pong),
            text().prop_map(|text| Packet::Message(Message::Text(text))),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Packet::Message(Message::Binary(bytes.into()))),
            Just(Packet::Upgrade),
            Just(Packet::Noop),
        ]
    }

    proptest! {
        #[test]
        fn packet_round_trip(packet in packet()) {
            prop_assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
        }

        #[test]
        fn payload_round_trip(packets in prop::collection::vec(packet(), 1..8)) {
            let frames: Vec<_> = packets.iter().map(Packet::encode).collect();
            let body = encode_payload(&frames);
            prop_assert!(body.len() < frames.iter().map(payload_len).sum::<usize>());
            let back: Result<Vec<_>, _> = decode_payload(&body).collect();
            prop_assert_eq!(back, Ok(frames));
        }

        #[test]
        fn no_payload_panics(body in ".{0,60}") {
            for frame in decode_payload(&body.into()).flatten() {
                let _ = Packet::decode(&frame);
            }
        }
    }

    /// To the byte: what is filled up to `maxPayload` by this must not be longer than that.
    #[test]
    fn a_frame_costs_its_bytes_and_a_separator() {
        for frame in
            [Frame::text("4hello"), Frame::text("6")].into_iter().chain((0..7).map(|len| Frame::binary(vec![7; len])))
        {
            let body = encode_payload(&[frame.clone(), frame.clone()]);
            assert_eq!(body.len(), 2 * payload_len(&frame) - 1, "{frame:?}");
        }
    }

    #[test]
    fn a_body_is_its_bytes_whatever_it_is() {
        let both =
            |bytes: &'static str| [Payload::Text(bytes.into()), Payload::Binary(Bytes::from_static(bytes.as_bytes()))];
        for bytes in ["", "4hé"] {
            for body in both(bytes) {
                assert_eq!((body.len(), body.is_empty()), (bytes.len(), bytes.is_empty()), "{body:?}");
                assert_eq!(body.into_bytes(), bytes.as_bytes());
            }
        }
    }
}

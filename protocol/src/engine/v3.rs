//! Payloads and binary frames of revision 3, as engine.io still speaks them with `allowEIO3`.
//!
//! - A text payload is `<length>:<packet>` after `<length>:<packet>`; the length counts UTF-16 units, and binary
//!   packets in it are `b4<base64>`.
//! - A binary payload (`application/octet-stream`) is, per packet, `0` or `1` for text or bytes, the digits of the
//!   length as one byte each, `255`, and the packet.
//! - A binary WebSocket frame begins with the packet type, `4`, as a byte.
//!
//! Source: Engine.IO protocol revision 3, "Encoding".

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

use super::{BASE64, DecodeError, Payload, decode_base64};
use crate::Frame;

/// The packet type of a message, as the first byte of a binary packet.
const MESSAGE: u8 = 4;
/// Ends the length of a packet in a binary payload.
const END_OF_LENGTH: u8 = 255;
/// Digits of a length that are looked at; no payload that was let in is longer.
const LONGEST_LENGTH: usize = 10;

/// A binary frame as a WebSocket of revision 3 carries it.
pub fn wrap_binary(bytes: &Bytes) -> Bytes {
    let mut wrapped = BytesMut::with_capacity(1 + bytes.len());
    wrapped.extend_from_slice(&[MESSAGE]);
    wrapped.extend_from_slice(bytes);
    wrapped.freeze()
}

/// The message in a binary frame.
pub fn unwrap_binary(frame: &Bytes) -> Result<Bytes, DecodeError> {
    match frame.first() {
        Some(&MESSAGE) => Ok(frame.slice(1..)),
        other => Err(DecodeError::BinaryType(other.copied())),
    }
}

/// Joins frames into a payload: a text, or bytes if the client takes them and there is a binary packet.
pub fn encode_payload(frames: &[Frame], takes_binary: bool) -> Payload {
    if takes_binary && frames.iter().any(|frame| matches!(frame, Frame::Binary(_))) {
        return Payload::Binary(encode_binary(frames));
    }
    let mut body = String::new();
    for frame in frames {
        match frame {
            Frame::Text(text) => push_text(&mut body, text),
            Frame::Binary(bytes) => push_text(&mut body, &base64_packet(bytes)),
        }
    }
    Payload::Text(body.into())
}

/// A binary packet for a client that takes text only.
pub fn base64_packet(bytes: &[u8]) -> String {
    let mut packet = String::from("b4");
    BASE64.encode_string(bytes, &mut packet);
    packet
}

fn push_text(body: &mut String, packet: &str) {
    body.push_str(&packet.encode_utf16().count().to_string());
    body.push(':');
    body.push_str(packet);
}

fn encode_binary(frames: &[Frame]) -> Bytes {
    let mut body = BytesMut::new();
    for frame in frames {
        let (kind, length) = match frame {
            Frame::Text(text) => (0, text.len()),
            Frame::Binary(bytes) => (1, 1 + bytes.len()),
        };
        body.extend_from_slice(&[kind]);
        body.extend(length.to_string().bytes().map(|digit| digit - b'0'));
        body.extend_from_slice(&[END_OF_LENGTH]);
        match frame {
            Frame::Text(text) => body.extend_from_slice(text.as_bytes()),
            Frame::Binary(bytes) => {
                body.extend_from_slice(&[MESSAGE]);
                body.extend_from_slice(bytes);
            }
        }
    }
    body.freeze()
}

/// Splits a payload into frames, one at a time. What stands ahead of a mistake comes first, and the mistake is last.
pub fn decode_payload(payload: &Payload) -> impl Iterator<Item = Result<Frame, DecodeError>> + Send + '_ {
    let mut rest = match payload {
        Payload::Text(body) if body.is_empty() => Rest::Nothing,
        Payload::Text(body) => Rest::Text(body, body),
        Payload::Binary(body) => Rest::Bytes(body.clone()),
    };
    let mut failed = false;
    std::iter::from_fn(move || {
        let next = match &mut rest {
            _ if failed => None,
            Rest::Nothing => Some(Err(DecodeError::Empty)),
            Rest::Text(body, rest) => decode_text(body, rest).transpose(),
            Rest::Bytes(rest) => decode_binary(rest).transpose(),
        };
        failed |= matches!(next, Some(Err(_)));
        next
    })
}

/// What is left of a payload.
enum Rest<'a> {
    Nothing,
    /// The body and the end of it.
    Text(&'a ByteString, &'a str),
    Bytes(Bytes),
}

fn decode_text<'a>(body: &'a ByteString, left: &mut &'a str) -> Result<Option<Frame>, DecodeError> {
    while !left.is_empty() {
        let rest: &'a str = left;
        let shown = || DecodeError::Length(rest.chars().take(LONGEST_LENGTH).collect());
        let colon = rest.bytes().take(LONGEST_LENGTH + 1).position(|byte| byte == b':').ok_or_else(shown)?;
        let digits = &rest[..colon];
        let length = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<usize>().ok()).flatten();
        let end = length.and_then(|length| utf16_end(&rest[colon + 1..], length)).ok_or_else(shown)?;
        let packet = &rest[colon + 1..][..end];
        *left = &rest[colon + 1 + end..];
        if !packet.is_empty() {
            return text_packet(body, packet).map(Some);
        }
    }
    Ok(None)
}

fn text_packet(body: &ByteString, packet: &str) -> Result<Frame, DecodeError> {
    match packet.strip_prefix('b') {
        Some(encoded) => {
            let encoded = encoded.strip_prefix('4').ok_or(DecodeError::BinaryType(encoded.bytes().next()))?;
            Ok(Frame::Binary(decode_base64(encoded)?))
        }
        None => Ok(Frame::Text(body.slice_ref(packet))),
    }
}

/// Where the first `units` UTF-16 units of a text end. `None` when it is shorter, or when that is inside of a
/// character.
fn utf16_end(text: &str, units: usize) -> Option<usize> {
    let mut left = units;
    for (index, character) in text.char_indices() {
        if left == 0 {
            return Some(index);
        }
        left = left.checked_sub(character.len_utf16())?;
    }
    (left == 0).then_some(text.len())
}

fn decode_binary(rest: &mut Bytes) -> Result<Option<Frame>, DecodeError> {
    if !rest.is_empty() {
        let shown = || DecodeError::Length(format!("{:?}", &rest[..rest.len().min(LONGEST_LENGTH)]));
        let end = rest.iter().take(LONGEST_LENGTH + 2).position(|byte| *byte == END_OF_LENGTH).ok_or_else(shown)?;
        let digits = rest.get(1..end).filter(|digits| !digits.is_empty() && digits.iter().all(|digit| *digit < 10));
        let length = digits.ok_or_else(shown)?.iter().fold(0_usize, |sum, digit| sum * 10 + usize::from(*digit));
        if rest.len() - end - 1 < length {
            return Err(shown());
        }
        let packet = rest.slice(end + 1..end + 1 + length);
        let binary = rest[0] != 0;
        *rest = rest.slice(end + 1 + length..);
        return Ok(Some(if binary {
            Frame::Binary(unwrap_binary(&packet)?)
        } else {
            let text = ByteString::try_from(packet).map_err(|_| DecodeError::Utf8)?;
            text_packet(&text, &text)?
        }));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(payload: &Payload) -> Result<Vec<Frame>, DecodeError> {
        decode_payload(payload).collect()
    }

    #[test]
    fn an_empty_body_is_a_mistake() {
        assert_eq!(decode(&Payload::Text("".into())), Err(DecodeError::Empty));
    }

    #[test]
    fn the_examples_of_the_specification() {
        let frames = [Frame::text("4€"), Frame::text("4hello"), Frame::text("4🙂")];
        let payload = encode_payload(&frames, true);
        assert_eq!(payload, Payload::Text("2:4€6:4hello3:4🙂".into()));
        assert_eq!(decode(&payload).as_deref(), Ok(&frames[..]));

        let frames = [Frame::text("4€"), Frame::binary(vec![1, 2, 3, 4])];
        assert_eq!(encode_payload(&frames, false), Payload::Text("2:4€10:b4AQIDBA==".into()));
        let binary = encode_payload(&frames, true);
        assert_eq!(
            binary,
            Payload::Binary(Bytes::from_static(b"\x00\x04\xff4\xe2\x82\xac\x01\x05\xff\x04\x01\x02\x03\x04"))
        );
        assert_eq!(decode(&binary).as_deref(), Ok(&frames[..]));
    }

    /// EIO-V3-05.
    #[test]
    fn what_is_no_payload_is_an_error() {
        for text in ["", "4", "2", ":", "a:4", "-1:4", "3:4", "99999999999999999999:4", "1e1:4", "2:4🙂", "5:b4==="] {
            assert!(decode(&Payload::Text(text.into())).is_err(), "{text:?} was accepted");
        }
        for bytes in [
            &b"\x00"[..],
            b"\x00\xff",
            b"\x00\x01\x02\x03",
            b"\x01\x05\xff\x04",
            b"\x01\x01\xff\x05",
            b"\x00\x01\xff\xf0",
        ] {
            assert!(decode(&Payload::Binary(Bytes::from_static(bytes))).is_err(), "{bytes:?} was accepted");
        }
    }

    fn frame() -> impl Strategy<Value = Frame> {
        prop_oneof![
            "[0-6].{0,12}".prop_map(Frame::text),
            prop::collection::vec(any::<u8>(), 0..12).prop_map(Frame::binary),
        ]
    }

    proptest! {
        #[test]
        fn payload_round_trip(frames in prop::collection::vec(frame(), 1..6), takes_binary: bool) {
            prop_assert_eq!(decode(&encode_payload(&frames, takes_binary)), Ok(frames));
        }

        #[test]
        fn no_payload_panics(text in "[0-9]{0,3}:?.{0,20}", bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(&Payload::Text(text.into()));
            let _ = decode(&Payload::Binary(bytes.into()));
        }
    }

    #[test]
    fn a_binary_frame_begins_with_its_type() {
        let bytes = Bytes::from_static(&[7, 8]);
        assert_eq!(wrap_binary(&bytes), [4, 7, 8].as_slice());
        assert_eq!(unwrap_binary(&wrap_binary(&bytes)), Ok(bytes));
    }

    /// Nothing can be told from what stands behind.
    #[test]
    fn nothing_is_read_behind_a_mistake() {
        for payload in [
            Payload::Text("2:4aa:4b2:4c".into()),
            Payload::Binary(Bytes::from_static(b"\0\x02\xff4a\x01\x01\xff\x05\0\x02\xff4c")),
        ] {
            let read: Vec<_> = decode_payload(&payload).map(|frame| frame.ok()).collect();
            assert_eq!(read, [Some(Frame::text("4a")), None], "{payload:?}");
        }
    }

    #[test]
    fn a_length_has_ten_digits_at_most() {
        let text = |zeros: usize| decode(&Payload::Text(format!("{}2:4a", "0".repeat(zeros)).into()));
        let binary =
            |zeros: usize| decode(&Payload::Binary([&[0][..], &vec![0; zeros], b"\x02\xff4a"].concat().into()));
        for (zeros, good) in [(8, true), (9, true), (10, false)] {
            assert_eq!(text(zeros).is_ok(), good, "{zeros}");
            assert_eq!(binary(zeros).is_ok(), good, "{zeros}");
        }
    }

    #[test]
    fn a_length_is_of_digits_and_not_longer_than_what_is_there() {
        for wrong in [&b"\0\x0a\xff4aaaaaaaaa"[..], b"\0\x03\xff4a", b"\0\x04\xff4a", b"\x01\x02\xff\x04"] {
            assert!(decode(&Payload::Binary(Bytes::copy_from_slice(wrong))).is_err(), "{wrong:?}");
        }
    }
}

//! WebSocket frames (RFC 6455, section 5.2), with every bit under control.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// More than this in one frame is not taken from a target.
const MAX_PAYLOAD: u64 = 64 * 1024 * 1024;
/// The mask of every masked frame: any value is as good, and a fixed one makes transcripts repeatable.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What stands in place of a length that is longer.
const LENGTH_IN_2_BYTES: u8 = 0x7e;
const LENGTH_IN_8_BYTES: u8 = 0x7f;

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub fin: bool,
    /// The three reserved bits, 0 to 7.
    pub rsv: u8,
    pub opcode: u8,
    pub masked: bool,
    pub payload: Bytes,
    /// The length that the header claims, when it is not that of the payload.
    pub claims: Option<u64>,
}

impl Frame {
    /// A whole message in one masked frame.
    pub fn client(opcode: u8, payload: impl Into<Bytes>) -> Self {
        Self { fin: true, rsv: 0, opcode, masked: true, payload: payload.into(), claims: None }
    }

    /// Appends the frame's bytes.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u8(u8::from(self.fin) << 7 | (self.rsv & 7) << 4 | self.opcode & 15);
        put_length(self.claims.unwrap_or(self.payload.len() as u64), self.masked, out);
        if self.masked {
            put_masked(&self.payload, out);
        } else {
            out.put_slice(&self.payload);
        }
    }

    /// Takes a frame of a server off the front of `bytes`; `None` until it is complete. The error says how the
    /// server broke RFC 6455.
    pub fn decode(bytes: &mut BytesMut) -> Result<Option<Self>, String> {
        let [first, second, ..] = bytes[..] else { return Ok(None) };
        let masked = second & 0x80 != 0;
        let (extended, length) = match second & 0x7f {
            LENGTH_IN_2_BYTES => (2, bytes.get(2..4).map(|mut rest| u64::from(rest.get_u16()))),
            LENGTH_IN_8_BYTES => (8, bytes.get(2..10).map(|mut rest| rest.get_u64())),
            short => (0, Some(u64::from(short))),
        };
        let Some(length) = length else { return Ok(None) };
        if masked {
            return Err("the server masked a frame".to_owned());
        }
        if length > MAX_PAYLOAD {
            return Err(format!("the server announced a frame of {length} bytes"));
        }
        let header = 2 + extended;
        if (bytes.len() as u64) < header as u64 + length {
            return Ok(None);
        }
        bytes.advance(header);
        let payload = bytes.split_to(length as usize).freeze();
        let (fin, rsv, opcode) = (first & 0x80 != 0, first >> 4 & 7, first & 15);
        if rsv != 0 {
            return Err(format!("the server set reserved bits ({rsv:03b}) that nobody negotiated"));
        }
        Ok(Some(Self { fin, rsv, opcode, masked, payload, claims: None }))
    }
}

/// Appends a whole message of a client in one masked frame.
pub fn put_message(opcode: u8, payload: &[u8], out: &mut BytesMut) {
    out.reserve(payload.len() + 14);
    out.put_u8(0x80 | opcode);
    put_length(payload.len() as u64, true, out);
    put_masked(payload, out);
}

fn put_length(length: u64, masked: bool, out: &mut BytesMut) {
    let mask_bit = u8::from(masked) << 7;
    match length {
        0..=125 => out.put_u8(mask_bit | length as u8),
        126..=0xffff => {
            out.put_u8(mask_bit | LENGTH_IN_2_BYTES);
            out.put_u16(length as u16);
        }
        _ => {
            out.put_u8(mask_bit | LENGTH_IN_8_BYTES);
            out.put_u64(length);
        }
    }
}

/// The mask, and what it makes of `payload`; four bytes at a time, which the compiler turns into more.
fn put_masked(payload: &[u8], out: &mut BytesMut) {
    out.put_slice(&MASK);
    let start = out.len();
    out.put_slice(payload);
    let mut words = out[start..].chunks_exact_mut(MASK.len());
    let mask = u32::from_ne_bytes(MASK);
    for word in &mut words {
        if let Ok(bytes) = <[u8; 4]>::try_from(&*word) {
            word.copy_from_slice(&(u32::from_ne_bytes(bytes) ^ mask).to_ne_bytes());
        }
    }
    words.into_remainder().iter_mut().zip(MASK).for_each(|(byte, mask)| *byte ^= mask);
}

/// Puts the fragments of messages together.
#[derive(Debug, Default)]
pub struct Messages {
    partial: Option<(u8, BytesMut)>,
}

impl Messages {
    /// Bytes of the message that has not ended.
    pub fn held(&self) -> usize {
        self.partial.as_ref().map_or(0, |(_, bytes)| bytes.len())
    }

    /// Takes a data frame; returns opcode and payload of a message that is complete.
    pub fn take(&mut self, frame: Frame) -> Result<Option<(u8, Bytes)>, String> {
        match (frame.opcode, self.partial.take()) {
            (CONTINUATION, None) => Err("the server continued a message that it had not begun".to_owned()),
            (TEXT | BINARY, Some(_)) => Err("the server began a message within another".to_owned()),
            (TEXT | BINARY, None) if frame.fin => Ok(Some((frame.opcode, frame.payload))),
            (TEXT | BINARY, None) => {
                self.partial = Some((frame.opcode, BytesMut::from(frame.payload)));
                Ok(None)
            }
            (CONTINUATION, Some((opcode, mut whole))) => {
                if (whole.len() + frame.payload.len()) as u64 > MAX_PAYLOAD {
                    return Err("the server's message has no end".to_owned());
                }
                whole.extend_from_slice(&frame.payload);
                if frame.fin {
                    return Ok(Some((opcode, whole.freeze())));
                }
                self.partial = Some((opcode, whole));
                Ok(None)
            }
            (other, _) => Err(format!("the server sent a frame with the reserved opcode {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(frame: &Frame) -> BytesMut {
        let mut bytes = BytesMut::new();
        frame.encode(&mut bytes);
        bytes
    }

    #[test]
    fn the_examples_of_the_rfc() {
        let hello = Frame { masked: false, ..Frame::client(TEXT, "Hello") };
        assert_eq!(encoded(&hello)[..], [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        let masked = Frame::client(TEXT, "Hello");
        assert_eq!(encoded(&masked)[..], [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn frames_of_every_length_come_back_also_in_pieces() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let frame = Frame { masked: false, ..Frame::client(BINARY, vec![7; length]) };
            let mut whole = encoded(&frame);
            let mut part = whole.split_to(whole.len() / 2);
            if length > 0 {
                assert_eq!(Frame::decode(&mut part), Ok(None), "{length}");
            }
            part.unsplit(whole);
            assert_eq!(Frame::decode(&mut part), Ok(Some(frame)), "{length}");
            assert!(part.is_empty());
        }
    }

    proptest! {
        /// RFC 6455, section 5.3: byte by byte.
        #[test]
        fn masking_is_what_the_rfc_says(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = BytesMut::new();
            put_message(BINARY, &payload, &mut bytes);
            prop_assert_eq!(&bytes, &encoded(&Frame::client(BINARY, payload.clone())));
            let masked = &bytes[bytes.len() - payload.len()..];
            let unmasked: Vec<u8> = masked.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
            prop_assert_eq!(unmasked, payload);
        }

        /// Whatever a target sends, in whatever pieces: an answer or an error, never a panic, and no byte twice.
        #[test]
        fn rubbish_is_read_to_its_end(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0..300_usize) {
            let mut buffer = BytesMut::from(&bytes[..cut.min(bytes.len())]);
            let mut messages = Messages::default();
            let mut left = bytes.len();
            for part in [&bytes[..0], &bytes[cut.min(bytes.len())..]] {
                buffer.extend_from_slice(part);
                while let Ok(Some(frame)) = Frame::decode(&mut buffer) {
                    prop_assert!(frame.payload.len() < left);
                    left -= frame.payload.len();
                    let _ = messages.take(frame);
                }
            }
        }

        #[test]
        fn messages_come_back_from_any_fragments(payload in proptest::collection::vec(any::<u8>(), 1..2_000), cut in 1..2_000_usize) {
            let whole = Bytes::from(payload);
            let mut messages = Messages::default();
            let pieces: Vec<_> = whole.chunks(cut).collect();
            let mut got = None;
            for (index, piece) in pieces.iter().enumerate() {
                let opcode = if index == 0 { BINARY } else { CONTINUATION };
                let fin = index + 1 == pieces.len();
                let frame = Frame { fin, masked: false, ..Frame::client(opcode, piece.to_vec()) };
                let mut bytes = encoded(&frame);
                let read = Frame::decode(&mut bytes).unwrap().unwrap();
                prop_assert_eq!(&read, &frame);
                got = messages.take(read).unwrap();
            }
            prop_assert_eq!(got, Some((BINARY, whole)));
        }
    }

    #[test]
    fn a_server_that_breaks_the_rules_is_told_on() {
        for (bytes, problem) in [
            (&[0x81, 0x80, 0, 0, 0, 0][..], "masked"),
            (&[0xc1, 0x00][..], "reserved bits"),
            (&[0x82, 0x7f, 0xff, 0, 0, 0, 0, 0, 0, 0][..], "announced"),
        ] {
            let error = Frame::decode(&mut BytesMut::from(bytes)).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
        let mut messages = Messages::default();
        assert!(messages.take(Frame::client(CONTINUATION, "x")).is_err());
    }
}

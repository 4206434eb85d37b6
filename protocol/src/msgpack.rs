//! Packets as `socket.io-msgpack-parser` writes them: one MessagePack map `{type, data, nsp, id?}` in one binary
//! frame, with bytes as bytes and no attachments (MP-01, MP-02).
//!
//! Arriving packets are turned into the JSON and attachments that the rest of the crate works with, in one pass over
//! the bytes and without a tree in between: what a peer sends costs about as much memory as its bytes.

use bytes::Bytes;
use bytestring::ByteString;
use rmp::Marker;
use rmp::decode::{RmpRead as _, read_marker};
use rmp::encode;
use serde_json::Number;
use smallvec::smallvec;
use std::fmt::Write as _;

use crate::packet::PacketError;
use crate::timestamp;
use crate::value::push_escaped;
use crate::{Args, Frame, Frames, Kind, Packet, Value};

/// How notepack.io writes `undefined`: an extension of type 0 with one byte.
const UNDEFINED: [u8; 3] = [0xd4, 0, 0];

/// Deepest nesting that is read; `serde_json` stops typed values at 128.
const MAX_DEPTH: usize = 100;

/// The packet as one binary frame.
///
/// Payloads that are no JSON, which an application can only make on purpose, become `null`.
pub(crate) fn encode(packet: &Packet) -> Frames {
    let mut out = Vec::with_capacity(packet.nsp.len() + packet.body.json().len() + 32);
    let data = (!packet.body.json().is_empty()).then(|| packet.body.to_value().unwrap_or(Value::Null));
    let fields = 2 + u32::from(data.is_some()) + u32::from(packet.id.is_some());
    // Writing into a vector cannot fail.
    let _ = encode::write_map_len(&mut out, fields);
    let _ = encode::write_str(&mut out, "type");
    let _ = encode::write_uint(&mut out, packet.kind.digit());
    if let Some(data) = &data {
        let _ = encode::write_str(&mut out, "data");
        write_value(&mut out, data);
    }
    let _ = encode::write_str(&mut out, "nsp");
    let _ = encode::write_str(&mut out, &packet.nsp);
    if let Some(id) = packet.id {
        let _ = encode::write_str(&mut out, "id");
        let _ = encode::write_uint(&mut out, id);
    }
    smallvec![Frame::binary(out)]
}

pub(crate) fn write_value(out: &mut Vec<u8>, value: &Value) {
    let _ = match value {
        Value::Null => encode::write_nil(out),
        Value::Bool(value) => encode::write_bool(out, *value),
        Value::Number(number) => {
            write_number(out, number);
            Ok(())
        }
        Value::String(text) => return drop(encode::write_str(out, text)),
        Value::Binary(bytes) => return drop(encode::write_bin(out, bytes)),
        Value::Array(items) => {
            let _ = encode::write_array_len(out, items.len() as u32);
            return items.iter().for_each(|item| write_value(out, item));
        }
        Value::Object(fields) => {
            let _ = encode::write_map_len(out, fields.len() as u32);
            return fields.iter().for_each(|(key, value)| {
                let _ = encode::write_str(out, key);
                write_value(out, value);
            });
        }
    };
}

/// A whole number is written as an integer, whatever it looked like in JSON, as JavaScript has one kind of number.
fn write_number(out: &mut Vec<u8>, number: &Number) {
    if let Some(value) = number.as_u64() {
        let _ = encode::write_uint(out, value);
    } else if let Some(value) = number.as_i64() {
        let _ = encode::write_sint(out, value);
    } else {
        let value = number.as_f64().unwrap_or(0.0);
        let whole = value.fract() == 0.0 && value.abs() < 9e18;
        let _ = match (whole, value < 0.0) {
            (true, false) => encode::write_uint(out, value as u64).map(drop),
            (true, true) => encode::write_sint(out, value as i64).map(drop),
            (false, _) => encode::write_f64(out, value),
        };
    }
}

/// Reads the packet in a binary message. Bytes in its data become attachments.
pub(crate) fn decode(message: &Bytes) -> Result<Packet, PacketError> {
    let mut reader = Reader { rest: message, json: String::with_capacity(message.len()), attachments: Vec::new() };
    let marker = reader.marker()?;
    let Some((Measured::Map, fields)) = reader.sized(marker)? else {
        return Err(broken(&format!("{marker:?} instead of a map")));
    };
    let (mut kind, mut nsp, mut id) = (None, None, None);
    for _ in 0..fields {
        let key = reader.text()?;
        match key {
            "type" => kind = Kind::from_digit(reader.integer()?),
            "nsp" => nsp = Some(ByteString::from(reader.text()?)),
            "id" => id = reader.optional_integer()?,
            "data" => {
                // As in JavaScript, the last of two fields counts.
                reader.json.clear();
                reader.attachments.clear();
                // `undefined` is how a packet without data may be written; null is data.
                if reader.rest.starts_with(&UNDEFINED) {
                    reader.rest = &reader.rest[UNDEFINED.len()..];
                } else {
                    reader.value(0)?;
                }
            }
            // The official client sends its own `options`, too.
            _ => reader.skip()?,
        }
    }
    if !reader.rest.is_empty() {
        return Err(broken("bytes behind the packet"));
    }
    let kind = kind.ok_or_else(|| broken("no type of 0 to 4"))?;
    let nsp = nsp.ok_or_else(|| broken("no nsp"))?;
    if kind == Kind::Ack && reader.json.is_empty() {
        return Err(broken("an acknowledgement without data"));
    }
    Ok(Packet { kind, nsp, id, body: Args::from_json(reader.json, reader.attachments) })
}

pub(crate) fn broken(what: &str) -> PacketError {
    PacketError::MessagePack(what.to_owned())
}

/// What has a length.
pub(crate) enum Measured {
    Array,
    Map,
    Text,
    Binary,
    Extension,
}

pub(crate) struct Reader<'a> {
    pub(crate) rest: &'a [u8],
    pub(crate) json: String,
    pub(crate) attachments: Vec<Bytes>,
}

impl<'a> Reader<'a> {
    pub(crate) fn marker(&mut self) -> Result<Marker, PacketError> {
        read_marker(&mut self.rest).map_err(|_| broken("the end in the middle of a value"))
    }

    fn u8(&mut self) -> Result<u8, PacketError> {
        self.rest.read_data_u8().map_err(|_| broken("the end in the middle of a value"))
    }

    fn u16(&mut self) -> Result<u16, PacketError> {
        self.rest.read_data_u16().map_err(|_| broken("the end in the middle of a value"))
    }

    fn u32(&mut self) -> Result<u32, PacketError> {
        self.rest.read_data_u32().map_err(|_| broken("the end in the middle of a value"))
    }

    fn u64(&mut self) -> Result<u64, PacketError> {
        self.rest.read_data_u64().map_err(|_| broken("the end in the middle of a value"))
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], PacketError> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or_else(|| broken("a length beyond the end"))?;
        self.rest = rest;
        Ok(bytes)
    }

    fn text_of(&mut self, len: usize) -> Result<&'a str, PacketError> {
        std::str::from_utf8(self.bytes(len)?).map_err(|_| broken("a string that is not UTF-8"))
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, PacketError> {
        let marker = self.marker()?;
        match self.sized(marker)? {
            Some((Measured::Text, len)) => self.text_of(len),
            _ => Err(broken("something else instead of a string")),
        }
    }

    /// The number behind an integer marker, a whole float counted in; `None` for any other marker.
    fn number_behind(&mut self, marker: Marker) -> Result<Option<Number>, PacketError> {
        Ok(Some(match marker {
            Marker::FixPos(value) => value.into(),
            Marker::FixNeg(value) => value.into(),
            Marker::U8 => self.u8()?.into(),
            Marker::U16 => self.u16()?.into(),
            Marker::U32 => self.u32()?.into(),
            Marker::U64 => self.u64()?.into(),
            Marker::I8 => (self.u8()? as i8).into(),
            Marker::I16 => (self.u16()? as i16).into(),
            Marker::I32 => (self.u32()? as i32).into(),
            Marker::I64 => (self.u64()? as i64).into(),
            Marker::F32 => return Ok(Number::from_f64(f64::from(f32::from_bits(self.u32()?)))),
            Marker::F64 => return Ok(Number::from_f64(f64::from_bits(self.u64()?))),
            _ => return Ok(None),
        }))
    }

    fn optional_integer(&mut self) -> Result<Option<u64>, PacketError> {
        let marker = self.marker()?;
        if marker == Marker::FixExt1 && self.bytes(2)? == [0, 0] {
            return Ok(None);
        }
        let number = self.number_behind(marker)?.and_then(|number| number.as_u64());
        number.map(Some).ok_or_else(|| broken("something else instead of a whole number from 0 on"))
    }

    pub(crate) fn integer(&mut self) -> Result<u64, PacketError> {
        self.optional_integer()?.ok_or_else(|| broken("undefined instead of a whole number"))
    }

    /// What a marker with a length introduces; `None` for numbers and constants.
    pub(crate) fn sized(&mut self, marker: Marker) -> Result<Option<(Measured, usize)>, PacketError> {
        Ok(Some(match marker {
            Marker::FixArray(len) => (Measured::Array, usize::from(len)),
            Marker::Array16 => (Measured::Array, usize::from(self.u16()?)),
            Marker::Array32 => (Measured::Array, self.u32()? as usize),
            Marker::FixMap(len) => (Measured::Map, usize::from(len)),
            Marker::Map16 => (Measured::Map, usize::from(self.u16()?)),
            Marker::Map32 => (Measured::Map, self.u32()? as usize),
            Marker::FixStr(len) => (Measured::Text, usize::from(len)),
            Marker::Str8 => (Measured::Text, usize::from(self.u8()?)),
            Marker::Str16 => (Measured::Text, usize::from(self.u16()?)),
            Marker::Str32 => (Measured::Text, self.u32()? as usize),
            Marker::Bin8 => (Measured::Binary, usize::from(self.u8()?)),
            Marker::Bin16 => (Measured::Binary, usize::from(self.u16()?)),
            Marker::Bin32 => (Measured::Binary, self.u32()? as usize),
            Marker::FixExt1 => (Measured::Extension, 1),
            Marker::FixExt2 => (Measured::Extension, 2),
            Marker::FixExt4 => (Measured::Extension, 4),
            Marker::FixExt8 => (Measured::Extension, 8),
            Marker::FixExt16 => (Measured::Extension, 16),
            Marker::Ext8 => (Measured::Extension, usize::from(self.u8()?)),
            Marker::Ext16 => (Measured::Extension, usize::from(self.u16()?)),
            Marker::Ext32 => (Measured::Extension, self.u32()? as usize),
            _ => return Ok(None),
        }))
    }

    /// Appends the next value to the JSON.
    pub(crate) fn value(&mut self, depth: usize) -> Result<(), PacketError> {
        if depth > MAX_DEPTH {
            return Err(broken(&format!("data nested deeper than {MAX_DEPTH} levels")));
        }
        let marker = self.marker()?;
        match self.sized(marker)? {
            Some((Measured::Array, len)) => self.array(len, depth),
            Some((Measured::Map, len)) => self.object(len, depth),
            Some((Measured::Binary, len)) => self.binary(len),
            Some((Measured::Extension, len)) => self.extension(marker, len),
            Some((Measured::Text, len)) => self.string(len),
            None => self.scalar(marker),
        }
    }

    /// Appends a string. JavaScript writes a lone surrogate as if it were a character, which UTF-8 forbids.
    fn string(&mut self, len: usize) -> Result<(), PacketError> {
        let mut rest = self.bytes(len)?;
        self.json.push('"');
        loop {
            let broken_at = std::str::from_utf8(rest).err().map_or(rest.len(), |error| error.valid_up_to());
            let (valid, behind) = rest.split_at(broken_at);
            push_escaped(&mut self.json, std::str::from_utf8(valid).unwrap_or_default());
            rest = match behind {
                [] => break,
                [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF, behind @ ..] => {
                    let unit = 0xD000 | u32::from(second & 0x3F) << 6 | u32::from(third & 0x3F);
                    let _ = write!(self.json, "\\u{unit:04x}");
                    behind
                }
                _ => return Err(broken("a string that is not UTF-8")),
            };
        }
        self.json.push('"');
        Ok(())
    }

    fn scalar(&mut self, marker: Marker) -> Result<(), PacketError> {
        let float = matches!(marker, Marker::F32 | Marker::F64);
        match marker {
            Marker::Null => self.json.push_str("null"),
            Marker::True => self.json.push_str("true"),
            Marker::False => self.json.push_str("false"),
            _ => match self.number_behind(marker)? {
                Some(number) => drop(write!(self.json, "{number}")),
                // JSON has no infinity; JavaScript writes `null` for it.
                None if float => self.json.push_str("null"),
                None => return Err(broken("a reserved marker")),
            },
        }
        Ok(())
    }

    /// Reads the next value and forgets it.
    pub(crate) fn skip(&mut self) -> Result<(), PacketError> {
        let (json, attachments) = (self.json.len(), self.attachments.len());
        self.value(0)?;
        self.json.truncate(json);
        self.attachments.truncate(attachments);
        Ok(())
    }

    fn array(&mut self, len: usize, depth: usize) -> Result<(), PacketError> {
        self.json.push('[');
        for index in 0..len {
            if index > 0 {
                self.json.push(',');
            }
            self.value(depth + 1)?;
        }
        self.json.push(']');
        Ok(())
    }

    fn object(&mut self, len: usize, depth: usize) -> Result<(), PacketError> {
        self.json.push('{');
        for index in 0..len {
            if index > 0 {
                self.json.push(',');
            }
            let marker = self.marker()?;
            let Some((Measured::Text, len)) = self.sized(marker)? else {
                return Err(broken("something else instead of a key"));
            };
            self.string(len)?;
            self.json.push(':');
            self.value(depth + 1)?;
        }
        self.json.push('}');
        Ok(())
    }

    fn binary(&mut self, len: usize) -> Result<(), PacketError> {
        let bytes = Bytes::copy_from_slice(self.bytes(len)?);
        let _ = write!(self.json, r#"{{"_placeholder":true,"num":{}}}"#, self.attachments.len());
        self.attachments.push(bytes);
        Ok(())
    }

    /// The extensions of notepack.io 2, all of type 0: `undefined`, dates, and typed arrays, which have a length of their
    /// own; and the timestamps of MessagePack itself, type -1, which newer encoders write.
    fn extension(&mut self, marker: Marker, len: usize) -> Result<(), PacketError> {
        let kind = self.u8()? as i8;
        match (kind, marker) {
            (0, Marker::FixExt1) => {
                self.bytes(len)?;
                self.json.push_str("null");
                Ok(())
            }
            (0, Marker::FixExt8) => {
                // Milliseconds since 1970: a number, as JSON has no dates either.
                let millis = self.u64()? as i64;
                let _ = write!(self.json, "{millis}");
                Ok(())
            }
            (0, _) => self.binary(len),
            (-1, _) => {
                let text = timestamp::text(self.bytes(len)?).ok_or_else(|| broken("a timestamp that is none"))?;
                let _ = write!(self.json, "\"{text}\"");
                Ok(())
            }
            (other, _) => Err(broken(&format!("an extension of type {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(packet: &Packet) -> Packet {
        let frames = encode(packet);
        let [Frame::Binary(bytes)] = frames.as_slice() else { panic!("one binary frame: {frames:?}") };
        decode(bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"))
    }

    #[test]
    fn lone_surrogates_become_escapes() {
        let bytes = b"\x83\xa4type\x02\xa4data\x92\xa5hello\xa5a\xed\xa0\x80b\xa3nsp\xa1/";
        let packet = decode(&Bytes::from_static(bytes)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(packet.body.json(), r#"["hello","a\ud800b"]"#);
        assert_eq!(packet.validate(), Ok(()));
        let broken = b"\x83\xa4type\x02\xa4data\x91\xa2\xffx\xa3nsp\xa1/";
        assert!(decode(&Bytes::from_static(broken)).is_err());
    }

    /// Bytes captured from socket.io-msgpack-parser 3.0.2.
    #[test]
    fn the_bytes_are_those_of_the_javascript_parser() {
        let packet = Packet::event("/", Args::event("hello", (1, "2", 1.5, -3, 70_000)).unwrap_or_default());
        let Frame::Binary(bytes) = &encode(&packet)[0] else { panic!("binary") };
        let expected = b"\x83\xa4type\x02\xa4data\x96\xa5hello\x01\xa12\xcb\x3f\xf8\0\0\0\0\0\0\xfd\xce\x00\x01\x11\x70\xa3nsp\xa1/";
        assert_eq!(&bytes[..], expected);
        assert_eq!(round_trip(&packet), packet);
    }

    /// As notepack.io writes them: what has no fraction is an integer, of either sign.
    #[test]
    fn whole_numbers_are_integers() {
        let floats: [(f64, &[u8]); 4] =
            [(-3.0, b"\xfd"), (3.0, b"\x03"), (0.0, b"\x00"), (-0.5, b"\xcb\xbf\xe0\0\0\0\0\0\0")];
        for (float, expected) in floats {
            let mut out = Vec::new();
            write_number(&mut out, &Number::from_f64(float).unwrap());
            assert_eq!(out, expected, "{float}");
        }
    }

    /// However wide its length is written.
    #[test]
    fn an_extension_is_the_same_in_each_width() {
        for head in [&b"\xc7\x02"[..], b"\xc8\x00\x02", b"\xc9\x00\x00\x00\x02"] {
            let packet = [b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e", head, b"\x00\x07\x08"].concat();
            let packet = decode(&Bytes::from(packet)).unwrap_or_else(|error| panic!("{error}: {head:?}"));
            assert_eq!(packet.body.attachments(), [Bytes::from_static(b"\x07\x08")], "{head:?}");
        }
    }

    #[test]
    fn bytes_stay_bytes_and_control_packets_have_no_data() {
        let values = [Value::from("e"), Value::Binary(Bytes::from_static(b"\x01\x02")), Value::Null];
        let packet = Packet { id: Some(7), ..Packet::event("/a", Args::from_values(&values)) };
        assert_eq!(round_trip(&packet), packet);
        let connect = Packet::control(Kind::Connect, "/", "");
        assert_eq!(round_trip(&connect), connect);
        assert_eq!(round_trip(&connect).validate(), Ok(()));
    }

    /// MP-05, and what no JavaScript parser sends.
    #[test]
    fn what_is_no_packet_is_refused() {
        let cases: [&[u8]; 12] = [
            b"",
            b"\x80",
            b"40",
            b"\x82\xa4type\x05\xa3nsp\xa1/",
            b"\x82\xa4type\xff\xa3nsp\xa1/",
            b"\x81\xa4type\x02",
            b"\x83\xa4type\x02\xa3nsp\x01\xa4data\x91\xa1a",
            b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\xdd\xff\xff\xff\xff",
            b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\xc6\xff\xff\xff\xff",
            b"\x84\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xa1a\xa2id\xcb\x3f\xf8\0\0\0\0\0\0",
            b"\x82\xa4type\x00\xa3nsp\xa1/more",
            b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xc1",
        ];
        for bytes in cases {
            assert!(decode(&Bytes::from_static(bytes)).is_err(), "{bytes:?} was accepted");
        }
        let mut deep = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data".to_vec();
        deep.extend(vec![0x91; 100_000]);
        assert!(decode(&deep.into()).is_err());
    }

    /// What socket.io-client 4.8.4 sends.
    #[test]
    fn fields_that_are_not_known_are_skipped() {
        let bytes =
            b"\x85\xa4type\x02\xa4data\x92\xa1e\xc4\x01\x07\xa7options\x81\xa8compress\xc3\xa2id\x05\xa3nsp\xa1/";
        let packet = decode(&Bytes::from_static(bytes)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((packet.id, packet.body.json()), (Some(5), r#"["e",{"_placeholder":true,"num":0}]"#));
    }

    #[test]
    fn extensions_of_the_javascript_encoder() {
        let undefined = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x95\xa1e\xd4\x00\x00\xc7\x02\x00\x07\x08\xc7\x01\x00\x09\xd7\x00\x00\x00\x00\x00\x00\x00\x03\xe8";
        let packet = decode(&Bytes::from_static(undefined)).unwrap_or_else(|error| panic!("{error}"));
        let json = r#"["e",null,{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},1000]"#;
        assert_eq!(packet.body.json(), json);
        assert_eq!(packet.body.attachments(), [Bytes::from_static(b"\x07\x08"), Bytes::from_static(b"\x09")]);
    }

    /// As socket.io-msgpack-parser does it.
    #[test]
    fn undefined_is_no_data_and_null_is() {
        let decode = |head: &[u8], data: &[u8]| {
            let packet = Bytes::from([b"\x83\xa4type", head, b"\xa3nsp\xa1/\xa4data", data].concat());
            decode(&packet).and_then(|packet| packet.validate())
        };
        for kind in [b"\x00", b"\x01"] {
            assert!(decode(kind, &UNDEFINED).is_ok(), "{kind:?}");
            assert!(decode(kind, b"\xc0").is_err(), "{kind:?} with null");
        }
        assert!(decode(b"\x03", &UNDEFINED).is_err() && decode(b"\x03", b"\xc0").is_err());
        assert!(decode(b"\x03", b"\x90").is_ok());
    }

    /// What a value of MessagePack becomes in JSON, or the error.
    fn read(value: &[u8]) -> Result<String, PacketError> {
        let mut reader = Reader { rest: value, json: String::new(), attachments: Vec::new() };
        reader.value(0)?;
        assert!(reader.rest.is_empty(), "{value:?}");
        Ok(reader.json)
    }

    /// However wide it is written: encoders differ in that.
    #[test]
    fn a_number_is_the_same_in_each_width() {
        let seven: [&[u8]; 10] = [
            b"\x07",
            b"\xcc\x07",
            b"\xcd\0\x07",
            b"\xce\0\0\0\x07",
            b"\xcf\0\0\0\0\0\0\0\x07",
            b"\xd0\x07",
            b"\xd1\0\x07",
            b"\xd2\0\0\0\x07",
            b"\xd3\0\0\0\0\0\0\0\x07",
            b"\x07",
        ];
        assert!(seven.iter().all(|bytes| read(bytes) == Ok("7".to_owned())));
        let minus_two: [&[u8]; 5] =
            [b"\xfe", b"\xd0\xfe", b"\xd1\xff\xfe", b"\xd2\xff\xff\xff\xfe", b"\xd3\xff\xff\xff\xff\xff\xff\xff\xfe"];
        assert!(minus_two.iter().all(|bytes| read(bytes) == Ok("-2".to_owned())));
        assert_eq!(read(b"\xca\x3f\xc0\0\0"), Ok("1.5".to_owned()));
        assert_eq!(read(b"\xcb\x3f\xf8\0\0\0\0\0\0"), Ok("1.5".to_owned()));
    }

    #[test]
    fn a_length_is_the_same_in_each_width() {
        type Case = (&'static [&'static [u8]], &'static [u8], &'static str);
        let heads: [Case; 4] = [
            (&[b"\x92", b"\xdc\0\x02", b"\xdd\0\0\0\x02"], b"\x01\x02", "[1,2]"),
            (&[b"\x81", b"\xde\0\x01", b"\xdf\0\0\0\x01"], b"\xa1a\x01", r#"{"a":1}"#),
            (&[b"\xa2", b"\xd9\x02", b"\xda\0\x02", b"\xdb\0\0\0\x02"], b"hi", r#""hi""#),
            (&[b"\xc4\x02", b"\xc5\0\x02", b"\xc6\0\0\0\x02"], b"\x07\x08", r#"{"_placeholder":true,"num":0}"#),
        ];
        for (widths, content, json) in heads {
            for head in widths {
                assert_eq!(read(&[head, content].concat()).as_deref(), Ok(json), "{head:?}");
            }
        }
    }

    /// Typed arrays of 1 byte and of 8 would be `undefined` and a date; those of 2, 4 and 16 are bytes.
    #[test]
    fn extensions_of_fixed_length_have_it() {
        for (marker, len) in [(0xd5, 2), (0xd6, 4), (0xd8, 16)] {
            let packet = [&[marker, 0][..], &vec![7; len]].concat();
            assert_eq!(read(&packet).as_deref(), Ok(r#"{"_placeholder":true,"num":0}"#), "{marker:x}");
        }
    }

    #[test]
    fn constants_are_those_of_json() {
        for (byte, json) in [(0xc0, "null"), (0xc2, "false"), (0xc3, "true")] {
            assert_eq!(read(&[byte]).as_deref(), Ok(json));
        }
        // As JavaScript writes what JSON has not.
        let infinite: [&[u8]; 3] = [b"\xca\x7f\x80\0\0", b"\xcb\x7f\xf0\0\0\0\0\0\0", b"\xcb\x7f\xf8\0\0\0\0\0\0"];
        assert!(infinite.iter().all(|bytes| read(bytes) == Ok("null".to_owned())));
    }

    /// Arrays and maps alike, to the level.
    #[test]
    fn nesting_has_a_bound() {
        for (open, json) in [(&b"\x91"[..], "["), (b"\x81\xa1a", "{\"a\":")] {
            let nested = |levels: usize| read(&[&open.repeat(levels)[..], b"\xc0"].concat());
            assert_eq!(nested(MAX_DEPTH).map(|text| text.matches(json).count()), Ok(MAX_DEPTH));
            assert!(nested(MAX_DEPTH + 1).is_err(), "{json}");
        }
    }

    /// `undefined` as an id is none; another extension is not.
    #[test]
    fn an_id_may_be_undefined() {
        let decode = |id: &[u8]| decode(&[b"\x84\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xa1a\xa2id", id].concat().into());
        assert_eq!(decode(&UNDEFINED).map(|packet| packet.id), Ok(None));
        assert_eq!(decode(b"\x09").map(|packet| packet.id), Ok(Some(9)));
        assert!(decode(b"\xd4\x01\x00").is_err());
    }

    /// The largest whole number that is written as one; beyond, JavaScript has no integers either.
    #[test]
    fn a_float_that_is_too_large_stays_one() {
        for (float, first) in [(8.9e18, 0xcf), (9e18, 0xcb), (-8.9e18, 0xd3), (-9e18, 0xcb)] {
            let mut out = Vec::new();
            write_number(&mut out, &Number::from_f64(float).unwrap());
            assert_eq!(out[0], first, "{float}");
        }
    }
}

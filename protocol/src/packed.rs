//! MessagePack beside packets: what the nodes of a cluster tell each other is written in it.

use std::mem;

use bytes::Bytes;
use rmp::encode;

use crate::msgpack::{self, Measured, broken};
use crate::{Args, PacketError, Value};

/// Appends a value.
pub fn write(out: &mut Vec<u8>, value: &Value) {
    msgpack::write_value(out, value);
}

/// Appends a string.
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    // Writing into a vector cannot fail, here and below.
    let _ = encode::write_str(out, text);
}

/// Appends the head of an array of that many values, which have to follow.
pub fn write_array(out: &mut Vec<u8>, len: usize) {
    let _ = encode::write_array_len(out, len as u32);
}

/// Appends the head of a map of that many keys and values, which have to follow.
pub fn write_map(out: &mut Vec<u8>, len: usize) {
    let _ = encode::write_map_len(out, len as u32);
}

/// Appends arguments as an array. Those that are no JSON, which an application can only make on purpose, are `null`.
pub fn write_args(out: &mut Vec<u8>, args: &Args) {
    msgpack::write_value(out, &args.to_value().unwrap_or(Value::Null));
}

/// Reads values one after another. Of a message that ends too early, or says that something is longer than what is there, no more is
/// held than its bytes.
pub struct Reader<'a>(msgpack::Reader<'a>);

impl<'a> Reader<'a> {
    /// Reads from the beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(msgpack::Reader { rest: bytes, json: String::new(), attachments: Vec::new() })
    }

    /// Whether nothing is left.
    pub fn is_at_end(&self) -> bool {
        self.0.rest.is_empty()
    }

    /// The head of an array: how many values follow.
    pub fn array(&mut self) -> Result<usize, PacketError> {
        let marker = self.0.marker()?;
        match self.0.sized(marker)? {
            Some((Measured::Array, len)) => Ok(len),
            _ => Err(broken("something else instead of an array")),
        }
    }

    /// The head of a map: how many keys and values follow.
    pub fn map(&mut self) -> Result<usize, PacketError> {
        let marker = self.0.marker()?;
        match self.0.sized(marker)? {
            Some((Measured::Map, len)) => Ok(len),
            _ => Err(broken("something else instead of a map")),
        }
    }

    /// A string.
    pub fn text(&mut self) -> Result<&'a str, PacketError> {
        self.0.text()
    }

    /// A whole number from 0 on.
    pub fn integer(&mut self) -> Result<u64, PacketError> {
        self.0.integer()
    }

    /// The next value, unparsed, with its bytes as attachments.
    pub fn args(&mut self) -> Result<Args, PacketError> {
        self.0.value(0)?;
        Ok(Args::from_json(mem::take(&mut self.0.json), mem::take(&mut self.0.attachments)))
    }

    /// The next value.
    pub fn value(&mut self) -> Result<Value, PacketError> {
        self.args()?.to_value().map_err(|error| broken(&error.to_string()))
    }

    /// Reads the next value and forgets it.
    pub fn skip(&mut self) -> Result<(), PacketError> {
        self.0.skip()
    }
}

/// The one value that these bytes are.
pub fn read(bytes: &Bytes) -> Result<Value, PacketError> {
    let mut reader = Reader::new(bytes);
    let value = reader.value()?;
    if reader.is_at_end() { Ok(value) } else { Err(broken("bytes behind the value")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let value = Value::Object(vec![
            ("a".to_owned(), Value::Array(vec![Value::Null, Value::Bool(true), Value::from("x")])),
            ("b".to_owned(), Value::Binary(Bytes::from_static(&[1, 2]))),
        ]);
        let mut out = Vec::new();
        write(&mut out, &value);
        assert_eq!(read(&out.clone().into()), Ok(value));
        for len in 0..out.len() {
            assert!(read(&out[..len].to_vec().into()).is_err(), "{len} bytes of it");
        }
        out.push(0xc0);
        assert!(read(&out.into()).is_err(), "and something behind it");
    }

    #[test]
    fn parts_are_read_one_after_another() {
        let mut out = Vec::new();
        write_array(&mut out, 6);
        write_text(&mut out, "uid");
        write_args(
            &mut out,
            &Args::from_json(r#"["e",{"_placeholder":true,"num":0}]"#, vec![Bytes::from_static(b"x")]),
        );
        write_map(&mut out, 0);
        out.extend([7, 0xc2, 0xc0]);
        let mut reader = Reader::new(&out);
        assert_eq!((reader.array(), reader.text()), (Ok(6), Ok("uid")));
        let args = reader.args().unwrap_or_default();
        assert_eq!((args.json(), args.attachments().len()), (r#"["e",{"_placeholder":true,"num":0}]"#, 1));
        assert_eq!((reader.map(), reader.integer()), (Ok(0), Ok(7)));
    }

    /// As notepack.io 3 and @msgpack/msgpack write a `Date`.
    #[test]
    fn dates_are_what_json_makes_of_them() {
        let mut reader = Reader::new(&[0xd6, 0xff, 0, 0, 0, 60]);
        assert_eq!(reader.value(), Ok(Value::from("1970-01-01T00:01:00.000Z")));
    }

    #[test]
    fn what_is_skipped_is_behind() {
        let mut out = Vec::new();
        write_args(&mut out, &Args::from_json(r#"["e",{"a":[1,"two"]}]"#, vec![]));
        write_text(&mut out, "next");
        let mut reader = Reader::new(&out);
        assert_eq!((reader.skip(), reader.text()), (Ok(()), Ok("next")));
        assert!(reader.is_at_end());
    }
}

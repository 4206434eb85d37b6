//! Arguments of events and acknowledgements: raw JSON beside its binary attachments.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use bytestring::ByteString;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::packet::PacketError;
use crate::placeholders::placeholders;
use crate::{binary, surrogates};

/// The payload of a packet: JSON text that nobody has parsed yet, and the attachments its
/// `{"_placeholder":true,"num":n}` objects stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    json: ByteString,
    /// The JSON as it can be read, when that is not the same: without lone surrogates, and of the same length.
    readable: Option<Box<str>>,
    attachments: Vec<Bytes>,
}

/// Why arguments could not be built or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgsError {
    /// The JSON text is broken, or not of the type asked for.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// There is no argument at this position.
    #[error("there is no argument {0}")]
    Missing(usize),
    /// Placeholders and attachments do not fit together.
    #[error(transparent)]
    Packet(#[from] PacketError),
}

/// What can be passed as the arguments of an emit: a tuple of serializable values, or [`Args`] as they are.
pub trait IntoArgs {
    /// The arguments as a JSON array.
    fn into_args(self) -> Result<Args, ArgsError>;
}

impl IntoArgs for Args {
    fn into_args(self) -> Result<Args, ArgsError> {
        Ok(self)
    }
}

impl IntoArgs for () {
    fn into_args(self) -> Result<Args, ArgsError> {
        Ok(Args::none())
    }
}

macro_rules! tuple_args {
    ($($name:ident),+) => {
        impl<$($name: Serialize),+> IntoArgs for ($($name,)+) {
            fn into_args(self) -> Result<Args, ArgsError> {
                let (json, attachments) = binary::serialize(&self)?;
                Ok(Args::from_json(json, attachments))
            }
        }
    };
}
tuple_args!(A);
tuple_args!(A, B);
tuple_args!(A, B, C);
tuple_args!(A, B, C, D);
tuple_args!(A, B, C, D, E);
tuple_args!(A, B, C, D, E, F);
tuple_args!(A, B, C, D, E, F, G);
tuple_args!(A, B, C, D, E, F, G, H);

impl Args {
    /// No arguments: `[]`.
    pub fn none() -> Self {
        Self { json: ByteString::from_static("[]"), readable: None, attachments: Vec::new() }
    }

    /// Takes JSON text as it is. It should be an array (or, for CONNECT, an object or nothing);
    /// [`crate::Packet::validate`] checks it.
    pub fn from_json(json: impl Into<ByteString>, attachments: Vec<Bytes>) -> Self {
        let json = json.into();
        let readable = surrogates::replaced(&json).map(String::into_boxed_str);
        Self { json, readable, attachments }
    }

    /// The arguments of an event: its name, then `args`.
    pub fn event(name: &str, args: impl IntoArgs) -> Result<Self, ArgsError> {
        let args = args.into_args()?;
        let inner =
            args.json.trim_ascii().strip_prefix('[').and_then(|json| json.strip_suffix(']')).unwrap_or_default();
        let mut json = String::with_capacity(name.len() + inner.len() + 5);
        json.push('[');
        json.push_str(&serde_json::to_string(name)?);
        if !inner.trim_ascii().is_empty() {
            json.push(',');
            json.push_str(inner);
        }
        json.push(']');
        Ok(Self::from_json(json, args.attachments))
    }

    /// The raw JSON text, as it came.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The JSON text as Rust can read it: U+FFFD stands for each half of a surrogate pair that is alone.
    pub fn readable(&self) -> &str {
        self.readable.as_deref().unwrap_or(&self.json)
    }

    /// The attachments, in the order of their numbers.
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    pub(crate) fn push_attachment(&mut self, bytes: Bytes) {
        self.attachments.push(bytes);
    }

    /// The elements of the array, unparsed.
    pub fn parts(&self) -> Result<Vec<&RawValue>, serde_json::Error> {
        serde_json::from_str(&self.json)
    }

    /// The first element of the array, however long the rest is; `None` when there is none.
    pub(crate) fn first(&self) -> Option<&str> {
        first_of(&self.json).map(|(first, _)| first)
    }

    /// Whether this is a JSON array. Nothing is built of it.
    pub(crate) fn check_array(&self) -> Result<(), serde_json::Error> {
        if !self.json.trim_ascii_start().starts_with('[') {
            // For its error.
            return serde_json::from_str::<Vec<&RawValue>>(&self.json).map(drop);
        }
        serde_json::from_str::<IgnoredAny>(&self.json).map(drop)
    }

    /// Argument `index` as a value; bytes in it are [`Binary`](crate::Binary).
    pub fn get<'a, T: Deserialize<'a>>(&'a self, index: usize) -> Result<T, ArgsError> {
        let Some(elements) = elements_from(self.readable(), index) else {
            // For its error, if it is no array.
            serde_json::from_str::<Vec<&RawValue>>(self.readable())?;
            return Err(ArgsError::Missing(index));
        };
        let (part, _) = first_of_elements(elements).ok_or(ArgsError::Missing(index))?;
        binary::deserialize(part, &self.attachments)
    }

    /// The arguments with a last one behind them.
    #[must_use]
    pub fn with_last(&self, text: &str) -> Self {
        let inner = self.json.trim_ascii_end().strip_suffix(']').unwrap_or("[");
        let mut json = String::with_capacity(inner.len() + text.len() + 4);
        json.push_str(inner);
        if inner.trim_ascii() != "[" {
            json.push(',');
        }
        crate::value::push_string(&mut json, text);
        json.push(']');
        Self::from_json(json, self.attachments.clone())
    }

    /// The arguments from `start` on, with the attachments they use. The payload must be an array, as
    /// [`crate::Packet::validate`] checks; what stands behind `start` is not read.
    ///
    /// The JSON is sliced, not rebuilt, when there are no attachments.
    pub fn tail(&self, start: usize) -> Result<Self, ArgsError> {
        let Some(elements) = elements_from(&self.json, start) else { return Ok(Self::none()) };
        let behind = self.json.len() - elements.len();
        let rebuilt = |json: &str| format!("[{}", json[behind..].trim_ascii());
        // What is of the same length is cut at the same place, and need not be searched again.
        let readable = self.readable.as_deref().map(|readable| rebuilt(readable).into_boxed_str());
        Self { json: rebuilt(&self.json).into(), readable, attachments: self.attachments.clone() }.renumbered()
    }

    /// Picks the arguments out of a JSON array inside this packet, such as the `args` of a request to emit.
    pub fn nested(&self, array: &RawValue) -> Result<Self, ArgsError> {
        Self::from_json(self.as_it_came(array.get()).to_owned(), self.attachments.clone()).renumbered()
    }

    /// The text behind a part of [`readable`](Self::readable).
    fn as_it_came<'a>(&'a self, part: &'a str) -> &'a str {
        let offset = (part.as_ptr() as usize).checked_sub(self.readable().as_ptr() as usize);
        let own = offset.and_then(|offset| self.json.get(offset..offset + part.len()));
        own.filter(|_| self.readable.is_some()).unwrap_or(part)
    }

    /// Numbers the placeholders from 0 in the order of their appearance and keeps exactly the attachments
    /// they use, as an encoder would have done. A placeholder that appears twice gets its bytes twice.
    fn renumbered(self) -> Result<Self, ArgsError> {
        if self.attachments.is_empty() {
            return Ok(self);
        }
        let mut json = String::with_capacity(self.json.len());
        let mut used = Vec::new();
        let mut end = 0;
        for found in placeholders(&self.json) {
            json.push_str(&self.json[end..found.span.start]);
            let _ = write!(json, r#"{{"_placeholder":true,"num":{}}}"#, used.len());
            used.push(found.num);
            end = found.span.end;
        }
        json.push_str(&self.json[end..]);
        let attachments = used.iter().map(|num| self.attachment(num)).collect::<Result<_, _>>()?;
        Ok(Self::from_json(json, attachments))
    }

    fn attachment(&self, num: &str) -> Result<Bytes, PacketError> {
        let index = serde_json::from_str(num).ok().and_then(|num| binary::index(&num));
        index
            .and_then(|index| self.attachments.get(index))
            .cloned()
            .ok_or_else(|| PacketError::Placeholder(format!("num {num} of {}", self.attachments.len())))
    }

    /// Whether every placeholder names an attachment. Packets without attachments are not searched: what
    /// looks like a placeholder there is data (SIO-BN-15).
    pub fn check_placeholders(&self) -> Result<(), PacketError> {
        if self.attachments.is_empty() {
            return Ok(());
        }
        placeholders(&self.json).iter().try_for_each(|found| self.attachment(found.num).map(drop))
    }
}

/// Text of an event name for display: without quotes when it is a string.
pub(crate) fn event_name(raw: &str) -> Cow<'_, str> {
    match serde_json::from_str::<Cow<'_, str>>(raw) {
        Ok(name) => name,
        Err(_) => Cow::Borrowed(raw),
    }
}

impl Args {
    /// The event's name, when these are the arguments of an event.
    pub fn event_name(&self) -> Option<Cow<'_, str>> {
        first_of(self.readable()).map(|(first, _)| first).map(event_name)
    }
}

/// The elements of an array from one on, without what stands ahead of them; `None` when there is none.
fn elements_from(json: &str, index: usize) -> Option<&str> {
    let mut rest = json.trim_ascii_start().strip_prefix('[')?;
    for _ in 0..index {
        rest = first_of_elements(rest)?.1.trim_ascii_start().strip_prefix(',')?;
    }
    (!rest.trim_ascii_start().starts_with(']')).then_some(rest)
}

/// The first element of an array, and what stands behind it.
fn first_of(json: &str) -> Option<(&str, &str)> {
    first_of_elements(json.trim_ascii_start().strip_prefix('[')?)
}

/// The first of the elements of an array whose bracket was taken off, and what stands behind it.
fn first_of_elements(elements: &str) -> Option<(&str, &str)> {
    let mut stream = serde_json::Deserializer::from_str(elements).into_iter::<&RawValue>();
    let first = stream.next()?.ok()?;
    Some((first.get(), &elements[stream.byte_offset()..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    fn bytes(parts: &[&'static [u8]]) -> Vec<Bytes> {
        parts.iter().map(|part| Bytes::from_static(part)).collect()
    }

    #[test]
    fn an_event_is_its_name_and_its_arguments() {
        assert_eq!(Args::event("a", ()).unwrap().json(), r#"["a"]"#);
        assert_eq!(Args::event("a\"b", (1, "x")).unwrap().json(), r#"["a\"b",1,"x"]"#);
        let args = Args::event("a", (1, vec![true])).unwrap();
        assert_eq!(args.event_name().as_deref(), Some("a"));
        assert_eq!(args.tail(1).unwrap().json(), "[1,[true]]");
        assert_eq!(args.tail(3).unwrap().json(), "[]");
        assert_eq!(args.get::<u8>(1).unwrap(), 1);
        assert!(matches!(args.get::<u8>(7), Err(ArgsError::Missing(7))));
    }

    #[test]
    fn numbers_keep_their_digits() {
        let args = Args::from_json(r#"["x",1.0,12345678901234567890123,{"n": 1e5}]"#, vec![]);
        assert_eq!(args.tail(1).unwrap().json(), r#"[1.0,12345678901234567890123,{"n": 1e5}]"#);
    }

    /// SIO-BN-05: placeholders are nested, repeated and out of order; the rest is copied as it is.
    #[test]
    fn placeholders_are_renumbered_in_the_order_they_appear() {
        let json = r#"["e",{"n":1.0,"b":{"num":1,"_placeholder":true}},[{"_placeholder":true,"num":0}],{"_placeholder":true,"num":1}]"#;
        let args = Args::from_json(json, bytes(&[b"zero", b"one"])).tail(1).unwrap();
        assert_eq!(
            args.json(),
            r#"[{"n":1.0,"b":{"_placeholder":true,"num":0}},[{"_placeholder":true,"num":1}],{"_placeholder":true,"num":2}]"#
        );
        assert_eq!(args.attachments(), bytes(&[b"one", b"zero", b"one"]));
    }

    #[test]
    fn white_space_may_be_anywhere() {
        let args = Args::from_json(" \n[ \"e\" , 1 ,\t{ \"a\" : [ ] } ] \r\n", vec![]);
        assert_eq!(args.event_name().as_deref(), Some("e"));
        let tail = args.tail(1).unwrap();
        assert_eq!(tail.json(), "[1 ,\t{ \"a\" : [ ] } ]");
        assert_eq!(Args::event("x", tail).unwrap().json(), "[\"x\",1 ,\t{ \"a\" : [ ] } ]");
        assert_eq!(args.tail(3).unwrap().json(), "[]");
    }

    #[test]
    fn lone_surrogates_are_passed_on_and_read_as_replacement_characters() {
        let args = Args::from_json(r#"["\ud800",{"k\udfff":"\ud83d\ude00\ud800"},["\udc00"]]"#, vec![]);
        assert_eq!(args.event_name().as_deref(), Some("\u{fffd}"));
        let value: serde_json::Value = args.get(1).unwrap();
        assert_eq!(value, serde_json::json!({ "k\u{fffd}": "😀\u{fffd}" }));
        assert_eq!(args.to_values().unwrap()[0], Value::from("\u{fffd}"));
        assert_eq!(args.tail(1).unwrap().json(), r#"[{"k\udfff":"\ud83d\ude00\ud800"},["\udc00"]]"#);
        let nested: &RawValue = args.get(2).unwrap();
        assert_eq!(args.nested(nested).unwrap().json(), r#"["\udc00"]"#);
    }

    #[test]
    fn placeholders_may_be_spelled_as_json_allows() {
        for text in [
            r#"{ "num" : 0 , "_placeholder" : true }"#,
            r#"{"\u005fplaceholder":true,"num":0}"#,
            r#"{"_placeholder":true,"n\u0075m":0.0}"#,
            r#"{"_placeholder":true,"num":0e5,"more":"\ud800"}"#,
        ] {
            let args = Args::from_json(format!(r#"["e",{text}]"#), bytes(&[b"x"]));
            assert!(args.check_placeholders().is_ok(), "{text}");
            assert_eq!(args.to_values().unwrap()[1], Value::Binary(Bytes::from_static(b"x")), "{text}");
            assert_eq!(args.tail(1).unwrap().json(), r#"[{"_placeholder":true,"num":0}]"#, "{text}");
            assert_eq!(args.get::<crate::Binary>(1).unwrap().0.as_ref(), b"x", "{text}");
        }
    }

    /// SIO-BN-10.
    #[test]
    fn a_placeholder_must_name_an_attachment() {
        for num in ["1", "-1", "\"splice\"", "null", "0.5"] {
            let json = format!(r#"["e",{{"_placeholder":true,"num":{num}}}]"#);
            let args = Args::from_json(json, bytes(&[b"x"]));
            assert!(args.check_placeholders().is_err(), "{num} was accepted");
        }
        let missing = Args::from_json(r#"["e",{"_placeholder":true}]"#, bytes(&[b"x"]));
        assert!(missing.check_placeholders().is_err());
        let data = Args::from_json(r#"["e",{"_placeholder":true,"num":5}]"#, vec![]);
        assert!(data.check_placeholders().is_ok(), "without attachments it is data");
    }

    #[test]
    fn the_parts_are_the_elements() {
        let args = Args::from_json(r#" ["e", [1,2], {"a":1.0}] "#, vec![]);
        let parts: Vec<_> = args.parts().unwrap().into_iter().map(RawValue::get).collect();
        assert_eq!(parts, [r#""e""#, "[1,2]", r#"{"a":1.0}"#]);
    }

    #[test]
    fn no_arguments_are_an_empty_array() {
        assert_eq!(().into_args().unwrap(), Args::from_json("[]", vec![]));
    }

    #[test]
    fn a_last_argument_comes_behind_the_others() {
        for (json, with) in [("[]", r#"["\"x"]"#), ("[ ]", r#"[ "\"x"]"#), (r#"["e",1] "#, r#"["e",1,"\"x"]"#)] {
            let args = Args::from_json(json, bytes(&[b"b"])).with_last("\"x");
            assert_eq!((args.json(), args.attachments()), (with, &bytes(&[b"b"])[..]));
        }
    }
}

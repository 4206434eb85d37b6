//! Arguments of events and acknowledgements: raw JSON beside its binary attachments.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use bytes::Bytes;
use bytestring::ByteString;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::binary;
use crate::packet::PacketError;

/// Deepest nesting that is searched for placeholders; `serde_json` itself stops typed values at 128.
const MAX_DEPTH: usize = 128;
const MARK: &[u8] = b"_placeholder";

/// The payload of a packet: JSON text that nobody has parsed yet, and the attachments its
/// `{"_placeholder":true,"num":n}` objects stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    json: ByteString,
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
        Self { json: ByteString::from_static("[]"), attachments: Vec::new() }
    }

    /// Takes JSON text as it is. It should be an array (or, for CONNECT, an object or nothing);
    /// [`crate::Packet::validate`] checks it.
    pub fn from_json(json: impl Into<ByteString>, attachments: Vec<Bytes>) -> Self {
        Self { json: json.into(), attachments }
    }

    /// The arguments of an event: its name, then `args`.
    pub fn event(name: &str, args: impl IntoArgs) -> Result<Self, ArgsError> {
        let args = args.into_args()?;
        let inner = args.json.strip_prefix('[').and_then(|json| json.strip_suffix(']')).unwrap_or_default();
        let mut json = String::with_capacity(name.len() + inner.len() + 5);
        json.push('[');
        json.push_str(&serde_json::to_string(name)?);
        if !inner.trim_ascii().is_empty() {
            json.push(',');
            json.push_str(inner);
        }
        json.push(']');
        Ok(Self { json: json.into(), attachments: args.attachments })
    }

    /// The raw JSON text.
    pub fn json(&self) -> &str {
        &self.json
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

    /// Argument `index` as a value; bytes in it are [`Binary`](crate::Binary).
    pub fn get<'a, T: Deserialize<'a>>(&'a self, index: usize) -> Result<T, ArgsError> {
        let parts = self.parts()?;
        let part = parts.get(index).ok_or(ArgsError::Missing(index))?;
        binary::deserialize(part.get(), &self.attachments)
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
        Self { json: json.into(), attachments: self.attachments.clone() }
    }

    /// The arguments from `start` on, with the attachments they use.
    ///
    /// The JSON is sliced, not rebuilt, when there are no attachments.
    pub fn tail(&self, start: usize) -> Result<Self, ArgsError> {
        let parts = self.parts()?;
        let Some(first) = parts.get(start) else { return Ok(Self::none()) };
        let offset = first.get().as_ptr() as usize - self.json.as_ptr() as usize;
        let json = format!("[{}", &self.json[offset..]);
        Self { json: json.into(), attachments: self.attachments.clone() }.renumbered()
    }

    /// Picks the arguments out of a JSON array inside this packet, such as the `args` of a request to emit.
    pub fn nested(&self, array: &RawValue) -> Result<Self, ArgsError> {
        Self { json: array.get().into(), attachments: self.attachments.clone() }.renumbered()
    }

    /// Numbers the placeholders from 0 in the order of their appearance and keeps exactly the attachments
    /// they use, as an encoder would have done. A placeholder that appears twice gets its bytes twice.
    fn renumbered(self) -> Result<Self, ArgsError> {
        if self.attachments.is_empty() {
            return Ok(self);
        }
        let mut json = String::with_capacity(self.json.len());
        let mut used = Vec::new();
        walk(&self.json, 0, &mut |part| match part {
            Part::Text(text) => json.push_str(text),
            Part::Placeholder(num) => {
                let _ = write!(json, r#"{{"_placeholder":true,"num":{}}}"#, used.len());
                used.push(num);
            }
        })?;
        let attachments = used.iter().map(|num| self.attachment(num)).collect::<Result<_, _>>()?;
        Ok(Self { json: json.into(), attachments })
    }

    fn attachment(&self, num: &str) -> Result<Bytes, PacketError> {
        let index = num.parse::<usize>().ok();
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
        let mut outcome = Ok(());
        let walked = walk(&self.json, 0, &mut |part| {
            if let (Part::Placeholder(num), Ok(())) = (part, &outcome) {
                outcome = self.attachment(num).map(drop);
            }
        });
        walked.map_err(|error| PacketError::Payload(error.to_string())).and(outcome)
    }
}

enum Part<'a> {
    Text(&'a str),
    /// The raw text of `num`.
    Placeholder(&'a str),
}

/// Cuts a JSON text into placeholders and everything between them, in order. Values that cannot hold a
/// placeholder are passed on as they are, so numbers keep their digits and strings their escapes.
fn walk<'a>(json: &'a str, depth: usize, emit: &mut dyn FnMut(Part<'a>)) -> Result<(), ArgsError> {
    if memchr::memmem::find(json.as_bytes(), MARK).is_none() {
        emit(Part::Text(json));
        return Ok(());
    }
    if depth > MAX_DEPTH {
        return Err(PacketError::Placeholder(format!("nested deeper than {MAX_DEPTH} levels")).into());
    }
    match json.trim_ascii_start().as_bytes().first() {
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json)?;
            emit(Part::Text("["));
            for (index, item) in items.into_iter().enumerate() {
                if index > 0 {
                    emit(Part::Text(","));
                }
                walk(item.get(), depth + 1, emit)?;
            }
            emit(Part::Text("]"));
        }
        Some(b'{') => {
            let Fields(fields) = serde_json::from_str(json)?;
            if let Some(num) = placeholder(&fields) {
                emit(Part::Placeholder(num));
                return Ok(());
            }
            emit(Part::Text("{"));
            for (index, (key, value)) in fields.into_iter().enumerate() {
                if index > 0 {
                    emit(Part::Text(","));
                }
                emit(Part::Text(key.get()));
                emit(Part::Text(":"));
                walk(value.get(), depth + 1, emit)?;
            }
            emit(Part::Text("}"));
        }
        _ => emit(Part::Text(json)),
    }
    Ok(())
}

fn placeholder<'a>(fields: &[(&'a RawValue, &'a RawValue)]) -> Option<&'a str> {
    let field = |name: &str| fields.iter().find(|(key, _)| key.get().trim_matches('"') == name).map(|(_, v)| v.get());
    if field("_placeholder")? != "true" {
        return None;
    }
    Some(field("num").unwrap_or("missing"))
}

/// The fields of an object in their order, keys and values as raw text.
struct Fields<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Text of an event name for display: without quotes when it is a string.
pub(crate) fn event_name(raw: &RawValue) -> Cow<'_, str> {
    match serde_json::from_str::<Cow<'_, str>>(raw.get()) {
        Ok(name) => name,
        Err(_) => Cow::Borrowed(raw.get()),
    }
}

impl Args {
    /// The event's name, when these are the arguments of an event.
    pub fn event_name(&self) -> Option<Cow<'_, str>> {
        let parts = self.parts().ok()?;
        parts.first().copied().map(event_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

//! A JSON value that may hold bytes.

use std::fmt::{self, Write as _};

use bytes::Bytes;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Number;

use crate::args::ArgsError;
use crate::packet::PacketError;
use crate::{Args, ByteString};

/// One argument as an application sees it: JSON in which any value may be binary. Objects keep their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number; integers stay integers.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object, in the order of its keys on the wire.
    Object(Vec<(String, Self)>),
    /// An attachment.
    Binary(Bytes),
}

impl Value {
    /// The field `key`, when this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text, when this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value as JSON text; bytes become attachments.
    pub fn to_json(&self) -> (String, Vec<Bytes>) {
        let (mut json, mut attachments) = (String::new(), Vec::new());
        self.write(&mut json, &mut attachments);
        (json, attachments)
    }

    fn write(&self, json: &mut String, attachments: &mut Vec<Bytes>) {
        match self {
            Self::Null => json.push_str("null"),
            Self::Bool(value) => json.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => json.push_str(&number.to_string()),
            Self::String(text) => push_string(json, text),
            Self::Array(items) => {
                json.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        json.push(',');
                    }
                    item.write(json, attachments);
                }
                json.push(']');
            }
            Self::Object(fields) => {
                json.push('{');
                for (index, (key, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        json.push(',');
                    }
                    push_string(json, key);
                    json.push(':');
                    value.write(json, attachments);
                }
                json.push('}');
            }
            Self::Binary(bytes) => {
                let _ = write!(json, r#"{{"_placeholder":true,"num":{}}}"#, attachments.len());
                attachments.push(bytes.clone());
            }
        }
    }

    /// Puts the attachments where their placeholders stand.
    fn resolve(self, attachments: &[Bytes]) -> Result<Self, PacketError> {
        Ok(match self {
            Self::Object(fields) => match placeholder(&fields) {
                Some(num) => Self::Binary(
                    crate::binary::index(num)
                        .and_then(|num| attachments.get(num))
                        .cloned()
                        .ok_or_else(|| PacketError::Placeholder(format!("num {num} of {}", attachments.len())))?,
                ),
                None => Self::Object(
                    fields.into_iter().map(|(key, value)| Ok((key, value.resolve(attachments)?))).collect::<Result<
                        _,
                        PacketError,
                    >>(
                    )?,
                ),
            },
            Self::Array(items) => {
                Self::Array(items.into_iter().map(|item| item.resolve(attachments)).collect::<Result<_, _>>()?)
            }
            other => other,
        })
    }
}

fn placeholder(fields: &[(String, Value)]) -> Option<&Number> {
    let field = |name: &str| fields.iter().rfind(|(key, _)| key == name).map(|(_, value)| value);
    match (field("_placeholder")?, field("num")?) {
        (Value::Bool(true), Value::Number(num)) => Some(num),
        _ => None,
    }
}

pub(crate) fn push_string(json: &mut String, text: &str) {
    // Writing a string into a string cannot fail.
    json.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// A string without its quotes.
pub(crate) fn push_escaped(json: &mut String, text: &str) {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    json.push_str(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default());
}

impl Args {
    /// Encodes values; bytes become attachments.
    pub fn from_values(values: &[Value]) -> Self {
        let (mut json, mut attachments) = (String::from("["), Vec::new());
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            value.write(&mut json, &mut attachments);
        }
        json.push(']');
        Self::from_json(json, attachments)
    }

    /// Parses the payload, whatever it is; placeholders become bytes.
    pub(crate) fn to_value(&self) -> Result<Value, ArgsError> {
        let value: Value = serde_json::from_str(self.readable())?;
        if self.attachments().is_empty() { Ok(value) } else { Ok(value.resolve(self.attachments())?) }
    }

    /// Parses the arguments; placeholders become bytes.
    pub fn to_values(&self) -> Result<Vec<Value>, ArgsError> {
        let values: Vec<Value> = serde_json::from_str(self.readable())?;
        if self.attachments().is_empty() {
            return Ok(values);
        }
        Ok(values.into_iter().map(|value| value.resolve(self.attachments())).collect::<Result<_, _>>()?)
    }
}

impl fmt::Display for Value {
    /// JSON; bytes as `<n bytes 0a0b…>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binary(bytes) => {
                write!(f, "<{} bytes", bytes.len())?;
                for (index, byte) in bytes.iter().take(8).enumerate() {
                    write!(f, "{}{byte:02x}", if index == 0 { " " } else { "" })?;
                }
                f.write_str(if bytes.len() > 8 { "…>" } else { ">" })
            }
            Self::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Object(fields) => {
                f.write_str("{")?;
                for (index, (key, value)) in fields.iter().enumerate() {
                    write!(f, "{}{key:?}:{value}", if index > 0 { "," } else { "" })?;
                }
                f.write_str("}")
            }
            scalar => {
                let mut json = String::new();
                scalar.write(&mut json, &mut Vec::new());
                f.write_str(&json)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Value::Object(fields))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<ByteString> for Value {
    fn from(text: ByteString) -> Self {
        Self::String(text.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(|n| Value::Number(n.into())),
            (-1e9..1e9).prop_filter_map("finite", |f: f64| Number::from_f64(f).map(Value::Number)),
            ".{0,12}".prop_map(Value::String),
            prop::collection::vec(any::<u8>(), 0..12).prop_map(|b| Value::Binary(b.into())),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::vec(("[a-z]{1,6}", inner), 0..4).prop_map(Value::Object),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_round_trip(values in prop::collection::vec(any_value(), 0..5)) {
            let args = Args::from_values(&values);
            prop_assert_eq!(args.check_placeholders(), Ok(()));
            let back = args.to_values().unwrap();
            prop_assert_eq!(Args::from_values(&back), args);
        }

        #[test]
        fn a_tail_holds_the_same_values(values in prop::collection::vec(any_value(), 1..5)) {
            let tail = Args::from_values(&values).tail(1).unwrap();
            prop_assert_eq!(tail, Args::from_values(&values[1..]));
        }
    }

    #[test]
    fn a_value_is_looked_into() {
        let value: Value = serde_json::from_str(r#"{"a":1,"b":{"c":"text"}}"#).unwrap();
        assert_eq!(value.get("a"), Some(&Value::Number(1.into())));
        assert_eq!(value.get("b").and_then(|b| b.get("c")).and_then(Value::as_str), Some("text"));
        assert_eq!(
            (value.get("c"), value.as_str(), Value::from("x").get("x"), Value::Null.get("a")),
            (None, None, None, None)
        );
    }

    #[test]
    fn bytes_of_a_value_become_attachments() {
        let bytes = Bytes::from_static(b"x");
        let value = Value::Array(vec![Value::from("a\n"), Value::Binary(bytes.clone())]);
        assert_eq!(value.to_json(), (r#"["a\n",{"_placeholder":true,"num":0}]"#.to_owned(), vec![bytes]));
    }

    #[test]
    fn an_error_says_what_was_expected() {
        let bytes = serde::de::value::BytesDeserializer::<serde::de::value::Error>::new(b"x");
        let error = Value::deserialize(bytes).unwrap_err().to_string();
        assert!(error.contains("a JSON value"), "{error}");
    }
}

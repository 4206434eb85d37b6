//! The shape of values: types, names of fields and sizes, and no content.

use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;
use sio_protocol::Value;

/// Fields of one object that are kept.
const MOST_FIELDS: usize = 24;
/// Items of one array that are looked at.
const MOST_ITEMS: usize = 32;
/// Deeper values are `…`.
const MOST_DEPTH: usize = 5;
/// Characters of a field's name.
const MOST_NAME: usize = 60;

/// What all values at one place have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    seen: u64,
    /// Smallest and largest size, of what has one.
    kinds: BTreeMap<Kind, (usize, usize)>,
    objects: u64,
    fields: IndexMap<String, Self>,
    more_fields: bool,
    items: Option<Box<Self>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Object,
    Array,
    Text,
    Bytes,
    Number,
    Bool,
    Null,
    Deep,
}

impl Shape {
    /// Takes one more value in.
    pub(super) fn add(&mut self, value: &Value) {
        self.add_at(value, 0);
    }

    fn add_at(&mut self, value: &Value, depth: usize) {
        self.seen += 1;
        let (kind, size) = match value {
            Value::Array(_) | Value::Object(_) if depth == MOST_DEPTH => (Kind::Deep, 0),
            Value::Null => (Kind::Null, 0),
            Value::Bool(_) => (Kind::Bool, 0),
            Value::Number(_) => (Kind::Number, 0),
            Value::String(text) => (Kind::Text, text.len()),
            Value::Binary(bytes) => (Kind::Bytes, bytes.len()),
            Value::Array(items) => {
                for item in items.iter().take(MOST_ITEMS) {
                    self.items.get_or_insert_default().add_at(item, depth + 1);
                }
                (Kind::Array, items.len())
            }
            Value::Object(fields) => {
                self.objects += 1;
                fields.iter().for_each(|(name, value)| self.add_field(name, value, depth + 1));
                (Kind::Object, 0)
            }
        };
        let (least, most) = self.kinds.entry(kind).or_insert((size, size));
        (*least, *most) = ((*least).min(size), (*most).max(size));
    }

    fn add_field(&mut self, name: &str, value: &Value, depth: usize) {
        let name: String = name.chars().take(MOST_NAME).collect();
        if self.fields.len() == MOST_FIELDS && !self.fields.contains_key(&name) {
            self.more_fields = true;
            return;
        }
        self.fields.entry(name).or_default().add_at(value, depth);
    }

    /// How often a value was there.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    fn show(&self, kind: Kind, size: (usize, usize), f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = Range(size.0, size.1);
        match kind {
            Kind::Null => f.write_str("null"),
            Kind::Bool => f.write_str("true or false"),
            Kind::Number => f.write_str("number"),
            Kind::Text => write!(f, "text {range} B"),
            Kind::Bytes => write!(f, "bytes {range} B"),
            Kind::Deep => f.write_str("…"),
            Kind::Array => match &self.items {
                Some(items) => write!(f, "[{range} of {items}]"),
                None => f.write_str("[]"),
            },
            Kind::Object => {
                f.write_str("{")?;
                for (index, (name, field)) in self.fields.iter().enumerate() {
                    let sometimes = if field.seen < self.objects { "?" } else { "" };
                    write!(f, "{} {name}{sometimes}: {field}", if index > 0 { "," } else { "" })?;
                }
                f.write_str(if self.more_fields { ", … }" } else { " }" })
            }
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, size)) in self.kinds.iter().enumerate() {
            if index > 0 {
                f.write_str(" or ")?;
            }
            self.show(*kind, *size, f)?;
        }
        Ok(())
    }
}

struct Range(usize, usize);

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == self.1 { write!(f, "{}", self.0) } else { write!(f, "{}..{}", self.0, self.1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(values: &[&str]) -> String {
        let mut shape = Shape::default();
        for value in values {
            shape.add(&serde_json::from_str(value).unwrap());
        }
        shape.to_string()
    }

    #[test]
    fn a_shape_says_types_fields_and_sizes_and_no_content() {
        assert_eq!(
            shape(&[r#"{"id":1,"text":"secret"}"#, r#"{"id":2,"text":"a secret","by":null}"#]),
            "{ id: number, text: text 6..8 B, by?: null }"
        );
        assert_eq!(shape(&["[1,2]", "[]"]), "[0..2 of number]");
        assert_eq!(shape(&["1", "\"x\""]), "text 1 B or number");
    }

    #[test]
    fn a_shape_is_bounded() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        assert!(shape(&[&deep]).contains('…'));
        let wide: Vec<String> = (0..1_000).map(|n| format!("\"f{n}\":0")).collect();
        let wide = shape(&[&format!("{{{}}}", wide.join(","))]);
        assert!(wide.ends_with(", … }") && wide.len() < 1_000, "{wide}");
    }
}

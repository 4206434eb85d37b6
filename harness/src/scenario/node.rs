//! The file as a tree in which everything knows where it stands.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostics;

/// Bytes of the file.
pub type Span = Range<usize>;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub kind: Kind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Array(Vec<Node>),
    Table(Vec<(Key, Node)>),
}

/// A key and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub name: String,
    pub span: Span,
}

impl Node {
    /// What it is, for messages: with its article.
    pub fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Bool(_) => "a boolean",
            Kind::Int(_) => "an integer",
            Kind::Float(_) => "a float",
            Kind::Str(_) => "a string",
            Kind::Array(_) => "an array",
            Kind::Table(_) => "a table",
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Str(text) => Some(text),
            _ => None,
        }
    }
}

/// Parses TOML. Of a text that is none, the first error alone is said: what comes behind it is read in the wrong light.
pub fn parse(source: &str, diagnostics: &mut Diagnostics) -> Option<Node> {
    let (table, errors) = DeTable::parse_recoverable(source);
    if let Some(first) = errors.first() {
        let span = first.span().unwrap_or(0..0);
        diagnostics.error(span, format_args!("this is not TOML: {}", first.message().trim_end()));
        return None;
    }
    let span = table.span();
    Some(Node { kind: convert_table(table.get_ref(), diagnostics), span })
}

/// The place of a part of a string, of which `text` is the value. With escapes in it nobody knows, and the whole string is
/// meant.
pub fn part_of_string(span: &Span, text: &str, part: Span) -> Span {
    let is_verbatim = span.len() == text.len() + 2;
    if !is_verbatim {
        return span.clone();
    }
    let behind_quote = |at: usize| (span.start + 1 + at).min(span.end);
    behind_quote(part.start)..behind_quote(part.end)
}

/// Reads the right side of `--set`: a boolean, an integer, a float, or else a string.
pub fn parse_override(text: &str) -> Kind {
    let digits = text.replace('_', "");
    match text {
        "true" => Kind::Bool(true),
        "false" => Kind::Bool(false),
        _ => match (digits.parse(), digits.parse::<f64>()) {
            (Ok(integer), _) => Kind::Int(integer),
            (Err(_), Ok(float)) if float.is_finite() => Kind::Float(float),
            _ => Kind::Str(text.trim_matches('"').to_owned()),
        },
    }
}

fn convert_table(table: &DeTable<'_>, diagnostics: &mut Diagnostics) -> Kind {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| {
            let key = Key { name: key.get_ref().to_string(), span: key.span() };
            (key, convert(value, diagnostics))
        })
        .collect();
    // The parser sorts by name; the file's own order is what a reader expects.
    entries.sort_by_key(|(key, _)| key.span.start);
    Kind::Table(entries)
}

fn convert(value: &Spanned<DeValue<'_>>, diagnostics: &mut Diagnostics) -> Node {
    let span = value.span();
    let kind = match value.get_ref() {
        DeValue::String(text) => Kind::Str(text.to_string()),
        DeValue::Boolean(value) => Kind::Bool(*value),
        DeValue::Integer(integer) => {
            let parsed = i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix());
            Kind::Int(parsed.unwrap_or_else(|_| {
                diagnostics.error(span.clone(), "this integer does not fit into 64 bits");
                0
            }))
        }
        DeValue::Float(float) => Kind::Float(float.as_str().replace('_', "").parse().unwrap_or(f64::NAN)),
        DeValue::Datetime(datetime) => Kind::Str(datetime.to_string()),
        DeValue::Array(items) => Kind::Array(items.iter().map(|item| convert(item, diagnostics)).collect()),
        DeValue::Table(table) => convert_table(table, diagnostics),
    };
    Node { kind, span }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_have_the_type_they_look_like() {
        for (text, kind) in [
            ("5_000", Kind::Int(5_000)),
            ("1_000/s", Kind::Str("1_000/s".to_owned())),
            ("0.5", Kind::Float(0.5)),
            ("true", Kind::Bool(true)),
            ("\"7\"", Kind::Str("7".to_owned())),
            ("", Kind::Str(String::new())),
        ] {
            assert_eq!(parse_override(text), kind, "{text}");
        }
    }
}

//! The file as a tree in which everything knows where it stands.

use std::num::IntErrorKind;
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

    /// The value of a key, when this is a table that has it.
    pub fn field(&self, name: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Table(entries) => entries.iter().find(|(key, _)| key.name == name).map(|(_, value)| value),
            _ => None,
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
    match convert_table(table.get_ref()) {
        Ok(kind) => Some(Node { kind, span: table.span() }),
        Err(Unreadable(span, why)) => {
            diagnostics.error(span, why);
            None
        }
    }
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

/// Reads the right side of `--set` as what the variable is in the file: a string stays one, whatever it looks like.
/// The error says what was expected.
pub fn parse_override(text: &str, like: &Kind) -> Result<Kind, String> {
    let digits = text.replace('_', "");
    let problem = |wanted| Err(format!("expected {wanted}, as the file has it, found `{text}`"));
    match like {
        Kind::Bool(_) => text.parse().map_or_else(|_| problem("true or false"), |value| Ok(Kind::Bool(value))),
        Kind::Int(_) | Kind::Float(_) => match (digits.parse(), digits.parse::<f64>()) {
            (Ok(integer), _) if matches!(like, Kind::Int(_)) => Ok(Kind::Int(integer)),
            (_, Ok(float)) if float.is_finite() => Ok(Kind::Float(float)),
            _ => problem("a number"),
        },
        Kind::Str(_) | Kind::Array(_) | Kind::Table(_) => Ok(Kind::Str(unquoted(text).to_owned())),
    }
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

/// A number that cannot be read, and why. The parser leaves that to its reader.
struct Unreadable(Span, String);

fn convert_table(table: &DeTable<'_>) -> Result<Kind, Unreadable> {
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table {
        let key = Key { name: key.get_ref().to_string(), span: key.span() };
        entries.push((key, convert(value)?));
    }
    // The parser sorts by name; the file's own order is what a reader expects.
    entries.sort_by_key(|(key, _)| key.span.start);
    Ok(Kind::Table(entries))
}

fn convert(value: &Spanned<DeValue<'_>>) -> Result<Node, Unreadable> {
    let span = value.span();
    let kind = match value.get_ref() {
        DeValue::String(text) => Kind::Str(text.to_string()),
        DeValue::Boolean(value) => Kind::Bool(*value),
        DeValue::Integer(integer) => {
            let parsed = i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix());
            Kind::Int(parsed.map_err(|error| Unreadable(span.clone(), no_integer(&error)))?)
        }
        DeValue::Float(float) => {
            let parsed = float.as_str().replace('_', "").parse();
            Kind::Float(parsed.map_err(|_| Unreadable(span.clone(), NO_NUMBER.to_owned()))?)
        }
        DeValue::Datetime(datetime) => Kind::Str(datetime.to_string()),
        DeValue::Array(items) => Kind::Array(items.iter().map(convert).collect::<Result<_, _>>()?),
        DeValue::Table(table) => convert_table(table)?,
    };
    Ok(Node { kind, span })
}

const NO_NUMBER: &str = "this is not TOML: it begins like a number and is none; a string has quotes";

fn no_integer(error: &std::num::ParseIntError) -> String {
    match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "this integer does not fit into 64 bits".to_owned(),
        _ => NO_NUMBER.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_have_the_type_of_their_variable() {
        let text = |text: &str| Kind::Str(text.to_owned());
        for (like, set, kind) in [
            (Kind::Int(1), "5_000", Some(Kind::Int(5_000))),
            (Kind::Int(1), "0.5", Some(Kind::Float(0.5))),
            (Kind::Int(1), "1_000/s", None),
            (Kind::Float(1.0), "2", Some(Kind::Float(2.0))),
            (Kind::Float(1.0), "inf", None),
            (Kind::Bool(false), "true", Some(Kind::Bool(true))),
            (Kind::Bool(false), "1", None),
            (text("1/s"), "1_000/s", Some(text("1_000/s"))),
            (text("a"), "7", Some(text("7"))),
            (text("a"), "\"7\"", Some(text("7"))),
            (text("a"), "true", Some(text("true"))),
            (text("a"), "", Some(text(""))),
        ] {
            assert_eq!(parse_override(set, &like).ok(), kind, "{set} for {like:?}");
        }
    }
}

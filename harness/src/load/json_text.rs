//! Looking into JSON text without parsing the whole of it. What is legal JSON is legal here: white space, escapes, halves
//! of surrogate pairs.

use std::borrow::Cow;

/// The first item of an array as text: a string decoded, anything else as it is written. Borrowed where nothing is escaped.
pub(super) fn first_item(json: &str) -> Cow<'_, str> {
    let rest = json.trim_start().strip_prefix('[').unwrap_or_default().trim_start();
    if let Some(inner) = rest.strip_prefix('"') {
        return decoded(&inner[..end_of_string(inner)]);
    }
    let end = rest.find([',', ']']).unwrap_or(rest.len());
    Cow::Borrowed(rest[..end].trim_end())
}

/// Every string in a JSON text, decoded, in their order.
pub(super) fn strings(json: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut rest = json;
    std::iter::from_fn(move || {
        let inner = &rest[rest.find('"')? + 1..];
        let end = end_of_string(inner);
        rest = inner.get(end + 1..).unwrap_or_default();
        Some(decoded(&inner[..end]))
    })
}

/// The text with what stands for one half of a surrogate pair alone replaced: parsers that know only whole characters
/// take it then. Borrowed where there is nothing to replace.
pub(super) fn without_halves(json: &str) -> Cow<'_, str> {
    if !json.contains("\\u") {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = &rest[at..];
        let length = match unit(escape) {
            Some(_) if character(escape).is_none() => {
                out.push_str("\\ufffd");
                rest = &escape[6..];
                continue;
            }
            Some(_) => character(escape).map_or(6, |(_, length)| length),
            None => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        out.push_str(&escape[..length]);
        rest = &escape[length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Where the string that begins here ends: the place of its closing quote, or the end of the text.
fn end_of_string(inner: &str) -> usize {
    let mut escaped = false;
    let end = inner.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.unwrap_or(inner.len())
}

fn decoded(inner: &str) -> Cow<'_, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = &rest[at..];
        let (character, length) = character(escape).unwrap_or_else(|| match unit(escape) {
            Some(_) => (char::REPLACEMENT_CHARACTER, 6),
            None => simple(escape),
        });
        out.push(character);
        rest = &escape[length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// An escape of one letter, and how long it is.
fn simple(escape: &str) -> (char, usize) {
    let letter = escape[1..].chars().next();
    let character = match letter {
        Some('n') => '\n',
        Some('t') => '\t',
        Some('r') => '\r',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some(other) => other,
        None => '\\',
    };
    (character, 1 + letter.map_or(0, char::len_utf8))
}

/// The unit of UTF-16 that `\uXXXX` stands for.
fn unit(escape: &str) -> Option<u16> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

/// The character that one such escape, or two, stand for, and how long that is; `None` for half of one.
fn character(escape: &str) -> Option<(char, usize)> {
    let first = unit(escape)?;
    if let Some(whole) = char::from_u32(u32::from(first)) {
        return Some((whole, 6));
    }
    let second = unit(escape.get(6..)?)?;
    let whole = char::decode_utf16([first, second]).next()?.ok()?;
    Some((whole, 12))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_event_is_what_any_writer_makes_of_it() {
        for json in [r#"["message",1]"#, " [ \"message\" , 1]", r#"["mess\u0061ge"]"#, "[\n\t\"messag\\u0065\"]"] {
            assert_eq!(first_item(json), "message", "{json}");
        }
        assert_eq!(first_item(r#"["a\"b\\",2]"#), "a\"b\\");
        assert_eq!(first_item(r#"["\ud83d\ude00 \ud800!",2]"#), "\u{1f600} \u{fffd}!");
        assert_eq!(first_item(r#"[7,"x"]"#), "7");
        for broken in ["", "[", "[\"", "[\"\\", "[\"\\u12", "{}", "[\"\\ud800\\u\"]", "[\"\\u€uro\"]"] {
            let _ = first_item(broken);
            let _ = without_halves(broken);
            let _ = strings(broken).count();
        }
    }

    #[test]
    fn every_string_is_found() {
        let json = r#"["a",{"b\n":["c\"",1]},"","d"]"#;
        assert_eq!(strings(json).collect::<Vec<_>>(), ["a", "b\n", "c\"", "", "d"]);
    }

    #[test]
    fn halves_of_pairs_do_not_stop_a_parser() {
        let json = r#"["\ud800","\ud83d\ude00","\\ud800","\n"]"#;
        assert!(serde_json::from_str::<serde_json::Value>(json).is_err());
        let mended = without_halves(json);
        let value: serde_json::Value = serde_json::from_str(&mended).unwrap();
        assert_eq!(value, serde_json::json!(["\u{fffd}", "\u{1f600}", "\\ud800", "\n"]));
    }
}

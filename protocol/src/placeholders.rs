//! Where attachments belong: the `{"_placeholder":true,"num":n}` objects of a JSON text.

use std::ops::Range;

const MARK: &str = "_placeholder";

/// A placeholder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    /// Where it stands.
    pub(crate) span: Range<usize>,
    /// The raw text of its `num`.
    pub(crate) num: &'a str,
}

/// What the value behind a key means.
#[derive(Clone, Copy)]
enum Key {
    Mark,
    Num,
    Other,
}

/// An object or array that is not closed yet.
struct Open<'a> {
    start: usize,
    is_object: bool,
    key: Key,
    marked: bool,
    num: &'a str,
}

/// The placeholders of a valid JSON text in their order, in one pass over it: how deep or how many they are does not
/// matter. Of several fields of one name the last counts, as in JavaScript. What is in a placeholder is part of it.
pub(crate) fn placeholders(json: &str) -> Vec<Found<'_>> {
    let bytes = json.as_bytes();
    let mut found: Vec<Found<'_>> = Vec::new();
    // The mark may be written with escapes.
    if memchr::memmem::find(bytes, MARK.as_bytes()).is_none() && memchr::memmem::find(bytes, b"\\u").is_none() {
        return found;
    }
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut at = 0;
    let mut expects_key = false;
    while let Some(byte) = bytes.get(at) {
        let start = at;
        at += 1;
        let value = match byte {
            b'{' | b'[' => {
                expects_key = *byte == b'{';
                open.push(Open { start, is_object: expects_key, key: Key::Other, marked: false, num: "missing" });
                continue;
            }
            b',' => {
                expects_key = open.last().is_some_and(|open| open.is_object);
                continue;
            }
            b'}' | b']' => {
                let Some(closed) = open.pop() else { continue };
                if closed.marked {
                    while found.last().is_some_and(|inner| inner.span.start > closed.start) {
                        found.pop();
                    }
                    found.push(Found { span: closed.start..at, num: closed.num });
                }
                &json[closed.start..at]
            }
            b'"' => {
                at = end_of_string(bytes, start);
                &json[start..at]
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
                at = bytes[start..].iter().position(ends).map_or(bytes.len(), |length| start + length);
                // A text that is no JSON might end inside of a character.
                json.get(start..at).unwrap_or_default()
            }
            _ => continue,
        };
        let Some(object) = open.last_mut().filter(|open| open.is_object) else { continue };
        if std::mem::take(&mut expects_key) {
            object.key = key(value);
            continue;
        }
        match object.key {
            Key::Mark => object.marked = value == "true",
            Key::Num => object.num = value,
            Key::Other => {}
        }
    }
    found
}

/// Where the string that begins here ends, its quotes included.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(index) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += index;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

fn key(raw: &str) -> Key {
    let name = raw.trim_matches('"');
    let decoded = if name.contains('\\') { serde_json::from_str::<String>(raw).ok() } else { None };
    match decoded.as_deref().unwrap_or(name) {
        MARK => Key::Mark,
        "num" => Key::Num,
        _ => Key::Other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans(json: &str) -> Vec<(&str, &str)> {
        placeholders(json).into_iter().map(|found| (&json[found.span], found.num)).collect()
    }

    #[test]
    fn wherever_they_are() {
        let one = r#"{"_placeholder":true,"num":7}"#;
        assert_eq!(spans(one), [(one, "7")]);
        assert_eq!(
            spans(&format!(r#"["{{\"_placeholder\":true}}",{{"a":[{one}]}}, {one}]"#)),
            [(one, "7"), (one, "7")]
        );
        let nested = r#"{"num":1,"x":{"_placeholder":true,"num":2},"_placeholder":true}"#;
        assert_eq!(spans(nested), [(nested, "1")]);
        assert_eq!(spans(r#"{"_placeholder":false,"num":1}"#), []);
        assert_eq!(spans(r#"{"_placeholder":true}"#), [(r#"{"_placeholder":true}"#, "missing")]);
        assert_eq!(spans(r#"{"a":"_placeholder","num":true}"#), []);
        let last = r#"{"_placeholder":false,"num":1,"_placeholder":true,"num":[2]}"#;
        assert_eq!(spans(last), [(last, "[2]")]);
        let deep = format!("{}{one}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(spans(&deep), [(one, "7")]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r#"([\[\]{}:,"\\tn0-9é ]|_placeholder|"_placeholder":true|"num":|\\u){0,30}"#) {
            let _ = placeholders(&text);
        }
    }
}

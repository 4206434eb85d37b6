//! Foreign text in the shapes of reports: names from files, words of servers. Whatever it holds, it stays text.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::vocab::text::{is_turning, printable};

/// Characters that end a line for somebody, move a cursor, or cannot be seen.
fn is_unseen(c: char) -> bool {
    c.is_control() || is_turning(c) || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// A text in one line: the ends of its lines are blanks, and what cannot be seen is shown as `\u{2028}`.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c if is_unseen(c) => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
    }
    Cow::Owned(line)
}

/// JSON in which nothing is unseen: those who split lines at U+2028 and those who print it read the same values.
pub(super) fn seen_json(json: &str) -> String {
    let mut seen = String::with_capacity(json.len());
    for c in json.chars() {
        // Line ends are between values; inside of strings they are escaped already.
        if is_unseen(c) && c != '\n' {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(seen, "\\u{unit:04x}");
            }
        } else {
            seen.push(c);
        }
    }
    seen
}

/// A text that XML 1.0 may hold.
pub(super) fn xml(text: &str) -> Cow<'_, str> {
    match printable(text) {
        Cow::Borrowed(text) if !text.contains(['\u{fffe}', '\u{ffff}']) => Cow::Borrowed(text),
        text => Cow::Owned(text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")),
    }
}

/// A text as code of Markdown that fits into a cell of a table: nobody is mentioned, nothing is a link, no pipe ends the cell.
pub(super) fn code(text: &str) -> String {
    let line = one_line(text);
    let is_plain = !line.is_empty() && line.trim() == line && !line.contains(['`', '\\']);
    if is_plain {
        return format!("`{}`", line.replace('|', "\\|"));
    }
    let mut html = "<code>".to_owned();
    for c in line.chars() {
        if c.is_ascii_punctuation() {
            let _ = write!(html, "&#{};", u32::from(c));
        } else {
            html.push(c);
        }
    }
    html + "</code>"
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{2028}b\u{2029}c\u{85}d\ne\rf\u{1b}[31m\u{202e}g\u{feff}\u{ffff}";

    #[test]
    fn what_cannot_be_seen_is_shown() {
        assert_eq!(one_line(HOSTILE), "a\\u{2028}b\\u{2029}c\\u{85}d e f\\u{1b}[31m\\u{202e}g\\u{feff}\\u{ffff}");
        assert!(matches!(one_line("größe 😀"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_keeps_its_values() {
        let json = serde_json::json!({ "a": HOSTILE, "b": "😀" }).to_string();
        let seen = seen_json(&json);
        assert!(!seen.contains(is_unseen), "{seen}");
        let (left, right): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(&json).unwrap(), serde_json::from_str(&seen).unwrap());
        assert_eq!(left, right);
    }

    #[test]
    fn code_is_code_in_a_cell() {
        assert_eq!(code("rooms/a|b[ws] @somebody <b> *x*"), "`rooms/a\\|b[ws] @somebody <b> *x*`");
        assert_eq!(code("a`b\\|c"), "<code>a&#96;b&#92;&#124;c</code>");
        assert_eq!(code(" a\nb "), "<code> a b </code>");
        assert_eq!(code(""), "<code></code>");
    }
}

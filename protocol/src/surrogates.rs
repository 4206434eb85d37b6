//! Lone surrogates: `"\ud800"` is legal JSON (RFC 8259, section 8.2) and a string in JavaScript, but no text in Rust.
//!
//! What is only passed on keeps its escapes. Whoever reads a value or a name sees U+FFFD instead.

use std::borrow::Cow;

/// The text with U+FFFD in the place of lone surrogates; `None` when it has none. Both have the same length.
pub(crate) fn replaced(json: &str) -> Option<String> {
    let mut mended: Option<Vec<u8>> = None;
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(escape) = memchr::memchr(b'\\', bytes.get(at..)?).map(|index| at + index) {
        at = match (unit(bytes, escape), unit(bytes, escape + 6)) {
            (None, _) => escape + 2,
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => escape + 12,
            (Some(0xD800..=0xDFFF), _) => {
                mended.get_or_insert_with(|| bytes.to_vec())[escape + 2..escape + 6].copy_from_slice(b"fffd");
                escape + 6
            }
            (Some(_), _) => escape + 6,
        };
        if at >= bytes.len() {
            break;
        }
    }
    mended.and_then(|bytes| String::from_utf8(bytes).ok())
}

/// A JSON text as Rust can read it: U+FFFD stands for each half of a surrogate pair that is alone, which is legal in JSON
/// and in JavaScript's strings.
pub fn readable(json: &str) -> Cow<'_, str> {
    replaced(json).map_or(Cow::Borrowed(json), Cow::Owned)
}

/// The UTF-16 unit of a `\uXXXX` at this place.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let digits =
        std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lone_surrogates_are_replaced() {
        for (json, mended) in [
            (r#""\ud800""#, Some(r#""\ufffd""#)),
            (r#""a\uDC00b""#, Some(r#""a\ufffdb""#)),
            (r#""\ud800\ud83d\ude00\ud800""#, Some(r#""\ufffd\ud83d\ude00\ufffd""#)),
            (r#""\ud83d\ude00""#, None),
            (r#""\\ud800""#, None),
            (r#""\\\ud800""#, Some(r#""\\\ufffd""#)),
            (r#""\ud8""#, None),
            ("\"\\", None),
            ("", None),
        ] {
            assert_eq!(replaced(json).as_deref(), mended, "{json}");
        }
    }

    /// Escapes of whole characters are stepped over, wherever they stand.
    #[test]
    fn a_lone_surrogate_is_found_behind_other_escapes() {
        for ahead in ["\\u0041", "\\n", "\\\\", "\\ud83d\\ude00", "\\udc00"] {
            for distance in 0..9 {
                let json = format!("\"{}{ahead}\\ud800\"", "x".repeat(distance));
                let mended = replaced(&json).unwrap_or_default();
                assert!(mended.ends_with("\\ufffd\""), "{json} became {mended}");
            }
        }
    }
}

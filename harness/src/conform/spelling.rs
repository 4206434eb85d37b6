//! Failures that say the same in other words: a time is `2s` today and `0ns` tomorrow.

/// Units a time is written in.
const UNITS: [&str; 8] = ["ns", "us", "\u{b5}s", "\u{3bc}s", "ms", "s", "min", "h"];

/// Whether a failure says this, whatever times it names and however its words are spaced.
pub fn says(failure: &str, part: &str) -> bool {
    failure.contains(part) || plain(failure).contains(&plain(part))
}

/// The text with every time replaced by one word, and single spaces.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = time(rest).filter(|_| !after_word) {
            out.push_str("<time>");
            rest = &rest[length..];
            after_word = true;
            continue;
        }
        if !(c.is_whitespace() && out.ends_with(' ')) {
            out.push(if c.is_whitespace() { ' ' } else { c });
        }
        after_word = c.is_alphanumeric() || c == '.';
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// How long a time at the beginning of a text is: a number and a unit, and no more letters.
fn time(text: &str) -> Option<usize> {
    let number = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    if number == 0 || text.starts_with('.') {
        return None;
    }
    let unit = text[number..].find(|c: char| !c.is_alphabetic()).unwrap_or(text.len() - number);
    UNITS.contains(&&text[number..number + unit]).then_some(number + unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_one_word() {
        for (text, expected) in [
            ("still open after 1s", "still open after <time>"),
            ("after 0ns, not 1.5s;  and", "after <time>, not <time>; and"),
            ("within 250\u{b5}s", "within <time>"),
            ("3 times, 20 shards, v2s, 5", "3 times, 20 shards, v2s, 5"),
            ("1..9", "1..9"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }

    #[test]
    fn only_what_is_said_is_found() {
        assert!(says("c got no acknowledgement within 5s", "no acknowledgement within 2s"));
        assert!(says("c got no acknowledgement within 5s", "no acknowledgement within"));
        assert!(!says("c got a packet within 5s", "no packet within 5s"));
    }
}

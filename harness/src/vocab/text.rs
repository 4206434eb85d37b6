//! Numbers as people read them, and texts as terminals may have them.

use std::borrow::Cow;

/// `12,345`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time in nanoseconds with three significant digits: `0.42 ms`, `12.3 ms`, `1.23 s`.
pub fn time(nanos: f64) -> String {
    let (value, unit) = match nanos {
        n if n >= 1e9 => (n / 1e9, "s"),
        n if n >= 1e4 => (n / 1e6, "ms"),
        n if n >= 1e3 => (n / 1e3, "us"),
        n => (n, "ns"),
    };
    let digits = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}")
}

/// A number of bytes with three significant digits: `512 B`, `12.3 kB`, `1.23 MB`.
pub fn bytes(value: f64) -> String {
    let (value, unit) = match value {
        v if v >= 1e9 => (v / 1e9, "GB"),
        v if v >= 1e6 => (v / 1e6, "MB"),
        v if v >= 1e3 => (v / 1e3, "kB"),
        v => return format!("{v:.0} B"),
    };
    let digits = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}")
}

/// A text as a terminal may have it: control characters, which could move its cursor or change its colours, and marks that turn
/// the direction of what follows are replaced. Lines and tabs stay.
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_bad = |c: char| c.is_control() && !matches!(c, '\n' | '\t') || is_turning(c);
    if text.contains(is_bad) { Cow::Owned(text.replace(is_bad, "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// A text in which no line is a command for GitHub's runner, which does what a line that begins with `::` says: what targets and
/// strangers' records say is shown, and not done.
pub fn without_commands(text: &str) -> Cow<'_, str> {
    let is_command = |line: &str| ["::", "##["].iter().any(|sign| line.trim_start().starts_with(sign));
    if !text.lines().any(is_command) {
        return Cow::Borrowed(text);
    }
    let tame = |line: &str| match line.find(|c: char| !c.is_whitespace()) {
        Some(at) if is_command(line) => format!("{}\\{}", &line[..at], &line[at..]),
        _ => line.to_owned(),
    };
    Cow::Owned(text.split('\n').map(tame).collect::<Vec<_>>().join("\n"))
}

/// Whether a character changes the direction in which what follows is shown.
pub fn is_turning(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `1 user`, `3 users`.
pub fn plural(value: u64, noun: &str) -> String {
    let number = count(value);
    if value == 1 {
        return format!("{number} {noun}");
    }
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{number} {stem}ies"),
        _ if noun.ends_with("ch") => format!("{number} {noun}es"),
        _ => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_moves_a_cursor() {
        assert_eq!(printable("a\u{1b}[2J\r\u{202e}b\n\tc"), "a\u{fffd}[2J\u{fffd}\u{fffd}b\n\tc");
        assert!(matches!(printable("plain ✔\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!((count(0), count(999), count(1_234_567)), ("0".into(), "999".into(), "1,234,567".into()));
        let times = [12.0, 4_200.0, 420_000.0, 12_340_000.0, 123_400_000.0, 1_230_000_000.0].map(time);
        assert_eq!(times, ["12.0 ns", "4.20 us", "0.42 ms", "12.3 ms", "123 ms", "1.23 s"]);
        assert_eq!([512.0, 12_340.0, 1_230_000.0].map(bytes), ["512 B", "12.3 kB", "1.23 MB"]);
        assert_eq!((plural(1, "user"), plural(2_000, "user")), ("1 user".into(), "2,000 users".into()));
    }

    #[test]
    fn no_line_is_a_command() {
        let text = without_commands("a\n::error::x\n  ::warning::y\n##[error]z\nb::c\n");
        assert_eq!(text, "a\n\\::error::x\n  \\::warning::y\n\\##[error]z\nb::c\n");
        assert!(matches!(without_commands("fine\n"), Cow::Borrowed(_)));
    }
}

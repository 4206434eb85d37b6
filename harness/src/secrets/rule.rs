//! The rule: which values are secrets.

/// Shorter ones could be any word: they are hidden where they stand on the command line, and nowhere else.
pub(super) const LEAST: usize = 6;

/// Parts of names that say that a value is a secret.
const SECRET: [&str; 12] = [
    "token",
    "secret",
    "passw",
    "pwd",
    "passphrase",
    "apikey",
    "auth",
    "cookie",
    "credential",
    "session",
    "bearer",
    "jwt",
];
/// Whole names that say so.
const SECRET_WORDS: [&str; 4] = ["key", "pass", "pin", "signature"];
/// Names of what everybody may read.
const HARMLESS: [&str; 12] =
    ["user", "name", "username", "nick", "room", "rooms", "lang", "locale", "version", "eio", "transport", "offset"];
const HARMLESS_HEADERS: [&str; 14] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "host",
    "origin",
    "referer",
    "sec-websocket-version",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

pub(super) fn sounds_secret(name: &str) -> bool {
    let name: String = name.to_ascii_lowercase();
    let bare = name.replace(['-', '_', ' '], "");
    SECRET.iter().any(|part| bare.contains(part))
        || name.split(['-', '_', '.', ' ']).any(|word| SECRET_WORDS.contains(&word))
}

pub(crate) fn is_harmless_header(name: &str) -> bool {
    HARMLESS_HEADERS.iter().any(|harmless| name.eq_ignore_ascii_case(harmless))
}

/// Whether the value of `name` is one, where secrets are to be expected: on the command line, in `auth`, headers, a query.
///
/// Numbers and quantities never are; a URL is not, as a whole; a word is only where the name sounds like it.
pub(super) fn is_secret(name: &str, value: &str) -> bool {
    if value.len() < LEAST || is_quantity(value) || value.contains("://") {
        return false;
    }
    let harmless = HARMLESS.iter().any(|harmless| name.eq_ignore_ascii_case(harmless));
    if sounds_secret(name) { !is_word_of_ours(value) } else { !harmless && !is_word(value) }
}

/// `5_000`, `100/s`, `1.5KiB`, `10s..20s`
pub(super) fn is_quantity(value: &str) -> bool {
    value.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+')
        && !value.split(|c: char| !c.is_ascii_alphabetic()).any(|unit| unit.len() > 4)
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "._/%+- ".contains(c))
        && value.split(|c: char| !c.is_ascii_alphabetic()).filter(|unit| !unit.is_empty()).count() <= 2
        && value.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty()).count() <= 3
}

/// `polling`, `ramp-up`, `lobby-12`
fn is_word(value: &str) -> bool {
    value.split(['-', '_']).enumerate().all(|(place, word)| {
        let is_number = place > 0 && word.len() <= 4 && word.chars().all(|c| c.is_ascii_digit());
        !word.is_empty() && (is_number || word.chars().all(|c| c.is_ascii_lowercase()))
    })
}

/// Words of ours that a record could not be read without.
fn is_word_of_ours(value: &str) -> bool {
    is_word(value) && (value.len() < 8 || OURS.contains(&value))
}

const OURS: [&str; 12] = [
    "websocket",
    "progress",
    "capacity",
    "capability",
    "scenario",
    "baseline",
    "inconclusive",
    "undecided",
    "delivery",
    "password",
    "bearer-token",
    "threshold",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_secret() {
        for (name, value) in [
            ("token", "abcdef1"),
            ("API-Key", "0a1b2c"),
            ("x", "MARKED-VALUE"),
            ("authorization", "correct-horse-staple"),
            ("sessionId", "3f9a77e1"),
            ("greeting", "a1b2c3d4"),
            ("x", "8f3a1c9d-11d2-4e0f-b7aa-1234567890ab"),
        ] {
            assert!(is_secret(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("people", "5_000"),
            ("rate", "1000/s"),
            ("token", "short"),
            ("mode", "websocket"),
            ("shape", "ramp-up"),
            ("url", "http://127.0.0.1:3000"),
            ("tokens", "100000"),
            ("name", "user-000012"),
            ("size", "1024KiB"),
            ("token", "websocket"),
        ] {
            assert!(!is_secret(name, value), "{name}={value}");
        }
    }
}

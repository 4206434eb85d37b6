//! What nobody is to read in an output: passwords, tokens, and what headers, `auth`, queries and cookies say.
//!
//! The process learns them where they come in (the command line, scenario files, the environment, answers of the target),
//! and [`hide`]s them in everything that goes out: records, reports, pages, cases, what is printed. `docs/safety.md` has
//! the rule. With `SIO_BENCH_SHOW_SECRETS=1` nothing is hidden.

mod arguments;
mod known;
mod rule;
mod scenario;

use std::borrow::Cow;
use std::sync::{OnceLock, RwLock};

use url::form_urlencoded;

pub use self::arguments::{command, learn_arguments};
use self::known::Known;
pub(crate) use self::rule::is_harmless_header;
use self::rule::{is_secret, sounds_secret};

pub use self::scenario::learn_scenario;
use crate::vocab::lock::RwLockExt;

/// What stands in place of a secret.
pub const HIDDEN: &str = "[hidden]";

fn known() -> Option<&'static RwLock<Known>> {
    static KNOWN: OnceLock<Option<RwLock<Known>>> = OnceLock::new();
    let shown = || std::env::var("SIO_BENCH_SHOW_SECRETS").is_ok_and(|value| value == "1");
    KNOWN.get_or_init(|| (!shown()).then(RwLock::default)).as_ref()
}

/// A text without the secrets that the process knows.
pub fn hide(text: &str) -> Cow<'_, str> {
    match known() {
        Some(known) => known.read_unpoisoned().hide(text),
        None => Cow::Borrowed(text),
    }
}

/// Something called `name` has this value. Whether that is a secret, the rule says; a URL is none, and may have some.
pub fn learn(name: &str, value: &str) {
    if is_secret(name, value) {
        learn_certain(value);
    }
    learn_urls(value);
}

/// As [`learn`], for what is no secret unless its name sounds like one.
pub fn learn_if_named(name: &str, value: &str) {
    if sounds_secret(name) {
        learn(name, value);
    } else {
        learn_urls(value);
    }
}

/// The value of a header, as a whole and in its parts: `Bearer x`, `a=b; c=d`.
pub fn learn_header(name: &str, value: &str) {
    if is_harmless_header(name) {
        return learn_urls(value);
    }
    for part in value.split([' ', ';', ',', '=']).chain([value]) {
        learn(name, part);
    }
}

/// The values in a query or the body of a form, as they are written and as they are meant.
pub fn learn_query(query: &str) {
    for pair in query.split('&') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        learn(name, value);
        if let Some((_, meant)) = form_urlencoded::parse(pair.as_bytes()).next() {
            learn(name, &meant);
        }
    }
}

/// The texts in something like `auth`, each under its own name.
pub fn learn_json(name: &str, value: &serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::String(text) => learn(name, text),
        Value::Array(items) => items.iter().for_each(|item| learn_json(name, item)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| learn_json(name, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The texts in something that is said, such as the arguments of an event: those that are called like a secret.
fn learn_said(name: &str, value: &serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::String(text) => learn_if_named(name, text),
        Value::Array(items) => items.iter().for_each(|item| learn_said(name, item)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| learn_said(name, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What is shown at a namespace: JSON text, or nothing.
pub fn learn_auth(json: &str) {
    if let Ok(value) = serde_json::from_str(json) {
        learn_json("auth", &value);
    }
}

/// URLs of one text that are looked at, and bytes of each: a target may have written it.
const MOST_URLS: usize = 16;
const LONGEST_URL: usize = 8 * 1024;

/// What the URLs in a text have of them, whatever their schemes: `ws://me:secret@host`, `postgres://…`.
pub fn learn_urls(text: &str) {
    let is_of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let ends_it = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '<' | '>' | '`');
    for (at, _) in text.match_indices("://").take(MOST_URLS) {
        let scheme = text[..at].len() - text[..at].trim_end_matches(is_of_scheme).len();
        let url = &text[at - scheme..text.floor_char_boundary(at + LONGEST_URL)];
        learn_url(url.split(ends_it).next().unwrap_or_default());
    }
}

/// What a URL has of them: a password, and what its query says.
fn learn_url(text: &str) {
    // Where its host is filled in later, any other will do.
    let Ok(url) = url::Url::parse(text).or_else(|_| url::Url::parse(&format!("{text}host"))) else { return };
    let password = url.password().unwrap_or_default();
    if password.is_empty() {
        // `http://token@host`
        learn("token", url.username());
    } else {
        let meant = percent_encoding::percent_decode_str(password).decode_utf8_lossy();
        learn("password", password);
        learn("password", &meant);
    }
    url.query().into_iter().for_each(learn_query);
}

/// A value that is certainly one, unless it is so short that it could be any word.
pub(crate) fn learn_certain(value: &str) {
    if let Some(known) = known() {
        known.write_unpoisoned().learn(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each in a place of its own: what is learned is learned for the whole process.
    #[test]
    fn passwords_of_urls_are_found_wherever_urls_stand() {
        learn_urls("ws://me:Pw-one-1@h:1/");
        learn("upstream", "redis-streams://:Pw-two-2@h:1");
        learn_header("X-Upstream", "first, amqp://u:Pw-three-3@h/v; second");
        learn_header("Referer", "http://u:Pw-four-4@h/");
        learn_json("auth", &serde_json::json!({ "a": ["see postgres://u:Pw-five-5@h/db and more"] }));
        learn_if_named("X", "https://u:p%40Pw-six-6@h");
        learn_scenario("[vars]\nx = 'http://u:Pw-seven-7@${host}/'\n[target]\nbroker = 'redis://u:Pw-eight-8@h:1'");
        learn_arguments(
            &["--target=wss://u:Pw-nine-9@h", "--event", r#"["in",{"password":"Pw-ten-10"}]"#].map(str::to_owned),
        );
        let all =
            "Pw-one-1 Pw-two-2 Pw-three-3 Pw-four-4 Pw-five-5 p@Pw-six-6 Pw-seven-7 Pw-eight-8 Pw-nine-9 Pw-ten-10";
        assert_eq!(hide(all), [HIDDEN; 10].join(" "));
    }

    #[test]
    fn a_text_of_nothing_but_urls_costs_no_more_than_its_beginning() {
        let text = "a://b".repeat(1 << 20);
        learn_urls(&text);
        learn_urls("://");
        learn_urls("ä://ä:äääääääää@ä");
    }
}

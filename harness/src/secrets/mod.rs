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
use std::sync::{OnceLock, PoisonError, RwLock};

use url::form_urlencoded;

pub use self::arguments::{command, learn_arguments};
use self::known::Known;
pub(crate) use self::rule::is_harmless_header;
use self::rule::{is_secret, sounds_secret};
pub use self::scenario::learn_scenario;

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
        Some(known) => known.read().unwrap_or_else(PoisonError::into_inner).hide(text),
        None => Cow::Borrowed(text),
    }
}

/// Something called `name` has this value. Whether that is a secret, the rule says.
pub fn learn(name: &str, value: &str) {
    if is_secret(name, value) {
        learn_certain(value);
    }
}

/// As [`learn`], for what is no secret unless its name sounds like one.
pub fn learn_if_named(name: &str, value: &str) {
    if sounds_secret(name) {
        learn(name, value);
    }
}

/// The value of a header, as a whole and in its parts: `Bearer x`, `a=b; c=d`.
pub fn learn_header(name: &str, value: &str) {
    if is_harmless_header(name) {
        return;
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

/// What is shown at a namespace: JSON text, or nothing.
pub fn learn_auth(json: &str) {
    if let Ok(value) = serde_json::from_str(json) {
        learn_json("auth", &value);
    }
}

/// What a URL has of them: a password, and what its query says.
pub fn learn_url(text: &str) {
    let Ok(url) = url::Url::parse(text) else { return };
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
        known.write().unwrap_or_else(PoisonError::into_inner).learn(value);
    }
}

//! What the answers to somebody who connects say of the server that they come from.

use std::sync::{Arc, Mutex};

use http::HeaderMap;

use crate::vocab::lock::LockExt;
use crate::wire::cookies::set_cookies;

/// So much of a label is kept.
const LENGTH: usize = 64;

/// Watches the answers to one who connects for the name of the server.
#[derive(Clone, Debug)]
pub struct Label {
    what: What,
    /// The latest.
    said: Arc<Mutex<Option<String>>>,
}

#[derive(Clone, Debug)]
enum What {
    /// In lower case.
    Header(String),
    Cookie(String),
}

impl Label {
    pub(crate) fn header(name: &str) -> Self {
        Self { what: What::Header(name.to_ascii_lowercase()), said: Arc::default() }
    }

    pub(crate) fn cookie(name: &str) -> Self {
        Self { what: What::Cookie(name.to_owned()), said: Arc::default() }
    }

    /// What was said last.
    pub(crate) fn said(&self) -> Option<String> {
        self.said.lock_unpoisoned().clone()
    }

    /// The name of the cookie, if it is one.
    pub(crate) fn cookie_name(&self) -> Option<&str> {
        match &self.what {
            What::Header(_) => None,
            What::Cookie(name) => Some(name),
        }
    }

    fn note(&self, value: &str) {
        let value = value.chars().take(LENGTH).collect();
        *self.said.lock_unpoisoned() = Some(value);
    }

    /// Looks at an answer.
    pub(super) fn look(&self, headers: &HeaderMap) {
        match &self.what {
            What::Header(name) => {
                let value = headers.get(name).and_then(|value| value.to_str().ok());
                value.into_iter().for_each(|value| self.note(value));
            }
            What::Cookie(_) => self.look_at(&super::carrier::set_cookie_headers(headers)),
        }
    }

    /// The same for headers as a list.
    pub(super) fn look_at(&self, headers: &[(String, String)]) {
        match &self.what {
            What::Header(name) => {
                let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                found.into_iter().for_each(|(_, value)| self.note(value));
            }
            What::Cookie(name) => {
                let pairs = set_cookies(headers).filter_map(|set| set.split(';').next()?.split_once('='));
                pairs.filter(|(known, _)| known.trim() == name).for_each(|(_, value)| self.note(value.trim()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(label: &Label, headers: &[(&str, &str)]) -> Option<String> {
        let list: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        label.look_at(&list);
        label.said()
    }

    #[test]
    fn headers_and_cookies_name_a_server() {
        let answer = [("X-Node", "b"), ("Set-Cookie", "theme=dark"), ("set-cookie", "SERVERID=two; path=/")];
        assert_eq!(said(&Label::header("x-node"), &answer).as_deref(), Some("b"));
        assert_eq!(said(&Label::cookie("SERVERID"), &answer).as_deref(), Some("two"));
        assert_eq!((said(&Label::header("x-pod"), &answer), said(&Label::cookie("lb"), &answer)), (None, None));
    }
}

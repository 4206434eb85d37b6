//! Texts, and finding any of them in another text in time that does not grow with their number.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Bound;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use url::form_urlencoded;

use super::HIDDEN;
use super::rule::LEAST;

/// More texts than these are not kept: a run with a million users has a million tokens, and shows a handful.
const MOST: usize = 1 << 18;

/// The secrets, in every spelling that an output may have.
pub(super) struct Known {
    texts: BTreeSet<Box<str>>,
    /// Whether some text begins with these two bytes: nearly all places of a text are passed over by that alone.
    starts: Box<[bool]>,
}

impl Default for Known {
    fn default() -> Self {
        Self { texts: BTreeSet::new(), starts: vec![false; 1 << 16].into() }
    }
}

fn start(text: &[u8]) -> Option<usize> {
    text.first_chunk::<2>().map(|two| usize::from(u16::from_be_bytes(*two)))
}

impl Known {
    /// Takes a secret, and what becomes of it in JSON, in a URL, in a form and in HTML.
    pub(super) fn learn(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.len() < LEAST || secret == HIDDEN || self.texts.len() >= MOST {
            return;
        }
        let json = serde_json::Value::from(secret).to_string();
        let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        self.add(json.trim_matches('"'));
        self.add(&html);
        self.add(&utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string());
        self.add(&form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>());
        self.add(secret);
    }

    fn add(&mut self, text: &str) {
        if let Some(start) = start(text.as_bytes())
            && !self.texts.contains(text)
        {
            self.starts[start] = true;
            self.texts.insert(text.into());
        }
    }

    /// The length of the longest secret with which a text begins.
    fn at(&self, text: &str) -> Option<usize> {
        let mut upto = text;
        loop {
            let before = self.texts.range::<str, _>((Bound::Unbounded, Bound::Included(upto))).next_back()?;
            let common = before.bytes().zip(upto.bytes()).take_while(|(a, b)| a == b).count();
            if common == before.len() {
                return Some(common);
            }
            // One that is shorter may still be a beginning of the text: of as much as the two have in common.
            upto = &upto[..upto.floor_char_boundary(common)];
            if upto.len() < LEAST {
                return None;
            }
        }
    }

    pub(super) fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.texts.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut hidden = String::new();
        let (mut at, mut kept) = (0, 0);
        while let Some(start) = start(&text.as_bytes()[at..]) {
            match self.starts[start]
                .then(|| text.is_char_boundary(at).then(|| self.at(&text[at..])).flatten())
                .flatten()
            {
                Some(length) => {
                    hidden.push_str(&text[kept..at]);
                    hidden.push_str(HIDDEN);
                    at += length;
                    kept = at;
                }
                None => at += 1,
            }
        }
        if kept == 0 {
            return Cow::Borrowed(text);
        }
        hidden.push_str(&text[kept..]);
        Cow::Owned(hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(secrets: &[&str]) -> Known {
        let mut known = Known::default();
        secrets.iter().for_each(|secret| known.learn(secret));
        known
    }

    #[test]
    fn the_longest_is_hidden_in_every_spelling() {
        let known = known(&["tok-12", "tok-12-long", "tok-12-zzz", "p\"a&ß w", "short"]);
        assert_eq!(known.hide("a tok-12-lonx b tok-12-long c"), "a [hidden]-lonx b [hidden] c");
        for text in ["p\"a&ß w", r#"p\"a&ß w"#, "p&quot;a&amp;ß w", "p%22a%26%C3%9F%20w", "p%22a%26%C3%9F+w"] {
            assert_eq!(known.hide(&format!("<{text}>")), "<[hidden]>", "{text}");
        }
        assert!(matches!(known.hide("ß short tok-1 ß"), Cow::Borrowed(_)));
    }

    /// A hundred thousand tokens that begin alike, and a megabyte to look through: well below a second.
    #[test]
    fn many_secrets_are_found_at_once() {
        let mut known = Known::default();
        (0..20_000).for_each(|n| known.learn(&format!("eyJhbGciOiJIUzI1NiJ9.{n:08}")));
        let text = "eyJhbGciOiJIUzI1NiJ9.00001234 eyJhbGciOiJIUzI1NiJ9.x ".repeat(20_000);
        let started = crate::clock::now();
        let hidden = known.hide(&text);
        assert_eq!(hidden.matches(HIDDEN).count(), 20_000);
        assert!(!hidden.contains("00001234"));
        assert!(started.elapsed() < std::time::Duration::from_secs(9), "{:?}", started.elapsed());
    }
}

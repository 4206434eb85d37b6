//! What a delivery must look like: the event that is owed, payload and token in their places, and anything elsewhere.

use serde_json::Value as Json;

use super::text::{placeholder, quoted};
use crate::load::metrics::Sample;
use crate::vocab::stamp::Stamp;

/// What a message of a case says of itself, as TOML.
pub(super) struct Expected<'a> {
    pub(super) text: &'a str,
    pub(super) bytes: &'a str,
    pub(super) token: &'a str,
}

const ANY: &str = "\"${any}\"";

/// The arguments of an event, each as TOML.
pub(super) struct Pattern(Vec<String>);

impl Pattern {
    /// After a delivery that came in the run.
    pub(super) fn new(sample: &Sample, event: &str, expected: &Expected<'_>) -> Option<Self> {
        let Json::Array(items) = serde_json::from_str(&sample.json).ok()? else { return None };
        let part = |item| part(item, sample.attachment, expected).unwrap_or_else(|| ANY.to_owned());
        Some(Self(std::iter::once(quoted(event)).chain(items.iter().skip(1).map(part)).collect()))
    }

    pub(super) fn toml(&self) -> String {
        format!("[{}]", self.0.join(", "))
    }

    /// Keeps the last argument under a name: the offset by which a session is asked back stands there.
    pub(super) fn saving_last(&self, name: &str) -> Option<String> {
        let (_, others) = self.0.split_last().filter(|(last, others)| *last == ANY && !others.is_empty())?;
        Some(format!("[{}, \"${{save {name}}}\"]", others.join(", ")))
    }
}

/// The pattern of a value in which payload or token are.
fn part(value: &Json, attachment: Option<usize>, expected: &Expected<'_>) -> Option<String> {
    match value {
        // Within a longer text nobody knows what belongs to it.
        Json::String(text) if Stamp::of_token(text).is_some() => Some(quoted(expected.token)),
        Json::String(text) if Stamp::find(text.as_bytes()).is_some_and(|found| found.at == 0) => {
            Some(expected.text.to_owned())
        }
        Json::Array(items) => {
            let parts: Vec<_> = items.iter().map(|item| part(item, attachment, expected)).collect();
            let has = parts.iter().any(Option::is_some);
            let parts = parts.into_iter().map(|part| part.unwrap_or_else(|| ANY.to_owned()));
            has.then(|| format!("[{}]", parts.collect::<Vec<_>>().join(", ")))
        }
        Json::Object(_) if placeholder(value).is_some() => {
            (placeholder(value) == attachment).then(|| expected.bytes.to_owned())
        }
        Json::Object(fields) => {
            let found = fields
                .iter()
                .filter_map(|(key, value)| Some(format!("{} = {}", quoted(key), part(value, attachment, expected)?)));
            let found: Vec<_> = found.collect();
            (!found.is_empty()).then(|| format!("{{ {}, \"..\" = {ANY} }}", found.join(", ")))
        }
        Json::String(_) | Json::Null | Json::Bool(_) | Json::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(json: String, event: &str, attachment: Option<usize>) -> Option<Pattern> {
        let expected = Expected { text: "\"message 1\"", bytes: "\"${bytes 9B}\"", token: "0123456789abcdef" };
        Pattern::new(&Sample { json, attachment }, event, &expected)
    }

    #[test]
    fn patterns_keep_the_payload_and_nothing_else() {
        let stamp = Stamp { run: 7, emission: 9 }.payload(40);
        let flat = pattern(format!("[\"msg\",{{\"a\":1}},\"{stamp}\",\"offset\"]"), "msg", None).unwrap();
        assert_eq!(flat.toml(), r#"["msg", "${any}", "message 1", "${any}"]"#);
        assert_eq!(flat.saving_last("o").unwrap(), r#"["msg", "${any}", "message 1", "${save o}"]"#);
        let nested = format!("[\"mesage\",{{\"a\":1,\"text\":\"{stamp}\"}},[1,\"{stamp}\"]]");
        let nested = pattern(nested, "message", None).unwrap();
        assert_eq!(nested.toml(), r#"["message", { "text" = "message 1", ".." = "${any}" }, ["${any}", "message 1"]]"#);
        assert!(nested.saving_last("o").is_none(), "what is last is the payload");
        assert!(pattern("7".to_owned(), "x", None).is_none());
    }

    #[test]
    fn an_attachment_is_the_payload_where_the_stamp_was_in_it() {
        let json = r#"["file",{"bytes":{"_placeholder":true,"num":1},"icon":{"_placeholder":true,"num":0}}]"#;
        let found = pattern(json.to_owned(), "file", Some(1)).unwrap();
        assert_eq!(found.toml(), r#"["file", { "bytes" = "${bytes 9B}", ".." = "${any}" }]"#);
    }
}

//! What strangers write, read by the code that reads it in earnest: the bodies of the targets in `fuzz/`, and of the tests below.
//!
//! Each takes anything and returns: no panic, and no more memory than its input is worth.

use bytes::BytesMut;
use futures_util::FutureExt as _;

use crate::report::html::{self, Run};
use crate::report::{self, Format};
use crate::scenario::diagnostic::Diagnostics;
use crate::scenario::node::{Kind, Node};
use crate::scenario::source::Source;
use crate::scenario::template::{self, Scope};
use crate::wire::frame::{Frame, Messages};
use crate::wire::http1;
use crate::{record, scenario};

const FORMATS: [Format; 11] = [
    Format::Terminal,
    Format::Jsonl,
    Format::Json,
    Format::Junit,
    Format::Tap,
    Format::Sarif,
    Format::Markdown,
    Format::Github,
    Format::Badge,
    Format::Csv,
    Format::OpenMetrics,
];

/// The answer of a target to an HTTP request.
pub fn http(bytes: &[u8]) {
    // Bytes that are there are never waited for.
    let _ = http1::read_answer(bytes).now_or_never();
}

/// What a target sends over a WebSocket.
///
/// # Panics
///
/// If more is held than has come.
pub fn websocket(bytes: &[u8]) {
    let mut buffer = BytesMut::from(bytes);
    let mut messages = Messages::default();
    while let Ok(Some(frame)) = Frame::decode(&mut buffer) {
        if frame.opcode < 8 && messages.take(frame).is_err() {
            return;
        }
        assert!(messages.held() <= bytes.len(), "more is held than has come");
    }
}

/// What other nodes send to the reference server.
pub fn broker(bytes: &[u8]) {
    sio_reference_server::fuzz::broker(bytes);
}

/// A record, in every format that reports have.
///
/// # Panics
///
/// If its page would run a script of the record's.
pub fn record(bytes: &[u8]) {
    let Ok(entries) = record::read_bytes(bytes) else { return };
    for format in FORMATS {
        let _ = report::format(format, &entries, Some(&entries));
    }
    let page = html::render(&[Run::of(entries)]);
    assert!(!page.contains("<script>alert"), "a page runs what a record says");
}

/// The packed histogram of a line of a `.hlog`.
pub fn hlog(packed: &[u8]) {
    record::fuzz_hlog(packed);
}

/// A scenario file.
pub fn scenario(text: &str) {
    let _ = scenario::load(Source { name: "fuzz/x.toml".to_owned(), text: text.to_owned() }, &[], None);
}

/// A text with `${…}`, rendered and compared.
pub fn template(text: &str) {
    let mut diagnostics = Diagnostics::of(text);
    let node = Node { kind: Kind::Str(text.to_owned()), span: 0..text.len() };
    let template = template::parse(&node, &mut diagnostics);
    if diagnostics.is_empty() {
        let mut scope = Scope::default();
        if let Ok(value) = scope.render(&template) {
            let _ = scope.matches(&template, &value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    /// A text in which some places are something else.
    fn spoilt(text: &'static str) -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just(String::new()),
            Just("-1".to_owned()),
            Just("1e308".to_owned()),
            Just("18446744073709551615".to_owned()),
            Just("null".to_owned()),
            Just("${env.HOME}".to_owned()),
            Just("<script>alert(1)</script>".to_owned()),
            ".{0,12}",
        ];
        vec((any::<Index>(), 0..12_usize, piece), 0..5).prop_map(move |edits| {
            let mut text = text.to_owned();
            for (at, length, piece) in edits {
                let from = text.floor_char_boundary(at.index(text.len() + 1));
                let to = text.ceil_char_boundary((from + length).min(text.len()));
                text.replace_range(from..to, &piece);
            }
            text
        })
    }

    /// A record in which some values of its lines are others, so that it is one all the same.
    fn strange(text: &'static str) -> impl Strategy<Value = String> {
        let value = prop_oneof![
            Just(serde_json::json!(0)),
            Just(serde_json::json!(u64::MAX)),
            Just(serde_json::json!(1e308)),
            Just(serde_json::json!(-1.5)),
            Just(serde_json::json!("../../x\n::error::y<script>alert(1)</script>|`")),
        ];
        vec((any::<Index>(), any::<Index>(), value), 0..4).prop_map(move |edits| {
            let mut lines: Vec<serde_json::Value> =
                text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            for (line, leaf, value) in edits {
                let length = lines.len();
                let mut leaves = Vec::new();
                leaves_of(&mut lines[line.index(length)], &mut leaves);
                let same = leaves.into_iter().filter(|leaf| leaf.is_string() == value.is_string()).collect::<Vec<_>>();
                if !same.is_empty() {
                    let at = leaf.index(same.len());
                    same.into_iter().nth(at).into_iter().for_each(|leaf| *leaf = value.clone());
                }
            }
            lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        })
    }

    fn leaves_of<'a>(value: &'a mut serde_json::Value, found: &mut Vec<&'a mut serde_json::Value>) {
        match value {
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| leaves_of(item, found)),
            serde_json::Value::Object(fields) => {
                fields.iter_mut().filter(|(key, _)| *key != "type").for_each(|(_, field)| leaves_of(field, found));
            }
            serde_json::Value::String(_) | serde_json::Value::Number(_) => found.push(value),
            serde_json::Value::Null | serde_json::Value::Bool(_) => {}
        }
    }

    const ANSWER: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n";
    const TEMPLATE: &str =
        "a ${int 1 9} ${pick rooms} ${times 3 x} ${bytes 10} ${uuid} ${sent.1} ${user * 2 + 1} $${x}";
    const LOAD: &str = include_str!("../tests/records/schema-3/load/run.jsonl");
    const CASES: &str = include_str!("../tests/records/schema-3/cases/run.jsonl");
    const SCENARIO: &str = include_str!("../tests/scenarios/small.toml");

    /// Fewer cases than usual, unless it is said how many.
    fn few(cases: u32) -> ProptestConfig {
        let usual = ProptestConfig::default();
        let said = std::env::var_os("PROPTEST_CASES").is_some();
        ProptestConfig { cases: if said { usual.cases } else { cases }, ..usual }
    }

    proptest! {
        #![proptest_config(few(64))]

        #[test]
        fn anything_over_the_wire(bytes in vec(any::<u8>(), 0..400), answer in spoilt(ANSWER)) {
            http(&bytes);
            http(answer.as_bytes());
            websocket(&bytes);
        }

        #[test]
        fn anything_as_a_template(text in spoilt(TEMPLATE), any in ".{0,60}") {
            template(&text);
            template(&any);
            template(&format!("${{{any}}}"));
        }

        #[test]
        fn anything_as_a_scenario(text in spoilt(SCENARIO)) {
            scenario(&text);
        }
    }

    proptest! {
        #![proptest_config(few(24))]

        #[test]
        fn anything_as_a_record(load in strange(LOAD), cases in strange(CASES), broken in spoilt(CASES), bytes in vec(any::<u8>(), 0..100)) {
            record(load.as_bytes());
            record(cases.as_bytes());
            record(broken.as_bytes());
            hlog(&bytes);
        }
    }
}

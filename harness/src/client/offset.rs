//! What connection state recovery adds: a private id to the answer to a CONNECT, and an offset behind the arguments of events. No
//! application has sent them, so nobody who compares with what was sent may be held up by them.
//!
//! An offset cannot be told from a text of the application's own, and volatile events have none. So each packet has several readings.
//! (Socket.IO documentation, connection state recovery; `socket.io-adapter`, `broadcast`.)

use serde_json::Value as Json;
use sio_protocol::Value;

/// What stands between the packets of a polling payload.
const SEPARATOR: &str = "\u{1e}";

/// Whether the answer to a CONNECT says that the session could be recovered: then it has a private id.
pub(crate) fn is_recoverable(body: &str) -> bool {
    serde_json::from_str::<Json>(body).is_ok_and(|body| body["pid"].is_string())
}

/// Whether one of these packets, texts, is a CONNECT that says so.
pub(crate) fn tells_of_recovery(packets: &str) -> bool {
    packets.split(SEPARATOR).any(|packet| without_private_id(packet).is_some())
}

/// The name and the arguments of an event without the last one, if that may be an offset.
pub(crate) fn without_offset(values: &[Value]) -> Option<&[Value]> {
    let (last, ahead) = values.split_last()?;
    (!ahead.is_empty() && last.as_str().is_some()).then_some(ahead)
}

/// Packets as they would be without recovery, the likeliest reading first, and as they are.
pub(crate) fn readings(packets: &str) -> Vec<String> {
    let each = |change: &dyn Fn(&str) -> Option<String>| {
        let changed = packets.split(SEPARATOR).map(|packet| change(packet).unwrap_or_else(|| packet.to_owned()));
        changed.collect::<Vec<_>>().join(SEPARATOR)
    };
    // Nobody takes a private id for something else; that a text is an offset is a guess.
    let without_ids = each(&without_private_id);
    let without_any = each(&|packet| without_private_id(packet).or_else(|| event_without_offset(packet)));
    let mut all = vec![without_ids, without_any, packets.to_owned()];
    all.dedup();
    all
}

/// The namespace of a text packet and what stands behind it: of `/x,["e"]`, or of `["e"]`.
fn split_namespace(rest: &str) -> (&str, &str) {
    match rest.split_once(',') {
        Some((namespace, rest)) if namespace.starts_with('/') => (namespace, rest),
        _ => ("/", rest),
    }
}

fn without_private_id(packet: &str) -> Option<String> {
    let (_, body) = split_namespace(packet.strip_prefix("40")?);
    if !is_recoverable(body) {
        return None;
    }
    let mut fields: serde_json::Map<String, Json> = serde_json::from_str(body).ok()?;
    fields.remove("pid");
    let ahead = packet.len() - body.len();
    Some(format!("{}{}", &packet[..ahead], Json::Object(fields)))
}

/// An event that wants no answer and whose last argument is a text, without that.
fn event_without_offset(packet: &str) -> Option<String> {
    let rest = packet.strip_prefix("42").or_else(|| {
        let (attachments, rest) = packet.strip_prefix("45")?.split_once('-')?;
        attachments.bytes().all(|byte| byte.is_ascii_digit()).then_some(rest)
    })?;
    // Whoever is asked has the number of the question ahead of the array, and no offset behind it.
    let (_, json) = split_namespace(rest);
    let values: Vec<Json> = serde_json::from_str(json).ok()?;
    values.split_last().filter(|(last, ahead)| last.is_string() && !ahead.is_empty())?;
    let at = packet.trim_end().strip_suffix("\"]")?.rfind(",\"")?;
    Some(format!("{}]", &packet[..at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_left_out_where_there_may_be_one() {
        for (packet, without) in [
            (r#"42["e","off-1"]"#, Some(r#"42["e"]"#)),
            (r#"42/x,["e",{"a":"b"},"off-1"]"#, Some(r#"42/x,["e",{"a":"b"}]"#)),
            (
                r#"451-/x,["e",{"_placeholder":true,"num":0},"o"]"#,
                Some(r#"451-/x,["e",{"_placeholder":true,"num":0}]"#),
            ),
            (r#"42/x,7["e","off-1"]"#, None),
            (r#"427["e","off-1"]"#, None),
            (r#"42/x,["e"]"#, None),
            (r#"42/x,["e",1]"#, None),
            (r#"43/x,1["off-1"]"#, None),
            ("2probe", None),
            (r#"42/x,["e","off"#, None),
        ] {
            assert_eq!(event_without_offset(packet).as_deref(), without, "{packet}");
        }
    }

    #[test]
    fn packets_are_read_as_they_would_be_without_recovery() {
        let packets = "40/x,{\"sid\":\"a\",\"pid\":\"b\"}\u{1e}42/x,[\"e\",\"o\"]";
        assert!(tells_of_recovery(packets));
        let without_id = "40/x,{\"sid\":\"a\"}\u{1e}42/x,";
        assert_eq!(
            readings(packets),
            [format!("{without_id}[\"e\",\"o\"]"), format!("{without_id}[\"e\"]"), packets.to_owned()]
        );
        for other in [r#"40{"sid":"a"}"#, r#"40{"sid":"a","pid":7}"#, "40", r#"42["e",{"pid":"b"}]"#, "3probe"] {
            assert!(!tells_of_recovery(other), "{other}");
            assert_eq!(readings(other), [other], "{other}");
        }
    }
}

//! JSONP: long-polling by `<script>` elements and form posts, for browsers of long ago (EIO-HS-21).

use bytes::Bytes;
use sio_protocol::ByteString;

use super::polling::Reply;

/// A call of the callback with the payload.
pub(super) fn wrap(reply: &Reply, number: &str) -> Reply {
    let payload = String::from_utf8_lossy(&reply.body);
    // JSON that is JavaScript as well: these two end a line in one and not in the other.
    let json =
        serde_json::Value::from(payload).to_string().replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    let body = Bytes::from(format!("___eio[{number}]({json});"));
    Reply { body, content_type: "text/plain; charset=UTF-8", ..*reply }
}

/// The payload in a posted form: the field `d`, in which a line break is `\n` and a backslash before an `n` is doubled.
pub(super) fn unwrap(form: &[u8]) -> Option<ByteString> {
    let (_, payload) = form_urlencoded::parse(form).find(|(key, _)| key == "d")?;
    let mut unescaped = String::with_capacity(payload.len());
    let mut rest = &*payload;
    while let Some(index) = rest.find('\\') {
        unescaped.push_str(&rest[..index]);
        rest = &rest[index..];
        let (text, length) = match rest {
            escaped if escaped.starts_with("\\\\n") => ("\\n", 3),
            line_break if line_break.starts_with("\\n") => ("\n", 2),
            _ => ("\\", 1),
        };
        unescaped.push_str(text);
        rest = &rest[length..];
    }
    unescaped.push_str(rest);
    Some(unescaped.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_unescaped() {
        let unwrapped = |form: &str| unwrap(form.as_bytes()).map(|text| text.to_string());
        assert_eq!(unwrapped("d=4a%5Cnb").as_deref(), Some("4a\nb"));
        assert_eq!(unwrapped("x=1&d=42%5B%22%5C%5Cn%22%5D").as_deref(), Some("42[\"\\n\"]"));
        assert_eq!(unwrapped("d=4%5Ct").as_deref(), Some("4\\t"));
        assert_eq!(unwrapped("e=4"), None);
    }
}

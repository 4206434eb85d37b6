//! What a WebSocket close frame says, in words.

/// Status and reason of a close frame's payload.
pub(crate) fn read(payload: &[u8]) -> (Option<u16>, String) {
    let code = payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
    (code, String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned())
}

/// `1009 (message too big), "reason"`.
pub(crate) fn shown(code: Option<u16>, reason: &str) -> String {
    let mut text = match code {
        None => "no status".to_owned(),
        Some(code) => match name(code) {
            Some(name) => format!("{code} ({name})"),
            None => code.to_string(),
        },
    };
    if !reason.is_empty() {
        text.push_str(&format!(": {reason}"));
    }
    text
}

/// RFC 6455, section 7.4.1, and what has been registered since.
fn name(code: u16) -> Option<&'static str> {
    Some(match code {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1005 => "no status",
        1006 => "abnormal closure",
        1007 => "invalid data",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "mandatory extension",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        1015 => "TLS handshake",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_frame_is_said_in_words() {
        let (code, reason) = read(b"\x03\xf1too much");
        assert_eq!(shown(code, &reason), "1009 (message too big): too much");
        assert_eq!(shown(Some(4001), ""), "4001");
        assert_eq!(read(b""), (None, String::new()));
        assert_eq!(shown(None, ""), "no status");
    }
}

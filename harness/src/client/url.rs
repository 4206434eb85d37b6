//! The URL of a target, taken apart: nothing of it is dropped without a word.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use url::Url;

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) secure: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// `None` if it has no path of its own.
    pub(super) path: Option<String>,
    /// Empty, or `a=1&b=2`.
    pub(super) query: String,
    /// The value of an `Authorization` header.
    pub(super) authorization: Option<String>,
}

/// Takes a URL apart; the error says what is wrong with it and what would be right.
pub(super) fn parse(text: &str) -> Result<Parts, String> {
    let shown = without_password(text);
    let url =
        Url::parse(text).map_err(|error| format!("`{shown}` is not a URL: {error}; expected http://HOST:PORT"))?;
    let secure = match url.scheme() {
        "http" | "ws" => false,
        "https" | "wss" => true,
        _ => return Err(format!("`{shown}` is not a URL of a server; expected http://HOST:PORT")),
    };
    if let Some(fragment) = url.fragment() {
        return Err(format!(
            "`{shown}` has the fragment `#{fragment}`, which no browser sends to a server; leave it out, or write %23 for \
             a `#` that belongs to the path or the query"
        ));
    }
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(format!("`{shown}` names no host; expected http://HOST:PORT"));
    };
    Ok(Parts {
        secure,
        host: host.to_owned(),
        port,
        path: Some(url.path()).filter(|path| *path != "/").map(str::to_owned),
        query: url.query().unwrap_or_default().to_owned(),
        authorization: authorization(&url),
    })
}

/// What a browser makes of `user:password@`.
fn authorization(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let pair = [decode(url.username()), decode(url.password().unwrap_or_default())].join(&b':');
    Some(format!("Basic {}", BASE64_STANDARD.encode(pair)))
}

/// The URL as it may stand in a record.
pub fn without_password(text: &str) -> String {
    match Url::parse(text) {
        Ok(mut url) if url.password().is_some() => {
            // Refused only by URLs that cannot have one.
            let _ = url.set_password(Some("***"));
            url.to_string()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_kept() {
        let parts = parse("wss://user:p%40ss@[::1]:3000/live?token=a%20b").unwrap();
        assert_eq!(
            parts,
            Parts {
                secure: true,
                host: "[::1]".to_owned(),
                port: 3000,
                path: Some("/live".to_owned()),
                query: "token=a%20b".to_owned(),
                authorization: Some("Basic dXNlcjpwQHNz".to_owned()),
            }
        );
        let plain = parse("http://example.org/").unwrap();
        assert_eq!((plain.port, plain.path, plain.authorization), (80, None, None));
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_name() {
        assert!(parse("http://h:1/#/admin").unwrap_err().contains("fragment `#/admin`"));
        assert!(parse("ftp://h").unwrap_err().contains("expected http://HOST:PORT"));
        assert!(parse("http://").is_err());
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(without_password("http://me:secret@h:1/x"), "http://me:***@h:1/x");
        assert!(!parse("http://me:secret@h:1/#a").unwrap_err().contains("secret"));
        assert_eq!(without_password("http://h:1"), "http://h:1");
    }
}

//! The cookie of the handshake.

use std::time::Duration;

/// A cookie with the id of the session, set by the handshake of a polling client so that a load balancer finds the
/// same server again (EIO-HD-05). The defaults are engine.io's.
#[derive(Clone, Debug)]
pub struct Cookie {
    /// The name (`io`).
    pub name: String,
    /// The path it is sent for (`/`).
    pub path: Option<String>,
    /// The domain it is sent to (this host).
    pub domain: Option<String>,
    /// Whether scripts cannot read it (yes).
    pub http_only: bool,
    /// Whether it is sent over TLS only (no).
    pub secure: bool,
    /// When it is sent with requests of other sites (`Lax`).
    pub same_site: Option<SameSite>,
    /// How long it lives (as long as the browser).
    pub max_age: Option<Duration>,
}

/// When a cookie is sent with requests of other sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// When the user follows a link.
    Lax,
    /// Always; browsers want `secure` as well.
    None,
}

impl Default for Cookie {
    fn default() -> Self {
        Self {
            name: "io".to_owned(),
            path: Some("/".to_owned()),
            domain: None,
            http_only: true,
            secure: false,
            same_site: Some(SameSite::Lax),
            max_age: None,
        }
    }
}

impl Cookie {
    /// The value of the header.
    pub(crate) fn header(&self, sid: &str) -> String {
        let mut text = format!("{}={sid}", self.name);
        let mut attribute = |text_of: Option<String>| text.extend(text_of.map(|attribute| format!("; {attribute}")));
        attribute(self.max_age.map(|age| format!("Max-Age={}", age.as_secs())));
        attribute(self.domain.as_ref().map(|domain| format!("Domain={domain}")));
        attribute(self.path.as_ref().map(|path| format!("Path={path}")));
        attribute(self.http_only.then(|| "HttpOnly".to_owned()));
        attribute(self.secure.then(|| "Secure".to_owned()));
        attribute(self.same_site.map(|same_site| format!("SameSite={same_site:?}")));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_that_of_engine_io() {
        assert_eq!(Cookie::default().header("abc"), "io=abc; Path=/; HttpOnly; SameSite=Lax");
        let all = Cookie {
            name: "sid".to_owned(),
            path: None,
            domain: Some("example.com".to_owned()),
            http_only: false,
            secure: true,
            same_site: Some(SameSite::None),
            max_age: Some(Duration::from_mins(1)),
        };
        assert_eq!(all.header("x"), "sid=x; Max-Age=60; Domain=example.com; Secure; SameSite=None");
    }
}

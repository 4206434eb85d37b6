//! Whether a text is the URL of a server, and what would be: nothing in it is dropped or guessed silently.

use http::Uri;

const WANTED: &str = "expected http://HOST:PORT or https://HOST:PORT";

/// Says what is wrong with the URL of a server.
pub fn check(url: &str) -> Result<(), String> {
    let uri: Uri = url.parse().map_err(|error| format!("`{url}` is not a URL ({error}); {WANTED}"))?;
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(format!("`{url}` has no scheme; {WANTED}"));
    };
    match scheme {
        "http" | "https" | "ws" | "wss" => {}
        _ => {
            return Err(format!(
                "`{url}`: `{scheme}` is not a scheme of a server; did you mean `{}://{rest}`?",
                like(scheme)
            ));
        }
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = uri.host().unwrap_or_default();
    if host.is_empty() {
        return Err(format!("`{url}` names no host; {WANTED}"));
    }
    let port = authority.rsplit_once(host).and_then(|(_, behind)| behind.strip_prefix(':'));
    match port {
        Some(port) if !port.parse::<u16>().is_ok_and(|port| port > 0) => {
            Err(format!("`{url}`: `{port}` is not a port; expected a number from 1 to 65535"))
        }
        _ => Ok(()),
    }
}

fn like(scheme: &str) -> &'static str {
    if scheme.ends_with('s') { "https" } else { "http" }
}

/// The URL that was probably meant by what is no name of a target.
pub fn meant(name: &str) -> Option<String> {
    let bare = ["https:", "http:", "https", "http"].into_iter().find_map(|scheme| {
        let rest = name.strip_prefix(scheme)?;
        rest.starts_with('/').then(|| (scheme.trim_end_matches(':'), rest.trim_start_matches('/')))
    });
    let (scheme, rest) = bare.unwrap_or(("http", name));
    let is_host = rest.contains([':', '.', '/']) || rest == "localhost";
    let url = format!("{scheme}://{rest}");
    (is_host && check(&url).is_ok()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_url_is_said() {
        for fine in ["http://localhost", "https://a.example:1/x/?y=1", "http://[::1]:3000", "ws://127.0.0.1:80/"] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        for (wrong, says) in [
            ("localhost:3000", "no scheme"),
            ("htp://a:1", "did you mean `http://a:1`?"),
            ("http://", "is not a URL"),
            ("http://a:99999", "`99999` is not a port"),
            ("http://a:port", "`port` is not a port"),
            ("http://[::1]:0", "`0` is not a port"),
            ("http://[::1", "is not a URL"),
            ("http://a:", "`` is not a port"),
        ] {
            assert!(check(wrong).is_err_and(|problem| problem.contains(says)), "{wrong}: {:?}", check(wrong));
        }
    }

    #[test]
    fn an_address_without_a_scheme_is_known_as_one() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(meant("localhost:3000"), some("http://localhost:3000"));
        assert_eq!(meant("localhost"), some("http://localhost"));
        assert_eq!(meant("http:/a:3000/x"), some("http://a:3000/x"));
        assert_eq!(meant("https//a:3000"), some("https://a:3000"));
        assert_eq!(meant("nodejs"), None);
    }
}

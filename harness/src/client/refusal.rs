//! What an answer with an error may mean beside what it says.

use super::connection::Error;

/// The error for an answer, with what its headers and its body tell beside the status.
pub(super) fn refused(addresses: usize, status: u16, headers: &[(String, String)], body: String) -> Error {
    let header =
        |wanted: &str| headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value);
    let mut said = body;
    if let (300..400, Some(to)) = (status, header("location")) {
        let to = to.split('?').next().unwrap_or_default();
        said.push_str(&format!("; it redirects to {to}, and clients of Socket.IO do not follow"));
    }
    if is_unknown_session(status, &said)
        && let Some(why) = sticky(addresses, headers)
    {
        said.push_str(&format!("; {why}"));
    }
    Error::Status { status, body: said }
}

/// `{"code":1,"message":"Session ID unknown"}`
pub(super) fn is_unknown_session(status: u16, body: &str) -> bool {
    status == 400 && (body.contains("Session ID unknown") || body.contains(r#""code":1,"#))
}

/// Said to whoever meets a server that does not know the session it has just been given.
pub(super) const STICKY: &str = "the first request of the session came to a server that does not know it: a balancer in front \
     of several has to be sticky";

/// What shows that a session has come to another server than the one that knows it.
fn sticky(addresses: usize, headers: &[(String, String)]) -> Option<String> {
    let set = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    if let Some((_, cookie)) = set {
        let name = cookie.split('=').next().unwrap_or_default().trim();
        return Some(format!(
            "the answer sets the cookie `{name}`: if a balancer goes by it, it has to be sticky, and the cookie shown with every \
             request of a session"
        ));
    }
    (addresses > 1)
        .then(|| format!("the name has {addresses} addresses, and the balancer behind them has to be sticky"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stickiness_is_named_where_there_is_a_sign_of_it() {
        let unknown = r#"{"code":1,"message":"Session ID unknown"}"#;
        let said = |status, headers: &[(&str, &str)], body: &str| {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            refused(1, status, &headers, body.to_owned()).to_string()
        };
        assert!(said(400, &[("Set-Cookie", "NODE=1; Path=/")], unknown).contains("cookie `NODE`"));
        assert!(!said(400, &[], unknown).contains("sticky"));
        assert!(
            !said(400, &[("set-cookie", "a=b")], r#"{"code":2,"message":"Bad handshake method"}"#).contains("sticky")
        );
        assert!(said(308, &[("location", "/x")], "").contains("redirects to /x"));
    }
}

//! What answers tell of several servers behind one address.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderMap;

/// Headers in which a proxy or a server says which of several it is.
const LABELS: [&str; 12] = [
    "x-node",
    "x-node-id",
    "x-server",
    "x-server-id",
    "x-backend",
    "x-backend-server",
    "x-upstream",
    "x-instance",
    "x-instance-id",
    "x-pod",
    "x-pod-name",
    "fly-instance-id",
];
/// Cookies that balancers set, by the balancers' own manuals. Not `io`, which is Socket.IO's own, and no name that a
/// balancer leaves to whoever sets it up, but for the ones in every example.
const COOKIES: [&str; 11] = [
    "AWSALB",
    "AWSALBCORS",
    "AWSALBTG",
    "AWSELB",
    "AWSELBCORS",
    "GCLB",
    "ARRAffinity",
    "SERVERID",
    "INGRESSCOOKIE",
    "__cflb",
    "LB",
];
/// A header with more values than this is not the name of a node but something of each request.
const MOST_NODES: usize = 16;

/// What has been seen; all users of a run share it.
#[derive(Debug, Default)]
pub struct Signs(Mutex<Seen>);

/// Signs of a balancer, or of several servers behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// By the name of the header.
    labels: BTreeMap<String, BTreeSet<String>>,
    cookies: BTreeSet<String>,
    /// Sessions that were unknown to whoever got their first request.
    unknown: u64,
}

impl Signs {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at an answer. Nothing is locked or allocated where there is no sign.
    pub(super) fn look(&self, headers: &HeaderMap) {
        for name in LABELS {
            if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
                self.label(name, value);
            }
        }
        for value in headers.get_all(http::header::SET_COOKIE) {
            self.cookie(&String::from_utf8_lossy(value.as_bytes()));
        }
    }

    /// The same for headers as a list.
    pub(super) fn look_at(&self, headers: &[(String, String)]) {
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("set-cookie") {
                self.cookie(value);
            } else if let Some(label) = LABELS.iter().find(|label| name.eq_ignore_ascii_case(label)) {
                self.label(label, value);
            }
        }
    }

    fn label(&self, header: &str, value: &str) {
        let mut seen = self.seen();
        let values = seen.labels.entry(header.to_owned()).or_default();
        // One more than can be nodes is kept: it says that they are none.
        if values.len() <= MOST_NODES && !values.contains(value) {
            values.insert(value.chars().take(64).collect());
        }
    }

    fn cookie(&self, set: &str) {
        let name = set.split('=').next().unwrap_or_default().trim();
        if COOKIES.contains(&name) || name.starts_with("BIGipServer") {
            self.seen().cookies.insert(name.chars().take(64).collect());
        }
    }

    /// The first request of a session came to a server that does not know it.
    pub(super) fn unknown_session(&self) {
        self.seen().unknown += 1;
    }

    /// In words; nothing where one server alone has answered, as far as one can see.
    pub fn in_words(&self) -> Vec<String> {
        let seen = self.seen();
        let mut words = Vec::new();
        for (header, values) in &seen.labels {
            if (2..=MOST_NODES).contains(&values.len()) {
                let values: Vec<_> = values.iter().map(String::as_str).collect();
                words.push(format!("answers came from {} nodes ({header}: {})", values.len(), values.join(", ")));
            }
        }
        if !seen.cookies.is_empty() {
            let names: Vec<_> = seen.cookies.iter().map(String::as_str).collect();
            words.push(format!("a balancer has set its cookie ({})", names.join(", ")));
        }
        match seen.unknown {
            0 => {}
            1 => words.push("1 session was unknown to the server that got its first request".to_owned()),
            many => words.push(format!("{many} sessions were unknown to the server that got their first request")),
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(headers: &[(&str, &str)]) -> Vec<String> {
        let signs = Signs::default();
        let list: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        signs.look_at(&list);
        signs.in_words()
    }

    #[test]
    fn one_server_gives_no_sign() {
        assert_eq!(words(&[("X-Node", "a"), ("x-node", "a"), ("Server", "nginx")]), [""; 0]);
        assert_eq!(words(&[("Set-Cookie", "io=abc; Path=/"), ("set-cookie", "theme=dark")]), [""; 0]);
        // Another value for each answer is no node's name.
        let many: Vec<_> = (0..100).map(|number| format!("r{number}")).collect();
        let many: Vec<_> = many.iter().map(|value| ("x-instance", value.as_str())).collect();
        assert_eq!(words(&many), [""; 0]);
    }

    #[test]
    fn nodes_and_balancers_are_seen() {
        let labels = words(&[("X-Node", "b"), ("x-node", "a")]);
        assert_eq!(labels, ["answers came from 2 nodes (x-node: a, b)"]);
        let cookies = words(&[("Set-Cookie", "AWSALB=x; Path=/"), ("set-cookie", "BIGipServerpool=1")]);
        assert_eq!(cookies, ["a balancer has set its cookie (AWSALB, BIGipServerpool)"]);
        let signs = Signs::default();
        signs.unknown_session();
        assert_eq!(signs.in_words(), ["1 session was unknown to the server that got its first request"]);
    }
}

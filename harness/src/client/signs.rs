//! What answers tell of several servers behind one address.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use http::HeaderMap;

use crate::vocab::lock::LockExt;

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
/// A cookie that balancers set, by the balancers' own manuals.
struct Cookie {
    /// How its name begins.
    name: &'static str,
    whose: &'static str,
    told: Told,
}

/// How much the name of a cookie tells by itself.
#[derive(PartialEq)]
enum Told {
    /// The whole name is a balancer's.
    Whole,
    /// So is every name that begins like this.
    Start,
    /// The name is in the manual's example, and applications use it as well: worth a word, and no sign.
    Perhaps,
}

const COOKIES: [Cookie; 19] = [
    known("AWSALB", "an AWS Application Load Balancer", Told::Whole),
    known("AWSALBCORS", "an AWS Application Load Balancer", Told::Whole),
    known("AWSALBTG", "an AWS Application Load Balancer", Told::Whole),
    known("AWSELB", "an AWS Classic Load Balancer", Told::Whole),
    known("AWSELBCORS", "an AWS Classic Load Balancer", Told::Whole),
    known("GCLB", "a Google Cloud load balancer", Told::Whole),
    known("ARRAffinity", "Azure", Told::Whole),
    known("SERVERID", "HAProxy", Told::Whole),
    known("INGRESSCOOKIE", "ingress-nginx", Told::Whole),
    known("__cflb", "a Cloudflare load balancer", Told::Whole),
    known("LB", "a balancer", Told::Whole),
    known("BIGipServer", "F5 BIG-IP", Told::Start),
    known("NSC_", "a Citrix NetScaler", Told::Perhaps),
    known("DO-LB", "a DigitalOcean load balancer", Told::Perhaps),
    known("SRV", "HAProxy", Told::Perhaps),
    known("route", "nginx", Told::Perhaps),
    known("sticky", "a balancer", Told::Perhaps),
    known("lb", "a balancer", Told::Perhaps),
    known("ARRAffinitySameSite", "Azure", Told::Perhaps),
];

const fn known(name: &'static str, whose: &'static str, told: Told) -> Cookie {
    Cookie { name, whose, told }
}

/// Whose balancer usually sets a cookie of this name. More names than runs take for a sign: this is for a reader who knows
/// whether it is so.
pub(crate) fn usual_for(name: &str) -> Option<&'static str> {
    COOKIES.iter().find(|cookie| name.starts_with(cookie.name)).map(|cookie| cookie.whose)
}

/// Whether a cookie of this name is a balancer's.
fn is_a_balancers(name: &str) -> bool {
    COOKIES.iter().any(|cookie| match cookie.told {
        Told::Whole => name == cookie.name,
        Told::Start => name.starts_with(cookie.name),
        Told::Perhaps => false,
    })
}

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
        self.0.lock_unpoisoned()
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
        if is_a_balancers(name) {
            self.seen().cookies.insert(name.chars().take(64).collect());
        }
    }

    /// The first request of a session came to a server that does not know it.
    pub(crate) fn unknown_session(&self) {
        self.seen().unknown += 1;
    }

    /// The nodes that named themselves in headers, in words; nothing where they were not at least two.
    pub(crate) fn nodes(&self) -> Vec<String> {
        let seen = self.seen();
        let several = seen.labels.iter().filter(|(_, values)| (2..=MOST_NODES).contains(&values.len()));
        let said = several.map(|(header, values)| {
            let names: Vec<_> = values.iter().map(String::as_str).collect();
            format!("answers came from {} nodes ({header}: {})", values.len(), names.join(", "))
        });
        said.collect()
    }

    /// In words; nothing where one server alone has answered, as far as one can see.
    pub fn in_words(&self) -> Vec<String> {
        let mut words = self.nodes();
        let seen = self.seen();
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
    fn a_name_that_applications_use_too_is_told_and_is_no_sign() {
        assert_eq!((usual_for("sticky"), usual_for("BIGipServerpool")), (Some("a balancer"), Some("F5 BIG-IP")));
        assert_eq!((usual_for("theme"), usual_for("io")), (None, None));
        assert_eq!(words(&[("Set-Cookie", "sticky=1"), ("Set-Cookie", "route=/home")]), [""; 0]);
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

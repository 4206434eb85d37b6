//! What the operator of a worker lets others run there: a scenario comes from somebody else, and is looked at ahead of its use.

use std::collections::BTreeSet;

use clap::Args;
use url::Url;

use super::bundle::Bundle;
use crate::scenario::{self, Loaded};

/// What others may do with this machine
#[derive(Args, Clone, Debug, Default)]
pub struct Permit {
    /// Let runs send to this host and no other, such as app.example.org or 10.0.0.7:3000; may be repeated. Without it a run may send to
    /// any
    #[arg(long, value_name = "HOST")]
    allow: Vec<String>,

    /// Let scenarios read this variable of the worker's environment (`${env.NAME}`); may be repeated. Without it they read none
    #[arg(long, value_name = "NAME")]
    allow_env: Vec<String>,
}

impl Permit {
    /// Whether a bundle may be run; otherwise everything that stands against it.
    pub fn check(&self, bundle: &Bundle, loaded: &Loaded) -> Result<(), String> {
        let reach = scenario::reach(loaded);
        let mut against = Vec::new();
        let variables: Vec<_> = reach.variables.iter().filter(|name| !self.allow_env.contains(name)).collect();
        if !variables.is_empty() {
            let names: Vec<_> = variables.iter().map(|name| name.as_str()).collect();
            against.push(format!("it reads {} of the environment (--allow-env)", names.join(", ")));
        }
        // What `--set` says stands nowhere in the file.
        let set = bundle.overrides.iter().map(|(_, value)| value.clone()).filter(|value| value.contains("://"));
        let hosts: BTreeSet<String> = std::iter::once(bundle.target.clone()).chain(set).chain(reach.hosts).collect();
        let hosts: Vec<String> = hosts.into_iter().filter(|host| !self.lets(host)).collect();
        if !hosts.is_empty() {
            against.push(format!("it sends to {} (--allow)", hosts.join(", ")));
        }
        if !reach.starts.is_empty() {
            let starts: Vec<_> = reach.starts.into_iter().collect();
            against.push(format!("it has programs started ({}), and no worker starts any", starts.join(", ")));
        }
        if against.is_empty() { Ok(()) } else { Err(against.join("; ")) }
    }

    /// Whether something may be sent there; `wherever … leads` is nowhere that could be allowed.
    fn lets(&self, address: &str) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|allowed| is_at(address, allowed))
    }
}

/// Whether a URL is of a host, or of a host and a port.
fn is_at(address: &str, allowed: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let Some(host) = url.host_str() else { return false };
    let default = || match url.scheme() {
        "redis" => Some(6379),
        _ => url.port_or_known_default(),
    };
    let with_port = default().map(|port| format!("{host}:{port}"));
    let allowed = allowed.to_ascii_lowercase();
    host.trim_matches(['[', ']']) == allowed.trim_matches(['[', ']']) || with_port.as_deref() == Some(allowed.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::bundle::Way;
    use super::*;
    use crate::scenario::source::Brought;

    fn said(text: &str, target: &str, allow: &[&str], allow_env: &[&str]) -> Result<(), String> {
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        let permit = Permit { allow: owned(allow), allow_env: owned(allow_env) };
        let bundle = Bundle {
            file: "x.toml".to_owned(),
            text: text.to_owned(),
            overrides: Vec::new(),
            seed: 1,
            brought: Brought::default(),
            target: target.to_owned(),
            way: Way::default(),
            connect_timeout: None,
        };
        let loaded = bundle.load().unwrap();
        permit.check(&bundle, &loaded)
    }

    const PLAIN: &str = "name = \"x\"\n[[phase]]\nname = \"steady\"\nfor = \"1s\"\n[users.people]\ncount = 1\n";

    #[test]
    fn hosts_are_limited_if_any_is_named() {
        let target = "http://App.example.org:3000/x";
        assert_eq!(said(PLAIN, target, &[], &[]), Ok(()));
        for allowed in ["app.example.org", "App.Example.org", "app.example.org:3000"] {
            assert_eq!(said(PLAIN, target, &["other", allowed], &[]), Ok(()), "{allowed}");
        }
        for refused in ["example.org", "app.example.org:80", "pp.example.org", "app.example.org.evil"] {
            let why = said(PLAIN, target, &[refused], &[]).unwrap_err();
            assert!(why.contains("it sends to http://App.example.org:3000/x (--allow)"), "{why}");
        }
        // What looks like the host and is a user's name.
        for trick in
            ["http://app.example.org@evil/", "http://app.example.org:x@evil:3000/", "http://evil/?app.example.org"]
        {
            assert!(said(PLAIN, trick, &["app.example.org"], &[]).is_err(), "{trick}");
        }
        assert_eq!(said(PLAIN, "http://[::1]:3000", &["::1"], &[]), Ok(()));
        assert_eq!(said(PLAIN, "https://h", &["h:443"], &[]), Ok(()));
    }

    #[test]
    fn what_a_scenario_reaches_for_is_looked_at() {
        let enter = |url: &str| format!("{PLAIN}enter = [{{ http = {{ get = \"{url}\" }}, status = 200 }}]\n");
        let target = "http://h:1";
        assert_eq!(said(&enter("/login"), target, &["h"], &[]), Ok(()));
        assert!(said(&enter("http://elsewhere/x"), target, &["h"], &[]).unwrap_err().contains("http://elsewhere"));
        let leads = said(&enter("${2 + 3}"), target, &["h"], &[]).unwrap_err();
        assert!(leads.contains("wherever"), "{leads}");
        let reads = format!("{PLAIN}auth = {{ key = \"${{env.AWS_SECRET}}\" }}\n");
        let why = said(&reads, target, &[], &[]).unwrap_err();
        assert!(why.contains("it reads AWS_SECRET of the environment"), "{why}");
        assert_eq!(said(&reads, target, &[], &["AWS_SECRET"]), Ok(()));
    }
}

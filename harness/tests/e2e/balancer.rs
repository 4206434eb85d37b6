//! Targets behind balancers: a real `HAProxy`, and a cluster of our own that says nothing of it.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::apps::App;
use crate::common::Place;

/// `HAProxy` in front of two servers, for as long as this lives.
pub struct HaProxy {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl HaProxy {
    /// Starts it with these lines about how it chooses; `None` where it is missing, which is said.
    pub fn start(choice: &str, urls: [&str; 2]) -> Option<Self> {
        let there = Command::new("haproxy").arg("-v").output().is_ok_and(|output| output.status.success());
        if !there {
            assert!(std::env::var_os("CI").is_none(), "haproxy is missing");
            eprintln!("skipped: this test needs HAProxy (`apt install haproxy`, or scripts/test-machine.sh)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let [one, two] = urls.map(|url| url.trim_start_matches("http://").to_owned());
        let config = format!(
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  timeout tunnel 1h\n\
             listen app\n  bind 127.0.0.1:{port}\n{choice}\n  server one {one} cookie one\n  server two {two} cookie two\n"
        );
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, config).unwrap();
        let mut child =
            Command::new("haproxy").arg("-db").arg("-f").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "haproxy ended: {ended:?}");
            std::thread::yield_now();
        }
        Some(Self { child: child.unwrap(), port, _folder: folder })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn echo(transport: &str) -> String {
    format!(
        r#"
name = "echo"
seed = 3
[users.people]
count     = 16
connect   = "40/s"
transport = "{transport}"
[traffic.echo]
from = "people"
rate = "20/s"
emit = ["echo", "${{payload}}"]
ack  = true
[[phase]]
name = "steady"
for  = "2s"
[slo]
thresholds = ["echo.unanswered = 0", "generator.late p99 < 1m"]
"#
    )
}

fn two() -> Option<[App; 2]> {
    Some([App::start("way-in", &[("LABEL", "one")])?, App::start("way-in", &[("LABEL", "two")])?])
}

/// What went wrong, and what there was of signs.
fn told(place: &Place) -> (Value, Value) {
    let load = place.entry("load");
    (load["problems"].clone(), load["signs"].clone())
}

#[test]
fn haproxy_that_goes_by_a_cookie_lets_everybody_through() {
    let Some(nodes) = two() else { return };
    let Some(proxy) = HaProxy::start(
        "  balance roundrobin\n  cookie SERVERID insert indirect nocache",
        [&nodes[0].url(), &nodes[1].url()],
    ) else {
        return;
    };
    let place = Place::new();
    for transport in ["polling", "upgrade", "websocket"] {
        let (exit, said) = place.attempt(&echo(transport), &["--target", &proxy.url()]);
        assert_eq!(exit, 0, "{transport}: {said}");
        assert_eq!(place.entry("load")["users"]["connected"], 16, "{said}");
        let (_, signs) = told(&place);
        assert!(signs.to_string().contains("SERVERID"), "{signs}");
    }
    let served = nodes.map(|node| node.stats()["in"].as_u64().unwrap());
    assert!(served.iter().all(|users| *users >= 16), "both nodes: {served:?}");
}

#[test]
fn haproxy_that_goes_by_the_source_lets_everybody_through() {
    let Some(nodes) = two() else { return };
    let Some(proxy) = HaProxy::start("  balance source", [&nodes[0].url(), &nodes[1].url()]) else { return };
    let place = Place::new();
    for transport in ["polling", "upgrade"] {
        let (exit, said) = place.attempt(&echo(transport), &["--target", &proxy.url()]);
        assert_eq!(exit, 0, "{transport}: {said}");
    }
}

#[test]
fn haproxy_that_goes_by_nothing_is_not_sticky_and_that_is_said() {
    let Some(nodes) = two() else { return };
    let Some(proxy) =
        HaProxy::start("  balance roundrobin\n  option http-server-close", [&nodes[0].url(), &nodes[1].url()])
    else {
        return;
    };
    let place = Place::new();
    let (exit, said) = place.attempt(&echo("polling"), &["--target", &proxy.url()]);
    assert_ne!(exit, 0, "{said}");
    if place.record().iter().any(|entry| entry["type"] == "load") {
        let (problems, signs) = told(&place);
        assert!(problems.to_string().contains("has to be sticky"), "{problems}");
        assert!(signs.to_string().contains("x-node: one, two"), "{signs}");
    } else {
        assert!(said.contains("has to be sticky"), "{said}");
    }
}

const CHAT: &str = r#"
name = "chat"
seed = 2
[actions]
"join(room)" = { emit = ["join", "${room}"], ack = true }
[rooms.room]
count = 2
join  = ["join", "${room}"]
[users.people]
count = 16
in    = { room = 1 }
[traffic.say]
from        = "people"
rate        = "100/s"
emit        = ["say", "${room}", "${payload}"]
ack         = true
delivers_to = { event = "message", rooms = ["${room}"], except = "sender" }
[[phase]]
name = "steady"
for  = "2s"
[slo]
thresholds = ["say.missing = 0", "say.duplicate = 0", "say.misdelivered = 0", "say.out_of_order = 0", "generator.late p99 < 1m"]
"#;

fn rule(place: &Place, name: &str) -> Value {
    let rules = place.record().into_iter().filter(|entry| entry["type"] == "threshold");
    rules.into_iter().find(|rule| rule["threshold"].as_str().unwrap().starts_with(name)).unwrap()
}

#[test]
fn a_cluster_that_nobody_spoke_of_is_not_accused_of_what_only_one_server_owes() {
    let place = Place::new();
    // A message takes its time from node to node.
    if let Some(app) = App::start("mesh", &[("MODE", "slow")]) {
        let (exit, said) = place.attempt(CHAT, &["--target", &app.url()]);
        assert_eq!(exit, 4, "{said}");
        assert_eq!(rule(&place, "say.out_of_order")["verdict"], "unknown", "{said}");
        let counts = &place.entry("load")["traffic"][0]["counts"];
        assert!(
            counts["out_of_order"].as_u64().unwrap() > 0 && counts["out_of_order"] == counts["out_of_order_across"],
            "{counts}"
        );
        assert!(said.contains("signs of a cluster") && said.contains("--target"), "{said}");
        assert!(said.contains("say `topology = \"cluster\"` in [target]"), "{said}");
    }
    if let Some(app) = App::start("mesh", &[("MODE", "lossy")]) {
        let (exit, said) = place.attempt(CHAT, &["--target", &app.url()]);
        assert_eq!(exit, 4, "{said}");
        assert_eq!(rule(&place, "say.missing")["verdict"], "unknown", "{said}");
    }
}

#[test]
fn what_is_wrong_on_any_number_of_servers_stays_a_fact() {
    let place = Place::new();
    if let Some(app) = App::start("mesh", &[("MODE", "twice")]) {
        let (exit, said) = place.attempt(CHAT, &["--target", &app.url()]);
        assert_eq!(exit, 1, "{said}");
        assert_eq!(rule(&place, "say.duplicate")["verdict"], "broken", "{said}");
    }
    if let Some(app) = App::start("mesh", &[("MODE", "swap")]) {
        let (exit, said) = place.attempt(CHAT, &["--target", &app.url()]);
        assert_eq!(exit, 1, "{said}");
        assert_eq!(rule(&place, "say.out_of_order")["verdict"], "broken", "{said}");
    }
}

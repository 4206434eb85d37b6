//! What a broker that is away, or that says nonsense, does to a cluster and to its servers.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::{Place, code, has, has_node, stderr, stdout};

fn there_are_clusters() -> bool {
    has_node() && has("redis-server")
}

/// A load whose people are on both nodes.
fn load(target: &str, more: &str) -> String {
    let text = std::fs::read_to_string(crate::common::scenario("small.toml")).unwrap();
    let (load, _) = text.split_once("[slo]").unwrap();
    format!("{load}\n[target]\n{target}\n{more}\n[slo]\nthresholds = [\"errors <= 0%\", \"generator.late p99 < 1m\"]\n")
}

/// Plays a load; returns what was recorded of it.
fn played(place: &Place, fleet: &str, text: &str, steady: &str) -> Value {
    std::fs::write(place.path().join("load.toml"), text).unwrap();
    let steady = format!("steady={steady}");
    let args = ["run", "load.toml", "--target", fleet, "-q", "--out", "out", "--html", "out.html", "--set", &steady];
    let output = place.run(&args);
    assert!(matches!(code(&output), 0 | 1 | 4), "{}{}", stdout(&output), stderr(&output));
    place.entry("load")
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// Whoever was in stayed in, and the servers with them.
fn nobody_was_lost(load: &Value) {
    assert_eq!(load["aborted"], Value::Null, "{load}");
    assert_eq!((number(&load["users"]["failed"]), number(&load["users"]["disconnected"])), (0, 0), "{}", load["users"]);
    assert!(number(&load["users"]["connected"]) > 0);
}

#[test]
fn a_broker_that_is_away_takes_nobody_with_it() {
    if !there_are_clusters() {
        return;
    }
    let place = Place::new();
    let chaos = "[[chaos]]\nin = \"steady\"\nbroker = \"kill\"\nfor = \"1s\"\n\
                 [[chaos]]\nin = \"steady\"\nafter = \"500ms\"\nbroker = \"pause\"\nfor = \"1s\"\n\
                 [[chaos]]\nin = \"steady\"\nafter = \"800ms\"\nfreeze = \"100ms\"\n\
                 [[chaos]]\nin = \"steady\"\nafter = \"4s\"\nbroker = \"partition\"\nnode = 1\nfor = \"1s\"\n";
    let load = played(&place, "node-redis", &load("", chaos), "6s");
    nobody_was_lost(&load);
    let said = load["upsets"].to_string();
    for upset in ["the broker is killed and down for 1s", "the broker is stopped for 1s", "cut off from node 1 for 1s"]
    {
        assert!(said.contains(upset), "{said}");
    }
    // What is about the broker happens one after the other, whatever was planned; what is about a node waits for none of it.
    let at = |upset: usize, what: &str| load["upsets"][upset][what].as_f64().unwrap_or_else(|| panic!("{said}"));
    assert!(at(1, "began") >= at(0, "ended") && at(0, "ended") >= at(0, "began") + 1.0, "{said}");
    assert!(at(2, "ended") < at(1, "ended") && at(2, "began") < at(0, "ended"), "{said}");
    // What is missing was said in the outages, or right behind them.
    let of = |upset: &Value| number(&upset["losses"]["during"]) + number(&upset["losses"]["behind"]);
    let inside: u64 = load["upsets"].as_array().unwrap().iter().map(of).sum();
    let missing: u64 =
        load["traffic"].as_array().unwrap().iter().map(|traffic| number(&traffic["counts"]["missing"])).sum();
    assert_eq!((inside, number(&load["missing_elsewhere"])), (missing, 0), "{said}");
    let page = std::fs::read_to_string(place.path().join("out.html")).unwrap();
    assert!(page.contains("class=\"outage\"") && page.contains("outside of all of them"), "{page}");
}

/// A broker that is far away may stand still as well. What never had its turn is said, since the run is another one then.
#[test]
fn what_lasts_to_the_end_keeps_nothing_from_happening() {
    if !there_are_clusters() {
        return;
    }
    let place = Place::new();
    let chaos = "[[chaos]]\nin = \"steady\"\nbroker = \"delay\"\nby = \"20ms\"\n\
                 [[chaos]]\nin = \"steady\"\nafter = \"500ms\"\nbroker = \"pause\"\nfor = \"1s\"\n\
                 [[chaos]]\nin = \"steady\"\nafter = \"2s\"\nbroker = \"delay\"\nby = \"40ms\"\n";
    let far = played(&place, "node-redis", &load("", chaos), "8s");
    nobody_was_lost(&far);
    let upset = |number: usize, what: &str| far["upsets"][number][what].as_f64();
    assert!((0..3).all(|number| upset(number, "began").is_some()), "{}", far["upsets"]);
    assert!(upset(1, "ended") >= upset(1, "began").map(|began| began + 1.0), "{}", far["upsets"]);
    let longest = far["traffic"][0]["latency"]["delivery"]["max"].as_u64().unwrap();
    assert!(longest > 700_000_000, "a message waited for the broker: {longest} ns");

    let blocked = "[[chaos]]\nin = \"steady\"\nbroker = \"pause\"\nfor = \"20s\"\n\
                   [[chaos]]\nin = \"steady\"\nafter = \"1s\"\nbroker = \"kill\"\nfor = \"1s\"\n";
    std::fs::write(place.path().join("load.toml"), load("", blocked)).unwrap();
    let output = place.run(&["run", "load.toml", "--target", "node-redis", "-q", "--set", "steady=8s"]);
    let said = stdout(&output) + &stderr(&output);
    assert_eq!(code(&output), 4, "{said}");
    assert!(said.contains("`the broker is killed and down for 1s` did not happen"), "{said}");
}

#[test]
fn nodes_are_rolled_and_the_balancer_drops_everybody() {
    if !there_are_clusters() {
        return;
    }
    let place = Place::new();
    let target = "nodes = 2\nbroker = \"redis\"\nbalancer = \"cookie\"\nreconnect = { delay = \"50ms..500ms\" }";
    let chaos = "[[chaos]]\nin = \"steady\"\nbalancer = \"drop\"\n\
                 [[chaos]]\nin = \"steady\"\nafter = \"1s\"\nroll = \"kill\"\napart = \"500ms\"\n";
    let load = played(&place, "node", &load(target, chaos), "8s");
    nobody_was_lost(&load);
    assert!(load["upsets"].to_string().contains("one after the other"), "{}", load["upsets"]);
}

#[test]
fn chaos_that_cannot_be_is_refused() {
    let place = Place::new();
    let problem = |target: &str, chaos: &str, more: &[&str]| {
        std::fs::write(place.path().join("load.toml"), load(target, &format!("[[chaos]]\n{chaos}\n"))).unwrap();
        let output = place.run(&[&["run", "load.toml"], more].concat());
        assert_eq!(code(&output), 2, "{chaos}: {}{}", stdout(&output), stderr(&output));
        stderr(&output)
    };
    let joined = "broker = \"redis\"";
    assert!(problem("", "broker = \"pause\"\nfor = \"1s\"", &[]).contains("there is none; add `broker`"));
    assert!(problem(joined, "broker = \"pause\"", &[]).contains("for how long?"));
    assert!(problem(joined, "broker = \"pase\"\nfor = \"1s\"", &[]).contains("`pause`"));
    assert!(problem(joined, "broker = \"delay\"", &[]).contains("needs `by`"));
    assert!(problem(joined, "broker = \"kill\"\nfor = \"1s\"\nnode = 1", &[]).contains("`node` does not go with this"));
    assert!(problem(joined, "broker = \"partition\"\nfor = \"1s\"\nnode = 2", &[]).contains("there are 2 nodes"));
    assert!(problem(joined, "balancer = \"drop\"", &[]).contains("add `balancer`"));
    let running = "broker = \"redis://127.0.0.1:1\"";
    assert!(problem(running, "broker = \"pause\"\nfor = \"1s\"", &[]).contains("127.0.0.1:1 was not started"));
}

/// A Redis of the test's own.
struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--dir", "/tmp", "--port", &port.to_string()]);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(child.try_wait().unwrap().is_none(), "redis-server ended");
            std::thread::yield_now();
        }
        Self { child, port }
    }

    /// Sends a command, and returns how its answer begins.
    fn command(&self, words: &[&[u8]]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend(format!("${}\r\n", word.len()).as_bytes());
            bytes.extend(*word);
            bytes.extend(b"\r\n");
        }
        stream.write_all(&bytes).unwrap();
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What no node has said: no message, half of one, or one of another kind.
const GARBAGE: [&[u8]; 16] = [
    b"",
    b"{",
    b"{}",
    b"[]",
    b"null",
    b"\xc1",
    b"\x93\xa6abc",
    b"\x93\x01\x02\x03",
    b"\x93\xa1x\xc0\xc0",
    b"\xdf\xff\xff\xff\xff",
    b"\x81\xa4type\x07",
    b"{\"type\":99}",
    b"{\"type\":2}",
    b"{\"type\":5,\"requestId\":null}",
    b"{\"type\":8,\"requestId\":{}}",
    b"{\"type\":3,\"data\":1,\"nsp\":\"/\"}",
];
const CHANNELS: [&str; 4] = ["socket.io#/#", "socket.io#/#red#", "socket.io-request#/#", "socket.io-response#/#"];

/// RW-07. What else the nodes hear is delivered all the same.
#[test]
fn nonsense_on_the_broker_harms_nobody() {
    if !has("redis-server") {
        return;
    }
    let redis = Redis::start();
    let place = Place::new();
    let target = format!("broker = \"redis://127.0.0.1:{}\"", redis.port);
    std::fs::write(place.path().join("load.toml"), load(&target, "")).unwrap();
    let mut run =
        place.start(&["run", "load.toml", "--target", "reference-redis", "--out", "out", "--set", "steady=3s"]);
    run.wait_for("steady");
    for channel in CHANNELS {
        for garbage in GARBAGE {
            let answer = redis.command(&[b"PUBLISH", channel.as_bytes(), garbage]);
            assert!(answer.starts_with(':'), "{answer}");
        }
    }
    // Two nodes listen to what is said to the namespace: the nonsense has reached them.
    assert_eq!(redis.command(&[b"PUBLISH", b"socket.io-request#/#", b"end"]), ":2\r\n");
    run.finish();
    let load = place.entry("load");
    nobody_was_lost(&load);
    assert_eq!(number(&load["traffic"][0]["counts"]["missing"]), 0, "{}", load["traffic"][0]);
}

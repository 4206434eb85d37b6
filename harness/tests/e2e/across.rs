//! Loads on real clusters that sio-bench did not start: Node's servers on one Redis. A correct one is not accused, whatever
//! stands in front of it and however far its broker is; what it loses is counted to the unit.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::apps::{App, modules, port_of};
use crate::balancer::HaProxy;
use crate::common::{Place, has, has_node, is_sound, targets};

/// A process, for as long as this lives.
pub struct Process {
    child: Child,
    pub port: u16,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nodes of a cluster, and their Redis.
struct Joined {
    nodes: [Process; 2],
    redis: Process,
    _far: Option<App>,
}

/// How the nodes of a cluster are started.
#[derive(Default)]
struct Wanted<'a> {
    adapter: &'a str,
    /// Milliseconds that everything takes to the broker, and back.
    delay: Option<&'a str>,
    /// Of what a node publishes, every so many-th is lost; and where it is told how many.
    lossy: Option<(&'a str, &'a Path)>,
}

pub fn redis() -> Process {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .current_dir(std::env::temp_dir())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("Ready to accept connections")), "redis-server ended");
    // Whatever else it says must not fill the pipe.
    std::thread::spawn(move || lines.map_while(Result::ok).count());
    Process { child, port }
}

fn node(number: usize, redis: u16, wanted: &Wanted<'_>) -> Process {
    let mut command = Command::new("node");
    if let Some((every, folder)) = wanted.lossy {
        let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps/lossy-redis.js");
        command.arg("--require").arg(app).env("LOSE", every).env("LOST", folder.join("lost"));
    }
    let mut child = command
        .arg("server.js")
        .current_dir(targets().join("node"))
        .envs([("PORT", "0"), ("SIO_JOURNAL", "0"), ("SIO_NODE", if number == 0 { "east" } else { "west" })])
        .env("SIO_ADAPTER", format!("{}://127.0.0.1:{redis}", wanted.adapter))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let port = port_of(&mut child, "a node");
    Process { child, port }
}

impl Joined {
    /// `None` where something is missing, which is said.
    fn start(wanted: &Wanted<'_>) -> Option<Self> {
        if !has_node() || !has("redis-server") {
            return None;
        }
        modules();
        let redis = redis();
        let far =
            wanted.delay.and_then(|delay| App::start("far", &[("TARGET", &redis.port.to_string()), ("DELAY", delay)]));
        let broker = far.as_ref().map_or(redis.port, |far| far.url().rsplit(':').next().unwrap().parse().unwrap());
        Some(Self { nodes: [0, 1].map(|number| node(number, broker, wanted)), redis, _far: far })
    }

    fn urls(&self) -> [String; 2] {
        [0, 1].map(|number| format!("http://127.0.0.1:{}", self.nodes[number].port))
    }

    /// All of it as `urls` of `[target]`.
    fn target(&self) -> String {
        let [one, two] = self.urls();
        format!("urls = [\"{one}\", \"{two}\"]\ntopology = \"cluster\"")
    }
}

/// A chat in which rooms overlap; `more` is about its users.
fn chat(target: &str, more: &str, seconds: u32) -> String {
    format!(
        r#"
name = "chat"
seed = 5
[target]
{target}
[actions]
"join(room)"       = {{ emit = ["join", "${{room}}"], ack = true }}
"tell(room, what)" = {{ emit = ["emit", {{ via = "socket", to = ["${{room}}"], event = "msg", args = ["${{what}}"] }}], ack = true }}
"both(a, b, what)" = {{ emit = ["emit", {{ to = ["${{a}}", "${{b}}"], event = "both", args = ["${{what}}"] }}], ack = true }}
[rooms.lobby]
count = 3
join  = ["join", "${{room}}"]
[users.people]
count = 18
connect = "100/s"
in    = {{ lobby = 2 }}
{more}
[traffic.tell]
from        = "people"
rate        = "60/s"
do          = ["tell", "${{room}}", "${{payload}}"]
ack         = true
delivers_to = {{ event = "msg", rooms = ["${{room}}"], except = "sender", history = false }}
[traffic.both]
from        = "people"
rate        = "10/s"
do          = ["both", "${{room}}", "${{room.next}}", "${{payload}}"]
ack         = true
delivers_to = {{ event = "both", rooms = ["${{room}}", "${{room.next}}"], history = false }}
[[phase]]
name = "steady"
for  = "{seconds}s"
[slo]
thresholds = ["tell.missing = 0", "tell.duplicate = 0", "tell.misdelivered = 0", "tell.out_of_order = 0", "both.missing = 0",
         "both.duplicate = 0", "both.misdelivered = 0", "both.out_of_order = 0", "oracle.certainty >= 95%", "generator.late p99 < 1m"]
"#
    )
}

/// What a run found, which has accused nobody and left hardly anything undecided.
fn passes(scenario: &str) -> (Value, String) {
    let place = Place::new();
    let (exit, said) = place.attempt(scenario, &[]);
    (sound(&place, Some(exit), &said), said)
}

/// What the record of such a run says of the cluster.
fn sound(place: &Place, exit: Option<i32>, said: &str) -> Value {
    assert!(is_sound(exit, said), "{said}");
    let load = place.entry("load");
    assert_eq!(load["users"]["connected"], 18, "{said}");
    assert!(load["traffic"][0]["counts"]["owed"].as_u64().unwrap() > 200, "{said}");
    load["cluster"].clone()
}

/// The names of the servers between which something was owed.
fn pairs(cluster: &Value) -> Vec<String> {
    let name = |pair: &Value| format!("{}>{}", pair["from"].as_str().unwrap(), pair["to"].as_str().unwrap());
    cluster["pairs"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn a_correct_cluster_of_several_addresses_is_not_accused() {
    for adapter in ["redis", "redis-sharded", "redis-streams"] {
        let Some(cluster) = Joined::start(&Wanted { adapter, ..Wanted::default() }) else { return };
        let (found, said) = passes(&chat(&cluster.target(), "", 1));
        assert_eq!(pairs(&found), ["0>0", "0>1", "1>0", "1>1"], "{adapter}: {said}");
        assert!(said.contains("losses were decided by cluster fences"), "{adapter}: {said}");
    }
}

#[test]
fn a_correct_cluster_whose_broker_is_far_is_not_accused() {
    let Some(cluster) = Joined::start(&Wanted { adapter: "redis", delay: Some("20"), ..Wanted::default() }) else {
        return;
    };
    // Long enough for a fence amid the load: those ahead of it and at its end say nothing of the way.
    let (found, said) = passes(&chat(&cluster.target(), "", 8));
    assert!(found["crossing"]["min"].as_u64().unwrap() > 20_000_000, "{found}: {said}");
}

#[test]
fn a_correct_cluster_behind_one_address_is_not_accused_though_its_broker_stands_still() {
    let Some(cluster) = Joined::start(&Wanted { adapter: "redis", ..Wanted::default() }) else { return };
    let [one, two] = cluster.urls();
    let Some(proxy) = HaProxy::start("  mode tcp\n  balance roundrobin", [&one, &two]) else { return };
    let target = format!("url = \"{}\"\ntopology = \"cluster\"", proxy.url());
    let place = Place::new();
    std::fs::write(place.path().join("scenario.toml"), chat(&target, "", 8)).unwrap();
    let mut running = place.start(&["run", "scenario.toml", "--out", "out"]);
    running.wait_for("steady");
    let redis = cluster.redis.port.to_string();
    let paused = Command::new("redis-cli").args(["-p", &redis, "client", "pause", "7000", "all"]).output().unwrap();
    assert!(paused.status.success());
    let (exit, said) = running.finish();
    let found = sound(&place, exit, &said);
    assert!(said.contains("the answer to whoami"), "{said}");
    assert_eq!(pairs(&found).len(), 4, "{found}");
}

#[test]
fn a_correct_cluster_behind_a_sticky_balancer_is_not_accused() {
    let Some(cluster) = Joined::start(&Wanted { adapter: "redis", ..Wanted::default() }) else { return };
    let [one, two] = cluster.urls();
    let sticky = "  balance roundrobin\n  cookie SERVERID insert indirect nocache";
    let Some(proxy) = HaProxy::start(sticky, [&one, &two]) else { return };
    let target = format!("url = \"{}\"\ntopology = \"cluster\"\nnode_label = {{ cookie = \"SERVERID\" }}", proxy.url());
    let (found, said) = passes(&chat(&target, "transport = { polling = 1, upgrade = 2, websocket = 1 }", 2));
    let mut pairs = pairs(&found);
    pairs.sort_unstable();
    assert_eq!(pairs, ["one>one", "one>two", "two>one", "two>two"], "{said}");
}

/// As an application runs it: one port, whose connections the primary shares out.
fn workers() -> Option<Process> {
    if !has_node() {
        return None;
    }
    modules();
    let mut child = Command::new("node")
        .arg("primary.js")
        .current_dir(targets().join("node"))
        .envs([("PORT", "0"), ("WORKERS", "2"), ("SIO_JOURNAL", "0")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let port = port_of(&mut child, "the primary");
    Some(Process { child, port })
}

#[test]
fn correct_workers_behind_their_sticky_primary_are_not_accused() {
    let Some(primary) = workers() else { return };
    let target = format!("url = \"http://127.0.0.1:{}\"\ntopology = \"cluster\"", primary.port);
    let scenario = chat(&target, "transport = { polling = 1, upgrade = 2, websocket = 1 }", 1);
    for _ in 0..4 {
        let place = Place::new();
        let (exit, said) = place.attempt(&scenario, &[]);
        // The primary hears of a session from its worker, and on a busy machine the session's next request may be faster.
        if exit == 4 && said.contains("Session ID unknown") {
            continue;
        }
        let mut pairs = pairs(&sound(&place, Some(exit), &said));
        pairs.sort_unstable();
        return assert_eq!(pairs, ["0>0", "0>1", "1>0", "1>1"], "{said}");
    }
    eprintln!("skipped: @socket.io/sticky sent requests to the wrong worker in each of four runs");
}

/// Everybody is in one room, so a message that is not published is missing for each user of the other node.
/// What shows a loss must cross itself: where nothing does, nobody is accused, and nothing has passed.
#[test]
fn a_cluster_in_which_nothing_crosses_has_not_passed() {
    let place = Place::new();
    let lossy = Some(("all", place.path()));
    let Some(cluster) = Joined::start(&Wanted { adapter: "redis", lossy, ..Wanted::default() }) else { return };
    let (exit, said) = place.attempt(&chat(&cluster.target(), "", 3), &[]);
    assert_eq!(exit, 4, "{said}");
    for direction in ["from server 0 to 1: ", "from server 1 to 0: "] {
        assert!(said.contains(direction), "{said}");
    }
    assert!(said.contains("it is not decided whether they are lost"), "{said}");
}

/// Nobody waits for a message that was refused, and between which servers it would have gone decides nothing.
#[test]
fn a_message_that_is_refused_crosses_to_nobody() {
    let Some(cluster) = Joined::start(&Wanted { adapter: "redis", ..Wanted::default() }) else { return };
    let place = Place::new();
    let text = chat(&cluster.target(), "", 1);
    // What is refused does not come: the fixture sends it under another name.
    let refusing = text.replacen("ack         = true", "ack         = [{ not = \"what it says\" }]", 1).replacen(
        "event = \"msg\", args",
        "event = \"elsewhere\", args",
        1,
    );
    let (exit, said) = place.attempt(&refusing, &[]);
    assert_eq!(exit, 1, "{said}");
    assert!(said.contains(" refused of tell, and no threshold says how many may be"), "{said}");
    let load = place.entry("load");
    let counts = |traffic: usize, name: &str| load["traffic"][traffic]["counts"][name].as_u64().unwrap();
    assert_eq!((counts(0, "refused"), counts(0, "owed"), counts(0, "undecided")), (counts(0, "sent"), 0, 0), "{said}");
    let of_pairs = |name: &str| -> u64 {
        load["cluster"]["pairs"].as_array().unwrap().iter().map(|pair| pair[name].as_u64().unwrap()).sum()
    };
    assert_eq!((of_pairs("owed"), of_pairs("undecided")), (counts(1, "owed"), 0), "{said}");
}

#[test]
fn what_is_lost_between_servers_is_counted_to_the_unit() {
    let place = Place::new();
    let lossy = Some(("50", place.path()));
    let Some(cluster) = Joined::start(&Wanted { adapter: "redis", lossy, ..Wanted::default() }) else { return };
    let scenario = chat(&cluster.target(), "", 3).replace("count = 3", "count = 2");
    let (exit, said) = place.attempt(&scenario, &[]);
    let lost = |node: &str| -> u64 {
        std::fs::read_to_string(place.path().join(format!("lost-{node}"))).map_or(0, |text| text.parse().unwrap())
    };
    let (east, west) = (lost("east"), lost("west"));
    assert!(east + west > 0, "nothing was lost: {said}");
    assert_eq!(exit, 1, "{said}");
    let load = place.entry("load");
    let missing = |from: &str, to: &str| -> u64 {
        let pairs = load["cluster"]["pairs"].as_array().unwrap();
        let found = pairs.iter().find(|pair| pair["from"] == from && pair["to"] == to).unwrap();
        assert_eq!(found["undecided"], 0, "{found}: {said}");
        found["missing"].as_u64().unwrap()
    };
    assert_eq!((missing("0", "1"), missing("1", "0")), (9 * east, 9 * west), "{said}");
    assert_eq!((missing("0", "0"), missing("1", "1")), (0, 0), "{said}");
    assert!(
        said.contains("which its sender sent after it on the same connection") || said.contains("cluster fence at"),
        "{said}"
    );
    assert!(said.contains("no case: the clients of a case are all at one server"), "{said}");
}

/// An application that is no fixture, on two nodes that say who they are.
#[test]
fn a_cluster_without_the_fixture_is_judged_by_what_its_users_send() {
    for (mode, rule, verdict) in [
        ("slow", "tell.missing", "holds"),
        ("lossy", "tell.missing", "broken"),
        ("swap", "tell.out_of_order", "broken"),
    ] {
        let Some(app) = App::start("mesh", &[("MODE", mode)]) else { return };
        let place = Place::new();
        let target = format!(
            "url = \"{}\"\ntopology = \"cluster\"\nnode_label = {{ header = \"x-node\" }}\nsettle_within = \"1s\"",
            app.url()
        );
        let scenario = format!(
            r#"
name = "say"
seed = 2
[target]
{target}
[rooms.room]
count = 2
join  = ["join", "${{room}}"]
[actions]
"join(room)" = {{ emit = ["join", "${{room}}"], ack = true }}
[users.people]
count = 16
in    = {{ room = 1 }}
[traffic.tell]
from        = "people"
rate        = "100/s"
emit        = ["say", "${{room}}", "${{payload}}"]
ack         = true
delivers_to = {{ event = "message", rooms = ["${{room}}"], except = "sender" }}
[[phase]]
name = "steady"
for  = "2s"
[slo]
thresholds = ["tell.missing = 0", "tell.duplicate = 0", "tell.misdelivered = 0", "tell.out_of_order = 0", "generator.late p99 < 1m"]
"#
        );
        let (exit, said) = place.attempt(&scenario, &[]);
        let rules: Vec<_> = place.record().into_iter().filter(|entry| entry["type"] == "threshold").collect();
        let found = rules.iter().find(|found| found["threshold"].as_str().unwrap().starts_with(rule)).unwrap();
        assert_eq!(found["verdict"], verdict, "{mode}: {said}");
        assert_eq!(exit, i32::from(verdict != "holds"), "{mode}: {said}");
        assert!(said.contains("the header x-node"), "{mode}: {said}");
    }
}

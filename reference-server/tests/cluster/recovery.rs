//! Clients that lose their connection to one node and take up on another (CL-16).

use std::time::Duration;

use serde_json::{Value as Json, json};
use sio_reference_server::{Options, Recovery, Redis};

use crate::common::{Broker, Client, Node};

async fn reference(label: &str, url: &str) -> Node {
    let options = Options { connection_state_recovery: Some(Recovery::default()), ..Options::default() };
    Node::with(label, Redis::by_scheme(url).unwrap(), options).await
}

async fn node(kind: &str, label: &str, url: &str) -> Option<Node> {
    match kind {
        "reference" => Some(reference(label, url).await),
        _ => Node::javascript(label, url, &[("SIO_RECOVERY", "120000")]).await,
    }
}

/// The event without its place, which is the second.
fn split(mut event: Json) -> (Json, String) {
    let offset = event.as_array_mut().unwrap().pop().unwrap();
    let Json::String(offset) = offset else { panic!("no place behind {event}, but {offset}") };
    (event, offset)
}

/// The next event, without its place.
async fn next(client: &mut Client) -> (Json, String) {
    split(client.event().await)
}

/// What came ahead of the confirmation, and its places. The fixture's greeting is not looked at: another node's event that was sent
/// later may be ahead of it in the stream, and then the greeting is among what was missed.
fn was_missed(client: &mut Client) -> (Vec<Json>, Vec<String>) {
    client.early.drain(..).map(split).filter(|(event, _)| event[0] != "auth").unzip()
}

fn auth(pid: &str, offset: &str) -> String {
    json!({ "pid": pid, "offset": offset }).to_string()
}

/// Waits until the session of a client that was cut is kept.
pub(crate) async fn kept(broker: &Broker, pid: &str) {
    let mut client = broker.client().await;
    let question = redis::Cmd::exists(format!("sio:session:{pid}"));
    crate::common::soon("session", async {
        while !question.query_async::<bool>(&mut client).await.unwrap() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn takes_up(kinds: [&str; 2]) {
    let Some(broker) = Broker::start().await else { return };
    let url = broker.url("redis-streams");
    let Some(first) = node(kinds[0], "A", &url).await else { return };
    let Some(second) = node(kinds[1], "B", &url).await else { return };
    let mut speaker = second.connect().await;
    let mut client = first.connect().await;
    client.call("join", json!(["red"])).await;
    client.call("data", json!([{ "name": "me" }])).await;
    speaker.call("emit", json!([{ "event": "seen" }])).await;
    let (seen, offset) = next(&mut client).await;
    assert_eq!(seen, json!(["seen"]));
    let (sid, pid) = (client.sid.clone(), client.pid.clone());
    drop(client);
    kept(&broker, &pid).await;
    for request in [
        json!({ "event": "all", "args": [1, "é"] }),
        json!({ "event": "red", "to": "red" }),
        json!({ "event": "blue", "to": "blue" }),
        json!({ "event": "not red", "except": "red" }),
        json!({ "event": "own", "to": sid }),
        json!({ "event": "local", "local": true }),
    ] {
        speaker.call("emit", json!([request])).await;
    }
    let mut back = Client::new(second.address, "/", &auth(&pid, &offset)).await;
    assert_eq!((&back.sid, &back.pid), (&sid, &pid));
    let (missed, places) = was_missed(&mut back);
    assert_eq!(missed, [json!(["all", 1, "é"]), json!(["red"]), json!(["own"])]);
    let me = back.call("whoami", json!([])).await;
    assert_eq!((&me["recovered"], &me["node"]), (&json!(true), &json!("B")));
    assert!(me["rooms"].as_array().unwrap().contains(&json!("red")));
    assert_eq!(back.call("data", json!([])).await, json!({ "name": "me", "node": "B" }));
    // What comes next is for it as before, and it may lose its connection again.
    speaker.call("emit", json!([{ "event": "next", "to": "red" }])).await;
    assert_eq!(next(&mut back).await.0, json!(["next"]));
    drop(back);
    kept(&broker, &pid).await;
    let mut again = Client::new(first.address, "/", &auth(&pid, places.last().unwrap())).await;
    assert_eq!(again.sid, sid);
    assert_eq!(was_missed(&mut again).0, [json!(["next"])]);
    // CSR-09: one at a time.
    let other = Client::new(second.address, "/", &auth(&pid, places.last().unwrap())).await;
    assert_ne!(other.sid, sid);
}

/// ADM-09: sessions are kept by their private ids alone, which are the same for all namespaces.
#[tokio::test]
async fn a_private_id_of_another_namespace_opens_no_door() {
    let Some(broker) = Broker::start().await else { return };
    let url = broker.url("redis-streams");
    let (first, second) = (reference("A", &url).await, reference("B", &url).await);
    let mut speaker = second.connect().await;
    let mut client = first.connect().await;
    speaker.call("emit", json!([{ "event": "seen" }])).await;
    let (_, offset) = next(&mut client).await;
    let (sid, pid) = (client.sid.clone(), client.pid.clone());
    drop(client);
    kept(&broker, &pid).await;
    for node in [&first, &second] {
        let stranger = Client::new(node.address, "/dynamic-1", &auth(&pid, &offset)).await;
        assert_ne!(stranger.sid, sid);
        kept(&broker, &pid).await;
    }
    let back = Client::new(second.address, "/", &auth(&pid, &offset)).await;
    assert_eq!(back.sid, sid);
}

#[tokio::test]
async fn on_another_reference_node() {
    takes_up(["reference", "reference"]).await;
}

#[tokio::test]
async fn from_node_to_reference() {
    takes_up(["node", "reference"]).await;
}

#[tokio::test]
async fn from_reference_to_node() {
    takes_up(["reference", "node"]).await;
}

/// CSR-06: whoever asks for what is not there starts afresh.
#[tokio::test]
async fn strangers_start_afresh() {
    let Some(broker) = Broker::start().await else { return };
    let first = reference("A", &broker.url("redis-streams")).await;
    let mut client = first.connect().await;
    let (_, offset) = next_greeting(&mut client).await;
    let pid = client.pid.clone();
    drop(client);
    for wrong in [auth("nobody", &offset), auth(&pid, "x"), auth(&pid, "1-1-1"), json!({ "pid": pid }).to_string()] {
        let stranger = Client::new(first.address, "/", &wrong).await;
        assert!(stranger.pid != pid && !stranger.pid.is_empty());
    }
    kept(&broker, &pid).await;
    let late = Client::new(first.address, "/", &auth(&pid, "1-1")).await;
    assert_ne!(late.pid, pid, "nothing was ever there");
}

async fn next_greeting(client: &mut Client) -> (Json, String) {
    let greeting = client.raw_event().await;
    split(greeting)
}

/// How many times a client is cut while messages come: `SIO_CUTS` for more.
fn cuts() -> usize {
    std::env::var("SIO_CUTS").ok().and_then(|cuts| cuts.parse().ok()).unwrap_or(25)
}

/// CL-16: nothing is lost and nothing comes twice, wherever the connection breaks and wherever it is made again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_cut_again_and_again_misses_nothing() {
    let Some(broker) = Broker::start().await else { return };
    let url = broker.url("redis-streams");
    let nodes = [reference("A", &url).await, reference("B", &url).await];
    let speakers: Vec<_> = nodes.iter().map(|node| tokio::spawn(speak(node.io.clone().unwrap()))).collect();
    let mut listener = Listener::new(&nodes[0]).await;
    let (mut recovered, all) = (0, cuts());
    for cut in 0..all {
        recovered += usize::from(listener.hop(&broker, &nodes[(cut + 1) % 2], cut % 7).await);
    }
    speakers.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(recovered, all, "each time it took up where it was");
}

/// Emits numbers for as long as it may, to everybody and to a room.
async fn speak(io: sio_reference_server::Server) {
    let label = format!("{:x}", rand::random::<u32>());
    for number in 0_u64.. {
        let to = if number % 3 == 0 { io.broadcast() } else { io.to("red") };
        to.emit("n", (&label, number)).unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A client that counts.
struct Listener {
    client: Client,
    offset: String,
    next: std::collections::HashMap<String, u64>,
}

impl Listener {
    async fn new(node: &Node) -> Self {
        let mut client = node.connect().await;
        client.call("join", json!(["red"])).await;
        // What was said to the room ahead of that is not for it.
        client.forget();
        let mut listener = Self { client, offset: String::new(), next: std::collections::HashMap::new() };
        listener.hear(20).await;
        listener
    }

    fn count(&mut self, event: Json) {
        let (event, offset) = split(event);
        self.offset = offset;
        if event[0] != "n" {
            return;
        }
        let (label, number) = (event[1].as_str().unwrap().to_owned(), event[2].as_u64().unwrap());
        if let Some(expected) = self.next.insert(label, number + 1) {
            assert_eq!(number, expected, "lost, doubled or out of order");
        }
    }

    async fn hear(&mut self, events: usize) {
        for _ in 0..events {
            let event = self.client.event().await;
            self.count(event);
        }
    }

    /// Loses the connection and takes up on another node, after having heard so much.
    async fn hop(&mut self, broker: &Broker, to: &Node, events: usize) -> bool {
        self.hear(events).await;
        let pid = self.leave(broker).await;
        self.take_up(&pid, to).await
    }

    async fn leave(&mut self, broker: &Broker) -> String {
        let pid = self.client.pid.clone();
        self.client.cut().await;
        kept(broker, &pid).await;
        pid
    }

    /// Whether it could.
    async fn take_up(&mut self, pid: &str, to: &Node) -> bool {
        self.client = Client::new(to.address, "/", &auth(pid, &self.offset)).await;
        let early: Vec<_> = self.client.early.drain(..).collect();
        early.into_iter().for_each(|event| self.count(event));
        self.client.pid == *pid
    }
}

/// CL-16: a node that has come later has not seen anything, and reads the stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_new_knows_what_was_missed() {
    let Some(broker) = Broker::start().await else { return };
    let url = broker.url("redis-streams");
    let first = reference("A", &url).await;
    let speaker = tokio::spawn(speak(first.io.clone().unwrap()));
    let mut listener = Listener::new(&first).await;
    for _ in 0..12 {
        listener.hear(3).await;
        let pid = listener.leave(&broker).await;
        let new = reference("new", &url).await;
        assert!(listener.take_up(&pid, &new).await, "it took up where it was");
        listener.hear(3).await;
        let pid = listener.leave(&broker).await;
        assert!(listener.take_up(&pid, &first).await, "and here again");
    }
    speaker.abort();
}

/// RW-10: the broker drops its connections; the node goes on reading where it was.
#[tokio::test]
async fn a_link_that_breaks_loses_nothing() {
    let Some(broker) = Broker::start().await else { return };
    let url = broker.url("redis-streams");
    let nodes = [reference("A", &url).await, reference("B", &url).await];
    let (mut a, mut b) = (nodes[0].connect().await, nodes[1].connect().await);
    crate::common::fence(&mut a, &mut [&mut b]).await;
    for n in 0..20 {
        // Those that read are cut, and those that hear; what is written meanwhile is in the stream.
        for kind in ["normal", "pubsub"] {
            let mut command = redis::cmd("CLIENT");
            command.arg("KILL").arg("TYPE").arg(kind).arg("SKIPME").arg("yes");
            if n % 5 == 0 {
                command.exec_async(&mut broker.client().await).await.unwrap();
            }
        }
        let mut command = redis::cmd("XADD");
        command.arg("socket.io").arg("*").arg("uid").arg("other").arg("nsp").arg("/").arg("type").arg(3);
        let data =
            json!({ "packet": { "type": 2, "data": ["n", n] }, "opts": { "rooms": [], "except": [], "flags": {} } });
        command.arg("data").arg(data.to_string()).exec_async(&mut broker.client().await).await.unwrap();
    }
    for client in [&mut a, &mut b] {
        for n in 0..20 {
            assert_eq!(next(client).await.0, json!(["n", n]));
        }
    }
}

/// CL-13: without its broker a node serves its own clients, and does not promise them what it cannot keep.
#[tokio::test]
async fn without_a_broker_events_have_no_place() {
    let Some(mut broker) = Broker::start().await else { return };
    let first = reference("A", &broker.url("redis-streams")).await;
    let (mut a, mut b) = (first.connect().await, first.connect().await);
    a.call("emit", json!([{ "event": "with" }])).await;
    let (with, offset) = next(&mut b).await;
    assert_eq!(with, json!(["with"]));
    broker.kill().await;
    for n in 0..10 {
        a.call("emit", json!([{ "event": "n", "args": [n] }])).await;
    }
    for n in 0..10 {
        assert_eq!(b.event().await, json!(["n", n]), "in order, once, and without a place");
    }
    broker.restart().await;
    assert!(first.redis.as_ref().unwrap().ready(Duration::from_secs(10)).await);
    // It would get the ten again, which have reached the stream by now.
    let (pid, sid) = (b.pid.clone(), b.sid.clone());
    drop(b);
    let fresh = Client::new(first.address, "/", &auth(&pid, &offset)).await;
    assert_ne!(fresh.sid, sid);
}

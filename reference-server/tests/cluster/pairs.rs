//! What holds for two nodes, whichever they are.

use serde_json::{Value as Json, json};

use crate::common::{Broker, Client, Node, fence};

/// The nodes of a test: what is done is done on the first.
async fn pair(broker: &Broker, scheme: &str, kinds: [&str; 2]) -> Option<[Node; 2]> {
    let url = broker.url(scheme);
    let mut nodes = Vec::new();
    for (kind, label) in kinds.iter().zip(["A", "B"]) {
        nodes.push(match *kind {
            "reference" => Node::reference(label, &url).await,
            _ => Node::javascript(label, &url, &[]).await?,
        });
    }
    nodes.try_into().ok()
}

/// Two clients of the first node and one of the second.
struct World {
    a: Client,
    other: Client,
    b: Client,
}

impl World {
    async fn new(nodes: &[Node; 2]) -> Self {
        let mut world =
            Self { a: nodes[0].connect().await, other: nodes[0].connect().await, b: nodes[1].connect().await };
        world.settle().await;
        world
    }

    /// Both nodes hear each other, and everything that was emitted has come. What had come, by client.
    async fn settle(&mut self) -> [Vec<Json>; 3] {
        let Self { a, other, b } = self;
        let behind_a = fence(a, &mut [other, b]).await;
        let behind_b = fence(b, &mut [a, other]).await;
        let ([mut a_seen, mut other_seen, mut b_seen], [b_more, a_more, other_more]): ([_; 3], [_; 3]) =
            (behind_a.try_into().unwrap(), behind_b.try_into().unwrap());
        a_seen.extend(a_more);
        other_seen.extend(other_more);
        b_seen.extend(b_more);
        [a_seen, other_seen, b_seen]
    }

    async fn emit(&mut self, request: Json) {
        assert_eq!(self.a.call("emit", json!([request])).await, json!({}), "{request}");
    }
}

fn sorted(mut list: Vec<Json>) -> Vec<Json> {
    list.sort_by_key(ToString::to_string);
    list
}

/// CL-01 to CL-05, CL-11, RW-01: who gets what, once and in order.
async fn broadcasts(nodes: &[Node; 2]) {
    let mut world = World::new(nodes).await;
    world.other.call("join", json!(["red"])).await;
    world.b.call("join", json!([["red", "blue", "7"]])).await;
    world.settle().await;
    let b = world.b.sid.clone();
    world.emit(json!({ "event": "all", "args": [1, "é\u{1F600}", null, 1.5, -3, { "k": [true] }] })).await;
    world.emit(json!({ "event": "blue", "to": "blue" })).await;
    world.emit(json!({ "event": "union", "to": ["red", "blue"] })).await;
    world.emit(json!({ "event": "spared", "except": "blue" })).await;
    world.emit(json!({ "event": "both", "to": "red", "except": "blue" })).await;
    world.emit(json!({ "event": "nobody", "to": "green" })).await;
    world.emit(json!({ "event": "seven", "to": "7" })).await;
    world.emit(json!({ "event": "own", "to": b })).await;
    world.emit(json!({ "event": "others", "via": "socket" })).await;
    world.emit(json!({ "event": "quiet", "compress": false })).await;
    world.emit(json!({ "event": "n", "repeat": 50 })).await;
    let [a_seen, other_seen, b_seen] = world.settle().await;
    // With Node's stream what is local overtakes what was emitted before, so it is alone here.
    world.emit(json!({ "event": "here", "local": true })).await;
    assert_eq!(world.settle().await, [vec![json!(["here"])], vec![json!(["here"])], vec![]]);
    let all = json!(["all", 1, "é\u{1F600}", null, 1.5, -3, { "k": [true] }]);
    let numbers: Vec<_> = (0..50).map(|n| json!(["n", n])).collect();
    let expected = |names: &[&str]| -> Vec<Json> {
        let named = names.iter().map(|name| json!([name]));
        [all.clone()].into_iter().chain(named).chain(numbers.clone()).collect()
    };
    assert_eq!(a_seen, expected(&["spared", "quiet"]));
    assert_eq!(other_seen, expected(&["union", "spared", "both", "others", "quiet"]));
    assert_eq!(b_seen, expected(&["blue", "union", "seven", "own", "others", "quiet"]));
}

/// CL-05: bytes.
async fn binary(nodes: &[Node; 2]) {
    let mut world = World::new(nodes).await;
    let bytes = [0, 1, 255, 128];
    let placeholder = json!({ "_placeholder": true, "num": 0 });
    let request = json!(["emit", { "event": "bin", "args": [placeholder, "x"] }]);
    world.a.binary(&request, &bytes).await;
    let [_, _, b_seen] = world.settle().await;
    assert_eq!(b_seen, [json!(["bin", { "_placeholder": true, "num": 0 }, "x"]), json!({ "bytes": bytes })]);
}

/// CL-06, RW-06: a question to everybody.
async fn questions(nodes: &[Node; 2]) {
    let mut world = World::new(nodes).await;
    world.b.answer = Some(json!("b"));
    world.other.answer = Some(json!({ "from": "other" }));
    world.b.call("join", json!(["asked"])).await;
    world.other.call("join", json!(["asked"])).await;
    world.a.call("join", json!(["silent"])).await;
    world.settle().await;
    let asked = world.a.ask("emit", json!([{ "event": "q", "to": "asked", "timeout": 4_000 }])).await;
    assert_eq!(world.b.event().await, json!(["q"]));
    assert_eq!(world.other.event().await, json!(["q"]));
    let answer = world.a.answer_to(asked).await;
    assert_eq!(sorted(answer["acks"].as_array().unwrap().clone()), [json!("b"), json!({ "from": "other" })]);
    assert_eq!(answer.get("error"), None);
    let nobody = world.a.call("emit", json!([{ "event": "q", "to": "empty", "timeout": 4_000 }])).await;
    assert_eq!(nobody, json!({ "acks": [] }));
    // One of two does not answer.
    let rooms = json!([{ "event": "q", "to": ["asked", "silent"], "except": world.other.sid, "timeout": 300 }]);
    let asked = world.a.ask("emit", rooms).await;
    assert_eq!(world.b.event().await, json!(["q"]));
    assert_eq!(world.a.answer_to(asked).await, json!({ "acks": ["b"], "error": "timeout" }));
}

/// CL-07 to CL-09, RW-03 to RW-05: sockets of both nodes.
async fn sockets(nodes: &[Node; 2]) {
    let mut world = World::new(nodes).await;
    world.b.call("data", json!([{ "name": "b" }])).await;
    let ids = |list: &Json| -> Vec<Json> { sorted(list.as_array().unwrap().iter().map(|s| s["id"].clone()).collect()) };
    let mine = [world.a.sid.clone(), world.other.sid.clone()];
    let everybody = sorted(mine.iter().chain([&world.b.sid]).map(|sid| json!(sid)).collect());
    let found = world.a.call("select", json!([{ "op": "fetch" }])).await;
    assert_eq!(ids(&found), everybody);
    let b = found.as_array().unwrap().iter().find(|socket| socket["id"] == json!(world.b.sid)).unwrap();
    assert_eq!(b, &json!({ "id": world.b.sid, "rooms": [world.b.sid], "data": { "name": "b" } }));
    let here = world.a.call("select", json!([{ "op": "fetch", "local": true }])).await;
    assert_eq!(ids(&here), sorted(mine.iter().map(|sid| json!(sid)).collect()));

    world.a.call("select", json!([{ "op": "join", "in": world.b.sid, "rooms": ["r", "s"] }])).await;
    world.settle().await;
    world.emit(json!({ "event": "joined", "to": "r" })).await;
    assert_eq!(world.settle().await, [vec![], vec![], vec![json!(["joined"])]]);
    world.a.call("select", json!([{ "op": "leave", "rooms": "r" }])).await;
    world.settle().await;
    let rooms = world.b.call("whoami", json!([])).await["rooms"].clone();
    assert_eq!(sorted(rooms.as_array().unwrap().clone()), sorted(vec![json!(world.b.sid), json!("s")]));
    world.a.call("select", json!([{ "op": "disconnect", "in": "s" }])).await;
    assert_eq!(world.b.event().await, json!("disconnected"));
}

/// CL-10: the nodes themselves.
async fn nodes_among_themselves(nodes: &[Node; 2]) {
    let mut world = World::new(nodes).await;
    assert_eq!(world.a.call("select", json!([{ "op": "side", "x": { "n": 1 } }])).await, json!({ "acks": ["B"] }));
    let told = |journal: Json| -> Vec<Json> {
        let entries = journal.as_array().unwrap().clone();
        entries.into_iter().filter(|entry| entry["kind"] == "side").map(|entry| entry["x"].clone()).collect()
    };
    assert_eq!(told(world.b.call("journal", json!([])).await), [json!({ "n": 1 })]);
    assert_eq!(told(world.a.call("journal", json!([])).await), [] as [Json; 0]);
}

/// CL-14: whose rooms they are, and what is told of them, is a matter of each node. CL-08 is about the same for sockets.
async fn rooms_of_each_node(nodes: &[Node; 2]) {
    let mut world = World::new(nodes).await;
    world.b.call("join", json!(["only b"])).await;
    world.settle().await;
    let rooms = |answer: Json| answer["rooms"].as_object().unwrap().contains_key("only b");
    assert!(rooms(world.b.call("adapter", json!([])).await) && !rooms(world.a.call("adapter", json!([])).await));
    let journal = world.a.call("journal", json!([])).await;
    assert!(journal.as_array().unwrap().iter().all(|entry| entry["room"] != "only b"));
}

/// CL-15: names that look alike.
async fn namesakes(nodes: &[Node; 2]) {
    let mut world = World::new(nodes).await;
    let mut custom = nodes[1].connect_to("/custom").await;
    let mut dynamic = nodes[1].connect_to("/dynamic-1").await;
    let mut longer = nodes[1].connect_to("/dynamic-11").await;
    let mut first = nodes[0].connect_to("/dynamic-1").await;
    // Both nodes hear of the namespace before anything is said in it.
    fence(&mut first, &mut [&mut dynamic]).await;
    for room in ["a#b", "b", "#", "1#b"] {
        first.call("emit", json!([{ "event": room, "to": room }])).await;
        world.b.call("join", json!([room])).await;
        longer.call("join", json!([room])).await;
    }
    first.call("emit", json!([{ "event": "dynamic" }])).await;
    let dynamic_alone = json!(["dynamic"]);
    assert_eq!(fence(&mut first, &mut [&mut dynamic]).await, [[dynamic_alone.clone()], [dynamic_alone]]);
    assert_eq!(world.settle().await, [[], [], []] as [[Json; 0]; 3]);
    for client in [&mut custom, &mut longer] {
        client.emit("message", json!(["end"])).await;
        assert_eq!(client.event().await, json!(["message-back", "end"]));
    }
}

/// CL-17: all of it, for each pair below.
async fn every_row(scheme: &str, kinds: [&str; 2]) {
    let Some(broker) = Broker::start().await else { return };
    let Some(nodes) = pair(&broker, scheme, kinds).await else { return };
    broadcasts(&nodes).await;
    binary(&nodes).await;
    questions(&nodes).await;
    sockets(&nodes).await;
    nodes_among_themselves(&nodes).await;
    rooms_of_each_node(&nodes).await;
    namesakes(&nodes).await;
    for redis in nodes.iter().filter_map(|node| node.redis.as_ref()) {
        assert!(!redis.stats().has_lost(), "{}", redis.stats());
    }
}

macro_rules! pairs {
    ($($name:ident: $scheme:literal, $first:literal, $second:literal;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                every_row($scheme, [$first, $second]).await;
            }
        )*
    };
}

pairs! {
    classic_reference_and_reference: "redis", "reference", "reference";
    classic_reference_and_node: "redis", "reference", "node";
    classic_node_and_reference: "redis", "node", "reference";
    sharded_reference_and_reference: "redis-sharded", "reference", "reference";
    sharded_reference_and_node: "redis-sharded", "reference", "node";
    sharded_node_and_reference: "redis-sharded", "node", "reference";
    streams_reference_and_reference: "redis-streams", "reference", "reference";
    streams_reference_and_node: "redis-streams", "reference", "node";
    streams_node_and_reference: "redis-streams", "node", "reference";
}

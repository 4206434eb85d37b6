//! What a member does wrong on purpose shows.

use serde_json::{Value as Json, json};
use sio_reference_server::faults::{Fault, Faults, Layer, TABLE};
use sio_reference_server::{Options, Recovery, Redis};

use crate::common::{Broker, Client, Node, fence};

async fn faulty(label: &str, url: &str, fault: Fault, recovery: bool) -> Node {
    let recovery = recovery.then(Recovery::default);
    let redis = Redis::by_scheme(url).unwrap();
    let options = Options { adapter: redis.clone().into(), connection_state_recovery: recovery, ..Options::default() };
    let options = Faults::new(vec![fault], Some(1.0), 0, 0).arrange(options);
    Node::with_options(label, redis, options).await
}

/// What `b` of the second node sees of a few broadcasts, and `other` of the first.
async fn seen(scheme: &str, fault: Fault) -> Option<[Vec<Json>; 2]> {
    let broker = Broker::start().await?;
    let url = broker.url(scheme);
    let nodes = [faulty("A", &url, fault, false).await, faulty("B", &url, fault, false).await];
    let (mut a, mut other, mut b) = (nodes[0].connect().await, nodes[0].connect().await, nodes[1].connect().await);
    let mut long = nodes[1].connect_to("/custom").await;
    b.call("join", json!([["red", "blue"]])).await;
    long.call("join", json!(["red"])).await;
    for request in [
        json!({ "event": "all" }),
        json!({ "event": "spared", "except": "red" }),
        json!({ "event": "second", "to": ["green", "blue"] }),
        json!({ "event": "here", "local": true }),
        json!({ "event": "custom", "nsp": "/custom" }),
    ] {
        a.call("emit", json!([request])).await;
    }
    let side = a.call("select", json!([{ "op": "side" }])).await;
    let told = a.call("journal", json!([])).await.as_array().unwrap().iter().any(|entry| entry["kind"] == "side");
    // What has been asked last is answered behind what was emitted; the second time it has come everywhere.
    a.call("select", json!([{ "op": "fetch" }])).await;
    b.call("select", json!([{ "op": "fetch" }])).await;
    let mut all = Vec::new();
    for client in [&mut other, &mut b] {
        client.emit("message", json!(["end"])).await;
        all.push(client.until("message-back").await);
    }
    all[0].push(json!({ "side": side["acks"], "told": told }));
    Some([all[0].clone(), all[1].clone()])
}

fn names(list: &[&str]) -> Vec<Json> {
    list.iter().map(|name| json!([name])).collect()
}

#[tokio::test]
async fn each_fault_shows() {
    let usual = names(&["all", "second"]);
    let here = names(&["all", "spared", "here"]);
    for scheme in ["redis", "redis-sharded", "redis-streams"] {
        for row in TABLE.iter().filter(|row| row.layer == Layer::Cluster) {
            let Some([mut other, b]) = seen(scheme, row.fault).await else { return };
            let side = other.pop().unwrap();
            let right = other == here && b == usual && side == json!({ "side": ["B"], "told": false });
            let expected = match row.fault {
                Fault::ClusterLost => names(&[]),
                Fault::ClusterDoubled => names(&["all", "all", "second", "second"]),
                Fault::ClusterExceptIgnored => names(&["all", "spared", "second"]),
                Fault::ClusterUnionFirst => names(&["all"]),
                Fault::ClusterLocalIgnored => names(&["all", "second", "here"]),
                Fault::ClusterNamesake if scheme == "redis" => names(&["all", "second", "custom"]),
                _ => usual.clone(),
            };
            assert_eq!(b, expected, "{} {scheme}", row.name);
            let elsewhere = match row.fault {
                Fault::ClusterGap | Fault::ClusterAnswersTwice => true,
                Fault::ClusterNamesake => scheme != "redis",
                _ => false,
            };
            assert_eq!(right, elsewhere, "{} {scheme}: {other:?} {b:?} {side}", row.name);
        }
    }
}

/// Three nodes: two answers of one are taken for one of each.
#[tokio::test]
async fn two_answers_of_one_node() {
    let Some(broker) = Broker::start().await else { return };
    let url = broker.url("redis");
    let (a, b) = (Node::reference("A", &url).await, Node::reference("B", &url).await);
    let c = faulty("C", &url, Fault::ClusterAnswersTwice, false).await;
    let mut client = a.connect().await;
    let mut counts = std::collections::BTreeSet::new();
    // Whether the second answer of C comes ahead of that of B is a matter of luck.
    for _ in 0..200 {
        let answer = client.call("select", json!([{ "op": "side" }])).await;
        counts.insert(answer["acks"].to_string());
        if counts.contains(r#"["C","C"]"#) {
            return drop((b, c));
        }
    }
    panic!("{counts:?}");
}

/// CL-16.
#[tokio::test]
async fn a_gap_in_what_was_missed() {
    let Some(broker) = Broker::start().await else { return };
    let url = broker.url("redis-streams");
    let node = faulty("A", &url, Fault::ClusterGap, true).await;
    let (mut a, mut b) = (node.connect().await, node.connect().await);
    a.call("emit", json!([{ "event": "seen" }])).await;
    let seen = b.event().await;
    fence(&mut a, &mut []).await;
    let pid = b.pid.clone();
    drop(b);
    crate::recovery::kept(&broker, &pid).await;
    for event in ["one", "two"] {
        a.call("emit", json!([{ "event": event }])).await;
    }
    let auth = json!({ "pid": pid, "offset": seen[1] }).to_string();
    let back = Client::new(node.address, "/", &auth).await;
    let missed: Vec<_> = back.early.iter().map(|event| event[0].as_str().unwrap()).collect();
    assert!(missed.contains(&"one") && !missed.contains(&"two"), "{missed:?}");
}

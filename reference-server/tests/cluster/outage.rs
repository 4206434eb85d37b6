//! A broker that goes, and comes back.

use serde_json::json;

use crate::common::{Broker, Node, fence};

/// CL-13: clients of one node do not notice; afterwards the nodes find each other again.
#[tokio::test]
async fn a_broker_may_go_and_come_back() {
    let Some(mut broker) = Broker::start().await else { return };
    for scheme in ["redis", "redis-sharded", "redis-streams"] {
        let url = broker.url(scheme);
        let nodes = [Node::reference("A", &url).await, Node::reference("B", &url).await];
        let (mut a, mut other, mut b) = (nodes[0].connect().await, nodes[0].connect().await, nodes[1].connect().await);
        fence(&mut a, &mut [&mut other, &mut b]).await;
        broker.kill().await;
        for n in 0..20 {
            assert_eq!(a.call("emit", json!([{ "event": "n", "args": [n], "to": other.sid }])).await, json!({}));
            assert_eq!(other.event().await, json!(["n", n]));
        }
        // Nobody can be counted, so whoever asks everybody hears what there is when the time is over.
        other.answer = Some(json!(1));
        let asked = a.ask("emit", json!([{ "event": "q", "to": other.sid, "timeout": 300 }])).await;
        assert_eq!(other.event().await, json!(["q"]));
        assert_eq!(a.answer_to(asked).await, json!({ "acks": [1], "error": "timeout" }));
        broker.restart().await;
        for node in &nodes {
            assert!(node.redis.as_ref().unwrap().ready(std::time::Duration::from_secs(10)).await);
        }
        // What has waited for the broker may come late, or not at all, if the other node was not there again.
        fence(&mut a, &mut [&mut other, &mut b]).await;
        fence(&mut b, &mut [&mut a, &mut other]).await;
    }
}

/// CL-13: a broker that stands still loses nothing, as nobody hangs up; and nobody here waits for it.
#[tokio::test]
async fn a_broker_may_stand_still() {
    let Some(broker) = Broker::start().await else { return };
    for scheme in ["redis", "redis-sharded", "redis-streams"] {
        let url = broker.url(scheme);
        let nodes = [Node::reference("A", &url).await, Node::reference("B", &url).await];
        let (mut a, mut other, mut b) = (nodes[0].connect().await, nodes[0].connect().await, nodes[1].connect().await);
        fence(&mut a, &mut [&mut other, &mut b]).await;
        broker.stop(true);
        for n in 0..300 {
            a.call("emit", json!([{ "event": "n", "args": [n] }])).await;
            assert_eq!(other.event().await, json!(["n", n]));
        }
        broker.stop(false);
        for n in 0..300 {
            assert_eq!(b.event().await, json!(["n", n]), "{scheme}");
        }
        assert!(!nodes[0].redis.as_ref().unwrap().stats().has_lost());
    }
}

/// What waits for a broker that stands still outlives its end: only what was under way by then may be lost.
#[tokio::test]
async fn what_waits_is_not_written_to_a_connection_that_is_gone() {
    let Some(mut broker) = Broker::start().await else { return };
    let url = broker.url("redis");
    let nodes = [Node::reference("A", &url).await, Node::reference("B", &url).await];
    let redis = nodes.each_ref().map(|node| node.redis.as_ref().unwrap());
    let (mut a, mut b) = (nodes[0].connect().await, nodes[1].connect().await);
    let mut uncertain = Vec::new();
    for _ in 0..3 {
        let before = redis[0].stats().uncertain;
        broker.stop(true);
        for n in 0..1_500 {
            assert_eq!(a.call("emit", json!([{ "event": "n", "args": [n], "to": "nobody" }])).await, json!({}));
        }
        broker.kill().await;
        broker.restart().await;
        for redis in redis {
            assert!(redis.ready(std::time::Duration::from_secs(10)).await);
        }
        // What is queued goes out in its order, so all of it has gone when this has come.
        fence(&mut a, &mut [&mut b]).await;
        uncertain.push(redis[0].stats().uncertain - before);
    }
    // Sixteen batches of one, and one batch that was begun on the connection as it broke.
    assert!(uncertain.iter().all(|lost| *lost < 300), "{uncertain:?} of 1,500 each");
}

/// CL-12, RW-09: a node that leaves is no longer counted.
#[tokio::test]
async fn a_node_that_leaves_is_not_waited_for() {
    let Some(broker) = Broker::start().await else { return };
    let url = broker.url("redis");
    let nodes = [Node::reference("A", &url).await, Node::reference("B", &url).await];
    assert_eq!(broker.nodes("socket.io-request#/#").await, 2);
    nodes[1].io.as_ref().unwrap().close(std::time::Duration::from_secs(5)).await;
    assert_eq!(broker.nodes("socket.io-request#/#").await, 1);
    let mut a = nodes[0].connect().await;
    let found = a.call("select", json!([{ "op": "fetch" }])).await;
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(a.call("select", json!([{ "op": "side" }])).await, json!({ "acks": [] }));
}

/// CL-12: one that is killed neither.
#[tokio::test]
async fn a_node_that_is_killed_is_not_waited_for() {
    let Some(broker) = Broker::start().await else { return };
    let url = broker.url("redis");
    let first = Node::reference("A", &url).await;
    let Some(second) = Node::javascript("B", &url, &[]).await else { return };
    let mut a = first.connect().await;
    let question = json!([{ "op": "side" }]);
    assert_eq!(a.call("select", question.clone()).await, json!({ "acks": ["B"] }));
    second.kill().await;
    while broker.nodes("socket.io-request#/#").await > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(a.call("select", question).await, json!({ "acks": [] }));
}

//! What is written, byte by byte, and what is ignored.

use futures_util::StreamExt as _;
use serde_json::json;
use sio_reference_server::{Options, Redis};

use crate::common::{Broker, Node, fence, soon};

/// As Node has written it, but for the id of the node.
#[tokio::test]
async fn a_broadcast_is_what_node_writes() {
    let Some(broker) = Broker::start().await else { return };
    let client = redis::Client::open(broker.url("redis")).unwrap();
    let mut watch = client.get_async_pubsub().await.unwrap();
    watch.psubscribe("*").await.unwrap();
    let node = Node::reference("A", &broker.url("redis")).await;
    node.io.as_ref().unwrap().emit("hello", (1, "2")).unwrap();
    let message = soon("message", watch.on_message().next()).await.unwrap();
    assert_eq!(message.get_channel_name(), "socket.io#/#");
    let bytes = message.get_payload_bytes();
    assert_eq!(&bytes[..2], b"\x93\xa6");
    let expected =
        b"\x83\xa4type\x02\xa4data\x93\xa5hello\x01\xa12\xa3nsp\xa1/\x83\xa5rooms\x90\xa6except\x90\xa5flags\x80";
    assert_eq!(&bytes[8..], expected);
}

/// RW-07: whatever comes, the node lives on and its clients get what is for them.
#[tokio::test]
async fn garbage_is_ignored() {
    let Some(broker) = Broker::start().await else { return };
    let node = Node::reference("A", &broker.url("redis")).await;
    let mut a = node.connect().await;
    let own = format!("socket.io#/#{}#", a.sid);
    let bodies: [&[u8]; 12] = [
        b"",
        b"{",
        b"{}",
        b"\x93",
        b"\x93\xa6I8nNq2\x83\xa4type\x02",
        b"\xdd\xff\xff\xff\xff",
        b"\x93\x01\x02\x03",
        br#"{"type":99,"requestId":"x"}"#,
        br#"{"type":7,"requestId":"x"}"#,
        br#"{"type":2,"opts":{"rooms":5}}"#,
        br#"{"type":6,"data":"x"}"#,
        br#"{"type":"5","opts":[],"requestId":{}}"#,
    ];
    for channel in ["socket.io#/#", &own, "socket.io-request#/#", "socket.io-response#/#"] {
        for body in bodies {
            broker.publish(channel, body).await;
        }
    }
    // RW-02, RW-08: of another namespace, of nobody's room, and of an emitter.
    let told = |nsp: &str| {
        [
            &b"\x93\xa7emitter\x83\xa4type\x02\xa4data\x91\xa2hi\xa3nsp"[..],
            &[0xa0 | nsp.len() as u8],
            nsp.as_bytes(),
            b"\x83\xa5rooms\x90\xa6except\x90\xa5flags\x80",
        ]
        .concat()
    };
    broker.publish("socket.io#/#", &told("/a")).await;
    broker.publish("socket.io#/#nobody#", &told("/")).await;
    broker.publish("socket.io#/a#", &told("/")).await;
    broker.publish("socket.io#/#", &told("/")).await;
    assert_eq!(a.event().await, json!(["hi"]));
    assert_eq!(fence(&mut a, &mut []).await, [[]] as [[serde_json::Value; 0]; 1]);
    assert!(node.redis.as_ref().unwrap().stats().garbage > 20);
}

/// No number that a node says is believed: neither how many clients it has asked, nor how long it waits.
#[tokio::test]
async fn absurd_numbers_of_other_nodes_harm_nobody() {
    let Some(broker) = Broker::start().await else { return };
    // Whoever listens there counts as a node.
    let client = redis::Client::open(broker.url("redis")).unwrap();
    let mut watch = client.get_async_pubsub().await.unwrap();
    watch.subscribe("socket.io-request#/#").await.unwrap();
    let node = Node::reference("A", &broker.url("redis")).await;
    let mut a = node.connect().await;
    let asked = a.ask("emit", json!([{ "event": "q", "to": "nobody", "timeout": 1_000 }])).await;
    let request = soon("request", watch.on_message().next()).await.unwrap();
    let request = sio_protocol::packed::read(&request.get_payload_bytes().to_vec().into()).unwrap();
    let id = request.get("requestId").and_then(|id| id.as_str()).unwrap();
    // Their sum, if it wrapped around, would be that nobody was asked.
    for count in [u64::MAX, 1] {
        let body = format!(r#"{{"type":8,"requestId":"{id}","clientCount":{count}}}"#);
        broker.publish("socket.io-response#/#", body.as_bytes()).await;
    }
    assert_eq!(a.answer_to(asked).await, json!({ "acks": [], "error": "timeout" }));
    for timeout in ["18446744073709551615", "1e300", "-1"] {
        let packet = r#"{"type":2,"data":["asked"],"nsp":"/"}"#;
        let opts = format!(r#"{{"rooms":[],"except":[],"flags":{{"timeout":{timeout}}}}}"#);
        let body = format!(r#"{{"uid":"u","requestId":"x","type":7,"packet":{packet},"opts":{opts}}}"#);
        broker.publish("socket.io-request#/#", body.as_bytes()).await;
        assert_eq!(a.event().await, json!(["asked"]), "timeout {timeout}");
    }
    assert_eq!(fence(&mut a, &mut []).await, [[]] as [[serde_json::Value; 0]; 1]);
}

/// A broker that refuses says why.
#[tokio::test]
async fn what_is_wrong_is_told() {
    let Some(broker) = Broker::start().await else { return };
    let mut command = redis::cmd("CONFIG");
    command.arg("SET").arg("requirepass").arg("secret").exec_async(&mut broker.client().await).await.unwrap();
    let redis = Redis::connect(&broker.url("redis")).unwrap();
    let trouble = soon("trouble", async {
        loop {
            if let Some(trouble) = redis.trouble() {
                return trouble;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(trouble.to_lowercase().contains("auth"), "{trouble}");
    assert!(Redis::connect("postgres://127.0.0.1").is_err());
}

/// CL-15: clusters of other prefixes.
#[tokio::test]
async fn another_prefix_is_another_cluster() {
    let Some(broker) = Broker::start().await else { return };
    let url = broker.url("redis");
    let with = |prefix: &str| Redis::connect(&url).unwrap().prefix(prefix);
    let first = Node::with("A", with("one"), Options::default()).await;
    let second = Node::with("B", with("one-request"), Options::default()).await;
    let third = Node::with("C", with("one"), Options::default()).await;
    let (mut a, mut b, mut c) = (first.connect().await, second.connect().await, third.connect().await);
    a.call("emit", json!([{ "event": "one" }])).await;
    assert_eq!(fence(&mut a, &mut [&mut c]).await, [[json!(["one"])], [json!(["one"])]]);
    b.call("emit", json!([{ "event": "end" }])).await;
    assert_eq!(b.event().await, json!(["end"]));
}

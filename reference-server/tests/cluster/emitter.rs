//! A process without sockets.

use serde_json::{Value as Json, json};
use sio_reference_server::RedisEmitter;

use crate::common::{Broker, Client, Node};

/// What came to a client before it asked.
async fn seen(client: &mut Client) -> Vec<Json> {
    client.emit("message", json!(["end"])).await;
    client.until("message-back").await
}

/// RW-08: it is heard by nodes of either kind, and counted by none.
#[tokio::test]
async fn an_emitter_reaches_every_node() {
    let Some(broker) = Broker::start().await else { return };
    let url = broker.url("redis");
    let mut nodes = vec![Node::reference("A", &url).await];
    nodes.extend(Node::javascript("B", &url, &[]).await);
    let count = nodes.len() as u64;
    let emitter = RedisEmitter::connect(&url).unwrap();
    for node in &nodes {
        let mut client = node.connect().await;
        let mut custom = node.connect_to("/custom").await;
        client.call("join", json!(["red"])).await;
        emitter.emit("all", (1, "é")).unwrap();
        emitter.to("red").emit("red", ()).unwrap();
        emitter.to(["red", "blue"]).emit("union", ()).unwrap();
        emitter.except("red").emit("spared", ()).unwrap();
        emitter.of("custom").volatile().compress(false).emit("custom", ()).unwrap();
        emitter.to("red").sockets_join("more");
        emitter.to("more").emit("more", ()).unwrap();
        emitter.to("red").sockets_leave(["red", "more"]);
        emitter.to("red").emit("late", ()).unwrap();
        emitter.server_side_emit("side", (5,)).unwrap();
        emitter.to(&client.sid).emit("end", ()).unwrap();
        let names = [json!(["all", 1, "é"]), json!(["red"]), json!(["union"]), json!(["more"])];
        assert_eq!(client.until("end").await, names);
        assert_eq!(custom.event().await, json!(["custom"]));
        assert_eq!(seen(&mut custom).await, [] as [Json; 0]);
        let journal = client.call("journal", json!([])).await;
        assert!(journal.as_array().unwrap().iter().any(|entry| entry["kind"] == "side" && entry["x"] == json!(5)));
        assert_eq!(broker.nodes("socket.io-request#/#").await, count);
        emitter.disconnect_sockets(false);
        assert_eq!(client.event().await, json!("disconnected"));
    }
    emitter.flush().await;
    assert!(!emitter.stats().has_lost());
}

//! 2.6 Upgrade.

use std::time::Duration;

use sio_reference_server::Options;

use crate::common::{Polling, World, Ws, soon, until, world, world_with};

async fn joined() -> (World, Polling) {
    let world = world().await;
    let polling = world.poll().await;
    polling.join("/").await;
    (world, polling)
}

async fn probed(polling: &Polling) -> Ws {
    let mut ws = polling.probe().await;
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    ws
}

/// EIO-UP-01, EIO-UP-02, EIO-UP-03, EIO-UP-04, EIO-UP-05, EIO-UP-06, EIO-UP-15, EIO-UP-17.
#[tokio::test]
async fn from_polling_to_websocket() {
    let (_world, polling) = joined().await;
    let get = polling.waiting().await;
    let mut ws = probed(&polling).await;
    assert_eq!(soon("released GET", get).await.unwrap().text(), "6");
    assert_eq!(polling.read().await, "6", "further GETs do not hang either");
    polling.write("42[\"message\",1]").await;
    assert_eq!(polling.read().await, "42[\"message-back\",1]", "until the `5` everything goes over polling");
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    polling.write("42[\"message\",2]").await;
    ws.send("5").await;
    assert_eq!(ws.text().await, "42[\"message-back\",2]", "what was queued goes over the WebSocket");
    assert_eq!(polling.get().await.status, 400);
    assert_eq!(polling.post("42[\"mark\",1]").await.status, 400);
    ws.is_silent().await;
}

/// EIO-UP-07, EIO-UP-08.
#[tokio::test]
async fn there_is_one_upgrade() {
    let (world, polling) = joined().await;
    let mut first = probed(&polling).await;
    let query = format!("EIO=4&transport=websocket&sid={}", polling.sid);
    // Closed behind the 101, as on Node, whose client has no ear for an error.
    assert!(world.socket(&query).await.closes().await.is_empty(), "while the first one probes");
    first.send("5").await;
    first.is_silent().await;
    assert!(world.socket(&query).await.closes().await.is_empty(), "after the upgrade");
    first.is_silent().await;

    let mut ws = world.socket("EIO=4&transport=websocket").await;
    let sid = ws.text().await.split('"').nth(3).unwrap().to_owned();
    let mut second = world.socket(&format!("EIO=4&transport=websocket&sid={sid}")).await;
    assert!(second.closes().await.is_empty());
    ws.connect("/", "").await;
}

/// EIO-UP-09.
#[tokio::test]
async fn a_probe_has_a_deadline() {
    let world = world_with(Options { upgrade_timeout: Duration::from_millis(200), ..Options::default() }).await;
    let polling = world.poll().await;
    polling.join("/").await;
    let mut ws = polling.probe().await;
    ws.closes().await;
    let mut ws = probed(&polling).await;
    ws.closes().await;
    polling.write("42[\"message\"]").await;
    assert_eq!(polling.read().await, "42[\"message-back\"]");
}

/// EIO-UP-10; EIO-UP-11: strict, `5` without a probe is refused as well.
#[tokio::test]
async fn what_is_no_probe() {
    let (_world, polling) = joined().await;
    for text in ["4x", "2", "2probeX", "3probe", "1", "6", "garbage", "", "5"] {
        let mut ws = polling.probe().await;
        ws.send(text).await;
        ws.closes().await;
    }
    let mut ws = polling.probe().await;
    ws.binary(vec![1, 2, 3]).await;
    ws.closes().await;
    polling.write("42[\"message\"]").await;
    assert_eq!(polling.read().await, "42[\"message-back\"]");
}

/// EIO-UP-12.
#[tokio::test]
async fn a_probe_that_is_lost() {
    let (_world, polling) = joined().await;
    for n in 0..5 {
        let ws = probed(&polling).await;
        polling.write(&format!("42[\"message\",{n}]")).await;
        drop(ws);
        // A GET may still be released by the probe; what was queued must come all the same.
        let mut seen = polling.read().await;
        while seen == "6" {
            seen = polling.read().await;
        }
        assert_eq!(seen, format!("42[\"message-back\",{n}]"));
    }
}

/// EIO-UP-13.
#[tokio::test]
async fn the_end_of_the_session_ends_the_probe() {
    let (world, polling) = joined().await;
    let mut ws = probed(&polling).await;
    polling.write("1").await;
    ws.closes().await;

    let polling = world.poll().await;
    polling.join("/").await;
    let mut ws = probed(&polling).await;
    polling.write("42[\"bye\",{\"close\":true}]").await;
    assert_eq!(polling.read().await, "41");
    assert_eq!(polling.read().await, "6\x1e1");
    ws.closes().await;
}

/// EIO-CL-04: an end does not cut an upgrade off, as its client may have stopped polling.
#[tokio::test]
async fn an_end_in_the_middle_of_an_upgrade_comes_over_the_websocket() {
    let (world, polling) = joined().await;
    let get = polling.waiting().await;
    let mut ws = probed(&polling).await;
    assert_eq!(soon("released GET", get).await.unwrap().text(), "6");
    world.io.emit("good", ("bye",)).unwrap();
    world.io.of("/").broadcast().disconnect_sockets(true);
    ws.send("5").await;
    assert_eq!(ws.closes().await, ["42[\"good\",\"bye\"]", "41"]);
    until("end of the session", || world.io.clients_count() == 0).await;

    let polling = world.poll().await;
    polling.join("/").await;
    let mut ws = probed(&polling).await;
    world.io.emit("good", ("bye",)).unwrap();
    let io = world.io.clone();
    let closing = tokio::spawn(async move { io.close(Duration::from_secs(5)).await });
    until("the stop", || world.io.of("/").broadcast().fetch_sockets().is_empty()).await;
    ws.send("5").await;
    assert_eq!(ws.closes().await, ["42[\"good\",\"bye\"]"]);
    soon("end", closing).await.unwrap();
}

/// EIO-UP-09: whoever has stopped polling for an upgrade that it does not complete gets the rest by polling.
#[tokio::test]
async fn an_end_in_the_middle_of_an_upgrade_that_fails_comes_by_polling() {
    let world = world_with(Options { upgrade_timeout: Duration::from_millis(200), ..Options::default() }).await;
    let polling = world.poll().await;
    polling.join("/").await;
    let mut ws = probed(&polling).await;
    world.io.emit("good", ("bye",)).unwrap();
    world.io.of("/").broadcast().disconnect_sockets(true);
    ws.closes().await;
    assert_eq!(polling.read().await, "42[\"good\",\"bye\"]\x1e41");
    assert_eq!(polling.read().await, "6\x1e1");
}

/// EIO-UP-14, ORD-01, ORD-02: both directions, while the transports change places.
#[tokio::test]
async fn a_stream_across_the_upgrade_is_complete_and_in_order() {
    const N: usize = 300;
    let (_world, polling) = joined().await;
    let mut got: Vec<String> = Vec::new();
    let mut sent = 0;
    let batch = |sent: &mut usize| {
        let some: Vec<_> = (0..10).map(|n| format!("42[\"message\",{}]", *sent + n)).collect();
        *sent += 10;
        some
    };
    while sent < 100 {
        polling.write(&batch(&mut sent).join("\x1e")).await;
        if sent == 50 {
            got.extend(polling.read().await.split('\x1e').map(str::to_owned));
        }
    }
    let mut ws = probed(&polling).await;
    polling.write(&batch(&mut sent).join("\x1e")).await;
    got.extend(polling.read().await.split('\x1e').map(str::to_owned));
    polling.write(&batch(&mut sent).join("\x1e")).await;
    ws.send("5").await;
    while sent < N {
        for packet in batch(&mut sent) {
            ws.send(packet).await;
        }
    }
    while got.iter().filter(|packet| *packet != "6").count() < N {
        got.push(ws.text().await);
    }
    got.retain(|packet| packet != "6");
    let expected: Vec<_> = (0..N).map(|n| format!("42[\"message-back\",{n}]")).collect();
    assert_eq!(got, expected);
}

/// EIO-UP-16.
#[tokio::test]
async fn abandoned_probes_leave_nothing() {
    let options = Options {
        ping_interval: Duration::from_millis(500),
        ping_timeout: Duration::from_millis(500),
        ..Options::default()
    };
    let world = world_with(options).await;
    let mut probes = Vec::new();
    for _ in 0..200 {
        let polling = world.poll().await;
        probes.push(probed(&polling).await);
        if probes.len() % 2 == 0 {
            probes.pop();
        }
    }
    until("end of the sessions", || world.io.clients_count() == 0).await;
}

//! 2.7 Close.

use std::time::Duration;

use crate::common::{soon, until, world};

/// EIO-CL-01: strict; Node ignores the packet on a WebSocket.
#[tokio::test]
async fn a_close_packet_on_a_websocket() {
    let world = world().await;
    let mut ws = world.join("/").await;
    ws.send("1").await;
    ws.closes().await;
    until("end of the session", || world.io.clients_count() == 0).await;
}

/// EIO-CL-02.
#[tokio::test]
async fn a_close_packet_over_polling() {
    let world = world().await;
    let polling = world.poll().await;
    polling.join("/").await;
    let get = polling.waiting().await;
    polling.write("1\x1e42[\"mark\",1]").await;
    let released = soon("released GET", get).await.unwrap();
    assert_eq!((released.status.as_u16(), released.text()), (200, "6"));
    polling.is_gone().await;
    assert!(world.journal("mark", "/").await.is_empty());
}

/// EIO-CL-03, SIO-DC-04.
#[tokio::test]
async fn the_server_closes_a_polling_session() {
    let world = world().await;
    let polling = world.poll().await;
    polling.join("/").await;
    polling.write("42[\"bye\",{\"close\":true}]").await;
    assert_eq!(polling.read().await, "41");
    assert_eq!(polling.read().await, "6\x1e1");
    polling.is_gone().await;

    // A protocol violation closes without a word; a waiting GET gets the close packet alone.
    let polling = world.poll().await;
    polling.join("/").await;
    let get = polling.waiting().await;
    polling.write("42[null]").await;
    assert_eq!(soon("answer", get).await.unwrap().text(), "1");
    polling.is_gone().await;
}

/// EIO-CL-04.
#[tokio::test]
async fn what_was_sent_ahead_of_a_close_arrives_ahead_of_it() {
    let world = world().await;
    let mut ws = world.join("/").await;
    ws.send("42[\"bye\",{\"close\":true,\"burst\":20}]").await;
    let texts = ws.closes().await;
    assert_eq!(texts.len(), 21);
    assert!((0..20).all(|n| texts[n].starts_with(&format!("42[\"n\",{n},\"xxx"))));
    assert_eq!(texts[20], "41");

    let polling = world.poll().await;
    polling.join("/").await;
    polling.write("42[\"bye\",{\"close\":true,\"burst\":20}]").await;
    let answer = polling.read().await;
    let packets: Vec<_> = answer.split('\x1e').collect();
    assert_eq!((packets.len(), packets[20]), (21, "41"));
    assert_eq!(polling.read().await, "6\x1e1");
}

/// EIO-CL-05.
#[tokio::test]
async fn a_websocket_that_goes_away_ends_the_session_at_once() {
    let world = world().await;
    let mut ws = world.join("/custom").await;
    ws.0.close(None).await.unwrap();
    until("end of the session", || world.io.clients_count() == 0).await;
    drop(world.join("/custom").await);
    until("end of the session", || world.io.clients_count() == 0).await;
    let left = world.journal("disconnect", "/custom").await;
    assert_eq!(left.iter().map(|entry| entry["reason"].as_str().unwrap()).collect::<Vec<_>>(), ["transport close"; 2]);
}

/// EIO-CL-06: better than Node, which discards what is queued. No new sessions meanwhile.
#[tokio::test]
async fn the_server_stops_gracefully() {
    let world = world().await;
    let mut ws = world.ws().await;
    ws.connect("/", "").await;
    ws.connect("/custom", "").await;
    let polling = world.poll().await;
    polling.join("/").await;
    let get = polling.waiting().await;
    world.io.emit("last", ("words",)).unwrap();
    let io = world.io.clone();
    let closing = tokio::spawn(async move { io.close(Duration::from_secs(5)).await });
    assert_eq!(ws.closes().await, ["42[\"last\",\"words\"]", "41", "41/custom,"]);
    assert!(soon("last answer", get).await.unwrap().text().starts_with("42[\"last\",\"words\"]"));
    assert!(tokio::net::TcpStream::connect(&world.address).await.is_err(), "nobody new is let in");
    soon("end", closing).await.unwrap();
    assert_eq!(world.io.clients_count(), 0);
}

//! 2.7 Close.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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

/// EIO-CL-06, END-01, END-03, END-08: better than Node, which discards what is queued. No new sessions meanwhile.
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
    assert_eq!(ws.closes().await, ["42[\"last\",\"words\"]"]);
    assert_eq!(soon("last answer", get).await.unwrap().text(), "42[\"last\",\"words\"]");
    assert_eq!(world.get("EIO=4&transport=polling").await.status, 503, "nobody new is let in");
    assert_eq!(polling.read().await, "6\x1e1", "whoever polls may come once more");
    soon("end", closing).await.unwrap();
    assert_eq!(world.io.clients_count(), 0);
    until("the end of the port", || std::net::TcpStream::connect(&world.address).is_err()).await;
}

/// EIO-CL-04: a POST that is under way when the session ends takes nothing with it, whether it arrives or not.
#[tokio::test]
async fn a_post_in_flight_does_not_drop_what_is_queued() {
    let world = world().await;
    for arrives in [true, false] {
        let polling = world.poll().await;
        polling.join("/").await;
        let head = format!(
            "POST /socket.io/?EIO=4&transport=polling&sid={} HTTP/1.1\r\nhost: x\r\ncontent-length: 13\r\n\r\n42",
            polling.sid
        );
        let mut post = world.tcp().await;
        post.write_all(head.as_bytes()).await.unwrap();
        // Begun once another one is refused; that ends the session, so it is asked of the server instead.
        until("the head of the POST", || world.io.clients_count() == 1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.io.emit("good", ("bye",)).unwrap();
        world.io.of("/").broadcast().disconnect_sockets(true);
        if arrives {
            post.write_all(b"[\"message\"]").await.unwrap();
            let mut answer = [0; 15];
            post.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200 OK");
        } else {
            drop(post);
        }
        assert_eq!(polling.read().await, "42[\"good\",\"bye\"]\x1e41");
        assert_eq!(polling.read().await, "6\x1e1");
        polling.is_gone().await;
        until("the end of the session", || world.io.clients_count() == 0).await;
    }
}

/// A kick while the client sends: what it has sent is read to its end, or the kernel would throw away what it has not
/// read yet.
#[tokio::test]
async fn a_goodbye_outlives_what_the_client_sends_into_it() {
    let world = world().await;
    let mut ws = world.join("/").await;
    for _ in 0..200 {
        ws.send(format!("42[\"message-with-ack\",\"{}\"]", "x".repeat(1000))).await;
    }
    ws.send("42[\"bye\",{\"close\":true,\"burst\":3}]").await;
    for _ in 0..200 {
        ws.try_send(format!("42[\"mark\",\"{}\"]", "x".repeat(1000))).await;
    }
    let texts = ws.closes().await;
    assert_eq!((texts.len(), texts.last().map(String::as_str)), (4, Some("41")));
}

//! 2.8 Engine.IO 3, for Socket.IO 2 clients.

use std::time::Duration;

use http::Method;
use sio_reference_server::Options;

use crate::common::{Polling, World, until, world_with};

async fn world() -> World {
    world_with(Options { allow_eio3: true, ..Options::default() }).await
}

/// The packets of a text payload.
fn packets(payload: &str) -> Vec<String> {
    let mut rest: Vec<u16> = payload.encode_utf16().collect();
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let colon = rest.iter().position(|unit| *unit == u16::from(b':')).unwrap();
        let length: usize = String::from_utf16(&rest[..colon]).unwrap().parse().unwrap();
        packets.push(String::from_utf16(&rest[colon + 1..colon + 1 + length]).unwrap());
        rest.drain(..colon + 1 + length);
    }
    packets
}

fn payload(packets: &[&str]) -> String {
    packets.iter().flat_map(|packet| [packet.encode_utf16().count().to_string(), format!(":{packet}")]).collect()
}

async fn poll(world: &World, extra: &str) -> Polling {
    world.poll_as(&format!("EIO=3{extra}")).await
}

async fn joined(world: &World, extra: &str) -> Polling {
    let polling = poll(world, extra).await;
    let mut seen = packets(&polling.open);
    assert_eq!(seen.len(), 1, "the open packet alone, as the official clients expect it: {seen:?}");
    while !seen.iter().any(|packet| packet.starts_with("42[\"auth\"")) {
        seen.extend(packets(&polling.read().await));
    }
    assert!(seen[0].starts_with("0{\"sid\":"));
    assert_eq!(seen[1..], ["40", "42[\"auth\",{}]"]);
    polling
}

/// EIO-V3-01.
#[tokio::test]
async fn payloads_have_lengths_and_the_main_namespace_is_joined() {
    let world = world().await;
    let polling = joined(&world, "").await;
    polling.write(&payload(&["42[\"message\",\"€🙂\"]", "42[\"message\",2]"])).await;
    let answer = polling.get().await;
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(packets(answer.text()), ["42[\"message-back\",\"€🙂\"]", "42[\"message-back\",2]"]);
    assert_eq!(answer.text().split(':').next(), Some("24"), "UTF-16 units, not bytes: {}", answer.text());
}

/// EIO-V3-02.
#[tokio::test]
async fn the_client_pings() {
    let options = Options {
        allow_eio3: true,
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        ..Options::default()
    };
    let world = world_with(options).await;
    let mut ws = world.socket("EIO=3&transport=websocket").await;
    assert!(ws.text().await.starts_with('0'));
    assert_eq!((ws.text().await, ws.text().await), ("40".to_owned(), "42[\"auth\",{}]".to_owned()));
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        ws.send("2").await;
        assert_eq!(ws.text().await, "3");
    }
    // It never pings by itself, and silence ends in a close.
    assert_eq!(ws.closes().await, Vec::<String>::new());

    let mut ws = world.socket("EIO=3&transport=websocket").await;
    ws.send("3").await;
    ws.closes().await;
    until("end of the sessions", || world.io.clients_count() == 0).await;
}

/// EIO-V3-03.
#[tokio::test]
async fn ids_refusals_and_auth_in_the_query() {
    let world = world().await;
    let polling = joined(&world, "").await;
    polling.write(&payload(&["421[\"whoami\"]"])).await;
    assert!(polling.read().await.contains(&format!("\"sid\":\"{}\"", polling.sid)));
    polling.write(&payload(&["40/custom?x=1&y=a%20b,"])).await;
    let mut seen = packets(&polling.read().await);
    if seen.len() < 2 {
        seen.extend(packets(&polling.read().await));
    }
    assert_eq!(seen, ["40/custom,", "42/custom,[\"auth\",{\"x\":\"1\",\"y\":\"a b\"}]"]);
    polling.write(&payload(&["42/custom,1[\"whoami\"]"])).await;
    assert!(polling.read().await.contains(&format!("\"sid\":\"/custom#{}\"", polling.sid)));
    polling.write(&payload(&["40/deny,"])).await;
    assert_eq!(packets(&polling.read().await), ["44/deny,{\"code\":\"E_DENIED\"}"], "the data");
    polling.write(&payload(&["40/nowhere,"])).await;
    assert_eq!(packets(&polling.read().await), ["44/nowhere,\"Invalid namespace\""], "or else the message");
}

const HEADER: &str = "451-[\"message\",{\"_placeholder\":true,\"num\":0}]";
const BACK: &str = "451-[\"message-back\",{\"_placeholder\":true,\"num\":0}]";

/// EIO-V3-04.
#[tokio::test]
async fn binary_three_ways() {
    let world = world().await;
    let base64 = joined(&world, "&b64=1").await;
    base64.write(&payload(&[HEADER, "b4AQI="])).await;
    assert_eq!(packets(&base64.read().await), [BACK, "b4AQI="]);

    let bytes = joined(&world, "").await;
    let digits = HEADER.len().to_string().bytes().map(|digit| digit - b'0').collect::<Vec<_>>();
    let body = [&[0][..], &digits, &[255], HEADER.as_bytes(), &[1, 3, 255, 4, 1, 2]].concat();
    let binary = [("content-type", "application/octet-stream")];
    assert_eq!(world.send(Method::POST, &bytes.query, &binary, body).await.text(), "ok");
    let answer = bytes.get().await;
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    let expected = [&[0, 5, 0, 255][..], BACK.as_bytes(), &[1, 3, 255, 4, 1, 2]].concat();
    assert_eq!(BACK.len(), 50);
    assert_eq!(answer.body.to_vec(), expected);

    let mut ws = world.socket("EIO=3&transport=websocket").await;
    for _ in 0..3 {
        ws.text().await;
    }
    ws.send(HEADER).await;
    ws.binary(vec![4, 1, 2]).await;
    assert_eq!((ws.text().await, ws.bytes().await.to_vec()), (BACK.to_owned(), vec![4, 1, 2]));
}

/// EIO-V3-05.
#[tokio::test]
async fn payloads_that_are_none() {
    let world = world().await;
    for body in ["", "4", "-1:4", "999:42[\"mark\"]", "99999999999999999999999:4", "1:9", "3:b4?", ":", "a:b"] {
        let polling = joined(&world, "").await;
        assert_eq!(polling.post(body).await.status, 400, "{body}");
        let query = polling.query.clone();
        assert_eq!(world.get(&query).await.error(), (400, 1), "{body}");
    }
    world.is_alive().await;
}

/// The upgrade, as a Socket.IO 2 client does it.
#[tokio::test]
async fn the_upgrade() {
    let world = world().await;
    let polling = joined(&world, "").await;
    let mut ws = world.socket(&format!("EIO=3&transport=websocket&sid={}", polling.sid)).await;
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    assert_eq!(polling.read().await, "1:6");
    ws.send("5").await;
    ws.is_silent().await;
}

//! 2.22 The MessagePack parser.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sio_reference_server::{Options, Parser};

use crate::common::{World, Ws, world_with};

const CONNECT: &[u8] = b"\x82\xa4type\x00\xa3nsp\xa1/";

async fn world() -> World {
    world_with(Options { parser: Parser::MessagePack, ..Options::default() }).await
}

async fn joined(world: &World) -> Ws {
    let mut ws = world.ws().await;
    ws.binary(CONNECT).await;
    let connected = ws.bytes().await;
    assert!(connected.starts_with(b"\x83\xa4type\x00\xa4data\x81\xa3sid\xb4"), "{connected:?}");
    assert!(connected.ends_with(b"\xa3nsp\xa1/"));
    assert_eq!(ws.bytes().await, &b"\x83\xa4type\x02\xa4data\x92\xa4auth\x80\xa3nsp\xa1/"[..]);
    ws
}

/// MP-01, MP-02.
#[tokio::test]
async fn every_packet_is_one_map() {
    let world = world().await;
    let mut ws = joined(&world).await;
    ws.binary(&b"\x83\xa4type\x02\xa4data\x94\xa7message\x01\xc4\x02\x07\x08\x81\xa1a\xc0\xa3nsp\xa1/"[..]).await;
    assert_eq!(
        ws.bytes().await,
        &b"\x83\xa4type\x02\xa4data\x94\xacmessage-back\x01\xc4\x02\x07\x08\x81\xa1a\xc0\xa3nsp\xa1/"[..]
    );
    ws.binary(&b"\x84\xa4type\x02\xa4data\x92\xb0message-with-ack\x05\xa2id\x00\xa3nsp\xa1/"[..]).await;
    assert_eq!(ws.bytes().await, &b"\x84\xa4type\x03\xa4data\x91\x05\xa3nsp\xa1/\xa2id\x00"[..]);
    ws.binary(&b"\x82\xa4type\x00\xa3nsp\xa2/x"[..]).await;
    assert_eq!(ws.bytes().await, &b"\x83\xa4type\x04\xa4data\x81\xa7message\xb1Invalid namespace\xa3nsp\xa2/x"[..]);
    ws.binary(&b"\x83\xa4type\x02\xa4data\x91\xa3bye\xa3nsp\xa1/"[..]).await;
    assert_eq!(ws.bytes().await, &b"\x82\xa4type\x01\xa3nsp\xa1/"[..]);
}

/// MP-03.
#[tokio::test]
async fn over_polling_it_is_base64() {
    let world = world().await;
    let polling = world.poll().await;
    polling.write(&format!("b{}", STANDARD.encode(CONNECT))).await;
    let answer = polling.read().await;
    let first = answer.split('\x1e').next().unwrap().strip_prefix('b').unwrap();
    assert!(STANDARD.decode(first).unwrap().starts_with(b"\x83\xa4type\x00\xa4data\x81\xa3sid"));
}

/// MP-04, MP-05, MP-06.
#[tokio::test]
async fn what_is_no_packet_closes() {
    let world = world().await;
    let mut ws = world.ws().await;
    ws.send("40").await;
    ws.closes().await;
    for bytes in [
        &b"40"[..],
        b"\x82\xa4type\x05\xa3nsp\xa1/",
        b"\x81\xa4type\x02",
        b"\x83\xa4type\x02\xa4data\x01\xa3nsp\xa1/",
        b"\x84\xa4type\x02\xa4data\x91\xa1x\xa2id\xa1a\xa3nsp\xa1/",
        b"\x83\xa4type\x02\xa4data\x91\xaadisconnect\xa3nsp\xa1/",
    ] {
        let mut ws = joined(&world).await;
        ws.binary(bytes).await;
        ws.closes().await;
    }
    joined(&world).await;
}

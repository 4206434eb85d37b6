//! 2.4 Polling payloads.

use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::{Polling, World, soon, world};

async fn joined() -> (World, Polling) {
    let world = world().await;
    let polling = world.poll().await;
    polling.join("/").await;
    (world, polling)
}

/// EIO-PL-01, EIO-PL-02, EIO-PL-03.
#[tokio::test]
async fn packets_are_joined_and_split() {
    let (_world, polling) = joined().await;
    polling.write("42[\"message\",1]").await;
    assert_eq!(polling.read().await, "42[\"message-back\",1]");
    polling.write("42[\"message\",\"a\"]\x1e42[\"message\",\"b\"]\x1e42[\"message\",\"c\"]").await;
    let expected = ["a", "b", "c"].map(|name| format!("42[\"message-back\",\"{name}\"]")).join("\x1e");
    assert_eq!(polling.read().await, expected);
}

/// EIO-PL-04, EIO-PL-05, EIO-PL-06, SIO-BN-06, SIO-BN-07.
#[tokio::test]
async fn binary_is_base64() {
    let (world, polling) = joined().await;
    let header = |name: &str| {
        format!("452-[\"{name}\",{{\"_placeholder\":true,\"num\":0}},{{\"_placeholder\":true,\"num\":1}}]")
    };
    for unpadded in ["bAQIDBA==", "bAQIDBA"] {
        polling.write(&format!("{}\x1e{unpadded}\x1eb", header("message"))).await;
        let answer = polling.get().await;
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(answer.text(), format!("{}\x1ebAQIDBA==\x1eb", header("message-back")));
    }
    world.is_alive().await;
}

/// EIO-PL-07.
#[tokio::test]
async fn a_get_waits_for_something() {
    let (_world, polling) = joined().await;
    let get = polling.waiting().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!get.is_finished());
    polling.write("42[\"message\"]").await;
    assert_eq!(soon("answer", get).await.unwrap().text(), "42[\"message-back\"]");
}

/// EIO-PL-08.
#[tokio::test]
async fn a_second_get_closes_the_session() {
    let (_world, polling) = joined().await;
    let first = polling.waiting().await;
    assert_eq!(polling.get().await.status, 400);
    let first = soon("first answer", first).await.unwrap();
    assert_eq!((first.status.as_u16(), first.text()), (200, "1"));
    polling.is_gone().await;
}

/// A POST whose body is not complete yet.
async fn half_a_post(polling: &Polling, body: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(&polling.world.address).await.unwrap();
    let head =
        format!("POST /socket.io/?{} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}", polling.query);
    stream.write_all(head.as_bytes()).await.unwrap();
    // There is no event for "the server has read the head".
    tokio::time::sleep(Duration::from_millis(50)).await;
    stream
}

async fn rest(mut stream: TcpStream) -> String {
    let mut answer = vec![0; 1000];
    let read = soon("answer", stream.read(&mut answer)).await.unwrap_or(0);
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

/// EIO-PL-09.
#[tokio::test]
async fn a_second_post_closes_the_session() {
    let (world, polling) = joined().await;
    let first = half_a_post(&polling, "42[\"mark\",1", 12).await;
    assert_eq!(polling.post("42[\"mark\",2]").await.status, 400);
    assert!(rest(first).await.starts_with("HTTP/1.1 400"));
    polling.is_gone().await;
    assert!(world.journal("mark", "/").await.is_empty());
}

/// EIO-PL-10, EIO-PL-11.
#[tokio::test]
async fn who_gives_up_a_request_is_gone() {
    let (world, polling) = joined().await;
    let get = polling.waiting().await;
    get.abort();
    let _ = get.await;
    polling.goes().await;

    let polling = world.poll().await;
    polling.join("/").await;
    drop(half_a_post(&polling, "42[\"mark\",1]", 100).await);
    polling.goes().await;
    assert!(world.journal("mark", "/").await.is_empty());
}

/// EIO-PL-12: see `handshake::max_payload_is_the_truth`; here, that nothing of a large body is kept or waited for.
#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let (_world, polling) = joined().await;
    let head = format!("POST /socket.io/?{} HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n", polling.query);
    let mut stream = TcpStream::connect(&polling.world.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(refused_as_too_large(&rest(stream).await), "");
    polling.write("42[\"message\"]").await;
}

/// EIO-PL-13.
#[tokio::test]
async fn bodies_in_pieces() {
    let (world, polling) = joined().await;
    let mut stream = TcpStream::connect(&world.address).await.unwrap();
    let head = format!("POST /socket.io/?{} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", polling.query);
    stream.write_all(head.as_bytes()).await.unwrap();
    for byte in "42[\"message\",\"€🙂\"]".bytes() {
        stream.write_all(&[b"1\r\n", &[byte][..], b"\r\n"].concat()).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    assert!(rest(stream).await.starts_with("HTTP/1.1 200"));
    assert_eq!(polling.read().await, "42[\"message-back\",\"€🙂\"]");

    let mut stream = TcpStream::connect(&world.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"10000\r\n".as_slice(), &vec![b'4'; 0x10000], b"\r\n"].concat();
    for _ in 0..20 {
        if stream.write_all(&chunk).await.is_err() {
            break;
        }
    }
    assert_eq!(refused_as_too_large(&rest(stream).await), "");
}

/// EIO-PL-14, EIO-PL-15.
#[tokio::test]
async fn content_types() {
    let (world, polling) = joined().await;
    for kind in ["text/plain", "application/json", "application/x-www-form-urlencoded", "text/plain;charset=UTF-8"] {
        let answer = world.send(Method::POST, &polling.query, &[("content-type", kind)], "42[\"message\"]").await;
        assert_eq!(answer.text(), "ok", "{kind}");
        assert_eq!(polling.read().await, "42[\"message-back\"]");
    }
    let binary = [("content-type", "application/octet-stream")];
    assert_eq!(world.send(Method::POST, &polling.query, &binary, "42[\"message\"]").await.status, 400);
    polling.is_gone().await;
}

/// EIO-PL-16, EIO-PL-17, EIO-PL-18, EIO-PL-19.
#[tokio::test]
async fn what_is_no_packet_closes_the_session() {
    for (body, marks) in [
        ("", 0),
        ("abc", 0),
        ("42[\"mark\",1]\x1e9\x1e42[\"mark\",2]", 1),
        ("42[\"mark\",1]\x1e", 1),
        ("42[\"mark\",1]\x1eb?", 1),
    ] {
        let (world, polling) = joined().await;
        assert_eq!(polling.post(body).await.status, 400, "{body:?}");
        polling.is_gone().await;
        let found = world.journal("mark", "/").await;
        assert_eq!(found.len(), marks, "{body:?}: {found:?}");
        assert!(found.iter().all(|mark| mark["x"] == 1));
    }
}

/// EIO-PL-20, EIO-PL-23.
#[tokio::test]
async fn what_the_session_survives() {
    let (world, polling) = joined().await;
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        assert_eq!(world.send(method, &polling.query, &[], "").await.status, 405);
    }
    for packet in ["0", "5", "6", "6x"] {
        polling.write(packet).await;
    }
    polling.write("42[\"message\"]").await;
    assert_eq!(polling.read().await, "42[\"message-back\"]");
}

/// EIO-PL-21, EIO-PL-22, SIO-EV-03.
#[tokio::test]
async fn text_keeps_its_characters() {
    let (_world, polling) = joined().await;
    let text = r#"["\u001e","\u0000","\u2028","🙂","€",9007199254740991,1.5,[],{},null,{"é":[{}]}]"#;
    polling.write(&format!("42[\"message\",{text}]")).await;
    let answer = polling.read().await;
    assert_eq!(answer.matches('\x1e').count(), 0);
    assert_eq!(answer, format!("42[\"message-back\",{text}]"));
}

/// The body of a 413.
fn refused_as_too_large(answer: &str) -> &str {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
    body
}

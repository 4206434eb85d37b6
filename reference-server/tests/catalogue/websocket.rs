//! 2.5 WebSocket transport.

use futures_util::{SinkExt as _, StreamExt as _};
use sio_reference_server::{Cors, Options};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};

use crate::common::{World, soon, world, world_with};

/// EIO-WS-01, EIO-WS-02, SIO-BN-01, SIO-BN-02, SIO-BN-04.
#[tokio::test]
async fn each_packet_is_a_frame() {
    let world = world().await;
    let mut ws = world.join("/").await;
    ws.send("42[\"emit\",{\"via\":\"self\",\"event\":\"n\",\"repeat\":3}]").await;
    for n in 0..3 {
        assert_eq!(ws.text().await, format!("42[\"n\",{n}]"));
    }
    let mut ws = world.join("/custom").await;
    ws.send("452-/custom,13[\"message-with-ack\",{\"_placeholder\":true,\"num\":1},{\"a\":{\"_placeholder\":true,\"num\":0}}]").await;
    ws.binary(vec![1]).await;
    ws.send("3").await; // a pong between the header and its attachments is legal
    ws.binary(vec![]).await;
    assert_eq!(
        ws.text().await,
        "462-/custom,13[{\"_placeholder\":true,\"num\":0},{\"a\":{\"_placeholder\":true,\"num\":1}}]"
    );
    assert_eq!((ws.bytes().await.to_vec(), ws.bytes().await.to_vec()), (vec![], vec![1]));
}

/// EIO-WS-03, EIO-WS-09, EIO-WS-10.
#[tokio::test]
async fn frames_that_are_no_packets() {
    let world = world().await;
    for text in ["abc", "7", "", "b?"] {
        let mut ws = world.join("/").await;
        ws.send(text).await;
        ws.closes().await;
    }
    let mut ws = world.join("/").await;
    for text in ["0", "5", "6", "3"] {
        ws.send(text).await;
    }
    ws.send("451-[\"message\",{\"_placeholder\":true,\"num\":0}]").await;
    ws.send("bAQID").await;
    assert_eq!(ws.text().await, "451-[\"message-back\",{\"_placeholder\":true,\"num\":0}]");
    assert_eq!(ws.bytes().await.to_vec(), [1, 2, 3]);
}

/// What one read brings may be more than a connection may hand on before the others get their turn; the rest is not forgotten, though
/// the socket has nothing more to tell of.
#[tokio::test]
async fn a_burst_is_read_to_its_end() {
    let world = world().await;
    let (mut sink, mut stream) = world.join("/").await.0.split();
    for round in 0..40 {
        // Short ones end a turn by their number, long ones by their length; together they are somewhat more than 64 KiB.
        let short = 64;
        let many = short + 20 + round % 6;
        let sends = async {
            for n in 0..many {
                let text = "x".repeat(if n < short { 1 } else { 3_000 });
                sink.feed(Message::text(format!("42{n}[\"message-with-ack\",\"{text}\"]"))).await.unwrap();
            }
            sink.flush().await.unwrap();
        };
        let answers = async {
            let mut next = 0;
            while next < many {
                let text = stream.next().await.unwrap().unwrap().into_text().unwrap();
                if text != "2" {
                    assert!(text.starts_with(&format!("43{next}[")), "{text}");
                    next += 1;
                }
            }
        };
        soon("all answers", async { tokio::join!(sends, answers) }).await;
    }
}

fn part(text: &str, first: bool, last: bool) -> Message {
    let kind = if first { Data::Text } else { Data::Continue };
    Message::Frame(Frame::message(text.to_owned(), OpCode::Data(kind), last))
}

/// EIO-WS-04.
#[tokio::test]
async fn messages_that_are_too_large_are_closed_with_1009() {
    let world = world_with(Options { max_http_buffer_size: 100, ..Options::default() }).await;
    let is_1009 = |message: Message| match message {
        Message::Close(Some(CloseFrame { code, .. })) => assert_eq!(u16::from(code), 1009),
        other => panic!("{other:?}"),
    };
    let mut ws = world.join("/").await;
    ws.send("4".repeat(101)).await;
    is_1009(ws.message().await);
    let mut ws = world.join("/").await;
    ws.0.send(part(&"4".repeat(60), true, false)).await.unwrap();
    ws.0.send(part(&"4".repeat(60), false, true)).await.unwrap();
    is_1009(ws.message().await);
    // A length that is only claimed: 2^40 bytes, masked, none of them sent.
    let mut stream = raw(&world).await;
    stream.write_all(&[0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4]).await.unwrap();
    let mut end = Vec::new();
    soon("the end", stream.read_to_end(&mut end)).await.ok();
    world.is_alive().await;
}

/// EIO-WS-05.
#[tokio::test]
async fn fragments_and_control_frames() {
    let world = world().await;
    let mut ws = world.join("/").await;
    ws.0.send(part("42[\"mess", true, false)).await.unwrap();
    ws.0.send(Message::Ping("hello".into())).await.unwrap();
    ws.0.send(part("age\",1]", false, true)).await.unwrap();
    assert_eq!(ws.message().await, Message::Pong("hello".into()));
    assert_eq!(ws.text().await, "42[\"message-back\",1]");
    ws.0.send(Message::Close(None)).await.unwrap();
    assert!(matches!(ws.message().await, Message::Close(_)));
}

const UPGRADE: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A WebSocket without a library: the handshake is done, the open packet read.
async fn raw(world: &World) -> TcpStream {
    let mut stream = TcpStream::connect(&world.address).await.unwrap();
    stream.write_all(UPGRADE.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("maxPayload\":1000000}")
        && !String::from_utf8_lossy(&seen).contains("maxPayload\":100}")
    {
        let mut some = [0; 1024];
        let n = soon("handshake", stream.read(&mut some)).await.unwrap();
        assert!(n > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&some[..n]);
    }
    stream
}

/// EIO-WS-06.
#[tokio::test]
async fn frames_against_the_rules_of_websocket() {
    let world = world().await;
    for (what, bytes, code) in [
        ("unmasked", &b"\x81\x0240"[..], 1002_u16),
        ("reserved bits", b"\xc1\x82\0\0\0\x0040", 1002),
        ("reserved opcode", b"\x83\x82\0\0\0\x0040", 1002),
        ("reserved control opcode", b"\x8b\x80\0\0\0\0", 1002),
        ("a ping in parts", b"\x09\x80\0\0\0\0", 1002),
        ("a continuation of nothing", b"\x80\x82\0\0\0\x0040", 1002),
        ("a message inside of another", b"\x01\x81\0\0\0\x004\x81\x81\0\0\0\x000", 1002),
        ("a ping of 126 bytes", &[&b"\x89\xfe\0\x7e\0\0\0\0"[..], &[0; 126]].concat(), 1002),
        ("a close of one byte", b"\x88\x81\0\0\0\0\x03", 1002),
        ("a close without a legal code", b"\x88\x82\0\0\0\0\x03\xed", 1002),
        ("not UTF-8", b"\x81\x82\0\0\0\x00\xc3\x28", 1007),
        ("a reason that is not UTF-8", b"\x88\x84\0\0\0\0\x03\xe8\xc3\x28", 1007),
    ] {
        let mut stream = raw(&world).await;
        stream.write_all(bytes).await.unwrap();
        let mut end = Vec::new();
        soon(what, stream.read_to_end(&mut end)).await.ok();
        assert_eq!(end.get(2..4), Some(&code.to_be_bytes()[..]), "{what}: {end:?}");
    }
    crate::common::until("end of the sessions", || world.io.clients_count() == 0).await;
    world.is_alive().await;
}

/// While it probes as well.
#[tokio::test]
async fn a_probe_against_the_rules_of_websocket() {
    let world = world().await;
    let polling = world.poll().await;
    let upgrade = UPGRADE.replace("websocket HTTP", &format!("websocket&sid={} HTTP", polling.sid));
    let mut stream = TcpStream::connect(&world.address).await.unwrap();
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    stream.write_all(b"\x81\x82\0\0\0\x00\xc3\x28").await.unwrap();
    let mut end = Vec::new();
    soon("the end", stream.read_to_end(&mut end)).await.ok();
    assert!(end.ends_with(b"\x88\x02\x03\xef"), "{end:?}");
}

/// RFC 9112, section 3.2.
#[tokio::test]
async fn a_request_names_its_host_once() {
    let world = world().await;
    let other = UPGRADE.replace("host: x", "host: x\r\nhost: y");
    for request in [UPGRADE.replace("host: x\r\n", ""), other, UPGRADE.replace("host: x\r\nconnection: upgrade", "")] {
        let mut stream = TcpStream::connect(&world.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon("the end", stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert_eq!(world.io.clients_count(), 0);
}

/// Node lets any page in; the option does not.
#[tokio::test]
async fn origins_of_websockets_may_be_checked() {
    let cors = |check| Some(Cors::origins(["https://a.example"]).check_websockets(check));
    for check in [false, true] {
        let world = world_with(Options { cors: cors(check), ..Options::default() }).await;
        for (origin, welcome) in [
            ("https://a.example", true),
            ("http://x", true),
            ("https://evil.example", !check),
            ("null", !check),
            ("https://a.example.evil.example", !check),
        ] {
            let request = UPGRADE.replace("host: x", &format!("host: x\r\norigin: {origin}"));
            let mut stream = TcpStream::connect(&world.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut start = [0; 12];
            soon("the answer", stream.read_exact(&mut start)).await.unwrap();
            let wanted = if welcome { b"HTTP/1.1 101" } else { b"HTTP/1.1 403" };
            assert_eq!(&start, wanted, "{origin}, checked: {check}");
        }
    }
}

/// EIO-WS-07, EIO-WS-08.
#[tokio::test]
async fn bytes_right_behind_the_request_and_resets() {
    let world = world().await;
    let behind = [UPGRADE.as_bytes(), b"\x81\x82\0\0\0\x0040"].concat();
    assert!(world.raw(&behind, "40{\"sid\"").await.contains("40{\"sid\""));
    let garbage = [UPGRADE.as_bytes(), &[0xff; 100]].concat();
    world.raw(&garbage, "never").await;
    for cut in (0..UPGRADE.len()).step_by(17) {
        let mut stream = TcpStream::connect(&world.address).await.unwrap();
        stream.write_all(&UPGRADE.as_bytes()[..cut]).await.unwrap();
        stream.set_zero_linger().unwrap();
        drop(stream);
    }
    world.is_alive().await;
}

/// The opening handshake, by RFC 6455, section 4.2.
#[tokio::test]
async fn the_opening_handshake() {
    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let world = world().await;
    let usual = ["Upgrade: websocket", "Connection: Upgrade", KEY, "Sec-WebSocket-Version: 13"];
    let ask = async |line: &str, headers: &[&str]| {
        let line = line.replace('?', "/socket.io/?EIO=4&transport=websocket");
        let request = format!("{line}\r\nHost: x\r\n{}\r\n\r\n", headers.join("\r\n"));
        world.raw(request.as_bytes(), "\r\n\r\n").await.to_lowercase()
    };
    let with = |at: usize, header: &'static str| {
        let mut headers = usual;
        headers[at] = header;
        headers
    };
    let taken = |answer: &str| answer.starts_with("http/1.1 101") && answer.contains("s3pplmbitxaq9kygzzhzrbk+xoo=");
    let get = "GET ? HTTP/1.1";
    assert!(taken(&ask(get, &usual).await));
    assert!(taken(&ask(get, &with(0, "Upgrade: h2c, WebSocket")).await));
    assert!(taken(&ask(get, &with(1, "Connection: keep-alive, upgrade")).await));

    for (at, header) in [
        (0, "Upgrade: h2c"),
        (1, "Connection: keep-alive"),
        (1, "X: no Connection"),
        (2, "X: no key"),
        (2, "Sec-WebSocket-Key: abc"),
        (2, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=?"),
        (2, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZVhY"),
    ] {
        let answer = ask(get, &with(at, header)).await;
        assert!(answer.starts_with("http/1.1 400"), "{header}: {answer}");
    }
    for header in ["Sec-WebSocket-Version: 8", "X: no version", "Sec-WebSocket-Version: 14"] {
        let answer = ask(get, &with(3, header)).await;
        assert!(answer.starts_with("http/1.1 426") && answer.contains("sec-websocket-version: 13\r\n"), "{answer}");
    }
    for line in ["POST ? HTTP/1.1", "GET ? HTTP/1.0"] {
        let answer = ask(line, &usual).await;
        assert!(answer.contains(" 400 "), "{line}: {answer}");
    }

    let offers = |offer: &'static str| [&usual[..], &[offer]].concat();
    let chosen = ask(get, &offers("Sec-WebSocket-Protocol: chat.v2, b")).await;
    assert!(taken(&chosen) && chosen.contains("sec-websocket-protocol: chat.v2\r\n"), "{chosen}");
    assert!(!ask(get, &usual).await.contains("sec-websocket-protocol"));
    let nonsense = ask(get, &offers("Sec-WebSocket-Protocol: (a")).await;
    assert!(nonsense.starts_with("http/1.1 400"), "{nonsense}");
}

/// RFC 6455, sections 5.5.1, 7.4.1 and 8.1: who breaks the rules is told so.
#[tokio::test]
async fn close_codes() {
    let world = world().await;
    for (frame, code) in [
        (&b"\x88\x81\0\0\0\0\x03"[..], 1002_u16),
        (b"\x81\x81\0\0\0\0\xff", 1007),
        (b"\x81\x01x", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (&[&b"\x89\xfe\x00\x7e\0\0\0\0"[..], &[b'x'; 126]].concat(), 1002),
        (b"\x88\x82\0\0\0\0\x03\xe8", 1000),
    ] {
        let mut stream = raw(&world).await;
        stream.write_all(frame).await.unwrap();
        let mut answer = Vec::new();
        soon(&format!("end after {frame:?}"), stream.read_to_end(&mut answer)).await.unwrap();
        let expected = [&b"\x88\x02"[..], &code.to_be_bytes()].concat();
        assert!(answer.ends_with(&expected), "{frame:?}: {answer:?}");
    }
}

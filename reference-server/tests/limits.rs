//! Peers that want too much, or nothing: each limit of `sio_reference_server::limits`, and that the others do not feel
//! it. Limits that belong to a row of the catalogue are tested there.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use sio_reference_server::{Options, Server, fixture, limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

struct World {
    io: Server,
    address: String,
}

async fn world(options: Options) -> World {
    let io = Server::new(options);
    fixture::install(&io, &fixture::Config { node: "A".to_owned(), journal: false });
    let listener = io.listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().to_string();
    tokio::spawn(listener.run());
    World { io, address }
}

async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), wait).await.unwrap_or_else(|_| panic!("no {what} in time"))
}

impl World {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }

    async fn join(&self) -> WebSocketStream<TcpStream> {
        let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", self.address);
        let (mut ws, _) = client_async(url, self.connect().await).await.unwrap();
        ws.send(Message::text("40")).await.unwrap();
        for _ in 0..3 {
            ws.next().await.unwrap().unwrap();
        }
        ws
    }

    /// One request after another on a connection; returns the last answer.
    async fn ask(&self, stream: &mut TcpStream, request: &str) -> String {
        stream.write_all(request.as_bytes()).await.unwrap();
        answer(stream).await
    }

    async fn sessions_go(&self, left: usize) {
        soon("end of the sessions", async {
            while self.io.clients_count() > left {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

/// An answer with a content length.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    loop {
        let mut some = [0; 4096];
        let n = soon("answer", stream.read(&mut some)).await.unwrap_or(0);
        text.push_str(&String::from_utf8_lossy(&some[..n]));
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head
                .to_ascii_lowercase()
                .split("content-length: ")
                .nth(1)
                .map(|rest| rest.split("\r\n").next().unwrap().parse());
            length.is_some_and(|length| body.len() >= length.unwrap())
        });
        if n == 0 || whole {
            return text;
        }
    }
}

fn get(query: &str) -> String {
    format!("GET /socket.io/?EIO=4&transport=polling{query} HTTP/1.1\r\nhost: x\r\n\r\n")
}

fn sid_of(open: &str) -> String {
    open.split("\"sid\":\"").nth(1).unwrap_or_else(|| panic!("{open}")).split('"').next().unwrap().to_owned()
}

/// Echoes of a client that does nothing wrong, while `trouble` lasts: each comes back within a second.
async fn others_do_not_feel_it(world: &World, trouble: impl Future<Output = ()>) {
    let mut ws = world.join().await;
    let echo = async {
        for n in 0_u64.. {
            let answer = async {
                ws.send(Message::text(format!("42{n}[\"message-with-ack\"]"))).await.unwrap();
                loop {
                    let text = ws.next().await.unwrap().unwrap().to_text().unwrap().to_owned();
                    if text == format!("43{n}[]") {
                        return;
                    }
                    assert_eq!(text, "2");
                    ws.send(Message::text("3")).await.unwrap();
                }
            };
            tokio::time::timeout(Duration::from_secs(1), answer).await.unwrap_or_else(|_| panic!("echo {n} is late"));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = echo => {}
        () = trouble => {}
    }
}

/// `MAX_HEAD`, `MAX_HEADERS`.
#[tokio::test]
async fn header_bombs() {
    let world = world(Options::default()).await;
    let bombs = [
        format!(
            "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nhost: x\r\nx-bomb: {}\r\n\r\n",
            "b".repeat(2 * limits::MAX_HEAD)
        ),
        format!(
            "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nhost: x\r\n{}\r\n",
            "a: b\r\n".repeat(limits::MAX_HEADERS + 1)
        ),
        format!("GET /socket.io/?{} HTTP/1.1\r\nhost: x\r\n\r\n", "q".repeat(1_000_000)),
    ];
    for bomb in bombs {
        let mut stream = world.connect().await;
        // The server may close before it has read everything.
        let _ = stream.write_all(bomb.as_bytes()).await;
        let refused = answer(&mut stream).await;
        assert!(
            refused.is_empty() || refused.starts_with("HTTP/1.1 431") || refused.starts_with("HTTP/1.1 414"),
            "{refused}"
        );
    }
    assert_eq!(world.io.clients_count(), 0);
    world.join().await;
}

/// `HEADER_TIMEOUT`, on a clock that jumps when everybody waits.
#[tokio::test(start_paused = true)]
async fn half_a_request_is_waited_for_for_so_long() {
    let world = world(Options::default()).await;
    let begin = tokio::time::Instant::now();
    let mut stream = world.connect().await;
    stream.write_all(b"GET /socket.io/?EIO=4").await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.ok();
    assert!(begin.elapsed() >= limits::HEADER_TIMEOUT && begin.elapsed() < 2 * limits::HEADER_TIMEOUT);
}

/// A body that comes a byte at a time ends with its session: no pong can come beside it.
#[tokio::test]
async fn a_byte_at_a_time() {
    let short = Duration::from_millis(300);
    let world = world(Options { ping_interval: short, ping_timeout: short, ..Options::default() }).await;
    let mut stream = world.connect().await;
    let sid = sid_of(&world.ask(&mut stream, &get("")).await);
    let head = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let trickle = async {
        while world.io.clients_count() > 1 {
            let _ = stream.write_all(b"4").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    others_do_not_feel_it(&world, trickle).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 400"));
}

/// `connect_timeout`: 10,000 handshakes that nobody follows up.
#[tokio::test]
async fn idle_handshakes_go() {
    let options = Options {
        connect_timeout: Duration::from_secs(4),
        ping_interval: Duration::from_secs(4),
        ping_timeout: Duration::from_secs(2),
        ..Options::default()
    };
    let world = world(options).await;
    let trouble = async {
        let mut stream = world.connect().await;
        for _ in 0..10_000 {
            let open = world.ask(&mut stream, &get("")).await;
            assert!(open.starts_with("HTTP/1.1 200"));
        }
    };
    others_do_not_feel_it(&world, trouble).await;
    // Closed at the latest when the ping that nobody fetches has timed out.
    world.sessions_go(0).await;
}

/// `max_sessions`.
#[tokio::test]
async fn a_full_server_says_so() {
    let world = world(Options { max_sessions: 2, ..Options::default() }).await;
    let mut stream = world.connect().await;
    for _ in 0..2 {
        sid_of(&world.ask(&mut stream, &get("")).await);
    }
    let full = world.ask(&mut stream, &get("")).await;
    assert!(full.starts_with("HTTP/1.1 503") && full.contains("Service unavailable"), "{full}");
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", world.address);
    assert!(client_async(url, world.connect().await).await.is_err());
    assert_eq!(world.io.clients_count(), 2);
}

/// `max_sessions_per_address`: a session that is gone makes room for another one.
#[tokio::test]
async fn an_address_has_so_many_sessions() {
    let world = world(Options { max_sessions_per_address: Some(2), ..Options::default() }).await;
    let mut stream = world.connect().await;
    let sids = [sid_of(&world.ask(&mut stream, &get("")).await), sid_of(&world.ask(&mut stream, &get("")).await)];
    let full = world.ask(&mut stream, &get("")).await;
    assert!(full.starts_with("HTTP/1.1 503"), "{full}");
    let bye = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n1",
        sids[0]
    );
    world.ask(&mut stream, &bye).await;
    world.sessions_go(1).await;
    sid_of(&world.ask(&mut stream, &get("")).await);
}

/// `max_name`: of rooms and of events.
#[tokio::test]
async fn names_that_are_too_long() {
    let world = world(Options { max_name: 100, ..Options::default() }).await;
    world.io.on_connection(|socket| {
        socket.on("enter", |socket, event| socket.join(event.args.get::<String>(0).unwrap()));
    });
    let (fits, long) = ("n".repeat(100), "n".repeat(101));
    for (packet, stays) in [
        (format!("42[\"{fits}\"]"), true),
        (format!("42[\"{long}\"]"), false),
        (format!("42[\"enter\",\"{fits}\"]"), true),
        (format!("42[\"enter\",\"{long}\"]"), false),
    ] {
        let mut ws = world.join().await;
        for text in [&packet, "421[\"message-with-ack\"]"] {
            // Fails when it is closed already.
            ws.send(Message::text(text)).await.ok();
        }
        let mut answered = false;
        while !answered && let Some(Ok(message)) = soon("an answer or the end", ws.next()).await {
            answered = message.into_text().is_ok_and(|text| text.starts_with("431"));
        }
        assert_eq!(answered, stays, "{packet}");
        assert!(!world.io.of("/").adapter().rooms().contains_key(&long), "{packet}");
    }
}

/// `max_buffered`: answers pile up for a client that asks and never polls.
#[tokio::test]
async fn answers_nobody_fetches() {
    let world = world(Options { max_buffered: 100_000, ..Options::default() }).await;
    let mut stream = world.connect().await;
    let sid = sid_of(&world.ask(&mut stream, &get("")).await);
    let body = (0..500).map(|n| format!("40/x{n},")).collect::<Vec<_>>().join("\x1e");
    let post = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut taken = 0;
    let refused = loop {
        let answer = world.ask(&mut stream, &post).await;
        if !answer.starts_with("HTTP/1.1 200") {
            break answer;
        }
        taken += 1;
    };
    // 500 refusals are some 20 kB, and cost 68 in memory.
    assert!((1..=2).contains(&taken), "{taken} bodies were taken");
    assert!(refused.contains("Session ID unknown"), "{refused}");
    assert_eq!(world.io.clients_count(), 0);
}

/// `max_namespaces`, `max_child_namespaces`.
#[tokio::test]
async fn namespaces_without_end() {
    let world = world(Options { max_namespaces: 10, max_child_namespaces: 15, ..Options::default() }).await;
    let mut ws = world.join().await;
    for n in 0..9 {
        ws.send(Message::text(format!("40/dynamic-{n},"))).await.unwrap();
        for _ in 0..2 {
            assert!(ws.next().await.unwrap().unwrap().to_text().unwrap().contains("/dynamic-"));
        }
    }
    ws.send(Message::text("40/dynamic-9,")).await.unwrap();
    let end = soon("close", ws.next()).await.unwrap();
    assert!(matches!(end, Ok(Message::Close(_)) | Err(_)), "{end:?}");
    let mut ws = world.join().await;
    let mut refused = 0;
    for n in 10..18 {
        ws.send(Message::text(format!("40/dynamic-{n},"))).await.unwrap();
        let text = ws.next().await.unwrap().unwrap().to_text().unwrap().to_owned();
        if text.contains("Invalid namespace") {
            refused += 1;
        } else {
            ws.next().await.unwrap().unwrap();
        }
    }
    assert_eq!(refused, 2, "9 and 6 children are all there may be");
}

/// Requests that do not wait for their answers: they wait in the socket instead.
#[tokio::test]
async fn pipelined_polling() {
    // The server does not read on, so it is the heartbeat that tells it when this peer is gone.
    let options =
        Options { ping_interval: Duration::from_secs(2), ping_timeout: Duration::from_secs(1), ..Options::default() };
    let world = world(options).await;
    let mut stream = world.connect().await;
    let sid = sid_of(&world.ask(&mut stream, &get("")).await);
    let trouble = async {
        let many = get(&format!("&sid={sid}")).repeat(500);
        // More than the kernel takes: the server reads no further than it has to.
        let written = tokio::time::timeout(Duration::from_millis(500), stream.write_all(many.as_bytes())).await;
        drop(written);
    };
    others_do_not_feel_it(&world, trouble).await;
    world.sessions_go(1).await; // the echo's
    assert_eq!(world.io.clients_count(), 1, "the session that polls");
    drop(stream);
    world.sessions_go(0).await;
}

/// 100 MB, by either transport: refused without being read or kept.
#[tokio::test]
async fn large_bodies_and_messages() {
    let world = world(Options::default()).await;
    let mut stream = world.connect().await;
    let sid = sid_of(&world.ask(&mut stream, &get("")).await);
    let trouble = async {
        let head = format!(
            "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let chunk = [b"100000\r\n".as_slice(), &vec![b'4'; 0x10_0000], b"\r\n"].concat();
        let mut sent = 0;
        while sent < 100 && stream.write_all(&chunk).await.is_ok() {
            sent += 1;
        }
        assert!(sent < 20, "{sent} MB were read");
        let mut ws = world.join().await;
        let outcome = ws.send(Message::text("4".repeat(100_000_000))).await;
        let end = soon("close", ws.next()).await;
        assert!(outcome.is_err() || !matches!(end, Some(Ok(Message::Text(_)))), "{end:?}");
    };
    others_do_not_feel_it(&world, trouble).await;
}

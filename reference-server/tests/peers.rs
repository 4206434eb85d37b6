//! Peers that do not behave, over real sockets.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use sio_reference_server::{Options, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// A server whose sockets tell why they leave.
async fn server(options: Options) -> (Server, String, mpsc::UnboundedReceiver<&'static str>) {
    let io = Server::new(options);
    let (sender, left) = mpsc::unbounded_channel();
    io.of("/").on_connection(move |socket| {
        socket.on("echo", |_, event| event.ack(event.args.clone()));
        socket.on("flood", |socket, _| {
            for _ in 0..100 {
                socket.emit("x", ("y".repeat(100_000),)).unwrap();
            }
        });
        let sender = sender.clone();
        socket.on_disconnect(move |_, reason| sender.send(reason.as_str()).unwrap());
    });
    let listener = io.listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().to_string();
    tokio::spawn(listener.run());
    (io, address, left)
}

async fn connect(address: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
    let (mut socket, _) = client_async(url, stream).await.unwrap();
    socket.next().await.unwrap().unwrap();
    socket.send(Message::text("40")).await.unwrap();
    let connected = socket.next().await.unwrap().unwrap();
    assert!(connected.to_text().unwrap().starts_with("40{"));
    socket
}

async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("no {what} in time"))
}

#[tokio::test]
async fn a_reader_that_stops_is_disconnected_and_slows_nobody() {
    let (io, address, mut left) = server(Options { max_buffered: 1_000_000, ..Options::default() }).await;
    let mut slow = connect(&address).await;
    let mut other = connect(&address).await;
    // 10 MB for a client that reads nothing: kernel buffers take some, the rest runs over.
    for _ in 0..3 {
        slow.send(Message::text("42[\"flood\"]")).await.unwrap();
    }
    assert_eq!(soon("disconnect", left.recv()).await, Some("slow reader"));
    other.send(Message::text("421[\"echo\",1]")).await.unwrap();
    assert_eq!(soon("echo", other.next()).await.unwrap().unwrap().to_text().unwrap(), "431[1]");
    soon("end of the session", async {
        while io.clients_count() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The queue runs over while somebody else sends; the reader's own task sleeps on a full socket then, and must
/// be told.
#[tokio::test]
async fn a_reader_that_a_broadcast_overruns_is_gone_at_once() {
    let (io, address, mut left) = server(Options { max_buffered: 1_000_000, ..Options::default() }).await;
    let _slow = connect(&address).await;
    let broadcast = async {
        loop {
            io.emit("x", ("y".repeat(100_000),)).unwrap();
            tokio::task::yield_now().await;
        }
    };
    let reason = tokio::select! {
        reason = soon("disconnect", left.recv()) => reason,
        () = broadcast => None,
    };
    assert_eq!(reason, Some("slow reader"));
    soon("end of the session", async {
        while io.clients_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_silent_peer_runs_into_the_ping_timeout_even_when_its_socket_is_full() {
    let short = Duration::from_millis(100);
    let room = 64 * 1024 * 1024;
    let options =
        Options { ping_interval: short, ping_timeout: short, max_buffered: room, max_held: room, ..Options::default() };
    let (io, address, mut left) = server(options).await;
    let mut silent = connect(&address).await;
    silent.send(Message::text("42[\"flood\"]")).await.unwrap();
    assert_eq!(soon("disconnect", left.recv()).await, Some("ping timeout"));
    soon("end of the session", async {
        while io.clients_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_queued_is_written_before_the_server_stops() {
    let (io, address, mut left) = server(Options::default()).await;
    let mut client = connect(&address).await;
    io.emit("last", ("words",)).unwrap();
    io.close(Duration::from_secs(5)).await;
    assert_eq!(soon("event", client.next()).await.unwrap().unwrap().to_text().unwrap(), "42[\"last\",\"words\"]");
    assert_eq!(left.recv().await, Some("server shutting down"));
    assert_eq!(io.clients_count(), 0);
}

/// A handler of the application that panics ends its own connection, by either transport, and nothing else.
#[tokio::test]
async fn a_handler_that_panics_costs_one_connection() {
    let (io, address, mut left) = server(Options::default()).await;
    io.of("/").on_connection(|socket| {
        socket.on("panic", |_, _| panic!("on purpose"));
    });
    let mut other = connect(&address).await;
    let mut bad = connect(&address).await;
    bad.send(Message::text("42[\"panic\"]")).await.unwrap();
    bad.send(Message::text("421[\"echo\"]")).await.unwrap();
    assert_eq!(soon("disconnect", left.recv()).await, Some("forced server close"));
    while let Some(Ok(message)) = soon("close", bad.next()).await {
        assert!(message.is_close(), "{message:?}");
    }
    let head = "HTTP/1.1\r\nhost: x\r\n";
    let open = raw(&address, &format!("GET /socket.io/?EIO=4&transport=polling {head}\r\n")).await;
    let sid = open.split("\"sid\":\"").nth(1).unwrap().split('"').next().unwrap();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    for body in ["40", "42[\"panic\"]"] {
        let post = format!("POST {path} {head}content-length: {}\r\n\r\n{body}", body.len());
        assert!(raw(&address, &post).await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(soon("disconnect", left.recv()).await, Some("forced server close"));
    for _ in 0..2 {
        raw(&address, &format!("GET {path} {head}\r\n")).await;
    }
    other.send(Message::text("421[\"echo\"]")).await.unwrap();
    assert_eq!(soon("echo", other.next()).await.unwrap().unwrap().to_text().unwrap(), "431[]");
    assert_eq!(io.clients_count(), 1);
}

/// A reader that does not read cannot keep the server from stopping.
#[tokio::test]
async fn a_stopping_server_has_a_deadline() {
    let room = 64 * 1024 * 1024;
    let (io, address, mut left) = server(Options { max_buffered: room, max_held: room, ..Options::default() }).await;
    let mut stuck = connect(&address).await;
    stuck.send(Message::text("42[\"flood\"]")).await.unwrap();
    let mut other = connect(&address).await;
    other.send(Message::text("421[\"echo\"]")).await.unwrap();
    soon("echo", other.next()).await.unwrap().unwrap();
    soon("the end", io.close(Duration::from_millis(300))).await;
    assert!(soon("close", other.next()).await.unwrap().unwrap().is_close());
    for _ in 0..2 {
        assert_eq!(soon("disconnect", left.recv()).await, Some("server shutting down"));
    }
}

/// Writes raw bytes and returns what comes back until the server closes or falls silent.
async fn raw(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = soon("answer", stream.read(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn requests_that_are_wrong_get_the_codes_of_engine_io() {
    let (_io, address, _left) = server(Options::default()).await;
    let get = |query: &str| format!("GET /socket.io/?{query} HTTP/1.1\r\nhost: x\r\n\r\n");
    for (request, expected) in [
        (get("EIO=4&transport=abc"), r#"{"code":0,"message":"Transport unknown"}"#),
        (get("EIO=4&transport=__proto__"), r#"{"code":0,"message":"Transport unknown"}"#),
        (get("EIO=4&transport=polling&sid=nobody"), r#"{"code":1,"message":"Session ID unknown"}"#),
        (get("EIO=4&transport=polling").replace("GET", "POST"), r#"{"code":2,"message":"Bad handshake method"}"#),
        (get("EIO=4&transport=websocket"), r#"{"code":3,"message":"Bad request"}"#),
        (get("EIO=3&transport=polling"), r#"{"code":5,"message":"Unsupported protocol version"}"#),
        (get("EIO=4&EIO=4&transport=polling"), r#"{"code":5,"message":"Unsupported protocol version"}"#),
        (get("transport=polling"), r#"{"code":5,"message":"Unsupported protocol version"}"#),
    ] {
        let answer = raw(&address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.ends_with(expected), "{request}: {answer}");
    }
    let open = raw(&address, &get("EIO=4&transport=polling&t=x")).await;
    assert!(open.starts_with("HTTP/1.1 200") && open.contains("\r\n\r\n0{\"sid\":\""), "{open}");
    assert!(
        open.contains(r#""upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#)
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_the_session_goes_on() {
    let (_io, address, _left) = server(Options { max_http_buffer_size: 100, ..Options::default() }).await;
    let head = "HTTP/1.1\r\nhost: x\r\n";
    let open = raw(&address, &format!("GET /socket.io/?EIO=4&transport=polling {head}\r\n")).await;
    let sid = open.split("\"sid\":\"").nth(1).unwrap().split('"').next().unwrap();
    let post = |body: &str| {
        let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        format!("POST {path} {head}content-length: {}\r\n\r\n{body}", body.len())
    };
    let large = raw(&address, &post(&"4".repeat(101))).await;
    assert!(large.starts_with("HTTP/1.1 413"), "{large}");
    let good = raw(&address, &post("40")).await;
    assert!(good.starts_with("HTTP/1.1 200") && good.ends_with("ok"), "{good}");
    let garbage = raw(&address, &post("abc")).await;
    assert!(garbage.starts_with("HTTP/1.1 400"), "{garbage}");
    let gone = raw(&address, &post("42[\"x\"]")).await;
    assert!(gone.contains("Session ID unknown"), "{gone}");
}

#[tokio::test]
async fn a_message_over_the_limit_closes_the_websocket_with_1009() {
    let (_io, address, mut left) = server(Options { max_http_buffer_size: 100, ..Options::default() }).await;
    let mut client = connect(&address).await;
    client.send(Message::text("4".repeat(101))).await.unwrap();
    match soon("close frame", client.next()).await.unwrap().unwrap() {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1009),
        other => panic!("{other:?}"),
    }
    assert_eq!(soon("disconnect", left.recv()).await, Some("transport error"));
}

//! Engine.IO without Socket.IO on top.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use sio_reference_server::{EngineApp, EngineSocket, Message, Options, Reason, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Greets, sends back, and notes who comes and goes.
#[derive(Clone, Default)]
struct Echo(Arc<Mutex<Vec<String>>>);

impl EngineApp for Echo {
    fn opened(&self, socket: &EngineSocket) {
        self.0.lock().unwrap().push(format!("opened over {}", socket.transport()));
        assert!(socket.send(Message::Text("hello".into())));
    }

    fn message(&self, socket: &EngineSocket, message: Message) {
        if message == Message::Text("bye".into()) {
            socket.send(Message::Text("goodbye".into()));
            socket.close();
            assert!(!socket.send(message), "it is over");
        } else {
            socket.send(message);
        }
    }

    fn closed(&self, _socket: &EngineSocket, reason: Reason) {
        self.0.lock().unwrap().push(reason.as_str().to_owned());
    }
}

async fn echo() -> (Echo, String) {
    let app = Echo::default();
    let options = Options { path: "/engine.io".to_owned(), allow_eio3: true, ..Options::default() };
    let listener = Server::engine(options, app.clone()).listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().to_string();
    tokio::spawn(listener.run());
    (app, address)
}

async fn websocket(address: &str, query: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    client_async(format!("ws://{address}/engine.io/?transport=websocket&{query}"), stream).await.unwrap().0
}

async fn http(address: &str, method: &str, query: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} /engine.io/?transport=polling&{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

async fn next(ws: &mut WebSocketStream<TcpStream>) -> Frame {
    tokio::time::timeout(Duration::from_secs(30), ws.next()).await.unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn messages_of_both_kinds_and_revisions() {
    let (app, address) = echo().await;
    for (query, bytes) in [("EIO=4", &b"\x01\x02"[..]), ("EIO=3", b"\x04\x01\x02")] {
        let mut ws = websocket(&address, query).await;
        assert!(next(&mut ws).await.to_text().unwrap().starts_with("0{"));
        assert_eq!(next(&mut ws).await, Frame::text("4hello"), "no packet of Socket.IO among them");
        for frame in [Frame::text("4anything, [not JSON"), Frame::text("4"), Frame::binary(bytes.to_vec())] {
            ws.send(frame.clone()).await.unwrap();
            assert_eq!(next(&mut ws).await, frame);
        }
        ws.send(Frame::text("4bye")).await.unwrap();
        assert_eq!(next(&mut ws).await, Frame::text("4goodbye"));
        assert!(next(&mut ws).await.is_close());
    }
    assert_eq!(*app.0.lock().unwrap(), ["opened over websocket", "forced server close"].repeat(2));
}

#[tokio::test]
async fn across_an_upgrade() {
    let (_, address) = echo().await;
    let open = http(&address, "GET", "EIO=4", "").await;
    let session = format!("EIO=4&sid={}", open.split('"').nth(3).unwrap());
    assert_eq!(http(&address, "GET", &session, "").await, "4hello");
    assert_eq!(http(&address, "POST", &session, "4a\x1ebAQI=").await, "ok");
    assert_eq!(http(&address, "GET", &session, "").await, "4a\x1ebAQI=");
    let mut ws = websocket(&address, &session).await;
    ws.send(Frame::text("2probe")).await.unwrap();
    assert_eq!(next(&mut ws).await, Frame::text("3probe"));
    assert_eq!(http(&address, "POST", &session, "4b").await, "ok");
    ws.send(Frame::text("5")).await.unwrap();
    ws.send(Frame::text("4c")).await.unwrap();
    assert_eq!(next(&mut ws).await, Frame::text("4b"));
    assert_eq!(next(&mut ws).await, Frame::text("4c"));
}

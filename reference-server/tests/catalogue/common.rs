//! A server with the fixture, and clients that do exactly what they are told.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use sio_reference_server::fixture;
use sio_reference_server::{Options, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// A server with the fixture on a port of its own.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) io: Server,
    pub(crate) address: String,
}

/// Short timers, so that a test of time is over soon.
pub(crate) fn fast() -> Options {
    Options {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        ..Options::default()
    }
}

pub(crate) async fn world() -> World {
    world_with(Options::default()).await
}

pub(crate) async fn world_with(options: Options) -> World {
    let io = Server::new(options);
    fixture::install(&io, &fixture::Config { node: "A".to_owned(), journal: true });
    serve(io).await
}

/// Puts a server on a port.
pub(crate) async fn serve(io: Server) -> World {
    let listener = io.listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().to_string();
    tokio::spawn(listener.run());
    World { io, address }
}

/// Waits for something that must come.
pub(crate) async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("no {what} in time"))
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    soon(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status and engine.io's code of an error.
    pub(crate) fn error(&self) -> (u16, u64) {
        let body: Json = serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"));
        assert_eq!(self.header("content-type"), Some("application/json"));
        (self.status.as_u16(), body["code"].as_u64().unwrap())
    }
}

impl World {
    /// A connection that sends at once: with Nagle's algorithm, two writes in a row wait 40 ms for the delayed
    /// acknowledgement of the first.
    pub(crate) async fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// One request on a connection of its own.
    pub(crate) async fn request(&self, request: Request<Full<Bytes>>) -> Answer {
        let stream = self.tcp().await;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let answer = soon("answer", sender.send_request(request)).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = soon("body", body.collect()).await.unwrap().to_bytes();
        connection.abort();
        Answer { status: head.status, headers: head.headers, body }
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        query: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/socket.io/?{query}")).header("host", "x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.request(request.body(Full::new(body.into())).unwrap()).await
    }

    pub(crate) async fn get(&self, query: &str) -> Answer {
        self.send(Method::GET, query, &[], "").await
    }

    /// Opens a polling session.
    pub(crate) async fn poll(&self) -> Polling {
        self.poll_as("EIO=4").await
    }

    pub(crate) async fn poll_as(&self, version: &str) -> Polling {
        let open = self.get(&format!("{version}&transport=polling")).await;
        assert_eq!(open.status, 200, "{open:?}");
        let text = open.text().to_owned();
        let sid = text.split("\"sid\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        Polling { world: self.clone(), query: format!("{version}&transport=polling&sid={sid}"), sid, open: text }
    }

    /// Opens a WebSocket with a query, without reading anything.
    pub(crate) async fn socket(&self, query: &str) -> Ws {
        self.try_socket(query).await.unwrap()
    }

    pub(crate) async fn try_socket(&self, query: &str) -> Result<Ws, tokio_tungstenite::tungstenite::Error> {
        let stream = self.tcp().await;
        let url = format!("ws://{}/socket.io/?{query}", self.address);
        Ok(Ws(soon("handshake", client_async(url, stream)).await?.0))
    }

    /// Opens a session on a WebSocket; the handshake is read.
    pub(crate) async fn ws(&self) -> Ws {
        let mut ws = self.socket("EIO=4&transport=websocket").await;
        assert!(ws.text().await.starts_with("0{"));
        ws
    }

    /// Joins a namespace on a WebSocket; the confirmation and the fixture's greeting are read.
    pub(crate) async fn join(&self, nsp: &str) -> Ws {
        self.join_with(nsp, "").await
    }

    pub(crate) async fn join_with(&self, nsp: &str, auth: &str) -> Ws {
        let mut ws = self.ws().await;
        ws.connect(nsp, auth).await;
        ws
    }

    /// The process still serves: a handshake, a namespace, an echo.
    pub(crate) async fn is_alive(&self) {
        let mut ws = self.join("/").await;
        ws.send("42[\"message\",\"alive\"]").await;
        assert_eq!(ws.text().await, "42[\"message-back\",\"alive\"]");
    }

    /// Entries of the fixture's journal of one kind, for a namespace.
    pub(crate) async fn journal(&self, kind: &str, nsp: &str) -> Vec<Json> {
        let mut ws = self.join("/").await;
        let all = ws.ask("", "journal", "0").await;
        let all: Json = serde_json::from_str(&all).unwrap();
        let of_kind = |entry: &&Json| entry["kind"] == kind && entry["nsp"] == nsp;
        all[0].as_array().unwrap().iter().filter(of_kind).cloned().collect()
    }

    /// Writes bytes on a connection of its own and returns what comes back until `enough` or the end.
    pub(crate) async fn raw(&self, bytes: &[u8], enough: &str) -> String {
        let mut stream = self.tcp().await;
        // The server may close before it has read everything.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        soon("answer", async {
            while !String::from_utf8_lossy(&answer).contains(enough) {
                let mut some = [0; 4096];
                match stream.read(&mut some).await {
                    Ok(0) | Err(_) => break,
                    Ok(n) => answer.extend_from_slice(&some[..n]),
                }
            }
        })
        .await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// A long-polling client.
#[derive(Clone)]
pub(crate) struct Polling {
    pub(crate) world: World,
    pub(crate) query: String,
    pub(crate) sid: String,
    /// The first answer.
    pub(crate) open: String,
}

impl Polling {
    pub(crate) async fn get(&self) -> Answer {
        self.world.get(&self.query).await
    }

    /// The next answer, which must be a good one.
    pub(crate) async fn read(&self) -> String {
        let answer = self.get().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text().to_owned()
    }

    pub(crate) async fn post(&self, body: &str) -> Answer {
        self.world.send(Method::POST, &self.query, &[], body.to_owned()).await
    }

    /// Sends packets, which must be taken.
    pub(crate) async fn write(&self, body: &str) {
        let answer = self.post(body).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "ok"));
    }

    /// Joins a namespace; the confirmation and the greeting are read.
    pub(crate) async fn join(&self, nsp: &str) {
        self.write(&format!("40{}", if nsp == "/" { String::new() } else { format!("{nsp},") })).await;
        assert!(self.read().await.contains("\"sid\""));
    }

    /// A GET that waits in the background until the server holds it.
    pub(crate) async fn waiting(&self) -> tokio::task::JoinHandle<Answer> {
        let polling = self.clone();
        let get = tokio::spawn(async move { polling.get().await });
        // There is no event for "the server has begun to hold the request".
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!get.is_finished());
        get
    }

    pub(crate) async fn is_gone(&self) {
        assert_eq!(self.get().await.error(), (400, 1));
        assert_eq!(self.post("40").await.error(), (400, 1));
    }

    /// Until the server has let go of the session.
    pub(crate) async fn goes(&self) {
        until("end of the session", || self.world.io.clients_count() == 0).await;
        self.is_gone().await;
    }

    /// A probing WebSocket.
    pub(crate) async fn probe(&self) -> Ws {
        self.world.socket(&format!("EIO=4&transport=websocket&sid={}", self.sid)).await
    }
}

/// A WebSocket.
pub(crate) struct Ws(pub WebSocketStream<TcpStream>);

impl Ws {
    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    /// Sends to a peer that may have closed already.
    pub(crate) async fn try_send(&mut self, text: impl Into<String>) {
        let _ = self.0.send(Message::text(text.into())).await;
    }

    pub(crate) async fn binary(&mut self, bytes: impl Into<Bytes>) {
        self.0.send(Message::Binary(bytes.into())).await.unwrap();
    }

    pub(crate) async fn message(&mut self) -> Message {
        soon("message", self.0.next()).await.unwrap().unwrap()
    }

    pub(crate) async fn text(&mut self) -> String {
        match self.message().await {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?} instead of text"),
        }
    }

    pub(crate) async fn bytes(&mut self) -> Bytes {
        match self.message().await {
            Message::Binary(bytes) => bytes,
            other => panic!("{other:?} instead of bytes"),
        }
    }

    /// Joins a namespace; the confirmation and the fixture's greeting are read. Returns the id.
    pub(crate) async fn connect(&mut self, nsp: &str, auth: &str) -> String {
        let prefix = if nsp == "/" { String::new() } else { format!("{nsp},") };
        self.send(format!("40{prefix}{auth}")).await;
        let connected = self.text().await;
        let json = connected.strip_prefix(&format!("40{prefix}")).unwrap_or_else(|| panic!("{connected}"));
        let json: Json = serde_json::from_str(json).unwrap();
        assert!(self.text().await.starts_with(&format!("42{prefix}[\"auth\"")));
        json["sid"].as_str().unwrap().to_owned()
    }

    /// An event with an acknowledgement, whose array is returned. `prefix` is the namespace and its comma.
    pub(crate) async fn ask(&mut self, prefix: &str, event: &str, args: &str) -> String {
        let comma = if args.is_empty() { "" } else { "," };
        self.send(format!("42{prefix}77[\"{event}\"{comma}{args}]")).await;
        let answer = self.text().await;
        answer.strip_prefix(&format!("43{prefix}77")).unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Everything that has come, decided by a fence.
    pub(crate) async fn received(&mut self, prefix: &str) -> Vec<String> {
        self.send(format!("42{prefix}99[\"message-with-ack\"]")).await;
        let mut texts = Vec::new();
        loop {
            let text = self.text().await;
            if text == format!("43{prefix}99[]") {
                return texts;
            }
            texts.push(text);
        }
    }

    /// Nothing comes ahead of the answer to a fence.
    pub(crate) async fn is_silent(&mut self) {
        assert_eq!(self.received("").await, Vec::<String>::new());
    }

    /// The server closes, soon; what comes ahead of that is returned.
    pub(crate) async fn closes(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        let end = async {
            while let Some(Ok(message)) = self.0.next().await {
                match message {
                    Message::Text(text) => texts.push(text.to_string()),
                    Message::Close(_) => break,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(1), end)
            .await
            .unwrap_or_else(|_| panic!("the connection is still open after a second"));
        texts
    }
}

//! The server that the tests of engine.io-client want to talk to: it greets, sends back what it gets, gives what it is asked
//! for, sets cookies, and refuses who says `deny`. `docs/official-suites.md` says how to run them against it.
//!
//! ```console
//! $ cargo run -p sio-reference-server --example engine-client-suite
//! ```
#![allow(clippy::print_stdout, reason = "it says where it listens")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::header::{self, HeaderMap, HeaderValue};
use sio_reference_server::{AllowRequest, EngineApp, EngineSocket, Message, Options, Reason, Server};

/// The headers of the last POST of each session.
type Posts = Arc<Mutex<HashMap<String, HeaderMap>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "localhost:3000".to_owned());
    let posts = Posts::default();
    let options = Options {
        path: "/engine.io".to_owned(),
        ping_interval: Duration::from_millis(500),
        max_http_buffer_size: 100,
        allow_request: Some(AllowRequest::new(|parts| {
            let denied = parts.uri.query().is_some_and(|query| query.contains("deny"));
            std::future::ready(if denied { Err("Forbidden".to_owned()) } else { Ok(()) })
        })),
        ..Options::default()
    };
    let server = Server::engine(options, App(posts.clone()));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("LISTENING {}", listener.local_addr()?.port());
    let remember = from_fn(move |request: Request, next: Next| around(posts.clone(), request, next));
    axum::serve(listener, Router::new().layer(server.layer()).layer(remember)).await
}

/// Remembers the headers of POSTs, and sets cookies with the handshake.
async fn around(posts: Posts, request: Request, next: Next) -> Response {
    let sid = request.uri().query().and_then(|query| query.split('&').find_map(|field| field.strip_prefix("sid=")));
    let opens = sid.is_none();
    if let Some(sid) = sid.filter(|_| request.method() == http::Method::POST) {
        lock(&posts).insert(sid.to_owned(), request.headers().clone());
    }
    let mut response = next.run(request).await;
    for cookie in ["1=1; Max-Age=86400", "2=2; Path=/; HttpOnly; Secure; SameSite=Strict", "3=3; Max-Age=0", PAST] {
        if opens {
            response.headers_mut().append(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
    }
    response
}

const PAST: &str = "4=4; Expires=Thu, 01 Jan 2026 00:00:00 GMT";

fn lock(posts: &Posts) -> std::sync::MutexGuard<'_, HashMap<String, HeaderMap>> {
    posts.lock().unwrap_or_else(PoisonError::into_inner)
}

struct App(Posts);

impl EngineApp for App {
    fn opened(&self, socket: &EngineSocket) {
        socket.send(Message::Text("hi".into()));
    }

    fn message(&self, socket: &EngineSocket, message: Message) {
        let asked = if let Message::Text(text) = &message { text.as_ref() as &str } else { "" };
        let answer = match asked {
            "give binary" => Message::Binary(vec![0, 1, 2, 3, 4].into()),
            "give utf8" => Message::Text("пойду спать всем спокойной ночи".into()),
            "sendHeaders" => Message::Text(headers(lock(&self.0).get(socket.id())).into()),
            _ => message,
        };
        // Fails when the client is gone, and then nobody waits for it.
        let _ = socket.send(answer);
    }

    fn closed(&self, socket: &EngineSocket, _reason: Reason) {
        lock(&self.0).remove(socket.id());
    }
}

/// As a JSON object.
fn headers(headers: Option<&HeaderMap>) -> String {
    let fields =
        headers.into_iter().flatten().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?.into())));
    let object: serde_json::Map<String, serde_json::Value> =
        fields.map(|(name, value)| (name.to_owned(), value)).collect();
    serde_json::Value::Object(object).to_string()
}

//! What the official protocol suites want to talk to: Engine.IO (revisions 3 and 4) under `/engine.io`, Socket.IO under
//! `/socket.io`, with their times and on their port.
//!
//! ```console
//! $ cargo run -p sio-reference-server --example official-suites
//! $ git clone https://github.com/socketio/engine.io-protocol  # revision 3 is its branch v3
//! $ git clone https://github.com/socketio/socket.io-protocol
//! $ cd socket.io-protocol/test-suite && npm ci --ignore-scripts && npm test
//! ```
#![allow(clippy::print_stdout, reason = "it says where it listens")]

use std::time::Duration;

use axum::Router;
use sio_reference_server::{Cors, EngineSocket, Message, Options, Server, Socket};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "localhost:3000".to_owned());
    let engine = Server::engine(options("/engine.io"), |socket: &EngineSocket, message: Message| {
        // Fails when the client is gone, and then nobody waits for it.
        let _ = socket.send(message);
    });
    let io = Server::new(options("/socket.io"));
    io.on_connection(|socket| {
        greet(socket);
        socket.on("message", |socket, event| {
            socket.emit("message-back", event.args).ok();
        });
        socket.on("message-with-ack", |_, event| event.ack(event.args.clone()));
    });
    io.of("/custom").on_connection(greet);
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("LISTENING {}", listener.local_addr()?.port());
    axum::serve(listener, Router::new().layer(engine.layer()).layer(io.layer())).await
}

/// Both suites come from the same times: pings every 300 ms, 200 ms for an answer.
fn options(path: &str) -> Options {
    Options {
        path: path.to_owned(),
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_secs(1),
        allow_eio3: true,
        cors: Some(Cors::origin("*")),
        ..Options::default()
    }
}

/// The client is told with which auth it came; a moment later, as the suite's client (ws 8.5) loses a message that arrives
/// together with the one it waits for.
fn greet(socket: &Socket) {
    let socket = socket.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let auth = serde_json::from_str::<serde_json::Value>(socket.handshake().auth()).unwrap_or_default();
        socket.emit("auth", (auth,)).ok();
    });
}

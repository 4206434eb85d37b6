//! The chat of Socket.IO's get-started guide: rooms, nicknames, who is here, who is typing, and a history that
//! survives a lost connection and a reload.
//!
//! ```console
//! $ npm install --prefix reference-server/examples/chat
//! $ cargo run -p sio-reference-server --example chat
//! ```
//!
//! The page is served by axum; the Socket.IO server is a layer in front of it.
#![allow(clippy::print_stdout, reason = "it says where it listens, or why not")]

use std::path::Path;
use std::process::ExitCode;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::Html;
use axum::routing::get;
use serde_json::{Value as Json, json};
use sio_reference_server::{ConnectError, Event, Recovery, Server, Socket};

const CLIENT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/examples/chat/node_modules/socket.io-client/dist/socket.io.js");

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let client = std::fs::read_to_string(Path::new(CLIENT)).map_err(|error| {
        format!("cannot read {CLIENT}: {error}\n  run: npm install --prefix reference-server/examples/chat")
    })?;
    let io = Server::builder().connection_state_recovery(Recovery::default()).build();
    chat(&io);
    let app = Router::new()
        .route("/", get(|| async { Html(include_str!("index.html")) }))
        .route("/socket.io.js", get(|| async { ([(CONTENT_TYPE, "text/javascript")], client) }))
        .layer(io.layer());
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let address = format!("127.0.0.1:{port}");
    let listener = tokio::net::TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}\n  choose another port with PORT"))?;
    println!("LISTENING {}", listener.local_addr()?.port());
    axum::serve(listener, app).await?;
    Ok(())
}

fn chat(io: &Server) {
    io.with_middleware(|socket| async move {
        let auth: Json = serde_json::from_str(socket.handshake().auth()).unwrap_or_default();
        let nickname = auth["nickname"].as_str().unwrap_or_default().trim().to_owned();
        if nickname.is_empty() || nickname.chars().count() > 20 {
            return Err(ConnectError::new("a nickname has 1 to 20 characters"));
        }
        socket.set_data(json!({ "nickname": nickname, "room": "lobby" }));
        Ok(())
    });
    io.on_connection(|socket| {
        if !socket.recovered() {
            socket.join(room(socket));
        }
        socket.emit("welcome", (room(socket),)).ok();
        tell_who_is_here(socket, &room(socket));
        socket.on("say", |socket, event| say(socket, &event));
        socket.on("typing", |socket, _| {
            // An object, not a bare string: clients take a last string for the offset that recovery needs, which
            // volatile events do not have.
            socket.volatile().to(room(socket)).emit("typing", (json!({ "name": nickname(socket) }),)).ok();
        });
        socket.on("move", |socket, event| change_room(socket, &event));
        socket.on_disconnecting(|socket, _| {
            // Those who stay; the one who leaves is still in its rooms.
            let here = socket.nsp().to(room(socket)).except(socket.id()).fetch_sockets();
            socket.to(room(socket)).emit("here", (nicknames(&here),)).ok();
        });
    });
}

fn say(socket: &Socket, event: &Event) {
    let Ok(text) = event.args.get::<String>(0) else { return };
    socket.to(room(socket)).emit("said", (nickname(socket), text)).ok();
    event.ack(());
}

fn change_room(socket: &Socket, event: &Event) {
    let Ok(next) = event.args.get::<String>(0) else { return };
    let before = room(socket);
    socket.leave(&before);
    socket.join(&next);
    socket.set_data(json!({ "nickname": nickname(socket), "room": next }));
    tell_who_is_here(socket, &before);
    tell_who_is_here(socket, &next);
    event.ack((next,));
}

fn tell_who_is_here(socket: &Socket, room: &str) {
    let here = socket.nsp().to(room).fetch_sockets();
    socket.nsp().to(room).emit("here", (nicknames(&here),)).ok();
}

fn nicknames(sockets: &[Socket]) -> Vec<String> {
    let mut names: Vec<_> = sockets.iter().map(nickname).collect();
    names.sort();
    names
}

fn nickname(socket: &Socket) -> String {
    socket.data()["nickname"].as_str().unwrap_or_default().to_owned()
}

fn room(socket: &Socket) -> String {
    socket.data()["room"].as_str().unwrap_or_default().to_owned()
}

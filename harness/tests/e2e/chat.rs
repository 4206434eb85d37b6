//! The chat of Socket.IO's example on two nodes, one of Node and one reference server, in a real browser through the balancer.

use std::process::Command;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::Html;
use axum::routing::get;
use fantoccini::{Client, Locator};
use serde_json::{Value, json};
use sio_bench::target::Balancer;
use sio_bench::vocab;
use sio_reference_server::{Redis, Server, Socket};

use crate::across::redis;
use crate::common::{has, targets};
use crate::window::{Program, becomes, driver, have_browser, window};

const LOG: &str = "[...document.querySelectorAll('#log li')].map((item) => item.textContent)";
const TYPING: &str = "document.getElementById('typing').textContent";
const IS_IN: &str = "!document.getElementById('say').hidden";
const TRANSPORT: &str = "socket.io.engine.transport.name";

/// What everybody else is told by this name, with more to it.
fn tell_others(socket: &Socket, event: &str, more: &Value) {
    let mut what = json!({ "username": socket.data()["name"] });
    if let (Some(what), Some(more)) = (what.as_object_mut(), more.as_object()) {
        what.extend(more.clone());
    }
    socket.broadcast().emit(event, (what,)).ok();
}

/// The application of `targets/chat`, on the reference server.
fn chat(io: &Server) {
    io.on_connection(|socket| {
        socket.on("add user", |socket, event| {
            socket.set_data(json!({ "name": event.args.get::<String>(0).unwrap_or_default() }));
            socket.emit("login", (json!({ "numUsers": 1 }),)).ok();
            tell_others(socket, "user joined", &json!({ "numUsers": 1 }));
        });
        socket.on("new message", |socket, event| {
            tell_others(socket, "new message", &json!({ "message": event.args.get::<String>(0).unwrap_or_default() }));
        });
        socket.on("typing", |socket, _| tell_others(socket, "typing", &json!({})));
        socket.on("stop typing", |socket, _| tell_others(socket, "stop typing", &json!({})));
        socket.on_disconnect(|socket, _| tell_others(socket, "user left", &json!({ "numUsers": 1 })));
    });
}

/// A reference server with the page, until the test is over.
async fn reference(redis: &str) -> std::net::SocketAddr {
    let folder = targets().join("chat");
    let client = std::fs::read_to_string(folder.join("node_modules/socket.io/client-dist/socket.io.js")).unwrap();
    let page = std::fs::read_to_string(folder.join("page.html")).unwrap();
    let adapter = Redis::connect(redis).unwrap();
    let io = Server::builder().adapter(adapter.clone()).build();
    chat(&io);
    assert!(adapter.ready(Duration::from_secs(10)).await, "Redis does not answer");
    let app = Router::new()
        .route("/", get(|| async { Html(page) }))
        .route("/client.js", get(|| async { ([(CONTENT_TYPE, "text/javascript; charset=UTF-8")], client) }))
        .layer(io.layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn install() {
    let folder = targets().join("chat");
    if !folder.join("node_modules/@socket.io/redis-adapter").exists() {
        let done = Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

async fn enter(window: &Client, url: &str, name: &str) {
    window.goto(url).await.unwrap();
    window.find(Locator::Id("name")).await.unwrap().send_keys(name).await.unwrap();
    window.find(Locator::Css("#enter button")).await.unwrap().click().await.unwrap();
    becomes(window, IS_IN, json!(true)).await;
}

async fn write(window: &Client, text: &str) {
    window.find(Locator::Id("text")).await.unwrap().send_keys(text).await.unwrap();
}

async fn say(window: &Client, text: &str) {
    write(window, text).await;
    window.find(Locator::Css("#say button")).await.unwrap().click().await.unwrap();
}

/// Where the balancer keeps it.
async fn node_of(window: &Client) -> String {
    window.get_named_cookie("sio-bench-node").await.unwrap().value().to_owned()
}

/// Each window is on another node, its session opens over long-polling and moves to a WebSocket, and each sees what the other does.
#[tokio::test]
async fn two_windows_on_two_nodes_are_one_chat() {
    if !have_browser() || !has("redis-server") {
        return;
    }
    install();
    let redis = redis();
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let mut node = Command::new("node");
    node.arg("server.js").current_dir(targets().join("chat")).envs([("PORT", "0"), ("SIO_ADAPTER", url.as_str())]);
    let node = Program::start(&mut node, "LISTENING ");
    let nodes = vec![([127, 0, 0, 1], node.port).into(), reference(&url).await];
    let balancer = Balancer::start(vocab::Balancer::Cookie, nodes).unwrap().unwrap();
    let url = format!("http://{}/", balancer.address());

    let driver = driver();
    let (ann, bob) = (window(&driver).await, window(&driver).await);
    enter(&ann, &url, "Ann").await;
    enter(&bob, &url, "Bob").await;
    let mut places = [node_of(&ann).await, node_of(&bob).await];
    places.sort_unstable();
    assert_eq!(places, ["0", "1"]);
    becomes(&ann, LOG, json!(["Bob joined"])).await;
    write(&ann, "he").await;
    becomes(&bob, TYPING, json!("Ann is typing")).await;
    say(&ann, "llo").await;
    becomes(&bob, LOG, json!(["Ann: hello"])).await;
    becomes(&bob, TYPING, json!("")).await;
    say(&bob, "hi, Ann").await;
    becomes(&ann, LOG, json!(["Bob joined", "me: hello", "Bob: hi, Ann"])).await;
    for window in [&ann, &bob] {
        becomes(window, TRANSPORT, json!("websocket")).await;
    }
    bob.close().await.unwrap();
    becomes(&ann, LOG, json!(["Bob joined", "me: hello", "Bob: hi, Ann", "Bob left"])).await;
    ann.close().await.unwrap();
}

//! A real browser: the chat in two windows, and each official client on a page. Without chromium and its driver the
//! tests say so and pass, except in CI.
#![allow(clippy::unwrap_used, clippy::print_stderr, unreachable_pub, reason = "tests")]

mod window;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::Html;
use axum::routing::get;
use fantoccini::{Client, Locator};
use serde_json::json;
use sio_reference_server::{Options, Recovery, Server, fixture};

use self::window::{Program, becomes, driver, have_browser, window};

/// One test at a time: browsers are heavy, and two of the tests install into the same folder.
static ALONE: Mutex<()> = Mutex::new(());

fn install(folder: &Path) {
    let output = Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "npm ci failed:\n{}", String::from_utf8_lossy(&output.stderr));
}

const LOG: &str = "[...document.querySelectorAll('#log li')].map((item) => item.textContent)";
const HERE: &str = "[...document.querySelectorAll('#here li')].map((item) => item.textContent)";
const STATUS: &str = "document.getElementById('status').textContent";
const TITLE: &str = "document.getElementById('title').textContent";
const TYPING: &str = "document.getElementById('typing').textContent";

async fn enter(window: &Client, url: &str, nickname: &str) {
    window.goto(url).await.unwrap();
    window.find(Locator::Id("nickname")).await.unwrap().send_keys(nickname).await.unwrap();
    window.find(Locator::Id("enter")).await.unwrap().click().await.unwrap();
    becomes(window, STATUS, json!("connected")).await;
    becomes(window, TITLE, json!("# lobby")).await;
}

async fn write(window: &Client, text: &str) {
    window.find(Locator::Id("text")).await.unwrap().send_keys(text).await.unwrap();
}

async fn say(window: &Client, text: &str) {
    write(window, text).await;
    window.find(Locator::Css("#say button")).await.unwrap().click().await.unwrap();
}

async fn go(window: &Client, room: &str) {
    let button = format!("[data-room={room}]");
    window.find(Locator::Css(&button)).await.unwrap().click().await.unwrap();
    becomes(window, TITLE, json!(format!("# {room}"))).await;
}

/// Messages cross, nobody hears itself, a room is left behind, and a reload loses nothing.
#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the lock keeps the tests apart; nobody waits for it in this runtime")]
async fn the_chat() {
    if !have_browser() {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/chat");
    install(&folder);
    // Whatever part of the tests is run, the example has to be there.
    let build =
        Command::new(env!("CARGO")).args(["build", "--quiet", "--workspace", "--example", "chat"]).status().unwrap();
    assert!(build.success());
    let tests = std::env::current_exe().unwrap();
    let example: PathBuf = tests.parent().unwrap().parent().unwrap().join("examples/chat");
    let chat = Program::start(Command::new(example).env("PORT", "0"), "LISTENING ");
    let url = format!("http://127.0.0.1:{}/", chat.port);
    let driver = driver();
    let (ann, bob) = (window(&driver).await, window(&driver).await);
    enter(&ann, &url, "Ann").await;
    enter(&bob, &url, "Bob").await;
    for window in [&ann, &bob] {
        becomes(window, HERE, json!(["Ann", "Bob"])).await;
    }

    say(&ann, "hello").await;
    becomes(&bob, LOG, json!(["Annhello"])).await;
    say(&bob, "hi, Ann").await;
    becomes(&ann, LOG, json!(["hello", "Bobhi, Ann"])).await;
    becomes(&bob, LOG, json!(["Annhello", "hi, Ann"])).await;
    write(&ann, "who").await;
    becomes(&bob, TYPING, json!("Ann is typing …")).await;
    becomes(&ann, TYPING, json!("")).await;
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chat.png");
    std::fs::write(&picture, bob.screenshot().await.unwrap()).unwrap();
    say(&ann, "le kitchen?").await;

    becomes(&bob, LOG, json!(["Annhello", "hi, Ann", "Annwhole kitchen?"])).await;
    go(&bob, "kitchen").await;
    becomes(&ann, HERE, json!(["Ann"])).await;
    say(&ann, "alone").await;
    go(&ann, "kitchen").await;
    say(&ann, "together").await;
    becomes(&bob, LOG, json!(["Annhello", "hi, Ann", "Annwhole kitchen?", "Anntogether"])).await;

    bob.goto("about:blank").await.unwrap();
    becomes(&ann, HERE, json!(["Ann"])).await;
    say(&ann, "are you away?").await;
    bob.goto(&url).await.unwrap();
    becomes(&bob, STATUS, json!("recovered")).await;
    becomes(&bob, LOG, json!(["Annhello", "hi, Ann", "Annwhole kitchen?", "Anntogether", "Annare you away?"])).await;
    becomes(&bob, TITLE, json!("# kitchen")).await;
    becomes(&ann, HERE, json!(["Ann", "Bob"])).await;
    say(&bob, "back").await;
    becomes(&ann, "document.querySelector('#log li:last-child').textContent", json!("Bobback")).await;
    bob.refresh().await.unwrap();
    becomes(&bob, STATUS, json!("recovered")).await;
    becomes(&bob, "document.querySelectorAll('#log li').length", json!(6)).await;
    ann.close().await.unwrap();
    bob.close().await.unwrap();
}

/// A page with one of the clients and its checks, and the fixture behind the same port.
async fn page(version: &'static str, options: Options) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/js");
    let read = |path: String| std::fs::read_to_string(folder.join(path)).unwrap();
    let client = read(format!("node_modules/client-{version}/dist/socket.io.js"));
    let check = read("check.js".to_owned());
    let html = format!(
        "<!doctype html><script src=/client.js></script><script src=/check.js></script><script>\
         window.said = []; check({{ io, version: '{version}', url: location.origin, say: (line) => said.push(line) }})\
         .catch((error) => said.push(String(error))).then(() => said.push('done'));</script>"
    );
    let io = Server::new(options);
    fixture::install(&io, &fixture::Config { node: "A".to_owned(), journal: true });
    let script = |text: String| get(|| async { ([(CONTENT_TYPE, "text/javascript; charset=UTF-8")], text) });
    let app = Router::new()
        .route("/", get(|| async { Html(html) }))
        .route("/client.js", script(client))
        .route("/check.js", script(check))
        .layer(io.layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// Every check of every official client, on a page.
#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the lock keeps the tests apart; nobody waits for it in this runtime")]
async fn the_official_clients_on_a_page() {
    if !have_browser() {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    install(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/js"));
    let driver = driver();
    let window = window(&driver).await;
    for (version, options, last) in [
        ("4", Options { connection_state_recovery: Some(Recovery::default()), ..Options::default() }, Some("recovery")),
        ("3", Options::default(), None),
        ("2", Options { allow_eio3: true, ..Options::default() }, None),
    ] {
        let names = ["connect", "auth", "acks", "binary", "rooms", "namespaces", "volatile", "reconnect", "bye"];
        let mut expected: Vec<String> = Vec::new();
        for transport in ["websocket", "polling"] {
            expected.extend(names.map(|name| format!("ok {name} {transport}")));
        }
        expected.extend(["upgrade"].into_iter().chain(last).map(|name| format!("ok {name}")));
        expected.push("done".to_owned());
        window.goto(&page(version, options).await).await.unwrap();
        becomes(&window, "said", json!(expected)).await;
    }
    window.close().await.unwrap();
}

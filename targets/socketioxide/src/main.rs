//! The fixture on socketioxide. The contract is described in `reference-server/src/fixture`.

mod args;

use std::env;
use std::sync::Mutex;
use std::time::Duration;

use args::{Args, Value, json, list, reply, text};
use futures_util::StreamExt as _;
use serde_json::{Value as Json, json as j};
use socketioxide::extract::{AckSender, Event, SocketRef, TryData};
use socketioxide::handler::ConnectHandler as _;
use socketioxide::operators::BroadcastOperators;
use socketioxide::socket::DisconnectReason;
use socketioxide::{ParserConfig, SocketIo};
use tower_http::cors::{AllowOrigin, CorsLayer};

static JOURNAL: Mutex<(u64, Vec<Json>)> = Mutex::new((0, Vec::new()));

fn note(kind: &str, nsp: &str, mut fields: Json) {
    let mut journal = JOURNAL.lock().unwrap();
    journal.0 += 1;
    let seq = journal.0;
    fields.as_object_mut().unwrap().extend(j!({ "seq": seq, "kind": kind, "nsp": nsp }).as_object().unwrap().clone());
    journal.1.push(fields);
    let extra = journal.1.len().saturating_sub(10_000);
    journal.1.drain(..extra);
}

fn rooms(s: &SocketRef) -> Vec<String> {
    let mut rooms: Vec<_> = s.rooms().iter().map(ToString::to_string).collect();
    rooms.sort();
    rooms
}

fn selection(mut those: BroadcastOperators, o: &Value, to: &str) -> BroadcastOperators {
    if !list(&o[to]).is_empty() {
        those = those.to(list(&o[to]));
    }
    if !list(&o["except"]).is_empty() {
        those = those.except(list(&o["except"]));
    }
    if o["volatile"].as_bool() == Some(true) { those.volatile() } else { those }
}

async fn emit(io: &SocketIo, s: &SocketRef, o: &Value) -> Value {
    let (event, timeout) = (text(&o["event"]), o["timeout"].as_u64().map(Duration::from_millis));
    if !o["compress"].is_nil() || text(&o["via"]) == "parent" {
        return args::value(j!({ "error": "unsupported" }));
    }
    let nsp = if o["nsp"].is_nil() { s.ns().to_owned() } else { text(&o["nsp"]) };
    let operators = || {
        let base = if text(&o["via"]) == "socket" { s.broadcast() } else { io.of(nsp.clone()).unwrap() };
        selection(base, o, "to")
    };
    for index in 0..o["repeat"].as_u64().unwrap_or(1) {
        let mut args = o["args"].as_array().cloned().unwrap_or_default();
        if !o["repeat"].is_nil() {
            args.insert(0, index.into());
        }
        let args = Args(args);
        let outcome = match (text(&o["via"]).as_str(), timeout) {
            ("self", Some(timeout)) => match s.timeout(timeout).emit_with_ack::<_, Value>(&event, &args) {
                Ok(ack) => return args::value(ack.await.map_or(j!({ "acks": null, "error": "timeout" }), |v| j!({ "acks": v }))),
                Err(error) => Err(error.to_string()),
            },
            (_, Some(timeout)) => {
                let Ok(answers) = operators().timeout(timeout).emit_with_ack::<_, Value>(&event, &args).await else { return Value::Nil };
                let answers: Vec<_> = answers.collect().await;
                let acks: Vec<Value> = answers.iter().filter_map(|(_, answer)| answer.as_ref().ok()).cloned().collect();
                let late = (acks.len() < answers.len()).then(|| ("error".into(), "timeout".into()));
                return Value::Map([("acks".into(), Value::Array(acks))].into_iter().chain(late).collect());
            }
            ("self", None) if o["volatile"].as_bool() == Some(true) => s.volatile().emit(&event, &args).map_err(|e| e.to_string()),
            ("self", None) => s.emit(&event, &args).map_err(|e| e.to_string()),
            (_, None) => {
                // Fails for one receiver that has gone; the others have it.
                let _ = operators().emit(&event, &args).await;
                Ok(())
            }
        };
        if let Err(error) = outcome {
            return args::value(j!({ "error": error }));
        }
    }
    Value::Map(vec![])
}

async fn select(io: &SocketIo, s: &SocketRef, o: &Value) -> Json {
    let those = selection(io.of(s.ns()).unwrap(), o, "in");
    match text(&o["op"]).as_str() {
        "fetch" => those.sockets().iter().map(|s| j!({ "id": s.id, "rooms": rooms(s), "data": { "node": "A" } })).collect(),
        "join" => those.join(list(&o["rooms"])).await.map_or(j!({ "error": "join" }), |()| j!({})),
        "leave" => those.leave(list(&o["rooms"])).await.map_or(j!({ "error": "leave" }), |()| j!({})),
        "disconnect" if o["close"].as_bool() != Some(true) => those.disconnect().await.map_or(j!({ "error": "" }), |()| j!({})),
        _ => j!({ "error": "unsupported" }),
    }
}

async fn run(io: SocketIo, s: SocketRef, event: String, args: Vec<Value>, ack: Option<AckSender>, label: &'static str, auth: Value) {
    let first = args.first().cloned().unwrap_or(Value::Nil);
    let answer = match event.as_str() {
        "message" => return drop(s.emit("message-back", &Args(args))),
        "message-with-ack" => return drop(ack.map(|ack| ack.send(&Args(args)))),
        "whoami" => j!({ "sid": s.id, "nsp": s.ns(), "handler": label, "node": "A", "auth": json(&auth), "recovered": false,
                         "transport": format!("{:?}", s.transport_type()).to_lowercase(), "rooms": rooms(&s) }),
        "join" => { s.join(list(&first)); j!(rooms(&s)) }
        "leave" => { s.leave(list(&first)); j!(rooms(&s)) }
        "emit" => return reply(ack, emit(&io, &s, &first).await),
        "select" => select(&io, &s, &first).await,
        "mark" => { note("mark", s.ns(), j!({ "sid": s.id, "x": json(&first) })); return drop(ack.map(|ack| ack.send(&Args(vec![])))) }
        "acks" => j!(0),
        "journal" => JOURNAL.lock().unwrap().1.iter().filter(|e| e["seq"].as_u64() > Some(first.as_u64().unwrap_or(0))).cloned().collect(),
        "later" => {
            tokio::time::sleep(Duration::from_millis(first.as_u64().unwrap_or(0))).await;
            return Box::pin(run(io, s, text(&args[1]), args[2..].to_vec(), None, label, auth)).await;
        }
        "bye" => {
            (0..first["burst"].as_u64().unwrap_or(0)).for_each(|n| drop(s.emit("n", &(n, "x".repeat(50_000)))));
            return drop(s.disconnect());
        }
        "adapter" => j!({ "error": "unsupported" }),
        _ => return,
    };
    reply(ack, answer);
}

fn connected(label: &'static str) -> impl Fn(SocketIo, SocketRef, TryData<Value>) -> std::future::Ready<()> + Clone {
    move |_io, s, TryData(auth)| {
        let auth = auth.ok().filter(|auth| !auth.is_nil()).unwrap_or(Value::Map(vec![]));
        note("connect", s.ns(), j!({ "sid": s.id, "handler": label }));
        s.on_disconnect(async |s: SocketRef, reason: DisconnectReason| {
            note("disconnect", s.ns(), j!({ "sid": s.id, "reason": args::reason(reason), "rooms": [] }));
        });
        let greeting = auth.clone();
        s.on_fallback(move |io: SocketIo, s: SocketRef, Event(event): Event, TryData(args): TryData<Args>, ack: AckSender| {
            run(io, s, event, args.map(|args| args.0).unwrap_or_default(), Some(ack), label, auth.clone())
        });
        s.emit("auth", &greeting).ok();
        std::future::ready(())
    }
}

/// Refuses names and tokens that the contract refuses, and does what its middlewares do.
async fn gate(s: SocketRef, TryData(auth): TryData<Value>) -> Result<(), String> {
    let auth = auth.unwrap_or(Value::Nil);
    match s.ns().trim_start_matches('/').split_once('-') {
        Some(("dynamic", id)) if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) => return Err("Invalid namespace".into()),
        Some(("fn", _)) if text(&auth["token"]) != "ok" => return Err("Invalid namespace".into()),
        _ => {}
    }
    match s.ns() {
        "/deny" => return Err("denied".into()),
        nsp if nsp.starts_with("/dynamic-") && auth["refuse"].as_bool() == Some(true) => return Err("refused".into()),
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            if auth["refuse"].as_bool() == Some(true) { return Err("refused".into()) }
        }
        _ => {}
    }
    Ok(())
}

async fn chain<const N: u64>(s: SocketRef, TryData(auth): TryData<Value>) -> Result<(), String> {
    note("mw", s.ns(), j!({ "n": N }));
    s.join("mw-room");
    if auth.unwrap_or(Value::Nil)["fail"].as_u64() == Some(N) { Err(format!("fail-{N}")) } else { Ok(()) }
}

fn number(name: &str, fallback: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(fallback)
}

#[tokio::main]
async fn main() {
    let time = |name, fallback| Duration::from_millis(number(name, fallback));
    let msgpack = env::var("SIO_PARSER").is_ok_and(|parser| parser == "msgpack");
    let builder = SocketIo::builder()
        .ping_interval(time("SIO_PING_INTERVAL", 25_000))
        .ping_timeout(time("SIO_PING_TIMEOUT", 20_000))
        .connect_timeout(time("SIO_CONNECT_TIMEOUT", 45_000))
        .upgrade_timeout(time("SIO_UPGRADE_TIMEOUT", 10_000))
        .max_payload(number("SIO_MAX_PAYLOAD", 1_000_000));
    let builder = if msgpack { builder.with_parser(ParserConfig::msgpack()) } else { builder };
    let (layer, io) = builder.build_layer();
    for nsp in ["/", "/custom", "/dynamic-101", "/deny", "/slow"] {
        io.ns(nsp, connected("static").with(gate));
    }
    io.ns("/chain", connected("static").with(chain::<3>).with(chain::<2>).with(chain::<1>));
    io.dyn_ns("/dynamic-{id}", connected("dynamic").with(gate)).unwrap();
    io.dyn_ns("/fn-{id}", connected("fn").with(gate)).unwrap();
    let app = axum::Router::new().layer(layer);
    let app = match env::var("SIO_CORS") {
        Ok(origin) => app.layer(
            CorsLayer::new()
                .allow_origin(AllowOrigin::exact(origin.parse().unwrap()))
                .allow_methods([axum::http::Method::GET, axum::http::Method::POST])
                .allow_headers([axum::http::header::CONTENT_TYPE])
                .allow_credentials(env::var("SIO_CORS_CREDENTIALS").is_ok_and(|flag| flag == "1")),
        ),
        Err(_) => app,
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", number("PORT", 3000) as u16)).await.unwrap();
    println!("LISTENING {}", listener.local_addr().unwrap().port());
    axum::serve(listener, app).await.unwrap();
}

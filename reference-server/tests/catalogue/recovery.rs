//! 2.20 Connection state recovery, and that nothing is lost between what was missed and what comes next.

use std::time::Duration;

use serde_json::{Value as Json, json};
use sio_reference_server::{ConnectError, Options, Recovery, Server};

use crate::common::{World, Ws, serve, soon, until, world, world_with};

fn options(recovery: Recovery) -> Options {
    Options { connection_state_recovery: Some(recovery), ..Options::default() }
}

async fn recovering() -> World {
    world_with(options(Recovery::default())).await
}

/// A client that may come back.
struct Client {
    ws: Ws,
    sid: String,
    pid: String,
    offset: String,
}

impl Client {
    async fn new(world: &World) -> Self {
        let mut ws = world.ws().await;
        ws.send("40").await;
        let connected: Json = serde_json::from_str(&ws.text().await[2..]).unwrap();
        let field = |name: &str| connected[name].as_str().unwrap().to_owned();
        let mut client = Self { ws, sid: field("sid"), pid: field("pid"), offset: String::new() };
        assert_ne!(client.sid, client.pid);
        client.event().await;
        client
    }

    /// The next event without its offset, which is remembered.
    async fn event(&mut self) -> Json {
        let text = self.ws.text().await;
        let (event, offset) = split(&text);
        self.offset = offset;
        event
    }

    /// Loses the connection.
    async fn lose(self, world: &World) -> (String, String, String) {
        let before = world.io.clients_count();
        drop(self.ws);
        until("loss", || world.io.clients_count() < before).await;
        (self.sid, self.pid, self.offset)
    }
}

/// An event and the offset behind its arguments.
fn split(text: &str) -> (Json, String) {
    let json = text.strip_prefix("42").unwrap_or_else(|| panic!("{text}"));
    let mut args: Vec<Json> = serde_json::from_str(json).unwrap();
    let offset = args.pop().unwrap();
    (json!(args), offset.as_str().unwrap_or_else(|| panic!("no offset in {text}")).to_owned())
}

/// Comes back; the packets up to the confirmation.
async fn back(world: &World, auth: &str) -> (Ws, Vec<String>) {
    let mut ws = world.ws().await;
    ws.send(format!("40{auth}")).await;
    let mut texts = Vec::new();
    loop {
        let message = ws.message().await;
        let Ok(text) = message.into_text() else { continue };
        let done = text.starts_with("40");
        texts.push(text.to_string());
        if done {
            return (ws, texts);
        }
    }
}

fn auth(pid: &str, offset: &str) -> String {
    json!({"pid": pid, "offset": offset}).to_string()
}

/// CSR-01, CSR-02.
#[tokio::test]
async fn ids_and_offsets() {
    let plain = world().await;
    let mut ws = plain.ws().await;
    ws.send("40").await;
    assert!(!ws.text().await.contains("pid"));
    let world = recovering().await;
    let mut client = Client::new(&world).await;
    client.ws.send("42[\"emit\",{\"event\":\"x\",\"args\":[1]}]").await;
    assert_eq!(client.event().await, json!(["x", 1]));
    client.ws.send("42[\"message\"]").await;
    assert_eq!(client.event().await, json!(["message-back"]));
    client.ws.send("42[\"emit\",{\"via\":\"self\",\"volatile\":true,\"event\":\"v\"}]").await;
    assert_eq!(client.ws.text().await, "42[\"v\"]");
    client.ws.send("421[\"emit\",{\"timeout\":10,\"event\":\"q\"}]").await;
    assert_eq!(client.ws.text().await, "420[\"q\"]");
}

/// CSR-03, CSR-04, CSR-05, CSR-09, CSR-10.
#[tokio::test]
async fn what_was_missed_comes_ahead_of_the_confirmation() {
    let world = recovering().await;
    let mut client = Client::new(&world).await;
    client.ws.send("421[\"join\",\"red\"]").await;
    client.ws.text().await;
    let socket = world.io.of("/").fetch_sockets().remove(0);
    socket.set_data(json!({"name": "me"}));
    let (sid, pid, offset) = client.lose(&world).await;
    let io = &world.io;
    io.emit("all", (1,)).unwrap();
    io.to("red").emit("red", (2,)).unwrap();
    io.to("blue").emit("blue", ()).unwrap();
    io.except("red").emit("not red", ()).unwrap();
    io.volatile().emit("volatile", ()).unwrap();
    io.to(&sid).emit("own", (3,)).unwrap();
    io.emit("binary", (sio_reference_server::Binary::from(vec![7]),)).unwrap();
    let mut ws = world.ws().await;
    ws.send(format!("40{}", auth(&pid, &offset))).await;
    let mut last = String::new();
    for expected in [json!(["all", 1]), json!(["red", 2]), json!(["own", 3])] {
        let (event, offset) = split(&ws.text().await);
        assert_eq!(event, expected);
        last = offset;
    }
    let header = ws.text().await;
    assert!(header.starts_with("451-[\"binary\",{\"_placeholder\":true,\"num\":0},\""), "{header}");
    assert_eq!(ws.bytes().await.to_vec(), [7]);
    assert_eq!(ws.text().await, format!("40{{\"sid\":\"{sid}\",\"pid\":\"{pid}\"}}"));
    assert_eq!(split(&ws.text().await).0[0], "auth", "the connection handler runs");
    let socket = io.of("/").fetch_sockets().remove(0);
    assert!(socket.recovered() && socket.id() == sid && socket.data() == json!({"name": "me", "node": "A"}));
    let mut rooms: Vec<_> = socket.rooms().iter().map(ToString::to_string).collect();
    rooms.sort();
    let mut expected = vec![sid.clone(), "red".to_owned()];
    expected.sort();
    assert_eq!(rooms, expected);

    // Nobody else gets the same session, and a second loss recovers as well, from a replayed offset.
    let (_other, texts) = back(&world, &auth(&pid, &offset)).await;
    assert!(texts.len() == 1 && !texts[0].contains(&pid));
    drop(ws);
    until("loss", || io.clients_count() == 1).await;
    let (_ws, texts) = back(&world, &auth(&pid, &last)).await;
    assert!(texts[0].starts_with("451-[\"binary\"") || texts.len() > 1, "{texts:?}");
    assert!(texts.last().unwrap().contains(&pid));
}

/// CSR-06, CSR-11, CSR-12.
#[tokio::test]
async fn everything_else_is_a_fresh_session() {
    let world =
        world_with(options(Recovery { max_disconnection_duration: Duration::from_millis(300), ..Recovery::default() }))
            .await;
    let client = Client::new(&world).await;
    let (_, pid, offset) = client.lose(&world).await;
    for wrong in [
        auth("unknown", &offset),
        auth(&pid, "unknown"),
        json!({"pid": pid}).to_string(),
        json!({"pid": [pid], "offset": offset}).to_string(),
        json!({"pid": pid, "offset": 7}).to_string(),
        json!({"pid": null, "offset": {}}).to_string(),
    ] {
        let (_ws, texts) = back(&world, &wrong).await;
        assert!(texts.len() == 1 && !texts[0].contains(&pid), "{wrong}: {texts:?}");
    }
    tokio::time::sleep(Duration::from_millis(350)).await;
    let (mut ws, texts) = back(&world, &auth(&pid, &offset)).await;
    assert!(texts.len() == 1 && !texts[0].contains(&pid), "expired");
    assert_eq!(split(&ws.text().await).0[0], "auth");
    ws.send("421[\"whoami\"]").await;
    assert!(ws.text().await.contains("\"recovered\":false"));
}

/// CSR-07.
#[tokio::test]
async fn only_accidents_are_recovered_from() {
    for (farewell, recovers) in [
        ("41", false),
        ("42[\"bye\"]", false),
        ("42[\"bye\",{\"close\":true}]", false),
        ("42[null]", true),
        ("1", true),
    ] {
        let world = recovering().await;
        let mut client = Client::new(&world).await;
        client.ws.send(farewell).await;
        let (pid, offset) = (client.pid.clone(), client.offset.clone());
        until("end of the socket", || world.io.of("/").fetch_sockets().is_empty()).await;
        drop(client);
        let (_ws, texts) = back(&world, &auth(&pid, &offset)).await;
        assert_eq!(texts.last().unwrap().contains(&pid), recovers, "{farewell}");
    }
    let world =
        world_with(Options { connection_state_recovery: Some(Recovery::default()), ..crate::common::fast() }).await;
    let client = Client::new(&world).await;
    until("ping timeout", || world.io.clients_count() == 0).await;
    let (_ws, texts) = back(&world, &auth(&client.pid, &client.offset)).await;
    assert!(texts[0].contains(&client.pid));
}

/// ORD-03: without recovery, nothing is sent twice.
#[tokio::test]
async fn what_was_missed_is_missed() {
    let world = world().await;
    let mut ws = world.join("/").await;
    let me = ws.ask("", "join", "\"red\"").await;
    drop(ws);
    until("loss", || world.io.clients_count() == 0).await;
    world.io.to("red").emit("missed", ()).unwrap();
    let mut ws = world.join_with("/", &json!({"pid": me, "offset": "x"}).to_string()).await;
    ws.is_silent().await;
}

/// A server with a middleware that takes its time.
async fn with_slow_middleware(skip_middlewares: bool) -> World {
    let io = Server::new(options(Recovery { skip_middlewares, ..Recovery::default() }));
    io.with_middleware(|socket| async move {
        tokio::time::sleep(Duration::from_millis(150)).await;
        if socket.handshake().auth().contains("refuse") { Err(ConnectError::new("refused")) } else { Ok(()) }
    });
    io.on_connection(|socket| socket.emit("auth", ()).unwrap());
    serve(io).await
}

/// CSR-08.
#[tokio::test]
async fn middlewares_are_skipped_or_not() {
    for skip in [true, false] {
        let world = with_slow_middleware(skip).await;
        let (_, pid, offset) = Client::new(&world).await.lose(&world).await;
        #[expect(clippy::disallowed_methods, reason = "a test of time")]
        let begin = std::time::Instant::now();
        let (_ws, texts) = back(&world, &auth(&pid, &offset)).await;
        assert!(texts[0].contains(&pid));
        assert_eq!(begin.elapsed() < Duration::from_millis(150), skip);
    }
    // A refusal keeps the session for the next try.
    let world = with_slow_middleware(false).await;
    let (_, pid, offset) = Client::new(&world).await.lose(&world).await;
    let mut ws = world.ws().await;
    ws.send(format!("40{}", json!({"pid": pid, "offset": offset, "refuse": 1}))).await;
    assert_eq!(ws.text().await, "44{\"message\":\"refused\"}");
    // So does a connection that is lost while the middleware waits.
    let mut ws = world.ws().await;
    ws.send(format!("40{}", auth(&pid, &offset))).await;
    drop(ws);
    until("loss", || world.io.clients_count() <= 1).await;
    let (_ws, texts) = back(&world, &auth(&pid, &offset)).await;
    assert!(texts[0].contains(&pid));
}

/// Broadcasts while the middleware runs reach neither the old nor the new socket on a server that computes what was
/// missed before its middlewares. Here none is lost, doubled or out of order, with and without middlewares.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_gap_between_what_was_missed_and_what_comes_next() {
    for skip in [true, false] {
        let world = with_slow_middleware(skip).await;
        for _ in 0..5 {
            let (_, pid, offset) = Client::new(&world).await.lose(&world).await;
            let io = world.io.clone();
            let talk = tokio::spawn(async move {
                for n in 0..300 {
                    io.emit("n", (n,)).unwrap();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
            let mut ws = world.ws().await;
            ws.send(format!("40{}", auth(&pid, &offset))).await;
            let mut numbers = Vec::new();
            let mut recovered = false;
            while numbers.last() != Some(&299) {
                let text = ws.text().await;
                if text.starts_with("40") {
                    recovered = text.contains(&pid);
                } else if let (event, _) = split(&text)
                    && event[0] == "n"
                {
                    numbers.push(event[1].as_i64().unwrap());
                }
            }
            assert!(recovered);
            assert_eq!(numbers, (0..300).collect::<Vec<_>>());
            soon("talk", talk).await.unwrap();
            drop(ws);
        }
    }
}

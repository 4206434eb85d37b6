//! 2.15 to 2.19 and 2.21: rooms, modifiers, utility methods, room events, dynamic namespaces, middlewares, order.
//! The scenarios in `scenarios/conformance` hold the server to many of these rows as well.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use sio_reference_server::{BroadcastError, ConnectError, Options, Regex, Server, Socket};

use crate::common::{World, Ws, serve, soon, until, world, world_with};

/// Clients in `/`, and their ids.
async fn people<const N: usize>(world: &World) -> [(Ws, String); N] {
    let mut people = Vec::new();
    for _ in 0..N {
        let mut ws = world.ws().await;
        let sid = ws.connect("/", "").await;
        people.push((ws, sid));
    }
    people.try_into().unwrap_or_else(|_| unreachable!())
}

async fn emit(ws: &mut Ws, request: Json) {
    assert_eq!(ws.ask("", "emit", &request.to_string()).await, "[{}]");
}

async fn select(ws: &mut Ws, request: Json) -> Json {
    let answer: Json = serde_json::from_str(&ws.ask("", "select", &request.to_string()).await).unwrap();
    answer[0].clone()
}

/// The names of the events that have come.
async fn names(ws: &mut Ws) -> Vec<String> {
    ws.received("").await.iter().map(|text| text.split('"').nth(1).unwrap().to_owned()).collect()
}

/// RM-01 to RM-09, RM-18, RM-20, MD-07.
#[tokio::test]
async fn who_is_addressed() {
    let world = world().await;
    let [(mut a, a_id), (mut b, b_id), (mut c, _)] = people(&world).await;
    a.ask("", "join", "[\"red\",\"blue\"]").await;
    b.ask("", "join", "[\"blue\",\"muted\"]").await;
    c.ask("", "join", "\"red\"").await;
    c.ask("", "leave", "\"red\"").await;
    let mut other = world.join("/custom").await;
    other.ask("/custom,", "join", "\"red\"").await;
    for request in [
        json!({"to": "red", "event": "red"}),
        json!({"to": ["red", "blue"], "event": "union"}),
        json!({"to": ["red", "blue"], "except": "muted", "event": "difference"}),
        json!({"except": a_id, "event": "not a"}),
        json!({"via": "socket", "to": ["red", "blue"], "event": "others"}),
        json!({"via": "socket", "to": a_id, "event": "never"}),
        json!({"via": "socket", "event": "everybody else"}),
        json!({"to": b_id, "event": "b"}),
        json!({"to": "empty", "event": "never"}),
        json!({"to": "red", "except": ["red"], "event": "never"}),
        json!({"event": "all"}),
    ] {
        // The sender's own copy may come ahead of the acknowledgement.
        a.send(format!("42[\"emit\",{request}]")).await;
    }
    assert_eq!(names(&mut a).await, ["red", "union", "difference", "all"]);
    assert_eq!(names(&mut b).await, ["union", "not a", "others", "everybody else", "b", "all"]);
    assert_eq!(names(&mut c).await, ["not a", "everybody else", "all"]);
    assert!(other.received("/custom,").await.is_empty(), "RM-09, RM-10");
    assert!(!world.io.of("/").adapter().rooms().contains_key("empty"));

    world.io.in_room("red").emit("in", ()).unwrap();
    assert_eq!(names(&mut a).await, ["in"]);
    let operator = world.io.to("red");
    operator.clone().to("muted").volatile().emit("both", ()).unwrap();
    operator.emit("red alone", ()).unwrap();
    assert_eq!(names(&mut b).await, ["both"]);
    assert_eq!(names(&mut a).await, ["both", "red alone"]);
}

/// RM-08, RM-12, RM-13, RM-14, RM-15, RM-17, RM-19.
#[tokio::test]
async fn membership() {
    let world = world().await;
    let [(mut a, a_id), (mut b, _)] = people(&world).await;
    let odd = ["with space", "a#b", "a,b", "/x", "ünï🙂", "123", &"r".repeat(1_024), "AAAAAAAAAAAAAAAAAAAA"];
    a.ask("", "join", &json!(odd).to_string()).await;
    a.ask("", "join", "\"123\"").await;
    for room in odd {
        emit(&mut b, json!({"to": room, "event": "odd"})).await;
    }
    assert_eq!(names(&mut a).await.len(), odd.len());
    a.ask("", "leave", "\"never joined\"").await;
    a.ask("", "leave", &json!(a_id).to_string()).await;
    emit(&mut b, json!({"to": a_id, "event": "own"})).await;
    emit(&mut a, json!({"via": "socket", "event": "others"})).await;
    assert!(names(&mut a).await.is_empty());
    a.send("42[\"message\"]").await;
    assert_eq!(names(&mut a).await, ["message-back"]);
    assert_eq!(names(&mut b).await, ["others"]);

    a.send("42[\"later\",100,\"join\",\"ghost\"]").await;
    a.send("41").await;
    let me = a.connect("/", "").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let maps: Json = serde_json::from_str(&b.ask("", "adapter", "").await).unwrap();
    assert_eq!(maps[0]["sids"][&me], json!([me]), "RM-17");
    assert!(maps[0]["rooms"].get("ghost").is_none() && maps[0]["rooms"].get("123").is_none(), "{maps}");
}

/// RM-10, RM-11, RM-16, NS-10.
#[tokio::test]
async fn namespaces_have_rooms_of_their_own() {
    let world = world().await;
    let mut ws = world.ws().await;
    for (nsp, prefix) in [("/", ""), ("/custom", "/custom,")] {
        ws.connect(nsp, "").await;
        ws.ask(prefix, "join", "\"red\"").await;
    }
    world.io.to("red").emit("main", ()).unwrap();
    world.io.of("/custom").to("red").emit("custom", ()).unwrap();
    assert_eq!(ws.received("").await, ["42[\"main\"]", "42/custom,[\"custom\"]"]);
    ws.send("40/chain,{\"fail\":3}").await;
    assert!(ws.text().await.starts_with("44/chain,"));
    assert!(world.io.of("/chain").adapter().rooms().is_empty(), "RM-16");
    let sid = ws.connect("/chain", "").await;
    assert_eq!(world.io.of("/chain").adapter().rooms()["mw-room"], [sid]);
}

/// RM-21, RM-22, RM-23, ORD-05, ORD-06.
#[tokio::test]
async fn one_order_for_everybody() {
    let world = world().await;
    let [(mut a, _), (mut b, _), (c, _)] = people(&world).await;
    a.ask("", "join", "\"red\"").await;
    b.ask("", "join", "\"red\"").await;
    drop(c);
    let io = world.io.clone();
    for n in 0..200 {
        io.to("red").emit("x", (n, "é🙂", sio_reference_server::Binary::from(vec![n as u8]))).unwrap();
        io.emit("y", (n,)).unwrap();
    }
    for ws in [&mut a, &mut b] {
        for n in 0..200 {
            assert_eq!(ws.text().await, format!("451-[\"x\",{n},\"é🙂\",{{\"_placeholder\":true,\"num\":0}}]"));
            assert_eq!(ws.bytes().await[0], n as u8);
            assert_eq!(ws.text().await, format!("42[\"y\",{n}]"));
        }
    }
    let room = world.io.of("/").fetch_sockets();
    world.io.to("red").emit("before", ()).unwrap();
    room.iter().for_each(|socket| socket.leave("red"));
    world.io.to("red").emit("after", ()).unwrap();
    assert_eq!(names(&mut a).await, ["before"]);
}

/// MD-01, MD-02, MD-03, MD-04.
#[tokio::test]
async fn volatile_events_leave_at_once_or_not_at_all() {
    let world = world().await;
    let volatile = json!({"via": "self", "volatile": true, "event": "v"});
    let mut ws = world.join("/").await;
    emit_and_read(&mut ws, &volatile, "42[\"v\"]").await;

    let polling = world.poll().await;
    polling.join("/").await;
    let binary = format!(
        "451-[\"emit\",{{\"via\":\"self\",\"volatile\":true,\"event\":\"b\",\"args\":[{}]}}]\x1ebAQ==",
        "{\"_placeholder\":true,\"num\":0}"
    );
    polling.write(&format!("42[\"message\",1]\x1e42[\"emit\",{volatile}]\x1e{binary}\x1e42[\"message\",2]")).await;
    assert_eq!(polling.read().await, "42[\"message-back\",1]\x1e42[\"message-back\",2]", "no GET: dropped");
    let get = polling.waiting().await;
    polling.write(&binary).await;
    let whole = "451-[\"b\",{\"_placeholder\":true,\"num\":0}]\x1ebAQ==";
    assert_eq!(soon("volatile", get).await.unwrap().text(), whole, "a GET waits: delivered whole");
}

async fn emit_and_read(ws: &mut Ws, request: &Json, expected: &str) {
    ws.send(format!("42[\"emit\",{request}]")).await;
    assert_eq!(ws.text().await, expected);
}

/// MD-08, MD-09, MD-10, MD-11, MD-12, MD-13.
#[tokio::test]
async fn broadcast_acknowledgements() {
    let world = world().await;
    let [(mut a, _), (mut b, _), (mut c, _)] = people(&world).await;
    for ws in [&mut a, &mut b, &mut c] {
        ws.ask("", "join", "\"red\"").await;
    }
    let ask = |operator: sio_reference_server::BroadcastOperator| {
        tokio::spawn(async move { operator.timeout(Duration::from_millis(400)).emit_with_ack("q", ()).await })
    };
    let id = |question: String| question.trim_start_matches("42").trim_end_matches("[\"q\"]").to_owned();
    let all = ask(world.io.to("red"));
    for (ws, answer) in [(&mut a, "1"), (&mut b, "[2]"), (&mut c, "null")] {
        let id = id(ws.text().await);
        ws.send(format!("43{id}[{answer}]")).await;
    }
    let answers = soon("answers", all).await.unwrap().unwrap();
    let mut answers: Vec<_> = answers.iter().map(|args| args.json().to_owned()).collect();
    answers.sort();
    assert_eq!(answers, ["[1]", "[[2]]", "[null]"]);

    let some = ask(world.io.to("red"));
    let a_id = id(a.text().await);
    a.send(format!("46{}-{a_id}[{{\"_placeholder\":true,\"num\":0}}]", 1)).await;
    a.binary(vec![1]).await;
    let b_id = id(b.text().await);
    drop(c);
    let Err(BroadcastError::Partial(partial)) = soon("answers", some).await.unwrap() else {
        panic!("not everybody answered")
    };
    assert_eq!((partial.acks.len(), partial.expected), (1, 3));
    assert_eq!(partial.acks[0].attachments()[0].to_vec(), [1]);
    b.send(format!("43{b_id}[\"late\"]")).await;
    b.is_silent().await;

    assert!(soon("nobody", ask(world.io.to("empty"))).await.unwrap().unwrap().is_empty());
    a.send("421[\"emit\",{\"via\":\"socket\",\"to\":\"red\",\"timeout\":2000,\"event\":\"q\"}]").await;
    let b_id = id(b.text().await);
    b.send(format!("43{b_id}[\"b\"]")).await;
    assert_eq!(a.text().await, "431[{\"acks\":[\"b\"]}]", "the sender is not asked");
    a.send("422[\"emit\",{\"via\":\"self\",\"timeout\":50,\"event\":\"q\"}]").await;
    a.text().await;
    assert_eq!(a.text().await, "432[{\"acks\":null,\"error\":\"timeout\"}]");
}

/// UT-01 to UT-07.
#[tokio::test]
async fn utility_methods() {
    let world = world().await;
    let [(mut a, a_id), (mut b, b_id), (mut c, c_id)] = people(&world).await;
    a.ask("", "join", "\"red\"").await;
    let ids = |found: &Json| {
        let mut ids: Vec<_> =
            found.as_array().unwrap().iter().map(|socket| socket["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let mut all = vec![a_id.clone(), b_id.clone(), c_id.clone()];
    all.sort();
    assert_eq!(ids(&select(&mut a, json!({"op": "fetch"})).await), all);
    let red = select(&mut a, json!({"op": "fetch", "in": "red"})).await;
    assert_eq!((ids(&red), &red[0]["data"]), (vec![a_id.clone()], &json!({"node": "A"})));
    assert!(red[0]["rooms"].as_array().unwrap().contains(&json!("red")));
    assert_eq!(ids(&select(&mut a, json!({"op": "fetch", "except": ["red", b_id]})).await), [&*c_id]);
    select(&mut a, json!({"op": "join", "in": b_id, "rooms": ["red", "blue"]})).await;
    emit(&mut c, json!({"to": "red", "event": "red"})).await;
    select(&mut c, json!({"op": "leave", "in": "blue", "rooms": "red"})).await;
    emit(&mut c, json!({"to": "red", "event": "again"})).await;
    assert_eq!(names(&mut b).await, ["red"]);
    assert_eq!(names(&mut a).await, ["red", "again"]);
    assert_eq!(select(&mut a, json!({"op": "side", "x": 1})).await, json!({"acks": []}));
    a.is_silent().await;
    select(&mut a, json!({"op": "disconnect", "in": "blue"})).await;
    assert_eq!(b.text().await, "41");
    b.connect("/", "").await;
    select(&mut a, json!({"op": "disconnect", "in": c_id, "close": true})).await;
    assert_eq!(c.closes().await, ["41"]);
    b.is_silent().await;
}

/// AE-01 to AE-06: the journal replays to the real membership.
#[tokio::test]
async fn room_events() {
    let world = world().await;
    let [(mut a, a_id), (mut b, b_id)] = people(&world).await;
    a.ask("", "join", "[\"red\"]").await;
    a.ask("", "join", "[\"red\"]").await;
    b.ask("", "join", "[\"red\"]").await;
    a.ask("", "leave", "\"red\"").await;
    a.ask("", "leave", "\"red\"").await;
    drop(b);
    until("end of the session", || world.io.clients_count() == 1).await;
    let all: Json = serde_json::from_str(&a.ask("", "journal", "0").await).unwrap();
    let name = |id: &Json| match id.as_str().unwrap() {
        id if id == a_id => "A".to_owned(),
        id if id == b_id => "B".to_owned(),
        other => other.to_owned(),
    };
    let events: Vec<_> = all[0]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| {
            entry["nsp"] == "/"
                && (entry["kind"].as_str().unwrap().ends_with("-room")
                    || entry["kind"].as_str().unwrap().starts_with("disconnect"))
        })
        .map(|entry| {
            let sid = if entry["sid"].is_null() { String::new() } else { format!(" {}", name(&entry["sid"])) };
            let room = if entry["room"].is_null() { String::new() } else { format!(" {}", name(&entry["room"])) };
            format!("{}{room}{sid}", entry["kind"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        events,
        [
            "create-room A",
            "join-room A A",
            "create-room B",
            "join-room B B",
            "create-room red",
            "join-room red A",
            "join-room red B",
            "leave-room red A",
            "disconnecting B",
            "leave-room B B",
            "delete-room B",
            "leave-room red B",
            "delete-room red",
            "disconnect B",
        ]
    );
    assert_eq!(world.io.of("/").adapter().rooms().keys().collect::<Vec<_>>(), [&a_id]);
}

/// NS-01, NS-02, NS-03, NS-04, NS-05, NS-07, NS-09, NS-12, NS-13.
#[tokio::test]
async fn dynamic_namespaces() {
    let world = world().await;
    let mut ws = world.ws().await;
    for (name, handler) in [("/dynamic-7", "dynamic"), ("/dynamic-21", "dynamic"), ("/dynamic-101", "static")] {
        ws.connect(name, "").await;
        let me = ws.ask(&format!("{name},"), "whoami", "").await;
        assert!(me.contains(&format!("\"nsp\":\"{name}\",\"handler\":\"{handler}\"")), "{me}");
    }
    ws.connect("/fn-a", "{\"token\":\"ok\"}").await;
    for (name, auth) in [("/dynamic-x", ""), ("/fn-b", "{\"token\":\"no\"}"), ("/fn-b", "")] {
        ws.send(format!("40{name},{auth}")).await;
        assert_eq!(ws.text().await, format!("44{name},{{\"message\":\"Invalid namespace\"}}"));
    }
    for n in 200..300 {
        ws.connect(&format!("/dynamic-{n}"), "").await;
        ws.send(format!("41/dynamic-{n},")).await;
    }
    ws.send("42/dynamic-7,[\"emit\",{\"via\":\"parent\",\"event\":\"family\"}]").await;
    let got = ws.received("/dynamic-7,").await;
    assert_eq!(got, ["42/dynamic-7,[\"family\"]", "42/dynamic-21,[\"family\"]"]);
    assert!(world.io.namespace_names().contains(&"/dynamic-250".to_owned()), "NS-12");
    assert_eq!(world.journal("namespace", "/dynamic-7").await.len(), 1);
    assert_eq!(world.journal("namespace", "/custom").await.len(), 1);
}

/// NS-06.
#[tokio::test]
async fn a_namespace_registered_behind_a_pattern_is_its_child() {
    let io = Server::new(Options::default());
    io.of_pattern(Regex::new("^/d-").unwrap()).on_connection(|socket| socket.emit("parent", ()).unwrap());
    io.of("/d-1").on_connection(|socket| socket.emit("own", ()).unwrap());
    let world = serve(io).await;
    let mut ws = world.ws().await;
    ws.send("40/d-1,").await;
    ws.text().await;
    assert_eq!([ws.text().await, ws.text().await], ["42/d-1,[\"parent\"]", "42/d-1,[\"own\"]"]);
}

/// NS-08, NS-11: with clean-up, and two clients that race for the same name again and again, on two threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_children_go_and_nobody_is_alone_in_a_namespace_that_is_gone() {
    let world = world_with(Options { cleanup_empty_child_namespaces: true, ..Options::default() }).await;
    let before = world.io.namespace_names();
    let racer = |world: World| async move {
        let mut ws = world.join("/").await;
        for _ in 0..200 {
            ws.connect("/dynamic-5", "").await;
            let me = ws.ask("/dynamic-5,", "message-with-ack", "1").await;
            assert_eq!(me, "[1]");
            assert!(world.io.of("/dynamic-5").fetch_sockets().iter().any(|socket| socket.connected()));
            ws.send("41/dynamic-5,").await;
        }
        ws.received("").await;
    };
    let (a, b) = (tokio::spawn(racer(world.clone())), tokio::spawn(racer(world.clone())));
    soon("racers", async { a.await.unwrap() }).await;
    soon("racers", async { b.await.unwrap() }).await;
    let mut ws = world.ws().await;
    ws.send("40/fn-x,{\"token\":\"no\"}").await;
    ws.text().await;
    until("clean-up", || world.io.namespace_names() == before).await;
    ws.connect("/dynamic-5", "").await;
}

/// MW-01, MW-02, MW-05, MW-06, MW-07, MW-09.
#[tokio::test]
async fn namespace_middlewares() {
    let world = world().await;
    let mut ws = world.ws().await;
    ws.send("40/chain,{\"fail\":2}").await;
    assert_eq!(ws.text().await, "44/chain,{\"message\":\"fail-2\"}");
    ws.connect("/", "").await;
    let order = |entries: Vec<Json>| entries.iter().map(|entry| entry["n"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!(order(world.journal("mw", "/chain").await), [1, 2]);
    ws.connect("/chain", "").await;
    assert_eq!(order(world.journal("mw", "/chain").await), [1, 2, 1, 2, 3]);
    let mut gone = world.ws().await;
    gone.send("40/slow,").await;
    drop(gone);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(world.journal("connect", "/slow").await.is_empty());
    assert!(world.io.of("/slow").adapter().sids().is_empty());

    let io = Server::new(Options::default());
    let seen: Arc<Mutex<Vec<bool>>> = Arc::default();
    let (inside, outside) = (seen.clone(), seen.clone());
    io.with_middleware(move |socket: Socket| {
        inside.lock().unwrap().push(socket.connected());
        async { Ok::<(), ConnectError>(()) }
    });
    io.on_connection(move |socket| outside.lock().unwrap().push(socket.connected()));
    let world = serve(io).await;
    let mut ws = world.ws().await;
    ws.send("40").await;
    ws.text().await;
    assert_eq!(*seen.lock().unwrap(), [false, true]);
}

/// MW-10, MW-11.
#[tokio::test]
async fn socket_middlewares() {
    let world = world().await;
    let mut ws = world.join("/custom").await;
    ws.send("42/custom,5[\"blocked-x\",1]").await;
    ws.send("42/custom,[\"wrap\",2]").await;
    assert_eq!(ws.text().await, "42/custom,[\"message-back\",2]", "no acknowledgement of what was refused");
    assert_eq!(world.journal("error", "/custom").await[0]["message"], "blocked");
}

/// Handlers: several for an event, once, off, any.
#[tokio::test]
async fn handlers() {
    let io = Server::new(Options::default());
    io.on_connection(|socket| {
        socket.on_any(|socket, event| socket.emit("any", (event.name,)).unwrap());
        socket.on("x", |_, event| event.ack(("first",)));
        socket.on("x", |_, event| event.ack(("second",)));
        socket.once("y", |_, event| event.ack(("once",)));
        socket.on("z", |socket, _| {
            socket.off("x");
        });
    });
    let world = serve(io).await;
    let mut ws = world.ws().await;
    ws.send("40").await;
    ws.text().await;
    for packet in ["421[\"x\"]", "422[\"y\"]", "423[\"y\"]", "42[\"z\"]", "424[\"x\"]"] {
        ws.send(packet).await;
    }
    let expected = [
        "42[\"any\",\"x\"]",
        "431[\"first\"]",
        "42[\"any\",\"y\"]",
        "432[\"once\"]",
        "42[\"any\",\"y\"]",
        "42[\"any\",\"z\"]",
        "42[\"any\",\"x\"]",
    ];
    for text in expected {
        assert_eq!(ws.text().await, text);
    }
}

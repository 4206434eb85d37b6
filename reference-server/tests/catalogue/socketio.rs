//! 2.9 to 2.12 and 2.14: namespaces, events, acknowledgements, binary, disconnect.

use std::time::Duration;

use serde_json::{Value as Json, json};
use sio_reference_server::{AckError, Options, Server};

use crate::common::{serve, soon, until, world, world_with};

/// SIO-CN-01, SIO-CN-02, SIO-CN-03, SIO-CN-04, SIO-CN-07.
#[tokio::test]
async fn joining_namespaces() {
    let world = world().await;
    let mut ws = world.socket("EIO=4&transport=websocket").await;
    let engine: Json = serde_json::from_str(&ws.text().await[1..]).unwrap();
    ws.send("40").await;
    let main: Json = serde_json::from_str(&ws.text().await[2..]).unwrap();
    assert_eq!(main.as_object().unwrap().keys().collect::<Vec<_>>(), ["sid"]);
    assert_eq!(ws.text().await, "42[\"auth\",{}]");
    ws.send("40/custom,{\"token\":[1,{\"a\":null}]}").await;
    let custom: Json = serde_json::from_str(ws.text().await.strip_prefix("40/custom,").unwrap()).unwrap();
    assert_eq!(ws.text().await, "42/custom,[\"auth\",{\"token\":[1,{\"a\":null}]}]");
    ws.send("40/dynamic-101").await; // without the comma
    let third: Json = serde_json::from_str(ws.text().await.strip_prefix("40/dynamic-101,").unwrap()).unwrap();
    ws.text().await;
    let ids = [&engine["sid"], &main["sid"], &custom["sid"], &third["sid"]];
    assert!(ids.iter().all(|id| ids.iter().filter(|other| other == &id).count() == 1), "{ids:?}");
    assert_eq!(
        ws.ask("/custom,", "join", "\"red\"").await,
        json!([sorted(&["red", custom["sid"].as_str().unwrap()])]).to_string()
    );
    ws.send("41/custom,").await;
    assert_eq!(ws.ask("", "message-with-ack", "1").await, "[1]");
    assert_eq!(ws.ask("/dynamic-101,", "message-with-ack", "2").await, "[2]");
}

fn sorted<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names
}

/// SIO-CN-05, SIO-CN-14, SIO-CN-19.
#[tokio::test]
async fn unknown_namespaces_are_refused() {
    let world = world().await;
    let mut ws = world.join("/").await;
    for name in ["/random", "/Custom", "/custom/", "/custom?a=b", "/cüstom", "/"] {
        if name != "/" {
            ws.send(format!("40{name},")).await;
            assert_eq!(ws.text().await, format!("44{name},{{\"message\":\"Invalid namespace\"}}"));
        }
    }
    ws.is_silent().await;
    ws.connect("/custom", "").await;
}

/// SIO-CN-06, SIO-CN-09, SIO-CN-10.
#[tokio::test]
async fn who_is_not_in_may_not_send() {
    let world = world().await;
    for packet in ["42[\"mark\",1]", "43[]", "41", "451-[\"mark\",{\"_placeholder\":true,\"num\":0}]"] {
        let mut ws = world.join("/custom").await;
        world.io.emit("for the main namespace", ()).unwrap();
        ws.send(packet).await;
        if packet.starts_with("45") {
            ws.binary(vec![1]).await;
        }
        assert!(ws.closes().await.is_empty());
    }
    for first in ["42[\"mark\",1]", "41", "43[]", "44{}", "451-[\"mark\",{\"_placeholder\":true,\"num\":0}]"] {
        let mut ws = world.ws().await;
        ws.send(first).await;
        if first.starts_with("45") {
            ws.binary(vec![1]).await; // SIO-BN-13
        }
        assert!(ws.closes().await.is_empty(), "{first}");
    }
    assert!(world.journal("mark", "/").await.is_empty());
}

/// SIO-CN-11, MW-04, SIO-CN-21, SIO-CN-22: strict, the connection is closed in each case.
#[tokio::test]
async fn nothing_may_be_sent_while_a_middleware_waits() {
    let world = world().await;
    for packet in ["42/slow,[\"mark\",1]", "40/slow,", "41/slow,"] {
        let mut ws = world.ws().await;
        ws.send("40/slow,").await;
        ws.send(packet).await;
        assert!(ws.closes().await.is_empty(), "{packet}");
    }
    let polling = world.poll().await;
    polling.write("40/slow,").await;
    polling.write("42/slow,[\"mark\",1]").await;
    assert_eq!(polling.read().await, "6\x1e1");
    polling.is_gone().await;
    // As long as the middleware would have taken, and then some.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(world.journal("mark", "/slow").await.is_empty());
    assert!(world.journal("connect", "/slow").await.is_empty());
    assert!(world.journal("disconnect", "/slow").await.is_empty(), "SIO-DC-07");
}

/// SIO-CN-12, MW-08.
#[tokio::test]
async fn a_namespace_must_be_joined_in_time() {
    let io = Server::new(Options { connect_timeout: Duration::from_millis(300), ..Options::default() });
    io.of("/never").with_middleware(|_| std::future::pending());
    io.on_connection(|socket| {
        socket.on("echo", |_, event| event.ack(()));
    });
    let world = serve(io).await;
    let mut silent = world.ws().await;
    let mut refused = world.ws().await;
    refused.send("40/nowhere,").await;
    assert!(refused.text().await.starts_with("44/nowhere,"));
    let mut waiting = world.ws().await;
    waiting.send("40/never,").await;
    let mut good = world.ws().await;
    good.send("40").await;
    assert!(good.text().await.starts_with("40{"));
    for ws in [&mut silent, &mut refused, &mut waiting] {
        assert!(ws.closes().await.is_empty());
    }
    good.send("420[\"echo\"]").await;
    assert_eq!(good.text().await, "430[]");
    until("end of the other sessions", || world.io.clients_count() == 1).await;
}

/// SIO-CN-13, SIO-CN-17, MW-03.
#[tokio::test]
async fn refusals_and_second_attempts() {
    let world = world().await;
    let mut ws = world.ws().await;
    for _ in 0..2 {
        ws.send("40/deny,").await;
        assert_eq!(ws.text().await, "44/deny,{\"message\":\"denied\",\"data\":{\"code\":\"E_DENIED\"}}");
    }
    ws.send("40/chain,{\"fail\":2}").await;
    assert_eq!(ws.text().await, "44/chain,{\"message\":\"fail-2\"}");
    let first = ws.connect("/chain", "").await;
    ws.send("41/chain,").await;
    let second = ws.connect("/chain", "").await;
    assert_ne!(first, second);
    assert_eq!(ws.ask("/chain,", "join", "[]").await, json!([sorted(&[&second, "mw-room"])]).to_string());
}

/// SIO-CN-18, SIO-CN-20, SIO-EV-08.
#[tokio::test]
async fn the_confirmation_is_first_and_what_follows_is_in_order() {
    let io = Server::new(Options::default());
    io.on_connection(|socket| {
        socket.nsp().emit("all", ()).unwrap();
        for n in 0..100 {
            socket.emit("n", (n,)).unwrap();
        }
        socket.on("m", |socket, event| socket.emit("m", event.args).unwrap());
    });
    let world = serve(io).await;
    let mut ws = world.ws().await;
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
    for n in 0..100 {
        ws.send(format!("42[\"m\",{n}]")).await;
    }
    assert_eq!(ws.text().await, "42[\"all\"]");
    for n in 0..100 {
        assert_eq!(ws.text().await, format!("42[\"n\",{n}]"));
    }
    for n in 0..100 {
        assert_eq!(ws.text().await, format!("42[\"m\",{n}]"));
    }
}

/// SIO-CN-23.
#[tokio::test]
async fn the_first_request_is_seen_by_every_namespace() {
    let io = Server::new(Options::default());
    for nsp in ["/", "/custom"] {
        io.of(nsp).on_connection(|socket| {
            let handshake = socket.handshake();
            let header = handshake.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
            let local = handshake.address().unwrap().ip().is_loopback();
            socket.emit("seen", (handshake.query(), header.is_some(), local, handshake.xdomain())).unwrap();
        });
    }
    let world = serve(io).await;
    let mut ws = world.socket("EIO=4&transport=websocket&key=1").await;
    ws.text().await;
    ws.send("40").await;
    ws.text().await;
    assert_eq!(ws.text().await, "42[\"seen\",\"EIO=4&transport=websocket&key=1\",true,true,false]");
    ws.send("40/custom,").await;
    ws.text().await;
    assert_eq!(ws.text().await, "42/custom,[\"seen\",\"EIO=4&transport=websocket&key=1\",true,true,false]");
}

/// SIO-EV-01, SIO-EV-02, SIO-EV-04, SIO-EV-05, SIO-EV-06, SIO-EV-07, SIO-EV-09, SIO-BN-15.
#[tokio::test]
async fn events() {
    let world = world().await;
    let mut ws = world.ws().await;
    ws.connect("/", "").await;
    ws.connect("/custom", "").await;
    for (prefix, args) in [
        ("", r#"1,"2",{"3":[true]}"#),
        ("/custom,", r#"1,"2",{"3":[true]}"#),
        ("", r#""2021-04-18","a,b/c-1","/x,""#),
        ("/custom,", r#""a-b""#),
        ("", r#"{"_placeholder":true,"num":7}"#),
    ] {
        ws.send(format!("42{prefix}[\"message\",{args}]")).await;
        assert_eq!(ws.text().await, format!("42{prefix}[\"message-back\",{args}]"));
        assert_eq!(ws.ask(prefix, "message-with-ack", args).await, format!("[{args}]"));
    }
    for name in [
        "\"\"",
        "\"0\"",
        "\"a-b\"",
        "\"a,b\"",
        "\"/x\"",
        "\"__proto__\"",
        "\"constructor\"",
        "\"toString\"",
        "\"error\"",
        "\"connection\"",
        "1",
    ] {
        ws.send(format!("42[{name},1]")).await;
        ws.send(format!("425[{name},1]")).await;
    }
    ws.is_silent().await;
    let polling = world.poll().await;
    polling.join("/").await;
    polling.post("42[\"mark\",2]\x1e41\x1e42[\"mark\",3]").await;
    let marks = world.journal("mark", "/").await;
    assert!(marks.iter().all(|mark| mark["x"] != 3), "{marks:?}");
}

/// SIO-EV-10, ORD-07.
#[tokio::test]
async fn large_events() {
    let world = world().await;
    let text = "t".repeat(700_000);
    let bytes = vec![7; 900_000];
    let mut ws = world.join("/").await;
    ws.send(format!("42[\"message\",\"{text}\"]")).await;
    assert_eq!(ws.text().await.len(), text.len() + "42[\"message-back\",\"\"]".len());
    ws.send("451-[\"message\",{\"_placeholder\":true,\"num\":0}]").await;
    ws.binary(bytes.clone()).await;
    ws.text().await;
    assert!(ws.bytes().await == bytes);
    let polling = world.poll().await;
    polling.join("/").await;
    polling.write(&format!("42[\"message\",\"{text}\"]")).await;
    assert!(polling.read().await.contains(&text));
    // A burst for a client that begins to read late: complete and in order.
    for _ in 0..20 {
        ws.send("42[\"emit\",{\"via\":\"self\",\"event\":\"n\",\"repeat\":1000}]").await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for n in 0..20_000 {
        assert_eq!(ws.text().await, format!("42[\"n\",{}]", n % 1_000));
    }
}

/// SIO-EV-11.
#[tokio::test]
async fn reserved_names_cannot_be_emitted() {
    let io = Server::new(Options::default());
    io.on_connection(|socket| {
        for name in ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"] {
            assert!(socket.emit(name, ()).is_err() && socket.broadcast().emit(name, ()).is_err());
            assert!(socket.nsp().emit(name, ()).is_err() && socket.nsp().server_side_emit(name, ()).is_err());
        }
        socket.emit("done", ()).unwrap();
    });
    let world = serve(io).await;
    let mut ws = world.ws().await;
    ws.send("40").await;
    ws.text().await;
    assert_eq!(ws.text().await, "42[\"done\"]");
}

/// SIO-AK-01, SIO-AK-02, SIO-AK-03, SIO-AK-04, SIO-AK-08, SIO-AK-09, ORD-04.
#[tokio::test]
async fn acknowledgements_of_the_server() {
    let world = world().await;
    let mut ws = world.ws().await;
    ws.connect("/", "").await;
    ws.connect("/custom", "").await;
    for (packet, answer) in [
        ("42456[\"message-with-ack\",1,\"2\",{\"3\":[false]}]", "43456[1,\"2\",{\"3\":[false]}]"),
        ("42456[\"message-with-ack\"]", "43456[]"),
        ("420[\"message-with-ack\",1]", "430[1]"),
        ("42/custom,7[\"message-with-ack\",1]", "43/custom,7[1]"),
        ("423[\"acks\",3]", "433[0]"),
    ] {
        ws.send(packet).await;
        assert_eq!(ws.text().await, answer);
    }
    ws.is_silent().await;
    ws.send("451-8[\"mark\",{\"_placeholder\":true,\"num\":0}]").await;
    ws.binary(vec![1]).await;
    assert_eq!(ws.text().await, "438[]");
    ws.send("421[\"emit\",{\"via\":\"self\",\"event\":\"n\",\"repeat\":2}]").await;
    assert_eq!([ws.text().await, ws.text().await, ws.text().await], ["42[\"n\",0]", "42[\"n\",1]", "431[{}]"]);
}

/// SIO-AK-05, SIO-AK-06, SIO-AK-07, SIO-AK-10.
#[tokio::test]
async fn acknowledgements_of_clients() {
    let io = Server::new(Options::default());
    let (sender, mut answers) = tokio::sync::mpsc::unbounded_channel();
    for nsp in ["/", "/custom"] {
        let sender = sender.clone();
        io.of(nsp).on_connection(move |socket| {
            for n in 0..3 {
                let (socket, sender) = (socket.clone(), sender.clone());
                tokio::spawn(async move {
                    let answer = socket.emit_with_ack("q", (n,)).await;
                    sender
                        .send((socket.nsp().name().to_owned(), n, answer.map(|args| args.json().to_owned())))
                        .unwrap();
                });
            }
            let (socket, sender) = (socket.clone(), sender.clone());
            tokio::spawn(async move {
                let answer = socket.timeout(Duration::from_millis(200)).emit_with_ack("q", (9,)).await;
                sender.send((socket.nsp().name().to_owned(), 9, answer.map(|args| args.json().to_owned()))).unwrap();
            });
        });
    }
    let world = serve(io).await;
    let mut ws = world.ws().await;
    let mut asked = Vec::new();
    for prefix in ["", "/custom,"] {
        ws.send(format!("40{prefix}")).await;
        ws.text().await;
        for _ in 0..4 {
            let question = ws.text().await;
            let (id, n) = question.strip_prefix(&format!("42{prefix}")).unwrap().split_once("[\"q\",").unwrap();
            asked.push((prefix, id.to_owned(), n.trim_end_matches(']').to_owned()));
        }
    }
    for (prefix, id, n) in asked.iter().rev().filter(|(_, _, n)| n != "9") {
        for _ in 0..2 {
            ws.send(format!("43{prefix}{id}[\"{prefix}{n}\"]")).await;
        }
    }
    let (mut good, mut late) = (0, 0);
    while good + late < 8 {
        let (nsp, n, answer) = soon("answer", answers.recv()).await.unwrap();
        match answer {
            Ok(answer) => {
                let prefix = if nsp == "/" { String::new() } else { format!("{nsp},") };
                assert_eq!(answer, format!("[\"{prefix}{n}\"]"));
                good += 1;
            }
            Err(AckError::Timeout(_)) => {
                assert_eq!(n, 9);
                late += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((good, late), (6, 2));
    for (prefix, id, _) in asked.iter().filter(|(_, _, n)| n == "9") {
        ws.send(format!("43{prefix}{id}[\"too late\"]")).await;
    }
    ws.send("40/nowhere,").await;
    assert!(ws.text().await.starts_with("44/nowhere"), "the connection is still open");
    assert!(answers.try_recv().is_err());
}

/// SIO-BN-03: header and attachments stay together, whatever else is sent.
#[tokio::test]
async fn attachments_follow_their_header() {
    let world = world().await;
    let mut ws = world.join("/").await;
    let noise = world.io.clone();
    let noise = tokio::spawn(async move {
        for n in 0..500 {
            noise.emit("noise", (n,)).unwrap();
            noise.volatile().emit("volatile", (sio_reference_server::Binary::from(vec![9]),)).unwrap();
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..100 {
        ws.send("452-[\"message\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]").await;
        ws.binary(vec![1]).await;
        ws.binary(vec![2]).await;
    }
    let mut seen = 0;
    while seen < 100 {
        let text = ws.text().await;
        let attachments = if text.starts_with("452-") { 2 } else { usize::from(text.starts_with("451-")) };
        for n in 0..attachments {
            let bytes = ws.bytes().await;
            assert!(attachments == 1 || bytes[0] == n as u8 + 1);
        }
        seen += usize::from(attachments == 2);
    }
    noise.await.unwrap();
}

/// SIO-BN-05, SIO-BN-14, SIO-BN-16.
#[tokio::test]
async fn placeholders() {
    let world = world().await;
    let mut ws = world.join("/").await;
    ws.send("452-[\"message\",{\"_placeholder\":true,\"num\":1},{\"a\":[{\"_placeholder\":true,\"num\":0},{\"num\":1,\"_placeholder\":true}]}]").await;
    ws.binary(vec![0]).await;
    ws.binary(vec![1]).await;
    let text = ws.text().await;
    let count: usize = text[2..3].parse().unwrap();
    let mut parts = Vec::new();
    for _ in 0..count {
        parts.push(ws.bytes().await[0]);
    }
    assert_eq!(parts, [1, 0, 1], "{text}");
    ws.send("452-[\"message\",\"unused\"]").await;
    ws.binary(vec![0]).await;
    ws.binary(vec![1]).await;
    assert_eq!(ws.text().await, "42[\"message-back\",\"unused\"]");
    // Half a packet dies with its connection.
    ws.send("452-[\"mark\",{\"_placeholder\":true,\"num\":0}]").await;
    ws.binary(vec![0]).await;
    drop(ws);
    until("end of the session", || world.io.clients_count() == 0).await;
    assert!(world.journal("mark", "/").await.is_empty());
}

/// SIO-DC-01, SIO-DC-02, SIO-DC-03, SIO-DC-09.
#[tokio::test]
async fn leaving_one_namespace() {
    let world = world_with(crate::common::fast()).await;
    let mut ws = world.ws().await;
    for nsp in ["/", "/custom", "/dynamic-101"] {
        ws.connect(nsp, "").await;
    }
    ws.send("41").await;
    ws.send("41/dynamic-101").await;
    ws.ask("/custom,", "message-with-ack", "").await;
    world.io.emit("gone", ()).unwrap();
    world.io.of("/dynamic-101").emit("gone", ()).unwrap();
    assert_eq!(ws.ask("/custom,", "message-with-ack", "1").await, "[1]");
    ws.send("42/custom,[\"bye\"]").await;
    assert_eq!(ws.text().await, "41/custom,");
    for _ in 0..3 {
        assert_eq!(ws.text().await, "2", "no namespace, but a heartbeat");
        ws.send("3").await;
    }
    ws.connect("/", "").await;
}

/// SIO-DC-04, SIO-DC-05, SIO-DC-06, SIO-DC-07, SIO-DC-08, RM-14.
#[tokio::test]
async fn every_end_is_told_once_and_in_order() {
    let world = world().await;
    let mut ws = world.ws().await;
    for nsp in ["/custom", "/dynamic-101"] {
        ws.connect(nsp, "").await;
    }
    ws.ask("/custom,", "join", "[\"red\"]").await;
    drop(ws);
    until("end of the session", || world.io.clients_count() == 0).await;
    let mut ws = world.join("/custom").await;
    ws.send("42/custom,[\"bye\",{\"close\":true}]").await;
    assert_eq!(ws.closes().await, ["41/custom,"]);
    let mut ws = world.join("/custom").await;
    ws.send("41/custom,").await;
    ws.connect("/", "").await;
    let mut ws = world.join("/custom").await;
    ws.send("abc").await;
    ws.closes().await;
    let mut ws = world.join("/custom").await;
    ws.send("42/nowhere,[\"x\"]").await;
    ws.closes().await;
    let mut ws = world.join("/custom").await;
    ws.send("42[null]").await;
    ws.closes().await;
    until("end of the sessions", || world.io.clients_count() == 1).await;

    let all = world.journal("disconnect", "/custom").await;
    let reasons: Vec<_> = all.iter().map(|entry| entry["reason"].as_str().unwrap()).collect();
    assert_eq!(
        reasons,
        [
            "transport close",
            "server namespace disconnect",
            "client namespace disconnect",
            "parse error",
            "forced server close",
            "forced close"
        ]
    );
    assert!(all.iter().all(|entry| entry["rooms"] == json!([])));
    let before = world.journal("disconnecting", "/custom").await;
    assert_eq!(before.len(), all.len());
    assert!(before[0]["rooms"].as_array().unwrap().contains(&json!("red")));
    assert!(
        before
            .iter()
            .zip(&all)
            .all(|(before, after)| before["sid"] == after["sid"] && before["seq"].as_u64() < after["seq"].as_u64())
    );
    assert_eq!(world.journal("disconnect", "/dynamic-101").await.len(), 1);
}

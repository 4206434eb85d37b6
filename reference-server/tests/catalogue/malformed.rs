//! 2.13 Malformed and hostile packets. The reference server closes wherever the specification says so, also where Node
//! does not (SIO-MF-03).

use crate::common::{Ws, world};

enum Frame {
    Text(String),
    Bytes(&'static [u8]),
}

impl From<&str> for Frame {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

async fn send(ws: &mut Ws, frames: Vec<Frame>) {
    for frame in frames {
        match frame {
            Frame::Text(text) => ws.try_send(text).await,
            Frame::Bytes(bytes) => ws.binary(bytes).await,
        }
    }
}

/// SIO-MF-01 to SIO-MF-12, SIO-MF-14 to SIO-MF-20, SIO-MF-22, SIO-CN-08, SIO-CN-15, SIO-CN-16, SIO-BN-08, SIO-BN-09,
/// SIO-BN-10, SIO-BN-11, SIO-BN-12.
#[tokio::test]
async fn these_close_the_connection_and_nothing_runs() {
    let world = world().await;
    let mut healthy = world.join("/").await;
    let text = [
        "4abc",
        "49",
        "42{}",
        "42[]",
        "42\"str\"",
        "42",
        "42abc[\"message\"]",
        "42-1[\"message\"]",
        "421.5[\"message\"]",
        "42[\"message\"",
        "40/custom,{bad",
        "42[null]",
        "42[true,1]",
        "42[[\"a\"]]",
        "42[{\"toString\":\"foo\"}]",
        "42[\"connect\"]",
        "42[\"connect_error\"]",
        "42[\"disconnect\"]",
        "42[\"disconnecting\"]",
        "42[\"newListener\"]",
        "42[\"removeListener\"]",
        "40/custom,[]",
        "40/custom,\"x\"",
        "40custom",
        "41{}",
        "41/custom,",
        "42/custom,[\"mark\",1]",
        "44",
        "44{\"message\":\"x\"}",
        "430{}",
        "431[1",
        "45",
        "451[\"mark\"]",
        "45a-[\"mark\"]",
        "451.5-[\"mark\"]",
        "45-1-[\"mark\"]",
        "450-[\"mark\",1]",
        "4511-[\"mark\"]",
        "4",
        "40",
        "451000000-[\"mark\"]",
        "4599999999999999999999-[\"mark\"]",
    ];
    let mut cases: Vec<Vec<Frame>> = text.iter().map(|text| vec![Frame::from(*text)]).collect();
    cases.push(vec!["451-[\"mark\",{\"_placeholder\":true,\"num\":0}]".into(), "42[\"mark\",1]".into()]);
    cases.push(vec![Frame::Bytes(&[1, 2, 3])]);
    for num in ["5", "-1", "\"splice\"", "null", "1.5"] {
        let header = format!("451-[\"mark\",{{\"_placeholder\":true,\"num\":{num}}}]");
        cases.push(vec![Frame::Text(header), Frame::Bytes(&[1])]);
    }
    cases.push(vec!["451-[\"disconnect\",{\"_placeholder\":true,\"num\":0}]".into(), Frame::Bytes(&[1])]);
    for frames in cases {
        let shown = match &frames[0] {
            Frame::Text(text) => text.clone(),
            Frame::Bytes(bytes) => format!("{bytes:?}"),
        };
        let mut ws = world.join("/").await;
        send(&mut ws, frames).await;
        ws.try_send("42[\"mark\",\"after\"]").await;
        let seen = ws.closes().await;
        assert!(seen.is_empty(), "{shown}: {seen:?}");
    }
    assert!(world.journal("mark", "/").await.is_empty() && world.journal("mark", "/custom").await.is_empty());
    let reasons = world.journal("disconnect", "/").await;
    let allowed = ["forced close", "forced server close", "transport close", "parse error"];
    assert!(reasons.iter().all(|entry| allowed.contains(&entry["reason"].as_str().unwrap())), "{reasons:?}");
    healthy.is_silent().await;
    world.is_alive().await;
}

/// SIO-MF-13, SIO-MF-21, SIO-AK-05.
#[tokio::test]
async fn acknowledgements_nobody_waits_for_are_ignored() {
    let world = world().await;
    let mut ws = world.join("/").await;
    for text in ["43", "43[]", "430", "4399[\"x\"]"] {
        ws.send(text).await;
    }
    ws.send("461-99[{\"_placeholder\":true,\"num\":0}]").await;
    ws.binary(vec![1]).await;
    ws.is_silent().await;
}

/// SIO-MF-23, SIO-AK-11.
#[tokio::test]
async fn large_ids() {
    let world = world().await;
    let mut ws = world.join("/").await;
    for (id, answer) in [("07", "7"), ("9007199254740991", "9007199254740991"), ("0", "0")] {
        ws.send(format!("42{id}[\"message-with-ack\"]")).await;
        assert_eq!(ws.text().await, format!("43{answer}[]"));
    }
    ws.send("42100000000000000000000[\"message-with-ack\"]").await;
    ws.closes().await;
}

/// SIO-MF-24.
#[tokio::test]
async fn deep_wide_and_long() {
    let world = world().await;
    let deep = format!("42[\"message\",{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    let name = format!("42[\"{}\"]", "n".repeat(900_000));
    let wide =
        format!("42[\"message\",{{{}}}]", (0..50_000).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(","));
    let proto = "42[\"message\",{\"__proto__\":{\"x\":1},\"constructor\":null}]";
    for (what, text) in [("deep", &*deep), ("long name", &name), ("wide", &wide), ("prototype", proto)] {
        let mut ws = world.join("/").await;
        ws.send(text).await;
        ws.try_send("421[\"message-with-ack\"]").await;
        let mut last = String::new();
        while last != "431[]" {
            match crate::common::soon(what, futures_util::StreamExt::next(&mut ws.0)).await {
                Some(Ok(message)) if message.is_text() => last = message.into_text().unwrap().to_string(),
                _ => break,
            }
        }
        world.is_alive().await;
    }
    let mut ws = world.join_with("/custom", "{\"__proto__\":{\"admin\":true}}").await;
    let me = ws.ask("/custom,", "whoami", "").await;
    assert!(me.contains("\"auth\":{\"__proto__\":{\"admin\":true}}"), "{me}");
}

/// SIO-MF-25.
#[tokio::test]
async fn long_and_many_unknown_namespaces() {
    let world = world().await;
    let mut ws = world.join("/").await;
    let long = "n".repeat(100_000);
    ws.send(format!("40/{long},")).await;
    assert_eq!(ws.text().await, format!("44/{long},{{\"message\":\"Invalid namespace\"}}"));
    for n in 0..10_000 {
        ws.send(format!("40/unknown-{n},")).await;
        assert_eq!(ws.text().await, format!("44/unknown-{n},{{\"message\":\"Invalid namespace\"}}"));
    }
    assert_eq!(world.io.namespace_names(), ["/", "/custom", "/dynamic-101", "/deny", "/slow", "/chain"]);
}

/// SIO-MF: JSON is legal however it is spelled. Halves of surrogate pairs, white space, escapes, order of keys, large
/// numbers, in every verb.
#[tokio::test]
async fn legal_json_in_other_spellings() {
    let world = world().await;
    let mut ws = world.ws().await;
    ws.send("40 { \"b\" : 1 , \"a\" : \"\\ud800\" } ").await;
    assert!(ws.text().await.starts_with("40{\"sid\""));
    assert_eq!(ws.text().await, "42[\"auth\",{ \"b\" : 1 , \"a\" : \"\\ud800\" }]");
    for (sent, answered) in [
        (r#"["\ud800"]"#, None),
        (r#"["message-with-ack","\ud800",{"\udfff":"\ud83d\ude00"}]"#, Some(r#"["\ud800",{"\udfff":"\ud83d\ude00"}]"#)),
        (" [ \"message-with-ack\" , 1e400 ,\t12345678901234567890123 ]\n", Some("[1e400 ,\t12345678901234567890123 ]")),
        (r#"["\u006dessage-with-ack",-0.0]"#, Some("[-0.0]")),
        (r#"["mark","\udc00"]"#, Some("[]")),
        (r#"["data",{"\ud800":"\udc00"}]"#, Some("[{\"\u{fffd}\":\"\u{fffd}\"}]")),
        (r#"["emit",{"args":["\ud800"],"via":"self","event":"e"}]"#, Some("[{}]")),
    ] {
        ws.send(format!("429007199254740991{sent}")).await;
        if sent.contains("\"emit\"") {
            assert_eq!(ws.text().await, r#"42["e","\ud800"]"#);
        }
        if let Some(answered) = answered {
            assert_eq!(ws.text().await, format!("439007199254740991{answered}"), "{sent}");
        }
    }
    // Rooms of such names hold, and are read as everybody in Rust reads them.
    ws.send(r#"421["join","\ud800"]"#).await;
    assert!(ws.text().await.contains('\u{fffd}'));
    world.io.to("\u{fffd}").emit("in", ()).unwrap();
    assert_eq!(ws.text().await, "42[\"in\"]");
    ws.send(r#"422["whoami"]"#).await;
    assert!(ws.text().await.contains(r#""auth":{ "b" : 1 , "a" : "\ud800" }"#));
    ws.send("43 [ ]").await; // an acknowledgement that nobody waits for, without an id
    ws.send("4317[\"\\ud800\"]").await;
    ws.send("40/fn-x,{\"token\":\"ok\",\"x\":\"\\udfff\"}").await;
    assert!(ws.text().await.starts_with("40/fn-x,"));
    assert_eq!(ws.text().await, "42/fn-x,[\"auth\",{\"token\":\"ok\",\"x\":\"\\udfff\"}]");
    ws.send("451- [ \"message-with-ack\" , { \"num\" : 0 , \"\\u005fplaceholder\" : true } ]").await;
    ws.binary(vec![1]).await;
    ws.is_silent().await;
}

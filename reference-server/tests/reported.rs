//! Each fault that was reported of another server changes what a client sees, and the clean server does not do it.
#![cfg(feature = "faults")]
#![allow(clippy::unwrap_used, dead_code, reason = "tests")]

#[path = "catalogue/common.rs"]
mod common;

use std::time::Duration;

use common::{World, Ws, fast, soon, world_with};
use futures_util::{SinkExt as _, StreamExt as _};
use http::Method;
use sio_protocol::Parser;
use sio_reference_server::faults::{Faults, find};
use sio_reference_server::{Options, Recovery};
use tokio_tungstenite::tungstenite::Message;

/// A server with one fault.
async fn with(fault: &str, options: Options) -> World {
    let faults = Faults::new(vec![find(fault).unwrap().fault], None, 0, 0);
    world_with(faults.arrange(options)).await
}

fn recovering() -> Options {
    Options { connection_state_recovery: Some(Recovery::default()), ..Options::default() }
}

/// The same on a clean server and on one with the fault.
macro_rules! differs {
    ($fault:literal, $options:expr, $what:expr, $clean:expr, $faulty:expr) => {
        assert_eq!($what(world_with($options).await).await, $clean, "{} clean", $fault);
        assert_eq!($what(with($fault, $options).await).await, $faulty, "{}", $fault);
    };
}

async fn rooms_after(mut ws: Ws, events: &[&str]) -> String {
    for event in events {
        let (name, room) = event.split_once(' ').unwrap();
        ws.ask("", name, &format!("\"{room}\"")).await;
    }
    tokio::time::sleep(Duration::from_millis(80)).await;
    ws.send(r#"42["emit",{"to":"a","event":"x"}]"#).await;
    ws.received("").await.join("|")
}

#[tokio::test]
async fn rooms_are_left_for_too_long() {
    let program =
        |world: World| async move { rooms_after(world.join("/").await, &["join a", "leave a", "join a"]).await };
    differs!("leave-lingers", Options::default(), program, r#"42["x"]"#, "");
}

#[tokio::test]
async fn leaving_a_room_twice_is_fatal() {
    let program = |world: World| async move {
        let mut ws = world.join("/").await;
        ws.send(r#"42["leave","nowhere"]"#).await;
        ws.try_send(r#"421["message-with-ack"]"#).await;
        ws.text().await
    };
    differs!("leave-of-none-closes", Options::default(), program, "431[]", "41");
}

#[tokio::test]
async fn rooms_are_forgotten() {
    let program = |world: World| async move {
        let mut ws = world.join("/").await;
        ws.ask("", "join", r#"["a","b"]"#).await;
        ws.ask("", "leave", "\"a\"").await.contains("\"b\"")
    };
    differs!("rooms-forgotten", Options::default(), program, true, false);
}

#[tokio::test]
async fn only_the_last_is_disconnected() {
    let program = |world: World| async move {
        let (mut a, mut b) = (world.join("/").await, world.join("/").await);
        for ws in [&mut a, &mut b] {
            ws.ask("", "join", "\"r\"").await;
        }
        world.join("/").await.ask("", "select", r#"{"op":"disconnect","in":"r"}"#).await;
        world.io.of("/").broadcast().to("r").fetch_sockets().len()
    };
    differs!("disconnect-last-only", Options::default(), program, 0, 1);
}

/// Joins, and returns the private id and an offset.
async fn kept(ws: &mut Ws, auth: &str) -> (String, String) {
    ws.send(format!("40{auth}")).await;
    let mut texts = vec![ws.text().await];
    while !texts.iter().any(|text| text.starts_with("42[\"auth\"")) {
        texts.push(ws.text().await);
    }
    ws.send(r#"42["message","x"]"#).await;
    while !texts.last().unwrap().starts_with("42[\"message-back\"") {
        texts.push(ws.text().await);
    }
    let connect = texts.iter().find(|text| text.starts_with("40")).unwrap();
    let pid = connect.split(r#""pid":""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let offset = texts.last().unwrap().rsplit('"').nth(1).unwrap().to_owned();
    (pid, offset)
}

async fn recovered(world: &World, times: usize, room: bool) -> (String, bool) {
    let mut auth = String::new();
    for _ in 0..times {
        let mut ws = world.ws().await;
        let (pid, offset) = kept(&mut ws, &auth).await;
        auth = format!(r#"{{"pid":"{pid}","offset":"{offset}"}}"#);
        if room {
            ws.send(r#"421["join","r"]"#).await;
            ws.text().await;
        }
        drop(ws);
        common::until("end", || world.io.clients_count() == 0).await;
    }
    let mut ws = world.ws().await;
    kept(&mut ws, &auth).await;
    let who = ws.ask("", "whoami", "").await;
    ws.send(r#"42["emit",{"to":"r","event":"x"}]"#).await;
    let reached = !ws.received("").await.is_empty();
    (if who.contains(r#""recovered":true"#) { "recovered" } else { "fresh" }.to_owned(), reached)
}

#[tokio::test]
async fn a_session_is_recovered_once() {
    let program = |world: World| async move { recovered(&world, 2, false).await.0 };
    differs!("recover-once", recovering(), program, "recovered", "fresh");
}

#[tokio::test]
async fn who_was_recovered_is_deaf() {
    let program = |world: World| async move { recovered(&world, 1, true).await };
    differs!("recovered-deaf", recovering(), program, ("recovered".to_owned(), true), ("recovered".to_owned(), false));
}

#[tokio::test]
async fn nobody_is_waited_for() {
    let program = |world: World| async move {
        world.join("/").await.ask("", "emit", r#"{"to":"empty","event":"x","timeout":50}"#).await
    };
    differs!("nobody-awaited", Options::default(), program, r#"[{"acks":[]}]"#, r#"[{"acks":[],"error":"timeout"}]"#);
}

#[tokio::test]
async fn unknown_events_are_acknowledged() {
    let program = |world: World| async move {
        let mut ws = world.join("/").await;
        ws.send(r#"425["unknown"]"#).await;
        ws.received("").await.join("|")
    };
    differs!("forgotten-acked", Options::default(), program, "", "435[]");
}

#[tokio::test]
async fn a_late_acknowledgement_is_fatal() {
    let program = |world: World| async move {
        let mut ws = world.join("/").await;
        ws.send("4312345[]").await;
        ws.try_send(r#"421["message-with-ack"]"#).await;
        ws.text().await
    };
    differs!("late-ack-closes", Options::default(), program, "431[]", "41");
}

#[tokio::test]
async fn the_namespace_is_misplaced() {
    let program = |world: World| async move {
        let mut ws = world.join("/custom").await;
        ws.send(r#"451-/custom,["message",{"_placeholder":true,"num":0}]"#).await;
        ws.binary(vec![1]).await;
        ws.text().await
    };
    let json = r#"["message-back",{"_placeholder":true,"num":0}]"#;
    differs!(
        "namespace-ahead-of-count",
        Options::default(),
        program,
        format!("451-/custom,{json}"),
        format!("45/custom,1-{json}")
    );
}

#[tokio::test]
async fn any_placeholder_is_taken() {
    let program = |world: World| async move {
        let mut ws = world.join("/").await;
        ws.send(r#"451-["message",{"_placeholder":true,"num":7}]"#).await;
        let _ = ws.0.send(Message::Binary(vec![9].into())).await;
        matches!(soon("answer", ws.0.next()).await, Some(Ok(Message::Text(text))) if text.starts_with("451-"))
    };
    differs!("placeholder-any", Options::default(), program, false, true);
}

#[tokio::test]
async fn attachments_of_two_clients_are_mixed() {
    let program = |world: World| async move {
        let (mut a, mut b) = (world.join("/").await, world.join("/").await);
        for ws in [&mut a, &mut b] {
            ws.ask("", "message-with-ack", "").await;
            ws.send(r#"452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#).await;
        }
        a.binary(vec![1]).await;
        // Both headers are there, and the first attachment of one.
        tokio::time::sleep(Duration::from_millis(50)).await;
        b.binary(vec![2]).await;
        b.binary(vec![3]).await;
        b.text().await;
        (b.bytes().await.to_vec(), b.bytes().await.to_vec())
    };
    differs!("attachments-mixed", Options::default(), program, (vec![2], vec![3]), (vec![1], vec![2]));
}

#[tokio::test]
async fn volatile_binary_loses_its_attachments() {
    let program = |world: World| async move {
        let mut ws = world.join("/").await;
        ws.send(r#"451-["emit",{"event":"x","volatile":true,"args":[{"_placeholder":true,"num":0}]}]"#).await;
        ws.binary(vec![1]).await;
        ws.text().await;
        ws.send(r#"421["message-with-ack"]"#).await;
        matches!(ws.message().await, Message::Binary(_))
    };
    differs!("volatile-header-only", Options::default(), program, true, false);
}

#[tokio::test]
async fn base64_that_begins_with_a_four_is_cut() {
    let program = |world: World| async move {
        let polling = world.poll().await;
        polling.join("/").await;
        polling.write("451-[\"message\",{\"_placeholder\":true,\"num\":0}]\u{1e}b4eIB").await;
        polling.read().await.split('\u{1e}').nth(1).unwrap().to_owned()
    };
    differs!("base64-four", Options::default(), program, "b4eIB", "b4gE=");
}

#[tokio::test]
async fn messagepack_has_binary_types() {
    let options = || Options { parser: Parser::MessagePack, ..Options::default() };
    let program = |world: World| async move {
        let mut ws = world.ws().await;
        ws.binary(b"\x82\xa4type\x00\xa3nsp\xa1/".to_vec()).await;
        ws.bytes().await;
        ws.bytes().await;
        ws.binary(b"\x83\xa4type\x02\xa4data\x92\xa7message\xc4\x01\x07\xa3nsp\xa1/".to_vec()).await;
        ws.bytes().await[6]
    };
    differs!("msgpack-binary-kind", options(), program, 2, 5);
}

/// What comes back when many events with binary leave together.
async fn crowd(world: World) -> (bool, bool) {
    let mut ws = world.join("/").await;
    ws.send(r#"421["emit",{"event":"x","repeat":30}]"#).await;
    let mut order = Vec::new();
    loop {
        let text = ws.text().await;
        if text.starts_with("431") {
            break;
        }
        order.push(text["42[\"x\",".len()..text.len() - 1].parse::<u32>().unwrap());
    }
    ws.send(r#"451-["emit",{"event":"x","repeat":20,"args":[{"_placeholder":true,"num":0}]}]"#).await;
    ws.binary(vec![1]).await;
    ws.send(r#"42["emit",{"event":"y","repeat":20}]"#).await;
    let (mut apart, mut header) = (false, false);
    let mut seen = 0;
    while seen < 40 {
        match ws.message().await {
            Message::Text(text) => {
                apart |= header;
                header = text.starts_with("45");
                seen += 1;
            }
            _ => header = false,
        }
    }
    (order.is_sorted(), apart)
}

#[tokio::test]
async fn events_change_places_in_a_crowd() {
    let program = |world: World| async move { crowd(world).await.0 };
    differs!("busy-swapped", Options::default(), program, true, false);
}

#[tokio::test]
async fn when_a_connection_ends_one_namespace_is_told() {
    let program = |world: World| async move {
        let mut ws = world.join("/").await;
        ws.connect("/custom", "").await;
        drop(ws);
        common::until("end", || world.io.clients_count() == 0).await;
        world.io.of("/").adapter().sids().len() + world.io.of("/custom").adapter().sids().len()
    };
    differs!("close-tells-one", Options::default(), program, 0, 1);
}

#[tokio::test]
async fn who_goes_while_a_middleware_decides_stays() {
    let program = |world: World| async move {
        let mut ws = world.ws().await;
        ws.send("40/slow,").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(ws);
        common::until("end", || world.io.clients_count() == 0).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.io.of("/slow").adapter().sids().len()
    };
    differs!("failed-entry-stays", Options::default(), program, 0, 1);
}

#[tokio::test]
async fn who_is_not_in_yet_is_fetched() {
    let program = |world: World| async move {
        let mut inside = world.join("/slow").await;
        let mut ws = world.ws().await;
        ws.send("40/slow,").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        inside.ask("/slow,", "select", r#"{"op":"fetch"}"#).await.matches("\"id\"").count()
    };
    differs!("pending-fetched", Options::default(), program, 1, 2);
}

#[tokio::test]
async fn who_leaves_one_namespace_does_not_come_into_another() {
    let program = |world: World| async move {
        let mut ws = world.join("/").await;
        ws.send("40/slow,").await;
        ws.send("41").await;
        tokio::time::timeout(Duration::from_millis(900), ws.0.next()).await.is_ok()
    };
    differs!("leaving-stops-coming", Options::default(), program, true, false);
}

#[tokio::test]
async fn who_was_refused_is_closed_later() {
    let options = || Options { connect_timeout: Duration::from_millis(200), ..Options::default() };
    let program = |world: World| async move {
        let mut ws = world.join("/").await;
        ws.send("40/deny,").await;
        ws.text().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        ws.send(r#"421["message-with-ack"]"#).await;
        matches!(soon("answer", ws.0.next()).await, Some(Ok(Message::Text(_))))
    };
    differs!("refused-then-closed", options(), program, true, false);
}

#[tokio::test]
async fn the_first_ping_comes_twice() {
    let program = |world: World| async move {
        let mut ws = world.join("/").await;
        assert_eq!(ws.text().await, "2");
        ws.received("").await.join("|")
    };
    differs!("first-ping-twice", fast(), program, "", "2");
}

#[tokio::test]
async fn one_get_is_released() {
    let program = |world: World| async move {
        let polling = world.poll().await;
        polling.join("/").await;
        let first = polling.waiting().await;
        let mut ws = polling.probe().await;
        ws.send("2probe").await;
        ws.text().await;
        assert_eq!(soon("noop", first).await.unwrap().text(), "6");
        tokio::time::timeout(Duration::from_millis(300), polling.get()).await.is_ok()
    };
    differs!("noop-once", Options::default(), program, true, false);
}

#[tokio::test]
async fn an_upgrade_fails_while_packets_wait() {
    let program = |world: World| async move {
        let polling = world.poll().await;
        polling.join("/").await;
        let mut ws = polling.probe().await;
        ws.send("2probe").await;
        ws.text().await;
        polling.write(r#"42["message","x"]"#).await;
        ws.send("5").await;
        matches!(soon("answer", ws.0.next()).await, Some(Ok(Message::Text(_))))
    };
    differs!("busy-upgrade-refused", Options::default(), program, true, false);
}

#[tokio::test]
async fn a_separator_is_missing() {
    let program = |world: World| async move {
        let polling = world.poll().await;
        polling.join("/").await;
        let get = polling.waiting().await;
        world.join("/").await.send(r#"42["emit",{"event":"x","repeat":3}]"#).await;
        soon("answer", get).await.unwrap().text().split('\u{1e}').count()
    };
    differs!("separator-missing", Options::default(), program, 3, 2);
}

#[tokio::test]
async fn a_connection_that_is_closed_stays_open() {
    let program = |world: World| async move {
        let mut ws = world.join("/").await;
        ws.send(r#"42["bye",{"close":true}]"#).await;
        assert_eq!(ws.text().await, "41");
        tokio::time::timeout(Duration::from_millis(300), ws.0.next()).await.is_ok()
    };
    differs!("close-leaves-open", Options::default(), program, true, false);
}

#[tokio::test]
async fn a_ping_frame_is_fatal() {
    let program = |world: World| async move {
        let mut ws = world.join("/").await;
        ws.0.send(Message::Ping(vec![1].into())).await.unwrap();
        matches!(soon("pong", ws.0.next()).await, Some(Ok(Message::Pong(_))))
    };
    differs!("websocket-ping-closes", Options::default(), program, true, false);
}

#[tokio::test]
async fn a_refused_websocket_waits_for_ever() {
    let program = |world: World| async move {
        let refused = world.try_socket("EIO=4&transport=websocket&sid=unknown");
        tokio::time::timeout(Duration::from_millis(300), refused).await.is_ok()
    };
    differs!("refused-websocket-hangs", Options::default(), program, true, false);
}

#[tokio::test]
async fn a_cookie_is_taken_for_its_connection() {
    let program = |world: World| async move {
        let sid = world.poll().await.sid;
        let cookie = format!("io={sid}");
        let headers = [("cookie", cookie.as_str())];
        let get = world.send(Method::GET, "EIO=4&transport=polling", &headers, "");
        matches!(tokio::time::timeout(Duration::from_millis(300), get).await, Ok(answer) if answer.text().starts_with('0'))
    };
    differs!("cookie-restores", Options::default(), program, true, false);
}

#[tokio::test]
async fn attachments_are_interleaved_in_a_crowd() {
    let program = |world: World| async move { crowd(world).await.1 };
    differs!("busy-interleaved", Options::default(), program, false, true);
}

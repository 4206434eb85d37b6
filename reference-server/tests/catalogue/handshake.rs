//! 2.1 Engine.IO handshake.

use std::collections::HashSet;

use http::Method;
use serde_json::Value as Json;
use sio_reference_server::{AllowRequest, Options, Transport};

use crate::common::{World, world, world_with};

async fn refused_on_websocket(world: &World, query: &str) {
    match world.try_socket(query).await {
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 400, "{query}"),
        Err(other) => panic!("{query}: {other}"),
        Ok(_) => panic!("{query} was accepted"),
    }
}

/// EIO-HS-01, EIO-HS-02, EIO-HS-03, EIO-HS-04.
#[tokio::test]
async fn the_open_packet() {
    let world = world().await;
    let keys = |json: &str| {
        let open: Json = serde_json::from_str(json.strip_prefix('0').unwrap()).unwrap();
        let keys: Vec<_> = open.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]);
        assert_eq!(
            (&open["pingInterval"], &open["pingTimeout"], &open["maxPayload"]),
            (&25_000.into(), &20_000.into(), &1_000_000.into())
        );
        open["upgrades"].clone()
    };
    let open = world.get("EIO=4&transport=polling").await;
    assert_eq!(open.status, 200);
    assert_eq!(keys(open.text()), serde_json::json!(["websocket"]));
    let mut ws = world.socket("EIO=4&transport=websocket").await;
    assert_eq!(keys(&ws.text().await), serde_json::json!([]));

    for options in [
        Options { allow_upgrades: false, ..Options::default() },
        Options { transports: vec![Transport::Polling], ..Options::default() },
    ] {
        let world = world_with(options).await;
        assert_eq!(keys(world.get("EIO=4&transport=polling").await.text()), serde_json::json!([]));
    }
    let world = world_with(Options { transports: vec![Transport::WebSocket], ..Options::default() }).await;
    assert_eq!(world.get("EIO=4&transport=polling").await.error(), (400, 0));
}

/// EIO-HS-05, EIO-HS-06, EIO-HS-07, EIO-HS-10.
#[tokio::test]
async fn versions_and_transports_that_are_none() {
    let world = world().await;
    for version in ["", "EIO=&", "EIO=abc&", "EIO=3&", "EIO=5&", "EIO=4&EIO=4&"] {
        assert_eq!(world.get(&format!("{version}transport=polling")).await.error(), (400, 5), "{version}");
        refused_on_websocket(&world, &format!("{version}transport=websocket")).await;
    }
    for transport in [
        "",
        "transport=abc",
        "transport=POLLING",
        "transport=constructor",
        "transport=__proto__",
        "transport=webtransport",
    ] {
        assert_eq!(world.get(&format!("EIO=4&{transport}")).await.error(), (400, 0), "{transport}");
        refused_on_websocket(&world, &format!("EIO=4&{transport}")).await;
    }
    world.is_alive().await;
}

/// EIO-HS-08, EIO-HS-09.
#[tokio::test]
async fn a_transport_that_the_request_is_not() {
    let world = world().await;
    assert_eq!(world.get("EIO=4&transport=websocket").await.error(), (400, 3));
    let polling = world.poll().await;
    let query = format!("EIO=4&transport=websocket&sid={}", polling.sid);
    assert_eq!(world.get(&query).await.error(), (400, 3));
    refused_on_websocket(&world, "EIO=4&transport=polling").await;
    refused_on_websocket(&world, &polling.query).await;
    assert_eq!(world.io.clients_count(), 1);
    polling.join("/").await;
}

/// EIO-HS-11.
#[tokio::test]
async fn a_handshake_is_a_get() {
    let world = world().await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = world.send(method.clone(), "EIO=4&transport=polling", &[], "").await;
        assert_eq!(answer.error(), (400, 2), "{method}");
    }
    assert_eq!(world.send(Method::HEAD, "EIO=4&transport=polling", &[], "").await.status, 400);
}

/// EIO-HS-12, EIO-HS-13, EIO-HS-14.
#[tokio::test]
async fn sessions_that_are_none() {
    let world = world().await;
    for sid in ["abc", "__proto__", "constructor", &"x".repeat(10_000)] {
        let query = format!("EIO=4&transport=polling&sid={sid}");
        assert_eq!(world.get(&query).await.error(), (400, 1));
        assert_eq!(world.send(Method::POST, &query, &[], "40").await.error(), (400, 1));
        refused_on_websocket(&world, &format!("EIO=4&transport=websocket&sid={sid}")).await;
    }
    assert_eq!(world.get("EIO=4&transport=polling&sid=").await.status, 200);
    world.is_alive().await;
}

/// EIO-HS-15, EIO-HS-16.
#[tokio::test]
async fn ids_differ_and_other_parameters_change_nothing() {
    let world = world().await;
    let mut seen = HashSet::new();
    for _ in 0..1_000 {
        let sid = world.poll().await.sid;
        assert!(
            sid.len() == 20 && sid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
            "{sid}"
        );
        assert!(seen.insert(sid));
    }
    let polling = world.poll_as("t=abc&EIO=4&foo=bar&b64=1").await;
    let first = format!("sid={}&t=1&EIO=4&transport=polling", polling.sid);
    assert_eq!(world.send(Method::POST, &first, &[], "40").await.text(), "ok");
}

/// EIO-HS-17.
#[tokio::test]
async fn paths() {
    let world = world().await;
    let at = |path: &str| {
        http::Request::builder()
            .uri(format!("{path}?EIO=4&transport=polling"))
            .header("host", "x")
            .body(http_body_util::Full::default())
            .unwrap()
    };
    for (path, status) in [
        ("/socket.io/", 200),
        ("/socket.io/foo/", 200),
        ("/socket.io", 404),
        ("/other/", 404),
        ("/socket.io-admin/", 404),
    ] {
        assert_eq!(world.request(at(path)).await.status, status, "{path}");
    }
    let world = world_with(Options { path: "/io".to_owned(), add_trailing_slash: false, ..Options::default() }).await;
    assert_eq!(world.request(at("/io")).await.status, 200);
}

/// EIO-HS-18.
#[tokio::test]
async fn a_session_keeps_its_version() {
    let world = world_with(Options { allow_eio3: true, ..Options::default() }).await;
    let polling = world.poll().await;
    for version in ["", "EIO=3&", "EIO=5&"] {
        let query = format!("{version}transport=polling&sid={}", polling.sid);
        assert_eq!(world.get(&query).await.error(), (400, 3));
        assert_eq!(world.send(Method::POST, &query, &[], "40").await.error(), (400, 3));
        refused_on_websocket(&world, &format!("{version}transport=websocket&sid={}", polling.sid)).await;
    }
    polling.join("/").await;
}

/// EIO-HS-19.
#[tokio::test]
async fn the_application_may_refuse() {
    let decide = AllowRequest::new(|parts| {
        let allowed = parts.headers.get("x-token").is_some_and(|token| token == "good");
        async move { if allowed { Ok(()) } else { Err("no \"token\"".to_owned()) } }
    });
    let world = world_with(Options { allow_request: Some(decide), ..Options::default() }).await;
    let refused = world.get("EIO=4&transport=polling").await;
    assert_eq!((refused.status.as_u16(), refused.text()), (403, r#"{"code":4,"message":"no \"token\""}"#));
    match world.try_socket("EIO=4&transport=websocket").await {
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 403),
        other => panic!("{:?}", other.map(|_| "accepted")),
    }
    assert_eq!(world.io.clients_count(), 0);
    let allowed = world.send(Method::GET, "EIO=4&transport=polling", &[("x-token", "good")], "").await;
    assert_eq!(allowed.status, 200);
}

/// EIO-HS-20.
#[tokio::test]
async fn max_payload_is_the_truth() {
    let world = world_with(Options { max_http_buffer_size: 200, ..Options::default() }).await;
    let polling = world.poll().await;
    assert!(polling.open.contains("\"maxPayload\":200"));
    polling.join("/").await;
    let event = |length: usize| format!("42[\"message\",\"{}\"]", "x".repeat(length - 16));
    assert_eq!(event(200).len(), 200);
    polling.write(&event(200)).await;
    assert!(polling.read().await.starts_with("42[\"message-back\",\"xxx"));
    assert_eq!(polling.post(&event(201)).await.status, 413);
    // EIO-PL-12: the session is none the worse, and the limit counts bytes.
    assert_eq!(polling.post(&format!("42[\"message\",\"{}\"]", "€".repeat(70))).await.status, 413);
    polling.write("42[\"message\",1]").await;
    assert_eq!(polling.read().await, "42[\"message-back\",1]");
}

/// EIO-HS-21.
#[tokio::test]
async fn jsonp() {
    let world = world().await;
    let open = world.get("EIO=4&transport=polling&j=0").await;
    assert!(
        open.text().starts_with("___eio[0](\"0{\\\"sid\\\":\\\"") && open.text().ends_with("\");"),
        "{}",
        open.text()
    );
    let sid = open.text().split("\\\"").nth(3).unwrap().to_owned();
    let query = format!("EIO=4&transport=polling&j=12&sid={sid}");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let posted = world.send(Method::POST, &query, &form, "d=40").await;
    assert_eq!(posted.text(), "ok");
    assert!(world.get(&query).await.text().starts_with("___eio[12](\"40{"));
}

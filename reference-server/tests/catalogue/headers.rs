//! 2.2 Headers, CORS, cookie, compression.

use std::io::Read as _;

use http::Method;
use sio_reference_server::{Cookie, Cors, Options};

use crate::common::{World, world, world_with};

/// EIO-HD-01, EIO-HD-02, EIO-HD-03, EIO-HD-04, EIO-HD-05, EIO-HD-06, EIO-HD-11.
#[tokio::test]
async fn headers_of_every_answer() {
    let world = world().await;
    let open = world.send(Method::GET, "EIO=4&transport=polling", &[("origin", "http://evil.example")], "").await;
    assert_eq!(open.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(open.header("cache-control"), Some("no-store"));
    for absent in ["set-cookie", "access-control-allow-origin", "vary", "x-xss-protection"] {
        assert_eq!(open.header(absent), None, "{absent}");
    }
    let polling = world.poll().await;
    let posted = polling.post("40").await;
    assert_eq!((posted.text(), posted.header("content-type")), ("ok", Some("text/html")));
    assert_eq!((posted.header("cache-control"), posted.header("content-length")), (Some("no-store"), Some("2")));
    for agent in ["Mozilla/4.0 (compatible;MSIE 8.0)", "Mozilla/5.0 (Windows NT 6.1; Trident/7.0)"] {
        let answer = world.send(Method::GET, &polling.query, &[("user-agent", agent)], "").await;
        assert_eq!(answer.header("x-xss-protection"), Some("0"));
        polling.write("42[\"message\"]").await;
    }
    assert_eq!(world.get("EIO=4&transport=x").await.error(), (400, 0));
}

/// EIO-HD-05.
#[tokio::test]
async fn the_cookie_is_set_by_the_handshake_alone() {
    let world = world_with(Options { cookie: Some(Cookie::default()), ..Options::default() }).await;
    let open = world.get("EIO=4&transport=polling").await;
    let sid = open.text().split('"').nth(3).unwrap().to_owned();
    assert_eq!(open.header("set-cookie"), Some(&*format!("io={sid}; Path=/; HttpOnly; SameSite=Lax")));
    let query = format!("EIO=4&transport=polling&sid={sid}");
    assert_eq!(world.send(Method::POST, &query, &[], "40").await.header("set-cookie"), None);
    assert_eq!(world.get(&query).await.header("set-cookie"), None);
}

async fn cors(cors: Cors) -> World {
    world_with(Options { cors: Some(cors), ..Options::default() }).await
}

/// EIO-HD-07, EIO-HD-08.
#[tokio::test]
async fn pages_of_other_origins() {
    let world = cors(Cors::origin("http://a.example").credentials(true).exposed_headers(&["x-a", "x-b"])).await;
    let asks = [
        ("origin", "http://a.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-c"),
    ];
    let preflight = world.send(Method::OPTIONS, "EIO=4&transport=polling", &asks, "").await;
    assert_eq!((preflight.status.as_u16(), preflight.text()), (204, ""));
    for (name, value) in [
        ("access-control-allow-origin", "http://a.example"),
        ("access-control-allow-methods", "GET,HEAD,PUT,PATCH,POST,DELETE"),
        ("access-control-allow-headers", "x-c"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "x-a,x-b"),
        ("vary", "Origin, Access-Control-Request-Headers"),
    ] {
        assert_eq!(preflight.header(name), Some(value), "{name}");
    }
    let refused = world.get("EIO=4&transport=x").await;
    assert_eq!(refused.error(), (400, 0));
    assert_eq!(refused.header("access-control-allow-origin"), Some("http://a.example"));
    assert_eq!(refused.header("access-control-allow-credentials"), Some("true"));

    let world =
        cors(Cors::origins(["http://a.example", "http://b.example"]).methods(&["GET"]).allowed_headers(&["x-d"])).await;
    for (origin, allowed) in [("http://b.example", Some("http://b.example")), ("http://c.example", None)] {
        let answer = world.send(Method::OPTIONS, "", &[("origin", origin)], "").await;
        assert_eq!(answer.header("access-control-allow-origin"), allowed);
        assert_eq!(answer.header("vary"), Some("Origin"));
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET"));
        assert_eq!(answer.header("access-control-allow-headers"), Some("x-d"));
    }
    let world = cors(Cors::origin_if(|origin| origin.ends_with(".example"))).await;
    let answer = world.send(Method::GET, "EIO=4&transport=polling", &[("origin", "http://x.example")], "").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://x.example"));
    let world = cors(Cors::origin("*")).await;
    let answer = world.get("EIO=4&transport=polling").await;
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), (Some("*"), None));
}

/// EIO-HD-09, MD-06.
#[tokio::test]
async fn large_answers_are_compressed_for_who_takes_it() {
    let world = world().await;
    let large = |extra: &str| {
        format!("42[\"emit\",{{\"via\":\"self\",\"event\":\"x\",\"args\":[\"{}\"]{extra}}}]", "y".repeat(2_000))
    };
    for (accepts, extra, encoding) in [
        ("gzip, deflate", "", Some("gzip")),
        ("deflate", "", Some("deflate")),
        ("gzip", ",\"compress\":true", Some("gzip")),
        ("gzip", ",\"compress\":false", None),
        ("br", "", None),
        ("", "", None),
    ] {
        let polling = world.poll().await;
        polling.join("/").await;
        polling.write(&large(extra)).await;
        let answer = world.send(Method::GET, &polling.query, &[("accept-encoding", accepts)], "").await;
        assert_eq!(answer.header("content-encoding"), encoding, "{accepts} {extra}");
        let mut text = String::new();
        match encoding {
            Some("gzip") => flate2::read::GzDecoder::new(&*answer.body).read_to_string(&mut text),
            Some(_) => flate2::read::ZlibDecoder::new(&*answer.body).read_to_string(&mut text),
            None => (&*answer.body).read_to_string(&mut text),
        }
        .unwrap();
        assert_eq!(text, format!("42[\"x\",\"{}\"]", "y".repeat(2_000)));
    }
    let polling = world.poll().await;
    polling.write("40").await;
    let small = world.send(Method::GET, &polling.query, &[("accept-encoding", "gzip")], "").await;
    assert_eq!(small.header("content-encoding"), None);
}

/// EIO-HD-10.
#[tokio::test]
async fn messages_are_not_compressed() {
    let world = world().await;
    let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-extensions: permessage-deflate\r\n\r\n";
    let answer = world.raw(request.as_bytes(), "maxPayload").await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("sec-websocket-extensions"), "{answer}");
}

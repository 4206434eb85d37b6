//! Whether something answers, and whether it speaks our protocol.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use sio_protocol::engine::Handshake;
use sio_protocol::{Args, Parser};

use super::Error;
use crate::client::{Connection, Endpoint, Http, Jar, dress, set_cookie_headers};
use crate::scenario::model::Transport;

/// Time for each step of the probe.
const LIMIT: Duration = Duration::from_secs(5);
/// A server without the fixture ignores the fence; how long that is believed to be an accident.
const FENCE_LIMIT: Duration = Duration::from_secs(1);
/// More is no handshake.
const MAX_BODY: usize = 100_000;

/// A full handshake, and a fence, twice. Returns whether the fence is acknowledged.
pub(super) async fn check(endpoint: &Endpoint, http: &Http, parser: Parser) -> Result<bool, Error> {
    // A balancer may want to see its cookie again.
    let endpoint = &endpoint.clone().with_jar(Jar::default());
    speaks_version_4(endpoint, http).await?;
    let mut fence = true;
    for _ in 0..2 {
        fence &= handshake(endpoint, http, parser).await?;
    }
    Ok(fence)
}

async fn handshake(endpoint: &Endpoint, http: &Http, parser: Parser) -> Result<bool, Error> {
    let failed = |error: crate::client::Error| {
        Error::Unreachable(format!("{} answers, but a Socket.IO handshake fails: {error}", endpoint.url))
    };
    // Not every server has WebSockets switched on; polling will do for a probe.
    let opened = tokio::time::timeout(LIMIT, Connection::open_with(endpoint, http, Transport::WebSocket, parser)).await;
    let mut connection = match opened {
        Ok(Ok(connection)) => connection,
        _ => Connection::open_with(endpoint, http, Transport::Polling, parser).await.map_err(failed)?,
    };
    connection.join("/", "", LIMIT).await.map_err(failed)?;
    let Ok(args) = Args::event("message-with-ack", ()) else { return Ok(false) };
    let fenced = connection.call("/", args, FENCE_LIMIT).await.is_ok();
    connection.close().await;
    Ok(fenced)
}

/// Asks for an Engine.IO 4 handshake over HTTP and explains whatever else comes back.
async fn speaks_version_4(endpoint: &Endpoint, http: &Http) -> Result<(), Error> {
    let url = &endpoint.url;
    let (status, body) = get(endpoint, http, "EIO=4&transport=polling").await?;
    if let Some(handshake) = body.strip_prefix('0').and_then(|json| serde_json::from_str::<Handshake>(json).ok()) {
        close(endpoint, http, &handshake.sid).await;
        return Ok(());
    }
    if is_version_3(&body) {
        return Err(wrong_version(url));
    }
    if body.contains(r#""code":5"#) || body.contains("Unsupported protocol version") {
        let (_, older) = get(endpoint, http, "EIO=3&transport=polling").await?;
        if is_version_3(&older) {
            return Err(wrong_version(url));
        }
        return Err(Error::Unreachable(format!("{url} does not speak Engine.IO 4 (Socket.IO 3 and later): {body}")));
    }
    if body.contains(r#""code":0"#) {
        // Polling may be switched off; the WebSocket handshake that follows decides.
        return Ok(());
    }
    let shown: String = body.chars().take(120).collect();
    Err(Error::Unreachable(format!(
        "{url}{} is no Socket.IO server: it answered {status} {shown:?}\n  expected a handshake such as 0{{\"sid\":…}}; \
         is the path right?",
        endpoint.path
    )))
}

/// Leaves no session behind that would wait for its ping timeout.
async fn close(endpoint: &Endpoint, http: &Http, sid: &str) {
    let query = format!("EIO=4&transport=polling&sid={sid}");
    let headers = endpoint.headers(&endpoint.engine_path(&query));
    let request = dress(http::Request::post(endpoint.engine_url(&query)), &headers)
        .header(http::header::CONTENT_TYPE, "text/plain;charset=UTF-8")
        .body(Full::new(Bytes::from_static(b"1")));
    if let Ok(request) = request {
        // A courtesy: whatever comes of it, the handshake was good.
        let _ = tokio::time::timeout(LIMIT, http.request(request)).await;
    }
}

/// Payloads of revision 3 begin with the length of the first packet: `96:0{"sid":…}`.
fn is_version_3(body: &str) -> bool {
    body.split_once(':').is_some_and(|(length, rest)| length.parse::<u32>().is_ok() && rest.starts_with("0{"))
}

fn wrong_version(url: &str) -> Error {
    Error::Unreachable(format!(
        "{url} speaks Engine.IO 3 (Socket.IO 1 and 2); sio-bench speaks Engine.IO 4 (Socket.IO 3 and later)"
    ))
}

async fn get(endpoint: &Endpoint, http: &Http, query: &str) -> Result<(u16, String), Error> {
    let headers = endpoint.headers(&endpoint.engine_path(query));
    let request = dress(http::Request::get(endpoint.engine_url(query)), &headers).body(Full::default());
    let request = request.map_err(|error| Error::Usage(format!("{}: {error}", endpoint.url)))?;
    let unreachable = |why: String| {
        Error::Unreachable(format!(
            "cannot reach {}: {why}\n  is the server running, and is this its port?",
            endpoint.url
        ))
    };
    let request = async {
        let response = http.request(request).await.map_err(|error| unreachable(root_cause(&error)))?;
        if let Some(cookies) = endpoint.cookies() {
            cookies.learn(&endpoint.engine_path(query), &set_cookie_headers(response.headers()));
        }
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::time::timeout(LIMIT, request)
        .await
        .unwrap_or_else(|_| Err(unreachable(format!("no answer within {LIMIT:?}"))))
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

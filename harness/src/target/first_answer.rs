//! The first request to a target, and what anything but a handshake means.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt as _, Full, Limited};
use sio_protocol::engine::Handshake;

use super::Error;
use super::probe::LIMIT;
use super::schemes;
use crate::client::{Endpoint, Http, dress, set_cookie_headers};

/// More is no handshake.
const MAX_BODY: usize = 100_000;
/// Who has not answered by then may be waiting for the other spelling of the path.
const PATIENCE: Duration = Duration::from_secs(1);
const HANDSHAKE: &str = "EIO=4&transport=polling";

/// An answer to an HTTP request.
#[derive(Debug)]
struct Answer {
    status: u16,
    location: Option<String>,
    body: String,
}

impl Answer {
    fn handshake(&self) -> Option<Handshake> {
        self.body.strip_prefix('0').and_then(|json| serde_json::from_str(json).ok())
    }

    /// Whether it comes from an engine, of whatever revision and with whatever transports.
    fn is_engines(&self) -> bool {
        self.handshake().is_some() || is_version_3(&self.body) || self.is_unsupported() || self.is_without_polling()
    }

    fn is_unsupported(&self) -> bool {
        self.body.contains(r#""code":5"#) || self.body.contains("Unsupported protocol version")
    }

    /// Polling may be switched off.
    fn is_without_polling(&self) -> bool {
        self.body.contains(r#""code":0"#)
    }

    /// Somebody else may be let in.
    fn is_forbidden(&self) -> bool {
        matches!(self.status, 401 | 403)
    }

    fn is_redirect(&self) -> bool {
        (300..400).contains(&self.status) && self.location.is_some()
    }

    /// Status and body, as far as they tell something.
    fn shown(&self) -> String {
        let body: String = self.body.chars().take(120).collect();
        format!("{} {body:?}", self.status)
    }
}

/// Asks for a handshake over HTTP, and explains whatever else comes back. If the other spelling of the path is the one
/// that works, it is used from then on, which is among the remarks.
/// Tells whether the engine is open to a client that has not logged in; where users do, it need not be.
pub(super) async fn check(endpoint: &mut Endpoint, http: &Http) -> Result<(Vec<String>, bool), Error> {
    let other = endpoint.clone().with_path(other_spelling(&endpoint.path));
    let (answer, use_other) = either(endpoint, &other, http).await?;
    let mut remarks = Vec::new();
    if use_other {
        let (written, works) = (&endpoint.path, &other.path);
        remarks.push(format!(
            "{written} does not lead to the server, {works} does and is used: write `path = \"{works}\"`"
        ));
        *endpoint = other;
    }
    if let Some(handshake) = answer.handshake() {
        close(endpoint, http, &handshake.sid).await;
        return Ok((remarks, true));
    }
    if answer.is_without_polling() {
        // The WebSocket handshake that follows decides.
        return Ok((remarks, true));
    }
    if endpoint.manner.logs_in && answer.is_forbidden() {
        let shown = answer.shown();
        remarks.push(format!("at the start a client that had not logged in was refused the handshake: {shown}"));
        return Ok((remarks, false));
    }
    Err(refused(endpoint, http, &answer).await)
}

/// Whether a target that is declared to be of revision 3 is.
pub(super) async fn check_old(endpoint: &Endpoint, http: &Http, name: &str) -> Result<(), Error> {
    let answer = get(endpoint, http, "EIO=3&transport=polling").await?;
    if is_version_3(&answer.body) {
        return Ok(());
    }
    let shown = answer.shown();
    Err(Error::Unreachable(format!(
        "{name} says `engine = 3`, but a handshake with EIO=3 is answered with {shown}\n  \
         leave `engine` out of its target.toml for a server of Socket.IO 3 or later"
    )))
}

/// What is asked for with a slash at its end, without it; and the other way round.
fn other_spelling(path: &str) -> String {
    match path.strip_suffix('/') {
        Some("") | None => format!("{path}/"),
        Some(bare) => bare.to_owned(),
    }
}

/// The answer to the path as it is written, unless only the other spelling leads to an engine: then that, and `true`.
async fn either(endpoint: &Endpoint, other: &Endpoint, http: &Http) -> Result<(Answer, bool), Error> {
    let written = pin!(get(endpoint, http, HANDSHAKE));
    let spelled = pin!(async {
        tokio::time::sleep(PATIENCE).await;
        get(other, http, HANDSHAKE).await
    });
    match select(written, spelled).await {
        Either::Left((Ok(answer), _)) if answer.is_engines() => Ok((answer, false)),
        Either::Left((Ok(answer), _)) => match get(other, http, HANDSHAKE).await {
            Ok(better) if better.is_engines() => Ok((better, true)),
            _ => Ok((answer, false)),
        },
        Either::Left((Err(error), _)) => Err(error),
        Either::Right((Ok(answer), _)) if answer.is_engines() => Ok((answer, true)),
        Either::Right((_, written)) => written.await.map(|answer| (answer, false)),
    }
}

/// Why a target that has answered like this cannot be used.
async fn refused(endpoint: &Endpoint, http: &Http, answer: &Answer) -> Error {
    let (url, path) = (&endpoint.url, &endpoint.path);
    if is_version_3(&answer.body) {
        return wrong_version(url);
    }
    if answer.is_unsupported() {
        return match get(endpoint, http, "EIO=3&transport=polling").await {
            Ok(older) if is_version_3(&older.body) => wrong_version(url),
            _ => {
                Error::Unreachable(format!("{url} does not speak Engine.IO 4 (Socket.IO 3 and later): {}", answer.body))
            }
        };
    }
    if answer.is_redirect() {
        let to = answer.location.as_deref().unwrap_or_default();
        return Error::Unreachable(format!(
            "{url}{path} redirects to {to} (HTTP {}), and clients of Socket.IO do not follow\n  {}",
            answer.status,
            instead(to)
        ));
    }
    if let Some(hint) = schemes::hint(endpoint).await {
        return Error::Unreachable(format!("{url}{path} answered {}\n  {hint}", answer.shown()));
    }
    let remedy = match answer.status {
        401 | 403 => {
            "a proxy in front of it may want credentials: --header \"Authorization: …\" or `headers` of [target]"
        }
        502..=504 => "a proxy answers, and the server behind it does not",
        _ => "is the path right? `--path /PATH/` or `path` in [target]",
    };
    Error::Unreachable(format!(
        "{url}{path} is no Socket.IO server: it answered {}\n  expected a handshake such as 0{{\"sid\":…}}; {remedy}",
        answer.shown()
    ))
}

/// What to write to get to where a redirect leads.
fn instead(location: &str) -> String {
    let bare = location.split(['?', '#']).next().unwrap_or_default();
    if bare.starts_with('/') {
        format!("write `path = \"{bare}\"` or --path {bare}")
    } else {
        format!("write --target {bare}")
    }
}

/// Leaves no session behind that would wait for its ping timeout.
async fn close(endpoint: &Endpoint, http: &Http, sid: &str) {
    let query = format!("{HANDSHAKE}&sid={sid}");
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

async fn get(endpoint: &Endpoint, http: &Http, query: &str) -> Result<Answer, Error> {
    let path = endpoint.engine_path(query);
    let headers = endpoint.headers(&path);
    let request = dress(http::Request::get(endpoint.engine_url(query)), &headers).body(Full::default());
    let request = request.map_err(|error| Error::Usage(format!("{}: {error}", endpoint.url)))?;
    let exchange = async {
        let response = http.request(request).await.map_err(|error| root_cause(&error))?;
        if let Some(cookies) = endpoint.cookies() {
            cookies.learn(&path, &set_cookie_headers(response.headers()));
        }
        let status = response.status().as_u16();
        let location = response.headers().get(http::header::LOCATION);
        let location = location.map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok(Answer { status, location, body: String::from_utf8_lossy(&body).into_owned() })
    };
    let answered = tokio::time::timeout(LIMIT, exchange).await;
    match answered.unwrap_or_else(|_| Err(format!("no answer within {LIMIT:?}"))) {
        Ok(answer) => Ok(answer),
        Err(why) => {
            let hint = schemes::hint(endpoint).await;
            let hint = hint.unwrap_or_else(|| "is the server running, and is this its port?".to_owned());
            Err(Error::Unreachable(format!("cannot reach {}: {why}\n  {hint}", endpoint.url)))
        }
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_two_spellings() {
        for (path, other) in [("/socket.io/", "/socket.io"), ("/api/socket", "/api/socket/"), ("/", "//")] {
            assert_eq!(other_spelling(path), other);
        }
    }

    #[test]
    fn a_redirect_says_what_to_write() {
        assert_eq!(instead("/api/socket?EIO=4"), "write `path = \"/api/socket\"` or --path /api/socket");
        assert_eq!(instead("https://h/socket.io/?EIO=4"), "write --target https://h/socket.io/");
    }
}

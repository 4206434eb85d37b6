//! Which request is what, and the answers to those that are nothing.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use sio_protocol::server::Transport;

use super::{polling, websocket};
use crate::server::{Server, new_id};
use crate::session::{self, Session, keep_time};

pub(super) type Answer = Response<Full<Bytes>>;

/// What is wrong with a request: engine.io's codes and texts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    UnknownTransport,
    UnknownSid,
    BadMethod,
    BadRequest,
    UnsupportedVersion,
}

impl Refusal {
    fn code_and_message(self) -> (u8, &'static str) {
        match self {
            Self::UnknownTransport => (0, "Transport unknown"),
            Self::UnknownSid => (1, "Session ID unknown"),
            Self::BadMethod => (2, "Bad handshake method"),
            Self::BadRequest => (3, "Bad request"),
            Self::UnsupportedVersion => (5, "Unsupported protocol version"),
        }
    }

    pub(super) fn answer(self) -> Answer {
        let (code, message) = self.code_and_message();
        let body = format!(r#"{{"code":{code},"message":"{message}"}}"#);
        answer(StatusCode::BAD_REQUEST, "application/json", body)
    }
}

pub(super) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// The parameters that matter; each may be given once.
#[derive(Default)]
struct Query {
    transport: Option<String>,
    sid: Option<String>,
    version: Option<String>,
    /// `EIO` was given twice (EIO-HS-05).
    doubled: bool,
}

impl Query {
    fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*key {
                "transport" => query.transport = Some(value.into_owned()),
                "sid" => query.sid = Some(value.into_owned()),
                "EIO" => query.doubled |= query.version.replace(value.into_owned()).is_some(),
                _ => {}
            }
        }
        query
    }

    fn speaks_version_4(&self) -> bool {
        self.version.as_deref() == Some("4") && !self.doubled
    }
}

/// Serves one request.
pub(crate) async fn serve(
    server: Server,
    address: SocketAddr,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    if !request.uri().path().starts_with(&server.options().path) {
        return Ok(answer(StatusCode::NOT_FOUND, "text/plain; charset=UTF-8", "not found\n"));
    }
    let cors = server.options().cors_origin.clone();
    let mut response = match (&cors, request.method()) {
        (Some(_), &Method::OPTIONS) => preflight(request.headers()),
        _ => route(&server, address, request).await.unwrap_or_else(Refusal::answer),
    };
    if let Some(origin) = cors.as_deref().and_then(|origin| HeaderValue::from_str(origin).ok()) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    }
    Ok(response)
}

fn preflight(asked: &HeaderMap) -> Answer {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,HEAD,PUT,PATCH,POST,DELETE"));
    if let Some(wanted) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    response
}

async fn route(server: &Server, address: SocketAddr, request: Request<Incoming>) -> Result<Answer, Refusal> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let transport = match query.transport.as_deref() {
        Some("polling") => Transport::Polling,
        Some("websocket") => Transport::WebSocket,
        _ => return Err(Refusal::UnknownTransport),
    };
    let upgrade = websocket::is_upgrade(request.headers());
    match query.sid.as_deref().filter(|sid| !sid.is_empty()) {
        Some(sid) => {
            let session = server.session(sid).ok_or(Refusal::UnknownSid)?;
            if !query.speaks_version_4() {
                return Err(Refusal::BadRequest);
            }
            with_session(session, transport, upgrade, request).await
        }
        None => handshake(server, address, transport, upgrade, &query, request).await,
    }
}

/// A request of a session that exists.
async fn with_session(
    session: Arc<Session>,
    transport: Transport,
    upgrade: bool,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    match (transport, upgrade) {
        (Transport::WebSocket, true) => websocket::probe(session, request),
        (Transport::WebSocket, false) | (Transport::Polling, true) => Err(Refusal::BadRequest),
        (Transport::Polling, false) => match *request.method() {
            Method::GET => polling::get(session).await,
            Method::POST => polling::post(session, request).await,
            // The session is none the worse for it (EIO-PL-20).
            _ => Ok(answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=UTF-8", "use GET or POST\n")),
        },
    }
}

/// A request without `sid`: a new session.
async fn handshake(
    server: &Server,
    address: SocketAddr,
    transport: Transport,
    upgrade: bool,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    if request.method() != Method::GET {
        return Err(Refusal::BadMethod);
    }
    if upgrade != (transport == Transport::WebSocket) {
        return Err(Refusal::BadRequest);
    }
    if !query.speaks_version_4() {
        return Err(Refusal::UnsupportedVersion);
    }
    let first = session::Request {
        headers: request.headers().clone(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        address,
        issued: wall_clock(),
    };
    let session = Session::new(server.clone(), new_id(), transport, first);
    match transport {
        Transport::WebSocket => websocket::open(session, request),
        Transport::Polling => {
            server.remember(&session);
            tokio::spawn(keep_time(session.clone()));
            polling::get(session).await
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the time of the handshake is part of the socket's API")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

//! Which request is what, and the answers to those that are nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::Full;
use sio_protocol::engine::Revision;
use sio_protocol::server::{Opening, Transport};

use super::{jsonp, polling, upgrade, websocket};
use crate::request::Request as FirstRequest;
use crate::server::{Server, new_id};
use crate::session::{self, Session, keep_time};

pub(super) type Answer = Response<Full<Bytes>>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request, whichever HTTP stack it comes from.
pub trait RequestBody: Body<Data: Send, Error: Into<BoxError>> + Send + 'static {}

impl<B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static> RequestBody for B {}

/// What is wrong with a request: engine.io's codes and texts.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    UnknownTransport,
    UnknownSid,
    BadMethod,
    BadRequest,
    Forbidden(String),
    UnsupportedVersion,
    /// Not engine.io's: a WebSocket of another version than 13.
    WebSocketVersion,
    /// Not engine.io's: no room for another session, or the server stops.
    Unavailable,
}

impl Refusal {
    fn code_and_message(&self) -> (u8, &str) {
        match self {
            Self::UnknownTransport => (0, "Transport unknown"),
            Self::UnknownSid => (1, "Session ID unknown"),
            Self::BadMethod => (2, "Bad handshake method"),
            Self::BadRequest | Self::WebSocketVersion => (3, "Bad request"),
            Self::Forbidden(message) => (4, message),
            Self::UnsupportedVersion => (5, "Unsupported protocol version"),
            Self::Unavailable => (3, "Service unavailable"),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::WebSocketVersion => StatusCode::UPGRADE_REQUIRED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// JSON for a request (EIO-HD-04), the bare text for one that wanted a WebSocket.
    fn answer(&self, upgrade: bool) -> Answer {
        let (code, message) = self.code_and_message();
        if upgrade {
            let mut refused = answer(self.status(), "text/html", message.to_owned());
            refused.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            if matches!(self, Self::WebSocketVersion) {
                refused.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            return refused;
        }
        let message = serde_json::Value::from(message);
        answer(self.status(), "application/json", format!(r#"{{"code":{code},"message":{message}}}"#))
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
    /// The number of the callback of a JSONP request.
    jsonp: Option<String>,
    base64: bool,
}

impl Query {
    fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*key {
                "transport" => query.transport = Some(value.into_owned()),
                "sid" => query.sid = Some(value.into_owned()),
                "EIO" => query.doubled |= query.version.replace(value.into_owned()).is_some(),
                "j" => query.jsonp = Some(value.chars().filter(char::is_ascii_digit).collect()),
                "b64" => query.base64 = !value.is_empty(),
                _ => {}
            }
        }
        query
    }

    fn revision(&self) -> Option<Revision> {
        match (self.version.as_deref(), self.doubled) {
            (Some("4"), false) => Some(Revision::V4),
            (Some("3"), false) => Some(Revision::V3),
            _ => None,
        }
    }
}

/// Serves one request.
pub(crate) async fn serve<B: RequestBody>(server: &Server, address: Option<SocketAddr>, request: Request<B>) -> Answer {
    let options = server.options();
    if !names_its_host(&request) && !fault!(server, HostUnnamed) {
        let mut refused = answer(StatusCode::BAD_REQUEST, "text/plain; charset=UTF-8", "");
        refused.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return refused;
    }
    if !options.serves(request.uri().path()) {
        return answer(StatusCode::NOT_FOUND, "text/plain; charset=UTF-8", "not found\n");
    }
    if let (Some(cors), &Method::OPTIONS) = (&options.cors, request.method()) {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        cors.preflight(request.headers(), response.headers_mut());
        return response;
    }
    let upgrade = upgrade::is_upgrade(request.headers());
    let asked = options.cors.as_ref().map(|cors| (cors, request.headers().clone()));
    let mut response = match route(server, address, upgrade, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.answer(upgrade),
    };
    if let Some((cors, asked)) = asked {
        cors.answer(&asked, response.headers_mut());
    }
    response
}

/// RFC 9112, section 3.2: a request of HTTP/1.1 has one Host, no more and no less. Node refuses it without one as well.
fn names_its_host<B>(request: &Request<B>) -> bool {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    request.version() != Version::HTTP_11 || hosts == 1
}

async fn route<B: RequestBody>(
    server: &Server,
    address: Option<SocketAddr>,
    upgrade: bool,
    request: Request<B>,
) -> Result<Answer, Refusal> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let transport = match query.transport.as_deref() {
        Some("polling") => Transport::Polling,
        Some("websocket") => Transport::WebSocket,
        _ => return Err(Refusal::UnknownTransport),
    };
    if !server.options().transports.contains(&transport) {
        return Err(Refusal::UnknownTransport);
    }
    let cors = server.options().cors.as_ref().filter(|_| upgrade);
    if cors.is_some_and(|cors| !cors.admits_websocket(request.headers())) {
        return Err(Refusal::Forbidden("Origin not allowed".to_owned()));
    }
    match query.sid.as_deref().filter(|sid| !sid.is_empty()) {
        Some(sid) => {
            let session = server.session(sid).ok_or(Refusal::UnknownSid)?;
            if query.revision() != Some(session.revision()) {
                return Err(Refusal::BadRequest);
            }
            with_session(session, transport, upgrade, &query, request).await
        }
        // A GET may wait for half a minute, in a future that has room for the largest of what a request may be.
        None => Box::pin(handshake(server, address, transport, upgrade, &query, request)).await,
    }
}

/// A request of a session that exists.
async fn with_session<B: RequestBody>(
    session: Arc<Session>,
    transport: Transport,
    wants_websocket: bool,
    query: &Query,
    request: Request<B>,
) -> Result<Answer, Refusal> {
    match (transport, wants_websocket) {
        (Transport::WebSocket, true) => websocket::probe(session, request),
        (Transport::WebSocket, false) | (Transport::Polling, true) => Err(Refusal::BadRequest),
        (Transport::Polling, false) => match *request.method() {
            Method::GET => {
                // A GET is no sign of life: it finds a session that is overdue closed, however busy its keeper is.
                session.with(|connection| connection.timeout(session.server.config(), session::now()));
                Ok(reply(polling::get(session).await?, query, request.headers()))
            }
            Method::POST => Box::pin(polling::post(session, query.jsonp.is_some(), request)).await,
            // The session is none the worse for it (EIO-PL-20).
            _ => Ok(answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=UTF-8", "use GET or POST\n")),
        },
    }
}

/// A request without `sid`: a new session.
async fn handshake<B: Send>(
    server: &Server,
    address: Option<SocketAddr>,
    transport: Transport,
    wants_websocket: bool,
    query: &Query,
    request: Request<B>,
) -> Result<Answer, Refusal> {
    if request.method() != Method::GET {
        return Err(Refusal::BadMethod);
    }
    if wants_websocket != (transport == Transport::WebSocket) {
        return Err(Refusal::BadRequest);
    }
    if transport == Transport::WebSocket {
        // Ahead of asking the application, and of making a session.
        upgrade::check(&request)?;
    }
    let allowed = |revision: &Revision| *revision == Revision::V4 || server.options().allow_eio3;
    let revision = query.revision().filter(allowed).ok_or(Refusal::UnsupportedVersion)?;
    let request = ask_application(server, request).await?;
    let first = FirstRequest::new(&request, address, wall_clock());
    let sid = new_id();
    let opening = Opening { sid: &sid, transport, revision, base64: query.base64 };
    let session = Session::new(server.clone(), &opening, first);
    if transport == Transport::WebSocket {
        return websocket::open(session, request);
    }
    if !server.remember(&session) {
        return Err(Refusal::Unavailable);
    }
    session.opened();
    tokio::spawn(keep_time(session.clone()));
    let poll = polling::get(session).await?;
    let mut response = reply(poll, query, request.headers());
    let cookie = server.options().cookie.as_ref().map(|cookie| cookie.header(&sid));
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn ask_application<B>(server: &Server, request: Request<B>) -> Result<Request<B>, Refusal> {
    let Some(allow_request) = &server.options().allow_request else { return Ok(request) };
    let (parts, body) = request.into_parts();
    let answer = allow_request.decide(&parts);
    answer.await.map_err(Refusal::Forbidden)?;
    Ok(Request::from_parts(parts, body))
}

/// The answer to a GET, in the shape the client wants it.
fn reply(poll: polling::Reply, query: &Query, headers: &HeaderMap) -> Answer {
    let poll = match &query.jsonp {
        Some(number) => jsonp::wrap(&poll, number),
        None => poll,
    };
    poll.into_answer(headers)
}

#[expect(clippy::disallowed_methods, reason = "the time of the handshake is part of the socket's API")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

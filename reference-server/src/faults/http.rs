//! Requests and their answers, with mistakes.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};

use super::{Fault, Faults, NEVER};
use crate::server::Server;
use crate::transport::http::{self as clean, RequestBody};

type Answer = Response<Full<Bytes>>;

/// Serves one request.
pub(crate) async fn serve<B: RequestBody>(server: &Server, address: Option<SocketAddr>, request: Request<B>) -> Answer {
    match server.options().faults.clone() {
        None => clean::serve(server, address, request).await,
        Some(faults) => Box::pin(serve_wrong(faults, server, address, request)).await,
    }
}

async fn serve_wrong<B: RequestBody>(
    faults: Faults,
    server: &Server,
    address: Option<SocketAddr>,
    mut request: Request<B>,
) -> Answer {
    let asked = Asked::of(&request);
    if asked.method == Method::OPTIONS && faults.hits(Fault::PreflightRefused) {
        let mut refused = Response::new(Full::default());
        *refused.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        return refused;
    }
    if has_other_parameter(request.uri()) && faults.hits(Fault::ParametersRefused) {
        let mut refused = Response::new(Full::default());
        *refused.status_mut() = StatusCode::BAD_REQUEST;
        return refused;
    }
    if asked.method == Method::POST && !says_plain_text(&request) && faults.hits(Fault::BodyTypeWanted) {
        let mut refused = Response::new(Full::default());
        *refused.status_mut() = StatusCode::BAD_REQUEST;
        return refused;
    }
    if faults.is_deaf() {
        tokio::time::sleep(super::DEAF).await;
    }
    spoil_request(&faults, server, &mut request);
    let response = clean::serve(server, address, request).await;
    if asked.upgrade && response.status().is_client_error() && faults.hits(Fault::RefusedWebSocketHangs) {
        tokio::time::sleep(NEVER).await;
    }
    spoil_answer(&faults, &asked, response).await
}

/// What was asked for, before anything was changed.
struct Asked {
    method: Method,
    has_sid: bool,
    upgrade: bool,
    deflate: bool,
    origin: Option<HeaderValue>,
}

impl Asked {
    fn of<B>(request: &Request<B>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        Self {
            method: request.method().clone(),
            has_sid: query.contains("sid="),
            upgrade: request.headers().contains_key(header::UPGRADE),
            deflate: request.headers().contains_key(header::SEC_WEBSOCKET_EXTENSIONS),
            origin: request.headers().get(header::ORIGIN).cloned(),
        }
    }
}

/// Whether a body is said to be plain text.
fn says_plain_text<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

/// Whether there is a parameter that the engine knows nothing of.
fn has_other_parameter(uri: &Uri) -> bool {
    parameters(uri).iter().any(|(key, _)| !matches!(key.as_str(), "EIO" | "transport" | "sid" | "j" | "t" | "b64"))
}

/// The parameters, each with its value, as they are written.
fn parameters(uri: &Uri) -> Vec<(String, String)> {
    let query = uri.query().unwrap_or_default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn spoil_request<B>(faults: &Faults, server: &Server, request: &mut Request<B>) {
    let mut path = request.uri().path().to_owned();
    let mut query = parameters(request.uri());
    let value = |query: &[(String, String)], key: &str| {
        query.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
    };
    let upgrades = request.headers().contains_key(header::UPGRADE);
    let of_cookie = session_of_cookie(server, request);
    let octets = request.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/octet-stream");
    for fault in faults.striking() {
        match fault {
            Fault::UnknownSidOpens if value(&query, "sid").is_some_and(|sid| server.session(&sid).is_none()) => {
                query.retain(|(key, _)| key != "sid");
                *request.method_mut() = Method::GET;
            }
            Fault::RestartRemembers
                if value(&query, "sid").is_some_and(|sid| server.session(&sid).is_none() && faults.knew(&sid)) =>
            {
                query.retain(|(key, _)| key != "sid");
                *request.method_mut() = Method::GET;
            }
            Fault::WebSocketAsPolling
                if value(&query, "transport").is_some_and(|transport| transport == "websocket") && !upgrades =>
            {
                query.retain(|(key, _)| key != "transport");
                query.push(("transport".to_owned(), "polling".to_owned()));
            }
            Fault::WebTransportAsPolling
                if value(&query, "transport").is_some_and(|transport| transport == "webtransport") =>
            {
                query.retain(|(key, _)| key != "transport");
                query.push(("transport".to_owned(), "polling".to_owned()));
            }
            Fault::UpgradeOfPolling if upgrades && value(&query, "sid").is_none() => {
                query.retain(|(key, _)| key != "transport");
                query.push(("transport".to_owned(), "websocket".to_owned()));
            }
            Fault::TransportDefault
                if !matches!(value(&query, "transport").as_deref(), Some("polling" | "websocket")) =>
            {
                query.retain(|(key, _)| key != "transport");
                query.push(("transport".to_owned(), "polling".to_owned()));
            }
            Fault::VersionAny => {
                query.retain(|(key, _)| key != "EIO");
                query.push(("EIO".to_owned(), "4".to_owned()));
            }
            Fault::EmptySidUnknown if value(&query, "sid").is_some_and(|sid| sid.is_empty()) => {
                query.retain(|(key, _)| key != "sid");
                query.push(("sid".to_owned(), "unknown".to_owned()));
            }
            Fault::JsonpIgnored => query.retain(|(key, _)| key != "j"),
            Fault::MethodAny if value(&query, "sid").is_none() && request.method() == Method::POST => {
                *request.method_mut() = Method::GET;
            }
            Fault::WebSocketByAnyMethod if request.headers().contains_key(header::SEC_WEBSOCKET_KEY) => {
                *request.method_mut() = Method::GET;
            }
            Fault::PutTaken if request.method() == Method::PUT => *request.method_mut() = Method::POST,
            Fault::PathPrefix => {
                let own = format!("/{}", server.options().path.trim_matches('/'));
                if path.starts_with(&own) {
                    path = format!("{own}/");
                }
            }
            Fault::CookieRestores if value(&query, "sid").is_none() => {
                query.extend(of_cookie.clone().map(|sid| ("sid".to_owned(), sid)));
            }
            Fault::OctetsTaken if octets => drop(request.headers_mut().remove(header::CONTENT_TYPE)),
            _ => {}
        }
    }
    let query: Vec<_> = query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if let Ok(target) = PathAndQuery::try_from(format!("{path}?{}", query.join("&"))) {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.path_and_query = Some(target);
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    }
}

/// The value of a cookie, whatever its name, that is the id of an open connection.
fn session_of_cookie<B>(server: &Server, request: &Request<B>) -> Option<String> {
    let cookies = request.headers().get(header::COOKIE)?.to_str().ok()?;
    let values = cookies.split(';').filter_map(|cookie| cookie.split_once('=')).map(|(_, value)| value.trim());
    values.into_iter().find(|value| server.session(value).is_some()).map(str::to_owned)
}

async fn spoil_answer(faults: &Faults, asked: &Asked, mut response: Answer) -> Answer {
    for fault in faults.striking() {
        let status = response.status();
        let failed = status.is_client_error();
        let headers = response.headers_mut();
        match fault {
            Fault::ErrorText if failed => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                response = with_body(response, |body| body.replace(['{', '}', '"'], "")).await;
            }
            Fault::ErrorCodeMissing if failed => {
                response = with_body(response, |body| match serde_json::from_str::<serde_json::Value>(&body) {
                    Ok(error) => serde_json::json!({ "message": error["message"] }).to_string(),
                    Err(_) => body,
                })
                .await;
            }
            Fault::Error200 if status == StatusCode::BAD_REQUEST => *response.status_mut() = StatusCode::OK,
            Fault::UnknownSid404 if failed && asked.has_sid && status == StatusCode::BAD_REQUEST => {
                *response.status_mut() = StatusCode::NOT_FOUND;
            }
            Fault::TooLarge404 if status == StatusCode::PAYLOAD_TOO_LARGE => {
                *response.status_mut() = StatusCode::NOT_FOUND;
            }
            Fault::GetType if asked.method == Method::GET && status == StatusCode::OK => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            }
            Fault::PostBody if asked.method == Method::POST && status == StatusCode::OK => {
                *response.body_mut() = Full::default();
            }
            Fault::RestartRemembers if !asked.has_sid && status == StatusCode::OK => {
                response = with_body(response, |body| {
                    let sid = body.split_once(r#""sid":""#).and_then(|(_, rest)| rest.split_once('"'));
                    sid.into_iter().for_each(|(sid, _)| faults.remember(sid));
                    body
                })
                .await;
            }
            Fault::DeflateAlways if asked.deflate && status == StatusCode::SWITCHING_PROTOCOLS => {
                let deflate = HeaderValue::from_static("permessage-deflate");
                headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, deflate);
            }
            Fault::Cacheable => drop(headers.remove(header::CACHE_CONTROL)),
            Fault::CookieAlways if !asked.has_sid => {
                headers.insert(header::SET_COOKIE, HeaderValue::from_static("io=1; Path=/"));
            }
            Fault::CorsAlways => {
                if let Some(origin) = &asked.origin {
                    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                }
            }
            Fault::CorsPosts if asked.method == Method::POST => {
                headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
                headers.remove(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
            }
            Fault::CorsErrors if failed => drop(headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN)),
            _ => {}
        }
    }
    response
}

async fn with_body(response: Answer, change: impl FnOnce(String) -> String) -> Answer {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text = change(String::from_utf8_lossy(&bytes).into_owned());
    Response::from_parts(head, Full::new(text.into()))
}

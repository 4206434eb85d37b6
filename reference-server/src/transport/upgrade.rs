//! The opening handshake of a WebSocket, by RFC 6455, section 4.2.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::http::{Answer, Refusal};

/// Whether a request asks for a WebSocket: both headers name it. One that names it in `Upgrade` alone is a request like
/// any other, as an intermediary must take it for one.
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    names(headers, &header::UPGRADE, "websocket") && names(headers, &header::CONNECTION, "upgrade")
}

/// Whether a list of tokens holds this one, in any case.
fn names(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lists = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|found| found.trim().eq_ignore_ascii_case(token))
}

/// A request that may be answered with 101, and what is put into that answer.
pub(super) struct Handshake {
    accepted: HeaderValue,
    subprotocol: Option<HeaderValue>,
}

/// Looks at a request that [asks for a WebSocket](is_upgrade).
pub(super) fn check<B>(request: &Request<B>) -> Result<Handshake, Refusal> {
    if request.method() != Method::GET {
        return Err(Refusal::BadMethod);
    }
    let headers = request.headers();
    if headers.get(header::SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes) != Some(b"13") {
        return Err(Refusal::WebSocketVersion);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).filter(|key| is_key(key));
    let key = key.ok_or(Refusal::BadRequest)?;
    if request.version() < Version::HTTP_11 {
        return Err(Refusal::BadRequest);
    }
    let accepted = HeaderValue::from_str(&derive_accept_key(key)).map_err(|_| Refusal::BadRequest)?;
    Ok(Handshake { accepted, subprotocol: first_subprotocol(headers)? })
}

/// Sixteen bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(digit)
}

/// The first one that is offered is chosen, as in Node: browsers close a connection whose answer chooses none.
fn first_subprotocol(headers: &HeaderMap) -> Result<Option<HeaderValue>, Refusal> {
    let Some(offered) = headers.get(header::SEC_WEBSOCKET_PROTOCOL) else { return Ok(None) };
    let first = offered.as_bytes().split(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
    let is_token = |byte: &u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(byte);
    if first.is_empty() || !first.iter().all(is_token) {
        return Err(Refusal::BadRequest);
    }
    HeaderValue::from_bytes(first).map(Some).map_err(|_| Refusal::BadRequest)
}

impl Handshake {
    /// The 101, and the promise of the connection.
    pub(super) fn accept<B>(self, mut request: Request<B>) -> (Answer, OnUpgrade) {
        let mut answer = Response::new(Full::default());
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = answer.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accepted);
        if let Some(subprotocol) = self.subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        (answer, hyper::upgrade::on(&mut request))
    }
}

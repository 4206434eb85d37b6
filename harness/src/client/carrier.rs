//! Who sends the HTTP requests of a polling session.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use sio_protocol::ByteString;

use super::connection::{Error, Http};
use super::endpoint::Endpoint;
use super::socket::Arrival;

/// The largest body taken from a target.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// A body, and when it arrived if that is known better than by reading the clock now.
pub(super) type Answer = Pin<Box<dyn Future<Output = Result<(ByteString, Option<Arrival>), Error>>>>;

/// An HTTP client.
#[derive(Clone)]
pub enum Carrier {
    /// The one that all connections share.
    Own(Http),
    /// A goose user, which has one of its own.
    #[cfg(feature = "goose")]
    Goose(sio_bench_goose::User),
}

/// A request of a polling session.
pub(super) struct Message {
    /// Behind the path.
    pub(super) query: String,
    /// What is sent; a GET sends nothing.
    pub(super) body: Option<ByteString>,
    /// Whether it opens the session.
    #[cfg_attr(not(feature = "goose"), expect(dead_code, reason = "sio-bench's own client makes no difference"))]
    pub(super) opens: bool,
}

impl Carrier {
    pub(super) fn send(&self, endpoint: &Endpoint, message: Message) -> Answer {
        let url = endpoint.engine_url(&message.query);
        match self {
            Self::Own(http) => own(http, endpoint, url, message),
            #[cfg(feature = "goose")]
            Self::Goose(user) => goose(user, endpoint, url, message),
        }
    }
}

const CONTENT_TYPE: &str = "text/plain;charset=UTF-8";

fn own(http: &Http, endpoint: &Endpoint, url: String, message: Message) -> Answer {
    let method = if message.body.is_some() { Method::POST } else { Method::GET };
    let request = Request::builder().method(method).uri(url).header(http::header::CONTENT_TYPE, CONTENT_TYPE);
    let body = message.body.map(ByteString::into_bytes).unwrap_or_default();
    let request = endpoint.manner.dress(request).body(Full::new(body));
    let http = http.clone();
    Box::pin(async move {
        let request = request.map_err(|error| Error::Http(error.to_string()))?;
        let response = http.request(request).await.map_err(|error| Error::requesting(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
        let body = body.map_err(|error| Error::Http(error.to_string()))?.to_bytes();
        Ok((text(status.as_u16(), body)?, None))
    })
}

fn text(status: u16, body: Bytes) -> Result<ByteString, Error> {
    if !(200..300).contains(&status) {
        return Err(Error::Status { status, body: String::from_utf8_lossy(&body).into_owned() });
    }
    ByteString::try_from(body).map_err(|error| Error::Http(format!("a body is not UTF-8: {error}")))
}

#[cfg(feature = "goose")]
fn goose(user: &sio_bench_goose::User, endpoint: &Endpoint, url: String, message: Message) -> Answer {
    use sio_bench_goose::{Kind, Request};

    let mut headers = vec![("content-type".to_owned(), CONTENT_TYPE.to_owned())];
    headers.extend(endpoint.manner.headers.iter().cloned());
    let kind = match message.body {
        Some(body) => Kind::Send(body.into_bytes()),
        None if message.opens => Kind::Handshake,
        None => Kind::Poll,
    };
    let user = user.clone();
    Box::pin(async move {
        let answer = user.request(Request { url, headers, kind }).await.map_err(Error::Http)?;
        let bytes = answer.body.len();
        let lag = crate::clock::now().saturating_duration_since(answer.at);
        Ok((text(answer.status, answer.body)?, Some(Arrival { at: answer.at, lag: Some(lag), bytes })))
    })
}

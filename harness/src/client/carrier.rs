//! Who sends the HTTP requests of a polling session.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Extensions, Method, Request};
use http_body_util::Full;
use sio_protocol::ByteString;

use super::body::{MAX_BODY, collect};
use super::connection::{Error, Http};
use super::dial::{Proven, dress};
use super::endpoint::Endpoint;
use super::refusal::refused;
use super::socket::Arrival;

/// A body, and when it arrived if that is known better than by reading the clock now.
pub(super) type Answer = Pin<Box<dyn Future<Output = Result<(ByteString, Option<Arrival>), Error>>>>;

/// An HTTP client.
#[derive(Clone)]
pub enum Carrier {
    /// The one that all connections share. Whatever happens to a request, happens to the session.
    Own(Http),
    /// The same as people have it: a browser sends a request again, of any method, when it went out over a connection that
    /// had been kept open and was closed ahead of any answer (Chromium's `ShouldResendRequest`). The server may have handled
    /// it; that it closes what it has promised to keep is counted.
    Resending(Http, Arc<AtomicU64>),
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
        match self {
            Self::Own(http) => own(http, None, endpoint, message),
            Self::Resending(http, times) => own(http, Some(times.clone()), endpoint, message),
            #[cfg(feature = "goose")]
            Self::Goose(user) => {
                goose(user, endpoint, format!("{}{}", endpoint.url, endpoint.engine_path(&message.query)), message)
            }
        }
    }
}

const CONTENT_TYPE: &str = "text/plain;charset=UTF-8";

/// So many connections in a row may turn out to be closed.
const MOST_RESENDS: usize = 32;

fn own(http: &Http, resends: Option<Arc<AtomicU64>>, endpoint: &Endpoint, message: Message) -> Answer {
    let (path, url) = (endpoint.engine_path(&message.query), endpoint.engine_url(&message.query));
    let method = if message.body.is_some() { Method::POST } else { Method::GET };
    let request = Request::builder().method(method).uri(url).header(http::header::CONTENT_TYPE, CONTENT_TYPE);
    let body = message.body.map(ByteString::into_bytes).unwrap_or_default();
    let request = dress(request, &endpoint.headers(&path)).body(Full::new(body));
    let (http, cookies) = (http.clone(), endpoint.cookies());
    let (signs, addresses) = (endpoint.manner.signs.clone(), endpoint.addresses().len());
    let label = endpoint.label.clone();
    Box::pin(async move {
        let request = request.map_err(|error| Error::Http(error.to_string()))?;
        let mut left = if resends.is_some() { MOST_RESENDS } else { 0 };
        let response = loop {
            match http.request(request.clone()).await {
                Ok(response) => break response,
                Err(error) if left > 0 && was_kept_open(&error) && !has_answer(&error) => {
                    left -= 1;
                    resends.iter().for_each(|times| _ = times.fetch_add(1, Ordering::Relaxed));
                }
                Err(error) => return Err(Error::requesting(&error)),
            }
        };
        if let Some(proven) = response.extensions().get::<Proven>() {
            proven.prove();
        }
        if let Some(cookies) = cookies {
            cookies.learn(&path, &set_cookie_headers(response.headers()));
        }
        signs.look(response.headers());
        label.iter().for_each(|label| label.look(response.headers()));
        let (head, body) = response.into_parts();
        let body = collect(body, MAX_BODY).await?;
        if head.status.is_success() {
            return Ok((text(head.status.as_u16(), body)?, None));
        }
        let said = String::from_utf8_lossy(&body).into_owned();
        Err(refused(addresses, head.status.as_u16(), &list(&head.headers), said))
    })
}

/// The `Set-Cookie` headers of an answer; none, and nothing allocated, as a rule.
pub(crate) fn set_cookie_headers(headers: &http::HeaderMap) -> Vec<(String, String)> {
    let set = headers.get_all(http::header::SET_COOKIE).iter();
    set.map(|value| ("set-cookie".to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

/// All headers of an answer.
fn list(headers: &http::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// Whether the connection had carried an answer before this request found it closed.
fn was_kept_open(error: &hyper_util::client::legacy::Error) -> bool {
    let mut extras = Extensions::new();
    error.connect_info().inspect(|info| info.get_extras(&mut extras));
    extras.get::<Proven>().is_some_and(Proven::is_proven)
}

/// Whether something came back, if only what nobody can read.
fn has_answer(error: &hyper_util::client::legacy::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return true;
        }
        cause = error.source();
    }
    false
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::connection::http_client;
    use super::super::dial::ConnectOptions;
    use super::*;

    /// A server that answers so many requests of each connection, promises to keep it open, and closes it when the next
    /// request has come.
    async fn forgetful(answers: usize) -> (Endpoint, Http) {
        server(answers, b"").await
    }

    /// The same, with some last words.
    async fn server(answers: usize, last: &'static [u8]) -> (Endpoint, Http) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    for _ in 0..answers {
                        if !matches!(stream.read(&mut request).await, Ok(1..)) {
                            return;
                        }
                        let answer = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok";
                        stream.write_all(answer).await.unwrap();
                    }
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(last).await;
                });
            }
        });
        let manner = Arc::new(ConnectOptions::default());
        (Endpoint::resolve(&url, None, manner.clone()).await.unwrap(), http_client(&manner))
    }

    async fn ask(carrier: &Carrier, endpoint: &Endpoint) -> Result<String, Error> {
        let message = Message { query: String::new(), body: Some("hello".into()), opens: false };
        carrier.send(endpoint, message).await.map(|(body, _)| body.to_string())
    }

    #[tokio::test]
    async fn a_request_is_sent_again_when_a_connection_that_was_kept_open_is_closed() {
        let (endpoint, http) = forgetful(1).await;
        let times = Arc::new(AtomicU64::new(0));
        let carrier = Carrier::Resending(http.clone(), times.clone());
        // Whether a connection is kept in time for the next request is up to the client.
        for _ in 0..20 {
            assert_eq!(ask(&carrier, &endpoint).await.unwrap(), "ok");
        }
        assert!((1..20).contains(&times.load(Ordering::Relaxed)), "the first request has a connection of its own");
        // Whoever looks for what a server does wrong sees it.
        let own = Carrier::Own(http);
        let mut failed = false;
        for _ in 0..20 {
            failed |= matches!(ask(&own, &endpoint).await, Err(Error::Http(_)));
        }
        assert!(failed);
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_read_is_an_answer() {
        let (endpoint, http) = server(1, b"nonsense\r\n\r\n").await;
        let times = Arc::new(AtomicU64::new(0));
        let carrier = Carrier::Resending(http, times.clone());
        let mut failed = false;
        for _ in 0..20 {
            failed |= matches!(ask(&carrier, &endpoint).await, Err(Error::Http(_)));
        }
        assert!(failed);
        assert_eq!(times.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_fresh_connection_that_is_closed_is_an_answer_of_its_own() {
        let (endpoint, http) = forgetful(0).await;
        let times = Arc::new(AtomicU64::new(0));
        let failed = ask(&Carrier::Resending(http, times.clone()), &endpoint).await;
        assert!(matches!(failed, Err(Error::Http(_))), "{failed:?}");
        assert_eq!(times.load(Ordering::Relaxed), 0);
    }
}

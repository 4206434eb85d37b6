//! HTTP long-polling: a GET that waits for packets, a POST that brings some.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use http::header::{self, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use sio_protocol::{ByteString, engine};

use super::http::{Answer, Refusal, answer};
use crate::session::{Session, now};

/// Undoes the begin of a request whose client went away: hyper drops the future.
struct Open<F: FnMut()> {
    given_up: F,
    done: bool,
}

impl<F: FnMut()> Drop for Open<F> {
    fn drop(&mut self) {
        if !self.done {
            (self.given_up)();
        }
    }
}

/// Waits until there is something for the client.
pub(super) async fn get(session: Arc<Session>) -> Result<Answer, Refusal> {
    session.with(|connection| connection.poll_begin()).map_err(|_| Refusal::BadRequest)?;
    let given_up = || session.with(|connection| connection.poll_abort());
    let mut open = Open { given_up, done: false };
    let max_payload = session.server.config().max_payload;
    let frames = poll_fn(|cx| {
        session.register_writer(cx.waker());
        session.with(|connection| connection.poll_take(max_payload)).map_or(Poll::Pending, Poll::Ready)
    })
    .await;
    open.done = true;
    let body = engine::encode_payload(&frames).into_bytes();
    Ok(no_store(answer(StatusCode::OK, "text/plain; charset=UTF-8", body)))
}

/// Takes the packets of the client. "ok" is sent once their handlers have run.
pub(super) async fn post(session: Arc<Session>, request: Request<Incoming>) -> Result<Answer, Refusal> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    if content_type.is_some_and(|value| value.as_bytes() == b"application/octet-stream") {
        // Binary bodies went with revision 3 (EIO-PL-14).
        session.with(|connection| connection.post_abort());
        return Err(Refusal::BadRequest);
    }
    session.with(|connection| connection.post_begin()).map_err(|_| Refusal::BadRequest)?;
    let given_up = || session.with(|connection| connection.post_abort());
    let mut open = Open { given_up, done: false };
    let config = session.server.config();
    let body = match Limited::new(request.into_body(), config.max_payload).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            if error.downcast_ref::<LengthLimitError>().is_some() {
                open.done = true;
                session.with(|connection| connection.post_refused());
                let text = "the body is larger than maxPayload\n";
                return Ok(answer(StatusCode::PAYLOAD_TOO_LARGE, "text/plain; charset=UTF-8", text));
            }
            return Err(Refusal::BadRequest);
        }
    };
    let Ok(body) = ByteString::try_from(body) else { return Err(Refusal::BadRequest) };
    open.done = true;
    if !session.with(|connection| connection.post(config, &body, now())) {
        return Err(Refusal::BadRequest);
    }
    Ok(no_store(answer(StatusCode::OK, "text/html", "ok")))
}

fn no_store(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

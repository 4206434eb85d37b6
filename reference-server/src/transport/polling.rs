//! HTTP long-polling: a GET that waits for packets, a POST that brings some.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use sio_protocol::ByteString;
use sio_protocol::engine::{self, Payload, Revision};

use super::compression::Encoding;
use super::http::{Answer, Refusal, RequestBody, answer};
use super::jsonp;
use crate::session::{HEAVY, Session, TURN, now};

/// Packets of a POST that are taken in a row before their events are handled: what one body can make the server hold
/// is a multiple of this, not of its length.
const POST_BATCH: usize = 4;

/// What a GET will be answered with.
pub(super) struct Reply {
    pub(super) body: Bytes,
    pub(super) content_type: &'static str,
    pub(super) compress: bool,
    pub(super) threshold: Option<usize>,
}

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
pub(super) async fn get(session: Arc<Session>) -> Result<Reply, Refusal> {
    session.with(|connection| connection.poll_begin()).map_err(|_| Refusal::BadRequest)?;
    let given_up = || session.with(|connection| connection.poll_abort());
    let mut open = Open { given_up, done: false };
    let poll = poll_fn(|cx| {
        session.register_writer(cx.waker());
        session.with(|connection| connection.poll_take()).map_or(Poll::Pending, Poll::Ready)
    })
    .await;
    open.done = true;
    let content_type = match poll.payload {
        Payload::Text(_) => "text/plain; charset=UTF-8",
        Payload::Binary(_) => "application/octet-stream",
    };
    let threshold = session.server.options().http_compression;
    Ok(Reply { body: poll.payload.into_bytes(), content_type, compress: poll.compress, threshold })
}

impl Reply {
    pub(super) fn into_answer(self, request: &HeaderMap) -> Answer {
        let worth_it = self.compress && self.threshold.is_some_and(|threshold| self.body.len() >= threshold);
        let encoding = if worth_it { Encoding::negotiate(request) } else { None };
        let body = encoding.map_or_else(|| self.body.clone(), |encoding| encoding.compress(&self.body));
        let mut answer = no_store(answer(StatusCode::OK, self.content_type, body), request);
        if let Some(encoding) = encoding {
            answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
        }
        answer
    }
}

/// Takes the packets of the client. "ok" is sent once their handlers have run.
pub(super) async fn post<B: RequestBody>(
    session: Arc<Session>,
    jsonp: bool,
    request: Request<B>,
) -> Result<Answer, Refusal> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let binary = content_type.is_some_and(|value| value.as_bytes() == b"application/octet-stream");
    if binary && session.revision() == Revision::V4 {
        // Binary bodies went with revision 3 (EIO-PL-14).
        session.with(|connection| connection.post_abort());
        return Err(Refusal::BadRequest);
    }
    session.with(|connection| connection.post_begin()).map_err(|_| Refusal::BadRequest)?;
    let given_up = || session.with(|connection| connection.post_abort());
    let mut open = Open { given_up, done: false };
    let mut max_payload = session.server.config().max_payload;
    if session.revision() == Revision::V3 && fault!(session.server, OldMaxPayloadIgnored) {
        max_payload = usize::MAX;
    }
    let (head, body) = request.into_parts();
    if body.size_hint().lower() > max_payload as u64 {
        open.done = true;
        session.with(|connection| connection.post_end());
        return Ok(too_large());
    }
    // A body that trickles in ends with its session: no other POST, and so no pong, can come ahead of it.
    let body = tokio::select! {
        body = Limited::new(body, max_payload).collect() => body,
        () = session.closed() => return Err(Refusal::BadRequest),
    };
    let body = match body {
        Ok(body) => body.to_bytes(),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            open.done = true;
            session.with(|connection| connection.post_end());
            return Ok(too_large());
        }
        Err(_) => return Err(Refusal::BadRequest),
    };
    let payload = match (binary, jsonp) {
        (true, _) => Payload::Binary(body),
        (false, true) => Payload::Text(jsonp::unwrap(&body).ok_or(Refusal::BadRequest)?),
        (false, false) => Payload::Text(ByteString::try_from(body).map_err(|_| Refusal::BadRequest)?),
    };
    open.done = true;
    let good = take(&session, &payload).await;
    session.with(|connection| connection.post_end());
    if !good && session.revision() == Revision::V3 && fault!(session.server, OldMalformedHangs) {
        std::future::pending::<()>().await;
    }
    if !good {
        return Err(Refusal::BadRequest);
    }
    Ok(no_store(answer(StatusCode::OK, "text/html", "ok"), &head.headers))
}

/// Without a body; and the session is none the worse for it, as on Node (EIO-PL-12).
fn too_large() -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    answer
}

/// Hands over the packets of a body, a few at a time, each with its events.
async fn take(session: &Arc<Session>, payload: &Payload) -> bool {
    let config = session.server.config();
    let mut frames = engine::split_payload(session.revision(), payload).peekable();
    let mut good = true;
    let mut begin = now();
    while good && frames.peek().is_some() {
        let mut heavy = false;
        let some = std::iter::from_fn(|| {
            // A heavy one is the last of its turn.
            let frame = if heavy { None } else { frames.next() };
            heavy = frame.as_ref().is_some_and(|frame| frame.as_ref().is_ok_and(|frame| frame.len() >= HEAVY));
            frame
        })
        .take(POST_BATCH);
        good = session.with(|connection| connection.post_frames(config, some, now()));
        // Another thread may be at the events; then this one waits for it.
        poll_fn(|cx| if session.is_idle(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }).await;
        if begin.elapsed() > TURN {
            tokio::task::yield_now().await;
            begin = now();
        }
    }
    good
}

fn no_store(mut answer: Answer, request: &HeaderMap) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let agent = request.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    if agent.contains(";MSIE") || agent.contains("Trident/") {
        // EIO-HD-11.
        headers.insert(header::X_XSS_PROTECTION, HeaderValue::from_static("0"));
    }
    answer
}

//! HTTP requests of a case, each on a connection of its own.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json_path::JsonPath;

use super::answer;
use super::chatter::{self, Chatter};
use super::player::{Outcome, Player};
use super::shown::{FORM, encoded};
use super::transcript::clip;
use super::{ANSWER, Stop, rows};
use crate::client::Cookies;
use crate::clock;
use crate::scenario::model::{AnswerPattern, HttpRequest, Step, Verb};
use crate::scenario::template::Piece;
use crate::wire::http1::{Body, Exchange};
use crate::wire::{Outgoing, Request, Response};

/// A request of a case on its way.
pub(crate) struct Pending {
    exchange: Exchange,
    address: SocketAddr,
    /// To be sent again when all that came back was what no case is about.
    again: Option<Request>,
    /// Learn from the answer, which is one to this path.
    cookies: Option<(Cookies, String)>,
    chatter: Chatter,
    /// The answer, once it is here.
    answer: Option<Result<Response, String>>,
    /// The name by which a later step asks for it.
    later: Option<String>,
    /// Answers of which something was dealt with unseen, for the transcript.
    pub(super) swallowed: Vec<(Instant, String)>,
}

impl Pending {
    fn begin(address: SocketAddr, request: Request, polls: bool, cookies: Option<Cookies>, chatter: Chatter) -> Self {
        let again = polls.then(|| request.clone());
        let cookies = cookies.map(|cookies| (cookies, request.path.clone()));
        let exchange = Exchange::begin(address, request);
        Self { exchange, address, again, cookies, chatter, answer: None, later: None, swallowed: Vec::new() }
    }

    /// Ready when the answer is here. A GET that brought nothing but a ping is answered and sent again at once, as every
    /// client would.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.answer.is_none() {
            let answer = ready!(self.exchange.poll(cx));
            if let (Some((cookies, path)), Ok(response)) = (&self.cookies, &answer) {
                cookies.learn(path, &response.headers);
            }
            self.answer = self.looked_at(answer);
        }
        Poll::Ready(())
    }

    /// An answer without what no case is about; nothing, if that was all: then the request is sent again.
    fn looked_at(&mut self, answer: Result<Response, String>) -> Option<Result<Response, String>> {
        let (Some(again), Ok(response)) = (&self.again, &answer) else { return Some(answer) };
        if response.status != 200 {
            return Some(answer);
        }
        // Long intervals leave pings unanswered; a case about pings says so.
        let packets: Vec<_> = chatter::packets(&response.body).collect();
        let kept = self.chatter.without(packets.iter().copied().filter(|packet| *packet != b"2"));
        if kept.len() == packets.len() {
            return Some(answer);
        }
        self.swallowed.push((clock::now(), clip(&String::from_utf8_lossy(&response.body))));
        if kept.is_empty() {
            self.exchange = Exchange::begin(self.address, again.clone());
            return None;
        }
        let body = kept.join(&0x1e).into();
        answer.ok().map(|response| Ok(Response { body, ..response }))
    }

    /// What has come, when it has.
    fn take(&mut self) -> Result<Response, String> {
        self.answer.take().unwrap_or_else(|| Err("the request was abandoned".to_owned()))
    }
}

/// A handshake as every client begins a polling session, with nothing in it that a case could be about.
fn is_plain_handshake(request: &HttpRequest) -> bool {
    let path = [Piece::Literal("?EIO=4&transport=polling".to_owned())];
    request.method == "GET" && request.headers.is_empty() && request.path == path
}

impl Player<'_> {
    pub(super) async fn http_step(&mut self, client: usize, step: &Step) -> Outcome {
        let within = step.within.unwrap_or(ANSWER);
        if let Verb::Http { request, answer, .. } = &step.verb
            && is_plain_handshake(request)
            && answer.headers.is_empty()
            && (answer.status.is_empty() || answer.status.contains(&200))
        {
            self.row = Some(rows::HANDSHAKE);
        }
        match &step.verb {
            Verb::Http { request, later: None, answer, until: true, save } => {
                self.until(within, async |player: &mut Self| {
                    let exchange = player.begin_http(client, request)?;
                    let body = player.answered(client, exchange, answer, within).await?;
                    player.save(save, &body)
                })
                .await
            }
            Verb::Http { request, later, answer, save, .. } => {
                let mut exchange = self.begin_http(client, request)?;
                match later {
                    Some(name) => {
                        // Until it is written, so that what follows comes later for the target too.
                        self.wait_with(within, |cx| exchange.exchange.poll_sent(cx).is_ready().then_some(())).await;
                        exchange.later = Some(name.clone());
                        self.exchanges.insert((client, name.clone()), exchange);
                        Ok(())
                    }
                    None => {
                        let body = self.answered(client, exchange, answer, within).await?;
                        self.save(save, &body)
                    }
                }
            }
            Verb::Answer { name, answer } => {
                let exchange = self.exchange(client, name)?;
                self.answered(client, exchange, answer, within).await.map(drop)
            }
            Verb::Pending(name) => self.pending(client, name).await,
            Verb::Abort(name) => {
                drop(self.exchange(client, name)?);
                let line = format!("{} ▶ aborts `{name}`", self.clients[client].name);
                self.note(line);
                Ok(())
            }
            Verb::Finish(name) => {
                let key = (client, name.clone());
                let Some(exchange) = self.exchanges.get_mut(&key) else { return Err(unknown(name)) };
                exchange.exchange.finish();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn exchange(&mut self, client: usize, name: &str) -> Outcome<Pending> {
        self.exchanges.remove(&(client, name.to_owned())).ok_or_else(|| unknown(name))
    }

    fn begin_http(&mut self, client: usize, spec: &HttpRequest) -> Outcome<Pending> {
        let path = self.scope.render_string(&spec.path).map_err(Stop::Error)?;
        let endpoint = self.clients[client].endpoint.clone();
        let (address, host, cookies) = (endpoint.address(), endpoint.authority.clone(), endpoint.cookies());
        let path = path.strip_prefix('?').map(|query| endpoint.engine_path(query)).unwrap_or(path);
        let mut request = Request::new(&spec.method, &path, &host);
        if !spec.names_host {
            request.headers.clear();
        }
        for (name, value) in &spec.headers {
            let value = self.text(value)?;
            request.headers.push((name.clone(), value));
        }
        endpoint.lend_headers(&mut request.headers);
        cookies.iter().for_each(|cookies| cookies.show(&path, &mut request.headers));
        // One request on one connection: the server may close it at once.
        request.headers.push(("Connection".to_owned(), "close".to_owned()));
        let mut parts = Vec::new();
        for packet in &spec.body {
            parts.push(match self.outgoing(packet)? {
                Outgoing::Text(text) => Bytes::from(text),
                Outgoing::Binary(bytes) | Outgoing::Bytes(bytes) => bytes,
                Outgoing::Frame(frame) => frame.payload,
            });
        }
        if let Some(json) = &spec.json {
            let value = self.scope.render(json).map_err(Stop::Error)?;
            request.headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
            parts.push(Bytes::from(value.to_string()));
        }
        if !spec.form.is_empty() {
            request.headers.push(("Content-Type".to_owned(), FORM.to_owned()));
            parts.push(Bytes::from(encoded(&spec.form, &mut self.scope).map_err(Stop::Error)?));
        }
        let shown: Vec<_> = parts.iter().map(|part| clip(&String::from_utf8_lossy(part))).collect();
        let line = format!("{} ▶ {} {} {}", self.clients[client].name, spec.method, clip(&path), shown.join(" | "));
        self.note(line.trim_end().to_owned());
        let chunked = spec.chunked.as_ref().map(|chunked| self.flag(chunked)).transpose()?.unwrap_or(false);
        request.body = Body { parts, chunked, stop_after: spec.stop_after, claims: spec.claims };
        let polls = spec.method == "GET" && !self.clients[client].pings_shown;
        let chatter = self.clients[client].chatter.clone();
        Ok(Pending::begin(address, request, polls, cookies, chatter))
    }

    fn save(&mut self, save: &[(String, JsonPath)], body: &[u8]) -> Outcome {
        self.scope.vars.extend(answer::saved(save, body).map_err(Stop::Fail)?);
        Ok(())
    }

    /// Waits for an answer and compares it; returns its body.
    async fn answered(
        &mut self,
        client: usize,
        mut exchange: Pending,
        pattern: &AnswerPattern,
        within: Duration,
    ) -> Outcome<Bytes> {
        // Other connections are read meanwhile, so that their pings are answered.
        let came = self.wait_with(within, |cx| exchange.drive(cx).is_ready().then_some(())).await;
        let name = self.clients[client].name.clone();
        self.tell_swallowed(client, &mut exchange);
        if came.is_none() {
            return Err(Stop::Late(format!("{name}'s request was not answered within {within:?}")));
        }
        let answer = exchange.take();
        let shown = match &answer {
            Ok(response) => format!("{} {}", response.status, clip(&String::from_utf8_lossy(&response.body))),
            Err(why) => why.clone(),
        };
        self.note(format!("{name} ◀ {shown}"));
        let fits = match &answer {
            Ok(response) => {
                let readings = self.readings(&String::from_utf8_lossy(&response.body));
                answer::one_fits(readings, |body| {
                    let reading = Response { body: body.into(), ..response.clone() };
                    answer::compare(&mut self.scope, pattern, Ok(&reading))
                })
            }
            Err(why) => answer::compare(&mut self.scope, pattern, Err(why)),
        };
        fits.map_err(|why| Stop::Fail(format!("{why}; the answer is {shown}")))?;
        Ok(answer.map(|response| response.body).unwrap_or_default())
    }

    /// Whether a request is still unanswered; what has been written so far by the target is looked at.
    async fn pending(&mut self, client: usize, name: &str) -> Outcome {
        let key = (client, name.to_owned());
        let Some(exchange) = self.exchanges.get_mut(&key) else { return Err(unknown(name)) };
        // One turn of the runtime, so that an answer that is there is seen.
        tokio::task::yield_now().await;
        let came = poll_fn(|cx| Poll::Ready(exchange.drive(cx))).await;
        match came {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => {
                let mut exchange = self.exchange(client, name)?;
                self.tell_swallowed(client, &mut exchange);
                let answer = exchange.take();
                let shown = match &answer {
                    Ok(response) => format!("{} {}", response.status, clip(&String::from_utf8_lossy(&response.body))),
                    Err(why) => why.clone(),
                };
                Err(Stop::Fail(format!("the request `{name}` had to stay open; it was answered: {shown}")))
            }
        }
    }
}

impl Player<'_> {
    /// Notes what came and was dealt with unseen. Of a request that waits for a later step that is a disturbance: for a moment it
    /// was not there.
    pub(super) fn tell_swallowed(&mut self, client: usize, exchange: &mut Pending) {
        let name = &self.clients[client].name;
        for (at, line) in exchange.swallowed.drain(..) {
            self.log.add(at, format!("{name} ◀ 200 {line}   (not all of it is looked at)"));
            if let Some(request) = &exchange.later {
                self.disturbed.get_or_insert(format!(
                    "{name}'s `{request}` was answered with {line}, which no step asked for; for a moment it was not there"
                ));
            }
        }
    }
}

fn unknown(name: &str) -> Stop {
    Stop::Error(format!("there is no request `{name}` that waits; begin one with `http = {{…}}, later = \"{name}\"`"))
}

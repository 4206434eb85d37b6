//! HTTP requests of a case, each on a connection of its own.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use super::answer;
use super::player::{Outcome, Player};
use super::transcript::clip;
use super::{ANSWER, Stop};
use crate::client::Cookies;
use crate::scenario::model::{AnswerPattern, HttpRequest, Step, Verb};
use crate::target::manner::{self, FORM};
use crate::wire::http1::{Body, Exchange};
use crate::wire::{Outgoing, Request, Response};

/// A request of a case on its way.
pub(crate) struct Pending {
    exchange: Exchange,
    address: SocketAddr,
    /// To be sent again when all that came back was a ping.
    again: Option<Request>,
    /// Learn from the answer, which is one to this path.
    cookies: Option<(Cookies, String)>,
}

impl Pending {
    fn begin(address: SocketAddr, request: Request, polls: bool, cookies: Option<Cookies>) -> Self {
        let again = polls.then(|| request.clone());
        let cookies = cookies.map(|cookies| (cookies, request.path.clone()));
        Self { exchange: Exchange::begin(address, request), address, again, cookies }
    }

    /// As [`Exchange::poll`]; a GET that brought a ping and nothing else is answered and sent again, as every
    /// client would.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response, String>> {
        loop {
            let answer = match self.exchange.poll(cx) {
                Poll::Ready(answer) => answer,
                Poll::Pending => return Poll::Pending,
            };
            if let (Some((cookies, path)), Ok(response)) = (&self.cookies, &answer) {
                cookies.learn(path, &response.headers);
            }
            let Some(again) = &self.again else { return Poll::Ready(answer) };
            match answer {
                Ok(response) if response.status == 200 && &response.body[..] == b"2" => {
                    self.exchange = Exchange::begin(self.address, again.clone());
                }
                Ok(mut response) if response.status == 200 => {
                    response.body = without_pings(&response.body);
                    return Poll::Ready(Ok(response));
                }
                other => return Poll::Ready(other),
            }
        }
    }
}

/// A payload without the pings in it. Long intervals leave them unanswered; a case about pings says so.
fn without_pings(body: &Bytes) -> Bytes {
    let packets = body.split(|byte| *byte == 0x1e);
    let kept: Vec<&[u8]> = packets.filter(|packet| *packet != b"2").collect();
    kept.join(&0x1e).into()
}

impl Player<'_> {
    pub(super) async fn http_step(&mut self, client: usize, step: &Step) -> Outcome {
        let within = step.within.unwrap_or(ANSWER);
        match &step.verb {
            Verb::Http { request, later: None, answer, until: true } => {
                self.until(within, async |player: &mut Self| {
                    let exchange = player.begin_http(client, request)?;
                    player.answered(client, exchange, answer, within).await
                })
                .await
            }
            Verb::Http { request, later, answer, .. } => {
                let mut exchange = self.begin_http(client, request)?;
                match later {
                    Some(name) => {
                        // Until it is written, so that what follows comes later for the target too.
                        self.wait_with(within, |cx| exchange.exchange.poll_sent(cx).is_ready().then_some(())).await;
                        self.exchanges.insert((client, name.clone()), exchange);
                        Ok(())
                    }
                    None => self.answered(client, exchange, answer, within).await,
                }
            }
            Verb::Answer { name, answer } => {
                let exchange = self.exchange(client, name)?;
                self.answered(client, exchange, answer, within).await
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
            parts.push(Bytes::from(manner::encoded(&spec.form, &mut self.scope).map_err(Stop::Error)?));
        }
        let shown: Vec<_> = parts.iter().map(|part| clip(&String::from_utf8_lossy(part))).collect();
        let line = format!("{} ▶ {} {} {}", self.clients[client].name, spec.method, clip(&path), shown.join(" | "));
        self.note(line.trim_end().to_owned());
        let chunked = spec.chunked.as_ref().map(|chunked| self.flag(chunked)).transpose()?.unwrap_or(false);
        request.body = Body { parts, chunked, stop_after: spec.stop_after, claims: spec.claims };
        let polls = spec.method == "GET" && !self.clients[client].pings_shown;
        Ok(Pending::begin(address, request, polls, cookies))
    }

    async fn answered(
        &mut self,
        client: usize,
        mut exchange: Pending,
        pattern: &AnswerPattern,
        within: Duration,
    ) -> Outcome {
        // Other connections are read meanwhile, so that their pings are answered.
        let answer = self
            .wait_with(within, |cx| match exchange.poll(cx) {
                Poll::Ready(answer) => Some(answer),
                Poll::Pending => None,
            })
            .await;
        let name = self.clients[client].name.clone();
        let Some(answer) = answer else {
            return Err(Stop::Late(format!("{name}'s request was not answered within {within:?}")));
        };
        let shown = match &answer {
            Ok(response) => format!("{} {}", response.status, clip(&String::from_utf8_lossy(&response.body))),
            Err(why) => why.clone(),
        };
        self.note(format!("{name} ◀ {shown}"));
        answer::compare(&mut self.scope, pattern, answer.as_ref())
            .map_err(|why| Stop::Fail(format!("{why}; the answer is {shown}")))
    }

    /// Whether a request is still unanswered; what has been written so far by the target is looked at.
    async fn pending(&mut self, client: usize, name: &str) -> Outcome {
        let key = (client, name.to_owned());
        let Some(exchange) = self.exchanges.get_mut(&key) else { return Err(unknown(name)) };
        // One turn of the runtime, so that an answer that is there is seen.
        tokio::task::yield_now().await;
        let answer = poll_fn(|cx| Poll::Ready(exchange.poll(cx))).await;
        match answer {
            Poll::Pending => Ok(()),
            Poll::Ready(answer) => {
                let shown = match &answer {
                    Ok(response) => format!("{} {}", response.status, clip(&String::from_utf8_lossy(&response.body))),
                    Err(why) => why.clone(),
                };
                self.exchanges.remove(&key);
                Err(Stop::Fail(format!("the request `{name}` had to stay open; it was answered: {shown}")))
            }
        }
    }
}

fn unknown(name: &str) -> Stop {
    Stop::Error(format!("there is no request `{name}` that waits; begin one with `http = {{…}}, later = \"{name}\"`"))
}

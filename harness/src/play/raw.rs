//! Clients whose packets are written and read as they are.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sio_protocol::Value;

use super::answer;
use super::client::Wire;
use super::player::{Outcome, Player};
use super::transcript::{self, clip};
use super::{ANSWER, CLOSE, EVENT, Stop, rows};
use crate::client::offset;
use crate::scenario::model::{self, Opening, RawPacket, RawPattern, Step, Verb};
use crate::scenario::template::{Piece, Template};
use crate::wire::frame::Frame;
use crate::wire::{Arrival, Closed, Command, Outgoing, polling, websocket};

/// A namespace nobody has: its refusal is a fence that needs no fixture.
const FENCE: &str = "/sio-bench-fence";

impl Player<'_> {
    /// Opens a raw client, and joins its namespace if it has one.
    pub(super) async fn enter_raw(&mut self, client: usize, spec: &model::Client, kind: &str) -> Outcome {
        if kind == "http" {
            return Ok(());
        }
        self.blame(spec, if kind == "polling" { rows::HANDSHAKE } else { rows::OPEN });
        self.dial(client, kind, spec.query.as_ref(), &[])?;
        self.opened(client, &Opening::Accepted, ANSWER).await?;
        if spec.namespace.is_none() {
            return Ok(());
        }
        self.next_packet(client, ANSWER, |text| text.starts_with("0{").then_some(())).await?;
        let nsp = self.clients[client].nsp.clone();
        self.blame(spec, rows::connect(&nsp));
        let prefix = if nsp == "/" { String::new() } else { format!("{nsp},") };
        let auth = match &spec.auth {
            Some(auth) => self.scope.render(auth).map_err(Stop::Error)?.to_string(),
            None => String::new(),
        };
        self.tell(client, vec![Outgoing::Text(format!("40{prefix}{auth}"))])?;
        let confirmed = format!("40{prefix}{{");
        let refused = format!("44{prefix}");
        let body = self.next_packet(client, ANSWER, |text| match text.strip_prefix(&refused) {
            Some(body) => Some(Err(body.to_owned())),
            None => text.starts_with(&confirmed).then(|| Ok(text[confirmed.len() - 1..].to_owned())),
        });
        let body = body.await?.map_err(|body| self.kept_out(&nsp, &body))?;
        self.recovers |= offset::is_recoverable(&body);
        self.keep_ids(client, &body);
        if self.stage.fixture {
            // The greeting of the fixture.
            self.blame(spec, rows::GREETING);
            let greeting = format!("42{prefix}[\"auth\",");
            self.next_packet(client, ANSWER, |text| text.starts_with(&greeting).then_some(())).await?;
        }
        Ok(())
    }

    fn keep_ids(&mut self, client: usize, body: &str) {
        let name = &self.clients[client].name;
        let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(body) else { return };
        for (field, value) in fields {
            match field.as_str() {
                "sid" => self.scope.vars.insert(format!("{name}.id"), value),
                "pid" => self.scope.vars.insert(format!("{name}.pid"), value),
                _ => None,
            };
        }
    }

    /// Starts the connection of a raw client.
    fn dial(&mut self, client: usize, kind: &str, query: Option<&Template>, behind: &[RawPacket]) -> Outcome {
        let query = match query {
            Some(query) => self.text(query)?,
            None => format!("EIO=4&transport={kind}"),
        };
        let behind = behind.iter().map(|packet| self.outgoing(packet)).collect::<Outcome<Vec<_>>>()?;
        let spec = &self.case.clients[client];
        let mut headers = Vec::new();
        for (name, value) in &spec.headers {
            headers.push((name.clone(), self.text(value)?));
        }
        let this = &self.clients[client];
        let endpoint = &this.endpoint;
        let (address, host) = (endpoint.address(), endpoint.authority.clone());
        endpoint.lend_headers(&mut headers);
        let path = endpoint.engine_path(&query);
        let cookies = endpoint.cookies();
        let line = format!("{} ▶ opens {kind} {}", this.name, clip(&query));
        let handle = match kind {
            "websocket" => websocket::open(websocket::Opening { address, path, host, headers, behind, cookies }),
            "polling" => polling::open(polling::Opening { address, host, path, headers, cookies }),
            other => return Err(Stop::Error(format!("a raw client of kind `{other}` cannot be opened"))),
        };
        self.note(line);
        let this = &mut self.clients[client];
        (this.wire, this.closed) = (Wire::Raw(handle), None);
        (this.closed_as_told, this.turned_away) = (false, false);
        Ok(())
    }

    /// Waits for what comes of [`dial`](Self::dial).
    async fn opened(&mut self, client: usize, outcome: &Opening, within: Duration) -> Outcome {
        let first = self.arrival(client, within).await;
        let name = self.clients[client].name.clone();
        let Some((at, first)) = first else {
            return Err(Stop::Late(format!("nothing came of opening {name} within {within:?}")));
        };
        let this = &mut self.clients[client];
        this.last = at;
        let fail = |why: String| Err(Stop::Fail(why));
        match (first, outcome) {
            (Arrival::Opened, Opening::Accepted | Opening::Either) => Ok(()),
            (Arrival::Refused { .. } | Arrival::Closed(_), Opening::Either) => {
                (this.closed_as_told, this.turned_away) = (true, true);
                Ok(())
            }
            (Arrival::Refused { status, .. }, Opening::Status(wanted)) if wanted.contains(&status) => {
                this.closed_as_told = true;
                Ok(())
            }
            (Arrival::Refused { .. } | Arrival::Closed(_), Opening::Refused) => {
                this.closed_as_told = true;
                Ok(())
            }
            // Switching protocols and then hanging up is a refusal, as long as no packet comes first.
            (Arrival::Opened, Opening::Refused) => match self.arrival(client, CLOSE).await {
                Some((_, Arrival::Closed(_))) => {
                    self.clients[client].closed_as_told = true;
                    Ok(())
                }
                Some((_, other)) => fail(format!("{name} had to be refused; it got {}", transcript::arrival(&other))),
                None => Err(Stop::Late(format!("{name} had to be refused; it is open, and nobody speaks"))),
            },
            (Arrival::Refused { status, body }, Opening::Status(wanted)) => {
                fail(format!("{name} was refused with {status} {}; expected {wanted:?}", body.trim()))
            }
            (other, Opening::Accepted) => fail(format!("{name} could not be opened: {}", transcript::arrival(&other))),
            (other, _) => fail(format!("{name} had to be refused; it is {}", transcript::arrival(&other))),
        }
    }

    /// The next thing that arrives.
    async fn arrival(&mut self, client: usize, within: Duration) -> Option<(Instant, Arrival)> {
        let next = self.wait(within, |player| player.clients[client].raw.pop_front().map(Ok)).await;
        next.and_then(Result::ok)
    }

    /// Takes the first text packet that `pick` wants; others stay.
    async fn next_packet<T>(
        &mut self,
        client: usize,
        within: Duration,
        mut pick: impl FnMut(&str) -> Option<T>,
    ) -> Outcome<T> {
        let found = self
            .wait(within, |player| {
                let this = &mut player.clients[client];
                let mut picked = None;
                let index = this.raw.iter().position(|(_, arrival)| {
                    if let Arrival::Text(text) = arrival {
                        picked = pick(text);
                    }
                    picked.is_some()
                });
                if let (Some(index), Some(value)) = (index, picked) {
                    if let Some((at, _)) = this.raw.remove(index) {
                        this.last = at;
                    }
                    return Some(Ok(value));
                }
                let closed = this.closed.as_ref();
                closed.map(|why| Err(Stop::Fail(format!("the connection of {} closed: {why}", this.name))))
            })
            .await;
        let name = &self.clients[client].name;
        found.unwrap_or_else(|| Err(Stop::Late(format!("{name} was not let in within {within:?}"))))
    }

    pub(super) async fn raw_step(&mut self, client: usize, step: &Step) -> Outcome {
        let within = |usual: Duration| step.within.unwrap_or(usual);
        if self.clients[client].turned_away && !matches!(step.verb, Verb::Open { .. }) {
            return Ok(());
        }
        match &step.verb {
            Verb::Open { outcome, .. } => self.opened(client, outcome, within(ANSWER)).await,
            Verb::Receive { packets, json } => {
                self.receive(client, packets, json.as_ref(), step.after, within(EVENT)).await
            }
            Verb::Closed { codes, drain } => self.closed(client, codes, *drain, step.after, within(CLOSE)).await,
            Verb::ClosedOrIgnored => self.harmless(client).await,
            _ => Ok(()),
        }
    }

    /// The part of a raw step that waits for nothing.
    pub(super) fn begin_raw(&mut self, client: usize, verb: &Verb) -> Outcome {
        match verb {
            Verb::Open { query, behind, .. } => {
                let spec = &self.case.clients[client];
                let kind = match &spec.raw {
                    Some(raw) => self.text(raw)?,
                    None => return Err(Stop::Error("only a raw client is opened by a step".to_owned())),
                };
                self.dial(client, &kind, query.as_ref().or(spec.query.as_ref()), behind)
            }
            Verb::Send(packets) => {
                if self.clients[client].closed.is_some() {
                    // Nobody hears it; whether the close was right is for the next step.
                    return Ok(());
                }
                let packets = packets.iter().map(|packet| self.outgoing(packet)).collect::<Outcome<Vec<_>>>()?;
                self.tell(client, packets)
            }
            Verb::Read(reading) => {
                self.clients[client].raw_handle().map_err(Stop::Error)?.tell(Command::Read(*reading));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn tell(&mut self, client: usize, packets: Vec<Outgoing>) -> Outcome {
        let name = self.clients[client].name.clone();
        for packet in &packets {
            self.note(format!("{name} ▶ {}", transcript::outgoing(packet)));
        }
        let this = &mut self.clients[client];
        this.last = crate::clock::now();
        this.raw_handle().map_err(Stop::Fail)?.tell(Command::Send(packets));
        Ok(())
    }

    /// A packet of a step with its variables filled in.
    pub(super) fn outgoing(&mut self, packet: &RawPacket) -> Outcome<Outgoing> {
        Ok(match packet {
            RawPacket::Text(pieces) => Outgoing::Text(self.scope.render_string(pieces).map_err(Stop::Error)?),
            RawPacket::Binary(template) => Outgoing::Binary(self.bytes(template)?),
            RawPacket::Bytes(template) => Outgoing::Bytes(self.bytes(template)?),
            RawPacket::Frame { payload, opcode, fin, rsv, masked, claims } => {
                let payload = match self.scope.render(payload).map_err(Stop::Error)? {
                    Value::Binary(bytes) => bytes,
                    Value::String(text) => text.into(),
                    other => return Err(Stop::Error(format!("a frame holds a text or bytes, not {other}"))),
                };
                let (opcode, rsv) = (self.number(opcode)? as u8 & 15, self.number(rsv)? as u8 & 7);
                let (fin, masked) = (self.flag(fin)?, self.flag(masked)?);
                let claims = claims.as_ref().map(|claims| self.number(claims)).transpose()?;
                Outgoing::Frame(Frame { fin, rsv, opcode, masked, payload, claims })
            }
        })
    }

    pub(super) fn number(&mut self, template: &Template) -> Outcome<u64> {
        match self.scope.render(template).map_err(Stop::Error)? {
            Value::Number(number) if number.is_u64() => Ok(number.as_u64().unwrap_or_default()),
            other => Err(Stop::Error(format!("expected a whole number, found {other}"))),
        }
    }

    pub(super) fn flag(&mut self, template: &Template) -> Outcome<bool> {
        match self.scope.render(template).map_err(Stop::Error)? {
            Value::Bool(flag) => Ok(flag),
            other => Err(Stop::Error(format!("expected true or false, found {other}"))),
        }
    }

    /// Bytes as they are, or from their hexadecimal digits.
    fn bytes(&mut self, template: &Template) -> Outcome<Bytes> {
        match self.scope.render(template).map_err(Stop::Error)? {
            Value::Binary(bytes) => Ok(bytes),
            Value::String(digits) => hex(&digits).map_err(Stop::Error),
            other => Err(Stop::Error(format!("expected bytes, found {other}"))),
        }
    }

    async fn receive(
        &mut self,
        client: usize,
        patterns: &[RawPattern],
        json: Option<&Template>,
        after: Option<Duration>,
        within: Duration,
    ) -> Outcome {
        let since = self.clients[client].last;
        // The clock of a deadline starts with the client's last packet, as that of `after` does.
        let left = within.saturating_sub(since.elapsed()).max(within / 2);
        let arrival = self.arrival(client, left).await;
        let name = self.clients[client].name.clone();
        let Some((at, arrival)) = arrival else {
            return Err(Stop::Late(format!("{name} got no packet within {within:?}")));
        };
        if let Arrival::Closed(Closed { why, .. }) = &arrival {
            return Err(Stop::Fail(format!("the connection of {name} closed: {why}")));
        }
        let gap = at.saturating_duration_since(since);
        self.clients[client].last = at;
        let mut problem = String::new();
        for pattern in patterns {
            match self.matches_raw(pattern, json, &arrival) {
                Ok(()) => {
                    return match after.filter(|after| gap < *after) {
                        Some(after) => Err(Stop::Late(format!(
                            "{name} got {} after {gap:?}, and not before {after:?} was right",
                            transcript::arrival(&arrival)
                        ))),
                        None => Ok(()),
                    };
                }
                Err(why) => problem = why,
            }
        }
        Err(Stop::Fail(format!("the packet differs: {problem}; it is {}", transcript::arrival(&arrival))))
    }

    fn matches_raw(&mut self, pattern: &RawPattern, json: Option<&Template>, arrival: &Arrival) -> Result<(), String> {
        match (pattern, arrival) {
            (RawPattern::Text(pieces), Arrival::Text(text)) => {
                let readings = self.readings(text);
                answer::one_fits(&readings, |text| answer::matches_text(&mut self.scope, pieces, json, text))
            }
            (RawPattern::Binary(template), Arrival::Binary(bytes)) => {
                let any = matches!(template, Template::Text(pieces) if matches!(pieces.as_slice(), [Piece::Expr(crate::scenario::template::Expr::Any(_))]));
                if any {
                    return Ok(());
                }
                let expected = self.bytes(template).map_err(|stop| format!("{stop:?}"))?;
                if expected == *bytes {
                    return Ok(());
                }
                Err(format!("expected {}", clip(&Value::Binary(expected).to_string())))
            }
            (RawPattern::Pong(pieces), Arrival::Pong(bytes)) => {
                self.scope.matches_raw(pieces, &String::from_utf8_lossy(bytes))
            }
            (RawPattern::Text(_), _) => Err("expected a text packet".to_owned()),
            (RawPattern::Binary(_), _) => Err("expected a binary packet".to_owned()),
            (RawPattern::Pong(_), _) => Err("expected the answer to a WebSocket ping".to_owned()),
        }
    }

    async fn closed(
        &mut self,
        client: usize,
        codes: &[u16],
        drain: bool,
        after: Option<Duration>,
        within: Duration,
    ) -> Outcome {
        let name = self.clients[client].name.clone();
        if matches!(self.clients[client].wire, Wire::Packets(_)) {
            return self.packets_closed(client, within).await;
        }
        let since = self.clients[client].last;
        let deadline = crate::clock::now() + within;
        loop {
            let left = deadline.saturating_duration_since(crate::clock::now());
            let Some((at, arrival)) = self.arrival(client, left).await else {
                if self.clients[client].closed_as_told {
                    return Ok(());
                }
                self.waiting(within);
                return Err(Stop::Late(format!("the connection of {name} was still open after {within:?}")));
            };
            self.clients[client].last = at;
            match arrival {
                Arrival::Closed(closed) => {
                    self.clients[client].closed_as_told = true;
                    let gap = at.saturating_duration_since(since);
                    if let Some(after) = after.filter(|after| gap < *after) {
                        let why = format!(
                            "the connection of {name} closed after {gap:?}, and not before {after:?} was right"
                        );
                        return Err(Stop::Late(why));
                    }
                    if !codes.is_empty() && closed.code.is_none_or(|code| !codes.contains(&code)) {
                        return Err(Stop::Fail(format!("expected a close with {codes:?}: {}", closed.why)));
                    }
                    return Ok(());
                }
                // The way a polling server releases a request.
                Arrival::Text(text) if text == "6" => {}
                _ if drain => {}
                other => {
                    let what = transcript::arrival(&other);
                    return Err(Stop::Fail(format!("{name} got a packet ahead of the close: {what}")));
                }
            }
        }
    }

    async fn packets_closed(&mut self, client: usize, within: Duration) -> Outcome {
        let closed = self.wait(within, |player| player.clients[client].closed.is_some().then_some(Ok(()))).await;
        let this = &mut self.clients[client];
        this.put_out.clear();
        this.closed_as_told = true;
        let why = || Stop::Late(format!("the connection of {} was still open after {within:?}", this.name));
        closed.unwrap_or_else(|| Err(why()))
    }

    /// Closed, or working as before and silent.
    async fn harmless(&mut self, client: usize) -> Outcome {
        self.raw_fence(client).await?;
        let this = &mut self.clients[client];
        // A server that handles packets side by side may answer the fence and close afterwards.
        this.closed_as_told = true;
        if this.closed.is_some() {
            this.raw.retain(|(_, arrival)| !matches!(arrival, Arrival::Closed(_)));
        }
        let Some((_, arrival)) = this.raw.front() else { return Ok(()) };
        let what = transcript::arrival(arrival);
        Err(Stop::Fail(format!("{} had to be ignored or closed; it got {what}", this.name)))
    }

    /// As the fence of other clients: a refusal by a namespace that nobody has.
    pub(super) async fn raw_fence(&mut self, client: usize) -> Outcome {
        if self.clients[client].closed.is_some() {
            return Ok(());
        }
        self.tell(client, vec![Outgoing::Text(format!("40{FENCE},"))])?;
        let answer = format!("44{FENCE},");
        let fenced = self
            .wait(ANSWER, |player| {
                let this = &mut player.clients[client];
                let is_answer = |(_, arrival): &(Instant, Arrival)| {
                    matches!(arrival, Arrival::Text(text) if text.starts_with(&answer))
                };
                if let Some(index) = this.raw.iter().position(is_answer) {
                    this.raw.remove(index);
                    return Some(Ok(()));
                }
                this.closed.is_some().then_some(Ok(()))
            })
            .await;
        fenced.unwrap_or_else(|| Err(Stop::Late(format!("no answer to a fence within {ANSWER:?}"))))
    }
}

/// Digits in pairs; spaces between pairs are for the reader.
fn hex(digits: &str) -> Result<Bytes, String> {
    let wrong = || format!("`{digits}` is not hexadecimal; expected pairs of digits such as \"00 ff\"");
    let digits: Vec<u32> = digits
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()
        .ok_or_else(wrong)?;
    if !digits.len().is_multiple_of(2) {
        return Err(wrong());
    }
    Ok(digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect::<Vec<_>>().into())
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn bytes_are_written_as_pairs_of_digits() {
        assert_eq!(hex("00 fF7a").unwrap()[..], [0, 255, 122]);
        assert!(hex("0").is_err() && hex("zz").is_err());
    }
}

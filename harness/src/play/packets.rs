//! Clients that speak the protocol: connecting, emitting, expecting, leaving.

use std::time::Duration;

use sio_protocol::{Args, Value};

use super::client::{Arrival, Wire};
use super::player::{Begun, Outcome, Player};
use super::transcript::{self, clip};
use super::{ANSWER, QUIET, Stop, rows};
use crate::client::{Connection, Jar, offset};
use crate::scenario::model::{Ack, Drop, Order, Transport};
use crate::scenario::template::Template;
use crate::wire::{self, LinkAction};

/// The event every target with the fixture acknowledges.
const FENCE: &str = "message-with-ack";

impl Player<'_> {
    pub(super) fn begin_connect(&mut self, client: usize, nsp: &str, auth: Option<&Template>) -> Outcome<Begun> {
        let auth = match auth {
            Some(auth) => self.scope.render(auth).map_err(Stop::Error)?.to_string(),
            None => String::new(),
        };
        let name = self.clients[client].name.clone();
        self.note(format!("{name} ▶ CONNECT {nsp} {auth}"));
        self.clients[client].connection().map_err(Stop::Fail)?.connect(nsp, &auth);
        Ok(Begun::Connecting { client, nsp: nsp.to_owned() })
    }

    pub(super) fn begin_emit(
        &mut self,
        client: usize,
        nsp: &str,
        args: &[Template],
        ack: Option<&Ack>,
    ) -> Outcome<Begun> {
        let values: Vec<Value> =
            args.iter().map(|arg| self.scope.render(arg)).collect::<Result<_, _>>().map_err(Stop::Error)?;
        self.scope.sent = values[1..].to_vec();
        let name = self.clients[client].name.clone();
        self.senders.note(&name, &values);
        let packet = Args::from_values(&values);
        let shown = clip(packet.json());
        let id = self.clients[client].connection().map_err(Stop::Fail)?.emit(nsp, packet, ack.is_some());
        let asked = id.map_or(String::new(), |id| format!("   ack {id}"));
        self.note(format!("{name} ▶ {nsp} {shown}{asked}"));
        Ok(match (id, ack) {
            (Some(id), Some(ack)) => Begun::Answers { client, nsp: nsp.to_owned(), id, ack: ack.clone() },
            _ => Begun::Done,
        })
    }

    /// Waits for the answer to what was begun and compares it.
    pub(super) async fn finish(&mut self, begun: Begun, within: Duration, refused: Option<&Template>) -> Outcome {
        match begun {
            Begun::Done => Ok(()),
            Begun::Answers { client, nsp, id, ack } => {
                // That it comes at all is what is asked here; in what the case is about, it is more.
                self.row = matches!(ack, Ack::Any).then_some(rows::ACK);
                let answer = self.ack(client, &nsp, id, within).await?;
                self.row = None;
                self.compare_ack(&ack, &answer)
            }
            Begun::Connecting { client, nsp } => self.connected(client, &nsp, within, refused).await,
        }
    }

    pub(super) async fn ack(&mut self, client: usize, nsp: &str, id: u64, within: Duration) -> Outcome<Args> {
        let answer = self
            .wait(within, |player| {
                let client = &mut player.clients[client];
                let index = client.acks.iter().position(|(ns, number, _)| ns == nsp && *number == id);
                if let Some(index) = index {
                    return Some(Ok(client.acks.swap_remove(index).2));
                }
                let closed = client.closed.as_ref();
                closed.map(|why| Err(Stop::Fail(format!("the connection of {} closed: {why}", client.name))))
            })
            .await;
        let name = &self.clients[client].name;
        answer.unwrap_or_else(|| Err(Stop::Late(format!("{name} got no acknowledgement within {within:?}"))))
    }

    fn compare_ack(&mut self, ack: &Ack, answer: &Args) -> Outcome {
        let values = answer.to_values().map_err(|error| Stop::Fail(format!("the acknowledgement: {error}")))?;
        unsupported(&values)?;
        let Ack::OneOf(lists) = ack else { return Ok(()) };
        let mut problem = String::new();
        for list in lists {
            match self.scope.match_all(list, &values) {
                Ok(()) => return Ok(()),
                Err(why) => problem = why,
            }
        }
        Err(Stop::Fail(format!("the acknowledgement differs: {problem}")))
    }

    async fn connected(&mut self, client: usize, nsp: &str, within: Duration, refused: Option<&Template>) -> Outcome {
        let answer = self
            .wait(within, |player| {
                let client = &mut player.clients[client];
                if let Some(index) = client.answers.iter().position(|(name, _)| name == nsp) {
                    return Some(Ok(client.answers.swap_remove(index).1));
                }
                let closed = client.closed.as_ref();
                closed.map(|why| Err(Stop::Fail(format!("the connection of {} closed: {why}", client.name))))
            })
            .await;
        let answer =
            answer.unwrap_or_else(|| Err(Stop::Late(format!("no answer to CONNECT {nsp} within {within:?}"))))?;
        match (answer, refused) {
            (Ok(_), None) => Ok(()),
            (Ok(_), Some(_)) => Err(Stop::Fail(format!("{nsp} let the client in; it had to refuse"))),
            (Err(body), None) => Err(self.kept_out(nsp, &body)),
            (Err(body), Some(pattern)) => {
                let body: Value = serde_json::from_str(&body)
                    .map_err(|error| Stop::Fail(format!("the refusal is not JSON ({error}): {body}")))?;
                self.scope.matches(pattern, &body).map_err(|why| Stop::Fail(format!("the refusal differs: {why}")))
            }
        }
    }

    /// Whether the case looks at nothing that an application does.
    fn sees_wire_only(&self) -> bool {
        self.case.needs.iter().any(|need| need == "wire")
    }

    /// A client was refused. An application of one's own may want to see credentials; only the fixture lets everybody in. A
    /// case of no row was written for the application that it is played on: there a refusal is what it found.
    pub(super) fn kept_out(&self, nsp: &str, body: &str) -> Stop {
        if self.stage.fixture || !self.sees_wire_only() || self.case.rule.is_none() {
            Stop::Fail(format!("{nsp} refused: {body}"))
        } else {
            Stop::Unsupported(format!("the application does not let this client into {nsp}: {body}"))
        }
    }

    // ---- receiving

    pub(super) async fn expect(&mut self, client: usize, expected: &Expected<'_>, within: Duration) -> Outcome {
        if expected.times == 0 {
            return self.expect_none(client, expected).await;
        }
        let mut taken: Vec<Vec<Value>> = Vec::new();
        let since = self.clients[client].last;
        let outcome = self
            .wait(within, |player| {
                while let Some((values, id)) = player.take_matching(client, expected) {
                    if let Some(after) = expected.after.filter(|after| player.clients[client].last < since + *after) {
                        let name = &player.clients[client].name;
                        let early = player.clients[client].last.saturating_duration_since(since);
                        let why = format!("{name} got the event after {early:?}, and not before {after:?} was right");
                        return Some(Err(Stop::Late(why)));
                    }
                    taken.push(values);
                    if let (Some(id), Some(reply)) = (id, expected.reply)
                        && let Err(stop) = player.reply(client, expected.nsp, id, reply)
                    {
                        return Some(Err(stop));
                    }
                    if taken.len() as u64 == expected.times {
                        return Some(Ok(()));
                    }
                }
                None
            })
            .await;
        match outcome {
            None => {
                let client = &self.clients[client];
                let others: Vec<_> = client.arrivals.iter().map(|arrival| list(&arrival.values)).take(5).collect();
                let others = if others.is_empty() { "nothing else".to_owned() } else { others.join(" ") };
                return Err(Stop::Late(format!(
                    "{} got this event {} of {} times within {within:?}; it has {others}",
                    client.name,
                    taken.len(),
                    expected.times
                )));
            }
            Some(outcome) => outcome?,
        }
        match expected.order {
            None => Ok(()),
            Some(Order::PerSender) => self.senders.check(taken.iter().map(|values| &values[1..])).map_err(Stop::Fail),
            Some(Order::AsListed) => self.as_listed(expected.events, &taken),
        }
    }

    /// Whether events have come in the order of the alternatives.
    fn as_listed(&mut self, events: &[Vec<Template>], taken: &[Vec<Value>]) -> Outcome {
        let mut last: Option<(usize, &Vec<Value>)> = None;
        for values in taken {
            let place = events.iter().position(|event| self.scope.match_all(event, values).is_ok()).unwrap_or_default();
            if let Some((_, before)) = last.filter(|(before, _)| *before > place) {
                return Err(Stop::Fail(format!("{} came after {}", list(values), list(before))));
            }
            last = Some((place, values));
        }
        Ok(())
    }

    /// Such an event is not here, and will not come of anything that was sent so far.
    async fn expect_none(&mut self, client: usize, expected: &Expected<'_>) -> Outcome {
        self.fence(client).await?;
        match self.take_matching(client, expected) {
            Some((values, _)) => {
                let name = &self.clients[client].name;
                Err(Stop::Fail(format!("{name} got an event that it must not get: {}", list(&values))))
            }
            None => Ok(()),
        }
    }

    fn take_matching(&mut self, client: usize, expected: &Expected<'_>) -> Option<(Vec<Value>, Option<u64>)> {
        let may_have_offset = self.may_have_offsets();
        let (client, scope) = (&mut self.clients[client], &mut self.scope);
        let mut is_one = |values: &[Value]| expected.events.iter().any(|event| scope.match_all(event, values).is_ok());
        // How many of its values the application has sent.
        let (index, length) = client.arrivals.iter().enumerate().find_map(|(index, arrival)| {
            let values = (arrival.nsp == expected.nsp).then_some(&arrival.values[..])?;
            let without = (may_have_offset && arrival.id.is_none()).then(|| offset::without_offset(values)).flatten();
            let matching = std::iter::once(values).chain(without).find(|values| is_one(values))?;
            Some((index, matching.len()))
        })?;
        let mut arrival = client.arrivals.remove(index);
        arrival.values.truncate(length);
        client.last = arrival.at;
        Some((arrival.values, arrival.id))
    }

    fn reply(&mut self, client: usize, nsp: &str, id: u64, reply: &[Template]) -> Outcome {
        let values: Vec<_> =
            reply.iter().map(|value| self.scope.render(value)).collect::<Result<_, _>>().map_err(Stop::Error)?;
        self.clients[client].connection().map_err(Stop::Fail)?.ack(nsp, id, Args::from_values(&values));
        Ok(())
    }

    pub(super) async fn silent(&mut self, client: usize, quiet: Option<Duration>) -> Outcome {
        match quiet {
            Some(time) => {
                self.wait::<()>(time, |_| None).await;
            }
            None => self.fence(client).await?,
        }
        // A case about an application says of its own events that they are not to come.
        self.nothing_left(client, self.stage.fixture || !self.sees_wire_only())
    }

    /// An acknowledged round trip on the client's own connection: whatever was queued ahead of it is here.
    pub(super) async fn fence(&mut self, client: usize) -> Outcome {
        let this = &self.clients[client];
        if this.closed.is_some() {
            return Ok(());
        }
        match this.wire {
            Wire::Raw(_) => return self.raw_fence(client).await,
            Wire::None | Wire::Silent(_) => return Ok(()),
            Wire::Packets(_) => {}
        }
        let Some(nsp) = this.joined.first().cloned() else { return Ok(()) };
        if !self.stage.fence {
            self.wait::<()>(QUIET, |_| None).await;
            return Ok(());
        }
        let args = Args::from_values(&[Value::from(FENCE)]);
        let id = self.clients[client].connection().map_err(Stop::Fail)?.emit(&nsp, args, true);
        let name = self.clients[client].name.clone();
        self.note(format!("{name} ▶ {nsp} [\"{FENCE}\"]   ack {}, a fence", id.unwrap_or_default()));
        self.ack(client, &nsp, id.unwrap_or_default(), ANSWER).await.map(drop)
    }

    /// Whether everything that arrived was asked for; what the application says by itself matters only if it is `strict`.
    fn nothing_left(&self, client: usize, strict: bool) -> Outcome {
        let client = &self.clients[client];
        let name = &client.name;
        let own = |arrival: &&Arrival| !strict && client.chatter.is_own(arrival.values.first());
        if let Some(arrival) = client.arrivals.iter().find(|arrival| !own(arrival)) {
            let what = list(&arrival.values);
            return Err(Stop::Fail(format!("{name} got an event in {} that no step asked for: {what}", arrival.nsp)));
        }
        let packet = client.raw.iter().find(|(_, arrival)| !matches!(arrival, wire::Arrival::Closed(_)));
        if let Some((_, arrival)) = packet {
            let what = transcript::arrival(arrival);
            return Err(Stop::Fail(format!("{name} got a packet that no step asked for: {what}")));
        }
        if let Some(nsp) = client.put_out.first() {
            return Err(Stop::Fail(format!("the server put {name} out of {nsp}")));
        }
        match &client.closed {
            Some(why) if !client.closed_as_told => Err(Stop::Fail(format!("the connection of {name} closed: {why}"))),
            _ => Ok(()),
        }
    }

    pub(super) async fn settle(&mut self) -> Outcome {
        for client in 0..self.clients.len() {
            self.fence(client).await?;
        }
        (0..self.clients.len()).try_for_each(|client| self.nothing_left(client, false))
    }

    // ---- leaving

    pub(super) async fn disconnect(&mut self, client: usize, nsp: &str) -> Outcome {
        let this = &mut self.clients[client];
        this.connection().map_err(Stop::Fail)?.disconnect(nsp);
        this.joined.retain(|joined| joined != nsp);
        let name = this.name.clone();
        let last = this.joined.is_empty();
        self.note(format!("{name} ▶ DISCONNECT {nsp}{}", if last { ", and closes" } else { "" }));
        let this = &mut self.clients[client];
        if last && let Wire::Packets(connection) = std::mem::replace(&mut this.wire, Wire::None) {
            this.left = true;
            connection.close().await;
        }
        Ok(())
    }

    /// Waits until the server puts the client out of `nsp`, be it with a packet or with the whole connection.
    pub(super) async fn disconnected(&mut self, client: usize, nsp: &str, within: Duration) -> Outcome {
        let out = self
            .wait(within, |player| {
                let this = &mut player.clients[client];
                if let Some(index) = this.put_out.iter().position(|name| name == nsp) {
                    this.put_out.remove(index);
                    return Some(Ok(()));
                }
                let closed = this.closed.as_ref();
                closed.map(|why| Err(Stop::Fail(format!("the connection of {} closed: {why}", this.name))))
            })
            .await;
        let name = &self.clients[client].name;
        out.unwrap_or_else(|| Err(Stop::Late(format!("the server left {name} in {nsp} for {within:?}"))))
    }

    pub(super) fn drop_client(&mut self, client: usize, how: Drop) -> Outcome {
        let this = &mut self.clients[client];
        this.joined.clear();
        match std::mem::replace(&mut this.wire, Wire::None) {
            Wire::Packets(connection) => match how {
                Drop::Close => drop(connection),
                Drop::Reset => connection.reset(),
                Drop::Silence => this.wire = Wire::Silent(connection),
            },
            Wire::Raw(handle) => match how {
                Drop::Close | Drop::Reset => {
                    handle.tell(wire::Command::Drop { reset: how == Drop::Reset });
                    this.closed_as_told = true;
                    // Until the task has let go of its socket.
                    this.wire = Wire::Raw(handle);
                }
                Drop::Silence => {
                    handle.tell(wire::Command::Read(false));
                    this.wire = Wire::Raw(handle);
                }
            },
            Wire::None | Wire::Silent(_) => {
                return Err(match &this.closed {
                    // Whose fault that is depends on how late whoever was.
                    Some(why) => Stop::Fail(format!("{}'s connection had closed ahead of that: {why}", this.name)),
                    None => Stop::Error(format!("{} has no connection to drop", this.name)),
                });
            }
        }
        this.left = true;
        let line = format!("{} ▶ drop {how:?}", this.name);
        self.note(line);
        Ok(())
    }

    pub(super) fn act_on_link(&mut self, client: usize, action: LinkAction) -> Outcome {
        let this = &self.clients[client];
        let Some(link) = &this.link else {
            return Err(Stop::Error(format!("{} has no link to control; give it `link = true`", this.name)));
        };
        link.act(action);
        let line = format!("{} ━ link {action:?}", this.name);
        self.note(line);
        Ok(())
    }

    /// Somebody else can connect, join and be answered.
    ///
    /// A newcomer that is not served beside one that is has met with an accident of its own, which is told as such.
    pub(super) async fn alive(&mut self) -> Outcome {
        let Err((stop, row)) = self.newcomer().await else { return Ok(()) };
        if self.newcomer().await.is_ok() {
            self.row = Some(row);
        }
        Err(stop)
    }

    /// A client that has nothing to do with the case; if it is not served, with the row that this violates by itself.
    async fn newcomer(&mut self) -> Result<(), (Stop, &'static str)> {
        let endpoint = self.stage.endpoint.clone().with_jar(Jar::default());
        let (http, fence) = (&self.stage.http, self.stage.fence);
        let mut row = rows::OPEN;
        let probe = async {
            let mut connection = Connection::open(&endpoint, http, Transport::WebSocket).await?;
            row = rows::connect("/");
            connection.join("/", "", ANSWER).await?;
            if fence {
                row = rows::ACK;
                connection.call("/", Args::from_values(&[Value::from(FENCE)]), ANSWER).await?;
            }
            connection.close().await;
            Ok::<_, crate::client::Error>(())
        };
        let served = tokio::time::timeout(ANSWER, probe).await;
        let (stop, shown) = match served {
            Ok(Ok(())) => (None, "is served".to_owned()),
            // Whom an application lets in is its own affair; it has answered.
            Ok(Err(crate::client::Error::Refused(_))) if !self.stage.fixture => (None, "is refused".to_owned()),
            Ok(Err(error @ crate::client::Error::Timeout { .. })) => {
                let why = format!("the target does not serve a newcomer any more: {error}");
                (Some(Stop::Late(why)), error.to_string())
            }
            Ok(Err(error)) => {
                let why = format!("the target does not serve a newcomer any more: {error}");
                (Some(Stop::Fail(why)), error.to_string())
            }
            Err(_) => {
                let why = format!("the target did not serve a newcomer within {ANSWER:?}");
                (Some(Stop::Late(why)), format!("is not served within {ANSWER:?}"))
            }
        };
        self.waiting(ANSWER);
        self.note(format!("a newcomer ◀ {shown}"));
        stop.map_or(Ok(()), |stop| Err((stop, row)))
    }
}

/// An answer that says that the target's interface has no words for what was asked.
pub(super) fn unsupported(values: &[Value]) -> Outcome {
    let [Value::Object(fields)] = values else { return Ok(()) };
    let [(key, Value::String(why))] = fields.as_slice() else { return Ok(()) };
    if key == "error" && why.starts_with("unsupported") {
        return Err(Stop::Unsupported(format!("the fixture on this target answers `{why}`")));
    }
    Ok(())
}

/// What an `expect` step looks for.
pub(super) struct Expected<'a> {
    pub(super) nsp: &'a str,
    pub(super) events: &'a [Vec<Template>],
    pub(super) times: u64,
    pub(super) order: Option<Order>,
    pub(super) reply: Option<&'a [Template]>,
    /// Not earlier than this after the client's last packet.
    pub(super) after: Option<Duration>,
}

fn list(values: &[Value]) -> String {
    clip(&Value::Array(values.to_vec()).to_string())
}

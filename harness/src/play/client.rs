//! One named client of a case: its connection and what has arrived on it.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Instant;

use sio_protocol::client::Event;
use sio_protocol::{Args, Value};

use super::chatter::Chatter;
use super::transcript::{self, clip};
use crate::client::{Connection, Endpoint, Jar};
use crate::clock;
use crate::wire::{self, Link};

/// Events taken in at a time; a target that floods must not keep the others from being served.
const AT_A_TIME: usize = 1_000;
/// Events kept that no step has asked for. More is a flood.
const MOST_ARRIVALS: usize = 100_000;
/// Stands behind what was set aside.
const OWN: &str = "   (the application's own)";
/// Bytes of packets of a client, over all of a case.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// An event that no step has asked for yet.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub nsp: String,
    /// Name and arguments.
    pub values: Vec<Value>,
    pub id: Option<u64>,
    pub at: Instant,
}

/// How a client reaches the target.
pub(crate) enum Wire {
    Packets(Connection),
    Raw(wire::Handle),
    /// Nothing is open: it has not begun, has left, or only makes requests.
    None,
    /// It has fallen silent: the connection is kept open and not looked at.
    Silent(#[expect(dead_code, reason = "kept open, not looked at")] Connection),
}

/// A client and its inbox.
#[expect(clippy::struct_excessive_bools, reason = "each tells something of its own")]
pub(crate) struct Client {
    pub name: String,
    pub wire: Wire,
    pub endpoint: Endpoint,
    pub link: Option<Link>,
    /// Where its steps act when they do not say otherwise.
    pub nsp: String,
    pub arrivals: Vec<Arrival>,
    /// What a raw connection has brought.
    pub raw: VecDeque<(Instant, wire::Arrival)>,
    pub acks: Vec<(String, u64, Args)>,
    /// Answers to CONNECT: namespace and body, or the body of the refusal.
    pub answers: Vec<(String, Result<String, String>)>,
    pub joined: Vec<String>,
    /// Namespaces that the server closed and no step asked it to.
    pub put_out: Vec<String>,
    pub closed: Option<String>,
    /// A step has asked for the close.
    pub closed_as_told: bool,
    pub upgraded: bool,
    /// It has closed its connection and may come back.
    pub left: bool,
    /// The time of its last packet that a step dealt with.
    pub last: Instant,
    /// Whether pings are packets like others.
    pub pings_shown: bool,
    /// Whether noops are.
    pub noops_shown: bool,
    /// A step opened it and allowed that it was refused, which it was: what else is asked of it does not matter.
    pub turned_away: bool,
    /// What the application says by itself.
    pub chatter: Chatter,
    /// Namespaces whose greeting has not come yet.
    greeting: Vec<String>,
    /// Bytes that have come in packets.
    bytes: usize,
}

impl Client {
    pub(crate) fn new(name: &str, endpoint: Endpoint, nsp: String, chatter: Chatter) -> Self {
        Self {
            name: name.to_owned(),
            wire: Wire::None,
            endpoint: endpoint.with_jar(Jar::default()),
            link: None,
            nsp,
            arrivals: Vec::new(),
            raw: VecDeque::new(),
            acks: Vec::new(),
            answers: Vec::new(),
            joined: Vec::new(),
            put_out: Vec::new(),
            closed: None,
            closed_as_told: false,
            upgraded: false,
            left: false,
            last: clock::now(),
            pings_shown: false,
            noops_shown: false,
            turned_away: false,
            chatter,
            greeting: Vec::new(),
            bytes: 0,
        }
    }

    /// Takes in whatever has arrived; notes it in `log`.
    pub(crate) fn absorb(&mut self, cx: &mut Context<'_>, log: &mut dyn FnMut(Instant, String)) {
        for _ in 0..AT_A_TIME {
            match &mut self.wire {
                Wire::Packets(connection) => match connection.poll_event(cx) {
                    Poll::Ready(event) => self.take(event, log),
                    Poll::Pending => return,
                },
                Wire::Raw(handle) => match handle.poll_arrival(cx) {
                    Poll::Ready(Some((at, arrival))) => self.take_raw(at, arrival, log),
                    Poll::Ready(None) => {
                        self.wire = Wire::None;
                        return;
                    }
                    Poll::Pending => return,
                },
                Wire::None | Wire::Silent(_) => return,
            }
            if self.kept() > MOST_ARRIVALS || self.bytes > MOST_BYTES {
                self.closed =
                    Some(format!("{} was flooded: {} packets came that no step asked for", self.name, self.kept()));
                self.wire = Wire::None;
                return;
            }
        }
        cx.waker().wake_by_ref();
    }

    /// Packets that no step has asked for yet.
    fn kept(&self) -> usize {
        let others = self.acks.len() + self.answers.len() + self.put_out.len() + self.joined.len();
        self.arrivals.len() + self.raw.len() + others
    }

    fn take_raw(&mut self, at: Instant, arrival: wire::Arrival, log: &mut dyn FnMut(Instant, String)) {
        let own = self.chatter.takes(&arrival);
        log(at, format!("{} ◀ {}{}", self.name, transcript::arrival(&arrival), if own { OWN } else { "" }));
        if own {
            return;
        }
        match &arrival {
            wire::Arrival::Noted(_) => return,
            wire::Arrival::Text(text) if text == "2" && !self.pings_shown => {
                if let Wire::Raw(handle) = &self.wire {
                    handle.tell(wire::Command::Send(vec![wire::Outgoing::Text("3".to_owned())]));
                }
                return;
            }
            // A close packet announces the close that follows.
            wire::Arrival::Text(text) if matches!(text.as_str(), "1" | "6") && !self.noops_shown => return,
            wire::Arrival::Closed(closed) => self.closed = Some(closed.why.clone()),
            wire::Arrival::Refused { status, body } => {
                self.closed = Some(format!("it was refused with {status} {}", body.trim()));
            }
            _ => {}
        }
        self.raw.push_back((at, arrival));
    }

    fn take(&mut self, event: Event, log: &mut dyn FnMut(Instant, String)) {
        let at = clock::now();
        let mut log = |line: String| log(at, line);
        let name = &self.name;
        match event {
            Event::Open(handshake) => log(format!(r#"{name} ◀ open {{"sid":"{}"}}"#, handshake.sid)),
            Event::Engine(packet) => log(format!("{name} ◀ {packet:?}")),
            Event::Connect { nsp, body } => {
                log(format!("{name} ◀ CONNECT {nsp} {body}"));
                self.joined.push(nsp.to_string());
                self.greeting.push(nsp.to_string());
                self.answers.push((nsp.to_string(), Ok(body.to_string())));
            }
            Event::ConnectError { nsp, body } => {
                log(format!("{name} ◀ CONNECT_ERROR {nsp} {body}"));
                self.answers.push((nsp.to_string(), Err(body.to_string())));
            }
            Event::Event(incoming) => {
                self.bytes += incoming.args.json().len();
                let values = incoming.args.to_values().unwrap_or_else(|_| vec![Value::from(incoming.args.json())]);
                let own = if self.chatter.is_own(values.first()) { OWN } else { "" };
                log(format!("{name} ◀ {} {}{own}", incoming.nsp, clip(incoming.args.json())));
                let nsp = incoming.nsp.to_string();
                let greeting = self.greeting.iter().position(|name| *name == nsp);
                if let (Some(index), Some("auth")) = (greeting, values.first().and_then(Value::as_str)) {
                    self.greeting.swap_remove(index);
                    return;
                }
                self.arrivals.push(Arrival { nsp, values, id: incoming.id, at });
            }
            Event::Ack(incoming) => {
                let id = incoming.id.map_or("without id".to_owned(), |id| id.to_string());
                log(format!("{name} ◀ {} ack {id} {}", incoming.nsp, clip(incoming.args.json())));
                if let Some(id) = incoming.id {
                    self.acks.push((incoming.nsp.to_string(), id, incoming.args));
                }
            }
            Event::Disconnect { nsp } => {
                log(format!("{name} ◀ DISCONNECT {nsp}"));
                self.joined.retain(|joined| *joined != *nsp);
                self.put_out.push(nsp.to_string());
            }
            Event::Upgraded => {
                log(format!("{name} ◀ upgraded to WebSocket"));
                self.upgraded = true;
            }
            Event::Closed(why) => {
                log(format!("{name} ◀ closed: {why}"));
                self.joined.clear();
                self.closed = Some(why.to_string());
            }
        }
    }

    /// The connection, while there is one.
    pub(crate) fn connection(&mut self) -> Result<&mut Connection, String> {
        match (&mut self.wire, &self.closed) {
            (Wire::Packets(connection), None) => Ok(connection),
            (Wire::Packets(_), Some(why)) => Err(format!("{}'s connection is closed: {why}", self.name)),
            (Wire::Raw(_), _) => Err(format!("{} is a raw client; it can only send and receive", self.name)),
            (Wire::None | Wire::Silent(_), _) => Err(format!("{} has no connection", self.name)),
        }
    }

    /// The session's id, while the open packet of a raw connection waits for its step.
    pub(crate) fn session(&self) -> Option<String> {
        let Some((_, wire::Arrival::Text(text))) = self.raw.front() else { return None };
        let open: serde_json::Value = serde_json::from_str(text.strip_prefix('0')?).ok()?;
        Some(open.get("sid")?.as_str()?.to_owned())
    }

    /// The raw connection, open or not.
    pub(crate) fn raw_handle(&self) -> Result<&wire::Handle, String> {
        match &self.wire {
            Wire::Raw(handle) => Ok(handle),
            _ => Err(match &self.closed {
                Some(why) => format!("the connection of {} closed: {why}", self.name),
                None => format!("{} has no raw connection; give it `raw = \"websocket\"` or open it", self.name),
            }),
        }
    }
}

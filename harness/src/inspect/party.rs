//! The clients of an inspection: all are read whatever one of them waits for, and what a server makes them hold is bounded.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use sio_protocol::client::Event;
use sio_protocol::{Args, ByteString, Value};

use super::events::Events;
use super::findings::Namespace;
use super::trace::Letter;
use super::{LIMIT, clip};
use crate::client::Connection;
use crate::clock;

/// Events, and bytes of them, that one client takes.
const MOST_EVENTS: u64 = 20_000;
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// Letters that are kept while a stamped event is on its way.
const MOST_LETTERS: usize = 2_000;

/// What a client is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Sender,
    /// Joins as the sender does.
    Other,
    /// Is in the namespace and joins nothing.
    Outside,
}

struct Client {
    /// `None` when it is over.
    connection: Option<Connection>,
    events: u64,
    bytes: u64,
}

/// Something that happened to a client, besides its events.
pub(super) enum Heard {
    Entered {
        nsp: ByteString,
        body: ByteString,
    },
    Refused {
        nsp: ByteString,
        body: ByteString,
    },
    Ack {
        id: Option<u64>,
        args: Args,
    },
    /// An event, or something that changes nothing.
    Other,
}

/// All clients, and what they have heard.
#[derive(Default)]
pub(super) struct Party {
    clients: Vec<Client>,
    pub(super) roles: Vec<Role>,
    pub(super) events: Events,
    /// Kept while a trial goes on.
    pub(super) letters: Option<Vec<Letter>>,
    pub(super) remarks: Vec<String>,
    turn: usize,
}

impl Party {
    /// Somebody more; returns its number.
    pub(super) fn add(&mut self, connection: Connection, role: Role) -> usize {
        self.clients.push(Client { connection: Some(connection), events: 0, bytes: 0 });
        self.roles.push(role);
        self.clients.len() - 1
    }

    /// What happens next, and to whom; `None` when nothing has until `deadline`.
    pub(super) async fn next(&mut self, deadline: Instant) -> Option<(usize, Heard)> {
        let mut sleep = pin!(tokio::time::sleep_until(deadline.into()));
        let (client, event) = poll_fn(|cx| {
            // A server that never stops talking must not hold up the clock.
            if clock::now() >= deadline {
                return Poll::Ready(None);
            }
            let count = self.clients.len();
            for index in (0..count).map(|offset| (self.turn + offset) % count) {
                let Some(connection) = &mut self.clients[index].connection else { continue };
                if let Poll::Ready(event) = connection.poll_event(cx) {
                    self.turn = index + 1;
                    return Poll::Ready(Some((index, event)));
                }
            }
            sleep.as_mut().poll(cx).map(|()| None)
        })
        .await?;
        Some((client, self.take(client, event)))
    }

    /// Reads on until then.
    pub(super) async fn linger(&mut self, deadline: Instant) {
        while self.next(deadline).await.is_some() {}
    }

    fn take(&mut self, client: usize, event: Event) -> Heard {
        match event {
            Event::Event(incoming) => {
                self.charge(client, incoming.args.json().len());
                let at = self.clients[client].connection.as_ref().and_then(Connection::arrival);
                let at = at.map_or_else(clock::now, |arrival| arrival.at);
                if let (Some(seen), Some(letters)) = (self.events.note(&incoming), &mut self.letters)
                    && letters.len() < MOST_LETTERS
                {
                    letters.push(Letter { client, seen, at });
                }
                Heard::Other
            }
            Event::Ack(incoming) => {
                self.charge(client, incoming.args.json().len());
                Heard::Ack { id: incoming.id, args: incoming.args }
            }
            Event::Connect { nsp, body } => Heard::Entered { nsp, body },
            Event::ConnectError { nsp, body } => Heard::Refused { nsp, body },
            Event::Disconnect { nsp } => {
                self.remark(format!("the server put a client out of {}", clip(&nsp)));
                Heard::Other
            }
            Event::Closed(why) => {
                self.clients[client].connection = None;
                self.remark(format!("a connection ended: {}", clip(&why.to_string())));
                Heard::Other
            }
            Event::Open(_) | Event::Engine(_) | Event::Upgraded => Heard::Other,
        }
    }

    /// A server that says more than anybody would listen to is left.
    fn charge(&mut self, client: usize, bytes: usize) {
        let one = &mut self.clients[client];
        one.events += 1;
        one.bytes += bytes as u64;
        if one.events > MOST_EVENTS || one.bytes > MOST_BYTES {
            one.connection = None;
            self.remark(format!("a client left: it had more than {MOST_EVENTS} events or 64 MiB"));
        }
    }

    fn remark(&mut self, remark: String) {
        if self.remarks.len() < 8 && !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    /// Whether anybody is connected.
    pub(super) fn is_there(&self, client: usize) -> bool {
        self.clients.get(client).is_some_and(|client| client.connection.is_some())
    }

    /// Asks namespaces to let a client in; returns what each has answered.
    pub(super) async fn enter(&mut self, client: usize, namespaces: &[String], auth: &str) -> Vec<Namespace> {
        let mut found: Vec<Option<Namespace>> = vec![None; namespaces.len()];
        let Some(connection) = self.clients[client].connection.as_mut() else { return Vec::new() };
        namespaces.iter().for_each(|nsp| connection.connect(nsp, auth));
        let deadline = clock::now() + LIMIT;
        while found.iter().any(Option::is_none) && self.is_there(client) {
            let (nsp, entered, body) = match self.next(deadline).await {
                None => break,
                Some((who, Heard::Entered { nsp, body })) if who == client => (nsp, true, body),
                Some((who, Heard::Refused { nsp, body })) if who == client => (nsp, false, body),
                Some(_) => continue,
            };
            let Some(index) = namespaces.iter().position(|name| **name == *nsp) else { continue };
            found[index] = Some(Namespace {
                name: namespaces[index].clone(),
                entered,
                refusal: (!entered).then(|| clip(&body)),
                recovery: entered && has_pid(&body),
            });
        }
        let silent = |name: &String| Namespace {
            name: name.clone(),
            entered: false,
            refusal: Some(format!("no answer within {LIMIT:?}")),
            recovery: false,
        };
        found.into_iter().zip(namespaces).map(|(found, name)| found.unwrap_or_else(|| silent(name))).collect()
    }

    /// Sends an event that asks for an acknowledgement; returns that, and what it took.
    pub(super) async fn call(
        &mut self,
        client: usize,
        nsp: &str,
        values: &[Value],
        within: Duration,
    ) -> Option<(Args, Duration)> {
        let began = clock::now();
        let id = self.emit(client, nsp, values)?;
        while self.is_there(client) {
            if let (who, Heard::Ack { id: Some(answered), args }) = self.next(began + within).await?
                && who == client
                && answered == id
            {
                return Some((args, began.elapsed()));
            }
        }
        None
    }

    /// Sends an event; returns the id that its acknowledgement will have.
    pub(super) fn emit(&mut self, client: usize, nsp: &str, values: &[Value]) -> Option<u64> {
        let connection = self.clients.get_mut(client)?.connection.as_mut()?;
        connection.emit(nsp, Args::from_values(values), true)
    }

    /// Everybody leaves politely.
    pub(super) async fn leave(&mut self) {
        for client in &mut self.clients {
            if let Some(connection) = client.connection.take() {
                connection.close().await;
            }
        }
    }
}

fn has_pid(body: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(body).is_ok_and(|body| body.get("pid").is_some())
}

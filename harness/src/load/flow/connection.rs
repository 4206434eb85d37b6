//! The connection of an iteration: reads it whatever the iteration waits for, and keeps what arrives.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sio_oracle::board::Nanos;
use sio_protocol::client::Event;
use sio_protocol::{Args, Incoming, Value};

use crate::client::{Connection, Error, offset};
use crate::clock;
use crate::load::local::Local;
use crate::scenario::model::Transport;

/// Bytes of events that are kept until some step expects them; the oldest go first. A limit of sio-bench's own.
pub(super) const KEPT: usize = 4 * 1024 * 1024;
/// What an event takes beside its content.
const EACH: usize = 256;

/// What has happened on a connection.
#[derive(Debug)]
pub(super) enum Received {
    /// An event is in the inbox.
    Event,
    Ack(Incoming),
    Joined(String),
    /// Namespace, and the body of the CONNECT_ERROR.
    Refused(String, String),
}

/// An event that no step has expected yet.
pub(super) struct BufferedEvent {
    pub(super) incoming: Incoming,
    pub(super) at: Nanos,
}

impl BufferedEvent {
    fn size(&self) -> usize {
        let args = &self.incoming.args;
        EACH + args.json().len() + args.attachments().iter().map(|bytes| bytes.len()).sum::<usize>()
    }
}

pub(super) struct FlowConnection<'a> {
    local: &'a Local,
    pub(super) connection: Connection,
    /// Namespaces that have let the visitor in.
    pub(super) joined: Vec<String>,
    /// Those of them whose sessions could be recovered: behind the arguments of their events may be an offset.
    recoverable: Vec<String>,
    pub(super) inbox: VecDeque<BufferedEvent>,
    /// What that takes, in bytes.
    held: usize,
    /// Events that were let go from the front of the inbox, so that a place in it has a number that stays.
    pub(super) gone: u64,
    /// Some were let go since what counts began, although nobody had looked at them.
    pub(super) spilled: bool,
    /// Whether events that want an answer wait for a step that gives it.
    keeps_questions: bool,
    /// When what was heard last arrived.
    pub(super) heard_at: Nanos,
    /// When the session was opened.
    opened_at: Nanos,
    transport: Transport,
}

impl<'a> FlowConnection<'a> {
    pub(super) fn new(local: &'a Local, connection: Connection, transport: Transport, keeps_questions: bool) -> Self {
        let now = local.now();
        Self {
            local,
            connection,
            joined: Vec::new(),
            recoverable: Vec::new(),
            inbox: VecDeque::new(),
            held: 0,
            gone: 0,
            spilled: false,
            keeps_questions,
            heard_at: now,
            opened_at: now,
            transport,
        }
    }

    /// What happens next; `None` when nothing has until `deadline`. The error says why the connection is gone.
    pub(super) async fn hear(&mut self, deadline: Instant) -> Result<Option<Received>, Error> {
        loop {
            // Cancel-safe: the connection keeps what it has read.
            let Ok(event) = tokio::time::timeout_at(deadline.into(), self.connection.next()).await else {
                return Ok(None);
            };
            self.note_arrival();
            if let Some(heard) = self.take(event)? {
                return Ok(Some(heard));
            }
        }
    }

    /// Reads on for a while.
    pub(super) async fn drain_for(&mut self, length: Duration) -> Result<(), Error> {
        let end = clock::now() + length;
        while self.hear(end).await?.is_some() {}
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<Option<Received>, Error> {
        Ok(match event {
            Event::Event(incoming) => {
                self.keep(incoming);
                Some(Received::Event)
            }
            Event::Ack(incoming) => Some(Received::Ack(incoming)),
            Event::Connect { nsp, body } => {
                self.joined.push(nsp.to_string());
                if offset::is_recoverable(&body) {
                    self.recoverable.push(nsp.to_string());
                }
                Some(Received::Joined(nsp.to_string()))
            }
            Event::ConnectError { nsp, body } => Some(Received::Refused(nsp.to_string(), body.to_string())),
            Event::Disconnect { .. } => {
                return Err(Error::Refused("the server put the user out of its namespace".to_owned()));
            }
            Event::Closed(why) => return Err(why.into()),
            Event::Upgraded => {
                self.local.upgraded(self.opened_at, self.local.now());
                None
            }
            Event::Engine(_) => None,
            Event::Open(_) => {
                self.opened_at = self.local.now();
                self.local.session_opened(self.transport);
                None
            }
        })
    }

    /// The name and the arguments of an event without an offset, if it may have one; no step of a flow asks for that.
    pub(super) fn without_offset<'v>(&self, incoming: &Incoming, values: &'v [Value]) -> Option<&'v [Value]> {
        let may_have = incoming.id.is_none() && self.recoverable.iter().any(|name| **name == *incoming.nsp);
        may_have.then(|| offset::without_offset(values)).flatten()
    }

    fn keep(&mut self, incoming: Incoming) {
        if !self.keeps_questions {
            self.answer(&incoming, Args::none());
        }
        let letter = BufferedEvent { incoming, at: self.heard_at };
        self.held += letter.size();
        self.inbox.push_back(letter);
        while self.held > KEPT
            && self.inbox.len() > 1
            && let Some(letter) = self.inbox.pop_front()
        {
            self.gone += 1;
            self.spilled = true;
            self.held -= letter.size();
            self.drop_letter(&letter);
        }
    }

    /// Takes an event that was expected out of the inbox.
    pub(super) fn take_letter(&mut self, place: usize) -> Option<BufferedEvent> {
        let letter = self.inbox.remove(place)?;
        self.held -= letter.size();
        Some(letter)
    }

    /// What nobody has expected is of no interest any more.
    pub(super) fn forget(&mut self) {
        while let Some(letter) = self.inbox.pop_front() {
            self.drop_letter(&letter);
        }
        (self.held, self.spilled) = (0, false);
    }

    fn drop_letter(&mut self, letter: &BufferedEvent) {
        if self.keeps_questions {
            self.answer(&letter.incoming, Args::none());
        }
    }

    /// Acknowledges an event that wants it.
    pub(super) fn answer(&mut self, incoming: &Incoming, args: Args) {
        if let Some(id) = incoming.id {
            self.connection.ack(&incoming.nsp, id, args);
        }
    }

    fn note_arrival(&mut self) {
        let Some(arrival) = self.connection.arrival() else { return self.heard_at = self.local.now() };
        let at = self.local.time_of(arrival.at);
        let again = std::mem::replace(&mut self.heard_at, at) == at;
        if let Some(lag) = arrival.lag.filter(|_| !again) {
            self.local.read(at, lag, arrival.bytes);
        }
    }
}

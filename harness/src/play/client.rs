//! One named client of a case: its connection and what has arrived on it.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use sio_protocol::client::Event;
use sio_protocol::{Args, Frame, Value};

use crate::client::{Connection, RawConnection};

/// An event that no step has asked for yet.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub nsp: String,
    /// Name and arguments.
    pub values: Vec<Value>,
    pub id: Option<u64>,
}

/// How a client reaches the target.
pub(crate) enum Wire {
    Packets(Connection),
    Raw(RawConnection),
    /// It has left, politely or not; a silent connection is kept open and not looked at.
    Gone(#[expect(dead_code, reason = "kept open, not looked at")] Option<Connection>),
}

/// A client and its inbox.
pub(crate) struct Client {
    pub name: String,
    pub wire: Wire,
    pub arrivals: Vec<Arrival>,
    pub frames: VecDeque<Frame>,
    pub acks: Vec<(String, u64, Args)>,
    /// Answers to CONNECT: namespace and body, or the body of the refusal.
    pub answers: Vec<(String, Result<String, String>)>,
    pub joined: Vec<String>,
    /// Namespaces that the server closed and no step asked it to.
    pub put_out: Vec<String>,
    pub closed: Option<String>,
    pub upgraded: bool,
    /// It has closed its connection and may come back.
    pub left: bool,
    /// Namespaces whose greeting has not come yet.
    greeting: Vec<String>,
}

impl Client {
    pub(crate) fn new(name: &str, wire: Wire) -> Self {
        Self {
            name: name.to_owned(),
            wire,
            arrivals: Vec::new(),
            frames: VecDeque::new(),
            acks: Vec::new(),
            answers: Vec::new(),
            joined: Vec::new(),
            put_out: Vec::new(),
            closed: None,
            upgraded: false,
            left: false,
            greeting: Vec::new(),
        }
    }

    /// Takes in whatever has arrived; notes it in `log`.
    pub(crate) fn absorb(&mut self, cx: &mut Context<'_>, log: &mut dyn FnMut(String)) {
        loop {
            match &mut self.wire {
                Wire::Packets(connection) => match connection.poll_event(cx) {
                    Poll::Ready(event) => self.take(event, log),
                    Poll::Pending => return,
                },
                Wire::Raw(raw) => {
                    if self.closed.is_some() {
                        return;
                    }
                    let next = std::pin::pin!(raw.next());
                    match next.poll(cx) {
                        Poll::Ready(Ok(frame)) => {
                            log(format!("{} ◀ {}", self.name, show_frame(&frame)));
                            self.frames.push_back(frame);
                        }
                        Poll::Ready(Err(why)) => {
                            log(format!("{} ◀ closed: {why}", self.name));
                            self.closed = Some(why);
                        }
                        Poll::Pending => return,
                    }
                }
                Wire::Gone(_) => return,
            }
        }
    }

    fn take(&mut self, event: Event, log: &mut dyn FnMut(String)) {
        let name = &self.name;
        match event {
            Event::Open(_) => {}
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
                log(format!("{name} ◀ {} {}", incoming.nsp, clip(incoming.args.json())));
                let values = incoming.args.to_values().unwrap_or_else(|_| vec![Value::from(incoming.args.json())]);
                let nsp = incoming.nsp.to_string();
                let greeting = self.greeting.iter().position(|name| *name == nsp);
                if let (Some(index), Some("auth")) = (greeting, values.first().and_then(Value::as_str)) {
                    self.greeting.swap_remove(index);
                    return;
                }
                self.arrivals.push(Arrival { nsp, values, id: incoming.id });
            }
            Event::Ack(incoming) => {
                log(format!("{name} ◀ {} ack {:?} {}", incoming.nsp, incoming.id, clip(incoming.args.json())));
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
            (Wire::Gone(_), _) => Err(format!("{} has left", self.name)),
        }
    }
}

pub(crate) fn show_frame(frame: &Frame) -> String {
    match frame {
        Frame::Text(text) => clip(text),
        Frame::Binary(bytes) => Value::Binary(bytes.clone()).to_string(),
    }
}

/// Long payloads are cut in transcripts.
pub(crate) fn clip(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

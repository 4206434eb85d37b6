//! What the clients of one program see, as a history.

use std::collections::HashMap;
use std::time::Instant;

use sio_oracle::History;
use sio_oracle::history::{
    Action, Answer, ClientId, Emission, Event, Handler, HandlerId, NamespaceId, NodeId, OperationId, Room, RoomChange,
    RoomId, SocketId, Stamped, Time,
};
use sio_protocol::{Args, Value};

use crate::clock;

/// A history in the making, and the names that things have on the wire.
pub(super) struct Journal {
    origin: Instant,
    pub(super) history: History,
    /// Clients are dealt out to so many servers in turn.
    nodes: u16,
    operations: u32,
    sockets: u32,
    by_sid: HashMap<String, SocketId>,
    sids: HashMap<SocketId, String>,
    messages: HashMap<u32, Vec<Value>>,
    /// Who does not answer a question.
    silent: HashMap<OperationId, u8>,
    /// What a person would want to see of it.
    pub(super) transcript: Vec<String>,
}

impl Journal {
    pub(super) fn new(nodes: u16) -> Self {
        Self {
            origin: clock::now(),
            history: History::default(),
            nodes: nodes.max(1),
            operations: 0,
            sockets: 0,
            by_sid: HashMap::new(),
            sids: HashMap::new(),
            messages: HashMap::new(),
            silent: HashMap::new(),
            transcript: Vec::new(),
        }
    }

    fn push(&mut self, event: Event) {
        let now = clock::now().duration_since(self.origin).as_nanos() as u64;
        // No two events share an instant: they were seen one after the other.
        let last = self.history.events.last().map_or(0, |last| last.at);
        self.history.push(now.max(last + 1), event);
    }

    pub(super) fn note(&mut self, line: &str) {
        let now = clock::now().duration_since(self.origin);
        self.transcript.push(format!("{:>9.3} {line}", now.as_secs_f64() * 1e3));
    }

    pub(super) fn connect(&mut self, client: u8, namespace: u8) -> SocketId {
        let socket = SocketId(self.sockets);
        self.sockets += 1;
        let before = self.history.names.sockets.iter().filter(|name| name.starts_with(&format!("c{client}"))).count();
        let nsp = if namespace > 0 { format!("/{namespace}") } else { String::new() };
        let again = if before > usize::from(namespace) { format!("#{before}") } else { String::new() };
        self.history.names.sockets.push(format!("c{client}{nsp}{again}"));
        let node = NodeId(u16::from(client) % self.nodes);
        let (client, namespace) = (ClientId(u32::from(client)), NamespaceId(u32::from(namespace)));
        self.push(Event::Connect { socket, client, namespace, node });
        socket
    }

    pub(super) fn connected(&mut self, socket: SocketId, sid: &str, session: Option<String>) {
        self.by_sid.insert(sid.to_owned(), socket);
        self.sids.insert(socket, sid.to_owned());
        self.push(Event::Connected { socket, sid: Some(sid.to_owned()), session, served_by: None });
    }

    /// A namespace told a socket what registered it.
    pub(super) fn served(&mut self, socket: SocketId, name: &str) {
        let handlers = &mut self.history.handlers;
        let known = handlers.iter().position(|handler| handler.name == name);
        let place = known.unwrap_or_else(|| {
            handlers.push(Handler { name: name.to_owned(), accepts: Vec::new() });
            handlers.len() - 1
        });
        for stamped in &mut self.history.events {
            if let Event::Connected { socket: connected, served_by, .. } = &mut stamped.event
                && *connected == socket
            {
                *served_by = Some(HandlerId(place as u32));
            }
        }
    }

    /// A room came into being, was joined, left, or went.
    pub(super) fn room(&mut self, namespace: u8, room: u8, change: RoomChange) {
        let (namespace, room) = (NamespaceId(u32::from(namespace)), RoomId(u32::from(room)));
        self.push(Event::Room { namespace, room, change });
    }

    pub(super) fn resumed(&mut self, socket: SocketId) {
        self.push(Event::Resumed { socket });
    }

    pub(super) fn cut(&mut self, socket: SocketId) {
        self.push(Event::Cut { socket });
    }

    /// The connection broke some time from `at` on.
    pub(super) fn cut_at(&mut self, at: Time, socket: SocketId) {
        let place = self.history.events.partition_point(|stamped| stamped.at <= at);
        self.history.events.insert(place, Stamped { at, event: Event::Cut { socket } });
    }

    pub(super) fn now(&self) -> Time {
        self.history.events.last().map_or(0, |last| last.at)
    }

    pub(super) fn gone(&mut self, socket: SocketId) {
        self.push(Event::Gone { socket });
    }

    /// An operation is about to be written.
    pub(super) fn invoke(&mut self, by: SocketId, action: Action) -> OperationId {
        let operation = self.next_operation();
        self.invoke_as(operation, by, action);
        operation
    }

    pub(super) fn next_operation(&mut self) -> OperationId {
        self.operations += 1;
        OperationId(self.operations - 1)
    }

    pub(super) fn invoke_as(&mut self, operation: OperationId, by: SocketId, action: Action) {
        self.push(Event::Invoke { operation, by: Some(by), action });
    }

    pub(super) fn complete(&mut self, operation: OperationId, answer: Answer) {
        self.push(Event::Complete { operation, answer });
    }

    /// The arguments of a message are kept, to be compared with what arrives.
    pub(super) fn sends(&mut self, message: OperationId, args: &[Value]) {
        self.messages.insert(message.0, args.to_vec());
    }

    /// This client is not to answer a question.
    pub(super) fn silence(&mut self, message: OperationId, client: Option<u8>) {
        self.silent.extend(client.map(|client| (message, client)));
    }

    pub(super) fn is_silent(&self, message: OperationId, client: u8) -> bool {
        self.silent.get(&message) == Some(&client)
    }

    /// An event was read; the message, if it was one.
    pub(super) fn receive(&mut self, socket: SocketId, args: &Args) -> Option<OperationId> {
        let (message, intact) = self.recognise(args)?;
        self.push(Event::Receive { socket, message, intact });
        Some(message)
    }

    /// A question is about to be acknowledged.
    pub(super) fn acknowledged(&mut self, socket: SocketId, message: OperationId) {
        self.push(Event::Acknowledged { socket, message });
    }

    fn recognise(&self, args: &Args) -> Option<(OperationId, bool)> {
        let values = args.to_values().ok()?;
        let [Value::String(name), Value::Number(number), rest @ ..] = values.as_slice() else { return None };
        let number = number.as_u64().filter(|_| name == "m")? as u32;
        let intact = self.messages.get(&number).is_some_and(|sent| rest == sent || is_with_offset(rest, sent));
        Some((OperationId(number), intact))
    }

    pub(super) fn sid(&self, socket: SocketId) -> Option<&str> {
        self.sids.get(&socket).map(String::as_str)
    }

    pub(super) fn socket_of(&self, sid: &str) -> Option<SocketId> {
        self.by_sid.get(sid).copied()
    }
}

/// Recovery puts an offset behind the arguments.
fn is_with_offset(received: &[Value], sent: &[Value]) -> bool {
    received.len() == sent.len() + 1 && received.starts_with(sent) && matches!(received.last(), Some(Value::String(_)))
}

/// A named room.
pub(super) fn named(room: u8) -> Room {
    Room::Named(RoomId(u32::from(room)))
}

/// An emission in the words of the oracle.
pub(super) fn emission(
    namespace: u8,
    (rooms, except): (Vec<Room>, Vec<Room>),
    emit: &super::program::Emit,
    patience: Time,
) -> Emission {
    Emission {
        namespace: NamespaceId(u32::from(namespace)),
        rooms,
        except,
        excludes_sender: emit.from_socket,
        volatile: emit.volatile,
        asks: emit.asks,
        patience,
    }
}

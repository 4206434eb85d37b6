//! One connection of one client: reads all the time, writes when it is told to, and records both.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use sio_oracle::history::{Action, Answer, OperationId, SocketId, Time};
use sio_protocol::client::Event;
use sio_protocol::{Args, IntoArgs as _};
use tokio::sync::{mpsc, oneshot};

use super::journal::Journal;
use crate::client::Connection;
use crate::wire::Link;

/// What the actor of a client is asked for.
pub(super) enum Command {
    /// An event that is answered.
    Call(Call),
    /// Joins a namespace; true if it was let in. With `refused`, it asks so that the middleware must not do that.
    Join { namespace: u8, refused: bool, done: oneshot::Sender<bool> },
    /// Leaves a namespace.
    Leave { namespace: u8, done: oneshot::Sender<()> },
    /// Resets the connection.
    Cut { done: oneshot::Sender<()> },
    /// Closes it.
    Close { done: oneshot::Sender<()> },
}

type Begin = Box<dyn FnOnce(&mut Journal) -> OperationId>;
type Finish = Box<dyn FnOnce(&Journal, &Args) -> Answer>;

/// An event with an acknowledgement.
pub(super) struct Call {
    pub(super) namespace: u8,
    /// Records the invocation, just before it is written.
    pub(super) begin: Begin,
    pub(super) args: Box<dyn FnOnce(OperationId) -> Args>,
    /// Reads the answer.
    pub(super) finish: Finish,
    pub(super) done: oneshot::Sender<()>,
}

/// What is known of a client, whichever connection it has.
#[derive(Default)]
pub(super) struct Client {
    pub(super) commands: Option<mpsc::UnboundedSender<Command>>,
    /// Its way to the server, where that is to be held.
    pub(super) link: Option<Link>,
    /// Somebody has put one of its sockets out: when.
    pub(super) kicked: Option<Time>,
    pub(super) places: [Place; 2],
}

/// A client in one namespace.
#[derive(Default)]
pub(super) struct Place {
    pub(super) socket: Option<SocketId>,
    /// Where the last socket was, for recovery.
    last: Option<SocketId>,
    pid: Option<String>,
    offset: Option<String>,
}

/// What all actors share.
pub(super) struct World {
    pub(super) journal: Journal,
    pub(super) clients: Vec<Client>,
    pub(super) namespaces: [String; 2],
    /// What should not have happened, beyond what the oracle judges.
    pub(super) surprises: Vec<String>,
    /// Steps that the fixture of this target has no words for.
    pub(super) unsupported: u64,
    /// What the server said of operations that it did not do.
    pub(super) refusals: Vec<String>,
    /// Somebody waited in vain for an answer: what follows would only wait as well.
    pub(super) stuck: bool,
}

pub(super) type Shared = Rc<RefCell<World>>;

/// A CONNECT that is not answered yet, and what came ahead of the answer.
struct Joining {
    socket: SocketId,
    /// It must be refused.
    refused: bool,
    early: Vec<Args>,
    done: oneshot::Sender<bool>,
}

/// A question on its way, and who waits for the answer.
type Asked = (OperationId, Finish, Option<oneshot::Sender<()>>);

struct Actor {
    world: Shared,
    client: u8,
    connection: Connection,
    joining: [Option<Joining>; 2],
    /// Sockets that this connection has left; what was queued for them may still be on its way.
    left: [Option<SocketId>; 2],
    /// By namespace and ack id.
    calls: HashMap<(u8, u64), Asked>,
    answered: HashMap<(u8, u64), OperationId>,
}

/// Packets of one connection, and their bytes: a program has some hundreds, and all of them are kept.
const MOST_EVENTS: u32 = 50_000;
const MOST_BYTES: usize = 64 << 20;

fn size(event: &Event) -> usize {
    match event {
        Event::Event(incoming) | Event::Ack(incoming) => incoming.args.json().len(),
        Event::Connect { body, .. } | Event::ConnectError { body, .. } => body.len(),
        Event::Open(_) | Event::Engine(_) | Event::Disconnect { .. } | Event::Upgraded | Event::Closed(_) => 0,
    }
}

/// Drives a connection until it is closed.
pub(super) async fn run(
    world: Shared,
    client: u8,
    connection: Connection,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let (joining, calls, answered) = (Default::default(), HashMap::new(), HashMap::new());
    let mut actor = Actor { world, client, connection, joining, left: [None; 2], calls, answered };
    let (mut came, mut bytes) = (0, 0);
    loop {
        // Cancel-safe: a command that is not received stays in the channel, and `next` keeps what it has read.
        let event = tokio::select! {
            biased;
            event = actor.connection.next() => event,
            command = commands.recv() => match command {
                None => return,
                Some(Command::Cut { done }) => return actor.cut(done),
                Some(Command::Close { done }) => return actor.close(done).await,
                Some(command) => {
                    actor.obey(command);
                    continue;
                }
            },
        };
        if let Event::Closed(why) = event {
            return actor.lost(&why.to_string());
        }
        came += 1;
        bytes += size(&event);
        if came > MOST_EVENTS || bytes > MOST_BYTES {
            return actor.lost(&format!("it was flooded: {came} packets came, and no program asks for so many"));
        }
        actor.take(event);
    }
}

impl Actor {
    fn obey(&mut self, command: Command) {
        match command {
            Command::Call(call) => self.call(call),
            Command::Join { namespace, refused, done } => self.join(namespace, refused, done),
            Command::Leave { namespace, done } => {
                self.stop_waiting(namespace);
                // Another branch may have left it.
                let Some(socket) = self.end(namespace) else { return };
                self.left[usize::from(namespace)] = Some(socket);
                let nsp = self.world.borrow().namespaces[usize::from(namespace)].clone();
                self.connection.disconnect(&nsp);
                let _ = done.send(());
            }
            Command::Cut { .. } | Command::Close { .. } => {}
        }
    }

    fn call(&mut self, call: Call) {
        // The namespace may have been left while the command was on its way.
        if self.world.borrow().clients[usize::from(self.client)].places[usize::from(call.namespace)].socket.is_none() {
            return;
        }
        let nsp = self.world.borrow().namespaces[usize::from(call.namespace)].clone();
        let operation = (call.begin)(&mut self.world.borrow_mut().journal);
        let args = (call.args)(operation);
        self.note(&format!("▶ {} {}", operation.0, args.json()));
        if let Some(id) = self.connection.emit(&nsp, args, true) {
            self.calls.insert((call.namespace, id), (operation, call.finish, Some(call.done)));
        }
    }

    /// Whoever waits for an answer in a namespace that is left need not get one; if it comes, it is recorded.
    fn stop_waiting(&mut self, namespace: u8) {
        for ((at, _), (_, _, done)) in &mut self.calls {
            if *at == namespace {
                drop(done.take());
            }
        }
    }

    fn join(&mut self, namespace: u8, refused: bool, done: oneshot::Sender<bool>) {
        let mut world = self.world.borrow_mut();
        let is_in = world.clients[usize::from(self.client)].places[usize::from(namespace)].socket.is_some();
        if is_in || self.joining[usize::from(namespace)].is_some() {
            return;
        }
        let socket = world.journal.connect(self.client, namespace);
        let nsp = world.namespaces[usize::from(namespace)].clone();
        let place = &mut world.clients[usize::from(self.client)].places[usize::from(namespace)];
        let auth = match (place.pid.take(), &place.offset) {
            _ if refused => serde_json::json!({ "refuse": true }).to_string(),
            (Some(pid), Some(offset)) => serde_json::json!({ "pid": pid, "offset": offset }).to_string(),
            _ => String::new(),
        };
        drop(world);
        self.note(&format!("▶ CONNECT {auth}"));
        self.connection.connect(&nsp, &auth);
        self.joining[usize::from(namespace)] = Some(Joining { socket, refused, early: Vec::new(), done });
    }

    /// This socket is left on purpose.
    fn end(&self, namespace: u8) -> Option<SocketId> {
        let mut world = self.world.borrow_mut();
        let place = &mut world.clients[usize::from(self.client)].places[usize::from(namespace)];
        let socket = place.socket.take()?;
        *place = Place::default();
        world.journal.invoke(socket, Action::Disconnect { socket });
        Some(socket)
    }

    fn cut(self, done: oneshot::Sender<()>) {
        self.note("✂ reset");
        self.break_off();
        self.connection.reset();
        let _ = done.send(());
    }

    async fn close(self, done: oneshot::Sender<()>) {
        self.end(0);
        self.end(1);
        self.world.borrow_mut().clients[usize::from(self.client)].commands = None;
        self.connection.close().await;
        let _ = done.send(());
    }

    /// The connection is gone; its sockets may be recovered.
    fn break_off(&self) {
        let mut world = self.world.borrow_mut();
        world.clients[usize::from(self.client)].commands = None;
        for namespace in 0..2 {
            let place = &mut world.clients[usize::from(self.client)].places[namespace];
            if let Some(socket) = place.socket.take() {
                place.last = Some(socket);
                world.journal.cut(socket);
            }
        }
    }

    fn lost(self, why: &str) {
        self.note(&format!("closed: {why}"));
        let kicked = self.world.borrow().clients[usize::from(self.client)].kicked;
        match kicked {
            None => {
                let surprise = format!("the connection of c{} was closed{}: {why}", self.client, self.moment());
                self.world.borrow_mut().surprises.push(surprise);
            }
            // It was put out of a namespace and wrote to it before it knew: that ends a connection, with all its
            // sockets, some time after the kick.
            Some(kicked) => {
                let mut world = self.world.borrow_mut();
                let sockets: Vec<_> =
                    world.clients[usize::from(self.client)].places.iter().filter_map(|place| place.socket).collect();
                sockets.into_iter().for_each(|socket| world.journal.cut_at(kicked, socket));
            }
        }
        self.break_off();
    }

    /// What was going on when the connection was lost, if it may be why.
    fn moment(&self) -> &'static str {
        let mut spaces = self.joining.iter().zip(&self.left);
        let rejoins = spaces.any(|(joining, left)| joining.is_some() && left.is_some());
        if rejoins { " behind a DISCONNECT and a CONNECT in one breath" } else { "" }
    }

    fn note(&self, line: &str) {
        let line = format!("c{} {line}", self.client);
        self.world.borrow_mut().journal.note(&line);
    }

    fn namespace(&self, nsp: &str) -> Option<u8> {
        self.world.borrow().namespaces.iter().position(|name| name == nsp).map(|at| at as u8)
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Connect { nsp, body } => self.connected(&nsp, &body),
            Event::ConnectError { nsp, body } => {
                self.note(&format!("◀ refused {body}"));
                if let Some(joining) = self.namespace(&nsp).and_then(|at| self.joining[usize::from(at)].take()) {
                    let mut world = self.world.borrow_mut();
                    world.journal.gone(joining.socket);
                    if !joining.refused {
                        world.surprises.push(format!("c{} was refused: {body}", self.client));
                    }
                    for args in &joining.early {
                        world.surprises.push(format!("c{} was refused, and got {}", self.client, args.json()));
                    }
                    let _ = joining.done.send(false);
                }
            }
            Event::Event(incoming) => self.event(&incoming.nsp, incoming.id, &incoming.args),
            Event::Ack(incoming) => self.ack(&incoming.nsp, incoming.id, &incoming.args),
            Event::Disconnect { nsp } => {
                self.note("◀ DISCONNECT");
                if let Some(at) = self.namespace(&nsp) {
                    self.stop_waiting(at);
                    let mut world = self.world.borrow_mut();
                    let place = &mut world.clients[usize::from(self.client)].places[usize::from(at)];
                    let socket = place.socket.take();
                    *place = Place::default();
                    if let Some(socket) = socket {
                        self.left[usize::from(at)] = Some(socket);
                        world.journal.gone(socket);
                    }
                }
            }
            Event::Open(_) | Event::Engine(_) | Event::Upgraded | Event::Closed(_) => {}
        }
    }

    fn connected(&mut self, nsp: &str, body: &str) {
        self.note(&format!("◀ CONNECT {body}"));
        let Some(at) = self.namespace(nsp) else { return };
        let Some(joining) = self.joining[usize::from(at)].take() else {
            let surprise = format!("c{} was told twice that it is connected", self.client);
            self.world.borrow_mut().surprises.push(surprise);
            return;
        };
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let sid = body["sid"].as_str().unwrap_or_default().to_owned();
        if joining.refused {
            let surprise = format!("c{} was let in, though the middleware refuses it", self.client);
            self.world.borrow_mut().surprises.push(surprise);
        }
        let mut world = self.world.borrow_mut();
        let world = &mut *world;
        let place = &mut world.clients[usize::from(self.client)].places[usize::from(at)];
        let last = place.last.take();
        let resumed = last.filter(|last| world.journal.sid(*last) == Some(&sid));
        let socket = resumed.unwrap_or(joining.socket);
        place.socket = Some(socket);
        place.pid = body["pid"].as_str().map(str::to_owned);
        if resumed.is_none() {
            place.offset = None;
        }
        // What came ahead of the CONNECT came, on a recovered socket, in its place.
        for args in &joining.early {
            world.journal.receive(socket, args);
            learn_offset(place, args);
        }
        match resumed {
            Some(socket) => world.journal.resumed(socket),
            None => world.journal.connected(socket, &sid, None),
        }
        let _ = joining.done.send(true);
    }

    fn event(&mut self, nsp: &str, id: Option<u64>, args: &Args) {
        self.note(&format!("◀ {}", args.json()));
        let Some(at) = self.namespace(nsp) else { return };
        let mut world = self.world.borrow_mut();
        let World { journal, clients, .. } = &mut *world;
        let place = &mut clients[usize::from(self.client)].places[usize::from(at)];
        let mut question = None;
        if let Some(socket) = place.socket {
            learn_offset(place, args);
            question = journal.receive(socket, args).map(|message| (socket, message));
        } else if let Some(left) = self.left[usize::from(at)] {
            journal.receive(left, args);
        } else if let Some(joining) = &mut self.joining[usize::from(at)] {
            joining.early.push(args.clone());
        }
        // To a namespace that was left, nothing may be sent.
        let is_in = clients[usize::from(self.client)].places[usize::from(at)].socket.is_some();
        drop(world);
        if let Some(id) = id.filter(|_| is_in) {
            self.acknowledge(nsp, at, id, question);
        }
    }

    /// Answers a question, and asks something itself: whoever has the answer to that knows that its own has arrived.
    fn acknowledge(&mut self, nsp: &str, at: u8, id: u64, question: Option<(SocketId, OperationId)>) {
        let answer = (self.client,).into_args().unwrap_or_else(|_| Args::none());
        let Some((socket, message)) = question else { return self.connection.ack(nsp, id, answer) };
        if self.world.borrow().journal.is_silent(message, self.client) {
            return;
        }
        self.world.borrow_mut().journal.acknowledged(socket, message);
        self.connection.ack(nsp, id, answer);
        let Ok(args) = Args::event("message-with-ack", ()) else { return };
        let operation = self.world.borrow_mut().journal.invoke(socket, Action::Fence);
        if let Some(id) = self.connection.emit(nsp, args, true) {
            self.calls.insert((at, id), (operation, Box::new(|_, _| Answer::Done), None));
        }
    }

    fn ack(&mut self, nsp: &str, id: Option<u64>, args: &Args) {
        self.note(&format!("◀ ack {} {}", id.unwrap_or_default(), args.json()));
        let (Some(at), Some(id)) = (self.namespace(nsp), id) else { return };
        let mut world = self.world.borrow_mut();
        if let Some((operation, finish, done)) = self.calls.remove(&(at, id)) {
            // It was not done, so nothing is owed for it; that it was answered is a fence as any.
            let answer = match refusal(args) {
                Some(why) => {
                    world.refused(why);
                    Answer::Refused
                }
                None => finish(&world.journal, args),
            };
            world.journal.complete(operation, answer);
            self.answered.insert((at, id), operation);
            done.map(|done| done.send(()));
        } else {
            let operation = self.answered.get(&(at, id)).copied().unwrap_or(OperationId(u32::MAX));
            world.journal.complete(operation, Answer::Done);
        }
    }
}

impl World {
    /// The fixture says `unsupported` where the server's API has no words for something.
    fn refused(&mut self, why: String) {
        if why.starts_with("unsupported") {
            self.unsupported += 1;
        } else {
            self.refusals.push(why);
        }
    }
}

/// Why an operation was not done, if the fixture says so. That the time for acknowledgements was over is no failure.
fn refusal(args: &Args) -> Option<String> {
    let answer: serde_json::Value = args.get(0).ok()?;
    let why = answer["error"].as_str().filter(|why| *why != "timeout" && !answer["acks"].is_array())?;
    Some(why.to_owned())
}

/// The offset stands behind the arguments of whatever can be recovered.
fn learn_offset(place: &mut Place, args: &Args) {
    if place.pid.is_some()
        && let Ok(values) = args.to_values()
        && let Some(sio_protocol::Value::String(offset)) = values.last().filter(|_| values.len() > 1)
    {
        place.offset = Some(offset.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error is no loss: what was not done is owed to nobody. A question whose time was over was asked.
    #[test]
    fn an_error_is_told_from_an_answer() {
        let why = |answer: &str| refusal(&Args::from_json(format!("[{answer}]"), Vec::new()));
        assert_eq!(why(r#"{"error":"no such method"}"#).as_deref(), Some("no such method"));
        assert_eq!(why(r#"{"error":"unsupported: broadcast acks"}"#).as_deref(), Some("unsupported: broadcast acks"));
        for answer in [
            r#"{"acks":[1],"error":"timeout"}"#,
            r#"{"acks":null,"error":"timeout"}"#,
            r#"{"acks":[]}"#,
            "{}",
            "[]",
            "",
        ] {
            assert_eq!(why(answer), None, "{answer}");
        }
    }
}

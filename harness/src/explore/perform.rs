//! Runs a program against a target.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use sio_oracle::exact::{Findings, check};
use sio_oracle::history::{Action, Answer, Handler, History, NamespaceId, OperationId, Room, RoomChange, RoomId};
use sio_protocol::{Args, Bytes, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use super::actor::{self, Call, Client, Command, Shared, World};
use super::journal::{Journal, emission, named};
use super::known::{self, Known};
use super::program::{Emit, Program, Step, Target, Verb};
use crate::client::{Connection, Endpoint, Http, Jar};
use crate::play;
use crate::scenario::model::Transport;
use crate::target::Frozen;
use crate::wire::{Link, LinkAction};

/// An answer that has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long the recipients of a question have, and of one that will not be answered by all.
const ASKED: Duration = Duration::from_millis(500);
const ASKED_IN_VAIN: Duration = Duration::from_millis(150);
/// How much of it they have for certain, in percent: timers may be early, and some servers round.
const SURELY: u64 = 80;
/// How long a path is held, and a process stopped: less than any ping timeout, so everything is still owed.
const HELD: Duration = Duration::from_millis(25);
/// What rooms are called; also in [`super::text`].
const ROOMS: [&str; 3] = ["red", "green", "blue"];

/// Where programs run.
#[derive(Clone)]
pub struct Stage {
    pub endpoint: Endpoint,
    /// The other servers of a cluster; clients are dealt out to all of them in turn.
    pub peers: Vec<Endpoint>,
    pub http: Http,
    /// Handlers of one connection run one after another.
    pub in_order: bool,
    /// Each socket is in a room named like its id.
    pub own_rooms: bool,
    /// The server's process group, if it may be stopped and go on.
    pub pid: Option<u32>,
    /// The last entry of the fixture's journal that an earlier program has seen.
    pub journal: Arc<AtomicU64>,
    /// What is known to be wrong, and is told apart from what is found.
    pub known: Arc<[Known]>,
}

impl Stage {
    /// How many servers there are.
    pub(super) fn nodes(&self) -> u8 {
        1 + self.peers.len() as u8
    }

    /// The server of a client.
    fn endpoint_of(&self, client: u8) -> &Endpoint {
        let node = usize::from(client % self.nodes());
        if node == 0 { &self.endpoint } else { &self.peers[node - 1] }
    }

    /// Whether anybody answers there, and not only listens.
    pub async fn is_alive(&self) -> bool {
        let endpoint = self.endpoint.clone().with_jar(Jar::default());
        let asked = async {
            let mut connection = Connection::open(&endpoint, &self.http, Transport::WebSocket).await.ok()?;
            connection.join("/", "", PATIENCE).await.ok()?;
            connection.call("/", Args::event("message-with-ack", ()).ok()?, PATIENCE).await.ok()?;
            connection.close().await;
            Some(())
        };
        matches!(tokio::time::timeout(PATIENCE, asked).await, Ok(Some(())))
    }

    /// Takes out of the findings and surprises of a program what is known.
    fn excuse(&self, findings: &mut Findings, surprises: &mut Vec<String>) -> Vec<Excused> {
        let mut excused = Vec::new();
        findings.violations.retain(|violation| {
            let entry = self.known.iter().position(|known| known.is(violation));
            excused.extend(entry.map(|entry| Excused { entry, words: violation.summary.clone() }));
            entry.is_none()
        });
        surprises.retain(|surprise| {
            let entry = self.known.iter().position(|known| known.is_surprise(surprise));
            excused.extend(entry.map(|entry| Excused { entry, words: surprise.clone() }));
            entry.is_none()
        });
        excused
    }
}

/// Something that is wrong and known.
#[derive(Clone, Debug)]
pub struct Excused {
    /// Which of the [entries](Stage::known) knows it.
    pub entry: usize,
    pub words: String,
}

/// What came of a program.
pub struct Outcome {
    pub history: History,
    pub findings: Findings,
    /// What went wrong beside the history: no answer, a connection that was closed.
    pub surprises: Vec<String>,
    /// What is wrong and known; it is neither among the violations nor among the surprises.
    pub excused: Vec<Excused>,
    /// Steps that the target's fixture cannot do.
    pub unsupported: u64,
    /// What the server said of operations that it did not do.
    pub refusals: Vec<String>,
    pub transcript: Vec<String>,
}

impl Outcome {
    /// Whether anything is wrong.
    pub fn is_failure(&self) -> bool {
        !self.findings.violations.is_empty() || !self.surprises.is_empty()
    }

    /// What is wrong, in a word: the same for runs that fail alike.
    pub fn kind(&self) -> String {
        match self.findings.violations.first() {
            Some(violation) => known::kind(violation),
            None => self.surprises.first().map(|_| known::SURPRISE.to_owned()).unwrap_or_default(),
        }
    }
}

/// Runs a program once.
pub async fn perform(program: &Program, stage: &Stage) -> Outcome {
    LocalSet::new().run_until(run(program, stage)).await
}

async fn run(program: &Program, stage: &Stage) -> Outcome {
    let id = play::unique();
    let mut journal = Journal::new(stage.nodes().into());
    journal.history.assumptions.in_order_handlers = stage.in_order;
    let namespaces = [1, 2].map(|number| format!("/dynamic-{number}{id}"));
    journal.history.names.rooms = ROOMS.map(str::to_owned).to_vec();
    journal.history.names.namespaces = namespaces.to_vec();
    // What the fixture registers, in its order: the first pattern takes both, the second one of them.
    let handler = |name: &str, accepts: &[u32]| Handler {
        name: name.to_owned(),
        accepts: accepts.iter().map(|number| NamespaceId(*number)).collect(),
    };
    journal.history.handlers = vec![handler("dynamic", &[0, 1]), handler("dynamic2", &[1])];
    let clients = program.clients.iter().map(|_| Client::default()).collect();
    let world = Rc::new(RefCell::new(World {
        journal,
        clients,
        namespaces,
        surprises: Vec::new(),
        unsupported: 0,
        refusals: Vec::new(),
        stuck: false,
    }));
    let stagehand = Player { world: world.clone(), stage, namespaces: program.namespaces };
    for client in program.steps().filter(|step| step.verb == Verb::Stall).map(|step| step.client) {
        let link = Link::open(stage.endpoint_of(client).address(), Duration::ZERO).await;
        world.borrow_mut().clients[usize::from(client)].link = link.ok();
    }
    let opened = program.clients.iter().enumerate().map(|(client, transport)| stagehand.open(client as u8, *transport));
    join_all(opened).await;
    stagehand.meet().await;
    for phase in &program.phases {
        join_all(phase.iter().map(|branch| stagehand.branch(branch))).await;
        stagehand.cross().await;
        stagehand.fence_all().await;
    }
    stagehand.ask_about_it().await;
    let clients = 0..program.clients.len() as u8;
    join_all(clients.map(|client| stagehand.tell(client, |done| Command::Close { done }))).await;
    let mut world = world.borrow_mut();
    let history = std::mem::take(&mut world.journal.history);
    let mut findings = check(&history);
    let mut surprises = std::mem::take(&mut world.surprises);
    let excused = stage.excuse(&mut findings, &mut surprises);
    Outcome {
        findings,
        history,
        surprises,
        excused,
        unsupported: world.unsupported,
        refusals: std::mem::take(&mut world.refusals),
        transcript: std::mem::take(&mut world.journal.transcript),
    }
}

pub(super) struct Player<'a> {
    pub(super) world: Shared,
    pub(super) stage: &'a Stage,
    pub(super) namespaces: u8,
}

impl Player<'_> {
    /// A new connection for a client, in all its namespaces.
    async fn open(&self, client: u8, transport: Transport) {
        let mut endpoint = self.stage.endpoint_of(client).clone().with_jar(Jar::default());
        if let Some(link) = &self.world.borrow().clients[usize::from(client)].link {
            endpoint.through(link.address());
        }
        if self.world.borrow().stuck {
            return;
        }
        let opening = Connection::open(&endpoint, &self.stage.http, transport);
        let connection = match tokio::time::timeout(PATIENCE, opening).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return self.surprise(format!("c{client} cannot connect: {error}")),
            Err(_) => return self.wait_no_more(format!("c{client} cannot connect within {PATIENCE:?}")),
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        self.world.borrow_mut().clients[usize::from(client)].commands = Some(sender);
        tokio::task::spawn_local(actor::run(self.world.clone(), client, connection, receiver));
        for namespace in 0..self.namespaces {
            self.tell(client, |done| Command::Join { namespace, refused: false, done }).await;
        }
    }

    fn surprise(&self, what: String) {
        self.world.borrow_mut().surprises.push(what);
    }

    /// Somebody waited in vain. The others need not do so one after the other.
    pub(super) fn wait_no_more(&self, what: String) {
        self.surprise(what);
        self.world.borrow_mut().stuck = true;
    }

    /// Gives a client a command and waits until it is done; nothing if it has no connection.
    async fn tell<T>(&self, client: u8, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        if self.world.borrow().stuck {
            return None;
        }
        let (done, answer) = oneshot::channel();
        let sender = self.world.borrow().clients[usize::from(client)].commands.clone()?;
        sender.send(command(done)).ok()?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => answer.ok(),
            Err(_) => {
                self.wait_no_more(format!("c{client} had no answer within {PATIENCE:?}"));
                None
            }
        }
    }

    async fn fence_all(&self) {
        let clients = self.world.borrow().clients.len() as u8;
        let places = (0..clients).flat_map(|client| (0..self.namespaces).map(move |namespace| (client, namespace)));
        join_all(places.map(|(client, namespace)| self.fence(client, namespace))).await;
    }

    async fn fence(&self, client: u8, namespace: u8) {
        self.operate(client, namespace, Action::Fence, json!(["message-with-ack"]), |_, _| Answer::Done).await;
    }

    /// An operation of a client's own socket, if it has one.
    async fn operate(
        &self,
        client: u8,
        namespace: u8,
        action: Action,
        event: serde_json::Value,
        finish: impl FnOnce(&Journal, &Args) -> Answer + 'static,
    ) {
        let args = Args::from_json(event.to_string(), Vec::new());
        let begin = move |journal: &mut Journal, by| journal.invoke(by, action);
        self.call(client, namespace, begin, move |_| args, finish).await;
    }

    async fn call(
        &self,
        client: u8,
        namespace: u8,
        begin: impl FnOnce(&mut Journal, sio_oracle::history::SocketId) -> OperationId + 'static,
        args: impl FnOnce(OperationId) -> Args + 'static,
        finish: impl FnOnce(&Journal, &Args) -> Answer + 'static,
    ) {
        let Some(by) = self.socket(client, namespace) else { return };
        let begin = Box::new(move |journal: &mut Journal| begin(journal, by));
        let (args, finish) = (Box::new(args), Box::new(finish));
        self.tell(client, |done| Command::Call(Call { namespace, begin, args, finish, done })).await;
    }

    /// What only the fixture can tell: who serves each socket, and what became of the rooms.
    async fn ask_about_it(&self) {
        let clients = self.world.borrow().clients.len() as u8;
        let places = || (0..clients).flat_map(|client| (0..self.namespaces).map(move |namespace| (client, namespace)));
        join_all(places().map(|(client, namespace)| self.ask_who(client, namespace))).await;
        // Each server tells of its own sockets alone.
        if self.stage.in_order
            && self.stage.nodes() == 1
            && let Some((client, namespace)) =
                places().find(|(client, namespace)| self.socket(*client, *namespace).is_some())
        {
            self.ask_rooms(client, namespace).await;
        }
    }

    /// An event with an answer, which is a fence as well; its first argument.
    pub(super) async fn ask(&self, client: u8, namespace: u8, event: serde_json::Value) -> serde_json::Value {
        let answer = Rc::new(RefCell::new(serde_json::Value::Null));
        let slot = answer.clone();
        let finish = move |_: &Journal, args: &Args| {
            *slot.borrow_mut() = first(args);
            Answer::Done
        };
        self.operate(client, namespace, Action::Fence, event, finish).await;
        answer.take()
    }

    async fn ask_who(&self, client: u8, namespace: u8) {
        let Some(socket) = self.socket(client, namespace) else { return };
        let answer = self.ask(client, namespace, json!(["whoami"])).await;
        if let Some(name) = answer["handler"].as_str() {
            self.world.borrow_mut().journal.served(socket, name);
        }
    }

    async fn ask_rooms(&self, client: u8, namespace: u8) {
        let since = self.stage.journal.load(Ordering::Relaxed);
        let answer = self.ask(client, namespace, json!(["journal", since])).await;
        let mut world = self.world.borrow_mut();
        let World { journal, namespaces, .. } = &mut *world;
        for entry in answer.as_array().into_iter().flatten() {
            if let Some(seq) = entry["seq"].as_u64() {
                self.stage.journal.fetch_max(seq, Ordering::Relaxed);
            }
            let namespace = namespaces.iter().position(|name| entry["nsp"] == name.as_str());
            let room = ROOMS.iter().position(|name| entry["room"] == *name);
            let socket = entry["sid"].as_str().and_then(|sid| journal.socket_of(sid));
            let change = match (entry["kind"].as_str(), socket) {
                (Some("create-room"), _) => RoomChange::Created,
                (Some("delete-room"), _) => RoomChange::Deleted,
                (Some("join-room"), Some(socket)) => RoomChange::Joined(socket),
                (Some("leave-room"), Some(socket)) => RoomChange::Left(socket),
                _ => continue,
            };
            if let (Some(namespace), Some(room)) = (namespace, room) {
                journal.room(namespace as u8, room as u8, change);
            }
        }
    }

    pub(super) fn socket(&self, client: u8, namespace: u8) -> Option<sio_oracle::history::SocketId> {
        self.world.borrow().clients[usize::from(client)].places[usize::from(namespace)].socket
    }

    async fn branch(&self, steps: &[Step]) {
        for step in steps {
            self.step(step).await;
        }
    }

    async fn step(&self, step: &Step) {
        let (client, namespace) = (step.client, step.namespace);
        let Some(socket) = self.socket(client, namespace) else { return };
        match &step.verb {
            Verb::Join(rooms) => {
                let names: Vec<_> = rooms.iter().map(|room| ROOMS[usize::from(*room) % 3]).collect();
                let rooms = rooms.iter().map(|room| RoomId(u32::from(*room))).collect();
                self.operate(client, namespace, Action::Join { socket, rooms }, json!(["join", names]), done).await;
            }
            Verb::Leave(room) => {
                let event = json!(["leave", ROOMS[usize::from(*room) % 3]]);
                let room = RoomId(u32::from(*room));
                self.operate(client, namespace, Action::Leave { socket, room }, event, done).await;
            }
            Verb::Move { whom, room, into } => {
                let Some((other, sid)) = self.address(*whom, namespace) else { return };
                let op = if *into { "join" } else { "leave" };
                let event = json!(["select", { "op": op, "in": [sid], "rooms": [ROOMS[usize::from(*room) % 3]] }]);
                let room = RoomId(u32::from(*room));
                let action = match into {
                    true => Action::Join { socket: other, rooms: vec![room] },
                    false => Action::Leave { socket: other, room },
                };
                self.operate(client, namespace, action, event, self.told()).await;
            }
            Verb::Kick(whom) => {
                let Some((other, sid)) = self.address(*whom, namespace) else { return };
                let event = json!(["select", { "op": "disconnect", "in": [sid] }]);
                {
                    let mut world = self.world.borrow_mut();
                    let now = world.journal.now();
                    world.clients[usize::from(*whom)].kicked.get_or_insert(now);
                }
                self.operate(client, namespace, Action::Disconnect { socket: other }, event, self.told()).await;
            }
            Verb::Members(room) => {
                let event = json!(["select", { "op": "fetch", "in": [ROOMS[usize::from(*room) % 3]] }]);
                let rooms = vec![named(*room)];
                let action = Action::Presence { namespace: NamespaceId(u32::from(namespace)), rooms };
                self.operate(client, namespace, action, event, present).await;
            }
            Verb::Emit(emit) => self.emit(client, namespace, emit).await,
            Verb::Rejoin { refused } => {
                self.tell(client, |done| Command::Leave { namespace, done }).await;
                if *refused {
                    self.tell(client, |done| Command::Join { namespace, refused: true, done }).await;
                }
                self.tell(client, |done| Command::Join { namespace, refused: false, done }).await;
            }
            Verb::Cut { away } => {
                if self.tell(client, |done| Command::Cut { done }).await.is_some() {
                    // The outage itself, during which others go on.
                    tokio::time::sleep(Duration::from_millis(u64::from(*away))).await;
                    self.open(client, Transport::WebSocket).await;
                }
            }
            Verb::Stall => {
                self.hold(client, LinkAction::Hold { up: true, down: true });
                tokio::time::sleep(HELD).await;
                self.hold(client, LinkAction::Release);
            }
            Verb::Freeze => {
                let Some(pid) = self.stage.pid else { return };
                let _frozen = Frozen::new(pid);
                tokio::time::sleep(HELD).await;
            }
            Verb::Reconnect(transport) => {
                if self.tell(client, |done| Command::Close { done }).await.is_some() {
                    self.open(client, *transport).await;
                }
            }
        }
    }

    /// What the answer says of something that is done to the sockets of others: in a cluster it does not wait for their
    /// servers, and with some adapters not even for its own.
    fn told(&self) -> fn(&Journal, &Args) -> Answer {
        if self.stage.nodes() > 1 { |_, _| Answer::Refused } else { done }
    }

    fn hold(&self, client: u8, action: LinkAction) {
        if let Some(link) = &self.world.borrow().clients[usize::from(client)].link {
            link.act(action);
        }
    }

    /// Another client's socket and its id, where that is a room.
    fn address(&self, client: u8, namespace: u8) -> Option<(sio_oracle::history::SocketId, String)> {
        let socket = self.socket(client, namespace).filter(|_| self.stage.own_rooms)?;
        let sid = self.world.borrow().journal.sid(socket)?.to_owned();
        Some((socket, sid))
    }

    /// Rooms for the oracle and for the wire; none if somebody addressed is not there.
    fn targets(&self, namespace: u8, targets: &[Target]) -> Option<(Vec<Room>, Vec<String>)> {
        let one = |target: &Target| match target {
            Target::Room(room) => Some((named(*room), ROOMS[usize::from(*room) % 3].to_owned())),
            Target::Own(client) => self.address(*client, namespace).map(|(socket, sid)| (Room::Own(socket), sid)),
        };
        targets.iter().map(one).collect::<Option<Vec<_>>>().map(|both| both.into_iter().unzip())
    }

    pub(super) async fn emit(&self, client: u8, namespace: u8, emit: &Emit) {
        let (Some((rooms, to)), Some((spared, except))) =
            (self.targets(namespace, &emit.to), self.targets(namespace, &emit.except))
        else {
            return;
        };
        let via = if emit.from_socket { "socket" } else { "nsp" };
        let mut request = json!({ "via": via, "event": "m" });
        for (key, list) in [("to", &to), ("except", &except)] {
            if !list.is_empty() {
                request[key] = json!(list);
            }
        }
        if emit.volatile {
            request["volatile"] = json!(true);
        }
        let asked = if emit.silent.is_some() { ASKED_IN_VAIN } else { ASKED };
        if emit.asks {
            request["timeout"] = json!(asked.as_millis() as u64);
        }
        let patience = if emit.asks { asked.as_nanos() as u64 / 100 * SURELY } else { 0 };
        let action = Action::Emit(emission(namespace, (rooms, spared), emit, patience));
        let (binary, asks, silent) = (emit.binary, emit.asks, emit.silent);
        let begin = move |journal: &mut Journal, by| {
            let message = journal.next_operation();
            journal.sends(message, &payload(message, binary));
            journal.silence(message, silent);
            journal.invoke_as(message, by, action);
            message
        };
        let args = move |message: OperationId| with_payload(&request, message, binary);
        let finish = move |_: &Journal, args: &Args| if asks { acknowledgements(args) } else { Answer::Done };
        self.call(client, namespace, begin, args, finish).await;
    }
}

fn done(_: &Journal, _: &Args) -> Answer {
    Answer::Done
}

/// What a message carries behind its number. A string is never last: there recovery puts its offset.
fn payload(message: OperationId, binary: bool) -> Vec<Value> {
    let bytes = |start: u32| Value::Binary(Bytes::from(vec![start as u8; 1 + start as usize % 7]));
    let mut values = vec![Value::String(format!("tëxt {} 🎈", message.0))];
    if binary {
        values.extend([bytes(message.0), bytes(message.0 + 1)]);
    }
    values.push(Value::Number(message.0.into()));
    values
}

/// The fixture's `emit`, with the payload among its arguments.
fn with_payload(request: &serde_json::Value, message: OperationId, binary: bool) -> Args {
    let mut args = vec![Value::Number(message.0.into())];
    args.extend(payload(message, binary));
    let mut fields: Vec<(String, Value)> = match to_value(request) {
        Value::Object(fields) => fields,
        _ => Vec::new(),
    };
    fields.push(("args".to_owned(), Value::Array(args)));
    Args::from_values(&[Value::from("emit"), Value::Object(fields)])
}

fn to_value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => Value::Number(number.clone()),
        serde_json::Value::String(text) => Value::String(text.clone()),
        serde_json::Value::Array(items) => Value::Array(items.iter().map(to_value).collect()),
        serde_json::Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), to_value(value))).collect())
        }
    }
}

fn first(args: &Args) -> serde_json::Value {
    args.get(0).unwrap_or_default()
}

fn acknowledgements(args: &Args) -> Answer {
    let answer = first(args);
    let count = answer["acks"].as_array().map(|acks| acks.len() as u32);
    match (count, answer["error"].is_null()) {
        (Some(count), true) => Answer::Acknowledgements(count),
        (Some(count), false) => Answer::TimedOut(count),
        // How many there were is not told.
        (None, _) => Answer::Done,
    }
}

fn present(journal: &Journal, args: &Args) -> Answer {
    let answer = first(args);
    let ids: Vec<_> = answer.as_array().into_iter().flatten().filter_map(|entry| entry["id"].as_str()).collect();
    let sockets: Vec<_> = ids.iter().filter_map(|sid| journal.socket_of(sid)).collect();
    Answer::Present { strangers: (ids.len() - sockets.len()) as u32, sockets }
}

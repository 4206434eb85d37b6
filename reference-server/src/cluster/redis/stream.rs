//! The stream of `@socket.io/redis-streams-adapter`: what is to stay is added to it, and each node reads it in its order.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{Cmd, Value};
use tokio::sync::{Notify, watch};

use super::link::{Link, PAUSE, bytes};
use crate::cluster::member::lock;
use crate::cluster::requests::WeakMember;
use crate::cluster::wire::entry::Entry;
use crate::cluster::{Id, Member};

/// How long Redis keeps a question for more waiting, in milliseconds.
const BLOCK: usize = 5_000;
/// For how long an answer is waited for: longer than Redis waits for something to answer with.
const ANSWER: Duration = Duration::from_secs(30);
/// Entries that are read at once.
const COUNT: usize = 100;
/// About so many entries stay.
const KEPT: usize = 10_000;
/// How long an event may wait for its place in the stream before it goes to the clients of this node without one.
const PATIENCE: Duration = Duration::from_secs(1);

/// A stream, and who is told what is in it.
pub(super) struct Stream {
    name: String,
    state: Mutex<State>,
    /// Where it has been found to begin.
    begun: watch::Sender<bool>,
    /// Up to where everything is delivered.
    delivered: watch::Sender<Id>,
    alive: AtomicBool,
    /// Told when an event begins to wait for its place.
    waiting: Notify,
}

struct State {
    /// The last entry that was handed over, once it is known.
    last: Option<Id>,
    members: HashMap<String, WeakMember>,
}

impl Stream {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            state: Mutex::new(State { last: None, members: HashMap::new() }),
            begun: watch::Sender::new(false),
            delivered: watch::Sender::new(Id::default()),
            alive: AtomicBool::new(false),
            waiting: Notify::new(),
        }
    }

    /// Whether somebody reads what is added.
    pub(super) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// Ends when what is added from now on will be read.
    pub(super) async fn begun(&self) {
        // The sender lives in this stream.
        let _ = self.begun.subscribe().wait_for(|begun| *begun).await;
    }

    pub(super) fn open(&self, member: &Arc<Member>) {
        let mut state = lock(&self.state);
        if let Some(last) = state.last {
            member.reached(last);
        }
        state.members.insert(member.nsp().to_owned(), Arc::downgrade(member));
    }

    pub(super) fn close(&self, member: &Member) {
        lock(&self.state).members.retain(|_, other| !std::ptr::eq(other.as_ptr(), member));
    }

    /// An event waits for its place.
    pub(super) fn waits(&self) {
        self.waiting.notify_one();
    }

    /// How an entry is added.
    pub(super) fn add(&self, entry: &Entry) -> Cmd {
        let mut command = redis::cmd("XADD");
        command.arg(&self.name).arg("MAXLEN").arg("~").arg(KEPT).arg("*");
        command.arg("uid").arg(&entry.uid).arg("nsp").arg(&entry.nsp);
        command.arg("type").arg(&entry.kind).arg("data").arg(&entry.data);
        if let Some(number) = entry.number {
            command.arg("number").arg(number);
        }
        command
    }

    // ---- reading

    /// Reads, on one connection after the other, from where it was (RW-10).
    pub(super) async fn read(self: Arc<Self>, link: Arc<Link>) {
        let mut pause = PAUSE.0;
        loop {
            if let Some(mut connection) = link.open(|_| {}).await
                && self.begin(&mut connection, &link).await.is_some()
            {
                self.alive.store(true, Ordering::Release);
                while self.read_more(&mut connection, &link).await.is_some() {
                    pause = PAUSE.0;
                }
                self.alive.store(false, Ordering::Release);
                self.each(Member::stop_waiting);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Finds the end of the stream, once: `$` would be another place with each question.
    async fn begin(&self, connection: &mut MultiplexedConnection, link: &Link) -> Option<()> {
        if *self.begun.borrow() {
            return Some(());
        }
        let newest = newest_of(&self.answer(connection, &self.newest(), link).await?);
        let mut state = lock(&self.state);
        state.last = Some(newest);
        let members: Vec<_> = state.members.values().filter_map(WeakMember::upgrade).collect();
        members.iter().for_each(|member| member.reached(newest));
        drop(state);
        // Not under the lock: a member that ends here closes itself.
        drop(members);
        self.delivered.send_replace(newest);
        self.begun.send_replace(true);
        Some(())
    }

    /// What Redis says. A broker that has gone without a word is given up.
    async fn answer(&self, connection: &mut MultiplexedConnection, command: &Cmd, link: &Link) -> Option<Value> {
        match tokio::time::timeout(ANSWER, connection.req_packed_command(command)).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => link.note(format!("the stream {}: {error}", self.name)),
            Err(_) => link.note(format!("the stream {}: no answer within {ANSWER:?}", self.name)),
        }
    }

    fn newest(&self) -> Cmd {
        let mut command = redis::cmd("XREVRANGE");
        command.arg(&self.name).arg("+").arg("-").arg("COUNT").arg(1);
        command
    }

    /// Ends when everything that is there now is delivered.
    pub(super) async fn caught_up(&self, link: &Link) -> Option<()> {
        let newest = newest_of(&link.ask(&self.newest()).await?);
        self.delivered.subscribe().wait_for(|delivered| *delivered >= newest).await.ok().map(drop)
    }

    async fn read_more(&self, connection: &mut MultiplexedConnection, link: &Link) -> Option<()> {
        let last = lock(&self.state).last.unwrap_or_default();
        let mut command = redis::cmd("XREAD");
        command.arg("BLOCK").arg(BLOCK).arg("COUNT").arg(COUNT).arg("STREAMS").arg(&self.name).arg(last.to_string());
        let answer = self.answer(connection, &command, link).await?;
        let streams = match &answer {
            Value::Map(streams) => streams.iter().map(|(_, entries)| entries).collect(),
            Value::Array(streams) => streams.iter().filter_map(second).collect(),
            Value::Nil => Vec::new(),
            _ => return None,
        };
        for (id, entry) in streams.into_iter().flat_map(entries) {
            if !self.take(id, entry) {
                link.count_garbage();
            }
            self.delivered.send_replace(id);
        }
        Some(())
    }

    /// Hands an entry over; false if it cannot be read (RW-07).
    fn take(&self, id: Id, entry: Option<Entry>) -> bool {
        let mut state = lock(&self.state);
        // Together: who comes in behind this begins behind this entry.
        state.last = Some(id);
        let Some(entry) = entry else { return false };
        let member = state.members.get(&entry.nsp).and_then(WeakMember::upgrade);
        drop(state);
        member.is_none_or(|member| member.receive_entry(id, &entry))
    }

    fn each(&self, act: impl Fn(&Member)) {
        let members: Vec<_> = lock(&self.state).members.values().filter_map(WeakMember::upgrade).collect();
        members.iter().for_each(|member| act(member));
    }

    /// No event waits for long.
    pub(super) async fn keep_moving(self: Arc<Self>) {
        loop {
            self.waiting.notified().await;
            tokio::time::sleep(PATIENCE).await;
            self.each(|member| {
                if member.stop_waiting_long(PATIENCE) {
                    self.waits();
                }
            });
        }
    }

    // ---- looking back

    /// The entries behind one and up to another, at most so many; with it, where to go on.
    pub(super) async fn range(&self, link: &Link, after: Id, until: Id) -> Option<Vec<(Id, Option<Entry>)>> {
        let mut command = redis::cmd("XRANGE");
        command.arg(&self.name).arg(after.next().to_string()).arg(until.to_string()).arg("COUNT").arg(10 * COUNT);
        Some(entries(&link.ask(&command).await?))
    }

    /// Whether an entry of this namespace is still there. Another one was never seen by a client of it.
    pub(super) async fn has(&self, link: &Link, id: Id, nsp: &str) -> bool {
        let mut command = redis::cmd("XRANGE");
        command.arg(&self.name).arg(id.to_string()).arg(id.to_string());
        let found = link.ask(&command).await.map(|found| entries(&found)).unwrap_or_default();
        found.iter().any(|(_, entry)| entry.as_ref().is_some_and(|entry| entry.nsp == nsp))
    }
}

fn newest_of(answer: &Value) -> Id {
    entries(answer).first().map_or(Id::default(), |(id, _)| *id)
}

fn second(value: &Value) -> Option<&Value> {
    match value {
        Value::Array(pair) => pair.get(1),
        _ => None,
    }
}

fn text(value: &Value) -> Option<&str> {
    std::str::from_utf8(bytes(value)?).ok()
}

/// The entries of an answer, and what is in them if it makes sense.
fn entries(answer: &Value) -> Vec<(Id, Option<Entry>)> {
    let Value::Array(entries) = answer else { return Vec::new() };
    let read = |entry: &Value| match entry {
        Value::Array(pair) => match pair.as_slice() {
            [id, fields] => Some((text(id)?.parse().ok()?, entry_of(fields))),
            _ => None,
        },
        _ => None,
    };
    entries.iter().filter_map(read).collect()
}

fn entry_of(fields: &Value) -> Option<Entry> {
    let Value::Array(fields) = fields else { return None };
    let mut entry = Entry::default();
    for pair in fields.chunks_exact(2) {
        let value = text(&pair[1])?;
        match text(&pair[0])? {
            "uid" => value.clone_into(&mut entry.uid),
            "nsp" => value.clone_into(&mut entry.nsp),
            "type" => value.clone_into(&mut entry.kind),
            "data" => value.clone_into(&mut entry.data),
            "number" => entry.number = value.parse().ok(),
            _ => {}
        }
    }
    (!entry.nsp.is_empty()).then_some(entry)
}

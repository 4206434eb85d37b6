//! The connections to Redis: one that writes, and one that hears. Each is made again when it breaks.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::task::Poll;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, PushInfo, PushKind, Value};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};

use super::PREFIX;
use super::outbox::Outbox;
use super::routes::{Key, Outcome, Route, Routes, Way};
use super::stream::Stream;
use crate::cluster::member::{Member, lock};
use crate::lock::RwLockExt;

/// How long Redis has to take a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// How often the connection that hears is asked whether it still does, and how long it has. Long: a Redis that stands still
/// forgets nothing as long as nobody hangs up, and Node's client never does. That its machine is gone is for TCP to notice
/// ([`GONE`]).
const PING: (Duration, Duration) = (Duration::from_secs(15), Duration::from_mins(10));
/// A machine is gone that answers none of so many probes of TCP, of which the first comes after so much silence, and the others so
/// far apart. A process that stands still is none of that: its kernel answers.
pub(super) const GONE: (u32, Duration, Duration) = (3, Duration::from_secs(15), Duration::from_secs(5));
/// The first and the longest pause between two attempts.
pub(super) const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Batches that Redis has not answered yet.
const FLYING: usize = 16;

/// What did not reach the others, and what came and could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisStats {
    /// Messages that were dropped because too many waited.
    pub dropped: u64,
    /// Messages that were being written when the connection broke, or that Redis refused: nobody knows whether the others have them.
    pub uncertain: u64,
    /// Messages of others that made no sense and were ignored.
    pub garbage: u64,
    /// Connections that were made, the first ones counted in.
    pub connections: u64,
}

impl RedisStats {
    /// Whether something may not have reached the others, or they sent nonsense.
    pub fn has_lost(&self) -> bool {
        self.dropped + self.uncertain + self.garbage > 0
    }
}

impl fmt::Display for RedisStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dropped, uncertain, garbage, connections } = self;
        write!(
            f,
            "broker: {dropped} messages dropped because too many waited, {uncertain} under way when a connection broke, \
             {garbage} of others that cannot be read, {connections} connections"
        )
    }
}

#[derive(Default)]
struct Counters {
    dropped: AtomicU64,
    uncertain: AtomicU64,
    garbage: AtomicU64,
    connections: AtomicU64,
}

pub(super) struct Link {
    client: Client,
    outbox: Mutex<Outbox>,
    /// Told when something is in the outbox.
    work: Notify,
    /// Told when Redis has answered.
    done: Notify,
    routes: RwLock<Routes>,
    changed: Notify,
    /// Up to which version of the routes Redis knows them.
    known: watch::Sender<u64>,
    writer: watch::Sender<Option<MultiplexedConnection>>,
    /// What was wrong last, until it is right.
    trouble: Mutex<Option<String>>,
    counters: Counters,
}

/// The link and whoever keeps it up.
pub(super) struct Tasks {
    pub(super) link: Arc<Link>,
    pub(super) stream: Option<Arc<Stream>>,
    running: Vec<AbortHandle>,
}

impl Tasks {
    pub(super) fn start(client: Client, runtime: &Handle, with_stream: bool) -> Self {
        let link = Arc::new(Link::new(client));
        let mut running = vec![runtime.spawn(link.clone().write()), runtime.spawn(link.clone().hear())];
        let stream = with_stream.then(|| Arc::new(Stream::new(PREFIX.to_owned())));
        if let Some(stream) = &stream {
            running.push(runtime.spawn(stream.clone().read(link.clone())));
            running.push(runtime.spawn(stream.clone().keep_moving()));
        }
        Self { link, stream, running: running.iter().map(JoinHandle::abort_handle).collect() }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.running.iter().for_each(AbortHandle::abort);
    }
}

fn count(counter: &AtomicU64, more: u64) {
    // Relaxed: only the sum matters.
    counter.fetch_add(more, Ordering::Relaxed);
}

impl Link {
    fn new(client: Client) -> Self {
        Self {
            client,
            outbox: Mutex::default(),
            work: Notify::new(),
            done: Notify::new(),
            routes: RwLock::default(),
            changed: Notify::new(),
            known: watch::Sender::new(0),
            writer: watch::Sender::new(None),
            trouble: Mutex::default(),
            counters: Counters::default(),
        }
    }

    pub(super) fn stats(&self) -> RedisStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RedisStats {
            dropped: read(&self.counters.dropped),
            uncertain: read(&self.counters.uncertain),
            garbage: read(&self.counters.garbage),
            connections: read(&self.counters.connections),
        }
    }

    // ---- what others call

    /// Queues a command, whose body is so long; false, and it is dropped and counted, if too much waits.
    pub(super) fn send(&self, command: Cmd, bytes: usize) -> bool {
        let is_queued = lock(&self.outbox).push(command, bytes);
        if is_queued {
            self.work.notify_one();
        } else {
            count(&self.counters.dropped, 1);
        }
        is_queued
    }

    /// Asks something now, ahead of what is queued; `None` when the connection breaks.
    pub(super) async fn ask(&self, command: &Cmd) -> Option<Value> {
        let mut writer = self.writer.subscribe();
        let connection = writer.wait_for(Option::is_some).await.ok()?.clone();
        connection?.req_packed_command(command).await.ok()
    }

    /// As [`ask`](Self::ask), of several commands that are one step, and behind what is queued.
    pub(super) async fn ask_in_order(&self, commands: &Pipeline, answers: usize) -> Option<Vec<Value>> {
        self.written().await;
        let mut writer = self.writer.subscribe();
        let connection = writer.wait_for(Option::is_some).await.ok()?.clone();
        connection?.req_packed_commands(commands, commands.len() + 1, answers).await.ok()
    }

    /// Whether there is a connection that writes.
    pub(super) fn is_up(&self) -> bool {
        self.writer.borrow().is_some()
    }

    pub(super) fn count_garbage(&self) {
        count(&self.counters.garbage, 1);
    }

    pub(super) fn add_routes(&self, routes: impl IntoIterator<Item = (Key, Route)>) {
        self.change_routes(|all| routes.into_iter().for_each(|(key, route)| all.add(key, route)));
    }

    /// A member is told no longer, of one channel or of all.
    pub(super) fn remove_routes(&self, member: *const Member, channel: Option<&str>) {
        self.change_routes(|all| all.remove(member, channel));
    }

    fn change_routes(&self, change: impl FnOnce(&mut Routes)) {
        let mut routes = self.routes.write_unpoisoned();
        change(&mut routes);
        drop(routes);
        self.changed.notify_one();
    }

    /// Ends when Redis knows what is to be heard, as it is now.
    pub(super) async fn subscribed(&self) {
        let version = self.routes.read_unpoisoned().version();
        let mut known = self.known.subscribe();
        // The sender lives in this link.
        let _ = known.wait_for(|known| *known >= version).await;
    }

    /// Ends when Redis has what was handed over.
    pub(super) async fn written(&self) {
        // What is queued later is not waited for: on a busy node there is always something.
        let goal = lock(&self.outbox).queued();
        loop {
            let mut done = pin!(self.done.notified());
            done.as_mut().enable();
            if lock(&self.outbox).is_through(goal) {
                return;
            }
            done.await;
        }
    }

    // ---- connections

    pub(super) async fn open(
        &self,
        on_push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Option<MultiplexedConnection> {
        let on_push = move |info: PushInfo| {
            on_push(info);
            Ok::<_, ()>(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(4 * FLYING)
            .set_push_sender(on_push);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(connection)) => {
                count(&self.counters.connections, 1);
                Some(connection)
            }
            Ok(Err(error)) => self.note(error.to_string()),
            Err(_) => self.note(format!("no answer within {CONNECT:?}")),
        }
    }

    /// Something is wrong.
    pub(super) fn note<T>(&self, trouble: String) -> Option<T> {
        *lock(&self.trouble) = Some(trouble);
        None
    }

    /// What is wrong with the link, if something is.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    /// Writes what is queued, on one connection after the other.
    async fn write(self: Arc<Self>) {
        let mut pause = PAUSE.0;
        loop {
            let broken = Arc::new(Notify::new());
            let tell = broken.clone();
            let on_push = move |info: PushInfo| {
                if info.kind == PushKind::Disconnection {
                    tell.notify_one();
                }
            };
            if let Some(connection) = self.open(on_push).await {
                pause = PAUSE.0;
                self.writer.send_replace(Some(connection.clone()));
                self.write_on(&connection, &broken).await;
                self.writer.send_replace(None);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Several batches may be under way; they are written in their order, as each is begun before the next one is.
    async fn write_on(&self, connection: &MultiplexedConnection, broken: &Notify) {
        let mut flying = FuturesUnordered::new();
        'open: loop {
            while flying.len() < FLYING
                && let Some((pipeline, count)) = self.next_batch()
            {
                let mut connection = connection.clone();
                let mut batch = Box::pin(async move {
                    let answers = connection.req_packed_commands(&pipeline, 0, count).await;
                    (answers, count)
                });
                match std::future::poll_fn(|cx| Poll::Ready(batch.as_mut().poll(cx))).await {
                    Poll::Ready((answers, count)) => {
                        self.landed(&answers, count);
                        // A connection that is gone refuses at once; what is queued waits for the next one.
                        if answers.is_err() {
                            break 'open;
                        }
                    }
                    Poll::Pending => flying.push(batch),
                }
            }
            // Cancel-safe: what flies stays in its set.
            tokio::select! {
                biased;
                () = broken.notified() => break,
                Some((answers, count)) = flying.next() => {
                    self.landed(&answers, count);
                    if answers.is_err() {
                        break;
                    }
                }
                () = self.work.notified(), if flying.len() < FLYING => {}
            }
        }
        // The connection is gone, so each of them ends.
        while let Some((answers, count)) = flying.next().await {
            self.landed(&answers, count);
        }
    }

    fn next_batch(&self) -> Option<(Pipeline, usize)> {
        lock(&self.outbox).batch()
    }

    fn landed(&self, answers: &redis::RedisResult<Vec<Value>>, commands: usize) {
        let refused = match answers {
            Ok(answers) => answers.iter().filter(|answer| matches!(answer, Value::ServerError(_))).count(),
            Err(_) => commands,
        };
        count(&self.counters.uncertain, refused as u64);
        lock(&self.outbox).landed(commands);
        self.done.notify_waiters();
    }

    /// Hears what comes, on one connection after the other.
    async fn hear(self: Arc<Self>) {
        let mut pause = PAUSE.0;
        loop {
            let broken = Arc::new(Notify::new());
            let (tell, link) = (broken.clone(), Arc::downgrade(&self));
            let on_push = move |info: PushInfo| match (&info.kind, link.upgrade()) {
                (PushKind::Disconnection, _) | (_, None) => tell.notify_one(),
                (_, Some(link)) => link.heard(&info),
            };
            if let Some(connection) = self.open(on_push).await {
                pause = PAUSE.0;
                // Cancel-safe: the connection is given up with it.
                tokio::select! {
                    () = self.keep_subscribed(connection) => {}
                    () = broken.notified() => {}
                }
            }
            self.known.send_replace(0);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Ends when Redis does not answer any more.
    async fn keep_subscribed(&self, mut connection: MultiplexedConnection) {
        let mut have = HashSet::new();
        loop {
            let (version, commands) = self.difference(&mut have);
            if !commands.is_empty() && self.tell(&mut connection, &commands).await.is_none() {
                return;
            }
            *lock(&self.trouble) = None;
            self.known.send_replace(version);
            // Cancel-safe: what has changed is looked for each time.
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(PING.0) => {
                    if !answers_in_time(connection.req_packed_command(&redis::cmd("PING"))).await {
                        return;
                    }
                }
            }
        }
    }

    /// Tells Redis what is to be heard. It may not know how, as before 7 it does not know shards.
    async fn tell(&self, connection: &mut MultiplexedConnection, commands: &Pipeline) -> Option<()> {
        let answers = connection.req_packed_commands(commands, 0, commands.len());
        let answers = tokio::time::timeout(PING.1, answers).await.ok()?.ok()?;
        let refusal = answers.iter().find_map(|answer| match answer {
            Value::ServerError(error) => Some(error.to_string()),
            _ => None,
        });
        refusal.map_or(Some(()), |refusal| self.note(refusal))
    }

    /// What Redis has to be told so that it knows the routes.
    fn difference(&self, have: &mut HashSet<Key>) -> (u64, Pipeline) {
        let routes = self.routes.read_unpoisoned();
        let mut commands = Pipeline::new();
        let mut tell = |(way, name): &Key, wanted| {
            commands.cmd(way.command(wanted)).arg(name);
        };
        have.retain(|key| {
            let wanted = routes.contains(key);
            if !wanted {
                tell(key, false);
            }
            wanted
        });
        for key in routes.keys() {
            if have.insert(key.clone()) {
                tell(key, true);
            }
        }
        (routes.version(), commands)
    }

    /// Hands a message over where it came, so that it reaches clients without a detour; meanwhile nothing more is read.
    fn heard(&self, info: &PushInfo) {
        let (way, pattern, channel, payload) = match (&info.kind, info.data.as_slice()) {
            (PushKind::Message, [channel, payload]) => (Way::Channel, channel, channel, payload),
            (PushKind::SMessage, [channel, payload]) => (Way::Shard, channel, channel, payload),
            (PushKind::PMessage, [pattern, channel, payload]) => (Way::Pattern, pattern, channel, payload),
            _ => return,
        };
        let (Some(name), Some(channel), Some(payload)) = (bytes(pattern), bytes(channel), bytes(payload)) else {
            return;
        };
        let Ok(name) = std::str::from_utf8(name) else { return };
        let routes = self.routes.read_unpoisoned();
        let told = routes.of(&(way, name.to_owned()));
        drop(routes);
        let outcomes: Vec<_> = told.iter().map(|route| route.take(channel, payload)).collect();
        if outcomes.contains(&Outcome::Garbage) {
            count(&self.counters.garbage, 1);
        }
    }
}

pub(super) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

async fn answers_in_time<T>(answer: impl Future<Output = redis::RedisResult<T>>) -> bool {
    matches!(tokio::time::timeout(PING.1, answer).await, Ok(Ok(_)))
}

//! `io.to("a").except("b").emit(…)`: a selection, flags, and what is done with it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sio_protocol::{Args, ArgsError, IntoArgs, Parser};
use tokio::sync::Notify;

use crate::Socket;
use crate::adapter::{Outgoing, Room, Selection};
use crate::cluster::wire::{Aim, Message};
use crate::cluster::{ClusterError, Member, Question, RemoteSocket};
use crate::event::arguments;
use crate::lock::LockExt;
use crate::namespace::Namespace;

/// One room, or several: what [`BroadcastOperator::to`] and its like take.
pub trait IntoRooms {
    /// The names.
    fn into_rooms(self) -> Vec<Room>;
}

macro_rules! one_room {
    ($($type:ty),*) => {
        $(impl IntoRooms for $type {
            fn into_rooms(self) -> Vec<Room> {
                vec![AsRef::<str>::as_ref(&self).into()]
            }
        })*
    };
}
one_room!(&str, String, &String, Room, &Room);

impl<T: AsRef<str>> IntoRooms for Vec<T> {
    fn into_rooms(self) -> Vec<Room> {
        self.as_slice().into_rooms()
    }
}

impl<T: AsRef<str>> IntoRooms for &Vec<T> {
    fn into_rooms(self) -> Vec<Room> {
        self.as_slice().into_rooms()
    }
}

impl<T: AsRef<str>> IntoRooms for &[T] {
    fn into_rooms(self) -> Vec<Room> {
        self.iter().map(|room| room.as_ref().into()).collect()
    }
}

impl<T: AsRef<str>, const N: usize> IntoRooms for [T; N] {
    fn into_rooms(self) -> Vec<Room> {
        self.as_slice().into_rooms()
    }
}

/// How an event is sent; each emit has its own (MD-07).
#[derive(Clone, Copy, Debug)]
pub struct Flags {
    /// Dropped if it cannot leave at once.
    pub volatile: bool,
    /// Whether the polling answer it leaves with may be compressed.
    pub compress: bool,
    /// This node only.
    pub local: bool,
}

impl Default for Flags {
    fn default() -> Self {
        Self { volatile: false, compress: true, local: false }
    }
}

/// Selects sockets and addresses them. Immutable: each call returns a new operator, so one that is kept does
/// not collect rooms or flags (RM-20).
#[derive(Clone)]
#[must_use = "an operator does nothing until it emits"]
pub struct BroadcastOperator {
    namespaces: Vec<Namespace>,
    selection: Selection,
    flags: Flags,
    timeout: Option<Duration>,
}

/// Not every answer came in time.
#[derive(Clone, Debug, thiserror::Error)]
#[error("operation has timed out after {timeout:?}: {} of {expected} clients answered", .acks.len())]
pub struct PartialAcks {
    /// What came.
    pub acks: Vec<Args>,
    /// How many clients were asked.
    pub expected: usize,
    /// How long was waited.
    pub timeout: Duration,
}

/// Why a broadcast with acknowledgements did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BroadcastError {
    /// Nothing was sent: the arguments cannot be serialized.
    #[error(transparent)]
    Args(#[from] ArgsError),
    /// Some clients did not answer in time; what the others said is inside.
    #[error(transparent)]
    Partial(#[from] PartialAcks),
}

/// How long a broadcast waits for acknowledgements when it is not told. Node fails at once instead (MD-12).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

impl BroadcastOperator {
    pub(crate) fn new(namespaces: Vec<Namespace>, except_sid: Option<Room>) -> Self {
        let selection = Selection { except_sid, ..Selection::default() };
        Self { namespaces, selection, flags: Flags::default(), timeout: None }
    }

    pub(crate) fn with_flags(mut self, flags: Flags, timeout: Option<Duration>) -> Self {
        self.flags = flags;
        self.timeout = timeout;
        self
    }

    /// Adds rooms to the union. As in Socket.IO, an operator without any room addresses everybody, so an empty list
    /// does, too.
    pub fn to(mut self, rooms: impl IntoRooms) -> Self {
        self.selection.rooms.extend(rooms.into_rooms());
        self
    }

    /// The same as [`to`](Self::to) (RM-04); `in` is a word of the language.
    pub fn in_room(self, rooms: impl IntoRooms) -> Self {
        self.to(rooms)
    }

    /// Excludes the members of rooms, or single sockets by their ids.
    pub fn except(mut self, rooms: impl IntoRooms) -> Self {
        self.selection.except.extend(rooms.into_rooms());
        self
    }

    /// Packets that do not leave at once are dropped.
    pub fn volatile(mut self) -> Self {
        self.flags.volatile = true;
        self
    }

    /// Addresses the clients of this node only. A server without a cluster is its only node.
    pub fn local(mut self) -> Self {
        self.flags.local = true;
        self
    }

    /// Whether the answer of a polling client may be compressed when this event is in it (yes). WebSocket messages
    /// are never compressed.
    pub fn compress(mut self, compress: bool) -> Self {
        self.flags.compress = compress;
        self
    }

    /// How long [`emit_with_ack`](Self::emit_with_ack) waits (5 s).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Emits to every selected socket. When it returns, the packet is queued on each of their connections.
    ///
    /// Fails, with nothing sent, when the arguments cannot be serialized.
    pub fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), ArgsError> {
        let args = arguments(event, args)?;
        for nsp in &self.namespaces {
            let outgoing = Outgoing { nsp: nsp.path(), args: args.clone(), flags: self.flags, parser: nsp.parser() };
            nsp.adapter().broadcast(&self.selection, &outgoing);
        }
        Ok(())
    }

    /// Emits and collects one answer of each selected client. Clients that leave without an answer are waited for
    /// until the time is over, as in Socket.IO (MD-13).
    pub async fn emit_with_ack(&self, event: &str, args: impl IntoArgs) -> Result<Vec<Args>, BroadcastError> {
        let args = arguments(event, args)?;
        let timeout = self.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let answers = Arc::new(Answers::default());
        // Ahead of the clients of this node, so that it is in one order with what is emitted.
        let elsewhere = self.ask_others(&args, timeout, &answers);
        #[cfg(feature = "faults")]
        let question = crate::faults::question::Question::begin(&self.namespaces);
        #[cfg(feature = "faults")]
        let asked = match question.torn() {
            None => self.ask(&args, &answers, |_| true),
            Some(pause) => {
                use crate::faults::question::Question;
                let mut asked = self.ask(&args, &answers, Question::is_first_half);
                tokio::time::sleep(pause).await;
                asked.0.append(&mut self.ask(&args, &answers, |socket| !Question::is_first_half(socket)).0);
                asked
            }
        };
        #[cfg(not(feature = "faults"))]
        let asked = self.ask(&args, &answers, |_| true);
        let here = asked.0.len();
        let expected = || here + elsewhere.iter().map(Question::clients).sum::<usize>();
        let all = async {
            while !elsewhere.iter().all(Question::is_counted) || answers.count() < expected() {
                answers.more.notified().await;
            }
        };
        let counted = async {
            for question in &elsewhere {
                question.count().await;
            }
        };
        let both = async { tokio::join!(counted, all) };
        let in_time = tokio::time::timeout(timeout, both).await.is_ok();
        let expected = expected();
        #[cfg(feature = "faults")]
        let in_time = !question.awaits_nobody(expected, timeout).await && in_time;
        drop(asked);
        drop(elsewhere);
        let acks = std::mem::take(&mut *answers.lock());
        #[cfg(feature = "faults")]
        let acks = question.told(acks, in_time, expected);
        if in_time { Ok(acks) } else { Err(PartialAcks { acks, expected, timeout }.into()) }
    }

    /// Sends a question to the selected sockets that are wanted.
    fn ask(&self, args: &Args, answers: &Arc<Answers>, wanted: impl Fn(&Socket) -> bool) -> Asked {
        let mut asked = Asked::default();
        for nsp in &self.namespaces {
            nsp.ask_local(&self.selection, self.flags, args, answers, &mut asked, &wanted);
        }
        asked
    }

    /// The other nodes, if there are some and they are addressed.
    fn elsewhere(&self) -> impl Iterator<Item = &Member> {
        let namespaces = self.namespaces.iter().filter(|_| !self.flags.local);
        namespaces.filter_map(|nsp| nsp.adapter().cluster())
    }

    fn ask_others(&self, args: &Args, timeout: Duration, answers: &Arc<Answers>) -> Vec<Question> {
        let ask = |member: &Member| {
            let nsp = member.nsp().into();
            let event = Outgoing { nsp, args: args.clone(), flags: self.flags, parser: Parser::Json };
            member.ask(&self.selection, &event, timeout, answers)
        };
        self.elsewhere().filter_map(ask).collect()
    }

    fn tell_others(&self, message: impl Fn(Aim) -> Message) {
        self.elsewhere().for_each(|member| member.tell(message(Aim::of(&self.selection))));
    }

    /// The selected sockets of all nodes. [`fetch_sockets`](Self::fetch_sockets) has those of this one, which are more than a
    /// description.
    pub async fn fetch_all_sockets(&self) -> Result<Vec<RemoteSocket>, ClusterError> {
        let mut all: Vec<_> = self.fetch_sockets().iter().map(RemoteSocket::of_this_node).collect();
        for member in self.elsewhere() {
            all.extend(member.fetch_others(&self.selection).await?);
        }
        Ok(all)
    }

    /// The selected sockets of this node.
    pub fn fetch_sockets(&self) -> Vec<Socket> {
        let mut sockets = Vec::new();
        for nsp in &self.namespaces {
            nsp.adapter().for_each(&self.selection, &mut |socket| {
                if socket.connected() || socket.is_fetched_anyhow() {
                    sockets.push(socket.clone());
                }
            });
        }
        sockets
    }

    /// Puts the selected sockets into rooms: those of this node when it returns, those of others as soon as they hear of it.
    pub fn sockets_join(&self, rooms: impl IntoRooms) {
        let rooms = rooms.into_rooms();
        self.tell_others(|aim| Message::Join(aim, rooms.clone()));
        self.fetch_sockets().iter().for_each(|socket| socket.join(rooms.as_slice()));
    }

    /// Takes the selected sockets out of rooms, as [`sockets_join`](Self::sockets_join) puts them in.
    pub fn sockets_leave(&self, rooms: impl IntoRooms) {
        let rooms = rooms.into_rooms();
        self.tell_others(|aim| Message::Leave(aim, rooms.clone()));
        for socket in self.fetch_sockets() {
            rooms.iter().for_each(|room| socket.leave(room));
        }
    }

    /// Disconnects the selected sockets; with `close`, their connections too.
    pub fn disconnect_sockets(&self, close: bool) {
        self.tell_others(|aim| Message::Disconnect(aim, close));
        let sockets = self.fetch_sockets();
        #[cfg(feature = "faults")]
        let sockets = crate::faults::question::put_out(sockets);
        for socket in sockets {
            socket.disconnect(close);
        }
    }
}

/// The answers to one broadcast: at most one of each client that was asked.
#[derive(Default)]
pub(crate) struct Answers {
    acks: Mutex<Vec<Args>>,
    more: Notify,
    /// Where they go instead, if another node has asked.
    forward: Option<Forward>,
}

type Forward = Box<dyn Fn(Args) + Send + Sync>;

impl Answers {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Args>> {
        self.acks.lock_unpoisoned()
    }

    fn count(&self) -> usize {
        self.lock().len()
    }

    /// Answers that are passed on.
    pub(crate) fn forwarded(forward: impl Fn(Args) + Send + Sync + 'static) -> Self {
        Self { forward: Some(Box::new(forward)), ..Self::default() }
    }

    /// Whoever waits looks again.
    pub(crate) fn wake(&self) {
        self.more.notify_one();
    }

    pub(crate) fn push(&self, args: Args) {
        if let Some(forward) = &self.forward {
            return forward(args);
        }
        self.lock().push(args);
        // One waits; a permit is kept for it if it is not waiting right now.
        self.more.notify_one();
    }
}

/// Who was asked. Dropped, also when the caller gives up waiting, nobody expects their answers any more.
#[derive(Default)]
pub(crate) struct Asked(Vec<(Socket, u64)>);

impl Asked {
    pub(crate) fn push(&mut self, socket: Socket, id: u64) {
        self.0.push((socket, id));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        for (socket, id) in &self.0 {
            socket.forget_ack(*id);
        }
    }
}

//! A namespace of this node, as a member of a cluster.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use sio_protocol::{ByteString, Frames, Parser};

use super::requests::Pending;
use super::wire::{Aim, Envelope, Incoming, Message, Telling};
use super::{Broker, To};
use crate::adapter::{Adapter, Claim, Listing, Outgoing, Room, RoomObserver, Selection};
use crate::namespace::{Namespace, WeakNamespace};
use crate::{Flags, Socket};

/// A namespace of this node, as a member of a cluster.
pub struct Member {
    nsp: ByteString,
    /// By which the others know it.
    uid: String,
    parser: Parser,
    /// The rooms of this node.
    local: Arc<dyn Adapter>,
    broker: Arc<dyn Broker>,
    home: OnceLock<WeakNamespace>,
    pub(super) requests: Mutex<HashMap<String, Pending>>,
    /// Held while something is handed over and delivered here, so that all nodes have it in one order.
    order: Mutex<()>,
    myself: Weak<Member>,
}

/// What a member is made of.
pub(crate) struct Parts {
    pub(crate) nsp: ByteString,
    pub(crate) uid: String,
    pub(crate) parser: Parser,
    pub(crate) local: Arc<dyn Adapter>,
    pub(crate) broker: Arc<dyn Broker>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member({} of {})", self.uid, self.nsp)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Member {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let member = Arc::new_cyclic(|myself| Self {
            nsp: parts.nsp,
            uid: parts.uid,
            parser: parts.parser,
            local: parts.local,
            broker: parts.broker,
            home: OnceLock::new(),
            requests: Mutex::default(),
            order: Mutex::default(),
            myself: myself.clone(),
        });
        member.broker.open(&member);
        member
    }

    /// The name of the namespace.
    pub fn nsp(&self) -> &str {
        &self.nsp
    }

    /// By which the other nodes know this one.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The rooms of this node alone.
    pub(crate) fn local(&self) -> &dyn Adapter {
        &*self.local
    }

    pub(super) fn myself(&self) -> Weak<Self> {
        self.myself.clone()
    }

    pub(super) fn broker(&self) -> &dyn Broker {
        &*self.broker
    }

    /// Tells it whose rooms these are.
    pub(crate) fn belongs_to(&self, nsp: &Namespace) {
        // Once: there is one namespace of an adapter.
        let _ = self.home.set(nsp.downgrade());
    }

    pub(super) fn home(&self) -> Option<Namespace> {
        self.home.get()?.upgrade()
    }

    /// Leaves the cluster: the others no longer count it. What was handed over before is still carried.
    pub(crate) async fn leave(&self) {
        self.broker.close(self);
        self.broker.settled().await;
    }

    /// How many nodes serve the namespace, this one counted in; `None` if the broker does not tell.
    pub async fn server_count(&self) -> Option<usize> {
        self.broker.count(self).await
    }

    /// Tells all others.
    pub(crate) fn tell(&self, message: Message) {
        let envelope = Envelope { uid: Some(self.uid.clone()), nsp: Some(self.nsp.to_string()), message };
        self.broker.send(self, To::All, &Incoming::Message(envelope));
    }

    pub(super) fn outgoing(&self, telling: &Telling) -> Outgoing {
        Outgoing { nsp: self.nsp.clone(), args: telling.args.clone(), flags: telling.flags, parser: self.parser }
    }

    /// The connected sockets of this node that are addressed.
    pub(super) fn sockets(&self, aim: Aim) -> Vec<Socket> {
        let mut sockets = Vec::new();
        self.local.for_each(&aim.selection(), &mut |socket| {
            if socket.connected() {
                sockets.push(socket.clone());
            }
        });
        sockets
    }

    /// Hands a broadcast over to the other nodes.
    fn publish(&self, selection: &Selection, event: &Outgoing) {
        let telling = Telling { aim: Aim::of(selection), flags: event.flags, timeout: None, args: event.args.clone() };
        self.tell(Message::Tell(telling));
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.broker.close(self);
    }
}

impl Adapter for Member {
    fn add_all(&self, socket: &Socket, rooms: &[Room]) {
        self.local.add_all(socket, rooms);
    }

    fn del(&self, sid: &str, room: &str) {
        self.local.del(sid, room);
    }

    fn del_all(&self, sid: &str) {
        self.local.del_all(sid);
    }

    fn broadcast(&self, selection: &Selection, event: &Outgoing) {
        // What is for one socket alone is for one that is here.
        if event.flags.local || selection.only.is_some() {
            return self.local.broadcast(selection, event);
        }
        let _order = lock(&self.order);
        self.publish(selection, event);
        self.local.broadcast(selection, event);
    }

    fn for_each(&self, selection: &Selection, visit: &mut dyn FnMut(&Socket)) {
        self.local.for_each(selection, visit);
    }

    fn socket_rooms(&self, sid: &str) -> Vec<Room> {
        self.local.socket_rooms(sid)
    }

    fn has_room(&self, room: &str) -> bool {
        self.local.has_room(room)
    }

    fn rooms(&self) -> Listing {
        self.local.rooms()
    }

    fn sids(&self) -> Listing {
        self.local.sids()
    }

    fn on_room_event(&self, observer: RoomObserver) {
        self.local.on_room_event(observer);
    }

    fn cluster(&self) -> Option<&Member> {
        Some(self)
    }

    fn persist(&self, socket: &Socket) {
        self.local.persist(socket);
    }

    fn claim(&self, pid: &str, offset: &str) -> Option<Claim> {
        self.local.claim(pid, offset)
    }

    fn catch_up(&self, claim: &mut Claim) -> bool {
        self.local.catch_up(claim)
    }

    fn restore(&self, socket: &Socket, claim: &Claim, accept: &mut dyn FnMut(&[Frames]) -> bool) -> bool {
        self.local.restore(socket, claim, accept)
    }

    fn give_back(&self, claim: &Claim) {
        self.local.give_back(claim);
    }

    fn let_go(&self, claim: &Claim) {
        self.local.let_go(claim);
    }
}

/// Flags of a question that is handed on: what is local is not asked elsewhere.
pub(super) fn asked_flags(flags: Flags) -> Flags {
    Flags { local: false, ..flags }
}

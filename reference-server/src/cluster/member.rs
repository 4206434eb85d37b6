//! A namespace of this node, as a member of a cluster.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::Duration;

use sio_protocol::{ByteString, Frames, Parser};

use super::ordered::{Order, Sequencer};
use super::requests::Pending;
use super::wire::{Aim, Envelope, Incoming, Message, Telling};
use super::{Broker, REQUEST_TIMEOUT, To};
use crate::adapter::{Adapter, Claim, Listing, Outgoing, Room, RoomObserver, Selection};
use crate::lock::LockExt;
use crate::namespace::{Namespace, WeakNamespace};
use crate::{Flags, Recovery, Socket};

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
    pub(super) order: Mutex<Order>,
    /// How clients come back, if they may.
    recovery: Option<Recovery>,
    #[cfg(feature = "faults")]
    pub(super) faults: Option<crate::faults::Faults>,
    myself: Weak<Member>,
}

/// What a member is made of.
pub(crate) struct Parts {
    pub(crate) nsp: ByteString,
    pub(crate) uid: String,
    pub(crate) parser: Parser,
    pub(crate) local: Arc<dyn Adapter>,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) recovery: Option<Recovery>,
    #[cfg(feature = "faults")]
    pub(crate) faults: Option<crate::faults::Faults>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member({} of {})", self.uid, self.nsp)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock_unpoisoned()
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
            recovery: parts.recovery,
            #[cfg(feature = "faults")]
            faults: parts.faults,
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

    /// How many nodes serve the namespace, this one counted in; `None` if the broker does not tell within five seconds.
    pub async fn server_count(&self) -> Option<usize> {
        tokio::time::timeout(REQUEST_TIMEOUT, self.broker.count(self)).await.ok().flatten()
    }

    /// The broker's order, if clients may come back and it has one.
    pub(super) fn sequencer(&self) -> Option<&dyn Sequencer> {
        self.recovery.as_ref().and_then(|_| self.broker.sequencer())
    }

    /// How long a client may be away.
    pub(super) fn away(&self) -> Duration {
        self.recovery.as_ref().map_or(Duration::ZERO, |recovery| recovery.max_disconnection_duration)
    }

    /// How many bytes a client may have missed.
    pub(super) fn most(&self) -> usize {
        self.recovery.as_ref().map_or(0, |recovery| recovery.max_packet_bytes)
    }

    /// What only the clients of this node get is in no stream, and has no place that a client could name.
    fn broadcast_here(&self, selection: &Selection, event: &Outgoing) {
        let frames = event.frames();
        self.local.for_each(selection, &mut |socket| {
            socket.send_frames(&frames, event.flags.compress);
        });
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
        #[cfg(feature = "faults")]
        let event = &Outgoing { flags: self.flags_of(event), ..event.clone() };
        match self.sequencer() {
            Some(_) if event.flags.local && !event.flags.volatile => return self.broadcast_here(selection, event),
            Some(sequencer) if !event.flags.local && !event.flags.volatile => {
                return self.emit_in_order(sequencer, selection, event);
            }
            _ => {}
        }
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
        match self.sequencer() {
            Some(sequencer) => self.persist_for_all(sequencer, socket),
            None => self.local.persist(socket),
        }
    }

    fn claim(&self, pid: &str, offset: &str) -> Option<Claim> {
        // With a stream, those of other nodes are looked up as well, which takes time: [`Member::reclaim`].
        self.local.claim(pid, offset).filter(|_| !self.recovers())
    }

    fn catch_up(&self, claim: &mut Claim) -> bool {
        self.local.catch_up(claim)
    }

    fn restore(&self, socket: &Socket, claim: &Claim, accept: &mut dyn FnMut(&[Frames]) -> bool) -> bool {
        self.local.restore(socket, claim, accept)
    }

    fn give_back(&self, claim: &Claim) {
        match self.sequencer() {
            Some(sequencer) => self.give_back_to_all(sequencer, claim),
            None => self.local.give_back(claim),
        }
    }

    fn let_go(&self, claim: &Claim) {
        self.local.let_go(claim);
    }
}

/// Flags of a question that is handed on: what is local is not asked elsewhere.
pub(super) fn asked_flags(flags: Flags) -> Flags {
    Flags { local: false, ..flags }
}

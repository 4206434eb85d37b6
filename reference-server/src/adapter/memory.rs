//! The adapter of a single process: two maps under one lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use indexmap::IndexSet;
use sio_protocol::Frames;
use slab::Slab;

use super::budget::{Budget, cost};
use super::recovery::{CHUNK, Log};
use super::room_history::RoomHistory;
use super::{Adapter, Claim, Kept, Listing, Outgoing, Room, RoomEvent, RoomObserver, Selection};
use crate::lock::LockExt;
use crate::session::now;
use crate::{Recovery, Socket};

/// Rooms in memory.
///
/// The lock is held while a broadcast is queued on its recipients, never while bytes are written, so a
/// broadcast and a concurrent `join` have an order that every receiver sees.
pub struct MemoryAdapter {
    state: Arc<Mutex<State>>,
    /// Whether packets are remembered; known without the lock, so that it is not held while they are encoded.
    recovers: bool,
}

impl Default for MemoryAdapter {
    fn default() -> Self {
        Self::new(None)
    }
}

/// What the adapters of all namespaces of a server have together.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) rooms: Arc<Budget>,
    pub(crate) recovery: Arc<Budget>,
}

struct State {
    sockets: Slab<Entry>,
    by_sid: HashMap<Room, usize>,
    rooms: HashMap<Room, IndexSet<usize>>,
    /// The last broadcast; an entry with this mark is done or excluded.
    epoch: u64,
    observers: Vec<RoomObserver>,
    /// What recovery remembers, if it is on.
    log: Option<Log>,
    /// What all rooms of the server may take.
    budget: Arc<Budget>,
}

struct Entry {
    socket: Socket,
    rooms: IndexSet<Room>,
    mark: u64,
    /// With recovery, which packets found it in which room.
    stays: RoomHistory,
    /// Bytes that its rooms take, those that it has left and that are remembered among them.
    held: usize,
}

impl Entry {
    /// Takes the memory for one more room; false, and the connection is closed, when there is none.
    fn hold(&mut self, room: &Room, budget: &Budget) -> bool {
        let bytes = cost(room);
        let fits = budget.take(bytes);
        self.held += bytes;
        // A socket's own room is bound by the number of sessions.
        if fits || *room == *self.socket.sid() { self.socket.hold(bytes) } else { self.socket.hold_too_much() }
    }

    /// Remembers the rooms of an earlier connection, those that it has left as well.
    fn resume(&mut self, stays: &RoomHistory, budget: &Budget) {
        self.stays = stays.clone();
        let bytes: usize = stays.left().map(|room| cost(room)).sum();
        budget.take(bytes);
        self.held += bytes;
        self.socket.hold(bytes);
    }

    /// Gives back what rooms took.
    fn let_go(&mut self, rooms: &[Room], budget: &Budget) {
        let bytes: usize = rooms.iter().map(|room| cost(room)).sum();
        self.held -= bytes;
        self.socket.let_go(bytes);
        budget.give_back(bytes);
    }
}

impl MemoryAdapter {
    /// Rooms in memory, with connection state recovery if there are options for it.
    pub fn new(recovery: Option<Recovery>) -> Self {
        let total = recovery.as_ref().map_or(0, |recovery| recovery.max_total_bytes);
        let unlimited = Arc::new(Budget::new(usize::MAX));
        Self::with(recovery, &Shared { rooms: unlimited, recovery: Arc::new(Budget::new(total)) })
    }

    pub(crate) fn with(recovery: Option<Recovery>, shared: &Shared) -> Self {
        let recovers = recovery.is_some();
        let state = State {
            sockets: Slab::new(),
            by_sid: HashMap::new(),
            rooms: HashMap::new(),
            epoch: 0,
            observers: Vec::new(),
            log: recovery.map(|recovery| Log::new(recovery, shared.recovery.clone())),
            budget: shared.rooms.clone(),
        };
        Self { state: Arc::new(Mutex::new(state)), recovers }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Makes sure that what the log holds is let go of in time. Without a runtime there is nobody who could; then
    /// the next packet does.
    fn keep_swept(&self, state: &mut State) {
        let Some(log) = state.log.as_mut().filter(|log| !log.swept) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        log.swept = true;
        runtime.spawn(sweep(Arc::downgrade(&self.state)));
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A panic in an observer leaves the maps whole: every change is finished before it is reported.
    state.lock_unpoisoned()
}

/// Lets go of what has expired, until there is nothing left or the adapter is gone.
async fn sweep(state: Weak<Mutex<State>>) {
    loop {
        let Some(pause) = state.upgrade().and_then(|state| {
            let mut state = lock(&state);
            let log = state.log.as_mut()?;
            if log.prune(now(), CHUNK) {
                return Some(Duration::ZERO);
            }
            log.swept = log.next_expiry().is_some();
            log.next_expiry()
        }) else {
            return;
        };
        if pause.is_zero() {
            // The others get their turn.
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(pause).await;
        }
    }
}

impl State {
    fn tell(&self, event: impl FnOnce() -> RoomEvent) {
        if !self.observers.is_empty() {
            let event = event();
            self.observers.iter().for_each(|observer| observer(&event));
        }
    }

    /// Puts a socket into a room. False when there is no memory left for it.
    fn enter(&mut self, key: usize, sid: &Room, room: &Room) -> bool {
        let entry = &mut self.sockets[key];
        if !entry.rooms.insert(room.clone()) {
            return true;
        }
        let fits = entry.hold(room, &self.budget);
        if let Some(log) = &self.log {
            entry.stays.enter(room, log.next_number());
        }
        let created = !self.rooms.contains_key(room);
        self.rooms.entry(room.clone()).or_default().insert(key);
        if created {
            self.tell(|| RoomEvent::Create(room.clone()));
        }
        self.tell(|| RoomEvent::Join(room.clone(), sid.clone()));
        fits
    }

    /// Takes the socket out of the room's own set; the socket's list is the caller's.
    fn exit(&mut self, key: usize, sid: &Room, room: &Room) {
        let Some(members) = self.rooms.get_mut(room) else { return };
        members.swap_remove(&key);
        let deleted = members.is_empty();
        if deleted {
            self.rooms.remove(room);
        }
        self.tell(|| RoomEvent::Leave(room.clone(), sid.clone()));
        if deleted {
            self.tell(|| RoomEvent::Delete(room.clone()));
        }
    }

    fn next_epoch(&mut self) -> u64 {
        self.epoch += 1;
        self.epoch
    }

    /// Visits the selected sockets, each once.
    fn visit(&mut self, selection: &Selection, visit: &mut dyn FnMut(&Socket)) {
        if let Some(only) = &selection.only {
            if let Some(&key) = self.by_sid.get(only) {
                visit(&self.sockets[key].socket);
            }
            return;
        }
        let epoch = self.next_epoch();
        self.mark_excluded(selection, epoch);
        if selection.rooms.is_empty() {
            self.sockets.iter().filter(|(_, entry)| entry.mark != epoch).for_each(|(_, entry)| visit(&entry.socket));
            return;
        }
        for room in &selection.rooms {
            let Some(members) = self.rooms.get(room) else { continue };
            for &key in members {
                let entry = &mut self.sockets[key];
                if entry.mark != epoch {
                    entry.mark = epoch;
                    visit(&entry.socket);
                }
            }
        }
    }

    /// Puts a socket into rooms, unless it is gone.
    fn admit(&mut self, socket: &Socket, rooms: &[Room]) {
        // Checked under the lock: `del_all` of a socket that is gone cannot come in between.
        if socket.is_gone() {
            return;
        }
        let sid = socket.sid();
        let known = self.by_sid.get(sid).copied();
        let key = known.unwrap_or_else(|| {
            let entry = Entry {
                socket: socket.clone(),
                rooms: IndexSet::new(),
                mark: 0,
                stays: RoomHistory::default(),
                held: 0,
            };
            let key = self.sockets.insert(entry);
            self.by_sid.insert(sid.clone(), key);
            key
        });
        // What closes the connection is the last room; whoever closes it takes it out of them.
        let _ = rooms.iter().all(|room| self.enter(key, sid, room));
    }

    /// Takes a socket out of everything; its rooms are returned. The entry holds a handle of the socket, which must
    /// not be the last one to go under the lock.
    fn dismiss(&mut self, sid: &str) -> Option<Entry> {
        let (sid, key) = self.by_sid.remove_entry(sid)?;
        let entry = self.sockets.remove(key);
        for room in &entry.rooms {
            self.exit(key, &sid, room);
        }
        entry.socket.let_go(entry.held);
        self.budget.give_back(entry.held);
        if self.by_sid.is_empty() {
            // Nobody is left, so nobody is in a room either: the room the maps have grown to goes, too.
            self.sockets = Slab::new();
            self.by_sid = HashMap::new();
            self.rooms = HashMap::new();
        }
        Some(entry)
    }

    fn mark_excluded(&mut self, selection: &Selection, epoch: u64) {
        for room in &selection.except {
            for &key in self.rooms.get(room).into_iter().flatten() {
                self.sockets[key].mark = epoch;
            }
        }
        if let Some(&key) = selection.except_sid.as_ref().and_then(|sid| self.by_sid.get(sid)) {
            self.sockets[key].mark = epoch;
        }
    }
}

impl Adapter for MemoryAdapter {
    fn add_all(&self, socket: &Socket, rooms: &[Room]) {
        self.lock().admit(socket, rooms);
    }

    fn del(&self, sid: &str, room: &str) {
        let mut state = self.lock();
        let Some((sid, &key)) = state.by_sid.get_key_value(sid) else { return };
        let sid = sid.clone();
        let state = &mut *state;
        if let Some(room) = state.sockets[key].rooms.swap_take(room) {
            let entry = &mut state.sockets[key];
            let gone = match &state.log {
                Some(log) => entry.stays.leave(&room, log.next_number(), log.first_number()),
                None => vec![room.clone()],
            };
            entry.let_go(&gone, &state.budget);
            state.exit(key, &sid, &room);
        }
    }

    fn del_all(&self, sid: &str) {
        let gone = self.lock().dismiss(sid);
        drop(gone);
    }

    fn broadcast(&self, selection: &Selection, event: &Outgoing) {
        let flags = event.flags;
        if flags.volatile {
            let frames = event.frames();
            self.lock().visit(selection, &mut |socket| {
                socket.send_volatile(&frames, flags.compress);
            });
            return;
        }
        let plain = (!self.recovers).then(|| event.frames());
        let mut state = self.lock();
        let state = &mut *state;
        let frames = match (plain, &mut state.log) {
            // Packets are numbered in the order in which they are queued, so under the lock.
            (None, Some(log)) => log.append(selection, event, now()),
            (None, None) => event.frames(),
            (Some(frames), _) => frames,
        };
        self.keep_swept(state);
        state.visit(selection, &mut |socket| {
            socket.send_frames(&frames, flags.compress);
        });
    }

    fn broadcast_at(&self, selection: &Selection, event: &Outgoing, offset: Option<&str>) {
        let mut state = self.lock();
        let state = &mut *state;
        let frames = match &mut state.log {
            Some(log) => log.append_at(selection, event, offset.and_then(|offset| offset.parse().ok()), now()),
            None => event.frames(),
        };
        self.keep_swept(state);
        state.visit(selection, &mut |socket| {
            socket.note_place(offset.is_some());
            socket.send_frames(&frames, event.flags.compress);
        });
    }

    fn for_each(&self, selection: &Selection, visit: &mut dyn FnMut(&Socket)) {
        self.lock().visit(selection, visit);
    }

    fn socket_rooms(&self, sid: &str) -> Vec<Room> {
        let state = self.lock();
        let entry = state.by_sid.get(sid).map(|&key| &state.sockets[key]);
        entry.map(|entry| entry.rooms.iter().cloned().collect()).unwrap_or_default()
    }

    fn has_room(&self, room: &str) -> bool {
        self.lock().rooms.contains_key(room)
    }

    fn rooms(&self) -> Listing {
        let state = self.lock();
        let name = |key: &usize| state.sockets[*key].socket.id().to_owned();
        state.rooms.iter().map(|(room, members)| (room.to_string(), sorted(members.iter().map(name)))).collect()
    }

    fn sids(&self) -> Listing {
        let state = self.lock();
        let rooms = |entry: &Entry| sorted(entry.rooms.iter().map(ToString::to_string));
        state.sockets.iter().map(|(_, entry)| (entry.socket.id().to_owned(), rooms(entry))).collect()
    }

    fn on_room_event(&self, observer: RoomObserver) {
        self.lock().observers.push(observer);
    }

    fn persist(&self, socket: &Socket) {
        let data = socket.data();
        let mut state = self.lock();
        let mut gone = state.dismiss(socket.id());
        if let (Some(entry), Some(pid), Some(log)) = (&mut gone, socket.pid(), &mut state.log) {
            let rooms = entry.rooms.drain(..).collect();
            let stays = std::mem::take(&mut entry.stays);
            let kept = Kept { sid: socket.sid().clone(), rooms, data, stays };
            log.persist(pid, kept, now());
            self.keep_swept(&mut state);
        }
        drop(state);
        drop(gone);
    }

    fn claim(&self, pid: &str, offset: &str) -> Option<Claim> {
        self.lock().log.as_mut()?.claim(pid, offset, now())
    }

    fn claim_from(&self, pid: &str, kept: Kept, offset: Option<&str>) -> Option<Claim> {
        let place = offset.map(|offset| offset.parse().map_err(drop)).transpose().ok()?;
        self.lock().log.as_mut()?.claim_from(pid, kept, place, now())
    }

    fn catch_up(&self, claim: &mut Claim) -> bool {
        let some = self.lock().log.as_mut().and_then(|log| log.some(claim));
        // Without the lock: the others of the namespace do not wait for it.
        some.inspect(|some| claim.look_at(some)).is_some()
    }

    fn restore(&self, socket: &Socket, claim: &Claim, accept: &mut dyn FnMut(&[Frames]) -> bool) -> bool {
        let mut state = self.lock();
        let Some(missed) = state.log.as_ref().and_then(|log| log.missed(claim)) else { return false };
        state.admit(socket, &claim.kept.rooms);
        let State { by_sid, sockets, budget, .. } = &mut *state;
        if let Some(&key) = by_sid.get(socket.sid()) {
            // It never left its rooms, as far as the packets are concerned.
            sockets[key].resume(&claim.kept.stays, budget);
        }
        let accepted = accept(&missed);
        if let Some(log) = state.log.as_mut().filter(|_| accepted) {
            log.let_go(claim);
        }
        accepted
    }

    fn give_back(&self, claim: &Claim) {
        if let Some(log) = &mut self.lock().log {
            log.give_back(claim);
        }
    }

    fn let_go(&self, claim: &Claim) {
        if let Some(log) = &mut self.lock().log {
            log.let_go(claim);
        }
    }
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

//! The adapter of a single process: two maps under one lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use indexmap::IndexSet;
use sio_protocol::Frames;
use slab::Slab;

use super::recovery::{Log, Stays};
use super::{Adapter, Claim, Kept, Listing, Outgoing, Room, RoomEvent, RoomObserver, Selection};
use crate::session::now;
use crate::{Recovery, Socket};

/// Rooms in memory.
///
/// The lock is held while a broadcast is queued on its recipients, never while bytes are written, so a
/// broadcast and a concurrent `join` have an order that every receiver sees.
#[derive(Default)]
pub struct MemoryAdapter {
    state: Arc<Mutex<State>>,
    /// Whether packets are remembered; known without the lock, so that it is not held while they are encoded.
    recovers: bool,
}

#[derive(Default)]
struct State {
    sockets: Slab<Entry>,
    by_sid: HashMap<Room, usize>,
    rooms: HashMap<Room, IndexSet<usize>>,
    /// The last broadcast; an entry with this mark is done or excluded.
    epoch: u64,
    observers: Vec<RoomObserver>,
    /// What recovery remembers, if it is on.
    log: Option<Log>,
}

struct Entry {
    socket: Socket,
    rooms: IndexSet<Room>,
    mark: u64,
    /// With recovery, which packets found it in which room.
    stays: Stays,
}

impl MemoryAdapter {
    /// Rooms in memory, with connection state recovery if there are options for it.
    pub fn new(recovery: Option<Recovery>) -> Self {
        let recovers = recovery.is_some();
        let state = State { log: recovery.map(Log::new), ..State::default() };
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
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets go of what has expired, until there is nothing left or the adapter is gone.
async fn sweep(state: Weak<Mutex<State>>) {
    loop {
        let Some(pause) = state.upgrade().and_then(|state| {
            let mut state = lock(&state);
            let log = state.log.as_mut()?;
            log.prune(now());
            log.swept = log.next_expiry().is_some();
            log.next_expiry()
        }) else {
            return;
        };
        tokio::time::sleep(pause).await;
    }
}

impl State {
    fn tell(&self, event: impl FnOnce() -> RoomEvent) {
        if !self.observers.is_empty() {
            let event = event();
            self.observers.iter().for_each(|observer| observer(&event));
        }
    }

    fn enter(&mut self, key: usize, sid: &Room, room: &Room) {
        if !self.sockets[key].rooms.insert(room.clone()) {
            return;
        }
        if let Some(log) = &self.log {
            self.sockets[key].stays.enter(room, log.next_number());
        }
        let created = !self.rooms.contains_key(room);
        self.rooms.entry(room.clone()).or_default().insert(key);
        if created {
            self.tell(|| RoomEvent::Create(room.clone()));
        }
        self.tell(|| RoomEvent::Join(room.clone(), sid.clone()));
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
            let entry = Entry { socket: socket.clone(), rooms: IndexSet::new(), mark: 0, stays: Stays::default() };
            let key = self.sockets.insert(entry);
            self.by_sid.insert(sid.clone(), key);
            key
        });
        for room in rooms {
            self.enter(key, sid, room);
        }
    }

    /// Takes a socket out of everything; its rooms are returned. The entry holds a handle of the socket, which must
    /// not be the last one to go under the lock.
    fn dismiss(&mut self, sid: &str) -> Option<Entry> {
        let (sid, key) = self.by_sid.remove_entry(sid)?;
        let entry = self.sockets.remove(key);
        for room in &entry.rooms {
            self.exit(key, &sid, room);
        }
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
        if let Some(room) = state.sockets[key].rooms.swap_take(room) {
            let next = state.log.as_ref().map(Log::next_number);
            if let Some(next) = next {
                let first = state.log.as_ref().map_or(0, Log::first_number);
                state.sockets[key].stays.leave(&room, next);
                state.sockets[key].stays.forget(first);
            }
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

    fn for_each(&self, selection: &Selection, visit: &mut dyn FnMut(&Socket)) {
        self.lock().visit(selection, visit);
    }

    fn socket_rooms(&self, sid: &str) -> Vec<Room> {
        let state = self.lock();
        let entry = state.by_sid.get(sid).map(|&key| &state.sockets[key]);
        entry.map(|entry| entry.rooms.iter().cloned().collect()).unwrap_or_default()
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
        let mut state = self.lock();
        let gone = state.dismiss(socket.id());
        if let (Some(entry), Some(pid), Some(log)) = (&gone, socket.pid(), &mut state.log) {
            let rooms = entry.rooms.iter().cloned().collect();
            let stays = entry.stays.clone();
            let kept = Kept { sid: socket.sid().clone(), rooms, data: socket.data(), stays };
            log.persist(pid, kept, now());
            self.keep_swept(&mut state);
        }
        drop(state);
        drop(gone);
    }

    fn claim(&self, pid: &str, offset: &str) -> Option<Claim> {
        self.lock().log.as_mut()?.claim(pid, offset, now())
    }

    fn restore(&self, socket: &Socket, claim: &Claim, accept: &mut dyn FnMut(&[Frames]) -> bool) -> bool {
        let mut state = self.lock();
        let Some(missed) = state.log.as_ref().and_then(|log| log.missed(claim)) else { return false };
        state.admit(socket, &claim.kept.rooms);
        if let Some(&key) = state.by_sid.get(socket.sid()) {
            // It never left its rooms, as far as the packets are concerned.
            state.sockets[key].stays = claim.kept.stays.clone();
        }
        let accepted = accept(&missed);
        if let Some(log) = state.log.as_mut().filter(|_| accepted) {
            log.restored(claim);
        }
        accepted
    }

    fn give_back(&self, claim: &Claim) {
        if let Some(log) = &mut self.lock().log {
            log.give_back(claim);
        }
    }
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

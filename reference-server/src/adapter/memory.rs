//! The adapter of a single process: two maps under one lock.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use indexmap::IndexSet;
use slab::Slab;

use super::{Adapter, Listing, Room, RoomEvent, RoomObserver, Selection};
use crate::Socket;

/// Rooms in memory.
///
/// The lock is held while a broadcast is queued on its recipients, never while bytes are written, so a
/// broadcast and a concurrent `join` have an order that every receiver sees.
#[derive(Default)]
pub struct MemoryAdapter {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sockets: Slab<Entry>,
    by_sid: HashMap<Room, usize>,
    rooms: HashMap<Room, IndexSet<usize>>,
    /// The last broadcast; an entry with this mark is done or excluded.
    epoch: u64,
    observers: Vec<RoomObserver>,
}

struct Entry {
    socket: Socket,
    rooms: IndexSet<Room>,
    mark: u64,
}

impl MemoryAdapter {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in an observer leaves the maps whole: every change is finished before it is reported.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut state = self.lock();
        // Checked under the lock: `del_all` of a socket that is gone cannot come in between.
        if socket.is_gone() {
            return;
        }
        let sid = socket.sid();
        let known = state.by_sid.get(sid).copied();
        let key = known.unwrap_or_else(|| {
            let key = state.sockets.insert(Entry { socket: socket.clone(), rooms: IndexSet::new(), mark: 0 });
            state.by_sid.insert(sid.clone(), key);
            key
        });
        for room in rooms {
            state.enter(key, sid, room);
        }
    }

    fn del(&self, sid: &str, room: &str) {
        let mut state = self.lock();
        let Some((sid, &key)) = state.by_sid.get_key_value(sid) else { return };
        let sid = sid.clone();
        if let Some(room) = state.sockets[key].rooms.shift_take(room) {
            state.exit(key, &sid, &room);
        }
    }

    fn del_all(&self, sid: &str) {
        let mut state = self.lock();
        let Some((sid, key)) = state.by_sid.remove_entry(sid) else { return };
        let entry = state.sockets.remove(key);
        for room in &entry.rooms {
            state.exit(key, &sid, room);
        }
        // The last handle of a socket may go with the entry; it must not do so under the lock.
        drop(state);
        drop(entry);
    }

    fn for_each(&self, selection: &Selection, visit: &mut dyn FnMut(&Socket)) {
        let state = &mut *self.lock();
        let epoch = state.next_epoch();
        state.mark_excluded(selection, epoch);
        if selection.rooms.is_empty() {
            state.sockets.iter().filter(|(_, entry)| entry.mark != epoch).for_each(|(_, entry)| visit(&entry.socket));
            return;
        }
        for room in &selection.rooms {
            let Some(members) = state.rooms.get(room) else { continue };
            for &key in members {
                let entry = &mut state.sockets[key];
                if entry.mark != epoch {
                    entry.mark = epoch;
                    visit(&entry.socket);
                }
            }
        }
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
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

//! The seam for rooms, and for clusters: who is in which room, and who is selected by a broadcast.

mod memory;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use memory::MemoryAdapter;

use crate::Socket;

/// A room's name. Each socket is in the room that is named like its id.
pub type Room = Arc<str>;

/// What a broadcast or utility method addresses.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The union of these rooms; none means every socket of the namespace.
    pub rooms: Vec<Room>,
    /// Without the members of these.
    pub except: Vec<Room>,
    /// Without this socket: the sender of `socket.to(…)`.
    pub except_sid: Option<Room>,
}

/// A change of the rooms (AE-01 to AE-06).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// The room has its first member.
    Create(Room),
    /// A socket joined a room: room, socket id.
    Join(Room, Room),
    /// A socket left a room: room, socket id.
    Leave(Room, Room),
    /// The room has lost its last member.
    Delete(Room),
}

/// Receives [`RoomEvent`]s in the order of the changes. It must not call the adapter.
pub type RoomObserver = Box<dyn Fn(&RoomEvent) + Send + Sync>;

/// Names and their members, sorted.
pub type Listing = BTreeMap<String, Vec<String>>;

/// The two maps of a namespace, rooms to sockets and sockets to rooms, and selection over them.
///
/// Every method takes effect before it returns. `for_each` sees one instant of the membership and visits
/// nobody twice.
pub trait Adapter: Send + Sync {
    /// Puts a socket into rooms; a socket that was removed by [`del_all`](Self::del_all) stays out (RM-15).
    fn add_all(&self, socket: &Socket, rooms: &[Room]);

    /// Takes a socket out of a room.
    fn del(&self, sid: &str, room: &str);

    /// Takes a socket out of everything, for good.
    fn del_all(&self, sid: &str);

    /// Visits the selected local sockets.
    fn for_each(&self, selection: &Selection, visit: &mut dyn FnMut(&Socket));

    /// The rooms of one socket.
    fn socket_rooms(&self, sid: &str) -> Vec<Room>;

    /// Every room with its members.
    fn rooms(&self) -> Listing;

    /// Every socket with its rooms.
    fn sids(&self) -> Listing;

    /// Watches the four room events.
    fn on_room_event(&self, observer: RoomObserver);
}

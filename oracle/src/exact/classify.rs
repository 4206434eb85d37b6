//! Must, may, must not: what one emission means for one socket.

use super::cell::Viewer;
use super::index::{Index, Sent, Socket, Window};
use crate::history::{Room, SocketId, Time};
use crate::tri::Tri;

impl Index<'_> {
    /// Whether the socket is in the target at one instant, or just behind it.
    pub(super) fn value(&self, sent: &Sent<'_>, id: SocketId, socket: &Socket, at: Time, after: bool) -> Tri {
        if sent.emission.excludes_sender && sent.by == Some(id) {
            return Tri::F;
        }
        // On another node the recipients are chosen later, when the sender may have gone on.
        let in_order = self.in_order() && self.is_local(sent, socket);
        let viewer =
            sent.by.filter(|_| in_order).map(|by| Viewer { by, place: sent.place, in_turn: !sent.emission.asks });
        self.target(&sent.emission.rooms, &sent.emission.except, id, socket, at, after, viewer)
    }

    #[expect(clippy::too_many_arguments, reason = "a target, a socket and an instant, taken apart")]
    fn target(
        &self,
        rooms: &[Room],
        except: &[Room],
        id: SocketId,
        socket: &Socket,
        at: Time,
        after: bool,
        viewer: Option<Viewer>,
    ) -> Tri {
        let connected = socket.connected(at, after);
        let member = |&room: &Room| self.member(id, connected, room, at, after, viewer);
        Tri::target(connected, rooms.iter().map(member), except.iter().map(member))
    }

    /// Whether a socket is in a room at one instant.
    pub(super) fn member(
        &self,
        id: SocketId,
        connected: Tri,
        room: Room,
        at: Time,
        after: bool,
        viewer: Option<Viewer>,
    ) -> Tri {
        if room == Room::Own(id) {
            return connected;
        }
        self.cells.get(&(id, room)).map_or(Tri::F, |cell| cell.at(at, after, viewer, self.in_order()))
    }

    /// The class of a pair: certain only if it is the same at every instant of the window.
    pub(super) fn class(&self, sent: &Sent<'_>, id: SocketId, socket: &Socket, window: Window) -> Tri {
        let rooms = sent.emission.rooms.iter().chain(&sent.emission.except);
        self.constant(id, socket, window, rooms, |at| self.value(sent, id, socket, at, false))
    }

    /// The class of a socket for whoever asks for the members of rooms.
    pub(super) fn presence(&self, rooms: &[Room], id: SocketId, socket: &Socket, window: Window) -> Tri {
        let value =
            self.constant(id, socket, window, rooms.iter(), |at| self.target(rooms, &[], id, socket, at, false, None));
        if value == Tri::T && socket.in_gap(window) { Tri::U } else { value }
    }

    /// The value at the instants at which it can change and at both ends. What is certain at an instant is certain right behind it as
    /// well: there, more is known to have happened, and nothing else may have.
    fn constant<'r>(
        &self,
        id: SocketId,
        socket: &Socket,
        window: Window,
        rooms: impl Iterator<Item = &'r Room>,
        value: impl Fn(Time) -> Tri,
    ) -> Tri {
        let window = Window { inv: window.inv, ok: window.ok.min(self.end) };
        let mut result = value(window.inv);
        let mut points = vec![window.inv];
        for &room in rooms {
            if let Some(cell) = self.cells.get(&(id, room)) {
                cell.breakpoints(window, &mut points);
            }
        }
        for at in [socket.connect.inv, socket.connect.ok, socket.end.inv, socket.end.ok] {
            if (window.inv..=window.ok).contains(&at) {
                points.push(at);
            }
        }
        for at in points {
            result = result.join(value(at));
            if result == Tri::U {
                break;
            }
        }
        result.join(value(window.ok))
    }
}

//! Where one socket was, and when: the rooms of one client over time, counted in packets.

use std::collections::{HashMap, VecDeque};

use super::{Room, Selection};

/// Rooms that were left and are remembered; of a client that leaves more, what is older is not restored.
const MOST_LEFT: usize = 1_000;

/// The rooms of one socket over time. What a client missed is decided by where it was when the
/// packet was sent: Node decides by where it was when its connection broke, and so restores what was sent to a room
/// ahead of the join, and loses what was sent to a room that was left since.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoomHistory {
    /// Where it is, and the first packet that found it there.
    now: HashMap<Room, u64>,
    /// Where it was, in the order of leaving.
    past: VecDeque<Stay>,
    /// Of packets ahead of this one it is not known any more whom they concern.
    known_from: u64,
}

#[derive(Clone, Debug)]
struct Stay {
    room: Room,
    from: u64,
    /// The first packet that no longer found it there.
    until: u64,
}

impl RoomHistory {
    /// A room is joined, ahead of packet `next`.
    pub(super) fn enter(&mut self, room: &Room, next: u64) {
        self.now.insert(room.clone(), next);
    }

    /// A room is left, ahead of packet `next`; `first` is the first packet that is still there. Returns the rooms that
    /// are let go of.
    pub(super) fn leave(&mut self, room: &Room, next: u64, first: u64) -> Vec<Room> {
        let mut gone = Vec::new();
        match self.now.remove(room) {
            Some(from) if from < next => self.past.push_back(Stay { room: room.clone(), from, until: next }),
            _ => gone.push(room.clone()),
        }
        while self.past.front().is_some_and(|stay| stay.until <= first || self.past.len() > MOST_LEFT) {
            let Some(stay) = self.past.pop_front() else { break };
            if stay.until > first {
                self.known_from = stay.until;
            }
            gone.push(stay.room);
        }
        gone
    }

    /// From which packet on it is known whom they concern.
    pub(super) fn known_from(&self) -> u64 {
        self.known_from
    }

    /// Every room that is remembered.
    pub(super) fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.now.keys().chain(self.left())
    }

    /// Those it has left, each as often as it did.
    pub(super) fn left(&self) -> impl Iterator<Item = &Room> {
        self.past.iter().map(|stay| &stay.room)
    }

    /// Ready to be asked about many packets.
    pub(super) fn history(&self) -> History<'_> {
        let mut past: HashMap<&str, Vec<&Stay>> = HashMap::new();
        for stay in &self.past {
            past.entry(&stay.room).or_default().push(stay);
        }
        History { now: &self.now, past }
    }
}

/// Answers in constant time where the socket was, but for the logarithm of how often it left the room.
pub(super) struct History<'a> {
    now: &'a HashMap<Room, u64>,
    past: HashMap<&'a str, Vec<&'a Stay>>,
}

impl History<'_> {
    /// Whether the socket with this id was addressed by packet `number`.
    pub(super) fn concerns(&self, sid: &str, number: u64, selection: &Selection) -> bool {
        if let Some(only) = &selection.only {
            return **only == *sid;
        }
        let in_one_of = |list: &[Room]| list.iter().any(|room| self.was_in(room, number));
        (selection.rooms.is_empty() || in_one_of(&selection.rooms))
            && !in_one_of(&selection.except)
            && selection.except_sid.as_deref() != Some(sid)
    }

    fn was_in(&self, room: &str, number: u64) -> bool {
        if self.now.get(room).is_some_and(|from| *from <= number) {
            return true;
        }
        let Some(stays) = self.past.get(room) else { return false };
        // They do not overlap, and stand in their order.
        let index = stays.partition_point(|stay| stay.until <= number);
        stays.get(index).is_some_and(|stay| stay.from <= number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_may_be_left_and_joined_again() {
        let mut stays = RoomHistory::default();
        let red: Room = "red".into();
        stays.enter(&red, 2);
        assert!(stays.leave(&red, 4, 0).is_empty());
        stays.enter(&red, 6);
        stays.leave(&red, 8, 0);
        stays.enter(&red, 10);
        let history = stays.history();
        let found: Vec<_> = (0..12).filter(|number| history.was_in(&red, *number)).collect();
        assert_eq!(found, [2, 3, 6, 7, 10, 11]);
    }

    #[test]
    fn what_no_packet_found_is_forgotten() {
        let mut stays = RoomHistory::default();
        let (red, blue): (Room, Room) = ("red".into(), "blue".into());
        stays.enter(&red, 5);
        assert_eq!(stays.leave(&red, 5, 0), std::slice::from_ref(&red), "between two packets");
        stays.enter(&red, 5);
        assert!(stays.leave(&red, 7, 0).is_empty());
        stays.enter(&blue, 7);
        assert_eq!(stays.leave(&blue, 9, 7), [red], "its packets are gone");
        assert_eq!((stays.rooms().count(), stays.known_from()), (1, 0));
    }

    #[test]
    fn a_client_that_leaves_many_rooms_is_known_for_a_shorter_time() {
        let mut stays = RoomHistory::default();
        let mut gone = 0;
        for number in 0..1_500 {
            let room: Room = number.to_string().into();
            stays.enter(&room, number);
            gone += stays.leave(&room, number + 1, 0).len();
        }
        assert_eq!((gone, stays.known_from()), (500, 500));
        let history = stays.history();
        assert!(history.was_in("500", 500) && !history.was_in("499", 499));
    }
}

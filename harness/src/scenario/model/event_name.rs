//! The name of an event, which may say the room of a message: `chat-${room}`.

use std::fmt;

/// A room as far as names of events say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomNames<'a> {
    pub room: &'a str,
    pub next: &'a str,
}

/// What a message may say of its room.
pub const OF_ROOM: [&str; 4] = ["room", "room.number", "room.next", "room.next.number"];

/// What a user may say of its rooms as it connects: the first one, its number, and all of them.
pub const OF_USER: [&str; 3] = ["room", "room.number", "rooms"];

/// A piece of such a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePart {
    Text(String),
    Room,
    RoomNumber,
    NextRoom,
    NextRoomNumber,
}

/// By which name messages arrive: one name, or one for each room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventName {
    parts: Vec<NamePart>,
}

/// The number of a room in its group: 3 of `lobby-3`.
pub fn room_number(room: &str) -> &str {
    room.rsplit_once('-').map_or("", |(_, number)| number)
}

impl EventName {
    /// Of its parts, in their order.
    pub fn new(parts: Vec<NamePart>) -> Self {
        Self { parts }
    }

    /// Whether it says the room.
    pub fn says_room(&self) -> bool {
        self.parts.iter().any(|part| !matches!(part, NamePart::Text(_)))
    }

    /// The name of a message to this room.
    pub fn of(&self, rooms: RoomNames<'_>) -> String {
        self.parts.iter().map(|part| part.text(rooms)).collect()
    }

    /// Whether a name is that of a message to this room.
    pub fn is(&self, name: &str, rooms: RoomNames<'_>) -> bool {
        let rest = self.parts.iter().try_fold(name, |rest, part| rest.strip_prefix(part.text(rooms)));
        rest == Some("")
    }

    /// Whether a name could be that of a message to some room.
    pub fn may_be(&self, name: &str) -> bool {
        match self.parts.as_slice() {
            [] => name.is_empty(),
            [NamePart::Text(text)] => name == text,
            parts => {
                let fixed = |part: Option<&NamePart>| match part {
                    Some(NamePart::Text(text)) => text.clone(),
                    _ => String::new(),
                };
                let (first, last) = (fixed(parts.first()), fixed(parts.last()));
                name.len() > first.len() + last.len() && name.starts_with(&first) && name.ends_with(&last)
            }
        }
    }
}

impl NamePart {
    fn text<'a>(&'a self, rooms: RoomNames<'a>) -> &'a str {
        match self {
            Self::Text(text) => text,
            Self::Room => rooms.room,
            Self::RoomNumber => room_number(rooms.room),
            Self::NextRoom => rooms.next,
            Self::NextRoomNumber => room_number(rooms.next),
        }
    }
}

/// As a report says it: `chat-${room}`.
impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| {
            f.write_str(match part {
                NamePart::Text(text) => text,
                NamePart::Room => "${room}",
                NamePart::RoomNumber => "${room.number}",
                NamePart::NextRoom => "${room.next}",
                NamePart::NextRoomNumber => "${room.next.number}",
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_say_the_room() {
        let text = |text: &str| NamePart::Text(text.to_owned());
        let rooms = RoomNames { room: "lobby-3", next: "lobby-0" };
        let name = EventName::new(vec![text("chat-"), NamePart::Room, text(":"), NamePart::NextRoomNumber]);
        assert_eq!(
            (name.of(rooms), name.to_string()),
            ("chat-lobby-3:0".into(), "chat-${room}:${room.next.number}".into())
        );
        assert!(name.is("chat-lobby-3:0", rooms) && name.may_be("chat-lobby-7:1") && name.says_room());
        for other in ["chat-lobby-3:1", "chat-lobby-3:00", "chat-lobby-3", "chat-lobby-33:0", "", "xchat-lobby-3:0"] {
            assert!(!name.is(other, rooms), "{other}");
        }
        assert!(!name.may_be("chats") && !name.may_be("chat-"));
        let fixed = EventName::new(vec![text("message")]);
        assert!(
            fixed.is("message", rooms) && fixed.may_be("message") && !fixed.may_be("messages") && !fixed.says_room()
        );
        let alone = EventName::new(vec![NamePart::RoomNumber]);
        assert!(alone.is("3", rooms) && !alone.is("30", rooms) && alone.may_be("7"));
    }
}

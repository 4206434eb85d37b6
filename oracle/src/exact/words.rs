//! Proofs in words: why something had to be, and what was seen.

use super::index::{Index, Place, Sent, Socket};
use super::pairs::Arrived;
use crate::history::{Answer, NEVER, OperationId, Room, SocketId, Time};
use crate::invariant::Invariant;
use crate::violation::{Breach, Violation};

/// A time for people: milliseconds from the start of the history.
pub(super) fn ms(time: Time) -> String {
    format!("{:.3} ms", time as f64 / 1e6)
}

impl Index<'_> {
    /// A violation that rests on one event.
    pub(super) fn plain(
        &self,
        invariant: Invariant,
        breach: Breach,
        socket: Option<SocketId>,
        place: Place,
        summary: &str,
    ) -> Violation {
        Violation {
            invariant,
            breach,
            socket,
            message: None,
            summary: summary.to_owned(),
            because: vec![format!("seen at {}", ms(self.stamp(place)))],
            events: vec![place],
        }
    }

    /// A violation about one message and one socket, with everything that its proof needs.
    pub(super) fn pair(
        &self,
        invariant: Invariant,
        breach: Breach,
        sent: &Sent<'_>,
        id: SocketId,
        seen: &[Place],
        arrived: Option<Arrived>,
    ) -> Violation {
        let socket = &self.sockets[&id];
        let name = self.name(id);
        let summary = match breach {
            Breach::Duplicate => format!("{name} received message {} twice", sent.id.0),
            Breach::Phantom => format!("{name} received message {}, which was not for it", sent.id.0),
            Breach::TooEarly => format!("{name} received message {} ahead of its CONNECT", sent.id.0),
            Breach::WrongNamespace => format!(
                "{name} of {} received message {} of {}",
                self.history.names.namespace(socket.namespace),
                sent.id.0,
                self.history.names.namespace(sent.emission.namespace)
            ),
            Breach::Missing => format!("{name} did not receive message {}", sent.id.0),
            Breach::Altered => format!("{name} received message {} with other arguments", sent.id.0),
            Breach::Overtaken => format!("{name} received message {} behind one that was sent later", sent.id.0),
            _ => format!("{name} and message {}", sent.id.0),
        };
        let mut because = vec![self.words_emission(sent)];
        because.extend(self.words_socket(id, socket));
        because.extend(self.words_rooms(sent, id));
        because.extend(seen.iter().map(|&place| format!("a copy was read at {}", ms(self.stamp(place)))));
        let mut events: Vec<Place> = sent_places(sent);
        events.extend(seen);
        events.extend(self.socket_places(id, socket));
        events.extend(self.room_places(sent, id));
        if breach == Breach::Missing {
            let copies = self.received.get(&(id, sent.id)).into_iter().flatten();
            events.extend(copies.map(|copy| copy.place));
        }
        events.extend(self.node_places(sent, id, socket));
        if let Some(arrived) = arrived {
            because.push(self.words_arrived(sent, id, arrived));
            events.extend(self.arrived_places(arrived));
        }
        events.sort_unstable();
        events.dedup();
        Violation { invariant, breach, socket: Some(id), message: Some(sent.id), summary, because, events }
    }

    /// Where the sender was opened, which tells from which node a message came; none where there is one node.
    pub(super) fn origin_place(&self, sent: &Sent<'_>) -> Option<Place> {
        let by = sent.by.filter(|_| self.several_nodes)?;
        self.sockets.get(&by).map(|by| by.opened)
    }

    fn words_emission(&self, sent: &Sent<'_>) -> String {
        let list = |rooms: &[Room]| {
            let names: Vec<_> = rooms.iter().map(|&room| self.history.names.room(room)).collect();
            names.join(", ")
        };
        let mut target = match sent.emission.rooms.as_slice() {
            [] => format!("everybody in {}", self.history.names.namespace(sent.emission.namespace)),
            [room] => format!("room {}", list(&[*room])),
            rooms => format!("rooms {}", list(rooms)),
        };
        if !sent.emission.except.is_empty() {
            target.push_str(&format!(" except {}", list(&sent.emission.except)));
        }
        let by = sent.by.map_or_else(|| "the server".to_owned(), |by| self.name(by));
        let itself = if sent.emission.excludes_sender { ", without itself" } else { "" };
        let volatile = if sent.emission.volatile { " volatile" } else { "" };
        format!("{by} sent{volatile} message {} to {target}{itself}, {}", sent.id.0, window_in_words(sent))
    }

    fn words_socket(&self, id: SocketId, socket: &Socket) -> Vec<String> {
        let name = self.name(id);
        let mut words = vec![match socket.connect.ok {
            NEVER => format!("{name} asked to connect at {} and was not answered", ms(socket.connect.inv)),
            ok => format!("{name} was connected at {}", ms(ok)),
        }];
        words.extend(
            socket
                .gaps
                .iter()
                .map(|gap| format!("its connection was lost at {} and recovered at {}", ms(gap.inv), ms(gap.ok))),
        );
        if socket.end.inv < NEVER {
            let how = if socket.cut { "lost or closed from elsewhere" } else { "closed" };
            words.push(format!("its connection was {how} at {}", ms(socket.end.inv)));
        }
        words
    }

    fn words_rooms(&self, sent: &Sent<'_>, id: SocketId) -> Vec<String> {
        let mut words = Vec::new();
        for &room in sent.emission.rooms.iter().chain(&sent.emission.except) {
            let name = self.history.names.room(room);
            let Some(cell) = self.cells.get(&(id, room)) else {
                if room != Room::Own(id) {
                    words.push(format!("it was never put into {name}"));
                }
                continue;
            };
            words.extend(cell.changes().iter().map(|change| {
                let what = if change.join { "join of" } else { "leave from" };
                match change.window.ok {
                    NEVER => format!("its {what} {name} was asked for at {}", ms(change.window.inv)),
                    ok => {
                        format!("its {what} {name} was asked for at {} and done by {}", ms(change.window.inv), ms(ok))
                    }
                }
            }));
        }
        words
    }

    fn words_arrived(&self, sent: &Sent<'_>, id: SocketId, arrived: Arrived) -> String {
        let name = self.name(id);
        match arrived {
            Arrived::Fence(fence) => {
                let copy = self.received.get(&(id, sent.id)).and_then(|copies| copies.first());
                let but = match copy {
                    Some(copy) => format!("the message came only at {}", ms(copy.at)),
                    None => "the message never came".to_owned(),
                };
                format!(
                    "{name} asked something at {} and had the answer at {}, ahead of which everything emitted before must come; {but}",
                    ms(fence.window.inv),
                    ms(fence.window.ok)
                )
            }
            Arrived::Later(later) => format!(
                "{name} received message {}, which was sent afterwards, at {}; this one never came",
                later.message.0,
                ms(later.at)
            ),
        }
    }

    pub(super) fn words_overtaken(&self, earlier: &Sent<'_>, later: &Sent<'_>, first: Place, second: Place) -> String {
        format!(
            "message {} was read at {}, message {} at {}",
            later.id.0,
            ms(self.stamp(first)),
            earlier.id.0,
            ms(self.stamp(second))
        )
    }

    /// What shows that more would have come.
    pub(super) fn arrived_places(&self, arrived: Arrived) -> Vec<Place> {
        match arrived {
            Arrived::Fence(fence) => self.operation_places(fence.place),
            Arrived::Later(reception) => {
                let later = &self.sent[self.sent_at[&reception.message]];
                let mut places = sent_places(later);
                places.push(reception.place);
                places.extend(self.origin_place(later));
                places
            }
        }
    }

    /// Across nodes: where both sides are, and the reception that closes the window.
    pub(super) fn node_places(&self, sent: &Sent<'_>, id: SocketId, socket: &Socket) -> Vec<Place> {
        use crate::history::Event;
        let mut places = Vec::new();
        if !self.several_nodes {
            return places;
        }
        places.extend(self.origin_place(sent));
        let changes = self.room_places(sent, id);
        for place in changes {
            if let Event::Invoke { by: Some(by), .. } = self.history.events[place as usize].event {
                places.extend(self.sockets.get(&by).map(|by| by.opened));
            }
        }
        if !self.is_local(sent, socket)
            && let Some((_, place)) = self.crossing(sent, socket)
            && let Event::Receive { socket: other, message, .. } = self.history.events[place as usize].event
        {
            let later = &self.sent[self.sent_at[&message]];
            places.push(place);
            places.push(self.sockets[&other].opened);
            places.extend(sent_places(later));
            places.extend(self.origin_place(later));
        }
        places
    }

    /// Both events of the operation of which `place` is one.
    pub(super) fn operation_places(&self, place: Place) -> Vec<Place> {
        use crate::history::Event;
        let Event::Complete { operation, .. } = &self.history.events[place as usize].event else { return vec![place] };
        let same = |event: &Event| matches!(event, Event::Invoke { operation: other, .. } if other == operation);
        let invoked = self.history.events.iter().position(|stamped| same(&stamped.event));
        invoked.map(|invoked| invoked as Place).into_iter().chain([place]).collect()
    }

    /// What happened to the connection of a socket.
    pub(super) fn socket_places(&self, id: SocketId, socket: &Socket) -> Vec<Place> {
        use crate::history::{Action, Event};
        let mut closing = None;
        let events = &self.history.events[socket.opened as usize..];
        let mut places = Vec::new();
        for (offset, stamped) in events.iter().enumerate() {
            let about = match &stamped.event {
                Event::Connect { socket, .. }
                | Event::Connected { socket, .. }
                | Event::Cut { socket }
                | Event::Resumed { socket }
                | Event::Gone { socket } => *socket == id,
                Event::Invoke { operation, action: Action::Disconnect { socket }, .. } if *socket == id => {
                    closing = Some(*operation);
                    true
                }
                Event::Complete { operation, .. } => closing == Some(*operation),
                _ => false,
            };
            if about {
                places.push(socket.opened + offset as Place);
            }
        }
        places
    }

    /// Every change of the socket's membership of the rooms that a message names.
    pub(super) fn room_places(&self, sent: &Sent<'_>, id: SocketId) -> Vec<Place> {
        let rooms = sent.emission.rooms.iter().chain(&sent.emission.except);
        let changes = rooms.filter_map(|&room| self.cells.get(&(id, room))).flat_map(|cell| cell.changes());
        changes.flat_map(|change| self.change_places(change.place)).collect()
    }

    /// The question and every answer to it, up to `last`.
    pub(super) fn question_places(&self, wanted: OperationId, last: Place) -> Vec<Place> {
        use crate::history::Event;
        let about = |event: &Event| matches!(event, Event::Invoke { operation, .. } | Event::Complete { operation, .. } if *operation == wanted);
        let events = self.history.events[..=last as usize].iter().enumerate();
        events.filter(|(_, stamped)| about(&stamped.event)).map(|(place, _)| place as Place).collect()
    }

    /// Invocation and answer of a membership operation, given the place of its invocation.
    pub(super) fn change_places(&self, place: Place) -> Vec<Place> {
        use crate::history::Event;
        let Event::Invoke { operation, .. } = &self.history.events[place as usize].event else { return vec![place] };
        let rest = &self.history.events[place as usize..];
        let same = |event: &Event| matches!(event, Event::Complete { operation: other, .. } if other == operation);
        let answered = rest.iter().position(|stamped| same(&stamped.event)).map(|offset| place + offset as Place);
        std::iter::once(place).chain(answered).collect()
    }
}

fn window_in_words(sent: &Sent<'_>) -> String {
    match (sent.window.ok, sent.answer) {
        (NEVER, Some((_, _))) => format!("from {} on; the answer said that it failed", ms(sent.window.inv)),
        (NEVER, None) => format!("from {} on; no answer came", ms(sent.window.inv)),
        (ok, _) => format!("between {} and the answer at {}", ms(sent.window.inv), ms(ok)),
    }
}

pub(super) fn order(earlier: &Sent<'_>, later: &Sent<'_>) -> String {
    if earlier.window.ok < later.window.inv {
        format!(
            "message {} was answered at {}, and message {} sent only at {}",
            earlier.id.0,
            ms(earlier.window.ok),
            later.id.0,
            ms(later.window.inv)
        )
    } else {
        format!("one connection sent message {} and then message {}", earlier.id.0, later.id.0)
    }
}

/// Invocation and answer of an emission.
pub(super) fn sent_places(sent: &Sent<'_>) -> Vec<Place> {
    std::iter::once(sent.place).chain(sent.answer.map(|(_, place): (&Answer, Place)| place)).collect()
}

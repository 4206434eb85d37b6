//! The events of a proof, found by looking through them.

use super::{Refuted, refute};
use crate::history::{
    Action, Answer, Emission, Event, Handler, History, NEVER, NamespaceId, NodeId, OperationId, Room, SocketId, Time,
};

/// A copy of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copy {
    pub(super) at: Time,
    pub(super) place: usize,
    pub(super) message: OperationId,
    pub(super) intact: bool,
}

/// An emission, or a question for members, which is a target as well.
#[derive(Clone, Debug)]
pub(super) struct Sent<'a> {
    pub(super) by: Option<SocketId>,
    pub(super) emission: Emission,
    pub(super) inv: Time,
    pub(super) ok: Time,
    pub(super) place: usize,
    pub(super) answer: Option<(Time, &'a Answer)>,
}

/// The life of a socket.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) namespace: NamespaceId,
    pub(super) node: NodeId,
    pub(super) asked: Time,
    pub(super) connected: Time,
    /// When it may have ended.
    pub(super) leaves: Time,
    /// When it has.
    pub(super) left: Time,
    pub(super) gaps: Vec<(Time, Time)>,
}

impl Life {
    /// Somebody asked to put it out. That is certain to have happened only if it was there all the while.
    fn ends(&mut self, inv: Time, ok: Time, own: bool) {
        let returns: Vec<Time> = self.gaps.iter().map(|&(_, back)| back).filter(|&back| back > inv).collect();
        let Some(&back) = returns.iter().max() else {
            let there = self.connected < inv && self.leaves > ok;
            self.leaves = self.leaves.min(inv);
            if there || own {
                self.left = self.left.min(ok);
            }
            return;
        };
        if back <= ok {
            self.leaves = self.leaves.min(back);
        }
    }
}

/// A change of a membership.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) room: Room,
    pub(super) join: bool,
    pub(super) inv: Time,
    pub(super) ok: Time,
    pub(super) by: Option<SocketId>,
    pub(super) place: usize,
}

#[derive(Debug)]
pub(super) struct Events<'a>(&'a History);

impl<'a> Events<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        Self(history)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &'a Event> {
        self.0.events.iter().map(|stamped| &stamped.event)
    }

    pub(super) fn handlers(&self) -> &'a [Handler] {
        &self.0.handlers
    }

    pub(super) fn in_order(&self) -> bool {
        self.0.assumptions.in_order_handlers
    }

    /// Whether a message may be lost on its way to the socket's node.
    pub(super) fn may_be_lost(&self, message: &Sent<'_>, socket: SocketId) -> bool {
        !self.0.assumptions.reliable_broker && self.node_of(message.by) != self.node_of(Some(socket))
    }

    /// By when an operation has certainly taken effect; what was refused need not have.
    fn done_by(&self, operation: OperationId) -> Time {
        self.answer(operation).filter(|(_, answer)| **answer != Answer::Refused).map_or(NEVER, |(at, _)| at)
    }

    fn answer(&self, operation: OperationId) -> Option<(Time, &'a Answer)> {
        self.0.events.iter().find_map(|stamped| match &stamped.event {
            Event::Complete { operation: other, answer } if *other == operation => Some((stamped.at, answer)),
            _ => None,
        })
    }

    pub(super) fn sent(&self, message: OperationId) -> Result<Sent<'a>, Refuted> {
        for (place, stamped) in self.0.events.iter().enumerate() {
            let Event::Invoke { operation, by, action } = &stamped.event else { continue };
            if *operation != message {
                continue;
            }
            let emission = match action {
                Action::Emit(emission) => emission.clone(),
                Action::Presence { namespace, rooms } => {
                    Emission { namespace: *namespace, rooms: rooms.clone(), ..Emission::default() }
                }
                _ => return refute(format!("operation {} is no message", message.0)),
            };
            let (ok, answer) = (self.done_by(message), self.answer(message));
            return Ok(Sent { by: *by, emission, inv: stamped.at, ok, place, answer });
        }
        refute(format!("message {} was not sent", message.0))
    }

    pub(super) fn messages(&self) -> Vec<OperationId> {
        let sent = self.all().filter_map(|event| match event {
            Event::Invoke { operation, action: Action::Emit(_), .. } => Some(*operation),
            _ => None,
        });
        sent.collect()
    }

    pub(super) fn presence(&self) -> Option<(OperationId, &'a [SocketId], u32)> {
        let asked = self.all().find_map(|event| match event {
            Event::Invoke { operation, action: Action::Presence { .. }, .. } => Some(*operation),
            _ => None,
        })?;
        match self.answer(asked)?.1 {
            Answer::Present { sockets, strangers } => Some((asked, sockets, *strangers)),
            _ => None,
        }
    }

    pub(super) fn sockets(&self) -> Vec<SocketId> {
        let opened = self.all().filter_map(|event| match event {
            Event::Connect { socket, .. } => Some(*socket),
            _ => None,
        });
        opened.collect()
    }

    pub(super) fn life(&self, id: SocketId) -> Result<Life, Refuted> {
        let mut life: Option<Life> = None;
        let mut ends = Vec::new();
        for stamped in &self.0.events {
            let at = stamped.at;
            match (&stamped.event, &mut life) {
                (&Event::Connect { socket, namespace, node, .. }, slot) if socket == id => {
                    let never = (NEVER, NEVER, NEVER);
                    let (connected, leaves, left) = never;
                    *slot = Some(Life { namespace, node, asked: at, connected, leaves, left, gaps: Vec::new() });
                }
                (Event::Connected { socket, .. }, Some(life)) if *socket == id => {
                    life.connected = life.connected.min(at);
                }
                (Event::Cut { socket }, Some(life)) if *socket == id => life.leaves = life.leaves.min(at),
                (Event::Resumed { socket }, Some(life)) if *socket == id => {
                    life.gaps.push((life.leaves, at));
                    (life.leaves, life.left) = (NEVER, NEVER);
                }
                (Event::Gone { socket }, Some(life)) if *socket == id => {
                    (life.leaves, life.left) = (life.leaves.min(at), life.left.min(at));
                }
                (Event::Invoke { operation, action: Action::Disconnect { socket }, .. }, Some(life))
                    if *socket == id =>
                {
                    let own = self.invoked_by(*operation) == Some(id);
                    ends.push((at, self.done_by(*operation), own));
                    debug_assert!(life.asked <= at, "a socket is opened before it is closed");
                }
                _ => {}
            }
        }
        if let Some(life) = &mut life {
            ends.into_iter().for_each(|(inv, ok, own)| life.ends(inv, ok, own));
        }
        life.ok_or_else(|| Refuted(format!("{} was never opened", self.0.names.socket(id))))
    }

    fn invoked_by(&self, wanted: OperationId) -> Option<SocketId> {
        self.all().find_map(|event| match event {
            Event::Invoke { operation, by, .. } if *operation == wanted => *by,
            _ => None,
        })
    }

    /// Whether the socket acknowledged a question, and had the answer to what it asked for behind that, before `until`.
    pub(super) fn was_heard(&self, id: SocketId, question: OperationId, until: Time) -> bool {
        let written = self.0.events.iter().find_map(|stamped| match stamped.event {
            Event::Acknowledged { socket, message } if (socket, message) == (id, question) => Some(stamped.at),
            _ => None,
        });
        let behind = |written, (inv, ok)| inv > written && ok < until && !self.was_away(id, written, ok);
        written.is_some_and(|written| self.answers_on(id).any(|answered| behind(written, answered)))
    }

    pub(super) fn was_away(&self, socket: SocketId, from: Time, to: Time) -> bool {
        self.life(socket).is_ok_and(|life| life.gaps.iter().any(|&(lost, back)| lost <= to && from <= back))
    }

    pub(super) fn changes(&self, id: SocketId) -> Vec<Change> {
        let mut changes = Vec::new();
        for (place, stamped) in self.0.events.iter().enumerate() {
            let Event::Invoke { operation, by, action } = &stamped.event else { continue };
            let (socket, rooms, join): (_, &[_], _) = match action {
                Action::Join { socket, rooms } => (socket, rooms, true),
                Action::Leave { socket, room } => (socket, std::slice::from_ref(room), false),
                _ => continue,
            };
            if *socket != id {
                continue;
            }
            let far = self.node_of(*by) != self.node_of(Some(id));
            let ok = if far { NEVER } else { self.done_by(*operation) };
            let change = |&room| Change { room: Room::Named(room), join, inv: stamped.at, ok, by: *by, place };
            changes.extend(rooms.iter().map(change));
        }
        changes
    }

    pub(super) fn copies(&self, id: SocketId, wanted: OperationId) -> Vec<Copy> {
        let copies = self.received(id).filter(|copy| copy.message == wanted);
        copies.collect()
    }

    fn received(&self, id: SocketId) -> impl Iterator<Item = Copy> {
        self.0.events.iter().enumerate().filter_map(move |(place, stamped)| match stamped.event {
            Event::Receive { socket, message, intact } if socket == id => {
                Some(Copy { at: stamped.at, place, message, intact })
            }
            _ => None,
        })
    }

    pub(super) fn first_copies(&self, id: SocketId) -> impl Iterator<Item = Copy> {
        self.received(id).filter(move |copy| self.copies(id, copy.message)[0].place == copy.place)
    }

    /// Invocation and answer of everything that was answered on a socket.
    pub(super) fn answers_on(&self, id: SocketId) -> impl Iterator<Item = (Time, Time)> {
        self.0.events.iter().filter_map(move |stamped| match &stamped.event {
            Event::Invoke { operation, by: Some(by), .. } if *by == id => {
                self.answer(*operation).map(|(ok, _)| (stamped.at, ok))
            }
            _ => None,
        })
    }

    pub(super) fn node_of(&self, socket: Option<SocketId>) -> NodeId {
        socket.and_then(|socket| self.life(socket).ok()).map_or(NodeId(0), |life| life.node)
    }

    /// When the recipients on the socket's node had been chosen.
    pub(super) fn chosen_by(&self, message: OperationId, socket: SocketId) -> Result<Time, Refuted> {
        let sent = self.sent(message)?;
        let (origin, here) = (self.node_of(sent.by), self.life(socket)?.node);
        if origin == here {
            return Ok(sent.ok);
        }
        let mut by = NEVER;
        for stamped in &self.0.events {
            let Event::Receive { socket: other, message: later, .. } = stamped.event else { continue };
            let Ok(later) = self.sent(later) else { continue };
            let same_way = self.node_of(later.by) == origin && self.node_of(Some(other)) == here;
            if same_way && later.inv > sent.ok {
                by = by.min(stamped.at);
            }
        }
        Ok(by)
    }

    /// Whether the socket received something that was sent after the message had been answered, the same way.
    pub(super) fn received_later(&self, socket: SocketId, message: OperationId) -> Result<bool, Refuted> {
        let sent = self.sent(message)?;
        let (origin, here) = (self.node_of(sent.by), self.life(socket)?.node);
        Ok(self.received(socket).any(|copy| {
            self.sent(copy.message)
                .is_ok_and(|later| later.inv > sent.ok && (origin == here || self.node_of(later.by) == origin))
        }))
    }
}

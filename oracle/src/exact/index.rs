//! A history turned round: by socket, by room, by message.

use std::collections::HashMap;

use super::cell::{Cell, Change};
use crate::history::{
    Action, Answer, ClientId, Emission, Event, HandlerId, History, NEVER, NamespaceId, NodeId, OperationId, Room,
    SocketId, Time,
};
use crate::tri::Tri;

/// From before the request was written until after its answer was read; closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) inv: Time,
    pub(super) ok: Time,
}

/// The place of an event in the history, which its proof cites.
pub(super) type Place = u32;

#[derive(Debug)]
pub(super) struct Socket {
    pub(super) client: ClientId,
    pub(super) namespace: NamespaceId,
    pub(super) node: NodeId,
    pub(super) connect: Window,
    /// From the first moment at which it may be gone until it is for certain.
    pub(super) end: Window,
    /// Its connection broke: of what was sent, it may lack a tail.
    pub(super) cut: bool,
    /// Between a cut and the return with the same id.
    pub(super) gaps: Vec<Window>,
    /// From the CONNECT that asked for its return, where that was seen, until it was back.
    pub(super) returns: Vec<Window>,
    pub(super) served_by: Option<(HandlerId, Place)>,
    pub(super) receptions: Vec<Reception>,
    pub(super) fences: Vec<Fence>,
    pub(super) opened: Place,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Reception {
    pub(super) at: Time,
    pub(super) message: OperationId,
    pub(super) intact: bool,
    pub(super) place: Place,
}

/// An answered operation on a socket's own connection: what was queued for it before is here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fence {
    pub(super) window: Window,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) struct Sent<'a> {
    pub(super) id: OperationId,
    pub(super) by: Option<SocketId>,
    pub(super) emission: &'a Emission,
    pub(super) window: Window,
    pub(super) answer: Option<(&'a Answer, Place)>,
    /// Of its invocation: the order in which one tester wrote.
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) namespace: NamespaceId,
    pub(super) rooms: &'a [Room],
    pub(super) window: Window,
    pub(super) found: &'a [SocketId],
    pub(super) strangers: u32,
    pub(super) place: Place,
}

/// What the checks look things up in.
#[derive(Debug)]
pub(super) struct Index<'a> {
    pub(super) history: &'a History,
    pub(super) sockets: HashMap<SocketId, Socket>,
    /// By time of connection.
    pub(super) order: Vec<SocketId>,
    pub(super) cells: HashMap<(SocketId, Room), Cell>,
    /// The sockets that were ever put into a room.
    pub(super) candidates: HashMap<Room, Vec<SocketId>>,
    pub(super) sent: Vec<Sent<'a>>,
    pub(super) sent_at: HashMap<OperationId, usize>,
    pub(super) asked: Vec<Asked<'a>>,
    /// Answers to what was answered already, or never asked.
    pub(super) surplus_answers: Vec<(OperationId, Place)>,
    /// When a socket wrote its acknowledgement of a question.
    pub(super) acknowledged: HashMap<(SocketId, OperationId), (Time, Place)>,
    /// Receptions of a message on a socket, in order.
    pub(super) received: HashMap<(SocketId, OperationId), Vec<Reception>>,
    /// Receptions on sockets that were never opened.
    pub(super) unknown_receptions: Vec<Place>,
    /// For each pair of nodes, when what the first sent had certainly come to the second.
    crossings: HashMap<(NodeId, NodeId), Crossing>,
    pub(super) several_nodes: bool,
    pub(super) end: Time,
}

/// Messages of one node that were received on another: when each was sent, and the earliest reception of it or of
/// a later one.
type Crossing = Vec<(Time, (Time, Place))>;

struct Pending<'a> {
    by: Option<SocketId>,
    action: &'a Action,
    window: Window,
    place: Place,
    answer: Option<(&'a Answer, Place)>,
}

impl Pending<'_> {
    /// When it took effect. What was refused may have done so in part, or not at all: it is like what has no answer,
    /// though the answer is a fence as any.
    fn effect(&self) -> Window {
        let refused = matches!(self.answer, Some((Answer::Refused, _)));
        Window { inv: self.window.inv, ok: if refused { NEVER } else { self.window.ok } }
    }
}

impl<'a> Index<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        let mut index = Self {
            history,
            sockets: HashMap::new(),
            order: Vec::new(),
            cells: HashMap::new(),
            candidates: HashMap::new(),
            sent: Vec::new(),
            sent_at: HashMap::new(),
            asked: Vec::new(),
            surplus_answers: Vec::new(),
            acknowledged: HashMap::new(),
            received: HashMap::new(),
            unknown_receptions: Vec::new(),
            crossings: HashMap::new(),
            several_nodes: false,
            end: history.events.last().map_or(0, |event| event.at.saturating_add(1)),
        };
        let operations = index.read();
        for (id, operation) in &operations {
            index.file(*id, operation);
        }
        index.several_nodes = index.sockets.values().any(|socket| socket.node != NodeId(0));
        index.cross();
        index
    }

    /// First pass: sockets, receptions, and what became of each operation.
    fn read(&mut self) -> Vec<(OperationId, Pending<'a>)> {
        let history = self.history;
        let mut operations: Vec<(OperationId, Pending<'a>)> = Vec::new();
        let mut by_id = HashMap::new();
        let mut asked_at: HashMap<(ClientId, NamespaceId), Time> = HashMap::new();
        for (place, stamped) in history.events.iter().enumerate() {
            let (at, place) = (stamped.at, place as Place);
            match &stamped.event {
                &Event::Connect { socket, client, namespace, node } => {
                    self.order.push(socket);
                    asked_at.insert((client, namespace), at);
                    self.sockets.insert(socket, Socket::new(client, namespace, node, at, place));
                }
                &Event::Connected { socket, served_by, .. } => {
                    self.with(socket, |socket| {
                        socket.connect.ok = socket.connect.ok.min(at);
                        socket.served_by = served_by.map(|handler| (handler, place));
                    });
                }
                Event::Invoke { operation, by, action } => {
                    by_id.insert(*operation, operations.len());
                    let window = Window { inv: at, ok: NEVER };
                    operations.push((*operation, Pending { by: *by, action, window, place, answer: None }));
                }
                Event::Complete { operation, answer } => {
                    match by_id.get(operation).map(|&index: &usize| &mut operations[index].1) {
                        Some(pending) if pending.answer.is_none() => {
                            pending.window.ok = at;
                            pending.answer = Some((answer, place));
                        }
                        _ => self.surplus_answers.push((*operation, place)),
                    }
                }
                &Event::Receive { socket, message, intact } => {
                    let reception = Reception { at, message, intact, place };
                    if self.sockets.contains_key(&socket) {
                        self.with(socket, |socket| socket.receptions.push(reception));
                        self.received.entry((socket, message)).or_default().push(reception);
                    } else {
                        self.unknown_receptions.push(place);
                    }
                }
                &Event::Acknowledged { socket, message } => {
                    self.acknowledged.entry((socket, message)).or_insert((at, place));
                }
                &Event::Cut { socket } => self.with(socket, |socket| {
                    socket.end.inv = socket.end.inv.min(at);
                    socket.cut = true;
                }),
                &Event::Resumed { socket } => self.with(socket, |socket| {
                    let lost = socket.end.inv;
                    socket.gaps.push(Window { inv: lost, ok: at });
                    let asked = asked_at.get(&(socket.client, socket.namespace)).copied();
                    socket.returns.push(Window { inv: asked.filter(|asked| *asked > lost).unwrap_or(at), ok: at });
                    socket.end = Window { inv: NEVER, ok: NEVER };
                    socket.cut = false;
                }),
                &Event::Gone { socket } => self.with(socket, |socket| {
                    socket.end = Window { inv: socket.end.inv.min(at), ok: socket.end.ok.min(at) };
                }),
                Event::Room { .. } => {}
            }
        }
        operations
    }

    fn with(&mut self, socket: SocketId, change: impl FnOnce(&mut Socket)) {
        if let Some(socket) = self.sockets.get_mut(&socket) {
            change(socket);
        }
    }

    /// Second pass, when the lives of all sockets are known.
    fn file(&mut self, id: OperationId, operation: &Pending<'a>) {
        let &Pending { by, action, place, answer, .. } = operation;
        let window = operation.effect();
        match action {
            Action::Join { socket, rooms } => {
                for &room in rooms {
                    self.change(*socket, Room::Named(room), true, operation);
                }
            }
            Action::Leave { socket, room } => self.change(*socket, Room::Named(*room), false, operation),
            Action::Emit(emission) => {
                self.sent_at.insert(id, self.sent.len());
                self.sent.push(Sent { id, by, emission, window, answer, place });
            }
            Action::Disconnect { socket } => {
                let own = by == Some(*socket);
                self.with(*socket, |socket| socket.put_out(window, own));
            }
            Action::Fence => {}
            Action::Presence { namespace, rooms } => {
                if let Some((Answer::Present { sockets, strangers }, _)) = answer {
                    self.asked.push(Asked {
                        namespace: *namespace,
                        rooms,
                        window: operation.window,
                        found: sockets,
                        strangers: *strangers,
                        place,
                    });
                }
            }
        }
        if let (Some(by), Some((_, place))) = (by, answer) {
            self.with(by, |socket| socket.fences.push(Fence { window: operation.window, place }));
        }
    }

    fn change(&mut self, socket: SocketId, room: Room, join: bool, operation: &Pending<'a>) {
        let Some(state) = self.sockets.get(&socket) else { return };
        let local = operation.by.and_then(|by| self.sockets.get(&by)).is_none_or(|by| by.node == state.node);
        // Across nodes the answer does not wait for the other node.
        let ok = if local { operation.effect().ok } else { NEVER };
        let definite = local && state.up_throughout(Window { inv: operation.window.inv, ok });
        let cell = self.cells.entry((socket, room)).or_insert_with(|| {
            self.candidates.entry(room).or_default().push(socket);
            Cell::default()
        });
        cell.push(Change {
            window: Window { inv: operation.window.inv, ok },
            join,
            definite,
            by: operation.by,
            place: operation.place,
        });
    }

    fn cross(&mut self) {
        if !self.several_nodes {
            return;
        }
        for socket in self.sockets.values() {
            for reception in &socket.receptions {
                let Some(&at) = self.sent_at.get(&reception.message) else { continue };
                let Some(origin) = self.origin(&self.sent[at]) else { continue };
                if origin != socket.node {
                    let crossing = self.crossings.entry((origin, socket.node)).or_default();
                    crossing.push((self.sent[at].window.inv, (reception.at, reception.place)));
                }
            }
        }
        for crossing in self.crossings.values_mut() {
            crossing.sort_unstable();
            let mut earliest = (NEVER, 0);
            for (_, at) in crossing.iter_mut().rev() {
                earliest = earliest.min(*at);
                *at = earliest;
            }
        }
    }

    /// The node on which a message was emitted.
    pub(super) fn origin(&self, sent: &Sent<'_>) -> Option<NodeId> {
        match sent.by {
            Some(by) => self.sockets.get(&by).map(|socket| socket.node),
            None => Some(NodeId(0)),
        }
    }

    pub(super) fn is_local(&self, sent: &Sent<'_>, socket: &Socket) -> bool {
        !self.several_nodes || self.origin(sent) == Some(socket.node)
    }

    /// When the recipients on the socket's node were chosen. Messages of one node reach another in order (A5),
    /// so the first later one that was received there closes the window.
    pub(super) fn reach(&self, sent: &Sent<'_>, socket: &Socket) -> Window {
        if self.is_local(sent, socket) {
            return sent.window;
        }
        Window { inv: sent.window.inv, ok: self.crossing(sent, socket).map_or(NEVER, |(at, _)| at) }
    }

    /// The reception that closes the window of a message from another node.
    pub(super) fn crossing(&self, sent: &Sent<'_>, socket: &Socket) -> Option<(Time, Place)> {
        let crossing = self.crossings.get(&(self.origin(sent)?, socket.node))?;
        let later = crossing.partition_point(|&(inv, _)| inv <= sent.window.ok);
        crossing.get(later).map(|&(_, reception)| reception)
    }

    pub(super) fn name(&self, socket: SocketId) -> String {
        self.history.names.socket(socket)
    }

    pub(super) fn stamp(&self, place: Place) -> Time {
        self.history.events[place as usize].at
    }

    pub(super) fn in_order(&self) -> bool {
        self.history.assumptions.in_order_handlers
    }
}

impl Socket {
    fn new(client: ClientId, namespace: NamespaceId, node: NodeId, at: Time, opened: Place) -> Self {
        Self {
            client,
            namespace,
            node,
            connect: Window { inv: at, ok: NEVER },
            end: Window { inv: NEVER, ok: NEVER },
            cut: false,
            gaps: Vec::new(),
            returns: Vec::new(),
            served_by: None,
            receptions: Vec::new(),
            fences: Vec::new(),
            opened,
        }
    }

    /// It was put out at some moment of a window, if it was there then.
    fn put_out(&mut self, window: Window, own: bool) {
        // Whoever is back from an outage behind the answer was not put out: it would not have been recovered.
        let back = self.gaps.iter().map(|gap| gap.ok).filter(|back| *back > window.inv).max();
        if back.is_some_and(|back| back > window.ok) {
            return;
        }
        let from = back.unwrap_or(window.inv);
        let was_there = self.connect.ok < window.inv && back.is_none() && !(self.cut && self.end.inv <= window.ok);
        self.end.inv = self.end.inv.min(from);
        if was_there || own {
            self.end.ok = self.end.ok.min(window.ok);
        }
        // An answer on its own connection comes behind everything that was queued there; another's proves nothing
        // about the tail.
        self.cut |= window.ok == NEVER || !own;
    }

    /// M6: whether it is connected at an instant, or just behind it.
    pub(super) fn connected(&self, at: Time, after: bool) -> Tri {
        let past = |time: Time| at > time || after && at == time;
        if at < self.connect.inv || past(self.end.ok) {
            Tri::F
        } else if past(self.connect.ok) && at < self.end.inv {
            Tri::T
        } else {
            Tri::U
        }
    }

    /// Whether it is connected for certain from the first to the last moment of a window, gaps included.
    pub(super) fn up_throughout(&self, window: Window) -> bool {
        self.connect.ok < window.inv && window.ok < self.end.inv && !self.in_gap(window)
    }

    /// Whether a window touches a gap.
    pub(super) fn in_gap(&self, window: Window) -> bool {
        self.gaps.iter().any(|gap| gap.inv <= window.ok && window.inv <= gap.ok)
    }
}

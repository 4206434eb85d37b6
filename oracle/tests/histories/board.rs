//! The streaming scoreboard on the simulator's histories: never wrong where its preconditions hold, and strong.

use std::collections::HashMap;

use sio_oracle::Tri;
use sio_oracle::history::{Action, Event, History, NamespaceId, OperationId, Room, SocketId};
use sio_oracle::stream::{Publisher, Stream, Track, Verdict};

use crate::sim::{Mode, Mutant, Sim};

/// What makes a stream: sender and target.
type Key = (SocketId, NamespaceId, Vec<Room>, Vec<Room>, bool);

#[derive(Default)]
struct Membership {
    stable: bool,
    joins: u32,
    leaves: u32,
}

impl Membership {
    fn value(&self) -> Tri {
        match (self.joins > 0, self.leaves > 0) {
            (false, false) => self.stable.into(),
            (true, false) if self.stable => Tri::T,
            (false, true) if !self.stable => Tri::F,
            _ => Tri::U,
        }
    }
}

/// A driver: it feeds the board as a load run would, event by event.
#[derive(Default)]
struct Board {
    streams: Vec<(Key, Stream, Publisher)>,
    by_key: HashMap<Key, usize>,
    messages: HashMap<OperationId, (usize, u64)>,
    connected: HashMap<SocketId, (Tri, NamespaceId)>,
    members: HashMap<(SocketId, Room), Membership>,
    tracks: HashMap<(SocketId, usize), Track>,
    fences: HashMap<OperationId, (SocketId, Vec<(usize, u64)>)>,
    actions: HashMap<OperationId, (Option<SocketId>, Action)>,
    wrong: Vec<String>,
}

impl Board {
    fn value(&self, socket: SocketId, stream: usize) -> Tri {
        let (sender, namespace, rooms, except, excludes) = &self.streams[stream].0;
        let (connected, here) = self.connected[&socket];
        if *excludes && *sender == socket || here != *namespace {
            return Tri::F;
        }
        let member = |&room: &Room| match room {
            Room::Own(id) if id == socket => connected,
            _ => self.members.get(&(socket, room)).map_or(Tri::F, Membership::value),
        };
        Tri::target(connected, rooms.iter().map(member), except.iter().map(member))
    }

    fn touch(&mut self, socket: SocketId) {
        for stream in 0..self.streams.len() {
            let value = self.value(socket, stream);
            let Some(track) = self.tracks.get_mut(&(socket, stream)) else { continue };
            if value != track.value() {
                track.before_change(&self.streams[stream].1);
                track.after_change(&self.streams[stream].1, value);
            }
        }
    }

    fn open(&mut self, socket: SocketId, stream: usize) {
        let track = Track::new(&self.streams[stream].1, self.value(socket, stream));
        self.tracks.insert((socket, stream), track);
    }

    fn feed(&mut self, event: &Event) {
        match event {
            Event::Connect { socket, namespace, .. } => {
                self.connected.insert(*socket, (Tri::F, *namespace));
                (0..self.streams.len()).for_each(|stream| self.open(*socket, stream));
                self.set(*socket, Tri::U);
            }
            Event::Connected { socket, .. } => self.set(*socket, Tri::T),
            Event::Cut { socket } => self.set(*socket, Tri::U),
            Event::Gone { socket } => self.set(*socket, Tri::F),
            Event::Invoke { operation, by, action } => self.invoke(*operation, *by, action),
            Event::Complete { operation, .. } => self.complete(*operation),
            Event::Receive { socket, message, .. } => {
                let Some(&(stream, seq)) = self.messages.get(message) else { return };
                let Some(track) = self.tracks.get_mut(&(*socket, stream)) else { return };
                let verdict = track.deliver(&self.streams[stream].1, seq);
                if verdict != Verdict::Fine {
                    self.wrong.push(format!("{verdict:?} of {message:?} at {socket:?}"));
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, socket: SocketId, value: Tri) {
        self.connected.get_mut(&socket).unwrap().0 = value;
        self.touch(socket);
    }

    fn change(&mut self, action: &Action, change: impl Fn(&mut Membership, bool)) {
        let (socket, rooms, join) = match action {
            Action::Join { socket, rooms } => (*socket, rooms.clone(), true),
            Action::Leave { socket, room } => (*socket, vec![*room], false),
            _ => return,
        };
        for room in rooms {
            change(self.members.entry((socket, Room::Named(room))).or_default(), join);
        }
        self.touch(socket);
    }

    fn invoke(&mut self, operation: OperationId, by: Option<SocketId>, action: &Action) {
        self.actions.insert(operation, (by, action.clone()));
        self.change(action, |member, join| if join { member.joins += 1 } else { member.leaves += 1 });
        match action {
            Action::Disconnect { socket } => self.set(*socket, Tri::U),
            Action::Emit(emission) if !emission.volatile && !emission.asks => {
                let sender = by.unwrap();
                let key = (
                    sender,
                    emission.namespace,
                    emission.rooms.clone(),
                    emission.except.clone(),
                    emission.excludes_sender,
                );
                let stream = self.by_key.get(&key).copied().unwrap_or_else(|| {
                    self.streams.push((key.clone(), Stream::default(), Publisher::default()));
                    let stream = self.streams.len() - 1;
                    self.by_key.insert(key, stream);
                    let sockets: Vec<_> = self.connected.keys().copied().collect();
                    sockets.into_iter().for_each(|socket| self.open(socket, stream));
                    stream
                });
                let (_, counters, publisher) = &mut self.streams[stream];
                self.messages.insert(operation, (stream, publisher.issue(counters)));
            }
            Action::Fence => {
                let by = by.unwrap();
                let mine = self.tracks.keys().filter(|(socket, _)| *socket == by);
                let marks = mine.map(|(_, stream)| (*stream, Track::watermark(&self.streams[*stream].1))).collect();
                self.fences.insert(operation, (by, marks));
            }
            _ => {}
        }
    }

    fn complete(&mut self, operation: OperationId) {
        let Some((_, action)) = self.actions.remove(&operation) else { return };
        self.change(&action, |member, join| {
            *(if join { &mut member.joins } else { &mut member.leaves }) -= 1;
            member.stable = join;
        });
        if let Action::Disconnect { socket } = action {
            self.set(socket, Tri::F);
        }
        if let Some(&(stream, seq)) = self.messages.get(&operation) {
            let (_, counters, publisher) = &mut self.streams[stream];
            publisher.acknowledge(counters, seq);
        }
        if let Some((socket, marks)) = self.fences.remove(&operation) {
            for (stream, mark) in marks {
                let mut lost = Vec::new();
                if let Some(track) = self.tracks.get_mut(&(socket, stream)) {
                    track.settle(mark, |range| lost.push(range));
                }
                self.wrong.extend(lost.iter().map(|range| format!("lost {range:?} of stream {stream} at {socket:?}")));
            }
        }
    }
}

fn judge(history: &History) -> Vec<String> {
    let mut board = Board::default();
    history.events.iter().for_each(|stamped| board.feed(&stamped.event));
    board.wrong
}

#[test]
fn a_correct_server_is_never_accused_while_it_runs() {
    for seed in 0..8_000 {
        let mode = Mode { pipelined: seed % 2 == 1, namespaces: seed % 4 > 1, ..Mode::default() };
        let wrong = judge(&Sim::history(seed, 20, mode, None));
        assert!(wrong.is_empty(), "seed {seed}, {mode:?}: {wrong:?}");
    }
}

/// The same mutants as the exact engine's; what needs more than deliveries to be seen is left to that.
#[test]
fn a_broken_server_is_found_out_while_it_runs() {
    use Mutant::{
        DropOnePercent, DupOnePercent, ExceptFirstRoomOnly, ExceptIgnored, ExcludeSenderRoom, FirstRoomOnly,
        InheritRooms, Intersect, JoinLate, JoinLost, LeakNonMember, LeaveAll, LeaveLate, LeaveNoop, OwnRoomMissing,
        Reorder, SenderIncluded, UnionDup,
    };
    let mutants = [
        UnionDup,
        FirstRoomOnly,
        Intersect,
        ExceptIgnored,
        ExceptFirstRoomOnly,
        ExcludeSenderRoom,
        SenderIncluded,
        LeakNonMember,
        DropOnePercent,
        DupOnePercent,
        JoinLost,
        JoinLate,
        LeaveNoop,
        LeaveLate,
        LeaveAll,
        Reorder,
        OwnRoomMissing,
        InheritRooms,
    ];
    for mutant in mutants {
        let flagged = |seed: &u64| {
            let mode = Mode { pipelined: seed % 2 == 1, ..Mode::default() };
            !judge(&Sim::history(*seed, 40, mode, Some(mutant))).is_empty()
        };
        let count = (0..60).filter(flagged).count();
        println!("{mutant:?}: {count} of 60");
        assert!(count > 0, "{mutant:?}");
    }
}

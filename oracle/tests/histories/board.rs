//! The streaming scoreboard on the simulator's histories: never wrong where its preconditions hold, and strong.

use std::collections::HashMap;

use sio_oracle::Tri;
use sio_oracle::board::{Answer, DeliveryOutcome, Facts, Nanos, Observation, Receiver, Time, UNKNOWN_NODE, Verdict};
use sio_oracle::history::{Action, Emission, Event, History, NamespaceId, OperationId, Room, SocketId};

use crate::sim::{Mode, Mutant, Sim};
use crate::soundness::share;

/// What makes a stream: the target, whoever sends.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Target {
    namespace: NamespaceId,
    rooms: Vec<Room>,
    except: Vec<Room>,
    spares_sender: bool,
}

impl Target {
    fn of(emission: &Emission) -> Self {
        let (rooms, except) = (emission.rooms.clone(), emission.except.clone());
        Self { namespace: emission.namespace, rooms, except, spares_sender: emission.excludes_sender }
    }
}

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

/// All emissions, by stream.
#[derive(Default)]
struct Schedule {
    targets: Vec<Target>,
    facts: Vec<Vec<Observation>>,
}

impl Facts for Schedule {
    fn fact(&self, stream: u32, seq: u32) -> Option<Observation> {
        self.facts[stream as usize].get(seq as usize).copied()
    }

    fn settled_below(&self, stream: u32) -> u32 {
        let open = |fact: &Observation| !matches!(fact.time, Time::Sent { ok: Answer::At(_) | Answer::Never, .. });
        let facts = &self.facts[stream as usize];
        facts.iter().position(open).unwrap_or(facts.len()) as u32
    }
}

/// A driver: it feeds the board as a load run would, event by event. The clock counts events.
#[derive(Default)]
struct Board {
    now: Nanos,
    schedule: Schedule,
    messages: HashMap<OperationId, (u32, u32)>,
    connected: HashMap<SocketId, (Tri, NamespaceId)>,
    members: HashMap<(SocketId, Room), Membership>,
    receivers: HashMap<SocketId, Receiver>,
    cuts: HashMap<SocketId, Nanos>,
    fences: HashMap<OperationId, (SocketId, Nanos)>,
    actions: HashMap<OperationId, (Option<SocketId>, Action)>,
    /// Of each socket, where messages cross between servers.
    cluster: Option<HashMap<SocketId, u32>>,
    /// Whether that is known to the board.
    knows_nodes: bool,
    /// Whether a join is certain for its own node alone.
    tells_joins: bool,
    /// Of so many deliveries one stands alone; the others come in one event with quotations of what was said before, in reach or
    /// not. All stand alone if this is zero.
    among: i64,
    values: HashMap<(SocketId, u32), Tri>,
    must: u64,
    may: u64,
    wrong: Vec<String>,
}

impl Board {
    /// Knows the targets ahead, as a load does.
    fn new(history: &History) -> Self {
        let mut board = Self::default();
        for stamped in &history.events {
            if let Event::Invoke { action: Action::Emit(emission), .. } = &stamped.event {
                let target = Target::of(emission);
                if !board.schedule.targets.contains(&target) {
                    board.schedule.targets.push(target);
                    board.schedule.facts.push(Vec::new());
                }
            }
        }
        board
    }

    fn note_node(&mut self, socket: SocketId, node: u32) {
        if let Some(nodes) = &mut self.cluster {
            nodes.insert(socket, node);
        }
    }

    fn node(&self, socket: SocketId) -> u32 {
        self.cluster.as_ref().filter(|_| self.knows_nodes).map_or(UNKNOWN_NODE, |nodes| nodes[&socket])
    }

    fn value(&self, socket: SocketId, stream: u32) -> Tri {
        let target = &self.schedule.targets[stream as usize];
        let (connected, here) = self.connected[&socket];
        if here != target.namespace {
            return Tri::F;
        }
        let member = |&room: &Room| match room {
            Room::Own(id) if id == socket => connected,
            _ => self.members.get(&(socket, room)).map_or(Tri::F, Membership::value),
        };
        Tri::target(connected, target.rooms.iter().map(member), target.except.iter().map(member))
    }

    fn touch(&mut self, socket: SocketId) {
        let Some(mut receiver) = self.receivers.remove(&socket) else { return };
        if self.tells_joins {
            self.tell_joins(socket, &mut receiver);
        } else {
            receiver.change_all(self.now, |stream| self.value(socket, stream));
        }
        self.receivers.insert(socket, receiver);
    }

    /// As a load does it: what changes is told once, and a join as one.
    fn tell_joins(&mut self, socket: SocketId, receiver: &mut Receiver) {
        for stream in 0..self.schedule.targets.len() as u32 {
            let value = self.value(socket, stream);
            match self.values.insert((socket, stream), value) {
                Some(before) if before == value => {}
                _ if value == Tri::T => {
                    receiver.change(stream, self.now, Tri::U);
                    receiver.joined(stream, self.now, Tri::T);
                }
                _ => receiver.change(stream, self.now, value),
            }
        }
    }

    fn feed(&mut self, event: &Event) {
        self.now += 1;
        match event {
            Event::Connect { socket, namespace, node, .. } => {
                self.note_node(*socket, node.0.into());
                self.connected.insert(*socket, (Tri::U, *namespace));
                let streams = (0..self.schedule.targets.len() as u32).map(|stream| (stream, Tri::F));
                let mut receiver = Receiver::new(socket.0, self.now, streams, &self.schedule);
                if self.cluster.is_some() {
                    receiver = receiver.in_cluster(self.node(*socket), 0, None);
                }
                self.receivers.insert(*socket, receiver);
                self.touch(*socket);
            }
            Event::Connected { socket, .. } => self.set(*socket, Tri::T),
            Event::Cut { socket } => {
                self.cuts.insert(*socket, self.now);
                self.give_up_on(*socket);
            }
            Event::Resumed { socket } => _ = self.cuts.remove(socket),
            Event::Gone { socket } => {
                if let Some(mut receiver) = self.receivers.remove(socket) {
                    let at = self.cuts.get(socket).copied().unwrap_or(self.now);
                    let mut fates = Vec::new();
                    let note = |stream, seq, fate| fates.push((stream, seq, fate));
                    match self.cluster {
                        Some(_) => receiver.end_across(at, false, &self.schedule, note),
                        None => receiver.end(at, &self.schedule, note),
                    }
                    self.account(*socket, &fates);
                }
                self.set(*socket, Tri::F);
            }
            Event::Invoke { operation, by, action } => self.invoke(*operation, *by, action),
            Event::Complete { operation, .. } => self.complete(*operation),
            Event::Receive { socket, message, .. } => {
                let Some(&(stream, seq)) = self.messages.get(message) else { return };
                let Some(receiver) = self.receivers.get_mut(socket) else { return };
                let fact = self.schedule.facts[stream as usize][seq as usize];
                if self.among > 0 && self.now % self.among != 0 {
                    for (stream, seq) in self.messages.values() {
                        let quoted = self.schedule.facts[*stream as usize][*seq as usize];
                        if quoted.time != Time::Due && receiver.has(*stream, *seq) {
                            receiver.deliver_among(*stream, *seq, &quoted, self.now);
                        }
                    }
                    if receiver.deliver_among(stream, seq, &fact, self.now) == Verdict::Late {
                        self.wrong.push(format!("{message:?} had been lost at {socket:?}"));
                    }
                    return;
                }
                let verdict = match self.cluster {
                    Some(_) => receiver.deliver_across(stream, seq, &fact, self.now, &self.schedule),
                    None => receiver.deliver(stream, seq, &fact, self.now),
                };
                if verdict != Verdict::Fine {
                    self.wrong.push(format!("{verdict:?} of {message:?} at {socket:?}"));
                }
            }
            Event::Acknowledged { .. } | Event::Room { .. } => {}
        }
    }

    fn account(&mut self, socket: SocketId, fates: &[(u32, u32, DeliveryOutcome)]) {
        for (stream, seq, fate) in fates {
            match fate {
                DeliveryOutcome::Delivered | DeliveryOutcome::Excused => self.must += 1,
                DeliveryOutcome::May(_) | DeliveryOutcome::Volatile(_) | DeliveryOutcome::Undecided => self.may += 1,
                DeliveryOutcome::Missing(_) => {
                    self.must += 1;
                    self.wrong.push(format!("lost {seq} of stream {stream} at {socket:?}"));
                }
            }
        }
    }

    /// Of what the socket sent and nobody answered nobody will ever know.
    fn give_up_on(&mut self, socket: SocketId) {
        for fact in self.schedule.facts.iter_mut().flatten().filter(|fact| fact.sender == socket.0) {
            if let Time::Sent { ok: ok @ Answer::Open, .. } = &mut fact.time {
                *ok = Answer::Never;
            }
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
            Action::Emit(emission) if !emission.asks => {
                let target = Target::of(emission);
                let stream = self.schedule.targets.iter().position(|known| *known == target).unwrap();
                let (sender, node) = (by.unwrap().0, self.node(by.unwrap()));
                let facts = &mut self.schedule.facts[stream];
                let previous = facts.iter().rposition(|fact| fact.sender == sender).map(|seq| seq as u32);
                self.messages.insert(operation, (stream as u32, facts.len() as u32));
                facts.push(Observation {
                    sender,
                    previous,
                    spares_sender: emission.excludes_sender,
                    history: false,
                    session: sender,
                    node,
                    volatile: emission.volatile,
                    time: Time::Sent { inv: self.now, ok: Answer::Open },
                });
            }
            Action::Fence => _ = self.fences.insert(operation, (by.unwrap(), self.now)),
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
        if let Some(&(stream, seq)) = self.messages.get(&operation)
            && let Time::Sent { ok, .. } = &mut self.schedule.facts[stream as usize][seq as usize].time
        {
            *ok = Answer::At(self.now);
        }
        if let Some((socket, sent)) = self.fences.remove(&operation)
            && let Some(receiver) = self.receivers.get_mut(&socket)
        {
            let mut fates = Vec::new();
            let note = |stream, seq, fate| fates.push((stream, seq, fate));
            match self.cluster {
                Some(_) => receiver.settle_across(self.now, false, &self.schedule, note),
                None => receiver.settle(sent, &self.schedule, note),
            }
            self.account(socket, &fates);
        }
    }
}

/// The same on servers that pass messages on; whether it is known who is where.
fn judge_cluster(history: &History, knows_nodes: bool) -> Board {
    let mut board = Board { cluster: Some(HashMap::new()), knows_nodes, ..Board::new(history) };
    history.events.iter().for_each(|stamped| board.feed(&stamped.event));
    board
}

fn judge(history: &History) -> Board {
    let mut board = Board::new(history);
    history.events.iter().for_each(|stamped| board.feed(&stamped.event));
    board
}

#[test]
fn a_correct_server_is_never_accused_while_it_runs() {
    let (mut must, mut may) = (0, 0);
    for seed in 0..share(12_000) {
        let mode =
            Mode { pipelined: seed % 2 == 1, namespaces: seed % 4 > 1, recovery: seed % 3 == 1, ..Mode::default() };
        let board = judge(&Sim::history(seed, 20, mode, None));
        assert!(board.wrong.is_empty(), "seed {seed}, {mode:?}: {:?}", board.wrong);
        must += board.must;
        may += board.may;
    }
    println!("{must} owed, {may} may");
    assert!(must > may, "{must} owed, {may} may: the board has become weak");
}

/// Applications batch and quote: that accuses nobody, also of what stands alone beside it, and hides no loss.
#[test]
fn events_with_several_messages_accuse_nobody_and_hide_no_loss() {
    let judge = |seed: u64, mutant: Option<Mutant>| {
        let cluster = seed % 4 > 1;
        let mode = Mode { pipelined: seed % 2 == 1, cluster, recovery: seed % 3 == 1, ..Mode::default() };
        let history = Sim::history(seed, 40, mode, mutant);
        let among = 1 + seed as i64 % 5;
        let among = if among == 1 { i64::MAX } else { among };
        let mut board = Board { among, cluster: cluster.then(HashMap::new), knows_nodes: true, ..Board::new(&history) };
        history.events.iter().for_each(|stamped| board.feed(&stamped.event));
        board
    };
    let mut must = 0;
    for seed in 0..share(3_000) {
        let board = judge(seed, None);
        assert!(board.wrong.is_empty(), "seed {seed}: {:?}", board.wrong);
        must += board.must;
    }
    assert!(must > share(10_000), "{must} owed: the board has become weak");
    let found = (0..200).filter(|seed| !judge(*seed, Some(Mutant::DropOnePercent)).wrong.is_empty()).count();
    println!("{must} owed, losses found in {found} of 200");
    assert!(found > 20, "losses were found in {found} of 200 histories");
}

#[test]
fn a_correct_cluster_is_never_accused_while_it_runs() {
    let (mut must, mut may) = (0, 0);
    for seed in 0..share(4_000) {
        let (pipelined, namespaces, recovery) = (seed % 2 == 1, seed % 4 > 1, seed % 3 == 1);
        let mode = Mode { pipelined, namespaces, recovery, cluster: true, ..Mode::default() };
        let board = judge_cluster(&Sim::history(seed, 20, mode, None), seed % 8 > 3);
        assert!(board.wrong.is_empty(), "seed {seed}, {mode:?}: {:?}", board.wrong);
        must += board.must;
        may += board.may;
    }
    println!("{must} owed, {may} may");
    assert!(must * 2 > may, "{must} owed, {may} may: the board has become weak");
}

/// Adapters subscribe to a room when it has its first member, and no answer waits for that.
#[test]
fn a_cluster_that_hears_of_joins_late_is_not_accused() {
    let (mut must, mut may) = (0, 0);
    for seed in 0..share(3_000) {
        let mode = Mode { pipelined: seed % 2 == 1, cluster: true, subscribes: true, ..Mode::default() };
        let history = Sim::history(seed, 40, mode, None);
        let mut board =
            Board { cluster: Some(HashMap::new()), knows_nodes: true, tells_joins: true, ..Board::new(&history) };
        history.events.iter().for_each(|stamped| board.feed(&stamped.event));
        assert!(board.wrong.is_empty(), "seed {seed}, {mode:?}: {:?}", board.wrong);
        must += board.must;
        may += board.may;
    }
    println!("{must} owed, {may} may");
    assert!(must > share(10_000), "{must} owed, {may} may: the board has become weak");
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
            !judge(&Sim::history(*seed, 40, mode, Some(mutant))).wrong.is_empty()
        };
        let count = (0..60).filter(flagged).count();
        println!("{mutant:?}: {count} of 60");
        assert!(count > 0, "{mutant:?}");
    }
}

#[test]
fn a_broken_cluster_is_found_out_while_it_runs() {
    let mutants = [
        Mutant::LostPublish,
        Mutant::DoubledPublish,
        Mutant::EchoToOrigin,
        Mutant::ExclusionLostAcross,
        Mutant::Reorder,
    ];
    for mutant in mutants {
        for knows_nodes in [false, true] {
            let flagged = |seed: &u64| {
                let mode = Mode { pipelined: seed % 2 == 1, cluster: true, ..Mode::default() };
                !judge_cluster(&Sim::history(*seed, 40, mode, Some(mutant)), knows_nodes).wrong.is_empty()
            };
            let count = (0..60).filter(flagged).count();
            println!("{mutant:?}: {count} of 60");
            assert!(count > 0, "{mutant:?}");
        }
    }
}

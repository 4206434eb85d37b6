//! A simulated Socket.IO server under a random concurrent program, seen as a tester would see it.
//!
//! Connections deliver in order after random delays, operations take effect at one instant, handlers may run at
//! once, sockets break and come back. The server is correct unless it is given a [`Mutant`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use sio_oracle::history::{
    Action, Answer, ClientId, Emission, Event, History, NamespaceId, NodeId, OperationId, Room, RoomChange, RoomId,
    SocketId, Time,
};

/// How the program is driven.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a dimension of its own")]
pub struct Mode {
    /// A client goes on before its last operation was answered.
    pub pipelined: bool,
    /// Anybody may change anybody's rooms.
    pub several_writers: bool,
    /// Broken connections may be recovered.
    pub recovery: bool,
    /// Two or three nodes behind a broker that keeps the order of each, and stands still at times.
    pub cluster: bool,
    /// The broker loses messages, which it is known to do.
    pub lossy: bool,
    /// Nodes subscribe to rooms of their own, some time after an answer has told of the join.
    pub subscribes: bool,
    /// Two namespaces.
    pub namespaces: bool,
}

macro_rules! mutants {
    ($($name:ident)*) => {
        /// What a broken server does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant { $($name,)* }

        impl Mutant {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

mutants! {
    UnionDup FirstRoomOnly Intersect ExceptIgnored ExceptFirstRoomOnly ExcludeSenderRoom SenderIncluded LeakNonMember
    DropOnePercent DupOnePercent JoinLost JoinLate LeaveNoop LeaveLate LeaveAll Reorder AckBeforeWrite
    NamespaceLeak OwnRoomMissing AckTwice PresenceStale PresenceStranger ConnectLate Altered InheritRooms
    RecoverGap RecoverDup RecoverRoomsLost DropOnJoin AckMiscount StaleRooms
    AckForgotten PartialLost DeleteUntold RecoverMissesNewest FanOutTornApart
    LostPublish DoubledPublish EchoToOrigin ExclusionLostAcross NamesakeRoomAcross ReplayGapAcross
}

impl Mutant {
    /// What only several nodes can do wrong.
    pub const CLUSTER: [Self; 6] = [
        Self::LostPublish,
        Self::DoubledPublish,
        Self::EchoToOrigin,
        Self::ExclusionLostAcross,
        Self::NamesakeRoomAcross,
        Self::ReplayGapAcross,
    ];
}

type Step = Box<dyn FnOnce(&mut Sim)>;

struct Due(Time, u64, Step);

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

#[derive(Default)]
struct Client {
    socket: Option<SocketId>,
    epoch: u32,
    up_at: Time,
    down_at: Time,
    left: u32,
    alive: bool,
    node: u16,
    /// Reliable messages received on this socket, which a recovery offers as its offset.
    offset: usize,
}

#[derive(Default)]
struct Session {
    client: usize,
    namespace: NamespaceId,
    /// Everything reliable that was ever queued, and when.
    log: Vec<(OperationId, Time)>,
    /// The server knows that the connection is gone.
    parked: bool,
    dead: bool,
}

pub struct Sim {
    random: u64,
    mode: Mode,
    mutant: Option<Mutant>,
    now: Time,
    ties: u64,
    queue: BinaryHeap<Reverse<Due>>,
    clients: Vec<Client>,
    sessions: BTreeMap<SocketId, Session>,
    members: BTreeMap<RoomId, BTreeSet<SocketId>>,
    /// Rooms as they were a while ago.
    stale: BTreeMap<RoomId, BTreeSet<SocketId>>,
    nodes: u16,
    /// When what one node has published gets to another; the order of each pair is kept.
    links: BTreeMap<(u16, u16), Time>,
    /// The rooms that each node hears of.
    subscribed: BTreeSet<(u16, RoomId)>,
    /// Where each message was sent.
    origins: BTreeMap<OperationId, u16>,
    operations: u32,
    /// Questions, and who has answered.
    asked: BTreeMap<OperationId, BTreeSet<SocketId>>,
    /// What the adapter told of the rooms.
    told: Vec<(NamespaceId, RoomId, RoomChange)>,
    pub history: History,
}

pub const ROOMS: u32 = 3;
/// How long acknowledgements are waited for.
const PATIENCE: Time = 10_000;

impl Sim {
    pub fn history(seed: u64, operations: u32, mode: Mode, mutant: Option<Mutant>) -> History {
        let nodes = if mode.cluster { 2 + (seed / 7 % 2) as u16 } else { 1 };
        let mut sim = Self {
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            mode,
            mutant,
            now: 0,
            ties: 0,
            queue: BinaryHeap::new(),
            clients: (0..5).map(|i| Client { left: operations, node: i % nodes, ..Client::default() }).collect(),
            sessions: BTreeMap::new(),
            members: BTreeMap::new(),
            stale: BTreeMap::new(),
            nodes,
            links: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            origins: BTreeMap::new(),
            operations: 0,
            asked: BTreeMap::new(),
            told: Vec::new(),
            history: History::default(),
        };
        sim.history.assumptions.reliable_broker = !mode.lossy;
        for client in 0..5 {
            let at = sim.delay(1_000);
            sim.at(at, move |sim| sim.connect(client));
        }
        while let Some(Reverse(Due(at, _, step))) = sim.queue.pop() {
            sim.now = at;
            step(&mut sim);
        }
        for (namespace, room, change) in std::mem::take(&mut sim.told) {
            sim.record(Event::Room { namespace, room, change });
        }
        sim.history
    }

    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    fn delay(&mut self, most: u64) -> Time {
        self.now + 1 + self.below(most)
    }

    fn latency(&mut self) -> u64 {
        let most = [100, 300, 1_000, 1_000, 2_000, 5_000][self.below(6) as usize];
        1 + self.below(most)
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn at(&mut self, at: Time, step: impl FnOnce(&mut Self) + 'static) {
        self.ties += 1;
        self.queue.push(Reverse(Due(at.max(self.now), self.ties, Box::new(step))));
    }

    fn record(&mut self, event: Event) {
        self.history.push(self.now, event);
    }

    /// To the server, in order, as long as the connection lives.
    fn up(&mut self, client: usize, step: impl FnOnce(&mut Self) + 'static) {
        let at = self.clients[client].up_at.max(self.now + self.latency()) + 1;
        self.clients[client].up_at = at;
        let epoch = self.clients[client].epoch;
        self.at(at, move |sim| {
            if sim.clients[client].epoch == epoch {
                step(sim);
            }
        });
    }

    /// To the client, likewise.
    fn down(&mut self, client: usize, step: impl FnOnce(&mut Self) + 'static) {
        let at = self.clients[client].down_at.max(self.now + self.latency()) + 1;
        self.clients[client].down_at = at;
        let epoch = self.clients[client].epoch;
        self.at(at, move |sim| {
            if sim.clients[client].epoch == epoch && sim.clients[client].alive {
                step(sim);
            }
        });
    }

    fn open(&mut self, client: usize) {
        let now = self.now;
        let client = &mut self.clients[client];
        client.epoch += 1;
        client.alive = true;
        (client.up_at, client.down_at) = (now, now);
    }

    fn connect(&mut self, client: usize) {
        let before = self.clients[client].socket;
        if before.is_some() && self.mode.cluster && self.one_in(3) {
            // A balancer sends it elsewhere.
            self.clients[client].node = self.below(u64::from(self.nodes)) as u16;
        }
        self.open(client);
        let socket = SocketId(self.sessions.len() as u32);
        let namespace = NamespaceId(u32::from(self.mode.namespaces && self.one_in(3)));
        self.sessions.insert(socket, Session { client, namespace, dead: true, ..Session::default() });
        let node = NodeId(self.clients[client].node);
        (self.clients[client].socket, self.clients[client].offset) = (Some(socket), 0);
        self.record(Event::Connect { socket, client: ClientId(client as u32), namespace, node });
        self.up(client, move |sim| {
            sim.sessions.get_mut(&socket).expect("it was made").dead = false;
            if let (true, Some(before)) = (sim.is(Mutant::InheritRooms), before) {
                for room in sim.rooms_of(before) {
                    sim.enter(socket, room);
                }
            }
            if sim.is(Mutant::ConnectLate) {
                let late = sim.delay(3_000);
                sim.at(late, move |sim| sim.welcome(client, socket));
            } else {
                sim.welcome(client, socket);
            }
        });
    }

    fn welcome(&mut self, client: usize, socket: SocketId) {
        self.down(client, move |sim| {
            sim.record(Event::Connected { socket, sid: None, session: None, served_by: None });
            sim.step(client);
        });
    }

    fn step(&mut self, client: usize) {
        let Some(socket) = self.clients[client].socket else { return };
        if self.clients[client].left == 0 {
            return self.fence(client);
        }
        self.clients[client].left -= 1;
        let choice = self.below(100);
        let room = RoomId(self.below(u64::from(ROOMS)) as u32);
        let mut target = socket;
        if self.mode.several_writers && choice < 40 {
            target = SocketId(self.below(self.sessions.len() as u64) as u32);
        }
        match choice {
            0..20 => {
                let mut rooms = vec![room];
                if self.one_in(2) {
                    rooms.push(RoomId((room.0 + 1) % ROOMS));
                }
                self.invoke(client, Action::Join { socket: target, rooms });
            }
            20..38 => self.invoke(client, Action::Leave { socket: target, room }),
            38..42 => {
                let namespace = self.sessions[&socket].namespace;
                self.invoke(client, Action::Presence { namespace, rooms: vec![Room::Named(room)] });
            }
            42..93 => {
                let emission = self.emission(socket);
                self.invoke(client, Action::Emit(emission));
            }
            93..95 => return self.invoke(client, Action::Disconnect { socket }),
            95 if self.mode.several_writers => {
                let other = SocketId(self.below(self.sessions.len() as u64) as u32);
                if other == socket {
                    return self.invoke(client, Action::Disconnect { socket });
                }
                self.invoke(client, Action::Disconnect { socket: other });
            }
            _ => return self.cut(client, socket),
        }
        if self.mode.pipelined && self.one_in(2) {
            let (at, epoch) = (self.delay(50), self.clients[client].epoch);
            self.at(at, move |sim| {
                if sim.clients[client].epoch == epoch && sim.clients[client].alive {
                    sim.step(client);
                }
            });
        }
    }

    fn emission(&mut self, socket: SocketId) -> Emission {
        let mut rooms: BTreeSet<Room> = BTreeSet::new();
        for _ in 0..[0, 1, 1, 2, 2][self.below(5) as usize] {
            rooms.insert(Room::Named(RoomId(self.below(u64::from(ROOMS)) as u32)));
        }
        if self.one_in(8) {
            rooms = [Room::Own(SocketId(self.below(self.sessions.len() as u64) as u32))].into();
        }
        let except =
            if self.one_in(4) { vec![Room::Named(RoomId(self.below(u64::from(ROOMS)) as u32))] } else { vec![] };
        Emission {
            namespace: self.sessions[&socket].namespace,
            rooms: rooms.into_iter().collect(),
            except,
            excludes_sender: self.one_in(2),
            volatile: self.one_in(10),
            // Nobody counts acknowledgements across nodes here.
            asks: !self.mode.cluster && self.one_in(10),
            patience: PATIENCE,
        }
    }

    /// What was emitted before is here once this is answered; the last thing that a client does.
    fn fence(&mut self, client: usize) {
        // The others' messages may still be on their way to the server.
        let (at, epoch) = (self.now + 60_000, self.clients[client].epoch);
        self.at(at, move |sim| {
            if sim.clients[client].epoch == epoch && sim.clients[client].alive {
                sim.invoke(client, Action::Fence);
            }
        });
    }

    fn cut(&mut self, client: usize, socket: SocketId) {
        self.record(Event::Cut { socket });
        self.clients[client].alive = false;
        self.clients[client].epoch += 1;
        let (noticed, back) = (self.delay(6_000), self.delay(8_000));
        self.at(noticed, move |sim| {
            if sim.mode.recovery {
                sim.sessions.get_mut(&socket).expect("it was made").parked = true;
            } else {
                sim.gone(socket);
            }
        });
        self.at(back, move |sim| if sim.mode.recovery { sim.recover(client, socket) } else { sim.connect(client) });
    }

    fn recover(&mut self, client: usize, socket: SocketId) {
        let session = &self.sessions[&socket];
        if session.dead || !session.parked || self.one_in(5) {
            // Refused: it was not parked yet, or has been thrown away.
            self.at(self.now, move |sim| sim.gone(socket));
            return self.connect(client);
        }
        self.open(client);
        self.up(client, move |sim| {
            if sim.is(Mutant::RecoverRoomsLost) {
                sim.leave_all(socket);
            }
            sim.sessions.get_mut(&socket).expect("it was made").parked = false;
            let newest = if sim.is(Mutant::RecoverMissesNewest) { sim.now.saturating_sub(1_000) } else { sim.now };
            let missed = sim.sessions[&socket].log.iter().skip(sim.clients[client].offset);
            let mut missed: Vec<_> = missed.filter(|(_, at)| *at <= newest).map(|(message, _)| *message).collect();
            if sim.is(Mutant::RecoverGap) {
                missed.pop();
            }
            if sim.is(Mutant::RecoverDup)
                && let Some((last, _)) = sim.sessions[&socket].log.iter().take(sim.clients[client].offset).next_back()
            {
                missed.insert(0, *last);
            }
            if sim.is(Mutant::ReplayGapAcross) {
                let here = sim.clients[client].node;
                let across = missed.iter().position(|message| sim.origins.get(message) != Some(&here));
                across.map(|place| missed.remove(place));
            }
            for message in missed {
                sim.deliver(socket, message, true);
            }
            sim.down(client, move |sim| {
                sim.record(Event::Resumed { socket });
                sim.step(client);
            });
        });
    }

    fn invoke(&mut self, client: usize, action: Action) {
        let by = self.clients[client].socket;
        let operation = OperationId(self.operations);
        self.operations += 1;
        self.record(Event::Invoke { operation, by, action: action.clone() });
        self.up(client, move |sim| {
            let mut answer = Answer::Done;
            let mut late = 0;
            match &action {
                Action::Join { socket, rooms } => sim.join(*socket, rooms),
                Action::Leave { socket, room } => sim.leave(*socket, *room),
                Action::Emit(emission) if emission.asks => {
                    sim.asked.insert(operation, BTreeSet::new());
                    let asked = sim.broadcast(by, operation, emission);
                    return sim.collect(client, operation, action, asked);
                }
                Action::Emit(emission) if sim.is(Mutant::FanOutTornApart) => {
                    late = sim.tear_apart(by, operation, emission);
                }
                Action::Emit(emission) => _ = sim.broadcast(by, operation, emission),
                Action::Disconnect { socket } if Some(*socket) == by => sim.gone(*socket),
                Action::Disconnect { socket } => sim.kick(*socket),
                Action::Presence { namespace, rooms } => answer = sim.presence(*namespace, rooms),
                Action::Fence => {}
            }
            let (at, epoch) = (sim.now + late, sim.clients[client].epoch);
            sim.at(at, move |sim| {
                if sim.clients[client].epoch == epoch {
                    sim.answer(client, operation, action, answer);
                }
            });
        });
    }

    /// Counts the acknowledgements of a question when its time is over.
    fn collect(&mut self, client: usize, operation: OperationId, action: Action, asked: u32) {
        let (at, epoch) = (self.now + PATIENCE, self.clients[client].epoch);
        self.at(at, move |sim| {
            let came = sim.asked.remove(&operation).map_or(0, |answers| answers.len() as u32);
            let answer = match came == asked {
                true if sim.is(Mutant::AckMiscount) => Answer::Acknowledgements(asked + 1),
                true if sim.is(Mutant::AckForgotten) => Answer::Acknowledgements(asked.saturating_sub(1)),
                true => Answer::Acknowledgements(asked),
                false if sim.is(Mutant::PartialLost) => Answer::TimedOut(0),
                false => Answer::TimedOut(came),
            };
            if sim.clients[client].epoch == epoch {
                sim.answer(client, operation, action, answer);
            }
        });
    }

    /// Every second recipient is chosen only some time later; returns how much later that is.
    fn tear_apart(&mut self, by: Option<SocketId>, message: OperationId, emission: &Emission) -> Time {
        let late = 1 + self.below(6_000);
        self.half(by, message, emission, 0);
        let emission = emission.clone();
        self.at(self.now + late, move |sim| sim.half(by, message, &emission, 1));
        late
    }

    fn half(&mut self, by: Option<SocketId>, message: OperationId, emission: &Emission, which: u32) {
        for socket in self.recipients(by, emission, false).into_iter().filter(|socket| socket.0 % 2 == which) {
            self.queue(socket, message, !emission.volatile);
        }
    }

    fn answer(&mut self, client: usize, operation: OperationId, action: Action, answer: Answer) {
        if self.is(Mutant::AckTwice) && self.one_in(20) {
            let answer = answer.clone();
            self.down(client, move |sim| sim.record(Event::Complete { operation, answer }));
        }
        self.down(client, move |sim| {
            sim.record(Event::Complete { operation, answer });
            if matches!(action, Action::Disconnect { socket } if sim.clients[client].socket == Some(socket)) {
                sim.clients[client].alive = false;
                sim.clients[client].epoch += 1;
                let back = sim.delay(3_000);
                sim.at(back, move |sim| sim.connect(client));
            } else if !matches!(action, Action::Fence) {
                sim.step(client);
            }
        });
    }

    fn join(&mut self, socket: SocketId, rooms: &[RoomId]) {
        if self.sessions[&socket].dead || self.is(Mutant::JoinLost) && self.one_in(10) {
            return;
        }
        for &room in rooms {
            if self.is(Mutant::JoinLate) {
                self.at(self.now + 3_000, move |sim| {
                    if !sim.sessions[&socket].dead {
                        sim.enter(socket, room);
                    }
                });
            } else {
                self.enter(socket, room);
            }
        }
    }

    fn rooms_of(&self, socket: SocketId) -> Vec<RoomId> {
        let rooms = self.members.iter().filter(|(_, members)| members.contains(&socket));
        rooms.map(|(room, _)| *room).collect()
    }

    /// Whether anybody of a namespace is in a room.
    fn exists(&self, namespace: NamespaceId, room: RoomId) -> bool {
        let members = self.members.get(&room).into_iter().flatten();
        members.into_iter().any(|member| self.sessions[member].namespace == namespace)
    }

    fn enter(&mut self, socket: SocketId, room: RoomId) {
        let namespace = self.sessions[&socket].namespace;
        let is_new = !self.exists(namespace, room);
        if self.members.entry(room).or_default().insert(socket) {
            self.told.extend(is_new.then_some((namespace, room, RoomChange::Created)));
            self.told.push((namespace, room, RoomChange::Joined(socket)));
            self.subscribe(socket, room);
        }
    }

    /// Whether a message gets to a node: one to a single room by a channel of that room's.
    fn hears(&self, node: u16, emission: &Emission) -> bool {
        match emission.rooms.as_slice() {
            [Room::Named(room)] if self.mode.subscribes => self.subscribed.contains(&(node, *room)),
            _ => true,
        }
    }

    /// A node has a member of a room: it will hear of the room before long.
    fn subscribe(&mut self, socket: SocketId, room: RoomId) {
        let node = self.clients[self.sessions[&socket].client].node;
        if self.mode.subscribes && !self.subscribed.contains(&(node, room)) {
            let at = self.delay(4_000);
            self.at(at, move |sim| _ = sim.subscribed.insert((node, room)));
        }
    }

    fn exit(&mut self, socket: SocketId, room: RoomId) {
        let namespace = self.sessions[&socket].namespace;
        if self.members.entry(room).or_default().remove(&socket) {
            self.told.push((namespace, room, RoomChange::Left(socket)));
            if !self.exists(namespace, room) && !self.is(Mutant::DeleteUntold) {
                self.told.push((namespace, room, RoomChange::Deleted));
            }
        }
    }

    fn leave(&mut self, socket: SocketId, room: RoomId) {
        if self.is(Mutant::LeaveNoop) && self.one_in(3) {
            return;
        }
        if self.is(Mutant::LeaveAll) {
            self.leave_all(socket);
        }
        let at = if self.is(Mutant::LeaveLate) { self.now + 4_000 } else { self.now };
        if at > self.now {
            self.at(at, move |sim| sim.exit(socket, room));
        } else {
            self.exit(socket, room);
        }
    }

    fn leave_all(&mut self, socket: SocketId) {
        for room in self.rooms_of(socket) {
            self.exit(socket, room);
        }
    }

    fn gone(&mut self, socket: SocketId) {
        self.sessions.get_mut(&socket).expect("it was made").dead = true;
        if !self.is(Mutant::StaleRooms) {
            self.leave_all(socket);
        }
    }

    /// Puts out somebody else's socket, if it is there, and tells it so.
    fn kick(&mut self, socket: SocketId) {
        let session = &self.sessions[&socket];
        let client = session.client;
        if session.dead || session.parked || self.clients[client].socket != Some(socket) {
            return;
        }
        self.gone(socket);
        self.down(client, move |sim| {
            sim.record(Event::Gone { socket });
            sim.clients[client].alive = false;
            sim.clients[client].epoch += 1;
            let back = sim.delay(3_000);
            sim.at(back, move |sim| sim.connect(client));
        });
    }

    fn presence(&mut self, namespace: NamespaceId, rooms: &[Room]) -> Answer {
        let members = if self.is(Mutant::PresenceStale) { &self.stale } else { &self.members };
        let found = rooms.iter().flat_map(|room| match room {
            Room::Named(room) => members.get(room).into_iter().flatten().copied().collect(),
            Room::Own(socket) => vec![*socket],
        });
        // A parked session is a member, and is listed by nobody.
        let listed = |socket: &SocketId| {
            let session = &self.sessions[socket];
            !session.dead && !session.parked && session.namespace == namespace
        };
        let sockets: BTreeSet<_> = found.filter(listed).collect();
        let answer = Answer::Present {
            sockets: sockets.into_iter().collect(),
            strangers: u32::from(self.is(Mutant::PresenceStranger)),
        };
        self.stale = self.members.clone();
        answer
    }

    /// Chooses the recipients on the sender's node now, and on the other when the broker gets there.
    fn broadcast(&mut self, by: Option<SocketId>, message: OperationId, emission: &Emission) -> u32 {
        let node = by.map_or(0, |by| self.clients[self.sessions[&by].client].node);
        self.origins.insert(message, node);
        let count = self.spread(by, message, emission, node, false);
        for to in 0..self.nodes {
            if to != node || self.is(Mutant::EchoToOrigin) && self.one_in(10) {
                self.publish(by, message, emission, (node, to));
            }
        }
        count
    }

    /// Sends a message to another node, behind all that was sent there before.
    fn publish(&mut self, by: Option<SocketId>, message: OperationId, emission: &Emission, link: (u16, u16)) {
        let pause = if self.one_in(20) { self.below(20_000) } else { 0 };
        let at = self.links.get(&link).copied().unwrap_or(0).max(self.now + self.latency()) + pause + 1;
        self.links.insert(link, at);
        if self.mode.lossy && self.one_in(8) || self.is(Mutant::LostPublish) && self.one_in(20) {
            return;
        }
        let mut emission = emission.clone();
        if self.is(Mutant::ExclusionLostAcross) {
            emission.except.clear();
        }
        let times = if self.is(Mutant::DoubledPublish) && self.one_in(20) { 2 } else { 1 };
        for _ in 0..times {
            let emission = emission.clone();
            self.at(at, move |sim| {
                if sim.hears(link.1, &emission) {
                    sim.spread(by, message, &emission, link.1, true);
                }
            });
        }
    }

    fn spread(
        &mut self,
        by: Option<SocketId>,
        message: OperationId,
        emission: &Emission,
        node: u16,
        across: bool,
    ) -> u32 {
        let recipients = self.recipients(by, emission, across);
        let mut count = 0;
        for socket in recipients {
            if self.clients[self.sessions[&socket].client].node != node {
                continue;
            }
            count += 1;
            if self.is(Mutant::DropOnePercent) && self.one_in(100) {
                continue;
            }
            let reliable = !emission.volatile && !emission.asks;
            if !self.is(Mutant::Reorder) || !self.one_in(20) {
                self.queue(socket, message, reliable);
            } else {
                let at = self.delay(8_000);
                self.at(at, move |sim| sim.queue(socket, message, reliable));
            }
            if self.is(Mutant::DupOnePercent) && self.one_in(100) {
                self.queue(socket, message, reliable);
            }
        }
        count
    }

    fn recipients(&mut self, by: Option<SocketId>, emission: &Emission, across: bool) -> Vec<SocketId> {
        let of = |sim: &Self, room: &Room| -> BTreeSet<SocketId> {
            match room {
                Room::Named(room) => sim.members.get(room).cloned().unwrap_or_default(),
                Room::Own(_) if sim.is(Mutant::OwnRoomMissing) => BTreeSet::new(),
                Room::Own(socket) => [*socket].into(),
            }
        };
        let rooms: Vec<BTreeSet<SocketId>> = emission.rooms.iter().map(|room| of(self, room)).collect();
        let mut chosen: Vec<SocketId> = Vec::new();
        if rooms.is_empty() {
            chosen = self.sessions.keys().copied().collect();
        }
        let first_only = if self.is(Mutant::FirstRoomOnly) { 1 } else { rooms.len() };
        for room in &rooms[..first_only.min(rooms.len())] {
            for &socket in room {
                if self.is(Mutant::UnionDup) || !chosen.contains(&socket) {
                    chosen.push(socket);
                }
            }
        }
        if self.is(Mutant::Intersect) {
            chosen.retain(|socket| rooms.iter().all(|room| room.contains(socket)));
        }
        if !self.is(Mutant::ExceptIgnored) {
            let mut out: BTreeSet<SocketId> = emission.except.iter().flat_map(|room| of(self, room)).collect();
            if self.is(Mutant::ExceptFirstRoomOnly) && rooms.len() > 1 {
                out.retain(|socket| rooms[0].contains(socket));
            }
            chosen.retain(|socket| !out.contains(socket));
        }
        if emission.excludes_sender {
            if self.is(Mutant::ExcludeSenderRoom) {
                let shared: Vec<_> = rooms.iter().filter(|room| by.is_some_and(|by| room.contains(&by))).collect();
                chosen.retain(|socket| !shared.iter().any(|room| room.contains(socket)));
            } else if !self.is(Mutant::SenderIncluded) {
                chosen.retain(|socket| Some(*socket) != by);
            }
        }
        if self.is(Mutant::LeakNonMember) && self.one_in(20) {
            let other = SocketId(self.below(self.sessions.len() as u64) as u32);
            if Some(other) != by && !chosen.contains(&other) {
                chosen.push(other);
            }
        }
        let leaks = self.is(Mutant::NamespaceLeak) || across && self.is(Mutant::NamesakeRoomAcross);
        chosen.retain(|socket| {
            let session = &self.sessions[socket];
            !session.dead && (leaks || session.namespace == emission.namespace)
        });
        if self.is(Mutant::DropOnJoin) {
            // Whoever is in all rooms counts as busy.
            let busy = |socket: &SocketId| {
                (0..ROOMS).all(|room| self.members.get(&RoomId(room)).is_some_and(|m| m.contains(socket)))
            };
            chosen.retain(|socket| !busy(socket));
        }
        chosen
    }

    fn queue(&mut self, socket: SocketId, message: OperationId, reliable: bool) {
        if reliable {
            let now = self.now;
            self.sessions.get_mut(&socket).expect("it was made").log.push((message, now));
        }
        if self.sessions[&socket].parked {
            return;
        }
        if self.is(Mutant::AckBeforeWrite) {
            let at = self.delay(500);
            return self.at(at, move |sim| sim.deliver(socket, message, reliable));
        }
        self.deliver(socket, message, reliable);
    }

    fn deliver(&mut self, socket: SocketId, message: OperationId, reliable: bool) {
        let client = self.sessions[&socket].client;
        if self.clients[client].socket != Some(socket) || self.sessions[&socket].dead {
            return;
        }
        let intact = !(self.is(Mutant::Altered) && self.one_in(50));
        self.down(client, move |sim| {
            sim.record(Event::Receive { socket, message, intact });
            sim.clients[client].offset += usize::from(reliable);
            if sim.asked.contains_key(&message) {
                sim.record(Event::Acknowledged { socket, message });
                sim.up(client, move |sim| _ = sim.asked.get_mut(&message).map(|answers| answers.insert(socket)));
            }
        });
    }
}

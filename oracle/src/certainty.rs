//! How much a history could have shown: a check that could not fail proves nothing.

use serde::{Deserialize, Serialize};

/// Something that a history should contain at least once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// A join or leave and an emission to its room at the same time.
    JoinOverlappedEmit,
    /// A recipient in two of the targeted rooms.
    UnionOverlap,
    /// A member of the target that an excepted room keeps out.
    ExceptedMember,
    /// A sender that is in the room it sends to without receiving.
    SenderInRoom,
    /// A connection that ended while messages for it were under way.
    DisconnectWithBacklog,
    /// Two sockets of one client that share a room's name.
    SameRoomTwoNamespaces,
    /// A session that was recovered with something missed.
    Recovered,
    /// A volatile message that arrived.
    VolatileArrived,
    /// A message to somebody's own room.
    OwnRoom,
    /// A socket opened by a client that had one before.
    ClientReturned,
    /// A question to several that was answered.
    BroadcastAcknowledged,
    /// A list of members that was not empty.
    MembersListed,
    /// A question whose time was over, after somebody had answered it for certain.
    AnsweredInVain,
    /// A room whose life was told.
    RoomTold,
    /// An emission to somebody whose session was just being recovered.
    RestoreOverlappedEmit,
}

impl Goal {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::JoinOverlappedEmit,
        Self::UnionOverlap,
        Self::ExceptedMember,
        Self::SenderInRoom,
        Self::DisconnectWithBacklog,
        Self::SameRoomTwoNamespaces,
        Self::Recovered,
        Self::VolatileArrived,
        Self::OwnRoom,
        Self::ClientReturned,
        Self::BroadcastAcknowledged,
        Self::MembersListed,
        Self::AnsweredInVain,
        Self::RoomTold,
        Self::RestoreOverlappedEmit,
    ];

    /// Its name.
    pub fn id(self) -> &'static str {
        match self {
            Self::JoinOverlappedEmit => "join-overlapped-emit",
            Self::UnionOverlap => "union-overlap",
            Self::ExceptedMember => "excepted-member",
            Self::SenderInRoom => "sender-in-room",
            Self::DisconnectWithBacklog => "disconnect-with-backlog",
            Self::SameRoomTwoNamespaces => "same-room-two-namespaces",
            Self::Recovered => "recovered",
            Self::VolatileArrived => "volatile-arrived",
            Self::OwnRoom => "own-room",
            Self::ClientReturned => "client-returned",
            Self::BroadcastAcknowledged => "broadcast-acknowledged",
            Self::MembersListed => "members-listed",
            Self::AnsweredInVain => "answered-in-vain",
            Self::RoomTold => "room-told",
            Self::RestoreOverlappedEmit => "restore-overlapped-emit",
        }
    }
}

/// Pairs of message and socket by class, and the goals reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certainty {
    /// Owed: one delivery exactly.
    pub must: u64,
    /// Not owed: none.
    pub must_not: u64,
    /// Open: none or one.
    pub may: u64,
    /// Owed and not there, without a fence or a later message that would prove it lost.
    pub undecided: u64,
    /// How often each goal was reached, in the order of [`Goal::ALL`].
    pub goals: [u64; Goal::ALL.len()],
}

impl Certainty {
    /// The share of pairs that are decided, between 0 and 1; 0 without pairs.
    pub fn ratio(&self) -> f64 {
        let pairs = self.must + self.must_not + self.may;
        if pairs == 0 { 0.0 } else { (self.must + self.must_not - self.undecided.min(self.must)) as f64 / pairs as f64 }
    }

    /// The goals that were never reached.
    pub fn missed(&self) -> impl Iterator<Item = Goal> {
        Goal::ALL.into_iter().zip(self.goals).filter(|&(_, reached)| reached == 0).map(|(goal, _)| goal)
    }

    pub(crate) fn reach(&mut self, goal: Goal) {
        self.goals[goal as usize] += 1;
    }

    /// Adds another history's.
    pub fn add(&mut self, other: &Self) {
        self.must += other.must;
        self.must_not += other.must_not;
        self.may += other.may;
        self.undecided += other.undecided;
        for (mine, theirs) in self.goals.iter_mut().zip(other.goals) {
            *mine += theirs;
        }
    }
}

//! The streaming scoreboard: deliveries judged while they arrive, with memberships that change, in memory that does
//! not grow with their number.
//!
//! The emissions to one target are a *stream*, numbered 0, 1, 2, … by the schedule, whoever sends them. A
//! [`Receiver`] is one connection; it keeps a track for each stream that could reach it: a bit for each number
//! that is not settled yet, and since when the receiver has been in the target, certainly, certainly not, or
//! perhaps ([`Tri`](crate::Tri)).
//!
//! Each emission has two instants: `inv`, taken right before it was written, and `ok`, taken right after an answer
//! showed that it had taken effect. The rule is that of the exact engine: who was in the target throughout
//! `[inv, ok]` must get it, once; who was in it at no moment of that must not; all others may. A change of
//! membership notes one instant, whatever the number of messages; a delivery costs a look at one bit and two
//! comparisons; what is still missing when a *fence* (an acknowledged round trip on the receiver's own connection)
//! is answered is lost.
//!
//! **Soundness.** `inv` is stored before the write and every membership becomes certain only after its answer was
//! read. An `ok` that is stored late or never turns a *must* into a *may*: power is lost, never truth.
//!
//! **Preconditions.** One clock for all stamps (with several hosts, widen both instants by the bound of their
//! offset), and one writer of each membership. With several writers use the [exact engine](crate::exact).

mod cluster;
mod intervals;
mod receiver;
mod track;

#[cfg(test)]
mod tests;

pub use cluster::{ClusterFence, PATIENCE, UNKNOWN_NODE};
pub use receiver::Receiver;

/// An instant: nanoseconds on the run's clock.
pub type Nanos = i64;

/// How far an emission has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Not written yet.
    Due,
    /// It never will be: its sender is not there.
    Skipped,
    /// It was written.
    Sent {
        /// Right before it was written.
        inv: Nanos,
        /// Right after the answer was read.
        ok: Answer,
    },
}

/// Whether an emission is known to have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// By this instant.
    At(Nanos),
    /// There is no answer yet.
    Open,
    /// There will be none: its sender's connection broke.
    Never,
}

/// What is known of an emission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The user who sends it.
    pub sender: u32,
    /// The number of the same sender's emission ahead of this one in the stream.
    pub previous: Option<u32>,
    /// Whether the sender is left out (`socket.to`).
    pub spares_sender: bool,
    /// Whether it may be dropped (`volatile`).
    pub volatile: bool,
    /// Whether the application may say it again, under the same name, to who comes later.
    pub history: bool,
    /// The connection of its sender on which it was sent. Between servers, order is that of one connection.
    pub session: u32,
    /// The server that its sender was connected to; [`UNKNOWN_NODE`] if nobody knows.
    pub node: u32,
    /// How far it has come.
    pub time: Time,
}

/// Where facts are looked up.
pub trait Facts {
    /// Emission `seq` of a stream; `None` when it is not known yet.
    fn fact(&self, stream: u32, seq: u32) -> Option<Observation>;

    /// A number below which all emissions of a stream were answered, or never will be. New receivers start there.
    fn settled_below(&self, stream: u32) -> u32;
}

/// What one delivery was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// A copy was here already (I1).
    Duplicate,
    /// The receiver was not in the target (I3), or there is no such emission.
    Phantom,
    /// A later one of the same sender (I5b), or one that was sent after this had been answered (I5), came first.
    Overtaken(Emission),
    /// It came behind a fence that should have come behind it, and had been given up as lost (A2).
    Late,
    /// It came behind a cluster fence that its sender had sent behind it, at this instant (A5).
    BehindFence(Nanos),
    /// The receiver has come to the target since it was sent, and is there: the application may have said it again. Neither
    /// a proof of a wrong delivery nor one that is owed.
    History,
}

/// One emission: its stream, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emission {
    /// Its stream.
    pub stream: u32,
    /// Its number in the stream.
    pub seq: u32,
}

/// What shows that an emission will not come any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// A fence that was sent at this instant has been answered.
    Fence(Nanos),
    /// This one arrived, which was sent after it had taken effect; then the connection broke.
    Later(Emission),
    /// This one arrived, which the same connection sent to the same target behind it.
    Behind(Emission),
    /// A cluster fence arrived, which the same connection sent to the same target behind it, at this instant.
    ClusterFence(Nanos),
    /// It had been answered before this instant, at which another one was sent that has come across; and then it was waited for.
    Waited(Nanos),
}

/// What became of one pair of emission and receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// Owed, and delivered.
    Delivered,
    /// Owed, and lost (I6).
    Missing(Absence),
    /// Owed, and at the tail of a connection that broke.
    Excused,
    /// Owed and not here, and nothing shows whether it is lost or still on its way between servers.
    Undecided,
    /// Not owed and not forbidden, since the receiver came or went; whether it was delivered.
    May(bool),
    /// It could have been dropped, and the receiver was in the target; whether it was delivered.
    Volatile(bool),
}

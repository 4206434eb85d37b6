//! What of a part's run is not in the seed, and what its users saw: all that the oracle was told, in the order in which it was.
//!
//! A part of a run does not know when the other parts' messages were sent and answered, so it cannot judge who was owed them.
//! It keeps what it would need, and whoever puts the parts together ([`replay`](super::replay)) tells the same oracle again, with
//! the instants of all of them. A journal is a file of blocks, each with its length and a checksum, and an end that says
//! how many there are; without one it was cut short. About ten bytes for each delivery.

mod codec;
mod reader;
mod writer;

use sio_oracle::board::Nanos;

pub(super) use self::reader::{Damage, Journal};
pub(super) use self::writer::{Journalist, Notebook};

/// The name of the file in the folder of a record.
pub(super) fn file_name(scenario: &str) -> String {
    format!("{scenario}.journal")
}

/// Something that the oracle was told. Instants are nanoseconds on the run's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A message of this part's users is written next.
    Sent { index: u32, at: Nanos },
    /// It has taken effect.
    Answered { index: u32, at: Nanos },
    /// The application has said that it does nothing with it.
    Refused { index: u32, at: Nanos },
    /// Whether it takes effect will not be known.
    Abandoned { index: u32, at: Nanos },
    /// A user asks for a session in one of its namespaces.
    Asked { place: Place, at: Nanos },
    /// It has got a new one; the one before is over since `at`.
    LetIn { place: Place, at: Nanos },
    /// It has got the old one back.
    Recovered { place: Place },
    /// It is in all its rooms, for certain; `away_since` is when its session before was lost.
    Ready { user: u32, at: Nanos, away_since: Option<Nanos> },
    /// A fence of it that was sent at `fence` has come back at `at`.
    Settled { user: u32, fence: Nanos, at: Nanos },
    /// Its session is over since `at`.
    Ended { place: Place, at: Nanos },
    /// A copy of a message has come.
    Came { place: Place, index: u32, at: Nanos, how: Came },
    /// An event has come that has the name of a traffic's messages and cannot be recognised; `spoilt` if it is certainly one.
    Unread { user: u32, traffic: u16, spoilt: bool, at: Nanos },
}

/// A user in one of its namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) user: u32,
    /// Which of those of its population.
    pub(super) namespace: u16,
}

/// How a copy came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// As it was sent; to a session that is asked for and not confirmed, if `fresh`.
    Whole { fresh: bool },
    /// With so many bytes of its payload as they were sent.
    Altered { fresh: bool, intact: u32 },
    /// In one event with others, or too late for its text to be compared: it is there, and no more follows from it.
    Among { fresh: bool },
}

impl Came {
    pub(super) fn is_fresh(self) -> bool {
        match self {
            Self::Whole { fresh } | Self::Altered { fresh, .. } | Self::Among { fresh } => fresh,
        }
    }
}

//! Three-valued logic: what is certain, and what is not.

/// Certainly not, unknown, certainly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tri {
    /// Certainly not.
    F,
    /// It may be.
    U,
    /// Certainly.
    T,
}

impl Tri {
    /// The value of a room's target for one socket (Kleene): connected, in one of `rooms`, in none of `except`.
    /// No `rooms` means everybody.
    pub fn target(connected: Self, rooms: impl Iterator<Item = Self>, except: impl Iterator<Item = Self>) -> Self {
        let inside = rooms.max().unwrap_or(Self::T);
        let outside = except.max().map_or(Self::T, Self::inverse);
        connected.min(inside).min(outside)
    }

    /// The other side; what is unknown stays unknown.
    #[must_use]
    pub fn inverse(self) -> Self {
        match self {
            Self::F => Self::T,
            Self::U => Self::U,
            Self::T => Self::F,
        }
    }

    /// What is certain, if anything is.
    pub fn known(self) -> Option<bool> {
        match self {
            Self::F => Some(false),
            Self::U => None,
            Self::T => Some(true),
        }
    }

    /// `self` where both agree, unknown where they differ.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        if self == other { self } else { Self::U }
    }
}

impl From<bool> for Tri {
    fn from(value: bool) -> Self {
        if value { Self::T } else { Self::F }
    }
}

//! What is sent to whom, as far as scenario and seed say it.

/// One emission as its audience sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The user who sends it.
    pub sender: u32,
    /// The number of the same sender's emission ahead of this one in this audience.
    pub previous: Option<u32>,
}

/// The emissions of one traffic to one room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// Whether the sender itself is left out (`socket.to`).
    pub except_sender: bool,
    /// In the order of their intended times; the index is the sequence number.
    pub emissions: Vec<Due>,
}

impl Audience {
    /// An audience nobody has sent to.
    pub fn new(except_sender: bool) -> Self {
        Self { except_sender, emissions: Vec::new() }
    }

    /// Adds an emission and returns its sequence number.
    pub fn push(&mut self, sender: u32, previous: Option<u32>) -> u32 {
        let seq = self.emissions.len() as u32;
        self.emissions.push(Due { sender, previous });
        seq
    }

    /// Whether `receiver`, a member of the room, is owed emission `seq`.
    pub fn owes(&self, receiver: u32, seq: u32) -> bool {
        let due = self.emissions.get(seq as usize);
        due.is_some_and(|due| !self.except_sender || due.sender != receiver)
    }
}

/// All audiences of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Indexed by audience number.
    pub audiences: Vec<Audience>,
}

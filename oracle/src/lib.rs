//! Who is owed each message, and whether it came: once, to nobody else, in order.
//!
//! The oracle knows no wire and no clock. A run's emissions are grouped into *audiences* (one traffic to one
//! room) and numbered 0, 1, 2, … within each, in the order in which they are meant to be sent. Membership
//! and schedule are pure functions of scenario and seed, so every worker holds the same [`Ledger`] and judges
//! the deliveries to its own receivers on a [`Scoreboard`] without asking anybody: a load and a bit test per
//! delivery, and no allocation.
//!
//! What is judged, with the invariants' names: a second copy (I1, union-once), a copy for somebody outside
//! the room or for an excluded sender (I2, I3), a message overtaken by a later one of the same sender in the
//! same room (I5b), and, once a fence says that everything has arrived, what did not (I6).

mod ledger;
mod scoreboard;

pub use ledger::{Audience, Due, Ledger};
pub use scoreboard::{Fate, Outcome, Receiver, Scoreboard};

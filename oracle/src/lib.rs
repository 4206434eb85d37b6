//! Who is owed each message, and whether it came: once, to nobody else, in order.
//!
//! The oracle knows no wire and no clock. It has two engines for one question. The [exact engine](exact) takes
//! a [`History`] of what a tester saw, with any number of operations under way at once and several writers of
//! one membership, and judges every pair of message and socket by the invariants I1 to I18; its findings carry
//! their proof, in words and as a small file that [`verify`] checks again by other means. The [`board`] judges
//! millions of deliveries while they arrive, without allocating for any of them.
//!
//! Both sort the pairs into three classes: *must* (in the target throughout the emission), *must not* (at no
//! moment of it) and *may*. A correct server is never accused; [`Certainty`] says how much the silence is worth.

pub mod board;
mod certainty;
pub mod exact;
pub mod history;
mod invariant;
mod proof;
mod tri;
pub mod verify;
mod violation;

pub use certainty::{Certainty, Goal};
pub use history::History;
pub use invariant::{Invariant, Origin};
pub use proof::Proof;
pub use tri::Tri;
pub use violation::{Breach, Violation};

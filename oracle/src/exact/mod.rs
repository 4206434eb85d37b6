//! The exact engine: every pair of message and socket of a history, judged by intervals.
//!
//! For each pair the engine asks whether the socket was in the target *throughout* the emission's window, at
//! no moment of it, or neither. In the first case exactly one copy is owed, in the second none may come, and
//! in the third none or one. The server chose the recipients at some instant of the window, so a correct
//! server is never accused, whatever ran at the same time; there is no search, so there is no blow-up with
//! concurrency either. What the third class hides is won back by a joint check where one
//! membership operation decides it.
//!
//! Several operations may change one membership, in any interleaving. The cost grows with
//! messages times sockets, and with the operations on one membership: this engine is for histories of thousands of
//! events, the [board](crate::board) for more.

mod cell;
mod classify;
mod index;
mod joint;
mod order;
mod pairs;
mod replies;
mod sockets;
mod words;

use crate::certainty::Certainty;
use crate::history::{History, OperationId, SocketId, Time};
use crate::tri::Tri;
use crate::violation::Violation;

/// What a history shows.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Broken invariants that accuse; see [`Invariant::accuses`](crate::Invariant::accuses).
    pub violations: Vec<Violation>,
    /// Broken invariants that are only remarkable.
    pub remarks: Vec<Violation>,
    /// How much could have been found.
    pub certainty: Certainty,
}

/// Judges a history.
pub fn check(history: &History) -> Findings {
    let index = index::Index::new(history);
    let mut findings = Findings::default();
    pairs::check(&index, &mut findings);
    order::check(&index, &mut findings);
    joint::check(&index, &mut findings);
    replies::check(&index, &mut findings);
    sockets::check(&index, &mut findings);
    findings
}

/// Whether a socket was in the target of a message, from each instant on at which that changed: certainly, certainly not, or
/// perhaps. Empty for a message or a socket that the history does not have.
pub fn membership(history: &History, message: OperationId, socket: SocketId) -> Vec<(Time, Tri)> {
    let index = index::Index::new(history);
    let sent = index.sent_at.get(&message).map(|place| &index.sent[*place]);
    let (Some(sent), Some(found)) = (sent, index.sockets.get(&socket)) else { return Vec::new() };
    let mut changes: Vec<(Time, Tri)> = Vec::new();
    for at in history.events.iter().map(|stamped| stamped.at) {
        let value = index.value(sent, socket, found, at, true);
        if changes.last().is_none_or(|(_, last)| *last != value) {
            changes.push((at, value));
        }
    }
    changes
}

impl Findings {
    fn report(&mut self, violation: Violation) {
        if violation.invariant.accuses() { self.violations.push(violation) } else { self.remarks.push(violation) }
    }
}

//! Each message and each socket: a copy that should not be there, a second one, one that never came.

use std::collections::HashSet;

use super::Findings;
use super::index::{Fence, Index, Place, Reception, Sent, Socket, Window};
use crate::certainty::{Certainty, Goal};
use crate::history::{NEVER, Room, SocketId};
use crate::invariant::Invariant;
use crate::tri::Tri;
use crate::violation::{Breach, Violation};

/// What proves that a message which is not here was lost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arrived {
    /// A fence that was begun after the emission had been answered.
    Fence(Fence),
    /// A message that was sent after the emission had been answered.
    Later(Reception),
}

pub(super) fn check(index: &Index<'_>, findings: &mut Findings) {
    for sent in &index.sent {
        let candidates = candidates(index, sent);
        let mut others = index.order.len() as u64;
        for id in candidates {
            others -= 1;
            pair(index, sent, id, &index.sockets[&id], findings);
        }
        findings.certainty.must_not += others;
    }
    for &place in &index.unknown_receptions {
        findings.report(index.plain(
            Invariant::NoPhantom,
            Breach::Unsent,
            None,
            place,
            "a message came on a socket that nobody opened",
        ));
    }
    for (&id, socket) in &index.sockets {
        for reception in socket.receptions.iter().filter(|reception| !index.sent_at.contains_key(&reception.message)) {
            let summary = format!("{} received a message that nobody sent", index.name(id));
            findings.report(index.plain(Invariant::NoPhantom, Breach::Unsent, Some(id), reception.place, &summary));
        }
    }
}

/// The sockets that can be in the target, and those that received it; nobody else needs to be looked at.
fn candidates(index: &Index<'_>, sent: &Sent<'_>) -> Vec<SocketId> {
    if sent.emission.rooms.is_empty() {
        return index.order.clone();
    }
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for room in &sent.emission.rooms {
        if let Room::Own(id) = room
            && index.sockets.contains_key(id)
            && seen.insert(*id)
        {
            found.push(*id);
        }
        for &id in index.candidates.get(room).into_iter().flatten() {
            if seen.insert(id) {
                found.push(id);
            }
        }
    }
    for &id in &index.order {
        if !seen.contains(&id) && index.received.contains_key(&(id, sent.id)) {
            found.push(id);
        }
    }
    found
}

/// A message and a socket, and what is known of the two.
struct Pair<'i, 'a> {
    index: &'i Index<'a>,
    sent: &'i Sent<'a>,
    id: SocketId,
    socket: &'i Socket,
    /// In which the recipients on the socket's node were chosen.
    window: Window,
    copies: &'i [Reception],
}

fn pair(index: &Index<'_>, sent: &Sent<'_>, id: SocketId, socket: &Socket, findings: &mut Findings) {
    let copies = index.received.get(&(id, sent.id)).map_or(&[][..], Vec::as_slice);
    let pair = Pair { index, sent, id, socket, window: index.reach(sent, socket), copies };
    if socket.namespace != sent.emission.namespace {
        findings.certainty.must_not += 1;
        if let Some(copy) = copies.first() {
            findings.report(pair.violation(Invariant::Namespace, Breach::WrongNamespace, &[copy.place], None));
        }
        return;
    }
    let class = pair.class();
    match class {
        Tri::T => findings.certainty.must += 1,
        Tri::F => findings.certainty.must_not += 1,
        Tri::U => findings.certainty.may += 1,
    }
    pair.goals(class, &mut findings.certainty);
    if let Some(violation) = pair.wrong_copy() {
        findings.report(violation);
    } else if class == Tri::T {
        pair.missing(findings);
    }
}

impl Pair<'_, '_> {
    /// Must, may, must not.
    fn class(&self) -> Tri {
        let class = self.index.class(self.sent, self.id, self.socket, self.window);
        if class == Tri::T && !self.is_owed() { Tri::U } else { class }
    }

    /// Whether being in the target is enough: the message has certainly been sent, and nothing allows its loss.
    fn is_owed(&self) -> bool {
        let emission = self.sent.emission;
        self.window.ok < NEVER
            && !emission.volatile
            && !(emission.asks && self.socket.in_gap(self.window))
            && (self.index.is_local(self.sent, self.socket) || self.index.history.assumptions.reliable_broker)
    }

    fn violation(&self, invariant: Invariant, breach: Breach, seen: &[Place], arrived: Option<Arrived>) -> Violation {
        self.index.pair(invariant, breach, self.sent, self.id, seen, arrived)
    }

    /// The first thing that is wrong with the copies that came.
    fn wrong_copy(&self) -> Option<Violation> {
        let first = self.copies.first()?;
        // What was received had been sent by then, so its recipients had been chosen.
        let seen = Window { inv: self.window.inv, ok: self.window.ok.min(first.at) };
        if self.index.class(self.sent, self.id, self.socket, seen) == Tri::F {
            return Some(self.phantom(first));
        }
        if let Some(again) = self.copies.get(1) {
            let resumed = self.socket.gaps.iter().any(|gap| first.at <= gap.inv && gap.ok <= again.at);
            let invariant = if resumed { Invariant::Recovery } else { Invariant::UnionOnce };
            return Some(self.violation(invariant, Breach::Duplicate, &[first.place, again.place], None));
        }
        if first.at < self.socket.connect.ok {
            return Some(self.violation(Invariant::ConnectFirst, Breach::TooEarly, &[first.place], None));
        }
        if !first.intact {
            let invariant = if self.sent.emission.volatile { Invariant::Volatile } else { Invariant::Payload };
            return Some(self.violation(invariant, Breach::Altered, &[first.place], None));
        }
        None
    }

    fn phantom(&self, copy: &Reception) -> Violation {
        let invariant = if self.is_excluded_sender() {
            Invariant::SenderExcluded
        } else if self.inherits() {
            Invariant::LeaveOnDisconnect
        } else {
            Invariant::NoPhantom
        };
        self.violation(invariant, Breach::Phantom, &[copy.place], None)
    }

    fn is_excluded_sender(&self) -> bool {
        self.sent.emission.excludes_sender && self.sent.by == Some(self.id)
    }

    /// Whether an earlier socket of the same client was in a room of the target, and this one never.
    fn inherits(&self) -> bool {
        let rooms = &self.sent.emission.rooms;
        let never = |id: SocketId| rooms.iter().all(|&room| !self.index.cells.contains_key(&(id, room)));
        let before = |&(&other, state): &(&SocketId, &Socket)| {
            other != self.id
                && state.client == self.socket.client
                && state.namespace == self.socket.namespace
                && state.connect.inv < self.socket.connect.inv
        };
        never(self.id) && self.index.sockets.iter().filter(before).any(|(&other, _)| !never(other))
    }

    /// It is owed: was it there when everything that was queued ahead of it had come?
    fn missing(&self, findings: &mut Findings) {
        let Some(proof) = arrived(self.index, self.sent, self.socket, self.window) else {
            findings.certainty.undecided += u64::from(self.copies.is_empty());
            return;
        };
        let missed = match proof {
            Arrived::Fence(fence) => self.copies.first().is_none_or(|copy| copy.at > fence.window.ok),
            Arrived::Later(_) => self.copies.is_empty(),
        };
        if !missed {
            return;
        }
        let invariant = if self.socket.in_gap(self.window) {
            Invariant::Recovery
        } else if self.sent.emission.rooms == [Room::Own(self.id)] {
            Invariant::OwnRoom
        } else {
            Invariant::NoLoss
        };
        findings.report(self.violation(invariant, Breach::Missing, &[], Some(proof)));
    }

    /// Whether the recipients were chosen while the socket's session was being recovered.
    fn meets_a_return(&self) -> bool {
        self.socket.returns.iter().any(|back| back.inv <= self.window.ok && self.window.inv <= back.ok)
    }

    fn goals(&self, class: Tri, certainty: &mut Certainty) {
        let emission = self.sent.emission;
        let connected = self.socket.connected(self.window.inv, false);
        let member = |&room: &Room| self.index.member(self.id, connected, room, self.window.inv, false, None) == Tri::T;
        let inside = emission.rooms.iter().filter(|room| member(room)).count();
        let excepted = emission.except.iter().any(member);
        let must = class == Tri::T;
        let arrived = !self.copies.is_empty();
        let reached = [
            (Goal::JoinOverlappedEmit, class == Tri::U && connected == Tri::T && !emission.volatile),
            (Goal::UnionOverlap, must && inside > 1),
            (Goal::ExceptedMember, excepted && (inside > 0 || emission.rooms.is_empty())),
            (Goal::SenderInRoom, inside > 0 && self.is_excluded_sender()),
            (Goal::DisconnectWithBacklog, must && self.socket.cut && !arrived),
            (Goal::Recovered, must && self.socket.in_gap(self.window)),
            (Goal::RestoreOverlappedEmit, must && self.meets_a_return()),
            (Goal::VolatileArrived, emission.volatile && arrived),
            (Goal::OwnRoom, must && emission.rooms.contains(&Room::Own(self.id))),
        ];
        reached.into_iter().filter(|(_, reached)| *reached).for_each(|(goal, _)| certainty.reach(goal));
    }
}

/// The first sign that everything which had been queued for the socket when the window closed has come.
pub(super) fn arrived(index: &Index<'_>, sent: &Sent<'_>, socket: &Socket, window: Window) -> Option<Arrived> {
    if window.ok == NEVER {
        return None;
    }
    let after = socket.fences.partition_point(|fence| fence.window.inv <= window.ok);
    if let Some(fence) = socket.fences.get(after) {
        return Some(Arrived::Fence(*fence));
    }
    let local = index.is_local(sent, socket);
    let origin = index.origin(sent);
    let later = socket.receptions.iter().find(|reception| {
        index.sent_at.get(&reception.message).map(|&at| &index.sent[at]).is_some_and(|later| {
            // Across nodes only what came the same way says anything.
            later.window.inv > sent.window.ok && (local || index.origin(later) == origin)
        })
    });
    later.map(|reception| Arrived::Later(*reception))
}

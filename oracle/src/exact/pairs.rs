//! Each message and each socket: a copy that should not be there, a second one, one that never came.

use std::collections::HashSet;

use super::Findings;
use super::index::{Fence, Index, Reception, Sent, Socket, Window};
use crate::history::{NEVER, Room, SocketId};
use crate::invariant::Invariant;
use crate::strength::Goal;
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
        findings.strength.must_not += others;
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

fn pair(index: &Index<'_>, sent: &Sent<'_>, id: SocketId, socket: &Socket, findings: &mut Findings) {
    let copies = index.received.get(&(id, sent.id)).map_or(&[][..], Vec::as_slice);
    if socket.namespace != sent.emission.namespace {
        findings.strength.must_not += 1;
        if let Some(copy) = copies.first() {
            findings.report(index.pair(Invariant::Namespace, Breach::WrongNamespace, sent, id, &[copy.place], None));
        }
        return;
    }
    let window = index.reach(sent, socket);
    let mut class = index.class(sent, id, socket, window);
    if class == Tri::T && !is_owed(index, sent, socket, window) {
        class = Tri::U;
    }
    let strength = &mut findings.strength;
    match class {
        Tri::T => strength.must += 1,
        Tri::F => strength.must_not += 1,
        Tri::U => strength.may += 1,
    }
    goals(index, sent, id, socket, window, class, copies, findings);
    if let Some(violation) = wrong_copy(index, sent, id, socket, window, copies) {
        findings.report(violation);
        return;
    }
    if class == Tri::T {
        missing(index, sent, id, socket, window, copies, findings);
    }
}

/// Whether being in the target is enough: the message has certainly been sent, and nothing allows its loss.
fn is_owed(index: &Index<'_>, sent: &Sent<'_>, socket: &Socket, window: Window) -> bool {
    window.ok < NEVER
        && !sent.emission.volatile
        && !(sent.emission.asks && socket.in_gap(window))
        && (index.is_local(sent, socket) || index.history.assumptions.reliable_broker)
}

/// The first thing that is wrong with the copies that came.
fn wrong_copy(
    index: &Index<'_>,
    sent: &Sent<'_>,
    id: SocketId,
    socket: &Socket,
    window: Window,
    copies: &[Reception],
) -> Option<Violation> {
    let first = copies.first()?;
    // What was received had been sent by then, so its recipients had been chosen.
    let seen = Window { inv: window.inv, ok: window.ok.min(first.at) };
    if index.class(sent, id, socket, seen) == Tri::F {
        return Some(phantom(index, sent, id, socket, first));
    }
    if let Some(again) = copies.get(1) {
        let resumed = socket.gaps.iter().any(|gap| first.at <= gap.inv && gap.ok <= again.at);
        let invariant = if resumed { Invariant::Recovery } else { Invariant::UnionOnce };
        return Some(index.pair(invariant, Breach::Duplicate, sent, id, &[first.place, again.place], None));
    }
    if first.at < socket.connect.ok {
        return Some(index.pair(Invariant::ConnectFirst, Breach::TooEarly, sent, id, &[first.place], None));
    }
    if !first.intact {
        let invariant = if sent.emission.volatile { Invariant::Volatile } else { Invariant::Payload };
        return Some(index.pair(invariant, Breach::Altered, sent, id, &[first.place], None));
    }
    None
}

fn phantom(index: &Index<'_>, sent: &Sent<'_>, id: SocketId, socket: &Socket, copy: &Reception) -> Violation {
    let invariant = if sent.emission.excludes_sender && sent.by == Some(id) {
        Invariant::SenderExcluded
    } else if inherits(index, sent, id, socket) {
        Invariant::LeaveOnDisconnect
    } else {
        Invariant::NoPhantom
    };
    index.pair(invariant, Breach::Phantom, sent, id, &[copy.place], None)
}

/// Whether an earlier socket of the same client was in a room of the target, and this one never.
fn inherits(index: &Index<'_>, sent: &Sent<'_>, id: SocketId, socket: &Socket) -> bool {
    let never = |id: SocketId| sent.emission.rooms.iter().all(|&room| !index.cells.contains_key(&(id, room)));
    let before = |&(&other, state): &(&SocketId, &Socket)| {
        other != id
            && state.client == socket.client
            && state.namespace == socket.namespace
            && state.connect.inv < socket.connect.inv
    };
    never(id) && index.sockets.iter().filter(before).any(|(&other, _)| !never(other))
}

fn missing(
    index: &Index<'_>,
    sent: &Sent<'_>,
    id: SocketId,
    socket: &Socket,
    window: Window,
    copies: &[Reception],
    findings: &mut Findings,
) {
    let Some(proof) = arrived(index, sent, socket, window) else {
        findings.strength.undecided += u64::from(copies.is_empty());
        return;
    };
    let late = match proof {
        Arrived::Fence(fence) => copies.first().is_none_or(|copy| copy.at > fence.window.ok),
        Arrived::Later(_) => copies.is_empty(),
    };
    if !late {
        return;
    }
    let invariant = if socket.in_gap(window) {
        Invariant::Recovery
    } else if sent.emission.rooms == [Room::Own(id)] {
        Invariant::OwnRoom
    } else {
        Invariant::NoLoss
    };
    findings.report(index.pair(invariant, Breach::Missing, sent, id, &[], Some(proof)));
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

#[expect(clippy::too_many_arguments, reason = "a pair and what is known of it")]
fn goals(
    index: &Index<'_>,
    sent: &Sent<'_>,
    id: SocketId,
    socket: &Socket,
    window: Window,
    class: Tri,
    copies: &[Reception],
    findings: &mut Findings,
) {
    let strength = &mut findings.strength;
    let connected = socket.connected(window.inv, false);
    let member = |&room: &Room| index.member(id, connected, room, window.inv, false, None) == Tri::T;
    let inside = sent.emission.rooms.iter().filter(|room| member(room)).count();
    if class == Tri::U && connected == Tri::T && !sent.emission.volatile {
        strength.reach(Goal::JoinOverlappedEmit);
    }
    if inside > 1 && class == Tri::T {
        strength.reach(Goal::UnionOverlap);
    }
    if (inside > 0 || sent.emission.rooms.is_empty()) && sent.emission.except.iter().any(member) {
        strength.reach(Goal::ExceptedMember);
    }
    if inside > 0 && sent.emission.excludes_sender && sent.by == Some(id) {
        strength.reach(Goal::SenderInRoom);
    }
    if socket.cut && copies.is_empty() && class == Tri::T {
        strength.reach(Goal::DisconnectWithBacklog);
    }
    if socket.in_gap(window) && class == Tri::T {
        strength.reach(Goal::Recovered);
    }
    if sent.emission.volatile && !copies.is_empty() {
        strength.reach(Goal::VolatileArrived);
    }
    if sent.emission.rooms.contains(&Room::Own(id)) && class == Tri::T {
        strength.reach(Goal::OwnRoom);
    }
}

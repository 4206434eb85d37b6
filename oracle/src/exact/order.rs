//! The order in which one socket receives.

use std::collections::{HashMap, HashSet};

use super::Findings;
use super::index::{Index, Reception, Sent, Socket};
use crate::history::{OperationId, SocketId, Time};
use crate::invariant::Invariant;
use crate::violation::{Breach, Violation};

pub(super) fn check(index: &Index<'_>, findings: &mut Findings) {
    for id in &index.order {
        let socket = &index.sockets[id];
        real_time(index, *id, socket, findings);
        if index.in_order() {
            by_sender(index, *id, socket, findings);
        }
    }
    total(index, findings);
}

/// First copies of known messages of the socket's own namespace; the others are reported elsewhere.
fn first_copies<'i>(
    index: &'i Index<'_>,
    id: SocketId,
    socket: &'i Socket,
) -> impl Iterator<Item = (&'i Sent<'i>, Reception)> {
    socket.receptions.iter().filter_map(move |&reception| {
        let sent = &index.sent[*index.sent_at.get(&reception.message)?];
        let first = index.received[&(id, reception.message)][0].place == reception.place;
        (first && sent.emission.namespace == socket.namespace).then_some((sent, reception))
    })
}

/// I5: who received a message that was sent after the answer to this one had been read, received them the wrong
/// way round. Messages of different nodes have no order.
fn real_time(index: &Index<'_>, id: SocketId, socket: &Socket, findings: &mut Findings) {
    let mut newest: HashMap<_, (Time, &Sent<'_>, u32)> = HashMap::new();
    for (sent, reception) in first_copies(index, id, socket) {
        let origin = if index.several_nodes { index.origin(sent) } else { None };
        let newest = newest.entry(origin).or_insert((sent.window.inv, sent, reception.place));
        if sent.window.ok < newest.0 {
            findings.report(overtaken(
                index,
                Invariant::FifoRealTime,
                id,
                (newest.1, newest.2),
                (sent, reception.place),
            ));
        }
        if sent.window.inv > newest.0 {
            *newest = (sent.window.inv, sent, reception.place);
        }
    }
}

/// I5b: the same for what one connection sent, answered or not.
fn by_sender(index: &Index<'_>, id: SocketId, socket: &Socket, findings: &mut Findings) {
    let mut newest: HashMap<SocketId, (&Sent<'_>, u32)> = HashMap::new();
    for (sent, reception) in first_copies(index, id, socket) {
        let Some(by) = sent.by.filter(|_| !sent.emission.asks) else { continue };
        let newest = newest.entry(by).or_insert((sent, reception.place));
        // Where the answer came in between, I5 has said so.
        if sent.place < newest.0.place && sent.window.ok >= newest.0.window.inv {
            findings.report(overtaken(index, Invariant::FifoSender, id, *newest, (sent, reception.place)));
        }
        if sent.place > newest.0.place {
            *newest = (sent, reception.place);
        }
    }
}

fn overtaken(
    index: &Index<'_>,
    invariant: Invariant,
    id: SocketId,
    (later, later_place): (&Sent<'_>, u32),
    (earlier, earlier_place): (&Sent<'_>, u32),
) -> Violation {
    let mut violation = index.pair(invariant, Breach::Overtaken, earlier, id, &[later_place, earlier_place], None);
    violation.because.insert(0, super::words::order(earlier, later));
    violation.because.push(index.words_overtaken(earlier, later, later_place, earlier_place));
    violation.events.extend(super::words::sent_places(later));
    violation.events.extend(index.origin_place(later));
    violation.events.sort_unstable();
    violation.events.dedup();
    violation
}

/// I5c: one order that all receivers agree on. Informational; the first pair that closes a circle is named.
fn total(index: &Index<'_>, findings: &mut Findings) {
    if index.several_nodes {
        return;
    }
    let mut next: HashMap<OperationId, Vec<(OperationId, SocketId)>> = HashMap::new();
    let mut waits: HashMap<OperationId, usize> = HashMap::new();
    for &id in &index.order {
        let socket = &index.sockets[&id];
        let mut before: Option<OperationId> = None;
        for (sent, _) in first_copies(index, id, socket) {
            waits.entry(sent.id).or_default();
            if let Some(before) = before {
                next.entry(before).or_default().push((sent.id, id));
                *waits.entry(sent.id).or_default() += 1;
            }
            before = Some(sent.id);
        }
    }
    let mut ready: Vec<OperationId> = waits.iter().filter(|(_, waits)| **waits == 0).map(|(id, _)| *id).collect();
    let mut done = HashSet::new();
    while let Some(message) = ready.pop() {
        done.insert(message);
        for (after, _) in next.get(&message).into_iter().flatten() {
            let Some(waits) = waits.get_mut(after) else { continue };
            *waits -= 1;
            if *waits == 0 {
                ready.push(*after);
            }
        }
    }
    // What is left is on a circle or behind one; an edge between two that are left names a receiver of it.
    let circle = waits.keys().filter(|message| !done.contains(message)).min();
    if let Some(&message) = circle {
        let left = next.get(&message).into_iter().flatten().find(|(after, _)| !done.contains(after));
        findings.remarks.push(Violation {
            invariant: Invariant::TotalOrder,
            breach: Breach::Disagreement,
            socket: left.map(|(_, socket)| *socket),
            message: Some(message),
            summary: format!(
                "receivers disagree about the order of {} messages, message {} among them",
                waits.len() - done.len(),
                message.0
            ),
            because: Vec::new(),
            events: Vec::new(),
        });
    }
}

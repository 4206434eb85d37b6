//! What pairs say together that none of them says alone.
//!
//! A pair that may or may not deliver usually depends on one membership operation that was under way. Whether
//! the copy came then orders two instants: the one at which the operation took effect and the one at which the
//! recipients were chosen. Each such order narrows the two windows, and a window that becomes empty means that
//! no order of the operations leaves what was received: somebody got message 5 and not message 6 while joining.
//!
//! For one socket that accuses the server. Between sockets it only says that the recipients were not chosen at
//! one instant (I16), which nobody promises.

use std::collections::{HashMap, HashSet};

use super::Findings;
use super::cell::Change;
use super::index::{Index, Place, Sent, Socket, Window};
use super::pairs::arrived;
use crate::history::{OperationId, Room, SocketId, Time};
use crate::invariant::Invariant;
use crate::tri::Tri;
use crate::violation::{Breach, Violation};

/// An instant that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Instant {
    /// At which the recipients were chosen; with a socket, at which it was decided for that one.
    Chosen(OperationId, Option<SocketId>),
    /// At which a join or a leave took effect.
    Changed(Place, Room),
}

/// `before` lies ahead of `after`, as `socket` shows by what it received of `message`.
#[derive(Clone, Copy, Debug)]
struct Edge {
    before: Instant,
    after: Instant,
    socket: SocketId,
    message: OperationId,
    received: bool,
}

/// The earliest that an instant can be, and the edge that says so.
#[derive(Clone, Copy, Debug)]
struct Earliest {
    at: Time,
    by: Option<usize>,
}

pub(super) fn check(index: &Index<'_>, findings: &mut Findings) {
    let mut windows = HashMap::new();
    let mut edges = Vec::new();
    for sent in index.sent.iter().filter(|sent| !sent.emission.volatile) {
        for &id in &index.order {
            let socket = &index.sockets[&id];
            if let Some((change, room, before)) = decides(index, sent, id, socket) {
                let received = index.received.contains_key(&(id, sent.id));
                let chosen = Instant::Chosen(sent.id, None);
                let changed = Instant::Changed(change.place, room);
                windows.entry(chosen).or_insert(sent.window);
                windows.entry(changed).or_insert(change.window);
                let (before, after) = if before { (changed, chosen) } else { (chosen, changed) };
                edges.push(Edge { before, after, socket: id, message: sent.id, received });
            }
        }
    }
    let mut contradicted = false;
    for &id in &index.order {
        let own: Vec<Edge> = edges.iter().filter(|edge| edge.socket == id).copied().collect();
        if let Some((chain, places)) = contradiction(index, &own, &windows) {
            contradicted = true;
            findings.report(no_order(index, id, &chain, places));
        }
    }
    if !contradicted && let Some((chain, places)) = contradiction(index, &edges, &windows) {
        let message = chain[0].message;
        findings.report(Violation {
            invariant: Invariant::Snapshot,
            breach: Breach::NoInstant,
            socket: None,
            message: Some(message),
            summary: format!("no one instant explains who received message {}", message.0),
            because: chain.iter().map(|edge| edge_in_words(index, edge)).collect(),
            events: places,
        });
    }
}

/// The one change on which it depends whether the message is for this socket, and whether what was seen puts the
/// change before the choice of recipients.
fn decides(index: &Index<'_>, sent: &Sent<'_>, id: SocketId, socket: &Socket) -> Option<(Change, Room, bool)> {
    let window = sent.window;
    let excluded = sent.emission.excludes_sender && sent.by == Some(id);
    if excluded
        || socket.namespace != sent.emission.namespace
        || !index.is_local(sent, socket)
        || !socket.up_throughout(window)
    {
        return None;
    }
    let overlaps = |change: &Change| change.window.inv <= window.ok && change.window.ok >= window.inv;
    let rooms = sent.emission.rooms.iter().chain(&sent.emission.except);
    let cells = rooms.filter_map(|&room| index.cells.get(&(id, room)).map(|cell| (room, cell)));
    let mut pending =
        cells.flat_map(|(room, cell)| cell.changes().iter().filter(|&c| overlaps(c)).map(move |c| (room, *c)));
    let (room, change) = pending.next()?;
    if pending.next().is_some() || index.in_order() && change.by.is_some() && change.by == sent.by {
        return None;
    }
    let changes = index.cells[&(id, room)].changes();
    let alone = |other: &&Change| other.place != change.place;
    let clear = |other: &Change| other.window.ok < change.window.inv || other.window.inv > change.window.ok;
    if !changes.iter().all(|change| change.definite) || !changes.iter().filter(alone).all(clear) {
        return None;
    }
    let earlier = changes.iter().filter(alone).filter(|other| other.window.ok < change.window.inv);
    let before = earlier_value(earlier.copied().collect())?;
    let value = |at: bool| {
        let member = |&other: &Room| {
            if other == room { Tri::from(at) } else { index.member(id, Tri::T, other, window.inv, false, None) }
        };
        Tri::target(Tri::T, sent.emission.rooms.iter().map(member), sent.emission.except.iter().map(member))
    };
    let (without, with) = (value(before), value(change.join));
    if without == with || without == Tri::U || with == Tri::U {
        return None;
    }
    let received = index.received.contains_key(&(id, sent.id));
    if !received {
        arrived(index, sent, socket, window)?;
    }
    Some((change, room, received == (with == Tri::T)))
}

/// The membership that changes which are all over have left; none if their order is open.
fn earlier_value(mut changes: Vec<Change>) -> Option<bool> {
    changes.sort_unstable_by_key(|change| change.window.inv);
    let Some(last) = changes.last() else { return Some(false) };
    let certain =
        changes.iter().rev().skip(1).all(|other| other.window.ok < last.window.inv || other.join == last.join);
    certain.then_some(last.join)
}

/// Moves the beginnings of windows along the edges until nothing moves; the edges that moved one behind its end, if any did. Whatever
/// the ends would show by moving the other way is the same.
fn contradiction(
    index: &Index<'_>,
    edges: &[Edge],
    windows: &HashMap<Instant, Window>,
) -> Option<(Vec<Edge>, Vec<Place>)> {
    let instants = edges.iter().flat_map(|edge| [edge.before, edge.after]);
    let mut earliest: HashMap<Instant, Earliest> =
        instants.map(|instant| (instant, Earliest { at: windows[&instant].inv, by: None })).collect();
    let mut moved = true;
    while moved {
        moved = false;
        for (number, edge) in edges.iter().enumerate() {
            let at = earliest[&edge.before].at;
            if let Some(after) = earliest.get_mut(&edge.after).filter(|after| after.at < at) {
                (*after, moved) = (Earliest { at, by: Some(number) }, true);
            }
        }
    }
    let empty = earliest.iter().filter(|(instant, earliest)| earliest.at > windows[*instant].ok);
    let chain = match empty.map(|(instant, _)| *instant).min() {
        None => circle(edges)?,
        Some(mut at) => {
            let mut chain = Vec::new();
            while let Some(number) = earliest[&at].by {
                chain.push(edges[number]);
                at = edges[number].before;
            }
            chain.reverse();
            chain
        }
    };
    let places = chain_places(index, &chain);
    Some((chain, places))
}

/// Edges that lead back to where they began, which windows alone do not show.
fn circle(edges: &[Edge]) -> Option<Vec<Edge>> {
    let mut leaving: HashMap<Instant, Vec<Edge>> = HashMap::new();
    for edge in edges {
        leaving.entry(edge.before).or_default().push(*edge);
    }
    let mut finished: HashSet<Instant> = HashSet::new();
    for start in edges.iter().map(|edge| edge.before) {
        // Depth first: `path` holds the edges to where the walk stands, `next` which edge it tries there.
        let (mut path, mut next): (Vec<Edge>, Vec<usize>) = (Vec::new(), vec![0]);
        while let Some(tried) = next.last_mut() {
            let here = path.last().map_or(start, |edge| edge.after);
            let edge = leaving.get(&here).filter(|_| !finished.contains(&here)).and_then(|edges| edges.get(*tried));
            *tried += 1;
            match edge {
                Some(edge) if path.iter().any(|passed| passed.before == edge.after) => {
                    path.push(*edge);
                    let begin = path.iter().position(|passed| passed.before == edge.after)?;
                    return Some(path.split_off(begin));
                }
                Some(edge) => {
                    path.push(*edge);
                    next.push(0);
                }
                None => {
                    finished.insert(here);
                    next.pop();
                    path.pop();
                }
            }
        }
    }
    None
}

fn chain_places(index: &Index<'_>, chain: &[Edge]) -> Vec<Place> {
    let mut places = Vec::new();
    for edge in chain {
        let sent = &index.sent[index.sent_at[&edge.message]];
        let socket = &index.sockets[&edge.socket];
        places.extend(super::words::sent_places(sent));
        places.extend(index.socket_places(edge.socket, socket));
        places.extend(index.room_places(sent, edge.socket));
        places.extend(index.node_places(sent, edge.socket, socket));
        match (index.received.get(&(edge.socket, edge.message)), arrived(index, sent, socket, sent.window)) {
            (Some(copies), _) => places.extend(copies.iter().map(|copy| copy.place)),
            (None, Some(arrived)) => places.extend(index.arrived_places(arrived)),
            (None, None) => {}
        }
    }
    places.sort_unstable();
    places.dedup();
    places
}

fn no_order(index: &Index<'_>, id: SocketId, chain: &[Edge], events: Vec<Place>) -> Violation {
    let missing = chain.iter().find(|edge| !edge.received).unwrap_or(&chain[0]);
    Violation {
        invariant: Invariant::NoLoss,
        breach: Breach::NoOrder,
        socket: Some(id),
        message: Some(missing.message),
        summary: format!(
            "no order of the operations leaves what {} received: message {} and others contradict each other",
            index.name(id),
            missing.message.0
        ),
        because: chain.iter().map(|edge| edge_in_words(index, edge)).collect(),
        events,
    }
}

fn edge_in_words(index: &Index<'_>, edge: &Edge) -> String {
    let name = |instant: Instant| match instant {
        Instant::Chosen(message, _) => format!("the recipients of message {} were chosen", message.0),
        Instant::Changed(place, room) => {
            let room = index.history.names.room(room);
            format!("the change of {room} asked for at {} took effect", super::words::ms(index.stamp(place)))
        }
    };
    let seen = if edge.received { "received" } else { "did not receive" };
    format!(
        "{} {seen} message {}, so {} before {}",
        index.name(edge.socket),
        edge.message.0,
        name(edge.before),
        name(edge.after)
    )
}

//! Ids, namespaces and the lives of rooms.

use std::collections::{HashMap, HashSet};

use super::Findings;
use super::index::Index;
use crate::certainty::Goal;
use crate::history::{Event, NamespaceId, Room, RoomChange, RoomId, SocketId};
use crate::invariant::Invariant;
use crate::violation::{Breach, Violation};

pub(super) fn check(index: &Index<'_>, findings: &mut Findings) {
    ids(index, findings);
    handlers(index, findings);
    rooms(index, findings);
    returns(index, findings);
}

/// I18: each socket has an id of its own, which is not that of its session.
fn ids(index: &Index<'_>, findings: &mut Findings) {
    let mut owners: HashMap<&str, (SocketId, u32)> = HashMap::new();
    for (place, stamped) in index.history.events.iter().enumerate() {
        let Event::Connected { socket, sid: Some(sid), session, .. } = &stamped.event else { continue };
        let mut wrong = None;
        if session.as_ref() == Some(sid) {
            wrong = Some(format!("the id of {} is that of its session, {sid}", index.name(*socket)));
        }
        let mut places = vec![place as u32];
        if let Some((other, before)) = owners.insert(sid, (*socket, place as u32)).filter(|(other, _)| other != socket)
        {
            places.insert(0, before);
            wrong = Some(format!("{} has the id {sid}, which was {}'s", index.name(*socket), index.name(other)));
        }
        if let Some(summary) = wrong {
            let violation = index.plain(Invariant::SocketIds, Breach::ReusedId, Some(*socket), place as u32, &summary);
            findings.report(Violation { events: places, ..violation });
        }
    }
}

/// I10: of the handlers that accept a namespace, the first serves it.
fn handlers(index: &Index<'_>, findings: &mut Findings) {
    for &id in &index.order {
        let socket = &index.sockets[&id];
        let Some((served_by, place)) = socket.served_by else { continue };
        let first = index.history.handlers.iter().position(|handler| handler.accepts.contains(&socket.namespace));
        if first != Some(served_by.index()) {
            let name = |at: usize| index.history.handlers.get(at).map_or("nothing", |handler| handler.name.as_str());
            let summary = format!(
                "{} was served by {}; {} comes first",
                index.name(id),
                name(served_by.index()),
                first.map_or("nothing", name)
            );
            let violation = index.plain(Invariant::DynamicPriority, Breach::Priority, Some(id), place, &summary);
            findings.report(Violation { events: vec![socket.opened, place], ..violation });
        }
    }
}

/// I14: created, joined and left by its members, deleted with the last, and again.
fn rooms(index: &Index<'_>, findings: &mut Findings) {
    let mut rooms: HashMap<(NamespaceId, RoomId), (bool, HashSet<SocketId>)> = HashMap::new();
    for (place, stamped) in index.history.events.iter().enumerate() {
        let &Event::Room { namespace, room, change } = &stamped.event else { continue };
        findings.certainty.reach(Goal::RoomTold);
        let (exists, members) = rooms.entry((namespace, room)).or_default();
        let wrong = match change {
            RoomChange::Created => std::mem::replace(exists, true).then_some("was created while it existed"),
            RoomChange::Joined(_) if !*exists => Some("was joined before it was created"),
            RoomChange::Joined(socket) => (!members.insert(socket)).then_some("was joined twice by one socket"),
            RoomChange::Left(socket) => (!members.remove(&socket)).then_some("was left by a socket that was not in it"),
            RoomChange::Deleted if !std::mem::replace(exists, false) => Some("was deleted while it did not exist"),
            RoomChange::Deleted => (!members.is_empty()).then_some("was deleted with members in it"),
        };
        if let Some(wrong) = wrong {
            findings.report(lifecycle(index, namespace, room, place, wrong));
        }
    }
    for (&(namespace, room), (exists, members)) in &rooms {
        if *exists && members.is_empty() {
            let last = index.history.events.len() - 1;
            findings.report(lifecycle(index, namespace, room, last, "is empty and was not deleted"));
        }
    }
}

/// What was wrong with a room, with all its events up to `last`.
fn lifecycle(index: &Index<'_>, namespace: NamespaceId, room: RoomId, last: usize, wrong: &str) -> Violation {
    let summary = format!("room {} {wrong}", index.history.names.room(Room::Named(room)));
    let same =
        |event: &Event| matches!(event, Event::Room { namespace: n, room: r, .. } if (*n, *r) == (namespace, room));
    let events = index.history.events[..=last].iter().enumerate().filter(|(_, stamped)| same(&stamped.event));
    let events = events.map(|(place, _)| place as u32).collect();
    Violation { events, ..index.plain(Invariant::RoomLifecycle, Breach::Lifecycle, None, last as u32, &summary) }
}

fn returns(index: &Index<'_>, findings: &mut Findings) {
    let mut seen = HashSet::new();
    let mut rooms = HashSet::new();
    for id in &index.order {
        let socket = &index.sockets[id];
        if !seen.insert((socket.client, socket.namespace)) {
            findings.certainty.reach(Goal::ClientReturned);
        }
    }
    for (id, room) in index.cells.keys() {
        let socket = &index.sockets[id];
        rooms.insert((socket.client, *room, socket.namespace));
    }
    let shared = rooms.iter().any(|(client, room, namespace)| {
        rooms.iter().any(|(other, same, elsewhere)| (other, same) == (client, room) && elsewhere != namespace)
    });
    if shared {
        findings.certainty.reach(Goal::SameRoomTwoNamespaces);
    }
}

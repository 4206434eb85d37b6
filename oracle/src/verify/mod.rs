//! A second opinion on a [`Proof`], by other means than the exact engine's.
//!
//! The engine reasons with intervals; this module tries out. It takes every operation of the proof and looks
//! for an order of them, allowed by when they were invoked and answered, under which the server would have been
//! right. Only if there is none is the claim confirmed. The number of orders is bounded by what was under way
//! at once, which in a proof is little.

mod events;
mod search;

use std::fmt;

use events::Events;
use search::{Choice, Question};

use crate::history::{Answer, Event, NEVER, OperationId, RoomChange, SocketId, Time};
use crate::proof::Proof;
use crate::violation::Breach;

/// Why a proof does not prove its claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refuted(pub String);

impl fmt::Display for Refuted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refuted {}

fn refute<T>(why: impl Into<String>) -> Result<T, Refuted> {
    Err(Refuted(why.into()))
}

/// Checks a claim against its events; the error says what it lacks.
pub fn verify(proof: &Proof) -> Result<(), Refuted> {
    let events = Events::new(&proof.history);
    let claim = &proof.claim;
    let socket = || claim.socket.ok_or_else(|| Refuted("the claim names no socket".to_owned()));
    let message = || claim.message.ok_or_else(|| Refuted("the claim names no message".to_owned()));
    match claim.breach {
        Breach::Missing => missing(&events, socket()?, message()?),
        Breach::Phantom => phantom(&events, socket()?, message()?),
        Breach::Duplicate => match events.copies(socket()?, message()?).len() {
            0 | 1 => refute("there are not two copies"),
            _ => Ok(()),
        },
        Breach::TooEarly => too_early(&events, socket()?, message()?),
        Breach::WrongNamespace => wrong_namespace(&events, socket()?, message()?),
        Breach::Overtaken => overtaken(&events, socket()?, message()?),
        Breach::Altered => {
            let altered = events.copies(socket()?, message()?).iter().any(|copy| !copy.intact);
            if altered { Ok(()) } else { refute("no copy of the message is altered") }
        }
        Breach::Unsent => unsent(&events),
        Breach::SurplusAnswer => surplus(&events),
        Breach::Acknowledgements => acknowledgements(&events, message()?),
        Breach::Members => members(&events, claim.socket),
        Breach::Priority => priority(&events, socket()?),
        Breach::ReusedId => reused(&events, socket()?),
        Breach::Lifecycle => lifecycle(&events),
        Breach::NoOrder => no_order(&events, &[socket()?]),
        Breach::NoInstant => no_order(&events, &events.sockets()),
        Breach::Disagreement => refute("a disagreement between receivers is a remark, not a claim"),
    }
}

/// Whether every order of the operations makes the message one for the socket (`true`) or none does (`false`).
fn always(events: &Events<'_>, socket: SocketId, message: OperationId, until: Time) -> Result<Option<bool>, Refuted> {
    let can = |received| {
        let choice = Choice { message, received: vec![(socket, received)], until };
        Question::new(events, &[socket], vec![choice])?.has_an_answer()
    };
    Ok(match (can(true)?, can(false)?) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    })
}

fn missing(events: &Events<'_>, socket: SocketId, message: OperationId) -> Result<(), Refuted> {
    let sent = events.sent(message)?;
    if sent.emission.volatile {
        return refute("the message was volatile, and may be lost");
    }
    if events.may_be_lost(&sent, socket) {
        return refute("the message went over a broker that may lose it");
    }
    let until = events.chosen_by(message, socket)?;
    if until == NEVER {
        return refute("the message was never answered, so it may not have been sent yet");
    }
    if sent.emission.asks && events.was_away(socket, sent.inv, until) {
        return refute("the message asked for acknowledgements, which a recovery does not bring back");
    }
    if always(events, socket, message, until)? != Some(true) {
        return refute("some order of the operations leaves the socket out of the message's target");
    }
    let copy = events.copies(socket, message).first().map(|copy| copy.at);
    let fenced = events.answers_on(socket).any(|(inv, ok)| inv > until && copy.is_none_or(|at| at > ok));
    let passed = copy.is_none() && events.received_later(socket, message)?;
    if fenced || passed { Ok(()) } else { refute("nothing shows that the message would have come by now") }
}

fn phantom(events: &Events<'_>, socket: SocketId, message: OperationId) -> Result<(), Refuted> {
    let Some(copy) = events.copies(socket, message).first().copied() else {
        return refute("the socket did not receive the message");
    };
    let until = events.chosen_by(message, socket)?.min(copy.at);
    match always(events, socket, message, until)? {
        Some(false) => Ok(()),
        _ => refute("some order of the operations puts the socket into the message's target"),
    }
}

fn too_early(events: &Events<'_>, socket: SocketId, message: OperationId) -> Result<(), Refuted> {
    let connected = events.life(socket)?.connected;
    match events.copies(socket, message).first() {
        Some(copy) if copy.at < connected => Ok(()),
        _ => refute("the CONNECT came first"),
    }
}

fn wrong_namespace(events: &Events<'_>, socket: SocketId, message: OperationId) -> Result<(), Refuted> {
    let same = events.life(socket)?.namespace == events.sent(message)?.emission.namespace;
    if same || events.copies(socket, message).is_empty() {
        return refute("the message was not received in another namespace than its own");
    }
    Ok(())
}

fn overtaken(events: &Events<'_>, socket: SocketId, message: OperationId) -> Result<(), Refuted> {
    let earlier = events.sent(message)?;
    let Some(copy) = events.copies(socket, message).first().copied() else {
        return refute("the socket did not receive the message");
    };
    for later in events.first_copies(socket).filter(|later| later.place < copy.place) {
        let sent = events.sent(later.message)?;
        let after = sent.inv > earlier.ok;
        let in_turn = !sent.emission.asks && !earlier.emission.asks;
        let behind =
            in_turn && events.in_order() && sent.by.is_some() && sent.by == earlier.by && sent.place > earlier.place;
        if (after || behind) && events.node_of(sent.by) == events.node_of(earlier.by) {
            return Ok(());
        }
    }
    refute("what the socket received before was not sent later")
}

fn unsent(events: &Events<'_>) -> Result<(), Refuted> {
    let wrong = events.all().any(|event| match event {
        Event::Receive { socket, message, .. } => events.sent(*message).is_err() || events.life(*socket).is_err(),
        _ => false,
    });
    if wrong { Ok(()) } else { refute("every message received was sent, to a socket that was opened") }
}

fn surplus(events: &Events<'_>) -> Result<(), Refuted> {
    let mut open = std::collections::HashSet::new();
    for event in events.all() {
        match event {
            Event::Invoke { operation, .. } => _ = open.insert(*operation),
            Event::Complete { operation, .. } if !open.remove(operation) => return Ok(()),
            _ => {}
        }
    }
    refute("every answer belongs to a question")
}

fn acknowledgements(events: &Events<'_>, message: OperationId) -> Result<(), Refuted> {
    let sent = events.sent(message)?;
    let (at, count, complete) = match sent.answer {
        Some((at, Answer::Acknowledgements(count))) => (at, *count, true),
        Some((at, Answer::TimedOut(count))) => (at, *count, false),
        _ => return refute("the message brought no acknowledgements"),
    };
    let until = match (complete, sent.emission.patience) {
        (true, _) => at,
        (false, 0) => 0,
        (false, patience) => sent.inv + patience,
    };
    let (mut least, mut most) = (0, 0);
    for socket in events.sockets() {
        let life = events.life(socket)?;
        if life.namespace != sent.emission.namespace {
            continue;
        }
        let class = always(events, socket, message, events.chosen_by(message, socket)?)?;
        let near = events.in_order() && events.node_of(sent.by) == life.node;
        let heard = near && class != Some(false) && events.was_heard(socket, message, until);
        // Who is a recipient in every order was connected from before until behind it.
        let stayed = class == Some(true) && !events.was_away(socket, sent.inv, at);
        least += u32::from(heard || complete && stayed);
        most += u32::from(class != Some(false));
    }
    if (least..=most).contains(&count) {
        return refute(format!("{least} to {most} recipients can have answered"));
    }
    Ok(())
}

fn members(events: &Events<'_>, socket: Option<SocketId>) -> Result<(), Refuted> {
    let Some((asked, found, strangers)) = events.presence() else { return refute("nobody asked for members") };
    let Some(socket) = socket else {
        return if strangers > 0 { Ok(()) } else { refute("every socket listed was opened") };
    };
    let listed = found.iter().filter(|&&found| found == socket).count();
    let sent = events.sent(asked)?;
    match always(events, socket, asked, sent.ok)? {
        Some(true) if listed == 0 && !events.was_away(socket, sent.inv, sent.ok) => Ok(()),
        Some(false) if listed > 0 => Ok(()),
        _ if listed > 1 => Ok(()),
        _ => refute("some order of the operations makes the list right"),
    }
}

fn priority(events: &Events<'_>, socket: SocketId) -> Result<(), Refuted> {
    let namespace = events.life(socket)?.namespace;
    let first = events.handlers().iter().position(|handler| handler.accepts.contains(&namespace));
    let wrong = events.all().any(|event| match event {
        Event::Connected { socket: other, served_by: Some(by), .. } if *other == socket => Some(by.index()) != first,
        _ => false,
    });
    if wrong { Ok(()) } else { refute("nobody is known to have served it ahead of the first handler that accepts it") }
}

fn reused(events: &Events<'_>, socket: SocketId) -> Result<(), Refuted> {
    let ids = events.all().filter_map(|event| match event {
        Event::Connected { socket, sid: Some(sid), session, .. } => Some((*socket, sid, session.as_ref())),
        _ => None,
    });
    let ids: Vec<_> = ids.collect();
    let wrong = ids.iter().filter(|(owner, ..)| *owner == socket).any(|(_, sid, session)| {
        *session == Some(*sid) || ids.iter().any(|(other, theirs, _)| *other != socket && theirs == sid)
    });
    if wrong { Ok(()) } else { refute("the id is nobody else's") }
}

/// Replays the events of one room on a state of its own.
fn lifecycle(events: &Events<'_>) -> Result<(), Refuted> {
    let mut members: Option<Vec<SocketId>> = None;
    for event in events.all() {
        let Event::Room { change, .. } = event else { continue };
        let allowed = match (change, &mut members) {
            (RoomChange::Created, state @ None) => {
                *state = Some(Vec::new());
                true
            }
            (RoomChange::Joined(socket), Some(members)) if !members.contains(socket) => {
                members.push(*socket);
                true
            }
            (RoomChange::Left(socket), Some(members)) if members.contains(socket) => {
                members.retain(|member| member != socket);
                true
            }
            (RoomChange::Deleted, state) if state.as_ref().is_some_and(Vec::is_empty) => {
                *state = None;
                true
            }
            _ => false,
        };
        if !allowed {
            return Ok(());
        }
    }
    if members.is_some_and(|members| members.is_empty()) {
        Ok(())
    } else {
        refute("the room's events follow each other as they should")
    }
}

/// Whether no order of the operations leaves what was received of all messages in the proof at once.
fn no_order(events: &Events<'_>, sockets: &[SocketId]) -> Result<(), Refuted> {
    let mut choices = Vec::new();
    for message in events.messages() {
        let sent = events.sent(message)?;
        let (mut received, mut chosen) = (Vec::new(), sent.ok);
        for &socket in sockets {
            let copy = events.copies(socket, message).first().map(|copy| copy.at);
            let until = events.chosen_by(message, socket)?;
            let decided = copy.is_some()
                || events.answers_on(socket).any(|(inv, _)| inv > until)
                || events.received_later(socket, message)?;
            // What asks for acknowledgements is not brought back by a recovery.
            let away = sent.emission.asks && events.was_away(socket, sent.inv, until);
            let excused = away || events.may_be_lost(&sent, socket);
            let open = sent.emission.volatile || excused && copy.is_none();
            if decided && !open && events.life(socket)?.namespace == sent.emission.namespace {
                received.push((socket, copy.is_some()));
                chosen = chosen.max(copy.map_or(until, |at| until.min(at)));
            }
        }
        if !received.is_empty() {
            choices.push(Choice { message, received, until: chosen });
        }
    }
    if Question::new(events, sockets, choices)?.has_an_answer()? {
        return refute("some order of the operations leaves what was received");
    }
    Ok(())
}

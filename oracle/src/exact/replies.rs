//! Answers: one for each question, and true.

use super::Findings;
use super::index::{Asked, Fence, Index, Place, Sent, Socket, Window};
use crate::certainty::Goal;
use crate::history::{Answer, SocketId, Time};
use crate::invariant::Invariant;
use crate::tri::Tri;
use crate::violation::{Breach, Violation};

pub(super) fn check(index: &Index<'_>, findings: &mut Findings) {
    for &(operation, place) in &index.surplus_answers {
        let summary = format!("operation {} was answered again, or had not been asked", operation.0);
        let violation = index.plain(Invariant::AckOnce, Breach::SurplusAnswer, None, place, &summary);
        findings.report(Violation { events: index.question_places(operation, place), ..violation });
    }
    for sent in &index.sent {
        acknowledgements(index, sent, findings);
    }
    for asked in &index.asked {
        members(index, asked, findings);
    }
}

/// What one answer to a question says: how many acknowledged it, and whether that was everybody.
struct Count {
    said: u64,
    complete: bool,
    /// When the answer was read.
    at: Time,
    /// Whatever had reached the server by then is in it.
    until: Time,
}

impl Count {
    fn of(index: &Index<'_>, sent: &Sent<'_>) -> Option<Self> {
        let (answer, place) = sent.answer?;
        let at = index.stamp(place);
        match *answer {
            Answer::Acknowledgements(said) => Some(Self { said: said.into(), complete: true, at, until: at }),
            Answer::TimedOut(said) => {
                let patience = sent.emission.patience;
                // The time begins when the server is asked, which is not before the question was written.
                let until = if patience == 0 { 0 } else { sent.window.inv.saturating_add(patience) };
                Some(Self { said: said.into(), complete: false, at, until })
            }
            _ => None,
        }
    }
}

/// I7: a broadcast that asks brings one answer for each recipient. When time ran out, there are no more than that, and
/// no fewer than had certainly answered.
fn acknowledgements(index: &Index<'_>, sent: &Sent<'_>, findings: &mut Findings) {
    let Some(count) = Count::of(index, sent) else { return };
    if count.said > 0 {
        findings.certainty.reach(Goal::BroadcastAcknowledged);
    }
    let (mut least, mut most) = (0, 0);
    let mut proofs = Vec::new();
    for (&id, socket) in index.sockets.iter().filter(|(_, socket)| socket.namespace == sent.emission.namespace) {
        let class = index.class(sent, id, socket, index.reach(sent, socket));
        let heard = if class == Tri::F { None } else { heard(index, sent, id, socket, &count) };
        // Whose connection ended ahead of the answer may have been a recipient without being able to acknowledge.
        let stayed = count.complete && socket.up_throughout(Window { inv: sent.window.inv, ok: count.at });
        least += u64::from(heard.is_some() || class == Tri::T && stayed);
        most += u64::from(class != Tri::F);
        proofs.extend(heard.into_iter().flatten());
    }
    if !count.complete && least > 0 {
        findings.certainty.reach(Goal::AnsweredInVain);
    }
    if count.said > most || count.said < least {
        findings.report(miscounted(index, sent, &count, (least, most), proofs));
    }
}

/// The events that show that a recipient's acknowledgement had reached the server in time: it was written, and what
/// the same connection asked for behind it was answered. Under A4 alone: elsewhere the two may be handled at once.
fn heard(index: &Index<'_>, sent: &Sent<'_>, id: SocketId, socket: &Socket, count: &Count) -> Option<Vec<Place>> {
    if !index.in_order() || !index.is_local(sent, socket) {
        return None;
    }
    let &(written, place) = index.acknowledged.get(&(id, sent.id))?;
    // What was written on a connection that broke may be lost, though the session came back.
    let proves = |fence: &&Fence| {
        fence.window.inv > written
            && fence.window.ok < count.until
            && !socket.in_gap(Window { inv: written, ok: fence.window.ok })
    };
    let fence = socket.fences.iter().find(proves)?;
    let mut places = index.operation_places(fence.place);
    places.push(place);
    Some(places)
}

fn miscounted(
    index: &Index<'_>,
    sent: &Sent<'_>,
    count: &Count,
    (least, most): (u64, u64),
    proofs: Vec<Place>,
) -> Violation {
    let (_, place) = sent.answer.unwrap_or((&Answer::Done, sent.place));
    let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
    let said = count.said;
    let summary = if count.complete {
        format!("message {} brought {said} acknowledgements; its recipients are {expected}", sent.id.0)
    } else {
        format!("the time for message {} ran out with {said} acknowledgements; {expected} can have come", sent.id.0)
    };
    let mut violation = index.plain(Invariant::AckOnce, Breach::Acknowledgements, None, place, &summary);
    violation.message = Some(sent.id);
    violation.events = super::words::sent_places(sent);
    violation.events.extend(proofs);
    for (&id, socket) in index.sockets.iter().filter(|(_, socket)| socket.namespace == sent.emission.namespace) {
        violation.events.extend(index.socket_places(id, socket));
        violation.events.extend(index.room_places(sent, id));
    }
    violation.events.sort_unstable();
    violation.events.dedup();
    violation
}

/// I17: everybody who was there throughout is listed, and nobody who never was.
fn members(index: &Index<'_>, asked: &Asked<'_>, findings: &mut Findings) {
    if !asked.found.is_empty() {
        findings.certainty.reach(Goal::MembersListed);
    }
    if asked.strangers > 0 {
        let summary = format!("{} of the sockets listed are none that were ever opened", asked.strangers);
        let violation = index.plain(Invariant::Presence, Breach::Members, None, asked.place, &summary);
        findings.report(Violation { events: index.change_places(asked.place), ..violation });
    }
    for (&id, socket) in index.sockets.iter().filter(|(_, socket)| socket.namespace == asked.namespace) {
        let listed = asked.found.iter().filter(|&&found| found == id).count();
        let class = index.presence(asked.rooms, id, socket, asked.window);
        let wrong = match class {
            Tri::T if listed == 0 => "is in the rooms and not listed",
            Tri::F if listed > 0 => "is not in the rooms and listed",
            _ if listed > 1 => "is listed twice",
            _ => continue,
        };
        let summary = format!("{} {wrong}", index.name(id));
        let mut violation = index.plain(Invariant::Presence, Breach::Members, Some(id), asked.place, &summary);
        violation.events = index.change_places(asked.place);
        violation.events.extend(index.socket_places(id, socket));
        for cell in asked.rooms.iter().filter_map(|&room| index.cells.get(&(id, room))) {
            violation.events.extend(cell.changes().iter().flat_map(|change| index.change_places(change.place)));
        }
        violation.events.sort_unstable();
        violation.events.dedup();
        findings.report(violation);
    }
}

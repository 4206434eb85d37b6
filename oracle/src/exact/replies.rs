//! Answers: one for each question, and true.

use super::Findings;
use super::index::{Asked, Index, Sent};
use crate::history::{Answer, NEVER};
use crate::invariant::Invariant;
use crate::strength::Goal;
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

/// I7: a broadcast that asks brings one answer for each recipient; when time ran out, no more than that.
fn acknowledgements(index: &Index<'_>, sent: &Sent<'_>, findings: &mut Findings) {
    let Some((answer, place)) = sent.answer else { return };
    let (count, complete) = match *answer {
        Answer::Acknowledgements(count) => (u64::from(count), true),
        Answer::TimedOut(count) => (u64::from(count), false),
        _ => return,
    };
    if count > 0 {
        findings.strength.reach(Goal::BroadcastAcknowledged);
    }
    let (mut least, mut most) = (0, 0);
    for (&id, socket) in index.sockets.iter().filter(|(_, socket)| socket.namespace == sent.emission.namespace) {
        let class = index.class(sent, id, socket, index.reach(sent, socket));
        // Whose connection ends may have been a recipient without being able to answer.
        let stays = socket.end.inv == NEVER && socket.gaps.is_empty();
        least += u64::from(class == Tri::T && stays);
        most += u64::from(class != Tri::F);
    }
    if count > most || complete && count < least {
        let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let summary = format!("message {} brought {count} acknowledgements; its recipients are {expected}", sent.id.0);
        let mut violation = index.plain(Invariant::AckOnce, Breach::Acknowledgements, None, place, &summary);
        violation.message = Some(sent.id);
        violation.events = super::words::sent_places(sent);
        for (&id, socket) in index.sockets.iter().filter(|(_, socket)| socket.namespace == sent.emission.namespace) {
            violation.events.extend(index.socket_places(id, socket));
            violation.events.extend(index.room_places(sent, id));
        }
        violation.events.sort_unstable();
        violation.events.dedup();
        findings.report(violation);
    }
}

/// I17: everybody who was there throughout is listed, and nobody who never was.
fn members(index: &Index<'_>, asked: &Asked<'_>, findings: &mut Findings) {
    if !asked.found.is_empty() {
        findings.strength.reach(Goal::MembersListed);
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

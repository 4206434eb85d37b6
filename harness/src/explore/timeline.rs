//! A proof as lanes, one for each socket: what it asked for and when that was answered, what reached it, and whether the socket in
//! question was in the target of the message in question.

use sio_oracle::exact::membership;
use sio_oracle::history::{Action, Event, OperationId, SocketId, Time};
use sio_oracle::{Proof, Tri};

use crate::record::{Lane, LaneAct, LaneStay};

/// The lanes of a proof, the socket in question first.
pub fn lanes(proof: &Proof) -> Vec<Lane> {
    let (claim, history) = (&proof.claim, &proof.history);
    let mut drawn = Drawing { proof, sockets: Vec::new(), lanes: Vec::new() };
    if let Some(socket) = claim.socket {
        drawn.of(Some(socket)).stays = match claim.message {
            Some(message) => membership(history, message, socket).into_iter().map(stay).collect(),
            None => Vec::new(),
        };
    }
    for stamped in &history.events {
        match &stamped.event {
            Event::Invoke { operation, by, action } => {
                let Some(says) = words(proof, *operation, action) else { continue };
                let wrong = claim.message == Some(*operation);
                let act =
                    LaneAct { from: seconds(stamped.at), to: answer(proof, *operation), says, arrived: false, wrong };
                drawn.of(*by).acts.push(act);
            }
            Event::Receive { socket, message, .. } => {
                let wrong = claim.message == Some(*message) && claim.socket == Some(*socket);
                let at = seconds(stamped.at);
                let says = format!("message {}", message.0);
                drawn.of(Some(*socket)).acts.push(LaneAct { from: at, to: Some(at), says, arrived: true, wrong });
            }
            Event::Cut { socket } => drawn.note(*socket, stamped.at, "the connection broke"),
            Event::Resumed { socket } => drawn.note(*socket, stamped.at, "recovered"),
            Event::Connected { socket, .. } => drawn.note(*socket, stamped.at, "connected"),
            Event::Gone { socket } => drawn.note(*socket, stamped.at, "gone"),
            Event::Acknowledged { socket, message } => {
                drawn.note(*socket, stamped.at, &format!("acknowledges message {}", message.0));
            }
            Event::Connect { .. } | Event::Complete { .. } | Event::Room { .. } => {}
        }
    }
    drawn.lanes
}

struct Drawing<'a> {
    proof: &'a Proof,
    /// Whose each lane is; none is the server's own.
    sockets: Vec<Option<SocketId>>,
    lanes: Vec<Lane>,
}

impl Drawing<'_> {
    fn of(&mut self, socket: Option<SocketId>) -> &mut Lane {
        let place = self.sockets.iter().position(|known| *known == socket).unwrap_or_else(|| {
            let names = &self.proof.history.names;
            let name = socket.map_or_else(|| "the server".to_owned(), |socket| names.socket(socket));
            self.sockets.push(socket);
            self.lanes.push(Lane { name, ..Lane::default() });
            self.lanes.len() - 1
        });
        &mut self.lanes[place]
    }

    fn note(&mut self, socket: SocketId, at: Time, says: &str) {
        let at = seconds(at);
        let act = LaneAct { from: at, to: Some(at), says: says.to_owned(), arrived: false, wrong: false };
        self.of(Some(socket)).acts.push(act);
    }
}

fn seconds(nanos: Time) -> f64 {
    nanos as f64 / 1e9
}

fn stay((from, value): (Time, Tri)) -> LaneStay {
    LaneStay { from: seconds(from), inside: value.known() }
}

/// When an operation was answered, if it was.
fn answer(proof: &Proof, wanted: OperationId) -> Option<f64> {
    let answered = proof
        .history
        .events
        .iter()
        .find(|stamped| matches!(stamped.event, Event::Complete { operation, .. } if operation == wanted));
    answered.map(|stamped| seconds(stamped.at))
}

/// What was asked for; fences say nothing by themselves.
fn words(proof: &Proof, operation: OperationId, action: &Action) -> Option<String> {
    let names = &proof.history.names;
    let room = |id| names.room(sio_oracle::history::Room::Named(id));
    let list = |rooms: &[_]| rooms.iter().copied().map(room).collect::<Vec<_>>().join(", ");
    Some(match action {
        Action::Join { socket, rooms } => format!("{} joins {}", names.socket(*socket), list(rooms)),
        Action::Leave { socket, room: left } => format!("{} leaves {}", names.socket(*socket), room(*left)),
        Action::Emit(_) => format!("message {}", operation.0),
        Action::Disconnect { socket } => format!("{} is disconnected", names.socket(*socket)),
        Action::Presence { .. } => "who is there?".to_owned(),
        Action::Fence => return None,
    })
}

#[cfg(test)]
mod tests {
    use sio_oracle::History;
    use sio_oracle::exact::check;
    use sio_oracle::history::{Answer, ClientId, Emission, NamespaceId, NodeId, Room, RoomId};

    use super::*;

    /// A client joins, gets a message twice, and the lane says that it had to get it.
    #[test]
    fn a_second_copy_stands_on_the_lane_of_who_got_it() {
        let mut history = History::default();
        history.names.sockets = vec!["c0/1".to_owned(), "c1/1".to_owned()];
        history.names.rooms = vec!["red".to_owned()];
        let socket = |number| SocketId(number);
        let mut now = 0;
        let mut push = |event| {
            now += 1_000_000;
            history.push(now, event);
        };
        for number in 0..2 {
            let (client, namespace, node) = (ClientId(number), NamespaceId(0), NodeId(0));
            push(Event::Connect { socket: socket(number), client, namespace, node });
            push(Event::Connected { socket: socket(number), sid: None, session: None, served_by: None });
        }
        let join = Action::Join { socket: socket(0), rooms: vec![RoomId(0)] };
        push(Event::Invoke { operation: OperationId(0), by: Some(socket(0)), action: join });
        push(Event::Complete { operation: OperationId(0), answer: Answer::Done });
        let emit = Action::Emit(Emission { rooms: vec![Room::Named(RoomId(0))], ..Emission::default() });
        push(Event::Invoke { operation: OperationId(1), by: Some(socket(1)), action: emit });
        for _ in 0..2 {
            push(Event::Receive { socket: socket(0), message: OperationId(1), intact: true });
        }
        push(Event::Complete { operation: OperationId(1), answer: Answer::Done });
        let findings = check(&history);
        let lanes = lanes(&Proof::new(&history, &findings.violations[0]));
        assert_eq!(lanes[0].name, "c0/1");
        let inside: Vec<_> = lanes[0].stays.iter().map(|stay| stay.inside).collect();
        assert_eq!(inside.last(), Some(&Some(true)), "{inside:?}");
        assert!(inside.contains(&None), "while it joined nobody knows: {inside:?}");
        let says: Vec<_> = lanes[0].acts.iter().map(|act| (act.says.as_str(), act.arrived, act.wrong)).collect();
        assert!(says.contains(&("c0/1 joins red", false, false)), "{says:?}");
        assert!(says.contains(&("message 1", true, true)), "{says:?}");
        let sender = lanes.iter().find(|lane| lane.name == "c1/1").unwrap();
        assert!(sender.acts.iter().any(|act| act.wrong && act.to.is_some()));
    }
}

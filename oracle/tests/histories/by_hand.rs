//! The smallest history for each invariant: what breaks it, and that the claim is confirmed.

use sio_oracle::exact::check;
use sio_oracle::history::{
    Action, Answer, ClientId, Emission, Event, Handler, HandlerId, History, NamespaceId, NodeId, OperationId, Room,
    RoomChange, RoomId, SocketId,
};
use sio_oracle::verify::verify;
use sio_oracle::{Breach, Invariant, Proof};

use crate::second_opinion::confirmed;

pub const A: SocketId = SocketId(0);
pub const B: SocketId = SocketId(1);
pub const R: RoomId = RoomId(0);
pub const MAIN: NamespaceId = NamespaceId(0);

/// One event every microsecond.
#[derive(Default)]
pub struct Tape(pub History);

impl Tape {
    /// A and B in the main namespace.
    pub fn two() -> Self {
        Self::default().open(A, 0).open(B, 1)
    }

    pub fn event(mut self, event: Event) -> Self {
        let at = 1_000 * (self.0.events.len() as u64 + 1);
        self.0.push(at, event);
        self
    }

    pub fn open(self, socket: SocketId, client: u32) -> Self {
        self.open_in(socket, client, MAIN)
    }

    pub fn open_in(self, socket: SocketId, client: u32, namespace: NamespaceId) -> Self {
        self.event(Event::Connect { socket, client: ClientId(client), namespace, node: NodeId(0) })
            .connected(socket, None)
    }

    pub fn connected(self, socket: SocketId, sid: Option<&str>) -> Self {
        self.event(Event::Connected { socket, sid: sid.map(str::to_owned), session: None, served_by: None })
    }

    pub fn ask(self, operation: u32, by: SocketId, action: Action) -> Self {
        self.event(Event::Invoke { operation: OperationId(operation), by: Some(by), action })
    }

    pub fn answered(self, operation: u32) -> Self {
        self.with(operation, Answer::Done)
    }

    pub fn with(self, operation: u32, answer: Answer) -> Self {
        self.event(Event::Complete { operation: OperationId(operation), answer })
    }

    pub fn join(self, operation: u32, socket: SocketId) -> Self {
        self.ask(operation, socket, Action::Join { socket, rooms: vec![R] }).answered(operation)
    }

    pub fn emit(self, operation: u32, by: SocketId, emission: Emission) -> Self {
        self.ask(operation, by, Action::Emit(emission)).answered(operation)
    }

    pub fn fence(self, operation: u32, by: SocketId) -> Self {
        self.ask(operation, by, Action::Fence).answered(operation)
    }

    pub fn gets(self, socket: SocketId, message: u32) -> Self {
        self.event(Event::Receive { socket, message: OperationId(message), intact: true })
    }

    pub fn room(self, change: RoomChange) -> Self {
        self.event(Event::Room { namespace: MAIN, room: R, change })
    }

    /// Nothing is found, and whatever could be claimed of it is refuted.
    pub fn clean(&self) {
        self.silent();
        self.nothing_is_confirmed();
    }

    /// Nothing is found, though a search of all orders might.
    pub fn silent(&self) {
        let findings = check(&self.0);
        assert_eq!((findings.violations, findings.remarks), (vec![], vec![]));
    }

    fn nothing_is_confirmed(&self) {
        let (mut sockets, mut messages) = (Vec::new(), Vec::new());
        for stamped in &self.0.events {
            match &stamped.event {
                Event::Connect { socket, .. } => sockets.push(*socket),
                Event::Invoke { operation, action: Action::Emit(_), .. } => messages.push(operation.0),
                _ => {}
            }
        }
        for &socket in &sockets {
            for &message in &messages {
                for breach in [Breach::Missing, Breach::Phantom, Breach::Overtaken] {
                    assert!(!confirmed(self, breach, Some(socket), Some(message)), "{breach:?} {message} {socket:?}");
                }
            }
            for breach in [Breach::NoOrder, Breach::Members] {
                assert!(!confirmed(self, breach, Some(socket), None), "{breach:?} {socket:?}");
            }
        }
        for &message in &messages {
            assert!(!confirmed(self, Breach::Acknowledgements, None, Some(message)), "{message}");
        }
    }

    pub fn breaks(&self, invariant: Invariant, breach: Breach) {
        let findings = check(&self.0);
        let all = if invariant.accuses() { findings.violations } else { findings.remarks };
        let found: Vec<_> = all.iter().map(|violation| (violation.invariant, violation.breach)).collect();
        assert_eq!(found, [(invariant, breach)], "{all:#?}");
        if breach != Breach::Disagreement {
            verify(&Proof::new(&self.0, &all[0])).unwrap();
        }
    }
}

pub fn room() -> Emission {
    Emission { rooms: vec![Room::Named(R)], ..Emission::default() }
}

pub fn everybody() -> Emission {
    Emission::default()
}

#[test]
fn a_room_and_a_fence() {
    Tape::two().join(0, B).emit(1, A, room()).gets(B, 1).fence(2, B).clean();
    Tape::two().join(0, B).emit(1, A, room()).fence(2, B).breaks(Invariant::NoLoss, Breach::Missing);
    Tape::two().join(0, B).emit(1, A, room()).clean();
    Tape::two().emit(1, A, room()).gets(B, 1).breaks(Invariant::NoPhantom, Breach::Phantom);
}

#[test]
fn a_hole_is_a_loss_and_a_tail_of_a_broken_connection_is_not() {
    let sent = || {
        Tape::two().emit(0, A, Emission { excludes_sender: true, ..everybody() }).emit(
            1,
            A,
            Emission { excludes_sender: true, ..everybody() },
        )
    };
    sent().gets(B, 1).event(Event::Cut { socket: B }).breaks(Invariant::NoLoss, Breach::Missing);
    sent().gets(B, 0).event(Event::Cut { socket: B }).clean();
}

#[test]
fn twice_is_once_too_often() {
    Tape::two().join(0, B).emit(1, A, room()).gets(B, 1).gets(B, 1).breaks(Invariant::UnionOnce, Breach::Duplicate);
}

#[test]
fn the_sender_is_excluded() {
    let emission = Emission { excludes_sender: true, ..room() };
    Tape::two().join(0, A).emit(1, A, emission).gets(A, 1).breaks(Invariant::SenderExcluded, Breach::Phantom);
}

#[test]
fn namespaces_do_not_leak() {
    let other = NamespaceId(1);
    let tape = Tape::default().open(A, 0).open_in(B, 1, other);
    tape.emit(0, A, everybody()).gets(A, 0).gets(B, 0).breaks(Invariant::Namespace, Breach::WrongNamespace);
}

#[test]
fn what_was_answered_before_comes_before() {
    let sent = || Tape::two().emit(0, A, everybody()).gets(A, 0).emit(1, A, everybody()).gets(A, 1);
    sent().gets(B, 0).gets(B, 1).clean();
    sent().gets(B, 1).gets(B, 0).breaks(Invariant::FifoRealTime, Breach::Overtaken);
}

#[test]
fn one_senders_messages_keep_their_order_where_handlers_do() {
    let sent = Tape::two().ask(0, A, Action::Emit(Emission { excludes_sender: true, ..everybody() })).ask(
        1,
        A,
        Action::Emit(Emission { excludes_sender: true, ..everybody() }),
    );
    let mut tape = sent.answered(0).answered(1).gets(B, 1).gets(B, 0);
    tape.clean();
    tape.0.assumptions.in_order_handlers = true;
    tape.breaks(Invariant::FifoSender, Breach::Overtaken);
}

#[test]
fn receivers_that_disagree_are_a_remark() {
    let c = SocketId(2);
    let sent = Tape::two().open(c, 2).ask(0, A, Action::Emit(everybody())).ask(1, B, Action::Emit(everybody()));
    let tape = sent.answered(0).answered(1).gets(A, 0).gets(A, 1).gets(B, 1).gets(B, 0).gets(c, 0).gets(c, 1);
    tape.breaks(Invariant::TotalOrder, Breach::Disagreement);
    let remark = &check(&tape.0).remarks[0];
    assert!(
        remark.socket.is_some_and(|socket| [A, B, c].contains(&socket)),
        "one of the receivers is named: {remark:?}"
    );
}

#[test]
fn an_answer_comes_once() {
    Tape::two().fence(0, A).answered(0).breaks(Invariant::AckOnce, Breach::SurplusAnswer);
    Tape::two().answered(9).breaks(Invariant::AckOnce, Breach::SurplusAnswer);
    let asks = || Emission { asks: true, ..everybody() };
    let asked = |answer| Tape::two().ask(0, A, Action::Emit(asks())).gets(A, 0).gets(B, 0).with(0, answer);
    asked(Answer::Acknowledgements(2)).clean();
    asked(Answer::TimedOut(1)).clean();
    asked(Answer::Acknowledgements(1)).breaks(Invariant::AckOnce, Breach::Acknowledgements);
    asked(Answer::TimedOut(3)).breaks(Invariant::AckOnce, Breach::Acknowledgements);
}

#[test]
fn an_own_room_reaches_its_socket() {
    let emission = Emission { rooms: vec![Room::Own(B)], ..everybody() };
    Tape::two().emit(0, A, emission.clone()).gets(B, 0).fence(1, B).clean();
    Tape::two().emit(0, A, emission).fence(1, B).breaks(Invariant::OwnRoom, Breach::Missing);
}

#[test]
fn a_new_socket_inherits_nothing() {
    let again = SocketId(2);
    let tape = Tape::two().join(0, B).event(Event::Gone { socket: B }).open(again, 1).emit(1, A, room());
    tape.gets(again, 1).breaks(Invariant::LeaveOnDisconnect, Breach::Phantom);
}

#[test]
fn the_first_handler_that_accepts_serves() {
    let handler = |name: &str| Handler { name: name.to_owned(), accepts: vec![MAIN] };
    let served = |by| {
        let mut tape = Tape::default();
        tape.0.handlers = vec![handler("/main"), handler("/^.*$/")];
        let tape = tape.event(Event::Connect { socket: A, client: ClientId(0), namespace: MAIN, node: NodeId(0) });
        tape.event(Event::Connected { socket: A, sid: None, session: None, served_by: Some(HandlerId(by)) })
    };
    served(0).clean();
    served(1).breaks(Invariant::DynamicPriority, Breach::Priority);
}

#[test]
fn a_recovered_socket_has_missed_nothing() {
    let away = || Tape::two().join(0, B).event(Event::Cut { socket: B }).emit(1, A, room());
    away().event(Event::Resumed { socket: B }).gets(B, 1).fence(2, B).clean();
    away().event(Event::Resumed { socket: B }).fence(2, B).breaks(Invariant::Recovery, Breach::Missing);
    let volatile = Emission { volatile: true, ..room() };
    let tape = Tape::two().join(0, B).event(Event::Cut { socket: B }).emit(1, A, volatile);
    tape.event(Event::Resumed { socket: B }).fence(2, B).clean();
    let twice = Tape::two().join(0, B).emit(1, A, room()).gets(B, 1).event(Event::Cut { socket: B });
    twice.event(Event::Resumed { socket: B }).gets(B, 1).breaks(Invariant::Recovery, Breach::Duplicate);
}

#[test]
fn connect_comes_first() {
    let asked = Tape::default().open(A, 0).event(Event::Connect {
        socket: B,
        client: ClientId(1),
        namespace: MAIN,
        node: NodeId(0),
    });
    let tape = asked.emit(0, A, everybody()).gets(A, 0).gets(B, 0).connected(B, None);
    tape.breaks(Invariant::ConnectFirst, Breach::TooEarly);
}

#[test]
fn what_arrives_is_what_was_sent() {
    let altered = |volatile| {
        let emission = Emission { volatile, excludes_sender: true, ..everybody() };
        Tape::two().emit(0, A, emission).event(Event::Receive { socket: B, message: OperationId(0), intact: false })
    };
    altered(false).breaks(Invariant::Payload, Breach::Altered);
    altered(true).breaks(Invariant::Volatile, Breach::Altered);
}

#[test]
fn a_room_lives_once() {
    use RoomChange::{Created, Deleted, Joined, Left};
    let life = |changes: &[RoomChange]| changes.iter().fold(Tape::two(), |tape, &change| tape.room(change));
    life(&[Created, Joined(A), Left(A), Deleted, Created, Joined(B)]).clean();
    for wrong in [
        &[Created, Joined(A), Joined(A)][..],
        &[Joined(A)],
        &[Created, Joined(A), Left(A)],
        &[Created, Joined(A), Deleted],
        &[Created, Joined(A), Left(B)],
        &[Created, Created, Joined(A)],
    ] {
        let findings = check(&life(wrong).0);
        assert_eq!(findings.violations[0].breach, Breach::Lifecycle, "{wrong:?}");
        verify(&Proof::new(&life(wrong).0, &findings.violations[0])).unwrap();
    }
}

#[test]
fn members_are_those_that_are_there() {
    let asked = |found: Vec<SocketId>, strangers| {
        let question = Action::Presence { namespace: MAIN, rooms: vec![Room::Named(R)] };
        Tape::two().join(0, B).ask(1, A, question).with(1, Answer::Present { sockets: found, strangers })
    };
    asked(vec![B], 0).clean();
    for (found, strangers) in [(vec![], 0), (vec![A, B], 0), (vec![B], 1), (vec![B, B], 0)] {
        asked(found, strangers).breaks(Invariant::Presence, Breach::Members);
    }
}

#[test]
fn ids_are_ones_own() {
    let connect =
        |socket, client| Event::Connect { socket, client: ClientId(client), namespace: MAIN, node: NodeId(0) };
    let tape = Tape::default().event(connect(A, 0)).connected(A, Some("x")).event(connect(B, 1));
    tape.connected(B, Some("x")).breaks(Invariant::SocketIds, Breach::ReusedId);
    let session = Some("x".to_owned());
    let same = Event::Connected { socket: A, sid: session.clone(), session, served_by: None };
    Tape::default().event(connect(A, 0)).event(same).breaks(Invariant::SocketIds, Breach::ReusedId);
}

/// B's join is under way during both messages: the first came, so it had happened, and the second did not.
#[test]
fn a_message_lost_behind_one_that_came_while_joining() {
    let during = || {
        let tape = Tape::two().ask(0, B, Action::Join { socket: B, rooms: vec![R] });
        tape.emit(1, A, room()).emit(2, A, room())
    };
    during().gets(B, 1).answered(0).fence(3, B).breaks(Invariant::NoLoss, Breach::NoOrder);
    during().gets(B, 2).answered(0).fence(3, B).clean();
}

/// Two joins whose order the recipients of one message contradict those of another.
#[test]
fn no_instant_explains_the_recipients() {
    let join = |socket| Action::Join { socket, rooms: vec![R] };
    let c = SocketId(2);
    let tape = Tape::two().open(c, 2).ask(0, B, join(B)).ask(1, c, join(c));
    let tape = tape.ask(2, A, Action::Emit(room())).ask(3, A, Action::Emit(room())).answered(2).answered(3);
    // B has the first and not the second, C the second and not the first.
    let tape = tape.gets(B, 2).gets(c, 3).answered(0).answered(1).fence(4, B).fence(5, c);
    assert_eq!(check(&tape.0).violations, []);
    tape.breaks(Invariant::Snapshot, Breach::NoInstant);
}

#[test]
fn what_nobody_sent() {
    Tape::two().gets(B, 7).breaks(Invariant::NoPhantom, Breach::Unsent);
    Tape::two().emit(0, A, room()).gets(SocketId(9), 0).breaks(Invariant::NoPhantom, Breach::Unsent);
}

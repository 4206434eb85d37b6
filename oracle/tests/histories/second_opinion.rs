//! What nearly proves a claim does not prove it: the second opinion, by hand.

use sio_oracle::history::{
    Action, Answer, ClientId, Emission, Event, Handler, HandlerId, NamespaceId, NodeId, OperationId, Room, RoomChange,
    RoomId, SocketId,
};
use sio_oracle::verify::verify;
use sio_oracle::{Breach, Invariant, Proof, Violation};

use crate::by_hand::{A, B, MAIN, R, Tape, everybody, room};
use crate::instants::tied;

const C: SocketId = SocketId(2);

/// Whether a claim is confirmed by a whole tape.
pub fn confirmed(tape: &Tape, breach: Breach, socket: Option<SocketId>, message: Option<u32>) -> bool {
    let claim = Violation {
        invariant: Invariant::NoLoss,
        breach,
        socket,
        message: message.map(OperationId),
        summary: String::new(),
        because: Vec::new(),
        events: Vec::new(),
    };
    verify(&Proof { claim, history: tape.0.clone() }).is_ok()
}

fn of_b(tape: &Tape, breach: Breach, message: u32) -> bool {
    confirmed(tape, breach, Some(B), Some(message))
}

fn others() -> Emission {
    Emission { excludes_sender: true, ..everybody() }
}

#[test]
fn a_second_copy() {
    let once = || Tape::two().emit(0, A, others()).gets(B, 0);
    assert!(!of_b(&Tape::two().emit(0, A, others()), Breach::Duplicate, 0));
    assert!(!of_b(&once(), Breach::Duplicate, 0));
    assert!(of_b(&once().gets(B, 0), Breach::Duplicate, 0));
}

/// A copy behind the answer to a fence came too late; one at the same instant, or ahead of it, did not.
#[test]
fn a_copy_behind_the_fence() {
    let sent = || Tape::two().join(0, B).emit(1, A, room());
    let late = sent().fence(2, B).gets(B, 1);
    assert!(of_b(&late, Breach::Missing, 1));
    assert!(!of_b(&tied(&late, 9, 10), Breach::Missing, 1));
    assert!(!of_b(&sent().gets(B, 1).fence(2, B), Breach::Missing, 1));
    assert!(!of_b(&sent().fence(2, A), Breach::Missing, 1), "another's fence says nothing");
}

#[test]
fn a_copy_ahead_of_the_connection() {
    let connect = Event::Connect { socket: B, client: ClientId(1), namespace: MAIN, node: NodeId(0) };
    let early = Tape::default().open(A, 0).event(connect).emit(0, A, others()).gets(B, 0).connected(B, None);
    assert!(of_b(&early, Breach::TooEarly, 0));
    assert!(!of_b(&tied(&early, 5, 6), Breach::TooEarly, 0), "at one instant");
    assert!(!of_b(&Tape::two().emit(0, A, others()).gets(B, 0), Breach::TooEarly, 0));
    assert!(!of_b(&Tape::two().emit(0, A, others()), Breach::TooEarly, 0), "it did not come");
}

#[test]
fn another_namespace() {
    let apart = || Tape::default().open(A, 0).open_in(B, 1, NamespaceId(1)).emit(0, A, others());
    assert!(of_b(&apart().gets(B, 0), Breach::WrongNamespace, 0));
    assert!(!of_b(&apart(), Breach::WrongNamespace, 0), "it did not come");
    assert!(!of_b(&Tape::two().emit(0, A, others()).gets(B, 0), Breach::WrongNamespace, 0), "it is the same");
}

/// In the order of handlers: a question is answered in a task of its own, and nobody's own.
#[test]
fn the_order_of_one_sender() {
    let swapped = |asks: [bool; 2]| {
        let emission = |asks| Action::Emit(Emission { asks, ..others() });
        let mut tape = Tape::two().ask(0, A, emission(asks[0])).ask(1, A, emission(asks[1])).gets(B, 1).gets(B, 0);
        tape.0.assumptions.in_order_handlers = true;
        tape
    };
    assert!(of_b(&swapped([false, false]), Breach::Overtaken, 0));
    assert!(!of_b(&swapped([false, false]), Breach::Overtaken, 1), "that one came first");
    assert!(!of_b(&swapped([true, false]), Breach::Overtaken, 0));
    assert!(!of_b(&swapped([false, true]), Breach::Overtaken, 0));
    let mut at_once = swapped([false, false]);
    at_once.0.assumptions.in_order_handlers = false;
    assert!(!of_b(&at_once, Breach::Overtaken, 0));
}

#[test]
fn what_nobody_sent() {
    let sent = || Tape::two().emit(0, A, others());
    assert!(!confirmed(&sent().gets(B, 0), Breach::Unsent, None, None));
    assert!(confirmed(&sent().gets(B, 1), Breach::Unsent, None, None));
    assert!(confirmed(&sent().gets(C, 0), Breach::Unsent, None, None));
}

#[test]
fn an_answer_to_no_question() {
    let clean = || Tape::two().fence(0, A).fence(1, B);
    assert!(!confirmed(&clean(), Breach::SurplusAnswer, None, None));
    assert!(confirmed(&clean().answered(0), Breach::SurplusAnswer, None, None));
}

fn listed(asked: Tape, found: Vec<SocketId>, strangers: u32) -> Tape {
    let question = Action::Presence { namespace: MAIN, rooms: vec![Room::Named(R)] };
    asked.ask(9, A, question).with(9, Answer::Present { sockets: found, strangers })
}

#[test]
fn a_list_of_members() {
    let wrong = |tape: &Tape, socket| confirmed(tape, Breach::Members, socket, None);
    let joined = || Tape::two().join(0, B);
    let right = listed(joined(), vec![B], 0);
    assert!([Some(A), Some(B), None].into_iter().all(|socket| !wrong(&right, socket)));
    assert!(wrong(&listed(joined(), vec![B], 1), None), "a stranger");
    assert!(wrong(&listed(joined(), vec![], 0), Some(B)));
    assert!(wrong(&listed(joined(), vec![A, B], 0), Some(A)));
    assert!(wrong(&listed(joined(), vec![B, B], 0), Some(B)));
    let other = NamespaceId(1);
    let elsewhere = Action::Presence { namespace: other, rooms: vec![Room::Named(R)] };
    let apart = Tape::default().open(A, 0).open_in(B, 1, other).join(0, B).ask(9, A, elsewhere);
    assert!(wrong(&apart.with(9, Answer::Present { sockets: vec![], strangers: 0 }), Some(B)), "in its namespace");
    let joining = || Tape::two().ask(0, B, Action::Join { socket: B, rooms: vec![R] });
    assert!(!wrong(&listed(joining(), vec![B], 0), Some(B)) && !wrong(&listed(joining(), vec![], 0), Some(B)));
    assert!(wrong(&listed(joining(), vec![B, B], 0), Some(B)), "twice is once too often for anybody");
    let away = || {
        let question = Action::Presence { namespace: MAIN, rooms: vec![Room::Named(R)] };
        joined().event(Event::Cut { socket: B }).ask(9, A, question).event(Event::Resumed { socket: B })
    };
    let nobody = Answer::Present { sockets: vec![], strangers: 0 };
    assert!(!wrong(&away().with(9, nobody.clone()), Some(B)), "a session that is away is listed by nobody");
    let back = joined().event(Event::Cut { socket: B }).event(Event::Resumed { socket: B });
    assert!(wrong(&listed(back, vec![], 0), Some(B)), "it is back");
}

#[test]
fn who_served() {
    let connect =
        |socket, client| Event::Connect { socket, client: ClientId(client), namespace: MAIN, node: NodeId(0) };
    let served = |socket, by| Event::Connected { socket, sid: None, session: None, served_by: Some(HandlerId(by)) };
    let mut tape = Tape::default();
    tape.0.handlers =
        ["/main", "/^.*$/"].map(|name| Handler { name: name.to_owned(), accepts: vec![MAIN] }).into_iter().collect();
    let tape = tape.event(connect(A, 0)).event(served(A, 0)).event(connect(B, 1)).event(served(B, 1));
    assert!(confirmed(&tape, Breach::Priority, Some(B), None));
    assert!(!confirmed(&tape, Breach::Priority, Some(A), None), "the first that accepts it served it");
}

#[test]
fn an_id_of_two() {
    let connect =
        |socket, client| Event::Connect { socket, client: ClientId(client), namespace: MAIN, node: NodeId(0) };
    let called = |sids: [&str; 3], session: &str| {
        let session = Some(session.to_owned());
        let with = Event::Connected { socket: A, sid: Some(sids[0].to_owned()), session, served_by: None };
        Tape::default()
            .event(connect(A, 0))
            .event(with)
            .event(connect(B, 1))
            .connected(B, Some(sids[1]))
            .event(connect(C, 2))
            .connected(C, Some(sids[2]))
    };
    let wrong = |tape: &Tape, socket| confirmed(tape, Breach::ReusedId, Some(socket), None);
    let clean = called(["a", "b", "c"], "s");
    assert!(![A, B, C].into_iter().any(|socket| wrong(&clean, socket)));
    let shared = called(["a", "b", "b"], "s");
    assert_eq!([A, B, C].map(|socket| wrong(&shared, socket)), [false, true, true]);
    let session = called(["a", "b", "c"], "a");
    assert_eq!([A, B, C].map(|socket| wrong(&session, socket)), [true, false, false]);
}

#[test]
fn the_life_of_a_room() {
    use RoomChange::{Created, Deleted, Joined, Left};
    let wrong = |changes: &[RoomChange]| {
        let life = changes.iter().fold(Tape::two(), |tape, &change| tape.room(change));
        confirmed(&life, Breach::Lifecycle, None, None)
    };
    assert!(!wrong(&[Created, Joined(A), Joined(B), Left(A), Left(B), Deleted, Created, Joined(B)]));
    for change in [
        &[Created, Joined(A), Left(A)][..],
        &[Created, Joined(A), Joined(A)],
        &[Created, Joined(A), Left(B)],
        &[Created, Joined(A), Deleted],
        &[Created, Joined(A), Created],
        &[Joined(A)],
        &[Deleted],
    ] {
        assert!(wrong(change), "{change:?}");
    }
}

/// Something that no order of the operations leaves, of one socket: what is not decided, or may be lost, shows nothing.
#[test]
fn what_no_order_leaves() {
    let no_order = |tape: &Tape| confirmed(tape, Breach::NoOrder, Some(B), None);
    let joined = || Tape::two().join(0, B);
    let lost = joined().emit(1, A, room()).fence(2, B);
    assert!(no_order(&lost));
    assert!(!no_order(&joined().emit(1, A, room())), "it may be on its way");
    assert!(!no_order(&joined().fence(2, B).emit(1, A, room())), "the fence was ahead of it");
    assert!(!no_order(&tied(&lost, 7, 8)), "the fence may have been ahead of it");
    assert!(!no_order(&joined().emit(1, A, room()).gets(B, 1).fence(2, B)));
    assert!(!no_order(&joined().emit(1, A, Emission { volatile: true, ..room() }).fence(2, B)));
    assert!(no_order(&joined().emit(1, A, room()).emit(2, A, room()).gets(B, 2)), "a later one came");
    let apart = Tape::default().open(A, 0).open_in(B, 1, NamespaceId(1)).emit(1, A, everybody()).fence(2, B);
    assert!(!no_order(&apart), "another namespace's message is not for it");
}

#[test]
fn what_a_recovery_brings_back() {
    let away = |asks| {
        let emission = Emission { asks, ..room() };
        let away = Tape::two().join(0, B).event(Event::Cut { socket: B }).emit(1, A, emission);
        away.event(Event::Resumed { socket: B }).fence(2, B)
    };
    let there = Tape::two().join(0, B).emit(1, A, Emission { asks: true, ..room() }).fence(2, B);
    for breach in [Breach::NoOrder, Breach::Missing] {
        assert!(of_b(&away(false), breach, 1), "{breach:?}");
        assert!(!of_b(&away(true), breach, 1), "{breach:?}: a question is not brought back");
        assert!(of_b(&there, breach, 1), "{breach:?}: it was not away");
    }
}

/// The recipients of one message, three sockets at once.
#[test]
fn one_instant_for_all_recipients() {
    let join = |socket| Action::Join { socket, rooms: vec![R] };
    let three = || Tape::two().open(C, 2);
    let no_instant = |tape: &Tape| confirmed(tape, Breach::NoInstant, None, Some(3));
    let joining = || three().ask(0, A, join(A)).ask(1, B, join(B)).ask(2, C, join(C)).answered(1);
    let right = joining().emit(3, A, room()).gets(B, 3).gets(C, 3).answered(2).fence(4, A).answered(0).fence(5, A);
    assert!(!no_instant(&right));
    let out = || {
        let left = three().join(0, B).join(1, C).join(2, A).ask(6, C, Action::Leave { socket: C, room: R }).answered(6);
        left.event(Event::Gone { socket: A }).emit(3, B, room()).gets(B, 3)
    };
    assert!(!no_instant(&out().fence(4, C)), "C has left, and A is gone");
    assert!(no_instant(&out().gets(C, 3)), "C had left");
    assert!(no_instant(&out().gets(A, 3)), "A was gone");
    let last = || three().join(0, B).join(1, C).event(Event::Gone { socket: C }).emit(3, A, room()).gets(B, 3);
    assert!(!no_instant(&last().fence(4, B)));
    assert!(no_instant(&last().gets(C, 3)), "C was gone");
    let in_two = three().join(0, B).join(1, C).emit(3, A, room());
    assert!(no_instant(&in_two.gets(B, 3).fence(4, C)), "C was in it");
    let elsewhere = RoomId(1);
    let blue = three().join(0, B).ask(1, C, Action::Join { socket: C, rooms: vec![elsewhere] }).answered(1);
    let to_blue = Emission { rooms: vec![Room::Named(elsewhere)], ..everybody() };
    assert!(!no_instant(&blue.emit(3, A, to_blue).gets(C, 3).fence(4, B)), "each room has its own members");
}

/// Who is in already joins again.
#[test]
fn a_second_join_changes_nothing() {
    let twice = || Tape::two().join(0, B).join(1, B).emit(2, A, room());
    assert!(of_b(&twice().fence(3, B), Breach::Missing, 2));
    assert!(!of_b(&twice().gets(B, 2), Breach::Phantom, 2));
}

/// A socket that was seen to be connected ended behind that, though the two share an instant.
#[test]
fn a_life_of_one_instant() {
    let short = Tape::two().event(Event::Gone { socket: B }).emit(0, A, others()).gets(B, 0);
    assert!(of_b(&short, Breach::Phantom, 0));
    assert!(of_b(&tied(&short, 3, 4), Breach::Phantom, 0), "it is gone all the same");
}

/// What happens to another's connection does not happen to this one.
#[test]
fn everybody_has_a_life_of_its_own() {
    let connect = Event::Connect { socket: B, client: ClientId(1), namespace: MAIN, node: NodeId(0) };
    let early = Tape::default().open(A, 0).event(connect).open(C, 2).emit(0, A, others()).gets(B, 0);
    assert!(of_b(&early.connected(B, None), Breach::TooEarly, 0), "C was connected, not B");
    let three = || Tape::two().open(C, 2);
    let lost = |tape: Tape| tape.emit(0, A, others()).fence(1, B);
    assert!(of_b(&lost(three().event(Event::Cut { socket: C })), Breach::Missing, 0), "C's broke, not B's");
    assert!(of_b(&lost(three().event(Event::Gone { socket: C })), Breach::Missing, 0), "C is gone, not B");
    let put_out = three().ask(7, A, Action::Disconnect { socket: C }).answered(7);
    assert!(of_b(&lost(put_out), Breach::Missing, 0), "C was put out, not B");
    let back =
        three().event(Event::Cut { socket: C }).event(Event::Gone { socket: B }).event(Event::Resumed { socket: C });
    assert!(of_b(&back.emit(0, A, others()).gets(B, 0), Breach::Phantom, 0), "C is back, not B");
}

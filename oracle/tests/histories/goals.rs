//! What a history is counted for: what was decided of it, and what was worth seeing in it.

use sio_oracle::Goal;
use sio_oracle::exact::check;
use sio_oracle::history::{Action, Emission, Event, NamespaceId, Room, RoomId, SocketId};

use crate::by_hand::{A, B, R, Tape, everybody, room};

const BLUE: RoomId = RoomId(1);

fn reached(tape: &Tape, goal: Goal) -> u64 {
    check(&tape.0).certainty.goals[goal as usize]
}

fn join_both(tape: Tape, operation: u32, socket: SocketId) -> Tape {
    tape.ask(operation, socket, Action::Join { socket, rooms: vec![R, BLUE] }).answered(operation)
}

fn to_both() -> Emission {
    Emission { rooms: vec![Room::Named(R), Room::Named(BLUE)], ..everybody() }
}

fn except_blue(emission: Emission) -> Emission {
    Emission { except: vec![Room::Named(BLUE)], ..emission }
}

#[test]
fn each_pair_is_counted_once() {
    let counts = |tape: &Tape| {
        let certainty = check(&tape.0).certainty;
        [certainty.must, certainty.must_not, certainty.may, certainty.undecided]
    };
    let sent = || Tape::two().join(0, B).emit(1, A, room());
    assert_eq!(counts(&sent().gets(B, 1)), [1, 1, 0, 0]);
    assert_eq!(counts(&sent()), [1, 1, 0, 1], "nothing shows whether it would have come by now");
    assert_eq!(counts(&sent().emit(2, A, room())), [2, 2, 0, 2]);
    let joining = Tape::two().ask(0, B, Action::Join { socket: B, rooms: vec![R] });
    assert_eq!(counts(&joining.emit(1, A, room())), [0, 1, 1, 0]);
    let apart = Tape::default().open(A, 0).open_in(B, 1, NamespaceId(1)).emit(0, A, everybody()).gets(A, 0);
    assert_eq!(counts(&apart), [1, 1, 0, 0], "another namespace is certainly not meant");
}

#[test]
fn an_overlap_of_join_and_emit() {
    let joining = || Tape::two().ask(0, B, Action::Join { socket: B, rooms: vec![R] });
    assert_eq!(reached(&joining().emit(1, A, room()), Goal::JoinOverlappedEmit), 1);
    let volatile = Emission { volatile: true, ..room() };
    assert_eq!(reached(&joining().emit(1, A, volatile), Goal::JoinOverlappedEmit), 0);
    assert_eq!(reached(&Tape::two().join(0, B).emit(1, A, room()), Goal::JoinOverlappedEmit), 0);
}

#[test]
fn rooms_of_a_union_and_of_an_exception() {
    let in_both = || join_both(Tape::two(), 0, B);
    assert_eq!(reached(&in_both().emit(1, A, to_both()), Goal::UnionOverlap), 1);
    assert_eq!(reached(&in_both().emit(1, A, room()), Goal::UnionOverlap), 0);
    assert_eq!(reached(&in_both().emit(1, A, except_blue(room())), Goal::ExceptedMember), 1);
    assert_eq!(reached(&in_both().emit(1, A, except_blue(everybody())), Goal::ExceptedMember), 1);
    assert_eq!(reached(&in_both().emit(1, A, room()), Goal::ExceptedMember), 0);
    let blue = Tape::two().ask(0, B, Action::Join { socket: B, rooms: vec![BLUE] }).answered(0);
    assert_eq!(
        reached(&blue.emit(1, A, except_blue(room())), Goal::ExceptedMember),
        0,
        "it is in no room of the target"
    );
    let got = Tape::two().ask(0, B, Action::Join { socket: B, rooms: vec![BLUE] }).answered(0);
    let got = got.emit(1, A, except_blue(room())).gets(B, 1);
    assert_eq!(reached(&got, Goal::ExceptedMember), 0, "though it got the message");
}

#[test]
fn a_sender_in_its_room() {
    let excluding = || Emission { excludes_sender: true, ..room() };
    assert_eq!(reached(&Tape::two().join(0, A).emit(1, A, excluding()), Goal::SenderInRoom), 1);
    assert_eq!(reached(&Tape::two().join(0, A).emit(1, A, room()), Goal::SenderInRoom), 0);
    assert_eq!(reached(&Tape::two().join(0, B).emit(1, A, excluding()), Goal::SenderInRoom), 0);
    let to_all = Emission { excludes_sender: true, ..everybody() };
    assert_eq!(reached(&Tape::two().emit(1, A, to_all), Goal::SenderInRoom), 0, "it is sent to no room");
}

#[test]
fn a_connection_that_ends_with_a_backlog() {
    let sent = || Tape::two().join(0, B).emit(1, A, room());
    assert_eq!(reached(&sent().event(Event::Cut { socket: B }), Goal::DisconnectWithBacklog), 1);
    assert_eq!(reached(&sent().gets(B, 1).event(Event::Cut { socket: B }), Goal::DisconnectWithBacklog), 0);
    assert_eq!(reached(&sent(), Goal::DisconnectWithBacklog), 0);
}

#[test]
fn a_session_that_missed_something() {
    let away = || Tape::two().join(0, B).event(Event::Cut { socket: B });
    let back = |tape: Tape| tape.event(Event::Resumed { socket: B });
    assert_eq!(reached(&back(away().emit(1, A, room())).gets(B, 1), Goal::Recovered), 1);
    assert_eq!(reached(&back(away()).emit(1, A, room()).gets(B, 1), Goal::Recovered), 0);
}

#[test]
fn volatile_messages_and_own_rooms() {
    let volatile = || Tape::two().emit(0, A, Emission { volatile: true, excludes_sender: true, ..everybody() });
    assert_eq!(reached(&volatile().gets(B, 0), Goal::VolatileArrived), 1);
    assert_eq!(reached(&volatile(), Goal::VolatileArrived), 0);
    let own = Tape::two().emit(0, A, Emission { rooms: vec![Room::Own(B)], ..everybody() });
    assert_eq!(reached(&own, Goal::OwnRoom), 1);
    assert_eq!(reached(&Tape::two().join(0, B).emit(1, A, room()), Goal::OwnRoom), 0);
}

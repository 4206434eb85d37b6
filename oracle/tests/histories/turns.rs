//! The order of handlers (A4), and the order in which messages come.

use sio_oracle::exact::check;
use sio_oracle::history::{Action, ClientId, Emission, Event, NamespaceId, NodeId, RoomId, SocketId};
use sio_oracle::{Breach, Goal, Invariant};

use crate::by_hand::{A, B, MAIN, R, Tape, everybody, room};
use crate::instants::tied;

const C: SocketId = SocketId(2);

fn in_order(mut tape: Tape) -> Tape {
    tape.0.assumptions.in_order_handlers = true;
    tape
}

fn others() -> Emission {
    Emission { excludes_sender: true, ..everybody() }
}

fn join(socket: SocketId) -> Action {
    Action::Join { socket, rooms: vec![R] }
}

fn leave(socket: SocketId) -> Action {
    Action::Leave { socket, room: R }
}

/// What a connection asks for ahead of its message has happened by then, answered or not.
#[test]
fn what_was_asked_for_before_has_happened() {
    let sent = || Tape::two().ask(0, A, join(B)).ask(1, A, Action::Emit(room())).answered(0).answered(1);
    sent().fence(2, B).clean();
    in_order(sent().fence(2, B)).breaks(Invariant::NoLoss, Breach::Missing);
    in_order(sent().gets(B, 1)).clean();
    let by_b = Tape::two().ask(0, B, join(B)).ask(1, A, Action::Emit(room())).answered(0).answered(1);
    in_order(by_b.fence(2, B)).clean();
}

/// What it asks for later has not, unless the message is a question, which is put in a task of its own.
#[test]
fn what_is_asked_for_later_has_not_happened() {
    let sent = |emission: Emission, by| {
        let sent = Tape::two().join(0, B).ask(1, A, Action::Emit(emission)).ask(2, by, leave(B));
        sent.answered(1).answered(2).fence(3, B)
    };
    let asks = Emission { asks: true, ..room() };
    sent(room(), A).clean();
    in_order(sent(room(), A)).breaks(Invariant::NoLoss, Breach::Missing);
    in_order(sent(room(), B)).clean();
    in_order(sent(asks, A)).clean();
}

/// A leave at the instant of the answer to a join, and the other way round: one of two came first.
#[test]
fn changes_that_share_an_instant_have_no_order() {
    let left = || Tape::two().join(0, B).ask(1, A, leave(B)).answered(1).emit(2, A, room());
    left().gets(B, 2).breaks(Invariant::NoPhantom, Breach::Phantom);
    tied(&left().gets(B, 2), 5, 6).clean();
    let joined = || Tape::two().ask(1, A, leave(B)).answered(1).join(0, B).emit(2, A, room()).fence(3, B);
    joined().breaks(Invariant::NoLoss, Breach::Missing);
    tied(&joined(), 5, 6).clean();
}

/// The newest that has come is what all that follows is held against.
#[test]
fn the_newest_is_what_counts() {
    let sent = || Tape::two().emit(0, A, others()).emit(1, A, others()).emit(2, A, others());
    sent().gets(B, 0).gets(B, 2).gets(B, 1).breaks(Invariant::FifoRealTime, Breach::Overtaken);
    let open = || {
        let open = Tape::two().ask(0, A, Action::Emit(others())).ask(1, A, Action::Emit(others()));
        open.ask(2, A, Action::Emit(others()))
    };
    open().gets(B, 0).gets(B, 2).gets(B, 1).clean();
    in_order(open().gets(B, 0).gets(B, 2).gets(B, 1)).breaks(Invariant::FifoSender, Breach::Overtaken);
    in_order(open().gets(B, 0).gets(B, 1).gets(B, 2)).clean();
}

/// A second copy is that, and nothing was overtaken by it; nor does what came to a wrong namespace overtake.
#[test]
fn only_first_copies_overtake() {
    let sent = || Tape::two().emit(0, A, others()).emit(1, A, others());
    sent().gets(B, 0).gets(B, 1).gets(B, 0).breaks(Invariant::UnionOnce, Breach::Duplicate);
    let other = NamespaceId(1);
    let apart = Tape::default().open(A, 0).open_in(B, 1, other).open_in(C, 2, other).emit(0, A, others());
    let apart = apart.emit(1, C, Emission { namespace: other, ..others() });
    apart.gets(B, 1).gets(B, 0).breaks(Invariant::Namespace, Breach::WrongNamespace);
}

#[test]
fn a_second_copy_of_a_recovery_is_one_on_both_sides_of_it() {
    let twice = Tape::two().join(0, B).emit(1, A, room()).gets(B, 1).gets(B, 1);
    let ahead = twice.event(Event::Cut { socket: B }).event(Event::Resumed { socket: B });
    ahead.breaks(Invariant::UnionOnce, Breach::Duplicate);
    let back = Tape::two().join(0, B).event(Event::Cut { socket: B }).event(Event::Resumed { socket: B });
    back.emit(1, A, room()).gets(B, 1).gets(B, 1).breaks(Invariant::UnionOnce, Breach::Duplicate);
}

/// A copy at the instant at which the fence was answered was not behind it.
#[test]
fn a_copy_at_the_instant_of_the_fence_is_in_time() {
    let late = Tape::two().join(0, B).emit(1, A, room()).fence(2, B).gets(B, 1);
    late.breaks(Invariant::NoLoss, Breach::Missing);
    tied(&late, 9, 10).clean();
}

/// The room of an earlier socket of the same client is inherited; that of another's, or elsewhere, is not.
#[test]
fn only_an_earlier_socket_of_the_same_client_leaves_something() {
    let d = SocketId(3);
    let other = NamespaceId(1);
    let gone = |tape: Tape, socket| tape.event(Event::Gone { socket });
    let got = |tape: Tape| tape.emit(1, A, room()).gets(B, 1);
    got(gone(Tape::default().open(A, 0).open(C, 1).join(0, C), C).open(B, 1))
        .breaks(Invariant::LeaveOnDisconnect, Breach::Phantom);
    got(gone(Tape::default().open(A, 0).open(C, 2).join(0, C), C).open(B, 1))
        .breaks(Invariant::NoPhantom, Breach::Phantom);
    got(gone(Tape::default().open(A, 0).open_in(C, 1, other).join(0, C), C).open(B, 1))
        .breaks(Invariant::NoPhantom, Breach::Phantom);
    let later = Tape::two().open(d, 1).join(0, d);
    got(later).breaks(Invariant::NoPhantom, Breach::Phantom);
    let connect = |socket| Event::Connect { socket, client: ClientId(1), namespace: MAIN, node: NodeId(0) };
    let beside =
        || Tape::default().open(A, 0).event(connect(C)).event(connect(B)).connected(C, None).connected(B, None);
    let beside = || got(beside().join(0, C)).gets(C, 1);
    beside().breaks(Invariant::LeaveOnDisconnect, Breach::Phantom);
    tied(&beside(), 2, 3).breaks(Invariant::NoPhantom, Breach::Phantom);
    let own = Tape::two().join(0, B).ask(2, B, leave(B)).answered(2);
    got(own).breaks(Invariant::NoPhantom, Breach::Phantom);
}

fn reached(tape: &Tape, goal: Goal) -> u64 {
    check(&tape.0).certainty.goals[goal as usize]
}

#[test]
fn a_client_that_returns() {
    let returned = |tape: &Tape| reached(tape, Goal::ClientReturned);
    assert_eq!(returned(&Tape::two()), 0);
    assert_eq!(returned(&Tape::two().event(Event::Gone { socket: B }).open(C, 1)), 1);
    assert_eq!(returned(&Tape::two().open_in(C, 1, NamespaceId(1))), 0, "a second namespace is no return");
}

#[test]
fn one_room_in_two_namespaces() {
    let shared = |tape: &Tape| reached(tape, Goal::SameRoomTwoNamespaces);
    let other = NamespaceId(1);
    assert_eq!(shared(&Tape::two().open_in(C, 1, other).join(0, B).join(1, C)), 1);
    assert_eq!(shared(&Tape::two().open_in(C, 2, other).join(0, B).join(1, C)), 0, "another client's");
    assert_eq!(shared(&Tape::two().open(C, 1).join(0, B).join(1, C)), 0, "in one namespace");
    let blue = Action::Join { socket: C, rooms: vec![RoomId(1)] };
    assert_eq!(shared(&Tape::two().open_in(C, 1, other).join(0, B).ask(1, C, blue).answered(1)), 0, "another room");
}

/// From the CONNECT that asks for the session until it is back.
#[test]
fn a_message_that_meets_a_return() {
    let met = |tape: &Tape| reached(tape, Goal::RestoreOverlappedEmit);
    let asks = |tape: Tape| tape.open(C, 1);
    let back = |tape: Tape| tape.event(Event::Resumed { socket: B });
    let cut = || Tape::two().join(0, B).event(Event::Cut { socket: B });
    assert_eq!(met(&back(asks(cut()).emit(1, A, room())).gets(B, 1)), 1, "on its way back");
    assert_eq!(met(&back(asks(cut().emit(1, A, room()))).gets(B, 1)), 0, "ahead of that");
    assert_eq!(met(&back(asks(cut())).emit(1, A, room()).gets(B, 1)), 0, "behind it");
    assert_eq!(met(&back(cut().emit(1, A, room())).gets(B, 1)), 0, "nobody saw how it asked");
    let at_once = cut().ask(1, A, Action::Emit(room())).event(Event::Resumed { socket: B }).answered(1).gets(B, 1);
    assert_eq!(met(&at_once), 1, "while it was back");
    assert_eq!(met(&back(asks(cut()).emit(1, A, Emission { volatile: true, ..room() }))), 0, "it is not owed");
    let stale = Tape::two().open(C, 1).join(0, B).event(Event::Cut { socket: B }).emit(1, A, room());
    assert_eq!(met(&back(stale).gets(B, 1)), 0, "that CONNECT was ahead of the outage");
    let met_on_its_way = back(asks(cut()).emit(1, A, room())).gets(B, 1);
    assert_eq!(met(&tied(&met_on_its_way, 6, 7)), 0, "perhaps it was");
}

#[test]
fn a_message_without_an_answer_may_not_be_sent() {
    let counts = |tape: &Tape| {
        let certainty = check(&tape.0).certainty;
        [certainty.must, certainty.must_not, certainty.may, certainty.undecided]
    };
    assert_eq!(counts(&Tape::two().join(0, B).ask(1, A, Action::Emit(room()))), [0, 1, 1, 0]);
    let others = Emission { excludes_sender: true, ..everybody() };
    let three = Tape::two().open(C, 2).emit(0, A, others.clone()).emit(1, A, others);
    assert_eq!(counts(&three), [4, 2, 0, 4]);
}

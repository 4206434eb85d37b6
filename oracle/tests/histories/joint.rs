//! One change under way and several messages: together they say what none of them says alone.

use sio_oracle::exact::check;
use sio_oracle::history::{Action, ClientId, Emission, Event, NamespaceId, NodeId, Room, RoomId, SocketId};
use sio_oracle::{Breach, Invariant};

use crate::by_hand::{A, B, MAIN, R, Tape, everybody, room};
use crate::instants::tied;

const C: SocketId = SocketId(2);
const BLUE: RoomId = RoomId(1);

fn join(socket: SocketId) -> Action {
    Action::Join { socket, rooms: vec![R] }
}

fn leave(socket: SocketId) -> Action {
    Action::Leave { socket, room: R }
}

fn to(rooms: &[RoomId]) -> Emission {
    Emission { rooms: rooms.iter().map(|room| Room::Named(*room)).collect(), ..everybody() }
}

/// B has the first and not the second, while a change is under way that was asked for as operation 0.
fn first_only(tape: Tape, emission: &Emission) -> Tape {
    tape.emit(1, A, emission.clone()).emit(2, A, emission.clone()).gets(B, 1).answered(0).fence(3, B)
}

fn second_only(tape: Tape) -> Tape {
    tape.emit(1, A, room()).emit(2, A, room()).gets(B, 2).answered(0).fence(3, B)
}

fn has_no_order(tape: &Tape) {
    tape.breaks(Invariant::NoLoss, Breach::NoOrder);
}

#[test]
fn what_came_first_shows_that_the_join_had_happened() {
    let joining = || Tape::two().ask(0, B, join(B));
    has_no_order(&first_only(joining(), &room()));
    second_only(joining()).clean();
    first_only(joining(), &Emission { volatile: true, ..room() }).clean();
    has_no_order(&first_only(joining(), &Emission { excludes_sender: true, ..room() }));
    let leaving = || Tape::two().join(9, B).ask(0, B, leave(B));
    has_no_order(&second_only(leaving()));
    first_only(leaving(), &room()).clean();
}

#[test]
fn what_is_not_decided_shows_nothing() {
    let joining = || Tape::two().ask(0, B, join(B));
    joining().emit(1, A, room()).emit(2, A, room()).gets(B, 1).answered(0).clean();
    let open = joining().emit(1, A, room()).ask(2, A, Action::Emit(room()));
    open.gets(B, 1).answered(0).fence(3, B).clean();
    let tape = first_only(joining(), &room());
    tied(&tape, 6, 7).clean();
    joining().emit(1, A, room()).gets(B, 1).fence(4, B).emit(2, A, room()).answered(0).clean();
    let put_out = joining().emit(1, A, room()).emit(2, A, room()).ask(9, A, Action::Disconnect { socket: B });
    let put_out = put_out.gets(B, 1).answered(0).fence(3, B);
    has_no_order(&put_out);
    tied(&put_out, 8, 9).clean();
}

/// A sender that is left out gets nothing, joined or not.
#[test]
fn a_sender_that_is_left_out_shows_nothing() {
    let own = Emission { excludes_sender: true, ..room() };
    let tape = Tape::two().ask(0, B, join(B)).emit(1, A, room()).gets(B, 1).emit(2, B, own);
    tape.answered(0).fence(3, B).clean();
    let tape = Tape::two().ask(0, B, join(B)).emit(1, B, room()).emit(2, B, room());
    has_no_order(&tape.gets(B, 1).answered(0).fence(3, B));
}

#[test]
fn in_the_order_of_handlers_others_are_judged_as_before() {
    let mut tape = first_only(Tape::two().ask(0, B, join(B)), &room());
    tape.0.assumptions.in_order_handlers = true;
    has_no_order(&tape);
}

/// Two changes under way: either may have brought it.
#[test]
fn of_two_changes_neither_is_shown() {
    let both = to(&[R, BLUE]);
    let blue = Action::Join { socket: B, rooms: vec![BLUE] };
    let tape = Tape::two().ask(0, B, join(B)).ask(1, A, Action::Emit(both)).ask(4, B, blue).answered(1).gets(B, 1);
    tape.emit(2, A, room()).answered(4).answered(0).fence(3, B).clean();
    let left = Tape::two().ask(0, B, join(B)).emit(1, A, room()).gets(B, 1).ask(4, B, leave(B)).answered(4);
    left.emit(2, A, room()).answered(0).fence(3, B).clean();
}

/// Who is in another of the rooms is in the target with or without the change.
#[test]
fn another_room_may_have_brought_it() {
    let both = to(&[R, BLUE]);
    let blue = |by| Action::Join { socket: B, rooms: vec![if by == B { BLUE } else { R }] };
    let sent = |tape: Tape| tape.emit(1, A, both.clone()).emit(2, A, room()).gets(B, 1).answered(0).fence(3, B);
    sent(Tape::two().ask(4, B, blue(B)).answered(4).ask(0, B, join(B))).clean();
    has_no_order(&sent(Tape::two().ask(0, B, join(B))));
    let connect = Event::Connect { socket: B, client: ClientId(1), namespace: MAIN, node: NodeId(0) };
    let unsure = Tape::default().open(A, 0).event(connect).ask(4, A, blue(B)).answered(4).connected(B, None);
    sent(unsure.ask(0, B, join(B))).clean();
}

/// A question is not brought back by a recovery: that it did not come says nothing of who was chosen.
#[test]
fn what_was_lost_in_an_outage_shows_nothing() {
    let asks = Emission { asks: true, ..room() };
    let tape = Tape::two().ask(0, B, join(B)).emit(1, A, room()).ask(2, A, Action::Emit(asks)).answered(0);
    let tape = tape.event(Event::Cut { socket: B }).event(Event::Resumed { socket: B }).answered(2).gets(B, 1);
    tape.fence(3, B).clean();
}

/// What was done before, and apart, tells where the change began.
#[test]
fn what_was_done_before_counts() {
    let joined = || Tape::two().join(8, B);
    let left = || joined().ask(9, B, leave(B)).answered(9);
    has_no_order(&first_only(left().ask(0, B, join(B)), &room()));
    has_no_order(&second_only(joined().ask(0, B, leave(B))));
    let twice = Tape::two().ask(7, B, join(B)).ask(8, B, join(B)).answered(7).answered(8);
    has_no_order(&second_only(twice.ask(0, B, leave(B))));
    let later = first_only(Tape::two().ask(0, B, join(B)), &room());
    has_no_order(&later.ask(9, B, leave(B)).answered(9));
}

/// The change that does not lie apart from this one may have come behind it.
#[test]
fn changes_that_touch_have_no_order() {
    let tape = Tape::two().ask(0, B, join(B)).answered(0).ask(4, B, leave(B));
    let tape = tape.emit(1, A, room()).emit(2, A, room()).gets(B, 2).answered(4).fence(3, B);
    has_no_order(&tape);
    tied(&tape, 5, 6).silent();
    let tape = Tape::two().ask(0, B, join(B)).emit(1, A, room()).emit(2, A, room()).answered(0).ask(4, B, leave(B));
    let tape = tape.answered(4).gets(B, 1).fence(3, B);
    has_no_order(&tape);
    tied(&tape, 9, 10).silent();
    let left = Tape::two().ask(9, B, leave(B)).answered(9).ask(0, B, join(B));
    let tape = first_only(left, &room());
    has_no_order(&tape);
    tied(&tape, 5, 6).silent();
    let left = Tape::two().join(8, B).ask(9, B, leave(B)).answered(9).ask(0, B, join(B));
    let tape = first_only(left, &room());
    has_no_order(&tape);
    tied(&tape, 5, 6).silent();
}

/// A circle that is entered from outside of it.
#[test]
fn a_circle_is_found_from_outside() {
    let d = SocketId(3);
    let tape = Tape::default().open(d, 3).open(A, 0).open(B, 1).open(C, 2);
    let tape = tape.ask(6, d, join(d)).ask(0, B, join(B)).ask(1, C, join(C));
    let tape = tape.ask(2, A, Action::Emit(room())).ask(3, A, Action::Emit(room())).answered(2).answered(3);
    let tape = tape.gets(d, 2).gets(d, 3).gets(B, 2).gets(C, 3).answered(0).answered(1).answered(6);
    tape.fence(4, B).fence(5, C).breaks(Invariant::Snapshot, Breach::NoInstant);
    let remark = &check(&tape_of_two().0).remarks[0];
    assert_eq!(remark.because.len(), 4, "{:#?}", remark.because);
}

fn tape_of_two() -> Tape {
    let tape = Tape::two().open(C, 2).ask(0, B, join(B)).ask(1, C, join(C));
    let tape = tape.ask(2, A, Action::Emit(room())).ask(3, A, Action::Emit(room())).answered(2).answered(3);
    tape.gets(B, 2).gets(C, 3).answered(0).answered(1).fence(4, B).fence(5, C)
}

#[test]
fn what_contradicts_each_other_is_told() {
    let found = check(&first_only(Tape::two().ask(0, B, join(B)), &room()).0).violations.swap_remove(0);
    assert_eq!(found.message.map(|message| message.0), Some(2), "the one that did not come");
    assert_eq!(
        found.summary,
        "no order of the operations leaves what socket 1 received: message 2 and others contradict each other"
    );
    assert_eq!(
        found.because,
        [
            "socket 1 did not receive message 2, so the recipients of message 2 were chosen before the change of room 0 \
             asked for at 0.005 ms took effect",
            "socket 1 received message 1, so the change of room 0 asked for at 0.005 ms took effect before the recipients \
             of message 1 were chosen",
        ]
    );
}

/// The namespace of the socket decides, not the name of its room.
#[test]
fn a_message_of_another_namespace_shows_nothing() {
    let other = NamespaceId(1);
    let tape = Tape::default().open(A, 0).open_in(B, 1, other).open_in(C, 2, other).ask(0, B, join(B));
    let tape = tape.emit(1, C, Emission { namespace: other, ..room() }).gets(B, 1).emit(2, A, room());
    tape.answered(0).fence(3, B).clean();
}

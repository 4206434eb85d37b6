//! How many acknowledged a question, and who was heard in time.

use sio_oracle::exact::check;
use sio_oracle::history::{Action, Answer, Emission, Event, NamespaceId, OperationId, Room, SocketId, Time};
use sio_oracle::{Breach, Goal, Invariant};

use crate::by_hand::{A, B, MAIN, R, Tape, everybody};
use crate::instants::tied;

const C: SocketId = SocketId(2);

fn question(patience: Time) -> Action {
    Action::Emit(Emission { asks: true, excludes_sender: true, patience, ..everybody() })
}

fn acknowledges(tape: Tape, socket: SocketId) -> Tape {
    tape.event(Event::Acknowledged { socket, message: OperationId(0) })
}

fn in_order(mut tape: Tape) -> Tape {
    tape.0.assumptions.in_order_handlers = true;
    tape
}

/// Asked at 5 µs: the answer of whoever was heard before 5 µs and the patience are over is counted.
fn heard_with(patience: Time) -> Tape {
    let asked = Tape::two().ask(0, A, question(patience)).gets(B, 0);
    acknowledges(asked, B).fence(1, B)
}

fn timed_out(tape: Tape, count: u32) -> Tape {
    in_order(tape.with(0, Answer::TimedOut(count)))
}

fn is_false(tape: &Tape) {
    tape.breaks(Invariant::AckOnce, Breach::Acknowledgements);
}

#[test]
fn who_was_heard_in_time_is_counted() {
    // The fence was answered at 9 µs.
    is_false(&timed_out(heard_with(5_000), 0));
    timed_out(heard_with(5_000), 1).clean();
    timed_out(heard_with(4_000), 0).clean();
    timed_out(heard_with(3_000), 0).clean();
    timed_out(heard_with(0), 0).clean();
    heard_with(5_000).with(0, Answer::TimedOut(0)).clean();
    is_false(&timed_out(heard_with(5_000), 2));
    is_false(&timed_out(heard_with(0), 2));
}

/// What the connection asked for behind the acknowledgement shows that it had come.
#[test]
fn what_shows_that_an_acknowledgement_had_come() {
    let asked = || Tape::two().ask(0, A, question(1_000_000)).gets(B, 0);
    is_false(&timed_out(acknowledges(asked(), B).fence(1, B), 0));
    timed_out(acknowledges(asked().fence(1, B), B), 0).clean();
    timed_out(acknowledges(asked().ask(1, B, Action::Fence), B).answered(1), 0).clean();
    timed_out(tied(&acknowledges(asked(), B).fence(1, B), 6, 7), 0).clean();
    timed_out(acknowledges(asked(), B).fence(1, A), 0).clean();
    timed_out(asked().fence(1, B), 0).clean();
    timed_out(asked().event(Event::Acknowledged { socket: B, message: OperationId(7) }).fence(1, B), 0).clean();
    timed_out(acknowledges(asked(), A).fence(1, A).fence(2, B), 0).clean();
    let away = acknowledges(asked(), B).event(Event::Cut { socket: B }).event(Event::Resumed { socket: B }).fence(1, B);
    timed_out(away, 0).clean();
    let earlier = asked().event(Event::Cut { socket: B }).event(Event::Resumed { socket: B });
    is_false(&timed_out(acknowledges(earlier, B).fence(1, B), 0));
    let later = acknowledges(asked(), B).fence(1, B).event(Event::Cut { socket: B });
    is_false(&timed_out(later.event(Event::Resumed { socket: B }), 0));
}

/// Who was not asked is not counted, though it answers.
#[test]
fn who_is_no_recipient_is_not_heard() {
    let to_room = Emission { asks: true, rooms: vec![Room::Named(R)], patience: 1_000_000, ..everybody() };
    let asked = Tape::two().ask(0, A, Action::Emit(to_room));
    timed_out(acknowledges(asked, B).fence(1, B), 0).clean();
}

/// Another node's recipients are chosen, and heard, by others.
#[test]
fn who_is_far_is_not_heard_for_certain() {
    use sio_oracle::history::{ClientId, NodeId};
    let far = Event::Connect { socket: B, client: ClientId(1), namespace: MAIN, node: NodeId(1) };
    let tape = Tape::default().open(A, 0).event(far).connected(B, None).ask(0, A, question(1_000_000)).gets(B, 0);
    timed_out(acknowledges(tape, B).fence(1, B), 0).clean();
}

/// A complete count is that of those who were there all the time.
#[test]
fn a_complete_count_is_that_of_all_who_stayed() {
    let asked = || Tape::two().ask(0, A, question(0)).gets(B, 0);
    let counted = |tape: Tape, count| tape.with(0, Answer::Acknowledgements(count));
    counted(asked(), 1).clean();
    is_false(&counted(asked(), 0));
    is_false(&counted(asked(), 2));
    counted(asked().event(Event::Cut { socket: B }), 0).clean();
    let cut_at_once = counted(asked(), 0).event(Event::Cut { socket: B });
    is_false(&cut_at_once);
    tied(&cut_at_once, 6, 7).clean();
    counted(asked().event(Event::Cut { socket: B }).event(Event::Resumed { socket: B }), 0).clean();
    tied(&counted(asked(), 0), 3, 4).clean();
    let back = Tape::two().event(Event::Cut { socket: B }).event(Event::Resumed { socket: B });
    is_false(&counted(back.ask(0, A, question(0)).gets(B, 0), 0));
    let connecting = Tape::default().open(A, 0).ask(0, A, question(0)).open(B, 1);
    counted(connecting, 0).clean();
    let apart = || Tape::two().open_in(C, 2, NamespaceId(1)).ask(0, A, question(0)).gets(B, 0);
    counted(apart(), 1).clean();
    is_false(&counted(apart(), 2));
}

/// The proof holds what happened to everybody who may be meant, and to nobody else.
#[test]
fn a_false_count_rests_on_the_lives_of_all_who_may_be_meant() {
    let tape = Tape::two().open_in(C, 2, NamespaceId(1)).ask(0, A, question(0)).gets(B, 0);
    let tape = tape.with(0, Answer::Acknowledgements(3));
    let found = check(&tape.0).violations;
    assert_eq!(found[0].events, [0, 1, 2, 3, 6, 8], "A and B, and the question");
    let late = timed_out(heard_with(5_000), 0);
    let found = check(&late.0).violations;
    assert_eq!(found[0].events, [0, 1, 2, 3, 4, 6, 7, 8, 9], "the acknowledgement and the fence as well");
}

#[test]
fn a_count_is_told_in_words() {
    let told = |tape: Tape| check(&tape.0).violations[0].summary.clone();
    assert_eq!(
        told(timed_out(heard_with(5_000), 0)),
        "the time for message 0 ran out with 0 acknowledgements; 1 can have come"
    );
    assert_eq!(
        told(timed_out(heard_with(0), 2)),
        "the time for message 0 ran out with 2 acknowledgements; 0 to 1 can have come"
    );
}

#[test]
fn goals_of_questions() {
    let reached = |tape: &Tape, goal: Goal| check(&tape.0).certainty.goals[goal as usize];
    let asked = || Tape::two().ask(0, A, question(0)).gets(B, 0);
    let answered = |count| asked().with(0, Answer::Acknowledgements(count));
    assert_eq!([0, 1].map(|count| reached(&answered(count), Goal::BroadcastAcknowledged)), [0, 1]);
    let vain = |tape: &Tape| reached(tape, Goal::AnsweredInVain);
    assert_eq!(vain(&timed_out(heard_with(5_000), 1)), 1);
    assert_eq!(vain(&timed_out(heard_with(0), 1)), 0, "nobody knows whether it was in time");
    assert_eq!(vain(&answered(1)), 0);
    let listed = |sockets| {
        let asked = Tape::two().join(0, B).ask(1, A, Action::Presence { namespace: MAIN, rooms: vec![Room::Named(R)] });
        reached(&asked.with(1, Answer::Present { sockets, strangers: 0 }), Goal::MembersListed)
    };
    assert_eq!((listed(vec![B]), listed(vec![])), (1, 0));
}

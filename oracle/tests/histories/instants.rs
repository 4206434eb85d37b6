//! What is decided by the order of two things is not decided when they were seen at one instant.

use sio_oracle::exact::check;
use sio_oracle::history::{Action, Answer, Emission, Event, Room};
use sio_oracle::verify::verify;
use sio_oracle::{Breach, Proof};

use crate::by_hand::{A, B, MAIN, R, Tape, everybody, room};

/// The history with one time for the events from one place to another.
pub fn tied(tape: &Tape, from: usize, to: usize) -> Tape {
    let mut tied = Tape(tape.0.clone());
    let at = tied.0.events[from].at;
    tied.0.events[from..=to].iter_mut().for_each(|stamped| stamped.at = at);
    tied
}

/// A breach that rests on one event being ahead of another: with both at one instant nobody is accused, and who claims it
/// all the same is refuted.
fn rests_on(tape: &Tape, breach: Breach, earlier: usize, later: usize) {
    let found = check(&tape.0).violations;
    let violation = found.iter().find(|violation| violation.breach == breach).expect("it is found");
    verify(&Proof::new(&tape.0, violation)).expect("it is confirmed");
    let tied = tied(tape, earlier, later);
    let found = check(&tied.0).violations;
    assert!(found.iter().all(|violation| violation.breach != breach), "{breach:?} {earlier} {later}: {found:#?}");
    assert!(verify(&Proof::new(&tied.0, violation)).is_err(), "{breach:?} {earlier} {later}");
}

/// Two sockets are opened by the events 0 to 3; every operation is two more.
#[test]
fn one_instant_decides_nothing() {
    let fenced = Tape::two().join(0, B).emit(1, A, room()).fence(2, B);
    rests_on(&fenced, Breach::Missing, 5, 6); // the join and the message
    rests_on(&fenced, Breach::Missing, 7, 8); // the message and the fence
    let everybody_fenced = Tape::two().emit(0, A, everybody()).gets(A, 0).fence(1, B);
    rests_on(&everybody_fenced, Breach::Missing, 3, 4); // the connection and the message
    let passed = Tape::two().emit(0, A, without_sender()).emit(1, A, without_sender()).gets(B, 1);
    rests_on(&passed, Breach::Missing, 5, 6); // the two messages
    let left = Tape::two().join(0, B).ask(1, B, Action::Leave { socket: B, room: R }).answered(1);
    rests_on(&left.emit(2, A, room()).gets(B, 2), Breach::Phantom, 7, 8); // the leave and the message
    let gone = Tape::two().event(Event::Gone { socket: B }).emit(0, A, everybody()).gets(A, 0).gets(B, 0);
    rests_on(&gone, Breach::Phantom, 4, 5); // the end and the message
    let swapped =
        Tape::two().emit(0, A, everybody()).gets(A, 0).emit(1, A, everybody()).gets(A, 1).gets(B, 1).gets(B, 0);
    rests_on(&swapped, Breach::Overtaken, 5, 7); // the two messages
    let question = Action::Presence { namespace: MAIN, rooms: vec![Room::Named(R)] };
    let nobody = Answer::Present { sockets: vec![], strangers: 0 };
    rests_on(&Tape::two().join(0, B).ask(1, A, question).with(1, nobody), Breach::Members, 5, 6); // the join and the question
}

fn without_sender() -> Emission {
    Emission { excludes_sender: true, ..everybody() }
}

/// M5: where handlers keep the order of one connection, a later change that happened leaves nothing of an earlier one, even
/// of one that was never answered.
#[test]
fn a_later_change_of_the_same_connection_counts() {
    let mut tape = Tape::two()
        .ask(0, B, Action::Join { socket: B, rooms: vec![R] })
        .ask(1, B, Action::Leave { socket: B, room: R })
        .answered(1)
        .emit(2, A, room())
        .gets(B, 2);
    tape.clean();
    tape.0.assumptions.in_order_handlers = true;
    let found = check(&tape.0).violations;
    assert_eq!(found.iter().map(|violation| violation.breach).collect::<Vec<_>>(), [Breach::Phantom], "{found:#?}");
}

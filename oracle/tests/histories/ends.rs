//! How connections begin and end, and what is certain of it.

use sio_oracle::exact::{check, membership};
use sio_oracle::history::{Action, Answer, ClientId, Event, NodeId, OperationId, Room, SocketId};
use sio_oracle::{Breach, Invariant, Tri};

use crate::by_hand::{A, B, MAIN, R, Tape, everybody, room};
use crate::instants::tied;

const C: SocketId = SocketId(2);

fn kick(socket: SocketId) -> Action {
    Action::Disconnect { socket }
}

fn others() -> sio_oracle::history::Emission {
    sio_oracle::history::Emission { excludes_sender: true, ..everybody() }
}

fn cut(tape: Tape) -> Tape {
    tape.event(Event::Cut { socket: B })
}

fn back(tape: Tape) -> Tape {
    tape.event(Event::Resumed { socket: B })
}

fn connecting() -> Tape {
    let connect = Event::Connect { socket: B, client: ClientId(1), namespace: MAIN, node: NodeId(0) };
    Tape::default().open(A, 0).event(connect)
}

fn listed(tape: Tape) -> Tape {
    let question = Action::Presence { namespace: MAIN, rooms: vec![Room::Named(R)] };
    tape.ask(8, A, question).with(8, Answer::Present { sockets: vec![B], strangers: 0 })
}

fn is_phantom(tape: Tape) {
    tape.emit(9, A, others()).gets(B, 9).breaks(Invariant::NoPhantom, Breach::Phantom);
}

/// Neither a copy nor none accuses.
fn may_be_gone(tape: impl Fn() -> Tape) {
    tape().emit(9, A, others()).gets(B, 9).clean();
    tape().emit(9, A, others()).fence(10, B).clean();
}

#[test]
fn who_was_put_out_is_gone() {
    is_phantom(Tape::two().ask(0, A, kick(B)).answered(0));
    is_phantom(Tape::two().ask(0, B, kick(B)).answered(0));
    may_be_gone(|| Tape::two().ask(0, A, kick(B)));
    may_be_gone(|| Tape::two().ask(0, A, kick(B)).with(0, Answer::Refused));
    let another = Tape::two().open(C, 2).ask(0, A, kick(C)).answered(0).emit(9, A, others()).fence(10, B);
    another.breaks(Invariant::NoLoss, Breach::Missing);
    is_phantom(back(cut(Tape::two())).ask(0, A, kick(B)).answered(0));
}

/// Who was not there for certain when it was asked for may have come behind it.
#[test]
fn who_was_just_connecting_was_perhaps_not_put_out() {
    may_be_gone(|| connecting().ask(0, A, kick(B)).answered(0).connected(B, None));
    may_be_gone(|| connecting().ask(0, A, kick(B)).connected(B, None).answered(0));
    let asked_behind = Tape::two().ask(0, A, kick(B)).answered(0).emit(9, A, others()).gets(B, 9);
    asked_behind.breaks(Invariant::NoPhantom, Breach::Phantom);
    tied(&asked_behind, 3, 4).clean();
}

/// Who was away was not there to be put out; whoever is back behind the answer has not been.
#[test]
fn who_was_away_was_perhaps_not_put_out() {
    let joined = || Tape::two().join(0, B);
    let behind = || back(cut(joined().ask(1, A, kick(B))).answered(1));
    behind().emit(2, A, room()).fence(3, B).breaks(Invariant::NoLoss, Breach::Missing);
    behind().emit(2, A, room()).gets(B, 2).fence(3, B).clean();
    let at_once = behind().emit(2, A, room()).fence(3, B);
    tied(&at_once, 8, 9).clean();
    may_be_gone(|| back(cut(joined().ask(1, A, kick(B)))).answered(1));
    let before = || back(cut(joined())).ask(1, A, kick(B)).answered(1);
    is_phantom(before());
    let at_that_instant = tied(&before(), 7, 8);
    is_phantom(at_that_instant);
    // It broke, and nobody knows how it ended: the server may have noticed that first.
    listed(cut(joined()).ask(1, A, kick(B)).answered(1)).clean();
    listed(cut(joined().ask(1, A, kick(B)).answered(1))).breaks(Invariant::Presence, Breach::Members);
    tied(&listed(cut(joined().ask(1, A, kick(B)).answered(1))), 7, 8).clean();
    listed(joined().ask(1, A, kick(B)).answered(1)).breaks(Invariant::Presence, Breach::Members);
    listed(cut(joined().ask(1, A, kick(B))).answered(1)).clean();
}

/// What its own connection was answered is certain, whatever else was.
#[test]
fn who_asks_to_be_put_out_is_gone_once_it_is_answered() {
    let twice = Tape::two().ask(0, A, kick(B)).ask(1, B, kick(B)).answered(1);
    is_phantom(twice);
}

#[test]
fn how_it_ended_is_told() {
    let ended = |tape: Tape| {
        let tape = tape.emit(9, A, room()).gets(B, 9);
        let because = check(&tape.0).violations.swap_remove(0).because;
        because.into_iter().find(|why| why.starts_with("its connection was")).expect("it is told")
    };
    let own = || Tape::two().ask(0, B, kick(B));
    assert_eq!(ended(own().answered(0)), "its connection was closed at 0.005 ms");
    assert_eq!(ended(own()), "its connection was lost or closed from elsewhere at 0.005 ms");
    let kicked = Tape::two().ask(0, A, kick(B)).answered(0);
    assert_eq!(ended(kicked), "its connection was lost or closed from elsewhere at 0.005 ms");
    let both = Tape::two().ask(0, A, kick(B)).answered(0).ask(1, B, kick(B)).answered(1);
    assert_eq!(ended(both), "its connection was lost or closed from elsewhere at 0.005 ms");
}

/// Ahead of its CONNECT nothing is for it; from then on it may be, and behind the answer it is.
#[test]
fn where_a_connection_begins() {
    let sent = Tape::default().open(A, 0).emit(0, A, others());
    sent.open(B, 1).gets(B, 0).breaks(Invariant::NoPhantom, Breach::Phantom);
    let at_once = || Tape::default().open(A, 0).emit(0, A, others()).open(B, 1).gets(B, 0);
    tied(&at_once(), 2, 4).clean();
    tied(&at_once(), 3, 4).clean();
    let early = connecting().emit(0, A, others()).gets(B, 0).connected(B, None);
    early.breaks(Invariant::ConnectFirst, Breach::TooEarly);
    tied(&early, 5, 6).clean();
}

/// A list that was asked for until the very instant at which the connection broke.
#[test]
fn what_breaks_at_the_instant_of_an_answer_was_perhaps_gone() {
    let question = Action::Presence { namespace: MAIN, rooms: vec![Room::Named(R)] };
    let nobody = Answer::Present { sockets: vec![], strangers: 0 };
    let asked = cut(Tape::two().join(0, B).ask(1, A, question).with(1, nobody));
    asked.breaks(Invariant::Presence, Breach::Members);
    tied(&asked, 7, 8).clean();
}

/// A change that may have met nobody, or an outage, is not certain; one that met a member is.
#[test]
fn a_change_of_who_was_not_there_throughout_may_not_have_happened() {
    let join = Action::Join { socket: B, rooms: vec![R] };
    let sent = |tape: Tape| tape.emit(1, A, room()).fence(2, B);
    sent(connecting().ask(0, A, join.clone()).answered(0).connected(B, None)).clean();
    sent(connecting().ask(0, A, join.clone()).connected(B, None).answered(0)).clean();
    let behind = sent(connecting().connected(B, None).ask(0, A, join.clone()).answered(0));
    behind.breaks(Invariant::NoLoss, Breach::Missing);
    tied(&behind, 3, 4).clean();
    sent(back(cut(Tape::two().ask(0, A, join.clone()))).answered(0)).clean();
    sent(back(cut(Tape::two().ask(0, A, join.clone())).answered(0))).clean();
    let ahead = sent(back(cut(Tape::two().ask(0, A, join.clone()).answered(0))));
    ahead.breaks(Invariant::NoLoss, Breach::Missing);
    tied(&ahead, 5, 6).clean();
    let kicked = Tape::two().ask(0, A, join.clone()).ask(3, A, kick(B)).answered(0);
    kicked.emit(1, A, room()).fence(2, B).clean();
}

/// What is there throughout an outage is listed by some servers and not by others.
#[test]
fn who_is_away_may_be_listed_or_not() {
    let question = || Action::Presence { namespace: MAIN, rooms: vec![Room::Named(R)] };
    for sockets in [vec![], vec![B]] {
        let asked = cut(Tape::two().join(0, B)).ask(1, A, question());
        back(asked.with(1, Answer::Present { sockets: sockets.clone(), strangers: 0 })).clean();
    }
    let outside = back(cut(Tape::two()).ask(1, A, question()));
    let found = Answer::Present { sockets: vec![B], strangers: 0 };
    outside.with(1, found).breaks(Invariant::Presence, Breach::Members);
}

#[test]
fn a_membership_is_told_from_instant_to_instant() {
    let leave = Action::Leave { socket: B, room: R };
    let tape = Tape::two().join(0, B).ask(1, A, Action::Emit(room())).ask(2, B, leave).answered(2).answered(1);
    let told = |message, socket| membership(&tape.0, OperationId(message), socket);
    let expected = [(1_000, Tri::F), (5_000, Tri::U), (6_000, Tri::T), (8_000, Tri::U), (9_000, Tri::F)];
    assert_eq!(told(1, B), expected);
    assert_eq!(told(1, A), [(1_000, Tri::F)]);
    assert_eq!((told(0, B), told(1, SocketId(7))), (vec![], vec![]), "of which there is no such message, or socket");
}

/// Changes within the time in which the recipients were chosen.
#[test]
fn who_comes_and_goes_while_a_message_is_sent_may_get_it() {
    let leave = Action::Leave { socket: B, room: R };
    let sent = || {
        let sent = Tape::two().ask(1, A, Action::Emit(room())).join(0, B);
        sent.ask(2, B, leave.clone()).answered(2).answered(1)
    };
    sent().gets(B, 1).clean();
    sent().fence(3, B).clean();
}

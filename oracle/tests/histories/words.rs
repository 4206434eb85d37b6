//! What is told of a violation: who, what, when, and what it rests on. Somebody has to find a bug by it.

use sio_oracle::exact::check;
use sio_oracle::history::{
    Action, Answer, ClientId, Emission, Event, History, NamespaceId, NodeId, OperationId, Room, RoomChange, RoomId,
    SocketId,
};
use sio_oracle::{Breach, Certainty, Goal, Tri};

use crate::by_hand::{A, B, R, Tape, everybody, room};
use crate::instants::tied;

/// The summary of the first violation of a kind, and what is said for it.
fn told(tape: &Tape, breach: Breach) -> Vec<String> {
    let findings = check(&tape.0);
    let all = findings.violations.into_iter().chain(findings.remarks);
    let violation = all.into_iter().find(|violation| violation.breach == breach).expect("it is found");
    std::iter::once(violation.summary).chain(violation.because).collect()
}

fn named(mut tape: Tape) -> Tape {
    tape.0.names.sockets = vec!["ann".to_owned(), "bob".to_owned()];
    tape.0.names.rooms = vec!["red".to_owned(), "blue".to_owned()];
    tape.0.names.namespaces = vec!["/".to_owned(), "/chat".to_owned()];
    tape
}

fn says(tape: &Tape, breach: Breach, expected: &[&str]) {
    assert_eq!(told(tape, breach), expected, "{breach:?}");
}

fn excluding() -> Emission {
    Emission { excludes_sender: true, ..everybody() }
}

#[test]
fn a_loss_says_why_the_message_was_owed() {
    says(
        &named(Tape::two().join(0, B).emit(1, A, room()).fence(2, B)),
        Breach::Missing,
        &[
            "bob did not receive message 1",
            "ann sent message 1 to room red, between 0.007 ms and the answer at 0.008 ms",
            "bob was connected at 0.004 ms",
            "its join of red was asked for at 0.005 ms and done by 0.006 ms",
            "bob asked something at 0.009 ms and had the answer at 0.010 ms, ahead of which everything emitted before must come; the message never came",
        ],
    );
    says(
        &named(Tape::two().join(0, B).emit(1, A, room()).fence(2, B).gets(B, 1)),
        Breach::Missing,
        &[
            "bob did not receive message 1",
            "ann sent message 1 to room red, between 0.007 ms and the answer at 0.008 ms",
            "bob was connected at 0.004 ms",
            "its join of red was asked for at 0.005 ms and done by 0.006 ms",
            "bob asked something at 0.009 ms and had the answer at 0.010 ms, ahead of which everything emitted before must come; the message came only at 0.011 ms",
        ],
    );
    says(
        &named(Tape::two().emit(0, A, excluding()).emit(1, A, excluding()).gets(B, 1).event(Event::Cut { socket: B })),
        Breach::Missing,
        &[
            "bob did not receive message 0",
            "ann sent message 0 to everybody in /, without itself, between 0.005 ms and the answer at 0.006 ms",
            "bob was connected at 0.004 ms",
            "its connection was lost or closed from elsewhere at 0.010 ms",
            "bob received message 1, which was sent afterwards, at 0.009 ms; this one never came",
        ],
    );
    says(
        &named(
            Tape::two()
                .join(0, B)
                .event(Event::Cut { socket: B })
                .emit(1, A, room())
                .event(Event::Resumed { socket: B })
                .fence(2, B),
        ),
        Breach::Missing,
        &[
            "bob did not receive message 1",
            "ann sent message 1 to room red, between 0.008 ms and the answer at 0.009 ms",
            "bob was connected at 0.004 ms",
            "its connection was lost at 0.007 ms and recovered at 0.010 ms",
            "its join of red was asked for at 0.005 ms and done by 0.006 ms",
            "bob asked something at 0.011 ms and had the answer at 0.012 ms, ahead of which everything emitted before must come; the message never came",
        ],
    );
}

#[test]
fn what_was_not_for_somebody_says_why() {
    let blue = Room::Named(RoomId(1));
    says(
        &Tape::two()
            .emit(0, A, Emission { rooms: vec![Room::Named(R), blue], except: vec![Room::Own(A)], ..everybody() })
            .gets(B, 0),
        Breach::Phantom,
        &[
            "socket 1 received message 0, which was not for it",
            "socket 0 sent message 0 to rooms room 0, room 1 except socket 0's own room, between 0.005 ms and the answer at 0.006 ms",
            "socket 1 was connected at 0.004 ms",
            "it was never put into room 0",
            "it was never put into room 1",
            "it was never put into socket 0's own room",
            "a copy was read at 0.007 ms",
        ],
    );
    says(
        &named(
            Tape::two()
                .ask(0, B, Action::Leave { socket: B, room: R })
                .emit(1, A, Emission { volatile: true, ..room() })
                .gets(B, 1),
        ),
        Breach::Phantom,
        &[
            "bob received message 1, which was not for it",
            "ann sent volatile message 1 to room red, between 0.006 ms and the answer at 0.007 ms",
            "bob was connected at 0.004 ms",
            "its leave from red was asked for at 0.005 ms",
            "a copy was read at 0.008 ms",
        ],
    );
    says(
        &named(Tape::two().ask(0, A, Action::Emit(Emission { excludes_sender: true, ..room() })).gets(A, 0)),
        Breach::Phantom,
        &[
            "ann received message 0, which was not for it",
            "ann sent message 0 to room red, without itself, from 0.005 ms on; no answer came",
            "ann was connected at 0.002 ms",
            "it was never put into red",
            "a copy was read at 0.006 ms",
        ],
    );
    says(
        &named(
            Tape::two()
                .ask(0, A, Action::Emit(Emission { excludes_sender: true, ..room() }))
                .with(0, Answer::Refused)
                .gets(A, 0)
                .event(Event::Gone { socket: A }),
        ),
        Breach::Phantom,
        &[
            "ann received message 0, which was not for it",
            "ann sent message 0 to room red, without itself, from 0.005 ms on; the answer said that it failed",
            "ann was connected at 0.002 ms",
            "its connection was closed at 0.008 ms",
            "it was never put into red",
            "a copy was read at 0.007 ms",
        ],
    );
}

#[test]
fn what_came_in_a_wrong_way_says_how() {
    says(
        &named(Tape::two().join(0, B).emit(1, A, room()).gets(B, 1).gets(B, 1)),
        Breach::Duplicate,
        &[
            "bob received message 1 twice",
            "ann sent message 1 to room red, between 0.007 ms and the answer at 0.008 ms",
            "bob was connected at 0.004 ms",
            "its join of red was asked for at 0.005 ms and done by 0.006 ms",
            "a copy was read at 0.009 ms",
            "a copy was read at 0.010 ms",
        ],
    );
    says(
        &named(Tape::default().open(A, 0).open_in(B, 1, NamespaceId(1)).emit(0, A, everybody()).gets(A, 0).gets(B, 0)),
        Breach::WrongNamespace,
        &[
            "bob of /chat received message 0 of /",
            "ann sent message 0 to everybody in /, between 0.005 ms and the answer at 0.006 ms",
            "bob was connected at 0.004 ms",
            "a copy was read at 0.008 ms",
        ],
    );
    says(
        &named(Tape::two().emit(0, A, everybody()).gets(A, 0).emit(1, A, everybody()).gets(A, 1).gets(B, 1).gets(B, 0)),
        Breach::Overtaken,
        &[
            "bob received message 0 behind one that was sent later",
            "message 0 was answered at 0.006 ms, and message 1 sent only at 0.008 ms",
            "ann sent message 0 to everybody in /, between 0.005 ms and the answer at 0.006 ms",
            "bob was connected at 0.004 ms",
            "a copy was read at 0.011 ms",
            "a copy was read at 0.012 ms",
            "message 1 was read at 0.011 ms, message 0 at 0.012 ms",
        ],
    );
    says(
        &named(Tape::two().emit(0, A, excluding()).event(Event::Receive {
            socket: B,
            message: OperationId(0),
            intact: false,
        })),
        Breach::Altered,
        &[
            "bob received message 0 with other arguments",
            "ann sent message 0 to everybody in /, without itself, between 0.005 ms and the answer at 0.006 ms",
            "bob was connected at 0.004 ms",
            "a copy was read at 0.007 ms",
        ],
    );
}

#[test]
fn what_came_ahead_of_its_connection_says_so() {
    let connect = Event::Connect { socket: B, client: ClientId(1), namespace: NamespaceId(0), node: NodeId(0) };
    says(
        &named(Tape::default().open(A, 0).event(connect).emit(0, A, excluding()).gets(B, 0).connected(B, None)),
        Breach::TooEarly,
        &[
            "bob received message 0 ahead of its CONNECT",
            "ann sent message 0 to everybody in /, without itself, between 0.004 ms and the answer at 0.005 ms",
            "bob was connected at 0.007 ms",
            "a copy was read at 0.006 ms",
        ],
    );
}

/// Of one connection that is known to keep its order: an answer at the instant of the next message was not ahead of it.
#[test]
fn an_order_says_what_it_rests_on() {
    let mut sent = Tape::two().emit(0, A, excluding()).emit(1, A, excluding()).gets(B, 1).gets(B, 0);
    sent.0.assumptions.in_order_handlers = true;
    let why = |tape: &Tape| told(tape, Breach::Overtaken).swap_remove(1);
    assert_eq!(why(&sent), "message 0 was answered at 0.006 ms, and message 1 sent only at 0.007 ms");
    assert_eq!(why(&tied(&sent, 5, 6)), "one connection sent message 0 and then message 1");
}

/// A proof holds what it rests on and what could excuse the server, and nothing of others.
#[test]
fn a_proof_is_no_larger_than_it_has_to_be() {
    let c = SocketId(2);
    let events = |tape: &Tape| check(&tape.0).violations.swap_remove(0).events;
    let gone = || Tape::two().open(c, 2).ask(8, A, Action::Disconnect { socket: c }).answered(8);
    assert_eq!(events(&gone().join(0, B).emit(1, A, room()).fence(2, B)), [2, 3, 8, 9, 10, 11, 12, 13]);
    let late = gone().join(0, B).emit(1, A, room()).fence(2, B).gets(B, 1);
    assert_eq!(events(&late), [2, 3, 8, 9, 10, 11, 12, 13, 14], "the copy that came too late");
    assert_eq!(events(&Tape::two().fence(1, B).fence(0, A).answered(0)), [6, 7, 8], "the question and both answers");
    let life = gone().room(RoomChange::Created).room(RoomChange::Joined(A)).room(RoomChange::Joined(A));
    assert_eq!(events(&life), [8, 9, 10], "the life of the room");
    let ended = Tape::two().ask(0, A, Action::Disconnect { socket: B }).answered(0).emit(1, A, excluding());
    assert_eq!(events(&ended.gets(B, 1).gets(B, 1)), [2, 3, 4, 5, 6, 7, 8], "one copy too much is enough");
}

#[test]
fn answers_and_strangers_say_when_they_were_seen() {
    says(
        &named(Tape::two().fence(0, A).answered(0)),
        Breach::SurplusAnswer,
        &["operation 0 was answered again, or had not been asked", "seen at 0.007 ms"],
    );
    says(
        &named(Tape::two().gets(B, 7)),
        Breach::Unsent,
        &["bob received a message that nobody sent", "seen at 0.005 ms"],
    );
    says(
        &named(
            Tape::two()
                .ask(0, A, Action::Emit(Emission { asks: true, ..everybody() }))
                .gets(A, 0)
                .gets(B, 0)
                .with(0, Answer::Acknowledgements(1)),
        ),
        Breach::Acknowledgements,
        &["message 0 brought 1 acknowledgements; its recipients are 2", "seen at 0.008 ms"],
    );
}

#[test]
fn what_has_no_name_is_called_by_its_number() {
    let names = Tape::two().0.names;
    assert_eq!(names.socket(SocketId(3)), "socket 3");
    assert_eq!(
        (names.room(Room::Named(R)), names.room(Room::Own(A))),
        ("room 0".to_owned(), "socket 0's own room".to_owned())
    );
    assert_eq!(names.namespace(NamespaceId(1)), "namespace 1");
}

/// Their names are keys of records.
#[test]
fn goals_have_names_of_their_own() {
    let ids: std::collections::BTreeSet<_> = Goal::ALL.iter().map(|goal| goal.id()).collect();
    assert_eq!(ids.len(), Goal::ALL.len());
    let is_key = |id: &&str| id.len() > 4 && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    assert!(ids.iter().all(is_key), "{ids:?}");
    assert_eq!(Goal::JoinOverlappedEmit.id(), "join-overlapped-emit");
}

#[test]
fn certainty_is_the_share_of_what_was_decided() {
    let mut sum = Certainty::default();
    assert!(sum.ratio().abs() < f64::EPSILON);
    sum.add(&Certainty { must: 6, must_not: 3, may: 1, undecided: 2, ..Certainty::default() });
    assert!((sum.ratio() - 0.7).abs() < 1e-9, "{}", sum.ratio());
    sum.add(&Certainty { must: 1, must_not: 0, may: 0, undecided: 0, goals: [1; Goal::ALL.len()] });
    let odd = Certainty { must: 6, must_not: 5, may: 1, undecided: 1, ..Certainty::default() };
    assert!((odd.ratio() - 10.0 / 12.0).abs() < 1e-9, "{}", odd.ratio());
    sum.add(&Certainty { goals: [2; Goal::ALL.len()], ..Certainty::default() });
    assert_eq!((sum.must, sum.must_not, sum.may, sum.undecided, sum.goals), (7, 3, 1, 2, [3; Goal::ALL.len()]));
    assert!((sum.ratio() - 8.0 / 11.0).abs() < 1e-9, "{}", sum.ratio());
    assert_eq!((sum.missed().count(), Certainty::default().missed().count()), (0, Goal::ALL.len()));
}

#[test]
fn what_is_certain_is_known() {
    assert_eq!([Tri::F, Tri::U, Tri::T].map(Tri::known), [Some(false), None, Some(true)]);
}

/// Histories are files: what is left out of one is what it says by itself.
#[test]
fn what_a_file_leaves_out_is_the_usual() {
    let read = |text: &str| serde_json::from_str::<History>(text).unwrap();
    let empty = read(r#"{"assumptions": {}, "events": []}"#);
    assert_eq!(empty, History::default());
    assert!(empty.assumptions.reliable_broker && !empty.assumptions.in_order_handlers);
    let written = |patience| serde_json::to_value(Emission { patience, ..everybody() }).unwrap();
    assert_eq!(written(0), serde_json::json!({ "namespace": 0 }));
    assert_eq!(written(7), serde_json::json!({ "namespace": 0, "patience": 7 }));
}

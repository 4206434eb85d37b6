//! Several servers: what one knows of the other is what has come from there.

use sio_oracle::exact::check;
use sio_oracle::history::{Action, ClientId, Emission, Event, NamespaceId, NodeId, SocketId};
use sio_oracle::{Breach, Invariant};

use crate::by_hand::{A, B, MAIN, R, Tape, everybody, room};
use crate::instants::tied;

/// Beside B, on the second node.
const D: SocketId = SocketId(2);
/// On a third.
const E: SocketId = SocketId(3);

fn open(tape: Tape, socket: SocketId, node: u16) -> Tape {
    let client = ClientId(socket.0);
    let connect = Event::Connect { socket, client, namespace: MAIN, node: NodeId(node) };
    tape.event(connect).connected(socket, None)
}

/// A on the first node, B and D on the second, E on a third.
fn nodes() -> Tape {
    open(open(open(open(Tape::default(), A, 0), B, 1), D, 1), E, 2)
}

fn others() -> Emission {
    Emission { excludes_sender: true, ..everybody() }
}

fn join(socket: SocketId) -> Action {
    Action::Join { socket, rooms: vec![R] }
}

fn in_order(mut tape: Tape) -> Tape {
    tape.0.assumptions.in_order_handlers = true;
    tape
}

#[test]
fn an_answer_does_not_wait_for_another_node() {
    let sent = || nodes().emit(0, A, others());
    sent().fence(1, B).clean();
    sent().emit(1, A, others()).gets(B, 1).breaks(Invariant::NoLoss, Breach::Missing);
    sent().emit(1, A, others()).gets(D, 0).gets(D, 1).fence(2, B).breaks(Invariant::NoLoss, Breach::Missing);
    sent().emit(1, A, others()).gets(D, 0).gets(D, 1).clean();
    sent().emit(1, D, others()).gets(B, 1).clean();
    sent().emit(1, E, others()).gets(B, 1).clean();
    sent().emit(1, A, others()).gets(E, 0).gets(E, 1).fence(2, B).clean();
    sent().emit(1, A, others()).gets(D, 0).gets(D, 1).emit(2, E, others()).gets(B, 2).clean();
    let passed = sent().emit(1, A, others()).gets(B, 1).fence(2, B);
    passed.breaks(Invariant::NoLoss, Breach::Missing);
    tied(&passed, 9, 10).clean();
}

/// What was under way when the later one was sent may come behind it.
#[test]
fn only_what_was_answered_is_behind() {
    let sent = nodes().ask(0, A, Action::Emit(others())).ask(1, A, Action::Emit(others())).answered(1).answered(0);
    sent.gets(B, 1).fence(2, B).clean();
}

#[test]
fn a_broker_may_be_known_to_lose() {
    let lossy = |mut tape: Tape| {
        tape.0.assumptions.reliable_broker = false;
        tape
    };
    lossy(nodes().emit(0, A, others()).emit(1, A, others()).gets(B, 1)).clean();
    let local = nodes().emit(0, D, others()).fence(1, B);
    lossy(local).breaks(Invariant::NoLoss, Breach::Missing);
}

/// Nothing crosses on its own node: the answer comes behind it.
#[test]
fn ones_own_node_is_near() {
    nodes().emit(0, D, others()).fence(1, B).breaks(Invariant::NoLoss, Breach::Missing);
    let left = Action::Leave { socket: B, room: R };
    let sent = nodes().join(0, B).emit(1, D, room()).ask(2, B, left).answered(2);
    sent.fence(3, B).breaks(Invariant::NoLoss, Breach::Missing);
    let by_server =
        Event::Invoke { operation: sio_oracle::history::OperationId(0), by: None, action: Action::Emit(room()) };
    let first = SocketId(4);
    let near = || open(nodes(), first, 0).join(1, first).join(2, B).event(by_server.clone()).answered(0);
    near().fence(3, B).clean();
    near().fence(3, first).breaks(Invariant::NoLoss, Breach::Missing);
}

/// The recipients are chosen when it gets there: a leave behind the answer may come first.
#[test]
fn the_recipients_of_another_node_are_chosen_later() {
    let left = Action::Leave { socket: B, room: R };
    let sent = || nodes().join(0, B).join(1, D).emit(2, A, room()).ask(3, B, left.clone()).answered(3);
    sent().emit(4, A, room()).gets(D, 2).gets(D, 4).fence(5, B).clean();
    sent().emit(4, A, room()).gets(D, 2).gets(D, 4).gets(B, 2).clean();
    let closed = || nodes().join(0, B).join(1, D).emit(2, A, room()).emit(4, A, room()).gets(D, 2).gets(D, 4);
    closed().ask(3, B, left.clone()).answered(3).fence(5, B).breaks(Invariant::NoLoss, Breach::Missing);
}

/// Somebody else's join of B is done when B's node hears of it.
#[test]
fn a_far_change_is_not_done_when_it_is_answered() {
    let far = || nodes().ask(0, A, join(B)).answered(0);
    far().emit(1, D, room()).fence(2, B).clean();
    far().emit(1, D, room()).gets(B, 1).fence(2, B).clean();
    let near = nodes().ask(0, D, join(B)).answered(0);
    near.emit(1, D, room()).fence(2, B).breaks(Invariant::NoLoss, Breach::Missing);
    let left = || nodes().join(0, B).ask(1, A, Action::Leave { socket: B, room: R }).answered(1);
    left().emit(2, D, room()).gets(B, 2).clean();
    left().emit(2, D, room()).fence(3, B).clean();
}

/// The order of handlers is that of a node: what the same connection asks for later may overtake the message on its way.
#[test]
fn the_order_of_handlers_is_that_of_one_node() {
    let left = Action::Leave { socket: B, room: R };
    let sent = || nodes().join(0, B).join(1, D).ask(2, A, Action::Emit(room())).ask(3, A, left.clone());
    let across = || sent().answered(2).answered(3).emit(4, A, room()).gets(D, 2).gets(D, 4).fence(5, B);
    in_order(across()).clean();
    let near = || nodes().join(0, B).ask(2, D, Action::Emit(room())).ask(3, D, left.clone()).answered(2).answered(3);
    near().fence(5, B).clean();
    in_order(near().fence(5, B)).breaks(Invariant::NoLoss, Breach::Missing);
}

#[test]
fn messages_of_two_nodes_have_no_order() {
    let sent = || nodes().emit(0, A, others());
    sent().emit(1, E, others()).gets(B, 1).gets(B, 0).clean();
    sent().emit(1, A, others()).gets(B, 1).gets(B, 0).breaks(Invariant::FifoRealTime, Breach::Overtaken);
    nodes()
        .emit(0, D, others())
        .emit(1, D, others())
        .gets(B, 1)
        .gets(B, 0)
        .breaks(Invariant::FifoRealTime, Breach::Overtaken);
    let circle = nodes().ask(0, A, Action::Emit(others())).ask(1, E, Action::Emit(others())).answered(0).answered(1);
    circle.gets(B, 0).gets(B, 1).gets(D, 1).gets(D, 0).clean();
}

/// While B's join is under way: who chose the recipients of what comes from elsewhere did so later.
#[test]
fn a_join_and_a_message_of_another_node() {
    let during = |first: SocketId, second: SocketId| {
        let tape = nodes().ask(0, B, join(B)).emit(1, first, room()).emit(2, second, room());
        tape.gets(B, 1).answered(0).fence(3, B)
    };
    during(D, D).breaks(Invariant::NoLoss, Breach::NoOrder);
    during(D, A).clean();
    during(A, D).clean();
}

/// In one namespace of a room's name, the other's members do not count.
#[test]
fn a_namesake_of_another_namespace() {
    let other = NamespaceId(1);
    let tape = Tape::default().open(A, 0).open_in(B, 1, other).open_in(D, 2, other);
    let tape = tape.ask(0, B, join(B)).emit(1, D, Emission { namespace: other, ..room() }).gets(B, 1);
    let tape = tape.emit(2, A, room()).answered(0).fence(3, B);
    tape.clean();
    let found = check(&tape.0);
    assert_eq!(found.certainty.may, 1, "{:?}", found.certainty);
}

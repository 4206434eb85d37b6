//! Several servers: whose word is good for whom.

use super::*;
use crate::board::{Absence, ClusterFence, Emission};
use crate::tri::Tri;

/// Connected to server 0 since before anything was sent.
fn receiver(stream: &Stream, value: Tri) -> Receiver {
    Receiver::new(USER, -1, [(STREAM, value)], stream).in_cluster(0, 50, None)
}

fn fence(sender: u32, node: u32, sent: Nanos) -> ClusterFence {
    ClusterFence { sender, session: 0, node, stream: STREAM, last: None, sent }
}

#[test]
fn its_own_server_knows_of_a_join_at_once_and_of_a_leave() {
    let stream = Stream::new(6).at_node(0);
    let mut joined = receiver(&stream, Tri::U);
    joined.joined(STREAM, 15, Tri::T);
    assert_eq!(deliver_across(&mut joined, &stream, 4, 50), Verdict::Fine);
    let behind = DeliveryOutcome::Missing(Absence::Behind(Emission { stream: STREAM, seq: 4 }));
    let may = DeliveryOutcome::May(false);
    let expected = [may, may, behind, behind, DeliveryOutcome::Delivered];
    assert_eq!(settled_across(&mut joined, &stream, 60)[..5], expected, "20 and 30 were sent behind the join");
    let mut gone = receiver(&stream, Tri::U);
    gone.joined(STREAM, 5, Tri::T);
    gone.change(STREAM, 15, Tri::U);
    assert_eq!(deliver_across(&mut gone, &stream, 4, 50), Verdict::Fine);
    let expected = [may, may, may, may, DeliveryOutcome::May(true)];
    assert_eq!(settled_across(&mut gone, &stream, 60)[..5], expected);
}

#[test]
fn another_server_does_not_know_of_a_join_at_once() {
    let stream = Stream::new(4).at_node(1);
    let mut receiver = receiver(&stream, Tri::U);
    receiver.joined(STREAM, 5, Tri::T);
    assert_eq!(deliver_across(&mut receiver, &stream, 3, 35), Verdict::Fine);
    assert_eq!(settled_across(&mut receiver, &stream, 60)[..3], [DeliveryOutcome::May(false); 3]);
}

#[test]
fn a_receiver_may_come_to_be_known_at_another_server() {
    let stream = Stream::new(4).at_node(2);
    let mut receiver = Receiver::new(USER, -1, [(STREAM, Tri::U)], &stream).in_cluster(0, 50, None);
    receiver.at_node(2);
    receiver.joined(STREAM, 5, Tri::T);
    assert_eq!(deliver_across(&mut receiver, &stream, 2, 30), Verdict::Fine);
    let lost = DeliveryOutcome::Missing(Absence::Behind(Emission { stream: STREAM, seq: 2 }));
    assert_eq!(settled_across(&mut receiver, &stream, 60)[1], lost, "its own server had it");
}

/// A join that nobody answers for, some time ahead: what its own server sends shows it.
#[test]
fn a_message_brings_a_join_forward() {
    let stream = Stream::new(6).at_node(0);
    let mut shown = receiver(&stream, Tri::U);
    shown.joined(STREAM, 1_000, Tri::T);
    assert_eq!(deliver_across(&mut shown, &stream, 1, 15), Verdict::Fine);
    assert_eq!(deliver_across(&mut shown, &stream, 4, 45), Verdict::Fine);
    let behind = DeliveryOutcome::Missing(Absence::Behind(Emission { stream: STREAM, seq: 4 }));
    let may = DeliveryOutcome::May;
    let expected = [may(false), may(true), behind, behind, DeliveryOutcome::Delivered];
    assert_eq!(settled_across(&mut shown, &stream, 60)[..5], expected);
    let mut open = receiver(&stream, Tri::U);
    assert_eq!(deliver_across(&mut open, &stream, 1, 15), Verdict::Fine);
    assert_eq!(deliver_across(&mut open, &stream, 4, 45), Verdict::Fine);
    let expected = [may(false), may(true), may(false), may(false), may(true)];
    assert_eq!(settled_across(&mut open, &stream, 60)[..5], expected, "it never joined");
}

/// What is wrong, or comes late, shows nothing.
#[test]
fn a_second_copy_brings_no_join_forward() {
    let stream = Stream::new(6).at_node(0);
    let mut receiver = receiver(&stream, Tri::U);
    assert_eq!(deliver_across(&mut receiver, &stream, 1, 15), Verdict::Fine);
    receiver.joined(STREAM, 1_000, Tri::T);
    assert_eq!(deliver_across(&mut receiver, &stream, 1, 16), Verdict::Duplicate);
    assert_eq!(deliver_across(&mut receiver, &stream, 4, 45), Verdict::Fine);
    assert_eq!(settled_across(&mut receiver, &stream, 60)[2], DeliveryOutcome::May(false));
}

#[test]
fn a_fence_of_somebody_else_shows_that_others_know_of_a_join() {
    let stream = Stream::new(1).at_node(1);
    for (sender, node, known) in [(1, 1, true), (USER, 1, false), (1, 0, false)] {
        let mut receiver = receiver(&stream, Tri::U);
        receiver.joined(STREAM, 5, Tri::T);
        receiver.fence_across(&fence(sender, node, 20), 30, &stream);
        assert_eq!(receiver.is_known_everywhere(30), known, "of {sender} at {node}");
    }
}

#[test]
fn what_was_said_ahead_of_the_join_may_be_history() {
    let join = |stream: &Stream, value| {
        let mut receiver = Receiver::new(USER, 50, [(STREAM, Tri::F)], stream).in_cluster(UNKNOWN_NODE, 0, None);
        receiver.change(STREAM, 60, Tri::U);
        receiver.change(STREAM, 75, value);
        receiver
    };
    for (history, expected) in [(true, Verdict::History), (false, Verdict::Duplicate)] {
        let stream = if history { Stream::new(12).kept() } else { Stream::new(12) };
        let mut receiver = join(&stream, Tri::T);
        assert_eq!(deliver_across(&mut receiver, &stream, 2, 80), Verdict::Fine, "it may come as late as that");
        assert_eq!(deliver_across(&mut receiver, &stream, 2, 81), expected);
        assert_eq!(deliver_across(&mut receiver, &stream, 8, 86), Verdict::Fine);
        assert_eq!(deliver_across(&mut receiver, &stream, 8, 87), Verdict::Duplicate, "it was inside all the time");
    }
    let stream = Stream::new(12).kept();
    assert_eq!(deliver_across(&mut join(&stream, Tri::F), &stream, 8, 90), Verdict::Phantom, "it is not inside");
    let mut out = join(&stream, Tri::F);
    assert_eq!(deliver_across(&mut out, &stream, 2, 80), Verdict::Fine, "it may have been inside once");
    assert_eq!(deliver_across(&mut out, &stream, 2, 81), Verdict::Duplicate, "nobody says it again to who is gone");
    let mut own = Stream::new(12).kept();
    own.0.iter_mut().for_each(|fact| (fact.sender, fact.spares_sender) = (USER, true));
    assert_eq!(deliver_across(&mut join(&own, Tri::T), &own, 6, 90), Verdict::Phantom, "an echo");
}

/// It was on its way when this connection came to be, and its number is behind what that began with.
#[test]
fn what_was_under_way_when_the_connection_came_is_no_second_copy() {
    struct Begun(Stream);
    impl Facts for Begun {
        fn fact(&self, stream: u32, seq: u32) -> Option<Observation> {
            self.0.fact(stream, seq)
        }

        fn settled_below(&self, _: u32) -> u32 {
            2
        }
    }
    let begun = Begun(Stream::new(4).at_node(1));
    for (since, expected) in [(11, Verdict::Fine), (10, Verdict::Duplicate), (9, Verdict::Duplicate)] {
        let mut receiver = Receiver::new(USER, since, [(STREAM, Tri::U)], &begun).in_cluster(0, 0, None);
        assert_eq!(receiver.deliver_across(STREAM, 1, &begun.0.0[1], 40, &begun), expected, "since {since}");
    }
    // Its number is not behind: a second copy is one.
    let mut receiver = Receiver::new(USER, 25, [(STREAM, Tri::U)], &begun).in_cluster(0, 0, None);
    for expected in [Verdict::Fine, Verdict::Duplicate] {
        assert_eq!(receiver.deliver_across(STREAM, 2, &begun.0.0[2], 40, &begun), expected);
    }
}

#[test]
fn where_it_was_when_the_open_one_was_sent_is_remembered() {
    let mut stream = Stream::new(1).at_node(1);
    stream.answered(0, Answer::Open);
    let mut receiver = receiver(&stream, Tri::U);
    receiver.change(STREAM, 20, Tri::F);
    receiver.change(STREAM, 30, Tri::U);
    receiver.change(STREAM, 40, Tri::F);
    assert_eq!(settled_across(&mut receiver, &stream, 50), []);
    assert_eq!(receiver.membership(STREAM).len(), 4);
    assert_eq!(deliver_across(&mut receiver, &stream, 0, 60), Verdict::Fine);
    stream.answered(0, Answer::At(70));
    assert_eq!(settled_across(&mut receiver, &stream, 80), [DeliveryOutcome::May(true)]);
    assert_eq!(receiver.membership(STREAM), [(40, Tri::F)], "nobody asks for it any more");
}

/// Who is not inside may come to be before it gets there; who will never be sent it by its own server is not waited for.
#[test]
fn what_may_come_yet_is_kept_open_and_an_echo_is_not() {
    let mut stream = Stream::new(5_000).at_node(1);
    for fact in &mut stream.0[2..] {
        (fact.sender, fact.spares_sender) = (USER, true);
    }
    let mut receiver = receiver(&stream, Tri::F);
    assert_eq!(settled_across(&mut receiver, &stream, 60_000), []);
    receiver.change(STREAM, 60_010, Tri::T);
    assert_eq!(deliver_across(&mut receiver, &stream, 0, 60_020), Verdict::Fine, "5,000 echoes are not remembered");
    assert_eq!(deliver_across(&mut receiver, &stream, 0, 60_021), Verdict::Duplicate);
    let stream = Stream::new(1).at_node(1);
    let mut inside = self::receiver(&stream, Tri::T);
    assert_eq!(deliver_across(&mut inside, &stream, 0, 20), Verdict::Fine);
    assert_eq!(settled_across(&mut inside, &stream, 30), [DeliveryOutcome::Delivered]);
    assert_eq!(deliver_across(&mut inside, &stream, 0, 40), Verdict::Duplicate, "it has come");
}

#[test]
fn what_is_sent_behind_the_end_is_nobodys() {
    let stream = Stream::new(4).at_node(1);
    let ended =
        |receiver: &mut Receiver, stream: &Stream| fates(|account| receiver.end_across(10, false, stream, account));
    assert_eq!(ended(&mut receiver(&stream, Tri::T), &stream), [DeliveryOutcome::Excused]);
    let mut ahead = receiver(&stream, Tri::T);
    assert_eq!(deliver_across(&mut ahead, &stream, 1, 20), Verdict::Fine, "the end was seen late");
    let lost = DeliveryOutcome::Missing(Absence::Behind(Emission { stream: STREAM, seq: 1 }));
    assert_eq!(ended(&mut ahead, &stream), [lost, DeliveryOutcome::Delivered]);
    let mut open = stream.clone();
    open.answered(0, Answer::Open);
    assert_eq!(ended(&mut receiver(&open, Tri::T), &open), [DeliveryOutcome::May(false)], "it may not be sent yet");
    let mut here = receiver(&open, Tri::T);
    assert_eq!(deliver_across(&mut here, &open, 0, 8), Verdict::Fine);
    assert_eq!(ended(&mut here, &open), [DeliveryOutcome::Delivered]);
}

/// Behind one that is not written yet nothing could be settled, so nothing is asked for.
#[test]
fn nothing_behind_one_that_is_due_wants_a_fence() {
    let mut stream = Stream::new(3).at_node(1);
    let wanted = |stream: &Stream| {
        let mut found = Vec::new();
        receiver(stream, Tri::T).wanting(100, stream, |_, seq, _| found.push(seq));
        found
    };
    assert_eq!(wanted(&stream), [0, 1, 2]);
    stream.0[1].time = Time::Skipped;
    assert_eq!(wanted(&stream), [0, 2]);
    stream.0[1].time = Time::Due;
    assert_eq!(wanted(&stream), [0]);
}

//! One server.

use super::*;
use crate::board::{Absence, Emission};
use crate::tri::Tri;

fn receiver(stream: &Stream, since: Nanos, value: Tri) -> Receiver {
    Receiver::new(USER, since, [(STREAM, value)], stream)
}

fn behind(seq: u32) -> Verdict {
    Verdict::Overtaken(Emission { stream: STREAM, seq })
}

#[test]
fn a_receiver_tells_what_it_knows() {
    let stream = Stream::new(3);
    assert!(Receiver::new(USER, 0, [], &stream).is_idle());
    let mut receiver = Receiver::new(USER, -1, [(STREAM, Tri::U), (8, Tri::F)], &stream);
    assert!(!receiver.is_idle());
    receiver.change_all(4, |stream| if stream == STREAM { Tri::T } else { Tri::U });
    assert_eq!(receiver.membership(STREAM), [(-1, Tri::U), (4, Tri::T)]);
    assert_eq!(receiver.membership(8), [(-1, Tri::F), (4, Tri::U)]);
    assert_eq!(receiver.membership(9), [], "of which it knows nothing");
    assert_eq!(receiver.streams().collect::<Vec<_>>(), [STREAM, 8]);
    deliver(&mut receiver, &stream, 0, 7);
    assert!(receiver.has(STREAM, 0));
    assert!(!receiver.has(STREAM, 1) && !receiver.has(8, 0) && !receiver.has(9, 0));
    let _ = settled(&mut receiver, &stream, 8);
    assert!(!receiver.has(STREAM, 0), "it is settled");
    assert_eq!(receiver.unsettled().collect::<Vec<_>>(), [(STREAM, 1), (8, 1)]);
    assert_eq!(receiver.membership(STREAM), [(4, Tri::T)], "what was ahead of the fence does not matter any more");
}

/// Of two that nobody has answered yet the sender's order is all that is known.
#[test]
fn a_sender_is_overtaken_by_itself() {
    let mut stream = Stream::new(2);
    stream.answered(0, Answer::Open);
    stream.answered(1, Answer::Open);
    let mut receiver = receiver(&stream, -1, Tri::T);
    assert_eq!(deliver(&mut receiver, &stream, 1, 100), Verdict::Fine);
    assert_eq!(deliver(&mut receiver, &stream, 0, 101), behind(1));
    stream.0[1].sender = 2;
    stream.0[1].previous = None;
    let mut receiver = self::receiver(&stream, -1, Tri::T);
    assert_eq!(deliver(&mut receiver, &stream, 1, 100), Verdict::Fine);
    assert_eq!(deliver(&mut receiver, &stream, 0, 101), Verdict::Fine, "two senders have no order");
}

#[test]
fn what_was_sent_at_the_instant_of_an_answer_was_not_sent_behind_it() {
    let mut stream = Stream::new(0);
    stream.0 = vec![fact(1, 0, Answer::At(10)), fact(2, 10, Answer::At(20)), fact(3, 11, Answer::At(21))];
    let mut tied = receiver(&stream, -1, Tri::T);
    assert_eq!(deliver(&mut tied, &stream, 1, 30), Verdict::Fine);
    assert_eq!(fates(|account| tied.end(40, &stream, account))[0], DeliveryOutcome::Excused);
    let mut tied = receiver(&stream, -1, Tri::T);
    assert_eq!(deliver(&mut tied, &stream, 1, 30), Verdict::Fine);
    assert_eq!(deliver(&mut tied, &stream, 0, 31), Verdict::Fine);
    let mut behind_it = receiver(&stream, -1, Tri::T);
    assert_eq!(deliver(&mut behind_it, &stream, 2, 30), Verdict::Fine);
    let later = Absence::Later(Emission { stream: STREAM, seq: 2 });
    assert_eq!(fates(|account| behind_it.end(40, &stream, account))[0], DeliveryOutcome::Missing(later));
    let mut behind_it = receiver(&stream, -1, Tri::T);
    assert_eq!(deliver(&mut behind_it, &stream, 2, 30), Verdict::Fine);
    assert_eq!(deliver(&mut behind_it, &stream, 0, 31), behind(2));
}

/// Only what nobody was answered for, was sent ahead of the connection, and is behind it, can be a first copy.
#[test]
fn a_second_copy_is_one_though_it_was_sent_ahead_of_the_connection() {
    let never = |inv| vec![fact(1, inv, Answer::Never)];
    let answered = vec![fact(1, 0, Answer::At(5))];
    for (facts, since, settles) in [(answered, 3, true), (never(0), 3, false), (never(3), 3, true), (never(4), 3, true)]
    {
        let stream = Stream(facts);
        let mut receiver = receiver(&stream, since, Tri::U);
        assert_eq!(deliver(&mut receiver, &stream, 0, 20), Verdict::Fine);
        if settles {
            assert_eq!(settled(&mut receiver, &stream, 30), [DeliveryOutcome::May(true)]);
        }
        assert_eq!(deliver(&mut receiver, &stream, 0, 40), Verdict::Duplicate, "{:?}", stream.0);
    }
}

/// The target may have chosen it in the time from the sending on, which is remembered for as long as it is asked for.
#[test]
fn where_it_was_when_the_open_one_was_sent_is_remembered() {
    let mut stream = Stream::new(1);
    stream.answered(0, Answer::Open);
    let mut receiver = receiver(&stream, -1, Tri::U);
    receiver.change(STREAM, 20, Tri::F);
    assert_eq!(settled(&mut receiver, &stream, 50), []);
    assert_eq!(deliver(&mut receiver, &stream, 0, 60), Verdict::Fine);
}

#[test]
fn what_is_sent_behind_the_end_is_nobodys() {
    let stream = Stream::new(4);
    let mut receiver = receiver(&stream, -1, Tri::T);
    assert_eq!(deliver(&mut receiver, &stream, 0, 6), Verdict::Fine);
    let found = fates(|account| receiver.end(15, &stream, account));
    assert_eq!(found, [DeliveryOutcome::Delivered, DeliveryOutcome::May(false)], "the second was under way");
    assert_eq!(receiver.unsettled().collect::<Vec<_>>(), [(STREAM, 4)]);
}

#[test]
fn only_who_is_spared_is_spared() {
    let mut stream = Stream(vec![fact(USER, 0, Answer::At(5)), fact(1, 10, Answer::At(15))]);
    stream.0[1].spares_sender = true;
    let mut receiver = receiver(&stream, -1, Tri::T);
    assert_eq!(deliver(&mut receiver, &stream, 0, 20), Verdict::Fine, "one's own, that spares nobody");
    assert_eq!(deliver(&mut receiver, &stream, 1, 21), Verdict::Fine, "another's, that spares that one");
    stream.0[0].spares_sender = true;
    let mut receiver = self::receiver(&stream, -1, Tri::T);
    assert_eq!(deliver(&mut receiver, &stream, 0, 20), Verdict::Phantom);
}

/// A join that nobody answers for: one that comes among others shows it as any does, and what is none does not.
#[test]
fn what_comes_among_others_shows_a_join() {
    let stream = Stream::new(6);
    let mut receiver = receiver(&stream, -1, Tri::U);
    receiver.change(STREAM, 1_000, Tri::T);
    let among =
        |receiver: &mut Receiver, seq: u32, now| receiver.deliver_among(STREAM, seq, &stream.0[seq as usize], now);
    assert_eq!(among(&mut receiver, 1, 20), Verdict::Fine);
    assert_eq!(receiver.membership(STREAM), [(-1, Tri::U), (20, Tri::T)]);
    receiver.change(STREAM, 30, Tri::U);
    receiver.change(STREAM, 1_000, Tri::T);
    assert_eq!(among(&mut receiver, 1, 40), Verdict::History, "a quotation");
    assert_eq!(receiver.membership(STREAM), [(-1, Tri::U), (20, Tri::T), (30, Tri::U), (1_000, Tri::T)]);
}

/// On one server it was chosen by its answer; between servers it may be chosen until it is here.
#[test]
fn what_comes_among_others_was_chosen_by_then() {
    let stream = Stream::new(1);
    for (across, expected) in [(false, Verdict::History), (true, Verdict::Fine)] {
        let mut receiver = receiver(&stream, -1, Tri::F);
        if across {
            receiver = receiver.in_cluster(UNKNOWN_NODE, 0, None);
        }
        receiver.change(STREAM, 20, Tri::T);
        assert_eq!(receiver.deliver_among(STREAM, 0, &stream.0[0], 30), expected);
    }
}

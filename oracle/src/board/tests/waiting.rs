//! Waiting decides, once something has come from the same server.

use super::*;
use crate::board::Absence;
use crate::tri::Tri;

/// Emissions of user 1, which never come, and of others at the same server, which do.
fn stream(others: &[Nanos]) -> Stream {
    let lost = fact(1, 0, Answer::At(5));
    let mut facts = vec![lost];
    facts.extend(others.iter().zip(2..).map(|(inv, sender)| fact(sender, *inv, Answer::At(inv + 5))));
    Stream(facts).at_node(1)
}

fn receiver(stream: &Stream) -> Receiver {
    Receiver::new(USER, -1, [(STREAM, Tri::T)], stream).in_cluster(0, 0, Some(1_000))
}

fn waited(inv: Nanos) -> DeliveryOutcome {
    DeliveryOutcome::Missing(Absence::Waited(inv))
}

/// Where something comes all the time, each is waited for as long as the first.
#[test]
fn a_server_that_goes_on_does_not_put_the_decision_off() {
    let others = [100, 600, 1_100, 1_600];
    let stream = stream(&others);
    let mut receiver = receiver(&stream);
    for (seq, inv) in (1..).zip(others) {
        assert_eq!(deliver_across(&mut receiver, &stream, seq, inv + 10), Verdict::Fine);
        let found = settled_across(&mut receiver, &stream, inv + 20);
        match inv {
            // 1,000 behind the first, which had come and was looked at.
            1_600 => assert_eq!(found.first(), Some(&waited(100))),
            1_100 => assert_eq!(found.first(), Some(&waited(100)), "{inv}"),
            _ => assert_eq!(found, [], "{inv}"),
        }
        if !found.is_empty() {
            break;
        }
    }
}

/// The latest that was sent counts, and when it came first.
#[test]
fn the_latest_is_what_counts() {
    let stream = stream(&[300, 200, 300]);
    let mut receiver = receiver(&stream);
    assert_eq!(deliver_across(&mut receiver, &stream, 1, 400), Verdict::Fine);
    assert_eq!(deliver_across(&mut receiver, &stream, 2, 500), Verdict::Fine, "sent earlier");
    assert_eq!(deliver_across(&mut receiver, &stream, 3, 600), Verdict::Fine, "sent at the same instant");
    assert_eq!(settled_across(&mut receiver, &stream, 700), []);
    assert_eq!(settled_across(&mut receiver, &stream, 1_399), []);
    assert_eq!(settled_across(&mut receiver, &stream, 1_400)[0], waited(300));
}

#[test]
fn what_comes_later_is_waited_for_as_well() {
    let mut stream = stream(&[100, 300]);
    stream.0[0].time = Time::Sent { inv: 0, ok: Answer::At(250) };
    let mut receiver = receiver(&stream);
    assert_eq!(deliver_across(&mut receiver, &stream, 1, 110), Verdict::Fine);
    assert_eq!(settled_across(&mut receiver, &stream, 120), []);
    assert_eq!(deliver_across(&mut receiver, &stream, 2, 310), Verdict::Fine);
    assert_eq!(settled_across(&mut receiver, &stream, 1_200), [], "the first says nothing of it");
    assert_eq!(settled_across(&mut receiver, &stream, 1_310)[0], waited(300));
}

/// Each server speaks for itself.
#[test]
fn another_server_decides_nothing() {
    let mut stream = stream(&[100, 200]);
    stream.0[2].node = 2;
    let mut receiver = receiver(&stream);
    assert_eq!(deliver_across(&mut receiver, &stream, 2, 210), Verdict::Fine);
    for now in [220, 3_000, 5_000] {
        assert_eq!(settled_across(&mut receiver, &stream, now), [], "nothing has come from there");
    }
    assert_eq!(deliver_across(&mut receiver, &stream, 1, 5_100), Verdict::Fine);
    assert_eq!(settled_across(&mut receiver, &stream, 5_200), []);
    assert_eq!(settled_across(&mut receiver, &stream, 6_200)[0], waited(100));
}

/// What was sent at the instant of the answer was not sent behind it.
#[test]
fn an_instant_is_not_behind_itself() {
    let stream = stream(&[5]);
    let mut receiver = receiver(&stream);
    assert_eq!(deliver_across(&mut receiver, &stream, 1, 10), Verdict::Fine);
    assert_eq!(settled_across(&mut receiver, &stream, 20), []);
    assert_eq!(settled_across(&mut receiver, &stream, 5_000), []);
}

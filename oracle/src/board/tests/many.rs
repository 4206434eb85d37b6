//! More under way than one word of bits holds.

use super::*;
use crate::board::Absence;
use crate::tri::Tri;

const COUNT: u32 = 300;

fn comes(seq: u32) -> bool {
    seq % 3 == 1 || seq % 7 == 2
}

fn all_sent() -> Stream {
    let mut stream = Stream::new(COUNT);
    // Each of another sender: nothing is out of order.
    stream.0.iter_mut().zip(100..).for_each(|(fact, sender)| (fact.sender, fact.previous) = (sender, None));
    stream
}

#[test]
fn each_number_has_a_place_of_its_own() {
    let stream = all_sent();
    let mut receiver = Receiver::new(USER, -1, [(STREAM, Tri::T)], &stream);
    for seq in (0..COUNT).filter(|seq| comes(*seq)) {
        assert_eq!(deliver(&mut receiver, &stream, seq, 5_000), Verdict::Fine, "{seq}");
    }
    assert!((0..COUNT).all(|seq| receiver.has(STREAM, seq) == comes(seq)));
    for seq in (0..COUNT).filter(|seq| comes(*seq)) {
        assert_eq!(deliver(&mut receiver, &stream, seq, 5_001), Verdict::Duplicate, "{seq}");
    }
    // A part of them, then the others.
    let mut found = settled(&mut receiver, &stream, 1_000);
    assert_eq!(found.len(), 100);
    assert!((0..COUNT).all(|seq| receiver.has(STREAM, seq) == (seq >= 100 && comes(seq))));
    found.extend(settled(&mut receiver, &stream, 6_000));
    assert_eq!(found.len(), COUNT as usize);
    for (seq, fate) in (0..).zip(found) {
        let fence = if seq < 100 { 1_000 } else { 6_000 };
        let lost = DeliveryOutcome::Missing(Absence::Fence(fence));
        assert_eq!(fate, if comes(seq) { DeliveryOutcome::Delivered } else { lost }, "{seq}");
    }
}

#[test]
fn the_same_between_servers() {
    let stream = all_sent().at_node(1);
    let mut receiver = Receiver::new(USER, -1, [(STREAM, Tri::T)], &stream).in_cluster(0, 0, None);
    for seq in (0..COUNT).filter(|seq| comes(*seq)).rev() {
        assert_eq!(deliver_across(&mut receiver, &stream, seq, 5_000), Verdict::Fine, "{seq}");
    }
    for seq in (0..COUNT).filter(|seq| comes(*seq)) {
        assert_eq!(deliver_across(&mut receiver, &stream, seq, 5_001), Verdict::Duplicate, "{seq}");
    }
    let found = fates(|account| receiver.end_across(6_000, false, &stream, account));
    for (seq, fate) in (0..).zip(found) {
        assert_eq!(fate, if comes(seq) { DeliveryOutcome::Delivered } else { DeliveryOutcome::Excused }, "{seq}");
    }
}

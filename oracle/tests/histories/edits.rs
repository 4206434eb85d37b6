//! One change to what was seen of a correct server is one violation.

use sio_oracle::exact::check;
use sio_oracle::history::{Event, History, SocketId};
use sio_oracle::{Breach, Invariant, Violation};

use crate::sim::Sim;
use crate::soundness::{modes, share};

fn histories() -> impl Iterator<Item = History> {
    let seeds = (0..(share(40) / 10).max(1))
        .flat_map(|round| modes().enumerate().map(move |(seed, mode)| (64 * round + seed as u64, mode)));
    seeds.map(|(seed, mode)| Sim::history(seed, 14, mode, None))
}

fn receptions(history: &History) -> Vec<usize> {
    let events = history.events.iter().enumerate();
    events.filter(|(_, stamped)| matches!(stamped.event, Event::Receive { .. })).map(|(place, _)| place).collect()
}

/// What is found beyond the order of messages, which an edit in the middle may touch as well.
fn found(history: &History) -> Vec<Violation> {
    let order = [Breach::Overtaken, Breach::NoOrder];
    check(history).violations.into_iter().filter(|violation| !order.contains(&violation.breach)).collect()
}

#[test]
fn a_dropped_delivery_is_missed_once_and_only_where_it_was_owed() {
    let (mut owed, mut flagged, mut undecided) = (0, 0, 0);
    for history in histories() {
        let certainty = check(&history).certainty;
        owed += certainty.must - certainty.undecided;
        for place in receptions(&history) {
            let mut edited = history.clone();
            edited.events.remove(place);
            let findings = check(&edited);
            let missing = findings.violations.iter().filter(|v| v.breach == Breach::Missing).count() as u64;
            assert!(missing <= 1, "{:#?}", findings.violations);
            flagged += missing;
            // The last message on a broken connection may be its excused tail.
            undecided += findings.certainty.undecided - certainty.undecided;
        }
    }
    assert_eq!(flagged + undecided, owed);
    assert!(flagged > 8 * undecided, "{flagged} and {undecided}");
}

#[test]
fn a_second_copy_is_flagged_once() {
    for history in histories() {
        for place in receptions(&history) {
            let mut edited = history.clone();
            edited.events.insert(place, history.events[place].clone());
            let violations = check(&edited).violations;
            assert_eq!(violations.len(), 1, "{violations:#?}");
            assert_eq!(violations[0].breach, Breach::Duplicate);
        }
    }
}

/// Two neighbours of one receiver, when the later one was sent after the answer to the earlier one.
#[test]
fn a_swap_is_flagged_once() {
    let mut swaps = 0;
    for history in histories() {
        let window = |message| {
            let mut window = (0, u64::MAX);
            for stamped in &history.events {
                match &stamped.event {
                    Event::Invoke { operation, .. } if *operation == message => window.0 = stamped.at,
                    Event::Complete { operation, .. } if *operation == message => window.1 = stamped.at,
                    _ => {}
                }
            }
            window
        };
        let places = receptions(&history);
        for (number, &first) in places.iter().enumerate() {
            let Event::Receive { socket, message, .. } = history.events[first].event else { unreachable!() };
            let next = places[number + 1..].iter().copied().find(
                |&next| matches!(history.events[next].event, Event::Receive { socket: other, .. } if other == socket),
            );
            let Some(second) = next else { continue };
            let Event::Receive { message: later, .. } = history.events[second].event else { unreachable!() };
            let fenced =
                history.events[first..second].iter().any(|stamped| matches!(stamped.event, Event::Complete { .. }));
            if fenced || window(message).1 >= window(later).0 || cluster_apart(&history, message, later) {
                continue;
            }
            let mut edited = history.clone();
            let event = edited.events[first].event.clone();
            edited.events[first].event = edited.events[second].event.clone();
            edited.events[second].event = event;
            let violations = check(&edited).violations;
            let order: Vec<_> = violations.iter().filter(|v| v.invariant == Invariant::FifoRealTime).collect();
            assert_eq!(order.len(), 1, "{violations:#?}");
            swaps += 1;
        }
    }
    assert!(swaps > share(100), "{swaps}");
}

/// Whether two messages come from different nodes, which have no order.
fn cluster_apart(history: &History, a: sio_oracle::history::OperationId, b: sio_oracle::history::OperationId) -> bool {
    let node = |message| {
        let by = history.events.iter().find_map(|stamped| match stamped.event {
            Event::Invoke { operation, by, .. } if operation == message => by,
            _ => None,
        });
        history.events.iter().find_map(|stamped| match stamped.event {
            Event::Connect { socket, node, .. } if Some(socket) == by => Some(node),
            _ => None,
        })
    };
    node(a) != node(b)
}

/// A copy that went to somebody else: missing here, and too much there unless it might have been for it.
#[test]
fn a_delivery_to_somebody_else_is_flagged_there() {
    let mut phantoms = 0;
    for history in histories() {
        let sockets =
            history.events.iter().filter(|stamped| matches!(stamped.event, Event::Connected { .. })).count() as u32;
        for (number, place) in receptions(&history).into_iter().enumerate() {
            let mut edited = history.clone();
            let Event::Receive { socket, message, .. } = &mut edited.events[place].event else { unreachable!() };
            let message = Some(*message);
            let before = *socket;
            *socket = SocketId((socket.0 + 1 + number as u32 % sockets.max(2)) % sockets.max(2));
            let now = *socket;
            if now == before {
                continue;
            }
            let mut violations = found(&edited);
            // What came there may show that something else did not.
            violations.retain(|violation| violation.message == message);
            let here = violations.iter().filter(|v| v.socket == Some(now)).count();
            let there = violations.iter().filter(|v| v.socket == Some(before) && v.breach == Breach::Missing).count();
            assert!(here <= 1 && there <= 1, "{violations:#?}");
            phantoms += here;
        }
    }
    assert!(phantoms > share(500) as usize, "{phantoms}");
}

#[test]
fn without_a_tester_nothing_is_found() {
    assert_eq!(check(&History::default()).violations, []);
}

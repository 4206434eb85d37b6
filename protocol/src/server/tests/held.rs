//! What one connection may hold, to the byte.

use super::*;

const MOST: usize = 2_000_000;

/// A client in `/` on a WebSocket of a server that lets it hold so much.
fn link() -> Link {
    joined(Link::with(Config { max_payload: 1_000, max_held: MOST, ..Config::default() }, Transport::WebSocket))
}

/// What the names and auths of the namespaces take.
const NAMES: usize = "/".len();

#[test]
fn what_the_application_keeps_counts_to_the_byte() {
    for (more, open) in [(0, true), (1, false), (2, false)] {
        let mut link = link();
        assert!(link.server.hold(MOST - NAMES));
        assert_eq!((link.server.held(), link.server.has_ended()), (MOST, false));
        assert_eq!(link.server.hold(more), open, "{more} more");
        assert_eq!(link.server.has_ended(), !open, "{more} more");
        if !open {
            assert_eq!(link.server.poll_event(), Some(Event::Closed(Reason::SlowReader)));
        }
    }
}

#[test]
fn what_was_let_go_counts_no_more() {
    let mut link = link();
    assert!(link.server.hold(MOST / 2));
    link.server.let_go(MOST / 2);
    assert_eq!(link.server.held(), NAMES);
    assert!(link.server.hold(MOST - NAMES));
}

#[test]
fn names_and_auths_count_until_the_namespace_is_left() {
    let mut link = link();
    assert_eq!(link.server.held(), NAMES);
    link.client.connect("/hall", "");
    link.client.connect("/room", r#"{"a":1}"#);
    link.settle();
    assert_eq!(link.server.held(), NAMES + "/hall".len() + "/room".len() + r#"{"a":1}"#.len());
    link.client.disconnect("/room");
    link.settle();
    assert_eq!(link.server.held(), NAMES + "/hall".len());
}

#[test]
fn names_are_held_to_the_limit_as_well() {
    let auth = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - r#"{"a":""}"#.len()));
    for (over, open) in [(0, true), (1, false)] {
        let mut link = link();
        assert!(link.server.hold(MOST - NAMES - 500));
        link.client.connect("/room", &auth(500 - "/room".len() + over));
        while link.client_to_server() {}
        assert_eq!(link.server.has_ended(), !open, "{over} over");
    }
}

/// A header that waits for its attachments, with those that are there, and what is queued.
#[test]
fn half_a_packet_and_the_queue_are_held() {
    let mut link = link();
    let json = r#"["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    link.server.ws_frame(&link.config, &Frame::text(format!("452-{json}")), link.now);
    link.server.ws_frame(&link.config, &Frame::binary(vec![0; 700]), link.now);
    let half = "/".len() + json.len() + 700;
    assert_eq!(link.server.held(), NAMES + half);
    let packet = Parser::Json.encode(&numbered("/", 1));
    assert!(link.server.send("/", &packet, true));
    assert_eq!(link.server.held(), NAMES + half + packet[0].cost());
    assert!(link.server.hold(MOST - NAMES - half - packet[0].cost()) && !link.server.hold(1));
}

/// What is queued may reach the limit, and not pass it; a packet that is alone may be as large as it likes, and counts
/// as much as the limit then.
#[test]
fn a_queue_may_be_filled_to_its_limit() {
    let packet = Parser::Json.encode(&numbered("/", 1));
    let room = 2 * packet[0].cost();
    for (max_buffered, open) in [(room, true), (room - 1, false)] {
        let config = Config { max_buffered, ..Config::default() };
        let mut link = joined(Link::with(config, Transport::WebSocket));
        (0..2).for_each(|_| _ = link.server.send("/", &packet, true));
        assert_eq!(link.server.has_ended(), !open, "{max_buffered}");
    }
    let config = Config { max_buffered: 1_000, max_payload: 1_000, max_held: MOST, ..Config::default() };
    let mut link = joined(Link::with(config, Transport::WebSocket));
    let large = Packet::event("/", crate::Args::event("x", ("y".repeat(MOST),)).unwrap());
    assert!(link.server.send("/", &large.encode(), true));
    assert!(link.server.hold(MOST - NAMES - 1_000) && !link.server.hold(1));
}

/// One attachment of the largest size is always taken, whatever is said of what may be held: with a mebibyte beside it.
#[test]
fn the_largest_attachment_is_always_taken() {
    let config = Config { max_payload: 1_000, max_held: 0, ..Config::default() };
    let mut link = joined(Link::with(config, Transport::WebSocket));
    assert!(link.server.hold(1_000 + 1_048_576 - NAMES) && !link.server.hold(1));
}

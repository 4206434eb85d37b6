//! What each call says at the edges of what it is for.

use super::tests::{now, open, text};
use super::*;

/// What may wait in acknowledgements, and what a frame counts beside its bytes; both are written out, so that a change is seen.
const MAY_WAIT: usize = 1_048_576;
const BESIDES: usize = 64;

/// An acknowledgement whose frame counts `cost` bytes.
fn acknowledge(client: &mut Connection, cost: usize) {
    let wrapped = "431[\"\"]".len();
    client.ack("/", 1, Args::from_json(format!("[\"{}\"]", "x".repeat(cost - BESIDES - wrapped)), vec![]));
}

#[test]
fn questions_are_numbered_and_what_asks_nothing_has_no_number() {
    let mut client = open(Transport::WebSocket);
    let name = || Args::event("e", ()).unwrap();
    assert_eq!([true, false, true, true].map(|asks| client.emit("/", name(), asks)), [Some(0), None, Some(1), Some(2)]);
    let sent: Vec<_> = std::iter::from_fn(|| client.take_frame()).collect();
    assert_eq!(sent, ["420[\"e\"]", "42[\"e\"]", "421[\"e\"]", "422[\"e\"]"].map(text));
}

#[test]
fn acknowledgements_may_wait_up_to_the_bound() {
    for (cost, closed) in [(MAY_WAIT, false), (MAY_WAIT + 1, true)] {
        let mut client = open(Transport::WebSocket);
        acknowledge(&mut client, cost);
        assert_eq!(client.is_closed(), closed, "{cost}");
    }
}

/// What was taken counts no more, and what was not still does.
#[test]
fn only_what_still_waits_is_bounded() {
    for (more, closed) in [(MAY_WAIT / 2, false), (MAY_WAIT / 2 + 1, true)] {
        let mut client = open(Transport::WebSocket);
        acknowledge(&mut client, MAY_WAIT / 2);
        acknowledge(&mut client, MAY_WAIT / 2);
        assert!(client.take_frame().is_some());
        acknowledge(&mut client, more);
        assert_eq!(client.is_closed(), closed, "{more}");
    }
}

#[test]
fn a_namespace_is_left_with_a_packet() {
    let mut client = open(Transport::WebSocket);
    client.disconnect("/admin");
    assert_eq!(client.take_frame(), Some(text("41/admin,")));
}

/// Over polling the server is told; a WebSocket is simply closed. A second time nothing happens.
#[test]
fn who_closes_says_so_once() {
    for (transport, said) in [(Transport::Polling, true), (Transport::WebSocket, false)] {
        let mut client = open(transport);
        client.close();
        assert_eq!(client.has_output(), said, "{transport:?}");
        client.close();
        assert!(client.is_closed());
        assert_eq!(client.poll_event(), Some(Event::Closed(Closed::ByClient)));
        assert_eq!((client.poll_event(), client.has_output()), (None, said), "{transport:?}");
        assert_eq!(client.take_payload().as_deref(), said.then_some("1"), "{transport:?}");
    }
}

/// A packet that is larger than what the server takes goes alone: the server has to refuse it, not this end.
#[test]
fn a_packet_that_is_too_large_is_a_body_of_its_own() {
    let mut client = Connection::new(Transport::Polling);
    let handshake = r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1}"#;
    client.payload(&handshake.into(), now());
    client.connect("/a", "");
    client.connect("/b", "");
    assert_eq!(client.take_payload().as_deref(), Some("40/a,"));
    assert_eq!(client.take_payload().as_deref(), Some("40/b,"));
    assert_eq!((client.take_payload(), client.has_output()), (None, false));
}

#[test]
fn bodies_that_wait_are_told_of() {
    let mut client = open(Transport::Polling);
    assert_eq!((client.has_input(), client.is_behind()), (false, false));
    let body = "42[\"x\"]\u{1e}42[\"y\"]".into();
    client.payload(&body, now());
    assert_eq!((client.has_input(), client.is_behind()), (true, false), "half of it was read");
    client.payload(&body, now());
    assert_eq!((client.has_input(), client.is_behind()), (true, true), "and a whole one waits behind it");
    assert_eq!(std::iter::from_fn(|| client.poll_event()).count(), 4);
    assert_eq!((client.has_input(), client.is_behind()), (false, false));
}

#[test]
fn what_waits_for_its_attachments_is_held() {
    let mut client = open(Transport::WebSocket);
    assert_eq!(client.held(), 0);
    let json = r#"["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    client.frame(&text(&format!("452-/room,{json}")), now());
    assert_eq!(client.held(), "/room".len() + json.len());
    client.frame(&Frame::binary(vec![0; 1000]), now());
    assert_eq!(client.held(), "/room".len() + json.len() + 1000);
    client.frame(&Frame::binary(vec![0; 1000]), now());
    assert_eq!(client.held(), 0);
}

/// Only `3probe` lets the WebSocket take over; then no request is opened until none is open, and `5` comes first.
#[test]
fn the_websocket_takes_over_behind_its_probe() {
    let mut client = open(Transport::Polling);
    client.connect("/", "");
    for wrong in ["3", "2probe", "3prob", "6"] {
        assert_eq!(client.begin_upgrade(), text("2probe"));
        assert!(!client.probe_frame(&text(wrong)) && !client.is_pausing(), "{wrong}");
    }
    client.begin_upgrade();
    assert!(client.probe_frame(&text("3probe")) && client.is_pausing());
    assert_eq!((client.take_payload(), client.take_frame()), (None, None));
    client.polling_paused();
    assert_eq!((client.is_pausing(), client.transport()), (false, Transport::WebSocket));
    assert_eq!(client.poll_event(), Some(Event::Upgraded));
    assert_eq!([client.take_frame(), client.take_frame()], [Some(text("5")), Some(text("40"))]);
}

#[test]
fn polling_goes_on_when_the_probe_is_lost() {
    let mut client = open(Transport::Polling);
    client.connect("/", "");
    client.begin_upgrade();
    assert!(client.probe_frame(&text("3probe")));
    client.probe_lost();
    assert!(!client.is_pausing());
    assert_eq!(client.take_payload().as_deref(), Some("40"));
}

#[test]
fn a_message_ahead_of_the_handshake_breaks_the_rules() {
    let mut client = Connection::new(Transport::WebSocket);
    client.frame(&text("40{\"sid\":\"s\"}"), now());
    assert!(matches!(client.poll_event(), Some(Event::Closed(Closed::Handshake(_)))));
}

/// The server may be silent for 45 seconds from the handshake and from each ping on.
#[test]
fn the_deadline_moves_with_each_ping() {
    let (start, patience) = (now(), Duration::from_secs(45));
    let mut client = Connection::new(Transport::WebSocket);
    assert_eq!((client.deadline(), client.last_heartbeat(), client.handshake()), (None, None, None));
    client.frame(&text(r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#), start);
    assert_eq!(client.handshake().map(|handshake| handshake.sid.as_str()), Some("s"));
    assert_eq!((client.deadline(), client.last_heartbeat()), (Some(start + patience), Some(start)));
    let later = start + Duration::from_secs(30);
    client.frame(&text("2"), later);
    assert_eq!((client.deadline(), client.last_heartbeat()), (Some(later + patience), Some(later)));
    client.timeout(later + Duration::from_millis(44_999));
    assert!(!client.is_closed());
    client.timeout(later + patience);
    assert!(client.is_closed());
    assert_eq!(client.deadline(), None, "who is closed waits for nothing");
}

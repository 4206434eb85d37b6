//! What each transport hands out, and what an upgrade asks for.

use super::*;
use crate::engine::{Message, Revision};

fn frames() -> crate::Frames {
    numbered("/", 1).encode()
}

fn answer(server: &mut Connection) -> Option<String> {
    server.poll_take().map(|poll| text(poll).to_string())
}

/// EIO-PL-07: with nothing to say there is no answer; a probe releases it with a noop.
#[test]
fn a_get_waits_for_something_to_say() {
    let mut link = connected(Transport::Polling);
    assert_eq!(answer(&mut link.server), None);
    link.server.probe_begin(&link.config, link.now).unwrap();
    assert_eq!(answer(&mut link.server), None, "the WebSocket has not probed");
    assert!(matches!(link.server.probe_frame(&Frame::text("2probe")), Probe::Reply(_)));
    assert_eq!(answer(&mut link.server).as_deref(), Some("6"));
}

/// The open packet is alone in its answer, and what an answer holds counts until the next GET.
#[test]
fn what_was_answered_counts_until_the_next_get() {
    let mut link = Link::new(Transport::Polling);
    link.server = Connection::bare(&link.config, &Opening::new("sid", Transport::Polling), link.now);
    assert!(link.server.send_message(Message::Text("hello".into())));
    link.server.poll_begin().unwrap();
    let open = answer(&mut link.server).unwrap_or_default();
    assert!(open.starts_with("0{") && !open.contains('\u{1e}'), "{open}");
    let hello = Frame::text("4hello").cost();
    assert_eq!(link.server.buffered(), open.len() + hello);
    link.server.poll_begin().unwrap();
    assert_eq!(link.server.buffered(), hello);
    assert_eq!(answer(&mut link.server).as_deref(), Some("4hello"));
    assert_eq!(link.server.buffered(), "4hello".len());
}

/// A GET that waits with nothing queued gets the end alone; to one that comes later a noop is said first, as Node does.
#[test]
fn the_end_is_said_to_the_get_that_waits_or_to_the_next() {
    let mut link = connected(Transport::Polling);
    link.server.close(&link.config, Reason::ForcedServerClose, link.now);
    assert_eq!(answer(&mut link.server).as_deref(), Some("1"));
    assert_eq!((link.server.is_closed(), link.server.buffered()), (true, 0));

    let mut link = connected(Transport::Polling);
    assert!(link.server.send("/", &frames(), true));
    link.server.close(&link.config, Reason::ForcedServerClose, link.now);
    assert_eq!(answer(&mut link.server).as_deref(), Some("42[\"n\",1]"));
    link.server.poll_begin().unwrap();
    assert_eq!(answer(&mut link.server).as_deref(), Some("6\u{1e}1"));
    assert!(link.server.is_closed());
}

/// One write takes 64 KiB, and the packet that reaches them whole.
#[test]
fn a_websocket_takes_so_much_at_a_time() {
    let mut link = Link::new(Transport::WebSocket);
    link.server = Connection::bare(&link.config, &Opening::new("sid", Transport::WebSocket), link.now);
    link.server.ws_take(&mut Vec::new());
    let half = 32 * 1024;
    for length in [half, half, half, half - 1, 1, 1, 1] {
        // The digit of the packet counts.
        assert!(link.server.send_message(Message::Text("x".repeat(length - 1).into())));
    }
    let turns: Vec<_> = std::iter::from_fn(|| {
        let mut frames = Vec::new();
        link.server.ws_take(&mut frames);
        (!frames.is_empty()).then_some(frames.len())
    })
    .collect();
    assert_eq!(turns, [2, 3, 2]);
}

/// EIO-V3-04: bytes go to a client of revision 3 behind a 4, or as base64 if it has asked for that.
#[test]
fn bytes_are_written_as_the_client_takes_them() {
    for (base64, expected) in [(false, Frame::binary(vec![4, 1, 2])), (true, Frame::text("b4AQI="))] {
        let mut link = Link::new(Transport::WebSocket);
        let opening = Opening { revision: Revision::V3, base64, ..Opening::new("sid", Transport::WebSocket) };
        link.server = Connection::bare(&link.config, &opening, link.now);
        assert!(link.server.send_message(Message::Binary(vec![1, 2].into())));
        let mut frames = Vec::new();
        link.server.ws_take(&mut frames);
        assert_eq!(frames.last(), Some(&expected));
    }
}

#[test]
fn where_upgrades_are_not_allowed_nobody_probes() {
    let config = Config { allow_upgrades: false, ..Config::default() };
    let mut link = joined(Link::with(config, Transport::Polling));
    assert_eq!(link.server.probe_begin(&link.config, link.now), Err(ProbeError::NotPolling));
}

/// EIO-UP-10, EIO-UP-11.
#[test]
fn a_probe_is_a_probe_and_comes_ahead_of_the_upgrade() {
    for wrong in ["2", "2prob", "5", "3probe", "6"] {
        let mut link = connected(Transport::Polling);
        link.server.probe_begin(&link.config, link.now).unwrap();
        assert_eq!(link.server.probe_frame(&Frame::text(wrong)), Probe::Reject, "{wrong}");
        assert_eq!(link.server.transport(), Transport::Polling);
    }
}

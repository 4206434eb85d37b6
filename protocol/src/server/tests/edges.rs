//! What each call says at the edges of what it is for.

use super::*;

#[test]
fn only_who_asked_is_let_in_and_only_once() {
    let mut link = connected(Transport::WebSocket);
    assert!(!link.server.accept("/nobody", "sid", None));
    assert!(!link.server.accept("/", "sid", None), "it is in already");
    assert!(!link.server.refuse("/nobody", "no", None));
}

#[test]
fn a_probe_lives_from_its_beginning_until_it_is_lost() {
    let mut link = connected(Transport::Polling);
    assert!(!link.server.probe_alive());
    link.server.probe_begin(&link.config, link.now).unwrap();
    assert!(link.server.probe_alive());
    link.server.probe_lost();
    assert!(!link.server.probe_alive());
}

/// A server that stops waits a second for those who poll, not as long as for one that it puts out.
#[test]
fn who_polls_has_a_second_when_the_server_stops() {
    let mut link = connected(Transport::Polling);
    link.server.shut_down(&link.config, link.now);
    assert_eq!(link.server.deadline(), Some(link.now + Duration::from_secs(1)));
}

/// What was handed out counts no more.
#[test]
fn what_was_written_is_not_buffered() {
    let mut link = connected(Transport::WebSocket);
    let packet = Parser::Json.encode(&numbered("/", 1));
    assert_eq!(link.server.buffered(), 0);
    assert!(link.server.send("/", &packet, true) && link.server.send("/", &packet, true));
    let waiting = link.server.buffered();
    assert_eq!(waiting, 2 * packet[0].cost());
    link.server.ws_take(&mut Vec::new());
    assert_eq!(link.server.buffered(), 0);
}

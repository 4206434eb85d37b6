//! A session of Engine.IO alone.

use super::*;
use crate::engine::Message;

#[test]
fn messages_pass_and_nothing_else_is_understood() {
    let mut link = Link::new(Transport::WebSocket);
    link.server = Connection::bare(&link.config, &Opening::new("sid", Transport::WebSocket), link.now);
    link.server.ws_frame(&link.config, &Frame::text("40"), link.now);
    link.server.ws_frame(&link.config, &Frame::binary(vec![1]), link.now);
    let messages = [Message::Text("0".into()), Message::Binary(vec![1].into())].map(Event::Message);
    assert_eq!([link.server.poll_event(), link.server.poll_event()], messages.map(Some));
    link.wait(Duration::from_secs(46));
    assert!(!link.server.has_ended(), "nobody has to join a namespace");
}

#[test]
fn messages_are_queued_while_it_is_open() {
    let mut link = Link::new(Transport::WebSocket);
    let message = || Message::Text("hello".into());
    assert!(!link.server.send_message(message()), "one that knows namespaces has other ways to send");
    link.server = Connection::bare(&link.config, &Opening::new("sid", Transport::WebSocket), link.now);
    assert!(link.server.send_message(message()));
    let mut frames = Vec::new();
    link.server.ws_take(&mut frames);
    assert_eq!(frames[1..], [Frame::text("4hello")], "behind the open packet");
    link.server.ws_lost(Reason::TransportClose);
    assert!(!link.server.send_message(message()) && link.server.has_ended());
}

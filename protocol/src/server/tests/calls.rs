//! What each call answers, and what it leaves alone.

use super::*;
use crate::engine::Revision;

fn frames() -> crate::Frames {
    numbered("/", 1).encode()
}

#[test]
fn only_members_are_sent_to() {
    let mut link = connected(Transport::WebSocket);
    for volatile in [false, true] {
        let send = if volatile { Connection::send_volatile } else { Connection::send };
        assert!(!send(&mut link.server, "/other", &frames(), true), "volatile: {volatile}");
    }
    assert!(!link.server.has_output() && !link.server.disconnect("/other") && !link.server.has_output());
    assert!(link.server.disconnect("/") && link.server.has_output());
    assert!(!link.server.send("/", &frames(), true), "it was put out");
}

/// MD-01, MD-02: what cannot leave at once is dropped.
#[test]
fn what_is_volatile_needs_a_reader_and_an_empty_queue() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut link = connected(transport);
        assert!(link.server.send_volatile("/", &frames(), true), "{transport:?}");
        assert!(!link.server.send_volatile("/", &frames(), true), "{transport:?}: one is queued already");
        link.settle();
        assert_eq!(client_numbers(&link), [1]);
    }
    let mut link = connected(Transport::Polling);
    assert!(link.server.send("/", &frames(), true) && link.server.poll_take().is_some());
    assert!(!link.server.send_volatile("/", &frames(), true), "no GET waits");
}

#[test]
fn a_request_that_is_given_up_ends_the_session() {
    let mut link = connected(Transport::Polling);
    link.server.poll_abort();
    assert_eq!(link.server.poll_event(), Some(Event::Closed(Reason::TransportError)));
    let mut link = connected(Transport::Polling);
    link.server.post_begin().unwrap();
    link.server.post_abort();
    assert_eq!(link.server.poll_event(), Some(Event::Closed(Reason::TransportError)));
    let mut link = connected(Transport::WebSocket);
    link.server.poll_abort();
    assert!(!link.server.has_ended(), "where no GET waits, none is given up");
}

/// EIO-CL-02: what a client says that has not heard of its end is not handed on, and no mistake of it costs it what is
/// queued; that it says goodbye is understood.
#[test]
fn nothing_is_understood_behind_the_end() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut link = connected(transport);
        assert!(link.server.send("/", &frames(), true));
        link.server.close(&link.config, Reason::ForcedServerClose, link.now);
        assert!(link.server.has_ended() && !link.server.is_closed());
        assert_eq!(link.server.poll_event(), Some(Event::Closed(Reason::ForcedServerClose)));
        for (frame, closed) in [("42[\"n\",1]", false), ("2", false), ("9", false), ("1", true)] {
            if transport == Transport::Polling {
                link.server.post_begin().unwrap();
                assert!(link.server.post(&link.config, &Payload::Text(frame.into()), link.now));
            } else {
                link.server.ws_frame(&link.config, &Frame::text(frame), link.now);
            }
            assert_eq!((link.server.poll_event(), link.server.is_closed()), (None, closed), "{transport:?} {frame}");
        }
    }
}

#[test]
fn what_waits_is_told_of() {
    let mut link = connected(Transport::WebSocket);
    assert_eq!((link.server.has_events(), link.server.pending_events(), link.server.has_output()), (false, 0, false));
    for count in 1..3 {
        link.server.ws_frame(&link.config, &Frame::text("42[\"n\",1]"), link.now);
        assert_eq!((link.server.has_events(), link.server.pending_events()), (true, count));
    }
    assert!(link.server.send("/", &frames(), true) && link.server.has_output());
    link.server.ws_lost(Reason::TransportClose);
    assert!(link.server.has_ended() && link.server.has_output(), "the WebSocket is to be closed");
}

/// An answer may be compressed when one of its packets may.
#[test]
fn one_packet_allows_the_compression_of_an_answer() {
    let mut link = connected(Transport::Polling);
    for (packets, compressed) in [
        (&[false][..], false),
        (&[true], true),
        (&[true, false], true),
        (&[false, true], true),
        (&[false, false], false),
    ] {
        for &compress in packets {
            assert!(link.server.send("/", &frames(), compress));
        }
        assert_eq!(link.server.poll_take().map(|poll| poll.compress), Some(compressed), "{packets:?}");
        link.server.poll_begin().unwrap();
    }
}

/// A name of the longest length is as good as any; one that is longer is refused as an unknown one is.
#[test]
fn namespaces_have_names_of_bounded_length() {
    for (length, refused) in [(1024, false), (1025, true), (1026, true)] {
        let mut link = connected(Transport::WebSocket);
        let name = format!("/{}", "n".repeat(length - 1));
        link.client.connect(&name, "");
        while link.client_to_server() {}
        let asked = Event::Connect { nsp: name.as_str().into(), auth: ByteString::new() };
        assert_eq!(link.server.poll_event(), (!refused).then_some(asked), "{length}");
        link.settle();
        let body = r#"{"message":"Invalid namespace"}"#.into();
        let refusal = client::Event::ConnectError { nsp: name.as_str().into(), body };
        assert_eq!(link.client_events.contains(&refusal), refused, "{length}");
    }
}

/// EIO-V3-03: in revision 3 a query behind a namespace is its auth; in revision 4 it is part of the name.
#[test]
fn a_query_is_auth_in_revision_3_alone() {
    for (revision, name, said) in
        [(Revision::V3, "/a", r#"{"token":"x y","n":"1"}"#), (Revision::V4, "/a?token=x+y&n=1", "")]
    {
        let mut link = Link::new(Transport::WebSocket);
        let opening = Opening { revision, ..Opening::new("sid", Transport::WebSocket) };
        link.server = Connection::new(&link.config, &opening, link.now);
        assert_eq!(link.server.revision(), revision);
        link.server.ws_frame(&link.config, &Frame::text("40/a?token=x+y&n=1,"), link.now);
        let asked: Vec<_> = std::iter::from_fn(|| link.server.poll_event()).collect();
        assert_eq!(asked.last(), Some(&Event::Connect { nsp: name.into(), auth: said.into() }), "{revision:?}");
    }
}

/// What a GET or a WebSocket waits for: something to say, the release by an upgrade, or the end.
#[test]
fn a_reader_is_woken_for_what_concerns_it() {
    let mut link = connected(Transport::Polling);
    assert!(link.get && !link.server.has_output(), "a GET waits, and there is nothing");
    assert!(link.server.send("/", &frames(), true) && link.server.has_output());
    assert!(link.server.poll_take().is_some() && link.server.send("/", &frames(), true));
    assert!(!link.server.has_output(), "no GET waits");
    link.server.poll_begin().unwrap();
    assert!(link.server.has_output() && link.server.poll_take().is_some());

    let mut link = connected(Transport::Polling);
    link.server.probe_begin(&link.config, link.now).unwrap();
    assert!(!link.server.has_output());
    assert!(matches!(link.server.probe_frame(&Frame::text("2probe")), Probe::Reply(_)));
    assert!(link.server.has_output(), "the GET is released");

    let mut link = connected(Transport::Polling);
    link.server.close(&link.config, Reason::ForcedServerClose, link.now);
    assert!(link.server.has_output(), "the GET is told");
    let mut link = connected(Transport::Polling);
    assert!(link.server.send("/", &frames(), true) && link.server.poll_take().is_some());
    link.server.close(&link.config, Reason::ForcedServerClose, link.now);
    assert!(!link.server.has_output(), "it will be told when it comes");
    link.server.ws_lost(Reason::TransportClose);
    assert!(link.server.has_output(), "whoever comes hears that there is nothing");

    let mut link = connected(Transport::WebSocket);
    link.server.close(&link.config, Reason::ForcedServerClose, link.now);
    assert!(link.server.has_output(), "the WebSocket is to be closed");
}

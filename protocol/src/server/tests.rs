//! Both ends on a simulated link with a hand-cranked clock.

mod bare;
mod calls;
mod clock;
mod edges;
mod ends;
mod held;
mod names;
mod transports;

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::engine::Payload;
use crate::{ByteString, Frame, Packet, client};

/// A client and a server joined by function calls; the clock moves only when told to.
struct Link {
    config: Config,
    server: Connection,
    client: client::Connection,
    now: Instant,
    /// The GET that waits, and whether the probing WebSocket is open.
    get: bool,
    probing: bool,
    server_events: Vec<Event>,
    client_events: Vec<client::Event>,
}

impl Link {
    fn new(transport: Transport) -> Self {
        Self::with(Config::default(), transport)
    }

    #[expect(clippy::disallowed_methods, reason = "an origin for the hand-cranked clock")]
    fn with(config: Config, transport: Transport) -> Self {
        let now = Instant::now();
        let server = Connection::new(&config, &Opening::new("engine-sid", transport), now);
        let client = client::Connection::new(transport);
        Self { config, server, client, now, get: false, probing: false, server_events: vec![], client_events: vec![] }
    }

    /// Moves everything that can move, `accept`ing every CONNECT.
    fn settle(&mut self) {
        while self.step() {}
    }

    fn step(&mut self) -> bool {
        let mut moved = self.client_to_server() | self.server_to_client();
        while let Some(event) = self.server.poll_event() {
            moved = true;
            if let Event::Connect { nsp, .. } = &event {
                assert!(self.server.accept(nsp, "socket-sid", None));
            }
            self.server_events.push(event);
        }
        while let Some(event) = self.client.poll_event() {
            moved = true;
            self.client_events.push(event);
        }
        moved
    }

    fn client_to_server(&mut self) -> bool {
        let mut moved = false;
        while let Some(frame) = self.client.take_frame() {
            moved = true;
            if self.server.transport() == Transport::Polling {
                assert_eq!(self.server.probe_frame(&frame), Probe::Complete);
            } else {
                self.server.ws_frame(&self.config, &frame, self.now);
            }
        }
        if let Some(body) = self.client.take_payload() {
            moved = true;
            self.server.post_begin().unwrap();
            assert!(self.server.post(&self.config, &Payload::Text(body), self.now));
        }
        moved
    }

    fn server_to_client(&mut self) -> bool {
        if self.client.transport() == Transport::WebSocket {
            let mut frames = Vec::new();
            if self.server.transport() == Transport::WebSocket && self.server.ws_take(&mut frames) == Take::Close {
                self.server.ws_lost(Reason::ForcedServerClose);
            }
            for frame in &frames {
                self.client.frame(frame, self.now);
            }
            return !frames.is_empty();
        }
        if !self.get && !self.client.is_pausing() && !self.client.is_closed() {
            self.server.poll_begin().unwrap();
            self.get = true;
        }
        if self.get
            && let Some(poll) = self.server.poll_take()
        {
            self.get = false;
            self.client.payload(&text(poll), self.now);
            return true;
        }
        if self.client.is_pausing() && !self.get {
            self.client.polling_paused();
            return true;
        }
        false
    }

    fn upgrade(&mut self) {
        self.server.probe_begin(&self.config, self.now).unwrap();
        let probe = self.client.begin_upgrade();
        let Probe::Reply(pong) = self.server.probe_frame(&probe) else { panic!("no answer to the probe") };
        assert!(self.client.probe_frame(&pong));
        self.probing = true;
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.server.timeout(&self.config, self.now);
        self.client.timeout(self.now);
        self.settle();
    }
}

fn text(poll: Poll) -> ByteString {
    match poll.payload {
        Payload::Text(text) => text,
        Payload::Binary(bytes) => panic!("revision 4 has no binary payloads: {bytes:?}"),
    }
}

fn numbered(nsp: &str, n: u32) -> Packet {
    Packet::event(nsp, crate::Args::event("n", (n,)).unwrap())
}

fn numbers(events: impl IntoIterator<Item = crate::Incoming>) -> Vec<u32> {
    events.into_iter().map(|incoming| incoming.args.get(1).unwrap()).collect()
}

fn client_numbers(link: &Link) -> Vec<u32> {
    numbers(link.client_events.iter().filter_map(|event| match event {
        client::Event::Event(incoming) => Some(incoming.clone()),
        _ => None,
    }))
}

fn server_numbers(link: &Link) -> Vec<u32> {
    numbers(link.server_events.iter().filter_map(|event| match event {
        Event::Event(incoming) => Some(incoming.clone()),
        _ => None,
    }))
}

fn connected(transport: Transport) -> Link {
    joined(Link::new(transport))
}

fn joined(mut link: Link) -> Link {
    link.client.connect("/", "");
    link.settle();
    assert!(link.client_events.iter().any(|event| matches!(event, client::Event::Connect { .. })));
    link
}

proptest! {
    /// EIO-UP-14: a numbered stream in both directions across an upgrade arrives complete, once, in order,
    /// wherever the steps of the upgrade fall.
    #[test]
    fn nothing_is_lost_doubled_or_overtaken_by_an_upgrade(
        steps in prop::collection::vec(0u8..4, 0..60),
        upgrade_at in 0usize..60,
    ) {
        let mut link = connected(Transport::Polling);
        let (mut up, mut down) = (0, 0);
        for (index, step) in steps.into_iter().enumerate() {
            if index == upgrade_at {
                link.upgrade();
            }
            match step {
                0 => {
                    assert!(link.server.send("/", &numbered("/", down).encode(), true));
                    down += 1;
                }
                1 => {
                    link.client.send(&numbered("/", up));
                    up += 1;
                }
                2 => { link.step(); }
                _ => link.wait(Duration::from_millis(3)),
            }
        }
        link.settle();
        prop_assert_eq!(client_numbers(&link), (0..down).collect::<Vec<_>>());
        prop_assert_eq!(server_numbers(&link), (0..up).collect::<Vec<_>>());
    }

    #[test]
    fn no_frame_panics(texts in prop::collection::vec("[0-9]{0,3}-?(/[a-z]*,)?[0-9]{0,2}.{0,20}", 0..8)) {
        let mut link = connected(Transport::WebSocket);
        for text in texts {
            link.server.ws_frame(&link.config, &Frame::text(text.clone()), link.now);
            link.client.frame(&Frame::text(text), link.now);
            while link.server.poll_event().is_some() {}
            while link.client.poll_event().is_some() {}
        }
    }

    /// What one connection holds is bounded by the stated limit plus one packet.
    #[test]
    fn the_queue_is_bounded(sizes in prop::collection::vec(1usize..400, 1..100)) {
        let config = Config { max_buffered: 4_000, ..Config::default() };
        let mut link = joined(Link::with(config, Transport::Polling));
        for size in sizes {
            let packet = Packet::event("/", crate::Args::event("x", ("y".repeat(size),)).unwrap());
            link.server.send("/", &packet.encode(), true);
            prop_assert!(link.server.buffered() <= 4_000, "{}", link.server.buffered());
        }
    }
}

#[test]
fn heartbeats_keep_both_ends_alive_and_silence_ends_them() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut link = connected(transport);
        for _ in 0..10 {
            link.wait(Duration::from_secs(25));
        }
        assert!(!link.server.is_closed() && !link.client.is_closed());
        link.now += Duration::from_secs(25);
        link.server.timeout(&link.config, link.now); // the ping, which nobody answers
        link.now += Duration::from_secs(20);
        link.server.timeout(&link.config, link.now);
        assert_eq!(link.server.poll_event(), Some(Event::Closed(Reason::PingTimeout)));
        link.client.timeout(link.now);
        assert!(matches!(link.client.poll_event(), Some(client::Event::Closed(client::Closed::Silent(_)))));
    }
}

#[test]
fn a_connection_that_joins_no_namespace_is_closed() {
    let mut link = Link::new(Transport::WebSocket);
    link.settle();
    link.wait(Duration::from_secs(25));
    assert!(!link.server.is_closed());
    link.wait(Duration::from_secs(20));
    assert_eq!(link.server_events, [Event::Closed(Reason::ForcedServerClose)]);
}

/// EIO-CL-04: what was queued ahead of a close still arrives, on both transports.
#[test]
fn a_close_lets_the_queue_out_first() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut link = connected(transport);
        for n in 0..20 {
            link.server.send("/", &numbered("/", n).encode(), true);
        }
        link.server.close(&link.config, Reason::ForcedServerClose, link.now);
        assert!(!link.server.send("/", &numbered("/", 99).encode(), true));
        let _ = link.server_to_client();
        link.settle();
        assert_eq!(client_numbers(&link), (0..20).collect::<Vec<_>>());
        assert!(link.server.is_closed());
    }
}

#[test]
fn duplicate_requests_close_the_session() {
    let mut link = connected(Transport::Polling);
    assert!(link.get, "a GET waits");
    assert_eq!(link.server.poll_begin(), Err(PollError::Duplicate));
    assert_eq!(link.server.poll_take().map(text).as_deref(), Some("1"));
    assert_eq!(link.server.poll_begin(), Err(PollError::NotPolling));

    let mut link = connected(Transport::Polling);
    link.server.post_begin().unwrap();
    assert_eq!(link.server.post_begin(), Err(PollError::Duplicate));
    assert!(link.server.is_closed());
}

#[test]
fn a_failed_probe_leaves_polling_alone() {
    let mut link = connected(Transport::Polling);
    link.server.probe_begin(&link.config, link.now).unwrap();
    assert_eq!(link.server.probe_begin(&link.config, link.now), Err(ProbeError::Busy));
    assert_eq!(link.server.probe_frame(&Frame::text("4x")), Probe::Reject);
    link.server.send("/", &numbered("/", 1).encode(), true);
    link.settle();
    assert_eq!(client_numbers(&link), [1]);
}

#[test]
fn packets_for_a_namespace_not_joined_close_the_connection() {
    for text in ["42/custom,[\"x\"]", "41/custom,", "44{\"message\":\"x\"}", "40"] {
        let mut link = connected(Transport::WebSocket);
        link.server.ws_frame(&link.config, &Frame::text(text), link.now);
        assert_eq!(link.server.poll_event(), Some(Event::Closed(Reason::ForcedServerClose)), "{text}");
    }
    let mut link = connected(Transport::WebSocket);
    link.server.ws_frame(&link.config, &Frame::text("42[null]"), link.now);
    assert_eq!(link.server.poll_event(), Some(Event::Closed(Reason::ForcedClose)));
}

#[test]
fn a_refused_namespace_leaves_the_connection_open() {
    let mut link = connected(Transport::WebSocket);
    link.client.connect("/deny", "");
    while link.client_to_server() {}
    assert_eq!(link.server.poll_event(), Some(Event::Connect { nsp: "/deny".into(), auth: ByteString::new() }));
    assert!(link.server.refuse("/deny", "denied", None));
    link.settle();
    let refusal = client::Event::ConnectError { nsp: "/deny".into(), body: r#"{"message":"denied"}"#.into() };
    assert_eq!(link.client_events.last(), Some(&refusal));
    assert!(link.server.send("/", &numbered("/", 1).encode(), true));
}

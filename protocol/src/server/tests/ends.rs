//! The server ends a session while anything at all is under way.
//!
//! Here every leg of a request and of an upgrade is a step of its own, so an end falls between any two of them: a GET
//! on its way, waiting, or answered and not yet read; a POST whose head is there and whose body is not; a probe that is
//! opened, asked, answered, or about to be completed.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{numbered, numbers, text};
use crate::engine::Payload;
use crate::server::{Config, Connection, Event, Opening, Probe, Reason, Take, Transport};
use crate::{ByteString, Frame, client};

/// How the server ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// `disconnect(true)`.
    Disconnect,
    /// The whole server stops.
    ShutDown,
}

/// One step of either end, or of the network between them. Each does nothing when there is nothing for it to do.
#[derive(Clone, Copy, Debug)]
enum Step {
    ServerSends,
    ClientSends,
    Get,
    GetArrives,
    GetIsAnswered,
    AnswerArrives,
    Post,
    PostBodyArrives,
    ProbeOpens,
    ToServer,
    ToClient,
    ServerWrites,
    ClientPauses,
}

const EVERY: [Step; 11] = [
    Step::Get,
    Step::GetArrives,
    Step::GetIsAnswered,
    Step::AnswerArrives,
    Step::Post,
    Step::PostBodyArrives,
    Step::ProbeOpens,
    Step::ToServer,
    Step::ToClient,
    Step::ServerWrites,
    Step::ClientPauses,
];

fn step() -> impl Strategy<Value = Step> {
    let sends = prop_oneof![Just(Step::ServerSends), Just(Step::ClientSends)];
    prop_oneof![1 => sends, 4 => prop::sample::select(EVERY.as_slice())]
}

enum Get {
    None,
    OnItsWay,
    Waiting,
    Answered(ByteString),
}

/// What a WebSocket carries to the client.
enum Down {
    Frame(Frame),
    Closed,
}

struct Wire {
    config: Config,
    now: std::time::Instant,
    server: Connection,
    client: client::Connection,
    get: Get,
    /// The body of the POST whose head has arrived.
    post: Option<ByteString>,
    /// Whether the server has the WebSocket open.
    socket: bool,
    probed: bool,
    up: VecDeque<Frame>,
    down: VecDeque<Down>,
    sent: u32,
    client_events: Vec<client::Event>,
}

impl Wire {
    #[expect(clippy::disallowed_methods, reason = "an origin for a clock that stands still")]
    fn connected() -> Self {
        let config = Config::default();
        let now = std::time::Instant::now();
        let server = Connection::new(&config, &Opening::new("sid", Transport::Polling), now);
        let mut wire = Self {
            config,
            now,
            server,
            client: client::Connection::new(Transport::Polling),
            get: Get::None,
            post: None,
            socket: false,
            probed: true,
            up: VecDeque::new(),
            down: VecDeque::new(),
            sent: 0,
            client_events: Vec::new(),
        };
        wire.client.connect("/", "");
        wire.settle();
        assert!(wire.client_events.iter().any(|event| matches!(event, client::Event::Connect { .. })));
        wire.probed = false;
        wire
    }

    /// Everything moves until nothing does; the clock stands still.
    fn settle(&mut self) {
        while EVERY.iter().fold(false, |moved, step| self.step(*step) | moved) {}
    }

    fn step(&mut self, step: Step) -> bool {
        let moved = match step {
            Step::ServerSends => self.server_sends(),
            Step::ClientSends => {
                self.client.send(&numbered("/", 0));
                true
            }
            Step::Get => self.begin_get(),
            Step::GetArrives => self.get_arrives(),
            Step::GetIsAnswered => self.answer_get(),
            Step::AnswerArrives => self.answer_arrives(),
            Step::Post => self.begin_post(),
            Step::PostBodyArrives => self.post_arrives(),
            Step::ProbeOpens => self.open_probe(),
            Step::ToServer => self.frame_to_server(),
            Step::ToClient => self.frame_to_client(),
            Step::ServerWrites => self.server_writes(),
            Step::ClientPauses => self.client_pauses(),
        };
        while let Some(event) = self.server.poll_event() {
            if let Event::Connect { nsp, .. } = &event {
                assert!(self.server.accept(nsp, "socket-sid", None));
            }
        }
        while let Some(event) = self.client.poll_event() {
            self.client_events.push(event);
        }
        // As the adapter does: a probing WebSocket that is of no more use is closed.
        if self.socket && self.server.transport() == Transport::Polling && !self.server.probe_alive() {
            self.socket = false;
            self.down.push_back(Down::Closed);
        }
        moved
    }

    fn server_sends(&mut self) -> bool {
        let sent = self.server.send("/", &numbered("/", self.sent).encode(), true);
        self.sent += u32::from(sent);
        sent
    }

    fn polls(&self) -> bool {
        self.client.transport() == Transport::Polling && !self.client.is_closed()
    }

    fn begin_get(&mut self) -> bool {
        let begins = matches!(self.get, Get::None) && self.polls() && !self.client.is_pausing();
        if begins {
            self.get = Get::OnItsWay;
        }
        begins
    }

    fn get_arrives(&mut self) -> bool {
        if !matches!(self.get, Get::OnItsWay) {
            return false;
        }
        self.get = match self.server.poll_begin() {
            Ok(()) => Get::Waiting,
            Err(error) => {
                self.client.lost(error.to_string());
                Get::None
            }
        };
        true
    }

    fn answer_get(&mut self) -> bool {
        if !matches!(self.get, Get::Waiting) {
            return false;
        }
        let Some(poll) = self.server.poll_take() else { return false };
        self.get = Get::Answered(text(poll));
        true
    }

    fn answer_arrives(&mut self) -> bool {
        match std::mem::replace(&mut self.get, Get::None) {
            Get::Answered(payload) => {
                self.client.payload(&payload, self.now);
                true
            }
            other => {
                self.get = other;
                false
            }
        }
    }

    fn begin_post(&mut self) -> bool {
        if self.post.is_some() || !self.polls() {
            return false;
        }
        let Some(body) = self.client.take_payload() else { return false };
        match self.server.post_begin() {
            Ok(()) => self.post = Some(body),
            Err(error) => self.client.lost(error.to_string()),
        }
        true
    }

    fn post_arrives(&mut self) -> bool {
        let Some(body) = self.post.take() else { return false };
        if !self.server.post(&self.config, &Payload::Text(body), self.now) {
            self.client.lost("400");
        }
        true
    }

    fn open_probe(&mut self) -> bool {
        if self.probed || !self.polls() {
            return false;
        }
        self.probed = true;
        self.socket = self.server.probe_begin(&self.config, self.now).is_ok();
        if self.socket {
            self.up.push_back(self.client.begin_upgrade());
        }
        true
    }

    fn frame_to_server(&mut self) -> bool {
        let moved = self.client.take_frame().map(|frame| self.up.push_back(frame)).is_some();
        let Some(frame) = self.up.pop_front() else { return moved };
        if !self.socket {
            return true; // into the void
        }
        if self.server.transport() == Transport::WebSocket {
            self.server.ws_frame(&self.config, &frame, self.now);
        } else if let Probe::Reply(reply) = self.server.probe_frame(&frame) {
            self.down.push_back(Down::Frame(reply));
        }
        true
    }

    fn frame_to_client(&mut self) -> bool {
        let on_it = self.client.transport() == Transport::WebSocket;
        match self.down.pop_front() {
            None => return false,
            Some(Down::Frame(frame)) if on_it => self.client.frame(&frame, self.now),
            Some(Down::Frame(frame)) => drop(self.client.probe_frame(&frame)),
            Some(Down::Closed) if on_it => self.client.lost("the WebSocket was closed"),
            Some(Down::Closed) => self.client.probe_lost(),
        }
        true
    }

    fn server_writes(&mut self) -> bool {
        if !self.socket || self.server.transport() == Transport::Polling {
            return false;
        }
        let mut frames = Vec::new();
        let take = self.server.ws_take(&mut frames);
        let moved = !frames.is_empty() || take == Take::Close;
        self.down.extend(frames.into_iter().map(Down::Frame));
        if take == Take::Close {
            self.server.ws_lost(Reason::ForcedServerClose);
            self.socket = false;
            self.down.push_back(Down::Closed);
        }
        moved
    }

    fn client_pauses(&mut self) -> bool {
        let pauses = self.client.is_pausing() && matches!(self.get, Get::None) && self.post.is_none();
        if pauses {
            self.client.polling_paused();
        }
        pauses
    }

    fn end(&mut self, end: End) {
        match end {
            End::Disconnect => {
                assert!(self.server.disconnect("/"));
                self.server.close(&self.config, Reason::ForcedServerClose, self.now);
            }
            End::ShutDown => self.server.shut_down(&self.config, self.now),
        }
    }

    fn received(&self) -> Vec<u32> {
        numbers(self.client_events.iter().filter_map(|event| match event {
            client::Event::Event(incoming) => Some(incoming.clone()),
            _ => None,
        }))
    }

    fn was_told(&self) -> bool {
        self.client_events.iter().any(|event| matches!(event, client::Event::Disconnect { .. }))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1_000), ..ProptestConfig::default() })]

    /// EIO-CL-04: whatever was under way, a client that does its part gets all that was sent ahead of the end, is told
    /// of it, and knows that the connection is over, without any time-out.
    #[test]
    fn an_end_of_the_server_reaches_the_client(
        before in prop::collection::vec(step(), 0..40),
        after in prop::collection::vec(step(), 0..40),
        end in prop_oneof![Just(End::Disconnect), Just(End::ShutDown)],
    ) {
        let mut wire = Wire::connected();
        for step in before {
            wire.step(step);
        }
        wire.end(end);
        for step in after {
            wire.step(step);
        }
        wire.settle();
        prop_assert_eq!(wire.received(), (0..wire.sent).collect::<Vec<_>>());
        // Who is put out does not come back by itself, so a server that stops puts nobody out.
        prop_assert_eq!(wire.was_told(), end == End::Disconnect, "{:?}", wire.client_events);
        prop_assert!(wire.client.is_closed(), "the client is stranded: {:?}", wire.client_events);
    }
}

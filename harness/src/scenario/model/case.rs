//! `[[case]]`: clients, steps and what they must meet.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json_path::JsonPath;

use super::Ack;
use crate::scenario::node::Span;
use crate::scenario::template::{Expr, Piece, Template};
use crate::vocab::{Class, Origin};
use crate::wire::LinkAction;

/// One case, with one combination of its `each`.
#[derive(Clone, Debug)]
pub struct Case {
    /// Area and name, as one word: `rooms/a-member-gets-the-event`.
    pub id: String,
    pub name: String,
    /// The row of the register that it checks.
    pub rule: Option<String>,
    /// How serious a failure is, when that is not what the register says.
    pub class: Option<Class>,
    /// Where the requirement comes from, when that is not what the register says.
    pub origin: Option<Origin>,
    /// The combination, in the order of the file.
    pub variant: Vec<Choice>,
    pub clients: IndexMap<String, Client>,
    pub steps: Vec<Step>,
    pub allow_unexpected: bool,
    /// How often it is played while a load runs; without it once, ahead of the load.
    pub every: Option<Duration>,
    /// What the target has to be able to do.
    pub needs: Vec<String>,
    pub options: Options,
    /// It plays with a target of its own, since others would notice.
    pub exclusive: bool,
    /// It attacks the target, so whether that still serves others is checked afterwards.
    pub hostile: bool,
    pub tags: Vec<String>,
    /// Why it is not played.
    pub skip: Option<String>,
    pub span: Span,
}

impl Case {
    /// How many servers it takes.
    pub fn nodes(&self) -> usize {
        self.clients.values().map(|client| client.takes).max().unwrap_or(1)
    }

    /// Name and combination.
    pub fn title(&self) -> String {
        format!("{}{}", self.name, self.suffix())
    }

    /// Id and combination: what names this one and no other.
    pub fn full_id(&self) -> String {
        format!("{}{}", self.id, self.suffix().trim_start())
    }

    /// Whether its steps end the target.
    pub fn ends_target(&self) -> bool {
        fn any(steps: &[Step]) -> bool {
            steps.iter().any(|step| match &step.verb {
                Verb::Server(_) => true,
                Verb::Repeat { steps, .. } | Verb::Together(steps) => any(steps),
                _ => false,
            })
        }
        any(&self.steps)
    }

    fn suffix(&self) -> String {
        if self.variant.is_empty() {
            return String::new();
        }
        let labels: Vec<_> = self.variant.iter().map(|choice| choice.label.as_str()).collect();
        format!(" [{}]", labels.join(", "))
    }
}

/// One value of an `each`.
#[derive(Clone, Debug)]
pub struct Choice {
    pub name: String,
    pub value: Template,
    /// What tells it from the others of its list.
    pub label: String,
}

/// Options a target is started with, as environment variables of the fixture contract. Cases with equal options
/// share a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Options(pub BTreeMap<&'static str, String>);

impl std::fmt::Display for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut separator = "";
        for (name, value) in &self.0 {
            write!(f, "{separator}{name}={value}")?;
            separator = " ";
        }
        Ok(())
    }
}

/// A named client of a case.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own")]
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// Joined before the first step; `None` leaves that to the steps.
    pub namespace: Option<Template>,
    pub transport: Option<Template>,
    pub auth: Option<Template>,
    pub parser: Option<Template>,
    /// What is written and read as it is: `websocket`, `polling`, or `http` for requests alone.
    pub raw: Option<Template>,
    /// The query of a raw connection's first request.
    pub query: Option<Template>,
    pub headers: Vec<(String, Template)>,
    /// Whether it is connected before the first step.
    pub closed: bool,
    /// Pings of the server are packets to be received, and nobody answers them.
    pub pings_shown: bool,
    /// Noops on a WebSocket are packets to be received.
    pub noops_shown: bool,
    /// Its path to the target can be held, cut and split.
    pub link: bool,
    /// It speaks without TLS to a target that has TLS.
    pub plain: bool,
    /// The number of the server that it connects to, in a fleet.
    pub node: Option<Template>,
    /// How many servers there are at least, if there is that one.
    pub takes: usize,
}

/// One line of a case.
#[derive(Clone, Debug)]
pub struct Step {
    /// The clients that do it, one after another.
    pub at: Vec<String>,
    pub nsp: Option<Template>,
    pub within: Option<Duration>,
    /// Not earlier than this after the client's last packet, in either direction.
    pub after: Option<Duration>,
    pub verb: Verb,
    pub span: Span,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Verb {
    Connect {
        nsp: Template,
        auth: Option<Template>,
        /// Of the connection that is opened for it, if one is.
        query: Vec<(String, Template)>,
        headers: Vec<(String, Template)>,
        refused: Option<Template>,
    },
    Emit {
        args: Vec<Template>,
        ack: Option<Ack>,
        /// Again and again until the acknowledgement is the one that is asked for.
        until: bool,
    },
    Do {
        action: String,
        args: Vec<Template>,
    },
    Expect {
        events: Vec<Vec<Template>>,
        times: u64,
        order: Option<Order>,
        reply: Option<Vec<Template>>,
    },
    Silent {
        quiet: Option<Duration>,
    },
    Disconnect,
    /// The server puts the client out of a namespace.
    Disconnected,
    /// One of [`Drop::NAMES`].
    Drop(Template),
    /// A raw connection is opened.
    Open {
        query: Option<Template>,
        outcome: Opening,
        /// Right behind the request, in the same segment.
        behind: Vec<RawPacket>,
    },
    Send(Vec<RawPacket>),
    Receive {
        /// One of these.
        packets: Vec<RawPattern>,
        /// What follows the text, as JSON.
        json: Option<Template>,
    },
    /// The server closes the connection.
    Closed {
        /// With one of these statuses, if there are any.
        codes: Vec<u16>,
        /// Whatever arrives ahead of the close is read and dropped.
        drain: bool,
    },
    /// The connection is closed, or works on and nothing else has arrived.
    ClosedOrIgnored,
    Http {
        request: Box<HttpRequest>,
        /// The answer is looked at by a later step of this name.
        later: Option<String>,
        answer: AnswerPattern,
        /// Again and again until the answer is the one that is asked for.
        until: bool,
        /// Variables, and where their values stand in the body.
        save: Vec<(String, JsonPath)>,
    },
    Answer {
        name: String,
        answer: AnswerPattern,
    },
    /// A request has no answer yet.
    Pending(String),
    Abort(String),
    /// What was held back of a request is sent.
    Finish(String),
    Journal {
        /// Exactly these, in this order.
        entries: Vec<Template>,
        /// Of those that match this.
        of: Option<Template>,
        kinds: Vec<String>,
    },
    Link(LinkAction),
    /// Of what the client sends next, this many bytes pass until the link is released.
    SplitLink(Template),
    /// A raw client stops reading its socket, or goes on.
    Read(bool),
    /// The target is ended or started (one of [`ServerAction::NAMES`]), which needs one that sio-bench has started for this case
    /// alone.
    Server(Template),
    /// Somebody else can still connect and be answered.
    Alive,
    Wait(Duration),
    Repeat {
        times: u64,
        name: Option<String>,
        steps: Vec<Step>,
    },
    Together(Vec<Step>),
}

/// What is done to the target's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerAction {
    /// SIGTERM, and it has ended.
    Stop,
    /// SIGTERM; what comes next happens while it ends.
    Stopping,
    /// It has ended, as it was told to.
    Stopped,
    /// SIGKILL.
    Kill,
    /// It is started on the port that it had.
    Start,
}

impl ServerAction {
    const ALL: [Self; 5] = [Self::Stop, Self::Stopping, Self::Stopped, Self::Kill, Self::Start];
    pub const NAMES: [&str; 5] = ["stop", "stopping", "stopped", "kill", "start"];

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Kill => "kill",
            Self::Start => "start",
        }
    }
}

/// In which order several events must come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Those of each sender as it has sent them.
    PerSender,
    /// That of the alternatives.
    AsListed,
}

impl Order {
    pub const NAMES: [&str; 2] = ["per sender", "as listed"];

    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "per sender" => Some(Self::PerSender),
            "as listed" => Some(Self::AsListed),
            _ => None,
        }
    }
}

/// How the opening of a raw connection must end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    Accepted,
    /// By an HTTP error or a closed connection, and without a packet.
    Refused,
    /// By one of these.
    Status(Vec<u16>),
    /// Either way; of who was refused, nothing else is asked.
    Either,
}

/// A packet to be sent as it is.
#[derive(Clone, Debug)]
pub enum RawPacket {
    Text(Vec<Piece>),
    /// Bytes, or their digits in hexadecimal.
    Binary(Template),
    /// Bytes of the TCP stream.
    Bytes(Template),
    /// A WebSocket frame.
    Frame {
        payload: Template,
        opcode: Template,
        fin: Template,
        rsv: Template,
        masked: Template,
        claims: Option<Template>,
    },
}

/// A packet to be received.
#[derive(Clone, Debug)]
pub enum RawPattern {
    Text(Vec<Piece>),
    Binary(Template),
    /// The answer to a WebSocket ping.
    Pong(Vec<Piece>),
}

/// `http = { … }`
#[derive(Clone, Debug)]
pub struct HttpRequest {
    pub method: String,
    /// `?…` stands behind the engine's path; anything else is a path of its own.
    pub path: Vec<Piece>,
    pub headers: Vec<(String, Template)>,
    /// Without it, there is no `Host`.
    pub names_host: bool,
    /// More than one leave as parts.
    pub body: Vec<RawPacket>,
    /// Or a value, written as JSON and announced as such.
    pub json: Option<Template>,
    /// Or fields of a form, encoded as browsers do and announced as such.
    pub form: Vec<(String, Template)>,
    pub chunked: Option<Template>,
    pub stop_after: Option<usize>,
    pub claims: Option<u64>,
}

impl AnswerPattern {
    /// Calls `visit` for each expression.
    pub fn visit(&self, visit: &mut dyn FnMut(&Expr)) {
        let headers = self.headers.iter().filter_map(|(_, pieces)| pieces.as_ref());
        for pieces in self.body.iter().chain(headers) {
            Template::Text(pieces.clone()).visit(visit);
        }
        self.json.iter().for_each(|json| json.visit(visit));
    }
}

/// What an answer must be. Status 0 stands for a connection that was closed without one.
#[derive(Clone, Debug, Default)]
pub struct AnswerPattern {
    pub status: Vec<u16>,
    pub body: Option<Vec<Piece>>,
    /// What follows the body's text, as JSON.
    pub json: Option<Template>,
    /// Headers that must be so, or must not be.
    pub headers: Vec<(String, Option<Vec<Piece>>)>,
}

/// How a client vanishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    /// The socket is closed, nothing is said.
    Close,
    /// The connection is reset.
    Reset,
    /// The connection stays and says nothing more.
    Silence,
}

impl Drop {
    pub const NAMES: [&str; 3] = ["close", "reset", "silence"];

    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "close" => Self::Close,
            "reset" => Self::Reset,
            "silence" => Self::Silence,
            _ => return None,
        })
    }
}

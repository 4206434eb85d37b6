//! What a scenario file means.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use indexmap::IndexMap;
use sio_protocol::Parser;

use super::node::Span;
use super::quantity::Rate;
use super::template::{Piece, Template};
use crate::client::Trust;
use crate::record::RuleAbout;
use crate::wire::{LinkAction, Path};

/// A whole file, overrides applied and matrices expanded.
#[derive(Debug)]
pub struct Scenario {
    pub name: String,
    pub about: String,
    pub tags: Vec<String>,
    pub seed: u64,
    pub target: Target,
    pub actions: IndexMap<String, Action>,
    pub cases: Vec<Case>,
    pub rooms: IndexMap<String, RoomGroup>,
    pub populations: IndexMap<String, Population>,
    pub traffic: IndexMap<String, Traffic>,
    pub phases: Vec<Phase>,
    pub chaos: Vec<Chaos>,
    pub slo: Vec<Rule>,
    pub search: Option<Search>,
}

impl Scenario {
    /// Whether there is a load to run.
    pub fn has_load(&self) -> bool {
        !self.populations.is_empty()
    }
}

/// `[search]`: the largest value of a variable with which the rules hold.
#[derive(Clone, Debug)]
pub struct Search {
    /// A name of `[vars]`.
    pub raise: String,
    pub range: (f64, f64),
    /// What stands behind the number: `/s`, or nothing.
    pub unit: String,
    /// What must hold, besides the rules of `[slo]`: the opposite of what `until` says.
    pub until: Vec<Rule>,
    /// How long each measured phase is.
    pub hold: Option<Duration>,
    /// A share: how exactly the answer is wanted.
    pub resolution: f64,
    pub repeat: u32,
}

impl Search {
    pub const RESOLUTION: f64 = 0.05;
    pub const REPEAT: u32 = 3;
}

/// `[target]`: where to, unless the command line says otherwise.
#[derive(Debug, Default)]
pub struct Target {
    /// Servers that run already; users are spread over them.
    pub urls: Vec<String>,
    /// How many servers are started, when sio-bench starts them; users are spread over them.
    pub nodes: Option<u32>,
    /// What they are started with.
    pub options: Options,
    pub path: Option<String>,
    /// Sent with every HTTP request.
    pub headers: Vec<(String, Template)>,
    /// Behind the query of every request to the engine.
    pub query: Option<Template>,
    pub trust: Trust,
    /// Local addresses that connections come from.
    pub sources: Vec<IpAddr>,
    pub parser: Parser,
    /// Whether and how users come back after they lost their connection.
    pub reconnect: Option<Reconnect>,
}

impl Target {
    /// The options for servers that sio-bench starts.
    pub fn started_with(&self) -> Options {
        let mut options = self.options.clone();
        if self.parser == Parser::MessagePack {
            options.0.insert("SIO_PARSER", "msgpack".to_owned());
        }
        options
    }
}

/// `reconnect`: the back-off of the official client. Attempt `n` comes after `delay.0 * factor^n`, at most
/// `delay.1`, and more or less of it by up to the share `jitter`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reconnect {
    pub delay: (Duration, Duration),
    pub factor: f64,
    pub jitter: f64,
}

impl Default for Reconnect {
    /// What the official client does.
    fn default() -> Self {
        Self { delay: (Duration::from_secs(1), Duration::from_secs(5)), factor: 2.0, jitter: 0.5 }
    }
}

/// One entry of `[actions]`: the scenario's word for something the application does.
#[derive(Clone, Debug)]
pub struct Action {
    pub params: Vec<String>,
    /// Event and arguments.
    pub emit: Vec<Template>,
    pub ack: Option<Ack>,
    /// Where it is declared.
    pub span: Span,
}

/// The acknowledgement an emit must get.
#[derive(Clone, Debug)]
pub enum Ack {
    Any,
    /// One of these argument lists.
    OneOf(Vec<Vec<Template>>),
}

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
    pub settle: bool,
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
    /// Name and combination.
    pub fn title(&self) -> String {
        format!("{}{}", self.name, self.suffix())
    }

    /// Id and combination: what names this one and no other.
    pub fn full_id(&self) -> String {
        format!("{}{}", self.id, self.suffix().trim_start())
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

/// How serious it is when a row does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// The text of the protocol, its official suite, or the life of the server demand it.
    Must,
    /// The reference implementation does it and documents or tests it.
    Should,
    /// Recorded, not judged.
    Info,
}

/// Where a requirement comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The specification and its suite.
    Protocol,
    /// The documentation of Socket.IO.
    Docs,
    /// What the reference implementation does.
    Reference,
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
        per_sender: bool,
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
    Harmless,
    Http {
        request: Box<HttpRequest>,
        /// The answer is looked at by a later step of this name.
        later: Option<String>,
        answer: AnswerPattern,
        /// Again and again until the answer is the one that is asked for.
        until: bool,
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

/// How the opening of a raw connection must end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    Accepted,
    /// By an HTTP error or a closed connection, and without a packet.
    Refused,
    /// By one of these.
    Status(Vec<u16>),
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
    /// More than one leave as parts.
    pub body: Vec<RawPacket>,
    /// Or a value, written as JSON and announced as such.
    pub json: Option<Template>,
    pub chunked: Option<Template>,
    pub stop_after: Option<usize>,
    pub claims: Option<u64>,
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

/// What carries a client's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    WebSocket,
    Polling,
    /// Long-polling, then the move to a WebSocket.
    Upgrade,
}

impl Transport {
    pub const NAMES: [&str; 3] = ["websocket", "polling", "upgrade"];

    /// Connections at a time: polling needs one for the GET and one for the POST, and the upgrade one more.
    pub fn connections(self) -> u64 {
        match self {
            Self::WebSocket => 1,
            Self::Polling => 2,
            Self::Upgrade => 3,
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "websocket" => Self::WebSocket,
            "polling" => Self::Polling,
            "upgrade" => Self::Upgrade,
            _ => return None,
        })
    }
}

/// `[rooms.X]`: rooms `X-0` to `X-(count-1)`.
#[derive(Debug)]
pub struct RoomGroup {
    pub count: u32,
    pub namespace: String,
    pub join: Invocation,
}

/// A call of an action: `["join", "${room}"]`.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub action: String,
    pub args: Vec<Template>,
}

/// `[users.X]`
#[derive(Debug)]
pub struct Population {
    pub count: u32,
    pub connect: Rate,
    /// Weights.
    pub transport: Vec<(Transport, u32)>,
    /// Room group and how many of its rooms each user is in.
    pub rooms: Vec<(String, u32)>,
    /// Joined over the one connection, in this order.
    pub namespaces: Vec<String>,
    /// Sent with each CONNECT.
    pub auth: Option<Template>,
    /// Whether a user that lost its connection asks for what it missed.
    pub recovery: bool,
    pub churn: Option<Churn>,
    /// Bytes that a user reads in a second; all there are, if it is not said.
    pub reads: Option<usize>,
    /// A relay between each user and the target.
    pub link: Option<Path>,
}

/// `churn`: users leave and are replaced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Churn {
    /// The mean of an exponential distribution.
    pub stay: Duration,
    pub leave: Leaving,
    /// Until the next one comes in.
    pub away: (Duration, Duration),
}

/// How a user leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// With a DISCONNECT, when everything that was meant for it has come.
    Politely,
    /// As networks do.
    Dropped(Drop),
}

impl Leaving {
    pub const NAMES: [&str; 4] = ["disconnect", "close", "reset", "silence"];

    pub fn from_name(name: &str) -> Option<Self> {
        if name == Self::NAMES[0] { Some(Self::Politely) } else { Drop::from_name(name).map(Self::Dropped) }
    }
}

impl Leaving {
    pub fn name(self) -> &'static str {
        match self {
            Self::Politely => Self::NAMES[0],
            Self::Dropped(Drop::Close) => Self::NAMES[1],
            Self::Dropped(Drop::Reset) => Self::NAMES[2],
            Self::Dropped(Drop::Silence) => Self::NAMES[3],
        }
    }
}

/// `[traffic.X]`
#[derive(Debug)]
pub struct Traffic {
    pub by: String,
    pub rate: Rate,
    pub arrivals: Arrivals,
    /// Event and arguments, with `${room}`, `${room.next}` and `${payload}`.
    pub emit: Vec<Template>,
    pub ack: bool,
    pub payload_size: usize,
    pub binary: bool,
    pub namespace: String,
    /// The group a message's room is drawn from; without one it has none.
    pub room_group: Option<String>,
    /// Nobody, if it is not said: then the acknowledgement is what counts.
    pub reaches: Option<Reach>,
}

/// `reaches`: who must get a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Who is in one of these; everybody in the namespace, if there are none.
    pub rooms: Vec<RoomRef>,
    /// And in none of these.
    pub except: Vec<RoomRef>,
    pub except_sender: bool,
    /// It may be dropped.
    pub volatile: bool,
}

/// A room as a traffic names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomRef {
    /// `${room}`: one of the sender's, drawn for each message.
    Drawn,
    /// `${room.next}`: the one after it in its group.
    Next,
    /// `all-0`: always the same.
    Named { group: String, index: u32 },
}

/// Something that happens to users or to the target.
#[derive(Clone, Debug, PartialEq)]
pub struct Chaos {
    /// The phase in which it happens; the whole run, if it is not said.
    pub phase: Option<usize>,
    /// After the start of that.
    pub after: Duration,
    /// Again and again until its end.
    pub every: Option<Duration>,
    pub upset: Upset,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Upset {
    /// A share of the users leaves.
    Drop { share: f64, of: Option<String>, how: Leaving },
    /// The links of a share of the users carry nothing for so long.
    Stall { share: f64, of: Option<String>, length: Duration },
    /// The target's process stands still for so long.
    Freeze { length: Duration, node: u32 },
    /// The target's process is ended, and started again after so long.
    Restart { kill: bool, down: Duration, node: u32 },
}

/// How the gaps between messages are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    Poisson,
    Even,
}

/// `[[phase]]`
#[derive(Clone, Debug)]
pub struct Phase {
    pub name: String,
    pub length: Duration,
    /// Factor on every rate at the start and at the end.
    pub load: (f64, f64),
    pub measured: bool,
}

/// One line of `[slo]`.
#[derive(Clone, Debug)]
pub struct Rule {
    pub text: String,
    pub metric: Metric,
    pub stat: Stat,
    pub op: Op,
    /// Nanoseconds, a count, or a share of 1; which one follows from the metric.
    pub bound: f64,
    pub phase: Option<String>,
    /// The population whose deliveries are meant.
    pub users: Option<String>,
    pub span: Span,
    /// Line and column in the file, from 1.
    pub place: (usize, usize),
}

impl Rule {
    /// The rule that holds when this one does not.
    #[must_use]
    pub fn negated(mut self) -> Self {
        let op = self.op.negated();
        let (old, new) = (format!(" {} ", self.op.symbol()), format!(" {} ", op.symbol()));
        self.text = self.text.replacen(&old, &new, 1);
        self.op = op;
        self
    }
}

/// What a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metric {
    Latency {
        traffic: String,
        of: Latency,
    },
    Count {
        traffic: String,
        of: Count,
    },
    Connect,
    RulerLate,
    /// From the kernel's receipt of bytes to their being read.
    RulerRead,
    /// Users that failed or were lost, as a share of those asked for.
    Errors,
    /// From the loss of a connection to being in all rooms again.
    Reconnect,
    /// The share of the time in which the busiest worker of sio-bench ran.
    RulerBusy,
    /// The share of the time in which a worker of sio-bench could have run and waited for a core; of the worst.
    RulerWait,
    /// Of the reconnections that asked for it, those that got their session back, as a share.
    Recovered,
    /// Of the pairs of message and user, those of which it is certain whether they were owed, as a share.
    Strength,
    Case(String),
    /// The largest load that a search has found; a run has none.
    Capacity,
}

impl Metric {
    /// What a rule over it is about.
    pub fn about(&self) -> RuleAbout {
        match self {
            Self::RulerLate | Self::RulerRead | Self::RulerBusy | Self::RulerWait => RuleAbout::Ruler,
            Self::Count { of: Count::Missing | Count::Duplicate | Count::Stray | Count::Disorder, .. }
            | Self::Case(_) => RuleAbout::Facts,
            _ => RuleAbout::Figures,
        }
    }

    /// Whether it is a distribution of times.
    pub fn is_latency(&self) -> bool {
        matches!(self, Self::Latency { .. } | Self::Connect | Self::Reconnect | Self::RulerLate | Self::RulerRead)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    Delivery,
    Service,
    First,
    Complete,
    /// From the intended time to the sender's acknowledgement.
    Ack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Missing,
    Duplicate,
    Stray,
    Disorder,
    /// Sent while the receiver was away, and lost to it.
    Missed,
    /// Sent, and never acknowledged.
    Unanswered,
}

/// Which value of a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stat {
    /// The value itself: a count or a share.
    Plain,
    Quantile(f64),
    Max,
    Mean,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Less,
    AtMost,
    Equal,
    AtLeast,
    Greater,
}

impl Op {
    /// What holds when this does not.
    fn negated(self) -> Self {
        match self {
            Self::Less => Self::AtLeast,
            // What is not equal is more: such rules are about what should be zero.
            Self::AtMost | Self::Equal => Self::Greater,
            Self::AtLeast => Self::Less,
            Self::Greater => Self::AtMost,
        }
    }

    pub fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
            Self::AtLeast => ">=",
            Self::Greater => ">",
        }
    }

    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Less => value < bound,
            Self::AtMost => value <= bound,
            Self::Equal => (value - bound).abs() < f64::EPSILON,
            Self::AtLeast => value >= bound,
            Self::Greater => value > bound,
        }
    }
}

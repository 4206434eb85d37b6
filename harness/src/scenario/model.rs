//! What a scenario file means.

use std::time::Duration;

use indexmap::IndexMap;

use super::node::Span;
use super::quantity::Rate;
use super::template::{Piece, Template};

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
    pub slo: Vec<Rule>,
}

impl Scenario {
    /// Whether there is a load to run.
    pub fn has_load(&self) -> bool {
        !self.populations.is_empty()
    }
}

/// `[target]`: where to, unless the command line says otherwise.
#[derive(Debug, Default)]
pub struct Target {
    pub url: Option<String>,
    pub path: Option<String>,
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
    pub name: String,
    pub rule: Option<String>,
    /// The combination, in the order of the file.
    pub variant: Vec<(String, Template)>,
    pub clients: IndexMap<String, Client>,
    pub steps: Vec<Step>,
    pub settle: bool,
    pub span: Span,
}

impl Case {
    /// Name and combination.
    pub fn title(&self) -> String {
        if self.variant.is_empty() {
            return self.name.clone();
        }
        let values: Vec<_> = self.variant.iter().map(|(_, value)| show(value)).collect();
        format!("{} [{}]", self.name, values.join(", "))
    }
}

/// A literal of a matrix, for a title.
fn show(value: &Template) -> String {
    match value {
        Template::Bool(value) => value.to_string(),
        Template::Int(value) => value.to_string(),
        Template::Float(value) => value.to_string(),
        Template::Text(pieces) => match pieces.as_slice() {
            [Piece::Literal(text)] => text.clone(),
            _ => "…".to_owned(),
        },
        Template::Array(_) | Template::Table(..) => "…".to_owned(),
    }
}

/// A named client of a case.
#[derive(Clone, Debug)]
pub struct Client {
    /// Joined before the first step; `None` leaves that to the steps.
    pub namespace: Option<Template>,
    pub transport: Option<Template>,
    pub auth: Option<Template>,
    /// Packets are written and read as they are.
    pub raw: bool,
}

/// One line of a case.
#[derive(Clone, Debug)]
pub struct Step {
    /// The clients that do it, one after another.
    pub at: Vec<String>,
    pub nsp: Option<String>,
    pub within: Option<Duration>,
    pub verb: Verb,
    pub span: Span,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Verb {
    Connect { nsp: Template, auth: Option<Template>, refused: Option<Template> },
    Emit { args: Vec<Template>, ack: Option<Ack> },
    Do { action: String, args: Vec<Template> },
    Expect { events: Vec<Vec<Template>>, times: u64, per_sender: bool, reply: Option<Vec<Template>> },
    Silent { quiet: Option<Duration> },
    Disconnect,
    Drop(Drop),
    Send(Vec<Piece>),
    Receive(Vec<Piece>),
    Wait(Duration),
    Repeat { times: u64, name: Option<String>, steps: Vec<Step> },
    Together(Vec<Step>),
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
}

/// `[traffic.X]`
#[derive(Debug)]
pub struct Traffic {
    pub by: String,
    pub rate: Rate,
    pub arrivals: Arrivals,
    /// Event and arguments, with `${room}` and `${payload}`.
    pub emit: Vec<Template>,
    pub ack: bool,
    pub payload_size: usize,
    pub binary: bool,
    /// The group a message's room is drawn from.
    pub room_group: String,
    pub except_sender: bool,
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
    pub span: Span,
    /// Line and column in the file, from 1.
    pub place: (usize, usize),
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
    /// Users that failed or were lost, as a share of those asked for.
    Errors,
    Case(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    Delivery,
    Service,
    First,
    Complete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Missing,
    Duplicate,
    Stray,
    Disorder,
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

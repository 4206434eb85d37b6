//! What a scenario file means.

mod case;
mod event_name;
mod flow;
mod load;
mod slo;
mod topology;

use std::net::IpAddr;
use std::time::Duration;

use indexmap::IndexMap;
use sio_protocol::Parser;

pub use case::{
    AnswerPattern, Case, Choice, Client, Drop, HttpRequest, Opening, Options, Order, RawPacket, RawPattern,
    ServerAction, Step, Verb,
};
pub use event_name::{EventName, NamePart, OF_ROOM, OF_USER, RoomNames, room_number};
pub use flow::{ArrivalModel, Feed, Flow, FlowAction, FlowStep, HandOut, Think};
pub use load::{
    Arrivals, Away, Chaos, Churn, Disruption, Driver, Invocation, Leaving, Phase, Population, Reach, RoomGroup,
    RoomRef, Traffic,
};
pub use slo::{Count, Limit, Metric, Op, Stat, Threshold};
pub use topology::{NodeLabel, Topology};

use super::node::Span;
use super::template::Template;
use crate::vocab::{Balancer, Cluster, Trust};
pub use crate::vocab::{Class, Origin, Transport};

/// A whole file, overrides applied and matrices expanded.
#[derive(Debug)]
pub struct Scenario {
    pub name: String,
    pub about: String,
    pub tags: Vec<String>,
    /// Of the load that it describes: figures of different versions are not compared.
    pub version: Option<u64>,
    pub seed: u64,
    pub target: Target,
    pub actions: IndexMap<String, Action>,
    pub cases: Vec<Case>,
    pub rooms: IndexMap<String, RoomGroup>,
    /// `[users]` that stay in their rooms, and send what `[traffic]` says.
    pub populations: IndexMap<String, Population>,
    /// `[users]` that follow a flow.
    pub journeys: IndexMap<String, Flow>,
    pub feeds: IndexMap<String, Feed>,
    pub traffic: IndexMap<String, Traffic>,
    pub phases: Vec<Phase>,
    pub chaos: Vec<Chaos>,
    pub slo: Vec<Threshold>,
    pub search: Option<Search>,
    pub observe: Option<Observe>,
}

impl Scenario {
    /// Whether there is a load to run.
    pub fn has_load(&self) -> bool {
        !self.populations.is_empty() || !self.journeys.is_empty()
    }
}

/// `[observe]`: where a target that runs already says what it costs.
#[derive(Clone, Debug)]
pub struct Observe {
    /// URL of its metrics in the text format of Prometheus.
    pub prometheus: Option<String>,
    pub process: Option<ProcessId>,
    /// Metrics to be recorded each second, besides CPU and memory.
    pub metrics: Vec<String>,
}

/// A process on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessId {
    Known(u32),
    /// The variable of the environment that was to say it is not set.
    Unset(String),
}

/// `[search]`: the largest value of a variable with which the thresholds hold.
#[derive(Clone, Debug)]
pub struct Search {
    /// A name of `[vars]`.
    pub vary: String,
    pub range: (f64, f64),
    /// What stands behind the number: `/s`, or nothing.
    pub unit: String,
    /// What must hold, besides the thresholds of `[slo]`: the opposite of what `until` says.
    pub until: Vec<Threshold>,
    /// How long each measured phase is.
    pub hold_for: Option<Duration>,
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
    /// A variable of the environment that was to say where one is, and is not set.
    pub unset: Option<String>,
    /// How many servers are started, when sio-bench starts them; users are spread over them.
    pub nodes: Option<u32>,
    /// Names of their targets, if they are not all of one.
    pub servers: Vec<String>,
    /// What joins them; without it they do not know of one another.
    pub cluster: Option<Cluster>,
    /// What stands in front of them.
    pub balancer: Balancer,
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
    /// How long a user waits for its connection, its CONNECTs and its joins; [`CONNECT_TIMEOUT`] unless it is said.
    pub connect_timeout: Option<Duration>,
    /// Whether its servers pass messages on to one another, if that is said.
    pub topology: Option<Topology>,
    /// What tells to which server of a cluster a user is connected.
    pub node_label: Option<NodeLabel>,
    /// How long a message from another server may take, where waiting is to decide.
    pub settle_within: Option<Duration>,
}

/// How long a user waits to be in, unless it is told.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

impl Target {
    /// Whether so many servers pass messages on to one another: what is said, or else that those of a list do not.
    pub fn topology(&self, nodes: u32) -> Topology {
        let usual = if nodes > 1 { Topology::Islands } else { Topology::Single };
        // What is joined by a broker is a cluster, whatever a file says of other targets.
        if self.cluster.is_some() { Topology::Cluster } else { self.topology.unwrap_or(usual) }
    }

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
    /// The event by which the application says that it has let somebody in, as far as its arguments are said; for joins.
    pub confirmed_by: Option<Vec<Template>>,
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

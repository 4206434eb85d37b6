//! `[rooms]`, `[users]`, `[traffic]`, `[[phase]]` and `[[chaos]]`.

use std::time::Duration;

use serde_json_path::JsonPath;

use super::{Ack, Drop, EventName, FlowStep, Transport};
use crate::scenario::template::Template;
use crate::vocab::quantity::Rate;
use crate::wire::Path;

/// `[rooms.X]`: rooms `X-0` to `X-(count-1)`.
#[derive(Debug)]
pub struct RoomGroup {
    pub count: u32,
    /// Users are dealt to them in turn, so that all have as many members; otherwise each user's are drawn.
    pub dealt: bool,
    pub namespace: String,
    /// How users join; without it the application puts them in by itself, as they connect.
    pub join: Option<Invocation>,
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
    /// In the query of each request, beside what `[target]` says.
    pub query: Vec<(String, Template)>,
    /// Sent with each request, beside what `[target]` says.
    pub headers: Vec<(String, Template)>,
    /// What each user does before it connects.
    pub enter: Vec<FlowStep>,
    /// Whether it does that again before it comes back.
    pub enter_again: bool,
    /// Feeds of which each user gets a row.
    pub feeds: Vec<String>,
    /// Whether a user that lost its connection asks for what it missed.
    pub recovery: bool,
    pub churn: Option<Churn>,
    /// Bytes that a user reads in a second; all there are, if it is not said.
    pub read_rate: Option<usize>,
    /// A relay between each user and the target.
    pub link: Option<Path>,
    pub driver: Driver,
}

impl Population {
    /// Every step of `enter`, those inside loops included.
    pub fn visit_enter<'a>(&'a self, visit: &mut dyn FnMut(&'a FlowStep)) {
        super::flow::visit_all(&self.enter, visit);
    }
}

/// `driver`: who sends the requests of long-polling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Driver {
    /// sio-bench itself.
    #[default]
    Native,
    /// A goose user for each.
    Goose,
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
    pub from: String,
    pub rate: Rate,
    pub arrivals: Arrivals,
    /// Event and arguments, with `${room}`, `${room.next}`, `${payload}` and `${token}`.
    pub emit: Vec<Template>,
    /// Whether it is acknowledged, and with what, or it is refused.
    pub ack: Option<Ack>,
    /// 0 where `emit` has no payload.
    pub payload_size: usize,
    pub binary: bool,
    /// Where in an argument of what arrives its token is; without it the payload's stamp tells which message it is.
    pub identify: Option<JsonPath>,
    pub namespace: String,
    /// The group a message's room is drawn from; without one it has none.
    pub room_group: Option<String>,
    /// Nobody, if it is not said: then the acknowledgement is what counts.
    pub delivers_to: Option<Reach>,
}

/// `delivers_to`: who must get a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reach {
    /// The name by which it arrives.
    pub event: EventName,
    /// What its first arguments must be.
    pub args: Option<Vec<Template>>,
    /// Who is in one of these; everybody in the namespace, if there are none.
    pub rooms: Vec<RoomRef>,
    /// And in none of these.
    pub except: Vec<RoomRef>,
    pub except_sender: bool,
    /// It may be dropped.
    pub volatile: bool,
    /// Whether the application may say it again to who joins later; otherwise that is misdelivered.
    pub history: bool,
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
    pub upset: Disruption,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Disruption {
    /// A share of the users leaves.
    Drop { share: f64, of: Option<String>, how: Leaving },
    /// The links of a share of the users carry nothing for so long.
    Stall { share: f64, of: Option<String>, length: Duration },
    /// The target's process stands still for so long.
    Freeze { length: Duration, node: u32 },
    /// The target's process is ended, and started again after so long.
    Restart { kill: bool, down: Duration, node: u32 },
    /// Every node is ended and started again, one after the other, so long apart.
    Roll { kill: bool, down: Duration, apart: Duration },
    /// The broker of a cluster is away from its nodes, or far, for so long; [`Duration::MAX`]: to the end.
    Broker { how: Away, length: Duration },
    /// The balancer resets every connection.
    Unbalance,
}

/// How a broker is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// It stands still, and goes on.
    Paused,
    /// It is killed, and started again with an empty memory.
    Killed,
    /// It is asked to end, and started again with an empty memory.
    Ended,
    /// Nothing passes between it and a node, or any of them; what was on its way arrives afterwards.
    Parted { node: Option<u32> },
    /// Each byte between it and a node, or any of them, takes so long in either direction.
    Far { by: Duration, node: Option<u32> },
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

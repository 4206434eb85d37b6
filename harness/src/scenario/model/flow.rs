//! `flow` of `[users.X]`: what a user does from coming to leaving; and `[feeds]`, what it is told.

use std::time::Duration;

use serde_json_path::JsonPath;
use sio_protocol::Value;

use super::{Ack, AnswerPattern, Arrivals, Drop, HttpRequest, Transport};
use crate::scenario::node::Span;
use crate::scenario::template::Template;
use crate::vocab::quantity::Rate;

/// A population whose users follow a flow.
#[derive(Clone, Debug)]
pub struct Flow {
    pub coming: ArrivalModel,
    /// Weights.
    pub transport: Vec<(Transport, u32)>,
    pub steps: Vec<FlowStep>,
    /// Feeds from which each visitor gets a row.
    pub feeds: Vec<String>,
}

impl Flow {
    /// Every step, those inside loops included.
    pub fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a FlowStep)) {
        visit_all(&self.steps, visit);
    }
}

pub(super) fn visit_all<'a>(steps: &'a [FlowStep], visit: &mut dyn FnMut(&'a FlowStep)) {
    for step in steps {
        visit(step);
        if let FlowAction::Repeat { steps, .. } = &step.deed {
            visit_all(steps, visit);
        }
    }
}

/// How visitors come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ArrivalModel {
    /// So many at a time, who come at this rate; whoever is through begins again.
    Closed { count: u32, connect: Rate },
    /// New ones all the time, however long the others take.
    Open { rate: Rate, arrivals: Arrivals },
}

/// One step of a flow.
#[derive(Clone, Debug)]
pub struct FlowStep {
    /// What its times are called; what it says of itself, if the file does not name it.
    pub name: String,
    /// Of the visitors that come here, so many do it.
    pub share: f64,
    /// The one that was joined last, if it is not said.
    pub nsp: Option<Template>,
    pub within: Duration,
    pub deed: FlowAction,
    pub span: Span,
}

/// What a step of a flow does.
#[derive(Clone, Debug)]
pub enum FlowAction {
    /// Joins a namespace, on a connection that is opened for it if there is none.
    Connect {
        nsp: Template,
        auth: Option<Template>,
        /// In the query of every request of the connection that is opened for it.
        query: Vec<(String, Template)>,
        /// Sent with every such request.
        headers: Vec<(String, Template)>,
    },
    Emit {
        args: Vec<Template>,
        ack: Option<Ack>,
    },
    Expect {
        /// One of these.
        events: Vec<Vec<Template>>,
        times: u64,
        reply: Option<Vec<Template>>,
    },
    Http {
        request: Box<HttpRequest>,
        answer: AnswerPattern,
        /// Variables, and where their values stand in the body.
        save: Vec<(String, JsonPath)>,
    },
    /// Leaves politely.
    Disconnect,
    /// Leaves as networks do.
    Drop(Drop),
    Think(Think),
    Repeat {
        /// Both included.
        times: (u64, u64),
        name: Option<String>,
        steps: Vec<FlowStep>,
    },
}

impl FlowAction {
    /// Whether it takes a time that tells something about the target.
    pub fn is_measured(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Expect { .. } | Self::Http { .. } => true,
            Self::Emit { ack, .. } => ack.is_some(),
            Self::Disconnect | Self::Drop(_) | Self::Think(_) | Self::Repeat { .. } => false,
        }
    }
}

/// How long a visitor does nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Think {
    /// Anything in between is as likely.
    Between(Duration, Duration),
    /// An exponential distribution with this mean.
    Exponential(Duration),
}

/// `[feeds.X]`: data for flows.
#[derive(Debug)]
pub struct Feed {
    /// Texts, numbers and so on; or tables, by the headers of a file.
    pub rows: Vec<Value>,
    pub hand_out: HandOut,
    pub span: Span,
}

/// Which visitor gets which row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandOut {
    /// Each row once; a visit that finds none left makes the run not valid.
    Once,
    InTurn,
    AtRandom,
}

impl HandOut {
    pub const NAMES: [&str; 3] = ["once", "in turn", "at random"];

    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Once, Self::InTurn, Self::AtRandom];
        all.into_iter().zip(Self::NAMES).find(|(_, known)| *known == name).map(|(hand_out, _)| hand_out)
    }
}

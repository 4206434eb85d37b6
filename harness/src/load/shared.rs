//! What all workers of a run share.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use super::accepted::Accepted;
use super::admission::Answers;
use super::chaos::FaultEvent;
use super::control::Control;
use super::credentials::Issuer;
use super::emission_log::EmissionLog;
use super::fences::Fences;
use super::flow::{FlowConfig, Iterations};
use super::goose;
use super::happened::Happened;
use super::identity::Identities;
use super::join::Joining;
use super::message::Message;
use super::needs::Needs;
use super::nodes::Nodes;
use super::outages::Outages;
use super::part::Part;
use super::plan::Plan;
use crate::client::Endpoint;
use crate::play::Stage;
use crate::scenario::model::{Churn, Reconnect};
use crate::vocab::lock::RwLockExt;
use crate::wire::Path;

/// What all workers share; what is locked is locked once per session or rarer.
pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    pub(super) log: Arc<EmissionLog>,
    pub(super) chaos: Vec<FaultEvent>,
    /// When that really was.
    pub(super) happened: Happened,
    /// Tells this run's messages from those of others.
    pub(super) run: u32,
    pub(super) messages: Vec<Message>,
    /// For each room, how it is joined.
    pub(super) joins: Vec<Joining>,
    /// How messages are recognised where they arrive.
    pub(super) identities: Identities,
    /// What takes them and what refuses them.
    pub(super) accepted: Accepted,
    pub(super) crowds: Vec<PopulationConfig>,
    pub(super) reconnect: Option<Reconnect>,
    /// Time for a connection, its CONNECTs and all its joins.
    pub(super) connect_timeout: Duration,
    /// Whether a server that answers nobody is given up before that.
    pub(super) gives_up: bool,
    pub(super) answers: Answers,
    /// A threshold may end the run.
    pub(super) may_end_early: bool,
    /// What those who follow a flow share.
    pub(super) guide: FlowConfig,
    /// When they come.
    pub(super) visitors: Iterations,
    pub(super) stage: Stage,
    /// Where each node listens; one that is started again may listen elsewhere.
    pub(super) nodes: Vec<RwLock<Endpoint>>,
    /// The servers of a cluster, and the fences that cross between them.
    pub(super) cluster: Nodes,
    pub(super) fences: Fences,
    pub(super) needs: Needs,
    /// Workers of which all users have connected, and of which all accounts are settled.
    pub(super) connected: AtomicUsize,
    pub(super) settled: AtomicUsize,
    pub(super) control: Control,
    /// Who lost its connection, and how it came back.
    pub(super) outages: Arc<Outages>,
    /// The users that are goose's.
    pub(super) flock: goose::Started,
    /// When the first user is meant to connect.
    pub(super) connect_from: Instant,
    pub(super) workers: usize,
    /// Which users are this process's, and when the phases begin if others have the rest.
    pub(super) part: Part,
}

impl Shared {
    /// How many ask to be let in: of each population, then of each journey, where that is known.
    pub(super) fn groups(&self) -> impl Iterator<Item = Option<u64>> {
        let share = self.part.share;
        let populations = self.plan.populations.iter();
        let populations = populations.map(move |crowd| Some(share.count(crowd.first.into(), crowd.count.into())));
        populations.chain(self.guide.sizes().map(move |size| size.map(|size| share.count(0, size))))
    }

    /// Users of this process.
    pub(super) fn users(&self) -> u64 {
        self.part.share.count(0, self.plan.users.len() as u64)
    }

    /// Whether worker `worker` of this process has somebody, by the number.
    pub(super) fn is_of(&self, number: u64, worker: usize) -> bool {
        self.part.share.worker_of(number, self.workers) == Some(worker)
    }

    /// Where a node listens now.
    pub(super) fn endpoint(&self, node: u32) -> Endpoint {
        self.nodes[node as usize].read_unpoisoned().clone()
    }
}

/// What the users of a population do besides sending.
#[derive(Debug)]
pub(super) struct PopulationConfig {
    pub(super) churn: Option<Churn>,
    pub(super) recovery: bool,
    pub(super) read_rate: Option<usize>,
    pub(super) link: Option<Path>,
    /// The first of its users among those of goose, if they are.
    pub(super) goose: Option<u32>,
    /// Who they are.
    pub(super) issuer: Issuer,
    /// It sends messages that are not acknowledged.
    pub(super) sends_plain: bool,
}

//! What stands between the nodes of a cluster: a program of a run's own, that keeps nothing and ends with the run.

mod postgres;
mod primary;
mod redis;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use self::postgres::Postgres;
use self::primary::Primary;
use self::redis::Redis;
use super::process::{self, Child, Frozen};
use super::{Error, Prepared, helm};
use crate::vocab::Medium;

/// Time from its start to its first answer.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Between two questions whether it answers.
const ASK: Duration = Duration::from_millis(10);
/// A port that was free may be somebody else's a moment later.
const TRIES: usize = 3;

/// One that sio-bench has started.
pub(super) enum Service {
    Redis(Redis),
    Postgres(Postgres),
    Primary(Primary),
}

impl Service {
    /// Starts one for these nodes, and waits until it answers. What it says goes to `log`, which is gone afterwards.
    pub(super) async fn start(medium: Medium, nodes: &[Prepared], log: &Path) -> Result<Self, Error> {
        Ok(match medium {
            Medium::Redis => Self::Redis(Redis::start(log).await?),
            Medium::Postgres => Self::Postgres(Postgres::start(log).await?),
            Medium::Primary => Self::Primary(Primary::start(nodes, log).await?),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Redis(redis) => redis.address(),
            Self::Postgres(postgres) => postgres.address(),
            Self::Primary(primary) => primary.address(),
        }
    }

    /// What a node has to know that is to find it at an address.
    pub(super) fn at(&self, address: &str) -> String {
        match self {
            Self::Postgres(postgres) => postgres.at(address),
            Self::Redis(_) | Self::Primary(_) => address.to_owned(),
        }
    }

    /// The process in which the nodes live, if they do not live in those that sio-bench has started for them.
    pub(super) fn home(&self) -> Option<u32> {
        match self {
            Self::Primary(primary) => Some(primary.pid()),
            Self::Redis(_) | Self::Postgres(_) => None,
        }
    }

    /// Starts it again, where it was.
    pub(super) async fn up(&mut self) -> Result<(), Error> {
        match self {
            Self::Redis(redis) => redis.up().await,
            Self::Postgres(postgres) => postgres.up().await,
            Self::Primary(_) => Ok(()),
        }
    }

    /// Ends it, without a word or as an operator would.
    pub(super) async fn down(&mut self, kill: bool) {
        match self {
            Self::Redis(redis) => redis.down(kill).await,
            Self::Postgres(postgres) => postgres.down(kill).await,
            Self::Primary(_) => {}
        }
    }

    /// Stops it until what is returned is dropped; none while it is down.
    pub(super) fn freeze(&self) -> Option<Frozen> {
        match self {
            Self::Redis(redis) => redis.freeze(),
            Self::Postgres(postgres) => postgres.freeze(),
            Self::Primary(_) => None,
        }
    }

    /// Whether it has ended although nobody asked it to, and what it said last.
    pub(super) fn lost(&mut self) -> Option<String> {
        match self {
            Self::Redis(redis) => redis.lost(),
            Self::Postgres(postgres) => postgres.lost(),
            Self::Primary(primary) => primary.lost(),
        }
    }
}

/// Whether a Redis can be started here; else how to install it.
pub(super) fn has_redis() -> Result<(), Error> {
    redis::program().map(|_| ())
}

/// Starts a program and waits until it answers.
async fn begin(name: &str, command: Command, log: &Path, answers: impl AsyncFn() -> bool) -> Result<Child, Error> {
    let mut child = process::begin(name, command, log, false)?;
    let answered = async {
        while !answers().await {
            if child.ended().is_some() {
                return Err(format!("{name} ended at once\n{}", child.last_words()));
            }
            tokio::time::sleep(ASK).await;
        }
        Ok(())
    };
    match tokio::time::timeout(START_LIMIT, answered).await {
        Ok(Ok(())) => Ok(child),
        Ok(Err(problem)) => Err(Error::Unreachable(problem)),
        Err(_) => {
            let problem = format!("{name} did not answer within {START_LIMIT:?}\n{}", child.last_words());
            Err(Error::Unreachable(problem))
        }
    }
}

/// A port that is free again when the broker is started once more.
fn free_port() -> Result<u16, Error> {
    helm::free_port().ok_or_else(|| Error::Unreachable("there is no free port for a broker".to_owned()))
}

/// Whether a program that nobody asked to end has ended, and what it said last.
fn lost(name: &str, child: Option<&mut Child>) -> Option<String> {
    let child = child?;
    let status = child.ended()?;
    Some(format!("{name} ended ({status})\n{}", child.last_words()))
}

//! Where faults are played: on a server that is alone, and those of what nodes tell each other on two of them over a Redis.

use std::cell::RefCell;
use std::rc::Rc;

use sio_reference_server::faults::Layer;

use crate::conform::kill::{Mutant, Trial, Trials};
use crate::target::{self, Error};
use crate::vocab::Adapter;

/// The row that only an adapter that keeps what was said can break.
const KEPT: &str = "CL-16";

/// A server that errs, and fleets of two of them.
pub(super) struct Stages<'a> {
    pub(super) alone: Trials<'a>,
    /// Over publish and subscribe, and over a stream; else why there is no fleet.
    fleets: Result<[Trials<'a>; 2], String>,
}

impl<'a> Stages<'a> {
    /// Fleets are there if one of these faults needs one.
    pub(super) async fn around(alone: Trials<'a>, rows: &[Rc<Mutant>]) -> Result<Self, Error> {
        let fleets = if rows.iter().any(|row| row.layer == Layer::Cluster) {
            Self::fleets(&alone).await?
        } else {
            Err("no fault is about several nodes".to_owned())
        };
        Ok(Self { alone, fleets })
    }

    async fn fleets(alone: &Trials<'a>) -> Result<Result<[Trials<'a>; 2], String>, Error> {
        if let Err(missing) = target::has_redis() {
            return Ok(Err(missing.to_string()));
        }
        let over = async |adapter| {
            let prepared = target::reference_fleet(adapter).await?;
            Ok::<_, Error>(Trials {
                prepared,
                clean: RefCell::default(),
                deviations: alone.deviations.clone(),
                ..*alone
            })
        };
        Ok(Ok([over(Adapter::Redis).await?, over(Adapter::RedisStreams).await?]))
    }

    /// Plays one fault where it can show.
    pub(super) async fn fault(&self, row: Rc<Mutant>) -> Trial {
        match &self.fleets {
            _ if row.layer != Layer::Cluster => self.alone.fault(row).await,
            Ok([_, stream]) if row.names(KEPT) => stream.fault(row).await,
            Ok([classic, _]) => classic.fault(row).await,
            Err(why) => Trial::skipped(row, why),
        }
    }
}

//! Users whose long-polling is carried by goose: started ahead of the load, and what goose has counted of them.

use crate::record::DriverRequests;
use crate::scenario::Scenario;
use crate::scenario::model::Driver;

/// The number of a population's first user among all users of goose, if its users are.
pub(super) fn first(scenario: &Scenario, population: &str) -> Option<u32> {
    let goose = scenario.populations.iter().filter(|(_, users)| users.driver == Driver::Goose);
    let mut first = 0;
    for (name, users) in goose {
        if name == population {
            return Some(first);
        }
        first += users.count;
    }
    None
}

/// How many there are.
#[cfg(feature = "goose")]
fn count(scenario: &Scenario) -> u32 {
    let goose = scenario.populations.values().filter(|users| users.driver == Driver::Goose);
    goose.map(|users| users.count).sum()
}

#[cfg(feature = "goose")]
mod driver {
    use std::sync::Arc;

    use sio_bench_goose::{Figures, Flock};

    use super::{DriverRequests, count};
    use crate::client::Carrier;
    use crate::scenario::Loaded;
    use crate::target::Fleet;

    /// The users, if there are any.
    pub(in crate::load) type Started = Option<Arc<Flock>>;

    /// Starts as many as the scenario wants.
    pub(in crate::load) async fn start(loaded: &Loaded, fleet: &Fleet) -> Result<Started, String> {
        let users = count(&loaded.scenario) as usize;
        if users == 0 {
            return Ok(None);
        }
        let host = fleet.doors()[0].url.clone();
        let starting = tokio::task::spawn_blocking(move || Flock::start(&host, users));
        Ok(Some(Arc::new(starting.await.map_err(|error| error.to_string())??)))
    }

    /// Stops them.
    pub(in crate::load) async fn end(started: Started) -> Vec<DriverRequests> {
        let Some(flock) = started else { return Vec::new() };
        let ended = tokio::task::spawn_blocking(move || flock.end());
        let Ok(Ok(figures)) = ended.await else { return Vec::new() };
        figures.into_iter().map(entry).collect()
    }

    /// What carries the requests of one of them.
    pub(in crate::load) fn carrier(started: &Started, number: u32) -> Option<Carrier> {
        started.as_ref().map(|flock| Carrier::Goose(flock.user(number as usize)))
    }

    fn entry(one: Figures) -> DriverRequests {
        let Figures { name, count, failed, p50, p99, max } = one;
        DriverRequests { name, count, failed, p50, p99, max }
    }
}

#[cfg(not(feature = "goose"))]
mod driver {
    use std::convert::Infallible;

    use super::DriverRequests;
    use crate::client::Carrier;
    use crate::scenario::Loaded;
    use crate::target::Fleet;

    /// There are none without goose.
    pub(in crate::load) type Started = Option<Infallible>;

    #[expect(clippy::unused_async, reason = "as with goose")]
    pub(in crate::load) async fn start(_loaded: &Loaded, _fleet: &Fleet) -> Result<Started, String> {
        Ok(None)
    }

    /// Nobody's are carried.
    pub(in crate::load) fn carrier(_started: &Started, _number: u32) -> Option<Carrier> {
        None
    }

    #[expect(clippy::unused_async, reason = "as with goose")]
    pub(in crate::load) async fn end(_started: Started) -> Vec<DriverRequests> {
        Vec::new()
    }
}

pub(super) use driver::{Started, carrier, end, start};

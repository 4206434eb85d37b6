//! What goes wrong with processes, when the scenario says so: nodes, what joins them, and what stands in front of them.

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{Mutex, MutexGuard};

use super::away;
use super::chaos::FaultEvent;
use super::shared::Shared;
use crate::clock::RunClock;
use crate::scenario::model::{Away, Disruption};
use crate::target::{Fleet, Frozen};
use crate::vocab::lock::RwLockExt;

/// One thing happens to each of these at a time, and the next one waits for it.
struct Turns {
    broker: Mutex<()>,
    /// How far away the broker is: it can be far and stand still.
    distance: Mutex<()>,
    nodes: Vec<Mutex<()>>,
}

impl Turns {
    /// Of what an event is about as a whole.
    async fn of(&self, event: &FaultEvent) -> Option<MutexGuard<'_, ()>> {
        match event.upset {
            Disruption::Broker { how: Away::Far { .. }, .. } => Some(self.distance.lock().await),
            Disruption::Broker { .. } => Some(self.broker.lock().await),
            Disruption::Freeze { node, .. } | Disruption::Restart { node, .. } => self.node(node).await,
            _ => None,
        }
    }

    async fn node(&self, node: u32) -> Option<MutexGuard<'_, ()>> {
        Some(self.nodes.get(node as usize)?.lock().await)
    }
}

/// Makes happen what is about processes; what overlaps in time happens at the same time, as far as it is not about the same thing.
/// Returns only when it cannot be done, with the reason.
pub(super) async fn happen(shared: &Shared, fleet: &Mutex<&mut Fleet>) -> String {
    let Ok(origin) = shared.control.started().await else { return std::future::pending().await };
    let clock = RunClock::starting_at(origin);
    let nodes = fleet.lock().await.nodes().iter().map(|_| Mutex::new(())).collect();
    let (turns, happened) = (Turns { broker: Mutex::new(()), distance: Mutex::new(()), nodes }, &shared.happened);
    let events = shared.chaos.iter().filter(|event| !event.is_about_users());
    let mut all: FuturesUnordered<_> = events
        .map(async |event| {
            tokio::time::sleep_until((origin + Duration::from_nanos(event.at)).into()).await;
            let turn = turns.of(event).await;
            happened.began(event.number, clock.now());
            upset(event, shared, fleet, &turns, turn).await?;
            happened.ended(event.number, clock.now());
            Ok::<_, String>(())
        })
        .collect();
    while let Some(outcome) = all.next().await {
        if let Err(why) = outcome {
            return why;
        }
    }
    std::future::pending().await
}

/// Returns when it is over.
async fn upset(
    event: &FaultEvent,
    shared: &Shared,
    fleet: &Mutex<&mut Fleet>,
    turns: &Turns,
    turn: Option<MutexGuard<'_, ()>>,
) -> Result<(), String> {
    match event.upset {
        Disruption::Freeze { length, node } => {
            let pid = fleet.lock().await.pid(node);
            let frozen = pid.map(Frozen::new);
            tokio::time::sleep(length).await;
            drop(frozen);
        }
        Disruption::Restart { kill, down, node } => restart(shared, fleet, node, kill, down).await?,
        Disruption::Roll { kill, down, apart } => {
            for node in 0..turns.nodes.len() as u32 {
                if node > 0 {
                    tokio::time::sleep(apart).await;
                }
                let _turn = turns.node(node).await;
                restart(shared, fleet, node, kill, down).await?;
            }
        }
        Disruption::Broker { how, length } => {
            // What is to last for good is done; another may come behind it.
            let _turn = turn.filter(|_| length != Duration::MAX);
            away::from(fleet, how, length).await.map_err(|error| format!("the broker could not be upset: {error}"))?;
        }
        Disruption::Unbalance => {
            if let Some(balancer) = fleet.lock().await.balancer() {
                balancer.drop_everybody();
            }
        }
        Disruption::Drop { .. } | Disruption::Stall { .. } => {}
    }
    Ok(())
}

/// Starts a node again, and tells users where to knock from now on.
async fn restart(
    shared: &Shared,
    fleet: &Mutex<&mut Fleet>,
    node: u32,
    kill: bool,
    down: Duration,
) -> Result<(), String> {
    let cannot = |error| format!("node {node} could not be started again: {error}");
    fleet.lock().await.end_node(node, kill).await.map_err(cannot)?;
    // Meanwhile others may have their turn.
    tokio::time::sleep(down).await;
    let mut fleet = fleet.lock().await;
    fleet.start_node(node).await.map_err(cannot)?;
    for (place, door) in shared.nodes.iter().zip(fleet.doors()) {
        place.write_unpoisoned().clone_from(door);
    }
    Ok(())
}

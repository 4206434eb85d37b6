//! A broker that is away from its nodes, or far.

use std::time::Duration;

use tokio::sync::Mutex;

use crate::scenario::model::Away;
use crate::target::{Error, Fleet};
use crate::wire::LinkAction;

/// Upsets the broker of a fleet for so long, and mends it. What lasts to the end is left as it is, and never returns.
pub(super) async fn from(fleet: &Mutex<&mut Fleet>, how: Away, length: Duration) -> Result<(), Error> {
    match how {
        Away::Paused => {
            let frozen = fleet.lock().await.joint().and_then(|joint| joint.freeze());
            tokio::time::sleep(length).await;
            drop(frozen);
        }
        Away::Killed | Away::Ended => {
            if let Some(joint) = fleet.lock().await.joint() {
                joint.down(how == Away::Killed).await;
            }
            tokio::time::sleep(length).await;
            if let Some(joint) = fleet.lock().await.joint() {
                joint.up().await?;
            }
        }
        Away::Parted { node } => {
            link(fleet, node, LinkAction::Hold { up: true, down: true }).await;
            tokio::time::sleep(length).await;
            link(fleet, node, LinkAction::Release).await;
        }
        Away::Far { by, node } => {
            link(fleet, node, LinkAction::Delay(by)).await;
            lasts(length).await;
            link(fleet, node, LinkAction::Delay(Duration::ZERO)).await;
        }
    }
    Ok(())
}

/// Returns when it is over; never, if it lasts to the end.
async fn lasts(length: Duration) {
    if length == Duration::MAX {
        return std::future::pending().await;
    }
    tokio::time::sleep(length).await;
}

async fn link(fleet: &Mutex<&mut Fleet>, node: Option<u32>, action: LinkAction) {
    if let Some(joint) = fleet.lock().await.joint() {
        joint.link(node, action);
    }
}

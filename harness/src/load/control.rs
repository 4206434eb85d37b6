//! How workers and coordinator agree. A local run is the distributed run with this in-process control.

use std::time::Instant;

use tokio::sync::{Barrier, mpsc, watch};

use super::metrics::Snapshot;
use crate::record::EndedBy;

/// The only seam between a worker and whoever coordinates it.
pub(super) struct Control {
    /// Every worker and the coordinator.
    barrier: Barrier,
    go: watch::Sender<Option<Instant>>,
    abort: watch::Sender<Option<Ending>>,
    snapshots: mpsc::UnboundedSender<Snapshot>,
}

/// Why a run is over before its end.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) by: EndedBy,
    pub(super) why: String,
}

/// The run is over before its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aborted;

impl Control {
    pub(super) fn new(workers: usize) -> (Self, mpsc::UnboundedReceiver<Snapshot>) {
        let (snapshots, receiver) = mpsc::unbounded_channel();
        let control = Self {
            barrier: Barrier::new(workers + 1),
            go: watch::Sender::new(None),
            abort: watch::Sender::new(None),
            snapshots,
        };
        (control, receiver)
    }

    /// Waits for everybody.
    pub(super) async fn barrier(&self) -> Result<(), Aborted> {
        // Not cancel-safe for the barrier's count, which no longer matters once the run is aborted. Biased: a
        // barrier that everybody has reached counts, whatever happens after it.
        tokio::select! {
            biased;
            _ = self.barrier.wait() => Ok(()),
            () = self.aborted() => Err(Aborted),
        }
    }

    /// Starts the clock of the run.
    pub(super) fn start(&self, origin: Instant) {
        tracing::info!("everybody who gets in is in; the phases begin");
        self.go.send_replace(Some(origin));
    }

    /// When the clock of the run shows zero, once that is known.
    pub(super) fn origin(&self) -> Option<Instant> {
        *self.go.borrow()
    }

    /// Waits for the clock of the run.
    pub(super) async fn started(&self) -> Result<Instant, Aborted> {
        let mut go = self.go.subscribe();
        let origin = async { go.wait_for(Option::is_some).await.ok().and_then(|origin| *origin) };
        tokio::select! {
            origin = origin => origin.ok_or(Aborted),
            () = self.aborted() => Err(Aborted),
        }
    }

    /// Ends the run early, since the target is lost; the first reason stays.
    pub(super) fn abort(&self, why: &str) {
        self.end(EndedBy::Target, why);
    }

    /// Ends the run early; the first reason stays.
    pub(super) fn end(&self, by: EndedBy, why: &str) {
        self.abort.send_if_modified(|reason| {
            let first = reason.is_none();
            if first {
                tracing::warn!(?by, why, "the run ends early");
                *reason = Some(Ending { by, why: why.to_owned() });
            }
            first
        });
    }

    /// Returns once the run is aborted.
    pub(super) async fn aborted(&self) {
        let mut abort = self.abort.subscribe();
        if abort.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Why the run was aborted, if it was.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.abort.borrow().clone()
    }

    /// Hands over what was measured since the last time. Never blocks the load.
    pub(super) fn publish(&self, snapshot: Snapshot) {
        // Nobody listens only when the run is over.
        let _ = self.snapshots.send(snapshot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A worker that has met everybody at the last barrier has come to its end, even if the run is aborted
    /// before it looks; taken for a run that was cut short, it would excuse what is missing.
    #[tokio::test]
    async fn a_barrier_that_everybody_reached_wins_over_an_abort() {
        for _ in 0..64 {
            let (control, _snapshots) = Control::new(1);
            let coordinator = async {
                control.barrier().await.unwrap();
                control.abort("over");
            };
            let (worker, ()) = tokio::join!(control.barrier(), coordinator);
            assert!(worker.is_ok());
        }
    }
}

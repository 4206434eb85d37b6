//! What a part of a run and whoever leads the run tell each other while it goes on. Neither waits for the other here: what is said last
//! holds, so a line that stands still for a while takes nothing from the load.

use tokio::sync::{mpsc, oneshot, watch};

use crate::clock;
use crate::record::{LedClock, Progress};

/// When the phases begin.
#[derive(Clone, Debug)]
pub struct Go {
    pub clock: clock::Shared,
    /// The same in all parts (RFC 3339).
    pub text: String,
}

/// The part's end.
#[derive(Debug)]
pub struct Lead {
    ready: watch::Sender<bool>,
    go: watch::Receiver<Option<Go>>,
    stop: watch::Receiver<Option<String>>,
    second: watch::Sender<Progress>,
    clocks: mpsc::Sender<oneshot::Sender<LedClock>>,
}

/// The other end.
#[derive(Debug)]
pub struct LeadEnd {
    /// Whether all of the part's users are in.
    pub ready: watch::Receiver<bool>,
    pub go: watch::Sender<Option<Go>>,
    /// Why the run ends early.
    pub stop: watch::Sender<Option<String>>,
    /// The part's last second.
    pub second: watch::Receiver<Progress>,
    /// Behind the last phase: how this machine's clock stands to that of whoever leads.
    pub clocks: mpsc::Receiver<oneshot::Sender<LedClock>>,
}

impl Lead {
    /// Both ends.
    pub fn new() -> (Self, LeadEnd) {
        let (ready, is_ready) = watch::channel(false);
        let (go, goes) = watch::channel(None);
        let (stop, stops) = watch::channel(None);
        let (second, seconds) = watch::channel(Progress::default());
        let (clocks, asked) = mpsc::channel(1);
        let lead = Self { ready, go: goes, stop: stops, second, clocks };
        (lead, LeadEnd { ready: is_ready, go, stop, second: seconds, clocks: asked })
    }

    /// Says that all users are in, and waits to be told when the phases begin; none if nobody leads any more.
    pub(super) async fn ready(&self) -> Option<Go> {
        self.ready.send_replace(true);
        let mut go = self.go.clone();
        go.wait_for(Option::is_some).await.ok().and_then(|go| go.clone())
    }

    /// Returns why the run ends early, once it does.
    pub(super) async fn stopped(&self) -> String {
        let mut stop = self.stop.clone();
        match stop.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Tells of a second.
    pub(super) fn tell(&self, second: &Progress) {
        self.second.send_replace(second.clone());
    }

    /// How the clocks stand to each other; none if nobody can say.
    pub(super) async fn clocks(&self) -> Option<LedClock> {
        let (answer, answered) = oneshot::channel();
        self.clocks.send(answer).await.ok()?;
        answered.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_whose_leader_is_gone_waits_for_nobody() {
        let (lead, end) = Lead::new();
        drop(end);
        assert!(lead.ready().await.is_none());
        assert!(lead.clocks().await.is_none());
    }

    #[tokio::test]
    async fn what_was_said_ahead_is_heard() {
        let (lead, mut end) = Lead::new();
        let go = Go { clock: clock::Shared::at(clock::wall()), text: "t".to_owned() };
        end.go.send_replace(Some(go));
        end.stop.send_replace(Some("why".to_owned()));
        assert_eq!(lead.ready().await.unwrap().text, "t");
        assert!(*end.ready.borrow());
        assert_eq!(lead.stopped().await, "why");
        let answer = async { end.clocks.recv().await.unwrap().send(LedClock { origin: 1, within: 2 }) };
        let (asked, answered) = tokio::join!(lead.clocks(), answer);
        assert_eq!((asked, answered), (Some(LedClock { origin: 1, within: 2 }), Ok(())));
    }
}

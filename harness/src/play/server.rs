//! Steps that end the target and start it again.

use std::future::Future as _;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use super::Stop;
use super::player::{Outcome, Player};
use crate::scenario::model::ServerAction;
use crate::scenario::template::Template;

impl Player<'_> {
    /// Does it, while every client is read: what they see is what the case is about.
    pub(super) async fn server(&mut self, action: &Template, within: Duration) -> Outcome {
        let name = self.text(action)?;
        let action = ServerAction::from_name(&name)
            .ok_or_else(|| Stop::Error(format!("`{name}` is nothing that can be done to a server")))?;
        let Some(helm) = self.stage.helm.clone() else {
            let why = "the case ends its server, and this one was not started for it alone; play it with `conform`";
            return Err(Stop::Unsupported(why.to_owned()));
        };
        self.note(format!("· the server: {}", action.name()));
        if action == ServerAction::Start {
            // It counts from the beginning again.
            self.stage.journal.store(0, Ordering::Relaxed);
            self.journal_from = 0;
        }
        let mut acting = Box::pin(async move { helm.act(action).await });
        let done = self.wait_with(within, |cx| match acting.as_mut().poll(cx) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        });
        match done.await {
            Some(Ok(())) => {
                self.note(format!("· the server: {}, done", action.name()));
                Ok(())
            }
            // That it cannot be started says nothing of what the case is about, but that it cannot be played.
            Some(Err(why)) if action == ServerAction::Start => Err(Stop::Error(why)),
            None if action == ServerAction::Start => {
                Err(Stop::Error(format!("the server was to start, and had not after {within:?}")))
            }
            Some(Err(why)) => Err(Stop::Fail(why)),
            None => Err(Stop::Late(format!("the server was to end, and had not after {within:?}"))),
        }
    }
}

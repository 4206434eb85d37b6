//! One user: connects, joins its rooms, sends what is due, notes what arrives, goes, and comes back.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::admission::NotIn;
use super::credentials::Credentials;
use super::flow;
use super::handle::{UserCommand, UserHandle};
use super::local::Local;
use super::membership::NamespaceMembership;
use super::outages::Cut;
use super::random::UserRng;
use super::session::{End, UserSession};
use crate::scenario::model::{Drop as Dropping, Leaving};

/// The life of user `number`: one session after the other, until it is told to quit.
pub(super) async fn live(local: Rc<Local>, number: u32) {
    let mailbox = local.mailbox(number);
    let user = &local.plan.users[number as usize];
    let namespaces = &local.plan.populations[user.population].namespaces;
    local.asks(number);
    let mut life = Life {
        dice: UserRng::new(local.plan.seed, user.population, number),
        places: namespaces.iter().enumerate().map(|(number, name)| NamespaceMembership::new(name, number)).collect(),
        credentials: Arc::default(),
        known: false,
        entered_at: None,
        opened: false,
        interrupted: false,
        attempt: 0,
        lost_at: None,
        local: &local,
        mailbox: &mailbox,
        number,
    };
    life.live().await;
    mailbox.gone();
    local.ready.notify_one();
}

struct Life<'a> {
    local: &'a Rc<Local>,
    mailbox: &'a UserHandle,
    number: u32,
    dice: UserRng,
    places: Vec<NamespaceMembership>,
    credentials: Arc<Credentials>,
    /// It has got them.
    known: bool,
    /// When it had done what comes ahead of its first connection, if there is something.
    entered_at: Option<i64>,
    /// It has been in its rooms.
    opened: bool,
    /// Its connection has broken, or could not be made, and nothing had been made to happen to it.
    interrupted: bool,
    /// How often it has tried to come back in vain.
    attempt: u32,
    /// When it lost its connection, if it has not come back since.
    lost_at: Option<i64>,
}

impl Life<'_> {
    async fn live(&mut self) {
        while let Some(pause) = self.session().await {
            if !Box::pin(self.pause(pause)).await {
                break;
            }
        }
        self.close_accounts(false);
    }

    /// One session. Returns how long to wait for the next one, if there is to be one.
    async fn session(&mut self) -> Option<Duration> {
        let stay = self.local.crowd(self.number).churn.map(|churn| churn.stay.mul_f64(-self.dice.unit().ln()));
        // On the heap and let go: what an opening and a goodbye need, an idle user must not hold.
        let entered = if self.has_to_enter() { Box::pin(self.enter()).await } else { Ok(()) };
        let (local, credentials) = (self.local, &*self.credentials);
        let talk = match entered {
            Ok(()) => {
                let opening =
                    UserSession::open(local, self.mailbox, self.number, credentials, &mut self.places, self.lost_at);
                Box::pin(opening).await
            }
            Err(refusal) => Err(refusal),
        };
        let end = match talk {
            Ok(mut talk) => {
                let connected = talk.connected_at();
                tracing::debug!(again = self.opened, "is in its rooms");
                if self.opened {
                    self.local.back(self.lost_at);
                } else {
                    self.opened = true;
                    self.local.opened(self.number, self.entered_at, connected);
                }
                self.attempt = 0;
                self.lost_at = None;
                self.mailbox.alive.set(true);
                let end = talk.run(stay).await;
                self.mailbox.alive.set(false);
                self.local.left();
                let (end, at) = Box::pin((*talk).leave(end)).await;
                self.note_outage(&end, at);
                self.lost_at = Some(at);
                end
            }
            Err(why) => {
                self.places.iter_mut().for_each(|place| place.opening_failed(self.local, self.number));
                End::NotIn(why)
            }
        };
        self.after(end)
    }

    /// Notes how a session ended, for whoever wants to do it again.
    fn note_outage(&self, end: &End, at: i64) {
        let how = match end {
            End::Stayed => Cut::Wanted(self.local.leaving(self.number), Duration::ZERO),
            End::Dropped(how, silence) => Cut::Wanted(*how, *silence),
            End::Lost(_) => Cut::Broken,
            End::Quit | End::NotIn(_) => return,
        };
        self.local.shared.outages.cut(self.number, at, how);
    }

    /// Whether something comes ahead of the next connection.
    fn has_to_enter(&self) -> bool {
        !self.known || self.local.crowd(self.number).issuer.enter_again
    }

    /// Does what comes ahead of a connection, and gets the credentials.
    async fn enter(&mut self) -> Result<(), NotIn> {
        let own = |why: String| NotIn { why, unreachable: false };
        let (issuer, user) = (&self.local.crowd(self.number).issuer, self.local.number_of(self.number));
        let mut scope = None;
        if !issuer.enter.is_empty() {
            let known = issuer.scope(user).map_err(own)?;
            scope = Some(flow::enter(self.local, self.number, known, &issuer.enter).await?);
            self.entered_at.get_or_insert(self.local.now());
        }
        self.credentials = match (issuer.same(), scope) {
            (Some(same), _) => same,
            (None, Some(mut scope)) => {
                issuer.rewind(user, &mut scope);
                Arc::new(issuer.issue(&mut scope).map_err(own)?)
            }
            (None, None) => {
                let mut scope = issuer.scope(user).map_err(own)?;
                Arc::new(issuer.issue(&mut scope).map_err(own)?)
            }
        };
        self.known = true;
        Ok(())
    }

    /// What comes after a session that ended like that.
    fn after(&mut self, end: End) -> Option<Duration> {
        let reconnect = self.local.reconnect;
        let quit = matches!(end, End::Quit);
        tracing::debug!(?end, "the session is over");
        let pause = match end {
            End::Quit => None,
            End::Stayed => {
                self.local.churned();
                self.close_accounts(false);
                self.lost_at = None;
                let churn = self.local.crowd(self.number).churn?;
                Some(between(churn.away, self.dice.unit()))
            }
            End::NotIn(refusal) if !self.opened => {
                self.local.failed(self.number, &refusal);
                return None;
            }
            End::Lost(why) | End::NotIn(NotIn { why, .. }) => {
                let first = reconnect.is_some() && !self.interrupted && !self.local.is_upset(self.number);
                self.interrupted |= first;
                self.local.broken(&why, reconnect.is_some(), first);
                self.back_off()
            }
            End::Dropped(how, silence) => {
                self.local.dropped();
                let silent = if how == Leaving::Dropped(Dropping::Silence) { silence } else { Duration::ZERO };
                self.back_off().map(|pause| pause + silent)
            }
        };
        if pause.is_some() && self.lost_at.is_some() && self.mailbox.away_from.get() == u32::MAX {
            self.mailbox.away_from.set(self.local.due_now());
        }
        let may_recover = pause.is_some() && self.places.iter().any(NamespaceMembership::may_recover);
        if !may_recover {
            self.close_accounts(quit);
        }
        pause
    }

    /// The wait ahead of the next attempt, as the official client has it.
    fn back_off(&mut self) -> Option<Duration> {
        let reconnect = self.local.reconnect?;
        let (least, most) = reconnect.delay;
        let delay = least.as_secs_f64() * reconnect.factor.powi(self.attempt.min(1_000) as i32);
        let jitter = (2.0 * self.dice.unit() - 1.0) * reconnect.jitter;
        self.attempt = self.attempt.saturating_add(1);
        Some(Duration::from_secs_f64((delay * (1.0 + jitter)).clamp(0.0, most.as_secs_f64())))
    }

    /// Waits; false when the user is told to quit.
    async fn pause(&self, pause: Duration) -> bool {
        let sleep = tokio::time::sleep(pause);
        tokio::pin!(sleep);
        loop {
            while let Some(order) = self.mailbox.next() {
                match order {
                    UserCommand::Send(index) => self.local.skip(index),
                    UserCommand::Fence { .. } => self.mailbox.answered(),
                    UserCommand::Drop(_)
                    | UserCommand::Stall(_)
                    | UserCommand::Link
                    | UserCommand::Look
                    | UserCommand::Cross { .. } => {}
                    UserCommand::Quit => return false,
                }
            }
            tokio::select! {
                () = &mut sleep => return true,
                () = self.mailbox.wake.notified() => {}
            }
        }
    }

    /// What was owed to sessions that are over is settled; `quit` if the last one ended with the run.
    fn close_accounts(&mut self, quit: bool) {
        let now = self.local.now();
        let at = self.lost_at.unwrap_or(now);
        self.places.iter_mut().for_each(|place| place.end(self.local, self.number, at, quit));
        self.mailbox.oldest.set(u32::MAX);
    }
}

fn between((from, to): (Duration, Duration), share: f64) -> Duration {
    from + to.saturating_sub(from).mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_that_waits_holds_little() {
        fn future<F>(_: fn(Rc<Local>, u32) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = future(live);
        assert!(bytes <= 1_024, "{bytes} bytes, beside {} of a session", size_of::<UserSession<'_>>());
    }
}

//! The schedule as it happens: messages go to their senders, iterations begin, and things go wrong, each at its time.

use std::rc::Rc;
use std::time::Duration;

use sio_oracle::board::Nanos;

use super::chaos::FaultEvent;
use super::flow::{self, Iteration};
use super::handle::UserCommand;
use super::local::Local;
use crate::clock::{PreciseSleep, RunClock};
use crate::scenario::model::Disruption;

/// Senders of messages that are given out at once when the schedule lags behind, and such messages: however few send them,
/// those who read get their turn.
const BATCH: usize = 256;
const MOST_AT_ONCE: u32 = 4_096;

/// What the schedule has next.
enum Due {
    /// Message and sender.
    Message(u32, u32),
    Iteration(Iteration),
    FaultEvent(FaultEvent),
}

/// Does what the schedule says at its intended times: hands messages to their senders, lets visitors in, lets happen
/// what happens; then waits for the end of the last phase.
pub(super) async fn emit(local: &Rc<Local>, mine: &[u32], clock: RunClock, sleep: &mut PreciseSleep) {
    let own = |visitor: &Iteration| local.shared.is_of(visitor.number, local.number);
    let mut visitors = local.shared.visitors.clone().filter(own).peekable();
    let mut happenings = local.shared.chaos.iter().filter(|happening| happening.is_about_users()).peekable();
    let mut index = 0;
    let mut called = Vec::with_capacity(BATCH);
    loop {
        let message = message_at(local, index);
        let visitor = visitors.peek().map(|visitor| visitor.at);
        let happening = happenings.peek().map(|happening| happening.at);
        let next = [happening, visitor, message.map(|(at, _)| at)].into_iter().flatten().min();
        let Some(at) = next else { break };
        let due = match message {
            _ if happening == next => happenings.next().cloned().map(Due::FaultEvent),
            _ if visitor == next => visitors.next().map(Due::Iteration),
            message => message.map(|(_, sender)| Due::Message(index, sender)),
        };
        match due {
            None => break,
            Some(Due::Message(message, sender)) => {
                local.cursor.set(message);
                index += 1;
                if !local.shared.is_of(sender.into(), local.number) {
                    continue;
                }
                // A timer that fails would make the message early, and the run would say so.
                local.crew.until(clock.at(at), async { _ = sleep.until(clock.at(at)).await }).await;
                called.clear();
                hand(local, message, sender, &mut called);
                index = hand_what_is_due(local, index, happening.into_iter().chain(visitor).min(), &mut called);
                // Let them write before looking at the clock again: a burst must not pile up.
                local.crew.give_way().await;
            }
            Some(Due::Iteration(visitor)) => {
                local.crew.until(clock.at(at), async { _ = sleep.until(clock.at(at)).await }).await;
                welcome(local, visitor).await;
            }
            Some(Due::FaultEvent(happening)) => {
                let _ = sleep.until(clock.at(at)).await;
                upset(local, mine, &happening);
            }
        }
    }
    local.cursor.set(u32::MAX);
    let _ = sleep.until(clock.at(local.plan.length())).await;
}

/// When message `index` is due, and who sends it.
fn message_at(local: &Local, index: u32) -> Option<(u64, u32)> {
    local.window.borrow_mut().reach(index).map(|entry| (entry.emission.at, entry.emission.sender))
}

/// Gives messages from `index` on to their senders, as far as they are due by now and ahead of what is due at `other`:
/// whoever sends several writes them at once. Returns the first that is not given.
fn hand_what_is_due(local: &Local, mut index: u32, other: Option<u64>, called: &mut Vec<u32>) -> u32 {
    let now = local.now();
    let end = index.saturating_add(MOST_AT_ONCE);
    while called.len() < BATCH
        && index < end
        && let Some((at, sender)) = message_at(local, index)
        && at as Nanos <= now
        && other.is_none_or(|other| at < other)
    {
        local.cursor.set(index);
        if local.shared.is_of(sender.into(), local.number) {
            hand(local, index, sender, called);
        }
        index += 1;
    }
    index
}

/// Gives a message to its sender, who goes first; `called` are those who do already.
fn hand(local: &Local, message: u32, sender: u32, called: &mut Vec<u32>) {
    let mailbox = &local.mailboxes[&sender];
    if !mailbox.alive.get() {
        return local.skip(message);
    }
    if !called.contains(&sender) {
        called.push(sender);
        local.crew.first(mailbox.member.get());
    }
    mailbox.post(UserCommand::Send(message));
}

/// Lets somebody in who follows a flow.
async fn welcome(local: &Rc<Local>, visitor: Iteration) {
    let late = (local.now() - visitor.at as Nanos).max(0) as u64;
    local.measurements.borrow_mut().came(local.plan.phase_at(visitor.at as Nanos), late);
    local.iterating.set(local.iterating.get() + 1);
    let member = local.crew.spawn(flow::follow(local.clone(), visitor));
    local.crew.first(member);
    local.crew.give_way().await;
}

fn upset(local: &Local, mine: &[u32], happening: &FaultEvent) {
    let (now, happened) = (local.now(), &local.shared.happened);
    happened.began(happening.number, now);
    let length = if let Disruption::Stall { length, .. } = happening.upset { length } else { Duration::ZERO };
    happened.ended(happening.number, now.saturating_add(length.as_nanos() as Nanos));
    for user in mine {
        let mailbox = &local.mailboxes[user];
        if mailbox.alive.get() && happening.meets(&local.plan, *user) {
            match happening.upset {
                Disruption::Drop { how, .. } => mailbox.post(UserCommand::Drop(how)),
                Disruption::Stall { length, .. } => mailbox.post(UserCommand::Stall(length)),
                _ => {}
            }
        }
    }
}

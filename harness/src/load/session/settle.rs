//! Fences: what was sent ahead of one has taken effect when it comes back, so accounts can be closed.

#[cfg(test)]
mod tests;

use sio_oracle::board::{Nanos, Receiver};
use sio_protocol::Args;

use super::UserSession;
use crate::load::emission_log::Entry;
use crate::load::journal::Event;
use crate::load::needs;

/// The event that is acknowledged by every target with the fixture.
const FENCE: &str = "message-with-ack";
/// Without a fence, what was sent so long ago has taken effect, and what took effect so long ago has arrived.
pub(super) const GRACE: Nanos = 5_000_000_000;

/// A fence that has not been answered.
pub(super) struct Fence {
    pub(super) id: u64,
    sent: Nanos,
    /// It comes behind so many messages that are not acknowledged.
    behind: u64,
    last: bool,
}

impl UserSession<'_> {
    /// Makes a fence; the `last` one is behind everything.
    pub(super) fn fence(&mut self, last: bool) {
        if !self.local.stage.fence {
            return self.settle_by_waiting(last);
        }
        self.fence_where_it_is_quiet();
        let sent = self.local.now();
        let behind = self.passed + self.plain.len() as u64;
        let nsp = self.places.first().map_or("/", |place| &place.namespace);
        if let Some(id) = self.connection.emit(nsp, fence_args(), true) {
            self.fences.push_back(Fence { id, sent, behind, last });
        }
    }

    /// A fence has come back: what was sent ahead of it has taken effect, and what had taken effect when it was sent
    /// has arrived.
    pub(super) fn fenced(&mut self, fence: &Fence, now: Nanos) {
        while self.passed < fence.behind {
            let Some(index) = self.plain.pop_front() else { break };
            self.passed += 1;
            self.took_effect(index, now);
        }
        self.local.round_trip(fence.sent, now);
        self.settle(fence.sent);
        if fence.last {
            self.mailbox.answered();
        } else {
            self.mailbox.fences.set(self.mailbox.fences.get().saturating_sub(1));
        }
        self.local.ready.notify_one();
    }

    /// The target has no fence: after some time, everything that comes has come.
    fn settle_by_waiting(&mut self, last: bool) {
        let now = self.local.now();
        let window = self.local.window.borrow();
        while let Some(index) = self.plain.front() {
            let sent = window.entry(*index).and_then(Entry::sent).unwrap_or(now);
            if !has_waited(sent, now, last) {
                break;
            }
            let index = *index;
            self.plain.pop_front();
            self.passed += 1;
            self.took_effect(index, now);
        }
        drop(window);
        self.settle(if last { now } else { now - GRACE });
        self.mailbox.answered();
        self.local.ready.notify_one();
    }

    /// A message of this user has taken effect by `now`.
    pub(super) fn took_effect(&self, index: u32, now: Nanos) {
        if let Some(entry) = self.local.window.borrow().entry(index) {
            entry.answered(now);
            self.local.journal.note(|| Event::Answered { index, at: now });
        }
    }

    /// Settles accounts: by a fence that was sent at that instant, or, in a cluster, by what has come across.
    pub(super) fn settle(&mut self, fence: Nanos) {
        let local = self.local;
        local.journal.note(|| Event::Settled { user: self.number, fence, at: local.now() });
        for account in self.places.iter_mut().filter_map(|place| place.account.as_mut()) {
            let window = local.window.borrow();
            if local.plan.is_cluster() {
                let (now, ending) = (local.now(), local.impatient.get());
                account.settle_across(now, ending, &*window, local.fates(self.number));
                if local.stage.fence {
                    let mut lacked = Vec::new();
                    let before = lacked_before(now, local.closing.get(), local.took.get());
                    account.wanting(before, &*window, |stream, seq, sender| lacked.push((stream, seq, sender)));
                    local.shared.needs.want(&lacked);
                }
            } else {
                account.settle(fence, &*window, local.fates(self.number));
            }
        }
        self.remember_oldest();
    }

    /// Notes which messages this user still needs.
    pub(super) fn remember_oldest(&self) {
        let window = self.local.window.borrow();
        let accounts = self.places.iter().flat_map(|place| [&place.account, &place.fresh]).flatten();
        let open = accounts.flat_map(Receiver::unsettled);
        let oldest = open.map(|(stream, seq)| window.index(stream, seq).unwrap_or_else(|| window.end())).min();
        self.mailbox.oldest.set(oldest.unwrap_or(u32::MAX));
    }

    /// Of what was sent and not answered nobody will ever know whether it took effect.
    pub(super) fn abandon(&self) {
        let (window, at) = (self.local.window.borrow(), self.local.now());
        for &index in self.acks.values().chain(&self.plain) {
            if let Some(entry) = window.entry(index) {
                entry.abandoned();
                self.local.journal.note(|| Event::Abandoned { index, at });
            }
        }
    }
}

/// Whether what was sent then has been waited for, by `now`; behind the `last` fence nothing is waited for.
fn has_waited(sent: Nanos, now: Nanos, last: bool) -> bool {
    last || sent + GRACE <= now
}

/// What was answered before this instant and is not here is lacked, at `now`.
fn lacked_before(now: Nanos, closing: bool, took: Nanos) -> Nanos {
    now - needs::lacked_for(closing, took)
}

pub(super) fn fence_args() -> Args {
    Args::event(FENCE, ()).unwrap_or_default()
}

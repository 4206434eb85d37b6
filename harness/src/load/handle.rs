//! Where the worker and one of its users meet.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use sio_oracle::board::UNKNOWN_NODE;
use tokio::sync::Notify;

use crate::scenario::model::Leaving;

/// What a worker tells a user to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum UserCommand {
    /// Send this message.
    Send(u32),
    /// Make an acknowledged round trip; the last ones settle what is left.
    Fence { last: bool },
    /// Send a cluster fence to each of its `links`.
    Link,
    /// Look whether something is lacked that has come to others, or never will.
    Look,
    /// Send a cluster fence to this target: somebody lacks this message.
    Cross { stream: u32, seq: u32 },
    /// Leave, and come back if users do.
    Drop(Leaving),
    /// Neither read nor write for so long.
    Stall(Duration),
    /// Leave for good.
    Quit,
}

pub(super) struct UserHandle {
    orders: RefCell<VecDeque<UserCommand>>,
    pub(super) wake: Notify,
    /// No last fence is on its way: it was answered, never will be, or was never sent.
    pub(super) fenced: Cell<bool>,
    /// Fences that are on their way.
    pub(super) fences: Cell<u32>,
    /// Something of the run has come since the last round of fences began: an answer, or a copy of a message.
    pub(super) heard: Cell<bool>,
    /// So many events and answers of any kind have come since then.
    pub(super) came: Cell<u64>,
    /// Its fence is waited for no longer, as nothing of the run came while it was waited for.
    pub(super) given_up: Cell<bool>,
    /// It is in its rooms.
    pub(super) alive: Cell<bool>,
    /// Something can be settled by a fence: it gets messages, or sends some that are not acknowledged.
    pub(super) wants_fence: Cell<bool>,
    /// Its connection cannot be expected to bring everything in time.
    pub(super) slow: Cell<bool>,
    /// The oldest message that it may still have to settle.
    pub(super) oldest: Cell<u32>,
    /// Its number in the executor.
    pub(super) member: Cell<u32>,
    /// The first message that was due when it lost its connection, until it is back.
    pub(super) away_from: Cell<u32>,
    /// How many connections it has had.
    pub(super) sessions: Cell<u32>,
    /// The server it is connected to; [`UNKNOWN_NODE`] if nobody knows.
    pub(super) node: Cell<u32>,
    /// Targets that it shows to be reached by what it sends: a traffic, and the room that can be drawn for it.
    pub(super) links: RefCell<Vec<(usize, Option<u32>)>>,
    /// All servers of a cluster are known to have been told where it is.
    pub(super) linked: Cell<bool>,
}

impl Default for UserHandle {
    fn default() -> Self {
        Self {
            orders: RefCell::default(),
            wake: Notify::new(),
            fenced: Cell::new(true),
            fences: Cell::new(0),
            heard: Cell::new(false),
            came: Cell::new(0),
            given_up: Cell::new(false),
            alive: Cell::new(false),
            wants_fence: Cell::new(false),
            slow: Cell::new(false),
            oldest: Cell::new(u32::MAX),
            away_from: Cell::new(u32::MAX),
            sessions: Cell::new(0),
            node: Cell::new(UNKNOWN_NODE),
            links: RefCell::default(),
            linked: Cell::new(true),
            member: Cell::new(u32::MAX),
        }
    }
}

impl UserHandle {
    pub(super) fn post(&self, order: UserCommand) {
        self.orders.borrow_mut().push_back(order);
        self.wake.notify_one();
    }

    pub(super) fn next(&self) -> Option<UserCommand> {
        self.orders.borrow_mut().pop_front()
    }

    /// A round of fences begins, of which this one is behind everything.
    pub(super) fn ask(&self) {
        self.fenced.set(false);
        self.heard.set(false);
        self.came.set(0);
        self.fences.set(self.fences.get() + 1);
        self.post(UserCommand::Fence { last: true });
    }

    /// Its fence was asked for and has not come back; a connection that is slow on purpose is not asked.
    pub(super) fn waits(&self) -> bool {
        self.alive.get() && !self.slow.get() && (!self.fenced.get() || self.given_up.get())
    }

    /// A fence was answered, or never will be.
    pub(super) fn answered(&self) {
        self.fences.set(self.fences.get().saturating_sub(1));
        self.fenced.set(true);
    }

    /// The user will do nothing any more.
    pub(super) fn gone(&self) {
        self.alive.set(false);
        self.fenced.set(true);
        self.oldest.set(u32::MAX);
        self.away_from.set(u32::MAX);
    }
}

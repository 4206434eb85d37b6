//! One socket's membership of one room.

use super::index::{Place, Window};
use crate::history::{SocketId, Time};
use crate::tri::Tri;

/// A join or a leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) window: Window,
    pub(super) join: bool,
    /// M4: the socket was connected throughout, so the change has happened once it is answered.
    pub(super) definite: bool,
    pub(super) by: Option<SocketId>,
    pub(super) place: Place,
}

/// All changes, as they were invoked.
#[derive(Debug, Default)]
pub(super) struct Cell {
    changes: Vec<Change>,
}

/// Who asks: under A4, what its own connection asked for before has happened, and what it asks for later has not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Viewer {
    pub(super) by: SocketId,
    pub(super) place: Place,
    /// It was done in its turn, so ahead of whatever its connection asks for later.
    pub(super) in_turn: bool,
}

impl Cell {
    pub(super) fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// M1 to M5: the values that some order of the changes can have left at `at`, or just behind it.
    pub(super) fn at(&self, at: Time, after: bool, viewer: Option<Viewer>, in_order: bool) -> Tri {
        let own = |change: &Change| viewer.filter(|viewer| change.by == Some(viewer.by));
        let started = |change: &&Change| match own(change) {
            Some(viewer) if viewer.in_turn && change.place > viewer.place => false,
            _ => change.window.inv <= at,
        };
        let done = |change: &&Change| {
            let answered = change.window.ok < at || after && change.window.ok == at;
            change.definite && (answered || own(change).is_some_and(|viewer| change.place < viewer.place))
        };
        let mut newest: Option<Time> = None;
        for change in self.changes.iter().filter(started).filter(done) {
            newest = newest.max(Some(change.window.inv));
        }
        // Nobody is a member at first, and stays none unless some change has certainly happened.
        let (mut can_be_in, mut can_be_out) = (false, newest.is_none());
        for change in self.changes.iter().filter(started) {
            let settled = newest.is_some_and(|newest| change.window.ok < newest);
            if settled || in_order && self.superseded(change, started, done) {
                continue;
            }
            if change.join {
                can_be_in = true;
            } else {
                can_be_out = true;
            }
        }
        match (can_be_in, can_be_out) {
            (true, false) => Tri::T,
            (false, true) => Tri::F,
            _ => Tri::U,
        }
    }

    /// M5: a later change of the same connection has certainly happened.
    fn superseded(&self, change: &Change, started: impl Fn(&&Change) -> bool, done: impl Fn(&&Change) -> bool) -> bool {
        let Some(by) = change.by else { return false };
        let later = self.changes.iter().filter(|later| later.by == Some(by) && later.place > change.place);
        later.filter(started).any(|later| done(&later))
    }

    /// The instants within a window at which the value can change.
    pub(super) fn breakpoints(&self, window: Window, into: &mut Vec<Time>) {
        for change in &self.changes {
            for at in [change.window.inv, change.window.ok] {
                if (window.inv..=window.ok).contains(&at) {
                    into.push(at);
                }
            }
        }
    }
}

//! When what was made to go wrong really began, and ended: later than planned, where one thing has to wait for another.

use std::sync::Mutex;

use sio_oracle::board::Nanos;

use crate::vocab::lock::LockExt;

/// From when to when something was wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// Not if it has not come to that.
    pub(super) began: Option<Nanos>,
    /// Not while it lasts.
    pub(super) ended: Option<Nanos>,
}

/// The spans of all that is made to go wrong in a run.
#[derive(Default)]
pub(super) struct Happened(Mutex<Vec<Span>>);

impl Happened {
    fn change(&self, number: usize, change: impl FnOnce(&mut Span)) {
        let mut spans = self.0.lock_unpoisoned();
        if spans.len() <= number {
            spans.resize(number + 1, Span::default());
        }
        change(&mut spans[number]);
    }

    /// It began; where several see it, what the first says holds.
    pub(super) fn began(&self, number: usize, at: Nanos) {
        self.change(number, |span| span.began = Some(span.began.map_or(at, |known| known.min(at))));
    }

    /// It is over; where several see it, what the last says holds.
    pub(super) fn ended(&self, number: usize, at: Nanos) {
        self.change(number, |span| span.ended = span.ended.max(Some(at)));
    }

    pub(super) fn span(&self, number: usize) -> Span {
        self.0.lock_unpoisoned().get(number).copied().unwrap_or_default()
    }
}

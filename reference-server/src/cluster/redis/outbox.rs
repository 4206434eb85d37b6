//! What is on its way to Redis: a queue with an end.

use std::collections::VecDeque;

use redis::{Cmd, Pipeline};

use super::Redis;

/// Commands that are written at once.
const BATCH: usize = 256;

/// Commands that wait, in their order.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: VecDeque<(Cmd, usize)>,
    bytes: usize,
    /// Commands that Redis has not answered yet.
    pub(super) flying: usize,
}

impl Outbox {
    /// Queues a command of so many bytes. False, and it is dropped, when there is no room: what is in the queue stays whole, and
    /// what comes later is missing.
    pub(super) fn push(&mut self, command: Cmd, bytes: usize) -> bool {
        let (most_bytes, most) = Redis::QUEUE;
        let fits = self.waiting.len() < most && (self.bytes + bytes <= most_bytes || self.waiting.is_empty());
        if fits {
            self.bytes += bytes;
            self.waiting.push_back((command, bytes));
        }
        fits
    }

    /// The next commands, and how many they are; they count as flying.
    pub(super) fn batch(&mut self) -> Option<(Pipeline, usize)> {
        let count = self.waiting.len().min(BATCH);
        if count == 0 {
            return None;
        }
        let mut pipeline = Pipeline::with_capacity(count);
        for (command, bytes) in self.waiting.drain(..count) {
            self.bytes -= bytes;
            pipeline.add_command(command);
        }
        self.flying += count;
        Some((pipeline, count))
    }

    /// Whether Redis has everything.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.flying == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_has_an_end_and_keeps_its_beginning() {
        let mut outbox = Outbox::default();
        let (most_bytes, most) = Redis::QUEUE;
        assert!(outbox.push(redis::cmd("A"), most_bytes + 1), "one is taken whatever its size");
        assert!(!outbox.push(redis::cmd("B"), 1), "and then no more");
        let (pipeline, count) = outbox.batch().unwrap_or_else(|| panic!("a batch"));
        assert_eq!((pipeline.len(), count, outbox.flying, outbox.is_done()), (1, 1, 1, false));
        assert_eq!((0..most + 10).filter(|_| outbox.push(redis::cmd("C"), 1)).count(), most);
        assert_eq!(outbox.batch().map(|(_, count)| count), Some(BATCH));
        outbox.flying = 0;
        while outbox.batch().is_some() {}
        outbox.flying = 0;
        assert!(outbox.is_done() && outbox.push(redis::cmd("D"), most_bytes));
    }
}

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
    /// The sizes of those that are written and not answered, in their order: they are held as well.
    flying: VecDeque<usize>,
    /// Of both.
    bytes: usize,
    /// Commands that were queued and are not here any more or wait here: all there ever were.
    queued: u64,
    /// Those of them that are through: Redis has answered, or the connection broke.
    landed: u64,
}

impl Outbox {
    /// Queues a command of so many bytes. False, and it is dropped, when there is no room: what is in the queue stays whole, and
    /// what comes later is missing.
    pub(super) fn push(&mut self, command: Cmd, bytes: usize) -> bool {
        let (most_bytes, most) = Redis::QUEUE;
        let is_empty = self.waiting.is_empty() && self.flying.is_empty();
        let fits = self.waiting.len() < most && (self.bytes + bytes <= most_bytes || is_empty);
        if fits {
            self.bytes += bytes;
            self.queued += 1;
            self.waiting.push_back((command, bytes));
        }
        fits
    }

    /// The next commands, and how many they are.
    pub(super) fn batch(&mut self) -> Option<(Pipeline, usize)> {
        let count = self.waiting.len().min(BATCH);
        if count == 0 {
            return None;
        }
        let mut pipeline = Pipeline::with_capacity(count);
        for (command, bytes) in self.waiting.drain(..count) {
            self.flying.push_back(bytes);
            pipeline.add_command(command);
        }
        Some((pipeline, count))
    }

    /// So many commands are through, the oldest ones that were not.
    pub(super) fn landed(&mut self, commands: usize) {
        self.landed += commands as u64;
        self.bytes -= self.flying.drain(..commands.min(self.flying.len())).sum::<usize>();
    }

    /// How many commands were queued so far.
    pub(super) fn queued(&self) -> u64 {
        self.queued
    }

    /// Whether the first so many of all commands are through.
    pub(super) fn is_through(&self, commands: u64) -> bool {
        self.landed >= commands
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
        assert_eq!((pipeline.len(), count, outbox.is_through(1)), (1, 1, false));
        assert!(!outbox.push(redis::cmd("B"), 1), "what is not answered is held as well");
        outbox.landed(1);
        assert!(outbox.is_through(1), "what is queued later is not asked for");
        assert_eq!((0..most + 10).filter(|_| outbox.push(redis::cmd("C"), 1)).count(), most);
        assert_eq!(outbox.batch().map(|(_, count)| count), Some(BATCH));
        assert!(!outbox.is_through(outbox.queued()));
        outbox.landed(BATCH);
        while let Some((_, count)) = outbox.batch() {
            outbox.landed(count);
        }
        assert!(outbox.is_through(outbox.queued()) && outbox.push(redis::cmd("D"), most_bytes));
    }
}

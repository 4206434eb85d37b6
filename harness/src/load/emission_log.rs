//! The messages of a run while they matter: made from the schedule in chunks, held until every worker has settled its
//! accounts with them, and let go. So a long run takes no more memory than a short one.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use sio_oracle::board::{Answer, Facts, Nanos, Observation, Time, UNKNOWN_NODE};

use super::outliers::LastCopy;
use super::plan::Plan;
use super::schedule::{Emission, Schedule};
use super::share::Share;

use crate::vocab::lock::LockExt;

/// Messages of one chunk.
const CHUNK: usize = 1024;

/// So far may the clock of another part be ahead.
const AHEAD: Nanos = 10_000_000_000;

/// Stand-ins for instants; the run's clock never shows them.
const DUE: Nanos = Nanos::MIN;
const SKIPPED: Nanos = Nanos::MIN + 1;
const OPEN: Nanos = Nanos::MAX;
const NEVER: Nanos = Nanos::MAX - 1;
const REFUSED: Nanos = Nanos::MAX - 2;

/// A message and how far it has come. Its sender's worker writes, all read.
pub(super) struct Entry {
    pub(super) emission: Emission,
    inv: AtomicI64,
    ok: AtomicI64,
    /// Where it was sent from: see [`Origin`].
    origin: AtomicU64,
}

/// Where a message was sent from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// Which of its sender's connections.
    pub(super) session: u32,
    /// The server that this was with; [`UNKNOWN_NODE`] if nobody knows.
    pub(super) node: u32,
}

impl Origin {
    pub(super) const UNKNOWN: Self = Self { session: 0, node: UNKNOWN_NODE };

    fn to_bits(self) -> u64 {
        u64::from(self.session) << 32 | u64::from(self.node)
    }

    fn from_bits(bits: u64) -> Self {
        Self { session: (bits >> 32) as u32, node: bits as u32 }
    }
}

impl Entry {
    fn new(emission: Emission) -> Self {
        let origin = AtomicU64::new(Origin::UNKNOWN.to_bits());
        Self { emission, inv: AtomicI64::new(DUE), ok: AtomicI64::new(OPEN), origin }
    }

    /// It is written next. Release, and ahead of the write: whoever receives it sees this.
    pub(super) fn sending(&self, now: Nanos, origin: Origin) {
        self.origin.store(origin.to_bits(), Ordering::Relaxed);
        self.inv.store(now, Ordering::Release);
    }

    /// Where it was sent from, if it was sent.
    pub(super) fn origin(&self) -> Origin {
        Origin::from_bits(self.origin.load(Ordering::Relaxed))
    }

    /// It will not be sent.
    pub(super) fn skip(&self) {
        let _ = self.inv.compare_exchange(DUE, SKIPPED, Ordering::Release, Ordering::Relaxed);
    }

    /// Its effect has been seen.
    pub(super) fn answered(&self, now: Nanos) {
        self.ok.store(now, Ordering::Release);
    }

    /// The application has said that it does nothing with it.
    pub(super) fn refused(&self) {
        self.ok.store(REFUSED, Ordering::Release);
    }

    /// Whether it was refused, so that nobody is owed it.
    pub(super) fn is_refused(&self) -> bool {
        self.ok.load(Ordering::Acquire) == REFUSED
    }

    /// Its effect will not be seen.
    pub(super) fn abandoned(&self) {
        let _ = self.ok.compare_exchange(OPEN, NEVER, Ordering::Release, Ordering::Relaxed);
    }

    /// When it was sent, if it was.
    pub(super) fn sent(&self) -> Option<Nanos> {
        match self.time() {
            Time::Sent { inv, .. } => Some(inv),
            Time::Due | Time::Skipped => None,
        }
    }

    pub(super) fn time(&self) -> Time {
        match self.inv.load(Ordering::Acquire) {
            DUE => Time::Due,
            SKIPPED => Time::Skipped,
            inv => {
                let ok = match self.ok.load(Ordering::Acquire) {
                    OPEN => Answer::Open,
                    NEVER | REFUSED => Answer::Never,
                    at => Answer::At(at),
                };
                Time::Sent { inv, ok }
            }
        }
    }
}

/// What a worker's receivers saw of one message.
#[derive(Clone, Copy, Debug)]
pub(super) struct FanoutProgress {
    /// Latency to the first and the last of them; `first` is the maximum while there is none.
    pub(super) first: u64,
    pub(super) last: u64,
    /// And to the one ahead of the last, if there are two.
    pub(super) before: u64,
    /// How the last one's came.
    pub(super) late: LastCopy,
    pub(super) count: u32,
    /// How many were owed it, and how many of those went without.
    pub(super) owed: u32,
    pub(super) missing: u32,
}

impl FanoutProgress {
    pub(super) const NOTHING: Self = Self {
        first: u64::MAX,
        last: 0,
        before: 0,
        late: LastCopy { user: 0, asked_at: None, with_ping: false },
        count: 0,
        owed: 0,
        missing: 0,
    };

    pub(super) fn arrived(&mut self, latency: u64, copy: LastCopy) {
        self.first = self.first.min(latency);
        if self.count == 0 || latency >= self.last {
            (self.before, self.last, self.late) = (self.last, latency, copy);
        } else {
            self.before = self.before.max(latency);
        }
        self.count += 1;
    }

    fn add(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.before = self.before.max(other.before).max(self.last.min(other.last));
        if other.count > 0 && other.last >= self.last {
            (self.last, self.late) = (other.last, other.late);
        }
        self.count += other.count;
        self.owed += other.owed;
        self.missing += other.missing;
    }
}

/// Successive messages.
struct Chunk {
    first: u32,
    entries: Box<[Entry]>,
    /// Workers that have not let go.
    holders: AtomicUsize,
    /// What those saw that have.
    sum: Mutex<Box<[FanoutProgress]>>,
}

impl Chunk {
    fn end(&self) -> u32 {
        self.first + self.entries.len() as u32
    }
}

/// All messages; shared by the workers.
pub(super) struct EmissionLog {
    workers: usize,
    /// Messages of other parts' users are skipped here; they are judged where the parts are put together.
    share: Share,
    making: Mutex<Making>,
    /// No message with this number or a higher one has been sent.
    frontier: AtomicU32,
}

struct Making {
    schedule: Schedule,
    next: u32,
    ended: bool,
    /// Made, but not taken by every worker; with how many have.
    chunks: VecDeque<(Arc<Chunk>, usize)>,
}

impl EmissionLog {
    pub(super) fn new(schedule: Schedule, workers: usize, share: Share) -> Self {
        let making = Making { schedule, next: 0, ended: false, chunks: VecDeque::new() };
        Self { workers, share, making: Mutex::new(making), frontier: AtomicU32::new(0) }
    }

    /// The chunk from `first` on; each worker takes each of them once, in their order.
    fn take(&self, first: u32) -> Option<Arc<Chunk>> {
        let mut making = lock(&self.making);
        if making.next == first && !making.ended {
            let entries: Box<[Entry]> = making.schedule.by_ref().take(CHUNK).map(Entry::new).collect();
            making.ended = entries.len() < CHUNK;
            entries.iter().filter(|entry| !self.share.owns(entry.emission.sender)).for_each(Entry::skip);
            making.next += entries.len() as u32;
            let sum = Mutex::new(vec![FanoutProgress::NOTHING; entries.len()].into_boxed_slice());
            let holders = AtomicUsize::new(self.workers);
            making.chunks.push_back((Arc::new(Chunk { first, entries, holders, sum }), 0));
        }
        let place = making.chunks.iter().position(|(chunk, _)| chunk.first == first)?;
        let (chunk, taken) = &mut making.chunks[place];
        *taken += 1;
        let (chunk, all) = (chunk.clone(), *taken == self.workers);
        if all {
            making.chunks.remove(place);
        }
        (!chunk.entries.is_empty()).then_some(chunk)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock_unpoisoned()
}

/// What is known of a message that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is held.
    Known,
    /// Nobody has sent it.
    NeverSent,
    /// Its accounts are closed.
    Closed,
}

/// A chunk, and what this worker's receivers saw of it.
type Held = (Arc<Chunk>, Box<[Cell<FanoutProgress>]>);

/// What one worker sees of the log.
pub(super) struct Window {
    log: Arc<EmissionLog>,
    plan: Arc<Plan>,
    chunks: VecDeque<Held>,
    /// The first message that is held.
    first: u32,
    /// Behind the last one.
    end: u32,
    ended: bool,
    lanes: Vec<StreamIndex>,
}

/// The messages of one stream that are held.
#[derive(Default)]
struct StreamIndex {
    /// Number of the first.
    first: u32,
    indexes: VecDeque<u32>,
    /// All below are answered, or never will be.
    settled: Cell<u32>,
}

impl Window {
    pub(super) fn new(log: Arc<EmissionLog>, plan: Arc<Plan>) -> Self {
        let lanes = (0..plan.streams()).map(|_| StreamIndex::default()).collect();
        Self { log, plan, chunks: VecDeque::new(), first: 0, end: 0, ended: false, lanes }
    }

    /// Message `index` of the schedule, made if need be; `None` behind the end.
    pub(super) fn reach(&mut self, index: u32) -> Option<&Entry> {
        while index >= self.end && !self.ended {
            match self.log.take(self.end) {
                Some(chunk) => self.push(chunk),
                None => self.ended = true,
            }
        }
        self.entry(index)
    }

    fn push(&mut self, chunk: Arc<Chunk>) {
        for (index, entry) in (chunk.first..).zip(&chunk.entries) {
            self.lanes[entry.emission.stream as usize].indexes.push_back(index);
        }
        self.end = chunk.end();
        let seen = chunk.entries.iter().map(|_| Cell::new(FanoutProgress::NOTHING)).collect();
        self.chunks.push_back((chunk, seen));
    }

    /// Message `index`, if it is held.
    pub(super) fn entry(&self, index: u32) -> Option<&Entry> {
        let offset = index.checked_sub(self.first)? as usize;
        self.chunks.get(offset / CHUNK)?.0.entries.get(offset % CHUNK)
    }

    /// Message `index` has arrived somewhere, at `now`.
    pub(super) fn arrived(&mut self, index: u32, now: Nanos) -> Arrival {
        if index >= self.log.frontier.load(Ordering::Acquire) && !self.may_be_of_another_part(index, now) {
            return Arrival::NeverSent;
        }
        if self.reach(index).is_some() { Arrival::Known } else { Arrival::Closed }
    }

    /// Whether another part may have sent message `index` by `now`: its clock may be ahead by some time, and not by any.
    #[cold]
    fn may_be_of_another_part(&mut self, index: u32, now: Nanos) -> bool {
        if self.log.share.is_whole() {
            return false;
        }
        let is_due = |at: u64| (at as Nanos) <= now.saturating_add(AHEAD);
        // The schedule is made no further than it can have come, whatever number a target makes up.
        while index >= self.end && !self.ended {
            let last = self.chunks.back().and_then(|(chunk, _)| chunk.entries.last());
            if last.is_some_and(|last| !is_due(last.emission.at)) {
                return false;
            }
            let next = self.end;
            self.reach(next);
        }
        match self.entry(index) {
            Some(entry) => !self.log.share.owns(entry.emission.sender) && is_due(entry.emission.at),
            None => index < self.first,
        }
    }

    /// Message `index` is written next.
    pub(super) fn sending(&self, index: u32, now: Nanos, origin: Origin) {
        if let Some(entry) = self.entry(index) {
            self.log.frontier.fetch_max(index + 1, Ordering::Release);
            entry.sending(now, origin);
        }
    }

    /// Adds to what this worker's receivers saw of message `index`.
    pub(super) fn saw(&self, index: u32, change: impl FnOnce(&mut FanoutProgress)) {
        let Some(offset) = index.checked_sub(self.first) else { return };
        let chunk = self.chunks.get(offset as usize / CHUNK);
        if let Some(cell) = chunk.and_then(|(_, seen)| seen.get(offset as usize % CHUNK)) {
            let mut seen = cell.get();
            change(&mut seen);
            cell.set(seen);
        }
    }

    /// All messages, made; for whoever looks at a whole run.
    pub(super) fn make_all(&mut self) {
        while self.reach(self.end).is_some() {}
    }

    /// A stream's messages by their numbers in the schedule.
    pub(super) fn messages_of(&self, stream: u32) -> &VecDeque<u32> {
        &self.lanes[stream as usize].indexes
    }

    /// The number in the schedule of a stream's message.
    pub(super) fn index(&self, stream: u32, seq: u32) -> Option<u32> {
        let lane = &self.lanes[stream as usize];
        lane.indexes.get(seq.checked_sub(lane.first)? as usize).copied()
    }

    /// The messages of a stream that were sent from `since` on, the latest first.
    pub(super) fn sent_since(&self, stream: u32, since: Nanos) -> impl Iterator<Item = &Entry> {
        // Messages are sent in their order, but for a lateness that is far below this.
        let due_before = since - 1_000_000_000;
        let entries = self.lanes[stream as usize].indexes.iter().rev().filter_map(|index| self.entry(*index));
        let entries = entries.take_while(move |entry| entry.emission.at as Nanos >= due_before);
        entries.filter(move |entry| entry.sent().is_some_and(|sent| sent >= since))
    }

    /// Behind the last message that is held.
    pub(super) fn end(&self) -> u32 {
        self.end
    }

    /// The first message below `keep` that was due at `at` or later; `keep` if there is none.
    pub(super) fn due_before(&self, keep: u32, at: Nanos) -> u32 {
        let last = |(chunk, _): &Held| chunk.entries.last().map(|last| (chunk.end(), last.emission.at));
        let old = self.chunks.iter().filter_map(last).take_while(|(_, last)| (*last as Nanos) < at).last();
        old.map_or(self.first, |(end, _)| end).min(keep)
    }

    /// Lets go of messages below `keep` that have been sent or never will be. Calls `closed` for each that no other
    /// worker holds any more, with what all of them saw.
    pub(super) fn retire(&mut self, keep: u32, mut closed: impl FnMut(&Entry, FanoutProgress)) {
        while let Some((chunk, _)) = self.chunks.front() {
            let done = chunk.end() <= keep && chunk.entries.iter().all(|entry| entry.time() != Time::Due);
            if !done {
                break;
            }
            let Some((chunk, seen)) = self.chunks.pop_front() else { break };
            self.first = chunk.end();
            for entry in &chunk.entries {
                let lane = &mut self.lanes[entry.emission.stream as usize];
                lane.indexes.pop_front();
                lane.first += 1;
            }
            let mut sum = lock(&chunk.sum);
            sum.iter_mut().zip(&seen).for_each(|(sum, seen)| sum.add(seen.get()));
            // Under the lock of the sum, so the last one sees what all the others added.
            if chunk.holders.fetch_sub(1, Ordering::AcqRel) == 1 {
                chunk.entries.iter().zip(&*sum).for_each(|(entry, seen)| closed(entry, *seen));
            }
        }
    }

    /// As [`retire`](Self::retire), for everything that is or was to come: the run is over.
    pub(super) fn close(&mut self, closed: impl FnMut(&Entry, FanoutProgress)) {
        self.make_all();
        self.chunks.iter().flat_map(|(chunk, _)| &chunk.entries).for_each(Entry::skip);
        self.retire(u32::MAX, closed);
    }
}

impl Facts for Window {
    fn fact(&self, stream: u32, seq: u32) -> Option<Observation> {
        self.entry(self.index(stream, seq)?).map(|entry| fact(&self.plan, entry))
    }

    fn settled_below(&self, stream: u32) -> u32 {
        let lane = &self.lanes[stream as usize];
        let mut settled = lane.settled.get().max(lane.first);
        let is_settled = |seq| {
            let index = self.index(stream, seq);
            let time = index.and_then(|index| self.entry(index)).map(Entry::time);
            matches!(time, Some(Time::Skipped | Time::Sent { ok: Answer::At(_) | Answer::Never, .. }))
        };
        while is_settled(settled) {
            settled += 1;
        }
        lane.settled.set(settled);
        settled
    }
}

/// What the board has to know of a message.
pub(super) fn fact(plan: &Plan, entry: &Entry) -> Observation {
    let emission = &entry.emission;
    let traffic = &plan.traffic[usize::from(emission.traffic)];
    // Ahead of the origin: what has been sent has one.
    let time = entry.time();
    let Origin { session, node } = entry.origin();
    Observation {
        sender: emission.sender,
        previous: emission.previous(),
        spares_sender: traffic.spares_sender,
        volatile: traffic.volatile,
        history: traffic.history,
        session,
        node,
        time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, source::Source};

    fn windows(workers: usize) -> (Vec<Window>, Vec<Emission>) {
        let text = include_str!("../../../scenarios/fanout.toml").to_owned();
        let source = Source { name: "fanout.toml".to_owned(), text };
        let loaded = scenario::load(source, &[], None).unwrap();
        let plan = Arc::new(Plan::new(&loaded.scenario, 1).unwrap());
        let all = Schedule::new(&loaded.scenario, plan.clone()).collect();
        let log = Arc::new(EmissionLog::new(Schedule::new(&loaded.scenario, plan.clone()), workers, Share::WHOLE));
        ((0..workers).map(|_| Window::new(log.clone(), plan.clone())).collect(), all)
    }

    fn copy_of(user: u32) -> LastCopy {
        LastCopy { user, ..LastCopy::default() }
    }

    /// However the copies are spread over workers, the last one is known, and how far it is behind the one before.
    #[test]
    fn the_last_copy_is_known_with_the_one_before() {
        let latencies = [5, 90, 7, 40];
        for split in 0..=latencies.len() {
            let (mut one, mut other) = (FanoutProgress::NOTHING, FanoutProgress::NOTHING);
            for (user, latency) in (0..).zip(latencies) {
                let seen = if (user as usize) < split { &mut one } else { &mut other };
                seen.arrived(latency, copy_of(user));
            }
            one.add(other);
            assert_eq!((one.first, one.before, one.last, one.late.user, one.count), (5, 40, 90, 1, 4), "{split}");
        }
    }

    #[test]
    fn every_worker_sees_every_message_and_the_last_one_closes_it() {
        let (mut windows, all) = windows(3);
        let mut closed = Vec::new();
        for (index, emission) in (0u32..).zip(&all) {
            for (number, window) in windows.iter_mut().enumerate() {
                assert_eq!(window.reach(index).unwrap().emission, *emission);
                assert_eq!(window.index(emission.stream, emission.seq), Some(index));
                if number == 0 {
                    window.sending(index, 5, Origin::UNKNOWN);
                }
                window.saw(index, |seen| seen.arrived(u64::from(index) + number as u64, copy_of(number as u32)));
                // Workers lag behind one another.
                let keep = index.saturating_sub(700 * number as u32);
                window.retire(keep, |entry, seen| closed.push((entry.emission, seen.count, seen.last - seen.first)));
                assert!(window.chunks.len() < 5, "what is settled is let go");
            }
        }
        assert!(windows[0].reach(all.len() as u32).is_none());
        windows.iter_mut().for_each(|window| {
            window.close(|entry, seen| closed.push((entry.emission, seen.count, seen.last - seen.first)));
        });
        assert_eq!(closed, all.into_iter().map(|emission| (emission, 3, 2)).collect::<Vec<_>>());
    }

    #[test]
    fn what_nobody_has_sent_has_not_arrived() {
        let (mut windows, _) = windows(1);
        assert_eq!(windows[0].arrived(0, 0), Arrival::NeverSent);
        assert_eq!(windows[0].arrived(u32::MAX, 0), Arrival::NeverSent, "and the schedule is not made for it");
        windows[0].reach(0);
        windows[0].sending(0, 5, Origin::UNKNOWN);
        assert_eq!(windows[0].arrived(0, 0), Arrival::Known);
        assert_eq!(windows[0].arrived(1, 0), Arrival::NeverSent);
        assert_eq!(windows[0].end(), 1024);
        windows[0].close(|_, _| {});
        assert_eq!(windows[0].arrived(0, 0), Arrival::Closed);
    }

    #[test]
    fn a_message_is_settled_when_it_is_answered() {
        let (mut windows, all) = windows(1);
        let window = &mut windows[0];
        let stream = all[0].stream;
        window.reach(0);
        assert_eq!(window.settled_below(stream), 0);
        window.sending(0, 5, Origin::UNKNOWN);
        assert_eq!(window.fact(stream, 0).unwrap().time, Time::Sent { inv: 5, ok: Answer::Open });
        assert_eq!(window.settled_below(stream), 0);
        window.entry(0).unwrap().answered(9);
        window.entry(0).unwrap().abandoned();
        assert_eq!(window.fact(stream, 0).unwrap().time, Time::Sent { inv: 5, ok: Answer::At(9) });
        assert_eq!(window.settled_below(stream), 1);
    }
}

//! Tells the oracle again what the parts of a run have noted, with the instants of all of them: who was owed what, and whether it
//! came. It is the same oracle, and the same counting, as in a run of one process.
//!
//! First the instants of all messages are read, then what came to each user, in the order in which its worker noted it. So nothing
//! depends on how the parts' events lie to one another: each verdict is the one that the rules of instants give when all of them are
//! known. What was sent in one part and received in another has its instants widened by the bound of the two clocks; an instant
//! that is only perhaps ahead of another one proves nothing.
//!
//! Memory: about two hundred bytes for each message of the run, and what each open session takes.

mod one_clock;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use sio_oracle::Tri;
use sio_oracle::board::{Answer, DeliveryOutcome, Facts, Nanos, Observation, Receiver, Time, Verdict};

use self::one_clock::OneClock;
use super::emission_log::{EmissionLog, Entry, Origin, Window, fact};
use super::journal::{Came, Damage, Event, Journal, Place};
use super::metrics::Measurements;
use super::outliers::LastCopy;
use super::part_clocks::Clocks;
use super::plan::Plan;
use super::schedule::Schedule;
use super::share::Share;
use crate::record::ByClock;
use crate::scenario::Scenario;

/// What comes of it.
pub(super) struct Replayed {
    pub(super) measurements: Measurements,
    /// Copies that came earlier than they can have been sent, and by how much the worst of them did: the clocks differ by more than
    /// their bound.
    pub(super) too_early: u64,
    pub(super) earliest: Nanos,
    /// Copies of messages that nobody has sent.
    pub(super) unsent: u64,
    /// Deliveries within a part beside all of them.
    pub(super) by_clock: Vec<ByClock>,
}

/// Why a run cannot be told again: which part's journal it is, and what is wrong with it.
pub(super) type Broken = (usize, Damage);

/// Plays the journals, one for each part in their order.
pub(super) fn replay(
    scenario: &Scenario,
    plan: &Arc<Plan>,
    journals: &[&Path],
    clocks: &Clocks,
    fenced: bool,
) -> Result<Replayed, Broken> {
    let mut told = Told::new(scenario, plan, journals.len() as u32, clocks.clone(), fenced);
    for (part, path) in journals.iter().enumerate() {
        let broken = |damage| (part, damage);
        let mut strange = false;
        let visited = Journal::open(path).map_err(broken)?.visit(|event| strange |= !told.learn(part, event));
        visited.map_err(broken)?;
        if strange {
            return Err((part, Damage::Strange));
        }
    }
    told.know();
    for (part, path) in journals.iter().enumerate() {
        let broken = |damage| (part, damage);
        Journal::open(path).map_err(broken)?.visit(|event| told.play(part, event)).map_err(broken)?;
        told.accounts.clear();
        told.now = Nanos::MIN;
    }
    Ok(told.end())
}

/// The run as it is told.
struct Told {
    plan: Arc<Plan>,
    parts: Share,
    clocks: Clocks,
    window: Window,
    /// By message: when it was known that it will not be answered.
    gone: Vec<Nanos>,
    /// By stream: until when each of its messages, and all ahead of it, were answered or given up.
    settled: Vec<Vec<Nanos>>,
    measurements: Measurements,
    accounts: HashMap<(u32, u16), Account>,
    /// The latest instant of what has been told of a part.
    now: Nanos,
    result: (u64, Nanos, u64),
    /// By population: whether its users read slowly on purpose, so that nothing is settled behind the last phase.
    slow: Vec<bool>,
    one_clock: OneClock,
}

/// A user in one of its namespaces.
#[derive(Default)]
struct Account {
    current: Option<Receiver>,
    fresh: Option<Receiver>,
    recovered: bool,
}

impl Told {
    fn new(scenario: &Scenario, plan: &Arc<Plan>, parts: u32, clocks: Clocks, fenced: bool) -> Self {
        let log = EmissionLog::new(Schedule::new(scenario, plan.clone()), 1, Share::WHOLE);
        let mut window = Window::new(Arc::new(log), plan.clone());
        window.make_all();
        let mut measurements = Measurements::new(plan, fenced);
        measurements.follow(clocks.clone());
        Self {
            one_clock: OneClock::new(&clocks, plan.users.len(), plan.traffic.len()),
            gone: vec![Nanos::MAX; window.end() as usize],
            settled: Vec::new(),
            measurements,
            parts: Share::new(1, parts.max(1)).unwrap_or(Share::WHOLE),
            plan: plan.clone(),
            clocks,
            window,
            accounts: HashMap::new(),
            now: Nanos::MIN,
            result: (0, 0, 0),
            slow: scenario.populations.values().map(|users| users.read_rate.is_some()).collect(),
        }
    }

    /// Takes the instants of a message; false if the part cannot have noted this.
    fn learn(&mut self, part: usize, event: Event) -> bool {
        let (Event::Sent { index, at }
        | Event::Answered { index, at }
        | Event::Refused { index, at }
        | Event::Abandoned { index, at }) = event
        else {
            return true;
        };
        let at = at + self.clocks.shifts[part];
        let Some(entry) = self.window.entry(index) else { return false };
        let emission = entry.emission;
        if self.parts.part_of(emission.sender) != part {
            return false;
        }
        match event {
            Event::Sent { .. } => {
                entry.sending(at, Origin::UNKNOWN);
                self.measurements.sending(&self.plan, &emission, at);
            }
            Event::Answered { .. } => {
                entry.answered(at);
                if self.plan.traffic[usize::from(emission.traffic)].ack {
                    self.measurements.acknowledged(&emission, at);
                }
            }
            Event::Refused { .. } => {
                entry.refused();
                self.gone[index as usize] = at;
                self.measurements.refused(&self.plan, &emission, "was refused");
                self.measurements.acknowledged(&emission, at);
            }
            _ => {
                entry.abandoned();
                self.gone[index as usize] = self.gone[index as usize].min(at);
            }
        }
        true
    }

    /// All instants are known: what nobody has sent will not be.
    fn know(&mut self) {
        (0..self.window.end()).filter_map(|index| self.window.entry(index)).for_each(Entry::skip);
        let until = |index: &u32| match self.window.entry(*index).map(Entry::time) {
            Some(Time::Sent { ok: Answer::At(ok), .. }) => ok,
            Some(Time::Sent { ok: Answer::Never, .. }) => self.gone[*index as usize],
            Some(Time::Sent { ok: Answer::Open, .. }) => Nanos::MAX,
            Some(Time::Due | Time::Skipped) | None => Nanos::MIN,
        };
        self.settled = (0..self.plan.streams())
            .map(|stream| {
                let mut latest = Nanos::MIN;
                let all = self.window.messages_of(stream).iter().map(until);
                all.map(|at| {
                    latest = latest.max(at);
                    latest
                })
                .collect()
            })
            .collect();
    }

    /// What is known at `now`, to the users of a part.
    fn view(&self, part: usize, now: Nanos) -> View<'_> {
        View { told: self, part, now, hides: true }
    }

    /// The same with everything that came later.
    fn whole_view(&self, part: usize) -> View<'_> {
        View { told: self, part, now: self.now, hides: false }
    }

    /// Takes an event of a user.
    fn play(&mut self, part: usize, event: Event) {
        let shift = self.clocks.shifts[part];
        match event {
            Event::Sent { .. } | Event::Answered { .. } | Event::Refused { .. } | Event::Abandoned { .. } => {}
            Event::Asked { place, at } => {
                let at = self.at(at + shift);
                self.asked(part, place, at);
            }
            Event::LetIn { place, .. } => {
                let account = self.account(place);
                account.current = account.fresh.take();
                account.recovered = false;
            }
            Event::Recovered { place } => {
                let account = self.account(place);
                (account.fresh, account.recovered) = (None, true);
            }
            Event::Ready { user, at, away_since } => {
                // It may lie ahead, where nobody answers for a join.
                self.ready(user, at + shift, away_since.map(|since| since + shift));
            }
            Event::Settled { user, fence, at } => {
                let at = self.at(at + shift);
                self.settle(part, user, fence + shift, at);
            }
            Event::Ended { place, at } => {
                let at = self.at(at + shift);
                self.ended(part, place, at);
            }
            Event::Came { place, index, at, how } => {
                let at = self.at(at + shift);
                self.came(part, (place, index), at, how);
            }
            Event::Unread { user, traffic, spoilt, at } => {
                if usize::from(traffic) < self.plan.traffic.len() {
                    let traffic = (usize::from(traffic), spoilt);
                    self.measurements.unread(&self.plan, user, traffic, "", at + shift);
                }
            }
        }
    }

    /// Notes how late it is.
    fn at(&mut self, at: Nanos) -> Nanos {
        self.now = self.now.max(at);
        at
    }

    fn account(&mut self, place: Place) -> &mut Account {
        self.accounts.entry((place.user, place.namespace)).or_default()
    }

    fn namespaces(&self, user: u32) -> &[String] {
        &self.plan.populations[self.plan.users[user as usize].population].namespaces
    }

    fn asked(&mut self, part: usize, place: Place, at: Nanos) {
        let user = &self.plan.users[place.user as usize];
        let Some(namespace) = self.namespaces(place.user).get(usize::from(place.namespace)) else { return };
        let unknown = self.plan.streams_of(user, namespace).into_iter().map(|(stream, _)| (stream, Tri::U));
        let fresh = Receiver::new(place.user, at, unknown, &self.view(part, at));
        self.account(place).fresh = Some(fresh);
    }

    /// As a session does when all of its rooms are joined.
    fn ready(&mut self, number: u32, at: Nanos, away_since: Option<Nanos>) {
        let plan = self.plan.clone();
        let user = &plan.users[number as usize];
        for (namespace, name) in (0_u16..).zip(&plan.populations[user.population].namespaces) {
            let Some(account) = self.accounts.get_mut(&(number, namespace)) else { continue };
            let recovered = account.recovered;
            let Some(account) = &mut account.current else { continue };
            for (stream, value) in plan.streams_of(user, name) {
                account.change(stream, at, value);
                let Some(since) = away_since.filter(|_| value == Tri::T && !recovered) else { continue };
                for entry in sent_between(&self.window, stream, since, at) {
                    if entry.emission.sender != number && !account.has(stream, entry.emission.seq) {
                        self.measurements.missed(&plan, number, entry);
                    }
                }
            }
        }
    }

    fn settle(&mut self, part: usize, user: u32, fence: Nanos, at: Nanos) {
        for namespace in 0..self.namespaces(user).len() as u16 {
            let Some(mut account) = self.accounts.remove(&(user, namespace)) else { continue };
            if let Some(receiver) = &mut account.current {
                let mut fates = Vec::new();
                receiver.settle(fence, &self.view(part, at), |stream, seq, fate| fates.push((stream, seq, fate)));
                self.count(user, &fates);
            }
            self.accounts.insert((user, namespace), account);
        }
    }

    fn ended(&mut self, part: usize, place: Place, at: Nanos) {
        let Some(mut receiver) = self.account(place).current.take() else { return };
        let mut fates = Vec::new();
        let is_slow = self.slow[self.plan.users[place.user as usize].population];
        let is_over = at >= self.plan.length() as Nanos && !is_slow;
        receiver.end(at, &self.whole_view(part), |stream, seq, fate| {
            // A part does not wait for the answers of the others: what was under way when it ended is excused by nobody.
            let fate = if is_over && fate == DeliveryOutcome::Excused { DeliveryOutcome::Undecided } else { fate };
            fates.push((stream, seq, fate));
        });
        self.count(place.user, &fates);
    }

    fn count(&mut self, user: u32, fates: &[(u32, u32, DeliveryOutcome)]) {
        use DeliveryOutcome::{Delivered, Missing};
        let node = self.plan.users[user as usize].node;
        for (stream, seq, fate) in fates {
            let Some(index) = self.window.index(*stream, *seq) else { continue };
            let Some(entry) = self.window.entry(index) else { continue };
            self.measurements.settled(&self.plan, &self.window, (user, node), entry, *fate);
            self.window.saw(index, |seen| {
                seen.owed += u32::from(matches!(fate, Delivered | Missing(_)));
                seen.missing += u32::from(matches!(fate, Missing(_)));
            });
        }
    }

    fn came(&mut self, part: usize, (place, index): (Place, u32), at: Nanos, how: Came) {
        let Some(mut account) = self.accounts.remove(&(place.user, place.namespace)) else { return };
        let receiver = if how.is_fresh() { &mut account.fresh } else { &mut account.current };
        if let Some(receiver) = receiver {
            self.judge(part, receiver, (place.user, index), at, how);
        }
        self.accounts.insert((place.user, place.namespace), account);
    }

    /// As a session judges a copy.
    fn judge(&mut self, part: usize, receiver: &mut Receiver, (user, index): (u32, u32), at: Nanos, how: Came) {
        let Some(entry) = self.window.entry(index) else { return self.result.2 += 1 };
        let known = self.whole_view(part).of(index, entry);
        let Time::Sent { inv, .. } = known.time else { return self.result.2 += 1 };
        let emission = entry.emission;
        self.measurements.recognised(emission.traffic, "", None);
        let mut how = how;
        if inv > at {
            // One of the two clocks is wrong, and nothing that rests on it is proved.
            self.result.0 += 1;
            self.result.1 = self.result.1.max(inv - at);
            how = Came::Among { fresh: how.is_fresh() };
        }
        if let Came::Altered { intact, .. } = how {
            self.measurements.altered(&self.plan, &self.window, user, entry, intact as usize, at);
        }
        let whose = (user, self.plan.users[user as usize].node);
        let latency = if let Came::Among { .. } = how {
            let verdict = receiver.deliver_among(emission.stream, emission.seq, &known, at);
            self.measurements.delivered_among(&self.plan, whose, entry, verdict, at)
        } else {
            let verdict: Verdict = receiver.deliver(emission.stream, emission.seq, &known, at);
            self.measurements.delivered(&self.plan, &self.window, whose, entry, (verdict, receiver), at)
        };
        if let Some(latency) = latency {
            if self.plan.phases[emission.phase].measured {
                let late = at - self.clocks.intended(&emission);
                self.one_clock.note(emission.traffic, (emission.sender, user), late);
            }
            let copy = LastCopy { user, asked_at: None, with_ping: false };
            self.window.saw(index, |seen| seen.arrived(latency, copy));
        }
    }

    fn end(mut self) -> Replayed {
        let (plan, measurements) = (&self.plan, &mut self.measurements);
        self.window.close(|entry, seen| measurements.closed(plan, entry, seen));
        let (too_early, earliest, unsent) = self.result;
        let by_clock = self.one_clock.results(plan.traffic.iter().map(|traffic| traffic.name.as_str()));
        Replayed { measurements: self.measurements, too_early, earliest, unsent, by_clock }
    }
}

/// The messages of a stream that were sent in a span of time.
fn sent_between(window: &Window, stream: u32, from: Nanos, to: Nanos) -> impl Iterator<Item = &Entry> {
    let messages = window.messages_of(stream);
    let due = |index: &u32| window.entry(*index).map_or(Nanos::MIN, |entry| entry.emission.at as Nanos);
    // Messages are sent in their order, but for a lateness that is far below this.
    let first = messages.partition_point(|index| due(index) < from.saturating_sub(1_000_000_000));
    let all = messages.range(first..).filter_map(|index| window.entry(*index));
    let all = all.take_while(move |entry| entry.emission.at as Nanos <= to);
    all.filter(move |entry| entry.sent().is_some_and(|sent| (from..=to).contains(&sent)))
}

/// The messages as the users of a part know them.
struct View<'a> {
    told: &'a Told,
    part: usize,
    now: Nanos,
    /// What is later than `now` is not known yet.
    hides: bool,
}

impl View<'_> {
    /// A message, with its instants widened if it is of another part.
    fn of(&self, index: u32, entry: &Entry) -> Observation {
        let mut known = fact(&self.told.plan, entry);
        let is_own = self.told.parts.part_of(known.sender) == self.part;
        let widened = if is_own { 0 } else { self.told.clocks.within };
        let Time::Sent { inv, ok } = known.time else { return known };
        let inv = inv - widened;
        let ok = match ok {
            Answer::At(ok) => Answer::At(ok.saturating_add(widened)),
            Answer::Never if self.hides && self.told.gone[index as usize].saturating_add(widened) > self.now => {
                Answer::Open
            }
            other => other,
        };
        known.time = if self.hides && inv > self.now { Time::Due } else { Time::Sent { inv, ok } };
        known
    }
}

impl Facts for View<'_> {
    /// None behind what can have been sent by now: nobody looks further.
    fn fact(&self, stream: u32, seq: u32) -> Option<Observation> {
        let index = self.told.window.index(stream, seq)?;
        let entry = self.told.window.entry(index)?;
        let until = self.now.saturating_add(self.told.clocks.within);
        ((entry.emission.at as Nanos) <= until).then(|| self.of(index, entry))
    }

    fn settled_below(&self, stream: u32) -> u32 {
        let until = self.now.saturating_sub(self.told.clocks.within);
        let settled = &self.told.settled[stream as usize];
        let below = settled.partition_point(|at| *at <= until);
        // What was never sent is settled at any time; nobody begins behind what is due.
        let window = &self.told.window;
        let is_due = |index: &u32| window.entry(*index).is_some_and(|entry| entry.emission.at as Nanos <= until);
        below.min(window.messages_of(stream).partition_point(is_due)) as u32
    }
}

#[cfg(test)]
mod tests;

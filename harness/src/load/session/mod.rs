//! One session of a user: from the connection to its end.

mod across;
mod batch;
mod opening;
mod settle;

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::time::{Duration, Instant};

use sio_oracle::board::Nanos;
use sio_protocol::client::Event;
use sio_protocol::engine::Handshake;
use sio_protocol::{Args, Incoming};
use tokio::time::sleep_until;

use self::settle::Fence;
use super::admission::NotIn;
use super::credentials::Credentials;
use super::emission_log::{Arrival, fact};
use super::fences;
use super::handle::{UserCommand, UserHandle};
use super::identity::{Fit, Reading, Unread};
use super::journal::{Came, Event as Noted};
use super::local::Local;
use super::membership::NamespaceMembership;
use super::outliers::LastCopy;
use super::schedule::Emission;
use crate::client::{Connection, Label};
use crate::clock;
use crate::scenario::model::{Drop as Dropping, Leaving};
use crate::wire::{Link, LinkAction};

/// Time a user that leaves politely waits for what is meant for it.
const LAST_FENCE_LIMIT: Duration = Duration::from_secs(10);

/// Reads of one connection, of up to 64 KiB each, before others have their turn: who floods must not keep them from theirs.
const AT_A_TIME: u64 = 4;

/// How a session ended.
#[derive(Debug)]
pub(super) enum End {
    /// As ordered, at the end of the run.
    Quit,
    /// The user had stayed long enough.
    Stayed,
    /// Chaos ended it; a user that falls silent is noticed after so long.
    Dropped(Leaving, Duration),
    /// The connection broke.
    Lost(String),
    /// The session was never open.
    NotIn(NotIn),
}

pub(super) struct UserSession<'a> {
    local: &'a Local,
    mailbox: &'a UserHandle,
    number: u32,
    credentials: &'a Credentials,
    places: &'a mut [NamespaceMembership],
    connection: Connection,
    /// Between it and the target, if there is something.
    link: Option<Link>,
    /// When the session was opened.
    opened_at: Nanos,
    connected_at: Nanos,
    /// Messages whose acknowledgement has not come.
    acks: HashMap<u64, u32>,
    /// Messages that have none, in the order they were sent; the first is number `passed`.
    plain: VecDeque<u32>,
    passed: u64,
    fences: VecDeque<Fence>,
    /// Nothing is read and nothing written until then.
    paused_until: Option<Instant>,
    /// What is read next may have lain for long.
    was_paused: bool,
    /// When what is handled now arrived.
    arrived_at: Nanos,
    /// Nothing passes the link until then.
    held_until: Option<Instant>,
    /// By target: what it has sent there last, where messages cross between servers.
    behind: HashMap<u32, across::Behind>,
    /// What watches the answers for the name of the server, and the question which one it is.
    label: Option<Label>,
    whoami: Option<u64>,
    /// The first messages of what is being read, until it is known whether a ping stands behind them.
    just_read: JustRead,
}

/// So many messages of one read are remembered.
const REMEMBERED: usize = 4;

/// Messages by their numbers in the schedule.
#[derive(Default)]
pub(super) struct JustRead {
    messages: [u32; REMEMBERED],
    count: usize,
}

impl JustRead {
    fn note(&mut self, message: u32) {
        if let Some(place) = self.messages.get_mut(self.count) {
            *place = message;
            self.count += 1;
        }
    }

    fn take(&mut self) -> impl Iterator<Item = u32> + use<> {
        let count = std::mem::take(&mut self.count);
        self.messages.into_iter().take(count)
    }
}

impl UserSession<'_> {
    /// When the last of its namespaces let it in.
    pub(super) fn connected_at(&self) -> Nanos {
        self.connected_at
    }

    /// Talks until the session ends; `stay` says how long the user wants to.
    pub(super) async fn run(&mut self, stay: Option<Duration>) -> End {
        let mut leave_at = stay.map(|stay| clock::now() + stay);
        let (mut leaving, mut taken) = (false, 0_u64);
        loop {
            while let Some(order) = self.mailbox.next() {
                match order {
                    UserCommand::Send(index) if leaving => self.local.skip(index),
                    UserCommand::Send(index) => self.send(index),
                    UserCommand::Fence { last } => self.fence(last),
                    UserCommand::Link => self.link(),
                    UserCommand::Look => self.settle(self.local.now()),
                    UserCommand::Cross { stream, seq } => self.cross(stream, seq),
                    UserCommand::Stall(length) => self.stall(length),
                    UserCommand::Drop(how) => return End::Dropped(how, self.silence()),
                    UserCommand::Quit => return End::Quit,
                }
            }
            let is_paused = self.paused_until.is_some();
            // Cancel-safe: the connection keeps what it has read, and the mailbox keeps a permit.
            tokio::select! {
                biased;
                event = self.connection.next(), if !is_paused => {
                    if let Some(why) = self.take(event) {
                        return End::Lost(why);
                    }
                    if leaving && self.fences.is_empty() {
                        return End::Stayed;
                    }
                    taken += 1;
                    if taken % AT_A_TIME == 0 {
                        self.local.crew.give_way().await;
                    }
                }
                () = self.mailbox.wake.notified() => {}
                () = until(self.paused_until) => {
                    self.paused_until = None;
                    self.was_paused = true;
                }
                () = until(self.held_until) => {
                    self.held_until = None;
                    self.link.iter().for_each(|link| link.act(LinkAction::Release));
                }
                () = until(leave_at) => {
                    let politely = self.local.leaving(self.number) == Leaving::Politely;
                    if leaving || !politely || !self.local.stage.fence {
                        return End::Stayed;
                    }
                    // What was meant for it up to now, it still gets.
                    leaving = true;
                    leave_at = Some(clock::now() + LAST_FENCE_LIMIT);
                    self.fence_what_is_recent();
                    self.fence(false);
                }
            }
        }
    }

    /// Nothing comes through for a while, in either direction.
    fn stall(&mut self, length: Duration) {
        let end = Some(clock::now() + length);
        match &self.link {
            Some(link) => {
                link.act(LinkAction::Hold { up: true, down: true });
                self.held_until = self.held_until.max(end);
            }
            None => self.paused_until = self.paused_until.max(end),
        }
        self.local.stalled();
    }

    /// Stamped right ahead of the write: the connection is polled, and thereby written, next.
    fn send(&mut self, index: u32) {
        let local = self.local;
        let window = local.window.borrow();
        let Some(entry) = window.entry(index) else { return };
        let emission = entry.emission;
        let traffic = usize::from(emission.traffic);
        let message = &local.messages[traffic];
        let args = match message.render(&local.plan, &emission, local.stamp(index), &self.credentials.known) {
            Ok(args) => args,
            Err(why) => {
                drop(window);
                return local.unsendable(index, &local.plan.traffic[traffic].name, &why);
            }
        };
        let now = local.now();
        window.sending(index, now, self.origin());
        local.journal.note(|| Noted::Sent { index, at: now });
        let id = self.connection.emit(&local.plan.traffic[traffic].namespace, args, message.ack);
        local.measurements.borrow_mut().sending(&local.plan, &emission, now);
        if local.plan.is_cluster() && local.plan.traffic[traffic].delivers {
            self.behind.insert(emission.stream, across::Behind::new(emission, now));
        }
        match id {
            Some(id) => _ = self.acks.insert(id, index),
            None => self.plain.push_back(index),
        }
    }

    /// Takes an event and what came with it. Returns why the connection is gone, if it is.
    fn take(&mut self, event: Event) -> Option<String> {
        self.note_arrival();
        let mut next = Some(event);
        while let Some(event) = next {
            if let Some(why) = self.handle(event) {
                return Some(why);
            }
            // Who is slow on purpose reads one at a time.
            next = self.paused_until.is_none().then(|| self.connection.next_read()).flatten();
        }
        self.note_ping();
        None
    }

    /// A ping behind the messages of a read is known when all of it is handled.
    fn note_ping(&mut self) {
        let messages = self.just_read.take();
        if self.connection.was_read_with_ping() {
            let window = self.local.window.borrow();
            for message in messages {
                window.saw(message, |seen| seen.late.with_ping |= seen.late.user == self.number);
            }
        }
    }

    /// When what is handled now arrived.
    fn note_arrival(&mut self) {
        let Some(arrival) = self.connection.arrival() else { return self.arrived_at = self.local.now() };
        let at = self.local.time_of(arrival.at);
        let again = std::mem::replace(&mut self.arrived_at, at) == at;
        let was_paused = std::mem::take(&mut self.was_paused);
        if let Some(lag) = arrival.lag.filter(|_| !again && !was_paused) {
            self.local.read(at, lag, arrival.bytes);
        }
    }

    /// Why the connection is gone, if it is.
    fn handle(&mut self, event: Event) -> Option<String> {
        self.mailbox.came.set(self.mailbox.came.get() + 1);
        match event {
            Event::Event(incoming) => self.receive(&incoming),
            Event::Ack(incoming) => self.acknowledged(&incoming),
            Event::Disconnect { .. } => return Some("the server put the user out of its namespace".to_owned()),
            Event::Closed(why) => return Some(why.to_string()),
            Event::Upgraded => self.local.upgraded(self.opened_at, self.local.now()),
            Event::Open(_) | Event::Engine(_) | Event::Connect { .. } | Event::ConnectError { .. } => {}
        }
        None
    }

    fn receive(&mut self, incoming: &Incoming) {
        let local = self.local;
        let json = incoming.args.json();
        match local.shared.identities.read(incoming) {
            Some(copy) if copy.among_others => self.judge_all(incoming),
            Some(copy) if copy.run == local.shared.run => self.judge(&copy, incoming),
            Some(copy) => self.note_foreign(&copy),
            None => self.unread(incoming),
        }
        if let Some(id) = incoming.id {
            self.connection.ack(&incoming.nsp, id, Args::none());
        } else if let Some(place) = self.places.iter_mut().find(|place| place.namespace == *incoming.nsp) {
            place.learn_offset(json);
        }
        if let Some(read_rate) = local.crowd(self.number).read_rate {
            let bytes = json.len() + incoming.args.attachments().iter().map(|bytes| bytes.len()).sum::<usize>();
            let pause = Duration::from_secs_f64(bytes as f64 / read_rate as f64);
            self.paused_until = Some(self.paused_until.unwrap_or_else(clock::now) + pause);
        }
    }

    /// Notes a copy of a message of another run.
    fn note_foreign(&self, copy: &Reading) {
        let tally = &mut self.local.measurements.borrow_mut().tally;
        tally.foreign += 1;
        tally.strangers.came(copy.run, copy.emission, self.arrived_at - self.connected_at);
    }

    /// Takes an event by which no message can be recognised at once.
    #[cold]
    fn unread(&mut self, incoming: &Incoming) {
        let local = self.local;
        let spoilt = match local.shared.identities.unread(incoming) {
            Ok(copy) => return self.judge(&copy, incoming),
            // Greetings and whatever else the application says are none of the load's business.
            Err(Unread::Other) => return,
            Err(Unread::Unidentified(traffic)) => (traffic, false),
            Err(Unread::Spoilt(traffic)) => (traffic, true),
        };
        // It may be one of the run's.
        self.mailbox.heard.set(true);
        let json = incoming.args.json();
        local.measurements.borrow_mut().unread(&local.plan, self.number, spoilt, json, self.arrived_at);
        let (user, at, (traffic, spoilt)) = (self.number, self.arrived_at, spoilt);
        local.journal.note(|| Noted::Unread { user, traffic: traffic as u16, spoilt, at });
    }

    /// Notes a copy whose message is not held any more, so that its text cannot be compared: it may be another part's.
    #[cold]
    fn note_stale(&self, index: u32, incoming: &Incoming) {
        let Some(place) = self.places.iter().find(|place| place.namespace == *incoming.nsp) else { return };
        let (name, how) = (place.place(self.number), Came::Among { fresh: place.is_fresh() });
        self.local.journal.note(|| Noted::Came { place: name, index, at: self.arrived_at, how });
    }

    fn judge(&mut self, copy: &Reading, incoming: &Incoming) {
        let index = copy.emission;
        if index >= fences::FIRST {
            return self.crossed(copy, incoming);
        }
        let local = self.local;
        let now = self.arrived_at;
        let mut window = local.window.borrow_mut();
        let mut measurements = local.measurements.borrow_mut();
        match window.arrived(index, now) {
            Arrival::Known => {}
            Arrival::NeverSent => return measurements.tally.foreign += 1,
            Arrival::Closed => {
                self.note_stale(index, incoming);
                return measurements.tally.stale += 1;
            }
        }
        self.mailbox.heard.set(true);
        let Some(entry) = window.entry(index) else { return };
        let fit = local.shared.identities.fit(&local.plan, &entry.emission, copy, incoming);
        if fit == Fit::Other {
            let name = local.shared.identities.name(entry.emission.traffic, incoming);
            return measurements.other_name(entry.emission.traffic, &name);
        }
        let place = self.places.iter_mut().find(|place| place.namespace == *incoming.nsp);
        let emission = entry.emission;
        let name = place.as_ref().map(|place| (place.place(self.number), place.is_fresh()));
        let Some((account, (place, fresh))) = place.and_then(NamespaceMembership::current).zip(name) else { return };
        let how = match fit {
            Fit::Altered { intact } => Came::Altered { fresh, intact: intact as u32 },
            Fit::Owed | Fit::Other => Came::Whole { fresh },
        };
        local.journal.note(|| Noted::Came { place, index, at: now, how });
        if !local.shared.part.share.owns(emission.sender) {
            measurements.recognised(emission.traffic, incoming.args.json(), copy.attachment());
            return measurements.of_another_part(&local.plan, self.number, &emission, now);
        }
        let known = fact(&local.plan, entry);
        let verdict = if local.plan.is_cluster() {
            account.deliver_across(emission.stream, emission.seq, &known, now, &*window)
        } else {
            account.deliver(emission.stream, emission.seq, &known, now)
        };
        measurements.recognised(emission.traffic, incoming.args.json(), copy.attachment());
        if let Fit::Altered { intact } = fit {
            measurements.altered(&local.plan, &window, self.number, entry, intact, now);
        }
        let (judged, whose) = ((verdict, &*account), (self.number, self.mailbox.node.get()));
        let latency = measurements.delivered(&local.plan, &window, whose, entry, judged, now);
        drop((window, measurements));
        if let Some(latency) = latency {
            self.note_copy(index, &emission, latency);
        }
    }

    /// Notes the first copy of a message that came to this user.
    fn note_copy(&mut self, index: u32, emission: &Emission, latency: u64) {
        let local = self.local;
        let mut before = 0;
        let copy = LastCopy {
            user: self.number,
            asked_at: self.connection.asked_at().map(|at| local.time_of(at)),
            with_ping: self.connection.was_read_with_ping(),
        };
        local.window.borrow().saw(index, |seen| {
            before = seen.count;
            seen.arrived(latency, copy);
        });
        self.just_read.note(index);
        // Each worker sees its share of the receivers; of a part's, nobody knows which place they have.
        let place = before * local.shared.workers as u32 + 1;
        if local.shared.part.share.is_whole() {
            local.measurements.borrow_mut().placed(&local.plan, emission, place, latency);
        }
    }

    fn acknowledged(&mut self, incoming: &Incoming) {
        let Some(id) = incoming.id else { return };
        let now = self.arrived_at;
        if let Some(place) = self.fences.iter().position(|fence| fence.id == id) {
            // Answers may come out of order; each fence stands for itself.
            let Some(fence) = self.fences.remove(place) else { return };
            self.mailbox.heard.set(true);
            self.fenced(&fence, now);
        } else if let Some(index) = self.acks.remove(&id)
            && let Some(entry) = self.local.window.borrow().entry(index)
        {
            let local = self.local;
            let mut measurements = local.measurements.borrow_mut();
            match local.shared.accepted.check(&local.plan, &entry.emission, &self.credentials.known, &incoming.args) {
                Ok(()) => {
                    entry.answered(now);
                    local.journal.note(|| Noted::Answered { index, at: now });
                }
                Err(why) => {
                    entry.refused();
                    local.journal.note(|| Noted::Refused { index, at: now });
                    measurements.refused(&local.plan, &entry.emission, &why);
                }
            }
            self.mailbox.heard.set(true);
            measurements.acknowledged(&entry.emission, now);
        } else if self.whoami == Some(id) {
            self.is_told_where_it_is(&incoming.args);
        }
    }

    /// After how long of silence a client would notice that its connection is dead.
    fn silence(&self) -> Duration {
        let handshake = self.connection.handshake();
        handshake.map_or(Duration::ZERO, Handshake::patience)
    }

    /// Goes as `end` says. Returns since when nothing is certain any more.
    pub(super) async fn leave(self, end: End) -> (End, Nanos) {
        let at = self.local.now();
        self.local.gives_up(&self.connection);
        self.abandon();
        self.places.iter_mut().for_each(|place| place.confirmed = false);
        while self.mailbox.fences.get() > 0 {
            self.mailbox.answered();
        }
        let how = match &end {
            End::Quit => Leaving::Politely,
            End::Stayed => self.local.leaving(self.number),
            End::Dropped(how, _) => *how,
            End::Lost(_) | End::NotIn(_) => Leaving::Dropped(Dropping::Close),
        };
        match how {
            Leaving::Politely => self.connection.close().await,
            Leaving::Dropped(Dropping::Close) => drop(self.connection),
            Leaving::Dropped(Dropping::Reset) => {
                self.link.iter().for_each(|link| link.act(LinkAction::Cut));
                self.connection.reset();
            }
            Leaving::Dropped(Dropping::Silence) => {
                let (silence, connection) = (self.silence(), (self.connection, self.link));
                // Open, and never looked at again, until the server must have noticed.
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(silence + Duration::from_secs(1)).await;
                    drop(connection);
                });
            }
        }
        (end, at)
    }
}

/// Returns at an instant, if there is one.
async fn until(at: Option<Instant>) {
    match at {
        // Most users never sleep, and should not hold what it takes.
        Some(at) => Box::pin(sleep_until(at.into())).await,
        None => pending().await,
    }
}

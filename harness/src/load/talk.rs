//! One session of a user: from the connection to its end.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::time::{Duration, Instant};

use sio_oracle::Tri;
use sio_oracle::board::{Fate, Nanos, Receiver};
use sio_protocol::client::Event;
use sio_protocol::{Args, Incoming};
use tokio::time::{sleep_until, timeout};

use super::log::{Arrival, fact};
use super::mailbox::{Mailbox, Order};
use super::place::Place;
use super::stamp::Stamp;
use super::worker::Local;
use crate::client::{Connection, Error};
use crate::clock;
use crate::scenario::model::{Drop as Dropping, Leaving};
use crate::wire::{Link, LinkAction};

/// The event that is acknowledged by every target with the fixture.
const FENCE: &str = "message-with-ack";
/// Time a user that leaves politely waits for what is meant for it.
const LAST_FENCE_LIMIT: Duration = Duration::from_secs(10);
/// Without a fence, what was sent so long ago has taken effect, and what took effect so long ago has arrived.
const GRACE: Nanos = 5_000_000_000;

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
}

/// A fence that has not been answered.
struct Fence {
    id: u64,
    sent: Nanos,
    /// It comes behind so many messages that are not acknowledged.
    behind: u64,
    last: bool,
}

pub(super) struct Talk<'a> {
    local: &'a Local,
    mailbox: &'a Mailbox,
    number: u32,
    places: &'a mut [Place],
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
}

/// What an opening still waits for.
struct Opening {
    /// Namespaces that have not answered.
    namespaces: usize,
    joins: Vec<u64>,
    /// A join will never be answered.
    unsure: bool,
    lost_at: Option<Nanos>,
}

impl<'a> Talk<'a> {
    /// Connects and joins. `lost_at` says when the session before this one broke, if it can be recovered.
    pub(super) async fn open(
        local: &'a Local,
        mailbox: &'a Mailbox,
        number: u32,
        places: &'a mut [Place],
        lost_at: Option<Nanos>,
    ) -> Result<Self, String> {
        let patience = local.shared.connect_timeout;
        let opening = timeout(patience, Self::try_open(local, mailbox, number, places, lost_at));
        match opening.await {
            Ok(Ok(talk)) => Ok(talk),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("not open within {patience:?}")),
        }
    }

    async fn try_open(
        local: &'a Local,
        mailbox: &'a Mailbox,
        number: u32,
        places: &'a mut [Place],
        lost_at: Option<Nanos>,
    ) -> Result<Self, Error> {
        let user = &local.plan.users[number as usize];
        let mut endpoint = local.endpoint(user.node);
        let link = match local.crowd(number).link {
            Some(path) => Some(Link::open(endpoint.address, path).await.map_err(Error::Connect)?),
            None => None,
        };
        if let Some(link) = &link {
            endpoint.through(link.address());
        }
        let parser = endpoint.manner.parser;
        let connection = Connection::open_by(&endpoint, local.carrier(number), user.transport, parser).await?;
        let mut talk = Talk {
            local,
            mailbox,
            number,
            places,
            connection,
            link,
            opened_at: 0,
            connected_at: 0,
            acks: HashMap::new(),
            plain: VecDeque::new(),
            passed: 0,
            fences: VecDeque::new(),
            paused_until: None,
            was_paused: false,
            arrived_at: 0,
            held_until: None,
        };
        let mut opening = Opening { namespaces: talk.places.len(), joins: Vec::new(), unsure: false, lost_at };
        talk.ask();
        while opening.namespaces > 0 || !opening.joins.is_empty() {
            let event = talk.connection.next().await;
            talk.note_arrival();
            talk.advance(event, &mut opening)?;
        }
        talk.ready(lost_at, opening.unsure);
        Ok(talk)
    }

    /// Asks for every namespace, and for the session there was.
    fn ask(&mut self) {
        let now = self.local.now();
        let user = &self.local.plan.users[self.number as usize];
        let window = self.local.window.borrow();
        for place in &mut *self.places {
            let streams = self.local.plan.streams_of(user, &place.namespace);
            let unknown = streams.into_iter().map(|(stream, _)| (stream, Tri::U));
            place.fresh = Some(Receiver::new(self.number, now, unknown, &*window));
            place.confirmed = false;
            let session = place.may_recover().then(|| (place.pid.as_deref().unwrap_or_default(), &*place.offset));
            self.connection.connect(&place.namespace, &self.local.auth(user.population, session));
        }
        drop(window);
        self.remember_oldest();
    }

    /// Takes what comes while the session is being opened.
    fn advance(&mut self, event: Event, opening: &mut Opening) -> Result<(), Error> {
        match event {
            Event::Connect { nsp, body } => {
                let pid = self.local.pid_of(self.number, &body);
                if self.confirm(&nsp, pid, opening) {
                    opening.namespaces -= 1;
                    self.connected_at = self.local.now();
                }
            }
            Event::ConnectError { body, .. } => return Err(Error::Refused(body.to_string())),
            Event::Ack(incoming) => opening.joins.retain(|id| incoming.id != Some(*id)),
            Event::Event(incoming) => self.receive(&incoming),
            Event::Disconnect { .. } => {
                return Err(Error::Refused("the server put the user out of its namespace".to_owned()));
            }
            Event::Closed(why) => return Err(why.into()),
            Event::Open(_) => self.opened_at = self.arrived_at,
            Event::Upgraded => self.local.upgraded(self.opened_at, self.local.now()),
        }
        Ok(())
    }

    /// A namespace has let the user in: into its old session, or else into a new one, whose rooms are joined.
    fn confirm(&mut self, nsp: &str, pid: Option<String>, opening: &mut Opening) -> bool {
        let Some(index) = self.places.iter().position(|place| place.namespace == nsp && !place.confirmed) else {
            return false;
        };
        let place = &mut self.places[index];
        place.confirmed = true;
        let asked = place.may_recover();
        let recovered = asked && place.pid == pid;
        place.recovered = recovered;
        if let (true, Some(lost_at)) = (asked, opening.lost_at) {
            self.local.asked_back(lost_at, recovered);
        }
        if recovered {
            place.fresh = None;
            return true;
        }
        let fresh = place.fresh.take();
        place.end(self.local, self.number, opening.lost_at.unwrap_or(self.connected_at));
        place.account = fresh;
        place.pid = pid;
        let user = &self.local.plan.users[self.number as usize];
        let mut unanswered = false;
        for &room in &user.rooms {
            if *self.local.plan.rooms[room as usize].namespace != *nsp {
                continue;
            }
            let (args, ack) = self.local.join(room);
            let id = self.connection.emit(nsp, args, ack);
            unanswered |= id.is_none();
            opening.joins.extend(id);
        }
        opening.unsure |= unanswered && !self.local.stage.fence;
        if unanswered && self.local.stage.fence {
            // Events of one connection are handled in their order, so the answer to this one comes behind the joins.
            opening.joins.extend(self.connection.emit(nsp, fence_args(), true));
        }
        true
    }

    /// Everything is joined: from now on it is certain what the user is owed.
    fn ready(&mut self, lost_at: Option<Nanos>, unsure: bool) {
        // A join that nobody answers for has taken effect after some time.
        let now = self.local.now() + if unsure { GRACE } else { 0 };
        let user = &self.local.plan.users[self.number as usize];
        let window = self.local.window.borrow();
        let mut measurements = self.local.measurements.borrow_mut();
        let mut addressed = false;
        for place in &mut *self.places {
            let Some(account) = &mut place.account else { continue };
            for (stream, value) in self.local.plan.streams_of(user, &place.namespace) {
                account.change(stream, now, value);
                let Some(lost_at) = lost_at.filter(|_| value == Tri::T && !place.recovered) else { continue };
                for entry in window.sent_since(stream, lost_at) {
                    if entry.emission.sender != self.number && !account.has(stream, entry.emission.seq) {
                        measurements.missed(&self.local.plan, self.number, entry);
                    }
                }
            }
            addressed |= !account.is_idle();
        }
        drop(measurements);
        drop(window);
        self.mailbox.away_from.set(u32::MAX);
        let crowd = self.local.crowd(self.number);
        self.mailbox.slow.set(crowd.reads.is_some());
        self.mailbox.wants_fence.set(addressed || self.local.sends_plain(user.population));
        self.remember_oldest();
    }

    /// When the last of its namespaces let it in.
    pub(super) fn connected_at(&self) -> Nanos {
        self.connected_at
    }

    /// Talks until the session ends; `stay` says how long the user wants to.
    pub(super) async fn run(&mut self, stay: Option<Duration>) -> End {
        let mut leave_at = stay.map(|stay| clock::now() + stay);
        let mut leaving = false;
        loop {
            while let Some(order) = self.mailbox.next() {
                match order {
                    Order::Send(index) if leaving => self.local.skip(index),
                    Order::Send(index) => self.send(index),
                    Order::Fence { last } => self.fence(last),
                    Order::Stall(length) => self.stall(length),
                    Order::Drop(how) => return End::Dropped(how, self.silence()),
                    Order::Quit => return End::Quit,
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
        let args = message.render(&local.plan, &emission, local.stamp(index));
        let now = local.now();
        window.sending(index, now);
        let id = self.connection.emit(&local.plan.traffic[traffic].namespace, args, message.ack);
        local.measurements.borrow_mut().sending(&local.plan, &emission, now);
        match id {
            Some(id) => _ = self.acks.insert(id, index),
            None => self.plain.push_back(index),
        }
    }

    fn fence(&mut self, last: bool) {
        if !self.local.stage.fence {
            return self.settle_by_waiting(last);
        }
        let sent = self.local.now();
        let behind = self.passed + self.plain.len() as u64;
        let nsp = self.places.first().map_or("/", |place| &place.namespace);
        if let Some(id) = self.connection.emit(nsp, fence_args(), true) {
            self.fences.push_back(Fence { id, sent, behind, last });
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
        None
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
        match event {
            Event::Event(incoming) => self.receive(&incoming),
            Event::Ack(incoming) => self.acknowledged(&incoming),
            Event::Disconnect { .. } => return Some("the server put the user out of its namespace".to_owned()),
            Event::Closed(why) => return Some(why.to_string()),
            Event::Upgraded => self.local.upgraded(self.opened_at, self.local.now()),
            Event::Open(_) | Event::Connect { .. } | Event::ConnectError { .. } => {}
        }
        None
    }

    fn receive(&mut self, incoming: &Incoming) {
        let local = self.local;
        let json = incoming.args.json();
        let stamp = Stamp::find(json.as_bytes())
            .or_else(|| incoming.args.attachments().iter().find_map(|bytes| Stamp::find(bytes)));
        match stamp {
            Some(stamp) if stamp.run == local.shared.run => self.judge(stamp.emission, incoming),
            Some(_) => local.measurements.borrow_mut().tally.foreign += 1,
            // Greetings and whatever else the application says are none of the load's business.
            None => {}
        }
        if let Some(id) = incoming.id {
            self.connection.ack(&incoming.nsp, id, Args::none());
        } else if let Some(place) = self.places.iter_mut().find(|place| place.namespace == *incoming.nsp) {
            place.learn_offset(json);
        }
        if let Some(reads) = local.crowd(self.number).reads {
            let bytes = json.len() + incoming.args.attachments().iter().map(|bytes| bytes.len()).sum::<usize>();
            let pause = Duration::from_secs_f64(bytes as f64 / reads as f64);
            self.paused_until = Some(self.paused_until.unwrap_or_else(clock::now) + pause);
        }
    }

    fn judge(&mut self, index: u32, incoming: &Incoming) {
        let local = self.local;
        let now = self.arrived_at;
        let mut window = local.window.borrow_mut();
        let mut measurements = local.measurements.borrow_mut();
        match window.arrived(index) {
            Arrival::Known => {}
            Arrival::NeverSent => return measurements.tally.foreign += 1,
            Arrival::Closed => return measurements.tally.stale += 1,
        }
        let Some(entry) = window.entry(index) else { return };
        let place = self.places.iter_mut().find(|place| place.namespace == *incoming.nsp);
        let Some(account) = place.and_then(Place::current) else { return };
        let emission = entry.emission;
        let verdict = account.deliver(emission.stream, emission.seq, &fact(&local.plan, entry), now);
        measurements.sample(emission.traffic, incoming.args.json());
        let judged = (verdict, &*account);
        let latency = measurements.delivered(&local.plan, &window, self.number, entry, judged, now);
        if let Some(latency) = latency {
            let mut before = 0;
            window.saw(index, |seen| {
                before = seen.count;
                seen.arrived(latency);
            });
            // Each worker sees its share of the receivers.
            let place = before * local.shared.workers as u32 + 1;
            measurements.placed(&local.plan, &emission, place, latency);
        }
    }

    fn acknowledged(&mut self, incoming: &Incoming) {
        let Some(id) = incoming.id else { return };
        let now = self.arrived_at;
        if let Some(place) = self.fences.iter().position(|fence| fence.id == id) {
            // Answers may come out of order; each fence stands for itself.
            let Some(fence) = self.fences.remove(place) else { return };
            self.fenced(&fence, now);
        } else if let Some(index) = self.acks.remove(&id)
            && let Some(entry) = self.local.window.borrow().entry(index)
        {
            entry.answered(now);
            self.local.measurements.borrow_mut().acknowledged(&entry.emission, now);
        }
    }

    /// A fence has come back: what was sent ahead of it has taken effect, and what had taken effect when it was sent
    /// has arrived.
    fn fenced(&mut self, fence: &Fence, now: Nanos) {
        while self.passed < fence.behind {
            let Some(index) = self.plain.pop_front() else { break };
            self.passed += 1;
            if let Some(entry) = self.local.window.borrow().entry(index) {
                entry.answered(now);
            }
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
            let sent = window.entry(*index).and_then(super::log::Entry::sent).unwrap_or(now);
            if sent + GRACE > now && !last {
                break;
            }
            window.entry(*index).inspect(|entry| entry.answered(now));
            self.plain.pop_front();
            self.passed += 1;
        }
        drop(window);
        self.settle(if last { now } else { now - GRACE });
        self.mailbox.answered();
        self.local.ready.notify_one();
    }

    fn settle(&mut self, fence: Nanos) {
        for account in self.places.iter_mut().filter_map(|place| place.account.as_mut()) {
            account.settle(fence, &*self.local.window.borrow(), self.local.fates(self.number));
        }
        self.remember_oldest();
    }

    /// Notes which messages this user still needs.
    fn remember_oldest(&self) {
        let window = self.local.window.borrow();
        let accounts = self.places.iter().flat_map(|place| [&place.account, &place.fresh]).flatten();
        let open = accounts.flat_map(Receiver::unsettled);
        let oldest = open.map(|(stream, seq)| window.index(stream, seq).unwrap_or_else(|| window.end())).min();
        self.mailbox.oldest.set(oldest.unwrap_or(u32::MAX));
    }

    /// After how long of silence a client would notice that its connection is dead.
    fn silence(&self) -> Duration {
        let handshake = self.connection.handshake();
        handshake.map_or(Duration::ZERO, |h| Duration::from_millis(h.ping_interval + h.ping_timeout))
    }

    /// Of what was sent and not answered nobody will ever know whether it took effect.
    fn abandon(&self) {
        let window = self.local.window.borrow();
        for index in self.acks.values().chain(&self.plain) {
            window.entry(*index).inspect(|entry| entry.abandoned());
        }
    }

    /// Goes as `end` says. Returns since when nothing is certain any more.
    pub(super) async fn leave(self, end: End) -> (End, Nanos) {
        let at = self.local.now();
        self.abandon();
        self.places.iter_mut().for_each(|place| place.confirmed = false);
        while self.mailbox.fences.get() > 0 {
            self.mailbox.answered();
        }
        let how = match &end {
            End::Quit => Leaving::Politely,
            End::Stayed => self.local.leaving(self.number),
            End::Dropped(how, _) => *how,
            End::Lost(_) => Leaving::Dropped(Dropping::Close),
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

impl Local {
    /// Where fates of a user's messages are counted.
    pub(super) fn fates(&self, user: u32) -> impl FnMut(u32, u32, Fate) + '_ {
        move |stream, seq, fate| {
            let window = self.window.borrow();
            let Some(index) = window.index(stream, seq) else { return };
            let Some(entry) = window.entry(index) else { return };
            self.measurements.borrow_mut().settled(&self.plan, &window, user, entry, fate);
            window.saw(index, |seen| {
                seen.owed += u32::from(matches!(fate, Fate::Delivered | Fate::Missing));
                seen.missing += u32::from(fate == Fate::Missing);
            });
        }
    }
}

fn fence_args() -> Args {
    Args::event(FENCE, ()).unwrap_or_default()
}

/// Returns at an instant, if there is one.
async fn until(at: Option<Instant>) {
    match at {
        // Most users never sleep, and should not hold what it takes.
        Some(at) => Box::pin(sleep_until(at.into())).await,
        None => pending().await,
    }
}

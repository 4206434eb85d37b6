//! How a session begins: the connection, its namespaces, its rooms; or the session there was.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use sio_oracle::Tri;
use sio_oracle::board::{Nanos, Receiver};
use sio_protocol::Incoming;
use sio_protocol::client::Event;
use tokio::time::timeout;

use super::settle::{GRACE, fence_args};
use super::{JustRead, UserSession};
use crate::client::{Connection, Error};
use crate::clock;
use crate::load::admission::{NotIn, SILENCE, Stage};
use crate::load::credentials::Credentials;
use crate::load::handle::UserHandle;
use crate::load::journal::Event as Noted;
use crate::load::local::Local;
use crate::load::membership::NamespaceMembership;
use crate::wire::Link;

/// How often an opening that takes its time is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What an opening still waits for.
struct Opening<'a> {
    user: u32,
    credentials: &'a Credentials,
    /// The transport has a session.
    handshaken: bool,
    /// Namespaces that have not answered.
    namespaces: Vec<&'a str>,
    /// Joins that have not been answered: the acknowledgement, and the room; a fence has none.
    joins: Vec<(u64, Option<u32>)>,
    /// Rooms of which an event has not said yet that the user is in them.
    unconfirmed: Vec<u32>,
    /// A join will never be answered.
    unsure: bool,
    lost_at: Option<Nanos>,
    /// When it began to wait for what it waits for now.
    since: Instant,
}

impl<'a> Opening<'a> {
    fn new(local: &'a Local, user: u32, credentials: &'a Credentials, lost_at: Option<Nanos>) -> RefCell<Self> {
        let population = &local.plan.populations[local.plan.users[user as usize].population];
        RefCell::new(Self {
            user,
            credentials,
            handshaken: false,
            namespaces: population.namespaces.iter().map(String::as_str).collect(),
            joins: Vec::new(),
            unconfirmed: Vec::new(),
            unsure: false,
            lost_at,
            since: clock::now(),
        })
    }

    fn is_done(&self) -> bool {
        self.namespaces.is_empty() && self.joins.is_empty() && self.unconfirmed.is_empty()
    }

    fn stage(&self) -> Stage {
        match (self.handshaken, self.namespaces.is_empty()) {
            (false, _) => Stage::Handshake,
            (true, false) => Stage::Namespaces,
            (true, true) => Stage::Joins,
        }
    }

    /// The target has answered at a stage.
    fn answered(&mut self, local: &Local, stage: Stage) {
        local.shared.answers.answered(stage);
        self.since = clock::now();
    }

    /// `the CONNECT of /x`, `join("lobby-3")`.
    fn waits_for(&self, local: &Local) -> String {
        let and_more = |all: usize| if all > 1 { format!(" and {} more", all - 1) } else { String::new() };
        match self.stage() {
            Stage::Handshake => "the handshake".to_owned(),
            Stage::Namespaces => format!("the CONNECT of {}{}", self.namespaces[0], and_more(self.namespaces.len())),
            Stage::Joins => {
                let room = self.joins.first().and_then(|(_, room)| *room).or(self.unconfirmed.first().copied());
                let call = room.map_or_else(|| "the fence behind the joins".to_owned(), |room| self.call(local, room));
                format!("{call}{}", and_more(self.joins.len() + self.unconfirmed.len()))
            }
        }
    }

    /// The call by which a room is joined.
    fn call(&self, local: &Local, room: u32) -> String {
        let namespace = &local.plan.rooms[room as usize].namespace;
        let place = if namespace == "/" { String::new() } else { format!(" in {namespace}") };
        let call = local.join(self.user, room, self.credentials).map(|join| join.map(|join| join.call()));
        format!("{}{place}", call.ok().flatten().unwrap_or_default())
    }
}

impl<'a> UserSession<'a> {
    /// Connects and joins. The session is boxed, since whoever hands it on would have room for it twice. `lost_at` says when the session before this one broke, if it can be recovered.
    pub(in crate::load) async fn open(
        local: &'a Local,
        mailbox: &'a UserHandle,
        number: u32,
        credentials: &'a Credentials,
        places: &'a mut [NamespaceMembership],
        lost_at: Option<Nanos>,
    ) -> Result<Box<Self>, NotIn> {
        let shared = &local.shared;
        let opening = Opening::new(local, number, credentials, lost_at);
        let began = clock::now();
        let trying = Self::try_open(local, mailbox, number, credentials, places, &opening);
        tokio::pin!(trying);
        let mut look = shared.connect_timeout.min(if shared.gives_up { SILENCE } else { Duration::MAX });
        loop {
            if let Ok(outcome) = timeout(look, &mut trying).await {
                let is_in = async { outcome?.settled_in(&opening).await };
                return is_in.await.map(Box::new).map_err(|error| NotIn {
                    why: error.to_string(),
                    unreachable: matches!(error, Error::Connect(_)) && !opening.borrow().handshaken,
                });
            }
            let (opening, waited) = (opening.borrow(), clock::now().duration_since(began));
            let silent = shared.gives_up && shared.answers.is_silent(opening.stage(), opening.since);
            if silent || waited >= shared.connect_timeout {
                let (what, unreachable) = (opening.waits_for(local), opening.stage() == Stage::Handshake);
                let waited = clock::now().duration_since(opening.since).as_secs();
                return Err(NotIn { why: format!("no answer to {what} for {waited} s"), unreachable });
            }
            look = LOOK.min(shared.connect_timeout.saturating_sub(waited));
        }
    }

    async fn try_open(
        local: &'a Local,
        mailbox: &'a UserHandle,
        number: u32,
        credentials: &'a Credentials,
        places: &'a mut [NamespaceMembership],
        opening: &RefCell<Opening<'a>>,
    ) -> Result<Self, Error> {
        let user = &local.plan.users[number as usize];
        let mut endpoint = local.endpoint(user.node).with_jar(local.jars.jar(number)).for_user(number.into());
        endpoint.label = local.shared.cluster.label();
        mailbox.sessions.set(mailbox.sessions.get().wrapping_add(1));
        if let Some(manner) = &credentials.manner {
            endpoint.manner = manner.clone();
        }
        let link = match local.crowd(number).link {
            Some(path) => Some(Link::open(endpoint.address(), path).await.map_err(Error::Connect)?),
            None => None,
        };
        if let Some(link) = &link {
            endpoint.through(link.address());
        }
        let parser = endpoint.manner.parser;
        let connection = Connection::open_by(&endpoint, local.carrier(number), user.transport, parser).await?;
        let mut talk = UserSession {
            local,
            mailbox,
            number,
            credentials,
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
            just_read: JustRead::default(),
            held_until: None,
            behind: HashMap::new(),
            label: endpoint.label,
            whoami: None,
        };
        talk.ask();
        while !opening.borrow().is_done() {
            let event = talk.connection.next().await;
            talk.note_arrival();
            talk.advance(event, &mut opening.borrow_mut())?;
        }
        Ok(talk)
    }

    /// The session is open. Joins that nobody answers for are waited for ahead of the run, which begins with everybody inside; once it
    /// goes on, a message that comes shows that they have taken effect, and else time does.
    async fn settled_in(mut self, opening: &RefCell<Opening<'a>>) -> Result<Self, Error> {
        let sure_at = opening.borrow().unsure.then(|| clock::now() + Duration::from_nanos(GRACE.unsigned_abs()));
        if let Some(sure_at) = sure_at {
            let started = self.local.shared.control.started();
            let waited = tokio::time::sleep_until(sure_at.into());
            tokio::pin!(started, waited);
            loop {
                // Cancel-safe: the first two hold nothing, and of a connection an event is taken whole.
                tokio::select! {
                    biased;
                    _ = &mut started => break,
                    () = &mut waited => break,
                    event = self.connection.next() => {
                        self.note_arrival();
                        self.advance(event, &mut opening.borrow_mut())?;
                    }
                }
            }
        }
        let lost_at = opening.borrow().lost_at;
        let now = self.local.now();
        self.ready(lost_at, sure_at.map_or(now, |sure_at| self.local.time_to_come(sure_at).max(now)));
        Ok(self)
    }

    /// Asks for every namespace, and for the session there was.
    fn ask(&mut self) {
        let now = self.local.now();
        let user = &self.local.plan.users[self.number as usize];
        let window = self.local.window.borrow();
        for place in &mut *self.places {
            let streams = self.local.plan.streams_of(user, &place.namespace);
            let unknown = streams.into_iter().map(|(stream, _)| (stream, Tri::U));
            place.fresh = Some(self.local.account(Receiver::new(self.number, now, unknown, &*window), self.number));
            place.confirmed = false;
            self.local.journal.note(|| Noted::Asked { place: place.place(self.number), at: now });
            let session = place.may_recover().then(|| (place.pid.as_deref().unwrap_or_default(), &*place.offset));
            self.connection.connect(&place.namespace, &self.credentials.auth(session));
        }
        drop(window);
        let asked = self.places.iter().filter(|place| place.may_recover());
        self.local.shared.outages.asks(self.number, now, asked.map(|place| place.namespace.clone()));
        self.remember_oldest();
    }

    /// Takes what comes while the session is being opened.
    fn advance(&mut self, event: Event, opening: &mut Opening<'_>) -> Result<(), Error> {
        match event {
            Event::Connect { nsp, body } => {
                let pid = self.local.pid_of(self.number, &body);
                if self.confirm(&nsp, pid, opening)? {
                    opening.namespaces.retain(|name| **name != *nsp);
                    opening.answered(self.local, Stage::Namespaces);
                    self.connected_at = self.local.now();
                }
            }
            Event::ConnectError { nsp, body } => return Err(Error::Refused(format!("CONNECT of {nsp}: {body}"))),
            Event::Ack(incoming) => self.joined(&incoming, opening)?,
            Event::Event(incoming) => {
                self.confirmed(&incoming, opening)?;
                self.receive(&incoming);
            }
            Event::Disconnect { .. } => {
                return Err(Error::Refused("the server put the user out of its namespace".to_owned()));
            }
            Event::Closed(why) => return Err(why.into()),
            Event::Open(_) => {
                opening.handshaken = true;
                opening.answered(self.local, Stage::Handshake);
                self.opened_at = self.arrived_at;
                self.local.session_opened(self.local.plan.users[self.number as usize].transport);
            }
            Event::Upgraded => self.local.upgraded(self.opened_at, self.local.now()),
            Event::Engine(_) => {}
        }
        Ok(())
    }

    /// A join has been answered, which may be a refusal.
    fn joined(&self, incoming: &Incoming, opening: &mut Opening<'_>) -> Result<(), Error> {
        let Some(index) = opening.joins.iter().position(|(id, _)| incoming.id == Some(*id)) else { return Ok(()) };
        let (_, room) = opening.joins.remove(index);
        if let Some(room) = room {
            let join = self.local.join(self.number, room, self.credentials).map_err(Error::Starved)?;
            join.map_or(Ok(()), |join| join.check(&incoming.args)).map_err(Error::Refused)?;
        }
        opening.answered(self.local, Stage::Joins);
        Ok(())
    }

    /// The application may say by an event that it has let the user into a room; into one, even if it does not say into which.
    fn confirmed(&self, incoming: &Incoming, opening: &mut Opening<'_>) -> Result<(), Error> {
        for index in 0..opening.unconfirmed.len() {
            let room = opening.unconfirmed[index];
            let join = self.local.join(self.number, room, self.credentials).map_err(Error::Starved)?;
            let is_here = self.local.plan.rooms[room as usize].namespace == *incoming.nsp;
            if is_here && join.is_some_and(|join| join.is_confirmed_by(&incoming.args)) {
                opening.unconfirmed.remove(index);
                opening.answered(self.local, Stage::Joins);
                break;
            }
        }
        Ok(())
    }

    /// A namespace has let the user in: into its old session, or else into a new one, whose rooms are joined.
    fn confirm(&mut self, nsp: &str, pid: Option<String>, opening: &mut Opening<'_>) -> Result<bool, Error> {
        let Some(index) = self.places.iter().position(|place| place.namespace == nsp && !place.confirmed) else {
            return Ok(false);
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
            self.local.journal.note(|| Noted::Recovered { place: place.place(self.number) });
            return Ok(true);
        }
        let fresh = place.fresh.take();
        let over = opening.lost_at.unwrap_or(self.connected_at);
        place.end(self.local, self.number, over, false);
        self.local.journal.note(|| Noted::LetIn { place: place.place(self.number), at: over });
        place.account = fresh;
        place.pid = pid;
        let user = &self.local.plan.users[self.number as usize];
        let mut unanswered = false;
        for &room in &user.rooms {
            if *self.local.plan.rooms[room as usize].namespace != *nsp {
                continue;
            }
            // It could be rendered when the scenario was looked at; what was saved since may not fit.
            let Some(join) = self.local.join(self.number, room, self.credentials).map_err(Error::Starved)? else {
                unanswered = true;
                continue;
            };
            let id = self.connection.emit(nsp, join.args.clone(), join.ack);
            if join.has_event() {
                opening.unconfirmed.push(room);
            } else {
                unanswered |= id.is_none();
            }
            opening.joins.extend(id.map(|id| (id, Some(room))));
        }
        opening.unsure |= unanswered && !self.local.stage.fence;
        if unanswered && self.local.stage.fence {
            // Events of one connection are handled in their order, so the answer to this one comes behind the joins.
            opening.joins.extend(self.connection.emit(nsp, fence_args(), true).map(|id| (id, None)));
        }
        Ok(true)
    }

    /// Everything is joined: from `sure_at` on it is certain what the user is owed.
    fn ready(&mut self, lost_at: Option<Nanos>, sure_at: Nanos) {
        self.knows_where_it_is();
        self.local.journal.note(|| Noted::Ready { user: self.number, at: sure_at, away_since: lost_at });
        let user = &self.local.plan.users[self.number as usize];
        let window = self.local.window.borrow();
        let mut measurements = self.local.measurements.borrow_mut();
        let mut addressed = false;
        for place in &mut *self.places {
            let Some(account) = &mut place.account else { continue };
            for (stream, value) in self.local.plan.streams_of(user, &place.namespace) {
                match self.local.plan.is_cluster() {
                    false => account.change(stream, sure_at, value),
                    true if !place.recovered => account.joined(stream, sure_at, value),
                    true => {}
                }
                let Some(lost_at) = lost_at.filter(|_| value == Tri::T && !place.recovered) else { continue };
                for entry in window.sent_since(stream, lost_at) {
                    if entry.emission.sender != self.number && !account.has(stream, entry.emission.seq) {
                        measurements.missed(&self.local.plan, self.number, entry);
                    }
                }
            }
            addressed |= !account.is_idle();
            account.at_node(self.mailbox.node.get());
        }
        drop(measurements);
        drop(window);
        let recovered = |name: &str| self.places.iter().any(|place| place.namespace == name && place.recovered);
        self.local.shared.outages.is_back(self.number, sure_at, recovered);
        self.mailbox.away_from.set(u32::MAX);
        let crowd = self.local.crowd(self.number);
        self.mailbox.slow.set(crowd.read_rate.is_some());
        let is_cluster = self.local.plan.is_cluster();
        self.mailbox.wants_fence.set(addressed || is_cluster || self.local.sends_plain(user.population));
        self.mailbox.linked.set(!is_cluster);
        self.remember_oldest();
        self.ask_where_it_is();
    }
}

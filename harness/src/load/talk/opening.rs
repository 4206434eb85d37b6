//! How a session begins: the connection, its namespaces, its rooms; or the session there was.

use std::collections::{HashMap, VecDeque};

use sio_oracle::Tri;
use sio_oracle::board::{Nanos, Receiver};
use sio_protocol::client::Event;
use tokio::time::timeout;

use super::Talk;
use super::settle::{GRACE, fence_args};
use crate::client::{Connection, Error};
use crate::load::local::Local;
use crate::load::mailbox::Mailbox;
use crate::load::place::Place;
use crate::wire::Link;

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
    pub(in crate::load) async fn open(
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
        let mut endpoint = local.endpoint(user.node).with_jar(local.jars.jar(number));
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
}

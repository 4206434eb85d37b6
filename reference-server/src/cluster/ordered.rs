//! Events whose order is that of a stream: with it, a client takes up on any node where its connection broke on another.
//!
//! Each such event carries its place in the stream, so it goes to the clients of this node, too, when it is read from there. It does
//! not wait for a broker that is away: then it goes out without a place, and whoever got it so cannot take up until an event with
//! a place has come, since it would get it twice.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sio_protocol::Frames;

use super::member::{Member, lock};
use super::wire::entry::{Entry, Session, read_entry};
use super::wire::{Aim, Envelope, Incoming, Message, Telling};
use super::{Boxed, Id};
use crate::Socket;
use crate::adapter::{Claim, Kept, Outgoing, Selection};
use crate::session::now;

/// How long a client that comes back is looked up, before it starts afresh.
const LOOK_UP: Duration = Duration::from_secs(3);

/// A broker that gives everything its place.
pub(crate) trait Sequencer: Send + Sync {
    /// Whether what is added is being read.
    fn is_up(&self) -> bool;

    /// Adds something that this member recognizes by its number; false if too much waits to be added.
    fn add(&self, member: &Member, what: &Incoming, number: u64) -> bool;

    /// An event waits; [`Member::stop_waiting_long`] is called before long.
    fn waits(&self);

    /// Keeps a session for so long.
    fn keep(&self, session: &Session, time: Duration);

    /// Takes a session out; nobody else gets it (CSR-09).
    fn take<'a>(&'a self, pid: &'a str) -> Boxed<'a, Option<Session>>;

    /// Ends when this node has delivered what is in the stream now.
    fn caught_up(&self) -> Boxed<'_, Option<()>>;

    /// What is in the stream behind one place and up to another, for this namespace. `None` if the first is not there any more, or if
    /// there is more than so many bytes of it.
    fn between<'a>(
        &'a self,
        member: &'a Member,
        after: Id,
        until: Id,
        most: usize,
    ) -> Boxed<'a, Option<Vec<(Id, Telling)>>>;
}

/// What is held while something is handed over and delivered here.
#[derive(Default)]
pub(super) struct Order {
    next: u64,
    /// What has no place yet.
    waiting: VecDeque<Waiting>,
    /// The last that was delivered without a place, until it or a later one is read. It will have a place that clients do not know,
    /// perhaps behind others that they do.
    released: Option<u64>,
    /// The last entry of this namespace that was delivered here, or that is behind this node's beginning.
    position: Id,
}

struct Waiting {
    number: u64,
    selection: Selection,
    event: Outgoing,
    since: Instant,
}

impl Member {
    /// What was ahead of this place is not delivered here.
    pub(crate) fn reached(&self, id: Id) {
        lock(&self.order).position = id;
    }

    /// Whether clients may come back from other nodes.
    pub(crate) fn recovers(&self) -> bool {
        self.sequencer().is_some()
    }

    /// Emits what gets a place.
    pub(super) fn emit_in_order(&self, sequencer: &dyn Sequencer, selection: &Selection, event: &Outgoing) {
        let telling = Telling { aim: Aim::of(selection), flags: event.flags, timeout: None, args: event.args.clone() };
        let envelope = Envelope { uid: None, nsp: None, message: Message::Tell(telling) };
        let mut order = lock(&self.order);
        let number = order.next;
        order.next += 1;
        let is_added = sequencer.add(self, &Incoming::Message(envelope), number);
        if order.waiting.is_empty() {
            sequencer.waits();
        }
        let waiting = Waiting { number, selection: selection.clone(), event: event.clone(), since: now() };
        order.waiting.push_back(waiting);
        // What is not added gets no place, and nothing piles up in front of a broker that takes nothing.
        if !is_added || !sequencer.is_up() {
            self.release(&mut order, |_| true);
        }
    }

    /// Delivers what waits and fits, without a place.
    fn release(&self, order: &mut Order, fits: impl Fn(&Waiting) -> bool) {
        while let Some(first) = order.waiting.pop_front_if(|first| fits(first)) {
            order.released = Some(first.number);
            self.local().broadcast_at(&first.selection, &first.event, None);
        }
    }

    /// Nothing waits any longer: what is added is not read.
    pub(crate) fn stop_waiting(&self) {
        self.release(&mut lock(&self.order), |_| true);
    }

    /// What has waited for so long waits no longer; whether something else does.
    pub(crate) fn stop_waiting_long(&self, patience: Duration) -> bool {
        let mut order = lock(&self.order);
        let now = now();
        self.release(&mut order, |first| first.since + patience <= now);
        !order.waiting.is_empty()
    }

    /// Takes an entry of the stream; false if it cannot be read.
    pub(crate) fn receive_entry(&self, id: Id, entry: &Entry) -> bool {
        if entry.uid == self.uid() {
            self.receive_own(id, entry.number);
            #[cfg(feature = "faults")]
            if !self.hits(crate::faults::Fault::ClusterEcho) {
                return true;
            }
            #[cfg(not(feature = "faults"))]
            return true;
        }
        match read_entry(entry) {
            Some(Incoming::Message(Envelope { message: Message::Tell(telling), .. })) => {
                let mut order = lock(&self.order);
                order.position = id;
                self.deliver_at(&telling, id);
                self.doubt(&order, &telling.aim.selection());
                true
            }
            Some(other) => {
                lock(&self.order).position = id;
                self.receive(other);
                true
            }
            None => false,
        }
    }

    /// What is this node's own goes to its clients now, unless that could not wait.
    fn receive_own(&self, id: Id, number: Option<u64>) {
        let mut order = lock(&self.order);
        order.position = id;
        let Some(number) = number else { return };
        if order.released.is_some_and(|released| released <= number) {
            order.released = None;
        }
        // What was ahead of it and has not come will not come any more, and so has no place anywhere.
        let released = order.released;
        self.release(&mut order, |first| first.number < number);
        order.released = released;
        if let Some(first) = order.waiting.pop_front_if(|first| first.number == number) {
            self.local().broadcast_at(&first.selection, &first.event, Some(&id.to_string()));
            self.doubt(&order, &first.selection);
        }
    }

    /// As long as something without a place may get one yet, no place is one to take up from.
    fn doubt(&self, order: &Order, selection: &Selection) {
        if order.released.is_some() {
            self.local().for_each(selection, &mut |socket| socket.note_place(false));
        }
    }

    fn deliver_at(&self, telling: &Telling, id: Id) {
        let place = (!telling.flags.volatile && self.recovers()).then(|| id.to_string());
        let place = place.as_deref();
        let deliver = |selection: &Selection, event: &Outgoing| match place {
            Some(_) => self.local().broadcast_at(selection, event, place),
            None => self.local().broadcast(selection, event),
        };
        self.deliver_with(telling, deliver, place);
    }

    // ---- clients that come back

    /// Keeps the session of a client that has lost its connection, for all nodes.
    pub(super) fn persist_for_all(&self, sequencer: &dyn Sequencer, socket: &Socket) {
        let rooms = self.local().socket_rooms(socket.id());
        self.local().del_all(socket.id());
        if let Some(pid) = socket.pid().filter(|_| !socket.lacks_place()) {
            let nsp = Some(self.nsp().to_owned());
            let session = Session { nsp, sid: socket.sid().clone(), pid: pid.to_owned(), rooms, data: socket.data() };
            sequencer.keep(&session, self.away());
        }
    }

    /// Takes a session out, whichever node it was on, with all that was sent since the offset. From this instant on, what comes is
    /// kept for it here: between what is read from the stream and what the log has there is no gap, and nothing is in both.
    pub(crate) async fn reclaim(&self, pid: &str, offset: &str) -> Option<Claim> {
        let sequencer = self.sequencer()?;
        let after = offset.parse().ok()?;
        let looking_up = async {
            let session = sequencer.take(pid).await.filter(|session| session.pid == *pid)?;
            // Who was admitted to one namespace is not admitted to another (ADM-09).
            if !session.is_of(self.nsp()) {
                sequencer.keep(&session, self.away());
                return None;
            }
            // What was sent up to now comes ahead of the confirmation; and what the client has seen last has been seen here.
            sequencer.caught_up().await?;
            let (claim, until) = match self.claim_now(&session, offset)? {
                (claim, None) => return Some(claim),
                (claim, Some(until)) => (claim, until),
            };
            let claim = Held { member: self, claim: Some(claim) };
            let missed = sequencer.between(self, after, until, self.most()).await?;
            claim.with(self.frames_of(&session, &missed))
        };
        tokio::time::timeout(LOOK_UP, looking_up).await.ok().flatten()
    }

    /// Claims what is behind an offset that is in the log here, or what comes from now on; then it is said up to where the stream has
    /// the rest.
    fn claim_now(&self, session: &Session, offset: &str) -> Option<(Claim, Option<Id>)> {
        let kept = || Kept::of(session.sid.clone(), session.rooms.clone(), session.data.clone());
        let order = lock(&self.order);
        #[cfg(feature = "faults")]
        let offset = if self.hits(crate::faults::Fault::ClusterGap) { "" } else { offset };
        if let Some(claim) = self.local().claim_from(&session.pid, kept(), Some(offset)) {
            return Some((claim, None));
        }
        self.local().claim_from(&session.pid, kept(), None).map(|claim| (claim, Some(order.position)))
    }

    /// What concerned a client, with its places.
    fn frames_of(&self, session: &Session, missed: &[(Id, Telling)]) -> Vec<Frames> {
        let concerns = |telling: &Telling| {
            !telling.flags.volatile && telling.aim.clone().selection().includes(&session.sid, &session.rooms)
        };
        #[cfg(feature = "faults")]
        let missed = if self.hits(crate::faults::Fault::ClusterGap) {
            &missed[..missed.len().saturating_sub(1)]
        } else {
            missed
        };
        let frames = |(id, telling): &(Id, Telling)| self.outgoing(telling).frames_with_offset(&id.to_string());
        missed.iter().filter(|(_, telling)| concerns(telling)).map(frames).collect()
    }

    /// Keeps a claimed session on.
    pub(super) fn give_back_to_all(&self, sequencer: &dyn Sequencer, claim: &Claim) {
        self.local().let_go(claim);
        let Kept { sid, rooms, data, .. } = claim.kept.clone();
        let nsp = Some(self.nsp().to_owned());
        sequencer.keep(&Session { nsp, sid, pid: claim.pid.clone(), rooms, data }, self.away());
    }
}

/// A claim that is let go of if nobody gets it.
struct Held<'a> {
    member: &'a Member,
    claim: Option<Claim>,
}

impl Held<'_> {
    fn with(mut self, missed: Vec<Frames>) -> Option<Claim> {
        let mut claim = self.claim.take()?;
        claim.add(missed);
        Some(claim)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(claim) = &self.claim {
            self.member.local().let_go(claim);
        }
    }
}

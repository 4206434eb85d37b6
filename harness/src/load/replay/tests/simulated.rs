//! A run against a simulated server that keeps its promises, but for what it is told to lose or to send twice.

use std::collections::HashMap;
use std::sync::Arc;

use sio_oracle::board::Nanos;

use crate::load::journal::{Came, Event, Place};
use crate::load::plan::Plan;
use crate::load::random::{Purpose, Stream};
use crate::load::schedule::{Emission, Schedule};
use crate::scenario::{self, Loaded, source::Source};

const MILLI: Nanos = 1_000_000;
const END: Nanos = 3_000 * MILLI;

const SCENARIO: &str = r#"
name = "x"
[actions]
"join(r)" = { emit = ["join", "${r}"], ack = true }
[rooms.a]
count = 3
join = ["join", "${room}"]
[users.u]
count = 12
in = { a = 2 }
[traffic.asked]
from = "u"
rate = "40/s"
emit = ["say", "${room}", "${payload}"]
ack = true
delivers_to = { event = "say", rooms = ["${room}"], except = "sender", history = false }
[traffic.plain]
from = "u"
rate = "20/s"
emit = ["tell", "${room}", "${payload}"]
delivers_to = { event = "tell", rooms = ["${room}"], history = false }
[[phase]]
name = "first"
for = "1s"
measured = false
[[phase]]
name = "second"
for = "2s"
"#;

/// Something that a user's worker has noted.
pub(super) struct Noted {
    pub(super) user: u32,
    pub(super) event: Event,
}

/// A run, in the order in which everything was noted.
pub(super) struct Run {
    pub(super) loaded: Loaded,
    pub(super) plan: Arc<Plan>,
    pub(super) noted: Vec<Noted>,
    pub(super) sent: u64,
    /// Deliveries that the server has lost, and made twice, of those that were read.
    pub(super) lost: u64,
    pub(super) twice: u64,
}

/// One connection of a user.
struct Session {
    user: u32,
    asked: Nanos,
    /// When the server put it into its rooms, and took it out of them.
    inside: (Nanos, Nanos),
    /// When the user knew that it was in all of them; never, if a join was not answered.
    ready: Option<Nanos>,
    end: Nanos,
    /// When the last thing arrived: a connection keeps its order.
    arrived: Nanos,
    /// When the last of its messages took effect.
    handled: Nanos,
    /// Its messages that have no answer of their own: when they were sent.
    plain: Vec<(u32, Nanos)>,
    /// When each of its messages was sent, and is handled.
    sent: Vec<(Nanos, Nanos)>,
}

/// What the server does.
enum Deed {
    /// It handles this message of a session.
    Message(u32, Emission, usize),
    /// It answers a fence of a session, that was sent then.
    Fence(usize, Nanos),
}

impl Run {
    /// With users that come and go, joins without an answer, and messages that are late; one delivery in so many is lost, and one in so
    /// many made twice, if that is not zero.
    pub(super) fn new(seed: u64, lost: u32, twice: u32) -> Self {
        Self::with(seed, lost, twice, true)
    }

    /// With users that stay.
    pub(super) fn settled(seed: u64, lost: u32, twice: u32) -> Self {
        Self::with(seed, lost, twice, false)
    }

    fn with(seed: u64, lost: u32, twice: u32, restless: bool) -> Self {
        let loaded =
            scenario::load(Source { name: "x".to_owned(), text: SCENARIO.to_owned() }, &[], Some(seed)).unwrap();
        let plan = Arc::new(Plan::new(&loaded.scenario, 1).unwrap());
        let mut dice = Stream::new(seed, Purpose::Life, 99, 0);
        let mut sessions: Vec<Session> =
            (0..plan.users.len() as u32).flat_map(|user| lives(user, &mut dice, restless)).collect();
        let schedule: Vec<Emission> = Schedule::new(&loaded.scenario, plan.clone()).collect();
        let mut world =
            World { plan: &plan, noted: Vec::new(), dice: &mut dice, copies: 0, sent: 0, lost: 0, twice: 0 };
        sessions.iter().for_each(|session| world.open(session));
        let mut deeds = world.send(&schedule, &mut sessions, restless);
        deeds.extend(world.fences(&sessions));
        deeds.sort_by_key(|(at, _)| *at);
        for (at, deed) in deeds {
            match deed {
                Deed::Message(index, emission, sender) => {
                    world.deliver((index, &emission, sender), at, &mut sessions, (lost, twice));
                }
                Deed::Fence(session, sent) => world.answer(&mut sessions[session], sent, at),
            }
        }
        sessions.iter().for_each(|session| world.close(session));
        let World { mut noted, sent, lost, twice, .. } = world;
        // Stable: what came at the same time stays in its order.
        noted.sort_by_key(|(at, _)| *at);
        let noted = noted.into_iter().map(|(_, noted)| noted).collect();
        Self { loaded, plan, noted, sent, lost, twice }
    }
}

fn between(dice: &mut Stream, from: Nanos, to: Nanos) -> Nanos {
    from + ((to - from) as f64 * (1.0 - dice.unit())) as Nanos
}

/// The connections of a user, one after the other.
fn lives(user: u32, dice: &mut Stream, restless: bool) -> Vec<Session> {
    let mut sessions = Vec::new();
    let mut asked = between(dice, -500 * MILLI, -400 * MILLI);
    while asked < END {
        let joined = asked + between(dice, MILLI, 5 * MILLI);
        let ready = joined + between(dice, MILLI / 10, 10 * MILLI);
        let stays = if restless { between(dice, 20 * MILLI, 2_500 * MILLI) } else { 10 * END };
        let end = (ready + stays).min(END + 1_500 * MILLI);
        let answered = !restless || dice.unit() > 0.1;
        sessions.push(Session {
            user,
            asked,
            inside: (joined, end + between(dice, 0, 30 * MILLI)),
            ready: answered.then_some(ready),
            end,
            arrived: asked,
            handled: ready,
            plain: Vec::new(),
            sent: Vec::new(),
        });
        asked = end + between(dice, 40 * MILLI, 200 * MILLI);
    }
    sessions
}

struct World<'a> {
    plan: &'a Plan,
    noted: Vec<(Nanos, Noted)>,
    dice: &'a mut Stream,
    copies: u64,
    sent: u64,
    lost: u64,
    twice: u64,
}

impl World<'_> {
    fn note(&mut self, at: Nanos, user: u32, event: Event) {
        self.noted.push((at, Noted { user, event }));
    }

    fn open(&mut self, session: &Session) {
        let (user, at) = (session.user, session.asked);
        let place = Place { user, namespace: 0 };
        self.note(at, user, Event::Asked { place, at });
        self.note(at + 1, user, Event::LetIn { place, at });
        if let Some(at) = session.ready {
            self.note(at, user, Event::Ready { user, at, away_since: None });
        }
    }

    fn close(&mut self, session: &Session) {
        let (user, at) = (session.user, session.end);
        for (index, _) in &session.plain {
            self.note(at, user, Event::Abandoned { index: *index, at });
        }
        self.note(at, user, Event::Ended { place: Place { user, namespace: 0 }, at });
    }

    /// Who is there sends what is due, some of it late; returns when the server handles it, if it does.
    fn send(&mut self, schedule: &[Emission], sessions: &mut [Session], restless: bool) -> Vec<(Nanos, Deed)> {
        let mut deeds = Vec::new();
        let mut last: HashMap<u32, Nanos> = HashMap::new();
        for (index, emission) in (0_u32..).zip(schedule) {
            let late = if restless && self.dice.unit() < 0.1 { 80 * MILLI } else { MILLI };
            let at = emission.at as Nanos + between(self.dice, 1_000, late);
            let at = at.max(last.get(&emission.sender).map_or(at, |last| last + 1_000));
            let is_there = |session: &Session| {
                session.user == emission.sender && session.ready.is_some_and(|ready| ready < at) && at < session.end
            };
            let Some(number) = sessions.iter().position(is_there) else { continue };
            last.insert(emission.sender, at);
            self.sent += 1;
            self.note(at, emission.sender, Event::Sent { index, at });
            let session = &mut sessions[number];
            // What is on its way when the connection ends may be lost with it, or take effect later.
            let handled = (at + between(self.dice, 10_000, 8 * MILLI)).max(session.handled + 1);
            session.handled = handled;
            session.sent.push((at, handled));
            if handled < session.end || self.dice.unit() < 0.5 {
                deeds.push((handled, Deed::Message(index, *emission, number)));
            }
            if self.plan.traffic[usize::from(emission.traffic)].ack {
                let answered = handled + between(self.dice, 10_000, 5 * MILLI);
                let user = emission.sender;
                if answered < session.end {
                    self.note(answered, user, Event::Answered { index, at: answered });
                } else {
                    let at = session.end;
                    self.note(at, user, Event::Abandoned { index, at });
                }
            } else {
                session.plain.push((index, at));
            }
        }
        deeds
    }

    /// Everybody makes a fence now and then, and two behind the end.
    fn fences(&mut self, sessions: &[Session]) -> Vec<(Nanos, Deed)> {
        let mut deeds = Vec::new();
        for (number, session) in sessions.iter().enumerate() {
            let Some(ready) = session.ready else { continue };
            let rolling = (1..20).map(|turn| ready + turn * 250 * MILLI).filter(|at| *at < END);
            let last = [END + 200 * MILLI, END + 800 * MILLI];
            for sent in rolling.chain(last).filter(|at| *at > ready && *at < session.end) {
                // What one connection sends is handled in its order.
                let ahead = session.sent.iter().filter(|(at, _)| *at < sent).map(|(_, handled)| handled + 1);
                let handled = sent + between(self.dice, 10_000, 8 * MILLI);
                deeds.push((ahead.max().map_or(handled, |ahead| handled.max(ahead)), Deed::Fence(number, sent)));
            }
        }
        deeds
    }

    /// The server hands a message to all who are in its room.
    fn deliver(
        &mut self,
        (index, emission, sender): (u32, &Emission, usize),
        at: Nanos,
        sessions: &mut [Session],
        (lost, twice): (u32, u32),
    ) {
        let spares = self.plan.traffic[usize::from(emission.traffic)].spares_sender;
        for (number, session) in sessions.iter_mut().enumerate() {
            let is_in = session.inside.0 < at && at < session.inside.1;
            let is_meant = self.plan.is_addressed(&self.plan.users[session.user as usize], emission.stream);
            if !is_in || !is_meant || (spares && number == sender) {
                continue;
            }
            self.copies += 1;
            let one_in = |many: u32| many > 0 && self.copies.is_multiple_of(u64::from(many) + 3);
            let times = if one_in(lost) { 0 } else { 1 + u32::from(one_in(twice)) };
            let arrives = (at + between(self.dice, 10_000, 6 * MILLI)).max(session.arrived + 1);
            if arrives + 1 >= session.end {
                // Read by nobody.
                continue;
            }
            self.lost += u64::from(times == 0);
            self.twice += u64::from(times == 2);
            for copy in 0..Nanos::from(times) {
                session.arrived = arrives + copy;
                let (user, at) = (session.user, session.arrived);
                let how = Came::Whole { fresh: false };
                let came = Event::Came { place: Place { user, namespace: 0 }, index, at, how };
                self.noted.push((at, Noted { user, event: came }));
            }
        }
    }

    /// The server answers a fence: what was queued ahead of it comes first.
    fn answer(&mut self, session: &mut Session, sent: Nanos, at: Nanos) {
        let arrives = (at + between(self.dice, 10_000, 6 * MILLI)).max(session.arrived + 1);
        if arrives >= session.end {
            return;
        }
        session.arrived = arrives;
        let user = session.user;
        let (done, left): (Vec<_>, Vec<_>) = session.plain.iter().partition(|(_, at)| *at < sent);
        session.plain = left;
        for (index, _) in done {
            self.note(arrives, user, Event::Answered { index, at: arrives });
        }
        self.note(arrives, user, Event::Settled { user, fence: sent, at: arrives });
    }
}

/// An event as a clock shows it that is off by so much.
pub(super) fn moved(event: Event, by: Nanos) -> Event {
    match event {
        Event::Sent { index, at } => Event::Sent { index, at: at + by },
        Event::Answered { index, at } => Event::Answered { index, at: at + by },
        Event::Refused { index, at } => Event::Refused { index, at: at + by },
        Event::Abandoned { index, at } => Event::Abandoned { index, at: at + by },
        Event::Asked { place, at } => Event::Asked { place, at: at + by },
        Event::LetIn { place, at } => Event::LetIn { place, at: at + by },
        Event::Recovered { place } => Event::Recovered { place },
        Event::Ready { user, at, away_since } => {
            Event::Ready { user, at: at + by, away_since: away_since.map(|since| since + by) }
        }
        Event::Settled { user, fence, at } => Event::Settled { user, fence: fence + by, at: at + by },
        Event::Ended { place, at } => Event::Ended { place, at: at + by },
        Event::Came { place, index, at, how } => Event::Came { place, index, at: at + by, how },
        Event::Unread { user, traffic, spoilt, at } => Event::Unread { user, traffic, spoilt, at: at + by },
    }
}

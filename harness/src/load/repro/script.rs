//! The steps of a case: who comes in, what is sent, who must get it, who loses its connection and comes back.

use std::fmt::Write as _;
use std::time::Duration;

use sio_oracle::board::Nanos;
use toml::{Table, Value};

use super::pattern::{Expected, Pattern};
use super::setting::Entry;
use super::text::{quoted, to_toml};
use super::{Scene, Sent};
use crate::load::credentials::{Own, mark};
use crate::load::join::Call;
use crate::load::message::Message;
use crate::load::outages::{Cut, Outage};
use crate::load::plan::TrafficPlan;
use crate::load::schedule::Emission;
use crate::scenario::model::{Drop as Dropping, EventName, Leaving};
use crate::vocab::stamp::Stamp;

/// For the server to see that a connection is gone.
const SEEN: &str = "100ms";

/// One user of a case.
pub(super) struct Cast {
    user: u32,
    own: Own,
    entry: Entry,
    outage: Option<Outage>,
    state: State,
    /// An event that can be named as the last one it got.
    has_offset: bool,
    /// What it must get and has not been asked for: when it comes back to its session, or in one row.
    due: Vec<String>,
}

/// How far a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Away,
    Connected,
    Joined,
}

impl Cast {
    pub(super) fn new(user: u32, own: Own, entry: Entry, outage: Option<Outage>) -> Self {
        Self { user, own, entry, outage, state: State::Away, has_offset: false, due: Vec::new() }
    }

    /// Whether it comes in by steps and not ahead of them.
    fn comes_by_steps(&self) -> bool {
        !self.entry.steps.is_empty() || !self.entry.query.is_empty()
    }

    /// Whether it will have the same session when it is back.
    fn keeps_session(&self, namespace: &str) -> bool {
        self.outage.as_ref().is_some_and(|outage| outage.keeps(namespace))
    }
}

/// Something that happens in a case, at its time in the run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Message(Emission),
    /// Of the user at this place.
    Cut(usize),
    Back(usize),
    Join(usize),
}

/// What a case has to show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// Payloads are as long as they were.
    pub(super) whole: bool,
    /// Messages come in the order in which they were sent.
    pub(super) order: bool,
}

/// A case without what stands ahead of it.
pub(super) struct Written {
    pub(super) clients: String,
    pub(super) steps: String,
}

pub(super) struct Script<'a> {
    scene: &'a Scene<'a>,
    traffic: &'a TrafficPlan,
    message: Message,
    event: &'a EventName,
    cast: Vec<Cast>,
    shown: Shown,
    /// What was sent must look like one of these.
    patterns: Vec<String>,
    sent: usize,
    out: String,
}

impl<'a> Script<'a> {
    pub(super) fn new(
        scene: &'a Scene<'a>,
        traffic: &'a TrafficPlan,
        cast: Vec<Cast>,
        shown: Shown,
    ) -> Result<Self, String> {
        let spec = &scene.loaded.scenario.traffic[&traffic.name];
        let event =
            spec.delivers_to.as_ref().map(|delivers_to| &delivers_to.event).ok_or("nothing is owed to anybody")?;
        let message = Message::new(scene.loaded, spec)?;
        let sample = scene.sample.ok_or("no copy of such a message came, so nobody knows what one looks like")?;
        if sample.attachment.is_some() != message.is_binary() {
            return Err("the payload arrives as bytes and leaves as text, or the other way round".to_owned());
        }
        let (patterns, sent, out) = (Vec::new(), 0, String::new());
        Ok(Self { scene, traffic, message, event, cast, shown, patterns, sent, out })
    }

    /// The case; `latecomer` is not there before it comes back.
    pub(super) fn write(mut self, messages: &[Sent], latecomer: Option<u32>) -> Result<Written, String> {
        for place in 0..self.cast.len() {
            if latecomer != Some(self.cast[place].user) {
                self.comes(place, false);
                self.joins(place)?;
            }
        }
        for (_, act) in self.acts(messages, latecomer) {
            match act {
                Act::Message(emission) => self.sends(&emission)?,
                Act::Cut(place) => self.goes(place),
                Act::Back(place) => self.comes(place, true),
                Act::Join(place) => self.joins(place)?,
            }
        }
        self.nothing_more()?;
        Ok(Written { clients: self.clients(latecomer), steps: self.out })
    }

    /// What happens, in the order of the run.
    fn acts(&self, messages: &[Sent], latecomer: Option<u32>) -> Vec<(Nanos, Act)> {
        let mut acts: Vec<_> = messages.iter().map(|sent| (sent.at, Act::Message(sent.emission))).collect();
        for (place, cast) in self.cast.iter().enumerate() {
            let Some(outage) = &cast.outage else { continue };
            if latecomer != Some(cast.user) {
                let cut_at = self.cut_at(cast, outage, messages);
                acts.push((cut_at, Act::Cut(place)));
                acts.extend(self.primer(cast, cut_at, messages).map(|primer| (cut_at - 1, Act::Message(primer))));
            }
            if let Some(back) = &outage.back {
                acts.push((back.at, Act::Back(place)));
                acts.push((back.joined_at.unwrap_or(back.at), Act::Join(place)));
            }
        }
        acts.sort_by_key(|(at, _)| *at);
        acts
    }

    /// A message ahead of the cut, without which a session cannot be asked back: it has no offset.
    fn primer(&self, cast: &Cast, cut_at: Nanos, messages: &[Sent]) -> Option<Emission> {
        if !cast.keeps_session(&self.traffic.namespace) {
            return None;
        }
        let mut reaching = messages.iter().filter(|sent| self.reaches(cast, &sent.emission)).peekable();
        let first = reaching.peek()?.emission;
        (!reaching.any(|sent| sent.at < cut_at)).then_some(first)
    }

    /// When a connection ended: ahead of what was on its way then, since that has not come for certain.
    fn cut_at(&self, cast: &Cast, outage: &Outage, messages: &[Sent]) -> Nanos {
        let on_its_way = messages.iter().filter(|sent| {
            let others = sent.emission.sender != cast.user && self.reaches(cast, &sent.emission);
            others && sent.at <= outage.cut_at && outage.cut_at <= sent.until
        });
        on_its_way.map(|sent| sent.at - 1).fold(outage.cut_at, Nanos::min)
    }

    fn reaches(&self, cast: &Cast, emission: &Emission) -> bool {
        let plan = self.scene.plan;
        let is_spared = self.traffic.spares_sender && cast.user == emission.sender;
        !is_spared && plan.is_addressed(&plan.users[cast.user as usize], emission.stream)
    }

    fn clients(&self, latecomer: Option<u32>) -> String {
        let client = |cast: &Cast| {
            let mut client = Table::new();
            client.insert("namespace".to_owned(), Value::from(self.traffic.namespace.as_str()));
            client.extend(cast.entry.auth.clone().map(|auth| ("auth".to_owned(), auth)));
            if !cast.entry.headers.is_empty() && !cast.comes_by_steps() {
                client.insert("headers".to_owned(), Value::Table(cast.entry.headers.clone()));
            }
            if cast.comes_by_steps() || latecomer == Some(cast.user) {
                client.insert("open".to_owned(), Value::from(false));
            }
            format!("user-{} = {}", cast.user, Value::Table(client))
        };
        self.cast.iter().map(client).collect::<Vec<_>>().join(", ")
    }

    /// A user connects, or comes back; who comes ahead of the steps has done so.
    fn comes(&mut self, place: usize, again: bool) {
        let cast = &self.cast[place];
        let namespace = &self.traffic.namespace;
        let session = again && cast.has_offset && cast.keeps_session(namespace);
        let user = cast.user;
        if again || cast.comes_by_steps() {
            if !again || cast.entry.again {
                for step in &cast.entry.steps {
                    let mut step = step.clone();
                    step.insert("at".to_owned(), Value::from(format!("user-{user}")));
                    let _ = writeln!(self.out, "  {},", Value::Table(step));
                }
            }
            let mut connect = Table::new();
            connect.insert("at".to_owned(), Value::from(format!("user-{user}")));
            connect.insert("connect".to_owned(), Value::from(namespace.as_str()));
            connect.extend(shown(cast, session).map(|auth| ("auth".to_owned(), auth)));
            for (key, table) in [("query", &cast.entry.query), ("headers", &cast.entry.headers)] {
                // What a connection once had, the next one has as well.
                if !table.is_empty() && !again {
                    connect.insert(key.to_owned(), Value::Table(table.clone()));
                }
            }
            let _ = writeln!(self.out, "  {},", Value::Table(connect));
        }
        self.cast[place].state = State::Connected;
        if session {
            self.cast[place].state = State::Joined;
            self.gets(place);
        }
    }

    /// A user gets what is due to it.
    fn gets(&mut self, place: usize) {
        let due = std::mem::take(&mut self.cast[place].due);
        let at = format!("at = \"user-{}\"", self.cast[place].user);
        match due.split_first() {
            Some((first, others)) if self.shown.order && !others.is_empty() => {
                let (others, times) = (others.join(", "), due.len());
                let _ = writeln!(
                    self.out,
                    "  {{ {at}, expect = {first}, one_of = [{others}], times = {times}, in_order = \"as listed\" }},"
                );
            }
            _ => {
                for pattern in due {
                    let _ = writeln!(self.out, "  {{ {at}, expect = {pattern}, times = 1 }},");
                }
            }
        }
    }

    /// A user joins its rooms, unless it is in them.
    fn joins(&mut self, place: usize) -> Result<(), String> {
        if self.cast[place].state != State::Connected {
            return Ok(());
        }
        let (loaded, plan) = (self.scene.loaded, self.scene.plan);
        let user = self.cast[place].user;
        // What nobody answers for takes its time.
        let mut unanswered = false;
        for index in &plan.users[user as usize].rooms {
            let room = &plan.rooms[*index as usize];
            if room.namespace == self.traffic.namespace {
                let group = room.name.rsplit_once('-').map_or("", |(group, _)| group);
                let Some(join) = &loaded.scenario.rooms[group].join else {
                    unanswered = true;
                    continue;
                };
                let call = Call::new(loaded, join);
                let join = call.render(self.cast[place].own.scope(*index), &room.name)?;
                self.emit(user, join.args.json(), "", join.ack)?;
                unanswered |= !join.ack;
            }
        }
        if unanswered {
            let _ = writeln!(self.out, "  {{ wait = \"1s\" }},");
        }
        self.cast[place].state = State::Joined;
        Ok(())
    }

    fn goes(&mut self, place: usize) {
        self.gets(place);
        let cast = &mut self.cast[place];
        let (at, how) = (format!("at = \"user-{}\"", cast.user), cast.outage.as_ref().map(|outage| outage.how));
        cast.state = State::Away;
        let (verb, wait) = match how {
            Some(Cut::Wanted(Leaving::Politely, _)) => ("disconnect = true", SEEN.to_owned()),
            Some(Cut::Wanted(Leaving::Dropped(Dropping::Reset), _)) => ("drop = \"reset\"", SEEN.to_owned()),
            Some(Cut::Wanted(Leaving::Dropped(Dropping::Silence), silence)) => {
                ("drop = \"silence\"", format!("{}ms", silence.max(Duration::from_millis(100)).as_millis()))
            }
            Some(Cut::Wanted(Leaving::Dropped(Dropping::Close), _) | Cut::Broken) | None => {
                ("drop = \"close\"", SEEN.to_owned())
            }
        };
        let _ = writeln!(self.out, "  {{ {at}, {verb} }},\n  {{ wait = \"{wait}\" }},");
    }

    /// A message is sent, and comes to those it is for.
    fn sends(&mut self, emission: &Emission) -> Result<(), String> {
        let Some(sender) = self.cast.iter().find(|cast| cast.user == emission.sender) else { return Ok(()) };
        if sender.state != State::Joined {
            return Ok(());
        }
        let number = self.sent;
        self.sent += 1;
        let stamp = Stamp { run: 0, emission: number as u32 };
        let size = self.message.payload_size();
        let (text, bytes) = (text_of(number, size, self.shown.whole), format!("\"${{bytes {}B}}\"", size + number));
        let args = self.message.render(self.scene.plan, emission, stamp, sender.own.known())?;
        let json = args.json().replace(&stamp.payload(size), &text);
        self.emit(emission.sender, &json, &bytes, self.message.ack)?;
        let (text, token) = (quoted(&text), stamp.token());
        let expected = Expected { text: &text, bytes: &bytes, token: &token };
        let event = self.event.of(self.scene.plan.room_names(emission));
        let pattern = self.scene.sample.and_then(|sample| Pattern::new(sample, &event, &expected));
        let pattern = pattern.ok_or("what such a message looks like cannot be written into a case")?;
        if !self.patterns.contains(&pattern.toml()) {
            self.patterns.push(pattern.toml());
        }
        for place in 0..self.cast.len() {
            if self.reaches(&self.cast[place], emission) {
                self.comes_to(place, &pattern);
            }
        }
        Ok(())
    }

    /// A message comes to a user that is meant, now or when it is back.
    fn comes_to(&mut self, place: usize, pattern: &Pattern) {
        let keeps = self.cast[place].keeps_session(&self.traffic.namespace);
        let cast = &mut self.cast[place];
        match cast.state {
            State::Joined => {
                let offset = pattern.saving_last(&format!("offset-{}", cast.user)).filter(|_| keeps);
                cast.has_offset |= offset.is_some();
                cast.due.push(offset.unwrap_or_else(|| pattern.toml()));
                if !self.shown.order {
                    self.gets(place);
                }
            }
            State::Away if keeps && cast.has_offset => cast.due.push(pattern.toml()),
            State::Away | State::Connected => {}
        }
    }

    /// Nobody gets any of them again, or without being meant.
    fn nothing_more(&mut self) -> Result<(), String> {
        (0..self.cast.len()).for_each(|place| self.gets(place));
        let here = self.cast.iter().filter(|cast| cast.state != State::Away);
        let at: Vec<_> = here.map(|cast| format!("\"user-{}\"", cast.user)).collect();
        let (first, others) = self.patterns.split_first().ok_or("nobody who was there sent it")?;
        let others = if others.is_empty() { String::new() } else { format!(", one_of = [{}]", others.join(", ")) };
        let _ = writeln!(self.out, "  {{ at = [{}], expect = {first}{others}, times = 0 }},", at.join(", "));
        Ok(())
    }

    fn emit(&mut self, user: u32, json: &str, bytes: &str, ack: bool) -> Result<(), String> {
        let args = serde_json::from_str(json).map_err(|error| format!("what is sent is not JSON: {error}"))?;
        let ack = if ack { ", ack = true" } else { "" };
        let _ = writeln!(self.out, "  {{ at = \"user-{user}\", emit = {}{ack} }},", to_toml(&args, bytes));
        Ok(())
    }
}

/// What a user shows at its namespace, and where it says which session it had.
fn shown(cast: &Cast, session: bool) -> Option<Value> {
    let mut auth = match &cast.entry.auth {
        Some(Value::Table(auth)) => auth.clone(),
        Some(other) => return Some(other.clone()),
        None if session => Table::new(),
        None => return None,
    };
    if session {
        auth.insert("pid".to_owned(), Value::from(format!("${{user-{}.pid}}", cast.user)));
        auth.insert("offset".to_owned(), Value::from(format!("${{offset-{}}}", cast.user)));
    }
    Some(Value::Table(auth))
}

/// The payload of a message; where its length matters, it is as long as it was.
fn text_of(number: usize, size: usize, whole: bool) -> String {
    let text = format!("message {}", number + 1);
    match size.checked_sub(text.len() + 1) {
        Some(more) if whole && more > 0 => format!("{text} {}", mark(&format!("text {more}B"))),
        _ => text,
    }
}

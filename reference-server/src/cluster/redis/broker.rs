//! How the adapters of Socket.IO use Redis.

use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::Value;

use super::link::{Tasks, bytes};
use super::routes::{Content, Key, Route, Way, pattern};
use super::{Kind, id_of};
use crate::RoomEvent;
use crate::adapter::Adapter as _;
use crate::cluster::wire::entry::{self, Entry, Session};
use crate::cluster::wire::{Envelope, Incoming, Message, Telling, classic, message};
use crate::cluster::{Boxed, Broker, Id, Member, Sequencer, To};

/// The length of a socket's id: such rooms have no channel of their own.
const SID_LEN: usize = 20;

/// The channels of one namespace.
pub(super) struct RedisBroker {
    kind: Kind,
    tasks: Arc<Tasks>,
    /// Of broadcasts, or of all messages.
    channel: String,
    requests: String,
    responses: String,
}

impl RedisBroker {
    pub(super) fn new(kind: Kind, prefix: &str, nsp: &str, tasks: Arc<Tasks>) -> Self {
        Self {
            kind,
            tasks,
            channel: format!("{prefix}#{nsp}#"),
            requests: format!("{prefix}-request#{nsp}#"),
            responses: format!("{prefix}-response#{nsp}#"),
        }
    }

    fn publish(&self, channel: &str, body: &[u8]) {
        let name = match self.kind {
            Kind::Classic | Kind::Streams => "PUBLISH",
            Kind::Sharded => "SPUBLISH",
        };
        let mut command = redis::cmd(name);
        command.arg(channel).arg(body);
        self.tasks.link.send(command, channel.len() + body.len());
    }

    fn send_classic(&self, member: &Member, what: &Incoming) {
        match what {
            Incoming::Answer(answer) => self.publish(&self.responses, &classic::response(answer)),
            Incoming::Message(envelope) => match &envelope.message {
                Message::Tell(telling) => {
                    let body = classic::tell(member.uid(), member.nsp(), telling);
                    self.publish(&self.channel_of(&telling.aim.rooms), &body);
                }
                other => self.publish(&self.requests, &classic::request(Some(member.uid()), member.nsp(), other)),
            },
        }
    }

    /// The channel of a room, if it is the only one.
    fn channel_of(&self, rooms: &[crate::Room]) -> String {
        match rooms {
            [room] => format!("{}{room}#", self.channel),
            _ => self.channel.clone(),
        }
    }

    fn send_sharded(&self, member: &Member, to: To<'_>, what: &Incoming) {
        let Some(body) = message::sharded(member.uid(), member.nsp(), what) else { return };
        match (to, what) {
            (To::Asker(uid), _) => self.publish(&format!("{}{uid}#", self.channel), &body),
            (To::All, Incoming::Message(envelope)) => match &envelope.message {
                Message::Tell(telling) if has_own_channel(&telling.aim.rooms) => {
                    self.publish(&self.channel_of(&telling.aim.rooms), &body);
                }
                _ => self.publish(&self.channel, &body),
            },
            (To::All, Incoming::Answer(_)) => self.publish(&self.channel, &body),
        }
    }

    /// Events, joins and the like stay in the stream; the rest is fleeting.
    fn send_streams(&self, member: &Member, to: To<'_>, what: &Incoming) {
        if let Incoming::Message(envelope) = what
            && matches!(
                envelope.message,
                Message::Tell(_) | Message::Join(..) | Message::Leave(..) | Message::Disconnect(..)
            )
        {
            self.add_entry(member, what, None);
            return;
        }
        let Some(body) = message::fleeting(member.uid(), member.nsp(), what) else { return };
        match to {
            To::Asker(uid) => self.publish(&format!("{}{uid}#", self.channel), &body),
            To::All => self.publish(&self.channel, &body),
        }
    }

    /// Whether it is on its way.
    fn add_entry(&self, member: &Member, what: &Incoming, number: Option<u64>) -> bool {
        let entry = entry::entry(member.uid(), member.nsp(), what);
        let (Some(entry), Some(stream)) = (entry, &self.tasks.stream) else { return false };
        let entry = Entry { number, ..entry };
        self.tasks.link.send(stream.add(&entry), entry.data.len() + entry.nsp.len())
    }

    #[cfg(not(feature = "faults"))]
    fn pattern(&self, _: &Member) -> String {
        pattern(&self.channel)
    }

    #[cfg(feature = "faults")]
    fn pattern(&self, member: &Member) -> String {
        pattern(if member.takes_namesakes() { self.channel.trim_end_matches('#') } else { &self.channel })
    }

    fn routes(&self, member: &Arc<Member>) -> Vec<(Key, Route)> {
        let route = |content| Route { member: Arc::downgrade(member), content };
        let own = |channel: &str| format!("{channel}{}#", member.uid());
        match self.kind {
            Kind::Classic => vec![
                ((Way::Pattern, self.pattern(member)), route(Content::Tells(self.channel.clone()))),
                ((Way::Channel, self.requests.clone()), route(Content::Requests)),
                ((Way::Channel, self.responses.clone()), route(Content::Responses)),
                ((Way::Channel, own(&self.responses)), route(Content::Responses)),
            ],
            Kind::Streams => vec![
                ((Way::Channel, self.channel.clone()), route(Content::Messages)),
                ((Way::Channel, own(&self.channel)), route(Content::Messages)),
            ],
            Kind::Sharded => vec![
                ((Way::Shard, self.channel.clone()), route(Content::Messages)),
                ((Way::Shard, own(&self.channel)), route(Content::Messages)),
            ],
        }
    }

    /// Each room of the sharded adapter has its channel for as long as somebody is in it.
    fn watch_rooms(&self, member: &Arc<Member>) {
        let (tasks, channel, member) = (self.tasks.clone(), self.channel.clone(), Arc::downgrade(member));
        let local = member.upgrade();
        let observer = move |event: &RoomEvent| match event {
            RoomEvent::Create(room) if utf16_len(room) != SID_LEN => {
                let route = Route { member: Weak::clone(&member), content: Content::Messages };
                tasks.link.add_routes([((Way::Shard, format!("{channel}{room}#")), route)]);
            }
            RoomEvent::Delete(room) if utf16_len(room) != SID_LEN => {
                let gone = format!("{channel}{room}#");
                tasks.link.remove_routes(member.as_ptr(), Some(&gone));
            }
            _ => {}
        };
        if let Some(member) = local {
            member.on_room_event(Box::new(observer));
        }
    }
}

/// As long as JavaScript says that it is.
fn utf16_len(text: &str) -> usize {
    text.encode_utf16().count()
}

fn has_own_channel(rooms: &[crate::Room]) -> bool {
    matches!(rooms, [room] if utf16_len(room) != SID_LEN)
}

impl Broker for RedisBroker {
    fn new_id(&self) -> String {
        id_of(self.kind)
    }

    fn send(&self, member: &Member, to: To<'_>, what: &Incoming) {
        match self.kind {
            Kind::Classic => self.send_classic(member, what),
            Kind::Sharded => self.send_sharded(member, to, what),
            Kind::Streams => self.send_streams(member, to, what),
        }
    }

    fn count<'a>(&'a self, _: &'a Member) -> Boxed<'a, Option<usize>> {
        let (what, channel) = match self.kind {
            Kind::Classic => ("NUMSUB", &self.requests),
            Kind::Sharded => ("SHARDNUMSUB", &self.channel),
            Kind::Streams => ("NUMSUB", &self.channel),
        };
        Box::pin(async move {
            let mut command = redis::cmd("PUBSUB");
            command.arg(what).arg(channel);
            match self.tasks.link.ask(&command).await? {
                Value::Array(answer) => match answer.as_slice() {
                    [_, Value::Int(count)] => usize::try_from(*count).ok(),
                    _ => None,
                },
                Value::Map(answer) => match answer.as_slice() {
                    [(_, Value::Int(count))] => usize::try_from(*count).ok(),
                    _ => None,
                },
                _ => None,
            }
        })
    }

    fn open(&self, member: &Arc<Member>) {
        if self.kind == Kind::Sharded {
            self.watch_rooms(member);
        }
        if let Some(stream) = &self.tasks.stream {
            stream.open(member);
        }
        self.tasks.link.add_routes(self.routes(member));
    }

    fn close(&self, member: &Member) {
        if let Some(stream) = &self.tasks.stream {
            stream.close(member);
        }
        self.tasks.link.remove_routes(member, None);
    }

    fn sequencer(&self) -> Option<&dyn Sequencer> {
        self.tasks.stream.as_ref().map(|_| self as &dyn Sequencer)
    }

    fn settled(&self) -> Boxed<'_, ()> {
        Box::pin(async move {
            self.tasks.link.subscribed().await;
            self.tasks.link.written().await;
        })
    }
}

impl Sequencer for RedisBroker {
    fn is_up(&self) -> bool {
        self.tasks.link.is_up() && self.tasks.stream.as_ref().is_some_and(|stream| stream.is_alive())
    }

    fn add(&self, member: &Member, what: &Incoming, number: u64) -> bool {
        self.add_entry(member, what, Some(number))
    }

    fn waits(&self) {
        if let Some(stream) = &self.tasks.stream {
            stream.waits();
        }
    }

    fn keep(&self, session: &Session, time: Duration) {
        let text = session.write();
        let mut command = redis::cmd("SET");
        command.arg(key(&session.pid)).arg(&text).arg("PX").arg(time.as_millis().max(1) as u64);
        self.tasks.link.send(command, text.len());
    }

    fn take<'a>(&'a self, pid: &'a str) -> Boxed<'a, Option<Session>> {
        Box::pin(async move {
            let mut both = redis::pipe();
            both.atomic().cmd("GET").arg(key(pid)).cmd("DEL").arg(key(pid));
            let answers = self.tasks.link.ask_in_order(&both, 1).await?;
            let Some(Value::Array(answers)) = answers.into_iter().next() else { return None };
            Session::read(bytes(answers.first()?)?)
        })
    }

    fn caught_up(&self) -> Boxed<'_, Option<()>> {
        Box::pin(async move { self.tasks.stream.as_ref()?.caught_up(&self.tasks.link).await })
    }

    fn between<'a>(
        &'a self,
        member: &'a Member,
        after: Id,
        until: Id,
        most: usize,
    ) -> Boxed<'a, Option<Vec<(Id, Telling)>>> {
        Box::pin(async move {
            let (stream, link) = (self.tasks.stream.as_ref()?, &self.tasks.link);
            let (mut position, mut size, mut found) = (after, 0, Vec::new());
            while position < until {
                let entries = stream.range(link, position, until).await?;
                let Some((last, _)) = entries.last() else { break };
                position = *last;
                for (id, entry) in entries {
                    let Some(entry) = entry.filter(|entry| entry.nsp == member.nsp()) else { continue };
                    size += entry.data.len();
                    found.extend(telling(&entry).map(|telling| (id, telling)));
                }
                if size > most {
                    return None;
                }
            }
            if until < after {
                return None;
            }
            // Asked last: as long as this one is there, nothing behind it was let go of.
            stream.has(link, after, member.nsp()).await.then_some(found)
        })
    }
}

/// Where a session is kept.
fn key(pid: &str) -> String {
    format!("sio:session:{pid}")
}

fn telling(entry: &Entry) -> Option<Telling> {
    match entry::read_entry(entry)? {
        Incoming::Message(Envelope { message: Message::Tell(telling), .. }) => Some(telling),
        _ => None,
    }
}

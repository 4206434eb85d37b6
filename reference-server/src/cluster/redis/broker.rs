//! How the adapters of Socket.IO use Redis.

use std::sync::{Arc, Weak};

use redis::Value;

use super::link::Tasks;
use super::routes::{Content, Key, Route, Way, pattern};
use super::{Kind, id_of};
use crate::RoomEvent;
use crate::adapter::Adapter as _;
use crate::cluster::wire::{Incoming, Message, classic, message};
use crate::cluster::{Boxed, Broker, Member, To};

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
            Kind::Classic => "PUBLISH",
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

    fn routes(&self, member: &Arc<Member>) -> Vec<(Key, Route)> {
        let route = |content| Route { member: Arc::downgrade(member), content };
        let own = |channel: &str| format!("{channel}{}#", member.uid());
        match self.kind {
            Kind::Classic => vec![
                ((Way::Pattern, pattern(&self.channel)), route(Content::Tells(self.channel.clone()))),
                ((Way::Channel, self.requests.clone()), route(Content::Requests)),
                ((Way::Channel, self.responses.clone()), route(Content::Responses)),
                ((Way::Channel, own(&self.responses)), route(Content::Responses)),
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
                tasks.link.remove_routes(|key, _| key.1 == gone);
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
        }
    }

    fn count<'a>(&'a self, _: &'a Member) -> Boxed<'a, Option<usize>> {
        let (what, channel) = match self.kind {
            Kind::Classic => ("NUMSUB", &self.requests),
            Kind::Sharded => ("SHARDNUMSUB", &self.channel),
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
        self.tasks.link.add_routes(self.routes(member));
    }

    fn close(&self, member: &Member) {
        let own = std::ptr::from_ref(member);
        self.tasks.link.remove_routes(|_, route| std::ptr::eq(route.member.as_ptr(), own));
    }

    fn settled(&self) -> Boxed<'_, ()> {
        Box::pin(async move {
            self.tasks.link.subscribed().await;
            self.tasks.link.written().await;
        })
    }
}

//! What comes from other nodes, and what it does here.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sio_protocol::Args;

use super::To;
use super::member::{Member, lock};
use super::remote::describe;
use super::wire::{Act, Aim, Answer, Envelope, Incoming, Message, Reply, Telling};
use crate::adapter::{Outgoing, Room, Selection};
use crate::broadcast::Answers;
use crate::event::ServerSideEvent;

/// How long the answers of clients are passed on, if the node that has asked does not say how long it waits.
const ANSWERS: Duration = Duration::from_secs(30);

/// Nobody waits for longer, whatever a node says.
const LONGEST: Duration = Duration::from_hours(1);

impl Member {
    /// Takes what the broker brings. What this node has sent itself is done already, and what is of another namespace is none of
    /// this one's business.
    pub(crate) fn receive(&self, incoming: Incoming) {
        match incoming {
            Incoming::Answer(answer) => self.answered(answer),
            Incoming::Message(envelope) => {
                let own = envelope.uid.as_deref() == Some(self.uid());
                #[cfg(feature = "faults")]
                let own = own && !self.takes_own(&envelope.message);
                let here = envelope.nsp.as_deref().is_none_or(|nsp| nsp == self.nsp());
                if !own && here {
                    self.obey(envelope);
                }
            }
        }
    }

    fn obey(&self, Envelope { uid, message, .. }: Envelope) {
        let asker = uid.unwrap_or_default();
        match message {
            Message::Tell(telling) => self.deliver(&telling),
            Message::Ask(id, telling) => self.put(&asker, id, &telling),
            Message::Join(aim, rooms) => self.sockets(aim).iter().for_each(|socket| socket.join(rooms.as_slice())),
            Message::Leave(aim, rooms) => self.leave_rooms(aim, &rooms),
            Message::Disconnect(aim, close) => self.sockets(aim).iter().for_each(|socket| socket.disconnect(close)),
            Message::Fetch(id, aim) => {
                let sockets = self.sockets(aim).iter().map(describe).collect();
                self.reply(&asker, id, Reply::Sockets(sockets));
            }
            Message::Side(id, args) => self.side(asker, id, &args),
            Message::Rooms(id) => {
                let rooms = self.local().rooms().into_keys().collect();
                self.reply(&asker, id, Reply::Rooms(rooms));
            }
            Message::Sockets(id, rooms) => self.list(&asker, id, rooms),
            Message::One(id, sid, act) => self.act(&asker, id.as_deref(), &sid, &act),
        }
    }

    fn deliver(&self, telling: &Telling) {
        self.deliver_with(telling, |selection, event| self.local().broadcast(selection, event), None);
    }

    /// Delivers an event of another node, which may have its place.
    pub(super) fn deliver_with(
        &self,
        telling: &Telling,
        deliver: impl FnOnce(&Selection, &Outgoing),
        offset: Option<&str>,
    ) {
        #[cfg(feature = "faults")]
        let telling = &self.misread(telling);
        let (selection, event) = (telling.aim.clone().selection(), self.outgoing(telling));
        #[cfg(feature = "faults")]
        if self.deliver_wrongly(&selection, &event, offset) {
            return;
        }
        #[cfg(not(feature = "faults"))]
        let _ = offset;
        deliver(&selection, &event);
    }

    fn leave_rooms(&self, aim: Aim, rooms: &[Room]) {
        for socket in self.sockets(aim) {
            rooms.iter().for_each(|room| socket.leave(room));
        }
    }

    /// Older nodes ask for ids alone, and read them where the others read sockets.
    fn list(&self, asker: &str, id: String, rooms: Vec<Room>) {
        let sockets = self.sockets(Aim { rooms, except: Vec::new() });
        let sids = sockets.iter().map(|socket| sio_protocol::Value::from(socket.id())).collect();
        self.reply(asker, id, Reply::Sockets(sids));
    }

    /// Only the node that has the socket answers.
    fn act(&self, asker: &str, id: Option<&str>, sid: &Room, act: &Act) {
        for socket in self.sockets(Aim { rooms: vec![sid.clone()], except: Vec::new() }) {
            if *socket.id() != **sid {
                continue;
            }
            match act {
                Act::Join(room) => socket.join(room),
                Act::Leave(room) => socket.leave(room),
                Act::Disconnect(close) => socket.disconnect(*close),
            }
            if let Some(id) = id {
                self.reply(asker, id.to_owned(), Reply::Done);
            }
        }
    }

    fn reply(&self, asker: &str, id: String, reply: Reply) {
        let answer = Incoming::Answer(Answer { id, reply });
        #[cfg(feature = "faults")]
        if self.tells_twice(&answer) {
            self.broker().send(self, To::Asker(asker), &answer);
        }
        self.broker().send(self, To::Asker(asker), &answer);
    }

    /// Puts another node's question to the clients of this one. Their number is told ahead of every answer (RW-06).
    fn put(&self, asker: &str, id: String, telling: &Telling) {
        let Some(home) = self.home() else { return };
        let gate = Arc::new(Mutex::new(()));
        let told = gate.clone();
        let counting = lock(&gate);
        let (member, to, request) = (self.myself(), asker.to_owned(), id.clone());
        let answers = Answers::forwarded(move |args| {
            drop(lock(&told));
            if let Some(member) = member.upgrade() {
                member.reply(&to, request.clone(), Reply::Ack(args));
            }
        });
        let selection = telling.aim.clone().selection();
        let asked = home.put_question(&selection, telling.flags, &telling.args, &Arc::new(answers));
        self.reply(asker, id, Reply::Count(asked.len()));
        drop(counting);
        if asked.len() > 0 {
            let patience = telling.timeout.unwrap_or(ANSWERS).min(LONGEST);
            tokio::spawn(async move {
                tokio::time::sleep(patience).await;
                drop(asked);
            });
        }
    }

    /// Tells the application of an event for this node.
    fn side(&self, asker: String, id: Option<String>, args: &Args) {
        let Some(home) = self.home() else { return };
        let Ok(rest) = args.tail(1) else { return };
        let Some(name) = args.event_name() else { return };
        let member = self.myself();
        let answer = id.map(|id| -> Box<dyn Fn(Args) + Send + Sync> {
            Box::new(move |args| {
                if let Some(member) = member.upgrade() {
                    member.reply(&asker, id.clone(), Reply::Side(args));
                }
            })
        });
        home.run_server_side(ServerSideEvent::new(name.into_owned(), rest, answer));
    }
}

//! One user: connects, joins its rooms, sends what is due and notes what arrives.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use sio_oracle::Receiver;
use sio_protocol::client::Event;
use sio_protocol::{Args, Incoming};
use tokio::sync::Notify;

use super::stamp::Stamp;
use super::worker::Local;
use crate::client::{Connection, Error};

/// Time for a connection, its CONNECT and all its joins.
const OPEN_LIMIT: Duration = Duration::from_secs(30);
/// The event that is acknowledged by every target with the fixture.
const FENCE: &str = "message-with-ack";

/// What a worker tells a user to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// Send this emission.
    Send(u32),
    /// Make an acknowledged round trip.
    Fence,
    /// Leave.
    Quit,
}

/// Where the worker and one of its users meet.
#[derive(Default)]
pub(super) struct Mailbox {
    orders: RefCell<VecDeque<Order>>,
    wake: Notify,
    /// The fence of the current round was answered, or never will be.
    pub(super) fenced: Cell<bool>,
    /// Its place on the scoreboard, once it is open.
    pub(super) receiver: Cell<Option<Receiver>>,
    /// The connection was lost.
    pub(super) cut: Cell<bool>,
    /// It is open and has not been lost.
    pub(super) alive: Cell<bool>,
}

impl Mailbox {
    pub(super) fn post(&self, order: Order) {
        self.orders.borrow_mut().push_back(order);
        self.wake.notify_one();
    }
}

/// The life of user `number`.
pub(super) async fn live(local: Rc<Local>, number: u32) {
    let mailbox = local.mailbox(number);
    let opened = tokio::time::timeout(OPEN_LIMIT, open(&local, number)).await;
    let (connection, connected) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => return local.failed(&error.to_string()),
        Err(_) => return local.failed(&format!("not open within {OPEN_LIMIT:?}")),
    };
    let user = &local.plan.users[number as usize];
    let nanos = connected - user.connect_at as i64;
    let receiver = local.measurements.borrow_mut().opened(&local.plan, number, nanos.max(0) as u64);
    mailbox.receiver.set(Some(receiver));
    mailbox.alive.set(true);
    local.ready.notify_one();
    let mut talk = Talk { local: &local, mailbox: &mailbox, connection, receiver, acks: HashMap::new(), fence: None };
    if talk.run().await {
        talk.connection.close().await;
    }
    mailbox.alive.set(false);
    local.ready.notify_one();
}

/// Connects and joins; returns when it was connected, too. All joins are on their way before the first answer
/// is awaited.
async fn open(local: &Local, number: u32) -> Result<(Connection, i64), Error> {
    let user = &local.plan.users[number as usize];
    let mut connection = Connection::open(&local.stage.endpoint, &local.stage.http, user.transport).await?;
    connection.join("/", "", OPEN_LIMIT).await?;
    let connected = local.connect_clock.now();
    let mut waiting = Vec::new();
    for &room in &user.rooms {
        let (args, ack) = local.join(room);
        waiting.extend(connection.emit("/", args, ack));
    }
    while !waiting.is_empty() {
        let id = connection
            .wait_for("acknowledgement of a join", OPEN_LIMIT, |event| match event {
                Event::Ack(incoming) => incoming.id.map(Ok),
                _ => None,
            })
            .await?;
        waiting.retain(|waiting| *waiting != id);
    }
    Ok((connection, connected))
}

struct Talk<'a> {
    local: &'a Local,
    mailbox: &'a Mailbox,
    connection: Connection,
    receiver: Receiver,
    /// Emissions whose acknowledgement has not come.
    acks: HashMap<u64, u32>,
    fence: Option<u64>,
}

impl Talk<'_> {
    /// Until it is told to leave (true) or loses its connection (false).
    async fn run(&mut self) -> bool {
        loop {
            while let Some(order) = self.next_order() {
                match order {
                    Order::Send(index) => self.send(index),
                    Order::Fence => {
                        let args = Args::event(FENCE, ()).unwrap_or_default();
                        self.fence = self.connection.emit("/", args, true);
                    }
                    Order::Quit => return true,
                }
            }
            // Cancel-safe: the connection keeps what it has read, and the mailbox keeps a permit.
            tokio::select! {
                biased;
                event = self.connection.next() => {
                    if !self.handle(event) {
                        return false;
                    }
                }
                () = self.mailbox.wake.notified() => {}
            }
        }
    }

    fn next_order(&self) -> Option<Order> {
        self.mailbox.orders.borrow_mut().pop_front()
    }

    /// Stamped right ahead of the write: the connection is polled, and thereby written, next.
    fn send(&mut self, index: u32) {
        let local = self.local;
        let emission = &local.plan.emissions[index as usize];
        let message = &local.messages[usize::from(emission.traffic)];
        let args = message.render(&local.plan.rooms[emission.room as usize], emission.seq, local.stamp(index));
        let id = self.connection.emit("/", args, message.ack);
        local.measurements.borrow_mut().sending(emission, index, local.now(), &local.shared.sent);
        if let Some(id) = id {
            self.acks.insert(id, index);
        }
    }

    /// False when the connection is gone.
    fn handle(&mut self, event: Event) -> bool {
        match event {
            Event::Event(incoming) => self.receive(&incoming),
            Event::Ack(incoming) => self.acknowledged(&incoming),
            Event::Disconnect { .. } => {
                self.local.lost("the server put the user out of its namespace");
                self.mailbox.cut.set(true);
                self.mailbox.fenced.set(true);
                return false;
            }
            Event::Closed(why) => {
                self.local.lost(&why.to_string());
                self.mailbox.cut.set(true);
                self.mailbox.fenced.set(true);
                return false;
            }
            Event::Open(_) | Event::Connect { .. } | Event::ConnectError { .. } | Event::Upgraded => {}
        }
        true
    }

    fn receive(&mut self, incoming: &Incoming) {
        let local = self.local;
        let now = local.now();
        let stamp = Stamp::find(incoming.args.json().as_bytes())
            .or_else(|| incoming.args.attachments().iter().find_map(|bytes| Stamp::find(bytes)));
        let mut measurements = local.measurements.borrow_mut();
        match stamp {
            Some(stamp) if stamp.run == local.shared.run => {
                measurements.delivered(&local.plan, self.receiver, stamp.emission, now, &local.shared.sent);
            }
            Some(_) => measurements.tally.foreign += 1,
            // Greetings and whatever else the application says are none of the load's business.
            None => {}
        }
        if let Some(id) = incoming.id {
            self.connection.ack(&incoming.nsp, id, Args::none());
        }
    }

    fn acknowledged(&mut self, incoming: &Incoming) {
        let Some(id) = incoming.id else { return };
        if self.fence == Some(id) {
            self.fence = None;
            self.mailbox.fenced.set(true);
            self.local.ready.notify_one();
        } else if let Some(index) = self.acks.remove(&id) {
            let emission = &self.local.plan.emissions[index as usize];
            self.local.measurements.borrow_mut().acknowledged(emission, self.local.now());
        }
    }
}

//! Puts a run together whose coordinator is gone: asks the workers that have ended for their parts, and takes them as the coordinator
//! would have.

use std::time::{Duration, Instant};

use async_nats::{Message, Subscriber};
use futures_util::StreamExt as _;

use super::bundle::Bundle;
use super::bus::Bus;
use super::desk::{Desk, Layout, Outcome};
use super::line;
use super::wire::{self, About, Answer, Ask, Beat, Bundled, Id, Notice, State};
use crate::aside::aside;
use crate::clock;
use crate::interrupt::Interrupt;

/// How often it is said that the parts are wanted.
const CALL: Duration = Duration::from_millis(250);
/// Workers are heard of once a second, until they have given their part away or end.
const AT_WORK: Duration = Duration::from_secs(5);

/// Takes the parts of one run.
pub struct Collector<'a> {
    bus: &'a Bus,
    run: Id,
    /// How long nothing may come.
    patience: Duration,
    moved: Instant,
    /// When a worker was last heard of whose part is not here, and whether it was said that its load goes on.
    at_work: (Option<Instant>, bool),
    ears: Ears,
}

/// What is listened to.
struct Ears {
    desk: Subscriber,
    files: Subscriber,
    beats: Subscriber,
    notices: Subscriber,
}

/// A run as the workers know it.
pub struct Found {
    pub bundle: Bundle,
    pub of: u32,
    bundled: Bundled,
}

impl<'a> Collector<'a> {
    /// A collector that hears whoever offers a part, from when this returns on.
    pub async fn new(bus: &'a Bus, run: Id, patience: Duration) -> Result<Self, String> {
        let listen = |about| bus.listen(wire::subject(&run, about));
        let ears = Ears {
            desk: listen(About::Desk).await?,
            files: listen(About::Files).await?,
            beats: listen(About::Beats).await?,
            notices: listen(About::Notices).await?,
        };
        Ok(Self { bus, run, patience, moved: clock::now(), at_work: (None, false), ears })
    }

    /// Learns from the first worker that has ended what was run; the error says why nobody could say.
    pub async fn find(&mut self, interrupt: &mut Interrupt) -> Result<Option<Found>, String> {
        let mut calls = tokio::time::interval(CALL);
        loop {
            // Cancel-safe: subscriptions keep what nobody has taken.
            tokio::select! {
                _ = calls.tick() => self.call().await,
                Some(message) = self.ears.desk.next() => {
                    if let Some(Ask::Again { worker, left }) = wire::decode(&message.payload) {
                        self.moved = clock::now();
                        let door = wire::door(&self.run, &worker);
                        let bundle = line::fetch(self.bus, door, &left.bundle).await;
                        match bundle {
                            Ok(bundle) => return Ok(Some(Found { bundle, of: left.of, bundled: left.bundle })),
                            Err(why) => aside(&format!("a worker offers part {}, but {why}", left.number)),
                        }
                    }
                }
                Some(message) = self.ears.beats.next() => self.beat(&message, None),
                Some(message) = self.ears.notices.next() => self.led(&message)?,
                () = interrupt.wait() => return Ok(None),
            }
            if self.is_over() {
                return Err(format!(
                    "nobody offers a part of the run {} at {}: nothing was heard for {:?} (--wait)\n  workers offer their parts for as long as their \
                     --linger says; what they keep is judged by `sio-bench report PART... --merge FOLDER`",
                    self.run, self.bus.address, self.patience
                ));
            }
        }
    }

    /// Takes all parts; none if it was interrupted. What is missing when nothing more comes is named in the outcome.
    pub async fn collect(&mut self, found: &Found, layout: Layout, interrupt: &mut Interrupt) -> Option<Outcome> {
        let mut desk = Desk::again(found.of, found.bundled.clone(), layout, clock::now());
        let mut calls = tokio::time::interval(CALL);
        self.moved = clock::now();
        loop {
            // Cancel-safe: subscriptions keep what nobody has taken.
            tokio::select! {
                _ = calls.tick() => self.call().await,
                Some(message) = self.ears.desk.next() => self.asked(&message, &mut desk).await,
                Some(message) = self.ears.files.next() => self.brought(&message, &mut desk).await,
                Some(message) = self.ears.beats.next() => self.beat(&message, Some(&desk)),
                Some(_) = self.ears.notices.next() => {}
                () = interrupt.wait() => return None,
            }
            desk.remarks().iter().for_each(|remark| aside(remark));
            if self.is_over() {
                desk.give_up(&self.bus.address, clock::now());
            }
            if let Some(outcome) = desk.outcome(clock::now()) {
                // The last answer is on its way.
                self.bus.flush().await;
                return Some(outcome);
            }
        }
    }

    async fn call(&self) {
        self.bus.say(wire::subject(&self.run, About::Notices), wire::encode(&Notice::Collects)).await;
    }

    /// What is not about a part that was left over is somebody else's to answer.
    async fn asked(&mut self, message: &Message, desk: &mut Desk) {
        let now = clock::now();
        let answer = match wire::decode(&message.payload) {
            Some(Ask::Again { worker, left }) => desk.take_again(&worker, left, now),
            Some(ask @ Ask::Done { .. }) => desk.ask(ask, now),
            _ => return,
        };
        self.moved = now;
        self.answer(message, &answer).await;
    }

    async fn brought(&mut self, message: &Message, desk: &mut Desk) {
        let Some((head, bytes)) = wire::decode_chunk(&message.payload) else { return };
        if desk.knows(&head.worker) {
            self.moved = clock::now();
            let answer = desk.chunk(&head, bytes, self.moved);
            self.answer(message, &answer).await;
        }
    }

    async fn answer(&self, message: &Message, answer: &Answer) {
        if let Some(reply) = &message.reply {
            self.bus.say(reply.to_string(), wire::encode(answer)).await;
        }
    }

    /// Who is there and has not brought its part is waited for.
    fn beat(&mut self, message: &Message, desk: Option<&Desk>) {
        let Some(beat) = wire::decode::<Beat>(&message.payload) else { return };
        if desk.is_some_and(|desk| desk.has_all_of(&beat.worker)) {
            return;
        }
        self.at_work.0 = Some(clock::now());
        let goes_on = !matches!(beat.state, State::Ended { .. });
        if goes_on && !std::mem::replace(&mut self.at_work.1, true) {
            aside("the load of a worker goes on; its part is waited for");
        }
    }

    /// A run that is led needs nobody else.
    fn led(&self, message: &Message) -> Result<(), String> {
        match wire::decode(&message.payload) {
            Some(Notice::Waits | Notice::Goes(_)) => {
                Err(format!("the run {} has a coordinator, which judges it; nothing was taken", self.run))
            }
            _ => Ok(()),
        }
    }

    /// Whether nothing has come for too long, and nobody is there who could bring something.
    fn is_over(&self) -> bool {
        let now = clock::now();
        let is_at_work = self.at_work.0.is_some_and(|heard| now < heard + AT_WORK);
        now > self.moved + self.patience && !is_at_work
    }
}

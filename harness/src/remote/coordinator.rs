//! The coordinator of a run on several machines: carries messages between the workers and its book (`desk`), and keeps the clock.

use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime};

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::bus::{Bus, Silence};
use super::desk::{Desk, Outcome};
use super::line;
use super::wire::{self, About, Answer, Ask, GoAt, Id, Offer};
use crate::aside::aside;
use crate::clock;
use crate::interrupt::Interrupt;
use crate::record::{EndedBy, Progress};
use crate::vocab::INTERRUPTED;

/// How often it is said how the run stands, and looked who is still there.
const NOTICE: Duration = Duration::from_millis(250);
/// From "all are ready" to the first phase.
const LEAD: Duration = Duration::from_millis(2_500);
/// A worker from which nothing was heard for so long is asked whether it is there.
const KNOCK: Duration = Duration::from_millis(1_300);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// A broker that has not passed anything on for so long stands still, and nobody can be heard.
const STOOD: Duration = Duration::from_millis(1_500);
/// A broker that has not passed on what this process said to itself for so long is gone.
const BROKER: Duration = Duration::from_secs(30);

/// Carries messages.
pub struct Coordinator<'a> {
    bus: &'a Bus,
    run: Id,
    bundle: Vec<u8>,
    base: Instant,
    since: i64,
    /// When the broker last passed on what this process has said to itself, and whether it still has to.
    echo: (Instant, bool),
    knocks: (mpsc::Sender<Knock>, mpsc::Receiver<Knock>),
    /// Workers that are being asked whether they are there.
    knocking: HashSet<Id>,
    ears: Ears,
}

/// What came of asking a worker whether it is there.
type Knock = (Id, Result<(), Silence>);

/// What is listened to.
struct Ears {
    desk: Subscriber,
    files: Subscriber,
    beats: Subscriber,
    echo: Subscriber,
}

impl<'a> Coordinator<'a> {
    /// A coordinator that hears whoever asks it, from when this returns on.
    pub async fn new(bus: &'a Bus, run: Id, bundle: Vec<u8>) -> Result<Self, String> {
        let since = clock::wall().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        let listen = |about| bus.listen(wire::subject(&run, about));
        let ears = Ears {
            desk: listen(About::Desk).await?,
            files: listen(About::Files).await?,
            beats: listen(About::Beats).await?,
            echo: listen(About::Echo).await?,
        };
        let (base, knocks, knocking) = (clock::now(), mpsc::channel(64), HashSet::new());
        Ok(Self { bus, run, bundle, base, since, echo: (base, false), knocks, knocking, ears })
    }

    /// Leads the run to its end; `show` is told of each second.
    pub async fn lead(
        mut self,
        desk: &mut Desk,
        interrupt: &mut Interrupt,
        mut show: impl FnMut(&[(u32, Progress)]),
    ) -> Result<Outcome, String> {
        self.echo.0 = clock::now();
        let (mut ticks, mut seconds) = (tokio::time::interval(NOTICE), tokio::time::interval(Duration::from_secs(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // Cancel-safe: subscriptions and channels keep what nobody has taken.
            tokio::select! {
                _ = ticks.tick() => self.tick(desk).await,
                _ = seconds.tick() => show(&desk.seconds()),
                Some(message) = self.ears.desk.next() => self.asked(message, desk).await,
                Some(message) = self.ears.files.next() => self.brought(message, desk).await,
                Some(message) = self.ears.beats.next() => {
                    if let Some(beat) = wire::decode(&message.payload) {
                        desk.beat(beat, clock::now());
                        self.may_go(desk).await;
                    }
                }
                Some(_) = self.ears.echo.next() => self.echoed(desk),
                Some((worker, answer)) = self.knocks.1.recv() => self.knocked(&worker, answer, desk),
                () = interrupt.wait() => desk.fail(EndedBy::Interrupt, INTERRUPTED.to_owned(), clock::now()),
            }
            desk.remarks().iter().for_each(|remark| aside(remark));
            let now = clock::now();
            if now > self.echo.0 + BROKER {
                return Err(format!("the NATS server at {} has not answered for {BROKER:?}", self.bus.address));
            }
            if let Some(outcome) = desk.outcome(now) {
                self.notice(desk).await;
                self.bus.flush().await;
                return Ok(outcome);
            }
        }
    }

    async fn tick(&mut self, desk: &mut Desk) {
        let now = clock::now();
        desk.tick(now, self.is_broker_there(now));
        self.may_go(desk).await;
        if desk.free() > 0 {
            let (run, version) = (self.run.clone(), env!("CARGO_PKG_VERSION").to_owned());
            let offer = Offer { run, version, of: desk.of(), free: desk.free(), since: self.since };
            self.bus.say(wire::offers(), wire::encode(&offer)).await;
        }
        self.notice(desk).await;
        if !self.echo.1 {
            self.echo.1 = true;
            self.bus.say(wire::subject(&self.run, About::Echo), Vec::new()).await;
        } else if !self.bus.is_connected() {
            // What was said to a connection that broke does not come back.
            self.echo.1 = false;
        }
        self.knock(desk, now);
    }

    async fn notice(&self, desk: &Desk) {
        self.bus.say(wire::subject(&self.run, About::Notices), wire::encode(&desk.notice())).await;
    }

    /// The phases begin as soon as everybody is ready.
    async fn may_go(&self, desk: &mut Desk) {
        if !desk.may_go() {
            return;
        }
        let start = clock::Shared::at(clock::wall() + LEAD);
        let text = u64::try_from(start.wall).ok().map(|nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos));
        let text = text.and_then(|time| Timestamp::try_from(time).ok()).unwrap_or_default().to_string();
        let at = clock::RunClock::starting_at(self.base).time_of(start.instant);
        desk.go(GoAt { text, at, machine: start.machine, monotonic: start.monotonic }, clock::now());
        self.notice(desk).await;
    }

    async fn answer(&self, message: &Message, bytes: Vec<u8>) {
        if let Some(reply) = &message.reply {
            self.bus.say(reply.to_string(), bytes).await;
        }
    }

    async fn asked(&self, message: Message, desk: &mut Desk) {
        let answer = match wire::decode::<Ask>(&message.payload) {
            Some(Ask::Clock) => wire::encode(&Answer::Clock { at: clock::RunClock::starting_at(self.base).now() }),
            Some(Ask::Fetch { at }) => line::piece(&self.bundle, at, self.bus.chunk()).to_vec(),
            Some(ask) => wire::encode(&desk.ask(ask, clock::now())),
            None => wire::encode(&Answer::Refused { why: "this is no question".to_owned() }),
        };
        self.answer(&message, answer).await;
    }

    async fn brought(&self, message: Message, desk: &mut Desk) {
        // What was spoilt on its way is not answered, so it comes again.
        if let Some((head, bytes)) = wire::decode_chunk(&message.payload) {
            let answer = desk.chunk(&head, bytes, clock::now());
            self.answer(&message, wire::encode(&answer)).await;
        }
    }

    /// Asks those who say nothing whether they are there.
    fn knock(&mut self, desk: &Desk, now: Instant) {
        let Some(since) = now.checked_sub(KNOCK).filter(|_| self.is_broker_there(now)) else { return };
        for worker in desk.silent(since) {
            if !self.knocking.insert(worker.clone()) {
                continue;
            }
            let (bus, answers, worker) = (self.bus.clone(), self.knocks.0.clone(), worker.clone());
            let door = wire::door(&self.run, &worker);
            tokio::spawn(async move {
                let answer = bus.ask_once(door, Bytes::new(), PATIENCE).await.map(|_| ());
                // Nobody wants to know when the run is over.
                let _ = answers.send((worker, answer)).await;
            });
        }
    }

    fn knocked(&mut self, worker: &Id, answer: Result<(), Silence>, desk: &mut Desk) {
        let now = clock::now();
        self.knocking.remove(worker);
        match answer {
            Ok(()) => desk.is_there(worker, now),
            Err(Silence::Nobody) if self.is_broker_there(now) => desk.missed(worker, now),
            Err(_) => {}
        }
    }

    /// What this process has said to itself has come back.
    fn echoed(&mut self, desk: &mut Desk) {
        let now = clock::now();
        if !self.is_broker_there(now) {
            // Nothing was heard of anybody, and that is nobody's fault.
            desk.excuse(now);
        }
        self.echo = (now, false);
    }

    fn is_broker_there(&self, now: Instant) -> bool {
        self.bus.is_connected() && now < self.echo.0 + STOOD
    }
}

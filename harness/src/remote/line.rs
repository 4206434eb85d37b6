//! A worker's line to its coordinator: on a thread of its own, so that neither waits for the other. The load goes on whether anybody
//! hears of it or not.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use super::bundle::{self, Bundle};
use super::bus::{Bus, Silence, Via};
use super::clocks::{Exchange, Offsets, Reading, best};
use super::wire::{self, About, Answer, Ask, Beat, Bundled, CHUNK, Cut, GoAt, Id, Left, Notice, Offer, State};
use crate::clock;
use crate::load::{Go, LeadEnd};
use crate::record::LedClock;
use crate::vocab::lock::LockExt;

/// How often the coordinator hears of a worker.
const BEAT: Duration = Duration::from_secs(1);
/// A coordinator that says nothing for so long, ahead of the phases, is gone.
const SILENT: Duration = Duration::from_secs(15);
/// How long answers may take in which nothing is measured.
const PATIENCE: Duration = Duration::from_secs(15);
/// Exchanges by which clocks are compared, and how long they may take: at both ends of a run, and now and then between.
const THOROUGH: (usize, Duration) = (64, Duration::from_secs(2));
const NOW_AND_THEN: (usize, Duration) = (8, Duration::from_secs(1));
const BETWEEN: Duration = Duration::from_secs(5);
/// An exchange that takes longer says nothing.
const EXCHANGE: Duration = Duration::from_millis(500);
/// Offers are said four times a second; so long is listened for the newest.
const LISTEN: Duration = Duration::from_millis(1_200);

/// A runtime on a thread of its own, for as long as the program runs.
pub fn thread() -> io::Result<Handle> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("line".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}

/// A worker that has a part.
#[derive(Clone)]
pub struct Line {
    pub bus: Bus,
    pub run: Id,
    pub worker: Id,
    /// Counted from 1.
    pub number: u32,
    pub of: u32,
    bundled: Bundled,
    /// Kept for whoever puts the run together if the coordinator is gone.
    bytes: Arc<OnceLock<Vec<u8>>>,
    base: Instant,
    compared: Arc<Mutex<Compared>>,
}

/// How the clocks stand to each other.
#[derive(Clone, Copy, Debug, Default)]
struct Compared {
    offsets: Option<Offsets>,
    /// When the phases begin, on the coordinator's.
    agreed: i64,
}

/// Connects, with everything that goes on behind a connection on the line's thread; a server that is not there is waited for, if at all.
pub async fn connect(handle: &Handle, via: &Via, patience: Duration) -> Result<Bus, String> {
    let via = via.clone();
    handle.spawn(async move { via.connect_within(patience).await }).await.map_err(|error| error.to_string())?
}

/// Waits for a run that wants workers, and takes the newest one; that of a name, if one is given.
pub async fn find(bus: &Bus, wanted: Option<&Id>, patience: Duration) -> Result<Id, String> {
    let mut offers = bus.listen(wire::offers()).await?;
    let (mut newest, mut others): (Option<Offer>, Option<String>) = (None, None);
    let end = clock::now() + patience;
    let mut until = end;
    while let Ok(Some(message)) = tokio::time::timeout_at(until.into(), offers.next()).await {
        let Some(offer) = wire::decode::<Offer>(&message.payload) else { continue };
        if wanted.is_some_and(|wanted| *wanted != offer.run) || offer.free == 0 {
            continue;
        }
        if wanted.is_none() && offer.version != env!("CARGO_PKG_VERSION") {
            let version: String = wire::words(&offer.version).chars().take(40).collect();
            others = Some(format!("{} is of sio-bench {version}", offer.run));
            continue;
        }
        if wanted.is_some() {
            return Ok(offer.run);
        }
        // The others that are open have said so by then.
        until = if newest.is_none() { end.min(clock::now() + LISTEN) } else { until };
        if newest.as_ref().is_none_or(|known| known.since < offer.since) {
            newest = Some(offer);
        }
    }
    let what = wanted.map_or_else(
        || "no run wanted a worker".to_owned(),
        |run| format!("the run {run} is not there, or did not want a worker,"),
    );
    newest.map(|offer| offer.run).ok_or_else(|| {
        let others =
            others.map_or_else(String::new, |others| format!(" ({others}, and this is {})", env!("CARGO_PKG_VERSION")));
        format!("{what} at {} within {patience:?}{others}", bus.address)
    })
}

impl Line {
    /// Asks for a part of a run; the error says why there is none.
    pub async fn join(bus: Bus, run: Id, part: Option<u32>) -> Result<Self, String> {
        let worker = Id::fresh();
        let ask = Ask::Join {
            worker: worker.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: host(),
            process: std::process::id(),
            part,
        };
        let answer = bus.ask_desk(&run, &ask, PATIENCE).await;
        match answer {
            Ok(Answer::Part { number, of, bundle: bundled }) if number >= 1 && number <= of && of <= 1_000 => {
                let (bytes, compared) = (Arc::default(), Arc::default());
                Ok(Self { bus, run, worker, number, of, bundled, bytes, base: clock::now(), compared })
            }
            Ok(Answer::Refused { why }) => {
                Err(format!("the run {run} does not take this worker: {}", wire::words(&why)))
            }
            Ok(_) => Err(format!("the coordinator of {run} answered something else")),
            Err(Silence::Nobody) => Err(format!("nobody coordinates the run {run} at {}", bus.address)),
            Err(Silence::Late) => Err(format!("the coordinator of {run} has not answered for {PATIENCE:?}")),
        }
    }

    /// Brings the bundle over.
    pub async fn bundle(&self) -> Result<Bundle, String> {
        let fetched = fetch_bytes(&self.bus, &wire::subject(&self.run, About::Desk), &self.bundled).await;
        let bytes = fetched.map_err(|why| format!("{why}, from the coordinator of {}", self.run))?;
        let bundle = Bundle::unpack(&bytes, &self.bundled)?;
        // It is brought over once.
        let _ = self.bytes.set(bytes);
        Ok(bundle)
    }

    /// The part, for those who did not give it out.
    pub fn left(&self, cut: Option<Cut>) -> Left {
        Left {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: host(),
            process: std::process::id(),
            number: self.number,
            of: self.of,
            bundle: self.bundled.clone(),
            cut,
        }
    }

    /// What is answered at the door: that somebody is there, or a piece of the bundle.
    fn at_the_door(&self, asked: &[u8]) -> Vec<u8> {
        let Some(Ask::Fetch { at }) = wire::decode(asked) else { return wire::encode(&Answer::Fine) };
        let bytes = self.bytes.get().map_or(&[][..], Vec::as_slice);
        piece(bytes, at, self.bus.chunk()).to_vec()
    }

    /// Gives the part back.
    pub async fn leave(&self, why: &str, refuses: bool) {
        let ask = Ask::Leave { worker: self.worker.clone(), why: wire::words(why), refuses };
        // Whoever does not hear it notices that the worker is gone.
        let _ = self.bus.ask_desk(&self.run, &ask, Duration::from_secs(4)).await;
    }

    /// Says how the worker is, and hears how the run stands, until the program ends or `state` is dropped.
    pub async fn talk(self, mut end: LeadEnd, mut state: watch::Receiver<State>) -> Result<(), String> {
        let mut notices = self.bus.listen(wire::subject(&self.run, About::Notices)).await?;
        let mut knocks = self.bus.listen(wire::door(&self.run, &self.worker)).await?;
        self.compare(THOROUGH, true).await;
        let (mut beats, mut looks) = (tokio::time::interval(BEAT), tokio::time::interval(BETWEEN));
        let mut heard = clock::now();
        loop {
            // Cancel-safe: each holds what it has until it is asked for it.
            tokio::select! {
                _ = beats.tick() => {
                    self.beat(&end, &state).await;
                    if clock::now() > heard + SILENT && end.go.borrow().is_none() {
                        stop(&end, format!("the coordinator has said nothing for {SILENT:?}"));
                    }
                }
                changed = state.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    self.beat(&end, &state).await;
                }
                Ok(()) = end.ready.changed() => self.beat(&end, &state).await,
                Some(message) = notices.next() => {
                    if let Some(notice) = wire::decode(&message.payload) {
                        heard = clock::now();
                        if self.hear(notice, &end) {
                            // That it is known is said at once.
                            self.beat(&end, &state).await;
                        }
                    }
                }
                Some(message) = knocks.next() => {
                    if let Some(reply) = message.reply {
                        self.bus.say(reply.to_string(), self.at_the_door(&message.payload)).await;
                    }
                }
                Some(answer) = end.clocks.recv() => self.answer(answer, &end),
                _ = looks.tick(), if end.go.borrow().is_some() => {
                    let line = self.clone();
                    tokio::spawn(async move { line.compare(NOW_AND_THEN, false).await });
                }
            }
        }
    }

    async fn beat(&self, end: &LeadEnd, state: &watch::Receiver<State>) {
        let said = state.borrow().clone();
        let state = match said {
            State::Preparing if end.go.borrow().is_some() => State::Going,
            State::Preparing if *end.ready.borrow() => State::Ready,
            state => state,
        };
        let second = end.second.borrow().clone();
        let second = (!second.phase.is_empty()).then_some(second);
        let so_far = second.as_ref().map(|second| second.so_far.clone()).unwrap_or_default();
        let beat = Beat { worker: self.worker.clone(), state, second, so_far };
        self.bus.say(wire::subject(&self.run, About::Beats), beat.encode()).await;
    }

    /// Takes a notice; whether it says something new.
    fn hear(&self, notice: Notice, end: &LeadEnd) -> bool {
        match notice {
            Notice::Waits | Notice::Collects => return false,
            // It is said again and again.
            Notice::Goes(_) if end.go.borrow().is_some() => return false,
            Notice::Goes(at) => match self.instant_of(&at) {
                Some(instant) => {
                    self.compared().agreed = at.at;
                    let go = Go { clock: clock::Shared::of(instant), text: wire::words(&at.text) };
                    end.go.send_replace(Some(go));
                }
                None => stop(end, "the clocks of this machine and the coordinator's could not be compared".to_owned()),
            },
            Notice::Stops { why } => stop(end, format!("the run was ended: {}", wire::words(&why))),
        }
        true
    }

    /// When the phases begin, on this machine's clock.
    fn instant_of(&self, at: &GoAt) -> Option<Instant> {
        if let Some(instant) = at.machine.as_deref().and_then(|machine| clock::Shared::known(machine, at.monotonic)) {
            return Some(instant);
        }
        let offset = self.compared().offsets?.offset();
        let here = at.at.checked_sub(offset)?;
        Some(self.base + Duration::from_nanos(u64::try_from(here).ok()?))
    }

    fn compared(&self) -> MutexGuard<'_, Compared> {
        self.compared.lock_unpoisoned()
    }

    /// Looks a last time how the clocks stand to each other.
    fn answer(&self, answer: oneshot::Sender<LedClock>, end: &LeadEnd) {
        let (line, go) = (self.clone(), end.go.borrow().clone());
        tokio::spawn(async move {
            let Some(go) = go else { return };
            let is_seen = line.compare(THOROUGH, true).await;
            let Compared { offsets: Some(mut offsets), agreed } = *line.compared() else { return };
            if !is_seen {
                offsets.unseen(line.now());
            }
            let begun = signed(go.clock.instant, line.base);
            let origin = begun.saturating_add(offsets.offset()).saturating_sub(agreed);
            // Whoever asked has waited for it, or is gone.
            let _ = answer.send(LedClock { origin, within: offsets.within() });
        });
    }

    fn now(&self) -> i64 {
        signed(clock::now(), self.base)
    }

    /// Compares the clocks by so many exchanges; whether there were any.
    async fn compare(&self, exchanges: (usize, Duration), thorough: bool) -> bool {
        let Some(reading) = self.reading(exchanges).await else { return false };
        let offsets = &mut self.compared().offsets;
        match offsets {
            None => *offsets = Some(Offsets::new(reading)),
            Some(offsets) if thorough => offsets.add(reading),
            Some(offsets) => offsets.check(reading),
        }
        true
    }

    async fn reading(&self, (exchanges, within): (usize, Duration)) -> Option<Reading> {
        let (subject, ask) = (wire::subject(&self.run, About::Desk), Bytes::from(wire::encode(&Ask::Clock)));
        let (mut all, mut failed, until) = (Vec::with_capacity(exchanges), 0, clock::now() + within);
        while all.len() < exchanges && failed < 4 && clock::now() < until {
            let asked = self.now();
            let answer = self.bus.ask_once(subject.clone(), ask.clone(), EXCHANGE).await;
            let answered = self.now();
            match answer.ok().and_then(|answer| wire::decode(&answer)) {
                Some(Answer::Clock { at: there }) => all.push(Exchange { asked, there, answered }),
                _ => failed += 1,
            }
        }
        best(&all)
    }
}

/// The bundle that a worker has kept.
pub async fn fetch(bus: &Bus, door: String, bundled: &Bundled) -> Result<Bundle, String> {
    Bundle::unpack(&fetch_bytes(bus, &door, bundled).await?, bundled)
}

/// A bundle, piece by piece.
async fn fetch_bytes(bus: &Bus, subject: &str, bundled: &Bundled) -> Result<Vec<u8>, String> {
    if bundled.bytes > bundle::MOST {
        return Err(format!("a scenario of {} bytes is none", bundled.bytes));
    }
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < bundled.bytes {
        let ask = wire::encode(&Ask::Fetch { at: bytes.len() as u64 });
        let piece = bus.ask(subject.to_owned(), ask, PATIENCE).await;
        let piece = piece.map_err(|_| "the scenario did not come: nobody answers any more".to_owned())?;
        if piece.is_empty() || (bytes.len() + piece.len()) as u64 > bundled.bytes {
            return Err("the scenario came in pieces that do not fit together".to_owned());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// What of a bundle is one answer, from a byte on.
pub(super) fn piece(bundle: &[u8], at: u64, chunk: usize) -> &[u8] {
    let from = usize::try_from(at).unwrap_or(usize::MAX).min(bundle.len());
    let to = (from + chunk.min(CHUNK)).min(bundle.len());
    &bundle[from..to]
}

/// Nanoseconds from `base` on; negative ahead of it.
fn signed(instant: Instant, base: Instant) -> i64 {
    clock::RunClock::starting_at(base).time_of(instant)
}

fn stop(end: &LeadEnd, why: String) {
    end.stop.send_if_modified(|reason| {
        let first = reason.is_none();
        if first {
            *reason = Some(why);
        }
        first
    });
}

/// How this machine is called.
fn host() -> String {
    let read =
        std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    read.map_or_else(|_| "a machine".to_owned(), |name| name.trim().chars().take(64).collect())
}

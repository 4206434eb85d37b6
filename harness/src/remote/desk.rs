//! The coordinator's book: who has which part, how far each is, and what the run waits for. It knows no network and no clock: what comes in
//! is handed to it with the instant, and what is to be said is asked of it.

mod again;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::files::Incoming;
use super::wire::{Answer, Ask, Beat, Bundled, ChunkHead, Cut, GoAt, Id, Kind, Notice, State, Sum, words};
use crate::record::{EndedBy, Progress};

/// How long the others may take to let their users in, from when the first part has.
const READY: Duration = Duration::from_secs(30);
/// How long parts may take to come in when the run has ended early.
const STOPPED: Duration = Duration::from_secs(10);
/// One that is on its way then is waited for as long as a piece comes within so long.
const MOVING: Duration = Duration::from_secs(5);
/// A worker that brings nothing for so long, when all it has to do is to bring its files.
const STUCK: Duration = Duration::from_secs(30);
/// A worker that says nothing for so long, while the broker is there, is lost.
const SILENT: Duration = Duration::from_secs(5);
/// The same if the broker says that nobody listens there; a connection that broke is made again within less.
const MISSED: Duration = Duration::from_millis(900);
/// What a load may take beyond its phases: fences, and the end.
const BEYOND: Duration = Duration::from_mins(5);

/// What the coordinator knows.
pub struct Desk {
    version: String,
    bundle: Bundled,
    seats: Vec<Option<Seat>>,
    stage: Stage,
    /// Why the run ends early; the first reason stays.
    trouble: Option<Cut>,
    /// What is to be said to whoever watches.
    remarks: Vec<String>,
    files: Layout,
    /// How long the phases take.
    length: Duration,
}

/// Where files of parts are put. No name comes from a worker.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Each part has a folder below this one.
    pub folder: PathBuf,
    pub scenario: String,
}

impl Layout {
    /// The folder of a part, counted from 1.
    pub fn part(&self, number: u32) -> PathBuf {
        self.folder.join(number.to_string())
    }

    /// The name of a file in it.
    pub fn name(&self, kind: Kind) -> String {
        match kind {
            Kind::Record => "run.jsonl".to_owned(),
            Kind::Histograms => format!("{}.hlog", self.scenario),
            Kind::Journal => format!("{}.journal", self.scenario),
        }
    }
}

/// A worker that has a part.
struct Seat {
    worker: Id,
    host: String,
    process: u32,
    /// When it was last heard of.
    heard: Instant,
    /// Since when nobody is there who could be heard, as the broker says.
    missed: Option<Instant>,
    /// When it last brought something.
    moved: Instant,
    state: State,
    second: Option<Progress>,
    incoming: BTreeMap<Kind, Incoming>,
    end: Option<End>,
}

/// What became of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// All of its files are here.
    Delivered,
    /// Nothing more comes from it.
    Gone,
}

enum Stage {
    /// Until then, parts are given out.
    Gathering {
        until: Instant,
    },
    /// All have one; since when the first has let its users in.
    Preparing {
        since: Option<Instant>,
        until: Instant,
    },
    Going {
        at: GoAt,
        until: Instant,
    },
    /// Whoever led is gone; parts come in from workers that have ended.
    Again,
    /// Parts that ended early come in.
    Collecting {
        until: Instant,
    },
}

/// What a run has come to.
#[derive(Debug)]
pub struct Outcome {
    /// Parts that are here, by their numbers.
    pub delivered: Vec<u32>,
    pub trouble: Option<Cut>,
}

impl Desk {
    /// Parts of a run that nobody has yet; they are given out for as long as `patience`.
    pub fn new(of: u32, bundle: Bundled, files: Layout, length: Duration, now: Instant, patience: Duration) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            bundle,
            seats: (0..of).map(|_| None).collect(),
            stage: Stage::Gathering { until: now + patience },
            trouble: None,
            remarks: Vec::new(),
            files,
            length,
        }
    }

    /// How many parts nobody has.
    pub fn free(&self) -> u32 {
        match self.stage {
            Stage::Gathering { .. } | Stage::Again => self.seats.iter().filter(|seat| seat.is_none()).count() as u32,
            _ => 0,
        }
    }

    /// How many parts there are.
    pub fn of(&self) -> u32 {
        self.seats.len() as u32
    }

    /// What is to be said to whoever watches; once.
    pub fn remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }

    /// What a worker asks. The bundle and the clock are not this book's.
    pub fn ask(&mut self, ask: Ask, now: Instant) -> Answer {
        match ask {
            Ask::Join { worker, version, host, process, part } => {
                let host: String = words(&host).chars().take(64).collect();
                self.join(worker, &version, (host, process), part, now)
            }
            Ask::Leave { worker, why, refuses } => self.leave(&worker, &words(&why), refuses, now),
            Ask::Done { worker, files } => self.done(&worker, &files, now),
            Ask::Again { .. } => Answer::Refused { why: "the run has a coordinator, and it has not ended".to_owned() },
            Ask::Fetch { .. } | Ask::Clock => Answer::Fine,
        }
    }

    fn join(
        &mut self,
        worker: Id,
        version: &str,
        (host, process): (String, u32),
        part: Option<u32>,
        now: Instant,
    ) -> Answer {
        let refused = |why: String| Answer::Refused { why };
        if version != self.version {
            let own = &self.version;
            let version: String = words(version).chars().take(40).collect();
            self.remarks.push(format!(
                "a worker at {host} (process {process}) is sio-bench {version}, and this is {own}: it was refused; install {own} there"
            ));
            return refused(format!("the run is of sio-bench {own}, and this worker is {version}; install {own} here"));
        }
        // Who asks again has not heard the answer.
        let known = self.seats.iter().position(|seat| seat.as_ref().is_some_and(|seat| seat.worker == worker));
        if let Some(place) = known {
            return self.part(place);
        }
        let of = self.of();
        let place = match part {
            Some(part) if part == 0 || part > of => {
                return refused(format!("there is no part {part} of this run, which has {of}"));
            }
            Some(part) if self.seats[part as usize - 1].is_some() => {
                return refused(format!("part {part} of {of} is another worker's already"));
            }
            Some(part) => Some(part as usize - 1),
            None => self.seats.iter().position(Option::is_none),
        };
        let Some(place) = place.filter(|_| self.free() > 0) else {
            return refused(format!("all {of} parts of this run are given out"));
        };
        self.remarks.push(format!("part {} of {of} is with {host} (process {process})", place + 1));
        self.seats[place] = Some(Seat {
            worker,
            host,
            process,
            heard: now,
            missed: None,
            moved: now,
            state: State::Preparing,
            second: None,
            incoming: BTreeMap::new(),
            end: None,
        });
        self.part(place)
    }

    fn part(&self, place: usize) -> Answer {
        Answer::Part { number: place as u32 + 1, of: self.of(), bundle: self.bundle.clone() }
    }

    fn place(&self, worker: &Id) -> Option<usize> {
        self.seats.iter().position(|seat| seat.as_ref().is_some_and(|seat| seat.worker == *worker))
    }

    /// How a worker is called.
    fn name(&self, place: usize) -> String {
        let who = self.seats[place].as_ref().map(|seat| format!("{}, process {}", seat.host, seat.process));
        format!("worker {} of {} ({})", place + 1, self.of(), who.unwrap_or_default())
    }

    fn leave(&mut self, worker: &Id, why: &str, refuses: bool, now: Instant) -> Answer {
        let Some(place) = self.place(worker) else { return Answer::Fine };
        let name = self.name(place);
        if refuses && matches!(self.stage, Stage::Gathering { .. } | Stage::Preparing { .. }) {
            self.remarks.push(format!("{name} does not run this: {why}; its part waits for another worker"));
            self.seats[place] = None;
            if let Stage::Preparing { until, .. } = self.stage {
                self.stage = Stage::Gathering { until };
            }
            return Answer::Fine;
        }
        self.end(place, End::Gone);
        self.fail(EndedBy::Elsewhere, format!("{name} gave up: {why}"), now);
        Answer::Fine
    }

    fn done(&mut self, worker: &Id, files: &[Sum], now: Instant) -> Answer {
        let Some(place) = self.place(worker) else {
            return Answer::Refused { why: "it has no part of this run".to_owned() };
        };
        let Some(seat) = &mut self.seats[place] else { return Answer::Fine };
        (seat.heard, seat.moved) = (now, now);
        // Who says it again has not heard the answer.
        if seat.end == Some(End::Delivered) {
            return Answer::Fine;
        }
        let is_whole = |sum: &Sum| seat.incoming.get(&sum.kind).is_some_and(|file| file.is_whole(sum));
        let all = Kind::ALL.iter().all(|kind| files.iter().any(|sum| sum.kind == *kind));
        if !all || !files.iter().all(is_whole) {
            return Answer::Refused { why: "its files are not those that came".to_owned() };
        }
        seat.incoming.clear();
        if seat.end.is_none() {
            self.end(place, End::Delivered);
        }
        Answer::Fine
    }

    fn end(&mut self, place: usize, end: End) {
        if let Some(seat) = &mut self.seats[place] {
            seat.end.get_or_insert(end);
        }
    }

    /// A piece of a worker's file.
    pub fn chunk(&mut self, head: &ChunkHead, bytes: &[u8], now: Instant) -> Answer {
        let refused = |why: &str| Answer::Refused { why: why.to_owned() };
        let Some(place) = self.place(&head.worker) else { return refused("it has no part of this run") };
        let (folder, name) = (self.files.part(place as u32 + 1), self.files.name(head.kind));
        let Some(seat) = &mut self.seats[place] else { return refused("it has no part of this run") };
        (seat.heard, seat.moved) = (now, now);
        if seat.end.is_some() {
            return refused("its part has come to an end already");
        }
        let incoming = match seat.incoming.entry(head.kind) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => match begin(&folder, &name, head.kind) {
                Ok(incoming) => place.insert(incoming),
                Err(why) => return Answer::Refused { why },
            },
        };
        match incoming.take(head.at, bytes) {
            Ok(at) => {
                // What moves is waited for.
                if let Stage::Collecting { until } = &mut self.stage {
                    *until = (*until).max(now + MOVING);
                }
                Answer::Taken { at }
            }
            Err(why) => Answer::Refused { why },
        }
    }

    /// How a worker is.
    pub fn beat(&mut self, beat: Beat, now: Instant) {
        let Some(place) = self.place(&beat.worker) else { return };
        let name = self.name(place);
        let Some(seat) = &mut self.seats[place] else { return };
        (seat.heard, seat.missed) = (now, None);
        seat.second = beat.second.map(|second| Progress { so_far: beat.so_far, ..second }).or(seat.second.take());
        let has_ended = matches!(beat.state, State::Ended { .. });
        if has_ended && !matches!(seat.state, State::Ended { .. }) {
            seat.moved = now;
        }
        seat.state = beat.state;
        if let State::Ended { cut: Some(cut) } = &seat.state {
            let (by, why) = (cut.by.of_a_part(), words(&cut.why));
            self.fail(by, format!("{name}: {why}"), now);
        }
    }

    /// A worker that was asked is there.
    pub fn is_there(&mut self, worker: &Id, now: Instant) {
        if let Some(place) = self.place(worker)
            && let Some(seat) = &mut self.seats[place]
        {
            (seat.heard, seat.missed) = (now, None);
        }
    }

    /// Nobody listens where a worker should be.
    pub fn missed(&mut self, worker: &Id, now: Instant) {
        if let Some(place) = self.place(worker)
            && let Some(seat) = &mut self.seats[place]
        {
            seat.missed.get_or_insert(now);
        }
    }

    /// For a while nobody could be heard.
    pub fn excuse(&mut self, now: Instant) {
        for seat in self.seats.iter_mut().flatten() {
            (seat.heard, seat.missed) = (now, None);
            // What was on its way has had no chance to come.
            seat.moved = now;
        }
    }

    /// Workers from which nothing was heard since that time.
    pub fn silent(&self, since: Instant) -> impl Iterator<Item = &Id> {
        let seats = self.seats.iter().flatten();
        seats.filter(move |seat| seat.end.is_none() && seat.heard < since).map(|seat| &seat.worker)
    }

    /// Ends the run early; the first reason stays.
    pub fn fail(&mut self, by: EndedBy, why: String, now: Instant) {
        if self.trouble.is_none() {
            self.trouble = Some(Cut { why, by });
            self.stage = Stage::Collecting { until: now + STOPPED };
        }
    }

    /// Everything that time alone brings about. Without the broker, time says nothing of workers.
    pub fn tick(&mut self, now: Instant, is_broker_there: bool) {
        let overdue = if is_broker_there { self.overdue(now) } else { Vec::new() };
        for (place, why) in overdue {
            let name = self.name(place);
            if matches!(self.stage, Stage::Gathering { .. }) {
                self.remarks.push(format!("{name} {why}; its part waits for another worker"));
                self.seats[place] = None;
                continue;
            }
            self.end(place, End::Gone);
            self.fail(EndedBy::Elsewhere, format!("{name} {why}"), now);
        }
        match self.stage {
            Stage::Gathering { until } if self.seats.iter().all(Option::is_some) => {
                self.stage = Stage::Preparing { since: None, until };
            }
            Stage::Gathering { until } if now > until => {
                let (of, here) = (self.of(), self.seats.iter().flatten().count());
                let why = format!("of {of} workers only {here} came in time (--wait)");
                self.fail(EndedBy::Elsewhere, why, now);
            }
            Stage::Preparing { since: None, until } => {
                let any = self.seats.iter().flatten().any(|seat| seat.state == State::Ready);
                if any {
                    self.stage = Stage::Preparing { since: Some(now), until };
                }
            }
            Stage::Preparing { since: Some(since), .. } if now > since + READY => {
                let late =
                    self.seats.iter().position(|seat| seat.as_ref().is_some_and(|seat| seat.state != State::Ready));
                if let Some(place) = late {
                    let name = self.name(place);
                    let why = format!("{name} had not let its users in {READY:?} after the first worker had");
                    self.fail(EndedBy::Refusal, why, now);
                }
            }
            Stage::Going { until, .. } if now > until => {
                self.fail(EndedBy::Elsewhere, "the run did not come to an end".to_owned(), now);
            }
            _ => {}
        }
    }

    /// Workers that are there no more, or bring nothing.
    fn overdue(&self, now: Instant) -> Vec<(usize, String)> {
        let seats = self.seats.iter().enumerate().filter_map(|(place, seat)| Some((place, seat.as_ref()?)));
        let seats = seats.filter(|(_, seat)| seat.end.is_none());
        let why = |seat: &Seat| {
            let is_gone = seat.missed.is_some_and(|since| now >= since + MISSED) || now > seat.heard + SILENT;
            let is_stuck = matches!(seat.state, State::Ended { .. }) && now > seat.moved + STUCK;
            match (is_gone, is_stuck) {
                (true, _) => Some("was lost: nothing is heard of it any more".to_owned()),
                (_, true) => Some(format!("did not bring its part within {STUCK:?}")),
                _ => None,
            }
        };
        seats.filter_map(|(place, seat)| Some((place, why(seat)?))).collect()
    }

    /// Whether all are ready and wait for nothing but the word.
    pub fn may_go(&self) -> bool {
        matches!(self.stage, Stage::Preparing { .. })
            && self.seats.iter().all(|seat| seat.as_ref().is_some_and(|seat| seat.state == State::Ready))
    }

    /// The phases begin.
    pub fn go(&mut self, at: GoAt, now: Instant) {
        self.remarks.push(format!("all {} workers are ready; the phases begin at {}", self.of(), at.text));
        self.stage = Stage::Going { at, until: now + self.length + BEYOND };
    }

    /// How the run stands.
    pub fn notice(&self) -> Notice {
        match (&self.trouble, &self.stage) {
            (Some(trouble), _) => Notice::Stops { why: trouble.why.clone() },
            (None, Stage::Going { at, .. }) => Notice::Goes(at.clone()),
            (None, _) => Notice::Waits,
        }
    }

    /// The last second of each part that has one, by its number.
    pub fn seconds(&self) -> Vec<(u32, Progress)> {
        let seats = (1..).zip(&self.seats);
        seats.filter_map(|(number, seat)| Some((number, seat.as_ref()?.second.clone()?))).collect()
    }

    /// What it has come to, once nothing more is waited for.
    pub fn outcome(&self, now: Instant) -> Option<Outcome> {
        let ends: Vec<Option<End>> =
            self.seats.iter().map(|seat| seat.as_ref().map_or(Some(End::Gone), |seat| seat.end)).collect();
        let is_over = match self.stage {
            Stage::Collecting { until } => now > until || ends.iter().all(Option::is_some),
            Stage::Going { .. } | Stage::Again => ends.iter().all(|end| *end == Some(End::Delivered)),
            _ => false,
        };
        if !is_over {
            return None;
        }
        let numbered = (1..).zip(&ends);
        let delivered = numbered.filter(|(_, end)| **end == Some(End::Delivered)).map(|(number, _)| number).collect();
        Some(Outcome { delivered, trouble: self.trouble.clone() })
    }
}

/// A file of a part, in a folder that is made for it.
fn begin(folder: &Path, name: &str, kind: Kind) -> Result<Incoming, String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    Incoming::create(&folder.join(name), kind)
}

#[cfg(test)]
mod tests;

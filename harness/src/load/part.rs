//! One process's part of a run that several share.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use super::journal::{Journalist, Notebook, file_name};
use super::lead::{Go, Lead};
use super::share::Share;
use crate::clock;
use crate::record::{LoadPart, PartClock, Progress};
use crate::scenario::Loaded;
use crate::vocab::fnv::fnv1a;

/// Which part of a run is asked for, and when its phases begin.
#[derive(Clone, Debug)]
pub struct Order {
    pub share: Share,
    pub start: Start,
    /// Tells the run from others of the same files: the same in all of its parts.
    pub name: String,
}

/// When the phases of a part begin.
#[derive(Clone, Debug)]
pub enum Start {
    /// At a time that all parts were given; as it is written in the record, too.
    At(SystemTime, String),
    /// When somebody says so.
    Told(Arc<Lead>),
}

/// A part of a run; all of it, where nobody else has one.
pub(super) struct Part {
    pub(super) share: Share,
    told: Option<Told>,
}

struct Told {
    run: u32,
    /// When the phases begin, once that is known.
    go: OnceLock<Go>,
    lead: Option<Arc<Lead>>,
    journalist: Journalist,
    journal: String,
}

/// What the beginning of a part's phases depends on.
pub(super) enum Waits<'a> {
    /// Its own users.
    Own,
    /// The time, whether they are in or not.
    Until(Instant),
    /// All users of the run.
    For(&'a Lead),
}

impl Part {
    pub(super) fn whole() -> Self {
        Self { share: Share::WHOLE, told: None }
    }

    /// Begins a part; its journal is written into `folder`.
    pub(super) fn begin(order: &Order, loaded: &Loaded, folder: &Path) -> io::Result<Self> {
        let (go, lead) = match &order.start {
            Start::At(time, text) => (OnceLock::from(Go { clock: clock::Shared::at(*time), text: text.clone() }), None),
            Start::Told(lead) => (OnceLock::new(), Some(lead.clone())),
        };
        let journal = file_name(&loaded.scenario.name);
        let journalist = Journalist::start(&folder.join(&journal))?;
        let told = Told { run: run_of(loaded, order), go, lead, journalist, journal };
        Ok(Self { share: order.share, told: Some(told) })
    }

    /// What its phases wait for.
    pub(super) fn waits(&self) -> Waits<'_> {
        match &self.told {
            None => Waits::Own,
            Some(Told { lead: Some(lead), .. }) => Waits::For(lead),
            Some(told) => told.go.get().map_or(Waits::Own, |go| Waits::Until(go.clock.instant)),
        }
    }

    /// Takes note of when the phases begin.
    pub(super) fn goes(&self, go: Go) {
        if let Some(told) = &self.told {
            // Nobody says it twice.
            let _ = told.go.set(go);
        }
    }

    /// Returns why the run ends early, once whoever leads it says so.
    pub(super) async fn stopped(&self) -> String {
        match self.lead() {
            Some(lead) => lead.stopped().await,
            None => std::future::pending().await,
        }
    }

    /// Tells whoever leads of a second.
    pub(super) fn tell(&self, second: &Progress) {
        self.lead().into_iter().for_each(|lead| lead.tell(second));
    }

    fn lead(&self) -> Option<&Lead> {
        self.told.as_ref()?.lead.as_deref()
    }

    /// Tells this run's messages from those of others.
    pub(super) fn run(&self) -> u32 {
        self.told.as_ref().map_or_else(rand::random, |told| told.run)
    }

    /// What a worker notes for those who put the parts together.
    pub(super) fn notebook(&self) -> Notebook {
        self.told.as_ref().map_or_else(Notebook::default, |told| told.journalist.notebook())
    }

    /// Why the run ends when its phases begin and somebody is not in yet.
    pub(super) fn not_ready(&self) -> String {
        let go = self.told.as_ref().and_then(|told| told.go.get());
        let start = go.map_or("the time", |go| &go.text);
        format!(
            "{} had not let all of its users in at {start}, when the phases begin; let them begin later (`--start-at`), or let users \
             connect faster",
            self.share
        )
    }

    /// Ends the journal, and says what is to be recorded of the part.
    pub(super) async fn end(&self, elsewhere: u64, is_whole: bool) -> Option<LoadPart> {
        let told = self.told.as_ref()?;
        let outcome = told.journalist.end();
        // A part that has never begun has no clock to speak of, and one that was cut short is put together with none.
        let go = told.go.get();
        let led = match (&told.lead, go) {
            (Some(lead), Some(_)) if is_whole => lead.clocks().await,
            _ => None,
        };
        let clock = go.map(|go| PartClock {
            machine: go.clock.machine.clone(),
            monotonic: go.clock.monotonic,
            wall: go.clock.wall,
            within: go.clock.within,
            led,
        });
        Some(LoadPart {
            number: self.share.number(),
            of: self.share.of(),
            run: told.run,
            start: go.map(|go| go.text.clone()).unwrap_or_default(),
            clock: clock.unwrap_or_default(),
            elsewhere,
            journal: told.journal.clone(),
            journal_bytes: outcome.bytes,
            lacks: outcome.lacks,
        })
    }
}

/// The name of a run: a sum over all that its parts must have in common.
fn run_of(loaded: &Loaded, order: &Order) -> u32 {
    let scenario = &loaded.scenario;
    let rows: &Arc<_> = &loaded.scope().lists;
    let common = format!(
        "{}\0{}\0{:?}\0{}\0{}\0{}\0{rows:?}",
        env!("CARGO_PKG_VERSION"),
        loaded.source.text,
        loaded.vars,
        scenario.seed,
        order.name,
        order.share.of()
    );
    let sum = fnv1a(common.bytes());
    (sum ^ (sum >> 32)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, source::Source};

    fn run(overrides: &[(&str, &str)], seed: u64, share: &str, start: &str) -> u32 {
        let text = include_str!("../../../scenarios/fanout.toml").to_owned();
        let overrides: Vec<_> =
            overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let loaded = scenario::load(Source { name: "f".to_owned(), text }, &overrides, Some(seed)).unwrap();
        let share = Share::parse(share).unwrap();
        let start = (Start::At(SystemTime::UNIX_EPOCH, start.to_owned()), start.to_owned());
        run_of(&loaded, &Order { share, start: start.0, name: start.1 })
    }

    /// Parts of one run know each other's messages, and no others.
    #[test]
    fn the_name_of_a_run_is_that_of_all_its_parts() {
        let one = run(&[], 1, "1/3", "t");
        assert_eq!(one, run(&[], 1, "3/3", "t"));
        for other in [
            run(&[("people", "9")], 1, "1/3", "t"),
            run(&[], 2, "1/3", "t"),
            run(&[], 1, "1/4", "t"),
            run(&[], 1, "1/3", "u"),
        ] {
            assert_ne!(one, other);
        }
    }
}

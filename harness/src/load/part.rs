//! One process's part of a run that several share.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::journal::{Journalist, Notebook, file_name};
use super::share::Share;
use crate::clock;
use crate::record::{LoadPart, PartClock};
use crate::scenario::Loaded;
use crate::vocab::fnv::fnv1a;

/// Which part of a run is asked for, and when its phases begin.
#[derive(Clone, Debug)]
pub struct Order {
    pub share: Share,
    pub start: SystemTime,
    /// The same, as it is written in the record.
    pub text: String,
}

/// A part of a run; all of it, where nobody else has one.
pub(super) struct Part {
    pub(super) share: Share,
    /// When the phases begin, if that cannot wait for this process.
    pub(super) start: Option<Instant>,
    told: Option<Told>,
}

struct Told {
    text: String,
    run: u32,
    clock: clock::Shared,
    journalist: Journalist,
    journal: String,
}

impl Part {
    pub(super) fn whole() -> Self {
        Self { share: Share::WHOLE, start: None, told: None }
    }

    /// Begins a part; its journal is written into `folder`.
    pub(super) fn begin(order: &Order, loaded: &Loaded, folder: &Path) -> io::Result<Self> {
        let clock = clock::Shared::at(order.start);
        let journal = file_name(&loaded.scenario.name);
        let journalist = Journalist::start(&folder.join(&journal))?;
        let run = run_of(loaded, order);
        let start = Some(clock.instant);
        let told = Told { text: order.text.clone(), run, clock, journalist, journal };
        Ok(Self { share: order.share, start, told: Some(told) })
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
        let start = self.told.as_ref().map_or("", |told| &told.text);
        format!(
            "{} had not let all of its users in at {start}, when the phases begin; let them begin later (`--start-at`), or let users \
             connect faster",
            self.share
        )
    }

    /// Ends the journal, and says what is to be recorded of the part.
    pub(super) fn end(&self, elsewhere: u64) -> Option<LoadPart> {
        let told = self.told.as_ref()?;
        let outcome = told.journalist.end();
        let clock = &told.clock;
        Some(LoadPart {
            number: self.share.number(),
            of: self.share.of(),
            run: told.run,
            start: told.text.clone(),
            clock: PartClock {
                machine: clock.machine.clone(),
                monotonic: clock.monotonic,
                wall: clock.wall,
                within: clock.within,
            },
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
        order.text,
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
        run_of(&loaded, &Order { share, start: SystemTime::UNIX_EPOCH, text: start.to_owned() })
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

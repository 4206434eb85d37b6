//! Writing a journal: workers fill blocks, a thread of its own puts them on the disk.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use flate2::Crc;

use super::codec::{Last, encode};
use super::{Event, reader};
use crate::output;
use crate::vocab::lock::LockExt;

/// A block is handed over when it has so many bytes.
const BLOCK: usize = 64 * 1024;
/// Blocks that may wait for the disk: 32 MiB.
const WAITING: usize = 512;
/// A journal that grows beyond this ends, and with it the run's claim to be judged: 8 GiB.
const MOST: u64 = 8 << 30;

/// The first thing that went wrong; nothing is noted from there on.
#[derive(Clone, Debug, Default)]
struct Lack(Arc<Mutex<Option<String>>>);

impl Lack {
    fn note(&self, why: impl Into<String>) {
        self.0.lock_unpoisoned().get_or_insert_with(|| why.into());
    }

    fn why(&self) -> Option<String> {
        self.0.lock_unpoisoned().clone()
    }
}

/// Writes the journal of a part.
pub(in crate::load) struct Journalist {
    blocks: SyncSender<Option<Vec<u8>>>,
    lack: Lack,
    thread: Mutex<Option<JoinHandle<io::Result<Outcome>>>>,
}

/// What came of a journal.
#[derive(Clone, Debug, Default)]
pub(in crate::load) struct Outcome {
    pub(in crate::load) bytes: u64,
    pub(in crate::load) blocks: u64,
    /// Why it is not whole, if it is not.
    pub(in crate::load) lacks: Option<String>,
}

impl Journalist {
    /// Begins a journal at `path`.
    pub(in crate::load) fn start(path: &Path) -> io::Result<Self> {
        let file = output::create(path)?;
        let (blocks, receiver) = sync_channel(WAITING);
        let lack = Lack::default();
        let noted = lack.clone();
        let work = move || write(BufWriter::new(file), &receiver, &noted);
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(work)?;
        Ok(Self { blocks, lack, thread: Mutex::new(Some(thread)) })
    }

    /// What a worker writes into.
    pub(in crate::load) fn notebook(&self) -> Notebook {
        let page = Page { bytes: Vec::with_capacity(BLOCK + 64), last: Last::default(), blocks: self.blocks.clone() };
        Notebook { page: RefCell::new(Some(page)), lack: self.lack.clone() }
    }

    /// Ends the journal, once all notebooks have been closed.
    pub(in crate::load) fn end(&self) -> Outcome {
        let lacking = |why: String| Outcome { lacks: Some(why), ..Outcome::default() };
        // A writer that has failed takes nothing more, and says why when it is joined.
        let _ = self.blocks.send(None);
        let thread = self.thread.lock_unpoisoned().take();
        match thread.map(JoinHandle::join) {
            Some(Ok(Ok(outcome))) => outcome,
            Some(Ok(Err(error))) => lacking(format!("it could not be written: {error}")),
            Some(Err(_)) => lacking("its writer panicked".to_owned()),
            None => lacking("it had ended before".to_owned()),
        }
    }
}

fn write(mut file: BufWriter<File>, blocks: &Receiver<Option<Vec<u8>>>, lack: &Lack) -> io::Result<Outcome> {
    file.write_all(reader::MAGIC)?;
    let mut outcome = Outcome { bytes: reader::MAGIC.len() as u64, ..Outcome::default() };
    while let Ok(Some(block)) = blocks.recv() {
        if outcome.bytes + block.len() as u64 > MOST {
            lack.note(format!("it would be larger than {} GiB", MOST >> 30));
        }
        // What comes behind a hole is worth nothing, and the channel must not fill up.
        if lack.why().is_some() {
            continue;
        }
        let mut crc = Crc::new();
        crc.update(&block);
        file.write_all(&(block.len() as u32).to_le_bytes())?;
        file.write_all(&crc.sum().to_le_bytes())?;
        file.write_all(&block)?;
        // Whoever is killed leaves what it knew.
        file.flush()?;
        outcome.bytes += 8 + block.len() as u64;
        outcome.blocks += 1;
    }
    outcome.lacks = lack.why();
    if outcome.lacks.is_none() {
        file.write_all(&reader::END.to_le_bytes())?;
        file.write_all(&outcome.blocks.to_le_bytes())?;
        outcome.bytes += 12;
    }
    file.flush()?;
    Ok(outcome)
}

/// What one worker notes. Never waits: a disk that is too slow ends the journal, and not the load.
#[derive(Debug, Default)]
pub(in crate::load) struct Notebook {
    /// Nothing is noted if there is none.
    page: RefCell<Option<Page>>,
    lack: Lack,
}

#[derive(Debug)]
struct Page {
    bytes: Vec<u8>,
    last: Last,
    blocks: SyncSender<Option<Vec<u8>>>,
}

impl Notebook {
    /// Notes an event.
    #[inline]
    pub(in crate::load) fn note(&self, event: impl FnOnce() -> Event) {
        let mut page = self.page.borrow_mut();
        let Some(page) = &mut *page else { return };
        encode(&event(), &mut page.last, &mut page.bytes);
        if page.bytes.len() >= BLOCK {
            page.hand_over(&self.lack);
        }
    }

    /// Hands over what has been noted.
    pub(in crate::load) fn flush(&self) {
        if let Some(page) = &mut *self.page.borrow_mut() {
            page.hand_over(&self.lack);
        }
    }

    /// Nothing more will be noted.
    pub(in crate::load) fn close(&self) {
        self.flush();
        *self.page.borrow_mut() = None;
    }
}

impl Page {
    fn hand_over(&mut self, lack: &Lack) {
        self.last = Last::default();
        if self.bytes.is_empty() {
            return;
        }
        let block = std::mem::replace(&mut self.bytes, Vec::with_capacity(BLOCK + 64));
        // A writer that has failed takes nothing more, and says so itself.
        if let Err(TrySendError::Full(_)) = self.blocks.try_send(Some(block)) {
            lack.note("the disk did not keep up with it");
        }
    }
}

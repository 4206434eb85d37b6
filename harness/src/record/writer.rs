//! Writing a record line by line.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::entry::Entry;

/// Name of the event log inside a run's folder.
pub(super) const LOG: &str = "run.jsonl";

/// Appends entries to the record and keeps them for the report. Each line is on its way to the disk before
/// the next thing happens, so a run that is killed leaves what it knew.
pub struct Recorder {
    folder: PathBuf,
    file: File,
    entries: Vec<Entry>,
}

impl Recorder {
    /// Creates the folder and an empty record. An existing record is not overwritten.
    pub fn create(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = File::options().write(true).create_new(true).open(folder.join(LOG))?;
        Ok(Self { folder: folder.to_owned(), file, entries: Vec::new() })
    }

    /// Takes back a record in which nothing stands, and its folder if nothing else is in it.
    pub fn discard(self) {
        if self.entries.is_empty() {
            // What cannot be removed does no harm.
            let _ = fs::remove_file(self.folder.join(LOG));
            let _ = fs::remove_dir(&self.folder);
        }
    }

    /// The run's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds a line.
    pub fn add(&mut self, entry: Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.entries.push(entry);
        Ok(())
    }

    /// What has been written so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

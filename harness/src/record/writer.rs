//! Writing a record line by line.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::entry::Entry;
use crate::output;
use crate::secrets::hide;

/// Name of the event log inside a run's folder.
pub(super) const LOG: &str = "run.jsonl";

/// Appends entries to the record and keeps them for the report. Each line is on its way to the disk before
/// the next thing happens, so a run that is killed leaves what it knew.
pub struct Recorder {
    folder: PathBuf,
    file: File,
    entries: Vec<Entry>,
    /// The first thing that could not be written.
    unwritten: Option<String>,
}

impl Recorder {
    /// Creates the folder and an empty record. An existing record is not overwritten.
    pub fn create(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = output::options(&folder.join(LOG)).create_new(true).open(folder.join(LOG))?;
        Ok(Self { folder: folder.to_owned(), file, entries: Vec::new(), unwritten: None })
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

    /// Adds a line. A disk that is full takes nothing from what is known: the report shows it all the same, and
    /// [`unwritten`](Self::unwritten) says what is missing of the record.
    pub fn add(&mut self, entry: Entry) -> io::Result<()> {
        let mut line = serde_json::to_string(&entry)?;
        let mut entry = entry;
        if let Cow::Owned(hidden) = hide(&line) {
            // What is shown of it later has no secrets either.
            entry = serde_json::from_str(&hidden)?;
            line = hidden;
        }
        line.push('\n');
        if self.unwritten.is_none()
            && let Err(error) = self.file.write_all(line.as_bytes())
        {
            self.lacks(LOG, &error);
        }
        self.entries.push(entry);
        Ok(())
    }

    /// A file of the run could not be written.
    pub fn lacks(&mut self, file: &str, error: &io::Error) {
        self.unwritten.get_or_insert_with(|| format!("{}: {error}", self.folder.join(file).display()));
    }

    /// What could not be written, and why.
    pub fn unwritten(&self) -> Option<&str> {
        self.unwritten.as_deref()
    }

    /// What has been written so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Footer;

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_full_disk_does_not_take_is_known_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::create(folder.path()).unwrap();
        recorder.file = File::options().write(true).open("/dev/full").unwrap();
        let footer = Footer { complete: true, ended: String::new(), exit: 0, verdict: "PASSED".to_owned() };
        recorder.add(Entry::Footer(footer.clone())).unwrap();
        assert_eq!(recorder.entries(), [Entry::Footer(footer)]);
        assert!(recorder.unwritten().is_some_and(|what| what.contains("run.jsonl")));
    }

    #[test]
    fn a_record_is_not_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), folder.path().join(LOG)).unwrap();
        assert!(Recorder::create(folder.path()).is_err());
        assert!(!folder.path().join("elsewhere").exists());
    }
}

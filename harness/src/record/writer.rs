//! Writing a record line by line.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

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
        let (entry, mut line) = without_secrets(entry)?;
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

/// An entry as it may be shown, and its line. What it is made of stays: a secret may be a word that is also the name of
/// a count, and a count that went missing would be judged as nought.
fn without_secrets(entry: Entry) -> io::Result<(Entry, String)> {
    let line = serde_json::to_string(&entry)?;
    if let Cow::Borrowed(_) = hide(&line) {
        return Ok((entry, line));
    }
    let shown = hidden_in(serde_json::from_str(&line)?, &hide);
    let line = shown.to_string();
    // The word may even be one of the few that say what an entry is; then the line alone goes without it.
    Ok((serde_json::from_value(shown).unwrap_or(entry), line))
}

/// A value whose texts have been through `hide`; so have names that are not ours, as of events and of problems.
fn hidden_in(value: Value, hide: &impl Fn(&str) -> Cow<'_, str>) -> Value {
    let is_ours = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match value {
        Value::String(text) => Value::String(hide(&text).into_owned()),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| hidden_in(item, hide)).collect()),
        Value::Object(fields) => {
            let field = |(name, value): (String, Value)| {
                let name = if is_ours(&name) { name } else { hide(&name).into_owned() };
                (name, hidden_in(value, hide))
            };
            Value::Object(fields.into_iter().map(field).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Footer;

    #[test]
    fn a_secret_that_is_the_name_of_a_count_hides_no_count() {
        fn hide(text: &str) -> Cow<'_, str> {
            Cow::Owned(text.replace("duplicate", "[hidden]").replace("t-0k3n", "[hidden]"))
        }
        let load =
            serde_json::json!({"counts": {"duplicate": 3}, "problems": {"refused: t-0k3n": 1}, "why": "a duplicate"});
        let shown =
            serde_json::json!({"counts": {"duplicate": 3}, "problems": {"refused: [hidden]": 1}, "why": "a [hidden]"});
        assert_eq!(hidden_in(load, &hide), shown);
    }

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

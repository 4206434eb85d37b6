//! What a server knows of its life before: some faults show only when it is started again.

use std::fs;
use std::path::PathBuf;

/// A file that outlives the process.
pub(super) struct Lives {
    file: PathBuf,
    /// What the life before has written.
    before: Option<String>,
}

impl Lives {
    /// A life on a port begins. Who started it is part of the file's name, so that another's servers are strangers.
    pub(super) fn begin(port: u16) -> Self {
        let name = format!("sio-fault-{}-{port}", std::os::unix::process::parent_id());
        let lives = Self { file: std::env::temp_dir().join(name), before: None };
        let before = fs::read_to_string(&lives.file).ok();
        lives.write("running\n".to_owned());
        Self { before, ..lives }
    }

    /// It ends in good order. After a second life nothing is left.
    pub(super) fn end(&self) {
        if self.before.is_some() {
            // It may be gone already.
            let _ = fs::remove_file(&self.file);
        } else {
            self.add("ended");
        }
    }

    pub(super) fn remember(&self, sid: &str) {
        self.add(sid);
    }

    /// Whether the life before knew this session.
    pub(super) fn knew(&self, sid: &str) -> bool {
        self.before.as_ref().is_some_and(|before| before.lines().any(|line| line == sid))
    }

    pub(super) fn was_stopped(&self) -> bool {
        self.knew("ended")
    }

    pub(super) fn was_killed(&self) -> bool {
        self.before.is_some() && !self.was_stopped()
    }

    fn add(&self, line: &str) {
        let known = fs::read_to_string(&self.file).unwrap_or_default();
        self.write(format!("{known}{line}\n"));
    }

    /// A fault that cannot remember does not strike.
    fn write(&self, text: String) {
        let _ = fs::write(&self.file, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_knows_the_one_before() {
        // No server listens on it.
        const PORT: u16 = 1;
        let first = Lives::begin(PORT);
        assert!(!first.was_stopped() && !first.was_killed());
        first.remember("sid");
        let second = Lives::begin(PORT);
        assert!(second.was_killed() && !second.was_stopped() && second.knew("sid") && !second.knew("other"));
        second.end();
        let third = Lives::begin(PORT);
        third.end();
        let fourth = Lives::begin(PORT);
        assert!(fourth.was_stopped() && !fourth.was_killed());
        fourth.end();
        assert!(!fourth.file.exists());
    }
}

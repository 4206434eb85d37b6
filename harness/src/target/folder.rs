//! A folder for as long as something runs, readable by nobody else.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::watcher;

/// How the names of all of them begin.
const PREFIX: &str = "sio-bench-";
/// Processes that have been killed may write a moment longer.
const TRIES: usize = 100;
const AGAIN: Duration = Duration::from_millis(10);

/// Gone when this is dropped, and when the program is killed.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes one in the system's folder for such things.
    pub(super) fn make(what_for: &str) -> io::Result<Self> {
        let name = format!("{PREFIX}{what_for}-{:016x}", rand::random::<u64>());
        let path = std::path::absolute(std::env::temp_dir().join(name))?;
        // One that is there already is somebody else's.
        DirBuilder::new().mode(0o700).create(&path)?;
        watcher::watch_folder(&path);
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.0);
        watcher::forget_folder(&self.0);
    }
}

/// Removes such a folder, and no other.
#[expect(clippy::disallowed_methods, reason = "nothing tells when the last process of a database has ended")]
pub(super) fn remove(path: &Path) {
    let is_ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
    for _ in 0..TRIES {
        if !is_ours || std::fs::remove_dir_all(path).is_ok() || !path.exists() {
            return;
        }
        thread::sleep(AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_is_ones_own_and_goes() {
        let folder = Folder::make("test").unwrap();
        let path = folder.path().to_owned();
        std::fs::create_dir(path.join("deep")).unwrap();
        std::fs::write(path.join("deep/file"), "x").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn no_other_folder_is_removed() {
        let other = tempfile::tempdir().unwrap();
        remove(other.path());
        assert!(other.path().exists());
    }
}

//! Files that a command is to write: whether that can be done is known before anything is sent.

use std::fs::OpenOptions;
use std::path::Path;

/// Whether a file can be written; leaves no trace. The error says why not.
pub(super) fn writable(file: &Path) -> Result<(), String> {
    let is_new = !file.exists();
    let refused = |error: &dyn std::fmt::Display| format!("cannot write {}: {error}; nothing was sent", file.display());
    if file.is_dir() {
        return Err(refused(&"it is a folder"));
    }
    OpenOptions::new().append(true).create(true).open(file).map_err(|error| refused(&error))?;
    if is_new {
        // Empty, and ours.
        let _ = std::fs::remove_file(file);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (new, old) = (folder.path().join("new.html"), folder.path().join("old.html"));
        std::fs::write(&old, "kept").unwrap();
        assert_eq!((writable(&new), writable(&old)), (Ok(()), Ok(())));
        assert!(!new.exists() && std::fs::read_to_string(&old).unwrap() == "kept");
        assert!(writable(folder.path()).unwrap_err().contains("it is a folder"));
        assert!(writable(&folder.path().join("none/x.html")).unwrap_err().contains("nothing was sent"));
    }
}

//! Files that a command is to write: whether that can be done is known before anything is sent.

use std::fs::OpenOptions;
use std::path::Path;

/// Whether a file can be written; leaves no trace. The error says why not.
pub(super) fn writable(file: &Path) -> Result<(), String> {
    let is_new = !file.exists();
    if file.is_dir() {
        return Err(refused(file, "it is a folder"));
    }
    OpenOptions::new().append(true).create(true).open(file).map_err(|error| refused(file, error))?;
    if is_new {
        // Empty, and ours.
        let _ = std::fs::remove_file(file);
    }
    Ok(())
}

/// As [`writable`], for a file whose folder is made for it.
pub(super) fn writable_in_its_folder(file: &Path) -> Result<(), String> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| refused(file, error))?;
    }
    writable(file)
}

fn refused(file: &Path, why: impl std::fmt::Display) -> String {
    format!("cannot write {}: {why}; nothing was sent", file.display())
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
        assert_eq!(writable_in_its_folder(&folder.path().join("none/x.xml")), Ok(()));
        assert!(writable_in_its_folder(&old.join("x.xml")).unwrap_err().contains("nothing was sent"));
    }
}

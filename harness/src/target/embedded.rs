//! The files of `targets/` that are inside the program, for whoever has the program alone. They are unpacked below the user's caches, into a
//! folder that is named after what they are, so that two versions of the program do not share one.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{fs, io, process};

use crate::output;

/// Names below `targets/`, and contents.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/targets.rs"));

/// The folder with all targets, unpacked if it was not; nothing where it cannot be written.
pub(super) fn folder() -> Option<PathBuf> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let name = format!("targets-{}-{}", env!("CARGO_PKG_VERSION"), env!("SIO_BENCH_TARGETS_HASH"));
    FOLDER.get_or_init(|| unpacked(&output::cache().join(name)).ok()).clone()
}

/// All or nothing: who comes at the same time finds the whole folder or none.
fn unpacked(folder: &Path) -> io::Result<PathBuf> {
    if folder.is_dir() {
        return Ok(folder.to_owned());
    }
    let part = folder.with_extension(process::id().to_string());
    for (name, content) in FILES {
        let file = part.join(name);
        file.parent().map_or(Ok(()), fs::create_dir_all)?;
        output::write_bytes(&file, content)?;
    }
    match fs::rename(&part, folder) {
        Err(_) if folder.is_dir() => fs::remove_dir_all(&part)?,
        renamed => renamed?,
    }
    Ok(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in the repository is in the program: each manifest, and the files beside it.
    #[test]
    fn every_target_is_in_the_program() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets");
        let has = |name: &str| FILES.iter().any(|(file, _)| *file == name);
        for entry in fs::read_dir(&root).unwrap().map(Result::unwrap) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let manifest = entry.path().join("target.toml");
            assert_eq!(manifest.exists(), has(&format!("{name}/target.toml")), "{name}");
        }
        assert!(has("node/server.js") && has("node/package-lock.json") && has("CONTRACT.md"));
        assert!(!FILES.iter().any(|(file, _)| file.contains("node_modules") || file.contains("/target/")));
        let size: usize = FILES.iter().map(|(_, content)| content.len()).sum();
        assert!(size < 2 << 20, "{size}");
    }

    #[test]
    fn they_are_unpacked_once_and_whole() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("caches/targets-1");
        fs::create_dir_all(folder.parent().unwrap()).unwrap();
        assert_eq!(unpacked(&folder).unwrap(), folder);
        assert!(folder.join("node/target.toml").is_file() && folder.join("python").is_dir());
        // What was installed there stays.
        fs::write(folder.join("node/installed"), "x").unwrap();
        unpacked(&folder).unwrap();
        assert!(folder.join("node/installed").exists());
        assert_eq!(fs::read_dir(folder.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }
}

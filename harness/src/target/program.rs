//! Programs of the system that a target needs beside it.

use std::path::{Path, PathBuf};

use super::Error;

/// Finds a program, or says how to install it.
pub(super) fn find(name: &str, package: &str, what_for: &str) -> Result<PathBuf, Error> {
    find_also_in(Vec::new(), name, package, what_for)
}

/// The same for what may lie where nobody looks: in one of these folders, if it is not found elsewhere.
pub(super) fn find_also_in(folders: Vec<PathBuf>, name: &str, package: &str, what_for: &str) -> Result<PathBuf, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path).chain(folders).map(|folder| folder.join(name));
    files.find(|file| is_program(file)).ok_or_else(|| {
        Error::Unreachable(format!(
            "{what_for} needs the program {name}, which is not installed here\n  apt-get install {package}"
        ))
    })
}

fn is_program(file: &Path) -> bool {
    rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        assert!(find("sh", "dash", "a test").is_ok());
        let error = find("no-such-program", "redis-server", "a cluster").unwrap_err().to_string();
        assert!(error.contains("no-such-program") && error.contains("apt-get install redis-server"), "{error}");
    }
}

//! Writing files: without secrets, and never through a link that somebody else has put there.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::secrets::hide;

/// `/dev/stdout` and its like are links by nature, and root's.
const LINKS_OF_THE_SYSTEM: [&str; 2] = ["/dev", "/proc"];

/// How a file is opened that is to be written. A symbolic link in its place is not followed, and not replaced: that is an
/// error, which says so.
pub fn options(path: &Path) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    if !LINKS_OF_THE_SYSTEM.iter().any(|folder| path.starts_with(folder)) {
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    }
    options
}

/// Opens a file that is to be written from its beginning.
pub fn create(path: &Path) -> io::Result<File> {
    options(path).create(true).truncate(true).open(path).map_err(|error| explained(path, error))
}

/// Writes a text, without the secrets that are known.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    create(path)?.write_all(hide(text).as_bytes())
}

/// Writes what is nobody's secret: a copy of a file.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    create(path)?.write_all(bytes)
}

/// An error of opening, in the words of whoever has to mend it.
pub fn explained(path: &Path, error: io::Error) -> io::Error {
    if path.is_symlink() && error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return io::Error::new(
            error.kind(),
            "it is a symbolic link, which is not followed; remove it, or name its end",
        );
    }
    error
}

/// Where this user's caches are, for what cannot lie where it belongs.
pub fn cache() -> PathBuf {
    let given = std::env::var_os("XDG_CACHE_HOME").filter(|folder| Path::new(folder).is_absolute()).map(PathBuf::from);
    let usual = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    given.or_else(usual).unwrap_or_else(std::env::temp_dir).join("sio-bench")
}

/// A text as one word of a path, whatever is in it.
pub fn file_name(text: &str) -> String {
    const LONGEST: usize = 100;
    let is_bad = |c: char| matches!(c, '/' | '\\') || c.is_control();
    let name: String = text.chars().map(|c| if is_bad(c) { '-' } else { c }).take(LONGEST).collect();
    match name.strip_prefix('.') {
        Some(rest) => format!("-{rest}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (own, other) = (folder.path().join("own"), folder.path().join("other"));
        std::fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, &own).unwrap();
        let refused = write(&own, "x").unwrap_err().to_string();
        assert!(refused.contains("symbolic link"), "{refused}");
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "precious");
        std::fs::remove_file(&own).unwrap();
        std::os::unix::fs::symlink(folder.path().join("nothing"), &own).unwrap();
        assert!(write(&own, "x").is_err() && !folder.path().join("nothing").exists());
        assert!(write(Path::new("/dev/stderr"), "").is_ok());
    }

    #[test]
    fn no_text_leaves_its_folder() {
        for text in ["..", ".", "/etc/passwd", "../../x", "a\0b\nc", ".ssh", "", &"x".repeat(300)] {
            let name = file_name(text);
            let parts: Vec<_> = Path::new(&name).components().collect();
            let is_plain = matches!(parts[..], [] | [std::path::Component::Normal(_)]);
            assert!(is_plain && name.len() <= 100 && !name.contains(char::is_control), "{text:?}: {name:?}");
        }
        assert_eq!(file_name("emit a, b"), "emit a, b");
    }
}

//! Reading files, none without an end: `/dev/zero` is one as well.

use std::fs::File;
use std::io::{self, BufRead, Read as _};
use std::path::Path;

/// Longer texts are written by nobody.
const MOST_TEXT: u64 = 256 << 20;

/// The bytes of a file, unless there are more than so many; of what is no regular file, than of a text.
pub fn bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    let most = if file.metadata()?.is_file() { most } else { most.min(MOST_TEXT) };
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(too_long(most));
    }
    Ok(bytes)
}

/// The text of a file.
pub fn text(path: &Path) -> io::Result<String> {
    String::from_utf8(bytes(path, MOST_TEXT)?).map_err(io::Error::other)
}

/// Adds the next line, to its end if that is there, unless it is longer than any text; returns how much that was.
pub fn line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    let room = (MOST_TEXT + 1).saturating_sub(line.len() as u64);
    let read = reader.take(room).read_until(b'\n', line)?;
    if line.len() as u64 > MOST_TEXT { Err(too_long(MOST_TEXT)) } else { Ok(read) }
}

fn too_long(most: u64) -> io::Error {
    io::Error::other(format!("it is longer than {} MiB", most >> 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_refused() {
        let endless = Path::new("/dev/zero");
        assert!(text(endless).unwrap_err().to_string().contains("longer than 256 MiB"));
        let mut reader = io::BufReader::new(File::open(endless).unwrap());
        assert!(line(&mut reader, &mut Vec::new()).unwrap_err().to_string().contains("longer than 256 MiB"));
    }

    #[test]
    fn what_has_an_end_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a\nbc").unwrap();
        assert_eq!(text(file.path()).unwrap(), "a\nbc");
        assert!(bytes(file.path(), 3).is_err() && bytes(file.path(), 4).is_ok());
        let (mut reader, mut read) = (io::BufReader::new(File::open(file.path()).unwrap()), Vec::new());
        assert_eq!((line(&mut reader, &mut read).unwrap(), read.as_slice()), (2, &b"a\n"[..]));
        assert_eq!((line(&mut reader, &mut read).unwrap(), read.as_slice()), (2, &b"a\nbc"[..]));
        assert_eq!(line(&mut reader, &mut read).unwrap(), 0);
    }
}

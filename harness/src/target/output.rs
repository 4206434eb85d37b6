//! What a target writes: its standard output, of which one line counts, and its standard error, which is kept in a file.
//!
//! Both may be anything, in any amount: neither blocks or ends the target, fills the memory or the disk.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::process::ChildStdout;
use tokio::sync::oneshot;

use super::process::last_lines;
use crate::output;
use crate::secrets::hide;

/// A longer line does not say where a target listens.
const LONGEST_LINE: usize = 4 * 1024;
/// A longer standard error is begun anew.
const MOST_STDERR: u64 = 16 << 20;
/// How often its length is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Reads a standard output to its end, on a thread of its own: whatever this program is busy with, the target can write.
/// The receiver gets the port of the `LISTENING` line; it is closed when the output ends without one.
pub(super) fn listen(stdout: ChildStdout) -> io::Result<oneshot::Receiver<u16>> {
    // Blocking from here on.
    let mut stdout = File::from(stdout.into_owned_fd()?);
    let (found, port) = oneshot::channel();
    thread::Builder::new().name("target-stdout".to_owned()).spawn(move || {
        if let Some(port) = port_of(&mut stdout) {
            let _ = found.send(port);
        }
        // The end of the thread is the end of the target; whatever it was, nobody needs to know.
        let _ = io::copy(&mut stdout, &mut io::sink());
    })?;
    Ok(port)
}

/// The port in the first line that says one; `None` if there is none to the end.
fn port_of(stdout: &mut impl Read) -> Option<u16> {
    let mut buffer = vec![0; 64 * 1024];
    let mut line = Vec::new();
    loop {
        let length = match stdout.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => return None,
            Ok(length) => length,
        };
        for byte in &buffer[..length] {
            if *byte != b'\n' {
                // What is too long is no such line, however it goes on.
                line.extend((line.len() <= LONGEST_LINE).then_some(*byte));
                continue;
            }
            let port = str::from_utf8(&line).ok().and_then(|line| line.strip_prefix("LISTENING "));
            if let Some(port) = port.and_then(|port| port.trim().parse().ok()) {
                return Some(port);
            }
            line.clear();
        }
    }
}

/// Keeps the file of a standard error short; when it is dropped, nothing secret is left in it.
pub(super) struct Stderr {
    path: PathBuf,
    ended: Option<mpsc::Sender<()>>,
    guard: Option<JoinHandle<()>>,
}

impl Stderr {
    /// Opens the file, and looks after it from now on.
    pub(super) fn open(path: &Path) -> io::Result<(File, Self)> {
        let open = || output::options(path).create(true).append(true).open(path);
        let (file, own) = (open().map_err(|error| output::explained(path, error))?, open()?);
        let (ended, over) = mpsc::channel::<()>();
        let guard = thread::Builder::new().name("target-stderr".to_owned()).spawn(move || {
            while over.recv_timeout(LOOK) == Err(mpsc::RecvTimeoutError::Timeout) {
                if own.metadata().is_ok_and(|file| file.len() > MOST_STDERR) {
                    // The target appends: it goes on at the beginning.
                    let _ = own.set_len(0);
                }
            }
        })?;
        Ok((file, Self { path: path.to_owned(), ended: Some(ended), guard: Some(guard) }))
    }

    /// The end of what was written.
    pub(super) fn last_words(&self) -> String {
        const SHOWN: usize = 2_000;
        let text = fs::read(&self.path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        last_lines(&hide(&text), SHOWN)
    }
}

impl Drop for Stderr {
    fn drop(&mut self) {
        drop(self.ended.take());
        if let Some(guard) = self.guard.take() {
            let _ = guard.join();
        }
        let text = fs::read(&self.path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        if let Cow::Owned(hidden) = hide(&text) {
            // Another target may write to the file as well; what it writes in this moment is lost, as little as that is.
            let _ = output::write(&self.path, &hidden);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_found_in_whatever_else_is_said() {
        let rubbish =
            [&b"\xff\xfe\n"[..], &vec![b'x'; 300_000], b"\nLISTENING x\nLISTENING 99999\nLISTENING 4711\nmore"]
                .concat();
        assert_eq!(port_of(&mut rubbish.as_slice()), Some(4711));
        assert_eq!(port_of(&mut &vec![b'L'; 1_000_000][..]), None);
        let too_long = [b"LISTENING ".as_slice(), &[b' '; 5_000], b"4711\n"].concat();
        assert_eq!(port_of(&mut too_long.as_slice()), None);
    }

    #[test]
    fn a_standard_error_does_not_fill_the_disk() {
        use std::io::Write as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stderr");
        let (mut file, stderr) = Stderr::open(&path).unwrap();
        let part = vec![b'e'; 1 << 20];
        let deadline = crate::clock::now() + Duration::from_secs(20);
        let mut written = 0;
        // Until it has been begun anew.
        while fs::metadata(&path).unwrap().len() >= written && crate::clock::now() < deadline {
            written = fs::metadata(&path).unwrap().len();
            file.write_all(&part[..if written > MOST_STDERR { 0 } else { part.len() }]).unwrap();
        }
        file.write_all(b"the end").unwrap();
        assert!(fs::metadata(&path).unwrap().len() < MOST_STDERR);
        assert!(stderr.last_words().ends_with("the end"));
    }
}

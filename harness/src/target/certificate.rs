//! A certificate for a target that is to speak TLS, made when it is started.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{self, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::{Error, Launch};
use crate::client::{ConnectOptions, Tls};
use crate::output;
use crate::vocab::Trust;

/// Certificate and key, PEM. One for all starts of a program: clients that have learnt to trust it meet it again when a target
/// is started once more, and nodes of a fleet share the files.
static MADE: OnceLock<(String, String)> = OnceLock::new();

/// The option that asks for TLS, and the variables that tell a target where certificate and key are.
const ASKED: &str = "SIO_TLS";
const CERTIFICATE: &str = "SIO_TLS_CERT";
const KEY: &str = "SIO_TLS_KEY";

/// Whether the target is to be started with TLS.
pub(super) fn is_wanted(launch: &Launch) -> bool {
    launch.env.get(ASKED).is_some_and(|asked| asked == "1")
}

/// The file of a key; it is gone when this is dropped, since records are passed on.
pub(super) struct KeyFile(PathBuf);

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Makes a certificate for this machine beside the target's standard error. The target is told where it is; who talks to the
/// target takes this certificate and no other. The key must be there until the target listens.
pub(super) fn make(launch: &mut Launch) -> Result<KeyFile, Error> {
    let wrong = |what: &dyn std::fmt::Display| Error::Usage(format!("cannot make a certificate: {what}"));
    let (cert, key_pem) = made().map_err(|error| wrong(&error))?;
    // A target is started in its own folder, and is told of files from there.
    let file = |end: &str| -> Result<PathBuf, Error> {
        path::absolute(launch.stderr.with_extension(end)).map_err(|error| wrong(&error))
    };
    let (certificate, key) = (file("cert.pem")?, file("key.pem")?);
    let write = |path: &Path, text: &str, mode| {
        write(path, text, mode).map_err(|error| wrong(&format!("{}: {error}", path.display())))
    };
    write(&certificate, cert, 0o644)?;
    write(&key, key_pem, 0o600)?;
    launch.env.insert(CERTIFICATE.to_owned(), certificate.display().to_string());
    launch.env.insert(KEY.to_owned(), key.display().to_string());
    launch.manner =
        Arc::new(ConnectOptions { tls: Tls::new(Trust::File(certificate)), ..ConnectOptions::clone(&launch.manner) });
    Ok(KeyFile(key))
}

fn made() -> Result<&'static (String, String), rcgen::Error> {
    if let Some(made) = MADE.get() {
        return Ok(made);
    }
    let made = rcgen::generate_simple_self_signed(["localhost", "127.0.0.1"].map(str::to_owned))?;
    Ok(MADE.get_or_init(|| (made.cert.pem(), made.signing_key.serialize_pem())))
}

/// Not through what hides secrets: a word of it may stand in a key by chance.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    output::options(path).write(true).create(true).truncate(true).mode(mode).open(path)?.write_all(text.as_bytes())
}

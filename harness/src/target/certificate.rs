//! A certificate for a target that is to speak TLS, made when it is started.

use std::path::{self, Path, PathBuf};
use std::sync::Arc;

use super::{Error, Launch};
use crate::client::{ConnectOptions, Tls};
use crate::output;
use crate::vocab::Trust;

/// The option that asks for TLS, and the variables that tell a target where certificate and key are.
const ASKED: &str = "SIO_TLS";
const CERTIFICATE: &str = "SIO_TLS_CERT";
const KEY: &str = "SIO_TLS_KEY";

/// Whether the target is to be started with TLS.
pub(super) fn is_wanted(launch: &Launch) -> bool {
    launch.env.get(ASKED).is_some_and(|asked| asked == "1")
}

/// Makes a certificate for this machine beside the target's standard error. The target is told where it is; who talks to the
/// target takes this certificate and no other.
pub(super) fn make(launch: &mut Launch) -> Result<(), Error> {
    let wrong = |what: &dyn std::fmt::Display| Error::Usage(format!("cannot make a certificate: {what}"));
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| wrong(&error))?;
    // A target is started in its own folder, and is told of files from there.
    let file = |end: &str| -> Result<PathBuf, Error> {
        path::absolute(launch.stderr.with_extension(end)).map_err(|error| wrong(&error))
    };
    let (certificate, key) = (file("cert.pem")?, file("key.pem")?);
    let write = |path: &Path, text: String| {
        output::write(path, &text).map_err(|error| wrong(&format!("{}: {error}", path.display())))
    };
    write(&certificate, made.cert.pem())?;
    write(&key, made.signing_key.serialize_pem())?;
    launch.env.insert(CERTIFICATE.to_owned(), certificate.display().to_string());
    launch.env.insert(KEY.to_owned(), key.display().to_string());
    launch.manner =
        Arc::new(ConnectOptions { tls: Tls::new(Trust::File(certificate)), ..ConnectOptions::clone(&launch.manner) });
    Ok(())
}

//! The server under test: found, started, waited for, and stopped.

mod manifest;
mod probe;
mod process;

use std::path::PathBuf;

use crate::client::{Endpoint, Http};
use crate::record::TargetInfo;

pub use process::Child;

/// How servers are started.
pub struct Launch {
    /// Whether the fixture keeps its journal: it is for cases that read it, not for load.
    pub journal: bool,
    /// Where the server's standard error goes.
    pub stderr: PathBuf,
    /// The program that has `serve`; this one, unless said otherwise.
    pub program: Option<PathBuf>,
}

/// A server that answers.
pub struct Target {
    pub endpoint: Endpoint,
    pub http: Http,
    pub info: TargetInfo,
    /// The process, when sio-bench started it.
    pub child: Option<Child>,
}

/// Why there is no target.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line or a manifest is wrong: nothing was sent.
    #[error("{0}")]
    Usage(String),
    /// It cannot be reached, died, or speaks another protocol.
    #[error("{0}")]
    Unreachable(String),
}

/// Where the target comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The reference server, as a child process.
    Reference,
    /// A server that runs already.
    Url(String),
    /// A folder of `targets/`.
    Named(String),
}

impl Choice {
    /// What `--target` says, else what the scenario says, else the reference server.
    pub fn from(option: Option<&str>, scenario: Option<&str>) -> Self {
        match option.or(scenario) {
            None | Some("reference") => Self::Reference,
            Some(url) if url.contains("://") => Self::Url(url.to_owned()),
            Some(name) => Self::Named(name.to_owned()),
        }
    }
}

/// Starts the target if need be and waits until a handshake and a fence succeed.
pub async fn start(choice: &Choice, path: Option<&str>, launch: &Launch) -> Result<Target, Error> {
    let (name, url, version, child) = match choice {
        Choice::Url(url) => (url.clone(), url.clone(), None, None),
        Choice::Reference => {
            let (child, port) = process::start_reference(launch).await?;
            let version = Some(format!("sio-reference-server {}", env!("CARGO_PKG_VERSION")));
            ("reference".to_owned(), format!("http://127.0.0.1:{port}"), version, Some(child))
        }
        Choice::Named(name) => {
            let manifest = manifest::find(name)?;
            manifest.install().await?;
            let version = manifest.version().await;
            let (child, port) = process::start_manifest(&manifest, launch).await?;
            (name.clone(), format!("http://127.0.0.1:{port}"), version, Some(child))
        }
    };
    let endpoint = Endpoint::resolve(&url, path).await.map_err(Error::Usage)?;
    let http = crate::client::http_client();
    let fence = probe::check(&endpoint, &http).await?;
    let pid = child.as_ref().map(Child::pid);
    let info = TargetInfo { name, url: endpoint.url.clone(), version, pid, fence };
    Ok(Target { endpoint, http, info, child })
}

/// Names in `targets/`, for messages and lists.
pub fn names() -> Vec<String> {
    manifest::names()
}

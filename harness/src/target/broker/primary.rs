//! The primary of Node's cluster module: its workers are the nodes, and what they tell one another goes through it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::super::process::{self, Child};
use super::super::{Error, Kind, Prepared};
use super::lost;

/// A primary that sio-bench has started.
pub(in super::super) struct Primary {
    child: Option<Child>,
    pid: u32,
    port: u16,
    log: PathBuf,
}

impl Primary {
    /// Starts that of the nodes' target.
    pub(super) async fn start(nodes: &[Prepared], log: &Path) -> Result<Self, Error> {
        let named = nodes.iter().find_map(|node| match &node.kind {
            Kind::Manifest(manifest) => Some((manifest, manifest.primary()?)),
            _ => None,
        });
        let Some((manifest, command)) = named else {
            return Err(Error::Usage(
                "nothing starts the primary of the workers: `primary` in a target.toml says the command".to_owned(),
            ));
        };
        let (child, port) = process::start_primary(manifest, command, log).await?;
        Ok(Self { pid: child.pid(), child: Some(child), port, log: log.to_owned() })
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn lost(&mut self) -> Option<String> {
        lost("the primary", self.child.as_mut())
    }
}

impl Drop for Primary {
    fn drop(&mut self) {
        self.child = None;
        let _ = std::fs::remove_file(&self.log);
    }
}

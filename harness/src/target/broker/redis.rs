//! A Redis on a free port of this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::super::process::{Child, Frozen};
use super::super::{Error, program};
use super::{TRIES, begin, free_port, lost};

/// Where redis-server is; else how to install it.
pub(super) fn program() -> Result<PathBuf, Error> {
    program::find("redis-server", "redis-server", "a cluster over Redis")
}

/// A Redis that sio-bench has started.
pub(in super::super) struct Redis {
    program: PathBuf,
    port: u16,
    log: PathBuf,
    /// None while it is down.
    child: Option<Child>,
}

impl Redis {
    pub(super) async fn start(log: &Path) -> Result<Self, Error> {
        let program = program()?;
        let mut last = None;
        for _ in 0..TRIES {
            let mut redis = Self { program: program.clone(), port: free_port()?, log: log.to_owned(), child: None };
            match redis.up().await {
                Ok(()) => return Ok(redis),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::Unreachable("redis-server was not started".to_owned())))
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Starts it, with an empty memory.
    pub(super) async fn up(&mut self) -> Result<(), Error> {
        let mut command = Command::new(&self.program);
        let port = self.port.to_string();
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--loglevel", "warning", "--databases", "1"]).arg("--dir").arg(std::env::temp_dir());
        command.stdin(Stdio::null());
        let address = self.address();
        self.child = Some(begin("redis-server", command, &self.log, async || answers(address).await).await?);
        Ok(())
    }

    pub(super) async fn down(&mut self, kill: bool) {
        match self.child.take() {
            Some(child) if kill => child.kill().await,
            Some(child) => child.stop().await,
            None => {}
        }
    }

    pub(super) fn freeze(&self) -> Option<Frozen> {
        self.child.as_ref().map(|child| Frozen::new(child.pid()))
    }

    pub(super) fn lost(&mut self) -> Option<String> {
        lost("redis-server", self.child.as_mut())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Its log is for those who wait for it to start.
        self.child = None;
        let _ = std::fs::remove_file(&self.log);
    }
}

/// Whether a Redis answers there.
async fn answers(address: SocketAddr) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(answer == *b"+PONG")
    };
    asked.await.unwrap_or(false)
}

//! A broker of a run's own: a Redis on a free port of this machine, that keeps nothing and ends with the run.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::process::{self, Child, Frozen};
use super::{Error, helm, program};

/// Time from its start to its first answer.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Between two questions whether it answers.
const ASK: Duration = Duration::from_millis(10);
/// A port that was free may be somebody else's a moment later.
const TRIES: usize = 3;

/// A Redis that sio-bench has started.
pub(super) struct Redis {
    program: PathBuf,
    port: u16,
    log: PathBuf,
    /// None while it is down.
    child: Option<Child>,
}

impl Redis {
    /// Starts one and waits until it answers. What it says goes to `log`, which is gone afterwards.
    pub(super) async fn start(log: &Path) -> Result<Self, Error> {
        let program = program::find("redis-server", "redis-server", "a cluster over Redis")?;
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
        let mut child = process::begin("redis-server", command, &self.log, false)?;
        let answers = async {
            while !answers(self.address()).await {
                if child.ended().is_some() {
                    return Err(format!("redis-server ended at once\n{}", child.last_words()));
                }
                tokio::time::sleep(ASK).await;
            }
            Ok(())
        };
        match tokio::time::timeout(START_LIMIT, answers).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => return Err(Error::Unreachable(problem)),
            Err(_) => {
                let problem = format!("redis-server did not answer within {START_LIMIT:?}\n{}", child.last_words());
                return Err(Error::Unreachable(problem));
            }
        }
        self.child = Some(child);
        Ok(())
    }

    /// Ends it, without a word or as an operator would.
    pub(super) async fn down(&mut self, kill: bool) {
        match self.child.take() {
            Some(child) if kill => child.kill().await,
            Some(child) => child.stop().await,
            None => {}
        }
    }

    /// Stops it until what is returned is dropped; none while it is down.
    pub(super) fn freeze(&self) -> Option<Frozen> {
        self.child.as_ref().map(|child| Frozen::new(child.pid()))
    }

    /// Whether it has ended although nobody asked it to, and what it said last.
    pub(super) fn lost(&mut self) -> Option<String> {
        let child = self.child.as_mut()?;
        let status = child.ended()?;
        Some(format!("redis-server ended ({status})\n{}", child.last_words()))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Its log is for those who wait for it to start.
        self.child = None;
        let _ = std::fs::remove_file(&self.log);
    }
}

/// A port of the loopback interface that nobody listens on.
/// A port that is free again when the broker is started once more.
fn free_port() -> Result<u16, Error> {
    helm::free_port().ok_or_else(|| Error::Unreachable("there is no free port for a broker".to_owned()))
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

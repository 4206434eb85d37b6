//! A `PostgreSQL` on a free port of this machine, in a folder of its own.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::super::folder::Folder;
use super::super::process::{Child, Frozen, children, gone};
use super::super::{Error, program};
use super::{TRIES, begin, free_port, lost};
use crate::output;
use crate::secrets;

/// Where Debian has the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Who owns the databases of the system: the server refuses to run as root.
const OWNER: &str = "postgres";
const USER: &str = "sio_bench";
const DATABASE: &str = "postgres";
/// Making an empty database takes a second or two.
const MAKE_LIMIT: Duration = Duration::from_mins(1);
/// It keeps nothing, so it need not wait for a disk; each node has ten connections or so.
const SETTINGS: [&str; 9] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "shared_buffers=16MB",
    "max_connections=700",
    "log_min_messages=warning",
];

/// A `PostgreSQL` that sio-bench has started.
pub(in super::super) struct Postgres {
    program: PathBuf,
    owner: Option<Owner>,
    port: u16,
    password: String,
    log: PathBuf,
    /// None while it is down.
    child: Option<Child>,
    folder: Folder,
}

/// Whom the processes and files belong to.
#[derive(Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

impl Postgres {
    pub(super) async fn start(log: &Path) -> Result<Self, Error> {
        let find = |name| program::find_also_in(folders(), name, "postgresql", "a cluster over PostgreSQL");
        let (make, program) = (find("initdb")?, find("postgres")?);
        let folder = Folder::make("postgres").map_err(|error| cannot(&error))?;
        let owner = if is_roots(folder.path()) { Some(owner()?) } else { None };
        // Whoever is on this machine could become this user otherwise.
        let password = format!("{:032x}", rand::random::<u128>());
        secrets::learn_certain(&password);
        let mut postgres = Self { program, owner, port: 0, password, log: log.to_owned(), child: None, folder };
        postgres.make(&make).await?;
        let mut last = None;
        for _ in 0..TRIES {
            postgres.port = free_port()?;
            match postgres.up().await {
                Ok(()) => return Ok(postgres),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::Unreachable("postgres was not started".to_owned())))
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    pub(super) fn at(&self, address: &str) -> String {
        format!("{USER}:{}@{address}/{DATABASE}", self.password)
    }

    /// An empty database in the folder.
    async fn make(&self, program: &Path) -> Result<(), Error> {
        let told = self.folder.path().join("password");
        let mut file =
            output::options(&told).create_new(true).mode(0o600).open(&told).map_err(|error| cannot(&error))?;
        file.write_all(self.password.as_bytes()).map_err(|error| cannot(&error))?;
        for path in [self.folder.path(), &told] {
            self.give(path)?;
        }
        let mut command = self.command(program);
        command.arg("--pgdata").arg(self.data()).arg("--pwfile").arg(&told);
        command.args(["--username", USER, "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"]);
        // The smallest there is: it keeps little.
        let made = command.arg("--wal-segsize=1").stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let made = tokio::time::timeout(MAKE_LIMIT, made.output()).await;
        let _ = std::fs::remove_file(&told);
        match made {
            Ok(Ok(output)) if output.status.success() => Ok(()),
            Ok(Ok(output)) => {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                Err(Error::Unreachable(format!("initdb failed ({})\n{said}", output.status)))
            }
            Ok(Err(error)) => Err(Error::Unreachable(format!("initdb did not start: {error}"))),
            Err(_) => Err(Error::Unreachable(format!("initdb took more than {MAKE_LIMIT:?}"))),
        }
    }

    /// Starts it. What was in its tables is there again; what was to be told is not.
    pub(super) async fn up(&mut self) -> Result<(), Error> {
        let mut command = self.command(&self.program);
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let address = self.address();
        self.child = Some(begin("postgres", command, &self.log, async || answers(address).await).await?);
        Ok(())
    }

    /// Killed with all that serve its clients, or told to turn them out and end.
    pub(super) async fn down(&mut self, kill: bool) {
        let Some(child) = self.child.take() else { return };
        let servants = children(child.pid());
        if kill {
            child.kill().await;
        } else {
            child.stop_by(Signal::SIGINT).await;
        }
        // As long as one of them lives, it does not start again.
        gone(&servants).await;
    }

    pub(super) fn freeze(&self) -> Option<Frozen> {
        self.child.as_ref().map(|child| Frozen::with_children(child.pid()))
    }

    pub(super) fn lost(&mut self) -> Option<String> {
        lost("postgres", self.child.as_mut())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn give(&self, path: &Path) -> Result<(), Error> {
        let Some(owner) = self.owner else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(owner.user), Some(owner.group)).map_err(|error| cannot(&error))
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        if let Some(owner) = self.owner {
            command.uid(owner.user).gid(owner.group);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.child = None;
        let _ = std::fs::remove_file(&self.log);
    }
}

fn cannot(error: &dyn std::fmt::Display) -> Error {
    Error::Unreachable(format!("there is no folder for a database: {error}"))
}

/// Where the programs of each version are, the newest first.
fn folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let mut versions: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    versions.iter().map(|version| Path::new(VERSIONS).join(version.to_string()).join("bin")).collect()
}

/// Whether root has made it: then this program is root's.
fn is_roots(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.uid() == 0)
}

/// The user that comes with the package.
fn owner() -> Result<Owner, Error> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    users.lines().find_map(owner_in).ok_or_else(|| {
        let problem = format!("PostgreSQL does not run as root, and there is no user {OWNER} that it could run as");
        Error::Unreachable(format!("{problem}\n  apt-get install postgresql"))
    })
}

fn owner_in(line: &str) -> Option<Owner> {
    let mut fields = line.split(':');
    let is_meant = fields.next() == Some(OWNER);
    let (user, group) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
    is_meant.then_some(Owner { user, group })
}

/// Whether it asks for a password there, which it does only when it serves.
async fn answers(address: SocketAddr) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&hello()).await?;
        Ok::<_, std::io::Error>(stream.read_u8().await? == b'R')
    };
    asked.await.unwrap_or(false)
}

/// The first message of a client: its length, the version of the protocol, who it is and what it wants.
fn hello() -> Vec<u8> {
    let fields = format!("user\0{USER}\0database\0{DATABASE}\0\0");
    let length = (fields.len() + 8) as u32;
    [&length.to_be_bytes()[..], &[0, 3, 0, 0], fields.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_the_package_is_found() {
        let owner = owner_in("postgres:x:103:105:PostgreSQL:/var/lib/postgresql:/bin/bash").unwrap();
        assert_eq!((owner.user, owner.group), (103, 105));
        assert!(owner_in("postgres2:x:1:2::/:/bin/sh").is_none() && owner_in("postgres").is_none());
    }

    #[test]
    fn a_client_says_hello() {
        let hello = hello();
        assert_eq!(hello[..8], [0, 0, 0, hello.len() as u8, 0, 3, 0, 0]);
        assert!(hello.ends_with(b"database\0postgres\0\0"));
    }
}

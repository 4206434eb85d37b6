//! Ordinary applications on Node's socket.io (`tests/apps`): a stranger's system, not our fixture.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::{has_node, targets};

/// Where a program listens, as it says on its standard output.
pub fn port_of(child: &mut Child, name: &str) -> u16 {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| line.unwrap().strip_prefix("LISTENING ")?.trim().parse().ok());
    // Whatever else it prints must not fill the pipe.
    std::thread::spawn(move || lines.map_while(Result::ok).count());
    port.unwrap_or_else(|| panic!("{name} did not listen"))
}

/// An application, for as long as this lives.
pub struct App {
    child: Child,
    port: u16,
}

impl App {
    /// Starts `tests/apps/NAME.js` with these variables in its environment; `None` where Node is missing, which is said.
    pub fn start(name: &str, env: &[(&str, &str)]) -> Option<Self> {
        if !has_node() {
            return None;
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps");
        let mut child = Command::new("node")
            .arg(format!("{name}.js"))
            .current_dir(folder)
            .env("NODE_PATH", modules())
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let port = port_of(&mut child, name);
        Some(Self { child, port })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the application itself has counted.
    pub fn stats(&self) -> Value {
        self.ask("GET /stats HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
    }

    /// Logs in to `office.js`; returns the token.
    pub fn login(&self, user: &str) -> String {
        let body = format!(r#"{{"user":"{user}","password":"secret"}}"#);
        let head = format!("POST /login HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: {}", body.len());
        self.ask(&format!("{head}\r\n\r\n{body}"))["token"].as_str().unwrap().to_owned()
    }

    /// One HTTP request, and the JSON that it is answered with.
    fn ask(&self, request: &str) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where `socket.io` is: what the target `node` has installed, or would.
pub fn modules() -> PathBuf {
    let folder = targets().join("node").canonicalize().unwrap();
    let modules = folder.join("node_modules");
    // The same lock as the program takes: of two that find nothing, one installs and the other waits.
    let lock = std::fs::File::create(folder.join(".install.lock")).unwrap();
    lock.lock().unwrap();
    if !modules.join("@socket.io/sticky/package.json").exists() {
        let done = Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    modules
}

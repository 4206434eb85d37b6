//! A Redis, nodes of both kinds on it, and clients of either.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value as Json, json};
use sio_reference_server::{Options, Redis, Server, fixture};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// One installation of packages at a time.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Whether something is there. CI installs everything, so there it is a failure if not.
fn have(what: &str, command: &str) -> bool {
    let found = StdCommand::new(command).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{what} is missing; scripts/test-machine.sh installs it");
        println!("{what} is not installed: left out");
    }
    found
}

pub(crate) async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("no {what} in time"))
}

/// A Redis on a port of its own, without anything on disk.
pub(crate) struct Broker {
    process: Option<Child>,
    port: u16,
}

impl Broker {
    /// `None` where there is no redis-server.
    pub(crate) async fn start() -> Option<Self> {
        if !have("redis-server", "redis-server") {
            return None;
        }
        let port = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut broker = Self { process: None, port };
        broker.restart().await;
        Some(broker)
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    pub(crate) async fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().await.unwrap();
    }

    /// It stands still, and goes on.
    pub(crate) fn stop(&self, stop: bool) {
        let process = self.process.as_ref().and_then(Child::id).unwrap();
        let signal = if stop { Signal::SIGSTOP } else { Signal::SIGCONT };
        kill(Pid::from_raw(process as i32), signal).unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        let port = self.port.to_string();
        let arguments = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let mut command = Command::new("redis-server");
        command.args(arguments).stdout(Stdio::piped()).stdin(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        soon("Redis", async {
            while !lines.next_line().await.unwrap().unwrap().contains("eady to accept connections") {}
        })
        .await;
        // What it says from now on must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.process = Some(process);
    }

    /// A connection for looking at what is said.
    pub(crate) async fn client(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url("redis")).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    pub(crate) async fn publish(&self, channel: &str, body: &[u8]) {
        redis::cmd("PUBLISH").arg(channel).arg(body).exec_async(&mut self.client().await).await.unwrap();
    }

    pub(crate) async fn nodes(&self, channel: &str) -> u64 {
        let mut command = redis::cmd("PUBSUB");
        command.arg("NUMSUB").arg(channel);
        let answer: (String, u64) = command.query_async(&mut self.client().await).await.unwrap();
        answer.1
    }
}

/// A server with the fixture.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) io: Option<Server>,
    pub(crate) redis: Option<Redis>,
    /// Of Node.js.
    process: Option<Child>,
}

impl Node {
    pub(crate) async fn reference(label: &str, url: &str) -> Self {
        Self::with(label, Redis::by_scheme(url).unwrap(), Options::default()).await
    }

    pub(crate) async fn with(label: &str, redis: Redis, options: Options) -> Self {
        let adapter = redis.clone().into();
        Self::with_options(label, redis, Options { adapter, ..options }).await
    }

    pub(crate) async fn with_options(label: &str, redis: Redis, options: Options) -> Self {
        let io = Server::new(options);
        fixture::install(&io, &fixture::Config { node: label.to_owned(), journal: true });
        let listener = io.listen("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr();
        tokio::spawn(listener.run());
        assert!(redis.ready(Duration::from_secs(10)).await, "the broker does not answer");
        Self { address, io: Some(io), redis: Some(redis), process: None }
    }

    /// `None` where there is no Node.js.
    pub(crate) async fn javascript(label: &str, url: &str, more: &[(&str, &str)]) -> Option<Self> {
        let folder = javascript()?;
        let mut command = Command::new("node");
        command.arg("server.js").current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        command.envs([("PORT", "0"), ("SIO_NODE", label), ("SIO_ADAPTER", url)]).envs(more.iter().copied());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = soon("node of Node.js", async {
            loop {
                let line = lines.next_line().await.unwrap().unwrap();
                if let Some(port) = line.strip_prefix("LISTENING ") {
                    return port.trim().parse::<u16>().unwrap();
                }
            }
        })
        .await;
        Some(Self { address: (Ipv4Addr::LOCALHOST, port).into(), io: None, redis: None, process: Some(process) })
    }

    pub(crate) async fn kill(mut self) {
        self.process.take().unwrap().kill().await.unwrap();
    }

    pub(crate) async fn connect(&self) -> Client {
        self.connect_to("/").await
    }

    pub(crate) async fn connect_to(&self, nsp: &str) -> Client {
        Client::new(self.address, nsp, "").await
    }
}

/// Where Node's fixture is, with its packages.
pub(crate) fn javascript() -> Option<PathBuf> {
    if !have("Node.js", "node") || !have("npm", "npm") {
        return None;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../targets/node");
    let _one = INSTALLING.lock().unwrap();
    if !folder.join("node_modules/@socket.io/redis-streams-adapter").exists() {
        let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        let status = StdCommand::new("npm").args(install).current_dir(&folder).status().unwrap();
        assert!(status.success(), "npm ci failed in {}", folder.display());
    }
    Some(folder)
}

/// A client over WebSocket.
pub(crate) struct Client {
    ws: WebSocketStream<TcpStream>,
    prefix: String,
    pub(crate) sid: String,
    pub(crate) pid: String,
    next: u64,
    seen: VecDeque<Json>,
    answers: Vec<(u64, Json)>,
    /// What came ahead of the confirmation.
    pub(crate) early: Vec<Json>,
    /// Acknowledges each question with this.
    pub(crate) answer: Option<Json>,
}

impl Client {
    pub(crate) async fn new(address: SocketAddr, nsp: &str, auth: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let (ws, _) = client_async(url, stream).await.unwrap();
        let prefix = if nsp == "/" { String::new() } else { format!("{nsp},") };
        let mut client = Self {
            ws,
            prefix,
            sid: String::new(),
            pid: String::new(),
            next: 0,
            seen: VecDeque::new(),
            answers: Vec::new(),
            early: Vec::new(),
            answer: None,
        };
        client.text().await; // open
        client.send(format!("40{}{auth}", client.prefix)).await;
        let confirmation = format!("40{}", client.prefix);
        let connected = loop {
            let text = client.text().await;
            if let Some(rest) = text.strip_prefix(&confirmation) {
                break serde_json::from_str::<Json>(rest).unwrap();
            }
            client.take(&text);
        };
        client.early.extend(client.seen.drain(..));
        client.sid = connected["sid"].as_str().unwrap().to_owned();
        client.pid = connected["pid"].as_str().unwrap_or_default().to_owned();
        client
    }

    async fn send(&mut self, text: impl Into<String>) {
        self.ws.send(Message::text(text.into())).await.unwrap();
    }

    /// The next text; bytes are only counted.
    async fn text(&mut self) -> String {
        loop {
            match soon("packet", self.ws.next()).await.unwrap().unwrap() {
                Message::Text(text) if text == "2" => self.send("3").await,
                Message::Text(text) => return text.to_string(),
                Message::Binary(bytes) => self.seen.push_back(json!({ "bytes": bytes.to_vec() })),
                _ => {}
            }
        }
    }

    /// Sorts a packet in; an event is answered if that is asked for.
    fn take(&mut self, text: &str) -> Option<String> {
        let (kind, rest) = text.split_at(2.min(text.len()));
        let rest = rest.trim_start_matches(|sign: char| kind == "45" && (sign.is_ascii_digit() || sign == '-'));
        let rest = rest.strip_prefix(self.prefix.as_str()).unwrap_or(rest);
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (id, json) = rest.split_at(digits);
        let json = serde_json::from_str(json).unwrap_or(Json::Null);
        match kind {
            "42" | "45" => {
                self.seen.push_back(json);
                let answer = self.answer.as_ref().filter(|_| !id.is_empty())?;
                Some(format!("43{}{id}[{answer}]", self.prefix))
            }
            "43" => {
                self.answers.push((id.parse().unwrap(), json));
                None
            }
            "41" => {
                self.seen.push_back(json!("disconnected"));
                None
            }
            _ => None,
        }
    }

    async fn step(&mut self) {
        let text = self.text().await;
        if let Some(answer) = self.take(&text) {
            self.send(answer).await;
        }
    }

    pub(crate) async fn emit(&mut self, event: &str, args: Json) {
        let mut packet = vec![json!(event)];
        packet.extend(args.as_array().unwrap().iter().cloned());
        self.send(format!("42{}{}", self.prefix, Json::Array(packet))).await;
    }

    /// Sends something without waiting for the answer; [`answer_to`](Self::answer_to) does.
    pub(crate) async fn ask(&mut self, event: &str, args: Json) -> u64 {
        self.next += 1;
        let mut packet = vec![json!(event)];
        packet.extend(args.as_array().unwrap().iter().cloned());
        self.send(format!("42{}{}{}", self.prefix, self.next, Json::Array(packet))).await;
        self.next
    }

    pub(crate) async fn answer_to(&mut self, id: u64) -> Json {
        loop {
            if let Some(found) = self.answers.iter().position(|(answered, _)| *answered == id) {
                return self.answers.swap_remove(found).1[0].take();
            }
            self.step().await;
        }
    }

    /// The answer of the fixture.
    pub(crate) async fn call(&mut self, event: &str, args: Json) -> Json {
        let id = self.ask(event, args).await;
        self.answer_to(id).await
    }

    /// The next event that is not the fixture's greeting.
    pub(crate) async fn event(&mut self) -> Json {
        loop {
            match self.seen.pop_front() {
                Some(event) if event[0] == "auth" => {}
                Some(event) => return event,
                None => self.step().await,
            }
        }
    }

    /// The next event, whatever it is.
    pub(crate) async fn raw_event(&mut self) -> Json {
        while self.seen.is_empty() {
            self.step().await;
        }
        self.seen.pop_front().unwrap()
    }

    /// What has come so far is of no interest.
    pub(crate) fn forget(&mut self) {
        self.seen.clear();
    }

    /// Closes without a word; what comes from now on is not read.
    pub(crate) async fn cut(&mut self) {
        self.ws.get_mut().shutdown().await.unwrap();
    }

    /// The events until this one comes, without it.
    pub(crate) async fn until(&mut self, name: &str) -> Vec<Json> {
        let mut events = Vec::new();
        loop {
            let event = self.event().await;
            if event[0] == name {
                return events;
            }
            events.push(event);
        }
    }

    /// Calls the fixture with an argument of bytes.
    pub(crate) async fn binary(&mut self, packet: &Json, bytes: &[u8]) {
        self.next += 1;
        self.send(format!("451-{}{}{packet}", self.prefix, self.next)).await;
        self.ws.send(Message::binary(bytes.to_vec())).await.unwrap();
        let id = self.next;
        self.answer_to(id).await;
    }
}

/// What `from` has emitted has come everywhere. What came ahead of that: to `from`, and to each of the others.
pub(crate) async fn fence(from: &mut Client, to: &mut [&mut Client]) -> Vec<Vec<Json>> {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let name = format!("fence-{}", NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    from.call("emit", json!([{ "event": name }])).await;
    let mut all = vec![from.until(&name).await];
    for client in to {
        all.push(client.until(&name).await);
    }
    all
}

//! One peer holds at most 8 MiB beyond one message and delays the others by at most 20 ms. Measured from outside on a
//! server of its own: its resident memory, its open files, the echoes of another client. Each limit has a margin of a factor
//! of three, as these are debug builds on busy machines.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use sio_protocol::Packet;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

const MIB: usize = 1024 * 1024;
/// Three times what one peer may hold.
const HELD: usize = 3 * 9 * MIB;
/// Three times what one peer may delay the others; twice that in a debug build, which takes ten times as long.
const DELAY: Duration = Duration::from_millis(if cfg!(debug_assertions) { 120 } else { 60 });

struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sio-reference-server"))
            .args(["--port", "0", "--journal", "false"])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = format!("127.0.0.1:{}", line.trim().strip_prefix("LISTENING ").unwrap());
        Self { child, address }
    }

    /// Resident memory in bytes.
    fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// A client's socket with small buffers, so that the server's end is full soon.
    async fn connect(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(self.address.parse().unwrap()).await.unwrap()
    }

    async fn websocket(&self, query: &str) -> WebSocketStream<TcpStream> {
        let url = format!("ws://{}/socket.io/?transport=websocket&{query}", self.address);
        client_async(url, self.connect().await).await.unwrap().0
    }

    async fn joined(&self) -> WebSocketStream<TcpStream> {
        let mut ws = self.websocket("EIO=4").await;
        ws.send(Message::text("40")).await.unwrap();
        for _ in 0..3 {
            ws.next().await.unwrap().unwrap();
        }
        ws
    }

    /// The body of an answer to a request on a connection of its own.
    async fn http(&self, method: &str, sid: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let head = format!(
            "{method} /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    async fn polling(&self) -> String {
        self.http("GET", "", "").await.split('"').nth(3).unwrap().to_owned()
    }

    /// How long the echoes of an innocent client take until the future is over, and for twenty of them at least: all
    /// but the slowest tenth.
    async fn echoes_while(&self, trouble: impl Future<Output = ()>) -> Duration {
        let mut ws = self.joined().await;
        let mut times = Vec::new();
        let over = std::cell::Cell::new(false);
        let echo = async {
            while !over.get() || times.len() < 20 {
                let begin = now();
                ws.send(Message::text("421[\"message-with-ack\"]")).await.unwrap();
                ws.next().await.unwrap().unwrap();
                times.push(begin.elapsed());
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::join!(echo, async {
            trouble.await;
            over.set(true);
        });
        times.sort_unstable();
        times[times.len() * 9 / 10]
    }

    /// One peer's trouble: what it makes the server hold, and how much it delays the others beyond what the machine does.
    async fn bears(&self, what: &str, trouble: impl Future<Output = ()>) {
        self.bears_beyond(0, what, trouble).await;
    }

    /// The same, where so many bytes more may be held.
    async fn bears_beyond(&self, more: usize, what: &str, trouble: impl Future<Output = ()>) {
        let quiet = self.echoes_while(tokio::time::sleep(Duration::from_millis(500))).await;
        let before = self.resident();
        let delayed = self.echoes_while(trouble).await;
        let held = self.resident().saturating_sub(before);
        println!("{what}: {} KiB held, others wait {delayed:?} ({quiet:?} on a quiet server)", held / 1024);
        assert!(held <= HELD + more, "{what}: {} KiB are held", held / 1024);
        assert!(delayed <= DELAY + 3 * quiet, "{what}: echoes take {delayed:?}, and {quiet:?} on a quiet server");
    }
}

#[expect(clippy::disallowed_methods, reason = "tests measure")]
fn now() -> Instant {
    Instant::now()
}

/// Writes the same bytes for so long, or until nothing more is taken, or the server has enough.
async fn pour(stream: &mut TcpStream, bytes: &[u8], time: Duration) {
    let until = now() + time;
    while now() < until {
        match tokio::time::timeout(time, stream.write_all(bytes)).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
}

/// A masked frame with a mask of zeros.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let (short, long) = match length {
        0..126 => (length as u8, Vec::new()),
        126..=0xFFFF => (126, (length as u16).to_be_bytes().to_vec()),
        _ => (127, (length as u64).to_be_bytes().to_vec()),
    };
    [&[0x80 | opcode, 0x80 | short][..], &long, &[0; 4], payload].concat()
}

const LONG: Duration = Duration::from_secs(3);

#[tokio::test]
async fn pings_whose_pongs_nobody_reads() {
    let server = Server::start(&[]);
    let mut ws = server.joined().await;
    let pings = frame(9, &[b'x'; 100]).repeat(500);
    server.bears("WebSocket pings", pour(ws.get_mut(), &pings, LONG)).await;
}

#[tokio::test]
async fn pings_of_engine_io_3_whose_pongs_nobody_reads() {
    let server = Server::start(&["--eio3"]);
    let mut ws = server.websocket("EIO=3").await;
    server.bears("Engine.IO pings", pour(ws.get_mut(), &frame(1, b"2").repeat(5_000), LONG)).await;
}

#[tokio::test]
async fn small_answers_that_nobody_reads() {
    let server = Server::start(&[]);
    let mut ws = server.joined().await;
    let events = frame(1, b"421[\"message-with-ack\"]").repeat(1_000);
    server.bears("small answers", pour(ws.get_mut(), &events, LONG)).await;
}

#[tokio::test]
async fn small_answers_that_nobody_fetches() {
    let server = Server::start(&[]);
    let sid = server.polling().await;
    server.http("POST", &sid, "40").await;
    let body = vec!["421[\"message-with-ack\"]"; 40_000].join("\x1e");
    server.bears("small answers over polling", async { drop(server.http("POST", &sid, &body).await) }).await;
}

#[tokio::test]
async fn attachments_that_never_are_enough() {
    let server = Server::start(&[]);
    let mut ws = server.joined().await;
    let trouble = async {
        ws.send(Message::text("4510-[\"x\"]")).await.unwrap();
        for _ in 0..9 {
            if ws.send(Message::binary(vec![0; 990_000])).await.is_err() {
                break;
            }
        }
    };
    server.bears("attachments", trouble).await;
}

/// What one body can ask for: as many packets as it holds.
#[tokio::test]
async fn bodies_of_a_million_bytes() {
    let server = Server::start(&[]);
    for (what, packet) in [
        ("noops", "6"),
        ("unknown events", "42[\"nobody\"]"),
        ("joins", "42[\"join\",\"room-#\"]"),
        ("refused namespaces", "40/u#,"),
    ] {
        let sid = server.polling().await;
        server.http("POST", &sid, "40").await;
        let mut body = String::new();
        for n in 0.. {
            let packet = packet.replace('#', &n.to_string());
            if body.len() + packet.len() > 990_000 {
                break;
            }
            body.push_str(if body.is_empty() { "" } else { "\x1e" });
            body.push_str(&packet);
        }
        let trouble = async { drop(server.http("POST", &sid, &body).await) };
        let quiet = server.echoes_while(tokio::time::sleep(Duration::from_millis(300))).await;
        let delayed = server.echoes_while(trouble).await;
        assert!(delayed <= DELAY + 3 * quiet, "{what}: echoes take {delayed:?}, and {quiet:?} on a quiet server");
    }
}

/// One event may be a million bytes, whatever they are.
#[tokio::test]
async fn events_of_a_million_bytes() {
    let server = Server::start(&[]);
    let deep = format!("{}{}", "[".repeat(490_000), "]".repeat(490_000));
    let numbers = format!("[{}1]", "1,".repeat(490_000));
    let objects = format!("[{}1]", "{\"a\":1},".repeat(120_000));
    let escapes = format!("\"{}\"", "\\ud800".repeat(160_000));
    let many = format!("1{}", ",1".repeat(490_000));
    for (what, body) in
        [("nesting", deep), ("numbers", numbers), ("objects", objects), ("escapes", escapes), ("arguments", many)]
    {
        // A debug build reads ten times as slowly: it may take four times as long as that takes here.
        let begin = now();
        Packet::decode(&format!("2[\"x\",{body}]").into()).unwrap().0.validate().unwrap();
        let readings = if cfg!(debug_assertions) { 4 * begin.elapsed() } else { Duration::ZERO };
        for event in ["42[\"nobody\",", "421[\"data\","] {
            let mut ws = server.joined().await;
            let trouble = async {
                for _ in 0..3 {
                    ws.send(Message::text(format!("{event}{body}]"))).await.unwrap();
                    ws.send(Message::text("422[\"message-with-ack\"]")).await.unwrap();
                    while let Some(Ok(message)) = ws.next().await
                        && !message.to_text().unwrap().starts_with("432[")
                    {}
                }
            };
            let quiet = server.echoes_while(tokio::time::sleep(Duration::from_millis(200))).await;
            let delayed = server.echoes_while(trouble).await;
            assert!(
                delayed <= DELAY + 3 * quiet + readings,
                "{what} in {event}: echoes take {delayed:?}, and {quiet:?} on a quiet server"
            );
        }
    }
}

/// Rooms are held for the one who is in them.
#[tokio::test]
async fn more_rooms_than_one_peer_may_have() {
    let server = Server::start(&[]);
    let mut ws = server.joined().await;
    let trouble = async {
        for batch in 0..500 {
            let rooms: Vec<_> = (0..100).map(|n| format!("\"{batch}-{n:x}\"")).collect();
            if ws.send(Message::text(format!("42[\"join\",[{}]]", rooms.join(",")))).await.is_err() {
                break;
            }
        }
        while let Some(Ok(_)) = ws.next().await {}
    };
    server.bears("rooms", trouble).await;
}

/// A client that was in many rooms and missed many packets, most of them not its own.
#[tokio::test]
async fn a_return_that_costs_much() {
    let server = Server::start(&["--recovery", "60000"]);
    let mut ws = server.websocket("EIO=4").await;
    ws.send(Message::text("40")).await.unwrap();
    let (mut pid, mut offset) = (String::new(), String::new());
    while offset.is_empty() {
        let text = ws.next().await.unwrap().unwrap().into_text().unwrap();
        let last = text.rsplit('"').nth(1).unwrap_or_default().to_owned();
        match text.get(..2) {
            Some("40") => pid = last,
            Some("42") => offset = last,
            _ => {}
        }
    }
    let mut other = server.joined().await;
    for n in 0..1_500 {
        ws.feed(Message::text(format!("42[\"join\",\"{n}\"]"))).await.unwrap();
    }
    ws.send(Message::text("421[\"message-with-ack\"]")).await.unwrap();
    for n in 0..100 {
        for room in ["nobody".to_owned(), n.to_string()] {
            let emit = format!("42[\"emit\",{{\"to\":\"{room}\",\"event\":\"x\",\"repeat\":100}}]");
            other.feed(Message::text(emit)).await.unwrap();
        }
    }
    other.send(Message::text("421[\"message-with-ack\"]")).await.unwrap();
    for ws in [&mut ws, &mut other] {
        while !ws.next().await.unwrap().unwrap().to_text().unwrap().starts_with("431") {}
    }
    drop(ws);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let missed = std::cell::Cell::new(0);
    let trouble = async {
        let mut ws = server.websocket("EIO=4").await;
        let auth = format!("40{{\"pid\":\"{pid}\",\"offset\":\"{offset}\"}}");
        ws.send(Message::text(auth)).await.unwrap();
        while let Some(Ok(message)) = ws.next().await
            && !message.to_text().unwrap().starts_with("40")
        {
            missed.set(missed.get() + 1);
        }
    };
    server.bears("a return", trouble).await;
    assert!(missed.get() > 10_000, "it was not restored: {} packets", missed.get());
}

/// What is kept of those who are away has a bound that they share.
#[tokio::test]
async fn sessions_that_are_away() {
    let server = Server::start(&["--recovery", "60000", "--recovery-bytes", "4194304"]);
    let before = server.resident();
    let rooms: Vec<_> = (0..40).map(|n| format!("\"#{}{n}\"", "r".repeat(900))).collect();
    let join = format!("42[\"join\",[{}]]", rooms.join(","));
    for n in 0..350 {
        let mut ws = server.joined().await;
        ws.get_mut().write_all(&frame(1, join.replace('#', &n.to_string()).as_bytes())).await.unwrap();
        ws.send(Message::text("421[\"message-with-ack\"]")).await.unwrap();
        while !ws.next().await.unwrap().unwrap().to_text().unwrap().starts_with("431") {}
    }
    let held = server.resident().saturating_sub(before);
    assert!(held <= 3 * 4 * MIB, "{} KiB are held", held / 1024);
}

#[tokio::test]
async fn fragments_without_end() {
    let server = Server::start(&[]);
    let mut ws = server.joined().await;
    let empty = [&[0x01, 0x80, 0, 0, 0, 0][..], &[0x00, 0x80, 0, 0, 0, 0].repeat(10_000)].concat();
    let more = [0x00, 0x80, 0, 0, 0, 0].repeat(10_000);
    let trouble = async {
        ws.get_mut().write_all(&empty).await.unwrap();
        pour(ws.get_mut(), &more, LONG).await;
    };
    server.bears("empty fragments", trouble).await;
}

/// A namespace stays, the message that asked for it does not.
#[tokio::test]
async fn names_do_not_keep_messages() {
    let server = Server::start(&[]);
    let before = server.resident();
    for n in 1000..1200 {
        let mut ws = server.joined().await;
        let pad = "x".repeat(900_000);
        ws.send(Message::text(format!("40/dynamic-{n},{{\"pad\":\"{pad}\"}}"))).await.unwrap();
        ws.next().await.unwrap().unwrap();
        ws.close(None).await.unwrap();
    }
    let held = server.resident().saturating_sub(before);
    assert!(held <= HELD, "{} KiB for 200 namespaces", held / 1024);
}

/// Wherever a peer stops to read, its connection ends with the heartbeat or the deadline of what it does not take.
/// A Redis that stands still once clients are there.
struct Broker(Child, u16);

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Broker {
    /// `None` where there is no redis-server; on a machine for tests that is a failure.
    fn start() -> Option<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()];
        let spawned = Command::new("redis-server").args(options).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = spawned else {
            assert!(std::env::var_os("CI").is_none(), "redis-server is missing; scripts/test-machine.sh installs it");
            println!("redis-server is not installed: left out");
            return None;
        };
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("eady to accept connections")), "Redis did not start");
        Some(Self(child, port))
    }

    fn stand_still(&self) {
        let process = nix::unistd::Pid::from_raw(self.0.id().try_into().unwrap());
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGSTOP).unwrap();
    }
}

/// What waits for a broker is bounded for all peers together (`Redis::QUEUE`), whatever its messages weigh.
#[tokio::test]
async fn broadcasts_to_a_broker_that_stands_still() {
    let all = [("redis", 1), ("redis", 1_000), ("redis", 100_000), ("redis-sharded", 1_000), ("redis-streams", 1_000)];
    for (scheme, size) in all {
        let Some(broker) = Broker::start() else { return };
        let server = Server::start(&["--adapter", &format!("{scheme}://127.0.0.1:{}", broker.1)]);
        let mut ws = server.joined().await;
        broker.stand_still();
        let event = format!(r#"42["emit",{{"event":"x","to":"nobody","args":["{}"]}}]"#, "x".repeat(size));
        let events = frame(1, event.as_bytes()).repeat((100_000 / size).clamp(1, 1_000));
        let queue = 3 * sio_reference_server::Redis::QUEUE.0;
        let trouble = pour(ws.get_mut(), &events, LONG);
        server.bears_beyond(queue, &format!("broadcasts of {size} bytes over {scheme}"), trouble).await;
    }
}

#[tokio::test]
async fn peers_that_stop_reading_are_gone() {
    let times = ["--ping-interval", "400", "--ping-timeout", "400", "--upgrade-timeout", "800"];
    let server = Server::start(&times);
    let files = server.files();
    let upgrade = |query: &str| {
        format!(
            "GET /socket.io/?EIO=4&transport=websocket{query} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    };
    let mut kept = Vec::new();
    for n in 0..8 {
        let mut probing = server.connect().await;
        let sid = server.polling().await;
        probing.write_all(upgrade(&format!("&sid={sid}")).as_bytes()).await.unwrap();
        // Far more probes than fit into the socket as answers.
        pour(&mut probing, &frame(1, b"2probe").repeat(2_000), Duration::from_millis(300)).await;
        kept.push(probing);

        // Put out, with more queued than the socket takes, and none of it read.
        let mut last = server.joined().await;
        let burst = format!("42[\"bye\",{{\"close\":true,\"burst\":{}}}]", 40 + n);
        last.send(Message::text(burst)).await.unwrap();
        kept.push(last.into_inner());

        // Refused, while pongs fill the socket.
        let mut refused = server.joined().await;
        pour(refused.get_mut(), &frame(9, &[b'x'; 100]).repeat(500), Duration::from_millis(100)).await;
        let _ = refused.get_mut().try_write(b"\x81\x02xx");
        kept.push(refused.into_inner());
    }
    assert!(server.files() > files);
    let deadline = now() + Duration::from_secs(30);
    while server.files() > files {
        assert!(now() < deadline, "{} connections outlive their sessions", server.files() - files);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
